"""Beyond one machine: the same work, one task a file, on an engine that is there already.

Two things carry everything. ``rater`` makes a pure function RecordBatch -> RecordBatch that any engine can send to its
workers. ``rate_files`` rates every file of a folder into a folder of results (``tariffs.manifest``); who runs its tasks
is an argument, a function that hands each item to ``task`` and gives back the answers in any order:

    rate_files(version, Path("in"), Path("out"))                            # processes of this machine
    rate_files(version, Path("in"), Path("out"), run=by_dask(client))
    rate_files(version, Path("in"), Path("out"), run=by_ray())
    rate_files(version, Path("in"), Path("out"), run=map)

A task that runs twice, on two machines even, gives the same bytes; a worker that dies leaves nothing half done.
"""

from __future__ import annotations

import signal
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache, partial
from importlib import import_module, metadata
from importlib.util import find_spec
from multiprocessing import get_context, parent_process
from os import _exit
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tariffs import api, frames, manifest
from tariffs.errors import FactsError, Problem, TariffError, Where, fail
from tariffs.load import as_date
from tariffs.manifest import Manifest, Receipt

if TYPE_CHECKING:
    import pyarrow as pa

#: What a task answers: a finished file, or what is wrong with it.
Answer: TypeAlias = Receipt | tuple[Problem, ...]
#: A file to rate: the name of its result, and its path.
Item: TypeAlias = tuple[str, str]
Task: TypeAlias = Callable[[Item], Answer]
#: Hands every item to the task and gives back the answers, in any order.
Run: TypeAlias = Callable[[Task, Sequence[Item]], Iterable[Answer]]
#: Told after every file: files done, files in all, rows done.
Progress: TypeAlias = Callable[[int, int, int], object]

GIVE_UP = 3  # pools in a row that lost a worker before anything was finished


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker must know: the version's own bytes, so that none looks for a rule of its own, and the options of ``rate``."""

    software: str
    content: bytes
    tariff: str
    effective: date
    revision: int
    end: date | None
    on: date | None
    period: tuple[date, date] | None
    errors: Literal["raise", "return"]
    workings: bool
    locale: str


def job(
    version: api.TariffVersion,
    *,
    period: api.Period | None = None,
    errors: Literal["raise", "return"] = "raise",
    workings: bool = False,
    locale: str = "en",
) -> Job:
    span = None if period is None else (as_date(period[0], "period"), as_date(period[1], "period"))
    law = (version.model.content, version.id, version.effective, version.revision, version.end, version.on)
    return Job(metadata.version("tariffs"), *law, span, errors, workings, locale)


@lru_cache(maxsize=8)
def _version(work: Job) -> api.TariffVersion:
    """Checked once in every process."""
    found = api.parse(work.content, tariff=work.tariff, effective=work.effective, revision=work.revision, end=work.end)
    return replace(found, on=work.on)


# --- batches ------------------------------------------------------------------------------------------------------


def rater(
    version: api.TariffVersion,
    *,
    period: api.Period | None = None,
    errors: Literal["raise", "return"] = "raise",
    workings: bool = False,
    locale: str = "en",
) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """A function from a batch to the same batch with a column a charge and ``total``; it can be pickled, and keeps nothing.

    With ``errors="return"`` a last column ``problem`` says why a row has no amounts, null where it has. The columns do
    not depend on the rows: an empty batch tells the schema.
    """
    if find_spec("pyarrow") is None or find_spec("numpy") is None:
        raise fail(TariffError, "needs-columns")
    return partial(rate_batch, job(version, period=period, errors=errors, workings=workings, locale=locale))


def rate_batch(work: Job, batch: pa.RecordBatch) -> pa.RecordBatch:
    """FactsError where a row cannot be rated and ``errors`` is ``raise``, or the batch has a column of that name already."""
    import pyarrow as pa

    version = _version(work)
    options: dict[str, Any] = {"period": work.period, "workings": work.workings, "locale": work.locale}
    reasons: dict[str, Any] = {}
    if work.errors == "raise":
        amounts = version.rate(batch, **options)
    else:
        amounts, problems = version.rate(batch, errors="return", **options)
        reasons = {"problem": pa.array(_reasons(problems, batch.num_rows), pa.string())}
    wide = digits_of(work)
    added = {name: _as_array(amounts.column(name), wide[name]) for name in amounts.column_names} | reasons
    taken = [name for name in added if name in batch.schema.names]
    if taken:
        raise fail(FactsError, "column-taken", names=", ".join(taken))
    return pa.RecordBatch.from_arrays([*batch.columns, *added.values()], [*batch.schema.names, *added])


