"""Units: identical names cancel in a product, conversion is explicit, and what reads two ways is refused."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.units import COUNTED, PURE, ROWS, Unit, UnitError, factor, named, parse_unit

NAMES = [name for row in ROWS.values() for name in row] + ["CNY", "bed", "person"]
units = st.dictionaries(st.sampled_from(NAMES), st.integers(-4, 4).filter(bool), max_size=4).map(lambda powers: Unit(tuple(sorted(powers.items()))))


@given(unit=units)
def test_what_is_written_reads_back(unit: Unit) -> None:
    assert parse_unit(str(unit)) == unit


@given(unit=units)
def test_identical_names_cancel(unit: Unit) -> None:
    assert unit / unit == PURE
    assert unit * PURE == unit


def test_only_identical_names_cancel() -> None:
    assert str(parse_unit("t") / parse_unit("kg")) == "t/kg"
    assert str(parse_unit("mg/L") * parse_unit("m3") * parse_unit("CNY/kg")) == "CNY*m3*mg/(L*kg)"


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("t", "kg", Fraction(1000)),
        ("CNY*m3*mg/(L*kg)", "CNY", Fraction(1, 1000)),
        ("lb/gal", "kg/L", Fraction(45359237, 100_000_000) / Fraction(3785411784, 10**9)),
        ("%", "1", Fraction(1, 100)),
        ("year", "month", Fraction(12)),
        ("day", "h", Fraction(24)),
        ("GJ", "kWh", Fraction(2500, 9)),
        ("gal_uk", "L", Fraction("4.54609")),
        ("bed*day", "bed*h", Fraction(24)),
    ],
)
def test_one_exact_factor_within_a_row(source: str, target: str, expected: Fraction) -> None:
    assert factor(parse_unit(source), parse_unit(target)) == expected


@pytest.mark.parametrize(
    ("source", "target"), [("month", "day"), ("t", "m3"), ("bed", "person"), ("CNY", "TWD"), ("degC", "delta_degC"), ("pH", "1"), ("km", "m2")]
)
def test_nothing_converts_between_rows(source: str, target: str) -> None:
    assert factor(parse_unit(source), parse_unit(target)) is None


@given(one=units, other=units)
def test_a_factor_and_its_way_back_are_inverse(one: Unit, other: Unit) -> None:
    there, back = factor(one, other), factor(other, one)
    assert (there is None) == (back is None)
    assert there is None or back is None or there * back == 1


@pytest.mark.parametrize(
    ("text", "word", "unknown"), [("tonne", "tonne", True), ("CNY/tonne", "tonne", True), ("t//kg", "/", False), ("", "", False), ("t kg", "kg", False)]
)
def test_a_word_that_is_no_unit_is_named(text: str, word: str, unknown: bool) -> None:
    with pytest.raises(UnitError) as caught:
        parse_unit(text)
    assert (caught.value.word, caught.value.unknown) == (word, unknown)


@pytest.mark.parametrize("text", ["CNY/t*day", "CNY/t/day", "(t", "t)", "t*", "2*t", "t^x", "吨", "*".join(["t"] * 200)])
def test_what_reads_two_ways_or_not_at_all_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_unit(text)


def test_a_version_may_declare_what_it_counts() -> None:
    assert str(parse_unit("CNY/hoist", declared=["hoist"])) == "CNY/hoist"
    with pytest.raises(UnitError):
        parse_unit("CNY/hoist")


def test_a_name_means_one_thing() -> None:
    assert len([name for row in ROWS.values() for name in row]) == len({name for row in ROWS.values() for name in row})
    assert not COUNTED & {name for row in ROWS.values() for name in row}


def test_scales_with_an_arbitrary_zero_are_known() -> None:
    assert named("degC").is_point
    assert named("pH").is_point
    assert not named("delta_degC").is_point
    assert not parse_unit("CNY/degC").is_point
