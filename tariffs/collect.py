"""Usage records to measured facts by columns: what ``gather`` does for one account, for all accounts at once.

Written apart from ``gather`` on purpose and held to it by tests. Everything is whole numbers: names become codes, dates
become days, values are scaled; groups are runs of a sort. A problem found with a record names the record; the facts it
would have entered are null for that account.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from tariffs import columns, groups
from tariffs.errors import Problem
from tariffs.model import Collect, Input, Version
from tariffs.money import places
from tariffs.records_in import Records, in_unit, read_records
from tariffs.scaled import NARROW, Ints, Mask, scaled, widen

Period = tuple[date, date]


@dataclass(frozen=True, slots=True)
class _Fault:
    """Something wrong: of a record (its row) or of an account's fact; ``measure`` names what it spoils."""

    account: int
    measure: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class _Work:
    """Records of one collection: ``rows`` are those in force, in the order their ids first came."""

    records: Records
    rows: Ints
    period: tuple[int, int]
    faults: list[_Fault]


@dataclass(frozen=True, slots=True)
class _Found:
    """One number an account, for the accounts that have one: ``values`` at ``places``."""

    accounts: Ints
    values: Ints
    places: int


def collect(
    version: Version, records: Any, period: Period, known: date | None = None, *, accounts: Sequence[str] | None = None, locale: str = "en"
) -> tuple[Any, Any]:
    """Two Arrow tables: ``account`` with one decimal column a measured input (full name), and what is wrong (id, account, code, reason).

    ``records``: a table with account, measure, end (the day after the last), value (decimals or text), unit, and as far
    as there are such: id, point, start, replaces, known. ``known``: only what was known on that day counts. A fact is
    null where there is no record (and no ``empty``), and where a record it needs has a problem. ``accounts``: those to
    give rows for, in order; else all that the records name. FactsError: a column is absent or of the wrong kind.
    """
    read = read_records(records, accounts)
    wanted = {name for item in version.inputs if item.collect for name in (item.collect.measure, item.collect.weight) if name}
    seen = np.flatnonzero(np.isin(read.measure, [read.measures[name] for name in wanted if name in read.measures]) & _known(read, known))
    faults: list[_Fault] = []
    first, last = groups.unique_ids(read.account[seen], read.id[seen])
    faults.extend(_duplicates(read, seen, last))
    own = seen[last][np.argsort(first, kind="stable")]
    work = _Work(read, own[_in_force(read, own, faults)], (period[0].toordinal(), period[1].toordinal()), faults)
    _spans(work)
    found = {item.full_name: _column(item, work) for item in version.inputs if item.collect is not None}
    table = columns.close_frame("arrow", {"account": pa.array(read.accounts, pa.string()), **found})
    return table, _problem_table(read, faults, locale)


def _known(read: Records, known: date | None) -> Mask:
    return np.ones(len(read.account), np.bool_) if known is None else read.known <= known.toordinal()


# --- which records count ------------------------------------------------------------------------------------------


def _fault(read: Records, row: int, code: str, **values: str) -> _Fault:
    problem = Problem(code, {"id": read.ids[int(read.id[row])], **values})
    return _Fault(int(read.account[row]), read.measure_names[int(read.measure[row])], problem)


def _name(read: Records, row: int) -> str:
    return read.ids[int(read.id[row])]


def _duplicates(read: Records, seen: Ints, last: Ints) -> Iterator[_Fault]:
    """Every record but one of those that share an id within an account."""
    extra = np.ones(len(seen), np.bool_)
    extra[last] = False
    for row in seen[extra]:
        yield _fault(read, int(row), "duplicate-record", other=_name(read, int(row)))


def _in_force(read: Records, own: Ints, faults: list[_Fault]) -> Mask:
    """Which of ``own`` no other record replaces; replacing what is not there, or in a circle, is a fault."""
    keys = read.account[own] * len(read.ids) + read.id[own]
    replacing = np.flatnonzero(read.replaces[own] >= 0)
    targets = groups.find(keys, read.account[own[replacing]] * len(read.ids) + read.replaces[own[replacing]])
    kept = np.ones(len(own), np.bool_)
    kept[targets[targets >= 0]] = False
    for place, target in zip(replacing, targets, strict=True):
        if target < 0:
            faults.append(_fault(read, int(own[place]), "replaces-unknown", replaces=read.ids[int(read.replaces[own[place]])]))
    onward = np.full(len(own), -1, np.int64)
    onward[replacing] = targets
    faults.extend(_fault(read, int(own[place]), "replaces-itself") for place in groups.on_a_circle(onward))
    return kept


