"""Whose doing was it? The difference between two settlements, cause by cause, in a stated order.

One group of facts after another is taken from the first settlement to the second, and the total is computed anew each
time. A cause's share is the difference of two rounded totals, so the shares add up to the difference exactly. Dilution
in the sewers and the plant's own work are told apart by one more state: the second settlement's influent with the
first one's removal ratio.

The order is part of the result: days, volume, influent, removal, limits, score, index, what is left, the contract.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from tariffs import figures, messages
from tariffs import model as m
from tariffs.errors import FactsError, Problem, fail
from tariffs.explain import explain
from tariffs.money import EXACT, Mode, round_fraction, total
from tariffs.report import aligned

Given = Mapping[str, Any]
CAUSES = ("days", "volume", "influent", "removal", "limits", "score", "index", "other", "contract")


@dataclass(frozen=True, slots=True)
class Names:
    """Which facts belong to which cause, by name (families without their keys). ``inflow`` and ``outflow`` are paired families."""

    volume: tuple[str, ...] = ("flow", "volume")
    inflow: str = "inflow"
    outflow: str = "outflow"
    limits: tuple[str, ...] = ("temperature", "class", "limit_class")
    score: tuple[str, ...] = ("score",)
    index: tuple[str, ...] = ("index", "indices")


@dataclass(frozen=True, slots=True)
class Settlement:
    """One side of the comparison: the version, what was given to it (stage rows with Decimals), and its period."""

    version: m.Version
    given: Given
    period: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """``amount`` is what the total changed by when this cause went from the first settlement to the second."""

    name: str
    amount: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Decomposition:
    """The causes in their order; they add up to the difference of the totals."""

    before: Decimal
    after: Decimal
    causes: tuple[Cause, ...] = field(default=())

    def __post_init__(self) -> None:
        assert EXACT.add(self.before, total(cause.amount for cause in self.causes)) == self.after, "the causes add up"


Rate = Callable[[m.Version, Given, tuple[date, date] | None], Decimal]


def _explained(version: m.Version, given: Given, period: tuple[date, date] | None) -> Decimal:
    return explain(version, given, period).total


def decompose(before: Settlement, after: Settlement, names: Names | None = None, rate: Rate = _explained) -> Decomposition:
    """The difference of two settlements by cause. FactsError where a state between them cannot be rated, naming its cause."""
    before, after = _flat(before), _flat(after)
    first = _total(before.version, before.given, before.period, "before", rate)
    reached, found = first, []
    for cause, version, given, period in states(before, after, names or Names()):
        now = _total(version, given, period, cause, rate)
        found.append(Cause(cause, EXACT.subtract(now, reached), now))
        reached = now
    return Decomposition(first, reached, tuple(found))


def _total(version: m.Version, given: Given, period: tuple[date, date] | None, cause: str, rate: Rate) -> Decimal:
    try:
        return rate(version, given, period)
    except FactsError as error:
        raise FactsError([Problem("decompose-state", {"cause": cause, "reason": problem.sentence()}) for problem in error.problems]) from error


def states(before: Settlement, after: Settlement, names: Names) -> list[tuple[str, m.Version, Given, tuple[date, date] | None]]:
    """Each cause with the version, facts and period in which it, and all before it, are the second settlement's."""
    version = before.version
    given = _on_days_of(before, after)
    found: list[tuple[str, m.Version, Given, tuple[date, date] | None]] = [("days", version, given, after.period)]
    for cause, wanted in (("volume", names.volume), ("influent", (names.inflow,)), ("removal", (names.outflow,)), *_later(names)):
        ratios = _reference(version, after, given, names) if cause == "influent" else None
        given = _taken(given, after.given, wanted)
        if ratios is not None:
            given = _with_outflow(given, ratios, names.outflow)
        found.append((cause, version, given, after.period))
    found.append(("other", version, _rest(version, given, after.given), after.period))
    found.append(("contract", after.version, after.given, after.period))
    return found


def _later(names: Names) -> list[tuple[str, tuple[str, ...]]]:
    return [("limits", names.limits), ("score", names.score), ("index", names.index)]


def _rows(given: Given) -> list[Mapping[str, Any]]:
    return list(given.get("stage") or ())


def _on_days_of(before: Settlement, after: Settlement) -> Given:
    """The first settlement's facts on the second's days: row by row in order, from the start again where it has fewer."""
    own, other = _rows(before.given), _rows(after.given)
    if not own or not other:
        return before.given
    laid = [{**own[i % len(own)], **{key: row[key] for key in ("start", "end", "point") if key in row}} for i, row in enumerate(other)]
    return {**before.given, "stage": laid}


def _taken(given: Given, after: Given, wanted: Sequence[str]) -> Given:
    """``given`` with the facts named ``wanted`` as they are in ``after``, in every row too."""

    def taken(row: Given, other: Given) -> dict[str, Any]:
        return {name: value for name, value in row.items() if _base(name) not in wanted} | {n: v for n, v in other.items() if _base(n) in wanted}

    found = {**given, **{name: after[name] for name in given if _base(name) in wanted and name in after}}
    if given.get("stage"):
        found["stage"] = [taken(row, other) for row, other in zip(_rows(given), _rows(after), strict=False)]
    return found


