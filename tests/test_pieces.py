"""Curves of one input agree with what ``explain`` gives at every point, and next to every breakpoint."""

from __future__ import annotations

import random
from decimal import Decimal as D
from fractions import Fraction as F

import pytest

from tariffs import model as m
from tariffs import pieces as p
from tariffs.explain import _number, _World
from tariffs.money import Mode
from tariffs.units import PURE, Unit, named

CNY = named("CNY")
GRID = D("0.5")
HIGH = 12


def kind(grid: str = "0.001", unit: Unit = PURE) -> m.Type:
    return m.Type(unit, D(grid), D(-1000), D(1000))


def const(value: object) -> m.Const:
    return m.Const(kind(), str(value), D(str(value)))


X, Y = m.Fact(kind(), "x", "x"), m.Fact(kind(), "y", "y")


def world(*, stepwise: bool = False) -> p.World:
    return p.World("x", F(0), F(HIGH), F(GRID), {"c": "a"}, {"y": F(3)}, CNY, F(1, 100), stepwise)


def truth(node: m.Expr, x: D) -> F:
    """What the step-by-step evaluator gives; it takes any number, on the grid or beside it."""
    found, _ = _number(node)(_World({"c": "a"}, {"x": x, "y": D(3)}, None))
    return F(found)


def agrees(node: m.Expr) -> None:
    there = world(stepwise=True)
    curve = p.number(node, there)
    places = {D(i) / 4 for i in range(4 * HIGH + 1)}
    if isinstance(curve, p.Pieces):
        assert len(curve.lines) == len(curve.at) - 1 == len(curve.values) - 1
        for at in curve.at:
            near = D(at.numerator) / D(at.denominator)
            places |= {near} if F(near) == at else set()
            places |= {x for x in (near - D("1e-9"), near + D("1e-9")) if 0 <= x <= HIGH}
    for x in places:
        assert p.value_at(curve, F(x)) == truth(node, x), (x, curve)


def number(dice: random.Random, depth: int) -> m.Expr:
    """Any node over x, y and small numbers; edges ascend as a checked version's do."""
    t = kind()

    def below() -> m.Expr:
        return number(dice, depth - 1)

    def small() -> m.Expr:
        return const(dice.choice(["0", "1", "2", "2.5", "-1", "0.3", "7"]))

    edges = sorted(dice.sample([D(1), D("2.5"), D(4), D("4.1"), D(9)], 2))
    quantities: list[m.Expr] = [X, m.Least(t, "", (X, const(8))), m.Greatest(t, "", (m.Subtract(t, "", X, const(3)), const(0)))]
    quantity = dice.choice(quantities)
    ends = tuple(m.Edge(const(edge), dice.random() < 0.5) for edge in edges)
    rates = tuple(const(n) for n in dice.sample(range(9), 3))
    match dice.randrange(16) if depth > 0 else 99:
        case 0:
            return m.Add(t, "", below(), below())
        case 1:
            return m.Subtract(t, "", below(), below())
        case 2 | 3:
            return m.Multiply(t, "", small(), below())
        case 4:
            return m.Negate(t, "", below())
        case 5 | 6:
            return m.If(t, "", condition(dice, depth - 1), below(), below())
        case 7:
            return m.Least(t, "", (below(), below(), below()))
        case 8:
            return m.Greatest(t, "", (below(), below()))
        case 9:
            return m.Top(t, "", 2, (below(), below(), small()))
        case 10:
            return m.Blocks(t, "", quantity, tuple(const(edge) for edge in edges), rates)
        case 11:
            return m.Whole(t, "", quantity, ends, rates)
        case 12:
            return m.Flat(t, "", quantity, ends, (below(), small(), below()))
        case 13:
            return m.Round(t, "", below(), D(dice.choice(["0.5", "1", "2"])), dice.choice(list(Mode)))
        case 14:
            return m.Divide(t, "", below(), const(dice.choice([2, 3, "0.7"])), F(1), D("0.5"), dice.choice(list(Mode)))
        case 15:
            return m.Sum(t, "", (below(), below(), X))
        case _:
            leaves: list[m.Expr] = [X, X, Y, small()]
            return dice.choice(leaves)


def condition(dice: random.Random, depth: int) -> m.Test:
    match dice.randrange(6) if depth > 0 else 0:
        case 1:
            return m.And("", (condition(dice, depth - 1), condition(dice, depth - 1)))
        case 2:
            return m.Or("", (condition(dice, depth - 1), condition(dice, depth - 1)))
        case 3:
            return m.Not("", condition(dice, depth - 1))
        case _:
            return m.Compare("", dice.choice(["<", "<=", ">", ">=", "==", "!="]), number(dice, depth - 1), number(dice, depth - 2))


@pytest.mark.parametrize("seed", range(300))
def test_a_random_expression_is_its_curve(seed: int) -> None:
    node = number(random.Random(seed), 4)
    try:
        agrees(node)
    except p.NotLinear:
        pytest.skip("a product of two things that vary")


def test_an_edge_says_on_which_side_it_belongs() -> None:
    upto = p.number(m.Flat(kind(), "", X, (m.Edge(const(4), True),), (const(1), const(2))), world())
    below = p.number(m.Flat(kind(), "", X, (m.Edge(const(4), False),), (const(1), const(2))), world())
    assert isinstance(upto, p.Pieces)
    assert isinstance(below, p.Pieces)
    assert p.limits(upto, 1) == (F(1), F(1), F(2))
    assert p.limits(below, 1) == (F(1), F(2), F(2))
    assert upto.why[1] == frozenset([p.Origin("", "band", "4", "4")])


def test_rounding_money_to_its_step_is_passed_over_and_a_coarser_one_is_noted() -> None:
    fine = m.Round(kind("0.01", CNY), "", m.Multiply(kind(), "", X, const("0.333")), D("0.01"), Mode.HALF_UP)
    there = world()
    curve = p.number(fine, there)
    assert isinstance(curve, p.Pieces)
    assert curve.lines == ((F("0.333"), F(0)),)
    assert there.steps == {}
    p.number(m.Round(kind("2"), "ceil(x, 2)", X, D(2), Mode.UP), there)
    assert list(there.steps.values()) == [p.Steps(p.Origin("", "step", "ceil(x, 2)"), D(2), F(2))]


def test_a_product_of_two_that_vary_has_no_lines() -> None:
    with pytest.raises(p.NotLinear):
        p.number(m.Multiply(kind(), "", X, X), world())
    with pytest.raises(p.NotLinear):
        p.number(m.Divide(kind(), "", const(1), m.Add(kind(), "", X, const(1)), F(1), D(1), Mode.UP), world())
