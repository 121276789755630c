"""One contact per task instance, whatever happens to the answers and to the worker; in a running Airflow."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.until import until

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator
    from tools.local_airflow import LocalAirflow

HAS_STATE_STORE = (3, 3)
# Airflow 3.0 fails a task whose process was killed at once, whatever its retries; a person clears it.
NO_RETRY_AFTER_A_KILL = (3, 0)


def test_lost_answers_make_no_second_contact(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """Fifteen mapped task instances make fifteen contacts through throttling, 5xx and answers lost after the fact."""
    emulator.set_faults(
        "CreateContact:throttle=0.2, CreateContact:error_500=0.05, CreateContact:error_503=0.05,"
        "CreateContact:error_500_after=0.05, CreateContact:cut_after=0.05, CreateContact:truncated=0.05,"
        "CreateContact:cut_body=0.05",
        seed=7,
    )
    run_id = local_airflow.run("mapped", timeout=240)

    contacts = emulator.contacts()
    assert sorted(contact["name"] for contact in contacts) == sorted(f"Row {number}" for number in range(15))
    assert {contact["description"] for contact in contacts} == {"{{ not_a_template }}"}
    faults = Counter(call.fault.partition("(")[0] for call in emulator.calls("CreateContact") if call.fault)
    lost = sum(faults[kind] for kind in ("error_500_after", "cut_after", "truncated", "cut_body"))
    assert lost >= 2, f"too few answers were lost to show anything: {faults}"

    by_name = {contact["name"]: contact for contact in contacts}
    for number in range(15):
        contact_id = by_name[f"Row {number}"]["id"]
        assert local_airflow.xcom("mapped", run_id, "contact", number) == contact_id
        assert local_airflow.xcom("mapped", run_id, "contact", number, key="contact_arn").endswith(contact_id)
    contact_id = by_name["Row 3"]["id"]
    links = local_airflow.extra_links("mapped", run_id, "contact", 3)
    assert links["Contact"].endswith(f"/contact-trace-records/details/{contact_id}")
    rendered = local_airflow.rendered_fields("mapped", run_id, "contact", 3)
    assert rendered["attributes"] == "***"
    assert rendered["name"] == "Row 3"


def test_cleared_task_gets_the_same_contact(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """A cleared task instance returns the contact that it made before; with a task state store without a call."""
    run_id = local_airflow.run("mapped", timeout=120)
    before = local_airflow.xcom("mapped", run_id, "contact", 4)
    calls = len(emulator.calls("CreateContact"))

    local_airflow.clear("mapped", run_id, "contact", 4)
    assert local_airflow.wait("mapped", run_id, timeout=120) == "success"

    assert local_airflow.task_instance("mapped", run_id, "contact", 4).try_number == 2
    assert local_airflow.xcom("mapped", run_id, "contact", 4) == before
    assert len(emulator.contacts()) == 15
    again = emulator.calls("CreateContact")[calls:]
    if local_airflow.release >= HAS_STATE_STORE:
        assert again == []
    else:
        assert [call.contact_id for call in again] == [before]


def test_token_that_amazon_forgot(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """With a task state store, a clear does not create a second contact even after Amazon forgot the token."""
    if local_airflow.release < HAS_STATE_STORE:
        pytest.skip("needs a task state store (Airflow 3.3); CI runs this on 3.3")
    run_id = local_airflow.run("mapped", timeout=120)
    emulator.clock.advance(400 * 24 * 3600)

    local_airflow.clear("mapped", run_id, "contact", 0)
    assert local_airflow.wait("mapped", run_id, timeout=120) == "success"

    assert len(emulator.contacts()) == 15


def test_killed_workers_make_one_contact_each(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """Twenty workers die of SIGKILL, half of them between the send and the answer: twenty contacts, none twice."""
    emulator.set_faults("CreateContact:slow(1500)=1", seed=1)
    chance = random.Random(20)
    run_id = local_airflow.trigger("killed")
    kills: list[str] = []

    def kill(number: int) -> None:
        deadline = time.monotonic() + 240
        after_send = number % 2 == 0
        while time.monotonic() < deadline:
            pids = local_airflow.worker_pids("killed", run_id, "contact", number)
            sent = any(contact["name"] == f"Victim {number}" for contact in emulator.contacts())
            if pids and (sent or not after_send):
                time.sleep(chance.uniform(0, 1.0))
                local_airflow.kill("killed", run_id, "contact", number, timeout=5)
                kills.append("after the send" if after_send else "at random")
                return
            time.sleep(0.02)

    threads = [threading.Thread(target=kill, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = local_airflow.wait("killed", run_id, timeout=240)
    if local_airflow.release == NO_RETRY_AFTER_A_KILL:
        for one in local_airflow.task_instances("killed", run_id):
            if one.state == "failed":
                local_airflow.clear("killed", run_id, "contact", one.map_index)
        state = local_airflow.wait("killed", run_id, timeout=240)
    assert state == "success"

    assert len(kills) == 20, f"only {Counter(kills)} were killed"
    assert Counter(contact["name"] for contact in emulator.contacts()) == Counter(
        f"Victim {number}" for number in range(20)
    )
    repeated = Counter(call.client_token for call in emulator.calls("CreateContact"))
    assert sum(count > 1 for count in repeated.values()) >= 8, "the kills did not fall between send and answer"
    made = {contact["id"] for contact in emulator.contacts()}
    assert {local_airflow.xcom("killed", run_id, "contact", number) for number in range(20)} == made


def test_killed_worker_calls_nobody_again(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """A worker dies of SIGKILL after the customer was called: neither its retry nor a clear calls a second time."""
    emulator.set_phones("+=busy")  # so that the client token is forgotten at once
    emulator.set_faults("StartOutboundVoiceContact:slow(60000)=1", seed=1)
    run_id = local_airflow.trigger("called")
    until(emulator.contacts)
    local_airflow.kill("called", run_id, "call")
    assert local_airflow.wait("called", run_id, timeout=240) == "failed"
    emulator.set_faults("")

    local_airflow.clear("called", run_id, "call")
    assert local_airflow.wait("called", run_id, timeout=120) == "failed"
    tries = local_airflow.task_instance("called", run_id, "call").try_number
    assert tries == (2 if local_airflow.release == NO_RETRY_AFTER_A_KILL else 3)
    assert "An earlier attempt may have called" in local_airflow.logs("called", run_id, "call", try_number=tries)
    assert len(emulator.contacts()) == len(emulator.calls("StartOutboundVoiceContact")) == 1
    assert local_airflow.rendered_fields("called", run_id, "call")["destination_phone_number"] == "***"


def test_cleared_call_is_not_made_again(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """A call that was made is on record: a clear returns its contact, and calls nobody."""
    emulator.set_phones("+=busy")
    run_id = local_airflow.run("called", timeout=120)
    before = local_airflow.xcom("called", run_id, "call")
    local_airflow.clear("called", run_id, "call")
    assert local_airflow.wait("called", run_id, timeout=120) == "success"
    assert local_airflow.xcom("called", run_id, "call") == before
    assert len(emulator.calls("StartOutboundVoiceContact")) == 1


def test_template_that_changes_is_reported(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """A retry that renders other content fails for good and says why, and no second contact is made."""
    emulator.set_faults("CreateContact@1:cut_after", seed=0)
    run_id = local_airflow.trigger("changed_template")
    assert local_airflow.wait("changed_template", run_id, timeout=120) == "failed"

    assert local_airflow.task_instance("changed_template", run_id, "contact").try_number == 2
    assert len(emulator.contacts()) == 1
    log = local_airflow.logs("changed_template", run_id, "contact", try_number=2)
    assert "Render the same values on every attempt" in log
    if local_airflow.release >= HAS_STATE_STORE:
        assert "Changed: Description." in log
        assert len(emulator.calls("CreateContact")) == 1
    else:
        assert "IdempotencyException" in log
