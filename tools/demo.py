"""
What ``make demo``, ``up``, ``run`` and ``down`` do: run the examples in a real Airflow, against a local Amazon Connect.

``demo`` is a test as well: it runs the first example as a user would, and fails if a row did not become exactly one
contact. It uses the same Airflow as the tests do, :mod:`tools.local_airflow`. All its files are in ``.demo`` of the
checkout. ``down`` does not need an installed package.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tools.local_airflow import LocalAirflow, LocalAirflowError, TaskInstance, free_port
from tools.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHECKOUT = Path(__file__).parents[1]
STATE = CHECKOUT / ".demo"
DAG_ID = "example_fan_out"
#: The task that `make up` shows under way: its Dag, which the examples do not have, and its task ID.
BULK = ("demo_rebook_passengers", "rebook")
APPROVAL = "example_approval"
DEMO_DAGS = CHECKOUT / "tools" / "demo_dags"
ROWS = CHECKOUT / "dags" / "data" / "rebookings.csv"
CONNECT_PORT = 4599
AIRFLOW_PORT = 8080


class DemoError(Exception):
    """The demo found a fault, or could not start."""


class LocalConnect:
    """
    A local Amazon Connect in a process of its own.

    :param directory: Where its log and its contacts lie.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port(CONNECT_PORT)
        self.url = f"http://127.0.0.1:{self.port}"
        self.connection = ""
        self._programs = Programs(directory)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._programs.stop()

    def start(self, *, detached: bool = False, timeout: float = 30) -> None:
        """Start it, and wait until it says how it is reached."""
        command = [sys.executable, "-u", "-m", "airflow_connect.emulator", "--port", str(self.port)]
        data = ["--data", str(self.directory / "contacts.db")]
        self._programs.start({"connect": [*command, *data]}, env=os.environ, detached=detached)
        deadline = time.monotonic() + timeout
        while True:
            said = self._programs.log_tail("connect")
            if found := re.search(r"^export AIRFLOW_CONN_AWS_DEFAULT='(.+)'$", said, re.MULTILINE):
                self.connection = found[1]
                return
            if self._programs.failure() or time.monotonic() > deadline:
                self._programs.stop()
                raise DemoError(f"The local Amazon Connect did not start:\n{said}")
            time.sleep(0.1)

    def client(self) -> Any:
        """Return a boto3 client of Amazon Connect that talks to it."""
        import boto3

        connection = json.loads(self.connection)
        return boto3.client(
            "connect",
            endpoint_url=connection["extra"]["endpoint_url"],
            region_name=connection["extra"]["region_name"],
            aws_access_key_id=connection["login"],
            aws_secret_access_key=connection["password"],
        )

    @property
    def instance_id(self) -> str:
        """The ID of its instance."""
        return str(json.loads(self.connection)["extra"]["service_config"]["connect"]["instance_id"])


def demo() -> None:
    """Run the first example with a running scheduler, show what it created, and check that."""
    _forget_earlier_runs()
    STATE.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=STATE))
    try:
        with contextlib.ExitStack() as running:
            _say("Starting a local Amazon Connect and Airflow …")
            connect = running.enter_context(LocalConnect(directory / "connect"))
            airflow = running.enter_context(_airflow(directory / "airflow", connect))
            _addresses(airflow, connect)
            _check(_show(airflow, connect, _run(airflow)), connect)
    except BaseException:
        _say(f"The logs are in {directory.relative_to(CHECKOUT)}.")
        raise
    shutil.rmtree(directory)
    _say("Everything is stopped. `make up` starts Airflow's UI and the desk, and leaves them running.")


def up(*, empty: bool = False) -> None:
    """
    Start Airflow, its UI, and the local Amazon Connect, and leave them running; say where they are.

    :param empty: without the runs that give the desk and the Contacts tab something to show
    """
    addresses = STATE / "up" / "addresses"
    sets = _left_running()
    if all(programs.running_pid() for programs in sets):
        _say(addresses.read_text() + "\nThey run already. `make down` ends them.")
        return
    down(quietly=True)
    _say("Starting a local Amazon Connect and Airflow …")
    connect = LocalConnect(STATE / "up" / "connect")
    try:
        connect.start(detached=True)
        airflow = _airflow(STATE / "up" / "airflow", connect, triggerer=True)
        airflow.start(detached=True)
        bulk = None if empty else start_runs(airflow)
    except BaseException:
        down(quietly=True)
        raise
    addresses.write_text(_addresses(airflow, connect, bulk))
    _say("They stay until `make down`.")


