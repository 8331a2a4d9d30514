"""Columns as compiled code reads and writes them: how each lies in memory, and where. Nothing is copied that lies as it should."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from tariffs import columns, intake, periods_in
from tariffs.columns import Amounts, Frame
from tariffs.compiled import CHAIN, CHUNK, INPUT, OUTPUT, Machine, Output, Shape
from tariffs.declare import BUILT_IN
from tariffs.errors import FactsError
from tariffs.facts import Period
from tariffs.intake import Array, Column
from tariffs.model import Choice, Input, Version
from tariffs.scaled import NARROW, Ints, Mask

STRETCH = 16 * CHUNK  # rows a call, at most
PADDED = 16  # bytes behind a bitmap that may be read
_ALL = np.full(STRETCH // 8 + PADDED, 255, np.uint8)


@dataclass(frozen=True, slots=True)
class Bound:
    """A frame and the code for it. ``outputs`` are those written, in the order of the code's."""

    version: Version
    frame: Frame
    period: Period | None
    machine: Machine
    shapes: tuple[Shape, ...]
    outputs: tuple[Output, ...]
    amounts: Mapping[str, Amounts]


# --- shapes -------------------------------------------------------------------------------------------------------


def shapes(version: Version, frame: Frame, period: Period | None, by_row: bool) -> tuple[Shape, ...]:
    """How every input of the version lies in the frame. Where one column has nulls, all are read as if: one code for that, not one for each set of columns."""
    null = any(column.null_count for column in frame.columns.values() if isinstance(column, pa.ChunkedArray))
    numbers = [_number_shape(item, frame.columns.get(item.full_name), null) for item in version.inputs]
    choices = [_choice_shape(choice, frame.columns.get(choice.name), null) for choice in version.choices.values()]
    none = periods_in.one_span(period, 0).null
    built_ins = [Shape(name, "number" if by_row else "absent" if name in none else "one") for name in BUILT_IN]
    return (*numbers, *choices, *built_ins)


def _number_shape(item: Input, column: Any, null: bool) -> Shape:
    if _is_nothing(column):
        return Shape(item.full_name, "absent", 0)
    kind = column.type if isinstance(column, pa.ChunkedArray) else None
    if kind is not None and types.is_integer(kind) and kind != pa.uint64():
        return Shape(item.full_name, "number", kind.bit_width, types.is_signed_integer(kind), 0, nullable=null)
    if kind is not None and types.is_decimal(kind) and kind.bit_width <= 128 and kind.scale >= 0:
        return Shape(item.full_name, "number", kind.bit_width, scale=kind.scale, nullable=null)
    return Shape(item.full_name, "read", 64, scale=item.type.places, nullable=True)


def _choice_shape(choice: Choice, column: Any, null: bool) -> Shape:
    if _is_nothing(column):
        return Shape(choice.name, "absent", 0)
    kind = column.type if isinstance(column, pa.ChunkedArray) else None
    if kind is not None and types.is_dictionary(kind) and intake.is_text(kind.value_type):
        return Shape(choice.name, "index", kind.index_type.bit_width, types.is_signed_integer(kind.index_type), nullable=null)
    return Shape(choice.name, "code", intake.code_type(len(choice.members))().itemsize * 8, nullable=True)


def _is_nothing(column: Any) -> bool:
    return column is None or (isinstance(column, pa.ChunkedArray) and types.is_null(column.type))


# --- where they lie -----------------------------------------------------------------------------------------------


