"""A critic's folder keeps every setting, as a run's does: a default that changes later must not change
what was fitted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from roborew.config import default_options, format_value, parse_settings
from roborew.critics.critic import Critic
from roborew.registry import critics, encoders
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.embed import with_every_setting
from roborew.workflows.parts import CriticConfig, EncoderConfig, PartConfig
from tests.roborew.critics.films import demonstration

PARTS: list[PartConfig] = [CriticConfig(name) for name in critics]
PARTS += [EncoderConfig(name) for name in encoders]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.kind} {part.name}")
def test_every_setting_is_read_back_as_it_was_written(part: PartConfig) -> None:
    words = with_every_setting(part, [])
    read = parse_settings(part.factory(), words)
    expected = _defaults(part)
    assert {*read} == {*expected}
    for name, default in expected.items():
        assert format_value(read[name]) == format_value(default), name


def _defaults(part: PartConfig) -> dict[str, object]:
    defaults = default_options(part.factory())
    return {name: value for name, value in defaults.items() if name not in ("device", "cache")}


def test_a_folder_with_the_given_settings_alone_is_still_read(tmp_path: Path) -> None:
    how = FitConfig(
        critic=CriticConfig("ridge", {"l2": 0.5}), encoder=EncoderConfig("mini"), calibrate=False
    )
    critic = fit_critic([demonstration(row=row) for row in range(2)], how).critic
    folder = critic.save_pretrained(tmp_path / "critic")
    config = json.loads((folder / "config.json").read_text())
    kept = {word.partition("=")[0] for word in config["recipe"]["objective"]}
    assert "l2=0.5" in config["recipe"]["objective"] and kept == {*_defaults(how.critic)}
    config["recipe"]["objective"] = ["l2=0.5"]
    config["recipe"]["encoder"] = []
    (folder / "config.json").write_text(json.dumps(config))
    old = Critic.from_pretrained(folder)
    for name, array in critic.objective.state_dict().items():
        np.testing.assert_array_equal(array, old.objective.state_dict()[name])
