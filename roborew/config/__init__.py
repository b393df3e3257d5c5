"""Configurations as frozen dataclasses in Python and as JSON on disk, read back with their types.

A class whose settings have changed their names says so in a table, so that files and commands of
earlier releases are still read::

    RENAMED: ClassVar[Mapping[str, str]] = {"discount": "gamma"}

and one whose shape has changed has a class method ``upgrade``, from the content of an old file to
that of a new one.
"""

from roborew.config.json_form import CLASS, current_names, from_json, to_json, warn_once
from roborew.config.option_docs import describe_options
from roborew.config.options import (
    default_options,
    format_options,
    format_value,
    keyword_options,
    option_types,
    options_class,
    parse_options,
    parse_plain_options,
    parse_settings,
    parse_value,
    read_options,
)

__all__ = [
    "CLASS",
    "current_names",
    "default_options",
    "describe_options",
    "format_options",
    "format_value",
    "from_json",
    "keyword_options",
    "option_types",
    "options_class",
    "parse_options",
    "parse_plain_options",
    "parse_settings",
    "parse_value",
    "read_options",
    "to_json",
    "warn_once",
]
