"""Sending again: bounded by a time, spread by chance, honest about what may have happened."""

from __future__ import annotations

import math
import random
import threading
from typing import Any

import pytest

from airflow_connect.api.errors import (
    ConnectError,
    IdempotencyError,
    InputError,
    QuotaError,
    RecordError,
    RequestError,
    RetryableError,
    SetupError,
    ThrottledError,
)
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.defaults import MAX_RETRY_TIME
from airflow_connect.calls.retry import (
    FIRST_WAIT,
    LONGEST_WAIT,
    Again,
    Attempts,
    Over,
    Retries,
    call_with_retries,
    decide,
)
from tools.simulation import SimulatedClock


class CallTime(Clock):
    """Time that passes only while somebody sleeps, and by *call_time* with each call."""

    def __init__(self, call_time: float = 0.0) -> None:
        self.time = 1000.0
        self.call_time = call_time
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.waits.append(seconds)
        self.time += seconds


class Service:
    """Raises what it is given, one error after the other and the last one for ever, then answers."""

    def __init__(self, clock: CallTime, *errors: Exception, forever: bool = False) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.forever = forever
        self.called_at: list[float] = []

    def __call__(self) -> str:
        self.called_at.append(self.clock.time)
        self.clock.time += self.clock.call_time
        if self.errors:
            raise self.errors[0] if self.forever and len(self.errors) == 1 else self.errors.pop(0)
        return "contact"


def run(clock: CallTime, service: Service, **options: Any) -> tuple[str, int]:
    return call_with_retries(service, clock=clock, **options)


def throttled(retry_after: float | None = None) -> RetryableError:
    return ThrottledError("throttled", status=429, retry_after=retry_after)


def lost() -> RetryableError:
    return RetryableError("lost", may_have_happened=True)


def test_default_is_five_minutes() -> None:
    """A call is repeated for five minutes where nobody says otherwise."""
    assert MAX_RETRY_TIME == 300


def test_success_is_returned_at_once() -> None:
    """A call that succeeds is made once, without a wait."""
    clock = CallTime()
    assert run(clock, Service(clock)) == ("contact", 1)
    assert clock.waits == []


def test_attempts_are_counted() -> None:
    """The result comes with the number of attempts that it took."""
    clock = CallTime()
    assert run(clock, Service(clock, throttled(), lost(), throttled())) == ("contact", 4)
    assert len(clock.waits) == 3


def test_time_bounds_the_attempts() -> None:
    """However many attempts it takes, the last one is made when the time is up, and not later."""
    clock = CallTime()
    service = Service(clock, throttled(), forever=True)
    with pytest.raises(RetryableError) as caught:
        run(clock, service, uniform=random.Random(7).uniform)
    assert service.called_at[-1] == pytest.approx(1000 + MAX_RETRY_TIME)
    assert all(at <= 1000 + MAX_RETRY_TIME + 1e-9 for at in service.called_at)
    assert caught.value.attempts == len(service.called_at) > 15


def test_time_of_the_calls_counts() -> None:
    """Slow calls use up the time as well as waits do: from the first failure on, and no call begins after it."""
    clock = CallTime(call_time=60)
    service = Service(clock, lost(), forever=True)
    with pytest.raises(RetryableError):
        run(clock, service, max_retry_time=100)
    assert max(service.called_at) <= 1160
    assert clock.time <= 1220


@pytest.mark.parametrize("max_retry_time", [0, -1])
def test_no_time_is_a_single_attempt(max_retry_time: float) -> None:
    """Without time to repeat it a call is made once."""
    clock = CallTime()
    service = Service(clock, throttled(), forever=True)
    with pytest.raises(RetryableError) as caught:
        run(clock, service, max_retry_time=max_retry_time)
    assert caught.value.attempts == 1
    assert clock.waits == []


def test_full_jitter_lies_between_zero_and_a_bound_that_doubles() -> None:
    """Each wait is asked for between zero and a bound that doubles from half a second to twenty."""
    clock = CallTime()
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
        clock = CallTime()
        run(clock, Service(clock, *(throttled() for _ in range(5))), uniform=random.Random(seed).uniform)
        waits.append(clock.waits)
    assert not set(waits[0]) & set(waits[1])


def test_thousands_of_attempts_do_not_overflow() -> None:
    """The doubling bound stays a number however long it goes on."""
    clock = CallTime()
    attempts = 3000
    service = Service(clock, *(throttled() for _ in range(attempts)))
    assert run(clock, service, uniform=lambda low, high: min(high, 0.01)) == ("contact", attempts + 1)


def test_retry_after_is_honoured() -> None:
    """No attempt comes before the service asked for it; a longer wait by chance stays."""
    clock = CallTime()
    run(clock, Service(clock, throttled(7), throttled(0.1), throttled()), uniform=lambda low, high: high)
    assert clock.waits == [7, 1, 2]


def test_retry_after_beyond_the_end_is_cut_to_it() -> None:
    """A service that asks for more time than there is gets one last attempt when the time is up."""
    clock = CallTime()
    service = Service(clock, throttled(3600), forever=True)
    with pytest.raises(RetryableError) as caught:
        run(clock, service)
    assert clock.waits == [MAX_RETRY_TIME]
    assert caught.value.attempts == 2


