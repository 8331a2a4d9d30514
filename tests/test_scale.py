"""Many files, several at a time: the same bytes whoever works and whatever dies, every finished file kept, totals exact."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tariffs
from tariffs import manifest, scale
from tests.test_cli import tariffs as command

KITCHEN, DAY = "cn/beijing/kitchen-waste", "2022-10-31"
VERSION = tariffs.load(KITCHEN, on=DAY)
ROOT = Path(__file__).parent.parent
FILES = 6


def table(rows: int, first: int = 0) -> pa.Table:
    numbers = range(first, first + rows)
    return pa.table(
        {
            "account": [f"a{n}" for n in numbers],
            "payer": ["quota_unit" if n % 2 else "other" for n in numbers],
            "weight": pa.array([Decimal(n % 20_000).scaleb(-3) for n in numbers], pa.decimal128(9, 3)),
            "quota": [n % 13 for n in numbers],
        }
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "north").mkdir()
    for n in range(FILES):
        pq.write_table(table(3_000, n * 3_000), folder / ("north" if n % 2 else ".") / f"part-{n}.parquet")
    (folder / "south.csv").write_text("payer,weight,quota\nother,5.001,\nother,-1,\nquota_unit,12,10\n", encoding="utf-8")
    (folder / "_SUCCESS").write_text("")
    return folder


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one process makes of it, one file after another."""
    target = tmp_path_factory.mktemp("one") / "out"
    scale.rate_files(VERSION, source, target, errors="return", run=map)
    return content(target)


def content(target: Path) -> dict[str, bytes]:
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in sorted(target.rglob("*")) if path.is_file()}


def codes(call: Callable[[], object]) -> list[str]:
    with pytest.raises(tariffs.TariffError) as caught:
        call()
    return [problem.code for problem in caught.value.problems]


# --- a folder of results ------------------------------------------------------------------------------------------


def test_every_file_is_there_with_its_bad_rows_and_papers(expected: dict[str, bytes]) -> None:
    files = {f"{'north/' if n % 2 else ''}part-{n}.parquet" for n in range(FILES)} | {"south.csv"}
    papers = {"_job.json", "_lock", "_manifest.json", "_bad/south.csv"}
    assert set(expected) == files | {f"_receipts/{name}.json" for name in files} | papers
    assert b"-1 is below 0" in expected["_bad/south.csv"]


def test_the_manifest_adds_up_to_what_plain_decimals_say(source: Path, expected: dict[str, bytes]) -> None:
    found = json.loads(expected["_manifest.json"])
    rows = [row for n in range(FILES) for row in table(3_000, n * 3_000).to_pylist()]
    rows += [{"payer": "other", "weight": Decimal("5.001")}, {"payer": "quota_unit", "weight": Decimal(12), "quota": Decimal(10)}]
    lines = [line for row in rows for line in VERSION.explain({name: row[name] for name in row if name != "account"}).lines]
    assert found["totals"]["total"] == str(sum(line.amount for line in lines))
    assert found["totals"]["quota_fee"] == str(sum(line.amount for line in lines if line.charge.full_name == "quota_fee"))
    assert (found["rows"], found["bad_rows"], len(found["files"])) == (18_003, 1, FILES + 1)
    for file in found["files"]:
        name = file["file"]
        assert file["input"]["sha256"] == hashlib.sha256((source / name).read_bytes()).hexdigest()
        assert file["output"]["sha256"] == hashlib.sha256(expected[name]).hexdigest()
    sums = [sum(Decimal(file["totals"][name]) for file in found["files"]) for name in found["totals"]]
    assert [str(total) for total in sums] == list(found["totals"].values())


def test_a_folder_of_results_reads_as_one_table(source: Path, tmp_path: Path) -> None:
    scale.rate_files(VERSION, sorted(source.rglob("*.parquet")), tmp_path / "out", run=map)
    whole = pq.read_table(tmp_path / "out")
    assert whole.num_rows == FILES * 3_000
    assert whole.schema.field("total").type == pa.decimal128(18, 2)


