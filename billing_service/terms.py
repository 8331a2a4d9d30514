"""What a run works on: contracts as they stand, records as they came, and what must wait. Frozen data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from billing_service import problems
from tariffs import UsageRecord
from tariffs.errors import Problem

Period = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Terms:
    """A contract as it stands in the period, and the row that says so. ``days``: those it holds, where it begins or ends inside the period."""

    contract: str
    account: str
    tariff: str
    facts: Mapping[str, str]
    file: str
    line: int
    days: Period | None = None


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
    why a record's meter could not be divided (``shared``).
    """

    table: pa.Table
    places: Mapping[str, tuple[str, int]]
    settled: Mapping[str, Sequence[UsageRecord]] = field(default_factory=dict)
    divided: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    undivided: Mapping[str, Problem] = field(default_factory=dict)


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


def as_long_before(period: Period) -> date:
    """The day as long before a period as it has days; the first day there is, where there would be none."""
    start, end = period
    return date.fromordinal(max(1, 2 * start.toordinal() - end.toordinal()))


def park(terms: Terms, wrong: Problem, place: tuple[str, int] | None = None) -> Parked:
    """A contract and why it waits; the place is the usage row's where one is at fault, else the contract's own."""
    file, line = place or (terms.file, terms.line)
    return Parked(terms.account, terms.contract, terms.tariff, wrong.code, wrong.values, problems.sentence(wrong, "en"), file, line)
