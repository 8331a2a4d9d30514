"""The use cases of a month: run, review, approve, issue, cancel. Each is one transaction, committed before any answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from billing_service import contracts, rating
from billing_service.billing import Batch, bill, number, series_of
from billing_service.measured import measures
from billing_service.problems import Refused, problem, refused
from billing_service.rating import Rated
from billing_service.records import gather
from billing_service.settings import Settings
from billing_service.staged import SETTLED, reads_issued
from billing_service.store import documents, ledger, versions
from billing_service.store import runs as store
from billing_service.store.connect import Connection, Engine, Row, reading, writing
from billing_service.terms import Parked, Period, Terms, park
from tariffs import NotFoundError, TariffError, TariffVersion, UsageRecord, load
from tariffs.errors import Problem
from tariffs.units import named

Progress = Callable[[str, int, int], None]


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


def start_run(db: Engine, settings: Settings, period: Period, known: date | None, now: datetime, progress: Progress) -> Outcome:
    """Bill a period: invoices for what was never billed, differences for what was and has changed, the rest parked with its reason."""
    with writing(db, settings.utility) as conn:
        return run_in(conn, settings, period, known, now, progress)


Due = Callable[[Mapping[str, TariffVersion], Sequence[Terms], Period], tuple[dict[str, TariffVersion], list[Terms]]]


@dataclass(frozen=True, slots=True)
class Scope:
    """A run over one account; ``due`` keeps what it is about of the account's tariffs and contracts."""

    account: str
    due: Due


def run_in(conn: Connection, settings: Settings, period: Period, known: date | None, now: datetime, progress: Progress, scope: Scope | None = None) -> Outcome:
    """A run inside a transaction: over everybody, or over one account."""
    utility, (start, end) = settings.utility, period
    claimed = store.claimed(conn, utility, start, end)
    rows = [row for row in ledger.contracts_of(conn, utility, start, end, known) if scope is None or row.account == scope.account]
    terms, parked = contracts.in_force(rows, period)
    if scope is None:
        terms, overlapping = contracts.without_overlap(terms, claimed, period)
        parked += overlapping
    loaded, unusable = _versions(conn, settings, terms, period, known)
    parked += unusable
    read, all_terms = {tariff: measures(version) for tariff, version in loaded.items()}, terms
    if scope is not None:
        loaded, terms = scope.due(loaded, terms, period)
        terms, overlapping = contracts.without_overlap(terms, claimed, period)
        parked += overlapping
    records = gather(conn, utility, period, loaded.values(), scope.account if scope else "")
    if any(reads_issued(version) for version in loaded.values()):
        records = replace(records, settled=_settled(conn, utility, period, {one.account for one in terms}))
    by_tariff: dict[str, list[Terms]] = {}
    for one in terms:
        by_tariff.setdefault(one.tariff, []).append(one)
    parts = []
    for done, (tariff, version) in enumerate(loaded.items()):
        progress(tariff, done, len(loaded))
        found: Rated = rating.rate(version, by_tariff[tariff], records, period, known)
        parts += found.parts
        parked += found.parked
    parked += contracts.unread(records, all_terms, parked, read, period)
    issued = documents.issued(conn, utility, start, end)
    if scope is not None:
        issued = {key: one for key, one in issued.items() if key[0] == scope.account and key[1] in loaded}
    waiting = {(row.account, row.tariff) for row in claimed if row.state in store.OPEN and (row.period_start, row.period_end) == period}
    waiting |= documents.drafted(conn, utility, start, end)
    run = f"{period_name(period)}-{store.count_in_period(conn, utility, start, end) + 1}"
    batch = bill(utility, run, parts, issued, waiting, {(one.account, one.tariff) for one in parked})
    progress("store", len(loaded), len(loaded))
    return _keep(conn, settings, run, period, known, now, batch, parked, loaded, len(terms))


def _settled(conn: Connection, utility: str, period: Period, accounts: Collection[str]) -> dict[str, list[UsageRecord]]:
    """What was issued to each account for periods inside this one, as records of the measure ``settled``."""
    return {
        account: [
            UsageRecord(row.id, account, SETTLED, row.period_start, row.period_end, row.total, named(row.currency), point=row.id)
            for row in documents.payable_to(conn, utility, account, *period)
            if row.state in documents.ISSUED and (row.period_start, row.period_end) != period and period[0] <= row.period_start and row.period_end <= period[1]
        ]
        for account in accounts
    }


