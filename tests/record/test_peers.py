"""The folder in which tasks see each other: whatever is in it or becomes of it, no call waits for it."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from s3fs import S3FileSystem
from upath import UPath

from airflow_connect.calls.clock import Clock
from airflow_connect.calls.pace import Answer, Pace
from airflow_connect.calls.sharing import Said, Sharing
from airflow_connect.record import peers as peers_module
from airflow_connect.record.peers import Peers
from airflow_connect.record.storage import Place, folder_of
from tests.calls.test_sharing import GARBAGE
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCOPE = "pace/us-east-1/b1000000-0000-4000-8000-000000000001/CreateContact"


class FastClock(Clock):
    """A clock that goes fifty times as fast, so that beats are a tenth of a second."""

    def now(self) -> float:
        return 50 * time.monotonic()

    def get(self, queue: Any, seconds: float) -> Any:
        return queue.get(timeout=seconds / 50)


class SetClock(Clock):
    """A clock that a test sets."""

    time = 1_000.0

    def now(self) -> float:
        return self.time


def peers(
    folder: Any, task: str = "orders.call", operation: str = "CreateContact", clock: Clock | None = None
) -> Peers:
    return Peers(
        str(folder),
        region="us-east-1",
        instance_id="b1000000-0000-4000-8000-000000000001",
        operation=operation,
        task=task,
        clock=clock or FastClock(),
    )


def accept(pace: Pace, stop: threading.Event) -> None:
    """Send calls that are accepted at once, until the test says that it is enough."""
    clock = FastClock()
    while not stop.is_set():
        now = clock.now()
        if pace.send_at(now) <= now:
            pace.answered(pace.sent(now), now + 0.1, Answer.ACCEPTED)
        stop.wait(0.002)


@pytest.fixture
def sending() -> Iterator[Any]:
    """Give what starts a thread that sends in a pace's time."""
    stop = threading.Event()
    threads = []

    def start(pace: Pace) -> Pace:
        threads.append(threading.Thread(target=accept, args=(pace, stop)))
        threads[-1].start()
        return pace

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def paced() -> Pace:
    return Pace(FastClock().now(), max_rate=20)


def files(folder: Path) -> list[Path]:
    return sorted((folder / SCOPE).glob("*.json"))


def test_two_tasks_see_each_other_and_leave_nothing(tmp_path: Path, sending: Any) -> None:
    """Each writes one small file of numbers, sees the other, and removes its file at its end."""
    first, second = sending(paced()), sending(paced())
    with peers(tmp_path).share(first):
        with peers(tmp_path, "orders.call.7").share(second):
            until(lambda: first.shared_with == second.shared_with == 1)
            assert sorted(file.name.rpartition("-")[0] for file in files(tmp_path)) == ["orders.call", "orders.call.7"]
            for file in files(tmp_path):
                assert Said.from_bytes(file.read_bytes()) is not None
        until(lambda: first.shared_with == 0)
        assert len(files(tmp_path)) == 1
    assert files(tmp_path) == []


def test_tasks_of_other_operations_are_not_seen(tmp_path: Path, sending: Any) -> None:
    """Each operation has a quota of its own."""
    first, second, third = (sending(paced()) for _ in range(3))
    with (
        peers(tmp_path, operation="StopContact").share(first),
        peers(tmp_path).share(second),
        peers(tmp_path).share(third),
    ):
        until(lambda: second.shared_with == third.shared_with == 1)
        assert first.shared_with == 0


def test_task_that_is_done_at_once_writes_nothing(tmp_path: Path) -> None:
    """A few calls leave no trace in the store."""
    with peers(tmp_path).share(paced()):
        pass
    assert list(tmp_path.rglob("*.json")) == []


def test_clocks_hours_apart_do_not_matter(tmp_path: Path, sending: Any) -> None:
    """The times of the files are those of machines whose clocks are wrong: that a file changes is what counts."""
    first, second = sending(paced()), sending(paced())
    stop = threading.Event()

    def falsify() -> None:
        hours = 0
        while not stop.wait(0.01):
            for file in files(tmp_path):
                hours = -hours - 1 if hours > 0 else -hours + 1
                try:
                    os.utime(file, (time.time() + 3_600 * hours, time.time() + 3_600 * hours))
                except FileNotFoundError:
                    continue

    thread = threading.Thread(target=falsify)
    thread.start()
    try:
        with peers(tmp_path).share(first), peers(tmp_path, "b").share(second):
            assert until(lambda: first.shared_with == second.shared_with == 1)
    finally:
        stop.set()
        thread.join()


