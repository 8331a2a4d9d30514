"""Parquet to Parquet, beside the floor of reading and writing: ``python -m benchmarks files --rows 10000000 --record``.

Every way reads the same rows from a file (Polars' whole numbers from one where they are scaled already) and writes them with an amount for every line.
The floor is our own reading and writing with the amounts already in memory. Two tables: warm runs in one process, taking turns; and whole
processes, start included, with the most memory each holds. The outputs are compared to the fen, every row of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import workloads
from benchmarks.files_peers import WAYS
from benchmarks.measure import Process, cold, timed
from benchmarks.results import Figure, Ratio, as_data, conclude, show
from benchmarks.workloads import Data, Ints
from tariffs import files_in, files_out, frames
from tariffs.rate import processors

WORKS = {"W1": workloads.blocks, "W2": workloads.quota}
SAID = {
    "floor": "reading and writing alone (the floor)",
    "fused": "tariffs rate, fused",
    "numpy": "tariffs rate, NumPy",
    "polars int": "Polars, int64 scaled by hand",
    "polars decimal": "Polars Decimal, with care",
    "duckdb": "DuckDB DECIMAL",
}
Run = Callable[[], object]


def run(
    rows: int = 1_000_000, repeat: int = 5, seed: int = 0, only: str = "", folder: str = "out/benchmarks", cold_repeat: int = 3, record: bool = False
) -> None:
    """``--only W1`` for one of the works; leaves with 1 where a promise is missed. Files are made once and lie in ``--folder``."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    entry: dict[str, object] = {"rows": rows}
    promises: list[Ratio] = []
    for name in only.split(",") if only else WORKS:
        work = workloads.data(WORKS[name](), rows, seed)
        source, scaled = _given(work, place, seed)
        warm = _warm(name, work, source, scaled, place, repeat)
        whole = _whole(name, work, source, scaled, place, cold_repeat)
        entry[name] = {"warm": as_data(warm[0]), "cold": as_data(whole[0])}
        promises += [*warm[1], *whole[1]]
        if name == "W1":
            long, ratios = _long(work, source, place, repeat)
            entry["long lines"] = as_data(long)
            promises += ratios
    conclude("files", entry, promises, to_record=record)


def _given(data: Data, place: Path, seed: int) -> tuple[Path, Path]:
    """The file of accounts and their facts, and the same with whole numbers for Polars; made where they do not lie there yet."""
    found = tuple(place / f"{data.work.name}-{data.rows}-{seed}{more}.parquet" for more in ("", "-scaled"))
    for path, whole in zip(found, (False, True), strict=True):
        if path.exists():
            continue
        accounts: Any = pa.array(np.arange(10_000_000_000, 10_000_000_000 + data.rows))
        table = workloads.arrow(data).add_column(0, "account", accounts)
        if whole:
            for name in data.work.places:
                table = table.set_column(table.column_names.index(name), name, pa.array(data.columns[name]))
        schema = pa.schema([pa.field(f.name, pa.string()) if pa.types.is_dictionary(f.type) else f for f in table.schema])
        sink = files_out.Sink(path)
        for start in range(0, table.num_rows, files_in.BATCH):
            files_out.append(sink, files_out.encoded(table.slice(start, files_in.BATCH).combine_chunks(), schema, path), schema)
        files_out.close(sink)
        files_out.settle(sink)
    return found[0], found[1]


# --- warm ---------------------------------------------------------------------------------------------------------


def _warm(name: str, data: Data, source: Path, scaled: Path, place: Path, repeat: int) -> tuple[list[Figure], list[Ratio]]:
    """Each way's median in this process, where everything is imported and compiled."""
    version, target = data.work.version, {group: place / f"{name}-{group.replace(' ', '-')}.parquet" for group in SAID}
    ways: dict[str, Run] = {
        "floor": partial(floor, data, source, target["floor"], _amounts(data, source, target["floor"])),
        **{engine: partial(frames.rate_file, version, source, target[engine], period=None, engine=engine) for engine in ("fused", "numpy")},
        **{group: partial(WAYS[f"{name} {group}"], str(_source(group, source, scaled)), str(target[group])) for group in SAID if f"{name} {group}" in WAYS},
    }
    spent = timed(ways, repeat)
    wrong = _wrong(data, target)
    figures = [Figure(SAID[group], data.rows, spent[group], wrong.get(group), data.rows if group in wrong else 0, _size(target[group])) for group in ways]
    ratios = [
        Ratio(f"{name}: files to their own floor, in time", spent["fused"] / spent["floor"], at_most=1.1),
        Ratio(f"{name}: files to DuckDB DECIMAL", spent["duckdb"] / spent["fused"], at_least=2),
        Ratio(f"{name}: files to Polars int64", spent["polars int"] / spent["fused"], at_least=1.3),
    ]
    show(f"{name}, Parquet to Parquet, {data.rows:,} accounts, median of {repeat} warm runs", sorted(figures, key=lambda one: one.seconds), ratios)
    for path in target.values():
        path.unlink()
    return figures, ratios


def _source(group: str, source: Path, scaled: Path) -> Path:
    return scaled if group == "polars int" else source


def _amounts(data: Data, source: Path, target: Path) -> dict[int, pa.Table]:
    """What the floor writes: every batch's amounts, rated beforehand, by the rows before it."""
    version = data.work.version
    return {rows.before: version.rate(rows.table, narrow=True) for rows in frames.open_source(version, source, target).batches}


