"""The columnar evaluator of checked expressions: ``plan`` and ``check`` turn an expression into a function over columns.

Planning happens once a version; running costs a few array operations a node. Independent of ``explain`` on purpose:
bands, look-ups and conditions are written here a second time, over scaled whole numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import accumulate
from typing import Any, assert_never

import numpy as np

from tariffs import model as m
from tariffs.algebra import multiple
from tariffs.scaled import (
    NARROW,
    SMALL,
    Answer,
    Batch,
    Ints,
    Mask,
    Number,
    Plan,
    Taken,
    bias,
    blank,
    combine,
    constant,
    done_with,
    enclose,
    fit,
    give_back,
    greater,
    lanes,
    least_places,
    lent,
    lesser,
    merged,
    plain,
    reach,
    rescale,
    round_column,
    round_whole,
    safe_divisor,
    scaled,
    select,
    tight,
    times,
    whole,
    widen,
)

Check = Callable[[Batch, Taken], Answer]


@dataclass(frozen=True, slots=True)
class Layout:
    """What plans must know of the version: the codes of every choice, and the scale at which each input and charge is kept, by full name.

    ``most``: how large such a number is at that scale at most, where that is known to be less than its bounds say.
    """

    codes: Mapping[str, Mapping[str, int]]
    places: Mapping[str, int]
    most: Mapping[str, int] = field(default_factory=dict)


# --- numbers ------------------------------------------------------------------------------------------------------


def plan(node: m.Expr, places: int, layout: Layout) -> Plan:
    """``node`` at scale ``places``, at which its grid must be whole."""
    found = rescale(_plan(node, max(places, least_places(node.type.grid)), layout), places)
    size = reach(node.type, places)
    return found if found.fixed is not None or size >= found.reach else fit(found, size)


def natural_places(node: m.Expr) -> int:
    """The scale at which a node costs least; constants may stand at any."""
    least = least_places(node.type.grid)
    return least if isinstance(node, (m.Const, m.Table)) else max(0, least)


def common_places(nodes: Sequence[m.Expr]) -> int:
    return max(natural_places(node) for node in nodes)


def _plan(node: m.Expr, places: int, layout: Layout) -> Plan:
    match node:
        case m.Const():
            return constant(scaled(node.value, places), places)
        case m.Fact():
            name = m.full_name(node.name, node.key)
            return rescale(_column(lambda b: b.numbers[name], node.type, name, layout), places)
        case m.BuiltIn():
            return rescale(_read(lambda b: b.built_ins[node.name], 0, reach(node.type, 0)), places)
        case m.Amount():
            amount = m.full_name(node.name, node.key)
            return rescale(_column(lambda b: b.amounts[amount], node.type, amount, layout), places)
        case m.Table():
            return _table(node, places, layout)
        case m.Negate():
            return times(plan(node.arg, places, layout), -1, places)
        case m.Add():
            return _sum([node.left, node.right], places, layout)
        case m.Sum():
            return _sum(node.args, places, layout)
        case m.Subtract():
            left, right = plan(node.left, places, layout), plan(node.right, places, layout)
            return combine(operator.sub, left, right, places, left.reach + right.reach)
        case m.Multiply():
            return _multiply(node, places, layout)
        case m.Convert():
            return _by_constant(node.arg, node.factor, places, layout)
        case m.If():
            return _if(node, places, layout)
        case m.Least():
            return _extreme(lesser, node.args, places, layout)
        case m.Greatest():
            return _extreme(greater, node.args, places, layout)
        case m.Top():
            return _top(node, places, layout)
        case m.Round():
            return _round(node, places, layout)
        case m.Divide():
            return _divide(node, places, layout)
        case m.Blocks():
            return _blocks(node, places, layout)
        case m.Whole():
            return _whole(node, places, layout)
        case m.Flat():
            quantity, edges = _quantity(node.quantity, [edge.at for edge in node.edges], layout)
            return _band([edge.inclusive for edge in node.edges], quantity, edges, [plan(a, places, layout) for a in node.amounts], places)
        case _:
            assert_never(node)


def _column(read: Callable[[Batch], Number], kind: m.Type, name: str, layout: Layout) -> Plan:
    return _read(read, layout.places[name], most_of(kind, name, layout))


def most_of(kind: m.Type, name: str, layout: Layout) -> int:
    """How large an input or a charge is at most, by its bounds and by what else is known, at the scale at which it is kept."""
    bound = reach(kind, layout.places[name])
    return min(bound, layout.most.get(name, bound))


def _read(read: Callable[[Batch], Number], places: int, size: int) -> Plan:
    """One number for all rows that is larger than a condition around it allows is seen by no row that counts, and would not fit."""

    def run(b: Batch, _: Taken) -> Number:
        value = read(b)
        return 0 if isinstance(value, int) and abs(value) > size else value

    return fit(Plan(run, places, NARROW), size)


def _sum(args: Sequence[m.Expr], places: int, layout: Layout) -> Plan:
    plans = [plan(arg, places, layout) for arg in args]
    names = [name for arg in args if (name := _any_amount(arg, layout))]
    return sum_of_amounts(names, plans, places) if len(names) == len(args) else _added(plans, places)


def _any_amount(node: m.Expr, layout: Layout) -> str:
    """The name of an earlier charge, of which nothing is known that a condition around it says; empty for anything else."""
    if not isinstance(node, m.Amount):
        return ""
    name = m.full_name(node.name, node.key)
    return name if name in layout.most and reach(node.type, layout.places[name]) >= layout.most[name] else ""


def _added(plans: Sequence[Plan], places: int) -> Plan:
    return reduce(lambda a, b: combine(operator.add, a, b, places, a.reach + b.reach), plans)


def sum_of_amounts(names: Sequence[str], amounts: Sequence[Plan], places: int, *, keep: bool = True) -> Plan:
    """Earlier charges added up: what was added up once, as a subtotal is, is gone on from. ``keep``: others may go on from this sum.

    They stand under other conditions, so ``amounts`` must be planned for every row.
    """
    if len(amounts) < 2 or sum(amount.reach for amount in amounts) >= NARROW:
        return _added(amounts, places)
    keys = [(places, tuple(names[:count])) for count in range(len(names) + 1)]
    sizes = list(accumulate(amount.reach for amount in amounts))

    def run(b: Batch, t: Taken) -> Number:
        known = next((count for count in range(len(names), 1, -1) if keys[count] in b.sums), 1)
        found, own = (b.sums[keys[known]], False) if known > 1 else (amounts[0].run(b, t), amounts[0].own)
        for amount, size in zip(amounts[known:], sizes[known:], strict=True):
            found, own = merged(operator.add, found, amount.run(b, t), size, b, own, amount.own), True
        return found

    def kept(b: Batch, t: Taken) -> Number:
        with lent(b, None):  # what is kept cannot lie where one result is written
            b.sums[keys[-1]] = run(b, t)
        return b.sums[keys[-1]]

    return Plan(kept if keep else run, places, sizes[-1])


def _by_constant(arg: m.Expr, factor: Decimal, places: int, layout: Layout) -> Plan:
    """``arg * factor``, the scale that is still wanted put into the factor."""
    base = plan(arg, natural_places(arg), layout)
    own = max(least_places(factor), places - base.places)
    return rescale(times(base, scaled(factor, own), base.places + own), places)


def _multiply(node: m.Multiply, places: int, layout: Layout) -> Plan:
    for fixed, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(fixed, m.Const):
            return _by_constant(other, fixed.value, places, layout)
    left_places, right_places = natural_places(node.left), natural_places(node.right)
    extra = max(0, places - left_places - right_places)
    to_left = isinstance(node.left, m.Table)
    left = plan(node.left, left_places + (extra if to_left else 0), layout)
    right = plan(node.right, right_places + (0 if to_left else extra), layout)
    return rescale(combine(operator.mul, left, right, left.places + right.places, left.reach * right.reach), places)


def _if(node: m.If, places: int, layout: Layout) -> Plan:
    test, then, other = check(node.test, layout), plan(node.then, places, layout), plan(node.other, places, layout)
    size = max(then.reach, other.reach)

    def run(b: Batch, t: Taken) -> Number:
        answer = test(b, t)
        if isinstance(answer, bool):
            return _owned(then if answer else other, b, t)
        one, two = then.run(b, enclose(t, answer, True)), other.run(b, enclose(t, answer, False))
        found = select(answer, one, two, size, b)
        done_with(b, then, one)
        done_with(b, other, two)
        return found

    return Plan(run, places, size, own=True)


def _owned(arg: Plan, b: Batch, t: Taken) -> Number:
    """What a plan gives, as a column that is the caller's."""
    value = arg.run(b, t)
    return value if arg.own or not plain(value) else value.copy()


