"""Sending: through the hook over HTTP to a local Amazon Connect, with a real ledger on disk."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import (
    ConnectError,
    InputError,
    QuotaError,
    RecordError,
    RequestError,
    RetryableError,
    SetupError,
    ThrottledError,
)
from airflow_connect.bulk import send
from airflow_connect.bulk.outbox import SAME_FAILURES
from airflow_connect.bulk.send import Progress, Sender
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.pace import Pace
from airflow_connect.emulator.server import Emulator
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import History, read_results
from tests.bulk.sending import INSTANCE, REGION, AtOnce, planned
from tests.conftest import aws_connection_json
from tools.simulation import SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from airflow_connect.bulk.plan import PlannedContact
    from airflow_connect.record.format import RowState


class Sending:
    """What a test sends with, and what came of it."""

    def __init__(self, hook: ConnectHook, folder: Path) -> None:
        self.hook = hook
        self.folder = self.records = folder
        self.whose = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
        self.called = {"region": REGION, "instance_id": INSTANCE, "operation": "CreateContact"}
        self.attempts = 0
        self.sender: Sender | None = None
        #: What the last sending reported of each row.
        self.settled: dict[int, RowState] = {}

    def __call__(
        self,
        contacts: Iterable[PlannedContact],
        *,
        max_in_flight: int = 16,
        on_progress: Callable[[Progress], None] = lambda _: None,
        ledger: Ledger | None = None,
        pace: type[Pace] = AtOnce,
        clock: Clock | None = None,
        call_time: float = 0.1,
        **options: Any,
    ) -> Progress:
        """Send with a new ledger, as another attempt of the task instance does; *call_time* is of simulated time."""
        clock = clock or Clock()
        self.attempts += 1
        self.settled = {}

        def settle(contact: PlannedContact, state: RowState, _fault: str | None) -> None:
            assert contact.row not in self.settled
            self.settled[contact.row] = state

        def create(params: dict[str, Any]) -> dict[str, Any]:
            if isinstance(clock, SimulatedClock):
                clock.sleep(call_time)
            return self.hook.call("CreateContact", params, max_retry_time=0)

        header = {"try_number": self.attempts, **self.whose, **self.called}
        with (
            History(self.folder, asked_by=self.whose, called=self.called) as history,
            ledger or Ledger(self.records, header=header) as ledger,
        ):
            self.sender = Sender(
                contacts,
                create,
                operation="CreateContact",
                pace=pace(clock.now(), max_in_flight=max_in_flight),
                clock=clock,
                ledger=ledger,
                history=history,
                on_settled=settle,
                max_in_flight=max_in_flight,
                **options,
            )
            return self.sender.run(on_progress, every=0.05)

    def become(self, **whose: str) -> None:
        """Send as another task instance from now on."""
        self.whose |= whose
        self.records = self.folder / "-".join(map(str, self.whose.values()))

    @property
    def stopped_by(self) -> Exception | None:
        """What ended the last sending early."""
        assert self.sender is not None
        return self.sender.stopped_by

    @property
    def results(self) -> dict[int, dict[str, Any]]:
        """The record by row."""
        return {result["row"]: result for result in read_results(self.folder)}


@pytest.fixture
def sending(aws_connection: str, tmp_path: Path) -> Sending:
    """A function that sends contacts, each call as another attempt."""
    return Sending(ConnectHook(aws_connection, max_in_flight=64), tmp_path / "results")


# --- Every contact once -------------------------------------------------------------------------------------


def test_each_contact_is_made_and_on_record(sending: Sending, emulator: Emulator) -> None:
    """Each planned contact is made once, and the record names it."""
    progress = sending(planned(row) for row in range(1, 301))
    assert progress.states["created"] == progress.accepted == progress.calls == 300
    assert sending.stopped_by is None
    names = {contact["id"]: contact["name"] for contact in emulator.contacts()}
    assert {result["contact_id"]: f"Row {row}" for row, result in sending.results.items()} == names
    assert {result["state"] for result in sending.results.values()} == {"created"}


def test_nothing_to_send_is_nothing_sent(sending: Sending, emulator: Emulator) -> None:
    """Without contacts there is no call, and no error."""
    assert sum(sending([]).states.values()) == 0
    assert sending.stopped_by is None
    assert emulator.calls("CreateContact") == []


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_of_all_kinds_leave_one_contact_each(sending: Sending, emulator: Emulator, seed: int) -> None:
    """Whatever happens to calls on their way, each row ends with exactly one contact."""
    plan = "throttle=0.2, error_500=0.03, cut_before=0.03, cut_after=0.03, truncated=0.03, cut_body=0.03, slow(99)=0.1"
    emulator.set_faults(plan, seed)
    progress = sending((planned(row) for row in range(1, 151)), clock=SimulatedClock())
    assert progress.accepted == 150
    assert Counter(contact["name"] for contact in emulator.contacts()) == {f"Row {row}": 1 for row in range(1, 151)}
    assert {result["contact_id"] for result in sending.results.values()} == {c["id"] for c in emulator.contacts()}
    assert progress.throttled > 0


def test_repeated_calls_send_the_same_token(sending: Sending, emulator: Emulator) -> None:
    """A call whose answer is lost is sent again with its token; attempts are counted."""
    emulator.set_faults("CreateContact@1:cut_after, CreateContact@2:throttle")
    sending([planned(1)])
    assert len({call.client_token for call in emulator.calls("CreateContact")}) == 1
    assert sending.results[1]["attempts"] == 3
    assert len(emulator.contacts()) == 1


def test_retry_after_is_heeded(sending: Sending, emulator: Emulator) -> None:
    """A row is not sent again before the service said."""
    emulator.set_faults("CreateContact@1:throttle(1), CreateContact@2:error_503(1)")
    assert sending([planned(1)], clock=SimulatedClock()).seconds >= 2
    assert len(emulator.contacts()) == 1


def test_in_flight_is_limited(sending: Sending) -> None:
    """There are never more calls at once than allowed."""
    call, now, most = sending.hook.call, 0, 0
    lock = threading.Lock()

    def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            return call(*arguments, **more)
        finally:
            with lock:
                now -= 1

    sending.hook.call = counted  # type: ignore[method-assign]
    sending((planned(row) for row in range(1, 101)), max_in_flight=3)
    assert 1 <= most <= 3


def test_pace_is_kept(sending: Sending, emulator: Emulator) -> None:
    """Calls leave when the pace says: with a quota of 40 a second hardly one is refused, and the quota is used."""
    emulator.set_rate(40, 10)
    progress = sending((planned(row) for row in range(1, 201)), pace=Pace)
    assert progress.accepted == 200
    assert progress.throttled <= 40
    assert progress.seconds < 2 * (200 - 10) / 40


# --- Another attempt ----------------------------------------------------------------------------------------


def test_another_attempt_sends_only_what_is_missing(sending: Sending, emulator: Emulator) -> None:
    """What the record knows as made is not called for again."""
    sending(planned(row) for row in range(1, 21))
    progress = sending(planned(row) for row in range(1, 31))
    assert (progress.states["created"], progress.accepted) == (30, 10)
    assert len(emulator.calls("CreateContact")) == len(emulator.contacts()) == 30


def test_refusal_is_not_repeated_by_a_retry(sending: Sending, emulator: Emulator) -> None:
    """A retry leaves alone what can never succeed; somebody's clear sends it again, and so does other content."""
    wrong = [planned(1, related_contact_id="00000000-0000-4000-8000-000000000000"), planned(2)]
    first = sending(wrong)
    assert (first.states["created"], first.states["failed"], first.refused) == (1, 1, 1)
    assert isinstance(sending.stopped_by, type(None))
    assert sending.results[1]["state"] == "failed"
    assert "related_contact_id" in sending.results[1]["message"] or "RelatedContactId" in sending.results[1]["message"]

    message = sending.results[1]["message"]
    again = sending(wrong, retry_refused=False)
    assert (again.states["created"], again.states["failed"], again.refused, again.calls) == (1, 1, 1, 0)
    assert sending.results[1]["message"] == message
    assert sending.settled == {1: "failed", 2: "created"}
    assert sending(wrong, retry_refused=True).calls == 1
    assert sending([planned(1)], retry_refused=False).accepted == 1
    assert sending.results[1]["state"] == "created"
    assert len(emulator.contacts()) == 2


