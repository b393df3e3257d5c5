"""What a folder or a repository holds, told by its files: which reward it is, or what it is instead.
Nothing is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from roborew.errors import InvalidInputError
from roborew.rewards.checkpoints.files import (
    CONFIG,
    WEIGHTS,
    base_model,
    check_choice,
    read_config,
    read_fields,
    tensor_names,
)
from roborew.rewards.vlm.released.template import GRM, ROBOREWARD, VLAC
from roborew.weights.folder import INDEX
from roborew.weights.hub import hub_file, hub_folder

REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
"""Of the hub, ``owner/name``."""
LEROBOT = ("reward_classifier", "robometer", "sarm", "topreward")
"""LeRobot's types of reward models."""
POLICIES = (
    "act",
    "diffusion",
    "pi0",
    "pi0_fast",
    "pi05",
    "smolvla",
    "vqbet",
    "tdmpc",
    "sac",
    "groot",
)
"""LeRobot's types of policies."""
RELEASED_JUDGES = {"roboreward": ROBOREWARD, "robo_dopamine": GRM, "vlac": VLAC}
ROBOMETER_BASE = "qwen3_vl"
HEAD = "progress_head."
"""Names of weights that only a reward model has begin with it."""
PICKLES = ("*.pt", "*.pth", "*.bin", "*.ckpt", "*.pkl")
SUPPORTED = (
    "a critic of `roborew fit`, weights of mini, ReWiND's (converted), Robometer's, LeRobot's "
    f"{', '.join(LEROBOT)}, or a released judge (RoboReward, GRM, VLAC)"
)


@dataclass(frozen=True, slots=True)
class Recognized:
    """The reward that a folder holds.

    Attributes:
        name: of the reward, as `roborew list rewards` has it.
        options: its settings, as JSON holds them.
    """

    name: str
    options: Mapping[str, Any]


def recognize(weights: str, revision: str | None = None) -> Recognized:
    """Return which reward a folder or a repository holds.

    Args:
        weights: a folder, or ``owner/name`` on the hub.
        revision: commit of a repository on the hub.

    Raises:
        InvalidInputError: it is no reward; the message says what it is, and what to do with it.
        CorruptFileError: its configuration is no JSON object, or half of the weights are absent.
        MissingBackendError: the repository cannot be had.
    """
    folder = Path(weights).expanduser()
    if not folder.is_dir():
        return _recognize_repository(weights, revision)
    if not (folder / CONFIG).is_file():
        raise _refusal(weights, _without_config(folder))
    return _recognize(weights, folder, revision)


@cache
def _recognize_repository(repository: str, revision: str | None) -> Recognized:
    """Asked for once: a command reads the settings of its reward several times."""
    folder = hub_file(repository, [CONFIG], revision).parent
    return _recognize(repository, folder, revision)


def _recognize(weights: str, folder: Path, revision: str | None) -> Recognized:
    config = read_config(folder)
    if "type" in config:
        return _lerobot(weights, str(config["type"]), config)
    if config.get("kind") == "rewind":
        return Recognized("rewind", {"weights": weights})
    if "sha256" in config and "vocabulary" in config:
        return Recognized("mini", {"weights": weights})
    if "model_type" in config:
        return _transformers(weights, folder, config, revision)
    raise _refusal(weights, _unknown_config(folder, config))


def _lerobot(weights: str, kind: str, config: Mapping[str, Any]) -> Recognized:
    if kind == "topreward":
        return Recognized("topreward", _topreward(weights, config))
    if kind in LEROBOT:
        return Recognized(kind, {"weights": weights})
    if kind in POLICIES:
        raise _refusal(weights, f"a policy of LeRobot ({kind}), which acts and scores nothing")
    raise _refusal(weights, f"of LeRobot's type {kind!r}; known are {', '.join(LEROBOT)}")


