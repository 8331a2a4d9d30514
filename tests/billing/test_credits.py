"""Credit notes, corrections in bulk, and the proof of a whole database."""

from __future__ import annotations

import shutil
import sqlite3
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing_service import corrections, crediting, working
from billing_service import runs as use_cases
from billing_service.crediting import Asked
from billing_service.problems import Refused
from billing_service.runs import clock
from billing_service.settings import Settings
from tests.billing.calls import calling
from tests.billing.conftest import OCTOBER, RULES, Office

D = Decimal
CORRECTED = "U1b,A1,M1,water,2026-10-01,2026-11-01,12,m3,actual,U1,2026-11-12\n"


def issued(city: Office) -> dict[str, str]:
    """October issued; account -> number."""
    city.runs()
    city.issues()
    return {row["account"]: row["number"] for row in city.rows("documents") if row["number"]}


def credited(city: Office) -> list[tuple[Any, ...]]:
    return [(row["number"][-6:], row["account"], row["total"], row["reason"]) for row in city.rows("documents") if row["kind"] == "credit_note"]


@pytest.mark.both_databases
def test_credit_notes_never_exceed_what_is_left_and_have_numbers_of_their_own(city: Office) -> None:
    number = issued(city)["A1"]  # 20.00 sewage and 4.50 waste
    city.does("credit", number, "--charge", "sewage_fee=15", "--reason", "leak", by="wang")
    too_much = city.refuses("credit", number, "--charge", "sewage_fee=5.01", "--charge", "nothing=1", "--charge", "household_fee=0.001", "--reason", " ")
    assert too_much.codes == ["credit-reason-missing"]
    wrong = city.refuses("credit", number, "--charge", "sewage_fee=5.01", "--charge", "nothing=1", "--charge", "household_fee=0.001", "--reason", "x")
    assert wrong.codes == ["credit-above-left", "credit-no-such-charge", "credit-amount-wrong"]
    rest = city.does("credit", number, "--reason", "goodwill", by="wang")
    assert rest["total"] == "-9.50"
    assert city.refuses("credit", number, "--reason", "again").codes == ["credit-nothing-left"]
    assert city.refuses("credit", rest["number"], "--reason", "again").codes == ["credit-of-credit"]
    assert city.refuses("credit", "INV-1999-000009", "--reason", "x").codes == ["no-such-invoice"]
    assert sorted(credited(city)) == [("000001", "A1", D("-15.00"), "leak"), ("000002", "A1", D("-9.50"), "goodwill")]
    assert [row["subject"][-6:] for row in city.rows("events") if row["kind"] == "credit.issued"] == ["000001", "000002"]
    assert city.does("verify", "--all")["problems"] == []


@pytest.mark.both_databases
def test_two_credits_at_once_never_exceed_what_is_left(city: Office) -> None:
    number = issued(city)["A3"]  # 145.00
    own = Settings(db=city.db, user="wang")

    def one(_: int) -> int:
        with city.opened() as engine:
            try:
                crediting.credit(engine, own, number, [Asked("sewage_fee", "60")], "twice", clock())
            except Refused as refusal:
                return 0 if refusal.problems[0].code == "credit-above-left" else -9
            return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(one, range(4))) == 2
    assert sorted(seq for seq, *_ in credited(city)) == ["000001", "000002"]


@pytest.mark.both_databases
def test_what_was_forgiven_is_not_billed_again_and_a_waiting_correction_comes_first(city: Office) -> None:
    number = issued(city)["A1"]
    city.does("credit", number, "--charge", "sewage_fee=5", "--reason", "goodwill", by="wang")
    assert correct(city)[0]["unchanged"] == 4
    city.receives(corrections=CORRECTED)
    assert correct(city)[0]["differences"] == 1
    assert city.refuses("credit", number, "--reason", "x").codes == ["credit-bill-in-work"]
    city.issues()
    assert ("A1", "difference", "cn/yangquan/sewage", "sewage_fee", "line", D("-8.00")) in city.lines()
    wrong = city.refuses("credit", number, "--charge", "sewage_fee=7.01", "--reason", "x")
    assert (wrong.codes, wrong.json["problems"][0]["values"]["left"]) == (["credit-above-left"], "7.00")
    assert city.does("verify", "--all")["problems"] == []


