"""Charges, branches and bands that nobody can reach, whatever they choose and whatever their numbers are.

Every combination of choices is tried; numbers are known by their bounds alone, so what is reported is certain and
something unreachable for a subtler reason is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import product
from typing import assert_never

from tariffs import model as m
from tariffs import needs
from tariffs.errors import Problem
from tariffs.money import EXACT
from tariffs.walk import Node, choices_in, parts

#: Combinations of choices tried for one charge; beyond it nothing is said of the charge.
MAX_WORLDS = 5_000
_Bounds = tuple[Decimal, Decimal]


@dataclass(slots=True)
class _Reached:
    """Branches and bands reached so far, by the id of their node (it lives as long as the version) and their number."""

    places: set[tuple[int, int]] = field(default_factory=set)


def unreachable(version: m.Version) -> list[Problem]:
    """Warnings for charges, branches and bands that no facts reach; of a family, those no member reaches."""
    families: dict[str, list[list[Problem]]] = {}
    for charge in (*(version.stage.charges if version.stage else ()), *version.charges):
        families.setdefault(charge.name, []).append(_in_charge(version, charge))
    found = []
    for members in families.values():
        said = [{_about(problem) for problem in problems} for problems in members]
        found += [problem for problem in members[0] if all(_about(problem) in other for other in said)]
    return found


def _about(problem: Problem) -> tuple[object, ...]:
    return problem.code, problem.where, tuple(problem.values.items())


def _in_charge(version: m.Version, charge: m.Charge) -> list[Problem]:
    deciding = [r for r in version.requires if choices_in(r.that, r.when)]
    names = sorted(choices_in(charge.formula, charge.when, *(r.that for r in deciding), *(r.when for r in deciding)))
    members = [tuple(version.choices[name].members) for name in names]
    if _count(members) > MAX_WORLDS:
        return []
    reached = _Reached()
    applies = False
    for world in (dict(zip(names, key, strict=True)) for key in product(*members)):
        if not needs.refused(tuple(deciding), world) and _holds(charge.when, world) is not False:
            applies = True
            _visit(charge.formula, world, reached)
    if not applies:
        return [_problem("charge-unreachable", charge, charge.when.text if charge.when else charge.text)]
    return list(_missed(charge, reached))


def _count(members: Sequence[Sequence[str]]) -> int:
    size = 1
    for part in members:
        size *= len(part)
    return size


def _problem(code: str, charge: m.Charge, text: str, **more: str) -> Problem:
    return Problem(code, {"text": " ".join(text.split())[:80], **more}, charge.where, charge.full_name, "warning")


def _missed(charge: m.Charge, reached: _Reached) -> Iterator[Problem]:
    """What was looked at and never reached; what stands inside something unreachable is not told again."""
    waiting: list[Node] = [charge.formula]
    while waiting:
        node = waiting.pop(0)
        for index, part in enumerate(_places(node)):
            if (id(node), index) in reached.places:
                continue
            if isinstance(node, m.If) and not isinstance(node.test, m.Truth):  # settled by the member of a family
                yield _problem("branch-unreachable", charge, part.text, test=" ".join(node.test.text.split())[:80])
            elif isinstance(node, (m.Blocks, m.Whole, m.Flat)):
                yield _problem("band-unreachable", charge, node.text, number=str(index + 1), rate=" ".join(part.text.split())[:80])
        waiting += _inside(node, reached)


def _places(node: Node) -> tuple[m.Expr, ...]:
    """The parts of which only some may be reached."""
    match node:
        case m.If(then=then, other=other):
            return then, other
        case m.Blocks(rates=rates) | m.Whole(rates=rates):
            return rates
        case m.Flat(amounts=amounts):
            return amounts
        case _:
            return ()


def _inside(node: Node, reached: _Reached) -> Iterator[Node]:
    places = _places(node)
    skipped = {id(part) for index, part in enumerate(places) if (id(node), index) not in reached.places}
    if isinstance(node, m.Table):  # a cell of a world that was never met says nothing
        return
    yield from (part for part in parts(node) if id(part) not in skipped)


def _visit(node: Node, world: Mapping[str, str], reached: _Reached) -> None:
    """Marks what can be reached in this world."""
    match node:
        case m.If(test=test, then=then, other=other):
            way = _holds(test, world)
            for index, (part, skip) in enumerate(((then, False), (other, True))):
                if way is not skip:
                    reached.places.add((id(node), index))
                    _visit(part, world, reached)
        case m.Table(axes=axes, cells=cells):
            for key, cell in cells:
                if key == tuple(world[axis] for axis in axes):
                    _visit(cell, world, reached)
        case m.Blocks(quantity=quantity, edges=edges, rates=rates):
            _bands(node, quantity, [m.Edge(edge, inclusive=True) for edge in edges], rates, world, reached)
        case m.Whole(quantity=quantity, edges=ends, rates=rates) | m.Flat(quantity=quantity, edges=ends, amounts=rates):
            _bands(node, quantity, ends, rates, world, reached)
        case _:
            for inner in parts(node):
                _visit(inner, world, reached)


def _bands(node: m.Expr, quantity: m.Expr, edges: Sequence[m.Edge], rates: Sequence[m.Expr], world: Mapping[str, str], reached: _Reached) -> None:
    low, high = _bounds(quantity, world)
    _visit(quantity, world, reached)
    for index, rate in enumerate(rates):
        begin = _bounds(edges[index - 1].at, world)[0] if index else None
        end = _bounds(edges[index].at, world)[1] if index < len(edges) else None
        above = begin is None or high > begin or (high == begin and not edges[index - 1].inclusive)
        below = end is None or low < end or (low == end and edges[index].inclusive)
        if isinstance(node, m.Blocks):  # a block is reached by any quantity beyond its start
            below = True
        if above and below:
            reached.places.add((id(node), index))
            _visit(rate, world, reached)


# --- what is known of a number, and of a condition ----------------------------------------------------------------


def _bounds(node: m.Expr, world: Mapping[str, str]) -> _Bounds:
    """Bounds under settled choices; a node's own type is always true, its parts may say more."""
    low, high = node.type.low, node.type.high
    match node:
        case m.Table(axes=axes, cells=cells):
            for key, cell in cells:
                if key == tuple(world.get(axis) for axis in axes):
                    low, high = _narrower((low, high), _bounds(cell, world))
        case m.If(test=test, then=then, other=other):
            way = _holds(test, world)
            if way is not None:
                low, high = _narrower((low, high), _bounds(then if way else other, world))
        case m.Convert(arg=arg, factor=factor):
            inner = _bounds(arg, world)
            low, high = _narrower((low, high), (EXACT.multiply(inner[0], factor), EXACT.multiply(inner[1], factor)))
        case m.Multiply(left=left, right=right):
            ends = [EXACT.multiply(a, b) for a in _bounds(left, world) for b in _bounds(right, world)]
            low, high = _narrower((low, high), (min(ends), max(ends)))
        case m.Least(args=args):
            each = [_bounds(arg, world) for arg in args]
            low, high = _narrower((low, high), (min(a for a, _ in each), min(b for _, b in each)))
        case m.Greatest(args=args):
            each = [_bounds(arg, world) for arg in args]
            low, high = _narrower((low, high), (max(a for a, _ in each), max(b for _, b in each)))
        case _:
            pass
    return low, high


