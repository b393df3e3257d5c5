"""`clip` is the published formulas to five decimals, whatever the batch, and says what does not
fit."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from roborew.errors import InvalidInputError
from roborew.rewards.clip import ClipReward
from roborew.rewards.similarity import alpha_sweep, goal_baseline, goal_probability, normalize
from roborew.types import Clip, Video
from tests.roborew.encoders.tiny_towers import RESNET, tiny_clip, tiny_siglip

GOAL, BASELINE = "a humanoid robot kneeling", "a humanoid robot"
OTHERS = ("a robot kneels on the floor", "a robot")
FRAMES: Video = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module", params=["vit", "resnet", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    return {
        "vit": tiny_clip,
        "resnet": lambda path: tiny_clip(path, RESNET),
        "siglip": tiny_siglip,
    }[request.param](path)


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("vit"))


def reward(folder: Path, **options: Any) -> ClipReward:
    return ClipReward(model=str(folder), **{"dtype": "float32", **options})


def clip(frames: Video = FRAMES, goal: Any = None) -> Clip:
    return Clip(frames=frames, instruction=GOAL, goal_image=goal)


def values(model: ClipReward, frames: Video = FRAMES) -> np.ndarray:
    return model.score([clip(frames)])[0].value


class Independent:
    """The same weights by open_clip's own loader, transform and tokenizer, in float64; formulas
    with whole matrices."""

    def __init__(self, folder: Path) -> None:
        name = f"local-dir:{folder}"
        network, transform = open_clip.create_model_from_pretrained(name)
        network, tokens = network.double().eval(), open_clip.get_tokenizer(name)
        with torch.inference_mode():
            pictures = torch.stack([transform(Image.fromarray(frame)) for frame in FRAMES]).double()
            self.x = network.encode_image(pictures, normalize=True).numpy()
            self.texts = {
                text: network.encode_text(tokens([text]), normalize=True)[0].numpy()
                for text in (GOAL, BASELINE, *OTHERS)
            }
        self.scale = float(network.logit_scale.detach().exp())

    def vlm_rm(
        self, goals: tuple[str, ...], baselines: tuple[str, ...], alpha: float
    ) -> np.ndarray:
        g, b = (
            np.mean([self.texts[text] for text in texts], axis=0) for texts in (goals, baselines)
        )
        d = (g - b)[:, None]
        matrix = alpha * (d @ d.T) / (d.T @ d) + (1 - alpha) * np.eye(len(d))
        return np.array([1 - 0.5 * np.linalg.norm(matrix @ (x - g)) ** 2 for x in self.x])

    def softmax(
        self, goals: tuple[str, ...], others: tuple[str, ...], temperature: float
    ) -> np.ndarray:
        powers = [
            [np.exp(x @ self.texts[text] / temperature) for text in (*goals, *others)]
            for x in self.x
        ]
        return np.array([sum(row[: len(goals)]) / sum(row) for row in powers])


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_goal_baseline_is_vlm_rm(folder: Path, alpha: float) -> None:
    own = Independent(folder)
    once = reward(folder, alpha=alpha, baseline=BASELINE)
    np.testing.assert_allclose(values(once), own.vlm_rm((GOAL,), (BASELINE,), alpha), atol=1e-5)
    several = reward(folder, alpha=alpha, baseline=f"{BASELINE}; {OTHERS[1]}", targets=OTHERS[0])
    expected = own.vlm_rm((GOAL, OTHERS[0]), (BASELINE, OTHERS[1]), alpha)
    np.testing.assert_allclose(values(several), expected, atol=1e-5)


def test_alpha_0_with_one_sentence_is_the_cosine(folder: Path) -> None:
    own = Independent(folder)
    cosine = own.x @ own.texts[GOAL]
    np.testing.assert_allclose(values(reward(folder)), cosine, atol=1e-5)
    np.testing.assert_allclose(values(reward(folder, method="cosine")), cosine, atol=1e-5)


@pytest.mark.parametrize("temperature", [None, 0.05])
def test_softmax_is_the_probability_of_the_goal(folder: Path, temperature: float | None) -> None:
    own = Independent(folder)
    options = {"method": "softmax", "baseline": f"{BASELINE}; {OTHERS[1]}", "targets": OTHERS[0]}
    expected = own.softmax((GOAL, OTHERS[0]), (BASELINE, OTHERS[1]), temperature or 1 / own.scale)
    found = values(reward(folder, temperature=temperature, **options))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    between = float(np.median(expected))
    found = values(reward(folder, temperature=temperature, threshold=between, **options))
    np.testing.assert_array_equal(found, (expected > between).astype(np.float32))
    assert 0 < found.sum() < len(found)


def test_a_sweep_is_every_alpha_at_the_cost_of_one_embedding(
    vit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alphas, model = [0.0, 0.25, 1.0], reward(vit, baseline=BASELINE)
    calls: list[int] = []
    embed = model.embed
    monkeypatch.setattr(model, "embed", lambda clips: calls.append(len(clips)) or embed(clips))
    swept = model.alpha_sweep([clip()], alphas)[0]
    assert swept.shape == (3, len(FRAMES)) and calls == [1]
    for alpha, row in zip(alphas, swept, strict=True):
        np.testing.assert_allclose(
            row, values(reward(vit, alpha=alpha, baseline=BASELINE)), atol=1e-6
        )


def test_the_order_of_clips_and_the_batch_change_nothing(folder: Path) -> None:
    rng = np.random.default_rng(1)
    clips = [
        clip(rng.integers(0, 256, (length, 64, 64, 3), dtype=np.uint8)) for length in (1, 40, 3, 20)
    ]
    expected = [
        scores.value
        for scores in reward(folder, alpha=0.5, baseline=BASELINE, batch_size=64).score(clips)
    ]
    backwards = reward(folder, alpha=0.5, baseline=BASELINE, batch_size=1).score(clips[::-1])[::-1]
    for one, other in zip(expected, backwards, strict=True):
        np.testing.assert_allclose(one, other.value, atol=1e-5)


def test_a_picture_of_the_goal_is_nearest_to_itself(vit: Path) -> None:
    for method in ("goal-baseline", "cosine"):
        model = reward(vit, compare_with="picture", method=method)
        scores = model.score([clip(goal=FRAMES[2]), clip(goal=FRAMES[4])])
        assert [int(each.value.argmax()) for each in scores] == [2, 4]
        assert scores[0].value[2] == pytest.approx(1, abs=1e-6) and model.spec.needs_goal_image
        with pytest.raises(InvalidInputError, match="picture of the goal with every clip"):
            model.score([clip(goal=FRAMES[2]), clip()])


def test_swapped_channels_change_the_score(folder: Path) -> None:
    model = reward(folder)
    swapped = np.ascontiguousarray(FRAMES[..., ::-1])
    assert np.abs(values(model) - values(model, swapped)).max() > 1e-3


def test_squash_is_another_score_than_the_models_own_resize(vit: Path) -> None:
    wide = np.concatenate([FRAMES, FRAMES[:, ::-1]], axis=2)
    own, squashed = (reward(vit, preprocessing=how) for how in ("model", "squash"))
    assert np.abs(values(own, wide) - values(squashed, wide)).max() > 1e-3
    np.testing.assert_allclose(values(own), values(squashed), atol=1e-5)


def test_a_folder_of_embeddings_serves_the_next_run(vit: Path, tmp_path: Path) -> None:
    first = values(reward(vit, cache=tmp_path))
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(first, values(reward(vit, cache=tmp_path)))
    assert len(list(tmp_path.iterdir())) == 1


def test_bfloat16_that_drowns_the_scores_is_warned_of(
    vit: Path, caplog: pytest.LogCaptureFixture
) -> None:
    still = np.repeat(FRAMES[:1], 20, axis=0)
    still[::2, 0, 0, 0] ^= 1
    with caplog.at_level(logging.WARNING):
        values(reward(vit, dtype="float32"), still)
        assert not caplog.text
        values(reward(vit, dtype="bfloat16"), still)
    assert "mostly noise" in caplog.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alpha": 1.5, "baseline": BASELINE}, r"\[0, 1\]; got 1.5"),
        ({"alpha": 0.5}, "needs a baseline"),
        ({"alpha": 0.5, "method": "cosine"}, "not to cosine"),
        (
            {"alpha": 0.5, "baseline": f"{BASELINE}; a cat"},
            "as many sentences as the goal has, 1; got 2",
        ),
        ({"method": "softmax"}, "other sentences to compare with"),
        ({"method": "cosine", "baseline": BASELINE}, "cosine uses none"),
        ({"compare_with": "picture", "targets": "a robot"}, "neither targets nor baseline"),
        ({"temperature": 0.1}, "belong to softmax"),
        ({"method": "softmax", "baseline": BASELINE, "temperature": 0.0}, "above 0; got 0.0"),
        ({"method": "softmax", "baseline": BASELINE, "threshold": 1.0}, r"in \(0, 1\); got 1.0"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    vit: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        reward(vit, **options)


def test_a_goal_equal_to_the_baseline_gives_no_direction(vit: Path) -> None:
    with pytest.raises(InvalidInputError, match="goal and baseline as the same"):
        values(reward(vit, alpha=0.5, baseline=GOAL))


def test_a_goal_longer_than_the_model_reads_is_refused_not_cut(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="reads 24 tokens"):
        reward(folder).score([Clip(frames=FRAMES, instruction="robot arm " * 30)])


def test_nothing_to_score_is_no_score(vit: Path) -> None:
    assert reward(vit).score([]) == []


vectors = st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4)


@given(x=vectors, g=vectors, b=vectors, alpha=st.floats(0, 1))
def test_the_identity_is_the_matrix(
    x: list[float], g: list[float], b: list[float], alpha: float
) -> None:
    point, goal, base = (np.array(each) for each in (x, g, b))
    d = goal - base
    if np.linalg.norm(d) < 1e-3:
        return
    matrix = alpha * np.outer(d, d) / (d @ d) + (1 - alpha) * np.eye(4)
    expected = 1 - 0.5 * np.sum((matrix @ (point - goal)) ** 2)
    assert goal_baseline(point[None], goal, base, alpha)[0] == pytest.approx(expected, abs=1e-9)


def test_probabilities_stay_finite_at_any_temperature() -> None:
    texts = normalize(np.random.default_rng(0).normal(size=(3, 8)))
    assert np.isfinite(goal_probability(texts, texts[:1], texts[1:], 1e-6)).all()


def test_a_sweep_wants_numbers_between_0_and_1() -> None:
    with pytest.raises(InvalidInputError, match="numbers in"):
        alpha_sweep(np.ones((1, 2)), np.ones(2), np.zeros(2), [0.5, np.nan])
