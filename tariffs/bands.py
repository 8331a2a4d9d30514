"""Which side of every edge the facts are on, as numbers a rating can give beside its amounts.

A band, a block or a condition on numbers is an edge somebody can cross. For each one in a billed charge a working
charge is made whose amount says which band was reached, or whether the condition holds; both evaluators can compute it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tariffs import model as m
from tariffs.money import show
from tariffs.units import Unit
from tariffs.walk import everything, parts

_Bands = m.Blocks | m.Whole | m.Flat


@dataclass(frozen=True, slots=True)
class Side:
    """One edge or list of edges of ``charge``. ``about`` is what is measured, ``text`` the edges; ``probe`` gives the band
    from 0, or 1 where the condition holds, -1 in a branch not taken; where the charge does not apply it gives nothing.
    """

    charge: m.Charge
    kind: str
    about: str
    text: str
    count: int
    probe: m.Charge


@dataclass(frozen=True, slots=True)
class Edges:
    """``shared`` by both versions: of charges they have by one name and in one shape (as many edges, about the same facts,
    in one order). All other edges stand under the one version that has them.
    """

    shared: tuple[tuple[Side, Side], ...]
    old: tuple[Side, ...]
    new: tuple[Side, ...]


def edges_of(old: m.Version, new: m.Version) -> Edges:
    before, after = ({c.full_name: list(_sides(c)) for c in version.charges if c.kind == "line"} for version in (old, new))
    alike = [name for name, own in after.items() if name in before and list(map(_shape, own)) == list(map(_shape, before[name]))]
    pairs = tuple(pair for name in alike for pair in zip(before[name], after[name], strict=True))
    one, other = (tuple(side for name, own in sides.items() if name not in alike for side in own) for sides in (before, after))
    return Edges(pairs, one, other)


def _shape(side: Side) -> tuple[str, str, int]:
    return side.kind, side.about, side.count


def _sides(charge: m.Charge) -> Iterator[Side]:
    places = list(_places(charge.formula))
    if charge.when is not None and _compares(charge.when):
        places.insert(0, ("when", _facts(charge.when), _line(charge.when.text), 1, _number(1)))
    for number, (kind, about, text, count, formula) in enumerate(places):
        name = f"{charge.full_name} {number}"  # no charge of a rule has a blank in its name
        yield Side(charge, kind, about, text, count, m.Charge(name, (), "working", {}, "", charge.when, formula, "", charge.where))


_Place = tuple[str, str, str, int, m.Expr]


def _places(node: m.Expr | m.Test) -> Iterator[_Place]:
    """The edges in and below a node; what stands in one branch of a condition is looked at only where that branch is taken."""
    match node:
        case m.If():
            if _compares(node.test):
                yield "if", _facts(node.test), _line(node.test.text), 1, m.If(_TYPE, "", node.test, _number(1), _number(0))
            for kind, about, text, count, probe in _places(node.then):
                yield kind, about, text, count, m.If(_TYPE, "", node.test, probe, _number(-1))
            for kind, about, text, count, probe in _places(node.other):
                yield kind, about, text, count, m.If(_TYPE, "", node.test, _number(-1), probe)
        case m.Blocks() | m.Whole() | m.Flat():
            yield _band(node)
            yield from _places(node.quantity)
        case m.Table():
            return  # its cells are numbers of the rule
        case _:
            for part in parts(node):
                yield from _places(part)


def _band(node: _Bands) -> _Place:
    edges = tuple(m.Edge(at, inclusive=True) for at in node.edges) if isinstance(node, m.Blocks) else node.edges
    text = ", ".join(_edge(edge.at) for edge in edges)
    probe = m.Flat(_TYPE, "", node.quantity, edges, tuple(_number(band) for band in range(len(edges) + 1)))
    return "band", _facts(node.quantity), text, len(edges), probe


_TYPE = m.Type(Unit(), Decimal(1), Decimal(-1), Decimal(1_000_000))


def _number(value: int) -> m.Const:
    return m.Const(m.Type(Unit(), Decimal(1), Decimal(value), Decimal(value)), "", Decimal(value))


def _edge(at: m.Expr) -> str:
    """A number of the rule with its unit, else as it is written."""
    unit = f" {at.type.unit}" if at.type.unit.powers else ""
    return f"{show(at.value)}{unit}" if isinstance(at, m.Const) else _line(at.text)


def _line(words: str) -> str:
    return " ".join(words.split())


def _compares(test: m.Test) -> bool:
    return any(isinstance(node, m.Compare) for node in everything(test))


def _facts(node: m.Expr | m.Test) -> str:
    """The inputs and charges a node looks at."""
    names = {m.full_name(part.name, part.key) for part in everything(node) if isinstance(part, m.Fact | m.Amount)}
    names |= {part.name for part in everything(node) if isinstance(part, m.BuiltIn)}
    return ", ".join(sorted(names))
