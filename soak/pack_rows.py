"""Rows for any version, biased to where evaluators go wrong: its edges and one step beside, exact halves of every rounding,
bounds, zero, numbers nobody needs left out; and now and then something that must be refused.

``study`` looks a version over once: it keeps sets of facts the rule takes, and watches the decimal loop compare and round
while one number moves, to solve for the numbers that stand exactly on an edge or a half. ``draw`` then makes rows by the million.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor, gcd
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from soak import decimal_words
from soak.decimal_loop import Loop, build, build_watched, rate_all
from tariffs.model import Input, Version
from tariffs.rows import spans

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Period = tuple[date, date]
Facts = dict[str, Any]  # choices as members, numbers as places on their grid; None where nothing is given


@dataclass(frozen=True, slots=True)
class Scale:
    """A numeric input's grid: its ``count`` + 1 numbers are (first + k * step) / 10 ** places. ``marks``: k on the rule's own numbers and beside."""

    item: Input
    places: int
    first: int
    step: int
    count: int
    marks: Ints


@dataclass(frozen=True, slots=True)
class Lines:
    """Numbers solved for: in set of facts ``base``, the number ``column`` at ``at`` + j * ``period`` lies on an edge (period 0) or a half."""

    base: Ints
    column: Ints
    at: Ints
    period: Ints


@dataclass(frozen=True, slots=True)
class Study:
    """``bases``: sets of facts, as columns; ``spare``: which of a base's numbers nobody needs. ``periods``: what rows may be rated for.

    ``hard``: the rule refuses most sets of facts drawn at random.
    """

    version: Version
    loop: Loop
    scales: Mapping[str, Scale]
    stage: Mapping[str, Scale]
    choices: Mapping[str, tuple[str, ...]]
    periods: Sequence[Period]
    bases: Mapping[str, Ints]
    spare: Mapping[str, Mask]
    lines: Lines
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Drawn:
    """Rows as columns: codes of choices (-1 nothing, one past the last: no member), numbers on their grid, and what is wrong with some.

    ``odd``: 1 below the least, 2 above the most, 3 between two steps. ``period``: each row's place among the study's periods.
    """

    count: int
    codes: Mapping[str, Ints]
    numbers: Mapping[str, Ints]
    null: Mapping[str, Mask]
    odd: Mapping[str, Ints]
    period: Ints


# --- what a version is made of ------------------------------------------------------------------------------------


def scale_of(item: Input, marks: Sequence[Decimal]) -> Scale:
    grid, places = Fraction(item.type.grid or 1), item.type.places
    first, last = ceil(Fraction(item.type.low) / grid), floor(Fraction(item.type.high) / grid)
    near = {floor(Fraction(mark) / grid) - first + beside for mark in marks for beside in (-1, 0, 1, 2)}
    kept = {0, 1, last - first, last - first - 1, -first, 1 - first, *near}
    on = np.array(sorted(k for k in kept if 0 <= k <= last - first), np.int64)
    return Scale(item, places, int(first * grid * 10**places), int(grid * 10**places), last - first, on)


def periods_of(version: Version) -> list[Period]:
    """Whole periods from the version's first day on, that start on a day every month has; of any length where it takes any."""
    start = version.effective
    while start.day > 28:
        start += timedelta(days=1)
    if version.period == "day":
        found = [(start + timedelta(days=day), start + timedelta(days=day + 1)) for day in range(5)]
    elif version.period_months:
        found = [(_later(start, n * version.period_months), _later(start, (n + 1) * version.period_months)) for n in range(8)]
    else:
        found = [(start, _later(start, months)) for months in (1, 2, 3, 12)] + [(start, start + timedelta(days=days)) for days in (1, 13, 112)]
        if version.stage is not None and version.stage.grain == "month":
            found = found[:3]
    return [(begin, end) for begin, end in found if version.end is None or end <= version.end]


