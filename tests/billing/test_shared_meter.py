"""A shared meter is divided among all who share it: the parts are the whole, in every chunk, on either database, and years later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest

from billing_service import entitled
from billing_service.settings import Settings
from billing_service.store import connect
from tests.billing.conftest import Office

pytestmark = pytest.mark.both_databases

RECORD = "{id},{account},{point},water,{start},{end},{value},m3,{quality},,\n"


def shares(office: Office, point: str, *given: tuple[str, object], start: str = "2026-01-01", end: str | None = None, known: str | None = None) -> None:
    """Who shares a meter, each with its parts, recorded long before any run."""
    with office.opened() as engine, connect.writing(engine, "main") as conn:
        for account, parts in given:
            days = {"from": date.fromisoformat(start), "to": date.fromisoformat(end) if end else None, "known": date.fromisoformat(known) if known else None}
            about = {"point": point, "account": account, "parts": D(str(parts)), "contract": "", **days}
            entitled.share(conn, Settings(user="li"), about, datetime(2026, 1, 1, tzinfo=UTC))


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
    for name, size in (("one", 1), ("two", 2), ("all", 2000)):
        office = house(make_office(name), "ABCD")
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
