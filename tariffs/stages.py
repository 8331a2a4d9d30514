"""The stage by columns: rows of all accounts are rated by the same kernel, and what the rating needs is collected from them.

Whose rows they are and in what order is ``stage_rows``' to find. Written apart from ``rows`` and ``derive``; whether a number is
sound is found here by columns, and said by the one-at-a-time reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from tariffs import columns, fills, groups, intake, stage_code
from tariffs.errors import Problem
from tariffs.facts import missing
from tariffs.figures import number_problems
from tariffs.intake import Column, Piece
from tariffs.kernel import Check, Layout, check, plan
from tariffs.model import Charge, Collect, Fact, Input, Stage, Version, full_name
from tariffs.money import EXACT, places
from tariffs.needs import needed
from tariffs.scaled import NARROW, Answer, Batch, Ints, Mask, Plan, enclose, scaled, select
from tariffs.stage_rows import Part, Rows, part_of, wrong_spans
from tariffs.walk import choices_in, everything


@dataclass(frozen=True, slots=True)
class _Charge:
    charge: Charge
    when: Check | None
    formula: Plan


@dataclass(frozen=True, slots=True)
class Program:
    """The stage of a version, planned: made once, run for every chunk. ``named``: the version's own inputs and choices its charges ask for."""

    version: Version
    stage: Stage
    layout: Layout
    charges: tuple[_Charge, ...]
    derived: tuple[Input, ...]
    named: tuple[str, ...]
    source: stage_code.Plan


@dataclass(frozen=True, slots=True)
class Derived:
    """The collected facts of a chunk; ``bad`` rows have none to rate with, and ``tell`` says why (nothing where the rows themselves are at fault)."""

    read: Mapping[str, Column]
    bad: Mask
    tell: Callable[[int], list[Problem]]


def program(version: Version, scales: Mapping[str, int], codes: Mapping[str, Mapping[str, int]]) -> Program:
    """``scales`` and ``codes`` are those of the version's own inputs."""
    assert version.stage is not None, "only a stage is planned"
    stage = version.stage
    kept = dict(scales) | {item.full_name: item.type.places for item in stage.inputs}
    kept |= {charge.full_name: charge.formula.type.places for charge in stage.charges}
    layout = Layout(codes, kept)
    charges = tuple(_Charge(c, None if c.when is None else check(c.when, layout), plan(c.formula, kept[c.full_name], layout)) for c in stage.charges)
    named = _named_in(version, stage)
    needs = needed(version, {}).derived
    derived = tuple(item for item in version.inputs if item.collect and item.collect.of)
    standing = tuple(item for item in version.inputs if item.full_name in named)
    asked = Layout({name: codes[name] for name in codes if name in named}, kept)
    collected = tuple(item.collect for item in derived if item.collect and item.full_name in needs)
    return Program(version, stage, layout, charges, derived, named, stage_code.Plan(asked, stage.inputs, standing, stage.charges, collected))


def _named_in(version: Version, stage: Stage) -> tuple[str, ...]:
    tests = [node for charge in stage.charges for node in (charge.when, charge.formula)]
    facts = {full_name(n.name, n.key) for test in tests for n in everything(test) if isinstance(n, Fact)} & {item.full_name for item in version.inputs}
    return (*sorted(facts), *sorted(choices_in(*tests)))


def compiled_for(planned: Program, rows: Rows) -> stage_code.Code | None:
    """The stage compiled for columns like these; None where it cannot be."""
    shapes = tuple(stage_code.shape(rows.frame.columns.get(item.full_name), item) for item in planned.stage.inputs)
    return stage_code.code(planned.source, shapes)


# --- rating and collecting ----------------------------------------------------------------------------------------


def derive(planned: Program, rows: Rows, begin: int, stop: int, read: Mapping[str, Column], needs: Callable[[str], Mask], bad: Mask) -> Derived:
    """The facts collected for the owners ``begin`` to ``stop``, whose other facts are ``read``; ``needs`` tells for a name which of them need it.

    ``bad`` owners are refused already, and theirs count for nothing.
    """
    part = part_of(rows, begin, stop)
    bad = bad | wrong_spans(planned.stage.grain, rows, part, begin, stop)
    wanted = {item.full_name: needs(item.full_name) for item in planned.derived}
    if planned.stage.grain != "record":
        for mask in wanted.values():
            bad |= mask & (part.sizes == 0)
    collect, spoilt = _collector(planned, rows, part, read, needs, bad)
    bad |= spoilt
    found: dict[str, Column] = {}
    faults: list[tuple[Input, _Collected, Mask]] = []
    late = np.zeros(stop - begin, np.bool_)
    for item in planned.derived:
        assert item.collect is not None, "derived facts are collected"
        if not wanted[item.full_name].any():
            found[item.full_name] = Column(np.full(stop - begin, intake.safe(item), np.int64))
            continue
        result = collect(item, item.collect)
        column = intake.from_whole(result.values, result.places, result.null, item)
        wrong = wanted[item.full_name] & ~bad & _either(column.null, column.bad, stop - begin)
        late |= wrong
        faults.append((item, result, wrong))
        found[item.full_name] = column

    def tell(row: int) -> list[Problem]:
        return [problem for item, result, wrong in faults if wrong[row] for problem in _why(planned.version, item, result, row)]

    return Derived(found, bad | late, tell)


