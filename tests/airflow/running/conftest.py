"""An Airflow with all its components, started once for the tests of this folder."""

from __future__ import annotations

import functools
import json
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from tests.airflow.examples import EXAMPLES
from tests.conftest import aws_connection_json
from tools.local_airflow import LocalAirflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_connect.emulator.server import Emulator


#: Somebody who may see everything but the Dags of another team. Airflow 3.1 has no teams of its own.
_AUTH_MANAGER = """
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class TeamAuthManager(SimpleAuthManager):
    def is_authorized_dag(self, *, method, user, access_entity=None, details=None):
        if details is not None and details.id == "of_another_team":
            return False
        return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
"""


@pytest.fixture(scope="package")
def aws_client(local_aws: str) -> Callable[[str], Any]:
    """A function that returns a client of the local S3 or SQS."""
    return functools.partial(
        boto3.client,
        endpoint_url=local_aws,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


@pytest.fixture(scope="package")
def queue_url(aws_client: Callable[[str], Any]) -> str:
    """An empty queue of the local SQS, which the running Airflow watches."""
    url: str = aws_client("sqs").create_queue(QueueName=f"events-{uuid.uuid4().hex}")["QueueUrl"]
    return url


@pytest.fixture(scope="package")
def _running_airflow(
    _running_emulator: Emulator, local_aws: str, queue_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalAirflow]:
    from airflow_connect._compat import UI_HAS_TABS  # Airflow is imported when its settings are made

    folder = tmp_path_factory.mktemp("running")
    for source in (EXAMPLES, Path(__file__).parent / "dags"):
        ignored = shutil.ignore_patterns("failing", "__pycache__")
        shutil.copytree(source, folder / "dags", ignore=ignored, dirs_exist_ok=True)
    connection = json.loads(aws_connection_json(_running_emulator))
    connection["extra"]["service_config"] |= {name: {"endpoint_url": local_aws} for name in ("s3", "sqs")}
    config = {"scheduler.task_instance_heartbeat_timeout": "30"}
    if UI_HAS_TABS:
        (folder / "home" / "config").mkdir(parents=True)
        (folder / "home" / "config" / "teams.py").write_text(_AUTH_MANAGER)
        config |= {"core.auth_manager": "teams.TeamAuthManager", "amazon_connect.show_keys": "True"}
    airflow = LocalAirflow(
        folder / "home",
        folder / "dags",
        path="/airflow" if UI_HAS_TABS else "",
        env={"AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection), "CONTACT_EVENTS_QUEUE_URL": queue_url},
        config=config,
        triggerer=True,
        preload=["airflow_connect.operators.connect", "airflow_connect.hooks.connect"],
    )
    with airflow:
        yield airflow


@pytest.fixture
def local_airflow(_running_airflow: LocalAirflow, emulator: Emulator) -> LocalAirflow:
    """The running Airflow, with an empty emulator for each test."""
    return _running_airflow
