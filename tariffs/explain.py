"""One rating at a time, with its reasons: every number is computed here together with the step that says how.

This evaluator and ``rate`` share the checked expression and nothing else; they must agree with ``==``. It is lazy
where a reader would be: only the branch taken is computed and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from operator import eq, ge, gt, le, lt, ne
from typing import assert_never

from tariffs.derive import derive
from tariffs.errors import FactsError, Problem
from tariffs.facts import read_facts, refused, whole_months
from tariffs.model import (
    Add,
    Amount,
    And,
    Blocks,
    BuiltIn,
    Charge,
    Compare,
    Const,
    Convert,
    Divide,
    Edge,
    Expr,
    Fact,
    Facts,
    Flat,
    Greatest,
    If,
    Is,
    Least,
    Line,
    Multiply,
    Negate,
    Not,
    Or,
    RatedRow,
    Rating,
    Round,
    Row,
    Step,
    Subtract,
    Sum,
    Table,
    Test,
    Top,
    Truth,
    Version,
    Whole,
    full_name,
)
from tariffs.money import EXACT, round_fraction, round_to, show, total
from tariffs.needs import needed

_OPERATORS = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class _World:
    """What expressions may look at: facts, the period, and the amounts of the charges rated so far."""

    choices: Mapping[str, str]
    numbers: Mapping[str, Decimal]
    period: tuple[date, date] | None
    amounts: dict[str, Decimal] = field(default_factory=dict)


_Found = tuple[Decimal, Step]


def explain(version: Version, given: Mapping[str, object], period: tuple[date, date] | None = None) -> Rating:
    """The rating of one set of facts; FactsError names every problem, or every ``require`` that refuses."""
    facts = read_facts(version, given, period)
    rows = tuple(_rated_row(version, facts, row) for row in facts.rows)
    derived = derive(version, facts, rows)
    collected = {name: step.value for name, step in derived.items() if isinstance(step.value, Decimal)}
    world = _World(facts.choices, {**facts.numbers, **collected}, period)
    requires = _requires(version, world)
    lines = _lines(version.charges, world)
    if not lines:
        raise FactsError([Problem("nothing-applies")])
    return Rating(
        version=version,
        period=period,
        facts={**facts.choices, **facts.numbers},
        surplus=facts.surplus,
        requires=requires,
        lines=lines,
        total=total(line.amount for line in lines if line.charge.kind == "line"),
        rows=rows,
        derived=derived,
        filled=facts.filled,
    )


def _lines(charges: Sequence[Charge], world: _World) -> tuple[Line, ...]:
    """The charges that apply, in order; each may look at the amounts before it."""
    lines = []
    for charge in charges:
        when = _test(charge.when, world) if charge.when is not None else None
        if when is not None and when[0] is False:
            world.amounts[charge.full_name] = Decimal(0)
            continue
        amount, step = _number(charge.formula, world)
        world.amounts[charge.full_name] = amount
        lines.append(Line(charge, amount, step, when[1] if when else None))
    return tuple(lines)


# --- the stage ----------------------------------------------------------------------------------------------------


def _rated_row(version: Version, facts: Facts, row: Row) -> RatedRow:
    """The stage's charges in one row; nothing where no fact of this rating is collected from them."""
    if version.stage is None or not needed(version, facts.choices).derived:
        return RatedRow(row, ())
    return RatedRow(row, _lines(version.stage.charges, _World(facts.choices, {**facts.numbers, **row.numbers}, None)))


def _requires(version: Version, world: _World) -> tuple[Step, ...]:
    """The steps of the conditions that hold; FactsError with all that do not."""
    steps, problems = [], []
    for require in version.requires:
        if require.when is not None and not _test(require.when, world)[0]:
            continue
        holds, step = _test(require.that, world)
        steps.append(Step("require", require.that.text, holds, None, {"clause": require.clause}, (step,)))
        if not holds:
            problems.append(refused(version, require))
    if problems:
        raise FactsError(problems)
    return tuple(steps)


