"""Operators that do one thing with many contacts, and the branch, in real DAG runs (``dag.test()``)."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect._compat import MAPPED_GROUPS_RUN_ALL_BRANCHES
from airflow_connect.emulator.resources import BILLING_QUEUE, TO_QUEUE_FLOW
from airflow_connect.operators.connect import (
    ContactBranchOperator,
    CreateContactOperator,
    StopContactOperator,
    TagContactOperator,
    TransferContactOperator,
    UpdateContactAttributesOperator,
)
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import read_results
from airflow_connect.sensors.connect import ContactSensor
from airflow_connect.waiting.awaited import list_contacts
from tests.airflow.runs import new_dag, states, xcom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_connect.testing import LocalConnect

MARKED = "customer-content-31415"
TRANSFER = {"contact_flow_id": TO_QUEUE_FLOW.id, "queue_id": BILLING_QUEUE.id}


@pytest.fixture
def make(amazon_connect: LocalConnect) -> Callable[..., str]:
    """A function that makes a contact."""
    from airflow_connect.hooks.connect import ConnectHook

    hook = ConnectHook()
    return lambda **arguments: str(hook.create_contact(channel="TASK", name="Check", **arguments)["ContactId"])


@pytest.fixture
def run_one(run_dag: Callable[..., Any]) -> Callable[..., tuple[str, Any]]:
    """A function that runs a DAG of one task, and returns its state and what it returned."""

    def run_one(operator: Any, **arguments: Any) -> tuple[str, Any]:
        with new_dag("many") as dag:
            operator(task_id="do", **arguments)
        run = run_dag(dag)
        return states(run)["do"], xcom(run, "do")

    return run_one


def test_many_are_stopped_once_each(run_one: Any, make: Any, amazon_connect: LocalConnect) -> None:
    """Each contact of a list is stopped once, whatever the quota; one that has ended already is no error."""
    ids = [make() for _ in range(20)]
    for contact_id in ids[:4]:
        amazon_connect.complete(contact_id)
    amazon_connect.throttle(20, 5)
    state, reported = run_one(StopContactOperator, contact_id=[*ids, ids[7]])
    assert (state, reported) == ("success", {"contacts": 20, "stopped": 16, "already_ended": 4, "failed": 0})
    assert all(contact["state"] == "ENDED" for contact in amazon_connect.contacts())
    accepted = [call.contact_id for call in amazon_connect.calls("StopContact") if call.status == 200]
    assert sorted(accepted) == sorted(ids[4:])


@pytest.mark.parametrize("form", ["one", "list", "results", "outcome"])
def test_what_was_transferred_is_stopped(
    run_one: Any, make: Any, amazon_connect: LocalConnect, tmp_path: Path, form: str
) -> None:
    """Who takes back what a run made stops it under whatever ID it went on, and counts it once."""
    first, last = make(), ""
    for _ in range(2):
        transfer = {"InstanceId": amazon_connect.instance_id, "ContactFlowId": TO_QUEUE_FLOW.id}
        last = amazon_connect.client.transfer_contact(ContactId=last or first, **transfer)["ContactId"]
    list_contacts(tmp_path, [first], header={"try_number": 1})
    given = {
        "one": {"contact_id": first},
        "list": {"contact_id": [first]},
        "results": {"results": str(tmp_path)},
        "outcome": {"results": {"contact_id": first, "state": "open"}},
    }[form]
    state, reported = run_one(StopContactOperator, **given)
    counts = {"contacts": 1, "stopped": 1, "already_ended": 0, "failed": 0}
    assert (state, reported) == ("success", first if form == "one" else counts)
    assert amazon_connect.contact(last)["disconnect_reason"] == "API"


def test_lost_answer_counts_as_stopped(run_one: Any, make: Any, amazon_connect: LocalConnect) -> None:
    """A contact whose first call was carried out and not answered was stopped by this task."""
    ids = [make(), make()]
    amazon_connect.faults("StopContact@1:cut_after")
    state, reported = run_one(StopContactOperator, contact_id=ids)
    assert (state, reported["stopped"], reported["already_ended"]) == ("success", 2, 0)


def test_dry_run_calls_nothing(run_one: Any, make: Any, amazon_connect: LocalConnect) -> None:
    """A dry run says how many there are."""
    ids = [make() for _ in range(3)]
    state, reported = run_one(StopContactOperator, contact_id=ids, dry_run=True)
    assert (state, reported) == ("success", {"contacts": 3, "dry_run": True})
    assert amazon_connect.calls("StopContact") == []


def test_nothing_to_do(run_one: Any, amazon_connect: LocalConnect) -> None:
    """An empty list is green."""
    state, reported = run_one(StopContactOperator, contact_id=[])
    assert (state, reported["contacts"]) == ("success", 0)


def test_attributes_and_tags_of_many(run_one: Any, make: Any, amazon_connect: LocalConnect) -> None:
    """Attributes and tags are set on each contact of a list, also on one that has ended."""
    ids = [make() for _ in range(3)]
    amazon_connect.complete(ids[0])
    _, updated = run_one(UpdateContactAttributesOperator, contact_id=ids, attributes={"wave": 2})
    _, tagged = run_one(TagContactOperator, contact_id=ids, tags={"team": "care"})
    assert (updated["updated"], tagged["tagged"]) == (3, 3)
    assert [contact["attributes"] for contact in amazon_connect.contacts()] == [{"wave": "2"}] * 3
    assert [contact["tags"] for contact in amazon_connect.contacts()] == [{"team": "care"}] * 3


def test_one_contact_is_tagged(run_one: Any, make: Any, amazon_connect: LocalConnect) -> None:
    """With one ID the operator returns it."""
    contact_id = make()
    assert run_one(TagContactOperator, contact_id=contact_id, tags={"team": "care"}) == ("success", contact_id)
    assert amazon_connect.contact(contact_id)["tags"] == {"team": "care"}


def test_many_are_transferred_once_each(run_one: Any, make: Any, amazon_connect: LocalConnect) -> None:
    """Each goes on as one contact, also after lost answers; one that has ended is counted and no error."""
    ids = [make() for _ in range(5)]
    amazon_connect.complete(ids[2])
    amazon_connect.faults("TransferContact@1:cut_after, TransferContact@2:error_500_after")
    state, reported = run_one(TransferContactOperator, contact_id=ids, **TRANSFER)
    assert (state, reported["transferred"], reported["already_ended"], reported["failed"]) == ("success", 4, 1, 0)
    successors = {contact["previous_contact_id"]: contact["id"] for contact in amazon_connect.contacts("QUEUED")}
    assert reported["transferred_to"] == successors
    assert len(amazon_connect.contacts()) == 9


def test_failures_are_counted_and_the_rest_is_done(run_one: Any, make: Any, amazon_connect: LocalConnect) -> None:
    """A contact that cannot be changed fails the task for good, after all others were."""
    ids = [make(), make()]
    state, reported = run_one(TagContactOperator, contact_id=[ids[0], "never-existed", ids[1]], tags={"team": "care"})
    assert (state, reported) == ("failed", None)
    assert [contact["tags"] for contact in amazon_connect.contacts()] == [{"team": "care"}] * 2


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"contact_id": "{{ 'a' }}", "results": "/tmp/a"},
        {"contact_id": ["a"], "state": "open"},
        {"results": "/tmp/a", "state": "{{ 'closed' }}"},
        {"contact_id": [None]},
        {"results": "/tmp/a", "state": []},
    ],
)
def test_bad_arguments_fail_before_any_call(run_one: Any, amazon_connect: LocalConnect, arguments: Any) -> None:
    """What does not fit fails the task before anything is sent."""
    assert run_one(StopContactOperator, **arguments) == ("failed", None)
    assert amazon_connect.calls() == []


def test_results_are_chosen_by_state(run_one: Any, make: Any, amazon_connect: LocalConnect, tmp_path: Path) -> None:
    """Of a run's results, what is open is stopped; what has an outcome of a state can be tagged."""
    ids = [make() for _ in range(5)]
    list_contacts(tmp_path, ids, header={"try_number": 1})
    with Ledger(tmp_path, header={}) as ledger:
        for contact_id, state in zip(ids, ("completed", "expired"), strict=False):
            ledger.ended({"contact_id": contact_id, "state": state})
    _, tagged = run_one(TagContactOperator, results=str(tmp_path), state=["expired"], tags={"left": "yes"})
    _, stopped = run_one(StopContactOperator, results={"results": str(tmp_path)})
    assert (tagged["contacts"], stopped["contacts"], stopped["stopped"]) == (1, 3, 3)
    assert amazon_connect.contact(ids[1])["tags"] == {"left": "yes"}
    assert [call.contact_id for call in amazon_connect.calls("StopContact")] == ids[2:]


