"""
One call for each of many contacts, in a pace's time: for what waits, stops, transfers and changes.

::

    items ──(the pace's turn)──► a thread with boto3 ──► Answered ──► whoever iterates
      ▲                                │
      └──── throttled, 5xx, no answer ─┘

The event loop decides and waits, threads call, so that one triggerer can wait for many tasks at once. This module knows
no Airflow and no client. What makes contacts has more to keep and is :mod:`airflow_connect.bulk.send`.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from airflow_connect.bulk.pace import Answer, Pace
from airflow_connect.errors import ConnectError, RetryableError, SetupError, ThrottledError
from airflow_connect.retry import MAX_RETRY_TIME, wait_before_attempt

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from airflow_connect.bulk.pace import Call

__all__ = ["Answered", "Clock", "Paced", "RealTime"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Threads of a process that call; a thread waits for the network alone, so that they may be more than its cores.
THREADS: Final = 32
#: Seconds after which whoever shares a pace, or is fed while it works, looks again.
LOOK: Final = 0.1


class Clock(Protocol):
    """Time, which tests can make go by."""

    def now(self) -> float:
        """Return seconds that never go back."""

    def epoch(self) -> float:
        """Return seconds since 1970, as Amazon counts them."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class RealTime:
    """The time of this machine."""

    def now(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def epoch(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Answered(Generic[Item, Result]):
    """
    What one call came to.

    :param item: what it was for
    :param result: what it returned, ``None`` where it failed
    :param error: how it failed
    :param may_have_happened: whether an earlier attempt, which got no answer, may have done it already
    """

    item: Item
    result: Result | None
    error: ConnectError | None
    may_have_happened: bool


class Paced(Generic[Item, Result]):
    """
    Call once for each item, again where that can help, no faster than the pace allows.

    :param call: makes one call without retries of its own; it runs in a thread
    :param clock: the time
    :param pace: what finds the quota of the operation; users of one event loop may share one
    :param max_retry_time: seconds for which a call that is not answered is repeated. One that is throttled is repeated
        for as long as that lasts, since the pace slows down.
    :param threads: where to call; default: threads that the process shares
    """

    def __init__(
        self,
        call: Callable[[Item], Result],
        *,
        clock: Clock,
        pace: Pace | None = None,
        max_retry_time: float = MAX_RETRY_TIME,
        threads: ThreadPoolExecutor | None = None,
    ) -> None:
        self._call = call
        self._clock = clock
        self.pace = pace if pace is not None else Pace(clock.now(), max_in_flight=THREADS)
        self._max_retry_time = max_retry_time
        self._threads = threads or _shared_threads()
        #: Calls that left, and how many of them were throttled.
        self.calls = 0
        self.throttled = 0

    async def one(self, item: Item) -> Result:
        """
        Call for one item.

        :raises ConnectError: as the call does
        """
        async for answered in self.each(deque([item])):
            if answered.error is not None:
                raise answered.error
            return answered.result  # type: ignore[return-value]  # there is one where there is no error
        raise AssertionError("each item is answered")

    async def each(
        self, items: deque[Item], *, more: Callable[[], bool] | None = None
    ) -> AsyncGenerator[Answered[Item, Result], None]:
        """
        Call for each item and return the answers as they come.

        Whoever stops early closes the iterator (``contextlib.aclosing``): calls that have left end in their threads,
        no others leave.

        :param items: taken from the left; others may be added while this runs
        :param more: says whether items may still be added by somebody else, where that is so
        """
        number = itertools.count()
        again: list[tuple[float, int, _Attempt[Item]]] = []
        flying: dict[asyncio.Future[Result], _Attempt[Item]] = {}
        try:
            while items or again or flying or (more is not None and more()):
                now = self._clock.now()
                ready = again[0][0] if again else math.inf
                if items and ready > now:
                    ready = now
                leave = max(ready, self.pace.send_at(now))
                if leave <= now:
                    attempt = (
                        heapq.heappop(again)[2] if again and again[0][0] <= now else _Attempt(items.popleft(), now)
                    )
                    flying[self._send(attempt, now)] = attempt
                    continue
                for done in await self._wait(leave - now, flying):
                    attempt = flying.pop(done)
                    answered = self._answered(attempt, done)
                    if isinstance(answered, float):
                        heapq.heappush(again, (answered, next(number), attempt))
                    else:
                        yield answered
        finally:
            for future, attempt in flying.items():
                future.cancel()
                self.pace.answered(attempt.ticket, self._clock.now(), Answer.SAYS_NOTHING)

    def _send(self, attempt: _Attempt[Item], now: float) -> asyncio.Future[Result]:
        attempt.count += 1
        attempt.ticket = self.pace.sent(now)
        self.calls += 1
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, context.run, self._call, attempt.item)

    async def _wait(
        self, seconds: float, flying: dict[asyncio.Future[Result], _Attempt[Item]]
    ) -> list[asyncio.Future[Result]]:
        """Wait for an answer, or until it is time to send; not for long, since others may change that time."""
        if not flying:
            await self._clock.sleep(min(seconds, LOOK))
            return []
        alarm: asyncio.Future[Any] = asyncio.ensure_future(self._clock.sleep(min(seconds, LOOK)))
        try:
            await asyncio.wait((*flying, alarm), return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
        return [future for future in flying if future.done()]

    def _answered(self, attempt: _Attempt[Item], done: asyncio.Future[Result]) -> Answered[Item, Result] | float:
        """Tell the pace, and return the answer, or the time of the next attempt."""
        now = self._clock.now()
        error = done.exception()
        if error is None:
            self.pace.answered(attempt.ticket, now, Answer.ACCEPTED)
            return Answered(attempt.item, done.result(), None, attempt.may_have_happened)
        if not isinstance(error, ConnectError):
            self.pace.answered(attempt.ticket, now, Answer.SAYS_NOTHING)
            raise error
        if isinstance(error, ThrottledError):
            self.throttled += 1
            self.pace.answered(attempt.ticket, now, Answer.THROTTLED)
            return now + (error.retry_after or 0.0)
        unanswered = isinstance(error, (RetryableError, SetupError))
        self.pace.answered(attempt.ticket, now, Answer.SAYS_NOTHING if unanswered else Answer.ACCEPTED)
        if isinstance(error, RetryableError) and now < attempt.since + self._max_retry_time:
            attempt.may_have_happened |= error.may_have_happened
            return now + max(wait_before_attempt(attempt.count + 1), error.retry_after or 0.0)
        return Answered(attempt.item, None, error, attempt.may_have_happened)


class _Attempt(Generic[Item]):
    """An item on its way: how often and since when it is tried."""

    __slots__ = ("count", "item", "may_have_happened", "since", "ticket")

    #: Of the call that is under way.
    ticket: Call

    def __init__(self, item: Item, since: float) -> None:
        self.item = item
        self.since = since
        self.count = 0
        self.may_have_happened = False


_threads: ThreadPoolExecutor | None = None


def _shared_threads() -> ThreadPoolExecutor:
    global _threads  # noqa: PLW0603  # a pool is for a process, and made when the first call needs it
    if _threads is None:
        _threads = ThreadPoolExecutor(THREADS, thread_name_prefix="amazon-connect")
    return _threads
