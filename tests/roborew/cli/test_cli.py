"""What a user types: the whole way in one command, one clear line for each mistake, and nothing
lost at Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tyro

import roborew
from roborew import cli
from roborew.cli.flags import OLD_FLAGS, flags_of
from roborew.cli.parse import parse_command
from roborew.registry import rewards
from roborew.storage.run import RunDirectory
from roborew.workflows.parts import ORACLE_REWARDS, TAUGHT_REWARDS, AgentConfig
from roborew.workflows.train import logger
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.logger import Status
from roborew.workflows.trained import load_trained
from tests.roborew.ascent import ENV, ROLLOUT, heights  # noqa: F401

WORLD = [
    "--env",
    ENV,
    "--instruction",
    "climb",
    "--reward",
    "height",
    "--num-envs",
    "8",
    "--total-timesteps",
    str(2 * ROLLOUT),
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def test_train_evaluate_and_record_make_a_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", *WORLD, "--json"]) == 0
    path = Path("runs/ascent-v0-height-ppo-1")
    output, said = capsys.readouterr()
    summary = json.loads((path / "summary.json").read_text())
    assert json.loads(output) == summary and output.count("\n") == 1
    assert summary["episodes"] == 100 and summary["steps"] == 2 * ROLLOUT
    assert f"report: {path / 'report.html'}" in said
    assert cli.main(["evaluate", str(path), "--episodes", "5"]) == 0
    assert cli.main(["record", str(path), "--episodes", "2"]) == 0
    assert {"evaluation-2.json", "report-2.html"} <= {file.name for file in path.iterdir()}
    assert len(list((path / "videos").glob("*.mp4"))) == 2
    assert json.loads((path / "summary.json").read_text()) == summary


def test_a_second_run_takes_the_next_free_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert [cli.main(["train", *WORLD]) for _ in range(2)] == [0, 0]
    assert len(list(Path("runs").iterdir())) == 2


def test_demo_ends_with_the_summary_and_the_paths_of_report_and_video(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["demo", *WORLD]) == 0
    *_, summary, report, first, second, third = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"ppo: true success .* of 100 episodes \(95 % CI .*\), random .*", summary)
    assert (
        report == "report: runs/demo-1/report.html"
        and first == "video 1: runs/demo-1/videos/episode-1.mp4"
    )
    assert all(Path(line.split(": ")[1]).is_file() for line in (report, first, second, third))
    assert Path("runs/demo-1/report.html").read_text().count("<video") == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--env", "roborew/Pres-v0"], "Did you mean 'roborew/Press-v0'"),
        (["train", *WORLD, "--reward", "mine"], "Did you mean 'mini'"),
        (["train", *WORLD, "--agent", "pppo"], "Available: bc, iql, ppo, residual, sac"),
        (["train", *WORLD, "--goal", ""], "1 to 512 printable characters"),
        (["train", *WORLD, "--seed", "-1"], "seed: expected a whole number from 0 up"),
        (["train", *WORLD, "--name", "taken"], "never overwritten"),
        (["train", *WORLD, "--reward", "broken"], "NaN"),
        (["train", "--resume", "nowhere"], "is no run"),
        (
            ["train", "--resume", "nowhere", "--total-timesteps", "5"],
            "takes all settings from the run",
        ),
        (["evaluate", "nowhere"], "expected a folder made by"),
        (["record", "nowhere"], "expected a folder made by"),
    ],
)
def test_a_mistake_is_one_clear_line_and_no_traceback(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("runs/taken").mkdir(parents=True)
    assert cli.main(words) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("roborew: ") and said in complaint.splitlines()[0]
    assert "Traceback" not in complaint


def test_debug_shows_where_an_error_came_from() -> None:
    with pytest.raises(KeyError, match="unknown reward"):
        cli.main(["train", *WORLD, "--reward", "mine", "--debug"])


def test_an_error_of_gymnasium_is_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import gymnasium

    def refuse(*arguments: Any) -> None:
        raise gymnasium.error.ResetNeeded("call reset() first")

    monkeypatch.setattr("roborew.workflows.train.loop.start", refuse)
    assert cli.main(["train", *WORLD]) == 2
    assert capsys.readouterr().err == "roborew: call reset() first\n"


@pytest.mark.parametrize("words", [["list", "robots"], ["train", "--seed", "x"], []])
def test_what_cannot_be_parsed_exits_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(words)
    assert exit_.value.code == 2


COMMANDS = cli.COMMANDS
NEEDED = {
    "fit": ["films"],
    "score": ["film.mp4", "--instruction", "go"],
    "compare": ["film.mp4", "--instruction", "go"],
}
SETTINGS = [
    ("train", "--reward clip --reward.alpha 0.5", "'alpha': 0.5"),
    ("train", "--reward clip --reward.alpha=0.5", "'alpha': 0.5"),
    ("train", "--agent.gae-lambda 0.9 --agent.init-std 0.4", "'gae_lambda': 0.9, 'init_std': 0.4"),
    ("train", "--agent.normalize-rewards", "'normalize_rewards': True"),
    ("train", "--agent sb3-sac --agent.gamma 1", "name='sb3-sac', options={'gamma': 1.0}"),
    ("train", "--reward topreward --judge.model tiny", "'judge.model': 'tiny'"),
    ("demo", "--shaping potential --shaping.scale 2", "kind='potential', scale=2.0"),
    ("train", "--success-detector.threshold 0.8", "threshold=0.8"),
    ("train", "--cameras side front", "cameras=('side', 'front')"),
    ("train", "--env.cameras side", "cameras=('side',)"),
    ("train", "--observations pixels --frame-stack 3", "kind='pixels', frame_stack=3"),
    ("train", "--observations both --observations.cameras wrist", "cameras=('wrist',), shrink"),
    ("train", "--goal climb", "instruction='climb'"),
    ("fit", "--critic.steps 400 --encoder mini", "options={'steps': 400}"),
    ("fit", "--encoder.steps 3 --cameras all", "cameras=('all',)"),
    ("score", "--reward clip --reward.dtype float32", "options={'dtype': 'float32'}"),
    ("compare", "--rewards mini clip --clip.alpha 0.5", "'alpha': 0.5"),
]


@pytest.mark.parametrize(("command", "typed", "expected"), SETTINGS)
def test_a_dotted_setting_reaches_its_part(command: str, typed: str, expected: str) -> None:
    words = [command, *NEEDED.get(command, []), *typed.split()]
    assert expected in repr(parse_command(COMMANDS, words))


WRONG = [
    ("train", "--agent.gae-lamda 0.9", "did you mean --agent.gae-lambda? (agent ppo)"),
    ("train", "--agent.weights x", "did you mean --reward.weights? (reward mini)"),
    ("train", "--agent sb3-ppo --agent.init-std 1", "agent sb3-ppo has n-steps, batch-size"),
    ("train", "--success-detector.treshold 1", "did you mean --success-detector.threshold?"),
    ("train", "--stepps 5", "unknown option --stepps"),
    ("train", "--agent.gamma much", "--agent.gamma: expected float; got 'much'"),
    ("train", "--agent.gamma 1 --agent.gamma 1", "--agent.gamma: given twice"),
    ("train", "--judge.model x", "unknown option --reward.judge.model"),
    (
        "train",
        "--reward topreward --judge.modle x",
        "did you mean --reward.judge.model? (reward topreward)",
    ),
    ("train", "--shaping.gamma 0.9", "only --shaping potential uses it"),
    ("train", "--frame-stack 3", "choose --observations pixels or both"),
    ("train", "--reward oracle-dense --shaping raw", "pays the simulator's truth"),
    ("train", "--reward oracle-dense --success-detector.bonus 2", "pays the simulator's truth"),
    ("train", "--num-refits 2", "name demonstrations: --refit"),
    ("fit", "--critic.stps 3", "did you mean --critic.steps? (critic robometer)"),
    ("compare", "--rewards clip --clip.alpa 1", "did you mean --clip.alpha? (reward clip)"),
]


@pytest.mark.parametrize(("command", "typed", "complaint"), WRONG)
def test_an_option_that_nothing_honors_is_one_line_that_says_what_was_meant(
    command: str, typed: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, *NEEDED.get(command, []), *typed.split()]) == 2
    lines = capsys.readouterr().err
    assert lines.startswith("roborew: ") and complaint in lines.splitlines()[0]


OLD = [(command, flag) for command, flags in OLD_FLAGS.items() for flag in flags]


@pytest.mark.parametrize(("command", "flag"), OLD)
def test_an_old_flag_is_answered_with_the_new_one_which_exists(
    command: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new = OLD_FLAGS[command][flag]
    assert cli.main([command, *NEEDED.get(command, []), flag, "x"]) == 2
    assert f"{flag} is called {new} now" in capsys.readouterr().err
    flags = flags_of(command, COMMANDS[command], [])
    group = new.removeprefix("--").partition(".")[0]
    assert new in flags.plain or group in flags.parts or group == "REWARD"


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.filterwarnings("ignore:get_parser:DeprecationWarning")
def test_every_flag_that_tyro_reads_is_known(command: str) -> None:
    parser: Any = tyro.extras.get_parser(COMMANDS[command])
    read = {flag for action in parser._actions for flag in action.option_strings}
    assert read - {"-h"} <= flags_of(command, COMMANDS[command], []).plain


def test_the_settings_of_a_part_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["train", "--agent.help"])
    assert exit_.value.code == 0
    listed = capsys.readouterr().out
    assert "--agent.gae-lambda" in listed and "0.9" in listed and "advantage estimation" in listed


def test_a_run_begins_with_the_settings_of_another_and_flags_override_them() -> None:
    assert cli.main(["train", *WORLD, "--name", "first", "--agent.gamma", "0.9"]) == 0
    words = ["train", "--config", "runs/first/config.json", "--seed", "3", "--name", "second"]
    assert cli.main(words) == 0
    first, second = (
        RunDirectory.open(f"runs/{name}").config(TrainConfig) for name in ("first", "second")
    )
    assert second == replace(first, seed=3) and second.agent.options["gamma"] == 0.9
    command: Any = parse_command(COMMANDS, [*words[:3], "--agent", "sb3-sac"])
    assert command.config.agent == AgentConfig("sb3-sac")
    assert cli.main(["train", "--config", "nowhere.json"]) == 2


def interrupt_at(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    note = logger.TrainLogger.note

    def noted(self: Any, report: Any) -> Status:
        if report.steps == steps:
            signal.raise_signal(signal.SIGINT)
        return note(self, report)

    monkeypatch.setattr(logger.TrainLogger, "note", noted)


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(ROLLOUT, patch)
        assert cli.main(["train", *WORLD, "--name", "mine"]) == 130
    said = capsys.readouterr().out
    assert f"stopped after {ROLLOUT:,} steps" in said and "roborew train --resume runs/mine" in said
    assert not Path("runs/mine/summary.json").exists()
    assert cli.main(["train", "--resume", "runs/mine"]) == 0
    assert load_trained(RunDirectory.open("runs/mine")).steps == 2 * ROLLOUT
    assert cli.main(["train", "--resume", "runs/mine"]) == 2
    assert "is finished" in capsys.readouterr().err


def test_ctrl_c_while_judging_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("roborew.workflows.evaluate.evaluate_run", interrupted)
        assert cli.main(["train", *WORLD, "--name", "mine"]) == 130
    assert "roborew train --resume runs/mine" in capsys.readouterr().err
    assert cli.main(["train", "--resume", "runs/mine"]) == 0
    assert Path("runs/mine/summary.json").exists()


def test_the_figures_are_one_line_of_json_where_that_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for words in (["list", "agents", "--json"], ["check", "mini", "--kind", "reward", "--json"]):
        assert cli.main(words) == 0
        output = capsys.readouterr().out
        assert json.loads(output) and output.count("\n") == 1


def test_every_reward_has_an_example_in_the_list_and_in_its_own_errors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["list", "rewards"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # One line an entry, in a pipe.
    assert len(lines) == len(rewards) + len(ORACLE_REWARDS) + len(TAUGHT_REWARDS)
    ours = {name: entry for name, entry in rewards.items() if "roborew.rewards" in entry.target}
    assert len(ours) >= 10
    for name, entry in ours.items():
        line = next(line for line in lines if line.startswith(f"{name} "))
        assert entry.example.startswith(f"--reward {name}") and entry.example in line
    assert cli.main(["score", "a.mp4", "--goal", "go", "--reward", "topreward"]) == 2
    complaint = capsys.readouterr().err
    assert "missing a required argument: 'model'" in complaint
    assert f"For example: {rewards['topreward'].example}" in complaint


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"roborew {roborew.__version__}\n"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("envs", ["roborew/Press-v0", "roborew/Cheetah-v0"]),
        ("rewards", ["mini", "oracle-dense", "oracle-sparse"]),
        ("agents", ["ppo", "sb3-ppo", "sb3-sac"]),
        ("critics", ["robometer", "temporal_ot", "arXiv:2410.21795"]),
        ("encoders", ["conv", "mini", "tower"]),
    ],
)
def test_list_names_what_there_is(
    kind: str, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", kind]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in names)


README = (Path(__file__).parents[3] / "README.md").read_text()


def helped(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The help of a command, in one line without its frame."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "100")  # groups stand below each other
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
    return " ".join(re.sub("[^ -~]", " ", capsys.readouterr().out).split())


def test_help_and_readme_say_that_a_refreshment_reads_the_truth(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = "labelled with what the simulator says of them, see --refit-labels: the one place where truth"
    assert told in helped("train", capsys) and "the simulator's progress and success" in " ".join(
        README.split()
    )


def test_whatever_help_and_readme_say_can_be_listed_is_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    helps = " ".join(helped(command, capsys) for command in COMMANDS)
    named = re.findall(r"roborew list ([a-z]+)", f"{helps} {README}")
    named += re.findall(r"`list ([a-z]+)`", README)
    assert {"critics", "encoders", "rewards"} <= set(named)
    for kind in sorted(set(named)):
        assert cli.main(["list", kind]) == 0 and capsys.readouterr().out.strip()


def test_reading_a_command_line_loads_no_network_and_no_simulator() -> None:
    script = "import sys; from roborew import cli; print(*(m for m in sys.modules if '.' not in m))"
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    ).stdout.split()
    assert not {"torch", "mujoco", "matplotlib", "stable_baselines3"} & set(loaded)
