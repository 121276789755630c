"""
Clients and a quota in virtual time: an hour of four tasks in seconds, the same on every machine.

Discrete events. A call travels half its latency to the service and half back; each half is lognormal. The service is
one of the limiters below and keeps the count; a client sends whenever its controller lets it, unless the scenario says
otherwise. The tests assert on it and ``benchmarks/pace.py`` prints it.
"""

from __future__ import annotations

import heapq
import math
import random
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from airflow_connect.bulk.pace import Answer, Pace

if TYPE_CHECKING:
    from collections.abc import Callable

#: Coefficient of variation of each half of the latency.
JITTER = 0.2


class Limiter(Protocol):
    """What stands before the service and lets a call through, or not."""

    burst: float

    def take(self, now: float) -> bool: ...
    def set_rate(self, now: float, rate: float) -> None: ...


class TokenBucket:
    """An ideal token bucket: a refused call takes no token."""

    def __init__(self, rate: float, burst: float, since: float = 0.0) -> None:
        self.rate, self.burst, self.tokens, self.since = rate, burst, float(burst), since

    def take(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.since) * self.rate)
        self.since = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def set_rate(self, now: float, rate: float) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.since) * self.rate)
        self.since, self.rate = now, rate


class FixedWindow:
    """So many calls in each second by the clock, and no more."""

    def __init__(self, rate: float) -> None:
        self.rate, self.burst, self.window, self.left = rate, 0.0, -1, 0.0

    def take(self, now: float) -> bool:
        if (window := math.floor(now)) > self.window:
            self.window, self.left = window, self.rate
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def set_rate(self, now: float, rate: float) -> None:
        self.rate = rate


class ShardedBucket:
    """A bucket split evenly over servers, of which each call meets one by chance."""

    def __init__(self, rate: float, burst: float, chance: random.Random, servers: int = 4) -> None:
        self.burst, self.chance = burst, chance
        self.servers = [TokenBucket(rate / servers, burst / servers) for _ in range(servers)]

    def take(self, now: float) -> bool:
        return self.chance.choice(self.servers).take(now)

    def set_rate(self, now: float, rate: float) -> None:
        for server in self.servers:
            server.set_rate(now, rate / len(self.servers))


class Unlimited:
    """No quota."""

    burst = 0.0

    def take(self, now: float) -> bool:
        return True

    def set_rate(self, now: float, rate: float) -> None:
        """There is none."""


class Simulation:
    """The events, the quota and the network between."""

    def __init__(self, limiter: Limiter, latency: float, chance: random.Random, jitter: float = JITTER) -> None:
        self.limiter = limiter
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._gauss = chance.gauss
        variance = math.log(1 + jitter**2)
        self._mean, self._deviation = math.log(latency / 2) - variance / 2, math.sqrt(variance)

    def at(self, time: float, do: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (time, next(self._order), do, arguments))

    def half_a_latency(self) -> float:
        return math.exp(self._gauss(self._mean, self._deviation))

    def call(self, client: Client, answer: Callable[..., None], *arguments: Any) -> None:
        """Send a call now; *answer* is called with the arguments and whether it was let through."""
        self.at(self.now + self.half_a_latency(), self._arrive, client, answer, arguments)

    def _arrive(self, client: Client, answer: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        passed = self.limiter.take(self.now)
        client.log(self.now, passed)
        self.at(self.now + self.half_a_latency(), answer, *arguments, passed)

    def run(self, until: float) -> None:
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, do, arguments = heapq.heappop(events)
            do(*arguments)
        self.now = until


class Client:
    """Counts what the service did with its calls, as seen at the service; *half* splits the run."""

    def __init__(self, simulation: Simulation, half: float = math.inf) -> None:
        self.simulation, self.half = simulation, half
        self.accepted = self.throttled = self.late_accepted = self.late_throttled = 0
        self.lost = 0
        self.calls: list[tuple[float, bool]] | None = None

    def log(self, now: float, passed: bool) -> None:
        if passed:
            self.accepted += 1
            self.late_accepted += now >= self.half
        else:
            self.throttled += 1
            self.late_throttled += now >= self.half
        if self.calls is not None:
            self.calls.append((now, passed))


class PacedClient(Client):
    """Sends when its pace lets it, from *start* to *stop*, having work all that time."""

    def __init__(
        self, simulation: Simulation, half: float = math.inf, start: float = 0.0, stop: float = math.inf, **pace: Any
    ) -> None:
        super().__init__(simulation, half)
        self.pace = Pace(start, **pace)
        self.stop = stop
        self._wake = math.inf
        self._plan(start)

    def _plan(self, time: float) -> None:
        if time < self._wake:
            self._wake = time
            self.simulation.at(time, self._woken, time)

    def _woken(self, time: float) -> None:
        if time == self._wake:
            self._wake = math.inf
            self._send()

    def _send(self) -> None:
        now = self.simulation.now
        pace = self.pace
        while now < self.stop:
            time = pace.send_at(now)
            if time > now:
                if time < math.inf:
                    self._plan(time)
                return
            self.simulation.call(self, self._answered, pace.sent(now))

    def _answered(self, call: Any, passed: bool) -> None:
        self.pace.answered(call, self.simulation.now, Answer.ACCEPTED if passed else Answer.THROTTLED)
        self._send()