def digits_of(work: Job) -> dict[str, int]:
    from tariffs.rate import digits

    return digits(_version(work).model, workings=work.workings)


def _as_array(column: Any, digits: int) -> Any:
    """One array; amounts that by their bounds fit 18 digits say so, and can be multiplied further."""
    import pyarrow as pa

    whole = column.combine_chunks()
    found = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    return found.cast(pa.decimal128(18, found.type.scale)) if digits <= 18 else found


def _reasons(problems: pa.Table, rows: int) -> list[str | None]:
    """Every reason of a row in one text."""
    found: list[str | None] = [None] * rows
    for problem in problems.to_pylist():
        before = found[problem["row"]]
        found[problem["row"]] = problem["reason"] if before is None else f"{before} | {problem['reason']}"
    return found


# --- files --------------------------------------------------------------------------------------------------------


def rate_files(
    version: api.TariffVersion,
    source: Path | Sequence[Path],
    target: Path,
    *,
    period: api.Period | None = None,
    errors: Literal["raise", "return"] = "raise",
    workings: bool = False,
    locale: str = "en",
    run: Run | None = None,
    progress: Progress = lambda done, files, rows: None,
) -> Manifest:
    """Rate every CSV and Parquet file of a folder, its folders included, or of a list, into files of the same names.

    What an earlier run of the same job finished is kept: same bytes in, and the results as they were written. ``run``
    takes processes of this machine by default; a program that uses it so begins with ``if __name__ == "__main__":``.
    TariffError: nothing is begun, and why; or, after everything else is done, every file that cannot be rated. Only a
    run that finishes every file leaves a manifest.
    """
    if find_spec("pyarrow") is None or find_spec("numpy") is None:
        raise fail(TariffError, "needs-columns")
    sources = manifest.named(source, target)
    work = job(version, period=period, errors=errors, workings=workings, locale=locale)
    described = _described(work, version)
    receipts: list[Receipt] = []
    problems: list[Problem] = []
    with manifest.opened(target, sources, described):
        items = [(name, str(path.resolve())) for name, path in sources.items()]
        for answer in (run or locally())(partial(rate_one, work, str(target.resolve())), items):
            if isinstance(answer, Receipt):
                receipts.append(answer)
            else:
                problems.extend(answer)
            progress(len(receipts), len(sources), sum(receipt.rows for receipt in receipts))
        if problems:
            raise TariffError([*problems, Problem("scale-unfinished", {"done": str(len(receipts)), "files": str(len(sources)), "path": str(target)})])
        assert sorted(receipt.name for receipt in receipts) == sorted(sources), "the engine answered for every file, once"
        return manifest.summed(target, described, receipts)


def _described(work: Job, version: api.TariffVersion) -> dict[str, Any]:
    """What a folder of results is for, as its papers say it. What becomes of bad rows may change between runs."""
    days = None if work.period is None else [str(day) for day in work.period]
    found = {"format": manifest.FORMAT, "software": work.software, "tariff": version.id, "effective": str(version.effective)}
    found |= {"revision": version.revision, "digest": version.digest, "currency": version.currency, "on": str(version.on) if version.on else None}
    return {**found, "period": days, "workings": work.workings}


def rate_one(work: Job, target: str, item: Item) -> Answer:
    """The task: one file, rated aside and moved to its place, or kept where it is finished. It may run again at any time, anywhere."""
    name, source, folder = item[0], Path(item[1]), Path(target)
    aside = folder / manifest.WORK / uuid.uuid4().hex
    try:
        _same_software(work)
        given = manifest.file_of(source)
        kept = manifest.finished(folder, name, given)
        if kept is not None and (work.errors == "return" or not kept.bad):
            return kept
        aside.mkdir(parents=True)
        options: dict[str, Any] = {"errors": work.errors, "workings": work.workings, "locale": work.locale, "threads": 1}  # the pool has one a processor
        done = frames.rate_file(_version(work), source, aside / source.name, period=work.period, **options)
        bad = None if done.bad_path is None else manifest.file_of(done.bad_path)
        receipt = Receipt(name, given, manifest.file_of(done.path), bad, done.rows, done.bad, dict(done.totals))
        manifest.settle(folder, receipt, done.path, done.bad_path)
    except TariffError as error:
        return tuple(problem if problem.where else replace(problem, where=Where(str(source))) for problem in error.problems)
    except OSError as error:
        return (Problem("scale-system", {"reason": error.strerror or type(error).__name__, "path": str(error.filename or "")}, Where(str(source))),)
    finally:
        rmtree(aside, ignore_errors=True)
    return receipt


