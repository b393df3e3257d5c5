"""What is written about each setting of a part."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

from roborew.config.options import keyword_options, options_class, settings_class


def describe_options(factory: Callable[..., Any]) -> dict[str, str]:
    """Return what is written about each setting, by the names of `option_types`: under the field of a
    dataclass, or in a docstring under ``Args:``."""
    kind = options_class(factory)
    described = _class_docs(kind)
    for name, annotation in keyword_options(factory).items():
        inner = settings_class(annotation)
        if inner is not None:
            for field, text in _class_docs(inner).items():
                described[f"{name}.{field}"] = text
    return described


def _class_docs(kind: Callable[..., Any]) -> dict[str, str]:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        # The own ones last: a field may be declared again with another meaning.
        declaring = [base for base in reversed(kind.__mro__) if dataclasses.is_dataclass(base)]
        return {name: text for base in declaring for name, text in _field_docs(base).items()}
    # A class may say Args: itself or leave that to its constructor.
    documented: list[Any] = [kind]
    if isinstance(kind, type):
        documented.append(cast("Any", kind).__init__)
    texts = [inspect.getdoc(part) or "" for part in documented]
    return {name: text for doc in texts for name, text in _argument_docs(doc).items()}


def _field_docs(kind: type[Any]) -> dict[str, str]:
    # A class that was made from a table has its texts in the fields, and no source.
    texts = {field.name: field.metadata.get("doc") for field in dataclasses.fields(kind)}
    if all(texts.values()):
        return {name: str(text) for name, text in texts.items()}
    # Python keeps no docstrings of fields, so they are read from the source.
    source = textwrap.dedent(inspect.getsource(kind))
    (definition,) = ast.parse(source).body
    assert isinstance(definition, ast.ClassDef)
    docs = dict[str, str]()
    # A field's docstring is the string right after it.
    for field, following in pairwise(definition.body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = str(following.value.value)
            docs[field.target.id] = _on_one_line(text)
    return docs


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _argument_docs(docstring: str) -> dict[str, str]:
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", docstring, re.MULTILINE)
    if section is None:
        return {}
    entries = re.split(r"^    (\w+): ", section[1], flags=re.MULTILINE)[1:]
    # Names and texts alternate, as the pattern captures the names.
    names = entries[::2]
    texts = map(_on_one_line, entries[1::2])
    return dict(zip(names, texts, strict=True))
