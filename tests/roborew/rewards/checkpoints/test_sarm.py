"""SARM of LeRobot, held against its authors' formula on the same random weights."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.rewards.checkpoints.sarm import Sarm
from roborew.types import Clip
from tests.roborew.encoders.tiny_towers import tiny_dinov2
from tests.roborew.rewards.checkpoints.tiny_released import (
    CONTEXT,
    GAP,
    STATE,
    STEPS,
    WIDTH,
    sarm_config,
    sarm_tensors,
    tiny_sarm,
    write,
)

LENGTH, PADDED = 11, 1 + STEPS + 2
RNG = np.random.default_rng(9)
# Of the size that CLIP reads, so that nothing is resized.
FRAMES = RNG.integers(0, 256, (LENGTH, 28, 28, 3), dtype=np.uint8)
STATES = RNG.standard_normal((LENGTH, 3)).astype(np.float32)
MEAN, STD = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0, 0.5])
TASK = "open the drawer"
Named = Mapping[str, Tensor]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sarm(tmp_path_factory.mktemp("sarm"))


def sarm(folder: Path, **options: Any) -> Sarm:
    return Sarm(weights=str(folder), clip=str(folder / "clip"), **options)


def clip(states: NDArray[np.float32] | None = None) -> Clip:
    return Clip(frames=FRAMES, instruction=TASK, robot_states=states)


def embeddings(folder: Path) -> tuple[Tensor, Tensor]:
    """huggingface/lerobot: src/lerobot/rewards/sarm/processor_sarm.py, _encode_images_batch and
    _encode_text_clip."""
    model: Any = CLIPModel.from_pretrained(folder / "clip").eval()
    processor: Any = AutoImageProcessor.from_pretrained(folder / "clip")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder / "clip")
    with torch.no_grad():
        pixels = processor(images=list(FRAMES), return_tensors="pt")
        # CLIP's own tokenizer ends each sentence; this one does so by what fills it up.
        words = tokenizer([TASK], padding="max_length", max_length=CONTEXT, return_tensors="pt")
        pictures = model.get_image_features(**pixels).pooler_output
        return pictures, model.get_text_features(words["input_ids"]).pooler_output[0]


def network(w: Named, name: str, scheme: str, inputs: list[Tensor], length: int) -> Tensor:
    """modeling_sarm.py, StageTransformer.forward and SubtaskTransformer.forward, of one window that is
    filled up to the frames of the training; ``inputs`` are pictures, sentence, states, and the
    subtasks where there are any."""
    own = {key.removeprefix(f"{name}."): value for key, value in w.items() if key.startswith(name)}

    def projected(key: str, values: Tensor) -> Tensor:
        return functional.linear(values, own[f"{key}.weight"], own[f"{key}.bias"])

    pictures, sentence, states, *stages = inputs
    frames = len(pictures)
    views = projected("visual_proj", pictures)
    views[0] += own["first_pos"][0]
    words = projected("lang_proj", sentence).expand(frames, -1)
    streams = [views, words, projected("state_proj", states), *stages]
    tokens = torch.cat(streams)[None]
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 4 * WIDTH, dropout=0.1, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2)
    prefix = "transformer."
    encoder.load_state_dict(
        {key.removeprefix(prefix): v for key, v in own.items() if key.startswith(prefix)}
    )
    size = tokens.shape[1]
    causal = torch.triu(torch.ones(size, size, dtype=torch.bool), diagonal=1)
    padding = (torch.arange(frames) >= length).repeat(len(streams))[None]
    with torch.no_grad():
        hidden = encoder.eval()(tokens, mask=causal, src_key_padding_mask=padding, is_causal=True)
    hidden = hidden.view(len(streams), frames, WIDTH).permute(1, 0, 2).reshape(frames, -1)
    size_of_norm = hidden.shape[1:]
    hidden = functional.layer_norm(
        hidden, size_of_norm, own["fusion_backbone.0.weight"], own["fusion_backbone.0.bias"]
    )
    hidden = projected("fusion_backbone.1", hidden).relu()
    return projected(f"heads.{scheme}", hidden)


def stage_tau(stage: int, tau: float, proportions: list[float]) -> float:
    """sarm_utils.py, temporal_proportions_to_breakpoints and normalize_stage_tau."""
    shares = np.array(proportions) / np.sum(proportions)
    begin = float(shares[:stage].sum())
    return begin + tau * float(shares[stage])


def published(
    folder: Path, scheme: str, states: NDArray[np.float32] | None, last: Callable[[int], int]
) -> NDArray[np.float32]:
    """compute_rabc_weights.py: of each frame the middle of its window, whose indices end at the
    ``last`` frame; SARMConfig.observation_delta_indices."""
    w = sarm_tensors()
    pictures, sentence = embeddings(folder)
    own = torch.zeros(LENGTH, STATE)
    if states is not None:
        own[:, :3] = (torch.from_numpy(states) - MEAN) / (STD + 1e-8)
    config = sarm_config()
    shares = config[f"{scheme}_temporal_proportions"]
    values: list[float] = []
    for frame in range(LENGTH):
        deltas = [-2 * GAP, -GAP, 0, GAP, 2 * GAP]
        places = [min(max(frame + delta, 0), last(frame)) for delta in deltas]
        views, rows = torch.zeros(PADDED, pictures.shape[1]), torch.zeros(PADDED, STATE)
        views[: len(places)], rows[: len(places)] = pictures[places], own[places]
        inputs = [views, sentence, rows]
        stages = network(w, "stage_model", scheme, inputs, len(places)).argmax(-1)
        one_hot = functional.one_hot(stages, WIDTH).float()
        taus = network(w, "subtask_model", scheme, [*inputs, one_hot], len(places)).sigmoid()
        middle = len(places) // 2
        values.append(stage_tau(int(stages[middle]), float(taus[middle, 0]), shares))
    return np.array(values, np.float32)


@pytest.mark.parametrize("scheme", ["sparse", "dense"])
@pytest.mark.parametrize("states", [None, STATES], ids=["no states", "states"])
def test_it_scores_as_lerobot_does(
    scheme: Any, states: NDArray[np.float32] | None, folder: Path
) -> None:
    model = sarm(folder, head=scheme, batch_size=4)
    (scores,) = model.score([clip(states)])
    expected = published(folder, scheme, states, lambda frame: LENGTH - 1)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(scores.value, expected, atol=1e-5)


def test_a_window_of_the_past_ends_at_its_frame(folder: Path) -> None:
    model = sarm(folder, window="past")
    assert model.spec.causal and model.spec.context == STEPS // 2 * GAP + 1
    expected = published(folder, "sparse", None, lambda frame: frame)
    np.testing.assert_allclose(model.score([clip()])[0].value, expected, atol=1e-5)


def test_a_window_of_both_sides_is_not_causal(folder: Path) -> None:
    model = sarm(folder)
    assert not model.spec.causal and model.spec.context is None
    (whole,) = model.score([clip()])
    (half,) = model.score([Clip(frames=FRAMES[:6], instruction=TASK)])
    assert np.abs(whole.value[:6] - half.value).max() > 1e-4


def test_absent_states_are_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = sarm(folder)
    with caplog.at_level(logging.WARNING):
        model.score([clip(STATES)])
        assert not caplog.text
        model.score([clip(), clip()])
        model.score([clip()])
    assert caplog.text.count("states are not known") == 1


@pytest.mark.parametrize(
    "states",
    [STATES[:5], STATES[:, :2], STATES * np.nan, STATES[0]],
    ids=["few", "narrow", "nan", "one"],
)
def test_other_states_are_refused(states: NDArray[np.float32], folder: Path) -> None:
    words = r"one row a frame|states of 3 numbers; got 2"
    with pytest.raises(InvalidInputError, match=words):
        sarm(folder).score([clip(states)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"type": "reward_classifier"}, "type is 'reward_classifier'; only 'sarm'"),
        ({"num_heads": 3}, "no network has these sizes"),
        ({"hidden_dim": 16}, "of another shape"),
        ({"num_layers": 3}, "absent, such as"),
        ({"num_layers": 1}, "left over, such as"),
        ({"num_layers": 10**9}, "many times larger"),
        ({"num_sparse_stages": 3}, "sparse_temporal_proportions of 3 subtasks"),
        ({"dense_temporal_proportions": [1.0, -1.0, 1.0]}, "dense_temporal_proportions"),
        ({"n_obs_steps": "8"}, "n_obs_steps: expected int"),
        ({"image_dim": 17}, "of another shape"),
        ({"normalization_mapping": {"STATE": "MIN_MAX"}}, "normalization of STATE"),
    ],
)
def test_another_form_of_it_is_refused(
    settings: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    write(tmp_path, sarm_config(**settings), sarm_tensors())
    with pytest.raises((CorruptFileError, InvalidInputError), match=message):
        Sarm(weights=str(tmp_path), clip=str(folder / "clip"))


def test_a_head_that_learned_nothing_is_refused(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, sarm_config(annotation_mode="single_stage"), sarm_tensors())
    with pytest.raises(InvalidInputError, match="the dense head learned nothing"):
        Sarm(weights=str(tmp_path), clip=str(folder / "clip"), head="dense")


def test_a_clip_of_other_sizes_or_none_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="reads no sentences"):
        Sarm(weights=str(folder), clip=str(tiny_dinov2(tmp_path)))
