"""Environments of other packages behind one adapter: Gymnasium's own, Meta-World,
Gymnasium-Robotics, dm_control.

Ids are those that Gymnasium knows: ``HalfCheetah-v5``, ``Meta-World/reach-v3``, ``FetchReach-v4``,
``dm_control/cheetah-run-v0``, or ``module:Id-v0`` for anything else. The package of a known suite
is imported when one of its ids is asked for.
"""

from roborew_envs.suites.env_specs import find_env_spec
from roborew_envs.suites.mujoco_world import DEFAULT_CAMERA
from roborew_envs.suites.vector import SuiteVectorEnv

__all__ = ["DEFAULT_CAMERA", "SuiteVectorEnv", "find_env_spec"]
