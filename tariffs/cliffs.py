"""Where an amount jumps, falls as use grows, or goes by started steps: one input at a time, before anybody is billed.

The other facts come from each golden case of the version, with every combination of choices the case has the numbers
for. Where the amount is a chain of lines in the input the findings are exact (``pieces``); elsewhere the input's own
grid is computed (``sweep``). Each finding says which, and shows the amounts as ``explain`` gives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

from tariffs import model as m
from tariffs import pieces, sweep
from tariffs.errors import FactsError, Problem
from tariffs.explain import explain
from tariffs.facts import Period, whole_months
from tariffs.money import EXACT, show, terminating
from tariffs.money import places as decimals
from tariffs.needs import Needs, needed, refused
from tariffs.pieces import Curve, NotLinear, Origin, Pieces, World
from tariffs.sweep import Fall, Jump, Seen
from tariffs.units import named

#: Combinations of choices tried for one case.
MAX_WORLDS = 2_048
#: A step of a rounded quantity counts as one where it moves the amount by so many of the currency's; below, it is rounding.
SEEN = 10


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything one input is looked at with: a golden case, perhaps under other choices."""

    case: str
    choices: Mapping[str, str]
    numbers: Mapping[str, Decimal]
    period: Period | None
    needs: Needs


@dataclass(slots=True)
class _Found:
    """Findings by what they are about, so that each is told once: the first situation that shows it."""

    problems: dict[tuple[object, ...], Problem] = field(default_factory=dict)
    seen: set[tuple[object, ...]] = field(default_factory=set)


def findings(version: m.Version, situations: Iterable[Situation]) -> list[Problem]:
    """Cliffs, falls and started steps, as problems of severity ``note``, in the order of the charges."""
    found = _Found()
    for situation in situations:
        for item in version.inputs:
            if item.full_name in situation.needs.numbers and _is_new(found, situation, item):
                _look(version, situation, item, found)
    order = {charge.full_name: index for index, charge in enumerate(version.charges)}
    return sorted(found.problems.values(), key=lambda p: (order.get(p.charge, 0), p.code, p.values["input"]))


def situations(version: m.Version, cases: Iterable[tuple[str, Mapping[str, str], Mapping[str, Decimal], Period | None]]) -> Iterator[Situation]:
    """Each case as it stands, then each under all other choices it has the numbers for. A case is its name, choices, numbers, period."""
    others = []
    for name, choices, numbers, period in cases:
        for world in _worlds(version, {}, MAX_WORLDS):
            needs = needed(version, world)
            if (needs.period and period is None) or refused(version.requires, world):
                continue
            own = all(choices.get(choice) == member for choice, member in world.items())
            found = Situation(name, world, numbers, period, needs)
            if own:
                yield found
            else:
                others.append(found)
    yield from others


def _worlds(version: m.Version, given: Mapping[str, str], limit: int) -> list[dict[str, str]]:
    """Every combination of the choices that matter; one that decides nothing is left open."""
    asked = needed(version, given).choices
    open_ = next((choice for name, choice in version.choices.items() if name in asked and name not in given), None)
    if open_ is None:
        return [dict(given)]
    found: list[dict[str, str]] = []
    for member in open_.members:
        if len(found) < limit:
            found += _worlds(version, {**given, open_.name: member}, limit - len(found))
    return found


def _is_new(found: _Found, situation: Situation, item: m.Input) -> bool:
    """Whether the situation has the other numbers, and nothing like it was looked at."""
    others = situation.needs.numbers - {item.full_name}
    if not others <= situation.numbers.keys():
        return False
    counted = tuple(sorted(_built_in(situation).items()))
    key = (item.full_name, tuple(situation.choices.items()), tuple((name, situation.numbers[name]) for name in sorted(others)), counted)
    if key in found.seen:
        return False
    found.seen.add(key)
    return True


