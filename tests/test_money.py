"""Exact decimals, held against Python's own ``decimal`` on values at and around the halves."""

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tariffs.money import EXACT, Mode, common_grid, currency_step, is_multiple, places, read_number, round_ratio, round_to, share, show, terminating, total

STEPS = [Decimal(step) for step in ("0.001", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "10", "100")]
#: Where in a step a value lies: on it, at its half, a hair beside either.
NUDGES = [Decimal(nudge) for nudge in ("0", "0.5", "-0.5", "0.5000001", "0.4999999", "-0.5000001", "-0.4999999", "0.0000001", "-0.0000001", "0.3", "-0.7")]
ORACLE = {
    Mode.HALF_UP: decimal.ROUND_HALF_UP,
    Mode.HALF_EVEN: decimal.ROUND_HALF_EVEN,
    Mode.HALF_DOWN: decimal.ROUND_HALF_DOWN,
    Mode.UP: decimal.ROUND_UP,
    Mode.DOWN: decimal.ROUND_DOWN,
    Mode.CEILING: decimal.ROUND_CEILING,
    Mode.FLOOR: decimal.ROUND_FLOOR,
}


def test_every_mode_has_its_namesake_in_decimal() -> None:
    assert set(ORACLE) == set(Mode)


@pytest.mark.parametrize("mode", list(Mode))
@given(step=st.sampled_from(STEPS), whole=st.integers(-10_000, 10_000) | st.sampled_from([0, 1, -1]), nudge=st.sampled_from(NUDGES))
def test_rounding_does_what_decimal_does(mode: Mode, step: Decimal, whole: int, nudge: Decimal) -> None:
    steps = Decimal(whole) + nudge
    value = EXACT.multiply(steps, step)
    assert round_to(value, step, mode) == EXACT.multiply(steps.to_integral_value(ORACLE[mode]), step)


@pytest.mark.parametrize(
    ("value", "mode", "expected"),
    [
        ("2.775", "half_up", "2.78"),
        ("-2.775", "half_up", "-2.78"),
        ("2.775", "half_even", "2.78"),
        ("2.765", "half_even", "2.76"),
        ("-1.005", "half_up", "-1.01"),
        ("-1.005", "half_down", "-1.00"),
        ("-1.001", "floor", "-1.01"),
        ("-1.009", "ceiling", "-1.00"),
        ("-1.001", "up", "-1.01"),
        ("-1.009", "down", "-1.00"),
    ],
)
def test_half_up_is_away_from_zero_and_up_is_by_magnitude(value: str, mode: str, expected: str) -> None:
    assert round_to(Decimal(value), Decimal("0.01"), Mode(mode)) == Decimal(expected)


@pytest.mark.parametrize("mode", list(Mode))
@given(numerator=st.integers(-(10**20), 10**20), denominator=st.integers(1, 10**10) | st.sampled_from([2, 4, 10]), sign=st.sampled_from([1, -1]))
def test_a_ratio_rounds_to_a_neighbour_whatever_the_sign_of_the_divisor(mode: Mode, numerator: int, denominator: int, sign: int) -> None:
    rounded = round_ratio(numerator, sign * denominator, mode)
    exact = Fraction(numerator, sign * denominator)
    assert abs(rounded - exact) < 1
    if mode.value.startswith("half"):
        assert abs(rounded - exact) <= Fraction(1, 2)


@given(
    units=st.integers(-(10**9), 10**9),
    weights=st.lists(st.integers(0, 40), min_size=1, max_size=12).filter(any),
    step=st.sampled_from(STEPS),
)
def test_what_is_split_adds_up_and_no_part_is_a_step_off(units: int, weights: list[int], step: Decimal) -> None:
    whole = EXACT.multiply(Decimal(units), step)
    parts = share(whole, weights, step)
    assert total(parts) == whole
    for part, weight in zip(parts, weights, strict=True):
        assert is_multiple(part, step)
        assert abs(Fraction(part) - Fraction(whole) * weight / sum(weights)) < Fraction(step)


def test_a_tie_goes_to_the_earliest_part() -> None:
    assert share(Decimal("0.05"), [1, 1, 1], Decimal("0.01")) == [Decimal("0.02"), Decimal("0.02"), Decimal("0.01")]
    assert share(Decimal("-0.05"), [1, 1, 1], Decimal("0.01")) == [Decimal("-0.02"), Decimal("-0.02"), Decimal("-0.01")]
    assert share(Decimal("1.00"), [1, 0, 2], Decimal("0.01")) == [Decimal("0.33"), Decimal(0), Decimal("0.67")]


@given(numerator=st.integers(-(10**12), 10**12), twos=st.integers(0, 12), fives=st.integers(0, 12), other=st.sampled_from([1, 3, 7, 11, 13]))
def test_a_factor_is_a_decimal_exactly_where_its_digits_end(numerator: int, twos: int, fives: int, other: int) -> None:
    factor = Fraction(numerator, 2**twos * 5**fives * other)
    found = terminating(factor)
    rest = factor.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    assert (found is None) == (rest != 1)
    assert found is None or Fraction(found) == factor


@pytest.mark.parametrize("text", ["0", "-0.5", "007", "12.50", "1" * 30])
def test_plain_numbers_are_read(text: str) -> None:
    assert read_number(text) == Decimal(text)


@pytest.mark.parametrize(
    "text", ["", "1e3", "1_000", "1,000", " 1", "1 ", "+1", ".5", "5.", "１２", "٣", "NaN", "Infinity", "--1", "1.2.3", "0x10", "1" * 31, "1\n"]
)
def test_anything_else_is_no_number(text: str) -> None:
    assert read_number(text) is None


def test_numbers_are_shown_without_exponent_and_without_needless_zeros() -> None:
    assert show(Decimal("1E+3")) == "1000"
    assert show(Decimal("1.500")) == "1.5"
    assert show(Decimal("1.5"), 2) == "1.50"
    assert show(Decimal("0.00")) == "0"
    assert show(Decimal("1500.3"), 2) == "1500.30"


def test_places_and_grids() -> None:
    assert [places(Decimal(step)) for step in ("0.50", "10", "0.001", "0", "1E+2")] == [1, 0, 3, 0, 0]
    assert common_grid([Decimal("1.5"), Decimal("0.25"), Decimal(2)]) == Decimal("0.25")
    assert common_grid([Decimal(200), Decimal(300)]) == Decimal(100)
    assert common_grid([Decimal(0)]) == 0
    assert is_multiple(Decimal("0.15"), Decimal("0.05"))
    assert not is_multiple(Decimal("0.151"), Decimal("0.05"))
    assert is_multiple(Decimal(0), Decimal(0))
    assert not is_multiple(Decimal(1), Decimal(0))


def test_a_lost_digit_is_a_trap_not_a_rounded_amount() -> None:
    with pytest.raises(decimal.Inexact):
        EXACT.divide(Decimal(1), Decimal(3))
    with pytest.raises(decimal.FloatOperation):
        EXACT.create_decimal(0.5)


@pytest.mark.parametrize(("code", "step"), [("CNY", "0.01"), ("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001"), ("CLF", "0.0001")])
def test_a_currency_has_its_smallest_amount(code: str, step: str) -> None:
    assert currency_step(code) == Decimal(step)


@pytest.mark.parametrize("code", ["RMB", "cny", "", "CNYX", "¥"])
def test_an_unknown_currency_has_none(code: str) -> None:
    assert currency_step(code) is None
