"""Run a policy once from each seed of a fixed list and keep, side by side, what was true and what a
model said.

Success and progress are the simulator's own; a score never decides whether an episode counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.evaluation.episodes import Episode, Evaluation
from roborew.evaluation.monitor import RewardMonitor
from roborew.evaluation.running_episode import RunningEpisode
from roborew.short_repr import fields_repr
from roborew.types import BoolArray, Video, frame_renderer

Policy = Callable[[NDArray[Any]], NDArray[Any]]
"""Observations, shape (N, D), to actions, shape (N, A)."""
Env = VectorEnv[Any, Any, Any]


@runtime_checkable
class EpisodicPolicy(Protocol):
    """A `Policy` that remembers something of the running episodes."""

    def begin(self, begun: BoolArray) -> None:
        """Forget the episodes before, where ``begun``, shape (N,); called after every reset."""
        ...


def begin_episodes(policy: Policy, begun: BoolArray) -> None:
    """Tell a policy, if it remembers anything, which episodes begin."""
    if isinstance(policy, EpisodicPolicy):
        policy.begin(begun)


MAX_STEPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """An episode and its pictures, shape (length + 1, H, W, 3), uint8 RGB, one for each state."""

    __repr__ = fields_repr

    episode: Episode
    frames: Video


def evaluate(
    env: str | Env,
    policy: Policy,
    seeds: Sequence[int],
    *,
    monitor: RewardMonitor | None = None,
    num_envs: int = 64,
    env_options: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Evaluate a policy over one episode per seed.

    Args:
        env: a registered id, made here and closed again, or a vector environment with autoreset
            DISABLED. Its infos hold the truth as far as the environment has it, ``progress`` in
            [0, 1] and ``success``; a first state without them counts as not done. Behind a learned
            reward (infos hold ``true_reward``, ``score``, ``score_valid``,
            ``terminated_by_success_detector``) its scores and predicted successes are kept as well.
        policy: see `Policy`; called for all slots at once, so a row of its actions must depend on
            that row alone.
        seeds: each is run exactly once, in any slot.
        monitor: a model to score the episodes of an environment that pays its own, true reward.
        num_envs: slots, when ``env`` is an id; never more than there are seeds.
        env_options: further arguments of `gymnasium.make_vec`, when ``env`` is an id.

    Raises:
        InvalidInputError: no seeds or a seed twice, another autoreset mode, no end.
        InvalidScoreError: the model returned other than one score per frame.
    """
    num_envs = min(num_envs, len(seeds))
    render_every = None if monitor is None else monitor.score_every
    finished = _finished_episodes(env, policy, seeds, monitor, num_envs, env_options, render_every)
    # Episodes of one batch end in any order: the seeds' order makes evaluations comparable.
    episodes = sorted(
        (episode.finish() for episode in finished), key=lambda episode: seeds.index(episode.seed)
    )
    return Evaluation(episodes=tuple(episodes))


def record(
    env: str | Env,
    policy: Policy,
    seeds: Sequence[int],
    *,
    monitor: RewardMonitor | None = None,
    env_options: Mapping[str, Any] | None = None,
) -> list[Recording]:
    """As `evaluate`, and keep a picture of every state: for a few seeds, as all pictures stay in
    memory."""
    recordings: list[Recording] = []
    for running in _finished_episodes(
        env, policy, seeds, monitor, len(seeds), env_options, render_every=1
    ):
        episode = running.finish()
        frames = np.stack([running.frames[step] for step in range(episode.length + 1)])
        recordings.append(Recording(episode=episode, frames=frames))
    return sorted(recordings, key=lambda recording: seeds.index(recording.episode.seed))