def test_transfer_on_record_saves_calls(run_one: Any, make: Any, amazon_connect: LocalConnect, tmp_path: Path) -> None:
    """What a run was transferred to is on record: it is stopped with one call for each contact, and nothing is read."""
    ids = [make() for _ in range(3)]
    list_contacts(tmp_path, ids, header={"try_number": 1})
    state, reported = run_one(TransferContactOperator, results=str(tmp_path), **TRANSFER)
    assert (state, reported["transferred"], reported["results"]) == ("success", 3, str(tmp_path))
    before = len(amazon_connect.calls())
    assert run_one(StopContactOperator, results=reported)[1]["stopped"] == 3
    calls = [(call.operation, call.contact_id) for call in amazon_connect.calls()[before:]]
    stopped = [contact_id for operation, contact_id in calls if operation == "StopContact"]
    assert sorted(stopped) == sorted(reported["transferred_to"][contact_id] for contact_id in ids)
    assert {operation for operation, _ in calls} <= {"StopContact", "DescribeInstance"}


def test_transfer_on_record_is_made_once_by_each_task(
    run_dag: Any, make: Any, amazon_connect: LocalConnect, tmp_path: Path
) -> None:
    """A retry hands nothing on twice, and the next task hands on what the first one made, with one call each."""
    ids = [make(), make()]
    list_contacts(tmp_path, ids, header={"try_number": 1})
    amazon_connect.faults("TransferContact@2:error_503")
    with new_dag("escalate") as dag:
        options = {"results": str(tmp_path), "retries": 1, "retry_delay": timedelta(0), **TRANSFER}
        first = TransferContactOperator(task_id="first", max_retry_time=0, **options)
        first >> TransferContactOperator(task_id="second", **options)
    run = run_dag(dag)
    one, two = xcom(run, "first"), xcom(run, "second")
    assert (one["transferred"], two["transferred"]) == (2, 2)
    assert set(one["transferred_to"]) == set(two["transferred_to"]) == set(ids)
    # Two contacts, and what each of two transfers made of them; the first task was tried twice.
    assert len(amazon_connect.contacts()) == 6
    assert len(amazon_connect.calls("TransferContact")) == 6
    # Whether the contact whose transfer failed has ended, and nothing else.
    assert len(amazon_connect.calls("DescribeContact")) == 1


