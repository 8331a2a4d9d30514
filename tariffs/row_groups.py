"""Parquet files made of column chunks that were encoded apart, on as many processors as there are, or that lie in another file.

pyarrow encodes a file on one thread, and encoding takes longer than rating. So every batch becomes a small Parquet file in
memory wherever there is a thread; its column chunks, and those of the input that are only copied, stand one after the other
in the file, and its footer says where each begins. A footer is one Thrift structure in the compact protocol; of a chunk's
part in it only byte offsets are changed, everything else stays as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

MAGIC = b"PAR1"
FIRST = len(MAGIC)  # where the first chunk of a file begins

#: Fields of a structure: id, type and value. Structures and lists are nested; numbers are ints, all else is bytes.
Struct: TypeAlias = list[tuple[int, int, Any]]
TRUE, FALSE, BYTE, I32, I64, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 5, 6, 7, 8, 9, 12
_NUMBERS = (4, I32, I64)

# Field ids of parquet.thrift.
VERSION, SCHEMA, ROWS, ROW_GROUPS, META_PAIRS, ORDERS = 1, 2, 3, 4, 5, 7  # of FileMetaData
COLUMNS, GROUP_BYTES, GROUP_ROWS, GROUP_OFFSET, GROUP_PACKED = 1, 2, 3, 5, 6  # of RowGroup
CHUNK_FILE, CHUNK_OFFSET, CHUNK_META = 1, 2, 3  # of ColumnChunk
TYPE, ENCODINGS, PATH, CODEC, VALUES, UNPACKED, PACKED = 1, 2, 3, 4, 5, 6, 7  # of ColumnMetaData
DATA_PAGE, INDEX_PAGE, WORDS_PAGE, STATISTICS, BLOOM, BLOOM_LENGTH, SIZES = 9, 10, 11, 12, 14, 15, 16
_PAGES = (DATA_PAGE, WORDS_PAGE)
_NAME, _CHILDREN = 4, 5  # of SchemaElement
STORED = (1, 2, 3, _NAME, _CHILDREN)  # of SchemaElement: what its pages hold; what a number means (an integer, a decimal) is not in them


@dataclass(frozen=True, slots=True)
class Lying:
    """Bytes that lie in a file: ``read(count, offset)`` gives them."""

    read: Callable[[int, int], bytes]
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column's pages in a row group, and its ``ColumnMetaData``, whose offsets are those of a file that has no other."""

    meta: Struct
    data: Sequence[memoryview | Lying]


@dataclass(frozen=True, slots=True)
class Group:
    """A row group: a chunk for every leaf of the columns, in their order."""

    rows: int
    chunks: Sequence[Chunk]


@dataclass(frozen=True, slots=True)
class Piece:
    """A small Parquet file taken apart: the bytes of its pages, and its footer."""

    body: memoryview
    footer: Struct


def taken_apart(file: memoryview) -> Piece:
    """``file`` is a whole Parquet file; its body is a view, not a copy."""
    assert bytes(file[-4:]) == MAGIC, "a Parquet file ends with its name"
    length = int.from_bytes(file[-8:-4], "little")
    return Piece(file[len(MAGIC) : -8 - length], read_footer(bytes(file[-8 - length : -8])))


def read_footer(data: bytes) -> Struct:
    footer, end = read_struct(data, 0)
    assert end == len(data), "a footer is one structure"
    return footer


def chunks(piece: Piece) -> list[list[Chunk]]:
    """Those of a file of one row group, by its columns: a nested one has several."""
    (only,) = field(piece.footer, ROW_GROUPS)[1]
    found = list[list[Chunk]]()
    last = -1
    for chunk, (_, _, place) in zip(field(only, COLUMNS)[1], leaves(piece.footer), strict=True):
        meta = field(chunk, CHUNK_META)
        start, size = extent(meta)
        if place != last:
            found.append([])
        last = place
        found[-1].append(Chunk(moved(meta, FIRST - start), (piece.body[start - FIRST : start - FIRST + size],)))
    return found


def extent(meta: Struct) -> tuple[int, int]:
    """Where a chunk's bytes begin, and how many there are: the dictionary comes first, where there is one."""
    first, words = field(meta, DATA_PAGE), field(meta, WORDS_PAGE, 0)
    return words if 0 < words < first else first, field(meta, PACKED)


def moved(meta: Struct, by: int) -> Struct:
    """0 says that there is no such page, and goes on saying it."""
    return [(i, kind, value + by if i in _PAGES and value else value) for i, kind, value in meta]


def group(rows: int, start: int, metas: Sequence[Struct]) -> Struct:
    """A row group of a footer, of chunks whose offsets count from the beginning of the file; its number goes, only encrypted files need one."""
    columns = [[(CHUNK_OFFSET, I64, 0), (CHUNK_META, STRUCT, meta)] for meta in metas]
    sizes = (sum(field(meta, size) for meta in metas) for size in (UNPACKED, PACKED))
    return [
        (COLUMNS, LIST, (STRUCT, columns)),
        (GROUP_BYTES, I64, next(sizes)),
        (GROUP_ROWS, I64, rows),
        (GROUP_OFFSET, I64, start),
        (GROUP_PACKED, I64, next(sizes)),
    ]


