"""Demonstrations that are not as they should be: one error that says what to do, or a rule,
whatever the critic."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew import cli
from roborew.checks.synthetic import PUSH, progress_curve
from roborew.critics.critic import Critic, is_critic
from roborew.data import write_video
from roborew.data.demonstration import Demonstration, Span
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.registry import critics
from roborew.types import Clip
from roborew.workflows.fit import (
    EmbeddedDemonstrations,
    FitConfig,
    Fitted,
    embed_demonstrations,
    fit_critic,
    fit_objective,
)
from roborew.workflows.fit.critic_metrics import evaluate_critic
from roborew.workflows.fit.model_card import card
from roborew.workflows.fit.split import split_episodes
from roborew.workflows.parts import CriticConfig, EncoderConfig
from tests.roborew.critics.films import demonstration
from tests.roborew.data.sets import write, write_as_folder

ENCODER = {"steps": 2, "batch_size": 4}
STEPS = {critic: {"steps": 4} for critic in critics} | {
    "ridge": {},
    "perceptual": {},
    "bradley_terry": {"steps": 4, "num_queries": 50},
}
SUCCESSES = {"vice", "liv", "perceptual", "sarm", "tcc", "temporal_ot", "time_rewarder", "vip"}
"""Critics that learn from successes."""


def frozen(kind: str, **changes: Any) -> Demonstration:
    frame = np.full((24, 32, 3), 7, np.uint8)
    return demonstration(kind, 9, source=lambda _: iter([frame] * 8), **changes)


def several(kind: str, count: int = 4, **changes: Any) -> list[Demonstration]:
    return [demonstration(kind, row, **changes) for row in range(count)]


SETS: dict[str, tuple[list[Demonstration], set[str]]] = {
    "one success": (several("success", 1), {"gail"}),
    "one success without labels": (several("success", 1, progress=None), {"gail"}),
    "nothing known of any": (several("success", progress=None, succeeded=None), {"gail"}),
    "no failure": (several("success"), {"gail"}),
    "no success": (several("failure"), {"gail", *SUCCESSES}),
    "three frames": (
        [*several("success", 2, length=3), demonstration("failure", length=3)],
        {"perceptual", "sarm"},
    ),
    "sizes": ([*several("success", 2), *several("failure", 2, size=(36, 48))], set()),
    "labels of some": (
        [*several("success", 2), demonstration("success", 2, progress=None)],
        {"gail"},
    ),
    "stages of another kind": (
        [
            demonstration(row=row, stages=(Span("a", 0, 2), Span("b", 2, 8))[: row + 1])
            for row in range(2)
        ],
        {"gail"},
    ),
    "a failure that never moves": (
        [*several("success", 2), frozen("failure", progress=None)],
        set(),
    ),
}
"""Demonstrations, and the critics that cannot be fitted to them."""


@cache
def embedded(kind: str) -> EmbeddedDemonstrations:
    return embed_demonstrations(SETS[kind][0], FitConfig(encoder=EncoderConfig(options=ENCODER)))


def fitted(critic: str, kind: str) -> Fitted:
    config = FitConfig(
        critic=CriticConfig(critic, STEPS[critic]), encoder=EncoderConfig(options=ENCODER)
    )
    return fit_objective(embedded(kind), config)


def clips() -> list[Clip]:
    """One frame, two, five alike, black ones, another size."""
    moving = demonstration().video()
    alike = np.repeat(moving[:1], 5, axis=0)
    black = np.zeros((4, 24, 32, 3), np.uint8)
    shown = (moving[:1], moving[:2], alike, black, moving.repeat(2, axis=1)[:, :41, ::-1])
    return [Clip(frames=np.ascontiguousarray(frames), instruction=PUSH) for frames in shown]


def assert_scores(critic: Critic) -> None:
    """Every clip has as many scores as frames, numbers within the promise."""
    spec = critic.spec
    for clip, scores in zip(clips(), critic.score(clips()), strict=True):
        assert len(scores) == len(clip.frames) and scores.valid.all()
        assert ((scores.value >= spec.low) & (scores.value <= spec.high)).all()


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("critic", sorted(critics))
def test_a_critic_is_fitted_to_what_little_there_is_and_scores_what_little_there_is_or_says_what_it_lacks(
    critic: str, kind: str
) -> None:
    if critic in SETS[kind][1]:
        with pytest.raises(InvalidInputError, match=r"expected.*; got|ask for fewer"):
            fitted(critic, kind)
        return
    one = fitted(critic, kind)
    assert_scores(one.critic)
    assert "## On episodes it never saw" in card(
        one, kind, "roborew fit", evaluate_critic(one, one.split.test)
    )


@pytest.mark.parametrize(
    "kind",
    [
        several("failure", progress=None),
        several("success", progress=np.full(8, 0.5, np.float32), succeeded=None),
        several("failure", progress=np.zeros(8, np.float32)),
    ],
    ids=["failures without labels", "progress that stands still", "failures at 0"],
)
def test_where_nothing_progresses_no_critic_learns(kind: list[Demonstration]) -> None:
    config = FitConfig(encoder=EncoderConfig(options=ENCODER))
    found = embed_demonstrations(kind, config)
    for critic in critics:
        with pytest.raises(
            InvalidInputError,
            match="expected a success, or progress labels that change; got 4 demons",
        ):
            fit_objective(found, replace(config, critic=CriticConfig(critic)))


def test_no_demonstration_and_two_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one demonstration; got none"):
        fit_critic([], FitConfig())
    with pytest.raises(InvalidInputError, match="different names; got two named 'success-0'"):
        fit_critic([demonstration(), demonstration(length=9)], FitConfig())


@pytest.mark.parametrize("changes", [{}, {"progress": None}, {"progress": None, "succeeded": None}])
def test_pictures_that_never_change_cannot_show_progress(changes: dict[str, Any]) -> None:
    with pytest.raises(
        InvalidInputError,
        match="success-9: expected pictures that change.*all 8 frames are the same",
    ):
        fit_critic(
            [*several("success"), frozen("success", **changes)],
            FitConfig(encoder=EncoderConfig(options=ENCODER)),
        )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"progress": np.zeros(8, np.float32)}, "success is True and progress ends at 0;"),
        ({"succeeded": False}, "success is False and progress ends at 1;"),
        (
            {"success": np.zeros(8, np.bool_)},
            "success is True of the episode and False of its last frame",
        ),
        (
            {"succeeded": None, "success": np.zeros(8, np.bool_)},
            "success is False and progress ends at 1;",
        ),
        ({"keyframes": (2, 6, 4)}, "expected key frames that rise"),
        ({"keyframes": (2, 8)}, "inside 8 frames"),
        (
            {"stages": (Span("a", 0, 5), Span("b", 4, 8))},
            "expected stages in order, without overlap",
        ),
    ],
)
def test_labels_that_contradict_each_other_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        demonstration(**changes)


def test_where_progress_is_labelled_key_frames_are_not_asked() -> None:
    def labels(**changes: Any) -> list[float]:
        found = embed_demonstrations(
            [demonstration(keyframes=(2, 4), **changes)],
            FitConfig(encoder=EncoderConfig(options=ENCODER)),
        )
        return np.asarray(found.examples[0].progress).tolist()

    assert labels() == progress_curve("success", 8).tolist()
    assert labels(progress=None) == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1]


def test_thinned_episodes_keep_their_last_frame_and_the_labels_of_the_frames_that_are_left() -> (
    None
):
    spans = (Span("a", 0, 1), Span("b", 1, 2), Span("c", 2, 8))
    whole = demonstration(
        keyframes=(2, 7), progress=None, success=progress_curve("success", 8) >= 1, stages=spans
    )
    found = embed_demonstrations([whole], FitConfig(encoder=EncoderConfig(options=ENCODER), fps=4))
    at = [0, 2, 4, 6, 7]
    np.testing.assert_array_equal(found.episode_frames[0].frames, whole.video()[at])
    np.testing.assert_allclose(
        np.asarray(found.examples[0].progress), np.interp(at, [0, 2, 7], [0, 0.5, 1]), atol=1e-6
    )
    np.testing.assert_array_equal(found.episode_frames[0].success, np.asarray(whole.success)[at])
    assert found.examples[0].stages == (("a", 0, 1), ("c", 1, 5))


@pytest.mark.parametrize(
    ("fps", "said"), [(0, "above 0"), (float("nan"), "above 0"), (0.1, "2 of 8 are left")]
)
def test_episodes_are_not_thinned_to_nothing(fps: float, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        fit_critic([demonstration()], FitConfig(fps=fps))


def test_an_episode_that_is_too_short_at_a_rate_is_left_out_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    long, short = demonstration(length=24), demonstration(row=1)
    found = embed_demonstrations(
        [long, short], FitConfig(encoder=EncoderConfig(options=ENCODER), fps=1)
    )
    assert [one.name for one in found.demonstrations] == [long.name]
    assert "1 of 2 demonstrations" in caplog.text and short.name in caplog.text


@pytest.mark.parametrize("held_out", [0, 0.01, 0.2, 0.49])
def test_every_split_leaves_something_to_fit_and_loses_no_episode(held_out: float) -> None:
    for count in range(1, 30):
        names = {str(number): "a" for number in range(count)}
        split = split_episodes(names, held_out, np.random.default_rng(count))
        assert len(split.fit) >= 1
        assert sorted([*split.fit, *split.validation, *split.test]) == sorted(names)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_from_a_handful_of_videos_all_are_learned_from(count: int) -> None:
    """Also beside a kind of which there are enough to spare some."""
    many, few = (
        {f"{kind}{number}": kind for number in range(total)}
        for kind, total in (("a", 10), ("b", count))
    )
    split = split_episodes(many | few, 0.2, np.random.default_rng(count))
    assert len(set(few) & set(split.fit)) == (count if count < 5 else 3)
    assert [len(set(many) & set(part)) for part in (split.fit, split.validation, split.test)] == [
        6,
        2,
        2,
    ]


def test_the_card_of_a_handful_says_that_nothing_is_known() -> None:
    one = fit_critic(
        [demonstration("success", row) for row in range(3)],
        FitConfig(critic=CriticConfig("ridge"), encoder=EncoderConfig("mini")),
    )
    assert len(one.split.fit) == 3 and one.critic.calibration is None
    assert "nothing is known" in card(
        one, "a few", "roborew fit", evaluate_critic(one, one.split.test)
    )


# What a user has on disk: the command ends with code 2, one line, and no folder.


def write_clip(
    path: Path, length: int = 6, size: tuple[int, int] = (32, 48), fps: float = 10
) -> Path:
    return write_video(path, (np.full((*size, 3), 20 * t, np.uint8) for t in range(length)), fps)


def run_fit(source: Path, out: Path, *words: str) -> int:
    quick = ("--critic", "ridge", "--encoder.steps", "2")
    return cli.main(["fit", str(source), "--out", str(out), *quick, *words])


def refused(capsys: pytest.CaptureFixture[str], source: Path, *words: str) -> str:
    """What the command says as it refuses; nothing is left behind."""
    out = source.parent / "critic"
    assert run_fit(source, out, *words) == 2
    assert not out.exists()
    return " ".join("".join(capsys.readouterr()).split())


GOAL = ("--goal", PUSH)


def test_a_good_set_is_fitted_and_how_far_it_is_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_fit(write_as_folder(tmp_path / "set"), tmp_path / "critic") == 0
    said = capsys.readouterr().out
    assert "encoder steps 2 of 2, encoder loss " in said and re.search(
        r"episodes embedded (\d+) of \1\n", said
    )
    assert_scores(Critic.from_pretrained(tmp_path / "critic"))


@pytest.mark.parametrize("length", [1, 2])
def test_a_video_of_one_or_two_frames_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, length: int
) -> None:
    said = refused(capsys, write_clip(tmp_path / "short.mp4", length), *GOAL)
    assert f"a demonstration of {length} frames; expected at least 3" in said


def test_a_file_without_a_frame_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "none.mp4").write_bytes(b"")
    assert "none.mp4" in refused(capsys, tmp_path / "none.mp4", *GOAL)


@pytest.mark.parametrize("other", [{"size": (32, 64)}, {"fps": 25}])
def test_a_folder_of_videos_of_different_size_or_rate_is_fitted(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    (tmp_path / "set").mkdir()
    write_clip(tmp_path / "set/a.mp4")
    write_clip(tmp_path / "set/b.mp4", **other)
    assert run_fit(tmp_path / "set", tmp_path / "critic", *GOAL) == 0
    assert is_critic(tmp_path / "critic")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_as_folder(tmp_path / "set")


def test_a_set_with_a_missing_video_is_refused_before_anything_is_fitted(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "videos/case-2-front.mp4").unlink()
    said = refused(capsys, folder)
    assert "case-2, front: its video" in said and "is missing" in said


def test_a_lerobot_set_with_a_missing_video_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    next(write(tmp_path / "set").rglob("*front*/**/*.mp4")).unlink()
    said = refused(capsys, tmp_path / "set")
    assert "expected a local file; found none" in said and "front/chunk-000/file-000.mp4" in said


def test_a_set_with_a_damaged_video_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    video = folder / "videos/case-2-front.mp4"
    content = video.read_bytes()
    video.unlink()
    video.write_bytes(content[: len(content) // 2])
    assert "case-2-front.mp4" in refused(capsys, folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"case_id": "case-1"}, "expected each case_id once; got case-1 again"),
        ({"success": False}, "contradictory labels: success is False, the label is success"),
        (
            {"label": "failure", "success": False},
            "success is False of the episode and True of its last frame",
        ),
        ({"progress": [0.0] * 5}, "success is True and progress ends at 0;"),
        ({"progress": [0.0, 1.0, float("nan"), 1.0, 1.0]}, "progress holds NaN"),
        ({"keyframes": [3, 1]}, "expected key frames that rise"),
        ({"stages": [["a", 0, 3], ["b", 2, 5]]}, "without overlap"),
        ({"frames": 6}, "the manifest says 6"),
    ],
)
def test_a_set_that_contradicts_itself_is_refused(
    capsys: pytest.CaptureFixture[str], folder: Path, changes: dict[str, Any], said: str
) -> None:
    manifest = folder / "manifest.jsonl"
    first, *rest = manifest.read_text().splitlines()
    manifest.unlink()
    manifest.write_text("\n".join([json.dumps(json.loads(first) | changes), *rest]))
    assert said in refused(capsys, folder)


def test_a_critic_whose_folder_was_damaged_is_not_used(folder: Path, tmp_path: Path) -> None:
    assert run_fit(folder, tmp_path / "critic") == 0
    for name in ("model.safetensors", "config.json"):
        copy = shutil.copytree(tmp_path / "critic", tmp_path / name)
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2 :] = b""
        (copy / name).write_bytes(content)
        with pytest.raises(CorruptFileError, match=name):
            Critic.from_pretrained(copy)
