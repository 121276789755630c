"""
Send planned contacts: in the pace's time, a thread for each call in flight, each answer in the ledger before it counts.

This module does not know Airflow or a client. It takes the contacts, a callable that makes one of them, a pace and a
ledger. A contact's way::

    planned ──(intended in the ledger)──► outbox ──(the pace's turn)──► in flight ──► created │ failed │ unknown
                                            ▲                               │
                                            └── throttled, 5xx, no answer ──┘

:class:`Intake` finds what needs no call, :class:`~airflow_connect.bulk.outbox.Outbox` decides what follows from an
answer, and :class:`Tally` counts how many have come to which state. :class:`Sender` has the threads.

There is one turn, and one thread that has it (the leader): it waits for the pace, takes a contact, hands the turn on
and calls. So nobody waits in a queue with a place that the next answer makes wrong, and where there is no need to wait,
no thread has to wake another.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, assert_never

from airflow_connect.api.errors import (
    ConnectError,
    InputError,
    QuotaError,
    RecordError,
    RequestError,
    RetryableError,
    ThrottledError,
    called_otherwise,
    content_changed,
)
from airflow_connect.bulk.outbox import Outbox, Row, Verdict
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.defaults import MAX_IN_FLIGHT, MAX_RETRY_TIME, QUOTA_TIMEOUT
from airflow_connect.calls.pace import Answer, PaceState
from airflow_connect.calls.retry import can_pass
from airflow_connect.record.format import RowState
from airflow_connect.record.results import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from airflow_connect.bulk.plan import PlannedContact
    from airflow_connect.calls.pace import Call, Pace
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.results import History

__all__ = ["Progress", "Sender"]

#: Contacts whose intent is recorded at once: few at first, so that the first call leaves at once.
FIRST_BLOCK: Final = 8
LARGEST_BLOCK: Final = 256

#: Errors on record after which another attempt may succeed.
_PASSING: Final = frozenset({RetryableError.__name__, ThrottledError.__name__})

#: States of a row that does not have a contact.
_WITHOUT_CONTACT: Final = frozenset({RowState.FAILED, RowState.INVALID, RowState.SKIPPED, RowState.NOT_SENT})

#: States of a row whose contact exists.
_WITH_CONTACT: Final = frozenset({RowState.CREATED, RowState.ALREADY_CREATED})

#: Seconds after which a thread that waits asks whether it should stop: a signal handler must not take a lock.
POLL: Final = 0.25
#: Seconds after which the thread that runs a sender asks whether all is done: it takes no lock, for a signal handler
#: may raise in it.
DONE_POLL: Final = 0.02


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far the sending is, at one moment.

    :param states: how many of the contacts that were taken have come to each state
    :param changed: contacts that an earlier attempt made from other content, and that stay as they are
    :param refused: those that failed or are unknown, and that another attempt would not help
    :param calls: calls sent
    :param answers: calls that have ended, with an answer or without one
    :param accepted: calls that created a contact
    :param throttled: calls that were throttled
    :param in_flight: calls without an answer yet
    :param pace: where the pace is, and with how many tasks it shares which quota
    :param seconds: since the first call
    :param waiting_for_quota: whether the number of active contacts is at its quota
    :param waiting_for_record: seconds since which what was recorded is being stored
    :param waiting_for_rows: whether no row is ready to be sent, and more are to be read
    """

    states: Mapping[RowState, int] = field(default_factory=dict)
    changed: int = 0
    refused: int = 0
    calls: int = 0
    answers: int = 0
    accepted: int = 0
    throttled: int = 0
    in_flight: int = 0
    pace: PaceState = field(default_factory=PaceState)
    seconds: float = 0.0
    waiting_for_quota: bool = False
    waiting_for_record: float = 0.0
    waiting_for_rows: bool = False


class Tally:
    """
    How many contacts have come to which state, and how many calls that took.

    :param on_settled: is called once with each contact that has come to a state, and what is wrong with it
    """

    def __init__(self, on_settled: Callable[[PlannedContact, RowState, str | None], None]) -> None:
        self._on_settled = on_settled
        self.states = dict.fromkeys(RowState, 0)
        self.refused = self.calls = self.accepted = 0
        #: Calls that have ended, and how many of them were throttled: one value, so that both are of one moment.
        self.answers = (0, 0)
        #: What was taken and has come to no state yet, by the number of its row.
        self.open: dict[int, Row] = {}

    def answered(self, error: Exception | None) -> None:
        """Count a call that has ended."""
        answers, throttled = self.answers
        self.answers = (answers + 1, throttled + isinstance(error, ThrottledError))

    def settle(
        self, contact: PlannedContact, state: RowState, *, fault: str | None = None, is_refused: bool = False
    ) -> None:
        """Count a contact that has come to its state."""
        self.open.pop(contact.row, None)
        self.states[state] += 1
        self.refused += is_refused
        self._on_settled(contact, state, fault)


