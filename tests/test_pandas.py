"""pandas: what the guide shows is so, amounts stand where they belong, and nothing passes through a float unasked."""

from __future__ import annotations

import doctest
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tariffs
import tariffs.pandas as exact
from tariffs.money import Mode, round_to

KITCHEN, DAY = "cn/beijing/kitchen-waste", "2022-10-31"
GUIDE = Path(__file__).parent.parent / "docs" / "pandas.md"


def test_every_line_of_the_guide_is_so() -> None:
    told = doctest.testfile(str(GUIDE), module_relative=False)
    assert told.failed == 0
    assert told.attempted > 50
    assert doctest.testmod(exact).failed == 0


def frame(**more: object) -> pd.DataFrame:
    return pd.DataFrame({"payer": ["other", "quota_unit"], "weight": ["5.001", "12"], "quota": [None, "10"], **more}, index=["b", "b"])


def test_columns_are_appended_and_the_index_is_kept_even_where_labels_repeat() -> None:
    rated = frame().tariff.rate(KITCHEN, on=DAY)
    assert rated.index.tolist() == ["b", "b"]
    assert rated.columns.tolist() == ["payer", "weight", "quota", "quota_fee", "plain_fee", "total"]
    assert rated["total"].tolist() == [Decimal("1500.30"), Decimal("4200.00")]
    assert {str(rated[name].dtype) for name in ("quota_fee", "plain_fee", "total")} == {"decimal128(18, 2)[pyarrow]"}


def test_a_version_that_is_loaded_gives_the_same() -> None:
    version = tariffs.load(KITCHEN, on=DAY)
    assert frame().tariff.rate(version).equals(frame().tariff.rate(KITCHEN, on=DAY))


def test_columns_nobody_asked_for_may_repeat_and_those_asked_for_may_not() -> None:
    twice = pd.concat([frame(), pd.DataFrame({"note": ["x", "y"]}, index=["b", "b"]), pd.DataFrame({"note": ["x", "y"]}, index=["b", "b"])], axis=1)
    assert twice.tariff.rate(KITCHEN, on=DAY).columns.tolist()[3:5] == ["note", "note"]
    with pytest.raises(tariffs.FactsError, match="weight"):
        pd.concat([frame(), frame()[["weight"]]], axis=1).tariff.rate(KITCHEN, on=DAY)


def codes(call: object) -> list[str]:
    with pytest.raises(tariffs.TariffError) as caught:
        call()  # type: ignore[operator]
    return [problem.code for problem in caught.value.problems]


def test_what_stands_in_the_way_is_told_at_once() -> None:
    assert codes(lambda: frame(total=[1, 2]).tariff.rate(KITCHEN, on=DAY)) == ["pandas-taken"]
    assert "new_total" in frame(total=[1, 2]).tariff.rate(KITCHEN, on=DAY, prefix="new_")
    assert codes(lambda: frame().tariff.rate(KITCHEN)) == ["pandas-no-day"]
    wrong = {"wieght": "t", "weight": "tonnes"}
    assert codes(lambda: frame().tariff.rate(KITCHEN, on=DAY, columns=wrong)) == ["pandas-no-input", "pandas-no-column", "pandas-no-column"]
    floats = frame().assign(weight=[5.001, 12.0], quota=[float("nan"), 10.0])
    assert codes(lambda: floats.tariff.rate(KITCHEN, on=DAY)) == ["pandas-float", "pandas-float"]


def test_the_cure_for_floats_cures() -> None:
    floats = frame().assign(weight=[5.001, 12.0], quota=[float("nan"), 10.0])
    cured = floats.assign(**{name: exact.decimals(floats[name], step="0.001") for name in ("weight", "quota")})
    assert cured.tariff.rate(KITCHEN, on=DAY)["total"].tolist() == [Decimal("1500.30"), Decimal("4200.00")]


