"""
What many contacts cost in a real Airflow: one bulk task, a mapped boto3 task, and one task with a boto3 loop.

Scheduler and LocalExecutor, SQLite, an Amazon Connect without a quota that answers after 50 ms. Task time is from the
first start of a task instance to the last end. The mapped task and the loop are measured with as many contacts as is
bearable, and scaled in proportion (~); Airflow maps to 1,024 task instances at most by default. At last a bulk task is
killed with SIGKILL at half of its rows, and what the retry called for again is counted.

``--share`` measures something else: eight task instances of one mapped bulk task, with 200 to 1,000 rows, at 50 calls a
second. They see each other, and each is to have an equal share until it is done.

    python benchmarks/bulk_in_airflow.py [--rows 500 --rows 10000] [--mapped 500] [--loop 500] [--parallelism 4]
    python benchmarks/bulk_in_airflow.py --share
"""

from __future__ import annotations

import argparse
import collections
import csv
import itertools
import json
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_connect.emulator.server import Emulator
from airflow_connect.record.ledger import run_folder
from airflow_connect.record.results import read_results
from airflow_connect.testing import LocalConnect
from tools.local_airflow import LocalAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator

LATENCY_MS = 50

#: Rows of the task instances that share a quota, and the quota.
SHARES = (200, 200, 400, 400, 600, 600, 1_000, 1_000)
RATE = BURST = 50

