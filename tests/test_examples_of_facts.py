"""Every published or derived example of the facts comes out of a pack, and every record of a tariff is packed or listed."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import tariffs
from tariffs import golden

ROOT = Path(__file__).parent.parent
FACTS = Path(__file__).parent / "facts"
RULES = Path(__file__).parent / "rules"
PACKED, NOT_PACKED, OTHERS = "## Packed, by record", "## Not packed, and why", "## Packed from the worked examples of the world"


def readme_rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of ``rules/README.md``."""
    text = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")
    section = text.split(heading + "\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def records() -> dict[str, dict[str, str]]:
    return {record["id"]: record for record in json.loads((FACTS / "published_tariffs.json").read_text(encoding="utf-8"))}


def test_the_worked_examples_come_out_of_packs() -> None:
    done = subprocess.run([sys.executable, "tests/examples_of_facts.py"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads((FACTS / "worked_examples.json").read_text(encoding="utf-8"))
    printed = {line.split()[0] for line in done.stdout.split("\nNot asserted:")[0].splitlines()}
    assert printed == {example["id"] for group in facts.values() for example in group}
    assert "0 differ, 3 not asserted" in done.stdout


def test_every_record_stands_in_exactly_one_list() -> None:
    listed = Counter(record for heading in (PACKED, NOT_PACKED) for row in readme_rows(heading) for record in named(row[0]))
    assert listed == Counter(records().keys())


def test_every_version_in_the_rules_stands_in_the_readme_with_its_status() -> None:
    said: dict[str, str] = {}
    for heading, column in ((PACKED, 1), (OTHERS, 0)):
        for row in readme_rows(heading):
            packs, statuses = named(row[column]), row[-2].split(", ")
            said.update(zip(packs, statuses if len(statuses) > 1 else statuses * len(packs), strict=True))
    found = {}
    for file in tariffs.versions():
        if file.path.is_relative_to(ROOT / "rules"):
            found[f"{file.tariff}/{file.effective}"] = tariffs.read(file).status
    assert said == found


def test_no_status_is_better_than_its_grade() -> None:
    """Grade C or D is never ``published``; a record that gives only a year or a month neither."""
    for row in readme_rows(PACKED):
        (record,) = named(row[0])
        grade, status = records()[record]["source_grade"], row[-2]
        assert row[2] == grade, record
        assert "published" not in status.split(", ") or (grade[0] in "AB" and re.search(r"\d{4}-\d{2}-\d{2}", records()[record]["effective"])), record


@pytest.mark.parametrize("file", [file for file in tariffs.versions(RULES) if file.path.is_relative_to(RULES)], ids=lambda file: file.tariff)
def test_illustrative_packs_of_the_tests_give_their_cases(file: tariffs.VersionFile) -> None:
    checked = golden.check(file, RULES)
    assert [problem.text() for problem in checked.problems] == []
    assert tariffs.read(file).status == "illustrative"
