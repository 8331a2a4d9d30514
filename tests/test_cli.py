"""The command line as an operator meets it: what it prints, how it refuses, and what it exits with."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest

from tariffs import files_in
from tariffs.cli import main

KITCHEN = "cn/beijing/kitchen-waste"
BEIJING = ("quote", KITCHEN, "--on", "2022-10-31", "payer=quota_unit", "weight=5.001", "quota=10")
ROOT = Path(__file__).parent.parent
LANGUAGE = {"LANG", "LC_ALL", "LC_MESSAGES", "TARIFFS_LOCALE", "TARIFFS_RULES"}


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


def tariffs(*args: object, **env: str) -> Done:
    """The command in this process, in a clean environment; a process of its own costs half a second each."""
    out, err = io.StringIO(), io.StringIO()
    clean = {name: value for name, value in os.environ.items() if name not in LANGUAGE} | env
    with (
        patch.dict(os.environ, clean, clear=True),
        patch.object(sys, "argv", ["tariffs", *map(str, args)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert "fault of tariffs" not in err.getvalue()
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def test_the_module_and_the_script_are_one_program() -> None:
    module = subprocess.run([sys.executable, "-m", "tariffs", *BEIJING], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (module.returncode, module.stdout, module.stderr) == (0, "1500.30 CNY\n", "")
    script = metadata.distribution("tariffs").entry_points.select(name="tariffs", group="console_scripts")
    assert {entry.load() for entry in script} == {main}


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    command = f"{sys.executable} -m tariffs list --json | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == ""


def test_a_fault_of_our_own_is_one_sentence() -> None:
    with patch("tariffs.cli.app", side_effect=ZeroDivisionError("x")), pytest.raises(SystemExit) as ended, contextlib.redirect_stderr(io.StringIO()) as err:
        main()
    assert (ended.value.code, err.getvalue().count("\n")) == (70, 1)


@pytest.mark.parametrize(
    ("args", "price"),
    [
        (("--on", "2022-10-31", "payer=quota_unit", "weight=5.001", "quota=10"), "1500.30 CNY"),
        (("--on", "2022-10-31", "payer=quota_unit", "weight=5", "quota=10"), "1000.00 CNY"),
        (("--on", "2022-10-31", "payer=quota_unit", "weight=12", "quota=10"), "4200.00 CNY"),
        (("--on", "2022-10-31", "payer=other", "weight=5.001"), "1500.30 CNY"),
        (("--on", "2021-10-31", "weight=5.001"), "1500.30 CNY"),
        (("--period", "2022-10", "payer=other", "weight=5.001"), "1500.30 CNY"),
        (("--from", "2022-10-15", "--to", "2022-11-15", "payer=other", "weight=5.001"), "1500.30 CNY"),
    ],
)
def test_quote_gives_the_price(args: tuple[str, ...], price: str) -> None:
    done = tariffs("quote", KITCHEN, *args)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, price, "")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (("payer=other", "weight=-1"), "weight: -1 is below 0; give a weight of at least 0 t"),
        (("payer=other", "weight=5.0005"), "weight: 5.0005 is not a whole multiple of 0.001; give a weight in steps of 0.001 t"),
        (("payer=other", "wieght=5"), "wieght: this tariff has no such fact; did you mean weight?"),
        (("payer=quota_unit", "weight=5"), "quota: missing, and these facts need it; give quota (0 … 100000 t)"),
        (("weight=5",), "payer: missing, and these facts need it; give payer (quota_unit | other)"),
    ],
)
def test_quote_refuses_with_advice(facts: tuple[str, ...], said: str) -> None:
    done = tariffs("quote", KITCHEN, "--on", "2022-10-31", *facts)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", said)


def test_quote_explains_which_price_applied_and_why() -> None:
    done = tariffs("quote", KITCHEN, "--on", "2022-10-31", "payer=quota_unit", "weight=5.001", "quota=10", "--explain")
    assert "weight 5.001 t ≤ half 50 % × quota 10 t (= 5 t): no" in done.stdout
    assert "京发改〔2021〕1277号" in done.stdout
    markdown = tariffs("quote", KITCHEN, "--on", "2022-10-31", "payer=other", "weight=5.001", "--markdown", "--locale", "zh_CN")
    assert markdown.stdout.startswith("# 北京市非居民厨余垃圾处理费\n")


def test_quote_answers_in_json_good_or_bad() -> None:
    good = json.loads(tariffs("quote", KITCHEN, "--on", "2022-10-31", "payer=other", "weight=5.001", "--json").stdout)
    assert (good["format"], good["total"]) == (1, "1500.30")
    done = tariffs("quote", KITCHEN, "--on", "2022-10-31", "payer=other", "weight=-1", "--json")
    assert done.returncode == 1
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["code"], problem["values"]["minimum"]) == ("below-minimum", "0")


def test_a_tariff_whose_validity_ended_is_refused() -> None:
    done = tariffs("quote", "cn/taiyuan/domestic-waste", "--on", "2026-10-01", "payer=hotel", "beds=1")
    assert done.returncode == 1
    assert "cn/taiyuan/domestic-waste of 2021-04-16 was valid until 2026-04-16" in done.stderr


def test_a_quote_by_a_text_nobody_confirmed_says_so() -> None:
    done = tariffs("quote", "cn/taiyuan/domestic-waste", "--on", "2025-10-01", "payer=household", "relief=low_income", "households=1", "refund_share=50")
    assert done.stdout.splitlines()[-1].split() == ["Total", "to", "pay", "5.00", "CNY"]
    assert done.stderr.startswith("NOT VERIFIED")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("quote", KITCHEN, "weight=5"), "--on YYYY-MM-DD"),
        (("quote", KITCHEN, "--on", "2022-13-31"), "2022-13-31 is not a date"),
        (("quote", KITCHEN, "--on", "2022-10-31", "weight"), "write name=value"),
        (("quote", KITCHEN, "--on", "2022-10-31", "weight=5", "weight=6"), "given twice"),
        (("quote", KITCHEN, "--period", "October"), "is not a period"),
        (("quote", KITCHEN, "--period", "2022-10", "--from", "2022-10-01"), "not both"),
        (("quote", KITCHEN, "--from", "2022-10-01"), "give both"),
        (("quote", KITCHEN, "--on", "2022-10-31", "--locale", "fr"), "write en or zh"),
        (("quote",), "Missing argument"),
        (("list", "--known", "2022-01-01"), "say with --on"),
        (("show", KITCHEN, "--known", "2022-01-01"), "--on YYYY-MM-DD"),
        (("qoute",), "No such command"),
        (("check", "nowhere"), "there is no nowhere"),
        (("rate", KITCHEN, "in.csv"), "Missing option"),
    ],
)
def test_wrong_use_exits_2_with_advice(args: tuple[str, ...], said: str) -> None:
    done = tariffs(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


def test_the_language_is_that_of_the_option_the_variable_or_the_system() -> None:
    facts = ("quote", KITCHEN, "--on", "2022-10-31", "payer=other", "weight=-1")
    assert "低于下限" in tariffs(*facts, "--locale", "zh").stderr
    assert "低于下限" in tariffs(*facts, TARIFFS_LOCALE="zh").stderr
    assert "低于下限" in tariffs(*facts, LANG="zh_CN.UTF-8").stderr
    assert "is below" in tariffs(*facts, LANG="C.UTF-8").stderr
    assert "is below" in tariffs(*facts, LANG="zh_CN.UTF-8", TARIFFS_LOCALE="en").stderr


def test_list_names_versions_and_those_in_force() -> None:
    everything = tariffs("list").stdout
    assert "2021-09-30 .. 2022-09-29  published" in everything
    on = tariffs("list", "--on", "2022-01-01", "--json")
    found = {one["tariff"]: one["effective"] for one in json.loads(on.stdout)["tariffs"]}
    assert found[KITCHEN] == "2021-09-30"
    assert "cn/taiyuan/domestic-waste" in found
    assert "cn/taiyuan/domestic-waste" not in {one["tariff"] for one in json.loads(tariffs("list", "--on", "2026-10-01", "--json").stdout)["tariffs"]}


def test_show_prints_a_version_as_a_page() -> None:
    page = tariffs("show", KITCHEN, "--locale", "zh").stdout
    assert "300 CNY/t" in page
    assert "blocks(weight, [quota], [standard, excess])" in page
    assert json.loads(tariffs("show", KITCHEN, "--on", "2021-10-31", "--json").stdout)["effective"] == "2021-09-30"
    assert "did you mean cn/beijing/kitchen-waste" in tariffs("show", "cn/beijing/kitchen").stderr


def test_check_runs_the_golden_cases_of_every_packaged_version() -> None:
    done = tariffs("check")
    assert done.returncode == 0, done.stderr
    assert re.search(r"cn/beijing/kitchen-waste +2022-09-30 +\d+ cases +ok", done.stdout)


def test_the_rules_of_the_benchmarks_are_checked_like_any_other() -> None:
    done = tariffs("check", "benchmarks/rules")
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"xx/benchmark/(\S+) .* ok", done.stdout)) == {"blocks-by-month", "load", "operator", "three-blocks"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A rule root with one version, without cases."""
    folder = tmp_path / "rules" / "xx" / "bins"
    folder.mkdir(parents=True)
    (folder / "2026-01-01.yaml").write_text(
        "language: 1\ntitle: {en: bins}\nstatus: draft\nsource: {document: test}\ncurrency: CNY\ndirection: receivable\nperiod: any\n"
        "inputs: {n: {unit: bin, step: 1, min: 0, max: 9}}\nvalues: {price: {value: 2.5, unit: CNY/bin}}\n"
        "charges: {fee: {formula: 'round(n * price, 0.01)'}}\n",
        encoding="utf-8",
    )
    return tmp_path / "rules"


