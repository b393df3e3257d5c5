"""Laws of embeddings that are learned from time: vip, liv, tcc."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from roborew.checks.synthetic import OPEN, PUSH, embedded_episode, embedded_episodes, query
from roborew.critics.objectives.liv import Liv, info_nce
from roborew.critics.objectives.tcc import CycleLoss, Tcc, cycle_consistency_loss
from roborew.critics.objectives.vip import Vip, pairwise_distances
from roborew.critics.time_contrast import sample_time_triplets, time_contrastive_loss
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.packed_episodes import PackedEpisodes

KINDS = (Vip, Liv, Tcc)


def silent(what: str, value: float) -> None:
    del what, value


@pytest.mark.parametrize("kind", KINDS)
def test_without_one_label_the_score_rises_with_a_success_and_falls_with_what_is_undone(
    kind: type,
) -> None:
    objective = kind(steps=120)
    objective.fit(embedded_episodes(labeled=False), [], silent)
    for name in ("success", "undo"):
        example = embedded_episode(name, 77)
        assert example.progress is not None
        value = objective.score_step([query(example)])[0][0].value
        assert np.corrcoef(value, example.progress)[0, 1] > 0.7


@pytest.mark.parametrize("kind", [Vip, Tcc])
def test_the_score_of_a_given_goal_picture_itself_is_0(kind: type) -> None:
    objective = kind(steps=5)
    objective.fit(embedded_episodes(2), [], silent)
    example = embedded_episode("success", 3)
    asked = query(example, goal_image=example.features[4])
    assert objective.score_step([asked])[0][0].value[4] == 0


@pytest.mark.parametrize("kind", [Vip, Tcc])
def test_first_frames_are_about_one_unit_from_their_goal(kind: type) -> None:
    objective = kind(steps=5)
    examples = embedded_episodes(3)
    objective.fit(examples, [], silent)
    good = [query(example) for example in examples if example.success]
    assert np.mean([scores.value[0] for scores in objective.score_step(good)[0]]) == pytest.approx(
        -1, abs=1e-4
    )


@pytest.mark.parametrize("kind", KINDS)
def test_failures_are_not_learned_from_and_alone_they_are_refused(kind: type) -> None:
    examples, other = embedded_episodes(2), kind(steps=3)
    good = [example for example in examples if example.success]
    objective = kind(steps=3)
    objective.fit(examples, [], silent)
    other.fit(good, [], silent)
    for one, two in zip(
        objective.score_step([query(good[0])])[0],
        other.score_step([query(good[0])])[0],
        strict=True,
    ):
        np.testing.assert_array_equal(one.value, two.value)
    with pytest.raises(InvalidInputError, match="at least one success"):
        objective.fit([example for example in examples if not example.success], [], silent)


def test_the_goal_is_that_of_the_sentence_that_is_asked() -> None:
    objective = Vip(steps=100)
    objective.fit(embedded_episodes(3, instructions=(PUSH, OPEN)), [], silent)
    push = embedded_episode("success", 77)
    wrong = replace(
        query(push),
        text_embedding=query(embedded_episode("success", 1, instruction=OPEN)).text_embedding,
    )
    right, other = (objective.score_step([each])[0][0].value[-1] for each in (query(push), wrong))
    assert right > other + 0.3


def test_moments_lie_in_order_in_one_demonstration() -> None:
    stack = PackedEpisodes(embedded_episodes(2))
    for to_end in (False, True):
        drawn = sample_time_triplets(np.random.default_rng(0), stack, 500, to_end)
        first, last = (
            stack.starts[drawn.episode],
            stack.starts[drawn.episode] + stack.lengths[drawn.episode] - 1,
        )
        assert (
            (first <= drawn.start) & (drawn.start <= drawn.now) & (drawn.now <= drawn.after)
        ).all()
        assert (
            (drawn.after <= drawn.goal) & (drawn.goal <= last) & (drawn.start < drawn.goal)
        ).all()
        np.testing.assert_array_equal(drawn.after == drawn.now, drawn.now == drawn.goal)
    np.testing.assert_array_equal(drawn.goal, last)


def test_true_discounted_values_have_no_surplus() -> None:
    """Of V(s) = -(1 - d^n) / (1 - d), n frames before the goal, one step costs 1 and leaves V(s'):
    surplus 0."""
    discount, frames = 0.9, torch.arange(6, 0, -1).float()
    now, after = (-(1 - discount**n) / (1 - discount) for n in (frames, frames - 1))
    values = [torch.zeros(6, 6), now.diag(), after.diag()]
    arrived = torch.zeros(6, dtype=torch.bool)
    loss = time_contrastive_loss(values, arrived, discount, 0, np.random.default_rng(0))
    assert float(loss) == pytest.approx(0, abs=1e-4)


def test_equal_vectors_have_a_finite_gradient() -> None:
    vectors = torch.zeros(2, 3, requires_grad=True)
    pairwise_distances(vectors, vectors).sum().backward()
    assert vectors.grad is not None and vectors.grad.isfinite().all()


def test_a_cycle_through_an_equal_episode_costs_nothing_and_through_a_constant_one_much() -> None:
    frames, times = 30 * torch.eye(5)[None], torch.linspace(0, 1, 5)[None]
    assert float(cycle_consistency_loss(frames, frames, times, 0.1)) < 1e-6
    assert float(cycle_consistency_loss(frames, torch.zeros(1, 5, 5), times, 0.1)) > 0.1


@pytest.mark.parametrize("loss", ["regression", "variance", "classification"])
def test_every_way_back_is_shorter_through_an_equal_episode_and_is_learned(loss: CycleLoss) -> None:
    frames, times = 3 * torch.eye(5)[None], torch.linspace(0, 1, 5)[None]
    there = torch.zeros(1, 5, 5, requires_grad=True)
    costs = [
        cycle_consistency_loss(frames, other, times, 0.1, loss)
        for other in (frames, frames.flip(1), there.detach())
    ]
    assert float(costs[0]) == pytest.approx(float(costs[1]), abs=1e-5), (
        "the order of the other episode is not read"
    )
    assert float(costs[0]) < float(costs[2])
    cycle_consistency_loss(frames, there + 0.1 * frames, times, 0.1, loss).backward()
    assert there.grad is not None and there.grad.abs().sum() > 0


def test_the_ways_back_are_the_papers_formulas() -> None:
    first, second = torch.randn(2, 2, 4, 3, generator=torch.Generator().manual_seed(0)).double()
    times = torch.rand(2, 4, generator=torch.Generator().manual_seed(1)).double()
    found: dict[str, list[float]] = {"regression": [], "variance": [], "classification": []}
    for u, v, t in zip(first, second, times, strict=True):
        for i in range(4):
            near = torch.softmax(-((u[i] - v) ** 2).sum(1) / 0.3, 0) @ v
            back = torch.softmax(-((near - u) ** 2).sum(1) / 0.3, 0)
            mean = float(back @ t)
            spread = float(back @ (t - mean) ** 2) + 1e-4
            found["regression"].append((mean - float(t[i])) ** 2)
            found["variance"].append(
                (mean - float(t[i])) ** 2 / spread + 0.001 * np.log(np.sqrt(spread))
            )
            found["classification"].append(-float(back[i].log()))
    for loss, each in found.items():
        assert float(cycle_consistency_loss(first, second, times, 0.1, loss)) == pytest.approx(
            np.mean(each), rel=1e-6
        )  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("loss", ["variance", "classification"])
def test_the_other_ways_back_align_demonstrations_too(loss: CycleLoss) -> None:
    objective = Tcc(steps=120, loss=loss)
    objective.fit(embedded_episodes(labeled=False), [], silent)
    example = embedded_episode("undo", 77)
    assert example.progress is not None
    assert (
        np.corrcoef(objective.score_step([query(example)])[0][0].value, example.progress)[0, 1]
        > 0.7
    )


def test_frames_of_the_same_sentence_are_no_negatives() -> None:
    near, start = torch.randn(4, 3), torch.zeros(4, 3)
    text = torch.randn(1, 3).expand(4, 3)
    alone = info_nce(near[:1], start[:1], text[:1], np.zeros(1, np.int64))
    together = info_nce(near[:1].expand(4, 3), start[:1].expand(4, 3), text, np.zeros(4, np.int64))
    assert float(together) >= float(alone) - 1e-6
    np.testing.assert_allclose(
        float(info_nce(near, start, text, np.zeros(4, np.int64))),
        float(
            torch.stack(
                [
                    torch.logaddexp(torch.zeros(()), np.log(4) - n @ t)
                    for n, t in zip(near, text, strict=True)
                ]
            ).mean()
        ),
        rtol=1e-5,
    )


def test_saved_goals_that_do_not_fit_are_refused() -> None:
    objective = Vip(steps=2)
    objective.fit(embedded_episodes(2), [], silent)
    arrays = dict(objective.state_dict())
    for broken in (
        {"goal/unit": np.zeros(0, np.float32)},
        {"goal/vector": np.zeros((1, 3), np.float32)},
    ):
        with pytest.raises(CorruptFileError):
            Vip(steps=2).load_state_dict(arrays | broken)
    with pytest.raises(CorruptFileError):
        Vip(steps=2).load_state_dict(
            {key: array for key, array in arrays.items() if key != "goal/text"}
        )


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (Vip, {"gamma": 1.0}),
        (Vip, {"embedding_dim": 0}),
        (Liv, {"batch_size": 1}),
        (Tcc, {"temperature": 0}),
        (Tcc, {"num_frames": 1}),
    ],
)
def test_settings_that_mean_nothing_are_refused(kind: type, setting: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError):
        kind(**setting)
