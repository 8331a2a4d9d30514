"""Random lives of a utility leave what a plain model says; ``python -m soak machine`` lives many more of them."""

from __future__ import annotations

import pytest

from soak import machine


@pytest.mark.parametrize(("kind", "examples", "steps"), [("sqlite", 3, 15), ("postgresql", 1, 8)])
def test_short_lives_agree_with_the_model(kind: str, examples: int, steps: int) -> None:
    machine.STEPS.clear()
    with machine.fresh(kind) as make:
        machine.lives(make, examples, steps, 0)
    assert machine.STEPS["steps"] > examples * steps // 2
