"""Exact money in pandas: ``import tariffs.pandas`` gives every DataFrame ``df.tariff.rate(...)``.

>>> import pandas as pd
>>> import tariffs.pandas
>>> df = pd.DataFrame({"payer": ["other", "quota_unit"], "tonnes": ["5.001", "12"], "quota": [None, "10"]})
>>> df.tariff.rate("cn/beijing/kitchen-waste", on="2022-10-31", columns={"weight": "tonnes"})["total"].tolist()
[Decimal('1500.30'), Decimal('4200.00')]

Columns are decimals of Arrow, ``decimal128``. Where pandas loses a digit of them without a word (docs/pandas.md lists
where) there is a function here that does not: ``decimals``, ``sums``, ``rounded``, ``divided``, ``shared``. Needs the
``columns`` extra; a core install never imports this module.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from tariffs import api
from tariffs.errors import FactsError, Problem, TariffError, fail
from tariffs.figures import figure
from tariffs.load import Rules
from tariffs.money import EXACT, Mode, is_multiple, places, round_ratio, round_to, share, total
from tariffs.rate import digits

DIGITS = 38  # the most Arrow's decimal128 holds


@pd.api.extensions.register_dataframe_accessor("tariff")
@dataclass(frozen=True, slots=True)
class Tariff:
    """What ``df.tariff`` is."""

    frame: pd.DataFrame

    def rate(
        self,
        tariff: str | api.TariffVersion,
        *,
        on: date | str | None = None,
        known: date | str | None = None,
        rules: Rules = None,
        columns: Mapping[str, Hashable] | None = None,
        prefix: str = "",
        period: api.Period | None = None,
        errors: Literal["raise", "return"] = "raise",
        workings: bool = False,
        locale: str = "en",
    ) -> Any:
        """The frame with a decimal column for every charge, and ``total``, after its own; the index stays.

        ``tariff``: an id and the day ``on``, or a version that is loaded. ``columns``: where the frame calls an input
        otherwise, ``{"weight": "tonnes"}``. ``prefix`` stands before the names of the new columns. With
        ``errors="return"`` a pair: the frame, null where a row cannot be rated, and a frame of the label of the row,
        input, code and reason. FactsError: as in ``TariffVersion.rate``, for a column of floats, and for a name that is
        taken.
        """
        version = _version(tariff, on, known, rules)
        given = _given(self.frame, version, columns or {})
        options: dict[str, Any] = {"period": period, "workings": workings, "locale": locale}
        if errors == "raise":
            return _appended(self.frame, version, version.rate(given, **options), prefix, workings)
        amounts, problems = version.rate(given, errors=errors, **options)
        labels = [self.frame.index[row] for row in problems["row"]]
        return _appended(self.frame, version, amounts, prefix, workings), problems.assign(row=pd.Series(labels, index=problems.index, dtype=object))


def _version(tariff: str | api.TariffVersion, on: date | str | None, known: date | str | None, rules: Rules) -> api.TariffVersion:
    if isinstance(tariff, api.TariffVersion):
        return tariff
    if on is None:
        raise fail(TariffError, "pandas-no-day", tariff=tariff)
    return api.load(tariff, on=on, known=known, rules=rules)


def _given(frame: pd.DataFrame, version: api.TariffVersion, columns: Mapping[str, Hashable]) -> pd.DataFrame:
    """The columns the version may want, under its own names. FactsError: a name that is not there, or a column of floats."""
    inputs = [*version.model.choices, *(item.full_name for item in version.model.inputs), "period_start", "period_end", "account"]
    problems = [Problem("pandas-no-input", {"name": name, "known": ", ".join(inputs)}) for name in columns if name not in inputs]
    problems += [Problem("pandas-no-column", {"name": str(column)}) for column in columns.values() if column not in frame.columns]
    wanted = {name: columns.get(name, name) for name in inputs}
    present = {name: column for name, column in wanted.items() if column in frame.columns}
    twice = [column for column in present.values() if isinstance(frame[column], pd.DataFrame)]
    problems += [Problem("column-twice", {"name": str(column)}) for column in twice]
    floats = [column for column in present.values() if column not in twice and _is_float(frame[column]) and frame[column].notna().any()]
    problems += [Problem("pandas-float", {"name": str(column)}) for column in floats]
    if problems:
        raise FactsError(problems)
    return pd.DataFrame({name: frame[column] for name, column in present.items()}, index=frame.index)


def _is_float(series: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_float_dtype(series.dtype))


def _appended(frame: pd.DataFrame, version: api.TariffVersion, amounts: pd.DataFrame, prefix: str, workings: bool) -> pd.DataFrame:
    """New columns after the old; amounts that by their bounds fit 18 digits say so, or pandas could not multiply them."""
    taken = [prefix + name for name in amounts.columns if prefix + name in frame.columns]
    if taken:
        raise FactsError([Problem("pandas-taken", {"names": ", ".join(taken)})])
    wide = digits(version.model, workings=workings)
    made = {prefix + name: _narrow(amounts[name], wide[name]) for name in amounts.columns}
    return pd.concat([frame, pd.DataFrame(made, index=frame.index)], axis=1)


def _narrow(column: Any, wide: int) -> Any:
    return column.astype(pd.ArrowDtype(pa.decimal128(18, column.dtype.pyarrow_dtype.scale))) if wide <= 18 else column


# --- what pandas does not do exactly ------------------------------------------------------------------------------


def decimals(series: pd.Series[Any], step: str | Decimal | None = None) -> pd.Series[Any]:
    """A column of texts, whole numbers, Decimals as exact decimals, every digit kept; nulls stay.

    ``step`` (``"0.001"``) holds every number to it. With it, and only then, floats are taken, each as the shortest
    number that reads back as it: so 5.001 from a spreadsheet is 5.001, and 0.1 + 0.2 is refused. FactsError names
    the first 20 numbers that are no good.
    """
    grid = None if step is None else Decimal(step)
    if grid is None and _is_float(series) and series.notna().any():
        raise FactsError([Problem("pandas-float", {"name": str(series.name)})])
    problems: list[Problem] = []
    found = [_decimal(value, str(series.name), grid, problems) for value in series.array]
    if problems:
        raise FactsError(problems[:20])
    return _column(found, series, None if grid is None else places(grid))


def _decimal(value: Any, name: str, grid: Decimal | None, problems: list[Problem]) -> Decimal | None:
    if value is None or value is pd.NA or value != value:  # noqa: PLR0124 -- NaN is what differs from itself
        return None
    told = str(value) if grid is not None and pd.api.types.is_float(value) else value
    number = figure(name, told.removesuffix(".0") if isinstance(told, str) else told, problems)
    if number is not None and grid is not None and not is_multiple(number, grid):
        problems.append(Problem("pandas-off-step", {"name": name, "value": str(value), "step": str(grid)}))
    return number


def _column(values: Sequence[Decimal | None], like: pd.Series[Any], scale: int | None = None) -> pd.Series[Any]:
    """As narrow as 18 digits where they suffice; FactsError past 38."""
    fine = max((-min(0, exponent_of(value)) for value in values if value is not None), default=0) if scale is None else scale
    whole = max((len(str(abs(int(value)))) for value in values if value is not None), default=1)
    if whole + fine > DIGITS:
        raise FactsError([Problem("pandas-too-wide", {"name": str(like.name), "digits": str(whole + fine)})])
    kind = pa.decimal128(18 if whole + fine <= 18 else DIGITS, fine)
    array = pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(values, kind)]))
    return pd.Series(array, index=like.index, name=like.name)


def exponent_of(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), "an exact decimal is finite"
    return exponent


def sums(frame: pd.DataFrame, by: Any, columns: Sequence[Hashable] | None = None) -> pd.DataFrame:
    """The exact sum by group of decimal columns (all of them by default); pandas' own wraps past 38 digits without a word."""
    named = [name for name in frame.columns if _is_decimal(frame[name])] if columns is None else list(columns)
    groups: Any = frame.groupby(by, observed=True)
    made = {name: {key: total(_values(part)) for key, part in groups[name]} for name in named}
    index = groups.size().index
    return pd.DataFrame({name: _column([found[key] for key in index], pd.Series(index=index, name=name, dtype=object)) for name, found in made.items()})


