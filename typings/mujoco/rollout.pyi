from collections.abc import Sequence
from typing import Any

from mujoco import MjData, MjModel

class Rollout:
    def __init__(self, *, nthread: int | None = None) -> None: ...
    def rollout(
        self,
        model: MjModel,
        data: MjData | Sequence[MjData],
        initial_state: Any,
        control: Any = None,
        **kwargs: Any,
    ) -> tuple[Any, Any]: ...
    def close(self) -> None: ...
