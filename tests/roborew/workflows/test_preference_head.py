"""Robometer's preference head labels pairs: as it compares them, in a run that resumes exactly, and of a
fixed set."""

from __future__ import annotations

import shutil
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from roborew import cli
from roborew.data.preferences import read_preferences
from roborew.data.reading import read_demonstrations
from roborew.errors import BudgetError, InvalidInputError
from roborew.judges.config import JudgeConfig
from roborew.judges.recorded import read_answers
from roborew.rewards.checkpoints.robometer import Robometer
from roborew.rewards.comparisons import ComparisonLabeler
from roborew.rewards.preferences import FramePair
from roborew.storage.run import RunDirectory
from roborew.types import Clip
from roborew.workflows.doctor.reward import examine
from roborew.workflows.label.asking import read_frames, to_preference
from roborew.workflows.parts import RewardConfig
from roborew.workflows.preference.settings import PreferenceSettings
from roborew.workflows.preference.teach import JudgeTeacher
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.loop import start, train
from tests.roborew.data.sets import write_as_folder
from tests.roborew.rewards.checkpoints.tiny_released import tiny_robometer

TASK = "press the button"
PICTURES = np.random.default_rng(1).integers(0, 256, (4, 36, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a bias of its own: else random weights say the same of any two pictures."""
    folder = tiny_robometer(tmp_path_factory.mktemp("robometer") / "weights")
    clips = [Clip(frames=PICTURES[[row]], instruction=TASK) for row in range(len(PICTURES))]
    model = Robometer(weights=str(folder))
    shares = np.array([model.preference(*two) for two in permutations(clips, 2)])
    tensors = load_file(folder / "model.safetensors")
    tensors["preference_head.4.bias"] -= np.float32(np.log(shares / (1 - shares)).mean())
    save_file(tensors, folder / "model.safetensors")
    return folder


def labeler(weights: Path) -> ComparisonLabeler:
    return ComparisonLabeler(judge=JudgeConfig(backend="robometer", model=str(weights)))


def preference(weights: Path, **options: Any) -> RewardConfig:
    judge = {"judge.backend": "robometer", "judge.model": str(weights)}
    return RewardConfig("preference", {**judge, **options})


def pair(first: int, second: int) -> FramePair:
    return FramePair(first=PICTURES[first], second=PICTURES[second], instruction=TASK)


def test_a_label_is_what_the_head_says_in_both_orders(weights: Path) -> None:
    model = Robometer(weights=str(weights))

    def further(first: int, second: int) -> float:
        clips = [Clip(frames=PICTURES[[one]], instruction=TASK) for one in (first, second)]
        return model.preference(clips[0], clips[1])

    pairs = [(0, 1), (2, 3), (3, 0), (1, 3), (0, 2)]
    labels = labeler(weights).compare([pair(*one) for one in pairs])
    assert labels == [labeler(weights).compare([pair(*one)])[0] for one in pairs]
    for (first, second), label in zip(pairs, labels, strict=True):
        expected = (1 - further(first, second) + further(second, first)) / 2
        assert label.second_probability == pytest.approx(expected, abs=1e-9)
        assert label.label in (None, int(expected > 0.5)) and label.agreed is not None
    assert any(label.label is not None for label in labels)


def test_a_run_asks_the_head_and_keeps_what_it_says(weights: Path, tmp_path: Path) -> None:
    """A head that names the first of any two is contradicted by itself: every label is none."""
    biased = Path(shutil.copytree(weights, tmp_path / "biased"))
    tensors = load_file(biased / "model.safetensors")
    tensors["preference_head.4.bias"] += np.float32(10)
    save_file(tensors, biased / "model.safetensors")
    settings = {"num_labels": 6, "num_rounds": 1, "episodes": 3, "judge.max_questions": 7}
    config = TrainConfig(
        env=EnvConfig("roborew/Press-v0", width=48, height=36, horizon=8),
        reward=preference(biased, **settings),
        total_timesteps=64,
        num_envs=8,
    )
    with start(config, tmp_path / "run") as run, pytest.raises(BudgetError):
        train(run, refit=JudgeTeacher())
    nothing = pytest.raises(InvalidInputError, match="Label more pairs")
    with RunDirectory.resume(tmp_path / "run") as run, nothing:
        train(run, refit=JudgeTeacher())
    labels = read_preferences(tmp_path / "run" / "preferences" / "preferences.jsonl")
    assert [one.reason for one in labels] == ["the two orders disagree"] * 6


def test_labels_of_a_set_are_the_same_however_often_they_were_interrupted(
    weights: Path, tmp_path: Path
) -> None:
    places = [write_as_folder(tmp_path / name) for name in ("whole", "parts")]
    words = ["--judge", "robometer", "--judge.model", str(weights), "--pairs", "9"]
    words += ["--instruction", TASK]
    assert cli.main(["label", str(places[0]), *words]) == 0
    codes = [
        cli.main(["label", str(places[1]), *words, "--judge.max-questions", "7"]) for _ in range(3)
    ]
    assert codes == [2, 2, 0]
    whole, parts = (read_preferences(place / "preferences.jsonl") for place in places)
    assert whole == parts and len(whole) == 9 and any(one.label is not None for one in whole)
    frames = read_frames(
        [one.pair for one in whole], list(read_demonstrations(places[0])), ["front"]
    )
    again = labeler(weights)
    for one in whole:
        first, second = (frames[segment] for segment in one.pair)
        pair_again = FramePair(first=first, second=second, instruction=TASK)
        (label,) = again.compare([pair_again])
        assert to_preference(one.pair, label, one.by) == one
    (answers,) = read_answers(places[1] / "answers.jsonl").values()
    # No comparison was made twice.
    assert (places[1] / "answers.jsonl").read_bytes().count(b"\n") == len(answers) <= 18


def test_what_it_cannot_do_is_said_before_anything_is_asked(weights: Path) -> None:
    with pytest.raises(InvalidInputError, match="compares one pair at a time"):
        PreferenceSettings(**preference(weights, pairs_per_question=4).typed_options())
    roboreward = {"judge.backend": "robometer", "judge.model": str(weights)}
    (_, asks) = examine(RewardConfig("roboreward", roboreward), lambda _: None).checks
    assert not asks.ok and "--reward preference asks it so" in asks.finding


def test_doctor_examines_it_by_two_questions(weights: Path) -> None:
    said: list[str] = []
    examination = examine(preference(weights, num_labels=30), said.append)
    names = [check.name for check in examination.checks]
    assert names[:2] == ["judge", "replies"] and "label" in names and "a run" in names
    assert examination.questions == 2 and examination.run_questions == 60
    assert "asked 2 questions, as preference asks" in said[0]
