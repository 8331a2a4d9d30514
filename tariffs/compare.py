"""What if: the same accounts by two versions, and who pays more, who less, what comes in and what is paid back.

Both versions rate the same rows by columns; the few rows shown one by one are explained as well, and must agree. Sums
and quantiles are those of whole numbers of the smallest coin: nothing is sampled, nothing is a float. Needs the extra
``columns``, imported only here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from tariffs import bands
from tariffs import model as m
from tariffs.api import Period, Rating, TariffVersion, period_holding
from tariffs.errors import FactsError, Problem, TariffError, fail
from tariffs.load import as_date
from tariffs.money import EXACT, Mode, places, round_fraction
from tariffs.money import total as added
from tariffs.needs import needed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints: TypeAlias = npt.NDArray[Any]
    Mask: TypeAlias = npt.NDArray[np.bool_]

#: Changes told one by one, each way.
LARGEST = 10
#: Bars of the histogram between the first and the 99th hundredth of the changes.
BARS = 30
PERIODS = ("period_start", "period_end")


@dataclass(frozen=True, slots=True)
class Group:
    """One class of payers: ``members`` stand in the order of ``by``, None where the column is empty. Sums are of the rows compared."""

    members: tuple[str | None, ...]
    rows: int
    refused: int
    more: int
    less: int
    old: Decimal
    new: Decimal


@dataclass(frozen=True, slots=True)
class Change:
    """One account's change: ``row`` counts from 0, ``key`` is what the key column says; both ratings tell the reasons."""

    row: int
    key: str
    old: Decimal
    new: Decimal
    before: Rating
    after: Rating


@dataclass(frozen=True, slots=True)
class Refused:
    """Rows that one version (``side`` is ``old`` or ``new``) refuses for one kind of reason; ``reason`` is the first row's."""

    side: str
    code: str
    input: str
    rows: int
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Relief:
    """What a charge of kind ``refund`` pays back on the rows compared, and to how many."""

    name: str
    label: m.Labels
    rows: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Crossing:
    """Rows on another side of an edge than before: ``up`` in a higher band, or where a condition now holds; ``down`` the other way.

    ``old`` and ``new`` are the edges as each version has them; ``change`` is what the rows that crossed pay more.
    """

    charge: str
    label: m.Labels
    kind: str
    about: str
    old: str
    new: str
    up: int
    down: int
    change: Decimal


@dataclass(frozen=True, slots=True)
class Stand:
    """Rows on one side of an edge that only one version (``version`` is ``old`` or ``new``) has, and what they pay by both.

    ``edges`` as the rule has them. Of a band ``side`` counts from 0, of a condition it is 1 where that holds and 0 where not.
    Rows that the charge or the branch with the edge is not for stand on no side.
    """

    version: str
    charge: str
    label: m.Labels
    kind: str
    about: str
    edges: str
    side: int
    rows: int
    old: Decimal
    new: Decimal


