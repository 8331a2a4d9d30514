"""Yes and no and whole numbers of a row, written in LLVM's notation: what ``fused`` writes expressions with.

Every number carries bounds, which decide whether 32 bits hold it, and may be known as a constant times another: sums, choices,
comparisons and quotients take out what their sides share, so that numbers stay small. Where bounds reach 2**62, TooWideError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd
from typing import assert_never

from tariffs.kernel import Layout
from tariffs.money import Mode
from tariffs.scaled import NARROW, SMALL

#: A yes or no: known while writing, or the name of an i1.
Bit = bool | str
#: Below this, a double holds a whole number and its quotients' rounding exactly; see ``_floor_by_reciprocal``.
DOUBLE = 2**51
#: 1.5 * 2**52 as a double, and its bits: adding it turns a small whole double into bits that count, and back.
_MAGIC, _MAGIC_BITS = "0x4338000000000000", 0x4338000000000000


class TooWideError(Exception):
    """A number may pass 2**62; its text says which."""


@dataclass(frozen=True, slots=True)
class Num:
    """An i64 by name, or a constant, and the bounds it keeps in every row that counts."""

    text: str
    low: int
    high: int


@dataclass(slots=True)
class Row:
    """What is written so far. ``lines`` has no side effects, so that what was written once is used again (``seen``)."""

    layout: Layout
    name: str = "r"
    numbers: dict[str, Num] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    nulls: dict[str, Bit] = field(default_factory=dict)
    amounts: dict[str, Num] = field(default_factory=dict)
    needs: dict[str, Bit] = field(default_factory=dict)
    bad: Bit = False
    lines: list[str] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    halves: dict[str, str] = field(default_factory=dict)  # the i32 that an i64 was made of
    products: dict[str, tuple[int, str]] = field(default_factory=dict)  # the constant above 1 and the other i64 that an i64 is the product of
    tables: list[str] = field(default_factory=list)


def put(row: Row, text: str) -> str:
    """The name of an instruction's result."""
    if text not in row.seen:
        row.seen[text] = f"%{row.name}{len(row.lines)}"
        row.lines.append(f"{row.seen[text]} = {text}")
    return row.seen[text]


# --- yes and no ---------------------------------------------------------------------------------------------------


def bit(value: Bit) -> str:
    return value if isinstance(value, str) else str(value).lower()


def both(row: Row, a: Bit, b: Bit) -> Bit:
    if isinstance(a, bool):
        return b if a else False
    return both(row, b, a) if isinstance(b, bool) else put(row, f"and i1 {a}, {b}")


def either(row: Row, a: Bit, b: Bit) -> Bit:
    if isinstance(a, bool):
        return True if a else b
    return either(row, b, a) if isinstance(b, bool) else put(row, f"or i1 {a}, {b}")


def negated(row: Row, a: Bit) -> Bit:
    return not a if isinstance(a, bool) else put(row, f"xor i1 {a}, true")


def compared(row: Row, sign: str, a: Num, b: Num) -> Bit:
    """``sign`` is LLVM's; where bounds decide, nothing is written."""
    _, a, b = shared(row, a, b)
    return _compared(row, sign, a, b)


def _compared(row: Row, sign: str, a: Num, b: Num) -> Bit:
    less, more = a.high < b.low, a.low > b.high
    if less or more:
        return sign == "ne" or sign[:2] == ("sl" if less else "sg")
    if a.low == a.high == b.low == b.high:
        return sign in ("sle", "sge", "eq")
    return put(row, f"icmp {sign} i32 {half(row, a)}, {half(row, b)}" if small(a, b) else f"icmp {sign} i64 {a.text}, {b.text}")


def spoil(row: Row, wrong: Bit) -> None:
    row.bad = either(row, row.bad, wrong)


# --- whole numbers ------------------------------------------------------------------------------------------------


def const(value: int) -> Num:
    """A constant, however wide: only what is computed from it must fit."""
    return Num(str(value), value, value)


def bounded(text: str, low: int, high: int) -> Num:
    return const(low) if low == high else Num(text, low, high)


def small(*numbers: Num) -> bool:
    """Whether 32 bits hold each."""
    return all(number.low >= -SMALL and number.high < SMALL for number in numbers)


def half(row: Row, a: Num) -> str:
    """A number that 32 bits hold as an i32."""
    if a.low == a.high:
        return str(a.low)
    return row.halves.get(a.text) or put(row, f"trunc i64 {a.text} to i32")


def whole(row: Row, text: str, low: int, high: int) -> Num:
    """An i32 as a number like all others; who needs only 32 bits takes it as it is, and then the other is never made."""
    found = put(row, f"sext i32 {text} to i64")
    row.halves[found] = text
    return Num(found, low, high)


def _made(row: Row, op: str, a: Num, b: Num, low: int, high: int) -> Num:
    """In 32 bits where all fit."""
    if small(a, b, Num("", low, high)):
        return whole(row, put(row, f"{op} i32 {half(row, a)}, {half(row, b)}"), low, high)
    return Num(put(row, f"{op} i64 {a.text}, {b.text}"), low, high)


