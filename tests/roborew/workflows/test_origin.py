"""A run's file does not choose where its reward writes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from roborew.encoders.cache import SENTENCES_FOLDER, EmbeddingCache
from roborew.registry import trust
from roborew.storage.run import RunDirectory
from roborew.workflows.parts import RewardConfig
from roborew.workflows.train.config import TrainConfig


def absent(path: Path) -> None:
    pass


def foreign_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").touch()


def foreign_file(path: Path) -> None:
    path.write_text("alias ls=ls\n")


def link_to_a_foreign_folder(path: Path) -> None:
    foreign_folder(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def cache_of_embeddings(path: Path) -> None:
    EmbeddingCache(2, path / SENTENCES_FOLDER)
    EmbeddingCache(2, path).put({bytes(32): np.zeros(2, np.float32)})


def recording(path: Path) -> None:
    path.write_text('{"question": "a", "model": "m", "text": "1"}\n')


def named_in_this_process(path: Path) -> None:
    trust(str(path))


FOREIGN = (absent, foreign_folder, foreign_file, link_to_a_foreign_folder)
OWN = (cache_of_embeddings, recording, named_in_this_process)


@pytest.mark.parametrize("setting", ["cache", "judge.cache"])
@pytest.mark.parametrize("make", [*FOREIGN, *OWN], ids=lambda make: make.__name__)
def test_a_run_names_only_a_cache_that_is_one_already(
    make: Callable[[Path], None], setting: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "place"
    make(place)
    options = {setting: str(place), "model": "m"}
    run = tmp_path / "run"
    with RunDirectory.create(run, TrainConfig(reward=RewardConfig("clip", options))):
        pass
    config = RunDirectory.open(run).config(TrainConfig)
    with caplog.at_level(logging.WARNING):
        assert config.reward.options == (options if make in OWN else {"model": "m"})
    assert (f"{setting}={place} is left out" in caplog.text) == (make in FOREIGN)
    assert place.exists() == (make not in (absent, named_in_this_process)), "reading makes nothing"
