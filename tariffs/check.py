"""From a layout to a checked version: a fixed list of steps, every problem of every step reported together.

Order matters only because later steps read what earlier ones declared; a step whose input is broken reports its own
problems and goes on with what is sound.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from itertools import product
from typing import Any

from tariffs import algebra, layout, needs
from tariffs import model as m
from tariffs.declare import BUILT_IN, Path, Stage, Work, declare_built_in, declare_inputs, declare_values, read_axes, read_unit
from tariffs.errors import PackError, Problem
from tariffs.formula import FUNCTIONS, Formula, FormulaError, parse
from tariffs.lower import Family, Scope, Symbols, lower, lower_test, settle
from tariffs.money import Mode, is_multiple, show
from tariffs.units import PURE, Unit, is_known, named
from tariffs.walk import choices_in, everything

MAX_WORLDS = 20_000
#: Work spent on trying worlds in one version: worlds times the parts of what is tried.
MAX_TRIED = 2_000_000
#: What every row of a stage has beside its inputs.
OWN = ("start", "end", "point", "filled", "account")
_RESERVED = {*FUNCTIONS, *Mode, *BUILT_IN, "subtotal", "total", "stage"}


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file's place in its rule root says of it."""

    tariff: str
    effective: date
    revision: int = 1
    end: date | None = None


def build(content: bytes, identity: Identity, file: str, part: m.Part | None = None) -> tuple[m.Version, tuple[Problem, ...]]:
    """The checked version in ``content`` and its warnings; PackError with every problem found.

    With ``part`` the version as it rates that part of a period: its days and months are constants, and what shrinks
    with the days has shrunk. It is checked like any other, so what held for the whole is proven for the part.
    """
    read, document = layout.read_layout(content, file)
    currency = read.currency.code
    dimensions = {name: tuple(members) for name, members in read.dimensions.items()}
    choices = {name: tuple(i.choices) for name, i in read.inputs.items() if isinstance(i, layout.ChoiceInput)}
    work = Work(read, document, Symbols(named(currency), dimensions, choices, {}), part)
    _names(work)
    _dates(work, identity)
    values = declare_values(work)
    stage, names = _stage(work)
    inputs = declare_inputs(work, read.inputs, ("inputs",), names)
    declare_built_in(work)
    requires = _requires(work)
    charges = _charges(work, read.charges, ("charges",), requires)
    _unused(work)
    _scaled(work)
    if not any(p.severity == "error" for p in work.problems):
        _reachable(work, requires, [*(stage.charges if stage else ()), *charges])
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
        inputs=tuple(inputs), values=tuple(values), requires=tuple(requires), charges=tuple(charges), stage=stage,
        change=read.change.model_dump(exclude_none=True) if read.change else {}, assumptions=read.assumptions,
    )  # fmt: skip
    return version, tuple(work.problems)


def _months(period: str) -> int:
    """Calendar months in one regular period; 0 for days and ``any``."""
    fixed = {"day": 0, "any": 0, "month": 1, "quarter": 3, "year": 12}
    return fixed[period] if period in fixed else int(period.split(maxsplit=1)[0])


# --- names and dates ----------------------------------------------------------------------------------------------


def _names(work: Work) -> None:
    """One namespace without regard to case: dimensions, inputs, values and charges; nothing takes a reserved word."""
    seen: dict[str, str] = {}
    for at, section in _sections(work):
        for name in section:
            path = (*at, name)
            if keyword.iskeyword(name):
                work.problem("keyword-name", path, key=True, value=name)
            elif name.lower() in {word.lower() for word in _RESERVED}:
                work.problem("reserved-name", path, key=True, name=name)
            elif at == ("stage", "inputs") and name.lower() in OWN:
                work.problem("stage-own-name", path, key=True, name=name)
            elif name.lower() in seen:
                work.problem("name-twice", path, key=True, name=name, other=seen[name.lower()])
            seen.setdefault(name.lower(), ".".join(path))
    for name in work.layout.units:
        if is_known(name):
            work.problem("unit-declared", ("units", name), key=True, name=name)


