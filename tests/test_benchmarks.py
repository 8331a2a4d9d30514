"""The benchmarks run, on few rows: what is timed is exact, and what is recorded can be read again and shown."""

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import tariffs

pytest.importorskip("pyarrow")
from benchmarks import measure, rate, results, small, table, workloads
from benchmarks import run as bill_run
from benchmarks.results import Figure, Ratio
from soak import kills

ROWS = 2_000
#: What others give is theirs; that these round and compare as the rule has it is what makes their speed worth a comparison.
EXACT = {"ours": "tariffs", "with_duckdb": "duckdb", "with_pyarrow": "pyarrow", "with_pandas": "pandas", "with_python": "decimal", "with_chdb": "chdb"}


@pytest.fixture(scope="module", params=["W1", "W2"])
def work(request: pytest.FixtureRequest) -> tuple[str, workloads.Data]:
    function, make = rate.WORKS[request.param]
    return function, workloads.data(make(), ROWS, seed=1)


def test_the_reference_is_what_explain_gives(work: tuple[str, workloads.Data]) -> None:
    _, data = work
    few = workloads.head(data, 500)
    assert rate.unlike_explain(few, workloads.exact(few)) == 0


@pytest.mark.parametrize("peer", EXACT)
def test_every_exact_way_gives_the_reference_to_the_fen(peer: str, work: tuple[str, workloads.Data]) -> None:
    function, data = work
    if peer == "with_chdb":
        pytest.importorskip("chdb")
    if peer == "ours":
        pytest.importorskip("llvmlite")
    expected = workloads.exact(data)
    ways = getattr(import_module(f"benchmarks.peers.{peer}"), function)(data)
    assert ways
    assert {way.name: workloads.wrong(way.fen(way.run()), expected) for way in ways} == {way.name: 0 for way in ways}


def test_polars_as_naturally_written_is_caught(work: tuple[str, workloads.Data]) -> None:
    """Rows biased to halves of a fen tell the careful from the careless."""
    pytest.importorskip("polars")
    function, data = work
    expected = workloads.exact(data)
    ways = getattr(import_module("benchmarks.peers.with_polars"), function)(data)
    bad = {way.name: (way.group, workloads.wrong(way.fen(way.run()), expected)) for way in ways}
    assert [wrong for group, wrong in bad.values() if group in ("polars int", "polars decimal with care")] == [0] * 5
    assert bad["Polars Decimal, as naturally written"][1] > 0


def test_a_double_is_caught(work: tuple[str, workloads.Data]) -> None:
    pytest.importorskip("openfisca_core")
    function, data = work
    way, usual = getattr(import_module("benchmarks.peers.with_openfisca"), function)(data)
    for one in (way, usual):
        assert workloads.wrong(one.fen(one.run()), workloads.exact(data)) > 0


def test_one_fen_in_one_column_is_one_wrong_invoice() -> None:
    right = [np.array([100, 200, 300]), np.array([1, 2, 3])]
    assert workloads.wrong(right, right) == 0
    assert workloads.wrong([right[0], np.array([1, 2, 4])], right) == 1


def test_a_record_replaces_its_section_and_keeps_the_others(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results.record("rate", {"rows": 1}, file)
    results.record("files", {"rows": 2}, file)
    results.record("rate", {"rows": 3}, file)
    found = json.loads(file.read_text(encoding="utf-8"))
    assert (found["rate"]["rows"], found["files"]["rows"]) == (3, 2)
    assert found["rate"]["machine"]["cores"] >= 1
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_missed_promise_is_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    kept, missed = Ratio("a to b", 3.0, at_least=3), Ratio("c to d", 1.2, at_most=1.1)
    results.conclude("rate", {}, [kept], to_record=False)
    with pytest.raises(SystemExit) as left:
        results.conclude("rate", {}, [kept, missed], to_record=False)
    assert left.value.code == 1
    results.show("title", [Figure("way", 10, 0.5, 0, 10)], [kept, missed])
    assert "MISSED  c to d: at most 1.1" in capsys.readouterr().out


def test_the_table_names_the_fastest_of_a_way_and_every_promise() -> None:
    figures = [
        Figure("DuckDB DECIMAL, own tables, one thread", 1_000_000, 1.0, 0, 200_000),
        Figure("DuckDB DECIMAL, Arrow to Arrow, 2 threads", 1_000_000, 0.5, 7, 200_000),
    ]
    section = {
        "rows": 1_000_000,
        "when": "then",
        "machine": {"cores": 2, "processor": "one"},
        "W1": results.as_data(figures),
        "W2": results.as_data(figures[:1]),
    }
    promise = {"what": "a to b", "value": 0.6, "at_least": 0.7, "at_most": None, "kept": False}
    text = table.written({"rate": section | {"ratios": [promise]}})
    assert "| DuckDB DECIMAL | 2 | 7 | 1 | 0 |" in text
    assert "| a to b | 0.60 | at least 0.7 | **no** |" in text


def test_the_same_results_draw_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figures = table.best(
        results.as_data([Figure("write limit, x, y", 10, 0.1), Figure("tariffs, fused, x, z", 10, 0.2, 0, 10), Figure("other", 10, 3.0, 4, 10)])
    )
    for name in ("a.svg", "b.svg"):
        table.draw(figures, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert list(figures) == ["write limit, x", "tariffs, fused, x", "other"]


def test_the_peak_of_a_process_is_its_own() -> None:
    """Not that of the process that starts it, which may be large."""
    held = bytearray(200 * 2**20)
    held[:: 2**12] = b"x" * (len(held) // 2**12)
    peak = measure.peak_memory(["true"])
    assert 0 < peak < 100 * 2**20


def test_ratios_are_shown_beside_what_is_promised_of_them_if_anything_is(capsys: pytest.CaptureFixture[str]) -> None:
    results.show("title", [], [Ratio("a", 2, at_least=3), Ratio("b", 2, at_least=1, at_most=2), Ratio("c", 2)])
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[2:]]
    assert shown == ["2.00 MISSED a: at least 3", "2.00 kept b: at least 1 and at most 2", "2.00 c"]


def test_a_thousand_rows_of_a_version_never_seen_are_exact_and_compile_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    file = next(file for file in tariffs.versions() if file.tariff == "cn/beijing/kitchen-waste")
    assert small.unseen(file, 0) > 0
    monkeypatch.setattr(small, "ROUNDS", 1)
    assert small.explained(0) > 0


def test_a_run_and_the_copy_beside_it_load_the_same_rows() -> None:
    with kills.place("postgresql") as where:
        kills.prepare(where.prepared, 60, 7)
        times, counts = bill_run._times(where, chunk=25, repeat=1, workers=1, copied=True)
    assert set(times) == {"end to end", "ours", "floor"}
    assert 0 < counts["plain"] < counts["invoices"] <= 60  # some go the general way, which no COPY stands beside
    assert counts["rows"] > 4 * counts["plain"]  # a document, its part, its claim and its lines