def test_row_given_up_for_a_passing_reason_is_sent_by_a_retry(sending: Sending, emulator: Emulator) -> None:
    """What failed because the service was ill is missing, and a retry sends it."""
    emulator.set_faults("error_500=1")
    first = sending([planned(1)], max_retry_time=0)
    assert first.states["failed"] + first.states["unknown"] == 1
    assert first.refused == 0
    emulator.set_faults("")
    assert sending([planned(1)], retry_refused=False).accepted == 1
    assert sending.results[1]["state"] == "created"


def test_other_content_after_an_unknown_fate_is_not_sent(sending: Sending, emulator: Emulator) -> None:
    """Where a contact may have been made of other content, nothing is sent, and the row says why."""
    emulator.set_faults("cut_after=1")
    assert sending([planned(1)], max_retry_time=0).states["unknown"] == 1
    assert sending.results[1]["state"] == "unknown"
    emulator.set_faults("")
    calls = len(emulator.calls("CreateContact"))
    for _ in range(2):
        progress = sending([planned(1, key="key 1", description="changed")])
        assert (progress.states["unknown"], progress.refused, progress.calls) == (1, 1, 0)
        assert sending.settled == {1: "unknown"}
    assert len(emulator.calls("CreateContact")) == calls
    [result] = read_results(sending.folder)
    assert (result["state"], "other content" in result["message"]) == ("unknown", True)
    assert sending([planned(1)]).accepted == 1
    assert len(emulator.contacts()) == 1


