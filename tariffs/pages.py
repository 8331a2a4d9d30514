"""Columns as the pages of Parquet files.

pyarrow encodes most. Decimals of up to 18 digits are made into whole numbers first, for that is how they are stored; a column of one value, and the
marks of rows that have none, are written here, for their pages say so in a few bytes, and Arrow's writer looks at every row to find out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tariffs import row_groups
from tariffs.row_groups import BINARY, FIRST, I32, I64, LIST, STRUCT, Chunk, Piece, Struct

if TYPE_CHECKING:
    import pyarrow as pa

WHOLE = 2**30  # bytes and rows of a page that shall hold all of a column's piece

_INT32, _INT64 = 1, 2  # types of parquet.thrift
_RLE, _BY_DIFFERENCES = 3, 5  # its encodings
_BLOCK, _PARTS = 128, 4  # differences a block, and its parts: as Arrow writes them


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of whole numbers: the ``values`` of the rows that have one (an int32 or int64 array without nulls), and bits for all ``rows``.

    None where all have one. ``same``: the values are all the same.
    """

    values: Any
    valid: Any
    rows: int
    same: bool


def is_small(kind: Any) -> bool:
    """Whether Parquet stores a decimal of this type as a machine integer."""
    from pyarrow import types

    return bool(types.is_decimal(kind)) and kind.bit_width <= 128 and kind.precision <= 18


