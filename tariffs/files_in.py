"""Rows of CSV and Parquet files as Arrow tables, a batch at a time or whole.

Cells of CSV stay text until they are read as exact decimals; no number passes through a float on the way.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tariffs import copies
from tariffs.copies import Copied
from tariffs.errors import Problem, TariffError, fail

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 2**19  # rows read, rated and written at a time
BLOCK = 2**24  # bytes of CSV read at a time
KINDS = (".csv", ".parquet")
SEPARATORS = {";": ";", "\t": "TAB", "|": "|"}  # not ours; as they are named
SHOWN = 20  # ragged rows told of a file read whole


@dataclass(frozen=True, slots=True)
class Ragged:
    """A row of a CSV file with more or fewer cells than the header: its number from 1, and its text."""

    row: int
    cells: int
    expected: int
    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch; ``before`` rows of the file stand before it. The ``ragged`` ones among its own are counted, but are not in ``table``.

    Where it is whole row groups that can be copied, ``copied`` are those, and ``table`` lacks columns that nobody reads; ``whole`` reads all.
    """

    table: pa.Table
    before: int
    ragged: tuple[Ragged, ...] = ()
    copied: tuple[Copied, ...] = ()
    whole: Callable[[], pa.Table] | None = None

    @property
    def count(self) -> int:
        return self.table.num_rows + len(self.ragged)


def kind(path: Path) -> str:
    """``.csv`` or ``.parquet``. TariffError for any other file, or where pyarrow is not there."""
    if find_spec("pyarrow") is None or find_spec("numpy") is None:
        raise fail(TariffError, "needs-columns")
    found = path.suffix.lower()
    if found not in KINDS:
        raise fail(TariffError, "file-kind", path=path)
    return found


@dataclass(frozen=True, slots=True)
class Source:
    """An opened file: ``batches``, at least one even if there are no rows. Texts of ``schema`` may come as codes."""

    schema: pa.Schema
    batches: Iterator[Rows]


def opened(
    path: Path,
    *,
    encoding: str = "utf-8",
    columns: Collection[str] | None = None,
    choices: Collection[str] = (),
    facts: Collection[str] | None = None,
) -> Source:
    """The rows of a file, those of its ``columns`` (None: all) that it has; ``choices`` come as codes where the file has them so.

    ``facts``: the columns that are read. The others are only copied where the file lies so that they can be. Decimals of a
    Parquet file come as narrow as they are stored then. None: all are read, as the file's schema has them. TariffError
    where it cannot be read, at once or when the batch is asked for.
    """
    if kind(path) == ".csv":
        return _open_csv(path, encoding, columns)
    return _open_parquet(path, columns, choices, facts)


def read_table(path: Path, *, encoding: str = "utf-8") -> pa.Table:
    """The rows of a file at once. TariffError where it cannot be read; the first 20 ragged rows are told then, too."""
    import pyarrow as pa
    import pyarrow.parquet as reading

    if kind(path) == ".csv":
        parts = list(opened(path, encoding=encoding).batches)
        ragged = [row for part in parts for row in part.ragged]
        if ragged:
            raise TariffError([_told(path, row) for row in ragged[:SHOWN]])
        return pa.concat_tables([part.table for part in parts]).combine_chunks()
    try:
        return reading.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise unread(path, error) from None


def _told(path: Path, row: Ragged) -> Problem:
    return Problem("file-ragged", {"path": str(path), "row": str(row.row), "cells": str(row.cells), "expected": str(row.expected)})


