"""Which tasks are the first of their name, and which differ from that in their end alone.

What holds of worlds, starts, observations and pictures is tested of the first version of a task:
`test_later_versions` holds the others to have the same.
"""

from __future__ import annotations

from roborew_envs import TASKS

FIRST_VERSIONS = tuple(task_id for task_id in TASKS if task_id.endswith("-v0"))
LATER_VERSIONS = tuple(task_id for task_id in TASKS if task_id not in FIRST_VERSIONS)
