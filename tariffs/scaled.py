"""Columns of whole numbers at a scale that is known beforehand: what the columnar evaluator computes with.

A plan at scale ``places`` gives ``value * 10**places``; ``places`` may be negative (300 at -2 is 3), so that constants soak up scale and
products need no second pass. Width is settled while planning: int64 where the static bounds of the result and of
everything on the way stay below 2**62, else exact Python integers in object columns. Where a chunk has a ``Room``, what stays
below 2**31 is int32: twice the numbers in the same cache, and three times the speed. Rows an enclosing condition
excludes are computed like all others and thrown away; they may hold nonsense, but never divide by zero.

Fresh memory costs more than the arithmetic, so that results go where it is safe to write: over an operand whose plan says that
it is nobody else's (``own``), else into a buffer of the chunk's ``Room``.

Independent of ``explain`` on purpose: rounding is written here a second time.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import ceil
from typing import Any, TypeGuard, assert_never

import numpy as np
import numpy.typing as npt

from tariffs import model as m
from tariffs.money import EXACT, Mode

#: int64, int32 where static bounds allow, or object columns of Python ints where values may be wider.
Ints = npt.NDArray[Any]
Number = int | Ints
Mask = npt.NDArray[np.bool_]
Answer = bool | Mask
#: Conditions that enclose a node, with the side on which it stands.
Taken = tuple[tuple[Mask, bool], ...]
NARROW = 2**62
SMALL = 2**31
INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)  # compared with many times a chunk: a dtype with a dtype takes less than half the time


@dataclass(slots=True)
class Room:
    """Buffers ``rows`` long: all that one chunk ever took, those that are free now by bytes a row, and columns that hold one ``constant`` each.

    ``lent``: the column of the result for which numbers are computed just now, the next buffer to be taken while it is ``unused``.
    """

    rows: int = 0
    every: list[Ints] = field(default_factory=list)
    free: dict[int, list[Ints]] = field(default_factory=dict)
    constants: dict[tuple[int, Any], Ints] = field(default_factory=dict)
    lent: Ints | None = None
    unused: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: numeric inputs at the scale of their type, choices as codes, built-ins, and earlier charges (0 where they do not apply).

    ``room`` is used again for the next chunk; without one, results have memory of their own. ``sums``: charges added up already, by scale and names,
    right in every row whatever conditions stood around them.
    """

    numbers: Mapping[str, Ints]
    codes: Mapping[str, Ints]
    built_ins: Mapping[str, Number]
    amounts: dict[str, Number]
    room: Room | None = None
    sums: dict[tuple[int, tuple[str, ...]], Number] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """How to compute an expression at scale ``places``; ``reach`` bounds the size of the scaled result, ``fixed`` is it where it is constant.

    ``own``: every run gives an array that nothing else holds, and that the caller may write over.
    """

    run: Callable[[Batch, Taken], Number]
    places: int
    reach: int
    fixed: int | None = None
    own: bool = False


# --- memory -------------------------------------------------------------------------------------------------------


def cleared(room: Room, rows: int) -> Room:
    """``room`` for the next chunk: nothing of the one before is looked at any more."""
    if room.rows != rows:
        room.rows, room.every, room.constants = rows, [], {}
    room.free = {size: [buffer for buffer in room.every if buffer.itemsize == size] for size in (4, 8)}
    return room


def blank(batch: Batch, rows: int, kind: np.dtype[Any] = INT64) -> Ints:
    """A buffer to write to."""
    room = batch.room
    if room is None or room.rows != rows:
        return np.empty(rows, kind)
    if room.unused and room.lent is not None and room.lent.dtype == kind:
        room.unused = False
        return room.lent
    free = room.free[kind.itemsize]
    if free:
        return free.pop()
    room.every.append(np.empty(rows, kind))
    return room.every[-1]


@contextmanager
def lent(batch: Batch, column: Ints | None) -> Iterator[None]:
    """Inside, ``column`` may be taken as a buffer, first of all: the result that it is for may come to lie there by itself. None: there is none.

    Nothing else may stay there that is looked at later, for the result is written to it in the end.
    """
    room = batch.room
    if room is None:
        yield
        return
    before = room.lent, room.unused
    room.lent, room.unused = column, column is not None
    try:
        yield
    finally:
        room.lent, room.unused = before


