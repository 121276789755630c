"""A wait whose process is killed with SIGKILL: the next attempt goes on with what it found, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

from airflow_connect.calls.clock import Clock
from airflow_connect.calls.defaults import THREADS
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import read_results
from airflow_connect.waiting.awaited import InResults
from airflow_connect.waiting.wait import Wait
from airflow_connect.waiting.watch import Reads
from tests.bulk.sending import processes
from tests.conftest import aws_connection_json

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_connect.api.outcome import Outcome
    from airflow_connect.emulator.server import Emulator

CONTACTS = 60
HEADER = {"dag_id": "orders", "run_id": "run", "task_id": "bulk", "map_index": -1, "try_number": 1}


class DyingResults(InResults):
    """
    Results that kill the process once so many outcomes are recorded.

    :param folder: of the results
    :param outcomes: how many; ``None`` for never
    """

    def __init__(self, folder: str, outcomes: int | None) -> None:
        super().__init__(folder)
        self._left = outcomes

    def add(self, outcome: Outcome) -> None:
        super().add(outcome)
        if self._left is not None:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


def attempt(connection: str, folder: str, outcomes: int | None) -> None:
    """Wait for the contacts of a run, until all have ended or so many outcomes are recorded."""
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = connection
    clock = Clock()
    awaited = DyingResults(folder, outcomes)
    wait = Wait(awaited, Reads(ConnectHook(), clock=clock), clock=clock, interval=0.01)
    asyncio.run(wait.poll_until_over())
    awaited.close()


def test_killed_wait_keeps_the_outcomes_that_it_found(emulator: Emulator, aws_connection: str, tmp_path: Path) -> None:
    """However often it is killed, an outcome is read once, but for the calls in flight, and recorded once."""
    hook = ConnectHook(aws_connection)
    with Ledger(tmp_path, header=HEADER) as ledger:
        ledger.intend([(row, None, f"token-{row}", "content") for row in range(1, CONTACTS + 1)])
        for row in range(1, CONTACTS + 1):
            contact_id = hook.create_contact(channel="TASK", name="Call back")["ContactId"]
            emulator.complete(contact_id)
            ledger.created(row, contact_id, attempts=1)

    found = 0
    for outcomes in (5, 20, None):
        assert InResults(str(tmp_path)).summary()["open"] == CONTACTS - found
        waiting = processes.Process(
            target=attempt, args=(aws_connection_json(emulator), str(tmp_path), outcomes), daemon=True
        )
        waiting.start()
        waiting.join()
        assert waiting.exitcode == (0 if outcomes is None else -signal.SIGKILL)
        found += outcomes or 0

    results = list(read_results(tmp_path))
    assert Counter(result["outcome"] for result in results) == {"completed": CONTACTS}
    events = [json.loads(line) for segment in tmp_path.glob("*.jsonl") for line in segment.read_text().splitlines()]
    ended = Counter(event["contact_id"] for event in events if event["kind"] == "ended")
    assert ended == {result["contact_id"]: 1 for result in results}
    assert len(emulator.calls("DescribeContact")) <= CONTACTS + 2 * THREADS
