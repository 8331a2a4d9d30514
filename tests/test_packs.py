"""Every pack of the library and of the sample city gives its golden cases, by both evaluators."""

from __future__ import annotations

import decimal
from pathlib import Path

import pytest

import tariffs
from tariffs import golden

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "examples" / "yangquan" / "rules"


@pytest.mark.parametrize("file", tariffs.versions(SAMPLE), ids=lambda file: f"{file.tariff}@{file.effective}")
def test_a_pack_gives_its_golden_cases_by_both_evaluators(file: tariffs.VersionFile) -> None:
    assert golden.has_columns()
    with decimal.localcontext(decimal.Context(prec=1, traps=[decimal.Inexact])):  # what the host program's decimals do is its own affair
        checked = golden.check(file, SAMPLE)
    assert [problem.text() for problem in checked.problems] == []
    assert checked.cases > 0


def test_nothing_strange_lies_in_the_rule_roots() -> None:
    assert tariffs.strays(SAMPLE) == []
