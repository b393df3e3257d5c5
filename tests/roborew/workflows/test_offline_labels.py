"""A judge labels a fixed set: what it says is kept, a critic learns from it, and an agent from the
critic, with no step in the simulator."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.judges.offline import label_figures
from experiments.judges.oracle import Oracle, serving
from roborew.cli import main
from roborew.critics.critic import Critic
from roborew.data.preferences import PREFERENCES, read_preferences
from roborew.judges.recorded import read_answers
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.demonstrations import agent_episodes
from roborew.workflows.train.loop import start, train

PAIRS = 40


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set") / "press"
    words = [
        "--behaviors",
        "expert",
        "random",
        "--episodes",
        "3",
        "--width",
        "32",
        "--height",
        "24",
    ]
    assert main(["collect", "roborew/Press-v0", *words, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    """A set without labels."""
    return Path(shutil.copytree(recorded, tmp_path / "press"))


@pytest.fixture
def url(folder: Path, tmp_path: Path) -> Iterator[str]:
    with serving(Oracle(tmp_path / "runs", sets=[folder])) as address:
        yield address


def words_of(folder: Path, url: str, *further: str, options: str = "") -> list[str]:
    judge = ["--judge", "openai", "--judge.model", "oracle", "--judge.base-url", url]
    text = ["--judge.options", f"top_logprobs=0{options}"]
    pairs = ["--pairs", str(PAIRS)]
    if "--pairs-per-question" not in further:
        pairs += ["--pairs-per-question", "5"]
    return ["label", str(folder), *judge, *text, *pairs, *further]


def labels_of(folder: Path) -> Any:
    return read_preferences(folder / PREFERENCES)


def test_three_commands_lead_from_a_set_to_an_agent(
    folder: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    critic = tmp_path / "critic"
    assert main(words_of(folder, url, "--json")) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["done"] == PAIRS
    assert f"asked about {PAIRS} pairs, in up to 16 questions" in shown.err
    fast = ["--critic.steps", "3", "--encoder", "mini", "--ensemble-size", "2"]
    words = ["--critic", "bradley_terry", *fast, "--out", str(critic)]
    assert main(["fit", str(folder), *words]) == 0
    config = TrainConfig(
        env=EnvConfig("roborew/Press-v0", width=32, height=24),
        reward=RewardConfig(str(critic)),
        agent=AgentConfig("iql", {"hidden_dim": 16, "value_hidden_dim": 16, "batch_size": 16}),
        demos=folder,
        total_timesteps=6,
    )
    with start(config, tmp_path / "run") as run:
        assert train(run).ended == "finished"
        config = run.config(TrainConfig)
    # What it learned from is paid by the critic, good and bad episodes alike.
    paid = agent_episodes(config, Critic.from_pretrained(critic), needs_rewards=True)
    assert len(paid) == 6 and all(
        np.ptp(one.rewards) > 0 for one in paid if one.rewards is not None
    )
    # What the critics differ about most is other than what is drawn first.
    labeled = labels_of(folder)
    assert main(words_of(folder, url, "--critic", str(critic), "--seed", "1")) == 0
    assert len(labels_of(folder)) == len(labeled) + PAIRS


def test_a_budget_or_a_lost_server_changes_no_label(
    folder: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = Path(shutil.copytree(folder, tmp_path / "parts" / "press"))
    assert main(words_of(folder, url)) == 0
    scarce = words_of(parts, url, "--judge.max-questions", "6")
    codes = [main(scarce) for _ in range(3)]
    assert codes[0] != 0 and codes[-1] == 0
    assert labels_of(parts) == labels_of(folder)
    answers = read_answers(parts / "answers.jsonl")["oracle@served"]
    assert (parts / "answers.jsonl").read_bytes().count(b"\n") == len(answers) == 16
    lost = Path(shutil.copytree(folder, tmp_path / "lost" / "press"))
    lines = (folder / PREFERENCES).read_bytes().splitlines(keepends=True)
    (lost / PREFERENCES).write_bytes(b"".join(lines[:7]))
    (lost / "answers.jsonl").write_bytes(b"")
    capsys.readouterr()
    assert main(words_of(lost, "http://127.0.0.1:9/v1", options=",deadline=0.2")) != 0
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert labels_of(lost) == labels_of(folder)[:7]
    assert main(words_of(lost, url)) == 0
    assert sorted(map(str, labels_of(lost))) == sorted(map(str, labels_of(folder)))


def test_orders_are_of_one_sentence_and_label_what_pairs_would(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = ["--pairs-per-question", "1", "--pictures-per-question", "5"]
    assert main(words_of(folder, url, *orders)) == 0
    assert "40 pairs, in up to 8 questions with up to 40 pictures" in capsys.readouterr().out
    labels = labels_of(folder)
    figures = label_figures(folder)
    assert len(labels) == 4 * 10 and figures["right"] > 0.7 and figures["questions"] == 8
    assert main(words_of(folder, url, *orders)) == 0
    assert labels_of(folder) == labels


class Damaged(Oracle):
    """Answers with a list that is one label short."""

    def reply(self, content: Any) -> str:
        return super().reply(content).replace(" ", "", 1)


def test_damaged_replies_are_no_labels(folder: Path, tmp_path: Path) -> None:
    with serving(Damaged(tmp_path / "runs", sets=[folder])) as url:
        assert main(words_of(folder, url)) == 0
    labels = labels_of(folder)
    assert len(labels) == PAIRS and all(label.label is None for label in labels)


class Changing(Oracle):
    """Is exchanged for another model after some replies."""

    def reply(self, content: Any) -> str:
        self.replies = getattr(self, "replies", 0) + 1
        self.model = "oracle" if self.replies <= 9 else "prophet"
        return super().reply(content)


def test_another_model_at_the_address_stops_it(
    folder: Path, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path(shutil.copytree(folder, tmp_path / "whole" / "press"))
    assert main(words_of(whole, url)) == 0
    with serving(Changing(tmp_path / "runs", sets=[folder])) as changing:
        assert main(words_of(folder, changing, options=",concurrency=1")) != 0
    assert "its model changed: oracle, prophet" in capsys.readouterr().err
    assert not (folder / PREFERENCES).exists()
    assert main(words_of(folder, url)) == 0
    assert labels_of(folder) == labels_of(whole)


@pytest.mark.parametrize(
    ("further", "words"),
    [
        (["--frames", "8"], "a judge is shown pictures"),
        (["--keys", "keys.txt"], "leave out --judge"),
        (["--pairs-per-question", "65"], "at most 64"),
        (["--pictures-per-question", "4"], "leave one of them out"),
        (["--pairs-per-question", "1", "--pictures-per-question", "12"], "at least 66"),
        (["--cameras", "left"], "Available: front"),
        (["--critic", "{folder}"], "press"),
        (["--judge.max-question", "3"], "--judge.max-questions"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    further: list[str],
    words: str,
    folder: Path,
    url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(path.name for path in folder.iterdir())
    given = [word.format(folder=folder) for word in further]
    assert main(words_of(folder, url, *given)) != 0
    assert words in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_person_has_no_settings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(folder), "--judge.model", "oracle"]) != 0
    assert "name a judge" in capsys.readouterr().err
