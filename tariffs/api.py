"""The front door: a version that can explain and rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Literal

from tariffs import load as _load
from tariffs import model as m
from tariffs import report
from tariffs.check import Identity, build
from tariffs.errors import Problem
from tariffs.explain import explain_as
from tariffs.load import Rules, as_date
from tariffs.needs import needed
from tariffs.periods import PeriodRating
from tariffs.periods import rate_period as _rate_period

Period = tuple[date | str, date | str]


@dataclass(frozen=True, slots=True)
class Rating(m.Rating):
    """What one set of facts costs, with the reason for every line."""

    def text(self, locale: str = "en") -> str:
        """Every step in words, with its clause, for people."""
        return report.text(self, locale)

    def markdown(self, locale: str = "en") -> str:
        """The same as Markdown."""
        return report.markdown(self, locale)

    def as_json(self) -> dict[str, Any]:
        """The explanation for machines, in the stable format of docs/explanation.md; decimals as text."""
        return report.as_json(self)


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """A checked version. ``on`` is the day it was asked for; ``warnings`` are what the check noticed."""

    model: m.Version
    on: date | None = None
    warnings: tuple[Problem, ...] = ()

    @property
    def id(self) -> str:
        """The tariff's id, ``cn/beijing/kitchen-waste``."""
        return self.model.tariff

    @property
    def effective(self) -> date:
        return self.model.effective

    @property
    def revision(self) -> int:
        return self.model.revision

    @property
    def digest(self) -> str:
        """sha256 of the file's bytes, in hex: what ``sha256sum`` prints."""
        return self.model.digest

    @property
    def status(self) -> str:
        return self.model.status

    @property
    def title(self) -> m.Labels:
        return self.model.title

    @property
    def language(self) -> int:
        return self.model.language

    @property
    def currency(self) -> str:
        return self.model.currency

    @property
    def end(self) -> date | None:
        """The first day it no longer rules: its ``until`` or the next version, None while open."""
        return self.model.end

    @property
    def billable(self) -> bool:
        return self.model.billable

    def explain(self, facts: Mapping[str, object] | None = None, /, *, period: Period | None = None, **more: object) -> Rating:
        """Rate one set of facts, with the reason for every line.

        Numbers are int, str or Decimal in the input's unit; a family is a mapping of members. ``period`` is half-open
        and may be left out: where the rule counts days or months, the whole period that holds ``on`` is taken.
        FactsError names every fact that is missing, unknown, malformed or out of bounds.
        """
        given = {**(facts or {}), **more}
        return explain_as(Rating, self.model, given, self._period(period, given))

    def rate(
        self,
        frame: Any,
        *,
        stage: Any = None,
        period: Period | None = None,
        errors: Literal["raise", "return"] = "raise",
        workings: bool = False,
        locale: str = "en",
        threads: int | None = None,
        engine: Literal["auto", "numpy", "fused"] = "auto",
        narrow: bool = False,
    ) -> Any:
        """Rate a million sets of facts: pandas, Arrow or a mapping of columns in, the same kind out, decimals exact.

        Columns are inputs by full name. The result has one column a charge and ``total``; with ``errors="return"`` it is
        a pair: the result with nulls in bad rows, and a frame of row, input, code and reason (in ``locale``'s language).
        The period is one for all rows, or stands by row in ``period_start`` and ``period_end``; left out, it is the whole
        period that holds ``on``. ``stage``: a frame of the inner stage's rows (account, start, end and its inputs); ``frame`` then has ``account`` too.
        ``threads``: None takes as many as pay for a frame of this size. ``engine``: ``auto`` compiles the version where the rows
        are many enough to pay for it and llvmlite is there; the results depend on neither. ``narrow=True``: amounts that
        always fit 9 digits leave as Arrow's decimal32, 18 as decimal64, a quarter and half of the memory. TariffError: an option that cannot be.
        """
        from tariffs.rate import rate

        by_row = period is None and "period_start" in _names(frame)  # the frame says each row's period itself
        span = None if by_row else self._period(period, {})
        return rate(self.model, frame, stage=stage, period=span, errors=errors, workings=workings, locale=locale, threads=threads, engine=engine, narrow=narrow)

    def _period(self, given: Period | None, facts: Mapping[str, object]) -> tuple[date, date] | None:
        if given is not None:
            return as_date(given[0], "period"), as_date(given[1], "period")
        if self.on is None or not needed(self.model, {}).period:
            return None
        choices = {name: value for name, value in facts.items() if isinstance(value, str) and value in getattr(self.model.choices.get(name), "members", ())}
        if not needed(self.model, choices).period:
            return None
        return period_holding(self.on, self.model.period)


def _names(frame: Any) -> Any:
    """The names of a frame's columns: Arrow, pandas or a mapping."""
    names = getattr(getattr(frame, "schema", None), "names", None)
    return frame.keys() if names is None and hasattr(frame, "keys") else names or ()


def period_holding(day: date, period: str) -> tuple[date, date] | None:
    """The calendar day, month, quarter or year that holds ``day``; None for other periods, which have no calendar."""
    match period:
        case "day":
            return day, date.fromordinal(day.toordinal() + 1)
        case "month":
            return day.replace(day=1), date(day.year + day.month // 12, day.month % 12 + 1, 1)
        case "quarter":
            first = (day.month - 1) // 3 * 3 + 1
            return date(day.year, first, 1), date(day.year + (first + 3) // 13, (first + 2) % 12 + 1, 1)
        case "year":
            return date(day.year, 1, 1), date(day.year + 1, 1, 1)
        case _:
            return None


def load(tariff: str, *, on: date | str, known: date | str | None = None, rules: Rules = None) -> TariffVersion:
    """The version of ``tariff`` in force on ``on``, as known on ``known`` (None: all that is written).

    NotFoundError where there is none; PackError with every problem where its file does not check.
    """
    day = as_date(on, "on")
    version, warnings = _load.find(tariff, day, None if known is None else as_date(known, "known"), rules)
    return TariffVersion(version, day, warnings)


def rate_period(
    tariff: str,
    *,
    period: Period,
    standing: Mapping[str, object] | None = None,
    records: Sequence[m.UsageRecord] = (),
    known: date | str | None = None,
    contract: tuple[date | None, date | None] = (None, None),
    rules: Rules = None,
) -> PeriodRating:
    """What one account owes for ``period``, by every version that rules in it, from its usage records and standing facts.

    Where the period crosses into a new version, or ``contract`` (half-open days) covers only part of it, it is rated in
    parts that add up. ``known`` fixes what was known of versions and records. FactsError says what stops it.
    """
    learnt = None if known is None else as_date(known, "known")
    span = as_date(period[0], "period"), as_date(period[1], "period")
    return _rate_period(_load.history(tariff, learnt, rules), span, standing or {}, records, known=learnt, contract=contract)


def read(file: _load.VersionFile, *, end: date | None = None) -> TariffVersion:
    """The version in one file found by ``versions``."""
    version, warnings = _load.read_file(file, end)
    return TariffVersion(version, None, warnings)


def parse(content: bytes, *, tariff: str, effective: date, revision: int = 1, end: date | None = None, file: str = "") -> TariffVersion:
    """A version from bytes, as an auditor has them from a database: digest and facts reproduce an old rating."""
    version, warnings = _built(bytes(content), Identity(tariff, effective, revision, end), file or f"{tariff}/{effective}.yaml")
    return TariffVersion(version, None, warnings)


_built = lru_cache(maxsize=256)(build)  # a service meets the same few versions again and again
