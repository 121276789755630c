"""
What every test has: an Airflow home and an AWS of its own, and the local Amazon Connect.

Imports no Airflow, so that the tests of the parts without Airflow run in milliseconds.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_connect.emulator.server import Emulator


def pytest_configure(config: pytest.Config) -> None:
    """Take the person's own Airflow and AWS out of the tests' reach, before anything reads them."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "AWS_"))]:
        if not name.startswith("AIRFLOW_CONNECT_"):  # the options of these tests
            del os.environ[name]
    home = tempfile.mkdtemp(prefix="airflow-home-")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    os.environ |= {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # dag.test() waits for a retry: a task that fails is to be seen soon.
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": f"{home}/dags",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        # A call that misses its endpoint ends here and now, and not at Amazon with somebody's credentials.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session")
def _running_emulator() -> Iterator[Emulator]:
    from airflow_connect.emulator.server import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(_running_emulator: Emulator) -> Iterator[Emulator]:
    """A local Amazon Connect without contacts, quotas or faults; one process for the session, new for each test."""
    _running_emulator.reset()
    yield _running_emulator
    _running_emulator.reset()


def aws_connection_json(emulator: Emulator) -> str:
    """Return an AWS connection of Airflow that leads to an emulator, as JSON."""
    return json.dumps(
        {
            "conn_type": "aws",
            "login": "test",
            "password": "test",
            "extra": {
                "region_name": emulator.region,
                "endpoint_url": emulator.url,
                "service_config": {"connect": {"instance_id": emulator.instance_id}},
            },
        }
    )


@pytest.fixture
def aws_connection(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection ``aws_default``, which leads to the emulator; the value is its connection ID."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws_connection_json(emulator))
    return "aws_default"
