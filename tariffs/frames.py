"""Rating whole files: CSV or Parquet in, the same columns with amounts out, rows that cannot be rated apart.

Text stays text until it is read as exact decimals; no number passes through a float on the way. Needs the ``columns``
extra, imported only here.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tariffs.api import Period, TariffVersion
from tariffs.errors import FactsError, TariffError, fail

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written: ``bad`` rows are in ``bad_path``, each with its number (from 1) and the reason."""

    rows: int
    bad: int
    path: Path
    bad_path: Path | None


def rate_file(
    version: TariffVersion,
    source: Path,
    target: Path,
    *,
    period: Period | None,
    errors: Literal["raise", "return"] = "raise",
    workings: bool = False,
    locale: str = "en",
) -> Outcome:
    """Rate every row of ``source`` into ``target``; TariffError where a file or, with ``errors="raise"``, a row is no good."""
    if find_spec("pyarrow") is None or find_spec("numpy") is None:
        raise fail(TariffError, "needs-columns")
    reader, writer = _READERS.get(source.suffix.lower()), _WRITERS.get(target.suffix.lower())
    for path, known in ((source, reader), (target, writer)):
        if known is None:
            raise fail(TariffError, "file-kind", path=path)
    assert reader is not None
    assert writer is not None
    given = reader(source)
    if errors == "raise":
        _write(writer, _joined(given, version.rate(given, period=period, workings=workings)), target)
        return Outcome(given.num_rows, 0, target, None)
    amounts, problems = version.rate(given, period=period, errors="return", workings=workings, locale=locale)
    whole = _joined(given, amounts)
    if not problems.num_rows:
        _write(writer, whole, target)
        return Outcome(given.num_rows, 0, target, None)
    good, bad = _split(given, whole, problems)
    bad_path = target.with_name(f"{target.stem}.bad{target.suffix}")
    _write(writer, good, target)
    _write(writer, bad, bad_path)
    return Outcome(given.num_rows, bad.num_rows, target, bad_path)


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


def _split(given: pa.Table, whole: pa.Table, problems: pa.Table) -> tuple[pa.Table, pa.Table]:
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
    bad = bad.add_column(0, "row", pa.array([row + 1 for row in sorted(reasons)], pa.int64()))
    return whole.filter(pa.array(good)), bad.append_column("reason", pa.array([reasons[row] for row in sorted(reasons)]))


# --- files --------------------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> pa.Table:
    """Every column as text; an empty cell is nothing given."""
    import pyarrow as pa
    import pyarrow.csv as reading

    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names = next(csv.reader(stream), [])
        if not names:
            raise fail(TariffError, "file-empty", path=path)
        options = reading.ConvertOptions(column_types={name: pa.string() for name in names}, strings_can_be_null=True, null_values=[""])
        return reading.read_csv(path, convert_options=options, parse_options=reading.ParseOptions(newlines_in_values=True))
    except UnicodeDecodeError:
        raise fail(TariffError, "file-not-utf8", path=path) from None
    except (OSError, csv.Error, pa.ArrowException) as error:
        raise fail(TariffError, "file-unread", path=path, reason=_reason(error)) from None


def _read_parquet(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as reading

    try:
        return reading.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise fail(TariffError, "file-unread", path=path, reason=_reason(error)) from None


def _write_csv(table: pa.Table, path: Path) -> None:
    import pyarrow.csv as writing

    writing.write_csv(table, path, writing.WriteOptions(quoting_style="needed"))


def _write_parquet(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as writing

    writing.write_table(table, path)


def _write(writer: Callable[[Any, Path], None], table: pa.Table, path: Path) -> None:
    """The whole file or none: written beside its place and moved there."""
    import pyarrow as pa

    part = path.with_name(path.name + ".part")
    try:
        writer(table, part)
        part.replace(path)
    except (OSError, pa.ArrowException) as error:
        part.unlink(missing_ok=True)
        raise fail(TariffError, "file-unwritten", path=path, reason=_reason(error)) from None


def _reason(error: Exception) -> str:
    """What the system says, in its own short words."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error).splitlines()[0]


_READERS: dict[str, Callable[[Path], Any]] = {".csv": _read_csv, ".parquet": _read_parquet}
_WRITERS: dict[str, Callable[[Any, Path], None]] = {".csv": _write_csv, ".parquet": _write_parquet}