def _keep(
    conn: Connection,
    settings: Settings,
    run: str,
    period: Period,
    known: date | None,
    now: datetime,
    batch: Batch,
    parked: Sequence[Parked],
    loaded: dict[str, TariffVersion],
    considered: int,
) -> Outcome:
    utility, (start, end) = settings.utility, period
    invoices = sum(draft.kind == "invoice" for draft in batch.drafts)
    differences = len(batch.drafts) - invoices
    accounts = len({draft.account for draft in batch.drafts})
    empty = not batch.drafts
    counts = {"contracts": considered, "unchanged": batch.unchanged, "waiting": batch.waiting}
    if empty and not parked:
        return Outcome("", 0, 0, 0, batch.unchanged, batch.waiting, considered, 0)
    state = "empty" if empty else "draft"
    kind = "empty" if empty else "regular" if invoices else "correction"
    store.add(
        conn,
        utility,
        id=run,
        period_start=start,
        period_end=end,
        kind=kind,
        state=state,
        as_of=now,
        known=known,
        created_by=settings.user,
        counts=json.dumps(counts),
    )
    for version in loaded.values():
        keep_version(conn, utility, version)
    documents.add(conn, utility, run, start, end, batch.drafts)
    store.claim(conn, utility, run, start, end, batch.first_time)
    ordered = sorted(parked, key=lambda one: (one.code, one.tariff, one.account, one.file, one.line))
    store.add_exceptions(conn, utility, run, (_exception_row(one) for one in ordered))
    return Outcome(run, invoices, differences, len(parked), batch.unchanged, batch.waiting, considered, accounts)


def _versions(
    conn: Connection, settings: Settings, terms: Sequence[Terms], period: Period, known: date | None
) -> tuple[dict[str, TariffVersion], list[Parked]]:
    """The version of each tariff in force as the period starts. A tariff unknown or not in force parks its contracts;
    a file that does not check, or a version neither published nor adopted, refuses the run as a whole.
    """
    adopted = versions.adopted_digests(conn, settings.utility)
    loaded: dict[str, TariffVersion] = {}
    failed: dict[str, Problem] = {}
    refusals: list[Problem] = []
    for tariff in sorted({one.tariff for one in terms}):
        try:
            version = load(tariff, on=period[0], known=known, rules=settings.roots)
        except NotFoundError as error:
            failed[tariff] = error.problems[0]
            continue
        except TariffError as error:
            refusals += error.problems
            continue
        wrong = _gate(conn, settings.utility, version, adopted)
        if wrong is not None:
            refusals.append(wrong)
        elif not version.billable:
            failed[tariff] = problem("version-not-billable", version=version.model.name)
        else:
            loaded[tariff] = version
    if refusals:
        raise Refused(refusals)
    return loaded, [park(one, failed[one.tariff]) for one in terms if one.tariff in failed]


def _gate(conn: Connection, utility: str, version: TariffVersion, adopted: dict[str, Row[Any]]) -> Problem | None:
    """Government-set pricing as software: what is neither published nor adopted by this utility bills nobody; a draft never does."""
    said = {"version": version.model.name, "status": version.status, "tariff": version.id, "effective": version.effective}
    if version.status == "draft":
        return problem("version-draft", **said)
    if version.status == "published" or version.digest in adopted:
        return None
    other = versions.adopted_other_text(conn, utility, version.id, version.effective, version.revision)
    if other:
        return problem("version-changed", digest=version.digest[:12], adopted=other[:12], **said)
    return problem("version-not-adopted", **said)


def keep_version(conn: Connection, utility: str, version: TariffVersion) -> None:
    """Keep the version's text, once."""
    model = version.model
    versions.keep(
        conn,
        utility,
        digest=model.digest,
        tariff=model.tariff,
        effective=model.effective,
        revision=model.revision,
        known=model.known,
        end=model.end,
        language=model.language,
        status=model.status,
        title=json.dumps(dict(model.title), ensure_ascii=False),
        content=model.content,
    )


