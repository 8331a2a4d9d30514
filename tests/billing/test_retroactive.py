"""What becomes known later is billed by one correction, to the fen; ``python -m soak retroactive`` does it with 10,000 accounts."""

from __future__ import annotations

import pytest

from soak import retroactive
from soak.kills import place
from soak.retroactive import BEFORE, Wrong, city, less, owed


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_correction_is_full_recompute_less_what_was_issued_and_comes_once(kind: str) -> None:
    with place(kind) as where:
        told = retroactive.correction(where.prepared, 40, 7, lambda _: None)
    assert "differences" in told
    assert "again: nothing" in told


def test_an_amount_that_is_off_by_a_fen_is_found() -> None:
    _, first, _ = city(5, 7)
    right = owed([first], BEFORE)
    off = dict(right)
    off[min(off)] += retroactive.FEN
    assert list(less(off, right).values()) == [retroactive.FEN]
    with pytest.raises(Wrong):
        retroactive._equal("issued", off, right)
