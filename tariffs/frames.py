"""Rating whole files: CSV or Parquet in, the same columns with amounts out, rows that cannot be rated apart.

Batches stream through: one thread reads and writes, the others rate and encode, each a batch of its own; no more than a
few are on their way, so memory does not grow with the file. Needs the ``columns`` extra, imported only here.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tariffs import files_in, files_out, pages
from tariffs.api import Period, TariffVersion
from tariffs.copies import Copied
from tariffs.errors import FactsError, Problem, TariffError, fail
from tariffs.files_in import Rows, Source, read_table
from tariffs.files_out import Encoded, Sink
from tariffs.lines import AMOUNT, CHARGE, as_long, common
from tariffs.money import EXACT
from tariffs.pages import Numbers

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Outcome", "Shape", "in_order", "rate_file", "read_table"]

Shape = Literal["wide", "long"]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written: ``bad`` rows are in ``bad_path``, each with its number (from 1) and the reason. ``totals`` are those of the rated rows, by column."""

    rows: int
    bad: int
    path: Path
    bad_path: Path | None
    totals: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class _Job:
    """What is the same for every batch.

    ``given`` are the columns read, ``keep`` those of them that are written; ``digits`` the most an amount can have, by column.
    """

    version: TariffVersion
    period: Period | None
    errors: Literal["raise", "return"]
    workings: bool
    locale: str
    engine: Literal["auto", "numpy", "fused"]
    shape: Shape
    given: pa.Schema
    keep: Sequence[str]
    digits: Mapping[str, int]
    target: Path
    bad_target: Path


@dataclass(frozen=True, slots=True)
class _Done:
    """A batch rated and encoded. ``refusals``: how many of its rows cannot be rated, and why the first cannot."""

    rows: int
    totals: Mapping[str, Decimal]
    good: Encoded | None = None
    schema: pa.Schema | None = None
    bad: Encoded | None = None
    bad_schema: pa.Schema | None = None
    refused: int = 0
    refusals: Sequence[Problem] = ()


def rate_file(
    version: TariffVersion,
    source: Path,
    target: Path,
    *,
    period: Period | None,
    errors: Literal["raise", "return"] = "raise",
    workings: bool = False,
    locale: str = "en",
    progress: Callable[[int], object] = int,
    shape: Shape = "wide",
    keep: Sequence[str] | None = None,
    encoding: str = "utf-8",
    threads: int | None = None,
    engine: Literal["auto", "numpy", "fused"] = "auto",
) -> Outcome:
    """Rate every row of ``source`` into ``target``; TariffError where a file or, with ``errors="raise"``, a row is no good.

    ``keep``: the columns of ``source`` that are written too, None for all; a Parquet file's others are read only where
    they are facts. ``shape="long"``: a row for every account and line, with its charge and amount; other kinds of
    charges come with ``workings``. ``encoding`` is that of a CSV file. ``threads``: None for one a processor. Nothing is
    in its place before everything is written; then it replaces what was there, bad rows of an earlier run included.
    ``progress`` is told the rows done so far.
    """
    bad_target = target.with_name(f"{target.stem}.bad{target.suffix}")
    for path in (source, target):
        files_in.kind(path)
    from tariffs.rate import digits

    taken = next((path for path in (target, bad_target) if _same_file(path, source)), None)
    if taken is not None:
        raise fail(TariffError, "file-same", path=taken)
    opened = open_source(version, source, target, shape=shape, keep=keep, encoding=encoding)
    kept = _kept(opened.schema, keep, source)
    job = _Job(version, period, errors, workings, locale, engine, shape, opened.schema, kept, digits(version.model, workings=workings), target, bad_target)
    good, bad = Sink(target), Sink(bad_target)
    try:
        done = _run(job, opened.batches, good, bad, progress, threads)
        for sink in (good, bad):
            files_out.close(sink)
        for sink in (good, bad):
            files_out.settle(sink)
    except BaseException:
        for sink in (good, bad):
            files_out.discard(sink)
        raise
    return done


def open_source(
    version: TariffVersion, source: Path, target: Path, *, shape: Shape = "wide", keep: Sequence[str] | None = None, encoding: str = "utf-8"
) -> Source:
    """The rows of ``source`` as rating reads them into ``target``: where its columns can be copied, only the facts are read."""
    facts = _facts(version)
    wanted = None if keep is None else {*keep, *facts}
    to_copy = shape == "wide" and not files_out.is_csv(target)
    return files_in.opened(source, encoding=encoding, columns=wanted, choices=version.model.choices, facts=facts if to_copy else None)


def _same_file(path: Path, source: Path) -> bool:
    return path.resolve() == source.resolve() or (path.exists() and source.exists() and path.samefile(source))


def _facts(version: TariffVersion) -> set[str]:
    """Every column rating may ask for."""
    model = version.model
    return {*model.choices, *(item.full_name for item in model.inputs), "period_start", "period_end", *(("account",) if model.stage else ())}


