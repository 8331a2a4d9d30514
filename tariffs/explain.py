"""One rating at a time, with its reasons: every number is computed here together with the step that says how.

This evaluator and ``rate`` share the checked expression and nothing else; they must agree with ``==``. It is lazy
where a reader would be: only the branch taken is computed and shown.

Each expression is read once a version and becomes a function of the facts (``_number``, ``_test``): what its step says
whatever the facts are, and which kind of node it is, is then settled. That halves the time of a rating.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import TypeVar, assert_never

from tariffs.derive import derive
from tariffs.errors import FactsError, Problem
from tariffs.facts import read_facts, refused, whole_months
from tariffs.model import (
    NO_DETAIL,
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
    Require,
    Round,
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
_Kind = TypeVar("_Kind", bound=Rating)


@dataclass(frozen=True, slots=True)
class _World:
    """What expressions may look at: facts, the period, and the amounts of the charges rated so far."""

    choices: Mapping[str, str]
    numbers: Mapping[str, Decimal]
    period: tuple[date, date] | None
    amounts: dict[str, Decimal] = field(default_factory=dict)


_Found = tuple[Decimal, Step]
_Holds = tuple[bool, Step]
_Number = Callable[[_World], _Found]
_Test = Callable[[_World], _Holds]


@dataclass(frozen=True, slots=True)
class _Rated:
    """A charge, its full name, and how it is worked out."""

    charge: Charge
    name: str
    when: _Test | None
    formula: _Number


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a version is rated: its conditions (each with when it is asked), its charges, and those of its stage."""

    requires: tuple[tuple[Require, _Test | None, _Test], ...]
    charges: tuple[_Rated, ...]
    stage: tuple[_Rated, ...]


def explain(version: Version, given: Mapping[str, object], period: tuple[date, date] | None = None) -> Rating:
    """The rating of one set of facts; FactsError names every problem, or every ``require`` that refuses."""
    return explain_as(Rating, version, given, period)


def explain_as(kind: type[_Kind], version: Version, given: Mapping[str, object], period: tuple[date, date] | None) -> _Kind:
    """The same as a rating of one's own kind: the front door's can write itself."""
    facts, plan = read_facts(version, given, period), _plan(version)
    rows, derived, numbers = _staged(version, plan, facts)
    world = _World(facts.choices, numbers, period)
    requires = _requires(version, plan, world)
    lines = _lines(plan.charges, world)
    if not lines:
        raise FactsError([Problem("nothing-applies")])
    return kind(
        version=version,
        period=period,
        facts={**facts.choices, **facts.numbers},
        surplus=facts.surplus,
        requires=requires,
        lines=lines,
        total=total([line.amount for line in lines if line.charge.kind == "line"]),
        rows=rows,
        derived=derived,
        filled=facts.filled,
    )


@lru_cache(maxsize=256)
def _plan(version: Version) -> _Plan:
    requires = tuple((require, _when(require.when), _test(require.that)) for require in version.requires)
    return _Plan(requires, _rated(version.charges), _rated(version.stage.charges) if version.stage else ())


def _rated(charges: Sequence[Charge]) -> tuple[_Rated, ...]:
    return tuple(_Rated(charge, charge.full_name, _when(charge.when), _number(charge.formula)) for charge in charges)


def _when(test: Test | None) -> _Test | None:
    return None if test is None else _test(test)


def _lines(charges: Sequence[_Rated], world: _World) -> tuple[Line, ...]:
    """The charges that apply, in order; each may look at the amounts before it."""
    lines = []
    for rated in charges:
        why = None
        if rated.when is not None:
            holds, why = rated.when(world)
            if not holds:
                world.amounts[rated.name] = Decimal(0)
                continue
        amount, step = rated.formula(world)
        world.amounts[rated.name] = amount
        lines.append(Line(rated.charge, amount, step, why))
    return tuple(lines)


# --- the stage ----------------------------------------------------------------------------------------------------


def _staged(version: Version, plan: _Plan, facts: Facts) -> tuple[tuple[RatedRow, ...], dict[str, Step], Mapping[str, Decimal]]:
    """The stage's rows, rated where a fact of this rating is collected from them; the facts collected; all numbers."""
    if version.stage is None:
        return (), {}, facts.numbers
    charges = plan.stage if needed(version, facts.choices).derived else ()
    rows = tuple(RatedRow(row, _lines(charges, _World(facts.choices, {**facts.numbers, **row.numbers}, None))) for row in facts.rows)
    derived = derive(version, facts, rows)
    collected = {name: step.value for name, step in derived.items() if isinstance(step.value, Decimal)}
    return rows, derived, {**facts.numbers, **collected}


def _requires(version: Version, plan: _Plan, world: _World) -> tuple[Step, ...]:
    """The steps of the conditions that hold; FactsError with all that do not."""
    steps, problems = [], []
    for require, when, that in plan.requires:
        if when is not None and not when(world)[0]:
            continue
        holds, step = that(world)
        steps.append(Step("require", require.that.text, holds, None, {"clause": require.clause}, (step,)))
        if not holds:
            problems.append(refused(version, require))
    if problems:
        raise FactsError(problems)
    return tuple(steps)


