"""A stage is rated row by row and collected: both evaluators agree on random plants, with gaps, and refuse alike."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal as D
from random import Random
from typing import Any

import pyarrow as pa
import pytest

import tariffs
from tariffs.collect import collect, collect_rows
from tariffs.gather import gather
from tariffs.model import Filled, UsageRecord
from tariffs.units import parse_unit
from tests.random_plants import PERIODS, random_rows, random_version

Outcome = dict[str, D] | list[tuple[str, str]]
Period = tuple[date, date]


def by_explain(version: tariffs.TariffVersion, facts: dict[str, Any], period: Period | None) -> Outcome:
    try:
        rating = version.explain(facts, period=period)
    except tariffs.FactsError as error:
        return sorted((problem.code, problem.values.get("name", "")) for problem in error.problems)
    return {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}


def by_rate(version: tariffs.TariffVersion, plants: list[dict[str, Any]], period: Period | None, engine: Any = "auto") -> list[Outcome]:
    """All plants as one frame, their rows as another."""
    names = [name for name in plants[0] if name != "stage"]
    frame = {name: [plant[name] for plant in plants] for name in names} | {"account": [f"n{i}" for i in range(len(plants))]}
    rows = [{"account": f"n{i}", **row} for i, plant in enumerate(plants) for row in plant["stage"]]
    stage = {name: [row[name] for row in rows] for name in rows[0]} if rows else None
    result, bad = version.rate(frame, stage=stage, period=period, errors="return", workings=True, engine=engine)
    refused: dict[int, list[tuple[str, str]]] = {}
    for row, code, name in zip(bad["row"], bad["code"], bad["input"], strict=True):
        refused.setdefault(row, []).append((code, name))
    found: list[Outcome] = []
    for row in range(len(plants)):
        amounts = {name: column[row] for name, column in result.items() if column[row] is not None}
        found.append(sorted(refused[row]) if row in refused else amounts)
    return found


def compiles(version: tariffs.TariffVersion) -> bool:
    """Whether the stage can be compiled: the mean of the largest is left to NumPy."""
    return all(item.collect.how != "top_mean" for item in version.model.inputs if item.collect and item.collect.of)


@pytest.mark.parametrize("part", range(4))
def test_explain_and_rate_agree_on_random_plants(part: int) -> None:
    rated = refused = 0
    for seed in range(part, 160, 4):
        random = Random(seed)
        version, period = random_version(random), random.choice(PERIODS)
        plants = []
        for _ in range(12):
            rows = random_rows(random, version, period, sound=random.randrange(3) > 0)
            plants.append(
                {"design": random.choice(["1", "40", "77", None]), "kind": random.choice("aab"), "note": random.choice(["0", "3.5", None]), "stage": rows}
            )
        compiled = by_rate(version, plants, period, "fused") if seed % 8 < 4 and compiles(version) else by_rate(version, plants, period)
        for plant, found, again in zip(plants, by_rate(version, plants, period), compiled, strict=True):
            expected = by_explain(version, plant, period)
            assert found == again == expected, f"seed {seed}: {plant}\n{version.model.content.decode()}"
            rated, refused = rated + isinstance(expected, dict), refused + isinstance(expected, list)
    assert rated > 60
    assert refused > 60


# --- collecting ---------------------------------------------------------------------------------------------------


def random_records(random: Random, version: tariffs.TariffVersion, period: Period, account: str, untidy: bool) -> list[dict[str, Any]]:
    """Readings of every measure before and in the period: some days lack one, some are below their limit; untidy ones come in units that do not fit."""
    assert version.model.stage is not None
    days, lossy = (period[1] - period[0]).days, random.choice([0, 1, 4])
    found = []
    for item in [*version.model.stage.inputs, *(i for i in version.model.inputs if i.name == "note")]:
        assert item.collect is not None
        units = ["m3", "L"] if str(item.type.unit) == "m3" else [str(item.type.unit)]
        for day in range(random.choice([-3, 0]), days + 1):
            for point in ("", "p")[: random.choice([1, 1, 2])]:
                if lossy and random.randrange(10) < lossy:
                    continue
                start = period[0] + timedelta(days=day)
                value = random.choice([D(0), D("0.5"), D(3), D("12.5"), D(50), D("49.5")])
                found.append(
                    {
                        "id": f"{account}-{item.full_name}-{day}-{point}",
                        "account": account,
                        "measure": item.collect.measure,
                        "start": start,
                        "end": start + timedelta(days=1),
                        "value": value,
                        "unit": random.choice([*units, "day"]) if untidy and random.randrange(40) == 0 else random.choice(units),
                        "point": point,
                        "below": random.randrange(6) == 0 and (untidy or bool(item.collect.evidence.below_limit)) and item.name != "flow",
                    }
                )
    return found


def as_table(records: list[dict[str, Any]]) -> pa.Table:
    kinds = {"value": pa.decimal128(38, 3), "start": pa.date32(), "end": pa.date32(), "below": pa.bool_()}
    names = ["id", "account", "measure", "start", "end", "value", "unit", "point", "below"]
    return pa.table({name: pa.array([record[name] for record in records], kinds.get(name, pa.string())) for name in names})


@pytest.mark.parametrize("seed", range(80))
def test_rows_are_collected_by_columns_as_gather_collects_them(seed: int) -> None:
    random = Random(seed)
    version, period = random_version(random), random.choice(PERIODS)
    records = [record for account in "AB" for record in random_records(random, version, period, account, untidy=seed % 4 == 0)]
    outer, wrong = collect(version.model, as_table(records), period, accounts=["A", "B"])
    rows, faults = collect_rows(version.model, as_table(records), period, accounts=["A", "B"])
    for account in "AB":
        own = [UsageRecord(**{**record, "unit": parse_unit(record["unit"])}) for record in records if record["account"] == account]
        given, problems = gather(version.model, own, {}, period)
        mine = Counter((p["code"], p["reason"]) for p in [*wrong.to_pylist(), *faults.to_pylist()] if p["account"] == account)
        assert mine == Counter((p.code, p.sentence()) for p in problems)
        if problems:
            continue
        stage = given["stage"]
        assert isinstance(stage, list)
        assert [cleaned(row) for row in rows.to_pylist() if row["account"] == account] == [cleaned(row) for row in stage]
        (row,) = [row for row in outer.to_pylist() if row["account"] == account]
        note = given.get("note")
        how = {"note": note.how} if isinstance(note, Filled) else {}
        assert (row["note"], dict(row.get("filled") or ())) == (note.value if isinstance(note, Filled) else note, how)


def cleaned(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what is empty, so that both ways of leaving something out are one."""
    marks = {"filled": dict(row["filled"])} if row.get("filled") else {}
    return {name: value for name, value in row.items() if name not in ("account", "filled") and value not in (None, "")} | marks


