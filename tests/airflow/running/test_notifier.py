"""The notifier in the callbacks of a running Airflow: what one contact stands for, and that it fails nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.until import until

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator
    from tools.local_airflow import LocalAirflow

#: The DAG processor of Airflow 3.0 cannot say which tasks of a run have failed.
DOES_NOT_KNOW_FAILED_TASKS = (3, 0)


def at_least(count: int, found: list[Any]) -> list[Any]:
    """Return what was found if it is enough: callbacks run after a task or a run has ended."""
    return found if len(found) >= count else []


def test_one_contact_until_it_is_well(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """A failing task with retries opens one contact, its run another; a clear that helps ends both."""
    run_id = local_airflow.trigger("notifies")
    assert local_airflow.wait("notifies", run_id) == "failed"

    opened = {
        contact["name"].partition(" [")[0]: contact for contact in until(lambda: at_least(2, emulator.contacts()))
    }
    assert set(opened) == {"well_after_a_clear is broken", "notifies failed"}
    of_task, of_run = opened["well_after_a_clear is broken"], opened["notifies failed"]
    assert len(emulator.calls("CreateContact")) == 2
    assert of_task["attributes"] == {
        "dag_id": "notifies",
        "run_id": run_id,
        "task_id": "well_after_a_clear",
        "incident": "failure",
        "airflow_notifier": of_task["attributes"]["airflow_notifier"],  # by which it knows its contacts again
    }
    assert of_run["description"] == "task_failure"
    assert of_run["attributes"]["who"] == "notifies"
    for contact in (of_task, of_run):
        references = contact["references"]
        assert references["Run"]["Value"].startswith(local_airflow.url)
        if contact is of_task or local_airflow.release != DOES_NOT_KNOW_FAILED_TASKS:
            assert "well_after_a_clear" in references["Log"]["Value"]
            assert contact["attributes"]["task_id"] == "well_after_a_clear"

    local_airflow.clear("notifies", run_id, "well_after_a_clear")
    assert local_airflow.wait("notifies", run_id) == "success"

    ended = until(lambda: at_least(2, emulator.contacts("ENDED")))
    assert [contact["disconnect_reason"] for contact in ended] == ["API", "API"]
    assert len(emulator.contacts()) == 2


def test_failure_of_the_notifier_fails_nothing(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """A notifier that reaches no instance leaves the task as it is, and the reason is in its log."""
    run_id = local_airflow.run("cannot_notify")

    assert local_airflow.task_instance("cannot_notify", run_id, "is_well").state == "success"
    said = "ContactNotifier could not create a contact: CreateContact failed with ResourceNotFoundException"
    until(lambda: said in local_airflow.logs("cannot_notify", run_id, "is_well"))
    assert emulator.contacts() == []


@pytest.mark.parametrize(("kind", "since"), [("async", (3, 1)), ("sync", (3, 3))])
def test_missed_deadline_opens_one_contact(
    local_airflow: LocalAirflow, emulator: Emulator, kind: str, since: tuple[int, int]
) -> None:
    """A deadline alert opens a contact from the triggerer or the executor while the run goes on."""
    if local_airflow.release < since:
        pytest.skip(f"needs deadline alerts of this kind (Airflow {since[0]}.{since[1]}); CI runs this there")
    dag_id = f"misses_its_deadline_{kind}"
    run_id = local_airflow.run(dag_id)

    [contact] = until(emulator.contacts)
    assert contact["name"].startswith(f"{dag_id} missed its deadline [")
    assert contact["attributes"]["incident"] == "deadline"
    assert contact["attributes"]["run_id"] == run_id
    assert contact["attributes"]["late"].startswith("20")
    assert contact["attributes"]["priority"] == "1"
    assert contact["references"]["Run"]["Value"].startswith(local_airflow.url)
