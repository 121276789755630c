"""
Does one deferred task tell every outcome once, and none early, while its triggerer is killed: yes or no.

A real Airflow with scheduler and triggerer, SQLite and LocalExecutor. A bulk task makes the contacts; an emulated staff
ends them in random order, by completing, stopping and transferring; some expire. SearchContacts lags. The triggerer is
killed with SIGKILL twice, and two run at once for a while. Prints what was read, and ends with exit code 1 where an
outcome is missing, doubled, wrong or early.

    python benchmarks/wait_through_kills.py [--contacts 1000] [--seconds 120] [--lag 10]
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_connect.emulator.resources import BILLING_QUEUE, TO_QUEUE_FLOW
from airflow_connect.emulator.server import Emulator
from airflow_connect.record.results import read_results
from airflow_connect.testing import LocalConnect
from tools.local_airflow import LocalAirflow
from tools.triggerer import Triggerer

if TYPE_CHECKING:
    from collections.abc import Callable

DAG = """
from datetime import datetime
from airflow.providers.common.compat.sdk import DAG
from airflow_connect.operators.bulk import BulkCreateContactsOperator
from airflow_connect.sensors.connect import ContactSensor

def contact(row):
    expiry = {"expiry_duration_in_minutes": 1} if row["expires"] else {}
    return {"channel": "TASK", "name": f"Check {row['number']}", **expiry}