def _sections(work: Work) -> list[tuple[tuple[str, ...], Iterable[str]]]:
    """Everything that gives names, with the place it stands at."""
    found: list[tuple[tuple[str, ...], Iterable[str]]] = [((s,), getattr(work.layout, s)) for s in ("dimensions", "inputs", "values", "charges")]
    if work.layout.stage:
        found += [(("stage", "inputs"), work.layout.stage.inputs), (("stage", "charges"), work.layout.stage.charges)]
    return found


def _dates(work: Work, identity: Identity) -> None:
    until = work.layout.until
    if until is not None and until <= identity.effective:
        work.problem("until-early", ("until",), until=until, effective=identity.effective)
    if identity.revision > 1 and work.layout.known is None:
        work.problem("known-missing", (), revision=identity.revision)


# --- formulas -----------------------------------------------------------------------------------------------------


def _formula(work: Work, text: str, path: Path, charge: str, **scope: Any) -> Scope | None:
    """The scope for reading ``text``: its parsed formula, and problems placed where it stands in the file."""

    def report(code: str, offset: int, values: Mapping[str, str]) -> None:
        work.note(Problem(code, values, work.document.inside(path, offset), charge))

    try:
        formula = parse(text)
    except FormulaError as error:
        report(error.code, error.offset, error.values)
        return None
    return Scope(work.symbols, formula, report, **scope)


def _test(work: Work, text: str | None, path: Path, charge: str, **scope: Any) -> tuple[m.Test | None, bool]:
    """The condition in ``text`` and whether it could be read; no text is no condition."""
    if text is None:
        return None, True
    at = _formula(work, text, path, charge, **scope)
    test = lower_test(at.formula.tree, at) if at else None
    return test, test is not None


def _requires(work: Work) -> list[m.Require]:
    found: list[m.Require] = []
    work.symbols.later = frozenset(work.layout.charges)
    for index, given in enumerate(work.layout.require):
        path = ("require", index)
        when, sound = _test(work, given.when, (*path, "when"), "")
        that, read = _test(work, given.that, (*path, "that"), "")
        if sound and read and that is not None:
            found.append(m.Require(that, given.say, given.clause, when, work.document.where((*path, "that"))))
    return found


def _stage(work: Work) -> tuple[m.Stage | None, Stage]:
    """The inner stage, checked; its formulas see values, standing inputs and what the stage itself declares."""
    given = work.layout.stage
    if given is None:
        return None, Stage()
    inner = replace(work, symbols=replace(work.symbols, families=dict(work.symbols.families), lines=[]), monthly=set())
    standing = {name: i for name, i in work.layout.inputs.items() if isinstance(i, layout.NumberInput) and i.collect is None}
    silent = replace(inner, problems=[], told=set())  # they are declared, and told of, once more with the other inputs
    declare_inputs(silent, standing, ("inputs",))
    for name, item in given.inputs.items():
        if item.collect is None:
            work.problem("stage-needs-collect", ("stage", "inputs", name), key=True, name=name, grain=given.grain)
        if item.of is not None:
            work.problem("stage-of", ("stage", "inputs", name, "of"), key=True)
    for name, charge in given.charges.items():
        if "kind" in charge.model_fields_set and charge.kind != "working":
            work.problem("stage-kind", ("stage", "charges", name, "kind"), key=True)
    inputs = declare_inputs(inner, given.inputs, ("stage", "inputs"))
    workings = {name: charge.model_copy(update={"kind": "working"}) for name, charge in given.charges.items()}
    charges = _charges(inner, workings, ("stage", "charges"), [])
    own = (*given.inputs, *given.charges)
    return m.Stage(given.grain, tuple(inputs), tuple(charges)), Stage(inner.symbols.families, own, work.symbols.used)