@dataclass(frozen=True, slots=True)
class Bar:
    """Changes from ``start`` up to but not including ``end``; None: everything below, or above. Unchanged rows are in none."""

    start: Decimal | None
    end: Decimal | None
    rows: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions over the same rows. ``compared`` rows are those both can rate; all sums but ``*_alone`` are theirs.

    ``old_alone``: what the old version takes from rows only the new one refuses, and ``new_alone`` the other way round.
    ``deciles``: the least change, the nine deciles by nearest rank, the greatest; empty where no row is compared.
    """

    old: m.Version
    new: m.Version
    period: tuple[date, date] | None
    rows: int
    compared: int
    old_total: Decimal
    new_total: Decimal
    more: int
    less: int
    more_sum: Decimal
    less_sum: Decimal
    deciles: tuple[Decimal, ...]
    bars: tuple[Bar, ...]
    by: tuple[str, ...]
    groups: tuple[Group, ...]
    rises: tuple[Change, ...]
    falls: tuple[Change, ...]
    refused: tuple[Refused, ...]
    only_old: int
    only_new: int
    old_alone: Decimal
    new_alone: Decimal
    old_relief: tuple[Relief, ...]
    new_relief: tuple[Relief, ...]
    crossed: tuple[Crossing, ...]
    stands: tuple[Stand, ...]
    target: Decimal | None

    @property
    def same(self) -> int:
        """Rows that pay what they paid."""
        return self.compared - self.more - self.less

    @property
    def difference(self) -> Decimal:
        return EXACT.subtract(self.new_total, self.old_total)


def compare(
    old: TariffVersion,
    new: TariffVersion,
    frame: Any,
    *,
    stage: Any = None,
    by: Sequence[str] = (),
    key: str | None = None,
    target: Decimal | None = None,
    period: Period | None = None,
    locale: str = "en",
    progress: Callable[[str], object] = str,
) -> Comparison:
    """Every row of ``frame`` by both versions: two of one tariff, or two tariffs.

    ``frame`` is what ``rate`` takes, with the columns of both versions; ``by`` and ``key`` name columns of it, choice
    inputs or others. Both rate the same period as if they ruled in it: ``period``, or a row's own in ``period_start``
    and ``period_end``, or, where one is needed, that which holds the day ``new`` was asked for. ``target`` is what has
    to come in for these rows. ``stage``: the rows by day, month or record of contracts that have a stage, given once for
    both; ``frame`` then has ``account``, and its rows are called by account and period. Reasons of refusal are in ``locale``'s language.
    ``progress`` is told ``old`` and ``new`` once all rows are rated by that version.
    TariffError: the two cannot stand beside each other; FactsError: a column is absent or cannot be used.
    """
    if find_spec("pyarrow") is None or find_spec("numpy") is None:
        raise fail(TariffError, "needs-columns")
    _comparable(old, new, target, staged=stage is not None)
    from tariffs import columns

    opened = columns.open_frame(frame, _wanted(old, new, by, key))
    lacking = [name for name in (*by, *([key] if key is not None else [])) if name not in opened.columns]
    if lacking:
        raise FactsError([Problem("compare-column", {"name": name}) for name in lacking])
    return _compared(_work(old, new, opened, stage, period, key, locale), frame, tuple(by), target, progress)


def explained_of(
    old: TariffVersion, new: TariffVersion, frame: Any, account: str, *, stage: Any = None, key: str | None = None, period: Period | None = None
) -> list[Rating]:
    """Both ratings of each row of one account (without ``key``: of the row of that number, from 1; with ``stage``: of all its periods), with every reason."""
    from tariffs import columns

    work = _work(old, new, columns.open_frame(frame, _wanted(old, new, (), key)), stage, period, key, "en")
    rows = [row for row in range(work.frame.rows) if account in (_called(work, row), *([_cell(work, work.key, row)] if work.key else []))]
    if not rows:
        raise fail(FactsError, "compare-explain", key=account)
    return [_explained(work, version, row) for row in rows for version in (old, new)]


def percent(part: Decimal | int, whole: Decimal | int) -> Decimal | None:
    """``part`` in hundredths of ``whole``, to 0.01 half up; None of nothing."""
    return round_fraction(Fraction(part) * 100 / Fraction(whole), Decimal("0.01"), Mode.HALF_UP) if whole else None


def relief(found: Sequence[Relief]) -> Decimal:
    """All that is paid back."""
    return added(one.amount for one in found)


# --- before rating ------------------------------------------------------------------------------------------------


def _comparable(old: TariffVersion, new: TariffVersion, target: Decimal | None, *, staged: bool) -> None:
    problems = []
    for name in ("currency", "direction"):
        one, other = (getattr(version.model, name) for version in (old, new))
        if one != other:
            problems.append(Problem(f"compare-{name}", {"old": f"{old.model.name} ({one})", "new": f"{new.model.name} ({other})"}))
    for version in (old, new):
        if not version.billable:
            problems.append(Problem("compare-not-billable", {"version": version.model.name}))
        if version.model.stage is not None and not staged:
            problems.append(Problem("compare-staged", {"version": version.model.name}))
    if target is not None and target <= 0:
        problems.append(Problem("compare-target", {"value": str(target)}))
    if problems:
        raise TariffError(problems)


def _wanted(old: TariffVersion, new: TariffVersion, by: Sequence[str], key: str | None) -> list[str]:
    """The columns looked at."""
    names = [name for v in (old, new) for name in (*v.model.choices, *(item.full_name for item in v.model.inputs))]
    return list(dict.fromkeys([*names, *by, *([key] if key is not None else []), "account", *PERIODS]))


def _span(old: TariffVersion, new: TariffVersion, period: Period | None, *, by_row: bool) -> tuple[date, date] | None:
    """The one period of all rows, None where rows have their own or nothing counts it."""
    if period is not None:
        return as_date(period[0], "period"), as_date(period[1], "period")
    asks = [version for version in (new, old) if needed(version.model, {}).period]
    return None if by_row or not asks else period_holding(new.on or new.effective, asks[0].model.period)


def _as_if(version: m.Version, *more: m.Charge) -> m.Version:
    """The version as if it had always ruled: what is asked is what it would ask, not whether it did rule."""
    return replace(version, effective=date.min, end=None, charges=(*version.charges, *more))


@dataclass(frozen=True, slots=True)
class _Question:
    """Two versions as if they had always ruled, each with charges that tell the side of its edges: first those both have, then its own."""

    edges: bands.Edges
    old: m.Version
    new: m.Version


@lru_cache(maxsize=64)
def _question(old: m.Version, new: m.Version) -> _Question:
    """Put once, so that what is planned or compiled for it is found again."""
    edges = bands.edges_of(old, new)
    one, other = ((*(pair[place] for pair in edges.shared), *own) for place, own in enumerate((edges.old, edges.new)))
    return _Question(edges, _as_if(old, *(side.probe for side in one)), _as_if(new, *(side.probe for side in other)))


# --- rating and counting ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rated:
    """One side: smallest units a row (0 where refused), where it was rated, refunds by charge with where they apply,
    the side of each edge (-1: not looked at), refusals.
    """

    total: Ints
    good: Mask
    refunds: Mapping[str, tuple[Ints, Mask]]
    sides: Sequence[Ints]
    problems: Sequence[tuple[int, str, str, str]]


@dataclass(frozen=True, slots=True)
class _Work:
    """What every step of one comparison needs."""

    old: TariffVersion
    new: TariffVersion
    frame: Any
    stage: Any
    period: tuple[date, date] | None
    key: str | None
    locale: str


def _work(old: TariffVersion, new: TariffVersion, opened: Any, stage: Any, period: Period | None, key: str | None, locale: str) -> _Work:
    span = _span(old, new, period, by_row=all(name in opened.columns for name in PERIODS))
    return _Work(old, new, opened, stage, span, key if key is not None or stage is None else "account", locale)


def _compared(work: _Work, frame: Any, by: tuple[str, ...], target: Decimal | None, progress: Callable[[str], object]) -> Comparison:
    import numpy as np

    from tariffs import coins

    digits = max(places(version.model.step) for version in (work.old, work.new))
    asked = _question(work.old.model, work.new.model)
    edges, models = asked.edges, (asked.old, asked.new)
    probes = [model.charges[len(version.model.charges) :] for version, model in zip((work.old, work.new), models, strict=True)]
    results = []
    for side, version, model in zip(("old", "new"), (work.old, work.new), models, strict=True):
        results.append(_rate(work, replace(version, on=None, model=model), version, frame))
        progress(side)
    digits = max([digits, *(coins.scale(column) for amounts, _ in results for column in amounts.values())])
    before, after = (
        _read(version.model, own, *result, digits, work.frame.rows) for version, own, result in zip((work.old, work.new), probes, results, strict=True)
    )
    both = before.good & after.good
    change = (after.total - before.total)[both]
    ordered = np.sort(change)
    at = np.flatnonzero(both)
    ups, downs = change > 0, change < 0
    only_old, only_new = before.good & ~after.good, after.good & ~before.good

    def money(units: int) -> Decimal:
        return coins.amount(units, digits)

    return Comparison(
        work.old.model, work.new.model, work.period, work.frame.rows, len(at),
        money(coins.added(before.total[both])), money(coins.added(after.total[both])),
        int(ups.sum()), int(downs.sum()), money(coins.added(change[ups])), money(coins.added(change[downs])),
        tuple(money(value) for value in coins.deciles(ordered)), tuple(Bar(*bar) for bar in coins.bars(ordered[ordered != 0], digits, BARS)),
        by, tuple(_groups(work, by, before, after, both, digits)),
        tuple(_change(work, int(at[i]), before, after, digits) for i in coins.smallest(-change, LARGEST) if change[i] > 0),
        tuple(_change(work, int(at[i]), before, after, digits) for i in coins.smallest(change, LARGEST) if change[i] < 0),
        (*_refused(work, "old", before), *_refused(work, "new", after)),
        int(only_old.sum()), int(only_new.sum()), money(coins.added(before.total[only_old])), money(coins.added(after.total[only_new])),
        tuple(_relief(work.old.model, before, both, digits)), tuple(_relief(work.new.model, after, both, digits)),
        tuple(_crossed(edges.shared, before, after, both, digits)),
        (*_stands("old", edges, before, after, both, digits), *_stands("new", edges, before, after, both, digits)), target,
    )  # fmt: skip


def _rate(work: _Work, asked: TariffVersion, version: TariffVersion, frame: Any) -> tuple[Mapping[str, Any], list[tuple[int, str, str, str]]]:
    """The columns needed, and the problems as rows. FactsError says which version it is that cannot use the columns."""
    from tariffs import columns

    given = None if version.model.stage is None else work.stage
    probes = asked.model.charges[len(version.model.charges) :]
    try:
        amounts, problems = asked.rate(
            frame, stage=given, period=work.period, errors="return", workings=bool(probes), locale=work.locale, narrow=work.frame.kind != "pandas"
        )
    except FactsError as error:
        raise FactsError([Problem("compare-version", {"version": version.model.name}), *error.problems]) from None
    wanted = [
        "total",
        *(charge.full_name for charge in version.model.charges if charge.kind == "refund"),
        *(charge.full_name for charge in asked.model.charges[len(version.model.charges) :]),
    ]
    told = columns.open_frame(problems, ["row", "code", "input", "reason"]).columns
    rows = zip(*(column if isinstance(column, list) else column.to_pylist() for column in told.values()), strict=True)
    return columns.open_frame(amounts, wanted).columns, list(rows)


def _explained(work: _Work, version: TariffVersion, row: int) -> Rating:
    """One row by ``explain``, under the version's own name."""
    facts = {name: value for name in _names(work, version) if (value := _cell(work, name, row)) is not None}
    first, last = _period_of(work, row)
    if version.model.stage is not None:
        facts["stage"] = _stage_rows(work, version.model.stage, _cell(work, "account", row), first, last)
    span = None if first is None or last is None or not needed(version.model, {}).period else (first, last)
    try:
        found = replace(version, on=None, model=_as_if(version.model)).explain(facts, period=span or work.period)
    except FactsError as error:
        raise FactsError([Problem("compare-version", {"version": version.model.name}), *error.problems]) from None
    return replace(found, version=version.model)