def numbers(column: Any, digits: int) -> Numbers:
    """A decimal column whose readers are told of ``digits``, 18 at most: of 32 bits up to nine, else of 64, as the format has it."""
    import numpy as np

    array: Any = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    array = array.chunk(0) if hasattr(array, "num_chunks") else array
    wide, bits = 32 if digits <= 9 else 64, array.type.bit_width
    word = min(wide, bits)
    words: Any = np.frombuffer(array.buffers()[1] or b"", f"i{word // 8}").reshape(-1, bits // word)
    low = words[array.offset : array.offset + len(array), 0]  # a decimal's lowest word is its value
    if not array.null_count:
        every: Any = np.ascontiguousarray(low, f"i{wide // 8}")
        return Numbers(_array(every), None, len(array), _is_one(every))
    marks: Any = np.unpackbits(np.frombuffer(array.buffers()[0], np.uint8), count=array.offset + len(array), bitorder="little")[array.offset :]
    dense: Any = np.ascontiguousarray(low.take(np.flatnonzero(marks)), f"i{wide // 8}")
    return Numbers(_array(dense), np.packbits(marks, bitorder="little"), len(array), _is_one(dense))


def total(given: Numbers) -> int:
    """Of all values; no more than 64 bits may be needed for it."""
    import pyarrow.compute as pc

    if given.same:
        return int(given.values[0].as_py()) * len(given.values)
    summed: Any = pc.sum(given.values)
    return summed.as_py() or 0


def _is_one(words: Any) -> bool:
    """Whether all are the same; most columns say no at the first look."""
    return bool(len(words) and words[0] == words[-1] == words[len(words) // 2] and (words == words[0]).all())


def _array(values: Any) -> Any:
    """Made of buffers: pa.array would import pandas to see whether it was given some, a third of a second."""
    import pyarrow as pa

    kind: Any = pa.int32() if values.dtype.itemsize == 4 else pa.int64()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def model(schema: pa.Schema) -> Piece:
    """A file of these columns without rows: its footer is that of any other, but for the row groups."""
    import pyarrow as pa

    return _small_file(pa.Table.from_batches([], schema), {})


def chunks(table: pa.Table, schema: pa.Schema, known: Mapping[str, Numbers]) -> list[Sequence[Chunk]]:
    """The column chunks of a row group, by the columns of ``table``; ``schema`` has the same columns as readers shall find them.

    ``known``: columns that are whole numbers by now.
    """
    import pyarrow as pa

    found: list[Sequence[Chunk]] = [()] * len(schema)
    plain: list[tuple[int, Numbers]] = []
    rest: list[int] = []
    for place, (column, told) in enumerate(zip(table.columns, schema, strict=True)):
        if not is_small(column.type):
            rest.append(place)
            continue
        given = known.get(told.name) or numbers(column, told.type.precision)
        assert told.nullable or given.valid is None, "an amount that always is, is"
        if told.nullable:
            found[place] = [_with_gaps(told.name, given)]
        elif given.same:
            found[place] = [_repeated(told.name, given.values, given.rows)]
        else:
            plain.append((place, given))
    if plain:
        fields = [pa.field(schema.field(place).name, given.values.type, nullable=False) for place, given in plain]
        written = _by_differences(pa.table([given.values for _, given in plain], schema=pa.schema(fields)))
        for (place, _), one in zip(plain, written, strict=True):
            found[place] = one
    if rest:
        others = pa.table([table.column(place) for place in rest], schema=pa.schema([_as_it_is(table.column(place), schema.field(place)) for place in rest]))
        for place, one in zip(rest, row_groups.chunks(_small_file(others, _settings(others.schema))), strict=True):
            found[place] = one
    return found


def _as_it_is(column: Any, told: Any) -> Any:
    import pyarrow as pa

    return pa.field(told.name, column.type, told.nullable)


# --- by Arrow's writer --------------------------------------------------------------------------------------------


def _by_differences(table: pa.Table, **more: int) -> list[list[Chunk]]:
    """Whole numbers, unpacked. Without statistics: those of amounts cost more than they can save."""
    options = {"compression": "NONE", "use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED", "write_statistics": False}
    return row_groups.chunks(_small_file(table, options | more))


def _settings(schema: pa.Schema) -> dict[str, Any]:
    """Whole numbers by their differences, unpacked; text in a dictionary, packed. See docs/speed.md. None where a column is nested, or there twice.

    Statistics stand where somebody may look for a value; those of texts in a dictionary cost as much as writing them.
    """
    from pyarrow import types

    if any(types.is_nested(f.type) for f in schema) or len(set(schema.names)) < len(schema):
        return {}
    whole = [f.name for f in schema if types.is_integer(f.type)]
    by_differences = {f.name: "DELTA_BINARY_PACKED" for f in schema if types.is_integer(f.type) and f.type.bit_width >= 32}
    return {
        "compression": {f.name: "NONE" if f.name in whole else "SNAPPY" for f in schema},
        "column_encoding": by_differences,
        "use_dictionary": [f.name for f in schema if f.name not in by_differences],
        "write_statistics": [f.name for f in schema if types.is_integer(f.type) or types.is_temporal(f.type)],
    }


def _small_file(table: pa.Table, options: Mapping[str, Any]) -> Piece:
    import pyarrow as pa
    import pyarrow.parquet as writing

    sink = pa.BufferOutputStream()
    given: Any = options
    with writing.ParquetWriter(sink, table.schema, store_decimal_as_integer=True, **given) as writer:
        writer.write_table(table, row_group_size=max(1, table.num_rows))
    return row_groups.taken_apart(memoryview(sink.getvalue()).cast("B"))  # Arrow's own bytes have a sign


# --- by hand ------------------------------------------------------------------------------------------------------


def _repeated(name: str, values: Any, rows: int) -> Chunk:
    """A column of one value: the first, and differences of no bits."""
    return _chunk(name, values.type.bit_width, rows, [memoryview(_same(values, rows))])


def _same(values: Any, count: int) -> bytes:
    written = bytearray()
    for number in (_BLOCK, _PARTS, count):
        row_groups.write_varint(written, number)
    first = values[0].as_py() if count else 0
    row_groups.write_varint(written, (first << 1) ^ (first >> 63))
    return bytes(written) + bytes((1 + _PARTS) * -(-max(0, count - 1) // _BLOCK))


def _with_gaps(name: str, given: Numbers) -> Chunk:
    """A column that may lack values: the marks of its rows, as they lie in memory, before the values of those that have one."""
    import pyarrow as pa

    values, marks = given.values, bytearray()
    if given.valid is None or not len(values):
        row_groups.write_varint(marks, given.rows << 1)  # one run
        marks.append(given.valid is None)
    else:
        row_groups.write_varint(marks, len(given.valid) << 1 | 1)  # bits, eight rows a byte
    bits = memoryview(given.valid if given.valid is not None and len(values) else b"")
    head = (len(marks) + len(bits)).to_bytes(4, "little") + marks
    if not len(values) or given.same:
        body = memoryview(_same(values, len(values)))
    else:
        fields = [pa.field(name, values.type, nullable=False)]
        ((one,),) = _by_differences(pa.table([values], schema=pa.schema(fields)), data_page_size=WHOLE, max_rows_per_page=WHOLE)
        body = _only_page(one)
    return _chunk(name, values.type.bit_width, given.rows, [memoryview(head), bits, body])


def _only_page(chunk: Chunk) -> memoryview:
    (data,) = chunk.data
    assert isinstance(data, memoryview), "it was just written"
    header, start = row_groups.read_struct(data, 0)
    size = row_groups.field(header, _PAGE_PACKED)
    assert start + size == len(data), "one page holds all"
    return data[start:]


_PAGE_PACKED = 3  # of PageHeader


def _chunk(name: str, bits: int, rows: int, parts: Sequence[memoryview]) -> Chunk:
    """One data page, not packed."""
    size = sum(map(len, parts))
    written = bytearray()
    encodings = [(1, I32, rows), (2, I32, _BY_DIFFERENCES), (3, I32, _RLE), (4, I32, _RLE)]
    row_groups.write_struct(written, [(1, I32, 0), (2, I32, size), (_PAGE_PACKED, I32, size), (5, STRUCT, encodings)])
    whole = size + len(written)
    meta: Struct = [
        (row_groups.TYPE, I32, _INT32 if bits == 32 else _INT64),
        (row_groups.ENCODINGS, LIST, (I32, [_BY_DIFFERENCES, _RLE])),
        (row_groups.PATH, LIST, (BINARY, [name.encode()])),
        (row_groups.CODEC, I32, 0),
        (row_groups.VALUES, I64, rows),
        (row_groups.UNPACKED, I64, whole),
        (row_groups.PACKED, I64, whole),
        (row_groups.DATA_PAGE, I64, FIRST),
    ]
    return Chunk(meta, [memoryview(bytes(written)), *parts])
