"""
Send planned contacts: in the pace's time, a thread for each call in flight, each answer in the ledger before it counts.

This module knows no Airflow and no client. It takes the contacts, a callable that makes one of them, a pace and a
ledger. A contact's way::

    planned ──(intended in the ledger)──► ready ──(the pace's turn)──► in flight ──► created │ failed │ unknown
                                            ▲                              │
                                            └── throttled, 5xx, no answer ─┘

There is one turn, and one thread that has it (the leader): it waits for the pace, takes a contact, hands the turn on
and calls. So nobody waits in a queue with a place that the next answer makes wrong, and where there is no need to wait,
no thread has to wake another.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, assert_never

from airflow_connect.api.errors import (
    ConnectError,
    LedgerError,
    QuotaError,
    RequestError,
    RetryableError,
    SetupError,
    ThrottledError,
    content_changed,
)
from airflow_connect.calls.pace import MAX_IN_FLIGHT, Answer
from airflow_connect.calls.retry import MAX_RETRY_TIME, wait_before_attempt
from airflow_connect.record.format import RowState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_connect.bulk.plan import PlannedContact
    from airflow_connect.calls.pace import Call, Pace
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.results import History, Known

__all__ = ["QUOTA_TIMEOUT", "Progress", "Sender"]

#: Seconds to wait by default for active contacts to end where their number is at its quota.
QUOTA_TIMEOUT: Final = 3_600.0

#: Refusals with one code in a row, and no success between, after which the others would fare alike.
SAME_REFUSALS: Final = 20

#: Contacts whose intent is recorded at once: few at first, so that the first call leaves at once.
FIRST_BLOCK: Final = 8
LARGEST_BLOCK: Final = 256

#: Seconds between two tries while the number of active contacts is at its quota.
FIRST_QUOTA_WAIT: Final = 5.0
LONGEST_QUOTA_WAIT: Final = 60.0

#: Errors on record after which another attempt may succeed.
_PASSING: Final = frozenset({RetryableError.__name__, ThrottledError.__name__})

#: Seconds after which a thread that waits looks whether it should stop: a signal handler must not take a lock.
LOOK: Final = 0.25


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far the sending is, at one moment.

    :param states: how many of the contacts that were taken have come to each state
    :param refused: those that failed or are unknown, and that another attempt would not help
    :param calls: calls sent
    :param accepted: calls that created a contact
    :param throttled: calls that were throttled
    :param in_flight: calls without an answer yet
    :param pace: calls per second that the pace aims at
    :param latency: seconds from call to answer
    :param seconds: since the first call
    :param waiting_for_quota: whether the number of active contacts is at its quota
    """

    states: Mapping[RowState, int] = field(default_factory=dict)
    refused: int = 0
    calls: int = 0
    accepted: int = 0
    throttled: int = 0
    in_flight: int = 0
    pace: float = 0.0
    latency: float = 0.0
    seconds: float = 0.0
    waiting_for_quota: bool = False


class _Attempted:
    """A contact on its way, and what its attempts have brought."""

    __slots__ = ("attempts", "contact", "failures", "is_intended", "known", "may_have_happened", "since")

    def __init__(self, contact: PlannedContact, known: Known | None, *, may_have_happened: bool) -> None:
        self.contact = contact
        #: What was on record before this attempt.
        self.known = known
        #: Whether this attempt has recorded that it is about to be sent.
        self.is_intended = False
        self.attempts = 0
        #: Attempts that failed for another reason than the rate.
        self.failures = 0
        self.may_have_happened = may_have_happened
        #: When the first of them failed.
        self.since: float | None = None