def _period_of(work: _Work, row: int) -> tuple[date | None, date | None]:
    """The period of all rows, or this row's own; a file of text has it as text."""
    if work.period is not None:
        return work.period
    first, last = (None if (day := _cell(work, name, row)) is None else as_date(day, name) for name in PERIODS)
    return first, last


def _stage_rows(work: _Work, stage: m.Stage, account: Any, first: Any, last: Any) -> list[dict[str, Any]]:
    """The stage's rows of one account and period, as ``explain`` takes them."""
    import numpy as np

    from tariffs import columns
    from tariffs.intake import value_at, values_of
    from tariffs.periods_in import days_in

    opened = columns.open_frame(work.stage, ["account", "start", "end", "point", *(item.full_name for item in stage.inputs)])
    own = np.array([name == account for name in values_of(opened.columns["account"])], np.bool_)
    if first is not None and last is not None:
        name, shift = ("end", 1) if stage.grain == "record" else ("start", 0)  # a record belongs to the period that holds its last day
        held = days_in(columns.cut(opened.columns[name], 0, opened.rows), name)[0] - shift
        own &= (held >= first.toordinal()) & (held < last.toordinal())
    places_ = np.flatnonzero(own).tolist()
    cells = {name: [column[at] for at in places_] for name, column in opened.columns.items() if name != "account"}
    return [{name: value_at(column, i) for name, column in cells.items()} for i in range(len(places_))]


