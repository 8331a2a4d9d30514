"""The law restated as plain Python, by someone who has not read the packs.

Written from the record of the law (what is published, its numbers and its own worked examples) and, where the record leaves a reading
open, from the assumptions a pack declares in words; never from a pack's formulas, values or cases. Numbers are fractions, so nothing is
rounded but where ``half_up``, ``floor`` or ``ceil`` says so. Each function takes facts by their names (a family as a mapping) and gives
amounts by the names of charges, ``total`` among them; ``None`` where the law gives no price and none may be guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

Amounts = dict[str, Decimal] | None
Restated = Callable[..., Amounts]
Number = Fraction | int
Family = Mapping[str, Fraction]
F = Fraction


def half_up(amount: Number, step: str = "0.01") -> Decimal:
    """To the nearest step, a half away from zero."""
    steps = floor(abs(F(amount)) / F(step) + F(1, 2))
    return Decimal(steps if amount >= 0 else -steps) * Decimal(step)


def only(amount: Number) -> Amounts:
    """One line, rounded once."""
    return {"total": half_up(amount)}


def lines(**amounts: Number) -> Amounts:
    """Several lines, each rounded, and their sum."""
    rounded = {name: half_up(amount) for name, amount in amounts.items()}
    return rounded | {"total": sum(rounded.values(), Decimal(0))}


def above(quantity: Number, edge: Number) -> Fraction:
    """What is above an edge, nothing below it."""
    return F(quantity) - edge if quantity > edge else F(0)


def sliced(quantity: Number, edges: Sequence[Number], prices: Sequence[str]) -> Fraction:
    """What each slice between two edges costs at its own price, together."""
    paid = F(0)
    for lower, upper, price in zip([0, *edges], [*edges, None], prices, strict=True):
        top = quantity if upper is None else min(quantity, upper)
        paid += above(top, lower) * F(price)
    return paid


# --- China: waste -------------------------------------------------------------------------------------------------


def beijing_kitchen_waste_2021(weight: Fraction) -> Amounts:
    return only(300 * weight)


def beijing_kitchen_waste_2022(payer: str, weight: Fraction, quota: Fraction) -> Amounts:
    if payer == "other":
        return only(300 * weight)
    if 2 * weight <= quota:
        return only(200 * weight)
    if weight <= quota:
        return only(300 * weight)
    return only(300 * quota + 600 * (weight - quota))


def beijing_kitchen_bins(bins: Fraction, payer: str = "other") -> Amounts:
    """A bin of 120 L at 0.9 t/m3 is 0.108 t, published as 0.11 t; for a canteen under quota the mass alone, as its fee follows the quota rule."""
    tonnes = F(half_up(F("0.12") * F("0.9")))
    return {"mass": half_up(tonnes * bins)} if payer == "quota_unit" else only(300 * tonnes * bins)


def beijing_other_waste(weight: Fraction) -> Amounts:
    return only(300 * weight)


def beijing_construction_waste(weight: Fraction, distance: Fraction) -> Amounts:
    """6 yuan/t pays the first 6 km, then 1 yuan for each t and km; treatment is 30 yuan/t."""
    return lines(haulage=weight * (6 + above(distance, 6)), treatment=30 * weight)


def beijing_households(households: Fraction) -> Amounts:
    """A whole year."""
    return only(30 * households)


def yinchuan(households: Fraction, period_days: int) -> Amounts:
    """48 yuan a year, which may be paid by the month, the half-year from January, or the year."""
    months = {31: 1, 181: 6, 365: 12}[period_days]
    return only(F(48, 12) * months * households)


def ganyu(households: Fraction) -> Amounts:
    return only(5 * households)


def beijing_recycling(weight: Fraction, agreed: Fraction) -> Amounts:
    """As agreed, not above 150 % of the treatment fee of 30 yuan/t."""
    return None if agreed > 30 * F("1.5") else only(agreed * weight)


def beijing_hazardous(treatment: str, weight: Fraction, agreed: Fraction) -> Amounts:
    cap = {"medical": 3000, "medical_gaoantun": 2873, "solidified": 1945, "landfill": 1591, "burnt_rich": 1995, "burnt_poor": 2195}[treatment]
    return None if agreed > cap else only(agreed * weight)


def beijing_containers(container: str, containers: Fraction) -> Amounts:
    """Volume x density x price, to the nearest 0.50 yuan, fits every published price."""
    litres = {"bin120": 120, "bin240": 240, "bin660": 660, "bin1100": 1100, "bag60": 60, "bag120": 120, "kitchen120": 120}[container]
    by_volume = F("0.9") * 100 if container == "kitchen120" else F("0.4") * 300
    return only(F(half_up(F(litres, 1000) * by_volume, "0.50")) * containers)


def taiyuan(
    payer: str, relief: str, households: Fraction, weight: Fraction, area: Fraction, beds: Fraction, seats: Fraction, refund_share: Fraction
) -> Amounts:
    """Low-income and preferential households pay in full and are refunded; a bank or mall pays by mass above 200 m2 only."""
    if payer == "bank_mall" and area <= 200:
        return None
    fee = {
        "household": 5 * households, "institution": 105 * weight, "shop": F("1.2") * area,
        "hotel": 12 * beds, "vehicle": 2 * seats, "bank_mall": 105 * weight,
    }[payer]  # fmt: skip
    paid = only(fee)
    if payer == "household" and relief != "ordinary" and paid is not None:
        paid["relief_refund"] = half_up(fee * refund_share / 100)
    return paid


def _dongguan(bin_price: int) -> Restated:
    def fee(payer: str, managed: str, sorting: str, trade: str, stream: str, water: Fraction, area: Fraction, bins: Fraction) -> Amounts:
        by_water = F("0.64") * water
        stream_factor = {"ordinary": F(1), "kitchen_licensed": F("0.90"), "industrial_mixed": F("1.50")}[stream]
        by_bin = bin_price * bins * stream_factor
        if payer == "resident":
            return only(by_water * (F("0.80") if managed == "managed" else 1) * (F("0.90") if sorting == "sorting" else 1))
        if payer == "estate":
            return only(F("0.80") * by_water)
        if payer in {"unmetered_resident", "unmetered_other"}:
            return only(10 if payer == "unmetered_resident" else 30)
        if payer == "unit":
            return only(by_bin)
        large = area >= (30 if trade == "fruit_flower" else 100)
        if large != (payer == "shop_by_bin"):
            return None
        if large:
            return only(max(by_bin, F({"catering": 150, "fruit_flower": 55, "other_shop": 50}[trade])))
        if trade == "fruit_flower":
            return only(55)
        small, medium = {"catering": (130, 150), "other_shop": (38, 50)}[trade]
        return only(small if area < 50 else medium)

    return fee


dongguan_2019 = _dongguan(15)
dongguan_2020 = _dongguan(21)


def chengdu(basis: str, daily: Fraction, weight: Fraction, heads: Fraction) -> Amounts:
    if basis == "tonne":
        return only(120 * weight)
    if basis == "self_haul":
        return only(45 * weight)
    if basis == "staff":
        return only(2 * heads)
    for upto, fee in ((5, 18), (10, 36), (20, 72), (30, 108)):
        if daily <= upto:
            return only(fee)
    return only(108 * ceil(daily / 30))


def qingdao(household: str, relief: str) -> Amounts:
    fee = 5 if household == "managed" else 6
    return only({"none": F(fee), "low_income": F(0), "union": F(fee, 2)}[relief])


def heshan(payer: str, assessed: Fraction) -> Amounts:
    if payer == "household":
        return only(8)
    return only(assessed / 2 if payer in {"school", "kindergarten", "welfare_home", "disabled_shop"} else 0)


def yantai(basis: str, weight: Fraction, bins: Fraction) -> Amounts:
    return only(36 * weight if basis == "mass" else F("7.5") * bins)


def xiamen(basis: str, trade: str, destination: str, weight: Fraction, volume: Fraction, bins: Fraction, period_days: int) -> Amounts:
    """Heavier producers pay more a tonne; a part bin counts as a full one."""
    tonnes = weight / 1000
    if basis == "bulky":
        return only(45 * volume)
    if basis in {"bin240", "bin300"}:
        return only((8 if basis == "bin240" else 10) * ceil(bins) * period_days)
    if basis == "self_haul":
        return only({"station": 60, "houkeng": 40, "dongfu_xiangan": 20}[destination] * tonnes)
    if weight <= 500:
        return only(40 if trade == "catering" else 30)
    return only((60 if weight <= 1000 else 75) * tonnes)


# --- China: medical and hazardous waste, tax ----------------------------------------------------------------------


def shanghai_medical(basis: str, bed_days: Fraction, mean_mass: Fraction, weight: Fraction) -> Amounts:
    if basis == "bed_day":
        return only(F("3.9") * mean_mass / F("1.25") * bed_days)
    if basis == "no_bed":
        for below, fee in ((10, 90), (30, 145), (100, 260)):
            if weight < below:
                return only(fee)
    return only(F("3.3") * weight)


def shanghai_hazardous(waste: str, weight: Fraction, volume: Fraction) -> Amounts:
    if waste == "instrument":
        return only(1680 * volume)
    by_tonne = {
        "fly_ash": 1860, "batteries": 2340, "industrial": 2340, "photo_liquid": 2600, "film_sheet": 1000, "film_roll": 1500, "washed_photo_paper": 1000,
    }  # fmt: skip
    return only(by_tonne[waste] * weight)


def qingyuan_medical(institution: str, bed_days: Fraction, visits: Fraction, weight: Fraction) -> Amounts:
    if institution == "hospital":
        return lines(bed_fee=3 * bed_days, visit_fee=F("0.30") * visits)
    if institution == "sludge":
        return only(6800 * weight)
    return only({"large_clinic": 180, "small_clinic": 90, "health_station": 50}[institution])


def tianshui_medical() -> Amounts:
    return only(200)


def jinhua_landfill(waste: str, weight: Fraction, agreed: Fraction) -> Amounts:
    return None if agreed > (2 if waste == "solidified" else 8) else only(agreed * weight)


HEAVY = {
    "Hg": "0.0005", "Cd": "0.005", "Cr": "0.04", "Cr6": "0.02", "As": "0.02", "Pb": "0.025", "Ni": "0.025", "BaP": "0.0000003", "Be": "0.01", "Ag": "0.02",
}  # fmt: skip
OTHER = {
    "SS": "4", "BOD5": "0.5", "COD": "1", "TOC": "0.49", "NH3N": "0.8", "phenol": "0.08", "sulphide": "0.125", "fluoride": "0.5",
    "formaldehyde": "0.125", "Cu": "0.1", "Zn": "0.2", "Mn": "0.2",
}  # fmt: skip


def _water_tax(heavy_load: Family, other_load: Family, rate: Fraction) -> Amounts:
    """Equivalents to two places; the five greatest of the first class, the three greatest of the others; COD, BOD5 and TOC count once."""
    heavy = [half_up(load / F(HEAVY[name])) for name, load in heavy_load.items()]
    other = {name: half_up(load / F(OTHER[name])) for name, load in other_load.items()}
    oxygen = max(other.pop(name) for name in ("COD", "BOD5", "TOC"))
    return lines(heavy_tax=_greatest(heavy, 5) * rate, other_tax=_greatest([oxygen, *other.values()], 3) * rate)


def _greatest(units: Iterable[Decimal], count: int) -> Fraction:
    return sum((F(unit) for unit in sorted(units, reverse=True)[:count]), F(0))


def environmental_tax(object: str, solid: str, heavy_load: Family, other_load: Family, water_rate: Fraction, solid_load: Fraction) -> Amounts:  # noqa: A002
    """Water at the province's rate, which the law keeps between 1.4 and 14 yuan."""
    if object == "solid":
        return only({"gangue": 5, "tailings": 15, "hazardous": 1000, "slag": 25}[solid] * solid_load)
    return _water_tax(heavy_load, other_load, water_rate) if F("1.4") <= water_rate <= 14 else None


