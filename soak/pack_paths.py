"""Every way a frame can be rated, and what each gives: amounts by column, and the rows refused with the kind of reason.

The decimal loop is the measure. Amounts are compared as Arrow arrays of one type, so that a fen too many is a difference and
the form of a zero is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import tariffs
from soak import decimal_words
from soak.decimal_loop import Answer, Loop, rate_all
from soak.pack_rows import Study
from soak.pack_tables import Tables, loop_rows
from tariffs import compiled
from tariffs.frames import rate_file
from tariffs.model import Version

pc: Any = pa.compute
Refused = Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``amounts`` of the rows not refused, in their order, by column; rows by number with why they are refused; the seconds it took."""

    amounts: Mapping[str, Any]
    refused: Refused
    seconds: float


@dataclass(slots=True)
class Halves:
    """How many roundings met an exact half."""

    count: int = 0


Way = Callable[[tariffs.TariffVersion, Tables, Path], Outcome]


def counting(halves: Halves) -> dict[str, Any]:
    """The rounding words of a loop, that also count the halves they meet."""

    def round_to(x: Decimal, step: Decimal, mode: str) -> Decimal:
        found = decimal_words.round_to(x, step, mode)
        if 2 * abs(x - found) == step:
            halves.count += 1
        return found

    def divide(top: Decimal, bottom: Decimal, step: Decimal, mode: str) -> Decimal:
        unit = abs(bottom * step)
        if 2 * abs(top % unit) == unit:
            halves.count += 1
        return decimal_words.divide(top, bottom, step, mode)

    return {"round_to": round_to, "divide": divide}


def by_loop(loop: Loop, study: Study, made: Tables) -> tuple[list[Answer], float]:
    rows = list(loop_rows(study, made))
    begin = time.perf_counter()
    answers = rate_all(loop, rows)
    return answers, time.perf_counter() - begin


def as_outcome(loop: Loop, answers: Sequence[Answer], seconds: float, kinds: Mapping[str, Any]) -> Outcome:
    """The loop's answers in the types of another's columns; ArrowInvalid where one does not fit, which is a difference too."""
    refused = {row: answer for row, answer in enumerate(answers) if isinstance(answer, str)}
    taken = [answer for answer in answers if isinstance(answer, tuple)]
    columns: Iterable[Any] = zip(*taken, strict=True) if taken else [()] * len(loop.outputs)
    return Outcome({name: pa.array(list(column), kinds[name]) for name, column in zip(loop.outputs, columns, strict=True)}, refused, seconds)


def ways(version: Version) -> dict[str, Way]:
    """The paths there are: by NumPy and compiled, each with narrow columns too; with the stage's rows shuffled, or by files where there is none.

    ``least``: narrow columns, and what comes in as narrow as its numbers allow. ``streamed``: written past the caches, as many rows are.
    """
    found = {"numpy": in_memory(engine="numpy"), "narrow": in_memory(engine="numpy", narrow=True), "least": in_memory(least=True, engine="numpy", narrow=True)}
    forms: dict[str, dict[str, bool]] = {"fused": {}, "fused narrow": {"narrow": True}, "fused least": {"least": True, "narrow": True}}
    code = {name: in_memory(engine="fused", **options) for name, options in forms.items()}
    if version.stage is not None:
        return {**found, **code, "shuffled": shuffled}
    return {**found, **code, **{f"{name} streamed": streamed(way) for name, way in code.items()}, "file": by_file()}


def in_memory(*, least: bool = False, **options: Any) -> Way:
    def run(version: tariffs.TariffVersion, made: Tables, folder: Path) -> Outcome:  # noqa: ARG001 - files need one
        made = Tables(narrowest(made.frame), made.stage and narrowest(made.stage)) if least else made
        begin = time.perf_counter()
        result, problems = version.rate(made.frame, stage=made.stage, errors="return", workings=True, **options)
        return _outcome(result, problems, time.perf_counter() - begin)

    return run


def streamed(way: Way) -> Way:
    """A way of few rows and any processor that writes as large frames are written where that is faster."""

    def run(version: tariffs.TariffVersion, made: Tables, folder: Path) -> Outcome:
        with patch.multiple(compiled, STREAMS=0, FASTER=("",)):
            return way(version, made, folder)

    return run


def narrowest(table: pa.Table) -> pa.Table:
    """Each column of decimals as decimal32 or decimal64, where its numbers fit."""
    return pa.table({name: _narrowest(table.column(name)) for name in table.column_names})


def _narrowest(column: Any) -> Any:
    """Arrow's own cast to fewer bits takes numbers that do not fit, and wraps them."""
    if not pa.types.is_decimal(column.type):
        return column
    scale, ends = column.type.scale, [end for end in pc.min_max(column).as_py().values() if end is not None]
    most = max((abs(end.scaleb(scale)) for end in ends), default=0)
    return next((column.cast(make(digits, scale)) for make, digits in ((pa.decimal32, 9), (pa.decimal64, 18)) if most < 10**digits), column)


