"""What a run works on: contracts as they stand, records as they came, and what must wait. Frozen data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from billing_service import problems
from tariffs import TariffVersion, UsageRecord
from tariffs.errors import Problem

Period = tuple[date, date]
#: The versions of one tariff in order of date; each ends where the next begins, or before.
History = tuple[TariffVersion, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """A contract as it stands in the period, and the row that says so. ``days``: those it holds, where it begins or ends inside the period.

    ``facts`` hold on its first day; ``changes``: days inside the period from which others do, in order.
    """

    contract: str
    account: str
    tariff: str
    facts: Mapping[str, str]
    file: str
    line: int
    days: Period | None = None
    changes: tuple[tuple[date, Mapping[str, str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Parked:
    """What could not be billed, and why; ``contract`` and ``tariff`` are empty where only a record is at fault."""

    account: str
    contract: str
    tariff: str
    code: str
    values: Mapping[str, str]
    reason: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Records:
    """The period's usage records as columns for the library, and where each was read from; ``settled`` is what was issued
    to an account within the period, as records; ``divided`` how an account's records of shared meters came about, ``undivided``
    why a record's meter could not be divided, ``merged`` which records are the part of several readings together (``shared``).
    """

    table: pa.Table
    places: Mapping[str, tuple[str, int]]
    settled: Mapping[str, Sequence[UsageRecord]] = field(default_factory=dict)
    divided: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    undivided: Mapping[str, Problem] = field(default_factory=dict)
    merged: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Meters:
    """The shared meters that some accounts have to do with. ``shares``: every sharer of each, in the order of point and account;
    ``records``: all that was sent for them, whoever's account it names; ``tariffs``: those of every sharer in the period;
    ``sharers``: which of them the accounts are.
    """

    shares: Sequence[Any]
    records: Records
    tariffs: Mapping[str, Sequence[str]]
    sharers: frozenset[str]


def ruling(history: Iterable[TariffVersion], period: Period) -> History:
    """Those that rule on some day of a period."""
    return tuple(one for one in history if one.effective < period[1] and (one.end is None or one.end > period[0]))


def steady(history: Iterable[TariffVersion], period: Period) -> TariffVersion | None:
    """The version that rules on every day of a period; None where there is no such one."""
    for one in ruling(history, period):
        if one.effective <= period[0] and (one.end is None or one.end >= period[1]):
            return one
    return None


def as_long_before(period: Period) -> date:
    """The day as long before a period as it has days; the first day there is, where there would be none."""
    start, end = period
    return date.fromordinal(max(1, 2 * start.toordinal() - end.toordinal()))


def park(terms: Terms, wrong: Problem, place: tuple[str, int] | None = None) -> Parked:
    """A contract and why it waits; the place is the usage row's where one is at fault, else the contract's own."""
    file, line = place or (terms.file, terms.line)
    return Parked(terms.account, terms.contract, terms.tariff, wrong.code, wrong.values, problems.sentence(wrong, "en"), file, line)
