"""What only shows when a whole sheet is looked at: days without a value, and inflow and outflow that may be exchanged. Warnings only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta

from tariffs.errors import Problem, Where
from tariffs.model import UsageRecord

Placed = tuple[UsageRecord, str, Where]
Days = tuple[date, ...]


def gaps(samples: Sequence[Placed], refused: Collection[tuple[str, str, str, date]], period: tuple[date, date], file: str) -> Iterable[Problem]:
    """Every measure that has a value on some day should have one on each; what was ``refused`` is no gap. Measures with the same gap are told together."""
    days: dict[tuple[str, str, str], set[date]] = defaultdict(set)
    for record, *_ in samples:
        days[record.account, record.point, record.measure].add(record.start)
    for account, point, measure, day in refused:
        days[account, point, measure].add(day)
    every = [period[0] + timedelta(days=number) for number in range((period[1] - period[0]).days)]
    same: dict[tuple[str, str, Days], list[str]] = defaultdict(list)
    for (account, point, measure), there in days.items():
        if missing := tuple(day for day in every if day not in there):
            same[account, point, missing].append(measure)
    for (account, point, missing), measures in same.items():
        values = {"plant": f"{account} {point}".strip(), "measures": ", ".join(measures), "days": _listed(missing), "count": str(len(missing))}
        yield Problem("lab-gap", values, Where(file), severity="warning")


def _listed(days: Days) -> str:
    """``2026-10-03, 2026-10-05 … 2026-10-08``."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} … {run[-1]}" for run in runs)


def swaps(samples: Sequence[Placed]) -> Iterable[Problem]:
    """A day on which every pollutant measured on both sides leaves stronger than it came; at least two of them."""
    sides: dict[tuple[str, str, date], dict[str, dict[str, UsageRecord]]] = defaultdict(lambda: defaultdict(dict))
    places: dict[tuple[str, str, date], Placed] = {}
    for sample in samples:
        record = sample[0]
        side, _, name = record.measure.partition("[")
        if side in {"inflow", "outflow"} and name not in {"", "pH]"}:
            where = (record.account, record.point, record.start)
            sides[where][name][side] = record
            places.setdefault(where, sample)
    found: dict[tuple[str, str], list[date]] = defaultdict(list)
    for (account, point, day), pollutants in sides.items():  # the first of its days says where to look
        both = [(pair["inflow"], pair["outflow"]) for pair in pollutants.values() if len(pair) == 2]
        if len(both) >= 2 and all(outflow.value > inflow.value for inflow, outflow in both):
            found[account, point].append(day)
    for (account, point), days in found.items():
        _, cell, there = places[account, point, min(days)]
        values = {"plant": f"{account} {point}".strip(), "days": _listed(tuple(sorted(days))), "count": str(len(days)), "cell": cell}
        yield Problem("lab-swapped", values, there, severity="warning")
