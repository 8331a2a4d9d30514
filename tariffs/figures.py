"""One value at a time: is it an exact number, and does it lie where its input says? With the words for what is wrong."""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from tariffs.errors import Problem
from tariffs.model import Input
from tariffs.money import MAX_DIGITS, is_multiple, read_number, show
from tariffs.units import Unit

_SHOWN = 40  # characters of a bad value that are repeated to its author


def flat(given: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Families written out member by member, as columns are named."""
    for name, value in given.items():
        if not isinstance(value, str) and isinstance(value, Mapping):  # most are text, and asking for a mapping is slow
            yield from _members(str(name), (), value)
        else:
            yield str(name), value


def _members(name: str, key: tuple[str, ...], family: Mapping[object, object]) -> Iterator[tuple[str, object]]:
    for member, value in family.items():
        if isinstance(value, Mapping):
            yield from _members(name, (*key, str(member)), value)
        else:
            yield f"{name}[{','.join((*key, str(member)))}]", value


def figure(name: str, value: object, problems: list[Problem]) -> Decimal | None:
    """An exact number, or None and a problem added. Floats are refused: 5.001 has none."""
    if isinstance(value, str):
        number = read_number(value)
    elif isinstance(value, Decimal):
        number = value if value.is_finite() and _is_short(value) else None
    elif isinstance(value, bool):
        number = None
    elif isinstance(value, numbers.Integral):
        number = Decimal(int(value)) if abs(int(value)) < 10**MAX_DIGITS else None
    elif isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        problems.append(Problem("float-fact", {"name": name}))
        return None
    else:
        number = None
    if number is None:
        problems.append(Problem("not-a-number", {"name": name, "value": shown(value)}))
        return None
    return number or Decimal(0)  # one zero: no -0, no 0E+3


def _is_short(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "finite"
    return max(value.adjusted() + 1, 1) + max(-exponent, 0) <= MAX_DIGITS


def shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "10…0"  # str() of a huge int is slow, and refused by Python past 4,300 digits
    text = str(value)
    text = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate goes into no message otherwise


def number_problems(item: Input, value: Decimal) -> list[Problem]:
    """What the input's bounds and step say against ``value``."""
    low, high, grid = item.type.low, item.type.high, item.type.grid
    if low <= value <= high and is_multiple(value, grid):
        return []
    said = {"name": item.full_name, "value": show(value), "unit": written(item.type.unit)}
    found = []
    if value < low:
        found.append(Problem("below-minimum", {**said, "minimum": show(low)}))
    if value > high:
        found.append(Problem("above-maximum", {**said, "maximum": show(high)}))
    if not is_multiple(value, grid):
        found.append(Problem("off-step", {**said, "step": show(grid)}))
    return found


def written(unit: Unit) -> str:
    """A unit behind a number: nothing for a pure one."""
    return str(unit) if unit.powers else ""


def unknown_among(name: str, names: list[str], families: Iterable[str]) -> Problem:
    """Nothing is called ``name``; with the likeliest of ``names`` and ``families`` it could have been, a member where it is a family's own name."""
    folded = {candidate.lower(): candidate for candidate in (*names, *families)}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    if close:
        meant = folded[close[0]]
        if meant == name:
            meant = next((full for full in names if full.startswith(f"{name}[")), name)
        return Problem("unknown-fact-like", {"name": shown(name), "suggestion": meant})
    return Problem("unknown-fact", {"name": shown(name), "names": listed(names)})


def listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:20]) + (", …" if len(found) > 20 else "")
