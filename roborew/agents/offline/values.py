"""Values of states and of chunks of actions, learned from what was done alone (implicit Q-learning,
Kostrikov et al. 2021, arXiv:2110.06169).

An action value is one of a whole chunk, whose rewards are added up before a state's value is asked
(Q-chunking, Li et al. 2025, arXiv:2507.07969): what is cloned is chunks.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from roborew.agents.offline.transitions import Transitions
from roborew.agents.sac.networks import QEnsemble
from roborew.agents.torch_state import (
    Arrays,
    from_optimizer,
    from_tensors,
    join_parts,
    load_optimizer,
    load_weights,
    to_tensors,
)
from roborew.learning.optim import seeded_weights
from roborew.storage.checkpoints import select_prefix

LOSS_PARTS = ("value_loss", "q_loss", "value", "advantage")


def expectile_loss(errors: Tensor, expectile: float) -> Tensor:
    """``mean(|expectile - 1(u < 0)| u^2)``: at 0.5 half the mean square, so that its best constant is
    the mean; towards 1 the largest of what is possible counts more and more."""
    weights = torch.where(errors < 0, 1 - expectile, expectile)
    return (weights * errors.square()).mean()


class ChunkValues:
    """An ensemble of values of chunks, and the expectile of them in each state.

    Args:
        sizes: D and K * A.
        hidden_dim: units of each of the two hidden layers.
        num_critics: members of the ensemble; the least of them counts.
        learning_rate: step size of Adam.
        tau: share of the way that the target network goes after each gradient step.
        expectile: see `expectile_loss`.
        batch_size: samples of one gradient step.
        seed: of the weights and of the order of samples.

    Attributes:
        steps: gradient steps so far.
    """

    def __init__(
        self,
        sizes: tuple[int, int],
        *,
        hidden_dim: int,
        num_critics: int,
        learning_rate: float,
        tau: float,
        expectile: float,
        batch_size: int,
        seed: int,
    ) -> None:
        with seeded_weights(seed):
            self._critics = QEnsemble(*sizes, hidden_dim, num_critics)
            # A state's value is that of an action of no numbers.
            self._value = QEnsemble(sizes[0], 0, hidden_dim, 1)
        self._targets = deepcopy(self._critics).requires_grad_(False)
        parameters = [*self._critics.parameters(), *self._value.parameters()]
        self._optimizer: Any = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
        self._generator = torch.Generator().manual_seed(seed)
        self._tau = tau
        self._expectile = expectile
        self._batch_size = batch_size
        self.steps = 0

    def update(self, data: Transitions) -> Tensor:
        """Make one gradient step; return `LOSS_PARTS`."""
        rows = torch.randint(len(data.returns), (self._batch_size,), generator=self._generator)
        observations, chunks = data.observations[rows], data.chunks[rows]
        with torch.no_grad():
            following = self._values(data.following[rows])
            target = data.returns[rows] + data.discounts[rows] * following
            best = self._targets(observations, chunks).amin(dim=0)
        values = self._values(observations)
        value_loss = expectile_loss(best - values, self._expectile)
        errors = self._critics(observations, chunks) - target
        q_loss = errors.square().mean(dim=1).sum()
        self._optimizer.zero_grad()
        (value_loss + q_loss).backward()
        self._optimizer.step()
        with torch.no_grad():
            pairs = zip(self._targets.parameters(), self._critics.parameters(), strict=True)
            for slow, fast in pairs:
                slow.lerp_(fast, self._tau)
        self.steps += 1
        parts = (value_loss, q_loss, values.mean(), (best - values).mean())
        return torch.stack([part.detach() for part in parts])

    def advantages(self, data: Transitions) -> NDArray[Any]:
        """What each chunk is worth beyond its state, shape (N,)."""
        with torch.no_grad():
            best = self._targets(data.observations, data.chunks).amin(dim=0)
            values = self._values(data.observations)
            return (best - values).numpy()

    def state_dict(self) -> Arrays:
        """Return weights, moments of the optimizer, and generator."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            name: from_tensors(network.state_dict()) for name, network in self._networks().items()
        }
        parts["optimizer"] = from_optimizer(self._optimizer)
        parts["generator"] = from_tensors({"state": self._generator.get_state()})
        return join_parts(parts)

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], steps: int) -> None:
        """Take over what `state_dict` returned after so many steps.

        Raises:
            InvalidInputError: weights of another shape.
        """
        for name, network in self._networks().items():
            load_weights(network, to_tensors(select_prefix(arrays, f"{name}/")), "IQL")
        load_optimizer(self._optimizer, select_prefix(arrays, "optimizer/"))
        self._generator.set_state(to_tensors(select_prefix(arrays, "generator/"))["state"])
        self.steps = steps

    def _networks(self) -> dict[str, QEnsemble]:
        return {"critics": self._critics, "targets": self._targets, "value": self._value}

    def _values(self, observations: Tensor) -> Tensor:
        return self._value(observations, observations[:, :0])[0]
