"""Which terms hold for a whole period, and what is amiss with the rest. Pure; nothing is guessed, what is unclear waits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from billing_service.problems import problem, sentence
from billing_service.terms import Parked, Period, Records, Terms, park
from tariffs.errors import Problem


def in_force(rows: Iterable[Any], period: Period) -> tuple[list[Terms], list[Parked]]:
    """Rows of terms that touch the period, ordered by account and contract -> what is billed by, and the parked.

    A contract that begins or ends inside the period is billed for its ``days``, as far as its tariff says what a part costs. One
    whose terms change inside it, and two contracts of one account on one tariff, wait: neither is split by guessing.
    """
    start, end = period
    found: list[Terms] = []
    parked: list[Parked] = []
    for _, group in groupby(rows, key=lambda row: (row.account, row.contract)):
        versions = list(group)
        row = versions[-1]
        begins = row._mapping["from"]
        before = [one for one in versions[:-1] if begins > start and (one.to is None or one.to > start)]
        if before:
            parked.append(park(_terms(row), problem("contract-part-period", start=begins, end=row.to or "…", period_start=start, period_end=end)))
        else:
            days = max(start, begins), min(end, row.to or end)
            found.append(_terms(row, None if days == period else days))
    return _without_twins(found, parked)


def with_reliefs(terms: Sequence[Terms], reliefs: Iterable[Any], period: Period) -> tuple[list[Terms], list[Parked]]:
    """Terms with the facts of the entitlements that hold for them laid over their own.

    A relief that begins or ends inside the period would have to split it, and two that say different things about one fact
    leave open which counts: such contracts wait.
    """
    by_account: dict[str, list[Any]] = {}
    for one in reliefs:
        by_account.setdefault(one.account, []).append(one)
    found: list[Terms] = []
    parked: list[Parked] = []
    for term in terms:
        own = [one for one in by_account.get(term.account, ()) if one.contract in ("", term.contract) and one.tariff in ("", term.tariff)]
        wrong = _relief_problem(own, period)
        if wrong is not None:
            parked.append(park(term, wrong))
            continue
        found.append(replace(term, facts={**term.facts, **{name: value for one in own for name, value in json.loads(one.facts).items()}}) if own else term)
    return found, parked


def _relief_problem(own: Sequence[Any], period: Period) -> Problem | None:
    said: dict[str, tuple[str, Any]] = {}
    for one in own:
        begins = one._mapping["from"]
        if begins > period[0] or (one.to is not None and one.to < period[1]):
            return problem("relief-part-period", relief=one.id, start=begins, end=one.to or "…", period_start=period[0], period_end=period[1])
        for name, value in json.loads(one.facts).items():
            other, before = said.setdefault(name, (one.id, value))
            if before != value:
                return problem("relief-twice", name=name, first=other, second=one.id)
    return None


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


def _terms(row: Any, days: Period | None = None) -> Terms:
    return Terms(row.contract, row.account, row.tariff, json.loads(row.facts), row.file, row.line, days)
