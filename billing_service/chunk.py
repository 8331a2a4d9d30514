"""One chunk of a run: some accounts, billed from what the run fixed. The same accounts always give the same rows.

A chunk reads in an order that stays safe while others write beside it: what is claimed first, then what is drafted, then
what is issued. A bill that is issued in between is then still seen as waiting, and never as missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from billing_service import contracts, holds, plain, rating, shared
from billing_service.billing import Batch, bill
from billing_service.fixed import Fixed
from billing_service.measured import all_measures
from billing_service.problems import problem
from billing_service.records import gather, meters
from billing_service.staged import SETTLED, reads_issued
from billing_service.store import documents, entitlements, ledger
from billing_service.store import holds as held
from billing_service.store import plain as plain_rows
from billing_service.store import runs as store
from billing_service.store.connect import Connection
from billing_service.terms import History, Parked, Period, Records, Terms, park
from tariffs import UsageRecord
from tariffs.errors import Problem
from tariffs.units import named

Progress = Callable[[str, int, int], None]
Due = Callable[[Mapping[str, History], Sequence[Terms], Period], tuple[dict[str, History], list[Terms]]]


@dataclass(frozen=True, slots=True)
class Scope:
    """A run over one account; ``due`` keeps what it is about of the account's tariffs and contracts."""

    account: str
    due: Due


@dataclass(frozen=True, slots=True)
class Found:
    """What a chunk comes to; ``records`` is what it was measured by."""

    batch: Batch
    parked: Sequence[Parked]
    considered: int
    records: Records


def bill_chunk(
    conn: Connection, utility: str, fixed: Fixed, chunk: int, first: str, last: str, scope: Scope | None = None, columns: bool = True
) -> dict[str, int]:
    """Bill the accounts from ``first`` to ``last`` and store what comes of it; its counts.

    ``columns``: those who are plain as columns. The rows are the same; where bills may be held all go the general way, which knows the rules.
    """
    among, period = fixed.among(first, last), fixed.period
    quick = plain.bill(conn, utility, fixed, among) if columns and scope is None and not fixed.holds else None
    if quick is not None:
        among = replace(among, only=quick.others)
        if quick.rows is not None:
            plain_rows.add(conn, utility, quick.rows)
    found = rate_chunk(conn, utility, fixed, among, scope)
    drafts = found.batch.drafts
    odd = holds.spoken(conn, utility, fixed, among, drafts, found.records) if fixed.holds else []
    waiting = {one["document"] for one in odd}
    documents.add(conn, utility, fixed.run, *period, drafts, fixed.known, waiting)
    held.add(conn, utility, fixed.run, odd)
    store.claim(conn, utility, fixed.run, *period, found.batch.first_time)
    ordered = sorted(found.parked, key=lambda one: (one.code, one.tariff, one.account, one.file, one.line, json.dumps(dict(one.values), sort_keys=True)))
    store.add_exceptions(conn, utility, fixed.run, chunk, [exception_row(one) for one in ordered])
    invoices = sum(draft.kind == "invoice" for draft in drafts)
    contracts_done, documents_done = (quick.contracts, quick.documents) if quick is not None else (0, 0)
    return {
        "contracts": found.considered + contracts_done,
        "unchanged": found.batch.unchanged,
        "waiting": found.batch.waiting,
        "invoices": invoices + documents_done,
        "differences": len(drafts) - invoices,
        "accounts": len({draft.account for draft in drafts}) + documents_done,
        "parked": len(ordered),
        "held": len(waiting),
    }