def reason(error: Exception) -> str:
    """What the system says, in its own short words."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else (str(error).splitlines() or [type(error).__name__])[0]


def unread(path: Path, error: Exception) -> TariffError:
    return fail(TariffError, "file-unread", path=path, reason=reason(error))


# --- CSV ----------------------------------------------------------------------------------------------------------


def _csv_head(path: Path, encoding: str) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig" if _is_utf8(encoding) else encoding, newline="") as stream:
            found = next(csv.reader(stream), [])
    except UnicodeError:
        raise _not_encoded(path, encoding) from None
    except LookupError:
        raise fail(TariffError, "encoding-unknown", encoding=encoding) from None
    except (OSError, csv.Error) as error:
        raise unread(path, error) from None
    if not found:
        raise fail(TariffError, "file-empty", path=path)
    _commas(path, found)
    return found


def _commas(path: Path, head: list[str]) -> None:
    """Of a header in one cell the separator is named that it was written with, as spreadsheets do elsewhere. TariffError if there is one."""
    for sign, named in SEPARATORS.items():
        if len(head) == 1 and sign in head[0]:
            raise fail(TariffError, "file-separator", path=path, found=named, cells=len(head[0].split(sign)))


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8")


def _not_encoded(path: Path, encoding: str) -> TariffError:
    return fail(TariffError, "file-not-utf8", path=path) if _is_utf8(encoding) else fail(TariffError, "file-not-encoded", path=path, encoding=encoding)


def _open_csv(path: Path, encoding: str, columns: Collection[str] | None) -> Source:
    """Every cell as text; an empty one is nothing given."""
    import pyarrow as pa

    head = _csv_head(path, encoding)
    schema = pa.schema([(name, pa.string()) for name in head if columns is None or name in columns])
    return Source(schema, _csv_batches(path, encoding, head, schema))


def _csv_batches(path: Path, encoding: str, head: list[str], schema: pa.Schema) -> Iterator[Rows]:
    """Read by one thread: only then are rows numbered."""
    import pyarrow as pa
    import pyarrow.csv as reading

    found: list[Ragged] = []
    convert = reading.ConvertOptions(column_types=dict.fromkeys(head, pa.string()), strings_can_be_null=True, null_values=[""])
    parse = reading.ParseOptions(newlines_in_values=True, invalid_row_handler=_keep_ragged(found))
    options = reading.ReadOptions(block_size=BLOCK, use_threads=False, encoding="utf8" if _is_utf8(encoding) else encoding)
    before = 0
    try:
        with reading.open_csv(path, options, parse, convert) as stream:
            for batch in stream:
                table = pa.Table.from_batches([batch])
                table = table if len(schema) == len(head) else table.select(schema.names)
                rows = Rows(table, before, tuple(_within(found, before, table.num_rows)))
                before += rows.count
                yield from _sliced(rows)
    except UnicodeError:
        raise _not_encoded(path, encoding) from None
    except (OSError, pa.ArrowException) as error:
        raise (_not_encoded(path, encoding) if "invalid UTF8" in str(error) else unread(path, error)) from None
    if found or not before:
        yield Rows(schema.empty_table(), before, tuple(found))


def _keep_ragged(found: list[Ragged]) -> Callable[[Any], Literal["skip", "error"]]:
    """What the reader does with a row of other length; it counts the header as a row."""

    def keep(row: Any) -> Literal["skip", "error"]:
        found.append(Ragged(row.number - 1, row.actual_columns, row.expected_columns, row.text))
        return "skip"

    return keep


def _within(found: list[Ragged], before: int, rows: int) -> Iterator[Ragged]:
    """Takes those that stand among these rows from the front of ``found``: the reader is ahead."""
    while found and found[0].row <= before + rows + 1:
        yield found.pop(0)
        rows += 1


def _sliced(rows: Rows) -> Iterator[Rows]:
    """No more than a batch at a time; ragged rows keep their place."""
    ragged, before, start = list(rows.ragged), rows.before, 0
    while True:
        table = rows.table.slice(start, BATCH)
        start += table.num_rows
        among = tuple(_within(ragged, before, table.num_rows)) if start < rows.table.num_rows else tuple(ragged)
        yield Rows(table, before, among)
        before += table.num_rows + len(among)
        if start >= rows.table.num_rows:
            return


# --- Parquet ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Parquet:
    """An opened Parquet file. ``end``: a footer to be read in place of its own; ``decimals``: the digits and places of its whole numbers that are decimals."""

    file: Any
    schema: pa.Schema
    words: list[str]
    end: bytes | None = None
    decimals: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def _open_parquet(path: Path, columns: Collection[str] | None, choices: Collection[str], facts: Collection[str] | None) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as reading
    from pyarrow import types

    try:
        file: Any = pa.OSFile(str(path), "rb")
        found = reading.ParquetFile(file, pre_buffer=False)
        schema = found.schema_arrow
        given = None if facts is None or not copies.is_ordinary(found) else copies.opened(file.read_at, file.size())
    except (OSError, pa.ArrowException) as error:
        raise unread(path, error) from None
    dropped = [field.name for field in schema if columns is not None and field.name not in columns]
    schema = pa.schema([field for field in schema if field.name not in dropped]) if dropped else schema
    words = [f.name for f in schema if f.name in choices and (types.is_string(f.type) or types.is_large_string(f.type))]
    if given is None or facts is None:
        return Source(schema, _parquet_batches(path, _Parquet(file, schema, words), None))
    opened_ = _Parquet(file, schema, words, *copies.whole_numbers(given))
    groups = copies.groups(given, found.schema, schema)
    if not groups or not groups[0].chunks:
        return Source(schema, _parquet_batches(path, opened_, None))
    read = [name for name in schema.names if name in facts or name not in groups[0].chunks]
    return Source(schema, _group_batches(path, opened_, groups, read or schema.names[:1]))


def _reader(given: _Parquet) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as reading

    metadata = None if given.end is None else reading.read_metadata(pa.BufferReader(given.end))
    return reading.ParquetFile(given.file, metadata=metadata, pre_buffer=False, read_dictionary=given.words)


def _parquet_batches(path: Path, given: _Parquet, groups: Sequence[int] | None) -> Iterator[Rows]:
    """A batch never crosses into memory before it is asked for."""
    import pyarrow as pa

    before, schema = 0, given.schema
    try:
        file = _reader(given)
        wanted = None if len(schema) == len(file.schema_arrow) else schema.names
        for batch in file.iter_batches(BATCH, row_groups=groups, columns=wanted, use_threads=False):
            yield Rows(copies.as_decimals(pa.Table.from_batches([batch]), given.decimals), before)
            before += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise unread(path, error) from None
    if not before:
        yield Rows(schema.empty_table(), 0)


def _group_batches(path: Path, given: _Parquet, groups: Sequence[Copied], read: Sequence[str]) -> Iterator[Rows]:
    """Whole row groups, as many as make a batch."""
    import pyarrow as pa

    before = 0
    try:
        file = _reader(given)
        places = [at for at in range(file.num_row_groups) if file.metadata.row_group(at).num_rows]
        for first, last in _together([group.rows for group in groups]):
            copied, among = tuple(groups[first:last]), places[first:last]
            table = _group_table(path, given, file, among, read)
            yield Rows(table, before, (), copied, partial(_group_table, path, given, None, among, given.schema.names))
            before += table.num_rows
    except (OSError, pa.ArrowException) as error:
        raise unread(path, error) from None


def _together(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = rows = 0
    for at, size in enumerate(sizes):
        if rows and rows + size > BATCH:
            yield first, at
            first, rows = at, 0
        rows += size
    yield first, len(sizes)


def _group_table(path: Path, given: _Parquet, file: Any, among: Sequence[int], columns: Sequence[str]) -> pa.Table:
    """TariffError where there are fewer rows than the file says, or more."""
    import pyarrow as pa

    try:
        reader = _reader(given) if file is None else file
        count = sum(reader.metadata.row_group(at).num_rows for at in among)
        table = pa.Table.from_batches(list(reader.iter_batches(count, row_groups=among, columns=columns, use_threads=False)))
    except (OSError, pa.ArrowException) as error:
        raise unread(path, error) from None
    if table.num_rows != count:
        raise unread(path, ValueError(f"{table.num_rows} != {count}"))
    return copies.as_decimals(table, given.decimals)
