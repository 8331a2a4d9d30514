"""The program behind `make demo`: from rule files to issued invoices, whose files agree with one another."""

import csv
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the demo prints, and the month it exports."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run([sys.executable, str(ROOT / "examples" / "demo.py"), str(folder)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    return done.stdout, folder / "2026-10"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_it_tells_a_finance_officer_what_happened(story: tuple[str, Path]) -> None:
    text, _ = story
    for part in (
        "Total to pay  1500.30 CNY",
        "was not adopted by this utility",
        "accounts billed",
        "cn/yangquan/sewage",
        "exceptions",
        "Nobody is billed twice",
        "run.xlsx",
    ):
        assert part in text


def test_numbers_have_no_gap_and_the_files_agree(story: tuple[str, Path]) -> None:
    text, month = story
    invoices, lines = rows(month / "invoices.csv"), rows(month / "lines.csv")
    numbers = [invoice["number"] for invoice in invoices if invoice["number"]]
    assert numbers == [f"INV-2026-{number:06}" for number in range(1, len(numbers) + 1)]
    assert all(Decimal(invoice["total"]) == 0 for invoice in invoices if not invoice["number"])
    billed = sum(Decimal(line["amount"]) for line in lines if line["kind"] == "line")
    assert billed == sum(Decimal(invoice["total"]) for invoice in invoices)
    assert f"{billed:,} CNY" in text
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((month / "invoices").glob("*.json"))]
    assert {document["number"]: document["total"] for document in documents} == {
        invoice["number"]: invoice["total"] for invoice in invoices if invoice["number"]
    }
    for document in documents:
        assert Decimal(document["total"]) == sum(Decimal(line["amount"]) for line in document["lines"] if line["kind"] == "line")


def test_every_exception_says_where_and_why(story: tuple[str, Path]) -> None:
    for exception in rows(story[1] / "exceptions.csv"):
        assert exception["reason"]
        assert exception["file"].endswith(".csv")
        assert int(exception["line"]) > 1
