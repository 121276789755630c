"""What tests of the waiting share: an emulator whose time goes by as fast as asked, and what is done with contacts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakSet

from airflow_connect.calls.pace import Pace
from airflow_connect.emulator.resources import BILLING_QUEUE, TO_QUEUE_FLOW
from airflow_connect.waiting.act import stop_contacts
from airflow_connect.waiting.awaited import InMemory
from airflow_connect.waiting.wait import Wait
from airflow_connect.waiting.watch import Reads, Watch
from tools.simulation import SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_connect.api.outcome import Outcome
    from airflow_connect.emulator.server import Emulator
    from airflow_connect.hooks.connect import ConnectHook
    from airflow_connect.waiting.act import Stopped

TASK = {"channel": "TASK", "name": "Call back"}


class CountedPace(Pace):
    """A pace that knows of all its like: from when a call leaves until its answer is seen, in the event loop itself."""

    _all: ClassVar[WeakSet[CountedPace]] = WeakSet()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._all.add(self)

    @classmethod
    def is_any_in_flight(cls) -> bool:
        return any(pace.in_flight for pace in list(cls._all))


class EmulatorTime(SimulatedClock):
    """The emulator's time, which goes on when everybody waits and all calls are answered."""

    def __init__(self, emulator: Emulator, is_busy: Callable[[], bool]) -> None:
        super().__init__(is_busy)
        self._clock = emulator.clock
        #: Seconds by which the worker's clock is wrong.
        self.epoch_ahead = 0.0

    def now(self) -> float:
        return self._clock.now()

    def epoch(self) -> float:
        return self._clock.now() + self.epoch_ahead

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)


class Scene:
    """An emulator, a hook that reaches it, and what a test does with contacts."""

    def __init__(self, emulator: Emulator, hook: ConnectHook) -> None:
        self.emulator = emulator
        self.hook = hook
        self.clock = EmulatorTime(emulator, CountedPace.is_any_in_flight)

    def make(self, count: int) -> list[str]:
        return [self.hook.create_contact(**TASK)["ContactId"] for _ in range(count)]

    def watch(self, contact_ids: Iterable[str], **options: Any) -> Watch:
        reads = Reads(self.hook, clock=self.clock, max_retry_time=options.pop("max_retry_time", 300))
        return Watch(contact_ids, reads=reads, clock=self.clock, **options)

    def poll(self, watch: Watch) -> list[Outcome]:
        async def collect() -> list[Outcome]:
            return [outcome async for outcome in watch.poll()]

        return asyncio.run(collect())

    def transfer(self, contact_id: str) -> str:
        flow = {"contact_flow_id": TO_QUEUE_FLOW.id, "queue_id": BILLING_QUEUE.id}
        successor: str = self.hook.transfer_contact(contact_id, **flow)["ContactId"]
        return successor

    def stop(self, contact_ids: Iterable[str], **options: Any) -> Stopped:
        reads = Reads(self.hook, clock=self.clock, **options)
        return asyncio.run(stop_contacts(contact_ids, reads, clock=self.clock))

    def wait(self, contact_ids: Iterable[str], *, seconds: float, **options: Any) -> Wait:
        reads = Reads(self.hook, clock=self.clock)
        deadline = self.clock.epoch() + seconds
        return Wait(InMemory(contact_ids), reads, clock=self.clock, deadline=deadline, **options)

    def read(self, operation: str = "DescribeContact") -> int:
        return len(self.emulator.calls(operation))
