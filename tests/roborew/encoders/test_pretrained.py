"""A pretrained tower as an encoder: each frame once, kept on disk, and named by its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from roborew.critics.critic import Critic
from roborew.critics.objectives.clip_adapter import ClipAdapter
from roborew.data.reading import read_demonstrations
from roborew.encoders.embedder import Embedder
from roborew.encoders.open_clip import ImageText, load_open_clip
from roborew.encoders.pretrained import PretrainedEncoder
from roborew.encoders.text import embed_text
from roborew.errors import InvalidInputError, MissingBackendError
from roborew.types import Clip
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.parts import CriticConfig, EncoderConfig
from tests.roborew.encoders.tiny_towers import tiny_clip, tiny_dinov2, tiny_joint, tiny_timm

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 36, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["open_clip", "timm", "transformers"])
def words(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "open_clip":
        return {"library": "open_clip", "model": str(tiny_clip(folder))}
    if request.param == "timm":
        return {
            "library": "timm",
            "model": "test_vit",
            "pretrained": str(tiny_timm(folder / "weights.safetensors")),
        }
    return {"library": "transformers", "model": str(tiny_dinov2(folder))}


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(words: dict[str, Any]) -> None:
    encoder = PretrainedEncoder(**words, dtype="float32")
    together = encoder.encode(FRAMES)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(
        np.concatenate([encoder.encode(f[None]) for f in FRAMES]), together, atol=1e-5
    )
    assert PretrainedEncoder(**words).identity == encoder.identity


@pytest.mark.parametrize("tower", ["open_clip", "liv"])
def test_sentences_are_read_by_the_models_own_text_tower_in_the_space_of_its_frames(
    tower: str, tmp_path: Path
) -> None:
    model = str(tiny_clip(tmp_path / "clip"))
    encoder = PretrainedEncoder(
        library=tower, model=model, dtype="float32", cache=tmp_path / "cache"
    )
    own = load_open_clip(model)
    text = own.encode_text("open the drawer")
    np.testing.assert_allclose(
        encoder.encode_text("open the drawer"), text / np.linalg.norm(text), atol=1e-6
    )
    frames, sentence = (
        torch.as_tensor(encoder.encode(FRAMES)),
        torch.as_tensor(encoder.encode_text("open the drawer")),
    )
    before = ClipAdapter().build(frames.shape[1], len(sentence))(
        frames, sentence.expand(len(frames), -1)
    )
    torch.testing.assert_close(before, frames @ sentence, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_pictures_and_sentences_of_transformers_models_meet_in_the_space_of_both(
    kind: str, tmp_path: Path
) -> None:
    folder = tiny_joint(tmp_path / kind, kind)
    encoder = PretrainedEncoder(library="transformers", model=str(folder), dtype="float32")
    network, tokenizer = (
        AutoModel.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    read = tokenizer(["open the drawer"], padding="max_length", max_length=24, return_tensors="pt")
    pictures = AutoImageProcessor.from_pretrained(folder)(
        list(FRAMES[:, :, 6:42]), return_tensors="pt"
    )
    with torch.inference_mode():
        text = network.get_text_features(input_ids=read["input_ids"]).pooler_output[0]
        seen = network.get_image_features(**pictures).pooler_output
    sentence, frames = encoder.encode_text("open the drawer"), encoder.encode(FRAMES[:, :, 6:42])
    np.testing.assert_allclose(sentence, functional.normalize(text, dim=0), atol=1e-5)
    near = (torch.as_tensor(frames) * functional.normalize(seen)).sum(dim=1)
    assert float(near.min()) > 0.999  # resized by another library
    vectors, words = torch.as_tensor(frames), torch.as_tensor(sentence)
    before = ClipAdapter().build(frames.shape[1], len(sentence))(
        vectors, words.expand(len(frames), -1)
    )
    torch.testing.assert_close(before, vectors @ words, atol=1e-5, rtol=0)


def test_a_sentence_that_transformers_models_cannot_read_is_an_error(tmp_path: Path) -> None:
    folder = tiny_joint(tmp_path / "clip", "clip")
    encoder = PretrainedEncoder(library="transformers", model=str(folder))
    with pytest.raises(InvalidInputError, match="reads 24 tokens"):
        encoder.encode_text("open the drawer " * 3)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).unlink()
    with pytest.raises(MissingBackendError, match="tokenizer of"):
        PretrainedEncoder(library="transformers", model=str(folder)).encode_text("open the drawer")


def test_a_sentence_goes_through_the_text_tower_once_for_all_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {
        "library": "open_clip",
        "model": str(tiny_clip(tmp_path / "clip")),
        "cache": tmp_path / "cache",
    }
    first = PretrainedEncoder(**words).encode_text("open the drawer")

    def refused(self: ImageText, text: str) -> None:
        raise AssertionError(text)

    monkeypatch.setattr(ImageText, "encode_text", refused)
    np.testing.assert_array_equal(PretrainedEncoder(**words).encode_text("open the drawer"), first)


def test_a_tower_without_sentences_has_their_words_hashed(tmp_path: Path) -> None:
    encoder = PretrainedEncoder(library="transformers", model=str(tiny_dinov2(tmp_path)))
    np.testing.assert_array_equal(
        encoder.encode_text("open the drawer"), embed_text("open the drawer")
    )


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = CollectConfig(
        behaviors=("expert", "stall"), episodes=3, codec="lossless", width=48, height=36
    )
    return collect_demonstrations(
        "roborew/Press-v0", config, tmp_path_factory.mktemp("demos") / "press"
    )


def test_a_second_fit_embeds_nothing_and_gives_the_same_critic(
    words: dict[str, Any], demos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FitConfig(
        critic=CriticConfig("ridge"),
        encoder=EncoderConfig("pretrained", {**words, "dtype": "float32"}),
        cache=tmp_path / "cache",
    )
    shown, told = list(read_demonstrations(demos)), list[str]()
    first = fit_critic(shown, config, lambda what, value: told.append(f"{what} {value:.0f}"))
    assert "episodes embedded, of 6 6" in told
    monkeypatch.setattr(Embedder, "_run", None)  # whatever is not in the cache ends the test
    second = fit_critic(shown, config)
    for name, array in first.critic.objective.state_dict().items():
        np.testing.assert_array_equal(second.critic.objective.state_dict()[name], array)


def test_a_critic_knows_its_tower_and_not_the_cache(
    words: dict[str, Any], demos: Path, tmp_path: Path
) -> None:
    config = FitConfig(
        critic=CriticConfig("ridge"),
        encoder=EncoderConfig("pretrained", words),
        cache=tmp_path / "cache",
    )
    made = fit_critic(list(read_demonstrations(demos)), config).critic
    folder = made.save_pretrained(tmp_path / "critic")
    assert "cache" not in (folder / "config.json").read_text()
    clip = Clip(frames=FRAMES, instruction="press the button")
    again = Critic.from_pretrained(folder)
    np.testing.assert_array_equal(again.score([clip])[0].value, made.score([clip])[0].value)


def test_a_damaged_entry_of_the_cache_is_computed_anew(
    demos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {
        "library": "open_clip",
        "model": str(tiny_clip(tmp_path / "clip")),
        "dtype": "float32",
    }
    config = FitConfig(
        critic=CriticConfig("ridge"),
        encoder=EncoderConfig("pretrained", options),
        cache=tmp_path / "cache",
    )
    shown = list(read_demonstrations(demos))
    whole = fit_critic(shown, config)
    entries = sorted((tmp_path / "cache").glob("*.embeddings"))
    content = bytearray(entries[0].read_bytes())
    content[-3] ^= 255
    entries[0].write_bytes(content)
    again = fit_critic(shown, config)
    assert "embeddings" in caplog.text
    for name, array in whole.critic.objective.state_dict().items():
        np.testing.assert_allclose(again.critic.objective.state_dict()[name], array, atol=1e-6)


def test_an_encoder_that_is_fitted_has_no_use_for_a_cache(demos: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="pretrained"):
        fit_critic(list(read_demonstrations(demos)), FitConfig(cache=tmp_path))