def test_retry_of_a_stop_continues(
    run_dag: Any, run_one: Any, make: Any, amazon_connect: LocalConnect, tmp_path: Path
) -> None:
    """What was stopped is on record: a retry stops the rest, counts all, and a wait reads how each of them ended."""
    ids = [make() for _ in range(4)]
    list_contacts(tmp_path, ids, header={"try_number": 1})
    amazon_connect.faults("StopContact@3:error_503")
    with new_dag("take_back") as dag:
        StopContactOperator(
            task_id="stop", results=str(tmp_path), retries=1, retry_delay=timedelta(0), max_retry_time=0
        )
    reported = xcom(run_dag(dag), "stop")
    assert (reported["contacts"], reported["stopped"], reported["already_ended"]) == (4, 4, 0)
    assert len(amazon_connect.calls("StopContact")) == 5
    assert [row["outcome"] for row in read_results(tmp_path)] == ["stopped"] * 4
    # Another task finds nothing to stop, and has not stopped them.
    assert run_one(StopContactOperator, results=str(tmp_path))[1]["contacts"] == 0
    assert run_one(ContactSensor, results=str(tmp_path), poke_interval=0.1, timeout=60)[1]["stopped"] == 4
    assert [row["disconnect_reason"] for row in read_results(tmp_path)] == ["API"] * 4


