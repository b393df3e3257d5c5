"""From score to reward: pure functions whose only memory is a `ShapingState`.

A shaping is called once per environment step, for all environments together; a step that was not scored is a step
whose ``valid`` is False. `Difference` and `Potential` telescope, so circling or rewinding earns nothing; `Level` does
not, and can be farmed.
"""

from roborew.shaping.difference import Difference
from roborew.shaping.level import Level
from roborew.shaping.potential import Potential
from roborew.shaping.state import Rewards, Shaping, ShapingState

__all__ = ["Difference", "Level", "Potential", "Rewards", "Shaping", "ShapingState"]