def _extreme(op: Callable[[Number, Number], Number], args: Sequence[m.Expr], places: int, layout: Layout) -> Plan:
    plans = [plan(arg, places, layout) for arg in args]
    widest = max(p.reach for p in plans)
    return reduce(lambda a, b: combine(op, a, b, places, widest), plans)


def _top(node: m.Top, places: int, layout: Layout) -> Plan:
    plans = [plan(arg, places, layout) for arg in node.args]
    size = sum(p.reach for p in plans)

    def run(b: Batch, t: Taken) -> Number:
        columns = [p.run(b, t) for p in plans]
        if all(isinstance(c, int) for c in columns):
            return sum(sorted(columns)[-node.count :])
        columns = [widen(c) for c in columns] if size >= NARROW else columns
        ordered = np.sort(np.stack(np.broadcast_arrays(*columns)), axis=0)
        found: Number = ordered[-node.count :].sum(axis=0)
        return found

    return Plan(run, places, size)


# --- look-ups -----------------------------------------------------------------------------------------------------


def cell_index(axes: Sequence[str], b: Batch, layout: Layout) -> Ints:
    """The position of each row's cell in a table over ``axes``, the last axis running fastest."""
    index = b.codes[axes[0]]
    for axis in axes[1:]:
        index = index.astype(np.int64) * len(layout.codes[axis]) + b.codes[axis]
    return index


