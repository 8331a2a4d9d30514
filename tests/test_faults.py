"""The suite fails on every seeded fault (``python tests/faults.py`` prints them)."""

from __future__ import annotations

import pytest

from tests.faults import FAULTS, Fault, caught_by


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{i}-{fault.file}" for i, fault in enumerate(FAULTS)])
def test_a_seeded_fault_is_caught(fault: Fault) -> None:
    assert caught_by(fault), f"{fault.file}: {fault.old!r} -> {fault.new!r} changes results and nothing notices"
