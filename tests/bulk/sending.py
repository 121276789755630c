"""
What tests of the sending share: planned contacts, a pace without a quota, and attempts in processes of their own.

An attempt here is what the operator does without Airflow: plan a CSV file, record, send through the hook.
"""

from __future__ import annotations

import csv
import json
import math
import multiprocessing
import os
import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from airflow_connect.api.identity import CONTENT_DIGITS, request_digest, token_for_key
from airflow_connect.api.operations import CreateContact, Operation, StartOutboundVoiceContact
from airflow_connect.bulk.plan import Plan, PlannedContact, TaskInstance
from airflow_connect.bulk.send import Sender
from airflow_connect.bulk.sources import FileRows
from airflow_connect.bulk.template import compile_contact
from airflow_connect.calls.defaults import MAX_RETRY_TIME
from airflow_connect.calls.pace import Call, Pace
from airflow_connect.emulator.resources import CALLS_FLOW, CALLS_QUEUE
from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID as INSTANCE
from airflow_connect.emulator.resources import DEFAULT_REGION as REGION
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import History
from tests.record.fault_points import Death, DyingLedger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

    from airflow_connect.calls.pace import Answer

ASKED_BY = TaskInstance("orders", "manual__2026-11-24", "call")
CONTACTS: dict[type[Operation], dict[str, Any]] = {
    CreateContact: {"channel": "TASK", "name": "{{ row.name }}", "attributes": {"order": "{{ row.order }}"}},
    StartOutboundVoiceContact: {
        "destination_phone_number": "+1206555{{ row.order }}",
        "contact_flow_id": CALLS_FLOW.id,
        "queue_id": CALLS_QUEUE.id,
        "name": "{{ row.name }}",
    },
}

#: What starts an attempt in a process of its own.
processes = multiprocessing.get_context("forkserver")
# An attempt is a fork of a process that has imported all that it needs, as a task is one of Airflow's.
processes.set_forkserver_preload(["airflow_connect.hooks.connect", "boto3", __name__])


class AtOnce(Pace):
    """As many calls in flight as are allowed, whatever the answers: what a pace makes of them is tested elsewhere."""

    def __init__(self, now: float, *, max_in_flight: int) -> None:
        super().__init__(now, max_in_flight=max_in_flight)
        self._left = max_in_flight

    def send_at(self, now: float) -> float:
        """At once, or after an answer."""
        return now if self._left else math.inf

    def sent(self, now: float) -> Call:
        """Count a call, and nothing else."""
        self._left -= 1
        return Call.__new__(Call)

    def answered(self, call: Call, now: float, answer: Answer) -> None:
        """Learn nothing."""
        self._left += 1


def planned(row: int, *, key: str | None = None, **more: Any) -> PlannedContact:
    """Return a contact as a plan gives it."""
    key = key or f"key {row}"
    arguments = {"instance_id": INSTANCE, "channel": "TASK", "name": f"Row {row}", **more}
    params, faults = CreateContact.check(arguments)
    assert not faults
    content = request_digest(params)[:CONTENT_DIGITS]
    params["ClientToken"] = token_for_key(REGION, INSTANCE, "CreateContact", key)
    return PlannedContact(row, key, params["ClientToken"], content, params, {"row": row})


def write_rows(path: Path, rows: int, *, invalid_every: int = 0) -> list[str]:
    """
    Write a CSV file of rows and return the names of the contacts that are to be made of them.

    :param invalid_every: each row whose number this divides has too long a name, so that it makes no contact
    """
    valid = {row: f"Row {row}" for row in range(1, rows + 1) if not invalid_every or row % invalid_every}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("order", "name"))
        writer.writerows((row, valid.get(row, "x" * 1_025)) for row in range(1, rows + 1))
    return list(valid.values())


def start_attempt(url: str, rows: Path, folder: Path, **options: Any) -> ForkServerProcess:
    """Start a process that sends what a file has, as :func:`attempt` does; it ends with this one."""
    process = processes.Process(target=attempt, args=(url, rows, folder), kwargs=options, daemon=True)
    process.start()
    return process


def attempt(
    url: str,
    rows: Path,
    folder: Path,
    *,
    operation: type[Operation] = CreateContact,
    pace: type[Pace] = AtOnce,
    max_in_flight: int = 16,
    death: Death | None = None,
    max_retry_time: float = MAX_RETRY_TIME,
    verify: str | None = None,
    shared: Path | str | None = None,
    connections: Mapping[str, Any] | None = None,
) -> None:
    """
    Send what a file has to an emulator, and exit: 0 if all was sent.

    :param url: of the emulator
    :param folder: for the results
    :param death: ends the process before, by SIGKILL
    :param max_retry_time: seconds for which a row is repeated
    :param verify: a certificate to trust, of an emulator that is behind TLS
    :param shared: where the attempts of other tasks can be seen
    :param connections: Airflow connections by the ends of their variables' names
    """
    from airflow_connect.hooks.connect import ConnectHook
    from airflow_connect.record.peers import Peers

    extra = {"region_name": "us-east-1", "endpoint_url": url, "verify": verify}
    connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    for name, value in {"AWS_DEFAULT": connection, **(connections or {})}.items():
        os.environ[f"AIRFLOW_CONN_{name}"] = json.dumps(value)
    hook = ConnectHook(instance_id=INSTANCE, max_in_flight=max_in_flight)

    def create(params: dict[str, Any]) -> dict[str, Any]:
        return hook.call(operation.name, params, max_retry_time=0)

    called = {"region": REGION, "instance_id": INSTANCE, "operation": operation.name}
    header = {**ASKED_BY._asdict(), **called, "try_number": 1}
    contact = compile_contact(CONTACTS[operation], operation, {})
    with (
        Plan(
            FileRows(str(rows)),
            operation,
            contact,
            key=None,
            region=REGION,
            instance_id=INSTANCE,
            asked_by=ASKED_BY,
            now=time.time(),
        ) as plan,
        DyingLedger(folder, header=header, death=death) if death else Ledger(folder, header=header) as ledger,
        History(folder, apart_from=ledger.writer) as history,
    ):
        sender = Sender(
            plan.contacts(),
            death.before_sending(create) if death else create,
            operation=operation.name,
            retry_unknown=operation.promise.retries_unknown,
            pace=pace(time.monotonic(), max_in_flight=max_in_flight),
            ledger=ledger,
            history=history,
            max_in_flight=max_in_flight,
            max_retry_time=max_retry_time,
        )
        with Peers(str(shared), **called, task="orders.call").share(sender.pace) if shared else nullcontext():
            sender.run()
    sys.exit(f"{type(sender.stopped_by).__name__}: {sender.stopped_by}" if sender.stopped_by else 0)
