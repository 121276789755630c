"""
The wait of one task: what it waits for, what has ended so far, and when it is over.

::

    Awaited ──► Watch.poll ──► outcomes ──► Awaited.add ──► met │ late │ another poll
    (memory or results)

It is the same wait in a worker and in a triggerer; :mod:`airflow_connect.waiting.awaited` keeps what it finds. This
module does not know Airflow or a client.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from airflow_connect.api.errors import ConnectError
from airflow_connect.calls.retry import can_pass
from airflow_connect.waiting.act import stop_contacts
from airflow_connect.waiting.awaited import InMemory, contacts_needed
from airflow_connect.waiting.watch import Watch

if TYPE_CHECKING:
    from airflow_connect.api.outcome import Outcome
    from airflow_connect.calls.clock import Clock
    from airflow_connect.waiting.act import Stopped
    from airflow_connect.waiting.awaited import Awaited
    from airflow_connect.waiting.watch import Reads

__all__ = ["Wait"]

log = logging.getLogger(__name__)

#: Seconds by which a poll may go on when the time is up: there is one poll, however short the time. After it, the
#: contacts that it did not read are read for as long as such a time brings an answer.
LAST_POLL: Final = 30.0
#: Seconds before the time is up in which a poll is the last: Airflow's own clock may end the wait right after it.
MARGIN: Final = 1.0


class Wait:
    """
    Wait for contacts.

    :param awaited: the contacts, and where their outcomes are kept
    :param reads: what reads contacts
    :param clock: the time
    :param interval: seconds between two polls
    :param deadline: when the wait is over anyway (seconds since 1970), ``None`` for never
    :param wait_for: see :func:`~airflow_connect.waiting.awaited.contacts_needed`
    :param polled_before: whether another process has polled for the same contacts before, and kept nothing
    """

    def __init__(
        self,
        awaited: Awaited,
        reads: Reads,
        *,
        clock: Clock,
        interval: float = 60.0,
        deadline: float | None = None,
        wait_for: str | int = "all",
        polled_before: bool = False,
    ) -> None:
        self.awaited = awaited
        self.needed = contacts_needed(wait_for, awaited.total)
        self.watch = Watch(
            awaited.open(),
            reads=reads,
            clock=clock,
            interval=interval,
            created_since=awaited.created_since,
            describe_first=awaited.describe_first,
            polled_before=polled_before,
            transferred_to=awaited.transferred_to,
            on_transfer=awaited.transferred,
        )
        self._reads = reads
        self._clock = clock
        self._interval = interval
        # By the clock that never goes back: a machine's clock that is set back does not prolong a wait.
        self._end = math.inf if deadline is None else clock.now() + deadline - clock.epoch()

    @property
    def ended(self) -> int:
        """How many contacts have ended."""
        return sum(self.awaited.counts.values())

    @property
    def is_met(self) -> bool:
        """Whether enough of them have ended."""
        return self.ended >= self.needed

    @property
    def is_late(self) -> bool:
        """Whether the time is up."""
        return self._clock.now() >= self._end

    @property
    def pause(self) -> float:
        """Seconds until the next poll, or until the time is up."""
        return max(0.0, min(self._interval, self._end - self._clock.now()))

    async def poll(self) -> None:
        """
        Poll once, and keep what has ended. A service that does not answer costs this poll, and not the wait.

        The last poll before the time is up reads each contact that is open: no search decides that one is.

        :raises SetupError: if contacts cannot be read at all
        """
        if self.is_met:
            return
        left = None if self._end == math.inf else max(0.0, self._end - self._clock.now()) + LAST_POLL
        with contextlib.suppress(TimeoutError):
            async with self._clock.timeout(left):
                await self._poll(until_met=True)
        if self._clock.now() >= self._end - MARGIN and not self.is_met:
            await self._read_rest(until_met=True)

    async def poll_until_over(self) -> None:
        """
        Poll until enough contacts have ended, or the time is up.

        :raises SetupError: if contacts cannot be read at all
        """
        while True:
            await self.poll()
            log.info("Of %(contacts)d contacts %(open)d are open", self.awaited.summary())
            if self.is_met or self.is_late:
                return
            await self._clock.async_sleep(self.pause)

    async def read_attributes(self) -> None:
        """
        Read the attributes of outcomes that come from a trigger's event.

        :raises ConnectError: if they cannot be read
        """
        if not isinstance(self.awaited, InMemory):
            return
        ended: dict[str, list[Outcome]] = {}
        for outcome in self.awaited.ended():
            if outcome.ended is not None:
                ended.setdefault(outcome.transferred_to or outcome.contact_id, []).append(outcome)
        there = deque(ended)
        async with contextlib.aclosing(self._reads.describe.each(there)) as answers:
            async for answer in answers:
                if answer.error is not None:
                    raise answer.error
                attributes = (answer.result or {}).get("Attributes") or {}
                for outcome in ended[answer.item]:
                    self.awaited.outcomes[outcome.contact_id] = dataclasses.replace(outcome, attributes=attributes)

    async def stop_open(self) -> Stopped:
        """
        Stop what is still open, each contact once, and keep what became of it.

        Nothing is read before: what cannot be read is stopped as well.

        :raises ConnectError: if contacts cannot be stopped at all
        """
        stopped = await self.stop()
        self.watch.distrust()
        await self._read_rest()
        return stopped

    async def stop(self) -> Stopped:
        """
        Stop what the last poll left open, each contact once.

        :raises ConnectError: if contacts cannot be stopped at all
        """
        return await stop_contacts(self.watch.open_now, self._reads, clock=self._clock)

    def stop_at_once(self) -> Stopped:
        """
        Stop what the last poll left open, from wherever a signal found the process: a poll may be under way.

        :raises ConnectError: if contacts cannot be stopped at all
        """
        # The thread that was interrupted may be in an event loop, which cannot run another.
        with ThreadPoolExecutor(1, thread_name_prefix="amazon-connect-stop") as thread:
            return thread.submit(asyncio.run, self.stop()).result()

    async def _read_rest(self, *, until_met: bool = False) -> None:
        """Read each open contact that the last poll has not read, for as long as reads are answered."""
        while left := len(self.watch.not_described):
            log.info("%d open contacts are read one by one: a search may not show what has ended", left)
            with contextlib.suppress(TimeoutError):
                async with self._clock.timeout(LAST_POLL):
                    await self._poll(until_met=until_met, rest=True)
            if until_met and self.is_met:
                return
            if len(self.watch.not_described) >= left:
                log.warning("%d contacts cannot be read now, and count as open", left)
                return

    async def _poll(self, *, until_met: bool = False, rest: bool = False) -> None:
        try:
            async with contextlib.aclosing(self.watch.poll(rest=rest)) as outcomes:
                async for outcome in outcomes:
                    self.awaited.add(outcome)
                    if until_met and self.is_met:
                        return
        except ConnectError as error:
            if not can_pass(error):
                raise
            log.warning("No contact could be read: %s", error)
        finally:
            await asyncio.to_thread(self.awaited.flush)