def test_last_error_knows_whether_any_attempt_may_have_happened() -> None:
    """One lost answer among refusals means that the contact may exist."""
    clock = CallTime()
    with pytest.raises(RetryableError) as caught:
        run(clock, Service(clock, throttled(), lost(), throttled(), forever=True))
    assert str(caught.value) == "throttled"
    assert caught.value.may_have_happened
    clock = CallTime()
    with pytest.raises(RetryableError) as caught:
        run(clock, Service(clock, throttled(), forever=True))
    assert not caught.value.may_have_happened


@pytest.mark.parametrize("kind", [RequestError, IdempotencyError, SetupError, QuotaError])
def test_what_a_retry_does_not_cure_ends_at_once(kind: type) -> None:
    """Any other error is raised as it comes, with its attempts and what may have happened before it."""
    for before, may_have_happened in (([], False), ([throttled()], False), ([lost(), throttled()], True)):
        clock = CallTime()
        service = Service(clock, *before, kind("no"))
        with pytest.raises(kind) as caught:
            run(clock, service)
        assert caught.value.attempts == len(service.called_at) == len(before) + 1
        assert caught.value.may_have_happened is may_have_happened


def test_throttled_for_ever_ends() -> None:
    """A call that is throttled each time ends with ThrottledError in time, whatever wait the service asks for."""
    for retry_after in (None, 1.0, 86_400.0, 2e9):
        clock = CallTime()
        with pytest.raises(ThrottledError):
            run(clock, Service(clock, throttled(retry_after), forever=True))
        assert clock.time == pytest.approx(1000 + MAX_RETRY_TIME)


def test_call_of_unknown_fate_is_not_repeated_where_it_may_happen_twice() -> None:
    """What is repeated only if it did not happen: throttled is, and a lost answer ends it."""
    clock = CallTime()
    service = Service(clock, throttled(), lost(), forever=True)
    with pytest.raises(RetryableError, match="lost") as caught:
        run(clock, service, retry_unknown=False)
    assert (caught.value.attempts, caught.value.may_have_happened) == (2, True)


def test_failure_of_an_unknown_kind_is_repeated() -> None:
    """An error that nobody has sorted may pass, as a broken answer does."""
    clock = CallTime()
    assert run(clock, Service(clock, ConnectError("what is this", may_have_happened=True))) == ("contact", 2)


# --- The decision -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RequestError("no"), Over.THIS),
        (IdempotencyError("no"), Over.THIS),
        (QuotaError("no"), Over.THIS),
        (SetupError("no"), Over.ALL),
        (InputError("no"), Over.ALL),
        (RecordError("no"), Over.ALL),
        (throttled(), Again(60)),
        (throttled(100), Again(160)),
        (throttled(86_400), Again(310)),
        (RetryableError("no"), Again(61)),
        (ConnectError("no"), Again(61)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_error_decides(error: ConnectError, expected: Again | Over) -> None:
    """What another attempt may cure is repeated while there is time; a pace says when, if it was throttled."""
    found = decide(
        error, attempts=2, first_failure=10, now=60, max_retry_time=300, paced=True, uniform=lambda low, high: high
    )
    assert found == expected


@pytest.mark.parametrize(
    ("attempts", "last_success", "expected"),
    [(2, -math.inf, Over.ALL), (2, 9, Over.ALL), (2, 11, Over.THIS), (1, -math.inf, Over.THIS)],
)
def test_time_that_is_up_ends_all_if_nothing_was_accepted(attempts: int, last_success: float, expected: Over) -> None:
    """When a call's time is up, the task ends if nothing was accepted since; a single attempt does not count."""
    for error in (throttled(), lost(), ConnectError("no")):
        found = decide(
            error, attempts=attempts, first_failure=10, now=310, max_retry_time=300, last_success=last_success
        )
        assert found is expected


def test_last_attempt_waits_for_no_pace() -> None:
    """While nothing is accepted the first of those that failed says when the last attempt is made."""
    retries = Retries(300)
    first, second = Attempts(), Attempts()
    assert retries.last_attempt_at == math.inf
    for now, attempts in ((10, first), (20, second), (30, first)):
        attempts.count += 1
        assert retries.failed(attempts, throttled(), now) == Again(now)
    assert retries.last_attempt_at == 310
    retries.forget(first)
    assert retries.last_attempt_at == 320
    retries.accepted(40)
    assert retries.last_attempt_at == math.inf


def test_foreign_exceptions_pass() -> None:
    """What is no error of ours is not caught: a bug, or Airflow ending the task."""
    clock = CallTime()
    for error in (ValueError("bug"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            call_with_retries(lambda error=error: (_ for _ in ()).throw(error), clock=clock)
    assert clock.waits == []


def test_eight_callers_on_a_quota_of_two_per_second_all_succeed() -> None:
    """60 calls of 8 threads on a quota of 2 per second are all made in time, where a bound by count loses half."""
    clock = SimulatedClock()
    tokens = {"left": 5.0, "at": clock.now()}
    start, lock = clock.now(), threading.Lock()

    def call() -> str:
        with lock:
            tokens["left"] = min(5.0, tokens["left"] + (clock.now() - tokens["at"]) * 2)
            tokens["at"] = clock.now()
            if tokens["left"] < 1:
                raise throttled()
            tokens["left"] -= 1
            return "contact"

    def caller(number: int) -> list[str]:
        uniform = random.Random(number).uniform
        return [call_with_retries(call, clock=clock, uniform=uniform)[0] for _ in range(number, 60, 8)]

    threads = [threading.Thread(target=lambda number=number: made.extend(caller(number))) for number in range(8)]
    made: list[str] = []
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 60
    assert (60 - 5) / 2 <= clock.now() - start < MAX_RETRY_TIME
