"""The examples run and give what they say; the sample city is what its README says it is, faults included."""

from __future__ import annotations

import csv
import re
import runpy
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

import tariffs
from examples.yangquan.generate import read_month, write
from tariffs.gather import gather
from tariffs.money import read_number
from tariffs.units import UnitError, parse_unit

ROOT = Path(__file__).parent.parent
CITY = ROOT / "examples" / "yangquan"
OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))
FILES = ("accounts.csv", "contracts.csv", "usage.csv", "planted.csv", "late/corrections.csv")


def rows(name: str) -> list[dict[str, str]]:
    with (CITY / "data" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- the two programs ---------------------------------------------------------------------------------------------


def test_price_one_prints_the_amount_and_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "price_one.py"))
    printed = capsys.readouterr().out
    assert printed.startswith("1500.30\n1500.30\n北京市非居民厨余垃圾处理费\n")
    assert "京发改〔2021〕1277号" in printed
    assert "did you mean weight?" in printed


def test_price_many_gives_the_same_amounts_by_columns(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "price_many.py"))
    printed = capsys.readouterr().out
    assert "total 6700.30\n" in printed
    assert "row 3: weight: -1 is below 0" in printed


# --- the sample city ----------------------------------------------------------------------------------------------


def test_sample_packs_say_that_they_are_samples() -> None:
    for file in tariffs.versions(CITY / "rules"):
        if file.tariff.startswith("cn/yangquan/"):
            version = tariffs.read(file)
            assert version.status == "illustrative"
            assert "示例" in version.title["zh"]
            assert "illustrative" in version.title["en"]


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    write(2000, 165, read_month("2026-10"), tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (CITY / "data" / name).read_bytes()


def test_a_larger_city_begins_with_the_smaller_one(tmp_path: Path) -> None:
    for size in (300, 900):
        write(size, 7, read_month("2026-02"), tmp_path / str(size))
    for name in ("accounts.csv", "contracts.csv", "usage.csv"):
        assert (tmp_path / "900" / name).read_bytes().startswith((tmp_path / "300" / name).read_bytes())


def test_the_readme_counts_the_planted_faults() -> None:
    text = (CITY / "README.md").read_text(encoding="utf-8")
    told = {name: (stage, int(count)) for name, stage, count in re.findall(r"^\| ([a-z-]+) \| ([a-z-]+) \| (\d+) \|", text, re.MULTILINE)}
    planted = rows("planted.csv")
    counts = Counter(row["fault"] for row in planted)
    assert told == {row["fault"]: (row["stage"], counts[row["fault"]]) for row in planted}


def test_planted_faults_stand_where_the_list_says() -> None:
    for fault in rows("planted.csv"):
        if fault["line"]:
            line = (CITY / "data" / fault["file"]).read_text(encoding="utf-8").splitlines()[int(fault["line"]) - 1]
            assert line.startswith(fault["id"] + ",")


@cache
def in_october(tariff: str) -> tariffs.TariffVersion:
    return tariffs.load(tariff, on=OCTOBER[0], rules=CITY / "rules")


def read_usage() -> dict[str, list[tariffs.UsageRecord]]:
    """The records that can be read, each once; the first of an id stands."""
    found: dict[str, dict[str, tariffs.UsageRecord]] = defaultdict(dict)
    for row in rows("usage.csv"):
        value = read_number(row["value"] or "")
        try:
            start, end, known = (date.fromisoformat(row[name] or "") for name in ("start", "end", "known"))
            measured = (row["measure"], start, end, value or Decimal(0), parse_unit(row["unit"]))
        except (ValueError, UnitError):
            continue
        if value is not None and start < end:
            record = tariffs.UsageRecord(row["id"], row["account"], *measured, row["point"], row["quality"], row["replaces"], known)
            found[row["account"]].setdefault(row["id"], record)
    return {account: list(records.values()) for account, records in found.items()}


def test_only_planted_faults_stop_a_bill_and_each_that_should_does() -> None:
    usage = read_usage()
    planted = {row["account"]: row["fault"] for row in rows("planted.csv")}
    stopped: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for row in rows("contracts.csv"):
        facts = dict(fact.partition("=")[::2] for fact in row["facts"].split(";"))
        try:
            version = in_october(row["tariff"])
            given, problems = gather(version.model, usage.get(row["account"], []), facts, OCTOBER)
            if problems:
                raise tariffs.FactsError(problems)
            totals[row["tariff"]] += version.explain(given, period=OCTOBER).total  # type: ignore[assignment]
        except tariffs.TariffError:
            stopped[planted[row["account"]]] += 1
    import_only = {
        "account-without-name",
        "cut-account",
        "unknown-account",
        "conflicting-duplicate",
        "contract-bad-date",
        "exact-duplicate",
        "previous-month",
    }
    for_the_run_to_see = {"contract-twice", "contract-from-mid-month", "record-nobody-charges"}
    late = {fault for fault in planted.values() if fault.startswith("late-")}
    assert dict(stopped) == dict.fromkeys(set(planted.values()) - import_only - for_the_run_to_see - late, 2)
    assert min(totals.values()) > Decimal(100)  # every tariff bills something


def test_corrections_replace_records_of_the_month_and_were_learnt_after_it() -> None:
    originals = {row["id"]: row for row in rows("usage.csv")}
    for row in rows("late/corrections.csv"):
        old = originals[row["replaces"]]
        same = ("account", "point", "measure", "start", "end", "unit")
        assert [row[name] for name in same] == [old[name] for name in same]
        assert row["known"] > old["known"]
        assert row["id"] not in originals