def stretches(bound: Bound) -> Iterator[tuple[int, int]]:
    """Rows that one call may take: whole chunks, within one piece of every column; a chunk that pieces meet in stands alone, and is joined."""
    native = [bound.frame.columns[shape.name] for shape in bound.shapes if shape.kind in ("number", "index") and shape.name in bound.frame.columns]
    read = any(shape.kind in ("read", "code") or (shape.name in BUILT_IN and shape.kind == "number") for shape in bound.shapes)
    longest = CHUNK if read else STRETCH
    breaks = {int(end) for column in native for end in np.cumsum([len(piece) for piece in column.chunks])}
    cut = {end // CHUNK for end in breaks if end % CHUNK}
    start = 0
    while start < bound.frame.rows:
        stop = start + CHUNK
        while stop < bound.frame.rows and stop - start < longest and start // CHUNK not in cut and stop // CHUNK not in cut and stop not in breaks:
            stop += CHUNK
        yield start, min(stop, bound.frame.rows)
        start = stop


def run(bound: Bound, start: int, stop: int) -> list[int]:
    """Writes the amounts of a stretch; gives the first row of every chunk in which a row is bad, and whose amounts mean nothing."""
    words = np.zeros(len(bound.shapes) * len(INPUT) + len(bound.outputs) * len(OUTPUT), np.int64)
    kept: list[object] = []  # what addresses point to
    try:
        for index, shape in enumerate(bound.shapes):
            words[index * len(INPUT) :][: len(INPUT)] = _input(bound, shape, start, stop, kept)
    except _UnusableError:
        return [start]
    first = len(bound.shapes) * len(INPUT)
    for index, output in enumerate(bound.outputs):
        if output.bits:
            amounts = bound.amounts[output.name]
            bits = 0 if amounts.valid is None else amounts.valid.ctypes.data + start // 8
            words[first + index * len(OUTPUT) :][: len(OUTPUT)] = amounts.words.ctypes.data + start * output.bits // 8, bits
    flags = np.zeros(-(-(stop - start) // CHUNK), np.uint8)
    bound.machine.call(words.ctypes.data, stop - start, flags.ctypes.data)
    return [start + int(chunk) * CHUNK for chunk in np.flatnonzero(flags)]


class _UnusableError(Exception):
    """A column of a chunk cannot be read, or holds what compiled code does not take."""


def _input(bound: Bound, shape: Shape, start: int, stop: int, kept: list[object]) -> Sequence[int]:
    """What the code takes of an input: ``INPUT``."""
    if shape.kind == "absent":
        return (0, 0, 0, 0, 0)
    if shape.name in BUILT_IN:
        return _built_in(bound, shape, start, stop, kept)
    piece = columns.cut(bound.frame.columns[shape.name], start, stop)
    kept.append(piece)
    if shape.kind in ("read", "code"):
        return _read(bound, shape, piece, kept)
    table, size = _dictionary(bound.version.choices[shape.name], piece, shape.bits, kept) if shape.kind == "index" else (0, 0)
    bits, offset = _bits(piece, kept) if shape.nullable else (0, 0)
    buffer = piece.buffers()[1]
    return (buffer.address if buffer else 0) + piece.offset * shape.bits // 8, bits, offset, table, size


def _built_in(bound: Bound, shape: Shape, start: int, stop: int, kept: list[object]) -> Sequence[int]:
    if shape.kind == "one":
        value = periods_in.one_span(bound.period, 0).built_ins[shape.name]
        assert isinstance(value, int), "one period for all"
        return value, 0, 0, 0, 0
    span = periods_in.read_span(bound.version, {name: columns.cut(bound.frame.columns[name], start, stop) for name in periods_in.COLUMNS})
    if span.bad is not None or span.null:
        raise _UnusableError
    return _address(np.asarray(span.built_ins[shape.name], np.int64), kept), 0, 0, 0, 0


def _read(bound: Bound, shape: Shape, piece: Any, kept: list[object]) -> Sequence[int]:
    """A column that is read into numbers or codes first."""
    item = next((item for item in bound.version.inputs if item.full_name == shape.name), None)
    try:
        column: Column = intake.read_choice(piece, bound.version.choices[shape.name]) if item is None else intake.read_numbers(piece, item)
    except FactsError:
        raise _UnusableError from None
    wide = column.values.dtype == object  # it was, at the scale it came in
    if column.bad is not None or (wide and max(map(abs, column.values), default=0) >= NARROW):
        raise _UnusableError
    return _address(column.values.astype(np.int64) if wide else column.values, kept), _packed(column.null, kept), 0, 0, 0


def _address(values: Any, kept: list[object]) -> int:
    kept.append(values := np.ascontiguousarray(values))
    return int(values.ctypes.data)


def _packed(null: Mask | None, kept: list[object]) -> int:
    if null is None:
        return int(_ALL.ctypes.data)
    return _address(np.concatenate([np.packbits(~null, bitorder="little"), np.zeros(PADDED, np.uint8)]), kept)


def _bits(array: Array, kept: list[object]) -> tuple[int, int]:
    """The address of an array's bits and the first that counts; copied where there is no room to read on behind them."""
    buffer = array.buffers()[0]
    if buffer is None or not array.null_count:
        return int(_ALL.ctypes.data), 0
    end = (array.offset + len(array) + 63) // 8
    if buffer.size >= end + PADDED:
        return buffer.address, array.offset
    begin = array.offset // 8
    bits = np.frombuffer(buffer, np.uint8)[begin : end + PADDED]
    return _address(np.concatenate([bits, np.zeros(2 * PADDED, np.uint8)]), kept), array.offset - begin * 8


def _dictionary(choice: Choice, array: Array, bits: int, kept: list[object]) -> tuple[int, int]:
    """For few members the place of each in the dictionary, else the code of each place; -1 for none. With the dictionary's size."""
    members, words = list(choice.members), array.dictionary
    if len(words) >= 2**bits:  # then -1 would be a place
        raise _UnusableError
    codes: Ints = np.append(intake.text_codes(words, members).astype(np.int64) if len(words) else np.zeros(0, np.int64), -1)
    if len(members) > CHAIN:
        return _address(codes, kept), len(words)
    found = np.full(len(members), -1, np.int64)
    places = np.flatnonzero(codes >= 0)
    found[codes[places]] = places
    return _address(found, kept), len(words)