class Intake:
    """
    Finds which contacts have to be sent, and records of the others what is known of them.

    :param operation: the API operation, for messages
    :param ledger: where that is recorded
    :param history: what earlier attempts and runs recorded
    :param retry_refused: whether a request that an earlier attempt recorded as refused is sent again unchanged
    :param retry_unknown: whether a contact that an earlier attempt may have created is asked for again
    """

    def __init__(
        self, *, operation: str, ledger: Ledger, history: History, retry_refused: bool, retry_unknown: bool
    ) -> None:
        self._operation = operation
        self._ledger = ledger
        self._history = history
        self._retry_refused = retry_refused
        self._retry_unknown = retry_unknown
        #: Contacts that an earlier attempt made from other content, and that stay as they are.
        self.changed = 0

    def settled(self, row: Row) -> tuple[RowState, str | None, bool] | None:
        """
        Return the state of a contact that needs no call, why, and whether another attempt of the task would not help.

        :return: ``None`` if it is to be sent
        """
        contact = row.contact
        known = row.known = self._history.get(contact.token)
        error: ConnectError | None = None
        is_refused = False
        if known is None or known.state in _WITHOUT_CONTACT:
            other = self._history.called_otherwise(contact.key)
            if other is not None:
                error, is_refused = called_otherwise(self._operation, other[0], exists=other[1]), True
                known = Known(RowState.FAILED, contact.content)
        if known is None:
            return None
        same = known.content == contact.content
        match known.state:
            case RowState.CREATED | RowState.ALREADY_CREATED:
                if known.own:
                    # What an earlier attempt created or found stays as it is, whatever the row renders now.
                    self.changed += not same
                elif not same:
                    who = self._history.who_else(contact.token)
                    error, is_refused = content_changed(self._operation, recorded_by=who, exists=True), True
                    known = known._replace(state=RowState.FAILED, contact_id=None, contact_arn=None)
            case RowState.UNKNOWN:
                row.may_have_happened = True
                if same and self._retry_unknown:
                    return None
                is_refused = True
                if not same:
                    who = None if known.own else self._history.who_else(contact.token)
                    error = content_changed(self._operation, recorded_by=who)
            case RowState.FAILED:
                # What another run was refused may be allowed since.
                is_refused |= known.own and known.error not in _PASSING and same and not self._retry_refused
                if not is_refused:
                    return None
            case RowState.INVALID | RowState.SKIPPED | RowState.NOT_SENT:
                return None
            case _:
                assert_never(known.state)
        self._ledger.not_again(contact.row, contact.key, contact.token, known, error)
        return known.state, known.message if error is None else str(error), is_refused


