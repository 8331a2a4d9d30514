"""Frames in and out: pandas, Arrow or plain columns come in, decimal columns of the same kind go out.

Only the columns a version names are looked at. Amounts leave as ``decimal128`` built straight from whole numbers, no
Python object a row. pandas is imported only where the caller brought a DataFrame.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from tariffs.errors import FactsError, Problem, fail
from tariffs.intake import Array, Piece
from tariffs.scaled import NARROW, Ints, Mask, Number

#: Arrow's decimals by their bits: how each is made, and its most digits.
KINDS: Mapping[int, tuple[Callable[[int, int], Any], int]] = {32: (pa.decimal32, 9), 64: (pa.decimal64, 18), 128: (pa.decimal128, 38), 256: (pa.decimal256, 76)}
NEAR = 2**14  # rows of a decimal128 that are still near the processor when it comes by a second time
#: A chunked Arrow array, or Python objects with None where nothing was given.
Source: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Frame:
    """An opened frame: ``kind`` is ``pandas``, ``arrow`` or ``plain``; ``columns`` are those asked for that exist; ``index`` is pandas'."""

    kind: str
    rows: int
    names: tuple[str, ...]
    columns: Mapping[str, Source]
    index: Any = None


# --- in -----------------------------------------------------------------------------------------------------------


def open_frame(frame: object, wanted: Iterable[str]) -> Frame:
    """The columns ``wanted`` that a frame has. FactsError: no frame, a column twice, or columns of different length."""
    if isinstance(frame, pa.RecordBatch):
        frame = pa.Table.from_batches([frame])
    if isinstance(frame, pa.Table):
        names = tuple(frame.column_names)
        _once(names, wanted)
        return Frame("arrow", frame.num_rows, names, {name: frame.column(name) for name in wanted if name in names})
    if _is_pandas(frame, "DataFrame"):
        return _open_pandas(frame, list(wanted))
    if isinstance(frame, Mapping):
        return _open_plain(frame, list(wanted))
    raise fail(FactsError, "not-a-frame", kind=type(frame).__name__)


def _once(names: Sequence[object], wanted: Iterable[str]) -> None:
    twice = [name for name in wanted if names.count(name) > 1]
    if twice:
        raise FactsError([Problem("column-twice", {"name": name}) for name in twice])


def _is_pandas(thing: object, kind: str) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(thing, getattr(pandas, kind))


def _open_pandas(frame: Any, wanted: list[str]) -> Frame:
    names = tuple(frame.columns)
    _once(names, wanted)
    columns = {name: _series(frame[name]) for name in wanted if name in names}
    return Frame("pandas", len(frame), tuple(str(name) for name in names), columns, frame.index)


def _series(series: Any) -> Source:
    if series.dtype == object:
        return series.where(series.notna(), None).tolist()
    return _chunked(pa.array(series, from_pandas=True))


def _open_plain(frame: Mapping[Any, Any], wanted: list[str]) -> Frame:
    columns = {name: _plain(frame[name]) for name in wanted if name in frame}
    lengths = {name: len(column) for name, column in (columns or frame).items()}
    if len(set(lengths.values())) > 1:
        raise fail(FactsError, "columns-uneven", lengths=", ".join(f"{name}: {length}" for name, length in lengths.items()))
    return Frame("plain", next(iter(lengths.values()), 0), tuple(str(name) for name in frame), columns)


def _plain(column: Any) -> Source:
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return _chunked(column)
    if _is_pandas(column, "Series"):
        return _series(column)
    if isinstance(column, np.ndarray) and column.dtype != object:
        return _chunked(pa.array(column))
    return column if isinstance(column, list) else list(column)


def _chunked(column: Array) -> Source:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def cut(column: Source, start: int, stop: int) -> Piece:
    """Rows ``start`` to ``stop``; no copy where they lie in one Arrow chunk."""
    if not isinstance(column, pa.ChunkedArray):
        return column[start:stop]
    part = column.slice(start, stop - start)
    if part.num_chunks == 1:
        return part.chunk(0)
    joined: Any = part.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def is_null(column: Source) -> bool:
    """Whether a column holds nothing at all."""
    return column.null_count == len(column) if isinstance(column, pa.ChunkedArray) else all(value is None for value in column)


# --- out ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Amounts:
    """A column being written: machine words (one a row, of 32 bits for decimal32 and of 64 for decimal64, two for decimal128, four for decimal256), and
    bits for rows that have an amount; None where every row has one, for else there is no result.

    The words lie in Arrow's own memory, which is used again and again: fresh pages cost more than the arithmetic.
    ``signed``: a value may be negative, so the upper words are not simply 0.
    """

    name: str
    places: int
    signed: bool
    memory: Any
    words: Ints
    valid: Ints | None


