"""Sending again: bounded by a time, spread by chance, honest about what may have happened."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_connect.api.errors import IdempotencyError, QuotaError, RequestError, RetryableError, SetupError
from airflow_connect.calls.retry import FIRST_WAIT, LONGEST_WAIT, MAX_RETRY_TIME, call_with_retries


class Clock:
    """Time that passes only while somebody sleeps, and by *call_time* with each call."""

    def __init__(self, call_time: float = 0.0) -> None:
        self.now = 1000.0
        self.call_time = call_time
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.waits.append(seconds)
        self.now += seconds


class Service:
    """Raises what it is told to, one error after the other and the last one for ever, then answers."""

    def __init__(self, clock: Clock, *errors: Exception, forever: bool = False) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.forever = forever
        self.called_at: list[float] = []

    def __call__(self) -> str:
        self.called_at.append(self.clock.now)
        self.clock.now += self.clock.call_time
        if self.errors:
            raise self.errors[0] if self.forever and len(self.errors) == 1 else self.errors.pop(0)
        return "contact"


def run(clock: Clock, service: Service, **options: Any) -> tuple[str, int]:
    return call_with_retries(service, clock=clock, sleep=clock.sleep, **options)


def throttled(retry_after: float | None = None) -> RetryableError:
    return RetryableError("throttled", status=429, retry_after=retry_after)


def lost() -> RetryableError:
    return RetryableError("lost", may_have_happened=True)


def test_default_is_five_minutes() -> None:
    """A call is repeated for five minutes where nobody says otherwise."""
    assert MAX_RETRY_TIME == 300


def test_success_is_returned_at_once() -> None:
    """A call that succeeds is made once, without a wait."""
    clock = Clock()
    assert run(clock, Service(clock)) == ("contact", 1)
    assert clock.waits == []


def test_attempts_are_counted() -> None:
    """The result comes with the number of attempts that it took."""
    clock = Clock()
    assert run(clock, Service(clock, throttled(), lost(), throttled())) == ("contact", 4)
    assert len(clock.waits) == 3


def test_time_bounds_the_attempts() -> None:
    """However many attempts it takes, the last one is made when the time is up, and not later."""
    clock = Clock()
    service = Service(clock, throttled(), forever=True)
    with pytest.raises(RetryableError) as caught:
        run(clock, service, uniform=random.Random(7).uniform)
    assert service.called_at[-1] == pytest.approx(1000 + MAX_RETRY_TIME)
    assert all(at <= 1000 + MAX_RETRY_TIME + 1e-9 for at in service.called_at)
    assert caught.value.attempts == len(service.called_at) > 15


def test_time_of_the_calls_counts() -> None:
    """Slow calls use up the time as well as waits do, and no call begins after it."""
    clock = Clock(call_time=60)
    service = Service(clock, lost(), forever=True)
    with pytest.raises(RetryableError):
        run(clock, service, max_retry_time=100)
    assert max(service.called_at) <= 1100
    assert clock.now <= 1160


@pytest.mark.parametrize("max_retry_time", [0, -1])
def test_no_time_is_a_single_attempt(max_retry_time: float) -> None:
    """Without time to repeat it a call is made once."""
    clock = Clock()
    service = Service(clock, throttled(), forever=True)
    with pytest.raises(RetryableError) as caught:
        run(clock, service, max_retry_time=max_retry_time)
    assert caught.value.attempts == 1
    assert clock.waits == []


def test_full_jitter_lies_between_zero_and_a_bound_that_doubles() -> None:
    """Each wait is asked for between zero and a bound that doubles from half a second to twenty."""
    clock = Clock()
    bounds: list[tuple[float, float]] = []

    def longest(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    with pytest.raises(RetryableError):
        run(clock, Service(clock, throttled(), forever=True), uniform=longest)
    assert (FIRST_WAIT, LONGEST_WAIT) == (0.5, 20.0)
    assert bounds[:8] == [(0, 0.5), (0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (0, 20), (0, 20)]
    assert set(bounds[6:]) == {(0, 20)}
    assert clock.waits[:-1] == [high for _, high in bounds][: len(clock.waits) - 1]


def test_waits_are_spread() -> None:
    """Two callers that fail together do not come back together."""
    waits = []
    for seed in (1, 2):
        clock = Clock()
        run(clock, Service(clock, *(throttled() for _ in range(5))), uniform=random.Random(seed).uniform)
        waits.append(clock.waits)
    assert not set(waits[0]) & set(waits[1])


def test_thousands_of_attempts_do_not_overflow() -> None:
    """The doubling bound stays a number however long it goes on."""
    clock = Clock()
    attempts = 3000
    service = Service(clock, *(throttled() for _ in range(attempts)))
    assert run(clock, service, uniform=lambda low, high: min(high, 0.01)) == ("contact", attempts + 1)


def test_retry_after_is_honoured() -> None:
    """No attempt comes before the service asked for it; a longer wait by chance stays."""
    clock = Clock()
    run(clock, Service(clock, throttled(7), throttled(0.1), throttled()), uniform=lambda low, high: high)
    assert clock.waits == [7, 1, 2]


def test_retry_after_beyond_the_end_is_cut_to_it() -> None:
    """A service that asks for more time than there is gets one last attempt when the time is up."""
    clock = Clock()
    service = Service(clock, throttled(3600), forever=True)
    with pytest.raises(RetryableError) as caught:
        run(clock, service)
    assert clock.waits == [MAX_RETRY_TIME]
    assert caught.value.attempts == 2


def test_last_error_knows_whether_any_attempt_may_have_happened() -> None:
    """One lost answer among refusals means that the contact may exist."""
    clock = Clock()
    with pytest.raises(RetryableError) as caught:
        run(clock, Service(clock, throttled(), lost(), throttled(), forever=True))
    assert str(caught.value) == "throttled"
    assert caught.value.may_have_happened
    clock = Clock()
    with pytest.raises(RetryableError) as caught:
        run(clock, Service(clock, throttled(), forever=True))
    assert not caught.value.may_have_happened


@pytest.mark.parametrize("kind", [RequestError, IdempotencyError, SetupError, QuotaError])
def test_what_a_retry_does_not_cure_ends_at_once(kind: type) -> None:
    """Any other error is raised as it comes, with its attempts and what may have happened before it."""
    for before, may_have_happened in (([], False), ([throttled()], False), ([lost(), throttled()], True)):
        clock = Clock()
        service = Service(clock, *before, kind("no"))
        with pytest.raises(kind) as caught:
            run(clock, service)
        assert caught.value.attempts == len(service.called_at) == len(before) + 1
        assert caught.value.may_have_happened is may_have_happened


def test_foreign_exceptions_pass() -> None:
    """What is no error of ours is not caught: a bug, or Airflow ending the task."""
    clock = Clock()
    for error in (ValueError("bug"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            call_with_retries(lambda error=error: (_ for _ in ()).throw(error), clock=clock, sleep=clock.sleep)
    assert clock.waits == []


class SharedClock:
    """One virtual time for several threads: it goes on to the next wake-up when all of them sleep."""

    def __init__(self, callers: int) -> None:
        self.turn = threading.Condition()
        self.now = 0.0
        self.awake = callers
        self.sleeping: list[tuple[float, int]] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self.turn:
            ticket = (self.now + seconds, threading.get_ident())
            heapq.heappush(self.sleeping, ticket)
            self.leave()
            self.turn.wait_for(lambda: ticket not in self.sleeping, timeout=30)

    def leave(self) -> None:
        with self.turn:
            self.awake -= 1
            if not self.awake and self.sleeping:
                self.now = heapq.heappop(self.sleeping)[0]
                self.awake += 1
                self.turn.notify_all()


def test_eight_callers_on_a_quota_of_two_per_second_all_succeed() -> None:
    """60 calls of 8 threads on a quota of 2 per second are all made in time, where a bound by count loses half."""
    clock = SharedClock(8)
    tokens = {"left": 5.0, "at": 0.0}

    def call() -> str:
        with clock.turn:
            tokens["left"] = min(5.0, tokens["left"] + (clock.now - tokens["at"]) * 2)
            tokens["at"] = clock.now
            if tokens["left"] < 1:
                raise throttled()
            tokens["left"] -= 1
            return "contact"

    def caller(number: int) -> list[str]:
        uniform = random.Random(number).uniform
        calls = range(number, 60, 8)
        try:
            return [call_with_retries(call, clock=clock, sleep=clock.sleep, uniform=uniform)[0] for _ in calls]
        finally:
            clock.leave()

    with ThreadPoolExecutor(8) as pool:
        made = list(itertools.chain.from_iterable(pool.map(caller, range(8))))
    assert len(made) == 60
    assert (60 - 5) / 2 <= clock.now < MAX_RETRY_TIME
