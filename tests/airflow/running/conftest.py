"""An Airflow with all its components, started once for the tests of this folder."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from tests.airflow.examples import EXAMPLES
from tests.conftest import aws_connection_json
from tools.local_airflow import LocalAirflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_connect.emulator.server import Emulator


@pytest.fixture(scope="package")
def queue_url(local_aws: str) -> str:
    """An empty queue of the local SQS, which the running Airflow watches."""
    client = boto3.client(
        "sqs",
        endpoint_url=local_aws,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    url: str = client.create_queue(QueueName=f"events-{uuid.uuid4().hex}")["QueueUrl"]
    return url


@pytest.fixture(scope="package")
def _running_airflow(
    _running_emulator: Emulator, local_aws: str, queue_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    folder = tmp_path_factory.mktemp("running")
    for source in (EXAMPLES, Path(__file__).parent / "dags"):
        ignored = shutil.ignore_patterns("failing", "__pycache__")
        shutil.copytree(source, folder / "dags", ignore=ignored, dirs_exist_ok=True)
    connection = json.loads(aws_connection_json(_running_emulator))
    connection["extra"]["service_config"]["sqs"] = {"endpoint_url": local_aws}
    airflow = LocalAirflow(
        folder / "home",
        folder / "dags",
        env={"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection), "CONTACT_EVENTS_QUEUE_URL": queue_url},
        config={"scheduler.task_instance_heartbeat_timeout": "30"},
        triggerer=True,
        preload=["airflow_connect.operators.connect", "airflow_connect.hooks.connect"],
    )
    with airflow:
        yield airflow


@pytest.fixture
def local_airflow(_running_airflow: LocalAirflow, emulator: Emulator) -> LocalAirflow:
    """The running Airflow, with an empty emulator for each test."""
    return _running_airflow
