"""From score to reward: pure functions whose only memory is a `ShapingState`.

A shaping is called once per environment step, for all environments together; a step that was not
scored is a step whose ``valid`` is False. `ProgressDelta` and `Potential` telescope, so circling or
rewinding earns nothing; `RawScore` does not, and can be farmed.
"""

from roborew.shaping.laws import (
    OnInvalid,
    Potential,
    ProgressDelta,
    RawScore,
    Rewards,
    Shaping,
    ShapingState,
)

__all__ = [
    "OnInvalid",
    "Potential",
    "ProgressDelta",
    "RawScore",
    "Rewards",
    "Shaping",
    "ShapingState",
]
