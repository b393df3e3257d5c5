"""``roborew collect``: the tasks' own behaviors as data sets, told truly, and made once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roborew import cli
from roborew.data.lerobot import open_lerobot
from roborew.data.reading import read_demonstrations
from roborew.data.video import iter_timestamped
from roborew.errors import InvalidInputError, RunExistsError, UnknownNameError
from roborew.workflows.collect import CollectConfig, sources
from roborew.workflows.collect.collect import FIRST_SEED, CollectStatus, collect_demonstrations
from roborew.workflows.collect.sources import GRADES, TaskSource
from roborew_envs import make_task
from roborew_envs.core.task import Task
from roborew_envs.experts.rollout import collect_episodes
from roborew_envs.rendering.renderer import Renderer
from tests.roborew.data.killed import content

ENV = "roborew/Press-v0"
SMALL = CollectConfig(
    behaviors=("expert", "stall"),
    episodes=3,
    width=32,
    height=24,
    codec="lossless",
    format="folder",
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collect_demonstrations(ENV, SMALL, tmp_path_factory.mktemp("demos") / "press")


def test_a_set_shows_exactly_what_the_simulator_did(small: Path) -> None:
    found, task = read_demonstrations(small), make_task(ENV)
    assert [one.name for one in found] == [
        f"press-v0-{name}-{n:06d}" for name in ("expert", "stall") for n in range(3)
    ]
    with Renderer(task.model, 32, 24) as renderer:
        for one, episode in zip(
            found, [e for name in ("expert", "stall") for e in played(task, name)], strict=True
        ):
            np.testing.assert_array_equal(one.progress, episode.progress.astype(np.float32))
            np.testing.assert_array_equal(one.success, episode.success)
            assert one.stages == episode.stage_spans and one.onset == episode.failure_onset
            assert one.instruction == task.instruction
            assert (one.paraphrases, one.wrong_instructions) == (
                task.paraphrases,
                task.wrong_instructions,
            )
            drawn = renderer.render(episode.qpos, "front", task.visual_overrides(episode.qpos))
            np.testing.assert_array_equal(one.video(), drawn)
    assert [one.succeeded for one in found] == [True] * 3 + [False] * 3
    assert {one.quality for one in found} <= {"success", "failure", "partial"}


def played(task: Any, behavior: Any, count: int = 3) -> Any:
    return collect_episodes(task, behavior, range(FIRST_SEED, FIRST_SEED + count))


def test_behaviors_start_alike_and_seeds_start_apart(small: Path, tmp_path: Path) -> None:
    found = read_demonstrations(small)
    np.testing.assert_array_equal(found[0].video()[0], found[3].video()[0])
    other = CollectConfig(**{**vars(SMALL), "behaviors": ("expert",), "episodes": 1, "seed": 1})
    (apart,) = read_demonstrations(collect_demonstrations(ENV, other, tmp_path / "set"))
    assert (apart.video()[0] != found[0].video()[0]).any()


def test_rows_of_a_lerobot_set_say_what_their_action_brought(tmp_path: Path) -> None:
    config = CollectConfig(
        **{
            **vars(SMALL),
            "format": "lerobot",
            "behaviors": ("expert",),
            "cameras": ("front", "wrist"),
        }
    )
    opened = open_lerobot(collect_demonstrations(ENV, config, tmp_path / "set"))
    assert opened.info.cameras == ("observation.images.front", "observation.images.wrist")
    for number, episode in enumerate(played(make_task(ENV), "expert")):
        row = opened.columns(number)
        np.testing.assert_array_equal(row["observation.state"], episode.observations)
        np.testing.assert_array_equal(row["action"][:-1], episode.actions.astype(np.float32))
        np.testing.assert_array_equal(row["action"][-1], row["action"][-2])
        np.testing.assert_allclose(
            np.cumsum(row["next.reward"])[:-1], np.diff(episode.progress).cumsum(), atol=1e-6
        )
        assert row["next.reward"][-1] == 0
        np.testing.assert_array_equal(row["next.success"][:-1], episode.success[1:])
        assert row["next.done"].tolist() == [False] * (len(row["progress"]) - 1) + [True]
        assert opened.episodes[number].row["quality"] == GRADES[row["grade"][0]]
    legends = {
        name: about["info"]["roborew.values"]
        for name, about in opened.info.features.items()
        if name in ("stage", "grade")
    }
    assert legends == {"stage": list(make_task(ENV).stages), "grade": list(GRADES)}


def test_a_rate_that_is_no_whole_number_is_true_in_a_folder_and_rounded_and_stated_for_lerobot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Task, "fps", 200 / 3)
    config = {**vars(SMALL), "behaviors": ("expert",), "episodes": 2}
    folder = collect_demonstrations(ENV, CollectConfig(**config), tmp_path / "folder")
    lerobot = collect_demonstrations(
        ENV, CollectConfig(**config | {"format": "lerobot"}), tmp_path / "lerobot"
    )
    for path, fps in ((folder, 200 / 3), (lerobot, 67)):
        for one in read_demonstrations(path):
            assert one.fps == pytest.approx(fps) and len(one.video()) == one.length
    (video,) = (folder / "videos").glob("*000000*.mp4")
    assert [time for time, _ in iter_timestamped(video)][:4] == pytest.approx(
        [0, 3 / 200, 6 / 200, 9 / 200], abs=1e-6
    )
    about = open_lerobot(lerobot).info.features["observation.images.front"]["info"]
    assert (about["video.fps"], about["roborew.fps"]) == (67, pytest.approx(200 / 3))


def stop_after(count: int) -> Any:
    def observe(status: CollectStatus) -> None:
        if status.done == count:
            raise KeyboardInterrupt

    return observe


@pytest.mark.parametrize("after", [1, 3, 4])
def test_an_interrupted_set_goes_on_to_the_same_end(
    small: Path, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the middle of a block, whose script draws for all its episodes together."""
    with pytest.raises(KeyboardInterrupt):
        collect_demonstrations(ENV, SMALL, tmp_path / "set", stop_after(after))
    drawn: list[int] = []
    monkeypatch.setattr(TaskSource, "frames", counting(TaskSource.frames, drawn))
    seen: list[CollectStatus] = []
    collect_demonstrations(ENV, SMALL, tmp_path / "set", seen.append)
    assert content(tmp_path / "set") == content(small)
    assert len(drawn) == 6 - after  # what is safe is not drawn again
    assert [(status.done, status.total) for status in seen] == [
        (done, 6) for done in range(after, 7)
    ]
    assert seen[0].behavior == ("expert" if after < 3 else "stall")


