"""A shared meter is divided among all who share it: the parts are the whole, in every chunk, on either database, and years later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest

from billing_service import entitled, runs, working
from billing_service.settings import Settings
from billing_service.store import connect
from tests.billing.conftest import OWN_RULES, Office

pytestmark = pytest.mark.both_databases

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
RECORD = "{id},{account},{point},water,{start},{end},{value},m3,{quality},,\n"


def shares(
    office: Office, point: str, *given: tuple[str, object], start: str = "2026-01-01", end: str | None = None, known: str | None = None, at: datetime = LONG_AGO
) -> None:
    """Who shares a meter, each with its parts."""
    with office.opened() as engine, connect.writing(engine, "main") as conn:
        for account, parts in given:
            days = {"from": date.fromisoformat(start), "to": date.fromisoformat(end) if end else None, "known": date.fromisoformat(known) if known else None}
            about = {"point": point, "account": account, "parts": D(str(parts)), "contract": "", **days}
            entitled.share(conn, Settings(user="li"), about, at)


def record(name: str, account: str, point: str, value: object, start: str = "2026-10-01", end: str = "2026-11-01", quality: str = "actual") -> str:
    return RECORD.format(id=name, account=account, point=point, start=start, end=end, value=value, quality=quality)


def used(office: Office) -> dict[str, str]:
    """Account -> the water each part was billed for."""
    accounts = {row["id"]: row["account"] for row in office.rows("documents")}
    return {accounts[row["document"]]: json.loads(row["facts"])["water"] for row in office.rows("parts")}


def told(office: Office, run: str) -> list[tuple[str, str]]:
    return [(one["account"], one["code"]) for one in office.exceptions(run)]


def house(office: Office, accounts: str = "ABC") -> Office:
    """Flats under one tariff, and H, the house, which has an account for its meter and no contract."""
    answer = office.receives(
        accounts="".join(f"{one},{one},household,,\n" for one in (*accounts, "H")),
        contracts="".join(f"C{one},{one},test/monthly-use,2026-01-01,,quota=1000\n" for one in accounts),
    )
    assert answer.code == 0, answer.out
    return office


def test_parts_are_the_whole_and_a_bill_says_what_was_divided(office: Office) -> None:
    house(office)
    shares(office, "M", ("A", 1), ("B", 1), ("C", 1))
    office.receives(usage=record("U", "H", "M", 100) + record("V", "B", "M2", 5))
    run = office.runs()
    assert (run["invoices"], run["parked"]) == (3, 0)
    assert used(office) == {"A": "34", "B": "38", "C": "33"}  # B has 33 of the meter and 5 of its own
    office.issues()
    assert office.does("verify", "--all")["problems"] == []
    kept = next(json.loads(row["facts"]) for row in office.rows("parts") if row["contract"] == "CB")
    assert kept["shared-meters"] == [
        {"point": "M", "measure": "water", "start": "2026-10-01", "end": "2026-11-01", "total": "100", "unit": "m3", "parts": "1", "of": "3", "part": "33"}
    ]
    assert office.runs()["unchanged"] == 3
    number = next(row["number"] for row in office.rows("documents") if row["account"] == "B")
    assert "It measured 100 m3 from 2026-10-01 to 2026-10-31; 1 of 3 parts of it are 33 m3." in office.says("explain", number, "--locale", "en").out
    assert "共计量100 m3；按3份中的1份分摊，计33 m3" in office.says("explain", number, "--locale", "zh").out


def test_chunks_of_one_come_to_the_same(make_office: Callable[[str], Office]) -> None:
    """Also where a sharer cannot be billed, and where one has no contract: its part is listed, and is nobody else's."""
    found = []
    for name, size in (("one", 1), ("two", 2), ("all", 2000), ("held", 2000)):
        office = house(make_office(name), "ABCD")
        if name == "held":
            office.does("hold", "over=1000000", by="wang")  # nobody is billed as columns
        shares(office, "M", ("A", "2.5"), ("B", 1), ("C", 1), ("D", 1), ("H", 1))
        office.receives(
            usage=record("U", "H", "M", 101) + record("X", "D", "", 999999) + record("V", "B", "M2", 5),
            accounts="E,e,household,,\n",
            contracts="CE,E,test/monthly-use,2026-01-01,,quota=1\n",
        )
        run = office.runs("--chunk", size)
        assert told(office, run["id"]) == [("D", "above-maximum"), ("E", "missing-fact"), ("H", "usage-without-contract")]
        assert used(office) == {"A": "39", "B": "21", "C": "16"}  # of 101: 38.846, then 15.538 four times: of those B and C come first
        lines = [(row["document"], row["charge"], str(row["amount"])) for row in office.rows("lines")]
        found.append(hashlib.sha256(json.dumps(sorted(lines)).encode()).hexdigest())
    assert len(set(found)) == 1


