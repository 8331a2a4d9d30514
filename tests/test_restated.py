"""Packs agree with the law restated as plain Python by someone who has not read them, on thousands of facts at edges, halves and bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

import tariffs
from tariffs.model import Input
from tests import restated as law
from tests.restated import Amounts, Restated

ROWS, EXPLAINED = 2_000, 200
TEST_PACKS = Path(__file__).parent / "rules"
Fact = str | Decimal
Facts = Mapping[str, Fact]
Period = tuple[date, date]


@dataclass(frozen=True, slots=True)
class Case:
    """``edges`` are the law's own, by the name of an input or its family; ``near`` are edges that follow from other facts; ``most`` narrows a bound."""

    tariff: str
    on: str
    restated: Restated
    edges: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    near: Mapping[str, Callable[[Mapping[str, Decimal]], Sequence[Decimal]]] = field(default_factory=dict)
    most: Mapping[str, str] = field(default_factory=dict)
    days: Sequence[int] = ()


CASES = [
    Case("cn/beijing/kitchen-waste", "2022-08-31", law.beijing_kitchen_waste_2021),
    Case(
        "cn/beijing/kitchen-waste", "2022-10-31", law.beijing_kitchen_waste_2022,
        near={"weight": lambda f: [f["quota"], f["quota"] / 2, f["quota"] * 2]},
    ),
    Case("cn/beijing/kitchen-waste-bins", "2022-08-31", law.beijing_kitchen_bins),
    Case("cn/beijing/kitchen-waste-bins", "2022-10-31", law.beijing_kitchen_bins),
    Case("cn/beijing/other-waste", "2026-10-31", law.beijing_other_waste),
    Case("cn/beijing/residential-waste", "2026-10-31", law.beijing_households),
    Case("cn/yinchuan/waste", "2026-01-31", law.yinchuan, days=(31, 181, 365)),
    Case("cn/lianyungang-ganyu/waste", "2026-10-31", law.ganyu),
    Case("cn/operators/hubei-adjustment", "2026-10-31", law.hubei_adjustment, {"opening": ["1.98"]}),
    Case("cn/removal-mass", "2026-10-31", law.removal_mass),
    Case(
        "cn/effluent-limits", "2026-10-31", law.effluent_limits,
        {"conc": [50, 60, 10, 20, 1, 3, "0.5", 15], "ammonia": [5, 8, 15], "phosphorus": ["0.5", 1], "water_temperature": [12]},
    ),
    Case("cn/beijing/construction-waste", "2026-10-31", law.beijing_construction_waste, {"distance": [6, 15]}),
    Case("cn/beijing/construction-waste-recycling", "2026-10-31", law.beijing_recycling, {"agreed": [30, 45]}),
    Case("cn/beijing/hazardous-waste", "2026-10-31", law.beijing_hazardous, {"agreed": [3000, 2873, 1945, 1591, 1995, 2195]}),
    Case("cn/beijing/waste-containers", "2015-01-01", law.beijing_containers),
    Case("cn/taiyuan/domestic-waste", "2025-10-31", law.taiyuan, {"area": [200, 80], "refund_share": [50, "33.33"]}),
    Case("cn/dongguan/waste", "2019-05-31", law.dongguan_2019, {"area": [30, 50, 100], "bins": [2, 4, 8, 10]}),
    Case("cn/dongguan/waste", "2026-10-31", law.dongguan_2020, {"area": [30, 50, 100], "bins": [2, 5, 7, 8]}),
    Case("cn/chengdu/waste", "2026-10-31", law.chengdu, {"daily": [5, 10, 20, 30, 60, 90, 120]}),
    Case("cn/qingdao/waste", "2026-10-31", law.qingdao),
    Case("cn/heshan-gulao/waste", "2026-10-31", law.heshan),
    Case("cn/yantai/kitchen-waste", "2025-10-31", law.yantai),
    Case("cn/xiamen/waste", "2025-02-28", law.xiamen, {"weight": [500, 1000], "bins": [1, 2, 3]}, days=(28,)),
    Case("cn/shanghai/medical-waste", "2026-10-31", law.shanghai_medical, {"weight": [10, 30, 100], "mean_mass": ["1.25", "0.8"], "bed_days": [3000]}),
    Case("cn/shanghai/hazardous-waste", "2026-10-31", law.shanghai_hazardous),
    Case("cn/qingyuan/medical-waste", "2026-10-31", law.qingyuan_medical),
    Case("cn/tianshui/medical-waste", "2026-10-31", law.tianshui_medical),
    Case("cn/jinhua/hazardous-landfill", "2021-10-31", law.jinhua_landfill, {"agreed": [2, 8]}),
    Case(
        "cn/environmental-tax", "2026-10-31", law.environmental_tax,
        {"water_rate": ["1.4", 14], "heavy_load": ["0.001", "0.00005"], "other_load": [100, 50, 200]},
    ),
    Case("cn/shanxi/environmental-tax", "2026-10-31", law.shanxi_environmental_tax, {"heavy_load": ["0.001", "0.00005"], "other_load": [100, 50, 200]}),
    Case("cn/shenzhen/sewage", "2022-08-31", law.shenzhen_2006, {"water": [22, 30, 33, 5, 15, 25, 27, 35]}),
    Case("cn/shenzhen/sewage-credit", "2026-10-31", law.shenzhen_credit),
    Case("cn/henan/sewage-differential", "2026-10-31", law.henan, {"deviation": [30, 50, 100, -30, -50, 0]}),
    *(
        Case(
            tariff, "2026-10-31", function,
            {"conc[COD]": [300, 400, 520], "conc[SS]": [200, 250, 300], "conc[TP]": [6, "6.5", 7], "conc[NH3N]": [30, 35, 40], "acidity": [6, 9, 5, 10, 7]},
        )
        for tariff, function in [
            ("cn/huzhou/sewage", law.huzhou), ("cn/huzhou/sewage-started-steps", law.huzhou_started), ("cn/huzhou/sewage-pro-rata", law.huzhou_pro_rata),
        ]
    ),
    Case("cn/nanan/water-sewage", "2026-10-31", law.nanan, {"water": [20, 21, 35]}),
    Case("cn/nanan-shishan/sewage", "2026-10-31", law.shishan),
    Case(
        "cn/jinping/water-sewage", "2026-10-31", law.jinping, {"water": [16, 25]},
        near={"water": lambda f: [f["plan"], f["plan"] * 6 / 5, f["plan"] * 13 / 10]},
    ),
    Case(
        "cn/operators/guaranteed-volume", "2026-10-31", law.guaranteed_volume, {"price": ["1.3"], "over_price": ["0.78"]},
        near={"treated": lambda f: [f["daily_guarantee"] * f["running"]]},
    ),
    Case("cn/dongguan/operator-payment", "2021-10-31", law.dongguan_operator, near={"treated": lambda f: [f["design"], f["design"] * 13 / 10]}),
    Case("cn/taishan/rural-sewage-three-facilities", "2024-10-31", law.taishan, {"score": [90, 80, 70, "92.5", "78.4"], "progress": [1]}),
    Case("cn/vat-refund", "2023-10-31", law.vat_refund),
    Case("sg/trade-effluent", "2026-10-31", law.singapore, {"conc": [400, 600, 800, 1000, 1200, 1400, 1600], "volume": [1, 2, 100]}),
    Case("hk/sewage-charge", "2018-10-31", law.hong_kong, {"water": [12, 40]}),
    Case("hk/sewage-charge-escalation", "2009-10-31", law.hong_kong_escalation),
    Case("gb/ni-water/trade-effluent", "2024-10-31", law.mogden, {"cod": [260, 780, 643], "solids": [240, 480, 517], "volume": [10000, 12345]}),
    Case("gb/landfill-tax", "2025-10-31", law.landfill_tax),
    Case("ca/nanaimo/user-rates", "2019-01-01", law.nanaimo, {"gallons": [25564, 145 * 112, 220 * 112, 145 * 31, 220 * 31, 62, 56]}, days=(112, 31, 1, 365)),
    Case("nz/watercare/water-wastewater", "2016-01-01", law.watercare, {"water": [4]}, days=(12, 1, 30, 365)),
    Case("dk/wastewater-tax", "2025-10-31", law.danish_tax),
    Case("us/mwrd-chicago/user-charge", "2024-10-31", law.mwrd_chicago),
    Case("tw/taipei/waste-bags", "2014-10-31", law.taipei, {"size": [3, 5, 14, 25, 33, 76, 120], "bags": [20, 10, 5]}),
    Case("tw/new-taipei/waste-bags", "2014-10-31", law.taipei, {"size": [75], "bags": [10]}),
    Case("au/nsw/load-based-fee", "2014-10-31", law.nsw_load_based, near={"administrative_fee": lambda f: [sum((f[name] for name in f), Decimal(0))]}),
    Case("us/clearfield/nitrogen-credits", "2012-10-31", law.clearfield),
    Case("jp/yamaguchi/business-waste", "2015-10-31", law.yamaguchi, {"weight": [100, 150, 200, 500, 1000]}),
    Case(
        "us/san-francisco/apartment-refuse", "2014-10-31", law.san_francisco, {"black": [96, 64, 32], "blue": [96, 64], "green": [64, 32]},
        near={"green": lambda f: [f["black"] * 17 / 3 - f["blue"], f["black"] / 9 - f["blue"]]},
    ),
    Case(
        "us/austin/industrial-surcharge", "2021-10-31", law.austin, {"bod": [200, 614], "tss": [200, 111], "cod": [450, 1200], "volume": ["0.0116"]},
        near={"cod": lambda f: [f["bod"] * 9 / 4]},
    ),
    Case(
        "pe/vma-payment", "2016-10-31", law.peru, {"conc[BOD5]": [500, 550, 600, 1000, 10000]},
        most={"conc[COD]": "1000", "conc[TSS]": "500", "conc[FOG]": "100"},
    ),
    Case("de/wastewater-charge", "2010-10-31", law.german_charge, {"conc[COD]": [20, 60], "conc[P]": ["0.1", 2], "conc[N]": [5, 18], "conc[AOX]": ["0.1"], "water": [1_000_000, 12_500, 25_000, 100_000, 150_000]}),
    Case("be/lille/diftar", "2021-10-31", law.lille, {"residual": [123], "organic": [107]}),
]  # fmt: skip


