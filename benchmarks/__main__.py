"""``python -m benchmarks WHAT [options]``; ``python -m benchmarks WHAT --help`` names the options.

A benchmark is a module of this folder with a function ``run``; its parameters become options. To add one, write the
module and its line here.
"""

from __future__ import annotations

import importlib
import sys

import typer

WHAT = {
    "rate": "two rules in memory, beside every peer",
    "files": "Parquet to Parquet, beside the floor of reading and writing, warm and as a whole process",
    "plants": "operators paid by day and billed by month",
    "hourly": "hourly readings to monthly bills",
    "compare": "a new tariff beside the old one",
    "scale": "a task a file on an engine; cost as rows grow",
    "packs": "every pack in rules/: exact, and how fast",
    "small": "a row at a time, and a thousand of a version never seen",
    "run": "a month billed into a database, beside a server-side COPY of the same rows",
    "serve": "requests answered by the service",
    "table": "writes the README's table and its plot from results.json",
}


def main() -> None:
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what not in WHAT:
        print(__doc__)
        print("\n".join(f"  {name:10}{says}" for name, says in WHAT.items()))
        raise SystemExit(0 if what in ("", "--help") else 2)
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command()(importlib.import_module(f"benchmarks.{what}").run)
    program(args=sys.argv[2:], prog_name=f"python -m benchmarks {what}")


if __name__ == "__main__":
    main()
