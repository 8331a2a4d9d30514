"""Price a whole table at once: the same numbers as one at a time. Run it with ``python examples/price_many.py``."""

import pandas as pd

import tariffs

version = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")

# Numbers as text, decimals or whole numbers. A cell may be empty where its row does not need it.
month = pd.DataFrame(
    {
        "unit": ["canteen of a school", "canteen of a bank", "restaurant", "hotel"],
        "payer": ["quota_unit", "quota_unit", "other", "other"],
        "weight": ["5.000", "12", "5.001", "-1"],
        "quota": ["10", "10", None, None],
    }
)

# Amounts come back as exact decimals, one column a charge; rows that cannot be priced come back with their reasons.
amounts, refused = version.rate(month, errors="return")

print(month[["unit"]].join(amounts))
print("total", amounts["total"].sum())
for row, reason in zip(refused["row"], refused["reason"], strict=True):
    print(f"row {row}: {reason}")
