"""From an agent to the policy that is published, and from that policy to others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from experiments.locomotion_experts.reflex import Reflex, part_of
from roborew import PPO
from roborew_envs.experts.policies import PolicyNetwork
from roborew_envs.tasks.humanoid.humanoid import Humanoid
from roborew_envs.tasks.humanoid.poses import Pose

_KNOWN = 100_000.0
"""Observations that a policy's normalisation counts for when an agent goes on from it."""


def exported(agent: PPO, reflex: Reflex) -> PolicyNetwork:
    """The agent's mean action on top of the reflex, as a policy of plain arrays."""
    arrays, _ = agent.state_dict()
    width = agent.config.hidden_dim
    parts: dict[str, Any] = {
        "mean": arrays["observations/mean"],
        "scale": np.sqrt(arrays["observations/variance"] + 1e-8),
        "first": arrays["network/first"][:, :width],
        "first_bias": arrays["network/first_bias"][:width],
        "second": arrays["network/second"][0],
        "second_bias": arrays["network/second_bias"][0, 0],
        "last": arrays["network/policy"],
        "last_bias": arrays["network/policy_bias"],
        "reflex": reflex.weights,
        "reflex_bias": reflex.bias,
    }
    heading = np.array(reflex.heading, np.int64)
    return PolicyNetwork(
        **{name: np.asarray(values, np.float32) for name, values in parts.items()}, heading=heading
    )


def go_on_from(agent: PPO, policy: PolicyNetwork) -> None:
    """Let a fresh agent act as a policy does, on a reflex of its own; its critic knows nothing
    yet."""
    arrays, meta = agent.state_dict()
    arrays = {name: np.array(values) for name, values in arrays.items()}
    width = agent.config.hidden_dim
    arrays["observations/mean"][:], arrays["observations/variance"][:] = (
        policy.mean,
        policy.scale**2,
    )
    arrays["observations/count"][:] = _KNOWN
    arrays["network/first"][:, :width], arrays["network/first_bias"][:width] = (
        policy.first,
        policy.first_bias,
    )
    arrays["network/second"][0], arrays["network/second_bias"][0, 0] = (
        policy.second,
        policy.second_bias,
    )
    arrays["network/policy"][:], arrays["network/policy_bias"][:] = policy.last, policy.last_bias
    agent.load_state_dict(arrays, meta)


def with_other_arms(
    policy: PolicyNetwork, task: Humanoid, seen: Pose, reflex: Reflex
) -> PolicyNetwork:
    """A policy that moves trunk and legs as before, on a new reflex which alone moves the arms.

    Args:
        policy: of the same body.
        task: whose body.
        seen: where the network sees the arms from now on, at rest, wherever they are.
        reflex: of trunk, legs and arms.
    """
    model, nq = task.model, task.model.nq
    arms = np.array([part_of(model.joint(i).name) == "arm" for i in range(1, model.njnt)])
    motors = np.array([part_of(model.actuator(i).name) == "arm" for i in range(model.nu)])
    still = np.concatenate([np.zeros(5), task.joint_angles(seen), np.zeros(model.nv)])
    hidden = np.concatenate([np.zeros(5, np.bool_), arms, np.zeros(6, np.bool_), arms])
    assert len(hidden) == nq - 2 + model.nv
    constant = ((still - policy.mean) / policy.scale * hidden) @ policy.first
    return replace(
        policy,
        first=policy.first * ~hidden[:, None],
        first_bias=(policy.first_bias + constant).astype(np.float32),
        last=policy.last * ~motors,
        last_bias=policy.last_bias * ~motors,
        reflex=reflex.weights.astype(np.float32),
        reflex_bias=reflex.bias.astype(np.float32),
    )
