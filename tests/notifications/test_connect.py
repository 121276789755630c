"""The notifier against a local Amazon Connect, with contexts as Airflow gives them."""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_connect.notifications.connect import ContactNotifier
from airflow_connect.permissions import PERMISSIONS

if TYPE_CHECKING:
    from airflow_connect.testing import LocalConnect

pytestmark = pytest.mark.usefixtures("amazon_connect")
FLOW = "f1000000-0000-4000-8000-000000000001"


def of_task(task_id: str = "load", run_id: str = "r1", map_index: int = -1, clear_number: int = 0) -> dict[str, Any]:
    """The context of a task's callback, as far as a notifier reads it."""
    return {
        "dag": DAG("billing", schedule=None, start_date=datetime(2026, 1, 1)),
        "ti": SimpleNamespace(dag_id="billing", run_id=run_id, task_id=task_id, map_index=map_index),
        "dag_run": SimpleNamespace(clear_number=clear_number),
        "run_id": run_id,
    }


def of_dag(run_id: str = "r1", reason: str = "task_failure", clear_number: int = 0) -> dict[str, Any]:
    """The context of a DAG's callback."""
    return {**of_task(run_id=run_id, clear_number=clear_number), "reason": reason}


def of_deadline(run_id: str = "r1") -> dict[str, Any]:
    """What Airflow 3.1 and later know of a missed deadline."""
    return {
        "dag_run": {"dag_id": "billing", "dag_run_id": run_id, "state": "running"},
        "deadline": {"id": "d1", "deadline_time": "2026-11-24T20:00:00Z"},
    }


def test_contact_of_a_run_is_one_for_all_its_tasks(amazon_connect: LocalConnect) -> None:
    """Every failing task of a run and the run itself open one contact, the first to fail gives it its words."""
    notify = ContactNotifier()
    notify(of_task("load"))
    notify(of_task("publish"))
    notify(of_dag())

    [contact] = amazon_connect.contacts()
    assert contact["attributes"]["task_id"] == "load"
    assert contact["description"] == "Dag run: r1\nFailed: load"


def test_contact_of_a_task(amazon_connect: LocalConnect) -> None:
    """With the scope of a task each task instance of a run has its contact, however often it asks."""
    notify = ContactNotifier(scope="task")
    for context in (of_task("load"), of_task("load"), of_task("send", map_index=3), of_task("send", map_index=4)):
        notify(context)

    contacts = amazon_connect.contacts()
    assert [contact["name"].partition(" [")[0] for contact in contacts] == [
        "load of billing failed",
        "send of billing failed",
        "send of billing failed",
    ]
    assert "Failed: send[3]" in contacts[1]["description"]


def test_cleared_run_that_fails_again_opens_another(amazon_connect: LocalConnect) -> None:
    """What fails again after a clear is news, and opens another contact; a success ends both."""
    notify = ContactNotifier()
    notify(of_dag())
    notify(of_dag(clear_number=1))
    assert len(amazon_connect.contacts()) == 2

    ContactNotifier(action="stop")(of_dag(reason="success", clear_number=2))

    assert len(amazon_connect.contacts("ENDED")) == 2


def test_contact_of_a_dag_stays_open_over_runs(amazon_connect: LocalConnect) -> None:
    """With the scope of a DAG one contact stays open over failing runs; one that an agent ended has a successor."""
    notify = ContactNotifier(scope="dag", contact_flow_id=FLOW)
    for run_id in ("r1", "r2"):
        notify(of_dag(run_id))
    [first] = amazon_connect.contacts()

    amazon_connect.complete(first["id"])
    for run_id in ("r3", "r4"):
        notify(of_dag(run_id))

    assert [contact["attributes"]["run_id"] for contact in amazon_connect.contacts()] == ["r1", "r3"]
    assert len(amazon_connect.contacts("QUEUED")) == 1


def test_contact_of_a_dag_while_the_index_lags(amazon_connect: LocalConnect) -> None:
    """Runs that fail before SearchContacts knows of the first contact open no second one."""
    notify = ContactNotifier(scope="dag", contact_flow_id=FLOW)
    notify(of_dag("r1"))
    amazon_connect.emulator.service._search._lag = 3600.0
    try:
        notify(of_dag("r2"))
    finally:
        amazon_connect.emulator.service._search._lag = 0.0

    assert len(amazon_connect.contacts()) == 1


