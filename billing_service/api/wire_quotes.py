"""The wire of quotes, one and in bulk."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field

from billing_service.schemas import Amount, Labels, PricedBy, Trouble, Wire

__all__ = ["BulkPart", "BulkQuotes", "BulkRequest", "ChargeTold", "PricedBy", "QuoteRequest", "Which"]

Tariff = Annotated[str, Field(min_length=1, max_length=200)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="the version with these bytes, in force or not")]
Fact = str | dict[str, str]
MOST = 10_000


class Which(Wire):
    """Which version: the one in force on the day; or, where `effective` or `digest` names one, that one, also before it is in force."""

    tariff: Tariff
    on: date | None = Field(default=None, description="the day to price for; left out: the period's first day, or the first day of the version named")
    period: tuple[date, date] | None = Field(default=None, description="first day, and the day after the last")
    effective: date | None = Field(default=None, description="the version of this date, in force or not")
    revision: str | None = Field(default=None, pattern=r"^[1-9][0-9]?$", description="of `effective`, as text; left out: the last one")
    digest: Digest | None = None


class QuoteRequest(Which):
    """What to price. Numbers are text (`"5.001"`); a family is an object of its members."""

    facts: dict[str, Fact] = Field(default_factory=dict)


class BulkRow(Wire):
    """One set of facts; `tariff` and `on` only where they are not those of the request."""

    facts: dict[str, Fact]
    tariff: Tariff | None = None
    on: date | None = None


class BulkRequest(Which):
    """To 10,000 sets of facts, as `rows` or as columns: `{"facts": {"weight": ["1", "2"]}}`, names in full (`conc[COD]`), null where not given."""

    rows: list[BulkRow] | None = Field(default=None, min_length=1, max_length=MOST)
    facts: dict[str, Annotated[list[str | None], Field(min_length=1, max_length=MOST)]] | None = Field(default=None, min_length=1, max_length=200)
    explain: bool = Field(default=False, description="the reasons of every row too; much slower")


class ChargeTold(Wire):
    charge: str
    kind: str
    label: Labels
    clause: str


class BulkPart(Wire):
    """Rows priced by one version. `rows`, `total` and each list of `amounts` stand beside each other; null: no such line, or a row that was refused."""

    version: PricedBy
    charges: list[ChargeTold]
    rows: list[int] = Field(description="numbers of rows, from 1")
    total: list[Amount | None]
    amounts: dict[str, list[Amount | None]] = Field(description="by charge")
    explanations: list[dict[str, Any] | None] | None = Field(description="format 1 of docs/explanation.md; null where not asked for")


class BulkQuotes(Wire):
    """`priced` and `refused` add up to the rows sent; `problems` names the row of each (`line`, from 1) and the fact (`at`)."""

    priced: int
    refused: int
    parts: list[BulkPart]
    problems: list[Trouble]
