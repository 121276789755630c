"""Operators that wait for what they made, in real DAG runs (``dag.test()``)."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.emulator.resources import TASKS_FLOW
from tests.airflow.runs import new_dag, xcom

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.testing import LocalConnect

WAYS = [pytest.param({}, id="worker"), pytest.param({"deferrable": True}, id="triggerer")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["create", "start"])
def test_outcome_is_an_xcom(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, kind: str, way: dict[str, Any]
) -> None:
    """The operator returns the contact's ID as ever, when it has ended; its outcome is another XCom."""
    from airflow_connect.operators.connect import CreateContactOperator, StartTaskContactOperator

    waits = {"wait_for_completion": True, "waiter_delay": 0.2, "outcome_attributes": ["decision"], **way}
    with new_dag("waits") as dag:
        if kind == "create":
            CreateContactOperator(task_id="ask", channel="TASK", name="Check", **waits)
        else:
            StartTaskContactOperator(task_id="ask", name="Check", contact_flow_id=TASKS_FLOW.id, **waits)
    with amazon_connect.agent({"decision": "approve", "note": "secret"}):
        run = run_dag(dag)
    [contact] = amazon_connect.contacts()
    assert (run.state, xcom(run, "ask")) == ("success", contact["id"])
    outcome = xcom(run, "ask", "outcome")
    assert (outcome["contact_id"], outcome["state"]) == (contact["id"], "completed")
    assert outcome["attributes"] == {"decision": "approve"}


@pytest.mark.parametrize("way", WAYS)
def test_service_that_does_not_answer_costs_a_look(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, way: dict[str, Any]
) -> None:
    """A look that brings nothing is followed by another one."""
    from airflow_connect.operators.connect import CreateContactOperator

    waits = {"wait_for_completion": True, "waiter_delay": 0.2, "max_retry_time": 0, **way}
    with new_dag("outage") as dag:
        CreateContactOperator(task_id="ask", channel="TASK", name="Check", **waits)
    amazon_connect.faults("DescribeContact@1:error_500")
    with amazon_connect.agent({}):
        assert run_dag(dag).state == "success"


@pytest.mark.parametrize("way", WAYS)
def test_too_long_a_wait_fails_for_good(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, way: dict[str, Any]
) -> None:
    """After the last look the task fails without a retry, and the contact is left as it is."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("late") as dag:
        CreateContactOperator(
            task_id="ask",
            channel="TASK",
            name="Check",
            retries=2,
            wait_for_completion=True,
            waiter_delay=0.2,
            waiter_max_attempts=2,
            **way,
        )
    run = run_dag(dag)
    [contact] = amazon_connect.contacts()
    assert (run.state, contact["state"]) == ("failed", "CREATED")
    assert [ti.try_number for ti in run.get_task_instances()] == [1]


@pytest.mark.parametrize("way", WAYS)
def test_attempts_share_their_polls(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, way: dict[str, Any]
) -> None:
    """A retry does not wait for as long again, where Airflow has a store that outlives an attempt."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("shared") as dag:
        CreateContactOperator(
            task_id="ask",
            channel="TASK",
            name="Check",
            retries=1,
            retry_delay=timedelta(seconds=1),
            wait_for_completion=True,
            waiter_delay=0.1,
            waiter_max_attempts=9,
            **way,
        )
    amazon_connect.faults("DescribeContact@1:expired_token, DescribeContact@2:expired_token")
    run = run_dag(dag)
    [contact] = amazon_connect.contacts()
    assert (run.state, contact["state"]) == ("failed", "CREATED")
    [ti] = run.get_task_instances()
    polls = len(amazon_connect.calls("DescribeContact")) - 2
    assert ti.try_number == 2
    assert (polls == 1) is (version("apache-airflow") >= "3.3")