def adopt(db: Engine, settings: Settings, tariff: str, on: date, document: str, now: datetime) -> tuple[TariffVersion, bool]:
    """Put the version in force on ``on`` into force for this utility, by a document; whether it was new."""
    if not document.strip():
        raise refused("document-missing")
    try:
        version = load(tariff, on=on, rules=settings.roots)
    except TariffError as error:
        raise Refused(error.problems) from error
    if version.status == "draft":
        raise refused("version-draft", version=version.model.name, status=version.status, tariff=version.id, effective=version.effective)
    with writing(db, settings.utility) as conn:
        if versions.adoption(conn, settings.utility, version.digest) is not None:
            return version, False
        keep_version(conn, settings.utility, version)
        versions.adopt(conn, settings.utility, version.digest, settings.user, now, document.strip())
    return version, True


def review(db: Engine, settings: Settings, run: str, now: datetime) -> str:
    """Mark a draft run as reviewed; one already past that stays as it is. Its id."""
    with writing(db, settings.utility) as conn:
        found = pick(conn, settings.utility, run, (*store.OPEN, "issued", "empty", "cancelled") if run else store.OPEN)
        if found.state == "draft":
            store.change(conn, settings.utility, found.id, state="reviewed", reviewed_by=settings.user, reviewed_at=now)
        return str(found.id)


def approve(db: Engine, settings: Settings, run: str, now: datetime) -> str:
    """Four eyes: who created the run may not approve it, unless the office is set to one person."""
    with writing(db, settings.utility) as conn:
        found = _in_state(conn, settings.utility, run, "reviewed", "approve")
        if found.created_by == settings.user and not settings.one_person:
            raise refused("same-person", user=settings.user, run=found.id)
        store.change(conn, settings.utility, found.id, state="approved", approved_by=settings.user, approved_at=now)
        return str(found.id)


def issue(db: Engine, settings: Settings, run: str, now: datetime) -> str:
    """Number every document that is not over zero, without gaps, in the order of accounts, and close the run."""
    with writing(db, settings.utility) as conn:
        found = _in_state(conn, settings.utility, run, "approved", "issue")
        year = now.astimezone(ZoneInfo(settings.timezone)).year
        numbers: list[tuple[str, str, str]] = []
        zeros: list[str] = []
        by_series: dict[str, list[str]] = {}
        for row in documents.of_run(conn, settings.utility, found.id):
            if row.total:
                by_series.setdefault(series_of(row.kind, row.direction), []).append(row.id)
            else:
                zeros.append(row.id)
        for kind, ids in by_series.items():
            first = documents.reserve(conn, settings.utility, kind, year, len(ids))
            numbers += [(one, kind, number(kind, year, first + rank)) for rank, one in enumerate(ids)]
        documents.issue(conn, settings.utility, found.id, numbers, zeros, now)
        store.change(conn, settings.utility, found.id, state="issued", issued_by=settings.user, issued_at=now)
        return str(found.id)


def cancel(db: Engine, settings: Settings, run: str, now: datetime) -> str:
    """Take back a run that is not issued; its contracts can be billed again."""
    with writing(db, settings.utility) as conn:
        found = pick(conn, settings.utility, run, store.OPEN)
        if found.state not in store.OPEN:
            raise refused("wrong-state", run=found.id, state=found.state, action="cancel", needed=", ".join(store.OPEN))
        store.release(conn, settings.utility, found.id)
        documents.cancel(conn, settings.utility, found.id)
        store.change(conn, settings.utility, found.id, state="cancelled", cancelled_by=settings.user, cancelled_at=now)
        return str(found.id)


def pick(conn: Connection, utility: str, run: str, states: Sequence[str]) -> Row[Any]:
    """The run that was named, or the latest in one of ``states``."""
    found = store.get(conn, utility, run) if run else store.latest(conn, utility, states)
    if found is None:
        raise refused("no-such-run", run=run) if run else refused("no-run", states=", ".join(states))
    return found


def run_of(db: Engine, utility: str, run: str, states: Sequence[str]) -> Row[Any]:
    """Like ``pick``, in a transaction of its own."""
    with reading(db, utility) as conn:
        return pick(conn, utility, run, states)


def _in_state(conn: Connection, utility: str, run: str, state: str, action: str) -> Row[Any]:
    found = store.get(conn, utility, run) if run else store.latest(conn, utility, [state]) or store.latest(conn, utility, store.OPEN)
    if found is None:
        raise refused("no-such-run", run=run) if run else refused("no-run", states=state)
    if found.state != state:
        raise refused("wrong-state", run=found.id, state=found.state, action=action, needed=state)
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


def _exception_row(one: Parked) -> dict[str, Any]:
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