def shanxi_environmental_tax(object: str, heavy_load: Family, other_load: Family, air_units: Fraction) -> Amounts:  # noqa: A002
    return only(F("1.8") * air_units) if object == "air" else _water_tax(heavy_load, other_load, F("2.1"))


# --- China: sewage and water --------------------------------------------------------------------------------------


def shenzhen_2006(user: str, water: Fraction) -> Amounts:
    """Sewage is 0.90 of the water, each tier's volume rounded half up to whole m3 before it is priced."""
    if user == "household":
        tiers = [(min(water, F(22)), "0.90"), (min(above(water, 22), F(8)), "1.00"), (above(water, 30), "1.10")]
        return only(sum(F(half_up(F("0.90") * volume, "1")) * F(price) for volume, price in tiers))
    price = {"agency": "1.10", "industry": "1.05", "commerce": "1.20", "special": "2.00"}[user]
    return only(F(half_up(F("0.90") * water, "1")) * F(price))


def shenzhen_credit(rating: str, sewage: Fraction, base: Fraction) -> Amounts:
    factor = {"green": "0.90", "blue": "1.00", "yellow": "1.10", "red": "1.30"}[rating]
    return only(base * F(factor) * sewage)


def henan(credit: str, sewage: Fraction, base: Fraction, deviation: Fraction) -> Amounts:
    """Over the baseline by more than 30, 50, 100 %: 10, 20, 30 % more; all below by more than 30, 50 %: 10, 20 % less; credit on top."""
    more = 30 if deviation > 100 else 20 if deviation > 50 else 10 if deviation > 30 else 0
    less = 20 if deviation < -50 else 10 if deviation < -30 else 0
    by_credit = {"green_98": F("0.9"), "ordinary": F(1), "black": F("1.5")}[credit]
    return only(base * F(100 + more - less, 100) * by_credit * sewage)


