"""Robometer's preference head labels pairs: as it compares them, in a run that resumes exactly, and of a
fixed set."""

from __future__ import annotations

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


def test_a_run_that_was_interrupted_in_the_middle_of_a_round_has_the_same_labels(
    weights: Path, tmp_path: Path
) -> None:
    options = {"num_labels": 10, "num_rounds": 1, "episodes": 3, "judge.max_questions": 7}
    fit = {"steps": 2, "encoder_steps": 2, "ensemble_size": 1, "selection": "uniform"}
    config = TrainConfig(
        env=EnvConfig("roborew/Press-v0", width=48, height=36, horizon=8),
        reward=preference(weights, **options, **fit),
        total_timesteps=64,
        num_envs=8,
    )
    sessions = 0
    with start(config, tmp_path / "run") as run, pytest.raises(BudgetError):
        train(run, refit=JudgeTeacher())
    while True:
        sessions += 1
        with RunDirectory.resume(tmp_path / "run") as run:
            try:
                train(run, refit=JudgeTeacher())
                break
            except (BudgetError, InvalidInputError) as error:
                # Random weights may say too little of pictures that are alike for a critic.
                if isinstance(error, InvalidInputError):
                    break
    assert sessions > 1
    folder = tmp_path / "run" / "preferences"
    labels = read_preferences(folder / "preferences.jsonl")
    assert len(labels) == 10
    frames = read_frames([one.pair for one in labels], list(read_demonstrations(folder)))
    asked = labeler(weights)
    for one in labels:
        first, second = (frames[segment] for segment in one.pair)
        pictures = FramePair(first=first, second=second, instruction=config.sentence)
        (again,) = asked.compare([pictures])
        assert to_preference(one.pair, again, asked.judge.identity) == one
    (answers,) = read_answers(folder / "answers.jsonl").values()
    assert len(answers) <= 20 and (folder / "answers.jsonl").read_bytes().count(b"\n") == len(
        answers
    )
    # The same head labels a set that is there.
    words = ["--judge", "robometer", "--judge.model", str(weights), "--pairs", "12"]
    assert cli.main(["label", str(folder), *words]) == 0
    labels = read_preferences(folder / "preferences.jsonl")
    assert len(labels) == 10 + 12 and len({one.by for one in labels}) == 1


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
