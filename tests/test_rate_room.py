"""Buffers that are used again: what one expression or chunk writes, no other finds in its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tariffs
from tariffs.rate import PART


def frame(rows: int) -> pa.Table:
    """Rows of Beijing's quota rule in memory that could be written to."""
    random = np.random.default_rng(5)
    payers: Any = pa.array(random.integers(0, 2, rows).astype(np.int8))
    columns: dict[str, Any] = {"payer": pa.DictionaryArray.from_arrays(payers, pa.array(["quota_unit", "other"]))}
    for name in ("weight", "quota"):
        words: Any = random.integers(0, 20_001, rows)
        columns[name] = pa.Array.from_buffers(pa.decimal64(9, 3), rows, [None, pa.py_buffer(words)])
    return pa.table(columns)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_chunk_does_not_see_the_one_before(threads: int) -> None:
    version = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")
    given = frame(2 * PART + 77)
    before = pa.table({name: pa.array(column.to_pylist(), column.type) for name, column in zip(("weight", "quota"), given.columns[1:], strict=True)})
    found = version.rate(given, engine="numpy", threads=threads)
    parts = [version.rate(given.slice(start, PART // 2), engine="numpy", threads=1) for start in range(0, given.num_rows, PART // 2)]
    assert found.combine_chunks().equals(pa.concat_tables(parts).combine_chunks())
    assert given.select(["weight", "quota"]).combine_chunks().equals(before), "what was given is as it was"
    for row in (0, PART - 1, PART, 2 * PART + 76):
        facts = {name: given.column(name)[row].as_py() for name in given.column_names}
        assert found.column("total")[row].as_py() == version.explain(facts).total
