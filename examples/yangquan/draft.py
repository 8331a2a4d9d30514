"""One account of the sample city before anything is wrong with it: its terms, and a month of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from examples.yangquan.people import address, kind_of, name_of

CITY = "cn/yangquan/"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Month:
    """The month billed: first day, first day after, and the day the records were known."""

    start: date
    end: date

    @property
    def known(self) -> date:
        return self.end + timedelta(days=1)

    def days(self) -> Iterator[date]:
        day = self.start
        while day < self.end:
            yield day
            day += timedelta(days=1)


@dataclass(slots=True)
class Draft:
    """One account's rows before they are written. ``fault`` in a row names what was planted in it.

    ``absent`` holds faults that are a row that is not there.
    """

    kind: str
    random: Random
    month: Month
    accounts: list[Row]
    contracts: list[Row] = field(default_factory=list)
    usage: list[Row] = field(default_factory=list)
    corrections: list[Row] = field(default_factory=list)
    absent: list[Row] = field(default_factory=list)


class _Maker:
    """Adds contracts and records to a draft; the random numbers are the account's own."""

    def __init__(self, draft: Draft) -> None:
        self.draft, self.random, self.month = draft, draft.random, draft.month
        self.account = draft.accounts[0]["account"]

    def contract(self, tariff: str, start: str = "2026-01-01", **facts: object) -> None:
        row = {"account": self.account, "tariff": CITY + tariff, "from": start, "to": "", "facts": dict(facts)}
        self.draft.contracts.append(row)

    def record(self, measure: str, point: str, value: str, unit: str, days: tuple[date, date], quality: str = "actual") -> None:
        start, end = days
        row = {"account": self.account, "point": point + self.account[1:], "measure": measure, "start": start, "end": end}
        self.draft.usage.append(row | {"value": value, "unit": unit, "quality": quality, "replaces": "", "known": self.month.known})

    def meter(self, measure: str, low: int, high: int, point: str = "M") -> None:
        """One reading for the month: now and then nothing was used, or nobody was at home and it is estimated."""
        value = 0 if self.random.randrange(50) == 0 else self.random.randint(low, high)
        quality = "estimated" if self.random.randrange(33) == 0 else "actual"
        self.record(measure, point, str(value), "m3", (self.month.start, self.month.end), quality)

    def weighings(self, measure: str, weekdays: Sequence[int], low: int, high: int) -> None:
        """A record a pick-up, in kilograms or tonnes as the weighbridge happens to write them."""
        in_kg = self.random.randrange(5) == 0
        for day in self.month.days():
            if day.weekday() in weekdays:
                kg = self.random.randint(low, high)
                value, unit = (str(kg), "kg") if in_kg else (tonnes(kg), "t")
                self.record(measure, "W", value, unit, (day, day + timedelta(days=1)))


def tonnes(kg: int) -> str:
    """1234 kg -> ``1.234``."""
    return f"{kg // 1000}.{kg % 1000:03d}"


# --- what each kind of account has --------------------------------------------------------------------------------


def _household(make: _Maker) -> None:
    make.contract("sewage", user="resident")
    make.meter("water", 3, 24)
    if make.random.randrange(30) == 0:
        make.contract("domestic-waste", payer="household", households=1, relief="low_income", refund_share=make.random.choice((50, 100)))
    else:
        make.contract("domestic-waste", payer="household", households=1, relief="ordinary")


def _pilot_household(make: _Maker) -> None:
    make.contract("sewage", user="resident")
    make.meter("water", 3, 24)
    make.contract("domestic-waste-by-volume", "2026-07-01", households=1)
    size = make.random.choice(("bag15", "bag15", "bag30", "bin120"))
    for day in make.month.days():
        if day.weekday() == 2:
            make.record(f"filled[{size}]", "P", str(make.random.randint(1, 3)), "piece", (day, day + timedelta(days=1)))


def _shop(make: _Maker) -> None:
    make.contract("sewage", user="non_resident")
    make.meter("water", 2, 60)
    make.contract("domestic-waste", payer="shop", area=f"{make.random.randint(15, 400)}.{make.random.choice(('0', '25', '5', '8'))}")


def _vacant_shop(make: _Maker) -> None:
    """A meter that still hangs there and turns no more: a bill over nothing."""
    make.contract("sewage", user="non_resident")
    make.record("water", "M", "0", "m3", (make.month.start, make.month.end))