def start_runs(airflow: LocalAirflow) -> str:
    """Trigger a bulk task that takes minutes and an approval that waits; return the address of the Contacts tab."""
    _say("Triggering a bulk run and an approval …")
    airflow.trigger(APPROVAL)
    dag_id, task_id = BULK
    return f"{airflow.url}/dags/{dag_id}/runs/{airflow.trigger(dag_id)}/tasks/{task_id}/plugin/contacts"


def run(dag_id: str, conf: Mapping[str, Any]) -> None:
    """
    Start what :func:`up` starts, unless it runs, and a run of an example; say where to watch it.

    :param dag_id: the example
    :param conf: the run's configuration, that is, its params
    """
    if not (CHECKOUT / "dags" / f"{dag_id}.py").is_file():
        examples = ", ".join(sorted(path.stem for path in (CHECKOUT / "dags").glob("*.py")))
        raise DemoError(f"{dag_id} is not an example. The examples are {examples}.")
    up(empty=True)
    airflow = LocalAirflow(STATE / "up" / "airflow", CHECKOUT / "dags")
    # The first address is Airflow's; the constructor chose another port, since that one is taken.
    [airflow.url, *_] = re.findall(r"http://127\.0\.0\.1:\d+", (STATE / "up" / "addresses").read_text())
    try:
        run_id = airflow.trigger(dag_id, conf=conf)
    except LocalAirflowError as error:
        if "input for param" not in str(error):
            raise
        params = airflow.api("GET", f"/dags/{dag_id}/details")["params"]
        needed = {
            name: "…"
            for name, param in params.items()
            if param["value"] is None and "null" not in param["schema"].get("type", "")
        }
        example = f"make run DAG={dag_id} CONF='{json.dumps(needed or dict(conf), ensure_ascii=False)}'"
        raise DemoError(f"{error}\nGive the params of {dag_id} in CONF, as in: {example}") from None
    _say(f"Started {run_id}: {airflow.url}/dags/{dag_id}")


def down(*, quietly: bool = False) -> None:
    """End what :func:`up` started; fine when nothing runs."""
    ran = [programs for programs in _left_running() if programs.running_pid()]
    for programs in ran:
        programs.stop()
    if not quietly:
        _say("Stopped." if ran else "Nothing is running.")


class Progress:
    """Says how far a run is: on a terminal in a line that changes, else in a new line for each that is done."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._said: tuple[bool, int, int] | None = None
        self._on_terminal = sys.stdout.isatty()

    def __call__(self, found: list[TaskInstance]) -> None:
        counts = Counter(one.state for one in found if one.map_index >= 0)
        if not counts:
            line = "waiting for the rows"
        else:
            busy = sum(counts[state] for state in ("running", "queued", "up_for_retry"))
            line = f"{counts['success']} of {counts.total()} contacts created, {busy} on their way"
            if counts["failed"]:
                line += f", {counts['failed']} failed"
        if self._on_terminal:
            print(f"\r\033[K  {line} ({time.monotonic() - self._started:.0f} s)", end="", flush=True)
        elif (done := (len(counts) > 0, counts["success"], counts["failed"])) != self._said:
            _say(f"  {line}")
            self._said = done

    def end(self) -> None:
        """Leave the line as it is."""
        if self._on_terminal:
            print()


def _airflow(home: Path, connect: LocalConnect, *, triggerer: bool = False) -> LocalAirflow:
    airflow = LocalAirflow(
        home,
        CHECKOUT / "dags",
        port=AIRFLOW_PORT,
        triggerer=triggerer,
        preload=["airflow_connect.operators.connect", "airflow_connect.hooks.connect"],
        env={
            "AIRFLOW_CONN_AWS_DEFAULT": connect.connection,
            "AIRFLOW_CONN_SQLITE_DEFAULT": json.dumps({"conn_type": "sqlite", "host": str(home / "invoices.db")}),
        },
        config={
            # A user who presses Trigger wants a run that does not wait. What has a schedule is paused all the same.
            "core.dags_are_paused_at_creation": "False",
            "dag_processor.dag_bundle_config_list": json.dumps(
                [
                    {"name": name, "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": kwargs}
                    for name, kwargs in (("dags-folder", {}), ("demo", {"path": str(DEMO_DAGS)}))
                ]
            ),
        },
    )
    for name, wanted, got in (
        ("Amazon Connect", CONNECT_PORT, connect.port),
        ("Airflow", AIRFLOW_PORT, airflow.port),
    ):
        if wanted != got:
            _say(f"Port {wanted} is taken; {name} listens on {got} instead.")
    return airflow


def _addresses(airflow: LocalAirflow, connect: LocalConnect, contacts: str | None = None) -> str:
    lines = [
        f"Airflow {airflow.version}:        {airflow.url}/dags/{DAG_ID}",
        *([f"Contacts under way:   {contacts}"] if contacts else []),
        f"Local Amazon Connect: {connect.url}",
        f"Agent desk:           {connect.url}/desk",
    ]
    _say("\n".join(lines))
    return "\n".join(lines)


def _run(airflow: LocalAirflow) -> str:
    """Run the example, saying how far it is, and return the run's ID."""
    _say(f"Running {DAG_ID}: one contact for each row of {ROWS.relative_to(CHECKOUT)} …")
    run_id = airflow.trigger(DAG_ID)
    progress = Progress()
    state = airflow.wait(DAG_ID, run_id, timeout=180, progress=progress)
    progress.end()
    if state != "success":
        raise DemoError(f"The run {state}.\n{_failures(airflow, run_id)}")
    return run_id


