"""A stage is rated row by row and collected: both evaluators agree on random plants, with gaps, and refuse alike."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D
from random import Random
from typing import Any

import pytest

import tariffs
from tests.random_plants import PERIODS, random_rows, random_version

Outcome = dict[str, D] | list[tuple[str, str]]
Period = tuple[date, date]


def by_explain(version: tariffs.TariffVersion, facts: dict[str, Any], period: Period | None) -> Outcome:
    try:
        rating = version.explain(facts, period=period)
    except tariffs.FactsError as error:
        return sorted((problem.code, problem.values.get("name", "")) for problem in error.problems)
    return {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}


def by_rate(version: tariffs.TariffVersion, plants: list[dict[str, Any]], period: Period | None) -> list[Outcome]:
    """All plants as one frame, their rows as another."""
    names = [name for name in plants[0] if name != "stage"]
    frame = {name: [plant[name] for plant in plants] for name in names} | {"account": [f"n{i}" for i in range(len(plants))]}
    rows = [{"account": f"n{i}", **row} for i, plant in enumerate(plants) for row in plant["stage"]]
    stage = {name: [row[name] for row in rows] for name in rows[0]} if rows else None
    result, bad = version.rate(frame, stage=stage, period=period, errors="return", workings=True)
    refused: dict[int, list[tuple[str, str]]] = {}
    for row, code, name in zip(bad["row"], bad["code"], bad["input"], strict=True):
        refused.setdefault(row, []).append((code, name))
    found: list[Outcome] = []
    for row in range(len(plants)):
        amounts = {name: column[row] for name, column in result.items() if column[row] is not None}
        found.append(sorted(refused[row]) if row in refused else amounts)
    return found


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
        for plant, found in zip(plants, by_rate(version, plants, period), strict=True):
            expected = by_explain(version, plant, period)
            assert found == expected, f"seed {seed}: {plant}\n{version.model.content.decode()}"
            rated, refused = rated + isinstance(expected, dict), refused + isinstance(expected, list)
    assert rated > 60
    assert refused > 60
