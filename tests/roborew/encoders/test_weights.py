"""Weights are whole and the ones asked for, or one error says what to do; nothing is guessed or
unpickled."""

from __future__ import annotations

import json
import runpy
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import open_clip
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file

from roborew.encoders.open_clip import load_open_clip
from roborew.encoders.pretrained import load_pretrained
from roborew.encoders.timm import load_r3m, load_vip
from roborew.errors import (
    CorruptFileError,
    InvalidInputError,
    MissingBackendError,
    UnknownNameError,
)
from roborew.weights.files import CONVERT, file_sha256
from tests.roborew.encoders.tiny_towers import SIGLIP, r3m_like, tiny_clip, vip_like

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "copy")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str | None]]:
    """The hub as it is without a network; what was asked of it."""
    asked: list[tuple[str, str, str | None]] = []

    def download(repository: str, name: str = "", revision: str | None = None, **_: Any) -> str:
        asked.append((repository, name, revision))
        raise LocalEntryNotFoundError(
            "Cannot find it in the disk cache, and there is no network.\nMore."
        )

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return asked


def tiny_architecture(folder: Path, name: str, config: dict[str, Any]) -> str:
    """Make an architecture known to open_clip by name."""
    (folder / f"{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    return name


@pytest.fixture
def architecture(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("open_clip.factory._MODEL_CONFIG_PATHS", [])
    monkeypatch.setattr("open_clip.factory._MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    config = json.loads((whole / "open_clip_config.json").read_text())["model_cfg"]
    return tiny_architecture(tmp_path, "tiny-vit", config)


def test_an_architecture_takes_its_weights_from_a_file(whole: Path, architecture: str) -> None:
    by_name = load_open_clip(architecture, str(whole / WEIGHTS))
    by_folder = load_open_clip(str(whole))
    assert (by_name.encode_text("a robot") == by_folder.encode_text("a robot")).all()


def test_the_wrapper_of_a_check_point_is_taken_off(
    whole: Path, architecture: str, tmp_path: Path
) -> None:
    """LIV's check-points have it, and OpenAI's three numbers that are no weights."""
    wrapped = {
        f"module.model.{name}": tensor for name, tensor in load_file(whole / WEIGHTS).items()
    }
    wrapped["module.model.context_length"] = torch.tensor(24)
    save_file(wrapped, tmp_path / "liv.safetensors")
    loaded = load_open_clip(architecture, str(tmp_path / "liv.safetensors"))
    assert (
        loaded.encode_text("a robot") == load_open_clip(str(whole)).encode_text("a robot")
    ).all()


def test_random_weights_are_only_had_by_asking_and_are_said(
    architecture: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (
        load_open_clip(architecture, "random").encode_text("a robot") for _ in range(2)
    )
    assert (first == second).all() and "mean nothing" in caplog.text
    with pytest.raises(InvalidInputError, match="needs weights"):
        load_open_clip(architecture)


@pytest.mark.parametrize("damage", ["half", "empty", "header", "text"])
def test_a_damaged_file_is_refused(folder: Path, damage: str) -> None:
    content = (folder / WEIGHTS).read_bytes()
    damaged = {
        "half": content[: len(content) // 2],
        "empty": b"",
        "header": b"\xff" * 8 + content[8:],
        "text": b"<html>",
    }
    (folder / WEIGHTS).write_bytes(damaged[damage])
    with pytest.raises(
        CorruptFileError, match="damaged or only half downloaded.*bytes.*Download it anew"
    ):
        load_open_clip(str(folder))


def test_the_checksum_must_fit_if_one_is_given(folder: Path) -> None:
    right = file_sha256(folder / WEIGHTS)
    load_open_clip(str(folder), sha256=right.upper())
    with pytest.raises(CorruptFileError, match=f"expected the SHA-256 {'0' * 64}; got {right}"):
        load_open_clip(str(folder), sha256="0" * 64)


@pytest.mark.parametrize("fault", ["absent", "left over", "of another shape"])
def test_weights_of_another_architecture_are_refused(folder: Path, fault: str) -> None:
    tensors = load_file(folder / WEIGHTS)
    if fault == "absent":
        del tensors["visual.conv1.weight"]
    elif fault == "left over":
        tensors["visual.more"] = torch.ones(1)
    else:  # open_clip itself would stretch positions to another grid and only log it
        tensors["visual.positional_embedding"] = torch.ones(5, 32)
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(CorruptFileError, match=f"1 {fault}, such as visual.*Nothing was loaded"):
        load_open_clip(str(folder))


def test_a_folder_without_its_files_is_refused(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    with pytest.raises(MissingBackendError, match="no file.*open_clip_model.safetensors"):
        load_open_clip(str(folder))
    (folder / "open_clip_config.json").write_text("{}")
    with pytest.raises(CorruptFileError, match="model_cfg"):
        load_open_clip(str(folder))


def test_pickled_weights_are_never_read(folder: Path, architecture: str) -> None:
    pickled = (folder / WEIGHTS).rename(folder / "open_clip_pytorch_model.bin")
    with pytest.raises(InvalidInputError, match=r"expected a .safetensors file.*save_file"):
        load_open_clip(architecture, str(pickled))


def test_a_name_that_is_not_known_gets_close_matches() -> None:
    with pytest.raises(
        UnknownNameError, match="unknown open_clip architecture 'ViT-B32'.*Did you mean.*'ViT-B-32'"
    ):
        load_open_clip("ViT-B32", "openai")
    with pytest.raises(UnknownNameError, match="tag of ViT-B-32 'opnai'.*Did you mean.*'openai'"):
        load_open_clip("ViT-B-32", "opnai")
    with pytest.raises(InvalidInputError, match="one of its tags .*laion2b_s34b_b79k"):
        load_open_clip("ViT-B-32")
    with pytest.raises(InvalidInputError, match="brings its own weights"):
        load_open_clip("hf-hub:owner/name", "openai")


@pytest.mark.parametrize(
    ("model", "pretrained", "repository"),
    [
        ("ViT-B-32", "laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("ViT-B-32", "hf-hub:owner/name", "owner/name"),
        ("hf-hub:owner/name", None, "owner/name"),
    ],
)
def test_without_a_network_it_says_what_to_download_and_where_to_put_it(
    model: str, pretrained: str | None, repository: str, offline: list[Any]
) -> None:
    with pytest.raises(MissingBackendError) as caught:
        load_open_clip(model, pretrained, revision="abc123")
    assert f"hf download {repository} {WEIGHTS} --revision abc123" in str(caught.value)
    assert "HF_HOME" in str(caught.value) and "--local-dir" in str(caught.value)
    assert [(each[0], each[2]) for each in offline] == [(repository, "abc123")]


def test_what_the_hub_refuses_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusal(RepositoryNotFoundError):
        def __init__(self) -> None:
            OSError.__init__(self, "401 Client Error")

    def refuse(*_: Any, **__: Any) -> str:
        raise Refusal

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(MissingBackendError, match="401 Client Error"):
        load_open_clip("ViT-B-32", "openai")


def test_a_download_of_the_hub_is_found_by_id_and_revision(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout of the Hugging Face cache, read by its own client, without a network."""
    commit = "0123456789012345678901234567890123456789"
    repository = tmp_path / "models--owner--name"
    shutil.copytree(whole, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1").write_text(commit)
    download = huggingface_hub.snapshot_download

    def local(*arguments: Any, **options: Any) -> str:
        return download(*arguments, **options, cache_dir=tmp_path, local_files_only=True)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", local)
    assert load_open_clip("hf-hub:owner/name", revision="v1").logit_scale > 0
    with pytest.raises(MissingBackendError, match="v2"):
        load_open_clip("hf-hub:owner/name", revision="v2")


def test_a_tokenizer_that_is_not_here_is_named(tmp_path: Path) -> None:
    folder = tiny_clip(tmp_path / "siglip", SIGLIP)
    with pytest.raises(MissingBackendError, match="the tokenizer cannot be had"):
        load_open_clip(str(folder))
    assert load_open_clip(str(folder), text=False).tower.preprocessing.size == 64


def test_openai_weights_get_the_gelu_that_they_were_trained_with(
    architecture: str, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    """With the other one the numbers are wrong, and open_clip only warns."""
    said = {"hf_hub": "owner/name/", "quick_gelu": True, "mean": None, "std": None}
    monkeypatch.setattr(open_clip, "list_pretrained_tags_by_model", lambda model: ["openai"])
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda model, tag: said)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: str(whole / WEIGHTS))
    quick = load_open_clip(architecture, "openai").encode_text("a robot")
    assert abs(quick - load_open_clip(str(whole)).encode_text("a robot")).max() > 1e-4


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder: Path, value: float) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["visual.conv1.weight"].view(-1)[7] = value
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(CorruptFileError, match=r"1 weights are NaN or infinite.*visual.conv1"):
        load_open_clip(str(folder))


def test_a_configuration_cannot_ask_for_more_than_its_weights(folder: Path) -> None:
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["vision_cfg"] |= {"width": 65536, "layers": 100}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(CorruptFileError, match="many times larger than these weights"):
        load_open_clip(str(folder))


def convert(content: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the printed command makes of a file as its authors wrote it."""
    torch.serialization.save(content, folder / "weights.pt")
    command = shlex.split(CONVERT.partition("trust the file: ")[2])
    assert command[:2] == ["python", "-c"] and "weights_only=True" in command[2]
    (folder / "convert.py").write_text(command[2])
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["-c", *command[3:]])
    runpy.run_path(str(folder / "convert.py"))
    return folder / "weights.safetensors"


@pytest.mark.parametrize(
    ("wrapper", "make", "load"), [("vip", vip_like, load_vip), ("r3m", r3m_like, load_r3m)]
)
def test_the_command_that_is_printed_converts_what_the_authors_released(
    wrapper: str,
    make: Callable[[Path], Path],
    load: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their files hold the weights in one more dictionary, beside a counter."""
    direct = make(tmp_path / "tensors.safetensors")
    content = {wrapper: load_file(direct), "global_step": 7}
    file = convert(content, tmp_path, monkeypatch)
    networks = (load("resnet18", str(path), None, None).network for path in (file, direct))
    for own, other in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(own, other)


def test_the_command_that_is_printed_converts_what_liv_released(
    whole: Path, architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CLIP in a data-parallel wrapper, in half numbers where it was trained on a GPU."""
    halves = {name: tensor.half() for name, tensor in load_file(whole / WEIGHTS).items()}
    content = {"liv": {f"module.model.{name}": half for name, half in halves.items()}}
    file = convert({**content, "global_step": 7}, tmp_path, monkeypatch)
    loaded = load_pretrained("liv", architecture, str(file)).network
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, halves[f"visual.{name}"].float())
