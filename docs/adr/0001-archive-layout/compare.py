#!/usr/bin/env python3
"""Measures candidate layouts of the table `readings` on synthetic minute readings of one day. Prints the tables of ../0001-archive-layout.md.

Usage: compare.py [OUTLETS] [DIRECTORY] [by-factor]     (139 outlets are 8,006,400 readings; needs numpy, pyarrow, duckdb, pandas)

The readings: HJ 212 minute packets of stacks with dust, SO2 and NOx (Cou, Min, Avg, Max and the three corrected ones), O2, velocity, temperature,
pressure, moisture (Min, Avg, Max) and flow (with Cou): 40 readings a packet. Each follows an AR(1) process. Decimals are the maker's: 58 % of the
makers print 2 digits for concentrations, 28 % one, 12 % three, and 2 % print a 32-bit float with 15 digits (2.90000009536743). With
`by-factor` all makers type the same digits for a factor, which is what a layout with a scale in the column's type needs.
"""

import os
import sys
import time

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

MINUTES = 1440
START_MS = 1767225600000
STATISTICS = ["min", "avg", "max", "cou"]
FACTORS = ["a00000", "a01011", "a01012", "a01013", "a01014", "a19001", "a21002", "a21026", "a34013"]
MAKERS = [  # share, decimals of concentrations, of parameters, of flow, of amounts; None prints floats
    (0.58, 2, 2, 0, 3), (0.12, 3, 3, 2, 4), (0.28, 1, 1, 1, 2), (0.02, None, None, None, None)]
FLOAT_DIGITS = 99


def ar1(rng, mean, deviation, phi):
    """One AR(1) series a row; `mean` and `deviation` are columns."""
    noise = rng.normal(size=(len(mean), MINUTES)) * deviation[:, None] * np.sqrt(1 - phi * phi)
    out = np.empty_like(noise)
    state = rng.normal(size=len(mean)) * deviation
    for minute in range(MINUTES):
        state = phi * state + noise[:, minute]
        out[:, minute] = state
    return mean[:, None] + out


def make(outlets):
    """(outlet, factor, statistic, corrected, digits) of each series and the matrix of its true values."""
    rng = np.random.default_rng(212)
    maker = rng.choice(len(MAKERS), p=[m[0] for m in MAKERS], size=outlets)
    uniform = lambda low, high: rng.uniform(low, high, outlets)
    full = lambda x: np.full(outlets, x)
    o2 = ar1(rng, uniform(5, 9), full(0.5), 0.95)
    flow = ar1(rng, uniform(8e4, 4e5), full(6e3), 0.97)
    to_reference = 15 / (21 - o2)
    keys, values = [], []

    def add(factor, statistic, corrected, matrix, column):
        for outlet in range(outlets):
            digits = MAKERS[maker[outlet]][column]
            keys.append((outlet, FACTORS.index(factor), STATISTICS.index(statistic), corrected, FLOAT_DIGITS if digits is None else digits))
        values.append(matrix)

    def statistics(factor, mean, spread, column, amount=None, corrected=False):
        low = mean - np.abs(rng.normal(0, spread, mean.shape))
        high = mean + np.abs(rng.normal(0, spread, mean.shape))
        if amount is not None:
            add(factor, "cou", 0, amount, 4)
        for name, matrix in (("min", low), ("avg", mean), ("max", high)):
            add(factor, name, 0, matrix, column)
            if corrected:
                add(factor, name, 1, matrix * to_reference, column)

    for factor, low, high, deviation, spread in (("a34013", 1, 4, 0.17, 0.08), ("a21026", 4, 20, 1.0, 0.4), ("a21002", 20, 42, 2.1, 0.8)):
        mean = np.maximum(ar1(rng, uniform(low, high), full(deviation), 0.96), 0.05)
        statistics(factor, mean, spread, 1, mean * flow * 1e-6 / 60, corrected=True)
    statistics("a19001", o2, 0.08, 2)
    statistics("a01011", flow / 2.6e4, 0.2, 2)
    statistics("a01012", ar1(rng, uniform(48, 130), full(2.0), 0.99), 0.15, 2)
    statistics("a01013", ar1(rng, full(-0.12), full(0.03), 0.9), 0.01, 2)
    statistics("a01014", ar1(rng, uniform(7, 14), full(0.4), 0.98), 0.05, 2)
    statistics("a00000", flow, 900, 3, flow / 60)
    return np.array(keys), np.concatenate(values), rng


