"""Price one thing, and say why. Run it with ``python examples/price_one.py``."""

import tariffs

# The version in force on a day; a folder of your own rules goes into rules=.
version = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")

# Facts are int, str or Decimal in the unit the tariff names; a float is refused, because 5.001 has no exact one.
rating = version.explain(payer="quota_unit", weight="5.001", quota="10")

print(rating.total)  # 1500.30
print(rating["quota_fee"])  # the same, by the name of its charge
print(rating.text(locale="zh_CN"))  # every step: which price applied, and why

# Facts that cannot be right are refused, all at once, each with what to do.
try:
    version.explain(payer="quota_unit", wieght="5.001")
except tariffs.FactsError as error:
    print(error)
