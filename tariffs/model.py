"""The nouns: a checked version and its expressions, and what a rating gives. Frozen data, no behaviour.

``check`` builds the expressions; ``explain`` and ``rate`` are two independent evaluators of them. Families (``by``) are
already unrolled: an input ``conc`` by pollutant stands here as ``conc[COD]``, ``conc[NH3N]``, each with its key.
A new expression node is added here first; mypy then lists every place that must know it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from tariffs.errors import Where
from tariffs.money import Mode, places, total
from tariffs.units import Unit

Key = tuple[str, ...]
Labels = Mapping[str, str]


def full_name(name: str, key: Key = ()) -> str:
    """How a member of a family is written everywhere (columns, JSON, messages): ``conc[COD]``, ``fee[a,b]``."""
    return f"{name}[{','.join(key)}]" if key else name


@dataclass(frozen=True, slots=True)
class Type:
    """What is known of a number before anything runs: its unit, the grid it lies on (0: it is always 0) and its bounds."""

    unit: Unit
    grid: Decimal
    low: Decimal
    high: Decimal

    @property
    def places(self) -> int:
        """Decimal places that write every value of this type exactly."""
        return places(self.grid)


# --- expressions that give a number -------------------------------------------------------------------------------
# ``text`` is the piece of the formula the node was read from, as its author wrote it.


@dataclass(frozen=True, slots=True)
class Const:
    """A literal, or a value of the version (then ``name`` and ``key`` say which)."""

    type: Type
    text: str
    value: Decimal
    name: str = ""
    key: Key = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """A numeric input."""

    type: Type
    text: str
    name: str
    key: Key = ()


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """``period_days`` or ``period_months``."""

    type: Type
    text: str
    name: str


@dataclass(frozen=True, slots=True)
class Amount:
    """The amount of an earlier charge; 0 where that charge does not apply."""

    type: Type
    text: str
    name: str
    key: Key = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A look-up by choice inputs: ``axes`` are their names, a cell's key holds one member of each, in that order.

    A cell that is absent cannot be reached (checked at load).
    """

    type: Type
    text: str
    name: str
    axes: tuple[str, ...]
    cells: tuple[tuple[Key, Expr], ...]


@dataclass(frozen=True, slots=True)
class Negate:
    type: Type
    text: str
    arg: Expr


@dataclass(frozen=True, slots=True)
class Add:
    type: Type
    text: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Subtract:
    type: Type
    text: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Multiply:
    type: Type
    text: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Convert:
    """``arg`` multiplied by the exact ``factor`` that takes its unit to ``type.unit``."""

    type: Type
    text: str
    arg: Expr
    factor: Decimal


@dataclass(frozen=True, slots=True)
class If:
    type: Type
    text: str
    test: Test
    then: Expr
    other: Expr


@dataclass(frozen=True, slots=True)
class Least:
    type: Type
    text: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Greatest:
    type: Type
    text: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    type: Type
    text: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Top:
    """The sum of the ``count`` largest of ``args``."""

    type: Type
    text: str
    count: int
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """``arg`` to a whole multiple of ``step``; ``ceil`` and ``floor`` are this with their mode."""

    type: Type
    text: str
    arg: Expr
    step: Decimal
    mode: Mode


@dataclass(frozen=True, slots=True)
class Divide:
    """``left / right * factor`` to a whole multiple of ``step``; the factor is exact and may not terminate."""

    type: Type
    text: str
    left: Expr
    right: Expr
    factor: Fraction
    step: Decimal
    mode: Mode


@dataclass(frozen=True, slots=True)
class Blocks:
    """Each slice of ``quantity`` at its own rate: n ascending edges, n + 1 rates, the last block open above.

    An edge belongs to the block below it. ``quantity`` and edges share one unit, rates share one unit.
    """

    type: Type
    text: str
    quantity: Expr
    edges: tuple[Expr, ...]
    rates: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """A band's upper end; ``inclusive`` (``upto``): the edge itself is in the band, else (``below``) in the next."""

    at: Expr
    inclusive: bool


@dataclass(frozen=True, slots=True)
class Whole:
    """All of ``quantity`` at the rate of the band it reaches: n edges, n + 1 rates."""

    type: Type
    text: str
    quantity: Expr
    edges: tuple[Edge, ...]
    rates: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Flat:
    """One amount for the band ``quantity`` reaches: n edges, n + 1 amounts."""

    type: Type
    text: str
    quantity: Expr
    edges: tuple[Edge, ...]
    amounts: tuple[Expr, ...]


Expr = (
    Const
    | Fact
    | BuiltIn
    | Amount
    | Table
    | Negate
    | Add
    | Subtract
    | Multiply
    | Convert
    | If
    | Least
    | Greatest
    | Sum
    | Top
    | Round
    | Divide
    | Blocks
    | Whole
    | Flat
)


