"""The suite fails on seeded faults: here on every ninth, for each takes a run of its own; ``python tests/faults.py`` seeds and prints them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import FAULTS, ROOT, SUITE, Fault, caught_by, copy_of_the_tree, failing

SOME = list(enumerate(FAULTS))[::9]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_tree(tmp_path_factory.mktemp("tree"))


@pytest.mark.parametrize("fault", [fault for _, fault in SOME], ids=[f"{i}-{fault.file}" for i, fault in SOME])
def test_a_seeded_fault_is_caught(fault: Fault, folder: Path) -> None:
    assert caught_by(fault, folder), f"{fault.file}: {fault.old!r} -> {fault.new!r} changes results and nothing notices"


def test_a_copy_without_a_fault_does_not_fail_by_itself(folder: Path) -> None:
    assert failing(folder, SUITE[:3]) == "", "such a copy would catch everything"


def test_every_fault_can_still_be_seeded() -> None:
    moved = [(fault.file, fault.old) for fault in FAULTS if (ROOT / "tariffs" / fault.file).read_text().count(fault.old) != 1]
    assert not moved, "bring these faults up to date"
