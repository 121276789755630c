"""
10,000 open contacts: one trigger for all of them against one trigger for each.

Each kind runs in a process of its own that does what a triggerer does, against a local Amazon Connect in another. In
the first table there is no quota and every contact ends; in the second there is Amazon's default quota (2 reads a
second with bursts of 5, SearchContacts 0.5) and one contact a second ends. Prints reads, the throttled share, CPU and
memory of the process that waits, and how long after its end an outcome is seen.

    python benchmarks/waiting.py [--contacts 10000] [--seconds 60] [--quota-seconds 180]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_connect.emulator.server import Emulator
from airflow_connect.record.ledger import Ledger
from airflow_connect.testing import LocalConnect

KINDS = {"one": "one trigger", "each": "a trigger each"}


def wait(kind: str, folder: Path, contact_ids: list[str], seconds: float, interval: float) -> None:
    """Do what a triggerer does, and print when each outcome was seen, and what that took."""
    from airflow_connect.triggers.connect import ContactTrigger

    options: dict[str, Any] = {"poke_interval": interval, "deadline": time.time() + seconds}
    seen: dict[str, float] = {}

    async def run(trigger: ContactTrigger) -> None:
        async for event in trigger.run():
            for outcome in event.payload.get("ended", ()):
                seen[outcome["contact_id"]] = time.time()

    async def run_all() -> None:
        if kind == "one":
            await run(ContactTrigger(results=str(folder), **options))
        else:
            await asyncio.gather(*(run(ContactTrigger(contact_ids=[one], **options)) for one in contact_ids))

    start = os.times()
    asyncio.run(run_all())
    end = os.times()
    if kind == "one":
        for segment in folder.glob("*.jsonl"):
            for entry in map(json.loads, segment.read_text().splitlines()):
                if entry["kind"] == "ended":
                    seen[entry["contact_id"]] = datetime.fromisoformat(entry["at"]).timestamp()
    result = {
        "seen": seen,
        "cpu": end.user + end.system - start.user - start.system,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


def measure(
    kind: str, *, contacts: int, end: int, seconds: float, longest: float, quota: bool, interval: float
) -> list[str]:
    """Let one kind wait, and return its row."""
    with tempfile.TemporaryDirectory() as name, Emulator(call_log=10_000_000) as emulator:
        connect = LocalConnect(emulator)
        folder = Path(name) / "results"
        request = {"InstanceId": connect.instance_id, "Channel": "TASK", "InitiationMethod": "API", "Name": "Check"}
        with Ledger(folder, header={"try_number": 1}) as ledger:
            ledger.intend((row, None, str(row), "") for row in range(1, contacts + 1))
            ids = []
            for row in range(1, contacts + 1):
                ids.append(connect.client.create_contact(**request)["ContactId"])
                ledger.created(row, ids[-1], attempts=1)
        if quota:
            emulator.set_rate(2, 5)
        before = len(emulator.calls())
        arguments = json.dumps([kind, str(folder), ids, longest, interval])
        env = {**os.environ, "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connect.connection), "AIRFLOW_HOME": name}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, "--wait"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            text=True,
        )
        chosen = random.Random(1).sample(ids, end)

        def staff() -> None:
            while len(emulator.calls()) == before:  # until the process has come up
                time.sleep(0.1)
            start = time.monotonic()
            for number, contact_id in enumerate(chosen):
                time.sleep(max(0.0, start + seconds * number / end - time.monotonic()))
                connect.complete(contact_id)

        working = threading.Thread(target=staff, daemon=True)
        working.start()
        output, _ = process.communicate(arguments)
        working.join()
        result = json.loads(output.splitlines()[-1])
        calls = emulator.calls()[before:]
        ends = {one["id"]: one["disconnected_at"] for one in emulator.contacts("ENDED")}
    lags = sorted(result["seen"][one] - ended for one, ended in ends.items() if one in result["seen"])
    throttled = sum(call.status == 429 for call in calls)
    quantiles = statistics.quantiles(lags, n=100) if len(lags) > 1 else [float("nan")] * 99
    answered = len(calls) - throttled
    return [
        KINDS[kind],
        f"{answered:,}",
        f"{answered / max(1, len(lags)):.2f}",
        f"{throttled / max(1, len(calls)):.1%}",
        f"{result['cpu']:.1f}",
        f"{result['memory']:.0f}",
        f"{len(lags):,}/{len(ends):,}",
        f"{quantiles[49]:.1f}",
        f"{quantiles[98]:.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60, help="in which all end, without a quota")
    parser.add_argument("--quota-seconds", type=float, default=180, help="for which one a second ends, with a quota")
    parser.add_argument("--wait", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.wait:
        kind, folder, contact_ids, seconds, interval = json.loads(sys.stdin.read())
        wait(kind, Path(folder), contact_ids, seconds, interval)
        return
    head = ["", "reads", "per outcome", "throttled", "CPU s", "MB", "seen", "p50 s", "p99 s"]
    tables = {
        f"{options.contacts:,} contacts, no quota, all end within {options.seconds:.0f} s, a look every 10 s": {
            "contacts": options.contacts,
            "end": options.contacts,
            "seconds": options.seconds,
            "longest": 20 * options.seconds,
            "quota": False,
            "interval": 10,
        },
        f"{options.contacts:,} contacts, default quota, one a second ends for {options.quota_seconds:.0f} s": {
            "contacts": options.contacts,
            "end": int(options.quota_seconds),
            "seconds": options.quota_seconds,
            "longest": options.quota_seconds + 60,
            "quota": True,
            "interval": 10,
        },
    }
    for title, arguments in tables.items():
        print(f"\n{title}\n{head[0]:<16}" + "".join(f"{cell:>13}" for cell in head[1:]))
        for kind in KINDS:
            row = measure(kind, **arguments)
            print(f"{row[0]:<16}" + "".join(f"{cell:>13}" for cell in row[1:]), flush=True)


if __name__ == "__main__":
    main()
