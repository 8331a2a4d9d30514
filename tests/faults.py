"""Seeded faults: one small wrong change at a time in the evaluators and in what they share. The suite must fail on each.

``python tests/faults.py`` prints every fault and what caught it, and ends with 1 where one got away. Each fault is put
into a copy of the tree, and the quick part of the suite runs against the copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parent.parent
#: What must catch the faults: fast, and none of it written for a particular fault.
SUITE = [
    f"tests/{name}.py"
    for name in (
        "test_language",
        "test_money",
        "test_units",
        "test_time",
        "test_gather",
        "test_units_pint",
        "test_differential",
        "test_rate",
        "test_rate_room",
        "test_collect",
        "test_stage",
        "test_evidence",
        "test_packs",
    )
]
#: What must catch those of the fused path: nothing else runs it.
FUSED = ["tests/test_fused.py"]
#: What is asked first, because it is most likely to catch them.
NEAR = {"collect.py": "test_collect", "gather.py": "test_gather"} | dict.fromkeys(
    ("rows.py", "derive.py", "fills.py", "stages.py", "stage_rows.py", "groups.py"), "test_stage"
)
NEEDED = ("tariffs", "tests", "rules", "examples", "soak", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class Fault:
    """``old`` stands once in ``file`` and becomes ``new``."""

    file: str
    old: str
    new: str


FAULTS = [
    # explain: one at a time
    Fault("explain.py", "(then if holds else other)(world)", "(other if holds else then)(world)"),
    Fault("explain.py", "if quantity < at or (inclusive and quantity == at):", "if quantity <= at:"),
    Fault("explain.py", "if quantity < at or (inclusive and quantity == at):", "if quantity < at:"),
    Fault("explain.py", "end = quantity if edge is None or edge > quantity else edge", "end = quantity if edge is None else edge"),
    Fault("explain.py", "held = EXACT.subtract(end, start)", "held = end"),
    Fault("explain.py", "rounded = round_to(value, node.step, node.mode)", "rounded = round_to(value, node.step, type(node.mode).HALF_EVEN)"),
    Fault("explain.py", "Fraction(above) / Fraction(below) * node.factor", "Fraction(above) / Fraction(below)"),
    Fault("explain.py", "total(sorted(values, reverse=True)[: node.count])", "total(sorted(values)[: node.count])"),
    Fault("explain.py", "lambda value: EXACT.multiply(value, node.factor)", "lambda value: value"),
    Fault("explain.py", "return not holds, Step", "return holds, Step"),
    Fault("explain.py", "return Decimal((end - start).days)", "return Decimal((end - start).days + 1)"),
    Fault("explain.py", "            if holds is settles:\n                break", "            if holds is settles:\n                continue"),
    Fault("explain.py", 'if line.charge.kind == "line"', 'if line.charge.kind != "working"'),
    Fault("explain.py", "EXACT.multiply(quantity, rate) if kind ==", "EXACT.multiply(quantity, rate) if kind !="),
    # rate: by columns
    Fault("kernel.py", "return quantity <= edge if inclusive else quantity < edge", "return quantity < edge"),
    Fault("kernel.py", "return quantity <= edge if inclusive else quantity < edge", "return quantity <= edge"),
    Fault("kernel.py", "return not answer if isinstance(answer, bool) else ~answer", "return answer"),
    Fault("kernel.py", "    return a & b", "    return a | b"),
    Fault("kernel.py", '"<=": operator.le', '"<=": operator.lt'),
    Fault("kernel.py", '">": operator.gt', '">": operator.ge'),
    Fault("kernel.py", "found: Number = ordered[-node.count :].sum(axis=0)", "found: Number = ordered[: node.count].sum(axis=0)"),
    Fault("kernel.py", "for edge, price, after in zip(edges", "for edge, after, price in zip(edges"),
    Fault("kernel.py", "found = found * len(layout.codes[axis]) + layout.codes[axis][member]", "found = found * 2 + layout.codes[axis][member]"),
    Fault("kernel.py", "if node.right.type.low > 0 else -1", "if node.right.type.low > 0 else 1"),
    Fault("scaled.py", "return (n + half - ((n < 0) & even)) // d", "return (n + half) // d"),
    Fault("scaled.py", "return (n + (n < 0) * (d - 1)) // d", "return n // d"),
    Fault("scaled.py", "return q - ((q * d == n + half) & even & (q % 2 == 1))", "return q"),
    Fault("scaled.py", "return (n + (d - 1)) // d\n        case Mode.DOWN", "return (n + d) // d\n        case Mode.DOWN"),
    Fault("scaled.py", "return d // 2", "return (d - 1) // 2"),
    Fault("scaled.py", "if own and isinstance(value, np.ndarray) and value.dtype == kind", "if isinstance(value, np.ndarray) and value.dtype == kind"),
    Fault("scaled.py", "        room.lent, room.unused = before\n", "        room.free[8] += [room.lent] if room.unused and room.lent.itemsize == 8 else []\n"),
    Fault("kernel.py", "times(right, ratio.denominator, 0), COMPARE", "times(right, ratio.numerator, 0), COMPARE"),
    Fault("kernel.py", "return (share, rest) if share > 0 else", "return (share, rest) if share else"),
    Fault("algebra.py", "return times * Fraction(constant), base", "return Fraction(constant), base"),
    Fault("needs.py", "return any(truth(charge.when, found) is True for", "return any(truth(charge.when, found) is not False for"),
    Fault("scaled.py", "    if not arg.reach:  # however", "    if multiplier < 0:  # however"),
    Fault("kernel.py", "with lent(b, None):", "with lent(b, b.room and b.room.lent):"),
    Fault("kernel.py", "and reach(node.type, layout.places[name]) >= layout.most[name] else", "else"),
    Fault("kernel.py", "return 0 if isinstance(value, int) and abs(value) > size else value", "return value"),
    Fault("kernel.py", "keys = [(places, tuple(names[:count]))", "keys = [(places, tuple(names[:2]))"),
    Fault("program.py", "most[c.full_name] = formula.reach", "most[c.full_name] = formula.reach // 8"),
    Fault("rate.py", "-(-size.bit_length() // BITS) * BITS", "size.bit_length() // BITS * BITS"),
    Fault("intake.py", "if low == 0 and values.dtype != object", "if low >= 0 and values.dtype != object"),
    Fault("columns.py", "if isinstance(values, np.ndarray) and np.may_share_memory(values, words):", "if isinstance(values, np.ndarray):"),
    Fault("scaled.py", "    if arg.own:\n        give_back(batch, value)", "    give_back(batch, value)"),
    Fault("rate.py", "found = select(when, amount, 0, formula.reach, batch)", "found = amount"),
    Fault("program.py", 'if charge.kind == "line"]', 'if charge.kind != "working"]'),
    # the fused path: compiled
    Fault("fused.py", '"<=": "sle"', '"<=": "slt"'),
    Fault("fused.py", '"sle" if band.inclusive else "slt"', '"slt"'),
    Fault("registers.py", "bias = subtract(row, half, select(row, both(row, below, even), one, zero))", "bias = half"),
    Fault("registers.py", 'return put(row, f"add i64 {whole}, {over}")', "return whole"),
    Fault("fused.py", "row.needs[name] = either(row, row.needs.get(name, False), path.may)", "row.needs[name] = path.may"),
    Fault("fused.py", "row.amounts[charge.full_name] = select(row, when.holds, amount, const(0))", "row.amounts[charge.full_name] = amount"),
    Fault("registers.py", "DOUBLE = 2**51", "DOUBLE = 2**62"),
    Fault("registers.py", "return const(a.low // share)", "return a"),
    Fault("registers.py", "return bounded(then.text, min(then.low, other.low), max(then.high, other.high))", "return then"),
    Fault(
        "registers.py",
        "return share, a if share == 1 else bounded(base",
        "a = row.numbers.setdefault(base + str(share), a)\n    return share, a if share == 1 else bounded(base",
    ),
    Fault("registers.py", "bounded(base, -(-a.low // share), a.high // share)", "bounded(base, a.low // share, -(-a.high // share) // 2)"),
    Fault("registers.py", "row.products[found.text] = share * b.low, base.text", "row.products[found.text] = b.low, base.text"),
    Fault("registers.py", "_without(row, a, share), d // share)", "_without(row, a, share), d)"),
    Fault("registers.py", "_, n, d = shared(row, n, d)", "_, n, _ = shared(row, n, d)"),
    Fault(
        "registers.py",
        "_, a, b = shared(row, a, b)\n    return _compared(row, sign, a, b)",
        "_, a, _ = shared(row, a, b)\n    return _compared(row, sign, a, b)",
    ),
    Fault("fused.py", "if not always_applies(version):", "if False:"),
    Fault("compiled.py", "add i64 %{name}.bytes, {LINE - 1}", "add i64 %{name}.bytes, 0"),
    Fault("registers.py", "put(row, f'ashr i64 {a.text}, {twos}')", "a.text"),
    Fault("registers.py", "put(row, f'ashr i32 {half(row, a)}, {twos}')", "half(row, a)"),
    Fault("compiled.py", '{high - low}")', '{high - low + 1}")'),
    Fault("compiled.py", 'sign = "0" if value.low >= 0', 'sign = "0" if value.high >= 0'),
    Fault("binding.py", "return buffer.address, array.offset", "return buffer.address, 0"),
    # units, grids and bounds: shared by both
    Fault("units.py", '"lb": F("0.00045359237")', '"lb": F("0.00045359")'),
    Fault("units.py", '"gal": F("0.003785411784")', '"gal": F("0.00454609")'),
    Fault("units.py", '"%": F(1, 100)', '"%": F(1, 10)'),
    Fault("units.py", '"quarter": F(3)', '"quarter": F(4)'),
    Fault("units.py", "return size / other_size if rows == other_rows else None", "return other_size / size if rows == other_rows else None"),
    Fault("algebra.py", "return m.Multiply(m.Type(a.unit * b.unit,", "return m.Multiply(m.Type(a.unit,"),
    Fault("algebra.py", "if expr.type.unit == unit:\n        return expr", "if expr.type.unit == unit or True:\n        return expr"),
    Fault("algebra.py", "return first.value < second.value", "return True"),
    Fault("algebra.py", "if right.type.low <= 0 <= right.type.high:", "if right.type.low == 0 == right.type.high:"),
    Fault("algebra.py", "if quantity.type.low < 0:", "if quantity.type.high < 0:"),
    # unrolling, look-ups and needs: shared by both
    Fault("lower.py", "bound={**scope.bound, name: member}", "bound={**scope.bound, name: scope.symbols.dimensions[name][0]}"),
    Fault("lower.py", "at = [family.axes.index(axis) for axis in axes]", "at = list(range(len(axes)))"),
    Fault("lower.py", "return (scope.bound[name],)", "return members[:1]"),
    Fault("lower.py", '(scope.bound[name.id] == word.value) == (sign == "==")', "scope.bound[name.id] == word.value"),
    Fault("lower.py", 'found.extend((end, part.func.id == "upto") for end in ends or [])', "found.extend((end, True) for end in ends or [])"),
    Fault("lower.py", 'return test if sign == "==" else m.Not(text, test)', "return test"),
    Fault("needs.py", "if way is not False:\n                _visit(then, found)", "if way is True:\n                _visit(then, found)"),
    Fault("money.py", "left = abs(units) - sum(quotient for quotient, _ in parts)", "left = 0"),
    # collecting: both sides of it
    Fault("gather.py", "return period[0] < record.end <= period[1]", "return period[0] <= record.start < period[1]"),
    Fault("gather.py", "if record.id not in replaced]", "if not record.replaces]"),
    Fault("gather.py", "largest = sorted(values, reverse=True)[: how.count]", "largest = sorted(values)[: how.count]"),
    Fault("collect.py", "found: Mask = (end > work.period[0]) & (end <= work.period[1])", "found: Mask = (end >= work.period[0]) & (end < work.period[1])"),
    Fault("collect.py", "kept[targets[targets >= 0]] = False", "kept[targets[targets >= 0]] = True"),
    # stages: rows, what stands in, what is collected; in either evaluator
    Fault("rows.py", "last = last if value is None else value", "last = value or last"),
    Fault("rows.py", "if count > rule.at_most:", "if count >= rule.at_most:"),
    Fault("rows.py", "if gaps:", "if len(gaps) > 1:"),
    Fault("derive.py", "return numbers[-1]", "return numbers[0]"),
    Fault("derive.py", "numbers = sorted(numbers, reverse=True)[: how.count]", "numbers = numbers[: how.count]"),
    Fault("derive.py", "numbers = [EXACT.multiply(number, how.factor) for _, number in having]", "numbers = [number for _, number in having]"),
    Fault("gather.py", '"half": Decimal("0.5")', '"half": Decimal("0.05")'),
    Fault("fills.py", "inside = (last >= 0) & (group[last] == group[gaps])", "inside = last >= 0"),
    Fault("fills.py", "over = with_gaps[gaps > rule.at_most]", "over = with_gaps[gaps > rule.at_most + 1]"),
    Fault("stages.py", "np.broadcast_to(np.logical_and(applies, stage.alive), rows)", "np.broadcast_to(stage.alive, rows)"),
    Fault("stages.py", "values[split.starts + split.sizes - 1]", "values[split.starts]"),
    Fault("stage_rows.py", "wrong |= (part.sizes > 0) & (part.sizes != need)", "wrong |= part.sizes > need"),
    Fault("groups.py", "sign = np.where(weights < 0, -1, 1)", "sign = 1"),
    Fault("groups.py", 'order = np.argsort(-values, kind="stable")', 'order = np.argsort(values, kind="stable")'),
]


def copy_of_the_tree(folder: Path) -> Path:
    """A copy to seed faults in, one after the other; what Python compiles of it is kept, for that is half of a run."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "data"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