def _show(airflow: LocalAirflow, connect: LocalConnect, run_id: str) -> list[str]:
    """Print the contacts of a run as a table, and return their IDs."""
    client = connect.client()
    table = [("Row", "Contact", "Link")]
    contact_ids = []
    for one in airflow.task_instances(DAG_ID, run_id):
        if one.map_index < 0:
            continue
        where = (DAG_ID, run_id, one.task_id, one.map_index)
        contact_id = airflow.xcom(*where)
        contact = client.describe_contact(InstanceId=connect.instance_id, ContactId=contact_id)["Contact"]
        links = airflow.extra_links(*where)
        link = next((link for link in links.values() if link and contact_id in link), None)
        if link is None:
            raise DemoError(f"{one.task_id}[{one.map_index}] has no link to its contact, only {links}.")
        contact_ids.append(contact_id)
        table.append((str(one.map_index + 1), contact["Name"], link))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    _say("")
    for number, row in enumerate(table):
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            _say("  ".join("─" * width for width in widths))
    _say("")
    return contact_ids


def _check(contact_ids: list[str], connect: LocalConnect) -> None:
    with ROWS.open(newline="") as file:
        rows = len(list(csv.DictReader(file)))
    now = time.time()
    created = connect.client().search_contacts(
        InstanceId=connect.instance_id,
        TimeRange={"Type": "INITIATION_TIMESTAMP", "StartTime": now - 3600, "EndTime": now + 60},
    )["TotalCount"]
    if not rows == len(contact_ids) == len(set(contact_ids)) == created:
        raise DemoError(
            f"{rows} rows should be {rows} contacts: the run names {len(contact_ids)}, of which"
            f" {len(set(contact_ids))} differ, and Amazon Connect has {created}."
        )
    _say(f"Checked: {rows} rows, {created} contacts, one for each.")


def _failures(airflow: LocalAirflow, run_id: str) -> str:
    failed = [one for one in airflow.task_instances(DAG_ID, run_id) if one.state == "failed"]
    logs = [airflow.logs(DAG_ID, run_id, one.task_id, one.map_index) for one in failed[:3]]
    return "\n".join(log[-3000:] for log in logs)


def _left_running() -> list[Programs]:
    return [Programs(STATE / "up" / "airflow" / "programs"), Programs(STATE / "up" / "connect")]


def _forget_earlier_runs() -> None:
    for directory in STATE.glob("run-*"):
        if not Programs(directory / "connect").running_pid():
            shutil.rmtree(directory, ignore_errors=True)


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Run the command that is asked for and return the exit code."""
    commands: dict[str, Callable[[], None]] = {"demo": demo, "up": up, "down": down}
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    parser.add_argument("command", choices=[*commands, "run"])
    parser.add_argument("--dag", help="of run: the example, such as example_approval", default="")
    parser.add_argument("--conf", type=json.loads, help="of run: the params of the Dag, as JSON", default={})
    options = parser.parse_args()
    command = options.command
    commands["run"] = lambda: run(options.dag, options.conf)
    # Ended by a signal, it ends what it started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        commands[command]()
    except KeyboardInterrupt:
        _say("\nInterrupted; everything that was started is stopped.")
        return 130
    except (DemoError, LocalAirflowError, OSError) as error:
        print(f"make {command} failed: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
