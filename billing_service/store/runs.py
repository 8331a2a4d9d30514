"""Runs and their chunks, their exceptions, and who is billed for what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update

from billing_service.store.bulk import insert_columns
from billing_service.store.ledger import EVERYBODY, Among, within
from billing_service.store.tables import accounts, billed, exceptions, run_chunks, runs

#: A run that can still be taken back. What is being issued, or was, stands.
OPEN = ("running", "draft", "reviewed", "approved")
#: In work: its chunks are billed, or numbered.
WORKED = ("running", "issuing")
EVERY = (*OPEN, "issuing", "issued", "empty", "cancelled")
#: Exceptions of a chunk are numbered from its own number times this, so that chunks can be done in any order.
EXCEPTIONS_A_CHUNK = 1_000_000


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
    found = list(keys)
    count = len(found)
    columns = {"account": [account for account, _ in found], "tariff": [tariff for _, tariff in found]}
    insert_columns(conn, billed, utility, {**columns, "period_start": [start] * count, "period_end": [end] * count, "run": [run] * count})


def release(conn: Connection, utility: str, run: str) -> None:
    """Give back what a cancelled run had claimed."""
    conn.execute(delete(billed).where(billed.c.utility == utility, billed.c.run == run))


def release_key(conn: Connection, utility: str, run: str, account: str, tariff: str) -> None:
    """Give back one claim of a run that is not issued."""
    table = billed.c
    conn.execute(delete(billed).where(table.utility == utility, table.run == run, table.account == account, table.tariff == tariff))


def claimed(conn: Connection, utility: str, start: date, end: date, among: Among = EVERYBODY) -> list[Row[Any]]:
    """Everything billed, or waiting to be, for a period that touches [start, end), with the state of its run."""
    joined = billed.join(runs, (billed.c.utility == runs.c.utility) & (billed.c.run == runs.c.id))
    query = select(billed, runs.c.state).select_from(joined).where(*within(billed.c.account, among))
    return list(conn.execute(query.where(billed.c.utility == utility, billed.c.period_start < end, billed.c.period_end > start)))


def add_exceptions(conn: Connection, utility: str, run: str, chunk: int, found: list[dict[str, Any]]) -> None:
    """Keep what could not be billed in a chunk, in order."""
    assert len(found) < EXCEPTIONS_A_CHUNK, "a chunk has room for its exceptions"
    names = ("account", "contract", "tariff", "code", "values", "reason", "file", "line")
    first = chunk * EXCEPTIONS_A_CHUNK + 1
    columns: dict[str, list[Any]] = {"run": [run] * len(found), "seq": list(range(first, first + len(found)))}
    insert_columns(conn, exceptions, utility, columns | {name: [one[name] for one in found] for name in names})


def add_exception(conn: Connection, utility: str, run: str, one: Mapping[str, Any]) -> None:
    """Keep one more, after all others."""
    mine = (exceptions.c.utility == utility, exceptions.c.run == run)
    last = conn.execute(select(func.max(exceptions.c.seq)).where(*mine)).scalar() or 0
    conn.execute(insert(exceptions).values(**one, utility=utility, run=run, seq=last + 1))


def exceptions_of(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """A run's exceptions by what is wrong, tariff and account, whatever chunk they come from."""
    mine = exceptions.c
    query = select(exceptions).where(mine.utility == utility, mine.run == run)
    return list(conn.execute(query.order_by(mine.code, mine.tariff, mine.account, mine.file, mine.line, mine.seq)))


def exceptions_page(conn: Connection, utility: str, run: str, after: int, limit: int) -> list[Row[Any]]:
    """The next ``limit`` exceptions after a sequence number, by account range."""
    mine = exceptions.c
    return list(conn.execute(select(exceptions).where(mine.utility == utility, mine.run == run, mine.seq > after).order_by(mine.seq).limit(limit)))


# --- chunks -------------------------------------------------------------------------------------------------------


def working(conn: Connection, utility: str, start: date, end: date) -> Row[Any] | None:
    """A run that is billing a period which touches this one, right now or until it was killed."""
    table = runs.c
    query = select(runs).where(table.utility == utility, table.state == "running", table.period_start < end, table.period_end > start)
    return conn.execute(query.order_by(table.as_of).limit(1)).first()