def _huzhou(count: Callable[[Fraction], Number]) -> Restated:
    """Whether a part step counts is not stated: ``count`` is the reading."""

    def fee(industry: str, sewage: Fraction, conc: Family, acidity: Fraction) -> Amounts:
        factors: dict[str, tuple[int, Number, str]] = {"COD": (300, 100, "0.30"), "SS": (200, 50, "0.20"), "TP": (6, F("0.5"), "0.20"), "NH3N": (30, 5, "0.30")}
        price = F("2.35") if industry == "heavy" else F("1.95")
        for name, (baseline, step, add) in factors.items():
            price += count(above(conc[name], baseline) / step) * F(add)
        price += count(above(6, acidity)) * F("0.30") + count(above(acidity, 9)) * F("0.20")
        return only(price * sewage)

    return fee


huzhou = _huzhou(floor)
huzhou_started = _huzhou(ceil)
huzhou_pro_rata = _huzhou(lambda steps: steps)


def nanan(user: str, water: Fraction) -> Amounts:
    """The price of a tier is rounded to the fen before use: 1.85, 2.78, 5.55."""
    second, third = (str(half_up(F("1.85") * F(times))) for times in ("1.5", "3"))
    if user == "other":
        return lines(sewage_fee=F("1.40") * water)
    return lines(water_fee=sliced(water, [20, 35], ["1.85", second, third]), sewage_fee=F("0.95") * water)


