"""Tariffs that work row by row, or settle what was issued: one account at a time, with their rows. No store, no clock.

Plants are few and their rows many, so every rating is explained, and all of them together are rated again by columns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_service.billing import Line, Part
from billing_service.measured import measures, record_of
from billing_service.problems import refused
from billing_service.terms import Parked, Period, Records, Terms, park
from tariffs import FactsError, Rating, TariffVersion, UsageRecord
from tariffs.errors import Problem
from tariffs.gather import gather, measured
from tariffs.model import Charge, Filled
from tariffs.report import facts_json

#: The measure that stands for what was issued to an account; the store gives its records, nobody imports them.
SETTLED = "settled"
#: Where it is kept, beside the facts, how the records of shared meters were divided; no input bears such a name.
DIVIDED = "shared-meters"
_PLACED = re.compile(r"stage\[(\d{4}-\d{2}-\d{2})\]\.(.+)")


def reads_issued(version: TariffVersion) -> bool:
    """Whether it takes off what was settled before, as a final settlement does."""
    return any(item.collect is not None and item.collect.measure == SETTLED for item in measured(version.model))


def is_staged(version: TariffVersion) -> bool:
    """Whether columns of measured facts are not enough for it: rows, what was issued, or marks of what stands in for a measurement."""
    rules = [item.collect.evidence for item in version.model.inputs if item.collect is not None]
    return version.model.stage is not None or reads_issued(version) or any(rule.below_limit or rule.fill != "refuse" for rule in rules)


def kept_facts(rating: Rating) -> dict[str, Any]:
    """A rating's facts as they are stored: numbers as text, a number that stands in with how it does, the rows as they were given."""
    facts = facts_json(rating)
    return facts | {name: {"value": facts[name], "filled": how} for name, how in rating.filled.items()}


def given_facts(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The stored facts as ``explain`` takes them."""
    facts = {name: value for name, value in kept.items() if name != DIVIDED}
    return {name: Filled(Decimal(value["value"]), value["filled"]) if isinstance(value, dict) else value for name, value in facts.items()}


def divisions(version: TariffVersion, account: str, records: Records) -> dict[str, Any]:
    """What is kept beside an account's facts where they come from shared meters; nothing where none do."""
    own = [one for one in records.divided.get(account, ()) if one["measure"] in measures(version)]
    return {DIVIDED: own} if own else {}


def rate(version: TariffVersion, terms: Sequence[Terms], records: Records, period: Period, known: date | None) -> tuple[list[Part], list[Parked]]:
    """What each contract gives, and the contracts that cannot be rated, with their reasons and places."""
    own = by_account(terms, records)
    parked: list[Parked] = []
    rated: list[tuple[Terms, Rating]] = []
    for one in terms:
        facts, wrong = gather(version.model, own[one.account], one.facts, period, known=known)
        try:
            if not wrong:
                rated.append((one, version.explain(facts, period=period)))
        except FactsError as error:
            wrong = tuple(error.problems)
        parked += [park(one, problem, place_of(own[one.account], problem, records)) for problem in wrong]
    given = [json.dumps(kept_facts(rating) | divisions(version, one.account, records), sort_keys=True, ensure_ascii=False) for one, rating in rated]
    _compare(version, [(facts_json(rating), one, rating) for one, rating in rated], period)
    return [part_of(version, one, facts, rating) for facts, (one, rating) in zip(given, rated, strict=True)], parked


def by_account(terms: Sequence[Terms], records: Records) -> Mapping[str, list[UsageRecord]]:
    found: dict[str, list[UsageRecord]] = {one.account: list(records.settled.get(one.account, ())) for one in terms}
    mine = records.table.filter(pc.is_in(records.table["account"], value_set=pa.array(list(found), pa.string())))
    for row in mine.to_pylist():
        found[row["account"]].append(record_of(row))
    return found


def place_of(own: Sequence[UsageRecord], wrong: Problem, records: Records) -> tuple[str, int] | None:
    """The row of the record a problem is about: named by its id, or by its day and measure; None: the contract's own row."""
    placed = _PLACED.fullmatch(wrong.values.get("name", ""))
    ids = [wrong.values.get("id", "")]
    ids += [one.id for one in own if placed and (one.start.isoformat(), one.measure) == placed.groups()]
    return next((records.places[one] for one in ids if one in records.places), None)


def part_of(version: TariffVersion, terms: Terms, facts: str, rating: Rating) -> Part:
    """What a contract gives; ``facts`` as JSON."""
    lines = lines_of(version, rating)
    return Part(terms.account, version.id, terms.contract, version.digest, version.currency, version.model.direction, facts, lines)


def lines_of(version: TariffVersion, rating: Rating) -> tuple[Line, ...]:
    """The lines a rating puts on a document; workings stand on none."""
    billed = [(line.charge, line.amount) for line in rating.lines if line.charge.kind != "working"]
    return tuple(Line(version.id, version.digest, charge.full_name, charge.kind, _label(charge), charge.clause, amount) for charge, amount in billed)


def _label(charge: Charge) -> str:
    return json.dumps(dict(charge.label), ensure_ascii=False)


def _compare(version: TariffVersion, rated: Sequence[tuple[dict[str, Any], Terms, Rating]], period: Period) -> None:
    """Rate everything again by columns, from the facts as they are kept; any difference at all stops the run."""
    if not rated:
        return
    model = version.model
    names = [*model.choices, *(item.full_name for item in model.inputs if item.collect is None or not item.collect.of)]
    frame = {"account": [one.account for _, one, _ in rated], **{name: [facts.get(name) for facts, _, _ in rated] for name in names}}
    rows = [(one.account, row) for facts, one, _ in rated for row in facts.get("stage", ())]
    stage: dict[str, list[Any]] | None = None
    if model.stage is not None:
        inputs = [item.full_name for item in model.stage.inputs]
        days = {name: [date.fromisoformat(row[name]) for _, row in rows] for name in ("start", "end")}
        stage = {"account": [account for account, _ in rows], **days, "point": [row.get("point") for _, row in rows]}
        stage |= {name: [row.get(name) for _, row in rows] for name in inputs}
    in_bulk = version.rate(frame, stage=stage, period=period)
    for at, (_, one, rating) in enumerate(rated):
        amounts = {name: column[at] for name, column in in_bulk.items() if column[at] is not None and name not in {"account", "total"}}
        if amounts != {line.charge.full_name: line.amount for line in rating.lines if line.charge.kind != "working"}:
            raise refused("evaluators-differ", version=model.name, account=one.account)
