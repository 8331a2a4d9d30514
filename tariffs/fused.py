"""One row of a checked version as machine code: every expression written out in LLVM's notation, one place per node.

The third evaluator, for rows with nothing wrong: the same numbers as ``rate`` and ``explain``, in at most 64 bits. Every number
carries bounds; where they reach 2**62, ``compiled.write`` tries again with smaller inputs, and rows beyond those (like all others that
something is wrong with) set ``%bad``, so that they are left to NumPy. ``registers`` has the arithmetic; nothing here runs: ``compiled`` does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from math import ceil, floor
from typing import assert_never

from tariffs import model as m
from tariffs.kernel import common_places, natural_places, position
from tariffs.needs import always_applies
from tariffs.registers import (
    Bit,
    Num,
    Row,
    TooWideError,
    add,
    both,
    bounded,
    compared,
    const,
    either,
    greater,
    lesser,
    multiply,
    negated,
    put,
    rescale,
    rounded,
    select,
    spoil,
    subtract,
)
from tariffs.scaled import NARROW, least_places, scaled


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


def need(row: Row, name: str, path: Path) -> None:
    """Here the fact ``name`` is looked at."""
    if name in row.nulls:
        row.needs[name] = either(row, row.needs.get(name, False), path.may)


# --- numbers ------------------------------------------------------------------------------------------------------


def number(node: m.Expr, places: int, row: Row, path: Path) -> Num:
    """``node`` times ten to ``places``, at which its grid must be whole."""
    fine = max(places, least_places(node.type.grid))
    return rescale(row, within(_number(node, fine, row, path), node.type, fine), places - fine)


def within(a: Num, kind: m.Type, places: int) -> Num:
    """``a``, which also keeps the bounds of its type."""
    unit = Fraction(10) ** places
    low, high = max(a.low, floor(Fraction(kind.low) * unit)), min(a.high, ceil(Fraction(kind.high) * unit))
    return bounded(a.text, low, high) if low <= high else a


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
