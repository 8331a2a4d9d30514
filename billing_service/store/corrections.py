"""Which periods were issued, and to whom."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, select

from billing_service.store.documents import CREDIT, ISSUED
from billing_service.store.tables import documents


def periods(conn: Connection, utility: str) -> dict[tuple[date, date], list[str]]:
    """Every period with an issued document: nothing where somebody was billed in it, else the plants that were paid, in order."""
    mine = documents.c
    where = (mine.utility == utility, mine.state.in_(ISSUED), mine.kind != CREDIT)
    query = select(mine.period_start, mine.period_end, mine.account).where(*where, mine.direction == "payable").distinct()
    found: dict[tuple[date, date], list[str]] = {}
    for start, end, account in conn.execute(query.order_by(mine.period_start, mine.period_end, mine.account)):
        found.setdefault((start, end), []).append(account)
    billed = select(mine.period_start, mine.period_end).where(*where, mine.direction == "receivable").distinct()
    return found | {(start, end): [] for start, end in conn.execute(billed)}
