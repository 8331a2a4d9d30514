"""What a utility sent: imports and their problems, accounts, contracts, usage records."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, func, insert, select, true

from billing_service import problems
from billing_service.store import revisions
from billing_service.store.bulk import insert_columns
from billing_service.store.tables import account_revisions, accounts, contracts, import_problems, imports, usage_records
from tariffs.errors import Problem

TABLES: Mapping[str, Table] = {"accounts": accounts, "contracts": contracts, "usage": usage_records, "corrections": usage_records}
#: Where further revisions lie of what others point at; the others' lie in the table itself.
_REVISED: Mapping[str, Table] = {"accounts": account_revisions}
_KEYS: Mapping[str, tuple[str, ...]] = {"accounts": ("account",), "contracts": ("contract", "from"), "usage_records": ("id",)}
_OURS = frozenset({"utility", "revision", "import_id", "file", "line"})
CHUNK = 10_000
FEW = 100  # rows that are inserted as they are: a COPY, and the table it may have to go through, cost more


@dataclass(frozen=True, slots=True)
class Among:
    """What a chunk of a run looks at: accounts from ``first`` to ``last``, both included (None: all), as the imports up to number ``imports`` left them;
    ``only``: none but these of them.
    """

    first: str | None = None
    last: str | None = None
    imports: int | None = None
    only: tuple[str, ...] | None = None


EVERYBODY = Among()


def one_account(account: str) -> Among:
    return Among(account, account)


def within(column: Any, among: Among) -> list[ColumnElement[bool]]:
    """The condition that an account is one of these."""
    if among.first is None or among.last is None:
        return []
    mine: list[ColumnElement[bool]] = [column == among.first] if among.first == among.last else [column.between(among.first, among.last)]
    return mine if among.only is None else [*mine, column.in_(among.only)]


def arrived(table: Any, among: Among) -> list[ColumnElement[bool]]:
    return [] if among.imports is None else [table.c.import_id <= among.imports]


def last_import(conn: Connection, utility: str) -> int:
    """The number of the newest import, 0 before the first."""
    return conn.execute(select(func.max(imports.c.id)).where(imports.c.utility == utility)).scalar() or 0


def chunks(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Pieces small enough for one statement."""
    walk = iter(items)
    while piece := list(islice(walk, CHUNK)):
        yield piece


#: What is stored under a key: its contents, the newest revision last, and the place (``file:line``) of that one.
Stored = tuple[tuple[Mapping[str, Any], ...], str]


def existing(conn: Connection, utility: str, table: Table, firsts: Collection[str]) -> dict[tuple[Any, ...], Stored]:
    """Rows already stored whose first key column is one of ``firsts``."""
    key = _KEYS[table.name]
    names = [column.name for column in table.columns if column.name not in _OURS]
    found: dict[tuple[Any, ...], Stored] = {}
    for place in (table, *([_REVISED[table.name]] if table.name in _REVISED else [])):
        query = select(*(place.c[name] for name in names), place.c.file, place.c.line).where(place.c.utility == utility)
        if conn.execute(query.limit(1)).first() is None:
            return found
        ordered = query.order_by(place.c.revision) if "revision" in place.c else query
        for piece in chunks(sorted(set(firsts))):
            for row in conn.execute(ordered.where(place.c[key[0]].in_(piece))):
                content = dict(zip(names, row, strict=False))
                one = tuple(content[name] for name in key)
                found[one] = ((*found.get(one, ((), ""))[0], content), f"{row.file}:{row.line}")
    return found


def add_import(conn: Connection, utility: str, file: str, sha256: str, by: str, at: datetime, counts: tuple[int, int, int]) -> int:
    """Record that a file was imported; its number."""
    number = last_import(conn, utility) + 1
    new, same, bad = counts
    conn.execute(insert(imports).values(utility=utility, id=number, file=file, sha256=sha256, by=by, at=at, new=new, same=same, bad=bad))
    return number


def add_rows(conn: Connection, utility: str, table: Table, number: int, rows: Iterable[tuple[Mapping[str, Any], str, int]]) -> None:
    """Append (content, file, line) rows; a content without its ``revision`` is the first of its key."""
    first = {"revision": 1} if "revision" in table.c else {}
    for piece in chunks(rows):
        values = [{**first, **content, "utility": utility, "import_id": number, "file": file, "line": line} for content, file, line in piece]
        further = [one for one in values if "revision" in one] if table.name in _REVISED else []
        own = [one for one in values if "revision" not in one] if further else values
        for place, given in ((table, own), (_REVISED.get(table.name, table), further)):
            if len(given) > FEW:
                insert_columns(conn, place, utility, {name: [one[name] for one in given] for name in given[0] if name != "utility"})
            elif given:
                conn.execute(insert(place), given)


def add_import_problems(conn: Connection, utility: str, number: int, found: Iterable[Problem]) -> None:
    """Keep every row that was not taken, with its place and reason."""
    for piece in chunks(found):
        conn.execute(
            insert(import_problems),
            [
                {
                    "utility": utility,
                    "import_id": number,
                    "line": one.where.line if one.where else 0,
                    "file": one.where.file if one.where else "",
                    "code": one.code,
                    "values": json.dumps(dict(one.values), ensure_ascii=False),
                    "reason": problems.sentence(one, "en"),
                }
                for one in piece
            ],
        )


