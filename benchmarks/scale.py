"""One task a file on several engines, and what it costs as rows grow: Parquet to Parquet, receipts and digests included.

Engines are warm, two workers each; every one must leave the same manifest, digests of all files and exact totals
included. Spark by ``mapInArrow`` reads and writes itself and must come to the same total. Then the local pool alone,
over ten times as many rows each time, in files of a million: memory is that of a file, whatever the rows.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import tariffs
from benchmarks import workloads
from benchmarks.measure import timed
from benchmarks.results import Figure, Ratio, as_data, conclude, show
from tariffs import scale
from tariffs.manifest import Manifest

WORK = workloads.quota()
WORKERS = 2
PIECE = 1_000_000
CHECKED = 20_000
PLOT = Path(__file__).parent.parent / "docs" / "scale.svg"
LOCAL, DASK, RAY, SPARK = "local pool", "Dask", "Ray", "Spark, mapInArrow"


def run(rows: int = 8_000_000, files: int = 8, repeat: int = 5, up_to: int = 1_000_000, spark: bool = True, seed: int = 0, record: bool = False) -> None:
    """``up_to``: the most rows of the growth part, 100000000 for the whole of it (5 GB of room under TMPDIR)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grown, memory, linear = growth(folder, up_to, seed)  # first: the system tells the most memory of all children that ended so far
        show(f"local pool, files of {PIECE:,} rows, at most {memory / 2**20:.0f} MiB a worker", grown, linear)
        figures, ratios = engines(folder, rows, files, repeat, seed, spark=spark)
        show(f"{WORK.version.id}, {files} files, {WORKERS} workers, median of {repeat} warm runs", figures, ratios)
    if record:
        plot(grown)
    entry = {"engines": as_data(figures), "growth": as_data(grown), "worker_peak_bytes": memory}
    conclude("scale", entry, [*ratios, *linear], to_record=record)


def write(folder: Path, rows: int, piece: int, seed: int) -> None:
    folder.mkdir()
    for n, start in enumerate(range(0, rows, piece)):
        pq.write_table(workloads.arrow(workloads.data(WORK, min(piece, rows - start), seed + n)), folder / f"part-{n:04}.parquet")


