"""`LearnedReward` for a single environment."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from roborew.errors import InvalidInputError
from roborew.types import RewardModel
from roborew.wrappers.learned_reward import LearnedReward

SCALAR_INFOS = ("true_reward", "score", "score_valid", "terminated_by_success_detector")


class SingleLearnedReward(
    gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs
):
    """`LearnedReward` for a single environment: same options, scalars in the info; ``score`` stands
    there only where there is one, and ``is_success``, as Stable-Baselines3 logs it, only where the
    environment tells its success.

    Args:
        env: an environment with ``render_mode="rgb_array"``.
        model: see `LearnedReward`.
        instruction: the goal as a sentence.
        **options: see `LearnedReward`.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], model: RewardModel, instruction: str, **options: Any
    ) -> None:
        # Read by Gymnasium to make the environment again; a model is shared, not copied.
        record: Any = gymnasium.utils.RecordConstructorArgs
        record.__init__(
            self, _disable_deepcopy=True, model=model, instruction=instruction, **options
        )
        gymnasium.Wrapper.__init__(self, env)
        self._vector = LearnedReward(_VectorOfOne(env), model, instruction, **options)
        self._ended = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the environment; the info gains the score of its first frame."""
        observation, infos = self._vector.reset(seed=seed, options=options)
        self._ended = False
        return observation, _scalars(infos)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment and pay the learned reward.

        Raises:
            InvalidInputError: the episode has ended and the environment was not reset.
        """
        if self._ended:
            raise InvalidInputError("step: the episode has ended; call reset() first.")
        observation, rewards, terminated, truncated, infos = self._vector.step(action)
        self._ended = bool(terminated[0] or truncated[0])
        reward = float(rewards[0])
        return observation, reward, bool(terminated[0]), bool(truncated[0]), _scalars(infos)

    def compute_reward(self, *arguments: Any) -> float:
        """Refuse what replay buffers of hindsight ask for.

        Raises:
            InvalidInputError: always.
        """
        raise InvalidInputError(
            "compute_reward: goals set in hindsight (HER) would be paid by the environment's own "
            "reward, the simulator's truth; a learned reward sees pictures, which a replay buffer "
            "does not hold. Use another replay buffer."
        )

    def flush(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the rewards of all steps since the last flush, shape (T, 1); see
        `LearnedReward.flush`."""
        return self._vector.flush()


class _VectorOfOne(VectorEnv[Any, Any, Any]):
    """A single environment in the form of a vector environment; observations, actions and the info
    stay as they are."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self.env = env
        self.num_envs = 1
        self.render_mode = env.render_mode
        self.metadata = env.metadata | {"autoreset_mode": AutoresetMode.DISABLED}
        self.single_observation_space = env.observation_space
        self.single_action_space = env.action_space

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        return self.env.reset(seed=seed, options=options)

    def step(self, actions: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(actions)
        ends = np.array([terminated]), np.array([truncated])
        return observation, np.array([reward]), *ends, info

    def render(self) -> tuple[Any, ...]:
        return (self.env.render(),)


def _scalars(infos: dict[str, Any]) -> dict[str, Any]:
    """The info of the environment, and those of the wrapper as scalars without Gymnasium's
    masks."""
    own = {name: infos[name][0].item() for name in SCALAR_INFOS if name in infos}
    # As in Gymnasium's vectors, where a mask says so: what is not known is not there.
    absent = {f"_{name}" for name in SCALAR_INFOS}
    if not own["score_valid"]:
        absent.add("score")
    scalars = infos | own
    if "success" in scalars:
        scalars.setdefault("is_success", bool(scalars["success"]))
    return {name: value for name, value in scalars.items() if name not in absent}
