"""Names are data, loaded on use, never overwritten."""

from __future__ import annotations

import sys

import pytest

from roborew.errors import InvalidInputError, MissingBackendError, UnknownNameError
from roborew.registry import Registry, agents, critics, encoders, judges, rewards

REGISTRIES = (rewards, agents, critics, encoders, judges)


def test_registering_imports_nothing_and_loading_does() -> None:
    parts = Registry("part")
    sys.modules.pop("this_is_absent", None)
    parts.register("absent", "this_is_absent:Thing", "not installed")
    assert parts["absent"].summary == "not installed"
    with pytest.raises(MissingBackendError, match="this_is_absent"):
        parts.load("absent")


def test_a_name_is_given_once() -> None:
    parts = Registry("part")
    parts.register("a", "json:loads")
    with pytest.raises(InvalidInputError, match="'a' is already json:loads"):
        parts.register("a", "json:dumps")
    assert parts["a"].target == "json:loads"


@pytest.mark.parametrize("target", ["json", "json:", ":loads", "json:load s"])
def test_a_target_that_points_nowhere_is_refused_when_registered(target: str) -> None:
    with pytest.raises(InvalidInputError, match="module:attribute"):
        Registry("part").register("a", target)


def test_an_attribute_that_is_missing_is_told_apart_from_a_missing_package() -> None:
    parts = Registry("part")
    parts.register("a", "json:nothing")
    with pytest.raises(InvalidInputError, match="json has no 'nothing'"):
        parts.load("a")


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_a_typing_error_is_answered_with_the_close_name_and_the_list(registry: Registry) -> None:
    for name in registry:
        with pytest.raises(UnknownNameError, match=f"Did you mean .*{name!r}.*Available: .*{name}"):
            registry.load(f"{name}o")


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_every_registered_part_loads_and_says_what_it_is(registry: Registry) -> None:
    for name, entry in registry.items():
        assert callable(registry.load(name))
        assert entry.summary
