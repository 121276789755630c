"""ContactSensor in real DAG runs (``dag.test()``), over HTTP to the local Amazon Connect, in its three modes."""

from __future__ import annotations

import logging
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import RetryableError
from airflow_connect.api.outcome import Outcome, OutcomeState
from airflow_connect.emulator.resources import TO_QUEUE_FLOW
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import read_results
from airflow_connect.sensors.connect import MOST_IDS, ContactSensor
from airflow_connect.waiting.awaited import list_contacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_connect.testing import LocalConnect

MARKED = "customer-content-31415"
MODES: list[dict[str, Any]] = [{"mode": "poke"}, {"mode": "reschedule"}, {"deferrable": True}]


@pytest.fixture(params=MODES, ids=lambda mode: next(iter(mode.values())))
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The arguments of one of the three ways of waiting."""
    if request.param.get("mode") == "reschedule" and version("apache-airflow").startswith("3.0."):
        pytest.skip("dag.test() of Airflow 3.0 gives a sensor its first date as text; a worker gives it as a date")
    return {"poke_interval": 0.2, **request.param}


@pytest.fixture
def make(amazon_connect: LocalConnect) -> Callable[..., str]:
    """A function that makes a contact."""
    from airflow_connect.hooks.connect import ConnectHook

    hook = ConnectHook()
    return lambda **arguments: str(hook.create_contact(channel="TASK", name="Check", **arguments)["ContactId"])


@pytest.fixture
def sense(run_dag: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs a DAG of one sensor and returns the run and the sensor's task instance."""

    def sense(**arguments: Any) -> tuple[str, Any]:
        from airflow.providers.common.compat.sdk import DAG

        with DAG("sense", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
            ContactSensor(task_id="wait", **arguments)
        run = run_dag(dag)
        [ti] = run.get_task_instances()
        return str(ti.state), ti.xcom_pull(task_ids="wait")

    return sense


@pytest.fixture
def busy(amazon_connect: LocalConnect) -> Iterator[LocalConnect]:
    """An agent who approves every contact."""
    with amazon_connect.agent({"decision": "approve", "note": MARKED}):
        yield amazon_connect


def test_one_contact(sense: Any, mode: dict[str, Any], make: Any, busy: LocalConnect) -> None:
    """The outcome of one contact is one dict, with the attributes that were named and no others."""
    contact_id = make()
    state, reported = sense(contact_id=contact_id, attributes=["decision"], **mode)
    assert state == "success"
    assert (reported["contact_id"], reported["state"], reported["disconnect_reason"]) == (
        contact_id,
        "completed",
        "AGENT_COMPLETED",
    )
    assert reported["attributes"] == {"decision": "approve"}
    assert reported["ended"] >= reported["connected_to_agent"] >= reported["initiated"]


def test_list_of_contacts(sense: Any, mode: dict[str, Any], make: Any, busy: LocalConnect) -> None:
    """Many contacts are counted by state, and each has its outcome, in the order in which they were given."""
    ids = [make() for _ in range(12)]
    state, reported = sense(contact_id=ids, **mode)
    assert state == "success"
    assert (reported["contacts"], reported["completed"], reported["open"], reported["timed_out"]) == (12, 12, 0, False)
    assert [one["contact_id"] for one in reported["outcomes"]] == ids
    assert all(one["attributes"] == {} for one in reported["outcomes"])


def test_contacts_of_a_filter(run_dag: Callable[..., Any], mode: dict[str, Any], make: Any, busy: LocalConnect) -> None:
    """What Jinja's filters give can be read once, and all of its contacts are waited for."""
    from airflow.providers.common.compat.sdk import DAG

    ids = [make() for _ in range(3)]
    native = {"render_template_as_native_obj": True, "params": {"ids": ids}}
    with DAG("sense", schedule=None, start_date=datetime(2026, 1, 1), **native) as dag:
        ContactSensor(task_id="wait", contact_id="{{ params.ids | map('trim') }}", **mode)
    run = run_dag(dag)
    assert run.state == "success"
    assert run.get_task_instances()[0].xcom_pull(task_ids="wait")["completed"] == 3


def test_service_that_does_not_answer_costs_a_look(
    sense: Any, mode: dict[str, Any], make: Any, busy: LocalConnect
) -> None:
    """However a task waits, it waits on when a look brought nothing."""
    contact_id = make()
    busy.faults("DescribeContact@1:error_500, DescribeContact@2:cut_before")
    state, reported = sense(contact_id=contact_id, max_retry_time=0, **mode)
    assert (state, reported["state"]) == ("success", "completed")


@pytest.mark.parametrize(("wait_for", "ended"), [("any", 1), (2, 2), ("{{ 1 + 1 }}", 2), ("50%", 2)])
def test_some_of_them_are_enough(
    sense: Any, make: Any, amazon_connect: LocalConnect, mode: dict[str, Any], wait_for: str | int, ended: int
) -> None:
    """The wait is over as soon as enough have ended; what is open is reported."""
    ids = [make() for _ in range(4)]
    for contact_id in ids[:ended]:
        amazon_connect.complete(contact_id)
    state, reported = sense(contact_id=ids, wait_for=wait_for, **mode)
    assert state == "success"
    assert (reported["completed"], reported["open_contacts"]) == (ended, ids[ended:])


def test_nothing_to_wait_for(sense: Any, mode: dict[str, Any]) -> None:
    """An empty list is no wait."""
    state, reported = sense(contact_id=[], **mode)
    assert (state, reported["contacts"], reported["outcomes"]) == ("success", 0, [])


def test_mapped_tasks_output(run_dag: Callable[..., Any], busy: LocalConnect, mode: dict[str, Any]) -> None:
    """The output of a mapped task is a list of contacts; a mapped sensor waits for each by itself."""
    from airflow.providers.common.compat.sdk import DAG

    from airflow_connect.operators.connect import CreateContactOperator

    with DAG("mapped", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        made = CreateContactOperator.partial(task_id="make", channel="TASK").expand(name=["A", "B", "C"])
        ContactSensor(task_id="all", contact_id=made.output, **mode)
        ContactSensor.partial(task_id="each", **mode).expand(contact_id=made.output)
    run = run_dag(dag)
    assert run.state == "success"
    ti = next(one for one in run.get_task_instances() if one.task_id == "all")
    assert ti.xcom_pull(task_ids="all")["completed"] == 3
    each = [ti.xcom_pull(task_ids="each", map_indexes=index) for index in range(3)]
    assert [one["contact_id"] for one in each] == [
        ti.xcom_pull(task_ids="make", map_indexes=index) for index in range(3)
    ]


def test_long_list_is_kept_with_its_outcomes(
    sense: Any, make: Any, mode: dict[str, Any], busy: LocalConnect, tmp_path: Path
) -> None:
    """A list that is too long for Airflow's database is in a folder, where each contact has its outcome once."""
    ids = [make() for _ in range(MOST_IDS + 1)]
    where = {"results_path": str(tmp_path), "attributes": ["decision"]}
    state, reported = sense(contact_id=ids, fail_if={"attributes": {"decision": "refuse"}}, **where, **mode)
    assert (state, reported["contacts"], reported["completed"], reported["open"]) == (
        "success",
        MOST_IDS + 1,
        MOST_IDS + 1,
        0,
    )
    rows = list(read_results(reported))
    assert [row["contact_id"] for row in rows] == ids
    assert {row["outcome"] for row in rows} == {"completed"}
    assert rows[0]["attributes"] == {"decision": "approve"}
    assert "outcomes" not in reported


def test_results_of_a_bulk_task(run_dag: Callable[..., Any], busy: LocalConnect, tmp_path: Path) -> None:
    """All that a bulk task made is waited for; rows and outcomes are read as one table."""
    from airflow.providers.common.compat.sdk import DAG

    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    for mode in MODES:
        with DAG("bulk_wait", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
            bulk = BulkCreateContactsOperator(
                task_id="bulk",
                rows=[{"order": number} for number in range(30)],
                contact={"channel": "TASK", "name": "Order {{ row.order }}"},
                results_path=str(tmp_path),
            )
            ContactSensor(task_id="wait", results=bulk.output, attributes=["decision"], poke_interval=0.2, **mode)
        run = run_dag(dag)
        assert run.state == "success"
        reported = run.get_task_instances()[0].xcom_pull(task_ids="wait")
        assert (reported["contacts"], reported["completed"], reported["open"]) == (30, 30, 0)
        rows = list(read_results(reported))
        assert [row["row"] for row in rows] == list(range(1, 31))
        assert {(row["state"], row["outcome"], row["task_id"]) for row in rows} == {("created", "completed", "bulk")}
        assert all(row["attributes"] == {"decision": "approve"} for row in rows)


def test_results_on_object_storage(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, local_aws_connection: str, bucket: str
) -> None:
    """What a run of yesterday made is waited for, and what is open is taken back, by its results in S3."""
    from airflow.providers.common.compat.sdk import DAG

    from airflow_connect.operators.bulk import BulkCreateContactsOperator
    from airflow_connect.operators.connect import StopContactOperator

    with DAG("yesterday", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        BulkCreateContactsOperator(
            task_id="bulk",
            rows=[{"order": number} for number in range(5)],
            contact={"channel": "TASK", "name": "Order {{ row.order }}"},
            results_path=f"s3://{local_aws_connection}@{bucket}/results",
        )
    made = run_dag(dag).get_task_instances()[0].xcom_pull(task_ids="bulk")
    ids = [contact["id"] for contact in amazon_connect.contacts()]
    amazon_connect.complete(ids[0])
    with DAG("today", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        wait = ContactSensor(
            task_id="wait", results=made["results"], wait_for="any", poke_interval=0.2, deferrable=True
        )
        wait >> StopContactOperator(task_id="take_back", results=made["results"])
    run = run_dag(dag)
    assert run.state == "success"
    assert run.get_task_instances()[0].xcom_pull(task_ids="take_back")["stopped"] == 4
    assert sorted(call.contact_id or "" for call in amazon_connect.calls("StopContact")) == sorted(ids[1:])


def test_contact_that_does_not_exist(
    sense: Any, mode: dict[str, Any], make: Any, busy: LocalConnect, logged: Any
) -> None:
    """A contact that the author named and that does not exist fails the task, which names it and the instance."""
    state, reported = sense(contact_id=[make(), "never-existed"], **mode)
    assert (state, reported) == ("failed", None)
    assert f"1 of 2 contacts do not exist in instance {busy.instance_id} (never-existed)" in logged()


def test_one_contact_that_does_not_exist(sense: Any, busy: LocalConnect, logged: Any) -> None:
    """Nor does a sensor on one contact end well without it."""
    assert sense(contact_id="never-existed", poke_interval=0.2) == ("failed", None)
    assert f"Contact never-existed does not exist in instance {busy.instance_id}: check the contact's ID" in logged()


def test_contact_that_does_not_exist_can_be_skipped(sense: Any, busy: LocalConnect) -> None:
    """Who expects it says so."""
    arguments = {"contact_id": "never-existed", "skip_if": {"state": "failed"}, "poke_interval": 0.2}
    assert sense(**arguments)[0] == "skipped"


@pytest.mark.parametrize(("created", "state"), [(1, "success"), (0, "failed")])
def test_contact_of_results_that_does_not_exist(
    sense: Any,
    make: Any,
    busy: LocalConnect,
    tmp_path: Path,
    logged: Any,
    created: int,
    state: str,
) -> None:
    """Of results, a contact that exists no more is named in the log; if none exists, it is another instance."""
    list_contacts(tmp_path, ["never-existed", *(make() for _ in range(created))], header={"try_number": 1})
    found, reported = sense(results=str(tmp_path), poke_interval=0.2)
    assert (found, reported and reported["failed"]) == (state, 1 if created else None)
    named = "1 of 2 contacts do not exist" if created else "Contact never-existed does not exist"
    assert f"{named} in instance {busy.instance_id}" in logged()


@pytest.mark.parametrize("wait_for", ["all", "any"])
def test_rows_of_unknown_fate_are_in_the_result(
    sense: Any, make: Any, busy: LocalConnect, tmp_path: Path, logged: Any, wait_for: str
) -> None:
    """Rows that may have contacts that nobody waits for are counted and named; who waits for all is warned."""
    with Ledger(tmp_path, header={"try_number": 1}) as ledger:
        ledger.intend([(row, None, f"token-{row}", "content") for row in (1, 2, 3)])
        ledger.created(1, make(), attempts=1)
    state, reported = sense(results=str(tmp_path), wait_for=wait_for, poke_interval=0.2, deferrable=True)
    assert (state, reported["contacts"], reported["unknown"], reported["unknown_rows"]) == ("success", 1, 2, [2, 3])
    assert ("of 2 rows it is not known whether they have a contact (row 2, 3)" in logged()) is (wait_for == "all")


def test_transferred_contact(sense: Any, mode: dict[str, Any], make: Any, amazon_connect: LocalConnect) -> None:
    """The outcome of a contact that was transferred is that of what it went on as."""
    first = make()
    transfer = {"InstanceId": amazon_connect.instance_id, "ContactFlowId": TO_QUEUE_FLOW.id}
    second = amazon_connect.client.transfer_contact(ContactId=first, **transfer)["ContactId"]
    amazon_connect.complete(second, {"decision": "refuse"})
    state, reported = sense(contact_id=first, attributes="all", **mode)
    assert (state, reported["contact_id"], reported["transferred_to"], reported["state"]) == (
        "success",
        first,
        second,
        "completed",
    )
    assert reported["attributes"] == {"decision": "refuse"}


@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        ({"fail_if": {"attributes": {"decision": "refuse"}}}, "failed"),
        ({"fail_if": {"attributes": {"decision": ["refuse", "unsure"]}, "state": "completed"}}, "failed"),
        ({"fail_if": {"attributes": {"decision": "approve"}}}, "success"),
        ({"fail_if": {"state": ["expired", "failed"]}}, "success"),
        ({"fail_if": lambda outcome: outcome["attributes"]["decision"] == "refuse"}, "failed"),
        ({"fail_if": lambda outcome: outcome["attributes"]["decision"] == "approve"}, "success"),
        ({"skip_if": lambda outcome: outcome["state"] == "completed"}, "skipped"),
        ({"skip_if": {"attributes": {"decision": "refuse"}}}, "skipped"),
        ({"fail_if": {"attributes": {"decision": "refuse"}}, "soft_fail": True}, "skipped"),
    ],
)
def test_conditions(
    sense: Any, mode: dict[str, Any], make: Any, amazon_connect: LocalConnect, arguments: dict[str, Any], state: str
) -> None:
    """An outcome that a condition names fails or skips; others do not; attributes need not be kept for that."""
    contact_id = make()
    amazon_connect.complete(contact_id, {"decision": "refuse"})
    found, reported = sense(contact_id=contact_id, **arguments, **mode)
    assert found == state
    assert reported is None or reported["attributes"] == {}


def test_timeout_fails(sense: Any, mode: dict[str, Any], make: Any) -> None:
    """A wait that takes too long fails, as that of every sensor."""
    assert sense(contact_id=make(), timeout=0.5, **mode) == ("failed", None)


def test_timeout_skips_softly(sense: Any, mode: dict[str, Any], make: Any) -> None:
    """With soft_fail it skips."""
    assert sense(contact_id=make(), timeout=0.5, soft_fail=True, **mode) == ("skipped", None)


def test_timeout_returns(
    sense: Any, mode: dict[str, Any], make: Any, amazon_connect: LocalConnect, logged: Any
) -> None:
    """With on_timeout="return" the result says what has ended and what is open; nothing is touched."""
    done, left = make(), make()
    amazon_connect.complete(done)
    state, reported = sense(contact_id=[done, left], timeout=0.5, on_timeout="return", **mode)
    assert (state, reported["timed_out"], reported["completed"], reported["open_contacts"]) == (
        "success",
        True,
        1,
        [left],
    )
    assert amazon_connect.contact(left)["state"] == "CREATED"
    assert "The time is up (timeout=0.5): of 2 contacts 1 are open (on_timeout='return')" in logged()


def test_timeout_of_one_returns_it_as_open(sense: Any, mode: dict[str, Any], make: Any) -> None:
    """One contact that is open has the form of an outcome, so that a template need not ask first."""
    contact_id = make()
    state, reported = sense(contact_id=contact_id, timeout=0.5, on_timeout="return", **mode)
    assert (state, reported["contact_id"], reported["state"], reported["ended"]) == (
        "success",
        contact_id,
        "open",
        None,
    )


def test_timeout_stops(sense: Any, mode: dict[str, Any], make: Any, amazon_connect: LocalConnect) -> None:
    """With on_timeout="stop" what is open is stopped first, once, also under the ID it went on as."""
    done, left, first = make(), make(), make()
    amazon_connect.complete(done)
    transfer = {"InstanceId": amazon_connect.instance_id, "ContactFlowId": TO_QUEUE_FLOW.id}
    second = amazon_connect.client.transfer_contact(ContactId=first, **transfer)["ContactId"]
    state, reported = sense(contact_id=[done, left, first], timeout=0.5, on_timeout="stop", **mode)
    assert (state, reported["timed_out"], reported["completed"], reported["stopped"], reported["open"]) == (
        "success",
        True,
        1,
        2,
        0,
    )
    assert amazon_connect.contact(second)["disconnect_reason"] == "API"
    assert sorted(call.contact_id for call in amazon_connect.calls("StopContact")) == sorted([left, second])


def test_timeout_stops_before_it_reads(
    monkeypatch: pytest.MonkeyPatch, make: Any, amazon_connect: LocalConnect
) -> None:
    """A deferred task whose time is up stops what is open first, also where attributes are wanted and reads fail."""
    done, left = make(), make()
    sensor = ContactSensor(
        task_id="wait", contact_id=[done, left], attributes="all", on_timeout="stop", max_retry_time=0
    )
    monkeypatch.setattr(sensor, "store_link", lambda *_, **__: None)  # needs a running task
    amazon_connect.faults("DescribeContact:error_503=1")
    event = {
        "status": "timeout",
        "summary": {"contacts": 2, "open": 1},
        "ended": [Outcome(done, OutcomeState.COMPLETED, ended=datetime(2026, 1, 1)).as_dict()],
        "transferred_to": {},
    }
    with pytest.raises(RetryableError):
        sensor.execute_complete({}, event)
    assert [call.contact_id for call in amazon_connect.calls("StopContact")] == [left]


def test_no_permission_is_an_error(sense: Any, mode: dict[str, Any], make: Any, amazon_connect: LocalConnect) -> None:
    """Where contacts cannot be read the task fails at once, and says which permission is missing."""
    contact_id = make()
    amazon_connect.faults("DescribeContact:expired_token=1")
    assert sense(contact_id=contact_id, **mode)[0] in ("failed", "up_for_retry")


def test_attributes_that_an_earlier_sensor_did_not_want(
    sense: Any, mode: dict[str, Any], make: Any, amazon_connect: LocalConnect, tmp_path: Path
) -> None:
    """A condition sees attributes of contacts whose outcome another sensor recorded without them."""
    ids = [make() for _ in range(3)]
    list_contacts(tmp_path, ids, header={"try_number": 1})
    amazon_connect.complete(ids[0], {"decision": "refuse"})
    assert sense(results=str(tmp_path), wait_for="any", **mode)[1]["completed"] == 1
    refused = {"attributes": ["decision"], "fail_if": {"attributes": {"decision": "refuse"}}}
    assert sense(results=str(tmp_path), wait_for="any", **refused, **mode)[0] == "failed"
    assert next(iter(read_results(tmp_path)))["attributes"] == {"decision": "refuse"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"contact_id": ["a", " "]}, "not a contact's ID"),
        ({"contact_id": {"a": 1}}, "a list of them"),
        ({}, "give contact_id or results"),
        ({"contact_id": "{{ 'a' }}", "results": "/tmp/a"}, "give contact_id or results"),
        ({"results": {"rows": 3}}, "this is not the summary of a bulk task"),
        ({"results": "/tmp/a", "fail_if": {"attributes": {"decision": "no"}}}, "fail_if needs decision"),
        ({"contact_id": "a", "fail_if": {"decision": "{{ 'refuse' }}"}}, "fail_if has unknown fields: decision"),
        ({"contact_id": "a", "fail_if": {"state": "{{ 'refused' }}"}}, "an unknown state"),
        ({"contact_id": "a", "skip_if": {"attributes": "{{ 'refuse' }}"}}, "skip_if"),
        ({"contact_id": "a", "attributes": "decision"}, "attributes must be a list"),
        ({"contact_id": "a", "attributes": None}, "attributes must be a list"),
        ({"contact_id": "['a', 'b']"}, "not a contact's ID"),
        ({"contact_id": "a", "wait_for": "{{ 'some' }}"}, "wait_for must be"),
        ({"contact_id": "a", "on_timeout": "{{ 'ignore' }}"}, "on_timeout must be fail, return or stop."),
    ],
)
def test_bad_arguments_are_named(
    sense: Any, arguments: dict[str, Any], words: str, amazon_connect: LocalConnect, logged: Callable[[], str]
) -> None:
    """What is found when the task runs fails it for good, naming the argument, before any call."""
    assert sense(**arguments)[0] == "failed"
    assert amazon_connect.calls() == []
    assert words in " ".join(logged().split())


def test_nothing_of_a_contact_is_logged(
    sense: Any,
    mode: dict[str, Any],
    make: Any,
    busy: LocalConnect,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What an agent wrote is in the XCom that asked for it and in no log."""
    caplog.set_level(logging.DEBUG)
    state, reported = sense(contact_id=make(), attributes="all", fail_if={"attributes": {"decision": "refuse"}}, **mode)
    assert (state, reported["attributes"]["note"]) == ("success", MARKED)
    logged = (caplog.text + "".join(capfd.readouterr())).splitlines()
    # Airflow 3.0 itself logs at DEBUG what a task gives it as XCom.
    assert not [line for line in logged if MARKED in line and "SetXCom" not in line]
