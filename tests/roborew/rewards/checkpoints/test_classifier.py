"""LeRobot's reward classifier, held against its authors' formula on the same random weights."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.functional import resize
from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

from roborew.errors import CorruptFileError, InvalidInputError, MissingBackendError
from roborew.rewards.checkpoints.classifier import RewardClassifier
from roborew.types import Clip, Video
from tests.roborew.encoders.tiny_towers import numbered
from tests.roborew.rewards.checkpoints.tiny_released import (
    CAMERAS,
    HIDDEN,
    RESNET_WIDTHS,
    classifier_config,
    classifier_tensors,
    linear,
    norm,
    random_tensors,
    tiny_classifier,
    write,
    write_statistics,
)

FRAMES = np.random.default_rng(5).integers(0, 256, (3, 128, 256, 3), dtype=np.uint8)
MEAN, STD = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.3, 0.4])
Named = Mapping[str, Tensor]


def probabilities(model: RewardClassifier, frames: Video = FRAMES) -> NDArray[np.float32]:
    (scores,) = model.score([Clip(frames=frames, instruction="open the drawer")])
    assert scores.success is not None
    return scores.success


def same_convolution(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """JAX's padding SAME, one side after the other."""
    for axis in (2, 3):
        size, kernel = x.shape[axis], weight.shape[axis]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        before, after = total // 2, total - total // 2
        pads = (0, 0, before, after) if axis == 2 else (before, after, 0, 0)
        x = functional.pad(x, pads)
    return functional.conv2d(x, weight, stride=stride)


def resnet10(x: Tensor, w: Named, prefix: str) -> Tensor:
    """helper2424/resnet10: resnet_10/modeling_resnet.py, lines 141 to 278."""

    def normed(x: Tensor, name: str) -> Tensor:
        parts = w[f"{prefix}{name}.group_norm.weight"], w[f"{prefix}{name}.group_norm.bias"]
        return functional.group_norm(x, 4, *parts, eps=1e-5)

    x = functional.conv2d(x, w[f"{prefix}embedder.0.weight"], stride=2, padding=3)
    x = normed(x, "embedder.1").relu()
    # The sides are even here: the pool of 3 by 2 lacks one row and one column at the end.
    x = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)
    for number in range(4):
        stage, stride = f"encoder.stages.{number}.", 1 if number == 0 else 2
        y = same_convolution(x, w[f"{prefix}{stage}conv1.conv.weight"], stride)
        y = normed(y, f"{stage}norm1").relu()
        y = same_convolution(y, w[f"{prefix}{stage}conv2.conv.weight"], 1)
        y = normed(y, f"{stage}norm2")
        if f"{prefix}{stage}shortcut.0.conv.weight" in w:
            x = same_convolution(x, w[f"{prefix}{stage}shortcut.0.conv.weight"], stride)
            x = normed(x, f"{stage}shortcut.1")
        x = (x + y).relu()
    return x


def camera_vector(features: Tensor, w: Named, camera: str) -> Tensor:
    """huggingface/lerobot: src/lerobot/rewards/classifier/modeling_classifier.py,
    SpatialLearnedEmbeddings and _create_single_encoder."""
    kernel = w[f"{camera}1.kernel"]
    pooled = (features.unsqueeze(-1) * kernel.unsqueeze(0)).sum((2, 3)).flatten(1)
    latent = functional.linear(pooled, w[f"{camera}3.weight"], w[f"{camera}3.bias"])
    size = latent.shape[1:]
    return functional.layer_norm(latent, size, w[f"{camera}4.weight"], w[f"{camera}4.bias"]).tanh()


def head_probability(vectors: Tensor, w: Named) -> NDArray[np.float32]:
    """The same file, _build_classifier_head and predict."""
    hidden = functional.linear(vectors, w["classifier_head.0.weight"], w["classifier_head.0.bias"])
    scale, shift = w["classifier_head.2.weight"], w["classifier_head.2.bias"]
    hidden = functional.layer_norm(hidden, hidden.shape[1:], scale, shift).relu()
    logit = functional.linear(hidden, w["classifier_head.4.weight"], w["classifier_head.4.bias"])
    return logit.squeeze(1).sigmoid().numpy()


def views_of(frames: Video) -> list[Tensor]:
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
    return list(pixels.chunk(2, 3))


