"""A contact that ends starts a DAG: emulator, SQS, triggerer, scheduler, all of them running."""

from __future__ import annotations

import json
import shutil
import uuid
from typing import TYPE_CHECKING

import boto3
import pytest

from airflow_connect.emulator.server import Emulator
from tests.airflow.examples import EXAMPLES
from tests.until import until
from tools.local_airflow import LocalAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAG_ID = "example_contact_events"


@pytest.fixture(scope="module")
def queue_url(local_aws: str) -> str:
    """An empty queue of the local SQS."""
    client = boto3.client(
        "sqs",
        endpoint_url=local_aws,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    url: str = client.create_queue(QueueName=f"events-{uuid.uuid4().hex}")["QueueUrl"]
    return url


@pytest.fixture(scope="module")
def watching_airflow(
    local_aws: str, queue_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    """A running Airflow whose example watches the queue."""
    folder: Path = tmp_path_factory.mktemp("watching")
    (folder / "dags").mkdir()
    shutil.copy(EXAMPLES / f"{DAG_ID}.py", folder / "dags")
    connection = {
        "conn_type": "aws",
        "login": "local",
        "password": "local",
        "extra": {"region_name": "us-east-1", "endpoint_url": local_aws},
    }
    env = {"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection), "CONTACT_EVENTS_QUEUE_URL": queue_url}
    airflow = LocalAirflow(folder / "home", folder / "dags", env=env, triggerer=True)
    if airflow.is_airflow_2:
        pytest.skip("Airflow 2 starts no DAG by an event; CI runs this on Airflow 3")
    with airflow:
        yield airflow


def test_ended_contact_starts_the_dag(watching_airflow: LocalAirflow, queue_url: str) -> None:
    """Contacts that end start runs of the example, which follow up each of them once."""
    run_id = watching_airflow.trigger(DAG_ID)
    assert watching_airflow.wait(DAG_ID, run_id) == "success"

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
        runs = watching_airflow.api("GET", f"/dags/{DAG_ID}/dagRuns?limit=100")["dag_runs"]
        logs = [
            watching_airflow.logs(DAG_ID, run["dag_run_id"], "follow_up", one.map_index)
            for run in runs
            if run["run_type"] == "asset_triggered" and run["state"] == "success"
            for one in watching_airflow.task_instances(DAG_ID, run["dag_run_id"])
            if one.task_id == "follow_up" and one.map_index >= 0
        ]
        followed[:] = [contact_id for log in logs for contact_id in made if f"Contact {contact_id} has ended" in log]
        return len(followed) >= len(made)

    until(all_followed, timeout=120, pause=0.5)
    assert sorted(followed) == sorted(made)
