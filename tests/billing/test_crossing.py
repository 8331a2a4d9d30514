"""A new version, other terms or a relief inside a period: one bill of several parts, each by its own version, and right for ever after."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest
from pypdf import PdfReader

from billing_service import entitled, holds
from billing_service.fixed import from_row
from billing_service.settings import Settings
from billing_service.store import connect, runs
from tests.billing.calls import calling
from tests.billing.conftest import OWN_RULES, Office
from tests.billing.test_shared_meter import record, shares

pytestmark = pytest.mark.both_databases

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = (OWN_RULES / "test" / "monthly-use" / "2026-01-01.yaml").read_text("utf-8").replace("by use}", "by use of our own}")
DEARER = TEXT.replace("value: 2,", "value: 3,")
E = "E,e,household,,\n"
WHOLE = "UE,E,,water,2026-10-01,2026-11-01,31,m3,actual,,\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A tariff of a utility's own; its price rises from 2 to 3 on 11 October."""
    return pack(tmp_path / "rules", "own/water", {"2026-01-01": TEXT, "2026-10-11": DEARER})


def pack(root: Path, tariff: str, texts: dict[str, str]) -> Path:
    folder = root / tariff
    folder.mkdir(parents=True, exist_ok=True)
    for day, text in texts.items():
        (folder / f"{day}.yaml").write_text(text, "utf-8")
    return root


def relief(office: Office, start: str, end: str | None, *, account: str = "E", name: str = "R", known: str | None = None, **facts: str) -> None:
    with office.opened() as engine, connect.writing(engine, "main") as conn:
        days = {"from": date.fromisoformat(start), "to": date.fromisoformat(end) if end else None, "known": date.fromisoformat(known) if known else None}
        given = {"id": name, "account": account, "contract": "", "tariff": "", "facts": facts, "proof": "card 7", **days}
        entitled.relief(conn, Settings(user="li"), given, LONG_AGO)


def run(office: Office, rules: Path, *more: object) -> Any:
    return office.does("run", "--period", "2026-10", "--rules", rules, *more, by="li")


def waiting(office: Office, done: Any) -> list[tuple[str, str]]:
    return [(one["account"], one["code"]) for one in office.exceptions(done["id"])]


def charges(office: Office, account: str = "E", kind: str = "invoice") -> list[tuple[str, D]]:
    """Charge and amount of every line of an account's documents of a kind, in their order."""
    found = {row["id"] for row in office.rows("documents") if (row["account"], row["kind"]) == (account, kind) and row["state"] in {"issued", "zero"}}
    return [(row["charge"], row["amount"]) for row in office.rows("lines") if row["document"] in found]


def stretches(office: Office, contract: str = "CE") -> list[tuple[int, str, str, dict[str, Any]]]:
    """Number, first day, day after and facts of a contract's parts."""
    found = [(row["seq"], json.loads(row["facts"])) for row in office.rows("parts") if row["contract"] == contract]
    return [(seq, facts["stretch"]["start"], facts["stretch"]["end"], facts) for seq, facts in found]


def holds_still(office: Office, rules: Path) -> None:
    """Every document is itself when it is computed again, and there is nothing left to bill."""
    assert office.does("verify", "--all")["problems"] == []
    again = run(office, rules)
    assert (again["invoices"], again["differences"]) == (0, 0)


def test_a_month_with_a_new_price_is_one_bill_of_two_parts(office: Office, rules: Path) -> None:
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    done = run(office, rules)
    assert (done["contracts"], done["invoices"], done["parked"]) == (1, 1, 0)
    office.issues()
    # 10 and 21 of 31 days: 8 x 10/31 = 2.58 and the rest; 10 m3 at 2 and 21 m3 at 3, within quotas of 10 and 21.
    assert charges(office) == [("fee", D("2.58")), ("usage", D("20.00")), ("fee", D("5.42")), ("usage", D("63.00"))]
    first, second = stretches(office)
    assert [(one[0], one[1], one[2], one[3]["quota"], one[3]["water"]) for one in (first, second)] == [
        (1, "2026-10-01", "2026-10-11", "10", "10"),
        (2, "2026-10-11", "2026-11-01", "21", "21"),
    ]
    digests = [row["digest"] for row in office.rows("parts")]
    assert len(set(digests)) == 2 and {row["digest"] for row in office.rows("lines")} == set(digests)
    assert [row["total"] for row in office.rows("documents")] == [D("91.00")]
    holds_still(office, rules)


