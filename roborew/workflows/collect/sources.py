"""Where demonstrations come from: the tasks of roborew, and environments of other suites."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError
from roborew.storage.run import slugify
from roborew.types import Frame, picture_fault
from roborew.workflows.collect.config import CollectConfig
from roborew.workflows.collect.experts import load_expert
from roborew.workflows.environments import check_success_reward, environment_options
from roborew_envs import TASKS, make_task
from roborew_envs.experts.behaviors import Behavior, NoFailureError, available_behaviors
from roborew_envs.experts.grading import ExpertPace, Grade
from roborew_envs.experts.rollout import (
    TaskEpisode,
    collect_episodes,
    grade_episodes,
    measure_expert_pace,
)
from roborew_envs.rendering.renderer import Renderer
from roborew_envs.suites import SuiteVectorEnv
from roborew_envs.suites.demonstrations import (
    SuiteEpisode,
    collect_episode,
    replay_frames,
    suite_behaviors,
)

FRAMES_PER_BATCH = 32
"""Frames that are drawn, and so held in memory, at once."""
DEFAULT_FPS = 25.0
"""Frames per second of an environment that does not say."""
MAX_STARTS = 10
"""Starts that are tried for an episode that must fail; some are successes already."""
MAX_STARTS_OF_EXPERT = 200
"""Starts that are tried for an expert that must succeed."""
STARTS_APART = 100_000
"""From the seed of one of them to the next: another one of the same set's seeds."""
GRADES: tuple[Grade, ...] = ("failure", "partial", "suboptimal", "success")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRecord:
    """One episode of T actions.

    Attributes:
        observations: shape (T + 1, D).
        actions: shape (T, A).
        rewards: shape (T,), what each action brought.
        success: shape (T + 1,), truth; None if not known.
        frames: camera -> T + 1 frames, drawn as they are taken.
        truth: further columns, (T + 1,) each.
        stages: (name, first frame, one past the last).
        notes: what is known of the episode as a whole.
    """

    observations: NDArray[Any]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    success: NDArray[np.bool_] | None
    frames: Callable[[str], Iterable[Frame]]
    truth: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    stages: Sequence[tuple[str, int, int]] = ()
    notes: Mapping[str, str | int | None] = field(default_factory=dict[str, Any])


class EpisodeSource(Protocol):
    """Plays behaviors from seeds.

    Attributes:
        behaviors: that it has.
        cameras: that it can be seen through, the default first.
        fps: frames per second.
        drawing: how its frames are made.
        legends: column of whole numbers -> what 0, 1, ... mean there.
        block: episodes that must be played together to come out the same.
    """

    behaviors: tuple[Behavior, ...]
    cameras: tuple[str, ...]
    fps: float
    drawing: str
    legends: Mapping[str, Sequence[str]]
    block_size: int

    def play(self, behavior: Behavior, seeds: range) -> Iterator[EpisodeRecord]:
        """An episode for each of at most `block` seeds."""
        ...

    def sentences(self, instruction: str) -> Mapping[str, Sequence[str]]:
        """``paraphrases`` of a sentence, and ``wrong_instructions`` that its success does not
        fulfil; empty where nobody knows any."""
        ...

    def close(self) -> None:
        """Free what draws."""
        ...


def make_source(env: str, config: CollectConfig) -> EpisodeSource:
    """The source of an environment's demonstrations.

    Raises:
        gymnasium.error.Error: no such environment, or its package is absent.
        RenderError: no OpenGL.
        InvalidInputError: the run that is to be the expert cannot be.
    """
    if env not in TASKS:
        return SuiteSource(env, config)
    if config.expert is not None:
        raise InvalidInputError(
            f"expert: {env} brings an expert of its own; leave --expert out, or film an agent: "
            "roborew record RUN."
        )
    environment_options(env, config.options)  # refuses any
    check_success_reward(env, config.success_reward)
    for name in ("horizon", "to_horizon", "expert_successes"):
        setting = getattr(config, name)
        if setting is not None and setting is not False:
            raise InvalidInputError(
                f"{name}: {env} is a task of roborew, whose episodes are graded beside the expert's "
                "and are all of its own length; leave it out."
            )
    return TaskSource(env, config)


class TaskSource:
    """A task of roborew: it tells progress and stages, and every episode is graded beside the
    expert."""

    block_size = 16

    def __init__(self, env: str, config: CollectConfig) -> None:
        """Build the task; nothing is drawn yet."""
        task = make_task(env)
        self._task = task
        self._config = config
        self.behaviors = available_behaviors(task)
        self.cameras = task.cameras
        self.legends: Mapping[str, Sequence[str]] = {"stage": task.stages, "grade": GRADES}
        self.fps = task.fps
        self.drawing = config.quality

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(
            self._task.model, self._config.width, self._config.height, self._config.quality
        )

    @cached_property
    def _pace(self) -> ExpertPace:
        return measure_expert_pace(self._task)

    def play(self, behavior: Behavior, seeds: range) -> Iterator[EpisodeRecord]:
        """See `EpisodeSource`."""
        episodes = collect_episodes(self._task, behavior, seeds)
        grades = grade_episodes(self._task, episodes, self._pace)
        for episode, grade in zip(episodes, grades, strict=True):
            yield EpisodeRecord(
                observations=episode.observations,
                actions=episode.actions,
                rewards=np.diff(episode.progress),
                success=episode.success,
                frames=partial(self.frames, episode),
                truth={
                    "progress": episode.progress.astype(np.float32),
                    "stage": episode.stage,
                    "grade": np.full(len(episode.progress), GRADES.index(grade)),
                },
                stages=episode.stage_spans,
                notes={"quality": grade, "onset": episode.failure_onset},
            )

    def sentences(self, instruction: str) -> Mapping[str, Sequence[str]]:
        """The task's own, where the sentence is one of them."""
        words = self._task.language
        synonyms = (words.instruction, *words.paraphrases)
        if instruction not in synonyms:
            # Nobody knows what means the same as a user's own sentence.
            return {}
        paraphrases = [sentence for sentence in synonyms if sentence != instruction]
        return {"paraphrases": paraphrases, "wrong_instructions": list(words.wrong_instructions)}

    def frames(self, episode: TaskEpisode, camera: str) -> Iterator[Frame]:
        """Draw an episode."""
        for start in range(0, len(episode.qpos), FRAMES_PER_BATCH):
            qpos = episode.qpos[start : start + FRAMES_PER_BATCH]
            overrides = self._task.visual_overrides(qpos)
            yield from self._renderer.render(qpos, camera, overrides)

    def close(self) -> None:
        """Close the renderer if one was opened."""
        # Asking the cached property would open one only to close it.
        if "_renderer" in vars(self):
            self._renderer.close()


