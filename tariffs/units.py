"""Units: products of powers of names. Identical names cancel in a product, and nothing else happens there.

Conversion is a separate, explicit act (``factor``), between units whose rows match. A row is a set of names that
convert into each other by an exact ratio; every counting unit (bed, household, bag) and currency is a row of its own.
Month and day are different rows on purpose: a month has no fixed number of days.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

F = Fraction

#: row -> name -> how much of the row's first name it is, exactly.
ROWS: Mapping[str, Mapping[str, Fraction]] = {
    "mass": {"t": F(1), "kg": F(1, 1000), "g": F(1, 10**6), "mg": F(1, 10**9), "ug": F(1, 10**12), "lb": F("0.00045359237")},
    "volume": {"m3": F(1), "L": F(1, 1000), "mL": F(1, 10**6), "gal": F("0.003785411784"), "Mgal": F("3785.411784"), "gal_uk": F("0.00454609")},
    "time": {"day": F(1), "h": F(1, 24), "min": F(1, 1440), "s": F(1, 86400)},
    "area": {"m2": F(1)},
    "length": {"km": F(1), "m": F(1, 1000)},
    "energy": {"kWh": F(1), "MJ": F(5, 18), "GJ": F(2500, 9)},
    "calendar": {"month": F(1), "quarter": F(3), "year": F(12)},
    "pure": {"%": F(1, 100)},
    # Scales with an arbitrary zero: they compare and subtract, and their differences are ordinary quantities.
    "temperature": {"degC": F(1)},
    "acidity": {"pH": F(1)},
    "temperature difference": {"delta_degC": F(1)},
    "acidity difference": {"delta_pH": F(1)},
}
#: Names that only compare and subtract, with the unit of their differences.
POINTS: Mapping[str, str] = {"degC": "delta_degC", "pH": "delta_pH"}
#: Things one counts; a version may declare more under ``units:``.
COUNTED = frozenset(
    "account bag bed bin bottle box building clinic connection dwelling employee equivalent household lift load person pickup "
    "piece point registration room sample seat shop stall stop student trip unit vehicle visit".split()
)
_ROW_OF = {name: (row, size) for row, names in ROWS.items() for name, size in names.items()}
#: Longest unit text read; brackets can then not nest deeply.
MAX_CHARACTERS = 200
_WORD = re.compile(r"\s*(?:(?P<name>[A-Za-z%][A-Za-z0-9_]*)|(?P<one>1)|(?P<sign>[*/()^])|(?P<power>[2-9]))")
_NAME = re.compile(r"[A-Za-z%][A-Za-z0-9_]*")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Unit:
    """Powers by name, sorted, none of them 0: CNY/t is (("CNY", 1), ("t", -1)).

    ``text`` is the way it is written in a rule: ``CNY/(bed*day)``; ``1`` for a pure number. It is kept, since every step shows it.
    """

    powers: tuple[tuple[str, int], ...] = ()
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _written(self.powers))

    def __str__(self) -> str:
        return self.text

    def __mul__(self, other: Unit) -> Unit:
        return _product([*self.powers, *other.powers])

    def __truediv__(self, other: Unit) -> Unit:
        return _product([*self.powers, *((name, -power) for name, power in other.powers)])

    @property
    def is_point(self) -> bool:
        """Whether it is a scale with an arbitrary zero (degC, pH)."""
        return len(self.powers) == 1 and self.powers[0][1] == 1 and self.powers[0][0] in POINTS


def _written(powers: tuple[tuple[str, int], ...]) -> str:
    above = [name for name, power in powers for _ in range(power)]
    below = [name for name, power in powers for _ in range(-power)]
    top = "*".join(above) or "1"
    if not below:
        return top
    return f"{top}/{below[0]}" if len(below) == 1 else f"{top}/({'*'.join(below)})"


PURE = Unit()


def _product(powers: Iterable[tuple[str, int]]) -> Unit:
    found: dict[str, int] = {}
    for name, power in powers:
        found[name] = found.get(name, 0) + power
    return Unit(tuple(sorted((name, power) for name, power in found.items() if power)))


def named(name: str) -> Unit:
    """The unit of one name: ``named("CNY")``."""
    return Unit(((name, 1),))


class UnitError(ValueError):
    """A unit text cannot be read; ``word`` is the part that is wrong, ``unknown`` says it is a name nobody declared."""

    def __init__(self, word: str, *, unknown: bool) -> None:
        super().__init__(word)
        self.word, self.unknown = word, unknown


def is_known(name: str, declared: Iterable[str] = ()) -> bool:
    """Whether a name may stand in a unit: a row's name, a counting unit, a currency-like code, or declared."""
    return name in _ROW_OF or name in COUNTED or name in declared or bool(_CURRENCY.fullmatch(name))


def parse_unit(text: str, declared: Iterable[str] = ()) -> Unit:
    """``"CNY/(bed*day)"`` -> Unit. One ``/`` at most per group of brackets; UnitError says which word is wrong."""
    words: list[str] = []
    position = 0
    text = text.rstrip()
    if len(text) > MAX_CHARACTERS:
        raise UnitError(text[:20], unknown=False)
    while position < len(text):
        match = _WORD.match(text, position)
        if match is None:
            raise UnitError(text[position:].strip(), unknown=False)
        words.append(match.group().strip())
        position = match.end()
    unit, rest = _read_product(words, frozenset(declared))
    if rest or not words or len(words) > 100:
        raise UnitError(rest[0] if rest else text, unknown=False)
    return unit


def _read_product(words: list[str], declared: frozenset[str]) -> tuple[Unit, list[str]]:
    unit, words = _read_factor(words, declared)
    while words and words[0] in "*/":
        sign, (factor, words) = words[0], _read_factor(words[1:], declared)
        unit = unit * factor if sign == "*" else unit / factor
        if sign == "/" and words and words[0] in "*/":
            raise UnitError(words[0], unknown=False)  # a/b*c reads two ways: brackets are asked for
    return unit, words


def _read_factor(words: list[str], declared: frozenset[str]) -> tuple[Unit, list[str]]:
    if not words:
        raise UnitError("", unknown=False)
    word, rest = words[0], words[1:]
    if word == "1":
        return PURE, rest
    if word == "(":
        unit, rest = _read_product(rest, declared)
        if not rest or rest[0] != ")":
            raise UnitError("(", unknown=False)
        return unit, rest[1:]
    if not _NAME.fullmatch(word):
        raise UnitError(word, unknown=False)
    if not is_known(word, declared):
        raise UnitError(word, unknown=True)
    if len(rest) >= 2 and rest[0] == "^" and rest[1].isdigit():
        return _product([(word, int(rest[1]))]), rest[2:]
    return named(word), rest


def _rows(unit: Unit) -> tuple[dict[str, int], Fraction]:
    rows: dict[str, int] = {}
    size = Fraction(1)
    for name, power in unit.powers:
        row, one = _ROW_OF.get(name, (f"={name}", Fraction(1)))
        rows[row] = rows.get(row, 0) + power
        size *= one**power
    return {row: power for row, power in rows.items() if power and row != "pure"}, size


def factor(source: Unit, target: Unit) -> Fraction | None:
    """What a number in ``source`` is multiplied by to stand in ``target``; None where they measure different things."""
    if source == target:
        return Fraction(1)
    (rows, size), (other_rows, other_size) = _rows(source), _rows(target)
    return size / other_size if rows == other_rows else None


__all__ = ["COUNTED", "POINTS", "PURE", "ROWS", "Unit", "UnitError", "factor", "is_known", "named", "parse_unit"]