def test_a_reading_of_the_day_is_taken_as_it_is(office: Office, rules: Path) -> None:
    usage = "U1,E,,water,2026-10-01,2026-10-11,20,m3,actual,,\nU2,E,,water,2026-10-11,2026-11-01,11,m3,actual,,\n"
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=usage)
    run(office, rules)
    office.issues()
    assert [amount for charge, amount in charges(office) if charge == "usage"] == [D("70.00"), D("33.00")]  # 10 x 2 + 10 x 5; 11 x 3
    holds_still(office, rules)


def test_a_bill_of_two_parts_says_which_days_each_is_of(office: Office, rules: Path, tmp_path: Path) -> None:
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    run(office, rules)
    office.issues()
    number = office.rows("documents")[0]["number"]
    text = office.says("explain", number, "--locale", "en").out
    assert "2 parts" in text and "Period: 2026-10-01 to 2026-10-10" in text and "Period: 2026-10-11 to 2026-10-31" in text
    told = office.does("explain", number)
    assert [[(line["charge"], line["amount"]) for line in one["lines"]] for one in told["parts"]] == [
        [("fee", "2.58"), ("usage", "20.00")],
        [("fee", "5.42"), ("usage", "63.00")],
    ]
    assert [one["explanation"]["period"]["start"] for one in told["parts"]] == ["2026-10-01", "2026-10-11"]
    assert office.says("document", number, "-o", tmp_path / "bill.pdf", "--locale", "en").code == 0
    words = " ".join(" ".join(page.extract_text().split()) for page in PdfReader(tmp_path / "bill.pdf").pages)
    assert "2026-10-01 to 2026-10-10" in words and "2026-10-11 to 2026-10-31" in words and "91.00" in words
    office.does("export", "-o", tmp_path / "files")
    book = openpyxl.load_workbook(next((tmp_path / "files").rglob("run.xlsx")))
    assert [row[-1] for row in book.worksheets[2].iter_rows(min_row=2, values_only=True)] == [2.58, 20, 5.42, 63]


def test_over_the_api_a_bill_has_its_parts_and_computes_again(office: Office, rules: Path) -> None:
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    run(office, rules)
    office.issues()
    number = office.rows("documents")[0]["number"]
    with calling(office, "read") as client:
        invoice: Any = client.get(f"/v1/invoices/{number}").json()
        found: Any = client.get(f"/v1/invoices/{number}/explanation").json()
        again: Any = client.get(f"/v1/invoices/{number}/verification").json()
        assert client.get(f"/v1/invoices/{number}/xlsx").status_code == 200
    assert [(one["effective"], one["facts"]["stretch"]["start"]) for one in invoice["parts"]] == [("2026-01-01", "2026-10-01"), ("2026-10-11", "2026-10-11")]
    assert [len(one["lines"]) for one in found["parts"]] == [2, 2]
    assert (again["same"], again["lines"]) == (True, 4)


def test_a_run_begun_by_the_release_before_is_read_with_the_versions_it_named(office: Office, rules: Path) -> None:
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    done = run(office, rules)
    with office.opened() as engine, connect.writing(engine, "main") as conn:
        row = runs.get(conn, "main", done["id"])
        assert row is not None
        before = from_row(conn, "main", row)
        options = json.loads(row.options)
        as_then = json.dumps({**options, "versions": [(one["tariff"], one["digest"]) for one in options["versions"]]})
        kept: Any = SimpleNamespace(**{**row._mapping, "options": as_then})  # a run's options stand in the database
        after = from_row(conn, "main", kept)
    told = [[(version.digest, version.effective, version.end) for version in found.history["own/water"]] for found in (before, after)]
    assert told[0] == told[1] and len(told[0]) == 2


