"""
Record what becomes of each row, so that a worker that dies at any point loses nothing that matters.

::

    intend(rows) ──► call ──► created │ failed │ unknown
        │                       │
        │                       └── at once on disk; within a second in an object store
        └── on record before it returns

What a row or a contact holds is not recorded: its number, its key, its client token, a digest, and the words of
:class:`~airflow_connect.api.errors.ConnectError`, which hold no content. :mod:`airflow_connect.record.format` describes
the files, :mod:`airflow_connect.record.results` reads them. This module does not know Airflow or a client.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import posixpath
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from airflow_connect.api.errors import RecordError, attempt_is_over
from airflow_connect.api.outcome import OutcomeState
from airflow_connect.calls.clock import Clock
from airflow_connect.record.format import FORMAT, Kind, RowState, Segment, run_folder
from airflow_connect.record.storage import Place, one_line, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

    from airflow_connect.api.errors import ConnectError
    from airflow_connect.record.results import Known

__all__ = ["Ledger", "claim_file", "run_folder", "write_faults"]

log = logging.getLogger(__name__)

#: Seconds: a machine that loses its power, or a worker that writes to an object store and is killed, loses what
#: became of the calls of so long. Their intents are on record, and their tokens do not create a second contact.
SYNC_EVERY: Final = 1.0

#: Seconds between two lines of the log that say that a ledger waits to be closed.
LOG_EVERY: Final = 5.0

#: Bytes: an object store cannot append, and what is put again every second should be small.
SEGMENT_BYTES: Final = 1 << 19

#: Ranges of rows that one line refers to.
_RANGES: Final = 1_000

_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


class Ledger:
    """
    What one attempt of a task instance, or one sensor, records. A context manager; its methods may run in any thread.

    On the worker's disk a line is written when the method returns, and survives SIGKILL. An object store cannot append:
    there a segment is put whole, again and again until it is full, by a thread of the ledger; only :meth:`intend` and
    :meth:`flush` wait for it. All methods but those and :meth:`close` return at once.

    A record that is removed, moved or replaced while it is written is an error from then on: :meth:`check` finds it at
    once on the worker's disk, and within about a second in an object store, or where only files of earlier attempts are
    concerned. After :meth:`flush` it finds it at once everywhere, and a later attempt as well.

    :param folder: of the task instance, see :func:`run_folder`; a ``pathlib.Path`` or an ``ObjectStoragePath``. It is
        made if it is not there
    :param header: of every segment: ``dag_id``, ``run_id``, ``task_id``, ``map_index``, ``try_number``, ``started``
        (when the attempt began; default: now), ``rows`` (how many the input has, numbered from 1: those that no line
        names are ``not_sent``), and what else is good to know; as JSON can have it
    :param clock: the time
    :param sync_every: seconds between two moments at which what was written is made to outlast the machine
    :raises RecordError: from every method: the folder cannot be written. After that nothing more can be recorded
    """

    def __init__(
        self,
        folder: Any,
        *,
        header: Mapping[str, Any],
        clock: Clock | None = None,
        sync_every: float = SYNC_EVERY,
    ) -> None:
        self._clock = clock or Clock()
        self._sync_every = sync_every
        self._place = Place(folder)
        #: The name of the writer, which its segments have.
        self.writer: Final = f"{int(header.get('try_number') or 0)}-{secrets.token_hex(4)}"
        writer = self.writer
        first = {"kind": Kind.HEADER, "format": FORMAT, "writer": writer, "started": self._now(), **header}
        self._guard = _Guard(self._place, writer, first)
        try:
            self._guard.check()
            if follows := self._guard.of_same_number():
                first["follows"] = follows
            self._segments = (_File if self._place.is_local else _Objects)(
                self._place, writer, _line(first), self._guard
            )
        except Exception as error:  # noqa: BLE001  # a store's errors are of its own kinds
            self._fail(error)
        #: Rows whose contacts other task instances have on record, by folder and writer of those: a row's number here,
        #: its number there, and how many follow. They are written together: what a kill loses of them was not sent.
        self._references: dict[tuple[str, str], list[list[int]]] = {}
        #: What the last sync failed with.
        self._error: Exception | None = None
        #: Since when a sync is under way, ``None`` outside of one.
        self._syncing_since: float | None = None
        #: The latest progress that is not written yet.
        self._progress: Mapping[str, Any] | None = None
        self._closed = self._ended = False
        #: Whom the thread is to answer after its next sync, and whether it checks the record as well. Nothing here
        #: takes a lock that the thread needs, and this queue can be entered again: a signal handler closes the ledger
        #: while its thread is in one of these methods.
        self._requests: SimpleQueue[tuple[SimpleQueue[Exception | None], bool]] = SimpleQueue()
        threading.Thread(target=self._keep_syncing, name="results", daemon=True).start()

    # --- Rows -----------------------------------------------------------------------------------------------------

    def intend(self, entries: Iterable[tuple[int, str | None, str, str]]) -> None:
        """
        Record that rows are about to be sent; on record when it returns.

        :param entries: the rows' numbers, keys, client tokens, and digests of the requests' content
        """
        self._append(
            b"".join(
                _line({"kind": Kind.INTENT, "row": row, "key": key, "token": token, "content": content})
                for row, key, token, content in entries
            )
        )
        if not self._segments.lasting:
            self._await_sync(checks=False)

    def created(self, row: int, contact_id: str, *, attempts: int, contact_arn: str | None = None) -> None:
        """
        Record that a contact was created.

        :param row: the row's number
        :param contact_id: the contact
        :param attempts: how often the call was sent
        :param contact_arn: the contact's ARN, where the answer has it
        """
        self._outcome(RowState.CREATED, row, contact_id=contact_id, contact_arn=contact_arn, attempts=attempts)

    def failed(self, row: int, error: ConnectError, *, attempts: int) -> None:
        """
        Record that the row was given up, and that it is sure that no contact was created.

        :param row: the row's number
        :param error: why
        :param attempts: how often the call was sent
        """
        self._outcome(RowState.FAILED, row, attempts=attempts, error=type(error).__name__, message=str(error))

    def unknown(self, row: int, error: ConnectError, *, attempts: int) -> None:
        """
        Record that the row was given up although a contact may have been created.

        :param row: the row's number
        :param error: the last one
        :param attempts: how often the call was sent
        """
        self._outcome(RowState.UNKNOWN, row, attempts=attempts, error=type(error).__name__, message=str(error))

    def not_sent(self, rows: Iterable[tuple[int, str | None, str]]) -> None:
        """
        Record that the attempt ended before rows were sent, or that it is sure that it created nothing for them.

        Rows of which nothing is on record need no line: they are those that the header counts and no line names.

        :param rows: the rows' numbers, keys and client tokens
        """
        at = self._now()
        self._append(
            b"".join(
                _line({"kind": RowState.NOT_SENT, "row": row, "key": key, "token": token, "attempts": 0, "at": at})
                for row, key, token in rows
            )
        )

    def not_again(self, row: int, key: str | None, token: str, known: Known, error: ConnectError | None = None) -> None:
        """
        Record that nothing was sent, because of what is on record: the row's state is that of ``known``.

        Needs no intent. What the task instance has on record of this row is not written again, and of a contact of
        another one only where it is on record.

        :param row: the row's number
        :param key: its key
        :param token: its client token
        :param known: what is on record
        :param error: why nothing was sent, instead of what is on record
        """
        if error is None and known.recorded_row == row:
            return
        if error is None and known.recorded_in is not None:
            self._refer(row, *known.recorded_in)
            return
        self._outcome(
            known.state,
            row,
            key=key,
            token=token,
            content=known.content,
            contact_id=known.contact_id,
            contact_arn=known.contact_arn,
            attempts=0,
            error=known.error if error is None else type(error).__name__,
            message=known.message if error is None else str(error),
        )

    def _refer(self, row: int, folder: str, writer: str, first: int) -> None:
        """Remember that the contact of a row is on record in another place, and write it with others."""
        ranges = self._references.setdefault((folder, writer), [])
        if ranges and ranges[-1][0] + ranges[-1][2] == row and ranges[-1][1] + ranges[-1][2] == first:
            ranges[-1][2] += 1
            return
        ranges.append([row, first, 1])
        if len(ranges) >= _RANGES:
            self._write_references()

    def _write_references(self) -> None:
        references, self._references = self._references, {}
        for (folder, writer), ranges in references.items():
            where = posixpath.relpath(f"{folder}/{writer}", self._place.path)
            self._append(_line({"kind": Kind.FOUND, "in": where, "rows": ranges, "at": self._now()}))

    def counts(self, counts: Mapping[str, int]) -> None:
        """
        Record how many rows have which state, once nothing else is to be recorded of them.

        :param counts: by state
        """
        self._write_references()
        self._append(_line({"kind": Kind.COUNTS, **counts, "at": self._now()}))

    def already_created(self, row: int, key: str | None, token: str, contact_id: str) -> None:
        """
        Record a contact that another task created; needs no intent.

        :param row: the row's number
        :param key: its key
        :param token: its client token
        :param contact_id: the contact
        """
        self._outcome(RowState.ALREADY_CREATED, row, key=key, token=token, contact_id=contact_id, attempts=0)

    def invalid(self, row: int, message: str) -> None:
        """
        Record that nothing was sent, since the row has faults; needs no intent.

        :param row: the row's number
        :param message: what is wrong: it names field and rule, and does not hold content
        """
        self._outcome(RowState.INVALID, row, attempts=0, message=message)

    def skipped(self, row: int, key: str | None, message: str) -> None:
        """
        Record that nothing was sent, since an earlier row has the same key; needs no intent.

        :param row: the row's number
        :param key: the key
        :param message: which row that is
        """
        self._outcome(RowState.SKIPPED, row, key=key, attempts=0, message=message)

    # --- Contacts -------------------------------------------------------------------------------------------------

    def ended(self, outcome: Mapping[str, Any], *, asked: Sequence[str] = ()) -> None:
        """
        Record what became of a contact; of several records that which asked for most attributes counts, or the first.

        :param outcome: what :meth:`airflow_connect.api.outcome.Outcome.as_dict` returns: ``contact_id``, ``state`` …
        :param asked: the names of the attributes that were asked for, or ``all``
        """
        self._append(_line({"kind": Kind.ENDED, "at": self._now(), **outcome, "asked": asked}))

    def stopped(self, contact_id: str, *, token: str) -> None:
        """
        Record that a task stopped a contact; what a wait reads of the contact counts before it.

        :param contact_id: the contact of the row
        :param token: what the stop of this contact by this task is known by
        """
        fields = {"contact_id": contact_id, "state": OutcomeState.STOPPED, "token": token}
        self._append(_line({"kind": Kind.ENDED, "at": self._now(), **fields}))

    def transferred(
        self, contact_id: str, transferred_to: str, *, called_for: str | None = None, token: str | None = None
    ) -> None:
        """
        Record what a contact was transferred to; of several records the latest counts.

        :param contact_id: the contact of the row
        :param transferred_to: the contact as which it goes on, after a chain of transfers the last
        :param called_for: of a transfer by a task, the contact that it called for
        :param token: of a transfer by a task, the client token
        """
        fields = {"contact_id": contact_id, "transferred_to": transferred_to, "called_for": called_for, "token": token}
        self._append(_line({"kind": Kind.TRANSFERRED, "at": self._now(), **fields}))

    # --- Keeping --------------------------------------------------------------------------------------------------

    @property
    def later(self) -> Mapping[str, Any] | None:
        """
        The header of a later attempt of the same task instance, ``None`` if none has begun to record: this one is over.

        Airflow takes a worker for dead that does not send heartbeats, and starts another attempt; a worker that was
        only suspended continues when it wakes up.
        """
        return self._guard.later

    @property
    def waiting(self) -> float:
        """Seconds since which what was recorded is being stored, 0 if nothing is."""
        since = self._syncing_since
        return 0.0 if since is None else self._clock.now() - since

    def check(self) -> None:
        """
        Check that what was recorded is still there, and that this attempt still counts. Call it before each request.

        :raises RecordError: if a file of the record was removed, moved or replaced, or a later attempt of the task
            instance has begun
        """
        try:
            self._segments.check()
        except OSError as error:
            self._fail(error)
        self._fail(self._guard.lost or self._error)
        if self._guard.later is not None:
            raise attempt_is_over(self._guard.later)

    def write_progress(self, progress: Mapping[str, Any]) -> None:
        """
        Let ``progress.json`` be replaced by the ledger's thread; return at once. What cannot be written is logged.

        After :meth:`close` it is replaced when this returns. An attempt that is over, or whose record is lost, replaces
        nothing.

        :param progress: numbers and short texts, as JSON can have them
        """
        self._progress = progress
        if self._ended:
            self._write_progress()

    def flush(self) -> None:
        """
        Wait until all that was recorded outlasts the machine, and in an object store is seen by others.

        Then checks the record, as :meth:`check` needs it: an attempt that begins to record after that reads all of
        this, and one that began before is found.
        """
        self._await_sync(checks=True)

    def _await_sync(self, *, checks: bool) -> None:
        answer: SimpleQueue[Exception | None] = SimpleQueue()
        self._requests.put((answer, checks))
        while not self._ended:
            with contextlib.suppress(Empty):
                error = self._clock.get(answer, 1)
                self._fail(error)
                return

    def close(self) -> None:
        """
        Flush, and end the ledger; a second time changes nothing.

        A signal handler may call it, wherever in this class the thread is that it interrupts.
        """
        if not self._closed:
            with contextlib.suppress(RecordError):  # raised below, or by the next method
                self._write_references()
        self._closed = True
        self._requests.put((SimpleQueue(), True))
        logged = began = self._clock.now()
        while not self._ended:
            self._clock.sleep(0.002)
            if (now := self._clock.now()) - logged >= LOG_EVERY:
                logged = now
                log.info("Waiting for the results to be stored in %s (%.0f s)", self._place, now - began)
        self._fail(self._error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        try:
            self.close()
        except RecordError as unkept:
            if error is None:
                raise
            log.warning("%s", unkept)

    def _outcome(self, state: RowState, row: int, **fields: Any) -> None:
        known = {name: value for name, value in fields.items() if value is not None}
        self._append(_line({"kind": state, "row": row, **known, "at": self._now()}))

    def _append(self, lines: bytes) -> None:
        try:
            self._segments.append(lines)
            # Asked afterwards: what a close in between stored does not have these lines.
            if self._closed:
                raise ValueError  # noqa: TRY301  # as a file does that is closed
        except OSError as error:
            self._fail(error)
        except ValueError:
            words = f"The results in {self._place} were closed: nothing more can be recorded."
            raise RecordError(words) from None
        self._fail(self._guard.lost or self._error)

    def _keep_syncing(self) -> None:
        checked_at = self._clock.now()
        while not self._ended:
            waiting = []
            with contextlib.suppress(Empty):
                waiting.append(self._clock.get(self._requests, self._sync_every))
                while True:
                    waiting.append(self._requests.get_nowait())
            closed = self._closed  # before the last sync, which then has all
            self._syncing_since = now = self._clock.now()
            # Intents come in quick succession, and wait for the store: a check for each would double the requests.
            checks = not waiting or any(wanted for _, wanted in waiting) or now - checked_at >= self._sync_every
            try:
                self._segments.sync(checks=checks)
                self._error = None
            except Exception as error:  # noqa: BLE001  # a store's errors are of its own kinds
                self._error = error
            self._syncing_since = None
            if checks:
                checked_at = self._clock.now()
            for answer, _ in waiting:
                answer.put(self._error)
            self._write_progress()
            if closed:
                self._segments.close()
                self._ended = True

    def _write_progress(self) -> None:
        progress, self._progress = self._progress, None
        if progress is None or self._guard.later or self._guard.lost:
            return
        try:
            self._place.put("progress.json", _line(progress))
        except Exception as error:  # noqa: BLE001  # a store's errors are of its own kinds
            # What it is for is to be seen meanwhile: it fails nothing.
            log.warning("The progress cannot be written to %s: %s", self._place, one_line(error))

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock.epoch(), UTC).isoformat(timespec="milliseconds")

    def _fail(self, error: Exception | None) -> None:
        """Raise what went wrong with the record, if anything did."""
        if error is None:
            return
        if isinstance(error, RecordError):
            raise error
        raise RecordError(
            f"The results cannot be written to {self._place} ({one_line(error)}), so that nothing more is sent. If the "
            "disk is full, make room; if access is denied, give it. The task's retry continues from there; if no retry "
            "is left, clear the task. Contacts whose answer is not on record count as unknown. They are sent again "
            "with the same client tokens, except for calls to customers."
        ) from error


class _Guard:
    """
    Looks at a task instance's folder: whether the record is still there, and whether a later attempt writes to it.

    :param place: the folder
    :param writer: the name of the writer that is guarded
    :param header: of its segments
    """

    def __init__(self, place: Place, writer: str, header: Mapping[str, Any]) -> None:
        self._place = place
        self._writer = writer
        self._header = header
        #: The sizes that segments have at least, by name.
        self._sizes: dict[str, int] = {}
        #: What is wrong with the record, for good.
        self.lost: RecordError | None = None
        #: The header of a later attempt of the task instance, ``None`` if no later attempt has begun.
        self.later: Mapping[str, Any] | None = None
        self._has_checked = False

    def check(self, own: Mapping[str, int] | None = None) -> None:
        """
        Look at the folder, on the disk or in the store.

        :param own: the sizes that the writer's own segments have at least, by name
        :raises RecordError: if a segment that was there is not there any more, or is shorter
        """
        if self.lost is not None:
            raise self.lost
        found = {name: size for name, size in self._place.sizes().items() if Segment.at(name)}
        for name, size in {**self._sizes, **(own or {})}.items():
            if found.get(name, -1) < size:
                self.lose(name)
        self._sizes = {name: size for name, size in found.items() if name in self._sizes or self._meet(name)}
        self._has_checked = True

    def of_same_number(self) -> list[str]:
        """Return the writers that were found whose attempts have the number of the guarded one."""
        number = self._writer.partition("-")[0]
        found = {segment.writer for segment in map(Segment.at, self._sizes) if segment is not None}
        return sorted(writer for writer in found if writer.partition("-")[0] == number)

    def lose(self, name: str) -> NoReturn:
        """
        Note for good that the record is not what it was.

        :raises RecordError: always
        """
        self.lost = RecordError(
            f"The record of this task is not complete any more: {self._place}/{name} was removed, moved or replaced "
            "while the task was running. Nothing more was sent. Bring the file back before the next attempt, which "
            "otherwise does not know what was sent. Keep clean-up jobs away from results_path while tasks are running.",
            code="RecordLost",
        )
        raise self.lost

    def _meet(self, name: str) -> bool:
        """
        Find out whether a segment that was not there before is a later attempt's; return whether that is known.

        Neither numbers nor times are enough to know it: numbers begin anew where somebody deletes a run and Airflow
        makes it again, and the clocks of workers differ. What was there before this attempt is of an earlier one,
        unless both say otherwise: this attempt was suspended before it recorded anything. What appears meanwhile is
        of a later one, unless both say otherwise: that one was suspended. Of two that have one number, that is the
        later one which found the other; of two that began to record at once, and did not find each other, time decides.
        """
        segment = Segment.at(name)
        if segment is None or segment.writer == self._writer or segment.number > 1:
            return True
        line = self._place.first_line(f"{self._place.path}/{name}")
        if not line.endswith(b"\n"):
            return False  # it is being written
        # Those who read the record report what is damaged.
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            header = json.loads(line)
            number = header["try_number"]
            # A sensor, which writes outcomes there, does not have a number.
            if number > 0 and _identity(header) == _identity(self._header):
                own = self._header.get("try_number") or 0
                began, own_began = _started(header), _started(self._header)
                if not self._has_checked:
                    is_later = number > own and began >= own_began
                elif number == own and self._writer not in header.get("follows", ()):
                    is_later = (began, segment.writer) > (own_began, self._writer)
                else:
                    is_later = number >= own or began > own_began
                if is_later:
                    self.later = header
        return True


def _identity(header: Mapping[str, Any]) -> list[Any]:
    return [header.get(name) for name in ("dag_id", "run_id", "task_id", "map_index")]


def _started(header: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(header["started"])


class _Segments(Protocol):
    """Where a writer's lines go. ``append`` and ``check`` are called by any thread, the rest by one."""

    #: Whether a line outlasts the process when ``append`` returns.
    lasting: bool

    def append(self, lines: bytes) -> None:
        """Add whole lines."""

    def check(self) -> None:
        """Raise if the record is known not to be what it was. Returns at once."""

    def sync(self, *, checks: bool) -> None:
        """Store what was added until now for good; check the record as well, if that is wanted."""

    def close(self) -> None:
        """Give back what the operating system lent."""


