"""Accounts for the programs beside this one: invented, the same each time."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def accounts(first: int, rows: int) -> pa.Table:
    numbers = range(first, first + rows)
    return pa.table(
        {
            "account": [f"{number:08}" for number in numbers],
            "payer": ["quota_unit" if number % 2 else "other" for number in numbers],
            "weight": pa.array([Decimal(number % 20_000).scaleb(-3) for number in numbers], pa.decimal128(9, 3)),
            "quota": pa.array([number % 13 for number in numbers]),
        }
    )


def write(folder: Path, files: int, rows: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(files):
        pq.write_table(accounts(n * rows, rows), folder / f"part-{n}.parquet")