def test_a_version_that_came_later_with_force_inside_the_month_is_a_difference(office: Office, tmp_path: Path) -> None:
    rules = pack(tmp_path / "rules", "own/water", {"2026-01-01": TEXT})
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    run(office, rules)
    office.issues()
    assert charges(office) == [("fee", D("8.00")), ("usage", D("62.00"))]
    pack(rules, "own/water", {"2026-10-11": DEARER.replace("status:", "known: 2026-11-20\nstatus:")})
    assert office.does("correct", "--known", "2026-11-19", "--rules", rules, by="li") is not None
    assert [row["kind"] for row in office.rows("documents")] == ["invoice"], "nobody knew of it yet"
    office.does("correct", "--known", "2026-11-20", "--rules", rules, by="li")
    office.issues()
    assert charges(office, kind="difference") == [("usage", D("21.00"))]  # 10 x 2 + 21 x 3 less 62; the fee is 8.00 as before
    holds_still(office, rules)
    number = next(row["number"] for row in office.rows("documents") if row["kind"] == "difference")
    first, second = office.does("explain", number)["parts"]
    assert [(one["charge"], one["now"], one["before"], one["amount"]) for one in first["lines"]] == [
        ("fee", "8.00", "8.00", "0.00"),
        ("usage", "83.00", "62.00", "21.00"),
    ]
    assert second["lines"] == [] and second["explanation"]["period"]["start"] == "2026-10-11"
    assert "2026-10-11 to 2026-10-31" in office.says("explain", number, "--locale", "en").out
    # And back: the version is withdrawn, so the whole month is billed by the first again.
    (rules / "own" / "water" / "2026-10-11.yaml").unlink()
    run(office, rules)
    office.issues()
    assert sorted(amount for _, amount in charges(office, kind="difference")) == [D("-21.00"), D("21.00")]
    holds_still(office, rules)


def test_a_version_that_is_withdrawn_gives_the_month_back_to_the_one_before(office: Office, rules: Path) -> None:
    """When the text of the first was kept it ended on the 11th; now it rules on."""
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    run(office, rules)
    office.issues()
    (rules / "own" / "water" / "2026-10-11.yaml").unlink()
    office.receives(accounts="F,f,household,,\n", contracts="CF,F,own/water,2026-01-01,,quota=31\n", usage=WHOLE.replace("E", "F"))
    run(office, rules)
    office.issues()
    assert charges(office, kind="difference") == [("usage", D("-21.00"))]  # 62 less 20 + 63
    assert charges(office, "F") == [("fee", D("8.00")), ("usage", D("62.00"))]
    holds_still(office, rules)
    number = next(row["number"] for row in office.rows("documents") if row["kind"] == "difference")
    assert "8.00" in office.says("explain", number).out, "what did not change is told too, though its line was of a version that is none of this document"


def test_other_terms_inside_a_month_and_a_new_price_make_three_parts(office: Office, rules: Path) -> None:
    """The quota is 31 until the 21st and 62 from then on."""
    office.receives(
        accounts=E, contracts="CE,E,own/water,2026-01-01,2026-10-21,quota=31\nCE,E,own/water,2026-10-21,,quota=62\n", usage=WHOLE.replace(",31,", ",62,")
    )
    run(office, rules)
    office.issues()
    assert [(start, facts["quota"], facts["water"]) for _, start, _, facts in stretches(office)] == [
        ("2026-10-01", "10", "20"),
        ("2026-10-11", "10", "20"),
        ("2026-10-21", "22", "22"),
    ]
    # 10 x 2 + 10 x 5; 10 x 3 + 10 x 5; 22 x 3; the fee 8 x 10/31 = 2.58, 8 x 20/31 = 5.16, 8
    assert [amount for _, amount in charges(office)] == [D("2.58"), D("70.00"), D("2.58"), D("80.00"), D("2.84"), D("66.00")]
    holds_still(office, rules)


