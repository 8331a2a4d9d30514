"""Random plant-months, taken apart by cause: the shares must add up to the difference of the settlements."""

from __future__ import annotations

import random
import time

from tariffs.decompose import Settlement, decompose
from tests.test_decompose import CONTRACT, NOVEMBER, OCTOBER, OTHER, month


def run(count: int, seed: int) -> None:
    """Decompose ``count`` random pairs of months; prints how many added up and how long they took."""
    chance, begun = random.Random(seed), time.perf_counter()
    for done in range(count):
        before = Settlement(CONTRACT, month(chance), OCTOBER)
        after = Settlement(chance.choice([CONTRACT, OTHER]), month(chance, NOVEMBER), NOVEMBER)
        found = decompose(before, after)
        assert found.before + sum(cause.amount for cause in found.causes) == found.after, (seed, done)
    print(f"{count} plant-months decomposed, every one adds up to the fen; {time.perf_counter() - begun:.0f} s")
