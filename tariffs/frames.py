"""Rating whole files: CSV or Parquet in, the same columns with amounts out, rows that cannot be rated apart.

Text stays text until it is read as exact decimals; no number passes through a float on the way. Needs the ``columns``
extra, imported only here.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tariffs.api import Period, TariffVersion
from tariffs.errors import FactsError, Problem, TariffError, fail
from tariffs.money import EXACT

if TYPE_CHECKING:
    import pyarrow as pa


BATCH = 2**19  # rows read, rated and written at a time
SMALL = 2**26  # bytes up to which a CSV file is read at once


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written: ``bad`` rows are in ``bad_path``, each with its number (from 1) and the reason. ``totals`` are those of the rated rows, by column."""

    rows: int
    bad: int
    path: Path
    bad_path: Path | None
    totals: Mapping[str, Decimal]


@dataclass(slots=True)
class _Sink:
    """A file being written beside its place; ``writer`` is opened with the first rows, ``writing`` are the rows on their way."""

    path: Path
    pool: ThreadPoolExecutor
    writer: Any = None
    writing: Future[None] | None = None
    rows: int = 0


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
) -> Outcome:
    """Rate every row of ``source`` into ``target``; TariffError where a file or, with ``errors="raise"``, a row is no good.

    Rows stream through in batches, so memory does not grow with the file; one batch is written while the next is rated.
    Nothing is in its place before everything is written. ``progress`` is told the rows done so far.
    """
    if find_spec("pyarrow") is None or find_spec("numpy") is None:
        raise fail(TariffError, "needs-columns")
    reader = _BATCHES.get(source.suffix.lower())
    for path in (source, target):
        if path.suffix.lower() not in _BATCHES:
            raise fail(TariffError, "file-kind", path=path)
    assert reader is not None
    with ThreadPoolExecutor(1) as pool:
        good, bad = (_Sink(path, pool) for path in (target, target.with_name(f"{target.stem}.bad{target.suffix}")))
        try:
            done = _rate_batches(version, reader(source), good, bad, period, errors, workings, locale, progress)
            for sink in (good, bad):
                _close(sink)
            for sink in (good, bad):
                _settle(sink)
        except BaseException:
            for sink in (good, bad):
                _discard(sink)
            raise
    return done


def _rate_batches(
    version: TariffVersion,
    batches: Iterator[Any],
    good: _Sink,
    bad: _Sink,
    period: Period | None,
    errors: Literal["raise", "return"],
    workings: bool,
    locale: str,
    progress: Callable[[int], object],
) -> Outcome:
    """Every batch rated and handed to its file. Rows are counted over the whole file, in problems too."""
    from tariffs.rate import digits

    wide = digits(version.model, workings=workings)
    rows, totals, refusals = 0, dict.fromkeys(wide, Decimal(0)), list[FactsError]()
    for given in batches:
        if errors == "raise":
            try:
                amounts = version.rate(given, period=period, workings=workings)
            except FactsError as error:
                if error.problems[0].code != "rows-refused":
                    raise
                refusals.append(_moved(error, rows))
                amounts = None
            if amounts is not None and not refusals:
                _add(totals, amounts, wide)
                _append(good, _joined(given, _narrowed(amounts, wide, good.path)))
        else:
            amounts, problems = version.rate(given, period=period, errors="return", workings=workings, locale=locale)
            _add(totals, amounts, wide)
            whole = _joined(given, _narrowed(amounts, wide, good.path))
            if problems.num_rows:
                whole, apart = _split(given, whole, problems, rows)
                _append(bad, apart)
            _append(good, whole)
        rows += given.num_rows
        progress(rows)
    if refusals:
        raise _together(refusals)
    return Outcome(rows, bad.rows, good.path, bad.path if bad.rows else None, totals)


def _moved(error: FactsError, rows: int) -> FactsError:
    """The same refusals, their rows counted from the beginning of the file."""
    count, *told = error.problems
    moved = [(p, str(int(p.values["row"]) + rows)) for p in told]
    return FactsError([count, *(Problem(p.code, {**p.values, "row": row}, p.where, f"[{row}]", p.severity) for p, row in moved)])


def _together(errors: list[FactsError]) -> FactsError:
    """All are counted, the first are told."""
    from tariffs.rate import SHOWN

    told = [problem for error in errors for problem in error.problems[1:]][:SHOWN]
    count = sum(int(error.problems[0].values["count"]) for error in errors)
    return FactsError([Problem("rows-refused", {"count": str(count), "told": str(len(told))}), *told])


