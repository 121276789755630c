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
    from airflow_connect.emulator.server import Emulator
    from airflow_connect.testing import LocalConnect

pytest_plugins = ("airflow_connect.testing",)


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
def _running_emulator(_amazon_connect_emulator: Emulator) -> Emulator:
    return _amazon_connect_emulator


@pytest.fixture
def emulator(amazon_connect: LocalConnect) -> Emulator:
    """A local Amazon Connect without contacts, quotas or faults; one process for the session, new for each test."""
    return amazon_connect.emulator


def aws_connection_json(emulator: Emulator) -> str:
    """Return an AWS connection of Airflow that leads to an emulator, as JSON."""
    from airflow_connect.testing import LocalConnect

    return json.dumps(LocalConnect(emulator).connection)


@pytest.fixture
def aws_connection(amazon_connect: LocalConnect) -> str:
    """The connection ``aws_default``, which leads to the emulator; the value is its connection ID."""
    return amazon_connect.conn_id