class _File:
    """A writer's one segment on the worker's disk."""

    lasting = True

    def __init__(self, place: Place, writer: str, header: bytes, guard: _Guard) -> None:
        folder = Path(place.path)
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._guard = guard
        self._name = f"{writer}-1.jsonl"
        self._path = str(folder / self._name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        descriptor = os.open(self._path, flags, 0o640)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._size = 0
        #: What distinguishes the file from another one of its name. Some network file systems make it up for each call.
        self._inode = _inode(os.fstat(descriptor))
        self._has_inode = self._inode == _inode(os.stat(self._path))  # noqa: PTH116
        self._broken: OSError | None = None
        self._unsynced = False
        self.append(header)

    def append(self, lines: bytes) -> None:
        if self._broken:
            raise self._broken
        # One write for each: the operating system puts the lines of threads one after the other, so that they need no
        # lock, and all but the last line of a writer that dies is whole.
        if self._file.write(lines) != len(lines):
            self._broken = OSError(errno.ENOSPC, "No space for the whole of a line")
            raise self._broken
        self._size += len(lines)  # of two threads at once one may not be counted: no more than this is there
        self._unsynced = True

    def check(self) -> None:
        size = self._size
        try:
            status = os.stat(self._path)  # noqa: PTH116  # before each request: a Path costs more than the call
        except FileNotFoundError:
            self._guard.lose(self._name)
        if (self._has_inode and _inode(status) != self._inode) or status.st_size < size:
            self._guard.lose(self._name)

    def sync(self, *, checks: bool) -> None:
        if self._broken:
            raise self._broken
        if checks:
            self.check()
            self._guard.check()
        if self._unsynced:
            self._unsynced = False
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                self._broken = error  # another sync would succeed, without what is lost
                raise

    def close(self) -> None:
        self._file.close()


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


class _Objects:
    """
    A writer's segments in an object store: the last is put again with every sync, until it is full.

    Once somebody relies on the record, the first is never put again: a check finds out that it was removed.
    """

    lasting = False

    def __init__(self, place: Place, writer: str, header: bytes, guard: _Guard) -> None:
        self._place = place
        self._writer = writer
        self._header = header
        self._guard = guard
        #: Whether somebody relies on the record since the last check of it.
        self._asked = False
        #: What the last check failed with.
        self._unseen: Exception | None = None
        #: The sizes of what was put, by name.
        self._sizes: dict[str, int] = {}
        self._number = 1
        self._open = bytearray(header)
        self._stored = 0
        self._put(header)

    def append(self, lines: bytes) -> None:
        self._open.extend(lines)

    def check(self) -> None:
        self._asked = True

    def sync(self, *, checks: bool) -> None:
        if self._guard.lost is not None:
            raise self._guard.lost
        if self._asked and self._number == 1:
            self._begin(self._stored)
        lines = bytes(self._open)
        if len(lines) == self._stored:
            if checks and self._asked:
                self._check_folder(self._sizes)
        elif checks:
            # Beside the put, so that the caller does not wait for two answers.
            checking = threading.Thread(
                target=self._check_folder, args=(dict(self._sizes),), name="results-check", daemon=True
            )
            checking.start()
            try:
                self._put(lines)
            finally:
                checking.join()
        else:
            self._put(lines)
        if self._unseen is not None:
            error, self._unseen = self._unseen, None
            raise error
        if len(lines) >= SEGMENT_BYTES:
            self._begin(len(lines))

    def _check_folder(self, sizes: Mapping[str, int]) -> None:
        self._asked = False
        try:
            self._guard.check(sizes)
        except Exception as error:  # noqa: BLE001  # a store's errors are of its own kinds
            self._unseen = error

    def _put(self, lines: bytes) -> None:
        name = f"{self._writer}-{self._number}.jsonl"
        self._place.put(name, lines)
        self._stored = self._sizes[name] = len(lines)

    def _begin(self, size: int) -> None:
        """Begin a segment after one that stays as long as this."""
        self._number += 1
        self._open[:size] = self._header  # what was appended meanwhile stays behind it
        self._stored = len(self._header)

    def close(self) -> None:
        pass


def _line(event: Mapping[str, Any]) -> bytes:
    return f"{_encode(event)}\n".encode()


# --- Beside the segments ------------------------------------------------------------------------------------------


def write_faults(folder: Any, faults: Iterable[Mapping[str, Any]]) -> str:
    """
    Replace ``faults.jsonl``, the file of what is wrong with rows; return its path.

    :param folder: of the task instance
    :param faults: ``row``, ``file``, ``line``, ``field``, ``rule`` (what is asked for there) and ``given`` (what was
        found instead, never the content) of each
    :raises RecordError: if it cannot be written
    """
    place = Place(folder)
    try:
        with place.writing("faults.jsonl") as file:
            file.writelines(map(_line, faults))
    except Exception as error:
        raise RecordError(
            f"The faults of the rows cannot be written to {folder} ({one_line(error)}); nothing was sent. The "
            "task's retry tries again. If the disk is full, make room; if access is denied, give it."
        ) from error
    return str(folder / "faults.jsonl")


def claim_file(folder: Any, path: str, map_index: int) -> int:
    """
    Claim a file for one map index of a mapped task, and return the map index that has it: the first that claimed it.

    The claim is on record in the folder of the task and the run, which all map indexes have in common.

    :param folder: of the task instance, see :func:`run_folder`
    :param path: the file
    :param map_index: of the task instance
    :raises RecordError: if the claim cannot be written or read
    """
    file = place_of(path)
    real = os.path.realpath(file.path) if file.is_local else posixpath.normpath(file.path)
    name = f"file-{hashlib.sha256(real.encode(errors='surrogatepass')).hexdigest()[:16]}.json"
    place = Place(folder.parent)
    try:
        place.create(name, _line({"map_index": map_index}))
        owner: int = json.loads(place.read(name) or b"{}")["map_index"]
    except Exception as error:
        raise RecordError(
            f"What map index {map_index} writes cannot be recorded in {place} ({one_line(error)}); nothing was sent. "
            "The task's retry tries again. If the disk is full, make room; if access is denied, give it."
        ) from error
    return owner
