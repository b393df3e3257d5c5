"""`goal_image` is the distance of two embeddings, from whatever tower, as level or as
difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from transformers import AutoImageProcessor, Dinov2Model

from roborew.errors import (
    CorruptFileError,
    InvalidInputError,
    MissingBackendError,
    UnknownNameError,
)
from roborew.rewards.goal_image import GoalImage
from roborew.types import Clip, Video
from tests.roborew.encoders.tiny_towers import r3m_like, tiny_clip, tiny_dinov2, tiny_timm, vip_like

FRAMES: Video = np.random.default_rng(0).integers(0, 256, (4, 72, 96, 3), dtype=np.uint8)
PICTURES = [Image.fromarray(frame) for frame in FRAMES]


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dinov2(tmp_path_factory.mktemp("dinov2"))


def values(frames: Video = FRAMES, goal: Any = FRAMES[1], **options: Any) -> np.ndarray:
    model = GoalImage(**{"dtype": "float32", **options})
    return model.score([Clip(frames=frames, instruction="do it", goal_image=goal)])[0].value


def distances(embeddings: torch.Tensor) -> np.ndarray:
    exact = embeddings.double().numpy()
    return -np.linalg.norm(exact - exact[1], axis=1)


@torch.inference_mode()
def test_dinov2_is_the_distance_of_its_class_tokens(dinov2: Path) -> None:
    pixels = AutoImageProcessor.from_pretrained(dinov2)(PICTURES, return_tensors="pt")[
        "pixel_values"
    ]
    said = Dinov2Model.from_pretrained(dinov2).eval()(pixels).last_hidden_state[:, 0]
    np.testing.assert_allclose(values(model=str(dinov2)), distances(said), atol=2e-2)
    cosine = torch.nn.functional.cosine_similarity(said, said[1:2]) - 1
    np.testing.assert_allclose(values(model=str(dinov2), distance="cosine"), cosine, atol=2e-3)


@torch.inference_mode()
def test_timm_is_its_own_model_on_its_own_pictures(tmp_path: Path) -> None:
    file = tiny_timm(tmp_path / "weights.safetensors")
    network = timm.create_model("test_vit").eval()
    network.load_state_dict(load_file(file))
    network.reset_classifier(0)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    expected = distances(network(torch.stack([transform(picture) for picture in PICTURES])))
    np.testing.assert_allclose(
        values(library="timm", model="test_vit", pretrained=str(file)), expected, atol=2e-2
    )


@pytest.mark.parametrize("kind", ["r3m", "vip"])
@torch.inference_mode()
def test_the_resnets_of_r3m_and_vip_are_read_from_their_check_points(
    kind: str, tmp_path: Path
) -> None:
    file = (r3m_like if kind == "r3m" else vip_like)(tmp_path / "weights.safetensors")
    network = torchvision.models.resnet18()
    network.fc = nn.Identity() if kind == "r3m" else nn.Linear(512, 1024)
    tensors = {
        k.removeprefix("module.convnet."): v for k, v in load_file(file).items() if "convnet" in k
    }
    network.load_state_dict(tensors)
    resize = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(256),
            torchvision.transforms.CenterCrop(224),
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    expected = distances(network.eval()(torch.stack([resize(picture) for picture in PICTURES])))
    np.testing.assert_allclose(
        values(library=kind, model="resnet18", pretrained=str(file)), expected, atol=1e-2
    )


def test_open_clip_towers_serve_too(tmp_path: Path) -> None:
    found = values(library="open_clip", model=str(tiny_clip(tmp_path)), distance="cosine")
    assert found[1] == pytest.approx(0, abs=1e-6) and (np.delete(found, 1) < -1e-3).all()


def test_a_difference_is_the_gain_of_the_level(dinov2: Path) -> None:
    level, difference = (values(model=str(dinov2), output=form) for form in ("level", "difference"))
    assert level[1] == 0 and (np.delete(level, 1) < 0).all()
    np.testing.assert_allclose(difference, np.diff(level, prepend=level[:1]), atol=1e-6)
    assert difference[0] == 0


def test_a_clip_without_a_picture_of_the_goal_is_an_error(dinov2: Path) -> None:
    with pytest.raises(InvalidInputError, match="needs a picture of the goal"):
        values(model=str(dinov2), goal=None)


def test_the_picture_of_the_goal_may_have_another_size(dinov2: Path) -> None:
    assert np.isfinite(values(model=str(dinov2), goal=np.zeros((40, 50, 3), np.uint8))).all()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        (
            {"library": "timm", "model": "vit_smal_patch16_224"},
            UnknownNameError,
            "Did you mean.*vit_small_patch16_224",
        ),
        (
            {"library": "timm", "model": "vit_small_patch16_224.agreg"},
            UnknownNameError,
            "tag of vit_small_patch16_224",
        ),
        ({"library": "r3m", "model": "resnet19"}, UnknownNameError, "Did you mean 'resnet18'"),
        ({"library": "vip"}, MissingBackendError, "give pretrained=FILE.safetensors"),
        (
            {"library": "vip", "pretrained": "model.pt"},
            MissingBackendError,
            "no file model.pt.*save_file",
        ),
        ({"pretrained": "weights.safetensors"}, InvalidInputError, "brings its own weights"),
    ],
)
def test_what_is_not_there_is_named(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        GoalImage(**options)


def test_weights_of_another_tower_are_refused(dinov2: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        (dinov2 / "config.json").read_text().replace('"hidden_size": 32', '"hidden_size": 64')
    )
    for name in ("model.safetensors", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((dinov2 / name).read_bytes())
    with pytest.raises(CorruptFileError, match="absent or of another shape"):
        GoalImage(model=str(tmp_path))