def shuffled(version: tariffs.TariffVersion, made: Tables, folder: Path) -> Outcome:
    """The stage's rows in any order."""
    assert made.stage is not None
    order: Any = pa.array(np.random.default_rng(made.stage.num_rows).permutation(made.stage.num_rows))
    return in_memory()(version, Tables(made.frame, made.stage.take(order)), folder)


def by_file(period: tuple[date, date] | None = None) -> Way:
    """Parquet to Parquet; rows refused stand in a file of their own, with their number from 1."""

    def run(version: tariffs.TariffVersion, made: Tables, folder: Path) -> Outcome:
        source, target = folder / "in.parquet", folder / "out.parquet"
        pq.write_table(made.frame, source)
        begin = time.perf_counter()
        done = rate_file(version, source, target, period=period, errors="return", workings=True)
        seconds = time.perf_counter() - begin
        written: Any = pq.read_table(target)
        bad: list[int] = []
        if done.bad_path is not None:
            bad_table: Any = pq.read_table(done.bad_path)
            bad = [row - 1 for row in bad_table.column("row").to_pylist()]
        amounts = {name: _one(written.column(name)) for name in written.column_names if name not in made.frame.column_names}
        return Outcome(amounts, dict.fromkeys(bad, "?"), seconds)

    return run


def _outcome(result: Any, problems: Any, seconds: float) -> Outcome:
    codes: dict[int, list[str]] = {}
    for row, code in zip(problems.column("row").to_pylist(), problems.column("code").to_pylist(), strict=True):
        codes.setdefault(row, []).append(code)
    good = np.ones(result.num_rows, np.bool_)
    good[list(codes)] = False
    kept: Any = pa.array(good)
    refused = {row: reason(found) for row, found in codes.items()}
    return Outcome({name: _one(result.column(name)).filter(kept) for name in result.column_names}, refused, seconds)


def reason(codes: Sequence[str]) -> str:
    """The loop's word for a refusal: by a demand of the rule (once for each), because nothing applies, or for the facts."""
    if set(codes) == {"refused"}:
        return "refused " * len(codes)
    return "nothing-applies" if "nothing-applies" in codes else "facts"


def _one(column: Any) -> Any:
    """One array of decimal128, where the amounts came as decimal32 or decimal64."""
    whole = column.combine_chunks()
    whole = whole if isinstance(whole, pa.Array) else whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    return whole.cast(pa.decimal128(whole.type.precision, whole.type.scale)) if whole.type.bit_width < 128 else whole


# --- differences --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wrong:
    """Rows in which a path and the loop differ; ``told``: what the path says of them, where it says otherwise."""

    path: str
    rows: Sequence[int]
    told: Mapping[int, object]


def differences(path: str, loop: Loop, answers: Sequence[Answer], found: Outcome) -> Wrong | None:
    """None where every amount and every refusal is the loop's."""
    refused = {row: answer for row, answer in enumerate(answers) if isinstance(answer, str)}
    told = {row: refused.get(row, "?") if why == "?" else why for row, why in found.refused.items()}
    if told != refused:
        rows = sorted(row for row in refused.keys() | told.keys() if refused.get(row) != told.get(row))
        return Wrong(path, rows, {row: told.get(row, "rated") for row in rows})
    kinds = {name: column.type for name, column in found.amounts.items()}
    try:
        expected = as_outcome(loop, answers, 0, kinds)
    except pa.ArrowInvalid:
        expected = None
    if expected is not None and all(expected.amounts[name].equals(found.amounts[name]) for name in loop.outputs):
        return None
    return _wrong_amounts(path, loop, {row: answer for row, answer in enumerate(answers) if row not in refused}, found)


def _wrong_amounts(path: str, loop: Loop, taken: Mapping[int, Answer], found: Outcome) -> Wrong:
    theirs = zip(*(found.amounts[name].to_pylist() for name in loop.outputs), strict=True)
    told = {row: their for (row, own), their in zip(taken.items(), theirs, strict=True) if own != their}
    return Wrong(path, list(told), {row: _unlike(loop, taken[row], their) for row, their in told.items()})


def _unlike(loop: Loop, own: Answer, their: Sequence[object]) -> dict[str, str]:
    return {name: str(other) for name, one, other in zip(loop.outputs, own, their, strict=True) if one != other}


def by_explain(version: tariffs.TariffVersion, facts: Mapping[str, object], period: tuple[date, date] | None, loop: Loop) -> Answer:
    """``explain`` in the loop's words."""
    try:
        rating = version.explain(facts, period=period)
    except tariffs.FactsError as error:
        return reason([problem.code for problem in error.problems])
    found = {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}
    return tuple(found.get(name) for name in loop.outputs)


@dataclass(slots=True)
class Tally:
    """What one pack came to; ``seconds`` by path, ``loop`` among them; ``explained`` rows were held against ``explain`` too.

    ``without``: paths that do not take this version, and the code of the problem that says so.
    """

    name: str
    rows: int = 0
    stage_rows: int = 0
    halves: int = 0
    refused: int = 0
    explained: int = 0
    wrong: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    reproducer: str = ""