def check(root: Path, cases: str | None = None) -> tuple[int, str]:
    if cases is not None:
        (root / "xx" / "bins" / "2026-01-01.cases.yaml").write_text(cases, encoding="utf-8")
    done = tariffs("check", root)
    return done.returncode, done.stderr


def test_a_version_without_cases_fails(root: Path) -> None:
    code, said = check(root)
    assert code == 1
    assert "there is no golden case for this version; write 2026-01-01.cases.yaml beside it" in said
    assert check(root, "[]\n")[0] == 1


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("{name: x, on: 2026-02-01, facts: {n: 3}, expect: {fee: 7.50, total: 7.50}, origin: derived, source: by hand}", ""),
        ("{name: x, on: 2026-02-01, facts: {n: 3}, expect: {fee: 7.51}, origin: derived, source: by hand}", "explain gives fee 7.5, the case expects 7.51"),
        ("{name: x, on: 2026-02-01, facts: {n: 3}, expect: {fees: 7.50}, origin: derived, source: by hand}", "explain gives no fees; it gives fee, total"),
        ("{name: x, on: 2026-02-01, facts: {n: -3}, expect: {fee: 7.50}, origin: derived, source: by hand}", "explain refuses it: n: -3 is below 0"),
        ("{name: x, on: 2025-02-01, facts: {n: 3}, expect: {fee: 7.50}, origin: derived, source: by hand}", "load refuses it: xx/bins has no version in force"),
    ],
)
def test_check_says_where_a_case_differs(root: Path, case: str, said: str) -> None:
    code, found = check(root, f"- {case}\n")
    assert code == (1 if said else 0)
    assert said in found
    assert not said or "2026-01-01.cases.yaml:1:3: case" in found


