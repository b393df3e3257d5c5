"""Parquet in and out. All that touches pyarrow is here, because its types are not annotated."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet
from numpy.typing import NDArray

from roborew.errors import CorruptFileError, InvalidInputError

arrow = cast(Any, pyarrow)
compute = cast(Any, pyarrow.compute)
parquet = cast(Any, pyarrow.parquet)
EPISODE = "episode_index"
MAX_VALUES = 1 << 26
"""Numbers and texts that are decoded to find an episode: what takes some seconds."""
MAX_EPISODE_BYTES = 1 << 30
"""Size of what is decoded to find an episode."""
MAX_OBJECTS = 1 << 23
"""Numbers and texts of a table that is read whole, each an object of Python's."""
MAX_TABLE_BYTES = 1 << 28
"""Size of a table that is read whole."""
BATCH_BYTES = 1 << 26
"""Size of the rows that are decoded together, and so of one row at most."""
MAX_BATCH_ROWS = 1 << 16
NUMBER_BYTES = 8
"""Size of a number, at most."""
MAX_NAMED = 8
"""Lengths that are named in one sentence."""
UNNAMED_INDEX = "__index_level_0__"


def to_table(columns: Mapping[str, NDArray[Any]]) -> Any:
    """A table of numbers: (T,) and (T, 1) become scalars, (T, D) lists of fixed size."""
    return arrow.table({name: _to_arrow(values) for name, values in columns.items()})


def _to_arrow(values: NDArray[Any]) -> Any:
    flat = arrow.array(np.ascontiguousarray(values).reshape(-1))
    # A feature of the shape [1] is a column of scalars in the data sets that LeRobot writes.
    if values.ndim != 2 or values.shape[1] == 1:
        return flat
    return arrow.FixedSizeListArray.from_arrays(flat, values.shape[1])


class TableWriter:
    """A parquet file with one row group a table; without leaving the block it has no footer and
    cannot be read."""

    def __init__(self, path: Path, schema: Any) -> None:
        """Begin a file; its folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Absolute: pyarrow reads a colon in a relative path as the end of a protocol.
        self._writer = parquet.ParquetWriter(
            path.absolute(), schema, compression="snappy", use_dictionary=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
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
    table = arrow.table(
        {"task_index": arrow.array(range(len(tasks)), arrow.int64()), "task": arrow.array(tasks)}
    )

    def described(name: str, kind: str, dtype: str) -> dict[str, Any]:
        return {
            "name": name,
            "field_name": name,
            "pandas_type": kind,
            "numpy_type": dtype,
            "metadata": None,
        }

    pandas = {
        "index_columns": ["task"],
        "column_indexes": [
            {
                "name": None,
                "field_name": None,
                "pandas_type": "unicode",
                "numpy_type": "object",
                "metadata": None,
            }
        ],
        "columns": [
            described("task_index", "int64", "int64"),
            described("task", "unicode", "object"),
        ],
        "creator": {"library": "pyarrow", "version": pyarrow.__version__},
        "pandas_version": "2.0.0",
    }
    write_table(path, table.replace_schema_metadata({"pandas": json.dumps(pandas)}))


def read_tasks(path: Path) -> dict[int, str]:
    """Task numbers -> text; the text's column may be named, or an unnamed index of pandas."""
    table = TableFile(path).read()
    name = next((name for name in ("task", UNNAMED_INDEX) if name in table.column_names), None)
    if name is None or "task_index" not in table.column_names:
        raise CorruptFileError(
            f"{path}: expected the columns task_index and task; got {table.column_names}."
        )
    return dict(zip(table["task_index"].to_pylist(), table[name].to_pylist(), strict=True))


