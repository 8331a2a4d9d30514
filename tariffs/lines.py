"""Long lines: one row for every account and amount, made of one column for every charge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

CHARGE, AMOUNT = "charge", "amount"


def as_long(kept: pa.Table, amounts: pa.Table, kind: Any) -> pa.Table:
    """The rows of ``kept`` once for each amount they have, in their order and that of the columns; amounts as decimals of ``kind``."""
    import numpy as np
    import pyarrow as pa

    columns = [_one(amounts.column(name), kind) for name in amounts.column_names]
    words = np.stack([_words(column) for column in columns], axis=1)
    charges = np.arange(len(columns), dtype=np.int8 if len(columns) < 2**7 else np.int32)
    codes: Any = np.broadcast_to(charges, words.shape[:2])
    rows: Any = np.broadcast_to(np.arange(len(words))[:, None], words.shape[:2])
    if any(column.null_count for column in columns):
        valid = np.stack([_valid(column) for column in columns], axis=1)
        words, codes, rows = words[valid], codes[valid], rows[valid]
    memory: Any = np.ascontiguousarray(words).reshape(-1)
    found = pa.Array.from_buffers(kind, rows.size, [None, pa.py_buffer(memory)])
    names: Any = pa.DictionaryArray.from_arrays(pa.array(np.ascontiguousarray(codes).reshape(-1)), pa.array(amounts.column_names))
    long = kept.take(pa.array(np.ascontiguousarray(rows).reshape(-1)))
    return long.append_column(CHARGE, names).append_column(AMOUNT, found)


def common(kinds: Sequence[Any]) -> Any:
    """The decimal type that holds every value of ``kinds``."""
    import pyarrow as pa

    places = max(kind.scale for kind in kinds)
    digits = max(kind.precision - kind.scale for kind in kinds) + places
    for make, most in ((pa.decimal32, 9), (pa.decimal64, 18), (pa.decimal128, 38)):
        if digits <= most:
            return make(most, places)
    return pa.decimal256(76, places)


def _one(column: Any, kind: Any) -> Any:
    """One piece of memory, of the common type."""
    whole = column.combine_chunks()
    return whole if whole.type == kind else whole.cast(kind)


def _words(array: Any) -> Any:
    """The array's own machine words, one row of them a value."""
    import numpy as np

    bits = array.type.bit_width
    count = max(1, bits // 64)
    flat: Any = np.frombuffer(array.buffers()[1] or b"", np.int32 if bits == 32 else np.int64)
    return flat[array.offset * count : (array.offset + len(array)) * count].reshape(-1, count)


def _valid(array: Any) -> Any:
    import numpy as np

    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), np.bool_)
