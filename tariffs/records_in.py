"""A table of usage records, read into whole numbers: names as codes, dates as days, values at one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from tariffs.errors import FactsError, Problem, fail
from tariffs.intake import Array, exact_numbers, values_of
from tariffs.money import places, terminating
from tariffs.scaled import NARROW, Ints, Mask, scaled, widen
from tariffs.units import Unit, UnitError, factor, parse_unit

pc: Any = pyarrow.compute
_NEEDED = ("account", "measure", "end", "value", "unit")
_NEVER = date(1, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Records:
    """Columns of equal length. Codes index the list of their names; ``known`` is day 1 where it was always known, ``replaces`` -1 where nothing is.

    ``unit`` -1 is no unit that can be read; ``id_rank`` orders ids as text; ``value`` stands at ``places``, and means nothing where ``unreadable``.
    """

    account: Ints
    accounts: list[str]
    id: Ints
    ids: list[str]
    id_rank: Ints
    point: Ints
    points: list[str]
    measure: Ints
    measures: Mapping[str, int]
    measure_names: list[str]
    start: Ints
    end: Ints
    known: Ints
    replaces: Ints
    unit: Ints
    units: list[Unit | None]
    unit_names: list[str]
    value: Ints
    places: int
    unreadable: Mask
    below: Mask


def read_records(table: Any, accounts: Sequence[str] | None) -> Records:
    """FactsError where a column is absent, or holds floats or no dates."""
    absent = [name for name in _NEEDED if name not in table.column_names]
    if absent:
        raise FactsError([Problem("column-absent", {"name": name}) for name in absent])
    rows = table.num_rows
    account, names = _codes(_texts(table, "account", rows), accounts)
    kept = account >= 0
    if not kept.all():
        table, account = table.filter(pa.array(kept)), account[kept]
        rows = table.num_rows
    number = np.arange(rows).astype(str)
    both = pa.concat_arrays([_texts(table, "id", rows) if "id" in table.column_names else pa.array(number, pa.string()), _texts(table, "replaces", rows)])
    codes, ids = _codes(both, None)
    measure, measures = _codes(_texts(table, "measure", rows), None)
    unit, unit_names = _codes(_texts(table, "unit", rows), None)
    point, points = _codes(_texts(table, "point", rows), None)
    value, scale, unreadable = exact_numbers(_whole(table, "value"), "value")
    end = _days(table, "end", rows)
    return Records(
        account=account,
        accounts=names,
        id=codes[:rows],
        ids=ids,
        id_rank=np.argsort(np.argsort(np.array(ids, object), kind="stable"))[codes[:rows]],
        point=point,
        points=points,
        measure=measure,
        measures={name: code for code, name in enumerate(measures)},
        measure_names=measures,
        start=_days(table, "start", rows) if "start" in table.column_names else end - 1,
        end=end,
        known=_days(table, "known", rows),
        replaces=np.where(codes[rows:] == (ids.index("") if "" in ids else -1), -1, codes[rows:]),
        unit=unit,
        units=[_unit(name) for name in unit_names],
        unit_names=unit_names,
        value=value,
        places=scale,
        unreadable=unreadable,
        below=_flags(table, "below", rows),
    )


def _whole(table: Any, name: str) -> Array:
    joined: Any = table.column(name).combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _flags(table: Any, name: str, rows: int) -> Mask:
    """A column of yes and no, no where there is none."""
    if name not in table.column_names:
        return np.zeros(rows, np.bool_)
    return np.asarray(pc.fill_null(pc.cast(_whole(table, name), pa.bool_()), False)).astype(np.bool_)


def _texts(table: Any, name: str, rows: int) -> Array:
    """A column of texts, "" where there is none."""
    if name not in table.column_names:
        return pa.array([""] * rows, pa.string())
    return pc.fill_null(pc.cast(_whole(table, name), pa.string()), "")


def _codes(texts: Array, names: Sequence[str] | None) -> tuple[Ints, list[str]]:
    """Codes and their names, in the order of ``names`` (-1 for others) or of first appearance."""
    if names is None:
        coded = texts.dictionary_encode()
        return np.asarray(coded.indices).astype(np.int64), [str(name) for name in values_of(coded.dictionary)]
    found = pc.fill_null(pc.index_in(texts, value_set=pa.array(names, pa.string())), -1)
    return np.asarray(found).astype(np.int64), list(names)


def _days(table: Any, name: str, rows: int) -> Ints:
    """Proleptic ordinals; day 1 where nothing is given."""
    if name not in table.column_names:
        return np.full(rows, _NEVER, np.int64)
    column = _whole(table, name)
    if pa.types.is_null(column.type):
        return np.full(rows, _NEVER, np.int64)
    if not (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)):
        raise fail(FactsError, "column-not-dates", name=name)
    days = pc.cast(pc.cast(column, pa.date32()), pa.int32())
    epoch = date(1970, 1, 1).toordinal()
    return np.asarray(pc.fill_null(days, _NEVER - epoch)).astype(np.int64) + epoch


def _unit(text: str) -> Unit | None:
    """A unit as records name it; a name nobody knows may be one the rule declares."""
    try:
        return parse_unit(text, _words(text)) if text else Unit()
    except UnitError:
        return None


def _words(text: str) -> list[str]:
    cleaned = "".join(c if c.isalnum() or c == "_" else " " for c in text)
    return cleaned.split()


def in_unit(read: Records, rows: Ints, wanted: Unit | None) -> tuple[Ints, int, Mask]:
    """Values of rows in a unit, exactly, with their scale; and the rows (worth 0) that cannot be had in it."""
    factors = {int(code): _factor(read.units[int(code)], wanted) for code in np.unique(read.unit[rows])}
    known = {code: number for code, number in factors.items() if number is not None}
    digits = max((places(number) for number in known.values()), default=0)
    multiplier = np.zeros(len(read.units) + 1, object)
    for code, number in known.items():
        multiplier[code] = scaled(number, digits)
    bad = read.unreadable[rows] | ~np.isin(read.unit[rows], list(known))
    values, times = np.where(bad, 0, read.value[rows]), multiplier[read.unit[rows]]
    most = int(np.abs(values).max(initial=0)) * max((abs(int(m)) for m in multiplier), default=0)
    return (np.asarray(widen(values)) * times if most >= NARROW else values * times.astype(np.int64)), read.places + digits, bad


def _factor(source: Unit | None, wanted: Unit | None) -> Decimal | None:
    """What takes a value into the unit wanted, where that is a decimal that ends."""
    if source is None or wanted is None:
        return None
    if source == wanted:
        return Decimal(1)
    ratio = None if source.is_point else factor(source, wanted)
    return None if ratio is None else terminating(ratio)