def position(key: m.Key, axes: Sequence[str], layout: Layout) -> int:
    """Where ``cell_index`` finds a cell's key."""
    found = 0
    for member, axis in zip(key, axes, strict=True):
        found = found * len(layout.codes[axis]) + layout.codes[axis][member]
    return found


def _table(node: m.Table, places: int, layout: Layout) -> Plan:
    cells = {position(key, node.axes, layout): plan(expr, places, layout) for key, expr in node.cells}
    size = max(p.reach for p in cells.values())
    count = reduce(operator.mul, [len(layout.codes[axis]) for axis in node.axes])
    flat = np.array([fixed_or_zero(cells.get(i)) for i in range(count)], dtype=object if size >= NARROW else np.int64)
    small = flat.astype(np.int32) if size < SMALL else flat
    open_cells = [(i, p) for i, p in cells.items() if p.fixed is None]

    def run(b: Batch, t: Taken) -> Number:
        index = cell_index(node.axes, b, layout)
        found: Number = np.take(flat if b.room is None else small, index)
        for i, cell in open_cells:
            here = index == i
            found = select(here, cell.run(b, enclose(t, here, True)), found, size, b)
        return found

    return Plan(run, places, size)


def fixed_or_zero(cell: Plan | None) -> int:
    return cell.fixed if cell is not None and cell.fixed is not None else 0


# --- rounding -----------------------------------------------------------------------------------------------------


