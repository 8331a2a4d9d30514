"""The wire of accounts, contracts, usage records, entitlements and shares."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from billing_service.schemas import Amount, Trouble, Wire

Name = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=1000)]
Facts = Annotated[dict[Name, Name], Field(max_length=200, description="standing facts by name; numbers as text")]
_MOST = 10_000


class AccountIn(Wire):
    """Whom to bill. A name, class or address that became known later is the account's next revision."""

    account: Name
    name: Name
    payer_class: Name = Field(alias="class")
    address: Text = ""
    district: Text = ""
    known: date | None = Field(default=None, description="the day it became known; a row that changes an account needs a later one than the last")


class AccountsIn(Wire):
    accounts: list[AccountIn] = Field(min_length=1, max_length=_MOST)


class ContractIn(Wire):
    """Which tariff an account is under, by which standing facts, from when. Terms that became known later are their next revision."""

    contract: Name
    account: Name
    tariff: Name
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to", description="the first day they no longer hold")
    facts: Facts = Field(default_factory=dict)
    known: date | None = None


class ContractsIn(Wire):
    contracts: list[ContractIn] = Field(min_length=1, max_length=_MOST)


class UsageIn(Wire):
    """A measurement, or one that replaces another; the sender's ``id`` makes it the same record whenever it is sent."""

    id: Name
    account: Name
    measure: Name
    start: date
    end: date = Field(description="the first day after")
    value: Amount
    unit: Name
    point: Text = ""
    quality: str = Field(default="actual", max_length=40, description="actual or estimated")
    replaces: Text = Field(default="", description="the record this one corrects")
    known: date | None = None
    below: bool = Field(default=False, description="the laboratory found less than `value`, its limit of detection")


class UsagesIn(Wire):
    usage: list[UsageIn] = Field(min_length=1, max_length=_MOST)


class Received(Wire):
    """Every row is one of the three; ``problems`` names the place (`line`, from 1) of each refused one, which is kept as refused."""

    new: int
    same: int = Field(description="there already, with this very content")
    refused: int
    problems: list[Trouble]


class AccountKept(Wire):
    """An account as it is now. Documents bear it as their run knew it."""

    account: str
    name: str
    payer_class: str = Field(serialization_alias="class")
    address: str
    district: str
    known: date | None
    revision: int


class AccountList(Wire):
    accounts: list[AccountKept]
    next: str | None


class AccountRevisions(Wire):
    revisions: list[AccountKept]


class Contract(Wire):
    contract: str
    account: str
    tariff: str
    start: date = Field(serialization_alias="from")
    end: date | None = Field(serialization_alias="to")
    facts: dict[str, Any]
    known: date | None
    revision: int


class ContractList(Wire):
    contracts: list[Contract]
    next: str | None


class Usage(Wire):
    id: str
    account: str
    measure: str
    start: date
    end: date
    value: Amount
    unit: str
    point: str
    quality: str
    replaces: str
    known: date | None
    below: bool


class UsageList(Wire):
    usage: list[Usage]
    next: str | None


class ReliefIn(Wire):
    """An entitlement: while it is valid its facts stand in for those of the contracts it covers."""

    id: Name
    account: Name
    contract: Text = Field(default="", description="the contract it is for; left out: all of the account's, or those on `tariff`")
    tariff: Text = ""
    facts: Facts = Field(min_length=1)
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to", description="the first day it is no longer valid")
    proof: Name = Field(description="what proves it: a certificate's number, a decision")
    known: date | None = None


class Relief(Wire):
    id: str
    revision: int
    account: str
    contract: str
    tariff: str
    facts: dict[str, Any]
    start: date = Field(serialization_alias="from")
    end: date | None = Field(serialization_alias="to")
    proof: str
    known: date | None
    recorded_by: str
    recorded_at: datetime


class ReliefList(Wire):
    reliefs: list[Relief]
    next: str | None


class ShareIn(Wire):
    """An account's parts of a shared meter; its use is its parts of the sum of all parts."""

    point: Name
    account: Name
    parts: Amount
    contract: Text = Field(default="", description="for the office to know why; the parts are the account's, by whichever contract reads the measure")
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to")
    known: date | None = None


class Share(Wire):
    point: str
    account: str
    parts: Amount
    contract: str
    start: date = Field(serialization_alias="from")
    end: date | None = Field(serialization_alias="to")
    known: date | None
    revision: int


class ShareList(Wire):
    shares: list[Share]
    next: str | None
