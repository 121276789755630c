"""
Amazon's request quotas: a token bucket for every operation.

https://docs.aws.amazon.com/connect/latest/adminguide/amazon-connect-service-limits.html#api-throttling-quotas
"""

from __future__ import annotations

import threading

#: "a RateLimit of 2 per second, and a BurstLimit of 5 per second", for all operations without a row of their own.
DEFAULT_RATE = 2.0
DEFAULT_BURST = 5
#: Operations with a quota of their own, as a share of the others': 0.5 calls a second where the others have 2.
SHARES = {"SearchContacts": 0.25}


class Throttle:
    """
    Says whether a call is inside the quota of its operation.

    :param rate: tokens per second that every operation gets, but those of :data:`SHARES`; None is unlimited.
    :param burst: tokens that a bucket holds, and starts with.
    """

    def __init__(self, rate: float | None = DEFAULT_RATE, burst: int = DEFAULT_BURST) -> None:
        self._lock = threading.Lock()
        self.set(rate, burst)

    def set(self, rate: float | None, burst: int) -> None:
        """
        Change the quota; all buckets are full again.

        :raises ValueError: when *rate* is not positive (None is unlimited) or *burst* is less than 1.
        """
        if rate is not None and not rate > 0:
            raise ValueError(f"rate: must be more than 0 per second, or None for no limit; got {rate}.")
        if burst < 1:
            raise ValueError(f"burst: must be at least 1; got {burst}.")
        with self._lock:
            self._rate = rate
            self._burst = burst
            self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, operation: str, now: float) -> bool:
        """Take a token of *operation*; False when the bucket is empty. A refused call takes nothing."""
        with self._lock:
            if self._rate is None:
                return True
            rate = self._rate * SHARES.get(operation, 1.0)
            tokens, since = self._buckets.get(operation, (float(self._burst), now))
            tokens = min(self._burst, tokens + max(0.0, now - since) * rate)
            allowed = tokens >= 1
            self._buckets[operation] = (tokens - allowed, now)
            return allowed
