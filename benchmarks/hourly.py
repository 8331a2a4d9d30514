"""Hourly readings to twelve bills in blocks: beside PySAM, which energy engineers use, and plain NumPy.

Everyone starts from the same readings, a year of hours an account: ours from one Arrow list a meter, PySAM from a list of kWh an
account as its users pass it, NumPy from a matrix. Ours takes the months apart, adds each up exactly, checks the bounds and
rates by the version; PySAM also computes the years and loads its users do not ask for here, in doubles, and gives an energy charge that is
not rounded: it is rounded to the fen by us, half up, outside the clock. Accounts of PySAM are fewer; its time is an account's.
"""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

import tariffs
from benchmarks.measure import timed
from benchmarks.results import Figure, Ratio, as_data, conclude, show
from benchmarks.workloads import RULES
from tariffs.intervals import collect_intervals

YEAR = 2027
HOURS = 8_760
EDGES, RATES = (200, 400), ("0.4883", "0.5383", "0.7883")
Ints = npt.NDArray[np.int64]


def readings(accounts: int, seed: int) -> Ints:
    """Wh an hour: most months below the first edge, between, and above; every fourth account meets an edge to the Wh each month."""
    random = np.random.default_rng(seed)
    found = random.integers(0, random.integers(100, 1_500, (accounts, 1)), (accounts, HOURS))
    for begin, end in _hours_of_months():
        to_edge = np.asarray(random.choice([200_000, 400_000], len(found[::4]))) - found[::4, begin : end - 1].sum(axis=1)
        found[::4, end - 1] = np.maximum(to_edge, 0)
    return found


def _hours_of_months() -> list[tuple[int, int]]:
    days = [(date(YEAR + month // 12, month % 12 + 1, 1) - date(YEAR, 1, 1)).days for month in range(13)]
    return [(begin * 24, end * 24) for begin, end in pairwise(days)]


def as_lists(wh: Ints) -> pa.Table:
    """A row an account: its hours as kWh in decimal64(9, 3)."""
    memory: Any = wh.reshape(-1)
    numbers = pa.Array.from_buffers(pa.decimal64(9, 3), wh.size, [None, pa.py_buffer(memory)])
    count = len(wh)
    return pa.table(
        {
            "account": pa.array([f"meter {i}" for i in range(count)]),
            "start": pa.array([date(YEAR, 1, 1)] * count),
            "energy": pa.FixedSizeListArray.from_arrays(numbers, HOURS),
        }
    )


def ours(version: tariffs.TariffVersion, table: pa.Table) -> pa.Table:
    months, lacking = collect_intervals(version.model, table)
    assert not lacking.num_rows
    found: pa.Table = version.rate(months)
    return found


def by_numpy(wh: Ints) -> Ints:
    """What is written for one year and one rule: fen by month."""
    begins = [begin for begin, _ in _hours_of_months()]
    month = np.add.reduceat(wh, begins, axis=1)
    low, high = (edge * 1000 for edge in EDGES)
    rates = [int(Decimal(rate) * 10_000) for rate in RATES]
    first, second = np.minimum(month, low), np.minimum(month, high)
    exact = first * rates[0] + (second - first) * rates[1] + (month - second) * rates[2]
    fen: Ints = (exact + 50_000) // 100_000
    return fen


def pysam() -> Any:
    """A meter on a tariff of three tiers, as the documentation of Utilityrate5 sets one up."""
    from PySAM import Utilityrate5

    model: Any = Utilityrate5.new()
    rates = model.ElectricityRates
    rates.en_electricity_rates, rates.ur_metering_option, rates.ur_dc_enable = 1, 4, 0
    rates.ur_ec_sched_weekday = rates.ur_ec_sched_weekend = [[1] * 24] * 12
    rates.ur_ec_tou_mat = [[1, tier + 1, edge, 0, float(rate), 0] for tier, (edge, rate) in enumerate(zip((*EDGES, 1e38), RATES, strict=True))]
    rates.ur_monthly_fixed_charge = rates.ur_monthly_min_charge = rates.ur_annual_min_charge = rates.ur_nm_yearend_sell_rate = 0
    rates.rate_escalation = [0]
    model.Lifetime.analysis_period, model.Lifetime.system_use_lifetime_output, model.Lifetime.inflation_rate = 1, 0, 0
    model.SystemOutput.gen, model.SystemOutput.degradation = [0.0] * HOURS, [0]
    return model


def by_pysam(model: Any, accounts: list[list[float]]) -> list[tuple[float, ...]]:
    found = []
    for load in accounts:
        model.Load.load = load
        model.execute()
        found.append(model.Outputs.year1_monthly_ec_charge_without_system)
    return found


def in_fen(charges: list[tuple[float, ...]]) -> Ints:
    """Doubles as they print, half up to the fen: what a biller would do with them."""
    return np.array([[int(Decimal(repr(x)).quantize(Decimal("0.01"), ROUND_HALF_UP).scaleb(2)) for x in year] for year in charges], np.int64)


def run(accounts: int = 3_000, peers: int = 200, repeat: int = 5, seed: int = 0, record: bool = False) -> None:
    """Meters of a year each, PySAM on the first so many; every bill beside NumPy's and PySAM's, a sample beside explain."""
    version = tariffs.load("xx/benchmark/blocks-by-month", on=date(YEAR, 1, 1), rules=RULES)
    wh = readings(accounts, seed)
    table, model = as_lists(wh), pysam()
    loads = (wh[:peers] / 1000).tolist()
    found = ours(version, table)
    fees = np.array([int(Decimal(fee or 0).scaleb(2)) for fee in found["fee"].to_pylist()], np.int64).reshape(accounts, 12)
    energy = [Decimal(int(x)) / 1000 for begin, end in _hours_of_months() for x in wh[:peers, begin:end].sum(axis=1)]
    explained = np.array([int(version.explain(energy=x).total.scaleb(2)) for x in energy], np.int64).reshape(12, peers).T
    wrong = int((explained != fees[:peers]).sum())
    charges = by_pysam(model, loads)
    off = int((in_fen(charges) != fees[:peers]).sum())
    furthest = float(np.abs(np.array(charges) * 100 - fees[:peers]).max())
    spent = timed({"ours": lambda: ours(version, table), "numpy": lambda: by_numpy(wh), "pysam": lambda: by_pysam(model, loads)}, repeat)
    bills = {"ours": accounts * 12, "numpy": accounts * 12, "pysam": peers * 12}
    figures = [
        Figure("tariffs: lists of readings to bills", bills["ours"], spent["ours"], wrong, peers * 12),
        Figure("NumPy int64, by hand", bills["numpy"], spent["numpy"], int((by_numpy(wh) != fees).sum()), accounts * 12),
        Figure("PySAM Utilityrate5, float64", bills["pysam"], spent["pysam"], off, peers * 12, f"at most {furthest:.4f} fen from ours before rounding"),
    ]
    ratios = [Ratio("hourly readings: bills a second, tariffs beside PySAM", bills["ours"] / spent["ours"] / (bills["pysam"] / spent["pysam"]), at_least=90)]
    show(f"bills of a month from hourly readings ({accounts:,} meters, {wh.size:,} readings)", figures, ratios)
    assert not wrong, f"{wrong} bills differ from explain"
    assert furthest <= 0.51, "PySAM means another tariff"
    conclude("hourly", {"figures": as_data(figures), "readings": int(wh.size)}, ratios, to_record=record)
