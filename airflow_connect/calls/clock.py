"""
The only place where calls, records, bulk tasks and waits read the time, or let time go by.

A test gives them a clock of its own, so that an hour of throttling takes no time. This module does not know Airflow or
a client.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractAsyncContextManager
    from queue import SimpleQueue

__all__ = ["Clock"]

_Item = TypeVar("_Item")


class Clock:
    """The time of this machine."""

    def now(self) -> float:
        """Return seconds that never go back, from a start that means nothing: for durations."""
        return time.monotonic()

    def epoch(self) -> float:
        """Return seconds since 1970, as Amazon counts them. They go back when somebody sets the machine's clock."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let this thread wait."""
        time.sleep(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """Let this coroutine wait."""
        await asyncio.sleep(seconds)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """
        Let this thread wait until another one notifies the condition, at most for some seconds.

        :param condition: its lock is held by this thread
        """
        condition.wait(seconds)

    def get(self, queue: SimpleQueue[_Item], seconds: float) -> _Item:
        """
        Let this thread wait until there is something in a queue, and return it.

        :raises queue.Empty: after some seconds
        """
        return queue.get(timeout=seconds)

    def timeout(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """Return a context that raises TimeoutError in this coroutine when it takes longer; ``None`` for never."""
        return asyncio.timeout(seconds)