def _narrower(a: _Bounds, b: _Bounds) -> _Bounds:
    low, high = max(a[0], b[0]), min(a[1], b[1])
    return (low, high) if low <= high else a


def _holds(test: m.Test | None, world: Mapping[str, str]) -> bool | None:
    """Whether a condition holds for certain, fails for certain, or None."""
    match test:
        case None:
            return True
        case m.Truth(value=value):
            return value
        case m.Is(name=name, member=member):
            return world[name] == member if name in world else None
        case m.Not(arg=arg):
            inner = _holds(arg, world)
            return None if inner is None else not inner
        case m.And(args=args):
            return _all([_holds(arg, world) for arg in args])
        case m.Or(args=args):
            none = _all([None if (way := _holds(arg, world)) is None else not way for arg in args])
            return None if none is None else not none
        case m.Compare():
            return _compared(test, world)
    assert_never(test)


def _all(ways: Sequence[bool | None]) -> bool | None:
    return False if False in ways else None if None in ways else True


def _compared(test: m.Compare, world: Mapping[str, str]) -> bool | None:
    (a, b), (c, d) = _bounds(test.left, world), _bounds(test.right, world)
    never, always = {
        "<": (a >= d, b < c),
        "<=": (a > d, b <= c),
        ">": (b <= c, a > d),
        ">=": (b < c, a >= d),
        "==": (b < c or a > d, a == b == c == d),
        "!=": (a == b == c == d, b < c or a > d),
    }[test.op]
    return False if never else True if always else None
