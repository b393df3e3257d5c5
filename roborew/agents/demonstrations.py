"""Demonstrations as an agent learns from them: what was observed, done and paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from gymnasium import Space
from gymnasium.spaces import Dict
from numpy.typing import NDArray

from roborew.agents.pixels.layout import Observations
from roborew.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class DemonstrationEpisode:
    """One episode of T actions.

    Attributes:
        name: for messages.
        observations: shape (T + 1, D), float32; with pictures, arrays of T + 1 rows by the names of
            the observation space.
        actions: shape (T, A), float32, in the units of the action space.
        rewards: shape (T,), what the reward of the run pays for each action; None where the agent
            needs none.
        scores: shape (T + 1,), what that reward says of each frame, NaN where it was not asked; None
            where the agent needs none.
        terminated: whether the last action ended the episode by itself, and no time limit did.
    """

    name: str
    observations: Observations
    actions: NDArray[np.float32]
    rewards: NDArray[np.float32] | None = None
    scores: NDArray[np.float32] | None = None
    terminated: bool = False


@runtime_checkable
class LearnsFromDemonstrations(Protocol):
    """An agent that takes demonstrations; ``--demos`` is refused for all others.

    Attributes:
        needs_rewards: whether the episodes must have been paid; this costs a score of each.
    """

    needs_rewards: bool

    def use_demonstrations(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        """Take over the demonstrations; called before `learn`, and before a saved state is
        loaded."""
        ...


@runtime_checkable
class LearnsFromExperience(Protocol):
    """An agent that also learns from episodes of its own that were paid anew, after its reward model
    was refitted."""

    def use_experience(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        """Take over such episodes; called before `learn`, and before a saved state is loaded."""
        ...


def check_demonstrations(
    episodes: Sequence[DemonstrationEpisode],
    observation_space: Space[Any],
    action_space: Space[Any],
) -> None:
    """Raise unless there are demonstrations and all fit the spaces of one environment.

    Raises:
        InvalidInputError: none, another size of observations or actions, an action outside its
            bounds, NaN or infinity.
    """
    if not episodes:
        raise InvalidInputError("demonstrations: expected at least one episode; got none.")
    for episode in episodes:
        _check_sizes(episode, observation_space, action_space)
        columns = {**columns_of(episode.observations), "actions": episode.actions}
        for kind, column in columns.items():
            if not np.isfinite(column).all():
                raise InvalidInputError(f"demonstration {episode.name}: {kind} hold NaN.")
        _check_bounds(episode, action_space)


def _check_sizes(
    episode: DemonstrationEpisode, observation_space: Space[Any], action_space: Space[Any]
) -> None:
    columns = columns_of(episode.observations)
    shapes = (
        {name: column.shape[1:] for name, column in columns.items()},
        episode.actions.shape[1:],
    )
    expected = (_space_shapes(observation_space), action_space.shape)
    if shapes != expected:
        raise InvalidInputError(
            f"demonstration {episode.name}: observations and actions have shapes "
            f"{_say(shapes[0])} and {shapes[1]}; the environment's are {_say(expected[0])} and "
            f"{expected[1]}. Collect demonstrations in the environment that the agent learns in"
            f"{', as large' if len(expected[0]) > 1 else ''}."
        )
    length = len(next(iter(columns.values())))
    if length != len(episode.actions) + 1:
        raise InvalidInputError(
            f"demonstration {episode.name}: {length} observations and "
            f"{len(episode.actions)} actions; expected one observation more."
        )


def columns_of(observations: Observations) -> dict[str, NDArray[Any]]:
    """Return the arrays of observations by name."""
    if isinstance(observations, np.ndarray):
        return {"observations": observations}
    return dict(observations)


def _space_shapes(space: Space[Any]) -> dict[str, Any]:
    if isinstance(space, Dict):
        parts = cast("Mapping[str, Space[Any]]", cast(Any, space).spaces)
        return {name: part.shape for name, part in parts.items()}
    return {"observations": space.shape}


def _say(shapes: Mapping[str, Any]) -> str:
    if len(shapes) == 1:
        return str(next(iter(shapes.values())))
    return ", ".join(f"{shape} ({name})" for name, shape in shapes.items())


def _check_bounds(episode: DemonstrationEpisode, action_space: Any) -> None:
    # float32 from a file may lie a rounding outside.
    tolerance = 1e-4 * (action_space.high - action_space.low)
    low, high = action_space.low - tolerance, action_space.high + tolerance
    inside = (episode.actions >= low) & (episode.actions <= high)
    if not inside.all():
        worst = np.abs(episode.actions).max()
        raise InvalidInputError(
            f"demonstration {episode.name}: actions of up to {worst:.3g} leave the action space "
            f"{action_space}; they are of another environment or other units."
        )


def check_paid(episodes: Sequence[DemonstrationEpisode], agent: str) -> None:
    """Raise unless every demonstration was paid.

    Args:
        episodes: to look at.
        agent: that learns from what they were paid, for the message.

    Raises:
        InvalidInputError: one was not.
    """
    unpaid = [episode.name for episode in episodes if episode.rewards is None]
    if unpaid:
        raise InvalidInputError(f"{agent}: demonstration {unpaid[0]} has no rewards to learn from.")
