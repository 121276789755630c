"""A wait ends: when enough contacts have ended, or when its time is up, whatever the service answers meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import ConnectError, SetupError
from airflow_connect.hooks.connect import ConnectHook
from tests.waiting.scene import Scene

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator


OTHER_INSTANCE = "b1000000-0000-4000-8000-0000000000ff"


@pytest.fixture
def scene(emulator: Emulator, aws_connection: str) -> Scene:
    return Scene(emulator, ConnectHook(aws_connection))


@pytest.mark.parametrize("fault", ["throttle=1", "throttle(86400)=1", "error_500=1", "cut_after=1"])
def test_wait_ends_with_its_time(scene: Scene, fault: str) -> None:
    """A wait whose every call fails is over when its time is up, or when the poll that is under way then is."""
    wait = scene.wait(scene.make(30), seconds=200)
    scene.emulator.set_faults(fault)
    before = scene.clock.now()
    asyncio.run(wait.poll_until_over())
    assert wait.is_late
    assert not wait.is_met
    assert 200 <= scene.clock.now() - before < 200 + 400


def test_darkness_costs_polls_and_not_the_wait(scene: Scene) -> None:
    """What ends after hours in which everything was throttled is found."""
    ids = scene.make(5)
    wait = scene.wait(ids, seconds=86_400)
    scene.emulator.set_faults("throttle=1")

    async def dawn() -> None:
        await scene.clock.async_sleep(7_200)
        for contact_id in ids:
            scene.emulator.complete(contact_id)
        scene.emulator.set_faults("")

    async def both() -> None:
        await asyncio.gather(dawn(), wait.poll_until_over())

    before = scene.clock.now()
    asyncio.run(both())
    assert wait.is_met
    assert 7_200 <= scene.clock.now() - before < 7_200 + 600


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
    """The time of a wait is that which goes by, whatever the machine's clock tells."""
    wait = scene.wait(scene.make(1), seconds=300, interval=30)
    scene.clock.epoch_ahead = -3_600.0
    before = scene.clock.now()
    asyncio.run(wait.poll_until_over())
    assert 300 <= scene.clock.now() - before < 335


def test_contacts_are_stopped_although_they_cannot_be_read(scene: Scene) -> None:
    """What is open is stopped also while every read is throttled."""
    ids = scene.make(20)
    wait = scene.wait(ids, seconds=60)
    scene.emulator.set_faults("DescribeContact:throttle=1")
    assert asyncio.run(wait.stop_open())["stopped"] == 20
    scene.emulator.set_faults("")
    asyncio.run(wait.poll())
    assert {outcome.state for outcome in wait.awaited.ended()} == {"stopped"}


def test_wrong_instance_ends_the_wait(scene: Scene) -> None:
    """What no poll could survive is an error at once."""
    ids = scene.make(1)
    scene = Scene(scene.emulator, ConnectHook(scene.hook.aws_conn_id, instance_id=OTHER_INSTANCE))
    with pytest.raises(SetupError):
        asyncio.run(scene.wait(ids, seconds=60).poll_until_over())
