"""What tests of the provider in a real Airflow have: its database, and ``dag.test()``."""

from __future__ import annotations

import functools
import importlib.util
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow.runs import register

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Airflow's database of this session, with its tables."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def _execution_api_is_built_once() -> None:
    """Airflow 3.0 to 3.2 builds its task execution API for each task of ``dag.test()``, in seconds; 3.3 once."""
    if importlib.util.find_spec("airflow.sdk"):
        from airflow.sdk.execution_time import supervisor

        supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)


@pytest.fixture
def run_dag(airflow_db: None, _execution_api_is_built_once: None, aws_connection: str) -> Callable[..., Any]:
    """
    A function that runs a DAG in this process, without a scheduler, and returns the DAG run.

    The emulator is behind ``aws_default``. A run that fails is returned as well: its state says so.
    """

    def run(dag: Any, *, conf: Mapping[str, Any] | None = None) -> Any:
        register(dag)
        return dag.test(run_conf=dict(conf or {}))

    return run


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """A function that returns all that was logged, at any level: Airflow 2 through logging, Airflow 3 to stdout too."""
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text + "".join(capfd.readouterr())
