"""One row of a checked version as machine code: every expression written out in LLVM's notation, one place per node.

The third evaluator, for rows with nothing wrong: the same numbers as ``rate`` and ``explain``, in at most 64 bits. Every number
carries bounds; where they reach 2**62, ``write_row`` tries again with smaller inputs, and rows beyond those (like all others that
something is wrong with) set ``%bad``, so that they are left to NumPy. Where bounds of what goes in and comes out fit 32 bits, so many
are used, for a vector holds twice as many. Nothing here runs: ``compiled`` does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import ceil, floor, gcd
from typing import assert_never

from tariffs import model as m
from tariffs.kernel import Layout, common_places, natural_places, position
from tariffs.money import Mode
from tariffs.needs import always_applies
from tariffs.scaled import NARROW, SMALL, least_places, scaled

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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a test gives, and whether it may hold or fail as far as choices decide it (``needs.truth``, a row at a time)."""

    holds: Bit
    may_hold: Bit
    may_fail: Bit


@dataclass(frozen=True, slots=True)
class Path:
    """Whether this row comes here (``taken``), and whether its choices alone would let it (``may``): what is looked at here is needed."""

    taken: Bit = True
    may: Bit = True


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
    products: dict[str, tuple[int, Num]] = field(default_factory=dict)  # the constant above 1 and the number that an i64 is the product of
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


def need(row: Row, name: str, path: Path) -> None:
    """Here the fact ``name`` is looked at."""
    if name in row.nulls:
        row.needs[name] = either(row, row.needs.get(name, False), path.may)


def spoil(row: Row, wrong: Bit) -> None:
    row.bad = either(row, row.bad, wrong)


# --- whole numbers ------------------------------------------------------------------------------------------------


def const(value: int) -> Num:
    """A constant, however wide: only what is computed from it must fit."""
    return Num(str(value), value, value)


def _bounded(text: str, low: int, high: int) -> Num:
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
        row.products[found.text] = share * b.low, base
    return found


def _product(row: Row, a: Num, b: Num) -> Num:
    return _computed(row, "mul", a, b, [x * y for x in (a.low, a.high) for y in (b.low, b.high)])


