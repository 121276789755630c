"""The trigger: what it carries, what its event says, and what it does when its task is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.calls.defaults import THREADS
from airflow_connect.emulator.resources import TO_QUEUE_FLOW
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.triggers import connect as triggers
from airflow_connect.triggers.connect import ContactTrigger

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.testing import LocalConnect

MARKED = "customer-content-31415"


@pytest.fixture
def make(amazon_connect: LocalConnect) -> Callable[..., str]:
    """A function that makes a contact."""
    hook = ConnectHook()
    return lambda **arguments: str(hook.create_contact(channel="TASK", name="Check", **arguments)["ContactId"])


def again(trigger: ContactTrigger) -> ContactTrigger:
    """Return the trigger as a triggerer makes it from what Airflow's database has."""
    path, arguments = trigger.serialize()
    assert path == "airflow_connect.triggers.connect.ContactTrigger"
    return ContactTrigger(**json.loads(json.dumps(arguments)))


async def fired(trigger: ContactTrigger) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("a trigger fires")


def test_arguments_survive_the_database() -> None:
    """Everything that leads to the instance reaches the triggerer unharmed."""
    arguments = {
        "contact_ids": ["a", "b"],
        "results": None,
        "results_conn_id": None,
        "attributes": ["decision"],
        "poke_interval": 5.0,
        "deadline": 1_800_000_000.0,
        "wait_for": "80%",
        "stop_on_kill": True,
        "instance_id": "instance",
        "max_retry_time": 7.0,
        "aws_conn_id": "aws_other",
        "region_name": "eu-central-1",
        "verify": False,
        "botocore_config": {"read_timeout": 3, "retries": {"max_attempts": 2}},
    }
    trigger = again(ContactTrigger(**arguments))
    assert trigger.serialize()[1] == arguments


def test_connection_of_the_trigger_is_that_of_the_task(amazon_connect: LocalConnect) -> None:
    """Region, certificates and botocore's configuration are in the client that reads."""
    trigger = again(
        ContactTrigger(contact_ids=["a"], region_name="eu-west-2", verify=False, botocore_config={"read_timeout": 3})
    )
    reader: Any = asyncio.run(trigger._reads()).reader
    assert reader.conn.meta.config.read_timeout == 3
    assert reader.conn.meta.region_name == "eu-west-2"
    assert reader.verify is False


def test_event_has_no_content(make: Any, amazon_connect: LocalConnect, caplog: pytest.LogCaptureFixture) -> None:
    """Airflow logs and keeps events: they say who ended and how, and nothing that a customer or agent wrote."""
    caplog.set_level(logging.DEBUG)
    contact_id = make(attributes={"iban": MARKED})
    amazon_connect.complete(contact_id, {"note": MARKED})
    event = asyncio.run(fired(again(ContactTrigger(contact_ids=[contact_id]))))
    assert event["status"] == "success"
    assert event["summary"] == {
        "contacts": 1,
        "completed": 1,
        "stopped": 0,
        "expired": 0,
        "transferred": 0,
        "failed": 0,
        "open": 0,
    }
    [outcome] = event["ended"]
    assert (outcome["contact_id"], outcome["state"], outcome["attributes"]) == (contact_id, "completed", {})
    assert MARKED not in json.dumps(event) + caplog.text


def test_time_is_up(make: Any) -> None:
    """At its deadline a trigger says what there is; one that starts after it looks once."""
    event = asyncio.run(fired(again(ContactTrigger(contact_ids=[make()], deadline=time.time() - 1))))
    assert (event["status"], event["summary"]["open"]) == ("timeout", 1)


def test_no_permission_ends_the_wait(make: Any, amazon_connect: LocalConnect) -> None:
    """What no waiting helps against is reported at once, with Amazon's reason and what to do."""
    contact_id = make()
    with amazon_connect.faults("DescribeContact:expired_token=1"):
        event = asyncio.run(fired(again(ContactTrigger(contact_ids=[contact_id]))))
    assert event["status"] == "error"
    assert "ExpiredTokenException" in event["message"]


def test_outage_is_waited_out(make: Any, amazon_connect: LocalConnect) -> None:
    """A service that does not answer for a while costs time and nothing else."""
    contact_id = make()
    amazon_connect.complete(contact_id)

    async def outage() -> Any:
        trigger = again(ContactTrigger(contact_ids=[contact_id], poke_interval=0.1, max_retry_time=0))
        amazon_connect.faults("DescribeContact:error_500=1")
        waiting = asyncio.create_task(fired(trigger))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        amazon_connect.emulator.set_faults("")
        return await asyncio.wait_for(waiting, 10)

    assert asyncio.run(outage())["status"] == "success"


def test_each_thread_that_reads_has_a_connection(amazon_connect: LocalConnect) -> None:
    """As many connections are kept as reads fly at once: urllib3 would throw away the others, each with a warning."""
    for options in ({}, {"botocore_config": {"max_pool_connections": 3}}):
        reader: Any = asyncio.run(ContactTrigger(contact_ids=["a"], **options)._reads()).reader
        assert reader.conn.meta.config.max_pool_connections == THREADS


