"""Many rows of one table at once, given as columns: ``executemany`` without SQLAlchemy's part on SQLite, COPY on PostgreSQL.

PostgreSQL refuses COPY into a table with row-level policies, for every role they hold for. So the rows are loaded as the role
``billing_loader``, which can insert into a few tables and see nothing; triggers make sure that no row is another utility's and
no line is added to an issued document (``docs/postgresql.md``). Where that role is not set up, or may not insert into a table, they go
through a temporary table: the same rows, at about half the speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, text
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from billing_service.store.binary import Rows

LOADER = "billing_loader"
_CAN_LOAD = text("SELECT 1 FROM pg_roles WHERE rolname = :role AND pg_has_role(oid, 'MEMBER') AND has_table_privilege(oid, :table, 'INSERT')")


def insert_columns(conn: Connection, table: Table, utility: str, columns: Mapping[str, Sequence[Any]]) -> int:
    """Insert rows of one utility, given as columns of equal length holding what SQLAlchemy would take; how many."""
    processors = [table.c[name].type.dialect_impl(conn.dialect).bind_processor(conn.dialect) for name in columns]
    values = [column if process is None else [process(value) for value in column] for process, column in zip(processors, columns.values(), strict=True)]
    rows = zip(*values, strict=True)
    if conn.dialect.name == "postgresql":
        return _copy(conn, table, utility, list(columns), rows)
    return _insert(conn, table, ["utility", *columns], [(utility, *row) for row in rows])


def insert_rows(conn: Connection, table: Table, utility: str, rows: Rows) -> int:
    """Insert rows of one utility given as Arrow columns, without a Python object a cell where the database can take them so; how many."""
    from billing_service.store.binary import blocks, plain_values  # with NumPy, which an import of files does without

    mine = replace(rows, same={"utility": utility, **rows.same})
    if conn.dialect.name == "postgresql":
        copy_blocks(conn, table, mine.names, blocks(table, mine), binary=True)
    else:
        _insert(conn, table, mine.names, list(zip(*plain_values(table, mine), strict=True)))
    return rows.count


def copy_blocks(conn: Connection, table: Table, names: Sequence[str], blocks: Iterable[bytes | memoryview], *, binary: bool) -> None:
    """COPY ready-made blocks, in PostgreSQL's text or binary form; ``names`` must hold ``utility``, and every row the transaction's own."""
    with _loading(conn, table) as (target, cursor), cursor.copy(_statement(target, names, binary=binary)) as copy:
        for block in blocks:
            copy.write(block)


def _insert(conn: Connection, table: Table, names: Sequence[str], rows: list[tuple[Any, ...]]) -> int:
    if rows:
        marks = ", ".join("?" * len(names))
        conn.exec_driver_sql(f"INSERT INTO {table.name} ({_listed(names)}) VALUES ({marks})", rows)  # noqa: S608  names of our own tables
    return len(rows)


def _copy(conn: Connection, table: Table, utility: str, names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> int:
    count = 0
    with _loading(conn, table) as (target, cursor), cursor.copy(_statement(target, ["utility", *names], binary=False)) as copy:
        for row in rows:
            copy.write_row((utility, *row))
            count += 1
    return count


def _statement(target: str, names: Sequence[str], *, binary: bool) -> str:
    return f"COPY {target} ({_listed(names)}) FROM STDIN" + (" (FORMAT BINARY)" if binary else "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


@contextmanager
def _loading(conn: Connection, table: Table) -> Iterator[tuple[str, Any]]:
    """The table to copy into, and a cursor of the driver's that may."""
    cursor = conn.connection.cursor()
    dbapi: Any = conn.dialect.loaded_dbapi
    try:
        if conn.execute(_CAN_LOAD, {"role": LOADER, "table": table.name}).first():
            cursor.execute(f"SET LOCAL ROLE {LOADER}")
            yield table.name, cursor
            cursor.execute("RESET ROLE")
        else:
            waiting = f"loading_{table.name}"
            cursor.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS {waiting} (LIKE {table.name} INCLUDING DEFAULTS) ON COMMIT DROP")
            yield waiting, cursor
            cursor.execute(f"INSERT INTO {table.name} SELECT * FROM {waiting}")  # noqa: S608  names of our own tables
            cursor.execute(f"TRUNCATE {waiting}")
    except dbapi.Error as error:  # as every other statement's, so that doors tell it alike
        raise DBAPIError.instance(f"COPY {table.name}", None, error, dbapi.Error, dialect=conn.dialect) from error
    finally:
        cursor.close()
