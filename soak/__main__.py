"""``python -m soak packs --rows N [--tariff X] [--everywhere]``, ``differential --seconds N [--seed S]`` ``decompose --n N [--seed S]``
and ``kills --n N --accounts N --db both|sqlite|postgresql``
and ``machine --examples N --steps N --seed S --db both``
and ``api --cases N --lives N --steps N --seed S --db both``
and ``client --db both`` (needs the network)
and ``writers --clients N --seconds N --seed S --db both``
and ``retroactive --accounts N --seed S --db both``.
"""

from __future__ import annotations

import argparse
import sys

from soak import api, client, decompose, differential, kills, machine, packs, retroactive, writers


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("what", choices=["api", "client", "decompose", "differential", "packs", "kills", "machine", "retroactive", "writers"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rows", type=int, default=1000, help="rows a published version")
    parser.add_argument("--explained", type=int, default=10_000, help="of these rows, how many are held against explain too")
    parser.add_argument("--tariff", default="", help="only packs with this in their id")
    parser.add_argument("--everywhere", action="store_true", help="the packs of the examples and the tests too")
    parser.add_argument("--show", action="store_true", help="print each decimal loop")
    parser.add_argument("--n", type=int, default=10_000, help="plant-months to decompose")
    parser.add_argument("--seed", type=int, default=0, help="the first seed; versions run through the seeds from here")
    parser.add_argument("--accounts", type=int, default=50_000, help="accounts of the city")
    parser.add_argument("--chunk", type=int, default=2_000, help="accounts a transaction")
    parser.add_argument("--examples", type=int, default=100, help="lives of the machine")
    parser.add_argument("--steps", type=int, default=30, help="steps a life")
    parser.add_argument("--db", choices=["both", "sqlite", "postgresql"], default="both")
    parser.add_argument("--clients", type=int, default=32, help="how many write at once")
    parser.add_argument("--cases", type=int, default=60, help="cases for each operation of the API")
    parser.add_argument("--lives", type=int, default=60, help="chains of requests that follow links")
    given = parser.parse_args()
    if given.what == "client":
        sys.exit(1 if client.soak(given.db) else 0)
    if given.what == "api":
        sys.exit(1 if api.soak(given.db, given.cases, given.lives, given.steps, given.seed) else 0)
    if given.what == "writers":
        sys.exit(1 if writers.soak(given.db, given.clients, given.seconds, given.seed) else 0)
    if given.what == "machine":
        sys.exit(machine.soak(given.db, given.examples, given.steps, given.seed))
    if given.what == "retroactive":
        sys.exit(retroactive.soak(given.accounts, given.db, given.seed))
    if given.what == "kills":
        sys.exit(1 if kills.soak(given.n, given.accounts, given.db, given.seed, given.chunk) else 0)
    if given.what == "packs":
        sys.exit(packs.run(given.rows, given.seed, explained=given.explained, tariff=given.tariff, everywhere=given.everywhere, show=given.show))
    if given.what == "decompose":
        decompose.run(given.n, given.seed)
    else:
        differential.run(given.seconds, given.seed)


if __name__ == "__main__":
    main()