class TableFile:
    """A parquet file opened for reading; its footer is read once, then only the row groups that are
    wanted."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            InvalidInputError: no such file.
            CorruptFileError: it cannot be read: damaged, or never closed, so that it has no footer.
        """
        if not path.is_file():
            raise InvalidInputError(f"{path}: no such file; the data set is incomplete.")
        self._path = path
        with _readable(path):
            # Without read-ahead and, below, without threads: an episode is small, and handing it
            # over costs more.
            self._file = parquet.ParquetFile(path.absolute(), pre_buffer=False)

    @cached_property
    def _bounds(self) -> list[tuple[int, int] | None]:
        """Smallest and largest episode of each row group; None where the file does not say."""
        metadata = self._file.metadata
        paths = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
        column = paths.index(EPISODE)
        bounds: list[tuple[int, int] | None] = []
        for group in range(self._file.num_row_groups):
            statistics = metadata.row_group(group).column(column).statistics
            if statistics is not None and statistics.has_min_max:
                bounds.append((statistics.min, statistics.max))
            else:
                bounds.append(None)
        return bounds

    def read(self, columns: Sequence[str] | None = None) -> Any:
        """Read some columns, or all, of the whole file; errors as for `episode`."""
        names = self.column_names if columns is None else columns
        with _readable(self._path):
            self._check(columns)
            groups = range(self._file.num_row_groups)
            self._check_declared(groups, names, MAX_OBJECTS)
            batches = self._batches(groups, names, MAX_TABLE_BYTES)
            return self._join(list(batches), names)

    def episode(self, index: int, columns: Sequence[str]) -> Any:
        """Read some columns of the rows of one episode.

        Raises:
            InvalidInputError: the file is too large to look for them.
            CorruptFileError: it lacks a column, or is damaged.
        """
        with _readable(self._path):
            self._check([*columns, EPISODE])
            groups = [group for group, bound in enumerate(self._bounds) if _may_hold(bound, index)]
            names = list(dict.fromkeys([*columns, EPISODE]))
            self._check_declared(groups, names, MAX_VALUES)
            batches = self._batches(groups, names, MAX_EPISODE_BYTES)
            # A row group of other writers holds several episodes.
            rows_of_episode = [
                batch.filter(compute.equal(batch[EPISODE], index)) for batch in batches
            ]
            return self._join(rows_of_episode, names)

    def _join(self, batches: Sequence[Any], names: Sequence[str]) -> Any:
        schema = self._file.schema_arrow
        fields = [schema.field(name) for name in schema.names if name in names]
        return arrow.Table.from_batches(
            batches, batches[0].schema if batches else arrow.schema(fields)
        )

    def _batches(self, groups: Sequence[int], names: Sequence[str], limit: int) -> Generator[Any]:
        """Decode row groups, a few rows at a time, ``limit`` bytes at most."""
        num_bytes = 0
        options = {"row_groups": groups, "columns": names, "use_threads": False}
        for batch in self._file.iter_batches(self._batch_rows(groups, names), **options):
            num_bytes += batch.nbytes
            if num_bytes > limit:
                raise self._too_large("more to decode", f"{limit >> 20} MiB")
            yield batch

    def _batch_rows(self, groups: Sequence[int], names: Sequence[str]) -> int:
        """Rows that can be decoded together.

        A page of a few bytes may stand for millions of equal numbers, and each row may repeat one long
        text: what a file says of its columns bounds both.
        """
        row_bytes = 1
        for num_rows, column in self._columns(groups, names):
            if "BYTE_ARRAY" in column.physical_type:
                row_bytes = max(row_bytes, min(column.total_uncompressed_size, BATCH_BYTES))
            elif num_rows:
                values_of_row = column.num_values / num_rows
                row_bytes = max(row_bytes, round(values_of_row * NUMBER_BYTES))
        if row_bytes > BATCH_BYTES:
            raise self._too_large(f"a row of {row_bytes >> 20} MiB", f"{BATCH_BYTES >> 20} MiB")
        return min(MAX_BATCH_ROWS, BATCH_BYTES // row_bytes)

    def _check_declared(self, groups: Sequence[int], names: Sequence[str], limit: int) -> None:
        """Raise where there is more to decode than ``limit`` values, before any is."""
        num_values = sum(column.num_values for _, column in self._columns(groups, names))
        if num_values > limit:
            raise self._too_large(f"{num_values} values to decode", str(limit))

    def _columns(self, groups: Sequence[int], names: Sequence[str]) -> Generator[tuple[int, Any]]:
        """What the file says of the columns of row groups, each with the rows that it has."""
        # A column of lists or structs is named and then, after a dot, what is in it.
        prefixes = tuple(f"{name}." for name in names)
        for group in groups:
            row_group = self._file.metadata.row_group(group)
            for number in range(row_group.num_columns):
                column = row_group.column(number)
                if f"{column.path_in_schema}.".startswith(prefixes):
                    yield row_group.num_rows, column

    def _too_large(self, size: str, limit: str) -> InvalidInputError:
        return InvalidInputError(
            f"{self._path}: {size}; the limit is {limit}. Split the data set into smaller files."
        )

    @property
    def column_names(self) -> list[str]:
        """Of all columns."""
        return list(self._file.schema_arrow.names)

    def _check(self, columns: Sequence[str] | None) -> None:
        names = self._file.schema_arrow.names
        if missing := [name for name in columns or () if name not in names]:
            raise CorruptFileError(
                f"{self._path}: lacks the columns {', '.join(missing)}; it holds {', '.join(names)}."
            )


def _may_hold(bound: tuple[int, int] | None, index: int) -> bool:
    """Whether a row group whose episodes lie in ``bound`` may hold episode ``index``."""
    return bound is None or bound[0] <= index <= bound[1]


@contextmanager
def _readable(path: Path) -> Generator[None]:
    try:
        yield
    except (arrow.ArrowInvalid, OSError) as error:
        raise CorruptFileError(
            f"{path}: cannot be read as parquet ({str(error).splitlines()[0]}). A file whose "
            f"writer was never closed "
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
    shape = [len(column)]
    while _is_list(column.type):
        lengths = set(compute.unique(column.value_lengths()).to_pylist())
        if len(lengths) > 1 or None in lengths:
            some = sorted(map(str, lengths))[:MAX_NAMED]
            raise CorruptFileError(
                f"column {name!r}: its lists have different lengths, {', '.join(some)}."
            )
        shape.append(lengths.pop() if lengths else 0)
        column = column.flatten()
    return column.to_numpy(zero_copy_only=False).reshape(shape)


def _is_list(kind: Any) -> bool:
    """Whether a type is one of arrow's three kinds of lists."""
    types = arrow.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
