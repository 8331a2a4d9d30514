"""Drawn rows as Arrow tables, in the forms a column may have, and as the rows a decimal loop takes; and the rows of a stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute

from soak.pack_rows import Drawn, Ints, Mask, Scale, Study, built_in
from tariffs.rows import spans

Form = Literal["decimals", "wide", "fine", "integers"]
FORMS: tuple[Form, ...] = ("fine", "decimals", "wide", "integers")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Tables:
    """``frame`` is what is rated, ``stage`` its rows where the version has a stage."""

    frame: pa.Table
    stage: pa.Table | None


def tables(study: Study, drawn: Drawn, random: np.random.Generator, form: Form) -> Tables:
    """Numbers as decimal128 of 18 digits or of 38, with a digit more than the grid has (some then lie between two steps), or as int64 where they are whole."""
    columns: dict[str, Any] = {}
    for name, members in study.choices.items():
        words: Any = pa.array([*members, "no such word"])
        nothing = drawn.codes[name] < 0
        codes: Any = pa.array(np.where(nothing, 0, drawn.codes[name]).astype(np.int32), mask=nothing)
        columns[name] = pa.DictionaryArray.from_arrays(codes, words)
    for name, scale in study.scales.items():
        columns[name] = column(scale, drawn.numbers[name], drawn.null[name], drawn.odd[name], form)
    if study.periods:
        for index, name in enumerate(("period_start", "period_end")):
            days = np.array([(period[index] - _EPOCH).days for period in study.periods], np.int32)
            columns[name] = pa.array(days[drawn.period]).cast(pa.date32())
    if study.version.stage is None:
        return Tables(pa.table(columns or {"row": pa.array(np.arange(drawn.count))}), None)
    accounts: Any = pa.array([f"a{row}" for row in range(drawn.count)])
    return Tables(pa.table({"account": accounts, **columns}), _stage(study, drawn, accounts, random, form))


def column(scale: Scale, at: Ints, null: Mask, odd: Ints, form: Form) -> Any:
    """One numeric column; ``odd`` numbers lie below the least, above the most, or between two steps where the form can hold those."""
    values = scale.first + at * scale.step
    values = np.where(odd == 1, scale.first - scale.step, np.where(odd == 2, scale.first + (scale.count + 1) * scale.step, values))
    if form == "integers" and not scale.places:
        return pa.array(values, mask=null)
    digits = scale.places + (form == "fine")
    if form == "fine":
        values = values * 10 + np.where(odd == 3, 5, 0)
    elif scale.step > 1:
        values = values + np.where(odd == 3, 1, 0)
    assert len(values) == 0 or int(np.abs(values).max()) < 10**18, "the packs' numbers have at most 17 digits"
    words = np.stack([values, values >> 63], axis=1)
    memory: Any = np.ascontiguousarray(words)
    valid: Any = None if not null.any() else pa.py_buffer(np.packbits(~null, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.decimal128(38 if form == "wide" else 18, digits), len(values), [valid, pa.py_buffer(memory)])


def _stage(study: Study, drawn: Drawn, accounts: Any, random: np.random.Generator, form: Form) -> pa.Table:
    """Every day or month of a row's period, or up to eight records; one account in fifty lacks a row, or all."""
    stage = study.version.stage
    assert stage is not None
    whole = [spans(stage.grain, period) or [period] * 8 for period in study.periods]
    kept = [whole[period] if stage.grain != "record" else whole[period][: random.integers(0, 9)] for period in drawn.period.tolist()]
    for row in np.flatnonzero(random.integers(0, 50, drawn.count) == 0).tolist():
        kept[row] = kept[row][1:] if random.integers(0, 2) else []
    sizes = np.array([len(rows) for rows in kept], np.int64)
    owner = np.repeat(np.arange(drawn.count), sizes)
    begins = np.cumsum(sizes) - sizes
    flat = [span for rows in kept for span in rows]
    columns: dict[str, Any] = {"account": accounts.take(pa.array(owner))}
    columns["start"] = pa.array([start for start, _ in flat], pa.date32())
    columns["end"] = pa.array([end for _, end in flat], pa.date32())
    if stage.grain == "record":
        columns["point"] = pa.array([str(number) for number in (np.arange(len(owner)) - begins[owner]).tolist()])
    for name, scale in study.stage.items():
        columns[name] = _stage_column(scale, owner, drawn.count, len(study.stage), random, form)
    return pa.table(columns)