def _number(node: Expr, world: _World) -> _Found:
    """The value of a numeric expression and its step."""
    match node:
        case Const() | Fact() | BuiltIn() | Amount():
            return _leaf(node, world)
        case Table():
            key = tuple(world.choices[axis] for axis in node.axes)
            cell = next(cell for at, cell in node.cells if at == key)
            value, step = _number(cell, world)
            return _result("table", node, value, (step,), {"name": node.name, "key": full_name(node.name, key)})
        case Negate():
            value, step = _number(node.arg, world)
            return _result("negate", node, EXACT.minus(value), (step,))
        case Add():
            return _pair("add", node, EXACT.add, world)
        case Subtract():
            return _pair("subtract", node, EXACT.subtract, world)
        case Multiply():
            return _pair("multiply", node, EXACT.multiply, world)
        case Convert():
            value, step = _number(node.arg, world)
            return _result("convert", node, EXACT.multiply(value, node.factor), (step,), {"factor": show(node.factor)})
        case If():
            holds, test = _test(node.test, world)
            value, step = _number(node.then if holds else node.other, world)
            return _result("if", node, value, (test, step), {"branch": "then" if holds else "other"})
        case Least() | Greatest() | Sum() | Top():
            return _several(node, world)
        case Round():
            value, step = _number(node.arg, world)
            rounded = round_to(value, node.step, node.mode)
            return _result("round", node, rounded, (step,), {"before": show(value), "step": show(node.step), "mode": node.mode.value})
        case Divide():
            return _divide(node, world)
        case Blocks():
            return _blocks(node, world)
        case Whole():
            return _band("whole", node, node.rates, world)
        case Flat():
            return _band("flat", node, node.amounts, world)
    assert_never(node)


def _leaf(node: Const | Fact | BuiltIn | Amount, world: _World) -> _Found:
    if isinstance(node, Const):
        return node.value, Step("const", node.text, node.value, node.type.unit, {"name": full_name(node.name, node.key)} if node.name else _NOTHING)
    if isinstance(node, BuiltIn):
        return _result("builtin", node, _built_in(node.name, world), (), {"name": node.name})
    name = full_name(node.name, node.key)
    if isinstance(node, Fact):
        return _result("fact", node, world.numbers[name], (), {"name": name})
    return _result("amount", node, world.amounts[name], (), {"name": name})


def _result(kind: str, node: Expr, value: Decimal, children: tuple[Step, ...], detail: Mapping[str, str] = _NOTHING) -> _Found:
    return value, Step(kind, node.text, value, node.type.unit, detail, children)


def _pair(kind: str, node: Add | Subtract | Multiply, operation: Callable[[Decimal, Decimal], Decimal], world: _World) -> _Found:
    (left, one), (right, other) = _number(node.left, world), _number(node.right, world)
    return _result(kind, node, operation(left, right), (one, other))


def _several(node: Least | Greatest | Sum | Top, world: _World) -> _Found:
    found = [_number(arg, world) for arg in node.args]
    values, steps = [value for value, _ in found], tuple(step for _, step in found)
    match node:
        case Least():
            return _result("least", node, min(values), steps)
        case Greatest():
            return _result("greatest", node, max(values), steps)
        case Sum():
            return _result("sum", node, total(values), steps)
        case Top():
            return _result("top", node, total(sorted(values, reverse=True)[: node.count]), steps, {"count": str(node.count)})
    assert_never(node)


def _built_in(name: str, world: _World) -> Decimal:
    assert world.period is not None, "read_facts asks for the period a version counts"
    start, end = world.period
    if name == "period_days":
        return Decimal((end - start).days)
    assert name == "period_months", name
    months = whole_months(world.period)
    assert months is not None, "read_facts refuses a period that is no whole number of months"
    return Decimal(months)


