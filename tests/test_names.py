"""A name says what the thing is, not what was done to it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIALECT_WORDS = (
    "told shown asked kept held said drawn known wanted seen beside other others each what given "
    "found made taken paid judged moved placed here there these those them it they something "
    "nothing everything nobody anybody whose"
)
"""Participles and pronouns that leave open which thing is meant; inside a longer name they are
fine."""


DIALECT = frozenset(DIALECT_WORDS.split())


def bound_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every line and name that a module binds: variables, parameters, attributes, functions, classes
    and names of imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.alias) and node.asname is not None:
            yield node.lineno, node.asname


def in_dialect(name: str) -> bool:
    return name.lstrip("_") in DIALECT


def test_no_variable_parameter_attribute_or_module_is_a_bare_participle_or_pronoun() -> None:
    """`logits` can be looked up in a paper; `told` has to be looked up in the code."""
    places: list[str] = []
    for folder in ("roborew", "envs/roborew_envs"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            path = file.relative_to(ROOT)
            if in_dialect(file.stem):
                places.append(f"{path} is a module")
            names = bound_names(ast.parse(file.read_text("utf-8")))
            places += [f"{path}:{line} {name}" for line, name in names if in_dialect(name)]
    assert not places, "name the thing, not what was done to it:\n" + "\n".join(places)


def test_every_way_to_bind_a_name_is_looked_at() -> None:
    tree = ast.parse(
        "import a as told\n"
        "def shown(asked, *kept, **held):\n"
        "    self._said = 1\n"
        "    drawn: int = 2\n"
        "    for known, (wanted, _) in []:\n"
        "        pass\n"
        "    return [seen for seen in (beside := [])], lambda other: other.others\n"
        "class Each:\n"
        "    what: int\n"
    )
    found = {name for _, name in bound_names(tree) if in_dialect(name)}
    expected = "told shown asked kept held _said drawn known wanted seen beside other what"
    assert found == set(expected.split())