def test_a_late_total_and_late_shares_are_differences_that_add_up(office: Office) -> None:
    house(office)
    shares(office, "M", ("A", 1), ("B", 1), ("C", 1))
    office.receives(usage=record("U", "H", "M", 100))
    office.runs()
    office.issues()
    office.receives(corrections="U2,H,M,water,2026-10-01,2026-11-01,77,m3,actual,U,2026-11-20\n")
    assert office.does("run", "--period", "2026-10", "--known", "2026-11-10", by="li")["differences"] == 0
    office.runs()
    office.issues()
    differences = [line for line in office.lines() if line[1] == "difference"]
    assert [(line[0], line[-1]) for line in differences] == [("A", D(-16)), ("B", D(-14)), ("C", D(-16))]  # 34, 33, 33 become 26, 26, 25; 2 a m3
    assert sum(line[-1] for line in differences) == (77 - 100) * 2
    shares(office, "M", ("C", 2), known="2026-11-25")
    office.runs()
    office.issues()
    assert used_by_number(office)[-3:] == [("A", "19"), ("B", "19"), ("C", "39")]
    assert sum(line[-1] for line in office.lines() if line[1] == "difference") == (77 - 100) * 2
    assert office.does("verify", "--all")["problems"] == []
    assert office.does("run", "--period", "2026-10", "--known", "2026-11-21", by="li")["differences"] == 3  # as known then: 26, 26, 25 again


def test_what_comes_while_a_run_is_in_work_is_for_the_next(office: Office) -> None:
    """Chunks are worked minutes apart: shares and records that came between two of them are for neither."""
    house(office)
    shares(office, "M", ("A", 1), ("B", 1))
    office.receives(usage=record("U", "H", "M", 10) + record("V", "C", "", 7))
    settings = Settings(db=office.db, rules=(OWN_RULES,), user="li")
    began = datetime(2026, 11, 2, tzinfo=UTC)
    with office.opened() as engine:
        with connect.writing(engine, "main") as conn:
            run = runs.begin_in(conn, settings, (date(2026, 10, 1), date(2026, 11, 1)), None, began, size=1)
        shares(office, "M", ("C", 8), at=datetime(2026, 11, 3, tzinfo=UTC))
        office.receives(corrections="U2,H,M,water,2026-10-01,2026-11-01,100,m3,actual,U,\n")
        working.work(engine, settings, run, lambda _what, _done, _of: None)
    assert used(office) == {"A": "5", "B": "5", "C": "7"}
    office.issues()
    assert office.runs()["differences"] == 3
    office.issues()
    assert used_by_number(office)[-3:] == [("A", "10"), ("B", "10"), ("C", "87")]


def used_by_number(office: Office) -> list[tuple[str, str]]:
    """Account and water of every issued part, in the order of numbers of differences after invoices."""
    rows = {row["id"]: row for row in office.rows("documents") if row["number"]}
    found = [(rows[row["document"]], json.loads(row["facts"])["water"]) for row in office.rows("parts") if row["document"] in rows]
    return [(row["account"], water) for row, water in sorted(found, key=lambda one: (one[0]["kind"] == "difference", one[0]["number"]))]


DAYS_APART = [
    ("a reading on the day", record("U1", "H", "M", 30, end="2026-10-11") + record("U2", "H", "M", 31, start="2026-10-11"), ""),
    ("a reading on the day, off the step", record("U1", "H", "M", 30, end="2026-10-11") + record("U2", "H", "M", "31.5", start="2026-10-11"), "meter-off-step"),
    ("a reading across it", record("U1", "H", "M", 61), "meter-shares-change"),
]


