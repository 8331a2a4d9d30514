"""Reading facts: what a caller gives becomes checked choices and exact numbers, or every problem at once.

The makers of problems are public because the columnar door must refuse with the same words.
"""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal

from tariffs.errors import FactsError, Problem
from tariffs.messages import label
from tariffs.model import Choice, Facts, Input, Require, Version
from tariffs.money import MAX_DIGITS, is_multiple, read_number, show
from tariffs.needs import Needs, needed
from tariffs.units import Unit

Period = tuple[date, date]
_SHOWN = 40  # characters of a bad value that are repeated to its author


def read_facts(version: Version, given: Mapping[str, object], period: Period | None) -> Facts:
    """The facts of one rating; FactsError names every one that is unknown, missing or unusable.

    A family is given as a nested mapping or member by member (``conc[COD]``). None means "not given".
    """
    known = {item.full_name: item for item in version.inputs}
    choices: dict[str, str] = {}
    figures: dict[str, Decimal] = {}
    problems: list[Problem] = []
    refused: set[str] = set()
    for name, value in _once(given, problems):
        if name in known:
            number = figure(name, value, problems)
            if number is not None:
                problems += number_problems(known[name], number)
                figures[name] = number
            else:
                refused.add(name)
        elif name not in version.choices:
            problems.append(unknown(version, name))
        elif isinstance(value, str) and value in version.choices[name].members:
            choices[name] = value
        else:
            problems.append(unknown_choice(version.choices[name], value))
            refused.add(name)
    needs = needed(version, choices)
    sure = _surely(version, choices, needs)
    problems += period_problems(version, sure, period)
    refused.update(problem.values.get("suggestion", "") for problem in problems)  # whoever misspelt it has given it
    lacking = (sure.choices | sure.numbers) - choices.keys() - figures.keys() - refused
    problems += [missing(version, name) for name in (*version.choices, *known) if name in lacking]
    if problems:
        raise FactsError(problems)
    surplus = tuple(name for name in (*choices, *figures) if name not in needs.choices and name not in needs.numbers)
    return Facts(choices, figures, period, surplus)


def _surely(version: Version, choices: Mapping[str, str], needs: Needs) -> Needs:
    """Needed whatever an open choice turns out to be: who forgets the class of payer is not asked for the facts of all classes."""
    for name in needs.choices - choices.keys():
        settled = [needed(version, {**choices, name: member}) for member in version.choices[name].members]
        needs = Needs(
            needs.numbers.intersection(*(one.numbers for one in settled)),
            needs.choices.intersection(*(one.choices for one in settled)),
            needs.period.intersection(*(one.period for one in settled)),
        )
    return needs


def _once(given: Mapping[str, object], problems: list[Problem]) -> Iterator[tuple[str, object]]:
    """Names and values given; a fact given in both ways is a problem."""
    seen: set[str] = set()
    for name, value in flat(given):
        if name in seen:
            problems.append(Problem("fact-twice", {"name": name}))
        elif value is not None:
            seen.add(name)
            yield name, value


