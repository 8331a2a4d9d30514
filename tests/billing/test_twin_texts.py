"""Two tariffs may have one text, to the byte: each is adopted, billed and told under its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.billing.calls import calling
from tests.billing.conftest import OCTOBER, OWN_RULES, RULES, Office

pytestmark = pytest.mark.both_databases
SEWAGE, TWIN = "cn/yangquan/sewage", "cn/twin/sewage"


def test_a_tariff_with_the_text_of_another_is_adopted_billed_and_told_by_its_own_name(city: Office, tmp_path: Path) -> None:
    root = tmp_path / "twins"
    folder = root / TWIN
    folder.mkdir(parents=True)
    (original,) = (path for path in (RULES / SEWAGE).glob("*.yaml") if ".cases" not in path.name)
    (folder / "2026-03-01.yaml").write_bytes(original.read_bytes())
    city.receives(contracts=f"X3,A3,{TWIN},2026-03-01,,user=resident")
    assert city.refuses("run", "--period", OCTOBER, "--rules", root, by="li").codes == ["version-not-adopted"]
    for document, new in (("decision 9", True), ("decision 10", False)):
        answer = city.does("adopt", TWIN, "2026-10-01", "--document", document, "--rules", root, by="li")
        assert answer["new"] is new
    done = city.does("run", "--period", OCTOBER, "--rules", root, by="li")
    assert (done["invoices"], done["parked"]) == (3, 0)
    city.issues()
    assert {(row["tariff"], row["document"]) for row in city.rows("adoptions") if row["tariff"] in {SEWAGE, TWIN}} == {(SEWAGE, "sample"), (TWIN, "decision 9")}
    assert city.does("verify", "--all")["problems"] == []
    (digest,) = {row["digest"] for row in city.rows("parts") if row["tariff"] == TWIN}
    with calling(city, rules=(RULES, OWN_RULES)) as client:  # the folder of the twin is gone: the store has its text and its name
        (bill,) = client.get("/v1/invoices", params={"account": "A3"}).json()["invoices"]
        seen = client.get(f"/v1/invoices/{bill['number']}").json()
        parts = {part["tariff"]: (part["effective"], part["digest"]) for part in seen["parts"]}
        assert parts == {SEWAGE: (original.stem, digest), TWIN: ("2026-03-01", digest)}
        told = client.get(f"/v1/invoices/{bill['number']}/explanation").json()
        assert {part["tariff"] for part in told["parts"]} == {SEWAGE, TWIN}
        assert client.get(f"/v1/invoices/{bill['number']}/pdf").status_code == 200
        for tariff, document in ((SEWAGE, "sample"), (TWIN, "decision 9"), ("", "sample")):
            version = client.get(f"/v1/versions/{digest}", params={"tariff": tariff}).json()["version"]
            assert (version["tariff"], version["adoption"]["document"]) == (tariff or SEWAGE, document)
        assert client.get(f"/v1/versions/{digest}", params={"tariff": "cn/other"}).status_code == 404
