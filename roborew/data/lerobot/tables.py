"""Parquet in and out. All that touches pyarrow is here, because its types are not annotated."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
import pyarrow
import pyarrow.parquet
from numpy.typing import NDArray

from roborew.errors import CorruptFileError, InvalidInputError

arrow, parquet = cast(Any, pyarrow), cast(Any, pyarrow.parquet)
UNNAMED_INDEX = "__index_level_0__"


def to_table(columns: Mapping[str, NDArray[Any]]) -> Any:
    """A table of numbers: (T,) and (T, 1) become scalars, (T, D) lists of fixed size."""
    return arrow.table({name: _to_arrow(values) for name, values in columns.items()})


def _to_arrow(values: NDArray[Any]) -> Any:
    flat = arrow.array(np.ascontiguousarray(values).reshape(-1))
    wide = values.ndim == 2 and values.shape[1] != 1
    return arrow.FixedSizeListArray.from_arrays(flat, values.shape[1]) if wide else flat


class TableWriter:
    """A parquet file with one row group a table; without leaving the block it has no footer and cannot be read."""

    def __init__(self, path: Path, schema: Any) -> None:
        """Begin a file; its folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = parquet.ParquetWriter(path, schema, compression="snappy", use_dictionary=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, table: Any) -> None:
        """Append a row group."""
        self._writer.write_table(table, row_group_size=max(len(table), 1))


def write_table(path: Path, table: Any) -> None:
    """Write one table as a file."""
    with TableWriter(path, table.schema) as writer:
        writer.write(table)


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write the tasks, number i for entry i, with the text as pandas' index: what LeRobot reads."""
    table = arrow.table({"task_index": arrow.array(range(len(tasks)), arrow.int64()), "task": arrow.array(tasks)})

    def described(name: str, kind: str, dtype: str) -> dict[str, Any]:
        return {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": dtype, "metadata": None}

    pandas = {
        "index_columns": ["task"],
        "column_indexes": [
            {"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}
        ],
        "columns": [described("task_index", "int64", "int64"), described("task", "unicode", "object")],
        "creator": {"library": "pyarrow", "version": pyarrow.__version__},
        "pandas_version": "2.0.0",
    }
    write_table(path, table.replace_schema_metadata({"pandas": json.dumps(pandas)}))


def read_tasks(path: Path) -> dict[int, str]:
    """Task numbers -> text; the text's column may be named, or an unnamed index of pandas."""
    table = read_table(path)
    name = next((name for name in ("task", UNNAMED_INDEX) if name in table.column_names), None)
    if name is None or "task_index" not in table.column_names:
        raise CorruptFileError(f"{path}: expected the columns task_index and task; got {table.column_names}.")
    return dict(zip(table["task_index"].to_pylist(), table[name].to_pylist(), strict=True))


def read_table(path: Path, columns: Sequence[str] | None = None, episode: int | None = None) -> Any:
    """Read a parquet file, or the rows of one episode and some columns only.

    Raises:
        InvalidInputError: no such file.
        CorruptFileError: it lacks a column, or cannot be read: damaged, or never closed, so that it has no footer.
    """
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such file; the data set is incomplete.")
    filters = None if episode is None else [("episode_index", "=", episode)]
    try:
        held = parquet.read_schema(path).names
        if missing := [name for name in columns or () if name not in held]:
            raise CorruptFileError(f"{path}: lacks the columns {', '.join(missing)}; it holds {', '.join(held)}.")
        return parquet.read_table(path, columns=columns, filters=filters, partitioning=None)
    except (arrow.ArrowInvalid, OSError) as error:
        raise CorruptFileError(
            f"{path}: cannot be read as parquet ({str(error).splitlines()[0]}). A file whose writer was never closed "
            "has no footer: write the data set again."
        ) from error


def rows(table: Any) -> list[dict[str, Any]]:
    """The rows as Python objects."""
    return table.to_pylist()


def to_numpy(table: Any, name: str) -> NDArray[Any]:
    """A column of numbers, (T,) or (T, D) or more; text and pictures come as objects, (T,).

    Raises:
        CorruptFileError: lists of different lengths.
    """
    column = table[name].combine_chunks()
    shape, types = [len(column)], arrow.types
    while types.is_list(column.type) or types.is_large_list(column.type) or types.is_fixed_size_list(column.type):
        lengths = set(column.value_lengths().to_pylist())
        if len(lengths) > 1 or None in lengths:
            raise CorruptFileError(f"column {name!r}: its lists have different lengths, {sorted(map(str, lengths))}.")
        shape.append(lengths.pop() if lengths else 0)
        column = column.flatten()
    return column.to_numpy(zero_copy_only=False).reshape(shape)
