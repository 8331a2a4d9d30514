"""Reading facts: what a caller gives becomes checked choices and exact numbers, or every problem at once.

The makers of problems are public because the columnar door must refuse with the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

from tariffs import rows
from tariffs.errors import FactsError, Problem
from tariffs.figures import figure, flat, listed, number_problems, shown, unknown_among, written
from tariffs.messages import label
from tariffs.model import Choice, Facts, Filled, Input, Require, Version
from tariffs.money import show
from tariffs.needs import Needs, needed

Period = tuple[date, date]


def read_facts(version: Version, given: Mapping[str, object], period: Period | None) -> Facts:
    """The facts of one rating; FactsError names every one that is unknown, missing or unusable.

    A family is given as a nested mapping or member by member (``conc[COD]``). None means "not given".
    """
    known = _known(version)
    choices: dict[str, str] = {}
    figures: dict[str, Decimal] = {}
    problems: list[Problem] = []
    refused: set[str] = set()
    filled = {name: value.how for name, value in given.items() if isinstance(value, Filled)} if Filled in map(type, given.values()) else {}
    plain = given
    if filled or version.stage:
        plain = {name: value.value if isinstance(value, Filled) else value for name, value in given.items() if name != "stage" or not version.stage}
    for name, value in _once(plain, problems):
        if name in known and _is_derived(known[name]):
            problems.append(derived_fact(known[name]))
        elif name in known:
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
    read = rows.read_rows(version.stage, given.get("stage"), sure, period, problems) if version.stage else ()
    refused.update(problem.values.get("suggestion", "") for problem in problems)  # whoever misspelt it has given it
    lacking = (sure.choices | sure.numbers).difference(sure.derived, choices, figures, refused)
    if lacking:
        problems += [missing(version, name) for name in (*version.choices, *known) if name in lacking]
    if problems:
        raise FactsError(problems)
    surplus = tuple([name for name in (*choices, *figures) if name not in needs.choices and name not in needs.numbers])
    return Facts(choices, figures, period, surplus, read, filled)


@lru_cache(maxsize=256)
def _known(version: Version) -> Mapping[str, Input]:
    """The version's inputs by full name."""
    return {item.full_name: item for item in version.inputs}


def _is_derived(item: Input) -> bool:
    return item.collect is not None and bool(item.collect.of)


def derived_fact(item: Input) -> Problem:
    """A fact was given that is collected from the stage."""
    return Problem("derived-fact", {"name": item.full_name, "of": item.collect.of if item.collect else ""})


def _surely(version: Version, choices: Mapping[str, str], needs: Needs) -> Needs:
    """Needed whatever an open choice turns out to be: who forgets the class of payer is not asked for the facts of all classes."""
    for name in needs.choices - choices.keys():
        settled = [needed(version, {**choices, name: member}) for member in version.choices[name].members]
        needs = Needs(
            needs.numbers.intersection(*(one.numbers for one in settled)),
            needs.choices.intersection(*(one.choices for one in settled)),
            needs.period.intersection(*(one.period for one in settled)),
            needs.rows.intersection(*(one.rows for one in settled)),
            needs.derived.intersection(*(one.derived for one in settled)),
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


def unknown(version: Version, name: str) -> Problem:
    """Nothing in the version is called ``name``; with the likeliest name it could have been."""
    return unknown_among(name, [*version.choices, *(item.full_name for item in version.inputs)], (item.name for item in version.inputs))


def unknown_choice(choice: Choice, value: object) -> Problem:
    """``value`` is no member of the choice."""
    return Problem("unknown-choice", {"name": choice.name, "value": shown(value), "choices": listed(choice.members)})


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
    if not one_period(version, period) or ("period_months" in needs.period and whole_months(period) is None):
        found.append(Problem("period-not-whole", {**said, "period": version.period}))
    return found


def one_period(version: Version, period: Period) -> bool:
    """Whether the period is one of those the version is billed by; ``any`` takes all."""
    if version.period == "day":
        return (period[1] - period[0]).days == 1
    return not version.period_months or whole_months(period) == version.period_months