def new_amounts(name: str, rows: int, places: int, reach: int, signed: bool, narrow: bool = False, nullable: bool = True) -> Amounts:
    """Room for ``rows`` amounts of at most ``reach`` at ``places``, as wide as ``width`` says. FactsError beyond 76 digits."""
    if reach >= 10**76:
        raise fail(FactsError, "amount-too-wide", name=name, digits=len(str(reach)))
    bits = width(reach, places, narrow)
    memory: Any = pa.allocate_buffer(-(-rows * bits // 512) * 64)  # whole lines: compiled code may write them whole
    words = np.frombuffer(memory, np.int32 if bits == 32 else np.int64)[: rows * max(1, bits // 64)].reshape(rows, max(1, bits // 64))
    return Amounts(name, places, signed, memory, words, np.full((rows + 63) // 64 * 8, 255, np.uint8) if nullable else None)


def width(reach: int, places: int, narrow: bool = False) -> int:
    """The bits of an amount of at most ``reach`` at ``places``: a key of ``KINDS``. ``narrow``: as few as hold it; else at least those of decimal128."""
    fits = (bits for bits, (_, digits) in KINDS.items() if (narrow or bits >= 128) and reach < 10**digits)
    return next(bits for bits in fits if bits >= 128 or places <= KINDS[bits][1])  # Parquet knows no more places than digits


def write(amounts: Amounts, start: int, stop: int, values: Number, valid: Mask | None, factor: int = 1) -> None:
    """``values * factor`` in rows ``start`` (a multiple of 8) to ``stop`` at once; rows that are not ``valid`` keep a number nobody can see."""
    assert start % 8 == 0
    words = amounts.words[start:stop]
    if valid is not None and amounts.valid is not None:
        amounts.valid[start // 8 : (stop + 7) // 8] = np.packbits(valid, bitorder="little")
    if factor != 1 and (isinstance(values, int) or values.dtype == object):
        values, factor = values * factor, 1
    if isinstance(values, int) and abs(values) >= NARROW:
        values = np.full(stop - start, values, object)
    if isinstance(values, np.ndarray) and values.dtype == object:
        for index in range(words.shape[1]):
            words[:, index] = ((values >> (64 * index)) & (2**64 - 1)).astype(np.uint64).view(np.int64)
        return
    if isinstance(values, np.ndarray) and np.may_share_memory(values, words):
        assert factor == 1, "a column is lent at the scale of what is computed in it"
        return  # computed where they belong
    step = NEAR if words.shape[1] > 1 else max(1, len(words))
    for begin in range(0, len(words), step):
        part, some = words[begin : begin + step], values if isinstance(values, int) else values[begin : begin + step]
        if words.shape[1] > 1 and not amounts.signed:
            part.fill(0)  # all at once: faster than every second word
        if factor == 1:
            part[:, 0] = some
        else:
            np.multiply(some, factor, out=part[:, 0], dtype=words.dtype, casting="same_kind")
        if amounts.signed:
            part[:, 1:] = (part[:, 0] >> 63)[:, None]


def bits_of(amounts: Amounts) -> int:
    """Of one amount."""
    return int(amounts.words.shape[1] * amounts.words.itemsize * 8)


def finish(amounts: Amounts) -> Array:
    """The Arrow column; its memory is the words themselves."""
    rows = len(amounts.words)
    make, digits = KINDS[bits_of(amounts)]
    kind, memory = make(digits, amounts.places), amounts.memory.slice(0, amounts.words.nbytes)  # what lies behind is nobody's, and in no file
    found = None if amounts.valid is None else pa.Array.from_buffers(kind, rows, [_buffer(amounts.valid), memory])
    return found if found is not None and found.null_count else pa.Array.from_buffers(kind, rows, [None, memory])


def _buffer(memory: Any) -> pa.Buffer:
    return pa.py_buffer(memory)


def close_frame(kind: str, columns: Mapping[str, Array], index: Any = None) -> Any:
    """Columns as the kind of frame that came in: a DataFrame of Arrow-backed columns, an Arrow Table, or lists."""
    if kind == "arrow":
        return pa.table(dict(columns))
    if kind == "plain":
        return {name: column.to_pylist() for name, column in columns.items()}
    import pandas as pd

    made = {name: pd.arrays.ArrowExtensionArray(pa.chunked_array([column])) for name, column in columns.items()}
    return pd.DataFrame(made, index=index)
