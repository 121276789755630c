"""
Clients and a quota in virtual time: an hour of four tasks in seconds, the same on every machine.

Discrete events. A call travels half its latency to the service and half back; each half is lognormal. The service is
one of the limiters below and keeps the count; a client always has work and sends whenever its controller lets it.
Beside ours there are the threads of botocore's three retry modes, which run botocore's own code with another clock.
The tests assert on what comes out, and ``benchmarks/pace.py`` prints it.

Where the code under test has threads or coroutines of its own, :class:`SimulatedClock` lets time go by for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
import random
import threading
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from itertools import count, pairwise, zip_longest
from time import sleep
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from botocore.exceptions import CapacityNotAvailableError
from botocore.retries import adaptive, bucket, quota, standard, throttling

from airflow_connect.calls.clock import Clock
from airflow_connect.calls.pace import Answer, Pace
from airflow_connect.calls.sharing import READS, Group, Sharing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

#: Coefficient of variation of each half of the latency.
JITTER = 0.2


class SimulatedClock(Clock):
    """
    Time that goes on when everybody waits: all threads that ever waited for it, and all coroutines.

    :param is_busy: whether something is under way that will wake one of them
    """

    def __init__(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        self._time = 1_000.0
        self._is_busy = is_busy
        self._lock = threading.RLock()
        self._threads: set[threading.Thread] = set()
        #: Who waits, until when, and the thread if it is one.
        self._waiting: dict[object, tuple[float, threading.Thread | None]] = {}
        #: Those of them that end what others do: alone they let no time go by, since somebody is at work.
        self._ends: set[object] = set()

    def now(self) -> float:
        return self._time

    def epoch(self) -> float:
        return 1_764_000_000 + self._time

    def advance(self, seconds: float) -> None:
        """Let time go by, as a call does that takes long."""
        with self._lock:
            self._time += seconds

    def sleep(self, seconds: float) -> None:
        with self._until(seconds, threading.current_thread()) as (who, at):
            while self.now() < at:
                sleep(0.0002)
                self._go_on(who)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        with self._until(seconds, threading.current_thread()) as (who, at):
            while self.now() < at and not condition.wait(0.001):
                self._go_on(who)

    async def async_sleep(self, seconds: float) -> None:
        with self._until(seconds, None) as (who, at):
            await self._go_by(who, at)

    async def _go_by(self, who: object, at: float) -> None:
        others, rounds = 0, 0
        while self.now() < at:
            # What another coroutine does at its turn may need some turns more. One alone looks at each turn: it is the
            # first whose time comes, and the looks of all others would be most of what a test computes.
            is_busy = self._is_busy()
            is_first = at <= min(other for other, _ in list(self._waiting.values()))
            await asyncio.sleep(0.001 if is_busy or not is_first else 0)
            rounds = 0 if is_busy or others != len(self._waiting) else rounds + 1
            others = len(self._waiting)
            if rounds > 10:
                self._go_on(who)
                rounds = 0

    @contextlib.asynccontextmanager
    async def timeout(self, seconds: float | None) -> AsyncIterator[object]:
        async with asyncio.timeout(None) as scope:
            end = None if seconds is None else asyncio.create_task(self._end(scope, seconds))
            try:
                yield scope
            finally:
                if end is not None:
                    end.cancel()

    async def _end(self, scope: asyncio.Timeout, seconds: float) -> None:
        with self._until(seconds, None) as (who, at):
            self._ends.add(who)
            try:
                await self._go_by(who, at)
            finally:
                self._ends.discard(who)
        scope.reschedule(asyncio.get_running_loop().time())

    @contextlib.contextmanager
    def _until(self, seconds: float, thread: threading.Thread | None) -> Iterator[tuple[object, float]]:
        who, at = object(), self.now() + seconds
        with self._lock:
            self._waiting[who] = at, thread
            if thread:
                self._threads.add(thread)
        try:
            yield who, at
        finally:
            with self._lock:
                del self._waiting[who]

    def _go_on(self, who: object) -> None:
        with self._lock:
            waiting = {thread for _, thread in self._waiting.values()}
            if self._is_busy() or any(thread.is_alive() and thread not in waiting for thread in self._threads):
                return
            if len(self._ends) == len(self._waiting):
                return
            first = min(at for at, _ in self._waiting.values())
            left = first - self.now()  # once: a clock beneath may go on by itself
            if self._waiting[who][0] <= first and left > 0:
                self.advance(left)


class StoppedClock(Clock):
    """
    A clock that always shows one time, and waits as any other.

    :param epoch: in seconds since 1970
    """

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch

    def epoch(self) -> float:
        return self._epoch


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
        self.tokens = min(self.burst, self.tokens + (now - self.since) * self.rate) if rate else 0.0
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


class Faulty:
    """A share of the calls is refused by chance, whatever their pace, before a limiter that may be behind it."""

    def __init__(self, share: float, chance: random.Random, behind: Limiter | None = None) -> None:
        self.share, self._random, self.behind = share, chance.random, behind or Unlimited()
        self.burst = self.behind.burst

    def take(self, now: float) -> bool:
        return self._random() >= self.share and self.behind.take(now)

    def set_rate(self, now: float, rate: float) -> None:
        self.behind.set_rate(now, rate)


class Simulation:
    """The events, the quota and the network between."""

    def __init__(self, limiter: Limiter, latency: float, chance: random.Random, jitter: float = JITTER) -> None:
        self.limiter = limiter
        self.now = 0.0
        self.folder: Folder | None = None
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._gauss = chance.gauss
        self._variance = math.log(1 + jitter**2)
        self._deviation = math.sqrt(self._variance)
        self.set_latency(latency)

    def set_latency(self, latency: float) -> None:
        """Let each half of a round trip take half of *latency* seconds in the mean from now on."""
        self._mean = math.log(latency / 2) - self._variance / 2

    def at(self, time: float, do: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (time, next(self._order), do, arguments))

    def half_a_latency(self) -> float:
        return math.exp(self._gauss(self._mean, self._deviation))

    def call(self, client: Client, answer: Callable[..., None], *arguments: Any) -> None:
        """Send a call now; *answer* is called with the arguments and whether it was let through."""
        self.at(self.now + client.distance * self.half_a_latency(), self._arrive, client, answer, arguments)

    def _arrive(self, client: Client, answer: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        passed = self.limiter.take(self.now)
        client.log(self.now, passed)
        self.at(self.now + client.distance * self.half_a_latency(), answer, *arguments, passed)

    def run(self, until: float) -> None:
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, do, arguments = heapq.heappop(events)
            do(*arguments)
        self.now = until


class Client:
    """
    Counts what the service did with its calls, as seen at the service; *half* splits the run.

    It sends until *stop*, or until *rows* of its calls were let through or given up.
    """

    def __init__(self, simulation: Simulation, half: float) -> None:
        self.simulation, self.half = simulation, half
        self.stop = self.rows = math.inf
        #: Its latency in units of that of the simulation.
        self.distance = 1.0
        #: When calls were let through and throttled at the service.
        self.times: list[float] = []
        self.throttled_at: list[float] = []
        self.accepted = self.throttled = self.late_accepted = self.late_throttled = 0
        #: Rows that were given up because the retries were used up.
        self.lost = 0

    def log(self, now: float, passed: bool) -> None:
        if passed:
            self.times.append(now)
            self.accepted += 1
            self.late_accepted += now >= self.half
        else:
            self.throttled_at.append(now)
            self.throttled += 1
            self.late_throttled += now >= self.half

    def between(self, since: float, until: float) -> int:
        """Return how many calls were let through in some time."""
        return bisect_left(self.times, until) - bisect_left(self.times, since)

    def throttled_between(self, since: float, until: float) -> int:
        """Return how many calls were throttled in some time."""
        return bisect_left(self.throttled_at, until) - bisect_left(self.throttled_at, since)


class PacedClient(Client):
    """Sends when its pace lets it, from *start* to *stop*."""

    def __init__(
        self,
        simulation: Simulation,
        half: float = math.inf,
        start: float = 0.0,
        stop: float = math.inf,
        **pace: Any,
    ) -> None:
        super().__init__(simulation, half)
        self.pace = Pace(start, **pace)
        self.stop = stop
        #: Calls under way, and those whose success is known here.
        self._open = self.accepted_here = 0
        #: From when to when there are no rows to send.
        self.idle: tuple[float, float] | None = None
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
        while now < self.stop and self.accepted_here + self._open < self.rows:
            time = self.pace.send_at(now)
            if self.idle and self.idle[0] <= max(now, time) < self.idle[1]:
                time = self.idle[1]
            if time > now:
                if time < math.inf:
                    self._plan(time)
                return
            self._open += 1
            self.simulation.call(self, self._answered, self.pace.sent(now))

    def _answered(self, call: Any, passed: bool) -> None:
        self._open -= 1
        self.accepted_here += passed
        self.pace.answered(call, self.simulation.now, Answer.ACCEPTED if passed else Answer.THROTTLED)
        self._send()


class Folder:
    """
    A folder that all see, in a store that takes its time: what is written is there some time after the request.

    :param latency: seconds of a request
    """

    def __init__(self, latency: float = 0.1) -> None:
        self.latency = latency
        #: Files that a task may read in a beat.
        self.reads: int | None = READS
        self.files: dict[str, tuple[str, bytes]] = {}
        self.requests = 0
        #: Whether requests fail.
        self.is_ill = False
        self._writes = count()

    def listing(self) -> dict[str, tuple[int, str]]:
        self.requests += 1
        return {name: (len(data), signature) for name, (signature, data) in self.files.items()}

    def put(self, name: str, data: bytes) -> None:
        self.requests += 1
        self.files[name] = (str(next(self._writes)), data)

    def get(self, name: str) -> bytes | None:
        self.requests += 1
        return self.files[name][1] if name in self.files else None

    def remove(self, name: str) -> None:
        self.requests += 1
        self.files.pop(name, None)


class SeeingClient(PacedClient):
    """
    One that sees those that use the same folder: every beat is as that of Peers, in virtual time.

    It removes its file when it is done; *killed* is when it ends without doing so.
    """

    def __init__(
        self, simulation: Simulation, folder: Folder, chance: random.Random, start: float, **pace: Any
    ) -> None:
        super().__init__(simulation, start=start, chance=chance, **pace)
        self.folder = folder
        self.killed = math.inf
        self.sharing = Sharing(f"task-{chance.getrandbits(32):08x}.json", start, reads=folder.reads)
        simulation.at(start, self._beats)

    @property
    def is_done(self) -> bool:
        return self.simulation.now >= self.stop or self.accepted_here >= self.rows

    def _beats(self) -> None:
        now, sharing = self.simulation.now, self.sharing
        if now >= self.killed:
            return
        if self.is_done:
            self.folder.remove(sharing.name)
            return
        if now >= sharing.next_at(now, is_dark=self.pace.dark_since is not None):
            said, sent, keeps_up = self.pace.says(now)
            data = sharing.to_write(now, said, sent, keeps_up=keeps_up)
            if self.folder.is_ill:
                sharing.failed(now)
                self.pace.hear(Group(lost=True))
            else:
                if data is not None:
                    self.folder.put(sharing.name, data)
                names = sharing.to_read(now, self.folder.listing())
                self.simulation.at(now + self.folder.latency, self._read, names)
        self.simulation.at(now + 0.25, self._beats)

    def _read(self, names: list[str]) -> None:
        now = self.simulation.now
        if now >= self.killed or self.is_done:
            return
        for name in names:
            self.sharing.read(now, name, self.folder.get(name))
        self.pace.hear(self.sharing.group(now))
        if (dead := self.sharing.to_remove(now)) is not None:
            self.folder.remove(dead)
        self._plan(self.simulation.now)


class BotoThreads(Client):
    """
    Threads that call with boto3, one row after the other, until the retries of a row are used up.

    ``standard`` and ``adaptive`` are botocore's own back-off, retry quota and rate limiter; ``legacy`` is its formula,
    whose code sleeps and takes chance from the module. What blocks a thread in botocore waits in virtual time here.
    """

    MAX_ATTEMPTS: ClassVar = {
        "legacy": 5,
        "standard": standard.DEFAULT_MAX_ATTEMPTS,
        "adaptive": standard.DEFAULT_MAX_ATTEMPTS,
    }

    def __init__(
        self, simulation: Simulation, half: float, start: float, chance: random.Random, mode: str, threads: int
    ) -> None:
        super().__init__(simulation, half)
        self.mode, self._attempts, self._random = mode, self.MAX_ATTEMPTS[mode], chance.random
        self._backoff = standard.ExponentialBackoff(random=chance.random)
        self._quota = standard.RetryQuotaChecker(quota.RetryQuota())
        self._limiter: adaptive.ClientRateLimiter | None = None
        if mode == "adaptive":
            clock = SimpleNamespace(current_time=lambda: simulation.now)
            self._tokens = bucket.TokenBucket(max_rate=1, clock=clock)
            self._limiter = adaptive.ClientRateLimiter(
                rate_adjustor=throttling.CubicCalculator(starting_max_rate=0, start_time=simulation.now),
                rate_clocker=adaptive.RateClocker(clock),
                token_bucket=self._tokens,
                throttling_detector=SimpleNamespace(is_throttling_error=lambda passed: not passed),
                clock=clock,
            )
        self._throttled_before = False
        self._taken = 0  # rows
        self._waiting: deque[tuple[int, dict[str, Any]]] = deque()
        for _ in range(threads):
            simulation.at(start, self._attempt, 1, {})

    def _attempt(self, number: int, context: dict[str, Any]) -> None:
        if number == 1:
            if self._taken >= self.rows or self.simulation.now >= self.stop:
                return
            self._taken += 1
        if self._limiter and self._throttled_before:
            try:
                self._tokens.acquire(block=False)
            except CapacityNotAvailableError:
                self._taken -= number == 1
                waiter = (number, context)
                self._waiting.append(waiter)
                wait = (1 - self._tokens.available_capacity) / self._tokens.max_rate
                self.simulation.at(self.simulation.now + max(wait, 1e-6), self._wake, waiter)
                return
        self.simulation.call(self, self._answered, number, context)

    def _wake(self, waiter: tuple[int, dict[str, Any]]) -> None:
        for index, other in enumerate(self._waiting):
            if other is waiter:
                del self._waiting[index]
                self._attempt(*waiter)
                return

    def _answered(self, number: int, context: dict[str, Any], passed: bool) -> None:
        if self._limiter:
            self._throttled_before |= not passed
            self._limiter.on_receiving_response(passed=passed)
            if self._waiting:  # a new rate wakes one who waits for a token
                self._wake(self._waiting[0])
        if passed:
            self._quota.release_retry_quota(context, SimpleNamespace(status_code=200))
            self._attempt(1, {})
            return
        if number < self._attempts and (delay := self._delay(number, context)) is not None:
            self.simulation.at(self.simulation.now + delay, self._attempt, number + 1, context)
        else:
            self.lost += 1
            self._attempt(1, {})

    def _delay(self, number: int, context: dict[str, Any]) -> float | None:
        if self.mode == "legacy":
            return self._random() * 2.0 ** (number - 1)
        retry = standard.RetryContext(
            number, parsed_response={"Error": {"Code": "ThrottlingException"}}, request_context=context
        )
        return float(self._backoff.delay_amount(retry)) if self._quota.acquire_retry_quota(retry) else None


def ours(**pace: Any) -> Callable[[Simulation, float, float, random.Random], Client]:
    """Return what makes a client with our pace."""
    return lambda simulation, half, start, chance: PacedClient(simulation, half, start, chance=chance, **pace)


def seeing(**pace: Any) -> Callable[[Simulation, float, float, random.Random], Client]:
    """Return what makes a client with our pace that sees the others of the same simulation."""

    def make(simulation: Simulation, half: float, start: float, chance: random.Random) -> Client:
        if simulation.folder is None:
            simulation.folder = Folder()
        client = SeeingClient(simulation, simulation.folder, chance, start, **pace)
        client.half = half
        return client

    return make


def boto(mode: str, threads: int) -> Callable[[Simulation, float, float, random.Random], Client]:
    """Return what makes a client of boto3 threads with a retry mode."""
    return lambda simulation, half, start, chance: BotoThreads(simulation, half, start, chance, mode, threads)


@dataclass(frozen=True)
class Scenario:
    """
    A quota and those who use it.

    :param changes: (seconds, rate)
    :param starts: when the clients start
    :param stops: when those who started leave
    :param rows: how many calls each has to make
    :param latencies: (seconds, latency) from then on
    :param distances: the latency of each client in units of the scenario's
    :param chance: the share of the calls that is throttled by chance, whatever the pace
    """

    rate: float
    burst: float
    latency: float
    seconds: float
    changes: Sequence[tuple[float, float]] = ()
    starts: Sequence[float] = (0.0,)
    limiter: str = "bucket"
    stops: Sequence[float] = ()
    rows: float = math.inf
    latencies: Sequence[tuple[float, float]] = ()
    distances: Sequence[float] = ()
    chance: float = 0.0

    def quota(self, since: float, until: float) -> float:
        """Return the tokens that flow between two times."""
        rates = [(0.0, self.rate), *self.changes, (math.inf, 0.0)]
        return sum(rate * max(0.0, min(until, end) - max(since, start)) for (start, rate), (end, _) in pairwise(rates))

    def may_throttle(self) -> float:
        """Return how many throttled calls one client is to stay within: 1 % + 12 + 4 x rate x latency."""
        return 0.01 * (self.burst + self.quota(0, self.seconds)) + 12 + 4 * self.rate * self.latency

    def run(self, make: Callable[[Simulation, float, float, random.Random], Client], seed: int) -> Outcome:
        """Run it once with clients that *make* makes."""
        chance = random.Random(seed)
        limiter: Limiter
        if self.limiter == "window":
            limiter = FixedWindow(self.rate)
        elif self.limiter == "shards":
            limiter = ShardedBucket(self.rate, self.burst, random.Random(seed + 1))
        else:
            limiter = TokenBucket(self.rate, self.burst)
        if self.chance:
            limiter = Faulty(self.chance, random.Random(seed + 2), limiter)
        simulation = Simulation(limiter, self.latency, chance)
        half = self.seconds / 2
        clients = [
            make(simulation, half, start, random.Random(seed * 1000 + number))
            for number, start in enumerate(self.starts)
        ]
        for client, stop in zip_longest(clients, self.stops, fillvalue=math.inf):
            client.stop, client.rows = stop, self.rows
        for client, distance in zip(clients, self.distances, strict=False):
            client.distance = distance
        for time, latency in self.latencies:
            simulation.at(time, simulation.set_latency, latency)
        for time, rate in self.changes:
            simulation.at(time, lambda rate=rate: limiter.set_rate(simulation.now, rate))
        simulation.run(self.seconds)
        return Outcome(self, clients, limiter.burst + self.quota(self.latency / 2, self.seconds))


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario."""

    scenario: Scenario
    clients: list[Any] = field(repr=False)
    allowed: float

    def _sum(self, name: str) -> int:
        return sum(getattr(client, name) for client in self.clients)

    @property
    def goodput(self) -> float:
        """Calls let through ÷ what the quota allowed from the first call on."""
        return self._sum("accepted") / self.allowed

    @property
    def throttled(self) -> int:
        return self._sum("throttled")

    @property
    def throttled_share(self) -> float:
        return self.throttled / (self.throttled + self._sum("accepted"))

    @property
    def lost(self) -> int:
        return self._sum("lost")

    @property
    def late_goodput(self) -> float:
        """The same for the second half of the run; a full bucket at half time can make it a little more than 1."""
        return self._sum("late_accepted") / self.scenario.quota(self.scenario.seconds / 2, self.scenario.seconds)

    @property
    def late_throttled_share(self) -> float:
        return self._sum("late_throttled") / max(1, self._sum("late_throttled") + self._sum("late_accepted"))

    @property
    def shares(self) -> list[float]:
        """What each client got in the second half ÷ an equal share."""
        mean = self._sum("late_accepted") / len(self.clients)
        return [client.late_accepted / mean for client in self.clients]

    def get(self, since: float, until: float) -> list[int]:
        """Return how many calls of each client were let through in some time."""
        return [client.between(since, until) for client in self.clients]

    @property
    def end(self) -> float:
        """When the last call of a client was let through."""
        return max(client.times[-1] for client in self.clients if client.times)

    def until(self, share: float, since: float) -> float:
        """Return the seconds from some time until all together get a share of the quota, ``inf`` for never."""
        rate = self.scenario.quota(since, self.scenario.seconds) / (self.scenario.seconds - since)
        window = max(5.0, 40 / rate)
        times = sorted(time for client in self.clients for time in client.times if time >= since)
        goal = math.ceil(share * rate * window)
        for first, last in zip(times, times[goal - 1 :], strict=False):
            if last - first <= window:
                return first - since
        return math.inf


def equal_work(rate: float, burst: float, latency: float, number: int, rows: int) -> Scenario:
    """Return a scenario of tasks that start together and have as many rows each."""
    return Scenario(rate, burst, latency, 8 * number * rows / rate, starts=(0.0,) * number, rows=rows)


def leaving(rate: float, burst: float, latency: float, number: int, after: float, seconds: float) -> Scenario:
    """Return a scenario of tasks of which all but one leave."""
    stops = (math.inf, *(after,) * (number - 1))
    return Scenario(rate, burst, latency, after + seconds, starts=(0.0,) * number, stops=stops)


def darkness(rate: float, burst: float, latency: float, number: int, seconds: float, at: float = 60.0) -> Scenario:
    """Return a scenario in which everything is throttled from *at* on for some seconds, and two minutes after that."""
    changes = ((at, 0.0), (at + seconds, rate))
    return Scenario(rate, burst, latency, at + seconds + 120, changes=changes, starts=(0.0,) * number)
