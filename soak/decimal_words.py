"""The few words a decimal loop is written in: rounding, bands, and what collects a stage's rows.

Written from the language's own description, not from the evaluators it is held against. All of it runs under EXACT, where
losing a digit is an error; only ``round_to`` may lose digits, and says how.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Sequence
from decimal import Decimal

_FAULTS: list[type[decimal.DecimalException]] = [decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow]
EXACT = decimal.Context(prec=300, traps=[*_FAULTS, decimal.Inexact, decimal.FloatOperation])
ROUNDING = decimal.Context(prec=300, traps=[*_FAULTS])
ZERO, ONE = Decimal(0), Decimal(1)
Numbers = Sequence[Decimal | None]


def round_to(x: Decimal, step: Decimal, mode: str) -> Decimal:
    """``x`` to a multiple of ``step``, a power of ten; ``mode`` is one of decimal's."""
    return x.quantize(step, mode, ROUNDING)


def divide(top: Decimal, bottom: Decimal, step: Decimal, mode: str) -> Decimal:
    """``top / bottom`` to a multiple of any ``step``, by the remainder of a whole division."""
    unit = bottom * step
    whole = top // unit  # cut off towards zero
    rest = top - whole * unit
    if rest:
        whole += _carry(whole, 2 * abs(rest) - abs(unit), (top < 0) != (unit < 0), mode)
    return whole * step


def _carry(whole: Decimal, beyond_half: Decimal, negative: bool, mode: str) -> int:
    """What to add to the part before the cut; ``beyond_half`` is below 0, 0 or above where the rest is less than, just or more than half."""
    away = -1 if negative else 1
    if mode == decimal.ROUND_UP:
        return away
    if mode == decimal.ROUND_DOWN:
        return 0
    if mode == decimal.ROUND_CEILING:
        return 0 if negative else 1
    if mode == decimal.ROUND_FLOOR:
        return -1 if negative else 0
    if beyond_half:
        return away if beyond_half > 0 else 0
    if mode == decimal.ROUND_HALF_UP:
        return away
    return away if mode == decimal.ROUND_HALF_EVEN and whole % 2 else 0


def blocks(quantity: Decimal, edges: Sequence[Decimal], rates: Sequence[Decimal]) -> Decimal:
    """What lies above each edge pays the difference to the rate below it."""
    amount = quantity * rates[0]
    for edge, below, above in zip(edges, rates, rates[1:], strict=False):
        if quantity > edge:
            amount += (quantity - edge) * (above - below)
    return amount


def band(quantity: Decimal, edges: Sequence[tuple[Decimal, bool]]) -> int:
    """How many edges the quantity has passed; an inclusive edge still belongs below."""
    passed = 0
    for edge, inclusive in edges:
        if not (quantity <= edge if inclusive else quantity < edge):
            passed += 1
    return passed


def flat(quantity: Decimal, edges: Sequence[tuple[Decimal, bool]], amounts: Sequence[Decimal]) -> Decimal:
    return amounts[band(quantity, edges)]


def whole(quantity: Decimal, edges: Sequence[tuple[Decimal, bool]], rates: Sequence[Decimal]) -> Decimal:
    return quantity * rates[band(quantity, edges)]


def top(count: int, *numbers: Decimal) -> Decimal:
    """The sum of the largest."""
    return total(sorted(numbers)[-count:])


def total(numbers: Iterable[Decimal]) -> Decimal:
    return sum(numbers, ZERO)


# --- a stage's rows -----------------------------------------------------------------------------------------------


def fill(numbers: Numbers, at_most: int, stand_in: Decimal | str, step: Decimal, mode: str) -> list[Decimal] | None:
    """The numbers with gaps filled by a fixed number, the ``previous`` one or the ``mean``; None where that may not or cannot be."""
    gaps = sum(number is None for number in numbers)
    if gaps > at_most:
        return None
    if gaps and stand_in == "mean":
        known = [number for number in numbers if number is not None]
        if not known:
            return None
        stand_in = divide(total(known), Decimal(len(known)), step, mode)
    found: list[Decimal] = []
    for number in numbers:
        if number is not None:
            found.append(number)
        elif isinstance(stand_in, Decimal):
            found.append(stand_in)
        elif found:
            found.append(found[-1])
        else:
            return None
    return found


def mean(numbers: Sequence[Decimal], weights: Sequence[Decimal] | None, step: Decimal, mode: str) -> Decimal | None:
    """None where nothing has a weight."""
    if weights is None:
        return divide(total(numbers), Decimal(len(numbers)), step, mode)
    weight = total(weights)
    return divide(total(n * w for n, w in zip(numbers, weights, strict=True)), weight, step, mode) if weight else None
