"""
How quickly the Contacts tab answers, and what it costs the API server.

A record of a bulk task is written as the operator does it; then its index is built, and pages are asked of it, as a
warm server answers them: the first page, a filter, a search, another order, a page in the middle, what is shown above
the table. Then a thousand contacts are appended, as while a task runs. Last, two hundred people look at once. Times are
of the wall, best of five; memory is the growth of the process's peak.

    python benchmarks/contacts_tab.py [--rows 100000 1000000]
"""

from __future__ import annotations

import argparse
import logging
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_connect.api.errors import RequestError
from airflow_connect.plugins.records import Records
from airflow_connect.record.format import RowState
from airflow_connect.record.index import Index
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 256
PEOPLE = 200
REFUSED = RequestError(
    "CreateContact failed: InvalidParameterException", operation="CreateContact", code="InvalidParameterException"
)


def write(ledger: Ledger, first: int, last: int) -> None:
    """Record rows: of a hundred one is refused."""
    for start in range(first, last + 1, BLOCK):
        block = range(start, min(start + BLOCK, last + 1))
        ledger.intend([(row, f"order-{row}", f"{row:064x}", "0123456789abcdef") for row in block])
        for row in block:
            if row % 100:
                ledger.created(row, f"12345678-1234-1234-1234-{row:012}", attempts=1)
            else:
                ledger.failed(row, REFUSED, attempts=1)


def best(work: Callable[[], Any], times: int = 5) -> float:
    """Return the milliseconds that something takes at best."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return 1_000 * min(spent)


def peak_megabytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


def measure(rows: int) -> None:
    """Print a table's column for a number of rows; in a process of its own, for its peak."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "record"
        with Ledger(
            folder, header={"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 1, "rows": 2 * rows}
        ) as ledger:
            write(ledger, 1, rows)
            ledger.flush()
            before = peak_megabytes()
            index = Index(Path(name) / "indexes", place_of(folder))
            figures = {"index built once, in the background (ms)": best(index.refresh, 1)}
            size = sum(file.stat().st_size for file in index.files)
            asked: dict[str, dict[str, Any]] = {
                "first page": {},
                "first page, failed rows alone": {"states": [RowState.FAILED]},
                "first page of a search that finds little": {"search": f"{rows - 1:012}"},
                "first page of a search that finds nothing": {"search": "nothing"},
                "first page, by time, latest first": {"sort": "at", "descending": True},
                "first page, by attempts": {"sort": "attempts"},
                "page in the middle": {"offset": rows // 2},
                "last page": {"offset": rows - 50},
            }
            for what, how in asked.items():
                figures[f"{what} (ms)"] = best(lambda how=how: index.page(**how))
            figures["counts, outcomes (ms)"] = best(index.totals)
            figures["refresh, nothing new (ms)"] = best(index.refresh)
            write(ledger, rows + 1, rows + 1_000)
            figures["refresh, 1,000 more contacts (ms)"] = best(index.refresh, 1)
            figures["size of the index (MB)"] = size / 1e6
        records = Records(Path(name) / "indexes", decisions=("", ()))
        with ThreadPoolExecutor(PEOPLE) as pool:
            barrier = threading.Barrier(PEOPLE)

            def read(_: int) -> None:
                barrier.wait()
                records.read(str(folder)).pages.page()

            figures[f"{PEOPLE} people ask for the first page at once (ms)"] = best(
                lambda: list(pool.map(read, range(PEOPLE))), 1
            )
        figures["growth of the memory's peak (MB)"] = peak_megabytes() - before
    for what, figure in figures.items():
        print(f"{what}\t{figure:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="rows (default: %(default)s)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.one:
        measure(options.one)
        return
    columns = []
    for rows in options.rows:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(rows)], check=True, capture_output=True, text=True
        )
        columns.append(dict(line.rsplit("\t", 1) for line in done.stdout.splitlines()))
    print(f"| Rows on record | {' | '.join(f'{rows:,}' for rows in options.rows)} |")
    print(f"| --- |{' --- |' * len(columns)}")
    for what in columns[0]:
        print(f"| {what} | {' | '.join(column[what] for column in columns)} |")


if __name__ == "__main__":
    main()
