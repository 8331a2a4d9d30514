"""Parquet files made of row groups that were encoded apart, on as many processors as there are.

pyarrow encodes a file on one thread, and encoding takes longer than rating. So every batch becomes a small Parquet file in
memory, of one row group, wherever there is a thread; their bodies stand one after the other in the file, and its footer is
the row groups of their footers, each moved by as many bytes as stand before it. A footer is one Thrift structure in the
compact protocol; only byte offsets in it are changed, everything else stays as pyarrow wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

MAGIC = b"PAR1"

#: Fields of a structure: id, type and value. Structures and lists are nested; numbers are ints, all else is bytes.
_Struct: TypeAlias = list[tuple[int, int, Any]]
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 7, 8, 9, 12
_NUMBERS = (4, 5, 6)

# Field ids of parquet.thrift.
_SCHEMA, _ROWS, _ROW_GROUPS = 2, 3, 4  # of FileMetaData
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7  # of RowGroup
_LAST_STORED = 5  # of SchemaElement: type, its length, repetition, name, children
_CHUNK_META, _CHUNK_OFFSETS = 3, (2, 4, 6)  # of ColumnChunk
_META_OFFSETS = (9, 10, 11, 14)  # of ColumnMetaData: data, index and dictionary pages, Bloom filter


@dataclass(frozen=True, slots=True)
class Piece:
    """A small Parquet file taken apart: the bytes of its pages, and its footer."""

    body: memoryview
    footer: _Struct


def taken_apart(file: memoryview) -> Piece:
    """``file`` is a whole Parquet file; its body is a view, not a copy."""
    assert bytes(file[-4:]) == MAGIC, "a Parquet file ends with its name"
    length = int.from_bytes(file[-8:-4], "little")
    footer, end = _read_struct(bytes(file[-8 - length : -8]), 0)
    assert end == length, "a footer is one structure"
    return Piece(file[len(MAGIC) : -8 - length], footer)


def footer(model: Piece, pieces: Iterable[tuple[int, _Struct]]) -> bytes:
    """The end of a file with the columns of ``model``, stored alike in all; ``pieces`` are the footers in order, and where in the file each body begins."""
    stored, groups, rows = _stored(model.footer), list[_Struct](), 0
    for start, piece in pieces:
        assert _stored(piece) == stored, "pieces of a file have the same columns"
        rows += _field(piece, _ROWS)
        groups.extend(_moved_group(group, start - len(MAGIC)) for group in _field(piece, _ROW_GROUPS)[1])
    whole = [(i, kind, {_ROWS: rows, _ROW_GROUPS: (_STRUCT, groups)}.get(i, value)) for i, kind, value in model.footer]
    written = bytearray()
    _write_struct(written, whole)
    return bytes(written) + len(written).to_bytes(4, "little") + MAGIC


def _field(struct: _Struct, wanted: int) -> Any:
    return next(value for i, _, value in struct if i == wanted)


def _stored(footer: _Struct) -> list[_Struct]:
    """The columns by what their pages hold; what a number means (an integer, a decimal) is not in the pages."""
    return [[field for field in element if field[0] <= _LAST_STORED] for element in _field(footer, _SCHEMA)[1]]


def _moved_group(group: _Struct, by: int) -> _Struct:
    """Its number in the file goes: only encrypted files need one."""
    columns = _field(group, _COLUMNS)
    moved = (columns[0], [_moved_chunk(chunk, by) for chunk in columns[1]])
    return _moved([(i, kind, moved if i == _COLUMNS else value) for i, kind, value in group if i != _ORDINAL], (_GROUP_OFFSET,), by)


def _moved_chunk(chunk: _Struct, by: int) -> _Struct:
    return _moved([(i, kind, _moved(value, _META_OFFSETS, by) if i == _CHUNK_META else value) for i, kind, value in chunk], _CHUNK_OFFSETS, by)


def _moved(struct: _Struct, offsets: tuple[int, ...], by: int) -> _Struct:
    """0 says that there is no such thing, and goes on saying it."""
    return [(i, kind, value + by if i in offsets and value else value) for i, kind, value in struct]


# --- Thrift's compact protocol ------------------------------------------------------------------------------------


def _read_struct(data: bytes, at: int) -> tuple[_Struct, int]:
    fields, last = list[tuple[int, int, Any]](), 0
    while data[at]:
        step, kind = data[at] >> 4, data[at] & 15
        at += 1
        if step:
            last += step
        else:
            last, at = _read_number(data, at)
        value, at = (b"", at) if kind in (_TRUE, _FALSE) else _read_value(data, at, kind)
        fields.append((last, kind, value))
    return fields, at + 1


def _read_value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in _NUMBERS:
        return _read_number(data, at)
    if kind == _STRUCT:
        return _read_struct(data, at)
    if kind == _LIST:
        return _read_list(data, at)
    if kind == _BINARY:
        length, at = _read_varint(data, at)
    else:
        length = {_TRUE: 1, _FALSE: 1, _BYTE: 1, _DOUBLE: 8}[kind]
    return data[at : at + length], at + length


def _read_list(data: bytes, at: int) -> tuple[Any, int]:
    count, kind = data[at] >> 4, data[at] & 15
    at += 1
    if count == 15:
        count, at = _read_varint(data, at)
    values = []
    for _ in range(count):
        value, at = _read_value(data, at, kind)
        values.append(value)
    return (kind, values), at


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    folded, at = _read_varint(data, at)
    return (folded >> 1) ^ -(folded & 1), at


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _write_struct(out: bytearray, fields: _Struct) -> None:
    last = 0
    for i, kind, value in fields:
        if 0 < i - last < 16:
            out.append((i - last) << 4 | kind)
        else:
            out.append(kind)
            _write_number(out, i)
        last = i
        if kind not in (_TRUE, _FALSE):
            _write_value(out, kind, value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _NUMBERS:
        _write_number(out, value)
    elif kind == _STRUCT:
        _write_struct(out, value)
    elif kind == _LIST:
        inner, values = value
        out.append(min(len(values), 15) << 4 | inner)
        if len(values) >= 15:
            _write_varint(out, len(values))
        for one in values:
            _write_value(out, inner, one)
    else:
        if kind == _BINARY:
            _write_varint(out, len(value))
        out.extend(value)


def _write_number(out: bytearray, value: int) -> None:
    _write_varint(out, (value << 1) ^ (value >> 63))


def _write_varint(out: bytearray, value: int) -> None:
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
