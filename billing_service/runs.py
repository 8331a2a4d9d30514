"""The use cases of a month: run, review, approve, issue, cancel. A run is begun in one transaction and worked in chunks (``working``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from billing_service import holds, issuing
from billing_service.adopting import adopt_in
from billing_service.chunk import Progress, Scope, bill_chunk
from billing_service.fixed import from_row, keep_version, named, usable
from billing_service.problems import Refused, problem, refused
from billing_service.settings import Settings
from billing_service.store import documents, events, ledger
from billing_service.store import holds as held
from billing_service.store import runs as store
from billing_service.store.connect import Connection, Engine, Row, reading, writing
from billing_service.terms import Period, ruling
from tariffs import TariffError, TariffVersion, load

#: Accounts a chunk: large enough for columns to pay, small enough to lose little by a kill and to keep others waiting but a moment.
CHUNK = 2_000
MOST = 20_000
COUNTS = ("contracts", "unchanged", "waiting", "invoices", "differences", "accounts", "parked", "held")
_REVIEWED = ("draft", "reviewed", "approved")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did. ``id`` is empty where there was nothing to keep."""

    id: str
    invoices: int
    differences: int
    parked: int
    unchanged: int
    waiting: int
    contracts: int
    accounts: int
    held: int = 0


def begin_in(
    conn: Connection,
    settings: Settings,
    period: Period,
    known: date | None,
    now: datetime,
    *,
    size: int = CHUNK,
    keep: bool = False,
    scope: Scope | None = None,
) -> str:
    """Begin a run: its id, with everything fixed that it will bill by. One that was begun for the same and killed goes on.

    ``keep``: it stays also where it gives nothing, because somebody was told its id. Refused: another run over days of this period is in work.
    """
    utility, (start, end) = settings.utility, period
    other = store.working(conn, utility, start, end)
    if other is not None:
        if scope is None and (other.period_start, other.period_end, other.known) == (start, end, known):
            return str(other.id)
        raise Refused([problem("run-in-work", run=other.id, start=other.period_start, end=other.period_end)], "conflict")
    among = ledger.one_account(scope.account) if scope else ledger.EVERYBODY
    history, failed = usable(conn, settings, ledger.tariffs_of(conn, utility, start, end, known, among), period, known)
    every = [version for own in history.values() for version in own]
    fixing = sorted(every, key=lambda version: not ruling((version,), period))  # the store names a text by its first version: one that bills
    for version in fixing:
        keep_version(conn, utility, version)
    options = {
        "imports": ledger.last_import(conn, utility),
        "chunk": size,
        "keep": keep,
        "holds": {} if scope else holds.rules_of(conn, utility),
        "versions": [named(version) for version in fixing],
        "failed": {tariff: {"code": one.code, "values": dict(one.values)} for tariff, one in failed.items()},
    }
    run = f"{period_name(period)}-{store.count_in_period(conn, utility, start, end) + 1}"
    fixed = {"id": run, "period_start": start, "period_end": end, "kind": "regular", "state": "running", "as_of": now, "known": known}
    text = json.dumps(options, sort_keys=True, ensure_ascii=False)
    store.add(conn, utility, **fixed, created_by=settings.user, counts="{}", options=text)
    if scope:
        store.add_chunks(conn, utility, run, [(1, scope.account, scope.account)])
    else:
        store.plan(conn, utility, run, size)
    return run


def run_in(conn: Connection, settings: Settings, period: Period, known: date | None, now: datetime, progress: Progress, scope: Scope) -> Outcome:
    """A run over one account, begun, billed and finished inside one transaction."""
    run = begin_in(conn, settings, period, known, now, scope=scope)
    row = store.get(conn, settings.utility, run)
    assert row is not None, "it was just begun"
    progress(run, 0, 1)
    counts = bill_chunk(conn, settings.utility, from_row(conn, settings.utility, row), 1, scope.account, scope.account, scope)
    store.change_chunk(conn, settings.utility, run, 1, state="done", counts=json.dumps(counts, sort_keys=True))
    return finish(conn, settings.utility, row)


def finish(conn: Connection, utility: str, row: Row[Any]) -> Outcome:
    """Close a run whose chunks are all billed: it becomes a draft; one that gave nothing goes, unless somebody knows its id."""
    outcome = outcome_of(conn, utility, row.id)
    drafts = outcome.invoices + outcome.differences
    keep = json.loads(row.options)["keep"]
    if not drafts and not outcome.parked and not keep:
        store.remove(conn, utility, row.id)
        return Outcome("", **{name: getattr(outcome, name) for name in COUNTS})
    state = "draft" if drafts else "empty"
    kind = "empty" if not drafts else "regular" if outcome.invoices else "correction"
    counts = {name: getattr(outcome, name) for name in ("contracts", "unchanged", "waiting")}
    store.change(conn, utility, row.id, state=state, kind=kind, counts=json.dumps(counts))
    told = {name: getattr(outcome, name) for name in COUNTS}
    period = {"start": row.period_start, "end": row.period_end, "known": row.known}
    events.append(conn, utility, row.as_of, row.created_by, "run.created", row.id, {**period, "state": state, **told})
    return outcome


def outcome_of(conn: Connection, utility: str, run: str) -> Outcome:
    """What the chunks of a run came to, so far."""
    found = [json.loads(chunk.counts) for chunk in store.chunks_of(conn, utility, run)]
    return Outcome(run, **{name: sum(one.get(name, 0) for one in found) for name in COUNTS})