# --- expressions that give yes or no ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truth:
    """Settled at load, for instance a comparison of a dimension's own member."""

    text: str
    value: bool


@dataclass(frozen=True, slots=True)
class Is:
    """Whether the choice input ``name`` is ``member`` (``!=`` is Not of it)."""

    text: str
    name: str
    member: str


@dataclass(frozen=True, slots=True)
class Compare:
    """``op`` is one of ``< <= > >= == !=``; both sides share one unit."""

    text: str
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class And:
    text: str
    args: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Or:
    text: str
    args: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class Not:
    text: str
    arg: Test


Test = Truth | Is | Compare | And | Or | Not


# --- a version ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rule is published."""

    document: str
    issuer: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """An input that takes one of named members."""

    name: str
    members: Mapping[str, Labels]
    label: Labels


@dataclass(frozen=True, slots=True)
class Evidence:
    """What may stand in for a measurement that is missing or below the limit of detection. The default refuses.

    ``below_limit``: a reading below its limit L counts as L (``limit``), L / 2 (``half``) or 0 (``zero``).
    ``fill``: a missing value is taken from the ``previous`` row, as the ``period_mean`` of the rows that have one, or is
    the fixed ``value``; at most ``at_most`` times a period. ``samples``: fewer records than this are refused.
    """

    below_limit: str = ""
    fill: str = "refuse"
    value: Decimal | None = None
    at_most: int = 0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Collect:
    """How usage records of a period, or the rows of the stage, become one measured fact.

    ``how``: sum, mean, weighted_mean, min, max, last, previous, count, top_mean. Means round to the input's grid by
    ``mode``. ``measure`` is what records are looked for; where ``of`` is not empty it is the full name of the stage's
    input or charge that is collected instead, converted by ``factor``. ``weight`` is the measure, or the stage's name,
    that weighs a weighted_mean. ``empty`` is the value where there is nothing; None: nothing is a missing fact.
    """

    how: str
    measure: str
    weight: str = ""
    count: int = 0
    mode: Mode = Mode.HALF_UP
    empty: Decimal | None = None
    of: str = ""
    factor: Decimal = Decimal(1)
    evidence: Evidence = Evidence()


@dataclass(frozen=True, slots=True)
class Input:
    """A numeric input, one member of a family where ``key`` is not empty. ``collect`` is None for a standing fact."""

    name: str
    key: Key
    type: Type
    label: Labels
    collect: Collect | None = None

    @property
    def full_name(self) -> str:
        return full_name(self.name, self.key)


@dataclass(frozen=True, slots=True)
class Value:
    """A number with a legal meaning as the file states it, for showing; formulas hold it as Const or Table.

    ``cells``: key -> numbers (one, or several for a list); a plain value has the one key ().
    """

    name: str
    axes: tuple[str, ...]
    unit: Unit
    is_list: bool
    cells: Mapping[Key, tuple[Decimal, ...]]
    label: Labels
    clause: str = ""


@dataclass(frozen=True, slots=True)
class Require:
    """A refusal: where ``when`` holds, ``that`` must hold, else the facts are refused with ``say``."""

    that: Test
    say: Labels
    clause: str
    when: Test | None
    where: Where


KINDS = ("line", "working", "included", "refund")


@dataclass(frozen=True, slots=True)
class Charge:
    """One named amount, one member of a family where ``key`` is not empty. Its type is its formula's.

    ``kind``: ``line`` is billed; ``working`` is explained only; ``included`` is contained tax, shown, never added;
    ``refund`` is rated with the invoice and kept outside its total.
    """

    name: str
    key: Key
    kind: str
    label: Labels
    clause: str
    when: Test | None
    formula: Expr
    text: str
    where: Where

    @property
    def full_name(self) -> str:
        return full_name(self.name, self.key)