def _charges(work: Work, section: Mapping[str, layout.Charge], at: Path, requires: list[m.Require]) -> list[m.Charge]:
    """Charges in the file's order; each may name the ones before it."""
    found: list[m.Charge] = []
    waiting = list(section)
    for name, given in section.items():
        waiting.remove(name)
        work.symbols.later = frozenset([name, *waiting])
        axes, told = read_axes(work, given.by, (*at, name, "by")), len(work.problems)
        if axes is None:
            work.symbols.broken.add(name)
            continue
        family: dict[m.Key, tuple[m.Expr, ...]] = {}
        for key in product(*axes.values()):
            charge = _charge(work, (*at, name), name, given, dict(zip(axes, key, strict=True)), requires)
            if charge is None:
                continue
            found.append(charge)
            kind = charge.formula.type
            if charge.when is not None:
                kind = replace(kind, low=min(kind.low, Decimal(0)), high=max(kind.high, Decimal(0)))
            family[key] = (m.Amount(kind, charge.full_name, name, key),)
        work.symbols.families[name] = Family(given.by, family)
        if any(problem.severity == "error" for problem in work.problems[told:]) or (work.symbols.broken and not family):
            work.symbols.broken.add(name)
        if given.kind == "line":
            work.symbols.lines.extend(leaf for (leaf,) in family.values())
    return found


def _charge(work: Work, path: Path, name: str, given: layout.Charge, bound: Mapping[str, str], requires: Iterable[m.Require]) -> m.Charge | None:
    key = tuple(bound.values())
    label = m.full_name(name, key)
    money = work.symbols.money
    wanted = read_unit(work, given.unit, (*path, "unit")) if given.unit else None if given.kind == "working" else money
    if given.kind != "working" and wanted not in (None, money):
        work.problem("line-unit", (*path, "unit"), charge=label, currency=work.layout.currency.code)
        return None
    when, sound = _test(work, given.when, (*path, "when"), name, bound=bound)
    scope = _formula(work, given.formula, (*path, "formula"), name, bound=bound)
    if scope is None or not sound:
        return None
    scope = _settled(work, scope, requires)
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


def _settled(work: Work, scope: Scope, requires: Iterable[m.Require]) -> Scope:
    """The scope in which every unconditional ``require`` is known to hold; worked out for the first charge, kept for the rest."""
    if work.settled is None:
        known = scope
        for require in requires:
            known = settle(known, require.that) if require.when is None else known
        work.settled = known.narrowed, known.ordered
    return replace(scope, narrowed=work.settled[0], ordered=work.settled[1])


def _finish(work: Work, formula: m.Expr, wanted: Unit | None, parsed: Formula, charge: str, path: Path, kind: str) -> m.Expr | None:
    """The formula in the unit its charge asks for; billed money lies on the currency's step."""
    if wanted is not None:
        try:
            formula = algebra.convert(formula, wanted)
        except algebra.Broken as broken:
            code = "not-money" if broken.code == "units-differ" and wanted == work.symbols.money else broken.code
            values = {**broken.values, "charge": charge, "text": " ".join(parsed.text.split())[:60]}
            work.note(Problem(code, values, work.document.inside(path, 0), charge))
            return None
    step = work.layout.currency.step
    if kind != "working" and formula.type.grid != 0 and not is_multiple(formula.type.grid, step):
        work.problem("money-unrounded", path, charge=charge, grid=show(formula.type.grid), step=show(step), text=" ".join(parsed.text.split())[:60])
        return None
    roundings = [node for node in everything(formula) if isinstance(node, (m.Round, m.Divide))]
    if any(isinstance(inner, (m.Round, m.Divide)) for outer in roundings for inner in everything(outer) if inner is not outer):
        work.problem("rounded-twice", path, charge=charge, severity="warning")
    return formula


def _counts_months(work: Work, formula: m.Expr) -> bool:
    """Whether an amount is one of whole months: by itself, or through a working that is."""
    return any(
        (isinstance(node, (m.BuiltIn, m.Const)) and node.name == "period_months")
        or (isinstance(node, m.Amount) and m.full_name(node.name, node.key) in work.monthly)
        for node in everything(formula)
    )