PARAMETERS = [pytest.param(case, id=f"{case.tariff}@{case.on}") for case in CASES]


def _number(random: Random, item: Input, marks: Sequence[Decimal], most: Decimal) -> Decimal:
    """A bound, an edge or one step beside it, a few steps from the bottom (with halves), or any size there is."""
    low, grid = item.type.low, item.type.grid
    steps = int((most - low) // grid)
    kind = random.randrange(20)
    if kind < 2:
        step = random.choice([0, steps])
    elif kind < 10 and marks:
        step = int((random.choice(marks) - low) // grid) + random.choice([-1, 0, 0, 1])
    elif kind < 15:
        step = random.randrange(random.choice([10, 1000, 10000]))
    else:
        step = random.randrange(10 ** random.randint(1, len(str(steps)))) // 5 * 5
    return low + min(max(step, 0), steps) * grid


def _facts(case: Case, version: tariffs.TariffVersion, random: Random) -> Facts:
    found: dict[str, Fact] = {name: random.choice(list(choice.members)) for name, choice in version.model.choices.items()}
    numbers: dict[str, Decimal] = {}
    for item in sorted(version.model.inputs, key=lambda item: item.full_name in case.near):
        name = item.full_name
        marks = [Decimal(mark) for mark in case.edges.get(name, case.edges.get(item.name, ()))]
        if name in case.near and random.randrange(3):
            marks = list(case.near[name](numbers))
        numbers[name] = _number(random, item, marks, Decimal(case.most[name]) if name in case.most else item.type.high)
    return found | numbers


def _restate(case: Case, facts: Facts, days: int) -> Amounts:
    nested: dict[str, object] = {"period_days": days} if case.days else {}
    for name, value in facts.items():
        fact = value if isinstance(value, str) else Fraction(value)
        family, _, member = name.rstrip("]").partition("[")
        if member:
            group = nested.setdefault(family, {})
            assert isinstance(group, dict)
            group[member] = fact
        else:
            nested[family] = fact
    return case.restated(**nested)


def _period(case: Case, days: int) -> Period | None:
    if not case.days:
        return None
    start = date.fromisoformat(case.on).replace(day=1)
    return start, date.fromordinal(start.toordinal() + days)


@pytest.mark.parametrize("case", PARAMETERS)
def test_columns_agree_with_the_law_restated(case: Case) -> None:
    version = tariffs.load(case.tariff, on=case.on, rules=TEST_PACKS)
    if not version.model.inputs and not version.model.choices:
        return  # nothing to put into a column
    refunds = [charge.full_name for charge in version.model.charges if charge.kind == "refund"]
    for days in case.days or (0,):
        random = Random(f"{case.tariff} {case.on} {days}")
        rows = [_facts(case, version, random) for _ in range(ROWS // len(case.days or (0,)))]
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        rated, bad = version.rate(columns, period=_period(case, days), errors="return", workings=True)
        assert set(bad["code"]) <= {"refused", "nothing-applies"}
        refused = set(bad["row"])
        for row, facts in enumerate(rows):
            expected = _restate(case, facts, days)
            names = [*(expected or ["total"]), *refunds]
            found = None if row in refused else {name: rated[name][row] for name in names if rated[name][row] is not None}
            assert found == expected, facts


@pytest.mark.parametrize("case", PARAMETERS)
def test_explanations_agree_with_the_law_restated(case: Case) -> None:
    version = tariffs.load(case.tariff, on=case.on, rules=TEST_PACKS)
    random = Random(f"explain {case.tariff} {case.on}")
    for _ in range(EXPLAINED):
        facts = _facts(case, version, random)
        days = random.choice(case.days or (0,))
        expected = _restate(case, facts, days)
        assert _explained(version, facts, _period(case, days), expected) == expected, facts


def _explained(version: tariffs.TariffVersion, facts: Facts, period: Period | None, expected: Amounts) -> Amounts:
    try:
        rating = version.explain(facts, period=period)
    except tariffs.FactsError as error:
        return None if {problem.code for problem in error.problems} <= {"refused", "nothing-applies"} else {"wrong facts": Decimal(0)}
    amounts = {line.charge.full_name: line.amount for line in rating.lines} | {"total": rating.total}
    return {name: amounts[name] for name in expected or ["total"]}
