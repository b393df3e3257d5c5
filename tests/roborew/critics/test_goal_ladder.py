"""`goal_ladder`: the frame that is rated highest is the goal, some wrong answers notwithstanding."""

from __future__ import annotations

import numpy as np
import pytest

from roborew.checks.synthetic import embedded_episode, embedded_episodes, query
from roborew.critics.dataset.preferences import ScriptedTeacher, SegmentComparison
from roborew.critics.goal_ladder import GoalLadder
from roborew.errors import InvalidInputError
from roborew.evaluation import spearman
from roborew.learning.elo import elo_ratings

SMALL = {"steps": 150, "batch_size": 64, "embedding_dim": 8}


def test_ratings_are_one_sum_and_forget_a_wrong_answer() -> None:
    rng = np.random.default_rng(4)
    answers: list[tuple[int, int, float]] = []
    for _ in range(4000):
        first, second = (int(number) for number in rng.choice(8, 2, replace=False))
        right = rng.random() < 0.85
        answers.append((first, second, float((second > first) == right)))
    ratings = elo_ratings(answers)
    assert sum(ratings.values()) == pytest.approx(8 * 1000)
    assert sorted(ratings, key=lambda number: ratings[number])[-1] == 7
    assert elo_ratings([("a", "b", 0.5)]) == {"a": 1000.0, "b": 1000.0}


def test_scores_rise_towards_the_frame_that_won() -> None:
    examples = embedded_episodes(4)
    teacher = ScriptedTeacher(tie_margin=0.02, label_noise=0.1)
    answers = teacher.sample_comparisons(np.random.default_rng(0), examples, 3000)
    critic = GoalLadder(**SMALL)
    critic.learn(examples, answers, lambda what, value: None)
    example = embedded_episode("success", 77)
    scores = critic.score_step([query(example)])[0][0].value
    assert example.progress is not None
    order = spearman(scores, example.progress).value
    assert order is not None and order > 0.7
    assert scores.min() >= 0 and scores.max() <= 1


def test_the_best_frame_itself_scores_one() -> None:
    examples = embedded_episodes(2)
    answers = [
        SegmentComparison(first=(row, 0), second=(1, 5), label=1.0) for row in range(len(examples))
    ]
    critic = GoalLadder(**SMALL)
    critic.learn(examples, answers, lambda what, value: None)
    scores = critic.score_step([query(examples[1])])[0][0].value
    assert scores[5] == pytest.approx(1, abs=1e-5) and int(scores.argmax()) == 5


def test_no_answer_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        GoalLadder(**SMALL).learn(embedded_episodes(2), [], lambda what, value: None)
