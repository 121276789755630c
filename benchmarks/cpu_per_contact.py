"""
The CPU time of a contact that we check, send and sort, compared with a bare boto3 loop.

Both make the same contacts, one after the other, in this process, at a local Amazon Connect in another one; they take
turns in short rounds. Compared is the CPU time of this process (not the wait for answers).

    python benchmarks/cpu_per_contact.py [--rounds 12] [--contacts 250]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

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
    parser.add_argument("--rounds", type=int, default=12, help="rounds of each (default: 12)")
    parser.add_argument("--contacts", type=int, default=250, help="contacts in a round (default: 250)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        command = [sys.executable, "-m", "airflow_connect.emulator", "--port", "0", "--rate", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as emulator:
            try:
                assert emulator.stdout is not None
                said = ""
                while not (url := re.search(r"http://127\.0\.0\.1:\d+", said)):
                    said = emulator.stdout.readline()
                    if not said:
                        raise SystemExit("the local Amazon Connect did not start")
                compare(url[0], options.rounds, options.contacts)
            finally:
                emulator.terminate()


def compare(url: str, rounds: int, contacts: int) -> None:
    import boto3

    from airflow_connect.client_token import token_for_task
    from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID, DEFAULT_REGION
    from airflow_connect.hooks.connect import ConnectHook

    extra = {
        "region_name": DEFAULT_REGION,
        "endpoint_url": url,
        "service_config": {"connect": {"instance_id": DEFAULT_INSTANCE_ID}},
    }
    connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(connection)
    client = boto3.client(
        "connect", region_name=DEFAULT_REGION, endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    hook = ConnectHook()

    def bare(number: int) -> None:
        client.create_contact(**bare_params(DEFAULT_INSTANCE_ID, number))

    def ours(number: int) -> None:
        token = token_for_task(DEFAULT_INSTANCE_ID, "dag", "run", f"task {os.getpid()}", number)
        hook.create_contact(channel="TASK", client_token=token, **ROW)

    loops = {"bare boto3 loop": bare, "ConnectHook.create_contact": ours}
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for make in loops.values():
        make(-1)
    for turn in range(rounds):
        for name in list(loops) if turn % 2 else reversed(list(loops)):
            start = time.process_time()
            for number in range(contacts):
                loops[name](turn * contacts + number)
            taken[name].append((time.process_time() - start) / contacts * 1e6)
    base = statistics.median(taken["bare boto3 loop"])
    print(f"{'one contact by':<30}{'median CPU us':>14}{'min':>8}{'max':>8}{'ratio':>8}")
    for name, micros in taken.items():
        median = statistics.median(micros)
        print(f"{name:<30}{median:>14.0f}{min(micros):>8.0f}{max(micros):>8.0f}{median / base:>8.2f}")


if __name__ == "__main__":
    main()
