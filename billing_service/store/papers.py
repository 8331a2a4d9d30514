"""What a printed document needs beyond itself: which documents it corrects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from billing_service.store.documents import CREDIT, ISSUED
from billing_service.store.tables import documents, lines


def corrected(conn: Connection, utility: str, document: Row[Any]) -> list[str]:
    """Numbers of what was issued before to the same account, for the same period, by a tariff of this document; oldest first."""
    found, same = documents.c, lines.c.utility == documents.c.utility
    tariffs = select(lines.c.tariff).where(lines.c.utility == utility, lines.c.document == document.id)
    query = select(found.number, found.issued_at).select_from(documents.join(lines, same & (lines.c.document == found.id))).distinct()
    query = query.where(found.utility == utility, found.account == document.account, found.direction == document.direction)
    query = query.where(found.period_start == document.period_start, found.period_end == document.period_end, lines.c.tariff.in_(tariffs))
    query = query.where(found.state.in_(ISSUED), found.number.is_not(None), found.id != document.id, found.kind != CREDIT)
    if document.issued_at is not None:
        query = query.where((found.issued_at < document.issued_at) | ((found.issued_at == document.issued_at) & (found.number < document.number)))
    return [row.number for row in conn.execute(query.order_by(found.issued_at, found.number))]
