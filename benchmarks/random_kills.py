"""
SIGKILL at random moments while operators, sensors and a notifier work: is each contact there once.

A real Airflow with scheduler, triggerer, SQLite and LocalExecutor runs a Dag that has each of them: a single contact,
mapped ones, a bulk task, a wait in the triggerer, a wait in a worker, a notifier on a task that fails. Staff completes
what it sees. At random moments a process is killed: the one that runs a task, that with its supervisor, or the
triggerer; what was killed least so far is the next. Prints what was killed, and ends with exit code 1 where a contact
is missing or there twice, or a run does not end as it should.

    python benchmarks/random_kills.py [--kills 20] [--seed 1]
    python benchmarks/random_kills.py --kills 100     # about half an hour
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_connect.emulator.server import Emulator
from airflow_connect.testing import LocalConnect
from tools.local_airflow import LocalAirflow, LocalAirflowError
from tools.triggerer import Triggerer

MAPPED = 4
ROWS = 300
KILLS_IN_A_RUN = 8
DAG = f"""
from datetime import datetime, timedelta
from airflow.providers.common.compat.sdk import DAG, task
from airflow_connect.notifications.connect import ContactNotifier
from airflow_connect.operators.bulk import BulkCreateContactsOperator
from airflow_connect.operators.connect import CreateContactOperator
from airflow_connect.sensors.connect import ContactSensor

again = {{"retries": 20, "retry_delay": timedelta(seconds=1)}}
name = "{{{{ dag_run.conf['name'] }}}} "

with DAG("everything", schedule=None, start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1):
    one = CreateContactOperator(task_id="one", channel="TASK", name=name + "one", **again)
    CreateContactOperator.partial(task_id="mapped", channel="TASK", **again).expand(
        name=[name + f"mapped {{number}}" for number in range({MAPPED})]
    )
    bulk = BulkCreateContactsOperator(
        task_id="bulk",
        rows=[{{"row": row}} for row in range({ROWS})],
        contact={{"channel": "TASK", "name": name + "row {{{{ row.row }}}}"}},
        **again,
    )
    ContactSensor(task_id="deferred", results=bulk.output, deferrable=True, poke_interval=1, timeout=900, **again)
    ContactSensor(task_id="sensor", contact_id=one.output, mode="reschedule", poke_interval=1, timeout=900, **again)

    @task(on_failure_callback=ContactNotifier(name=name + "notified"))
    def fails():
        raise ValueError("on purpose")

    fails()
