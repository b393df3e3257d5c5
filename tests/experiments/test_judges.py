"""The judge that knows the truth is as wrong as it says, whichever way it is asked."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from experiments.benchmarks.asking import asked, labeled, server
from experiments.judges import teach
from experiments.judges.oracle import Oracle, picture_key, serving
from roborew.cli import COMMANDS
from roborew.cli.parse import parse_command
from roborew.cli.train import Train
from roborew.data.preferences import Preference, set_preferences
from roborew.judges.parsing import Abstention
from roborew.judges.server import ServerJudge
from roborew.rewards.rankings import read_ranking
from roborew.storage.run import RunDirectory
from roborew.workflows.preference.teach import JudgeTeacher
from roborew.workflows.train.loop import start, train

TINY = shlex.split(
    """--env roborew/Press-v0 --env.width 48 --env.height 36 --env.horizon 8 --num-envs 8
    --total-timesteps 512 --score-every 30 --evaluation.episodes 1 --reward preference
    --reward.num-labels 40 --reward.num-rounds 2 --reward.episodes 3 --reward.pairs-per-question 5
    --reward.steps 3 --reward.ensemble-size 2 --reward.encoder mini"""
)
PICTURES = [f"{number:064x}" for number in range(60)]


class Knowing(Oracle):
    """Knows the progress of pictures that are numbers."""

    def progress(self, key: str) -> float:
        return int(key[16:], 16) / 60


def digits(oracle: Oracle, swapped: bool) -> list[str]:
    said: list[str] = []
    for first in PICTURES:
        for second in PICTURES:
            if first < second:
                pair = (second, first) if swapped else (first, second)
                said.append(oracle.digit(*pair))
    return said


def test_a_tenth_is_wrong_a_tenth_silent_and_the_order_changes_nothing() -> None:
    oracle = Knowing(Path(), wrong=0.1, silent=0.1)
    as_given, other = digits(oracle, False), digits(oracle, True)
    share = {digit: as_given.count(digit) / len(as_given) for digit in "12x"}
    assert abs(share["x"] - 0.1) < 0.03 and abs(share["1"] - 0.1) < 0.03
    opposite = {"1": "2", "2": "1", "x": "x", "0": "0"}
    assert other == [opposite[digit] for digit in as_given]


def test_of_orders_a_tenth_of_the_pairs_is_wrong_and_a_tenth_silent() -> None:
    pictures = [f"{number * 7919:016x}{number:048x}" for number in range(600)]
    oracle = Knowing(Path(), wrong=0.1, silent=0.1)
    rng = np.random.default_rng(2)
    right, wrong, silent = 0, 0, 0
    for _ in range(400):
        numbers = rng.choice(600, 8, replace=False)
        places = read_ranking(oracle.order([pictures[int(number)] for number in numbers]), 8)
        assert not isinstance(places, Abstention)
        gaps = np.subtract.outer(places, places)[np.triu_indices(8, 1)]
        truth = np.subtract.outer(numbers, numbers)[np.triu_indices(8, 1)]
        silent += int(np.isnan(gaps).sum())
        wrong += int((gaps * truth > 0).sum())
        right += int((gaps * truth < 0).sum())
    pairs = 400 * 28
    assert abs(silent / pairs - 0.1) < 0.03 and abs(wrong / pairs - 0.1) < 0.04
    assert right / pairs > 0.7


def test_a_judge_without_faults_is_right(tmp_path: Path) -> None:
    assert set(digits(Knowing(tmp_path, wrong=0, silent=0), False)) == {"2"}


def test_what_is_called_right_is_the_side_that_is_further() -> None:
    truth = {("a", 0): 0.1, ("a", 1): 0.5, ("a", 2): 0.505}

    def label(first: int, second: int, value: float) -> Preference:
        return Preference(first=("a", first), second=("a", second), label=value, by="judge")

    assert teach.is_right(label(0, 1, 1.0), truth) and teach.is_right(label(1, 0, 0.0), truth)
    assert not teach.is_right(label(0, 1, 0.0), truth)
    assert not teach.is_right(label(1, 2, 1.0), truth)  # they are alike


def test_a_persons_keys_teach_what_the_judge_teaches_that_says_the_same(tmp_path: Path) -> None:
    """To the last bit, since nothing else differs."""
    oracle = Oracle(tmp_path)
    with serving(oracle) as url:
        words = teach.JUDGES["judge"].format(url=url).split()
        command = parse_command(COMMANDS, ["train", *TINY, *words])
        assert isinstance(command, Train)
        with start(command.config, tmp_path / "judge") as run:
            train(run, refit=JudgeTeacher())
    teach.train(tmp_path / "keys", [*TINY, *teach.JUDGES["keys"].split()], oracle)
    agents = [RunDirectory.open(tmp_path / name).load_checkpoint() for name in ("judge", "keys")]
    assert agents[0] is not None and agents[1] is not None
    for name, array in agents[0].arrays.items():
        np.testing.assert_array_equal(array, agents[1].arrays[name], err_msg=name)
    by_judge, by_keys = (
        set_preferences(tmp_path / name / "preferences") for name in ("judge", "keys")
    )
    assert [one.label for one in by_judge] == [one.label for one in by_keys]
    assert {one.by for one in by_keys} == {"person"} and len(by_keys) == 40


def test_pixels_decide_what_a_picture_is() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    assert picture_key(picture) == picture_key(picture[:, ::-1])
    assert picture_key(picture) != picture_key(picture + np.uint8(1))


def test_the_server_of_the_benchmark_answers_questions_and_lists() -> None:
    with server() as url:
        judge = ServerJudge(model="fast", base_url=url, top_logprobs=0, concurrency=4)
        assert asked(judge, 6)() == 6 and labeled(judge, 6, 4)() == 6
