"""Calls to customers in real Dag runs (``dag.test()``): each is made at most once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import RecordError
from airflow_connect.emulator.resources import CALLS_FLOW, CALLS_QUEUE
from tests.airflow.runs import new_dag, rendered_fields, xcom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_connect.testing import LocalConnect

NUMBER = "+12065550123"
CALL = {"destination_phone_number": NUMBER, "contact_flow_id": CALLS_FLOW.id, "queue_id": CALLS_QUEUE.id}
WAYS = [pytest.param({}, id="worker"), pytest.param({"deferrable": True}, id="triggerer")]
#: Calls whose answer is lost: not made, made, made. Nobody can know. The hook's tests have the other kinds.
LOST = ("cut_before", "error_500_after", "cut_body")


@pytest.fixture(params=["task state store", "folder"])
def record(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Where the call is recorded: as Airflow 3.3 does it, and as it is without a task state store."""
    monkeypatch.setenv("AIRFLOW__AMAZON_CONNECT__RESULTS_PATH", str(tmp_path))
    if request.param == "folder":
        # This Airflow has a store; those before 3.3 have none.
        monkeypatch.setattr("airflow_connect.operators.connect.task_state_store", lambda _context: None)
    return str(request.param)


def call_dag(dag_id: str, **arguments: Any) -> Any:
    """Return a Dag that calls once."""
    from airflow_connect.operators.connect import StartOutboundVoiceContactOperator

    with new_dag(dag_id) as dag:
        StartOutboundVoiceContactOperator(task_id="call", **CALL | arguments)
    return dag


def calls(connect: LocalConnect) -> int:
    """Return how many requests to call have arrived."""
    return len(connect.calls("StartOutboundVoiceContact"))


# --- One call -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("phone", "state", "reason"),
    [
        ("answered", "completed", "AGENT_DISCONNECT"),
        ("busy", "busy", "TELECOM_BUSY"),
        ("unreachable", "not_answered", "TELECOM_UNANSWERED"),
        ("invalid", "failed", "TELECOM_NUMBER_INVALID"),
    ],
)
def test_outcome_of_a_call(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, way: dict[str, Any], phone: str, state: str, reason: str
) -> None:
    """The operator waits for the end of the call, whatever it is, and says which."""
    waits = {"wait_for_completion": True, "waiter_delay": 0.2, "outcome_attributes": "all", **way}
    dag = call_dag("ends", name="Call Kim back", attributes={"order": 17}, **waits)
    with amazon_connect.phones(f"+={phone}"), amazon_connect.agent({"agreed": "yes"}):
        run = run_dag(dag)
    [contact] = amazon_connect.contacts()
    assert (run.state, xcom(run, "call")) == ("success", contact["id"])
    outcome = xcom(run, "call", "outcome")
    assert (outcome["state"], outcome["disconnect_reason"]) == (state, reason)
    assert outcome["attributes"] == {"order": "17"} | ({"agreed": "yes"} if phone == "answered" else {})
    assert contact["customer_endpoint"]["Address"] == NUMBER


def test_number_is_not_shown(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, logged: Callable[[], str]
) -> None:
    """The customer's number is hidden without being asked to, and is in no log, also when Amazon refuses it."""
    run = run_dag(call_dag("hidden"))
    assert rendered_fields(run)["call", -1]["destination_phone_number"] == "***"
    amazon_connect.phones("+=not_allowed")
    refused = run_dag(call_dag("refused", retries=2))
    assert refused.state == "failed"
    assert [ti.try_number for ti in refused.get_task_instances()] == [1]
    text = logged()
    assert "DestinationNotAllowedException" in text
    assert NUMBER not in text