class SuiteSource:
    """An environment of another suite: it tells success at most, so that nothing is graded."""

    block_size = 1

    def __init__(self, env: str, config: CollectConfig) -> None:
        """Make the environment; one that draws itself keeps its own size."""
        self._name = env
        self._ends_in_success = not config.to_horizon
        self._only_successes = config.expert_successes
        suite_env = SuiteVectorEnv(
            env,
            1,
            "rgb_array",
            quality=config.quality,
            horizon=config.horizon,
            success_reward=config.success_reward,
            **environment_options(env, config.options),
        )
        self._env = suite_env
        if config.expert is not None:
            expert = load_expert(config.expert, env)
            suite_env.expert, suite_env.expert_repeat = expert
        self._before: tuple[NDArray[Any], Frame] | None = None
        self.drawing = "by the environment"
        if suite_env.resizable:
            suite_env.resize(config.width, config.height)
            self.drawing = config.quality
        self.behaviors = suite_behaviors(suite_env)
        # Files are named after cameras, whose own names may hold a slash.
        self._camera_of_slug = {slugify(camera): camera for camera in suite_env.cameras}
        self.cameras = tuple(self._camera_of_slug)
        self.legends: Mapping[str, Sequence[str]] = {}
        self.fps = float(suite_env.metadata.get("render_fps") or DEFAULT_FPS)

    def play(self, behavior: Behavior, seeds: range) -> Iterator[EpisodeRecord]:
        """See `EpisodeSource`."""
        for seed in seeds:
            episode = self._play_one(behavior, seed)
            yield EpisodeRecord(
                observations=episode.observations,
                actions=episode.actions,
                rewards=episode.rewards,
                success=episode.success,
                frames=partial(self.frames, episode),
                notes={"seed": episode.seed},
            )

    def _play_one(self, behavior: Behavior, seed: int) -> SuiteEpisode:
        """An episode from a start, or from another one where that start does not allow what is asked
        for."""
        if behavior == "expert" and self._only_successes:
            return self._success_of_expert(seed)
        for start in _starts(seed, MAX_STARTS):
            with suppress(NoFailureError):
                return collect_episode(self._env, behavior, start, self._ends_in_success)
        raise InvalidInputError(
            f"{self._name}: none of {MAX_STARTS} starts, the first of seed {seed}, allows a "
            f"{behavior}: success comes by itself. Leave that behavior out."
        )

    def _success_of_expert(self, seed: int) -> SuiteEpisode:
        """An episode of the expert that ends in success, from the first start that allows one."""
        for start in _starts(seed, MAX_STARTS_OF_EXPERT):
            episode = collect_episode(self._env, "expert", start, self._ends_in_success)
            if episode.success is None:
                raise InvalidInputError(
                    f"expert_successes: {self._name} does not tell success; leave it out, or say from "
                    "which reward on a step is one (--success-reward)."
                )
            if episode.success[-1]:
                return episode
        raise InvalidInputError(
            f"expert_successes: from {MAX_STARTS_OF_EXPERT} starts, the first of seed {seed}, the expert "
            f"of {self._name} never ends in success. Leave it out, or take another --expert."
        )

    def sentences(self, instruction: str) -> Mapping[str, Sequence[str]]:
        """None: the suites name no others."""
        return {}

    def frames(self, episode: SuiteEpisode, camera: str) -> Iterator[Frame]:
        """Draw an episode by playing it again.

        Raises:
            InvalidInputError: its first picture shows nothing, or is still that of the episode
                before.
        """
        last: Frame | None = None
        for frame in replay_frames(self._env, episode, self._camera_of_slug[camera]):
            if last is None:
                self._check_first(episode, frame)
            last = frame
            yield frame
        # MuJoCo worlds are drawn as they stand; others may show a picture from before.
        if last is not None and not self._env.resizable:
            self._before = (episode.observations[-1], last)

    def _check_first(self, episode: SuiteEpisode, frame: Frame) -> None:
        before = None
        if self._before is not None:
            last_observation, last_frame = self._before
            # A start that equals the end before may rightly look the same.
            if not np.array_equal(last_observation, episode.observations[0]):
                before = last_frame
        fault = picture_fault(frame, before)
        if fault:
            raise InvalidInputError(
                f"{self._name}: the first picture of the episode of seed {episode.seed} {fault}; "
                "that is no demonstration. Check how it draws (its render mode rgb_array), or the "
                "camera."
            )

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


def _starts(seed: int, count: int) -> range:
    """Seeds of so many starts, of which the first is an episode's own."""
    return range(seed, seed + count * STARTS_APART, STARTS_APART)
