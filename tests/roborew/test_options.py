"""Options of a reward as words of a command line."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from roborew.config import (
    current_names,
    describe_options,
    keyword_options,
    option_types,
    options_class,
    parse_options,
)
from roborew.errors import InvalidInputError, UnknownNameError
from roborew.registry import Registry, agents, critics, encoders, judges, rewards


class Model:
    def __init__(
        self,
        weights: object = None,
        *,
        alpha: float = 0.5,
        batch: int = 8,
        whole: bool = False,
        folder: Path | None = None,
        method: Literal["level", "difference"] = "level",
        prompts: tuple[str, ...] = (),
        device: str = "cpu",
    ) -> None: ...


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("alpha=1", 1.0),
        ("batch=64", 64),
        ("whole=yes", True),
        ("whole=False", False),
        ("folder=a/b", Path("a/b")),
        ("folder=none", None),
        ("method=difference", "difference"),
        ("prompts=a robot, a cat", ("a robot", "a cat")),
        ("device=cuda:1", "cuda:1"),
        ("device=a=b", "a=b"),
    ],
)
def test_a_word_becomes_a_value_of_the_annotated_type(pair: str, value: Any) -> None:
    read = parse_options(Model, [pair])[pair.split("=")[0]]
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    "pair",
    ["alpha=much", "batch=1.5", "whole=perhaps", "method=curve", "alpha", "=3"],
    ids=lambda pair: pair,
)
def test_what_cannot_be_read_is_refused(pair: str) -> None:
    with pytest.raises((InvalidInputError, UnknownNameError)):
        parse_options(Model, [pair])


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'alpha'"):
        parse_options(Model, ["alpa=1"])


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="alpha: given twice"):
        parse_options(Model, ["alpha=1", "alpha=1"])


def test_only_keyword_only_parameters_are_options() -> None:
    assert set(keyword_options(Model)) == {
        "alpha",
        "batch",
        "whole",
        "folder",
        "method",
        "prompts",
        "device",
    }


class Renamed:
    """A part whose settings had other names in an earlier release."""

    RENAMED: ClassVar[Mapping[str, str]] = {"kept": "top_k"}

    def __init__(self, *, top_k: int = 8, seed: int = 0) -> None: ...


def test_an_option_of_an_earlier_release_is_read_and_said_what_it_is_called_now(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        assert parse_options(Renamed, ["kept=3", "seed=1"]) == {"top_k": 3, "seed": 1}
    assert [record.getMessage() for record in caplog.records] == [
        "option: kept is called top_k now."
    ]


@pytest.mark.parametrize("pairs", [["kept=3", "top_k=3"], ["top_k=3", "kept=3"]])
def test_an_option_given_by_its_old_and_its_new_name_is_refused(pairs: list[str]) -> None:
    with pytest.raises(InvalidInputError, match="kept is called top_k now; got both"):
        parse_options(Renamed, pairs)


@pytest.mark.parametrize("registry", [rewards, agents, critics, encoders, judges])
def test_every_old_name_of_a_setting_is_read_as_one_that_there_is(registry: Registry) -> None:
    for name in registry:
        factory = registry.load(name)
        settings = set(option_types(factory))
        table: Mapping[str, str] = getattr(options_class(factory), "RENAMED", {})
        assert set(table.values()) <= settings, name
        assert not set(table) & settings, name


def test_settings_of_a_pretrained_encoder_are_read_by_their_old_names() -> None:
    old = {"tower": "timm", "batch": "8"}
    today = current_names(encoders.load("pretrained"), old, "encoder pretrained")
    assert today == {"library": "timm", "batch_size": "8"}


@pytest.mark.parametrize("registry", [rewards, agents, critics, encoders, judges])
def test_every_setting_says_what_it_does(registry: Registry) -> None:
    for name in registry:
        factory = registry.load(name)
        described = describe_options(factory)
        assert not [key for key in option_types(factory) if not described.get(key)], name
