"""What tests of the provider in a real Airflow have: its database, ``dag.test()``, and a running scheduler."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow.examples import EXAMPLES
from tests.airflow.runs import register
from tests.conftest import aws_connection_json
from tools.local_airflow import LocalAirflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_connect.emulator.server import Emulator


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Airflow's database of this session, with its tables."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def run_dag(airflow_db: None, aws_connection: str) -> Callable[..., Any]:
    """
    A function that runs a DAG in this process, without a scheduler, and returns the DAG run.

    The emulator is behind ``aws_default``. A run that fails is returned as well: its state says so.
    """

    def run(dag: Any, *, conf: Mapping[str, Any] | None = None) -> Any:
        register(dag)
        return dag.test(run_conf=dict(conf or {}))

    return run


@pytest.fixture(scope="package")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the running Airflow: the examples, and the Dags of the tests."""
    folder = tmp_path_factory.mktemp("running") / "dags"
    for source in (EXAMPLES, Path(__file__).parent / "dags"):
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("failing", "__pycache__"), dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="package")
def _running_airflow(_running_emulator: Emulator, dags_folder: Path) -> Iterator[LocalAirflow]:
    airflow = LocalAirflow(
        dags_folder.parent / "home",
        dags_folder,
        env={"AIRFLOW_CONN_AWS_DEFAULT": aws_connection_json(_running_emulator)},
        config={"scheduler.task_instance_heartbeat_timeout": "30"},
        triggerer=True,
        preload=["airflow_connect.operators.connect", "airflow_connect.hooks.connect"],
    )
    with airflow:
        yield airflow


@pytest.fixture
def local_airflow(_running_airflow: LocalAirflow, emulator: Emulator) -> LocalAirflow:
    """An Airflow with a running scheduler, started once for this folder, with an empty emulator for each test."""
    return _running_airflow


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """A function that returns all that was logged, at any level: Airflow 2 through logging, Airflow 3 to stdout too."""
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text + "".join(capfd.readouterr())