def _restaurant(make: _Maker) -> None:
    make.contract("sewage", user="non_resident")
    make.meter("water", 40, 400)
    quota = make.random.randint(20, 90)
    kitchen = {"kitchen": "metered", "kitchen_quota": f"{quota // 10}.{quota % 10}"}
    if make.random.randrange(2):
        make.contract("non-residential-waste", basis="area", area=make.random.randint(60, 600), **kitchen)
    else:
        make.contract("non-residential-waste", basis="sorted", **kitchen)
        make.weighings("other_weight", (1, 4), 30, 160)
    make.weighings("kitchen_weight", range(7), 40, 220)


def _institution(make: _Maker) -> None:
    make.contract("sewage", user="non_resident")
    for point in ("M", "N") if make.random.randrange(8) == 0 else ("M",):
        make.meter("water", 60, 1500, point)
    basis = make.random.choice(("sorted", "sorted", "unsorted"))
    make.contract("non-residential-waste", basis=basis, kitchen="unmetered")
    make.weighings("other_weight" if basis == "sorted" else "mixed_weight", (0, 2, 4), 80, 900)


def _office(make: _Maker) -> None:
    make.contract("sewage", user="non_resident")
    make.meter("water", 20, 300)
    make.contract("domestic-waste", payer="institution")
    make.weighings("weight", (3,), 50, 700)


def _hotel(make: _Maker) -> None:
    make.contract("sewage", user=make.random.choice(("non_resident", "special")))
    make.meter("water", 100, 2500)
    make.contract("domestic-waste", payer="hotel", beds=make.random.randint(20, 240))


def _coach_company(make: _Maker) -> None:
    make.contract("domestic-waste", payer="vehicle", seats=make.random.randint(8, 40) * 45)


def _hospital(make: _Maker) -> None:
    make.contract("sewage", user="non_resident")
    make.meter("water", 800, 9000)
    beds = make.random.randint(40, 800)
    if make.random.randrange(3) == 0:
        make.contract("medical-waste", facility="hospital_rated", beds=beds, occupancy=f"{make.random.randint(600, 950) // 10}.5")
        return
    make.contract("medical-waste", facility="hospital_reported")
    for day in make.month.days():
        make.record("bed_days", "B", str(make.random.randint(beds * 6 // 10, beds)), "bed*day", (day, day + timedelta(days=1)))


def _clinic(make: _Maker) -> None:
    make.contract("sewage", user="non_resident")
    make.meter("water", 3, 40)
    make.contract("medical-waste", facility="clinic")


def _factory(make: _Maker) -> None:
    make.contract("sewage", user="non_resident")
    make.meter("water", 500, 30000)
    treatment = make.random.choice(("incinerate_high", "incinerate_low", "solidify_landfill", "landfill"))
    make.contract("hazardous-waste", treatment=treatment, down_float=make.random.choice(("0", "0", "5", "12.5")))
    for day in sorted(make.random.sample(list(make.month.days()), make.random.randint(1, 3))):
        make.record("hazardous_weight", "H", tonnes(make.random.randint(120, 9000)), "t", (day, day + timedelta(days=1)))
    if make.random.randrange(3):
        quality, prices = make.random.choice((("basic", ("0.85", "1.00")), ("industrial", ("1.65", "1.855")), ("high", ("2.80", "3.10"))))
        make.contract("reclaimed-water", quality=quality, agreed=make.random.choice(prices))
        make.meter("reclaimed_water", 2000, 60000, "R")


_MAKERS: dict[str, Callable[[_Maker], None]] = {
    "household": _household,
    "pilot_household": _pilot_household,
    "shop": _shop,
    "vacant_shop": _vacant_shop,
    "restaurant": _restaurant,
    "institution": _institution,
    "office": _office,
    "hotel": _hotel,
    "coach_company": _coach_company,
    "hospital": _hospital,
    "clinic": _clinic,
    "factory": _factory,
}


def draft(number: int, seed: int, month: Month) -> Draft:
    """Account ``number`` of the city, without faults."""
    random = Random(f"{seed}/{number}")
    kind = kind_of(random)
    district, street = address(random)
    account = {"account": f"A{number:06d}", "name": name_of(kind, random), "class": kind, "address": street, "district": district}
    found = Draft(kind, random, month, [account])
    _MAKERS[kind](_Maker(found))
    return found
