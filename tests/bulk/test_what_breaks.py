"""One contact for each row, whatever breaks around a bulk task: disk, clock, credentials, network; over HTTP."""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from airflow_connect.emulator.server import Emulator
from airflow_connect.record.results import read_results
from tests.bulk.sending import attempt, processes, start_attempt, write_rows
from tests.record.fault_points import POINTS, Death

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 200
IN_FLIGHT = 16
HOUR = 3_600.0
CLONE_NEWNS: Final = 0x20000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the attempts of a test record their results."""
    return tmp_path / "results"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of rows."""
    write_rows(tmp_path / "rows.csv", ROWS)
    return tmp_path / "rows.csv"


def assert_each_once(emulator: Emulator) -> None:
    """Nothing is lost, and nothing is there twice."""
    found = Counter(contact["name"] for contact in emulator.contacts())
    assert found == {f"Row {row}": 1 for row in range(1, ROWS + 1)}


def repeats(emulator: Emulator) -> int:
    """Return how many calls had a token that was sent before."""
    tokens = [call.client_token for call in emulator.calls("CreateContact")]
    return len(tokens) - len(set(tokens))


# --- The disk -----------------------------------------------------------------------------------------------------


def _on_a_disk(url: str, rows: Path, folder: Path, broken: str, mended: str, reported: Path) -> None:
    """Try on a disk that is broken, mend it, and try again: on a disk that this process alone sees."""
    assert ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", broken, "tmpfs", folder], check=True)
    ends: list[Any] = []
    for options in (None, mended):
        if options:
            subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
        try:
            attempt(url, rows, folder, max_in_flight=IN_FLIGHT)
        except SystemExit as end:
            ends.append(end.code)
        except Exception as error:  # noqa: BLE001  # raised in the test
            ends.append(f"{type(error).__name__}: {error}")
    states = Counter(result["state"] for result in read_results(folder))
    reported.write_text(json.dumps({"ends": ends, "states": states}))


@pytest.fixture
def disks() -> None:
    """Fail in CI, and skip elsewhere, a test that needs a disk of its own."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return
    message = "a disk of its own needs root and mount namespaces"
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


@pytest.mark.usefixtures("disks")
@pytest.mark.parametrize(
    ("broken", "mended", "sends"),
    [("size=32k", "size=8m", True), ("nr_inodes=1", "nr_inodes=100", False), ("ro", "rw", False)],
    ids=["full", "without an inode", "read-only"],
)
def test_disk(
    broken: str, mended: str, sends: bool, emulator: Emulator, rows: Path, folder: Path, tmp_path: Path
) -> None:
    """A disk that takes nothing stops the task, which says what to do; once it is mended, the next attempt goes on."""
    reported = tmp_path / "reported.json"
    process = processes.Process(target=_on_a_disk, args=(emulator.url, rows, folder, broken, mended, reported))
    process.start()
    process.join()
    assert process.exitcode == 0
    found = json.loads(reported.read_text())
    first, second = found["ends"]
    assert first.startswith("RecordError: The results cannot be written to")
    assert "If the disk is full, make room" in first
    assert second == 0
    assert found["states"] == {"created": ROWS}
    assert_each_once(emulator)
    # What was in flight when the disk was full had an answer that was not on record.
    assert repeats(emulator) <= (IN_FLIGHT if sends else 0)


# --- The clock ----------------------------------------------------------------------------------------------------


def _with_a_clock_that_jumps(hours: list[float], url: str, rows: Path, folder: Path, **options: Any) -> None:
    """Send with a clock that somebody sets, again and again, by hours."""
    from airflow_connect.calls.clock import Clock

    steps = itertools.cycle(hours)
    Clock.epoch = lambda _: time.time() + next(steps) * HOUR  # type: ignore[method-assign]
    attempt(url, rows, folder, **options)


@pytest.mark.parametrize("hours", [[0, 5, -3], [-7], [24 * 365]], ids=["jumps", "behind", "ahead"])
def test_clock(hours: list[float], emulator: Emulator, rows: Path, folder: Path) -> None:
    """A clock that is hours away, or is set back and forth, changes nothing: not for this attempt, nor for the next."""
    emulator.set_faults("throttle=0.1, cut_after=0.05", seed=5)
    dying = processes.Process(
        target=_with_a_clock_that_jumps,
        args=([6], emulator.url, rows, folder),
        kwargs={"death": Death("before_outcome", ROWS // 2)},
    )
    later = processes.Process(target=_with_a_clock_that_jumps, args=(hours, emulator.url, rows, folder))
    for process in (dying, later):
        process.start()
        process.join()
    assert (dying.exitcode, later.exitcode) == (-signal.SIGKILL, 0)
    assert_each_once(emulator)
    assert {result["state"] for result in read_results(folder)} == {"created"}


# --- Credentials and the token ------------------------------------------------------------------------------------


def test_credentials_that_expire_again_and_again(emulator: Emulator, rows: Path, folder: Path) -> None:
    """Each time they are read again, and the call is repeated once."""
    emulator.set_faults(", ".join(f"CreateContact@{number}:expired_token" for number in range(10, 2 * ROWS, 40)))
    sending = start_attempt(emulator.url, rows, folder)
    sending.join()
    assert sending.exitcode == 0
    assert_each_once(emulator)
    assert sum(call.fault == "expired_token" for call in emulator.calls("CreateContact")) >= ROWS // 50


@pytest.mark.parametrize("point", POINTS)
def test_token_that_is_forgotten_after_a_minute(point: str, rows: Path, folder: Path) -> None:
    """What is on record is not sent again; the call that was in flight may create a second contact, and no other."""
    with Emulator(token_lifetime=60) as emulator:
        passes = {"before_intent": 2}.get(point, 20)
        dying = start_attempt(emulator.url, rows, folder, max_in_flight=1, death=Death(point, passes))
        dying.join()
        emulator.clock.advance(61)
        later = start_attempt(emulator.url, rows, folder)
        later.join()
        assert (dying.exitcode, later.exitcode) == (-signal.SIGKILL, 0)
        found = Counter(contact["name"] for contact in emulator.contacts())
    assert len(found) == ROWS
    assert found.total() - ROWS == (point == "before_outcome")


# --- The network --------------------------------------------------------------------------------------------------


def test_ipv6_alone(rows: Path, folder: Path) -> None:
    """A service that has an address of IPv6 alone is a service like others."""
    with Emulator(host="::1") as emulator:
        assert "[::1]" in emulator.url
        sending = start_attempt(emulator.url, rows, folder)
        sending.join()
        assert sending.exitcode == 0
        assert_each_once(emulator)
