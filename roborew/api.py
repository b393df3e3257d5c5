"""The workflows as functions: what the commands do, from Python. ``import roborew`` offers them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from roborew.critics.critic import Critic
from roborew.data import read_video
from roborew.data.reading import read_demonstrations
from roborew.types import Clip, FloatArray, Frame, RewardModel, Scores, Video
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import CollectStatus, collect_demonstrations
from roborew.workflows.evaluate import FinishedRun, finish_run
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.model_card import default_folders, write
from roborew.workflows.fit.preferences import preferences_for
from roborew.workflows.preference.teach import refit_of
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.logger import Observer
from roborew.workflows.train.loop import begin
from roborew.workflows.train.loop import train as train_run


def train(config: TrainConfig, path: str | Path, observe: Observer | None = None) -> FinishedRun:
    """Train an agent, evaluate it against the simulator's truth, and write the report.

    Args:
        config: see `TrainConfig`.
        path: folder of the run, which must not exist.
        observe: is told how training stands after each rollout.

    Raises:
        RunExistsError: ``path`` exists; nothing was written.
        RoborewError: the configuration is no good, or the reward or the environment broke its
            promise; what was trained until then is kept.
    """
    with begin(config, path) as run:
        train_run(run, observe, refit_of(config))
        return finish_run(run)


def fit(
    demonstrations: str | Path,
    config: FitConfig | None = None,
    out: str | Path | None = None,
    instruction: str | None = None,
    observe: Callable[[str, float], None] | None = None,
) -> Critic:
    """Fit a critic to demonstration videos and write it with its card.

    Args:
        demonstrations: a LeRobot data set, a folder of mp4, or one file.
        config: see `FitConfig`.
        out: folder for the critic, which must not exist; ``critics/<name>`` if not given.
        instruction: what the videos show, where they do not say so themselves.
        observe: is told every figure of the fit as it goes, by name: frames read, losses, ...;
            ``print`` shows them.

    Raises:
        RoborewError: the demonstrations cannot be read or learned from; nothing was written.
    """
    source = Path(demonstrations)
    target = default_folders(source) if out is None else Path(out)
    episodes = list(read_demonstrations(source, instruction))
    config = config or FitConfig()
    preferences = preferences_for(source, config.critic.name)
    fitted = fit_critic(episodes, config, observe, preferences=preferences)
    folder, _ = write(fitted, target, source.name, "roborew.fit")
    return Critic.from_pretrained(folder)


def score(
    reward: RewardModel,
    video: Video | str | Path,
    instruction: str,
    goal_image: Frame | None = None,
    robot_states: FloatArray | None = None,
) -> Scores:
    """Score every frame of one video.

    Args:
        reward: such as `load_reward` returns.
        video: shape (T, H, W, 3), uint8 RGB, or a file.
        instruction: the goal as a sentence.
        goal_image: shape (H, W, 3), uint8 RGB, for a reward that needs one.
        robot_states: shape (T, D), float32, for a reward that reads them.

    Raises:
        InvalidInputError: no such frames, or a sentence that says nothing.
    """
    frames = video if isinstance(video, np.ndarray) else read_video(video)
    clip = Clip(
        frames=frames, instruction=instruction, goal_image=goal_image, robot_states=robot_states
    )
    (scores,) = reward.score([clip])
    reward.spec.check_range(scores)
    return scores


def collect(
    env: str,
    config: CollectConfig,
    out: str | Path,
    observe: Callable[[CollectStatus], None] = lambda status: None,
) -> Path:
    """Write demonstrations of scripted or pretrained policies, good and bad, with their truth.

    Args:
        env: id of the environment.
        config: see `CollectConfig`.
        out: folder of the set, which is never overwritten; given again it goes on.
        observe: is told how collecting stands, at first and after every episode.

    Returns:
        The folder.
    """
    return collect_demonstrations(env, config, Path(out), observe)
