"""Every published version x random facts on its own edges: both evaluators, with ``==``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from random import Random

import tariffs
from soak.differential import Period, as_decimals, as_texts, compare
from tariffs.model import Input, Version

Marks = list[Decimal]


def compare_pack(file: tariffs.VersionFile, rows: int, seed: int) -> bool:
    """One version against itself; False where no whole period fits into its validity or an inner stage needs rows of its own."""
    version = tariffs.read(file)
    period = _period(version.model)
    if period is None or version.model.stage is not None:
        return False
    random = Random(f"{seed} {version.model.name}")
    marks = sorted({number for value in version.model.values for cell in value.cells.values() for number in cell} | {Decimal(0)})
    facts = [_facts(version.model, random, marks) for _ in range(rows)]
    for given in (facts, as_texts(facts), as_decimals(facts)):
        compare(version, given, period, version.model.content)
    return True


def _facts(version: Version, random: Random, marks: Marks) -> Mapping[str, object]:
    """Choices at random; numbers on bounds, on the numbers of the rule and on sums of two of them, one step beside; now and then wrong."""
    found: dict[str, object] = {name: random.choice(list(choice.members)) for name, choice in version.choices.items()}
    for item in version.inputs:
        found[item.full_name] = _number(item, random, marks)
    if found and random.randrange(10) == 0:
        found[random.choice(list(found))] = random.choice([None, "x", -(10**12), Decimal("0.00001")])
    return found


def _number(item: Input, random: Random, marks: Marks) -> Decimal:
    kind = item.type
    if not kind.grid:
        return kind.low
    mark = random.choice([kind.low, kind.high, random.choice(marks), random.choice(marks) + random.choice(marks), kind.high * random.randrange(1000) / 1000])
    near = kind.low + ((mark - kind.low) // kind.grid + random.choice([-1, 0, 0, 1])) * kind.grid
    return min(max(near, kind.low), kind.low + (kind.high - kind.low) // kind.grid * kind.grid)


def _period(version: Version) -> Period | None:
    """The first whole period of the version that starts on a day every month has."""
    start = version.effective
    while start.day > 28:
        start += timedelta(days=1)
    months = version.period_months or (1 if version.period == "any" else 0)
    end = date(start.year + (start.month + months - 1) // 12, (start.month + months - 1) % 12 + 1, start.day) if months else start + timedelta(days=1)
    return None if version.end is not None and end > version.end else (start, end)


def run(rows: int, seed: int) -> None:
    """Prints how many versions agree."""
    files = tariffs.versions()
    used = sum(compare_pack(file, rows, seed) for file in files)
    print(f"packs: {used} of {len(files)} versions, {rows} sets of facts each, no difference")
