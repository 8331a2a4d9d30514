"""Usage records to measured facts by columns: what ``gather`` does for one account, for all accounts at once.

Written apart from ``gather`` on purpose and held to it by tests. Everything is whole numbers: names become codes, dates
become days, values are scaled; groups are runs of a sort. A problem found with a record names the record; the facts it
would have entered are null for that account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from tariffs import columns, fills, groups
from tariffs.errors import Problem
from tariffs.model import Collect, Evidence, Input, Stage, Version
from tariffs.money import places
from tariffs.records_in import Records, in_unit, read_records
from tariffs.rows import placed, spans
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
    as there are such: id, point, start, replaces, known, below (true: less than its value, the limit of detection).
    ``known``: only what was known on that day counts. A fact is null where there is no record (and no ``empty``, and
    nothing that may stand in), and where a record it needs has a problem. Where something may stand in, ``filled`` is a
    map from the facts to how. ``accounts``: those to give rows for, in order; else all that the records name.
    FactsError: a column is absent or of the wrong kind.
    """
    work = _begin(version, records, period, known, accounts)
    own = [item for item in version.inputs if item.collect is not None and not item.collect.of]
    marks: _Marks = {}
    found = {item.full_name: _column(item, work, marks) for item in own}
    table = {"account": pa.array(work.records.accounts, pa.string()), **found}
    if any(item.collect and item.collect.evidence != Evidence() for item in own):
        table["filled"] = _filled_column(len(work.records.accounts), marks)
    return columns.close_frame("arrow", table), _problem_table(work.records, _faults_of(work, own), locale)


def collect_rows(
    version: Version, records: Any, period: Period, known: date | None = None, *, accounts: Sequence[str] | None = None, locale: str = "en"
) -> tuple[Any, Any]:
    """The rows of the version's stage for all accounts, as ``rate`` takes them, and what is wrong (id, account, code, reason).

    ``records`` as for ``collect``. Columns: account, start, end, point (by record), the stage's inputs by full name, null
    where there is nothing and nothing may stand in, and ``filled``, a map from inputs to how they were filled.
    """
    assert version.stage is not None, "only a stage has rows"
    stage = version.stage
    work = _begin(version, records, period, known, accounts)
    cells = _cells(stage, work)
    marks: _Marks = {}
    whose: Any = pa.array(cells.account)
    table: dict[str, Any] = {"account": pa.array(work.records.accounts, pa.string()).take(whose)}
    table |= {name: _dates(days) for name, days in (("start", cells.start), ("end", cells.end))}
    table |= {"point": pa.array([work.records.points[code] if code >= 0 else "" for code in cells.point.tolist()], pa.string())}
    for item in stage.inputs:
        table[item.full_name] = _cell_column(item, work, cells, marks)
    table["filled"] = _filled_column(len(cells.account), marks)
    return columns.close_frame("arrow", table), _problem_table(work.records, _faults_of(work, stage.inputs), locale)


def _begin(version: Version, records: Any, period: Period, known: date | None, accounts: Sequence[str] | None) -> _Work:
    """The records in force for all that the version measures, and what is wrong with them by themselves."""
    read = read_records(records, accounts)
    items = [*version.inputs, *(version.stage.inputs if version.stage else ())]
    wanted = _measures(items)
    seen = np.flatnonzero(np.isin(read.measure, [read.measures[name] for name in wanted if name in read.measures]) & _known(read, known))
    faults: list[_Fault] = []
    first, last = groups.unique_ids(read.account[seen], read.id[seen])
    faults.extend(_duplicates(read, seen, last))
    own = seen[last][np.argsort(first, kind="stable")]
    work = _Work(read, own[_in_force(read, own, faults)], (period[0].toordinal(), period[1].toordinal()), faults)
    _spans(work)
    return work


def _measures(items: Iterable[Input]) -> set[str]:
    return {name for item in items if item.collect and not item.collect.of for name in (item.collect.measure, item.collect.weight) if name}


def _faults_of(work: _Work, items: Iterable[Input]) -> list[_Fault]:
    """What is wrong with the records these inputs are collected from."""
    measures = _measures(items)
    return [fault for fault in work.faults if fault.measure in measures]


_Marks = dict[int, list[tuple[str, str]]]


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


