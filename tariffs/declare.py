"""What a version declares before any formula is read: units, families, inputs, values and the built-ins."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from math import prod
from typing import Any

from tariffs import algebra, layout
from tariffs import model as m
from tariffs.errors import PackError, Problem
from tariffs.lower import Family, Symbols
from tariffs.money import EXACT, Mode, is_multiple, read_number, show, terminating
from tariffs.source import Document
from tariffs.units import COUNTED, PURE, ROWS, Unit, UnitError, factor, named, parse_unit

BUILT_IN = {"period_days": ("day", 1, 36_600), "period_months": ("month", 1, 1_200)}
MAX_MEMBERS = 10_000
#: A file with this many problems is told the first ones.
MAX_PROBLEMS = 100
_FORMULAS = ("formula", "when", "that")
Path = tuple[str | int, ...]


@dataclass(slots=True)
class Stage:
    """What the inner stage declares: its names (``own``) among all that its formulas may use, and which are collected."""

    families: Mapping[str, Family] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    used: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Work:
    """One check under way."""

    layout: layout.Layout
    document: Document
    symbols: Symbols
    part: m.Part | None = None
    monthly: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    told: set[object] = field(default_factory=set)
    tried: int = 0
    settled: tuple[Mapping[object, m.Type], frozenset[tuple[object, object]]] | None = None

    def problem(self, code: str, path: Path, *, key: bool = False, charge: str = "", severity: str = "error", **values: object) -> None:
        """Note what is wrong at ``path``; what is wrong with a whole formula stands at its first character."""
        where = self.document.inside(path, 0) if path[-1:] and path[-1] in _FORMULAS else self.document.where(path, key=key)
        self.note(Problem(code, {k: str(v) for k, v in values.items()}, where, charge, severity))

    def note(self, problem: Problem) -> None:
        """Keep a problem once: a family repeats its formula once a member. A flood is cut off."""
        key = (problem.code, problem.where, problem.charge, *problem.values.items())
        if key in self.told:
            return
        self.told.add(key)
        self.problems.append(problem)
        errors = [p for p in self.problems if p.severity == "error"]
        if errors and len(self.problems) >= MAX_PROBLEMS:
            raise PackError(errors)


def read_unit(work: Work, text: str | None, path: Path) -> Unit | None:
    """The unit written at ``path``; no text is a pure number, None a problem told."""
    if text is None:
        return PURE
    try:
        return parse_unit(text, work.layout.units)
    except UnitError as error:
        if error.unknown:
            work.problem("unit-unknown", path, word=error.word, near=_near_unit(error.word, work.layout.units))
        else:
            work.problem("unit-form", path, text=text[:60], word=error.word or text[-1:])
        return None


def _near_unit(word: str, declared: Mapping[str, object]) -> str:
    """The unit most like ``word``, or the common ones: a wrong guess would be worse than none."""
    known = [*(name for row in ROWS.values() for name in row), *COUNTED, *declared]
    same = [name for name in known if name.lower() == word.lower()]
    near = same or difflib.get_close_matches(word, known, 1, 0.85)
    return near[0] if near else "t, kg, lb, m3, L, gal, m2, day, month, household"


def _members(work: Work, axis: str, path: Path) -> tuple[str, ...] | None:
    found = work.symbols.dimensions.get(axis) or work.symbols.choices.get(axis)
    if found is None:
        known = [*work.symbols.dimensions, *work.symbols.choices]
        work.problem("by-unknown", path, name=axis, known=", ".join(known) or "-")
    return found


def read_axes(work: Work, by: tuple[str, ...], path: Path) -> dict[str, tuple[str, ...]] | None:
    """The members of each axis named under ``by``; naming an axis is a use of it."""
    found = {axis: _members(work, axis, path) for axis in by}
    if len(found) != len(by):
        work.problem("by-twice", path)
        return None
    work.symbols.used.update(axis for axis in by if axis in work.symbols.dimensions)
    count = prod(len(members) for members in found.values() if members is not None)
    if count > MAX_MEMBERS:
        work.problem("family-too-large", path, axes=", ".join(by), count=count, limit=MAX_MEMBERS)
        return None
    whole = {axis: members for axis, members in found.items() if members is not None}
    return whole if len(whole) == len(found) else None


# --- inputs and values --------------------------------------------------------------------------------------------


def declare_inputs(work: Work, section: Mapping[str, layout.Input], at: Path, stage: Stage | None = None) -> list[m.Input]:
    """The numeric inputs of ``section``, families unrolled; ``stage`` is what ``of:`` may name."""
    found: list[m.Input] = []
    for name, given in section.items():
        if isinstance(given, layout.ChoiceInput):
            continue
        path = (*at, name)
        unit, axes = read_unit(work, given.unit, (*path, "unit")), read_axes(work, given.by, (*path, "by"))
        if axes is None or unit is None:
            work.symbols.broken.add(name)
            continue
        kind = m.Type(unit, given.step, given.min, given.max)
        for key in product(*axes.values()):
            item = m.Input(name, key, kind, given.label)
            found.append(replace(item, collect=_collect(work, item, given, path, stage) if given.collect else None))
        work.symbols.families[name] = Family(given.by, {key: (m.Fact(kind, name, name, key),) for key in product(*axes.values())})
    return found


def _collect(work: Work, item: m.Input, given: layout.NumberInput, path: Path, stage: Stage | None) -> m.Collect:
    """How an input is collected, from records or from the stage."""
    how, _, count = (given.collect or "").partition("(")
    if given.empty is not None and not given.min <= given.empty <= given.max:
        work.problem("empty-value-bounds", (*path, "empty"), name=item.name, value=show(given.empty))
    collect = m.Collect(
        how, m.full_name(given.measure or item.name, item.key), given.weight, int(count.rstrip(")") or 0),
        Mode(given.mode or "half_up"), given.empty, evidence=_evidence(given),
    )  # fmt: skip
    _check_evidence(work, item, given, path, collect)
    if given.of is not None:
        return _of_stage(work, item, given, path, collect, stage or Stage())
    section = work.layout.stage.inputs if work.layout.stage and path[0] == "stage" else work.layout.inputs
    if given.weight and given.weight not in section:
        work.problem("weight-unknown", (*path, "weight"), name=given.weight)
    weigher = section.get(given.weight)
    if isinstance(weigher, layout.NumberInput):
        work.symbols.used.add(given.weight)
        collect = replace(collect, weight=m.full_name(weigher.measure or given.weight, item.key if weigher.by == given.by else ()))
    return collect


def _evidence(given: layout.NumberInput) -> m.Evidence:
    missing = given.missing
    fill = missing.fill if missing else "refuse"
    value = read_number(fill)
    at_most = (missing.at_most or 0) if missing else 0
    return m.Evidence(given.below_limit or "", "value" if value is not None else fill, value, at_most, given.samples or 0)


def _check_evidence(work: Work, item: m.Input, given: layout.NumberInput, path: Path, collect: m.Collect) -> None:
    """What stands in must be able to: a mean of the period needs rows, nothing comes before a count, a number lies in its bounds."""
    rule, staged = collect.evidence, path[0] == "stage"
    if staged and collect.how == "previous":
        work.problem("stage-previous", (*path, "collect"), name=item.name)
    if (rule.fill == "period_mean" and not staged) or (rule.fill in ("previous", "period_mean") and collect.how == "count"):
        work.problem("fill-pointless", (*path, "missing", "fill"), name=item.name, fill=rule.fill, collect=collect.how)
    if rule.value is not None and not (given.min <= rule.value <= given.max and is_multiple(rule.value, given.step)):
        work.problem("fill-value-bounds", (*path, "missing", "fill"), name=item.name, value=show(rule.value))
    for key in ("below_limit", "missing", "samples"):
        if given.of is not None and getattr(given, key) is not None:
            work.problems.append(Problem("evidence-of", {"name": item.name, "key": key}, work.document.where((*path, key), key=True)))


def _of_stage(work: Work, item: m.Input, given: layout.NumberInput, path: Path, collect: m.Collect, stage: Stage) -> m.Collect:
    """The part of the stage an outer input collects, with the factor that takes it to the input's unit."""
    name = (given.of or "").removeprefix("stage.")
    part = _part_of_stage(work, name, item, given, (*path, "of"), stage)
    if part is None:
        return collect
    if collect.how == "previous":
        work.problem("previous-of", (*path, "collect"), of=given.of)
    exact = Decimal(1)
    if collect.how != "count":
        ratio = factor(part.type.unit, item.type.unit)
        found = terminating(ratio) if ratio is not None else None
        if found is None:
            work.problem("of-unit", (*path, "of"), name=item.name, wanted=item.type.unit, of=given.of, found=part.type.unit)
            return collect
        exact = found
        grid = EXACT.multiply(part.type.grid, exact)
        if collect.how in ("sum", "min", "max", "last") and grid and not is_multiple(grid, item.type.grid):
            work.problem("of-step", (*path, "of"), name=item.name, of=given.of, grid=show(grid), step=show(item.type.grid))
    weight = given.weight.removeprefix("stage.")
    weigher = _part_of_stage(work, weight, item, given, (*path, "weight"), stage) if weight else None
    return replace(collect, of=_name(part), factor=exact, weight=_name(weigher) if weigher else "", measure="")