def shishan(treatment: str, sewage: Fraction) -> Amounts:
    """Collected in full, half refunded to who treats to grade 1 or 2. What is charged above grade 3 on top is not published."""
    if treatment == "over_grade3":
        return None
    paid = only(F("0.8") * sewage)
    if treatment == "self_treated" and paid is not None:
        paid["refund"] = half_up(F("0.4") * sewage)
    return paid


def jinping(user: str, water: Fraction, plan: Fraction) -> Amounts:
    """Delivered 4.20, 5.65, 7.10 by tiers, of which 0.20 resource and 1.10 sewage; above the plan one, two, three times the base on top."""
    if user == "resident":
        return {"total": half_up(sliced(water, [16, 25], ["4.20", "5.65", "7.10"]))}
    surcharge = sliced(above(water, plan), [plan * F("0.2"), plan * F("0.3")], ["2.90", "5.80", "8.70"])
    return {"over_plan": half_up(surcharge), "total": half_up(surcharge + F("4.20") * water)}


# --- China: operators ---------------------------------------------------------------------------------------------


def guaranteed_volume(
    daily_guarantee: Fraction, running: Fraction, treated: Fraction, price: Fraction, over_price: Fraction,
    availability: Fraction, price_true_up: Fraction, volume_true_up: Fraction,
) -> Amounts:  # fmt: skip
    guaranteed = daily_guarantee * running
    return lines(
        base_income=price * guaranteed, over_income=over_price * above(treated, guaranteed), other_income=availability + price_true_up + volume_true_up
    )