def test_changed_content_of_an_earlier_attempt_is_adopted(sending: Sending, emulator: Emulator) -> None:
    """What the task instance made itself stays as it is, and is counted."""
    sending([planned(1), planned(2)])
    progress = sending([planned(1, key="key 1", description="changed"), planned(2)])
    assert (progress.states["created"], progress.changed, progress.calls) == (2, 1, 0)
    assert len(emulator.contacts()) == 2


def test_other_content_of_another_task_is_not_taken_for_done(sending: Sending, emulator: Emulator) -> None:
    """A key that another task used for other content fails the row, at every attempt, and says whose it is."""
    sending([planned(1), planned(2)])
    sending.become(dag_id="other", run_id="s", task_id="u")
    for _ in range(2):
        progress = sending([planned(1, key="key 1", description="changed"), planned(2)])
        assert (progress.states["failed"], progress.states["already_created"]) == (1, 1)
        assert (progress.refused, progress.changed, progress.calls) == (1, 0, 0)
    [failed] = [result for result in read_results(sending.folder) if result["state"] == "failed"]
    assert failed["error"] == "IdempotencyError"
    assert failed["contact_id"] is None
    words = "Task 't' of Dag 'd' in run 'r' created a contact with other content; CreateContact was not called."
    assert failed["message"].startswith(words)
    assert "give another idempotency_key" in failed["message"]
    assert len(emulator.contacts()) == 2


def test_what_an_earlier_attempt_found_is_adopted(sending: Sending, emulator: Emulator) -> None:
    """The contact of another task that an earlier attempt found with the same content stays the row's contact."""
    sending([planned(1)])
    sending.become(run_id="s")
    assert sending([planned(1)]).states["already_created"] == 1
    progress = sending([planned(1, key="key 1", description="changed")])
    assert (progress.states["already_created"], progress.changed, progress.calls) == (1, 1, 0)
    assert [result["state"] for result in read_results(sending.folder)] == ["created", "already_created"]


def test_unknown_fate_of_another_task_is_named(sending: Sending, emulator: Emulator) -> None:
    """Where another task may have created a contact with other content, nothing is sent, and the row says which."""
    emulator.set_faults("cut_after=1")
    sending([planned(1)], max_retry_time=0.2)
    emulator.set_faults("")
    sending.become(run_id="s")
    assert sending([planned(1, key="key 1", description="changed")]).calls == 0
    [result] = list(read_results(sending.folder))[1:]
    assert result["message"].startswith("Task 't' of Dag 'd' in run 'r' may have created a contact with other content")


