"""A meter that several accounts share: what it measured, divided by their parts of it. No store, no clock.

Each sharer gets a record of its own in place of the meter's, so everything after reads it like any other. What is divided is
all the meter measured in one stretch of days with the same sharers, at the step their tariffs count in, by largest remainder
and ties in the order of accounts: so the parts add up to the total to the last digit. Every sharer counts, billed now or not,
so each chunk comes to the same parts. Where the parts cannot be known, all who would be billed by them wait.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from billing_service.measured import all_measures, record_of
from billing_service.problems import Refused, refused
from billing_service.store.tables import USAGE_PLACES
from billing_service.store.types import scale
from billing_service.terms import History, Meters, Parked, Period, Records, Terms, park, ruling
from tariffs import UsageRecord
from tariffs.errors import Problem
from tariffs.gather import belongs, in_unit, measured, pick
from tariffs.model import Type
from tariffs.money import EXACT, is_multiple, share, show, total

Meter = tuple[str, str]  # point, measure
Parts = Mapping[str, int]  # account -> its parts, in the last place that is stored


@dataclass(frozen=True, slots=True)
class Division:
    """What one meter measured in one stretch, and what each sharer has of it. ``first`` is the id of its first record, ``readings`` how many it has."""

    meter: Meter
    days: Period
    first: str
    readings: int
    estimated: bool
    total: Decimal
    unit: str
    parts: Parts
    values: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A meter that cannot be divided, its records of the period, and whose accounts would be billed by it."""

    meter: Meter
    records: tuple[str, ...]
    accounts: frozenset[str]
    wrong: Problem


@dataclass(frozen=True, slots=True)
class Divided:
    """``gone``: the ids of records that are in the divisions, or no longer count."""

    divisions: Sequence[Division]
    waiting: Sequence[Waiting]
    gone: frozenset[str]


def divide(meters: Meters, history: Mapping[str, History], period: Period, known: date | None) -> Divided:
    """Divide every shared meter's use of the period, as known on ``known``; the meters that cannot be divided, with the reason.

    ``history``: by tariff the versions that rule in the period, and those before it that a record may reach back to.
    """
    loaded = {tariff: ruling(own, period) for tariff, own in history.items()}
    cuts = {tariff: [version.effective for version in own[1:]] for tariff, own in history.items()}
    rows = {row["id"]: row for row in meters.records.table.to_pylist()}
    everything = [replace(record_of(row), account="") for row in rows.values()]  # a meter's days are its own, whoever's account they were sent for
    effective, problems = pick([version.model for own in loaded.values() for version in own], everything, period, known)
    wrong = {one.values[name]: one for one in reversed(problems) for name in ("id", "other") if name in one.values}
    wanted = all_measures(version for own in loaded.values() for version in own)
    at: dict[str, list[Any]] = {}
    for row in meters.shares:
        at.setdefault(row.point, []).append(row)
    divisions: list[Division] = []
    waiting: list[Waiting] = []
    gone = {one.id for one in everything if one.measure in wanted} - {one.id for one in effective}
    ordered = sorted((one for one in effective if one.point in at), key=lambda one: (one.point, one.measure, one.start, one.end, one.id))
    for meter, group in groupby(ordered, key=lambda one: (one.point, one.measure)):
        shares = at[meter[0]]
        mine = [one for one in group if _sharers(shares, (one.start, one.end))]
        billed = [one for one in mine if belongs(one, period)]
        try:
            divisions += list(_stretches(meter, billed, shares, meters, loaded, cuts, wrong))  # all of the meter or nothing
            gone |= {one.id for one in mine}
        except Refused as refusal:
            sharers = {account for one in billed for account in _sharers(shares, (one.start, one.end))}
            owners = {rows[one.id]["account"] for one in billed}
            waiting.append(Waiting(meter, tuple(one.id for one in billed), frozenset(sharers | owners), refusal.problems[0]))
    undivided = {one.meter for one in waiting}
    return Divided(divisions, waiting, frozenset(one for one in gone if (rows[one]["point"], rows[one]["measure"]) not in undivided))


