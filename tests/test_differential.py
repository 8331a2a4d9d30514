"""Two evaluators of one checked expression agree with ``==``: every line, working, total and refusal."""

from __future__ import annotations

import os
from random import Random

import pytest

import tariffs
from soak.differential import compare_one
from soak.packs import compare_pack
from tariffs import rate

SEEDS = int(os.environ.get("DIFFERENTIAL_VERSIONS", "120"))


@pytest.mark.parametrize("part", range(4))
def test_explain_and_rate_agree_on_random_versions_and_facts(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    small = part % 2 == 1
    if small:
        look_at_sizes(monkeypatch)
    used = sum(compare_one(Random(seed), rows=40, faulty=not small or seed % 8 == part, narrow=small) for seed in range(part, SEEDS, 4))
    assert used > SEEDS // 4 // 3, "most random versions check"


def look_at_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are planned for by how large their numbers are, as many are where all can be used."""
    monkeypatch.setattr(rate, "LONG", 1)


@pytest.mark.parametrize("sizes", [False, True])
def test_explain_and_rate_agree_on_every_published_version(sizes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if sizes:
        look_at_sizes(monkeypatch)
    used = sum(compare_pack(file, rows=30, seed=0) for file in tariffs.versions())
    assert used
