"""The operators and the task decorator in real DAG runs (``dag.test()``), over HTTP to the local Amazon Connect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_connect.api.identity import token_for_key, token_for_task
from airflow_connect.emulator.resources import BILLING_QUEUE, TASKS_FLOW, TO_QUEUE_FLOW
from tests.airflow.runs import new_dag, rendered_fields, states, xcom

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from airflow_connect.emulator.server import Emulator

MARKED = "customer-content-31415"


def test_contact_is_made_with_all_it_was_given(run_dag: Callable[..., Any], emulator: Emulator) -> None:
    """The contact that arrives holds what the author wrote, rendered; ID and ARN are XComs."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("create") as dag:
        CreateContactOperator(
            task_id="create",
            channel="TASK",
            name="Order {{ 40 + 2 }}",
            description="{{ dag.dag_id }}",
            attributes={"order": "{{ 42 }}", "amount": 12.5, "missing": None},
            references={"Order": "https://example.com/{{ 42 }}", "Due": "2026-12-24"},
            segment_attributes={"source": "airflow"},
            expiry_duration_in_minutes="{{ 60 }}",
        )
    run = run_dag(dag)

    [contact] = emulator.contacts()
    assert run.state == "success"
    assert contact["name"] == "Order 42"
    assert contact["description"] == "create"
    assert contact["attributes"] == {"order": "42", "amount": "12.5"}
    assert contact["references"]["Order"] == {"Type": "URL", "Value": "https://example.com/42"}
    assert contact["references"]["Due"] == {"Type": "DATE", "Value": "1798070400"}
    assert xcom(run, "create") == contact["id"]
    assert xcom(run, "create", "contact_arn").endswith(contact["id"])
    expected = token_for_task("us-east-1", emulator.instance_id, "CreateContact", "create", run.run_id, "create", -1)
    assert contact["client_token"] == expected


def test_contact_is_followed_up(run_dag: Callable[..., Any], emulator: Emulator) -> None:
    """A contact's ID goes from task to task: started, changed, transferred, stopped; stopping twice is no error."""
    from airflow_connect.operators.connect import (
        StartTaskContactOperator,
        StopContactOperator,
        TransferContactOperator,
        UpdateContactAttributesOperator,
    )

    with new_dag("follow_up") as dag:
        start = StartTaskContactOperator(task_id="start", name="Look", contact_flow_id=TASKS_FLOW.id)
        update = UpdateContactAttributesOperator(
            task_id="update", contact_id=start.output, attributes={"run": "{{ run_id }}"}
        )
        transfer = TransferContactOperator(
            task_id="transfer",
            contact_id=start.output,
            contact_flow_id=TO_QUEUE_FLOW.id,
            queue_id=BILLING_QUEUE.id,
        )
        stop = StopContactOperator(task_id="stop", contact_id=transfer.output)
        again = StopContactOperator(task_id="again", contact_id=transfer.output)
        update >> transfer >> stop >> again
    run = run_dag(dag)

    assert run.state == "success", states(run)
    first, second = sorted(emulator.contacts(), key=lambda contact: contact["id"] != xcom(run, "start"))
    assert first["attributes"]["run"] == run.run_id
    assert second["id"] == xcom(run, "transfer") == xcom(run, "stop") == xcom(run, "again")
    assert {first["state"], second["state"]} == {"ENDED"}


def test_business_key_makes_one_contact_over_runs(run_dag: Callable[..., Any], emulator: Emulator) -> None:
    """The same idempotency_key in two DAGs is one contact; a client_token is sent as it is."""
    from airflow_connect.operators.connect import CreateContactOperator

    for dag_id in ("monday", "tuesday"):
        with new_dag(dag_id) as dag:
            CreateContactOperator(task_id="chase", channel="TASK", name="Invoice", idempotency_key="invoice-{{ 4711 }}")
        assert run_dag(dag).state == "success"
    with new_dag("verbatim") as dag:
        CreateContactOperator(task_id="chase", channel="TASK", name="Invoice", client_token="mine")
    run_dag(dag)

    tokens = [contact["client_token"] for contact in emulator.contacts()]
    assert sorted(tokens) == sorted(
        [token_for_key("us-east-1", emulator.instance_id, "CreateContact", "invoice-4711"), "mine"]
    )


