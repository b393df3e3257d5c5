"""What the wrappers that pay a reward of their own share: episodes that they may end before the
environment does."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.stopwatch import Stopwatch
from roborew.types import BoolArray
from roborew.wrappers.episode_tracker import EpisodeTracker, StepRewards

SUPPORTED = (AutoresetMode.DISABLED, AutoresetMode.NEXT_STEP)


class RewardWrapper(VectorWrapper[Any, Any, Any, Any, Any]):
    """Replaces the rewards of a vector environment and keeps the true ones in
    ``infos["true_reward"]``.

    A claimed success sets ``terminated``. In ``DISABLED`` mode the caller resets such an
    environment like any other that is done; in ``NEXT_STEP`` mode the next step does.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], ledger: EpisodeTracker) -> None:
        super().__init__(env)
        mode = env.metadata.get("autoreset_mode")
        if mode not in SUPPORTED:
            raise InvalidInputError(
                f"autoreset: expected AutoresetMode.DISABLED or NEXT_STEP, got {mode}: after the "
                f"last action of an "
                "episode the environment must still show its final state, not the next episode's "
                "first."
            )
        self._resets_itself = mode == AutoresetMode.NEXT_STEP
        self._claimed = np.zeros(
            env.num_envs, dtype=np.bool_
        )  # ended by a claim, unknown to the environment
        self._ledger = ledger
        self._watch = Stopwatch()

    @property
    def seconds(self) -> dict[str, float]:
        """Wall-clock time spent so far [s], by what it was spent on."""
        return dict(self._watch.seconds)

    def pay_restart(self, begun: BoolArray, infos: dict[str, Any]) -> StepRewards:
        """Label the first states of the episodes where ``begun``, shape (N,), is True."""
        raise NotImplementedError

    def pay_step(
        self, terminated: BoolArray, truncated: BoolArray, infos: dict[str, Any]
    ) -> StepRewards:
        """Pay one step, shape (N,)."""
        raise NotImplementedError

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all environments, or those in ``options["reset_mask"]``; infos gain their
        scores."""
        begun = np.ones(self.num_envs, dtype=np.bool_)
        if options is not None and "reset_mask" in options:
            begun = np.array(options["reset_mask"], dtype=np.bool_)
            options = dict(options)  # Gymnasium's environments take the mask out of it
        with self._watch.time("physics"):
            observations, infos = self.env.reset(seed=cast(Any, seed), options=options)
        self._claimed = self._claimed & ~begun
        return observations, infos | self.pay_restart(begun, infos).infos()

    def step(self, actions: Any) -> tuple[Any, NDArray[Any], BoolArray, BoolArray, dict[str, Any]]:
        """Step all environments; see the class for what is replaced and what infos gain.

        Raises:
            InvalidInputError: in ``DISABLED`` mode, an environment was not reset after its episode
                ended.
        """
        if not self._resets_itself and self._ledger.ended.any():
            raise InvalidInputError(
                f"step: the episodes of environments "
                f"{np.flatnonzero(self._ledger.ended).tolist()} have ended; "
                "reset them first with reset(options={'reset_mask': terminated | truncated})."
            )
        with self._watch.time("physics"):
            observations, rewards, terminated, truncated, infos = self._step_environment(actions)
        payment = self.pay_step(terminated, truncated, infos)
        self._claimed = payment.terminated_by_success_detector & ~(terminated | truncated)
        truth = {
            "true_reward": rewards,
            "_true_reward": np.ones_like(payment.terminated_by_success_detector),
        }
        infos = infos | truth | payment.infos()
        return (
            observations,
            payment.rewards,
            terminated | payment.terminated_by_success_detector,
            truncated,
            infos,
        )

    def _step_environment(
        self, actions: Any
    ) -> tuple[Any, NDArray[Any], BoolArray, BoolArray, dict[str, Any]]:
        ended = self._claimed if self._resets_itself else np.zeros_like(self._claimed)
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        if ended.any():
            observations, fresh = self.env.reset(options={"reset_mask": ended.copy()})
            infos = _overlay(infos, fresh, ended)
            rewards = np.where(ended, 0.0, rewards)
            terminated, truncated = terminated & ~ended, truncated & ~ended
        return observations, rewards, terminated, truncated, infos

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the state of the environment and of this wrapper, for `set_state`.

        Raises:
            InvalidInputError: the environment cannot give its state.
        """
        inner = cast(dict[str, NDArray[Any]], self._inner("get_state")())
        own = {"terminated_by_success_detector": self._claimed.copy()} | self.get_reward_state()
        return {f"env/{key}": value for key, value in inner.items()} | {
            f"reward/{k}": v for k, v in own.items()
        }

    def set_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned, of an environment made the same way."""
        parts: dict[str, dict[str, NDArray[Any]]] = {"env": {}, "reward": {}}
        for key, value in arrays.items():
            part, name = key.split("/", 1)
            parts[part][name] = value
        self._inner("set_state")(parts["env"])
        self._claimed = parts["reward"]["terminated_by_success_detector"].copy()
        self.set_reward_state(parts["reward"])

    def get_reward_state(self) -> dict[str, NDArray[Any]]:
        """Return the subclass's own state."""
        raise NotImplementedError

    def set_reward_state(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `get_reward_state` returned."""
        raise NotImplementedError

    def _inner(self, name: str) -> Any:
        method = getattr(self.env, name, None) or getattr(self.env.unwrapped, name, None)
        if method is None:
            raise InvalidInputError(
                f"{name}: {self.env.unwrapped} cannot give or take its state; use one of "
                f"roborew's own "
                "environments to be able to resume."
            )
        return method


def _overlay(infos: dict[str, Any], fresh: dict[str, Any], mask: BoolArray) -> dict[str, Any]:
    """Return ``infos`` with the one-dimensional arrays of ``fresh`` where ``mask``, shape (N,), is
    True."""
    merged = dict(infos)
    for key, value in fresh.items():
        if isinstance(value, np.ndarray) and key in infos:
            merged[key] = np.where(mask, cast(NDArray[Any], value), infos[key])
    return merged
