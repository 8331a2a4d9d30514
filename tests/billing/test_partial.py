"""Contracts that begin or end inside a month: billed for their days by the tariff's own word, and computed again years later."""

from __future__ import annotations

import json
from decimal import Decimal as D
from pathlib import Path

import pytest

from tests.billing.conftest import OWN_RULES, Office

pytestmark = pytest.mark.both_databases


@pytest.fixture
def street(office: Office) -> Office:
    """A moves out on the 11th with a final reading, B moves in on the 22nd, C stays; D's tariff says nothing of parts."""
    answer = office.receives(
        accounts="A,a,household,,\nB,b,household,,\nC,c,household,,\nD,d,shop,,\n",
        contracts="""
            CA,A,test/monthly-use,2026-01-01,2026-10-11,quota=31
            CB,B,test/monthly-use,2026-10-22,,quota=31
            CC,C,test/monthly-use,2026-01-01,,quota=31
            CD,D,test/contained-tax,2026-01-01,2026-10-11,bags=1
        """,
        usage="""
            UA,A,,water,2026-10-01,2026-10-11,20,m3,actual,,
            UB,B,,water,2026-10-22,2026-11-01,4,m3,actual,,
            UC,C,,water,2026-10-01,2026-11-01,31,m3,actual,,
        """,
    )
    assert answer.code == 0, answer.out
    return office


def test_moving_in_and_out_costs_its_days(street: Office) -> None:
    done = street.runs()
    assert (done["invoices"], done["parked"]) == (3, 1)
    assert [(one["account"], one["code"]) for one in street.exceptions(done["id"])] == [("D", "partial-missing")]
    street.issues()
    assert [(account, charge, amount) for account, _, _, charge, _, amount in street.lines()] == [
        ("A", "fee", D("2.58")),  # 8 x 10/31 = 2.5806
        ("A", "usage", D("70.00")),  # the quota of 31 is 10 for 10 of 31 days: 10 x 2 + 10 x 5
        ("B", "fee", D("2.58")),  # 8 x 10/31
        ("B", "usage", D("8.00")),  # 4 x 2
        ("C", "fee", D("8.00")),
        ("C", "usage", D("62.00")),  # 31 x 2
    ]
    assert street.does("verify", "--all")["problems"] == []
    part = next(row for row in street.rows("parts") if row["contract"] == "CA")
    cut = json.loads(part["facts"])["stretch"]
    assert (cut["start"], cut["end"], cut["days"], cut["total"]) == ("2026-10-01", "2026-10-11", "10", "31")


def test_a_late_correction_of_a_part_is_a_difference_that_verifies(street: Office) -> None:
    street.runs()
    street.issues()
    street.receives(corrections="UA2,A,,water,2026-10-01,2026-10-11,9,m3,actual,UA,\n")
    street.runs()
    street.issues()
    found = [(account, charge, amount) for account, kind, _, charge, _, amount in street.lines() if kind == "difference"]
    assert found == [("A", "usage", D("-52.00"))]  # 9 x 2 = 18 instead of 70
    assert street.does("verify", "--all")["problems"] == []
    assert street.does("run", "--period", "2026-10", by="li")["differences"] == 0


def test_terms_that_are_found_to_have_ended_give_the_rest_back(street: Office) -> None:
    """C's contract ended on the 11th, which becomes known later; its reading of the whole month then reaches beyond it and waits for one of the day."""
    street.runs()
    street.issues()
    folder = street.folder / "in"
    (folder / "contracts.csv").write_text(
        "contract,account,tariff,from,to,facts,known\nCC,C,test/monthly-use,2026-01-01,2026-10-11,quota=31,2026-11-20\n", "utf-8"
    )
    (folder / "usage.csv").unlink(missing_ok=True)
    (folder / "accounts.csv").unlink(missing_ok=True)
    assert street.says("import", folder, "--json", by="li").code == 0
    again = street.runs()
    assert [(one["account"], one["code"]) for one in street.exceptions(again["id"])] == [("D", "partial-missing"), ("C", "record-outside-contract")]
    assert again["differences"] == 0, "nothing is taken back by guessing"
    street.receives(corrections="UC2,C,,water,2026-10-01,2026-10-11,12,m3,actual,UC,\n")
    assert street.runs()["differences"] == 1
    street.issues()
    # 8.00 -> 2.58; 62.00 -> 10 x 2 + 2 x 5 = 30
    assert [(charge, amount) for account, kind, _, charge, _, amount in street.lines() if kind == "difference"] == [("fee", D("-5.42")), ("usage", D("-32.00"))]
    assert street.does("verify", "--all")["problems"] == []