def _later(day: date, months: int) -> date:
    month = day.month - 1 + months
    return date(day.year + month // 12, month % 12 + 1, day.day)


def study(version: Version, seed: int, *, seconds: int = 6, wanted: int = 400) -> Study:
    """Looks the version over; ``seconds`` bounds how long it solves for edges and halves."""
    random = Random(f"{seed} {version.name}")
    cells = sorted({number for value in version.values for cell in value.cells.values() for number in cell} | {Decimal(0)})
    pairs = cells if len(cells) > 40 else [a + b for a in cells for b in cells] + cells
    scales = {item.full_name: scale_of(item, pairs) for item in version.inputs if not (item.collect and item.collect.of)}
    stage = {item.full_name: scale_of(item, cells) for item in version.stage.inputs} if version.stage else {}
    choices = {name: tuple(choice.members) for name, choice in version.choices.items()}
    loop = build(version)
    timed = version.stage is not None or any(name.startswith("period_") for name in loop.arguments)
    periods = periods_of(version) if timed else []
    empty = Study(version, loop, scales, stage, choices, periods, {}, {}, Lines(*(np.zeros(0, np.int64),) * 4))
    facts, kept, hard = _bases(empty, random, wanted if not stage else wanted // 4 + 4)
    bases = {name: np.array([0 if one[name] is None else one[name] for one in facts], np.int64) for name in [*choices, *scales]}
    spare = {name: np.array([_spare(empty, one, name) for one in facts], np.bool_) for name in scales}
    lines = Lines(*(np.array(column, np.int64) for column in zip(*_solve(empty, facts[:kept], random, seconds), strict=True)))
    return Study(version, loop, scales, stage, choices, periods, bases, spare, lines, hard)


def arguments(study: Study, facts: Mapping[str, Any], period: Period | None, rows: Sequence[Any] = ()) -> list[Any]:
    """What the loop takes for one set of facts, with its rows of the stage."""
    found: list[Any] = []
    for name in study.loop.arguments:
        if name in study.choices:
            found.append(None if facts[name] is None else study.choices[name][facts[name]])
        elif name in study.scales:
            found.append(None if facts[name] is None else number(study.scales[name], facts[name]))
        else:
            found.append(rows if name == "rows" else None if period is None else built_in(name, period))
    return found


def number(scale: Scale, at: int) -> Decimal:
    return Decimal(scale.first + at * scale.step).scaleb(-scale.places)


def built_in(name: str, period: Period) -> Decimal | None:
    """The days of a period, or its months where they are whole."""
    start, end = period
    if name == "period_days":
        return Decimal((end - start).days)
    return Decimal((end.year - start.year) * 12 + end.month - start.month) if start.day == end.day else None


def _some_rows(study: Study, random: Random, period: Period | None) -> list[tuple[Decimal, ...]]:
    """Ordinary rows of a stage, every day or month like the other."""
    if study.version.stage is None or period is None:
        return []
    row = tuple(number(scale, min(scale.count, int(10 ** (random.random() * 0.8 * len(str(scale.count)))))) for scale in study.stage.values())
    return [row] * (len(spans(study.version.stage.grain, period)) or 3)


def _some_facts(study: Study, random: Random) -> Facts:
    found: Facts = {name: random.randrange(len(members)) for name, members in study.choices.items()}
    for name, scale in study.scales.items():
        any_size = int(10 ** (random.random() * len(str(scale.count)))) - 1
        found[name] = min(random.choice([int(random.choice(scale.marks)), any_size, any_size, random.randint(0, scale.count)]), scale.count)
    return found


def _bases(study: Study, random: Random, wanted: int) -> tuple[list[Facts], int, bool]:
    """Sets of facts, first those the rule takes, then some it refuses; and whether it refuses many."""
    taken: list[Facts] = []
    refused: list[Facts] = []
    for _ in range(40 * wanted):
        facts = _some_facts(study, random)
        period = random.choice(study.periods) if study.periods else None
        rows = _some_rows(study, random, period)
        good = not isinstance(rate_all(study.loop, [arguments(study, facts, period, rows)])[0], str)
        (taken if good else refused).append(facts)
        if len(taken) >= wanted:
            break
    return taken + refused[: wanted // 5], len(taken), len(refused) > len(taken) // 3


def _spare(study: Study, facts: Facts, name: str) -> bool:
    """Whether the same is said of the facts without this number."""
    period = study.periods[0] if study.periods else None
    without, given = (rate_all(study.loop, [arguments(study, one, period)])[0] for one in ({**facts, name: None}, facts))
    return without == given and not isinstance(given, str)


# --- edges and halves ---------------------------------------------------------------------------------------------


def _solve(study: Study, bases: Sequence[Facts], random: Random, seconds: int) -> list[tuple[int, int, int, int]]:
    """Places where one number, the others as they are, stands on an edge or on a half: each watched place is taken to be a straight line."""
    seen: dict[tuple[int, int], Fraction] = {}
    loop, steps = build_watched(study.version, watching(seen))
    watched = Study(**{name: getattr(study, name) for name in Study.__slots__} | {"loop": loop})
    until = time.monotonic() + seconds
    found: dict[tuple[int, int, int, int], None] = {}
    for base, facts in enumerate(bases):
        period = random.choice(study.periods) if study.periods else None
        before = _watch(watched, facts, period, seen)
        for column, (name, scale) in enumerate(study.scales.items()):
            beside = facts[name] + (1 if facts[name] < scale.count else -1)
            if beside < 0 or time.monotonic() > until:
                continue
            after = _watch(watched, {**facts, name: beside}, period, seen)
            for place in before.keys() & after.keys():
                slope = (after[place] - before[place]) * (beside - facts[name])
                if slope:
                    solved = (
                        _on_edge(before[place], slope, facts[name]) if (step := steps[place[0]]) is None else _on_half(before[place], slope, facts[name], step)
                    )
                    found.update({(base, column, at, again): None for at, again in solved if 0 <= at <= scale.count})
    return list(found) or [(0, 0, 0, 0)]


def _watch(study: Study, facts: Facts, period: Period | None, seen: dict[tuple[int, int], Fraction]) -> dict[tuple[int, int], Fraction]:
    seen.clear()
    rate_all(study.loop, [arguments(study, facts, period)])
    return dict(seen)


def _on_edge(value: Fraction, slope: Fraction, at: int) -> Iterator[tuple[int, int]]:
    yield at + floor(-value / slope), 0


def _on_half(value: Fraction, slope: Fraction, at: int, step: Decimal) -> Iterator[tuple[int, int]]:
    """All k with value + (k - at) * slope on the middle between two steps; none where no half is reached."""
    start, move = value / Fraction(step) - Fraction(1, 2) - at * slope / Fraction(step), slope / Fraction(step)
    whole = start.denominator * move.denominator // gcd(start.denominator, move.denominator)
    a, b = int(start * whole), int(move * whole) % whole
    common = gcd(b, whole)
    if a % common == 0:
        again = whole // common
        yield (-a // common * pow(b // common, -1, again)) % again if again > 1 else 0, again


def watching(seen: dict[tuple[int, int], Fraction]) -> dict[str, Any]:
    """The words of a watched loop: each notes how far what it compares or rounds is from the edge, or what it rounds, by place."""

    def compare(place: int, left: Decimal, right: Decimal) -> Decimal:
        seen[place, 0] = Fraction(left) - Fraction(right)
        return left - right

    def each(place: int, quantity: Decimal, edges: Sequence[Any]) -> None:
        for index, edge in enumerate(edges):
            seen[place, index] = Fraction(quantity) - Fraction(edge[0] if isinstance(edge, tuple) else edge)

    def several(word: Any) -> Any:
        def choose(place: int, *numbers: Decimal) -> Decimal:
            each(place, numbers[0], numbers[1:])
            chosen: Decimal = word(numbers)
            return chosen

        return choose

    def banded(word: Any) -> Any:
        def price(place: int, quantity: Decimal, edges: Sequence[Any], rates: Sequence[Decimal]) -> Decimal:
            each(place, quantity, edges)
            priced: Decimal = word(quantity, edges, rates)
            return priced

        return price

    def round_to(place: int, x: Decimal, step: Decimal, mode: str) -> Decimal:
        seen[place, 0] = Fraction(x)
        return decimal_words.round_to(x, step, mode)

    def divide(place: int, top: Decimal, bottom: Decimal, step: Decimal, mode: str) -> Decimal:
        seen[place, 0] = Fraction(top) / Fraction(bottom)
        return decimal_words.divide(top, bottom, step, mode)

    bands = {name: banded(getattr(decimal_words, name)) for name in ("blocks", "flat", "whole")}
    return {"compare": compare, "min": several(min), "max": several(max), "round_to": round_to, "divide": divide, **bands}


# --- rows ---------------------------------------------------------------------------------------------------------


def draw(study: Study, random: np.random.Generator, count: int) -> Drawn:
    """``count`` rows: of ten, three on a solved edge or half, four with two numbers moved to marks, two all new, one as it is; four in a hundred spoilt.

    Of a rule that is hard to please seven in ten are solved for, and one each is moved, as it is and new.
    """
    bases = len(next(iter(study.bases.values()))) if study.bases else 1
    way = random.integers(0, 10, count)
    line = random.integers(0, len(study.lines.base), count)
    solve, move = (7, 8) if study.hard else (3, 7)
    base = np.where(way < solve, study.lines.base[line], random.integers(0, bases, count))
    new, moved = way > move, (way >= solve) & (way < move)
    codes, numbers, null, odd = {}, {}, {}, {}
    for name, members in study.choices.items():
        other = new | (moved & (random.integers(0, 8, count) == 0))
        codes[name] = np.where(other, random.integers(0, len(members), count), study.bases[name][base])
    one, two = (random.integers(0, max(len(study.scales), 1), count) for _ in range(2))
    for column, (name, scale) in enumerate(study.scales.items()):
        mark = _anywhere(scale, random, count)
        at = np.where(new | (moved & ((one == column) | (two == column))), mark, study.bases[name][base])
        solved = (way < solve) & (study.lines.column[line] == column)
        numbers[name] = np.clip(np.where(solved, _along(study.lines, scale, line, random, at), at), 0, scale.count)
        null[name] = ~new & ~moved & study.spare[name][base] & (random.integers(0, 4, count) == 0)
        odd[name] = np.zeros(count, np.int64)
    drawn = Drawn(count, codes, numbers, null, odd, random.integers(0, max(len(study.periods), 1), count))
    _spoil(study, drawn, random)
    return drawn


def _anywhere(scale: Scale, random: np.random.Generator, count: int) -> Ints:
    """Marks, numbers of every size, and any number at all."""
    digits = 10.0 ** (random.random(count) * len(str(scale.count)))
    sizes = np.minimum(digits.astype(np.int64) - 1, scale.count)
    return np.choose(random.integers(0, 4, count), [random.choice(scale.marks, count), sizes, sizes, random.integers(0, scale.count + 1, count)])


def _along(lines: Lines, scale: Scale, line: Ints, random: np.random.Generator, at: Ints) -> Ints:
    """An edge and one step beside; a half near where the number stood, or anywhere."""
    again, first = lines.period[line], lines.at[line]
    safe = np.maximum(again, 1)
    near = first + (at - first) // safe * safe + random.integers(-3, 4, len(line)) * safe
    far = first + random.integers(0, 2**62, len(line)) % ((scale.count - first).clip(0) // safe + 1) * safe
    half = np.where((near < 0) | (near > scale.count) | (random.integers(0, 2, len(line)) == 0), far, near)
    return np.where(again > 0, half, first + random.integers(-1, 3, len(line)))


def _spoil(study: Study, drawn: Drawn, random: np.random.Generator) -> None:
    """Something missing, out of bounds, off the step, or a word that is no choice."""
    columns = [*study.choices, *study.scales]
    if not columns:
        return
    which = np.where(random.integers(0, 25, drawn.count) == 0, random.integers(0, len(columns), drawn.count), -1)
    how = random.integers(0, 4, drawn.count)
    for column, name in enumerate(columns):
        hit = which == column
        if name in study.choices:
            drawn.codes[name][hit] = np.where(how[hit] < 2, -1, len(study.choices[name]))
        else:
            drawn.null[name][hit & (how == 0)] = True
            drawn.odd[name][hit] = how[hit]