@pytest.mark.parametrize(
    ("called", "words"),
    [
        ({"operation": "StartTaskContact"}, "with StartTaskContact in us-east-1"),
        ({"region": "eu-central-1"}, "with CreateContact in eu-central-1"),
        ({"instance_id": "another"}, None),
    ],
)
@pytest.mark.parametrize("own", [True, False], ids=["own", "another's"])
def test_key_of_another_operation_or_region_is_not_taken_for_done(
    sending: Sending, emulator: Emulator, called: dict[str, str], words: str | None, *, own: bool
) -> None:
    """A key that has a contact of another operation or Region fails the row; in another instance it is another key."""
    with Ledger(sending.folder, header={"try_number": 1, **sending.whose, **sending.called, **called}) as ledger:
        ledger.intend([(1, "key 1", "another token", "c1")])
        ledger.created(1, "contact-1", attempts=1)
        ledger.intend([(2, "key 2", "a third token", "c2")])
        ledger.failed(2, RequestError("No."), attempts=1)
    sending.become(run_id="r" if own else "s")
    for _ in range(2):
        progress = sending([planned(1), planned(2)])
        assert progress.states["failed"] == progress.refused == (words is not None)
    assert len(emulator.contacts()) == (1 if words else 2)
    if words:
        [failed] = [found for found in read_results(sending.folder) if found["error"] == "IdempotencyError"]
        assert f"Task 't' of Dag 'd' in run 'r' created a contact of this idempotency_key {words};" in failed["message"]


def test_refusal_of_another_run_does_not_stand(sending: Sending, emulator: Emulator) -> None:
    """What one run was refused may be allowed by now, and this run has not asked."""
    wrong = [planned(1, related_contact_id="00000000-0000-4000-8000-000000000000")]
    sending(wrong)
    sending.whose |= {"run_id": "another"}
    again = sending(wrong, retry_refused=False)
    assert (again.states["failed"], again.calls) == (1, 1)


# --- What stops everything ----------------------------------------------------------------------------------


def test_denied_access_stops_after_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no contact could survive is met once, not by every row."""
    with Emulator(rate=None, deny=("CreateContact",)) as closed:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_CLOSED", aws_connection_json(closed))
        sending = Sending(ConnectHook("aws_closed"), tmp_path / "results")
        progress = sending(planned(row) for row in range(1, 10_001))
        assert isinstance(sending.stopped_by, SetupError)
        assert "connect:CreateContact" in str(sending.stopped_by)
        assert progress.calls == len(closed.calls("CreateContact")) <= 16
        assert set(sending.settled.values()) == {"not_sent"}


@pytest.mark.parametrize("ended_by", ["credentials", "stop"])
def test_what_was_never_sent_may_change(sending: Sending, emulator: Emulator, ended_by: str) -> None:
    """After an orderly end only what may have been made is unknown: the rest is sent, also with other content."""
    rows = range(1, 101)
    options: dict[str, Any] = {}
    if ended_by == "credentials":
        emulator.set_faults("expired_token=1")
    else:
        emulator.set_faults("slow(300)=1")
        options = {"on_progress": lambda _: sending.sender.stop(), "max_in_flight": 3}
    first = sending((planned(row) for row in rows), **options)
    states = {result["state"] for result in sending.results.values()}
    assert states == {"not_sent", *(["created"] if first.accepted else [])}
    emulator.set_faults("")
    again = sending(planned(row, key=f"key {row}", description="changed") for row in rows)
    assert (again.states["created"], again.accepted) == (100, 100 - first.accepted)
    assert len(emulator.contacts()) == 100


def test_twenty_refusals_of_a_kind_stop(sending: Sending, emulator: Emulator) -> None:
    """Twenty refusals with one code and no success between say that the rest would fare alike."""
    wrong = "00000000-0000-4000-8000-000000000000"
    progress = sending((planned(row, related_contact_id=wrong) for row in range(1, 1_001)), max_in_flight=1)
    assert isinstance(sending.stopped_by, RequestError)
    assert progress.calls == progress.refused == SAME_FAILURES
    assert emulator.contacts() == []


def test_refusals_among_successes_do_not_stop(sending: Sending) -> None:
    """Single bad rows are theirs alone."""
    wrong = "00000000-0000-4000-8000-000000000000"
    contacts = [planned(row, **({"related_contact_id": wrong} if row % 3 else {})) for row in range(1, 91)]
    progress = sending(contacts, max_in_flight=1)
    assert (progress.accepted, progress.refused) == (30, 60)
    assert sending.stopped_by is None


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_what_would_end_a_thread_without_a_word_ends_it(sending: Sending, kind: type[BaseException]) -> None:
    """A function of the author's that calls sys.exit() is an error: what is not sent is not taken for sent."""

    def contacts() -> Iterator[PlannedContact]:
        yield from map(planned, range(1, 4))
        raise kind("Zaphod")

    progress = sending(contacts(), max_in_flight=1)
    assert isinstance(sending.stopped_by, InputError)
    assert str(sending.stopped_by).startswith(f"{kind.__name__} was raised while the rows were read again")
    assert progress.accepted <= 3