def _part_of_stage(work: Work, name: str, item: m.Input, given: layout.NumberInput, path: Path, stage: Stage) -> m.Fact | m.Amount | None:
    family = stage.families.get(name)
    if family is None or name not in stage.own:
        work.problem("of-unknown", path, name=name, known=", ".join(stage.own) or "-")
        return None
    stage.used.add(name)
    if family.axes and family.axes != given.by:
        work.problem("of-keys", path, name=item.name, axes=", ".join(given.by) or "-", of=name, other=", ".join(family.axes))
        return None
    leaf = family.leaves.get(item.key if family.axes else ())
    part = leaf[0] if leaf else None
    return part if isinstance(part, (m.Fact, m.Amount)) else None


def _name(part: m.Fact | m.Amount) -> str:
    return m.full_name(part.name, part.key)


def declare_values(work: Work) -> list[m.Value]:
    """The version's values; formulas find them as constants."""
    found: list[m.Value] = []
    for name, given in work.layout.values.items():
        path = ("values", name)
        unit, axes = read_unit(work, given.unit, (*path, "unit")), read_axes(work, given.by, (*path, "by"))
        told = len(work.problems)
        cells = _cells(work, given, axes, path) if axes is not None else {}
        lengths = {len(cell) for cell in cells.values()}
        if len(lengths) > 1:
            work.problem("list-lengths", (*path, "table"), name=name, lengths=", ".join(str(n) for n in sorted(lengths)))
        if axes is None or unit is None or len(work.problems) > told:
            work.symbols.broken.add(name)
            continue
        is_list = given.list is not None or any(isinstance(cell, tuple) for cell in _leaves(given.table))
        shrunk = dict(work.part.values) if work.part else {}
        cells = {key: shrunk.get((name, key), cell) for key, cell in cells.items()}
        found.append(m.Value(name, given.by, unit, is_list, cells, given.label, given.clause))
        leaves = {key: tuple(algebra.const(number, unit, name, name, key) for number in cell) for key, cell in cells.items()}
        work.symbols.families[name] = Family(given.by, leaves, is_list)
    return found


