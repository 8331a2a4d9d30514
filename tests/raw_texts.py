"""Columns of texts that may be no UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def texts(kind: Any, words: Sequence[bytes]) -> Any:
    """A column of texts that nobody looked at, as writers of Parquet make them that take GBK for UTF-8."""
    plain: Any = pa.array(words, pa.large_binary() if kind == pa.large_string() else pa.binary())
    if kind == pa.string_view():
        return plain.cast(pa.binary_view()).view(kind)
    return pa.Array.from_buffers(kind, len(plain), plain.buffers())
