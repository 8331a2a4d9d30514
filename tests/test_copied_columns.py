"""Columns that a rating only passes through are copied as they lie, where they can be; whoever reads the result finds what was given."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import tariffs
from tariffs import copies, files_in, files_out, pages, row_groups
from tariffs.errors import TariffError
from tariffs.frames import Outcome, open_source, rate_file

KITCHEN = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")
AMOUNTS = ["quota_fee", "plain_fee", "total"]
Write = Callable[[pa.Table, Path], object]


def accounts(rows: int) -> pa.Table:
    """Facts, and columns of many kinds that nobody reads."""
    at = np.arange(rows)
    every: dict[str, Any] = {
        "account": pa.array(at + 10**9),
        "payer": pa.array(["quota_unit" if i % 3 else "other" for i in range(rows)], pa.string()),
        "weight": pa.array([Decimal(i % 2003).scaleb(-3) for i in range(rows)], pa.decimal128(9, 3)),
        "quota": pa.array([Decimal(i % 7) if i % 3 else None for i in range(rows)], pa.decimal128(9, 3)),
        "name": pa.array([["餐厅", None, "", "x" * 40][i % 4] for i in range(rows)], pa.string()),
        "day": pa.array([date(2022, 10, 1 + i % 28) for i in range(rows)], pa.date32()),
        "seen": pa.array([datetime(2022, 10, 1, i % 24, tzinfo=UTC) if i % 5 else None for i in range(rows)], pa.timestamp("us", tz="UTC")),
        "ratio": pa.array([[0.5, float("inf"), -0.0, None][i % 4] for i in range(rows)], pa.float64()),
        "flag": pa.array([[True, False, None][i % 3] for i in range(rows)], pa.bool_()),
        "wide": pa.array([Decimal(i).scaleb(-4) for i in range(rows)], pa.decimal128(30, 4)),
        "small": pa.array((at % 120).astype(np.int8)),
        "raw": pa.array([bytes([i % 256]) for i in range(rows)], pa.binary()),
        "a.b": pa.array([str(i % 9) for i in range(rows)], pa.string()),
    }
    return pa.table(every)


def rate(source: Path, target: str = "out.parquet", **more: Any) -> Outcome:
    return rate_file(KITCHEN, source, source.parent / target, period=None, **more)


def copied_of(source: Path, target: str = "out.parquet", **more: Any) -> set[str]:
    rows = list(open_source(KITCHEN, source, source.parent / target, **more).batches)
    return {name for one in rows for group in one.copied for name in group.chunks}


def meant(given: pa.Table) -> pa.Table:
    """Every row as rating in memory has it."""
    found: pa.Table = KITCHEN.rate(given)
    return found


def as_readers_have_it(path: Path, names: list[str]) -> list[dict[str, list[object]]]:
    """A file's columns by Arrow, DuckDB and, where it is installed (extra ``bench``), Polars."""
    connection: Any = duckdb
    quoted = ", ".join(f'"{name}"' for name in names)
    by_arrow = pq.read_table(path, columns=names)
    by_duckdb = connection.sql(f"SELECT {quoted} FROM '{path}'").to_arrow_table()
    by_polars = [pytest.importorskip("polars").read_parquet(path, columns=names).to_arrow()] if find_spec("polars") else []
    return [{name: [plain(value) for value in table.column(name).to_pylist()] for name in names} for table in (by_arrow, by_duckdb, *by_polars)]


