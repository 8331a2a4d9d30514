"""Fee and tariff rules as checked data: exact to the smallest coin, each line explained down to its clause.

>>> import tariffs
>>> version = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")
>>> version.explain(payer="quota_unit", weight="5.001", quota="10").total
Decimal('1500.30')
"""

from tariffs.api import Rating, TariffVersion, load, parse, period_holding, rate_period, read
from tariffs.compare import Comparison, compare
from tariffs.errors import FactsError, NotFoundError, PackError, Problem, TariffError, Where
from tariffs.load import VersionFile, roots, strays, versions
from tariffs.model import UsageRecord
from tariffs.periods import PeriodRating

__all__ = [
    "Comparison",
    "FactsError",
    "NotFoundError",
    "PackError",
    "PeriodRating",
    "Problem",
    "Rating",
    "TariffError",
    "TariffVersion",
    "UsageRecord",
    "VersionFile",
    "Where",
    "compare",
    "load",
    "parse",
    "period_holding",
    "rate_period",
    "read",
    "roots",
    "strays",
    "versions",
]
