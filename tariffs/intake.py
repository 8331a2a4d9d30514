"""One column in: Arrow arrays or Python objects become scaled whole numbers and codes, and the rows that cannot be used.

Nothing here loses a digit: floats are refused by type, bounds are checked before scaling, text is matched against the
strict pattern before Arrow reads it (Arrow alone takes full-width digits, and wraps silently past 38). What exactly is
wrong with a row is said elsewhere, by the makers of problems that ``explain`` uses too; here it is only found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute
from pyarrow import types

from tariffs.errors import FactsError, Problem
from tariffs.figures import figure, number_problems
from tariffs.model import Choice, Input
from tariffs.money import EXACT, MAX_DIGITS, places
from tariffs.scaled import NARROW, Ints, Mask, scaled

#: RE2's form of ``money.NUMBER``.
_NUMBER = r"\A-?[0-9]+(\.[0-9]+)?\z"
#: Texts, of a column or of a dictionary, that are looked up sooner than Arrow's own look-up is set up.
FEW = 64
pc: Any = pyarrow.compute

#: An Arrow array. The stubs of Arrow type its functions for scalars only, so both are left open.
Array: TypeAlias = Any
#: A piece of a column as it came: an Arrow array, or Python objects with None where nothing was given.
Piece: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Column:
    """Scaled numbers or codes. Rows in ``null`` (nothing given) or ``bad`` (unusable) hold a harmless value; None: no such row.

    ``most``: no number here is larger, whatever its sign; None where that is not known, as where some rows are unusable.
    """

    values: Ints
    null: Mask | None = None
    bad: Mask | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class _Raw:
    """Whole numbers at the column's own scale; those of ``null`` and ``bad`` rows mean nothing."""

    values: Ints
    scale: int
    null: Mask | None = None
    bad: Mask | None = None


def value_at(piece: Piece, row: int) -> object:
    """What was given in a row, as a Python object; None for a null, bytes for a text that is no UTF-8."""
    found = piece[row]
    if not isinstance(found, pa.Scalar):
        return found
    try:
        return found.as_py()
    except UnicodeDecodeError:
        text: Any = found.value if isinstance(found, pa.DictionaryScalar) else found
        return text.as_buffer().to_pybytes()


def values_of(piece: Piece) -> Sequence[object]:
    """The same of all rows."""
    try:
        found: Sequence[object] = piece.to_pylist() if isinstance(piece, (pa.Array, pa.ChunkedArray)) else piece
    except UnicodeDecodeError:
        found = [value_at(piece, row) for row in range(len(piece))]
    return found


# --- numbers ------------------------------------------------------------------------------------------------------


def read_numbers(piece: Piece, item: Input, *, small: bool = False) -> Column:
    """The numbers of an input, times ten to its places. FactsError for a column of floats, whatever it holds.

    They come as int64, or as Python's integers where they are wider. ``small``: 32 bits hold its step and all within its bounds; as int32 where they lie so.
    """
    array = piece if isinstance(piece, pa.Array) else _as_arrow(piece)
    if small and array is not None and types.is_decimal32(array.type) and array.type.scale == item.type.places:
        return _checked(_Raw(_words(array, np.int32)[:, 0], item.type.places, null_mask(array)), item)
    raw = None if array is None else _raw(array, item)
    if raw is None:
        return _one_by_one(values_of(piece), item)
    return _checked(raw, item)


def _as_arrow(values: Sequence[object]) -> Array | None:
    """An array that holds the same objects exactly, or None where they must be looked at one by one."""
    try:
        array: Array = pa.array(cast(Any, values))
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    kind = array.type
    exact = types.is_integer(kind) or types.is_decimal(kind) or types.is_string(kind) or types.is_null(kind)
    return array if exact else None


