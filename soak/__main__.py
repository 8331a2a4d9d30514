"""``python -m soak packs --rows N [--tariff X] [--everywhere]``, ``differential --seconds N [--seed S]`` and ``decompose --n N [--seed S]``."""

from __future__ import annotations

import argparse
import sys

from soak import decompose, differential, packs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("what", choices=["decompose", "differential", "packs"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rows", type=int, default=1000, help="rows a published version")
    parser.add_argument("--explained", type=int, default=10_000, help="of these rows, how many are held against explain too")
    parser.add_argument("--tariff", default="", help="only packs with this in their id")
    parser.add_argument("--everywhere", action="store_true", help="the packs of the examples and the tests too")
    parser.add_argument("--show", action="store_true", help="print each decimal loop")
    parser.add_argument("--n", type=int, default=10_000, help="plant-months to decompose")
    parser.add_argument("--seed", type=int, default=0, help="the first seed; versions run through the seeds from here")
    given = parser.parse_args()
    if given.what == "packs":
        sys.exit(packs.run(given.rows, given.seed, explained=given.explained, tariff=given.tariff, everywhere=given.everywhere, show=given.show))
    if given.what == "decompose":
        decompose.run(given.n, given.seed)
    else:
        differential.run(given.seconds, given.seed)


if __name__ == "__main__":
    main()