def done_with(batch: Batch, arg: Plan, value: Number) -> None:
    """What ``arg`` gave is not needed any more: its buffer is free, if it was nobody else's."""
    if arg.own:
        give_back(batch, value)


def give_back(batch: Batch, value: Number) -> None:
    """A buffer that nobody else holds is free."""
    room = batch.room
    if room is None or not plain(value) or len(value) != room.rows:
        return
    if value is room.lent:
        room.unused = True
    else:
        room.free[value.itemsize].append(value)


def plain(value: Number) -> TypeGuard[Ints]:
    return isinstance(value, np.ndarray) and value.dtype in (INT64, INT32)


def lanes(size: int, *values: Number) -> np.dtype[Any] | None:
    """The kind of column for a result of at most ``size`` from these values: int32 where it and they are; None where one is wider, or all are constants."""
    kind, columns = INT32 if size < SMALL else INT64, False
    for value in values:
        if isinstance(value, int):
            kind = kind if -SMALL < value < SMALL else INT64
        elif value.dtype == INT64:
            kind, columns = INT64, True
        elif value.dtype == INT32:
            columns = True
        else:
            return None
    return kind if columns else None


def whole(value: Number) -> Number:
    """int64 where it was int32."""
    return value.astype(np.int64) if isinstance(value, np.ndarray) and value.dtype == INT32 else value


def narrowed(batch: Batch, value: Ints) -> Ints:
    """A column of numbers below 2**31 as int32, where there is a room."""
    if batch.room is None or value.dtype != INT64:
        return value
    found = blank(batch, len(value), INT32)
    np.copyto(found, value, casting="unsafe")
    return found


def tight(batch: Batch, value: Ints, size: int) -> Ints:
    """The same of a column of at most ``size`` that nobody else holds."""
    found = narrowed(batch, value) if size < SMALL else value
    if found is not value:
        give_back(batch, value)
    return found


def _filled(batch: Batch, value: Number, kind: Any) -> Number:
    """A constant as a column, of which NumPy takes the least and the greatest four times as fast."""
    if not isinstance(value, int) or batch.room is None:
        return value
    if (value, kind) not in batch.room.constants:
        batch.room.constants[value, kind] = np.full(batch.room.rows, value, kind)
    return batch.room.constants[value, kind]


def applied(op: Callable[[Any, Any], Any], left: Plan, right: Plan, size: int, b: Batch, t: Taken) -> Number:
    """``op`` of both, which and whose result (at most ``size``) fit 64 bits."""
    return merged(op, left.run(b, t), right.run(b, t), size, b, left.own, right.own)


def merged(op: Callable[[Any, Any], Any], a: Number, c: Number, size: int, b: Batch, own_a: bool = False, own_c: bool = False) -> Number:
    """``op`` of two values, into a column that is the caller's; ``own_a``, ``own_c``: that value is not needed any more and nobody else's."""
    kind = lanes(size, a, c)
    if kind is None:
        found: Number = op(a, c)
        return found
    for value, own, other, own_other in ((a, own_a, c, own_c), (c, own_c, a, own_a)):
        if own and isinstance(value, np.ndarray) and value.dtype == kind:
            put(op, a, c, value, b)
            if own_other:
                give_back(b, other)
            return value
    out = put(op, a, c, blank(b, len(a) if isinstance(a, np.ndarray) else len(c) if isinstance(c, np.ndarray) else 0, kind), b)
    for value, own in ((a, own_a), (c, own_c)):
        if own:
            give_back(b, value)
    return out


def put(op: Callable[[Any, Any], Any], a: Number, c: Number, out: Ints, b: Batch) -> Ints:
    if op in (lesser, greater) and b.room is not None and b.room.rows == len(out):
        a, c = _filled(b, a, out.dtype.type), _filled(b, c, out.dtype.type)
    found: Ints = INTO[op](a, c, out=out, dtype=out.dtype)
    return found


# --- scale and width ----------------------------------------------------------------------------------------------