def _raw(array: Array, item: Input | None) -> _Raw | None:
    kind = array.type
    if types.is_dictionary(kind):
        return _raw(pc.cast(array.dictionary, _seen(kind.value_type)).take(array.indices), item)
    if types.is_string_view(kind):
        return _raw(pc.cast(array, _seen(kind)), item)
    if types.is_floating(kind) and array.null_count < len(array):
        raise FactsError([Problem("float-fact", {"name": item.full_name if item else ""})])
    if types.is_null(kind) or types.is_floating(kind):
        return _Raw(np.zeros(len(array), np.int64), 0, np.ones(len(array), np.bool_))
    if types.is_integer(kind):
        return _Raw(_integers(array), 0, null_mask(array))
    if types.is_decimal(kind):
        null = null_mask(array)
        values = _where(null, 0, _decimals(array))  # what lies under a null means nothing
        return _Raw(_times(values, 10 ** max(0, -kind.scale)), max(0, kind.scale), null)
    if is_text(kind):
        return _texts(array)
    return None


def _seen(kind: Any) -> Any:
    """A type that Arrow can look into, which it cannot into views."""
    return pa.large_string() if types.is_string_view(kind) else kind


def is_text(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def null_mask(array: Array) -> Mask | None:
    """Which rows are null; None where none is."""
    if not array.null_count:
        return None
    bits = np.frombuffer(memory(array, 0), np.uint8)
    start = array.offset // 8
    flags = np.unpackbits(bits[start : (array.offset + len(array) + 7) // 8], bitorder="little")
    found: Mask = flags[array.offset - start * 8 :][: len(array)] == 0
    return found


def memory(array: Array, index: int) -> Any:
    """One of the array's buffers; it exists wherever there is a row."""
    return array.buffers()[index] or b""


def _words(array: Array, dtype: Any, count: int = 1) -> Ints:
    """The array's own memory, ``count`` machine words a row; nothing is copied."""
    flat = np.frombuffer(memory(array, 1), dtype)
    return flat[array.offset * count : (array.offset + len(array)) * count].reshape(-1, count)


def _integers(array: Array, kind: Any = np.int64) -> Ints:
    values = _words(array, array.type.to_pandas_dtype())[:, 0]
    return values.astype(object) if values.dtype == np.uint64 and len(values) and int(values.max()) >= 2**63 else values.astype(kind, copy=False)


def _decimals(array: Array) -> Ints:
    """Low words where every value fits one, else Python integers. They are copied together: every later step reads half the memory."""
    if not len(array):
        return np.zeros(0, np.int64)
    if array.type.bit_width < 128:
        return _words(array, np.dtype(f"int{array.type.bit_width}"))[:, 0].astype(np.int64, copy=False)
    count = array.type.bit_width // 64
    words = _words(array, np.int64, count)
    low = words[:, 0]
    if array.type.precision <= 18 or bool((words[:, 1:] == (low >> 63)[:, None]).all()):
        return np.ascontiguousarray(low)
    whole = words[:, -1].astype(object)
    for index in range(count - 2, -1, -1):
        whole = (whole << 64) + words[:, index].view(np.uint64).astype(object)
    return whole


def _texts(array: Array) -> _Raw | None:
    """Plain decimal numbers written as text; None where they differ too much in length to be read together."""
    null, filled = null_mask(array), pc.fill_null(array, "0")
    good = _booleans(pc.match_substring_regex(filled, _NUMBER))
    digits = pc.utf8_length(pc.replace_substring_regex(filled, "[-.]", ""))
    good &= np.asarray(digits) <= MAX_DIGITS
    filled = filled if good.all() else pc.if_else(pa.array(good), filled, "0")
    point = np.asarray(pc.find_substring(filled, "."))
    length = np.asarray(pc.binary_length(filled))
    after = np.where(point < 0, 0, length - point - 1)
    scale = int(after.max(initial=0))
    if int((length - after).max(initial=0)) + scale > 38:
        return None
    return _Raw(_decimals(pc.cast(filled, pa.decimal128(38, scale))), scale, null, None if good.all() else ~good)


def _booleans(array: Array) -> Mask:
    return np.array(array.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _one_by_one(values: Sequence[object], item: Input) -> Column:
    """The slow way, for columns of mixed objects."""
    instead, places = safe(item), item.type.places
    found, null, bad = [instead] * len(values), np.zeros(len(values), np.bool_), np.zeros(len(values), np.bool_)
    for row, value in enumerate(values):
        if value is None:
            null[row] = True
            continue
        number = figure(item.full_name, value, [])
        if number is None or number_problems(item, number):
            bad[row] = True
        else:
            found[row] = int(EXACT.scaleb(number, places))  # on its step, so nothing is cut off
    return Column(_tight(found), null if null.any() else None, bad if bad.any() else None)


def _tight(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64 if max(map(abs, values), default=0) < NARROW else object)


def safe(item: Input) -> int:
    """A number that lies on the input's step and, as far as possible, inside its bounds; stands in where none was given."""
    step = Fraction(item.type.grid) or Fraction(1)
    return scaled(ceil(Fraction(item.type.low) / step) * step, item.type.places)


def merge(a: Mask | None, b: Mask | None) -> Mask | None:
    """Rows in either."""
    return b if a is None else a if b is None else a | b


def _where(mask: Mask | None, instead: int, values: Ints) -> Ints:
    if mask is None:
        return values
    return np.where(mask, instead, values if abs(instead) < NARROW else values.astype(object))


def most_within(values: Ints, low: int, high: int) -> int | None:
    """The largest size of numbers that all lie from ``low`` to ``high``; None where one does not."""
    if not len(values):
        return 0
    if low == 0 and values.dtype != object and high < 2 ** (8 * values.itemsize - 1):  # read without its sign, a negative number is larger than all of these
        greatest = int(values.view(np.uint32 if values.itemsize == 4 else np.uint64).max())
        return greatest if greatest <= high else None
    least, greatest = int(values.min()), int(values.max())
    return max(-least, greatest) if least >= low and greatest <= high else None


def outside(values: Ints, low: int, high: int) -> Mask:
    """Rows below ``low`` or above ``high``."""
    found: Mask = np.asarray((values < low) | (values > high), np.bool_)
    return found


def off_step(values: Ints, step: int) -> Mask | None:
    """Rows that are no whole multiple of ``step``; None where there are none."""
    found: Mask = np.asarray(_for(step, values) % step != 0, np.bool_)
    return found if found.any() else None


def _for(unit: int, values: Ints) -> Ints:
    """The numbers as they can be divided by ``unit``: NumPy takes none that its own do not hold."""
    return values.astype(object) if unit >= NARROW else values


def _checked(raw: _Raw, item: Input) -> Column:
    """Bounds first, while nothing can overflow; then the input's scale; then its step."""
    places = item.type.places
    fine = max(raw.scale, places)
    low, high, step = limits(item.type.low, item.type.high, item.type.grid, raw.scale, fine)
    unusable = merge(raw.null, raw.bad)
    values = _where(unusable, low if abs(low) < NARROW else 0, raw.values)
    most = most_within(values, low, high)
    bad = outside(values, low, high) if most is None else None
    if bad is not None and unusable is not None:
        bad &= ~unusable
    values = _where(bad, 0, values)
    values = _times(values, 10 ** (fine - raw.scale))
    off = off_step(values, step) if step and 10 ** (fine - raw.scale) % step else None
    if off is not None and unusable is not None:
        off &= ~unusable
    bad = merge(merge(raw.bad, bad), off)
    if fine > places:
        unit = 10 ** (fine - places)
        values = (_for(unit, values) // unit).astype(values.dtype)
    unusable = merge(raw.null, bad)
    if unusable is None:
        assert most is not None, "what lies outside cannot be used"
        return Column(values, most=most * 10 ** (fine - raw.scale) // 10 ** (fine - places))
    return Column(_where(unusable, safe(item), values), raw.null, bad)


def from_whole(values: Ints, scale: int, null: Mask, item: Input) -> Column:
    """Numbers worked out elsewhere, at ``scale``, held to an input's bounds and step like any that are given."""
    return _checked(_Raw(values, scale, null if null.any() else None), item)


@lru_cache(maxsize=1024)
def limits(low: Decimal, high: Decimal, grid: Decimal, scale: int, fine: int) -> tuple[int, int, int]:
    """The least and the largest whole number a column at ``scale`` may hold, and the step at the scale ``fine``."""
    return ceil(Fraction(low) * 10**scale), floor(Fraction(high) * 10**scale), scaled(grid, fine)


def _times(values: Ints, factor: int) -> Ints:
    if factor == 1 or not len(values):
        return values
    size = max(abs(int(values.min())), abs(int(values.max()))) * factor
    return (values.astype(object) if size >= NARROW else values) * factor


def exact_numbers(array: Array, name: str) -> tuple[Ints, int, Mask]:
    """Any exact numbers: whole numbers, their scale, and the rows (worth 0) that hold none. FactsError for floats."""
    if types.is_floating(array.type):
        raise FactsError([Problem("float-fact", {"name": name})])
    raw = _raw(array, None)
    if raw is None:
        return _long_texts(values_of(array))
    unusable = merge(raw.null, raw.bad)
    return _where(unusable, 0, raw.values), raw.scale, np.zeros(len(array), np.bool_) if unusable is None else unusable


def _long_texts(values: Sequence[object]) -> tuple[Ints, int, Mask]:
    found = [figure("", value, []) if value is not None else None for value in values]
    scale = max((places(number) for number in found if number is not None), default=0)
    return (
        np.array([0 if number is None else scaled(number, scale) for number in found], object),
        scale,
        np.array([number is None for number in found], np.bool_),
    )


# --- choices ------------------------------------------------------------------------------------------------------


def read_choice(piece: Piece, choice: Choice) -> Column:
    """Codes in the order of the choice's members."""
    members = list(choice.members)
    array = piece if isinstance(piece, pa.Array) else _as_arrow(piece)
    if array is not None and types.is_string_view(array.type):
        array = pc.cast(array, _seen(array.type))
    if array is not None and types.is_dictionary(array.type):
        codes = _own_codes(array, members)
        return _codes(_dictionary_codes(array, members), null_mask(array), len(members)) if codes is None else Column(codes)
    if array is not None and types.is_null(array.type):
        return _codes(np.zeros(len(array), np.int32), np.ones(len(array), np.bool_), len(members))
    if array is not None and is_text(array.type):
        return _codes(text_codes(array, members), null_mask(array), len(members))
    order = {member: code for code, member in enumerate(members)}
    objects = values_of(piece)
    found = [order.get(value, -1) if isinstance(value, str) else -1 for value in objects]
    null = np.array([value is None for value in objects], np.bool_)
    return _codes(np.array(found, np.int32), null if null.any() else None, len(members))


def text_codes(array: Array, members: list[str]) -> Ints:
    """-1 for a text that is no member."""
    if len(array) <= FEW:
        order: dict[object, int] = {member: code for code, member in enumerate(members)}
        return np.array([order.get(text, -1) for text in values_of(array)], np.int32)
    return np.asarray(pc.fill_null(pc.index_in(array, value_set=pa.array(members, array.type)), -1))


def _own_codes(array: Array, members: list[str]) -> Ints | None:
    """The codes of a dictionary that has the choice's members in their order, one a byte and none null; None of any other."""
    indices: Array = array.indices
    words: Array = array.dictionary
    if indices.type.bit_width != 8 or not len(array) or indices.null_count or values_of(words) != members[: len(words)]:
        return None
    codes = _words(indices, np.int8)[:, 0]
    return codes if int(codes.view(np.uint8).max()) < min(len(words), 2**7) else None


def _dictionary_codes(array: Array, members: list[str]) -> Ints:
    words: Array = array.dictionary
    if not is_text(words.type):
        words = pa.array([word if isinstance(word, str) else None for word in values_of(words)], pa.string())
    lookup = np.append(text_codes(words, members), -1)[: max(1, len(words))]
    indices: Array = array.indices
    if indices.type.bit_width == 8 and len(members) < 2**7:  # a byte for a byte: five times as fast as a look-up by place
        table = np.full(2**8, -1, np.int8)
        table[: len(lookup)] = lookup[: 2**8]
        return np.frombuffer(_words(indices, np.uint8).tobytes().translate(table.tobytes()), np.int8)
    places = _integers(pc.fill_null(indices, 0) if indices.null_count else indices, np.intp)
    return np.take(lookup.astype(code_type(len(members))), places, mode="clip")


def code_type(count: int) -> Any:
    return np.int8 if count < 2**7 else np.int32


def _codes(found: Ints, null: Mask | None, count: int) -> Column:
    bad: Mask | None = None
    small = found.astype(code_type(count), copy=False)
    if len(small) and small.min() < 0:
        bad = small < 0 if null is None else (small < 0) & ~null
    problem = bad if bad is not None and bad.any() else None
    unusable = merge(null, problem)
    return Column(small if unusable is None else np.where(unusable, 0, small).astype(small.dtype), null, problem)
