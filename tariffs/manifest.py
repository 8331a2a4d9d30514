"""A folder of results and the papers that belong to it: which file is finished, and what all of them come to.

```
OUT/a.parquet              results, under the names of the files they came from
OUT/_bad/a.parquet         rows that could not be rated, with their reasons
OUT/_receipts/a.parquet.json   what a finished file is: digests of what came in and went out, counts, totals
OUT/_job.json              what the folder is for; another tariff, day or option is refused
OUT/_manifest.json         the sum of all receipts; it is there only while every file of the run is finished
```
Names that begin with ``_`` are passed over by pyarrow, Spark and Dask, so the folder reads as one table. Every file is
written under another name and moved to its place at once. Nothing in it tells the time, so that the same work gives
the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from tariffs.errors import Problem, TariffError, fail
from tariffs.money import EXACT

FORMAT = 1
KINDS = (".csv", ".parquet")
JOB, MANIFEST, LOCK = "_job.json", "_manifest.json", "_lock"
RECEIPTS, BAD, WORK = "_receipts", "_bad", "_work"


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was: its size in bytes and sha256 in hex, what ``sha256sum`` prints."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """One finished file. ``totals`` are those of the rated rows, by column; ``kept``: it was finished before this run."""

    name: str
    given: File
    output: File
    bad_output: File | None
    rows: int
    bad: int
    totals: Mapping[str, Decimal]
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """All finished files of a folder, and what they come to. ``job`` says by which version and options."""

    path: Path
    job: Mapping[str, Any]
    files: tuple[Receipt, ...]
    rows: int
    bad: int
    totals: Mapping[str, Decimal]


# --- names --------------------------------------------------------------------------------------------------------


def named(source: Path | Sequence[Path], target: Path) -> dict[str, Path]:
    """The files to rate, by the name of their result. TariffError: none, one of another kind, two of one name, or the folders lie in each other."""
    if isinstance(source, Path):
        _apart(source, target)
        found = [(path.relative_to(source).as_posix(), path) for path in _visible(source)] if source.is_dir() else []
    else:
        found = [(path.name, path) for path in source]
    if not found:
        raise fail(TariffError, "scale-nothing", path=source if isinstance(source, Path) else target)
    names = [name.lower() for name, _ in found]  # some systems do not tell a from A
    problems = [Problem("file-kind", {"path": str(path)}) for _, path in found if path.suffix.lower() not in KINDS]
    problems += [Problem("scale-twice", {"name": name}) for name, _ in found if names.count(name.lower()) > 1] if len(set(names)) < len(names) else []
    if problems:
        raise TariffError(problems)
    return dict(found)


def _apart(source: Path, target: Path) -> None:
    first, second = source.resolve(), target.resolve()
    if first.is_relative_to(second) or second.is_relative_to(first):
        raise fail(TariffError, "scale-nested", source=source, target=target)


def _visible(folder: Path) -> list[Path]:
    """Files whose own name and folders begin with neither ``_`` nor ``.``."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not any(part[0] in "._" for part in path.relative_to(folder).parts))


# --- a folder of results ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(target: Path, names: Iterable[str], job: Mapping[str, Any]) -> Iterator[None]:
    """The folder, held by one run at a time and for one job only; what an earlier run left half done is gone.

    TariffError: another run holds it, it is for another job, or a file in it is none of this run's results.
    """
    with _held(target):
        written = _read(target / JOB)
        if written is not None and written != job:
            differ = [name for name in job if job[name] != written.get(name)]
            raise fail(TariffError, "scale-other-job", path=target, other=_spoken(written, differ), job=_spoken(job, differ))
        expected = set(names) if written is not None else set[str]()
        foreign = [path for path in _visible(target) if path.relative_to(target).as_posix() not in expected]
        if foreign:
            raise TariffError([Problem("scale-foreign", {"path": str(path)}) for path in foreign[:20]])
        shutil.rmtree(target / WORK, ignore_errors=True)
        (target / MANIFEST).unlink(missing_ok=True)
        _write(target / JOB, job, target / WORK)
        yield


