"""How the behaviors of a suite's environment move: by chance, by half an expert, or by an expert's
own way, led astray.

An expert of another suite reads observations and nothing can be asked of it but its next action.
So it is bent from outside: noise on what it does, or its hand's recorded way followed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from roborew_envs.experts.behaviors import NOISE_SHARE_RANGE, step_ar1_noise

Policy = Callable[[NDArray[Any], int], NDArray[Any]]
"""Observations (1, D) and the number of the step -> actions (1, A)."""
Expert = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Observations (N, D) -> actions (N, A)."""
Array = NDArray[Any]

NEAR_MISS_DISTANCES = (0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25)
"""Distances by which a hand misses, the nearest first [m]."""
DIRECTIONS_PER_DISTANCE = 2
APPROACH_SHARE = 1 / 3
"""Share of the way to success along which a near miss leaves the expert's way."""
SUCCESS_STEPS = 5
"""Steps for which a success is let stand before the expert of the opposite task undoes it."""
TRACKING_GAIN = 10.0
"""Action for each metre that the hand is off its way; Meta-World's own experts take 10 to 25."""


@dataclass(frozen=True)
class HandTrack:
    """A hand's recorded way, and the actions that led along it.

    Attributes:
        positions: shape (T, 3), where the hand shall be at each step [m].
        actions: shape (T, A), which keep it there, but for what is in its way.
    """

    positions: Array
    actions: Array

    def shift(self, offset: Array, approach_steps: float) -> HandTrack:
        """The same way beside itself: ``offset`` (3,) [m], reached after so many steps."""
        share = np.minimum(np.arange(len(self.positions)) / max(approach_steps, 1), 1)
        return HandTrack(self.positions + share[:, None] * offset, self.actions)

    def return_trip(self, motion: slice) -> HandTrack:
        """There and back again, as a film played backwards; ``motion`` is the part of an action that
        moves the hand."""
        back = self.actions[::-1].copy()
        back[:, motion] *= -1
        positions = np.concatenate([self.positions, self.positions[::-1]])
        return HandTrack(positions, np.concatenate([self.actions, back]))

    def policy(self, hand: slice, motion: slice, space: Box) -> Policy:
        """Follow the way; ``hand`` is the part of an observation that says where the hand is."""

        def act(observations: Array, step: int) -> Array:
            actions = self.actions[step][None].copy()
            error = self.positions[step] - observations[:, hand]
            actions[:, motion] += TRACKING_GAIN * error
            return np.clip(actions, space.low, space.high).astype(space.dtype)

        return act


def near_miss_offsets(rng: np.random.Generator) -> Iterator[Array]:
    """Where to lead a hand that shall miss, (3,) [m]: beside or above, ever further."""
    for distance in NEAR_MISS_DISTANCES:
        for _ in range(DIRECTIONS_PER_DISTANCE):
            angle = rng.uniform(0, 2 * np.pi)
            height = rng.uniform(0, 1)
            direction = np.array([np.cos(angle), np.sin(angle), height])
            yield distance * direction / np.linalg.norm(direction)


def random_policy(space: Box | Discrete, rng: np.random.Generator) -> Policy:
    """Chance: whole choices, or values that wander over the range of the space."""
    if isinstance(space, Discrete):
        return lambda observations, step: rng.integers(space.start, space.start + space.n, 1)
    # Independent draws would tremble on the spot; correlated ones go somewhere.
    drift = np.zeros((1, *space.shape))

    def act(observations: Array, step: int) -> Array:
        nonlocal drift
        drift = step_ar1_noise(drift, rng)
        share = (np.clip(drift, -1, 1) + 1) / 2
        return (space.low + share * (space.high - space.low)).astype(space.dtype)

    return act


def expert_policy(expert: Expert, action_repeat: int) -> Policy:
    """An expert that is asked at every ``action_repeat``-th step, and does the same until then."""
    action: Array = np.empty(0)

    def act(observations: Array, step: int) -> Array:
        nonlocal action
        if step % action_repeat == 0:
            action = expert(observations)
        return action.copy()  # others lead it astray

    return act


def noisy_policy(expert: Policy, space: Box, motion: slice, rng: np.random.Generator) -> Policy:
    """An expert that answers to a hand led astray: one share of chance in its moves all along."""
    share = rng.uniform(*NOISE_SHARE_RANGE)
    chance = random_policy(space, rng)

    def act(observations: Array, step: int) -> Array:
        actions = expert(observations, step)
        noise = chance(observations, step)
        actions[:, motion] = (1 - share) * actions[:, motion] + share * noise[:, motion]
        return actions

    return act


def replay_policy(actions: Array) -> Policy:
    """Actions (T, A) one after the other, whatever is observed."""
    return lambda observations, step: actions[step][None].copy()


def stall_policy(actions: Array, stop_step: int, motion: slice) -> Policy:
    """An expert's actions (T, A) until ``stop_step``, then no more ``motion``; its grip holds."""

    def act(observations: Array, step: int) -> Array:
        last_moving_step = max(stop_step - 1, 0)
        action = actions[min(step, last_moving_step)][None].copy()
        action[:, motion] *= step < stop_step
        return action

    return act


def undo_policy(actions: Array, undo_expert: Expert) -> Policy:
    """An expert's actions (T, A), then another expert, which does the opposite."""

    def act(observations: Array, step: int) -> Array:
        return actions[step][None] if step < len(actions) else undo_expert(observations)

    return act
