"""Working a run: chunk after chunk, each taken, done and marked in one transaction, by as many workers as there are.

The row of a chunk, locked, is the lease: a worker that is killed lets go of it at that moment, and the next takes it up as if
nothing had been done, since nothing was. Whoever finds no chunk left closes the run. So there is nothing to clean up, no
clock to agree on, and no queue beside the database that could say something else. A chunk that fails is left with its reason;
the others are worked, and whoever comes next tries it again.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import date, datetime

from billing_service import failures, issuing
from billing_service.chunk import Progress, bill_chunk
from billing_service.fixed import Fixed, from_row
from billing_service.problems import Refused
from billing_service.runs import CHUNK, Outcome, begin_in, begin_issue, clock, finish, outcome_of
from billing_service.settings import Settings
from billing_service.store import connect
from billing_service.store import runs as store
from billing_service.store.connect import Engine, reading, writing
from billing_service.terms import Period
from tariffs.errors import Problem

#: Seconds between two looks at chunks that other workers are inside of.
_PATIENCE = 0.1
#: Seconds in which somebody else may write to SQLite between two chunks: its lock goes to whoever asks first, not to who waited longest.
_GAP = 0.01
#: Seconds after which a worker that waits for runs tries one again that failed.
_AGAIN = 60.0


def start_run(
    db: Engine, settings: Settings, period: Period, known: date | None, now: datetime, progress: Progress, *, size: int = CHUNK, workers: int = 1
) -> Outcome:
    """Bill a period: invoices for what was never billed, differences for what was and has changed, the rest parked with its reason.

    A run that was killed goes on where it was: call it again.
    """
    with writing(db, settings.utility) as conn:
        run = begin_in(conn, settings, period, known, now, size=size)
    return work(db, settings, run, progress, workers) or Outcome("", *[0] * 7)


def issue(db: Engine, settings: Settings, run: str, now: datetime, progress: Progress = lambda _what, _done, _of: None, *, workers: int = 1) -> str:
    """Number every document that is not over zero, without gaps, in the order of accounts, and close the run."""
    found = begin_issue(db, settings, run, now)
    work(db, settings, found, progress, workers)
    return found


def work(db: Engine, settings: Settings, run: str, progress: Progress, workers: int = 1) -> Outcome | None:
    """Work on a run until it is billed, or issued; None where it is gone or was never there. SQLite has one writer, and so one worker.

    Refused: chunks failed (``failures``), and nothing else is left to do.
    """
    helpers = _helpers(settings, run, workers - 1 if db.dialect.name == "postgresql" else 0)
    try:
        return _work(db, settings.utility, run, progress)
    finally:
        for one in helpers:
            one.join()


def work_all(db: Engine, settings: Settings, progress: Progress, *, forever: bool = False, stop: Callable[[], bool] = lambda: False, pause: float = 1.0) -> int:
    """Work on every run of the utility that is in work; how many. ``forever``: until ``stop`` says so, looking again after each ``pause``.

    One in which chunks fail holds up no other. Refused, once all were tried: what failed; ``forever`` tries again after a while.
    """
    done, wrong, later = 0, list[Problem](), dict[str, float]()
    while not stop():
        with reading(db, settings.utility) as conn:
            found = [run for run in store.in_work(conn, settings.utility) if later.get(run, 0.0) <= time.monotonic()]
        if found:
            try:
                _work(db, settings.utility, found[0], progress, stop)
                done += 1
            except Refused as refusal:
                later[found[0]] = time.monotonic() + (_AGAIN if forever else math.inf)
                wrong += () if forever else refusal.problems
        elif not forever:
            break
        else:
            time.sleep(pause)
    if wrong:
        raise Refused(wrong)
    return done


def _helpers(settings: Settings, run: str, count: int) -> list[multiprocessing.process.BaseProcess]:
    context = multiprocessing.get_context("spawn")  # a fork would share connections and threads of columns
    made: list[multiprocessing.process.BaseProcess] = [context.Process(target=_help, args=(settings, run), daemon=True) for _ in range(max(0, count))]
    for one in made:
        one.start()
    return made


def _help(settings: Settings, run: str) -> None:
    with connect.opened(settings.url) as engine, suppress(Refused):  # what failed stands with the run, and whoever asked for help tells it
        _work(engine, settings.utility, run, lambda _what, _done, _of: None)


def _work(db: Engine, utility: str, run: str, progress: Progress, stop: Callable[[], bool] = lambda: False) -> Outcome | None:
    fixed: Fixed | None = None
    counted: dict[str, int] = {}
    failed: set[int] = set()
    while not stop():
        chunk = None
        try:
            with writing(db, utility, alone=False) as conn:
                row = store.get(conn, utility, run)
                if row is None:
                    return None
                if row.state not in store.WORKED:
                    return outcome_of(conn, utility, run)
                chunk = store.take(conn, utility, run, "waiting" if row.state == "running" else "numbering", failed)
                if chunk is not None:
                    # Seen with the chunk in hand: whoever takes a run back waits for it, and whoever comes later finds it taken back.
                    row = store.get(conn, utility, run)
                    if row is None or row.state not in store.WORKED:
                        continue
                    if row.state == "running":
                        fixed = fixed or from_row(conn, utility, row)
                        counts = bill_chunk(conn, utility, fixed, chunk.seq, chunk.first_account, chunk.last_account)
                        told = json.dumps(counts, sort_keys=True)
                        store.change_chunk(conn, utility, run, chunk.seq, state="done", attempts=chunk.attempts + 1, counts=told, failure="")
                    else:
                        issuing.number_chunk(conn, utility, row, chunk)
                    counted = store.count_chunks(conn, utility, run)
        except Exception as error:
            if chunk is None:
                raise
            failures.keep(db, utility, run, chunk, error, clock())
            failed.add(chunk.seq)
            continue
        if chunk is not None:
            progress("store" if row.state == "running" else "invoices", sum(counted.values()) - counted.get(chunk.state, 0), sum(counted.values()))
            time.sleep(_GAP if db.dialect.name == "sqlite" else 0)
            continue
        found = _close(db, utility, run, failed)
        if found is not None:
            return found
        time.sleep(_PATIENCE)
    return None


def _close(db: Engine, utility: str, run: str, failed: Collection[int]) -> Outcome | None:
    """Take a run on when nothing of it is left to do; None while others are inside their chunks. Refused: only what ``failed`` here is left."""
    with writing(db, utility) as conn:
        row = store.get(conn, utility, run)
        if row is None:
            return Outcome("", *[0] * 7)
        left = store.chunks_left(conn, utility, run) if row.state in store.WORKED else set()
        if left:
            if left <= set(failed):
                raise failures.refusal(run, failures.of_run(conn, utility, run))
            return None
        if row.state == "running":
            return finish(conn, utility, row)
        if row.state == "issuing":
            issuing.finish(conn, utility, row)
        return outcome_of(conn, utility, run)
