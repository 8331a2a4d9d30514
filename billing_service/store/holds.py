"""Bills that wait for a person, and what that person decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, exists, func, insert, select, tuple_, update

from billing_service.store.accounts import beside_documents, of_document
from billing_service.store.documents import CREDIT, ISSUED
from billing_service.store.ledger import Among, within
from billing_service.store.tables import documents, holds, lines, parts


def add(conn: Connection, utility: str, run: str, found: Iterable[Mapping[str, Any]]) -> None:
    """Hold documents: rows of document, rule, values and reason."""
    rows = [{**one, "utility": utility, "run": run} for one in found]
    if rows:
        conn.execute(insert(holds), rows)


def of_run(conn: Connection, utility: str, run: str, after: tuple[str, str] | None = None, limit: int | None = None) -> list[Row[Any]]:
    """Every rule that spoke in a run, with its document and account, by account and document; a page of them where asked."""
    mine = documents.c
    joined = holds.join(documents, (holds.c.utility == mine.utility) & (holds.c.document == mine.id))
    query = select(holds, mine.account, *of_document("name"), mine.total, mine.currency).select_from(beside_documents(conn, utility, run, joined))
    query = query.where(holds.c.utility == utility, holds.c.run == run)
    if after is not None:
        query = query.where(tuple_(holds.c.document, holds.c.rule) > tuple_(*after))
    order = (holds.c.document, holds.c.rule) if limit is not None else (mine.account, holds.c.document, holds.c.rule)
    return list(conn.execute(query.order_by(*order).limit(limit)))


def count_held(conn: Connection, utility: str, run: str) -> int:
    """How many documents of a run still wait."""
    mine = documents.c
    query = select(func.count()).select_from(documents).where(mine.utility == utility, mine.run == run, mine.state == "held")
    return conn.execute(query).scalar_one()


def held(conn: Connection, utility: str, run: str, document: str = "", rule: str = "", *, alone: bool = False) -> list[Row[Any]]:
    """The documents of a run that still wait, or the one that is named; those about which ``rule`` spoke, ``alone``: and no other."""
    mine = documents.c
    query = select(documents).where(mine.utility == utility, mine.run == run, mine.state == "held")
    query = query.where(mine.id == document) if document else query
    if rule:
        spoke = exists().where(holds.c.utility == utility, holds.c.document == mine.id)
        query = query.where(spoke.where(holds.c.rule == rule))
        query = query.where(~spoke.where(holds.c.rule != rule)) if alone else query
    return list(conn.execute(query.order_by(mine.account, mine.id)))


def decide(conn: Connection, utility: str, ids: Sequence[str], state: str, by: str, at: datetime, note: str) -> None:
    """Write down what a person decided about documents that are held."""
    mine = holds.c
    change = update(holds).where(mine.utility == utility, mine.document.in_(ids), mine.state == "held")
    conn.execute(change.values(state=state, by=by, at=at, note=note))


def tariffs_of(conn: Connection, utility: str, document: str) -> list[str]:
    """The tariffs on a document."""
    query = select(lines.c.tariff).where(lines.c.utility == utility, lines.c.document == document).distinct()
    return sorted(conn.execute(query).scalars())


def before(conn: Connection, utility: str, start: date, among: Among) -> dict[tuple[str, str], tuple[date, Decimal]]:
    """The latest bill of each account and direction before ``start``: the day its period began, and its total with differences.

    What was credited out of goodwill says nothing about use, and does not count.
    """
    mine = documents.c
    where = (mine.utility == utility, mine.period_end <= start, mine.state.in_(ISSUED), mine.kind != CREDIT, *within(mine.account, among))
    query = select(mine.account, mine.direction, mine.period_start, func.sum(mine.total).label("total")).where(*where)
    found: dict[tuple[str, str], tuple[date, Decimal]] = {}
    for row in conn.execute(query.group_by(mine.account, mine.direction, mine.period_start).order_by(mine.period_start)):
        found[row.account, row.direction] = (row.period_start, row.total)  # the latest comes last
    return found


def last_facts(conn: Connection, utility: str, start: date, among: Among) -> dict[tuple[str, str], str]:
    """The facts, as JSON, by which each account was last billed for the period that ended on ``start``, by account and tariff; corrections stand.

    Of a period that was split, those of its last part, which say so themselves.
    """
    mine = documents.c
    joined = parts.join(documents, (parts.c.utility == mine.utility) & (parts.c.document == mine.id))
    query = select(mine.account, parts.c.tariff, parts.c.facts).select_from(joined).where(mine.utility == utility, mine.period_end == start)
    query = query.where(mine.state.in_(ISSUED), mine.kind != CREDIT, *within(mine.account, among)).order_by(mine.issued_at, mine.id, parts.c.seq)
    return {(row.account, row.tariff): row.facts for row in conn.execute(query)}