def _rest(version: m.Version, given: Given, after: Given) -> Given:
    """Everything the second settlement gives that the first one's version knows; what it alone needs is kept."""
    known = {*version.choices, *(item.name for item in version.inputs), "stage"}
    found = {**given, **{name: value for name, value in after.items() if _base(name) in known and name != "stage"}}
    if given.get("stage") and after.get("stage") and version.stage:
        own = {item.name for item in version.stage.inputs} | {"filled"}
        pairs = zip(_rows(given), _rows(after), strict=False)
        found["stage"] = [{**row, **{name: value for name, value in other.items() if _base(name) in own}} for row, other in pairs]
    return found


def _flat(side: Settlement) -> Settlement:
    """Every family member by its full name, in the facts and in the rows; what is collected from the rows is left out."""
    derived = {item.full_name for item in side.version.inputs if item.collect and item.collect.of}

    def flat(facts: Given) -> dict[str, Any]:
        marks = {"filled": facts["filled"]} if "filled" in facts else {}
        members = figures.flat({name: value for name, value in facts.items() if name != "filled"})
        return {name: value for name, value in members if name not in derived} | marks

    given = flat({name: value for name, value in side.given.items() if name != "stage"})
    rows = [flat(row) for row in _rows(side.given)]
    return Settlement(side.version, {**given, **({"stage": rows} if rows else {})}, side.period)


def _base(name: str) -> str:
    return name.split("[", maxsplit=1)[0]


# --- influent and removal -----------------------------------------------------------------------------------------


def _reference(version: m.Version, after: Settlement, given: Given, names: Names) -> list[dict[str, Decimal]] | dict[str, Decimal]:
    """The outflow that the second settlement's influent would have had at the first one's removal ratio, by row."""
    if given.get("stage"):
        return [_scaled_row(version, row, other, names) for row, other in zip(_rows(given), _rows(after.given), strict=False)]
    return _scaled_row(version, given, after.given, names)


def _scaled_row(version: m.Version, row: Given, other: Given, names: Names) -> dict[str, Decimal]:
    """In each pollutant: real influent times (first outflow / first influent), on the input's grid and in its bounds."""
    items = [*version.inputs, *(version.stage.inputs if version.stage else ())]
    grids = {item.full_name: item.type for item in items}
    inflow, outflow, real = _family(row, names.inflow), _family(row, names.outflow), _family(other, names.inflow)
    found = {}
    for key, value in outflow.items():
        kind = grids.get(m.full_name(names.outflow, (key,)))
        if kind is None or key not in inflow or key not in real or not inflow[key]:
            found[key] = value
            continue
        scaled = round_fraction(Fraction(real[key]) * Fraction(value) / Fraction(inflow[key]), kind.grid, Mode.HALF_UP)
        found[key] = min(max(scaled, kind.low), kind.high)
    return found


def _family(row: Given, name: str) -> dict[str, Decimal]:
    """A family's members in a row that have a value."""
    return {full[len(name) + 1 : -1]: Decimal(str(value)) for full, value in row.items() if _base(full) == name and full != name and value is not None}


def _with_outflow(given: Given, scaled: Any, name: str) -> Given:
    if isinstance(scaled, list):
        return {**given, "stage": [_set_family(row, name, values) for row, values in zip(_rows(given), scaled, strict=True)]}
    return _set_family(given, name, scaled)


def _set_family(row: Given, name: str, values: Mapping[str, Decimal]) -> dict[str, Any]:
    return {**row, **{m.full_name(name, (key,)): value for key, value in values.items()}}


def read_settlement(file: Path, load: Callable[[str, str], m.Version]) -> Settlement:
    """A settlement from the JSON of a rating (``tariffs quote --json``, ``billing settle``), or of the same shape.

    It names ``tariff``, ``effective`` (or ``on``), ``period`` with start and end, and ``facts`` with decimals as text.
    """
    try:
        data = json.loads(file.read_bytes().decode("utf-8"))
        version = load(data["tariff"], data.get("on") or data["effective"])
        span = data.get("period")
        period = (date.fromisoformat(span["start"]), date.fromisoformat(span["end"])) if span else None
        facts = dict(data["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise fail(FactsError, "decompose-file", file=file, reason=f"{type(error).__name__}: {error}"[:200]) from None
    return Settlement(version, facts, period)


def as_json(found: Decomposition) -> dict[str, Any]:
    """The decomposition for machines; decimals as text."""
    causes = [{"cause": cause.name, "amount": str(cause.amount), "total": str(cause.total)} for cause in found.causes]
    return {"before": str(found.before), "after": str(found.after), "difference": str(EXACT.subtract(found.after, found.before)), "causes": causes}


def text(found: Decomposition, currency: str, locale: str = "en") -> str:
    """The decomposition as a table for people."""
    lines = [("decompose.before", found.before), *((f"decompose.cause.{cause.name}", cause.amount) for cause in found.causes), ("decompose.after", found.after)]
    rows = [*lines, ("decompose.difference", EXACT.subtract(found.after, found.before))]
    digits = max(len(str(amount)) for _, amount in rows)
    table = aligned([(messages.text(key, locale), f"{amount:>{digits}}", currency) for key, amount in rows])
    return "\n".join([messages.text("decompose.title", locale), *table, messages.text("decompose.order", locale)])
