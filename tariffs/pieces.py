"""Amounts as functions of one input: lines between breakpoints, exact, with the value at each breakpoint of its own.

A curve is a Fraction where the input does not matter, else ``Pieces``: at each breakpoint a value, between two of them
a line. What happens at an edge is then plain: the limits are the lines at its two sides, and the value says on which
side the edge itself belongs. Breakpoints remember the comparisons and edges they come from.

Rounding to the currency's step or finer is passed over: the curve is the amount before rounding. A coarser rounding of
something that varies is either passed over too, and noted (``World.steps``), or, with ``World.stepwise``, taken exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, pairwise
from math import ceil, floor
from typing import assert_never

from tariffs import model as m
from tariffs.money import Mode, round_ratio, show
from tariffs.units import Unit

#: More breakpoints than this are not worked out.
MAX_POINTS = 4_000
_ZERO, _ONE = Fraction(0), Fraction(1)
Line = tuple[Fraction, Fraction]  # slope, and the value at 0


class NotLinear(Exception):
    """The amount is no chain of lines in this input, or of too many."""


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where a breakpoint comes from: ``kind`` is ``branch``, ``band`` or ``step``; ``text`` is the edge as its author wrote it,
    ``value`` the number and unit it stands for where the version itself says it.
    """

    charge: str
    kind: str
    text: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Pieces:
    """``values[i]`` at ``at[i]``, ``lines[i]`` between ``at[i]`` and ``at[i + 1]``; the first and last breakpoint are the input's bounds."""

    at: tuple[Fraction, ...]
    values: tuple[Fraction, ...]
    lines: tuple[Line, ...]
    why: tuple[frozenset[Origin], ...]


Curve = Fraction | Pieces


@dataclass(frozen=True, slots=True)
class Steps:
    """A rounding that can be seen: the charge and its text, the step, and how far the input must go for one more of them."""

    origin: Origin
    step: Decimal
    every: Fraction


@dataclass(slots=True)
class World:
    """One input varies from ``low`` to ``high`` by ``grid``; everything else is given. ``amounts`` fills as charges are worked out."""

    name: str
    low: Fraction
    high: Fraction
    grid: Fraction
    choices: Mapping[str, str]
    numbers: Mapping[str, Fraction]
    money: Unit
    smallest: Fraction
    stepwise: bool = False
    charge: str = ""
    amounts: dict[str, Curve] = field(default_factory=dict)
    steps: dict[Origin, Steps] = field(default_factory=dict)


# --- curves -------------------------------------------------------------------------------------------------------


def value_at(curve: Curve, x: Fraction) -> Fraction:
    """The value at ``x``."""
    if isinstance(curve, Fraction):
        return curve
    for index, point in enumerate(curve.at):
        if x == point:
            return curve.values[index]
        if x < point:
            return _on(curve.lines[index - 1], x)
    raise AssertionError("within the bounds")


def limits(curve: Pieces, index: int) -> tuple[Fraction, Fraction, Fraction]:
    """The limit from the left, the value and the limit from the right of a breakpoint (at the bounds: the value itself)."""
    value, x = curve.values[index], curve.at[index]
    left = _on(curve.lines[index - 1], x) if index else value
    return left, value, _on(curve.lines[index], x) if index < len(curve.lines) else value


def align(curves: Sequence[Curve], low: Fraction, high: Fraction) -> list[Pieces]:
    """The same curves with the breakpoints of all of them in each."""
    points = sorted({low, high, *(x for curve in curves if isinstance(curve, Pieces) for x in curve.at)})
    if len(points) > MAX_POINTS:
        raise NotLinear
    why: dict[Fraction, frozenset[Origin]] = {}
    for curve in curves:
        if isinstance(curve, Pieces):
            for x, origins in zip(curve.at, curve.why, strict=True):
                why[x] = why.get(x, frozenset()) | origins
    every = tuple(why.get(x, frozenset()) for x in points)
    return [_with(curve, points, every) for curve in curves]


def _with(curve: Curve, points: Sequence[Fraction], why: tuple[frozenset[Origin], ...]) -> Pieces:
    if isinstance(curve, Fraction):
        return Pieces(tuple(points), (curve,) * len(points), ((_ZERO, curve),) * (len(points) - 1), why)
    values, lines, index = [], [], 0
    for x in points:
        if index < len(curve.at) and curve.at[index] == x:
            values.append(curve.values[index])
            index += 1
        else:
            values.append(_on(curve.lines[index - 1], x))
        lines.append(curve.lines[index - 1] if index - 1 < len(curve.lines) else (_ZERO, _ZERO))
    return Pieces(tuple(points), tuple(values), tuple(lines[:-1]), why)