def counting(done: list[str]) -> scale.Run:
    """An engine that notes which files were rated, not kept."""

    def run(task: scale.Task, items: Sequence[scale.Item]) -> Iterator[scale.Answer]:
        for item in items:
            answer = task(item)
            if not (isinstance(answer, manifest.Receipt) and answer.kept):
                done.append(item[0])
            yield answer

    return run


def test_only_what_is_not_finished_is_done_again(source: Path, tmp_path: Path, expected: dict[str, bytes]) -> None:
    target, done = tmp_path / "out", list[str]()
    again = partial(scale.rate_files, VERSION, source, target, errors="return", run=counting(done))
    again()
    assert len(done) == FILES + 1
    done.clear()
    again()
    assert done == []
    (target / "part-0.parquet").write_bytes(b"damaged")
    (target / "_bad" / "south.csv").unlink()
    (target / "_receipts" / "part-2.parquet.json").write_text("{", encoding="utf-8")
    again()
    assert sorted(done) == ["part-0.parquet", "part-2.parquet", "south.csv"]
    assert content(target) == expected


def test_a_corrected_file_is_rated_again_and_its_bad_rows_go(tmp_path: Path) -> None:
    given, target = tmp_path / "in" / "a.csv", tmp_path / "out"
    given.parent.mkdir()
    given.write_text("payer,weight\nother,5\nother,-1\n", encoding="utf-8")
    first = scale.rate_files(VERSION, given.parent, target, errors="return")
    given.write_text("payer,weight\nother,5\nother,1\n", encoding="utf-8")
    second = scale.rate_files(VERSION, given.parent, target)
    assert (first.totals["total"], first.bad, second.totals["total"], second.bad) == (Decimal("1500.00"), 1, Decimal("1800.00"), 0)
    assert not (target / "_bad" / "a.csv").exists()


def test_a_file_that_cannot_be_rated_is_told_with_its_place_and_the_others_are_kept(source: Path, tmp_path: Path) -> None:
    target, done = tmp_path / "out", list[str]()
    with pytest.raises(tariffs.TariffError) as caught:
        scale.rate_files(VERSION, source, target, run=counting(done))
    *told, last = caught.value.problems
    assert {str(problem.where) for problem in told} == {str(source / "south.csv")}
    assert (last.code, last.values["done"], last.values["files"]) == (
        "scale-unfinished",
        str(FILES),
        str(FILES + 1),
    ) and "a manifest is written only when all are" in last.text("en")
    assert not (target / "_manifest.json").exists()
    done.clear()
    assert scale.rate_files(VERSION, source, target, errors="return", run=counting(done)).bad == 1
    assert done == ["south.csv"]
    assert codes(lambda: scale.rate_files(VERSION, source, target)) == ["file-rows-refused", "below-minimum", "scale-unfinished"]  # kept rows are not forgiven


def test_what_cannot_be_is_refused_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert codes(lambda: scale.rate_files(VERSION, tmp_path, tmp_path / "out")) == ["scale-nested"]
    assert codes(lambda: scale.rate_files(VERSION, source / "nowhere", target)) == ["scale-nothing"]
    assert codes(lambda: scale.rate_files(VERSION, [], target)) == ["scale-nothing"]
    assert codes(lambda: scale.rate_files(VERSION, [source / "south.csv", tmp_path / "South.csv"], target)) == ["scale-twice"] * 2
    assert codes(lambda: scale.rate_files(VERSION, [tmp_path / "a.xlsx", tmp_path / "b.txt"], target)) == ["file-kind"] * 2
    assert not target.exists()
    target.mkdir()
    (target / "letter.csv").write_text("mine", encoding="utf-8")
    assert codes(lambda: scale.rate_files(VERSION, source, target)) == ["scale-foreign"]
    assert (target / "letter.csv").read_text(encoding="utf-8") == "mine"


