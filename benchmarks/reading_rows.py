"""
What reading rows costs, by format, compared with the bare library over the same file.

Each pair takes turns in one process and on one core; the medians and their ratio are printed. Then the most memory that
a process holds for a thousand rows and for all, each in a process of its own.

    python benchmarks/reading_rows.py [--rows 1000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_connect.bulk.sources import FileRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = ("csv", "csv.gz", "jsonl", "parquet")
FEW = 1_000
PEAK = """
import sys
from pathlib import Path
from airflow_connect.bulk.sources import FileRows
for _ in FileRows(sys.argv[1]).read():
    pass
print(Path("/proc/self/status").read_text())
"""


def main() -> None:
    """Write the files, read them in turns, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for count in (FEW, arguments.rows):
            write(Path(folder), count)
        print(f"{arguments.rows:,} rows of 5 columns, CPU time, median of {arguments.rounds}")
        print(f"{'':10}{'bare':>16}{'FileRows':>16}{'ratio':>8}{f'{FEW:,} rows':>14}{'all rows':>12}")
        for kind in KINDS:
            path = str(Path(folder) / f"{arguments.rows}.{kind}")
            readers: list[Callable[[], int]] = [
                lambda kind=kind, path=path: bare(kind, path),
                lambda path=path: ours(path),
            ]
            seconds: list[list[float]] = [[], []]
            for _ in range(arguments.rounds):
                for reader, times in zip(readers, seconds, strict=True):
                    started = time.process_time()
                    assert reader() == arguments.rows
                    times.append(time.process_time() - started)
            alone, read = (statistics.median(times) for times in seconds)
            few, all_ = (peak(str(Path(folder) / f"{count}.{kind}")) for count in (FEW, arguments.rows))
            print(
                f"{kind:10}{arguments.rows / alone:>12,.0f} r/s{arguments.rows / read:>12,.0f} r/s"
                f"{read / alone:>8.2f}{few:>11} MB{all_:>9} MB"
            )


def rows(count: int) -> Iterator[dict[str, str | float]]:
    """Return rows as an order system would export them."""
    for n in range(count):
        yield {
            "order_id": f"{n}",
            "name": f"Customer {n}, Ltd.",
            "phone": f"+4915{n:08d}",
            "amount": n % 1000 + 0.5,
            "note": f"some note about the order {n}",
        }


def write(folder: Path, count: int) -> None:
    """Write the same rows in every format."""
    with (folder / f"{count}.csv").open("w", newline="") as text, (folder / f"{count}.jsonl").open("w") as lines:
        writer = csv.DictWriter(text, ["order_id", "name", "phone", "amount", "note"])
        writer.writeheader()
        for row in rows(count):
            writer.writerow(row)
            lines.write(f"{json.dumps(row)}\n")
    (folder / f"{count}.csv.gz").write_bytes(gzip.compress((folder / f"{count}.csv").read_bytes(), 1))
    pq.write_table(pa.Table.from_pylist(list(rows(count))), folder / f"{count}.parquet", row_group_size=count)


def bare(kind: str, path: str) -> int:
    """Read a file with the library alone, as a script would."""
    if kind == "parquet":
        return sum(len(batch.to_pylist()) for batch in pq.ParquetFile(path).iter_batches())
    if kind == "jsonl":
        with Path(path).open(encoding="utf-8") as lines:
            return sum(1 for _ in map(json.loads, lines))
    opener = gzip.open if kind == "csv.gz" else open
    with opener(path, "rt", newline="", encoding="utf-8") as text:
        return sum(1 for _ in csv.DictReader(text))


def ours(path: str) -> int:
    """Read a file as a task does."""
    return sum(1 for _ in FileRows(path).read())


def peak(path: str) -> int:
    """Return the most megabytes that a process holds that reads a file and does nothing else."""
    done = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True)
    return int(re.search(r"VmHWM:\s+(\d+) kB", done.stdout)[1]) // 1024


if __name__ == "__main__":
    main()
