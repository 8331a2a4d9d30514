"""Random versions x random facts: ``explain`` one row at a time against ``rate`` by columns, with ``==``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any, TypeGuard

import tariffs
from tariffs.money import read_number, show
from tests.random_versions import PERIODS, random_facts, random_version

Outcome = dict[str, Decimal] | list[tuple[str, str]]
Period = tuple[date, date]
Facts = Mapping[str, object]


def compare_one(random: Random, rows: int, *, faulty: bool = True, narrow: bool = False) -> bool:
    """One random version and ``rows`` random facts; AssertionError where the evaluators differ. False where the version does not check.

    ``faulty``: some facts cannot be rated. ``narrow``: amounts leave in as few bits as hold them.
    """
    content, draft = random_version(random)
    try:
        version = tariffs.parse(content, tariff="xx/random", effective=date(2026, 1, 1))
    except tariffs.PackError:
        return False
    period = random.choice(PERIODS)
    facts = [random_facts(random, draft, faulty=faulty and random.randrange(8) == 0) for _ in range(rows)]
    for given in (facts, as_texts(facts), as_decimals(facts)):  # three ways in: objects one by one, text, decimals
        compare(version, given, period, content, narrow=narrow)
    return True


def as_texts(facts: Sequence[Facts]) -> list[Facts]:
    """Every number as text, so that the column is one of texts."""
    return [{name: show(Decimal(value)) if _is_exact(value) else value if isinstance(value, str) else None for name, value in given.items()} for given in facts]


def as_decimals(facts: Sequence[Facts]) -> list[Facts]:
    """Every number as a Decimal and everything else, but the words of choices, as not given."""
    return [{name: Decimal(value) if _is_exact(value) else _word_or_decimal(value) for name, value in given.items()} for given in facts]


def _is_exact(value: object) -> TypeGuard[int | Decimal]:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool) and Decimal(value).is_finite()


def _word_or_decimal(value: object) -> object:
    return None if not isinstance(value, str) else value if value[:1].isalpha() else read_number(value)


def compare(version: tariffs.TariffVersion, facts: Sequence[Facts], period: Period, content: bytes, *, narrow: bool = False) -> None:
    by_column = columnar(version, facts, period, narrow=narrow)
    for row, (given, found) in enumerate(zip(facts, by_column, strict=True)):
        expected = one_by_one(version, given, period)
        assert found == expected, f"row {row}: rate gives {found}, explain {expected}, facts {dict(given)}, period {period}\n{content.decode()}"


def one_by_one(version: tariffs.TariffVersion, given: Facts, period: Period) -> Outcome:
    try:
        rating = version.explain(given, period=period)
    except tariffs.FactsError as error:
        return sorted((problem.code, problem.values.get("name", "")) for problem in error.problems)
    return {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}


def columnar(version: tariffs.TariffVersion, facts: Sequence[Facts], period: Period, *, narrow: bool = False) -> list[Outcome]:
    names = list(facts[0])
    frame: dict[str, list[object]] = {name: [given[name] for given in facts] for name in names} or {"row": list(range(len(facts)))}
    result, problems = version.rate(frame, period=period, errors="return", workings=True, narrow=narrow)
    refused: dict[int, list[tuple[str, str]]] = {}
    for row, code, name in zip(problems["row"], problems["code"], problems["input"], strict=True):
        refused.setdefault(row, []).append((code, name))
    return [sorted(refused[row]) if row in refused else amounts(result, row) for row in range(len(facts))]


def amounts(result: Mapping[str, Sequence[Any]], row: int) -> dict[str, Decimal]:
    return {name: column[row] for name, column in result.items() if column[row] is not None}


def run(seconds: int, seed: int) -> None:
    """Until the time is up; prints how much was compared, and the seed of a difference."""
    begin, used, tried = time.monotonic(), 0, seed
    while time.monotonic() - begin < seconds:
        try:
            used += compare_one(Random(tried), rows=60)
        except Exception:
            print(f"seed {tried}: differs or breaks")
            raise
        tried += 1
    print(f"differential: {used} versions of {tried - seed} tried, {used * 60} sets of facts, no difference")