def test_service_that_is_down_ends_it(sending: Sending, emulator: Emulator) -> None:
    """If nothing has succeeded for as long as a row is repeated, the others are not tried one by one."""
    emulator.set_faults("error_500=1")
    options: dict[str, Any] = {"max_retry_time": 10, "max_in_flight": 4, "clock": SimulatedClock()}
    progress = sending((planned(row) for row in range(1, 1_001)), **options)
    assert isinstance(sending.stopped_by, RetryableError)
    assert 10 <= progress.seconds < 12
    assert progress.calls < 500
    assert progress.accepted == 0


def test_nothing_but_throttling_ends_it(sending: Sending, emulator: Emulator) -> None:
    """A quota that others use up whole is waited for, but not for ever; rows lose nothing by it."""
    emulator.set_faults("throttle=1")
    sending((planned(row) for row in range(1, 21)), max_retry_time=10, max_in_flight=4, clock=SimulatedClock())
    assert isinstance(sending.stopped_by, ThrottledError)
    emulator.set_faults("")
    assert sending((planned(row) for row in range(1, 21)), retry_refused=False).accepted == 20


@pytest.mark.parametrize("pace", [AtOnce, Pace])
@pytest.mark.parametrize("fault", ["throttle=1", "throttle(86400)=1", "error_503(86400)=1"])
@pytest.mark.parametrize("rows", [1, 20, 400])
def test_throttled_for_ever_ends(sending: Sending, emulator: Emulator, rows: int, fault: str, pace: type[Pace]) -> None:
    """When nothing is accepted for the time that is allowed, it ends, whatever wait the service asks for."""
    emulator.set_faults(fault)
    progress = sending(
        (planned(row) for row in range(1, rows + 1)),
        clock=SimulatedClock(),
        pace=pace,
        max_in_flight=4,
        call_time=1.0 if pace is AtOnce else 0.1,
        max_retry_time=20,
    )
    assert 20 <= progress.seconds < 25
    assert progress.states["created"] == 0
    if fault.startswith("throttle"):
        assert isinstance(sending.stopped_by, ThrottledError)
    else:
        assert isinstance(sending.stopped_by, RetryableError) or rows == 1
    assert set(sending.settled.values()) <= {"failed", "not_sent"} | ({"unknown"} if "503" in fault else set())


WRONG = {"related_contact_id": "00000000-0000-4000-8000-000000000000"}


@pytest.mark.parametrize(
    ("is_wrong", "tolerated"),
    [
        pytest.param(lambda row: row % 3 == 0, 0, id="between others"),
        pytest.param(lambda row: row > 60, 30, id="all at the end, and tolerated"),
    ],
)
def test_rows_that_fail_mean_the_same_on_every_attempt(
    sending: Sending, emulator: Emulator, is_wrong: Callable[[int], bool], tolerated: int
) -> None:
    """A later attempt has only the rows that fail: those that succeeded are on record, and count between them."""
    reported = []
    for whose in ({}, {}, {"run_id": "another"}):
        sending.become(**whose)
        contacts = [planned(row, **(WRONG if is_wrong(row) else {})) for row in range(1, 91)]
        progress = sending(contacts, max_in_flight=1, tolerates=lambda failed: failed <= tolerated)
        assert sending.stopped_by is None
        reported.append((progress.states["failed"], progress.states["created"] + progress.states["already_created"]))
    assert reported == [(30, 60)] * 3
    assert len(emulator.contacts()) == 60


def test_failures_beyond_what_is_tolerated_end_all(sending: Sending, emulator: Emulator) -> None:
    """Where no contact was created, or more rows fail alike than are tolerated, the rest is not tried."""
    for tolerated, contacts, calls in (
        (1_000, [planned(row, **WRONG) for row in range(1, 101)], 20),
        (30, [planned(0), *(planned(row, **WRONG) for row in range(1, 101))], 32),
    ):
        progress = sending(contacts, max_in_flight=1, tolerates=lambda failed, most=tolerated: failed <= most)
        assert isinstance(sending.stopped_by, RequestError)
        assert progress.calls == calls


