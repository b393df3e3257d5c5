"""Run a policy once from each seed of a fixed list and keep, side by side, what was true and what a
model said.

Success and progress are the simulator's own; a score never decides whether an episode counts.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.evaluation.episodes import Episode, Evaluation
from roborew.types import BoolArray, Clip, Frame, RewardModel, Video, check_instruction

Policy = Callable[[NDArray[Any]], NDArray[Any]]
"""Observations, shape (N, D), to actions, shape (N, A)."""
Env = VectorEnv[Any, Any, Any]
MAX_STEPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardMonitor:
    """A reward model that watches the episodes and is itself judged; it never changes what the
    policy does.

    Each episode is scored once, as one clip of its scored frames: the first, every ``every``-th and
        the last.
    """

    model: RewardModel
    instruction: str
    goal_image: Frame | None = None
    score_every: int = 4
    """Steps from one scored frame to the next."""
    success_threshold: float = 0.9
    """Success probability from which on the model claims success."""
    terminate_on_success: bool = False
    """Count an episode as ended by its first claim."""

    def __post_init__(self) -> None:
        check_instruction(self.instruction)
        if self.score_every < 1 or not 0 < self.success_threshold <= 1:
            raise InvalidInputError(
                f"watch: expected every >= 1 and threshold in (0, 1]; got {self.score_every} and "
                f"{self.success_threshold}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """An episode and its pictures, shape (length + 1, H, W, 3), uint8 RGB, one for each state."""

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
    """Judge a policy over one episode per seed.

    Args:
        env: a registered id, made here and closed again, or a vector environment with autoreset
            DISABLED. Its infos hold the truth as far as the environment tells it, ``progress`` in
            [0, 1] and ``success``; a first state that it does not judge counts as not done. Behind
            a learned reward (infos hold ``true_reward``, ``score``, ``score_valid``, ``claimed``)
            its scores and claims are kept as well.
        policy: see `Policy`; asked for all slots at once, so a row of its answer must depend on
            that row alone.
        seeds: each is run exactly once, in any slot.
        watch: a model to score the episodes of an environment that pays its own, true reward.
        num_envs: slots, when ``env`` is an id; never more than there are seeds.
        env_options: further arguments of `gymnasium.make_vec`, when ``env`` is an id.

    Raises:
        InvalidInputError: no seeds or a seed twice, another autoreset mode, no end.
        InvalidScoreError: the model returned other than one score per frame.
    """
    episodes: list[Episode] = []
    for trace in _finished_episodes(
        env,
        policy,
        seeds,
        monitor,
        min(num_envs, len(seeds)),
        env_options,
        monitor and monitor.score_every,
    ):
        episodes.append(trace.episode())
    return Evaluation(
        episodes=tuple(sorted(episodes, key=lambda episode: seeds.index(episode.seed)))
    )


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
    for trace in _finished_episodes(
        env, policy, seeds, monitor, len(seeds), env_options, draw_every=1
    ):
        episode = trace.episode()
        frames = np.stack([trace.frames[step] for step in range(episode.length + 1)])
        recordings.append(Recording(episode=episode, frames=frames))
    return sorted(recordings, key=lambda recording: seeds.index(recording.episode.seed))


@dataclass(slots=True)
class _RunningEpisode:
    """One episode while it runs; entry t of progress and success belongs to the state after t
    steps."""

    seed: int
    success_known: bool = False
    """Whether the environment told of success at all."""
    progress: list[float] = field(default_factory=list[float])
    success: list[bool] = field(default_factory=list[bool])
    true_rewards: list[float] = field(default_factory=list[float])
    learned_rewards: list[float] = field(default_factory=list[float])
    scores: dict[int, tuple[float | None, bool]] = field(
        default_factory=dict[int, "tuple[float | None, bool]"]
    )
    """Step to score (None for an abstention) and claim."""
    frames: dict[int, Frame] = field(default_factory=dict[int, Frame])

    @property
    def length(self) -> int:
        return len(self.progress) - 1

    def add_state(self, slot: int, infos: Mapping[str, Any]) -> None:
        self.success_known |= "success" in infos
        self.progress.append(float(infos["progress"][slot]) if "progress" in infos else math.nan)
        self.success.append("success" in infos and bool(infos["success"][slot]))
        if "score" in infos and infos["score_valid"][slot]:
            self.scores[self.length] = (
                float(infos["score"][slot]),
                bool(infos["terminated_by_success_detector"][slot]),
            )

    def add_rewards(self, slot: int, rewards: NDArray[Any], infos: Mapping[str, Any]) -> None:
        learned = "true_reward" in infos
        self.true_rewards.append(float(infos["true_reward"][slot] if learned else rewards[slot]))
        if learned:
            self.learned_rewards.append(float(rewards[slot]))

    def truncate(self, length: int) -> None:
        """Forget what came after ``length`` steps."""
        del self.progress[length + 1 :], self.success[length + 1 :], self.true_rewards[length:]
        self.scores = {step: score for step, score in self.scores.items() if step <= length}

    def episode(self) -> Episode:
        steps = sorted(self.scores)
        values = [self.scores[step][0] for step in steps]
        valid = [value for value in values if value is not None]
        gain = valid[-1] - valid[0] if valid else None
        return Episode(
            seed=self.seed,
            true_return=sum(self.true_rewards),
            learned_return=sum(self.learned_rewards) if self.learned_rewards else gain,
            progress=tuple(self.progress),
            success=tuple(self.success) if self.success_known else None,
            score_steps=tuple(steps),
            scores=tuple(values),
            predicted_success=tuple(self.scores[step][1] for step in steps),
        )


def _finished_episodes(
    env: str | Env,
    policy: Policy,
    seeds: Sequence[int],
    monitor: RewardMonitor | None,
    num_envs: int,
    env_options: Mapping[str, Any] | None,
    draw_every: int | None,
) -> Iterator[_RunningEpisode]:
    """Finished episodes, scored; whatever was made here is closed."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise InvalidInputError(
            f"seeds: expected at least one, all different; got {list(seeds)[:20]}."
        )
    made = _make(env, num_envs, env_options) if isinstance(env, str) else env
    try:
        mode = made.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.DISABLED:
            raise InvalidInputError(
                f"evaluate: expected autoreset_mode=AutoresetMode.DISABLED, so that the last "
                f"state is judged and "
                f"not the next episode's first; got {mode}."
            )
        for finished in _run(made, policy, seeds, draw_every):
            if monitor is not None:
                _score(finished, monitor)
            yield from finished
    finally:
        if made is not env:
            made.close()


