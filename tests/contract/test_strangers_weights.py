"""No folder of weights runs its author's code or touches a file outside, whatever it holds and
whoever loads it, from the disk and from the hub's cache."""

from __future__ import annotations

import builtins
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import huggingface_hub.constants
import open_clip
import pytest

from roborew.critics.critic import Critic
from roborew.errors import RoborewError
from tests.contract.attacks import ATTACKS, GROUPS, edit, plant
from tests.contract.weight_loaders import BUILD, CLIP, LOADERS

COMMIT = "0123456789012345678901234567890123456789"
READS: Mapping[str, tuple[str, ...]] = {
    "clip": ("open_clip",),
    "encoder open_clip": ("open_clip", "text"),
    "encoder transformers": ("model", "text"),
    "goal_image": (),
    "judge": ("model", "text"),
    "mini": (),
    "critic": ("recipe",),
    "reward_classifier": (),
    "robometer": ("model", "text"),
    "sarm": (),
    "rewind": (),
}
"""The groups of attacks that are tried one by one, as the loader reads what they change; all others
are tried at once. `goal_image` has the loader of the encoder."""
CASES = [
    (loader, attack) for loader in READS for group in READS[loader] for attack in GROUPS[group]
]
ON_HUB = (
    "clip",
    "encoder open_clip",
    "encoder transformers",
    "goal_image",
    "judge",
    "reward_classifier",
    "robometer",
)
ATTACKS_ON_HUB = (
    "open_clip tokenizer with remote code",
    "code for an unknown model type",
    "tokenizer's code",
    "index of pickles",
)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in BUILD}
    for kind, build in BUILD.items():
        build(folders[kind])
    return folders


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that nothing may change, while nobody may be asked whether code shall run."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "victim").write_text("mine")
    (folder / "also mine.embeddings").write_text("no embeddings")

    def asked(*_: object) -> str:
        (folder / "canary").touch()
        return "y"

    monkeypatch.setattr(builtins, "input", asked)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    yield folder
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def _attacked(original: Path, folder: Path, attacks: Iterable[str], outside: Path) -> Path:
    shutil.copytree(original, folder)
    plant(folder, outside)
    for attack in attacks:
        ATTACKS[attack](folder, outside)
    return folder


def _try_to_load(load: Callable[[str], None], model: str) -> None:
    # Loaded or refused: what counts is that nothing else has happened.
    with suppress(RoborewError):
        load(model)


@pytest.mark.parametrize(("loader", "attack"), CASES)
def test_a_folder_runs_nothing_and_touches_nothing_outside(
    loader: str,
    attack: str,
    originals: Mapping[str, Path],
    outside: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, load = LOADERS[loader]
    folder = _attacked(originals[kind], tmp_path / "weights", [attack], outside)
    # From inside, where a module of the folder is one of the working directory, too.
    monkeypatch.chdir(folder)
    _try_to_load(load, str(folder))


@pytest.mark.parametrize("loader", LOADERS)
def test_all_other_attacks_at_once_do_nothing_either(
    loader: str,
    originals: Mapping[str, Path],
    outside: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, load = LOADERS[loader]
    own = {attack for case, attack in CASES if case == loader}
    others = [attack for attack in ATTACKS if attack not in own]
    folder = _attacked(originals[kind], tmp_path / "weights", others, outside)
    monkeypatch.chdir(folder)
    _try_to_load(load, str(folder))


@pytest.mark.parametrize("loader", ON_HUB)
def test_a_repository_of_the_hub_runs_nothing_either(
    loader: str,
    originals: Mapping[str, Path],
    outside: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kind, load = LOADERS[loader]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    for number, attack in enumerate(ATTACKS_ON_HUB):
        repository = tmp_path / "cache" / f"models--owner--name{number}"
        _attacked(originals[kind], repository / "snapshots" / COMMIT, [attack], outside)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
        _try_to_load(load, f"hf-hub:owner/name{number}")
        assert not (outside / "canary").exists(), attack


@pytest.mark.parametrize("loader", LOADERS)
def test_what_is_planted_beside_whole_weights_does_not_keep_them_from_loading(
    loader: str, originals: Mapping[str, Path], outside: Path, tmp_path: Path
) -> None:
    kind, load = LOADERS[loader]
    folder = tmp_path / "weights"
    shutil.copytree(originals[kind], folder)
    plant(folder, outside)
    load(str(folder))


def test_the_canary_sings_where_a_library_reads_the_folder_itself(
    originals: Mapping[str, Path], tmp_path: Path
) -> None:
    """Otherwise the tests above would show nothing."""
    folder = shutil.copytree(originals["siglip"], tmp_path / "weights")
    plant(folder, tmp_path)
    edit(folder, "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}})
    ATTACKS["open_clip tokenizer with remote code"](folder, tmp_path)
    with pytest.raises(AttributeError):  # the class is no tokenizer; its module has run by then
        open_clip.get_tokenizer(f"local-dir:{folder}")
    assert (tmp_path / "canary").exists()


def test_a_critic_of_ones_own_code_is_loaded_once_that_is_said(
    originals: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(originals["critic"], tmp_path / "critic")
    own = "from roborew.encoders.conv import ConvEncoder\nclass MyConv(ConvEncoder): ...\n"
    (tmp_path / "my_encoder_of_trust.py").write_text(own)
    monkeypatch.chdir(tmp_path)
    name = "my_encoder_of_trust:MyConv"
    edit(folder, "config.json", {"encoder_name": name}, "recipe")
    with pytest.raises(RoborewError, match=f"ROBOREW_TRUST={name}"):
        Critic.from_pretrained(folder)
    monkeypatch.setenv("ROBOREW_TRUST", f"other:Thing,{name}")
    assert hashlib.sha256(Critic.from_pretrained(folder).score([CLIP])[0].value).digest()
    assert json.loads((folder / "config.json").read_text())["recipe"]["encoder_name"] == name
