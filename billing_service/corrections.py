"""Corrections in bulk: every period that was issued is billed again by what is known now, and what differs becomes difference documents.

Each period is one run like any other (reviewed, approved, issued, continued after a kill), so the sum of its documents is the full
recomputation minus everything issued; one that gives nothing leaves no documents. Periods in which plants alone were settled are
settled again plant by plant; a month that a final settlement covers is closed, and the final is what changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from billing_service import runs, settling, working
from billing_service.chunk import Progress
from billing_service.problems import Refused, problem, refused
from billing_service.runs import Outcome
from billing_service.settings import Settings
from billing_service.store import corrections as store
from billing_service.store import runs as runs_of
from billing_service.store.connect import Connection, Engine, attempt, reading
from billing_service.terms import Period
from tariffs.errors import Problem

#: Why a settlement is not corrected by itself.
_CLOSED = "year-closed"


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of one period; ``plant`` is empty where everybody was billed. ``problems``: why nothing was done."""

    period: Period
    plant: str
    outcome: Outcome | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """The run of one period; empty where nothing differs or ``problems`` say why there is none."""

    period: Period
    plant: str
    run: str
    problems: tuple[Problem, ...] = ()


def correct(
    db: Engine, settings: Settings, periods: Sequence[Period], known: date | None, now: datetime, progress: Progress, *, workers: int = 1
) -> list[Corrected]:
    """One correction run for each period named, or for every period issued; a killed one goes on when this is called again.

    Refused: a ``known`` that is still to come.
    """
    _past(settings, known, now)
    with reading(db, settings.utility) as conn:
        todo = targets(conn, settings.utility, periods)
    found: list[Corrected] = []
    for period, plant in todo:
        try:
            if plant:
                outcome = settling.settle(db, settings, plant, period, known, now, progress)
            else:
                outcome = working.start_run(db, settings, period, known, now, progress, workers=workers)
        except Refused as refusal:
            if not _is_closed(refusal):
                found.append(Corrected(period, plant, None, refusal.problems))
            continue
        found.append(Corrected(period, plant, outcome))
    return found


def begin_in(conn: Connection, settings: Settings, periods: Sequence[Period], known: date | None, now: datetime) -> list[Begun]:
    """``correct`` begun inside one transaction: plants are settled in it, all other runs are left to be worked (``working.work``).

    Plants come first, since nothing is settled while a run over the same days is in work; a period that overlaps one just begun
    is refused with that reason, and begun when this is called again.
    """
    _past(settings, known, now)
    found: list[Begun] = []
    for period, plant in sorted(targets(conn, settings.utility, periods), key=lambda one: not one[1]):
        try:
            with attempt(conn):
                if plant:
                    run = settling.settle_in(conn, settings, plant, period, known, now).id
                else:
                    run = runs.begin_in(conn, settings, period, known, now, keep=True)
        except Refused as refusal:
            if not _is_closed(refusal):
                found.append(Begun(period, plant, "", refusal.problems))
            continue
        found.append(Begun(period, plant, run))
    return found


def targets(conn: Connection, utility: str, periods: Sequence[Period]) -> list[tuple[Period, str]]:
    """What to bill again, oldest first, the shorter period first: a period for everybody, or one with its plant. Refused: a period never issued."""
    issued = store.periods(conn, utility)
    absent = [one for one in periods if one not in issued]
    if absent:
        raise Refused([problem("correct-never-issued", start=start, end=end) for start, end in absent])
    found: list[tuple[Period, str]] = []
    for period in sorted(set(periods) or issued, key=lambda one: (one[1], one[1] - one[0])):
        found += [(period, plant) for plant in issued[period]] or [(period, "")]
    return found


def taking_back(conn: Connection, utility: str, made: Sequence[str]) -> dict[str, int]:
    """How many differences of each run take back what was issued by facts that became known after its day; runs without one are left out."""
    rows = [row for row in (runs_of.get(conn, utility, run) for run in made if run) if row is not None]
    counts = {row.id: store.taking_back(conn, utility, row) for row in rows}
    return {run: count for run, count in counts.items() if count}


def _past(settings: Settings, known: date | None, now: datetime) -> None:
    today = now.astimezone(ZoneInfo(settings.timezone)).date()
    if known is not None and known > today:
        raise refused("correct-known-to-come", known=known, today=today)


def _is_closed(refusal: Refused) -> bool:
    return {one.code for one in refusal.problems} == {_CLOSED}
