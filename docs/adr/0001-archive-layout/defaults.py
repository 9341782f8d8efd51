#!/usr/bin/env python3
"""The rows that the real writer wrote, written again by pyarrow with its defaults: bytes and processor time a reading, to stand beside
what `cargo run --release -p plume-archive --example measure` prints of the same rows.

Usage: docs/adr/0001-archive-layout/defaults.py [DIRECTORY-OF-MEASURE]
"""

import glob
import io
import os
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else "target/archive-measure"
    pa.set_cpu_count(1)
    files = glob.glob(f"{directory}/readings/kind=minute/**/*.parquet", recursive=True)
    rows = plume_bytes = default_bytes = 0
    read_s = write_s = 0.0
    for file in files:
        begun = time.process_time()
        table = pq.ParquetFile(file).read()
        read_s += time.process_time() - begun
        plume_bytes += os.path.getsize(file)
        rows += len(table)
        out = io.BytesIO()
        begun = time.process_time()
        pq.write_table(table, out)
        write_s += time.process_time() - begun
        default_bytes += out.tell()
    print(f"| the same {rows} readings | bytes a reading | written a CPU second | read a CPU second |\n|---|---|---|---|")
    print(f"| plume's files | {plume_bytes / rows:.2f} | (see above) | {rows / read_s / 1e6:.1f} M |")
    print(f"| pyarrow {pa.__version__}, defaults | {default_bytes / rows:.2f} | {rows / write_s / 1e6:.1f} M | |")


main()
