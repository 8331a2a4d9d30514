"""One tariff's contracts -> rated parts and parked contracts, through the library's columns; what is not one piece by ``partial``. No store, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_service import partial, problems, staged
from billing_service.billing import Line, Part
from billing_service.measured import SAMPLE, collect_facts
from billing_service.problems import refused
from billing_service.terms import Parked, Period, Records, Terms, park, steady
from tariffs import FactsError, TariffVersion, UsageRecord
from tariffs.errors import Problem
from tariffs.facts import unknown
from tariffs.gather import belongs, pick
from tariffs.model import Charge


@dataclass(frozen=True, slots=True)
class Rated:
    """What one tariff gave."""

    parts: list[Part] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)


def rate(history: Sequence[TariffVersion], terms: Sequence[Terms], records: Records, period: Period, known: date | None) -> Rated:
    """Rate every contract of one tariff; one that cannot be rated is parked with its reason and place.

    ``history``: the versions that rule in the period, and before it those of days a record may reach back to, in order.
    """
    found = Rated()
    version = steady(history, period)
    if version is None:  # nobody's period is one piece
        good, parked = _of_known_days(history, terms, records, period, known)
        parts, more = partial.rate(history, good, records, period, known)
        return Rated(parts, [*parked, *more])
    fit = []
    for one in terms:
        wrong = next((told for facts in (one.facts, *(facts for _, facts in one.changes)) if (told := standing_problem(version, facts))), None)
        if wrong is None:
            fit.append(one)
        else:
            found.parked.append(park(one, wrong))
    reaching = _reach_back(version, fit, records, period, known)
    split, parked = _of_known_days(history, [one for one in fit if one.days or one.changes or one.account in reaching], records, period, known)
    found.parked.extend(parked)
    parts, parked = partial.rate(history, split, records, period, known)
    found.parts.extend(parts)
    found.parked.extend(parked)
    fit = [one for one in fit if not (one.days or one.changes or one.account in reaching)]
    if staged.is_staged(version):
        parts, parked = staged.rate(version, fit, records, period, known)
        found.parts.extend(parts)
        found.parked.extend(parked)
        return found
    measured, refused_records = collect_facts(version, fit, records, period, known)
    rows: list[tuple[Terms, dict[str, str]]] = []
    for one in fit:
        if one.account in refused_records:
            found.parked.extend(park(one, wrong, records.places.get(wrong.values.get("id", ""))) for wrong in refused_records[one.account])
        else:
            rows.append((one, {**one.facts, **measured.get(one.account, {})}))
    if rows:
        _rate_rows(version, rows, records, period, found)
    return found


def _reach_back(version: TariffVersion, terms: Sequence[Terms], records: Records, period: Period, known: date | None) -> frozenset[str]:
    """Accounts with a summed record that began before the version did: its first days have another price.

    Where the version takes such records whole (``change: usage: new``) they are its own.
    """
    if version.model.change.get("usage") == "new":
        return frozenset()
    return frozenset(_began_before(version, terms, records, period, known))


def _began_before(version: TariffVersion, terms: Sequence[Terms], records: Records, period: Period, known: date | None) -> dict[str, UsageRecord]:
    """By account the first of its summed records of the period that began before the version did and end after."""
    model = version.model
    table = records.table.filter((pc.field("start") < model.effective) & (pc.field("end") > model.effective))
    if not table.num_rows:
        return {}
    summed = {item.collect.measure for item in model.inputs if item.collect and item.collect.how == "sum"}
    doubtful = set(table["account"].to_pylist())
    found: dict[str, UsageRecord] = {}
    for account, own in staged.by_account([one for one in terms if one.account in doubtful], records).items():
        bad = [record for record in pick((model,), own, period, known)[0] if record.measure in summed and belongs(record, period)]
        for record in bad:
            if record.start < model.effective < record.end:
                found.setdefault(account, record)
    return found


def _of_known_days(
    history: Sequence[TariffVersion], terms: Sequence[Terms], records: Records, period: Period, known: date | None
) -> tuple[list[Terms], list[Parked]]:
    """Leave out contracts with a record that began before the first version that may bill: nobody knows the price of its first days."""
    first = history[0]
    if first.model.change.get("usage") == "new" or first.effective > period[0]:  # then no record is needed to miss a version
        return list(terms), []
    bad = _began_before(first, terms, records, period, known)
    parked = [park(one, _crosses(first, bad[one.account]), records.places.get(bad[one.account].id)) for one in terms if one.account in bad]
    return [one for one in terms if one.account not in bad], parked


def _crosses(version: TariffVersion, record: UsageRecord) -> Problem:
    said = {"id": record.id, "start": record.start, "end": record.end, "version": version.model.name, "effective": version.effective}
    return problems.problem("record-crosses-version", **said)


def standing_problem(version: TariffVersion, facts: Mapping[str, str]) -> Problem | None:
    """A fact of the contract that the version does not know, or measures: found here, so that one contract does not spoil a column."""
    inputs = {item.full_name: item for item in version.model.inputs}
    for name in facts:
        if name not in inputs and name not in version.model.choices:
            return unknown(version.model, name)
        if name in inputs and inputs[name].collect is not None:
            return problems.problem("fact-is-measured", name=name)
    return None


def _rate_rows(version: TariffVersion, rows: list[tuple[Terms, dict[str, str]]], records: Records, period: Period, found: Rated) -> None:
    # Every column stands, also where no contract fills it: a fact that is missing is then told row by row.
    names = [*version.model.choices, *(item.full_name for item in version.model.inputs)]
    columns_in: dict[str, Any] = {name: pa.array([facts.get(name) for _, facts in rows], pa.string()) for name in names}
    table = pa.table(columns_in or {"": pa.nulls(len(rows))})  # a tariff without facts still has its rows
    try:
        amounts, wrong = version.rate(table, period=period, errors="return")
    except FactsError as error:  # the period, not a row: it stands against every contract of this tariff
        found.parked.extend(park(terms, error.problems[0]) for terms, _ in rows)
        return
    bad: dict[int, list[str]] = {}
    for row in wrong.to_pylist():
        bad.setdefault(row["row"], []).append(row["code"])
    charges = [charge for charge in version.model.charges if charge.kind != "working"]
    columns = [amounts[charge.full_name].to_pylist() for charge in charges]
    _compare_sample(version, rows, period, charges, columns, bad)
    patterns = [_pattern(version, charge) for charge in charges]
    for at, (terms, facts) in enumerate(rows):
        if at in bad:
            found.parked.extend(_park_row(version, terms, facts, records, period, bad[at]))
            continue
        lines = tuple(pattern(column[at]) for pattern, column in zip(patterns, columns, strict=True) if column[at] is not None)
        if not lines:  # only workings apply: the tariff answers a quantity here, and nobody's bill is nothing by accident
            found.parked.append(park(terms, problems.problem("nothing-billed", tariff=version.id)))
            continue
        found.parts.append(_part(version, terms, {**facts, **staged.divisions(version, terms.account, records)}, lines))


def _pattern(version: TariffVersion, charge: Charge) -> Callable[[Decimal], Line]:
    label = json.dumps(dict(charge.label), ensure_ascii=False)
    clause, name, kind, tariff, digest = charge.clause, charge.full_name, charge.kind, version.id, version.digest
    return lambda amount: Line(tariff, digest, name, kind, label, clause, amount)


def _part(version: TariffVersion, terms: Terms, facts: Mapping[str, Any], lines: tuple[Line, ...]) -> Part:
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return Part(terms.account, version.id, terms.contract, version.digest, version.currency, version.model.direction, text, lines)


def _park_row(version: TariffVersion, terms: Terms, facts: Mapping[str, str], records: Records, period: Period, told: Sequence[str]) -> list[Parked]:
    """Columns tell codes and English reasons; ``explain`` tells the same with its values, readable in every language."""
    try:
        version.explain(facts, period=period)
    except FactsError as error:
        if sorted(one.code for one in error.problems) == sorted(told):
            return [park(terms, wrong, _place(version, terms.account, wrong, records, period)) for wrong in error.problems]
    raise refused("evaluators-differ", version=version.model.name, account=terms.account)


def _place(version: TariffVersion, account: str, wrong: Problem, records: Records, period: Period) -> tuple[str, int] | None:
    """The usage row to look at where a measured fact is off: the lowest where it is below, else the highest; None: the contract's row."""
    item = next((item for item in version.model.inputs if item.full_name == wrong.values.get("name")), None)
    if item is None or item.collect is None:
        return None
    table = records.table
    rows = table.filter((pc.field("account") == account) & (pc.field("measure") == item.collect.measure)).to_pylist()
    inside = [row for row in rows if period[0] < row["end"] <= period[1]]
    if not inside:
        return None
    inside.sort(key=lambda row: Decimal(row["value"]))
    return records.places[inside[0 if wrong.code == "below-minimum" else -1]["id"]]


def _compare_sample(
    version: TariffVersion,
    rows: Sequence[tuple[Terms, Mapping[str, str]]],
    period: Period,
    charges: Sequence[Charge],
    columns: Sequence[Sequence[Decimal | None]],
    bad: Iterable[int],
) -> None:
    """Explain a sample of what was rated in bulk; any difference at all stops the run."""
    refused_rows = set(bad)
    good = [at for at in range(len(rows)) if at not in refused_rows]
    step = max(1, len(good) // SAMPLE)
    for at in good[::step][:SAMPLE]:
        terms, facts = rows[at]
        rating = version.explain(facts, period=period)
        explained = {line.charge.full_name: line.amount for line in rating.lines if line.charge.kind != "working"}
        in_bulk = {charge.full_name: column[at] for charge, column in zip(charges, columns, strict=True) if column[at] is not None}
        if explained != in_bulk:
            raise refused("evaluators-differ", version=version.model.name, account=terms.account)
