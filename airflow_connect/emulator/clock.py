"""The emulator's time: real by default, moved forward by tests."""

from __future__ import annotations

import threading
import time


class Clock:
    """
    Seconds since the epoch that never go back, and that a test can move forward.

    Everything in the emulator that depends on time asks this clock: the life of a contact, client tokens,
    the token buckets of the throttle, the lag of the search index.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def now(self) -> float:
        """Epoch seconds."""
        return self._epoch + time.monotonic() + self._moved

    def advance(self, seconds: float) -> None:
        """
        Move the clock.

        :param seconds: how far, forward only.
        :raises ValueError: when *seconds* is negative.
        """
        if seconds < 0:
            raise ValueError(f"The clock only goes forward; advance() was given {seconds} seconds.")
        with self._lock:
            self._moved += seconds

    def reset(self) -> None:
        """Back to real time."""
        with self._lock:
            self._epoch = time.time() - time.monotonic()
            self._moved = 0.0
