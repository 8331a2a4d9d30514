"""Every worked example of the facts, computed from a pack: ``python tests/examples_of_facts.py``.

Prints each number that is expected beside the one that came out of ``tariffs.load(...).explain(...)``; nothing is
computed here. The examples are a committed copy in ``tests/facts``. Numbers that are not asserted are listed at the end,
each with its reason. Exit 1 where a number disagrees, or where one is neither computed nor listed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

import tariffs  # noqa: E402  (as a script it runs from a checkout that is not installed)
from tariffs.money import places, show  # noqa: E402

Place = tuple[str | int, ...]
Days = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a pack: the day or period, the facts, and the amount that answers."""

    tariff: str
    on: Days
    facts: Mapping[str, object]
    amount: str = "total"


@dataclass(frozen=True, slots=True)
class Answer:
    """One expected number of one example and what came out; ``why`` says why a number is not asserted."""

    example: str
    kind: str
    place: str
    expected: str
    got: str
    agrees: bool
    why: str = ""


#: Numbers that no pack is asked for, with the reason.
EXCEPTIONS: Mapping[tuple[str, Place], str] = {
    ("sewage-sz-33", ("expected", "stated")): "flawed source: the stated 27.6 contradicts its own rule (tier 2 at 0.90 in place of 1.00), which gives 28.30",
    ("numerals-1", ("expected", "16409.02")): "an amount in words is a matter of documents and not of tariffs; it comes with the invoices",
    ("numerals-1", ("expected", "325.04")): "an amount in words is a matter of documents and not of tariffs; it comes with the invoices",
}


def several(place: Place, tariff: str, on: Days, rows: list[Mapping[str, object]], amount: str = "total") -> dict[Place, Ask]:
    """A list of expected numbers, one a row of facts."""
    return {(*place, index): Ask(tariff, on, facts, amount) for index, facts in enumerate(rows)}


def parts(first: int, ask: tuple[str, Days], rows: list[tuple[Mapping[str, object], str]]) -> dict[Place, Ask]:
    """The parts of an example, from number ``first`` on."""
    return {("parts", first + index, "expected"): Ask(ask[0], ask[1], facts, amount) for index, (facts, amount) in enumerate(rows)}


def scored(*scores: str) -> Mapping[str, object]:
    return {"score": dict(zip(("first", "second", "third"), scores, strict=True)), "capital": "1234.5678", "progress": "1", "upkeep": "80000"}


def bag(size: int, bags: int) -> Mapping[str, object]:
    return {"size": size, "bags": bags}


E: str = "expected"
QUOTA = ("cn/beijing/kitchen-waste", "2022-10-31")
BINS = "cn/beijing/waste-containers"
TAIYUAN = ("cn/taiyuan/domestic-waste", "2022-10-31")
TAISHAN = ("cn/taishan/rural-sewage-three-facilities", "2024-06-30")
PLANT: Mapping[str, object] = {
    "object": "water",
    "water_rate": 3,
    "heavy_load": dict.fromkeys(("Hg", "Cd", "Cr", "Cr6", "As", "Pb", "Ni", "BaP", "Be", "Ag"), 0),
    "other_load": dict.fromkeys(("SS", "BOD5", "COD", "TOC", "NH3N", "phenol"), 0)
    | {"sulphide": 100, "fluoride": 100, "formaldehyde": 90, "Cu": 90, "Zn": 200, "Mn": 120},
}
HUZHOU: Mapping[str, object] = {"industry": "ordinary", "sewage": 1, "acidity": 7, "conc": {"COD": 520, "SS": 0, "TP": 0, "NH3N": 0}}
NANAN: Mapping[str, object] = {"user": "resident", "water": 0}
GUARANTEE: Mapping[str, object] = {
    "daily_guarantee": 30000, "running": 30, "price": "1.30", "over_price": "0.78", "availability": 0, "price_true_up": 0, "volume_true_up": 0
}  # fmt: skip
SINGAPORE = "sg/trade-effluent"
HK_TABLE = "hk/sewage-charge-escalation"
TAIPEI = "tw/taipei/waste-bags"
RECOLOGY: Mapping[str, object] = {"black": 96, "blue": 96, "green": 64, "dwellings": 6}
NANAIMO = ("ca/nanaimo/user-rates", ("2019-01-01", "2019-04-23"))
WATERCARE = ("nz/watercare/water-wastewater", ("2016-07-01", "2016-07-13"))

