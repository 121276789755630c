"""A sensor that is killed stops what is open, wherever it waits; in a running Airflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.until import until

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator
    from tools.local_airflow import LocalAirflow


def waiting(airflow: LocalAirflow, emulator: Emulator, dag_id: str, state: str) -> str:
    """Start a run, and return its ID when its sensor has looked at its contact some times."""
    run_id = airflow.trigger(dag_id)
    airflow.wait_for_state(dag_id, run_id, "wait", states=[state], timeout=120)
    [contact] = emulator.contacts()
    until(lambda: [call.contact_id for call in emulator.calls("DescribeContact")].count(contact["id"]) >= 3)
    return run_id


@pytest.mark.parametrize(
    ("dag_id", "state"), [("killed_in_the_triggerer", "deferred"), ("killed_in_the_worker", "running")]
)
@pytest.mark.parametrize("how", ["failed", "cleared"])
def test_killed_sensor_stops_its_contact(
    local_airflow: LocalAirflow, emulator: Emulator, dag_id: str, state: str, how: str
) -> None:
    """A task that is marked failed, or cleared while it waits, stops its contact by StopContact, once."""
    if how == "cleared" and local_airflow.release < ((3, 3) if state == "deferred" else (3, 1)):
        pytest.skip("a clear stops nothing there; see docs/waiting.md")
    run_id = waiting(local_airflow, emulator, dag_id, state)
    if how == "failed":
        local_airflow.mark_failed(dag_id, run_id, "wait")
    else:
        local_airflow.clear(dag_id, run_id, "wait")
    until(lambda: emulator.contacts()[0]["state"] == "ENDED")
    assert emulator.contacts()[0]["disconnect_reason"] == "API"
    local_airflow.wait(dag_id, run_id, timeout=120)
    assert len(emulator.calls("StopContact")) == 1


def test_execution_timeout_stops_the_contact(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """A task that Airflow times out stops its contact."""
    run_id = local_airflow.trigger("late_in_the_worker")
    assert local_airflow.wait("late_in_the_worker", run_id, timeout=120) == "failed"
    assert emulator.contacts()[0]["disconnect_reason"] == "API"


def test_killed_triggerer_loses_and_doubles_no_outcome() -> None:
    """A triggerer that is killed twice in a wait: each outcome is reported once, none early, none wrong."""
    program = Path(__file__).parents[3] / "benchmarks" / "wait_through_kills.py"
    command = [sys.executable, "-W", "ignore", str(program), "--contacts", "60", "--seconds", "10", "--lag", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.count("triggerer killed") == 2
