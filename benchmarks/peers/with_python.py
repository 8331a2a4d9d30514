"""A plain loop over Decimal objects: what most billing code is. It is also the reference that every other way is held against."""

from __future__ import annotations

from typing import Any

from benchmarks.workloads import Data, Way, decimals, fen_of_objects, head

ROWS = 200_000


def ways(data: Data) -> list[Way]:
    few = head(data, ROWS)
    columns = decimals(few)

    def loop() -> list[Any]:
        amounts = data.work.amounts
        return [amounts(*row) for row in zip(*columns, strict=True)]

    return [Way("Python, a loop over Decimal", "decimal loop", few.rows, loop, lambda found: fen_of_objects(list(zip(*found, strict=True))))]


three_blocks = quota = ways
