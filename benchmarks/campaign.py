"""
A campaign of many contacts, from Parquet and from PostgreSQL, while the service and the workers fail: lost 0, twice 0.

The local Amazon Connect throttles, fails, cuts connections before and after it has created a contact, and answers
slowly. The tasks that send, one for each source, are killed with SIGKILL again and again, after a random number of
answers, and the next attempts continue. Then half of the contacts of each source end and are waited for, and the other
half is stopped, while the service fails as before and throttles only what exceeds its quota. At the end the service's
log is compared with the record, row by row. Exit code 1 where a contact is missing or there twice, or the two do not
agree.

Where calls are throttled by chance, whatever the pace, a task that knows the quota uses it at once. One that does not
(``--no-rate-quota``) takes one to three minutes to find out.

    python benchmarks/campaign.py [--rows 20000] [--rate 400] [--kill-every 3000] [--throttle 0.2] [--seed 1]
    python benchmarks/campaign.py --rows 1000000 --rate 1000 --kill-every 60000     # about an hour to send them
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import logging
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _bulk_task import COLUMNS, run_task, values

from airflow_connect.calls.clock import Clock
from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID
from airflow_connect.emulator.server import Emulator
from airflow_connect.record.results import read_results
from airflow_connect.testing import LocalConnect
from tools.local_airflow import free_port
from tools.local_postgres import make_database, server_command
from tools.programs import Programs

if TYPE_CHECKING:
    from airflow_connect.hooks.connect import ConnectHook

SOURCES = ("parquet", "postgresql")
FAULTS = (
    "{throttle}error_500=0.06, error_503=0.04, cut_before=0.02, cut_after=0.02,"
    "slow(100)=0.05, slow(1000)=0.01, slow(5000)=0.001"
)
#: Kinds of faults after which a contact exists whose creator has got no answer.
LOST = ("cut_after", "truncated", "cut_body", "error_500_after")
IN_FLIGHT = 256
PATIENCE = 60  # attempts at one step


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="in all, half of them from each source")
    parser.add_argument("--rate", type=float, default=400, help="the quota, calls a second")
    parser.add_argument("--kill-every", type=float, default=3_000, help="answers between two kills, on average")
    parser.add_argument("--throttle", type=float, default=0.2, help="the share of calls that is throttled by chance")
    parser.add_argument("--no-rate-quota", action="store_true", help="let the tasks measure the quota")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--attempt", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attempt:
        attempt(**json.loads(options.attempt))
        return 0
    with contextlib.ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="campaign-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)  # PostgreSQL is another user
        emulator = Emulator(rate=options.rate, burst=int(options.rate), call_log=20_000_000)
        stack.enter_context(emulator)
        campaign = Campaign(home, LocalConnect(emulator), options)
        stack.callback(campaign.database.stop)
        return campaign.run()


class Campaign:
    """A campaign from its rows to its end."""

    def __init__(self, home: Path, connect: LocalConnect, options: argparse.Namespace) -> None:
        self.home, self.connect, self.options = home, connect, options
        self.chances = {source: random.Random(f"{source} {options.seed}") for source in SOURCES}
        self.port = free_port()
        self.database = Programs(home / "programs")
        self.kills: list[str] = []
        self.peaks: dict[str, list[int]] = collections.defaultdict(list)
        postgres = {"conn_type": "postgres", "login": "campaign", "host": "127.0.0.1", "schema": "campaign"}
        self.env = {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connect.connection),
            "AIRFLOW_CONN_WAREHOUSE": json.dumps({**postgres, "port": self.port}),
        }

    def run(self) -> int:
        """Run all steps, print what came of them, and return the exit code."""
        each = self.options.rows // len(SOURCES)
        self.write(each)
        by_chance = f"throttle={self.options.throttle}, " if self.options.throttle else ""
        self.connect.emulator.set_faults(FAULTS.format(throttle=by_chance), self.options.seed)
        took = {"send": self.take("send")}
        wrong = self.check(each)

        self.connect.emulator.set_faults(FAULTS.format(throttle=""), self.options.seed)
        half = each // 2
        for source in SOURCES:
            contacts = [row["contact_id"] for row in read_results(self.home / source)]
            for contact_id in self.chances[source].sample(contacts, half):
                self.connect.complete(contact_id)
        took |= {step: self.take(step) for step in ("wait", "take back")}
        reasons = collections.Counter(contact["disconnect_reason"] for contact in self.connect.contacts())
        outcomes = collections.Counter(row["outcome"] for source in SOURCES for row in read_results(self.home / source))
        words = {"ended by staff": "AGENT_COMPLETED", "taken back": "API", "still open": None}
        print(", ".join(f"{of} {reasons[reason]:,}" for of, reason in words.items()))
        print(f"outcomes on record: {dict(outcomes)}")
        self.report(took)
        ended = reasons["AGENT_COMPLETED"] == 2 * half == outcomes["completed"] and not reasons[None]
        return 0 if ended and not wrong else 1

    def write(self, each: int) -> None:
        """Write the rows: the first half to Parquet, the second into PostgreSQL."""
        import pyarrow as pa
        from pyarrow import parquet

        def table(first: int, last: int) -> Any:
            return pa.table(
                dict(zip(COLUMNS, map(list, zip(*map(values, range(first, last)), strict=True)), strict=True))
            )

        with parquet.ParquetWriter(self.home / "rows.parquet", table(1, 2).schema) as writer:
            for first in range(1, each + 1, 100_000):
                writer.write_table(table(first, min(first + 100_000, each + 1)))
        make_database(self.home / "postgres", "campaign")
        command = server_command(self.home / "postgres", "127.0.0.1", self.port)
        self.database.start({"postgres": command}, env=os.environ)
        copy = (
            "CREATE TABLE rows (invoice text, customer text, amount float, due text);"
            "INSERT INTO rows SELECT 'INV-' || lpad(n::text, 7, '0'), 'C-' || n % 977, n / 100.0, '2026-12-24'"
            f" FROM generate_series({each + 1}, {2 * each}) n"
        )
        url = f"postgresql://campaign@127.0.0.1:{self.port}/campaign"
        deadline = time.monotonic() + 60
        while subprocess.run(["psql", "--quiet", url, "-c", copy], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline:
                raise SystemExit(f"PostgreSQL is not up:\n{self.database.log_tail('postgres')}")
            time.sleep(0.2)

    def take(self, step: str) -> float:
        """Take a step with both sources at once, and return the seconds that it took."""
        start = time.monotonic()
        with ThreadPoolExecutor(len(SOURCES)) as threads:
            list(threads.map(self.step, itertools.repeat(step), SOURCES))
        print(f"{step}: {time.monotonic() - start:.0f} s", flush=True)
        return time.monotonic() - start

    def step(self, step: str, source: str) -> None:
        """Take a step with a source in attempts, each killed after so many answers, until one comes to its end."""
        for number in range(1, PATIENCE + 1):
            reading, answered = os.pipe()
            arguments = {
                "step": step,
                "source": source,
                "number": number,
                "home": str(self.home),
                "answered": answered,
                "wait_for": self.options.rows // len(SOURCES) // 2,
                "rate_quota": None if self.options.no_rate_quota else self.options.rate,
            }
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", __file__, "--attempt", json.dumps(arguments)],
                env=self.env,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                pass_fds=[answered],
            )
            os.close(answered)
            # After so many answers, not seconds: on a slow machine an attempt gets as far as on a fast one.
            most = self.chances[source].uniform(0.1, 1.9) * self.options.kill_every
            answers = peak = 0
            while process.poll() is None and answers < most:
                # Not at each answer: the local Amazon Connect is in this process.
                time.sleep(0.1)
                peak = max(peak, _memory(process.pid))
                while select.select([reading], [], [], 0)[0] and (read := os.read(reading, 1 << 16)):
                    answers += len(read)
            self.peaks[step].append(peak)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                self.kills.append(step)
                print(f"{step} from {source}: attempt {number} killed after {answers:,} answers", flush=True)
            os.close(reading)
            _, said = process.communicate()
            if process.returncode == 0:
                return
            if process.returncode != -signal.SIGKILL:
                # As Airflow does, the next attempt goes on.
                print(
                    f"{step} from {source}: attempt {number} failed: {said.strip().splitlines()[-1][:300]}", flush=True
                )
        raise SystemExit(f"{step} from {source} has not come to its end in {PATIENCE} attempts")

    def check(self, each: int) -> int:
        """Compare the service's log with the record, row by row, and return how many rows have a wrong story."""
        contacts = {contact["id"]: contact for contact in self.connect.contacts()}
        by_name = collections.Counter(contact["name"] for contact in contacts.values())
        calls: dict[str, list[Any]] = collections.defaultdict(list)
        for call in self.connect.calls("CreateContact"):
            calls[call.client_token].append(call)
        wrong: list[str] = []
        known: set[str] = set()
        recorded = 0
        for first, source in ((1, SOURCES[0]), (each + 1, SOURCES[1])):
            for result in read_results(self.home / source):
                recorded += 1
                name = f"Invoice {values(first + result['row'] - 1)[0]} is overdue"
                contact = contacts.get(result["contact_id"])
                story = calls.pop(result["client_token"], [])
                made = [call for call in story if call.status == 200 or _kind(call) in LOST]
                agrees = (
                    result["state"] == "created"
                    and contact is not None
                    and contact["name"] == name
                    and contact["client_token"] == result["client_token"]
                    and {call.contact_id for call in made if call.contact_id} <= {result["contact_id"]}
                    and made
                )
                known.add(result["contact_id"])
                if not agrees or by_name[name] != 1:
                    wrong.append(
                        f"{source} row {result['row']}: {result['state']}, {by_name[name]} contacts, {len(made)} calls"
                    )
        lost = 2 * each - len(by_name)
        twice = sum(count - 1 for count in by_name.values())
        nobodys = len(contacts.keys() - known) + len(calls)
        print(f"{'rows':<44}{2 * each:>10,}\n{'on record':<44}{recorded:>10,}\n{'contacts':<44}{len(contacts):>10,}")
        print(f"{'lost':<44}{lost:>10,}\n{'twice':<44}{twice:>10,}")
        print(f"{'rows whose story differs':<44}{len(wrong):>10,}")
        print(f"{'contacts and calls without a row':<44}{nobodys:>10,}")
        for story in wrong[:10]:
            print(f"  {story}")
        return lost + twice + len(wrong) + nobodys + abs(2 * each - recorded)

    def report(self, took: dict[str, float]) -> None:
        """Print what it cost."""
        rows, rate = self.options.rows, self.options.rate
        calls = self.connect.calls("CreateContact")
        done = sum(call.status == 200 or _kind(call) in LOST for call in calls)
        lost = sum(_kind(call) in LOST for call in calls)
        kills = self.kills.count("send")
        print(f"{'calls':<44}{len(calls):>10,}\n{'throttled':<44}{sum(call.status == 429 for call in calls):>10,}")
        print(f"{'repeats of what was done':<44}{done - rows:>10,}")
        print(f"{'  of which answers were lost':<44}{lost:>10,}")
        print(f"{'  at most in flight at a kill':<44}{kills * IN_FLIGHT:>10,}  ({kills} kills)")
        # A call that is throttled by chance, fails or is cut uses the quota as well.
        print(f"{'seconds to send':<44}{took['send']:>10.0f}\n{'  by the quota alone':<44}{rows / rate:>10.0f}")
        print(f"{'seconds to wait':<44}{took['wait']:>10.0f}\n{'seconds to take back':<44}{took['take back']:>10.0f}")
        for step, peaks in self.peaks.items():
            print(f"{f'MB at most: {step}':<44}{max(peaks) / 1024:>10.0f}")