def plain(value: object) -> object:
    """Times in one zone: readers name it differently."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def check(source: Path, given: pa.Table, **more: Any) -> Outcome:
    """Rated, what was given and its amounts are read alike by all; ``given`` is what stands in ``source``."""
    done = rate(source, **more)
    expected = meant(given)
    found = as_readers_have_it(source.parent / "out.parquet", given.column_names + AMOUNTS)
    told: dict[str, list[Any]] = {name: [plain(value) for value in column.to_pylist()] for name, column in zip(given.column_names, given.columns, strict=True)}
    told |= {name: expected.column(name).to_pylist() for name in AMOUNTS}
    for reader in found:
        for name, values in told.items():
            assert reader[name] == values, name
    for name in AMOUNTS:
        assert done.totals[name] == sum((value for value in told[name] if value is not None), Decimal(0))
    return done


WRITERS: dict[str, Write] = {
    "arrow, as it comes": pq.write_table,
    "arrow, decimals as integers": lambda table, path: pq.write_table(table, path, store_decimal_as_integer=True),
    "arrow, zstd": lambda table, path: pq.write_table(table, path, compression="zstd", store_decimal_as_integer=True),
    "arrow, gzip": lambda table, path: pq.write_table(table, path, compression="gzip", store_decimal_as_integer=True),
    "arrow, lz4": lambda table, path: pq.write_table(table, path, compression="lz4", store_decimal_as_integer=True),
    "arrow, brotli": lambda table, path: pq.write_table(table, path, compression="brotli", store_decimal_as_integer=True),
    "arrow, plain": lambda table, path: pq.write_table(table, path, use_dictionary=False, compression="none", store_decimal_as_integer=True),
    "arrow, pages of the second kind": lambda table, path: pq.write_table(table, path, data_page_version="2.0", store_decimal_as_integer=True),
    "arrow, page index": lambda table, path: pq.write_table(table, path, write_page_index=True, data_page_size=300, store_decimal_as_integer=True),
    "arrow, checksums": lambda table, path: pq.write_table(table, path, write_page_checksum=True, store_decimal_as_integer=True),
    "arrow, old version": lambda table, path: pq.write_table(table, path, version="1.0"),
    "arrow, no statistics": lambda table, path: pq.write_table(table, path, write_statistics=False, store_decimal_as_integer=True),
    "duckdb": lambda table, path: duckdb_file(table, path, ""),
    "duckdb, zstd, second kind": lambda table, path: duckdb_file(table, path, ", COMPRESSION zstd, PARQUET_VERSION v2"),
    "polars": lambda table, path: polars_file(table, path, "zstd"),
    "polars, snappy": lambda table, path: polars_file(table, path, "snappy"),
}


def polars_file(table: pa.Table, path: Path, compression: str) -> None:
    pl = pytest.importorskip("polars")
    pl.DataFrame(pl.from_arrow(table)).write_parquet(path, compression=compression)


def duckdb_file(table: pa.Table, path: Path, options: str) -> None:
    with duckdb.connect() as connection:
        connection.register("given", table)
        connection.execute(f"COPY given TO '{path}' (FORMAT parquet{options})")


@pytest.mark.parametrize("writer", WRITERS)
def test_files_of_any_writer_keep_their_columns(tmp_path: Path, writer: str) -> None:
    given, source = accounts(3001), tmp_path / "in.parquet"
    WRITERS[writer](given, source)
    check(source, given)
    copied = copied_of(source)
    if "brotli" in writer:
        assert not copied
    elif "arrow" in writer and "old" not in writer:
        assert {"account", "name", "day", "seen", "ratio", "flag", "small", "raw", "a.b", "payer"} <= copied
        assert ("weight" in copied) == (writer != "arrow, as it comes")  # there it is bytes, and would be numbers in ours
    else:
        assert {"account", "name"} <= copied
    original, result = (pq.ParquetFile(path).metadata.row_group(0).column(0) for path in (source, tmp_path / "out.parquet"))
    assert (original.total_compressed_size == result.total_compressed_size and original.compression == result.compression) == ("account" in copied)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 8, 9, 127, 128, 129, 130, 1025])
def test_any_number_of_rows(tmp_path: Path, rows: int) -> None:
    given, source = accounts(rows), tmp_path / "in.parquet"
    pq.write_table(given, source, store_decimal_as_integer=True)
    check(source, given)
    assert ("account" in copied_of(source)) == (rows > 0)


@pytest.mark.parametrize("size", [30, 65, 100, 333, 999, 1000, 5000])
def test_row_groups_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(files_in, "BATCH", 300)
    monkeypatch.setattr(copies, "LEAST", 64)
    monkeypatch.setattr(copies, "MOST", 1000)
    given, source = accounts(3000), tmp_path / "in.parquet"
    pq.write_table(given, source, row_group_size=size, store_decimal_as_integer=True)
    check(source, given)
    assert bool(copied_of(source)) == (64 <= size <= 1000)
    sizes = [pq.ParquetFile(path).metadata.row_group(0).num_rows for path in (source, tmp_path / "out.parquet")]
    assert sizes[0] == sizes[1] if 64 <= size <= 1000 else sizes[1] == 300 or sizes[0] < 64


def test_row_groups_without_rows_are_passed_over(tmp_path: Path) -> None:
    given, source = accounts(1000), tmp_path / "in.parquet"
    with pq.ParquetWriter(source, given.schema, store_decimal_as_integer=True) as writer:
        for start, count in ((0, 0), (0, 400), (400, 0), (400, 0), (400, 600), (0, 0)):
            writer.write_table(given.slice(start, count), row_group_size=1000)
    check(source, given)
    assert "account" in copied_of(source) or pq.ParquetFile(source).num_row_groups != 2


def test_columns_that_nobody_keeps_are_neither_read_nor_copied(tmp_path: Path) -> None:
    given, source = accounts(500), tmp_path / "in.parquet"
    pq.write_table(given, source, store_decimal_as_integer=True)
    rate(source, keep=["name", "account"])
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == ["name", "account", *AMOUNTS]
    assert found.select(["name", "account"]).equals(given.select(["name", "account"]))
    assert found.column("total").to_pylist() == meant(given).column("total").to_pylist()


def test_bad_rows_go_apart_whole_and_the_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row group with a bad row is not copied, its neighbours are; numbers are those of the file."""
    monkeypatch.setattr(files_in, "BATCH", 300)
    monkeypatch.setattr(copies, "LEAST", 64)
    weights: list[Decimal | None] = [Decimal(i) for i in range(1000)]
    weights[350], weights[999] = None, Decimal(-1)
    given, source = accounts(1000), tmp_path / "in.parquet"
    given = given.set_column(2, "weight", pa.array(weights, pa.decimal128(9, 3)))
    pq.write_table(given, source, row_group_size=300, store_decimal_as_integer=True)
    done = rate(source, errors="return")
    good = [row for row in range(1000) if row not in (350, 999)]
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(given.column_names).equals(given.take(good))
    assert found.select(AMOUNTS).to_pylist() == meant(given.take(good)).to_pylist()
    assert [pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(i).num_rows for i in range(4)] == [300, 299, 300, 99]
    bad = pq.read_table(tmp_path / "out.bad.parquet")
    assert bad.column("row").to_pylist() == [351, 1000]
    assert bad.select(given.column_names).equals(given.take([350, 999]))
    assert bad.column("reason").to_pylist() == KITCHEN.rate(given, errors="return")[1].column("reason").to_pylist()
    assert (done.rows, done.bad) == (1000, 2)
    with pytest.raises(TariffError) as raised:
        rate(source)
    assert [problem.values.get("row") for problem in raised.value.problems] == [None, "351", "1000"]