def as_typed(keys, truth):
    """What the device types: (mantissa, digits) and the nearest double of each value."""
    digits = keys[:, 4][:, None] + np.zeros(truth.shape, np.int64)
    mantissa = np.zeros(truth.shape, np.int64)
    value = np.zeros(truth.shape)
    for series, row in enumerate(keys):
        if row[4] == FLOAT_DIGITS:
            texts = [f"{float(x):.15g}" for x in truth[series].astype(np.float32)]
            plain = [t if "e" not in t else f"{float(t):.18f}" for t in texts]
            digits[series] = [len(t.partition(".")[2]) for t in plain]
            mantissa[series] = [int(t.replace(".", "")) for t in plain]
            value[series] = [float(t) for t in plain]
        else:
            mantissa[series] = np.round(truth[series] * 10 ** row[4])
            value[series] = mantissa[series] / 10.0 ** row[4]
    return mantissa, digits, value


def decimal(mantissa, digits, value, scale):
    """A DECIMAL(18, scale) column; values with more digits are rounded."""
    up = np.maximum(scale - digits, 0)
    fits = digits <= scale
    unscaled = np.where(fits, np.where(fits, mantissa, 0) * 10 ** np.where(fits, up, 0), np.round(value * 10.0**scale).astype(np.int64)).ravel()
    words = np.zeros(2 * len(unscaled), np.int64)
    words[0::2], words[1::2] = unscaled, unscaled >> 63
    return pa.Array.from_buffers(pa.decimal128(18, scale), len(unscaled), [None, pa.py_buffer(words.tobytes())])


class Bench:
    def __init__(self, directory, readings):
        self.file = os.path.join(directory, "measured.parquet")
        self.readings = readings

    def size(self, table, delta=(), plain=(), rows=144_000, dictionary_bytes=128 << 10, codec="zstd", **more):
        encoded = {name: "DELTA_BINARY_PACKED" for name in delta} | {name: more.pop("encoding", "PLAIN") for name in plain}
        level = {"compression_level": 3} if codec == "zstd" else {}
        pq.write_table(
            table, self.file, compression=codec, row_group_size=rows, dictionary_pagesize_limit=dictionary_bytes, store_decimal_as_integer=True,
            use_dictionary=[name for name in table.column_names if name not in encoded], column_encoding=encoded or None, **level, **more)
        return os.path.getsize(self.file) / self.readings

    def line(self, name, size):
        print(f"| {name} | {size:.2f} |")


def decimal_9_3(mantissa, digits, value):
    """The unscaled 32-bit integers of DECIMAL(9,3) as a column; values with more digits are rounded."""
    return decimal(mantissa, digits, value, 3).cast(pa.decimal128(9, 3))


def encodings(bench, keys, mantissa, digits, value, order):
    """DECIMAL(9,3) in each encoding and level, DOUBLE likewise, and several statistics in one row."""
    print("\n| the value column | zstd 3 | 9 | 15 | 19 |\n|---|---|---|---|---|")

    def line(name, table, encoding, rows=144_000, page=20_000):
        names = table.column_names
        sizes = []
        for level in (3, 9, 15, 19):
            pq.write_table(table, bench.file, compression="zstd", compression_level=level, row_group_size=rows, max_rows_per_page=page,
                           dictionary_pagesize_limit=128 << 10, store_decimal_as_integer=True, write_statistics=False,
                           use_dictionary=names if encoding is None else False, column_encoding=encoding and {name: encoding for name in names})
            sizes.append(os.path.getsize(bench.file) / bench.readings)
        print(f"| {name} | " + " | ".join(f"{size:.2f}" for size in sizes) + " |", flush=True)

    outlet_first = np.lexsort((keys[:, 3], keys[:, 2], keys[:, 1], keys[:, 0]))
    mantissas = pa.table({"value": np.where(digits <= 6, mantissa, 0)[order].ravel().astype(np.int32)})
    line("int mantissas, each series at its own scale, DELTA (the reader divides)", mantissas, "DELTA_BINARY_PACKED")
    exact = pa.table({"value": decimal_9_3(mantissa[order], digits[order], value[order])})
    for encoding in ("DELTA_BINARY_PACKED", "PLAIN", None, "BYTE_STREAM_SPLIT"):
        line(f"DECIMAL(9,3), {encoding or 'dictionary'}", exact, encoding)
    line("DECIMAL(9,3), DELTA, a page for each series and day", exact, "DELTA_BINARY_PACKED", rows=1 << 20, page=MINUTES)
    line("DECIMAL(9,3), DELTA, outlet before factor",
         pa.table({"value": decimal_9_3(mantissa[outlet_first], digits[outlet_first], value[outlet_first])}), "DELTA_BINARY_PACKED")
    doubles = pa.table({"value": value[order].ravel()})
    for encoding in (None, "PLAIN", "BYTE_STREAM_SPLIT"):
        line(f"DOUBLE, {encoding or 'dictionary'}", doubles, encoding)
    rows = {}
    for place, (outlet, factor, statistic, corrected, _) in enumerate(keys):
        rows.setdefault((factor, outlet, corrected), {})[statistic] = place
    semiwide = {}
    for statistic, name in enumerate(STATISTICS):
        missing = np.repeat([statistic not in rows[key] for key in sorted(rows)], MINUTES)
        semiwide[name] = pa.array(value[[rows[key].get(statistic, 0) for key in sorted(rows)]].ravel(), mask=missing)
    line("DOUBLE, dictionary, a column for each of min, avg, max, cou", pa.table(semiwide), None)


