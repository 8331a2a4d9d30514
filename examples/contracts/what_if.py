"""Invented plants for ``tariffs compare`` between two forms of contract: a row a plant and month with the terms of both, and a row a plant and day.

``docs/compare.md`` has the commands.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from examples.contracts.days import Plant, plants, year
from examples.contracts.forms import KG, PRICE

CAP = "1.10"


def tables(count: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """The months and the days of so many plants."""
    months: list[dict[str, Any]] = []
    days: list[dict[str, Any]] = []
    for plant in plants(count, seed):
        terms = _terms(plant)
        for month in year(plant, seed):
            start, end = month.period
            months.append({"account": plant.name, "period_start": start, "period_end": end, **terms})
            days.extend({"account": plant.name, **{name: value for name, value in row.items() if name != "temperature"}} for row in month.rows)
    return pa.Table.from_pylist(months), pa.Table.from_pylist(days)


def _terms(plant: Plant) -> dict[str, str]:
    """What the contracts of a plant register; illustrative prices."""
    return {"design": str(plant.usual), "cap": CAP, **PRICE, **KG}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plants", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--months", type=Path, required=True)
    parser.add_argument("--days", type=Path, required=True)
    given = parser.parse_args()
    for path, table in zip((given.months, given.days), tables(given.plants, given.seed), strict=True):
        pq.write_table(table, path)


if __name__ == "__main__":
    main()