with DAG("waits", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    bulk = BulkCreateContactsOperator(
        task_id="bulk",
        rows=[{"number": number, "expires": number % 20 == 0} for number in range(CONTACTS)],
        contact=contact,
        results_path="RESULTS",
    )
    ContactSensor(
        task_id="wait", results=bulk.output, attributes=["decision"], deferrable=True, poke_interval=3, timeout=3600
    )
"""


class Staff(threading.Thread):
    """People who end contacts at random, over a time."""

    def __init__(self, connect: LocalConnect, seconds: float, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self._connect = connect
        self._seconds = seconds
        self._chance = chance
        self.failure: Exception | None = None

    def run(self) -> None:
        """Work until all contacts have ended."""
        try:
            contacts = [one["id"] for one in self._connect.contacts() if one["expiry_minutes"] is None]
            self._chance.shuffle(contacts)
            start = time.monotonic()
            for number, contact_id in enumerate(contacts):
                time.sleep(max(0.0, start + self._seconds * number / len(contacts) - time.monotonic()))
                self._end(contact_id)
        except Exception as error:  # noqa: BLE001  # reported by the main thread
            self.failure = error

    def _end(self, contact_id: str) -> None:
        what = self._chance.random()
        client, instance = self._connect.client, {"InstanceId": self._connect.instance_id}
        if what < 0.1:
            flow = {"ContactFlowId": TO_QUEUE_FLOW.id, "QueueId": BILLING_QUEUE.id}
            contact_id = client.transfer_contact(**instance, **flow, ContactId=contact_id)["ContactId"]
        if what < 0.9:
            self._connect.complete(contact_id, {"decision": self._chance.choice(["approve", "refuse"])})
        else:
            client.stop_contact(**instance, ContactId=contact_id)


def expected(connect: LocalConnect, rows: list[dict[str, Any]]) -> dict[str, tuple[str, float, Any]]:
    """Return what became of each contact, its end and its decision, as Amazon Connect has them."""
    states = {"AGENT_COMPLETED": "completed", "API": "stopped", "EXPIRED": "expired"}
    by_id = {one["id"]: one for one in connect.contacts()}
    successors = {one["previous_contact_id"]: one for one in by_id.values() if one["previous_contact_id"]}
    found = {}
    for row in rows:
        contact = by_id[row["contact_id"]]
        first = contact
        while contact["id"] in successors:
            contact = successors[contact["id"]]
        decision = first["attributes"].get("decision")
        found[row["contact_id"]] = states[contact["disconnect_reason"]], contact["disconnected_at"], decision
    return found


def wait_until(what: Callable[[], bool], seconds: float, words: str) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"{words} after {seconds:g} s")
        time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120, help="over which the staff ends contacts")
    parser.add_argument("--lag", type=float, default=10, help="seconds by which SearchContacts is behind")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Emulator(search_lag_seconds=options.lag) as emulator:
        connect = LocalConnect(emulator)
        results, dags = Path(folder) / "results", Path(folder) / "dags"
        dags.mkdir()
        text = DAG.replace("CONTACTS", str(options.contacts)).replace("RESULTS", str(results))
        (dags / "waits.py").write_text(text)
        airflow = LocalAirflow(
            Path(folder) / "home",
            dags,
            env={"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connect.connection)},
            config={"triggerer.job_heartbeat_sec": "1", "triggerer.triggerer_health_check_threshold": "5"},
            preload=["airflow_connect.operators.bulk", "airflow_connect.sensors.connect"],
        )
        with airflow:
            return watch(options, airflow, connect, results)


def watch(options: argparse.Namespace, airflow: LocalAirflow, connect: LocalConnect, results: Path) -> int:
    triggerers = [Triggerer(airflow)]
    try:
        run_id = airflow.trigger("waits")
        airflow.wait_for_state("waits", run_id, "wait", states=["deferred"], timeout=300)
        staff = Staff(connect, options.seconds, random.Random(options.seed))
        staff.start()
        for part in range(3):
            time.sleep(options.seconds / 4)
            if part == 1:
                triggerers.append(Triggerer(airflow))  # two at once
            else:
                triggerers.pop(0).end()
                print(f"triggerer killed after {options.seconds / 4 * (part + 1):.0f} s", flush=True)
                if not triggerers:
                    triggerers.append(Triggerer(airflow))
        staff.join()
        if staff.failure is not None:
            raise staff.failure
        advanced = time.time()
        connect.clock.advance(60)  # what is left expires now, and not when a minute is over
        state = airflow.wait("waits", run_id, timeout=600)
        result = airflow.xcom("waits", run_id, "wait")
    finally:
        for triggerer in triggerers:
            triggerer.end()
    rows = list(read_results(results))
    truth = expected(connect, rows)
    truth = {one: (outcome, min(at, advanced), decision) for one, (outcome, at, decision) in truth.items()}
    lines: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for segment in results.rglob("*.jsonl"):
        for line in segment.read_text().splitlines():
            entry = json.loads(line)
            if entry["kind"] == "ended":
                lines[entry["contact_id"]].append(entry)
    wrong = [
        row["contact_id"]
        for row in rows
        if (row["outcome"], (row["attributes"] or {}).get("decision")) != truth[row["contact_id"]][::2]
    ]
    early = [
        contact_id
        for contact_id, entries in lines.items()
        for entry in entries
        if datetime.fromisoformat(entry["at"]).timestamp() < truth[contact_id][1] - 0.001
    ]
    calls = collections.Counter(call.operation for call in connect.calls() if "Contact" in call.operation)
    reads = sum(calls[name] for name in ("DescribeContact", "SearchContacts", "ListAssociatedContacts"))
    throttled = sum(call.status == 429 for call in connect.calls())
    print(f"run {state}; result: {json.dumps({name: value for name, value in result.items() if name != 'results'})}")
    print(f"{'contacts':<36}{len(rows):>8}")
    print(f"{'with an outcome':<36}{sum(row['outcome'] is not None for row in rows):>8}")
    print(f"{'wrong':<36}{len(wrong):>8}")
    print(f"{'early':<36}{len(early):>8}")
    print(f"{'recorded more than once':<36}{sum(len(entries) > 1 for entries in lines.values()):>8}")
    for name in ("DescribeContact", "SearchContacts", "ListAssociatedContacts"):
        print(f"{name:<36}{calls[name]:>8}")
    print(f"{'reads per contact':<36}{reads / max(1, len(rows)):>8.2f}")
    print(f"{'throttled':<36}{throttled:>8}")
    fine = state == "success" and len(rows) == options.contacts == result["contacts"] and not result["open"]
    return 0 if fine and not wrong and not early and all(row["outcome"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
