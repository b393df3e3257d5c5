"""Behavior cloning with action chunks (Zhao et al. 2023, arXiv:2304.13705): supervised learning of
what a demonstrator does next, no environment and no reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from gymnasium import Space
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray
from torch import Tensor, nn

from roborew.agents.demonstrations import DemonstrationEpisode, check_demonstrations
from roborew.agents.env_checks import (
    ActionScale,
    require_disabled_autoreset,
)
from roborew.agents.offline.chunk_policy import ChunkPolicy
from roborew.agents.offline.weights import MIN_GAIN, normalize_weights, progress_weights
from roborew.agents.pixels.encoder import PixelFeatures
from roborew.agents.pixels.layout import Observations, observation_layout
from roborew.agents.rollout_report import Callback, EpisodeStatistics
from roborew.agents.torch_state import (
    Arrays,
    from_optimizer,
    from_tensors,
    join_parts,
    load_optimizer,
    load_weights,
    require_same_settings,
    to_tensors,
)
from roborew.errors import InvalidInputError
from roborew.learning.optim import seeded_weights
from roborew.short_repr import agent_repr
from roborew.stopwatch import Stopwatch
from roborew.storage.checkpoints import select_prefix

MIN_STD = 0.01
"""Least standard deviation that an observation is divided by: what hardly moves in demonstrations
must not become the loudest input once the agent leaves them."""

Weighting = Literal["none", "progress"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BCConfig:
    """Settings of `BC`."""

    chunk_size: int = 4
    """Actions that are predicted at once, the next one first."""
    ensemble_decay: float = 0.01
    """Temporal ensembling: the prediction made k steps ago weighs exp(k times this); 0 is the
    mean."""
    hidden_dim: int = 256
    """Units of each of the two hidden layers."""
    batch_size: int = 256
    """Samples of one gradient step."""
    learning_rate: float = 1e-3
    """Step size of Adam at the start; it falls to 0 along a line, anew for each set of
    demonstrations."""
    report_every: int = 500
    """Gradient steps between two reports."""
    weighting: Weighting = "none"
    """What a sample counts: the same each, or by the progress that the reward sees over the chunk
    (RA-BC, arXiv:2509.25358), which also takes demonstrations that fail."""
    min_gain: float = MIN_GAIN
    """With progress weighting: gain in score over a chunk above which a sample counts in full; at a
    loss it counts nothing."""

    def __post_init__(self) -> None:
        for name in ("chunk_size", "hidden_dim", "batch_size", "report_every"):
            if getattr(self, name) < 1:
                raise InvalidInputError(
                    f"BCConfig.{name}: expected a whole number of at least 1; got "
                    f"{getattr(self, name)}."
                )
        if not self.learning_rate > 0:
            raise InvalidInputError(
                f"BCConfig.learning_rate: expected a positive number; got {self.learning_rate}."
            )
        if not self.min_gain >= 0:
            raise InvalidInputError(
                f"BCConfig.min_gain: expected a number from 0 up; got {self.min_gain}."
            )
        if self.weighting not in get_args(Weighting):
            raise InvalidInputError(
                f"BCConfig.weighting: expected one of {', '.join(get_args(Weighting))}; got "
                f"{self.weighting!r}."
            )


class BC:
    """A clone of the demonstrator; it needs `use_demonstrations` before it learns.

    The loss is the mean squared error of the next ``chunk_size`` actions. `act` returns the first of
    them; `policy` averages all predictions of the present step, which is what is evaluated.

    Args:
        observation_space: of one environment, a Box of shape (D,), or a Dict with pictures, see
            `roborew.agents.pixels.layout`; pictures are shifted at random while it learns.
        action_space: of one environment, a bounded Box of shape (A,).
        config: see `BCConfig`.
        seed: of the weights and of the order of samples.

    Attributes:
        steps: gradient steps so far; no step of an environment is made.
        encoder: what reads pictures; None where there are none.
    """

    __repr__ = agent_repr

    offline: ClassVar[bool] = True
    """It learns without the environment; steps are gradient steps."""
    train_timesteps: ClassVar[int] = 5_000
    """Gradient steps if a run does not say."""
    pixels_options: ClassVar[Mapping[str, int]] = MappingProxyType({"batch_size": 64})
    """Settings of a run from pictures that does not name them."""

    def __init__(
        self,
        observation_space: Space[Any],
        action_space: Space[Any],
        config: BCConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config or BCConfig()
        self.seed = seed
        self.steps = 0
        self._spaces = (observation_space, action_space)
        self._scale = ActionScale(action_space)
        self._layout = observation_layout(observation_space)
        inputs = self._layout.vector_size
        self.encoder: PixelFeatures | None = None
        with seeded_weights(seed):
            self._network = self._new_network()
        self._optimizer: Any = torch.optim.Adam(
            self._network.parameters(), lr=self.config.learning_rate, fused=True
        )
        self._generator = torch.Generator().manual_seed(seed)
        self._mean = np.zeros(inputs, dtype=np.float32)
        self._std = np.ones(inputs, dtype=np.float32)
        self._samples: tuple[Tensor, Tensor, Tensor] | None = None
        self._vectors = np.zeros((0, inputs), dtype=np.float32)
        # What each sample counts; None where all count the same.
        self._weights: Tensor | None = None
        # Gradient steps that were made before the present demonstrations.
        self._first_step = 0

    @property
    def needs_rewards(self) -> bool:
        """Whether the demonstrations must have been scored."""
        return self.config.weighting == "progress"

    @property
    def takes_failures(self) -> bool:
        """Whether demonstrations that fail are of use."""
        return self.needs_rewards

    def use_demonstrations(self, episodes: Sequence[DemonstrationEpisode]) -> None:
        """Take over the demonstrations.

        Raises:
            InvalidInputError: they do not fit the spaces, or were not scored and are to be weighed.
        """
        check_demonstrations(episodes, *self._spaces)
        rows = [self._layout.rows(episode.observations)[:-1] for episode in episodes]
        observations = np.concatenate(rows)
        self._vectors = self._layout.vector(observations)
        chunks = [self._chunks(episode.actions) for episode in episodes]
        targets = np.concatenate([actions for actions, _ in chunks])
        masks = np.concatenate([mask for _, mask in chunks])
        self._samples = (
            torch.as_tensor(observations),
            torch.as_tensor(targets),
            torch.as_tensor(masks),
        )
        self._count_samples(None)
        self._first_step = self.steps
        if self.config.weighting == "progress":
            self.weigh(self._progress_weights(episodes))

    def weigh(self, weights: NDArray[np.floating]) -> None:
        """Let each sample count by its weight, shape (samples,), at least 0, for the normalization of
        observations, too: what is left out must not decide what is a large number.

        Raises:
            InvalidInputError: all are 0, negative, NaN or infinite; or no demonstrations were given.
        """
        self.samples()  # that there are any
        counts = normalize_weights(weights)
        is_even = bool((counts == counts[0]).all())
        self._count_samples(None if is_even else counts)

    def samples(self) -> tuple[Tensor, Tensor]:
        """Return normalized observations, N rows, and what was done from each on, shape
        (N, chunk_size, A), in [-1, 1]; beyond the end of an episode its last action again.

        Raises:
            InvalidInputError: no demonstrations were given.
        """
        if self._samples is None:
            raise InvalidInputError(
                "bc: there is nothing to clone; name a set of demonstrations with --demos, or call "
                "use_demonstrations first."
            )
        return self._samples[:2]

    def normalize(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows of the layout of observations, vectors of numbers alone where no pictures are
        seen, with those numbers normalized."""
        return self._layout.with_vector(rows, self._normalized(self._layout.vector(rows)))

    def _normalized(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        return ((vectors - self._mean) / self._std).astype(np.float32)

    def _count_samples(self, weights: NDArray[np.float32] | None) -> None:
        """Let each sample count by its weight, shape (samples,), or all the same, and normalize them so."""
        assert self._samples is not None
        mean = np.average(self._vectors, axis=0, weights=weights)
        variance = np.average(np.square(self._vectors - mean), axis=0, weights=weights)
        self._mean = mean.astype(np.float32)
        self._std = np.maximum(np.sqrt(variance), MIN_STD).astype(np.float32)
        self._weights = None if weights is None else torch.as_tensor(weights)
        observations, targets, masks = self._samples
        rows = self._layout.with_vector(observations.numpy(), self._normalized(self._vectors))
        self._samples = (torch.as_tensor(rows), targets, masks)

    def act(self, observations: Observations, deterministic: bool = True) -> NDArray[np.float32]:
        """Return the first action of each predicted chunk, shape (n, A), for observations of n
        environments; a clone draws nothing, so ``deterministic`` changes nothing."""
        first = self._predict(observations)[:, 0]
        return self._scale.to_environment(torch.as_tensor(first))

    def policy(self, num_envs: int) -> ChunkPolicy:
        """Return a policy that remembers the chunks of ``num_envs`` running episodes."""
        return ChunkPolicy(self._predict, self._scale, num_envs, self.config.ensemble_decay)

    def learn(
        self, env: VectorEnv[Any, Any, Any], total_steps: int, callback: Callback | None = None
    ) -> None:
        """Make gradient steps until `steps` reaches ``total_steps`` or ``callback`` returns False.

        Args:
            env: is not stepped.
            total_steps: gradient steps since the agent was made.
            callback: called every ``report_every`` gradient steps.

        Raises:
            InvalidInputError: no demonstrations were given, or another autoreset mode.
        """
        require_disabled_autoreset(env)
        self.samples()  # that there are any
        nothing_played = EpisodeStatistics(0)
        while self.steps < total_steps:
            watch = Stopwatch()
            count = min(self.config.report_every, total_steps - self.steps)
            with watch.time("updating"):
                losses = [self._update(total_steps) for _ in range(count)]
            mean_loss = float(torch.stack(losses).mean())
            report = nothing_played.report(self.steps, watch.seconds, {"bc_loss": mean_loss})
            if callback is not None and callback(report) is False:
                return

    def state_dict(self) -> tuple[Arrays, dict[str, Any]]:
        """Return weights, optimizer moments, normalization and generator, and a JSON-able
        dictionary."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "network": from_tensors(self._network.state_dict()),
            "optimizer": from_optimizer(self._optimizer),
            "observations": {"mean": self._mean.copy(), "std": self._std.copy()},
            "generator": from_tensors({"state": self._generator.get_state()}),
        }
        return join_parts(parts), {
            "agent": "bc",
            "steps": self.steps,
            "first_step": self._first_step,
            "seed": self.seed,
            "config": asdict(self.config),
        }

    def load_state_dict(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, of an agent with the same spaces and configuration.

        Raises:
            InvalidInputError: another configuration, or weights of another shape.
        """
        require_same_settings(meta, self.config, "BC")
        load_weights(self._network, to_tensors(select_prefix(arrays, "network/")), "BC")
        load_optimizer(self._optimizer, select_prefix(arrays, "optimizer/"))
        self._generator.set_state(to_tensors(arrays)["generator/state"])
        self._mean = arrays["observations/mean"].copy()
        self._std = arrays["observations/std"].copy()
        self.steps = int(meta["steps"])
        # The release before knew no second set.
        self._first_step = int(meta.get("first_step", 0))
        self.seed = int(meta["seed"])

    def _new_network(self) -> nn.Module:
        outputs = self.config.chunk_size * self._scale.size
        if self._layout.stack is None:
            return _mlp(self._layout.vector_size, self.config.hidden_dim, outputs)
        self.encoder = PixelFeatures(self._layout, torch.Generator().manual_seed(self.seed))
        head = _mlp(self.encoder.size, self.config.hidden_dim, outputs)
        return nn.Sequential(self.encoder, head)

    def _predict(self, observations: Observations) -> NDArray[np.float32]:
        """Chunks, shape (n, chunk_size, A), in [-1, 1]."""
        rows = self.normalize(self._layout.rows(observations))
        with torch.no_grad():
            chunks = self._network(torch.as_tensor(rows))
        return chunks.view(len(rows), self.config.chunk_size, -1).numpy()

    def _chunks(
        self, actions: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Targets (T, chunk_size, A) in [-1, 1], and 1 where an action is of the episode, 0 beyond
        its end, (T, chunk_size, 1)."""
        offsets = np.arange(self.config.chunk_size)
        steps = np.arange(len(actions))[:, None] + offsets
        inside = steps < len(actions)
        targets = self._scale.from_environment(actions)[np.minimum(steps, len(actions) - 1)]
        return targets, inside[..., None].astype(np.float32)

    def _progress_weights(self, episodes: Sequence[DemonstrationEpisode]) -> NDArray[np.float32]:
        scores = [episode.scores for episode in episodes if episode.scores is not None]
        if len(scores) < len(episodes):
            raise InvalidInputError(
                "bc: demonstrations are weighed by what a reward says of their frames, and these were "
                "not scored."
            )
        weights = progress_weights(scores, self.config.chunk_size, self.config.min_gain)
        # After the last frame nothing was done.
        return np.concatenate([part[:-1] for part in weights])

    def _update(self, total_steps: int) -> Tensor:
        assert self._samples is not None
        observations, targets, masks = self._samples
        rows = self._draw_rows(len(observations))
        inputs = self._layout.shifted(observations[rows], self._generator)
        predicted = self._network(inputs).view(targets[rows].shape)
        errors = (predicted - targets[rows]).square() * masks[rows]
        loss = errors.mean()
        done = self.steps - self._first_step
        remaining = 1 - done / (total_steps - self._first_step)
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.learning_rate * remaining
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.steps += 1
        return loss.detach()

    def _draw_rows(self, count: int) -> Tensor:
        """Numbers of samples, each drawn as often as it counts.

        In place of a weight in the loss, which is the same on average: where most samples count
        nothing, most of a batch would be spent on them.
        """
        size = self.config.batch_size
        if self._weights is None:
            return torch.randint(count, (size,), generator=self._generator)
        return torch.multinomial(self._weights, size, replacement=True, generator=self._generator)


def usual_config(observation_space: Space[Any], **chosen: Any) -> BCConfig:
    """Return the settings of a clone inside something else: the defaults for such observations, but
    for what was ``chosen``."""
    sees_pictures = observation_layout(observation_space).stack is not None
    usual: Mapping[str, int] = BC.pixels_options if sees_pictures else {}
    return replace(BCConfig(), **{**usual, **chosen})


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )
