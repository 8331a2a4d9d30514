"""From rule files to issued invoices, by the same commands a utility types: `make demo`, or `python examples/demo.py [FOLDER]`.

Prices one thing with its reason, then bills October 2026 of the sample city of examples/yangquan. Two people take part,
because nobody approves a run of their own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CITY = Path("examples/yangquan")
DOCUMENT = "Sample document 2026-1"
CLERK, HEAD = ["--as", "clerk"], ["--as", "head-of-finance"]


def say(title: str) -> None:
    """A heading of the story."""
    print(f"\n=== {title}", flush=True)


def run(*command: str, may_find: bool = False) -> None:
    """Show a command and run it; ``may_find``: finding problems in the input is part of the story."""
    print("$ " + " ".join(f'"{word}"' if " " in word else word for word in command), flush=True)
    package = {"tariffs": "tariffs", "billing": "billing_service"}[command[0]]
    done = subprocess.run([sys.executable, "-m", package, *command[1:]], cwd=ROOT, check=False, stderr=subprocess.STDOUT)
    if done.returncode not in ((0, 1) if may_find else (0,)):
        sys.exit(done.returncode or 1)


def main(out: Path) -> None:
    """The whole story; everything it writes is under ``out``, which is made anew."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    os.environ |= {"BILLING_DB": str(out / "city.db"), "TARIFFS_RULES": str(CITY / "rules"), "COLUMNS": "160"}

    say("One price, and why")
    run("tariffs", "quote", "cn/beijing/kitchen-waste", "--on", "2022-10-31", "payer=quota_unit", "weight=5.001", "quota=10", "--explain")

    say("A database, and what the city exports: bad rows are listed with file and line, the others are stored")
    run("billing", "init")
    run("billing", "import", str(CITY / "data"), *CLERK, "--limit", "3", may_find=True)

    say("The sample tariffs are illustrative: a run refuses them until the utility adopts them, by a document")
    run("billing", "run", "--period", "2026-10", *CLERK, may_find=True)
    for version in sorted((ROOT / CITY / "rules").rglob("????-??-??.yaml")):
        tariff = version.parent.relative_to(ROOT / CITY / "rules").as_posix()
        run("billing", "adopt", tariff, version.stem, "--document", DOCUMENT, *HEAD)

    say("The month")
    run("billing", "run", "--period", "2026-10", *CLERK)
    run("billing", "review", *CLERK)
    run("billing", "approve", *HEAD)
    run("billing", "issue", *HEAD)
    run("billing", "export", "--output", str(out / "2026-10"))

    say("Once more: nobody is billed twice")
    run("billing", "run", "--period", "2026-10", *CLERK)

    say("A late correction: the run shows the difference to what was issued")
    run("billing", "import", str(CITY / "data" / "late"), *CLERK, "--limit", "3", may_find=True)
    run("billing", "run", "--period", "2026-10", *CLERK)
    run("billing", "review", *CLERK)

    say("Where everything is")
    shown = out.relative_to(ROOT) if out.is_relative_to(ROOT) else out
    for path in sorted([*out.iterdir(), *(out / "2026-10").iterdir()]):
        here = shown / path.relative_to(out)
        print(f"{here}/  {sum(1 for _ in path.iterdir()):,} files" if path.is_dir() else f"{here}  {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "out" / "demo").resolve())
