"""The same files rated on Dask, in both ways. ``python -m examples.scale_dask`` needs ``pip install 'tariffs[scale]'``.

A cluster that runs already is joined by ``Client("tcp://…")``; its workers need the same tariffs and the same folders.
"""

import tempfile
from pathlib import Path

import dask.dataframe
import pandas as pd
from distributed import Client, LocalCluster

import tariffs
import tariffs.pandas
from examples.scale_accounts import write
from tariffs import scale

TARIFF, ON = "cn/beijing/kitchen-waste", "2022-10-31"


def rated(part: pd.DataFrame) -> pd.DataFrame:
    """The amounts of a part of a Dask DataFrame; a worker reads the tariff once, and knows it then."""
    amounts: pd.DataFrame = part.tariff.rate(tariffs.load(TARIFF, on=ON))
    return amounts


def main(folder: Path) -> None:
    write(folder / "in", files=4, rows=10_000)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster, Client(cluster) as client:
        # One task a file: results, receipts and a manifest, as with `tariffs scale`.
        done = scale.rate_files(tariffs.load(TARIFF, on=ON), folder / "in", folder / "out", run=scale.by_dask(client))
        print("files", len(done.files), "rows", done.rows, "total", done.totals["total"])

        # Or inside work of your own, a part at a time. Columns stay Arrow's decimals, so that the sum is exact.
        accounts = dask.dataframe.read_parquet(folder / "in", dtype_backend="pyarrow")
        amounts = accounts.map_partitions(rated, meta=rated(accounts.head(0)))
        print("rows", len(amounts), "total", sum(amounts["total"].compute()))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