def _days_share(work: Work, formula: m.Expr, part: m.Part) -> m.Expr:
    """What an amount of the whole period has come to by the end of the part, less what it had come to before it.

    Each is one divide at the currency's step, so the parts of one price add up to it whatever the days are.
    """
    reached = _share_of_days(work, formula, "days_so_far" if part.before else "part_days", part.before + part.days, part.total)
    if not part.before:
        return reached
    return algebra.subtract(reached, _share_of_days(work, formula, "days_before", part.before, part.total), formula.text)


def _share_of_days(work: Work, formula: m.Expr, name: str, count: int, total: int) -> m.Expr:
    day, money = named("day"), work.symbols.money
    days, whole = algebra.const(Decimal(count), day, name, name), algebra.const(Decimal(total), day, "whole_days", "whole_days")
    step = algebra.const(work.layout.currency.step, PURE, show(work.layout.currency.step))
    return algebra.divide(algebra.multiply(formula, days, formula.text), whole, step, Mode.HALF_UP, formula.text, money, money)


# --- the whole ----------------------------------------------------------------------------------------------------


def _unused(work: Work) -> None:
    if any(p.severity == "error" for p in work.problems):
        return  # what a broken formula would have used cannot be told
    for at, section in _sections(work):
        for name in section:
            if name not in work.symbols.used and at[-1] != "charges":
                work.problem("unused", (*at, name), key=True, name=name)


def _scaled(work: Work) -> None:
    """What shrinks with the days is a standing fact or a value."""
    for index, name in enumerate(work.layout.change.scale if work.layout.change else ()):
        entry = work.layout.inputs.get(name)
        if name not in work.layout.values and not (isinstance(entry, layout.NumberInput) and entry.collect is None):
            work.problem("scale-unknown", ("change", "scale", index), name=name)


def _reachable(work: Work, requires: list[m.Require], charges: Iterable[m.Charge]) -> None:
    """Every table has a number for every key that can be reached: all worlds of choices are tried.

    A charge is not looked at where a ``require`` refuses; every ``require`` is, unless its own ``when`` is false.
    """
    for index, require in enumerate(requires):
        _try_worlds(work, ("require", index, "that"), "", (require.when, require.that), [])
    for charge in charges:
        at = ("charges",) if charge.name in work.layout.charges else ("stage", "charges")
        _try_worlds(work, (*at, charge.name, "formula"), charge.full_name, (charge.when, charge.formula), requires)


def _size(work: Work, table: m.Table) -> int:
    size = 1
    for axis in table.axes:
        size *= len(work.symbols.choices[axis])
    return size


def _try_worlds(work: Work, path: Path, label: str, looked_at: tuple[m.Test | None, m.Expr | m.Test], requires: list[m.Require]) -> None:
    size, whole = 0, True
    for node in (node for part in looked_at for node in everything(part)):
        size, whole = size + 1, whole and not (isinstance(node, m.Table) and len(node.cells) < _size(work, node))
    if whole:
        return
    deciding = [r for r in requires if choices_in(r.that, r.when)]
    names = sorted(choices_in(*looked_at, *(r.that for r in deciding), *(r.when for r in deciding)))
    worlds = 1
    for name in names:
        worlds *= len(work.symbols.choices[name])
    work.tried += worlds * size
    if worlds > MAX_WORLDS or work.tried > MAX_TRIED:
        work.problem("too-many-worlds", path, charge=label, worlds=worlds, limit=MAX_WORLDS)
        return
    told: set[tuple[str, str]] = set()
    for members in product(*(work.symbols.choices[name] for name in names)):
        world = dict(zip(names, members, strict=True))
        if needs.refused(tuple(deciding), world):
            continue
        for table in needs.gaps(*looked_at, world):
            key = ", ".join(f"{axis}={world[axis]}" for axis in table.axes)
            if (table.text, key) not in told:
                told.add((table.text, key))
                work.problem("table-gap", path, charge=label, name=table.text, keys=key)


_SAFE = re.compile(r"[a-z0-9][a-z0-9-]*")


def is_tariff_id(text: str) -> bool:
    """``cn/beijing/kitchen-waste``: lower-case words of letters, digits and hyphens, joined by slashes."""
    return bool(text) and all(_SAFE.fullmatch(part) for part in text.split("/"))