def _same_software(work: Job) -> None:
    """Workers that compute by another version of this package are found out before they write."""
    found = metadata.version("tariffs")
    if found != work.software:
        raise fail(TariffError, "scale-other-software", found=found, wanted=work.software)


# --- engines ------------------------------------------------------------------------------------------------------


def locally(workers: int | None = None) -> Run:
    """Processes of this machine, one a processor by default. One that dies is replaced and its file begun again."""
    return partial(_run_locally, workers)


def _run_locally(workers: int | None, task: Task, items: Sequence[Item]) -> Iterator[Answer]:
    from tariffs.rate import processors

    count = min(workers or processors(), len(items))
    if count == 1:
        yield from map(task, items)
        return
    waiting, deaths = set(items), 0
    while waiting:
        before = len(waiting)
        for item, answer in _pooled(count, task, sorted(waiting)):
            waiting.discard(item)
            yield answer
        deaths = 0 if len(waiting) < before else deaths + 1
        if deaths == GIVE_UP:
            raise fail(TariffError, "scale-workers-died", count=GIVE_UP, names=", ".join(name for name, _ in sorted(waiting)[:5]))


def _pooled(count: int, task: Task, items: Sequence[Item]) -> Iterator[tuple[Item, Answer]]:
    """What one pool finishes; if a worker dies, that is not everything."""
    pool = ProcessPoolExecutor(count, get_context("spawn"), _begin_worker)
    try:
        futures: dict[Future[Answer], Item] = {pool.submit(task, item): item for item in items}
        for future in as_completed(futures):
            if not isinstance(future.exception(), BrokenProcessPool):
                yield futures[future], future.result()
    except BrokenProcessPool:
        return  # while items were still being handed out
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    """A worker ends with the process that started it, however that ends, and leaves an interruption to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = parent_process()
    assert parent is not None, "a worker has a parent"
    parent.join()
    _exit(1)


def by_dask(client: Any = None) -> Run:
    """Workers of Dask: a ``distributed.Client``, a scheduler's address, or None to start processes of this machine for the run."""
    if find_spec("distributed") is None:
        raise fail(TariffError, "needs-dask")
    return partial(_run_by_dask, client)


def _run_by_dask(given: Any, task: Task, items: Sequence[Item]) -> Iterator[Answer]:
    distributed: Any = import_module("distributed")  # its functions have no types
    with nullcontext(given) if isinstance(given, distributed.Client) else closing(_client(given)) as client:
        futures = client.map(task, items, pure=False)
        names = {future.key: name for future, (name, _) in zip(futures, items, strict=True)}
        try:
            for future in distributed.as_completed(futures):
                yield _answer(future, names[future.key])
        finally:
            client.cancel(futures)


def _answer(future: Any, name: str) -> Answer:
    """What a future holds; what the engine did to it instead, in words."""
    distributed: Any = import_module("distributed")
    try:
        found: Answer = future.result()
    except distributed.KilledWorker:
        raise fail(TariffError, "scale-workers-died", count=GIVE_UP + 1, names=name) from None
    except (CancelledError, distributed.comm.CommClosedError) as error:
        raise fail(TariffError, "scale-cluster-lost", reason=type(error).__name__) from None
    except ImportError as error:
        raise fail(TariffError, "scale-worker-lacks", name=error.name or str(error)) from None
    return found


def _client(address: str | None) -> Any:
    from tariffs.rate import processors

    distributed: Any = import_module("distributed")
    if address is None:
        return distributed.Client(processes=True, n_workers=processors(), threads_per_worker=1, dashboard_address=None)
    try:
        return distributed.Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise fail(TariffError, "scale-no-cluster", address=address, reason=str(error).splitlines()[0]) from None


def by_ray() -> Run:
    """Ray: the cluster this program is connected to (``ray.init``), or what Ray starts itself."""
    if find_spec("ray") is None:
        raise fail(TariffError, "needs-ray")
    return _run_by_ray


def _run_by_ray(task: Task, items: Sequence[Item]) -> Iterator[Answer]:
    ray: Any = import_module("ray")  # only who has it needs it
    remote, shared = ray.remote(_call), ray.put(task)
    waiting = [remote.remote(shared, item) for item in items]
    while waiting:
        done, waiting = ray.wait(waiting)
        yield ray.get(done[0])


def _call(task: Task, item: Item) -> Answer:
    return task(item)