def test_end_takes_the_successor_of_a_transfer(amazon_connect: LocalConnect) -> None:
    """A contact that was transferred is ended where it went on; others stay open."""
    ContactNotifier(contact_flow_id=FLOW)(of_dag("r1"))
    ContactNotifier(contact_flow_id=FLOW)(of_dag("r2"))
    first = amazon_connect.contacts()[0]
    amazon_connect.client.transfer_contact(
        InstanceId=amazon_connect.instance_id, ContactId=first["id"], ContactFlowId=FLOW
    )

    ContactNotifier(action="stop")(of_dag("r1", reason="success"))

    assert [contact["attributes"]["run_id"] for contact in amazon_connect.contacts("QUEUED")] == ["r2"]


def with_the_code(amazon_connect: LocalConnect, **members: Any) -> str:
    """Make a contact of a customer whose words end with the code of the notifier's newest contact."""
    code = amazon_connect.contacts()[-1]["name"].rpartition(" ")[2]
    request = {"Channel": "TASK", "InitiationMethod": "API", "Name": f"Re: your message {code}", **members}
    return str(amazon_connect.client.create_contact(InstanceId=amazon_connect.instance_id, **request)["ContactId"])


COPIED = {"dag_id": "billing", "incident": "failure", "run_id": "r1"}


@pytest.mark.parametrize("scope", ["dag_run", "dag"])
@pytest.mark.parametrize("attributes", [{}, COPIED, COPIED | {"airflow_notifier": "0" * 64}], ids=len)
def test_contact_of_a_customer_is_not_ended(
    amazon_connect: LocalConnect, scope: str, attributes: dict[str, str]
) -> None:
    """A success ends the notifier's own contact, and not a customer's whose text holds the code."""
    ContactNotifier(scope=scope)(of_dag())
    theirs = with_the_code(amazon_connect, Attributes=attributes)

    ContactNotifier(scope=scope, action="stop")(of_dag(reason="success"))

    assert len(amazon_connect.contacts("ENDED")) == 1
    assert amazon_connect.contact(theirs)["state"] == "CREATED"


@pytest.mark.parametrize("attributes", [{}, COPIED], ids=len)
def test_contact_of_a_customer_silences_nothing(amazon_connect: LocalConnect, attributes: dict[str, str]) -> None:
    """A failing run opens a contact although a customer's open contact has the code in its text."""
    notify = ContactNotifier(scope="dag")
    notify(of_dag("r1"))
    with_the_code(amazon_connect, Attributes=attributes)
    amazon_connect.complete(amazon_connect.contacts()[0]["id"])
    notify(of_dag("r2"))
    notify(of_dag("r3"))

    opened = [contact for contact in amazon_connect.contacts() if contact["name"].startswith("billing failed")]
    assert [contact["attributes"]["run_id"] for contact in opened] == ["r1", "r2"]


def test_mark_is_not_an_authors_attribute(amazon_connect: LocalConnect) -> None:
    """An attribute of an author cannot take the mark away, by which a success finds the contact."""
    ContactNotifier(attributes={"airflow_notifier": "mine", "team": "billing"})(of_dag())
    ContactNotifier(action="stop")(of_dag(reason="success"))

    [contact] = amazon_connect.contacts("ENDED")
    assert contact["attributes"]["team"] == "billing"


def test_end_of_what_an_agent_ended(amazon_connect: LocalConnect, caplog: pytest.LogCaptureFixture) -> None:
    """A success after an agent completed the contact changes nothing, and is no error."""
    ContactNotifier()(of_dag())
    [contact] = amazon_connect.contacts()
    amazon_connect.complete(contact["id"])

    with caplog.at_level(logging.INFO):
        ContactNotifier(action="stop")(of_dag(reason="success"))

    assert amazon_connect.contact(contact["id"])["disconnect_reason"] == "AGENT_COMPLETED"
    assert amazon_connect.calls("StopContact") == []
    assert "could not" not in caplog.text


def test_success_without_a_contact_makes_none(amazon_connect: LocalConnect) -> None:
    """A success of what never failed is one call, and makes nothing."""
    ContactNotifier(action="stop")(of_dag(reason="success"))

    assert [call.operation for call in amazon_connect.calls()] == ["SearchContacts"]


