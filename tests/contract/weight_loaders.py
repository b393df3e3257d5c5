"""Everything that loads a folder of weights, with a tiny folder for each, made on the spot."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from roborew.critics.critic import Critic
from roborew.critics.objectives.ridge import Ridge
from roborew.encoders.conv import ConvEncoder
from roborew.encoders.mini_network import SHIPPED
from roborew.encoders.pretrained import PretrainedEncoder
from roborew.judges.local import LocalJudge
from roborew.judges.types import Question
from roborew.rewards.clip import ClipReward
from roborew.rewards.goal_image import GoalImage
from roborew.rewards.mini import Mini
from roborew.types import Clip
from roborew.workflows.rewards import load_reward
from tests.roborew.encoders.tiny_towers import tiny_clip, tiny_dinov2, tiny_joint, tiny_siglip
from tests.roborew.rewards.checkpoints.tiny_released import (
    tiny_classifier,
    tiny_rewind,
    tiny_robometer,
    tiny_sarm,
)
from tests.tiny_models import tiny_vlm

FRAMES = np.random.default_rng(0).integers(0, 256, (1, 36, 48, 3), dtype=np.uint8)
CLIP = Clip(frames=FRAMES, instruction="open the drawer", goal_image=FRAMES[0])


def small_critic(folder: Path) -> Path:
    ridge = Ridge()
    ridge.load_state_dict({"weights": np.ones(128 + 64 + 1)})
    recipe = {"objective": ["seed=0"], "encoder_name": "conv", "encoder": ["seed=0"]}
    shutil.rmtree(folder)
    return Critic("ridge", ridge, ConvEncoder(), recipe).save_pretrained(folder)


BUILD: Mapping[str, Callable[[Path], object]] = {
    "clip": tiny_clip,
    "siglip": tiny_siglip,
    "dinov2": tiny_dinov2,
    "joint": lambda folder: tiny_joint(folder, "clip"),
    "judge": tiny_vlm,
    "mini": lambda folder: shutil.copytree(SHIPPED, folder, dirs_exist_ok=True),
    "critic": small_critic,
    "reward_classifier": tiny_classifier,
    "robometer": tiny_robometer,
    "sarm": tiny_sarm,
    "rewind": tiny_rewind,
}
"""How a folder of each kind is made."""


def _clip(model: str) -> None:
    ClipReward(model=model).score([CLIP])


def _open_clip_tower(model: str) -> None:
    PretrainedEncoder(library="open_clip", model=model).encode_text("open the drawer")


def _tower(model: str) -> None:
    encoder = PretrainedEncoder(library="transformers", model=model.removeprefix("hf-hub:"))
    encoder.encode(FRAMES)
    encoder.encode_text("open the drawer")


def _goal_image(model: str) -> None:
    GoalImage(model=model.removeprefix("hf-hub:")).score([CLIP])


def _judge(model: str) -> None:
    judge = LocalJudge(model=model.removeprefix("hf-hub:"))
    judge.ask([Question(parts=("is it open?",), max_tokens=1)])


def _mini(model: str) -> None:
    Mini(weights=Path(model)).score([CLIP])


def _critic(model: str) -> None:
    Critic.from_pretrained(model).score([CLIP])


def _released(model: str) -> None:
    load_reward(model.removeprefix("hf-hub:")).score([CLIP])


def _sarm(model: str) -> None:
    load_reward(model, clip=str(Path(model) / "clip")).score([CLIP])


def _rewind(model: str) -> None:
    folder = Path(model)
    bases = {"vision": str(folder / "vision"), "language": str(folder / "language")}
    load_reward(model, **bases).score([CLIP])


LOADERS: Mapping[str, tuple[str, Callable[[str], None]]] = {
    "clip": ("clip", _clip),
    "encoder open_clip": ("siglip", _open_clip_tower),
    "encoder transformers": ("joint", _tower),
    "goal_image": ("dinov2", _goal_image),
    "judge": ("judge", _judge),
    "mini": ("mini", _mini),
    "critic": ("critic", _critic),
    "reward_classifier": ("reward_classifier", _released),
    "robometer": ("robometer", _released),
    "sarm": ("sarm", _sarm),
    "rewind": ("rewind", _rewind),
}
"""What loads a folder, and of which kind."""