def test_retry_without_a_task_state_store_says_what_it_relies_on(
    run_dag: Callable[..., Any],
    emulator: Emulator,
    logged: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before Airflow 3.3 Amazon's memory of the client token is all there is for a single contact: a retry says so."""
    from airflow_connect.operators.connect import CreateContactOperator

    monkeypatch.setattr("airflow_connect.operators.connect.task_state_store", lambda _context: None)
    emulator.set_faults("CreateContact@1:error_500_after")
    with new_dag("without_a_store") as dag:
        CreateContactOperator(task_id="create", channel="TASK", name="Order", retries=1, max_retry_time=0)
    assert run_dag(dag).state == "success"
    assert "Only Amazon Connect knows whether an earlier attempt created the contact" in logged()
    assert len(emulator.contacts()) == 1


def test_region_and_operation_are_part_of_a_business_key(run_dag: Callable[..., Any], emulator: Emulator) -> None:
    """One key in another operation or Region has another client token, whatever Amazon makes of equal ones there."""
    from airflow_connect.operators.connect import CreateContactOperator, StartTaskContactOperator

    same: dict[str, Any] = {"name": "Invoice", "idempotency_key": "invoice-4711"}
    with new_dag("operations") as dag:
        CreateContactOperator(task_id="create", channel="TASK", **same)
        CreateContactOperator(task_id="elsewhere", channel="TASK", region_name="eu-central-1", **same)
        StartTaskContactOperator(task_id="start", contact_flow_id=TASKS_FLOW.id, **same)
    assert run_dag(dag).state == "success"
    tokens = {contact["client_token"] for contact in emulator.contacts()}
    called = (("us-east-1", "CreateContact"), ("eu-central-1", "CreateContact"), ("us-east-1", "StartTaskContact"))
    assert tokens == {token_for_key(region, emulator.instance_id, name, "invoice-4711") for region, name in called}
    assert len(emulator.contacts()) == 3


def test_rows_stay_data(run_dag: Callable[..., Any], emulator: Emulator) -> None:
    """A template in upstream data is sent as it is, in expand, expand_kwargs, a hand-over and a decorated task."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.connect import CreateContactOperator

    text = "{{ 1 / 0 }}"
    with new_dag("rows") as dag:

        @task
        def names() -> list[str]:
            return [text]

        @task
        def rows() -> list[dict[str, Any]]:
            return [{"name": text, "attributes": {"note": text}}]

        @task
        def one() -> dict[str, str]:
            return {"note": text}

        @task.create_contact(channel="TASK")
        def decorated(row: dict[str, Any]) -> dict[str, Any]:
            return row

        CreateContactOperator.partial(task_id="expand", channel="TASK").expand(name=names())
        CreateContactOperator.partial(task_id="expand_kwargs", channel="TASK").expand_kwargs(rows())
        CreateContactOperator(task_id="handed_over", channel="TASK", name="{{ 1 + 1 }}", attributes=one())
        decorated.expand(row=rows())
    run = run_dag(dag)

    assert run.state == "success", states(run)
    sent = sorted((contact["name"], contact["attributes"].get("note", "-")) for contact in emulator.contacts())
    assert sent == sorted([(text, "-"), (text, text), ("2", text), (text, text)])


def test_native_rendering(run_dag: Callable[..., Any], emulator: Emulator) -> None:
    """With render_template_as_native_obj the values keep their types and arrive in the documented form."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("native", render_template_as_native_obj=True) as dag:
        CreateContactOperator(
            task_id="create",
            channel="TASK",
            name="{{ 17 }}",
            attributes="{{ {'order': 17, 'open': true} }}",
            expiry_duration_in_minutes="{{ 90 }}",
        )
    assert run_dag(dag).state == "success"
    [contact] = emulator.contacts()
    assert contact["name"] == "17"
    assert contact["attributes"] == {"order": "17", "open": "true"}


def test_bad_request_fails_for_good_before_any_call(
    run_dag: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """A wrong request is reported with all faults, uses up no retries, and nothing is sent."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("bad") as dag:
        CreateContactOperator(
            task_id="bad",
            channel="{{ 'FAX' }}",
            attributes={"no spaces": MARKED, "list": [MARKED]},
            references={"Page": {"Type": "URL", "Value": MARKED}},
            initiate_as="{{ 'SOON' }}",
            sensitive_fields=("attributes", "references"),
            retries=3,
        )
    run = run_dag(dag)

    assert states(run) == {"bad": "failed"}
    assert emulator.calls() == []
    log = logged()
    for field in ("channel", "attributes['no spaces']", "attributes.list", "references.Page.Value", "initiate_as"):
        assert field in log
    assert MARKED not in log


def test_decorated_function_returns_the_arguments(
    run_dag: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """A function's dict goes before the decorator's arguments; what is no argument, or no dict, is one clear error."""
    from airflow.providers.common.compat.sdk import task

    with new_dag("decorated") as dag:

        @task.create_contact(channel="TASK", name="From the decorator", description="kept")
        def good() -> dict[str, Any]:
            return {"name": "From the function", "idempotency_key": "k"}

        @task.create_contact(channel="TASK")
        def unknown() -> dict[str, Any]:
            return {"naem": MARKED}

        @task.create_contact(channel="TASK")
        def nothing() -> None:
            return None

        @task.create_contact(channel="TASK")
        def no_key() -> dict[str, Any]:
            return {"name": MARKED, "idempotency_key": {}.get("id")}

        good()
        no_key()
        unknown()
        nothing()
    run = run_dag(dag)

    assert states(run) == {"good": "success", "unknown": "failed", "nothing": "failed", "no_key": "failed"}
    [contact] = emulator.contacts()
    assert (contact["name"], contact["description"]) == ("From the function", "kept")
    assert contact["client_token"] == token_for_key("us-east-1", emulator.instance_id, "CreateContact", "k")
    log = logged()
    assert "naem: unknown parameter" in log
    assert "must return a dict" in log
    # Airflow 3.0 itself logs at DEBUG what its page of rendered fields shows.
    assert not [line for line in log.splitlines() if MARKED in line and "SetRenderedFields" not in line]


def test_failure_logs_nothing_of_a_row(
    run_dag: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """A call that fails is logged with what to do, without the request, in variables of the traceback too."""
    from airflow_connect.operators.connect import CreateContactOperator

    emulator.set_faults("error_500=1")
    with new_dag("unlucky") as dag:
        CreateContactOperator(
            task_id="create",
            channel="TASK",
            name=MARKED,
            attributes={"a": MARKED},
            sensitive_fields=("name", "attributes"),
            max_retry_time=0,
        )
    assert states(run_dag(dag)) == {"create": "failed"}
    log = logged()
    assert "InternalServiceException" in log
    assert "the same client token does not create a second contact" in " ".join(log.split())
    assert MARKED not in log


def test_nothing_of_a_row_is_logged(run_dag: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]) -> None:
    """A task logs one line of its own, with identifiers only, and nothing of a contact at any level."""
    from airflow_connect.operators.connect import CreateContactOperator

    content = {"name": MARKED, "description": MARKED, "attributes": {"a": MARKED}, "references": {"R": MARKED}}
    with new_dag("private") as dag:
        CreateContactOperator(
            task_id="create",
            channel="TASK",
            sensitive_fields=("attributes", "name", "description", "references"),
            **content,
        )
    run = run_dag(dag)

    [contact] = emulator.contacts()
    assert contact["name"] == contact["attributes"]["a"] == MARKED
    log = logged()
    [line] = set(re.findall(rf"Contact {contact['id']} created .*?attempts: \d+", log))
    assert contact["client_token"][:8] in line
    assert contact["client_token"] not in line
    assert "attempts: 1" in line
    assert f"/contact-trace-records/details/{contact['id']}" in line
    assert MARKED not in log
    assert run.state == "success"


def test_sensitive_fields_name_arguments(
    run_dag: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """A name that no argument has fails the task before a value that was to be hidden is stored."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("misspelt") as dag:
        create = CreateContactOperator(
            task_id="create", channel="TASK", name="Order", attributes={"iban": MARKED}, retries=3
        )
        # In an argument it is reported when the Dag is read.
        create.sensitive_fields = ("atributes",)
    run = run_dag(dag)
    assert states(run) == {"create": "failed"}
    assert emulator.calls() == []
    assert "names atributes; it can name" in " ".join(logged().split())
    assert rendered_fields(run) == {}


def test_key_and_token_exclude_each_other(
    run_dag: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """Two ways to say what identifies the contact are one too many, and an empty key is none."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("identity") as dag:
        CreateContactOperator(task_id="both", channel="TASK", idempotency_key="{{ 1 }}", client_token="b")
        CreateContactOperator(task_id="empty", channel="TASK", idempotency_key="{{ '' }}")
        CreateContactOperator(task_id="missing", channel="TASK", idempotency_key="{{ none }}")
    assert states(run_dag(dag)) == {"both": "failed", "empty": "failed", "missing": "failed"}
    assert emulator.calls() == []
    log = logged()
    assert "give idempotency_key or client_token" in log
    assert "every contact with an empty key would be the same one" in log
    assert log.count("must not be empty: every contact with an empty key would be the same one") >= 2


def test_task_that_failed_has_no_link(run_dag: Callable[..., Any], logged: Callable[[], str]) -> None:
    """A task that fails before it has a contact logs nothing about a link that is missing."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("no_link") as dag:
        CreateContactOperator(task_id="create", channel="TASK", name="x" * 2000)
    assert run_dag(dag).state == "failed"
    assert "XCom not found" not in logged()
