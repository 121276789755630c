"""What all operators and the sensor have in common."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect._task import Hidden, choice, confidential, truth
from airflow_connect.api.errors import ConnectError, RequestError, RetryableError
from airflow_connect.operators.base_connect import ConnectBaseOperator
from airflow_connect.operators.connect import ContactBranchOperator, CreateContactOperator, StopContactOperator
from airflow_connect.sensors.connect import ContactSensor
from tests.airflow.runs import new_dag, states

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_connect.testing import LocalConnect

MARKED = "customer-content-31415"


class Failing(ConnectBaseOperator):
    """Fails with an error that was raised where variables hold what a contact holds."""

    def __init__(self, *, error: type[ConnectError], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    @confidential
    def execute(self, context: Any) -> None:
        self.call({"Name": MARKED})

    @confidential
    def execute_complete(self, context: Any, event: Any = None) -> None:
        self.call({"Name": MARKED})

    def call(self, params: dict[str, str]) -> None:
        try:
            int(params["Name"])
        except ValueError:
            raise self.error("The call failed.")  # noqa: B904  # as an error that nobody meant to chain


@pytest.mark.parametrize("method", ["execute", "execute_complete"])
@pytest.mark.parametrize("error", [RequestError, RetryableError])
def test_errors_leave_a_task_without_their_frames(error: type[ConnectError], method: str) -> None:
    """No variable of a frame, nor of an error before it, says what a request holds."""
    failing: Any = getattr(Failing(task_id="fail", error=error), method)
    with pytest.raises(Exception, match="The call failed") as caught:
        failing({})
    reported = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in reported.stack if frame.filename != __file__]
    seen: Any = reported
    while seen is not None:
        assert all(frame.name not in ("call", method) or frame.filename != __file__ for frame in seen.stack)
        seen = seen.__cause__ or seen.__context__
    assert frames
    assert MARKED not in "".join(line for frame in frames for line in map(str, (frame.locals or {}).values()))


@pytest.mark.parametrize("task", [CreateContactOperator, StopContactOperator, ContactSensor])
def test_parameters_of_the_hook_come_from_default_args(task: Any) -> None:
    """What a Dag says of the instance for all its tasks holds for each of them, mapped or not."""
    given = {
        "instance_id": "one",
        "max_retry_time": 7.0,
        "region_name": "eu-west-2",
        "sensitive_fields": ("instance_id",),
    }
    with new_dag("defaults", default_args=given) as dag:
        field = "name" if task is CreateContactOperator else "contact_id"
        task(task_id="plain", **{field: "a"})
        task.partial(task_id="mapped").expand(**{field: ["a"]})
    for one in (dag.get_task("plain"), dag.get_task("mapped").unmap({field: "a"})):
        assert {name: getattr(one, name) for name in given} == given
        assert (one.hook.max_retry_time, one.hook.region_name) == (7.0, "eu-west-2")


def test_branch_is_a_branch_of_airflow() -> None:
    """Whoever asks Airflow for its branching tasks gets this one too."""
    from airflow.providers.common.compat.sdk import BaseBranchOperator

    assert issubclass(ContactBranchOperator, BaseBranchOperator)
    assert ContactBranchOperator.execute is BaseBranchOperator.execute


def test_a_hidden_instance_is_used(run_dag: Callable[..., Any], emulator: Any) -> None:
    """What is hidden is hidden from Airflow alone: even the instance leads where it should."""
    with new_dag("hidden_instance") as dag:
        CreateContactOperator(
            task_id="create",
            channel="TASK",
            name="Check",
            instance_id=emulator.instance_id,
            sensitive_fields=("instance_id",),
        )
    assert states(run_dag(dag)) == {"create": "success"}
    assert len(emulator.contacts()) == 1


def fail_before_a_link(folder: Path) -> None:
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    unknown = "{{ nothing.more }}"
    CreateContactOperator(task_id="rendering", channel="TASK", name=unknown)
    CreateContactOperator(task_id="checked", channel="TASK", name="x" * 2_000)
    CreateContactOperator(task_id="hidden", channel="TASK", name="x").sensitive_fields = ("nothing",)
    CreateContactOperator.partial(task_id="mapped", channel="TASK").expand(name=["x" * 2_000])
    CreateContactOperator.partial(task_id="mapped_rendering", channel="TASK", description=unknown).expand(name=["x"])
    StopContactOperator(task_id="stop", contact_id=unknown)
    ContactSensor(task_id="wait", contact_id=unknown)
    contact = {"channel": "TASK", "name": "{{ row.name }}"}
    BulkCreateContactsOperator(task_id="bulk", rows=[{}], contact=contact, results_path=str(folder))
    BulkCreateContactsOperator(task_id="bulk_rendering", rows=[{}], contact=contact, results_path=unknown)

    @task(show_return_value_in_logs=False)
    def rows() -> list[dict[str, str]]:
        return [{"nam": "an argument that does not exist"}]

    CreateContactOperator.partial(task_id="without_arguments", channel="TASK").expand_kwargs(rows())


def test_a_task_that_failed_before_it_had_a_link_reports_its_fault_alone(
    run_dag: Callable[..., Any], logged: Callable[[], str], tmp_path: Path
) -> None:
    """Airflow asks for the links of every task, and would log an error for each that is not there."""
    with new_dag("no_links") as dag:
        fail_before_a_link(tmp_path)
    run = run_dag(dag)
    assert {task_id for task_id, state in states(run).items() if state != "failed"} == {"rows"}
    assert "amazon_connect' map_index" not in logged()


def test_an_instance_without_an_address_makes_no_fault(
    run_dag: Callable[..., Any],
    amazon_connect: LocalConnect,
    logged: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A task that was resumed in another process looks for the link that the first one stored, if there was one."""
    connection: Any = amazon_connect.connection
    connection["extra"]["service_config"]["connect"]["instance_alias"] = "not an alias"
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    wait: dict[str, Any] = {"wait_for_completion": True, "waiter_delay": 0.2, "deferrable": True}
    with new_dag("no_address") as dag:
        CreateContactOperator(task_id="create", channel="TASK", name="Check", **wait)
    with amazon_connect.agent():
        run = run_dag(dag)
    assert states(run) == {"create": "success"}
    assert "XCom not found" not in logged()


def test_a_hidden_value_shows_nothing() -> None:
    """Neither as text, nor as JSON, nor to whoever prints it."""
    hidden = Hidden(MARKED)
    assert {str(hidden), repr(hidden), f"{hidden}", hidden.serialize()} == {"***"}
    assert hidden.value == MARKED


@pytest.mark.parametrize(
    ("text", "value"),
    [(True, True), ("True", True), (" yes ", True), ("1", True), (None, False), ("", False), (0, False)],
)
def test_truth_is_read_from_text(text: object, value: bool) -> None:
    """Forms and templates give text."""
    assert truth("dry_run", text) is value


def test_what_is_not_a_choice_is_named() -> None:
    """The message has the argument and what it can be."""
    with pytest.raises(ValueError, match="dry_run must be true or false"):
        truth("dry_run", "perhaps")
    with pytest.raises(ValueError, match="on_timeout must be fail or return"):
        choice("on_timeout", "stop", ("fail", "return"))
