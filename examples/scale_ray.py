"""The same files rated on Ray, in both ways. ``python -m examples.scale_ray`` needs ``pip install 'tariffs[columns]' ray``.

A cluster that runs already is joined by ``ray.init(address="auto")``; its workers need the same tariffs and the same folders.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import ray

import tariffs
from examples.scale_accounts import write
from tariffs import scale


def main(folder: Path) -> None:
    version = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")
    write(folder / "in", files=4, rows=10_000)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}  # nothing leaves this machine, nobody else is let in
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path)}})
    try:
        # One task a file: results, receipts and a manifest, as with `tariffs scale`.
        done = scale.rate_files(version, folder / "in", folder / "out", run=scale.by_ray())
        print("files", len(done.files), "rows", done.rows, "total", done.totals["total"])

        # Or the function on batches inside work of your own, for data that Ray holds already.
        rate, job = ray.remote(scale.rate_batch), ray.put(scale.job(version))
        batches = [pq.read_table(path).combine_chunks().to_batches()[0] for path in sorted((folder / "in").glob("*.parquet"))]
        rated = ray.get([rate.remote(job, batch) for batch in batches])
        amounts: list[Any] = [amount for batch in rated for amount in batch.column("total").to_pylist()]
        print("rows", len(amounts), "total", sum(amounts))
    finally:
        ray.shutdown()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
