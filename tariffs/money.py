"""Exact decimals: reading them, rounding them by name, and the smallest step of a currency. No float anywhere."""

from __future__ import annotations

import decimal
import re
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from math import gcd

#: Numbers in rules and facts: ASCII digits only, no exponent, no separators.
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
#: Longest number read, digits before and after the point together.
MAX_DIGITS = 30

#: Arithmetic that refuses to lose a digit. Its precision is far beyond what a checked expression can reach
#: (4,000 characters, depth 50, 30 digits a number), so a trap means a fault of ours, never a rounded amount.
EXACT = decimal.Context(
    prec=20_000,
    Emax=decimal.MAX_EMAX,
    Emin=decimal.MIN_EMIN,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation],
)


class Mode(StrEnum):
    """Ways to round, as ``decimal`` defines them: ``half_up`` is away from zero, ``up`` and ``down`` are by magnitude."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    HALF_DOWN = "half_down"
    UP = "up"
    DOWN = "down"
    CEILING = "ceiling"
    FLOOR = "floor"


def read_number(text: str) -> Decimal | None:
    """``"12.50"`` -> Decimal("12.50"); None where it is no plain decimal number or longer than 30 digits."""
    if not NUMBER.fullmatch(text) or len(text) - text.startswith("-") - ("." in text) > MAX_DIGITS:
        return None
    return EXACT.create_decimal(text)


@lru_cache(maxsize=4096)
def places(step: Decimal) -> int:
    """Decimal places needed to write every multiple of ``step``: 0.50 -> 1, 10 -> 0."""
    exponent = EXACT.normalize(step).as_tuple().exponent if step else 0
    assert isinstance(exponent, int)
    return max(0, -exponent)


def show(value: Decimal, at_least: int = 0) -> str:
    """Plain digits, no exponent, trailing zeros dropped down to ``at_least`` places."""
    text = str(value)
    if "E" in text:  # rare, and format() takes three times as long
        text = format(value, "f")
    if not at_least and "." not in text:
        return text
    whole, _, digits = text.partition(".")
    digits = digits.rstrip("0").ljust(at_least, "0")
    return f"{whole}.{digits}" if digits else whole


def common_grid(values: list[Decimal]) -> Decimal:
    """The largest step of which every value is a whole multiple; 0 where all are 0."""
    digits = max((places(value) for value in values), default=0)
    return EXACT.scaleb(Decimal(gcd(*(abs(int(EXACT.scaleb(value, digits))) for value in values))), -digits)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether ``value`` is a whole multiple of ``step`` (0 only of 0)."""
    return value == 0 if step == 0 else EXACT.remainder(value, step) == 0


def round_ratio(numerator: int, denominator: int, mode: Mode) -> int:
    """``numerator / denominator`` to a whole number by ``mode``; the denominator is not 0."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    below, rest = divmod(numerator, denominator)
    if rest == 0:
        return below
    negative = numerator < 0
    toward_zero, away = (below + 1, below) if negative else (below, below + 1)
    match mode:
        case Mode.FLOOR:
            return below
        case Mode.CEILING:
            return below + 1
        case Mode.DOWN:
            return toward_zero
        case Mode.UP:
            return away
    if 2 * rest != denominator:
        return below if 2 * rest < denominator else below + 1
    match mode:
        case Mode.HALF_UP:
            return away
        case Mode.HALF_DOWN:
            return toward_zero
        case Mode.HALF_EVEN:
            return below if below % 2 == 0 else below + 1


def round_fraction(value: Fraction, step: Decimal, mode: Mode) -> Decimal:
    """``value`` to the nearest multiple of ``step`` by ``mode``, exactly."""
    steps = value / Fraction(step)
    return EXACT.multiply(Decimal(round_ratio(steps.numerator, steps.denominator, mode)), step)


def round_to(value: Decimal, step: Decimal, mode: Mode) -> Decimal:
    """``value`` to the nearest multiple of ``step`` by ``mode``: 2.775 to 0.01 half up -> 2.78."""
    (top, above), (bottom, below) = value.as_integer_ratio(), step.as_integer_ratio()
    return EXACT.multiply(Decimal(round_ratio(top * below, above * bottom, mode)), step)


def terminating(factor: Fraction) -> Decimal | None:
    """``factor`` as an exact decimal, or None where its digits never end."""
    rest, digits = factor.denominator, 0
    while rest % 10 == 0:
        rest, digits = rest // 10, digits + 1
    for prime in (2, 5):
        while rest % prime == 0:
            rest, digits = rest // prime, digits + 1
    if rest != 1:
        return None
    return EXACT.normalize(EXACT.scaleb(Decimal(int(factor * 10**digits)), -digits))


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum; 0 where there is nothing to add."""
    found = Decimal(0)
    for value in values:
        found = EXACT.add(found, value)
    return found


def share(total: Decimal, weights: list[int], step: Decimal) -> list[Decimal]:
    """Split ``total`` (a multiple of ``step``) in proportion to ``weights`` by largest remainder; ties go to the earliest."""
    units, whole = int(EXACT.divide(total, step)), sum(weights)
    sign = -1 if units < 0 else 1
    parts = [divmod(abs(units) * weight, whole) for weight in weights]
    left = abs(units) - sum(quotient for quotient, _ in parts)
    first = sorted(range(len(parts)), key=lambda i: (-parts[i][1], i))[:left]
    return [EXACT.multiply(Decimal(sign * (quotient + (i in first))), step) for i, (quotient, _) in enumerate(parts)]


# ISO 4217 currencies whose minor unit is not 1/100 (amendment 177).
_NO_MINOR = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()
_THREE = "BHD IQD JOD KWD LYD OMR TND".split()
_FOUR = "CLF UYW".split()


def currency_step(code: str) -> Decimal | None:
    """The smallest amount of an ISO 4217 currency (CNY -> 0.01, JPY -> 1); None where the code is unknown."""
    from babel import Locale

    if not re.fullmatch("[A-Z]{3}", code) or code not in Locale("en").currencies:
        return None
    digits = 0 if code in _NO_MINOR else 3 if code in _THREE else 4 if code in _FOUR else 2
    return EXACT.scaleb(Decimal(1), -digits)
