"""Shifts of appearance change what is seen, by their strength and seed, and never what happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.error import Error

from roborew_envs import TaskVectorEnv, make_task
from roborew_envs.rendering import shift_table
from roborew_envs.rendering.appearance import (
    AppearanceSampler,
    UnknownAppearance,
    kinds,
    parse_appearance,
    sample_shift,
    strengths,
)
from roborew_envs.rendering.renderer import Overrides, Renderer

SCENES = ("roborew/Press-v0", "roborew/Cheetah-v0", "roborew/HumanoidStand-v0")
ALL = ",".join(f"{kind}:medium" for kind in kinds())

every_kind = pytest.mark.parametrize("kind", kinds())


def looks(model: mujoco.MjModel, kind: str, strength: str, seed: int = 0, n: int = 6) -> Overrides:
    return sample_shift(model, kind, strength, np.random.default_rng(seed), n)


def arrays(overrides: Overrides) -> dict[str, np.ndarray]:
    shapes = {} if overrides.shapes is None else {"shapes": overrides.shapes}
    return {name: values for name, (_, values) in overrides.fields.items()} | shapes


def make(**kwargs: Any) -> TaskVectorEnv:
    return TaskVectorEnv(
        make_task("roborew/Press-v0"), **{"num_envs": 3, "render_mode": "rgb_array"} | kwargs
    )


@pytest.mark.parametrize("task_id", SCENES)
def test_a_stronger_shift_changes_more_of_the_picture(task_id: str) -> None:
    task, n = make_task(task_id), 6
    qpos = np.repeat(task.sample_initial_state(np.random.default_rng(0))[0][None], n, axis=0)
    with Renderer(task.model, 64, 48) as renderer:
        own = renderer.render(qpos, task.cameras[0]).astype(float)
        for kind in kinds():
            shifted = [
                renderer.render(qpos, task.cameras[0], looks(task.model, kind, s, n=n))
                for s in strengths()
            ]
            changes = [0.0, *(float(np.abs(frames - own).mean()) for frames in shifted)]
            assert np.all(np.diff(changes) > 0.02), (kind, changes)
            assert len(np.unique(shifted[-1], axis=0)) == n, f"{kind}: each look is another"


@every_kind
@pytest.mark.parametrize("task_id", SCENES)
def test_the_same_generator_gives_the_same_looks(task_id: str, kind: str) -> None:
    model = make_task(task_id).model
    first, again, other = (arrays(looks(model, kind, "strong", seed)) for seed in (1, 1, 2))
    assert first and first.keys() == again.keys()
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


@every_kind
def test_every_look_is_one_that_can_be(kind: str) -> None:
    model = make_task("roborew/Push-v0").model
    for name, values in arrays(looks(model, kind, "strong", n=50)).items():
        assert np.isfinite(values).all(), name
        if name.endswith("rgba"):
            assert values.min() >= 0 and values.max() <= 1, name
        if name == "cam_quat":
            np.testing.assert_allclose(np.linalg.norm(values, axis=-1), 1)
        if name == "mat_texid":
            assert set(values.ravel()) <= {-1, *range(model.ntex)}


def test_a_shift_of_colour_leaves_the_robot_alone_and_a_shift_of_robot_colour_all_else() -> None:
    model = make_task("roborew/Push-v0").model
    things, robot = (
        set(looks(model, kind, "mild").fields["geom_rgba"][0])
        for kind in ("colour", "robot_colour")
    )
    assert {model.geom("red_cube").id, model.geom("drawer_front").id} <= things
    assert model.geom("left_finger").id in robot and not robot & things


def test_distractors_stand_on_the_table_out_of_the_hands_way() -> None:
    model = make_task("roborew/Push-v0").model
    shapes = looks(model, "distractors", "strong", n=50).shapes
    assert shapes is not None and shapes.shape == (50, 10, 11)
    place, height = shapes[..., 4:7], shapes[..., 3]
    np.testing.assert_allclose(place[..., 2], height)
    assert np.all(np.abs(place[..., :2] - model.body("table").pos[:2] - [0.46, 0]) <= [0.36, 0.46])
    inside = (place[..., 0] > 0.24) & (place[..., 0] < 0.68) & (np.abs(place[..., 1]) < 0.3)
    assert not inside.any()


def test_what_a_state_paints_stays_painted_under_every_shift() -> None:
    task = make_task("roborew/Press-v0")
    qpos = np.repeat(task.sample_initial_state(np.random.default_rng(0))[0][None], 2, axis=0)
    button = task.model.joint("button").qposadr[0]
    qpos[1, button] = 0.022
    lamp = task.model.geom("lamp_lit").id
    both = AppearanceSampler(task.model, ALL, 0, 2)[np.arange(2)].merge(task.visual_overrides(qpos))
    ids, rgba = both.fields["geom_rgba"]
    np.testing.assert_array_equal(rgba[:, ids.tolist().index(lamp), 3], [0, 1])
    env = make(num_envs=2, appearance=ALL)
    env.reset(seed=0)
    env.core.simulation.qpos[1] = env.core.simulation.qpos[0]
    env.core.simulation.qpos[:, button] = 0, 0.022
    sampler = env.core.appearance
    assert sampler is not None
    sampler.sample_from_key(1, sampler.keys[0])
    dark, lit = env.render_frames()
    env.close()
    glow = (lit.astype(int) - dark)[..., :2].sum(axis=-1)
    assert glow.max() > 150, "the lamp of the second shines"


def test_a_shift_changes_pictures_and_nothing_else() -> None:
    plain, shifted = make(), make(appearance=ALL)
    for env in (plain, shifted):
        env.reset(seed=0)
    assert not np.array_equal(plain.render_frames(), shifted.render_frames())
    for actions in np.random.default_rng(0).uniform(-1, 1, (60, 3, 4)):  # beyond a reset
        results = [env.step(actions) for env in (plain, shifted)]
        for mine, theirs in zip(*(result[:4] for result in results), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    plain.close(), shifted.close()


def test_a_look_lasts_an_episode_and_follows_its_seed_alone() -> None:
    env, other = make(appearance=ALL), make(appearance=ALL, appearance_seed=1)
    alone = gymnasium.make("roborew/Press-v0", render_mode="rgb_array", appearance=ALL)
    env.reset(seed=5), other.reset(seed=5), alone.reset(seed=6)
    frames = env.render_frames()
    np.testing.assert_array_equal(alone.render(), frames[1])
    assert not np.array_equal(other.render_frames(), frames)
    before = env.store_states().overrides.fields["cam_pos"][1]
    env.step(np.zeros((3, 4)))
    np.testing.assert_array_equal(env.store_states().overrides.fields["cam_pos"][1], before)
    env.reset(options={"reset_mask": np.array([False, True, False])})
    renewed = env.store_states().overrides.fields["cam_pos"][1]
    assert (renewed != before).any(axis=(1, 2)).tolist() == [False, True, False]
    for each in (env, other, alone):
        each.close()


def test_a_snapshot_brings_the_look_back() -> None:
    env, again = make(appearance=ALL), make(appearance=ALL)
    env.reset(seed=5), again.reset(seed=9)
    again.set_state(env.get_state())
    np.testing.assert_array_equal(env.render_frames(), again.render_frames())
    env.close(), again.close()


def test_stored_states_are_drawn_later_as_they_would_have_been() -> None:
    env = make(appearance=ALL)
    env.reset(seed=0)
    now, kept = env.render_frames(), env.store_states()
    for _ in range(5):
        env.step(np.ones((3, 4)))
    assert not np.array_equal(env.render_frames(), now)
    np.testing.assert_array_equal(env.render_stored(kept), now)
    env.close()


@pytest.mark.parametrize("wrong", ["fog:mild", "light:huge", "light", "light:mild,light:strong"])
def test_an_appearance_that_does_not_exist_is_refused_with_those_that_do(wrong: str) -> None:
    with pytest.raises(
        UnknownAppearance, match=r"Kinds: camera, light.*Strengths: mild, medium, strong"
    ):
        gymnasium.make("roborew/Press-v0", appearance=wrong)
    assert parse_appearance("") == {}


BOOK = json.loads(shift_table.FILE.read_text("utf-8"))
LIGHT = BOOK["kinds"]["light"][0]


def with_light(**change: Any) -> str:
    return json.dumps(BOOK | {"kinds": {"light": [LIGHT | change]}})


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[]",
        json.dumps(BOOK | {"strengths": []}),
        json.dumps(BOOK | {"kinds": {"light": [{}]}}),
        json.dumps(BOOK | {"places": BOOK["places"][:1]}),
        json.dumps(BOOK | {"places": [BOOK["places"][2] | {"zones": [[0, 1]]}]}),
        with_light(amounts=[0.1, 0.2]),
        with_light(amounts=[0.1, 0.2, float("nan")]),
        with_light(fields=["light_mood"]),
        with_light(of="moods"),
        with_light(change="guess"),
    ],
)
def test_a_damaged_book_is_named_when_it_is_read(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "appearance.json").write_text(text)
    monkeypatch.setattr(shift_table, "FILE", tmp_path / "appearance.json")
    with pytest.raises(
        Error, match=r"assets/appearance.json is damaged \(.*\): install roborew again"
    ):
        shift_table.read_shift_table({LIGHT["of"]}, {LIGHT["change"]})