def _kind(call: Any) -> str:
    return (call.fault or "").partition("(")[0]


def _memory(pid: int) -> int:
    """Return the kilobytes that a process has had at most."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return 0


def attempt(
    step: str, source: str, number: int, home: str, answered: int, wait_for: int, rate_quota: float | None
) -> None:
    """Take a step from where the attempt before was killed, in this process."""
    from airflow_connect.bulk.sources import FileRows, SqlRows
    from airflow_connect.hooks.connect import ConnectHook

    class Counted(ConnectHook):
        """Writes a byte for each answer."""

        def call(self, *arguments: Any, **options: Any) -> dict[str, Any]:
            response = super().call(*arguments, **options)
            os.write(answered, b".")
            return response

    hook = Counted(instance_id=DEFAULT_INSTANCE_ID, max_in_flight=IN_FLIGHT)
    hook.prepare()
    logging.disable(logging.WARNING)
    folder = Path(home) / source
    match step:
        case "send":
            rows = {
                "parquet": FileRows(f"{home}/rows.parquet"),
                "postgresql": SqlRows("warehouse", "SELECT * FROM rows ORDER BY invoice"),
            }[source]
            run_task(
                rows,
                folder,
                lambda params: hook.call("CreateContact", params, max_retry_time=0),
                task_id=source,
                attempt=number,
                rate_quota=rate_quota,
            )
        case "wait":
            asyncio.run(wait(folder, hook, wait_for))
        case "take back":
            asyncio.run(take_back(folder, hook))


async def wait(folder: Path, hook: ConnectHook, wait_for: int) -> None:
    """Wait until so many contacts have ended, and record their outcomes."""
    from airflow_connect.waiting.awaited import InResults
    from airflow_connect.waiting.wait import Wait
    from airflow_connect.waiting.watch import Reads

    clock = Clock()
    awaited = InResults(str(folder))
    waiting = Wait(awaited, Reads(hook, clock=clock), clock=clock, interval=10, wait_for=wait_for)
    await waiting.poll_until_over()
    awaited.close()


async def take_back(folder: Path, hook: ConnectHook) -> None:
    """Stop the contacts that have no outcome, and record that."""
    from airflow_connect.api.operations import StopContact
    from airflow_connect.record.results import created_contacts
    from airflow_connect.waiting.act import Fate, act_on_each
    from airflow_connect.waiting.awaited import recorder_of
    from airflow_connect.waiting.watch import Reads

    def params(contact_id: str) -> dict[str, Any]:
        return StopContact(instance_id=hook.instance_id, contact_id=contact_id).params()

    clock = Clock()
    found = created_contacts(folder)
    open_ones = [contact.contact_id for contact in found.contacts if contact.outcome is None]
    failed = 0
    with recorder_of(str(folder), None, found.header) as ledger:
        acts = act_on_each(
            open_ones,
            StopContact.name,
            params,
            reads=Reads(hook, clock=clock),
            clock=clock,
            says_ended=StopContact.says_ended,
        )
        async for acted in acts:
            failed += acted.fate is Fate.FAILED
            if acted.fate is Fate.DONE:
                ledger.stopped(acted.contact_id, token=StopContact.name)
    if failed:
        raise SystemExit(f"{failed} contacts could not be stopped")


if __name__ == "__main__":
    raise SystemExit(main())