def footer(model: Piece, groups: Sequence[Struct]) -> bytes:
    """The end of a file with the columns of ``model`` and those row groups."""
    stored = [(place, kind) for place, kind, _ in leaves(model.footer)]
    for one in groups:
        metas = [field(chunk, CHUNK_META) for chunk in field(one, COLUMNS)[1]]
        assert [(tuple(field(meta, PATH)[1]), field(meta, TYPE)) for meta in metas] == stored, "pieces of a file have the same columns"
    rows = sum(field(one, GROUP_ROWS) for one in groups)
    return enclosed([(i, kind, {ROWS: rows, ROW_GROUPS: (STRUCT, list(groups))}.get(i, value)) for i, kind, value in model.footer])


def enclosed(footer: Struct) -> bytes:
    """As it stands at the end of a file."""
    written = bytearray()
    write_struct(written, footer)
    return bytes(written) + len(written).to_bytes(4, "little") + MAGIC


def field(struct: Struct, wanted: int, otherwise: Any = None) -> Any:
    """``otherwise``: where it is not there."""
    return next((value for i, _, value in struct if i == wanted), otherwise)


def leaves(footer: Struct) -> Iterator[tuple[tuple[bytes, ...], int, int]]:
    """The leaves of the columns: the path of each, how its pages store it, and the column's number."""
    for place, column in enumerate(columns(footer)):
        yield from ((path, kind, place) for path, kind in _leaves(iter(column), (), 1))


def columns(footer: Struct) -> Iterator[list[Struct]]:
    """The schema elements of every column, those within it after its own."""
    elements = iter(field(footer, SCHEMA)[1])
    for _ in range(field(next(elements), _CHILDREN, 0)):
        yield list(_whole(elements))


def _whole(elements: Iterator[Struct]) -> Iterator[Struct]:
    element = next(elements)
    yield element
    for _ in range(field(element, _CHILDREN, 0)):
        yield from _whole(elements)


def _leaves(elements: Iterator[Struct], above: tuple[bytes, ...], count: int) -> Iterator[tuple[tuple[bytes, ...], int]]:
    for _ in range(count):
        element = next(elements)
        path = (*above, bytes(field(element, _NAME)))
        inner = field(element, _CHILDREN, 0)
        if inner:
            yield from _leaves(elements, path, inner)
        else:
            yield path, field(element, TYPE)


# --- Thrift's compact protocol ------------------------------------------------------------------------------------


def read_struct(data: bytes | memoryview, at: int) -> tuple[Struct, int]:
    fields, last = list[tuple[int, int, Any]](), 0
    while data[at]:
        step, kind = data[at] >> 4, data[at] & 15
        at += 1
        if step:
            last += step
        else:
            last, at = _read_number(data, at)
        value, at = (b"", at) if kind in (TRUE, FALSE) else _read_value(data, at, kind)
        fields.append((last, kind, value))
    return fields, at + 1


def _read_value(data: bytes | memoryview, at: int, kind: int) -> tuple[Any, int]:
    if kind in _NUMBERS:
        return _read_number(data, at)
    if kind == STRUCT:
        return read_struct(data, at)
    if kind == LIST:
        return _read_list(data, at)
    if kind == BINARY:
        length, at = _read_varint(data, at)
    else:
        length = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}[kind]
    return data[at : at + length], at + length


def _read_list(data: bytes | memoryview, at: int) -> tuple[Any, int]:
    count, kind = data[at] >> 4, data[at] & 15
    at += 1
    if count == 15:
        count, at = _read_varint(data, at)
    values = []
    for _ in range(count):
        value, at = _read_value(data, at, kind)
        values.append(value)
    return (kind, values), at


def _read_number(data: bytes | memoryview, at: int) -> tuple[int, int]:
    folded, at = _read_varint(data, at)
    return (folded >> 1) ^ -(folded & 1), at


def _read_varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def write_struct(out: bytearray, fields: Struct) -> None:
    last = 0
    for i, kind, value in fields:
        if 0 < i - last < 16:
            out.append((i - last) << 4 | kind)
        else:
            out.append(kind)
            _write_number(out, i)
        last = i
        if kind not in (TRUE, FALSE):
            _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _NUMBERS:
        _write_number(out, value)
    elif kind == STRUCT:
        write_struct(out, value)
    elif kind == LIST:
        inner, values = value
        out.append(min(len(values), 15) << 4 | inner)
        if len(values) >= 15:
            write_varint(out, len(values))
        for one in values:
            _write_value(out, inner, one)
    else:
        if kind == BINARY:
            write_varint(out, len(value))
        out.extend(value)


def _write_number(out: bytearray, value: int) -> None:
    write_varint(out, (value << 1) ^ (value >> 63))


def write_varint(out: bytearray, value: int) -> None:
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
