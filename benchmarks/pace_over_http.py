"""
How much of a quota that it does not know a sender uses, over HTTP and in real time, from its first call on.

Our sender and boto3 with its three retry modes at 1, 8 and 32 threads each have a local Amazon Connect of their own,
with the same quota, and work for the same time. All run at once, each in its own process. Goodput is what was made
divided by what the quota allowed: burst + rate x (time - half the latency). Lost is what boto3 gave up.

    python benchmarks/pace_over_http.py [--seconds 60] [--quota 2,5 --quota 20,50 --quota 100,100]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LATENCY = 0.2
CONTENDERS = ["ours", *(f"{mode} x{threads}" for mode in ("legacy", "standard", "adaptive") for threads in (1, 8, 32))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="of each run (default: 60)")
    parser.add_argument("--quota", action="append", help="rate,burst; may be given again")
    parser.add_argument("--at-once", type=int, default=10, help="contenders that run at once (default: 10, all)")
    parser.add_argument("--contender", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        name, url = options.contender
        print(json.dumps(run(name, url, options.seconds)))
        return
    for quota in options.quota or ["2,5", "20,50", "100,100"]:
        rate, burst = (float(number) for number in quota.split(","))
        compare(rate, burst, options.seconds, options.at_once)


def compare(rate: float, burst: float, seconds: float, at_once: int) -> None:
    print(f"\n{rate:g}/s, burst {burst:g}, latency {LATENCY * 1000:g} ms, {seconds:g} s")
    print(f"{'':<14}{'made':>8}{'goodput':>9}{'ours/it':>9}{'calls':>8}{'throttled':>11}{'lost':>7}")
    allowed = burst + rate * (seconds - LATENCY / 2)
    ours = 0.0
    with ThreadPoolExecutor(at_once) as pool:
        measured = pool.map(lambda name: measure(name, rate, burst, seconds), CONTENDERS)
        for name, found in zip(CONTENDERS, measured, strict=True):
            goodput = found["made"] / allowed
            ours = ours or goodput
            print(
                f"{name:<14}{found['made']:>8}{goodput:>9.3f}{ours / goodput if goodput else 0:>9.2f}"
                f"{found['calls']:>8}{found['throttled'] / max(found['calls'], 1):>11.1%}{found['lost']:>7}",
                flush=True,
            )


def measure(name: str, rate: float, burst: float, seconds: float) -> dict[str, int]:
    """Run a contender against an Amazon Connect of its own, and count what arrived there."""
    with local_connect("--rate", str(rate), "--burst", f"{burst:g}", "--latency-ms", str(LATENCY * 1000)) as url:
        command = [sys.executable, __file__, "--seconds", str(seconds), "--contender", name, url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def local_connect(*arguments: str) -> Iterator[str]:
    """Run a local Amazon Connect in a process of its own, and give its address."""
    command = [sys.executable, "-m", "airflow_connect.emulator", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = ""
            while not (url := re.search(r"http://127\.0\.0\.1:\d+", said)):
                said = process.stdout.readline()
                if not said:
                    raise SystemExit("the local Amazon Connect did not start")
            yield url[0]
        finally:
            process.terminate()


def run(name: str, url: str, seconds: float) -> dict[str, int]:
    return run_ours(url, seconds) if name == "ours" else run_boto(*name.split(" x"), url=url, seconds=seconds)


def run_boto(mode: str, threads: str, *, url: str, seconds: float) -> dict[str, int]:
    """Call with botocore's own retries, in a loop in each thread."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID, DEFAULT_REGION

    client = boto3.client(
        "connect",
        region_name=DEFAULT_REGION,
        endpoint_url=url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"mode": mode}, max_pool_connections=int(threads)),
    )
    counted = {"made": 0, "calls": 0, "throttled": 0, "lost": 0}
    lock = threading.Lock()
    numbers = itertools.count(1)
    end = time.monotonic() + seconds

    def loop() -> None:
        while time.monotonic() < end:
            number = next(numbers)
            try:
                answer = client.create_contact(**request(DEFAULT_INSTANCE_ID, number))
                made, metadata = 1, answer["ResponseMetadata"]
            except ClientError as error:
                made, metadata = 0, error.response["ResponseMetadata"]
            if time.monotonic() < end:
                with lock:
                    counted["made"] += made
                    counted["lost"] += 1 - made
                    counted["calls"] += 1 + metadata["RetryAttempts"]
                    counted["throttled"] += metadata["RetryAttempts"] + 1 - made

    workers = [threading.Thread(target=loop, daemon=True) for _ in range(int(threads))]
    for worker in workers:
        worker.start()
    time.sleep(max(0.0, end - time.monotonic()))
    return counted


def run_ours(url: str, seconds: float) -> dict[str, int]:
    """Send rows without end through the sender, with the ledger and the hook of the operator; nothing is configured."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        from airflow_connect.api.fields import service_model
        from airflow_connect.bulk.plan import PlannedContact
        from airflow_connect.bulk.send import Sender
        from airflow_connect.calls.pace import Pace
        from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID, DEFAULT_REGION
        from airflow_connect.hooks.connect import ConnectHook
        from airflow_connect.record.ledger import Ledger
        from airflow_connect.record.results import History

        extra = {"region_name": DEFAULT_REGION, "endpoint_url": url}
        connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(connection)
        hook = ConnectHook(instance_id=DEFAULT_INSTANCE_ID, max_in_flight=256)
        hook.get_conn()  # made before the time counts, as boto3's client is
        service_model()  # as the checks of a task's rows have loaded it, long before its first call is throttled

        def contacts() -> Iterator[PlannedContact]:
            for number in itertools.count(1):
                params = request(DEFAULT_INSTANCE_ID, number)
                yield PlannedContact(number, str(number), params["ClientToken"], "", params, {})

        folder = Path(home) / "results"
        with History(folder) as history, Ledger(folder, header={"try_number": 1}) as ledger:
            sender = Sender(
                contacts(),
                lambda params: hook.call("CreateContact", params, max_retry_time=0),
                operation="CreateContact",
                pace=Pace(time.monotonic()),
                ledger=ledger,
                history=history,
            )
            ended = sender.progress()

            def end(progress: Any) -> None:
                nonlocal ended
                ended = progress
                sender.stop()

            sender.run(end, every=seconds)
        return {"made": ended.accepted, "calls": ended.calls, "throttled": ended.throttled, "lost": 0}


def request(instance_id: str, number: int) -> dict[str, Any]:
    return {
        "InstanceId": instance_id,
        "Channel": "TASK",
        "InitiationMethod": "API",
        "Name": f"Invoice {number} is overdue",
        "Attributes": {"invoice": str(number), "customer": "C-77"},
        "ClientToken": f"benchmark-{number}",
    }


if __name__ == "__main__":
    main()