def rate_chunk(conn: Connection, utility: str, fixed: Fixed, among: ledger.Among, scope: Scope | None = None) -> Found:
    """What the run comes to for these accounts; nothing is stored."""
    period, known = fixed.period, fixed.known
    claimed = store.claimed(conn, utility, *period, among)
    waiting = {(row.account, row.tariff) for row in claimed if row.run != fixed.run and row.state in store.OPEN and _period(row) == period}
    waiting |= documents.drafted(conn, utility, *period, among)
    issued = documents.issued(conn, utility, *period, among)
    terms, parked = contracts.in_force(ledger.contracts_of(conn, utility, *period, known, among), period)
    terms, relieved = contracts.with_reliefs(terms, _reliefs(conn, utility, fixed, among), period)
    parked += relieved
    if scope is None:
        terms, overlapping = contracts.without_overlap(terms, claimed, period)
        parked += overlapping
    unusable, terms = [one for one in terms if one.tariff not in fixed.loaded], [one for one in terms if one.tariff in fixed.loaded]
    parked += [park(one, _why(fixed, one.tariff)) for one in unusable]
    all_terms, loaded = [*terms, *unusable], fixed.loaded
    if scope is not None:
        loaded, terms = scope.due(loaded, terms, period)
        terms, overlapping = contracts.without_overlap(terms, claimed, period)
        parked += overlapping
    records, terms, sharing = _shared(conn, utility, fixed, among, _records(conn, utility, fixed, among, loaded, terms), terms)
    parked += sharing
    by_tariff: dict[str, list[Terms]] = {}
    for one in terms:
        by_tariff.setdefault(one.tariff, []).append(one)
    parts = []
    for tariff in sorted(by_tariff):
        rated = rating.rate(fixed.history[tariff], by_tariff[tariff], records, period, known)
        parts += rated.parts
        parked += rated.parked
    parked += contracts.unread(records, all_terms, parked, {tariff: all_measures(own) for tariff, own in fixed.loaded.items()}, period)
    if scope is not None:
        issued = {key: one for key, one in issued.items() if key[0] == scope.account and key[1] in loaded}
    batch = bill(utility, fixed.run, parts, issued, waiting, {(one.account, one.tariff) for one in parked})
    return Found(batch, parked, len(terms), records)


def _period(row: Any) -> Period:
    return row.period_start, row.period_end


def _why(fixed: Fixed, tariff: str) -> Problem:
    """A tariff without a version: not in force, or on a contract that came after the run had begun."""
    return fixed.failed.get(tariff) or problem("version-not-fixed", tariff=tariff, run=fixed.run)


def _reliefs(conn: Connection, utility: str, fixed: Fixed, among: ledger.Among) -> Sequence[Any]:
    return entitlements.reliefs_among(conn, utility, *fixed.period, fixed.known, among, fixed.as_of)


def _records(conn: Connection, utility: str, fixed: Fixed, among: ledger.Among, loaded: Mapping[str, History], terms: Sequence[Terms]) -> Records:
    records = gather(conn, utility, fixed.period, [version for own in loaded.values() for version in own], among)
    settling = {tariff for tariff, own in loaded.items() if any(map(reads_issued, own))}
    if settling:
        records = replace(records, settled=_settled(conn, utility, fixed.period, {one.account for one in terms if one.tariff in settling}))
    return records


def _shared(
    conn: Connection, utility: str, fixed: Fixed, among: ledger.Among, records: Records, terms: list[Terms]
) -> tuple[Records, list[Terms], list[Parked]]:
    """The records with shared meters divided; the contracts that can be billed by them, and those that wait for one that cannot be divided."""
    points = {point for point in records.table["point"].to_pylist() if point}
    found = meters(conn, utility, fixed.period, fixed.known, fixed.as_of, among, points)
    if found is None:
        return records, terms, []
    divided = shared.divide(found, fixed.history, fixed.period, fixed.known)
    terms, parked = shared.without_waiting(terms, divided.waiting, fixed.loaded, found)
    return shared.with_parts(records, found, divided), terms, parked


def _settled(conn: Connection, utility: str, period: Period, accounts: Collection[str]) -> dict[str, list[UsageRecord]]:
    """What was issued to each account for periods inside this one, as records of the measure ``settled``."""
    return {
        account: [
            UsageRecord(row.id, account, SETTLED, row.period_start, row.period_end, row.total, named(row.currency), point=row.id)
            for row in documents.payable_to(conn, utility, account, *period)
            if row.state in documents.ISSUED and _period(row) != period and period[0] <= row.period_start and row.period_end <= period[1]
        ]
        for account in sorted(accounts)
    }


def exception_row(one: Parked) -> dict[str, Any]:
    """An exception as it is stored."""
    return {
        "account": one.account,
        "contract": one.contract,
        "tariff": one.tariff,
        "code": one.code,
        "values": json.dumps(dict(one.values), ensure_ascii=False),
        "reason": one.reason,
        "file": one.file,
        "line": one.line,
    }