def test_nested_columns_pass_through(tmp_path: Path) -> None:
    given, source = accounts(900), tmp_path / "in.parquet"
    lists = pa.array([[None, [], [1, None, 3]][i % 3] for i in range(900)], pa.list_(pa.int64()))
    parts = pa.array([None if i % 4 == 0 else {"p": i, "q": [str(i)]} for i in range(900)], pa.struct([("p", pa.int32()), ("q", pa.list_(pa.string()))]))
    pairs = pa.array([[("k", i)] if i % 2 else [] for i in range(900)], pa.map_(pa.string(), pa.int64()))
    nested = given.append_column("lists", lists).append_column("parts", parts).append_column("pairs", pairs)
    pq.write_table(nested, source, store_decimal_as_integer=True, row_group_size=900)
    rate(source)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(nested.column_names).equals(nested)
    assert found.select(AMOUNTS).to_pylist() == meant(given).to_pylist()
    assert {"lists", "parts", "pairs"} <= copied_of(source)


@pytest.mark.parametrize(
    "kind", ["large_string", "string_view", "dictionary", "time32", "time64", "duration", "uint", "fixed", "null", "nanoseconds", "float16"]
)
def test_other_types_come_back_as_they_were(tmp_path: Path, kind: str) -> None:
    given, source = accounts(600), tmp_path / "in.parquet"
    at = np.arange(600)
    columns: dict[str, Any] = {
        "large_string": pa.array([str(i) for i in range(600)], pa.large_string()),
        "string_view": pa.array([str(i) for i in range(600)], pa.string()).cast(pa.string_view()),
        "dictionary": pa.array(["x", None, "y"] * 200).dictionary_encode(),
        "time32": pa.array(at.astype(np.int32)).cast(pa.time32("s")),
        "time64": pa.array(at).cast(pa.time64("ns")),
        "duration": pa.array(at).cast(pa.duration("ms")),
        "uint": pa.array(at.astype(np.uint64) + np.uint64(2**63)),
        "fixed": pa.array([b"abcd"] * 600, pa.binary(4)),
        "null": pa.nulls(600),
        "nanoseconds": pa.array(at).cast(pa.timestamp("ns")),
        "float16": pa.array(at.astype(np.float16)),
    }
    wider = given.append_column("more", columns[kind])
    pq.write_table(wider, source, store_decimal_as_integer=True)
    as_read = pq.read_table(source)
    rate(source)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.select(wider.column_names).equals(as_read)