def timed(what):
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        what()
        best = min(best, time.perf_counter() - start)
    return best


def main():
    if "by-factor" in sys.argv:
        MAKERS[:] = [(1.0, 2, 2, 0, 3)]
    outlets = int(sys.argv[1]) if len(sys.argv) > 1 else 139
    directory = sys.argv[2] if len(sys.argv) > 2 else "."
    keys, truth, rng = make(outlets)
    mantissa, digits, value = as_typed(keys, truth)
    n = truth.size
    bench = Bench(directory, n)
    outlet_first = np.lexsort((keys[:, 3], keys[:, 2], keys[:, 1], keys[:, 0]))
    factor_first = np.lexsort((keys[:, 3], keys[:, 2], keys[:, 0], keys[:, 1]))
    short = digits <= 6
    print(f"{n} readings, {outlets} outlets; more than 6 decimals: {1 - short.mean():.2%}, more than 3: {(digits > 3).mean():.2%}\n")

    typed = np.where(short, mantissa, 0)[keys[:, 4] != FLOAT_DIGITS]
    centred = typed - typed.mean(axis=1, keepdims=True)
    phi = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / np.maximum((centred[:, :-1] ** 2).sum(axis=1), 1e-9)
    left = (centred[:, 1:] - phi[:, None] * centred[:, :-1]).var(axis=1)
    normal_bytes = lambda variance: np.maximum(0.5 * np.log2(2 * np.pi * np.e * (variance + 1 / 12)), 0).mean() / 8
    column = lambda matrix, order: pa.table({"value": matrix[order].ravel()})
    print("| the value column alone | bytes a reading |\n|---|---|")
    bench.line("entropy of what is new in each value (no encoding reaches it)", normal_bytes(left))
    bench.line("entropy of each series' values without their order (no dictionary reaches it)", normal_bytes(typed.var(axis=1)))
    bench.line("int mantissas, each series at its own scale, DELTA (the reader divides)",
               bench.size(column(np.where(short, mantissa, 0), factor_first), delta=["value"]))
    for scale in (3, 4, 6):
        table = pa.table({"value": decimal(mantissa[factor_first], digits[factor_first], value[factor_first], scale)})
        bench.line(f"DECIMAL(18,{scale}), DELTA; rounds {(digits > scale).mean():.1%} of the values", bench.size(table, delta=["value"]))
    bench.line("DOUBLE, BYTE_STREAM_SPLIT", bench.size(column(value, factor_first), plain=["value"], encoding="BYTE_STREAM_SPLIT"))
    bench.line("DOUBLE, PLAIN", bench.size(column(value, factor_first), plain=["value"]))
    bench.line("DOUBLE, dictionary, outlet before factor", bench.size(column(value, outlet_first)))
    for kib in (64, 128, 1024):
        bench.line(f"DOUBLE, dictionary up to {kib} KiB then PLAIN, factor before outlet",
                   bench.size(column(value, factor_first), dictionary_bytes=kib << 10))
    level = np.median(value, axis=1)
    for name, order in (("digits, then outlet", np.lexsort((keys[:, 3], keys[:, 2], keys[:, 0], keys[:, 4], keys[:, 1]))),
                        ("digits, then level of the series", np.lexsort((keys[:, 3], keys[:, 2], level, keys[:, 4], keys[:, 1])))):
        bench.line(f"the same, rows of a factor in the order of {name}", bench.size(column(value, order)))
    wide = {}
    for row in np.unique(keys[:, 1:4], axis=0):
        mine = np.flatnonzero((keys[:, 1:4] == row).all(axis=1))
        scale = int(min(keys[mine, 4][keys[mine, 4] != FLOAT_DIGITS].max(), 6))
        wide["_".join(map(str, row))] = decimal(mantissa[mine], digits[mine], value[mine], scale)
    bench.line("wide: one DECIMAL column a factor and statistic, at the most digits any maker types", bench.size(pa.table(wide), delta=list(wide)))

    encodings(bench, keys, mantissa, digits, value, factor_first)

    minutes = START_MS + np.arange(MINUTES) * 60_000
    per_outlet = {
        "received_at": minutes + 60_000 + rng.integers(800, 6_000, (outlets, MINUTES)),
        "sent_at": minutes + 60_000 + rng.integers(100, 900, (outlets, MINUTES)),
        "log_offset": np.argsort(np.argsort(np.arange(MINUTES) * outlets + rng.integers(0, outlets, (outlets, MINUTES)), axis=None)).reshape(outlets, MINUTES),
        # A device also sends a real-time packet every 30 s and an hour packet every hour.
        "packet": np.cumsum(np.where(np.arange(MINUTES) % 60 == 59, 4, 3))[None, :] + np.zeros((outlets, 1), np.int64),
    }
    print("\n| what leads from a reading to its packet | DELTA | dictionary |\n|---|---|---|")
    for name, matrix in per_outlet.items():
        table = pa.table({name: matrix[keys[factor_first, 0]].ravel()})
        print(f"| {name} | {bench.size(table, delta=[name]):.2f} | {bench.size(table, dictionary_bytes=16 << 20):.2f} |")

    order = factor_first
    text = lambda names, numbers: pa.array(np.repeat(np.array(names)[numbers], MINUTES))
    names = [f"91330100MA27X{k:04d}1C:DA001" for k in range(outlets)]
    base = {
        "factor": text(FACTORS, keys[order, 1]), "outlet": text(names, keys[order, 0]), "statistic": text(STATISTICS, keys[order, 2]),
        "basis": text(["standard", "corrected"], keys[order, 3]),
        "measured_at": pa.array(np.tile(minutes, len(keys)), pa.timestamp("ms")),
        "packet": per_outlet["packet"][keys[order, 0]].ravel(),
        "flag": pa.array(np.where(rng.random(n) < 0.004, "D", "N")),
    }
    chosen = pa.table({**base, "value": value[order].ravel(), "decimals": digits[order].ravel().astype(np.int8)})
    exact = pa.table({**base, "value": decimal(mantissa[order], digits[order], value[order], 6)})
    print("\n| whole file: keys, time, value, flag, link to the packet | bytes a reading | DuckDB: mean by factor, s | pandas: groupby mean, s |\n|---|---|---|---|")

    def whole(name, table, **how):
        size = bench.size(table, **how)
        duck = timed(lambda: duckdb.sql(f"SELECT factor, avg(value) FROM '{bench.file}' WHERE statistic = 'avg' GROUP BY factor").fetchall())
        start = time.perf_counter()
        pd.read_parquet(bench.file, columns=["factor", "value"]).groupby("factor").mean()
        print(f"| {name} | {size:.2f} | {duck:.3f} | {time.perf_counter() - start:.2f} |")

    pq.write_table(chosen, bench.file)
    whole("pyarrow's defaults (snappy, dictionaries of 1 MiB)", chosen, codec="snappy", rows=1 << 20, dictionary_bytes=1 << 20)
    whole("chosen: DOUBLE, dictionary up to 128 KiB, zstd 3", chosen, delta=["measured_at", "packet"])
    whole("DECIMAL(18,6), DELTA, zstd 3", exact, delta=["measured_at", "packet", "value"])
    os.remove(bench.file)


if __name__ == "__main__":
    main()