def _divide(node: Divide, world: _World) -> _Found:
    (left, one), (right, other) = _number(node.left, world), _number(node.right, world)
    assert right != 0, "a divisor that can be zero is refused at load"
    value = round_fraction(Fraction(left) / Fraction(right) * node.factor, node.step, node.mode)
    detail = {"factor": str(node.factor), "step": show(node.step), "mode": node.mode.value}
    return _result("divide", node, value, (one, other), detail)


def _blocks(node: Blocks, world: _World) -> _Found:
    """Slices of the quantity from the lowest block up; a block that holds nothing is passed over, unseen."""
    quantity, step = _number(node.quantity, world)
    children, amount, start = [step], Decimal(0), Decimal(0)
    for index, priced in enumerate(node.rates):
        if start >= quantity:
            break
        edge, below = _number(node.edges[index], world) if index < len(node.edges) else (None, None)
        end = quantity if edge is None or edge > quantity else edge
        if end > start:
            rate, why = _number(priced, world)
            held = EXACT.subtract(end, start)
            part = EXACT.multiply(held, rate)
            amount = EXACT.add(amount, part)
            detail = {"from": show(start), "to": "" if edge is None else show(edge), "quantity": show(held), "rate": show(rate), "amount": show(part)}
            children.append(Step("slice", priced.text, part, node.type.unit, detail, (why,) if below is None else (why, below)))
            start = end
    return _result("blocks", node, amount, tuple(children))


def _band(kind: str, node: Whole | Flat, rates: Sequence[Expr], world: _World) -> _Found:
    """The band the quantity reaches, edges tried from the lowest up."""
    quantity, step = _number(node.quantity, world)
    lower: Decimal | None = None
    reached, upper = len(node.edges), None
    for index, edge in enumerate(node.edges):
        at, _ = _number(edge.at, world)
        if quantity < at or (edge.inclusive and quantity == at):
            reached, upper = index, at
            break
        lower = at
    rate, why = _number(rates[reached], world)
    value = EXACT.multiply(quantity, rate) if kind == "whole" else rate
    band = Step("band", rates[reached].text, rate, rates[reached].type.unit, _limits(node.edges, reached, lower, upper), (why,))
    return _result(kind, node, value, (step, band))


def _limits(edges: Sequence[Edge], reached: int, lower: Decimal | None, upper: Decimal | None) -> Mapping[str, str]:
    """The band's ends as text, empty where open, and whether each end belongs to it (yes, no)."""
    return {
        "number": str(reached + 1),
        "from": "" if lower is None else show(lower),
        "from_included": "no" if lower is None or edges[reached - 1].inclusive else "yes",
        "to": "" if upper is None else show(upper),
        "to_included": "yes" if upper is not None and edges[reached].inclusive else "no",
    }


def _test(node: Test, world: _World) -> tuple[bool, Step]:
    """Yes or no, and its step; ``and`` and ``or`` stop at the first test that settles them."""
    match node:
        case Truth():
            return node.value, Step("truth", node.text, node.value, None)
        case Is():
            given = world.choices[node.name]
            return given == node.member, Step("is", node.text, given == node.member, None, {"name": node.name, "given": given, "member": node.member})
        case Compare():
            (left, one), (right, other) = _number(node.left, world), _number(node.right, world)
            holds: bool = _OPERATORS[node.op](left, right)
            return holds, Step("compare", node.text, holds, None, {"op": node.op}, (one, other))
        case And():
            return _all_or_any("and", node, False, world)
        case Or():
            return _all_or_any("or", node, True, world)
        case Not():
            holds, step = _test(node.arg, world)
            return not holds, Step("not", node.text, not holds, None, _NOTHING, (step,))
    assert_never(node)


def _all_or_any(kind: str, node: And | Or, settles: bool, world: _World) -> tuple[bool, Step]:
    steps = []
    holds = not settles
    for arg in node.args:
        holds, step = _test(arg, world)
        steps.append(step)
        if holds is settles:
            break
    return holds, Step(kind, node.text, holds, None, _NOTHING, tuple(steps))
