"""
Whether a call that failed is sent again: one decision for a single call, for each of many, and for rows.

Botocore bounds its retries by a count, so that with eight tasks on a quota of two calls a second half of the calls
are lost. Here a time bounds them, ``max_retry_time``: the seconds for which a call is retried after its first failure,
throttling included; a task that sends many ends when nothing was accepted for that long. With 0 a call is sent once.

:func:`decide` is pure: all that it has to know, with the time and the source of randomness, is an argument. This module
does not know Airflow or a client.
"""

from __future__ import annotations

import enum
import math
import random
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from airflow_connect.api.errors import (
    ConnectError,
    InputError,
    QuotaError,
    RecordError,
    RequestError,
    SetupError,
    ThrottledError,
)
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.defaults import MAX_RETRY_TIME

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Again",
    "Attempts",
    "Over",
    "Retries",
    "call_with_retries",
    "can_pass",
    "decide",
    "wait_before_attempt",
]

#: Seconds: the wait before attempt n is a random share of ``FIRST_WAIT * 2 ** (n - 2)``, at most ``LONGEST_WAIT``.
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 20.0

_Result = TypeVar("_Result")


class Again(NamedTuple):
    """
    Call again.

    :param at: not before this time, in seconds of :meth:`~airflow_connect.calls.clock.Clock.now`
    """

    at: float


class Over(enum.Enum):
    """Do not call again."""

    #: This call is given up; other calls of the task may succeed.
    THIS = "this"
    #: No call of the task would succeed.
    ALL = "all"


class Attempts:
    """
    What the attempts of one call have come to so far.

    :param may_have_happened: whether an attempt of another process may have been carried out
    """

    __slots__ = ("count", "first_failure", "may_have_happened")

    def __init__(self, *, may_have_happened: bool = False) -> None:
        self.count = 0
        #: When the first of them failed, ``None`` if none has.
        self.first_failure: float | None = None
        self.may_have_happened = may_have_happened

    def failed(self, error: ConnectError, now: float) -> float:
        """
        Note that an attempt failed, and complete its error with what is known of all attempts.

        :return: the time of the first failure
        """
        if self.first_failure is None:
            self.first_failure = now
        self.may_have_happened |= error.may_have_happened
        error.may_have_happened = self.may_have_happened
        error.attempts = self.count
        return self.first_failure


def can_pass(error: ConnectError) -> bool:
    """Return whether the same call can succeed later: it was throttled or not answered, or the error is not known."""
    return not isinstance(error, (RequestError, QuotaError, SetupError, InputError, RecordError))


def wait_before_attempt(attempt: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """
    Return seconds to wait before an attempt: uniform between zero and a bound that doubles (full jitter).

    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/

    :param attempt: the number of the attempt, from 2
    """
    return uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 2, 10)))


def decide(
    error: ConnectError,
    *,
    attempts: int,
    first_failure: float,
    now: float,
    max_retry_time: float,
    last_success: float = -math.inf,
    retry_unknown: bool = True,
    paced: bool = False,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Again | Over:
    """
    Decide what follows from a failed attempt.

    The wait before another attempt is that of :func:`wait_before_attempt`, but no shorter than the service asked for
    with ``Retry-After``. A wait that would end after the time is cut to it, so that the last attempt is sent when the
    time is up.

    :param error: of the attempt; it says whether any attempt may have been carried out (:meth:`Attempts.failed`)
    :param attempts: how often the call was sent
    :param first_failure: when it failed first
    :param now: the time
    :param max_retry_time: seconds
    :param last_success: when the service accepted a call of the same task last, in the same seconds as ``now``
    :param retry_unknown: whether a call that may have been carried out may be retried: its client token or its nature
        prevents that it is carried out twice
    :param paced: whether a pace, which slows down, decides when a throttled call leaves again
    :param uniform: the source of randomness
    """
    if isinstance(error, (RequestError, QuotaError)):
        return Over.THIS
    if not can_pass(error):
        return Over.ALL
    if error.may_have_happened and not retry_unknown:
        return Over.THIS
    end = first_failure + max_retry_time
    if now >= end:
        # A call that was sent once, since there is no time for a retry, does not say anything about the others.
        return Over.ALL if attempts > 1 and last_success < first_failure else Over.THIS
    wait = 0.0
    if not (paced and isinstance(error, ThrottledError)):
        wait = wait_before_attempt(attempts + 1, uniform)
    return Again(min(now + max(wait, error.retry_after or 0.0), end))


class Retries:
    """
    What a task that sends many calls at a pace knows of all of them, to decide for each that fails.

    :param max_retry_time: seconds
    :param retry_unknown: whether a call that may have been carried out may be retried
    """

    def __init__(self, max_retry_time: float, *, retry_unknown: bool = True) -> None:
        self._max_retry_time = max_retry_time
        self._retry_unknown = retry_unknown
        self._last_success = self._counted_from = -math.inf
        #: Until when calls are retried, first come first, since the last success.
        self._ends: dict[Attempts, float] = {}

    @property
    def last_attempt_at(self) -> float:
        """When a last attempt is sent, however slow the pace has become; infinite while calls are accepted."""
        return next(iter(self._ends.values()), math.inf)

    def accepted(self, now: float) -> None:
        """Note that the service did not throttle a call, whatever became of it then."""
        self._last_success = now
        self._ends.clear()

    def count_from(self, now: float) -> None:
        """Note that nothing could be sent until now, so that the time before does not count for what failed."""
        self._counted_from = now

    def failed(self, attempts: Attempts, error: ConnectError, now: float) -> Again | Over:
        """Note that an attempt failed, and decide what follows."""
        first_failure = max(attempts.failed(error, now), self._counted_from)
        if isinstance(error, (RequestError, QuotaError)):
            self.accepted(now)
        decision = decide(
            error,
            attempts=attempts.count,
            first_failure=first_failure,
            last_success=self._last_success,
            now=now,
            max_retry_time=self._max_retry_time,
            retry_unknown=self._retry_unknown,
            paced=True,
        )
        if isinstance(decision, Again):
            self._ends.setdefault(attempts, first_failure + self._max_retry_time)
        else:
            self.forget(attempts)
        return decision

    def forget(self, attempts: Attempts) -> None:
        """Forget a call that is not retried."""
        self._ends.pop(attempts, None)


def call_with_retries(
    call: Callable[[], _Result],
    *,
    max_retry_time: float = MAX_RETRY_TIME,
    retry_unknown: bool = True,
    clock: Clock | None = None,
    uniform: Callable[[float, float], float] = random.uniform,
) -> tuple[_Result, int]:
    """
    Call until it succeeds or :func:`decide` gives up; return the result and the number of attempts.

    :param call: raises :class:`~airflow_connect.api.errors.ConnectError`
    :param max_retry_time: seconds
    :param retry_unknown: whether a call that may have been carried out may be retried
    :param clock: the time
    :param uniform: the source of randomness
    :raises ConnectError: the last one; it says whether *any* attempt may have been carried out
    """
    clock = clock or Clock()
    attempts = Attempts()
    while True:
        attempts.count += 1
        try:
            return call(), attempts.count
        except ConnectError as error:
            now = clock.now()
            first_failure = attempts.failed(error, now)
            decision = decide(
                error,
                attempts=attempts.count,
                first_failure=first_failure,
                now=now,
                max_retry_time=max_retry_time,
                retry_unknown=retry_unknown,
                uniform=uniform,
            )
            if isinstance(decision, Over):
                raise
        clock.sleep(decision.at - now)