def adopt(db: Engine, settings: Settings, tariff: str, on: date, document: str, now: datetime) -> tuple[TariffVersion, bool]:
    """Put the version in force on ``on`` into force for this utility, by a document; whether it was new."""
    try:
        version = load(tariff, on=on, rules=settings.roots)
    except TariffError as error:
        raise Refused(error.problems) from error
    with writing(db, settings.utility) as conn:
        return version, adopt_in(conn, settings, version, document, now)


def review(db: Engine, settings: Settings, run: str, now: datetime) -> str:
    """Mark a draft run as reviewed; one already past that stays as it is. Its id."""
    with writing(db, settings.utility) as conn:
        return review_in(conn, settings, run, now)


def review_in(conn: Connection, settings: Settings, run: str, now: datetime) -> str:
    """``review`` inside a transaction."""
    found = pick(conn, settings.utility, run, store.EVERY if run else _REVIEWED)
    if found.state == "draft":
        store.change(conn, settings.utility, found.id, state="reviewed", reviewed_by=settings.user, reviewed_at=now)
        events.append(conn, settings.utility, now, settings.user, "run.reviewed", found.id, {})
    return str(found.id)


def approve(db: Engine, settings: Settings, run: str, now: datetime) -> str:
    """Four eyes: who created the run may not approve it, unless the office is set to one person. Nor while a bill is held."""
    with writing(db, settings.utility) as conn:
        return approve_in(conn, settings, run, now)


def approve_in(conn: Connection, settings: Settings, run: str, now: datetime) -> str:
    """``approve`` inside a transaction."""
    found = _in_state(conn, settings.utility, run, ("reviewed",), "approve")
    if found.created_by == settings.user and not settings.one_person:
        raise refused("same-person", user=settings.user, run=found.id)
    waiting = held.count_held(conn, settings.utility, found.id)
    if waiting:
        raise refused("bills-held", count=waiting, run=found.id)
    store.change(conn, settings.utility, found.id, state="approved", approved_by=settings.user, approved_at=now)
    events.append(conn, settings.utility, now, settings.user, "run.approved", found.id, {})
    return str(found.id)


def begin_issue(db: Engine, settings: Settings, run: str, now: datetime) -> str:
    """Take the run's numbers, so that its documents can be issued chunk by chunk; one that was begun and killed goes on. Its id."""
    with writing(db, settings.utility) as conn:
        return begin_issue_in(conn, settings, run, now)


def begin_issue_in(conn: Connection, settings: Settings, run: str, now: datetime) -> str:
    """``begin_issue`` inside a transaction."""
    found = _in_state(conn, settings.utility, run, ("approved", "issuing"), "issue")
    if found.state == "approved":
        issuing.begin(conn, settings, found, now)
    return str(found.id)


def cancel(db: Engine, settings: Settings, run: str, now: datetime) -> str:
    """Take back a run that is not being issued; its contracts can be billed again."""
    with writing(db, settings.utility) as conn:
        return cancel_in(conn, settings, run, now)


def cancel_in(conn: Connection, settings: Settings, run: str, now: datetime) -> str:
    """``cancel`` inside a transaction; it waits for workers inside a chunk, and they find the run cancelled."""
    found = pick(conn, settings.utility, run, store.OPEN)
    store.hold_chunks(conn, settings.utility, found.id)
    found = pick(conn, settings.utility, found.id, store.OPEN)
    if found.state not in store.OPEN:
        raise refused("wrong-state", run=found.id, state=found.state, action="cancel", needed=", ".join(store.OPEN))
    store.release(conn, settings.utility, found.id)
    documents.cancel(conn, settings.utility, found.id)
    store.change(conn, settings.utility, found.id, state="cancelled", cancelled_by=settings.user, cancelled_at=now)
    events.append(conn, settings.utility, now, settings.user, "run.cancelled", found.id, {})
    return str(found.id)


def pick(conn: Connection, utility: str, run: str, states: Sequence[str]) -> Row[Any]:
    """The run that was named, or the latest in one of ``states``."""
    found = store.get(conn, utility, run) if run else store.latest(conn, utility, states)
    if found is None:
        raise Refused([problem("no-such-run", run=run)], "not-found") if run else refused("no-run", states=", ".join(states))
    return found


def run_of(db: Engine, utility: str, run: str, states: Sequence[str]) -> Row[Any]:
    """Like ``pick``, in a transaction of its own."""
    with reading(db, utility) as conn:
        return pick(conn, utility, run, states)


def _in_state(conn: Connection, utility: str, run: str, states: Sequence[str], action: str) -> Row[Any]:
    found = store.get(conn, utility, run) if run else store.latest(conn, utility, states) or store.latest(conn, utility, store.OPEN)
    if found is None:
        raise Refused([problem("no-such-run", run=run)], "not-found") if run else refused("no-run", states=states[0])
    if found.state not in states:
        raise refused("wrong-state", run=found.id, state=found.state, action=action, needed=states[0])
    return found


def period_name(period: Period) -> str:
    """``2026-10`` for a whole month, ``2026`` for a whole year, else both ends."""
    start, end = period
    if (start.month, start.day, end.month, end.day) == (1, 1, 1, 1) and end.year == start.year + 1:
        return f"{start:%Y}"
    whole = start.day == 1 and end.day == 1 and (end.year * 12 + end.month) - (start.year * 12 + start.month) == 1
    return f"{start:%Y-%m}" if whole else f"{start}_{end}"


def clock() -> datetime:
    """The moment, in UTC: read once at the edge of a use case."""
    return datetime.now(UTC)
