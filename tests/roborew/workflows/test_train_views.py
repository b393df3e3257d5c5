"""A critic pays for what it was fitted to see: its own cameras of the environment, or those that
the user names."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew.data import side_by_side, video_info
from roborew.errors import InvalidInputError
from roborew.storage.run import RunDirectory
from roborew.types import Clip, Video
from roborew.workflows import record
from roborew.workflows.evaluate import evaluate_run
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.parts import AgentConfig, CriticConfig, EncoderConfig, RewardConfig
from roborew.workflows.rewards import load_model, make_reward_env
from roborew.workflows.train.config import (
    EnvConfig,
    TrainConfig,
)
from roborew.workflows.train.loop import start
from roborew.workflows.train.resolve import CRITICS_INIT_STD, DEFAULT_INIT_STD, resolve
from roborew_envs import TaskVectorEnv, make_task
from roborew_envs.suites import SuiteVectorEnv
from tests.roborew.critics.films import demonstration
from tests.roborew.workflows.test_train import run_interrupted, run_whole, untimed

ENV, ROLLOUT = "roborew/Press-v0", 256
FREE = "HalfCheetah-v5"


@pytest.fixture(scope="module")
def critics(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders of critics by the cameras that they were fitted to, made when they are asked for."""
    made: dict[str, str] = {}

    def critic(cameras: str) -> str:
        if cameras not in made:
            names = tuple(cameras.split(","))
            how = FitConfig(
                critic=CriticConfig("ridge"),
                encoder=EncoderConfig(options={"steps": 2, "batch": 4}),
                cameras=("all",),
                calibrate=False,
            )
            kinds = ("success", "undo", "success", "undo")
            fitted = fit_critic(
                [demonstration(kind, row, cameras=names) for row, kind in enumerate(kinds)], how
            )
            folder = tmp_path_factory.mktemp("critic") / "ridge"
            made[cameras] = str(fitted.critic.save_pretrained(folder))
        return made[cameras]

    return critic


def drawn(camera: str) -> Video:
    """What the first four starts look like through one camera."""
    with closing(TaskVectorEnv(make_task(ENV), 4, "rgb_array", camera)) as env:
        env.reset(seed=0)
        return env.render_frames()


def chosen(config: TrainConfig, path: Path) -> tuple[str, ...]:
    with start(config, path) as run:
        return run.config(TrainConfig).env.cameras


def test_an_environment_shows_several_cameras_side_by_side() -> None:
    joined, front, wrist = (drawn(camera) for camera in ("wrist, front", "front", "wrist"))
    assert not np.array_equal(front, wrist)
    for frame, *views in zip(joined, wrist, front, strict=True):
        np.testing.assert_array_equal(frame, side_by_side(views))


@pytest.mark.parametrize("cameras", ["wrist", "wrist,front"])
def test_a_critic_pays_for_what_its_own_cameras_show(
    critics: Any, cameras: str, tmp_path: Path
) -> None:
    with start(
        TrainConfig(env=EnvConfig(ENV), reward=RewardConfig(critics(cameras)), num_envs=4),
        tmp_path / "run",
    ) as run:
        config = run.config(TrainConfig)
    model = load_model(config)
    assert config.env.cameras == tuple(cameras.split(",")) and model is not None
    with closing(make_reward_env(config, 4, model)) as env:
        _, infos = env.reset(seed=0)
    frames = [side_by_side(views) for views in zip(*map(drawn, cameras.split(",")), strict=True)]
    scores = model.score(
        [Clip(frames=frame[None], instruction=config.sentence) for frame in frames]
    )
    np.testing.assert_allclose(infos["score"], [score.value[0] for score in scores], atol=1e-5)


def test_the_users_camera_is_seen_in_place_of_the_critics(critics: Any, tmp_path: Path) -> None:
    assert chosen(
        TrainConfig(env=EnvConfig(ENV, cameras=("side",)), reward=RewardConfig(critics("moon"))),
        tmp_path / "one",
    ) == ("side",)
    several = TrainConfig(
        env=EnvConfig(ENV, cameras=("side", "front")), reward=RewardConfig(critics("moon,sun"))
    )
    assert chosen(several, tmp_path / "several") == ("side", "front")
    assert chosen(
        TrainConfig(env=EnvConfig(ENV, cameras=("wrist",)), reward=RewardConfig("mini")),
        tmp_path / "mini",
    ) == ("wrist",)
    assert (
        chosen(TrainConfig(env=EnvConfig(ENV), reward=RewardConfig("mini")), tmp_path / "none")
        == ()
    )