def _computed(row: Row, op: str, a: Num, b: Num, ends: Sequence[int]) -> Num:
    low, high = min(ends), max(ends)
    if low == high:
        return const(low)
    if max(-low, high) >= NARROW:
        raise TooWideError
    return _made(row, op, a, b, low, high)


def add(row: Row, a: Num, b: Num) -> Num:
    if "0" in (a.text, b.text):
        return b if a.text == "0" else a
    share, a, b = shared(row, a, b)
    return multiply(row, _computed(row, "add", a, b, (a.low + b.low, a.high + b.high)), const(share))


def subtract(row: Row, a: Num, b: Num) -> Num:
    if b.text == "0":
        return a
    share, a, b = shared(row, a, b)
    return multiply(row, _computed(row, "sub", a, b, (a.low - b.high, a.high - b.low)), const(share))


def multiply(row: Row, a: Num, b: Num) -> Num:
    if "1" in (a.text, b.text):
        return b if a.text == "1" else a
    if a.low == a.high:
        a, b = b, a
    if a.low == a.high or b.low != b.high or b.low < 0:
        return _product(row, a, b)
    share, base = _factored(row, a)
    found = _product(row, base, const(share * b.low))
    if found.low != found.high:
        row.products[found.text] = share * b.low, base.text
    return found


def _product(row: Row, a: Num, b: Num) -> Num:
    return _computed(row, "mul", a, b, [x * y for x in (a.low, a.high) for y in (b.low, b.high)])


