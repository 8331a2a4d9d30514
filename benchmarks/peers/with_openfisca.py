"""OpenFisca-Core: a tax and benefit system with a variable a line, its numbers float32, as it has them.

Written twice. Tuned: rates stand in the formulas as float32, every line is two or three calls of NumPy. With parameters: as its
country packages are written, rates are dated parameters read by ``parameters(period)`` and blocks are marginal scales; its scales compute
in float64, a column a bracket. Both have the variables, the rounding, the inputs and the simulation anew for each run in common.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from openfisca_core.entities import build_entity
from openfisca_core.indexed_enums import Enum
from openfisca_core.parameters import ParameterNode
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


# --- rates as parameters -------------------------------------------------------------------------------------------


def _value(value: float) -> dict[str, Any]:
    return {"values": {"2026-01-01": {"value": value}}}


def _scale(*brackets: tuple[float, float]) -> dict[str, Any]:
    """A marginal scale: from each threshold on, its rate."""
    return {"brackets": [{"threshold": {"2026-01-01": edge}, "rate": {"2026-01-01": rate}} for edge, rate in brackets]}


BLOCK_PARAMETERS = {
    "water": {
        "first": _scale((0, 2.45), (18, 0)),
        "second": _scale((0, 0), (18, 3.95), (30, 0)),
        "third": _scale((0, 0), (30, 6.75)),
        "fixed": _value(7.25),
        "tax": _value(0.06),
    }
}
QUOTA_PARAMETERS = {"waste": {"reduced": _value(200), "standard": _value(300), "excess": _value(600), "half": _value(0.5)}}


def _block_of(name: str) -> Any:
    def formula(account: Any, month: Any, parameters: Any) -> Any:
        return _round(parameters(month).water[name].calc(account("volume", month)))

    return formula


def _fixed_parameter(account: Any, month: Any, parameters: Any) -> Any:
    return np.full(account.count, parameters(month).water.fixed, np.float32)


def _tax_parameter(account: Any, month: Any, parameters: Any) -> Any:
    return _round(account("net", month) * parameters(month).water.tax)


def _quota_parameter(account: Any, month: Any, parameters: Any) -> Any:
    rates, weight, allowed = parameters(month).waste, account("weight", month), account("quota", month)
    over = np.minimum(weight, allowed) * rates.standard + np.maximum(weight - allowed, 0) * rates.excess
    fee = np.where(weight <= allowed * rates.half, weight * rates.reduced, over)
    return np.where(account("payer", month) == Payer.quota_unit, _round(fee), np.float32(np.nan))


def _plain_parameter(account: Any, month: Any, parameters: Any) -> Any:
    fee = _round(account("weight", month) * parameters(month).waste.standard)
    return np.where(account("payer", month) == Payer.other, fee, np.float32(np.nan))


BLOCKS_BY_PARAMETERS = BLOCKS | {name: _block_of(name) for name in ("first", "second", "third")} | {"fixed": _fixed_parameter, "tax": _tax_parameter}
QUOTA_BY_PARAMETERS = QUOTA | {"quota_fee": _quota_parameter, "plain_fee": _plain_parameter}


# --- the ways ------------------------------------------------------------------------------------------------------


def three_blocks(data: Data) -> list[Way]:
    return _ways(data, [], BLOCKS, BLOCKS_BY_PARAMETERS, BLOCK_PARAMETERS)


def quota(data: Data) -> list[Way]:
    body = {
        "value_type": Enum,
        "possible_values": Payer,
        "default_value": Payer.other,
        "entity": _ACCOUNT,
        "definition_period": DateUnit.MONTH,
        "label": "payer",
    }
    return _ways(data, [type("payer", (Variable,), body)], QUOTA, QUOTA_BY_PARAMETERS, QUOTA_PARAMETERS)


def _ways(data: Data, given: list[Any], tuned: dict[str, Any], usual: dict[str, Any], parameters: dict[str, Any]) -> list[Way]:
    one = [*given, *(_variable(name, formula) for name, formula in tuned.items())]
    other = [*given, *(_variable(name, formula) for name, formula in usual.items())]
    return [
        _way(data, one, "OpenFisca-Core, float32", "openfisca", {}),
        _way(data, other, "OpenFisca-Core, float32, rates as parameters", "openfisca parameters", parameters),
    ]


def _way(data: Data, variables: list[Any], name: str, group: str, parameters: dict[str, Any]) -> Way:
    system = TaxBenefitSystem([_ACCOUNT])
    system.parameters = ParameterNode("", data=parameters)
    for variable in variables:
        system.add_variable(variable)
    given = {key: _native(key, column, data) for key, column in data.columns.items()}

    def run() -> list[Any]:
        simulation = SimulationBuilder().build_default_simulation(system, data.rows)
        for key, column in given.items():
            simulation.set_input(key, MONTH, column)
        return [simulation.calculate(output, MONTH) for output in data.work.outputs]

    return Way(name, group, data.rows, run, fen_of_doubles)


def _native(name: str, column: Any, data: Data) -> Any:
    if name == "payer":
        return Payer.encode(np.array([Payer.quota_unit, Payer.other], object)[column])
    return (column / 10 ** data.work.places[name]).astype(np.float32)
