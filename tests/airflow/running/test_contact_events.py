"""A contact that ends starts a DAG: emulator, SQS, triggerer, scheduler, all of them running."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
import pytest

from airflow_connect.emulator.server import Emulator
from tests.until import until

if TYPE_CHECKING:
    from tools.local_airflow import LocalAirflow

DAG_ID = "example_contact_events"


def test_ended_contact_starts_the_dag(local_airflow: LocalAirflow, queue_url: str) -> None:
    """Contacts that end start runs of the example, which follow up each of them once."""
    if local_airflow.is_airflow_2:
        pytest.skip("Airflow 2 starts no Dag by an event; CI runs this on Airflow 3")
    run_id = local_airflow.trigger(DAG_ID)
    assert local_airflow.wait(DAG_ID, run_id) == "success"
    # Airflow watches for a Dag that is not paused, and notices that it is no more when it next reads its file.
    (local_airflow.dags / f"{DAG_ID}.py").touch()

    with Emulator(event_queue_url=queue_url) as emulator:
        client = boto3.client(
            "connect",
            endpoint_url=emulator.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        made = [
            client.create_contact(
                InstanceId=emulator.instance_id, Channel="TASK", InitiationMethod="API", Name=f"Check {number}"
            )["ContactId"]
            for number in range(3)
        ]
        for contact_id in made:
            emulator.complete(contact_id)

    followed: list[str] = []

    def all_followed() -> bool:
        runs = local_airflow.api("GET", f"/dags/{DAG_ID}/dagRuns?limit=100")["dag_runs"]
        logs = [
            local_airflow.logs(DAG_ID, run["dag_run_id"], "follow_up", one.map_index)
            for run in runs
            if run["run_type"] == "asset_triggered" and run["state"] == "success"
            for one in local_airflow.task_instances(DAG_ID, run["dag_run_id"])
            if one.task_id == "follow_up" and one.map_index >= 0
        ]
        followed[:] = [contact_id for log in logs for contact_id in made if f"Contact {contact_id} has ended" in log]
        return len(followed) >= len(made)

    until(all_followed, timeout=120, pause=0.5)
    assert sorted(followed) == sorted(made)