def least_places(grid: Decimal) -> int:
    """The smallest scale (300 -> -2, 0.05 -> 2) at which every multiple of ``grid`` is whole; 0 for the grid 0."""
    if not grid:
        return 0
    exponent = EXACT.normalize(grid).as_tuple().exponent
    assert isinstance(exponent, int), "grids are finite"
    return -exponent


def scaled(value: Decimal | Fraction, places: int) -> int:
    """``value * 10**places``, which must be whole."""
    exact = Fraction(value) * Fraction(10) ** places
    assert exact.denominator == 1, "the scale holds every digit"
    return exact.numerator


def reach(kind: m.Type, places: int) -> int:
    """The largest size a value of this type has at this scale."""
    return ceil(max(abs(Fraction(kind.low)), abs(Fraction(kind.high))) * Fraction(10) ** places)


def widen(value: Number) -> Number:
    """Python integers, which never overflow."""
    return value if isinstance(value, int) or value.dtype == object else value.astype(object)


def narrow(value: Number, taken: Taken) -> Number:
    """Back to int64 after an operation whose result is proven to fit; OverflowError where the proof was wrong."""
    if isinstance(value, int) or value.dtype != object:
        return value
    mask = taken_mask(taken)
    return (value if mask is None else np.where(mask, value, 0)).astype(np.int64)


def taken_mask(taken: Taken) -> Mask | None:
    """Rows on which every enclosing condition has the side asked for; None: all."""
    masks = [mask if side else ~mask for mask, side in taken]
    return reduce(operator.and_, masks) if masks else None


def enclose(taken: Taken, answer: Answer, side: bool) -> Taken:
    """``taken``, and ``answer`` must be ``side``."""
    return taken if isinstance(answer, bool) else (*taken, (answer, side))


def fit(arg: Plan, size: int) -> Plan:
    """``arg`` known to stay within ``size``; narrow again where it was wide only on the way."""
    if arg.reach < NARROW or size >= NARROW:
        return Plan(arg.run, arg.places, size, arg.fixed, arg.own)
    return Plan(lambda b, t: narrow(arg.run(b, t), t), arg.places, size, arg.fixed)


def constant(value: int, places: int) -> Plan:
    return Plan(lambda b, t: value, places, abs(value), fixed=value)


