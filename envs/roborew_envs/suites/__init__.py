"""Environments of other packages behind one adapter: Gymnasium's own, Meta-World,
Gymnasium-Robotics, dm_control.

Ids are those that Gymnasium knows: ``HalfCheetah-v5``, ``Meta-World/reach-v3``, ``FetchReach-v4``,
``dm_control/cheetah-run-v0``, or ``module:Id-v0`` for anything else. The package of a known suite
is imported when one of its ids is asked for.
"""

from roborew_envs.suites.finding import find
from roborew_envs.suites.vector import SuiteVectorEnv
from roborew_envs.suites.world import OWN_CAMERA

__all__ = ["OWN_CAMERA", "SuiteVectorEnv", "find"]
