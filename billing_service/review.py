"""What a finance officer looks at before approving: totals, counts, what could not be billed, what looks odd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing_service.documents.invoice import money
from billing_service.problems import stored
from billing_service.store import documents, ledger, runs
from billing_service.store.connect import Connection, Row

LARGEST = 5
TOTALS = ("kind", "direction", "currency", "tariff", "class", "line_kind", "accounts", "amount")


@dataclass(frozen=True, slots=True)
class Review:
    """A run as it stands. ``totals`` are sums of lines by tariff and class; ``largest`` and ``zero`` the odd documents."""

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


def look(conn: Connection, utility: str, run: Row[Any]) -> Review:
    """Everything about one run."""
    found = documents.of_run(conn, utility, run.id)
    keys = sorted({(row.kind, row.direction, row.currency) for row in found})
    sums = []
    for key in keys:
        mine = [row for row in found if (row.kind, row.direction, row.currency) == key]
        sums.append((*key, len(mine), sum(row.total for row in mine)))
    return Review(
        run=run,
        accounts=ledger.count_accounts(conn, utility),
        billed=len({row.account for row in found}),
        counts=json.loads(run.counts),
        totals=documents.totals(conn, utility, run.id),
        sums=sums,
        largest=sorted(found, key=lambda row: (-abs(row.total), row.account))[:LARGEST],
        zero=sum(not row.total for row in found),
        differences=[row for row in found if row.kind == "difference"],
        exceptions=runs.exceptions_of(conn, utility, run.id),
    )


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
        "differences": [{"account": row.account, "total": money(row.total), "currency": row.currency} for row in review.differences],
        "exceptions": [exception_json(row, locale) for row in review.exceptions],
    }


def run_json(run: Row[Any]) -> dict[str, Any]:
    """A run's own facts: period, state, clock, and who did what when."""
    names = ("id", "kind", "state", "created_by", "reviewed_by", "approved_by", "issued_by", "cancelled_by")
    times = ("period_start", "period_end", "known", "as_of", "reviewed_at", "approved_at", "issued_at", "cancelled_at")
    found = run._mapping
    return {name: found[name] for name in names} | {name: found[name].isoformat() if found[name] else None for name in times}


def exception_json(row: Row[Any], locale: str) -> dict[str, Any]:
    """One exception with its reason in the reader's language and its place."""
    found = {"account": row.account, "contract": row.contract, "tariff": row.tariff, "code": row.code}
    return found | {"reason": stored(row.code, json.loads(row.values), row.reason, locale), "file": row.file, "line": row.line}


def total_cells(row: Row[Any]) -> list[Any]:
    """A row of totals in the order of ``TOTALS``."""
    return [row.kind, row.direction, row.currency, row.tariff, row.payer_class, row.line_kind, row.accounts, row.amount]


def grouped(exceptions: Sequence[Row[Any]]) -> list[tuple[str, str, list[Row[Any]]]]:
    """Exceptions by code and by the fact they name, the most frequent first."""
    groups: dict[tuple[str, str], list[Row[Any]]] = {}
    for row in exceptions:
        groups.setdefault((row.code, json.loads(row.values).get("name", "")), []).append(row)
    return [(*key, group) for key, group in sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))]
