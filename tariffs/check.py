"""From a layout to a checked version: a fixed list of steps, every problem of every step reported together.

Order matters only because later steps read what earlier ones declared; a step whose input is broken reports its own
problems and goes on with what is sound.
"""

from __future__ import annotations

import difflib
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import product
from typing import Any

from tariffs import algebra, layout, needs
from tariffs import model as m
from tariffs.errors import PackError, Problem
from tariffs.formula import FUNCTIONS, Formula, FormulaError, parse
from tariffs.lower import Family, Scope, Symbols, lower, lower_test, settle
from tariffs.money import Mode, is_multiple, show
from tariffs.source import Document
from tariffs.units import PURE, Unit, UnitError, is_known, named, parse_unit
from tariffs.walk import choices_in, everything

MAX_WORLDS = 20_000
BUILT_IN = {"period_days": ("day", 1, 36_600), "period_months": ("month", 1, 1_200)}
_RESERVED = {*FUNCTIONS, *Mode, *BUILT_IN, "subtotal", "total"}
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file's place in its rule root says of it."""

    tariff: str
    effective: date
    revision: int = 1
    end: date | None = None


@dataclass(slots=True)
class _Work:
    """One check under way."""

    layout: layout.Layout
    document: Document
    symbols: Symbols
    part: m.Part | None = None
    monthly: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, code: str, path: Path, *, key: bool = False, charge: str = "", severity: str = "error", **values: object) -> None:
        where = self.document.where(path, key=key)
        self.problems.append(Problem(code, {k: str(v) for k, v in values.items()}, where, charge, severity))


def build(content: bytes, identity: Identity, file: str, part: m.Part | None = None) -> tuple[m.Version, tuple[Problem, ...]]:
    """The checked version in ``content`` and its warnings; PackError with every problem found.

    With ``part`` the version as it rates that part of a period: its days and months are constants, and what shrinks
    with the days has shrunk. It is checked like any other, so what held for the whole is proven for the part.
    """
    read, document = layout.read_layout(content, file)
    currency = read.currency.code
    dimensions = {name: tuple(members) for name, members in read.dimensions.items()}
    choices = {name: tuple(i.choices) for name, i in read.inputs.items() if isinstance(i, layout.ChoiceInput)}
    work = _Work(read, document, Symbols(named(currency), dimensions, choices, {}), part)
    _names(work)
    _dates(work, identity)
    inputs = _inputs(work)
    values = _values(work)
    _built_in(work)
    requires = _requires(work)
    charges = _charges(work, requires)
    _unused(work)
    _scaled(work)
    if not any(p.severity == "error" for p in work.problems):
        _reachable(work, requires, charges)
    errors = [p for p in work.problems if p.severity == "error"]
    if errors:
        raise PackError(errors)
    version = m.Version(
        tariff=identity.tariff, effective=identity.effective, revision=identity.revision, known=read.known, until=read.until,
        end=min((day for day in (read.until, identity.end) if day), default=None),
        language=read.language, digest=sha256(content).hexdigest(), file=file, content=content,
        title=read.title, status=read.status, source=m.Source(read.source.document, read.source.issuer, read.source.note),
        currency=currency, step=read.currency.step, direction=read.direction, period=read.period, period_months=_months(read.period),
        dimensions=read.dimensions,
        choices={name: m.Choice(name, i.choices, i.label) for name, i in read.inputs.items() if isinstance(i, layout.ChoiceInput)},
        inputs=tuple(inputs), values=tuple(values), requires=tuple(requires), charges=tuple(charges),
        change=read.change.model_dump(exclude_none=True) if read.change else {}, assumptions=read.assumptions,
    )  # fmt: skip
    return version, tuple(work.problems)


def _months(period: str) -> int:
    """Calendar months in one regular period; 0 for days and ``any``."""
    fixed = {"day": 0, "any": 0, "month": 1, "quarter": 3, "year": 12}
    return fixed[period] if period in fixed else int(period.split(maxsplit=1)[0])


# --- names and dates ----------------------------------------------------------------------------------------------


def _names(work: _Work) -> None:
    """One namespace without regard to case: dimensions, inputs, values and charges; nothing takes a reserved word."""
    seen: dict[str, str] = {}
    for section in ("dimensions", "inputs", "values", "charges"):
        for name in getattr(work.layout, section):
            path = (section, name)
            if keyword.iskeyword(name):
                work.problem("keyword-name", path, key=True, value=name)
            elif name.lower() in {word.lower() for word in _RESERVED}:
                work.problem("reserved-name", path, key=True, name=name)
            elif name.lower() in seen:
                work.problem("name-twice", path, key=True, name=name, other=seen[name.lower()])
            seen.setdefault(name.lower(), f"{section}.{name}")
    for name in work.layout.units:
        if is_known(name):
            work.problem("unit-declared", ("units", name), key=True, name=name)


