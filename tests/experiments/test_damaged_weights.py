"""A damaged folder of weights is loaded or refused in one sentence, and takes no memory for what it
asks for: the quick part of experiments/damaged_weights, in this process."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from experiments.damaged_weights.damages import DAMAGES
from roborew.errors import RoborewError
from tests.contract.weight_loaders import BUILD, LOADERS

SEED = 0
LOADED = ("encoder transformers", "judge", "critic")


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    folders: dict[str, Path] = {}
    for loader in LOADED:
        kind = LOADERS[loader][0]
        folders[kind] = tmp_path_factory.mktemp(kind)
        BUILD[kind](folders[kind])
    return folders


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("loader", LOADED)
def test_damage_is_said_in_an_error_of_roborews(
    loader: str, damage: str, originals: Mapping[str, Path], tmp_path: Path
) -> None:
    kind, load = LOADERS[loader]
    folder = shutil.copytree(originals[kind], tmp_path / "damaged")
    case = list(DAMAGES).index(damage)
    DAMAGES[damage](folder, np.random.default_rng([SEED, case]))
    print(f"seed {SEED}, case {case}")
    with suppress(RoborewError):
        load(str(folder))
