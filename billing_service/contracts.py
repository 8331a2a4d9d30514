"""Which terms hold on which days of a period, and what is amiss with the rest. Pure; nothing is guessed, what is unclear waits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby, pairwise
from typing import Any

from billing_service.problems import problem, sentence
from billing_service.terms import Parked, Period, Records, Terms, park
from tariffs.errors import Problem


def in_force(rows: Iterable[Any], period: Period) -> tuple[list[Terms], list[Parked]]:
    """Rows of terms that touch the period, ordered by account and contract -> what is billed by, and the parked.

    A contract that begins or ends inside the period is billed for its ``days``, and one whose facts become others by them all, as
    far as its tariff says what a part costs. One that changes its tariff or pauses inside the period, and two contracts of one
    account on one tariff, wait: neither is split by guessing.
    """
    start, end = period
    found: list[Terms] = []
    parked: list[Parked] = []
    for _, group in groupby(rows, key=lambda row: (row.account, row.contract)):
        held = _held(list(group), period)
        row, begins = held[-1][2], held[-1][0]
        if any(one[2].tariff != row.tariff for one in held) or any(one[1] != then[0] for one, then in pairwise(held)):
            parked.append(park(_terms(row), problem("contract-part-period", start=begins, end=row.to or "…", period_start=start, period_end=end)))
            continue
        days = held[0][0], held[-1][1]
        by_day = [(first, json.loads(one.facts)) for first, _, one in held]
        found.append(_by_day(replace(_terms(row), days=None if days == period else days), by_day))
    return _without_twins(found, parked)


def _held(rows: Sequence[Any], period: Period) -> list[tuple[date, date, Any]]:
    """First day, day after and row of each stretch in which one row of a contract holds; where two would, the one that began later."""
    start, end = period
    edges = {start, end} | {day for row in rows for day in (row._mapping["from"], row.to) if day is not None and start < day < end}
    found: list[tuple[date, date, Any]] = []
    for first, after in pairwise(sorted(edges)):
        holding = [row for row in rows if row._mapping["from"] <= first and (row.to is None or row.to >= after)]
        if holding:
            found.append((first, after, holding[-1]))
    return found


def _by_day(term: Terms, by_day: Sequence[tuple[date, Mapping[str, str]]]) -> Terms:
    """Terms by the facts from each day on; days on which none become another are left out."""
    changes = [(day, facts) for (_, before), (day, facts) in pairwise(by_day) if facts != before]
    return replace(term, facts=by_day[0][1], changes=tuple(changes))


def with_reliefs(terms: Sequence[Terms], reliefs: Iterable[Any], period: Period) -> tuple[list[Terms], list[Parked]]:
    """Terms with the facts of the entitlements that hold for them laid over their own, day by day.

    A relief that begins or ends inside the period changes the terms on that day. Two that say different things about one fact on
    one day leave open which counts: such contracts wait.
    """
    by_account: dict[str, list[Any]] = {}
    for one in reliefs:
        by_account.setdefault(one.account, []).append(one)
    found: list[Terms] = []
    parked: list[Parked] = []
    for term in terms:
        own = [one for one in by_account.get(term.account, ()) if one.contract in ("", term.contract) and one.tariff in ("", term.tariff)]
        relieved = _relieved(term, own, term.days or period) if own else term
        if isinstance(relieved, Terms):
            found.append(relieved)
        else:
            parked.append(park(term, relieved))
    return found, parked


def _relieved(term: Terms, own: Sequence[Any], days: Period) -> Terms | Problem:
    """Terms under some entitlements; the problem where two of them contradict each other on a day."""
    edges = {day for one in own for day in (one._mapping["from"], one.to) if day is not None and days[0] < day < days[1]}
    by_day: list[tuple[date, Mapping[str, str]]] = []
    for first in sorted({days[0], *edges, *(day for day, _ in term.changes)}):
        facts = [term.facts, *(facts for day, facts in term.changes if day <= first)][-1]
        said: dict[str, tuple[str, Any]] = {}
        for one in own:
            if one._mapping["from"] > first or (one.to is not None and one.to <= first):
                continue
            for name, value in json.loads(one.facts).items():
                other, before = said.setdefault(name, (one.id, value))
                if before != value:
                    return problem("relief-twice", name=name, first=other, second=one.id)
        by_day.append((first, {**facts, **{name: value for name, (_, value) in said.items()}}))
    return _by_day(term, by_day)


def without_overlap(terms: Sequence[Terms], claimed: Iterable[Any], period: Period) -> tuple[list[Terms], list[Parked]]:
    """Leave out contracts billed for another period that overlaps this one: those days would be billed twice."""
    other = {(row.account, row.tariff): row for row in claimed if (row.period_start, row.period_end) != period}
    good: list[Terms] = []
    parked: list[Parked] = []
    for one in terms:
        row = other.get((one.account, one.tariff))
        if row is None:
            good.append(one)
        else:
            parked.append(park(one, problem("period-overlaps", run=row.run, start=row.period_start, end=row.period_end)))
    return good, parked


def unread(records: Records, terms: Sequence[Terms], parked: Iterable[Parked], measures: Mapping[str, frozenset[str]], period: Period) -> list[Parked]:
    """Records of the period that no contract reads: an account without one, or a measure none of its tariffs knows.

    An account with a contract already parked is left alone: that contract may be the one that would read them.
    """
    table, places = records.table, records.places
    read: dict[str, set[str] | None] = {one.account: None for one in parked if one.contract}
    for one in terms:
        names = measures.get(one.tariff)
        if names is None:
            read[one.account] = None  # its tariff could not be loaded: which measures it reads is not known
        elif (so_far := read.setdefault(one.account, set())) is not None:
            so_far |= names
    start, end = period
    replaced = set(table["replaces"].to_pylist())
    found: list[Parked] = []
    columns = (table[name].to_pylist() for name in ("id", "account", "measure", "end"))
    for one_id, account, measure, last in zip(*columns, strict=True):
        if not start < last <= end or one_id in replaced:
            continue
        wanted = read.get(account, set())
        if wanted is None or measure in wanted:
            continue
        wrong = records.undivided.get(one_id) or problem(
            "usage-not-read" if account in read else "usage-without-contract", id=one_id, account=account, measure=measure
        )
        file, line = places[one_id]
        found.append(Parked(account, "", "", wrong.code, wrong.values, sentence(wrong, "en"), file, line))
    return found


def _without_twins(terms: list[Terms], parked: list[Parked]) -> tuple[list[Terms], list[Parked]]:
    by_key: dict[tuple[str, str], list[Terms]] = {}
    for one in terms:
        by_key.setdefault((one.account, one.tariff), []).append(one)
    found = []
    for group in by_key.values():
        if len(group) == 1:
            found += group
        else:
            names = ", ".join(one.contract for one in group)
            parked += [park(one, problem("contract-twice", contracts=names, tariff=one.tariff)) for one in group]
    return found, parked


def _terms(row: Any) -> Terms:
    return Terms(row.contract, row.account, row.tariff, json.loads(row.facts), row.file, row.line)