def _round(node: m.Round, places: int, layout: Layout) -> Plan:
    if Fraction(node.arg.type.grid) % Fraction(node.step) == 0:
        return plan(node.arg, places, layout)  # already on the step
    fine = max(natural_places(node.arg), least_places(node.step))
    arg, step, back = plan(node.arg, fine, layout), scaled(node.step, fine), scaled(node.step, places)
    if arg.fixed is not None:
        return constant(int(round_whole(arg.fixed, step, node.mode)) * back, places)
    after = min(reach(node.type, places), (arg.reach // step + 1) * back) + back
    size = max(arg.reach + step, after)
    wide = size >= NARROW
    more = None if wide or node.arg.type.low < 0 else bias(step, node.mode)

    def run(b: Batch, t: Taken) -> Number:
        value = arg.run(b, t)
        if more is not None and plain(value):
            kind = lanes(size, value)
            assert kind is not None, "a plain column has a kind"
            mine = arg.own and value.dtype == kind
            column = round_column(value, step, more, value if mine else blank(b, len(value), kind))
            if not mine:
                done_with(b, arg, value)
            column = tight(b, column, after)
            return column if back == 1 else np.multiply(column, back, out=column)
        found = round_whole(widen(value) if wide else whole(value), step, node.mode)
        return found if back == 1 else found * back

    return Plan(run, places, size, own=True)


def _divide(node: m.Divide, places: int, layout: Layout) -> Plan:
    left = plan(node.left, natural_places(node.left), layout)
    right = plan(node.right, natural_places(node.right), layout)
    ratio = node.factor / Fraction(node.step) * Fraction(10) ** (right.places - left.places)
    top, bottom = times(left, ratio.numerator, 0), times(right, ratio.denominator, 0)
    back, sign = scaled(node.step, places), 1 if node.right.type.low > 0 else -1
    size = max(top.reach + bottom.reach, reach(node.type, places) + back)
    wide = size >= NARROW

    def run(b: Batch, t: Taken) -> Number:
        n, d = whole(top.run(b, t)), safe_divisor(whole(bottom.run(b, t)), t)
        if wide:
            n, d = widen(n), widen(d)
        found = round_whole(n, d, node.mode) if sign == 1 else round_whole(-n, -d, node.mode)
        return found if back == 1 else found * back

    return Plan(run, places, size)


# --- bands --------------------------------------------------------------------------------------------------------


def _quantity(quantity: m.Expr, edges: Sequence[m.Expr], layout: Layout) -> tuple[Plan, list[Plan]]:
    """A quantity and its edges at one scale."""
    fine = common_places([quantity, *edges])
    return plan(quantity, fine, layout), [plan(edge, fine, layout) for edge in edges]


def _rates(rates: Sequence[m.Expr], wanted: int, layout: Layout) -> list[Plan]:
    fine = max(common_places(rates), wanted)
    return [plan(rate, fine, layout) for rate in rates]


def _blocks(node: m.Blocks, places: int, layout: Layout) -> Plan:
    quantity, edges = _quantity(node.quantity, node.edges, layout)
    rates = _rates(node.rates, places - quantity.places, layout)
    raw = quantity.places + rates[0].places
    size = 2 * sum(rate.reach for rate in rates) * max(p.reach for p in (quantity, *edges))
    wider = widen if size >= NARROW else lambda value: value

    def run(b: Batch, t: Taken) -> Number:
        amount, prices = quantity.run(b, t), [wider(rate.run(b, t)) for rate in rates]
        found = merged(operator.mul, wider(amount), prices[-1], size, b)
        for edge, price, after in zip(edges, prices[:-1], prices[1:], strict=True):  # below an edge a unit costs that much more or less than above
            end = edge.run(b, t)
            below = merged(lesser, wider(amount), wider(end), size, b)
            done_with(b, edge, end)
            part = merged(operator.mul, below, merged(operator.sub, price, after, size, b), size, b, own_a=True, own_c=True)
            found = merged(operator.add, found, part, size, b, own_a=True, own_c=True)
        done_with(b, quantity, amount)
        return found

    return rescale(fit(Plan(run, raw, size, own=True), size // 2), places)


def _whole(node: m.Whole, places: int, layout: Layout) -> Plan:
    quantity, edges = _quantity(node.quantity, [edge.at for edge in node.edges], layout)
    rates = _rates(node.rates, places - quantity.places, layout)
    rate = _band([edge.inclusive for edge in node.edges], quantity, edges, rates, rates[0].places)
    return rescale(combine(operator.mul, quantity, rate, quantity.places + rate.places, quantity.reach * rate.reach), places)


def in_band(quantity: Number, edge: Number, inclusive: bool) -> Answer:
    """Whether a quantity has not gone past a band's upper end."""
    return quantity <= edge if inclusive else quantity < edge


def _band(inclusive: Sequence[bool], quantity: Plan, edges: Sequence[Plan], values: Sequence[Plan], places: int) -> Plan:
    """The value of the first band whose upper end the quantity has not gone past."""
    size = max(p.reach for p in values)

    def run(b: Batch, t: Taken) -> Number:
        amount, found, mine = quantity.run(b, t), values[-1].run(b, t), values[-1].own
        for edge, closed, value in reversed(list(zip(edges, inclusive, values, strict=False))):
            end = edge.run(b, t)
            inside, one = in_band(amount, end, closed), value.run(b, t)
            done_with(b, edge, end)
            if isinstance(inside, bool):
                found, mine = (one, value.own) if inside else (found, mine)
                continue
            chosen = select(inside, one, found, size, b)
            done_with(b, value, one)
            if mine:
                give_back(b, found)
            found, mine = chosen, True
        done_with(b, quantity, amount)
        return found if mine or not plain(found) else found.copy()

    return Plan(run, places, size, own=True)


# --- yes or no ----------------------------------------------------------------------------------------------------

COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def check(node: m.Test, layout: Layout) -> Check:
    """A condition as a function that gives one yes or no, or one a row."""
    match node:
        case m.Truth():
            return lambda b, t: node.value
        case m.Is():
            code = layout.codes[node.name][node.member]
            return lambda b, t: is_member(b.codes[node.name], code)
        case m.Compare():
            return _compare(node, layout)
        case m.And():
            return _join([check(arg, layout) for arg in node.args], True)
        case m.Or():
            return _join([check(arg, layout) for arg in node.args], False)
        case m.Not():
            inner = check(node.arg, layout)
            return lambda b, t: negated(inner(b, t))
        case _:
            assert_never(node)


def is_member(codes: Ints, code: int) -> Mask:
    found: Mask = codes == code
    return found


def negated(answer: Answer) -> Answer:
    return not answer if isinstance(answer, bool) else ~answer


def _compare(node: m.Compare, layout: Layout) -> Check:
    """Each side by a whole number, the two without a factor in common: ``weight <= 50 % * quota`` is ``2 * weight <= quota``."""
    (share_left, first), (share_right, second) = _share(node.left), _share(node.right)
    left, right = plan(first, natural_places(first), layout), plan(second, natural_places(second), layout)
    ratio = share_left / share_right * Fraction(10) ** (right.places - left.places)
    left, right, op = times(left, ratio.numerator, 0), times(right, ratio.denominator, 0), COMPARE[node.op]

    def run(b: Batch, t: Taken) -> Answer:
        one, two = left.run(b, t), right.run(b, t)
        found = op(one, two)
        done_with(b, left, one)
        done_with(b, right, two)
        return found if isinstance(found, bool) else np.asarray(found, dtype=np.bool_)

    return run


def _share(node: m.Expr) -> tuple[Fraction, m.Expr]:
    """A positive constant that an expression is multiplied by, and the rest of it."""
    share, rest = multiple(node)
    return (share, rest) if share > 0 else (Fraction(1), node)


def _join(checks: Sequence[Check], every: bool) -> Check:
    """All (``every``) or any of the checks; a later one counts only where the earlier ones left the answer open."""

    def run(b: Batch, t: Taken) -> Answer:
        found: Answer = every
        for one in checks:
            answer = one(b, t)
            found = both(found, answer) if every else either(found, answer)
            t = enclose(t, answer, every)
        return found

    return run


def both(a: Answer, b: Answer) -> Answer:
    return a & b


def either(a: Answer, b: Answer) -> Answer:
    return a | b
