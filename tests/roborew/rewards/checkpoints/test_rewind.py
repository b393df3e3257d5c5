"""ReWiND, held against its authors' formula on the same random weights, and its conversion."""

from __future__ import annotations

import json
import runpy
import shlex
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoTokenizer, BertModel, Dinov2Model

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.rewards.checkpoints.rewind import CONVERT, Rewind
from roborew.types import Clip
from tests.roborew.rewards.checkpoints.tiny_released import (
    REWIND_LENGTH,
    REWIND_WIDTH,
    rewind_tensors,
    tiny_rewind,
    write,
)

# Of the size that DINOv2 reads, so that nothing is resized.
FRAMES = np.random.default_rng(11).integers(0, 256, (9, 28, 28, 3), dtype=np.uint8)
TASK = "open the drawer"
PAGE = Path(__file__).parents[4] / "docs" / "reference" / "rewards.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_rewind(tmp_path_factory.mktemp("rewind"))


def rewind(folder: Path, bases: Path | None = None, **options: Any) -> Rewind:
    place = bases or folder
    models = {"vision": str(place / "vision"), "language": str(place / "language")}
    return Rewind(weights=str(folder), **models, **options)


def embeddings(folder: Path) -> tuple[Tensor, Tensor]:
    """makolon/ReWiND: metaworld_policy_training/reward_model/rewind_reward_model.py,
    _encode_image_batch and _encode_text_batch, and reward_utils.py."""
    vision: Any = Dinov2Model.from_pretrained(folder / "vision").eval()
    language: Any = BertModel.from_pretrained(folder / "language").eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(folder / "language")
    pictures = (torch.from_numpy(FRAMES).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    words = tokenizer([TASK], return_tensors="pt")
    with torch.no_grad():
        frames = vision(pixel_values=pictures).last_hidden_state[:, 0]
        states = language(words["input_ids"], words["attention_mask"]).last_hidden_state
    mask = words["attention_mask"].unsqueeze(-1).float()
    return frames, ((states * mask).sum(1) / mask.sum(1).clamp(min=1e-9))[0]


def transformer(w: dict[str, Tensor]) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        REWIND_WIDTH, 8, 4 * REWIND_WIDTH, dropout=0.1, batch_first=True
    )
    encoder = nn.TransformerEncoder(layer, 2)
    prefix = "transformer."
    encoder.load_state_dict(
        {key.removeprefix(prefix): v for key, v in w.items() if key.startswith(prefix)}
    )
    return encoder.eval()


def progress_of(video: Tensor, text: Tensor, w: dict[str, Tensor]) -> Tensor:
    """rewind-reward/ReWiND: model.py, ReWiNDTransformer.forward, of one video of the full length."""
    frames = functional.linear(video, w["video_proj.weight"], w["video_proj.bias"])
    frames[0] += w["first_pos_embed"][0]
    words = functional.linear(text, w["text_proj.weight"], w["text_proj.bias"])
    sequence = torch.cat([words[None], frames])[None]
    mask = nn.Transformer.generate_square_subsequent_mask(REWIND_LENGTH + 1)
    with torch.no_grad():
        hidden = transformer(w)(sequence, mask=mask, is_causal=True)[0, 1:]
    head = {key: w[f"progress_head.{key}"] for key in ("0.weight", "0.bias", "4.weight", "4.bias")}
    hidden = functional.linear(hidden, head["0.weight"], head["0.bias"])
    scale, shift = w["progress_head.1.weight"], w["progress_head.1.bias"]
    hidden = functional.gelu(functional.layer_norm(hidden, hidden.shape[1:], scale, shift))
    return functional.linear(hidden, head["4.weight"], head["4.bias"]).sigmoid()[:, 0]


def published(folder: Path) -> NDArray[np.float32]:
    """data_preprocessing/metaworld_label_reward.py, label_trajectories_iteratively: each frame's video
    is cut or filled up to the full length, and read at its last frame."""
    frames, text = embeddings(folder)
    values: list[float] = []
    for end in range(1, len(frames) + 1):
        video = frames[:end]
        if end > REWIND_LENGTH:
            video = video[np.linspace(0, end - 1, REWIND_LENGTH).astype(int)]
        else:
            video = torch.cat([video, video[-1:].repeat(REWIND_LENGTH - end, 1)])
        values.append(
            float(progress_of(video, text, rewind_tensors())[min(end, REWIND_LENGTH) - 1])
        )
    return np.array(values, np.float32)