def test_a_column_twice_is_passed_through_as_before(tmp_path: Path) -> None:
    given, source = accounts(100), tmp_path / "in.parquet"
    twice = given.append_column("name", pa.array(["second"] * 100)).append_column("wide", pa.array(range(100), pa.int32()))
    pq.write_table(twice, source, store_decimal_as_integer=True)
    assert not copied_of(source)
    rate(source)
    found = pq.ParquetFile(tmp_path / "out.parquet").read()
    assert found.column(4).equals(given.column("name"))
    assert (found.column(13).to_pylist(), found.column(14).to_pylist()) == (["second"] * 100, list(range(100)))


def test_an_amount_is_not_called_as_a_column_that_is_only_copied(tmp_path: Path) -> None:
    given, source = accounts(100), tmp_path / "in.parquet"
    pq.write_table(given.rename_columns(["total" if name == "name" else name for name in given.column_names]), source)
    with pytest.raises(TariffError) as raised:
        rate(source)
    assert [problem.code for problem in raised.value.problems] == ["column-taken"]


def test_statistics_stay_where_they_can_be_relied_on(tmp_path: Path) -> None:
    given, source = accounts(400), tmp_path / "in.parquet"
    pq.write_table(given, source, store_decimal_as_integer=True)
    rate(source)
    group = pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0)
    told: dict[str, Any] = {group.column(i).path_in_schema: group.column(i).statistics for i in range(group.num_columns)}
    assert (told["account"].min, told["account"].max, told["seen"].null_count) == (10**9, 10**9 + 399, 80)
    found = pq.read_table(tmp_path / "out.parquet", filters=pc.field("account") >= 10**9 + 390)
    assert found.num_rows == 10
    connection: Any = duckdb
    assert connection.sql(f"SELECT count(*) FROM '{tmp_path / 'out.parquet'}' WHERE account >= {10**9 + 390} AND total IS NOT NULL").fetchall() == [(10,)]


def altered(source: Path, change: Callable[[row_groups.Struct], row_groups.Struct]) -> None:
    """The same pages with another footer."""
    piece = row_groups.taken_apart(memoryview(source.read_bytes()))
    source.write_bytes(row_groups.MAGIC + piece.body + row_groups.enclosed(change(piece.footer)))


def without(footer: row_groups.Struct, wanted: int) -> row_groups.Struct:
    return [part for part in footer if part[0] != wanted]


