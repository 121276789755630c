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
def _runs_are_those_of_airflow_3_3() -> None:
    """
    Let ``dag.test()`` of Airflow 3.0 to 3.2 do two things as Airflow 3.3 does.

    It builds the task execution API for each task, which takes seconds; and it calls ``on_failure_callback`` without
    the exception that a worker hands over.
    """
    if importlib.util.find_spec("airflow.sdk"):
        from airflow.sdk.execution_time import supervisor, task_runner

        supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)
        finalize = task_runner.finalize

        def with_exception(ti: Any, state: Any, context: Any, log: Any, error: BaseException | None = None) -> None:
            context["exception"] = error
            finalize(ti, state, context, log, error)

        task_runner.finalize = with_exception


@pytest.fixture
def run_dag(airflow_db: None, _runs_are_those_of_airflow_3_3: None, aws_connection: str) -> Callable[..., Any]:
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
