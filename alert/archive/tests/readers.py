#!/usr/bin/env python3
"""Opens the archive that the test `writes_what_other_readers_check` wrote with DuckDB, Polars, pyarrow and pandas, the way docs/archive.md
tells data teams to, and compares counts and exact sums with what the test wrote beside it as CSV.

Usage: cargo test -p plume-archive --test it readers && alert/archive/tests/readers.py [DIRECTORY]
"""

import contextlib
import csv
import glob
import pathlib
import re
import sys
from decimal import Decimal, localcontext

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq

ROOT = pathlib.Path(__file__).resolve().parents[3]
KEY = ["kind", "date", "outlet", "factor", "statistic"]
EXACT = Decimal(10) ** 14


def typed(value, decimals, text):
    """What the device typed: the recipe of docs/archive.md."""
    return Decimal(text) if text is not None else Decimal(f"{value:.{int(decimals)}f}")


def exact_sums(rows):
    """Counts and sums of dictionaries with the columns of `readings`, as (rows, sum × 10^14)."""
    sums = {}
    with localcontext() as context:
        context.prec = 60
        for row in rows:
            key = tuple(str(row[name])[:10] if name == "date" else row[name] for name in KEY)
            count, total = sums.get(key, (0, Decimal(0)))
            sums[key] = (count + 1, total + typed(row["value"], row["decimals"], row["text"]))
        return {key: (count, int(total * EXACT)) for key, (count, total) in sums.items()}


def queries_of_the_page(archive):
    """The queries with which docs/archive.md opens, word for word, in the directory it assumes."""
    page = (ROOT / "docs/archive.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(sql|python)\n(.*?)```", page, flags=re.S)
    assert len(blocks) >= 4, "docs/archive.md has lost its queries"
    ran = []
    with contextlib.chdir(archive.parent):
        for language, code in blocks:
            if language == "sql":
                for query in filter(str.strip, code.split(";")):
                    rows = duckdb.sql(query).fetchall()
                    assert rows, f"no row from {query}"
                    ran.append("DuckDB")
                continue
            if "spark" in code:
                print("SKIPPED: the Spark query of docs/archive.md (no Spark here)")
                continue
            names = {}
            exec(code, names)  # pylint: disable=exec-used
            assert len(names["answer"]) > 0, f"nothing from {code}"
            ran.append("pandas" if "pandas" in code else "Polars")
    assert {"DuckDB", "pandas", "Polars"} <= set(ran), ran
    print(f"docs/archive.md: {len(ran)} queries ran")


def main():
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target/tmp/plume-archive-readers"
    archive = directory / "archive"
    readings = f"{archive}/readings/**/*.parquet"
    with open(directory / "readings.csv", encoding="utf-8") as file:
        expected = {tuple(row[name] for name in KEY): (int(row["rows"]), int(row["sum_e14"])) for row in csv.DictReader(file)}
    assert len(expected) > 20, "the test wrote too little"

    columns = ", ".join(KEY)
    duck = duckdb.sql(f"SELECT {columns}, value, decimals, text FROM '{readings}'").df()
    duck = duck.astype(object).where(duck.notna(), None)
    found = exact_sums(duck.to_dict("records"))
    assert found == expected, "DuckDB"

    lazy = pl.scan_parquet(readings, hive_partitioning=True)
    assert exact_sums(lazy.select(KEY + ["value", "decimals", "text"]).collect().to_dicts()) == expected, "Polars"

    table = ds.dataset(archive / "readings", format="parquet", partitioning="hive").to_table()
    assert exact_sums(table.select(KEY + ["value", "decimals", "text"]).to_pylist()) == expected, "pyarrow"

    frame = pd.read_parquet(archive / "readings")
    assert len(frame) == sum(count for count, _ in expected.values()), "pandas"
    assert str(frame["value"].dtype) == "float64"
    assert str(frame["measured_at"].dtype) == "datetime64[ms]"
    plain = frame[frame["text"].isna()].astype(object)
    assert exact_sums(plain.where(plain.notna(), None).to_dict("records")) == {
        key: sums for key, sums in expected.items() if key[3] != "a21004"
    }, "pandas"

    # The two queries that everybody writes first give the mean of what was typed.
    means = frame.groupby(KEY, observed=True)["value"].mean()
    averages = {tuple(str(part)[:10] if place == 1 else part for place, part in enumerate(row[:5])): row[5] for row in duckdb.sql(
        f"SELECT {columns}, avg(value) FROM '{readings}' GROUP BY ALL").fetchall()}
    for key, (count, total) in expected.items():
        mean = total / count / 1e14
        for name, other in (("pandas", means[key]), ("DuckDB", averages[key])):
            assert abs(other - mean) <= 1e-12 * max(1.0, abs(mean)), (name, key, other, mean)

    # One file alone works too, and says what it is.
    file = sorted(glob.glob(readings, recursive=True))[0]
    assert len(pd.read_parquet(file)) == pq.read_metadata(file).num_rows
    about = duckdb.sql(f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{file}')").fetchall()
    assert dict(about)["plume.schema"] == "readings/0", about
    assert pq.read_schema(file).field("measured_at").metadata[b"zh"].decode().startswith("数据时间")

    # Wall clock and folder say the same day.
    wrong = duckdb.sql(f"SELECT count(*) FROM '{readings}' WHERE strftime(measured_at, '%Y-%m-%d') <> date::VARCHAR").fetchall()[0][0]
    assert wrong == 0

    with open(directory / "tables.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name, rows = row["table"], int(row["rows"])
            files = f"{archive}/{name}/**/*.parquet"
            counts = {
                "DuckDB": duckdb.sql(f"SELECT count(*) FROM '{files}'").fetchall()[0][0],
                "Polars": pl.scan_parquet(files).select(pl.len()).collect().item(),
                "pyarrow": ds.dataset(archive / name, format="parquet", partitioning="hive").count_rows(),
                "pandas": len(pd.read_parquet(archive / name)),
            }
            assert set(counts.values()) == {rows} and rows > 0, (name, rows, counts)
            print(f"{name}: {rows} rows in DuckDB, Polars, pyarrow and pandas")

    queries_of_the_page(archive)

    # A reading leads to its packet.
    joined = duckdb.sql(f"""
        SELECT count(*), min(epoch_ms(p.received_at) - epoch_ms(r.measured_at)) > 0
        FROM '{readings}' r JOIN '{archive}/packets/**/*.parquet' p USING (outlet, packet)""").fetchall()[0]
    assert joined == (len(frame), True), joined
    print(f"readings: {len(expected)} series with the same counts and exact sums everywhere")


if __name__ == "__main__":
    main()
