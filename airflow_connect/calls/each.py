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
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from asgiref.sync import sync_to_async

from airflow_connect.api.errors import ConnectError, RetryableError, SetupError, ThrottledError
from airflow_connect.calls.pace import Answer, Pace
from airflow_connect.calls.retry import MAX_RETRY_TIME, wait_before_attempt

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import AsyncGenerator, Callable

    from airflow_connect.calls.clock import Clock

__all__ = ["Answered", "Paced"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Threads of a process that call; a thread waits for the network alone, so that they may be more than its cores.
THREADS: Final = 32
#: Seconds after which whoever is first in the queue, or is fed while it works, looks again.
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
        # In the context of the task's log. Airflow 3.0 and 3.1 give connections, as those whose credentials have
        # expired, only to threads that asgiref has started.
        self._call = sync_to_async(call, thread_sensitive=False, executor=threads or _shared_threads())
        self._clock = clock
        self.pace = pace if pace is not None else Pace(clock.now(), max_in_flight=THREADS)
        self._max_retry_time = max_retry_time
        #: Calls that left, and how many of them were throttled.
        self.calls = 0
        self.throttled = 0
        self._left = -math.inf
        self._in_a_row = 0
        self._turn: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    async def one(self, item: Item) -> Result:
        """
        Call for one item.

        :raises ConnectError: as the call does
        """
        answered = await self._answer(item)
        if answered.error is not None:
            raise answered.error
        return answered.result  # type: ignore[return-value]  # there is one where there is no error

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
        under_way: set[asyncio.Task[Answered[Item, Result]]] = set()
        try:
            while items or under_way or (more is not None and more()):
                while items and len(under_way) < THREADS:
                    under_way.add(asyncio.create_task(self._answer(items.popleft())))
                if not under_way:
                    await self._clock.async_sleep(POLL)
                    continue
                fed = more is not None and more()
                done, under_way = await asyncio.wait(
                    under_way, timeout=POLL if fed else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    yield task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _answer(self, item: Item) -> Answered[Item, Result]:
        """Call for an item until there is an answer, or no use in another attempt."""
        since = self._clock.now()
        may_have_happened = False
        for attempt in itertools.count(1):
            try:
                result = await self._call_once(item)
            except ThrottledError as error:
                self.throttled += 1
                again = error.retry_after or 0.0
            except RetryableError as error:
                if self._clock.now() >= since + self._max_retry_time:
                    return Answered(item, None, error, may_have_happened)
                may_have_happened |= error.may_have_happened
                again = max(wait_before_attempt(attempt + 1), error.retry_after or 0.0)
            except ConnectError as error:
                return Answered(item, None, error, may_have_happened)
            else:
                return Answered(item, result, None, may_have_happened)
            if again:
                await self._clock.async_sleep(again)
        raise AssertionError("counting has no end")

    async def _call_once(self, item: Item) -> Result:
        loop = asyncio.get_running_loop()
        # Who waits stands in a queue, and only who is first watches the pace: there may be thousands of triggers.
        async with self._turn_of(loop):
            while (wait := self._send_at(self._clock.now()) - self._clock.now()) > 0:
                await self._clock.async_sleep(min(wait, POLL))
            now = self._clock.now()
            self._in_a_row = self._in_a_row + 1 if now - self._left < PAUSE else 1
            self._left = now
            ticket = self.pace.sent(now)
        self.calls += 1
        answer = Answer.SAYS_NOTHING
        try:
            result = await self._call(item)
            answer = Answer.ACCEPTED
        except ThrottledError:
            answer = Answer.THROTTLED
            raise
        except (RetryableError, SetupError):
            raise
        except ConnectError:
            answer = Answer.ACCEPTED
            raise
        finally:
            self.pace.answered(ticket, self._clock.now(), answer)
        return result

    def _send_at(self, now: float) -> float:
        """
        Return when the next call may leave: a few calls after a pause leave with more room between them.

        After a pause the quota lets a burst through. The pace takes that for the rate, and every look at a few contacts
        would end in a throttled call.
        """
        send_at = self.pace.send_at(now)
        in_a_row = self._in_a_row if now - self._left < PAUSE else 0
        if not self.throttled or in_a_row >= FEW_IN_A_ROW:
            return send_at
        return max(send_at, self._left + MORE_ROOM / self.pace.rate)

    def _turn_of(self, loop: asyncio.AbstractEventLoop) -> asyncio.Lock:
        """Return the queue of an event loop: a sensor that pokes has a new one each time."""
        if self._turn is None or self._turn[0] is not loop:
            self._turn = loop, asyncio.Lock()
        return self._turn[1]


_threads: ThreadPoolExecutor | None = None


def _shared_threads() -> ThreadPoolExecutor:
    global _threads  # noqa: PLW0603  # a pool is for a process, and made when the first call needs it
    if _threads is None:
        _threads = ThreadPoolExecutor(THREADS, thread_name_prefix="amazon-connect")
    return _threads
