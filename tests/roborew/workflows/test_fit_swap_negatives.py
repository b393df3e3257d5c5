"""Experts drawn again are learned from: as they were, and as failures with the hand alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from roborew.critics.critic import Critic
from roborew.critics.recipe import checked_recipe
from roborew.data.demonstration import Demonstration
from roborew.data.reading import read_demonstrations
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.fit import FitConfig, Fitted, fit_critic
from roborew.workflows.fit.model_card import write
from roborew.workflows.parts import CriticConfig, EncoderConfig

CAMERAS = ("front", "side")
QUICK = FitConfig(
    critic=CriticConfig("ridge"),
    encoder=EncoderConfig(options={"steps": 4, "batch_size": 8}),
    cameras=CAMERAS,
    swap_negatives=2,
)


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory: pytest.TempPathFactory) -> list[Demonstration]:
    config = CollectConfig(
        behaviors=("expert", "stall"),
        episodes=6,
        cameras=CAMERAS,
        width=48,
        height=36,
        codec="lossless",
    )
    folder = tmp_path_factory.mktemp("demos") / "drawer"
    return list(
        read_demonstrations(collect_demonstrations("roborew/DrawerOpen-v0", config, folder))
    )


@pytest.fixture(scope="module")
def fitted(demonstrations: list[Demonstration]) -> Fitted:
    return fit_critic(demonstrations, QUICK)


def ending(fitted: Fitted, name: str) -> list[Demonstration]:
    return [one for one in fitted.demonstrations if one.name.endswith(name)]


def test_each_expert_is_learned_from_twice_more(
    fitted: Fitted, demonstrations: list[Demonstration]
) -> None:
    again, alone = ending(fitted, "-again"), ending(fitted, "-hand-alone")
    assert len(again) == len(alone) == 2
    assert len(fitted.demonstrations) == len(demonstrations) + 4
    by_name = {one.name: one for one in demonstrations}
    for whole, failure in zip(again, alone, strict=True):
        expert = by_name[whole.name.removesuffix("-again")]
        # A lossless set is drawn again to the last bit.
        for camera in CAMERAS:
            np.testing.assert_array_equal(whole.video(camera), expert.video(camera))
            shut = failure.video(camera)
            np.testing.assert_array_equal(shut[0], expert.video(camera)[0])
            assert (shut[-1] != expert.video(camera)[-1]).any()
        assert whole.succeeded and failure.succeeded is False and failure.progress is None
        np.testing.assert_array_equal(whole.progress, expert.progress)


def test_what_is_held_out_is_never_drawn_for_learning(fitted: Fitted) -> None:
    held_out = {*fitted.split.validation, *fitted.split.test}
    for one in [*ending(fitted, "-again"), *ending(fitted, "-hand-alone")]:
        assert one.name in fitted.split.fit
        assert one.name.removesuffix("-again").removesuffix("-hand-alone") not in held_out


def test_what_was_there_is_learned_from_as_before(
    fitted: Fitted, demonstrations: list[Demonstration]
) -> None:
    """The split and the pictures of everything else do not depend on it."""
    without = fit_critic(demonstrations, replace(QUICK, swap_negatives=0))
    assert without.split.test == fitted.split.test
    assert without.split.fit == fitted.split.fit[: len(without.split.fit)]
    for ours, others in zip(without.episode_frames, fitted.episode_frames, strict=False):
        np.testing.assert_array_equal(ours.frames, others.frames)


def test_the_card_and_the_critics_file_say_so(fitted: Fitted, tmp_path: Path) -> None:
    write(fitted, tmp_path / "critic", "drawer", "roborew fit")
    card = (tmp_path / "critic" / "card.md").read_text()
    assert "(2 experts among them twice more, whole and with the hand alone)" in card
    assert Critic.from_pretrained(tmp_path / "critic").recipe["swap_negatives"] == 2


def test_where_no_expert_can_be_drawn_that_is_said(demonstrations: list[Demonstration]) -> None:
    stalls = [one for one in demonstrations if one.notes["behavior"] == "stall"]
    with pytest.raises(InvalidInputError, match="swap_negatives: got 2, and none of"):
        fit_critic(stalls, QUICK)


def test_a_number_that_counts_nothing_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="swap_negatives"):
        replace(QUICK, swap_negatives=-1)


@pytest.mark.parametrize("bad", [-1, "two", True])
def test_a_file_that_says_nonsense_is_refused(bad: object) -> None:
    recipe = {"encoder_name": "conv", "objective": [], "encoder": [], "swap_negatives": bad}
    with pytest.raises(CorruptFileError, match="swap_negatives"):
        checked_recipe({"critic": "ridge", "recipe": recipe}, "config.json")
