"""Rows that are corrected by a further row: contracts, reliefs, shares. Their key ends in ``revision``.

What holds is the highest revision known by the day asked about; one whose ``to`` is its ``from`` says that the row never held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, func, insert, or_, select, true


def _any(_table: Any) -> ColumnElement[bool]:
    return true()


def standing(table: Table, utility: str, start: date, end: date, known: date | None, arrived: Callable[[Any], ColumnElement[bool]] = _any) -> Select[Any]:
    """The rows that hold on some day of [start, end), as known on ``known`` (None: as known now); to be narrowed and ordered.

    ``arrived``: which revisions had come when a run began; later ones are as if they were not there.
    """
    newer = table.alias("newer")
    same = and_(*(newer.c[name] == table.c[name] for name in _key(table)), newer.c.revision > table.c.revision, arrived(newer))
    mine = table.c
    query = select(table).where(mine.utility == utility, mine["from"] < end, or_(mine.to.is_(None), mine.to > start), arrived(table))
    query = query.where(or_(mine.to.is_(None), mine.to > mine["from"]))
    if known is None:
        return query.where(~exists().where(same))
    return query.where(or_(mine.known.is_(None), mine.known <= known), ~exists().where(same, or_(newer.c.known.is_(None), newer.c.known <= known)))


def add(conn: Connection, table: Table, utility: str, values: Mapping[str, Any]) -> int:
    """Add the next revision of the row whose key ``values`` names; its number, 1 for a row that is new."""
    mine = (table.c[name] == {**values, "utility": utility}[name] for name in _key(table))
    revision: int = (conn.execute(select(func.max(table.c.revision)).where(*mine)).scalar() or 0) + 1
    conn.execute(insert(table).values(**{**values, "utility": utility, "revision": revision}))
    return revision


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns if column.name != "revision"]