def _column(item: Input, work: _Work, marks: _Marks) -> Any:
    """The collected input, one value an account."""
    how = item.collect
    assert how is not None, "only measured inputs are collected"
    begun = len(work.faults)
    found, below = _collected(item, how, work)
    for account in below.tolist():
        marks.setdefault(account, []).append((item.full_name, how.evidence.below_limit))
    seen = _accounts_with(how, work)
    if how.evidence.fill != "refuse" and how.empty is None:
        without = np.setdiff1d(np.arange(len(work.records.accounts)), seen)
        null = np.ones(len(without), np.bool_)
        filled = _fill(item, how, work, _Found(without, np.zeros(len(without), np.int64), 0), null, null, without, marks)
        found = _both(found, filled)
    spoilt = [f.account for f in work.faults[:begun] if f.measure in (how.measure, how.weight)] + [f.account for f in work.faults[begun:]]
    return _written(item, how, found, len(work.records.accounts), seen, spoilt)


def _fill(item: Input, how: Collect, work: _Work, found: _Found, null: Mask, gap: Mask, account: Ints, marks: _Marks) -> _Found:
    """The places of ``found`` that are gaps, filled where the rule lets them be; ``account`` is whose each place is."""
    before, scale = _before(item, how, work) if how.evidence.fill == "previous" else (None, 0)
    fine = max(found.places, scale)
    if before is not None:
        before = fills.Before(groups.product(before.values, 10 ** (fine - scale)), before.has)
    result = fills.fill(item, groups.product(found.values, 10 ** (fine - found.places)), fine, null, gap, account, before)
    for one, count in zip(result.too_many.tolist(), result.counts.tolist(), strict=True):
        problem = Problem("too-many-gaps", {"name": item.full_name, "count": str(count), "at_most": str(how.evidence.at_most)})
        work.faults.append(_Fault(one, how.measure, problem))
    for place in found.accounts[result.filled].tolist():
        marks.setdefault(place, []).append((item.full_name, how.evidence.fill))
    kept = ~null | result.filled
    return _Found(found.accounts[kept], result.values[kept], result.places)


def _before(item: Input, how: Collect, work: _Work) -> tuple[fills.Before, int]:
    """Each account's last reading before the period, and its scale."""
    read = work.records
    rows = work.rows[(read.measure[work.rows] == read.measures.get(how.measure, -1)) & (read.end[work.rows] <= work.period[0])]
    rows = groups.latest(rows, read.account, read.end, read.start, read.id_rank)
    silent = replace(work, faults=[])
    values, scale, bad, _ = _readings(item, how, silent, rows)
    has = np.zeros(len(read.accounts), np.bool_)
    found = np.zeros(len(read.accounts), values.dtype)
    has[read.account[rows[~bad]]] = True
    found[read.account[rows[~bad]]] = values[~bad]
    return fills.Before(found, has), scale


def _both(one: _Found, other: _Found) -> _Found:
    """The numbers of two, at the finer scale."""
    fine = max(one.places, other.places)
    values = [groups.product(found.values, 10 ** (fine - found.places)) for found in (one, other)]
    return _Found(np.concatenate([one.accounts, other.accounts]), np.concatenate(values), fine)


# --- the stage ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cells:
    """A row of the stage each, by account and then in the order of time; ``of`` is the row each record in force belongs to, -1 for none."""

    account: Ints
    start: Ints
    end: Ints
    point: Ints
    of: Ints


def _cells(stage: Stage, work: _Work) -> _Cells:
    read, count = work.records, len(work.records.accounts)
    measured = np.isin(read.measure, [read.measures[name] for name in _measures(stage.inputs) if name in read.measures])
    rows = work.rows[_belongs(work, work.rows) & measured[work.rows]]
    of = np.full(len(read.account), -1, np.int64)
    if stage.grain != "record":
        days = [(start.toordinal(), end.toordinal()) for start, end in spans(stage.grain, (date.fromordinal(work.period[0]), date.fromordinal(work.period[1])))]
        start, end = (np.array(column, np.int64) for column in zip(*days, strict=True))
        of[rows] = read.account[rows] * len(days) + np.searchsorted(start, read.end[rows] - 1, side="right") - 1
        return _Cells(np.repeat(np.arange(count), len(days)), np.tile(start, count), np.tile(end, count), np.full(count * len(days), -1), of)
    rank = np.argsort(np.argsort(np.array(read.points, object), kind="stable"))[read.point] if len(read.points) else read.point
    key = groups.compress(read.account[rows], read.start[rows], read.end[rows], rank[rows])
    _, first = np.unique(key, return_index=True)
    of[rows] = key
    places = rows[first]
    return _Cells(read.account[places], read.start[places], read.end[places], read.point[places], of)