def _add(totals: dict[str, Decimal], amounts: pa.Table, wide: Mapping[str, int]) -> None:
    """The sum of every column of amounts, exact however wide: Arrow's own wraps past 38 digits without a word."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in amounts.column_names:
        column = amounts.column(name)
        summed: Any = pc.sum(column if wide[name] <= 30 else column.cast(pa.decimal256(76, column.type.scale)))
        totals[name] = EXACT.add(totals[name], summed.as_py() or Decimal(0))


def _narrowed(amounts: pa.Table, wide: Mapping[str, int], path: Path) -> pa.Table:
    """For Parquet: amounts that always fit 18 digits are said to, so that they are stored as machine integers; nothing is copied."""
    import pyarrow as pa

    if path.suffix.lower() != ".parquet":
        return amounts
    for place, name in enumerate(amounts.column_names):
        column = amounts.column(name)
        if wide[name] <= 18:
            kind: Any = pa.decimal128(18, column.type.scale)
            parts: Any = [pa.Array.from_buffers(kind, len(part), part.buffers(), offset=part.offset) for part in column.chunks]
            amounts = amounts.set_column(place, name, pa.chunked_array(parts, kind))
    return amounts


def read_table(source: Path) -> pa.Table:
    """The rows of a CSV or Parquet file as an Arrow table, CSV cells as text."""
    if find_spec("pyarrow") is None or find_spec("numpy") is None:
        raise fail(TariffError, "needs-columns")
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        raise fail(TariffError, "file-kind", path=source)
    table: pa.Table = reader(source)
    return table


def _joined(given: pa.Table, amounts: pa.Table) -> pa.Table:
    """The columns that came in, then the amounts."""
    taken = [name for name in amounts.column_names if name in given.column_names]
    if taken:
        raise fail(FactsError, "column-taken", names=", ".join(taken))
    for name in amounts.column_names:
        given = given.append_column(name, amounts.column(name))
    return given


def _split(given: pa.Table, whole: pa.Table, problems: pa.Table, before: int) -> tuple[pa.Table, pa.Table]:
    """Rows that were rated, and the others with their number and every reason."""
    import numpy as np
    import pyarrow as pa

    reasons: dict[int, str] = {}
    for problem in problems.to_pylist():
        row, reason = problem["row"], problem["reason"]
        reasons[row] = f"{reasons[row]} | {reason}" if row in reasons else reason
    good = np.ones(given.num_rows, np.bool_)
    good[list(reasons)] = False
    bad = given.take(pa.array(sorted(reasons), pa.int64()))
    bad = bad.add_column(0, "row", pa.array([before + row + 1 for row in sorted(reasons)], pa.int64()))
    return whole.filter(pa.array(good)), bad.append_column("reason", pa.array([reasons[row] for row in sorted(reasons)]))


# --- files --------------------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> pa.Table:
    """Every column as text; an empty cell is nothing given."""
    import pyarrow as pa
    import pyarrow.csv as reading

    head = _csv_head(path)
    try:
        return reading.read_csv(path, convert_options=_as_text(head), parse_options=reading.ParseOptions(newlines_in_values=True))
    except (OSError, pa.ArrowException) as error:
        raise fail(TariffError, "file-unread", path=path, reason=_reason(error)) from None


def _csv_head(path: Path) -> list[str]:
    """The names of the columns."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names = next(csv.reader(stream), [])
    except UnicodeDecodeError:
        raise fail(TariffError, "file-not-utf8", path=path) from None
    except (OSError, csv.Error) as error:
        raise fail(TariffError, "file-unread", path=path, reason=_reason(error)) from None
    if not names:
        raise fail(TariffError, "file-empty", path=path)
    return names


def _as_text(names: list[str]) -> Any:
    import pyarrow as pa
    import pyarrow.csv as reading

    return reading.ConvertOptions(column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=[""])


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as reading

    try:
        return reading.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise fail(TariffError, "file-unread", path=path, reason=_reason(error)) from None


