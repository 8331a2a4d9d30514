"""The same accounts rated on Spark by ``mapInArrow``. ``python -m examples.scale_spark`` needs ``pip install 'tariffs[columns]' pyspark`` and Java 17.

Spark reads and writes, wherever it can; the function rates a batch. Workers need the same tariffs installed.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as f
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

import tariffs
from examples.scale_accounts import write
from tariffs import scale


def main(folder: Path) -> None:
    version = tariffs.load("cn/beijing/kitchen-waste", on="2022-10-31")
    write(folder / "in", files=4, rows=10_000)
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": os.pathsep.join(sys.path), "SPARK_LOCAL_IP": "127.0.0.1"}
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1").getOrCreate()
    try:
        session.sparkContext.setLogLevel("ERROR")
        rate = scale.rater(version, errors="return")

        def rate_all(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from map(rate, batches)

        accounts = session.read.parquet(str(folder / "in"))
        empty = pa.RecordBatch.from_pylist([], to_arrow_schema(accounts.schema))
        rated = accounts.mapInArrow(rate_all, from_arrow_schema(rate(empty).schema))
        rated.write.parquet(str(folder / "out"))
        found = pq.read_table(folder / "out")
        assert found.num_rows == 40_000
        row = session.read.parquet(str(folder / "out")).agg(f.count("*"), f.sum("total"), f.count("problem")).first()
        assert row is not None
        print("rows", row[0], "total", row[1], "refused", row[2])
    finally:
        session.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
