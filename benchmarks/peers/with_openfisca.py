"""OpenFisca-Core: a tax and benefit system with a variable a line, its numbers float32, as it has them."""

from __future__ import annotations

from typing import Any

import numpy as np
from openfisca_core.entities import build_entity
from openfisca_core.indexed_enums import Enum
from openfisca_core.periods import DateUnit
from openfisca_core.simulations import SimulationBuilder
from openfisca_core.taxbenefitsystems import TaxBenefitSystem
from openfisca_core.variables import Variable

from benchmarks.peers.with_numpy import fen_of_doubles
from benchmarks.workloads import Data, Way

MONTH = "2026-01"
_ACCOUNT: Any = build_entity(key="account", plural="accounts", label="an account", is_person=True)


def _variable(name: str, formula: Any = None) -> Any:
    """A variable of a month; with a formula it is computed, without one it is given."""
    body = {"value_type": float, "entity": _ACCOUNT, "definition_period": DateUnit.MONTH, "label": name}
    return type(name, (Variable,), body if formula is None else {**body, "formula": formula})


def _round(amounts: Any) -> Any:
    return np.floor(amounts * 100 + np.float32(0.5)) / np.float32(100)


def _first(account: Any, month: Any) -> Any:
    return _round(np.minimum(account("volume", month), 18) * np.float32(2.45))


def _second(account: Any, month: Any) -> Any:
    return _round(np.maximum(np.minimum(account("volume", month), 30) - 18, 0) * np.float32(3.95))


def _third(account: Any, month: Any) -> Any:
    return _round(np.maximum(account("volume", month) - 30, 0) * np.float32(6.75))


def _fixed(account: Any, month: Any) -> Any:  # noqa: ARG001  # what the framework calls it with
    return np.full(account.count, 7.25, np.float32)


def _net(account: Any, month: Any) -> Any:
    return account("first", month) + account("second", month) + account("third", month) + account("fixed", month)


def _tax(account: Any, month: Any) -> Any:
    return _round(account("net", month) * np.float32(0.06))


def _total(account: Any, month: Any) -> Any:
    return account("net", month) + account("tax", month)


BLOCKS = {"volume": None, "first": _first, "second": _second, "third": _third, "fixed": _fixed, "net": _net, "tax": _tax, "total": _total}


#: OpenFisca has enumerations of its own.
Payer: Any = Enum("Payer", {"quota_unit": "canteen under quota", "other": "other"})


def _quota_fee(account: Any, month: Any) -> Any:
    weight, allowed = account("weight", month), account("quota", month)
    over = np.minimum(weight, allowed) * 300 + np.maximum(weight - allowed, 0) * 600
    fee = np.where(weight <= allowed * np.float32(0.5), weight * 200, over)
    return np.where(account("payer", month) == Payer.quota_unit, _round(fee), np.float32(np.nan))


def _plain_fee(account: Any, month: Any) -> Any:
    return np.where(account("payer", month) == Payer.other, _round(account("weight", month) * 300), np.float32(np.nan))


def _either(account: Any, month: Any) -> Any:
    fee = account("quota_fee", month)
    return np.where(np.isnan(fee), account("plain_fee", month), fee)


QUOTA = {"weight": None, "quota": None, "quota_fee": _quota_fee, "plain_fee": _plain_fee, "total": _either}


def three_blocks(data: Data) -> list[Way]:
    return [_way(data, [_variable(name, formula) for name, formula in BLOCKS.items()])]


def quota(data: Data) -> list[Way]:
    body = {
        "value_type": Enum,
        "possible_values": Payer,
        "default_value": Payer.other,
        "entity": _ACCOUNT,
        "definition_period": DateUnit.MONTH,
        "label": "payer",
    }
    return [_way(data, [type("payer", (Variable,), body), *(_variable(name, formula) for name, formula in QUOTA.items())])]


def _way(data: Data, variables: list[Any]) -> Way:
    system = TaxBenefitSystem([_ACCOUNT])
    for variable in variables:
        system.add_variable(variable)
    given = {name: _native(name, column, data) for name, column in data.columns.items()}

    def run() -> list[Any]:
        simulation = SimulationBuilder().build_default_simulation(system, data.rows)
        for name, column in given.items():
            simulation.set_input(name, MONTH, column)
        return [simulation.calculate(name, MONTH) for name in data.work.outputs]

    return Way("OpenFisca-Core, float32", "openfisca", data.rows, run, fen_of_doubles)


def _native(name: str, column: Any, data: Data) -> Any:
    if name == "payer":
        return Payer.encode(np.array([Payer.quota_unit, Payer.other], object)[column])
    return (column / 10 ** data.work.places[name]).astype(np.float32)
