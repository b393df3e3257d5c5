"""Laws of adversarial rewards from observations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from roborew.checks.synthetic import embedded_episode, embedded_episodes, query
from roborew.critics.networks.discriminator import (
    Discriminator,
    Transitions,
    excess_slope,
    preconditioning,
    slope_penalty,
)
from roborew.critics.objectives.gail import Gail, sample_transitions
from roborew.errors import InvalidInputError
from roborew.learning.examples import Example
from roborew.learning.packed_episodes import PackedEpisodes

FORMS = ("gaifo", "disentangled")


def fitted(examples: list[Example], steps: int = 60, **settings: object) -> Gail:
    objective = Gail(steps=steps, batch_size=32, **settings)  # pyright: ignore[reportArgumentType]
    objective.fit(examples, [], lambda what, value: None)
    return objective


def end(objective: Gail, example: Example) -> float:
    return float(objective.score_step([query(example)])[0][0].value[-3:].mean())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spectral", [False, True])
def test_steps_that_only_successes_make_are_worth_more(form: str, spectral: bool) -> None:
    objective = fitted(embedded_episodes(3), steps=100, algorithm=form, spectral_norm=spectral)
    assert end(objective, embedded_episode("success", 77)) > 1.2 * end(
        objective, embedded_episode("failure", 77)
    )


def test_what_an_agent_visits_is_worth_less_afterwards() -> None:
    examples, hack = embedded_episodes(3), embedded_episode("success", 9)
    visited = replace(
        hack, features=hack.features + np.float32(3) * np.eye(12, dtype=np.float32)[5], success=None
    )
    objective = fitted(examples, steps=100)
    before = end(objective, visited)
    objective.refit(examples, [visited], lambda what, value: None)
    assert end(objective, visited) < 0.8 * before


def test_what_airl_pays_depends_on_the_new_frame_alone_and_what_gail_pays_on_the_step() -> None:
    after, text = torch.randn(4, 6), torch.randn(4, 3)
    for airl in (False, True):
        network = Discriminator(6, 3, 16, airl, spectral_norm=False, gamma=0.9)
        one, other = (network.reward(torch.randn(4, 6), after, text) for _ in range(2))
        assert torch.equal(one, other) == airl


def test_airls_shaping_cancels_around_a_loop_without_discount() -> None:
    """Potentials telescope: what a closed loop adds to the rewards is nothing."""
    network = Discriminator(6, 3, 16, airl=True, spectral_norm=False, gamma=1.0)
    frames, text = torch.randn(5, 6), torch.randn(1, 3).expand(5, 3)
    after = frames.roll(-1, dims=0)
    torch.testing.assert_close(
        network(frames, after, text).sum(), network.reward(frames, after, text).sum()
    )


def test_the_penalty_only_counts_slopes_above_one() -> None:
    network = Discriminator(6, 3, 16, airl=False, spectral_norm=False, gamma=1.0)
    expert, other = (
        Transitions(torch.randn(8, 6), torch.randn(8, 6), torch.randn(8, 3)) for _ in range(2)
    )
    rng = np.random.default_rng(0)
    weight = next(network.judge.parameters()).data
    weight.mul_(0.01)
    assert slope_penalty(network, expert, other, rng).item() == 0
    weight.mul_(10_000)
    assert slope_penalty(network, expert, other, rng).item() > 1


def test_under_the_spectral_norm_no_slope_is_above_that_of_its_activations() -> None:
    network = fitted(embedded_episodes(2), spectral_norm=True).network
    one, other, text = torch.randn(50, 24), torch.randn(50, 24), torch.zeros(50, 8)
    with torch.no_grad():
        values = [network(*each.split(12, dim=1), text) for each in (one, other)]
    assert float(((values[0] - values[1]).abs() / (one - other).norm(dim=1)).max()) < 1.13 * 1.05


def test_preconditioning_never_raises_a_reward_nor_lowers_it_beyond_the_least() -> None:
    for spread in (1.0, 4.0):
        factors = preconditioning(excess_slope(torch.tensor([0.0, 9.0, 9.5, 100.0])), spread, 0.7)
        assert factors.tolist() == pytest.approx([1, 1, float(np.exp(-0.25 / spread)), 0.7])
    plain, wary = (
        fitted(embedded_episodes(2), steps=20, min_reward_scale=least) for least in (1.0, 0.7)
    )
    one, other = (
        each.score_step([query(embedded_episode("undo", 1))])[0][0].value for each in (plain, wary)
    )
    assert (other <= one + 1e-6).all() and (other >= 0.7 * one - 1e-6).all()


def test_the_slope_of_a_step_is_the_norm_of_its_jacobian_also_where_entries_cancel() -> None:
    network = Discriminator(5, 3, 16, airl=False, spectral_norm=False, gamma=1.0)
    before, text = torch.randn(4, 5), torch.randn(4, 3)

    def step(frame: torch.Tensor, sentence: torch.Tensor) -> torch.Tensor:
        return network.step(torch.cat([frame, sentence])[None])[0]

    norms = [
        torch.func.jacrev(step)(frame, sentence).norm()
        for frame, sentence in zip(before, text, strict=True)
    ]
    torch.testing.assert_close(network.step_slope(before, text), torch.stack(norms).detach())
    with torch.no_grad():
        network.step[2].weight[1:] = (
            -network.step[2].weight[:-1].sum(0) / 4
        )  # the entries' sum says little
        assert (network.step_slope(before, text) > 0.1).all()


def test_the_excess_is_measured_in_what_was_learned_from_and_kept() -> None:
    network = Discriminator(5, 3, 16, airl=False, spectral_norm=False, gamma=1.0)
    frames, text = torch.randn(50, 5), torch.randn(50, 3)
    network.fit_slope_scale(frames, text)
    assert float(network.steepness) == 1, "no step was steep"
    network.step[0].weight.data.mul_(40)
    network.fit_slope_scale(frames, text)
    torch.testing.assert_close(
        network.steepness, excess_slope(network.step_slope(frames, text)).std(correction=0)
    )
    assert "steepness" in network.state_dict()


def test_a_step_never_crosses_into_another_episode() -> None:
    examples = embedded_episodes(2)
    marked = [
        replace(e, features=np.full_like(e.features, number)) for number, e in enumerate(examples)
    ]
    rng = np.random.default_rng(0)
    steps = sample_transitions(PackedEpisodes(marked), [0, 3, 4], rng, 300)
    assert torch.equal(steps.before, steps.after)
    assert set(steps.before[:, 0].tolist()) == {0, 3, 4}


@pytest.mark.parametrize("success", [True, False])
def test_both_sides_are_needed(success: bool) -> None:
    with pytest.raises(InvalidInputError, match="to tell them from"):
        fitted([example for example in embedded_episodes(1) if example.success is success])


@pytest.mark.parametrize(
    "setting",
    [
        {"algorithm": "gan"},
        {"gradient_penalty": -1},
        {"min_reward_scale": 0},
        {"gamma": 2},
        {"batch_size": 0},
    ],
)
def test_settings_that_mean_nothing_are_refused(setting: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        Gail(**setting)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("before", "now"), [("gail", "gaifo"), ("airl", "disentangled")])
def test_names_of_earlier_releases_are_read_and_mean_the_same(before: str, now: str) -> None:
    examples = embedded_episodes(2)
    asked = [query(examples[0])]
    earlier, present = (
        fitted(examples, steps=3, algorithm=name).score_step(asked)[0][0].value
        for name in (before, now)
    )
    np.testing.assert_array_equal(earlier, present)