def known_accounts(conn: Connection, utility: str, names: Collection[str]) -> set[str]:
    """Those of ``names`` that are accounts."""
    query = select(accounts.c.account).where(accounts.c.utility == utility)
    return {name for piece in chunks(sorted(names)) for (name,) in conn.execute(query.where(accounts.c.account.in_(piece)))}


def owners(conn: Connection, utility: str, ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Usage record -> (its account, its measure)."""
    table = usage_records.c
    query = select(table.id, table.account, table.measure).where(table.utility == utility)
    return {row.id: (row.account, row.measure) for piece in chunks(sorted(ids)) for row in conn.execute(query.where(table.id.in_(piece)))}


def terms_touching(utility: str, start: date, end: date, known: date | None, among: Among) -> Select[Any]:
    """The query for every row of terms that touches [start, end)."""
    query = revisions.standing(contracts, utility, start, end, known, lambda table: and_(true(), *arrived(table, among)))
    return query.where(*within(contracts.c.account, among))


def contracts_of(conn: Connection, utility: str, start: date, end: date, known: date | None, among: Among = EVERYBODY) -> list[Row[Any]]:
    """Every row of terms that touches [start, end); by account, contract and first day."""
    query = terms_touching(utility, start, end, known, among)
    return list(conn.execute(query.order_by(contracts.c.account, contracts.c.contract, contracts.c["from"])))


def tariffs_of(conn: Connection, utility: str, start: date, end: date, known: date | None, among: Among = EVERYBODY) -> list[str]:
    """The tariffs of every row of terms that touches [start, end)."""
    query = terms_touching(utility, start, end, known, among).with_only_columns(contracts.c.tariff).distinct()
    return sorted(conn.execute(query).scalars())


def tariffs_by_account(
    conn: Connection, utility: str, names: Collection[str], start: date, end: date, known: date | None, among: Among = EVERYBODY
) -> list[tuple[str, str]]:
    """The tariffs of these accounts' terms that touch [start, end), by account and tariff."""
    mine = contracts.c
    query = terms_touching(utility, start, end, known, among).with_only_columns(mine.account, mine.tariff).distinct()
    return sorted((row.account, row.tariff) for piece in chunks(sorted(names)) for row in conn.execute(query.where(mine.account.in_(piece))))


def usage_touching(conn: Connection, utility: str, start: date, end: date, among: Among = EVERYBODY) -> list[Row[Any]]:
    """Every record whose last day lies in [start, end), and those whose days could overlap with one of them."""
    return _touching(conn, [usage_records.c.utility == utility, *within(usage_records.c.account, among), *arrived(usage_records, among)], start, end)


def usage_at(conn: Connection, utility: str, points: Collection[str], start: date, end: date, among: Among = EVERYBODY) -> list[Row[Any]]:
    """The same for these points, whatever the account."""
    mine = [usage_records.c.utility == utility, *arrived(usage_records, among)]
    return [row for piece in chunks(sorted(points)) for row in _touching(conn, [*mine, usage_records.c.point.in_(piece)], start, end)]


def usage_linked(conn: Connection, utility: str, found: Iterable[Row[Any]], among: Among = EVERYBODY) -> list[Row[Any]]:
    """What these records correct, and what corrects them."""
    rows = list(found)
    query = select(usage_records).where(usage_records.c.utility == utility, *arrived(usage_records, among))
    newer = [row for piece in chunks(sorted(row.id for row in rows)) for row in conn.execute(query.where(usage_records.c.replaces.in_(piece)))]
    return [*newer, *usage_by_id(conn, utility, {row.replaces for row in rows if row.replaces}, among)]


def _touching(conn: Connection, mine: list[ColumnElement[bool]], start: date, end: date) -> list[Row[Any]]:
    table = usage_records.c
    earliest = conn.execute(select(func.min(table.start)).where(*mine, table.end > start, table.end <= end)).scalar()
    if earliest is None:
        return []
    query = select(usage_records).where(*mine, table.end > min(earliest, start), table.start < end)
    return list(conn.execute(query))


def usage_before(conn: Connection, utility: str, day: date, measures: Collection[str], among: Among = EVERYBODY) -> list[Row[Any]]:
    """Every record of these measures that ended by ``day``: for tariffs that look at the previous reading."""
    table = usage_records.c
    query = select(usage_records).where(table.utility == utility, table.end <= day, table.measure.in_(sorted(measures)))
    return list(conn.execute(query.where(*within(table.account, among), *arrived(usage_records, among))))


def usage_by_id(conn: Connection, utility: str, ids: Collection[str], among: Among = EVERYBODY) -> list[Row[Any]]:
    """Records by their ids, whatever their account."""
    table = usage_records.c
    query = select(usage_records).where(table.utility == utility, *arrived(usage_records, among))
    return [row for piece in chunks(sorted(ids)) for row in conn.execute(query.where(table.id.in_(piece)))]


def usage_replacing(conn: Connection, utility: str, among: Among = EVERYBODY) -> list[Row[Any]]:
    """Every record that corrects another, of any time. A correction is always of the account of what it corrects."""
    table = usage_records.c
    query = select(usage_records).where(table.utility == utility, table.replaces != "")
    return list(conn.execute(query.where(*within(table.account, among), *arrived(usage_records, among))))


def count_accounts(conn: Connection, utility: str) -> int:
    """How many accounts the utility has."""
    return conn.execute(select(func.count()).select_from(accounts).where(accounts.c.utility == utility)).scalar_one()