def _belongs(work: _Work, rows: Ints) -> Mask:
    """A record belongs to the period that holds its last day."""
    end = work.records.end[rows]
    found: Mask = (end > work.period[0]) & (end <= work.period[1])
    return found


def _spans(work: _Work) -> None:
    """Records without a day, and days counted twice where a record of this period has a part in it."""
    read, rows = work.records, work.rows
    empty = read.end[rows] <= read.start[rows]
    for row in rows[empty]:
        said = {name: str(date.fromordinal(int(days[row]))) for name, days in (("start", read.start), ("end", read.end))}
        work.faults.append(_fault(read, int(row), "record-empty", **said))
    rows = rows[~empty]
    order, group = groups.sort(groups.compress(read.account[rows], read.point[rows], read.measure[rows]), read.start[rows], read.end[rows])
    rows = rows[order]
    furthest = groups.reaching(group, read.end[rows])
    later = np.flatnonzero(furthest >= 0)
    earlier = furthest[later]
    mine = _belongs(work, rows)
    clash = (read.start[rows[later]] < read.end[rows[earlier]]) & (mine[later] | mine[earlier])
    for one, other in zip(rows[later[clash]], rows[earlier[clash]], strict=True):
        same = read.start[one] == read.start[other] and read.end[one] == read.end[other]
        work.faults.append(_fault(read, int(one), "duplicate-record" if same else "records-overlap", other=_name(read, int(other))))


# --- one fact -----------------------------------------------------------------------------------------------------


def _column(item: Input, work: _Work) -> Any:
    """The collected input, one value an account."""
    how = item.collect
    assert how is not None, "only measured inputs are collected"
    marks = len(work.faults)
    found = _collected(item, how, work)
    spoilt = [f.account for f in work.faults[:marks] if f.measure in (how.measure, how.weight)] + [f.account for f in work.faults[marks:]]
    return _written(item, how, found, len(work.records.accounts), _accounts_with(how, work), spoilt)


def _accounts_with(how: Collect, work: _Work) -> Ints:
    return np.unique(work.records.account[_own(how, work)])


def _own(how: Collect, work: _Work) -> Ints:
    """The rows a fact is collected from."""
    rows: Ints = work.rows[work.records.measure[work.rows] == work.records.measures.get(how.measure, -1)]
    return rows[work.records.end[rows] <= work.period[0]] if how.how == "previous" else rows[_belongs(work, rows)]


