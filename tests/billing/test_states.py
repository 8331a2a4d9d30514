"""A run goes draft, reviewed, approved, issued; four eyes; what is out of order is refused in words."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from billing_service.cli import app
from tests.billing.conftest import OCTOBER, Office


@pytest.mark.both_databases
def test_each_step_needs_the_one_before(city: Office) -> None:
    city.runs()
    assert city.refuses("approve", by="wang").codes == ["wrong-state"]
    assert city.refuses("issue", by="wang").codes == ["wrong-state"]
    assert "needs a run that is reviewed" in city.says("approve", by="wang").err
    city.does("review", by="wang")
    assert city.refuses("issue", by="wang").codes == ["wrong-state"]
    city.does("approve", by="wang")
    city.does("issue", by="wang")
    assert city.refuses("approve", "--run", "2026-10-1", by="wang").codes == ["wrong-state"]
    assert city.refuses("issue", "--run", "2026-10-1", by="wang").codes == ["wrong-state"]
    assert city.refuses("cancel", "--run", "2026-10-1", by="wang").codes == ["wrong-state"]


def test_who_made_a_run_may_not_approve_it(city: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    city.runs()
    city.does("review", by="li")
    assert city.refuses("approve", by="li").codes == ["same-person"]
    monkeypatch.setenv("BILLING_ONE_PERSON", "1")
    city.does("approve", by="li")


@pytest.mark.both_databases
def test_who_did_what_when_is_kept(city: Office) -> None:
    city.runs()
    city.issues()
    (run,) = city.rows("runs")
    assert (run["created_by"], run["reviewed_by"], run["approved_by"], run["issued_by"]) == ("li", "wang", "wang", "wang")
    assert run["as_of"] < run["reviewed_at"] < run["approved_at"] < run["issued_at"]
    assert run["as_of"].tzinfo is not None


def test_looking_at_an_issued_run_changes_nothing(city: Office) -> None:
    city.runs()
    city.issues()
    before = city.rows("runs")
    assert city.does("review", "--run", "2026-10-1")["run"]["state"] == "issued"
    assert city.rows("runs") == before


def test_a_run_that_is_not_there_is_told(city: Office) -> None:
    assert city.refuses("review").codes == ["no-run"]
    assert city.refuses("approve").codes == ["no-run"]
    assert city.refuses("review", "--run", "2026-10-7").codes == ["no-such-run"]


@pytest.mark.both_databases
def test_review_tells_totals_by_tariff_and_class(city: Office) -> None:
    city.runs()
    seen = city.does("review", by="wang")
    assert (seen["accounts"], seen["billed"], seen["zero"]) == (3, 3, 1)
    found = {(row["tariff"].split("/")[-1], row["class"]): row["amount"] for row in seen["totals"]}
    assert found == {("domestic-waste", "household"): "4.50", ("sewage", "household"): "20.00", ("sewage", "shop"): "145.00"}
    assert seen["largest"][0] == {"account": "A3", "name": "Sun's shop", "total": "145.00", "currency": "CNY"}


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_every_screen_speaks_both_languages(city: Office, locale: str) -> None:
    city.receives(accounts="A4,Li,household,,\n", contracts="C6,A4,cn/yangquan/sewage,2026-01-01,,user=resident\n")
    city.says("run", "--period", OCTOBER, "--locale", locale, by="li")
    printed = city.says("review", "--locale", locale, by="wang").out
    assert ("合计" if locale == "zh" else "total") in printed
    assert ("缺少" if locale == "zh" else "missing") in printed
    city.says("approve", "--locale", locale, by="wang")
    assert ("编号" if locale == "zh" else "numbered") in city.says("issue", "--locale", locale, by="wang").out
    assert "2026-10-1" in city.says("runs", "--locale", locale).out


def test_wrong_use_ends_with_2(city: Office) -> None:
    for words in (
        ["run"],
        ["run", "--period", "2026-13"],
        ["run", "--from", "2026-10-01"],
        ["adopt", "x"],
        ["adopt", "x", "today", "--document", "x"],
        ["bill"],
    ):
        assert CliRunner().invoke(app, [*words, *(["--db", str(city.db)] if words != ["bill"] else [])]).exit_code == 2, words


def test_a_database_that_is_absent_or_foreign_is_told(city: Office) -> None:
    runner = CliRunner()
    assert "billing init" in runner.invoke(app, ["review", "--db", str(city.folder / "none.db")]).stderr
    (city.folder / "text.db").write_text("not a database at all, only some words in a file", "utf-8")
    result = runner.invoke(app, ["review", "--db", str(city.folder / "text.db")])
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit)
    (city.folder / "empty.db").touch()
    assert "billing init" in runner.invoke(app, ["review", "--db", str(city.folder / "empty.db")]).stderr
