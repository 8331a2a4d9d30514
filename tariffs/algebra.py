"""Typed building of expressions: every function takes checked parts and gives a node with unit, grid and bounds.

The rules of units are here and nowhere else: a product cancels identical names and nothing more; conversion happens
where one unit is required, by a factor that ends. ``Broken`` says which rule an expression breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from tariffs import model as m
from tariffs.money import EXACT, Mode, common_grid, places, round_fraction, round_to, show, terminating
from tariffs.units import POINTS, PURE, Unit, factor, named

ZERO = Decimal(0)


class Broken(Exception):
    """A rule of types or units is broken: a problem code and the values of its sentence."""

    def __init__(self, code: str, **values: object) -> None:
        super().__init__(code)
        self.code, self.values = code, {name: str(value) for name, value in values.items()}


def const(value: Decimal, unit: Unit, text: str, name: str = "", key: m.Key = ()) -> m.Const:
    return m.Const(m.Type(unit, value.copy_abs(), value, value), text, value, name, key)


def is_bare_zero(expr: m.Expr) -> bool:
    """A literal 0, the only number that takes any unit."""
    return isinstance(expr, m.Const) and not expr.name and expr.value == 0


def hull(types: Sequence[m.Type], unit: Unit) -> m.Type:
    """The type that holds whatever any of ``types`` holds."""
    return m.Type(unit, common_grid([t.grid for t in types]), min(t.low for t in types), max(t.high for t in types))


def shape(thing: object) -> object:
    """What an expression says, without the author's words and without types: equal shapes mean equal expressions."""
    if is_dataclass(thing) and not isinstance(thing, m.Type):
        return (type(thing).__name__, *(shape(getattr(thing, f.name)) for f in fields(thing) if f.name not in ("text", "type")))
    return tuple(shape(part) for part in thing) if isinstance(thing, tuple) else thing


# --- units --------------------------------------------------------------------------------------------------------


def convert(expr: m.Expr, unit: Unit) -> m.Expr:
    """``expr`` in ``unit``; Broken where it measures something else or the factor never ends."""
    if expr.type.unit == unit:
        return expr
    if is_bare_zero(expr):
        return replace(expr, type=replace(expr.type, unit=unit))
    ratio = factor(expr.type.unit, unit)
    if ratio is None:
        raise Broken("units-differ", found=expr.type.unit, wanted=unit)
    exact = terminating(ratio)
    if exact is None:
        raise Broken("factor-endless", found=expr.type.unit, wanted=unit, factor=ratio)
    t = expr.type
    scaled = m.Type(unit, EXACT.multiply(t.grid, exact), EXACT.multiply(t.low, exact), EXACT.multiply(t.high, exact))
    return m.Convert(scaled, expr.text, expr, exact)


def same_unit(left: m.Expr, right: m.Expr) -> tuple[m.Expr, m.Expr]:
    """Both in the left side's unit where that factor ends, else both in the right's."""
    if is_bare_zero(left):
        return convert(left, right.type.unit), right
    try:
        return left, convert(right, left.type.unit)
    except Broken as broken:
        if broken.code != "factor-endless":
            raise
        return convert(left, right.type.unit), right


def all_same_unit(args: Sequence[m.Expr], expected: Unit | None = None) -> tuple[m.Expr, ...]:
    """All in ``expected`` where they can be, else in the unit of the first that is not a bare 0."""
    if not args:
        raise Broken("nothing-to-combine")
    if expected is not None and all(is_bare_zero(a) or _converts(a.type.unit, expected) for a in args):
        return tuple(convert(a, expected) for a in args)
    unit = next((a.type.unit for a in args if not is_bare_zero(a)), args[0].type.unit)
    return tuple(convert(a, unit) for a in args)


def _converts(source: Unit, target: Unit) -> bool:
    ratio = factor(source, target)
    return ratio is not None and terminating(ratio) is not None


def _no_points(*exprs: m.Expr) -> None:
    for expr in exprs:
        if expr.type.unit.is_point:
            raise Broken("point-arithmetic", unit=expr.type.unit)


# --- arithmetic ---------------------------------------------------------------------------------------------------


def negate(arg: m.Expr, text: str) -> m.Expr:
    _no_points(arg)
    t = arg.type
    if isinstance(arg, m.Const) and not arg.name:
        return const(EXACT.minus(arg.value), t.unit, text)
    return m.Negate(m.Type(t.unit, t.grid, EXACT.minus(t.high), EXACT.minus(t.low)), text, arg)