# --- numbers ------------------------------------------------------------------------------------------------------


def _number(node: Expr) -> _Number:
    """How a numeric expression is worked out: its value and its step."""
    match node:
        case Const() | Fact() | BuiltIn() | Amount():
            return _leaf(node)
        case Table():
            return _table(node)
        case Negate():
            return _changed("negate", node, node.arg, EXACT.minus)
        case Add():
            return _pair("add", node, EXACT.add)
        case Subtract():
            return _pair("subtract", node, EXACT.subtract)
        case Multiply():
            return _pair("multiply", node, EXACT.multiply)
        case Convert():
            return _changed("convert", node, node.arg, lambda value: EXACT.multiply(value, node.factor), {"factor": show(node.factor)})
        case If():
            return _if(node)
        case Least() | Greatest() | Sum() | Top():
            return _several(node)
        case Round():
            return _round(node)
        case Divide():
            return _divide(node)
        case Blocks():
            return _blocks(node)
        case Whole():
            return _band("whole", node, node.rates)
        case Flat():
            return _band("flat", node, node.amounts)
    assert_never(node)


def _leaf(node: Const | Fact | BuiltIn | Amount) -> _Number:
    text, unit = node.text, node.type.unit
    if isinstance(node, Const):
        found = node.value, Step("const", text, node.value, unit, {"name": full_name(node.name, node.key)} if node.name else NO_DETAIL)
        return lambda _: found
    name = node.name if isinstance(node, BuiltIn) else full_name(node.name, node.key)
    detail = {"name": name}

    def built_in(world: _World) -> _Found:
        value = _built_in(name, world)
        return value, Step("builtin", text, value, unit, detail)

    def fact(world: _World) -> _Found:
        value = world.numbers[name]
        return value, Step("fact", text, value, unit, detail)

    def amount(world: _World) -> _Found:
        value = world.amounts[name]
        return value, Step("amount", text, value, unit, detail)

    return built_in if isinstance(node, BuiltIn) else fact if isinstance(node, Fact) else amount


def _table(node: Table) -> _Number:
    text, unit, axes = node.text, node.type.unit, node.axes
    cells = {key: (_number(cell), {"name": node.name, "key": full_name(node.name, key)}) for key, cell in node.cells}

    def found(world: _World) -> _Found:
        cell, detail = cells[tuple([world.choices[axis] for axis in axes])]
        value, step = cell(world)
        return value, Step("table", text, value, unit, detail, (step,))

    return found


def _changed(kind: str, node: Expr, arg: Expr, operation: Callable[[Decimal], Decimal], detail: Mapping[str, str] = NO_DETAIL) -> _Number:
    text, unit, inner = node.text, node.type.unit, _number(arg)

    def found(world: _World) -> _Found:
        before, step = inner(world)
        value = operation(before)
        return value, Step(kind, text, value, unit, detail, (step,))

    return found


def _pair(kind: str, node: Add | Subtract | Multiply, operation: Callable[[Decimal, Decimal], Decimal]) -> _Number:
    text, unit, left, right = node.text, node.type.unit, _number(node.left), _number(node.right)

    def found(world: _World) -> _Found:
        first, one = left(world)
        second, other = right(world)
        value = operation(first, second)
        return value, Step(kind, text, value, unit, NO_DETAIL, (one, other))

    return found


def _if(node: If) -> _Number:
    text, unit, test, then, other = node.text, node.type.unit, _test(node.test), _number(node.then), _number(node.other)

    def found(world: _World) -> _Found:
        holds, why = test(world)
        value, step = (then if holds else other)(world)
        return value, Step("if", text, value, unit, {"branch": "then" if holds else "other"}, (why, step))

    return found


def _several(node: Least | Greatest | Sum | Top) -> _Number:
    text, unit, args = node.text, node.type.unit, [_number(arg) for arg in node.args]
    kind, how, detail = _how_several(node)

    def found(world: _World) -> _Found:
        results = [arg(world) for arg in args]
        value = how([each for each, _ in results])
        return value, Step(kind, text, value, unit, detail, tuple([step for _, step in results]))

    return found


def _how_several(node: Least | Greatest | Sum | Top) -> tuple[str, Callable[[list[Decimal]], Decimal], Mapping[str, str]]:
    match node:
        case Least():
            return "least", min, NO_DETAIL
        case Greatest():
            return "greatest", max, NO_DETAIL
        case Sum():
            return "sum", total, NO_DETAIL
        case Top():
            return "top", lambda values: total(sorted(values, reverse=True)[: node.count]), {"count": str(node.count)}
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


def _round(node: Round) -> _Number:
    text, unit, inner = node.text, node.type.unit, _number(node.arg)
    how = {"step": show(node.step), "mode": node.mode.value}

    def found(world: _World) -> _Found:
        value, step = inner(world)
        rounded = round_to(value, node.step, node.mode)
        return rounded, Step("round", text, rounded, unit, {"before": show(value), **how}, (step,))

    return found


