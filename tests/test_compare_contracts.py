"""What if between forms of an operator's contract: the same days by both, totals by plant and month, each equal to ``explain``."""

from __future__ import annotations

import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import tariffs
from examples.contracts.what_if import tables
from tariffs.cli import app
from tariffs.compare import explained_of
from tariffs.compare_words import text
from tariffs.money import total

RULES = Path(__file__).parent.parent / "examples" / "operators" / "rules"
OLD, NEW = "cn/sample/operators/daily-cap", "cn/sample/operators/removal-by-kg"
MONTHS, DAYS = tables(3, 2)


def version(name: str) -> tariffs.TariffVersion:
    return tariffs.load(name, on="2024-01-01", rules=RULES)


def by_explain(name: str) -> dict[tuple[str, Any], D]:
    """Every plant-month alone."""
    rule, found = version(name), {}
    standing = {item.full_name for item in rule.model.inputs if item.collect is None}
    assert rule.model.stage is not None
    own = {"start", *(item.full_name for item in rule.model.stage.inputs)}
    for row in MONTHS.to_pylist():
        days = [d for d in DAYS.to_pylist() if d["account"] == row["account"] and row["period_start"] <= d["start"] < row["period_end"]]
        stage = [{key: value for key, value in day.items() if key in own} for day in days]
        facts = {key: value for key, value in row.items() if key in standing}
        found[row["account"], row["period_start"]] = rule.explain(facts, stage=stage, period=(row["period_start"], row["period_end"])).total
    return found


def test_totals_by_plant_and_month_are_those_of_explain_by_both_contracts() -> None:
    found = tariffs.compare(version(OLD), version(NEW), MONTHS, stage=DAYS, by=["account", "period_start"])
    old, new = by_explain(OLD), by_explain(NEW)
    assert found.compared == len(old) == 36
    assert {(g.members[0], g.members[1]): (g.old, g.new) for g in found.groups} == {(a, str(day)): (old[a, day], new[a, day]) for a, day in old}
    assert (found.old_total, found.new_total) == (total(old.values()), total(new.values()))
    assert (
        len(found.rises) <= 10
        and [c.key for c in found.rises] == [f"{a} {day}" for a, day in sorted(new, key=lambda k: old[k] - new[k]) if new[a, day] > old[a, day]][:10]
    )
    assert "Who is paid more" in text(found, "en") and "谁多收" in text(found, "zh_CN")


def test_a_month_that_lacks_a_day_is_refused_by_both_and_told() -> None:
    found = tariffs.compare(version(OLD), version(NEW), MONTHS, stage=DAYS.slice(1))
    assert found.compared == 35
    assert {(r.side, r.rows, r.key) for r in found.refused} == {
        ("old", 1, f"{MONTHS['account'][0]} 2024-01-01"),
        ("new", 1, f"{MONTHS['account'][0]} 2024-01-01"),
    }


def test_one_plant_is_explained_by_both_contracts_for_each_of_its_months() -> None:
    account = MONTHS["account"][0].as_py()
    told = explained_of(version(OLD), version(NEW), MONTHS, account, stage=DAYS)
    assert len(told) == 24
    assert [r.total for r in told[::2]] == [amount for (name, _), amount in by_explain(OLD).items() if name == account]
    assert len(explained_of(version(OLD), version(NEW), MONTHS, f"{account} 2024-03-01", stage=DAYS)) == 2


def test_without_the_rows_of_the_stage_the_error_says_how_to_give_them() -> None:
    with pytest.raises(tariffs.TariffError, match="--stage"):
        tariffs.compare(version(OLD), version(NEW), MONTHS)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_command_reads_the_days_beside_the_months(tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / f"months.{kind}", tmp_path / f"days.{kind}"]
    for path, table in zip(paths, (MONTHS, DAYS), strict=True):
        pq.write_table(table, path) if kind == "parquet" else pcsv.write_csv(table, path)
    command = ["compare", f"{OLD}@2024-01-01", f"{NEW}@2024-01-01", str(paths[0]), "--stage", str(paths[1]), "--rules", str(RULES), "--by", "account", "--json"]
    done = CliRunner().invoke(app, [*command, "--explain", f"{MONTHS['account'][5]} 2024-06-01"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["compared"], told["total"]["old"], told["total"]["new"]) == (36, str(total(by_explain(OLD).values())), str(total(by_explain(NEW).values())))
    assert len(told["classes"]) == 3 and len(told["explained"]) == 2