def _kept(given: pa.Schema, keep: Sequence[str] | None, source: Path) -> Sequence[str]:
    """The columns of the input that are written. TariffError for one it has not."""
    if keep is None:
        return list(given.names)
    absent = [name for name in keep if name not in given.names]
    if absent:
        raise fail(TariffError, "keep-absent", names=", ".join(absent), path=source)
    return list(dict.fromkeys(keep))


def _run(job: _Job, batches: Iterator[Rows], good: Sink, bad: Sink, progress: Callable[[int], object], threads: int | None) -> Outcome:
    """Every batch rated by some thread, and written in order by this one."""
    from tariffs.rate import SHOWN, processors

    rows, refused, told = 0, 0, list[Problem]()
    totals = dict.fromkeys(job.digits, Decimal(0))
    for done in in_order(partial(_rate_rows, job), batches, threads or processors()):
        rows += done.rows
        refused += done.refused
        told = [*told, *done.refusals][:SHOWN]
        if job.errors == "return" or not refused:
            totals = {name: EXACT.add(total, done.totals.get(name, Decimal(0))) for name, total in totals.items()}
            for sink, piece, schema in ((good, done.good, done.schema), (bad, done.bad, done.bad_schema)):
                if piece is not None and schema is not None:
                    files_out.append(sink, piece, schema)
        progress(rows)
    if refused and job.errors == "raise":
        raise FactsError([Problem("file-rows-refused", {"count": str(refused), "told": str(len(told))}), *told])
    return Outcome(rows, bad.rows, good.path, bad.path if bad.rows else None, totals)