def with_parts(records: Records, meters: Meters, divided: Divided) -> Records:
    """The records with those of shared meters out, and what the sharers ``meters`` is about have of them in."""
    table = records.table
    kept = table.filter(pc.invert(pc.is_in(table["id"], value_set=pa.array(sorted(divided.gone), pa.string()))))
    orphaned = pc.is_in(kept["replaces"], value_set=pa.array(sorted(divided.gone), pa.string()))
    kept = kept.set_column(kept.schema.get_field_index("replaces"), "replaces", pc.if_else(orphaned, "", kept["replaces"]))
    places = dict(records.places)
    rows: list[dict[str, Any]] = []
    told: dict[str, list[dict[str, str]]] = {}
    merged: set[str] = set()
    for one in divided.divisions:
        for account in sorted(one.values.keys() & meters.sharers):
            rows.append(_row(one, account))
            places[rows[-1]["id"]] = meters.records.places[one.first]
            told.setdefault(account, []).append(_told(one, account))
            merged |= {rows[-1]["id"]} if one.readings > 1 else set()
    table = pa.concat_tables([kept, pa.Table.from_pylist(rows, kept.schema)])
    undivided = {record: one.wrong for one in divided.waiting for record in one.records}
    return replace(records, table=table, places=places, divided=told, undivided=undivided, merged=frozenset(merged))


def without_waiting(terms: Sequence[Terms], waiting: Sequence[Waiting], loaded: Mapping[str, History], meters: Meters) -> tuple[list[Terms], list[Parked]]:
    """Leave out contracts that would be billed by a meter that cannot be divided."""
    by_account: dict[str, list[Waiting]] = {}
    for found in waiting:
        for account in found.accounts:
            by_account.setdefault(account, []).append(found)
    good: list[Terms] = []
    parked: list[Parked] = []
    for one in terms:
        why = [found for found in by_account.get(one.account, ()) if found.meter[1] in all_measures(loaded[one.tariff])]
        parked += [park(one, found.wrong, meters.records.places.get(found.wrong.values.get("id", ""))) for found in why[:1]]
        good += [] if why else [one]
    return good, parked


# --- one meter ----------------------------------------------------------------------------------------------------


def _stretches(
    meter: Meter,
    billed: Sequence[UsageRecord],
    shares: Sequence[Any],
    meters: Meters,
    loaded: Mapping[str, History],
    cuts: Mapping[str, Sequence[date]],
    wrong: Mapping[str, Problem],
) -> Iterator[Division]:
    """A division for each run of records with the same sharers under the same versions; a record that crosses into another (``cuts``, by
    tariff) by itself, so that it is split by its own days. Refused: any reason for which the parts cannot be known; ``wrong`` by record.
    """
    for one in billed:
        if one.id in wrong:
            raise Refused([wrong[one.id]])
    stretches = []
    for one in billed:
        parts = sorted(_all_through(meter, one, shares).items())
        read = {tariff for account, _ in parts for tariff in meters.tariffs.get(account, ()) if meter[1] in all_measures(loaded.get(tariff, ()))}
        days = sorted({day for tariff in read for day in cuts[tariff]})
        stretches.append(((parts, bisect_right(days, one.start), bisect_left(days, one.end)), one))
    for (parts, *_), group in groupby(stretches, key=lambda pair: pair[0]):
        yield _division(meter, [one for _, one in group], dict(parts), meters, loaded)


def _division(meter: Meter, own: Sequence[UsageRecord], parts: Parts, meters: Meters, loaded: Mapping[str, History]) -> Division:
    """``own``: records in the order of their days; ``parts`` in the order of accounts, which decides ties."""
    counted = _step(meter, parts, meters, loaded)
    wrong = [Problem("below-limit", {"id": one.id, "name": meter[1]}) for one in own if one.below]
    values = [value for one in own if (value := in_unit(one, counted.unit, wrong)) is not None]
    if wrong:
        raise Refused(wrong)
    whole, step, unit = total(values), counted.grid, str(counted.unit)
    if not is_multiple(whole, step):
        raise refused("meter-off-step", id=own[0].id, point=meter[0], total=show(whole), step=show(step), unit=unit)
    found = dict(zip(parts, share(whole, list(parts.values()), step), strict=True))
    assert total(found.values()) == whole, "the parts of a meter are all of it"
    days = own[0].start, max(one.end for one in own)
    return Division(meter, days, own[0].id, len(own), any(one.quality == "estimated" for one in own), whole, unit, parts, found)


