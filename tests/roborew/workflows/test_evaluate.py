"""A verdict holds what the simulator says, beside a random and a scripted policy; a film shows what
was paid."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import roborew
from roborew.cli import main
from roborew.data import video_info
from roborew.errors import InvalidInputError
from roborew.evaluation import LABELS, Evaluation
from roborew.storage.run import RunDirectory
from roborew.workflows import record
from roborew.workflows.evaluate import (
    FIRST_SEED,
    evaluate_run,
    evaluation_seeds,
    read_summary,
    write_evaluation,
)
from roborew.workflows.parts import AgentConfig, RewardConfig
from roborew.workflows.record import record_run
from roborew.workflows.train.command import command
from roborew.workflows.train.config import EnvConfig, EvaluationConfig, TrainConfig
from roborew.workflows.train.loop import start, train
from tests.roborew.ascent import ENV, HORIZON, ROLLOUT, heights, random_mini  # noqa: F401

TINY = TrainConfig(
    env=EnvConfig(ENV),
    instruction="climb",
    reward=RewardConfig("height"),
    total_timesteps=2 * ROLLOUT,
    num_envs=8,
)
PROMISED = {
    "environment", "instruction", "reward", "agent", "seed", "steps", "minutes", "sps", "true_success",
    "true_success_ci_low", "true_success_ci_high", "episodes", "random_success", "expert_success", "false_success_rate",
}  # fmt: skip


def trained(config: TrainConfig, path: Path) -> RunDirectory:
    with start(config, path) as run:
        train(run)
    return RunDirectory.open(path)


def test_a_summary_holds_every_promised_figure(tmp_path: Path) -> None:
    summary = evaluate_run(trained(TINY, tmp_path / "run"), episodes=20).summary()
    assert summary.keys() >= PROMISED
    assert (
        summary["episodes"] == 20
        and summary["steps"] == 2 * ROLLOUT
        and summary["instruction"] == "climb"
    )
    assert (
        0
        <= summary["true_success_ci_low"]
        <= summary["true_success"]
        <= summary["true_success_ci_high"]
        <= 1
    )
    assert (
        summary["expert_success"] is summary["expert_return"] is summary["cloning_return"] is None
        and summary["limit_beside_expert"] is summary["limit_beside_cloning"] is None
    )
    assert summary["true_return"] is summary["true_return_ci_low"] is None


def test_judging_twice_gives_the_same_episodes(tmp_path: Path) -> None:
    run = trained(TINY, tmp_path / "run")
    first, second = evaluate_run(run, 10), evaluate_run(run, 10)
    assert [e.progress for e in first.agent.episodes] == [e.progress for e in second.agent.episodes]
    assert first.random.true_success == second.random.true_success


def test_drawn_actions_are_the_same_ones_each_time_and_others_than_the_likeliest(
    tmp_path: Path,
) -> None:
    run = trained(TINY, tmp_path / "run")
    results = [evaluate_run(run, 10, stochastic) for stochastic in (True, True, None)]
    explored, repeated, likeliest = (
        [episode.progress for episode in result.agent.episodes] for result in results
    )
    assert explored == repeated != likeliest
    assert [result.summary()["stochastic"] for result in results] == [True, True, False]
    write_evaluation(run, results[0])
    assert "drawn from its policy" in (run.path / "report.html").read_text()


def test_an_agent_that_is_evaluated_by_a_policy_of_its_own_draws_nothing(tmp_path: Path) -> None:
    config = replace(
        TINY, agent=AgentConfig("sb3-ppo"), evaluation=EvaluationConfig(stochastic=True)
    )
    with pytest.raises(InvalidInputError, match="sb3-ppo are not drawn"):
        start(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_episode_ends_at_a_predicted_success_unless_the_detector_is_off(tmp_path: Path) -> None:
    result = evaluate_run(
        trained(replace(TINY, num_envs=32, total_timesteps=9000), tmp_path / "run"), episodes=20
    )
    assert result.agent.predicted_successes > 0
    claimed = [
        episode for episode in result.agent.episodes if episode.predicted_success_step is not None
    ]
    assert all(episode.length == episode.predicted_success_step for episode in claimed)
    assert min(episode.length for episode in claimed) < HORIZON
    assert all(episode.length == HORIZON for episode in result.without_detector.episodes)
    assert (
        result.summary()["predicted_success_precision"]
        == 1 - result.agent.false_successes / result.agent.predicted_successes
    )


def test_judged_starts_are_no_training_starts() -> None:
    assert min(evaluation_seeds(100)) >= FIRST_SEED > 2**31 + 10_000
    with pytest.raises(InvalidInputError, match="at least 1"):
        evaluation_seeds(0)


def test_what_is_written_stands_beside_older_files(tmp_path: Path) -> None:
    run = trained(TINY, tmp_path / "run")
    result = evaluate_run(run, 5)
    first = write_evaluation(run, result)
    before = first.report.read_bytes()
    second = write_evaluation(run, result)
    assert (first.report.name, second.report.name) == ("report.html", "report-2.html")
    assert (first.evaluation.name, second.evaluation.name) == (
        "evaluation.json",
        "evaluation-2.json",
    )
    assert first.report.read_bytes() == before
    content = json.loads(second.evaluation.read_text())
    assert content["summary"]["episodes"] == len(content["agent"]["episodes"]) == 5
    page = second.report.read_text()
    assert command(run.config(TrainConfig)) in page and "climb" in page


@pytest.mark.parametrize(
    ("paid", "said"),
    [
        ({}, None),
        (
            {"refit": Path("demos"), "num_refits": 2},
            "--refit, 2 times.*the one place where truth enters",
        ),
        ({"reward": RewardConfig("oracle-dense")}, "paid by the simulator's truth"),
    ],
)
def test_a_report_says_where_truth_entered_the_reward(
    paid: dict[str, Any], said: str | None, tmp_path: Path
) -> None:
    run = trained(TINY, tmp_path / "run")
    result = evaluate_run(run, 1)
    result = replace(result, trained=replace(result.trained, config=replace(TINY, **paid)))
    page = unescape(write_evaluation(run, result).report.read_text())
    assert bool(re.search(said or "truth enters|simulator's truth", page)) == (said is not None)


def test_a_run_without_a_checkpoint_cannot_be_judged(tmp_path: Path) -> None:
    start(TINY, tmp_path / "run").close()
    with pytest.raises(InvalidInputError, match="no checkpoint yet"):
        evaluate_run(RunDirectory.open(tmp_path / "run"))


def test_a_real_task_has_an_expert_and_nulls_and_its_film_is_drawn_for_viewers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "VIEWER_OPTIONS", {"width": 160, "height": 120, "quality": "fast"})
    config = TrainConfig(
        env=EnvConfig("roborew/Press-v0"),
        reward=RewardConfig(str(random_mini(tmp_path / "weights"))),
        total_timesteps=128,
        num_envs=8,
    )
    run = trained(config, tmp_path / "run")
    result = evaluate_run(run, 2)
    assert result.expert is not None and result.expert.true_success == 1.0
    assert [row.name for row in result.sanity_baselines] == [
        "mini", "clock", "static", "last frame", "blank", "wrong instruction",
    ]  # fmt: skip
    (film,) = record_run(run, 1)
    info = video_info(film)
    held = round(info.fps)
    assert info.comment == "drawing=fast"
    assert info.width == 480 and info.frames == result.agent.episodes[0].length + 1 + held
    assert (
        "episode-1.mp4, at half speed, drawing=fast"
        in write_evaluation(run, result).report.read_text()
    )


def test_an_environment_of_others_is_filmed_as_it_was_scored_and_never_over_an_older_film(
    tmp_path: Path,
) -> None:
    run = trained(TINY, tmp_path / "run")
    films = record_run(run, 2) + record_run(run, 1)
    assert [film.name for film in films] == ["episode-1.mp4", "episode-2.mp4", "episode-1-2.mp4"]
    assert all(video_info(film).comment == "drawing=by the environment" for film in films)


def test_a_written_evaluation_can_be_read_back(tmp_path: Path) -> None:
    config = TrainConfig(
        env=EnvConfig("roborew/Press-v0"),
        reward=RewardConfig("oracle-dense"),
        total_timesteps=128,
        num_envs=8,
    )
    run = trained(config, tmp_path / "run")
    result = evaluate_run(run, 3)
    content = json.loads(write_evaluation(run, result).evaluation.read_text())
    assert Evaluation.from_json(json.dumps(content["agent"])) == result.agent
    # Where the truth pays, no reward could be at fault.
    assert content["diagnoses"] == {}


def test_the_learned_reward_is_measured_against_the_truth(tmp_path: Path) -> None:
    config = TrainConfig(
        env=EnvConfig("roborew/Press-v0"),
        reward=RewardConfig(str(random_mini(tmp_path / "weights"))),
        total_timesteps=128,
        num_envs=8,
    )
    run = trained(config, tmp_path / "run")
    result = evaluate_run(run, 2)
    assert set(result.reward_metrics) == set(LABELS)
    summary = result.full_summary()
    assert set(LABELS) <= set(summary)
    assert summary["false_success_ci_low"] <= result.agent.false_success_rate
    assert summary["brier"] is not None
    written = write_evaluation(run, result)
    page = written.report.read_text()
    assert all(label in page for label in LABELS.values())
    diagnosis = result.diagnoses()["expert"]
    assert diagnosis.truth.mean == -1 and summary["limit_beside_expert"] == diagnosis.limit
    assert diagnosis.sentence("the expert") in page
    diagnoses = json.loads(written.evaluation.read_text())["diagnoses"]
    assert diagnoses["expert"]["pay"]["mean"] == pytest.approx(diagnosis.pay.mean)


def test_a_summary_of_an_earlier_release_is_read_under_todays_names(tmp_path: Path) -> None:
    old = {"goal": "climb", "order_correlation": 0.5, "false_claim_rate": 0.25, "seed": 3}
    (tmp_path / "summary.json").write_text(json.dumps(old))
    assert read_summary(tmp_path) == {
        "instruction": "climb",
        "spearman_per_episode": 0.5,
        "false_success_rate": 0.25,
        "seed": 3,
    }


def test_an_evaluation_of_an_earlier_release_is_read(tmp_path: Path) -> None:
    result = evaluate_run(trained(TINY, tmp_path / "run"), 2)
    content = json.loads(result.agent.to_json())
    for episode in content["episodes"]:
        episode["claims"] = episode.pop("predicted_success")
    old = Evaluation.from_json(json.dumps(content))
    predicted = [episode.predicted_success for episode in result.agent.episodes]
    assert [episode.predicted_success for episode in old.episodes] == predicted


def test_a_run_from_python_is_written_as_the_command_writes_it(tmp_path: Path) -> None:
    config = replace(TINY, total_timesteps=ROLLOUT, evaluation=EvaluationConfig(episodes=2))
    finished = roborew.train(config, tmp_path / "python")
    settings = str(tmp_path / "python" / "config.json")
    assert main(["train", "--config", settings, "--out", str(tmp_path), "--name", "typed"]) == 0
    summaries = [read_summary(tmp_path / name) for name in ("python", "typed")]
    for summary in summaries:
        del summary["minutes"], summary["sps"]  # of the clock
    assert summaries[0] == summaries[1]
    assert read_summary(finished.path)["sps"] == finished.summary["sps"]
    names = [{file.name for file in (tmp_path / name).iterdir()} for name in ("python", "typed")]
    assert names[0] == names[1]
