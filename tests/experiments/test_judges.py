"""The judge that knows the truth is as wrong as it says, whichever way it is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.benchmarks.asking import asked, labeled, server
from experiments.judges import teach
from experiments.judges.oracle import Oracle, picture_key
from roborew.data.preferences import Preference
from roborew.judges.server import ServerJudge

PICTURES = [f"{number:064x}" for number in range(60)]


class Knowing(Oracle):
    """Knows the progress of pictures that are numbers."""

    def progress(self, key: str) -> float:
        return int(key, 16) / 60


def digits(oracle: Oracle, swapped: bool) -> list[str]:
    said: list[str] = []
    for first in PICTURES:
        for second in PICTURES:
            if first < second:
                pair = (second, first) if swapped else (first, second)
                said.append(oracle._digit(*pair))
    return said


def test_a_tenth_is_wrong_a_tenth_silent_and_the_order_changes_nothing() -> None:
    oracle = Knowing(Path(), wrong=0.1, silent=0.1)
    as_given, other = digits(oracle, False), digits(oracle, True)
    share = {digit: as_given.count(digit) / len(as_given) for digit in "12x"}
    assert abs(share["x"] - 0.1) < 0.03 and abs(share["1"] - 0.1) < 0.03
    opposite = {"1": "2", "2": "1", "x": "x", "0": "0"}
    assert other == [opposite[digit] for digit in as_given]


def test_a_judge_without_faults_is_right(tmp_path: Path) -> None:
    assert set(digits(Knowing(tmp_path, wrong=0, silent=0), False)) == {"2"}


def test_what_is_called_right_is_the_side_that_is_further() -> None:
    truth = {("a", 0): 0.1, ("a", 1): 0.5, ("a", 2): 0.505}

    def label(first: int, second: int, value: float) -> Preference:
        return Preference(first=("a", first), second=("a", second), label=value, by="judge")

    assert teach.is_right(label(0, 1, 1.0), truth) and teach.is_right(label(1, 0, 0.0), truth)
    assert not teach.is_right(label(0, 1, 0.0), truth)
    assert not teach.is_right(label(1, 2, 1.0), truth)  # they are alike


def test_pixels_decide_what_a_picture_is() -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    assert picture_key(picture) == picture_key(picture[:, ::-1])
    assert picture_key(picture) != picture_key(picture + np.uint8(1))


def test_the_server_of_the_benchmark_answers_questions_and_lists() -> None:
    with server() as url:
        judge = ServerJudge(model="fast", base_url=url, top_logprobs=0, concurrency=4)
        assert asked(judge, 6)() == 6 and labeled(judge, 6, 4)() == 6
