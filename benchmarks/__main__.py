"""``python -m benchmarks rate [--rows N] [--beside duckdb] [--repeat K] [--seed S]`` or ``python -m benchmarks plants [--plants N]``."""

from __future__ import annotations

import argparse

from benchmarks import plants, rate


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", choices=["rate", "plants"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--beside", choices=["duckdb"], help="a peer to run on the same data in the same run")
    parser.add_argument("--repeat", type=int, default=9, help="warm runs; the median counts")
    parser.add_argument("--plants", type=int, default=1_000, help="plants of a year of days")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.what == "plants":
        plants.run(given.plants, given.seed)
        return
    rate.run(given.rows, given.beside, given.repeat, given.seed)


if __name__ == "__main__":
    main()
