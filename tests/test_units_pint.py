"""The unit table agrees with pint, which nobody of us wrote. Test only: pint costs too much to run in the library."""

from fractions import Fraction
from typing import Any

import pint
import pytest

from tariffs.units import POINTS, ROWS

#: Our names where pint has another one.
NAMED = {
    "t": "metric_ton",
    "gal": "US_liquid_gallon",
    "Mgal": "1000000 * US_liquid_gallon",
    "gal_uk": "imperial_gallon",
    "m3": "m**3",
    "m2": "m**2",
    "%": "percent",
}
#: What pint does not know: a quarter is three of its twelve months by definition, and a difference of pH is a bare number to it.
OURS = {"quarter", "delta_pH"}


@pytest.fixture(scope="module")
def registry() -> pint.UnitRegistry[Any]:
    return pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)


@pytest.mark.parametrize(("row", "name"), [(row, name) for row, names in ROWS.items() for name in names if name not in OURS | set(POINTS)])
def test_a_name_is_as_large_as_pint_says(registry: pint.UnitRegistry[Any], row: str, name: str) -> None:
    first = next(iter(ROWS[row])) if row != "pure" else "dimensionless"
    measure = registry.parse_expression(NAMED.get(name, name)) * Fraction(1)
    ratio = Fraction((measure / registry.parse_expression(NAMED.get(first, first))).to("dimensionless").magnitude)
    assert ratio == ROWS[row][name]


def test_rows_do_not_convert_into_each_other_in_pint_either(registry: pint.UnitRegistry[Any]) -> None:
    firsts = [
        NAMED.get(name, name)
        for row, names in ROWS.items()
        if row not in ("calendar", "pure", "acidity", "acidity difference", "temperature")
        for name in [next(iter(names))]
    ]
    for one in firsts:
        for other in firsts:
            if one != other:
                assert not registry.Unit(one).is_compatible_with(other), (one, other)
