"""What tests of the waiting share: an emulator whose time goes by as fast as asked, and what is done with contacts."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from airflow_connect.emulator.resources import BILLING_QUEUE, TO_QUEUE_FLOW
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.waiting.act import stop_contacts
from airflow_connect.waiting.awaited import InMemory
from airflow_connect.waiting.wait import Wait
from airflow_connect.waiting.watch import Reads, Watch
from tools.simulation import SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_connect.api.outcome import Outcome
    from airflow_connect.emulator.server import Emulator
    from airflow_connect.waiting.act import Stopped

TASK = {"channel": "TASK", "name": "Call back"}


class CountingHook(ConnectHook):
    """Knows how many calls are under way."""

    under_way = 0
    _counting = threading.Lock()

    def call(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        self._count(1)
        try:
            return super().call(*args, **kwargs)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._counting:
            self.under_way += change


class EmulatorTime(SimulatedClock):
    """The emulator's time, which goes on when everybody waits and all calls are answered."""

    def __init__(self, emulator: Emulator, hook: CountingHook) -> None:
        super().__init__(lambda: hook.under_way > 0)
        self._clock = emulator.clock
        #: Seconds by which the worker's clock is wrong.
        self.epoch_ahead = 0.0

    def now(self) -> float:
        return self._clock.now()

    def epoch(self) -> float:
        return self._clock.now() + self.epoch_ahead

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)

    async def async_sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.001)  # a call that has just left is in a queue of threads, where nobody counts it
        await super().async_sleep(seconds)


class Scene:
    """An emulator, a hook that reaches it, and what a test does with contacts."""

    def __init__(self, emulator: Emulator, hook: CountingHook) -> None:
        self.emulator = emulator
        self.hook = hook
        self.clock = EmulatorTime(emulator, hook)

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