def _step(meter: Meter, accounts: Collection[str], meters: Meters, loaded: Mapping[str, History]) -> Type:
    """The unit and the step that all tariffs of the sharers can count in: the coarsest of theirs."""
    point, measure = meter
    types: list[Type] = []
    for account in sorted(accounts):
        for tariff in meters.tariffs.get(account, ()):
            if tariff not in loaded:
                raise refused("meter-tariff", point=point, account=account, tariff=tariff)
            for model, item in [(version.model, item) for version in loaded[tariff] for item in measured(version.model)]:
                how = item.collect
                if how is None or measure not in (how.measure, how.weight):
                    continue
                if how.how != "sum" or item not in model.inputs:
                    raise refused("meter-not-summed", point=point, measure=measure, tariff=tariff, name=item.full_name)
                types.append(item.type)
    if not types:
        raise refused("meter-not-read", point=point, measure=measure)
    coarsest = max(types, key=lambda one: one.grid)
    if any(one.unit != coarsest.unit or not is_multiple(coarsest.grid, one.grid) for one in types):
        told = ", ".join(sorted({f"{show(one.grid)} {one.unit}" for one in types}))
        raise refused("meter-steps", point=point, measure=measure, steps=told)
    return coarsest


# --- who shares it ------------------------------------------------------------------------------------------------


def _sharers(shares: Sequence[Any], days: Period) -> set[str]:
    """Who has a share on some day of these."""
    return {row.account for row in shares if row._mapping["from"] < days[1] and (row.to is None or row.to > days[0])}


def _all_through(meter: Meter, record: UsageRecord, shares: Sequence[Any]) -> Parts:
    """Who has which parts on every day of a record. Refused: they change inside it, or an account has two."""
    inside = {day for row in shares for day in (row._mapping["from"], row.to) if day is not None and record.start < day < record.end}
    first = _on(meter, record.start, shares)
    for day in sorted(inside):
        if _on(meter, day, shares) != first:
            raise refused("meter-shares-change", id=record.id, point=meter[0], day=day, start=record.start, end=record.end)
    return first


def _on(meter: Meter, day: date, shares: Sequence[Any]) -> Parts:
    found: dict[str, int] = {}
    for row in shares:
        if row._mapping["from"] <= day and (row.to is None or day < row.to):
            if row.account in found:
                raise refused("meter-share-twice", point=meter[0], account=row.account, day=day)
            scaled = scale(row.parts, USAGE_PLACES)
            assert scaled is not None, "stored parts have no more places"
            found[row.account] = scaled
    return found


# --- what a sharer gets -------------------------------------------------------------------------------------------


def _row(one: Division, account: str) -> dict[str, Any]:
    point, measure = one.meter
    start, end = one.days
    value = {"value": show(one.values[account]), "unit": one.unit, "quality": "estimated" if one.estimated else "actual"}
    named = f"{point} {measure} {start} {account}"
    return {"id": named, "account": account, "point": point, "measure": measure, "start": start, "end": end, **value, "replaces": "", "below": False}


def _told(one: Division, account: str) -> dict[str, str]:
    """What is kept beside the facts, so that a bill can say how the meter was divided."""
    said = {"point": one.meter[0], "measure": one.meter[1], "start": one.days[0].isoformat(), "end": one.days[1].isoformat()}
    parts = {"parts": _parts(one.parts[account]), "of": _parts(sum(one.parts.values()))}
    return {**said, "total": show(one.total), "unit": one.unit, **parts, "part": show(one.values[account])}


def _parts(scaled: int) -> str:
    return show(EXACT.scaleb(Decimal(scaled), -USAGE_PLACES))