def correct(office: Office, *more: object) -> list[dict[str, Any]]:
    return list(office.does("correct", "--known", "now", "--rules", RULES, *more, by="li")["corrections"])


@pytest.mark.both_databases
def test_a_retroactive_version_gives_one_correction_run_and_then_nothing(city: Office, tmp_path: Path) -> None:
    issued(city)
    before = _sums(city)
    rules = tmp_path / "rules"
    shutil.copytree(RULES, rules)
    (first,) = [path for path in sorted((rules / "cn" / "yangquan" / "sewage").glob("2*.yaml")) if ".cases" not in path.name]
    text = first.read_text("utf-8")
    assert text.count("1.45") >= 1
    (first.parent / f"{first.stem}.r2.yaml").write_text("known: 2026-11-20\n" + text.replace("1.45", "1.50"), "utf-8")
    answer = city.says("correct", "--rules", rules, "--json", by="li")
    assert answer.code == 1 and answer.json["corrections"][0]["problems"][0]["code"] in {"version-not-adopted", "version-changed"}
    own = Settings(db=city.db, user="li", rules=(rules,))
    with city.opened() as engine:
        use_cases.adopt(engine, own, "cn/yangquan/sewage", date(2026, 10, 1), "second decision", clock())
        (done,) = corrections.correct(engine, own, [], None, clock(), lambda *_: None)
        assert done.outcome is not None and (done.outcome.invoices, done.outcome.differences) == (0, 1)
        city.issues()
        assert _sums(city)["A3"] - before["A3"] == D("5.00")
        assert {account: total for account, total in _sums(city).items() if account != "A3"} == {k: v for k, v in before.items() if k != "A3"}
        (again,) = corrections.correct(engine, own, [], None, clock(), lambda *_: None)
        assert again.outcome is not None and (again.outcome.id, again.outcome.differences, again.outcome.unchanged) == ("", 0, 4)
        assert working.work_all(engine, own, lambda *_: None) == 0
    assert city.does("verify", "--all")["problems"] == []


def _sums(office: Office) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in office.rows("documents"):
        found[row["account"]] += row["total"] if row["state"] in {"issued", "zero"} else 0
    return dict(found)


def test_only_periods_that_were_issued_are_corrected(city: Office) -> None:
    assert correct(city) == []
    issued(city)
    assert [one["unchanged"] for one in correct(city, "--period", OCTOBER)] == [4]
    assert city.refuses("correct", "--period", "2026-09", "--rules", RULES).codes == ["correct-never-issued"]


TAMPERED = {
    "UPDATE lines SET amount = amount + 1 WHERE charge = 'household_fee'": {"verify-total", "verify-line"},
    "UPDATE documents SET total = total + 100 WHERE account = 'A3'": {"verify-total"},
    "UPDATE lines SET clause = 'x' WHERE charge = 'household_fee'": {"verify-words"},
    "DELETE FROM lines WHERE charge = 'household_fee'": {"verify-total", "verify-line"},
    "UPDATE parts SET facts = replace(facts, '100', '99')": {"verify-line"},
    "UPDATE parts SET facts = '{'": {"verify-not-computed"},
    "UPDATE documents SET number = NULL WHERE account = 'A3'": {"verify-number-missing"},
    "UPDATE documents SET number = 'INV-2026-000009' WHERE account = 'A3' AND kind = 'invoice'": {"verify-number-missing", "verify-number-strange"},
    "UPDATE events SET actor = 'nobody' WHERE seq = 2": {"verify-chain"},
    "UPDATE versions SET content = content || x'0a' WHERE tariff = 'cn/yangquan/sewage'": {"verify-version"},
    "UPDATE documents SET reason = '' WHERE kind = 'credit_note'": {"verify-credit"},
}


