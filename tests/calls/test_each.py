"""One call for each of many contacts: each is answered once, in the pace's time, whatever the answers are."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

import pytest

from airflow_connect.api.errors import RequestError, RetryableError, ThrottledError
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.each import Paced
from airflow_connect.calls.pace import Pace
from airflow_connect.hooks.connect import ConnectHook

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
    """What another attempt cannot cure is told at once, and ends nothing else."""

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
    calls = Paced(lambda _item: hook.describe_contact(contact_id, max_retry_time=0), clock=Clock())

    async def looks() -> list[int]:
        throttled = []
        for _ in range(6):
            before = calls.throttled
            async for _answer in calls.each(deque(range(10))):
                pass
            throttled.append(calls.throttled - before)
            await asyncio.sleep(2.1)
        return throttled

    found = asyncio.run(looks())
    assert sum(found[3:]) <= 2, found


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
