"""Names are data, loaded on use, never overwritten."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from roborew.errors import InvalidInputError, MissingBackendError, UnknownNameError
from roborew.registry import Entry, Registry, agents, critics, encoders, judges, lookup, rewards
from roborew.types import RewardSpec

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


def point(name: str, value: str, package: str) -> Any:
    return SimpleNamespace(name=name, value=value, dist=SimpleNamespace(name=package))


def plugged(monkeypatch: pytest.MonkeyPatch, *points: Any) -> Registry:
    """A registry with one part of its own, in an environment where packages bring ``points``."""
    monkeypatch.setattr(lookup, "entry_points", lambda group: points if group == "parts" else ())
    return Registry("part", {"json": Entry("json:loads", aliases=("text",))}, group="parts")


def test_an_alias_leads_to_the_part_and_is_not_listed() -> None:
    assert critics.canonical("goal_classifier") == "vice"
    assert critics.load("goal_classifier") is critics.load("vice")
    assert "goal_classifier" in critics
    assert "goal_classifier" not in list(critics)


def test_an_alias_is_taken_like_a_name() -> None:
    parts = Registry("part")
    parts.register("a", "json:loads", aliases=("b",))
    with pytest.raises(InvalidInputError, match="'b' is already json:loads"):
        parts.register("b", "json:dumps")


def test_a_part_of_another_package_is_listed_after_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = plugged(monkeypatch, point("theirs", "json:dumps", "other-package"))
    assert list(parts) == ["json", "theirs"] and len(parts) == 2
    assert parts.load("theirs")([1]) == "[1]"
    assert parts["theirs"].package == "other-package"
    assert not parts.problems()


def test_a_broken_part_of_another_package_is_named_and_the_rest_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = [
        point("absent", "not_installed_anywhere:Thing", "one"),
        point("empty", "json:nothing", "two"),
        point("number", "math:pi", "three"),
        point("nonsense", "no target", "four"),
        point("good", "json:dumps", "five"),
    ]
    parts = plugged(monkeypatch, *points)
    problems = parts.problems()
    assert set(problems) == {"absent", "empty", "number", "nonsense"}
    assert "not_installed_anywhere" in problems["absent"]
    assert "json has no 'nothing'" in problems["empty"]
    assert "expected a class or function; math:pi is float" in problems["number"]
    assert "expected 'package.module:attribute'; got 'no target'" in problems["nonsense"]
    assert parts.load("good") is parts.load("json:dumps") and parts.load("text")("1") == 1


def test_a_name_that_two_packages_bring_says_which_and_the_rest_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = [point("same", "json:loads", "one"), point("same", "json:dumps", "two")]
    parts = plugged(monkeypatch, *points, point("good", "json:dumps", "three"))
    with pytest.raises(InvalidInputError, match=r"several packages \(one, two\)"):
        parts.load("same")
    assert parts.load("good")([]) == "[]"


@pytest.mark.parametrize("name", ["json", "text"])
def test_another_package_never_replaces_a_part_of_ours(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    parts = plugged(monkeypatch, point(name, "json:dumps", "other"))
    assert parts.load(name)("[1]") == [1]
    assert list(parts) == ["json"]
    assert "other is ignored" in caplog.text


def test_a_module_in_the_working_directory_is_found_and_hides_no_installed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_alone.py").write_text("def Part():\n    return 'mine'\n")
    (tmp_path / "string.py").write_text("raise RuntimeError('hidden')\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert Registry("part").load("mine_alone:Part")() == "mine"
    assert Registry("part").load("string:capwords")("a") == "A"
    assert sys.path == before


def test_what_is_wrong_inside_a_module_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more.py").write_text("import not_installed_anywhere\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingBackendError, match=r"needs_more:Part.*not_installed_anywhere"):
        Registry("part").load("needs_more:Part")


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_what_a_table_says_of_a_paper_is_what_the_part_says(registry: Registry) -> None:
    """The list, the site and the code name one source."""
    for name, entry in registry.items():
        spec = getattr(registry.load(name), "spec", None)
        if isinstance(spec, RewardSpec) and entry.paper:
            assert set(re.findall(r"\d{4}\.\d{5}", entry.paper)) <= set(
                re.findall(r"\d{4}\.\d{5}", spec.paper)
            )