def _dates(work: _Work, identity: Identity) -> None:
    until = work.layout.until
    if until is not None and until <= identity.effective:
        work.problem("until-early", ("until",), until=until, effective=identity.effective)
    if identity.revision > 1 and work.layout.known is None:
        work.problem("known-missing", (), revision=identity.revision)


def _unit(work: _Work, text: str | None, path: Path) -> Unit | None:
    if text is None:
        return PURE
    try:
        return parse_unit(text, work.layout.units)
    except UnitError as error:
        if error.unknown:
            near = difflib.get_close_matches(error.word, ["kg", "m3", "day", "month", "household", "bed", *work.layout.units], 1, 0.5)
            work.problem("unit-unknown", path, word=error.word, near=near[0] if near else "units:")
        else:
            work.problem("unit-form", path, text=text[:60], word=error.word or text[-1:])
        return None


def _members(work: _Work, axis: str, path: Path) -> tuple[str, ...] | None:
    found = work.symbols.dimensions.get(axis) or work.symbols.choices.get(axis)
    if found is None:
        known = [*work.symbols.dimensions, *work.symbols.choices]
        work.problem("by-unknown", path, name=axis, known=", ".join(known) or "-")
    return found


def _axes(work: _Work, by: tuple[str, ...], path: Path) -> dict[str, tuple[str, ...]] | None:
    """The members of each axis named under ``by``; naming an axis is a use of it."""
    found = {axis: _members(work, axis, path) for axis in by}
    if len(found) != len(by):
        work.problem("by-twice", path)
        return None
    work.symbols.used.update(axis for axis in by if axis in work.symbols.dimensions)
    whole = {axis: members for axis, members in found.items() if members is not None}
    return whole if len(whole) == len(found) else None


# --- inputs and values --------------------------------------------------------------------------------------------


def _inputs(work: _Work) -> list[m.Input]:
    found: list[m.Input] = []
    for name, given in work.layout.inputs.items():
        if isinstance(given, layout.ChoiceInput):
            continue
        path = ("inputs", name)
        unit, axes = _unit(work, given.unit, (*path, "unit")), _axes(work, given.by, (*path, "by"))
        if axes is None:
            continue
        kind = m.Type(unit or PURE, given.step, given.min, given.max)
        keys = list(product(*axes.values()))
        found.extend(m.Input(name, key, kind, given.label, _collect(work, name, key, given)) for key in keys)
        work.symbols.families[name] = Family(given.by, {key: (m.Fact(kind, name, name, key),) for key in keys})
    return found


def _collect(work: _Work, name: str, key: m.Key, given: layout.NumberInput) -> m.Collect | None:
    if given.collect is None:
        return None
    how, _, count = given.collect.partition("(")
    if given.empty is not None and not given.min <= given.empty <= given.max:
        work.problem("empty-value-bounds", ("inputs", name, "empty"), name=name, value=show(given.empty))
    if given.weight and given.weight not in work.layout.inputs:
        work.problem("weight-unknown", ("inputs", name, "weight"), name=given.weight)
    work.symbols.used.update({given.weight} & set(work.layout.inputs))
    measure = m.full_name(given.measure or name, key)
    return m.Collect(how, measure, given.weight, int(count.rstrip(")") or 0), given.step, Mode(given.mode or "half_up"), given.empty)


def _values(work: _Work) -> list[m.Value]:
    found: list[m.Value] = []
    for name, given in work.layout.values.items():
        path = ("values", name)
        unit, axes = _unit(work, given.unit, (*path, "unit")), _axes(work, given.by, (*path, "by"))
        if axes is None:
            continue
        cells = _cells(work, given, axes, path)
        lengths = {len(cell) for cell in cells.values()}
        if len(lengths) > 1:
            work.problem("list-lengths", (*path, "table"), name=name, lengths=", ".join(str(n) for n in sorted(lengths)))
            continue
        is_list = given.list is not None or any(isinstance(cell, tuple) for cell in _leaves(given.table))
        unit = unit or PURE
        shrunk = dict(work.part.values) if work.part else {}
        cells = {key: shrunk.get((name, key), cell) for key, cell in cells.items()}
        found.append(m.Value(name, given.by, unit, is_list, cells, given.label, given.clause))
        leaves = {key: tuple(algebra.const(number, unit, name, name, key) for number in cell) for key, cell in cells.items()}
        work.symbols.families[name] = Family(given.by, leaves, is_list)
    return found


def _built_in(work: _Work) -> None:
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


def _cells(work: _Work, given: layout.Value, axes: Mapping[str, tuple[str, ...]], path: Path) -> dict[m.Key, tuple[Decimal, ...]]:
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