def on_chunks(change: Callable[[row_groups.Struct], row_groups.Struct]) -> Callable[[row_groups.Struct], row_groups.Struct]:
    """A change of every chunk's metadata."""

    def on_footer(footer: row_groups.Struct) -> row_groups.Struct:
        def chunk(one: row_groups.Struct) -> row_groups.Struct:
            return [(i, kind, change(value) if i == row_groups.CHUNK_META else value) for i, kind, value in one]

        def group(one: row_groups.Struct) -> row_groups.Struct:
            return [(i, kind, (value[0], [chunk(c) for c in value[1]]) if i == row_groups.COLUMNS else value) for i, kind, value in one]

        return [(i, kind, (value[0], [group(g) for g in value[1]]) if i == row_groups.ROW_GROUPS else value) for i, kind, value in footer]

    return on_footer


def with_encoding(meta: row_groups.Struct) -> row_groups.Struct:
    return [(i, kind, (value[0], [*value[1], 9]) if i == row_groups.ENCODINGS else value) for i, kind, value in meta]


def with_indexes(meta: row_groups.Struct) -> row_groups.Struct:
    """Bloom filters somewhere in the file, and an index page."""
    return [*without(meta, row_groups.STATISTICS), (row_groups.BLOOM, row_groups.I64, 4), (row_groups.BLOOM_LENGTH, row_groups.I32, 8)]


@pytest.mark.parametrize(
    ("change", "copied"),
    [
        (lambda footer: without(footer, row_groups.ORDERS), False),  # an old writer, whose statistics nobody should rely on
        (on_chunks(with_encoding), False),  # an encoding few know
        (on_chunks(with_indexes), True),
    ],
)
def test_files_that_are_unusual_are_read_and_written_anew(tmp_path: Path, change: Callable[[row_groups.Struct], row_groups.Struct], copied: bool) -> None:
    given, source = accounts(700), tmp_path / "in.parquet"
    pq.write_table(given, source, store_decimal_as_integer=True)
    altered(source, change)
    check(source, given)
    assert bool(copied_of(source)) == copied
    footer = row_groups.taken_apart(memoryview((tmp_path / "out.parquet").read_bytes())).footer
    ids = {
        i
        for group in row_groups.field(footer, row_groups.ROW_GROUPS)[1]
        for chunk in row_groups.field(group, row_groups.COLUMNS)[1]
        for i, _, _ in row_groups.field(chunk, row_groups.CHUNK_META)
    }
    assert not ids & {row_groups.BLOOM, row_groups.BLOOM_LENGTH, row_groups.INDEX_PAGE}


def test_a_footer_that_takes_long_to_read_is_left_to_arrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "FOOTER", 100)
    given, source = accounts(700), tmp_path / "in.parquet"
    pq.write_table(given, source, store_decimal_as_integer=True)
    check(source, given)
    assert not copied_of(source)


def test_a_file_cut_short_says_so(tmp_path: Path) -> None:
    given, source = accounts(700), tmp_path / "in.parquet"
    pq.write_table(given, source, store_decimal_as_integer=True)
    source.write_bytes(source.read_bytes()[:-20])
    with pytest.raises(TariffError) as raised:
        rate(source)
    assert [problem.code for problem in raised.value.problems] == ["file-unread"]


def test_an_input_that_becomes_shorter_while_it_is_copied_leaves_nothing(tmp_path: Path) -> None:
    sink = files_out.Sink(tmp_path / "out.parquet")
    chunk = row_groups.Chunk([], (row_groups.Lying(lambda count, _: b"x" * (count - 1), 0, 10),))
    with pytest.raises(TariffError) as raised:
        files_out.append(sink, files_out.Encoded(1, groups=[row_groups.Group(1, [chunk])]), pa.schema([("a", pa.int64())]))
    files_out.discard(sink)
    assert [problem.code for problem in raised.value.problems] == ["file-unwritten"]
    assert list(tmp_path.iterdir()) == []


# --- pages written by hand ----------------------------------------------------------------------------------------


EDGES = [0, 1, -1, 10**9 - 1, -(10**9) + 1]