def test_number_that_is_not_e164(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """What cannot be called is refused before anything is sent."""
    assert run_dag(call_dag("wrong", destination_phone_number="{{ '206 555 0123' }}")).state == "failed"
    assert calls(amazon_connect) == 0


# --- At most once -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize("kind", LOST)
def test_lost_answer_is_the_last_call(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, kind: str, logged: Callable[[], str]
) -> None:
    """Who may have been called is not called again: not within the attempt, and not by the retry, which says why."""
    amazon_connect.phones("+=busy")  # so that the client token is forgotten at once
    amazon_connect.faults(f"StartOutboundVoiceContact@1:{kind}")
    run = run_dag(call_dag(f"lost_{kind}", retries=3))
    assert run.state == "failed"
    assert calls(amazon_connect) == 1
    assert [ti.try_number for ti in run.get_task_instances()] == [2]
    assert "An earlier attempt may have called StartOutboundVoiceContact" in logged()


@pytest.mark.usefixtures("record")
def test_author_decides_to_call_again(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """With ``retry_unknown``, also as a form gives it, the call is repeated, and the customer may be called twice."""
    amazon_connect.phones("+=busy")
    for number, decided in enumerate((True, "True")):
        amazon_connect.faults("StartOutboundVoiceContact@1:cut_after")
        assert run_dag(call_dag(f"again_{number}", retry_unknown=decided)).state == "success"
    assert len(amazon_connect.contacts()) == 4


@pytest.mark.usefixtures("record")
def test_what_did_not_happen_is_repeated(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """A call that was throttled is repeated within the attempt, and one that found no room by the next attempt."""
    amazon_connect.faults("StartOutboundVoiceContact@1:throttle, StartOutboundVoiceContact@2:throttle")
    assert run_dag(call_dag("throttled")).state == "success"
    assert (calls(amazon_connect), len(amazon_connect.contacts())) == (3, 1)
    amazon_connect.faults("StartOutboundVoiceContact@1:throttle")
    run = run_dag(call_dag("throttled_by_attempt", max_retry_time=0, retries=1))
    assert (run.state, [ti.try_number for ti in run.get_task_instances()]) == ("success", [2])
    assert len(amazon_connect.contacts()) == 2


# --- One key over runs --------------------------------------------------------------------------------------------


def test_key_is_called_once_over_runs(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """The record in ``results_path`` keeps a key from being called again by another Dag, or taken for another call."""
    amazon_connect.phones("+=busy")
    key = {"idempotency_key": "request-17", "results_path": str(tmp_path)}
    first = run_dag(call_dag("first", **key))
    amazon_connect.clock.advance(400 * 86_400)
    second = run_dag(call_dag("second", **key))
    assert (first.state, second.state) == ("success", "success")
    assert xcom(first, "call") == xcom(second, "call")
    assert calls(amazon_connect) == 1
    assert NUMBER not in "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())

    assert run_dag(call_dag("other_content", name="Somebody else", **key)).state == "failed"
    assert "Task 'call' of Dag 'first'" in logged()
    assert calls(amazon_connect) == 1

    amazon_connect.faults("StartOutboundVoiceContact@1:cut_after")
    assert run_dag(call_dag("lost", **key | {"idempotency_key": "request-18"})).state == "failed"
    assert run_dag(call_dag("lost_again", **key | {"idempotency_key": "request-18"})).state == "failed"
    assert calls(amazon_connect) == 2


@pytest.mark.parametrize("identity", [{"idempotency_key": "request-17"}, {"client_token": "request-17"}])
def test_key_needs_a_place(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, identity: dict[str, str], logged: Callable[[], str]
) -> None:
    """Without a record that runs share a key promises nothing, and the task says so before it calls."""
    assert run_dag(call_dag("no_place", **identity)).state == "failed"
    assert calls(amazon_connect) == 0
    assert "results_path: required with idempotency_key and client_token" in logged()


# --- A record that cannot be seen ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("executor", "try_number", "refused"),
    [
        ("CeleryExecutor", 2, True),
        ("LocalExecutor,KubernetesExecutor", 2, True),
        ("LocalExecutor;team=airflow.providers.celery.executors.celery_executor.CeleryExecutor", 2, True),
        ("CeleryExecutor", 1, False),
        ("LocalExecutor", 2, False),
        ("mine:SequentialExecutor", 2, False),
    ],
)
def test_record_on_another_workers_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, executor: str, try_number: int, *, refused: bool
) -> None:
    """Where workers share no disk, a retry that finds no record on its own does not call; it names the cure."""
    from types import SimpleNamespace

    from airflow_connect.api.errors import RequestError

    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    task = call_dag("elsewhere").get_task("call")
    context: Any = {"ti": SimpleNamespace(try_number=try_number)}
    store = task.record_store(context)
    if refused:
        with pytest.raises(RequestError, match="folder that all workers share"):
            store.get("token")
        task.retry_unknown = True
        store = task.record_store(context)
    assert store.get("token") is None
    store.set("token", {"state": "sent", "content": {}})
    assert task.record_store(context).get("token") == {"state": "sent", "content": {}}


# --- Many calls ---------------------------------------------------------------------------------------------------


def bulk_dag(dag_id: str, rows: int, **arguments: Any) -> Any:
    """Return a Dag that calls a customer for each row."""
    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    contact = {
        "destination_phone_number": "+1206555{{ row.number }}",
        "contact_flow_id": CALLS_FLOW.id,
        "queue_id": CALLS_QUEUE.id,
        "name": "Call {{ row.number }}",
    }
    with new_dag(dag_id) as dag:
        BulkCreateContactsOperator(
            task_id="call",
            operation="start_outbound_voice",
            rows=[{"number": f"{number:04}"} for number in range(1, rows + 1)],
            **{"contact": contact} | arguments,
        )
    return dag


def test_each_row_is_called(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """Each row is a call, and how the calls ended is counted and recorded."""
    from airflow_connect.operators.bulk import read_results
    from airflow_connect.sensors.connect import ContactSensor

    amazon_connect.phones("+=busy, +12065550001=answered, +12065550002=unreachable")
    dag = bulk_dag("bulk_calls", 4)
    with dag:
        ContactSensor(task_id="ended", results=dag.get_task("call").output, poke_interval=0.2, timeout=60)
    with amazon_connect.agent({}):
        run = run_dag(dag)
    assert run.state == "success"
    ended = xcom(run, "ended")
    assert {name: ended[name] for name in ("contacts", "completed", "not_answered", "busy", "open")} == {
        "contacts": 4,
        "completed": 1,
        "not_answered": 1,
        "busy": 2,
        "open": 0,
    }
    outcomes = [row["outcome"] for row in read_results(xcom(run, "call")["results"])]
    assert outcomes == ["completed", "not_answered", "busy", "busy"]


def test_rows_of_lost_answers_are_unknown(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """The task is red and says which rows are unknown; retries call nobody of them; the others are called once."""
    from airflow_connect.operators.bulk import read_results

    amazon_connect.phones("+=busy, +12065550009=not_allowed")
    amazon_connect.faults(
        "StartOutboundVoiceContact@2:cut_after, StartOutboundVoiceContact@4:error_500,"
        "StartOutboundVoiceContact@5:throttle, StartOutboundVoiceContact@7:cut_body"
    )
    failed = tmp_path / "failed.jsonl"
    run = run_dag(bulk_dag("bulk_lost", 10, max_in_flight=1, retries=2, failed_rows_path=str(failed)))
    assert run.state == "failed"
    summary = xcom(run, "call", "summary")
    counts = {name: summary[name] for name in ("rows", "created", "unknown", "failed", "not_sent")}
    assert counts == {"rows": 10, "created": 6, "unknown": 3, "failed": 1, "not_sent": 0}
    unknown = [row["row"] for row in read_results(summary["results"], states={"unknown"})]
    words = f"3 rows are unknown: these customers may have been called already, and no attempt calls them again by \
itself. Rows: {', '.join(map(str, unknown))}."
    assert words in logged()
    assert [ti.try_number for ti in run.get_task_instances()] == [1], "another attempt would not help"
    # Two of the three were called before the answer was lost; nobody was called twice.
    names = [contact["name"] for contact in amazon_connect.contacts()]
    assert len(names) == len(set(names)) == 8
    assert [json.loads(line)["number"] for line in failed.read_text().splitlines()] == ["0009"]


def test_calls_of_a_run_are_stopped(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """StopContact cancels the calls of a run that ring; it returns what was stopped."""
    from airflow_connect.operators.connect import StopContactOperator

    dag = bulk_dag("bulk_stopped", 3)
    with dag:
        StopContactOperator(task_id="stop", results=dag.get_task("call").output)
    run = run_dag(dag)
    assert (run.state, xcom(run, "stop")["stopped"]) == ("success", 3)
    reasons = {contact["disconnect_reason"] for contact in amazon_connect.contacts("ENDED")}
    assert reasons == {"TELECOM_ORIGINATOR_CANCEL"}


def test_author_calls_unknown_rows_again(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """With ``retry_unknown`` a row is called again until there is an answer, some a second time."""
    amazon_connect.phones("+=busy")
    amazon_connect.faults("StartOutboundVoiceContact@2:cut_after")
    run = run_dag(bulk_dag("bulk_again", 3, retry_unknown="true"))
    assert (run.state, xcom(run, "call")["created"]) == ("success", 3)
    assert len(amazon_connect.contacts()) == 4


def test_calls_wait_for_their_quota(run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A full quota of active calls is waited for; it is not throttling, and no row fails of it."""
    from airflow_connect.bulk import outbox
    from airflow_connect.emulator.server import Emulator
    from airflow_connect.testing import LocalConnect

    monkeypatch.setattr(outbox, "FIRST_QUOTA_WAIT", 0.1)
    with Emulator(active_calls=2, phones="+=answered") as emulator:
        connect = LocalConnect(emulator)
        monkeypatch.setenv("AIRFLOW_CONN_AWS_FULL", json.dumps(connect.connection))
        with connect.agent({}):
            run = run_dag(bulk_dag("bulk_quota", 6, aws_conn_id="aws_full"))
        assert (run.state, xcom(run, "call")["created"]) == ("success", 6)
        assert len(connect.contacts()) == 6


def test_key_of_rows_is_called_once_over_runs(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, tmp_path: Path, logged: Callable[[], str]
) -> None:
    """A key needs a record that runs share: then another Dag calls nobody again, not even who may have been called."""
    amazon_connect.phones("+=busy")
    key = {"idempotency_key": "{{ row.number }}"}
    assert run_dag(bulk_dag("bulk_no_place", 2, **key)).state == "failed"
    assert "results_path: required with idempotency_key" in logged()
    assert calls(amazon_connect) == 0
    shared = key | {"results_path": str(tmp_path)}
    amazon_connect.faults("StartOutboundVoiceContact@1:cut_after")
    assert run_dag(bulk_dag("bulk_first", 2, max_in_flight=1, **shared)).state == "failed"
    second = run_dag(bulk_dag("bulk_second", 3, **shared))
    summary = xcom(second, "call", "summary")
    assert {name: summary[name] for name in ("created", "already_created", "unknown")} == {
        "created": 1,
        "already_created": 1,
        "unknown": 1,
    }
    assert calls(amazon_connect) == 3


class WokenWorker:
    """
    A worker that was believed dead: its attempt, the one before the first, goes on whenever it is let.

    :param connect: the local Amazon Connect
    :param folder: of the task instance's record
    :param header: of the attempt that replaces it
    """

    def __init__(self, connect: LocalConnect, folder: Any, header: dict[str, Any]) -> None:
        from airflow_connect.record.ledger import Ledger

        earlier = {"try_number": 0, "started": "2026-01-01T00:00:00+00:00"}
        self._connect = connect
        self.ledger = Ledger(folder, header=header | earlier, sync_every=3600)
        self.row = 0

    def goes_on(self) -> None:
        """Call for the next row, as a sender does, unless its attempt is known to be over."""
        from airflow_connect.api.identity import token_for_key

        self.row += 1
        number = f"{self.row:04}"
        where = self._connect.emulator.region, self._connect.instance_id, "StartOutboundVoiceContact"
        token = token_for_key(*where, number)
        try:
            self.ledger.intend([(self.row, number, token, "digest")])
            self.ledger.flush()
            self.ledger.check()
        except RecordError:
            return
        called = self._connect.client.start_outbound_voice_contact(
            InstanceId=self._connect.instance_id,
            DestinationPhoneNumber=f"+1206555{number}",
            ContactFlowId=CALLS_FLOW.id,
            QueueId=CALLS_QUEUE.id,
            ClientToken=token,
        )
        self.ledger.created(self.row, called["ContactId"], attempts=1)


def test_worker_that_wakes_up_while_the_retry_begins_calls_nobody_a_second_time(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the retry opens its record and reads the earlier one, between the two, and after them."""
    from airflow_connect.operators import bulk
    from airflow_connect.record import ledger, results

    amazon_connect.phones("+=busy")  # so that client tokens are forgotten at once
    woken: list[WokenWorker] = []

    def wakes_up(made: type) -> None:
        init = made.__init__

        def around(self: Any, *arguments: Any, **more: Any) -> None:
            is_retry = bool(woken) and more.get("header", {}).get("try_number") != 0
            if is_retry:
                woken[0].goes_on()
            init(self, *arguments, **more)
            if is_retry:
                woken[0].goes_on()

        monkeypatch.setattr(made, "__init__", around)

    def begins(context: Any) -> None:
        ti = context["ti"]
        header = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
        woken.append(WokenWorker(amazon_connect, ledger.run_folder(tmp_path, **header), header | {"rows": 6}))
        wakes_up(ledger.Ledger)
        wakes_up(results.History)

    monkeypatch.setattr(bulk, "begin_attempt", begins)
    dag = bulk_dag("bulk_woken", 6, idempotency_key="{{ row.number }}", results_path=str(tmp_path))
    run = run_dag(dag)
    assert woken[0].row == 4
    called = [contact["customer_endpoint"]["Address"] for contact in amazon_connect.contacts()]
    assert len(set(called)) == len(called)
    # What the worker announced and did not call for is unknown, and is not called.
    summary = xcom(run, "call", "summary")
    assert (summary["created"] + summary["unknown"], summary["created"]) == (6, len(called))
    assert len(called) >= 3
