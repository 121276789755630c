"""The data file: what survives, and what is refused."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.emulator.server import Emulator
from airflow_connect.emulator.store import DataFileError, Store
from tests.emulator.conftest import connect

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "connect.db"


def test_contacts_and_tokens_survive_a_restart(data: Path, task: dict[str, Any]) -> None:
    """A second emulator on the file has the contacts, the client tokens and the places taken."""
    with Emulator(data=data, active_contacts=1) as first:
        contact_id = connect(first).create_contact(**task, ClientToken="t", Attributes={"a": "ä"})["ContactId"]
        before = first.contacts()
    with Emulator(data=data, active_contacts=1) as second:
        client = connect(second)
        assert second.contacts() == before
        assert client.create_contact(**task, ClientToken="t", Attributes={"a": "ä"})["ContactId"] == contact_id
        with pytest.raises(client.exceptions.ServiceQuotaExceededException):
            client.create_contact(**task)


def test_killed_process_loses_nothing(data: Path) -> None:
    """What was answered before SIGKILL is there after it."""
    program = f"""
import os, signal
from airflow_connect.emulator.server import Emulator
from tests.emulator.conftest import connect
emulator = Emulator(data={str(data)!r}).start()
task = dict(InstanceId=emulator.instance_id, Channel="TASK", InitiationMethod="API")
for number in range(20):
    print(connect(emulator).create_contact(**task)["ContactId"], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == -signal.SIGKILL, run.stderr
    with Emulator(data=data) as emulator:
        assert [contact["id"] for contact in emulator.contacts()] == run.stdout.split()


def test_expiry_goes_on_while_the_emulator_is_off(data: Path, task: dict[str, Any]) -> None:
    """What has become due in between is done at the next start."""
    with Emulator(data=data) as emulator:
        connect(emulator).create_contact(**task, ExpiryDurationInMinutes=1)
    with Emulator(data=data) as emulator:
        emulator.clock.advance(3600)
        assert emulator.contacts()[0]["disconnect_reason"] == "EXPIRED"


def damaged(data: Path) -> bytes:
    with Emulator(data=data) as emulator:
        client = connect(emulator)
        for _ in range(50):
            client.create_contact(
                InstanceId=emulator.instance_id, Channel="TASK", InitiationMethod="API", Description="d" * 1000
            )
    content = bytearray(data.read_bytes())
    content[4096 * 3 :] = os.urandom(len(content) - 4096 * 3)
    return bytes(content)


def newer(data: Path) -> bytes:
    Emulator(data=data).stop()
    with sqlite3.connect(data) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    return data.read_bytes()


def somebody_elses(data: Path) -> bytes:
    with sqlite3.connect(data) as database:
        database.execute("CREATE TABLE notes (text)")
    database.close()
    return data.read_bytes()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: b"order,city\n1,Berlin\n", "is not a data file"),
        (lambda _: b"SQLite format 3\x00", "is not a data file"),
        (somebody_elses, "is not a data file"),
        (newer, "has version 99 of the data format, this emulator has 2"),
        (damaged, "is damaged"),
    ],
    ids=["text", "header only", "another database", "newer", "damaged"],
)
def test_file_that_cannot_be_used_is_left_alone(data: Path, make: Any, words: str) -> None:
    """A file that is none of ours or damaged raises DataFileError, and not a byte of it changes."""
    content = make(data)
    data.write_bytes(content)
    with pytest.raises(DataFileError, match=words):
        Emulator(data=data)
    assert data.read_bytes() == content
    assert [path.name for path in data.parent.iterdir()] == [data.name]


def test_file_of_another_instance_is_refused(data: Path) -> None:
    """The file says which instance it has; no instance ID takes the file's."""
    Emulator(data=data, instance_id="mine").stop()
    with pytest.raises(DataFileError, match="has the contacts of instance mine, not of yours"):
        Emulator(data=data, instance_id="yours")
    with Emulator(data=data) as emulator:
        assert emulator.instance_id == "mine"


def test_file_has_one_owner(data: Path) -> None:
    """A second emulator on a file that is in use fails, and says why."""
    with Emulator(data=data), pytest.raises(DataFileError, match="locked"):
        Emulator(data=data)


def test_unreachable_file_is_refused(tmp_path: Path) -> None:
    """A folder, or a file in a folder that is not there, is no data file."""
    for path in (tmp_path, tmp_path / "none" / "connect.db"):
        with pytest.raises(DataFileError):
            Emulator(data=path)


def test_every_search_by_state_or_time_has_an_index() -> None:
    """With a million contacts nothing that every request does may read the whole table."""
    store = Store(None, instance_id=None, default_instance_id="i", now=0.0)
    for statement in (
        "SELECT * FROM contacts WHERE id = 'c'",
        "SELECT * FROM contacts WHERE state <> 'ENDED' AND expires_at <= 1",
        "SELECT * FROM contacts WHERE state = 'SCHEDULED' AND scheduled_at <= 1",
        "SELECT min(expires_at) FROM contacts WHERE state <> 'ENDED' AND expires_at IS NOT NULL",
        "SELECT count(*) FROM contacts WHERE initial_contact_id = 'c' AND previous_contact_id IS NOT NULL",
        "SELECT * FROM contacts WHERE initiated_at BETWEEN 1 AND 2",
        "SELECT * FROM contacts WHERE disconnected_at BETWEEN 1 AND 2",
        "SELECT * FROM tokens WHERE operation = 'o' AND token = 't'",
    ):
        plan = " ".join(row[3] for row in store.query(f"EXPLAIN QUERY PLAN {statement}"))
        assert "USING" in plan, statement
    store.close()