@contextmanager
def seeded(fault: Fault, folder: Path) -> Iterator[None]:
    """The copy with a fault in it; as it was at the end."""
    path = folder / "tariffs" / fault.file
    source = path.read_text()
    assert source.count(fault.old) == 1, f"{fault.file}: {fault.old!r} stands {source.count(fault.old)} times; bring the fault up to date"
    try:
        _write(path, source.replace(fault.old, fault.new))
        yield
    finally:
        _write(path, source)


def _write(path: Path, source: str) -> None:
    """A file that nothing compiled of it outlives: Python looks at the second in which a file was written, and the next fault comes sooner."""
    path.write_text(source)
    for old in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        old.unlink()


def caught_by(fault: Fault, folder: Path) -> str:
    """The test that fails under ``fault`` in a copy of the tree; empty where none does."""
    near = f"tests/{NEAR.get(fault.file)}.py"
    with seeded(fault, folder):
        return failing(
            folder, FUSED if fault.file in ("fused.py", "registers.py", "compiled.py", "binding.py") else sorted(SUITE, key=lambda name: name != near)
        )


def failing(folder: Path, suite: Sequence[str]) -> str:
    """The first test of ``suite`` that fails in a copy of the tree; empty where none does."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST") and k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", *suite]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    if run.returncode < 0:  # compiled code, with nobody between it and the processor
        return f"ended by signal {-run.returncode}"
    assert run.returncode in (0, 1, 2), f"the suite itself could not run:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"  # 2: a module does not even import
    if run.returncode == 0:
        return ""
    lines = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split(" - ")[0] if lines else f"exit {run.returncode}"


def main() -> int:
    escaped = 0
    copies: SimpleQueue[Path] = SimpleQueue()

    def caught(fault: Fault) -> str:
        folder = copies.get()
        try:
            return caught_by(fault, folder)
        finally:
            copies.put(folder)

    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for number in range(os.cpu_count() or 1):
            copies.put(copy_of_the_tree(Path(name) / str(number)))
        for fault, test in zip(FAULTS, pool.map(caught, FAULTS), strict=True):
            escaped += not test
            print(
                f"{'caught ' if test else 'ESCAPED'}  {fault.file:12} {fault.old.split(chr(10))[0].strip()[:60]:60} -> {fault.new.split(chr(10))[0].strip()[:40]:40} {test}",
                flush=True,
            )
        # A copy that fails by itself would catch everything.
        wrong = [test for _ in range(copies.qsize()) if (test := failing(copies.get(), [*SUITE, *FUSED]))]
    print(f"{len(FAULTS)} faults seeded, {len(FAULTS) - escaped} caught, {escaped} escaped; without a fault {wrong or 'nothing fails'}")
    return 1 if escaped or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
