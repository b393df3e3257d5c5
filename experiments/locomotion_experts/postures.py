"""Reflexes of a humanoid that are told by a few numbers, which a search can turn.

Joints are drawn to goals, which are a pose's angles, shifted: trunk, hips, knees and arms each with
a stiffness and a damping of their own, and the abdomen and the hips also answer to how far the
trunk has pitched, and how fast.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from experiments.locomotion_experts.reflex import Reflex, joint_wise, part_of, shifted
from roborew_envs.tasks.humanoid.humanoid import Humanoid
from roborew_envs.tasks.humanoid.poses import Pose

FloatArray = NDArray[np.float64]
SHIFTED = ("abdomen_y", "hip_x", "hip_z", "hip_y", "knee", "shoulder1", "shoulder2", "elbow")
"""Joints whose goals are shifted, both sides alike."""
PARTS = ("abdomen", "hip", "knee", "arm")
ANSWERING = ("abdomen_y", "hip_y")
SCALE = np.concatenate([np.full(8, 5.0), np.full(8, 0.1), [0.5, 0.05, 0.5, 0.05]])
"""How far each number is worth going at first: shifts [degrees], log10 of stiffness and damping,
answers to pitch."""
_PITCH, _PITCH_RATE = 3, 26
"""Where an observation that faces along x holds half the pitch, and a tenth of its rate."""
_SLOWED = 0.1
HEADING = (1, 22)


def numbers(
    shift: Mapping[str, float],
    stiffness: float,
    damping: float,
    arms: tuple[float, float] | None = None,
) -> FloatArray:
    """A posture that answers to nothing and whose parts are alike, but for the arms if they are
    told, shape (20,)."""
    gains = np.repeat(np.log10([stiffness, damping]), 4)
    if arms is not None:
        gains[3::4] = np.log10(arms)
    return np.concatenate([[shift.get(joint, 0.0) for joint in SHIFTED], gains, np.zeros(4)])


def to_posture(task: Humanoid, pose: Pose, told: FloatArray) -> Reflex:
    """The reflex that is told by numbers, shape (20,), in the order of `SCALE`."""
    model = task.model
    goal = shifted(task, pose, dict(zip(SHIFTED, told[:8].tolist(), strict=True)))
    names = [model.actuator(motor).name for motor in range(model.nu)]
    parts = [PARTS.index(part_of(name)) for name in names]
    stiffness, damping = 10 ** told[8:12][parts], 10 ** told[12:16][parts]
    reflex = joint_wise(task, goal, -stiffness, -damping, stiffness)
    answers = dict(zip(ANSWERING, told[16:].reshape(2, 2), strict=True))
    for motor, name in enumerate(names):
        place, rate = answers.get(name.removeprefix("left_").removeprefix("right_"), (0.0, 0.0))
        reflex.weights[_PITCH, motor], reflex.weights[_PITCH_RATE, motor] = (
            2 * place,
            rate / _SLOWED,
        )
    return Reflex(reflex.weights, reflex.bias, HEADING)