@pytest.mark.parametrize("tolerated", [2, 3])
def test_rows_that_the_service_never_answers_are_tolerated_by_a_later_attempt(
    sending: Sending, emulator: Emulator, tolerated: int
) -> None:
    """Three rows fail whenever they are tried: on the attempt that has nothing else they count as on the first."""
    sending(planned(row) for row in range(1, 11))
    emulator.set_faults("error_500=1")
    progress = sending(
        (planned(row) for row in range(1, 14)),
        clock=SimulatedClock(),
        max_in_flight=1,
        max_retry_time=20,
        tolerates=lambda failed: failed <= tolerated,
    )
    assert isinstance(sending.stopped_by, RetryableError) == (tolerated < 3)
    assert progress.states["created"] == 10
    assert sum(progress.states[state] for state in ("failed", "unknown")) == 3 or tolerated < 3


def test_one_row_that_is_asked_to_wait_for_a_day_delays_no_other(sending: Sending, emulator: Emulator) -> None:
    """What the service asks for one row is that row's, and honoured up to what is left of its time."""
    emulator.set_faults("CreateContact@3:throttle(86400)")
    progress = sending((planned(row) for row in range(1, 51)), max_retry_time=20, clock=SimulatedClock())
    assert progress.accepted == 50
    assert 20 <= progress.seconds < 25


def test_row_that_always_fails_is_given_up_alone(sending: Sending) -> None:
    """A row to which the service always answers with an internal error ends neither the others nor the task."""
    call = sending.hook.call

    def ill(operation: str, params: Any, **more: Any) -> Any:
        if params["Name"] == "Row 3":
            raise RetryableError("Internal error.", operation=operation, code="InternalServiceException")
        if params["Name"] == "Row 5":
            raise ConnectError("What is this?", operation=operation, code="Unheard", may_have_happened=True)
        return call(operation, params, **more)

    sending.hook.call = ill  # type: ignore[method-assign]  # the local Amazon Connect knows no such row
    clock = SimulatedClock()

    def contacts() -> Iterator[PlannedContact]:
        for row in range(1, 81):
            clock.sleep(1)
            yield planned(row)

    progress = sending(contacts(), max_retry_time=30, clock=clock)
    assert sending.stopped_by is None
    assert progress.accepted == 78
    assert (sending.settled[3], sending.settled[5]) == ("failed", "unknown")
    assert sending([planned(3)], max_retry_time=10, clock=SimulatedClock()).states["failed"] == 1
    assert sending.stopped_by is None


def test_without_time_to_repeat_each_row_is_called_once(sending: Sending, emulator: Emulator) -> None:
    """With 0 there is one attempt for each row, and a failure of one says nothing of the others."""
    emulator.set_faults("CreateContact@1:throttle, CreateContact@5:error_500, CreateContact@9:cut_after")
    progress = sending((planned(row) for row in range(1, 31)), max_retry_time=0, max_in_flight=1)
    assert progress.calls == 30
    states = Counter(str(state) for state in sending.settled.values())
    assert sending.stopped_by is None
    assert states["created"] == 27
    assert states["failed"] + states["unknown"] == 3


# --- An operation that may happen at most once --------------------------------------------------------------


@pytest.mark.parametrize("fault", ["cut_after", "error_500", "cut_before"])
def test_unknown_fate_is_never_repeated_where_it_may_happen_twice(
    sending: Sending, emulator: Emulator, fault: str
) -> None:
    """What may have happened is not sent again, by this attempt or the next; what did not happen is."""
    emulator.set_faults(f"CreateContact@2:throttle, CreateContact@4:{fault}")
    options: dict[str, Any] = {"retry_unknown": False, "max_in_flight": 1, "clock": SimulatedClock()}
    first = sending((planned(row) for row in range(1, 11)), **options)
    [unknown] = [row for row, state in sending.settled.items() if state == "unknown"]
    assert (first.accepted, first.calls, first.refused) == (9, 11, 1)
    again = sending((planned(row) for row in range(1, 11)), **options)
    assert (again.calls, again.refused, sending.settled[unknown]) == (0, 1, "unknown")
    assert len(emulator.calls("CreateContact")) == 11
    assert sending([planned(unknown)], retry_unknown=True).accepted == 1