# --- formulas -----------------------------------------------------------------------------------------------------


def _formula(work: _Work, text: str, path: Path, charge: str, **scope: Any) -> Scope | None:
    """The scope for reading ``text``: its parsed formula, and problems placed where it stands in the file."""

    def report(code: str, offset: int, values: Mapping[str, str]) -> None:
        problem = Problem(code, values, work.document.inside(path, offset), charge)
        if problem not in work.problems:  # a family repeats its formula once a member
            work.problems.append(problem)

    try:
        formula = parse(text)
    except FormulaError as error:
        report(error.code, error.offset, error.values)
        return None
    return Scope(work.symbols, formula, report, **scope)


def _test(work: _Work, text: str | None, path: Path, charge: str, **scope: Any) -> tuple[m.Test | None, bool]:
    """The condition in ``text`` and whether it could be read; no text is no condition."""
    if text is None:
        return None, True
    at = _formula(work, text, path, charge, **scope)
    test = lower_test(at.formula.tree, at) if at else None
    return test, test is not None


def _requires(work: _Work) -> list[m.Require]:
    found: list[m.Require] = []
    for index, given in enumerate(work.layout.require):
        path = ("require", index)
        when, sound = _test(work, given.when, (*path, "when"), "")
        that, read = _test(work, given.that, (*path, "that"), "")
        if sound and read and that is not None:
            found.append(m.Require(that, given.say, given.clause, when, work.document.where((*path, "that"))))
    return found


def _charges(work: _Work, requires: list[m.Require]) -> list[m.Charge]:
    """Charges in the file's order; each may name the ones before it."""
    found: list[m.Charge] = []
    waiting = list(work.layout.charges)
    for name, given in work.layout.charges.items():
        waiting.remove(name)
        work.symbols.later = frozenset([name, *waiting])
        axes = _axes(work, given.by, ("charges", name, "by"))
        if axes is None:
            continue
        family: dict[m.Key, tuple[m.Expr, ...]] = {}
        for key in product(*axes.values()):
            charge = _charge(work, name, given, dict(zip(axes, key, strict=True)), requires)
            if charge is None:
                continue
            found.append(charge)
            kind = charge.formula.type
            if charge.when is not None:
                kind = replace(kind, low=min(kind.low, Decimal(0)), high=max(kind.high, Decimal(0)))
            family[key] = (m.Amount(kind, charge.full_name, name, key),)
        work.symbols.families[name] = Family(given.by, family)
        if given.kind == "line":
            work.symbols.lines.extend(leaf for (leaf,) in family.values())
    return found


def _charge(work: _Work, name: str, given: layout.Charge, bound: Mapping[str, str], requires: Iterable[m.Require]) -> m.Charge | None:
    key = tuple(bound.values())
    path = ("charges", name)
    label = m.full_name(name, key)
    money = work.symbols.money
    wanted = _unit(work, given.unit, (*path, "unit")) if given.unit else None if given.kind == "working" else money
    if given.kind != "working" and wanted not in (None, money):
        work.problem("line-unit", (*path, "unit"), charge=label, currency=work.layout.currency.code)
        return None
    when, sound = _test(work, given.when, (*path, "when"), name, bound=bound)
    scope = _formula(work, given.formula, (*path, "formula"), name, bound=bound)
    if scope is None or not sound:
        return None
    for require in requires:
        scope = settle(scope, require.that) if require.when is None else scope
    picked = [m.Is(axis, axis, member) for axis, member in bound.items() if axis in work.symbols.choices]
    tests = tuple(t for t in (*picked, when) if t is not None)
    guard = tests[0] if len(tests) == 1 else m.And(given.when or "", tests) if tests else None
    if isinstance(guard, m.Truth):
        if not guard.value:
            return None  # this member never has the charge
        guard = None
    formula = lower(scope.formula.tree, settle(scope, guard), wanted)
    if formula is None:
        return None
    checked = _finish(work, formula, wanted, scope.formula, label, (*path, "formula"), given.kind)
    if checked is None:
        return None
    if _counts_months(work, checked):
        if given.kind == "working":
            work.monthly.add(label)
        elif work.part is not None and work.part.monthly == "none":
            return None
        elif work.part is not None and work.part.monthly == "share":
            checked = _days_share(work, checked, work.part)
    return m.Charge(name, key, given.kind, given.label, given.clause, guard, checked, given.formula, work.document.where(path, key=True))