def test_a_refused_row_is_named_by_its_label() -> None:
    given = pd.DataFrame({"payer": ["other", "other"], "weight": ["5", "-1"]}, index=pd.MultiIndex.from_tuples([("n", 1), ("s", 2)]))
    rated, refused = given.tariff.rate(KITCHEN, on=DAY, errors="return")
    assert refused["row"].tolist() == [("s", 2)]
    assert rated["total"].isna().tolist() == [False, True]
    nothing = given[:0].tariff.rate(KITCHEN, on=DAY, errors="return")
    assert [len(part) for part in nothing] == [0, 0]


def test_amounts_survive_what_a_month_does_with_them() -> None:
    rated = pd.concat([frame()] * 3).tariff.rate(KITCHEN, on=DAY)
    by_payer = rated.groupby("payer")["total"].sum()
    assert by_payer.to_dict() == {"other": Decimal("4500.90"), "quota_unit": Decimal("12600.00")}
    assert exact.sums(rated, "payer", ["total"])["total"].to_dict() == by_payer.to_dict()
    assert exact.sums(rated, ["payer", "quota"])["quota_fee"].tolist() == [Decimal("12600.00")]
    assert (rated["total"] * Decimal("1.06")).sum() == Decimal("18126.9540")


def test_decimals_keep_every_digit_and_refuse_what_is_none() -> None:
    long = "1234567890123456789012.12345678"
    assert exact.decimals(pd.Series([long])).tolist() == [Decimal(long)]
    assert codes(lambda: exact.decimals(pd.Series(["1e3", " 1", "1_000", "1.0"]))) == ["not-a-number"] * 3
    assert codes(lambda: exact.decimals(pd.Series([1.5]))) == ["pandas-float"]
    assert codes(lambda: exact.decimals(pd.Series([float("inf"), 1e300]), step="0.1")) == ["not-a-number"] * 2
    assert codes(lambda: exact.decimals(pd.Series(["9" * 30, "0.000000001"]))) == ["pandas-too-wide"]
    assert exact.decimals(pd.Series([None, None], dtype=object)).isna().all()


def test_sums_are_exact_where_those_of_pandas_wrap() -> None:
    kind = pd.ArrowDtype(pa.decimal128(38, 0))
    wide = pd.DataFrame({"k": ["a", "b", "a"], "m": pd.Series([Decimal("5" + "0" * 36), Decimal(1), Decimal("4" + "0" * 36)], dtype=kind)})
    assert exact.sums(wide, "k")["m"].tolist() == [Decimal("9" + "0" * 36), Decimal(1)]
    assert codes(lambda: exact.sums(pd.concat([wide] * 20), "k")) == ["pandas-too-wide"]


@given(st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=20), st.sampled_from(["0.01", "0.05", "1"]), st.sampled_from(list(Mode)))
def test_rounded_is_round_to_row_by_row(values: list[Decimal], step: str, mode: Mode) -> None:
    assert exact.rounded(pd.Series(values, dtype=object), step, mode).tolist() == [round_to(value, Decimal(step), mode) for value in values]


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any))
def test_shares_add_up_and_none_is_a_step_off(cents: int, weights: list[int]) -> None:
    amount = Decimal(cents).scaleb(-2)
    parts = exact.shared(amount, pd.Series(weights), "0.01").tolist()
    assert sum(parts) == amount
    assert all(abs(part * sum(weights) - amount * weight) < Decimal("0.01") * sum(weights) for part, weight in zip(parts, weights, strict=True))


def test_divisors_and_weights_that_cannot_be_are_refused() -> None:
    one = pd.Series(["1"])
    assert codes(lambda: exact.divided(one, 0, "0.01")) == ["pandas-zero"]
    assert codes(lambda: exact.shared("1.00", pd.Series([0, 0]), "0.01")) == ["pandas-weights"]
    assert codes(lambda: exact.shared("1.00", pd.Series([1, -1]), "0.01")) == ["pandas-weights"]
    assert codes(lambda: exact.shared("1.005", one, "0.01")) == ["pandas-off-step"]
    assert exact.divided(pd.Series(["1", None]), pd.Series(["8", "8"]), "0.01").tolist() == [Decimal("0.13"), pd.NA]