def test_event_says_what_open_contacts_were_transferred_to(make: Any, amazon_connect: LocalConnect) -> None:
    """The task that goes on after the trigger need not ask again."""
    contact_id = make()
    transfer = {"InstanceId": amazon_connect.instance_id, "ContactFlowId": TO_QUEUE_FLOW.id}
    successor = amazon_connect.client.transfer_contact(ContactId=contact_id, **transfer)["ContactId"]
    event = asyncio.run(fired(again(ContactTrigger(contact_ids=[contact_id], deadline=time.time()))))
    assert event["transferred_to"] == {contact_id: successor}


def test_triggers_of_one_instance_share_a_client(make: Any) -> None:
    """Hundreds of triggers have one client and one pace; another connection has its own."""
    contact_id = make()
    one, two = (again(ContactTrigger(contact_ids=[contact_id])) for _ in range(2))
    other = again(ContactTrigger(contact_ids=[contact_id], botocore_config={"read_timeout": 3}))

    async def reads() -> list[Any]:
        return [await trigger._reads() for trigger in (one, two, other)]

    first, second, third = asyncio.run(reads())
    assert first is second
    assert third is not first


async def cancelled(trigger: ContactTrigger) -> None:
    """Run a trigger as a triggerer does, and cancel it while it waits."""
    waiting = asyncio.create_task(fired(trigger))
    while trigger._wait is None or trigger._wait.watch.reads < len(trigger.contact_ids or ()):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


def test_kill_stops_what_is_open(make: Any, amazon_connect: LocalConnect) -> None:
    """Since Airflow 3.3 the triggerer says that the task was killed: what is open is stopped, once each."""
    done, left = make(), make()
    amazon_connect.complete(done)

    async def kill() -> None:
        trigger = again(ContactTrigger(contact_ids=[done, left], stop_on_kill=True))
        await cancelled(trigger)
        await trigger.on_kill()
        await trigger.on_kill()

    asyncio.run(kill())
    assert [call.contact_id for call in amazon_connect.calls("StopContact")] == [left]
    assert amazon_connect.contact(left)["disconnect_reason"] == "API"


def test_kill_leaves_contacts_alone_unless_it_is_wanted(make: Any, amazon_connect: LocalConnect) -> None:
    """Without stop_on_kill, and after the trigger has fired, nothing is stopped."""
    done, left = make(), make()
    amazon_connect.complete(done)

    async def kill() -> None:
        trigger = again(ContactTrigger(contact_ids=[left]))
        await cancelled(trigger)
        await trigger.on_kill()
        over = again(ContactTrigger(contact_ids=[done, left], wait_for="any", stop_on_kill=True))
        await fired(over)
        await over.on_kill()

    asyncio.run(kill())
    assert amazon_connect.calls("StopContact") == []


@pytest.mark.parametrize(("deferred", "stopped"), [(True, 0), (False, 1)])
def test_clean_up_before_airflow_3_3(
    make: Any, amazon_connect: LocalConnect, monkeypatch: pytest.MonkeyPatch, *, deferred: bool, stopped: int
) -> None:
    """Until Airflow 3.3 a task that is not deferred any more was killed; one that still is has lost its triggerer."""
    # The version that runs this test may be another, and the states of tasks are in the scheduler's hands.
    monkeypatch.setattr(triggers, "TRIGGERS_HAVE_ON_KILL", False)
    monkeypatch.setattr(triggers, "is_deferred", lambda _ti: deferred)
    left = make()

    async def clean_up() -> None:
        trigger = again(ContactTrigger(contact_ids=[left], stop_on_kill=True))
        trigger.task_instance = SimpleNamespace(task_id="wait")
        await cancelled(trigger)
        await trigger.cleanup()

    asyncio.run(clean_up())
    assert len(amazon_connect.calls("StopContact")) == stopped


def test_clean_up_that_is_cancelled_stops_what_is_open(
    make: Any, amazon_connect: LocalConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 3.0 to 3.2 cancel a trigger anew while it cleans up: what it asks and does then goes on to its end."""
    asked, answered = threading.Event(), threading.Event()

    def slowly(_ti: object) -> bool:
        asked.set()
        answered.wait(10)
        return False

    monkeypatch.setattr(triggers, "TRIGGERS_HAVE_ON_KILL", False)
    monkeypatch.setattr(triggers, "is_deferred", slowly)
    left = make()

    async def clean_up() -> None:
        trigger = again(ContactTrigger(contact_ids=[left], stop_on_kill=True))
        trigger.task_instance = SimpleNamespace(task_id="wait")
        await cancelled(trigger)
        cleaning = asyncio.create_task(trigger.cleanup())
        await asyncio.to_thread(asked.wait)
        cleaning.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cleaning
        answered.set()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    asyncio.run(clean_up())
    assert [call.contact_id for call in amazon_connect.calls("StopContact")] == [left]


def test_clean_up_without_an_answer_stops_nothing(
    make: Any, amazon_connect: LocalConnect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Airflow does not say whether the task was killed, contacts go on."""

    def no_answer(_ti: object) -> bool:
        raise ConnectionError

    monkeypatch.setattr(triggers, "TRIGGERS_HAVE_ON_KILL", False)
    monkeypatch.setattr(triggers, "is_deferred", no_answer)
    left = make()

    async def clean_up() -> None:
        trigger = again(ContactTrigger(contact_ids=[left], stop_on_kill=True))
        await cancelled(trigger)
        await trigger.cleanup()

    asyncio.run(clean_up())
    assert amazon_connect.calls("StopContact") == []
