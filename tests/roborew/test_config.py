"""What ran is saved and read back typed."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roborew.config import from_json, to_json
from roborew.errors import InvalidInputError


@dataclass(frozen=True)
class Narrow:
    rate: float = 0.5


@dataclass(frozen=True)
class Wide:
    rate: float = 0.5


@dataclass(frozen=True)
class Config:
    goal: str
    steps: int = 3
    mode: Literal["skip", "hold"] = "skip"
    sizes: tuple[int, ...] = (64, 64)
    span: tuple[float, float] = (0.0, 1.0)
    inner: Narrow | Wide = field(default_factory=Wide)
    where: Path | None = None
    weights: dict[str, float] = field(default_factory=dict[str, float])
    quick: bool = False


CONFIGS = st.builds(
    Config,
    goal=st.text(),
    steps=st.integers(),
    mode=st.sampled_from(["skip", "hold"]),
    sizes=st.lists(st.integers()).map(tuple),
    span=st.tuples(st.floats(-5, 5), st.floats(-5, 5)),
    inner=st.one_of(st.builds(Narrow, st.floats(0, 1)), st.builds(Wide, st.floats(0, 1))),
    where=st.one_of(st.none(), st.just(Path("runs/one"))),
    weights=st.dictionaries(st.text(), st.floats(-1, 1)),
    quick=st.booleans(),
)


@given(CONFIGS)
def test_a_configuration_is_read_back_equal_and_of_the_same_types(config: Config) -> None:
    again = from_json(Config, json.loads(json.dumps(to_json(config), allow_nan=False)))
    assert again == config
    assert type(again.inner) is type(config.inner)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"steps": "3"}, "Config.steps"),
        ({"steps": True}, "Config.steps"),
        ({"mode": "jump"}, "Config.mode"),
        ({"sizes": [1, "2"]}, r"Config.sizes\[1\]"),
        ({"span": [1.0]}, "Config.span"),
        ({"inner": {"class": "Other", "rate": 0.5}}, "Config.inner"),
        ({"inner": {"class": "Wide", "rate": None}}, "Config.inner.rate"),
        ({"weights": {"a": "heavy"}}, "Config.weights.a"),
        ({"speed": 1}, "unknown .*speed"),
    ],
)
def test_a_wrong_field_is_refused_by_its_place(change: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInputError, match=place):
        from_json(Config, {**to_json(Config("push")), **change})


def test_a_missing_field_is_not_filled_with_a_default() -> None:
    """A default that changed since would silently make it another run."""
    content = to_json(Config("push"))
    del content["steps"]
    with pytest.raises(InvalidInputError, match="missing .*steps"):
        from_json(Config, content)


def test_arrays_and_numpy_numbers_become_plain_and_what_json_lacks_becomes_null() -> None:
    record = {
        "mean": np.float32(0.5),
        "list": np.arange(2),
        "none": float("nan"),
        "far": np.float64("inf"),
    }
    assert to_json(record) == {"mean": 0.5, "list": [0, 1], "none": None, "far": None}


def test_an_object_without_a_place_in_json_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="set"):
        to_json({"names": {"a"}})


@dataclass(frozen=True)
class Renamed:
    """A class whose settings had other names in an earlier release."""

    RENAMED: ClassVar[Mapping[str, str]] = {"discount": "gamma", "trace": "gae_lambda"}

    gamma: float = 0.9
    gae_lambda: float = 0.5


def test_a_key_of_an_earlier_release_is_read_and_said_what_it_is_called_now(
    caplog: pytest.LogCaptureFixture,
) -> None:
    old = {"class": "Renamed", "discount": 0.7, "gae_lambda": 0.3}
    with caplog.at_level(logging.WARNING):
        assert from_json(Renamed, old) == Renamed(gamma=0.7, gae_lambda=0.3)
    assert [record.getMessage() for record in caplog.records] == [
        "Renamed: discount is called gamma now."
    ]


def test_a_configuration_is_written_under_its_names_of_today() -> None:
    assert set(to_json(Renamed())) == {"class", "gamma", "gae_lambda"}


@pytest.mark.parametrize("order", [["discount", "gamma"], ["gamma", "discount"]])
def test_a_key_given_by_its_old_and_its_new_name_is_refused(order: list[str]) -> None:
    content = dict.fromkeys([*order, "gae_lambda"], 0.7)
    with pytest.raises(InvalidInputError, match="Renamed: discount is called gamma now; got both"):
        from_json(Renamed, content)
