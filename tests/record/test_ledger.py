"""Recording: what is on record when, whatever happens to the worker, the disk, the store and the twin."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_connect.api.errors import RecordError, RequestError, RetryableError
from airflow_connect.calls.clock import Clock
from airflow_connect.record import ledger as ledger_module
from airflow_connect.record.format import FORMAT, Kind, RowState
from airflow_connect.record.ledger import Ledger, run_folder, write_faults
from airflow_connect.record.results import History, Known, contacts, first_attempt, last_attempt, read_results
from airflow_connect.record.storage import Place
from tests.record.fault_points import POINTS
from tests.record.headers import HEADER, IDENTITY
from tests.until import until
from tools.simulation import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(params=["disk", "file", "memory", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A task instance's folder, on the worker's disk and in object stores."""
    if request.param == "disk":
        return run_folder(tmp_path, **IDENTITY)
    return run_folder(request.getfixturevalue(request.param), **IDENTITY)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """A results path on the worker's disk, as an object store's."""
    from airflow_connect._compat import storage_path

    return storage_path(f"file://{tmp_path}")


@pytest.fixture
def memory(tmp_path: Path) -> Any:
    """A results path in memory: an object store without a network."""
    from upath import UPath

    return UPath(f"memory://{tmp_path}")


@pytest.fixture
def s3(bucket: str, local_aws_connection: str) -> Any:
    """A results path in a bucket, as an author names it."""
    from airflow_connect._compat import storage_path

    return storage_path(f"s3://{bucket}/results", local_aws_connection)


def segments(folder: Any) -> list[Any]:
    return sorted(folder.iterdir(), key=lambda path: path.name)


def lines(folder: Any) -> list[dict[str, Any]]:
    """Return all lines of a folder's segments."""
    return [json.loads(line) for path in segments(folder) for line in path.read_bytes().splitlines()]


# --- The lines ----------------------------------------------------------------------------------------------------


def test_lines(tmp_path: Path) -> None:
    """Each event is one line of JSON with its kind, the row and what is known, and nothing that is not."""
    with Ledger(tmp_path, header=HEADER, clock=StoppedClock(1_800_000_000.25)) as ledger:
        ledger.intend([(1, "order-1", "t1", "c1"), (2, None, "t2", "c2")])
        ledger.created(1, "contact-1", attempts=1, contact_arn="arn:1")
        ledger.failed(2, RequestError("No such queue."), attempts=1)
        ledger.unknown(3, RetryableError("No answer."), attempts=4)
        ledger.already_created(4, "order-4", "t4", "contact-4")
        ledger.invalid(5, "row 5, name: must not be empty")
        ledger.skipped(6, "order-1", "The key is that of row 1.")
        ledger.ended({"contact_id": "contact-1", "state": "completed"})
        ledger.not_sent([(7, "order-7", "t7"), (8, None, "t8")])
        for row in (9, 10, 12):
            made = Known(RowState.ALREADY_CREATED, recorded_in=(f"{tmp_path}/other", "1-0123abcd", row + 100))
            ledger.not_again(row, f"order-{row}", f"t{row}", made)
        ledger.counts({"created": 1, "failed": 1})
        ledger.transferred("contact-1", "contact-2")
    at = "2027-01-15T08:00:00.250+00:00"
    found = lines(tmp_path)
    writer = found[0]["writer"]
    assert [path.name for path in segments(tmp_path)] == [f"{writer}-1.jsonl"]
    assert found == [
        {"kind": "header", "format": FORMAT, "writer": writer, "started": at, **HEADER},
        {"kind": "intent", "row": 1, "key": "order-1", "token": "t1", "content": "c1"},
        {"kind": "intent", "row": 2, "key": None, "token": "t2", "content": "c2"},
        {"kind": "created", "row": 1, "contact_id": "contact-1", "contact_arn": "arn:1", "attempts": 1, "at": at},
        {"kind": "failed", "row": 2, "attempts": 1, "error": "RequestError", "message": "No such queue.", "at": at},
        {"kind": "unknown", "row": 3, "attempts": 4, "error": "RetryableError", "message": "No answer.", "at": at},
        {
            "kind": "already_created",
            "row": 4,
            "key": "order-4",
            "token": "t4",
            "contact_id": "contact-4",
            "attempts": 0,
            "at": at,
        },
        {"kind": "invalid", "row": 5, "attempts": 0, "message": "row 5, name: must not be empty", "at": at},
        {
            "kind": "skipped",
            "row": 6,
            "key": "order-1",
            "attempts": 0,
            "message": "The key is that of row 1.",
            "at": at,
        },
        {"kind": "ended", "at": at, "contact_id": "contact-1", "state": "completed", "asked": []},
        {"kind": "not_sent", "row": 7, "key": "order-7", "token": "t7", "attempts": 0, "at": at},
        {"kind": "not_sent", "row": 8, "key": None, "token": "t8", "attempts": 0, "at": at},
        {"kind": "found", "in": "other/1-0123abcd", "rows": [[9, 109, 2], [12, 112, 1]], "at": at},
        {"kind": "counts", "created": 1, "failed": 1, "at": at},
        {
            "kind": "transferred",
            "at": at,
            "contact_id": "contact-1",
            "transferred_to": "contact-2",
            "called_for": None,
            "token": None,
        },
    ]
    assert {line["kind"] for line in found} == {*Kind, *RowState}


