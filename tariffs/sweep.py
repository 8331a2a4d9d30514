"""The grid of one input, computed: for amounts that are no chain of lines (a product of two things that vary).

The whole grid where it has at most 200,000 points (method ``grid``); beyond that the places next to every edge that
could be worked out, and evenly spread samples for falls (method ``near``). A jump in a computed grid is a change that
stands out from those beside it by more than rounding can explain.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from math import floor

from tariffs import model as m
from tariffs import pieces
from tariffs.errors import FactsError
from tariffs.explain import explain
from tariffs.facts import Period
from tariffs.money import EXACT
from tariffs.needs import Needs
from tariffs.pieces import NotLinear, Origin, Pieces, Steps, World
from tariffs.walk import everything

#: Points of a grid that are all computed; without the columnar evaluator, one at a time.
MAX_GRID, MAX_SLOW = 200_000, 5_000
#: Points beside an edge, and samples for falls, where the grid is larger.
NEAR, SAMPLES = 24, 400


@dataclass(frozen=True, slots=True)
class Jump:
    """The total jumps by ``by`` between the multiples ``at`` and ``at + 1`` of the input's step."""

    at: int
    by: Fraction
    origins: tuple[Origin, ...]
    charges: tuple[str, ...]
    method: str


@dataclass(frozen=True, slots=True)
class Fall:
    """The total goes down from the multiple ``start`` of the input's step to ``end``."""

    start: int
    end: int
    origins: tuple[Origin, ...]
    charges: tuple[str, ...]
    method: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What one input shows in one situation."""

    jumps: tuple[Jump, ...] = ()
    falls: tuple[Fall, ...] = ()
    steps: tuple[Steps, ...] = ()


def merged(runs: Sequence[Fall]) -> list[Fall]:
    """Falls in order; those that meet, or leave one step between them, are one."""
    found: list[Fall] = []
    for run in sorted(runs, key=lambda run: (run.start, run.end)):
        if found and run.start <= found[-1].end + 1:
            last = found[-1]
            origins, charges = (tuple(dict.fromkeys([*a, *b])) for a, b in ((last.origins, run.origins), (last.charges, run.charges)))
            found[-1] = Fall(last.start, max(last.end, run.end), origins, charges, last.method)
        else:
            found.append(run)
    return found


def sweep(version: m.Version, world: World, period: Period | None, numbers: Mapping[str, Decimal], needs: Needs) -> Seen:
    """Jumps and falls on the grid; edges are named where one that can be worked out lies there."""
    edges = dict(_edges(version, world))
    first, last = floor(world.low / world.grid), floor(world.high / world.grid)
    whole = last - first < (MAX_GRID if find_spec("numpy") else MAX_SLOW)
    near = sorted({k for at in edges for k in range(max(first, at - NEAR), min(last, at + NEAR) + 1)})
    spread = [first + (last - first) * i // SAMPLES for i in range(SAMPLES + 1)]
    places = list(range(first, last + 1)) if whole else sorted({*near, *spread})
    given = {**world.choices, **{name: value for name, value in numbers.items() if name in needs.numbers}}
    try:
        totals = _totals(version, world, places, given, period if needs.period else None)
    except FactsError:  # a version that counts rows of its own (stage) is not rated by columns
        return Seen()
    method = "grid" if whole else "near"
    lines = tuple(charge.full_name for charge in version.charges if charge.kind == "line")
    noise = 2 * world.smallest * len(lines)
    steps = tuple(_roundings(version, world))
    found = [(k, by) for k, by in _jumps(places, totals, noise, edges) if not steps or {k, k + 1, k - 1} & edges.keys()]
    jumps = [Jump(k, by, edges.get(k) or edges.get(k + 1) or edges.get(k - 1) or (), lines, method) for k, by in found]
    return Seen(tuple(jumps), tuple(_falls(places, totals, noise, lines, method)), steps)


def _roundings(version: m.Version, world: World) -> Iterator[Steps]:
    """Roundings, coarser than money's, of something that varies with the input; how far apart their steps are is not known."""
    varying: set[str] = set()
    for charge in version.charges:
        nodes = [*everything(charge.formula), *everything(charge.when)]
        if _varies(nodes, world, varying):
            varying.add(charge.full_name)
        for node in nodes:
            coarse = isinstance(node, (m.Round, m.Divide)) and (node.type.unit != world.money or node.step > world.smallest)
            if isinstance(node, (m.Round, m.Divide)) and coarse and _varies(everything(node), world, varying):
                yield Steps(Origin(charge.full_name, "step", node.text), node.step, Fraction(0))