def _cell_column(item: Input, work: _Work, cells: _Cells, marks: _Marks) -> Any:
    """One input of the stage, one value a row: collected as a fact is, with rows in the place of accounts."""
    how = item.collect
    assert how is not None, "inputs of a stage are collected"
    read, count = work.records, len(cells.account)
    inside = replace(read, account=cells.of, accounts=[""] * count)
    held = _Work(inside, work.rows[cells.of[work.rows] >= 0], work.period, [])
    found, below = _collected(item, how, held)
    for cell in below.tolist():
        marks.setdefault(cell, []).append((item.full_name, how.evidence.below_limit))
    seen = _accounts_with(how, held)
    spoilt = [fault.account for fault in held.faults]
    begun = len(work.faults)
    work.faults.extend(_placed(fault, cells) for fault in held.faults)
    bad = {fault.account for fault in work.faults[:begun] if fault.measure in (how.measure, how.weight)}
    null, gap = np.ones(count, np.bool_), np.full(count, how.empty is None)
    null[found.accounts], gap[seen] = False, False
    values = np.zeros(count, found.values.dtype)
    values[found.accounts] = found.values
    whole = _Found(np.arange(count), values, found.places)
    filled = _fill(item, how, work, whole, null, gap, cells.account, marks)
    spoilt += np.flatnonzero(np.isin(cells.account, list(bad))).tolist() if bad else []
    kept = np.isin(filled.accounts, np.array(spoilt, np.int64), invert=True)
    return _written(item, how, _Found(filled.accounts[kept], filled.values[kept], filled.places), count, seen, spoilt)


def _placed(fault: _Fault, cells: _Cells) -> _Fault:
    """A fault of a row told of its account; where it is of the row's number, the row is named."""
    values = dict(fault.problem.values)
    if fault.problem.code in ("too-few-samples", "weights-zero"):
        values["name"] = placed(values["name"], date.fromordinal(int(cells.start[fault.account])))
    return _Fault(int(cells.account[fault.account]), fault.measure, Problem(fault.problem.code, values))


def _dates(days: Ints) -> Any:
    return pa.array((days - date(1970, 1, 1).toordinal()).astype(np.int32), pa.int32()).cast(pa.date32())


def _filled_column(count: int, marks: _Marks) -> Any:
    return pa.array([marks.get(place) for place in range(count)], pa.map_(pa.string(), pa.string()))


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


def _collected(item: Input, how: Collect, work: _Work) -> tuple[_Found, Ints]:
    """The numbers, and the accounts in which a reading below its limit counts."""
    read = work.records
    rows, none = _enough(item, how, work, _own(how, work)), np.zeros(0, np.int64)
    if how.how in ("last", "previous"):
        rows = groups.latest(rows, read.account, read.end, read.start, read.id_rank)
    if how.how == "count":
        split = groups.split(read.account[rows])
        return _Found(split.keys, split.sizes, 0), none
    values, scale, bad, below = _readings(item, how, work, rows)
    spoilt = np.isin(read.account[rows], read.account[rows[bad]])
    return _combined(item, how, work, rows[~spoilt], values[~spoilt], scale), np.unique(read.account[rows[below & ~spoilt]])


def _enough(item: Input, how: Collect, work: _Work, rows: Ints) -> Ints:
    """The rows of accounts that have as many as the rule asks for."""
    split = groups.split(work.records.account[rows])
    few = split.sizes < how.evidence.samples
    for account, count in zip(split.keys[few].tolist(), split.sizes[few].tolist(), strict=True):
        said = {"name": item.full_name, "count": str(count), "samples": str(how.evidence.samples)}
        work.faults.append(_Fault(account, how.measure, Problem("too-few-samples", said)))
    return rows[~np.isin(work.records.account[rows], split.keys[few])]


def _readings(item: Input, how: Collect, work: _Work, rows: Ints) -> tuple[Ints, int, Mask, Mask]:
    """What each row counts for, the scale, the rows that cannot be used, and those that stand below their limit."""
    read = work.records
    values, scale, bad = in_unit(read, rows, item.type.unit)
    for row in rows[bad]:
        problem = {"unit": read.unit_names[int(read.unit[row])], "wanted": str(item.type.unit)} if not read.unreadable[row] else {}
        work.faults.append(_fault(read, int(row), "record-unit" if problem else "record-value", **problem))
    below = read.below[rows] & ~bad
    if not below.any():
        return values, scale, bad, below
    match how.evidence.below_limit:
        case "":
            work.faults.extend(_fault(read, int(row), "below-limit", name=item.full_name) for row in rows[below])
            return values, scale, bad | below, below
        case "half":
            return np.where(below, groups.product(values, 5), groups.product(values, 10)), scale + 1, bad, below
        case "zero":
            return np.where(below, 0, values), scale, bad, below
        case _:
            return values, scale, bad, below


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
    low = (pairs >= 0) & read.below[pairs]
    for row in pairs[low]:
        work.faults.append(_fault(read, int(row), "below-limit", name=how.weight))
    unpaired = read.account[rows[(pairs < 0) | low]]
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