def _is_decimal(series: Any) -> bool:
    return isinstance(series, pd.Series) and isinstance(series.dtype, pd.ArrowDtype) and pa.types.is_decimal(series.dtype.pyarrow_dtype)


def _values(series: pd.Series[Any]) -> list[Decimal]:
    return [value for value in _exact(series) if value is not None]


def _exact(series: pd.Series[Any]) -> list[Decimal | None]:
    """Numbers that are exact already; floats are refused."""
    return [None if value is pd.NA else value for value in (series if _is_decimal(series) else decimals(series)).array]


def rounded(series: pd.Series[Any], step: str | Decimal, mode: str = "half_up") -> pd.Series[Any]:
    """To a multiple of ``step`` by a mode of ``decimal``; ``half_up`` is away from zero. pandas rounds half to even."""
    grid, how = Decimal(step), Mode(mode)
    return _column([None if value is None else round_to(value, grid, how) for value in _exact(series)], series, places(grid))


def divided(series: pd.Series[Any], by: pd.Series[Any] | int | str | Decimal, step: str | Decimal, mode: str = "half_up") -> pd.Series[Any]:
    """A quotient, rounded once to a multiple of ``step``; pandas cuts it off. FactsError for a divisor of 0."""
    grid, how = Decimal(step), Mode(mode)
    below = _exact(by) if isinstance(by, pd.Series) else [Decimal(by)] * len(series)
    if any(value == 0 for value in below):
        raise FactsError([Problem("pandas-zero", {"name": str(series.name)})])
    pairs = zip(_exact(series), below, strict=True)
    return _column([None if a is None or b is None else _quotient(a, b, grid, how) for a, b in pairs], series, places(grid))


def _quotient(above: Decimal, below: Decimal, grid: Decimal, mode: Mode) -> Decimal:
    steps = Fraction(above) / Fraction(below) / Fraction(grid)
    return EXACT.multiply(Decimal(round_ratio(steps.numerator, steps.denominator, mode)), grid)


def shared(amount: Decimal | str | int, weights: pd.Series[Any], step: str | Decimal) -> pd.Series[Any]:
    """``amount`` split in proportion to ``weights`` by largest remainder, ties to the earliest row: the parts add up to it."""
    given, whole, grid = _exact(weights), Decimal(amount), Decimal(step)
    if any(value is None or value < 0 for value in given) or not any(given):
        raise FactsError([Problem("pandas-weights", {"name": str(weights.name)})])
    if not is_multiple(whole, grid):
        raise FactsError([Problem("pandas-off-step", {"name": str(weights.name), "value": str(amount), "step": str(grid)})])
    fine = max(-min(0, exponent_of(value)) for value in given if value is not None)
    counts = [int(EXACT.scaleb(value, fine)) for value in given if value is not None]
    return _column(share(whole, counts, grid), weights, places(grid))