def published(
    views: Sequence[Tensor], w: Named, encode: Callable[[Tensor], Tensor] | None = None
) -> NDArray[np.float32]:
    """Probabilities of pictures of each camera, in [0, 1]."""
    vectors: list[Tensor] = []
    for key, view in zip(CAMERAS, views, strict=True):
        pictures = (view - MEAN.view(3, 1, 1)) / (STD.view(3, 1, 1) + 1e-8)
        features = encode(pictures) if encode else resnet10(pictures, w, "encoder.")
        vectors.append(camera_vector(features, w, f"encoders.{key.replace('.', '_')}."))
    return head_probability(torch.cat(vectors, 1), w)


def statistics(separator: str, form: str) -> dict[str, Tensor]:
    """Of both cameras, as one of LeRobot's releases names them."""
    return {
        f"{form.format(key.replace('.', separator))}.{name}": value.reshape(3, 1, 1).clone()
        for key in CAMERAS
        for name, value in (("mean", MEAN), ("std", STD))
    }


@pytest.mark.parametrize("statistics_lie", ["beside the weights", "among the weights"])
@pytest.mark.parametrize("batch_size", [1, 64])
def test_it_scores_as_lerobot_does(statistics_lie: str, batch_size: int, tmp_path: Path) -> None:
    weights = classifier_tensors()
    among = statistics("_", "normalize_inputs.buffer_{}")
    is_old = statistics_lie == "among the weights"
    folder = write(tmp_path, classifier_config(), weights | (among if is_old else {}))
    if not is_old:
        write_statistics(folder, statistics(".", "{}"))
    model = RewardClassifier(weights=str(folder), batch_size=batch_size)
    expected = published(views_of(FRAMES), weights)
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(probabilities(model), expected, atol=1e-5)


def test_an_encoder_of_transformers_is_read_by_its_configuration(tmp_path: Path) -> None:
    """With LeRobot's copies of what a batch normalization counts."""
    config = ResNetConfig(
        embedding_size=4, hidden_sizes=list(RESNET_WIDTHS[1:]), depths=[1] * 4, layer_type="basic"
    )
    config.save_pretrained(tmp_path / "base")
    encoder: Any = numbered(ResNetModel(config), 1)
    own = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    counts = {name: value for name, value in own.items() if name.endswith("num_batches_tracked")}
    weights = {n: v for n, v in classifier_tensors().items() if not n.startswith("encoder.")}
    for key in CAMERAS:
        copies = f"encoders.{key.replace('.', '_')}.0."
        weights |= {n.replace("encoder.", copies, 1): v.clone() for n, v in counts.items()}
    folder = write(tmp_path / "classifier", classifier_config(model_name="a/b"), own | weights)
    write_statistics(folder, statistics(".", "{}"))
    model = RewardClassifier(weights=str(folder), encoder=str(tmp_path / "base"))
    with torch.no_grad():
        expected = published(views_of(FRAMES), weights, lambda x: encoder(x).last_hidden_state)
    np.testing.assert_allclose(probabilities(model), expected, atol=1e-5)
    with pytest.raises(InvalidInputError, match="say --reward.encoder a/b"):
        RewardClassifier(weights=str(folder))