@pytest.mark.parametrize(
    ("fitted", "camera", "message"),
    [
        (
            "front,wrist",
            "front",
            "sees 2, in the places of front, wrist; got 1: front. Name as many",
        ),
        ("front", "front,wrist", "sees 1, in the places of front; got 2: front, wrist"),
        (None, "front,wrist", "reward mini sees one; got 2"),
        (
            "front,moon",
            None,
            "camera 'moon', which roborew/Press-v0 does not have. Available: front, .*--cameras",
        ),
        (
            "front",
            "moon",
            "cameras: got camera 'moon', which .* Available: front, side, wrist. Name one of these.",
        ),
        ("front", "", "got camera ''"),
    ],
)
def test_cameras_that_do_not_fit_are_refused_before_anything_is_written(
    critics: Any, fitted: str | None, camera: str | None, message: str, tmp_path: Path
) -> None:
    reward = "mini" if fitted is None else critics(fitted)
    cameras = () if camera is None else tuple(camera.split(","))
    with pytest.raises(InvalidInputError, match=message):
        start(
            TrainConfig(env=EnvConfig(ENV, cameras=cameras), reward=RewardConfig(reward)),
            tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


def test_views_of_another_shape_than_at_fitting_are_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    wide = [
        demonstration(kind, cameras=("front", "wrist"), size=(24, 72))
        for kind in ("success", "undo")
    ]
    how = FitConfig(
        critic=CriticConfig("ridge"),
        encoder=EncoderConfig("mini"),
        cameras=("all",),
        calibrate=False,
    )
    critic = fit_critic(wide, how).critic.save_pretrained(tmp_path / "critic")
    with pytest.raises(
        InvalidInputError, match="each about 3.00 times as wide as high; got frames of 192 x 72"
    ):
        start(TrainConfig(env=EnvConfig(ENV), reward=RewardConfig(str(critic))), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_suites_camera_is_found_by_its_name_and_its_own_one_by_default(
    critics: Any, tmp_path: Path
) -> None:
    config = TrainConfig(
        env=EnvConfig(FREE), instruction="run", reward=RewardConfig(critics("track"))
    )
    assert chosen(config, tmp_path / "named") == ("track",)
    with closing(SuiteVectorEnv(FREE, 1, "rgb_array", camera="default, track")) as env:
        env.reset(seed=0)
        one = env.render_frames(camera="track")
        assert one.shape == (1, 72, 96, 3) and env.cameras == ("track",)
        np.testing.assert_array_equal(env.render_frames(), np.concatenate([one, one], axis=2))
    with pytest.raises(InvalidInputError, match="does not have. Available: track"):
        start(
            TrainConfig(
                env=EnvConfig(FREE), instruction="run", reward=RewardConfig(critics("front"))
            ),
            tmp_path / "run",
        )


def test_a_run_on_several_views_goes_on_exactly_and_is_judged_and_filmed(
    critics: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "VIEWER_OPTIONS", {"width": 60, "height": 60, "quality": "fast"})
    config = TrainConfig(
        env=EnvConfig(ENV),
        reward=RewardConfig(critics("wrist,front")),
        total_timesteps=2 * ROLLOUT,
        num_envs=8,
        score_every=30,
    )
    whole = run_whole(config, tmp_path / "whole")
    assert run_interrupted(config, tmp_path / "parts")[1] == whole
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "parts")
    run = RunDirectory.open(tmp_path / "whole")
    assert evaluate_run(run, 1).agent.episodes[0].scores
    (film,) = record.record_run(run, 1)
    assert video_info(film).comment == "drawing=fast"


def test_an_agent_explores_more_where_a_critic_pays_unless_the_task_or_the_user_says_otherwise(
    critics: Any,
) -> None:
    def explored(env: str, reward: str, asked: float | None = None) -> float | None:
        agent = AgentConfig() if asked is None else AgentConfig(options={"init_std": asked})
        config = TrainConfig(env=EnvConfig(env), reward=RewardConfig(reward), agent=agent)
        return resolve(config).agent.options["init_std"]

    critic = critics("front")
    assert explored(ENV, critic) == CRITICS_INIT_STD > DEFAULT_INIT_STD == explored(ENV, "mini")
    assert (
        explored("roborew/Push-v0", critic)
        == explored("roborew/Push-v0", "mini")
        < DEFAULT_INIT_STD
    )
    assert explored(ENV, critic, 0.2) == 0.2