def declare_built_in(work: Work) -> None:
    """``period_days`` and ``period_months``: read from the period, or constants where the version rates a part of one."""
    for name, (unit, low, high) in BUILT_IN.items():
        kind = m.Type(named(unit), Decimal(1), Decimal(low), Decimal(high))
        leaf: m.Expr = m.BuiltIn(kind, name, name)
        if work.part is not None:
            count = work.part.days if name == "period_days" else work.part.months
            leaf = algebra.const(Decimal(count), named(unit), name, name)
        work.symbols.families[name] = Family((), {(): (leaf,)})


def _leaves(cell: Any) -> Iterator[Any]:
    if isinstance(cell, Mapping):
        for inner in cell.values():
            yield from _leaves(inner)
    else:
        yield cell


def _cells(work: Work, given: layout.Value, axes: Mapping[str, tuple[str, ...]], path: Path) -> dict[m.Key, tuple[Decimal, ...]]:
    if given.value is not None:
        return {(): (given.value,)}
    if given.list is not None:
        return {(): tuple(given.list)}
    found: dict[m.Key, tuple[Decimal, ...]] = {}
    names = list(axes)

    def walk(cell: Any, key: m.Key, at: Path) -> None:
        if len(key) == len(names):
            if isinstance(cell, Mapping):
                work.problem("table-deep", at, axes=", ".join(names))
            else:
                found[key] = cell if isinstance(cell, tuple) else (cell,)
        elif not isinstance(cell, Mapping):
            work.problem("table-shallow", at, axes=", ".join(names), axis=names[len(key)])
        else:
            for member, inner in cell.items():
                if member in axes[names[len(key)]]:
                    walk(inner, (*key, member), (*at, member))
                else:
                    work.problem("unknown-member", (*at, member), key=True, member=member, axis=names[len(key)], known=", ".join(axes[names[len(key)]]))

    walk(given.table, (), (*path, "table"))
    return found