DAGS = """
import json
import os
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows

OPTIONS = {"schedule": None, "start_date": datetime(2026, 1, 1), "catchup": False}


def make(numbers):
    import boto3

    extra = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])["extra"]
    client = boto3.client(
        "connect",
        region_name=extra["region_name"],
        endpoint_url=extra["endpoint_url"],
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    for number in numbers:
        client.create_contact(
            InstanceId=extra["service_config"]["connect"]["instance_id"],
            Channel="TASK",
            InitiationMethod="API",
            Name=f"Invoice {number} is overdue",
            Attributes={"invoice": str(number), "customer": "C-77"},
            ClientToken=os.environ["AIRFLOW_CTX_DAG_RUN_ID"] + str(number),
        )


with DAG("bulk", **OPTIONS):
    BulkCreateContactsOperator(
        task_id="contact",
        rows=FileRows("{{ dag_run.conf['path'] }}"),
        contact={
            "channel": "TASK",
            "name": "Invoice {{ row.invoice }} is overdue",
            "attributes": {"invoice": "{{ row.invoice }}", "customer": "{{ row.customer }}"},
        },
        retries=1,
        retry_delay=timedelta(seconds=3),
    )

with DAG("share", **OPTIONS):

    @task
    def tables(dag_run=None):
        return [
            [{"invoice": f"{table}-{number}", "customer": "C-77"} for number in range(rows)]
            for table, rows in enumerate(dag_run.conf["tables"])
        ]

    BulkCreateContactsOperator.partial(
        task_id="contact",
        contact={"channel": "TASK", "name": "{{ row.invoice }}", "attributes": {"customer": "{{ row.customer }}"}},
    ).expand(rows=tables())

with DAG("mapped", **OPTIONS):

    @task
    def numbers(dag_run=None):
        return list(range(dag_run.conf["rows"]))

    @task
    def contact(number):
        make([number])

    contact.expand(number=numbers())

with DAG("loop", **OPTIONS):

    @task(task_id="contact")
    def loop(dag_run=None):
        make(range(dag_run.conf["rows"]))

    loop()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, action="append", help="of the bulk task (default: 500 and 10000)")
    parser.add_argument("--mapped", type=int, default=500, help="task instances to measure (default: 500)")
    parser.add_argument("--loop", type=int, default=500, help="contacts of the loop to measure (default: 500)")
    parser.add_argument("--parallelism", type=int, default=4, help="task instances at once (default: 4)")
    parser.add_argument("--share", action="store_true", help="measure how mapped task instances share a quota")
    options = parser.parse_args()
    rows = sorted(options.rows or [500, 10_000])
    with tempfile.TemporaryDirectory() as folder, Emulator(latency_ms=LATENCY_MS) as emulator:
        benchmark = Benchmark(Path(folder), emulator, len(SHARES) if options.share else options.parallelism)
        with benchmark.airflow:
            if options.share:
                benchmark.share()
                return
            compare(benchmark, rows, options.mapped, options.loop)
            benchmark.kill_at_half(rows[-1])


def compare(benchmark: Benchmark, rows: list[int], mapped: int, loop: int) -> None:
    measured = {"mapped boto3 task": (mapped, benchmark.seconds("mapped", mapped))}
    measured["one task, boto3 loop"] = (loop, benchmark.seconds("loop", loop))
    for count in rows:
        bulk = benchmark.seconds("bulk", count)
        sending = benchmark.airflow.xcom("bulk", benchmark.run_id, "contact")["seconds"]
        print(f"\n{count:,} contacts, {LATENCY_MS} ms latency, no quota", flush=True)
        print(f"{'':<24}{'measured with':>14}{'task time s':>13}{'contacts/s':>12}{'it/bulk':>9}")
        print(f"{'bulk task':<24}{count:>14,}{bulk:>13.1f}{count / bulk:>12.1f}{1:>9}")
        print(f"{'  of it sending':<24}{'':>14}{sending:>13.1f}{count / sending:>12.1f}")
        for name, (contacts, seconds) in measured.items():
            scaled = seconds * count / contacts
            shown = f"{'' if contacts == count else '~'}{scaled:.1f}"
            print(f"{name:<24}{contacts:>14,}{shown:>13}{contacts / seconds:>12.1f}{scaled / bulk:>9.1f}", flush=True)


class Benchmark:
    """A running Airflow with the DAGs to compare, and the Amazon Connect that they call."""

    def __init__(self, folder: Path, emulator: Emulator, parallelism: int) -> None:
        self.folder = folder
        self.emulator = emulator
        #: The latest run that :meth:`seconds` measured.
        self.run_id = ""
        (folder / "dags").mkdir()
        (folder / "dags" / "compared.py").write_text(DAGS)
        self.airflow = LocalAirflow(
            folder / "home",
            folder / "dags",
            parallelism=parallelism,
            env={"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(LocalConnect(emulator).connection)},
        )

    def conf(self, rows: int) -> dict[str, object]:
        """Write a file of rows and return the configuration of a run."""
        path = self.folder / f"{rows}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("invoice", "customer"))
            writer.writerows((number, "C-77") for number in range(rows))
        return {"path": str(path), "rows": rows}

    def seconds(self, dag_id: str, rows: int) -> float:
        """Run a DAG and return the time from the first start of its task to the last end."""
        self.emulator.reset()
        run_id = self.run_id = self.airflow.run(dag_id, conf=self.conf(rows), timeout=3_600)
        made = len(self.emulator.contacts())
        assert made == rows, f"{dag_id}: {made} contacts of {rows} rows"
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=10000"
        found = [one for one in self.airflow.api("GET", path)["task_instances"] if one["task_id"] == "contact"]
        return (max(_times(found, "end_date")) - min(_times(found, "start_date"))).total_seconds()

    def share(self) -> None:
        """Run the task instances that share a quota, and print what each got of it beside an equal share."""
        self.emulator.set_rate(RATE, BURST)
        run_id = self.airflow.run("share", conf={"tables": SHARES}, timeout=1_200)
        tables = {one["id"]: int(one["name"].partition("-")[0]) for one in self.emulator.contacts()}
        created: dict[int, list[float]] = {table: [] for table in range(len(SHARES))}
        for call in self.emulator.calls("CreateContact"):
            if call.status == 200 and call.contact_id:
                created[tables[call.contact_id]].append(call.time)
        assert [len(times) for times in created.values()] == list(SHARES)
        began, ends = min(map(min, created.values())), [max(times) for times in created.values()]
        since = max(map(min, created.values())) + 20
        print(f"{'rows':>6}{'first s':>9}{'last s':>8}{'throttled':>11}{'of an equal share':>19}")
        for table, times in created.items():
            throttled = self.airflow.xcom("share", run_id, "contact", table)["throttled"]
            print(f"{len(times):>6}{min(times) - began:>9.1f}{max(times) - began:>8.1f}{throttled:>11}", end="")
            got = sum(time >= since for time in times)
            print(f"{got / equal_share(since, max(times), ends):>19.2f}" if got > RATE else f"{'-':>19}")
        took, ideal = max(ends) - began, (sum(SHARES) - BURST) / RATE
        print(f"shares from {since - began:.0f} s on, when all had run for 20 s")
        print(f"{took:.1f} s in all, {took / ideal:.2f} of the ideal {ideal:.0f} s")

    def kill_at_half(self, rows: int) -> None:
        """Kill a bulk task at half of its rows, let it be retried, and print what came of it."""
        self.emulator.reset()
        run_id = self.airflow.trigger("bulk", conf=self.conf(rows))
        while (called := len(self.emulator.calls("CreateContact"))) < rows / 2:
            time.sleep(0.01)
        self.airflow.kill("bulk", run_id, "contact")
        sent = -1
        while sent < (sent := len({call.client_token for call in self.emulator.calls("CreateContact")})):
            time.sleep(0.5)  # what was under way has arrived when nothing more comes
        root = self.airflow.home / "amazon_connect"
        folder = run_folder(root, dag_id="bulk", run_id=run_id, task_id="contact", map_index=-1)
        recorded = sum(result["state"] == "created" for result in read_results(folder))
        state = self.airflow.wait("bulk", run_id, timeout=600)
        tokens = collections.Counter(call.client_token for call in self.emulator.calls("CreateContact"))
        made = collections.Counter(contact["name"] for contact in self.emulator.contacts())
        print(f"\n{rows:,} rows, SIGKILL after {called:,} calls; the run's end: {state}")
        print(f"in flight when killed {sent - recorded}")
        print(f"called again          {sum(tokens.values()) - len(tokens)}")
        print(f"rows without contact  {rows - len(made)}")
        print(f"rows with two or more {sum(count > 1 for count in made.values())}")


def equal_share(since: float, until: float, ends: list[float]) -> float:
    """Return the calls that one of those that run until their *ends* gets if all get the same."""
    marks = sorted({since, *(end for end in ends if since < end <= until)})
    return sum(RATE * (end - start) / sum(one >= end for one in ends) for start, end in itertools.pairwise(marks))


def _times(found: list[dict[str, str]], name: str) -> Iterator[datetime]:
    return (datetime.fromisoformat(one[name]) for one in found)


if __name__ == "__main__":
    main()
