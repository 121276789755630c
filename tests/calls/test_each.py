"""One call for each of many contacts: each is answered once, in the pace's time, whatever the answers are."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING, ClassVar

import pytest

from airflow_connect.api.errors import ConnectError, RequestError, RetryableError, ThrottledError
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.each import POLL, Paced
from airflow_connect.calls.pace import LONGEST_GAP, Pace
from airflow_connect.hooks.connect import ConnectHook
from tests.waiting.scene import EmulatorTime
from tools.simulation import SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.calls.each import Answered
    from airflow_connect.testing import LocalConnect


def paced(call: Callable[[int], int], *, rate: float | None = None, max_retry_time: float = 5) -> Paced[int, int]:
    clock = Clock()
    return Paced(call, clock=clock, pace=Pace(clock.now(), max_rate=rate), max_retry_time=max_retry_time)


def answers(calls: Paced[int, int], items: list[int]) -> list[Answered[int, int]]:
    async def collect() -> list[Answered[int, int]]:
        return [answered async for answered in calls.each(deque(items))]

    return asyncio.run(collect())


def test_each_item_is_answered_once() -> None:
    """Results belong to their items, in whichever order they come."""
    found = answers(paced(lambda item: item * item), list(range(100)))
    assert sorted((one.item, one.result) for one in found) == [(item, item * item) for item in range(100)]


def test_failures_that_pass_are_repeated() -> None:
    """Throttled and unanswered calls are made again; the answer says whether one may have been carried out."""
    attempts: Counter[int] = Counter()
    lock = threading.Lock()

    def call(item: int) -> int:
        with lock:
            attempts[item] += 1
            first = attempts[item] == 1
        if first and item % 3 == 0:
            raise ThrottledError("slow down")
        if first and item % 3 == 1:
            raise RetryableError("no answer", may_have_happened=True)
        return item

    calls = paced(call)
    found = {one.item: one for one in answers(calls, list(range(9)))}
    assert sorted(found) == list(range(9))
    assert all(one.error is None for one in found.values())
    assert [item for item, one in sorted(found.items()) if one.may_have_happened] == [1, 4, 7]
    assert (calls.calls, calls.throttled) == (15, 3)


def test_refusal_is_an_answer() -> None:
    """What another attempt cannot fix is reported at once, and ends nothing else."""

    def call(item: int) -> int:
        if item == 1:
            raise RequestError("no such contact")
        return item

    found = {one.item: one.error for one in answers(paced(call), [0, 1, 2])}
    assert (found[0], found[2]) == (None, None)
    assert isinstance(found[1], RequestError)


def test_call_that_is_never_answered_is_given_up() -> None:
    """After the time that is allowed the last error is the answer."""

    def call(_item: int) -> int:
        raise RetryableError("no answer")

    [found] = answers(paced(call, max_retry_time=0), [1])
    assert isinstance(found.error, RetryableError)


# --- In simulated time ------------------------------------------------------------------------------------------------


class Simulated:
    """Calls that take a tenth of a second of simulated time, and what came of them."""

    def __init__(self, answer: Callable[[int, float], None], *, max_retry_time: float = 300) -> None:
        self.answer = answer
        self.clock = SimulatedClock(lambda: self.calls.pace.in_flight > 0)
        self.start = self.clock.now()
        self.calls = Paced(self.call, clock=self.clock, max_retry_time=max_retry_time)
        self.made: list[int] = []

    def call(self, item: int) -> int:
        self.made.append(item)
        self.clock.advance(0.1)
        self.answer(item, self.seconds)
        return item

    @property
    def seconds(self) -> float:
        return self.clock.now() - self.start


def throttled(retry_after: float | None = None) -> Callable[[int, float], None]:
    def answer(_item: int, _seconds: float) -> None:
        raise ThrottledError("slow down", retry_after=retry_after)

    return answer


@pytest.mark.parametrize("retry_after", [None, 1.0, 86_400.0], ids=str)
@pytest.mark.parametrize("items", [1, 20, 200])
def test_throttled_for_ever_ends(items: int, retry_after: float | None) -> None:
    """When nothing is accepted for the time that is allowed, it ends, whatever wait the service asks for."""
    simulated = Simulated(throttled(retry_after))
    with pytest.raises(ThrottledError):
        answers(simulated.calls, list(range(items)))
    assert 300 <= simulated.seconds < 305
    for polls in range(2, 6):
        with pytest.raises(ThrottledError):
            asyncio.run(simulated.calls.one(0))
        assert simulated.seconds < polls * (300 + LONGEST_GAP)


def test_one_that_is_always_throttled_keeps_nothing_up() -> None:
    """A call whose time is up while others are accepted is given up alone, and its wait is not that of the others."""

    def answer(item: int, _seconds: float) -> None:
        if item == 3:
            raise ThrottledError("slow down", retry_after=86_400)
        if item == 5:
            raise ConnectError("what is this")

    simulated = Simulated(answer)

    async def collect() -> dict[int, Answered[int, int]]:
        items = deque(range(100))
        found = {}

        async def feed() -> None:
            for item in range(100, 500):
                await simulated.clock.async_sleep(1)
                items.append(item)

        feeding = asyncio.create_task(feed())
        async for one in simulated.calls.each(items, more=lambda: not feeding.done()):
            found[one.item] = one
        return found

    found = asyncio.run(collect())
    assert sorted(found) == list(range(500))
    assert [item for item, one in sorted(found.items()) if one.error is not None] == [3, 5]
    assert simulated.made.count(3) == 2


def test_darkness_that_ends_in_time_costs_no_item() -> None:
    """What is throttled for a while, and accepted before the time is up, is answered."""

    def answer(_item: int, seconds: float) -> None:
        if seconds < 200:
            raise ThrottledError("slow down")

    simulated = Simulated(answer)
    found = answers(simulated.calls, list(range(50)))
    assert [one.error for one in found] == [None] * 50


@pytest.mark.parametrize("error", [ThrottledError, RetryableError, RequestError])
def test_without_time_to_repeat_each_is_called_once(error: type[ConnectError]) -> None:
    """With 0 there is one attempt for each, and a failure of one says nothing of the others."""

    def answer(item: int, _seconds: float) -> None:
        if item % 2:
            raise error("no")

    simulated = Simulated(answer, max_retry_time=0)
    found = {one.item: one.error for one in answers(simulated.calls, list(range(40)))}
    assert sorted(simulated.made) == list(range(40))
    assert [item for item, error in sorted(found.items()) if error] == list(range(1, 40, 2))


def test_one_raises_what_its_call_does() -> None:
    """A single call has a result or an error."""

    def call(item: int) -> int:
        if item:
            raise RequestError("no such contact")
        return item

    assert asyncio.run(paced(call).one(0)) == 0
    with pytest.raises(RequestError):
        asyncio.run(paced(call).one(1))


def test_fault_of_ours_is_not_hidden() -> None:
    """An exception that is none of Amazon Connect's ends the iteration."""

    def call(_item: int) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answers(paced(call), [1, 2, 3])