def test_what_is_collected_by_columns_is_rated_as_what_is_gathered() -> None:
    compared = 0
    for seed in range(200, 280):
        random = Random(seed)
        version, period = random_version(random), random.choice(PERIODS)
        records = [record for account in "ABC" for record in random_records(random, version, period, account, untidy=False)]
        outer, wrong = collect(version.model, as_table(records), period, accounts=list("ABC"))
        rows, faults = collect_rows(version.model, as_table(records), period, accounts=list("ABC"))
        frame = outer.append_column("design", pa.array([40] * 3)).append_column("kind", pa.array(["a", "b", "a"]))
        result, _ = version.rate(frame, stage=rows, period=period, errors="return", workings=True)
        troubled = {*wrong["account"].to_pylist(), *faults["account"].to_pylist()}
        for row, account in enumerate("ABC"):
            if account in troubled:
                continue
            own = [UsageRecord(**{**record, "unit": parse_unit(record["unit"])}) for record in records if record["account"] == account]
            given, _ = gather(version.model, own, {"design": 40, "kind": "aba"[row]}, period)
            expected = by_explain(version, given, period)
            found = {name: column[row].as_py() for name, column in zip(result.column_names, result.columns, strict=True) if column[row].is_valid}
            assert found == (expected if isinstance(expected, dict) else {})
            compared += 1
    assert compared > 40
