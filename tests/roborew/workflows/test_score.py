"""Videos through rewards: what is written is what was scored, frame by frame, and nothing is
overwritten."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.damaged_videos.clips import hum
from roborew import cli
from roborew.checks.synthetic import PUSH
from roborew.data import read_video, video_info, write_video
from roborew.errors import InvalidInputError
from roborew.evaluation import Clock
from roborew.types import RewardSpec, Scores
from roborew.workflows.compare import agreement_table, compare
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.parts import CriticConfig, EncoderConfig
from roborew.workflows.score import SampledVideo, sample_video, score_video, write_progress_table
from tests.roborew.critics.films import demonstration
from tests.tiny_models import tiny_vlm

FRAMES = 23


class Brightness:
    """Scores the mean brightness; abstains on dark frames."""

    spec = RewardSpec(
        name="brightness",
        low=0.0,
        high=2.0,
        context=1,
        causal=True,
        needs_goal_image=False,
        predicts_success=False,
        paper="none",
    )

    def score(self, clips: Any) -> list[Scores]:
        values = [clip.frames.mean(axis=(1, 2, 3)).astype(np.float32) / 255 for clip in clips]
        return [Scores(value, value > 0.2) for value in values]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = np.repeat(np.linspace(0, 255, FRAMES).astype(np.uint8), 32 * 48 * 3).reshape(
        FRAMES, 32, 48, 3
    )
    frames[:, :8, :4], frames[:, :8, 4:8] = 255, 0  # a frame of one colour would be no picture
    return write_video(tmp_path / "ramp.mp4", frames, fps=10)


def table_of(path: Path) -> Any:
    return import_module("pyarrow.parquet").read_table(path)


def test_thinning_keeps_the_first_and_the_last_frame(video: Path) -> None:
    assert sample_video(video).indices.tolist() == list(range(FRAMES))
    assert sample_video(video, fps=2).indices.tolist() == [0, 5, 10, 15, 20, 22]
    with pytest.raises(InvalidInputError, match="fps"):
        sample_video(video, fps=0)


def test_a_thinned_video_scores_as_the_same_frames_of_the_whole(video: Path) -> None:
    whole, thin = (score_video(Brightness(), sample_video(video, fps), "glow") for fps in (None, 2))
    np.testing.assert_array_equal(whole.scores.value[thin.indices], thin.scores.value)


def test_the_progress_table_has_every_frame_in_order_and_nan_where_nothing_was_said(
    video: Path, tmp_path: Path
) -> None:
    scored = [score_video(Brightness(), sample_video(video, fps), "glow") for fps in (None, 5)]
    table = table_of(write_progress_table(tmp_path, scored, "brightness"))
    columns = table.to_pydict()
    assert columns["index"] == list(range(2 * FRAMES))
    assert columns["episode_index"] == [0] * FRAMES + [1] * FRAMES
    assert columns["frame_index"] == 2 * list(range(FRAMES))
    progress = np.array(columns["progress_sparse"])
    expected = np.where(scored[0].scores.valid, scored[0].scores.value / 2, np.nan)
    np.testing.assert_allclose(progress[:FRAMES], expected)
    assert np.isnan(progress[FRAMES + 1]) and np.isnan(progress[0]) and not np.isnan(progress[-1])
    assert table.schema.metadata[b"reward_model_path"] == b"brightness"
    assert table.schema.metadata[b"roborew.scale"] == b"unit"


def test_a_user_scores_videos_and_a_second_time_overwrites_nothing(
    video: Path, tmp_path: Path
) -> None:
    words = ["score", str(video), "--goal", "open the drawer", "--out", str(tmp_path / "scores")]
    assert [cli.main(words) for _ in range(2)] == [0, 0]
    written = sorted(path.name for path in (tmp_path / "scores").iterdir())
    assert {
        "ramp.mini.jsonl",
        "ramp.mini-2.jsonl",
        "ramp.mini.mp4",
        "ramp.mini.svg",
        "mini_progress.parquet",
    } <= {*written}
    lines = [
        json.loads(line)
        for line in (tmp_path / "scores" / "ramp.mini.jsonl").read_text().splitlines()
    ]
    assert [line["frame"] for line in lines] == list(range(FRAMES))
    assert lines[10]["time"] == pytest.approx(1.0)
    film = tmp_path / "scores" / "ramp.mini.mp4"
    assert video_info(film).width == 480 and len(read_video(film)) >= FRAMES


@pytest.mark.parametrize(
    "words",
    [["score", "--goal", "x"], ["score", "nowhere.mp4", "--goal", "x"], ["compare", "--goal", "x"]],
    ids=str,
)
def test_no_video_is_an_error_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    assert "video" in capsys.readouterr().err


def test_a_mistyped_folder_of_a_critic_is_said_to_be_none(
    video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["score", str(video), "--reward", "critics/nope", "--goal", "x"]) == 2
    assert "'critics/nope', and there is no folder of that name" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["sound alone", "empty", "cut", "text"])
def test_a_file_that_is_no_whole_video_is_an_error_that_names_it(
    kind: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.mp4"
    if kind == "sound alone":
        hum(bad)
    else:
        bad.write_bytes(
            {"empty": b"", "cut": video.read_bytes()[:-300], "text": b"progress: 100%"}[kind]
        )
    out = tmp_path / "out"
    assert cli.main(["score", str(bad), "--goal", "open the drawer", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "bad.mp4" in said.replace("\n", "") and "Traceback" not in said and not out.exists()


@pytest.fixture
def critic(tmp_path: Path) -> Path:
    how = FitConfig(
        critic=CriticConfig("ridge"), encoder=EncoderConfig("mini"), fps=5.0, calibrate=False
    )
    films = [
        demonstration(kind, row, 12, size=(32, 48))
        for kind in ("success", "failure")
        for row in range(2)
    ]
    return fit_critic(films, how).critic.save_pretrained(tmp_path / "critic")


def test_a_critic_scores_what_it_was_fitted_to_at_the_rate_that_it_was_fitted_to(
    video: Path, critic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def frames(out: str, *words: str) -> list[int]:
        given = [
            "score",
            str(video),
            "--reward",
            str(critic),
            "--no-video",
            "--out",
            str(tmp_path / out),
            *words,
        ]
        assert cli.main(given) == 0
        return [
            json.loads(line)["frame"]
            for line in (tmp_path / out / "ramp.ridge.jsonl").read_text().splitlines()
        ]

    assert frames("own") == sample_video(video, fps=5).indices.tolist()
    assert f"“{PUSH}”, about 5 frames of each second" in capsys.readouterr().out
    assert frames("asked", "--fps", "10", "--goal", "open it") == list(range(FRAMES))
    assert "“open it”, about 10 frames" in capsys.readouterr().out


@pytest.mark.parametrize("sentences", [[], ["open it", "close it"]])
def test_without_one_sentence_of_its_own_a_critic_asks_for_it(
    sentences: list[str], video: Path, critic: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = json.loads((critic / "config.json").read_text())
    config["recipe"]["sentences"] = sentences
    (critic / "config.json").write_text(json.dumps(config))
    assert cli.main(["score", str(video), "--reward", str(critic)]) == 2
    said = capsys.readouterr().err
    assert "--instruction" in said and all(repr(sentence) in said for sentence in sentences)
    assert cli.main(["score", str(video)]) == 2
    assert "reward 'mini' needs a sentence" in capsys.readouterr().err


def test_a_judge_scores_several_videos_and_its_abstentions_are_said(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = video.rename(tmp_path / "first.mp4").with_name("second.mp4")
    again.write_bytes((tmp_path / "first.mp4").read_bytes())
    words = [
        "score",
        str(tmp_path / "first.mp4"),
        str(again),
        "--goal",
        "open it",
        "--fps",
        "2",
        "--no-video",
    ]
    words += ["--out", str(tmp_path / "out"), "--reward", "roboreward", "--reward.max-frames", "2"]
    judge = str(tiny_vlm(tmp_path / "judge"))
    assert cli.main([*words, "--judge.model", judge, "--judge.min-prob-mass", "0"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("questions with up to") < printed.index("abstained")
    assert "6 frames, 0 abstained" in printed
    assert cli.main([*words, "--judge.model", judge, "--judge.min-prob-mass", "0.99"]) == 1
    assert "no score over 6 frames, 6 abstained" in capsys.readouterr().out
    table = table_of(tmp_path / "out" / "roboreward_progress.parquet").to_pydict()
    assert (
        set(table["episode_index"]) == {0, 1}
        and sum(not np.isnan(x) for x in table["progress_sparse"]) == 12
    )
    assert np.isnan(
        table_of(tmp_path / "out" / "roboreward_progress-2.parquet").to_pydict()["progress_sparse"]
    ).all()


def test_a_reward_stands_beside_its_nulls(video: Path) -> None:
    compared = compare(Brightness(), [sample_video(video)], "glow", "be dark")
    names = [row.name for row in compared.rows]
    assert names == ["brightness", "clock", "static", "last frame", "blank", "wrong instruction"]
    order = {row.name: row.spearman.value for row in compared.rows}
    assert order["brightness"] == pytest.approx(1.0) and order["clock"] == pytest.approx(1.0)
    assert compared.table()[0][0] == "brightness"
    assert compared.curve_metrics["cycle_voc"].value == pytest.approx(1.0)
    assert compared.curve_metrics["kendall_tau_a"].value == pytest.approx(1.0)


def test_rewards_are_compared_pair_by_pair_and_over_several_videos(video: Path) -> None:
    videos = [sample_video(video), sample_video(video)]
    first = compare(Brightness(), videos, "glow", "be dark")
    second = compare(Clock(), videos, "glow", "be dark")
    (row,) = agreement_table([first, second])
    assert row == ["brightness, clock", "1.000", "1.000", "0.500"]
    cells = first.curve_table()
    assert (cells["VOC IQM"], cells["CI low"], cells["CI high"]) == ("1.000", "1.000", "1.000")
    alone = compare(Brightness(), videos[:1], "glow", "be dark")
    assert alone.curve_table()["CI low"] == "–"


def test_a_user_compares_rewards_on_the_same_videos(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.main(
            ["compare", str(video), "--goal", "open the drawer", "--out", str(tmp_path / "out")]
        )
        == 0
    )
    assert "wrong instruction" in capsys.readouterr().out
    content = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert (
        content[0]["reward"]["name"] == "mini" and len(content[0]["videos"][0]["scores"]) == FRAMES
    )


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("--rewards mini --clip.alpha 1", "unknown option --clip.alpha"),
        ("--rewards mini --x 1", "unknown option --x"),
        ("--rewards mini mini", "expected different names"),
    ],
)
def test_an_option_of_no_compared_reward_is_refused(
    typed: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", "film.mp4", "--instruction", "go", *typed.split()]) == 2
    assert complaint in capsys.readouterr().err


def test_a_reward_that_needs_a_picture_of_the_goal_says_so() -> None:
    class Picture(Clock):
        @property
        def spec(self) -> RewardSpec:
            return RewardSpec(
                name="picture",
                low=0,
                high=1,
                context=1,
                causal=True,
                needs_goal_image=True,
                predicts_success=False,
                paper="none",
            )

    frames = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(InvalidInputError, match="--goal-image"):
        score_video(Picture(), SampledVideo(Path("x.mp4"), frames, np.arange(2), 5.0), "glow")
