"""What the author wrote wrong is reported when the Dag is read: by task, argument, rule and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.operations import operations
from airflow_connect.operators.bulk import BulkCreateContactsOperator
from airflow_connect.operators.connect import (
    ContactBranchOperator,
    CreateContactOperator,
    StartOutboundVoiceContactOperator,
    StartTaskContactOperator,
    StopContactOperator,
    TransferContactOperator,
)
from airflow_connect.sensors.connect import ContactSensor
from tests.airflow.runs import new_dag

if TYPE_CHECKING:
    from collections.abc import Callable

BRANCH = {"contact_id": "c", "attribute": "a"}
CALL = {"destination_phone_number": "+41", "contact_flow_id": "f"}
BULK: dict[str, Any] = {"rows": [{"a": 1}], "contact": {"channel": "TASK"}}
WRONG: list[tuple[type[Any], dict[str, Any], str]] = [
    (CreateContactOperator, {"channel": "task"}, "channel must be TASK, VOICE or EMAIL, not 'task'"),
    (CreateContactOperator, {"initiate_as": "SOON"}, "initiate_as must be CONNECTED_TO_USER or COMPLETED, not 'SOON'"),
    (CreateContactOperator, {"idempotency_key": "a", "client_token": "b"}, "client_token exclude each other"),
    (
        CreateContactOperator,
        {"sensitive_fields": ["atributes"]},
        "sensitive_fields names atributes; it can name attrib",
    ),
    (CreateContactOperator, {"sensitive_fields": "name"}, "sensitive_fields must be a list of names, not 'name'"),
    (CreateContactOperator, {"max_retry_time": -1}, "max_retry_time must be a number from 0, not -1"),
    (StartOutboundVoiceContactOperator, {**CALL, "traffic_type": "BULK"}, "must be GENERAL or CAMPAIGN, not 'BULK'"),
    (StartOutboundVoiceContactOperator, {**CALL, "retry_unknown": "maybe"}, "must be true or false, not 'maybe'"),
    (
        StopContactOperator,
        {"results": "/tmp/x", "state": "opened"},
        "state must be open, already_created, .*, not 'opened'",
    ),
    (CreateContactOperator, {"waiter_delay": 0}, "waiter_delay must be a number above 0, not 0"),
    (CreateContactOperator, {"expiry_duration_in_minutes": "0"}, "in_minutes must be a number from 1, not '0'"),
    (
        StartOutboundVoiceContactOperator,
        {**CALL, "ring_timeout_in_seconds": 5},
        "must be a number from 15 to 60, not 5",
    ),
    (ContactBranchOperator, {**BRANCH, "branches": {"Yes": "a", " yes": "b"}}, "branches has ' yes' twice, for diff"),
    (StopContactOperator, {"results": "/tmp/x", "state": {"opened"}}, "state must be open, .*, not .'opened'."),
    (StopContactOperator, {"results": "/tmp/x", "state": ["open", "x"]}, "state must be open, .*, not .'open', 'x'."),
    (StopContactOperator, {"results": "/tmp/x", "contact_id": "c"}, "contact_id and results exclude each other"),
    (
        ContactSensor,
        {"contact_id": "c", "on_timeout": "ignore"},
        "on_timeout must be fail, return or stop, not 'ignore'",
    ),
    (ContactSensor, {"contact_id": "c", "wait_for": "most"}, "wait_for must be .* .given: 'most'."),
    (ContactSensor, {"contact_id": "c", "fail_if": {"staet": "failed"}}, "fail_if has unknown fields: staet"),
    (ContactSensor, {"contact_id": "c", "skip_if": {"state": "expird"}}, "skip_if has an unknown state; .*'expird'"),
    (
        StartTaskContactOperator,
        {"name": "x", "contact_flow_id": "Sample flow"},
        "contact_flow_id must be an ID or an ARN, and not a name, not 'Sample flow'",
    ),
    (StartOutboundVoiceContactOperator, {**CALL, "queue_id": "Sales team"}, "queue_id must be .*, not 'Sales team'"),
    (
        StartOutboundVoiceContactOperator,
        {**CALL, "destination_phone_number": "0041791234567"},
        "destination_phone_number must be a phone number in E.164 format: .*, not text of 13 characters",
    ),
    (
        TransferContactOperator,
        {"contact_id": ["a", "b"], "contact_flow_id": "Sample flow"},
        "contact_flow_id must be an ID or an ARN, and not a name",
    ),
    (
        BulkCreateContactsOperator,
        BULK | {"operation": "start_task", "contact": {"name": "x", "contact_flow_id": "Sample flow"}},
        "contact.contact_flow_id must be an ID or an ARN, and not a name, not 'Sample flow'",
    ),
    (BulkCreateContactsOperator, BULK | {"operation": "call"}, "operation must be create, .*, not 'call'"),
    (BulkCreateContactsOperator, BULK | {"on_invalid": "stop"}, "on_invalid must be fail or skip, not 'stop'"),
    (BulkCreateContactsOperator, BULK | {"failed_rows_path": "f.csv"}, "must be a file of JSON Lines, .* not 'f.csv'"),
    (BulkCreateContactsOperator, BULK | {"max_rate": 0}, "max_rate must be a number above 0, not 0"),
    (BulkCreateContactsOperator, BULK | {"rate_quota": "quota"}, "rate_quota must be a number above 0, not 'quota'"),
    (BulkCreateContactsOperator, BULK | {"tolerated_failure_percent": 101}, "must be a number from 0 to 100, not 101"),
    (BulkCreateContactsOperator, BULK | {"contact": {"channel": "FAX"}}, "contact.channel must be .*, not 'FAX'"),
    (
        BulkCreateContactsOperator,
        BULK | {"contact": {"nmae": "{{ row.a }}"}},
        "contact has 'nmae'; CreateContact takes",
    ),
]


@pytest.mark.parametrize(("kind", "arguments", "reported"), WRONG, ids=lambda value: getattr(value, "__name__", None))
def test_a_wrong_constant_is_reported_when_the_dag_is_read(
    kind: type[Any], arguments: dict[str, Any], reported: str
) -> None:
    """In a task, and in what all instances of a mapped task have."""
    with new_dag("wrong"), pytest.raises(ValueError, match=f"^Task 'mine': .*{reported}"):
        kind(task_id="mine", **arguments)
    with new_dag("wrong"), pytest.raises(ValueError, match=f"^Task 'mine': .*{reported}"):
        kind.partial(task_id="mine", **arguments)


def test_no_list_of_sensitive_fields_is_the_default() -> None:
    """``None`` hides what is hidden by default, also of a task that is mapped: the number of a customer."""
    with new_dag("none"):
        for kind, arguments, hidden in (
            (CreateContactOperator, {}, set()),
            (StartOutboundVoiceContactOperator, CALL, {"destination_phone_number"}),
        ):
            task = kind(task_id=kind.__name__, sensitive_fields=None, **arguments)
            assert task.fields_to_hide() == hidden
            kind.partial(task_id=f"mapped_{kind.__name__}", sensitive_fields=None, **arguments).expand(name=["a"])


def test_one_file_of_failed_rows_for_all_map_indexes_is_reported_when_the_dag_is_read() -> None:
    """Each map index would replace the file of the others; what may differ for each is taken."""
    arguments: dict[str, Any] = {"task_id": "mine", "contact": {"channel": "TASK"}}
    reported = r"^Task 'mine': failed_rows_path is the same for several map indexes"
    for path in ("/tmp/failed.jsonl", "/tmp/{{ run_id }}.jsonl"):
        with (
            new_dag("wrong"),
            pytest.raises(ValueError, match=reported),
        ):
            BulkCreateContactsOperator.partial(failed_rows_path=path, **arguments)
    with new_dag("right"):
        for number, path in enumerate([None, "", "{{ ti.map_index }}.jsonl", "{{ name_of() }}.jsonl"]):
            given = arguments | {"task_id": f"bulk_{number}", "failed_rows_path": path}
            assert BulkCreateContactsOperator.partial(**given).expand(rows=[[{"a": 1}]])


def bulk_group(path: str | None) -> None:
    """Map a task group over two lists of rows; its bulk task writes the rows that failed to a path."""
    from airflow.providers.common.compat.sdk import task_group

    @task_group
    def group(rows: Any) -> None:
        BulkCreateContactsOperator(
            task_id="mine", contact={"channel": "TASK"}, rows=rows, failed_rows_path=path, results_path="/tmp/results"
        )

    group.expand(rows=[[{"a": 1}], [{"a": 2}]])


def mapped_bulk(**mapped: Any) -> Any:
    return BulkCreateContactsOperator.partial(task_id="group.mine", contact={"channel": "TASK"}).expand(**mapped)


def mapped_bulk_kwargs(*rows: dict[str, Any]) -> Any:
    return BulkCreateContactsOperator.partial(task_id="group.mine", contact={"channel": "TASK"}).expand_kwargs(
        list(rows)
    )


ROWS: list[list[dict[str, Any]]] = [[{"a": 1}], [{"a": 2}]]


@pytest.mark.parametrize(
    "wrong",
    [
        bulk_group,
        lambda path: mapped_bulk(rows=ROWS, failed_rows_path=[path]),
        lambda path: mapped_bulk(rows=ROWS[:1], failed_rows_path=[path, path]),
        lambda path: mapped_bulk_kwargs(
            {"rows": ROWS[0], "failed_rows_path": path}, {"rows": ROWS[1], "failed_rows_path": path}
        ),
    ],
    ids=["group", "expand", "expand with one twice", "expand_kwargs"],
)
def test_a_file_of_failed_rows_is_that_of_one_map_index(wrong: Callable[[str], Any]) -> None:
    """Also in a mapped task group, and where the path is a part of what is mapped."""
    for path in ("/tmp/failed.jsonl", "/tmp/{{ run_id }}.jsonl"):
        with (
            new_dag("wrong"),
            pytest.raises(
                ValueError, match=r"^Task 'group.mine': failed_rows_path is the same for several map indexes"
            ),
        ):
            wrong(path)
    with new_dag("right"):
        wrong("/tmp/{{ ti.map_index }}.jsonl")


def test_files_of_failed_rows_that_differ_are_taken() -> None:
    """Each map index has its own, or one alone has one."""
    with new_dag("right"):
        bulk_group(None)
    with new_dag("right"):
        mapped_bulk(rows=ROWS[:1], failed_rows_path=["a.jsonl", "b.jsonl", None, None])
    with new_dag("right") as dag:
        mapped_bulk_kwargs({"rows": ROWS[0], "failed_rows_path": "a.jsonl"}, {"rows": ROWS[1]})
    assert len(dag.tasks) == 1


def test_a_wrong_constant_of_the_decorator_is_reported_when_the_dag_is_read() -> None:
    """Mapped or not: before the function is called or mapped."""
    from airflow.providers.common.compat.sdk import task

    with pytest.raises(ValueError, match="channel must be TASK, VOICE or EMAIL, not 'task'"):

        @task.create_contact(channel="task")
        def mine() -> dict[str, Any]:
            raise AssertionError


def test_what_is_known_later_is_reported_later() -> None:
    """A template, also with other signs, an output, and data of a mapped task are not constants of the author."""
    with new_dag("later") as dag:
        given = CreateContactOperator(task_id="given", channel="TASK").output
        for number, value in enumerate(["{{ params.x }}", "{% if 1 %}x{% endif %}", "[[ x ]]", "<% x %>", given]):
            CreateContactOperator(task_id=f"create_{number}", channel=value, initiate_as=value)
            ContactSensor(task_id=f"sense_{number}", contact_id="c", on_timeout=value, fail_if={"state": value})
            StopContactOperator(task_id=f"stop_{number}", results=value, state=[value], dry_run=value)
            options = dict.fromkeys(["on_invalid", "operation", "max_rate", "max_in_flight", "dry_run"], value)
            BulkCreateContactsOperator(task_id=f"bulk_{number}", rows=given, contact={"channel": value}, **options)
        mapped = CreateContactOperator.partial(task_id="mapped").expand(channel=given)
    assert len(dag.tasks) == 22
    customer = mapped.unmap({"channel": "customer-content"})
    assert customer.channel == "customer-content"


def test_words_are_those_of_amazon_s_model() -> None:
    """Words that are known without the model are in it."""
    found = 0
    for operation in operations():
        members = operation.input_shape().members
        for name, words in operation.words.items():
            member = "".join(part.capitalize() for part in name.split("_"))
            assert set(words) <= set(members[member].metadata["enum"])
            found += 1
    assert found >= 4