@contextlib.contextmanager
def _held(target: Path) -> Iterator[None]:
    """The system's own lock, which ends with the process that holds it, however that ends."""
    import fcntl

    try:
        target.mkdir(parents=True, exist_ok=True)
        stream = (target / LOCK).open("a")
    except OSError as error:
        raise fail(TariffError, "file-unwritten", path=target, reason=os.strerror(error.errno or 0)) from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise fail(TariffError, "scale-busy", path=target) from None
        yield


def _spoken(job: Mapping[str, Any], names: Iterable[str]) -> str:
    return json.dumps({name: job.get(name) for name in names}, ensure_ascii=False)


def file_of(path: Path) -> File:
    with path.open("rb") as stream:
        return File(path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest())


def finished(target: Path, name: str, given: File) -> Receipt | None:
    """The receipt of a file that is finished: the same bytes came in, and what went out is still there as it was written."""
    found = _read(_receipt_path(target, name))
    if found is None or found.get("format") != FORMAT:
        return None
    receipt = _as_receipt(found)
    places = {target / name: receipt.output, target / BAD / name: receipt.bad_output}
    same = all((not path.exists()) if file is None else (path.is_file() and file_of(path) == file) for path, file in places.items())
    return receipt if same and receipt.given == given else None


def settle(target: Path, receipt: Receipt, output: Path, bad_output: Path | None) -> None:
    """Results move to their places, the receipt last: what has no receipt counts as not done."""
    place, bad_place, paper = target / receipt.name, target / BAD / receipt.name, _receipt_path(target, receipt.name)
    for path in (place, paper, *([bad_place] if bad_output else [])):
        path.parent.mkdir(parents=True, exist_ok=True)
    if bad_output:
        bad_output.replace(bad_place)
    else:
        bad_place.unlink(missing_ok=True)
    output.replace(place)
    _write(paper, {"format": FORMAT, **_receipt_json(receipt)}, output.parent)


def summed(target: Path, job: Mapping[str, Any], receipts: Iterable[Receipt]) -> Manifest:
    """The manifest, written; every file of the run has its receipt here."""
    files = tuple(sorted(receipts, key=lambda receipt: receipt.name))
    totals = {name: Decimal(0) for name in (files[0].totals if files else ())}
    for receipt in files:
        totals = {name: EXACT.add(total, receipt.totals[name]) for name, total in totals.items()}
    found = Manifest(target / MANIFEST, job, files, sum(f.rows for f in files), sum(f.bad for f in files), totals)
    sums = {"rows": found.rows, "bad_rows": found.bad, "totals": as_text(totals)}
    _write(found.path, {**job, **sums, "files": [_receipt_json(receipt) for receipt in files]}, target / WORK)
    shutil.rmtree(target / WORK, ignore_errors=True)
    return found


def as_text(totals: Mapping[str, Decimal]) -> dict[str, str]:
    return {name: format(total, "f") for name, total in totals.items()}


# --- papers -------------------------------------------------------------------------------------------------------


def _receipt_path(target: Path, name: str) -> Path:
    return target / RECEIPTS / f"{name}.json"


def _receipt_json(receipt: Receipt) -> dict[str, Any]:
    files = {"input": receipt.given, "output": receipt.output, "bad_output": receipt.bad_output}
    shown = {key: None if file is None else {"bytes": file.size, "sha256": file.sha256} for key, file in files.items()}
    return {"file": receipt.name, **shown, "rows": receipt.rows, "bad_rows": receipt.bad, "totals": as_text(receipt.totals)}


def _as_receipt(found: Mapping[str, Any]) -> Receipt:
    given, output, bad_output = (None if (file := found[key]) is None else File(file["bytes"], file["sha256"]) for key in ("input", "output", "bad_output"))
    assert given is not None, "a receipt names what came in"
    assert output is not None, "and what went out"
    totals = {name: Decimal(total) for name, total in found["totals"].items()}
    return Receipt(found["file"], given, output, bad_output, found["rows"], found["bad_rows"], totals, kept=True)


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is nothing, or nothing that can be used."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(path: Path, found: Mapping[str, Any], work: Path) -> None:
    """Beside first, in a folder that the next run clears away, then at once."""
    work.mkdir(parents=True, exist_ok=True)
    part = work / path.name
    part.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
