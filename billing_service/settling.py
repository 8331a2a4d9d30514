"""Settling with a plant's operator: a run for one account, over what is paid to it. Same tables, numbers and differences as invoices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from billing_service import runs
from billing_service.chunk import Progress, Scope
from billing_service.problems import refused
from billing_service.settings import Settings
from billing_service.store import documents, ledger
from billing_service.store.connect import Connection, Engine, writing
from billing_service.terms import History, Period, Terms
from tariffs import period_holding


def settle(db: Engine, settings: Settings, plant: str, period: Period, known: date | None, now: datetime, progress: Progress) -> runs.Outcome:
    """Settle one period with one plant: a settlement for what was never settled, one difference for what was and has changed.

    A period that a final settlement covers is closed: what changed in it changes the final alone, so that a correction gives
    one document and not two. While another of the plant's settlements is a draft nothing that overlaps it is begun.
    """
    with writing(db, settings.utility) as conn:
        return settle_in(conn, settings, plant, period, known, now, progress)


def settle_in(
    conn: Connection, settings: Settings, plant: str, period: Period, known: date | None, now: datetime, progress: Progress = lambda _what, _done, _of: None
) -> runs.Outcome:
    """``settle`` inside a transaction that has the utility for itself."""
    _check(conn, settings.utility, plant, period)
    return runs.run_in(conn, settings, period, known, now, progress, Scope(plant, _due))


def _check(conn: Connection, utility: str, plant: str, period: Period) -> None:
    if plant not in ledger.known_accounts(conn, utility, [plant]):
        raise refused("no-such-plant", plant=plant)
    for row in documents.payable_to(conn, utility, plant, *period):
        other = (row.period_start, row.period_end)
        said = {"plant": plant, "start": row.period_start, "end": row.period_end, "run": row.run}
        if row.state == "draft" and other != period:
            raise refused("settlement-open", **said)
        if row.state != "draft" and other != period and row.period_start <= period[0] and period[1] <= row.period_end:
            raise refused("year-closed", number=row.number or row.id, **said)


def _due(loaded: Mapping[str, History], terms: Sequence[Terms], period: Period) -> tuple[dict[str, History], list[Terms]]:
    """The tariffs that pay, and settle periods of this very length: a year's final is not due in a month."""
    due = {tariff: own for tariff, own in loaded.items() if all(one.model.direction == "payable" and _fits(one.model.period, period) for one in own)}
    if not due:
        raise refused("nothing-to-settle", start=period[0], end=period[1], tariffs=", ".join(loaded) or "-")
    return due, [one for one in terms if one.tariff in due]


def _fits(wanted: str, period: Period) -> bool:
    calendar = period_holding(period[0], wanted)
    return calendar == period if calendar is not None else True
