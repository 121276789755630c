"""
How tasks that see each other share a quota, and come back from darkness: over HTTP, in real time, in processes.

Each case has a local Amazon Connect of its own and senders in processes of their own, with the ledger and the hook of
the operator; nothing is configured. All cases run at once. ``--unseen`` takes the results store away from the tasks, so
that each goes by its own answers alone.

    python benchmarks/sharing_over_http.py [--unseen] [--only "2/s"]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.pace_over_http import request

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Case:
    """So many senders of so many rows; *dark* are the seconds for which all is throttled, after a minute."""

    name: str
    rate: float
    burst: int
    latency_ms: float
    senders: int
    rows: int
    dark: float = 0.0

    @property
    def title(self) -> str:
        """What the case is called in the table."""
        return f"{self.rate:g}/s, {self.name}"


CASES = [
    Case("8 tasks of 1,000 rows", 50, 50, 100, 8, 1_000),
    Case("10 s of darkness, 1 task", 50, 50, 100, 1, 9_000, 10),
    Case("60 s of darkness, 1 task", 50, 50, 100, 1, 9_000, 60),
    Case("30 s of darkness, 1 task", 2, 5, 200, 1, 360, 30),
    Case("10 s of darkness, 4 tasks", 50, 50, 100, 4, 2_250, 10),
    Case("30 s of darkness, 4 tasks", 2, 5, 200, 4, 90, 30),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unseen", action="store_true", help="each task by its own answers alone")
    parser.add_argument("--only", default="", help="the cases whose names have this")
    parser.add_argument("--sender", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sender:
        url, folder, number, rows = options.sender
        print(json.dumps(send(url, folder, int(number), int(rows), is_seen=not options.unseen)))
        return
    print(f"{'':<32}{'time/ideal':>11}{'throttled':>11}{'shares':>14}{'0.9 after':>11}{'next minute':>13}")
    cases = [case for case in CASES if options.only in case.title]
    with ThreadPoolExecutor(len(CASES)) as pool:
        for line in pool.map(lambda case: run(case, is_seen=not options.unseen), cases):
            print(line, flush=True)


def run(case: Case, *, is_seen: bool) -> str:
    """Run a case and return its line."""
    from airflow_connect.emulator.server import Emulator

    with (
        tempfile.TemporaryDirectory() as folder,
        Emulator(rate=case.rate, burst=case.burst, latency_ms=case.latency_ms) as emulator,
    ):
        command = [sys.executable, __file__, *([] if is_seen else ["--unseen"]), "--sender", emulator.url, folder]
        start = time.time()
        processes = [
            subprocess.Popen([*command, str(number), str(case.rows)], stdout=subprocess.PIPE, text=True)
            for number in range(case.senders)
        ]
        over = 0.0
        if case.dark:
            time.sleep(60)
            emulator.set_faults("throttle=1")
            time.sleep(case.dark)
            emulator.set_faults("")
            over = time.time()
        found = [json.loads(process.communicate()[0].splitlines()[-1]) for process in processes]
    times = [one["times"] for one in found]
    start = min(min(one) for one in times)
    ideal = (case.senders * case.rows - case.burst) / case.rate + case.dark
    calls = sum(one["calls"] for one in found)
    shares = ""
    first_end = min(max(one) for one in times)
    if case.senders > 1 and not case.dark:
        got = [sum(start + 20 <= time < first_end for time in one) for one in times]
        counted = max(1, sum(got))
        shares = f"{min(got) * len(got) / counted:.2f} to {max(got) * len(got) / counted:.2f}"
    back = minute = ""
    if over:
        after = sorted(time - over for one in times for time in one if time > over)
        window = max(5.0, 40 / case.rate)
        goal = round(0.9 * case.rate * window)
        back = next(
            (f"{begin:.1f} s" for begin, end in zip(after, after[goal - 1 :], strict=False) if end - begin <= window),
            "never",
        )
        minute = f"{sum(time < 60 for time in after) / (60 * case.rate):.2f}"
    total = (max(map(max, times)) - start) / ideal
    throttled = sum(one["throttled"] for one in found) / calls
    return f"{case.title:<32}{total:>11.2f}{throttled:>11.1%}{shares:>14}{back:>11}{minute:>13}"


def send(url: str, folder: str, number: int, rows: int, *, is_seen: bool) -> dict[str, Any]:
    """Send rows as the operator does, and return when each was created."""
    os.environ["AIRFLOW_HOME"] = f"{folder}/{number}"
    import contextlib

    from airflow_connect.api.fields import service_model
    from airflow_connect.bulk.plan import PlannedContact
    from airflow_connect.bulk.send import Sender
    from airflow_connect.calls.pace import Pace
    from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID, DEFAULT_REGION
    from airflow_connect.hooks.connect import ConnectHook
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.peers import Peers
    from airflow_connect.record.results import History

    extra = {"region_name": DEFAULT_REGION, "endpoint_url": url}
    connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(connection)
    hook = ConnectHook(instance_id=DEFAULT_INSTANCE_ID, max_in_flight=256)
    hook.get_conn()
    service_model()
    times: list[float] = []

    def contacts() -> Iterator[PlannedContact]:
        for row in itertools.islice(itertools.count(1), rows):
            params = request(DEFAULT_INSTANCE_ID, row)
            params["ClientToken"] = f"benchmark-{number}-{row}"
            yield PlannedContact(row, f"{number}-{row}", params["ClientToken"], "", params, {})

    def create(params: dict[str, Any]) -> Any:
        answer = hook.call("CreateContact", params, max_retry_time=0)
        times.append(time.time())
        return answer

    pace = Pace(time.monotonic())
    peers = Peers(
        folder,
        region=DEFAULT_REGION,
        instance_id=DEFAULT_INSTANCE_ID,
        operation="CreateContact",
        task=f"benchmark.send.{number}",
    )
    results = Path(folder) / f"results-{number}"
    with History(results) as history, Ledger(results, header={"try_number": 1}) as ledger:
        sender = Sender(contacts(), create, operation="CreateContact", pace=pace, ledger=ledger, history=history)
        with peers.share(pace) if is_seen else contextlib.nullcontext():
            done = sender.run()
    if sender.stopped_by is not None:
        raise sender.stopped_by
    return {"times": times, "calls": done.calls, "throttled": done.throttled}


if __name__ == "__main__":
    main()
