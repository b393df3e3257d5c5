"""A folder or a hub id is enough: what it holds is told by its files, and what it is not is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import huggingface_hub.constants
import numpy as np
import pytest

import roborew_envs  # noqa: F401 - registers the ids
from roborew import LearnedReward, load_reward
from roborew.cli import main
from roborew.encoders.mini_network import SHIPPED
from roborew.errors import InvalidInputError, UnknownNameError
from roborew.types import Clip
from roborew.workflows.parts import RewardConfig
from tests.contract.weight_loaders import small_critic
from tests.roborew.encoders.tiny_towers import tiny_clip, tiny_dinov2, tiny_joint
from tests.roborew.rewards.checkpoints.tiny_released import (
    tiny_classifier,
    tiny_rewind,
    tiny_robometer,
    tiny_sarm,
)
from tests.tiny_models import tiny_vlm

COMMIT = "0123456789012345678901234567890123456789"
FRAMES = np.random.default_rng(0).integers(0, 256, (2, 36, 48, 3), dtype=np.uint8)
CLIP = Clip(frames=FRAMES, instruction="open the drawer")
HELD: Mapping[str, Callable[[Path], Path]] = {
    "mini": lambda folder: Path(shutil.copytree(SHIPPED, folder)),
    "reward_classifier": tiny_classifier,
    "robometer": tiny_robometer,
}
"""A reward, and how a folder of it is made."""


def _config(folder: Path, **settings: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("name", HELD)
def test_a_folder_is_the_reward_that_it_holds(name: str, tmp_path: Path) -> None:
    folder = HELD[name](tmp_path / "downloaded")
    model = load_reward(folder)
    assert model.spec.name == name
    by_name = load_reward(name, weights=str(folder))
    assert (model.score([CLIP])[0].value == by_name.score([CLIP])[0].value).all()


def test_a_repository_of_the_hub_is_as_good_as_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--owner--classifier"
    tiny_classifier(repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    model = load_reward("owner/classifier", revision=COMMIT)
    assert model.spec.name == "reward_classifier"
    assert model.score([CLIP])[0].valid.all()


def test_settings_are_those_of_the_reward_that_is_held(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path / "it")
    scores = load_reward(folder, threshold=0.0).score([CLIP])[0]
    assert (scores.value == 1).all()
    with pytest.raises(UnknownNameError, match="treshold"):
        load_reward(folder, treshold=0.5)
    recognized = RewardConfig(str(folder), {"threshold": 0.5}).recognized()
    assert recognized == RewardConfig(
        "reward_classifier", {"weights": str(folder), "threshold": 0.5}
    )


def test_topreward_of_lerobot_is_a_question_and_the_name_of_a_model(tmp_path: Path) -> None:
    settings = {"type": "topreward", "max_frames": 4, "fps": 3.0, "success_threshold": -np.inf}
    folder = _config(tmp_path / "it", vlm_name="Qwen/Qwen3-VL-8B-Instruct", **settings)
    recognized = RewardConfig(str(folder)).recognized()
    assert recognized.name == "topreward"
    assert recognized.options == {
        "judge.model": "Qwen/Qwen3-VL-8B-Instruct",
        "reading": "log-probability",
        "max_frames": 4,
        "fps": 3.0,
        "chat_template": False,
    }
    own = RewardConfig(str(folder), {"judge.model": str(tiny_vlm(tmp_path / "vlm"))})
    model = load_reward(own.name, **own.options)
    assert model.spec.name == "topreward" and model.score([CLIP])[0].value.max() < 0


def test_sarm_is_known_by_its_type_and_pays_at_the_end(tmp_path: Path) -> None:
    folder = tiny_sarm(tmp_path / "it")
    model = load_reward(folder, clip=str(folder / "clip"))
    assert model.spec.name == "sarm" and not model.spec.causal
    env = gymnasium.make_vec(
        "roborew/Press-v0",
        num_envs=1,
        vectorization_mode="vector_entry_point",
        render_mode="rgb_array",
        autoreset_mode="Disabled",
        horizon=3,
    )
    with pytest.raises(InvalidInputError, match="causal"):
        LearnedReward(env, model, "press the button", success_detector=None)
    options: dict[str, Any] = {"success_detector": None, "scoring": "episode"}
    with closing(LearnedReward(env, model, "press the button", **options)) as paid:
        paid.reset(seed=0)
        action = np.zeros(paid.action_space.shape, np.float32)
        rewards = [float(paid.step(action)[1][0]) for _ in range(3)]
    assert rewards[:2] == [0.0, 0.0] and rewards[2] != 0.0


def test_a_converted_rewind_is_known(tmp_path: Path) -> None:
    folder = tiny_rewind(tmp_path / "it")
    bases = {name: str(folder / name) for name in ("vision", "language")}
    assert load_reward(folder, **bases).spec.name == "rewind"


def test_a_released_judge_is_known_by_its_name(tmp_path: Path) -> None:
    folder = tiny_vlm(tmp_path / "RoboReward-4B")
    model = load_reward(folder)
    assert model.spec.name == "roboreward"


def _topreward(**settings: Any) -> Callable[[Path], Path]:
    return lambda folder: _config(
        folder, **{"type": "topreward", "vlm_name": "Qwen/Qwen3-VL-8B-Instruct", **settings}
    )


def _data_set(folder: Path) -> Path:
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text("{}")
    return folder


def _file(name: str) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        folder.mkdir()
        (folder / name).write_bytes(b"")
        return folder

    return build


REFUSED: Mapping[str, tuple[Callable[[Path], Path], str]] = {
    "nothing": (lambda folder: folder.mkdir() or folder, "this is a folder without config.json"),
    "a policy": (lambda folder: _config(folder, type="act"), r"policy of LeRobot \(act\), which"),
    "an unknown type": (lambda folder: _config(folder, type="new"), "known are reward_classifier"),
    "a data set": (_data_set, "roborew fit .* makes a reward of it"),
    "an adapter": (_file("adapter_config.json"), "merge it"),
    "pickles": (_file("model.pth"), "pickled weights, .* docs/reference/rewards.md"),
    "a model of open_clip": (tiny_clip, "--reward clip --reward.model"),
    "an image-text model": (lambda folder: tiny_joint(folder, "clip"), r"image-text model \(clip"),
    "an image tower": (tiny_dinov2, "--reward goal_image --reward.library transformers"),
    "a plain vlm": (tiny_vlm, r"vision-language model \(qwen3_vl\), .* --judge.model"),
    "a run": (lambda folder: _config(folder, env={}, reward={"name": "mini"}), "is 'mini'"),
    "anything": (lambda folder: _config(folder, a=1), "neither a type nor a model_type"),
    "another prompt": (_topreward(prompt_prefix="Is it done? "), "prompt_prefix is 'Is it done"),
    "another model": (_topreward(vlm_name="who/ever"), "--judge.model who/ever"),
    "a threshold": (_topreward(success_threshold=-3.0), "success_threshold is -3.0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_reward_is_called_by_its_name(case: str, tmp_path: Path) -> None:
    build, message = REFUSED[case]
    folder = build(tmp_path / "it")
    with pytest.raises(InvalidInputError, match=message) as caught:
        load_reward(folder)
    assert str(folder) in str(caught.value)


def test_a_name_with_a_mistake_is_no_download_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnknownNameError, match="no folder of that name") as caught:
        load_reward("critics/drawr")
    assert "As a repository of the Hugging Face hub" in "".join(caught.value.__notes__)
    with pytest.raises(UnknownNameError, match="Did you mean 'mini'"):
        load_reward("mimi")


def test_a_critic_stays_one(tmp_path: Path) -> None:
    folder = tmp_path / "critic"
    folder.mkdir()
    small_critic(folder)
    assert RewardConfig(str(folder)).recognized() == RewardConfig(str(folder))
    assert load_reward(folder).spec.name == "ridge"


def test_the_command_line_takes_the_folder_and_its_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_classifier(tmp_path / "it")
    with pytest.raises(SystemExit):
        main(["score", "film.mp4", "--reward", str(folder), "--reward.help"])
    assert "--reward.threshold" in capsys.readouterr().out
    policy = _config(tmp_path / "policy", type="act")
    assert main(["serve", "--reward", str(policy)]) != 0
    assert "a policy of LeRobot (act)" in capsys.readouterr().err


def test_a_misspelt_folder_beside_others_is_not_asked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "critics" / "drawer").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not RewardConfig("critics/drawr").is_repository
    assert RewardConfig("owner/drawr").is_repository
