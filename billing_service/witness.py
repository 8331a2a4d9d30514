"""What stands in the tables, held against what the chain of events tells of it, and what is marked as billed against the bills.

The chain itself is checked elsewhere (``store.events.verify``). Rows older than the first event of a utility are told by none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing_service.problems import problem
from billing_service.store import documents
from billing_service.store import verify as store
from billing_service.store.connect import Connection, Row
from tariffs.errors import Problem
from tariffs.money import show

#: Who signed a run, by the columns of ``runs`` and the kind of event that tells it.
_SIGNED = {"reviewed": "run.reviewed", "approved": "run.approved", "issued": "run.issued", "cancelled": "run.cancelled"}
_STATES = {"run.reviewed": "reviewed", "run.approved": "approved", "run.issued": "issued", "run.cancelled": "cancelled"}
_DECIDED = {"hold.released": "released", "hold.removed": "removed"}
_KINDS = ("run.created", *_STATES, *_DECIDED, "version.adopted", "credit.issued")


@dataclass(frozen=True, slots=True)
class Told:
    """An event with its data read."""

    actor: str
    at: datetime
    data: Mapping[str, Any]


def compare(conn: Connection, utility: str) -> list[Problem]:
    """Everything that is not as the chain tells it: runs, held bills, adoptions, credit notes; and what is billed, by the bills."""
    runs: dict[str, dict[str, Told]] = {}
    held: dict[str, tuple[str, str, datetime, str]] = {}
    adopted: dict[tuple[str, str], tuple[str, datetime, str]] = {}
    credited: dict[str, tuple[str, Decimal]] = {}
    removed: dict[str, int] = {}
    for row in store.told(conn, utility, _KINDS):
        try:
            one = Told(row.actor, row.at, json.loads(row.data))
            if row.kind in _DECIDED:
                held |= dict.fromkeys(one.data["documents"], (_DECIDED[row.kind], one.actor, one.at, one.data["note"]))
                removed[row.subject] = removed.get(row.subject, 0) + (len(one.data["documents"]) if row.kind == "hold.removed" else 0)
            elif row.kind == "version.adopted":
                adopted[one.data["tariff"], row.subject] = (one.actor, one.at, one.data["document"])
            elif row.kind == "credit.issued":
                credited[row.subject] = (one.data["account"], Decimal(one.data["total"]))
            else:
                runs.setdefault(row.subject, {})[row.kind] = one
        except (ValueError, TypeError, KeyError, InvalidOperation):  # a changed event may say anything; the chain shows it
            continue
    first = store.first_told(conn, utility)
    return [
        *_runs(conn, utility, runs, removed, first),
        *_holds(conn, utility, held),
        *_adoptions(conn, utility, adopted, first),
        *_credits(conn, utility, credited, first),
        *_billed(conn, utility),
    ]


def _runs(conn: Connection, utility: str, told: Mapping[str, Mapping[str, Told]], removed: Mapping[str, int], first: datetime | None) -> Iterator[Problem]:
    rows = {row.id: row for row in store.every_run(conn, utility)}
    counts = store.counts_of_runs(conn, utility)
    for gone in sorted(told.keys() - rows.keys()):
        yield _differs(gone, "id", None, gone)
    for run in rows.values():
        mine = told.get(run.id, {})
        if not mine and first is not None and run.as_of < first:
            continue
        for name, kind in _SIGNED.items():
            event = mine.get(kind)
            if event is None and name == "issued" and run.state == "issuing":  # told when it is done
                continue
            yield from _same(run.id, (f"{name}_by", f"{name}_at"), run, (event.actor, event.at) if event else (None, None))
        created = mine.get("run.created")
        if created is not None:
            yield from _created(run, created, counts.get(run.id, (0, 0, 0)), removed.get(run.id, 0))
        state = next((after for kind, after in reversed(_STATES.items()) if kind in mine), str(created.data.get("state")) if created else "running")
        if run.state != state and (run.state, state) != ("issuing", "approved"):
            yield _differs(run.id, "state", run.state, state)
        if "run.issued" in mine and run.state == "issued":
            yield from _sums(conn, utility, run.id, mine["run.issued"].data)


def _created(run: Row[Any], event: Told, counts: tuple[int, int, int], removed: int) -> Iterator[Problem]:
    data = event.data
    days = {name: None if day is None else day.isoformat() for name, day in (("start", run.period_start), ("end", run.period_end), ("known", run.known))}
    yield from _same(run.id, ("created_by", "as_of"), run, (event.actor, event.at))
    for name, day in days.items():
        if data.get(name) != day:
            yield _differs(run.id, name, day, data.get(name))
    wanted = [sum(value for name in names if isinstance(value := data.get(name), int)) for names in (("parked",), ("held",), ("invoices", "differences"))]
    wanted[0] += removed
    for table, count, want in zip(("exceptions", "holds", "documents"), counts, wanted, strict=True):
        if count != want:
            yield _differs(run.id, table, count, want)


def _sums(conn: Connection, utility: str, run: str, data: Mapping[str, Any]) -> Iterator[Problem]:
    """Counts and totals by kind, direction and currency. Events of before told the number of all documents, those over zero among them."""
    stored = {(row.kind, row.direction, row.currency): (row._mapping["count"], row.zero, row.total) for row in documents.sums(conn, utility, run)}
    try:
        given = {(one["kind"], one["direction"], one["currency"]): (one["count"], one.get("zero"), Decimal(one["total"])) for one in data["documents"]}
    except (AttributeError, TypeError, KeyError, InvalidOperation):
        given = {}
    for key in sorted(stored.keys() | given.keys()):
        count, zero, total = stored.get(key, (0, 0, Decimal(0)))
        want = given.get(key, (0, 0, Decimal(0)))
        have = (count, None, total) if want[1] is None else (count - zero, zero, total)
        if have != want:
            yield _differs(run, " ".join(key), " / ".join(map(_shown, have)), " / ".join(map(_shown, want)))


def _holds(conn: Connection, utility: str, told: Mapping[str, tuple[str, str, datetime, str]]) -> Iterator[Problem]:
    seen = set()
    for row in store.every_hold(conn, utility):
        seen.add(row.document)
        yield from _same(row.document, ("state", "by", "at", "note"), row, told.get(row.document, ("held", None, None, "")))
    for gone in sorted(told.keys() - seen):
        yield _differs(gone, "holds", None, told[gone][0])


def _adoptions(conn: Connection, utility: str, told: Mapping[tuple[str, str], tuple[str, datetime, str]], first: datetime | None) -> Iterator[Problem]:
    rows = {(row.tariff, row.digest): row for row in store.every_adoption(conn, utility)}
    for key in sorted(told.keys() - rows.keys()):
        yield _differs(" ".join(key), "adoptions", None, told[key][2])
    for key, row in rows.items():
        if key in told or first is None or row.at >= first:
            yield from _same(" ".join(key), ("by", "at", "document"), row, told.get(key, (None, None, None)))


def _credits(conn: Connection, utility: str, told: Mapping[str, tuple[str, Decimal]], first: datetime | None) -> Iterator[Problem]:
    rows = {row.number: row for row in store.every_credit(conn, utility)}
    for number in sorted(told.keys() - rows.keys()):
        yield _differs(number, "account", None, told[number][0])
    for number, row in rows.items():
        if number in told or first is None or row.issued_at >= first:
            yield from _same(str(number), ("account", "total"), row, told.get(number, (None, None)))


def _billed(conn: Connection, utility: str) -> list[Problem]:
    """What was issued is marked as billed, so that it is not billed again, and nothing else is."""
    found = []
    for code, rows in (("verify-not-marked", store.bills_unmarked(conn, utility)), ("verify-marked", store.marks_unbilled(conn, utility))):
        by_run: dict[str, list[Row[Any]]] = {}
        for row in rows:
            by_run.setdefault(row.run, []).append(row)
        found += [problem(code, run=run, count=len(mine), account=mine[0].account, tariff=mine[0].tariff) for run, mine in by_run.items()]
    return found


def _same(what: str, names: Iterable[str], row: Row[Any], want: Iterable[object]) -> Iterator[Problem]:
    for name, told in zip(names, want, strict=True):
        if row._mapping[name] != told:
            yield _differs(what, name, row._mapping[name], told)


def _differs(what: str, column: str, stored: object, told: object) -> Problem:
    return problem("verify-told", what=what, column=column, stored=_shown(stored), told=_shown(told))


def _shown(value: object) -> str:
    return "-" if value is None else show(value) if isinstance(value, Decimal) else str(value)
