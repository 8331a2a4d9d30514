"""From the rated rows of a stage to the facts collected from them, one account at a time. The columnar twin is ``stages``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from tariffs.errors import FactsError, Problem
from tariffs.facts import missing
from tariffs.figures import number_problems
from tariffs.model import Collect, Facts, Input, RatedRow, Step, Version
from tariffs.money import EXACT, round_fraction, show, total
from tariffs.needs import needed


def derive(version: Version, facts: Facts, rows: Sequence[RatedRow]) -> dict[str, Step]:
    """The facts that are collected from the stage, each with its step; FactsError where one is missing or off its bounds."""
    wanted = needed(version, facts.choices).derived
    found: dict[str, Step] = {}
    problems: list[Problem] = []
    for item in version.inputs:
        if item.full_name not in wanted:
            continue
        assert item.collect is not None, "derived facts are collected"
        step = _collected(item, item.collect, rows, problems)
        if step is not None and isinstance(step.value, Decimal):
            problems += number_problems(item, step.value)
            found[item.full_name] = step
        elif step is None and not any(problem.values.get("name") == item.full_name for problem in problems):
            problems.append(missing(version, item.full_name))
    if problems:
        raise FactsError(problems)
    return found


def _collected(item: Input, how: Collect, rows: Sequence[RatedRow], problems: list[Problem]) -> Step | None:
    """One number from the rows that have it, converted first; None where there is none."""
    having = [(rated, number) for rated in rows if (number := _in_row(rated, how.of)) is not None]
    numbers = [EXACT.multiply(number, how.factor) for _, number in having]
    unit = None if how.how == "count" else item.type.unit
    children = tuple(Step("row", how.of, number, unit, _row_detail(rated, how.of)) for (rated, _), number in zip(having, numbers, strict=True))
    detail = {"how": how.how, "of": how.of, "rows": str(len(rows)), "having": str(len(having))}
    if how.how == "top_mean":
        detail["count"] = str(how.count)
    if "mean" in how.how:
        detail |= {"step": show(item.type.grid), "mode": how.mode.value}
    if how.weight:
        detail["weight"] = how.weight
    if not numbers:
        return None if how.empty is None else Step("collected", item.full_name, how.empty, item.type.unit, {**detail, "empty": "yes"})
    weights = [_in_row(rated, how.weight) or Decimal(0) for rated, _ in having] if how.weight else [Decimal(1)] * len(numbers)
    if not total(weights):
        problems.append(Problem("weights-zero", {"name": item.full_name, "weight": how.weight}))
        return None
    return Step("collected", item.full_name, _combined(item, how, numbers, weights), item.type.unit, detail, children)


def _combined(item: Input, how: Collect, numbers: list[Decimal], weights: list[Decimal]) -> Decimal:
    match how.how:
        case "sum":
            return total(numbers)
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
        case "last":
            return numbers[-1]
        case "count":
            return Decimal(len(numbers))
        case "top_mean":
            numbers = sorted(numbers, reverse=True)[: how.count]
            weights = weights[: how.count]
    products = total(EXACT.multiply(number, weight) for number, weight in zip(numbers, weights, strict=True))
    return round_fraction(Fraction(products) / Fraction(total(weights)), item.type.grid, how.mode)


def _in_row(rated: RatedRow, name: str) -> Decimal | None:
    """An input or a charge of one row; None where the charge does not apply."""
    if name in rated.row.numbers:
        return rated.row.numbers[name]
    return next((line.amount for line in rated.lines if line.charge.full_name == name), None)


def _row_detail(rated: RatedRow, name: str) -> Mapping[str, str]:
    row = rated.row
    found = {"start": str(row.start), "end": str(row.end)} | ({"point": row.point} if row.point else {})
    return found | ({"filled": row.filled[name]} if name in row.filled else {})
