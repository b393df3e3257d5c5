"""Videos of a run's agent, with the score that it was paid for and the truth drawn in."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from roborew.data import read_video, video_info, write_gif
from roborew.errors import RoborewError
from roborew.evaluation import (
    Episode,
    Evaluation,
    Recording,
    begin_episodes,
    evaluate,
    record,
    recording_overlay,
    write_overlay_video,
)
from roborew.storage.run import RunDirectory
from roborew.storage.staging import check_writable, numbered
from roborew.types import Frame, frame_renderer, renderable
from roborew.workflows.evaluate import evaluation_seeds
from roborew.workflows.factories import Environment, make_env, make_state_env
from roborew.workflows.rewards import make_reward_env
from roborew.workflows.train.loop import torch_threads
from roborew.workflows.trained import Trained, load_trained

VIEWER_OPTIONS = {"width": 480, "height": 360, "quality": "full"}
"""How the viewer sees it [pixels]; what was scored stays as the agent was paid for."""
SLOW_DOWN = 2
GIF_FPS = 10.0
"""Episodes are short: a video runs at the environment's own speed over this."""


def record_run(run: RunDirectory, episodes: int = 3, gif: bool = False) -> list[Path]:
    """Record the first evaluation episodes into new files ``videos/episode-<n>.mp4`` of the run.

    Args:
        run: with a checkpoint.
        episodes: how many.
        gif: write each as a GIF, too.

    Raises:
        InvalidInputError: no checkpoint yet, or fewer than one episode.
        OSError: the folder of the run cannot be written.
    """
    trained = load_trained(run)
    check_writable(run.path)
    # The seeds of the evaluation, from the first on: nobody picks pretty episodes.
    seeds = evaluation_seeds(episodes)
    spec = None if trained.model is None else trained.model.spec
    with (
        torch_threads(trained.config.threads),
        closing(make_reward_env(trained.config, episodes, trained.model)) as env,
    ):
        fps = float(env.metadata.get("render_fps", 25)) / SLOW_DOWN
        recordings, drawing = _record(env, trained, seeds)
    videos = [
        write_overlay_video(
            numbered(run.path / "videos" / f"episode-{number}.mp4"),
            recording.frames,
            recording_overlay(recording, trained.config.sentence, spec),
            fps,
            comment=f"drawing={drawing}",
        )
        for number, recording in enumerate(recordings, start=1)
    ]
    return videos + [_as_gif(video) for video in videos] if gif else videos


def _as_gif(video: Path) -> Path:
    """A GIF beside a video, of few frames, since the format compresses badly."""
    every = max(1, round(video_info(video).fps / GIF_FPS))
    fps = min(video_info(video).fps / every, GIF_FPS)
    return write_gif(numbered(video.with_suffix(".gif")), read_video(video)[::every], fps)


def _record(env: Environment, trained: Trained, seeds: list[int]) -> tuple[list[Recording], str]:
    """The episodes as they were paid, in pictures for a viewer where the environment can draw
    others, and how drawn."""
    from roborew_envs import TASKS

    inner = renderable(env)
    if inner is None or not inner.resizable:
        return record(env, trained.policy(env.num_envs), seeds), "by the environment"
    options = dict(VIEWER_OPTIONS)
    if trained.config.env.id not in TASKS:
        # The meshes of other suites take long.
        options["quality"] = "fast"
    # Scored at the size that the reward was made for, then drawn again at the viewer's.
    evaluation = evaluate(env, trained.policy(env.num_envs), seeds)
    with ExitStack() as stack:
        large = stack.enter_context(closing(make_state_env(trained.config, len(seeds), **options)))
        env = large
        if trained.config.observations.kind != "state":
            # Of the size that the agent knows.
            env = stack.enter_context(closing(make_env(trained.config, len(seeds))))
        return _replay(env, large, trained, evaluation), str(options["quality"])


def _replay(
    env: Environment, viewer: Environment, trained: Trained, evaluation: Evaluation
) -> list[Recording]:
    """The same episodes once more: same starts, same agent, so the same states, drawn by another
    environment.

    Args:
        env: that the agent observes.
        viewer: that is drawn; it may be the same.
        trained: the agent.
        evaluation: its episodes.
    """
    episodes = evaluation.episodes
    # The longest decides: the environments step together.
    last_step = max(episode.length for episode in episodes)
    frames: list[list[Frame]] = [[] for _ in episodes]
    render = frame_renderer(viewer)
    policy = trained.policy(env.num_envs)
    # Gymnasium types the seed as one int, its own vector environments take a list.
    seeds: Any = [episode.seed for episode in episodes]
    observations, infos = env.reset(seed=seeds)
    if viewer is not env:
        viewer.reset(seed=seeds)
    begin_episodes(policy, np.ones(env.num_envs, np.bool_))
    for step in range(last_step + 1):
        running = [i for i, episode in enumerate(episodes) if step <= episode.length]
        rendered = render(np.array(running))
        for i, frame in zip(running, rendered, strict=True):
            _check_same_state(episodes[i], step, infos, i)
            frames[i].append(frame)
        # The last state is drawn, and nothing comes after it.
        if step < last_step:
            actions = policy(observations)
            observations, _, _, _, infos = env.step(actions)
            if viewer is not env:
                viewer.step(actions)
    return [
        Recording(episode=episode, frames=np.stack(own_frames))
        for episode, own_frames in zip(episodes, frames, strict=True)
    ]


def _check_same_state(episode: Episode, step: int, infos: dict[str, Any], slot: int) -> None:
    # A video of other states than the evaluated ones would show figures that are not its own.
    if "progress" in infos and infos["progress"][slot] != np.float32(episode.progress[step]):
        raise RoborewError(
            f"record: episode {episode.seed} went another way the second time, at step {step}."
        )