def plan(conn: Connection, utility: str, run: str, size: int) -> int:
    """Cut all accounts into chunks of ``size``, by account; how many."""
    place = (func.row_number().over(order_by=accounts.c.account) - 1).label("place")
    placed = select(accounts.c.account, place).where(accounts.c.utility == utility).subquery()
    seq = (placed.c.place // size + 1).label("seq")
    query = select(seq, func.min(placed.c.account).label("first"), func.max(placed.c.account).label("last")).group_by(seq)
    found = [(row.seq, row.first, row.last) for row in conn.execute(query.order_by(seq))]
    add_chunks(conn, utility, run, found)
    return len(found)


def add_chunks(conn: Connection, utility: str, run: str, found: Iterable[tuple[int, str, str]]) -> None:
    """Chunks as (seq, first account, last account)."""
    rows = [{"utility": utility, "run": run, "seq": seq, "first_account": first, "last_account": last} for seq, first, last in found]
    if rows:
        conn.execute(insert(run_chunks), rows)


def in_work(conn: Connection, utility: str) -> list[str]:
    """The runs that are being billed or numbered, newest first."""
    mine = runs.c
    return list(conn.execute(select(mine.id).where(mine.utility == utility, mine.state.in_(WORKED)).order_by(mine.as_of.desc(), mine.id.desc())).scalars())


def take(conn: Connection, utility: str, run: str, state: str, but: Collection[int] = ()) -> Row[Any] | None:
    """A chunk in ``state`` that nobody works on, held to the end of the transaction: a worker that dies lets go of it. ``but``: none of these."""
    table = run_chunks.c
    query = select(run_chunks).where(table.utility == utility, table.run == run, table.state == state).order_by(table.seq).limit(1)
    query = query.where(table.seq.not_in(but)) if but else query
    return conn.execute(query.with_for_update(skip_locked=True)).first()


def hold_chunks(conn: Connection, utility: str, run: str) -> None:
    """Wait until no worker is inside a chunk of the run, and keep all of them out to the end of the transaction."""
    conn.execute(select(run_chunks.c.seq).where(run_chunks.c.utility == utility, run_chunks.c.run == run).order_by(run_chunks.c.seq).with_for_update()).all()


def change_chunk(conn: Connection, utility: str, run: str, seq: int, only: str = "", **values: Any) -> None:
    """Take a chunk to its next state; ``only``: where it is in this one."""
    mine = run_chunks.c
    query = update(run_chunks).where(mine.utility == utility, mine.run == run, mine.seq == seq)
    conn.execute((query.where(mine.state == only) if only else query).values(**values))


def chunks_left(conn: Connection, utility: str, run: str) -> set[int]:
    """The chunks of a run that are not billed, or not numbered, yet."""
    mine = run_chunks.c
    return set(conn.execute(select(mine.seq).where(mine.utility == utility, mine.run == run, mine.state.not_in(("done", "issued")))).scalars())


def count_failed(conn: Connection, utility: str) -> dict[str, int]:
    """How many chunks hold why they failed, by run in work."""
    mine, same = run_chunks.c, (runs.c.utility == run_chunks.c.utility) & (runs.c.id == run_chunks.c.run)
    query = select(mine.run, func.count().label("chunks")).select_from(run_chunks.join(runs, same)).group_by(mine.run)
    query = query.where(mine.utility == utility, mine.failure != "", runs.c.state.in_(WORKED))
    return {row.run: row.chunks for row in conn.execute(query.order_by(mine.run))}


def failed_chunks(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """The chunks of a run that hold why they failed, in order."""
    mine = run_chunks.c
    return list(conn.execute(select(run_chunks).where(mine.utility == utility, mine.run == run, mine.failure != "").order_by(mine.seq)))


def chunks_of(conn: Connection, utility: str, run: str) -> list[Row[Any]]:
    """All chunks of a run, in order."""
    return list(conn.execute(select(run_chunks).where(run_chunks.c.utility == utility, run_chunks.c.run == run).order_by(run_chunks.c.seq)))


def count_chunks(conn: Connection, utility: str, run: str) -> dict[str, int]:
    """How many chunks there are in each state."""
    mine = run_chunks.c
    query = select(mine.state, func.count().label("chunks")).where(mine.utility == utility, mine.run == run).group_by(mine.state)
    return {row.state: row.chunks for row in conn.execute(query)}


def remove(conn: Connection, utility: str, run: str) -> None:
    """Take away a run that gave nothing at all."""
    conn.execute(delete(run_chunks).where(run_chunks.c.utility == utility, run_chunks.c.run == run))
    conn.execute(delete(runs).where(and_(runs.c.utility == utility, runs.c.id == run)))
