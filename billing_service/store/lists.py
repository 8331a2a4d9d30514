"""Pages of what a utility sent: the next rows after a place, in the order of their keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, literal, select, tuple_

from billing_service.problems import refused
from billing_service.store.accounts import CONTENT, newest
from billing_service.store.documents import ISSUED
from billing_service.store.tables import account_revisions, accounts, contracts, documents, reliefs, runs, shares, usage_records

Place = tuple[str, ...] | None
_MOST = 2**31 - 1


def sought(given: str) -> str:
    """A name to look for. One that could never be stored becomes one that is never there: a database would choke on a NUL."""
    return given if given.isprintable() else "\ufffd"


def accounts_after(conn: Connection, utility: str, place: Place, limit: int) -> list[Row[Any]]:
    """Accounts by their id, each as it is now."""
    return _page(conn, newest().where(accounts.c.utility == utility), [accounts.c.account], place, limit)


def account(conn: Connection, utility: str, name: str) -> Row[Any] | None:
    """One account, as it is now."""
    return conn.execute(newest().where(accounts.c.utility == utility, accounts.c.account == name)).first()


def account_revisions_of(conn: Connection, utility: str, name: str) -> list[Row[Any]]:
    """Every revision of one account, the first one first."""
    mine, later = accounts.c, account_revisions.c
    first = select(mine.account, *(mine[one] for one in CONTENT), literal(1).label("revision")).where(mine.utility == utility, mine.account == name)
    further = select(later.account, *(later[one] for one in CONTENT), later.revision).where(later.utility == utility, later.account == name)
    return [*conn.execute(first), *conn.execute(further.order_by(later.revision))]


def contracts_after(conn: Connection, utility: str, account_: str, place: Place, limit: int) -> list[Row[Any]]:
    """Every row of terms, each revision, of one account or (empty) of all: by contract, first day and revision."""
    query = select(contracts).where(contracts.c.utility == utility, *([contracts.c.account == account_] if account_ else []))
    return _dated(conn, query, contracts, ("contract",), place, limit)


def usage_after(conn: Connection, utility: str, account_: str, start: date | None, end: date | None, place: Place, limit: int) -> list[Row[Any]]:
    """Usage records by their id: of one account or all, whose last day lies in [start, end)."""
    mine = usage_records.c
    query = select(usage_records).where(mine.utility == utility, *([mine.account == account_] if account_ else []))
    return _page(conn, query.where(*_ends_in(mine.end, start, end)), [mine.id], place, limit)


def documents_after(conn: Connection, utility: str, only: Mapping[str, str], start: date | None, end: date | None, place: Place, limit: int) -> list[Row[Any]]:
    """Issued documents by their id, of periods whose last day lies in [start, end); ``only``: what account, kind, direction or run they are to have."""
    query = select(documents).where(documents.c.utility == utility, documents.c.state.in_(ISSUED))
    query = query.where(*(documents.c[name] == sought(value) for name, value in only.items() if value), *_ends_in(documents.c.period_end, start, end))
    return _page(conn, query, [documents.c.id], place, limit)


def runs_after(conn: Connection, utility: str, last: str, limit: int) -> list[Row[Any]]:
    """Runs, newest first, after the one with the id ``last`` (empty: from the newest)."""
    mine = runs.c
    query = select(runs).where(mine.utility == utility)
    if last:
        found = conn.execute(select(mine.as_of).where(mine.utility == utility, mine.id == sought(last))).first()
        if found is None:
            raise refused("cursor-wrong")
        query = query.where((mine.as_of < found.as_of) | ((mine.as_of == found.as_of) & (mine.id < last)))
    return list(conn.execute(query.order_by(mine.as_of.desc(), mine.id.desc()).limit(limit)))


def reliefs_after(conn: Connection, utility: str, account_: str, place: Place, limit: int) -> list[Row[Any]]:
    """Every revision of every entitlement, by id and revision."""
    query = select(reliefs).where(reliefs.c.utility == utility, *([reliefs.c.account == account_] if account_ else []))
    after = None if place is None else (place[0], number(place[1]))
    return _page(conn, query, [reliefs.c.id, reliefs.c.revision], after, limit)


def shares_after(conn: Connection, utility: str, point: str, place: Place, limit: int) -> list[Row[Any]]:
    """Every revision of who shares which meter, by point, account, first day and revision."""
    query = select(shares).where(shares.c.utility == utility, *([shares.c.point == point] if point else []))
    return _dated(conn, query, shares, ("point", "account"), place, limit)


def _ends_in(column: Any, start: date | None, end: date | None) -> list[ColumnElement[bool]]:
    """The condition that the day before ``column``, the first day after, lies in [start, end); None: no limit."""
    return [*([column > start] if start else []), *([column <= end] if end else [])]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise refused("cursor-wrong") from error


def number(text: str) -> int:
    """A whole number out of a cursor; no column of a key holds more than 31 bits."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MOST)) and int(text) <= _MOST):
        raise refused("cursor-wrong")
    return int(text)


def _dated(conn: Connection, query: Select[Any], table: Table, names: tuple[str, ...], place: Place, limit: int) -> list[Row[Any]]:
    """A page by ``names``, first day and revision; the last two are no text in the database."""
    after = None if place is None else (*place[: len(names)], _day(place[-2]), number(place[-1]))
    return _page(conn, query, [*(table.c[name] for name in names), table.c["from"], table.c.revision], after, limit)


def _page(conn: Connection, query: Select[Any], key: list[Any], after: tuple[Any, ...] | None, limit: int) -> list[Row[Any]]:
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*after) if len(key) > 1 else key[0] > after[0])
    return list(conn.execute(query.order_by(*key).limit(limit)))