def test_whatever_was_changed_behind_our_back_is_found(city: Office, tmp_path: Path) -> None:
    city.does("credit", issued(city)["A3"], "--charge", "sewage_fee=1", "--reason", "x", by="wang")
    good = city.does("verify", "--all")
    assert (good["documents"], good["lines"], good["numbers"], good["problems"]) == (4, 5, 3, [])
    assert city.does("verify", "--sample", "2")["documents"] == 2
    for at, (statement, codes) in enumerate(TAMPERED.items()):
        copy = Office(tmp_path / f"tampered-{at}")
        copy.folder.mkdir()
        with sqlite3.connect(city.folder / "billing.db") as source, sqlite3.connect(copy.folder / "billing.db") as target:
            source.backup(target)
            for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                target.execute(f"DROP TRIGGER {name}")
            assert target.execute(statement).rowcount >= 1, statement
        assert set(copy.refuses("verify", "--all").codes) >= codes, statement


def test_a_chain_cut_short_is_found_by_its_anchor(city: Office) -> None:
    issued(city)
    good = city.does("verify")
    assert city.does("verify", "--anchor", f"{good['events']}:{good['head']}")["problems"] == []
    assert city.refuses("verify", "--anchor", f"{good['events'] + 1}:{good['head']}").codes == ["verify-chain"]
    assert city.refuses("verify", "--anchor", f"1:{'0' * 64}").codes == ["verify-chain"]
    assert city.refuses("verify", "--anchor", "last").codes == ["bad-anchor"]


@pytest.mark.both_databases
def test_a_day_to_come_cannot_be_known_and_one_before_what_was_billed_is_told(city: Office) -> None:
    issued(city)
    assert city.refuses("correct", "--known", "2099-01-01", "--rules", RULES, by="li").codes == ["correct-known-to-come"]
    late = "U30,A3,M3,water,2026-10-01,2026-11-01,150,m3,actual,U3,2026-11-20\n"
    assert city.receives(corrections=late).code == 0
    (now,) = city.does("correct", "--rules", RULES, by="li")["corrections"]
    assert (now["differences"], now["takes_back"]) == (1, 0)
    city.issues()
    (back,) = city.does("correct", "--known", "2026-11-10", "--rules", RULES, by="li")["corrections"]
    assert (back["differences"], back["takes_back"]) == (1, 1)
    assert city.does("review", by="wang")["takes_back"] == 1
    assert "1 differences" in city.says("review", by="wang").out
    with calling(city, "run") as client:
        answer = client.post("/v1/corrections", json={"periods": [], "known": "2099-01-01"}, headers={"idempotency-key": "a"})
        assert (answer.status_code, [one["code"] for one in answer.json()["problems"]]) == (422, ["correct-known-to-come"])


@pytest.mark.both_databases
def test_a_credit_is_given_once_and_printed_through_the_api(city: Office) -> None:
    number = issued(city)["A1"]
    path = f"/v1/invoices/{number}/credits"
    with calling(city, "read", "write") as client:
        asked = {"reason": "leak", "lines": [{"charge": "sewage_fee", "amount": "5"}]}
        first, again = (client.post(path, json=asked, headers={"idempotency-key": "a"}) for _ in range(2))
        assert (first.status_code, again.json(), first.json()["total"], first.json()["reason"]) == (201, first.json(), "-5.00", "leak")
        assert (
            client.post(path, json={"reason": "x", "lines": [{"charge": "sewage_fee", "amount": "15.01"}]}, headers={"idempotency-key": "b"}).status_code == 422
        )
        made = first.json()["number"]
        assert client.get(f"/v1/invoices/{made}/pdf").content.startswith(b"%PDF-")
        assert client.get(f"/v1/invoices/{made}/xlsx", headers={"accept-language": "zh-CN"}).content.startswith(b"PK")
        assert client.get("/v1/invoices/INV-1999-000001/pdf").status_code == 404
    assert len(credited(city)) == 1
