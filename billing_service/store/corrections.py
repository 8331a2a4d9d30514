"""Which periods were issued, and to whom."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select

from billing_service.store.documents import CREDIT, ISSUED
from billing_service.store.tables import documents, runs


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


def taking_back(conn: Connection, utility: str, run: Row[Any]) -> int:
    """How many differences of a run mend what was issued by facts that became known after the day up to which it knows."""
    if run.known is None:
        return 0
    own = runs.c
    found = conn.execute(select(own.id, own.known, own.as_of).where(own.utility == utility, own.period_start == run.period_start, own.id != run.id))
    later = [one.id for one in found if (one.known or one.as_of.date()) > run.known]
    mine, before = documents.c, documents.alias("before")
    same = [before.c[name] == mine[name] for name in ("utility", "account", "period_start", "period_end", "direction")]
    issued = exists().where(*same, before.c.state.in_(ISSUED), before.c.kind != CREDIT, before.c.run.in_(later))
    query = select(func.count()).select_from(documents).where(mine.utility == utility, mine.run == run.id, mine.kind == "difference")
    return conn.execute(query.where(mine.state != "cancelled", issued)).scalar_one()
