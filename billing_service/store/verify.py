"""What the check of a whole database looks at: documents by id, what was issued before each, the numbers of a series, and what events tell of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from billing_service.store.documents import CREDIT, ISSUED, OPEN
from billing_service.store.tables import adoptions, billed, documents, events, exceptions, holds, lines, parts, runs, series

_AT_ONCE = 10_000


def ids(conn: Connection, utility: str) -> list[str]:
    """Every issued document, also those over zero, in an order that does not depend on when they came."""
    mine = documents.c
    return list(conn.execute(select(mine.id).where(mine.utility == utility, mine.state.in_(ISSUED)).order_by(mine.id)).scalars())


def document(conn: Connection, utility: str, key: str) -> tuple[Row[Any], list[Row[Any]], list[Row[Any]]]:
    """One document with its lines in order and its parts by tariff and day."""
    found = conn.execute(select(documents).where(documents.c.utility == utility, documents.c.id == key)).one()
    mine = conn.execute(select(lines).where(lines.c.utility == utility, lines.c.document == key).order_by(lines.c.seq)).all()
    gave = conn.execute(select(parts).where(parts.c.utility == utility, parts.c.document == key).order_by(parts.c.tariff, parts.c.seq)).all()
    return found, list(mine), list(gave)


def before(conn: Connection, utility: str, one: Row[Any]) -> list[Row[Any]]:
    """Lines issued to the same account for the same period before this document, without credit notes; oldest first."""
    mine, same = documents.c, (lines.c.utility == documents.c.utility) & (lines.c.document == documents.c.id)
    query = select(lines).select_from(lines.join(documents, same)).where(mine.utility == utility, mine.account == one.account)
    query = query.where(mine.period_start == one.period_start, mine.period_end == one.period_end, mine.state.in_(ISSUED), mine.kind != CREDIT)
    query = query.where(mine.issued_at < one.issued_at, mine.run != one.run)
    return list(conn.execute(query.order_by(mine.issued_at, mine.id, lines.c.seq)))


def taken(conn: Connection, utility: str) -> list[Row[Any]]:
    """Each series and year with the number that follows."""
    mine = series.c
    return list(conn.execute(select(series).where(mine.utility == utility).order_by(mine.kind, mine.year)))


def numbers(conn: Connection, utility: str) -> Iterator[Any]:
    """(series, number) of every numbered document."""
    mine = documents.c
    query = select(mine.series, mine.number).where(mine.utility == utility, mine.number.is_not(None)).order_by(mine.series, mine.number)
    yield from conn.execution_options(yield_per=_AT_ONCE).execute(query)


def being_numbered(conn: Connection, utility: str) -> int:
    """Documents whose number is taken and not yet written, because their run is being issued right now."""
    mine, run = documents.c, runs.c
    joined = documents.join(runs, (run.utility == mine.utility) & (run.id == mine.run))
    query = select(func.count()).select_from(joined).where(mine.utility == utility, run.state == "issuing", mine.state == "draft", mine.total != Decimal(0))
    return conn.execute(query).scalar_one()


# --- what events tell of ------------------------------------------------------------------------------------------


def told(conn: Connection, utility: str, kinds: Sequence[str]) -> Iterator[Any]:
    """Events of these kinds, in order."""
    query = select(events).where(events.c.utility == utility, events.c.kind.in_(kinds)).order_by(events.c.seq)
    yield from conn.execution_options(yield_per=_AT_ONCE).execute(query)


def first_told(conn: Connection, utility: str) -> datetime | None:
    """The moment of the first event."""
    return conn.execute(select(events.c.at).where(events.c.utility == utility).order_by(events.c.seq).limit(1)).scalar()


def every_run(conn: Connection, utility: str) -> list[Row[Any]]:
    """All runs but the books of credit notes, which no event tells of."""
    return list(conn.execute(select(runs).where(runs.c.utility == utility, runs.c.kind != CREDIT).order_by(runs.c.id)))


def counts_of_runs(conn: Connection, utility: str) -> dict[str, tuple[int, int, int]]:
    """Exceptions, documents that were held, and documents of each run."""
    found: dict[str, list[int]] = {}
    for at, (table, count) in enumerate(((exceptions, func.count()), (holds, func.count(holds.c.document.distinct())), (documents, func.count()))):
        for run, many in conn.execute(select(table.c.run, count).where(table.c.utility == utility).group_by(table.c.run)):
            found.setdefault(run, [0, 0, 0])[at] = many
    return {run: (one[0], one[1], one[2]) for run, one in found.items()}


def every_hold(conn: Connection, utility: str) -> list[Row[Any]]:
    """Every rule that spoke, by document."""
    return list(conn.execute(select(holds).where(holds.c.utility == utility).order_by(holds.c.document, holds.c.rule)))


def every_adoption(conn: Connection, utility: str) -> list[Row[Any]]:
    """All adoptions, by tariff."""
    return list(conn.execute(select(adoptions).where(adoptions.c.utility == utility).order_by(adoptions.c.tariff, adoptions.c.digest)))


def every_credit(conn: Connection, utility: str) -> list[Row[Any]]:
    """All credit notes, by number."""
    mine = documents.c
    return list(conn.execute(select(documents).where(mine.utility == utility, mine.kind == CREDIT).order_by(mine.number)))


def bills_unmarked(conn: Connection, utility: str) -> list[Row[Any]]:
    """(run, account, tariff, days) that a run bills for good and that is not marked as billed."""
    return list(conn.execute(_bills(utility).except_(_marks(utility)).order_by("run", "account", "tariff")))


def marks_unbilled(conn: Connection, utility: str) -> list[Row[Any]]:
    """(run, account, tariff, days) that is marked as billed by a run that did not bill it."""
    return list(conn.execute(_marks(utility).except_(_bills(utility)).order_by("run", "account", "tariff")))


def _bills(utility: str) -> Select[Any]:
    mine, gave, run = documents.c, parts.c, runs.c
    joined = documents.join(parts, (gave.utility == mine.utility) & (gave.document == mine.id)).join(runs, (run.utility == mine.utility) & (run.id == mine.run))
    query = select(mine.run, mine.account, gave.tariff, mine.period_start, mine.period_end).select_from(joined)
    return query.where(mine.utility == utility, mine.kind == "invoice", mine.state.in_((*ISSUED, *OPEN)), run.state.in_(("issuing", "issued")))


def _marks(utility: str) -> Select[Any]:
    mine, run = billed.c, runs.c
    query = select(mine.run, mine.account, mine.tariff, mine.period_start, mine.period_end)
    query = query.select_from(billed.join(runs, (run.utility == mine.utility) & (run.id == mine.run)))
    return query.where(mine.utility == utility, run.state.in_(("issuing", "issued")))