def _either(null: Mask | None, bad: Mask | None, count: int) -> Mask:
    found = intake.merge(null, bad)
    return np.zeros(count, np.bool_) if found is None else found


def _complete(planned: Program, rows: Rows, part: Part, needs: Callable[[str], Mask]) -> tuple[dict[str, Ints], Mask]:
    """The stage's inputs with gaps filled where they are needed; and the owners with a number that cannot be used or a gap that stays open."""
    owners = len(part.sizes)
    spoilt, numbers = np.zeros(owners, np.bool_), {}
    owner: Ints | None = None
    for item in planned.stage.inputs:
        read = intake.read_numbers(_piece(rows, item, part), item)
        values = read.values
        if read.bad is None and read.null is None:
            numbers[item.full_name] = values
            continue
        owner = np.repeat(np.arange(owners), part.sizes) if owner is None else owner
        if read.bad is not None:
            spoilt[owner[read.bad]] = True
        if read.null is not None:
            needed = needs(item.full_name)
            gap = read.null if needed.all() else read.null & needed[owner]
            found = fills.fill(item, values, item.type.places, read.null, gap, owner)
            values = found.values
            spoilt[owner[gap & ~found.filled]] = True
        numbers[item.full_name] = values
    return numbers, spoilt


def _collector(
    planned: Program, rows: Rows, part: Part, read: Mapping[str, Column], needs: Callable[[str], Mask], bad: Mask
) -> tuple[Callable[[Input, Collect], _Collected], Mask]:
    """How facts are collected from the rows, and the owners with a number that cannot be used or a gap that stays open: by compiled code
    where there is some for rows like these, else by NumPy.
    """
    if rows.code is not None and int(part.sizes.max(initial=0)) <= stage_code.LONGEST:
        gaps = [item.full_name for item, shape in zip(rows.code.inputs, rows.code.shapes, strict=True) if shape.nullable]
        pieces = {item.full_name: _piece(rows, item, part) for item in planned.stage.inputs}
        owners = {name: read[name].values for name in planned.named}
        done = stage_code.run(rows.code, part.begins, pieces, owners) if all(needs(name).all() for name in gaps) else None
        if done is not None:
            return lambda item, how: _from_sums(planned, item, how, done[0]), done[1]
    numbers, spoilt = _complete(planned, rows, part, needs)
    stage = _rate(planned, numbers, read, part, ~(bad | spoilt))
    return lambda item, how: _collect(planned, item, how, stage, part), spoilt


def _piece(rows: Rows, item: Input, part: Part) -> Piece:
    column = rows.frame.columns.get(item.full_name)
    return [None] * (part.rows.stop - part.rows.start) if column is None else columns.cut(column, part.rows.start, part.rows.stop)


def _from_sums(planned: Program, item: Input, how: Collect, sums: Mapping[stage_code.Sum, Ints]) -> _Collected:
    """The same from sums by owner as ``_combined`` makes of rows."""
    counts, factor = sums[stage_code.Sum("count", how.of)], places(how.factor)
    keys = np.flatnonzero(counts)
    scale = planned.layout.places[how.of] + factor
    parts = [sums[one] if len(keys) == len(counts) else sums[one][keys] for one in stage_code.wanted(how)]
    none = np.zeros(0, np.int64)
    if how.how == "count":
        return _dense(how, keys, parts[0], 0, none, len(counts))
    values = groups.product(parts[0], scaled(how.factor, factor))
    if how.how not in ("mean", "weighted_mean"):
        return _dense(how, keys, values, scale, none, len(counts))
    some = parts[1] != 0
    means = groups.mean(values[some], parts[1][some], scale, item.type.grid, how.mode)
    return _dense(how, keys[some], means, item.type.places, keys[~some], len(counts))


@dataclass(frozen=True, slots=True)
class _Rated:
    """The stage's numbers and amounts by row; where each charge applies, and which rows count at all (True: every one)."""

    batch: Batch
    applied: Mapping[str, Answer]
    alive: Answer


def _rate(planned: Program, numbers: Mapping[str, Ints], read: Mapping[str, Column], part: Part, good: Mask) -> _Rated:
    """The stage's charges in every row. What stands in the contract is spread over the rows only where a charge names it."""

    def spread(name: str) -> Ints:
        return np.repeat(read[name].values, part.sizes)

    standing = {name: spread(name) for name in planned.named if name in read and name not in planned.layout.codes}
    alive: Answer = True if good.all() else np.repeat(good, part.sizes)
    batch = Batch({**standing, **numbers}, {name: spread(name) for name in planned.named if name in planned.layout.codes}, {}, {})
    taken = enclose((), alive, True)
    applied: dict[str, Answer] = {}
    for item in planned.charges:
        when: Answer = True if item.when is None else item.when(batch, taken)
        amount = item.formula.run(batch, enclose(taken, when, True)) if when is not False else 0
        applied[item.charge.full_name] = when
        batch.amounts[item.charge.full_name] = select(when, amount, 0, item.formula.reach) if isinstance(when, np.ndarray) else amount
    return _Rated(batch, applied, alive)