def test_another_job_or_another_run_keeps_out(source: Path, tmp_path: Path) -> None:
    target, files = tmp_path / "out", [source / "part-0.parquet"]
    scale.rate_files(VERSION, files, target)
    before = content(target)
    older = tariffs.load(KITCHEN, on="2021-10-31")
    assert codes(lambda: scale.rate_files(older, files, target)) == ["scale-other-job"]
    assert codes(lambda: scale.rate_files(VERSION, files, target, workings=True)) == ["scale-other-job"]
    with (target / "_lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert codes(lambda: scale.rate_files(VERSION, files, target)) == ["scale-busy"]
    assert content(target) == before


def test_a_worker_with_other_software_is_found_out(source: Path, tmp_path: Path) -> None:
    work = scale.job(VERSION)
    older = scale.Job("0.0.0", *(getattr(work, name) for name in scale.Job.__slots__[1:]))
    answer = scale.rate_one(older, str(tmp_path), ("part-0.parquet", str(source / "part-0.parquet")))
    assert not isinstance(answer, manifest.Receipt)
    assert [problem.code for problem in answer] == ["scale-other-software"]


# --- engines, and what kills them -----------------------------------------------------------------------------------


def killing(worker: Callable[[], int]) -> scale.Progress:
    """Kills a worker once, when the first file is done."""
    left = [worker]

    def progress(done: int, files: int, rows: int) -> None:
        if left:
            os.kill(left.pop()(), signal.SIGKILL)

    return progress


def test_a_killed_process_of_this_machine_changes_nothing(source: Path, tmp_path: Path, expected: dict[str, bytes]) -> None:
    def worker() -> int:
        import multiprocessing

        return next(child.pid for child in multiprocessing.active_children() if child.pid)

    scale.rate_files(VERSION, source, tmp_path / "out", errors="return", run=scale.locally(2), progress=killing(worker))
    assert content(tmp_path / "out") == expected


def test_a_file_that_kills_every_worker_ends_the_run_with_a_sentence(source: Path, tmp_path: Path) -> None:
    with pytest.raises(tariffs.TariffError) as caught:
        list(scale.locally(2)(_suicide, [("a", ""), ("b", "")]))
    assert [problem.code for problem in caught.value.problems] == ["scale-workers-died"]


def _suicide(item: scale.Item) -> scale.Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(item)


def test_a_killed_worker_of_dask_changes_nothing(source: Path, tmp_path: Path, expected: dict[str, bytes]) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        scale.rate_files(VERSION, source, tmp_path / "out", errors="return", run=scale.by_dask(client), progress=killing(lambda: pids[0]))
        assert content(tmp_path / "out") == expected
        again = scale.rate_files(VERSION, source, tmp_path / "out", errors="return", run=scale.by_dask(client))
        assert all(file.kept for file in again.files)
        assert content(tmp_path / "out") == expected


def test_no_scheduler_no_tasks(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    assert codes(lambda: scale.rate_files(VERSION, source, tmp_path / "out", run=scale.by_dask("nonsense://"))) == ["scale-no-cluster"]


def test_a_killed_command_leaves_no_process_and_goes_on_where_it_was(source: Path, tmp_path: Path, expected: dict[str, bytes]) -> None:
    target = tmp_path / "out"
    slow = "import sys, time\nfrom pathlib import Path\nimport tariffs\nfrom tariffs import scale\n"
    slow += f"version = tariffs.load({KITCHEN!r}, on={DAY!r})\n"
    slow += "scale.rate_files(version, Path(sys.argv[1]), Path(sys.argv[2]), errors='return', run=scale.locally(2), progress=lambda *_: time.sleep(60))\n"
    program = tmp_path / "slow.py"
    program.write_text(slow.replace("scale.rate_files", "if __name__ == '__main__': scale.rate_files"), encoding="utf-8")
    running = subprocess.Popen(
        [sys.executable, str(program), str(source), str(target)], cwd=ROOT, start_new_session=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        wait_for(lambda: len(list((target / "_receipts").rglob("*.json"))) >= 2)
        assert codes(lambda: scale.rate_files(VERSION, source, target, errors="return")) == ["scale-busy"]
    finally:
        running.kill()
        running.wait()
    wait_for(lambda: not alive(running.pid))
    finished = {
        name: (target / name).stat().st_mtime_ns
        for name in (p.relative_to(target / "_receipts").as_posix()[:-5] for p in (target / "_receipts").rglob("*.json"))
    }
    assert not (target / "_manifest.json").exists()
    scale.rate_files(VERSION, source, target, errors="return", run=map)
    assert content(target) == expected
    assert {name: (target / name).stat().st_mtime_ns for name in finished} == finished  # written once


def wait_for(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("never came true")


def alive(session: int) -> bool:
    """Whether a process of this session still runs."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, found = status.read_text(encoding="utf-8").rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(found) == session and state != "Z":
            return True
    return False


# --- batches ------------------------------------------------------------------------------------------------------


def test_the_function_on_batches_travels_and_gives_what_rate_gives() -> None:
    (batch,) = table(500).to_batches()
    rate = pickle.loads(pickle.dumps(scale.rater(VERSION)))
    found = rate(batch)
    assert found.schema.names == [*batch.schema.names, "quota_fee", "plain_fee", "total"]
    assert pa.Table.from_batches([found]).select(["total"]).to_pydict() == VERSION.rate(table(500)).select(["total"]).to_pydict()
    assert rate(batch.slice(0, 0)).schema == found.schema


def test_bad_rows_of_a_batch_say_why_in_a_column_of_their_own() -> None:
    batch = pa.RecordBatch.from_pydict({"payer": ["other", "other", "nobody"], "weight": ["-1", "1", "x"]})
    found = scale.rater(VERSION, errors="return")(batch).to_pydict()
    assert found["total"] == [None, Decimal("300.00"), None]
    assert found["problem"][1] is None
    assert "-1 is below 0" in found["problem"][0]
    assert " | " in found["problem"][2]
    assert scale.rater(VERSION, errors="return")(batch.slice(0, 0)).schema.names == ["payer", "weight", "quota_fee", "plain_fee", "total", "problem"]
    with pytest.raises(tariffs.FactsError) as caught:
        scale.rater(VERSION)(batch)
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems
    taken = batch.slice(1, 1).append_column("total", pa.array([1]))
    assert codes(lambda: scale.rater(VERSION)(taken)) == ["column-taken"]


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_rates_a_folder_and_says_what_it_came_to(source: Path, tmp_path: Path) -> None:
    options = ("scale", KITCHEN, "--on", DAY, source, "-o", tmp_path / "out", "--workers", 1)
    refused = command(*options)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"{source / 'south.csv'}: " in refused.stderr
    done = command(*options, "--errors", "return")
    assert done.returncode == 1  # a row is bad
    assert done.stdout.startswith(f"7 files ({FILES} of them finished before), 18003 rows read, 18002 rated, 1 bad; total ")
    assert "_bad" in done.stderr
    told = json.loads(command(*options, "--errors", "return", "--json").stdout)
    written = json.loads((tmp_path / "out" / manifest.MANIFEST).read_text(encoding="utf-8"))
    assert (told["totals"], told["rows"], told["kept"]) == (written["totals"], 18_003, 7)
    both = command(*options, "--dask", "tcp://127.0.0.1:1")
    assert both.returncode == 2


# --- the programs of examples/, as their readers run them -------------------------------------------------------------


def example(name: str) -> list[str]:
    done = subprocess.run([sys.executable, "-m", f"examples.{name}"], capture_output=True, text=True, cwd=ROOT, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_dask_comes_to_the_same_both_ways() -> None:
    assert example("scale_dask") == ["files 4 rows 40000 total 150867350.00", "rows 40000 total 150867350.00"]


def test_ray_comes_to_the_same_both_ways() -> None:
    pytest.importorskip("ray")
    assert example("scale_ray") == ["files 4 rows 40000 total 150867350.00", "rows 40000 total 150867350.00"]


def test_spark_comes_to_the_same() -> None:
    pytest.importorskip("pyspark")
    assert example("scale_spark")[-1] == "rows 40000 total 150867350.00 refused 0"


def test_what_the_examples_come_to_is_what_rate_says() -> None:
    from examples.scale_accounts import accounts

    rated = [VERSION.rate(accounts(n * 10_000, 10_000)) for n in range(4)]
    assert sum(amount for frame in rated for amount in frame["total"].to_pylist()) == Decimal("150867350.00")
