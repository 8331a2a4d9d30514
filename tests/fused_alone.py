"""Compiled code by itself, with nothing to fall back on: what it says of each row, and the amounts of the rows it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from zlib import crc32

import pyarrow as pa

import tariffs
from tariffs import binding, columns, compiled, periods_in, rate
from tariffs.model import Input
from tariffs.money import EXACT
from tariffs.program import program_of

Period = tuple[date, date]
Outcome = dict[str, Decimal]
Form = Callable[[tariffs.TariffVersion, Sequence[Mapping[str, object]], Sequence[int]], dict[str, Any]]


def bind(version: tariffs.TariffVersion, frame: Any, period: Period | None, *, narrow: bool = False) -> binding.Bound | None:
    """None where its numbers pass 64 bits. Every second version is written past the caches, where that can be."""
    program = program_of(version.model)
    opened = columns.open_frame(frame, [*version.model.choices, *(item.full_name for item in version.model.inputs), *periods_in.COLUMNS])
    by_row = period is None and periods_in.has_columns(opened)
    outputs = rate._outputs(program, opened.rows, True, narrow, "raise")
    streamed = compiled.STREAMABLE and crc32(version.model.content) % 2 == 1
    return rate._bind(program, opened, None if by_row else period, by_row, outputs, streamed=streamed)


def amounts(bound: binding.Bound) -> list[Outcome]:
    """Rates every row compiled; AssertionError where the code finds one bad."""
    for start, stop in binding.stretches(bound):
        assert binding.run(bound, start, stop) == [], "a good row is left to NumPy"
    found = {name: columns.finish(column).to_pylist() for name, column in bound.amounts.items()}
    return [{name: column[row] for name, column in found.items() if column[row] is not None} for row in range(bound.frame.rows)]


def compare(
    version: tariffs.TariffVersion, facts: Sequence[Mapping[str, object]], period: Period | None, expected: Sequence[Outcome | None], form: Form
) -> bool:
    """The rows that ``explain`` rates get its amounts, each of the others (None) is bad by itself. False where the code is too wide."""
    good = [row for row, outcome in enumerate(expected) if outcome is not None]
    bound = bind(version, form(version, facts, good), period)
    if bound is None:
        return False
    good = [row for row in good if all(_fits(facts[row][item.full_name], item, bound.machine.digits) for item in version.model.inputs)]
    if good:
        bound = bind(version, form(version, facts, good), period)
        assert bound is not None, "it was compiled before"
        assert amounts(bound) == [expected[row] for row in good], version.model.content.decode()
    for row in (row for row, outcome in enumerate(expected) if outcome is None):
        bound = bind(version, form(version, facts, [row]), period)
        assert bound is None or binding.run(bound, 0, 1) == [0], f"{dict(facts[row])} is bad, and nothing says so\n{version.model.content.decode()}"
    return True


def plain(version: tariffs.TariffVersion, facts: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Nothing but what ``as_arrow`` has a column for; everything else is not given."""
    finest = {item.full_name: item.type.places + 1 for item in version.model.inputs}
    return [
        {name: _number(value, finest[name]) if name in finest else value if isinstance(value, str) else None for name, value in row.items()} for row in facts
    ]


def _number(value: object, finest: int) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    number = Decimal(value)
    return number if number.is_finite() and abs(number) < Decimal(10) ** 25 and number.scaleb(finest) % 1 == 0 else None


def as_arrow(version: tariffs.TariffVersion, facts: Sequence[Mapping[str, object]], rows: Sequence[int]) -> dict[str, Any]:
    """Columns the code reads where they lie: dictionaries, and decimals a place finer than their step. They are whole; only ``rows`` are taken."""
    found: dict[str, Any] = {name: pa.array([row[name] for row in facts], pa.string()).dictionary_encode() for name in version.model.choices}
    for item in version.model.inputs:
        values: list[Any] = [row[item.full_name] for row in facts]
        found[item.full_name] = pa.array(values, pa.decimal128(38, item.type.places + 1))
    return {name: column.take(pa.array(rows, pa.int64())) for name, column in found.items()} or {"row": list(rows)}


def as_lists(version: tariffs.TariffVersion, facts: Sequence[Mapping[str, object]], rows: Sequence[int]) -> dict[str, Any]:
    return {name: [facts[row][name] for row in rows] for name in facts[0]} or {"row": list(rows)}


def _fits(value: object, item: Input, digits: int) -> bool:
    """Whether compiled code takes it: where declared bounds need more than 64 bits, it takes smaller numbers alone."""
    return value is None or not isinstance(value, (int, str, Decimal)) or abs(Decimal(value)) <= EXACT.scaleb(Decimal(1), min(digits, 17) - item.type.places)