def _factored(row: Row, a: Num) -> tuple[int, Num]:
    """The constant that a number was multiplied by, and what that was: what they are added to, compared with or divided by may have a factor in common.

    Its bounds follow from those that ``a`` has here; under another condition the same product may have others.
    """
    share, base = row.products.get(a.text, (1, a.text))
    return share, a if share == 1 else bounded(base, -(-a.low // share), a.high // share)


def shared(row: Row, a: Num, b: Num) -> tuple[int, Num, Num]:
    """A positive constant that both numbers are multiples of, and both without it."""
    if a.low == a.high and b.low == b.high:
        return 1, a, b
    share = gcd(*(abs(n.low) if n.low == n.high else _factored(row, n)[0] for n in (a, b)))
    return (share, _without(row, a, share), _without(row, b, share)) if share > 1 else (1, a, b)


def _without(row: Row, a: Num, share: int) -> Num:
    """``a / share``, which is known to be whole."""
    if a.low == a.high:
        return const(a.low // share)
    own, base = _factored(row, a)
    return multiply(row, base, const(own // share))


def select(row: Row, holds: Bit, then: Num, other: Num) -> Num:
    if isinstance(holds, bool):
        return then if holds else other
    if then.text == other.text:  # the condition may bound it on one side only
        return bounded(then.text, min(then.low, other.low), max(then.high, other.high))
    share, then, other = shared(row, then, other)
    if share > 1:
        return multiply(row, select(row, holds, then, other), const(share))
    low, high = min(then.low, other.low), max(then.high, other.high)
    if max(-low, high) >= NARROW:
        raise TooWideError
    if small(then, other):
        return whole(row, put(row, f"select i1 {holds}, i32 {half(row, then)}, i32 {half(row, other)}"), low, high)
    return Num(put(row, f"select i1 {holds}, i64 {then.text}, i64 {other.text}"), low, high)


def lesser(row: Row, a: Num, b: Num) -> Num:
    share, a, b = shared(row, a, b)
    found = select(row, compared(row, "slt", a, b), a, b)
    return multiply(row, bounded(found.text, min(a.low, b.low), min(a.high, b.high)), const(share))


def greater(row: Row, a: Num, b: Num) -> Num:
    share, a, b = shared(row, a, b)
    found = select(row, compared(row, "sgt", a, b), a, b)
    return multiply(row, bounded(found.text, max(a.low, b.low), max(a.high, b.high)), const(share))


def rescale(row: Row, a: Num, by: int) -> Num:
    """Times ten to ``by``; going down is exact, because types say so."""
    return multiply(row, a, const(10**by)) if by >= 0 else exact_quotient(row, a, 10**-by)


def exact_quotient(row: Row, a: Num, d: int) -> Num:
    """``a`` is a multiple of ``d``: a shift, then a product with the inverse of what is odd in ``d``, modulo 2**64 or 2**32."""
    low, high = -(-a.low // d), a.high // d
    if low >= high:
        return const(low)
    if d == 1:
        return a
    if (share := gcd(_factored(row, a)[0], d)) > 1:
        return exact_quotient(row, _without(row, a, share), d // share)
    twos = (d & -d).bit_length() - 1
    inverse = pow(d >> twos, -1, 2**64)
    if small(a):
        return whole(row, put(row, f"mul i32 {put(row, f'ashr i32 {half(row, a)}, {twos}')}, {inverse % 2**32}"), low, high)
    return Num(put(row, f"mul i64 {put(row, f'ashr i64 {a.text}, {twos}')}, {inverse}"), low, high)


# --- rounding -----------------------------------------------------------------------------------------------------


def rounded(row: Row, n: Num, d: Num, mode: Mode, taken: Bit) -> Num:
    """``n / d`` to a whole number, ``d > 0``: a floor after the mode's bias."""
    _, n, d = shared(row, n, d)
    one, zero = const(1), const(0)
    if d.low != d.high or d.low <= 0:  # rows that do not come here may hold anything; 1 divides it without a trap
        most = SMALL - 1 if small(d) else NARROW  # its bounds hold for good rows only; what is looked at are the bits that are divided by
        wrong = _compared(row, "sle", Num(d.text, -most, most), zero)
        spoil(row, both(row, taken, wrong))
        d = bounded(select(row, wrong, one, d).text, max(d.low, 1), max(d.high, 1))
    less, half = subtract(row, d, one), floored(row, d, const(2))
    even = compared(row, "eq", _masked(row, d, 1), zero)
    below, above = (compared(row, sign, n, zero) for sign in ("slt", "sgt"))
    match mode:
        case Mode.FLOOR:
            bias = zero
        case Mode.CEILING:
            bias = less
        case Mode.DOWN:
            bias = select(row, below, less, zero)
        case Mode.UP:
            bias = select(row, above, less, zero)
        case Mode.HALF_UP:
            bias = subtract(row, half, select(row, both(row, below, even), one, zero))
        case Mode.HALF_DOWN:
            bias = add(row, floored(row, less, const(2)), select(row, both(row, below, even), one, zero))
        case Mode.HALF_EVEN:
            biased = add(row, n, half)
            q = floored(row, biased, d)
            tie = both(row, even, compared(row, "eq", multiply(row, q, d), biased))
            odd = compared(row, "ne", _masked(row, q, 1), zero)
            return subtract(row, q, select(row, both(row, tie, odd), one, zero))
        case _:
            assert_never(mode)
    return floored(row, add(row, n, bias), d)


def _masked(row: Row, a: Num, mask: int) -> Num:
    if a.low == a.high:
        return const(a.low & mask)
    return _made(row, "and", a, const(mask), 0, mask)


def floored(row: Row, n: Num, d: Num) -> Num:
    """``n // d``, ``d > 0``."""
    ends = [x // y for x in (n.low, n.high) for y in (d.low, d.high)]
    low, high = min(ends), max(ends)
    if low == high:
        return const(low)
    if max(-n.low, n.high, d.high) >= NARROW:
        raise TooWideError
    if d.low == d.high and d.low & (d.low - 1) == 0:
        return _made(row, "ashr", n, const(min(d.low.bit_length() - 1, 31 if small(n) else 63)), low, high)
    if d.low == d.high and small(n, d):
        below = -(min(n.low, 0) // d.low)  # so many times ``d`` make it a number without a sign
        if n.high + below * d.low < 2 * SMALL:
            more = put(row, f"add i32 {half(row, n)}, {below * d.low}") if below else half(row, n)
            q = put(row, f"udiv i32 {more}, {d.low}")
            return whole(row, put(row, f"sub i32 {q}, {below}") if below else q, low, high)
    if d.low == d.high and max(-n.low, n.high) < DOUBLE:
        return Num(_floor_by_reciprocal(row, n, d.low), low, high)
    q = put(row, f"sdiv i64 {n.text}, {d.text}")
    if n.low < 0:
        left = put(row, f"sub i64 {n.text}, {put(row, f'mul i64 {q}, {d.text}')}")
        q = put(row, f"add i64 {q}, {put(row, f'ashr i64 {left}, 63')}")
    return Num(q, low, high)


def _floor_by_reciprocal(row: Row, n: Num, d: int) -> str:
    """``n // d`` for ``abs(n) < 2**51`` and a constant ``d >= 3``, in doubles: eight numbers at a time where whole division takes them one by one.

    Every step but the product with 1 / d is exact. That product is off the quotient by at most abs(n / d) * 2**-52 < 1/6, and
    rounding it to a whole number q (by the magic addition) adds at most 1/2; so n - q * d, which a double holds, lies
    between -d and d, and q is the floor or one above it, as its sign says.
    """
    divisor = put(row, f"sitofp i64 {d} to double")  # constants, once optimised
    inverse = put(row, f"fdiv double 1.0, {divisor}")
    bits = put(row, f"bitcast i64 {put(row, f'add i64 {n.text}, {_MAGIC_BITS}')} to double")
    x = put(row, f"fsub double {bits}, {_MAGIC}")
    biased = put(row, f"fadd double {put(row, f'fmul double {x}, {inverse}')}, {_MAGIC}")
    q = put(row, f"fsub double {biased}, {_MAGIC}")
    left = put(row, f"fsub double {x}, {put(row, f'fmul double {q}, {divisor}')}")
    over = put(row, f"sext i1 {put(row, f'fcmp olt double {left}, 0.0')} to i64")
    whole = put(row, f"sub i64 {put(row, f'bitcast double {biased} to i64')}, {_MAGIC_BITS}")
    return put(row, f"add i64 {whole}, {over}")