def test_incidents_are_apart(amazon_connect: LocalConnect) -> None:
    """A failure and a missed deadline of one run are two contacts, and each is ended by its own name."""
    ContactNotifier()(of_dag())
    ContactNotifier()(of_deadline())
    assert [contact["name"].partition(" [")[0] for contact in amazon_connect.contacts()] == [
        "billing failed",
        "billing missed its deadline",
    ]

    ContactNotifier(action="stop", incident="deadline")(of_dag(reason="success"))

    assert [contact["attributes"]["incident"] for contact in amazon_connect.contacts("ENDED")] == ["deadline"]


def test_awaited_notifier(amazon_connect: LocalConnect) -> None:
    """Airflow's triggerer makes the notifier with the context and awaits it."""

    async def alert() -> None:
        await ContactNotifier(name="{{ dag_run.dag_id }} is late", context=of_deadline())

    asyncio.run(alert())

    [contact] = amazon_connect.contacts()
    assert re.fullmatch(r"billing is late \[[0-9a-f]{12}\]", contact["name"])


def test_deadline_that_cannot_be_reported_is_a_failed_callback(amazon_connect: LocalConnect) -> None:
    """In a deadline alert the error goes to Airflow, which keeps the state of the callback and not of the run."""
    notify = ContactNotifier(instance_id="00000000-0000-4000-8000-000000000000", context=of_deadline())

    async def alert() -> None:
        await notify

    with pytest.raises(Exception, match="ResourceNotFoundException") as awaited:
        asyncio.run(alert())
    with pytest.raises(Exception, match="ResourceNotFoundException") as called:
        notify(of_deadline())
    for error in (awaited.value, called.value):
        # Neither what it came of nor the functions that hold what the contact holds.
        assert error.__cause__ is error.__context__ is None
        assert {frame.name for frame in traceback.extract_tb(error.__traceback__)}.isdisjoint({"notify", "call"})


def test_missed_sla_of_airflow_2(amazon_connect: LocalConnect) -> None:
    """The five arguments of ``sla_miss_callback`` are one contact for one logical date."""
    dag = of_dag()["dag"]
    slas = [SimpleNamespace(execution_date=datetime(2026, 11, 24), task_id="load", dag_id="billing")]
    notify = ContactNotifier()
    notify(dag, "load", "", slas, [])
    notify(dag, "load", "", slas, [])

    [contact] = amazon_connect.contacts()
    assert contact["name"].startswith("billing missed its SLA [")


def test_context_without_a_task_instance(amazon_connect: LocalConnect) -> None:
    """A DAG's callback on Airflow 3 may know nothing but the DAG, the run and the reason."""
    context = {"dag": of_dag()["dag"], "run_id": "r1", "reason": "all_tasks_deadlocked"}
    ContactNotifier(scope="task")(context)

    [contact] = amazon_connect.contacts()
    assert contact["description"] == "Dag run: r1\nReason: all_tasks_deadlocked"


def test_templates_are_rendered_for_each_callback(amazon_connect: LocalConnect) -> None:
    """A notifier keeps its templates: two callbacks of one process get each their own words."""
    notify = ContactNotifier(name="{{ run_id }} broke", references={"Page": "https://example.com/{{ run_id }}"})
    notify(of_dag("r1"))
    notify(of_dag("r2"))

    contacts = amazon_connect.contacts()
    assert [contact["name"].partition(" [")[0] for contact in contacts] == ["r1 broke", "r2 broke"]
    assert contacts[1]["references"]["Page"]["Value"] == "https://example.com/r2"
    assert notify.name == "{{ run_id }} broke"


@pytest.mark.parametrize(
    "words",
    [
        {"name": "{{ no_such.thing.at_all }}"},
        {"name": "{{ ('x' * 50) | int(default='y') + 1 }}"},
        {"name": "{{ macros['x' * 50]() }}"},
        {"name": "x" * 2000},
        {"references": {"Page": "x" * 5000}},
        {"attributes": "{{ 'x' * 50 }}"},
        {"references": ["x" * 50]},
    ],
    ids=["template", "type", "macro", "name", "references", "text", "list"],
)
def test_words_that_cannot_be_used(
    amazon_connect: LocalConnect, caplog: pytest.LogCaptureFixture, words: dict[str, Any]
) -> None:
    """Words that do not render or break a rule of Amazon's give way to the default ones; a contact is opened."""
    ContactNotifier(**words)(of_dag())

    [contact] = amazon_connect.contacts()
    assert contact["name"].startswith("billing failed [")
    assert "The contact gets" in caplog.text
    assert "xxxxx" not in caplog.text