def _built_in(situation: Situation) -> dict[str, Fraction]:
    if not situation.needs.period or situation.period is None:
        return {}
    start, end = situation.period
    months = whole_months(situation.period)
    counted = {"period_days": Fraction((end - start).days), "period_months": Fraction(months or 0)}
    return {name: counted[name] for name in situation.needs.period}


# --- one input in one situation -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Amounts:
    """The curves of the billed charges by name, and where (1) the facts can be rated at all."""

    lines: Mapping[str, Curve]
    defined: Curve


def _look(version: m.Version, situation: Situation, item: m.Input, found: _Found) -> None:
    low, high, grid = (Fraction(bound) for bound in (item.type.low, item.type.high, item.type.grid))
    low, high = ceil(low / grid) * grid, floor(high / grid) * grid
    if low >= high:
        return
    numbers = {name: Fraction(value) for name, value in situation.numbers.items()} | _built_in(situation)
    world = World(item.full_name, low, high, grid, situation.choices, numbers, named(version.currency), Fraction(version.step))
    try:
        curves = amounts(version, world)
    except NotLinear:
        seen = sweep.sweep(version, world, situation.period, situation.numbers, situation.needs)
    else:
        seen = _exact(version, world, curves)
    for jump in seen.jumps:
        _tell_cliff(version, situation, item, jump, found)
    if item.collect is not None:
        for fall in seen.falls:
            _tell_fall(version, situation, item, fall, found)
    for steps in seen.steps:
        _tell_steps(version, item, steps, found)


def amounts(version: m.Version, world: World) -> Amounts:
    """Every billed charge as a curve; NotLinear where one is none."""
    applies: Curve = Fraction(0)
    lines: dict[str, Curve] = {}
    for charge in version.charges:
        world.charge = charge.full_name
        try:
            when = Fraction(1) if charge.when is None else pieces.test(charge.when, world)
            amount = pieces.choose(when, lambda charge=charge: pieces.number(charge.formula, world), lambda: Fraction(0), world)  # type: ignore[misc]
        except NotLinear:
            if charge.kind == "line":
                raise
            continue
        world.amounts[charge.full_name] = amount
        applies = pieces.plus(pieces.plus(applies, when, world), pieces.times(applies, when, world), world, -1)
        if charge.kind == "line":
            lines[charge.full_name] = amount
    world.charge = ""
    for require in version.requires:
        asked = m.Not("", require.that) if require.when is None else m.And("", (require.when, m.Not("", require.that)))
        applies = pieces.times(applies, pieces.test(m.Not("", asked), world), world)
    return Amounts(lines, applies)


def _exact(version: m.Version, world: World, curves: Amounts) -> Seen:
    total = pieces.total(curves.lines.values(), world)
    slopes = [abs(slope) for slope, _ in total.lines] if isinstance(total, Pieces) else []
    steepest = max(slopes, default=Fraction(0))
    steps = [s for s in world.steps.values() if s.every * steepest >= SEEN * world.smallest]
    found = jumps(curves, world)
    runs = falls(total, curves, found, world)
    if steps:
        found = [moved for jump in found if (moved := _moved(version, world, jump, max(s.every for s in steps))) is not None]
    return Seen(tuple(found), tuple(runs), tuple(steps))


def jumps(curves: Amounts, world: World) -> list[Jump]:
    """The steps of the input's grid in which the total jumps by at least the currency's step."""
    by: dict[int, Fraction] = {}
    why: dict[int, set[Origin]] = {}
    who: dict[int, list[str]] = {}
    for name, curve in curves.lines.items():
        for at, size, origins in _leaps(curve, world):
            by[at] = by.get(at, Fraction(0)) + size
            why.setdefault(at, set()).update(origins)
            if name not in who.setdefault(at, []):
                who[at].append(name)
    rated = {k for edge in by for k in (edge, edge + 1) if world.low <= k * world.grid <= world.high and pieces.value_at(curves.defined, k * world.grid)}
    kept = [k for k in sorted(by) if abs(by[k]) >= world.smallest and {k, k + 1} <= rated]
    return [Jump(k, by[k], tuple(sorted(why[k])), tuple(who[k]), "exact") for k in kept]


