"""The wire: what ``/v1`` answers and takes. Decimals are text, in and out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Amount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="an exact decimal, as text")]
Labels = dict[str, str]


class Wire(BaseModel):
    """Unknown members are refused, so that a misspelt one is not passed over."""

    model_config = ConfigDict(extra="forbid")


class Account(Wire):
    account: str
    name: str
    payer_class: str = Field(serialization_alias="class")
    address: str
    district: str


class InvoiceLine(Wire):
    seq: int
    tariff: str
    digest: str
    charge: str
    kind: str = Field(description="`line` counts in the total; `included` (contained tax) and `refund` stand outside it")
    label: Labels
    clause: str
    amount: Amount


class InvoicePart(Wire):
    """One contract's share: version and facts reproduce it for ever."""

    tariff: str
    effective: date
    revision: int
    digest: str = Field(description="sha256 of the version's bytes")
    language: int
    contract: str
    facts: dict[str, str | dict[str, str] | list[dict[str, Any]]] = Field(
        description="a number or choice by name, `{value, filled}` where it stands in for a measurement; `stage` holds the rows of a tariff that works by day"
    )
    explanation_digest: str = Field(description="sha256 of the explanation as JSON: keys sorted, no blanks, UTF-8")


class Invoice(Wire):
    number: str | None
    id: str
    kind: str
    direction: str
    state: str
    utility: str
    run: str
    account: Account
    period_start: date
    period_end: date
    currency: str
    total: Amount
    issued_at: datetime | None
    corrects: str | None = Field(description="the id of the document a credit note stands against")
    reason: str = Field(description="why a credit note was given")
    lines: list[InvoiceLine]
    parts: list[InvoicePart]


class InvoiceListed(Wire):
    number: str | None = Field(description="none for a document over zero, which is recorded only")
    id: str
    kind: str
    direction: str
    account: str
    run: str
    period_start: date
    period_end: date
    currency: str
    total: Amount
    issued_at: datetime | None
    corrects: str | None


class InvoiceList(Wire):
    invoices: list[InvoiceListed]
    next: str | None


class Adoption(Wire):
    by: str
    at: datetime
    document: str


class TariffListed(Wire):
    tariff: str
    effective: date
    revision: int
    end: date | None
    status: str
    title: Labels
    currency: str
    direction: str
    billable: bool = Field(description="whether its formulas give a bill at all; one of workings alone answers a quantity and can only be quoted")
    adopted: bool = Field(description="whether this utility put it into force; a run bills by what is published or adopted, and never by a draft")
    language: int
    digest: str
    adoption: Adoption | None


class Trouble(Wire):
    """One thing that is wrong, and what to do."""

    code: str
    message: str
    values: dict[str, str] = {}
    at: str = ""
    file: str = ""
    line: int = 0


class TariffList(Wire):
    tariffs: list[TariffListed]
    problems: list[Trouble] = Field(description="version files of this page that cannot be used, and why")
    next: str | None


class Schedule(Wire):
    """A version's inputs, prices and charges."""

    version: TariffListed
    text: str = Field(description="the schedule for a person, in the language asked for")
    schedule: dict[str, Any] = Field(description="for machines; every decimal is text")


class AdoptionRequest(Wire):
    document: str = Field(min_length=1, max_length=1000, description="the decision that puts it into force")


class QuoteLine(Wire):
    charge: str
    kind: str
    label: Labels
    clause: str
    amount: Amount


class PricedBy(Wire):
    """The version a quote, or some rows of many, was priced by."""

    tariff: str
    effective: date
    revision: int
    digest: str
    language: int
    status: str
    adopted: bool
    on: date
    currency: str
    direction: str
    valid_until: date = Field(description="first day a quote no longer holds: the version's end, the next known version, or the utility's setting")


class Quote(PricedBy):
    total: Amount
    lines: list[QuoteLine]
    explanation: dict[str, Any]


class Event(Wire):
    """As the chain has it, letter by letter, so that anybody can check the hashes: ``docs/events.md`` tells how, and what each kind says."""

    utility: str
    seq: int
    at: str
    actor: str
    kind: str
    subject: str
    data: str = Field(description="what happened, as a JSON text")
    previous: str
    hash: str


class EventList(Wire):
    events: list[Event]
    next: int = Field(description="what to send as `after` next time")


class KeyRequest(Wire):
    name: str = Field(min_length=1, max_length=100, description="who will use it: their name in events, and for the four-eyes rule")
    scopes: list[str] = Field(min_length=1, max_length=10, description="of quote, read, write, run, approve, admin")
    expires: AwareDatetime | Literal["never"] | None = Field(default=None, description="when it ends; left out: a year from now; `never`: when taken back")


class KeyMade(Wire):
    id: str
    key: str | None = Field(description="shown in the first answer only")
    expires: datetime | None = Field(description="when it ends; null: when it is taken back")


class KeyListed(Wire):
    id: str
    name: str
    scopes: list[str]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyList(Wire):
    keys: list[KeyListed]


class ProblemDocument(Wire):
    """RFC 9457, with every problem found."""

    type: str
    title: str
    status: int
    problems: list[Trouble]