def _stage_column(scale: Scale, owner: Ints, count: int, columns: int, random: np.random.Generator, form: Form) -> Any:
    """Numbers of one size an account, or on the rule's marks, the greatest in few; one account in five has gaps somewhere, one in forty a bad number."""
    rows = len(owner)
    sizes = np.minimum((10.0 ** (random.random(count) * 0.9 * len(str(scale.count)))).astype(np.int64), scale.count)[owner]
    spread = random.integers(0, 2**62, rows) % (sizes + 1)
    ordinary = scale.marks[scale.marks < max(scale.count - 1, 1)]
    marks = np.where((random.integers(0, 40, count) == 0)[owner], random.choice(scale.marks, rows), random.choice(ordinary, rows))
    at = np.choose(random.integers(0, 4, rows), [marks, np.clip(sizes + random.integers(-1, 2, rows), 0, scale.count), spread, spread])
    null = (random.integers(0, 5 * columns, count) == 0)[owner] & (random.integers(0, 12, rows) == 0)
    odd = np.where((random.integers(0, 40 * columns, count) == 0)[owner] & (random.integers(0, 10, rows) == 0), random.integers(1, 4, rows), 0)
    return column(scale, at, null, odd, form)


def loop_rows(study: Study, made: Tables) -> Iterator[tuple[Any, ...]]:
    """The same rows, as the loop takes them."""
    frame = made.frame
    spans_of: Any = list(zip(*(frame.column(name).to_pylist() for name in ("period_start", "period_end")), strict=True)) if study.periods else []
    known = {name: [built_in(name, span) for span in spans_of] for name in study.loop.arguments if name.startswith("period_")}
    taken: list[Sequence[Any]] = []
    for name in study.loop.arguments:
        if name == "rows":
            taken.append(_stage_rows(study, made))
        elif name in known:
            taken.append(known[name])
        else:
            values = frame.column(name).to_pylist()
            taken.append([None if v is None else Decimal(v) for v in values] if values and name in study.scales else values)
    return iter([()] * frame.num_rows) if not taken else zip(*taken, strict=True)


def _stage_rows(study: Study, made: Tables) -> list[list[tuple[Decimal | None, ...]]]:
    assert made.stage is not None
    accounts: Any = made.frame.column("account").to_pylist()
    found: dict[str, list[tuple[Decimal | None, ...]]] = {account: [] for account in accounts}
    columns: Any = [made.stage.column(name).to_pylist() for name in ("account", *study.stage)]
    for account, *numbers in zip(*columns, strict=True):
        found[account].append(tuple(None if number is None else Decimal(number) for number in numbers))
    return list(found.values())


def facts_at(study: Study, made: Tables, row: int) -> Mapping[str, object]:
    """One row as ``explain`` takes it, with its rows of the stage; the period stands beside."""
    found: dict[str, object] = {
        name: values[0] for name, values in made.frame.slice(row, 1).to_pydict().items() if name in study.choices or name in study.scales
    }
    if made.stage is not None:
        owner = made.frame.column("account")[row]
        mask: Any = pa.compute.equal(made.stage.column("account"), owner)
        found["stage"] = made.stage.filter(mask).drop_columns(["account"]).to_pylist()
    return found


def period_at(made: Tables, row: int) -> tuple[date, date] | None:
    if "period_start" not in made.frame.column_names:
        return None
    return made.frame.column("period_start")[row].as_py(), made.frame.column("period_end")[row].as_py()
