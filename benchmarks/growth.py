"""
What each step of a bulk task costs for a row, by the number of rows: does anything grow faster than its input.

The steps are those of the operators and the sensor, on one machine and without a service: calls are answered at once,
in this process, so that what is measured is ours. Each number of rows has a process of its own. The exponent is that of
the CPU time between the fewest and the most rows: 1 grows as the input does.

    python benchmarks/growth.py [--rows 10000 --rows 100000] [--million] [--until continue]
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import logging
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from _bulk_task import COLUMNS, run_task, values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MILLION = 1_000_000
BEGAN = datetime(2026, 11, 24, 6, tzinfo=UTC)
SECONDS_TO_CONTINUE = 60
#: What a step may grow by: what is measured on a machine that others use varies.
MOST = 1.15


class Service:
    """Answers at once, and counts the calls."""

    instance_id = "11111111-1111-4111-8111-111111111111"

    def __init__(self) -> None:
        self.calls = 0
        self._ids: list[str] = []

    def create(self, _params: Mapping[str, Any]) -> dict[str, Any]:
        """Create a contact."""
        self.calls += 1
        contact_id = str(UUID(int=self.calls))
        return {"ContactId": contact_id, "ContactArn": f"arn:aws:connect:us-east-1:1:instance/i/contact/{contact_id}"}

    def describe_contact(self, contact_id: str, *, max_retry_time: float | None = None) -> dict[str, Any]:
        """Return a contact that has ended."""
        self.calls += 1
        return {
            "Id": contact_id,
            "Channel": "TASK",
            "InitiationMethod": "API",
            "InitiationTimestamp": BEGAN,
            "DisconnectTimestamp": BEGAN + timedelta(minutes=10),
            "DisconnectReason": "AGENT_COMPLETED",
        }

    def call(self, operation: str, params: Mapping[str, Any], *, max_retry_time: float | None = None) -> dict[str, Any]:
        """Stop a contact, or say that a search has found all of them, so that each is described."""
        self.calls += 1
        return {"Contacts": [], "TotalCount": 10 * MILLION, "NextToken": str(self.calls)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="may be given again (default: 10000 and 100000)")
    parser.add_argument("--million", action="store_true", help="a million rows as well; takes about an hour")
    parser.add_argument("--until", choices=["continue", "stop"], default="stop", help="the last step that is measured")
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.steps:
        print(json.dumps(measure(options.steps, until=options.until)))
        return 0
    numbers = sorted({*(options.rows or [10_000, 100_000]), *([MILLION] if options.million else [])})
    found = {}
    for rows in numbers:
        command = [sys.executable, __file__, "--steps", str(rows), "--until", options.until]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            return done.returncode
        found[rows] = json.loads(done.stdout.splitlines()[-1])
        print(f"{rows:,} rows: {found[rows]['peak']:.0f} MB at the most", file=sys.stderr, flush=True)
    return print_table(numbers, found)


def print_table(numbers: list[int], found: dict[int, dict[str, Any]]) -> int:
    """Print what was measured, and return 1 where something grows faster than its input."""
    least, most = numbers[0], numbers[-1]
    print(f"{'CPU us for a row':<18}" + "".join(f"{rows:>12,}" for rows in numbers) + f"{'exponent':>10}{'s':>9}")
    too_fast = []
    for step in found[most]["cpu"]:
        micros = {rows: found[rows]["cpu"][step] / rows * 1e6 for rows in numbers}
        exponent = 1 + math.log(micros[most] / micros[least]) / math.log(most / least) if most > least else math.nan
        too_fast += [step] if exponent > MOST else []
        cells = "".join(f"{micros[rows]:>12.1f}" for rows in numbers)
        print(f"{step:<18}{cells}{exponent:>10.2f}{found[most]['seconds'][step]:>9.1f}")
    print(f"calls of a finished run that continues: {', '.join(str(found[rows]['again']) for rows in numbers)}")
    late = [rows for rows in numbers if found[rows]["seconds"]["continue"] >= SECONDS_TO_CONTINUE]
    called = [rows for rows in numbers if found[rows]["again"]]
    for what, wrong in (("grows faster than its input", too_fast), ("continues late", late), ("calls", called)):
        if wrong:
            print(f"{what}: {', '.join(map(str, wrong))}")
    return 1 if too_fast or late or called else 0


def measure(rows: int, *, until: str = "stop") -> dict[str, Any]:
    """Take the steps with so many rows, and return what each took."""
    cpu: dict[str, float] = {}
    seconds: dict[str, float] = {}

    def step(name: str, take: Callable[[], Any]) -> Any:
        wall, start = time.monotonic(), time.process_time()
        result = take()
        cpu[name], seconds[name] = time.process_time() - start, time.monotonic() - wall
        return result

    with tempfile.TemporaryDirectory() as name:
        os.environ["AIRFLOW_HOME"] = name
        logging.disable(logging.WARNING)
        home = Path(name)
        file, folder = home / "rows.csv", home / "results"
        from airflow_connect.bulk.sources import FileRows

        for path, count in ((home / "few.csv", 10), (file, rows)):
            with path.open("w", newline="") as opened:
                writer = csv.writer(opened)
                writer.writerow(COLUMNS)
                writer.writerows(map(values, range(1, count + 1)))
        run_task(FileRows(str(home / "few.csv")), home / "few", Service().create)  # the service model

        service = Service()
        source = FileRows(str(file))
        step("check", lambda: run_task(source, folder, service.create, only_check=True))
        step("send", lambda: run_task(source, folder, service.create))
        cpu["send"] -= cpu["check"]  # which is a part of it
        sent = service.calls
        step("continue", lambda: run_task(source, folder, service.create, attempt=2))
        again = service.calls - sent
        if until == "stop":
            read(step, folder, home, rows)
            assert step("wait", lambda: asyncio.run(wait_for(folder, service))) == rows
            assert step("stop", lambda: asyncio.run(stop_all(folder, service))) == rows
    assert sent == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": cpu, "seconds": seconds, "again": again, "peak": peak}


def read(step: Callable[[str, Callable[[], Any]], Any], folder: Path, home: Path, rows: int) -> None:
    """Read the record in each way."""
    from airflow_connect.record.results import count_results, export_results, read_results

    assert step("count", lambda: count_results(folder))["created"] == rows
    assert step("read", lambda: sum(1 for _ in read_results(folder))) == rows
    for kind in (".jsonl", ".parquet"):
        assert step(f"export {kind}", lambda kind=kind: export_results(folder, home / f"table{kind}")) == rows


async def wait_for(folder: Path, service: Service) -> int:
    """Wait for all contacts, which have ended, and return how many outcomes were found."""
    from airflow_connect.calls.clock import Clock
    from airflow_connect.waiting.awaited import InResults
    from airflow_connect.waiting.wait import Wait
    from airflow_connect.waiting.watch import Reads

    clock = Clock()
    awaited = InResults(str(folder))
    wait = Wait(awaited, Reads(service, clock=clock), clock=clock, interval=0.1)
    await wait.poll_until_over()
    awaited.close()
    return wait.ended


async def stop_all(folder: Path, service: Service) -> int:
    """Stop all contacts, and return how many were stopped."""
    from airflow_connect.calls.clock import Clock
    from airflow_connect.record.results import contacts
    from airflow_connect.waiting.act import stop_contacts
    from airflow_connect.waiting.watch import Reads

    clock = Clock()
    stopped = await stop_contacts(list(contacts(folder)), Reads(service, clock=clock), clock=clock)
    return stopped["stopped"]


if __name__ == "__main__":
    raise SystemExit(main())
