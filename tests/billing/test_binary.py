"""What goes into PostgreSQL as binary COPY comes out as it was: every kind of column, at its edges."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import BigInteger, Column, Date, Integer, MetaData, Table, Text

from billing_service.store.binary import Coded, Rows, blocks
from billing_service.store.types import Exact, Instant
from tests.billing import postgres

MOST = 2**63 - 1
AMOUNTS = [0, 1, -1, 9, 10_000, -10_000, 9_999, 12_345_678, -12_345_678, 2**31, -(2**31) - 1, 10**15, -(10**15), MOST // 100, -(MOST // 100)]
TEXTS = ["", "a", "tab\tand\nline", "\\N", "；阳泉市", "🦉" * 3, "'\"", "NULL", "x" * 5000]
DAYS = [date(2000, 1, 1), date(1999, 12, 31), date(1, 1, 1), date(9999, 12, 31), date(2024, 2, 29)]


def table(*columns: Column[Any]) -> Table:
    return Table("edges", MetaData(), Column("at", Integer), *columns)


def copied(server: postgres.Server, made: Table, sql: str, rows: Rows) -> list[tuple[Any, ...]]:
    """The rows read back from a table of its own, gone at the end."""
    with psycopg.connect(host=str(server.socket), user="postgres", dbname="postgres") as conn, conn.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE edges (at integer, {sql}) ON COMMIT DROP".encode())
        names = ", ".join(f'"{name}"' for name in rows.names)
        with cursor.copy(f"COPY edges ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
            for block in blocks(made, rows):
                copy.write(block)
        return cursor.execute(f"SELECT {', '.join(name for name in made.c.keys()[1:])} FROM edges ORDER BY at".encode()).fetchall()


def numbered(values: dict[str, Any], coded: tuple[Coded, ...] = (), **same: Any) -> Rows:
    count = len(next(iter(values.values()))) if values else len(coded[0].codes)
    return Rows(count, same, {"at": pa.array(range(count), pa.int64()), **values}, coded)


@pytest.mark.parametrize("places", [0, 1, 2, 3, 4, 6, 8])
def test_decimals_are_exact_at_every_place_and_size(postgresql: postgres.Server, places: int) -> None:
    within = [one for one in AMOUNTS if abs(one) <= MOST // 10 ** (-places % 4)]
    found = copied(postgresql, table(Column("v", Exact(places))), f"v numeric({19 + places}, {places})", numbered({"v": pa.array(within)}))
    assert [f"{one:f}" for (one,) in found] == [f"{Decimal(one).scaleb(-places):.{places}f}" for one in within]


def test_the_largest_that_64_bits_hold(postgresql: postgres.Server) -> None:
    made = table(Column("v", Exact(4)), Column("w", BigInteger))
    found = copied(postgresql, made, "v numeric(23, 4), w bigint", numbered({"v": pa.array([MOST, -MOST]), "w": pa.array([MOST, -MOST - 1])}))
    assert found == [(Decimal(MOST).scaleb(-4), MOST), (Decimal(-MOST).scaleb(-4), -MOST - 1)]


@pytest.mark.parametrize(("kind", "value"), [(Exact(2), MOST), (Exact(2), -MOST), (Exact(4), -MOST - 1), (Integer(), 2**31), (Integer(), -(2**31) - 1)])
def test_what_does_not_fit_is_refused_and_never_wraps(kind: Any, value: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        list(blocks(table(Column("v", kind)), numbered({"v": pa.array([1, value])})))


def test_texts_days_and_whole_numbers(postgresql: postgres.Server) -> None:
    count = max(len(TEXTS), len(DAYS))
    texts, days = [TEXTS[at % len(TEXTS)] for at in range(count)], [DAYS[at % len(DAYS)] for at in range(count)]
    numbers = [[0, -1, 2**31 - 1, -(2**31)][at % 4] for at in range(count)]
    made = table(Column("t", Text), Column("d", Date), Column("n", Integer))
    found = copied(postgresql, made, "t text, d date, n integer", numbered({"t": pa.array(texts), "d": pa.array(days), "n": pa.array(numbers)}))
    assert found == list(zip(texts, days, numbers, strict=True))


def test_what_is_said_once_stands_in_every_row_it_is_pointed_at_from(postgresql: postgres.Server) -> None:
    few = {"t": pa.array(["", "阳泉"]), "v": pa.array([-5, 2**40])}
    made = table(Column("t", Text), Column("v", Exact(4)), Column("s", Text), Column("d", Date), Column("nothing", Text), Column("m", Instant))
    rows = numbered({}, (Coded(np.array([1, 0, 1]), few),), s="；", d=date(2026, 10, 1), nothing=None, m=None)
    found = copied(postgresql, made, "t text, v numeric(23, 4), s text, d date, nothing text, m timestamptz", rows)
    tail = ("；", date(2026, 10, 1), None, None)
    one, two = ("", Decimal("-0.0005"), *tail), ("阳泉", Decimal(2**40).scaleb(-4), *tail)
    assert found == [two, one, two]


def test_no_rows_are_no_rows(postgresql: postgres.Server) -> None:
    assert copied(postgresql, table(Column("t", Text)), "t text", Rows(0, {"at": 1}, {"t": pa.array([], pa.string())})) == []


def test_a_slice_of_a_column_is_that_slice(postgresql: postgres.Server) -> None:
    rows = numbered({"t": pa.array(["no", "a", "b", "no"])[1:3], "v": pa.array([9, 1, 2, 9])[1:3]})
    assert copied(postgresql, table(Column("t", Text), Column("v", Exact(4))), "t text, v numeric(23, 4)", rows) == [
        ("a", Decimal("0.0001")),
        ("b", Decimal("0.0002")),
    ]


def test_a_text_with_nul_is_refused_by_the_server(postgresql: postgres.Server) -> None:
    with pytest.raises(psycopg.DataError):
        copied(postgresql, table(Column("t", Text)), "t text", numbered({"t": pa.array(["a\0b"])}))


def test_nothing_in_a_column_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        list(blocks(table(Column("t", Text)), numbered({"t": pa.array(["a", None])})))
