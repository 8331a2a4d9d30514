"""Columns -> PostgreSQL's binary COPY, a column at a time: every cell is made as ``length + bytes``, and Arrow joins the cells of a row.

A table's rows are given in three ways, since most of what a bill run writes is said again and again: what is the ``same`` in
every row, columns that hold a value for ``each`` row, and ``Coded`` columns, a few different rows that are pointed at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
from sqlalchemy import BigInteger, Date, Integer, Table, Text
from sqlalchemy.types import TypeEngine

from billing_service.store.types import Exact, Instant

pc: Any = pyarrow.compute
Codes = npt.NDArray[np.int64]
HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
END = struct.pack(">h", -1)
NULL = struct.pack(">i", -1)
_EPOCH = date(2000, 1, 1)
_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_DIGITS = 5  # in base 10,000 with four of the places: what 64 bits can hold
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Coded:
    """Row i has what ``columns`` have at ``codes[i]``."""

    codes: Codes
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """``count`` rows of a table. Columns are Arrow arrays without nulls (texts, date32, whole numbers); a decimal is a whole number of its last
    place, within 64 bits. ``same`` holds plain values, None among them.
    """

    count: int
    same: Mapping[str, Any]
    each: Mapping[str, Any] = field(default_factory=dict)
    coded: Sequence[Coded] = ()

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which ``blocks`` writes them."""
        return [*self.same, *(name for coded in self.coded for name in coded.columns), *self.each]


def blocks(table: Table, rows: Rows) -> Iterator[bytes | memoryview]:
    """The body of ``COPY table (names) FROM STDIN (FORMAT BINARY)``."""
    yield HEAD
    if rows.count:
        first = struct.pack(">h", len(rows.names)) + b"".join(_one(table.c[name].type, value) for name, value in rows.same.items())
        parts = [pa.scalar(first, pa.binary())]
        for coded in rows.coded:
            few = [cell for name, column in coded.columns.items() for cell in _cells(table.c[name].type, column)]
            parts.append(_joined(few).take(pa.array(coded.codes)))
        parts += [cell for name, column in rows.each.items() for cell in _cells(table.c[name].type, column)]
        _, offsets, data = _joined(parts).buffers()
        yield memoryview(data)[: int(np.frombuffer(offsets, np.int32)[rows.count])]
    yield END


def plain_values(table: Table, rows: Rows) -> list[list[Any]]:
    """The columns as lists, in the order of ``names``, as SQLite keeps them: days as text, decimals as whole numbers."""
    found = [[value.isoformat() if isinstance(table.c[name].type, Date) and value is not None else value] * rows.count for name, value in rows.same.items()]
    found += [column.take(pa.array(coded.codes)).to_pylist() for coded in rows.coded for column in coded.columns.values()]
    return [*found, *(column.to_pylist() for column in rows.each.values())]


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))


def _one(kind: TypeEngine[Any], value: Any) -> bytes:
    """One cell of a value as Python has it."""
    if value is None:
        return NULL
    if isinstance(kind, Instant):
        return struct.pack(">iq", 8, (value - _MOMENT) // (datetime.resolution))
    if isinstance(kind, Text):
        text: bytes = value.encode()
        return struct.pack(">i", len(text)) + text
    if isinstance(kind, Date):
        return struct.pack(">ii", 4, (value - _EPOCH).days)
    found: bytes = b"".join(cell[0].as_py() for cell in _cells(kind, pa.array([value], pa.int64())))
    return found


def _cells(kind: TypeEngine[Any], column: Any) -> list[Any]:
    """The cells of a column, as arrays of bytes to be joined; ValueError where one is nothing or wider than its column."""
    if column.null_count:
        raise ValueError("only what is the same in every row may be nothing")
    if isinstance(kind, Text):
        return [_fixed(pc.binary_length(column).to_numpy().astype(">i4")[:, None]), column.cast(pa.binary())]
    if isinstance(kind, Exact):
        return [_fixed(_numeric(column.to_numpy(), kind.places))]
    size, whole = (8, ">i8") if isinstance(kind, BigInteger) else (4, ">i4")
    if not isinstance(kind, Date | Integer):
        raise TypeError(f"no cells of {kind!r}")
    numbers = column.cast(pa.int32()).to_numpy() - (_EPOCH - date(1970, 1, 1)).days if isinstance(kind, Date) else column.to_numpy()
    if size == 4 and len(numbers) and (numbers.min() < -(2**31) or numbers.max() >= 2**31):
        raise ValueError("beyond 32 bits")
    cells = np.empty(len(numbers), [("length", ">i4"), ("value", whole)])
    cells["length"], cells["value"] = size, numbers
    return [_fixed(cells)]


def _numeric(scaled: Codes, places: int) -> npt.NDArray[Any]:
    """NUMERIC cells of whole numbers of 10**-places: sign, then digits in base 10,000, always as many; the server drops leading zeros."""
    pad = -places % 4
    fraction = (places + pad) // 4
    if len(scaled) and max(-int(scaled.min()), int(scaled.max())) > _LARGEST // 10**pad:
        raise ValueError("beyond 64 bits")
    cells = np.empty((len(scaled), 6 + _DIGITS), ">i2")
    # A length of 32 bits, how many digits, the power of the first, the sign, the places; then the digits.
    cells[:, 0], cells[:, 1], cells[:, 2], cells[:, 3] = 0, 2 * (4 + _DIGITS), _DIGITS, _DIGITS - fraction - 1
    cells[:, 4], cells[:, 5] = np.where(scaled < 0, 0x4000, 0), places
    rest = np.abs(scaled) * 10**pad
    for digit in range(_DIGITS - 1, -1, -1):
        rest, cells[:, 6 + digit] = np.divmod(rest, 10_000)
    return cells


def _fixed(cells: npt.NDArray[Any]) -> Any:
    """Rows of bytes, all of one length, as an Arrow column."""
    count = len(cells)
    size = cells.nbytes // count if count else 0
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(size)
    data: Any = np.ascontiguousarray(cells)
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets.data), pa.py_buffer(data)])
