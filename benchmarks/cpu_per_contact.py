"""
The CPU time of a contact: a bare boto3 loop, a task's hook, and a bulk task, for the same contacts.

The hook checks, sends and sorts one contact after the other. Bulk is all that the operator does with a CSV file:
both readings, templates, checks, pace, threads, ledger on disk, answers. Each makes contacts in this process, in short
rounds by turns, at a local Amazon Connect in another one. Compared is the CPU time of this process, not the wait for
answers; but who waits has to wake up, so it is measured with answers at once and after 50 ms.

    python benchmarks/cpu_per_contact.py [--rounds 5] [--contacts 200] [--rows 2000] [--latency-ms 0 --latency-ms 50]
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pace_over_http import local_connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.hooks.connect import ConnectHook

ROW = {
    "name": "Rebook flight LH 454",
    "description": "The flight was cancelled; offer the next one, or a refund.",
    "attributes": {"booking": "X7K2PQ", "passengers": 2, "refund": 418.5, "loyalty": "gold", "language": "de"},
    "references": {
        "Booking": "https://example.com/bookings/X7K2PQ",
        "Departure": "2026-12-24",
        "Contact": "a@b.example",
    },
}
#: The same with its values in a row of a file.
COLUMNS = ("flight", "booking", "passengers", "refund", "loyalty", "language", "departure", "email")
VALUES = ("LH 454", "X7K2PQ", 2, 418.5, "gold", "de", "2026-12-24", "a@b.example")
TEMPLATE = {
    "channel": "TASK",
    "name": "Rebook flight {{ row.flight }}",
    "description": ROW["description"],
    "attributes": {name: f"{{{{ row.{name} }}}}" for name in ROW["attributes"]},
    "references": {
        "Booking": "https://example.com/bookings/{{ row.booking }}",
        "Departure": "{{ row.departure }}",
        "Contact": "{{ row.email }}",
    },
}


def bare_params(instance_id: str, number: int) -> dict[str, Any]:
    """Return what an author of a bare loop would write for the same contact."""
    return {
        "InstanceId": instance_id,
        "Channel": "TASK",
        "InitiationMethod": "API",
        "Name": ROW["name"],
        "Description": ROW["description"],
        "Attributes": {key: str(value) for key, value in ROW["attributes"].items()},
        "References": {
            "Booking": {"Type": "URL", "Value": ROW["references"]["Booking"]},
            "Departure": {"Type": "DATE", "Value": "1798070400"},
            "Contact": {"Type": "EMAIL", "Value": ROW["references"]["Contact"]},
        },
        "ClientToken": f"bare-{os.getpid()}-{number}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each (default: 5)")
    parser.add_argument("--contacts", type=int, default=200, help="contacts in a round (default: 200)")
    parser.add_argument("--rows", type=int, default=2_000, help="rows of a bulk task in a round (default: 2000)")
    parser.add_argument("--latency-ms", type=float, action="append", help="may be given again (default: 0 and 50)")
    options = parser.parse_args()
    for latency in options.latency_ms or [0.0, 50.0]:
        connect = local_connect("--rate", "0", "--latency-ms", str(latency))
        with tempfile.TemporaryDirectory() as home, connect as url:
            os.environ["AIRFLOW_HOME"] = home
            print(f"\nAnswers after {latency:g} ms")
            compare(makers(url, Path(home), options.contacts, options.rows), options.rounds)


def makers(url: str, home: Path, contacts: int, rows: int) -> dict[str, tuple[int, Callable[[], object]]]:
    """Return for each contender how many contacts a round makes, and what makes them."""
    import boto3

    from airflow_connect.api.identity import token_for_task
    from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID, DEFAULT_REGION

    called = (DEFAULT_REGION, DEFAULT_INSTANCE_ID, "CreateContact")
    client = boto3.client(
        "connect", region_name=DEFAULT_REGION, endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    hook = connect_to(url)
    numbers = itertools.count()
    file = home / "rows.csv"
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([COLUMNS, *[VALUES] * rows])

    def bare() -> None:
        for number in itertools.islice(numbers, contacts):
            client.create_contact(**bare_params(DEFAULT_INSTANCE_ID, number))

    def ours() -> None:
        for number in itertools.islice(numbers, contacts):
            token = token_for_task(*called, "dag", "run", f"task {os.getpid()}", number)
            hook.create_contact(channel="TASK", client_token=token, **ROW)

    def bulk() -> None:
        created = send_file(file, home / "results" / str(next(numbers)), hook)
        assert created == rows, f"{created} of {rows} contacts"

    return {
        "bare boto3 loop": (contacts, bare),
        "ConnectHook.create_contact": (contacts, ours),
        "bulk": (rows, bulk),
    }


def connect_to(url: str) -> ConnectHook:
    """Return a hook whose connection is the local Amazon Connect at an address."""
    from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID, DEFAULT_REGION
    from airflow_connect.hooks.connect import ConnectHook

    extra = {
        "region_name": DEFAULT_REGION,
        "endpoint_url": url,
        "service_config": {"connect": {"instance_id": DEFAULT_INSTANCE_ID}},
    }
    connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(connection)
    return ConnectHook(max_in_flight=256)


def send_file(file: Path, folder: Path, hook: ConnectHook) -> int:
    """Do what the operator does with a file, and return the number of contacts made."""
    from airflow_connect.api.operations import CreateContact
    from airflow_connect.bulk.plan import Plan, TaskInstance
    from airflow_connect.bulk.send import Sender
    from airflow_connect.bulk.sources import FileRows
    from airflow_connect.bulk.template import compile_contact
    from airflow_connect.calls.pace import Pace
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.results import History

    asked_by = TaskInstance("dag", str(folder), "task")
    contact = compile_contact(TEMPLATE, CreateContact, {})
    with (
        Plan(
            FileRows(str(file)),
            CreateContact,
            contact,
            key=None,
            region=hook.conn_region_name,
            instance_id=hook.instance_id,
            asked_by=asked_by,
            now=time.time(),
        ) as plan,
        History(folder) as history,
        Ledger(folder, header={**asked_by._asdict(), "try_number": 1}) as ledger,
    ):
        sender = Sender(
            plan.contacts(),
            lambda params: hook.call("CreateContact", params, max_retry_time=0),
            operation="CreateContact",
            pace=Pace(time.monotonic()),
            ledger=ledger,
            history=history,
        )
        return sender.run().accepted


def compare(contenders: dict[str, tuple[int, Callable[[], object]]], rounds: int) -> None:
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _, make in contenders.values():
        make()
    for turn in range(rounds):
        for name in list(contenders) if turn % 2 else reversed(list(contenders)):
            count, make = contenders[name]
            start = time.process_time()
            make()
            taken[name].append((time.process_time() - start) / count * 1e6)
    base = statistics.median(taken["bare boto3 loop"])
    print(f"{'one contact by':<30}{'median CPU us':>14}{'min':>8}{'max':>8}{'ratio':>8}")
    for name, micros in taken.items():
        median = statistics.median(micros)
        print(f"{name:<30}{median:>14.0f}{min(micros):>8.0f}{max(micros):>8.0f}{median / base:>8.2f}")


if __name__ == "__main__":
    main()
