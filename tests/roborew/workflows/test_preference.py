"""A judge teaches: what it says is kept, nothing is invented, and an interruption changes nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.judges.oracle import Oracle, serving
from roborew.cli import main
from roborew.critics.critic import Critic
from roborew.data.preferences import Pair, read_preferences
from roborew.data.reading import read_demonstrations
from roborew.errors import BudgetError, InvalidInputError
from roborew.judges.recorded import read_answers
from roborew.storage.run import RunDirectory
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.preference.selection import best_frames, choose_pairs
from roborew.workflows.preference.settings import PreferenceSettings, Selection
from roborew.workflows.preference.teach import JudgeTeacher
from roborew.workflows.rewards import load_reward
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.logger import Status
from roborew.workflows.train.loop import begin, start, train
from roborew.workflows.trained import load_trained
from tests.roborew.critics.films import demonstration
from tests.roborew.workflows.beginnings import Beginning

ROLLOUT, PAIRS = 256, 24
OPTIONS = {
    "judge.backend": "openai",
    "judge.model": "oracle",
    "judge.options": ["top_logprobs=0"],
    "num_labels": 2 * PAIRS,
    "num_rounds": 2,
    "episodes": 3,
    "selection": "disagreement",
    "pairs_per_question": 5,
    "steps": 3,
    "encoder_steps": 2,
    "ensemble_size": 2,
}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with serving(Oracle(tmp_path)) as address:
        yield address


AGENTS = {
    "ppo": AgentConfig("ppo"),
    # Its replay holds the rounds' episodes, paid anew by each critic.
    "sac": AgentConfig("sac", {"report_every": 32, "gradient_steps": 1, "batch_size": 8}),
}


def config_of(url: str, **options: object) -> TrainConfig:
    return TrainConfig(
        env=EnvConfig("roborew/Press-v0", width=48, height=36, horizon=8),
        reward=RewardConfig("preference", {**OPTIONS, "judge.base_url": url, **options}),
        total_timesteps=2 * ROLLOUT,
        num_envs=8,
        score_every=30,
    )


RESTARTS = {"restart_agent": True, "teaching_share": 0.75}


@pytest.mark.parametrize(
    ("agent", "options"), [("ppo", {}), ("sac", {}), ("ppo", RESTARTS), ("sac", RESTARTS)]
)
def test_interrupted_at_any_rollout_or_budget_equals_uninterrupted(
    url: str, tmp_path: Path, agent: str, options: dict[str, object]
) -> None:
    config = replace(config_of(url, **options), agent=AGENTS[agent])
    with start(config, tmp_path / "whole") as run:
        train(run, refit=JudgeTeacher())

    def stop(status: Status) -> None:
        signal.raise_signal(signal.SIGINT)

    # Enough for a part of a round in each session.
    scarce = replace(config_of(url, **options, **{"judge.max_questions": 8}), agent=AGENTS[agent])
    with start(scarce, tmp_path / "parts") as run, pytest.raises(BudgetError):
        train(run, stop, JudgeTeacher())
    for _ in range(12):
        with RunDirectory.resume(tmp_path / "parts") as run:
            try:
                if train(run, stop, JudgeTeacher()).ended == "finished":
                    break
            except BudgetError:
                pass
    one, other = (
        RunDirectory.open(tmp_path / name).load_checkpoint() for name in ("whole", "parts")
    )
    assert one is not None and other is not None and one.step == other.step == 2 * ROLLOUT
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)
    labels = [
        read_preferences(tmp_path / name / "preferences" / "preferences.jsonl")
        for name in ("whole", "parts")
    ]
    assert labels[0] == labels[1] and len(labels[0]) == 2 * PAIRS
    # No question was paid for twice.
    answers = read_answers(tmp_path / "parts" / "preferences" / "answers.jsonl")["oracle@served"]
    lines = (tmp_path / "parts" / "preferences" / "answers.jsonl").read_bytes().count(b"\n")
    assert lines == len(answers)


@pytest.mark.parametrize("restarts", [False, True])
def test_an_agent_that_begins_anew_has_learned_nothing_but_counts_on(
    url: str, tmp_path: Path, restarts: bool, begins: list[Beginning]
) -> None:
    with start(config_of(url, restart_agent=restarts), tmp_path / "run") as run:
        train(run, refit=JudgeTeacher())
    first, later = begins
    assert 0 == first.steps < later.steps
    assert later.is_like(first) == restarts


def test_what_was_labeled_is_a_set_that_fit_reads(url: str, tmp_path: Path) -> None:
    config = config_of(url, pairs_per_question=1, selection="recent")
    with start(config, tmp_path / "run") as run:
        train(run, refit=JudgeTeacher())
        model = load_trained(run).model
    assert isinstance(model, Critic) and model.name == "bradley_terry"
    labeled = tmp_path / "run" / "preferences"
    episodes = list(read_demonstrations(labeled))
    assert len(episodes) == 6
    # The truth stands beside them, where no critic reads it.
    assert all(one.progress is None and one.succeeded is None for one in episodes)
    labels = read_preferences(labeled / "preferences.jsonl")
    said = {label.label for label in labels}
    assert said <= {0.0, 1.0, 0.5, None} and {0.0, 1.0} <= said
    assert all(label.reason for label in labels if label.label is None)
    words = ["--critic", "bradley_terry", "--critic.steps", "2", "--encoder.steps", "2"]
    assert main(["fit", str(labeled), *words, "--out", str(tmp_path / "critic")]) == 0
    assert Critic.from_pretrained(tmp_path / "critic").recipe["objective"]


def test_orders_of_pictures_label_all_their_pairs_and_a_budget_changes_none(
    url: str, tmp_path: Path
) -> None:
    orders = {"pairs_per_question": 1, "pictures_per_question": 4, "num_labels": 60}
    with start(config_of(url, **orders), tmp_path / "whole") as run:
        JudgeTeacher()(run, 1)
    scarce = config_of(url, **orders, **{"judge.max_questions": 4})
    with start(scarce, tmp_path / "parts") as run:
        for _ in range(2):
            with pytest.raises(BudgetError):
                JudgeTeacher()(run, 1)
        JudgeTeacher()(run, 1)
    whole, parts = (
        read_preferences(tmp_path / name / "preferences" / "preferences.jsonl")
        for name in ("whole", "parts")
    )
    # Of the few frames of this run some are drawn twice.
    assert whole == parts and 4 * 6 <= len(whole) <= 5 * 6
    answers = read_answers(tmp_path / "parts" / "preferences" / "answers.jsonl")["oracle@served"]
    assert len(answers) <= 5 * 2


def test_a_judge_that_is_not_there_leaves_no_run(tmp_path: Path) -> None:
    config = config_of("http://127.0.0.1:9/v1")
    with (
        pytest.raises(Exception, match="no server answers"),
        begin(config, tmp_path / "run") as run,
    ):
        train(run, refit=JudgeTeacher())
    assert not (tmp_path / "run").exists()


def test_a_judge_that_says_nothing_is_an_error_and_its_labels_stay(tmp_path: Path) -> None:
    with serving(Oracle(tmp_path, silent=1.0)) as url:
        error = pytest.raises(InvalidInputError, match="Label more pairs")
        with error, begin(config_of(url), tmp_path / "run") as run:
            train(run, refit=JudgeTeacher())
        labels = read_preferences(tmp_path / "run" / "preferences" / "preferences.jsonl")
        assert len(labels) == PAIRS and all(label.label is None for label in labels)


@pytest.mark.parametrize("one_episode", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("selection", ["uniform", "recent", "disagreement"])
def test_pairs_are_two_frames_that_there_are(selection: Selection, one_episode: float) -> None:
    episodes = [demonstration("success", row, length=3 + row) for row in range(6)]
    lengths = {episode.name: episode.length for episode in episodes}
    recent = {episode.name for episode in episodes[-2:]}
    rng = np.random.default_rng(3)
    pairs = choose_pairs(rng, episodes, 2, 200, selection, None, one_episode)
    assert len(pairs) == len(set(pairs)) == 200
    assert all(first != second for first, second in pairs)
    # Of one episode there are less than 200 pairs in the last two.
    of_one = sum(first[0] == second[0] for first, second in pairs)
    assert of_one >= min(50, one_episode * 200)
    assert all(0 <= frame < lengths[name] for pair in pairs for name, frame in pair)
    touched = [recent & {name for name, _ in pair} for pair in pairs]
    assert all(touched) == (selection != "uniform")


def test_a_share_of_the_pairs_is_of_the_best_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    episodes = [demonstration("success", row, length=20) for row in range(8)]
    # Two members that rate the episodes as they are numbered, later frames a little higher.
    frames = np.arange(20) / 100
    values = {episode.name: np.stack([row + frames] * 2) for row, episode in enumerate(episodes)}
    module = "roborew.workflows.preference.selection"
    monkeypatch.setattr(f"{module}.member_values", lambda critic, episodes: values)
    best = set(best_frames(values))
    assert {name for name, _ in best} == {episode.name for episode in episodes[-2:]}

    def chosen(among_best: float) -> list[Pair]:
        rng = np.random.default_rng(5)
        critic: Any = object()
        return choose_pairs(rng, episodes, 3, 40, "disagreement", critic, 0.5, among_best)

    for among_best in (0.0, 0.5, 1.0):
        pairs = chosen(among_best)
        assert len(pairs) == len(set(pairs)) == 40
        assert sum(best.issuperset(pair) for pair in pairs) >= 40 * among_best
    assert not all(best.issuperset(pair) for pair in chosen(0.5))


def test_every_label_of_the_run_is_asked_for_in_some_round() -> None:
    settings = PreferenceSettings(num_labels=17, num_rounds=5)
    assert sum(settings.labels_of_round(number) for number in range(1, 6)) == 17


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label_noise": 0.5}, "label_noise"),
        ({"one_episode": 1.5}, "one_episode"),
        ({"among_best": -0.1}, "among_best"),
        ({"teaching_share": 0.0}, "teaching_share"),
        ({"teaching_share": 0.005}, "at most 1 in 2 steps"),
        ({"encoder": "conf"}, "conv"),
        ({"num_rounds": 10**6}, "num-rounds"),
        ({"episodes": 1001}, "at most 1,000"),
        ({"selection": "best"}, "selection"),
        ({"pictures_per_question": 4}, "leave one of them out"),
        ({"pictures_per_question": 17}, "at most 16"),
        ({"pictures_per_question": 8, "pairs_per_question": 1}, "at least 28"),
        (
            {"judge.backend": "person", "pictures_per_question": 4, "pairs_per_question": 1},
            "two pictures",
        ),
    ],
)
def test_a_setting_that_means_nothing_is_said_before_anything_is_written(
    changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    config = config_of("http://127.0.0.1:9/v1", **changes)
    with pytest.raises(Exception, match=words):
        start(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_it_pays_within_a_run_only(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="last critic"):
        load_reward("preference")
    config = replace(config_of("http://127.0.0.1:9/v1"), goal_image=tmp_path / "goal.png")
    with pytest.raises(InvalidInputError, match="--goal-image"):
        start(config, tmp_path / "run")
