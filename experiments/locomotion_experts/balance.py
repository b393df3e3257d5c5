"""A reflex that balances: the linear-quadratic regulator about a posture in which a humanoid stands at rest.

A body on two round feet falls from every posture, however stiffly it is held, so its gains must come from how it falls:
the environment's step is differentiated at the equilibrium by finite differences, and the discrete Riccati equation
(Anderson and Moore, Optimal Control, 1990, chapter 2) gives the gains. Place and heading are left free.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are
from scipy.optimize import least_squares

from experiments.locomotion_experts.reflex import Reflex
from roborew_envs.humanoid import Humanoid

FloatArray = NDArray[np.float64]
_FREE = (0, 1, 5)
"""Degrees of freedom that are not regulated: place and heading."""
_DROP, _LEAN = 2, 4
"""Degrees of freedom in which an equilibrium is looked for: height and lean forward."""
_NUDGE = 1e-4
_SLOWED = 0.1
"""Observations hold a tenth of qvel."""
_QUATERNION, _VELOCITY = 1, 22
"""Where they hold the trunk's orientation and its velocity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a regulator weighs, all of it squared.

    Attributes:
        effort: of an action of 1 in trunk and legs.
        arm_effort: in the arms.
        over_feet: of a metre of the centre of mass from over the feet.
        turn: of a rad of the trunk's turn.
        height: of a metre of its height.
        abdomen: of a rad of a joint there; and so on.
        speed: of 1 m/s or rad/s of the trunk.
        joint_speed: of a rad/s of a joint.
    """

    effort: float = 10.0
    arm_effort: float = 10.0
    over_feet: float = 1000.0
    turn: float = 1.0
    height: float = 10.0
    abdomen: float = 2.0
    hip: float = 2.0
    knee: float = 2.0
    arm: float = 2.0
    speed: float = 0.01
    joint_speed: float = 0.01


COSTS = Costs()


@dataclass(frozen=True, slots=True)
class Rest:
    """An equilibrium: qpos, shape (nq,), and the action that holds it, shape (nu,)."""

    qpos: FloatArray
    action: FloatArray


def to_balance(task: Humanoid, angles: FloatArray, costs: Costs = COSTS) -> Reflex:
    """The reflex that balances about joint angles, shape (17,) [rad], with both feet down, whichever way it faces."""
    rest = at_rest(task, angles)
    return _on_observations(task, rest, _regulator(*_linear(task, rest), *_weights(task, rest, costs)))


def at_rest(task: Humanoid, angles: FloatArray) -> Rest:
    """Lean the body, and let it sink into the floor, until neither gravity nor the floor moves it."""
    model, data = task.model, mujoco.MjData(task.model)
    start = np.zeros(model.nq)
    start[3], start[7:] = 1, angles

    def placed(change: FloatArray) -> FloatArray:
        qpos = _moved(model, start, np.eye(model.nv)[_LEAN] * change[1])
        qpos[2] = change[0] - task.kinematics.lowest_point(qpos[None])[0]
        return qpos

    def unbalanced(change: FloatArray) -> FloatArray:
        return _forces(model, data, placed(change))[[_DROP, _LEAN]] / 400

    found = least_squares(unbalanced, np.array([-1e-3, 0.0]), x_scale=np.array([1e-3, 0.1]), diff_step=1e-4)
    qpos = placed(found.x)
    forces = _forces(model, data, qpos)
    joints = model.jnt_dofadr[model.actuator_trnid[:, 0]]
    return Rest(qpos, forces[joints] / model.actuator_gear[:, 0] / model.actuator_ctrlrange[:, 1])


def _moved(model: mujoco.MjModel, qpos: FloatArray, change: FloatArray) -> FloatArray:
    moved = qpos.copy()
    mujoco.mj_integratePos(model, moved, change, 1.0)
    return moved


def _forces(model: mujoco.MjModel, data: mujoco.MjData, qpos: FloatArray) -> FloatArray:
    """What must act on each degree of freedom, beside gravity, springs and the floor, to stay at rest, shape (nv,)."""
    mujoco.mj_resetData(model, data)
    data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    data.qacc[:] = 0
    mujoco.mj_inverse(model, data)
    return data.qfrc_inverse.copy()


def _linear(task: Humanoid, rest: Rest) -> tuple[FloatArray, FloatArray]:
    """How an environment step carries deviations, shape (2 nv, 2 nv), and actions, shape (2 nv, nu), about a rest."""
    model, data, nv = task.model, mujoco.MjData(task.model), task.model.nv

    def after(deviation: FloatArray) -> FloatArray:
        mujoco.mj_resetData(model, data)
        data.qpos[:] = _moved(model, rest.qpos, deviation[:nv])
        data.qvel[:] = deviation[nv : 2 * nv]
        data.ctrl[:] = (rest.action + deviation[2 * nv :]) * model.actuator_ctrlrange[:, 1]
        for _ in range(task.substeps):
            mujoco.mj_step(model, data)
        places = np.zeros(nv)
        mujoco.mj_differentiatePos(model, places, 1.0, rest.qpos, data.qpos)
        return np.concatenate([places, data.qvel])

    nudges = np.diag(np.repeat([_NUDGE, 10 * _NUDGE, 10 * _NUDGE], [nv, nv, model.nu]))
    columns = [(after(nudge) - after(-nudge)) / (2 * nudge.max()) for nudge in nudges]
    both = np.column_stack(columns)
    return both[:, : 2 * nv], both[:, 2 * nv :]


def _weights(task: Humanoid, rest: Rest, costs: Costs) -> tuple[FloatArray, FloatArray]:
    """Of deviations, shape (2 nv, 2 nv), and of actions, shape (nu, nu)."""
    model, data = task.model, mujoco.MjData(task.model)
    data.qpos[:] = rest.qpos
    mujoco.mj_forward(model, data)
    mass, foot, feet = (np.zeros((3, model.nv)) for _ in range(3))
    mujoco.mj_jacSubtreeCom(model, data, mass, 1)
    for side in ("left", "right"):
        mujoco.mj_jacGeom(model, data, foot, None, model.geom(f"{side}_foot").id)
        feet += foot / 2
    beside = (mass - feet)[:2]
    joints = [part_of(model.joint(i).name) for i in range(1, model.njnt)]
    places = [0, 0, costs.height, costs.turn, costs.turn, 0, *(getattr(costs, joint) for joint in joints)]
    speeds = np.repeat([costs.speed, costs.joint_speed], [6, model.nv - 6])
    weights = np.diag(np.concatenate([places, speeds]) + 1e-8)
    weights[: model.nv, : model.nv] += costs.over_feet * beside.T @ beside
    motors = [part_of(model.actuator(i).name) for i in range(model.nu)]
    return weights, np.diag([costs.arm_effort if motor == "arm" else costs.effort for motor in motors])


def part_of(joint: str) -> str:
    """Which part of the body a joint belongs to: abdomen, hip, knee or arm.

    >>> part_of("left_hip_x"), part_of("abdomen_y"), part_of("right_elbow")
    ('hip', 'abdomen', 'arm')
    """
    name = joint.removeprefix("left_").removeprefix("right_").split("_")[0]
    return name if name in ("abdomen", "hip", "knee") else "arm"


def _regulator(state: FloatArray, action: FloatArray, costs: FloatArray, effort: FloatArray) -> FloatArray:
    """Gains, shape (nu, 2 nv): the best action is minus their product with the deviation."""
    kept = np.setdiff1d(np.arange(len(state)), _FREE)
    a, b = state[np.ix_(kept, kept)], action[kept]
    value = solve_discrete_are(a, b, costs[np.ix_(kept, kept)], effort)
    gains = np.zeros(action.T.shape)
    gains[:, kept] = np.linalg.solve(effort + b.T @ value @ b, b.T @ value @ a)
    return gains


def _on_observations(task: Humanoid, rest: Rest, gains: FloatArray) -> Reflex:
    """The same for what an agent sees: a small turn is twice the vector part of a quaternion, seen from the rest's."""
    nv = task.model.nv
    w, x, y, z = rest.qpos[3:7]
    turn = 2 * np.array([[-x, w, z, -y], [-y, -z, w, x], [-z, y, -x, w]])
    places = np.concatenate([gains[:, 2:3], gains[:, 3:6] @ turn, gains[:, 6:nv]], axis=1)
    weights = -np.concatenate([places, gains[:, nv:] / _SLOWED], axis=1).T
    return Reflex(weights, rest.action + places @ rest.qpos[2:], (_QUATERNION, _VELOCITY))