def test_transfer_of_a_list_is_taken_up(run_one: Any, make: Any, amazon_connect: LocalConnect) -> None:
    """The output of a transfer is what the next task stops, also without results."""
    ids = [make(), make()]
    reported = run_one(TransferContactOperator, contact_id=ids, **TRANSFER)[1]
    assert run_one(StopContactOperator, results=reported)[1]["stopped"] == 2
    assert {call.contact_id for call in amazon_connect.calls("StopContact")} == set(reported["transferred_to"].values())
    assert run_one(TagContactOperator, results=reported, tags={"a": "b"})[1]["tagged"] == 2
    assert all(amazon_connect.contact(contact_id)["tags"] == {"a": "b"} for contact_id in ids)


def test_rows_of_unknown_fate_are_named(
    run_one: Any, make: Any, amazon_connect: LocalConnect, tmp_path: Path, logged: Any
) -> None:
    """Who stops a run hears of the rows that may have contacts that are not on record."""
    with Ledger(tmp_path, header={"try_number": 1}) as ledger:
        ledger.intend([(row, None, f"token-{row}", "content") for row in (1, 2)])
        ledger.created(1, make(), attempts=1)
    _, reported = run_one(StopContactOperator, results=str(tmp_path))
    assert (reported["stopped"], reported["unknown"], reported["unknown_rows"]) == (1, 1, [2])
    assert "of 1 rows it is not known whether they have a contact (row 2)" in logged()


def test_results_are_what_the_task_created(
    run_dag: Callable[..., Any], run_one: Any, amazon_connect: LocalConnect, tmp_path: Path
) -> None:
    """What a task found, because another Dag had created it under its key, is touched on the author's word only."""
    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    reported = {}
    for dag_id, keys in (("theirs", ["1"]), ("ours", ["1", "2"])):
        with new_dag(dag_id) as dag:
            BulkCreateContactsOperator(
                task_id="bulk",
                rows=[{"key": key} for key in keys],
                contact={"channel": "TASK", "name": "Order {{ row.key }}"},
                idempotency_key="{{ row.key }}",
                results_path=str(tmp_path),
            )
        reported[dag_id] = xcom(run_dag(dag), "bulk")
    assert (reported["ours"]["created"], reported["ours"]["already_created"]) == (1, 1)
    [theirs, ours] = sorted(amazon_connect.contacts(), key=lambda contact: contact["name"])

    assert run_one(TagContactOperator, results=reported["ours"], tags={"a": "b"})[1]["contacts"] == 1
    assert run_one(StopContactOperator, results=reported["ours"])[1]["stopped"] == 1
    assert amazon_connect.contact(ours["id"])["state"] == "ENDED"
    assert amazon_connect.contact(theirs["id"])["state"] == "CREATED"
    assert amazon_connect.contact(theirs["id"])["tags"] == {}

    assert run_one(StopContactOperator, results=reported["ours"], state="already_created")[1]["stopped"] == 1
    assert amazon_connect.contact(theirs["id"])["state"] == "ENDED"