def in_order(work: Callable[[Rows], _T], items: Iterable[Rows], threads: int) -> Iterator[_T]:
    """The results of ``work`` in the order of ``items``; only a few are on their way."""
    ahead: deque[Future[_T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) > 2 * threads:  # while this thread writes one and reads the next, no other waits
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


# --- one batch, on any thread -------------------------------------------------------------------------------------


def _rate_rows(job: _Job, rows: Rows) -> _Done:
    given = rows.table
    refusals: dict[int, list[str]] = {}
    rate = partial(job.version.rate, given, period=job.period, workings=job.workings, threads=1, engine=job.engine, narrow=True)
    if job.errors == "raise":
        ragged = [_ragged(one) for one in rows.ragged]
        try:
            amounts = rate()
        except FactsError as error:
            if error.problems[0].code != "rows-refused":
                raise
            return _Done(rows.count, {}, refused=int(error.problems[0].values["count"]) + len(ragged), refusals=_in_file(rows, error.problems[1:], ragged))
        if ragged:
            return _Done(rows.count, {}, refused=len(ragged), refusals=ragged)
    else:
        amounts, problems = rate(errors="return", locale=job.locale)
        told: list[dict[str, Any]] = problems.to_pylist()
        for problem in told:
            refusals.setdefault(problem["row"], []).append(problem["reason"])
    if rows.whole is not None and refusals:
        rows = replace(rows, table=rows.whole(), copied=(), whole=None)
    kept, amounts = _good(rows.table, amounts, refusals)
    whole, schema = _result(job, kept, amounts, {name for group in rows.copied for name in group.chunks})
    known = [] if job.shape == "long" or files_out.is_csv(job.target) else _known(amounts, schema, rows.copied or files_out.whole(amounts))
    bad, bad_schema = _apart(job, rows, refusals)
    return _Done(
        rows.count,
        {name: _total(amounts.column(name), job.digits[name], [group[name] for group in known if name in group]) for name in amounts.column_names},
        files_out.encoded(whole, schema, job.target, rows.copied, known),
        schema,
        None if bad is None or bad_schema is None else files_out.encoded(bad, bad_schema, job.bad_target),
        bad_schema,
        refused=len(refusals) + len(rows.ragged),
    )


def _good(given: pa.Table, amounts: pa.Table, refusals: Mapping[int, object]) -> tuple[pa.Table, pa.Table]:
    """The rows that were rated."""
    import numpy as np
    import pyarrow as pa

    if not refusals:
        return given, amounts
    good = np.ones(given.num_rows, np.bool_)
    good[list(refusals)] = False
    mask: Any = pa.array(good)
    return given.filter(mask), amounts.filter(mask)


def _known(amounts: pa.Table, schema: pa.Schema, groups: Sequence[Copied]) -> list[Mapping[str, Numbers]]:
    """The amounts of every row group as the whole numbers they are written as."""
    starts = accumulate((group.rows for group in groups), initial=0)
    return [files_out.numbers(amounts, schema, start, group.rows) for start, group in zip(starts, groups, strict=False)]


def _total(column: Any, digits: int, known: Sequence[Numbers]) -> Decimal:
    """Exact however wide: Arrow's own sums wrap past 38 digits, and those of machine integers past 64 bits, without a word."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if known and 10**digits * len(column) < 2**63:
        return EXACT.scaleb(Decimal(sum(map(pages.total, known))), -column.type.scale)
    wide: Any = pc.sum(column.cast(pa.decimal256(76, column.type.scale)), min_count=0)
    found: Decimal = wide.as_py()
    return found


def _ragged(one: files_in.Ragged) -> Problem:
    values = {"row": str(one.row), "cells": str(one.cells), "expected": str(one.expected), "text": one.text[:200]}
    other = next((sign for sign in files_in.SEPARATORS if one.cells == 1 and one.text.count(sign) == one.expected - 1), None)
    if other is not None:
        return Problem("row-separator", {**values, "found": files_in.SEPARATORS[other]}, None, f"[{one.row}]")
    return Problem("row-ragged", values, None, f"[{one.row}]")


def _in_file(rows: Rows, problems: Sequence[Problem], ragged: Sequence[Problem]) -> list[Problem]:
    """Refusals with the row's number in the file, from 1, in order."""
    numbers = _numbers(rows)
    moved = [(p, str(numbers[int(p.values["row"])])) for p in problems]
    named = [*(replace(p, values={**p.values, "row": row}, charge=f"[{row}]") for p, row in moved), *ragged]
    return sorted(named, key=lambda problem: int(problem.values["row"]))


def _numbers(rows: Rows) -> Sequence[int]:
    """The number in the file of every row of the table."""
    if not rows.ragged:
        return range(rows.before + 1, rows.before + rows.table.num_rows + 1)
    among = {one.row for one in rows.ragged}
    return [row for row in range(rows.before + 1, rows.before + rows.count + 1) if row not in among]


def _result(job: _Job, given: pa.Table, amounts: pa.Table, copied: Collection[str]) -> tuple[pa.Table, pa.Schema]:
    """Rows as they are written, and as their readers find them; columns that are ``copied`` stand in the schema only."""
    import pyarrow as pa

    if len(job.keep) == len(job.given) and not copied:
        kept, schema = given, job.given
    else:
        kept, schema = given.select([name for name in job.keep if name not in copied]), pa.schema([job.given.field(name) for name in job.keep])
    if job.shape == "long":
        _not_taken((CHARGE, AMOUNT), schema)
        lines = {charge.full_name for charge in job.version.model.charges if job.workings or charge.kind == "line"}
        chosen = amounts.select([name for name in amounts.column_names if name in lines])
        whole = as_long(kept, chosen, common([field.type for field in chosen.schema]))
        return whole, schema.append(pa.field(CHARGE, pa.string(), nullable=False)).append(_public(whole.schema.field(AMOUNT), always=True))
    _not_taken(amounts.column_names, schema)
    always = {"total", *(charge.full_name for charge in job.version.model.charges if charge.when is None)}
    for name in amounts.column_names:
        kept = kept.append_column(name, amounts.column(name))
        schema = schema.append(_public(amounts.schema.field(name), always=name in always))
    return kept, schema


def _public(field: Any, *, always: bool) -> Any:
    """A decimal type that every reader knows, stored alike; a charge that ``always`` applies has no nulls, which is said, and saves writing where they are."""
    import pyarrow as pa

    digits = {32: 9, 64: 18}.get(field.type.bit_width, 0)
    return pa.field(field.name, pa.decimal128(digits, field.type.scale) if digits else field.type, nullable=not always)


def _not_taken(names: Iterable[str], kept: pa.Schema) -> None:
    taken = [name for name in names if name in kept.names]
    if taken:
        raise fail(FactsError, "column-taken", names=", ".join(taken))


def _apart(job: _Job, rows: Rows, refusals: Mapping[int, Sequence[str]]) -> tuple[pa.Table | None, pa.Schema | None]:
    """The rows that were not rated as they came, with their number in the file before and every reason after; ragged ones with the cells they have."""
    import pyarrow as pa

    if not refusals and not rows.ragged:
        return None, None
    numbers, places = _numbers(rows), sorted(refusals)
    table = rows.table.take(pa.array(places, pa.int64()))
    table = table.add_column(0, "row", pa.array([numbers[place] for place in places], pa.int64()))
    table = table.append_column("reason", pa.array([" | ".join(refusals[place]) for place in places], pa.string()))
    if rows.ragged:
        names = table.column_names[1:-1]
        cells = [next(csv.reader([one.text]), []) for one in rows.ragged]
        told: dict[str, Any] = {"row": pa.array([one.row for one in rows.ragged], pa.int64())}
        told |= {name: pa.array([(row[at : at + 1] or [""])[0] or None for row in cells], pa.string()) for at, name in enumerate(names)}
        told["reason"] = pa.array([_ragged(one).sentence(job.locale) for one in rows.ragged], pa.string())
        table = pa.concat_tables([table, pa.table(told)]).sort_by("row")
    fields = [pa.field("row", pa.int64()), *job.given, pa.field("reason", pa.string())]
    return table, pa.schema(fields)