CHINA: Mapping[str, Mapping[Place, Ask]] = {
    "bj-bin-table": {
        (E, name): Ask(BINS, "2020-06-30", {"container": container, "containers": 1}, "price")
        for name, container in {
            "120L": "bin120",
            "240L": "bin240",
            "660L": "bin660",
            "1100L": "bin1100",
            "60L bag": "bag60",
            "120L kitchen": "kitchen120",
        }.items()
    },
    "bj-bin-kitchen-mass": {(E, "mass_t"): Ask("cn/beijing/kitchen-waste-bins", "2021-10-31", {"bins": 1}, "bin_mass")},
    "bj-bin-kitchen-2021-price": {(E, "amount"): Ask("cn/beijing/kitchen-waste-bins", "2021-10-31", {"bins": 1})},
    "ept-chem-plant": {
        (E, "equiv", name): Ask("cn/environmental-tax", "2018-06-30", PLANT, f"other_units[{name}]")
        for name in ("Zn", "Cu", "sulphide", "formaldehyde", "Mn", "fluoride")
    }
    | {(E, "tax"): Ask("cn/environmental-tax", "2018-06-30", PLANT)},
    "vat-refund": {
        (E, "monthly_refund"): Ask("cn/vat-refund", "2022-06-30", {"vat": 200000, "months": 36}, "monthly_refund"),
        (E, "lost_over_3y"): Ask("cn/vat-refund", "2022-06-30", {"vat": 200000, "months": 36}),
    },
    "op-adjust-hubei": {
        (E, "P1"): Ask("cn/operators/hubei-adjustment", "2026-06-30", {"opening": "1.98"}, "price"),
        (E, "rise"): Ask("cn/operators/hubei-adjustment", "2026-06-30", {"opening": "1.98"}, "rise"),
    },
    "water-jinping": {
        (E, "delivered", index): Ask("cn/jinping/water-sewage", "2021-06-30", {"user": "resident", "water": 0}, f"delivered[{tier}]")
        for index, tier in enumerate(("first", "second", "third"))
    },
    "water-nanan": {
        (E, "tier2"): Ask("cn/nanan/water-sewage", "2025-09-30", NANAN, "second_price"),
        (E, "tier3"): Ask("cn/nanan/water-sewage", "2025-09-30", NANAN, "third_price"),
    }
    | {
        (E, "delivered", index): Ask("cn/nanan/water-sewage", "2025-09-30", NANAN, f"{tier}_delivered")
        for index, tier in enumerate(("first", "second", "third"))
    },
    "sewage-sz-33": {(E, "by_own_rules"): Ask("cn/shenzhen/sewage", "2010-06-30", {"user": "household", "water": 33})},
    "numerals-1": {},
    "bj-quota-set": several(
        (E, "amount"), *QUOTA, [{"payer": "quota_unit", "quota": 10, "weight": weight} for weight in ("4", "5", "5.01", "10", "10.01", "12")]
    ),
    "bj-construction": {
        (E, name): Ask("cn/beijing/construction-waste", "2014-06-30", {"weight": 10, "distance": 15}, amount)
        for name, amount in {"haul": "haulage", "treatment": "treatment", "total": "total"}.items()
    },
    "ty-bills": {
        (E, "household_year"): Ask(*TAIYUAN, {"payer": "household", "households": 12, "relief": "ordinary"}),
        (E, "institution"): Ask(*TAIYUAN, {"payer": "institution", "weight": "12.5"}),
        (E, "shop_month"): Ask(*TAIYUAN, {"payer": "shop", "area": 80}),
        (E, "hotel_month"): Ask(*TAIYUAN, {"payer": "hotel", "beds": 100}),
        (E, "coach_month"): Ask(*TAIYUAN, {"payer": "vehicle", "seats": 45}),
    },
    "dg-water-coeff": {
        (E, name): Ask("cn/dongguan/waste", "2020-06-30", {"payer": "resident", "managed": managed, "sorting": sorting, "water": 20})
        for name, managed, sorting in (("plain", "plain", "plain"), ("managed", "managed", "plain"), ("managed+sorting", "managed", "sorting"))
    },
    "sh-med-formula": {
        (E, place, index): Ask("cn/shanghai/medical-waste", "2021-06-30", {"basis": "bed_day", "bed_days": 3000, "mean_mass": mean}, amount)
        for index, mean in enumerate(("1.25", "0.80", "1.50"))
        for place, amount in (("N", "unit_price"), ("amount", "total"))
    },
    "sh-med-bands": several((E, "amount"), "cn/shanghai/medical-waste", "2021-06-30", [{"basis": "no_bed", "weight": kg} for kg in (5, 20, 60, 120)]),
    "taishan-coeff": {
        (E, family.upper(), 3 * group + index): Ask(*TAISHAN, scored(*scores), f"{family}[{facility}]")
        for group, scores in enumerate((("92", "85", "80"), ("75", "70", "65")))
        for index, facility in enumerate(("first", "second", "third"))
        for family in ("ec1", "ec2")
    },
    "taishan-payment": {
        (E, name): Ask(*TAISHAN, scored("92.5", "87", "78.4"), amount)
        for name, amount in {
            "EC1": "ec1_mean",
            "EC2": "ec2_mean",
            "Pk_month": "availability_base",
            "availability": "availability",
            "om": "om",
            "deducted": "deducted",
        }.items()
    },
    "dg-op-cap": several(
        (E, "paid_volume"),
        "cn/dongguan/operator-payment",
        "2021-06-30",
        [{"design": 50000, "treated": treated, "price": "1.00"} for treated in (60000, 65000, 70000)],
        "paid_volume",
    ),
    "bewg-min-guarantee": several(
        (E, "amount"), "cn/operators/guaranteed-volume", "2023-06-30", [{**GUARANTEE, "treated": treated} for treated in (850000, 900000, 1000000)]
    ),
    "henan-combo": several(
        (E, "rate"),
        "cn/henan/sewage-differential",
        "2020-09-30",
        [
            {"base": "1.40", "sewage": 1, "deviation": deviation, "credit": credit}
            for deviation, credit in ((60, "ordinary"), (60, "black"), (120, "black"), (-40, "green_98"))
        ],
        "rate",
    ),
    "sz-credit": several(
        (E, "amount"),
        "cn/shenzhen/sewage-credit",
        "2022-10-31",
        [{"rating": rating, "sewage": 1000, "base": "1.20"} for rating in ("green", "blue", "yellow", "red")],
    ),
    "huzhou-cod": {
        (E, "ceil"): Ask("cn/huzhou/sewage-started-steps", "2018-06-30", HUZHOU, "rate"),
        (E, "floor"): Ask("cn/huzhou/sewage", "2018-06-30", HUZHOU, "rate"),
        (E, "prorata"): Ask("cn/huzhou/sewage-pro-rata", "2018-06-30", HUZHOU, "rate"),
    },
    "removal-mass": {(E, "kg"): Ask("cn/removal-mass", "2020-06-30", {"flow": 1000000, "inflow": 250, "outflow": 30}, "removed")},
}