def test_service_that_answers_nobody_is_left_after_twenty(sending: Sending, emulator: Emulator) -> None:
    """Where no row may be repeated, a service that is down does not make all rows unknown."""
    emulator.set_faults("error_500=1")
    progress = sending((planned(row) for row in range(1, 1_001)), retry_unknown=False, max_in_flight=1)
    assert isinstance(sending.stopped_by, RetryableError)
    assert progress.calls == progress.states["unknown"] == SAME_FAILURES


def test_throttling_after_a_long_wait_for_rows_does_not_end_it(sending: Sending, emulator: Emulator) -> None:
    """Time in which there was nothing to send is no time without an accepted call."""
    clock = SimulatedClock()

    def contacts() -> Iterator[PlannedContact]:
        yield from (planned(row) for row in range(1, send.FIRST_BLOCK + 1))
        while len(emulator.contacts()) < send.FIRST_BLOCK:
            clock.sleep(1)
        clock.sleep(20)
        emulator.set_faults("CreateContact@1:throttle, CreateContact@2:throttle")
        yield planned(send.FIRST_BLOCK + 1)

    progress = sending(contacts(), max_retry_time=10, clock=clock)
    assert sending.stopped_by is None
    assert progress.accepted == send.FIRST_BLOCK + 1
    assert progress.throttled == 2