def _finished_episodes(
    env: str | Env,
    policy: Policy,
    seeds: Sequence[int],
    monitor: RewardMonitor | None,
    num_envs: int,
    env_options: Mapping[str, Any] | None,
    render_every: int | None,
) -> Iterator[RunningEpisode]:
    """Finished episodes, scored; an environment that is made here is closed."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise InvalidInputError(
            f"seeds: expected at least one, all different; got {list(seeds)[:20]}."
        )
    vector_env = _make(env, num_envs, env_options) if isinstance(env, str) else env
    try:
        _check_autoreset(vector_env)
        for episodes in _run(vector_env, policy, seeds, render_every):
            if monitor is not None:
                monitor.score(episodes)
            yield from episodes
    finally:
        if vector_env is not env:
            vector_env.close()


def _make(env_id: str, num_envs: int, options: Mapping[str, Any] | None) -> Env:
    settings: dict[str, Any] = {
        "vectorization_mode": "vector_entry_point",
        "render_mode": "rgb_array",
        **(options or {}),
    }
    return gymnasium.make_vec(
        env_id, num_envs=num_envs, autoreset_mode=AutoresetMode.DISABLED, **settings
    )


def _check_autoreset(env: Env) -> None:
    # Any other mode puts the first state of the next episode where the last one of this should be.
    mode = env.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.DISABLED:
        raise InvalidInputError(
            f"evaluate: expected autoreset_mode=AutoresetMode.DISABLED, so that the last state is "
            f"evaluated and not the next episode's first; got {mode}."
        )


class _Slots:
    """The slots of a vector environment; each runs one episode, then that of the next seed."""

    def __init__(self, env: Env, seeds: Sequence[int], render_every: int | None) -> None:
        self._env = env
        self._waiting = deque(seeds)
        self._render_every = render_every
        self._episodes: list[RunningEpisode | None] = [None] * env.num_envs

    @property
    def running(self) -> list[tuple[int, RunningEpisode]]:
        """Slot and episode where there is one; a slot without a seed left idles along."""
        return [(slot, run) for slot, run in enumerate(self._episodes) if run is not None]

    def refill(self, ended: BoolArray) -> NDArray[Any]:
        """Reset the ended slots, each with the seed that it runs next; return observations."""
        for slot in np.flatnonzero(ended):
            self._episodes[slot] = (
                RunningEpisode(self._waiting.popleft()) if self._waiting else None
            )
        begun = [(slot, run) for slot, run in self.running if ended[slot]]
        seeds = [0] * self._env.num_envs
        for slot, run in begun:
            seeds[slot] = run.seed
        # Gymnasium types the seed as one int, its own vector environments take a list.
        reset = cast(Any, self._env).reset
        observations, infos = reset(seed=seeds, options={"reset_mask": ended})
        for slot, run in begun:
            run.add_state(slot, infos)
        if self._render_every is not None:
            _render(self._env, begun)
        return observations

    def add_step(self, rewards: NDArray[Any], ended: BoolArray, infos: Mapping[str, Any]) -> None:
        """Add one step to every running episode, with its picture where that is due."""
        running = self.running
        for slot, run in running:
            run.add_state(slot, infos)
            run.add_rewards(slot, rewards, infos)
        every = self._render_every
        if every is not None:
            due = [(slot, run) for slot, run in running if ended[slot] or run.length % every == 0]
            _render(self._env, due)


def _run(
    env: Env, policy: Policy, seeds: Sequence[int], render_every: int | None
) -> Iterator[list[RunningEpisode]]:
    """Step all slots together and give the episodes that ended, batch by batch."""
    slots = _Slots(env, seeds, render_every)
    everywhere = np.ones(env.num_envs, np.bool_)
    observations = slots.refill(everywhere)
    begin_episodes(policy, everywhere)
    while running := slots.running:
        observations, rewards, terminated, truncated, infos = env.step(policy(observations))
        ended: BoolArray = np.asarray(terminated | truncated, dtype=np.bool_)
        slots.add_step(rewards, ended, infos)
        if max(run.length for _, run in running) > MAX_STEPS:
            raise InvalidInputError(
                f"evaluate: an episode passed {MAX_STEPS} steps; expected a time limit."
            )
        if ended.any():
            yield [run for slot, run in running if ended[slot]]
            observations = slots.refill(ended)
            begin_episodes(policy, ended)


def _render(env: Env, episodes: list[tuple[int, RunningEpisode]]) -> None:
    """Keep a picture of these slots' current states."""
    if not episodes:
        return
    slots = [slot for slot, _ in episodes]
    frames = frame_renderer(env)(np.array(slots))
    for (_, episode), frame in zip(episodes, frames, strict=True):
        # A copy, as environments may draw the next picture into the same memory.
        episode.frames[episode.length] = np.array(frame)