def _leaps(curve: Curve, world: World) -> Iterator[tuple[int, Fraction, frozenset[Origin]]]:
    """Step of the grid (from its multiple ``k`` to ``k + 1``), height and origins of every leap of one curve."""
    if isinstance(curve, Fraction):
        return
    for index, x in enumerate(curve.at):
        left, value, right = pieces.limits(curve, index)
        k = floor(x / world.grid)
        leaps = [(k - 1, value - left), (k, right - value)] if k * world.grid == x else [(k, right - left)]
        for at, size in leaps:
            if size:
                yield at, size, curve.why[index]


def _moved(version: m.Version, world: World, jump: Jump, every: Fraction) -> Jump | None:
    """Where a jump really lies once started steps are taken exactly, worked out near the place it was found without them."""
    width = 2 * every + 2 * world.grid
    low = max(world.low, floor((jump.at * world.grid - width) / world.grid) * world.grid)
    high = min(world.high, ceil((jump.at * world.grid + width) / world.grid) * world.grid)
    near = replace(world, low=low, high=high, stepwise=True, amounts={}, steps={})
    try:
        found = jumps(amounts(version, near), near)
    except NotLinear:
        return jump
    same = [other for other in found if set(other.origins) & set(jump.origins)]
    return min(same, key=lambda other: abs(other.at - jump.at), default=None)


def falls(total: Curve, curves: Amounts, found: list[Jump], world: World) -> list[Fall]:
    """Stretches of the grid over which the total goes down, by a falling line or a jump down."""
    if isinstance(total, Fraction):
        return []
    total, defined, *lines = pieces.align((total, curves.defined, *curves.lines.values()), world.low, world.high)
    runs: list[Fall] = []
    for index, (start, end) in enumerate(pairwise(total.at)):
        if total.lines[index][0] < 0 and defined.lines[index][1]:
            who = tuple(name for name, line in zip(curves.lines, lines, strict=True) if line.lines[index][0] < 0)
            first, last = ceil(start / world.grid), floor(end / world.grid)
            first += first * world.grid == start and pieces.limits(total, index)[2] != total.values[index]  # a leap at the edge is not of the line
            last -= last * world.grid == end and pieces.limits(total, index + 1)[0] != total.values[index + 1]
            runs.append(Fall(first, last, (), who, "exact"))
    jumped = {jump.at: jump for jump in found}
    for k in sorted({k for x in total.at for k in (floor(x / world.grid), ceil(x / world.grid) - 1)} | jumped.keys()):  # steps that no one line covers
        a, b = k * world.grid, (k + 1) * world.grid
        inside = world.low <= a and b <= world.high and pieces.value_at(defined, a) and pieces.value_at(defined, b)
        if inside and pieces.value_at(total, b) < pieces.value_at(total, a):
            jump = jumped.get(k)
            runs.append(Fall(k, k + 1, jump.origins if jump and jump.by < 0 else (), jump.charges if jump else (), "exact"))
    return sweep.merged([run for run in runs if run.start < run.end])


# --- telling ------------------------------------------------------------------------------------------------------


def _total(version: m.Version, situation: Situation, item: m.Input, x: Decimal) -> Decimal | None:
    """What ``explain`` gives at ``x``, None where it refuses."""
    numbers = {name: value for name, value in situation.numbers.items() if name in situation.needs.numbers}
    try:
        return explain(version, {**situation.choices, **numbers, item.full_name: x}, situation.period if situation.needs.period else None).total
    except FactsError:
        return None


def _facts(situation: Situation, item: m.Input) -> str:
    numbers = [f"{name}={show(value)}" for name, value in situation.numbers.items() if name in situation.needs.numbers and name != item.full_name]
    return ", ".join([*(f"{name}={member}" for name, member in situation.choices.items()), *numbers]) or "-"