def test_mistake_of_ours_is_not_hidden(sending: Sending) -> None:
    """An exception that nobody sorted ends the sending and is reported as it is."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    sending.hook.call = broken  # type: ignore[method-assign]
    sending(planned(row) for row in range(1, 101))
    assert isinstance(sending.stopped_by, ZeroDivisionError)


def test_input_that_breaks_off_stops_after_what_was_ready(sending: Sending, emulator: Emulator) -> None:
    """An error of the second reading ends the sending; what was sent is on record."""

    def contacts() -> Iterator[PlannedContact]:
        yield from (planned(row) for row in range(1, 101))
        raise InputError("the file changed")

    progress = sending(contacts())
    assert isinstance(sending.stopped_by, InputError)
    made = [result for result in sending.results.values() if result["state"] == "created"]
    assert len(made) == progress.accepted == len(emulator.contacts())


def test_ledger_that_cannot_be_written_stops(sending: Sending, emulator: Emulator) -> None:
    """Without a record nothing more is sent; the next attempt gets the contacts that are not on it."""

    class Full(Ledger):
        written = 0

        def created(self, *arguments: Any, **more: Any) -> None:
            self.written += 1
            if self.written > 5:
                raise RecordError("no space left")
            super().created(*arguments, **more)

    ledger = Full(sending.folder, header={"try_number": 1, **sending.whose})
    sending((planned(row) for row in range(1, 1_001)), ledger=ledger)
    assert isinstance(sending.stopped_by, RecordError)
    unrecorded = len(emulator.contacts()) - 5
    assert 1 <= unrecorded <= 16
    progress = sending(planned(row) for row in range(1, 101))
    assert (progress.states["created"], progress.accepted) == (100, 95)
    assert len(emulator.contacts()) == 100


def test_stop_waits_for_what_is_in_flight(sending: Sending, emulator: Emulator) -> None:
    """After stop() nothing more is sent, and what is under way is still recorded."""
    emulator.set_faults("slow(300)=1")

    def stop(progress: Progress) -> None:
        if progress.in_flight:
            assert sending.sender is not None
            sending.sender.stop()

    progress = sending((planned(row) for row in range(1, 1_001)), on_progress=stop)
    assert sending.stopped_by is None
    assert 0 < progress.accepted == len(emulator.contacts()) == len(emulator.calls("CreateContact")) < 100
    assert sum(result["state"] == "created" for result in sending.results.values()) == progress.accepted


# --- Active contacts at their quota -------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Emulator, Sending]]:
    """An instance that may have ten active contacts."""
    with Emulator(rate=None, active_contacts=10) as emulator:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_FULL", aws_connection_json(emulator))
        yield emulator, Sending(ConnectHook("aws_full"), tmp_path / "results")


def test_quota_of_active_contacts_is_waited_for(full: tuple[Emulator, Sending]) -> None:
    """When contacts end, sending goes on by itself, and nothing is made twice."""
    emulator, sending = full
    waited = []

    def work(progress: Progress) -> None:
        if progress.waiting_for_quota:
            waited.append(progress)
            for contact in emulator.contacts("CREATED", "QUEUED", "CONNECTED")[:4]:
                emulator.accept(contact["id"])
                emulator.complete(contact["id"])

    progress = sending((planned(row) for row in range(1, 31)), on_progress=work, clock=SimulatedClock())
    assert progress.accepted == 30
    assert waited
    assert Counter(contact["name"] for contact in emulator.contacts()) == {f"Row {row}": 1 for row in range(1, 31)}


def test_quota_that_stays_used_up_ends_it(full: tuple[Emulator, Sending]) -> None:
    """After quota_timeout the sending ends with what is made on record; while it waits it hardly calls."""
    emulator, sending = full
    progress = sending((planned(row) for row in range(1, 31)), quota_timeout=60.0, clock=SimulatedClock())
    assert isinstance(sending.stopped_by, QuotaError)
    assert 60 <= progress.seconds < 65
    assert progress.accepted == 10
    assert {result["state"] for result in sending.results.values()} == {"created", "not_sent"}
    assert len(emulator.calls("CreateContact")) < 10 + 16 + 30


def test_throttling_after_a_long_wait_for_quota_does_not_end_it(full: tuple[Emulator, Sending]) -> None:
    """What was waited for active contacts is no time without an accepted call: the rate let all those calls through."""
    emulator, sending = full
    throttled = 0

    def work(progress: Progress) -> None:
        nonlocal throttled
        if progress.seconds > 20.0 and not throttled:
            emulator.set_faults("CreateContact@1:throttle, CreateContact@2:throttle")
            for contact in emulator.contacts("CREATED", "QUEUED", "CONNECTED"):
                emulator.accept(contact["id"])
                emulator.complete(contact["id"])
        throttled = progress.throttled

    progress = sending(
        (planned(row) for row in range(1, 16)), on_progress=work, max_retry_time=10, clock=SimulatedClock()
    )
    assert sending.stopped_by is None
    assert progress.accepted == 15
    assert progress.throttled > 0


def test_quota_of_one_contact_is_that_row_alone(sending: Sending, emulator: Emulator) -> None:
    """Too many files of one contact, a quota for which Amazon gives a reason, neither stop nor delay the others."""
    call = sending.hook.call

    def full(operation: str, params: Any, **more: Any) -> Any:
        # The local Amazon Connect has no files.
        if params["Name"] == "Row 3":
            error = QuotaError("Too many files.", operation=operation, code="ServiceQuotaExceededException")
            error.reason = "TOTAL_FILE_COUNT_EXCEEDED"
            raise error
        return call(operation, params, **more)

    sending.hook.call = full  # type: ignore[method-assign]
    progress = sending(planned(row) for row in range(1, 11))
    assert sending.stopped_by is None
    assert (progress.states["created"], progress.states["failed"], progress.refused) == (9, 1, 1)
    assert sending.results[3]["error"] == "QuotaError"


def test_continue_that_sends_nothing_writes_next_to_nothing(sending: Sending, emulator: Emulator) -> None:
    """A cleared task, and a run of the next day over the same keys, do not write the whole input again."""
    sending.folder = sending.folder / "results"

    def size() -> int:
        return sum(path.stat().st_size for path in sending.folder.rglob("*-*.jsonl"))

    sending.become()
    rows = [planned(row) for row in range(1, 301)]
    sending(rows)
    before = size()
    sending(rows)
    assert size() - before < 500, "a clear of the task"
    for run in ("monday", "tuesday"):
        sending.become(run_id=run)
        for what in ("another run", "a clear of it"):
            before = size()
            sending(rows)
            assert size() - before < 700, (run, what)
        assert sending.settled == dict.fromkeys(range(1, 301), "already_created")
        found = list(read_results(sending.records))
        assert [row["row"] for row in found] == list(range(1, 301))
        assert {row["state"] for row in found} == {"already_created"}
        assert {row["contact_id"] for row in found} == {contact["id"] for contact in emulator.contacts()}
    assert len(emulator.calls("CreateContact")) == 300
