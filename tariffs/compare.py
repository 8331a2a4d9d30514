"""What if: the same accounts by two versions, and who pays more, who less, what comes in and what is paid back.

Both versions rate the same rows by columns; the few rows shown one by one are explained as well, and must agree. Sums
and quantiles are those of whole numbers of the smallest coin: nothing is sampled, nothing is a float. Needs the extra
``columns``, imported only here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
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
_NARROW = 2**62


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
    by: Sequence[str] = (),
    key: str | None = None,
    target: Decimal | None = None,
    period: Period | None = None,
    locale: str = "en",
) -> Comparison:
    """Every row of ``frame`` by both versions: two of one tariff, or two tariffs.

    ``frame`` is what ``rate`` takes, with the columns of both versions; ``by`` and ``key`` name columns of it, choice
    inputs or others. Both rate the same period as if they ruled in it: ``period``, or a row's own in ``period_start``
    and ``period_end``, or, where one is needed, that which holds the day ``new`` was asked for. ``target`` is what has
    to come in for these rows. Reasons of refusal are in ``locale``'s language.
    TariffError: the two cannot stand beside each other; FactsError: a column is absent or cannot be used.
    """
    if find_spec("pyarrow") is None or find_spec("numpy") is None:
        raise fail(TariffError, "needs-columns")
    _comparable(old, new, target)
    from tariffs import columns

    opened = columns.open_frame(frame, _wanted(old, new, by, key))
    lacking = [name for name in (*by, *([key] if key is not None else [])) if name not in opened.columns]
    if lacking:
        raise FactsError([Problem("compare-column", {"name": name}) for name in lacking])
    return _compared(_work(old, new, opened, period, key, locale), frame, tuple(by), target)


def explained_of(old: TariffVersion, new: TariffVersion, frame: Any, account: str, *, key: str | None = None, period: Period | None = None) -> list[Rating]:
    """Both ratings of each row of one account (without ``key``: of the row of that number, from 1), with every reason."""
    from tariffs import columns

    work = _work(old, new, columns.open_frame(frame, _wanted(old, new, (), key)), period, key, "en")
    rows = [row for row in range(work.frame.rows) if _called(work, row) == account]
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


def _comparable(old: TariffVersion, new: TariffVersion, target: Decimal | None) -> None:
    problems = []
    for name in ("currency", "direction"):
        one, other = (getattr(version.model, name) for version in (old, new))
        if one != other:
            problems.append(Problem(f"compare-{name}", {"old": f"{old.model.name} ({one})", "new": f"{new.model.name} ({other})"}))
    for version in (old, new):
        if not version.billable:
            problems.append(Problem("compare-not-billable", {"version": version.model.name}))
        if version.model.stage is not None:
            problems.append(Problem("compare-staged", {"version": version.model.name}))
    if target is not None and target <= 0:
        problems.append(Problem("compare-target", {"value": str(target)}))
    if problems:
        raise TariffError(problems)


def _wanted(old: TariffVersion, new: TariffVersion, by: Sequence[str], key: str | None) -> list[str]:
    """The columns looked at."""
    names = [name for v in (old, new) for name in (*v.model.choices, *(item.full_name for item in v.model.inputs))]
    return list(dict.fromkeys([*names, *by, *([key] if key is not None else []), *PERIODS]))


def _span(old: TariffVersion, new: TariffVersion, period: Period | None, *, by_row: bool) -> tuple[date, date] | None:
    """The one period of all rows, None where rows have their own or nothing counts it."""
    if period is not None:
        return as_date(period[0], "period"), as_date(period[1], "period")
    asks = [version for version in (new, old) if needed(version.model, {}).period]
    return None if by_row or not asks else period_holding(new.on or new.effective, asks[0].model.period)


def _as_if(version: TariffVersion, *more: m.Charge) -> TariffVersion:
    """The version as if it had always ruled: what is asked is what it would ask, not whether it did rule."""
    return replace(version, on=None, model=replace(version.model, effective=date.min, end=None, charges=(*version.model.charges, *more)))


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
    period: tuple[date, date] | None
    key: str | None
    locale: str


def _work(old: TariffVersion, new: TariffVersion, opened: Any, period: Period | None, key: str | None, locale: str) -> _Work:
    span = _span(old, new, period, by_row=all(name in opened.columns for name in PERIODS))
    return _Work(old, new, opened, span, key, locale)


def _compared(work: _Work, frame: Any, by: tuple[str, ...], target: Decimal | None) -> Comparison:
    import numpy as np

    digits = max(places(version.model.step) for version in (work.old, work.new))
    edges = bands.shared(work.old.model, work.new.model)
    probes = [side.probe for side, _ in edges], [side.probe for _, side in edges]
    results = [_rate(work, version, frame, own) for version, own in zip((work.old, work.new), probes, strict=True)]
    digits = max([digits, *(_scale(column) for amounts, _ in results for column in amounts.values())])
    before, after = (
        _read(version.model, own, *result, digits, work.frame.rows) for version, own, result in zip((work.old, work.new), probes, results, strict=True)
    )
    both = before.good & after.good
    change = _minus(after.total, before.total)[both]
    at = np.flatnonzero(both)
    ups, downs = change > 0, change < 0
    only_old, only_new = before.good & ~after.good, after.good & ~before.good

    def coins(amount: int) -> Decimal:
        return _decimal(amount, digits)

    return Comparison(
        work.old.model, work.new.model, work.period, work.frame.rows, len(at),
        coins(_sum(before.total[both])), coins(_sum(after.total[both])),
        int(ups.sum()), int(downs.sum()), coins(_sum(change[ups])), coins(_sum(change[downs])),
        tuple(coins(value) for value in _deciles(change)), tuple(_bars(change, digits)),
        by, tuple(_groups(work, by, before, after, both, digits)),
        tuple(_change(work, int(at[i]), before, after, digits) for i in _first(-change, LARGEST) if change[i] > 0),
        tuple(_change(work, int(at[i]), before, after, digits) for i in _first(change, LARGEST) if change[i] < 0),
        (*_refused(work, "old", before), *_refused(work, "new", after)),
        int(only_old.sum()), int(only_new.sum()), coins(_sum(before.total[only_old])), coins(_sum(after.total[only_new])),
        tuple(_relief(work.old.model, before, both, digits)), tuple(_relief(work.new.model, after, both, digits)),
        tuple(_crossed(edges, before, after, both, digits)), target,
    )  # fmt: skip


def _rate(work: _Work, version: TariffVersion, frame: Any, probes: Sequence[m.Charge]) -> tuple[Mapping[str, Any], list[tuple[int, str, str, str]]]:
    """The columns needed, and the problems as rows. FactsError says which version it is that cannot use the columns."""
    from tariffs import columns

    try:
        amounts, problems = _as_if(version, *probes).rate(frame, period=work.period, errors="return", workings=bool(probes), locale=work.locale)
    except FactsError as error:
        raise FactsError([Problem("compare-version", {"version": version.model.name}), *error.problems]) from None
    wanted = ["total", *(charge.full_name for charge in version.model.charges if charge.kind == "refund"), *(probe.name for probe in probes)]
    told = columns.open_frame(problems, ["row", "code", "input", "reason"]).columns
    rows = zip(*(column if isinstance(column, list) else column.to_pylist() for column in told.values()), strict=True)
    return columns.open_frame(amounts, wanted).columns, list(rows)


def _explained(work: _Work, version: TariffVersion, row: int) -> Rating:
    """One row by ``explain``, under the version's own name."""
    facts = {name: value for name in _names(work, version) if (value := _cell(work, name, row)) is not None}
    first, last = (_cell(work, name, row) for name in PERIODS) if work.period is None else work.period
    asked = first is not None and last is not None and bool(needed(version.model, {}).period)
    try:
        found = _as_if(version).explain(facts, period=(first, last) if asked else work.period)
    except FactsError as error:
        raise FactsError([Problem("compare-version", {"version": version.model.name}), *error.problems]) from None
    return replace(found, version=version.model)