def floor(data: Data, source: Path, target: Path, amounts: Mapping[int, pa.Table]) -> None:
    """The same columns read, copied and written by the same threads, nothing computed."""
    opened = frames.open_source(data.work.version, source, target)
    columns = amounts[0].schema
    absent = {name for batch in amounts.values() for name in batch.column_names if batch.column(name).null_count}
    digits = {32: 9, 64: 18}
    fields = [pa.field(field.name, pa.decimal128(digits[field.type.bit_width], field.type.scale), field.name in absent) for field in columns]
    schema = pa.schema([*opened.schema, *fields])

    def work(rows: files_in.Rows) -> files_out.Encoded:
        copied = {name for group in rows.copied for name in group.chunks}
        given, found = rows.table.select([name for name in opened.schema.names if name not in copied]), amounts[rows.before]
        whole = pa.table([*given.columns, *found.columns], names=[*given.column_names, *found.column_names])
        return files_out.encoded(whole, schema, target, rows.copied)

    sink = files_out.Sink(target)
    for piece in frames.in_order(work, opened.batches, processors()):
        files_out.append(sink, piece, schema)
    files_out.close(sink)
    files_out.settle(sink)


def _wrong(data: Data, files: Mapping[str, Path]) -> dict[str, int]:
    """How many invoices of each way differ from ours of NumPy. AssertionError where those differ from a decimal loop, or the engines from each other."""
    expected = workloads.exact(workloads.head(data, workloads.CHECKED))
    ours = {name: fen(files["numpy"], name) for name in data.work.outputs}
    few = [column[: workloads.CHECKED] for column in ours.values()]
    assert workloads.wrong(few, expected) == 0, "ours differ from the decimal loop"
    found = {}
    for group, path in files.items():
        bad = np.zeros(data.rows, np.bool_)
        for name, right in ours.items():
            theirs = fen(path, name)
            assert len(theirs) == len(right), f"{path} has other rows"
            bad |= theirs != right
        found[group] = int(bad.sum())
    assert found["fused"] == 0, "the engines differ"
    assert found["floor"] == 0, "the floor writes other amounts"
    return {group: count for group, count in found.items() if group != "floor"}


def fen(path: Path, name: str) -> Ints:
    """A column of amounts as whole fen, of a decimal or of fen already."""
    column: Any = pq.read_table(path, columns=[name]).column(name).combine_chunks()
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.decimal128(38, 2))
        mask = np.asarray(column.is_null().to_numpy(zero_copy_only=False))
        words = np.frombuffer(column.buffers()[1], np.int64).reshape(-1, 2)[column.offset : column.offset + len(column), 0]
        return np.where(mask, workloads.NOTHING, words)
    return np.asarray(pc.fill_null(column, workloads.NOTHING).to_numpy())


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.0f} MB written"


# --- whole processes ----------------------------------------------------------------------------------------------


def _whole(name: str, data: Data, source: Path, scaled: Path, place: Path, repeat: int) -> tuple[list[Figure], list[Ratio]]:
    """Each way as a process that starts, imports, compiles where it does, and ends."""
    target = place / f"{name}-cold.parquet"
    version = data.work.version
    rate = [sys.executable, "-m", "tariffs", "rate", version.id, str(source), "-o", str(target), "--on", str(version.on), "--rules", str(workloads.RULES)]
    commands = {SAID[engine]: [*rate, "--engine", engine] for engine in ("fused", "numpy")} | {"tariffs rate, as typed (auto)": rate}
    for group, says in SAID.items():
        if f"{name} {group}" in WAYS:
            commands[says] = [sys.executable, "-m", "benchmarks.files_peers", f"{name} {group}", str(_source(group, source, scaled)), str(target)]
    found = cold(commands, repeat)
    figures = [Figure(way, data.rows, one.seconds, None, 0, f"{_mebibytes(one)} MiB at most") for way, one in found.items()]
    most = max(one.peak_bytes for way, one in found.items() if way.startswith("tariffs")) / 2**30
    ratios = [Ratio(f"{name}: memory of tariffs rate, GiB", most, at_most=2)]
    show(f"{name}, whole processes, median of {repeat}", sorted(figures, key=lambda one: one.seconds), ratios)
    target.unlink()
    return figures, ratios


def _mebibytes(one: Process) -> int:
    return one.peak_bytes // 2**20


# --- long lines ---------------------------------------------------------------------------------------------------


def _long(data: Data, source: Path, place: Path, repeat: int) -> tuple[list[Figure], list[Ratio]]:
    """A row for every account and line, of ours and of DuckDB's UNPIVOT."""
    mine, theirs = place / "long.parquet", place / "long-duckdb.parquet"
    version = data.work.version
    ways: dict[str, Run] = {
        "tariffs rate --lines long --keep account, fused": partial(
            frames.rate_file, version, source, mine, period=None, shape="long", keep=["account"], engine="fused"
        ),
        "DuckDB DECIMAL, UNPIVOT": partial(WAYS["W1 duckdb long"], str(source), str(theirs)),
    }
    spent = timed(ways, repeat)
    one, other = fen(mine, "amount"), fen(theirs, "amount")
    accounts = [np.asarray(pq.read_table(path, columns=["account"]).column(0).to_numpy()) for path in (mine, theirs)]
    assert len(one) == len(other), "as many lines"
    different = int(((one != other) | (accounts[0] != accounts[1])).sum())
    figures = [Figure(way, len(one), spent[way], 0 if "tariffs" in way else different, len(one)) for way in ways]
    ours, peer = spent.values()
    ratios = [Ratio("long lines to DuckDB DECIMAL", peer / ours, at_least=1)]
    show(f"W1, long lines of {data.rows:,} accounts, median of {repeat} warm runs", figures, ratios)
    for path in (mine, theirs):
        path.unlink()
    return figures, ratios