def flat(given: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Families written out member by member, as columns are named."""
    for name, value in given.items():
        if isinstance(value, Mapping):
            yield from _members(str(name), (), value)
        else:
            yield str(name), value


def _members(name: str, key: tuple[str, ...], family: Mapping[object, object]) -> Iterator[tuple[str, object]]:
    for member, value in family.items():
        if isinstance(value, Mapping):
            yield from _members(name, (*key, str(member)), value)
        else:
            yield f"{name}[{','.join((*key, str(member)))}]", value


def figure(name: str, value: object, problems: list[Problem]) -> Decimal | None:
    """An exact number, or None and a problem added. Floats are refused: 5.001 has none."""
    if isinstance(value, str):
        number = read_number(value)
    elif isinstance(value, Decimal):
        number = value if value.is_finite() and _is_short(value) else None
    elif isinstance(value, bool):
        number = None
    elif isinstance(value, numbers.Integral):
        number = Decimal(int(value)) if abs(int(value)) < 10**MAX_DIGITS else None
    elif isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        problems.append(Problem("float-fact", {"name": name}))
        return None
    else:
        number = None
    if number is None:
        problems.append(Problem("not-a-number", {"name": name, "value": _shown(value)}))
        return None
    return number or Decimal(0)  # one zero: no -0, no 0E+3


def _is_short(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "finite"
    return max(value.adjusted() + 1, 1) + max(-exponent, 0) <= MAX_DIGITS


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "10…0"  # str() of a huge int is slow, and refused by Python past 4,300 digits
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def number_problems(item: Input, value: Decimal) -> list[Problem]:
    """What the input's bounds and step say against ``value``."""
    low, high, grid = item.type.low, item.type.high, item.type.grid
    if low <= value <= high and is_multiple(value, grid):
        return []
    said = {"name": item.full_name, "value": show(value), "unit": written(item.type.unit)}
    found = []
    if value < low:
        found.append(Problem("below-minimum", {**said, "minimum": show(low)}))
    if value > high:
        found.append(Problem("above-maximum", {**said, "maximum": show(high)}))
    if not is_multiple(value, grid):
        found.append(Problem("off-step", {**said, "step": show(grid)}))
    return found


def written(unit: Unit) -> str:
    """A unit behind a number: nothing for a pure one."""
    return str(unit) if unit.powers else ""


def unknown(version: Version, name: str) -> Problem:
    """Nothing in the version is called ``name``; with the likeliest name it could have been."""
    names = [*version.choices, *(item.full_name for item in version.inputs)]
    folded = {candidate.lower(): candidate for candidate in (*names, *(item.name for item in version.inputs))}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    if close:
        return Problem("unknown-fact-like", {"name": _shown(name), "suggestion": folded[close[0]]})
    return Problem("unknown-fact", {"name": _shown(name), "names": _listed(names)})


def unknown_choice(choice: Choice, value: object) -> Problem:
    """``value`` is no member of the choice."""
    return Problem("unknown-choice", {"name": choice.name, "value": _shown(value), "choices": _listed(choice.members)})


def missing(version: Version, name: str) -> Problem:
    """A needed fact was not given; ``wanted`` says what it looks like."""
    if name in version.choices:
        return Problem("missing-fact", {"name": name, "wanted": " | ".join(version.choices[name].members)})
    item = next(item for item in version.inputs if item.full_name == name)
    wanted = f"{show(item.type.low)} … {show(item.type.high)} {written(item.type.unit)}".rstrip()
    return Problem("missing-fact", {"name": name, "wanted": wanted})


def refused(version: Version, require: Require) -> Problem:
    """A ``require`` does not hold. Both languages travel along, the catalogue picks its own."""
    said = {"say": label(require.say, "en", require.that.text), "say_zh": label(require.say, "zh", require.that.text)}
    return Problem("refused", {**said, "clause": require.clause or version.source.document}, where=require.where)


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:20]) + (", …" if len(found) > 20 else "")


def whole_months(period: Period) -> int | None:
    """How many whole months a half-open period has; None where it does not start and end on one day of the month."""
    start, end = period
    return (end.year - start.year) * 12 + end.month - start.month if start.day == end.day else None


def period_problems(version: Version, needs: Needs, period: Period | None) -> list[Problem]:
    """What is wrong with the period: one that is not needed is not asked for, but one given must be one the version can rate."""
    if period is None:
        return [Problem("period-needed")] if needs.period else []
    start, end = period
    said = {"start": start.isoformat(), "end": end.isoformat()}
    if end <= start:
        return [Problem("period-empty", said)]
    found = []
    if start < version.effective or (version.end is not None and end > version.end):
        found.append(Problem("period-outside", {**said, "version": version.name}))
    months = whole_months(period)
    if months != version.period_months if version.period_months else months is None and "period_months" in needs.period:
        found.append(Problem("period-not-whole", {**said, "period": version.period}))
    return found
