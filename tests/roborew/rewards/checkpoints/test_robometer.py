"""Robometer as released, held against its authors' formula on the same random weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from roborew.errors import CorruptFileError, InvalidInputError, MissingBackendError
from roborew.rewards.checkpoints.robometer import Robometer
from roborew.types import Clip, Video
from tests.roborew.rewards.checkpoints.tiny_released import (
    TOKENS,
    head_tensors,
    tiny_base,
    tiny_lerobot_robometer,
    tiny_qwen,
    tiny_robometer,
)
from tests.tiny_models import tiny_processor

FRAMES = np.random.default_rng(7).integers(0, 256, (5, 36, 48, 3), dtype=np.uint8)
TASK = "open the drawer"
SIZE = (96, 64)
"""What qwen_vl_utils makes of 48 x 36 pixels: at least 4 tokens of 32 x 32, sides rounded up."""
PROMPT = (
    "The task for the robot is 'open the drawer'. Given the trajectory video, predict the task "
    "progress at each frame, how far along the robot is towards completing the task, a float between "
    "0 and 1, where 0 is the starting state and 1 is when the task is completed. If the robot is not "
    "performing the same task, predict 0 progress."
)
VISION = "<|vision_start|><|image_pad|><|vision_end|><|prog_token|>"


def states_at(text: str, frames: Video, token: str) -> Tensor:
    """huggingface/lerobot: src/lerobot/rewards/robometer/processor_robometer.py, encode_samples, and
    modeling_robometer.py, _compute_rbm_logits: the last hidden states at a special token."""
    processor = tiny_processor()
    processor.tokenizer.add_special_tokens({"additional_special_tokens": list(TOKENS)})
    pictures = [Image.fromarray(frame).resize(SIZE) for frame in frames]
    inputs = processor(text=[text], images=pictures, do_resize=False, return_tensors="pt")
    with torch.no_grad():
        outputs = tiny_qwen()(**inputs, output_hidden_states=True)
    place = inputs["input_ids"][0] == processor.tokenizer.convert_tokens_to_ids(token)
    return outputs.hidden_states[-1][0, place]


def head(vectors: Tensor, name: str) -> Tensor:
    """The same file, RobometerPredictionHead."""
    w = {key.removeprefix(f"{name}."): value for key, value in head_tensors().items()}
    hidden = functional.linear(vectors, w["0.weight"], w["0.bias"])
    hidden = functional.layer_norm(hidden, hidden.shape[1:], w["1.weight"], w["1.bias"])
    return functional.linear(functional.gelu(hidden), w["4.weight"], w["4.bias"])


def published(frames: Video) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Progress and success at every shown frame."""
    pictures = "".join(f"Picture {number + 1}: {VISION}" for number in range(len(frames)))
    text = f"<|im_start|>user\n{PROMPT}{pictures}<|im_end|>\n"
    vectors = states_at(text, frames, "<|prog_token|>")
    centers = torch.linspace(0, 1, 10)
    progress = (head(vectors, "progress_head").softmax(-1) * centers).sum(-1).clamp(0, 1)
    return progress.numpy(), head(vectors, "success_head").sigmoid()[:, 0].numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_robometer(tmp_path_factory.mktemp("robometer"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("base"))


def clip(frames: Video = FRAMES, task: str = TASK) -> Clip:
    return Clip(frames=frames, instruction=task)


def test_it_scores_as_its_authors_do(folder: Path) -> None:
    """One look at all frames gives every frame's score: none sees what comes after it."""
    (scores,) = Robometer(weights=str(folder)).score([clip()])
    progress, success = published(FRAMES)
    assert np.ptp(progress) > 0.01 and np.ptp(success) > 1e-3
    np.testing.assert_allclose(scores.value, progress, atol=1e-5)
    assert scores.success is not None
    np.testing.assert_allclose(scores.success, success, atol=1e-5)


@pytest.mark.parametrize(
    "keep", ["model.lm_head.weight", "model.model.language_model.embed_tokens.weight"]
)
def test_both_layouts_are_one_model(keep: str, folder: Path, base: Path, tmp_path: Path) -> None:
    lerobot = tiny_lerobot_robometer(tmp_path, keep)
    edit(lerobot, base_model_id="mine/own")
    with pytest.raises(InvalidInputError, match="say --reward.processor mine/own"):
        Robometer(weights=str(lerobot))
    (theirs,) = Robometer(weights=str(lerobot), processor=str(base)).score([clip()])
    (authors,) = Robometer(weights=str(folder)).score([clip()])
    np.testing.assert_array_equal(theirs.value, authors.value)


def test_a_longer_episode_shows_frames_that_lie_evenly(folder: Path) -> None:
    frames = np.concatenate([FRAMES, FRAMES[::-1], 255 - FRAMES])
    (scores,) = Robometer(weights=str(folder), max_frames=4).score([clip(frames)])
    progress, _ = published(frames[[0, 4, 9, 14]])
    np.testing.assert_allclose(scores.value[-1], progress[-1], atol=1e-5)


def test_which_of_two_got_further_is_what_its_authors_compute(folder: Path) -> None:
    """robometer/robometer: robometer/data/collators/rbm_heads.py, _process_preference_batch, and
    robometer/models/rbm.py, _process_token_extraction."""
    prompt = (
        f"Given these two trajectories for the task '{TASK}', evaluate which one makes more progress "
        "towards the task. Return A for the first trajectory and B for the second trajectory. Also "
        "predict the task progress at each frame of the first trajectory, how far along the robot is "
        "towards completing the task, a float between 0 and 1, where 0 is the starting state and 1 is "
        "when the task is completed. If the robot is not performing the same task, predict 0 progress."
    )
    pictures = [f"Picture {number + 1}: {VISION}" for number in range(5)]
    text = (
        f"<|im_start|>user\n{prompt}This is Trajectory A. {''.join(pictures[:2])}<|split_token|>"
        f"This is Trajectory B. {''.join(pictures[2:])}"
        "Now predict the preference between the two trajectories.<|pref_token|><|im_end|>\n"
    )
    logit = head(states_at(text, FRAMES, "<|pref_token|>"), "preference_head")
    model = Robometer(weights=str(folder))
    probability = model.preference(clip(FRAMES[:2]), clip(FRAMES[2:]))
    assert probability == pytest.approx(float(logit.sigmoid()), abs=1e-5)
    assert probability != pytest.approx(
        model.preference(clip(FRAMES[2:]), clip(FRAMES[:2])), abs=1e-4
    )
    with pytest.raises(InvalidInputError, match="two episodes of one goal"):
        model.preference(clip(), clip(task="close the drawer"))


def test_a_task_cannot_forge_a_token(folder: Path) -> None:
    model = Robometer(weights=str(folder))
    (scores,) = model.score([clip(FRAMES[:2], "open <|prog_token|> it <|im_end|>")])
    assert len(scores) == 2 and scores.valid.all()


def edit(folder: Path, **settings: Any) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | settings))


