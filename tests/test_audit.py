"""What ``tariffs check`` tells beyond faults: known cliffs and falls, the seams between versions, and all of it for machines."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tariffs import golden
from tariffs.audit import Finding, audit, everything, proven
from tariffs.load import strays, versions
from tariffs.sarif import as_sarif
from tests.known_findings import ROOT, found

VERSION = """
language: 1
title: {en: bins}
status: illustrative
source: {document: test}
currency: CNY
direction: receivable
period: month
inputs: {n: {unit: bin, step: 1, min: 0, max: 9, collect: sum}}
values: {price: {value: 2.5, unit: CNY/bin}, less: {value: 1.5, unit: CNY/bin}, edge: {value: 4, unit: bin}}
charges: {fee: {formula: "round(whole(n, [upto(edge)], [price, less]), 0.01)"}}
"""
CASES = "- {name: some, on: 2026-01-15, facts: {n: 2}, expect: {total: 5.00}, origin: derived, source: test}\n"


def write(root: Path, name: str, more: str = "") -> None:
    folder = root / "xx" / "bins"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(VERSION + more, encoding="utf-8")
    (folder / f"{name}.cases.yaml").write_text(CASES.replace("2026-01-15", name[:10]), encoding="utf-8")


def told(root: Path, on: date | None = None) -> list[Finding]:
    """What is found in this root alone."""
    files = [file for file in versions(root) if file.tariff == "xx/bins"]
    return everything([golden.check(file, root) for file in files], strays(root), proven(files, files, on))


def codes(root: Path, on: date | None = None) -> list[tuple[str, str]]:
    return [(str(f.effective), f.problem.code) for f in told(root, on) if f.problem.code not in ("cliff", "fall", "status-illustrative")]


def test_check_of_the_rules_finds_what_is_known() -> None:
    """Something new or gone: hold it against the law's text, then write the list again (tests/known_findings.py)."""
    known = json.loads((ROOT / "tests" / "known_findings.json").read_text(encoding="utf-8"))
    assert found() == known


def test_the_list_of_known_findings_holds_beijing_s_half_quota() -> None:
    known = json.loads((ROOT / "tests" / "known_findings.json").read_text(encoding="utf-8"))
    (cliff,) = [f for f in known if f["tariff"] == "cn/beijing/kitchen-waste" and f["values"].get("input") == "weight"]
    assert [cliff["values"][name] for name in ("facts", "from", "before", "to", "after")] == [
        "payer=quota_unit, quota=10",
        "5.000",
        "1000.00",
        "5.001",
        "1500.30",
    ]


def test_an_until_before_the_next_version_leaves_a_gap_and_one_after_it_overlaps(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", "until: 2026-03-01\n")
    write(tmp_path, "2026-04-01", "until: 2026-09-01\n")
    write(tmp_path, "2026-06-01")
    assert codes(tmp_path) == [("2026-01-01", "version-gap"), ("2026-04-01", "version-overlap")]


def test_revisions_follow_each_other_and_are_known_later(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", "known: 2026-01-10\n")
    write(tmp_path, "2026-01-01.r3", "known: 2026-01-05\n")
    write(tmp_path, "2026-05-01.r2", "known: 2026-05-05\n")
    assert [f.problem.code for f in told(tmp_path) if f.problem.code.startswith("revision")] == ["revision-gap", "revision-order", "revision-alone"]


@pytest.mark.parametrize(
    ("on", "expected"),
    [(None, []), (date(2026, 5, 1), []), (date(2026, 6, 3), ["expires-soon"]), (date(2026, 8, 31), ["expires-soon"]), (date(2026, 9, 1), ["expired"])],
)
def test_validity_is_told_for_the_day_asked_about(tmp_path: Path, on: date | None, expected: list[str]) -> None:
    write(tmp_path, "2026-01-01", "until: 2026-09-01\n")
    assert [code for _, code in codes(tmp_path, on)] == expected


def test_the_whole_list_is_in_order_of_tariff_and_date() -> None:
    whole = audit()
    names = [(f.tariff, str(f.effective), f.revision) for f in whole]
    assert names == sorted(names)
    assert not [f.text() for f in whole if f.problem.severity == "error"]


def test_a_pack_that_does_not_load_is_a_finding_too(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", "colour: red\n")
    (tmp_path / "notes.yaml").write_text("a: 1\n", encoding="utf-8")
    severities = {(f.tariff, f.problem.severity) for f in told(tmp_path)}
    assert severities == {("xx/bins", "error"), ("", "error")}


def check(*arguments: object) -> str:
    done = subprocess.run([sys.executable, "-m", "tariffs", "check", *map(str, arguments)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cliff_is_told_in_both_languages_and_does_not_fail_the_check(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01")
    english, chinese = (check(tmp_path, "--locale", locale) for locale in ("en", "zh"))
    assert "fee: at edge = 4 bin the amount jumps by -2.50 CNY: 10.00 at n = 4 bin, 7.50 at 5 bin" in english
    assert "fee: the amount falls as n grows: from 10.00 CNY at 4 bin to 7.50 at 5 bin" in english
    assert "fee: 在 edge = 4 bin 处金额跳变 -2.50 CNY" in chinese
    assert "illustrative 1" in english
    assert "示例" in chinese


def test_sarif_names_rule_level_and_place(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01", "until: 2026-09-01\n")
    log = as_sarif(told(tmp_path, date(2026, 10, 1)), "1.2.3")
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert log["version"] == "2.1.0"
    assert rules == sorted(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith("xx/bins/2026-01-01.yaml")
        assert place["region"]["startLine"] >= 1
    assert {"cliff", "fall", "expired", "status-illustrative"} == set(rules)
    assert json.loads(check(tmp_path, "--sarif"))["runs"][0]["results"]
