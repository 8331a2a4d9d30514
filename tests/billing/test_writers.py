"""Many write at once, lose answers and send again: nothing is lost, nothing twice, no number is missing; ``python -m soak writers`` does it for a minute."""

from __future__ import annotations

import pytest

from soak import writers


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_few_writers_at_once_leave_what_they_were_answered(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert writers.soak(kind, 6, 3, 1) == 0, capsys.readouterr().out
    assert "6 clients" in capsys.readouterr().out
