"""The sentences of this example, by key, in both languages; and numbers as people read them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from tariffs.messages import catalogue, language_of
from tariffs.money import Mode, round_fraction

_FOLDER = Path(__file__).parent / "locale"


def say(key: str, locale: str, **values: object) -> str:
    """The sentence of ``key``; an unknown key is our fault (KeyError)."""
    return catalogue(_FOLDER, language_of(locale))[key].format(**values)


def money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def signed(amount: Decimal) -> str:
    """A change; none is a bare 0."""
    return f"{amount:+,.2f}" if amount else "0"


def share(part: Decimal, whole: Decimal) -> str:
    """A change in per cent of what was paid, to a tenth of a per cent."""
    found = round_fraction(Fraction(part) * 100 / Fraction(whole), Decimal("0.1"), Mode.HALF_UP)
    return f"{found:+.1f} %" if found else "0.0 %"
