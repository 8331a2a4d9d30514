"""A version as plans: what ``rate`` runs for every chunk of rows, made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from tariffs import intake, stages
from tariffs.kernel import Check, Layout, check, most_of, plan, sum_of_amounts
from tariffs.model import Charge, Expr, Input, Require, Round, Version
from tariffs.money import places
from tariffs.needs import always_applies
from tariffs.scaled import NARROW, SMALL, Plan, constant, least_places, reach, rescale, scaled


@dataclass(frozen=True, slots=True)
class PlannedCharge:
    """``formula`` gives whole numbers of the least scale that holds them; the result shows them at ``shown`` places."""

    charge: Charge
    when: Check | None
    formula: Plan
    shown: int


@dataclass(frozen=True, slots=True)
class PlannedRequire:
    require: Require
    when: Check | None
    that: Check


@dataclass(frozen=True, slots=True)
class Program:
    """A version, planned: made once, run for every chunk. ``small``: inputs that 32 bits hold, their steps too.

    ``always``: some charge applies to every row, whatever its choices and its numbers are.
    """

    version: Version
    layout: Layout
    requires: tuple[PlannedRequire, ...]
    charges: tuple[PlannedCharge, ...]
    total: Plan
    total_shown: int
    small: frozenset[str]
    always: bool
    stage: stages.Program | None


@lru_cache(maxsize=256)
def program_of(version: Version) -> Program:
    """What is kept of a version as long as it is used."""
    return _planned(version, {})


@lru_cache(maxsize=256)
def program_within(version: Version, bits: tuple[int, ...]) -> Program:
    """The same for rows whose inputs, in the version's order, have at most so many ``bits`` each: more of what is on the way fits 32.

    Its results have the same scales; nothing but what it computes in differs. The stage is rated before, and not planned again.
    """
    return _planned(version, {item.full_name: 2**most for item, most in zip(version.inputs, bits, strict=True)})


def _planned(version: Version, bounds: Mapping[str, int]) -> Program:
    scales = {item.full_name: item.type.places for item in version.inputs}
    shown = {charge.full_name: _charge_places(version, charge) for charge in version.charges}
    scales |= {charge.full_name: _kept_places(charge, shown[charge.full_name]) for charge in version.charges}
    most = dict(bounds)
    layout = Layout({name: {member: code for code, member in enumerate(choice.members)} for name, choice in version.choices.items()}, scales, most)
    requires = tuple(PlannedRequire(r, None if r.when is None else check(r.when, layout), check(r.that, layout)) for r in version.requires)
    charges = []
    for c in version.charges:
        formula = plan(_on_step(c.formula), scales[c.full_name], layout)
        charges.append(PlannedCharge(c, None if c.when is None else check(c.when, layout), formula, shown[c.full_name]))
        most[c.full_name] = formula.reach  # what is planned next knows how large this is
    staged = stages.program(version, scales, layout.codes) if version.stage is not None and not bounds else None
    small = frozenset(item.full_name for item in version.inputs if _size(item, layout) < SMALL and scaled(item.type.grid, scales[item.full_name]) < SMALL)
    lines = [charge for charge in version.charges if charge.kind == "line"]
    total_shown = max((shown[line.full_name] for line in lines), default=places(version.step))
    return Program(version, layout, requires, tuple(charges), _total(lines, layout, total_shown), total_shown, small, always_applies(version), staged)


def _size(item: Input, layout: Layout) -> int:
    """The largest number that can stand in an input's column, be it one that stands in for none."""
    return max(most_of(item.type, item.full_name, layout), abs(intake.safe(item)))


def _charge_places(version: Version, charge: Charge) -> int:
    own = charge.formula.type.places
    return own if charge.kind == "working" else max(own, places(version.step))


def _on_step(formula: Expr) -> Expr:
    """A formula without the rounding that never changes it: what is rounded lies on the step already."""
    while isinstance(formula, Round) and Fraction(formula.arg.type.grid) % Fraction(formula.step) == 0:
        formula = formula.arg
    return formula


def _kept_places(charge: Charge, shown: int) -> int:
    """The least scale at which every amount is whole: 0.30 is kept as 3, so that more amounts fit 32 bits."""
    return max(0, least_places(_on_step(charge.formula).type.grid)) if reach(charge.formula.type, shown) < NARROW else shown


def _total(lines: Sequence[Charge], layout: Layout, shown: int) -> Plan:
    """The sum of the charges of kind ``line``, at their finest scale, or where 64 bits do not hold it, as it is ``shown``."""
    most = [reach(line.formula.type, shown) for line in lines]
    fine = max((layout.places[line.full_name] for line in lines), default=shown) if sum(most) < NARROW else shown
    if not lines:
        return constant(0, fine)
    names = [line.full_name for line in lines]
    amounts = [rescale(_amount(name, layout.places[name], layout.most[name]), fine) for name in names]
    return sum_of_amounts(names, amounts, fine, keep=False)


def _amount(name: str, scale: int, size: int) -> Plan:
    return Plan(lambda b, t: b.amounts[name], scale, size)


def sizes(program: Program) -> dict[str, int]:
    """The most an amount can be, as whole numbers of the places it is shown at, by column."""
    found = {c.charge.full_name: c.formula.reach * 10 ** (c.shown - c.formula.places) for c in program.charges}
    return found | {"total": program.total.reach * 10 ** (program.total_shown - program.total.places)}