def dongguan_operator(design: Fraction, treated: Fraction, price: Fraction) -> Amounts:
    """A day's volume above 1.3 x design is not paid; city and town share 5:5, an odd fen falling to the city."""
    fee = half_up(price * min(treated, F("1.3") * design))
    town = Decimal(floor(F(fee) * 50)) / 100
    return {"city_part": fee - town, "town_part": town, "total": fee}


def hubei_adjustment(opening: Fraction) -> Amounts:
    """P0 x 1.18 + 0.28 to the fen, and how much more that is, in percent."""
    price = half_up(opening * F("1.18") + F("0.28"))
    return {"price": price, "rise": half_up((F(price) / opening - 1) * 100, "0.1")}


def removal_mass(flow: Fraction, inflow: Fraction, outflow: Fraction) -> Amounts:
    return {"removed": half_up(flow * (inflow - outflow) / 1000, "0.00001")}


def effluent_limits(grade: str, conc: Family, ammonia: Fraction, phosphorus: Fraction, water_temperature: Fraction) -> Amounts:
    """How far a daily mean lies above GB 18918-2002, class 1A and 1B; ammonia has a wider limit at 12 degrees and below."""
    column = "ab".index(grade)
    limits = {
        "COD": ("50", "60"), "BOD5": ("10", "20"), "SS": ("10", "20"), "oil": ("1", "3"), "petroleum": ("1", "3"), "LAS": ("0.5", "1"), "TN": ("15", "20"),
    }  # fmt: skip
    cold = water_temperature <= 12
    over = {f"over[{name}]": above(conc[name], F(limit[column])) for name, limit in limits.items()}
    over["ammonia_over"] = above(ammonia, ((5, 8), (8, 15))[column][cold])
    over["phosphorus_over"] = above(phosphorus, (F("0.5"), F(1))[column])
    return {name: half_up(amount, "0.001") for name, amount in over.items()}


def taishan(score: Family, capital: Fraction, progress: Fraction, upkeep: Fraction) -> Amounts:
    """Coefficients are straight between 90, 80 and 70; their mean has three places; each step of money is rounded."""

    def om(s: Fraction) -> Fraction:
        if s >= 80:
            return 1 - F("0.005") * above(90, s)
        return F("0.95") - F("0.01") * (80 - s) if s >= 70 else F("0.85") - F("0.015") * (70 - s)

    def availability(s: Fraction) -> Fraction:
        if s >= 70:
            return 1 - F("0.005") * above(80, s)
        return F("0.95") - F("0.01") * (70 - s)

    ec1, ec2 = (F(half_up(sum(map(each, score.values()), F(0)) / len(score), "0.001")) for each in (om, availability))
    month = F(half_up(capital * 10000 / 12))
    return lines(availability=month * progress * ec2, om=upkeep * ec1)


def vat_refund(vat: Fraction, months: Fraction) -> Amounts:
    return only(F(half_up(F("0.7") * vat)) * months)


# --- The world ----------------------------------------------------------------------------------------------------


def singapore(volume: Fraction, conc: Family) -> Amounts:
    """37.45 cents for each started 200 mg/L above 400, per m3 or part of one; any fraction of a dollar is ignored. The scale seen has six steps."""
    if max(conc.values()) > 1600:
        return None
    steps = sum(ceil(above(conc[name], 400) / 200) for name in ("BOD", "TSS"))
    return {"total": Decimal(floor(F("0.3745") * steps * ceil(volume)))}


def hong_kong(water: Fraction) -> Amounts:
    return only(F("2.92") * above(water, 12))


def hong_kong_escalation() -> Amounts:
    """9.3 % a year on the unrounded chain from 1.20."""
    return {f"rate_{year}": half_up(F("1.20") * F("1.093") ** year) for year in range(1, 11)}


def mogden(volume: Fraction, cod: Fraction, solids: Fraction) -> Amounts:
    return only((F("0.3093") + F("0.3488") + F("0.2308") * cod / 260 + F("0.2693") * solids / 240) * volume)


def landfill_tax(standard: Fraction, inert: Fraction) -> Amounts:
    return lines(standard_tax=F("126.15") * standard, lower_tax=F("4.05") * inert)


def nanaimo(gallons: Fraction, period_days: int) -> Amounts:
    """Blocks apply to whole gallons a day; the rate a day times the days; each line to the cent."""
    daily = F(half_up(gallons / period_days, "1"))
    rate = F("0.74499") + sliced(daily, [145, 220], ["0.00156", "0.00722", "0.00759"])
    return lines(water=rate * period_days, sewer_fee=F("0.37034") * period_days, garbage_fee=F("0.46575") * period_days)