@dataclass(frozen=True, slots=True)
class _Collected:
    """One number an owner at ``places``; ``weightless`` owners have rows whose weights are 0 together."""

    values: Ints
    places: int
    null: Mask
    weightless: Mask


def _numbers(name: str, stage: _Rated, rows: int) -> Ints:
    """An input or a charge of the stage, one number a row."""
    amount = stage.batch.amounts.get(name)
    if amount is None:
        return stage.batch.numbers[name]
    return np.full(rows, amount, object if abs(amount) >= NARROW else np.int64) if isinstance(amount, int) else amount


def _having(name: str, stage: _Rated, rows: int) -> Mask | None:
    """The rows that have a number and count; None: all."""
    applies = stage.applied.get(name, True)
    if applies is True and stage.alive is True:
        return None
    return np.broadcast_to(np.logical_and(applies, stage.alive), rows)


def _collect(planned: Program, item: Input, how: Collect, stage: _Rated, part: Part) -> _Collected:
    rows, count, scale = part.rows.stop - part.rows.start, len(part.sizes), planned.layout.places[how.of]
    having = _having(how.of, stage, rows)
    runs = groups.runs(part.begins if having is None else np.append(0, np.cumsum(having))[part.begins])

    def kept(name: str) -> Ints:
        return _numbers(name, stage, rows) if having is None else _numbers(name, stage, rows)[having]

    values, weights = kept(how.of) if how.how != "count" else np.zeros(0, np.int64), kept(how.weight) if how.weight else None
    if how.how != "count":
        digits = places(how.factor)
        values, scale = groups.product(values, scaled(how.factor, digits)), scale + digits
    return _dense(how, *_combined(item, how, runs, values, weights, scale), count)


def _dense(how: Collect, keys: Ints, found: Ints, fine: int, weightless: Ints, count: int) -> _Collected:
    """A number for every owner: those found, else what the rule says where there is nothing."""
    if len(keys) == count and (how.empty is None or places(how.empty) <= fine):
        return _Collected(found, fine, np.zeros(count, np.bool_), np.zeros(count, np.bool_))
    wide = found.dtype == object or (how.empty is not None and abs(scaled(how.empty, max(fine, places(how.empty)))) >= NARROW)
    dense = np.zeros(count, object if wide else np.int64)
    null = np.ones(count, np.bool_)
    dense[keys], null[keys] = found, False
    without = np.zeros(count, np.bool_)
    without[weightless] = True
    if how.empty is not None:
        finest = max(fine, places(how.empty))
        dense, fine = groups.product(dense, 10 ** (finest - fine)), finest
        dense = np.where(null & ~without, scaled(how.empty, finest), dense)
        null = null & without
    return _Collected(dense, fine, null, without)


def _combined(item: Input, how: Collect, split: groups.Groups, values: Ints, weights: Ints | None, scale: int) -> tuple[Ints, Ints, int, Ints]:
    """Owners, their numbers, the numbers' places; and owners whose weights add up to 0."""
    if how.how == "top_mean":
        kept = np.sort(groups.largest(np.repeat(split.keys, split.sizes), values, how.count))
        values, weights = values[kept], None if weights is None else weights[kept]
        sizes = np.minimum(split.sizes, how.count)
        split = groups.Groups(split.keys, None, np.cumsum(sizes) - sizes, sizes)
    none = np.zeros(0, np.int64)
    match how.how:
        case "sum":
            return split.keys, groups.total(split, values), scale, none
        case "min":
            return split.keys, groups.least(split, values), scale, none
        case "max":
            return split.keys, groups.greatest(split, values), scale, none
        case "last":
            return split.keys, values[split.starts + split.sizes - 1], scale, none
        case "count":
            return split.keys, split.sizes, 0, none
    weight = split.sizes if weights is None else groups.total(split, weights)
    products = groups.total(split, values if weights is None else groups.product(values, weights))
    some = np.asarray(weight != 0, np.bool_)
    means = groups.mean(products[some], weight[some], scale, item.type.grid, how.mode)
    return split.keys[some], means, item.type.places, split.keys[~some]


def _why(version: Version, item: Input, result: _Collected, row: int) -> list[Problem]:
    """Why a collected fact cannot be used, in the words of the one-at-a-time reader."""
    assert item.collect is not None, "derived facts are collected"
    if result.weightless[row]:
        return [Problem("weights-zero", {"name": item.full_name, "weight": item.collect.weight})]
    if result.null[row]:
        return [missing(version, item.full_name)]
    return number_problems(item, EXACT.scaleb(Decimal(int(result.values[row])), -result.places))
