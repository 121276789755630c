"""
One call for each of many contacts, at a pace: to read, stop, transfer and change them.

::

    items ──(the pace's turn)──► a thread with boto3 ──► Answered ──► the caller's loop
      ▲                                │
      └──── throttled, 5xx, no answer ─┘

The event loop decides and waits, threads call, so that one triggerer can wait for many tasks at once. This module does
not know Airflow or a client. Contacts are created by :mod:`airflow_connect.bulk.send`, which
has to record more.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from asgiref.sync import sync_to_async

from airflow_connect.api.errors import ConnectError
from airflow_connect.calls.defaults import MAX_RETRY_TIME, THREADS
from airflow_connect.calls.pace import Answer, Pace
from airflow_connect.calls.retry import Again, Attempts, Over, Retries

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncGenerator, Callable

    from airflow_connect.calls.clock import Clock

__all__ = ["Answered", "Paced"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds between two checks of the first call in the queue, and of a task that gets more items while it runs.
POLL: Final = 0.1
#: Calls after a pause of so many seconds that leave with more room between them, once one was throttled, and how much.
PAUSE: Final = 2.0
FEW_IN_A_ROW: Final = 50
MORE_ROOM: Final = 1.5


@dataclass(frozen=True, slots=True)
class Answered(Generic[Item, Result]):
    """
    What one call came to.

    :param item: what it was for
    :param result: what it returned, ``None`` where it failed
    :param error: how it failed
    :param may_have_happened: whether an attempt that got no answer may have done it already
    """

    item: Item
    result: Result | None
    error: ConnectError | None
    may_have_happened: bool


class Paced(Generic[Item, Result]):
    """
    Call once for each item, again where that can help, no faster than the pace allows.

    :param call: sends one call without retries of its own; it runs in a thread
    :param clock: the time
    :param pace: what finds the quota of the operation; users of one event loop may share one
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; when no
        call was accepted for that long, no other leaves. 0 for a single attempt each
    """

    def __init__(
        self,
        call: Callable[[Item], Result],
        *,
        clock: Clock,
        pace: Pace | None = None,
        max_retry_time: float = MAX_RETRY_TIME,
    ) -> None:
        # In the context of the task's log. Airflow 3.0 and 3.1 give connections, as those whose credentials have
        # expired, only to threads that asgiref has started.
        self._call = sync_to_async(call, thread_sensitive=False, executor=_shared_threads())
        self._clock = clock
        self.pace = pace if pace is not None else Pace(clock.now(), max_in_flight=THREADS)
        self._retries = Retries(max_retry_time)
        #: Calls that left, those that came to an end, and how many of these were throttled.
        self.calls = 0
        self.ended = 0
        self.throttled = 0
        self._left = -math.inf
        self._in_a_row = 0
        self._turns: tuple[asyncio.AbstractEventLoop, asyncio.Lock, asyncio.Lock, asyncio.Event] | None = None

    async def one(self, item: Item) -> Result:
        """
        Call for one item.

        :raises ConnectError: as the call does
        """
        answered = await self._answer(item)
        if answered.error is not None:
            raise answered.error
        return answered.result  # type: ignore[return-value]  # it is set if error is not

    async def each(
        self, items: deque[Item], *, more: Callable[[], bool] | None = None
    ) -> AsyncGenerator[Answered[Item, Result], None]:
        """
        Call for each item and return the answers as they come.

        To stop early, close the iterator (``contextlib.aclosing``): calls that have left end in their threads, and no
        others leave.

        :param items: taken from the left; others may be added while this runs
        :param more: returns whether another task may still add items, if one does
        :raises ConnectError: if no call could succeed, or none was accepted for ``max_retry_time``
        """
        under_way: set[asyncio.Task[Answered[Item, Result]]] = set()
        try:
            while items or under_way or (more is not None and more()):
                while items and len(under_way) < THREADS:
                    under_way.add(asyncio.create_task(self._answer(items.popleft())))
                fed = asyncio.create_task(self._clock.async_sleep(POLL)) if more is not None and more() else None
                waited_for: set[asyncio.Task[Any]] = {*under_way, *([fed] if fed else [])}
                await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
                if fed:
                    fed.cancel()
                for answered in [task for task in under_way if task.done()]:
                    under_way.remove(answered)
                    yield answered.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _answer(self, item: Item) -> Answered[Item, Result]:
        """
        Call for an item until it has an answer, or another attempt would not help.

        :raises ConnectError: if no call of another item would succeed either
        """
        attempts = Attempts()
        try:
            while True:
                attempts.count += 1
                try:
                    result = await self._call_once(item, is_first=attempts.count == 1)
                except ConnectError as error:
                    now = self._clock.now()
                    match self._retries.failed(attempts, error, now):
                        case Over.THIS:
                            return Answered(item, None, error, attempts.may_have_happened)
                        case Over.ALL:
                            raise
                        case Again(at):
                            wait = at - now
                else:
                    return Answered(item, result, None, attempts.may_have_happened)
                if wait > 0:
                    await self._clock.async_sleep(wait)
        finally:
            self._retries.forget(attempts)

    async def _call_once(self, item: Item, *, is_first: bool) -> Result:
        queue, turn, news = self._turns_of(asyncio.get_running_loop())
        # Calls wait in a queue, and only the first watches the pace: there may be thousands of triggers. What has
        # failed overtakes what was not called yet, since its time runs.
        async with queue if is_first else contextlib.nullcontext(), turn:
            while (wait := self._send_at(self._clock.now()) - self._clock.now()) > 0:
                if wait < math.inf:
                    await self._clock.async_sleep(min(wait, POLL))
                    continue
                # Until one of those under way is answered, which takes a millisecond where the service is near.
                news.clear()
                with contextlib.suppress(TimeoutError):
                    async with self._clock.timeout(POLL):
                        await news.wait()
            now = self._clock.now()
            self._in_a_row = self._in_a_row + 1 if now - self._left < PAUSE else 1
            self._left = now
            ticket = self.pace.sent(now)
        self.calls += 1
        answer = Answer.SAYS_NOTHING
        try:
            result = await self._call(item)
            answer = Answer.ACCEPTED
        except ConnectError as error:
            answer = Answer.of(error)
            self.throttled += answer is Answer.THROTTLED
            raise
        finally:
            self.ended += 1
            self.pace.answered(ticket, self._clock.now(), answer)
            news.set()
        self._retries.accepted(self._clock.now())
        return result

    def _send_at(self, now: float) -> float:
        """
        Return when the next call may leave: a few calls after a pause leave with more room between them.

        After a pause the quota lets a burst through. The pace takes that for the rate, and every poll of a few contacts
        would end in a throttled call.
        """
        send_at = self.pace.send_at(now)
        in_a_row = self._in_a_row if now - self._left < PAUSE else 0
        if self.throttled and in_a_row < FEW_IN_A_ROW:
            send_at = max(send_at, self._left + MORE_ROOM / self.pace.rate)
        return send_at if self.pace.in_flight else min(send_at, self._retries.last_attempt_at)

    def _turns_of(self, loop: asyncio.AbstractEventLoop) -> tuple[asyncio.Lock, asyncio.Lock, asyncio.Event]:
        """
        Return the queue, the turn and what tells of an answer in an event loop.

        A sensor that pokes has a new one each time.
        """
        if self._turns is None or self._turns[0] is not loop:
            self._turns = loop, asyncio.Lock(), asyncio.Lock(), asyncio.Event()
        return self._turns[1:]


_threads: ThreadPoolExecutor | None = None


def _shared_threads() -> ThreadPoolExecutor:
    global _threads  # noqa: PLW0603  # a process has one pool, created by its first call
    if _threads is None:
        _threads = ThreadPoolExecutor(THREADS, thread_name_prefix="amazon-connect")
    return _threads
