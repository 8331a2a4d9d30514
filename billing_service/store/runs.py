"""Runs, their exceptions, and who is billed for what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from billing_service.store.ledger import chunks
from billing_service.store.tables import billed, exceptions, runs

OPEN = ("draft", "reviewed", "approved")


def add(conn: Connection, utility: str, **values: Any) -> None:
    """A new run."""
    conn.execute(insert(runs).values(utility=utility, **values))


def change(conn: Connection, utility: str, run: str, **values: Any) -> None:
    """Take a run to its next state."""
    conn.execute(update(runs).where(runs.c.utility == utility, runs.c.id == run).values(**values))


def get(conn: Connection, utility: str, run: str) -> Row[Any] | None:
    """One run."""
    return conn.execute(select(runs).where(runs.c.utility == utility, runs.c.id == run)).first()


def latest(conn: Connection, utility: str, states: Iterable[str]) -> Row[Any] | None:
    """The newest run in one of ``states``."""
    table = runs.c
    query = select(runs).where(table.utility == utility, table.state.in_(list(states)))
    return conn.execute(query.order_by(table.as_of.desc(), table.id.desc()).limit(1)).first()


def every(conn: Connection, utility: str) -> list[Row[Any]]:
    """All runs, newest first."""
    return list(conn.execute(select(runs).where(runs.c.utility == utility).order_by(runs.c.as_of.desc(), runs.c.id.desc())))


def count_in_period(conn: Connection, utility: str, start: date, end: date) -> int:
    """How many runs this very period has had; the next one's ordinal follows."""
    table = runs.c
    query = select(func.count()).select_from(runs).where(table.utility == utility, table.period_start == start, table.period_end == end)
    return conn.execute(query).scalar_one()


def claim(conn: Connection, utility: str, run: str, start: date, end: date, keys: Iterable[tuple[str, str]]) -> None:
    """Mark (account, tariff) as billed for the period; the database refuses a second claim."""
    for piece in chunks(keys):
        conn.execute(
            insert(billed),
            [{"utility": utility, "account": account, "tariff": tariff, "period_start": start, "period_end": end, "run": run} for account, tariff in piece],
        )


def release(conn: Connection, utility: str, run: str) -> None:
    """Give back what a cancelled run had claimed."""
    conn.execute(delete(billed).where(billed.c.utility == utility, billed.c.run == run))


def claimed(conn: Connection, utility: str, start: date, end: date) -> list[Row[Any]]:
    """Everything billed, or waiting to be, for a period that touches [start, end), with the state of its run."""
    joined = billed.join(runs, (billed.c.utility == runs.c.utility) & (billed.c.run == runs.c.id))
    query = select(billed, runs.c.state).select_from(joined)
    return list(conn.execute(query.where(billed.c.utility == utility, billed.c.period_start < end, billed.c.period_end > start)))


def add_exceptions(conn: Connection, utility: str, run: str, found: Iterable[Mapping[str, Any]]) -> None:
    """Keep what could not be billed, in order."""
    for piece in chunks({**one, "utility": utility, "run": run, "seq": seq} for seq, one in enumerate(found, 1)):
        conn.execute(insert(exceptions), piece)


def exceptions_of(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """A run's exceptions in order."""
    return list(conn.execute(select(exceptions).where(exceptions.c.utility == utility, exceptions.c.run == run).order_by(exceptions.c.seq)))
