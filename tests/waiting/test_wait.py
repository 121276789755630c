"""A wait ends: when enough contacts have ended, or when its time is up, whatever the service answers meanwhile."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import ConnectError, SetupError
from airflow_connect.emulator.server import Emulator
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.waiting.awaited import InMemory
from airflow_connect.waiting.wait import LAST_POLL, Wait
from airflow_connect.waiting.watch import Reads
from tests.waiting.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OTHER_INSTANCE = "b1000000-0000-4000-8000-0000000000ff"


@pytest.fixture
def scene(emulator: Emulator, aws_connection: str) -> Scene:
    return Scene(emulator, ConnectHook(aws_connection))


@pytest.fixture
def blind(scene_of: Callable[[Emulator], Scene]) -> Iterator[Scene]:
    """The scene of an instance whose searches show nothing."""
    with Emulator(search_lag_seconds=1e9) as emulator:
        yield scene_of(emulator)


@pytest.mark.parametrize("fault", ["throttle=1", "throttle(86400)=1", "error_500=1", "cut_after=1"])
def test_wait_ends_with_its_time(scene: Scene, fault: str) -> None:
    """A wait whose every call fails is over when its time is up, or when the poll that is under way then is."""
    wait = scene.wait(scene.make(30), seconds=60)
    scene.emulator.set_faults(fault)
    before = scene.clock.now()
    asyncio.run(wait.poll_until_over())
    assert wait.is_late
    assert not wait.is_met
    assert 60 <= scene.clock.now() - before < 60 + 400


def test_darkness_costs_polls_and_not_the_wait(scene: Scene) -> None:
    """What ends after ten minutes in which everything was throttled is found."""
    ids = scene.make(5)
    wait = scene.wait(ids, seconds=86_400)
    scene.emulator.set_faults("throttle=1")

    async def dawn() -> None:
        await scene.clock.async_sleep(600)
        for contact_id in ids:
            scene.emulator.complete(contact_id)
        scene.emulator.set_faults("")

    async def both() -> None:
        await asyncio.gather(dawn(), wait.poll_until_over())

    before = scene.clock.now()
    asyncio.run(both())
    assert wait.is_met
    assert 600 <= scene.clock.now() - before < 600 + 600


def test_failure_that_nobody_knows_ends_no_wait(scene: Scene) -> None:
    """An error of an unknown kind costs a poll, as a service that does not answer does."""
    [contact_id] = scene.make(1)
    scene.emulator.complete(contact_id)
    call, failed = scene.hook.call, 0

    def ill(*arguments: Any, **options: Any) -> dict[str, Any]:
        nonlocal failed
        failed += 1
        if failed < 60:
            raise ConnectError("What is this?", may_have_happened=True)
        return call(*arguments, **options)

    scene.hook.call = ill  # type: ignore[method-assign]  # no service is known to cause one
    wait = scene.wait([contact_id], seconds=86_400)
    asyncio.run(wait.poll_until_over())
    assert wait.is_met


def test_clock_that_is_set_back_prolongs_no_wait(scene: Scene) -> None:
    """The time of a wait is that which goes by, whatever the machine's clock shows."""
    wait = scene.wait(scene.make(1), seconds=300, interval=30)
    scene.clock.epoch_ahead = -3_600.0
    before = scene.clock.now()
    asyncio.run(wait.poll_until_over())
    assert 300 <= scene.clock.now() - before < 335


def test_contacts_that_no_search_shows_are_read_before_the_time_is_up(blind: Scene) -> None:
    """What ended is found by the deadline although the index never shows it, also where that takes minutes of reads."""
    ids = blind.make(100)
    wait = blind.wait(ids, seconds=600, interval=60)

    async def work() -> None:
        await blind.clock.async_sleep(200)
        for contact_id in ids:
            blind.emulator.complete(contact_id)
        blind.emulator.set_rate(2, 5)

    async def both() -> None:
        await asyncio.gather(work(), wait.poll_until_over())

    before = blind.clock.now()
    asyncio.run(both())
    assert wait.awaited.summary()["completed"] == 100
    assert 600 + LAST_POLL < blind.clock.now() - before < 700


