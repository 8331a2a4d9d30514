"""Odd bills wait for a person before a run can be approved: which, why, and what the person decides.

The rules are settings of the utility; a run keeps those it began with. A bill that is held is released as it stands, or set
aside: then it is billed by a later run, and the others need not wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_service.billing import Draft
from billing_service.cliff import crossed
from billing_service.fixed import Fixed
from billing_service.problems import Refused, problem, refused, sentence
from billing_service.settings import Settings
from billing_service.store import documents, entitlements, events, runs, utilities
from billing_service.store import holds as store
from billing_service.store.connect import Connection, Engine, reading, writing
from billing_service.store.ledger import Among
from billing_service.terms import Period, Records, as_long_before
from tariffs import TariffVersion
from tariffs.errors import Problem
from tariffs.gather import measured
from tariffs.money import EXACT, read_number, show

#: Every rule, and whether it takes a number.
RULES: Mapping[str, bool] = {"first": False, "times": True, "zero": False, "estimated": False, "over": True, "relief-expired": False, "cliff": False}


def spoken(conn: Connection, utility: str, fixed: Fixed, among: Among, drafts: Sequence[Draft], records: Records) -> list[dict[str, str]]:
    """A row for each rule that speaks about a draft, as the store keeps it. Bills are looked at; differences only for their size."""
    rules, (start, _) = fixed.holds, fixed.period
    before = store.before(conn, utility, start, among) if {"first", "times"} & rules.keys() else {}
    estimated = _estimated(records, fixed.period) if "estimated" in rules else frozenset()
    ended = _ended(conn, utility, fixed, among) if "relief-expired" in rules else {}
    last = store.last_facts(conn, utility, start, among) if "cliff" in rules else {}
    versions = {version.digest: version for own in fixed.history.values() for version in own}
    found = []
    for draft in drafts:
        wrong: list[tuple[str, Problem]] = []
        if draft.kind == "invoice":
            wrong += _against_last(draft, before, rules)
            if "zero" in rules and _uses_nothing(draft, versions):
                wrong.append(("zero", problem("hold-zero")))
            wrong += [("cliff", one) for one in _over_cliffs(draft, last, versions, fixed.period)]
            if draft.account in estimated:
                wrong.append(("estimated", problem("hold-estimated")))
            if draft.account in ended:
                wrong.append(("relief-expired", problem("hold-relief-expired", **ended[draft.account])))
        if "over" in rules and draft.total.copy_abs() > Decimal(rules["over"]):
            wrong.append(("over", problem("hold-over", total=show(draft.total), limit=rules["over"])))
        found += [_row(draft, rule, one) for rule, one in wrong]
    return found


def _against_last(draft: Draft, before: Mapping[tuple[str, str], tuple[Any, Decimal]], rules: Mapping[str, str]) -> Iterator[tuple[str, Problem]]:
    last = before.get((draft.account, draft.direction))
    if last is None:
        if "first" in rules:
            yield "first", problem("hold-first")
    elif "times" in rules and last[1] > 0 and draft.total >= EXACT.multiply(Decimal(rules["times"]), last[1]):
        yield "times", problem("hold-times", total=show(draft.total), last=show(last[1]), start=last[0], times=rules["times"])


def _uses_nothing(draft: Draft, versions: Mapping[str, TariffVersion]) -> bool:
    """Whether it is measured, and every measured fact of every part is 0."""
    values: list[Decimal | None] = []
    for part in draft.parts:
        facts = json.loads(part.facts)
        names = [item.full_name for item in measured(versions[part.digest].model)]
        values += [read_number(facts[name]) for name in names if isinstance(facts.get(name), str)]
    return bool(values) and not any(values)


def _over_cliffs(draft: Draft, last: Mapping[tuple[str, str], str], versions: Mapping[str, TariffVersion], period: Period) -> list[Problem]:
    """The first cliff that was crossed since the last bill; one row a rule is what the store keeps."""
    for part in draft.parts:
        before = last.get((part.account, part.tariff))
        found = crossed(versions[part.digest], json.loads(part.facts), json.loads(before), period) if before else None
        if found is not None:
            return [found]
    return []


def _estimated(records: Records, period: Period) -> frozenset[str]:
    """Accounts with an estimated record of the period that no other replaces."""
    table = records.table
    inside = (pc.field("end") > pa.scalar(period[0])) & (pc.field("end") <= pa.scalar(period[1]))
    rows = table.filter(inside & (pc.field("quality") == "estimated"))
    replaced = set(table["replaces"].to_pylist())
    return frozenset(row["account"] for row in rows.select(["id", "account"]).to_pylist() if row["id"] not in replaced)


def _ended(conn: Connection, utility: str, fixed: Fixed, among: Among) -> dict[str, dict[str, str]]:
    """Accounts whose relief ended since the period before this one began, with nothing in its place."""
    start, end = fixed.period
    rows = entitlements.reliefs_among(conn, utility, as_long_before(fixed.period), end, fixed.known, among, fixed.as_of)
    going_on = {(row.account, row.contract, row.tariff) for row in rows if row.to is None or row.to > start}
    over = [row for row in rows if row.to is not None and row.to <= start and (row.account, row.contract, row.tariff) not in going_on]
    return {row.account: {"relief": row.id, "end": row.to.isoformat()} for row in over}


def _row(draft: Draft, rule: str, wrong: Problem) -> dict[str, str]:
    return {"document": draft.id, "rule": rule, "values": json.dumps(dict(wrong.values), ensure_ascii=False), "reason": sentence(wrong, "en")}


# --- settings -----------------------------------------------------------------------------------------------------


def rules_of(conn: Connection, utility: str) -> dict[str, str]:
    """The utility's rules: name -> number as text, or nothing where the rule takes none. None hold before somebody sets them."""
    found: dict[str, str] = utilities.settings_of(conn, utility).get("holds", {})
    return found