def add(left: m.Expr, right: m.Expr, text: str) -> m.Expr:
    _no_points(left, right)
    left, right = same_unit(left, right)
    a, b = left.type, right.type
    return m.Add(m.Type(a.unit, common_grid([a.grid, b.grid]), EXACT.add(a.low, b.low), EXACT.add(a.high, b.high)), text, left, right)


def subtract(left: m.Expr, right: m.Expr, text: str) -> m.Expr:
    left, right = same_unit(left, right)
    a, b = left.type, right.type
    unit = named(POINTS[a.unit.powers[0][0]]) if a.unit.is_point else a.unit
    return m.Subtract(m.Type(unit, common_grid([a.grid, b.grid]), EXACT.subtract(a.low, b.high), EXACT.subtract(a.high, b.low)), text, left, right)


def multiply(left: m.Expr, right: m.Expr, text: str) -> m.Expr:
    _no_points(left, right)
    a, b = left.type, right.type
    ends = [EXACT.multiply(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return m.Multiply(m.Type(a.unit * b.unit, EXACT.multiply(a.grid, b.grid), min(ends), max(ends)), text, left, right)


def total(args: Sequence[m.Expr], text: str, expected: Unit | None) -> m.Expr:
    _no_points(*args)
    args = all_same_unit(args, expected)
    low, high = ZERO, ZERO
    for a in args:
        low, high = EXACT.add(low, a.type.low), EXACT.add(high, a.type.high)
    return m.Sum(m.Type(args[0].type.unit, common_grid([a.type.grid for a in args]), low, high), text, tuple(args))


def top(count: int, args: Sequence[m.Expr], text: str, expected: Unit | None) -> m.Expr:
    _no_points(*args)
    args = all_same_unit(args, expected)
    low, high = ZERO, ZERO
    for value in sorted((a.type.low for a in args), reverse=True)[:count]:
        low = EXACT.add(low, value)
    for value in sorted((a.type.high for a in args), reverse=True)[:count]:
        high = EXACT.add(high, value)
    return m.Top(m.Type(args[0].type.unit, common_grid([a.type.grid for a in args]), low, high), text, count, tuple(args))


def extreme(greatest: bool, args: Sequence[m.Expr], text: str, expected: Unit | None) -> m.Expr:
    args = all_same_unit(args, expected)
    grid, pick = common_grid([a.type.grid for a in args]), max if greatest else min
    kind = m.Type(args[0].type.unit, grid, pick(a.type.low for a in args), pick(a.type.high for a in args))
    return (m.Greatest if greatest else m.Least)(kind, text, tuple(args))


def choose(test: m.Test, then: m.Expr, other: m.Expr, text: str, expected: Unit | None) -> m.Expr:
    if expected is not None and all(is_bare_zero(e) or _converts(e.type.unit, expected) for e in (then, other)):
        then, other = convert(then, expected), convert(other, expected)
    then, other = same_unit(then, other)
    return m.If(hull([then.type, other.type], then.type.unit), text, test, then, other)


def table(name: str, axes: tuple[str, ...], cells: Sequence[tuple[m.Key, m.Expr]], text: str) -> m.Expr:
    exprs = all_same_unit([expr for _, expr in cells])
    kind = hull([e.type for e in exprs], exprs[0].type.unit)
    return m.Table(kind, text, name, axes, tuple((key, expr) for (key, _), expr in zip(cells, exprs, strict=True)))


# --- rounding -----------------------------------------------------------------------------------------------------


def _is_declared(expr: m.Expr) -> bool:
    """A name whose unit stands in the file."""
    return isinstance(expr, (m.Fact, m.Amount, m.Table)) or (isinstance(expr, m.Const) and bool(expr.name))


def _step_of(step: m.Expr) -> Decimal:
    if not isinstance(step, m.Const) or step.value <= 0:
        raise Broken("step-not-constant", text=step.text)
    return step.value


def _no_unit(unit: Unit, step: Decimal, expected: Unit | None, money: Unit, text: str) -> Broken:
    """A bare step counts in no unit here: because the result is not what was asked for, or because nothing was."""
    if expected is None:
        return Broken("bare-step", unit=unit, step=show(step))
    return Broken("not-money" if expected == money else "units-differ", found=unit, wanted=expected, text=text[:60])


def round_(arg: m.Expr, step: m.Expr, mode: Mode, text: str, expected: Unit | None, money: Unit) -> m.Expr:
    """A bare step counts in the argument's own unit where that is declared, else in the unit asked for, else in money."""
    size = _step_of(step)
    _no_points(arg)
    if isinstance(step, m.Const) and step.name:
        arg = convert(arg, step.type.unit)
    elif not _is_declared(arg) and arg.type.unit != PURE:
        target = next((u for u in (expected, money, PURE) if u is not None and factor(arg.type.unit, u) is not None), None)
        if target is None:
            raise _no_unit(arg.type.unit, size, expected, money, text)
        arg = convert(arg, target)
    t = arg.type
    return m.Round(m.Type(t.unit, size, round_to(t.low, size, mode), round_to(t.high, size, mode)), text, arg, size, mode)


def divide(left: m.Expr, right: m.Expr, step: m.Expr, mode: Mode, text: str, expected: Unit | None, money: Unit) -> m.Expr:
    """One quotient, rounded once; any exact factor is taken along, so units whose factor never ends may divide."""
    size = _step_of(step)
    _no_points(left, right)
    if right.type.low <= 0 <= right.type.high:
        raise Broken("divisor-zero", text=right.text, low=show(right.type.low), high=show(right.type.high))
    unit = left.type.unit / right.type.unit
    asked = (step.type.unit,) if isinstance(step, m.Const) and step.name else (expected, money, PURE)
    target = next((u for u in asked if u is not None and factor(unit, u) is not None), None)
    if target is None and isinstance(step, m.Const) and step.name:
        raise Broken("units-differ", found=unit, wanted=step.type.unit)
    if target is None and _is_declared(left) and _is_declared(right):
        target = unit
    if target is None:
        raise _no_unit(unit, size, expected, money, text)
    ratio = factor(unit, target)
    assert ratio is not None, "the target was chosen because it converts"
    ends = [Fraction(a) * ratio / Fraction(b) for a in (left.type.low, left.type.high) for b in (right.type.low, right.type.high)]
    kind = m.Type(target, size, round_fraction(min(ends), size, mode), round_fraction(max(ends), size, mode))
    return m.Divide(kind, text, left, right, ratio, size, mode)


# --- bands --------------------------------------------------------------------------------------------------------

Known = Callable[[m.Expr, m.Expr], bool]


def _bands(quantity: m.Expr, edges: Sequence[m.Expr], count: int, known: Known) -> tuple[m.Expr, tuple[m.Expr, ...]]:
    """Quantity and edges in one unit, edges proven to ascend, one more rate than edges."""
    _no_points(quantity) if not edges else None
    if count != len(edges) + 1:
        raise Broken("band-count", edges=len(edges), rates=count, wanted=len(edges) + 1)
    try:
        edges = [convert(e, quantity.type.unit) for e in edges]
    except Broken as broken:
        if broken.code != "factor-endless":
            raise
        unit = next(e.type.unit for e in edges)
        quantity, edges = convert(quantity, unit), [convert(e, unit) for e in edges]
    for first, second in pairwise(edges):
        if not ascend(first, second, known):
            raise Broken("edges-order", first=_said(first), second=_said(second))
    return quantity, tuple(edges)


def _said(edge: m.Expr) -> str:
    """An edge as written, with its number where it has one."""
    return f"{edge.text} ({show(edge.value)})" if isinstance(edge, m.Const) and edge.name else edge.text


def ascend(first: m.Expr, second: m.Expr, known: Known) -> bool:
    """Whether ``first`` is proven to lie below ``second`` (for amounts that vary: not above it)."""
    if isinstance(first, m.Const) and isinstance(second, m.Const):
        return first.value < second.value
    if isinstance(first, m.Table) and isinstance(second, m.Table) and first.axes == second.axes:
        others = dict(second.cells)
        return all(ascend(cell, others[key], known) for key, cell in first.cells if key in others)
    if first.type.high <= second.type.low or known(first, second):
        return True
    (times, base), (other_times, other_base) = multiple(first), multiple(second)
    return times < other_times and shape(base) == shape(other_base) and base.type.low >= 0


def multiple(expr: m.Expr) -> tuple[Fraction, m.Expr]:
    """``expr`` as a constant, of whatever sign, times something that is no such product itself."""
    match expr:
        case m.Convert(arg=rest, factor=constant) | m.Multiply(left=m.Const(value=constant), right=rest) | m.Multiply(left=rest, right=m.Const(value=constant)):
            times, base = multiple(rest)
            return times * Fraction(constant), base
        case _:
            return Fraction(1), expr


def blocks(quantity: m.Expr, edges: Sequence[m.Expr], rates: Sequence[m.Expr], text: str, known: Known) -> m.Expr:
    _no_points(quantity, *rates)
    quantity, edges = _bands(quantity, edges, len(rates), known)
    if quantity.type.low < 0:
        raise Broken("quantity-negative", text=quantity.text, low=show(quantity.type.low))
    if edges and edges[0].type.low < 0:
        raise Broken("edge-negative", text=edges[0].text, low=show(edges[0].type.low))
    rates = all_same_unit(rates)
    q, low, high = quantity.type, ZERO, ZERO
    for index, rate in enumerate(rates):
        begin = edges[index - 1].type.low if index else ZERO
        widest = max(ZERO, EXACT.subtract(q.high if index == len(edges) else min(q.high, edges[index].type.high), begin))
        low = EXACT.add(low, min(ZERO, EXACT.multiply(widest, rate.type.low)))
        high = EXACT.add(high, max(ZERO, EXACT.multiply(widest, rate.type.high)))
    grid = EXACT.multiply(common_grid([q.grid, *(e.type.grid for e in edges)]), common_grid([r.type.grid for r in rates]))
    return m.Blocks(m.Type(q.unit * rates[0].type.unit, grid, low, high), text, quantity, tuple(edges), rates)


def whole(quantity: m.Expr, edges: Sequence[tuple[m.Expr, bool]], rates: Sequence[m.Expr], text: str, known: Known) -> m.Expr:
    _no_points(quantity, *rates)
    quantity, ends = _bands(quantity, [e for e, _ in edges], len(rates), known)
    rates = all_same_unit(rates)
    priced = multiply(quantity, replace(rates[0], type=hull([r.type for r in rates], rates[0].type.unit)), text)
    bands = tuple(m.Edge(at, inclusive) for at, (_, inclusive) in zip(ends, edges, strict=True))
    return m.Whole(priced.type, text, quantity, bands, rates)


def flat(quantity: m.Expr, edges: Sequence[tuple[m.Expr, bool]], amounts: Sequence[m.Expr], text: str, expected: Unit | None, known: Known) -> m.Expr:
    quantity, ends = _bands(quantity, [e for e, _ in edges], len(amounts), known)
    amounts = all_same_unit(amounts, expected)
    bands = tuple(m.Edge(at, inclusive) for at, (_, inclusive) in zip(ends, edges, strict=True))
    return m.Flat(hull([a.type for a in amounts], amounts[0].type.unit), text, quantity, bands, amounts)


# --- tests --------------------------------------------------------------------------------------------------------


def compare(op: str, left: m.Expr, right: m.Expr, text: str) -> m.Test:
    left, right = same_unit(left, right)
    return m.Compare(text, op, left, right)


def _step_above(bound: Decimal, grid: Decimal, up: bool, strict: bool) -> Decimal:
    """The nearest multiple of ``grid`` on the far side of ``bound``."""
    if grid == 0:
        return bound
    near = round_to(bound, grid, Mode.CEILING if up else Mode.FLOOR)
    return EXACT.add(near, grid if up else EXACT.minus(grid)) if strict and near == bound else near


def narrow(kind: m.Type, op: str, bound: m.Type) -> m.Type:
    """The type of something known to stand in relation ``op`` to something of type ``bound``, in the same unit."""
    low, high = kind.low, kind.high
    if op in (">", ">=", "=="):
        low = max(low, _step_above(bound.low, kind.grid, up=True, strict=op == ">"))
    if op in ("<", "<=", "=="):
        high = min(high, _step_above(bound.high, kind.grid, up=False, strict=op == "<"))
    if op == "!=" and bound.low == bound.high:
        low = EXACT.add(low, kind.grid) if low == bound.low else low
        high = EXACT.subtract(high, kind.grid) if high == bound.high else high
    return kind if low > high else replace(kind, low=low, high=high)


def width(kind: m.Type) -> int:
    """Digits a value of this type can have at its own scale."""
    return max(1, max(kind.low.adjusted(), kind.high.adjusted()) + 1 + places(kind.grid))