class Sender:
    """
    Send contacts until all have an outcome, or something stops all of them.

    Each contact that is taken comes to exactly one state.

    :param contacts: what is to be made, in order; read by a thread of its own, a little ahead of the calls
    :param create: makes the contact of one request, in one attempt, and returns the response; called by many threads
        at once. Raises :class:`~airflow_connect.api.errors.ConnectError`.
    :param pace: when to call, and how often at once
    :param operation: the API operation, for messages
    :param ledger: where intents and outcomes are recorded
    :param history: what earlier attempts and runs recorded
    :param on_settled: is told each contact that has come to a state, once; one at a time, by any thread, which waits
    :param retry_refused: whether a request that an earlier attempt recorded as refused is sent again unchanged
    :param max_in_flight: threads at most
    :param max_retry_time: seconds for which a contact is repeated that was not answered or met an error of the service;
        being throttled does not count, unless nothing at all is accepted for that long
    :param quota_timeout: seconds for which to wait for active contacts to end where their number is at its quota
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
        on_settled: Callable[[PlannedContact, RowState], None] = lambda _contact, _state: None,
        retry_refused: bool = True,
        max_in_flight: int = MAX_IN_FLIGHT,
        max_retry_time: float = MAX_RETRY_TIME,
        quota_timeout: float = QUOTA_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._contacts = contacts
        self._create = create
        self._operation = operation
        self._pace = pace
        self._ledger = ledger
        self._history = history
        self._on_settled = on_settled
        self._retry_refused = retry_refused
        self._max_in_flight = max_in_flight
        self._max_retry_time = max_retry_time
        self._quota_timeout = quota_timeout
        self._clock = clock
        self._sleep = sleep

        self._lock = threading.Lock()
        self._turn = threading.Condition(self._lock)  # waited for by those who want the turn
        self._news = threading.Condition(self._lock)  # waited for by the one who has it
        self._room = threading.Condition(self._lock)  # waited for by the feeder
        self._led = False
        self._wakes_at = -math.inf

        self._fed = False
        self._fresh: deque[_Attempted] = deque()
        self._again: list[tuple[float, int, _Attempted]] = []
        self._order = itertools.count()
        self._threads = 0
        self._idle = 0

        self._in_flight = 0
        self._started = self._last_success = clock()
        self._throttled_since: float | None = None
        self._states = dict.fromkeys(RowState, 0)
        self._refused = self._calls = self._accepted = self._throttled = 0
        self._refusals: tuple[str, int] = ("", 0)
        self._quota_since: float | None = None
        self._quota_waits = 0
        self._quota_until = -math.inf

        #: What was taken and has come to no state yet, by the number of its row.
        self._open: dict[int, _Attempted] = {}
        self._stopping = False
        #: What ended the sending before its end; ``None`` if nothing did, or :meth:`stop`.
        self.stopped_by: Exception | None = None

    def stop(self) -> None:
        """Send nothing more. What is in flight is awaited by :meth:`run`. Safe in a signal handler: takes no lock."""
        self._stopping = True

    def run(self, on_progress: Callable[[Progress], None] = lambda _: None, *, every: float = 5.0) -> Progress:
        """
        Send everything and return what became of it; :attr:`stopped_by` says what ended it early.

        :param on_progress: called in this thread
        :param every: seconds between two calls of it
        """
        with self._lock:
            self._started = self._last_success = self._clock()
            self._threads = 1  # the feeder; the first sender is started by what it brings
        threading.Thread(target=self._feed, name="contacts-feed", daemon=True).start()
        told = self._started
        try:
            while self._threads:
                self._sleep(0.02)
                if (now := self._clock()) - told >= every:
                    told = now
                    on_progress(self.progress())
        finally:
            # A signal may have raised in this thread: what is in flight is still awaited and recorded.
            self.stop()
            while self._threads:
                self._sleep(0.02)
            self._leave_the_rest()
        return self.progress()

    def _leave_the_rest(self) -> None:
        """Record what was taken and not sent, so that nobody takes it for contacts that may be there."""
        rest = sorted(self._open.values(), key=lambda row: row.contact.row)
        not_sent = [row.contact for row in rest if not row.may_have_happened]
        try:
            for row in rest:
                if row.may_have_happened and not row.is_intended and row.known is not None:
                    self._ledger.not_again(row.contact.row, row.contact.key, row.contact.token, row.known)
            if not_sent:
                self._ledger.not_sent((contact.row, contact.key, contact.token) for contact in not_sent)
        except LedgerError as error:
            self.stopped_by = self.stopped_by or error
        with self._lock:
            for row in rest:
                self._count(row.contact, RowState.UNKNOWN if row.may_have_happened else RowState.NOT_SENT)

    def progress(self) -> Progress:
        """Return how far the sending is. Takes no lock."""
        now = self._clock()
        return Progress(
            states=dict(self._states),
            refused=self._refused,
            calls=self._calls,
            accepted=self._accepted,
            throttled=self._throttled,
            in_flight=self._in_flight,
            pace=self._pace.rate,
            latency=self._pace.latency,
            seconds=now - self._started,
            waiting_for_quota=self._quota_since is not None,
        )

    # --- What comes in --------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        try:
            size, block = FIRST_BLOCK, []
            for contact in self._contacts:
                if (row := self._unsettled(contact)) is not None:
                    block.append(row)
                if self._stopping:
                    break
                if len(block) >= size:
                    self._offer(block)
                    size, block = min(2 * size, LARGEST_BLOCK), []
            if block and not self._stopping:
                self._offer(block)
        except Exception as error:  # noqa: BLE001  # of whatever kind: it ends the sending, and the caller raises it
            with self._lock:
                self._end(error)
        finally:
            with self._lock:
                self._fed = True
                self._threads -= 1
                self._wake_all()

    def _unsettled(self, contact: PlannedContact) -> _Attempted | None:
        """Return the contact to be sent, ``None`` if it is known what became of it."""
        # On hold until the history and the ledger have answered: what fails there leaves it as it is.
        row = self._open[contact.row] = _Attempted(contact, None, may_have_happened=False)
        known = row.known = self._history.get(contact.token)
        if known is None:
            return row
        error = None
        is_refused = False
        same = known.content == contact.content
        match known.state:
            case RowState.CREATED | RowState.ALREADY_MADE:
                pass
            case RowState.UNKNOWN:
                row.may_have_happened = True
                if same:
                    return row
                error, is_refused = content_changed(self._operation), True
            case RowState.FAILED:
                # What another run was refused may be allowed since.
                is_refused = known.own and known.error not in _PASSING and same and not self._retry_refused
                if not is_refused:
                    return row
            case RowState.INVALID | RowState.SKIPPED | RowState.NOT_SENT:
                return row
            case _:
                assert_never(known.state)
        self._ledger.not_again(contact.row, contact.key, contact.token, known, error)
        with self._lock:
            self._refused += is_refused
            self._count(contact, known.state)
        return None

    def _count(self, contact: PlannedContact, state: RowState) -> None:
        self._open.pop(contact.row, None)
        self._states[state] += 1
        self._on_settled(contact, state)

    def _offer(self, block: list[_Attempted]) -> None:
        """Record the intents, then let the contacts be sent; wait while enough of them are ready."""
        with self._lock:
            while len(self._fresh) >= LARGEST_BLOCK and not self._stopping:
                self._room.wait(LOOK)
        if self._stopping:
            return
        self._ledger.intend(
            [(row.contact.row, row.contact.key, row.contact.token, row.contact.content) for row in block]
        )
        for row in block:
            row.is_intended = True
        with self._lock:
            self._fresh.extend(block)
            self._have_a_follower()
            self._news.notify()

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
                    if self._fresh or self._again or not self._fed:
                        self._have_a_follower()
                    call = self._pace.sent(self._clock())
                    self._in_flight += 1
                    self._calls += 1
                    row.attempts += 1
                    self._lock.release()
                    try:
                        outcome = self._call(row)
                        answered = self._clock()
                    finally:
                        self._lock.acquire()
                        self._in_flight -= 1
                        self._idle += 1
                    self._settle(row, call, outcome, answered)
            except Exception as error:  # noqa: BLE001  # a ledger that cannot be written ends the sending
                self._end(error)
            finally:
                self._idle -= 1
                self._threads -= 1
                self._wake_all()

    def _take_turn(self) -> _Attempted | None:
        """Wait until it is this thread's turn and the pace's time; return what to send, ``None`` at the end."""
        while self._led:
            if self._over():
                return None
            self._turn.wait(LOOK)
        self._led = True
        try:
            while not self._over():
                now = self._clock()
                at = self._next_at(now)
                if at <= now:
                    if self._again and self._again[0][0] <= now:
                        return heapq.heappop(self._again)[2]
                    row = self._fresh.popleft()
                    if len(self._fresh) < LARGEST_BLOCK // 2:
                        self._room.notify()
                    return row
                self._wakes_at = at
                self._news.wait(min(at - now, LOOK))
            return None
        finally:
            self._wakes_at = -math.inf
            self._led = False
            self._turn.notify()

    def _next_at(self, now: float) -> float:
        """Return when the next call may leave."""
        if self._fresh:
            ready = now
        elif self._again:
            ready = self._again[0][0]
        else:
            return math.inf
        if self._quota_since is not None:
            # One call at a time finds out whether there is room again.
            return math.inf if self._in_flight else max(ready, self._quota_until)
        return max(ready, self._pace.send_at(now))

    def _over(self) -> bool:
        if self._stopping:
            return True
        return self._fed and not (self._fresh or self._again or self._in_flight)

    def _wake_all(self) -> None:
        self._turn.notify_all()
        self._news.notify_all()
        self._room.notify_all()

    # --- What comes back ------------------------------------------------------------------------------------------

    def _call(self, row: _Attempted) -> Mapping[str, Any] | Exception:
        """Call, and record a success before anybody counts it. Holds no lock."""
        try:
            response = self._create(row.contact.params)
            self._ledger.created(
                row.contact.row,
                response["ContactId"],
                attempts=row.attempts,
                contact_arn=response.get("ContactArn"),
            )
        except Exception as error:  # noqa: BLE001  # sorted by the caller
            return error
        return response

    def _settle(self, row: _Attempted, call: Call, outcome: Mapping[str, Any] | Exception, now: float) -> None:
        if not isinstance(outcome, Exception):
            self._pace.answered(call, now, Answer.ACCEPTED)
            self._succeed(row, now)
        elif isinstance(outcome, ThrottledError):
            self._pace.answered(call, now, Answer.THROTTLED)
            self._throttled += 1
            self._repeat_throttled(row, outcome, now)
        else:
            self._pace.answered(call, now, Answer.SAYS_NOTHING)
            self._fail(row, outcome, now)
        if self._pace.send_at(now) < self._wakes_at or self._over():
            self._news.notify()

    def _succeed(self, row: _Attempted, now: float) -> None:
        self._last_success, self._throttled_since = now, None
        self._refusals = ("", 0)
        if self._quota_since is not None:
            self._quota_since, self._quota_waits = None, 0
            self._news.notify()
        self._accepted += 1
        self._count(row.contact, RowState.CREATED)

    def _repeat_throttled(self, row: _Attempted, error: ThrottledError, now: float) -> None:
        if self._throttled_since is None:
            # Not the last success: time in which nothing was there to send is no time of throttling.
            self._throttled_since = now
        if now - self._throttled_since > self._max_retry_time:
            self._give_up(row, error)
            self._end(error)
        else:
            self._send_again(row, now + (error.retry_after or 0.0))

    def _fail(self, row: _Attempted, error: Exception, now: float) -> None:
        if isinstance(error, ConnectError):
            row.may_have_happened |= error.may_have_happened
            error.may_have_happened = row.may_have_happened
            error.attempts = row.attempts
        if isinstance(error, QuotaError) and error.reason is None:
            self._wait_for_quota(row, error, now)
        elif isinstance(error, RetryableError):
            if row.since is None:
                row.since = now
            if now - row.since <= self._max_retry_time:
                row.failures += 1
                wait = max(wait_before_attempt(row.failures + 1), error.retry_after or 0.0)
                self._send_again(row, now + wait)
            else:
                self._give_up(row, error)
                if self._last_success < row.since:
                    self._end(error)
        elif isinstance(error, (RequestError, QuotaError)):
            # A quota with a reason is of what this contact has with it, such as files.
            self._give_up(row, error)
            code, count = self._refusals
            self._refusals = (error.code, count + 1 if code == error.code else 1)
            if self._refusals[1] >= SAME_REFUSALS:
                self._end(error)
        else:
            # Access, credentials, the instance, the ledger, or a mistake of ours: no contact would fare better.
            # All but the first fail after an answer, which is not on record.
            row.may_have_happened |= not isinstance(error, SetupError)
            self._end(error)

    def _wait_for_quota(self, row: _Attempted, error: QuotaError, now: float) -> None:
        self._send_again(row, now)
        # A success of another kind: the service took the call, and its rate let it through.
        self._last_success, self._throttled_since = now, None
        if self._quota_since is None:
            self._quota_since = now
        elif self._quota_until > now:
            return  # it was sent before the last answer of this kind
        if now - self._quota_since >= self._quota_timeout:
            self._end(error)
            return
        wait = min(FIRST_QUOTA_WAIT * 2.0**self._quota_waits, LONGEST_QUOTA_WAIT)
        self._quota_waits = min(self._quota_waits + 1, 10)
        left = self._quota_since + self._quota_timeout - now
        # Full jitter would try at once; tasks that wait together need only be told apart.
        self._quota_until = now + min(random.uniform(0.5, 1.0) * wait, left)  # noqa: S311  # no secret

    def _send_again(self, row: _Attempted, at: float) -> None:
        heapq.heappush(self._again, (at, next(self._order), row))

    def _give_up(self, row: _Attempted, error: ConnectError) -> None:
        if row.may_have_happened:
            # Also where the last answer is a refusal: what an earlier one did stays unknown.
            self._ledger.unknown(row.contact.row, error, attempts=row.attempts)
            self._count(row.contact, RowState.UNKNOWN)
        else:
            self._ledger.failed(row.contact.row, error, attempts=row.attempts)
            self._refused += isinstance(error, (RequestError, QuotaError))
            self._count(row.contact, RowState.FAILED)

    def _end(self, error: Exception) -> None:
        """Stop everything: the first reason is the one that is told."""
        if self.stopped_by is None:
            self.stopped_by = error
        self._stopping = True
        self._wake_all()