A: Place = ("expected_amount",)
WORLD: Mapping[str, Mapping[Place, Ask]] = {
    "uk-mogden-niwater-2024-standard-strength": {A: Ask("gb/ni-water/trade-effluent", "2024-06-30", {"volume": 1, "cod": 260, "solids": 240}, "unit_rate")},
    "uk-mogden-niwater-2024-derived-strong": {A: Ask("gb/ni-water/trade-effluent", "2024-06-30", {"volume": 10000, "cod": 780, "solids": 480})},
    "uk-mogden-niwater-2024-derived-nonterminating": {A: Ask("gb/ni-water/trade-effluent", "2024-06-30", {"volume": 12345, "cod": 643, "solids": 517})},
    "us-austin-surcharge-ex1-bod": {A: Ask("us/austin/industrial-surcharge", "2020-06-30", {"volume": "0.0116", "bod": 614, "tss": 111, "cod": 1200})},
    "us-mwrd-chicago-2024-derived": {A: Ask("us/mwrd-chicago/user-charge", "2024-06-30", {"volume": 50, "bod": 200000, "solids": 150000})},
    "pe-sunass-vma-derived": {
        A: Ask("pe/vma-payment", "2020-06-30", {"sewer_bill": 1000, "conc": {"BOD5": 650, "COD": 1150, "TSS": 520, "FOG": 90}}),
    },
    "de-abwag-derived-whole-units": {
        A: Ask("de/wastewater-charge", "2020-06-30", {"requirements": "met", "water": 1000000, "conc": {"COD": 60, "N": 18, "P": 2, "AOX": 0}}),
    },
    "dk-spildevandsafgift-derived": {A: Ask("dk/wastewater-tax", "2025-06-30", {"volume": 1000000, "conc": {"N": 6, "P": "0.5", "BI5": 4}})},
    "nl-ve-camping-tabel": {A: Ask("nl/treatment-levy-table", "2020-06-30", {"groundwater": 3500, "mains": 2500, "pool": 1500}, "pollution_units")},
    "au-nsw-lbl-4197-2014": {
        place: Ask(
            "au/nsw/load-based-fee",
            "2013-12-31",
            {
                "pollutant_fee": {"first": "4862.54", "second": "4.25", "third": "443.78", "fourth": "3379.37", "fifth": "0.00"},
                "administrative_fee": "2825.00",
            },
            amount,
        )
        for place, amount in ((A, "total"), (("parts", 0, E), "pollutant_fees"))
    },
    "sg-trade-effluent-scale-2022": {A: Ask(SINGAPORE, "2022-06-30", {"volume": 1, "conc": {"BOD": 1500, "TSS": 0}}, "rate[BOD]")}
    | parts(0, (SINGAPORE, "2022-06-30"), [({"volume": 1, "conc": {"BOD": c, "TSS": 0}}, "rate[BOD]") for c in (500, 700, 900, 1100, 1300, 1500)]),
    "hk-sewage-charge-escalation": {A: Ask(HK_TABLE, "2017-06-30", {}, "rate_10")}
    | parts(0, (HK_TABLE, "2017-06-30"), [({}, f"rate_{year}") for year in range(1, 11)]),
    "hk-sewage-domestic-derived": {A: Ask("hk/sewage-charge", "2017-06-30", {"water": 40})},
    "tw-taipei-bag-packs": {A: Ask(TAIPEI, "2014-06-30", bag(76, 10))}
    | parts(
        0,
        (TAIPEI, "2014-06-30"),
        [(bag(*pack), "total") for pack in ((3, 20), (5, 20), (14, 20), (25, 20), (33, 20), (76, 10), (120, 5))],
    )
    | parts(7, ("tw/new-taipei/waste-bags", "2014-06-30"), [(bag(75, 10), "total")]),
    "be-lille-diftar-family": {A: Ask("be/lille/diftar", "2020-06-30", {"residual": 123, "organic": 107})},
    "us-sf-recology-apartment-6-unit": {A: Ask("us/san-francisco/apartment-refuse", "2014-06-30", RECOLOGY, "service")}
    | parts(
        0,
        ("us/san-francisco/apartment-refuse", "2014-06-30"),
        [(RECOLOGY, "discount"), (RECOLOGY, "discount_amount"), (RECOLOGY, "base_charges")],
    ),
    "jp-yamaguchi-business-burnable-150kg": {A: Ask("jp/yamaguchi/business-waste", "2015-06-30", {"weight": 150})},
    "uk-landfill-tax-2025-derived": {A: Ask("gb/landfill-tax", "2025-06-30", {"standard": 100, "inert": 40})},
    "us-clearfield-nitrogen-credits-2011": {A: Ask("us/clearfield/nitrogen-credits", "2011-06-30", {"credits": 40000})},
    "ca-nanaimo-2019-daily-blocks": {A: Ask(*NANAIMO, {"gallons": 25564})}
    | parts(0, NANAIMO, [({"gallons": 25564}, amount) for amount in ("daily_use", "daily_rate", "water", "sewer_fee", "garbage_fee")]),
    "nz-watercare-moveout-2016": {A: Ask(*WATERCARE, {"water": 4}, "by_volume")}
    | parts(0, WATERCARE, [({"water": 4}, amount) for amount in ("water_fee", "wastewater", "wastewater_fee", "daily_fixed", "fixed_fee")]),
}