def test_a_relief_for_some_days_counts_for_them(office: Office, rules: Path) -> None:
    """From the 21st on the family has twice the quota, for ten days."""
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE.replace(",31,", ",62,"))
    relief(office, "2026-10-21", "2026-10-31", quota="62")
    run(office, rules)
    office.issues()
    assert [(start, end, facts["quota"], facts["water"]) for _, start, end, facts in stretches(office)] == [
        ("2026-10-01", "2026-10-11", "10", "20"),
        ("2026-10-11", "2026-10-21", "10", "20"),
        ("2026-10-21", "2026-10-31", "20", "20"),
        ("2026-10-31", "2026-11-01", "1", "2"),
    ]
    usage = [amount for charge, amount in charges(office) if charge == "usage"]
    assert usage == [D("70.00"), D("80.00"), D("60.00"), D("8.00")]
    holds_still(office, rules)
    relief(office, "2026-10-21", "2026-10-21", known="2026-11-25", quota="62")  # found to have been given in error
    run(office, rules)
    office.issues()
    # The last 21 days: 21 x 3 + 21 x 5 = 168 instead of 148.
    assert charges(office, kind="difference") == [("usage", D("20.00"))]
    holds_still(office, rules)


def test_two_reliefs_contradict_each_other_only_on_the_same_day(office: Office, rules: Path) -> None:
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    relief(office, "2026-10-01", "2026-10-21", name="R1", quota="62")
    relief(office, "2026-10-21", None, name="R2", quota="93")
    done = run(office, rules)
    assert [facts["quota"] for *_, facts in stretches(office)] == ["20", "20", "33"] and done["parked"] == 0
    office.does("cancel", "--run", done["id"], by="li")
    relief(office, "2026-10-31", None, name="R3", quota="124")
    assert waiting(office, run(office, rules)) == [("E", "relief-twice")]


def test_a_reading_that_began_under_the_older_price_is_split(office: Office, tmp_path: Path) -> None:
    """Read from 21 September to 21 October, with a new price since 1 October."""
    rules = pack(tmp_path / "rules", "own/water", {"2026-01-01": TEXT, "2026-10-01": DEARER})
    usage = "UE,E,,water,2026-09-21,2026-10-21,30,m3,actual,,\n"
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=30\n", usage=usage)
    done = run(office, rules)
    assert done["parked"] == 0
    office.issues()
    assert [(start, end, facts["water"], facts["quota"]) for _, start, end, facts in stretches(office)] == [
        ("2026-09-21", "2026-10-01", "10", "10"),
        ("2026-10-01", "2026-10-21", "20", "20"),
    ]
    assert charges(office) == [("fee", D("2.67")), ("usage", D("20.00")), ("fee", D("5.33")), ("usage", D("60.00"))]  # 8 x 10/30
    holds_still(office, rules)


def test_moving_in_after_the_new_price_knows_nothing_of_the_old(office: Office, rules: Path) -> None:
    office.receives(
        accounts=E + "F,f,household,,\n",
        contracts="CE,E,own/water,2026-10-22,,quota=31\nCF,F,own/water,2026-10-06,,quota=31\n",
        usage="UE,E,,water,2026-10-22,2026-11-01,4,m3,actual,,\nUF,F,,water,2026-10-06,2026-11-01,26,m3,actual,,\n",
    )
    run(office, rules)
    office.issues()
    assert charges(office) == [("fee", D("2.58")), ("usage", D("12.00"))]  # 8 - 8 x 21/31 = 2.58; 4 x 3
    assert [(start, facts["water"]) for _, start, _, facts in stretches(office, "CF")] == [("2026-10-06", "5"), ("2026-10-11", "21")]
    assert [amount for charge, amount in charges(office, "F") if charge == "usage"] == [D("10.00"), D("63.00")]
    holds_still(office, rules)


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ({"2026-01-01": TEXT, "2026-10-11": DEARER.replace("change: {usage: by_days, scale: [quota], partial: by_days}\n", "")}, "change-missing"),
        ({"2026-01-01": TEXT.replace("status:", "until: 2026-10-06\nstatus:"), "2026-10-11": DEARER}, "no-version-on"),
        ({"2026-01-01": TEXT.replace("status:", "until: 2026-10-06\nstatus:")}, "no-version-on"),
        ({"2026-10-11": DEARER}, "no-version-on"),
        ({"2026-01-01": TEXT, "2026-10-11": DEARER.replace("usage: by_days", "usage: by_reading")}, "reading-missing"),
        ({"2026-01-01": TEXT, "2026-10-11": DEARER.replace("CNY", "EUR")}, "versions-pay-otherwise"),
        ({"2026-01-01": TEXT, "2026-10-11": DEARER.replace("quota", "allowance")}, "missing-fact"),
    ],
)
def test_what_nothing_says_how_to_split_waits_with_the_reason(office: Office, tmp_path: Path, texts: dict[str, str], code: str) -> None:
    rules = pack(tmp_path / "rules", "own/water", texts)
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    done = run(office, rules)
    assert done["invoices"] == 0
    assert code in [found for _, found in waiting(office, done)]


