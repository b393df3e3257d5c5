"""`preference`: answers, ties and noise, and scores that explain them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.checks.synthetic import OPEN, PUSH, embedded_episode, embedded_episodes, query
from roborew.critics.dataset.preferences import (
    PackedComparisons,
    ScriptedTeacher,
    SegmentComparison,
)
from roborew.critics.networks.heads import (
    expectation,
    log_prob_equal,
    log_prob_greater,
    standard_deviation,
)
from roborew.critics.networks.reward_network import RewardNetwork, kl_divergence
from roborew.critics.objectives.bradley_terry import BradleyTerry
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.evaluation import spearman

SMALL = {"steps": 100, "batch_size": 96, "hidden_dim": 32, "num_queries": 600}


def order(critic: BradleyTerry, kind: str) -> float:
    example = embedded_episode(kind, 77)
    value = spearman(critic.score_step([query(example)])[0][0].value, example.progress).value
    assert value is not None
    return value


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"head": "ordinal"},
        {"segment_length": 4},
        {"label_noise": 0.2},
        {"head": "ordinal", "segment_length": 3, "tie_margin": 0.2},
    ],
)
def test_scores_explain_the_teachers_answers_and_fall_when_the_task_is_undone(
    settings: dict[str, object],
) -> None:
    critic = BradleyTerry(**SMALL, **settings)
    critic.fit(embedded_episodes(4), [], lambda what, value: None)
    assert min(order(critic, "success"), order(critic, "undo")) > 0.8


def test_answers_that_are_given_count_and_not_the_labels() -> None:
    examples = embedded_episodes(3)
    answers = ScriptedTeacher().sample_comparisons(np.random.default_rng(0), examples, 600)
    contrary = [
        SegmentComparison(first=a.first, second=a.second, label=1 - a.label) for a in answers
    ]
    critic = BradleyTerry(**SMALL)
    critic.learn(examples, contrary, lambda what, value: None)
    assert order(critic, "success") < -0.8


def test_the_teacher_prefers_more_progress_sees_no_difference_in_ties_and_errs_as_often_as_told() -> (
    None
):
    examples = embedded_episodes(3, instructions=(PUSH, OPEN))
    shares: dict[float, float] = {}
    for noise in (0.0, 0.2):
        answers = ScriptedTeacher(tie_margin=0.1, label_noise=noise).sample_comparisons(
            np.random.default_rng(0), examples, 2000
        )
        right = []
        for answer in answers:
            (a, i), (b, j) = answer.first, answer.second
            assert examples[a].instruction == examples[b].instruction
            gap = float(examples[b].progress[j]) - float(examples[a].progress[i])
            assert (answer.label == 0.5) == (abs(gap) < 0.1)
            right += [answer.label == (gap > 0)] if answer.label != 0.5 else []
        shares[noise] = float(np.mean(right))
    assert shares[0.0] == 1 and 0.76 < shares[0.2] < 0.84


def test_a_teacher_without_anything_better_says_so() -> None:
    still = [embedded_episode("failure", 0, labeled=False)]
    with pytest.raises(InvalidInputError, match="nothing .* is better"):
        BradleyTerry(**SMALL).fit(still, [], lambda what, value: None)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.sampled_from([1, 5]))
def test_turning_all_answers_round_with_their_pieces_changes_no_loss(
    seed: int, outputs: int
) -> None:
    network = RewardNetwork(4, 2, 8, outputs)
    generator = torch.Generator().manual_seed(seed)
    told, label = (
        torch.randn(6, 2, 3, outputs, generator=generator),
        torch.rand(6, generator=generator),
    )
    torch.testing.assert_close(
        network.loss(told, label, 0.1), network.loss(told.flip(1), 1 - label, 0.1)
    )


def test_the_least_loss_of_noisy_answers_is_not_where_they_are_explained_away() -> None:
    network = RewardNetwork(4, 2, 8, 1)
    rewards = torch.linspace(0, 12, 200)
    told = torch.zeros(200, 2, 1, 1)
    told[:, 1, 0, 0] = rewards
    losses = [
        torch.stack([network.loss(row[None], torch.tensor([0.9]), noise) for row in told])
        for noise in (0.0, 0.1)
    ]
    best = [float(rewards[each.argmin()]) for each in losses]
    assert best[0] < best[1], (
        "an answer of 9 in 10 is certain once a tenth of them are known to be turned round"
    )


def test_extreme_rewards_give_finite_losses_and_gradients() -> None:
    for outputs in (1, 7):
        told = (
            1e4 * torch.randn(8, 2, 2, outputs, generator=torch.Generator().manual_seed(0))
        ).requires_grad_()
        loss = RewardNetwork(4, 2, 8, outputs).loss(told, torch.ones(8), 0.0)
        loss.backward()
        assert loss.isfinite() and told.grad is not None and told.grad.isfinite().all()


def test_one_of_two_is_above_the_other_or_they_tie() -> None:
    first, second = torch.randn(2, 9, 5, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    cases = torch.stack(
        [
            log_prob_greater(first, second),
            log_prob_greater(second, first),
            log_prob_equal(first, second),
        ]
    )
    torch.testing.assert_close(cases.exp().sum(0), torch.ones(9))


def descended(told: torch.Tensor, label: float, steps: int = 300) -> torch.Tensor:
    """Logits (1, 2, 1, bins) after steps down the loss of one answer."""
    network, free = RewardNetwork(4, 2, 8, told.shape[-1]), told.clone().requires_grad_()
    optimiser = torch.optim.SGD([free], lr=0.5)
    for _ in range(steps):
        optimiser.zero_grad()
        network.loss(free, torch.tensor([label]), 0.0).backward()
        optimiser.step()
    return free.detach()[0, :, 0]


def test_pieces_that_tie_come_to_the_same_grade_and_stay_sure_of_it() -> None:
    told = torch.randn(1, 2, 1, 9, generator=torch.Generator().manual_seed(0))
    one, other = expectation(descended(told, 0.5))
    assert abs(float(one - other)) < 0.03 < abs(float(expectation(told[0, :, 0]).diff()))
    sure = torch.zeros(1, 2, 1, 9)
    sure[..., 4] = 6
    after = descended(sure, 0.5)
    assert (standard_deviation(after) <= standard_deviation(sure[0, :, 0]) + 1e-4).all()
    torch.testing.assert_close(expectation(after), torch.full((2,), 0.5), atol=1e-3, rtol=0)


@pytest.mark.parametrize("outputs", [1, 9])
def test_an_answer_is_learned_from_also_where_the_contrary_is_certain(outputs: int) -> None:
    told = torch.zeros(1, 2, 1, outputs)
    told[0, 0, 0, -1], told[0, 1, 0, 0] = 60, 60 if outputs > 1 else -60
    told.requires_grad_()
    RewardNetwork(4, 2, 8, outputs).loss(told, torch.ones(1), 0.0).backward()
    assert (
        told.grad is not None
        and float(told.grad[0, 0, 0, -1]) > 0.1
        and float(told.grad[0, 1, 0].abs().max()) > 0.1
    )


def test_taking_off_risk_never_raises_a_score() -> None:
    plain = BradleyTerry(**{**SMALL, "steps": 20}, head="ordinal")
    plain.fit(embedded_episodes(2), [], lambda what, value: None)
    careful = BradleyTerry(**SMALL, head="ordinal", risk_coef=1.0)
    careful.load_state_dict(plain.state_dict())
    asked = query(embedded_episode("undo", 3))
    values = [critic.score_step([asked])[0][0].value for critic in (plain, careful)]
    assert (values[1] < values[0]).all() and (values[1] >= 0).all()


def test_pieces_end_with_their_episode_and_what_there_is_not_is_refused() -> None:
    examples = embedded_episodes(1)
    length = len(examples[0].features)
    answers = PackedComparisons.pack(
        [SegmentComparison(first=(0, length - 1), second=(1, 0), label=1)], examples, 3
    )
    np.testing.assert_array_equal(
        answers.segments[0], [[length - 1] * 3, [length, length + 1, length + 2]]
    )
    for wrong in (
        [],
        [SegmentComparison(first=(0, length), second=(1, 0), label=1)],
        [SegmentComparison(first=(9, 0), second=(0, 0), label=1)],
    ):
        with pytest.raises(InvalidInputError, match="expected at least one"):
            PackedComparisons.pack(wrong, examples, 2)
    with pytest.raises(InvalidInputError, match=r"label in \[0, 1\]"):
        SegmentComparison(first=(0, 0), second=(0, 1), label=2)


def test_settings_that_make_no_sense_are_refused() -> None:
    for setting in (
        {"label_noise": 0.5},
        {"segment_length": 0},
        {"num_bins": 1},
        {"risk_coef": -1.0},
    ):
        with pytest.raises(InvalidInputError, match="expected"):
            BradleyTerry(**setting)


def test_two_users_of_opposite_taste_get_opposite_scores() -> None:
    examples = embedded_episodes(3)
    asked = ScriptedTeacher().sample_comparisons(np.random.default_rng(0), examples, 800)
    turned = [replace(answer, label=1 - answer.label, user=1) for answer in asked]
    shared = BradleyTerry(**{**SMALL, "steps": 250}, latent_dim=2)
    shared.learn(examples, asked[:400] + turned[400:], lambda what, value: None)
    other = BradleyTerry(**SMALL, latent_dim=2, user=1)
    other.load_state_dict(shared.state_dict())
    assert order(shared, "success") > 0.7
    assert order(other, "success") < -0.7
    nobody = BradleyTerry(**SMALL, latent_dim=2, user=2)
    nobody.load_state_dict(shared.state_dict())
    with pytest.raises(InvalidInputError, match="no user 2; 2 have answered"):
        order(nobody, "success")
    with pytest.raises(CorruptFileError, match="known_users"):
        BradleyTerry(**SMALL, latent_dim=3).load_state_dict(shared.state_dict())


def test_the_divergence_is_least_where_nothing_is_known() -> None:
    mean, spread = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(0))
    assert all(kl_divergence(m, s) > 0 for m, s in zip(mean, spread, strict=True))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(
        normal(mean[0], (spread[0] / 2).exp()), normal(0.0, 1.0)
    ).sum()
    torch.testing.assert_close(kl_divergence(mean[0], spread[0]), expected)


def test_pieces_that_are_called_alike_come_to_lie_together() -> None:
    examples = embedded_episodes(3)
    losses = []
    triples = ScriptedTeacher(segment_length=2).sample_triplets(
        np.random.default_rng(9), examples, 200
    )
    frames = torch.as_tensor(np.concatenate([example.features for example in examples]))[triples]
    text = torch.as_tensor(examples[0].text_embedding.copy()).expand(*frames.shape[:-1], -1)
    for similar in (0, 400):
        critic = BradleyTerry(**SMALL, segment_length=2, num_similarity_queries=similar)
        critic.fit(examples, [], lambda what, value: None)
        losses.append(float(critic.network.triplet_loss(frames, text).detach()))
        assert order(critic, "undo") > 0.8
    assert losses[1] < losses[0]


def test_of_three_pieces_the_second_is_more_like_the_first_than_the_third_is() -> None:
    examples = embedded_episodes(3)
    progress = np.concatenate(
        [example.progress for example in examples if example.progress is not None]
    )
    first, second, third = progress[
        ScriptedTeacher().sample_triplets(np.random.default_rng(0), examples, 300)[..., 0]
    ].T
    assert (np.abs(first - second) < np.abs(first - third)).all()
