"""One tariff's contracts -> rated parts and parked contracts, through the library's columns. No store, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_service import problems
from billing_service.billing import Line, Part
from billing_service.problems import refused
from tariffs import FactsError, TariffVersion
from tariffs.errors import Problem
from tariffs.facts import unknown
from tariffs.model import Charge
from tariffs.money import show

Period = tuple[date, date]
SAMPLE = 50  # rows a tariff that are explained again and compared
_EXPLAINED = 500  # refused rows a tariff whose problem is taken from explain, with values for every language


@dataclass(frozen=True, slots=True)
class Terms:
    """A contract as it stands in the period, and the row that says so."""

    contract: str
    account: str
    tariff: str
    facts: Mapping[str, str]
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Parked:
    """What could not be billed, and why; ``contract`` and ``tariff`` are empty where only a record is at fault."""

    account: str
    contract: str
    tariff: str
    code: str
    values: Mapping[str, str]
    reason: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Records:
    """The period's usage records as columns for the library, and where each was read from."""

    table: pa.Table
    places: Mapping[str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Rated:
    """What one tariff gave."""

    parts: list[Part] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)


def rate(version: TariffVersion, terms: Sequence[Terms], records: Records, period: Period, known: date | None) -> Rated:
    """Rate every contract of one tariff; one that cannot be rated is parked with its reason and place."""
    found = Rated()
    fit = []
    for one in terms:
        wrong = _standing_problem(version, one)
        if wrong is None:
            fit.append(one)
        else:
            found.parked.append(park(one, wrong))
    measured, refused_records = _collect(version, fit, records, period, known)
    rows: list[tuple[Terms, dict[str, str]]] = []
    for one in fit:
        if one.account in refused_records:
            found.parked.extend(refused_records[one.account](one))
        else:
            rows.append((one, {**one.facts, **measured.get(one.account, {})}))
    if rows:
        _rate_rows(version, rows, records, period, found)
    return found


def park(terms: Terms, wrong: Problem, place: tuple[str, int] | None = None) -> Parked:
    """A contract and why it waits; the place is the usage row's where one is at fault, else the contract's own."""
    file, line = place or (terms.file, terms.line)
    return Parked(terms.account, terms.contract, terms.tariff, wrong.code, wrong.values, problems.sentence(wrong, "en"), file, line)


def measures(version: TariffVersion) -> frozenset[str]:
    """The measures of usage records this version reads."""
    return frozenset(name for item in version.model.inputs if item.collect for name in (item.collect.measure, item.collect.weight) if name)


def _standing_problem(version: TariffVersion, terms: Terms) -> Problem | None:
    """A fact of the contract that the version does not know, or measures: found here, so that one contract does not spoil a column."""
    inputs = {item.full_name: item for item in version.model.inputs}
    for name in terms.facts:
        if name not in inputs and name not in version.model.choices:
            return unknown(version.model, name)
        if name in inputs and inputs[name].collect is not None:
            return problems.problem("fact-is-measured", name=name)
    return None


def _collect(
    version: TariffVersion, terms: Sequence[Terms], records: Records, period: Period, known: date | None
) -> tuple[dict[str, dict[str, str]], dict[str, Callable[[Terms], list[Parked]]]]:
    """Measured facts by account, and for accounts whose records cannot be used, how their contract is parked."""
    if not measures(version) or not terms:
        return {}, {}
    from tariffs.collect import collect

    accounts = [one.account for one in terms]
    mine = pc.is_in(records.table["account"], value_set=pa.array(accounts, pa.string()))
    columns, wrong = collect(version.model, records.table.filter(mine), period, known, accounts=accounts)
    names = [name for name in columns.column_names if name != "account"]
    values = {name: columns[name].to_pylist() for name in names}
    measured = {
        account: {name: _text(values[name][at]) for name in names if values[name][at] is not None} for at, account in enumerate(columns["account"].to_pylist())
    }
    by_account: dict[str, list[dict[str, Any]]] = {}
    for row in wrong.to_pylist():
        by_account.setdefault(row["account"], []).append(row)
    return measured, {account: _parker(rows, records) for account, rows in by_account.items()}


def _parker(rows: list[dict[str, Any]], records: Records) -> Callable[[Terms], list[Parked]]:
    def parked(terms: Terms) -> list[Parked]:
        found = []
        for row in rows:
            file, line = records.places.get(row["id"] or "", (terms.file, terms.line))
            found.append(Parked(terms.account, terms.contract, terms.tariff, row["code"], {}, row["reason"], file, line))
        return found

    return parked


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
    bad: dict[int, tuple[str, str]] = {}
    for row in wrong.to_pylist():
        bad.setdefault(row["row"], (row["code"], row["reason"]))
    charges = [charge for charge in version.model.charges if charge.kind != "working"]
    columns = [amounts[charge.full_name].to_pylist() for charge in charges]
    _compare_sample(version, rows, period, charges, columns, bad)
    patterns = [_pattern(version, charge) for charge in charges]
    for at, (terms, facts) in enumerate(rows):
        if at in bad:
            found.parked.extend(_park_row(version, terms, facts, records, period, bad[at], len(found.parked)))
            continue
        lines = tuple(pattern(column[at]) for pattern, column in zip(patterns, columns, strict=True) if column[at] is not None)
        found.parts.append(_part(version, terms, facts, lines))


def _pattern(version: TariffVersion, charge: Charge) -> Callable[[Decimal], Line]:
    label = json.dumps(dict(charge.label), ensure_ascii=False)
    clause, name, kind, tariff, digest = charge.clause, charge.full_name, charge.kind, version.id, version.digest
    return lambda amount: Line(tariff, digest, name, kind, label, clause, amount)


def _part(version: TariffVersion, terms: Terms, facts: Mapping[str, str], lines: tuple[Line, ...]) -> Part:
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return Part(terms.account, version.id, terms.contract, version.digest, version.currency, version.model.direction, text, lines)


def _park_row(
    version: TariffVersion, terms: Terms, facts: Mapping[str, str], records: Records, period: Period, told: tuple[str, str], so_far: int
) -> list[Parked]:
    """Bulk tells a code and an English reason; explain tells the same with its values, readable in every language."""
    if so_far < _EXPLAINED:
        try:
            version.explain(facts, period=period)
        except FactsError as error:
            return [park(terms, wrong, _place(version, terms.account, wrong, records, period)) for wrong in error.problems]
        raise refused("evaluators-differ", version=version.model.name, account=terms.account)
    code, reason = told
    return [Parked(terms.account, terms.contract, terms.tariff, code, {}, reason, terms.file, terms.line)]


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


def _text(value: Any) -> str:
    return show(value) if isinstance(value, Decimal) else str(value)
