"""Several utilities live in one database: each has its own runs, numbers, documents and keys, and sees nothing of the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from billing_service.app import create_app
from billing_service.settings import Settings
from tests.billing.calls import bearer
from tests.billing.conftest import OWN_RULES, RULES, Office, furnish

pytestmark = pytest.mark.both_databases


def test_two_utilities_with_the_same_accounts_are_apart(office: Office) -> None:
    office, east = replace(office, utility="main"), replace(office, utility="east")
    assert east.refuses("runs").codes == ["utility-unknown"]
    assert east.does("init")["changed"] is True
    assert east.does("init")["changed"] is False
    furnish(office)
    furnish(east)
    assert east.receives(accounts="E1,Wu,household,Road 9,East\n", contracts="E1,E1,cn/yangquan/sewage,2026-01-01,,user=resident\n").code == 0
    assert east.receives(usage="U90,E1,M90,water,2026-10-01,2026-11-01,7,m3,actual,,2026-11-02\n").code == 0
    for one, accounts in ((office, {"A1", "A3"}), (east, {"A1", "A3", "E1"})):
        assert one.runs()["id"] == "2026-10-1"
        one.issues()
        assert {row["account"] for row in one.rows("documents") if row["number"]} == accounts
        assert one.does("verify", "--all")["problems"] == []
    numbers = [{row["number"] for row in one.rows("documents") if row["number"]} for one in (office, east)]
    assert (len(numbers[0]), len(numbers[1]), numbers[0] < numbers[1]) == (2, 3, True)
    assert not {row["id"] for row in office.rows("documents")} & {row["id"] for row in east.rows("documents")}
    assert [one.does("utility")["id"] for one in (office, east)] == ["main", "east"]

    keys = [one.does("key", "create", "desk", "--scopes", "read,run,admin")["key"] for one in (office, east)]
    alone = next(row["id"] for row in east.rows("documents") if row["account"] == "E1")
    with TestClient(create_app(Settings(db=office.db, rules=(RULES, OWN_RULES))), raise_server_exceptions=False) as client:
        listed = [client.get("/v1/invoices", headers=bearer(key)).json()["invoices"] for key in keys]
        assert [len(found) for found in listed] == [3, 4]  # one over zero each
        assert [client.get(f"/v1/invoices/{alone}", headers=bearer(key)).status_code for key in keys] == [404, 200]
        assert [len(client.get("/v1/keys", headers=bearer(key)).json()["keys"]) for key in keys] == [1, 1]
        mixed = keys[0].replace("main.", "east.", 1)
        assert client.get("/v1/invoices", headers=bearer(mixed)).status_code == 401
        events = [client.get("/v1/events", headers=bearer(key)).json()["events"] for key in keys]
        assert [{one["utility"] for one in found} for found in events] == [{"main"}, {"east"}]
