"""
What the record of a bulk task costs: to write it, and to read it again.

Contacts are recorded as the operator does it, intents in blocks and an outcome each, on the local disk. Times are CPU
times, compared with what cannot be saved: writing lines that are encoded already, and parsing the lines. Memory is the
peak of a process of its own, for the number of rows and for a thousandth of it.

    python benchmarks/ledger.py [--rows 1000000]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import History, contacts, export_results, read_results

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 256
INSTANCE = "arn:aws:connect:us-east-1:123456789012:instance/12345678-1234-1234-1234-123456789012"


def token(row: int) -> str:
    return hashlib.sha256(b"%d" % row).hexdigest()


def record(folder: Path, rows: int, attempt: int = 1) -> float:
    """Record contacts, and return the CPU seconds that it took."""
    spent = 0.0
    with Ledger(folder, header={"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": attempt}) as ledger:
        for first in range(1, rows + 1, BLOCK):
            block = range(first, min(first + BLOCK, rows + 1))
            entries = [(row, f"order-{row}", token(row), "0123456789abcdef") for row in block]
            contact_ids = [f"12345678-1234-1234-1234-{row:012}" for row in block]
            began = time.process_time()
            ledger.intend(entries)
            for row, contact_id in zip(block, contact_ids, strict=True):
                ledger.created(row, contact_id, attempts=1, contact_arn=f"{INSTANCE}/contact/{contact_id}")
            spent += time.process_time() - began
    return spent


def timed(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def write_lines(source: Path, target: Path) -> None:
    """Write the same lines, one by one."""
    with source.open("rb") as lines, target.open("wb", buffering=0) as file:
        for line in lines:
            file.write(line)


def parse_lines(source: Path) -> None:
    with source.open("rb") as lines:
        for line in lines:
            json.loads(line)


def read_history(folder: Path) -> None:
    with History(folder):
        pass


def read_rows(folder: Path) -> None:
    for _ in read_results(folder):
        pass


def read_contacts(folder: Path) -> None:
    for _ in contacts(folder):
        pass


def export(folder: Path) -> None:
    export_results(folder, folder / "results.parquet")


READERS = {
    "history of all tokens": read_history,
    "results, row by row": read_rows,
    "IDs of the contacts": read_contacts,
    "results as Parquet": export,
}


def peak_megabytes(reader: str, folder: Path) -> int:
    """Return the peak memory of a process that reads."""
    done = subprocess.run(
        [sys.executable, __file__, "--read", reader, "--folder", folder], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows (default: %(default)s)")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        READERS[options.read](options.folder)
        # Not getrusage: its peak is that of the process which started this one, if that was higher.
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        print(int(peak[1]) // 1024 if peak else 0)
        return

    rows = options.rows
    with tempfile.TemporaryDirectory() as scratch:
        small, large, twice = (Path(scratch, name) for name in ("small", "large", "twice"))
        record(small, max(rows // 1_000, 1))
        spent = record(large, rows)
        (segment,) = large.iterdir()
        bare = timed(lambda: write_lines(segment, Path(scratch, "lines")))
        size = segment.stat().st_size
        print(f"{rows:,} contacts, {size / rows:.0f} bytes each")
        print(f"{'':38}{'µs/contact':>12}{'ratio':>8}")
        print(f"{'writing encoded lines, one by one':38}{bare / rows * 1e6:12.1f}{1:8.2f}")
        print(f"{'recording intent and outcome':38}{spent / rows * 1e6:12.1f}{spent / bare:8.2f}")

        bare = timed(lambda: parse_lines(segment))
        record(twice, rows)
        record(twice, rows, attempt=2)
        print(f"\n{'':38}{'lines/s':>12}{'ratio':>8}{'peak MB':>10}{f'of {rows // 1_000:,} rows':>16}")
        print(f"{'parsing the lines, and no more':38}{2 * rows / bare:12,.0f}{1:8.2f}")
        for name, read in READERS.items():
            read(small)  # what it imports is no part of it
            spent = timed(lambda read=read: read(large))
            peaks = peak_megabytes(name, large), peak_megabytes(name, small)
            print(f"{name:38}{2 * rows / spent:12,.0f}{spent / bare:8.2f}{peaks[0]:10}{peaks[1]:16}")
        spent = timed(lambda: read_rows(twice))
        peak = peak_megabytes("results, row by row", twice)
        print(f"{'results of two attempts':38}{4 * rows / spent:12,.0f}{spent / 2 / bare:8.2f}{peak:10}")

        with History(large) as history:
            known = timed(lambda: [history.get(token(row)) for row in range(1, 20_001)])
            unknown = timed(lambda: [history.get(token(-row)) for row in range(1, 20_001)])
            hashing = timed(lambda: [token(row) for row in range(1, 20_001)])
        print(f"\na token that is known: {(known - hashing) / 20_000 * 1e6:.1f} µs; ", end="")
        print(f"one that is not: {(unknown - hashing) / 20_000 * 1e6:.1f} µs")


if __name__ == "__main__":
    main()