def test_chaos_in_the_folder_hurts_nobody(tmp_path: Path, sending: Any) -> None:
    """Garbage, pipes, folders and links where files should be, and a folder that is deleted again and again."""
    folder = tmp_path / SCOPE
    folder.mkdir(parents=True)
    for number, content in enumerate([*GARBAGE, b"x" * 10_000_000]):
        (folder / f"garbage-{number:08x}.json").write_bytes(content)
    os.mkfifo(folder / "pipe-0a0a0a0a.json")
    (folder / "folder-0b0b0b0b.json").mkdir()
    (folder / "link-0c0c0c0c.json").symlink_to("/dev/zero")
    (folder / "secret-0d0d0d0d.json").write_bytes(b"{}")
    (folder / "secret-0d0d0d0d.json").chmod(0)
    first, second = sending(paced()), sending(paced())
    with peers(tmp_path).share(first), peers(tmp_path, "b").share(second):
        assert until(lambda: first.shared_with == second.shared_with == 1)
        for _ in range(5):
            for file in files(tmp_path):
                if file.is_file() and not file.is_symlink():
                    file.unlink(missing_ok=True)
        assert until(lambda: first.shared_with == second.shared_with == 1)
        accepted = first.accepted
        assert until(lambda: first.accepted > accepted)


def test_folder_that_cannot_be_written_is_warned_of_once(
    tmp_path: Path, sending: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The task goes on by its own answers, and the log says so once."""
    (tmp_path / "pace").write_text("a file where a folder should be")
    pace = sending(paced())
    with caplog.at_level(logging.WARNING), peers(tmp_path).share(pace):
        until(lambda: caplog.records)
        accepted = pace.accepted
        until(lambda: pace.accepted > accepted + 50)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "by its own throttled calls" in caplog.text


class IllStore(MemoryFileSystem):
    """A store that answers 503, or not until it is well."""

    protocol = "ill"
    store: dict[str, Any] = {}  # noqa: RUF012  # fsspec's own has one for all of its kind
    hangs = threading.Event()
    is_well = threading.Event()

    def ls(self, path: str, detail: bool = True, **more: Any) -> Any:
        if self.hangs.is_set():
            self.is_well.wait()
        raise OSError("An error occurred (503) when calling the ListObjectsV2 operation: Slow Down")


@pytest.mark.parametrize("hangs", [False, True])
def test_no_call_waits_for_a_store_that_is_ill(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sending: Any, hangs: bool
) -> None:
    """Where the store answers 503, or not at all, calls leave as ever, and the task ends when it is done."""
    monkeypatch.setattr(peers_module, "folder_of", lambda _: UPath("memory:///results"))
    monkeypatch.setattr(Place, "listing", lambda self: IllStore().ls(self.path))
    IllStore.hangs.clear()
    IllStore.is_well.clear()
    if hangs:
        IllStore.hangs.set()
    pace = sending(paced())
    with caplog.at_level(logging.WARNING), peers("memory://").share(pace):
        until(lambda: pace.accepted > 100)
    # It has ended, and the store is still ill: nothing but this test makes it well.
    assert pace.accepted > 100
    assert ("503" in caplog.text) is not hangs
    IllStore.is_well.set()


def test_store_is_asked_for_little(monkeypatch: pytest.MonkeyPatch, sending: Any) -> None:
    """In a store a file is listed, read and written with one request each, and removed at the end."""
    monkeypatch.setattr(peers_module, "folder_of", lambda _: UPath("memory:///asked"))
    first, second = sending(paced()), sending(paced())
    with peers("memory://").share(first), peers("memory://", "b").share(second):
        until(lambda: first.shared_with == second.shared_with == 1)
        assert len(UPath("memory:///asked").fs.find("/asked")) == 2
    assert UPath("memory:///asked").fs.find("/asked") == []


def test_bucket_is_asked_four_times_in_a_beat(
    bucket: str, local_aws_connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In S3 a beat is a write, a list and two reads at most, however many tasks there are: 0.8 requests a second."""
    asked: list[str] = []
    call = S3FileSystem._call_s3

    async def count(self: Any, method: str, *arguments: Any, **more: Any) -> Any:
        asked.append(method)
        return await call(self, method, *arguments, **more)

    folder = Place(folder_of(f"s3://{local_aws_connection}@{bucket}/results/pace"))
    for number in range(64):
        folder.put(f"orders.call-{number:08x}.json", Said(1.0, 64.0, None, None, False, 9, 1, 1.0).to_bytes(1))
    monkeypatch.setattr(S3FileSystem, "_call_s3", count)
    clock = SetClock()  # what is seen to change is alive, also where all that is written here takes minutes
    sharing = Sharing("own-ffffffff.json", 0.0)
    pace = Pace(clock.now(), max_rate=20)
    task = peers(f"s3://{local_aws_connection}@{bucket}/results", clock=clock)
    pace.answered(pace.sent(clock.now()), clock.now() + 0.1, Answer.ACCEPTED)
    task._beat(folder, pace, sharing)
    assert sorted(asked) == ["get_object", "get_object", "list_objects_v2", "put_object"]
    # All write again: of those that are seen to change, two are read in a beat.
    for number in range(64):
        folder.put(f"orders.call-{number:08x}.json", Said(1.0, 64.0, None, None, False, 9, 1, 1.0).to_bytes(2))
    clock.time += 5
    pace.answered(pace.sent(clock.now()), clock.now() + 0.1, Answer.ACCEPTED)
    asked.clear()
    task._beat(folder, pace, sharing)
    assert sorted(asked) == ["get_object", "get_object", "list_objects_v2", "put_object"]
