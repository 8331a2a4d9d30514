"""Two evaluators of one checked expression agree with ``==``: every line, working, total and refusal."""

from __future__ import annotations

import os
from random import Random

import pytest

import tariffs
from soak.differential import compare_one
from soak.packs import compare_pack

SEEDS = int(os.environ.get("DIFFERENTIAL_VERSIONS", "120"))


@pytest.mark.parametrize("part", range(4))
def test_explain_and_rate_agree_on_random_versions_and_facts(part: int) -> None:
    used = sum(compare_one(Random(seed), rows=40) for seed in range(part, SEEDS, 4))
    assert used > SEEDS // 4 // 3, "most random versions check"


def test_explain_and_rate_agree_on_every_published_version() -> None:
    used = sum(compare_pack(file, rows=30, seed=0) for file in tariffs.versions())
    assert used
