"""
Peak memory of a bulk task by the number of its rows: all sent, and then all found in the record of another attempt.

Each task does all that the operator does with a CSV file, in a process of its own that makes its contacts at a local
Amazon Connect over HTTP. A million rows take about half an hour to send.

    python benchmarks/memory.py [--rows 1000 --rows 100000]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cpu_per_contact import COLUMNS, VALUES, connect_to, send_file
from pace_over_http import local_connect


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="may be given again (default: 1000 and 100000)")
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(run(*options.task)))
        return
    print(f"{'rows':>9}  {'':<8}{'made':>9}{'rows/s':>9}{'peak MB':>9}{'more MB':>9}{'record MB':>11}")
    least: dict[str, float] = {}
    for rows in options.rows or [1_000, 100_000]:
        with tempfile.TemporaryDirectory() as folder, local_connect("--rate", "0", "--latency-ms", "0") as url:
            file, results = Path(folder, "rows.csv"), Path(folder, "results")
            with file.open("w", newline="") as opened:
                writer = csv.writer(opened)
                writer.writerow(COLUMNS)
                # Each row its own booking: equal rows are counted to tell one from the next, which is not measured.
                writer.writerows([VALUES[0], f"B{number:07}", *VALUES[2:]] for number in range(rows))
            for what in ("sent", "again"):
                command = [sys.executable, __file__, "--task", url, str(file), str(results)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr[-2000:])
                found = json.loads(done.stdout.splitlines()[-1])
                more = found["peak"] - least.setdefault(what, found["peak"])
                size = sum(path.stat().st_size for path in results.rglob("*") if path.is_file()) / 2**20
                print(
                    f"{rows:>9}  {what:<8}{found['made']:>9}{rows / found['seconds']:>9.0f}"
                    f"{found['peak']:>9.1f}{more:>+9.1f}{size:>11.1f}",
                    flush=True,
                )


def run(url: str, file: str, results: str) -> dict[str, float]:
    """Run one task in this process."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        hook = connect_to(url)
        start = time.monotonic()
        made = send_file(Path(file), Path(results), hook)
        seconds = time.monotonic() - start
    return {"made": made, "seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


if __name__ == "__main__":
    main()