def engines(folder: Path, rows: int, files: int, repeat: int, seed: int, *, spark: bool) -> tuple[list[Figure], list[Ratio]]:
    """AssertionError where two engines differ in a byte."""
    version, source, left = WORK.version, folder / "in", dict[str, set[bytes]]()
    write(source, rows, -(-rows // files), seed)

    def by(name: str, engine: scale.Run) -> Callable[[], object]:
        return way_of(source, folder, engine, lambda done: left.setdefault(name, set()).add(done.path.read_bytes()))

    with contextlib.ExitStack() as stack:
        ways = {LOCAL: by(LOCAL, stack.enter_context(pool()).map), DASK: by(DASK, scale.by_dask(stack.enter_context(dask())))}
        if find_spec("ray"):
            stack.enter_context(ray())
            ways[RAY] = by(RAY, scale.by_ray())
        if spark and find_spec("pyspark"):
            ways[SPARK] = spark_way(stack.enter_context(spark_session()), version, source, folder, rows)
        spent = timed(ways, repeat)
    assert len(set[bytes]().union(*left.values())) == 1, "an engine left other bytes"
    ratios = [Ratio(f"{name} / {LOCAL}", spent[name] / spent[LOCAL], at_most=1.25) for name in (DASK,)]
    wrong = wrong_of(folder, -(-rows // files), seed)
    return [Figure(name, rows, seconds, wrong, min(CHECKED, rows // files)) for name, seconds in spent.items()], ratios


def way_of(source: Path, folder: Path, engine: scale.Run, seen: Callable[[Manifest], None]) -> Callable[[], object]:
    """Rates the files of ``source``; what is left is ``seen`` and thrown away."""

    def way() -> None:
        target = folder / uuid.uuid4().hex
        seen(scale.rate_files(WORK.version, source, target, run=engine))
        shutil.rmtree(target)

    return way


def wrong_of(folder: Path, rows: int, seed: int) -> int:
    """How many of the first rows of the first file miss the fen; all engines leave the same bytes, so it is asked once."""
    given, target = workloads.data(WORK, rows, seed), folder / "checked"
    scale.rate_files(WORK.version, [folder / "in" / "part-0000.parquet"], target, run=map)
    few = workloads.head(given, CHECKED)
    found = pq.read_table(target / "part-0000.parquet").slice(0, CHECKED)
    return workloads.wrong(workloads.fen_of_arrow(found, WORK.outputs), workloads.exact(few))


def pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(WORKERS, get_context("spawn"))


@contextlib.contextmanager
def dask() -> Iterator[Any]:
    distributed: Any = importlib.import_module("distributed")
    options = {"n_workers": WORKERS, "threads_per_worker": 1, "processes": True, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@contextlib.contextmanager
def ray() -> Iterator[None]:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    engine: Any = importlib.import_module("ray")
    engine.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}})
    try:
        yield
    finally:
        engine.shutdown()


@contextlib.contextmanager
def spark_session() -> Iterator[Any]:
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(sys.path), "SPARK_LOCAL_IP": "127.0.0.1"}
    sql: Any = importlib.import_module("pyspark.sql")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    }
    session = sql.SparkSession.builder.master(f"local[{WORKERS}]").config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()


def spark_way(session: Any, version: tariffs.TariffVersion, source: Path, folder: Path, rows: int) -> Callable[[], object]:
    types: Any = importlib.import_module("pyspark.sql.pandas.types")
    rate = scale.rater(version)
    accounts = session.read.parquet(str(source))
    schema = types.from_arrow_schema(rate(pa.RecordBatch.from_pylist([], types.to_arrow_schema(accounts.schema))).schema)
    expected = scale.rate_files(version, source, folder / "expected", run=map).totals["total"]

    def way() -> None:
        target = folder / uuid.uuid4().hex
        accounts.mapInArrow(lambda batches: map(rate, batches), schema).write.parquet(str(target))
        found = pq.read_table(target, columns=["total"])["total"]
        summed: Any = importlib.import_module("pyarrow.compute").sum(found)
        assert (found.length(), summed.as_py()) == (rows, expected), "Spark came to another total"
        shutil.rmtree(target)

    return way


def growth(folder: Path, up_to: int, seed: int) -> tuple[list[Figure], int, list[Ratio]]:
    """Seconds by rows (warm: the median of three, from 100 M rows one), the most memory a worker held (bytes), and how much dearer a row is where there
    are most than at ten million.
    """
    figures = list[Figure]()
    with pool() as workers:
        for rows in (10**power for power in range(4, 10) if 10**power <= up_to):
            source, done = folder / f"given-{rows}", list[Manifest]()
            write(source, rows, PIECE, seed)
            spent = timed({LOCAL: way_of(source, folder, workers.map, done.append)}, 3 if rows < 10**8 else 1)
            figures.append(Figure(LOCAL, rows, spent[LOCAL], note=f"total {done[0].totals['total']}"))
            shutil.rmtree(source)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    large = [one.seconds / one.rows for one in figures if one.rows >= PIECE * WORKERS]
    ratios = [Ratio(f"a row among {figures[-1].rows:,} / among {10 * PIECE:,}", large[-1] / large[0], at_most=1.25)] if len(large) > 1 else []
    return figures, memory, ratios


def plot(figures: list[Figure]) -> None:
    figure: Any = importlib.import_module("matplotlib.figure")
    canvas = figure.Figure(figsize=(6, 4), layout="constrained")
    axes = canvas.subplots()
    axes.loglog([one.rows for one in figures], [one.seconds for one in figures], "o-", label="measured")
    last = figures[-1]
    axes.loglog([one.rows for one in figures], [last.seconds * one.rows / last.rows for one in figures], "--", color="grey", label="in proportion to the rows")
    axes.set(xlabel="rows", ylabel="seconds", title=f"Parquet to Parquet, {WORKERS} workers")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    canvas.savefig(PLOT, metadata={"Date": None})
