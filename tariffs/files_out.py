"""CSV and Parquet files written in pieces that are encoded wherever there is a thread, and put in their place when they are whole."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tariffs import row_groups
from tariffs.errors import TariffError, fail
from tariffs.files_in import reason

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as the bytes of its file; Parquet's have a footer."""

    body: Any
    rows: int
    footer: Any = None


@dataclass(slots=True)
class Sink:
    """A file being written beside its place. ``schema`` is what its readers shall find; None until something is written."""

    path: Path
    schema: pa.Schema | None = None
    stream: Any = None
    at: int = 0
    rows: int = 0
    footers: list[tuple[int, Any]] = field(default_factory=list)


# --- encoding, on any thread --------------------------------------------------------------------------------------


def encoded(table: pa.Table, schema: pa.Schema, path: Path) -> Encoded:
    """``table`` as a piece of the file ``path``; ``schema`` has the same columns as its readers shall find them."""
    import pyarrow as pa
    import pyarrow.csv as writing

    sink = pa.BufferOutputStream()
    if _is_csv(path):
        writing.write_csv(_as(table, schema), sink, writing.WriteOptions(include_header=False, quoting_style="needed"))
        return Encoded(memoryview(sink.getvalue()), table.num_rows)
    _write_parquet(_stored(table, schema), sink)
    piece = row_groups.taken_apart(memoryview(sink.getvalue()))
    return Encoded(piece.body, table.num_rows, piece.footer)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    return pa.table([column.cast(field.type) for column, field in zip(table.columns, schema, strict=True)], schema=schema)


def _stored(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Decimals that Parquet stores as machine integers as those integers, which takes half the time; the footer says what they are."""
    import pyarrow as pa

    told = zip(table.columns, schema, strict=True)
    columns = [_integers(column, field.type.precision) if _is_small(column.type) else column for column, field in told]
    assert all(field.nullable or not column.null_count for field, column in zip(schema, columns, strict=True)), "an amount that always is, is"
    fields = [pa.field(field.name, column.type, field.nullable) for field, column in zip(schema, columns, strict=True)]
    return pa.table(columns, schema=pa.schema(fields))


def _is_small(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_decimal(kind)) and kind.bit_width <= 128 and kind.precision <= 18


def _integers(column: Any, digits: int) -> Any:
    """Of 32 bits where readers are told of up to nine digits, else of 64: as the format has it. A decimal's lowest word is its value."""
    import pyarrow as pa

    kind: Any = pa.int32() if digits <= 9 else pa.int64()
    if column.type.bit_width == kind.bit_width:
        return pa.chunked_array([part.view(kind) for part in column.chunks], kind)
    return pa.chunked_array([_lowest(part, kind) for part in column.chunks], kind)


def _lowest(part: Any, kind: Any) -> Any:
    """Made of buffers: pa.array would import pandas to see whether it was given some, a third of a second."""
    import numpy as np
    import pyarrow as pa

    bits = min(kind.bit_width, part.type.bit_width)
    words: Any = np.frombuffer(part.buffers()[1] or b"", f"i{bits // 8}").reshape(-1, part.type.bit_width // bits)
    low: Any = np.ascontiguousarray(words[part.offset : part.offset + len(part), 0], f"i{kind.bit_width // 8}")
    nulls: Any = np.packbits(np.asarray(part.is_valid().to_numpy(zero_copy_only=False)), bitorder="little") if part.null_count else None
    return pa.Array.from_buffers(kind, len(part), [None if nulls is None else pa.py_buffer(nulls), pa.py_buffer(low)])


def _write_parquet(table: pa.Table, sink: Any) -> None:
    """Whole numbers and decimals that are stored as such by their differences, unpacked; text in a dictionary, packed. See docs/speed.md.

    Statistics stand where somebody may look for a value: those of amounts cost more than they can save, those of texts in a dictionary as much as writing them.
    """
    import pyarrow.parquet as writing
    from pyarrow import types

    schema = table.schema
    small = [f.name for f in schema if types.is_integer(f.type) or _is_small(f.type)]
    packed = {f.name: "NONE" if f.name in small else "SNAPPY" for f in schema}
    by_differences = {f.name: "DELTA_BINARY_PACKED" for f in schema if f.name in small and not (types.is_integer(f.type) and f.type.bit_width < 32)}
    words = [f.name for f in schema if f.name not in by_differences]
    looked_for: Any = [f.name for f in schema if types.is_integer(f.type) or types.is_temporal(f.type)]
    flat = not any(types.is_nested(f.type) for f in schema)
    options: Any = {"compression": packed, "column_encoding": by_differences, "use_dictionary": words, "write_statistics": looked_for} if flat else {}
    with writing.ParquetWriter(sink, schema, store_decimal_as_integer=True, **options) as writer:
        writer.write_table(table, row_group_size=max(1, table.num_rows))


# --- writing, by one ----------------------------------------------------------------------------------------------


def append(sink: Sink, piece: Encoded, schema: pa.Schema) -> None:
    """TariffError where there is no room, or no such folder."""
    try:
        if sink.stream is None:
            sink.schema = schema
            sink.stream = _part(sink).open("wb", buffering=0)
            _put(sink, _head(schema, sink.path))
        if piece.footer is not None:
            sink.footers.append((sink.at, piece.footer))
        _put(sink, piece.body)
    except OSError as error:
        raise unwritten(sink.path, error) from None
    sink.rows += piece.rows


def _head(schema: pa.Schema, path: Path) -> bytes:
    import pyarrow as pa
    import pyarrow.csv as writing

    if not _is_csv(path):
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
    import pyarrow as pa

    if sink.stream is None:
        return
    assert sink.schema is not None, "what is written has columns"
    try:
        if not _is_csv(sink.path):
            model = pa.BufferOutputStream()
            _write_parquet(pa.Table.from_batches([], sink.schema), model)
            _put(sink, row_groups.footer(row_groups.taken_apart(memoryview(model.getvalue())), sink.footers))
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
