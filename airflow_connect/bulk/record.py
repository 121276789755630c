"""
The form of the record: which folders and files it has, and the lines in them. Writes and reads none of the lines.

::

    <results_path>/dag_id=…/run_id=…/task_id=…/map_index=…/     a task instance's folder
        <try>-<8 hex>-<number>.jsonl                             a segment: only its writer appends to it
        progress.json                                            how far the running attempt is
        faults.jsonl                                             what is wrong with rows, after a check that found some

A writer is one attempt of the task instance; a retry and a twin have segments of their own. A segment is JSON Lines: a
header, then one line per event, of a :class:`Kind`. No line is ever changed or deleted. A line that breaks off at the
end of a segment is one whose writer was killed in the middle.

This module imports no Airflow and no store: paths bring theirs.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from airflow_connect.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FORMAT", "Kind", "Place", "Segment", "State", "folder_of", "one_line", "place_of", "run_folder"]

#: The version of the lines' form, which the header tells.
FORMAT: Final = 1


class Kind(enum.StrEnum):
    """What a line says."""

    #: The first line of a segment: whose it is.
    HEADER = "header"
    #: The row is about to be sent, with this key, client token and digest of its content.
    INTENT = "intent"
    #: The contact was made.
    MADE = "made"
    #: It is sure that nothing was made for the row by this attempt.
    REFUSED = "refused"
    #: The attempt gave the row up, and a contact may have been made.
    UNSURE = "unsure"
    #: The attempt ended before the row was sent, or it is sure that it made nothing: its intent is as none.
    UNSENT = "unsent"
    #: An earlier attempt or run made the contact, so that nothing was sent.
    ALREADY_MADE = "already_made"
    #: The row has faults, so that nothing was sent.
    INVALID = "invalid"
    #: An earlier row has the same key, so that nothing was sent.
    SKIPPED = "skipped"
    #: What became of the contact.
    ENDED = "ended"


class State(enum.IntEnum):
    """What is known of a row; the greater one wins where attempts know different things."""

    #: An earlier row of the input has the same key.
    SKIPPED = 0
    #: The row has faults, and was not sent.
    INVALID = 1
    #: Nothing was made.
    FAILED = 2
    #: It was sent, or was about to be, and no answer is on record: a contact may have been made.
    UNKNOWN = 3
    #: Another run or attempt made the contact before.
    ALREADY_MADE = 4
    #: This task instance made the contact.
    CREATED = 5


def run_folder(results_path: Any, *, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
    """
    Return the folder below ``results_path`` that holds what a task instance records, as the same kind of path.

    :param results_path: a ``pathlib.Path`` or an ``ObjectStoragePath``
    :param dag_id: the DAG
    :param run_id: the DAG run
    :param task_id: the task
    :param map_index: the index of a mapped task instance, -1 for a task that is not mapped
    """
    parts = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": str(map_index)}
    folder = results_path
    for name, value in parts.items():
        folder = folder / f"{name}={_safe(value)}"
    return folder


def _safe(name: str) -> str:
    """
    Return a name that every store and file system takes, and no other name's.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html (safe characters)
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", name)[:160]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Segment(NamedTuple):
    """A file of a writer, by what its name says."""

    folder: str
    #: ``<try>-<8 hex>``
    writer: str
    number: int
    path: str

    @classmethod
    def at(cls, path: str) -> Segment | None:
        """Return the segment at a path, ``None`` if the file there is something else."""
        folder, _, name = path.rpartition("/")
        found = re.fullmatch(r"(\d+-[0-9a-f]{8})-(\d+)\.jsonl", name)
        return cls(folder, found[1], int(found[2]), path) if found else None


class Place:
    """
    A file or folder on the worker's disk or in an object store: what both can do, in one way.

    Goes past the path's own methods to its file system: Airflow reports what those read and write as the lineage of the
    task, and some of them ask the store twice.

    :param path: a ``pathlib.Path``, or an ``ObjectStoragePath`` or other path of universal-pathlib
    """

    def __init__(self, path: Any) -> None:
        if hasattr(path, "fs"):
            self.fs, self.path = path.fs, str(path.path)
        else:
            from fsspec.implementations.local import LocalFileSystem

            self.fs, self.path = LocalFileSystem(), str(Path(path).absolute())
        self._text = str(path)
        protocol = self.fs.protocol
        self.is_local = "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def __str__(self) -> str:
        return self._text

    def find(self) -> list[str]:
        """Return the paths of all files below the folder, none where there is no such folder."""
        self.fs.invalidate_cache(self.path)  # others write here
        try:
            found: list[str] = self.fs.find(self.path)
        except FileNotFoundError:
            return []
        return found

    def put(self, name: str, data: bytes) -> None:
        """Write a small file in the folder, or replace it: readers see the old or the new one."""
        if self.is_local:
            with self.writing(name) as file:
                file.write(data)
        else:
            self.fs.pipe_file(f"{self.path}/{name}", data)

    @contextlib.contextmanager
    def writing(self, name: str = "") -> Iterator[BinaryIO]:
        """
        Open a file to be written, in the folder or, without a name, the one that the place is.

        It is not there before it is whole: what fails in the middle leaves nothing.
        """
        target = f"{self.path}/{name}" if name else self.path
        directory = None
        if self.is_local:
            directory = Path(target).parent
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o640)
                yield file
            if self.is_local:
                Path(temporary).replace(target)
            else:
                self.fs.put_file(temporary, target)
        finally:
            Path(temporary).unlink(missing_ok=True)


def folder_of(path: str, conn_id: str | None = None) -> Any:
    """
    Return a folder or file by its text: a ``pathlib.Path``, or an ``ObjectStoragePath``.

    :param path: as in an XCom
    :param conn_id: the Airflow connection to the object store; the path itself may name one
    """
    scheme, separator, rest = path.partition("://")
    if not separator or scheme == "file":
        return Path(rest if separator else path)
    from airflow_connect._compat import storage_path

    return storage_path(path, conn_id)


def place_of(path: Any, conn_id: str | None = None) -> Place:
    """
    Return the place that a path names.

    :param path: text, as in an XCom, a ``pathlib.Path`` or an ``ObjectStoragePath``
    :param conn_id: the Airflow connection to the object store, for a path that is text
    """
    return Place(folder_of(path, conn_id) if isinstance(path, str) else path)


def one_line(error: BaseException) -> str:
    """Return what went wrong with a file or a store, on one short line."""
    text = str(getattr(error, "strerror", None) or error)
    return f"{type(error).__name__}: {' '.join(text.split())[:300]}"


def damaged(path: str, line: int, what: str) -> LedgerError:
    """Return the error for a line that no writer of results wrote."""
    return LedgerError(
        f"{path}, line {line:,}, is no line of results ({what}). Move the file elsewhere if it is not of "
        "airflow-provider-amazon-connect; or bring it back from a backup if it is: what it knows prevents second "
        "contacts."
    )