def test_a_new_version_inside_the_period_must_be_adopted_too(office: Office, tmp_path: Path) -> None:
    rules = pack(tmp_path / "rules", "own/water", {"2026-01-01": TEXT, "2026-10-11": DEARER.replace("published", "unverified")})
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    answer = office.refuses("run", "--period", "2026-10", "--rules", rules, by="li")
    assert answer.codes == ["version-not-adopted"]
    office.does("adopt", "own/water", "2026-10-11", "--document", "x", "--rules", rules, by="li")
    assert run(office, rules)["invoices"] == 1


def test_an_earlier_version_nobody_adopted_stops_only_who_needs_it(office: Office, tmp_path: Path) -> None:
    rules = pack(tmp_path / "rules", "own/water", {"2026-01-01": TEXT.replace("published", "unverified"), "2026-10-01": DEARER})
    usage = WHOLE + "UF,F,,water,2026-09-21,2026-10-21,30,m3,actual,,\n"
    office.receives(accounts=E + "F,f,household,,\n", contracts="CE,E,own/water,2026-01-01,,quota=31\nCF,F,own/water,2026-01-01,,quota=31\n", usage=usage)
    done = run(office, rules)
    assert done["invoices"] == 1 and waiting(office, done) == [("F", "record-crosses-version")]


def test_a_tariff_with_rows_waits_where_it_crosses(office: Office, tmp_path: Path) -> None:
    text = (OWN_RULES / "test" / "operator-pay" / "2026-01-01.yaml").read_text("utf-8")
    rules = pack(tmp_path / "rules", "own/pay", {"2026-01-01": text, "2026-10-11": text + "# from the 11th\n"})
    for day in ("2026-01-01", "2026-10-11"):
        office.does("adopt", "own/pay", day, "--document", "x", "--rules", rules, by="li")
    office.receives(accounts="E,e,operator,,\n", contracts="CE,E,own/pay,2026-01-01,,\n", usage="UE,E,,treated,2026-10-01,2026-10-02,1,m3,actual,,\n")
    done = run(office, rules)
    assert done["invoices"] == 0 and done["parked"] >= 1


def test_a_contract_that_changes_its_tariff_or_pauses_inside_a_month_waits(office: Office, rules: Path) -> None:
    office.receives(
        accounts=E + "F,f,household,,\n",
        contracts="""
            CE,E,own/water,2026-01-01,2026-10-11,quota=31
            CE,E,test/monthly-use,2026-10-11,,quota=31
            CF,F,own/water,2026-01-01,2026-10-11,quota=31
            CF,F,own/water,2026-10-15,,quota=31
        """,
    )
    assert sorted(waiting(office, run(office, rules))) == [("E", "contract-part-period"), ("F", "contract-part-period")]


