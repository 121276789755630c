"""What the pages say about Airflow and the fixture, done as they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.permissions import PERMISSIONS
from tests.airflow.examples import EXAMPLES, read
from tests.airflow.runs import register

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.emulator.server import Emulator
    from airflow_connect.testing import LocalConnect

pytest_plugins = ("airflow_connect.testing",)


@pytest.fixture
def dag(airflow_db: None) -> Any:
    """The DAG of the page's example."""
    found = read(EXAMPLES / "example_call_back.py")["example_call_back"]
    register(found)
    return found


# [START howto_fixture]
def test_lost_answer_creates_one_contact(amazon_connect: LocalConnect, dag: Any) -> None:
    """A lost answer does not create a second contact."""
    amazon_connect.faults("CreateContact@1:cut_after")  # the contact is created, and the answer is lost

    assert dag.test().state == "success"

    [contact] = amazon_connect.contacts()
    assert contact["name"] == "Call back about order 1042"
    assert len(amazon_connect.calls("CreateContact")) == 2


# [END howto_fixture]


@pytest.mark.parametrize(
    ("dag_id", "operators"),
    [
        ("example_taskflow", ["CreateContactOperator"]),
        ("example_routed_task", ["StartTaskContactOperator"]),
        (
            "example_follow_up",
            [
                "CreateContactOperator",
                "StopContactOperator",
                "TransferContactOperator",
                "UpdateContactAttributesOperator",
            ],
        ),
    ],
)
def test_policies_are_what_the_operators_call(
    run_dag: Callable[..., Any], emulator: Emulator, dag_id: str, operators: list[str]
) -> None:
    """The documented permissions of an operator are the operations that it calls, no more and no fewer."""
    run_dag(read(EXAMPLES / f"{dag_id}.py")[dag_id])

    allowed = {one.action for operator in operators for one in PERMISSIONS[operator] if not one.by_argument}
    assert {call.operation for call in emulator.calls()} == allowed