def _pair(version: m.Version, situation: Situation, item: m.Input, start: int, end: int) -> dict[str, str] | None:
    """Both places and both amounts, as text; None where one of them cannot be rated."""
    places = [EXACT.multiply(Decimal(k), item.type.grid) for k in (start, end)]
    before, after = (_total(version, situation, item, x) for x in places)
    if before is None or after is None:
        return None
    digits = decimals(version.step)
    named_ = {name: show(x, item.type.places) for name, x in zip(("from", "to"), places, strict=True)}
    paid = {name: show(amount, digits) for name, amount in (("before", before), ("after", after))}
    by = show(EXACT.subtract(after, before), digits)
    said = {"input": item.full_name, "unit": str(item.type.unit), "currency": version.currency, "case": situation.case, "facts": _facts(situation, item)}
    with_unit = {name: f"{named_[end]}{_unit(item)}" for name, end in (("last", "from"), ("first", "to"))}
    return {**said, **named_, **paid, "by": by, **with_unit}


def _unit(item: m.Input) -> str:
    return f" {item.type.unit}" if item.type.unit.powers else ""


def _edges(origins: Iterable[Origin]) -> str:
    return ", ".join(dict.fromkeys(_edge(origin) for origin in origins if origin.kind != "step"))


def _edge(origin: Origin) -> str:
    """``half * quota``; a number of the version's own with its value, ``first_edge = 10 t``."""
    number, _, _ = origin.value.partition(" ")
    return origin.value if origin.text == number else f"{origin.text} = {origin.value}" if origin.value else origin.text


def _place(version: m.Version, charge: str) -> m.Charge | None:
    return next((c for c in version.charges if c.full_name == charge), None)


def _add(version: m.Version, found: _Found, code: str, charge: str, values: Mapping[str, str], key: tuple[object, ...]) -> None:
    at = _place(version, charge)
    found.problems.setdefault((code, charge, *key), Problem(code, values, at.where if at else None, charge, "note"))


def _tell_cliff(version: m.Version, situation: Situation, item: m.Input, jump: Jump, found: _Found) -> None:
    edge = _edges(jump.origins)
    charge, key = (jump.charges or ("",))[0], (item.full_name, edge, jump.by > 0)
    if ("cliff", charge, *key) in found.problems:
        return
    said = _pair(version, situation, item, jump.at, jump.at + 1)
    if said is not None and said["before"] != said["after"]:
        _add(version, found, "cliff", charge, {**said, "edge": edge or said["from"], "method": jump.method}, key)


def _tell_fall(version: m.Version, situation: Situation, item: m.Input, fall: Fall, found: _Found) -> None:
    edge = _edges(fall.origins)
    charge, key = (fall.charges or ("",))[0], (item.full_name, edge)
    if ("fall", charge, *key) in found.problems:
        return
    said = _pair(version, situation, item, fall.start, fall.end)
    if said is not None and Decimal(said["by"]) < 0:
        _add(version, found, "fall", charge, {**said, "edge": edge or "-", "method": fall.method}, key)


def _tell_steps(version: m.Version, item: m.Input, steps: pieces.Steps, found: _Found) -> None:
    """Once for a family. Where the steps lie unevenly nothing is said of how far apart they are."""
    if any(key[0] in ("stepped", "stepped-unevenly") and key[2:] == (item.name, steps.origin.text) for key in found.problems):
        return
    said = {"input": item.full_name, "unit": str(item.type.unit), "text": " ".join(steps.origin.text.split()), "step": show(steps.step)}
    if steps.every:
        every = terminating(steps.every)
        said |= {"every": (str(steps.every) if every is None else show(every)) + _unit(item), "method": "exact"}
    code = "stepped" if steps.every else "stepped-unevenly"
    _add(version, found, code, steps.origin.charge, said, (item.name, steps.origin.text))