@pytest.mark.parametrize(
    ("decision", "taken", "skipped"),
    [
        ("approve", {"ship"}, {"cancel", "refund", "ask_again"}),
        ("refuse", {"cancel", "refund"}, {"ship", "ask_again"}),
        ("unsure", {"ask_again"}, {"ship", "cancel", "refund"}),
        (None, {"ask_again"}, {"ship", "cancel", "refund"}),
    ],
)
def test_branch(
    run_dag: Callable[..., Any],
    make: Any,
    amazon_connect: LocalConnect,
    decision: str | None,
    taken: set[str],
    skipped: set[str],
) -> None:
    """The branch of the attribute's value is taken; every other value, and none, take the default."""
    from airflow.providers.common.compat.standard.operators import PythonOperator

    contact_id = make()
    amazon_connect.complete(contact_id, {"decision": decision} if decision else {})
    with new_dag("branch") as dag:
        branch = ContactBranchOperator(
            task_id="branch",
            contact_id=contact_id,
            attribute="decision",
            branches={"approve": "ship", "refuse": ["cancel", "refund"]},
            default="ask_again",
        )
        branch >> [
            PythonOperator(task_id=name, python_callable=print) for name in ("ship", "cancel", "refund", "ask_again")
        ]
    found = states(run_dag(dag))
    assert {name for name, state in found.items() if state == "success"} == {"branch", *taken}
    assert {name for name, state in found.items() if state == "skipped"} == skipped


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    "typed", ["approve", "Approve", " APPROVE\n", "approve ", unicodedata.normalize("NFD", "Für gut befunden")]
)
def test_branch_of_what_an_agent_typed(
    run_dag: Any, make: Any, amazon_connect: LocalConnect, logged: Any, typed: str, exact: bool
) -> None:
    """Case and the blanks around a value do not count, unless exact is set; the log says that the default was taken."""
    from airflow.providers.common.compat.standard.operators import PythonOperator

    contact_id = make()
    amazon_connect.complete(contact_id, {"decision": typed})
    with new_dag("branch") as dag:
        ContactBranchOperator(
            task_id="branch",
            contact_id=contact_id,
            attribute="decision",
            branches={" Approve": "ship", "für GUT befunden": "ship"} if not exact else {"approve": "ship"},
            default="ask_again",
            exact=exact,
        ) >> [PythonOperator(task_id=name, python_callable=print) for name in ("ship", "ask_again")]
    is_named = not exact or typed == "approve"
    assert states(run_dag(dag))["ship"] == ("success" if is_named else "skipped")
    said = f"Contact {contact_id} has a value in the attribute 'decision' that branches does not name"
    assert (said in logged()) is not is_named


def test_branch_says_that_the_attribute_is_missing(run_dag: Any, make: Any, logged: Any) -> None:
    """The log distinguishes a contact without the attribute from one with another value."""
    from airflow.providers.common.compat.standard.operators import PythonOperator

    contact_id = make()
    with new_dag("branch") as dag:
        ContactBranchOperator(
            task_id="branch", contact_id=contact_id, attribute="decision", branches={"yes": "ship"}, default="ask_again"
        ) >> [PythonOperator(task_id=name, python_callable=print) for name in ("ship", "ask_again")]
    assert states(run_dag(dag))["ask_again"] == "success"
    assert f"Contact {contact_id} does not have the attribute 'decision': the default is taken." in logged()


def test_branches_that_differ_in_case_alone(run_one: Any, make: Any, logged: Any) -> None:
    """Two names that are one without case are the author's fault, and the message says both ways out."""
    arguments = {"contact_id": make(), "attribute": "decision", "branches": {"Yes": "{{ 'do' }}", "yes ": "do_not"}}
    state, _ = run_one(ContactBranchOperator, **arguments)
    assert state == "failed"
    assert "Rename one of them, or give exact=True." in logged()


def mapped_branches(ids: list[str], log: Path) -> Any:
    """Return a Dag that decides for each contact in a mapped task group."""
    from airflow.providers.common.compat.sdk import task, task_group

    @task
    def step(name: str, contact_id: str) -> None:
        with log.open("a") as file:
            file.write(f"{name} {contact_id}\n")

    with new_dag("mapped_group") as dag:

        @task_group
        def decide(contact_id: str) -> None:
            branch = ContactBranchOperator(
                task_id="branch",
                contact_id=contact_id,
                attribute="decision",
                branches={"approve": "decide.ship", "refuse": "decide.cancel"},
            )
            branch >> [step.override(task_id=name)(name, contact_id) for name in ("ship", "cancel")]

        decide.expand(contact_id=ids)
    return dag


