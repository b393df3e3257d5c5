"""The settings of a part, as ``--reward.help`` lists them."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from roborew.config import default_options, format_value, option_types, options_class
from roborew.workflows.parts import PartConfig


def print_settings(console: Console, part: PartConfig, group: str) -> None:
    """Print the flags of a part, with their types, defaults and what they do."""
    factory = part.factory()
    defaults, words = default_options(factory), describe_options(factory)
    table = Table("option", "type", "default", "", box=None, header_style="dim", pad_edge=False)
    for name, kind in option_types(factory).items():
        flag = f"--{group}.{name.replace('_', '-')}"
        default = format_value(defaults[name]) if name in defaults else "(needed)"
        table.add_row(flag, _type_name(kind), default, words.get(name, ""))
    console.print(f"settings of {part.kind} {part.name}:", markup=False, highlight=False)
    console.print(table)


def describe_options(factory: Callable[..., Any]) -> dict[str, str]:
    """Return what is written about each setting: under the field of a dataclass, or in a docstring
    under ``Args:``."""
    kind = options_class(factory)
    if kind is not factory and isinstance(kind, type):
        return _field_docs(kind)
    texts = [inspect.getdoc(kind) or ""]
    if isinstance(kind, type):
        texts.append(inspect.getdoc(kind.__init__) or "")
    return {name: text for doc in texts for name, text in _argument_docs(doc).items()}


def _field_docs(kind: type[Any]) -> dict[str, str]:
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    docs = dict[str, str]()
    for field, following in zip(definition.body, definition.body[1:], strict=False):
        if not isinstance(following, ast.Expr) or not isinstance(following.value, ast.Constant):
            continue
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            docs[field.target.id] = " ".join(str(following.value.value).split())
    return docs


def _argument_docs(docstring: str) -> dict[str, str]:
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if section is None:
        return {}
    entries = re.split(r"^    (\w+): ", section[1], flags=re.MULTILINE)[1:]
    names, texts = entries[::2], entries[1::2]
    return {name: " ".join(text.split()) for name, text in zip(names, texts, strict=True)}


def _type_name(kind: Any) -> str:
    text = kind.__name__ if isinstance(kind, type) else str(kind)
    return text.replace("typing.", "").replace("pathlib.", "").replace("NoneType", "None")