@pytest.mark.parametrize("batch_size", [1, 64])
def test_it_scores_as_its_authors_label(batch_size: int, folder: Path) -> None:
    model = rewind(folder, batch_size=batch_size)
    (scores,) = model.score([Clip(frames=FRAMES, instruction=TASK)])
    expected = published(folder)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(scores.value, expected, atol=1e-5)


def convert(content: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the command that the page shows makes of a file."""
    torch.serialization.save(content, folder / "rewind.pth")
    command = shlex.split(CONVERT)
    (folder / "convert.py").write_text(command[2])
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["-c", *command[3:]])
    allowed = torch.serialization.get_safe_globals()
    try:
        runpy.run_path(str(folder / "convert.py"))
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(allowed)
    return folder / "FOLDER"


def test_the_command_converts_what_the_authors_train(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """makolon/ReWiND: train_reward.py, save_dict."""
    assert CONVERT in PAGE.read_text()
    args = Namespace(max_length=REWIND_LENGTH, lr=1e-4, rewind=True, subsample_video=True)
    content = {"args": args, "model_state_dict": rewind_tensors(), "epoch": 19}
    made = convert(content, tmp_path, monkeypatch)
    about = json.loads((made / "config.json").read_text())
    assert about == {"kind": "rewind", "max_length": REWIND_LENGTH, "num_heads": 8}
    clip = Clip(frames=FRAMES[:3], instruction=TASK)
    (own,) = rewind(made, folder).score([clip])
    (other,) = rewind(folder).score([clip])
    np.testing.assert_array_equal(own.value, other.value)


class Evil:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("canary"),))


def test_the_command_runs_nothing_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"args": Evil(), "model_state_dict": rewind_tensors()}
    with pytest.raises(Exception, match="Weights only load failed"):
        convert(content, tmp_path, monkeypatch)
    assert not (tmp_path / "canary").exists() and not (tmp_path / "FOLDER").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "critic"}, "kind is 'critic'"),
        ({"max_length": 1}, "max_length 1"),
        ({"num_heads": 3}, "3 heads"),
        ({"num_heads": "8"}, "num_heads: expected int"),
    ],
)
def test_another_form_of_it_is_refused(
    settings: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    about = {"kind": "rewind", "max_length": REWIND_LENGTH, **settings}
    write(tmp_path, about, rewind_tensors())
    with pytest.raises((CorruptFileError, InvalidInputError), match=message):
        rewind(tmp_path, folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("video_proj.weight", "no weights of ReWiND"),
        ("progress_head.4.weight", "1 absent, such as progress_head.4.weight"),
    ],
)
def test_half_of_the_weights_is_refused(
    name: str, message: str, folder: Path, tmp_path: Path
) -> None:
    weights = rewind_tensors()
    del weights[name]
    write(tmp_path, {"kind": "rewind", "max_length": REWIND_LENGTH}, weights)
    with pytest.raises(CorruptFileError, match=message):
        rewind(tmp_path, folder)


def test_models_of_other_sizes_and_halves_are_refused(folder: Path, tmp_path: Path) -> None:
    weights = rewind_tensors()
    weights["text_proj.weight"] = torch.zeros(REWIND_WIDTH, 13)
    write(tmp_path, {"kind": "rewind", "max_length": REWIND_LENGTH}, weights)
    with pytest.raises(
        CorruptFileError, match=r"of \(32, 13\) numbers; these models give \(32, 12\)"
    ):
        rewind(tmp_path, folder).score([Clip(frames=FRAMES[:1], instruction=TASK)])
    half = tiny_rewind(tmp_path / "half")
    file = half / "language" / "model.safetensors"
    tensors = load_file(file)
    tensors.pop("embeddings.word_embeddings.weight")
    save_file(tensors, file, {"format": "pt"})
    with pytest.raises(CorruptFileError, match="1 absent, such as embeddings.word"):
        rewind(half)
