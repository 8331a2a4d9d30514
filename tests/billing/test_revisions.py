"""Terms, reliefs and shares are corrected by a further row: each day's knowledge gives what was known then, for ever."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing_service.store import connect, entitlements, ledger
from tests.billing.conftest import Office, furnish

pytestmark = pytest.mark.both_databases

OCTOBER = (date(2026, 10, 1), date(2026, 11, 1))
NOW = datetime(2026, 11, 3, tzinfo=UTC)


def learns(city: Office, row: str) -> dict[str, Any]:
    """Import one row of terms with the day it became known; what the file gave."""
    path = city.folder / "contracts.csv"
    path.write_text(f"contract,account,tariff,from,to,facts,known\n{row}\n", "utf-8")
    found: dict[str, Any] = city.says("import", path, "--json", by="li").json["files"][0]
    return found


@pytest.fixture
def corrected(office: Office) -> Office:
    """The contract C1 was recorded for a resident; on 10 November it is learnt that it never was one."""
    city = furnish(office)
    assert learns(city, "C1,A1,cn/yangquan/sewage,2026-01-01,,user=non_resident,2026-11-10")["new"] == 1
    return city


def facts(office: Office, known: date | None) -> list[str]:
    with office.opened() as engine, connect.reading(engine, "main") as conn:
        return [row.facts for row in ledger.contracts_of(conn, "main", *OCTOBER, known) if row.contract == "C1"]


def test_corrected_terms_hold_from_the_day_they_became_known(corrected: Office) -> None:
    assert facts(corrected, date(2026, 11, 9)) == ['{"user": "resident"}']
    assert facts(corrected, date(2026, 11, 10)) == facts(corrected, None) == ['{"user": "non_resident"}']
    assert [(row["revision"], row["known"]) for row in corrected.rows("contracts") if row["contract"] == "C1"] == [(1, None), (2, date(2026, 11, 10))]


def test_a_file_sent_again_adds_nothing_whichever_revision_it_holds(corrected: Office) -> None:
    before = corrected.rows("contracts")
    for row in ("C1,A1,cn/yangquan/sewage,2026-01-01,,user=resident,", "C1,A1,cn/yangquan/sewage,2026-01-01,,user=non_resident,2026-11-10"):
        assert learns(corrected, row)["same"] == 1
    assert corrected.rows("contracts") == before


def test_other_terms_without_a_later_day_of_knowledge_are_a_conflict(corrected: Office) -> None:
    for known in ("", "2026-11-09", "2026-11-10"):
        found = learns(corrected, f"C1,A1,cn/yangquan/sewage,2026-01-01,2026-06-01,user=resident,{known}")
        assert [one["code"] for one in found["problems"]] == ["conflict"], known


def test_terms_that_never_held_are_withdrawn_once_that_is_known(office: Office) -> None:
    city = furnish(office)
    never = "C1,A1,cn/yangquan/sewage,2026-01-01,2026-01-01,user=resident"
    assert [one["code"] for one in learns(city, f"{never},")["problems"]] == ["dates-backwards"], "a slip, where no day of knowledge is given"
    assert learns(city, f"{never},2026-11-10")["new"] == 1
    assert facts(city, date(2026, 11, 9)) == ['{"user": "resident"}']
    assert facts(city, date(2026, 11, 10)) == []


def test_a_run_bills_as_known_and_a_later_one_bills_the_difference(office: Office) -> None:
    city = furnish(office)
    city.runs()
    city.issues()
    learns(city, "C1,A1,cn/yangquan/sewage,2026-01-01,,user=non_resident,2026-11-10")
    assert city.runs("--known", "2026-11-09")["differences"] == 0
    assert city.runs("--known", "2026-11-10")["differences"] == 1
    city.issues()
    before, after = (next(line[5] for line in city.lines() if line[:3] == ("A1", kind, "cn/yangquan/sewage")) for kind in ("invoice", "difference"))
    assert (before, after) == (Decimal("20.00"), Decimal("9.00"))  # 20 m3 at 1.00, then at 1.45


def relief(conn: Any, **more: Any) -> int:
    values = {"id": "R1", "account": "A1", "tariff": "cn/yangquan/domestic-waste", "facts": '{"relief": "exempt"}', "proof": "card 7"}
    return entitlements.add_relief(conn, "main", **{**values, "from": date(2026, 3, 1), "recorded_by": "li", "recorded_at": NOW, **more})


def test_an_entitlement_is_valid_for_its_days_ends_by_a_revision_and_can_be_withdrawn(office: Office) -> None:
    city = furnish(office)
    with city.opened() as engine:
        with connect.writing(engine, "main") as conn:
            assert relief(conn, known=date(2026, 3, 2)) == 1
            assert relief(conn, known=date(2026, 9, 2), to=date(2026, 10, 1)) == 2
            assert relief(conn, known=date(2026, 9, 9), to=date(2026, 3, 1)) == 3
        with connect.reading(engine, "main") as conn:

            def valid(start: date, end: date, known: date | None) -> list[int]:
                return [row.revision for row in entitlements.reliefs_of(conn, "main", start, end, known, ["A1", "A2"])]

            assert valid(*OCTOBER, date(2026, 3, 1)) == []
            assert valid(*OCTOBER, date(2026, 9, 1)) == [1]
            assert valid(*OCTOBER, date(2026, 9, 2)) == []
            assert valid(date(2026, 9, 1), date(2026, 10, 1), date(2026, 9, 2)) == [2]
            assert valid(date(2026, 9, 1), date(2026, 10, 1), None) == []
            assert [row.revision for row in entitlements.history_of(conn, "main", "R1")] == [1, 2, 3]
            assert entitlements.reliefs_of(conn, "main", *OCTOBER, date(2026, 9, 1), []) == []


def test_shares_of_a_meter_are_exact_and_change_by_rows(office: Office) -> None:
    city = furnish(office)
    with city.opened() as engine:
        with connect.writing(engine, "main") as conn:
            values: dict[str, Any] = {"point": "M1", "from": date(2026, 1, 1), "recorded_by": "li", "recorded_at": NOW}
            assert entitlements.add_share(conn, "main", **values, account="A1", parts=Decimal("45.5")) == 1
            values |= {"account": "A2", "parts": Decimal("0.000001")}
            assert entitlements.add_share(conn, "main", **values) == 1
            assert entitlements.add_share(conn, "main", **{**values, "parts": Decimal(1), "known": date(2026, 11, 10)}) == 2
        with connect.reading(engine, "main") as conn:
            now, then = (entitlements.shares_at(conn, "main", {"M1"}, OCTOBER[1], known, NOW) for known in (None, date(2026, 11, 9)))
            assert [(row.account, row.parts) for row in now] == [("A1", Decimal("45.5")), ("A2", Decimal(1))]
            assert [(row.account, row.parts) for row in then] == [("A1", Decimal("45.5")), ("A2", Decimal("0.000001"))]
            assert entitlements.shares_at(conn, "main", {"M1"}, OCTOBER[1], None, datetime(2026, 11, 2, tzinfo=UTC)) == []  # not recorded yet
