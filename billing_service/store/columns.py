"""Rows as Arrow columns: what a query finds, without a Python object a cell where the database can give it so."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
from pyarrow import csv
from sqlalchemy import BigInteger, Boolean, Connection, Date, Integer, Select, Text, type_coerce

from billing_service.store.types import Exact

_DIGITS = 19


def fetch(conn: Connection, query: Select[Any]) -> pa.Table:
    """The rows of ``query``, a column for each of its own: texts, date32, int64, booleans, and decimals of their declared places."""
    types = {column.name: _arrow(column.type) for column in query.selected_columns}
    return _fetch_copy(conn, query, types) if conn.dialect.name == "postgresql" else _fetch_raw(conn, query, types)


def _arrow(given: Any) -> pa.DataType:
    if isinstance(given, Exact):
        return pa.decimal128(_DIGITS + given.places, given.places)
    kinds = ((Text, pa.string()), (Date, pa.date32()), (Boolean, pa.bool_()), (Integer, pa.int64()))
    return next(arrow for kind, arrow in kinds if isinstance(given, kind))


def _fetch_copy(conn: Connection, query: Select[Any], types: dict[str, pa.DataType]) -> pa.Table:
    """COPY writes an empty text in quotes and NULL as nothing at all."""
    compiled = query.compile(dialect=conn.dialect, compile_kwargs={"render_postcompile": True})
    cursor: Any = conn.connection.cursor()
    try:
        with cursor.copy(f"COPY ({compiled.string}) TO STDOUT (FORMAT csv)", dict(compiled.params)) as copy:
            found = b"".join(copy)
    finally:
        cursor.close()
    if not found:
        return pa.schema(list(types.items())).empty_table()
    return csv.read_csv(
        io.BytesIO(found),
        csv.ReadOptions(column_names=list(types), use_threads=False, block_size=len(found) + 1),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False, true_values=["t"], false_values=["f"]
        ),
    )


def _fetch_raw(conn: Connection, query: Select[Any], types: dict[str, pa.DataType]) -> pa.Table:
    """As SQLite keeps them: days as text, decimals as whole numbers of their last place."""
    kept = [type_coerce(column, _raw(column.type)).label(column.name) for column in query.selected_columns]
    rows = conn.execute(query.with_only_columns(*kept)).all()
    given = list(zip(*rows, strict=True)) if rows else [()] * len(types)
    return pa.table({name: _column(values, kind) for (name, kind), values in zip(types.items(), given, strict=True)})


def _raw(given: Any) -> Any:
    return BigInteger() if isinstance(given, Exact) else Integer() if isinstance(given, Boolean) else Text() if isinstance(given, Date) else given


def _column(values: Any, kind: pa.DataType) -> Any:
    if pa.types.is_decimal(kind):
        whole = pa.array(values, pa.int64()).cast(pa.decimal128(_DIGITS, 0))
        return pa.Array.from_buffers(kind, len(whole), whole.buffers())  # the same whole numbers, read at their places
    if pa.types.is_date(kind):
        return pa.array(values, pa.string()).cast(kind)
    return pa.array(values, pa.int64()).cast(kind) if pa.types.is_boolean(kind) else pa.array(values, kind)
