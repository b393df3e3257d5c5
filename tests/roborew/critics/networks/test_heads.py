"""Laws of bins and of losses of which some entries do not count."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from roborew.critics.networks.heads import (
    bin_centers,
    cross_entropy,
    expectation,
    masked_mean,
    mlp_head,
    standard_deviation,
    two_hot,
)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=9), st.integers(2, 25))
def test_a_value_spread_over_two_bins_is_given_back(values: list[float], bins: int) -> None:
    target = torch.tensor(values)
    spread = two_hot(target, bins)
    torch.testing.assert_close(spread.sum(-1), torch.ones(len(values)), atol=1e-5, rtol=0)
    assert ((spread > 0).sum(-1) <= 2).all()
    torch.testing.assert_close(spread @ bin_centers(bins), target, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 1), st.integers(2, 12))
def test_the_best_logits_for_a_value_decode_to_it(value: float, bins: int) -> None:
    logits = two_hot(torch.tensor([value]), bins).clamp(min=1e-9).log()
    torch.testing.assert_close(expectation(logits), torch.tensor([value]), atol=1e-3, rtol=0)


def test_decoded_values_never_leave_the_unit_interval() -> None:
    logits = 50 * torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    assert (expectation(logits) >= 0).all() and (expectation(logits) <= 1).all()
    assert (standard_deviation(logits) >= 0).all() and (
        standard_deviation(logits) <= 0.5 + 1e-6
    ).all()


def test_the_masked_mean_is_the_plain_mean_of_what_counts_whatever_the_mask() -> None:
    losses = torch.rand(4, 7, generator=torch.Generator().manual_seed(0))
    mask = losses > 0.4
    torch.testing.assert_close(masked_mean(losses, mask), losses[mask].mean())
    torch.testing.assert_close(masked_mean(losses, torch.ones_like(mask)), losses.mean())
    assert masked_mean(losses, torch.zeros_like(mask)) == 0


def test_padding_more_that_does_not_count_changes_neither_the_loss_nor_its_gradient() -> None:
    def gradient(padding: int) -> torch.Tensor:
        weight = torch.tensor(2.0, requires_grad=True)
        losses = torch.cat([weight * torch.arange(1.0, 4.0), weight * torch.full((padding,), 1e6)])
        masked_mean(losses, torch.arange(3 + padding) < 3).backward()
        assert weight.grad is not None
        return weight.grad

    torch.testing.assert_close(gradient(0), gradient(97))


def test_cross_entropy_is_least_at_the_target() -> None:
    target = two_hot(torch.tensor([0.3]), 5)
    best = cross_entropy(target.clamp(min=1e-9).log(), target)
    others = cross_entropy(torch.randn(50, 5, generator=torch.Generator().manual_seed(0)), target)
    assert (others > best).all()


def test_every_weight_of_a_head_learns() -> None:
    network = mlp_head(12, 3)
    network(torch.randn(5, 12)).square().sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.abs().sum() > 0, name