def test_a_version_that_came_since_the_last_run_is_not_passed_over(street: Office, tmp_path: Path) -> None:
    """September was billed before anybody knew of a new price from 11 October: October must not be billed by the old one."""
    pack = OWN_RULES / "test" / "monthly-use"
    rules = tmp_path / "rules"
    own = rules / "own" / "monthly"
    own.mkdir(parents=True)
    text = (pack / "2026-01-01.yaml").read_text("utf-8").replace("by use}", "by use of our own}")
    (own / "2026-01-01.yaml").write_text(text, "utf-8")
    street.receives(
        accounts="E,e,household,,\n",
        contracts="CE,E,own/monthly,2026-01-01,,quota=31\nCF,A,own/monthly,2026-01-01,2026-10-06,quota=31\n",
        usage="UE1,E,,water,2026-09-01,2026-10-01,10,m3,actual,,\nUE2,E,,water,2026-10-01,2026-11-01,10,m3,actual,,\nUF,A,,water,2026-09-01,2026-10-01,1,m3,actual,,\n",
    )
    street.does("run", "--period", "2026-09", "--rules", rules, by="li")
    street.issues()
    (own / "2026-10-11.yaml").write_text(text.replace("value: 2,", "value: 3,"), "utf-8")
    run = street.does("run", "--period", "2026-10", "--rules", rules, by="li")
    assert [one for one in street.exceptions(run["id"]) if one["tariff"] == "own/monthly" and one["account"] == "E"] == []
    documents = {row["id"] for row in street.rows("documents") if row["account"] == "E" and row["run"] == run["id"]}
    # 10 m3 in 31 days are 3 in the first ten and 7 after them: 3 x 2 and 7 x 3.
    assert [row["amount"] for row in street.rows("lines") if row["document"] in documents and row["charge"] == "usage"] == [D("6.00"), D("21.00")]


def test_a_record_that_began_under_an_older_price_is_never_billed_whole_by_the_newer(street: Office, tmp_path: Path) -> None:
    """Read from 21 September to 21 October, with a new price since 1 October: the rule wants a reading of that day, or takes it whole."""
    rules = tmp_path / "rules"
    text = (OWN_RULES / "test" / "monthly-use" / "2026-01-01.yaml").read_text("utf-8")
    for name, usage in (("split", "by_reading"), ("whole", "new")):
        own = rules / "own" / name
        own.mkdir(parents=True)
        (own / "2026-01-01.yaml").write_text(text, "utf-8")
        (own / "2026-10-01.yaml").write_text(text.replace("value: 2,", "value: 3,").replace("usage: by_days", f"usage: {usage}"), "utf-8")
    street.receives(
        accounts="E,e,household,,\nF,f,household,,\n",
        contracts="CE,E,own/split,2026-01-01,,quota=31\nCF,F,own/whole,2026-01-01,,quota=31\n",
        usage="UE,E,,water,2026-09-21,2026-10-21,30,m3,actual,,\nUF,F,,water,2026-09-21,2026-10-21,30,m3,actual,,\n",
    )
    run = street.does("run", "--period", "2026-10", "--rules", rules, by="li")
    waiting = [one for one in street.exceptions(run["id"]) if one["account"] in "EF"]
    assert [(one["account"], one["code"], one["line"]) for one in waiting] == [("E", "reading-missing", 2)]
    assert "2026-10-01" in waiting[0]["reason"]
    street.issues()
    # What is wrong is replaced, and no bill was made for it: 10 days of September, 20 of October.
    street.receives(corrections="UE1,E,,water,2026-09-21,2026-10-01,12,m3,actual,UE,\n", usage="UE2,E,,water,2026-10-01,2026-10-21,18,m3,actual,,\n")
    street.does("run", "--period", "2026-10", "--rules", rules, by="li")
    street.issues()
    found = [(account, charge, amount) for account, _, _, charge, _, amount in street.lines() if account in "EF"]
    assert found == [("E", "fee", D("8.00")), ("E", "usage", D("54.00")), ("F", "fee", D("8.00")), ("F", "usage", D("90.00"))]
    assert street.does("verify", "--all")["problems"] == []
