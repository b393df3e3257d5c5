"""From demonstrations to a critic in its folder and back, an ensemble too, and what its card
says."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from roborew import __version__
from roborew.checks.synthetic import PUSH, embedded_episode, progress_curve
from roborew.critics.calibration import Calibration
from roborew.critics.critic import Critic
from roborew.evaluation import Measure, cycle_voc, forward_and_reversed, score_curve
from roborew.learning.labels import progress_labels, success_labels
from roborew.types import Clip, Scores
from roborew.workflows.fit import FitConfig, Fitted, examples, fit_critic
from roborew.workflows.fit.critic_metrics import critic_metrics, evaluate_critic
from roborew.workflows.fit.model_card import card, write
from roborew.workflows.parts import CriticConfig, EncoderConfig
from tests.roborew.critics.films import demonstration


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    config = FitConfig(
        critic=CriticConfig(options={"steps": 12}),
        ensemble_size=2,
        encoder=EncoderConfig(options={"steps": 4, "batch": 8}),
    )
    told = [
        (kind, {"success": progress_curve(kind, 8) >= 1, "quality": kind})
        for kind in ("success", "undo")
    ]
    return fit_critic(
        [demonstration(kind, row, **known) for kind, known in told for row in range(5)], config
    )


def test_progress_is_learned_unless_told_otherwise() -> None:
    assert FitConfig().critic.name == "robometer" and FitConfig().ensemble_size == 1


def test_an_ensemble_is_kept_and_read_back_as_one(fitted: Fitted, tmp_path: Path) -> None:
    clip = Clip(frames=fitted.episode_frames[0].frames, instruction=PUSH)
    kept = Critic.from_pretrained(fitted.critic.save_pretrained(tmp_path / "critic"))
    one, other = (critic.score([clip])[0] for critic in (fitted.critic, kept))
    np.testing.assert_allclose(one.value, other.value, atol=1e-5)
    np.testing.assert_array_equal(one.valid, other.valid)
    assert kept.recipe["members"] == 2


def test_the_card_shows_the_critic_beside_its_sanity_baselines(fitted: Fitted) -> None:
    text = card(fitted, "tiny", "roborew fit tiny", evaluate_critic(fitted, fitted.split.test))
    told = (
        "Cycle-VOC",
        "Spearman (pooled)",
        "clock",
        "wrong instruction",
        "not calibrated",
        f"roborew {__version__}",
    )
    for word in (
        *told,
        "AUROC is of 1 successes and 1 failures",
        "steps=12",
        "steps=4, batch=8",
        "members 2",
    ):
        assert word in text


@pytest.mark.parametrize(("chance", "believed"), [(0.75, False), (0.95, True)])
def test_the_card_says_where_no_success_could_ever_be_believed(
    fitted: Fitted, chance: float, believed: bool
) -> None:
    ends = np.array([0.0, 1.0])
    critic = copy(fitted.critic)
    critic.calibration = Calibration(ends, ends, ends * chance)
    table = evaluate_critic(fitted, fitted.split.test)
    text = card(replace(fitted, critic=critic), "tiny", "roborew fit tiny", table)
    assert ("reaches 0.75 at most" in text) is not believed


def test_success_that_is_told_of_each_frame_is_learned_where_progress_is_not() -> None:
    films = [
        demonstration(kind, row, progress=None, success=progress_curve(kind, 8) >= 1)
        for kind in ("success", "failure")
        for row in range(3)
    ]
    config = FitConfig(critic=CriticConfig("ridge"), encoder=EncoderConfig("mini"), held_out=0)
    for example in fit_critic(films, config).examples:
        assert example.progress is not None and example.reached is not None
        np.testing.assert_array_equal(example.reached, example.progress == 1)
        assert example.reached.any() == bool(example.success)
        assert example.success or not example.progress.any()


def test_success_that_is_told_of_each_frame_counts_where_progress_is_told_too() -> None:
    """A body just before its line is not beyond it, though its progress is 0.96."""
    curve = np.array([0, 0.5, 0.96, 0.97, 1, 1, 0.96, 1], np.float32)
    films = [
        demonstration("success", row, progress=curve, success=curve == 1, succeeded=True)
        for row in range(3)
    ]
    config = FitConfig(critic=CriticConfig("ridge"), encoder=EncoderConfig("mini"), held_out=0)
    fitted = fit_critic(films, config)
    for example, episode in zip(fitted.examples, fitted.episode_frames, strict=True):
        np.testing.assert_array_equal(success_labels(example), curve == 1)
        np.testing.assert_array_equal(episode.success, curve == 1)
        np.testing.assert_array_equal(example.progress, curve)


def test_the_pooled_spearman_has_an_interval_and_abstentions_their_share(
    fitted: Fitted,
) -> None:
    table = evaluate_critic(fitted, fitted.split.test)
    row, clock = table["robometer"], table["clock"]
    low, order, high = (row[name].value for name in ("CI low", "Spearman (pooled)", "CI high"))
    assert low is not None and order is not None and high is not None and low <= order <= high
    assert clock["CI low"].value is None
    told = [
        Scores(np.zeros(4, np.float32), np.arange(4) < 1),
        Scores(np.zeros(4, np.float32), np.arange(4) < 2),
    ]
    examples = [embedded_episode("success", row, 4) for row in range(2)]
    assert critic_metrics(told, examples)["abstained"].value == 5 / 8


def test_the_folder_holds_a_picture_of_an_episode_of_each_kind_that_was_held_out(
    fitted: Fitted, tmp_path: Path
) -> None:
    write(fitted, tmp_path / "critic", "tiny", "roborew fit tiny")
    assert "](card.png)" in (tmp_path / "critic" / "card.md").read_text()
    with Image.open(tmp_path / "critic" / "card.png") as picture:
        assert picture.format == "PNG" and picture.height > 2 * 110 * 1.7
    few = fit_critic(
        [demonstration()], FitConfig(critic=CriticConfig("ridge"), encoder=EncoderConfig("mini"))
    )
    write(few, tmp_path / "few", "one", "roborew fit one")
    assert sorted(path.name for path in (tmp_path / "few").iterdir()) == [
        "card.md",
        "config.json",
        "model.safetensors",
    ]


def test_figures_tell_of_the_encoder_too_where_one_is_learned(fitted: Fitted) -> None:
    said: list[tuple[str, float]] = []
    films = [demonstration(kind, row) for kind in ("success", "undo") for row in range(2)]
    frozen = fit_critic(
        films,
        FitConfig(critic=CriticConfig(options={"steps": 2}), encoder=EncoderConfig("mini")),
        lambda *figure: said.append(figure),
    )
    assert np.isfinite(fitted.figures["encoder loss"]) and "member 2: loss" in fitted.figures
    assert set(frozen.figures) == {"loss"} and frozen.figures["loss"] == dict(said)["loss"]


def test_a_cycle_is_scored_with_its_history_so_that_a_clock_fails_it() -> None:
    example = embedded_episode("success", 0, 9)
    clip = Clip(frames=np.zeros((9, 4, 4, 3), np.uint8), instruction=PUSH)
    there = forward_and_reversed(clip, progress_labels(example))
    assert len(there.frames) == 2 * int(np.argmax(example.progress)) + 1
    clock = Scores(
        np.linspace(0, 1, len(there.frames), dtype=np.float32), np.ones(len(there.frames), np.bool_)
    )
    table = critic_metrics([Scores(example.progress, np.ones(9, np.bool_))], [example], [clock])
    assert table["Cycle-VOC"].value == pytest.approx(cycle_voc(score_curve(clock)).value)
    assert table["Cycle-VOC"].value == pytest.approx(0)
    assert table["Spearman (pooled)"].value == pytest.approx(1)


def test_resting_costs_the_spearman_on_regressions_and_not_the_pearson() -> None:
    moved, rest = progress_curve("undo", 20), np.zeros(20, np.float32)
    lost = replace(
        embedded_episode("undo", 0, 40),
        progress=np.concatenate([moved, rest + 1e-5 * np.arange(20, dtype=np.float32)]),
    )
    scores = Scores(
        np.concatenate([moved, rest - 1e-5 * np.arange(20, dtype=np.float32)]),
        np.ones(40, np.bool_),
    )
    table = critic_metrics([scores, scores], [lost, embedded_episode("success", 0, 40)])
    order, correlation = (table[f"{what} on regressions"].value for what in ("Spearman", "Pearson"))
    assert correlation == pytest.approx(1, abs=1e-4) and order is not None and order < 0.9


def test_a_video_that_is_done_at_once_is_played_back_all_the_same() -> None:
    done = replace(embedded_episode("success", 0, 5), progress=np.ones(5, np.float32))
    assert (
        len(
            forward_and_reversed(
                Clip(frames=np.zeros((5, 4, 4, 3), np.uint8), instruction=PUSH),
                progress_labels(done),
            ).frames
        )
        == 3
    )


def test_how_far_a_fit_is_can_be_counted_in_each_of_its_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[tuple[str, float]] = []
    films = [demonstration(kind, row) for kind in ("success", "undo") for row in range(2)]
    how = FitConfig(
        critic=CriticConfig(options={"steps": 22}),
        encoder=EncoderConfig(options={"steps": 3, "batch": 4}),
    )
    monkeypatch.setattr(examples, "FRAMES_BETWEEN_REPORTS", 3)
    fit_critic(films, how, lambda *figure: said.append(figure))
    # Eight frames a film: a long one is not silent until it is through.
    one = films[0]
    assert [value for what, value in said if what == f"frames of {one.name}, of 8"][:2] == [3, 6]
    counts = [(what, value) for what, value in said if ", of " in what]
    for part, total in (
        ("episodes read", 4),
        ("encoder steps", 3),
        ("episodes embedded", 4),
        ("steps", 22),
    ):
        counted = [value for what, value in counts if what == f"{part}, of {total}"]
        assert counted == sorted(counted) and counted[-1] == total


def test_failures_rise_by_their_highest_score_and_what_was_undone_is_none_of_them() -> None:
    """At its highest a failure is half as far as a success; an undoing that was at the goal is left
    out."""
    ends = {"success": [0.1, 0.9, 0.9], "failure": [0.1, 0.5, 0.2], "undo": [0.1, 0.9, 0.1]}
    examples = [embedded_episode(kind, 0, 3) for kind in ends]
    scores = [Scores(np.array(end, np.float32), np.ones(3, np.bool_)) for end in ends.values()]
    assert critic_metrics(scores, examples)["rise of failures"].value == pytest.approx(0.5)
    assert critic_metrics(scores[:1], examples[:1])["rise of failures"].value is None
    flat = [Scores(np.zeros(3, np.float32), np.ones(3, np.bool_)) for _ in ends]
    assert critic_metrics(flat, examples)["rise of failures"] == Measure(None, "constant")