class Sender:
    """
    Send contacts until all have an outcome, or something stops all of them.

    Each contact that is taken comes to exactly one state.

    :param contacts: what is to be made, in order; read by a thread of its own, a little ahead of the calls
    :param create: creates the contact of one request, in one attempt, and returns the response; called by many threads
        at once. Raises :class:`~airflow_connect.api.errors.ConnectError`.
    :param pace: when to call, and how often at once
    :param operation: the API operation, for messages
    :param ledger: where intents and outcomes are recorded
    :param history: what earlier attempts and runs recorded
    :param on_settled: is called once with each contact that has come to a state, and what is wrong with it; one at a
        time, by any thread, which waits
    :param retry_refused: whether a request that an earlier attempt recorded as refused is sent again unchanged
    :param retry_unknown: whether a contact that may have been created is asked for again; its client token must keep
        it from being created twice
    :param tolerates: whether the task succeeds with so many rows that failed or are unknown: while it does, and
        contacts of the task exist, rows that fail do not end it
    :param max_in_flight: threads at most
    :param max_retry_time: seconds for which a call is repeated after its first failure, throttling included; when
        nothing was accepted for that long, the sending ends. 0 for a single attempt each
    :param quota_timeout: seconds for which to wait for active contacts to end where their number is at its quota
    :param clock: the time
    """

    def __init__(
        self,
        contacts: Iterable[PlannedContact],
        create: Callable[[dict[str, Any]], Mapping[str, Any]],
        *,
        operation: str,
        pace: Pace,
        ledger: Ledger,
        history: History,
        on_settled: Callable[[PlannedContact, RowState, str | None], None] = lambda _contact, _state, _fault: None,
        retry_refused: bool = True,
        retry_unknown: bool = True,
        tolerates: Callable[[int], bool] = lambda failed: not failed,
        max_in_flight: int = MAX_IN_FLIGHT,
        max_retry_time: float = MAX_RETRY_TIME,
        quota_timeout: float = QUOTA_TIMEOUT,
        clock: Clock | None = None,
    ) -> None:
        self._contacts = contacts
        self._create = create
        self._pace = pace
        self._ledger = ledger
        self._retry_unknown = retry_unknown
        self._tolerates = tolerates
        #: How many rows are announced in the record ahead of their calls: those that a killed worker leaves unknown.
        self._largest_block = LARGEST_BLOCK if retry_unknown else 1
        self._max_in_flight = max_in_flight
        self._clock = clock or Clock()
        self._history = history
        #: How many rows before the next one need no call, since their contacts exist.
        self._made = 0
        self._intake = Intake(
            operation=operation,
            ledger=ledger,
            history=history,
            retry_refused=retry_refused,
            retry_unknown=retry_unknown,
        )
        self._outbox = Outbox(max_retry_time=max_retry_time, quota_timeout=quota_timeout, retry_unknown=retry_unknown)
        self._tally = Tally(on_settled)

        self._lock = threading.Lock()
        self._turn = threading.Condition(self._lock)  # waited for by those who want the turn
        self._news = threading.Condition(self._lock)  # waited for by the one who has it
        self._room = threading.Condition(self._lock)  # waited for by the feeder
        self._led = False
        self._wakes_at = -math.inf

        self._fed = False
        self._threads = 0
        self._idle = 0
        self._in_flight = 0
        self._started = self._clock.now()
        self._stopping = False
        #: What ended the sending before its end; ``None`` if nothing did, or :meth:`stop`.
        self.stopped_by: Exception | None = None

    @property
    def pace(self) -> Pace:
        """When the calls leave."""
        return self._pace

    def stop(self) -> None:
        """Send nothing more. What is in flight is awaited by :meth:`run`. Safe in a signal handler: takes no lock."""
        self._stopping = True

    def run(self, on_progress: Callable[[Progress], None] = lambda _: None, *, every: float = 5.0) -> Progress:
        """
        Send everything and return what became of it; :attr:`stopped_by` says what ended it early.

        :param on_progress: called in this thread
        :param every: seconds between two calls of it
        """
        self._started = reported = self._clock.now()
        self._threads = 1  # the feeder; the first sender is started by what it brings
        threading.Thread(target=self._feed, name="contacts-feed", daemon=True).start()
        try:
            while self._threads:
                self._clock.sleep(DONE_POLL)
                if (now := self._clock.now()) - reported >= every:
                    reported = now
                    on_progress(self.progress())
        finally:
            # A signal may have raised in this thread: what is in flight is still awaited and recorded.
            self.stop()
            while self._threads:
                self._clock.sleep(DONE_POLL)
            self._leave_the_rest()
        return self.progress()

    def _leave_the_rest(self) -> None:
        """Record what was taken and not sent, so that nobody takes it for contacts that may be there."""
        rest = sorted(self._tally.open.values(), key=lambda row: row.contact.row)
        not_sent = [row.contact for row in rest if not row.may_have_happened]
        try:
            for row in rest:
                if row.may_have_happened and not row.is_intended and row.known is not None:
                    self._ledger.not_again(row.contact.row, row.contact.key, row.contact.token, row.known)
            if not_sent:
                self._ledger.not_sent((contact.row, contact.key, contact.token) for contact in not_sent)
        except RecordError as error:
            self.stopped_by = self.stopped_by or error
        for row in rest:
            self._tally.settle(row.contact, RowState.UNKNOWN if row.may_have_happened else RowState.NOT_SENT)

    def progress(self) -> Progress:
        """Return how far the sending is. Takes no lock."""
        tally = self._tally
        answers, throttled = tally.answers
        return Progress(
            states=dict(tally.states),
            changed=self._intake.changed,
            refused=tally.refused,
            calls=tally.calls,
            answers=answers,
            accepted=tally.accepted,
            throttled=throttled,
            in_flight=self._in_flight,
            pace=self._pace.state(self._clock.now()),
            seconds=self._clock.now() - self._started,
            waiting_for_quota=self._outbox.is_waiting_for_quota,
            waiting_for_record=self._ledger.waiting,
            waiting_for_rows=not (self._fed or self._outbox or self._in_flight),
        )

    # --- What comes in --------------------------------------------------------------------------------------------

    def is_done(self, row: int, token: str, content: str) -> bool:
        """
        Return whether an earlier attempt has created the contact of a row as it is now, and count it then.

        For the thread that reads rows and creates contacts: such a row does not need one.

        :param row: the row's number
        :param token: its client token
        :param content: the digest of its content
        """
        state = None if self._stopping else self._history.state_of_done(row, token, content)
        if state is None:
            return False
        self._made += 1
        with self._lock:
            self._tally.states[state] += 1
        return True

    def _feed(self) -> None:
        try:
            for block in self._blocks():
                self._offer(block)
        except BaseException as error:  # noqa: BLE001  # of whatever kind: it ends the sending, and the caller raises it
            with self._lock:
                self._end(error if isinstance(error, Exception) else _meant_to_end(error))
        finally:
            with self._lock:
                self._fed = True
                self._threads -= 1
                self._wake_all()

    def _blocks(self) -> Iterator[list[Row]]:
        """Yield what is to be sent, in blocks whose intents are recorded together."""
        size, block = min(FIRST_BLOCK, self._largest_block), list[Row]()
        for contact in self._contacts:
            # On hold until the history and the ledger have answered: what fails there leaves it as it is.
            row = self._tally.open[contact.row] = Row(contact, self._made)
            settled = self._intake.settled(row)
            if settled is None:
                block.append(row)
            else:
                state, fault, is_refused = settled
                self._made += state in _WITH_CONTACT
                with self._lock:
                    self._tally.settle(contact, state, fault=fault, is_refused=is_refused)
            if self._stopping:
                return
            if len(block) >= size:
                yield block
                size, block = min(2 * size, self._largest_block), []
        if block:
            yield block

    def _offer(self, block: list[Row]) -> None:
        """Record the intents, then let the contacts be sent; wait while enough of them are ready."""
        with self._lock:
            while self._outbox.fresh >= self._largest_block and not self._stopping:
                self._clock.wait(self._room, POLL)
        if self._stopping:
            return
        self._intend(block)
        with self._lock:
            self._outbox.add(block)
            self._have_a_follower()
            self._news.notify()

    def _intend(self, rows: list[Row]) -> None:
        self._ledger.intend(
            [(row.contact.row, row.contact.key, row.contact.token, row.contact.content) for row in rows]
        )
        for row in rows:
            row.is_intended = True

    # --- The turn -------------------------------------------------------------------------------------------------

    def _have_a_follower(self) -> None:
        """See to it that a thread is there to take the turn when its holder calls."""
        if not self._idle and self._threads <= self._max_in_flight:
            self._threads += 1
            self._idle += 1
            threading.Thread(target=self._work, name="contacts-send", daemon=True).start()

    def _work(self) -> None:
        with self._lock:
            try:
                while (row := self._take_turn()) is not None:
                    self._idle -= 1
                    if self._outbox or not self._fed:
                        self._have_a_follower()
                    call = self._pace.sent(self._clock.now())
                    self._in_flight += 1
                    self._tally.calls += 1
                    self._lock.release()
                    try:
                        error = self._call(row)
                        answered = self._clock.now()
                    finally:
                        self._lock.acquire()
                        self._in_flight -= 1
                        self._idle += 1
                    self._settle(row, call, error, answered)
            except BaseException as error:  # noqa: BLE001  # a ledger that cannot be written ends the sending
                self._end(error if isinstance(error, Exception) else _meant_to_end(error))
            finally:
                self._idle -= 1
                self._threads -= 1
                self._wake_all()

    def _take_turn(self) -> Row | None:
        """Wait until it is this thread's turn and the pace's time; return what to send, ``None`` at the end."""
        while self._led:
            if self._over():
                return None
            self._clock.wait(self._turn, POLL)
        self._led = True
        try:
            while not self._over():
                now = self._clock.now()
                at = self._outbox.next_at(now, self._pace.send_at(now), self._in_flight)
                if at <= now:
                    row = self._outbox.take(now)
                    if self._outbox.fresh < max(1, self._largest_block // 2):
                        self._room.notify()
                    return row
                self._wakes_at = at
                self._clock.wait(self._news, min(at - now, POLL))
            return None
        finally:
            self._wakes_at = -math.inf
            self._led = False
            self._turn.notify()

    def _over(self) -> bool:
        if self._stopping:
            return True
        return self._fed and not (self._outbox or self._in_flight)

    def _wake_all(self) -> None:
        self._turn.notify_all()
        self._news.notify_all()
        self._room.notify_all()

    # --- What comes back ------------------------------------------------------------------------------------------

    def _call(self, row: Row) -> Exception | None:
        """Call, and record a success before anybody counts it; return what failed. Holds no lock."""
        try:
            if not row.is_intended:
                self._intend([row])
            if not self._retry_unknown:
                # Of an attempt that goes on and one that replaces it, one finds the other's record before it calls.
                self._ledger.flush()
            self._ledger.check()
        except RecordError as error:
            return error
        try:
            response = self._create(row.contact.params)
            self._ledger.created(
                row.contact.row, response["ContactId"], attempts=row.count, contact_arn=response.get("ContactArn")
            )
        except Exception as error:  # noqa: BLE001  # sorted by the caller
            row.may_have_happened |= not isinstance(error, ConnectError) or isinstance(error, RecordError)
            return error
        return None

    def _settle(self, row: Row, call: Call, error: Exception | None, now: float) -> None:
        was_waiting = self._outbox.is_waiting_for_quota
        self._tally.answered(error)
        if error is None:
            self._pace.answered(call, now, Answer.ACCEPTED)
            self._outbox.accepted(now)
            self._tally.accepted += 1
            self._tally.settle(row.contact, RowState.CREATED)
        elif isinstance(error, ConnectError) and not isinstance(error, RecordError):
            self._pace.answered(call, now, Answer.of(error))
            self._fail(row, error, now)
        else:
            # A mistake of ours, or a record that cannot be written, or is not there any more.
            self._pace.answered(call, now, Answer.SAYS_NOTHING)
            self._end(error)
        if was_waiting or self._pace.send_at(now) < self._wakes_at or self._over():
            self._news.notify()

    def _fail(self, row: Row, error: ConnectError, now: float) -> None:
        verdict = self._outbox.failed(row, error, now)
        match verdict:
            case Verdict.AGAIN:
                self._call_off(row)
            case Verdict.GIVE_UP:
                self._give_up(row, error)
            case Verdict.GIVE_UP_AND_END:
                self._give_up(row, error)
                if not self._is_tolerated(error):
                    self._end(error)
            case Verdict.END:
                self._end(error)
            case _:
                assert_never(verdict)

    def _is_tolerated(self, error: ConnectError) -> bool:
        """Return whether the task goes on although an error says that all rows would fail."""
        states = self._tally.states
        if self._fed and not self._outbox and not isinstance(error, (ThrottledError, RequestError)):
            return True  # what a service answers to the last row with an internal error says nothing of the others
        failed = states[RowState.FAILED] + states[RowState.UNKNOWN]
        if can_pass(error):
            # Each of the rows that are left takes as long as this one.
            failed += len(self._tally.open)
        has_contacts = any(states[state] for state in _WITH_CONTACT)
        return has_contacts and (self._fed or not can_pass(error)) and self._tolerates(failed)

    def _call_off(self, row: Row) -> None:
        """
        Take back what was announced of a row that is known not to have been carried out, while it waits for its turn.

        Where what is unknown is not sent again, a worker that is killed meanwhile would leave it so for good.
        """
        if not self._retry_unknown:
            self._ledger.not_sent([(row.contact.row, row.contact.key, row.contact.token)])
            row.is_intended = False

    def _give_up(self, row: Row, error: ConnectError) -> None:
        if row.may_have_happened:
            # Also where the last answer is a refusal: what an earlier one did stays unknown.
            self._ledger.unknown(row.contact.row, error, attempts=row.count)
            self._tally.settle(row.contact, RowState.UNKNOWN, fault=str(error), is_refused=not self._retry_unknown)
        else:
            self._ledger.failed(row.contact.row, error, attempts=row.count)
            is_refused = isinstance(error, (RequestError, QuotaError))
            self._tally.settle(row.contact, RowState.FAILED, fault=str(error), is_refused=is_refused)

    def _end(self, error: Exception) -> None:
        """Stop everything: the first reason is the one that is reported."""
        if self.stopped_by is None:
            self.stopped_by = error
        self._stopping = True
        self._wake_all()


def _meant_to_end(error: BaseException) -> InputError:
    """Return the error for what would end a thread without a word, such as a call of ``sys.exit()``."""
    return InputError(
        f"{type(error).__name__} was raised while the rows were read again, so that nothing more is sent. Let the "
        "source and the contact's function raise an Exception that says what is wrong, and do not call sys.exit()."
    )