def test_pace_is_kept() -> None:
    """Calls leave no faster than the pace allows, whoever makes them."""
    sent: list[float] = []

    def call(item: int) -> int:
        sent.append(time.monotonic())
        return item

    calls = paced(call, rate=50)

    async def two_users() -> None:
        async def use() -> None:
            async for _ in calls.each(deque(range(25))):
                pass

        await asyncio.gather(use(), use())

    asyncio.run(two_users())
    assert len(sent) == 50
    assert max(sent) - min(sent) >= 0.7 * 49 / 50


def test_short_looks_are_not_throttled_each_time(amazon_connect: LocalConnect) -> None:
    """Looks at ten contacts each, with pauses between, find the quota in the first ones and keep below it then."""
    emulator = amazon_connect.emulator
    contact_id = amazon_connect.client.create_contact(
        InstanceId=amazon_connect.instance_id, Channel="TASK", InitiationMethod="API"
    )["ContactId"]
    emulator.set_rate(20, 5)
    hook = ConnectHook()
    clock = EmulatorTime(emulator, lambda: calls.pace.in_flight > 0)
    calls = Paced(lambda _item: hook.describe_contact(contact_id, max_retry_time=0), clock=clock)

    async def looks() -> list[int]:
        throttled = []
        for _ in range(6):
            before = calls.throttled
            async for _answer in calls.each(deque(range(10))):
                pass
            throttled.append(calls.throttled - before)
            await clock.async_sleep(2.1)
        return throttled

    found = asyncio.run(looks())
    assert sum(found[3:]) <= 2, found


def test_next_call_leaves_when_one_is_answered() -> None:
    """Where only so many calls may be under way, the next one does not wait longer than for an answer."""

    class Recording(Clock):
        slept: ClassVar[list[float]] = []

        async def async_sleep(self, seconds: float) -> None:
            self.slept.append(seconds)
            await super().async_sleep(seconds)

    # Once, it was looked for every tenth of a second: against a service near by, a hundred calls a second were made.
    clock = Recording()
    calls = Paced(lambda item: item, clock=clock, pace=Pace(clock.now(), rate_quota=1_000_000, max_in_flight=1))
    assert len(answers(calls, list(range(50)))) == 50
    assert max(clock.slept, default=0) < POLL


def test_closed_iterator_sends_nothing_more() -> None:
    """Who stops early has no more calls made than were under way."""
    made: list[int] = []

    def call(item: int) -> int:
        made.append(item)
        time.sleep(0.01)
        return item

    async def first() -> None:
        async with contextlib.aclosing(paced(call).each(deque(range(1000)))) as found:
            async for _ in found:
                return

    asyncio.run(first())
    after = len(made)
    time.sleep(0.1)
    assert len(made) <= after + 32 < 1000


def test_items_that_are_added_later_are_called_for() -> None:
    """Somebody else may feed the queue while it is worked on."""
    items: deque[int] = deque([1])
    feeding = True

    async def feed() -> None:
        nonlocal feeding
        for item in (2, 3):
            await asyncio.sleep(0.15)
            items.append(item)
        feeding = False

    async def collect() -> list[int]:
        feeder = asyncio.create_task(feed())
        found = [one.item async for one in paced(lambda item: item).each(items, more=lambda: feeding)]
        await feeder
        return found

    assert asyncio.run(collect()) == [1, 2, 3]