def _on(line: Line, x: Fraction) -> Fraction:
    return line[0] * x + line[1]


def _simple(curve: Pieces) -> Curve:
    """Without breakpoints at which nothing happens; a Fraction where nothing happens at all."""
    keep = [0]
    for index in range(1, len(curve.at) - 1):
        line = curve.lines[index - 1]
        if line != curve.lines[index] or _on(line, curve.at[index]) != curve.values[index]:
            keep.append(index)
    keep.append(len(curve.at) - 1) if len(curve.at) > 1 else None
    if len(keep) <= 2 and len(set(curve.values)) == 1 and all(line == (_ZERO, curve.values[0]) for line in curve.lines):
        return curve.values[0]
    if len(keep) == len(curve.at):
        return curve
    return Pieces(
        tuple(curve.at[i] for i in keep), tuple(curve.values[i] for i in keep), tuple(curve.lines[i] for i in keep[:-1]), tuple(curve.why[i] for i in keep)
    )


def plus(a: Curve, b: Curve, world: World, sign: int = 1) -> Curve:
    """``a + b``, or ``a - b`` with the sign -1."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a + sign * b
    one, other = align((a, b), world.low, world.high)
    values = tuple(x + sign * y for x, y in zip(one.values, other.values, strict=True))
    lines = tuple((p + sign * r, q + sign * s) for (p, q), (r, s) in zip(one.lines, other.lines, strict=True))
    return _simple(Pieces(one.at, values, lines, one.why))


def times(a: Curve, b: Curve, world: World) -> Curve:
    """``a * b``; NotLinear where both rise or fall on one stretch."""
    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return a * b
    one, other = align((a, b), world.low, world.high)
    lines = []
    for (p, q), (r, s) in zip(one.lines, other.lines, strict=True):
        if p and r:
            raise NotLinear
        lines.append((p * s + r * q, q * s))
    return _simple(Pieces(one.at, tuple(x * y for x, y in zip(one.values, other.values, strict=True)), tuple(lines), one.why))


def _inverse(curve: Curve) -> Curve:
    if isinstance(curve, Fraction):
        return 1 / curve
    if any(slope for slope, _ in curve.lines):
        raise NotLinear
    return Pieces(curve.at, tuple(1 / value for value in curve.values), tuple((_ZERO, 1 / base) for _, base in curve.lines), curve.why)


def choose(test: Curve, then: Callable[[], Curve], other: Callable[[], Curve], world: World) -> Curve:
    """``then`` where ``test`` is 1, ``other`` where it is 0; what is never taken is not worked out."""
    if isinstance(test, Fraction):
        return then() if test else other()
    which, yes, no = align((test, then(), other()), world.low, world.high)
    values = tuple(a if t else b for t, a, b in zip(which.values, yes.values, no.values, strict=True))
    lines = tuple(a if t[1] else b for t, a, b in zip(which.lines, yes.lines, no.lines, strict=True))
    return _simple(Pieces(which.at, values, lines, which.why))


def _crossed(curves: Sequence[Curve], world: World) -> list[Pieces]:
    """The curves aligned, with breakpoints wherever two of them cross: between breakpoints their order stays."""
    found = align(curves, world.low, world.high)
    extra: set[Fraction] = set()
    for index, (start, end) in enumerate(pairwise(found[0].at)):
        for a, b in combinations({curve.lines[index] for curve in found}, 2):
            if a[0] != b[0]:
                x = (b[1] - a[1]) / (a[0] - b[0])
                if start < x < end:
                    extra.add(x)
    if not extra:
        return found
    points = sorted({*found[0].at, *extra})
    why = dict(zip(found[0].at, found[0].why, strict=True))
    return [_with(curve, points, tuple(why.get(x, frozenset()) for x in points)) for curve in found]


def _ranked(curves: Sequence[Curve], pick: Callable[[list[Fraction]], Fraction], count: int, world: World) -> Curve:
    """``pick`` of the values at each place; lines are ordered by their value in the middle. ``count`` of them are the largest summed."""
    found = _crossed(curves, world)
    values = tuple(pick([curve.values[i] for curve in found]) for i in range(len(found[0].at)))
    lines = []
    for index, (start, end) in enumerate(pairwise(found[0].at)):
        middle = (start + end) / 2
        ordered = sorted((curve.lines[index] for curve in found), key=lambda line: _on(line, middle), reverse=True)
        taken = ordered[-1:] if count < 0 else ordered[:count]
        lines.append((sum((slope for slope, _ in taken), _ZERO), sum((base for _, base in taken), _ZERO)))
    return _simple(Pieces(found[0].at, values, tuple(lines), found[0].why))


def _compared(op: str, a: Curve, b: Curve, origin: Origin, world: World) -> Curve:
    """1 where the comparison holds, 0 where not, with ``origin`` at the places where that changes."""
    sign = {"<": (1, 0, 0), "<=": (1, 1, 0), ">": (0, 0, 1), ">=": (0, 1, 1), "==": (0, 1, 0), "!=": (1, 0, 1)}[op]

    def answer(gap: Fraction) -> Fraction:
        return Fraction(sign[(gap > 0) - (gap < 0) + 1])

    if isinstance(a, Fraction) and isinstance(b, Fraction):
        return answer(a - b)
    one, other = _crossed((a, b), world)
    values = tuple(answer(x - y) for x, y in zip(one.values, other.values, strict=True))
    middles = [(start + end) / 2 for start, end in pairwise(one.at)]
    lines = tuple((_ZERO, answer(_on(p, x) - _on(q, x))) for p, q, x in zip(one.lines, other.lines, middles, strict=True))
    why = tuple(origins | {origin} for origins in one.why)
    return _simple(Pieces(one.at, values, lines, why))


# --- numbers ------------------------------------------------------------------------------------------------------


def number(node: m.Expr, world: World) -> Curve:
    """The curve of an expression; NotLinear where it has none."""
    match node:
        case m.Const(value=value):
            return Fraction(value)
        case m.Fact(name=name, key=key):
            full = m.full_name(name, key)
            return identity(world) if full == world.name else world.numbers[full]
        case m.BuiltIn(name=name):
            return world.numbers[name]
        case m.Amount(name=name, key=key):
            full = m.full_name(name, key)
            if full not in world.amounts:
                raise NotLinear  # the charge itself is not linear
            return world.amounts[full]
        case m.Table(axes=axes, cells=cells):
            reached = tuple(world.choices[axis] for axis in axes)
            return number(next(cell for key, cell in cells if key == reached), world)
        case m.Negate(arg=arg):
            return times(Fraction(-1), number(arg, world), world)
        case m.Add(left=left, right=right):
            return plus(number(left, world), number(right, world), world)
        case m.Subtract(left=left, right=right):
            return plus(number(left, world), number(right, world), world, -1)
        case m.Multiply(left=left, right=right):
            return times(number(left, world), number(right, world), world)
        case m.Convert(arg=arg, factor=factor):
            return times(number(arg, world), Fraction(factor), world)
        case m.If(test=test_, then=then, other=other):
            return choose(test(test_, world), lambda: number(then, world), lambda: number(other, world), world)
        case m.Sum(args=args):
            return total((number(arg, world) for arg in args), world)
        case m.Least(args=args):
            return _ranked([number(arg, world) for arg in args], min, -1, world)
        case m.Greatest(args=args):
            return _ranked([number(arg, world) for arg in args], max, 1, world)
        case m.Top(count=count, args=args):
            return _ranked([number(arg, world) for arg in args], lambda found: sum(sorted(found)[-count:], _ZERO), count, world)
        case m.Round(arg=arg, step=step, mode=mode):
            return _rounded(number(arg, world), node, Fraction(step), mode, world)
        case m.Divide(left=left, right=right, step=step, mode=mode, factor=factor):
            ratio = times(times(number(left, world), _inverse(number(right, world)), world), factor, world)
            return _rounded(ratio, node, Fraction(step), mode, world)
        case m.Blocks():
            return _blocks(node, world)
        case m.Whole(quantity=quantity, edges=edges, rates=rates):
            amount = number(quantity, world)
            return _band(amount, edges, [lambda rate=rate: times(amount, number(rate, world), world) for rate in rates], world)  # type: ignore[misc]
        case m.Flat(quantity=quantity, edges=edges, amounts=amounts):
            return _band(number(quantity, world), edges, [lambda priced=priced: number(priced, world) for priced in amounts], world)  # type: ignore[misc]
    assert_never(node)


def identity(world: World) -> Curve:
    """The input itself."""
    if world.low == world.high:
        return world.low
    nothing: frozenset[Origin] = frozenset()
    return Pieces((world.low, world.high), (world.low, world.high), ((_ONE, _ZERO),), (nothing, nothing))


def total(curves: Iterable[Curve], world: World) -> Curve:
    """The sum of curves."""
    found: Curve = _ZERO
    for curve in curves:
        found = plus(found, curve, world)
    return found


def _blocks(node: m.Blocks, world: World) -> Curve:
    """What each block holds is ``min(quantity, end) - min(quantity, start)``; the edges ascend (checked at load)."""
    quantity = number(node.quantity, world)
    below: Curve = _ZERO
    found: Curve = _ZERO
    for index, rate in enumerate(node.rates):
        up_to = _ranked([quantity, number(node.edges[index], world)], min, -1, world) if index < len(node.edges) else quantity
        held = plus(up_to, below, world, -1)
        if held != _ZERO:
            found = plus(found, times(held, number(rate, world), world), world)
        below = up_to
    return found


def _band(quantity: Curve, edges: Sequence[m.Edge], bands: Sequence[Callable[[], Curve]], world: World) -> Curve:
    if not edges:
        return bands[0]()
    edge, *others = edges
    below = _compared("<=" if edge.inclusive else "<", quantity, number(edge.at, world), edge_of("band", edge.at, world), world)
    return choose(below, bands[0], lambda: _band(quantity, others, bands[1:], world), world)


def edge_of(kind: str, at: m.Expr, world: World) -> Origin:
    """The origin of what happens at the edge ``at``."""
    while isinstance(at, (m.Table, m.Convert)):
        at = at.arg if isinstance(at, m.Convert) else next(cell for key, cell in at.cells if key == tuple(world.choices[axis] for axis in at.axes))
    unit = f" {at.type.unit}" if at.type.unit.powers else ""
    return Origin(world.charge, kind, " ".join(at.text.split()), f"{show(at.value)}{unit}" if isinstance(at, m.Const) else "")


def _rounded(curve: Curve, node: m.Round | m.Divide, step: Fraction, mode: Mode, world: World) -> Curve:
    if node.type.unit == world.money and step <= world.smallest:
        return curve
    if isinstance(curve, Fraction):
        return _to_step(curve, step, mode)
    slopes = [abs(slope) for slope, _ in curve.lines if slope]
    if not slopes:
        lines = tuple((_ZERO, _to_step(base, step, mode)) for _, base in curve.lines)
        return _simple(Pieces(curve.at, tuple(_to_step(value, step, mode) for value in curve.values), lines, curve.why))
    origin = Origin(world.charge, "step", node.text)
    every = step / max(slopes)
    if every > world.grid:
        world.steps.setdefault(origin, Steps(origin, node.step, every))
    return _stairs(curve, step, mode, origin, world) if world.stepwise else curve


def _to_step(value: Fraction, step: Fraction, mode: Mode) -> Fraction:
    steps = value / step
    return round_ratio(steps.numerator, steps.denominator, mode) * step


def _stairs(curve: Pieces, step: Fraction, mode: Mode, origin: Origin, world: World) -> Curve:
    """Each sloping line as flat treads; a tread can only end at a multiple of half the step."""
    extra: set[Fraction] = set()
    for (slope, base), (start, end) in zip(curve.lines, pairwise(curve.at), strict=True):
        if slope:
            ends = sorted(_on((slope, base), x) / (step / 2) for x in (start, end))
            if ends[1] - ends[0] > MAX_POINTS:
                raise NotLinear
            extra.update((k * step / 2 - base) / slope for k in range(ceil(ends[0]), floor(ends[1]) + 1))
    points = sorted({*curve.at, *(x for x in extra if world.low < x < world.high)})
    if len(points) > MAX_POINTS:
        raise NotLinear
    why = dict(zip(curve.at, curve.why, strict=True))
    fine = _with(curve, points, tuple(why.get(x, frozenset()) | {origin} for x in points))
    middles = [(start + end) / 2 for start, end in pairwise(points)]
    lines = tuple((_ZERO, _to_step(_on(line, x), step, mode)) for line, x in zip(fine.lines, middles, strict=True))
    return _simple(Pieces(fine.at, tuple(_to_step(value, step, mode) for value in fine.values), lines, fine.why))


# --- yes or no ----------------------------------------------------------------------------------------------------


def test(node: m.Test, world: World) -> Curve:
    """1 where the condition holds, 0 where it does not."""
    match node:
        case m.Truth(value=value):
            return Fraction(value)
        case m.Is(name=name, member=member):
            return Fraction(world.choices[name] == member)
        case m.Not(arg=arg):
            return plus(_ONE, test(arg, world), world, -1)
        case m.And(args=args):
            return _every(args, world)
        case m.Or(args=args):
            return plus(_ONE, _every(tuple(m.Not("", arg) for arg in args), world), world, -1)
        case m.Compare(op=op, left=left, right=right):
            one, other = number(left, world), number(right, world)
            varies = isinstance(one, Pieces), isinstance(other, Pieces)
            origin = Origin(world.charge, "branch", node.text) if all(varies) else edge_of("branch", right if varies[0] else left, world)
            return _compared(op, one, other, origin, world)
    assert_never(node)


def _every(args: Sequence[m.Test], world: World) -> Curve:
    """Stops at the first condition that settles it, as both evaluators may."""
    found: Curve = _ONE
    for arg in args:
        if found == _ZERO:
            break
        found = times(found, test(arg, world), world)
    return found