"""
SUFFIXES = [
    "one",
    "notified",
    *(f"mapped {number}" for number in range(MAPPED)),
    *(f"row {row}" for row in range(ROWS)),
]
#: Seconds that each works at least once it runs.
LONGEST = {"one": 1.0, "mapped": 1.0, "bulk": 3.0, "deferred": 0.5, "sensor": 0.5, "fails": 0.5, "triggerer": 3.0}
UNFINISHED = {None, "scheduled", "queued", "running", "deferred", "up_for_retry", "up_for_reschedule", "restarting"}
RUNNING = "SELECT task_id, map_index FROM task_instance WHERE run_id = ? AND state = 'running' AND pid IS NOT NULL"


class Staff(threading.Thread):
    """Completes what it sees."""

    def __init__(self, connect: LocalConnect) -> None:
        super().__init__(daemon=True)
        self._connect = connect

    def run(self) -> None:
        """Work for ever."""
        while True:
            for contact in self._connect.contacts("CREATED"):
                self._connect.complete(contact["id"])
            time.sleep(1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    killed: collections.Counter[str] = collections.Counter()
    wrong = runs = 0
    with tempfile.TemporaryDirectory() as folder, Emulator(latency_ms=500, rate=None) as emulator:
        connect = LocalConnect(emulator)
        dags = Path(folder) / "dags"
        dags.mkdir()
        (dags / "everything.py").write_text(DAG)
        airflow = LocalAirflow(
            Path(folder) / "home",
            dags,
            env={"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connect.connection)},
            config={
                "scheduler.task_instance_heartbeat_timeout": "10",
                "scheduler.task_instance_heartbeat_timeout_detection_interval": "1",
                "triggerer.job_heartbeat_sec": "1",
                "triggerer.triggerer_health_check_threshold": "5",
            },
            preload=["airflow_connect.operators.bulk", "airflow_connect.sensors.connect"],
        )
        Staff(connect).start()
        with airflow:
            triggerer = Triggerer(airflow)
            try:
                while killed.total() < options.kills:
                    runs += 1
                    name = f"run {runs}"
                    triggerer, may_be_silent = run(airflow, name, triggerer, chance, killed)
                    wrong += check(connect, name, may_be_silent=may_be_silent)
            finally:
                triggerer.end()
    print(
        f"{runs} runs, {killed.total()} kills: {', '.join(f'{what} {count}' for what, count in killed.most_common())}"
    )
    print(f"contacts that are missing or there twice: {wrong}")
    return 1 if wrong else 0


def run(
    airflow: LocalAirflow, name: str, triggerer: Triggerer, chance: random.Random, killed: collections.Counter[str]
) -> tuple[Triggerer, bool]:
    """
    Run the Dag, and kill something some times meanwhile: what was killed least so far, at a random moment of its work.

    :return: the triggerer that is there now, and whether the task that fails was killed
    """
    run_id = airflow.trigger("everything", conf={"name": name})
    kills, may_be_silent = 0, False
    while kills < KILLS_IN_A_RUN:
        states = {(one.task_id, one.map_index): one.state for one in airflow.task_instances("everything", run_id)}
        if states and not any(state in UNFINISHED for state in states.values()):
            break
        kinds = {task_id for task_id, _ in airflow.query(RUNNING, run_id)}
        if "deferred" in states.values():
            kinds.add("triggerer")
        if not kinds:
            continue
        task_id = min(kinds, key=lambda kind: (killed[kind], chance.random()))
        time.sleep(chance.uniform(0, LONGEST[task_id]))
        if task_id == "triggerer":
            triggerer.end()
            triggerer = Triggerer(airflow)
        else:
            running = [index for kind, index in airflow.query(RUNNING, run_id) if kind == task_id]
            supervisor = chance.random() < 0.25
            try:
                index = chance.choice(running)
                airflow.kill("everything", run_id, task_id, index, supervisor=supervisor, timeout=0.5)
            except (IndexError, LocalAirflowError):
                continue  # it has come to its end
            may_be_silent |= task_id == "fails"
        killed[task_id] += 1
        kills += 1
    state = airflow.wait("everything", run_id, timeout=600)
    tasks = {(one.task_id, one.map_index): one.state for one in airflow.task_instances("everything", run_id)}
    print(f"{name}: {state} after {killed.total()} kills in all: {dict(killed)}", flush=True)
    bad = {one: found for one, found in tasks.items() if found != ("failed" if one[0] == "fails" else "success")}
    if bad:
        raise SystemExit(f"{name}: {bad}")
    return triggerer, may_be_silent


def check(connect: LocalConnect, name: str, *, may_be_silent: bool) -> int:
    """
    Return how many contacts of a run are missing or there twice.

    :param may_be_silent: whether the notifier's contact may be missing: a notifier that is killed tells nothing later
    """
    wanted = {f"{name} {suffix}" for suffix in SUFFIXES}

    def found() -> collections.Counter[str]:
        names = (contact["name"].partition(" [")[0] for contact in connect.contacts())
        return collections.Counter(one for one in names if one in wanted)

    silent = {f"{name} notified"} if may_be_silent else set()
    deadline = time.monotonic() + 30  # a callback runs after its task has ended
    while len(found() | collections.Counter(silent)) < len(wanted) and time.monotonic() < deadline:
        time.sleep(0.5)
    there = found()
    wrong = [one for one in wanted if there[one] != 1 and not (one in silent and not there[one])]
    if wrong:
        print(f"{name}: {[(one, there[one]) for one in wrong[:5]]}")
    return len(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