def watercare(water: Fraction, period_days: int) -> Amounts:
    """Wastewater is 78.5 % of water; the fixed charge a day is rounded to the cent first."""
    daily = F(half_up(F(205, 365)))
    return lines(water_fee=F("1.444") * water, wastewater_fee=F("0.785") * water * F("2.454"), fixed_fee=daily * period_days)


def danish_tax(volume: Fraction, conc: Family) -> Amounts:
    """mg/L x m3 is grams; the rates are for kilograms."""
    rates = {"N": "33.39", "P": "183.64", "BI5": "18.36"}
    return lines(**{f"tax[{name}]": volume * conc[name] / 1000 * F(rate) for name, rate in rates.items()})


def mwrd_chicago(volume: Fraction, bod: Fraction, solids: Fraction) -> Amounts:
    return lines(volume_charge=F("287.56") * volume, bod_charge=F("187.65") * bod / 1000, solids_charge=F("125.28") * solids / 1000)


def taipei(size: Fraction, bags: Fraction) -> Amounts:
    return {"total": Decimal(floor(F("0.36") * size * bags))}


def nsw_load_based(pollutant_fee: Family, administrative_fee: Fraction) -> Amounts:
    return only(max(sum(pollutant_fee.values()) - administrative_fee, F(0)))


def clearfield(credits: Fraction) -> Amounts:  # noqa: A002
    return only(F("4.50") * credits)


def yamaguchi(weight: Fraction) -> Amounts:
    """972 yen for each started 100 kg; below 10 yen is dropped."""
    return {"total": Decimal(972 * ceil(weight / 100) // 10 * 10)}


def san_francisco(black: Fraction, blue: Fraction, green: Fraction, dwellings: Fraction) -> Amounts:
    """What is diverted less 10 %, to a whole percent, 75 % at most, comes off the volume charge."""
    whole = black + blue + green
    if not whole:
        return None
    discount = min(max(F(half_up(100 * (blue + green) / whole - 10, "1")), F(0)), F(75))
    volume_charge = F(half_up(F("25.90") * whole / 32))
    return lines(service=volume_charge - F(half_up(volume_charge * discount / 100)), base_charges=F("5.16") * dwellings)


def austin(volume: Fraction, bod: Fraction, tss: Fraction, cod: Fraction) -> Amounts:
    """COD in place of BOD where it is more than 2.25 times it; below a threshold there is no credit."""
    pounds = volume * F("8.34")
    by_cod = cod > F("2.25") * bod
    oxygen = F("0.2242") * above(cod, 450) if by_cod else F("0.5043") * above(bod, 200)
    return lines(**{"cod_surcharge" if by_cod else "bod_surcharge": pounds * oxygen, "tss_surcharge": pounds * F("0.1087") * above(tss, 200)})


def peru(sewer_bill: Fraction, conc: Family) -> Amounts:
    """Only the ranges of BOD5 are in the record; the others stand at or below their limits, where nothing is added."""
    above = conc["BOD5"]
    percent = 500 if above > 10000 else 250 if above > 1000 else 25 if above > 600 else 19 if above > 550 else 6 if above > 500 else 0
    return only(sewer_bill * percent / 100)


def german_charge(requirements: str, water: Fraction, conc: Family) -> Amounts:
    """Whole units of each pollutant that is above both thresholds; half the rate where the requirements are met."""
    units = 0
    for name, (kilograms, least, least_load) in {"COD": (50, "20", 250), "P": (3, "0.1", 15), "N": (25, "5", 125), "AOX": (2, "0.1", 10)}.items():
        load = water * conc[name] / 1000
        if conc[name] > F(least) and load > least_load:
            units += floor(load / kilograms)
    return only(F("35.79") * (F(1, 2) if requirements == "met" else 1) * units)


def lille(residual: Fraction, organic: Fraction) -> Amounts:
    """A year: twelve months of both fixed fees."""
    return lines(residual_fee=F("0.26") * residual, organic_fee=F("0.10") * organic, fixed_fee=F("4.50") * 12, container_fee=F("0.50") * 12)
