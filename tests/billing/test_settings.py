"""Settings are all written down, and one that can mean nothing is refused, not replaced by another."""

from __future__ import annotations

import re

import pytest

import billing_service
import tariffs
from billing_service.settings import Settings, from_environment, wrong
from tests.billing.conftest import ROOT, Office

NAME = re.compile(r"\b(?:BILLING|TARIFFS)_[A-Z_]+\b")


def test_every_setting_is_in_the_guide_and_the_guide_has_no_other() -> None:
    code = "".join(
        path.read_text("utf-8")
        for package in (billing_service, tariffs)
        for folder in package.__path__
        for path in sorted(ROOT.glob(f"{folder[len(str(ROOT)) + 1 :]}/**/*.py"))
    )
    told = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "settings.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(set(NAME.findall(code)))
    assert "docs/settings.md" in (ROOT / "README.md").read_text("utf-8")


def test_what_is_set_is_taken() -> None:
    given = {"BILLING_DB": "x.db", "BILLING_UTILITY": "east", "BILLING_USER": "li", "BILLING_LOCALE": "zh", "BILLING_TIMEZONE": "Asia/Taipei"}
    found = from_environment({**given, "BILLING_ONE_PERSON": "Yes", "BILLING_QUOTE_DAYS": "7"})
    assert found == Settings(db="x.db", utility="east", user="li", locale="zh", timezone="Asia/Taipei", one_person=True, quote_days=7)
    assert wrong({**given, "BILLING_ONE_PERSON": "no", "BILLING_QUOTE_DAYS": ""}, "east") == []


@pytest.mark.parametrize("days", ["abc", "-1", "0", "1.5", "\u0663", "99999", " 7"])
def test_days_that_are_none_are_refused(days: str) -> None:
    assert [one.code for one in wrong({"BILLING_QUOTE_DAYS": days})] == ["setting-days"]


def test_a_command_refuses_all_that_is_wrong_at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("QUOTE_DAYS", "abc"), ("ONE_PERSON", "perhaps"), ("TIMEZONE", "Mars/Olympus"), ("UTILITY", "no/where")):
        monkeypatch.setenv(f"BILLING_{name}", value)
    assert office.refuses("runs").codes == ["setting-days", "setting-yes-no", "setting-timezone", "setting-utility"]