@pytest.mark.parametrize(("said", "usage", "problem"), DAYS_APART, ids=[one[0] for one in DAYS_APART])
def test_who_comes_in_the_middle_needs_a_reading_of_that_day(office: Office, said: str, usage: str, problem: str) -> None:
    """A has the meter alone until B and C come on the 11th: the 31 after it are 11, 10 and 10."""
    house(office)
    shares(office, "M", ("A", 1))
    shares(office, "M", ("B", 1), ("C", 1), start="2026-10-11")
    office.receives(usage=usage)
    run = office.runs()
    if problem:
        assert set(told(office, run["id"])) == {(account, problem) for account in "ABCH"}, said
        assert run["invoices"] == 0
        if problem == "meter-shares-change":  # as its sentence says: the record is replaced by two
            office.receives(
                corrections="V1,H,M,water,2026-10-01,2026-10-11,30,m3,actual,U1,\nV2,H,M,water,2026-10-11,2026-11-01,31,m3,actual,U1,\n",
            )
            assert office.runs()["parked"] == 0
            assert used(office) == {"A": "41", "B": "10", "C": "10"}
    else:
        assert used(office) == {"A": "41", "B": "10", "C": "10"}
        kept = next(json.loads(row["facts"])["shared-meters"] for row in office.rows("parts") if row["contract"] == "CA")
        assert [(one["total"], one["parts"], one["of"], one["part"]) for one in kept] == [("30", "1", "1", "30"), ("31", "1", "3", "11")]


def test_a_contract_of_some_days_takes_the_part_of_its_days(office: Office) -> None:
    """A moves out and B moves in on the 11th, with a reading; C stays. The quota of each is that of its days."""
    office.receives(
        accounts="A,a,household,,\nB,b,household,,\nC,c,household,,\nH,h,house,,\n",
        contracts="CA,A,test/monthly-use,2026-01-01,2026-10-11,quota=31\nCB,B,test/monthly-use,2026-10-11,,quota=31\nCC,C,test/monthly-use,2026-01-01,,quota=31\n",
        usage=record("U1", "H", "M", 30, end="2026-10-11") + record("U2", "H", "M", 31, start="2026-10-11"),
    )
    shares(office, "M", ("A", 1), end="2026-10-11")
    shares(office, "M", ("B", 1), start="2026-10-11")
    shares(office, "M", ("C", 1))
    assert office.runs()["parked"] == 0
    assert used(office) == {"A": "15", "B": "16", "C": "30"}
    office.issues()
    assert office.does("verify", "--all")["problems"] == []


def test_all_records_of_the_point_count_whoever_they_were_sent_for(office: Office) -> None:
    """The meter was replaced on the 11th; the new one's record was sent for A, then moved here from a point it was never at."""
    house(office)
    shares(office, "M", ("A", 1), ("B", 1))
    usage = record("U1", "H", "M", "10", end="2026-10-11") + record("U2", "A", "N", 21, start="2026-10-11") + record("W", "C", "", 7)
    office.receives(usage=usage, corrections="U3,A,M,water,2026-10-11,2026-11-01,21,m3,actual,U2,\n")
    assert office.runs()["parked"] == 0
    assert used(office) == {"A": "16", "B": "15", "C": "7"}
    office.issues()
    office.receives(corrections="U4,A,N,water,2026-10-11,2026-11-01,21,m3,actual,U3,\n")  # it was there after all
    office.runs()
    office.issues()
    assert used_by_number(office)[-2:] == [("A", "26"), ("B", "5")]
    office.receives(usage=record("U5", "C", "M", 1, start="2026-10-05"))
    assert set(told(office, office.runs()["id"])) == {(account, "records-overlap") for account in "ABCH"}


def test_a_meter_that_cannot_be_divided_holds_back_those_it_would_bill_and_nobody_else(office: Office) -> None:
    house(office, "ABCDEFGIJ")
    shares(office, "M1", ("A", 1), ("B", 1))
    shares(office, "M1", ("A", 2), start="2026-03-01")
    shares(office, "M2", ("C", 1), ("D", 1))
    shares(office, "M3", ("E", 1), ("F", 1))
    office.receives(
        accounts="K,k,shop,,\n",
        contracts="CK,F,cn/gone,2026-01-01,,\n",
        usage=record("U1", "H", "M1", 10)
        + record("U2", "D", "M2", "10.5")
        + record("U3", "E", "M3", 10)
        + record("U4", "G", "M2x", 5)
        + record("U5", "I", "", 5),
    )
    run = office.runs()
    assert sorted(told(office, run["id"])) == [
        ("A", "meter-share-twice"),
        ("B", "meter-share-twice"),
        ("C", "meter-off-step"),
        ("D", "meter-off-step"),
        ("E", "meter-tariff"),
        ("F", "meter-tariff"),
        ("F", "unknown-tariff-like"),  # its waste, of a tariff that is not there: nobody knows in which steps that would count
        ("H", "meter-share-twice"),
        ("J", "missing-fact"),
    ]
    assert used(office) == {"G": "5", "I": "5"}
