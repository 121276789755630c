"""One contact for each row of a bulk task, whatever happens to its worker and whoever ends it; in a running Airflow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.record.ledger import run_folder
from airflow_connect.record.results import read_results
from tests.bulk.sending import write_rows
from tests.until import until

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator
    from tools.local_airflow import LocalAirflow

ROWS = 3_000
IN_FLIGHT = 32  # of the DAG


@pytest.fixture
def rows(tmp_path: Path) -> str:
    """A file of three thousand rows."""
    write_rows(tmp_path / "rows.csv", ROWS)
    return str(tmp_path / "rows.csv")


def results(airflow: LocalAirflow, run_id: str) -> list[dict[str, Any]]:
    """Return what is on record of a run."""
    root = airflow.home / "amazon_connect"
    return list(read_results(run_folder(root, dag_id="bulk", run_id=run_id, task_id="bulk", map_index=-1)))


def tokens(emulator: Emulator) -> Counter[str | None]:
    """Return how often each client token was sent."""
    return Counter(call.client_token for call in emulator.calls("CreateContact"))


def assert_each_once(emulator: Emulator, airflow: LocalAirflow, run_id: str) -> None:
    """Each row has one contact, which the record names."""
    contacts = emulator.contacts()
    assert Counter(contact["name"] for contact in contacts) == {f"Row {row}": 1 for row in range(1, ROWS + 1)}
    record = results(airflow, run_id)
    assert [result["row"] for result in record] == list(range(1, ROWS + 1))
    assert {result["contact_id"] for result in record} == {contact["id"] for contact in contacts}


def test_killed_at_half(local_airflow: LocalAirflow, emulator: Emulator, rows: str) -> None:
    """A worker dies of SIGKILL at half of the rows: the retry sends what is missing, and again what was in flight."""
    emulator.set_faults("slow(50)=1")
    run_id = local_airflow.trigger("bulk", conf={"path": rows})
    until(lambda: len(emulator.calls("CreateContact")) >= ROWS / 2)
    local_airflow.kill("bulk", run_id, "bulk")
    local_airflow.wait_for_state("bulk", run_id, "bulk", states=("up_for_retry", "failed"))
    on_record = sum(result["state"] == "created" for result in results(local_airflow, run_id))
    arrived = len(tokens(emulator))
    assert ROWS / 2 <= arrived < ROWS
    assert 0 < arrived - on_record <= IN_FLIGHT

    if local_airflow.task_instance("bulk", run_id, "bulk").state == "failed":
        # Airflow 3.0 fails a task whose process was killed at once, whatever its retries; a person clears it.
        local_airflow.clear("bulk", run_id, "bulk")
    assert local_airflow.wait("bulk", run_id, timeout=120) == "success"
    assert_each_once(emulator, local_airflow, run_id)
    again = sum(count - 1 for count in tokens(emulator).values())
    assert 0 < again <= IN_FLIGHT
    summary = local_airflow.xcom("bulk", run_id, "bulk")
    # What an attempt of the same task instance created counts as created.
    assert (summary["rows"], summary["created"], summary["already_created"], summary["failed"]) == (ROWS, ROWS, 0, 0)


def test_marked_as_failed(local_airflow: LocalAirflow, emulator: Emulator, rows: str) -> None:
    """Somebody marks the running task as failed: it stops, all it sent is on record, and a clear does the rest."""
    emulator.set_faults("slow(200)=1")
    run_id = local_airflow.trigger("bulk", conf={"path": rows})
    until(lambda: len(emulator.calls("CreateContact")) >= ROWS / 10)
    [worker, _] = local_airflow.worker_pids("bulk", run_id, "bulk")
    local_airflow.mark_failed("bulk", run_id, "bulk")
    until(lambda: not Path(f"/proc/{worker}").exists())
    assert local_airflow.wait("bulk", run_id) == "failed"

    arrived = len(emulator.calls("CreateContact"))
    assert ROWS / 10 <= arrived < ROWS
    states = Counter(result["state"] for result in results(local_airflow, run_id))
    assert states["created"] == len(emulator.contacts()) == arrived
    assert f"{arrived} of {ROWS} rows done" in local_airflow.logs("bulk", run_id, "bulk")

    emulator.set_faults("")
    local_airflow.clear("bulk", run_id, "bulk")
    local_airflow.wait_for_state("bulk", run_id, "bulk", states=("queued", "running", "success"))
    assert local_airflow.wait("bulk", run_id, timeout=120) == "success"
    assert_each_once(emulator, local_airflow, run_id)
    assert set(tokens(emulator).values()) == {1}