def test_a_set_begun_when_behaviors_were_spelled_otherwise_goes_on(
    small: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        collect_demonstrations(ENV, SMALL, tmp_path / "set", stop_after(1))
    (request,) = tmp_path.rglob("request.json")
    request.write_text(request.read_text().replace('"behaviors"', '"behaviours"'))
    collect_demonstrations(ENV, SMALL, tmp_path / "set")
    assert content(tmp_path / "set") == content(small)


def counting(draw: Any, calls: list[int]) -> Any:
    def call(*arguments: Any) -> Any:
        calls.append(1)
        return draw(*arguments)

    return call


def test_blocks_bound_what_is_held_in_memory(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def watched(task: Any, behavior: Any, seeds: Sequence[int]) -> Any:
        sizes.append(len(seeds))
        return collect_episodes(task, behavior, seeds)

    monkeypatch.setattr(TaskSource, "block_size", 2)
    monkeypatch.setattr(sources, "collect_episodes", watched)
    collect_demonstrations(ENV, SMALL, tmp_path / "set")
    assert sizes == [2, 1, 2, 1]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"behaviors": ("expert", "undo")}, "no behavior 'undo'. Available: expert, slow, stall"),
        ({"behaviors": ()}, "at least one behavior"),
        ({"behaviors": ("expert", "expert")}, "each once"),
        ({"cameras": ("moon",)}, "no camera 'moon'. Available: front"),
        ({"episodes": 0}, "1 to 1,000,000 episodes"),
        ({"seed": -1}, "a seed from 0 up"),
        ({"width": 0}, "frame size"),
        ({"quality": "best"}, "quality: got 'best'"),
        ({"codec": "vp9"}, "codec: got 'vp9'"),
        ({"width": 33, "codec": "h264"}, "33 x 24 pixels; h264 keeps even sides only"),
    ],
)
def test_what_cannot_be_recorded_is_said_and_leaves_the_place_free(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        collect_demonstrations(ENV, CollectConfig(**{**vars(SMALL), **changes}), tmp_path / "set")
    assert not any(path.is_file() for path in tmp_path.rglob("*/0*/*"))


def test_the_command_makes_a_set_says_how_far_it_is_and_makes_it_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "collect",
        ENV,
        "--behaviors",
        "expert",
        "hover",
        "--episodes",
        "2",
        "--width",
        "32",
        "--height",
        "24",
    ]
    assert cli.main([*words, "--out", "demos/press"]) == 0
    said = capsys.readouterr().out
    assert "0 of 4 episodes, expert" in said and "4 of 4 episodes, hover" in said
    assert said.splitlines()[-1] == "demonstrations: demos/press"
    info = json.loads(Path("demos/press/meta/info.json").read_text())
    assert info["total_episodes"] == 4
    assert cli.main([*words, "--out", "demos/press"]) == 0
    assert cli.main([*words, "--seed", "1", "--out", "demos/press"]) == 2
    assert "made for another request (seed: 0 there, 1 asked)" in capsys.readouterr().err


def test_another_request_never_takes_the_place_of_a_set(small: Path) -> None:
    with pytest.raises(RunExistsError, match="another request"):
        collect_demonstrations(ENV, CollectConfig(**{**vars(SMALL), "episodes": 4}), small)


def test_a_task_without_behaviors_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no behavior 'undo'"):
        collect_demonstrations(
            "roborew/Cheetah-v0", CollectConfig(behaviors=("undo",)), tmp_path / "set"
        )


def test_an_environment_that_does_not_exist_is_refused_with_its_like(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Push-v0"):
        collect_demonstrations("roborew/Psh-v0", SMALL, tmp_path / "set")


def test_a_goal_replaces_the_tasks_own_words(tmp_path: Path) -> None:
    config = CollectConfig(
        **{**vars(SMALL), "behaviors": ("expert",), "episodes": 1, "instruction": "light the lamp"}
    )
    (one,) = read_demonstrations(collect_demonstrations(ENV, config, tmp_path / "set"))
    assert one.instruction == "light the lamp"
    assert (
        not one.paraphrases and not one.wrong_instructions
    )  # the task's sentences may say something else


def test_a_set_of_a_paraphrase_knows_the_tasks_other_sentences_in_either_form(
    tmp_path: Path,
) -> None:
    task = make_task(ENV)
    for form in ("folder", "lerobot"):
        config = {
            **vars(SMALL),
            "behaviors": ("expert",),
            "episodes": 1,
            "instruction": task.paraphrases[2],
            "format": form,
        }
        (one,) = read_demonstrations(
            collect_demonstrations(ENV, CollectConfig(**config), tmp_path / form)
        )
        assert set(one.paraphrases) == {task.instruction, *task.paraphrases} - {task.paraphrases[2]}
        assert one.wrong_instructions == task.wrong_instructions
        assert "paraphrases" not in one.notes