def _varies(nodes: Iterable[m.Expr | m.Test], world: World, varying: Container[str]) -> bool:
    return any(
        (isinstance(node, m.Fact) and m.full_name(node.name, node.key) == world.name)
        or (isinstance(node, m.Amount) and m.full_name(node.name, node.key) in varying)
        for node in nodes
    )


def _edges(version: m.Version, world: World) -> Iterator[tuple[int, tuple[Origin, ...]]]:
    """The multiples of the grid at which a comparison or band edge lies, where both its sides are chains of lines."""
    for charge in version.charges:
        world.charge = charge.full_name
        for node in [*everything(charge.formula), *everything(charge.when)]:
            try:
                curves = list(_sides(node, world))
            except NotLinear:
                continue
            for curve in curves:
                if isinstance(curve, Pieces):
                    yield from ((floor(x / world.grid), tuple(sorted(why))) for x, why in zip(curve.at, curve.why, strict=True) if why)


def _sides(node: m.Expr | m.Test, world: World) -> Iterator[pieces.Curve]:
    match node:
        case m.Compare():
            yield pieces.test(node, world)
        case m.Whole(quantity=quantity, edges=edges) | m.Flat(quantity=quantity, edges=edges):
            for edge in edges:
                yield pieces.test(m.Compare(edge.at.text, "<=" if edge.inclusive else "<", quantity, edge.at), world)
        case m.Blocks(quantity=quantity, edges=ends):
            for end in ends:
                yield pieces.test(m.Compare(end.text, "<=", quantity, end), world)
        case _:
            return


def _totals(version: m.Version, world: World, places: Sequence[int], given: Mapping[str, object], period: Period | None) -> list[Decimal | None]:
    """The total at each place, None where the facts are refused."""
    grid = EXACT.divide(world.grid.numerator, world.grid.denominator)
    if find_spec("numpy"):
        from tariffs.rate import rate

        frame = {name: [value] * len(places) for name, value in given.items()} | {world.name: [EXACT.multiply(k, grid) for k in places]}
        result, _ = rate(version, frame, period=period, errors="return")
        return list(result["total"])
    found: list[Decimal | None] = []
    for k in places:
        try:
            found.append(explain(version, {**given, world.name: EXACT.multiply(k, grid)}, period).total)
        except FactsError:
            found.append(None)
    return found


def _jumps(places: Sequence[int], totals: Sequence[Decimal | None], noise: Fraction, edges: Container[int]) -> Iterator[tuple[int, Fraction]]:
    """Steps whose change lies outside those of both neighbours by more than ``noise``; one neighbour is enough at a known edge."""
    changes: dict[int, Fraction] = {}
    for (k, before), (other, after) in pairwise(zip(places, totals, strict=True)):
        if other == k + 1 and before is not None and after is not None:
            changes[k] = Fraction(after) - Fraction(before)
    for k, change in changes.items():
        beside = [changes[i] for i in (k - 1, k + 1) if i in changes]
        if (len(beside) == 2 or (beside and k in edges)) and (change > max(beside) + noise or change < min(beside) - noise):
            yield k, change


def _falls(places: Sequence[int], totals: Sequence[Decimal | None], noise: Fraction, lines: tuple[str, ...], method: str) -> Iterator[Fall]:
    """From each highest total to the lowest after it, until it is reached again or the facts are refused."""
    top: tuple[int, Decimal] | None = None
    bottom: tuple[int, Decimal] | None = None
    for k, amount in [*zip(places, totals, strict=True), (0, None)]:
        if top is not None and bottom is not None and (amount is None or amount >= top[1]):
            if EXACT.subtract(top[1], bottom[1]) > noise:
                yield Fall(top[0], bottom[0], (), lines, method)
            top = bottom = None
        if amount is None:
            top = bottom = None
        elif top is None or amount >= top[1]:
            top, bottom = (k, amount), None
        elif bottom is None or amount < bottom[1]:
            bottom = (k, amount)
