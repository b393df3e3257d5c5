"""The loss of proximal policy optimisation (arXiv:1707.06347, equation 9) and its gradients, by hand
like those of its network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from roborew.agents.network import PolicyValueNetwork
from roborew.agents.ppo_config import PPOConfig
from roborew.agents.rollout_buffer import Samples

LOSS_PARTS: tuple[str, ...] = ("policy_loss", "value_loss", "approx_kl", "clip_fraction")


@dataclass(frozen=True, slots=True)
class SampleLosses:
    """What the loss of samples is made of; each of shape (B,).

    Attributes:
        log_ratio: the logarithm of ``r = pi(a | s) / pi_old(a | s)``.
        ratio: ``r``.
        objective: ``min(r A, clip(r, 1 - epsilon, 1 + epsilon) A)`` (equation 7).
        errors: ``V(s) - R``.
    """

    log_ratio: Tensor
    ratio: Tensor
    objective: Tensor
    errors: Tensor

    def approx_kl(self) -> Tensor:
        """How far the policy has moved [nats], k3 of http://joschu.net/blog/kl-approx.html: unbiased
        and never negative."""
        return (self.ratio - 1 - self.log_ratio).mean()

    @staticmethod
    def mean_parts(batches: Sequence[SampleLosses], clip_range: float) -> dict[str, float]:
        """Return the mean of each of `LOSS_PARTS` over all samples, NaN of none."""
        if not batches:
            return dict.fromkeys(LOSS_PARTS, float("nan"))
        columns = ([getattr(batch, name) for batch in batches] for name in SampleLosses.__slots__)
        samples = SampleLosses(*map(torch.cat, columns))
        is_clipped = (samples.ratio - 1).abs() > clip_range
        parts = (
            -samples.objective.mean(),
            samples.errors.square().mean(),
            samples.approx_kl(),
            is_clipped.float().mean(),
        )
        return dict(zip(LOSS_PARTS, map(float, parts), strict=True))


def write_gradients(network: PolicyValueNetwork, batch: Samples, config: PPOConfig) -> SampleLosses:
    """Add the gradients of ``L = -E[objective] + vf_coef * E[errors^2] - ent_coef * S`` to the
    network's, which must be zero; ``S`` is the policy's entropy."""
    count = len(batch)
    inputs = network.inputs(batch.observations)
    with torch.no_grad():
        mean, values, trace = network.trace(inputs)
        # A difference of logarithms: a quotient of tiny densities would under- or overflow.
        log_ratio = network.log_prob(mean, batch.actions) - batch.log_prob
        ratio = log_ratio.exp()
        unclipped = ratio * batch.advantages
        clipped = ratio.clamp(1 - config.clip_range, 1 + config.clip_range) * batch.advantages
        errors = values - batch.returns
        # Where the clipped objective is the lesser one, it is constant.
        of_log_prob = (batch.advantages * (-1 / count)).mul_(ratio)
        of_log_prob.masked_fill_(clipped < unclipped, 0.0)
        of_mean = network.policy_backward(mean, batch.actions, of_log_prob, -config.ent_coef)
        network.backward(trace, of_mean, errors * (2 * config.vf_coef / count))
    return SampleLosses(log_ratio, ratio, torch.minimum(unclipped, clipped), errors)