def _csv_batches(path: Path) -> Iterator[Any]:
    """A small file at once; a larger one in pieces, every cell as text all the same."""
    import pyarrow as pa
    import pyarrow.csv as reading

    if not path.is_file() or path.stat().st_size <= SMALL:
        whole = _read_csv(path)
        yield from (whole.slice(start, BATCH) for start in range(0, whole.num_rows or 1, BATCH))
        return
    head = _csv_head(path)
    try:
        with reading.open_csv(path, reading.ReadOptions(block_size=SMALL // 4), reading.ParseOptions(newlines_in_values=True), _as_text(head)) as stream:
            for batch in stream:
                yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise fail(TariffError, "file-unread", path=path, reason=_reason(error)) from None


def _parquet_batches(path: Path) -> Iterator[Any]:
    """A batch never crosses into memory before it is asked for."""
    import pyarrow as pa
    import pyarrow.parquet as reading

    try:
        with reading.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(BATCH):
                yield pa.Table.from_batches([batch])
            if not file.metadata.num_rows:
                yield file.schema_arrow.empty_table()
    except (OSError, pa.ArrowException) as error:
        raise fail(TariffError, "file-unread", path=path, reason=_reason(error)) from None


def _parquet_writer(path: Path, schema: Any) -> Any:
    """Whole numbers and decimals that are stored as such by their differences, unpacked; text in a dictionary, packed. See docs/speed.md."""
    import pyarrow.parquet as writing
    from pyarrow import types

    small = [f.name for f in schema if types.is_integer(f.type) or (types.is_decimal(f.type) and f.type.bit_width <= 128 and f.type.precision <= 18)]
    packed = {f.name: "NONE" if f.name in small else "SNAPPY" for f in schema}
    encoded = {f.name: "DELTA_BINARY_PACKED" for f in schema if f.name in small and not (types.is_integer(f.type) and f.type.bit_width < 32)}
    words = [f.name for f in schema if f.name not in encoded and not types.is_nested(f.type)]
    flat = not any(types.is_nested(f.type) for f in schema)
    options: Any = {"compression": packed, "column_encoding": encoded, "use_dictionary": words} if flat else {}
    return writing.ParquetWriter(path, schema, store_decimal_as_integer=True, **options)


def _csv_writer(path: Path, schema: Any) -> Any:
    import pyarrow.csv as writing

    return writing.CSVWriter(path, schema, write_options=writing.WriteOptions(quoting_style="needed"))


def _part(sink: _Sink) -> Path:
    return sink.path.with_name(sink.path.name + ".part")


def _append(sink: _Sink, table: pa.Table) -> None:
    """Rows to the file, once those before them are there."""
    _wait(sink)
    sink.rows += table.num_rows
    sink.writing = sink.pool.submit(_put, sink, table)


def _put(sink: _Sink, table: pa.Table) -> None:
    if sink.writer is None:
        sink.writer = _WRITERS[sink.path.suffix.lower()](_part(sink), table.schema)
    sink.writer.write_table(table)


def _wait(sink: _Sink) -> None:
    import pyarrow as pa

    try:
        if sink.writing is not None:
            sink.writing.result()
    except (OSError, pa.ArrowException) as error:
        raise fail(TariffError, "file-unwritten", path=sink.path, reason=_reason(error)) from None


def _close(sink: _Sink) -> None:
    import pyarrow as pa

    _wait(sink)
    try:
        if sink.writer is not None:
            sink.writer.close()
    except (OSError, pa.ArrowException) as error:
        raise fail(TariffError, "file-unwritten", path=sink.path, reason=_reason(error)) from None


def _settle(sink: _Sink) -> None:
    """The whole file moves to its place."""
    try:
        if sink.writer is not None:
            _part(sink).replace(sink.path)
    except OSError as error:
        raise fail(TariffError, "file-unwritten", path=sink.path, reason=_reason(error)) from None


def _discard(sink: _Sink) -> None:
    """What was written so far goes, whatever stands in the way of closing it."""
    with contextlib.suppress(Exception):
        _wait(sink)
    with contextlib.suppress(Exception):
        if sink.writer is not None:
            sink.writer.close()
    with contextlib.suppress(OSError):
        _part(sink).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """What the system says, in its own short words."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error).splitlines()[0]


_READERS: dict[str, Callable[[Path], Any]] = {".csv": _read_csv, ".parquet": _read_parquet}
_BATCHES: dict[str, Callable[[Path], Iterator[Any]]] = {".csv": _csv_batches, ".parquet": _parquet_batches}
_WRITERS: dict[str, Callable[[Path, Any], Any]] = {".csv": _csv_writer, ".parquet": _parquet_writer}