def test_failure_is_logged_with_its_reason(amazon_connect: LocalConnect, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be opened is logged with the reason and without the contact's content, and raises nothing."""
    amazon_connect.faults("CreateContact:error_500=1")
    ContactNotifier(max_retry_time=0, description="sekret")(of_dag())

    assert (
        "ContactNotifier could not create a contact: CreateContact failed with InternalServiceException" in caplog.text
    )
    assert "sekret" not in caplog.text


def test_lost_answer_opens_one_contact(amazon_connect: LocalConnect) -> None:
    """A call that is repeated after a lost answer opens no second contact."""
    amazon_connect.faults("CreateContact@1:cut_after")
    ContactNotifier()(of_dag())

    assert len(amazon_connect.calls("CreateContact")) == 2
    assert len(amazon_connect.contacts()) == 1


def test_search_that_is_not_allowed(emulator_that_denies_search: LocalConnect) -> None:
    """Without the right to search, a DAG's contact is one for each failing run rather than none."""
    for run_id in ("r1", "r1", "r2"):
        ContactNotifier(scope="dag")(of_dag(run_id))

    assert [contact["attributes"]["run_id"] for contact in emulator_that_denies_search.contacts()] == ["r1", "r2"]


def test_search_that_does_not_answer(amazon_connect: LocalConnect) -> None:
    """While nobody can say whether a contact of the DAG is open, one more is better than none."""
    amazon_connect.faults("SearchContacts:error_500=1")
    for run_id in ("r1", "r1"):
        ContactNotifier(scope="dag", max_retry_time=0)(of_dag(run_id))

    assert [contact["attributes"]["run_id"] for contact in amazon_connect.contacts()] == ["r1"]


@pytest.fixture
def emulator_that_denies_search(amazon_connect: LocalConnect, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A local Amazon Connect whose SearchContacts is not allowed, behind ``aws_default``."""
    import json

    from airflow_connect.emulator.server import Emulator
    from airflow_connect.testing import LocalConnect

    with Emulator(deny=["SearchContacts"]) as emulator:
        connect = LocalConnect(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connect.connection))
        yield connect


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"scope": "run"}, "scope must be dag_run, task or dag, not 'run'"),
        ({"action": "close"}, "action must be create or stop, not 'close'"),
        ({"contact_flow_id": FLOW, "user_info": "u"}, "routes its contact by one of"),
    ],
    ids=["scope", "action", "routes"],
)
def test_wrong_arguments_are_refused_where_they_are_written(arguments: dict[str, Any], said: str) -> None:
    """A word that is none, and two ways to route a contact, are errors of the DAG's file."""
    with pytest.raises(ValueError, match=re.escape(said)):
        ContactNotifier(**arguments)


def test_expiry_reaches_both_kinds_of_contacts(amazon_connect: LocalConnect) -> None:
    """The expiry counts for a contact that a flow routes and for one that none does."""
    ContactNotifier(expiry_duration_in_minutes=90)(of_dag("r1"))
    ContactNotifier(expiry_duration_in_minutes=90, contact_flow_id=FLOW)(of_dag("r2"))

    assert [contact["expiry_minutes"] for contact in amazon_connect.contacts()] == [90, 90]


def test_policy_is_what_the_notifier_calls(amazon_connect: LocalConnect) -> None:
    """The documented permissions are the operations that the notifier calls, no more and no fewer."""
    ContactNotifier()(of_dag())
    for run_id in ("r1", "r2"):
        ContactNotifier(scope="dag", contact_flow_id=FLOW)(of_dag(run_id))
    ContactNotifier(scope="dag", action="stop")(of_dag(reason="success"))

    assert {call.operation for call in amazon_connect.calls()} == {one.action for one in PERMISSIONS["ContactNotifier"]}
