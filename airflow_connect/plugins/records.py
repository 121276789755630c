"""
The records that the API server can read: one index for each, shared by all who look at it.

::

    a path that a task names ──(is it that task's?)──► Records.read ──► Index ──► pages, counts
                                                          │
                                                          └── brought up to date by a thread, once for everybody

Of Airflow it knows only where results are by default.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import stat
import tempfile
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow_connect.api.errors import ConnectError
from airflow_connect.calls.clock import Clock
from airflow_connect.record.format import run_folder
from airflow_connect.record.index import Index, Totals, rest_after
from airflow_connect.record.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from concurrent.futures import Future

__all__ = ["Records", "Snapshot", "belongs_to", "index_folder"]

#: Seconds for which a request waits for an index that does not exist yet, and for one that can be shown as it is.
PATIENCE: Final = 2.0
SHORT_PATIENCE: Final = 0.25
#: Seconds between two readings of a record at least.
INTERVAL: Final = 2.0
#: Records whose state is kept in memory, and bytes of indexes that are kept on disk.
MOST_KNOWN: Final = 256
MOST_BYTES: Final = 8 << 30


class Snapshot(NamedTuple):
    """
    What reading a record found.

    :param pages: its index
    :param totals: the record in figures, ``None`` if they are not known now
    :param error: why the record cannot be read
    :param is_building: whether the index is being made, so that it is worth reading again
    :param progress: what the attempt that runs wrote beside the record, ``None`` if nothing
    """

    pages: Index
    totals: Totals | None
    error: str | None
    is_building: bool
    progress: Mapping[str, Any] | None = None


class _Entry:
    """A record, and who reads it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.index: Index | None = None
        self.future: Future[None] | None = None
        self.next_at = -math.inf
        self.error: str | None = None
        self.progress: Mapping[str, Any] | None = None


class Records:
    """
    The records that people read in the UI.

    :param folder: where indexes are kept
    :param decisions: the attribute that has a decision, and the values that may be shown
    :param clock: the time
    """

    def __init__(self, folder: Path, *, decisions: tuple[str, Collection[str]], clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._folder = folder
        self._decisions = decisions
        self._entries: OrderedDict[tuple[str, str | None], _Entry] = OrderedDict()
        self._lock = threading.Lock()
        # Reading takes turns, so that a long record does not take the API server from everybody else.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="contacts-index")

    def read(self, path: str, conn_id: str | None = None) -> Snapshot:
        """
        Read a record; what was appended to it since is read once for everybody who asks.

        :param path: see :func:`belongs_to`
        :param conn_id: the Airflow connection to the object store
        """
        with self._lock:
            entry = self._entries.setdefault((path, conn_id), _Entry())
            self._entries.move_to_end((path, conn_id))
            if len(self._entries) > MOST_KNOWN:
                self._entries.popitem(last=False)
        with entry.lock:
            if entry.index is None:
                try:
                    entry.index = Index(self._folder, place_of(path, conn_id), decisions=self._decisions)
                except Exception as error:  # noqa: BLE001  # a store's errors, of its own kinds, may hold its secrets
                    words = str(error) if isinstance(error, ConnectError) else type(error).__name__
                    return Snapshot(Index(self._folder, place_of("/")), None, words, is_building=False)
            is_known = bool(entry.index.files)
            if (entry.future is None or entry.future.done()) and self._clock.now() >= entry.next_at:
                entry.future = self._threads.submit(self._refresh, entry, entry.index)
            future = entry.future
        if future is not None:
            with contextlib.suppress(NotYet):
                future.result(SHORT_PATIENCE if is_known else PATIENCE)
        totals = entry.index.totals()
        if totals is None and entry.error is None:
            return Snapshot(entry.index, None, None, is_building=True)
        return Snapshot(entry.index, totals, entry.error, is_building=False, progress=entry.progress)

    def _refresh(self, entry: _Entry, index: Index) -> None:
        began = self._clock.now()
        try:
            is_done = index.refresh()
            entry.progress = index.progress()
            if is_done:
                entry.error = None
        except ConnectError as error:
            is_done, entry.error = True, str(error)
        except Exception as error:  # noqa: BLE001  # a store's errors, of its own kinds, may hold its secrets
            is_done, entry.error = True, f"The record cannot be read ({type(error).__name__})."
        took = self._clock.now() - began
        entry.next_at = self._clock.now() + (max(INTERVAL, rest_after(took)) if is_done else SHORT_PATIENCE)
        self._make_room(index)

    def _make_room(self, index: Index) -> None:
        """Delete the indexes that nobody has read for the longest time, where all of them take too much."""
        own = set(index.files)
        files: list[tuple[float, int, Path]] = []
        for file in self._folder.glob("*.db"):
            with_log = [file, *self._folder.glob(f"{file.name}-*")]
            try:
                found = [one.stat() for one in with_log]
            except FileNotFoundError:
                continue
            files.append((max(one.st_atime for one in found), sum(one.st_size for one in found), file))
        size = sum(one for _, one, _ in files)
        for _, bytes_of_file, file in sorted(files):
            if size <= MOST_BYTES:
                return
            if file not in own:
                for one in [file, *self._folder.glob(f"{file.name}-*")]:
                    one.unlink(missing_ok=True)
                size -= bytes_of_file


def index_folder() -> Path:
    """
    Return a folder for indexes that nobody else on this machine can read or write.

    It is the same for all processes of the API server, which share the indexes.
    """
    folder = Path(tempfile.gettempdir()) / f"airflow-amazon-connect-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="airflow-amazon-connect-"))  # somebody else made the other one


#: What a task keeps in a folder of its own below that of its results: contacts that it was given.
_LISTED: Final = re.compile(r"contacts=[0-9a-f]{16}")


def belongs_to(path: Any, *, dag_id: str, run_id: str | None = None, task_id: str | None = None) -> bool:
    """
    Return whether a path in an XCom is that of results of a Dag, so that those who may read the Dag may see them.

    XComs can be written by others than this package. A path counts only if it is whole, goes nowhere but down, and ends
    with the folders of the Dag, or of the run or the task that is asked for.

    :param path: what the XCom names
    :param dag_id: the Dag
    :param run_id: the run, ``None`` for any of the Dag
    :param task_id: the task, ``None`` for any of the run
    """
    if not isinstance(path, str) or not path or "\x00" in path:
        return False
    scheme, separator, rest = path.partition("://")
    if not (path.startswith("/") or (separator and rest and re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme))):
        return False
    parts = (rest if separator else path).rstrip("/").split("/")
    if ".." in parts or "." in parts:
        return False
    if _LISTED.fullmatch(parts[-1]):
        parts.pop()
    if re.fullmatch(r"map_index=-?\d+", parts[-1]):
        parts.pop()
    whose = run_folder(PurePosixPath(), dag_id=dag_id, run_id=run_id or "", task_id=task_id or "").parts
    patterns = [
        re.escape(whose[0]),
        "run_id=[A-Za-z0-9._-]+" if run_id is None else re.escape(whose[1]),
        "task_id=[A-Za-z0-9._-]+" if task_id is None else re.escape(whose[2]),
    ]
    return len(parts) >= len(patterns) and all(map(re.fullmatch, patterns, parts[-3:]))