def _finish(work: _Work, formula: m.Expr, wanted: Unit | None, parsed: Formula, charge: str, path: Path, kind: str) -> m.Expr | None:
    """The formula in the unit its charge asks for; billed money lies on the currency's step."""
    if wanted is not None:
        try:
            formula = algebra.convert(formula, wanted)
        except algebra.Broken as broken:
            code = "not-money" if broken.code == "units-differ" and wanted == work.symbols.money else broken.code
            values = {**broken.values, "charge": charge, "text": " ".join(parsed.text.split())[:60]}
            work.problems.append(Problem(code, values, work.document.where(path), charge))
            return None
    step = work.layout.currency.step
    if kind != "working" and formula.type.grid != 0 and not is_multiple(formula.type.grid, step):
        work.problem("money-unrounded", path, charge=charge, grid=show(formula.type.grid), step=show(step), text=" ".join(parsed.text.split())[:60])
        return None
    roundings = [node for node in everything(formula) if isinstance(node, (m.Round, m.Divide))]
    if any(isinstance(inner, (m.Round, m.Divide)) for outer in roundings for inner in everything(outer) if inner is not outer):
        work.problem("rounded-twice", path, charge=charge, severity="warning")
    return formula


def _counts_months(work: _Work, formula: m.Expr) -> bool:
    """Whether an amount is one of whole months: by itself, or through a working that is."""
    return any(
        (isinstance(node, (m.BuiltIn, m.Const)) and node.name == "period_months")
        or (isinstance(node, m.Amount) and m.full_name(node.name, node.key) in work.monthly)
        for node in everything(formula)
    )


def _days_share(work: _Work, formula: m.Expr, part: m.Part) -> m.Expr:
    """An amount computed for the whole period takes its days' share by one divide, at the currency's step."""
    day, money = named("day"), work.symbols.money
    days, total = (algebra.const(Decimal(count), day, name, name) for name, count in (("part_days", part.days), ("whole_days", part.total)))
    step = algebra.const(work.layout.currency.step, PURE, show(work.layout.currency.step))
    return algebra.divide(algebra.multiply(formula, days, formula.text), total, step, Mode.HALF_UP, formula.text, money, money)


# --- the whole ----------------------------------------------------------------------------------------------------


def _unused(work: _Work) -> None:
    for section in ("dimensions", "inputs", "values"):
        for name in getattr(work.layout, section):
            if name not in work.symbols.used and not any(p.severity == "error" for p in work.problems):
                work.problem("unused", (section, name), key=True, name=name)


def _scaled(work: _Work) -> None:
    """What shrinks with the days is a standing fact or a value."""
    for index, name in enumerate(work.layout.change.scale if work.layout.change else ()):
        entry = work.layout.inputs.get(name)
        if name not in work.layout.values and not (isinstance(entry, layout.NumberInput) and entry.collect is None):
            work.problem("scale-unknown", ("change", "scale", index), name=name)


def _reachable(work: _Work, requires: list[m.Require], charges: list[m.Charge]) -> None:
    """Every table has a number for every key that can be reached: all worlds of choices are tried."""
    for charge in charges:
        tables = [n for n in everything(charge.formula) if isinstance(n, m.Table)]
        tables += [n for n in everything(charge.when) if isinstance(n, m.Table)]
        if all(len(t.cells) == _size(work, t) for t in tables):
            continue
        _try_worlds(work, charge, requires)


def _size(work: _Work, table: m.Table) -> int:
    size = 1
    for axis in table.axes:
        size *= len(work.symbols.choices[axis])
    return size


def _try_worlds(work: _Work, charge: m.Charge, requires: list[m.Require]) -> None:
    deciding = [r for r in requires if choices_in(r.that, r.when)]
    names = sorted(choices_in(charge.formula, charge.when, *(r.that for r in deciding), *(r.when for r in deciding)))
    worlds = 1
    for name in names:
        worlds *= len(work.symbols.choices[name])
    path = ("charges", charge.name, "formula")
    if worlds > MAX_WORLDS:
        work.problem("too-many-worlds", path, charge=charge.full_name, worlds=worlds, limit=MAX_WORLDS)
        return
    told: set[tuple[str, str]] = set()
    for members in product(*(work.symbols.choices[name] for name in names)):
        world = dict(zip(names, members, strict=True))
        if needs.refused(tuple(deciding), world):
            continue
        for table in needs.gaps(charge.when, charge.formula, world):
            key = ", ".join(f"{axis}={world[axis]}" for axis in table.axes)
            if (table.text, key) not in told:
                told.add((table.text, key))
                work.problem("table-gap", path, charge=charge.full_name, name=table.text, keys=key)


_SAFE = re.compile(r"[a-z0-9][a-z0-9-]*")


def is_tariff_id(text: str) -> bool:
    """``cn/beijing/kitchen-waste``: lower-case words of letters, digits and hyphens, joined by slashes."""
    return bool(text) and all(_SAFE.fullmatch(part) for part in text.split("/"))
