"""Critics of several views: pictures side by side, each read by itself, remembered in the critic's
folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roborew import cli
from roborew.checks.synthetic import PUSH, progress_curve
from roborew.critics.critic import Critic
from roborew.data import read_video, side_by_side, write_video
from roborew.data.demonstration import Demonstration
from roborew.encoders.conv import ConvEncoder
from roborew.encoders.multi_view import MultiViewEncoder
from roborew.encoders.text import embed_text
from roborew.errors import InvalidInputError
from roborew.learning.examples import EpisodeFrames
from roborew.types import Clip, Frame, Video
from roborew.workflows.fit import FitConfig, Fitted, fit_critic
from roborew.workflows.fit.critic_metrics import evaluate_critic
from roborew.workflows.parts import CriticConfig, EncoderConfig
from roborew.workflows.score import sample_video
from tests.roborew.critics.films import demonstration

QUICK = FitConfig(
    critic=CriticConfig("ridge"), encoder=EncoderConfig(options={"steps": 4, "batch_size": 8})
)
VIEWS = ("front", "left", "wrist")


def one(kind: str, row: int, cameras: tuple[str, ...] = VIEWS) -> Demonstration:
    """Only the last camera shows progress, in pictures of another size; the others flicker."""

    def frames(camera: str) -> Iterator[Frame]:
        for time, value in enumerate(progress_curve(kind, 8)):
            size = (24, 32, 3) if camera != "wrist" else (48, 64, 3)
            frame = np.full(size, 20 + row + 30 * VIEWS.index(camera) + time % 2, np.uint8)
            if camera == "wrist":
                frame[8:32, : 1 + int(60 * value)] = 250
            yield frame

    return demonstration(kind, row, cameras=cameras, source=frames)


def some(cameras: tuple[str, ...] = VIEWS) -> list[Demonstration]:
    return [one(kind, row, cameras) for kind in ("success", "undo") for row in range(4)]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit_critic(some(), replace(QUICK, cameras=("all",)))


def arrays(fitted: Fitted) -> list[bytes]:
    critic = fitted.critic
    return [
        array.tobytes()
        for part in (critic.encoder, critic.objective)
        for _, array in sorted(part.state_dict().items())
    ]


@pytest.mark.parametrize("critic", ["ridge", "hop"])
def test_one_of_several_cameras_gives_the_critic_of_that_camera_alone(critic: str) -> None:
    config = replace(QUICK, critic=CriticConfig(critic, {} if critic == "ridge" else {"steps": 4}))
    named = fit_critic(some(), replace(config, cameras=("front",)))
    alone = fit_critic(some(("front",)), config)
    everything = fit_critic(some(("front",)), replace(config, cameras=("all",)))
    assert arrays(named) == arrays(alone) == arrays(everything)
    assert named.critic.encoder.identity == alone.critic.encoder.identity
    assert isinstance(named.critic.encoder, ConvEncoder)


def test_what_only_another_view_shows_is_learned(fitted: Fitted) -> None:
    front = fit_critic(some(), QUICK)
    order = {
        name: evaluate_critic(one, one.split.fit)["ridge"]["Spearman (per episode)"].value
        for name, one in (("all", fitted), ("front", front))
    }
    assert (order["all"] or 0) > 0.9 and (order["front"] or 0) < 0.5


def test_every_view_has_the_size_of_the_first(fitted: Fitted) -> None:
    assert fitted.episode_frames[0].frames.shape == (8, 24, 3 * 32, 3)
    assert fitted.examples[0].features.shape == (8, 3 * 128)
    assert fitted.critic.recipe["cameras"] == list(VIEWS)


def test_a_critic_of_several_views_is_read_back_as_it_was_and_knows_its_cameras(
    fitted: Fitted, tmp_path: Path
) -> None:
    clip = Clip(frames=fitted.episode_frames[0].frames, instruction=PUSH)
    kept = Critic.from_pretrained(fitted.critic.save_pretrained(tmp_path / "critic"))
    np.testing.assert_array_equal(kept.score([clip])[0].value, fitted.critic.score([clip])[0].value)
    assert kept.encoder.identity == fitted.critic.encoder.identity
    with pytest.raises(InvalidInputError, match="front, left, wrist"):
        kept.score([Clip(frames=clip.frames[:, :, :32], instruction=PUSH)])


def noise(width: int, seed: int = 0) -> Video:
    return np.random.default_rng(seed).integers(0, 256, (3, 24, width, 3), np.uint8)


def test_views_in_another_order_are_other_vectors_with_the_parts_exchanged() -> None:
    encoder, one, other = (
        MultiViewEncoder(ConvEncoder(), ("a", "b"), 4 / 3),
        noise(32),
        noise(32, 1),
    )
    there, back = (
        encoder.encode(np.concatenate(pair, axis=2)) for pair in ((one, other), (other, one))
    )
    assert np.abs(there - back).max() > 0.1
    np.testing.assert_array_equal(there, np.roll(back, there.shape[1] // 2, axis=1))


def test_an_encoder_learns_from_each_view_as_from_an_episode_of_its_own() -> None:
    both = EpisodeFrames(
        frames=np.concatenate([noise(32), noise(32, 1)], axis=2), text_embedding=embed_text(PUSH)
    )
    joined, alone = (ConvEncoder(steps=2, batch_size=4) for _ in range(2))
    MultiViewEncoder(joined, ("a", "b"), 4 / 3).learn([both], lambda *_: None)
    alone.learn(
        [replace(both, frames=noise(32)), replace(both, frames=noise(32, 1))], lambda *_: None
    )
    assert joined.identity == alone.identity


@pytest.mark.parametrize("width", [32, 65, 128])
def test_frames_that_do_not_hold_the_views_are_refused(width: int) -> None:
    with pytest.raises(
        InvalidInputError, match=rf"2 cameras side by side .*got frames of {width} x 24"
    ):
        MultiViewEncoder(ConvEncoder(), ("a", "b"), 4 / 3).encode(noise(width))


def test_cameras_that_are_not_there_or_named_twice_are_refused() -> None:
    with pytest.raises(
        InvalidInputError, match="success-0: no camera 'top'. Available: front, left, wrist"
    ):
        fit_critic(some(), replace(QUICK, cameras=("front", "top")))
    with pytest.raises(InvalidInputError, match="each camera once; got front, front"):
        fit_critic(some(), replace(QUICK, cameras=("front", "front")))
    with pytest.raises(InvalidInputError, match="undo-9: no camera 'wrist'"):
        fit_critic([*some(), one("undo", 9, VIEWS[:2])], replace(QUICK, cameras=("all",)))


def write_views(folder: Path, lengths: tuple[int, ...] = (5, 5, 5)) -> list[Path]:
    return [
        write_video(folder / f"{name}.mp4", noise(32, seed).repeat(2, axis=0)[:length], 10)
        for seed, (name, length) in enumerate(zip(VIEWS, lengths, strict=True))
    ]


def test_a_user_scores_the_videos_of_several_cameras_as_one(fitted: Fitted, tmp_path: Path) -> None:
    front, *others = write_views(tmp_path)
    critic = fitted.critic.save_pretrained(tmp_path / "critic")
    words = [
        "score",
        str(front),
        "--cameras",
        *map(str, others),
        "--goal",
        PUSH,
        "--reward",
        str(critic),
        "--no-video",
    ]
    assert cli.main([*words, "--out", str(tmp_path / "scores")]) == 0
    assert len((tmp_path / "scores/front.ridge.jsonl").read_text().splitlines()) == 5
    assert cli.main(["score", str(front), *words[1:], "--out", str(tmp_path / "twice")]) == 2
    assert cli.main([*words[:2], *words[5:], "--out", str(tmp_path / "one")]) == 2


def test_views_are_read_frame_by_frame_beside_the_first(tmp_path: Path) -> None:
    paths = write_views(tmp_path)
    joined = sample_video(paths[0], 5, paths[1:])
    assert joined.indices.tolist() == [0, 2, 4]
    for part, path in zip(np.split(joined.frames, 3, axis=2), paths, strict=True):
        np.testing.assert_array_equal(part, read_video(path)[::2])


def test_views_of_other_moments_are_refused(tmp_path: Path) -> None:
    paths = write_views(tmp_path, (5, 5, 4))
    with pytest.raises(
        InvalidInputError,
        match=r"wrist\.mp4: expected the same moments.*5 frames at 10.*got 4 at 10",
    ):
        sample_video(paths[0], None, paths[1:])


def test_one_picture_alone_is_left_as_it_is() -> None:
    picture = noise(32)[0]
    assert side_by_side([picture]) is picture
