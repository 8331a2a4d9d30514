"""Entitlements with their proof, and shares of a shared meter: recorded, repeated without harm, corrected by a revision that became known later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from billing_service.problems import Refused, problem
from billing_service.settings import Settings
from billing_service.store import entitlements, events, ledger
from billing_service.store.connect import Connection, Row
from billing_service.store.tables import USAGE_PLACES
from billing_service.store.types import scale
from tariffs.errors import Problem
from tariffs.money import read_number

_ABOUT_RELIEF = ("account", "contract", "tariff", "facts", "from", "to", "proof", "known")
_ABOUT_SHARE = ("to", "parts", "contract", "known")


def relief(conn: Connection, settings: Settings, given: Mapping[str, Any], now: datetime) -> int:
    """Record an entitlement; its revision. Refused: a stranger's account, days backwards, no proof, other content under the same id."""
    content = {**given, "facts": json.dumps(dict(given["facts"]), sort_keys=True, ensure_ascii=False)}
    wrong = _wrong(conn, settings.utility, content)
    if not content["proof"].strip():
        wrong.append(problem("relief-without-proof", id=content["id"]))
    if wrong:
        raise Refused(wrong)
    before = entitlements.history_of(conn, settings.utility, content["id"])
    same = _revision_of(before, content, _ABOUT_RELIEF, content["id"])
    if same is not None:
        return same
    number = entitlements.add_relief(conn, settings.utility, recorded_by=settings.user, recorded_at=now, **content)
    events.append(conn, settings.utility, now, settings.user, "relief.recorded", content["id"], {**content, "revision": number})
    return number


def share(conn: Connection, settings: Settings, given: Mapping[str, Any], now: datetime) -> int:
    """Record an account's parts of a meter; the revision. Refused as above, and parts that are no positive number."""
    parts = read_number(str(given["parts"]))
    wrong = _wrong(conn, settings.utility, given)
    if parts is None or parts <= 0 or scale(parts, USAGE_PLACES) is None:
        wrong.append(problem("share-parts", parts=given["parts"], places=USAGE_PLACES))
    if wrong:
        raise Refused(wrong)
    content = {**given, "parts": parts or Decimal(0)}
    before = [
        one for one in entitlements.shares_between(conn, settings.utility, content["point"], content["account"]) if one._mapping["from"] == content["from"]
    ]
    same = _revision_of(before, content, _ABOUT_SHARE, f"{content['point']} {content['account']} {content['from']}")
    if same is not None:
        return same
    number = entitlements.add_share(conn, settings.utility, recorded_by=settings.user, recorded_at=now, **content)
    events.append(conn, settings.utility, now, settings.user, "share.recorded", content["point"], {**content, "revision": number})
    return number


def _wrong(conn: Connection, utility: str, content: Mapping[str, Any]) -> list[Problem]:
    wrong: list[Problem] = []
    if content["account"] not in ledger.known_accounts(conn, utility, {content["account"]}):
        wrong.append(problem("account-unknown", account=content["account"]))
    end: date | None = content["to"]
    withdrawn = end == content["from"] and content["known"] is not None
    if end is not None and end <= content["from"] and not withdrawn:
        wrong.append(problem("dates-backwards", start=content["from"], end=end))
    return wrong


def _revision_of(before: list[Row[Any]], content: Mapping[str, Any], names: tuple[str, ...], key: str) -> int | None:
    """The revision that says this already; None where it is to be recorded. Refused (409): another text that did not become known later."""
    for one in before:
        if all(one._mapping[name] == content[name] for name in names):
            return int(one.revision)
    if before and (content["known"] is None or (before[-1].known is not None and content["known"] <= before[-1].known)):
        differing = ", ".join(name for name in names if before[-1]._mapping[name] != content[name])
        raise Refused([problem("entitlement-conflict", key=key, columns=differing)], "conflict")
    return None