def _make(env_id: str, num_envs: int, options: Mapping[str, Any] | None) -> Env:
    settings: dict[str, Any] = {
        "vectorization_mode": "vector_entry_point",
        "render_mode": "rgb_array",
        **(options or {}),
    }
    return gymnasium.make_vec(
        env_id, num_envs=num_envs, autoreset_mode=AutoresetMode.DISABLED, **settings
    )


def _run(
    env: Env, policy: Policy, seeds: Sequence[int], draw_every: int | None
) -> Iterator[list[_RunningEpisode]]:
    """Step all slots together, refill each that ends with the next seed, give the episodes that
    ended."""
    waiting = deque(seeds)
    slots: list[_RunningEpisode | None] = [None] * env.num_envs
    observations = _refill(env, slots, waiting, np.ones(env.num_envs, np.bool_), draw_every)
    while running := [(slot, trace) for slot, trace in enumerate(slots) if trace is not None]:
        observations, rewards, terminated, truncated, infos = env.step(policy(observations))
        ended: BoolArray = np.asarray(terminated | truncated, dtype=np.bool_)
        for slot, trace in running:
            trace.add_state(slot, infos)
            trace.add_rewards(slot, rewards, infos)
        if draw_every is not None:
            _render(
                env,
                [(i, trace) for i, trace in running if ended[i] or trace.length % draw_every == 0],
            )
        if max(trace.length for _, trace in running) > MAX_STEPS:
            raise InvalidInputError(
                f"evaluate: an episode passed {MAX_STEPS} steps; expected a time limit."
            )
        if ended.any():
            yield [trace for slot, trace in running if ended[slot]]
            observations = _refill(env, slots, waiting, ended, draw_every)


def _refill(
    env: Env,
    slots: list[_RunningEpisode | None],
    waiting: deque[int],
    ended: BoolArray,
    draw_every: int | None,
) -> NDArray[Any]:
    """Reset the ended slots, each with the seed that it runs next; a slot without one idles
    along."""
    for slot in np.flatnonzero(ended):
        slots[slot] = _RunningEpisode(waiting.popleft()) if waiting else None
    fresh = [(slot, trace) for slot, trace in enumerate(slots) if trace is not None and ended[slot]]
    seeds = [0] * env.num_envs
    for slot, trace in fresh:
        seeds[slot] = trace.seed
    # Gymnasium types the seed as one int, its own vector environments take a list.
    observations, infos = cast(Any, env).reset(seed=seeds, options={"reset_mask": ended})
    for slot, trace in fresh:
        trace.add_state(slot, infos)
    if draw_every is not None:
        _render(env, fresh)
    return observations


def _render(env: Env, traces: list[tuple[int, _RunningEpisode]]) -> None:
    """Keep a picture of these slots' current states; an environment with ``draw`` draws no
    others."""
    if not traces:
        return
    rows = [slot for slot, _ in traces]
    draw: Callable[[NDArray[np.int64]], Video] | None = getattr(
        env.unwrapped, "render_frames", None
    )
    frames = draw(np.array(rows)) if draw is not None else _rendered(env, rows)
    for (_, trace), frame in zip(traces, frames, strict=True):
        trace.frames[trace.length] = np.array(frame)


def _rendered(env: Env, rows: list[int]) -> list[Frame]:
    frames: Any = env.render()
    if frames is None:
        raise InvalidInputError(
            "evaluate: expected pictures to score; make the env with render_mode='rgb_array'."
        )
    return [frames[row] for row in rows]


def _score(traces: list[_RunningEpisode], monitor: RewardMonitor) -> None:
    """Score each episode once, as one clip, and mark the claims."""
    if any(trace.scores for trace in traces):
        raise InvalidInputError(
            "evaluate: expected no watch beside an environment that pays a learned reward."
        )
    steps = [
        [t for t in sorted(trace.frames) if t % monitor.score_every == 0 or t == trace.length]
        for trace in traces
    ]
    clips = [
        Clip(
            frames=np.stack([trace.frames[t] for t in scored]),
            instruction=monitor.instruction,
            goal_image=monitor.goal_image,
        )
        for trace, scored in zip(traces, steps, strict=True)
    ]
    answers = monitor.model.score(clips)
    if [len(answer) for answer in answers] != [len(scored) for scored in steps]:
        raise InvalidScoreError(
            f"{monitor.model.spec.name}: expected one score for each frame of each clip."
        )
    for trace, scored, answer in zip(traces, steps, answers, strict=True):
        for row, step in enumerate(scored):
            valid = bool(answer.valid[row])
            claim = (
                valid
                and answer.success is not None
                and bool(answer.success[row] >= monitor.success_threshold)
            )
            trace.scores[step] = (float(answer.value[row]) if valid else None, claim)
        predicted = [step for step in scored if trace.scores[step][1]]
        if predicted and monitor.terminate_on_success:
            trace.truncate(predicted[0])