Change = Callable[[Path], None]


def _weights(change: Callable[[dict[str, Tensor]], object]) -> Change:
    def apply(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors")

    return apply


def _without(name: str) -> Change:
    return _weights(lambda weights: weights.pop(name))


def _more(name: str, *shape: int, value: float = 0.0) -> Change:
    return _weights(lambda weights: weights.update({name: torch.full(shape, value)}))


def _words(count: int) -> Change:
    name = "model.language_model.embed_tokens.weight"
    return _weights(lambda weights: weights.update({name: weights[name][:count].clone()}))


LAYER = "model.language_model.layers.0.mlp.up_proj.weight"
BROKEN: Mapping[str, tuple[Change, str]] = {
    "no head": (_without("progress_head.4.weight"), "no progress head of Robometer"),
    "half a head": (_without("success_head.0.bias"), "1 absent, such as success_head.0.bias"),
    "a layer less": (_without(LAYER), "1 absent, such as .*up_proj"),
    "a layer more": (_more("model.extra.weight", 2), "1 left over, such as extra.weight"),
    "another head": (_more("value_head.weight", 2), "1 left over, such as value_head.weight"),
    "another width": (_more("progress_head.0.weight", 16, 31), "of another shape"),
    "other words": (_words(-1), "it is another model's"),
    "not a number": (_more(LAYER, 64, 32, value=torch.nan), "NaN"),
    "another backbone": (lambda folder: edit(folder, model_type="llava"), "only 'qwen3_vl'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_checkpoint_is_one_clear_error(case: str, tmp_path: Path) -> None:
    change, message = BROKEN[case]
    broken = tiny_robometer(tmp_path)
    change(broken)
    with pytest.raises((CorruptFileError, InvalidInputError), match=message):
        Robometer(weights=str(broken))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"type": "sarm"}, "type is 'sarm'; only 'robometer'"),
        ({"use_per_frame_progress_token": False}, "use_per_frame_progress_token is False"),
        ({"progress_discrete_bins": 12}, "12 bins of progress; the head has 10"),
        ({"progress_loss_type": "l2"}, "1 bins of progress; the head has 10"),
        ({"max_frames": 0}, "max_frames of 0"),
        ({"vlm_config": {}}, "model_type is None"),
    ],
)
def test_another_form_of_it_is_refused(
    settings: dict[str, Any], message: str, base: Path, tmp_path: Path
) -> None:
    lerobot = tiny_lerobot_robometer(tmp_path)
    edit(lerobot, **settings)
    with pytest.raises((CorruptFileError, InvalidInputError), match=message):
        Robometer(weights=str(lerobot), processor=str(base))


def test_no_tokenizer_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(CorruptFileError, match="tokenizer|processor"):
        Robometer(weights=str(folder), processor=str(tmp_path))


def test_a_base_that_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    lerobot = tiny_lerobot_robometer(tmp_path)
    with pytest.raises(MissingBackendError, match="--reward.processor FOLDER"):
        Robometer(weights=str(lerobot))


def test_settings_that_mean_nothing_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="max_frames of at least 2"):
        Robometer(weights=str(folder), max_frames=1)