def test_a_transformer_gives_its_first_token(tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = ViTConfig(**sizes, intermediate_size=8, image_size=32, patch_size=16)
    config.save_pretrained(tmp_path / "base")
    encoder: Any = numbered(ViTModel(config), 1)
    weights = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    shapes = linear("classifier_head.0", 8, HIDDEN) | norm("classifier_head.2", HIDDEN)
    weights |= random_tensors(shapes | linear("classifier_head.4", HIDDEN, 1))
    pictures = {CAMERAS[0]: {"type": "VISUAL", "shape": [3, 32, 32]}}
    settings: dict[str, Any] = {"model_type": "transformer", "input_features": pictures}
    settings["normalization_mapping"] = {"VISUAL": "IDENTITY"}
    folder = write(tmp_path / "it", classifier_config(CAMERAS[:1], **settings), weights)
    frames = FRAMES[:, :32, :32]
    model = RewardClassifier(weights=str(folder), encoder=str(tmp_path / "base"))
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        expected = head_probability(encoder(pixels).last_hidden_state[:, 0], weights)
    np.testing.assert_allclose(probabilities(model, frames), expected, atol=1e-5)


def test_a_threshold_makes_the_published_reward(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path, CAMERAS)
    middle = float(np.median(probabilities(RewardClassifier(weights=str(folder)))))
    model = RewardClassifier(weights=str(folder), threshold=middle)
    (scores,) = model.score([Clip(frames=FRAMES, instruction="open the drawer")])
    assert scores.success is not None and set(scores.value) == {0.0, 1.0}
    np.testing.assert_array_equal(scores.value, scores.success > middle)


def test_pictures_of_another_size_are_resized_as_lerobot_does(tmp_path: Path) -> None:
    """huggingface/lerobot: src/lerobot/processor/hil_processor.py, ImageCropResizeProcessorStep."""
    folder = write(tmp_path, classifier_config(), classifier_tensors())
    write_statistics(folder, statistics(".", "{}"))
    model = RewardClassifier(weights=str(folder))
    pixels = torch.from_numpy(FRAMES[:, 10:90, 20:180].copy()).permute(0, 3, 1, 2) / 255
    views = [resize(view, [128, 128], antialias=True).clamp(0, 1) for view in pixels.chunk(2, 3)]
    expected = published(views, classifier_tensors())
    np.testing.assert_allclose(probabilities(model, FRAMES[:, 10:90, 20:180]), expected, atol=1e-5)


def test_absent_statistics_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write(tmp_path, classifier_config(), classifier_tensors())
    with caplog.at_level(logging.WARNING):
        RewardClassifier(weights=str(folder))
    assert "no statistics of observation.images.front, observation.images.wrist" in caplog.text


Change = Callable[[dict[str, Any], dict[str, Tensor]], None]


def _set(**settings: Any) -> Change:
    return lambda config, weights: config.update(settings)


def _other_head(config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    weights["progress_head.0.weight"] = weights.pop("classifier_head.4.weight")


def _half(config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    for name in list(weights)[-8:]:
        del weights[name]


def _not_a_number(config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    weights["classifier_head.0.weight"][0] = torch.nan


def _another_copy(config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    name = "embedder.0.weight"
    copy = weights[f"encoder.{name}"] + 1
    weights[f"encoders.observation_images_front.0.{name}"] = copy


BROKEN: Mapping[str, tuple[Change, str]] = {
    "another type": (_set(type="sarm"), "type is 'sarm'; only 'reward_classifier'"),
    "three classes": (_set(num_classes=3), "num_classes is 3"),
    "a camera too many": (_set(num_cameras=3), "pictures of 3 cameras"),
    "sizes of another type": (_set(hidden_dim="5"), "hidden_dim: expected int"),
    "huge": (_set(hidden_dim=2**30), "many times larger|may not"),
    "another width": (_set(hidden_dim=7), "of another shape, such as classifier_head"),
    "another normalization": (_set(normalization_mapping={"VISUAL": "MIN_MAX"}), "MIN_MAX"),
    "another head": (_other_head, "1 absent, such as classifier_head.4.weight"),
    "half of the weights": (_half, "absent"),
    "not a number": (_not_a_number, "NaN"),
    "copies that differ": (_another_copy, "differs between cameras"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_checkpoint_is_one_clear_error(case: str, tmp_path: Path) -> None:
    change, message = BROKEN[case]
    config, weights = classifier_config(), classifier_tensors()
    change(config, weights)
    folder = write(tmp_path, config, weights)
    with pytest.raises((CorruptFileError, InvalidInputError), match=message):
        RewardClassifier(weights=str(folder))


def test_half_a_download_is_said(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path)
    whole = folder / "model.safetensors"
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    with pytest.raises(CorruptFileError, match="half downloaded"):
        RewardClassifier(weights=str(folder))
    whole.unlink()
    with pytest.raises(MissingBackendError, match="the weights are not there"):
        RewardClassifier(weights=str(folder))
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    save_file({"a": torch.zeros(1)}, folder / shards["a"])
    index = {"metadata": {}, "weight_map": shards}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CorruptFileError, match="names model-00002-of-00002.safetensors, which is"):
        RewardClassifier(weights=str(folder))


def test_frames_of_too_few_cameras_are_refused(tmp_path: Path) -> None:
    model = RewardClassifier(weights=str(tiny_classifier(tmp_path, CAMERAS)))
    with pytest.raises(InvalidInputError, match="2 cameras of one width"):
        probabilities(model, FRAMES[:, :, :255])
