"""Credit notes: what stands of a bill, and the note beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from billing_service.billing import Line
from billing_service.store.documents import CREDIT, ISSUED
from billing_service.store.tables import documents, lines, runs


def lines_of_bill(conn: Connection, utility: str, document: Row[Any]) -> list[Row[Any]]:
    """Every issued line of the account for the period of ``document``, its tariffs, direction and currency; credit notes too, oldest first."""
    found, same = documents.c, (lines.c.utility == documents.c.utility) & (lines.c.document == documents.c.id)
    tariffs = select(lines.c.tariff).where(lines.c.utility == utility, lines.c.document == document.id)
    query = select(lines, found.kind.label("document_kind")).select_from(lines.join(documents, same))
    query = query.where(found.utility == utility, found.account == document.account, found.state.in_(ISSUED), lines.c.tariff.in_(tariffs))
    query = query.where(found.period_start == document.period_start, found.period_end == document.period_end)
    query = query.where(found.direction == document.direction, found.currency == document.currency)
    return list(conn.execute(query.order_by(found.issued_at, found.id, lines.c.seq)))


def number_of(conn: Connection, utility: str, document: str) -> str:
    """The number of a document by its id."""
    return str(conn.execute(select(documents.c.number).where(documents.c.utility == utility, documents.c.id == document)).scalar() or document)


def open_book(conn: Connection, utility: str, run: str, by: str, now: datetime) -> None:
    """Make sure of the run that credit notes of a year belong to. It has no period: its days touch those of no other run."""
    if conn.execute(select(runs.c.id).where(runs.c.utility == utility, runs.c.id == run)).first() is None:
        day = now.date()
        fixed = {"period_start": day, "period_end": day, "kind": CREDIT, "state": "issued-singly", "as_of": now}
        conn.execute(insert(runs).values(utility=utility, id=run, created_by=by, counts="{}", **fixed))


def add(conn: Connection, utility: str, document: Row[Any], given: Sequence[Line], **values: Any) -> None:
    """A credit note over lines of the bill of ``document``, still a draft; ``values``: id, run, total and reason."""
    same = {name: getattr(document, name) for name in ("account", "period_start", "period_end", "currency", "direction")}
    conn.execute(insert(documents).values(utility=utility, kind=CREDIT, state="draft", corrects=document.id, **same, **values))
    rows = [{"utility": utility, "document": values["id"], "seq": seq, **_columns(line)} for seq, line in enumerate(given, 1)]
    conn.execute(insert(lines), rows)


def _columns(line: Line) -> dict[str, Any]:
    return {name: getattr(line, name) for name in ("tariff", "digest", "charge", "kind", "label", "clause", "amount")}