def decided(make: Any, amazon_connect: LocalConnect) -> list[str]:
    ids = [make(), make()]
    for contact_id, decision in zip(ids, ("approve", "refuse"), strict=True):
        amazon_connect.complete(contact_id, {"decision": decision})
    return ids


def test_branch_in_a_mapped_task_group(run_dag: Any, make: Any, amazon_connect: LocalConnect, tmp_path: Path) -> None:
    """Where Airflow runs the tasks of all branches, the Dag warns when it is read, at the line of the operator."""
    ids = decided(make, amazon_connect)
    log = tmp_path / "steps"
    if MAPPED_GROUPS_RUN_ALL_BRANCHES:
        with pytest.warns(UserWarning, match="issues/67265") as warned:
            dag = mapped_branches(ids, log)
        assert [warning.filename for warning in warned] == [__file__]
        taken = {f"{name} {contact_id}" for name in ("ship", "cancel") for contact_id in ids}
    else:
        dag = mapped_branches(ids, log)
        taken = {f"ship {ids[0]}", f"cancel {ids[1]}"}
    assert run_dag(dag).state == "success"
    assert set(log.read_text().splitlines()) == taken


def test_mapped_branch(run_dag: Any, make: Any, amazon_connect: LocalConnect, tmp_path: Path) -> None:
    """The way around it: a mapped operator, and mapped tasks after it, take each contact's branch on every version."""
    from airflow.providers.common.compat.sdk import task

    ids = decided(make, amazon_connect)
    log = tmp_path / "steps"

    @task
    def step(name: str, contact_id: str) -> None:
        with log.open("a") as file:
            file.write(f"{name} {contact_id}\n")

    with new_dag("mapped_branch") as dag:
        ContactBranchOperator.partial(
            task_id="branch", attribute="decision", branches={"approve": "ship", "refuse": "cancel"}
        ).expand(contact_id=ids) >> [
            step.override(task_id=name).partial(name=name).expand(contact_id=ids) for name in ("ship", "cancel")
        ]
    assert run_dag(dag).state == "success"
    assert set(log.read_text().splitlines()) == {f"ship {ids[0]}", f"cancel {ids[1]}"}