def _factored(row: Row, a: Num) -> tuple[int, Num]:
    """The constant that a number was multiplied by, and what that was: what they are added to, compared with or divided by may have a factor in common."""
    share, base = row.products.get(a.text, (1, a))
    return share, base if share == 1 else _bounded(base.text, max(base.low, -(-a.low // share)), min(base.high, a.high // share))


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
    if isinstance(holds, bool) or then.text == other.text:
        return then if holds else other
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
    return multiply(row, _bounded(found.text, min(a.low, b.low), min(a.high, b.high)), const(share))


def greater(row: Row, a: Num, b: Num) -> Num:
    share, a, b = shared(row, a, b)
    found = select(row, compared(row, "sgt", a, b), a, b)
    return multiply(row, _bounded(found.text, max(a.low, b.low), max(a.high, b.high)), const(share))


def rescale(row: Row, a: Num, by: int) -> Num:
    """Times ten to ``by``; going down is exact, because types say so."""
    return multiply(row, a, const(10**by)) if by >= 0 else exact_quotient(row, a, 10**-by)


def exact_quotient(row: Row, a: Num, d: int) -> Num:
    """``a`` is a multiple of ``d``: a shift, then a product with the inverse of what is odd in ``d``, modulo 2**64 or 2**32."""
    low, high = -(-a.low // d), a.high // d
    if low >= high:
        return const(low)
    own, base = _factored(row, a)
    if d == 1:
        return a
    if (share := gcd(own, d)) > 1:
        return exact_quotient(row, multiply(row, base, const(own // share)), d // share)
    twos = (d & -d).bit_length() - 1
    inverse = pow(d >> twos, -1, 2**64)
    if small(a):
        return whole(row, put(row, f"mul i32 {put(row, f'ashr i32 {half(row, a)}, {twos}')}, {inverse % 2**32}"), low, high)
    return Num(put(row, f"mul i64 {put(row, f'ashr i64 {a.text}, {twos}')}, {inverse}"), low, high)


def within(a: Num, kind: m.Type, places: int) -> Num:
    """``a``, which also keeps the bounds of its type."""
    unit = Fraction(10) ** places
    low, high = max(a.low, floor(Fraction(kind.low) * unit)), min(a.high, ceil(Fraction(kind.high) * unit))
    return _bounded(a.text, low, high) if low <= high else a


# --- rounding -----------------------------------------------------------------------------------------------------


def rounded(row: Row, n: Num, d: Num, mode: Mode, taken: Bit) -> Num:
    """``n / d`` to a whole number, ``d > 0``: a floor after the mode's bias."""
    _, n, d = shared(row, n, d)
    one, zero = const(1), const(0)
    if d.low != d.high or d.low <= 0:  # rows that do not come here may hold anything; 1 divides it without a trap
        most = SMALL - 1 if small(d) else NARROW  # its bounds hold for good rows only; what is looked at are the bits that are divided by
        wrong = _compared(row, "sle", Num(d.text, -most, most), zero)
        spoil(row, both(row, taken, wrong))
        d = _bounded(select(row, wrong, one, d).text, max(d.low, 1), max(d.high, 1))
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


# --- numbers ------------------------------------------------------------------------------------------------------


def number(node: m.Expr, places: int, row: Row, path: Path) -> Num:
    """``node`` times ten to ``places``, at which its grid must be whole."""
    fine = max(places, least_places(node.type.grid))
    return rescale(row, within(_number(node, fine, row, path), node.type, fine), places - fine)


def _number(node: m.Expr, places: int, row: Row, path: Path) -> Num:
    match node:
        case m.Const():
            return const(scaled(node.value, places))
        case m.Fact():
            name = m.full_name(node.name, node.key)
            need(row, name, path)
            return rescale(row, row.numbers[name], places - row.layout.places[name])
        case m.BuiltIn():
            need(row, node.name, path)
            return rescale(row, row.numbers[node.name], places)
        case m.Amount():
            name = m.full_name(node.name, node.key)
            return rescale(row, row.amounts[name], places - row.layout.places[name])
        case m.Table():
            return _table(node, places, row, path)
        case m.Negate():
            return subtract(row, const(0), number(node.arg, places, row, path))
        case m.Add():
            return add(row, number(node.left, places, row, path), number(node.right, places, row, path))
        case m.Sum():
            return reduce(lambda a, b: add(row, a, b), [number(arg, places, row, path) for arg in node.args])
        case m.Subtract():
            return subtract(row, number(node.left, places, row, path), number(node.right, places, row, path))
        case m.Multiply():
            return _multiply(node, places, row, path)
        case m.Convert():
            return _by_constant(node.arg, node.factor, places, row, path)
        case m.If():
            return _if(node, places, row, path)
        case m.Least():
            return reduce(lambda a, b: lesser(row, a, b), [number(arg, places, row, path) for arg in node.args])
        case m.Greatest():
            return reduce(lambda a, b: greater(row, a, b), [number(arg, places, row, path) for arg in node.args])
        case m.Top():
            return _top(row, [number(arg, places, row, path) for arg in node.args], node.count)
        case m.Round():
            return _round(node, places, row, path)
        case m.Divide():
            return _divide(node, places, row, path)
        case m.Blocks():
            return _blocks(node, places, row, path)
        case m.Whole():
            return _whole(node, places, row, path)
        case m.Flat():
            quantity, edges = _at_one_scale([node.quantity, *(edge.at for edge in node.edges)], row, path)
            return _band(row, node.edges, quantity, edges, [number(amount, places, row, path) for amount in node.amounts])
        case _:
            assert_never(node)


def _by_constant(arg: m.Expr, factor: Decimal, places: int, row: Row, path: Path) -> Num:
    """The scale that is still wanted is put into the factor."""
    base = natural_places(arg)
    own = max(least_places(factor), places - base)
    return rescale(row, multiply(row, number(arg, base, row, path), const(scaled(factor, own))), places - base - own)


def _multiply(node: m.Multiply, places: int, row: Row, path: Path) -> Num:
    for fixed, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(fixed, m.Const):
            return _by_constant(other, fixed.value, places, row, path)
    left, right = natural_places(node.left), natural_places(node.right)
    extra = max(0, places - left - right)
    left, right = (left + extra, right) if isinstance(node.left, m.Table) else (left, right + extra)
    return rescale(row, multiply(row, number(node.left, left, row, path), number(node.right, right, row, path)), places - left - right)


def _if(node: m.If, places: int, row: Row, path: Path) -> Num:
    asked = test(node.test, row, path)
    then = number(node.then, places, row, _then(row, path, asked)) if asked.holds is not False else None
    other = number(node.other, places, row, _else(row, path, asked)) if asked.holds is not True else None
    assert then or other, "a test holds or not"
    return select(row, asked.holds, then, other) if then and other else then or other or const(0)


def _top(row: Row, values: Sequence[Num], count: int) -> Num:
    """The largest is carried to the end, ``count`` times."""
    waiting, found = list(values), const(0)
    for _ in range(min(count, len(waiting))):
        best = waiting[0]
        left = []
        for value in waiting[1:]:
            left.append(lesser(row, best, value))
            best = greater(row, best, value)
        waiting, found = left, add(row, found, best)
    return found


def _table(node: m.Table, places: int, row: Row, path: Path) -> Num:
    """Constant cells lie in an array; the others are chosen one by one. A choice not given may be any."""
    for axis in node.axes:
        need(row, axis, path)
    cells: dict[int, Num] = {}
    open_cells: list[tuple[Bit, Num]] = []
    for key, expr in node.cells:
        here = [_is(axis, member, row) for axis, member in zip(node.axes, key, strict=True)]
        holds = reduce(lambda a, b: both(row, a, b), [answer.holds for answer in here])
        may = reduce(lambda a, b: both(row, a, b), [answer.may_hold for answer in here], path.may)
        value = number(expr, places, row, Path(both(row, path.taken, holds), may))
        if value.low == value.high:
            cells[position(key, node.axes, row.layout)] = value
        else:
            open_cells.append((holds, value))
    found = _looked_up(node.axes, cells, row) if cells else const(0)
    return reduce(lambda a, b: select(row, b[0], b[1], a), open_cells, found)


def _looked_up(axes: Sequence[str], cells: Mapping[int, Num], row: Row) -> Num:
    index, count = "0", 1
    for axis in axes:
        size = len(row.layout.codes[axis])
        index, count = put(row, f"add i64 {put(row, f'mul i64 {index}, {size}')}, {row.codes[axis]}"), count * size
    low, high = min(cell.low for cell in cells.values()), max(cell.high for cell in cells.values())
    if low == high and len(cells) == count:
        return const(low)
    if max(-low, high) >= NARROW:
        raise TooWideError
    listed = ", ".join(f"i64 {cells[i].low if i in cells else 0}" for i in range(count + 1))
    row.tables.append(f"@t{len(row.tables)} = private unnamed_addr constant [{count + 1} x i64] [{listed}]")
    inside = put(row, f"call i64 @llvm.umin.i64(i64 {index}, i64 {count})")  # a choice that is null has the code after the last
    at = put(row, f"getelementptr i64, ptr @t{len(row.tables) - 1}, i64 {inside}")
    return Num(put(row, f"load i64, ptr {at}, !llvm.access.group !0"), min(low, 0), max(high, 0))


# --- rounded and banded -------------------------------------------------------------------------------------------


def _round(node: m.Round, places: int, row: Row, path: Path) -> Num:
    if Fraction(node.arg.type.grid) % Fraction(node.step) == 0:
        return number(node.arg, places, row, path)  # already on the step
    fine = max(natural_places(node.arg), least_places(node.step))
    arg, step = number(node.arg, fine, row, path), const(scaled(node.step, fine))
    return multiply(row, rounded(row, arg, step, node.mode, path.taken), const(scaled(node.step, places)))


def _divide(node: m.Divide, places: int, row: Row, path: Path) -> Num:
    above, below = natural_places(node.left), natural_places(node.right)
    ratio = node.factor / Fraction(node.step) * Fraction(10) ** (below - above)
    sign = 1 if node.right.type.low > 0 else -1
    top = multiply(row, number(node.left, above, row, path), const(sign * ratio.numerator))
    bottom = multiply(row, number(node.right, below, row, path), const(sign * ratio.denominator))
    return multiply(row, rounded(row, top, bottom, node.mode, path.taken), const(scaled(node.step, places)))


def _at_one_scale(nodes: Sequence[m.Expr], row: Row, path: Path) -> tuple[Num, list[Num]]:
    """The first and the others."""
    fine = common_places(nodes)
    first, *others = [number(node, fine, row, path) for node in nodes]
    return first, others


def _blocks(node: m.Blocks, places: int, row: Row, path: Path) -> Num:
    fine = common_places([node.quantity, *node.edges])
    dear = max(common_places(node.rates), places - fine)
    quantity, edges = _at_one_scale([node.quantity, *node.edges], row, path)
    begin, found = const(0), const(0)
    for edge, rate in zip([*edges, None], node.rates, strict=True):
        end = quantity if edge is None else lesser(row, quantity, edge)
        held = subtract(row, end, begin)
        held = Num(held.text, max(held.low, 0), held.high)  # edges ascend and no quantity is negative
        found = add(row, found, multiply(row, held, number(rate, dear, row, path)))
        begin = end
    return rescale(row, found, places - fine - dear)


def _whole(node: m.Whole, places: int, row: Row, path: Path) -> Num:
    ends = [edge.at for edge in node.edges]
    fine = common_places([node.quantity, *ends])
    dear = max(common_places(node.rates), places - fine)
    quantity, edges = _at_one_scale([node.quantity, *ends], row, path)
    rate = _band(row, node.edges, quantity, edges, [number(rate, dear, row, path) for rate in node.rates])
    return rescale(row, multiply(row, quantity, rate), places - fine - dear)


def _band(row: Row, bands: Sequence[m.Edge], quantity: Num, edges: Sequence[Num], values: Sequence[Num]) -> Num:
    """The value of the first band whose upper end the quantity has not gone past."""
    found = values[-1]
    for band, edge, value in reversed(list(zip(bands, edges, values, strict=False))):
        found = select(row, compared(row, "sle" if band.inclusive else "slt", quantity, edge), value, found)
    return found


# --- tests --------------------------------------------------------------------------------------------------------

SIGNS: Mapping[str, str] = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"}


def test(node: m.Test, row: Row, path: Path) -> Answer:
    match node:
        case m.Truth():
            return Answer(node.value, node.value, not node.value)
        case m.Is():
            need(row, node.name, path)
            return _is(node.name, node.member, row)
        case m.Compare():
            left, (right,) = _at_one_scale([node.left, node.right], row, path)
            return Answer(compared(row, SIGNS[node.op], left, right), may_hold=True, may_fail=True)
        case m.And():
            return _join(node.args, row, path, every=True)
        case m.Or():
            return _join(node.args, row, path, every=False)
        case m.Not():
            inner = test(node.arg, row, path)
            return Answer(negated(row, inner.holds), inner.may_fail, inner.may_hold)
        case _:
            assert_never(node)


def _is(name: str, member: str, row: Row) -> Answer:
    holds = put(row, f"icmp eq i64 {row.codes[name]}, {row.layout.codes[name][member]}")
    null = row.nulls.get(name, False)
    return Answer(holds, either(row, holds, null), negated(row, holds))


def _join(nodes: Sequence[m.Test], row: Row, path: Path, *, every: bool) -> Answer:
    """All or any of the tests; a later one is looked at only where choices alone leave the answer open."""
    all_, any_ = (both, either) if every else (either, both)
    found = Answer(every, every, not every)
    for node in nodes:
        inner = test(node, row, path)
        found = Answer(all_(row, found.holds, inner.holds), all_(row, found.may_hold, inner.may_hold), any_(row, found.may_fail, inner.may_fail))
        path = _then(row, path, inner) if every else _else(row, path, inner)
    return found


def _then(row: Row, path: Path, answer: Answer) -> Path:
    return Path(both(row, path.taken, answer.holds), both(row, path.may, answer.may_hold))


def _else(row: Row, path: Path, answer: Answer) -> Path:
    return Path(both(row, path.taken, negated(row, answer.holds)), both(row, path.may, answer.may_fail))


# --- a row --------------------------------------------------------------------------------------------------------


def charges(version: m.Version, row: Row) -> dict[str, Bit]:
    """Writes every charge into ``row.amounts``, 0 where it does not apply; gives where each applies. What is refused is bad."""
    for require in version.requires:
        asked = Answer(holds=True, may_hold=True, may_fail=False) if require.when is None else test(require.when, row, Path())
        that = test(require.that, row, _then(row, Path(), asked))
        spoil(row, both(row, asked.holds, negated(row, that.holds)))
    applied: dict[str, Bit] = {}
    for charge in version.charges:
        when = Answer(holds=True, may_hold=True, may_fail=False) if charge.when is None else test(charge.when, row, Path())
        amount = number(charge.formula, row.layout.places[charge.full_name], row, _then(row, Path(), when))
        row.amounts[charge.full_name] = select(row, when.holds, amount, const(0))
        applied[charge.full_name] = when.holds
    if not always_applies(version):
        spoil(row, negated(row, reduce(lambda a, b: either(row, a, b), applied.values())))
    for name, asked_for in row.needs.items():
        spoil(row, both(row, row.nulls[name], asked_for))
    return applied