def _written(item: Input, how: Collect, found: _Found, count: int, seen: Ints, spoilt: Sequence[int]) -> Any:
    """The column at the input's places, or finer where a value is; ``empty`` where an account has no record."""
    own = item.type.places
    unit = 10 ** max(0, found.places - own)
    values, scale = (found.values // unit, min(own, found.places)) if not np.any(found.values % unit) else (found.values, found.places)
    fine = max(scale, own, places(how.empty or Decimal(0)))
    wide = np.zeros(count, object) + (0 if how.empty is None else scaled(how.empty, fine))
    null = np.full(count, how.empty is None)
    null[seen] = True
    wide[found.accounts] = widen(values) * 10 ** (fine - scale)
    null[found.accounts] = False
    null[list(spoilt)] = True
    size = max((abs(int(value)) for value in wide), default=0)
    amounts = columns.new_amounts(item.full_name, count, fine, max(size, 1), True)
    columns.write(amounts, 0, count, wide.astype(np.int64) if size < NARROW else wide, ~null)
    return columns.finish(amounts)


def _collected(item: Input, how: Collect, work: _Work) -> _Found:
    read = work.records
    rows = _own(how, work)
    if how.how in ("last", "previous"):
        rows = groups.latest(rows, read.account, read.end, read.start, read.id_rank)
    if how.how == "count":
        split = groups.split(read.account[rows])
        return _Found(split.keys, split.sizes, 0)
    values, scale, bad = in_unit(read, rows, item.type.unit)
    for row in rows[bad]:
        problem = {"unit": read.unit_names[int(read.unit[row])], "wanted": str(item.type.unit)} if not read.unreadable[row] else {}
        work.faults.append(_fault(read, int(row), "record-unit" if problem else "record-value", **problem))
    whole = ~np.isin(read.account[rows], read.account[rows[bad]])
    return _combined(item, how, work, rows[whole], values[whole], scale)


def _combined(item: Input, how: Collect, work: _Work, rows: Ints, values: Ints, scale: int) -> _Found:
    account = work.records.account[rows]
    match how.how:
        case "sum":
            split = groups.split(account)
            return _Found(split.keys, groups.total(split, values), scale)
        case "min":
            split = groups.split(account)
            return _Found(split.keys, groups.least(split, values), scale)
        case "max":
            split = groups.split(account)
            return _Found(split.keys, groups.greatest(split, values), scale)
        case "last" | "previous":
            return _Found(account, values, scale)
        case "mean":
            split = groups.split(account)
            return _mean(item, how, split.keys, groups.total(split, values), split.sizes, scale)
        case "top_mean":
            kept = groups.largest(account, values, how.count)
            split = groups.split(account[kept])
            return _mean(item, how, split.keys, groups.total(split, values[kept]), split.sizes, scale)
        case "weighted_mean":
            return _weighted(item, how, work, rows, values, scale)
    raise AssertionError(how.how)


def _mean(item: Input, how: Collect, accounts: Ints, products: Ints, weights: Ints, scale: int) -> _Found:
    """Products over weights to the input's own grid, rounded once."""
    return _Found(accounts, groups.mean(products, weights, scale, item.type.grid, how.mode), item.type.places)


def _weighted(item: Input, how: Collect, work: _Work, rows: Ints, values: Ints, scale: int) -> _Found:
    read = work.records
    pairs = _pairs(how, work, rows)
    for row in rows[pairs < 0]:
        work.faults.append(_fault(read, int(row), "weight-missing", weight=how.weight))
    unpaired = read.account[rows[pairs < 0]]
    weights, bad = _weights(read, rows, pairs)
    for row in pairs[bad]:
        wanted = read.unit_names[int(read.unit[_first_pair(read, rows, pairs, int(read.account[row]))])]
        said = {"unit": read.unit_names[int(read.unit[row])], "wanted": wanted}
        work.faults.append(_fault(read, int(row), "record-value") if read.unreadable[row] else _fault(read, int(row), "record-unit", **said))
    whole = ~np.isin(read.account[rows], np.concatenate([unpaired, read.account[rows[bad]]]))
    split = groups.split(read.account[rows[whole]])
    weight = groups.total(split, weights[whole])
    products = groups.total(split, groups.product(values[whole], weights[whole]))
    for account in split.keys[weight == 0]:
        work.faults.append(_Fault(int(account), how.measure, Problem("weights-zero", {"name": item.full_name, "weight": how.weight})))
    some = weight != 0
    return _mean(item, how, split.keys[some], products[some], weight[some], scale)


def _pairs(how: Collect, work: _Work, rows: Ints) -> Ints:
    """The row of the weighing measure for the same point and days, -1 where there is none."""
    read = work.records
    others = work.rows[read.measure[work.rows] == read.measures.get(how.weight, -1)]
    both = np.concatenate([others, rows])
    keys = groups.compress(read.account[both], read.point[both], read.start[both], read.end[both])
    found = groups.find(keys[: len(others)], keys[len(others) :])
    return np.where(found < 0, -1, others[found] if len(others) else -1)


def _first_pair(read: Records, rows: Ints, pairs: Ints, account: int) -> int:
    return int(pairs[(read.account[rows] == account) & (pairs >= 0)][0])


def _weights(read: Records, rows: Ints, pairs: Ints) -> tuple[Ints, Mask]:
    """Weights of all rows at one scale, each account's in the unit of its first; and the rows whose weight does not fit it."""
    found, bad = np.zeros(len(rows), object), np.zeros(len(rows), np.bool_)
    paired = pairs >= 0
    account = read.account[rows]
    order = np.flatnonzero(paired)
    _, first = np.unique(account[order], return_index=True)
    wanted = np.zeros(len(rows), np.int64)
    lookup = dict(zip(account[order[first]].tolist(), read.unit[pairs[order[first]]].tolist(), strict=True))
    wanted[paired] = [lookup[a] for a in account[paired].tolist()]
    scales: list[tuple[Ints, Ints, int]] = []
    for unit in np.unique(wanted[paired]):
        at = np.flatnonzero(paired & (wanted == unit))
        values, scale, wrong = in_unit(read, pairs[at], read.units[int(unit)])
        bad[at] = wrong
        scales.append((at, values, scale))
    fine = max((scale for _, _, scale in scales), default=0)
    for at, values, scale in scales:
        found[at] = widen(values) * 10 ** (fine - scale)
    return found, bad


# --- problems -----------------------------------------------------------------------------------------------------


def _problem_table(read: Records, faults: Sequence[_Fault], locale: str) -> Any:
    found: Mapping[str, list[str]] = {
        "id": [fault.problem.values.get("id", "") for fault in faults],
        "account": [read.accounts[fault.account] for fault in faults],
        "code": [fault.problem.code for fault in faults],
        "reason": [fault.problem.sentence(locale) for fault in faults],
    }
    return pa.table({name: pa.array(column, pa.string()) for name, column in found.items()})