def _names(work: _Work, version: TariffVersion) -> Iterator[str]:
    return (name for name in (*version.model.choices, *(i.full_name for i in version.model.inputs)) if name in work.frame.columns)


def _cell(work: _Work, name: str, row: int) -> Any:
    if name not in work.frame.columns:
        return None
    found = work.frame.columns[name][row]
    return found.as_py() if hasattr(found, "as_py") else found


def _called(work: _Work, row: int) -> str:
    """The row's key; without one its number, from 1."""
    found = None if work.key is None else _cell(work, work.key, row)
    return str(row + 1) if found is None else str(found)


def _change(work: _Work, row: int, before: _Rated, after: _Rated, digits: int) -> Change:
    old, new = (_decimal(int(side.total[row]), digits) for side in (before, after))
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

    if not by:
        return
    codes = np.zeros(work.frame.rows, np.int64)
    members: list[tuple[str | None, ...]] = [()] if work.frame.rows else []
    for name in by:
        found, values = _codes(work.frame.columns[name])
        used, codes = np.unique(codes * len(values) + found, return_inverse=True)
        members = [(*members[int(code) // len(values)], values[int(code) % len(values)]) for code in used]
    change = _minus(after.total, before.total)
    counts = [np.bincount(codes[mask], minlength=len(members)) for mask in (both, ~both, both & (change > 0), both & (change < 0))]
    sums = [_sums(codes[both], side.total[both], len(members)) for side in (before, after)]
    for place in sorted(range(len(members)), key=lambda i: [_rank(work, name, member) for name, member in zip(by, members[i], strict=True)]):
        rows, refused, more, less = (int(count[place]) for count in counts)
        one, other = (_decimal(int(amounts[place]), digits) for amounts in sums)
        yield Group(members[place], rows, refused, more, less, one, other)


def _rank(work: _Work, name: str, member: str | None) -> tuple[int, str]:
    """Members of a choice in the order of the rule, anything else by its text, nothing last."""
    order = list(dict.fromkeys(x for v in (work.new, work.old) if name in v.model.choices for x in v.model.choices[name].members))
    return (order.index(member) if member in order else len(order) + (member is None), member or "")


def _read(
    version: m.Version, probes: Sequence[m.Charge], amounts: Mapping[str, Any], problems: list[tuple[int, str, str, str]], digits: int, rows: int
) -> _Rated:
    import numpy as np

    total, rated = _ints(amounts["total"], digits)
    bad = np.zeros(rows, np.bool_)
    bad[[row for row, *_ in problems]] = True
    assert np.array_equal(rated, ~bad), "a row has a total or a reason"
    refunds = {charge.full_name: _ints(amounts[charge.full_name], digits) for charge in version.charges if charge.kind == "refund"}
    sides = [np.where(looked, values, -1) for values, looked in (_ints(amounts[probe.name], 0) for probe in probes)]
    return _Rated(total, rated, refunds, sides, problems)


def _crossed(edges: Sequence[tuple[bands.Side, bands.Side]], before: _Rated, after: _Rated, both: Mask, digits: int) -> Iterator[Crossing]:
    import numpy as np

    change = _minus(after.total, before.total)
    for (old, new), was, now in zip(edges, before.sides, after.sides, strict=True):
        lowest = 0 if new.kind == "when" else -1  # where the charge does not apply, its condition does not hold
        one, other = np.maximum(was, lowest), np.maximum(now, lowest)
        looked = both & (one >= 0) & (other >= 0)
        up, down = looked & (other > one), looked & (other < one)
        if up.any() or down.any():
            amount = _decimal(_sum(change[up | down]), digits)
            yield Crossing(new.charge.full_name, new.charge.label, new.kind, new.about, old.text, new.text, int(up.sum()), int(down.sum()), amount)


def _relief(version: m.Version, side: _Rated, both: Mask, digits: int) -> Iterator[Relief]:
    for charge in version.charges:
        if charge.kind == "refund":
            amounts, applies = side.refunds[charge.full_name]
            yield Relief(charge.full_name, charge.label, int((applies & both & (amounts != 0)).sum()), _decimal(_sum(amounts[both]), digits))


# --- whole numbers ------------------------------------------------------------------------------------------------


def _decimal(units: int, digits: int) -> Decimal:
    return EXACT.scaleb(Decimal(units), -digits)


def _scale(column: Any) -> int:
    """Places of an Arrow column of decimals, or of a list of them."""
    if not isinstance(column, list):
        return int(column.type.scale)
    return max((-int(value.as_tuple().exponent) for value in column if value is not None), default=0)


def _ints(column: Any, digits: int) -> tuple[Ints, Mask]:
    """Amounts times ten to ``digits``, 0 where there is none, and where there is one: machine words where all fit, else Python's integers."""
    import numpy as np

    if isinstance(column, list):
        values = [0 if value is None else int(EXACT.scaleb(value, digits)) for value in column]
        return _narrow(values), np.array([value is not None for value in column], np.bool_)
    array = column.combine_chunks()
    array = array.chunk(0) if hasattr(array, "num_chunks") and array.num_chunks else array
    valid: Mask = np.asarray(column.is_valid().to_numpy(), np.bool_) if len(column) else np.zeros(0, np.bool_)
    up = 10 ** (digits - array.type.scale)
    if not len(column):
        return np.zeros(0, np.int64), valid
    if array.type.bit_width == 128:
        words = np.frombuffer(array.buffers()[1], np.int64).reshape(-1, 2)[array.offset : array.offset + len(array)]
        low = np.where(valid, words[:, 0], 0)
        if np.array_equal(low >> 63, np.where(valid, words[:, 1], 0)) and max(abs(int(low.min())), abs(int(low.max()))) * up < _NARROW:
            return low * up, valid
    return _ints(array.to_pylist(), digits)


def _narrow(values: list[int]) -> Ints:
    import numpy as np

    return np.array(values, np.int64 if all(abs(value) < _NARROW for value in values) else object)


def _minus(a: Ints, b: Ints) -> Ints:
    """Both are below 2**62 where they are machine words, so the difference fits."""
    return a - b


def _sum(values: Ints) -> int:
    if not len(values):
        return 0
    if max(abs(int(values.min())), abs(int(values.max()))) * len(values) >= _NARROW:
        values = values.astype(object)
    return int(values.sum())


def _sums(codes: Ints, values: Ints, count: int) -> Ints:
    """The sum of each group."""
    import numpy as np

    wide = len(values) and max(abs(int(values.min())), abs(int(values.max()))) * len(values) >= _NARROW
    found = np.zeros(count, object if wide else values.dtype)
    np.add.at(found, codes, values.astype(object) if wide else values)
    return found


def _codes(column: Any) -> tuple[Ints, list[str | None]]:
    """Each row's place among the distinct values of a column, and those values as text."""
    import numpy as np
    import pyarrow as pa

    if isinstance(column, list):
        column = pa.chunked_array([pa.array([None if value is None else str(value) for value in column], pa.string())])
    found = column.cast(pa.string()).combine_chunks()
    found = found.chunk(0) if hasattr(found, "num_chunks") and found.num_chunks else found
    if not len(found):
        return np.zeros(0, np.int64), [None]
    encoded = found.dictionary_encode("encode")
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _nearest(ordered: Ints, hundredth: int) -> int:
    """The quantile by nearest rank: the smallest value with at least so many hundredths of all at or below it."""
    return int(ordered[max(1, -(-hundredth * len(ordered) // 100)) - 1])


def _deciles(change: Ints) -> list[int]:
    import numpy as np

    ordered = np.sort(change)
    return [_nearest(ordered, 10 * part) for part in range(11)] if len(ordered) else []


def _first(values: Ints, count: int) -> list[int]:
    """Places of the smallest values, smallest first; of equal ones the earliest."""
    import numpy as np

    if len(values) > count:
        edge = np.partition(values, count - 1)[count - 1]
        places_ = np.flatnonzero(values <= edge)
    else:
        places_ = np.arange(len(values))
    return [int(i) for i in places_[np.argsort(values[places_], kind="stable")][:count]]


def _bars(change: Ints, digits: int) -> Iterator[Bar]:
    """The changes (not the unchanged) in bars of one round width; what lies beyond either hundredth is gathered at the ends."""
    import numpy as np

    ordered = np.sort(change[change != 0])
    if not len(ordered):
        return
    low, high = _nearest(ordered, 1), _nearest(ordered, 99)
    width = next(w for k in range(80) for w in (10**k, 2 * 10**k, 5 * 10**k) if (high - low) // w < BARS)
    first, last = low // width, high // width
    edges = [k * width for k in range(first, last + 2)]
    below = [0, *(int(np.searchsorted(ordered, edge, "left")) for edge in edges), len(ordered)]
    ends = [None, *(_decimal(edge, digits) for edge in edges), None]
    for index in range(len(ends) - 1):
        rows = below[index + 1] - below[index]
        if rows or (ends[index] is not None and ends[index + 1] is not None):
            yield Bar(ends[index], ends[index + 1], rows)