@dataclass(frozen=True, slots=True)
class Stage:
    """An inner stage rated once a record, day or month of the period; outer inputs collect its amounts.

    Its formulas may name values, choices, standing inputs of the version, and the stage's own inputs and charges.
    """

    grain: str
    inputs: tuple[Input, ...]
    charges: tuple[Charge, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A tariff's complete text from one effective date until the next, checked. ``end`` is the first day it no longer
    rules (``until``, or the next version), None while open.
    """

    tariff: str
    effective: date
    revision: int
    known: date | None
    until: date | None
    end: date | None
    language: int
    digest: str
    file: str
    content: bytes = field(repr=False)
    title: Labels
    status: str
    source: Source
    currency: str
    step: Decimal
    direction: str
    period: str
    period_months: int
    dimensions: Mapping[str, Mapping[str, Labels]]
    choices: Mapping[str, Choice]
    inputs: tuple[Input, ...]
    values: tuple[Value, ...]
    requires: tuple[Require, ...]
    charges: tuple[Charge, ...]
    stage: Stage | None = None
    change: Mapping[str, Any] = field(default_factory=dict)
    assumptions: tuple[Labels, ...] = ()

    def __hash__(self) -> int:
        """By digest, so that what is worked out once per version can be cached; mappings have no hash."""
        return hash(self.digest)

    @property
    def name(self) -> str:
        """``cn/beijing/kitchen-waste@2022-09-30``, with ``.r2`` for a later revision."""
        return f"{self.tariff}@{self.effective}" + (f".r{self.revision}" if self.revision > 1 else "")

    @property
    def billable(self) -> bool:
        """Whether it has a line at all; a version of workings answers a quantity and can only be quoted."""
        return any(charge.kind == "line" for charge in self.charges)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a billing period that one version rates: ``days`` of ``total`` after ``before`` earlier ones, in a period
    of ``months`` whole months.

    ``monthly`` says what becomes of amounts that count months: ``share`` (their days' share), ``whole`` or ``none``.
    ``values`` holds the numbers of values that shrink with the days, by name and key.
    """

    days: int
    total: int
    months: int
    monthly: str = "share"
    values: tuple[tuple[tuple[str, Key], tuple[Decimal, ...]], ...] = ()
    before: int = 0


# --- facts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What was measured. ``start`` and ``end`` are half-open dates; it belongs to the period that holds ``end`` - 1 day.

    ``replaces`` names the record this one corrects; ``known`` is the day we learnt it; ``quality`` is ``actual`` or ``estimated``.
    ``below``: the laboratory found less than ``value``, its limit of detection.
    """

    id: str
    account: str
    measure: str
    start: date
    end: date
    value: Decimal
    unit: Unit
    point: str = ""
    quality: str = "actual"
    replaces: str = ""
    known: date | None = None
    below: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A number that stands in for one nobody measured; ``how`` is one of FILLS."""

    value: Decimal
    how: str


#: How a number came to stand in: the previous one, the mean of the period, a fixed value; or a reading below its limit
#: counted as that limit, as half of it, or as zero.
FILLS = ("previous", "period_mean", "value", "limit", "half", "zero")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the stage: its half-open days, its numbers by full name, and which of them were filled and how (FILLS).

    ``point`` tells apart the records of one span where the stage has a row for each.
    """

    start: date
    end: date
    numbers: Mapping[str, Decimal]
    filled: Mapping[str, str] = field(default_factory=dict)
    point: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """The checked inputs of one rating. ``numbers`` by full name (``conc[COD]``); ``surplus`` was given and not needed."""

    choices: Mapping[str, str]
    numbers: Mapping[str, Decimal]
    period: tuple[date, date] | None
    surplus: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    filled: Mapping[str, str] = field(default_factory=dict)


# --- a rating -----------------------------------------------------------------------------------------------------


NO_DETAIL: Mapping[str, str] = {}


class Step(NamedTuple):
    """One reason: what was done, in the author's words, what came out, and the steps below it.

    A named tuple and no dataclass: every rating makes a dozen, and a frozen dataclass takes three times as long to make.

    ``kind`` is the node's name in lower case (``round``, ``blocks``, ``compare``, …) or ``slice`` for one block of
    Blocks and ``band`` for the band Whole and Flat reached. ``value`` is a number, yes/no, or a choice's member.
    ``detail`` fills the sentence of the kind: numbers as text, already exact.
    """

    kind: str
    text: str
    value: Decimal | bool | str | None
    unit: Unit | None
    detail: Mapping[str, str] = NO_DETAIL
    children: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """The result of one charge. ``unit`` is the currency's for all kinds but ``working``."""

    charge: Charge
    amount: Decimal
    step: Step
    when: Step | None = None


@dataclass(frozen=True, slots=True)
class RatedRow:
    """One row of the stage and what its charges gave; a charge that does not apply has no line."""

    row: Row
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Rating:
    """What one set of facts costs. ``total`` is the sum of the lines of kind ``line`` and nothing else.

    ``facts`` are those given. ``rows`` are the stage's, in order; ``derived`` has a step for each fact collected from them,
    its children the rows that have it. ``filled`` says which given facts stand in for one nobody measured, and how.
    """

    version: Version
    period: tuple[date, date] | None
    facts: Mapping[str, Decimal | str]
    surplus: tuple[str, ...]
    requires: tuple[Step, ...]
    lines: tuple[Line, ...]
    total: Decimal
    rows: tuple[RatedRow, ...] = ()
    derived: Mapping[str, Step] = field(default_factory=dict)
    filled: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        billed = [line.amount for line in self.lines if line.charge.kind == "line"]
        assert self.total == total(billed), "the total is the sum of its lines"

    def __getitem__(self, name: str) -> Decimal:
        """The amount of a charge by its full name (``fee[COD]``); KeyError where it does not apply."""
        return {line.charge.full_name: line.amount for line in self.lines}[name]