def got(ask: Ask) -> Decimal:
    """What the pack answers."""
    day, period = (ask.on, None) if isinstance(ask.on, str) else (ask.on[0], ask.on)
    rating = tariffs.load(ask.tariff, on=day, rules=HERE / "rules").explain(ask.facts, period=period)
    return rating.total if ask.amount == "total" else rating[ask.amount]


def number(text: str) -> Decimal:
    """The number a text ends with: ``18.00 + 7.00 + 3.30 = 28.30``, ``32.3%``."""
    return Decimal(re.findall(r"-?\d+(?:\.\d+)?", text)[-1])


def leaves(thing: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Every number under ``thing`` with its place."""
    if isinstance(thing, dict):
        for key, inner in thing.items():
            yield from leaves(inner, (*place, key))
    elif isinstance(thing, list):
        for index, inner in enumerate(thing):
            yield from leaves(inner, (*place, index))
    else:
        yield place, str(thing)


def expected(example: Mapping[str, Any]) -> dict[Place, str]:
    """The numbers an example expects: under ``expected``, or ``expected_amount`` and each part's."""
    if E in example:
        return dict(leaves(example[E], (E,)))
    return {A: example["expected_amount"]} | {("parts", index, E): part[E] for index, part in enumerate(example["parts"])}


def label(example: Mapping[str, Any], place: Place) -> str:
    """The place in words a reader finds again in the file."""
    if place[0] == "parts":
        return str(example["parts"][place[1]]["name"])
    return " ".join(str(step) for step in place[1:]) or "amount"


def answers() -> Iterator[Answer]:
    """Every number of every example, in the file's order."""
    facts = json.loads((HERE / "facts" / "worked_examples.json").read_text(encoding="utf-8"))
    for group, asked in (("china", CHINA), ("world", WORLD)):
        for example in facts[group]:
            name = example["id"]
            kind = example.get("kind") or ("published" if example["expected_is_published"] else "derived")
            asks = asked.get(name, {})
            for place, text in expected(example).items():
                said = label(example, place)
                if (name, place) in EXCEPTIONS:
                    yield Answer(name, kind, said, text, "-", True, EXCEPTIONS[name, place])
                elif place not in asks:
                    yield Answer(name, kind, said, text, "not computed", False)
                else:
                    value = got(asks[place])
                    yield Answer(name, kind, said, text, show(value, places(number(text))), value == number(text))


def main() -> int:
    found = list(answers())
    for answer in found:
        mark = "not asserted" if answer.why else "ok" if answer.agrees else "DIFFERS"
        print(f"{answer.example:<46} {answer.kind:<10} {answer.place:<20} expected {answer.expected:<30} got {answer.got:<14} {mark}")
    print("\nNot asserted:")
    for answer in found:
        if answer.why:
            print(f"  {answer.example}, {answer.place}: {answer.why}")
    computed = [answer for answer in found if not answer.why]
    wrong = [answer for answer in computed if not answer.agrees]
    examples = len({answer.example for answer in found})
    print(f"\n{examples} worked examples, {len(computed)} numbers computed by packs, {len(wrong)} differ, {len(found) - len(computed)} not asserted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
