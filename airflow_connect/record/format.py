"""
The form of the record: which folders and files it has, and the lines in them. Writes and reads none of the lines.

::

    <results_path>/dag_id=…/run_id=…/task_id=…/map_index=…/     a task instance's folder
        <try>-<8 hex>-<number>.jsonl                             a segment: only its writer appends to it
        progress.json                                            how far the running attempt is
        faults.jsonl                                             what is wrong with rows, after a check that found some
    <results_path>/dag_id=…/run_id=…/task_id=…/
        file-<16 hex>.json                                       which map index writes a file that is the author's

A writer is one attempt of the task instance; a retry and a zombie have segments of their own. A segment is JSON Lines:
a header, then one line per event, of a :class:`Kind` or of the :class:`RowState` that a row came to. No line is ever
changed or deleted. A line that breaks off at the end of a segment is one whose writer was killed in the middle.

This module imports no Airflow and no store: paths bring theirs.
"""

from __future__ import annotations

import enum
import hashlib
import json
import re
from typing import Any, Final, NamedTuple, NoReturn, assert_never

from airflow_connect.api.errors import RecordError

__all__ = ["FORMAT", "Kind", "RowState", "Segment", "damaged", "parsed", "precedence", "run_folder"]

#: The version of the lines' form, which the header has.
FORMAT: Final = 2


class RowState(enum.StrEnum):
    """
    What became of a row, by the same name in the record, the results, XCom, the log, metrics and the asset's event.

    It is that of the task instance, over all its attempts. Each row of the input has exactly one. Their order is that
    of every report. The word is also the kind of the line that records it.
    """

    #: This task instance created the contact, in this attempt or an earlier one.
    CREATED = "created"
    #: Another task instance created the contact before, so that nothing was sent.
    ALREADY_CREATED = "already_created"
    #: The request was refused, or given up when it is certain that no contact was created.
    FAILED = "failed"
    #: The row was sent, or was about to be, and no answer is on record: a contact may have been created.
    UNKNOWN = "unknown"
    #: The row has faults, so that nothing was sent.
    INVALID = "invalid"
    #: An earlier row has the same key, so that nothing was sent.
    SKIPPED = "skipped"
    #: The task ended before the row was sent, or has not reached it yet: no contact was created.
    NOT_SENT = "not_sent"

    @property
    def words(self) -> str:
        """As a person reads it: ``already created``."""
        return self.value.replace("_", " ")

    @property
    def may_have_contact(self) -> bool:
        """Whether a contact exists for the row, or may exist."""
        return precedence(self) > 0


def precedence(state: RowState) -> int:
    """
    Return how much a state counts if attempts know different ones of a row: the greatest wins.

    Of those that count alike, the first attempt is right if a contact was or may have been created, and the latest if
    none was. :mod:`airflow_connect.record.results` puts them together.
    """
    match state:
        case RowState.CREATED:
            return 3
        case RowState.ALREADY_CREATED:
            return 2
        case RowState.UNKNOWN:
            return 1
        case RowState.FAILED | RowState.INVALID | RowState.SKIPPED | RowState.NOT_SENT:
            return 0
        case _:
            assert_never(state)


class Kind(enum.StrEnum):
    """What a line says that does not record a :class:`RowState`."""

    #: The first line of a segment: whose it is, and how many rows the input has.
    HEADER = "header"
    #: The row is about to be sent, with this key, client token and digest of its content.
    INTENT = "intent"
    #: The place of the record of rows whose contacts another task instance created. They are ``already_created``.
    FOUND = "found"
    #: The last line of an attempt that ended: how many rows of the input have which state, over all attempts.
    COUNTS = "counts"
    #: How the contact ended.
    ENDED = "ended"
    #: What the contact was transferred to, which has not ended as far as is known.
    TRANSFERRED = "transferred"


def run_folder(results_path: Any, *, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
    """
    Return the folder below ``results_path`` that holds what a task instance records, as the same kind of path.

    :param results_path: a ``pathlib.Path`` or an ``ObjectStoragePath``
    :param dag_id: the Dag
    :param run_id: the Dag run
    :param task_id: the task
    :param map_index: the index of a mapped task instance, -1 for a task that is not mapped
    """
    folder = results_path
    for name, value in {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}.items():
        folder = folder / f"{name}={_safe(value)}"
    return folder / f"map_index={map_index:d}"


def _safe(name: str) -> str:
    """
    Return a name that every store and file system takes, and that differs for each name.

    The digest is always there: a run ID may be one that another run ID would get with its digest, and a file system may
    take capital letters for small ones.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html (safe characters)
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", name)[:160]
    return f"{safe}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"


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


def parsed(text: bytes) -> Any:
    """
    Return what JSON says that writers of the record write.

    :param text: the JSON text, in UTF-8
    :raises ValueError: if it is not JSON, has a number that JSON does not have, or has one name twice in an object:
        parsers disagree on which of the two counts
    :raises RecursionError: if it is nested too deeply
    """
    found = _DECODER.decode(text.decode())
    # A name is followed by a colon, as a text may be that has a quotation mark. To count is faster than to look at the
    # names one by one, which is done only where there may be more of them than in the objects at the top.
    count = text.translate(None, b" \t\r\n").count(b'":')
    objects = found if isinstance(found, list) else [found]
    if set(map(type, objects)) != {dict} or count != sum(map(len, objects)):
        _STRICT_DECODER.decode(text.decode())
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"JSON does not have {constant}")


def _with_each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has one name twice")
    return found


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
_STRICT_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_with_each_name_once)


def damaged(path: str, line: int, what: str) -> RecordError:
    """Return the error for a line that is not as writers of the record write it."""
    return RecordError(
        f"The record is damaged: {path}, line {line:,}, {what}. Restore the file from a backup, since what it records "
        "prevents second contacts. Move it elsewhere if airflow-provider-amazon-connect did not write it."
    )
