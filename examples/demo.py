"""From rule files to issued invoices, by the same commands a utility types: `make demo`, or `python examples/demo.py [FOLDER]`.

Prices one thing with its reason, then bills October 2026 of the sample city of examples/yangquan. Two people take part,
because nobody approves a run of their own.
"""

import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
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
    done = subprocess.run([sys.executable, "-m", package, *command[1:]], check=False, stderr=subprocess.STDOUT)
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
    run("billing", "runs")

    say("In short")
    recap(out)


def recap(out: Path) -> None:
    """The month on one screen: what was billed, by tariff, what could not be billed, and where the files are."""
    command = [sys.executable, "-m", "billing_service", "review", "--run", "2026-10-1", "--json"]
    month = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    by_tariff: dict[str, Decimal] = {}
    for row in month["totals"]:
        if row["line_kind"] == "line":
            by_tariff[row["tariff"]] = by_tariff.get(row["tariff"], Decimal(0)) + Decimal(row["amount"])
    print(f"October 2026: {month['billed']:,} of {month['accounts']:,} accounts billed; {len(month['exceptions'])} contracts or records could not be billed.")
    for tariff, amount in by_tariff.items():
        print(f"  {tariff:60} {amount:>16,} CNY")
    for document in month["documents"]:
        count = f"{document['count']:,} {document['kind']}s, {month['zero']} of them over nothing and not numbered"
        print(f"  {count:60} {Decimal(document['total']):>16,} {document['currency']}")
    print(f"Open {out}/2026-10/run.xlsx first; beside it invoices.csv, lines.csv, exceptions.csv and one JSON for each invoice.")
    print(f"The database is {out}/city.db: BILLING_DB={out}/city.db .venv/bin/billing review --run 2026-10-1")


if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path("out/demo")
    os.chdir(ROOT)
    main(folder)