@pytest.mark.parametrize("digits", [9, 18])
@pytest.mark.parametrize("nulls", ["none", "some", "all", "first", "last"])
@pytest.mark.parametrize("values", ["same", "different"])
@pytest.mark.parametrize("rows", [1, 9, 129, 130, 25_000])
def test_amounts_are_read_by_all_as_they_were(tmp_path: Path, digits: int, nulls: str, values: str, rows: int) -> None:
    most = 10**digits - 1
    made = [-most if values == "same" else [0, most, -most, 1, -1][i % 5] for i in range(rows)]
    absent = {"none": [], "all": range(rows), "some": range(0, rows, 3), "first": [0], "last": [rows - 1]}[nulls]
    gone = set(absent)
    told = [None if i in gone else Decimal(value).scaleb(-2) for i, value in enumerate(made)]
    kind = pa.decimal32(9, 2) if digits == 9 else pa.decimal64(18, 2)
    column = pa.array([None, *told], kind).slice(1)  # bits that begin within a byte
    schema = pa.schema([pa.field("amount", pa.decimal128(digits, 2), nullable=bool(gone))])
    sink = files_out.Sink(tmp_path / "out.parquet")
    table = pa.table({"amount": column})
    for _ in range(2):
        files_out.append(sink, files_out.encoded(table, schema, sink.path), schema)
    files_out.close(sink)
    files_out.settle(sink)
    assert pq.read_schema(sink.path).equals(schema)
    for found in as_readers_have_it(sink.path, ["amount"]):
        assert found["amount"] == told * 2
    assert pages.total(pages.numbers(table.column(0), digits)) == sum((value for i, value in enumerate(made) if i not in gone), 0)


def test_decimals_are_read_as_narrow_as_they_are_stored(tmp_path: Path) -> None:
    given, source = accounts(300), tmp_path / "in.parquet"
    pq.write_table(given, source, store_decimal_as_integer=True)
    (rows,) = open_source(KITCHEN, source, tmp_path / "out.parquet").batches
    assert rows.table.schema.field("weight").type == pa.decimal32(9, 3)
    assert rows.table.column("quota").to_pylist() == given.column("quota").to_pylist()
    (whole,) = open_source(KITCHEN, source, tmp_path / "out.csv").batches
    assert whole.table.drop_columns("payer").equals(given.drop_columns("payer"))


def test_csv_and_long_lines_of_a_parquet_file_stay_as_they_were(tmp_path: Path) -> None:
    given, source = accounts(300), tmp_path / "in.parquet"
    pq.write_table(given, source, store_decimal_as_integer=True)
    few = given.select(["account", "payer", "weight", "quota"])
    rate(source, "out.csv", keep=few.column_names)
    found = files_in.read_table(tmp_path / "out.csv")
    assert [Decimal(str(value)) for value in found.column("total").to_pylist()] == meant(given).column("total").to_pylist()
    rate(source, "long.parquet", shape="long", keep=["account"])
    assert pq.read_table(tmp_path / "long.parquet").num_rows == 300


def test_a_version_that_reads_no_column_rates_every_row(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"name": ["a", "b", None]}), source)
    opened = files_in.opened(source, facts=())
    (rows,) = opened.batches
    assert rows.table.num_rows == 3
    assert set(rows.copied[0].chunks) == {"name"}


def test_a_copy_costs_no_memory_for_what_is_copied(tmp_path: Path) -> None:
    """Hundred megabytes that nobody reads are not held."""
    rows, source = 400_000, tmp_path / "in.parquet"
    table = pa.table({"payer": ["other"] * rows, "weight": pa.array([5] * rows, pa.int64()), "raw": pa.array([os.urandom(250)] * rows)})
    pq.write_table(table, source, compression="none", row_group_size=rows)
    script = (
        "import sys, json; from pathlib import Path; import tariffs; from tariffs.frames import rate_file; from tariffs.summary import peak_mebibytes; "
        "v = tariffs.load('cn/beijing/kitchen-waste', on='2022-10-31'); a, b = map(Path, sys.argv[1:3]); "
        "rate_file(v, a, b, period=None, engine='numpy', keep=['payer', 'weight']); before = peak_mebibytes(); "
        "rate_file(v, a, b, period=None, engine='numpy'); print(json.dumps([before, peak_mebibytes()]))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(source), str(tmp_path / "out.parquet")], capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    assert after - before < 60
    assert pq.read_table(tmp_path / "out.parquet", columns=["raw"]).equals(table.select(["raw"]))
