"""What a finance officer looks at before approving: totals, counts, what could not be billed, what looks odd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from billing_service.documents.invoice import money
from billing_service.problems import own_name, stored
from billing_service.store import corrections, documents, holds, ledger, runs
from billing_service.store.connect import Connection, Row

LARGEST = 5
TOTALS = ("kind", "direction", "currency", "tariff", "class", "line_kind", "accounts", "amount")


@dataclass(frozen=True, slots=True)
class Review:
    """A run as it stands. ``totals`` are sums of lines by tariff and class; ``largest`` and ``zero`` the odd documents.

    ``takes_back``: differences that mend what was issued by facts this run does not know yet.
    """

    run: Row[Any]
    accounts: int
    billed: int
    counts: dict[str, int]
    totals: Sequence[Row[Any]]
    sums: Sequence[tuple[str, str, str, int, Any]]
    largest: Sequence[Row[Any]]
    zero: int
    differences: Sequence[Row[Any]]
    exceptions: Sequence[Row[Any]]
    holds: Sequence[Row[Any]]
    takes_back: int = 0


def look(conn: Connection, utility: str, run: Row[Any]) -> Review:
    """Everything about one run."""
    sums = documents.sums(conn, utility, run.id)
    return Review(
        run=run,
        accounts=ledger.count_accounts(conn, utility),
        billed=documents.count_billed(conn, utility, run.id),
        counts=json.loads(run.counts),
        totals=documents.totals(conn, utility, run.id),
        sums=[(row.kind, row.direction, row.currency, row._mapping["count"], row.total) for row in sums],
        largest=documents.largest(conn, utility, run.id, LARGEST),
        zero=sum(row.zero for row in sums),
        differences=documents.differences(conn, utility, run.id),
        exceptions=runs.exceptions_of(conn, utility, run.id),
        holds=holds.of_run(conn, utility, run.id),
        takes_back=corrections.taking_back(conn, utility, run),
    )


def run_day(review: Review, timezone: str) -> date:
    """The date a run's papers bear: of its issue, or of its clock before."""
    moment: datetime = review.run.issued_at or review.run.as_of
    return moment.astimezone(ZoneInfo(timezone)).date()


def as_json(review: Review, locale: str) -> dict[str, Any]:
    """The whole review for machines; decimals are text."""
    run = review.run
    return {
        "run": run_json(run),
        "accounts": review.accounts,
        "billed": review.billed,
        **review.counts,
        "documents": [
            {"kind": kind, "direction": direction, "currency": currency, "count": count, "total": money(total)}
            for kind, direction, currency, count, total in review.sums
        ],
        "totals": [{**dict(zip(TOTALS, total_cells(row), strict=True)), "amount": money(row.amount)} for row in review.totals],
        "largest": [{"account": row.account, "name": row.name, "total": money(row.total), "currency": row.currency} for row in review.largest],
        "zero": review.zero,
        "takes_back": review.takes_back,
        "held": {rule: len(group) for rule, group in held_by_rule(review.holds)},
        "differences": [{"account": row.account, "total": money(row.total), "currency": row.currency} for row in review.differences],
        "exceptions": [exception_json(row, locale, whole=True) for row in review.exceptions],
        "holds": [hold_json(row, locale) for row in review.holds],
    }


def run_json(run: Row[Any]) -> dict[str, Any]:
    """A run's own facts: period, state, clock, and who did what when."""
    names = ("id", "kind", "state", "created_by", "reviewed_by", "approved_by", "issued_by", "cancelled_by")
    times = ("period_start", "period_end", "known", "as_of", "reviewed_at", "approved_at", "issued_at", "cancelled_at")
    found = run._mapping
    return {name: found[name] for name in names} | {name: found[name].isoformat() if found[name] else None for name in times}


def exception_json(row: Row[Any], locale: str, *, whole: bool = False) -> dict[str, Any]:
    """One exception with its reason in the reader's language and its place; ``whole``: with the folder of the file, for whoever works on this machine."""
    found = {"account": row.account, "contract": row.contract, "tariff": row.tariff, "code": row.code}
    return found | {"reason": stored(row.code, json.loads(row.values), row.reason, locale), "file": row.file if whole else own_name(row.file), "line": row.line}


def hold_json(row: Row[Any], locale: str) -> dict[str, Any]:
    """Why a bill is or was held, in the reader's language, and what a person decided."""
    found = {"document": row.document, "account": row.account, "total": money(row.total), "currency": row.currency, "rule": row.rule, "state": row.state}
    reason = stored(f"hold-{row.rule}", json.loads(row.values), row.reason, locale)
    return found | {"reason": reason, "by": row.by, "at": row.at.isoformat() if row.at else None, "note": row.note}


def held_by_rule(holds: Sequence[Row[Any]]) -> list[tuple[str, list[Row[Any]]]]:
    """What still waits, a group for each rule that spoke, the one with most bills first; a bill is in every group whose rule spoke about it."""
    groups: dict[str, list[Row[Any]]] = {}
    for row in holds:
        if row.state == "held":
            groups.setdefault(row.rule, []).append(row)
    return sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))


def total_cells(row: Row[Any]) -> list[Any]:
    """A row of totals in the order of ``TOTALS``."""
    return [row.kind, row.direction, row.currency, row.tariff, row.payer_class, row.line_kind, row.accounts, row.amount]


def grouped(exceptions: Sequence[Row[Any]]) -> list[tuple[str, str, list[Row[Any]]]]:
    """Exceptions by code and by the fact they name, the most frequent first."""
    groups: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in exceptions:
        groups.setdefault((row.code, json.loads(row.values).get("name", "")), []).append(row)
    return [(*key, group) for key, group in sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))]
