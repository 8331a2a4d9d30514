"""Whole files: what is written can be read by others, nothing is lost or half there, bad rows are named by their place in the file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tariffs
from tariffs import files_in, files_out, row_groups
from tariffs.errors import TariffError
from tariffs.frames import Outcome, rate_file
from tariffs.lines import as_long, common

KITCHEN = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")
HEAD = "account,payer,weight,quota\n"
GOOD = "0001,quota_unit,5.001,10\n2,other,5,\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "in.csv"


def rate(source: Path, target: str = "out.csv", **more: Any) -> Outcome:
    return rate_file(KITCHEN, source, source.parent / target, period=None, **more)


def codes(work: Callable[[], object]) -> list[str]:
    with pytest.raises(TariffError) as raised:
        work()
    return [problem.code for problem in raised.value.problems]


# --- row groups ---------------------------------------------------------------------------------------------------


def decimals(digits: int, places: int, width: int, rows: int) -> Any:
    random = np.random.default_rng(digits)
    most = 10 ** min(digits, 18) - 1
    edges = [None, Decimal(0), *(Decimal(sign * most).scaleb(-places) for sign in (1, -1))]
    values = [edges[i % 5] if i % 5 < 4 else Decimal(int(random.integers(-most, most))).scaleb(-places) for i in range(rows)]
    return pa.array(values, getattr(pa, f"decimal{width}")(digits, places))


def test_row_groups_encoded_apart_are_the_file_that_was_meant(tmp_path: Path) -> None:
    rows = 1000
    kinds = {"i": (9, 3, 128), "j": (18, 2, 64), "k": (18, 2, 128), "l": (38, 2, 128), "m": (9, 2, 32), "n": (7, 2, 64), "o": (50, 5, 256), "p": (9, 2, 32)}
    table = pa.table(
        {name: decimals(*kind, rows) for name, kind in kinds.items()}
        | {
            "word": pa.array(["x", None, "餐厨"] * 333 + ["y"]).dictionary_encode(),
            "number": pa.array(range(rows)),
            "day": pa.array(range(rows), pa.int32()).cast(pa.date32()),
            "flag": pa.array([True, None] * 500),
            "nothing": pa.array([None] * rows, pa.decimal128(5, 2)),
        }
    )
    meant = pa.schema(
        [
            pa.field(
                f.name,
                pa.string() if f.name == "word" else pa.decimal128({"p": 18}.get(f.name, f.type.precision), f.type.scale) if f.name in "jmnp" else f.type,
            )
            for f in table.schema
        ]
    )
    for extra in ([], [None, [1, 2], []]):
        if extra:
            table = table.append_column("list", pa.array([extra[i % 3] for i in range(rows)]))
            meant = meant.append(pa.field("list", pa.list_(pa.int64())))
        sink = files_out.Sink(tmp_path / "out.parquet")
        for start in range(0, rows, 300):
            files_out.append(sink, files_out.encoded(table.slice(start, 300), meant, sink.path), meant)
        files_out.close(sink)
        files_out.settle(sink)
        found = pq.read_table(sink.path)
        assert found.schema.equals(meant)
        assert found.equals(table.cast(meant))
        assert pq.ParquetFile(sink.path).metadata.num_row_groups == 4
        connection: Any = duckdb
        others = connection.sql(f"SELECT * EXCLUDE o FROM '{sink.path}'").to_arrow_table()
        assert all(others[name].to_pylist() == found[name].to_pylist() for name in others.column_names)


def test_a_footer_is_read_and_written_byte_for_byte(tmp_path: Path) -> None:
    pq.write_table(pa.table({f"column_{i}": [i, None, -(2**62)] for i in range(40)} | {"t": ["a", "b", None]}), tmp_path / "a.parquet", row_group_size=1)
    data = (tmp_path / "a.parquet").read_bytes()
    piece = row_groups.taken_apart(memoryview(data))
    written = bytearray()
    row_groups.write_struct(written, piece.footer)
    assert data.endswith(bytes(written) + len(written).to_bytes(4, "little") + b"PAR1")


def test_pieces_of_other_columns_are_no_file(tmp_path: Path) -> None:
    sink = files_out.Sink(tmp_path / "out.parquet")
    for table in (pa.table({"a": [1]}), pa.table({"a": ["1"]})):
        files_out.append(sink, files_out.encoded(table, table.schema, sink.path), pa.schema([("a", pa.int64())]))
    with pytest.raises(AssertionError, match="same columns"):
        files_out.close(sink)
    files_out.discard(sink)
    assert list(tmp_path.iterdir()) == []


# --- rows that are no good ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [files_in.BLOCK, 40])
def test_a_ragged_row_goes_apart_with_its_number_and_its_text(source: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(files_in, "BLOCK", block)
    source.write_text(HEAD + GOOD + "3,other\n" + '4,other,"5\n",\n' + "5,other,-1,\n" + "6,other,5,6,7\n" * 2 + "8,other,8,\n9\n", encoding="utf-8")
    done = rate(source, errors="return")
    monkeypatch.undo()
    assert (done.rows, done.bad, done.totals["total"]) == (9, 6, Decimal("5400.30"))
    assert files_in.read_table(source.parent / "out.csv").column("account").to_pylist() == ["0001", "2", "8"]
    assert done.bad_path is not None
    bad = files_in.read_table(done.bad_path).to_pylist()
    assert [(row["row"], row["account"]) for row in bad] == [("3", "3"), ("4", "4"), ("5", "5"), ("6", "6"), ("7", "6"), ("9", "9")]
    assert bad[0]["reason"] == "row 3 has 2 cells, the header 4: 3,other; correct the row, a cell with a comma stands in quotes"
    assert "6,other,5,6,7" in bad[3]["reason"]


@pytest.mark.parametrize(("sign", "named"), [(";", ";"), ("\t", "TAB"), ("|", "|")])
def test_another_separator_than_the_comma_is_named(source: Path, sign: str, named: str) -> None:
    source.write_text((HEAD + GOOD).replace(",", sign), encoding="utf-8")
    with pytest.raises(TariffError) as raised:
        rate(source)
    assert [(p.code, p.values["found"], p.values["cells"]) for p in raised.value.problems] == [("file-separator", named, "4")]
    source.write_text(HEAD + GOOD + f"3{sign}other{sign}5{sign}\n", encoding="utf-8")
    with pytest.raises(TariffError) as raised:
        rate(source)
    assert [(p.code, p.values.get("found"), p.values.get("row")) for p in raised.value.problems] == [
        ("file-rows-refused", None, None),
        ("row-separator", named, "3"),
    ]


def test_refusals_name_the_row_of_the_file(source: Path) -> None:
    source.write_text(HEAD + GOOD + "3,other\n4,other,-1,\n", encoding="utf-8")
    with pytest.raises(TariffError) as raised:
        rate(source)
    assert [(problem.code, problem.values.get("row")) for problem in raised.value.problems] == [
        ("file-rows-refused", None),
        ("row-ragged", "3"),
        ("below-minimum", "4"),
    ]
    assert raised.value.problems[0].values["count"] == "2"
    assert "--errors return" in raised.value.problems[0].text("en") and "by row from 1" in raised.value.problems[0].text("en")
    assert "--errors return" in raised.value.problems[0].text("zh") and "行号从 1 起" in raised.value.problems[0].text("zh")
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.csv"]


def test_a_file_read_whole_tells_all_its_ragged_rows(source: Path) -> None:
    source.write_text(HEAD + GOOD + "3,other\n4,other,5,\n5,other,5,6,7\n", encoding="utf-8")
    with pytest.raises(TariffError) as raised:
        files_in.read_table(source)
    assert [(problem.code, problem.values["row"]) for problem in raised.value.problems] == [("file-ragged", "3"), ("file-ragged", "5")]


def test_bad_rows_of_an_earlier_run_do_not_stay_beside_a_clean_one(source: Path) -> None:
    source.write_text(HEAD + "1,other,-1,\n" + GOOD, encoding="utf-8")
    assert rate(source, errors="return").bad_path == source.parent / "out.bad.csv"
    source.write_text(HEAD + GOOD, encoding="utf-8")
    assert rate(source, errors="return").bad_path is None
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.csv", "out.csv"]


def test_a_file_is_never_written_over_its_input(source: Path) -> None:
    source.write_text(HEAD + GOOD, encoding="utf-8")
    (source.parent / "link.csv").symlink_to(source)
    os.link(source, source.parent / "hard.csv")
    (source.parent / "x.bad.csv").write_text(HEAD + GOOD, encoding="utf-8")
    for target in ("in.csv", "../" + source.parent.name + "/in.csv", "link.csv", "hard.csv"):
        assert codes(partial(rate, source, target)) == ["file-same"]
    assert codes(lambda: rate(source.parent / "x.bad.csv", "x.csv")) == ["file-same"]
    assert source.read_text(encoding="utf-8") == HEAD + GOOD


def test_what_was_there_stays_until_all_is_written(source: Path) -> None:
    (source.parent / "out.csv").write_text("earlier", encoding="utf-8")
    source.write_text(HEAD + GOOD + "3,other,-1,\n", encoding="utf-8")
    assert codes(lambda: rate(source))[0] == "file-rows-refused"
    assert (source.parent / "out.csv").read_text(encoding="utf-8") == "earlier"
    source.write_text(HEAD + GOOD, encoding="utf-8")
    rate(source)
    assert files_in.read_table(source.parent / "out.csv").num_rows == 2


def test_a_kill_in_the_middle_leaves_only_a_part(tmp_path: Path) -> None:
    rows = 3_000_000
    pq.write_table(pa.table({"payer": pa.array(["other"] * rows), "weight": pa.array([5] * rows, pa.int64())}), tmp_path / "in.parquet")
    (tmp_path / "out.csv").write_text("earlier", encoding="utf-8")
    command = [sys.executable, "-m", "tariffs", "rate", KITCHEN.id, str(tmp_path / "in.parquet"), "-o", str(tmp_path / "out.csv"), "--on", "2022-10-31"]
    process = subprocess.Popen(command)
    while not (tmp_path / "out.csv.part").exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.csv", "out.csv.part"]
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "earlier"


# --- encodings ----------------------------------------------------------------------------------------------------


def test_other_encodings_are_read_when_named(source: Path) -> None:
    text = HEAD.replace("account", "户名") + "某某餐厅,other,5,\n"
    source.write_bytes(text.encode("gb18030"))
    assert codes(lambda: rate(source)) == ["file-not-utf8"]
    assert codes(lambda: rate(source, encoding="ascii")) == ["file-not-encoded"]
    assert codes(lambda: rate(source, encoding="klingon")) == ["encoding-unknown"]
    rate(source, encoding="gb18030")
    assert files_in.read_table(source.parent / "out.csv").to_pylist()[0]["户名"] == "某某餐厅"


def test_a_byte_that_is_no_utf8_far_down_is_told_too(source: Path) -> None:
    source.write_bytes((HEAD + "1,other,5,\n" * 3000).encode() + "餐厅,other,5,\n".encode("gb18030"))
    assert codes(lambda: rate(source)) == ["file-not-utf8"]


# --- shapes -------------------------------------------------------------------------------------------------------


def test_only_the_columns_kept_are_written(source: Path) -> None:
    source.write_text(HEAD + GOOD, encoding="utf-8")
    rate(source, "out.parquet", keep=["account"])
    table = pq.read_table(source.parent / "out.parquet")
    assert table.column_names == ["account", "quota_fee", "plain_fee", "total"]
    assert [field.name for field in table.schema if not field.nullable] == ["total"]
    assert codes(lambda: rate(source, keep=["acount", "account"])) == ["keep-absent"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_long_lines_are_the_wide_amounts_one_a_row(source: Path, kind: str) -> None:
    source.write_text(HEAD + GOOD + "3,other,0.001,\n", encoding="utf-8")
    rate(source, f"long.{kind}", shape="long", keep=["account"])
    found = [(row["account"], row["charge"], Decimal(row["amount"])) for row in files_in.read_table(source.parent / f"long.{kind}").to_pylist()]
    assert found == [("0001", "quota_fee", Decimal("1500.30")), ("2", "plain_fee", Decimal(1500)), ("3", "plain_fee", Decimal("0.30"))]


def test_long_lines_of_several_charges_keep_their_order_scale_and_gaps() -> None:
    kept = pa.table({"a": ["x", "y", "z"]})
    wide = pa.array([None, Decimal(10**20), Decimal(-1)], pa.decimal128(38, 0))
    for kind in (pa.decimal32(9, 2), pa.decimal64(18, 2)):
        amounts = pa.table({"p": pa.array([Decimal("1.5"), None, Decimal("-2.25")], kind), "q": wide})
        long = as_long(kept, amounts, common([field.type for field in amounts.schema])).to_pylist()
        assert [tuple(row.values()) for row in long] == [
            ("x", "p", Decimal("1.50")),
            ("y", "q", Decimal(10**20)),
            ("z", "p", Decimal("-2.25")),
            ("z", "q", Decimal(-1)),
        ]


def test_the_summary_for_machines_has_totals_by_charge(source: Path) -> None:
    source.write_text(HEAD + GOOD, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "tariffs",
        "rate",
        KITCHEN.id,
        str(source),
        "-o",
        str(source.parent / "o.csv"),
        "--on",
        "2022-10-31",
        "--json",
        "--progress",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["totals"] == {"quota_fee": "1500.30", "plain_fee": "1500.00", "total": "3000.30"}
    assert (found["rows"], found["bad"], found["peak_measured_as"], int(found["peak_mebibytes"]) > 0) == (2, 0, "ru_maxrss", True)
    assert "2 rows done" in done.stderr


@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("shape", ["wide", "long"])
def test_a_charge_that_applies_to_nobody_comes_to_nothing_in_the_currencys_places(source: Path, target: str, shape: Any) -> None:
    source.write_text(HEAD + "2,other,5,\n", encoding="utf-8")
    assert {name: str(total) for name, total in rate(source, target, shape=shape).totals.items()} == {
        "quota_fee": "0.00",
        "plain_fee": "1500.00",
        "total": "1500.00",
    }


def test_a_cold_start_from_parquet_to_parquet_does_not_wait_for_pandas(source: Path) -> None:
    weights = pa.array([Decimal("5.001"), None, *[Decimal(1)] * 7], pa.decimal128(9, 3))
    table = pa.table({"payer": ["other"] * 9, "weight": weights, "quota": weights}).slice(2)
    pq.write_table(table, source.with_suffix(".parquet"), store_decimal_as_integer=True)
    script = "import sys; from pathlib import Path; import tariffs; from tariffs.frames import rate_file; v = tariffs.load('cn/beijing/kitchen-waste', on='2022-10-31')"
    script += "; done = rate_file(v, Path(sys.argv[1]), Path(sys.argv[2]), period=None); print(done.totals['total'], 'pandas' in sys.modules)"
    command = [sys.executable, "-c", script, str(source.with_suffix(".parquet")), str(source.parent / "out.parquet")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["2100.00", "False"]