def test_a_shared_meter_is_divided_and_each_part_split_by_its_own_tariff(office: Office, rules: Path) -> None:
    """A is under the new price, B under a tariff without one; the meter was read on the 11th: 10 m3 before it, 21 after."""
    office.receives(
        accounts="A,a,household,,\nB,b,household,,\nH,h,household,,\n",
        contracts="CA,A,own/water,2026-01-01,,quota=31\nCB,B,test/monthly-use,2026-01-01,,quota=31\n",
        usage=record("U1", "H", "M", 10, "2026-10-01", "2026-10-11") + record("U2", "H", "M", 21, "2026-10-11", "2026-11-01"),
    )
    shares(office, "M", ("A", 1), ("B", 1))
    assert run(office, rules)["parked"] == 0
    office.issues()
    # The 21 m3 are 11 and 10: the odd one is the first account's.
    assert [facts["water"] for *_, facts in stretches(office, "CA")] == ["5", "11"]
    assert [amount for charge, amount in charges(office, "A") if charge == "usage"] == [D("10.00"), D("33.00")]
    assert [amount for charge, amount in charges(office, "B") if charge == "usage"] == [D("30.00")]  # 15 x 2
    holds_still(office, rules)


def test_a_relief_inside_readings_that_were_divided_together_waits(office: Office, rules: Path) -> None:
    """On the 21st nobody reads the meter apart for A: its part of the 1st to the 11th and of the days after is known, that of the 21st is not."""
    office.receives(
        accounts="A,a,household,,\nB,b,household,,\nH,h,household,,\n",
        contracts="CA,A,own/water,2026-01-01,,quota=31\nCB,B,own/water,2026-01-01,,quota=31\n",
        usage=record("U1", "H", "M", 10, "2026-10-01", "2026-10-11")
        + record("U2", "H", "M", 11, "2026-10-11", "2026-10-21")
        + record("U3", "H", "M", 11, "2026-10-21", "2026-11-01"),
    )
    shares(office, "M", ("A", 1), ("B", 1))
    relief(office, "2026-10-21", None, account="A", quota="62")
    done = run(office, rules)
    assert waiting(office, done) == [("A", "meter-merged")] and done["invoices"] == 1


def test_holds_look_at_all_parts(office: Office, rules: Path) -> None:
    """Nothing was used in either part; and a bill of parts says nothing of cliffs, neither then nor to the next month."""
    with office.opened() as engine, connect.writing(engine, "main") as conn:
        holds.set_rules(conn, Settings(user="li"), {"zero": "", "cliff": ""}, LONG_AGO)
    usage = WHOLE.replace(",31,", ",0,") + "UF,F,,water,2026-10-31,2026-11-01,1,m3,actual,,\nUN,F,,water,2026-11-01,2026-12-01,900,m3,actual,,\n"
    office.receives(accounts=E + "F,f,household,,\n", contracts="CE,E,own/water,2026-01-01,,quota=31\nCF,F,own/water,2026-01-01,,quota=31\n", usage=usage)
    done = run(office, rules)
    documents = {row["id"]: row["account"] for row in office.rows("documents")}
    assert done["held"] == 1 and [(documents[row["document"]], row["rule"]) for row in office.rows("holds")] == [("E", "zero")]
    office.does("release", "--run", done["id"], "--note", "looked", by="wang")
    office.issues()
    assert office.does("run", "--period", "2026-11", "--rules", rules, by="li")["held"] == 0


def test_a_credit_of_a_charge_is_of_all_its_parts(office: Office, rules: Path) -> None:
    office.receives(accounts=E, contracts="CE,E,own/water,2026-01-01,,quota=31\n", usage=WHOLE)
    run(office, rules)
    office.issues()
    number = office.rows("documents")[0]["number"]
    refused = office.refuses("credit", number, "--charge", "usage=83.01", "--reason", "burst pipe", by="wang")
    assert refused.codes == ["credit-above-left"]
    office.does("credit", number, "--charge", "usage=83.00", "--reason", "burst pipe", by="wang")
    assert charges(office, kind="credit_note") == [("usage", D("-83.00"))]
    holds_still(office, rules)
