"""The wire of what stands behind an issued document: its reasons, and that they still hold; and of runs begun for many."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from billing_service.schemas import Amount, Labels, Trouble, Wire

Day = Annotated[date | None, Field(default=None, description="bill by what was known on this day; left out: by all that has arrived")]
Period = Annotated[tuple[date, date], Field(description="the first day, and the day after the last")]


class ExplainedLine(Wire):
    """`now` less `before` is `amount` on a difference; both are null on every other document."""

    charge: str
    kind: str
    label: Labels
    clause: str
    amount: Amount = Field(description="as the document says; 0.00 for a charge that a difference looked at and found unchanged")
    now: Amount | None = Field(description="the whole computed anew")
    before: Amount | None = Field(description="everything issued before for this period")


class ExplainedPart(Wire):
    """One tariff of the document; where its period was split (another version, other terms) one part of it, whose days `explanation` names.

    The lines of a difference are about all parts of a tariff together, and stand with the first.
    """

    tariff: str
    contract: str
    digest: str
    title: Labels
    lines: list[ExplainedLine]
    text: str
    explanation: dict[str, Any] | None = Field(description="every step, format 1 of docs/explanation.md; null where nothing is computed")


class Explanation(Wire):
    number: str
    id: str
    kind: str
    direction: str
    account: str
    period_start: date
    period_end: date
    currency: str
    total: Amount
    known: date | None = Field(description="the day up to which facts counted; null: all that had arrived at `as_of`")
    as_of: datetime | None
    corrects: list[str]
    reason: str
    text: str = Field(description="the whole for a person, in the language asked for")
    parts: list[ExplainedPart]


class Verification(Wire):
    """Whether a document computed again, from its kept versions and facts alone, is itself to the last sign."""

    number: str
    same: bool
    lines: int
    problems: list[Trouble]


class SettlementRequest(Wire):
    plant: str = Field(min_length=1, max_length=200, description="the operator's account")
    period: Period
    known: Day


class Settled(Wire):
    """`run` is null where nothing was to be settled: unchanged since issued, or waiting in another run."""

    run: str | None
    invoices: int = Field(description="settlements drafted for the first time")
    differences: int
    parked: int = Field(description="see the run's exceptions")
    unchanged: int
    waiting: int


class CorrectionRequest(Wire):
    known: Day
    periods: list[Period] = Field(default_factory=list, max_length=1000, description="left out: every period that was issued")


class CorrectionRun(Wire):
    """One period. `run` is worked in the background: ask `GET /v1/runs/{run}`; null where nothing differs, or `problems` say why not."""

    period_start: date
    period_end: date
    plant: str = Field(description="the operator settled with; empty where everybody is billed")
    run: str | None
    problems: list[Trouble]


class Correction(Wire):
    runs: list[CorrectionRun]