def test_what_breaks_lines_does_not_break_them(folder: Any) -> None:
    """A key with line breaks, quotes and half of a character is one line, and read as it was, but for that half."""
    key = 'a\nb\r\u2028"\x00\ud800é'
    with Ledger(folder, header=HEADER) as ledger:
        ledger.intend([(1, key, "t1", "c1")])
    assert [row["key"] for row in read_results(folder)] == [key.replace("\ud800", "?")]


def test_another_user_reads_by_group_and_strangers_do_not(tmp_path: Path) -> None:
    """Keys may name customers: the files are the owner's and the group's, which tasks of several users share."""
    folder = run_folder(tmp_path, **IDENTITY)
    before = os.umask(0)
    try:
        with Ledger(folder, header=HEADER):
            write_faults(folder, [])
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert {stat.S_IMODE(path.stat().st_mode) for path in segments(folder)} == {0o640}


# --- When it is on record -----------------------------------------------------------------------------------------


def test_on_disk_when_the_method_returns(tmp_path: Path) -> None:
    """On the worker's disk each line is there for others when the method that writes it returns."""
    with Ledger(tmp_path, header=HEADER, sync_every=3_600) as ledger:
        ledger.intend([(1, None, "t1", "c1")])
        assert len(lines(tmp_path)) == 2
        ledger.created(1, "contact-1", attempts=1)
        assert len(lines(tmp_path)) == 3


@pytest.mark.parametrize("store", ["memory", "s3"])
def test_intent_is_stored_when_the_method_returns(store: str, request: pytest.FixtureRequest) -> None:
    """An intent is in the object store before anything can be sent; an outcome waits for the next sync."""
    folder = run_folder(request.getfixturevalue(store), **IDENTITY)
    with Ledger(folder, header=HEADER, sync_every=3_600) as ledger:
        ledger.intend([(1, None, "t1", "c1")])
        assert [line["kind"] for line in lines(folder)] == ["header", "intent"]
        ledger.created(1, "contact-1", attempts=1)
        assert [line["kind"] for line in lines(folder)] == ["header", "intent"]
        ledger.flush()
        assert [line["kind"] for line in lines(folder)] == ["header", "intent", "created"]


def test_outcome_is_stored_by_itself(memory: Any) -> None:
    """An outcome reaches the object store without another call, at the next sync."""
    with Ledger(memory, header=HEADER, sync_every=0.01) as ledger:
        ledger.created(1, "contact-1", attempts=1)
        until(lambda: len(lines(memory)) == 2)
        assert [line["kind"] for line in lines(memory)] == ["header", "created"]


