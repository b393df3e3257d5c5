"""``import roborew`` shows everything that is public and loads nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import roborew

HEAVY = ("torch", "transformers", "mujoco", "gymnasium", "numpy")


@pytest.mark.parametrize("name", roborew.__all__)
def test_a_public_name_can_be_used_and_says_what_it_is(name: str) -> None:
    value = getattr(roborew, name)
    assert value.__doc__
    assert name in dir(roborew)


def test_the_list_of_names_is_the_table_of_their_homes() -> None:
    homes = [name for names in roborew._HOMES.values() for name in names]
    assert sorted(homes) == sorted(roborew.__all__)


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_rewards'"):
        roborew.load_rewards  # noqa: B018


def test_importing_it_loads_nothing_heavy() -> None:
    script = f"import roborew, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