def read_rules(words: Sequence[str]) -> dict[str, str]:
    """``first``, ``times=3``, ``over=10000`` …; Refused with everything that is wrong."""
    found: dict[str, str] = {}
    wrong: list[Problem] = []
    for word in words:
        name, _, value = word.partition("=")
        number = read_number(value) if value else None
        if name not in RULES:
            wrong.append(problem("hold-rule-unknown", rule=name, rules=", ".join(RULES)))
        elif RULES[name] != bool(value) or (value and (number is None or number <= 0)):
            wrong.append(problem("hold-rule-number" if RULES[name] else "hold-rule-plain", rule=name))
        else:
            found[name] = value
    if wrong:
        raise Refused(wrong)
    return found


def set_rules(conn: Connection, settings: Settings, rules: Mapping[str, str], now: datetime) -> None:
    """Replace the utility's rules; runs already begun keep theirs."""
    kept = utilities.settings_of(conn, settings.utility)
    utilities.set_settings(conn, settings.utility, {**kept, "holds": dict(rules)})
    events.append(conn, settings.utility, now, settings.user, "holds.set", settings.utility, {"rules": dict(rules)})


# --- decisions ----------------------------------------------------------------------------------------------------


def decide(db: Engine, settings: Settings, run: str, document: str, release: bool, note: str, now: datetime, rule: str = "") -> int:
    """Release what is held in a run, or set it aside; one document, those of a rule, or all. How many."""
    with writing(db, settings.utility) as conn:
        return decide_in(conn, settings, run, document, release, note, now, rule)


def decide_in(conn: Connection, settings: Settings, run: str, document: str, release: bool, note: str, now: datetime, rule: str = "") -> int:
    """``decide`` inside a transaction. Refused: no note, an unknown rule, a run past review, nothing that is held.

    ``rule``: release the bills that it alone holds (another rule's question stays open), or set aside all it holds.
    """
    utility = settings.utility
    found = runs.get(conn, utility, run)
    if found is None:
        raise Refused([problem("no-such-run", run=run)], "not-found")
    if not note.strip():
        raise refused("note-missing")
    if found.state not in ("draft", "reviewed"):
        raise refused("wrong-state", run=run, state=found.state, action="release" if release else "set-aside", needed="draft, reviewed")
    if rule and rule not in RULES:
        raise refused("hold-rule-unknown", rule=rule, rules=", ".join(RULES))
    rows = store.held(conn, utility, run, document, rule, alone=release)
    if not rows:
        raise Refused([problem("nothing-held", run=run, document=document or rule or "-")], "not-found" if document else "refused")
    store.decide(conn, utility, [row.id for row in rows], "released" if release else "removed", settings.user, now, note.strip())
    for row in rows:
        documents.change_state(conn, utility, row.id, "draft" if release else "cancelled")
        if not release:
            _set_aside(conn, utility, run, row, note.strip())
    kind = "hold.released" if release else "hold.removed"
    events.append(conn, utility, now, settings.user, kind, run, {"documents": [row.id for row in rows], "note": note.strip()})
    return len(rows)


def _set_aside(conn: Connection, utility: str, run: str, row: Any, note: str) -> None:
    """Give its claims back, so that the next run bills it, and list it among what this run did not bill."""
    tariffs = store.tariffs_of(conn, utility, row.id)
    for tariff in tariffs:
        if row.kind == "invoice":
            runs.release_key(conn, utility, run, row.account, tariff)
    wrong = problem("bill-set-aside", document=row.id, total=show(row.total), note=note)
    values = json.dumps(dict(wrong.values), ensure_ascii=False)
    exception = {"account": row.account, "contract": "", "tariff": ", ".join(tariffs), "code": wrong.code, "values": values}
    runs.add_exception(conn, utility, run, {**exception, "reason": sentence(wrong, "en"), "file": "", "line": 0})


def listed(db: Engine, utility: str, run: str) -> list[Any]:
    """Every rule that spoke in a run, also about bills decided since."""
    with reading(db, utility) as conn:
        return store.of_run(conn, utility, run)
