"""The true return beside the learned one, in the logs of Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback


class TrueReturn(BaseCallback):
    """Logs ``true/ep_rew_mean``, the return of the episodes that ended in a rollout by the
    environment's own reward, which a reward wrapper leaves in ``info["true_reward"]``.

    Pass it to ``learn`` of any algorithm of Stable-Baselines3: ``model.learn(10_000, TrueReturn())``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._running: NDArray[np.float64] = np.zeros(0)

    def _on_training_start(self) -> None:
        num_envs = self.training_env.num_envs
        # Episodes go on where learning does.
        if self.num_timesteps == 0 or len(self._running) != num_envs:
            self._running = np.zeros(num_envs)

    def _on_step(self) -> bool:
        infos: list[dict[str, Any]] = self.locals["infos"]
        self._running += [info.get("true_reward", np.nan) for info in infos]
        for i in np.flatnonzero(self.locals["dones"]).tolist():
            self.logger.record_mean("true/ep_rew_mean", float(self._running[i]))
            self._running[i] = 0.0
        return True