def test_transfers_that_cannot_be_followed_hold_up_no_wait(blind: Scene) -> None:
    """While nobody says what contacts were transferred to, a poll and a deadline wait for it once, not each."""
    ids = blind.make(20)
    for contact_id in ids:
        blind.emulator.complete(blind.transfer(contact_id))
    blind.emulator.set_faults("ListAssociatedContacts:throttle=1")
    before = blind.clock.now()
    assert blind.poll(blind.watch(ids)) == []
    assert blind.clock.now() - before < 2 * 300
    wait = blind.wait(ids, seconds=100, interval=60)
    before = blind.clock.now()
    asyncio.run(wait.poll_until_over())
    assert blind.clock.now() - before < 100 + 4 * LAST_POLL
    assert wait.awaited.summary()["open"] == 20
    blind.emulator.set_faults("")
    asyncio.run(wait.poll())
    assert wait.awaited.summary()["completed"] == 20


def test_open_contacts_are_read_once_when_the_time_is_up(blind: Scene) -> None:
    """The last poll reads each open contact once, and says nothing else of them."""
    ids = blind.make(30)
    wait = blind.wait(ids, seconds=100, interval=60)
    asyncio.run(wait.poll_until_over())
    assert wait.awaited.summary()["open"] == 30
    # Once at the beginning, once at the end.
    assert blind.read() == 60


@pytest.mark.parametrize("fault", ["DescribeContact:throttle=1", "DescribeContact:error_503=1"])
def test_contacts_are_stopped_although_they_cannot_be_read(scene: Scene, fault: str) -> None:
    """What is open is stopped also while every read fails, and soon."""
    ids = scene.make(20)
    wait = scene.wait(ids, seconds=60)
    scene.emulator.set_faults(fault)
    before = scene.clock.now()
    assert asyncio.run(wait.stop_open())["stopped"] == 20
    assert scene.clock.now() - before < 60
    scene.emulator.set_faults("")
    asyncio.run(wait.poll())
    assert {outcome.state for outcome in wait.awaited.ended()} == {"stopped"}


def test_transferred_contact_that_cannot_be_followed_is_not_stopped(scene: Scene) -> None:
    """A contact that went on as one that cannot be found now counts as failed, and the others are stopped."""
    ids = scene.make(3)
    scene.transfer(ids[0])
    scene.emulator.set_faults("DescribeContact:throttle=1")
    assert scene.stop(ids, max_retry_time=30) == {"stopped": 2, "already_ended": 0, "failed": 1}


def test_what_is_known_of_a_transfer_saves_calls(scene: Scene) -> None:
    """A wait that knows what a contact was transferred to reads and stops that alone."""
    [contact_id] = scene.make(1)
    successor = scene.transfer(contact_id)
    before = len(scene.emulator.calls())
    awaited = InMemory([contact_id], transferred_to={contact_id: successor})
    reads = Reads(scene.hook, clock=scene.clock)
    wait = Wait(awaited, reads, clock=scene.clock)
    asyncio.run(wait.stop_open())
    assert [(call.operation, call.contact_id) for call in scene.emulator.calls()[before:]] == [
        ("StopContact", successor),
        ("DescribeContact", successor),
    ]
    [outcome] = awaited.ended()
    assert (outcome.contact_id, outcome.transferred_to, outcome.state) == (contact_id, successor, "stopped")


def test_stopping_many_takes_a_call_each_and_says_how_far_it_is(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """40 stops at 2 calls a second take 20 seconds, and the log has a line every 5."""
    ids = scene.make(40)
    scene.emulator.set_rate(2, 2)
    before = scene.clock.now()
    with caplog.at_level(logging.INFO, "airflow_connect.waiting.act"):
        assert scene.stop(ids)["stopped"] == 40
    assert scene.clock.now() - before < 30
    lines = [record.message for record in caplog.records if "contacts done" in record.message]
    assert 3 <= len(lines) <= 6
    assert re.fullmatch(
        r"StopContact: \d+ of 40 contacts done: .* a second, .* % throttled, 0 failed, .* left", lines[0]
    )


def test_wrong_instance_ends_the_wait(scene: Scene) -> None:
    """What no poll could survive is an error at once."""
    ids = scene.make(1)
    scene = Scene(scene.emulator, ConnectHook(scene.hook.aws_conn_id, instance_id=OTHER_INSTANCE))
    with pytest.raises(SetupError):
        asyncio.run(scene.wait(ids, seconds=60).poll_until_over())