def _divide(node: Divide) -> _Number:
    text, unit, left, right = node.text, node.type.unit, _number(node.left), _number(node.right)
    detail = {"factor": str(node.factor), "step": show(node.step), "mode": node.mode.value}

    def found(world: _World) -> _Found:
        above, one = left(world)
        below, other = right(world)
        assert below != 0, "a divisor that can be zero is refused at load"
        value = round_fraction(Fraction(above) / Fraction(below) * node.factor, node.step, node.mode)
        return value, Step("divide", text, value, unit, detail, (one, other))

    return found


def _blocks(node: Blocks) -> _Number:
    """Slices of the quantity from the lowest block up; a block that holds nothing is passed over, unseen."""
    text, unit, measured = node.text, node.type.unit, _number(node.quantity)
    edges, rates = [_number(edge) for edge in node.edges], [(rate.text, _number(rate)) for rate in node.rates]

    def found(world: _World) -> _Found:
        quantity, step = measured(world)
        children, amount, start = [step], Decimal(0), Decimal(0)
        for index, (words, priced) in enumerate(rates):
            if start >= quantity:
                break
            edge, below = edges[index](world) if index < len(edges) else (None, None)
            end = quantity if edge is None or edge > quantity else edge
            if end > start:
                rate, why = priced(world)
                held = EXACT.subtract(end, start)
                part = EXACT.multiply(held, rate)
                amount = EXACT.add(amount, part)
                detail = {"from": show(start), "to": "" if edge is None else show(edge), "quantity": show(held), "rate": show(rate), "amount": show(part)}
                children.append(Step("slice", words, part, unit, detail, (why,) if below is None else (why, below)))
                start = end
        return amount, Step("blocks", text, amount, unit, NO_DETAIL, tuple(children))

    return found


def _band(kind: str, node: Whole | Flat, rates: Sequence[Expr]) -> _Number:
    """The band the quantity reaches, edges tried from the lowest up."""
    text, unit, measured = node.text, node.type.unit, _number(node.quantity)
    edges = [(_number(edge.at), edge.inclusive) for edge in node.edges]
    bands = [(rate.text, rate.type.unit, _number(rate)) for rate in rates]

    def found(world: _World) -> _Found:
        quantity, step = measured(world)
        lower: Decimal | None = None
        reached, upper = len(edges), None
        for index, (edge, inclusive) in enumerate(edges):
            at, _ = edge(world)
            if quantity < at or (inclusive and quantity == at):
                reached, upper = index, at
                break
            lower = at
        words, per, priced = bands[reached]
        rate, why = priced(world)
        value = EXACT.multiply(quantity, rate) if kind == "whole" else rate
        band = Step("band", words, rate, per, _limits([inclusive for _, inclusive in edges], reached, lower, upper), (why,))
        return value, Step(kind, text, value, unit, NO_DETAIL, (step, band))

    return found


def _limits(inclusive: Sequence[bool], reached: int, lower: Decimal | None, upper: Decimal | None) -> Mapping[str, str]:
    """The band's ends as text, empty where open, and whether each end belongs to it (yes, no)."""
    return {
        "number": str(reached + 1),
        "from": "" if lower is None else show(lower),
        "from_included": "no" if lower is None or inclusive[reached - 1] else "yes",
        "to": "" if upper is None else show(upper),
        "to_included": "yes" if upper is not None and inclusive[reached] else "no",
    }


# --- tests --------------------------------------------------------------------------------------------------------


def _test(node: Test) -> _Test:
    """How a test is answered: yes or no, and its step; ``and`` and ``or`` stop at the first test that settles them."""
    match node:
        case Truth():
            found = node.value, Step("truth", node.text, node.value, None)
            return lambda _: found
        case Is():
            return _is(node)
        case Compare():
            return _compare(node)
        case And():
            return _all_or_any("and", node, False)
        case Or():
            return _all_or_any("or", node, True)
        case Not():
            return _not(node)
    assert_never(node)


def _is(node: Is) -> _Test:
    text, name, member = node.text, node.name, node.member

    def found(world: _World) -> _Holds:
        given = world.choices[name]
        holds = given == member
        return holds, Step("is", text, holds, None, {"name": name, "given": given, "member": member})

    return found


def _compare(node: Compare) -> _Test:
    text, left, right = node.text, _number(node.left), _number(node.right)
    operator, detail = _OPERATORS[node.op], {"op": node.op}

    def found(world: _World) -> _Holds:
        first, one = left(world)
        second, other = right(world)
        holds: bool = operator(first, second)
        return holds, Step("compare", text, holds, None, detail, (one, other))

    return found


def _not(node: Not) -> _Test:
    text, test = node.text, _test(node.arg)

    def found(world: _World) -> _Holds:
        holds, step = test(world)
        return not holds, Step("not", text, not holds, None, NO_DETAIL, (step,))

    return found


def _all_or_any(kind: str, node: And | Or, settles: bool) -> _Test:
    text, tests = node.text, [_test(arg) for arg in node.args]

    def found(world: _World) -> _Holds:
        steps = []
        holds = not settles
        for test in tests:
            holds, step = test(world)
            steps.append(step)
            if holds is settles:
                break
        return holds, Step(kind, text, holds, None, NO_DETAIL, tuple(steps))

    return found
