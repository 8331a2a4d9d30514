"""A month of a city billed as a run does it, beside a server-side COPY of the very rows that it stored.

The floor loads the same rows into the same tables, under the same role, keys, indexes and triggers, chunk by chunk in the same
transactions, from files that the server wrote itself. Both read what a run reads before each chunk, outside the timed part, so that
both find the same pages in memory; they take turns.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from sqlalchemy import text

from benchmarks.measure import watch
from benchmarks.results import Figure, Ratio, as_data, conclude, show
from billing_service import fixed, plain, runs, working
from billing_service.settings import Settings
from billing_service.store import bulk, connect
from billing_service.store import plain as plain_rows
from billing_service.store import runs as store
from soak import kills

PERIOD = (date(2026, 10, 1), date(2026, 11, 1))
NOW = datetime(2026, 11, 24, tzinfo=UTC)
LOADED = ("documents", "parts", "lines", "billed")
LOADING, END_TO_END = 0.85, 0.5
#: What a chunk's part of the load is given: a connection in its transaction, the number of the chunk, and its plain accounts as columns.
Load = Callable[[connect.Connection, int, plain.Plain], None]


def run(
    accounts: Annotated[int, typer.Option()] = 20_000,
    db: Annotated[str, typer.Option(help="postgresql or sqlite")] = "postgresql",
    beside: Annotated[str, typer.Option(help="copy: a server-side COPY of the same rows; nothing where empty")] = "copy",
    chunk: Annotated[int, typer.Option(help="accounts in one transaction")] = runs.CHUNK,
    repeat: Annotated[int, typer.Option(help="each way is timed so often; the median counts")] = 3,
    workers: Annotated[int, typer.Option(help="of the run end to end")] = 1,
    to_record: Annotated[bool, typer.Option("--record", help="keep in results.json")] = False,
) -> None:
    """Bill ``accounts`` accounts; leaves with 1 where a promised ratio is missed."""
    with kills.place(db) as where:
        kills.prepare(where.prepared, accounts, 7)
        copied = db == "postgresql" and beside == "copy"
        times, counts = _times(where, chunk, repeat, workers, copied)
        with _copy(where) as url:
            command = watch([*kills.PROGRAM, *kills.commands(chunk)[0], "--workers", str(workers), "--db", url])
    invoices, plainly, rows = counts["invoices"], counts["plain"], counts["rows"]
    whole, peak = times["end to end"], round(command.peak_bytes / 2**20)
    figures = [
        Figure("a run, end to end", invoices, whole, note=f"invoices, {workers} workers"),
        Figure("the same as a command", invoices, command.seconds, note=f"at most {peak:,} MiB in one process"),
    ]
    ratios: list[Ratio] = []
    if copied:
        figures += [
            Figure("our loading", rows, times["ours"], note=f"rows of {plainly:,} plain accounts"),
            Figure("server-side COPY", rows, times["floor"], note="rows"),
        ]
        ratios = [
            Ratio("loading, of a server-side COPY of the same rows", times["floor"] / times["ours"], LOADING),
            Ratio("invoices/s end to end, of COPY's", (invoices / whole) / (plainly / times["floor"]), END_TO_END),
        ]
    show(f"{accounts:,} accounts on {db}, chunks of {chunk:,}: {invoices / whole:,.0f} invoices/s end to end, peak {peak:,} MiB", figures, ratios)
    entry = {"accounts": accounts, "db": db, "chunk": chunk, "workers": workers, "plain": plainly, "peak_mib": peak, "figures": as_data(figures)}
    conclude("run", entry, ratios, to_record=to_record)


def _times(where: kills.Place, chunk: int, repeat: int, workers: int, copied: bool) -> tuple[dict[str, float], dict[str, int]]:
    """Median seconds of ``end to end`` and, where asked for, ``ours`` and ``floor``; how many invoices, plain ones and rows of those."""
    spent: dict[str, list[float]] = {"end to end": [], "ours": [], "floor": []}
    counts = {"invoices": 0, "plain": 0, "rows": 0}
    with _folder() as folder:
        for at in range(repeat):
            if copied:
                with _copy(where) as url:
                    spent["ours"].append(_loaded(url, chunk, _ours, counts))
                    if at == 0:
                        _written(url, folder, counts)
                with _copy(where) as url:
                    _as_superuser(url, "GRANT pg_read_server_files TO billing_loader")
                    spent["floor"].append(_loaded(url, chunk, lambda conn, seq, _: _from_files(conn, folder, seq), counts))
            with _copy(where) as url:
                own, began = _settings(url), time.perf_counter()
                with connect.opened(own.url) as engine:
                    outcome = working.start_run(engine, own, PERIOD, None, NOW, lambda *_: None, size=chunk, workers=workers)
                spent["end to end"].append(time.perf_counter() - began)
                counts["invoices"] = outcome.invoices
    return {name: median(times) for name, times in spent.items() if times}, counts


def _loaded(url: str, size: int, load: Load, counts: dict[str, int]) -> float:
    """Seconds of loading the plain accounts of every chunk of a new run, each in its transaction; what is read before is not counted."""
    own, seconds = _settings(url), 0.0
    counts["plain"] = 0
    with connect.opened(own.url) as engine:
        with connect.writing(engine, own.utility) as conn:
            name = runs.begin_in(conn, own, PERIOD, None, NOW, size=size)
            found, chunks = fixed.from_row(conn, own.utility, runs.pick(conn, own.utility, name, [])), store.chunks_of(conn, own.utility, name)
        for one in chunks:
            with connect.writing(engine, own.utility, alone=False) as conn:
                quick = plain.bill(conn, own.utility, found, found.among(one.first_account, one.last_account))
                began = time.perf_counter()
                load(conn, one.seq, quick)
            seconds += time.perf_counter() - began
            counts["plain"] += quick.documents
    return seconds


def _ours(conn: connect.Connection, _: int, quick: plain.Plain) -> None:
    if quick.rows is not None:
        plain_rows.add(conn, "main", quick.rows)


def _from_files(conn: connect.Connection, folder: Path, seq: int) -> None:
    conn.execute(text(f"SET LOCAL ROLE {bulk.LOADER}"))
    for name in LOADED:
        conn.execute(text(f"COPY {name} FROM '{folder}/{seq}.{name}' (FORMAT BINARY)"))
    conn.execute(text("RESET ROLE"))


def _written(url: str, folder: Path, counts: dict[str, int]) -> None:
    """Files of the server's own with the rows of every chunk, in the order in which they were stored."""
    own = _settings(url)
    with connect.opened(own.url) as engine, connect.reading(engine, own.utility) as conn:
        (name,) = conn.execute(text("SELECT id FROM runs")).scalars()
        chunks = store.chunks_of(conn, own.utility, name)
    counts["rows"] = 0
    for one in chunks:
        for table in LOADED:
            # Names of the program's own and accounts that it made: nothing from outside.
            among = f"account BETWEEN '{one.first_account}' AND '{one.last_account}'"
            mine = among if table in ("documents", "billed") else f"document IN (SELECT id FROM documents WHERE {among})"  # noqa: S608
            query = f"SELECT * FROM {table} WHERE {mine} ORDER BY ctid"  # noqa: S608
            counts["rows"] += _as_superuser(url, f"COPY ({query}) TO '{folder}/{one.seq}.{table}' (FORMAT BINARY)")


def _as_superuser(url: str, statement: str) -> int:
    with connect.opened(url.replace("billing_service@", "postgres@")) as engine, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        return conn.execute(text(statement)).rowcount


def _settings(url: str) -> Settings:
    return Settings(db=url, user="li", rules=(kills.RULES,))


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that the server, whoever it runs as, may write to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _copy(where: kills.Place) -> Iterator[str]:
    """A further database of the prepared city, written to disk before anything is timed, and gone afterwards."""
    url = where.copy()
    if where.kind == "postgresql":
        _as_superuser(url, "CHECKPOINT")
    try:
        yield url
    finally:
        if where.kind == "postgresql":
            name = url.partition("?")[0].rpartition("/")[2]
            _as_superuser(url.replace(f"/{name}?", "/postgres?"), f"DROP DATABASE {name} WITH (FORCE)")
        else:
            Path(url).unlink()