@dataclass(frozen=True, slots=True)
class _TopReward:
    """LeRobot's TOPReward is a question, and weights of somebody else."""

    vlm_name: str
    max_frames: int = 16
    fps: float = 2.0
    add_chat_template: bool = False
    prompt_prefix: str = (
        "The above video shows a robot manipulation trajectory that completes the following task: "
    )
    prompt_suffix_template: str = (
        "{instruction} Decide whether the above statement is True or not. The answer is: True"
    )
    success_threshold: float = field(default=float("-inf"))


def _topreward(weights: str, config: Mapping[str, Any]) -> dict[str, Any]:
    own = read_fields(_TopReward, config, f"{weights}: {CONFIG}")
    published = _TopReward("")
    for name in ("prompt_prefix", "prompt_suffix_template", "success_threshold"):
        check_choice(f"{weights}: {CONFIG}", name, getattr(own, name), getattr(published, name))
    model = base_model(None, own.vlm_name, "--reward topreward --judge.model", weights)
    return {
        "judge.model": model,
        "reading": "log-probability",
        "max_frames": own.max_frames,
        "fps": own.fps,
        "chat_template": own.add_chat_template,
    }


def _transformers(
    weights: str, folder: Path, config: Mapping[str, Any], revision: str | None
) -> Recognized:
    """A model of transformers, as its `config.json` calls it."""
    for name, released in RELEASED_JUDGES.items():
        if released.recognises(weights):
            judge = {"judge.model": weights}
            pinned = {"judge.options": [f"revision={revision}"]} if revision else {}
            return Recognized(name, judge | pinned)
    if _has_heads(weights, folder, config, revision):
        return Recognized("robometer", {"weights": weights})
    raise _refusal(weights, _model(weights, config))


def _has_heads(weights: str, folder: Path, config: Mapping[str, Any], revision: str | None) -> bool:
    """Whether a model has the heads of Robometer, which its configuration does not say."""
    if config["model_type"] != ROBOMETER_BASE:
        return False
    if not Path(weights).expanduser().is_dir():
        folder = hub_folder(weights, [WEIGHTS], revision)
    has_weights = (folder / INDEX).exists() or any(folder.glob(WEIGHTS))
    return has_weights and any(name.startswith(HEAD) for name in tensor_names(folder))


def _model(weights: str, config: Mapping[str, Any]) -> str:
    """What a model of transformers without heads of a reward is."""
    kind = str(config["model_type"])
    if "vision_config" not in config:
        return (
            f"a model of transformers ({kind}) without heads that score. If it is an image tower: "
            f"--reward goal_image --reward.library transformers --reward.model {weights}"
        )
    if "logit_scale_init_value" in config or kind.startswith(("clip", "siglip")):
        return f"an image-text model ({kind}): --reward clip --reward.model {weights}"
    return (
        f"a vision-language model ({kind}), which answers questions and scores nothing by itself: "
        f"--reward topreward --judge.model {weights}, or another reward that asks one"
    )


def _without_config(folder: Path) -> str:
    """What a folder without `config.json` is."""
    if (folder / "meta" / "info.json").is_file():
        return f"a data set of LeRobot: `roborew fit {folder}` makes a reward of it"
    if (folder / "adapter_config.json").is_file():
        return "an adapter without the model that it changes: merge it into that first"
    if (folder / "open_clip_config.json").is_file():
        return f"a model of open_clip: --reward clip --reward.model {folder}"
    if any(file for pattern in PICKLES for file in folder.glob(pattern)):
        return (
            "pickled weights, which run code when they are read: docs/reference/rewards.md says how "
            "they are converted"
        )
    return f"a folder without {CONFIG}"


def _unknown_config(folder: Path, config: Mapping[str, Any]) -> str:
    reward = config.get("reward")
    if isinstance(reward, dict) and "env" in config:
        name = cast("dict[str, Any]", reward).get("name")
        return f"the folder of a run, whose reward is {name!r}: give that"
    return f"a folder whose {CONFIG} names neither a type nor a model_type"


def _refusal(weights: str, description: str) -> InvalidInputError:
    return InvalidInputError(f"reward {weights}: this is {description}. Expected {SUPPORTED}.")
