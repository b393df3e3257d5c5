"""Keep the pole upright: a pole that leans on a cart is brought up and held near the middle of the
rail."""

from __future__ import annotations

from typing import ClassVar

import mujoco
import numpy as np
from numpy.typing import NDArray

from roborew_envs.core.mjcf import load_world
from roborew_envs.core.task import BoolArray, FloatArray, IntArray, Language, Task
from roborew_envs.tasks.training import BODY_PPO, HELD_GOAL

MAX_UPRIGHT_LEAN = 0.08
"""Largest lean of a pole that is upright [rad]."""
FALLEN_LEAN = 1.2
"""Lean from which it cannot be saved [rad]."""
MAX_BALANCED_SPEEDS = np.array([0.5, 0.5])
"""Largest speeds of cart [m/s] and pole [rad/s] of a balance."""
MAX_BALANCED_X = 1.0
"""Largest distance of the cart from the middle [m]."""


class CartPole(Task):
    """The classic cart and pole, force up to 10 N, an action held for 20 ms. Balance: upright,
    slow, central."""

    id = "roborew/CartPole-v0"
    cameras: ClassVar[tuple[str, ...]] = ("front", "quarter")
    horizon = 200
    stages: ClassVar[tuple[str, ...]] = ("fallen", "leaning", "balanced")
    substeps = 2
    action_size = 1
    robot_state = slice(0, 4)
    language = Language(
        instruction="keep the pole upright",
        paraphrases=(
            "balance the pole on the cart",
            "please hold the pole upright",
            "do not let the pole fall",
            "move the cart so that the pole stays up",
            "keep the orange stick standing",
            "the pole stands upright on the cart",
            "bring the pole upright and keep it there",
            "steady the pole above the cart",
            "prevent the pole from tipping over",
            "hold the red ball straight above the cart",
        ),
        wrong_instructions=(
            "let the pole fall",
            "tip the pole over",
            "do not keep the pole upright",
            "drive the cart into the post",
            "swing the pole down",
            "lay the pole flat",
            "run forward",
            "hello",
        ),
    )

    def build(self) -> mujoco.MjModel:
        return load_world("cart_pole.xml").compile()

    def sample_initial_state(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """The pole leans to one side by 7 to 15 degrees, everything nearly at rest."""
        side = rng.choice([-1.0, 1.0])
        lean = side * rng.uniform(0.12, 0.26)
        cart_x = rng.uniform(-0.4, 0.4)
        qvel = 0.05 * rng.standard_normal(2)
        return np.array([cart_x, lean]), qvel

    def action_to_ctrl(self, qpos: FloatArray, actions: FloatArray) -> FloatArray:
        return actions

    def observe(self, qpos: FloatArray, qvel: FloatArray) -> NDArray[np.float32]:
        """Place [m], lean [rad] and both velocities [m/s, rad/s], shape (N, 4)."""
        return np.concatenate([qpos, qvel], axis=1, dtype=np.float32)

    def success(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        cart_x, lean = np.abs(qpos).T
        is_upright = lean <= MAX_UPRIGHT_LEAN
        is_central = cart_x <= MAX_BALANCED_X
        # Without a limit on speed a pole that swings through the top would be balanced.
        is_slow = (np.abs(qvel) <= MAX_BALANCED_SPEEDS).all(axis=1)
        return is_upright & is_central & is_slow

    def partial_progress(self, qpos: FloatArray, qvel: FloatArray) -> FloatArray:
        """How upright; of an upright pole a fifth is lost to speed and a fifth beside the
        middle."""
        cart_x, lean = np.abs(qpos).T
        to_fallen = (FALLEN_LEAN - lean) / (FALLEN_LEAN - MAX_UPRIGHT_LEAN)
        upright = np.clip(to_fallen, 0.0, 1.0)
        speed_ratio = np.abs(qvel) / MAX_BALANCED_SPEEDS
        # All is lost at five times the speed of a balance.
        excess_speed = np.clip((speed_ratio - 1) / 4, 0.0, 1.0)
        calm = 1 - excess_speed.mean(axis=1)
        # And at half a meter beside where a balance may be.
        to_edge = (1.5 - cart_x) / (1.5 - MAX_BALANCED_X)
        central = np.clip(to_edge, 0.0, 1.0)
        return upright * (0.6 + 0.2 * calm + 0.2 * central)

    def partial_stage(self, qpos: FloatArray, qvel: FloatArray) -> IntArray:
        lean = np.abs(qpos[:, 1])
        is_standing = lean < FALLEN_LEAN
        return is_standing.astype(np.int64)


class CartPoleV1(CartPole):
    """`CartPole` that ends where the pole has fallen."""

    id = "roborew/CartPole-v1"
    train_timesteps = 300_000
    train_ppo = BODY_PPO
    train_oracle = HELD_GOAL

    def failed(self, qpos: FloatArray, qvel: FloatArray) -> BoolArray:
        return np.abs(qpos[:, 1]) >= FALLEN_LEAN
