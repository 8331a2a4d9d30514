"""SQLite in a plain session: no row takes another's place, though no setting of ours is there to help."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from billing_service.store import tables
from tests.billing.conftest import Office
from tests.billing.test_append_only import GUARDED, STAYS, filled


@pytest.fixture
def city(office: Office) -> Iterator[Office]:
    with office.opened() as engine:
        yield filled(office, engine)


def test_no_row_takes_another_s_place_in_a_plain_session(city: Office) -> None:
    """As somebody with ``sqlite3`` has it: no setting of ours, so REPLACE removes rows and no trigger of DELETE is asked."""
    with closing(sqlite3.connect(city.db, isolation_level=None)) as conn:
        assert conn.execute("PRAGMA recursive_triggers").fetchone() == (0,)
        for table in (*STAYS, *GUARDED):
            columns = [column.name for column in tables.metadata.tables[table].columns]
            names = ", ".join(f'"{name}"' for name in columns)
            before = conn.execute(f"SELECT rowid, * FROM {table}").fetchall()
            unique = conn.execute(f"SELECT name FROM pragma_index_list('{table}') WHERE \"unique\"").fetchall()
            assert before and (unique or table == "import_problems"), table
            attempts = [f"INSERT OR REPLACE INTO {table} (rowid, {names}) SELECT rowid, {names} FROM {table}"]
            attempts += [f"UPDATE OR REPLACE {table} SET rowid = (SELECT max(rowid) FROM {table}) + 1"]
            for (index,) in unique:  # the same key, and all else of another row
                key = [name for (name,) in conn.execute(f"SELECT name FROM pragma_index_info('{index}')")]
                other = ", ".join(f'"{name}"' if name in key or name == "utility" else _unlike(table, name) for name in columns)
                attempts.append(f'INSERT OR REPLACE INTO {table} ({names}) SELECT {other} FROM {table} WHERE "{key[-1]}" IS NOT NULL')
            for attempt in attempts:
                with pytest.raises(sqlite3.IntegrityError, match=r"^\w+: "):
                    conn.execute(attempt)
            assert conn.execute(f"SELECT rowid, * FROM {table}").fetchall() == before, table


def _unlike(table: str, name: str) -> str:
    """Another value of a column that is text and no date; any other column as it stands."""
    plain = str(tables.metadata.tables[table].c[name].type) == "TEXT" and name not in {"run", "state", "kind", "account", "digest"}
    return f"\"{name}\" || 'x'" if plain else f'"{name}"'


def test_a_draft_takes_no_issued_document_s_number(city: Office) -> None:
    assert city.receives(accounts="A9,Wu,household,Road 9,East\n", contracts="C9,A9,cn/yangquan/sewage,2026-01-01,,user=resident\n").code == 0
    assert city.receives(usage="U90,A9,M90,water,2026-10-01,2026-11-01,7,m3,actual,,2026-11-02\n").code == 0
    city.does("hold", "--none")
    city.runs()
    issued = [row for row in city.rows("documents") if row["number"]]
    (draft,) = (row for row in city.rows("documents") if row["state"] == "draft")
    with closing(sqlite3.connect(city.db, isolation_level=None)) as conn, pytest.raises(sqlite3.IntegrityError, match="takes the place"):
        conn.execute("UPDATE OR REPLACE documents SET state = 'issued', number = ? WHERE id = ?", (issued[0]["number"], draft["id"]))
    assert [row for row in city.rows("documents") if row["number"]] == issued