def test_branch_without_default_fails(
    run_one: Any,
    make: Any,
    amazon_connect: LocalConnect,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A value that no branch names fails the task, and is in no log."""
    contact_id = make()
    amazon_connect.complete(contact_id, {"decision": MARKED})
    state, _ = run_one(
        ContactBranchOperator, contact_id={"contact_id": contact_id}, attribute="decision", branches={"approve": "do"}
    )
    logged = caplog.text + "".join(capfd.readouterr())
    assert state == "failed"
    assert MARKED not in logged


NOT_THERE = "b1000000-0000-4000-8000-00000000dead"
ELSEWHERE = f"arn:aws:connect:us-east-1:123456789012:instance/another/contact/{NOT_THERE}"


def test_contacts_that_are_not_there(run_dag: Any, amazon_connect: LocalConnect, logged: Any) -> None:
    """A contact that the instance does not have, or of another instance, fails what is done with it, and says so."""
    branch: dict[str, Any] = {"attribute": "decision", "branches": {"approve": "stop"}, "default": "stop"}
    with new_dag("not_there") as dag:
        StopContactOperator(task_id="stop", contact_id=NOT_THERE)
        StopContactOperator(task_id="stop_many", contact_id=[NOT_THERE])
        StopContactOperator(task_id="stop_elsewhere", contact_id=[ELSEWHERE])
        TransferContactOperator(task_id="transfer_elsewhere", contact_id=ELSEWHERE, **TRANSFER)
        ContactSensor(task_id="sensor_elsewhere", contact_id=ELSEWHERE)
        CreateContactOperator(task_id="create_elsewhere", channel="TASK", related_contact_id=ELSEWHERE)
        ContactBranchOperator(task_id="branch", contact_id=NOT_THERE, **branch)
        ContactBranchOperator(task_id="branch_elsewhere", contact_id={"contact_id": ELSEWHERE}, **branch)
        ContactBranchOperator(task_id="branch_nothing", contact_id="{{ none }}", **branch)
        ContactBranchOperator(task_id="branch_of_two", contact_id=["a", "b"], **branch)
    assert set(states(run_dag(dag)).values()) == {"failed"}
    log = logged()
    for words in (
        f"Contact {NOT_THERE} does not exist in instance {amazon_connect.instance_id}",
        f"another instance than the one that is called, {amazon_connect.instance_id}",
        "related_contact_id: must be a contact of the instance that is called",
        "Task 'branch_nothing': contact_id has an item that is not a contact's ID",
        "Task 'branch_of_two': contact_id names 2 contacts. Give one.",
    ):
        assert words in log, words
    assert {call.operation for call in amazon_connect.calls()} <= {
        "StopContact",
        "DescribeContact",
        "ListAssociatedContacts",
        "GetContactAttributes",
        "DescribeInstance",
    }


def test_one_contact_is_named_in_its_error(run_dag: Any, make: Any, amazon_connect: LocalConnect, logged: Any) -> None:
    """Of one contact, the error of every operation names its ID; of one that does not exist, the instance too."""
    ended = make()
    amazon_connect.complete(ended)
    with new_dag("named") as dag:
        StopContactOperator(task_id="stop", contact_id=NOT_THERE)
        TransferContactOperator(task_id="transfer", contact_id=NOT_THERE, **TRANSFER)
        TransferContactOperator(task_id="transfer_ended", contact_id=ended, **TRANSFER)
        UpdateContactAttributesOperator(task_id="update", contact_id=NOT_THERE, attributes={"decision": "yes"})
        TagContactOperator(task_id="tag", contact_id=NOT_THERE, tags={"team": "care"})
    assert set(states(run_dag(dag)).values()) == {"failed"}
    log = logged().replace("\\'", "'")  # Airflow 3.0 logs the exception's repr as well
    for operation in ("StopContact", "TransferContact", "UpdateContactAttributes", "TagContact"):
        [error] = set(re.findall(f"{operation} failed with ResourceNotFoundException.*?Request ID [0-9a-f-]+", log))
        assert f"ContactId '{NOT_THERE}'" in error
        assert f"the instance '{amazon_connect.instance_id}'" in error
    assert f"Contact {ended}: TransferContact failed with" in log


def test_results_of_a_mapped_task(run_dag: Any, amazon_connect: LocalConnect, tmp_path: Path) -> None:
    """The list that a mapped bulk task returns is all of its results: waited for, tagged, stopped and counted."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.bulk import BulkCreateContactsOperator, count_results, read_results

    @task
    def read(summaries: Any) -> dict[str, Any]:
        return {
            "counts": count_results(list(summaries)),
            "orders": [row["key"] for row in read_results(list(summaries))],
        }

    with new_dag("mapped_results") as dag:
        bulk = BulkCreateContactsOperator.partial(
            task_id="bulk",
            contact={"channel": "TASK", "name": "Order {{ row.order }}"},
            idempotency_key="{{ row.order }}",
            results_path=str(tmp_path),
        ).expand(rows=[[{"order": 1}, {"order": 2}], [{"order": 3}]])
        tag = TagContactOperator(task_id="tag", results=bulk.output, tags={"run": "mapped"})
        stop = StopContactOperator(task_id="stop", results=bulk.output)
        wait = ContactSensor(task_id="wait", results=bulk.output, poke_interval=0.1, timeout=60)
        bulk >> tag >> stop >> wait >> read(bulk.output)
    run = run_dag(dag)
    assert run.state == "success", states(run)
    assert (xcom(run, "tag")["tagged"], xcom(run, "stop")["stopped"], xcom(run, "wait")["stopped"]) == (3, 3, 3)
    assert {contact["tags"]["run"] for contact in amazon_connect.contacts("ENDED")} == {"mapped"}
    reported = xcom(run, "read")
    assert (reported["counts"]["rows"], reported["counts"]["created"], reported["orders"]) == (3, 3, ["1", "2", "3"])
