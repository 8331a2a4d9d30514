"""CSV and Parquet files written in pieces that are encoded wherever there is a thread, and put in their place when they are whole."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tariffs import pages, row_groups
from tariffs.copies import Copied
from tariffs.errors import TariffError, fail
from tariffs.files_in import reason
from tariffs.pages import Numbers
from tariffs.row_groups import Group, Lying, Struct

if TYPE_CHECKING:
    import pyarrow as pa
STEP = 2**20  # bytes copied at a time


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as it is written: text of a CSV file, or row groups of a Parquet file."""

    rows: int
    body: Any = b""
    groups: Sequence[Group] = ()


@dataclass(slots=True)
class Sink:
    """A file being written beside its place. ``schema`` is what its readers shall find; None until something is written."""

    path: Path
    schema: pa.Schema | None = None
    stream: Any = None
    at: int = 0
    rows: int = 0
    groups: list[Struct] = field(default_factory=list)


# --- encoding, on any thread --------------------------------------------------------------------------------------


def numbers(table: pa.Table, schema: pa.Schema, start: int, count: int) -> dict[str, Numbers]:
    """Those decimals among some rows of a batch that a Parquet file stores as whole numbers."""
    small = [name for name in table.column_names if pages.is_small(table.schema.field(name).type)]
    return {name: pages.numbers(table.column(name).slice(start, count), schema.field(name).type.precision) for name in small}


def encoded(table: pa.Table, schema: pa.Schema, path: Path, copied: Sequence[Copied] = (), known: Sequence[Mapping[str, Numbers]] = ()) -> Encoded:
    """``table`` as a piece of the file ``path``; ``schema`` has the same columns as its readers shall find them, and those that are only ``copied``.

    ``known``: for every row group, the columns that are whole numbers by now.
    """
    import pyarrow as pa
    import pyarrow.csv as writing

    if is_csv(path):
        sink = pa.BufferOutputStream()
        writing.write_csv(_as(table, schema), sink, writing.WriteOptions(include_header=False, quoting_style="needed"))
        return Encoded(table.num_rows, memoryview(sink.getvalue()))
    groups, start = [], 0
    for at, group in enumerate(copied or whole(table)):
        fields = pa.schema([told for told in schema if told.name not in group.chunks])
        made = iter(pages.chunks(table.slice(start, group.rows), fields, known[at] if known else {}))
        columns = [group.chunks[told.name] if told.name in group.chunks else next(made) for told in schema]
        groups.append(Group(group.rows, [chunk for column in columns for chunk in column]))
        start += group.rows
    assert start == table.num_rows, "row groups hold all rows"
    return Encoded(start, groups=groups)


def whole(table: pa.Table) -> Sequence[Copied]:
    """A row group of which nothing is copied; none where there are no rows."""
    return (Copied(table.num_rows, {}),) if table.num_rows else ()


def is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.table([column.cast(field.type) for column, field in zip(table.columns, schema, strict=True)], schema=schema)


# --- writing, by one ----------------------------------------------------------------------------------------------


def append(sink: Sink, piece: Encoded, schema: pa.Schema) -> None:
    """TariffError where there is no room, or no such folder."""
    try:
        if sink.stream is None:
            sink.schema = schema
            sink.stream = _part(sink).open("wb", buffering=0)
            _put(sink, _head(schema, sink.path))
        _put(sink, piece.body)
        for group in piece.groups:
            _put_group(sink, group)
    except OSError as error:
        raise unwritten(sink.path, error) from None
    sink.rows += piece.rows


def _put_group(sink: Sink, group: Group) -> None:
    start, metas = sink.at, []
    for chunk in group.chunks:
        metas.append(row_groups.moved(chunk.meta, sink.at - row_groups.FIRST))
        for part in chunk.data:
            if isinstance(part, Lying):
                _put_lying(sink, part)
            else:
                _put(sink, part)
    sink.groups.append(row_groups.group(group.rows, start, metas))


def _put_lying(sink: Sink, part: Lying) -> None:
    """A piece at a time, so that it stays in the caches, and however large it is."""
    for start in range(0, part.size, STEP):
        data = part.read(min(STEP, part.size - start), part.start + start)
        if len(data) < min(STEP, part.size - start):
            raise OSError(errno.EIO, os.strerror(errno.EIO))  # the input became shorter
        _put(sink, data)


def _head(schema: pa.Schema, path: Path) -> bytes:
    import pyarrow as pa
    import pyarrow.csv as writing

    if not is_csv(path):
        return row_groups.MAGIC
    found = pa.BufferOutputStream()
    writing.write_csv(pa.Table.from_batches([], schema), found, writing.WriteOptions(quoting_style="needed"))
    return found.getvalue().to_pybytes()


def _put(sink: Sink, data: Any) -> None:
    """All of it: a file that is not buffered may take a part at a time."""
    rest = memoryview(data)
    sink.at += len(rest)
    while rest:
        rest = rest[sink.stream.write(rest) :]


def close(sink: Sink) -> None:
    """Everything is on its way to the disk; the file is not in its place yet."""
    if sink.stream is None:
        return
    assert sink.schema is not None, "what is written has columns"
    try:
        if not is_csv(sink.path):
            _put(sink, row_groups.footer(pages.model(sink.schema), sink.groups))
        sink.stream.close()
    except OSError as error:
        raise unwritten(sink.path, error) from None


def settle(sink: Sink) -> None:
    """The whole file moves to its place; where nothing was written, what an earlier run left there goes."""
    try:
        if sink.stream is None:
            sink.path.unlink(missing_ok=True)
        else:
            _part(sink).replace(sink.path)
    except OSError as error:
        raise unwritten(sink.path, error) from None


def discard(sink: Sink) -> None:
    """What was written so far goes, whatever stands in the way of closing it."""
    if sink.stream is None:
        return
    with contextlib.suppress(OSError):
        sink.stream.close()
    with contextlib.suppress(OSError):
        _part(sink).unlink(missing_ok=True)


def _part(sink: Sink) -> Path:
    return sink.path.with_name(sink.path.name + ".part")


def unwritten(path: Path, error: Exception) -> TariffError:
    return fail(TariffError, "file-unwritten", path=path, reason=reason(error))