def _names(work: _Work, version: TariffVersion) -> Iterator[str]:
    return (name for name in (*version.model.choices, *(i.full_name for i in version.model.inputs)) if name in work.frame.columns)


def _cell(work: _Work, name: str, row: int) -> Any:
    from tariffs.intake import value_at

    return value_at(work.frame.columns[name], row) if name in work.frame.columns else None


def _called(work: _Work, row: int) -> str:
    """The row's key, with its period's first day where an account has several; without one its number, from 1."""
    found = None if work.key is None else _cell(work, work.key, row)
    if found is None:
        return str(row + 1)
    return f"{found} {_cell(work, PERIODS[0], row)}" if work.stage is not None and work.period is None else str(found)


def _change(work: _Work, row: int, before: _Rated, after: _Rated, digits: int) -> Change:
    from tariffs import coins

    old, new = (coins.amount(int(side.total[row]), digits) for side in (before, after))
    one, other = (_explained(work, version, row) for version in (work.old, work.new))
    assert (one.total, other.total) == (old, new), "both evaluators agree"
    return Change(row, _called(work, row), old, new, one, other)


def _refused(work: _Work, side: str, rated: _Rated) -> list[Refused]:
    """One entry a code and input (a refusal by the rule: a sentence), most rows first."""
    found: dict[tuple[str, str, str], tuple[set[int], str]] = {}
    for row, code, name, reason in rated.problems:
        found.setdefault((code, name, reason if code == "refused" else ""), (set(), reason))[0].add(row)
    told = [Refused(side, code, name, len(rows), _called(work, min(rows)), reason) for (code, name, _), (rows, reason) in found.items()]
    return sorted(told, key=lambda one: (-one.rows, one.code, one.input, one.reason))


