"""A run bills by what is published or adopted, as adopted, and refuses the rest by name."""

from __future__ import annotations

import shutil
from pathlib import Path

from typer.testing import CliRunner

from billing_service.cli import app
from tests.billing.conftest import OCTOBER, OWN_RULES, RULES, Office

ACCOUNT = "A1,Zhao,shop,,\n"


def test_a_run_refuses_what_is_neither_published_nor_adopted_and_lists_all_of_it(office: Office) -> None:
    office.receives(
        accounts=ACCOUNT,
        contracts="""
            C1,A1,cn/yangquan/sewage,2026-01-01,,user=resident
            C2,A1,cn/yangquan/medical-waste,2026-01-01,,
            C3,A1,test/drafted,2026-01-01,,bags=1
            C4,A1,test/contained-tax,2026-01-01,,bags=1
        """,
    )
    answer = office.refuses("run", "--period", OCTOBER, by="li")
    assert sorted(answer.codes) == ["version-draft", "version-not-adopted", "version-not-adopted"]
    assert "billing adopt cn/yangquan/medical-waste 2026-01-01" in answer.out
    assert office.rows("runs") == []


def test_adoption_keeps_bytes_digest_document_and_who(office: Office) -> None:
    done = office.does("adopt", "cn/yangquan/sewage", "2026-10-01", "--document", "市价〔2026〕1号", by="li")
    (version,), (adoption,) = office.rows("versions"), office.rows("adoptions")
    assert version["content"] == (RULES / "cn/yangquan/sewage/2026-01-01.yaml").read_bytes()
    assert (adoption["digest"], adoption["by"], adoption["document"]) == (done["digest"], "li", "市价〔2026〕1号")
    assert office.does("adopt", "cn/yangquan/sewage", "2026-10-01", "--document", "again", by="wang")["new"] is False
    assert len(office.rows("adoptions")) == 1


def test_a_draft_is_never_adopted_and_an_adoption_needs_its_document(office: Office) -> None:
    assert office.refuses("adopt", "test/drafted", "2026-10-01", "--document", "x").codes == ["version-draft"]
    assert office.refuses("adopt", "cn/yangquan/sewage", "2026-10-01", "--document", " ").codes == ["document-missing"]
    assert office.refuses("adopt", "cn/yangquan/absent", "2026-10-01", "--document", "x").codes[0].startswith("unknown-tariff")
    assert office.refuses("adopt", "cn/yangquan/sewage", "1999-01-01", "--document", "x").codes == ["not-yet-in-force"]


def test_a_file_that_changed_after_adoption_is_refused(office: Office, tmp_path: Path) -> None:
    root = tmp_path / "rules"
    shutil.copytree(RULES / "cn" / "yangquan" / "sewage", root / "cn" / "yangquan" / "sewage")
    given = ["--db", str(office.db), "--rules", str(root), "--as", "li"]
    assert CliRunner().invoke(app, ["adopt", "cn/yangquan/sewage", "2026-10-01", "--document", "x", *given]).exit_code == 0
    path = root / "cn/yangquan/sewage/2026-01-01.yaml"
    path.write_text(path.read_text("utf-8").replace("resident: 1.00", "resident: 1.10"), "utf-8")
    office.receives(accounts=ACCOUNT, contracts="C1,A1,cn/yangquan/sewage,2026-01-01,,user=resident\n")
    result = CliRunner().invoke(app, ["run", "--period", OCTOBER, *given])
    assert result.exit_code == 1
    assert "was adopted with another text" in result.stderr


def test_a_broken_rule_file_refuses_the_run_with_its_place(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "rules" / "x" / "broken"
    folder.mkdir(parents=True)
    (folder / "2026-01-01.yaml").write_text("language: 1\n", "utf-8")
    office.receives(accounts=ACCOUNT, contracts="C1,A1,x/broken,2026-01-01,,\n")
    result = CliRunner().invoke(app, ["run", "--period", OCTOBER, "--db", str(office.db), "--rules", str(tmp_path / "rules"), "--as", "li"])
    assert result.exit_code == 1
    assert "2026-01-01.yaml:1" in result.stderr


def test_an_unknown_tariff_or_one_not_in_force_parks_only_its_contracts(office: Office) -> None:
    office.receives(
        accounts=ACCOUNT + "A2,Qian,shop,,\nA3,Sun,shop,,\nA4,Li,shop,,\n",
        contracts="""
            C1,A1,test/contained-tax,2026-01-01,,bags=1
            C2,A2,test/contained-taxes,2026-01-01,,bags=1
            C3,A3,cn/taiyuan/domestic-waste,2026-01-01,,
            C4,A4,test/quantity,2026-01-01,,bags=1
        """,
    )
    done = office.runs()
    assert done["invoices"] == 1
    found = {one["account"]: one["code"] for one in office.exceptions(done["id"])}
    assert found == {"A2": "unknown-tariff-like", "A3": "no-longer-in-force", "A4": "version-not-billable"}


def test_a_period_that_crosses_the_end_of_the_last_version_is_parked(office: Office) -> None:
    office.does("adopt", "cn/yangquan/domestic-waste-by-volume", "2027-01-01", "--document", "x")
    office.receives(accounts=ACCOUNT, contracts="C1,A1,cn/yangquan/domestic-waste-by-volume,2026-07-01,,households=1\n")
    done = office.does("run", "--from", "2027-06-15", "--to", "2027-07-15", by="li")
    assert [one["code"] for one in office.exceptions(done["id"])] == ["no-version-on"]


def test_a_misspelt_fact_parks_one_contract_not_the_tariff(office: Office) -> None:
    office.receives(
        accounts=ACCOUNT + "A2,Qian,shop,,\n", contracts="C1,A1,test/contained-tax,2026-01-01,,bags=1\nC2,A2,test/contained-tax,2026-01-01,,bag=1\n"
    )
    done = office.runs()
    assert done["invoices"] == 1
    (found,) = office.exceptions(done["id"])
    assert (found["account"], found["code"], found["line"]) == ("A2", "unknown-fact-like", 3)


def test_a_rule_root_that_does_not_exist_is_told_at_once(office: Office) -> None:
    result = CliRunner().invoke(app, ["run", "--period", OCTOBER, "--db", str(office.db), "--rules", str(OWN_RULES / "absent")])
    assert result.exit_code == 1
    assert "absent" in result.stderr


def test_a_tariff_that_only_answers_a_quantity_bills_nobody(office: Office) -> None:
    """The bins of a canteen under quota have a mass and no fee of their own: parked, never billed over nothing."""
    office.receives(
        accounts=ACCOUNT,
        contracts="""
            C1,A1,cn/beijing/kitchen-waste-bins,2022-10-01,,payer=quota_unit
        """,
        usage="U1,A1,,bins,2026-10-01,2026-11-01,10,bin,actual,,2026-11-01\n",
    )
    done = office.does("run", "--period", OCTOBER, by="li")
    assert [(one["contract"], one["code"]) for one in office.exceptions(done["id"])] == [("C1", "nothing-billed")]
    assert office.rows("documents") == []