def test_nothing_is_put_when_nothing_is_new(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store is asked only when there are new lines: a task that waits costs nothing."""
    with Ledger(memory, header=HEADER) as ledger:
        ledger.intend([(1, None, "t1", "c1")])
        puts: list[str] = []
        put = memory.fs.pipe_file
        monkeypatch.setattr(memory.fs, "pipe_file", lambda path, *rest: (puts.append(path), put(path, *rest)))
        ledger.flush()
        assert puts == []
        ledger.created(1, "contact-1", attempts=1)
        ledger.flush()
        assert len(puts) == 1


def test_full_segment_is_left_alone(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put again and again in an object store stays small: after so many bytes there is a new segment."""
    monkeypatch.setattr(ledger_module, "SEGMENT_BYTES", 1_000)
    with Ledger(memory, header=HEADER) as ledger:
        for row in range(1, 101):
            ledger.intend([(row, None, f"t{row}", "c")])
            ledger.created(row, f"contact-{row}", attempts=1)
    names = [path.name for path in segments(memory)]
    assert len(names) > 10
    assert all(path.stat().st_size < 2_000 for path in segments(memory))
    assert {json.loads(path.read_bytes().splitlines()[0])["kind"] for path in segments(memory)} == {"header"}
    assert [row["contact_id"] for row in read_results(memory)] == [f"contact-{row}" for row in range(1, 101)]


def test_opening_finds_out_whether_it_can_be_written(tmp_path: Path) -> None:
    """A folder that cannot be written is found before anything is sent, and the error names it and says what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match=r"cannot be written to .*file/run .*The task's retry continues"):
        Ledger(tmp_path / "file" / "run", header=HEADER)


def test_bucket_that_is_not_there(local_aws_connection: str) -> None:
    """A bucket that is not there is found when the ledger is opened."""
    from airflow_connect._compat import storage_path

    path = storage_path("s3://no-such-bucket-anywhere/results", local_aws_connection)
    with pytest.raises(RecordError, match="no-such-bucket-anywhere"):
        Ledger(path, header=HEADER)


def test_closed_ledger_takes_nothing(folder: Any) -> None:
    """After its end a ledger says so, instead of losing a line; to end it twice is fine."""
    ledger = Ledger(folder, header=HEADER)
    ledger.close()
    ledger.close()
    ledger.flush()
    with pytest.raises(RecordError, match="closed"):
        ledger.created(1, "contact-1", attempts=1)
    with pytest.raises(RecordError, match="closed"):
        ledger.intend([(1, None, "t1", "c1")])


# --- Threads, twins, signals --------------------------------------------------------------------------------------


def test_many_threads(folder: Any) -> None:
    """Any number of threads record with one ledger, and every line is whole."""
    with Ledger(folder, header=HEADER) as ledger:

        def record(first: int) -> None:
            for row in range(first, 2_001, 8):
                if row % 100 < 8:
                    ledger.intend([(row, None, f"t{row}", "c")])
                ledger.created(row, f"contact-{row}", attempts=1)

        threads = [threading.Thread(target=record, args=(first,)) for first in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [(row["row"], row["contact_id"]) for row in read_results(folder)] == [
        (row, f"contact-{row}") for row in range(1, 2_001)
    ]


def test_twins(folder: Any) -> None:
    """Two workers that run the same attempt at the same time write apart, and what one of them made counts."""
    with Ledger(folder, header=HEADER) as first, Ledger(folder, header=HEADER) as second:
        entries = [(row, None, f"t{row}", "c") for row in range(1, 5)]
        first.intend(entries)
        second.intend(entries)
        first.created(1, "contact-1", attempts=1)
        second.created(1, "contact-1", attempts=1)
        second.created(2, "contact-2", attempts=1)
        first.failed(2, RequestError("No."), attempts=1)
        first.failed(3, RequestError("No."), attempts=1)
    with History(folder) as history:
        known = [history.get(f"t{row}") for row in range(1, 5)]
    assert [found.state for found in known if found] == ["created", "created", "unknown", "unknown"]
    assert len(segments(folder)) == 2


class Ring:
    """An alarm that a signal handler gives in the main thread, soon, once."""

    def __init__(self, handler: Callable[[], None]) -> None:
        self.handler = handler

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGALRM, lambda *_: self.handler())

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)


@pytest.mark.parametrize("store", ["disk", "memory"])
def test_closed_by_a_signal_handler(store: str, tmp_path: Path, memory: Any) -> None:
    """A handler that interrupts the main thread anywhere in the ledger closes it, and all that it recorded is there."""
    for attempt in range(60):
        folder = run_folder(tmp_path if store == "disk" else memory, **(IDENTITY | {"map_index": attempt}))
        ledger = Ledger(folder, header=HEADER)
        recorded = 0
        with Ring(ledger.close):
            signal.setitimer(signal.ITIMER_REAL, 0.0005 * (1 + attempt % 7))
            with pytest.raises(RecordError, match="closed"):  # noqa: PT012
                for row in range(1, 100_001):
                    ledger.intend([(row, None, f"t{row}", "c")])
                    ledger.created(row, f"contact-{row}", attempts=1)
                    recorded = row
        made = [row["contact_id"] for row in read_results(folder) if row["contact_id"]]
        assert len(made) in {recorded, recorded + 1}


# --- Death --------------------------------------------------------------------------------------------------------

DYING = """
import sys
from airflow_connect.record.ledger import run_folder
from tests.record.fault_points import Death, DyingLedger
from tests.record.headers import HEADER, IDENTITY
from pathlib import Path

death = Death(sys.argv[2], passes=1)
create = death.before_sending(lambda params: {"ContactId": f"contact-{params['row']}"})
with DyingLedger(run_folder(Path(sys.argv[1]), **IDENTITY), header=HEADER, death=death) as ledger:
    for block in ([1, 2], [3, 4]):
        ledger.intend([(row, None, f"t{row}", "c") for row in block])
        for row in block:
            ledger.created(row, create({"row": row})["ContactId"], attempts=1)
"""


@pytest.mark.parametrize(
    ("point", "states"),
    [
        ("before_intent", ["created", "created", None, None]),
        ("before_send", ["created", "unknown", None, None]),
        ("before_outcome", ["created", "unknown", None, None]),
        ("after_outcome", ["created", "created", None, None]),
    ],
)
def test_killed(point: str, states: list[str | None], tmp_path: Path) -> None:
    """Whenever the worker is killed, the next attempt knows of each contact that was made or may have been."""
    assert point in POINTS
    done = subprocess.run([sys.executable, "-c", DYING, tmp_path, point], cwd=CHECKOUT, check=False)
    assert done.returncode == -signal.SIGKILL
    with History(tmp_path) as history:
        known = [history.get(f"t{row}") for row in range(1, 5)]
    assert [found.state if found else None for found in known] == states


# --- Full disks, failing stores -----------------------------------------------------------------------------------

FULL = """
import resource, sys
from pathlib import Path
from airflow_connect.record.ledger import Ledger
from airflow_connect.api.errors import RecordError

resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
recorded = 0
try:
    with Ledger(Path(sys.argv[1]), header={"try_number": 1}) as ledger:
        for row in range(1, 101):
            try:
                ledger.intend([(row, None, f"t{row}", "c")])
                ledger.created(row, f"contact-{row}", attempts=1)
                recorded += 1
            except RecordError as error:
                print(recorded, error)
except RecordError as error:
    print("end", error)
"""


def test_full_disk(tmp_path: Path) -> None:
    """A full disk stops everything with an error that says what is safe, and what was recorded can be read."""
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], cwd=CHECKOUT, check=True, capture_output=True)
    reported = done.stdout.decode().splitlines()
    recorded = int(reported[0].split()[0])
    assert 5 < recorded < 20
    assert "sent again with the same client tokens" in reported[0]
    assert len(reported) == 100 - recorded + 1, "every later call fails as well"
    assert reported[-1].startswith("end ")
    assert list(contacts(tmp_path)) == [f"contact-{row}" for row in range(1, recorded + 1)]


class Outage:
    """A store that takes nothing for a while. The local S3 cannot be made to refuse, so that the call to it is cut."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_on = False
        put = Place.put

        def failing(place: Place, name: str, data: bytes) -> None:
            if self.is_on:
                raise OSError(errno.EBUSY, "Please reduce your request rate.")
            put(place, name, data)

        monkeypatch.setattr(Place, "put", failing)


def test_store_that_fails_for_a_while(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a store did not take is reported at the next call, and put when it takes it again: nothing is lost."""
    outage = Outage(monkeypatch)
    folder = run_folder(s3, **IDENTITY)
    ledger = Ledger(folder, header=HEADER, sync_every=3_600)
    ledger.intend([(1, None, "t1", "c1"), (2, None, "t2", "c2")])
    ledger.created(1, "contact-1", attempts=1)
    outage.is_on = True
    with pytest.raises(RecordError, match="cannot be written to s3://"):
        ledger.intend([(3, None, "t3", "c3")])
    with pytest.raises(RecordError, match="cannot be written to s3://"):
        ledger.created(2, "contact-2", attempts=1)
    outage.is_on = False
    ledger.close()
    assert list(contacts(folder)) == ["contact-1", "contact-2"]


def test_store_that_fails_at_the_end(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outcomes that cannot be stored at the end are an error of the task, unless it ends with another one already."""
    outage = Outage(monkeypatch)

    def run(error: Exception | None) -> None:
        outage.is_on = False
        with Ledger(run_folder(s3, **IDENTITY), header=HEADER, sync_every=3_600) as ledger:
            ledger.created(1, "contact-1", attempts=1)
            outage.is_on = True
            if error:
                raise error

    with pytest.raises(RecordError, match="cannot be written"):
        run(None)
    with pytest.raises(RequestError, match="the first"):
        run(RequestError("the first"))


def test_permission_that_is_withdrawn_in_the_middle(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that refuses what it took before stops the sending, and the error says so; the next attempt goes on."""
    from moto import settings

    folder = run_folder(s3, **IDENTITY)
    with monkeypatch.context() as withdrawn:
        ledger = Ledger(folder, header=HEADER)
        ledger.intend([(1, None, "t1", "c1")])
        ledger.created(1, "contact-1", attempts=1)
        ledger.flush()
        withdrawn.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # the store knows nobody any more
        for write in (lambda: ledger.intend([(2, None, "t2", "c2")]), ledger.close):
            with pytest.raises(RecordError, match=r"cannot be written to s3://.* if access is denied, give it"):
                write()
    with Ledger(folder, header=HEADER | {"try_number": 2}) as ledger, History(folder) as history:
        first = history.get("t1")
        assert first is not None
        assert (first.state, history.get("t2")) == ("created", None)
        ledger.intend([(2, None, "t2", "c2")])
        ledger.created(2, "contact-2", attempts=1)
    assert list(contacts(folder)) == ["contact-1", "contact-2"]


# --- Clean-up jobs ------------------------------------------------------------------------------------------------


def _remove(place: Place) -> None:
    place.fs.rm(place.path, recursive=True)


def _remove_its_files(place: Place) -> None:
    for path in place.find():
        place.fs.rm_file(path)


def _remove_an_earlier_attempt(place: Place) -> None:
    place.fs.rm_file(next(path for path in place.find() if "/1-" in path))


def _move(place: Place) -> None:
    for path in place.find():
        place.fs.mv(path, f"{path}-archived")


def _replace(place: Place) -> None:
    for path in place.find():
        place.fs.pipe_file(path, b"{}\n")


CLEAN_UPS = (_remove, _remove_its_files, _remove_an_earlier_attempt, _move, _replace)


@pytest.mark.parametrize(
    ("store", "clean_up"), [*itertools.product(["tmp_path", "memory"], CLEAN_UPS), ("s3", _remove), ("s3", _replace)]
)
def test_record_that_is_cleaned_up_is_an_error(
    request: pytest.FixtureRequest, store: str, clean_up: Callable[[Place], None]
) -> None:
    """Nothing may be sent, and nothing counts as recorded, once files of the record are not there any more."""
    folder = run_folder(request.getfixturevalue(store), **IDENTITY)
    with Ledger(folder, header=HEADER) as earlier:
        earlier.intend([(1, None, "t1", "c1")])
    ledger = Ledger(folder, header=HEADER | {"try_number": 2}, sync_every=3_600)
    ledger.intend([(2, None, "t2", "c2")])
    ledger.check()
    ledger.flush()
    clean_up(Place(folder))
    with pytest.raises(RecordError, match="removed, moved or replaced") as caught:
        _ask(ledger)
    assert caught.value.code == "RecordLost"
    assert not caught.value.may_have_happened
    for use in (ledger.check, lambda: ledger.intend([(3, None, "t3", "c3")]), ledger.flush, ledger.close):
        with pytest.raises(RecordError, match="removed, moved or replaced"):
            use()


def _ask(ledger: Ledger) -> None:
    """Do what a sender does before each request; an object store is checked by the next sync."""
    ledger.check()
    ledger.flush()


def test_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network disks have no locks: files are written there, too."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with Ledger(tmp_path, header=HEADER) as ledger:
        ledger.write_progress({"rows": 1})
    assert json.loads((tmp_path / "progress.json").read_bytes()) == {"rows": 1}
    assert write_faults(tmp_path, [{"row": 2}])


def test_clean_up_is_seen_on_disk_before_the_next_request(tmp_path: Path) -> None:
    """On the worker's disk no time passes between a clean-up and the error."""
    with pytest.raises(RecordError, match="removed"), Ledger(tmp_path / "run", header=HEADER) as ledger:  # noqa: PT012
        ledger.intend([(1, None, "t1", "c1")])
        ledger.check()
        shutil.rmtree(tmp_path / "run")
        ledger.check()


def test_clean_up_between_intents_is_seen_in_a_store(memory: Any) -> None:
    """What is put again after a clean-up does not hide it, however quickly intents follow each other."""
    folder = run_folder(memory, **IDENTITY)
    ledger = Ledger(folder, header=HEADER, sync_every=3_600)
    ledger.intend([(1, None, "t1", "c1")])
    ledger.check()
    _remove(Place(folder))
    ledger.intend([(2, None, "t2", "c2")])
    with pytest.raises(RecordError, match="removed"):
        ledger.close()


def test_intents_in_a_store_wait_for_one_answer(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Intents in quick succession are put without a check of the folder for each; a check goes beside a put."""
    checks: list[str] = []
    sizes = Place.sizes

    def check(place: Place) -> dict[str, int]:
        checks.append(threading.current_thread().name)
        return sizes(place)

    monkeypatch.setattr(Place, "sizes", check)
    with Ledger(memory, header=HEADER, sync_every=3_600) as ledger:
        checks.clear()
        for row in range(1, 10):
            ledger.intend([(row, None, f"t{row}", "c")])
            ledger.check()
        assert checks == []
        ledger.created(1, "contact-1", attempts=1)
    assert checks == ["results-check"]


def test_record_in_a_store_is_looked_at_while_somebody_sends(memory: Any) -> None:
    """An object store is asked about once a second, by the ledger's thread; nobody waits for it."""
    folder = run_folder(memory, **IDENTITY)
    ledger = Ledger(folder, header=HEADER, sync_every=0.01)
    ledger.intend([(1, None, "t1", "c1")])
    _remove(Place(folder))

    def fails() -> bool:
        try:
            ledger.check()
        except RecordError:
            return True
        return False

    until(fails)
    with pytest.raises(RecordError, match="removed"):
        ledger.close()


# --- An attempt that is over --------------------------------------------------------------------------------------


BEGAN_BEFORE = HEADER | {"started": "2026-11-24T06:00:00.000+00:00"}


def test_later_attempt_ends_the_one_before(folder: Any) -> None:
    """A worker that was believed dead learns from the record that another attempt has begun, and sends nothing more."""
    with Ledger(folder, header=BEGAN_BEFORE) as first:
        _ask(first)
        with Ledger(folder, header=HEADER | {"try_number": 2}) as second:
            with pytest.raises(RecordError, match="Attempt 2 of this task instance has begun since") as caught:  # noqa: PT012
                _ask(first)
                first.check()
            assert caught.value.code == "AttemptIsOver"
            assert first.later
            assert first.later["try_number"] == 2
            _ask(second)
            assert second.later is None
            first.write_progress({"rows": 1})
    assert not (folder / "progress.json").exists()


def test_worker_that_wakes_up_before_it_records_is_over(folder: Any) -> None:
    """Also an attempt that was suspended while it read its rows finds the later one."""
    with Ledger(folder, header=HEADER | {"try_number": 2}), Ledger(folder, header=BEGAN_BEFORE) as first:
        assert first.later


def test_attempts_of_a_run_that_was_made_again_are_not_over(folder: Any) -> None:
    """Where somebody deletes a run and Airflow makes it again, attempts are counted anew: time decides."""
    with Ledger(folder, header=HEADER | {"try_number": 3}):
        pass
    with Ledger(folder, header=HEADER | {"try_number": 1}) as ledger:
        _ask(ledger)
        assert ledger.later is None


@pytest.mark.parametrize("began", ["2026-11-24T05:00:00+00:00", BEGAN_BEFORE["started"]], ids=["behind", "equal"])
def test_clock_that_is_behind_ends_no_retry(tmp_path: Path, began: str) -> None:
    """The clock of the first worker is ahead: the retry elsewhere goes on, and the worker that wakes up does not."""
    with Ledger(tmp_path, header=BEGAN_BEFORE) as first:
        with Ledger(tmp_path, header=HEADER | {"try_number": 2, "started": began}) as second:
            _ask(second)
            assert second.later is None
            first.flush()
            assert first.later
        with Ledger(tmp_path, header=HEADER | {"try_number": 3, "started": began}) as third:
            _ask(third)
            assert third.later is None


NUMBERS_AND_HOURS = list(itertools.product([1, 2], ["05", "06"]))


@pytest.mark.parametrize(("first", "second"), list(itertools.product(NUMBERS_AND_HOURS, repeat=2)))
def test_one_of_two_attempts_goes_on(tmp_path: Path, first: tuple[int, str], second: tuple[int, str]) -> None:
    """Whatever their numbers and clocks say: never both, and never none."""
    headers = [
        HEADER | {"try_number": number, "started": f"2026-11-24T{hour}:00:00+00:00"} for number, hour in (first, second)
    ]
    with Ledger(tmp_path, header=headers[0]) as one, Ledger(tmp_path, header=headers[1]) as other:
        one.flush()
        other.flush()
        assert (one.later is None) != (other.later is None)


@pytest.mark.parametrize("hour", ["05", "06", "07"])
def test_one_of_two_attempts_that_begin_at_once_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hour: str
) -> None:
    """Neither has found the other when it began to record: of one number, too, it is never both, and never none."""
    sizes = Place.sizes
    monkeypatch.setattr(Place, "sizes", lambda _place: {})
    header = HEADER | {"started": f"2026-11-24T{hour}:00:00+00:00"}
    with Ledger(tmp_path, header=BEGAN_BEFORE) as one, Ledger(tmp_path, header=header) as other:
        monkeypatch.setattr(Place, "sizes", sizes)
        one.flush()
        other.flush()
        assert (one.later is None) != (other.later is None)


def test_new_run_ends_an_attempt_of_the_deleted_one(tmp_path: Path) -> None:
    """An attempt of a run that was deleted, and made again, finds the new one although its number is lower."""
    with Ledger(tmp_path, header=BEGAN_BEFORE | {"try_number": 3}) as old, Ledger(tmp_path, header=HEADER) as new:
        old.flush()
        _ask(new)
        assert old.later
        assert new.later is None


def test_file_without_end_is_not_read_whole(tmp_path: Path) -> None:
    """Of a file that has the name of a segment and no line, a look at the folder reads the beginning alone."""
    (tmp_path / "9-00000000-1.jsonl").touch()
    os.truncate(tmp_path / "9-00000000-1.jsonl", 1 << 42)
    assert first_attempt(tmp_path) is None
    with Ledger(tmp_path, header=HEADER) as ledger:
        _ask(ledger)
        assert ledger.later is None


@pytest.mark.parametrize("other", [{"try_number": 0}, {"try_number": 9, "task_id": "other"}], ids=["sensor", "task"])
def test_others_that_write_there_end_no_attempt(folder: Any, other: dict[str, Any]) -> None:
    """A sensor writes outcomes to the run's folder."""
    with Ledger(folder, header=BEGAN_BEFORE) as ledger, Ledger(folder, header=HEADER | other):
        _ask(ledger)
        assert ledger.later is None


# --- Folders ------------------------------------------------------------------------------------------------------

names = st.text(min_size=1, max_size=250)


@given(st.tuples(names, names, names, st.integers(-1, 10_000)), st.tuples(names, names, names, st.integers(-1, 10_000)))
def test_folders_differ(one: tuple[str, str, str, int], other: tuple[str, str, str, int]) -> None:
    """Each task instance has a folder of its own, with names that every store and file system takes."""
    first, second = (
        run_folder(Path("r"), **dict(zip(IDENTITY, values, strict=True))).relative_to("r") for values in (one, other)
    )
    assert (first == second) == (one == other)
    for part, name in zip(first.parts, IDENTITY, strict=True):
        key, _, value = part.partition("=")
        assert key == name
        assert value
        assert len(part) < 200
        assert all(letter.isascii() and (letter.isalnum() or letter in "-._") for letter in value)


def test_folder_can_be_read() -> None:
    """What an author wrote can be recognised, and a digest distinguishes it from every other name."""
    folder = run_folder(
        Path("r"), dag_id="orders", run_id="manual__2026-11-24T06:00:00+00:00", task_id="group.call", map_index=3
    )
    digest = "-[0-9a-f]{16}"
    assert re.fullmatch(
        f"r/dag_id=orders{digest}/run_id=manual__2026-11-24T06-00-00-00-00{digest}/task_id=group.call{digest}"
        "/map_index=3",
        folder.as_posix(),
    )


def test_no_run_gets_the_folder_of_another() -> None:
    """A run ID that is spelt like the folder of another run has a folder of its own, also where case is ignored."""

    def folder(run_id: str) -> str:
        return run_folder(Path("r"), **{**IDENTITY, "run_id": run_id}).as_posix().lower()

    ids = ["a:b", "a/b", "a b", "A:B", "a-b", "run", "Run", "x" * 200, "x" * 201]
    ids += [part.rpartition("=")[2] for one in ids for part in folder(one).split("/") if part.startswith("run_id=")]
    assert len({folder(run_id) for run_id in ids}) == len(ids)


# --- Progress and faults ------------------------------------------------------------------------------------------


def test_progress_is_replaced(folder: Any) -> None:
    """The progress is the latest one, in one small file, and no segment for those who read results."""
    with Ledger(folder, header=HEADER, sync_every=0.01) as ledger:
        ledger.write_progress({"rows": 100, "created": 1})
        until((folder / "progress.json").exists)
        ledger.write_progress({"rows": 100, "created": 2})
    assert json.loads((folder / "progress.json").read_bytes()) == {"rows": 100, "created": 2}
    ledger.write_progress({"rows": 100, "created": 3})
    assert json.loads((folder / "progress.json").read_bytes()) == {"rows": 100, "created": 3}
    assert list(read_results(folder)) == []


def test_progress_waits_for_no_store(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a store does not answer, the progress is still written, and says how long that has been."""
    answers = threading.Event()
    put = Place.put

    def slow(place: Place, name: str, data: bytes) -> None:
        answers.wait()
        put(place, name, data)

    class Stepping(Clock):
        seconds = 0.0

        def now(self) -> float:
            return self.seconds

    clock = Stepping()
    with Ledger(memory, header=HEADER, clock=clock) as ledger:
        assert ledger.waiting == 0
        monkeypatch.setattr(Place, "put", slow)
        threading.Thread(target=ledger.intend, args=([(1, None, "t1", "c1")],)).start()
        until(lambda: ledger._syncing_since is not None)
        clock.seconds = 30
        ledger.write_progress({"rows": 100, "created": 1})
        assert ledger.waiting == 30
        answers.set()
    assert ledger.waiting == 0
    assert json.loads((memory / "progress.json").read_bytes()) == {"rows": 100, "created": 1}


def test_progress_never_fails(memory: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Progress that cannot be written is a line in the log."""
    outage = Outage(monkeypatch)
    with Ledger(memory, header=HEADER) as ledger:
        pass
    outage.is_on = True
    ledger.write_progress({"rows": 100})
    assert "The progress cannot be written" in caplog.text


def test_faults(folder: Any) -> None:
    """The file of faults has one line per fault, replaces that of an earlier attempt, and is at the path returned."""
    write_faults(folder, [{"row": 9}])
    faults = [{"row": 2, "field": "name", "rule": "at most 512 characters"}, {"row": 2, "field": "x"}]
    path = write_faults(folder, iter(faults))
    assert path == str(folder / "faults.jsonl")
    assert lines(folder) == faults


def test_faults_that_break_off(folder: Any) -> None:
    """A file of faults that cannot be finished is not there in part, and leaves the earlier one as it was."""

    def faults() -> Iterator[dict[str, Any]]:
        yield {"row": 2}
        raise OSError(28, "No space left on device")

    with pytest.raises(RecordError, match="No space left on device"):
        write_faults(folder, faults())
    write_faults(folder, [{"row": 1}])
    with pytest.raises(RecordError, match="faults of the rows cannot be written"):
        write_faults(folder, faults())
    assert [path.name for path in segments(folder)] == ["faults.jsonl"]
    assert len(lines(folder)) == 1


def test_nothing_is_known_before(folder: Any) -> None:
    """Where no ledger was, nothing is known."""
    with History(folder) as history:
        assert history.get("t1") is None
    with Ledger(folder, header=HEADER), History(folder) as history:
        assert history.get("t1") is None


def test_known_after(folder: Any) -> None:
    """The next attempt knows what became of each token, on every kind of store."""
    with Ledger(folder, header=HEADER) as ledger:
        ledger.intend([(1, None, "t1", "c1"), (2, None, "t2", "c2"), (3, None, "t3", "c3")])
        ledger.created(1, "contact-1", attempts=2, contact_arn="arn:1")
        ledger.failed(2, RequestError("No."), attempts=1)
    with History(folder) as history:
        assert history.get("t1") == Known(RowState.CREATED, "c1", "contact-1", "arn:1", 2, own=True, recorded_row=1)
        assert history.get("t2") == Known(
            RowState.FAILED, "c2", attempts=1, error="RequestError", message="No.", own=True, recorded_row=2
        )
        assert history.get("t3") == Known(RowState.UNKNOWN, "c3", own=True, recorded_row=3)
        assert history.get("t4") is None


def test_what_was_not_sent(folder: Any) -> None:
    """What was intended and not sent is known as such, also where the intent stands in an earlier block."""
    with Ledger(folder, header=HEADER) as ledger:
        ledger.intend((row, None, f"t{row}", "c" * 100) for row in range(1, 5_001))
        ledger.created(1, "contact-1", attempts=1)
        ledger.failed(2, RequestError("No."), attempts=1)
        ledger.not_sent((row, None, f"t{row}") for row in range(3, 5_000))
    states = {row["row"]: row["state"] for row in read_results(folder)}
    assert states == {1: "created", 2: "failed", **dict.fromkeys(range(3, 5_000), "not_sent"), 5_000: "unknown"}
    with History(folder) as history:
        known = history.get("t4999")
        assert known is not None
        assert known.state is RowState.NOT_SENT


def test_whose_record_it_is(folder: Any) -> None:
    """One who asks for a task instance learns whether it was that one that was refused."""
    with Ledger(folder, header={**HEADER, **IDENTITY}) as ledger:
        ledger.intend([(1, None, "t1", "c1")])
        ledger.failed(1, RequestError("No."), attempts=1)
    for run_id, own in ((IDENTITY["run_id"], True), ("another", False)):
        with History(folder, asked_by={**IDENTITY, "run_id": run_id}) as history:
            known = history.get("t1")
            assert known is not None
            assert known.own is own


def test_when_the_first_attempt_began(folder: Any) -> None:
    """A retry knows when its task instance began; where nothing is on record, nothing is known."""
    assert first_attempt(folder) is None
    assert last_attempt(folder) == 0
    for attempt, began in ((2, 1_800_000_600.0), (1, 1_800_000_000.0)):
        with Ledger(folder, header={**HEADER, "try_number": attempt}, clock=StoppedClock(began)):
            pass
    assert first_attempt(folder) == 1_800_000_000.0
    assert last_attempt(folder) == 2


@pytest.mark.parametrize("name", ["orders[eu]", "a*b?", "per cent % #"])
def test_folders_of_any_name(memory: Any, name: str) -> None:
    """What other programs take for a pattern is a name like any other."""
    folder = run_folder(memory / name, **IDENTITY)
    for attempt in (1, 2):
        with Ledger(folder, header={**HEADER, "try_number": attempt}) as ledger:
            ledger.already_created(1, "k", "t1", "contact-1")
    assert [row["contact_id"] for row in read_results(memory / name)] == ["contact-1"]