def rescale(arg: Plan, places: int) -> Plan:
    """``arg`` at another scale; going down is exact, because the caller's type says so."""
    if arg.places == places:
        return arg
    if arg.fixed is not None:
        return constant(scaled(Fraction(arg.fixed) / Fraction(10) ** arg.places, places), places)
    if arg.places < places:
        return times(arg, 10 ** (places - arg.places), places)
    unit = 10 ** (arg.places - places)
    return fit(Plan(lambda b, t: exact_quotient(arg.run(b, t), unit, t), places, arg.reach), -(-arg.reach // unit))


def exact_quotient(value: Number, unit: int, taken: Taken) -> Number:
    value = whole(value) if unit >= SMALL else value
    found = value // unit
    wrong = found * unit != value
    mask = taken_mask(taken)
    assert not np.any(wrong if mask is None else wrong & mask), "every value is a multiple of its grid"
    return found


def times(arg: Plan, multiplier: int, places: int) -> Plan:
    """``arg`` by a whole constant, taken to stand at ``places``."""
    size = arg.reach * abs(multiplier)
    if arg.fixed is not None:
        return constant(arg.fixed * multiplier, places)
    if not arg.reach:  # however large the multiplier is
        return constant(0, places)
    if multiplier == 1:
        return Plan(arg.run, places, size, own=arg.own)
    if size >= NARROW:
        return Plan(lambda b, t: widen(arg.run(b, t)) * multiplier, places, size)
    factor = constant(multiplier, 0)
    return Plan(lambda b, t: applied(operator.mul, arg, factor, size, b, t), places, size, own=True)


def combine(op: Callable[[Any, Any], Any], left: Plan, right: Plan, places: int, size: int) -> Plan:
    """``op`` of both, wide where the result may be; ``size`` bounds the result."""
    if left.fixed is not None and right.fixed is not None:
        return constant(int(op(left.fixed, right.fixed)), places)
    widest = max(size, left.reach, right.reach)
    if widest >= NARROW:
        return fit(Plan(lambda b, t: op(widen(left.run(b, t)), widen(right.run(b, t))), places, widest), size)
    return Plan(lambda b, t: applied(op, left, right, widest, b, t), places, size, own=True)


def select(mask: Mask, then: Number, other: Number, size: int, batch: Batch | None = None) -> Number:
    """``then`` where the mask holds, else ``other``; ``size`` bounds both. Columns fresh, or of the batch's room."""
    if size >= NARROW or _is_wide(then) or _is_wide(other):
        return np.where(mask, widen(np.asarray(then)) if size >= NARROW else then, other)
    if isinstance(then, int) and then == 0 and not isinstance(other, int):
        return select(~mask, other, 0, size, batch)
    kind = INT32 if batch is not None and batch.room is not None and size < SMALL and not _is_long(then) and not _is_long(other) else INT64
    bits = blank(batch, len(mask), kind) if batch is not None else np.empty(len(mask), kind)
    np.copyto(bits, -mask.view(np.int8))  # all ones or none: many times as fast as a choice a row
    if isinstance(other, int) and other == 0:
        np.bitwise_and(then, bits, out=bits, dtype=kind)
        return bits
    change = np.bitwise_xor(then, other, out=blank(batch, len(mask), kind) if batch is not None else None, dtype=kind)
    np.bitwise_and(bits, change, out=bits)
    if batch is not None:
        give_back(batch, change)
    np.bitwise_xor(bits, other, out=bits, dtype=kind)
    return bits


def _is_long(value: Number) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == INT64


def _is_wide(value: Number) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def lesser(a: Number, b: Number) -> Number:
    return min(a, b) if isinstance(a, int) and isinstance(b, int) else np.minimum(a, b)


def greater(a: Number, b: Number) -> Number:
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else np.maximum(a, b)


#: The same over columns, into memory that is given.
INTO: Mapping[Callable[[Any, Any], Any], np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    lesser: np.minimum,
    greater: np.maximum,
}


# --- rounding -----------------------------------------------------------------------------------------------------


def round_whole(n: Number, d: Number, mode: Mode) -> Number:
    """``n / d`` to a whole number, ``d > 0``: every mode but half_even is a floor after adding the right bias."""
    half, even = d // 2, d % 2 == 0
    match mode:
        case Mode.FLOOR:
            return n // d
        case Mode.CEILING:
            return (n + (d - 1)) // d
        case Mode.DOWN:
            return (n + (n < 0) * (d - 1)) // d
        case Mode.UP:
            return (n + (n > 0) * (d - 1)) // d
        case Mode.HALF_UP:
            return (n + half - ((n < 0) & even)) // d
        case Mode.HALF_DOWN:
            return (n + (d - 1) // 2 + ((n < 0) & even)) // d
        case Mode.HALF_EVEN:
            q = (n + half) // d
            return q - ((q * d == n + half) & even & (q % 2 == 1))
        case _:
            assert_never(mode)


def bias(d: int, mode: Mode) -> int | None:
    """What is added to a number that is not negative, before a floor; None where that depends on the number."""
    match mode:
        case Mode.FLOOR | Mode.DOWN:
            return 0
        case Mode.CEILING | Mode.UP:
            return d - 1
        case Mode.HALF_UP:
            return d // 2
        case Mode.HALF_DOWN:
            return (d - 1) // 2
        case Mode.HALF_EVEN:
            return None
        case _:
            assert_never(mode)


def round_column(n: Ints, d: int, more: int, out: Ints) -> Ints:
    """``(n + more) // d`` for rows that are not negative; rows that do not count may be. Division without a sign takes half the time."""
    np.add(n, more, out=out, dtype=out.dtype)
    bits = out.view(np.uint32 if out.dtype == np.int32 else np.uint64)
    np.floor_divide(bits, bits.dtype.type(d), out=bits)
    return out


def safe_divisor(d: Number, taken: Taken) -> Number:
    """``d`` with 1 where an enclosing condition excludes the row and it is 0."""
    zero = d == 0
    if not np.any(zero):
        return d
    mask = taken_mask(taken)
    assert not np.any(zero if mask is None else zero & mask), "no divisor can be zero where the quotient counts"
    return np.where(zero, 1, d)