def test_check_wants_a_bad_case_refused_by_both_evaluators_with_its_words(root: Path) -> None:
    good = "- {name: g, on: 2026-02-01, facts: {n: 3}, expect: {fee: 7.50}, origin: derived, source: by hand}\n"
    assert check(root, good + '- {name: x, on: 2026-02-01, facts: {n: -3}, error: "n: -3 is below 0"}\n')[0] == 0
    code, said = check(root, good + '- {name: x, on: 2026-02-01, facts: {n: 3}, error: "n: 3 is"}\n')
    assert code == 1
    assert "explain gives 7.5 where the case expects the error" in said
    assert "rate gives 7.5 where the case expects the error" in said
    assert "not with" in check(root, good + '- {name: x, on: 2026-02-01, facts: {n: -3}, error: "n: 3 is"}\n')[1]


def test_a_broken_version_is_told_with_its_place(root: Path) -> None:
    path = root / "xx" / "bins" / "2026-01-01.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("n * price", "n * prise"), encoding="utf-8")
    for command in (("list", "--rules", root), ("check", root), ("show", "xx/bins", "--rules", root)):
        done = tariffs(*command)
        assert done.returncode == 1
        assert "2026-01-01.yaml:10:" in done.stderr


CSV = "id,payer,weight,quota\n0001,quota_unit,5.001,10\n2,other,5,\n3,other,-1,\n4,quota_unit,1,\n"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_rate_writes_the_columns_that_came_and_the_amounts(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("\n".join(CSV.splitlines()[:3]), encoding="utf-8")
    done = tariffs("rate", KITCHEN, tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--on", "2022-10-31")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = rows(tmp_path / "out.csv")
    assert first == {"id": "0001", "payer": "quota_unit", "weight": "5.001", "quota": "10", "quota_fee": "1500.30", "plain_fee": "", "total": "1500.30"}
    assert second["total"] == "1500.00"


def test_rate_stops_at_bad_rows_or_puts_them_apart(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("\ufeff" + CSV, encoding="utf-8")
    stopped = tariffs("rate", KITCHEN, tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--on", "2022-10-31")
    assert stopped.returncode == 1
    assert not (tmp_path / "out.csv").exists()
    assert "weight: -1 is below 0" in stopped.stderr
    done = tariffs("rate", KITCHEN, tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--on", "2022-10-31", "--errors", "return", "--locale", "zh")
    assert done.returncode == 1
    assert [row["id"] for row in rows(tmp_path / "out.csv")] == ["0001", "2"]
    bad = rows(tmp_path / "out.bad.csv")
    assert [(row["row"], row["id"]) for row in bad] == [("3", "3"), ("4", "4")]
    assert bad[0]["reason"].startswith("weight：-1 低于下限 0")


def test_rate_reads_and_writes_parquet(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("\n".join(CSV.splitlines()[:3]), encoding="utf-8")
    tariffs("rate", KITCHEN, tmp_path / "in.csv", "-o", tmp_path / "out.parquet", "--on", "2022-10-31")
    table = pq.read_table(tmp_path / "out.parquet")
    assert str(table.schema.field("total").type) == "decimal128(18, 2)"
    table.drop_columns(["total", "quota_fee", "plain_fee"]).drop_columns(["id"])
    again = tariffs("rate", KITCHEN, tmp_path / "out.parquet", "-o", tmp_path / "again.csv", "--on", "2022-10-31")
    assert (again.returncode, "already has columns named like the results" in again.stderr) == (1, True)


@pytest.mark.parametrize(("kind", "result"), [("csv", "csv"), ("csv", "parquet"), ("parquet", "csv"), ("parquet", "parquet")])
def test_a_file_in_many_batches_is_the_file_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, result: str) -> None:
    lines = [f"{i:04},{('other', 'quota_unit')[i % 2]},{-1 if i % 97 == 5 else i}.00{i % 10},{100 if i % 2 else ''}" for i in range(1000)]
    (tmp_path / "in.csv").write_text("\n".join(["id,payer,weight,quota", *lines]), encoding="utf-8")
    texts: dict[str, pa.DataType] = dict.fromkeys(["id", "payer", "weight", "quota"], pa.string())
    table = pv.read_csv(tmp_path / "in.csv", convert_options=pv.ConvertOptions(column_types=texts, strings_can_be_null=True))
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=37)

    def told(*more: str) -> tuple[Done, list[tuple[str, bytes]]]:
        done = tariffs("rate", KITCHEN, tmp_path / f"in.{kind}", "-o", tmp_path / f"out.{result}", "--on", "2022-10-31", *more, "--json")
        files = sorted(tmp_path.glob("out*"))
        found = [(file.name, file.read_bytes() if result == "csv" else str(pq.read_table(file).to_pydict()).encode()) for file in files]
        for file in files:
            file.unlink()
        return done, found

    whole, stopped = told("--errors", "return"), told()
    monkeypatch.setattr(files_in, "BATCH", 64)
    monkeypatch.setattr(files_in, "BLOCK", 4000)
    batched, stopped_again = told("--errors", "return"), told()
    assert [name for name, _ in whole[1]] == [f"out.bad.{result}", f"out.{result}"]
    assert batched[1] == whole[1]
    first, second = json.loads(whole[0].stdout), json.loads(batched[0].stdout)
    assert (first["rows"], first["bad"], first["total"]) == (second["rows"], second["bad"], second["total"]) == (1000, 11, first["total"])
    assert stopped == stopped_again
    assert (stopped[0].returncode, stopped[1]) == (1, [])
    assert json.loads(stopped[0].stdout)["problems"][0]["values"]["count"] == "11"


def test_amounts_in_parquet_are_stored_as_machine_integers_by_their_differences(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("payer,weight\nother,5\n", encoding="utf-8")
    tariffs("rate", KITCHEN, tmp_path / "in.csv", "-o", tmp_path / "out.parquet", "--on", "2022-10-31")
    group = pq.ParquetFile(tmp_path / "out.parquet").metadata.row_group(0)
    total = next(group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == "total")
    assert (total.physical_type, "DELTA_BINARY_PACKED" in total.encodings) == ("INT64", True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("in.csv", b"", "the file is empty"),
        ("in.csv", "payer,weight\n其他,5\n".encode("gbk"), "is not UTF-8"),
        ("in.csv", b"payer,weight\nother,5,6\n", "row 1 has 3 cells, the header 2: other,5,6"),
        ("in.csv", b"payer\nother\n", "weight: no such column"),
        ("in.csv", b"payer,weight,weight\nother,5,5\n", "weight"),
        ("in.parquet", b"PAR1", "cannot be read"),
        ("in.txt", b"payer,weight\nother,5\n", "only .csv and .parquet"),
    ],
)
def test_a_file_that_cannot_be_rated_is_told_why(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    done = tariffs("rate", KITCHEN, tmp_path / name, "-o", tmp_path / "out.csv", "--on", "2022-10-31")
    assert done.returncode == 1
    assert said in done.stderr
    assert list(tmp_path.glob("out*")) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("payer,weight\nother,5\n", encoding="utf-8")
    done = tariffs("rate", KITCHEN, tmp_path / "in.csv", "-o", tmp_path / "no" / "out.csv", "--on", "2022-10-31")
    assert done.returncode == 1
    assert "cannot be written (No such file or directory)" in done.stderr


def test_wrong_use_is_told_without_what_reads_the_values(tmp_path: Path) -> None:
    said = tariffs("rate", KITCHEN, "--on", "2022-10-31", tmp_path / "in.csv", "-o", tmp_path / "out.csv", "--lines", "tall")
    assert said.returncode == 2 and "'tall' is not one of 'wide', 'long'" in said.stderr and "Value error" not in said.stderr
    assert tariffs("nothing").returncode == 2 and tariffs("rate", "--help").returncode == 0