def _groups(work: _Work, by: tuple[str, ...], before: _Rated, after: _Rated, both: Mask, digits: int) -> Iterator[Group]:
    import numpy as np

    from tariffs import coins

    if not by:
        return
    codes = np.zeros(work.frame.rows, np.int64)
    members: list[tuple[str | None, ...]] = [()] if work.frame.rows else []
    for name in by:
        found, values = coins.codes(work.frame.columns[name])
        used, codes = coins.renumbered(codes * len(values) + found, len(members) * len(values))
        members = [(*members[int(code) // len(values)], values[int(code) % len(values)]) for code in used]
    change = after.total - before.total
    counts = [np.bincount(codes[mask], minlength=len(members)) for mask in (both, ~both, both & (change > 0), both & (change < 0))]
    sums = [coins.sums(codes[both], side.total[both], len(members)) for side in (before, after)]
    for place in sorted(range(len(members)), key=lambda i: [_rank(work, name, member) for name, member in zip(by, members[i], strict=True)]):
        rows, refused, more, less = (int(count[place]) for count in counts)
        one, other = (coins.amount(int(amounts[place]), digits) for amounts in sums)
        yield Group(members[place], rows, refused, more, less, one, other)


def _rank(work: _Work, name: str, member: str | None) -> tuple[int, str]:
    """Members of a choice in the order of the rule, anything else by its text, nothing last."""
    order = list(dict.fromkeys(x for v in (work.new, work.old) if name in v.model.choices for x in v.model.choices[name].members))
    return (order.index(member) if member in order else len(order) + (member is None), member or "")


def _read(
    version: m.Version, probes: Sequence[m.Charge], amounts: Mapping[str, Any], problems: list[tuple[int, str, str, str]], digits: int, rows: int
) -> _Rated:
    import numpy as np

    from tariffs import coins

    total, rated = coins.coins_of(amounts["total"], digits)
    bad = np.zeros(rows, np.bool_)
    bad[[row for row, *_ in problems]] = True
    assert np.array_equal(rated, ~bad), "a row has a total or a reason"
    refunds = {charge.full_name: coins.coins_of(amounts[charge.full_name], digits) for charge in version.charges if charge.kind == "refund"}
    sides = [np.where(looked, values, -1) for values, looked in (coins.coins_of(amounts[probe.name], 0) for probe in probes)]
    return _Rated(total, rated, refunds, sides, problems)


def _crossed(edges: Sequence[tuple[bands.Side, bands.Side]], before: _Rated, after: _Rated, both: Mask, digits: int) -> Iterator[Crossing]:
    import numpy as np

    from tariffs import coins

    change = after.total - before.total
    for (old, new), was, now in zip(edges, before.sides, after.sides, strict=False):  # behind those both have stand a version's own
        lowest = 0 if new.kind == "when" else -1  # where the charge does not apply, its condition does not hold
        one, other = np.maximum(was, lowest), np.maximum(now, lowest)
        looked = both & (one >= 0) & (other >= 0)
        up, down = looked & (other > one), looked & (other < one)
        if up.any() or down.any():
            amount = coins.amount(coins.added(change[up | down]), digits)
            yield Crossing(new.charge.full_name, new.charge.label, new.kind, new.about, old.text, new.text, int(up.sum()), int(down.sum()), amount)


def _stands(version: str, edges: bands.Edges, before: _Rated, after: _Rated, both: Mask, digits: int) -> Iterator[Stand]:
    """Each side of the edges that this version has alone, where rows stand on it."""
    import numpy as np

    from tariffs import coins

    own, sides = (edges.old, before.sides) if version == "old" else (edges.new, after.sides)
    for edge, found in zip(own, sides[len(edges.shared) :], strict=True):
        reached = np.maximum(found, 0) if edge.kind == "when" else found  # where the charge does not apply, its condition does not hold
        for side in np.unique(reached[both & (reached >= 0)]).tolist():
            rows = both & (reached == side)
            one, other = (coins.amount(coins.added(rated.total[rows]), digits) for rated in (before, after))
            yield Stand(version, edge.charge.full_name, edge.charge.label, edge.kind, edge.about, edge.text, side, int(rows.sum()), one, other)


def _relief(version: m.Version, side: _Rated, both: Mask, digits: int) -> Iterator[Relief]:
    from tariffs import coins

    for charge in version.charges:
        if charge.kind == "refund":
            amounts, applies = side.refunds[charge.full_name]
            yield Relief(charge.full_name, charge.label, int((applies & both & (amounts != 0)).sum()), coins.amount(coins.added(amounts[both]), digits))
