"""One contact for each row, whatever happens to worker, twin, network and service: processes that die, over HTTP."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import signal
import ssl
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.operations import StartOutboundVoiceContact
from airflow_connect.calls.pace import Pace
from airflow_connect.record.results import read_results
from tests.bulk.sending import AtOnce, start_attempt, write_rows
from tests.calls.test_sharing import GARBAGE
from tests.gateway import Forwarding, certificate_of_localhost
from tests.record.fault_points import POINTS, Death
from tests.until import until

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_connect.emulator.server import Emulator

ROWS = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the attempts of a test record their results."""
    return tmp_path / "results"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of a hundred rows."""
    write_rows(tmp_path / "rows.csv", ROWS)
    return tmp_path / "rows.csv"


def made(emulator: Emulator) -> Counter[str]:
    """Return how many contacts of each name there are."""
    return Counter(contact["name"] for contact in emulator.contacts())


def called_again(emulator: Emulator) -> int:
    """Return how many calls had a token that was sent before."""
    tokens = [call.client_token for call in emulator.calls("CreateContact")]
    return len(tokens) - len(set(tokens))


def assert_recorded(emulator: Emulator, folder: Path) -> None:
    """Each contact that there is stands in the record, as made."""
    recorded = {result["contact_id"]: result for result in read_results(folder, states={"created", "already_created"})}
    assert recorded.keys() == {contact["id"] for contact in emulator.contacts()}


# --- Death at each moment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("point", "again"), list(zip(POINTS, [0, 0, 1, 0], strict=True)), ids=POINTS)
def test_killed_with_one_call_in_flight(point: str, again: int, emulator: Emulator, rows: Path, folder: Path) -> None:
    """Only a call that was answered and not yet on record is sent again by the next attempt, with its token."""
    passes = {"before_intent": 2}.get(point, 20)  # intents are recorded in blocks: the third comes after 24 rows
    first = start_attempt(emulator.url, rows, folder, max_in_flight=1, death=Death(point, passes))
    first.join()
    assert first.exitcode == -signal.SIGKILL
    before = len(emulator.contacts())
    assert before <= 24

    second = start_attempt(emulator.url, rows, folder, max_in_flight=1)
    second.join()
    assert second.exitcode == 0
    assert made(emulator) == {f"Row {row}": 1 for row in range(1, ROWS + 1)}
    assert called_again(emulator) == again
    assert_recorded(emulator, folder)


@pytest.mark.parametrize("point", POINTS)
def test_killed_with_many_calls_in_flight(point: str, emulator: Emulator, rows: Path, folder: Path) -> None:
    """However many attempts die, what they leave behind is sent again once for each of them, and made once."""
    emulator.set_faults("slow(20)=0.5", seed=3)
    deaths = 3
    for number in range(deaths):
        passes = {"before_intent": 1}.get(point, 15 + 5 * number)
        dying = start_attempt(emulator.url, rows, folder, death=Death(point, passes))
        dying.join()
        assert dying.exitcode == -signal.SIGKILL
    last = start_attempt(emulator.url, rows, folder)
    last.join()
    assert last.exitcode == 0
    assert made(emulator) == {f"Row {row}": 1 for row in range(1, ROWS + 1)}
    assert called_again(emulator) <= deaths * 16
    assert_recorded(emulator, folder)


TASKS = 4
ROWS_EACH = 50


def start_sharing(emulator: Emulator, tmp_path: Path, number: int, shared: Path | str, **options: Any) -> Any:
    """Start one of the tasks that share a quota of 40 calls a second."""
    rows = tmp_path / f"{number}.csv"
    rows.write_text("order,name\n" + "".join(f"{row},Row {number} {row}\n" for row in range(ROWS_EACH)))
    return start_attempt(emulator.url, rows, tmp_path / f"results {number}", pace=Pace, shared=shared, **options)


def each_once(tasks: int = TASKS) -> dict[str, int]:
    """Return the contacts of all rows of the tasks that share a quota."""
    return {f"Row {number} {row}": 1 for number in range(tasks) for row in range(ROWS_EACH)}


def test_tasks_that_see_each_other_make_each_contact_once(emulator: Emulator, tmp_path: Path) -> None:
    """
    Half of the tasks that share a quota are killed, and their folder is in chaos: nothing is lost or made twice.

    It is deleted, filled with garbage, and its files have the times of clocks that are hours apart.
    """
    emulator.set_rate(2, 4)  # so that the first is not at its end when the last begins, however busy the machine is
    shared = tmp_path / "shared"
    attempts = [start_sharing(emulator, tmp_path, number, shared) for number in range(TASKS)]
    until(lambda: len(list(shared.rglob("*.json"))) == TASKS)
    emulator.set_rate(40, 20)
    [folder] = {file.parent for file in shared.rglob("*.json")}
    for attempt in attempts[:2]:
        attempt.kill()
        attempt.join()
    attempts[:2] = [start_sharing(emulator, tmp_path, number, shared) for number in range(2)]
    emulator.set_rate(200, 50)
    chance, garbage = random.Random(5), itertools.cycle([*GARBAGE, b"x" * 1_000_000])
    while any(attempt.is_alive() for attempt in attempts):
        with contextlib.suppress(OSError):
            for file in folder.iterdir():
                away = time.time() + 3_600 * chance.randrange(-24, 25)
                os.utime(file, (away, away))
            (folder / f"garbage-{chance.getrandbits(32):08x}.json").write_bytes(next(garbage))
        if chance.random() < 0.02:
            shutil.rmtree(shared, ignore_errors=True)
        time.sleep(0.02)
    assert [attempt.exitcode for attempt in attempts] == [0] * TASKS
    assert made(emulator) == each_once()


class IllStore(ThreadingHTTPServer):
    """A store that answers every request with 503, or does not answer until it is closed."""

    def __init__(self, *, hangs: bool) -> None:
        super().__init__(("127.0.0.1", 0), Refuses)
        self.hangs = hangs
        self.asked = 0
        self.is_closing = threading.Event()


class Refuses(BaseHTTPRequestHandler):
    """Answers for :class:`IllStore`."""

    server: IllStore

    def _refuse(self) -> None:
        self.server.asked += 1
        if self.server.hangs:
            self.server.is_closing.wait()
        else:
            self.send_error(503, "Slow Down")

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _refuse  # noqa: N815  # the names of the standard library

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_no_task_waits_for_a_store_that_is_ill(emulator: Emulator, tmp_path: Path) -> None:
    """Tasks whose bucket answers 503, or not at all while they run, make each contact once and come to their end."""
    emulator.set_rate(10, 10)
    with IllStore(hangs=False) as refusing, IllStore(hangs=True) as hanging:
        stores = (refusing, hanging)
        attempts = []
        for number, store in enumerate(stores):
            threading.Thread(target=store.serve_forever, daemon=True).start()
            extra = {"region_name": "us-east-1", "endpoint_url": f"http://127.0.0.1:{store.server_port}"}
            connections = {"STORE": {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}}
            shared = "s3://store@bucket/results"
            attempts.append(start_sharing(emulator, tmp_path, number, shared, connections=connections))
        until(lambda: all(store.asked for store in stores))
        emulator.set_rate(40, 20)
        for attempt in attempts:
            attempt.join()
        for store in stores:
            store.is_closing.set()
            store.shutdown()
    assert [attempt.exitcode for attempt in attempts] == [0, 0]
    assert made(emulator) == each_once(2)


# --- At most once -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 16])
@pytest.mark.parametrize("point", POINTS)
def test_nobody_is_called_twice(point: str, in_flight: int, emulator: Emulator, rows: Path, folder: Path) -> None:
    """However many workers die, and wherever: nobody is called twice, and few rows are unknown, which are all named."""
    emulator.set_phones("+=busy")  # so that client tokens are forgotten at once
    emulator.set_faults("slow(20)=0.5, StartOutboundVoiceContact:throttle=0.1", seed=3)
    calling: dict[str, Any] = {"operation": StartOutboundVoiceContact, "max_in_flight": in_flight}
    deaths = 3
    for number in range(deaths):
        dying = start_attempt(emulator.url, rows, folder, death=Death(point, 15 + 5 * number), **calling)
        dying.join()
        assert dying.exitcode == -signal.SIGKILL
    for _ in range(2):
        last = start_attempt(emulator.url, rows, folder, **calling)
        last.join()
        assert last.exitcode == 0
        results = list(read_results(folder))
        states = Counter(result["state"] for result in results)
        assert max(made(emulator).values()) == 1
        assert set(states) <= {"created", "unknown"}
        assert states.total() == ROWS
        # In flight when a worker died, and one more that was announced.
        assert states["unknown"] <= deaths * (in_flight + 2)
        called = {contact["name"] for contact in emulator.contacts()}
        recorded = {f"Row {result['row']}" for result in results if result["state"] == "created"}
        unknown = {f"Row {result['row']}" for result in results if result["state"] == "unknown"}
        assert recorded <= called <= recorded | unknown


# --- Twins --------------------------------------------------------------------------------------------------------


def start_twins(emulator: Emulator, rows: Path, folder: Path, **later: Any) -> tuple[Any, Any]:
    """Return two attempts that are under way at once, the later one last."""

    def start(attempts: int, **options: Any) -> Any:
        started = start_attempt(emulator.url, rows, folder, **options)
        until(lambda: len(list(folder.glob("*.jsonl"))) == attempts)
        return started

    emulator.set_faults("slow(2000)=1")
    twins = start(1), start(2, **later)
    emulator.set_faults("throttle=0.1, cut_after=0.05, slow(20)=0.3", seed=4)
    return twins


def test_twins(emulator: Emulator, rows: Path, folder: Path) -> None:
    """Of two attempts at once the later one comes to its end, the other sends no more; each contact is made once."""
    earlier, later = start_twins(emulator, rows, folder)
    earlier.join()
    later.join()
    assert (earlier.exitcode, later.exitcode) == (1, 0)
    assert made(emulator) == {f"Row {row}": 1 for row in range(1, ROWS + 1)}
    assert [result["row"] for result in read_results(folder)] == list(range(1, ROWS + 1))
    assert_recorded(emulator, folder)

    calls = len(emulator.calls("CreateContact"))
    third = start_attempt(emulator.url, rows, folder)
    third.join()
    assert third.exitcode == 0
    assert len(emulator.calls("CreateContact")) == calls


def test_later_twin_dies(emulator: Emulator, rows: Path, folder: Path) -> None:
    """If the later one is killed in the middle of a line, the next attempt goes on where both of them were."""
    earlier, later = start_twins(emulator, rows, folder, death=Death("before_outcome", 30))
    earlier.join()
    later.join()
    assert (earlier.exitcode, later.exitcode) == (1, -signal.SIGKILL)
    third = start_attempt(emulator.url, rows, folder)
    third.join()
    assert third.exitcode == 0
    assert made(emulator) == {f"Row {row}": 1 for row in range(1, ROWS + 1)}
    assert_recorded(emulator, folder)


# --- All at once --------------------------------------------------------------------------------------------------

#: Shares of calls; latency has a long tail. What is lost after the fact is a twentieth.
CAMPAIGN = (
    "throttle=0.2, error_500=0.07, error_503=0.03, cut_before=0.02, cut_after=0.02, truncated=0.01, cut_body=0.01,"
    "error_500_after=0.01, slow(20)=0.2, slow(100)=0.05, slow(500)=0.01, slow(3000)=0.002"
)


def test_fault_campaign(emulator: Emulator, tmp_path: Path, folder: Path, seed: int) -> None:
    """Thousands of rows through every fault at once: each valid row has exactly one contact, and it is on record."""
    names = write_rows(tmp_path / "rows.csv", 4_000, invalid_every=97)
    emulator.set_faults(CAMPAIGN, seed)
    sending = start_attempt(emulator.url, tmp_path / "rows.csv", folder, pace=AtOnce, max_in_flight=64)
    sending.join()
    assert sending.exitcode == 0
    assert made(emulator) == Counter(names)
    assert_recorded(emulator, folder)
    faults = Counter(call.fault.partition("(")[0] for call in emulator.calls("CreateContact") if call.fault)
    lost = sum(faults[kind] for kind in ("cut_after", "truncated", "cut_body", "error_500_after"))
    assert lost > 120, f"too few answers were lost to show anything: {faults}"
    assert faults["throttle"] > 800


# --- A connection that breaks off -------------------------------------------------------------------------------


def test_tls_that_breaks_after_the_request_left(emulator: Emulator, tmp_path: Path, folder: Path) -> None:
    """What may have happened is no failure: the row is unknown, and the next attempt sends it with the same token."""
    names = write_rows(tmp_path / "rows.csv", 20)
    certificate = certificate_of_localhost(tmp_path / "localhost.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    gateway = Forwarding(emulator.url, context, breaks_at={7})
    for unknown, made_in_all in ((1, 20), (0, 20)):
        sending: dict[str, Any] = {"max_in_flight": 1, "max_retry_time": 0, "verify": str(certificate)}
        process = start_attempt(gateway.url, tmp_path / "rows.csv", folder, **sending)
        process.join()
        assert process.exitcode == 0
        states = Counter(str(result["state"]) for result in read_results(folder))
        assert states == Counter(created=20 - unknown, **({"unknown": unknown} if unknown else {}))
        assert made(emulator) == dict.fromkeys(names, 1)
        assert len(emulator.contacts()) == made_in_all
    gateway.shutdown()
    gateway.server_close()
    assert called_again(emulator) == 1
    assert_recorded(emulator, folder)
