"""Accounts as they are, and as a run knew them: the row that came first, or the newest revision that had come.

A run knows what had been imported when it began, so its documents bear the name and address that were reviewed, for ever. A credit
note is issued at once, outside any run, and knows what had come by then.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Label, Select, and_, case, exists, literal, select, true

from billing_service.store.tables import account_revisions, accounts, documents, imports, runs

#: What may change.
CONTENT = ("name", "class", "address", "district", "known")
Arrived = Callable[[Any], ColumnElement[bool]]


def newest() -> Select[Any]:
    """Every account as it is now, with the number of its revision; to be narrowed and ordered by columns of ``accounts``."""
    return select(accounts.c.utility, accounts.c.account, *(_now(name) for name in CONTENT), _now("revision")).select_from(_revised(accounts, _any))


def beside_documents(conn: Connection, utility: str, run: str, joined: FromClause) -> FromClause:
    """``joined``, which holds documents of ``run``, with the account of each as the run knew it; ``of_document`` names its columns."""
    same = (documents.c.utility == accounts.c.utility) & (documents.c.account == accounts.c.account)
    return _revised(joined.join(accounts, same), _arrived(conn, utility, run))


def of_document(*names: str) -> list[Label[Any]]:
    """Columns of ``CONTENT``; the class is called ``payer_class``."""
    return [_now(name).label("payer_class" if name == "class" else name) for name in names]


def _now(name: str) -> Label[Any]:
    first = accounts.c.get(name, literal(1))
    return case((account_revisions.c.revision.is_(None), first), else_=account_revisions.c[name]).label(name)


def _revised(joined: FromClause, arrived: Arrived) -> FromClause:
    mine, newer = account_revisions.c, account_revisions.alias("newer")
    later = exists().where(newer.c.utility == mine.utility, newer.c.account == mine.account, newer.c.revision > mine.revision, arrived(newer))
    return joined.outerjoin(account_revisions, and_(mine.utility == accounts.c.utility, mine.account == accounts.c.account, arrived(account_revisions), ~later))


def _any(_table: Any) -> ColumnElement[bool]:
    return true()


def _arrived(conn: Connection, utility: str, run: str) -> Arrived:
    options = json.loads(conn.execute(select(runs.c.options).where(runs.c.utility == utility, runs.c.id == run)).scalar() or "{}")
    if "imports" in options:
        return lambda table: table.c.import_id <= options["imports"]
    mine = imports.c
    return lambda table: exists().where(mine.utility == table.c.utility, mine.id == table.c.import_id, mine.at <= documents.c.issued_at)
