"""
Read the record: what an attempt must know of earlier ones, and what became of each row.

Segments are read into a private temporary database of SQLite's, which is deleted with the process: memory does not grow
with the number of rows. Where attempts know different states of a row, one rule decides, for every reader
(``_BEST_FIRST``):

1. A contact that exists counts (``created``, then ``already_created``), whatever other attempts know; then what may
   exist (``unknown``), even if another attempt was refused; then the rest.
2. What the asking task instance itself recorded counts before what others recorded.
3. Of equals, the attempt that began first is right where a contact exists or may exist, and the attempt that began last
   where none does. Attempts are in the order of their try numbers, then of when they began; runs in the order in which
   they began.

This module does not know Airflow or a client.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import os
import posixpath
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from datetime import datetime
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, TypeVar

from airflow_connect.api.errors import RecordError
from airflow_connect.api.fields import describe
from airflow_connect.api.outcome import ALL_ATTRIBUTES
from airflow_connect.record.format import FORMAT, Kind, RowState, Segment, damaged, parsed, precedence
from airflow_connect.record.storage import Place, one_line, open_regular, place_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Self

__all__ = [
    "COLUMNS",
    "CreatedContact",
    "CreatedContacts",
    "History",
    "Known",
    "contacts",
    "count_results",
    "created_contacts",
    "export_results",
    "first_attempt",
    "has_ended",
    "last_attempt",
    "read_results",
    "results_folder",
]

#: The columns of :func:`read_results` in their order, with what Parquet calls their types.
COLUMNS: Final[Mapping[str, str]] = {
    "dag_id": "string",
    "run_id": "string",
    "task_id": "string",
    "map_index": "int32",
    "row": "int64",
    "key": "string",
    "client_token": "string",
    "state": "string",
    "contact_id": "string",
    "contact_arn": "string",
    "attempts": "int32",
    "error": "string",
    "message": "string",
    "outcome": "string",
    "disconnect_reason": "string",
    "agent_id": "string",
    "queue_id": "string",
    "initiated": "string",
    "connected_to_agent": "string",
    "ended": "string",
    "wait_seconds": "float64",
    "handle_seconds": "float64",
    "transferred_to": "string",
    "attributes": "map<string, string>",
}
#: Columns that a line of kind ``ended`` gives. Its ``state`` is the column ``outcome``: a row has a state of its own.
_OUTCOME: Final = tuple(itertools.dropwhile(lambda name: name != "outcome", COLUMNS))

#: Bytes of SQLite's cache, which bounds what a million rows need.
_CACHE_BYTES: Final = 4 << 20
#: Bytes that are read and put into the database at a time, and that a line has at most.
_BLOCK_BYTES: Final = 1 << 18
_LINE_BYTES: Final = 1 << 24
#: Rows that are written to or read from a file of Parquet at a time.
_ROWS_AT_ONCE: Final = 8_192
_ROWS_READ: Final = 512
#: Characters of attributes after which a row group of Parquet ends.
_BATCH_BYTES: Final = 8 << 20
#: Segments that are read from an object store at once: each is one request.
_AT_ONCE: Final = 16

_Parameters = tuple[Any, ...]
_T = TypeVar("_T")

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE run (
    run INTEGER PRIMARY KEY, rows INTEGER, dag_id TEXT, run_id TEXT, task_id TEXT, map_index INTEGER
);
-- The later an attempt began, the higher its position.
CREATE TABLE writer (writer INTEGER PRIMARY KEY, run INTEGER, position INTEGER, own INTEGER);
CREATE TABLE record (
    writer INTEGER, row INTEGER, state INTEGER, at TEXT, token TEXT, key TEXT, content TEXT,
    contact_id TEXT, contact_arn TEXT, attempts INTEGER, error TEXT, message TEXT,
    -- How often the row was announced, less how often a result of that is recorded.
    open INTEGER,
    PRIMARY KEY (writer, row)
) WITHOUT ROWID;
CREATE TABLE ended (contact_id TEXT PRIMARY KEY, asked INTEGER, at TEXT, outcome TEXT) WITHOUT ROWID;
CREATE TABLE transferred (contact_id TEXT, at TEXT, transferred_to TEXT, called_for TEXT, token TEXT);
"""


class Known(NamedTuple):
    """
    What is known of a client token.

    :param state: ``created`` if the asking task instance created the contact, ``already_created`` if another did
    :param content: the digest of the content that it was sent with, ``None`` if nothing was sent
    :param contact_id: the contact, if one exists
    :param contact_arn: the contact's ARN, if it is on record
    :param attempts: how often it was sent, as far as is known
    :param error: the class of the error that ended the last attempt, if one did
    :param message: its words
    :param own: whether the asking task instance recorded it
    :param recorded_row: the number of the row for which the asking task instance has recorded this already
    :param recorded_in: folder and writer of another task instance's record of the contact, and the row's number there
    """

    state: RowState
    content: str | None = None
    contact_id: str | None = None
    contact_arn: str | None = None
    attempts: int = 0
    error: str | None = None
    message: str | None = None
    own: bool = False
    recorded_row: int | None = None
    recorded_in: tuple[str, str, int] | None = None


class History:
    """
    What is on record below a path, at the moment of the call. A context manager.

    :param path: a ``results_path`` or a task instance's folder, ``pathlib.Path`` or ``ObjectStoragePath``; a path
        that does not exist has no records
    :param asked_by: ``dag_id``, ``run_id``, ``task_id`` and ``map_index`` of the task instance that asks
    :param called: the ``region``, ``instance_id`` and ``operation`` that it calls
    :param apart_from: the name of a writer whose segments are left out: an attempt opens its ledger first, so that one
        that it replaces finds it and sends nothing more, and then reads what is on record
    :raises RecordError: if a segment is damaged, or cannot be read
    """

    def __init__(
        self,
        path: Any,
        *,
        asked_by: Mapping[str, Any] | None = None,
        called: Mapping[str, Any] | None = None,
        apart_from: str | None = None,
    ) -> None:
        self._place = Place(path)
        self._records = _Records(self._place, asked_by=asked_by, apart_from=apart_from)
        self._headers = dict(self._records.writers.values())
        self._names = {writer: place for place, (writer, _) in self._records.writers.items()}
        own = self._records.database.execute("SELECT writer FROM writer WHERE own")
        #: The writers of the asking task instance.
        self._own = [writer for (writer,) in own]
        self._own_rows = self._begin_own_rows()
        self._is_by_token = False
        #: The writers that called the same instance in another Region, or another operation of it.
        self._otherwise = [
            writer
            for writer, header in self._headers.items()
            if called and header.get("instance_id") == called["instance_id"] and not called.items() <= header.items()
        ]
        if self._otherwise:
            self._records.database.execute("CREATE INDEX by_key ON record (key)")

    @property
    def is_empty(self) -> bool:
        """Whether no attempt is on record."""
        return not self._headers

    @property
    def has_own(self) -> bool:
        """Whether an attempt of the asking task instance is on record."""
        return bool(self._own)

    def own_states(self) -> dict[RowState, int]:
        """Return how many contacts that exist or may exist the asking task instance has on record, by state."""
        query = self._records.database.execute
        found = query(_STATES_OF_WRITERS).fetchall()
        if len({writer for writer, _, _ in found}) > 1:
            return {_STATES[code]: count for code, count in query(_OWN_STATES)}
        # One attempt has no token twice.
        return {_STATES[code]: count for _, code, count in found}

    def get(self, token: str, *, own: bool = False) -> Known | None:
        """
        Return what is known of a client token, ``None`` if it is not on record.

        :param token: the client token
        :param own: whether to return only what the asking task instance itself recorded
        """
        if not self._headers:
            return None
        query = self._by_token()
        found = query(_KNOWN, (token, own)).fetchall()
        if not found:
            return None
        if len(found) > 1:
            found = query(_BEST_KNOWN, (token, own)).fetchall()
        [(code, content, contact_id, contact_arn, attempts, error, message, is_own, writer, of_row, row)] = found
        state = _STATES[code]
        if state is RowState.CREATED and not is_own:
            state = RowState.ALREADY_CREATED
        is_recorded = is_own and (latest := self._latest(row)) is not None and latest[1] == token
        return Known(
            state,
            content,
            contact_id,
            contact_arn,
            attempts or 0,
            error,
            message,
            bool(is_own),
            recorded_row=row if is_recorded else None,
            recorded_in=None if is_own or code < _EXISTS else (*self._names[writer], of_row),
        )

    def state_of_done(self, row: int, token: str, content: str) -> RowState | None:
        """
        Return the state of a row whose contact the asking task instance alone has on record, as it is in the input now.

        ``None`` where that takes more than a look: then :meth:`get` finds out. Rows that are asked for in their order
        take one pass through the record.

        :param row: the row's number
        :param token: its client token
        :param content: the digest of its content
        """
        if row <= self._own_rows.passed:
            self._own_rows = self._begin_own_rows()
        found = self._own_rows.of(row)
        if len(found) != 1:
            return None
        _, code, of_token, of_content, _ = found[0]
        return _STATES[code] if code >= _EXISTS and (of_token, of_content) == (token, content) else None

    def _begin_own_rows(self) -> _InOrder:
        """Return what the asking task instance has on record of each row, to be read in the order of the rows."""

        def of_writer(writer: int) -> Iterator[_Parameters]:
            row = 0
            while found := self._records.database.execute(_OWN_ROWS, (writer, row, _ROWS_AT_ONCE)).fetchall():
                yield from found
                row = found[-1][0]

        return _InOrder(heapq.merge(*map(of_writer, self._own), key=itemgetter(0)))

    def has_recorded(self, row: int, state: RowState, key: str | None, message: str) -> bool:
        """
        Return whether the asking task instance has recorded this of a row that is not sent, and nothing else since.

        :param row: the row's number
        :param state: its state
        :param key: its key
        :param message: why it is not sent
        """
        return self._latest(row) == (_CODES[state], None, key, message)

    def has_state_without_contact(self, row: int) -> bool:
        """
        Return whether the last attempt of the task instance that names a row gave it a state, and no client token.

        :param row: the row's number
        """
        latest = self._latest(row)
        return latest is not None and latest[1] is None

    def _latest(self, row: int) -> _Parameters | None:
        """Return what the last attempt of the asking task instance that names a row says of it."""
        if not self._own:
            return None
        query = _LATEST_OF_ROW % ",".join(map(str, self._own))
        found: _Parameters | None = self._records.database.execute(query, (row,)).fetchone()
        return found

    def who_else(self, token: str) -> Mapping[str, Any] | None:
        """
        Return the header of the first record, of another task instance, of a contact that exists or may exist.

        :param token: the contact's client token
        """
        for (writer,) in self._by_token()(_WHO_ELSE, (token,)):
            return self._headers[writer]
        return None

    def called_otherwise(self, key: str | None) -> tuple[Mapping[str, Any], bool] | None:
        """
        Return the header of a record in which a key has, or may have, a contact of another operation or Region.

        :param key: the key; ``None`` was never used
        :return: the header, and whether the contact is known to exist; ``None`` if the record does not exist
        """
        if not self._otherwise or key is None:
            return None
        found = self._records.database.execute(_OF_KEY % ",".join(map(str, self._otherwise)), (key,))
        return next(((self._headers[writer], state >= _EXISTS) for writer, state in found), None)

    def count_missing(self, rows: Callable[[], Iterable[tuple[int, str | None, str]]], *, with_key: bool) -> int:
        """
        Return how many contacts the asking task instance has, or may have, whose client tokens are not among these.

        A row that has a key is known by its key: where the input has keys, only contacts without one are counted.

        :param rows: returns number, key and client token of all rows of the input, each token once, in the order of
            the rows; called only if the task instance has such contacts
        :param with_key: whether the input has keys
        """
        if self._are_in_place(rows, with_key=with_key):
            return 0
        query = self._by_token()
        [(contacts,)] = query(_COUNT_OWN, (not with_key,))
        return int(contacts) - sum(
            query(_IS_OWN, (token, not with_key)).fetchone() is not None for _, _, token in rows()
        )

    def _are_in_place(self, rows: Callable[[], Iterable[tuple[int, str | None, str]]], *, with_key: bool) -> bool:
        """Return whether each such contact is on record of the row that has its token, as where nothing was moved."""
        counted = (
            (row, token)
            for row, code, token, _, key in self._begin_own_rows()
            if token is not None and code >= _MAY_EXIST and (key is None or not with_key)
        )
        number, expected = 0, ""
        given: Iterator[tuple[int, str | None, str]] | None = None
        for row, token in counted:
            given = iter(rows()) if given is None else given
            while number < row:
                number, _, expected = next(given, (_ROWS, None, ""))
            if number != row or expected != token:
                return False
        return True

    def _by_token(self) -> Callable[..., sqlite3.Cursor]:
        """
        Return what runs a query that finds records by their tokens, which a run that is over does not need.

        :raises RecordError: if the folder for temporary files is full
        """
        if not self._is_by_token:
            try:
                self._records.database.execute("CREATE INDEX by_token ON record (token)")
            except Exception as error:  # sqlite3 is imported where it is used
                raise _unreadable(self._place, error) from error
            self._is_by_token = True
        return self._records.database.execute

    def close(self) -> None:
        """Delete the temporary database."""
        self._records.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def first_attempt(folder: Any) -> float | None:
    """
    Return when the first attempt of a task instance began (seconds since 1970), ``None`` if none is on record.

    :param folder: the task instance's folder, ``pathlib.Path`` or ``ObjectStoragePath``
    """
    # The reader of the whole record raises for what is damaged or cannot be read.
    place = Place(folder)
    began: list[float] = []
    paths: list[str] = []
    with suppress(Exception):  # a store's errors are of its own kinds
        paths = place.find()
    for segment in filter(None, map(Segment.at, paths)):
        if segment.number > 1:
            continue
        with suppress(Exception):
            began.append(datetime.fromisoformat(json.loads(place.first_line(segment.path))["started"]).timestamp())
    return min(began, default=None)


def last_attempt(folder: Any) -> int:
    """
    Return the number of the last attempt of a task instance that is on record, 0 if none is.

    :param folder: the task instance's folder, ``pathlib.Path`` or ``ObjectStoragePath``
    """
    return max((int(segment.writer.partition("-")[0]) for segment in _segments(Place(folder))), default=0)


def read_results(
    path: Any, *, conn_id: str | None = None, states: Collection[str] | None = None
) -> Iterator[dict[str, Any]]:
    """
    Yield the state, contact and outcome of each row, over all attempts: run by run, in the order of the rows.

    All columns of :data:`COLUMNS` are always there, ``None`` where nothing is known. ``state`` is one of

    - ``created``: the task instance created the contact, in this attempt or an earlier one
    - ``already_created``: another task instance created it before
    - ``failed``: no contact was created; ``error`` and ``message`` say why
    - ``unknown``: the row was sent, or was about to be, and no answer is on record: a contact may have been created
    - ``invalid``: the row has faults, which are in ``message``; nothing was sent
    - ``skipped``: an earlier row has the same key; nothing was sent
    - ``not_sent``: the task ended before the row was sent, or has not reached it yet

    The columns from ``outcome`` on have values once a sensor has seen the contact's end; ``attributes`` has those that
    it was to keep. Memory does not grow with the number of rows.

    The first rows of a long record of one attempt come before the rest of it is read. Damage in the rest is
    reported after them.

    :param path: ``results`` of the XCom that the operator returns, that XCom itself, or the list of them that a mapped
        task returns; a ``results_path`` above several runs; or a file that :func:`export_results` wrote. Text,
        ``pathlib.Path`` or ``ObjectStoragePath``
    :param conn_id: the Airflow connection to the object store, for a path that is text
    :param states: yield only the rows of these states (default: all)
    :raises ValueError: if a state does not exist
    :raises RecordError: if the results do not exist, or are damaged
    """
    if states is not None and (unknown := sorted(set(states) - set(RowState))):
        raise ValueError(f"states must be {', '.join(RowState)}, not {', '.join(unknown)}.")
    rows = itertools.chain.from_iterable(_each(_rows, _places(path, conn_id)))
    return rows if states is None else (row for row in rows if row["state"] in states)


def count_results(path: Any, *, conn_id: str | None = None) -> dict[str, int]:
    """
    Return how many rows there are, and how many of them have each state of :func:`read_results`.

    An attempt that ends records its counts. The whole record is read only where the last attempt was killed, or runs.

    :param path: as for :func:`read_results`
    :param conn_id: as for :func:`read_results`
    :return: ``{"rows": …, "created": …, "already_created": …, "failed": …, "unknown": …, "invalid": …, "skipped": …,
        "not_sent": …}``
    :raises RecordError: if the results do not exist, or are damaged
    """
    counts: Counter[str] = Counter()
    for place in _places(path, conn_id):
        recorded = None if _is_export(place) else _recorded_counts(place)
        counts.update(Counter(row["state"] for row in _rows(place)) if recorded is None else recorded)
    return {"rows": counts.total(), **{state.value: counts[state.value] for state in RowState}}


def has_ended(path: Any, *, conn_id: str | None = None) -> bool:
    """
    Return whether the last attempt of each task has recorded its end; one that was killed never does.

    :param path: as for :func:`read_results`
    :param conn_id: as for :func:`read_results`
    """
    return all(_is_export(place) or _recorded_counts(place) is not None for place in _places(path, conn_id))


def contacts(path: Any, *, conn_id: str | None = None) -> Iterator[str]:
    """
    Yield the IDs of the contacts that were created, or had been created before, each once, in the order of the rows.

    :param path: as for :func:`read_results`
    :param conn_id: as for :func:`read_results`
    :raises RecordError: if the results do not exist, or are damaged
    """
    places = _places(path, conn_id)
    found = itertools.chain.from_iterable(_each(_contacts, places))
    return found if len(places) == 1 else _once(found)


class CreatedContact(NamedTuple):
    """
    A contact of a run.

    :param contact_id: the contact
    :param state: ``created``, or ``already_created`` if another task instance had created it; such a contact may have
        ended long ago
    :param outcome: what became of it, as :meth:`airflow_connect.api.outcome.Outcome.as_dict` returned it; ``None`` if
        it is not on record
    :param transferred_to: the contact that it was transferred to; ``None`` if no transfer is on record
    """

    contact_id: str
    state: RowState
    outcome: dict[str, Any] | None
    transferred_to: str | None = None


class CreatedContacts(NamedTuple):
    """
    The contacts of a run.

    :param header: of the first segment
    :param contacts: each contact once with what became of it, in the order of the rows
    :param unknown: the numbers of the rows with an unknown result: each may have a contact that is not on record
    :param transfers: of each contact that tasks transferred: what each of them called for, and with which client token
    """

    header: dict[str, Any]
    contacts: Iterator[CreatedContact]
    unknown: Sequence[int]
    transfers: Mapping[str, Sequence[tuple[str, str]]]


def created_contacts(path: Any, *, conn_id: str | None = None) -> CreatedContacts:
    """
    Return the contacts of a run, and the rows of which it is not known whether they have one.

    :param path: a task instance's folder or a ``results_path``, as for :func:`read_results`, but no exported file
    :param conn_id: as for :func:`read_results`
    :raises RecordError: if the results do not exist, or are damaged
    """
    place = place_of(*results_folder(path, conn_id))
    if _is_export(place):
        raise RecordError(f"{place} was exported: nothing can be recorded in it. Give the folder of a run's results.")
    records = _existing(place)
    headers = sorted((header for _, header in records.writers.values()), key=lambda header: str(header.get("started")))
    return CreatedContacts(headers[0], records.created(), records.unknown(), records.transfers())


def export_results(
    path: Any,
    target: Any,
    *,
    conn_id: str | None = None,
    target_conn_id: str | None = None,
    states: Collection[str] | None = None,
) -> int:
    """
    Write what :func:`read_results` yields to a file, and return the number of rows.

    The file appears when it is complete.

    :param path: as for :func:`read_results`
    :param target: ``….jsonl``, ``….jsonl.gz`` or ``….parquet`` (extra ``parquet``); text, ``pathlib.Path`` or
        ``ObjectStoragePath``
    :param conn_id: the Airflow connection to the object store of ``path``
    :param target_conn_id: the Airflow connection to the object store of ``target``
    :param states: write only the rows of these states (default: all)
    :raises RecordError: if the results do not exist or are damaged, or the target cannot be written
    """
    place = place_of(target, target_conn_id)
    if not _is_export(place):
        raise RecordError(f"Results are exported to files that end in {', '.join(_EXPORTS)}; {place} does not.")
    rows = read_results(path, conn_id=conn_id, states=states)
    write = _write_parquet if str(place).endswith(".parquet") else _write_lines
    try:
        with place.writing() as file:
            return write(rows, file, str(place))
    except RecordError:
        raise
    except Exception as error:  # a store's errors are of its own kinds
        raise RecordError(f"The results cannot be written to {place} ({one_line(error)}).") from error


# --- Exported files -----------------------------------------------------------------------------------------------

_EXPORTS: Final = (".jsonl", ".jsonl.gz", ".parquet")


def _is_export(place: Place) -> bool:
    return str(place).endswith(_EXPORTS)


def _write_lines(rows: Iterable[Mapping[str, Any]], file: BinaryIO, name: str) -> int:
    import gzip

    count = 0
    with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if name.endswith(".gz") else nullcontext(file) as lines:
        for count, row in enumerate(rows, 1):  # noqa: B007
            lines.write(f"{json.dumps(row, ensure_ascii=False)}\n".encode())
    return count


def _write_parquet(rows: Iterable[Mapping[str, Any]], file: BinaryIO, _name: str) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise RecordError(
            "Parquet needs pyarrow: install airflow-provider-amazon-connect[parquet], or name a .jsonl file."
        ) from error

    text = pa.string()
    schema = pa.schema(
        [
            (name, pa.map_(text, text) if kind.startswith("map") else getattr(pa, kind)())
            for name, kind in COLUMNS.items()
        ]
    )
    count = 0
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(rows):
            writer.write_table(pa.Table.from_pydict({name: [row[name] for row in batch] for name in COLUMNS}, schema))
            count += len(batch)
    return count


def _batches(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield rows in batches of many rows, or of fewer with many attributes: a row may have 32 KiB of them."""
    batch: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        if attributes := row["attributes"]:
            size += sum(map(len, attributes)) + sum(map(len, attributes.values()))
        if len(batch) == _ROWS_AT_ONCE or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _exported(place: Place) -> Iterator[dict[str, Any]]:
    import gzip

    if str(place).endswith(".parquet"):
        from pyarrow import parquet

        with place.fs.open(place.path, "rb") as file:
            # Without a buffer, a column of a whole row group is read at once.
            table = parquet.ParquetFile(file, buffer_size=_BLOCK_BYTES, pre_buffer=False)
            for batch in table.iter_batches(_ROWS_READ):
                for row in batch.to_pylist():
                    attributes = row["attributes"]
                    yield row | {"attributes": attributes if attributes is None else dict(attributes)}
        return
    with place.fs.open(place.path, "rb") as file:
        lines = gzip.GzipFile(fileobj=file) if str(place).endswith(".gz") else file
        for number, line in enumerate(lines, 1):
            try:
                row = dict.fromkeys(COLUMNS) | parsed(line)
                _number(row, _ROWS)
                if RowState(row["state"]) in _WITH_CONTACT:
                    _identifier(row, "contact_id")
            except (ValueError, TypeError, RecursionError):
                raise RecordError(
                    f"{place}, line {number:,}, is not a line of exported results. Export them again."
                ) from None
            yield row


# --- Segments -----------------------------------------------------------------------------------------------------


def results_folder(given: Any, conn_id: str | None = None) -> tuple[Any, str | None]:
    """
    Return the folder of results, and the connection to its object store.

    Of a mapped task it is the folder that has those of all its task instances.

    :param given: what a bulk operator or a sensor returned, the list of this that a mapped task returns, or a folder
    :param conn_id: the connection, if the author gives one
    :raises RecordError: if it is something else, or the summary of a dry run
    """
    if not _is_list(given):
        return _folder(given, conn_id)
    folders = [_folder(item, conn_id) for item in given]
    if len(folders) == 1:
        return folders[0]
    above = {(str(folder).rpartition("/map_index=")[0], conn_id) for folder, conn_id in folders}
    if len(above) != 1 or not all(parent for parent, _ in above):
        raise RecordError("The results are not those of one mapped task. Give the output of one task.")
    [found] = above
    return found


def _folder(given: Any, conn_id: str | None) -> tuple[Any, str | None]:
    if not isinstance(given, Mapping):
        if given is None or not str(given):
            raise RecordError(
                "Results cannot be read: the task returned nothing. A task that failed has its summary in its XCom "
                "'summary'; a task that was skipped does not have one."
            )
        if not isinstance(given, str | os.PathLike) and not hasattr(given, "fs"):
            raise RecordError(
                f"Results cannot be read from {describe(given)}: it is neither a summary nor a path. Give the output "
                "of a BulkCreateContactsOperator, the list of them that a mapped task returns, or the folder of its "
                "results."
            )
        return given, conn_id
    if not given.get("results"):
        if "estimated_seconds" in given:
            raise RecordError(
                "Results cannot be read: this is the summary of a dry run, which sends nothing. Run the task without "
                "dry_run."
            )
        raise RecordError(
            "Results cannot be read: this is not the summary of a bulk task, which has their folder as 'results'. Give "
            "the output of a BulkCreateContactsOperator, or the folder of its results."
        )
    return given["results"], conn_id or given.get("results_conn_id")


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes)


def _places(path: Any, conn_id: str | None) -> list[Place]:
    """Return the folders or files of results, in their order."""
    if not _is_list(path):
        return [place_of(*_folder(path, conn_id))]
    places = [place_of(*_folder(item, conn_id)) for item in path]
    if not places:
        raise RecordError(
            "Results cannot be read: the list of summaries is empty, since the mapped task did not have an instance."
        )
    return places


def _each(read: Callable[[Place], Iterator[_T]], places: list[Place]) -> Iterator[Iterator[_T]]:
    """Yield what is read from each place; the first is read at once, and raises at once."""
    return itertools.chain([read(places[0])], map(read, places[1:]))


def _rows(place: Place) -> Iterator[dict[str, Any]]:
    if _is_export(place):
        if place.is_local and not Path(place.path).exists():
            raise _missing(place)
        return _exported(place)
    if head := _head(place):
        return itertools.chain(head, _after(place, len(head)))
    return _existing(place).rows()


def _contacts(place: Place) -> Iterator[str]:
    if _is_export(place):
        return (row["contact_id"] for row in _exported(place) if row["contact_id"] is not None)
    return _existing(place).contacts()


def _once(contact_ids: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for contact_id in contact_ids:
        if contact_id not in seen:
            seen.add(contact_id)
            yield contact_id


def _head(place: Place) -> list[dict[str, Any]]:
    """
    Return the first rows of a long record of one attempt, as far as nothing that follows can change them.

    A contact that is created stays so. With several attempts, or the outcomes that a sensor saw, any line may count.
    """
    segments = _segments(place)
    if len({(segment.folder, segment.writer) for segment in segments}) != 1:
        return []
    # In an object store the first segment has little more than a header.
    is_long = Path(segments[0].path).stat().st_size > _BLOCK_BYTES if place.is_local else len(segments) > 2
    if not is_long:
        return []
    first = _Records(place, only=segments[:2]).rows()
    with closing(first):  # type: ignore[type-var]  # a generator
        head = list(itertools.takewhile(lambda row: row["state"] == RowState.CREATED, first))
    return head if [row["row"] for row in head] == list(range(1, len(head) + 1)) else []


def _after(place: Place, row: int) -> Iterator[dict[str, Any]]:
    """Yield the rows after a number, once the whole record is read."""
    yield from (one for one in _existing(place).rows() if one["row"] > row)


def _recorded_counts(place: Place) -> Counter[str] | None:
    """Return the counts that the last attempts below a place recorded when they ended, ``None`` if one did not."""
    last: dict[str, Segment] = {}
    attempts: dict[str, set[str]] = {}
    segments = _segments(place)
    for segment in segments:
        attempt = int(segment.writer.partition("-")[0])
        before = last.get(segment.folder)
        latest = -1 if before is None else int(before.writer.partition("-")[0])
        if attempt > latest:
            attempts[segment.folder] = set()
        if attempt >= latest:
            attempts[segment.folder].add(segment.writer)
            last[segment.folder] = segment
    if not last or any(len(writers) > 1 for writers in attempts.values()):
        return None
    counts: Counter[str] = Counter()
    for segment in last.values():
        if not _began_last(place, segment, segments):
            return None
        line = place.last_line(segment.path)
        try:
            event = json.loads(line)
            if event["kind"] != Kind.COUNTS:
                return None
            counts.update({state.value: int(event[state.value]) for state in RowState})
        except (ValueError, KeyError, TypeError, RecursionError):
            return None  # the reader of the whole record raises
    return counts


def _began_last(place: Place, last: Segment, segments: Iterable[Segment]) -> bool:
    """Return whether an attempt began after all others: numbers begin anew if Airflow creates a deleted run again."""
    began: dict[str, str] = {}
    for segment in segments:
        if segment.folder == last.folder and segment.writer not in began:
            with suppress(Exception):  # the reader of the whole record raises
                header = json.loads(place.first_line(segment.path))
                if int(segment.writer.partition("-")[0]):  # a sensor counts nothing
                    began[segment.writer] = header["started"]
    return began.get(last.writer) == max(began.values(), default=None)


def _segments(place: Place) -> list[Segment]:
    """Return the segments below a place, in order; none if they cannot be listed, for which reading them raises."""
    with suppress(Exception):  # a store's errors are of its own kinds
        return sorted(filter(None, map(Segment.at, place.find())))
    return []


def _existing(place: Place) -> _Records:
    records = _Records(place)
    if records.writers:
        return records
    records.close()
    raise _missing(place)


def _unreadable(place: Place, error: Exception) -> RecordError:
    return RecordError(
        f"The results below {place} cannot be read ({one_line(error)}). The task's retry reads them again. If access "
        "is denied, give it. If the folder for temporary files is full, make room."
    )


def _missing(place: Place) -> RecordError:
    if place.is_local and not Path(place.path).exists():
        return RecordError(
            f"Results do not exist below {place} on this worker. If another worker wrote them on its own disk, let the "
            "tasks share them: set results_path to a bucket or to a folder that all workers have."
        )
    return RecordError(f"Results do not exist below {place}. Check the path, and its connection (conn_id).")


class _InOrder:
    """
    Records in the order of their rows.

    :param records: those, each beginning with the number of its row
    """

    def __init__(self, records: Iterator[_Parameters]) -> None:
        self._records = records
        self._next: _Parameters | None = next(records, None)
        #: The number of the row that was asked for last.
        self.passed = 0

    def __iter__(self) -> Iterator[_Parameters]:
        if self._next is not None:
            yield self._next
        yield from self._records

    def of(self, row: int) -> list[_Parameters]:
        """Return those of a row; each time of a later one."""
        self.passed = row
        found = []
        record = self._next
        while record is not None and record[0] <= row:
            if record[0] == row:
                found.append(record)
            record = next(self._records, None)
        self._next = record
        return found


class _Records:
    """
    The lines of all segments below a place, in a database.

    :param place: a ``results_path`` or a task instance's folder
    :param asked_by: whose records are the asking task instance's own (default: all)
    :param only: read the first block of these segments alone
    :param apart_from: the name of a writer whose segments are left out
    :raises RecordError: if a segment is damaged, or cannot be read
    """

    def __init__(
        self,
        place: Place,
        *,
        asked_by: Mapping[str, Any] | None = None,
        only: list[Segment] | None = None,
        apart_from: str | None = None,
    ) -> None:
        import sqlite3

        self.database: sqlite3.Connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.database.executescript(_SCHEMA)
        self.database.execute(f"PRAGMA cache_size = {-_CACHE_BYTES // 1024}")
        self._place = place
        self._asked_by = (asked_by or {}).items()
        #: By folder and name: number, and header.
        self.writers: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        #: The same of those that are not below the place, and that others refer to.
        self._outside: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
        self._found: list[_Found] = []
        #: The segments that are there of a writer, by folder and name.
        self._numbers: dict[tuple[str, str], set[int]] = {}
        try:
            self._read_all(only, apart_from)
        except RecordError:
            self.close()
            raise
        except Exception as error:  # a store's errors are of its own kinds
            self.close()
            raise _unreadable(place, error) from error

    def close(self) -> None:
        self.database.close()

    def _read_all(self, only: list[Segment] | None, apart_from: str | None) -> None:
        found = filter(None, map(Segment.at, self._place.find())) if only is None else only
        segments = sorted(segment for segment in found if segment.writer != apart_from)
        self.database.execute("BEGIN")
        for segment, blocks in self._contents(segments):
            self._read(segment, blocks if only is None else itertools.islice(blocks, 1))
        # What others refer to, those whom they refer to have.
        headers = dict(self.writers.values())
        self._resolve(found for found in self._found if self._asked_by <= headers[found.writer].items())
        self.database.execute(_LEAVE_OPEN)
        self._order()
        self.database.execute("COMMIT")

    def _contents(self, segments: list[Segment]) -> Iterator[tuple[Segment, Iterable[bytes]]]:
        if self._place.is_local:
            for segment in segments:
                with open_regular(segment.path) as file:
                    yield segment, iter(partial(file.read, _BLOCK_BYTES), b"")
            return
        for start in range(0, len(segments), _AT_ONCE):
            at_once = segments[start : start + _AT_ONCE]
            # Not cat(), for which a path with a bracket in it is a pattern.
            starts: list[int | None] = [None] * len(at_once)
            found = self._place.fs.cat_ranges([segment.path for segment in at_once], starts, starts)
            for segment, content in zip(at_once, found, strict=True):
                if isinstance(content, Exception):
                    raise content
                yield segment, [content]

    def _read(self, segment: Segment, blocks: Iterable[bytes], *, is_outside: bool = False, start: int = 1) -> None:
        """
        Read a segment. What is outside the place is read for those who refer to it, and does not count by itself.

        :param start: the number of the first line in the blocks, of a segment whose lines before were read already
        """
        writer = None if start == 1 else self.writers[segment.folder, segment.writer][0]
        self._numbers.setdefault((segment.folder, segment.writer), set()).add(segment.number)
        for number, events in _events(segment.path, blocks, start):
            first_line = number
            if writer is None:
                writer = self._writer(segment, events.pop(0), is_outside=is_outside)
                first_line += 1
            # An outcome mostly stands in the block of its intent: one statement for both.
            rows = self._rows_of_input(segment)
            intents: dict[int, _Parameters] = {}
            records: list[_Parameters] = []
            ended: list[_Parameters] = []
            transferred: list[_Parameters] = []
            for line, event in enumerate(events, first_line):
                try:
                    kind = event["kind"]
                    if kind == "intent":
                        row = _number(event, rows)
                        if row in intents:
                            records.append(_intended(writer, row, intents[row]))
                        intents[row] = (_text(event, "token"), event["key"], event["content"])
                        _texts(event, ("key", "content"))
                    elif kind in _CODES:
                        records.append(_settled(writer, event, intents, rows))
                    elif kind == "ended":
                        if not is_outside:
                            ended.append(self._ending(event))
                    elif kind == "found":
                        if not is_outside:
                            self._found.append(_Found(segment, line, writer, *_reference(segment, event, rows)))
                    elif kind == Kind.TRANSFERRED:
                        if not is_outside:
                            ids = (_identifier(event, "contact_id"), _text(event, "at"))
                            to = _identifier(event, "transferred_to")
                            transferred.append((*ids, to, *_texts(event, ("called_for", "token"))))
                    elif kind != "counts":
                        raise ValueError("has an unknown kind")  # noqa: TRY301
                except KeyError as error:
                    raise damaged(segment.path, line, f"does not have the field {error.args[0]}") from None
                except ValueError as error:
                    raise damaged(segment.path, line, str(error)) from None
                except (TypeError, AttributeError):
                    raise damaged(segment.path, line, "is not a JSON object as results have it") from None
            records += [_intended(writer, row, intent) for row, intent in intents.items()]
            try:
                self.database.executemany(_RECORD, records)
            except UnicodeEncodeError:  # half of a character in a key, which JSON can have and the database cannot
                self.database.executemany(_RECORD, [tuple(map(_storable, record)) for record in records])
            self.database.executemany(_ENDED, ended)
            self.database.executemany("INSERT INTO transferred VALUES (?, ?, ?, ?, ?)", transferred)

    def _rows_of_input(self, segment: Segment) -> int:
        """Return how many rows the input of a segment's writer has, more than any has if its header does not say."""
        place = segment.folder, segment.writer
        _, header = self.writers.get(place) or self._outside[place]
        count: int | None = header.get("rows")
        return _ROWS if count is None else min(count, _ROWS)

    @staticmethod
    def _ending(event: Any) -> _Parameters:
        """Return what an event says about a contact's end."""
        return _ending(event)

    def _writer(self, segment: Segment, header: Any, *, is_outside: bool) -> int:
        if not isinstance(header, dict) or header.get("kind") != Kind.HEADER:
            raise damaged(segment.path, 1, "is not a header")
        if header.get("format") != FORMAT:
            raise RecordError(
                f"{segment.path} has format {header.get('format')}, and this version of airflow-provider-amazon-"
                f"connect reads format {FORMAT}. Install the version that wrote the file."
            )
        for name, kind in _HEADER.items():
            if type(header.get(name)) not in kind:
                raise damaged(segment.path, 1, f"has {name} of another type")
        if (header.get("rows") or 0) < 0:
            raise damaged(segment.path, 1, "has a negative number of rows")
        number = len(self.writers) + len(self._outside)
        writers = self._outside if is_outside else self.writers
        return writers.setdefault((segment.folder, segment.writer), (number, header))[0]

    def _resolve(self, found: Iterable[_Found]) -> None:
        """
        Put the contacts that other task instances created into the records of those that refer to them.

        If that record or a part of it is gone, the row keeps its state, and the contact is not known any more.
        """
        query = self.database.execute
        for reference in found:
            target = self._target(reference.folder, reference.name)
            numbers = self._numbers.get((reference.folder, reference.name), set())
            is_whole = len(numbers) == max(numbers, default=-1)
            for row, first, count in reference.rows:
                of_target = (target, first, first + count - 1)
                there = {number for (number,) in query(_FOUND_ROWS, of_target)}
                if len(there) != count:
                    if is_whole:
                        raise damaged(reference.segment.path, reference.line, "refers to rows that are not on record")
                    message = f"The contact was on record in {reference.folder}, and that record is gone."
                    gone = (_CODES[RowState.ALREADY_CREATED], reference.at, *(None,) * 5, 0, None, message, 0)
                    missing = (number for number in range(first, first + count) if number not in there)
                    records = ((reference.writer, row - first + number, *gone) for number in missing)
                    self.database.executemany(_RECORD, records)
                query(_COPY_FOUND, (reference.writer, row - first, reference.at, *of_target))

    def _target(self, folder: str, name: str) -> int | None:
        """Return the number of a writer that is referred to, which is read if it is not in the place."""
        target = self.writers.get((folder, name)) or self._outside.get((folder, name))
        if target is None:
            segments = filter(None, map(Segment.at, self._place.beside(folder).find()))
            own = sorted(segment for segment in segments if (segment.folder, segment.writer) == (folder, name))
            for segment, blocks in self._contents(own):
                self._read(segment, blocks, is_outside=True)
            target = self._outside.get((folder, name))
        return None if target is None else target[0]

    def _order(self) -> None:
        """Put runs in the order in which they began, and attempts in theirs."""
        by_folder: dict[str, list[tuple[int, str, int, dict[str, Any]]]] = {}
        for (folder, name), (writer, header) in self.writers.items():
            attempt = int(name.partition("-")[0])
            by_folder.setdefault(folder, []).append((attempt, str(header.get("started")), writer, header))
        runs = sorted(by_folder.values(), key=lambda attempts: min(started for _, started, _, _ in attempts))
        positions = itertools.count()
        for run, attempts in enumerate(runs):
            attempts.sort(key=lambda attempt: attempt[:3])
            header = attempts[0][-1]
            of_run = [header.get(name) for name in _RUN]
            counted = [count for *_, header in attempts if isinstance(count := header.get("rows"), int)]
            self.database.execute(
                "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?)", (run, counted[-1:][0] if counted else 0, *of_run)
            )
            for _, _, writer, header in attempts:
                own = self._asked_by <= header.items()
                self.database.execute("INSERT INTO writer VALUES (?, ?, ?, ?)", (writer, run, next(positions), own))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of all runs, and close the database."""
        names = tuple(COLUMNS)
        with closing(self.database):
            for run, count, *of_run in self.database.execute("SELECT * FROM run ORDER BY run").fetchall():
                for values in self._rows_of_run(run, count):
                    yield dict(zip(names, (*of_run, *values), strict=True))

    def _rows_of_run(self, run: int, count: int) -> Iterator[_Parameters]:
        """Yield the columns of each row after those that say whose it is."""
        missing = (None,) * len(_OUTCOME)
        not_sent = (None, None, RowState.NOT_SENT.value, None, None, 0, None, None, *missing)
        expected = 1
        writers = self.database.execute("SELECT writer FROM writer WHERE run = ?", (run,)).fetchall()
        query, parameter = (_ROWS_OF_WRITER, writers[0][0]) if len(writers) == 1 else (_ROWS_OF_RUN, run)
        for row, key, token, code, *known, ended in self.database.execute(query, (parameter,)):
            while expected < row and expected <= count:
                yield expected, *not_sent
                expected += 1
            expected = max(expected, row + 1)
            outcome = missing
            if ended is not None:
                found = json.loads(ended)
                outcome = (found.get("state"), *map(found.get, _OUTCOME[1:]))
            yield row, key, token, _STATES[code].value, *known, *outcome
        for number in range(expected, count + 1):
            yield number, *not_sent

    def unknown(self) -> Sequence[int]:
        """Return the numbers of the rows with an unknown result, run by run."""
        query = self.database.execute
        if not query(_ANY_UNKNOWN).fetchall():  # to merge the attempts of a run takes time
            return ()
        runs = query("SELECT run FROM run ORDER BY run").fetchall()
        return array("Q", (row for run in runs for (row,) in query(_UNKNOWN_OF_RUN, run)))

    def transfers(self) -> dict[str, list[tuple[str, str]]]:
        """Return what tasks called for to transfer each contact, and with which client token."""
        found: dict[str, list[tuple[str, str]]] = {}
        query = "SELECT contact_id, called_for, token FROM transferred WHERE token IS NOT NULL"
        for contact_id, called_for, token in self.database.execute(query):
            found.setdefault(contact_id, []).append((called_for, token))
        return found

    def created(self) -> Iterator[CreatedContact]:
        """Yield the contacts of all runs with what became of them, and close the database."""
        with closing(self.database):
            for contact_id, code, outcome, transferred_to in self.database.execute(_CREATED):
                yield CreatedContact(
                    contact_id, _STATES[code], None if outcome is None else json.loads(outcome), transferred_to
                )

    def contacts(self) -> Iterator[str]:
        """Yield the contacts of all runs, and close the database."""
        with closing(self.database):
            for (contact_id,) in self.database.execute(_CONTACTS):
                yield contact_id


#: How the database writes a state: what counts more is greater.
_CODES: Final = {state.value: precedence(state) << 4 | number for number, state in enumerate(RowState)}
_STATES: Final = {code: RowState(state) for state, code in _CODES.items()}
#: The least code of a contact that exists, and of one that may exist.
_EXISTS: Final = precedence(RowState.ALREADY_CREATED) << 4
_MAY_EXIST: Final = precedence(RowState.UNKNOWN) << 4

#: What names a task instance, in the order of :data:`COLUMNS`.
_RUN: Final = ("dag_id", "run_id", "task_id", "map_index")

#: The texts of an event with the state of a row.
_TEXTS: Final = ("token", "key", "content", "contact_id", "contact_arn", "error", "message")
#: States of a row whose contact exists.
_WITH_CONTACT: Final = frozenset({RowState.CREATED, RowState.ALREADY_CREATED})
#: More rows than any input has.
_ROWS: Final = 1 << 40
#: What a header has, and of which types.
_HEADER: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("dag_id", "run_id", "task_id", "region", "instance_id", "operation"), (str, type(None))),
    "map_index": (int, type(None)),
    "rows": (int, type(None)),
    "started": (str,),
}

#: As a number of attributes, more than any.
_ALL_ASKED: Final = 1 << 31

#: The code of a row of which no outcome is on record.
_NO_OUTCOME: Final = -1
#: Within an attempt, what counts more is right, whatever the order of the lines; of equals, the first where a contact
#: was or may have been created, and else the last.
_IS_BETTER: Final = f"""
    excluded.state >> 4 > state >> 4 OR excluded.state >> 4 = state >> 4 AND (
        iif(state >= {_MAY_EXIST}, excluded.at < at, excluded.at > at) OR excluded.at = at AND excluded.state < state
    )
"""
_OF_STATE: Final = ("at", "contact_id", "contact_arn", "attempts", "error", "message", "state")
_UPSERT: Final = f"""
ON CONFLICT DO UPDATE SET
    token = coalesce(token, excluded.token), key = coalesce(key, excluded.key),
    content = coalesce(content, excluded.content), open = open + excluded.open,
    {", ".join(f"{name} = iif({_IS_BETTER}, excluded.{name}, {name})" for name in _OF_STATE)}
"""
_RECORD: Final = f"INSERT INTO record VALUES ({', '.join('?' * 13)}) {_UPSERT}"  # noqa: S608  # text of ours
#: Announced, and nobody knows what became of it.
_LEAVE_OPEN: Final = f"""
UPDATE record SET state = {_CODES[RowState.UNKNOWN]}, at = NULL, attempts = NULL, error = NULL, message = NULL
WHERE state < {_MAY_EXIST} AND (open > 0 OR state = {_NO_OUTCOME})
"""  # noqa: S608  # numbers of ours
_FOUND: Final = f"FROM record WHERE writer = ? AND row BETWEEN ? AND ? AND state >= {_EXISTS}"
_FOUND_ROWS: Final = f"SELECT row {_FOUND}"
_COPY_FOUND: Final = f"""
INSERT INTO record SELECT
    ?, row + ?, {_CODES[RowState.ALREADY_CREATED]}, ?, token, key, content, contact_id, contact_arn, 0, NULL, NULL, 0
{_FOUND} {_UPSERT}
"""
_ENDED: Final = """
INSERT INTO ended VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET asked = excluded.asked, at = excluded.at, outcome = excluded.outcome
WHERE excluded.asked > ended.asked OR (excluded.asked = ended.asked AND excluded.at < ended.at)
"""
#: What an attempt knows of a row, that which counts first: the rule of this module, and nowhere else.
_BEST_FIRST: Final = f"""
    (state >= {_MAY_EXIST}) + (state >= {_EXISTS}) DESC, own DESC, state >> 4 DESC,
    iif(state >= {_MAY_EXIST}, position, -position)
"""
#: A token is one contact, whatever the number of its row in each attempt's input; rows without one are identified by
#: their number. Of a contact that may exist, the latest attempt has the news.
_MERGED: Final = f"""
    SELECT
        state, content, contact_id, contact_arn, attempts, own, key, token, writer, row AS of_row,
        first_value(row) OVER latest_first AS row,
        iif(state >> 4 = {_MAY_EXIST >> 4}, first_value(error) OVER latest_first, error) AS error,
        iif(state >> 4 = {_MAY_EXIST >> 4}, first_value(message) OVER latest_first, message) AS message,
        row_number() OVER (PARTITION BY coalesce(token, row) ORDER BY {_BEST_FIRST}) AS place,
        position = max(position) OVER (PARTITION BY row) AS is_latest
    FROM record JOIN writer USING (writer) WHERE %s
    WINDOW latest_first AS (PARTITION BY coalesce(token, row) ORDER BY own DESC, position DESC)
"""  # noqa: S608  # numbers of ours
_KNOWN: Final = """
SELECT state, content, contact_id, contact_arn, attempts, error, message, own, writer, row, row
FROM record JOIN writer USING (writer) WHERE token = ? AND own >= ?
"""
_BEST_KNOWN: Final = f"""
SELECT state, content, contact_id, contact_arn, attempts, error, message, own, writer, of_row, row
FROM ({_MERGED % "token = ? AND own >= ?"}) WHERE place = 1
"""  # noqa: S608  # text of ours
_WHO_ELSE: Final = f"""
SELECT writer FROM record JOIN writer USING (writer)
WHERE token = ? AND NOT own AND state >= {_MAY_EXIST} ORDER BY state >> 4 DESC, position LIMIT 1
"""  # noqa: S608  # a number of ours
_OF_KEY: Final = f"""
SELECT writer, state FROM record JOIN writer USING (writer)
WHERE key = ? AND writer IN (%s) AND state >= {_MAY_EXIST} ORDER BY state >> 4 DESC, position LIMIT 1
"""  # noqa: S608  # a number of ours
#: In the order of COLUMNS; several attempts are too much for it.
_ROWS_OF_WRITER: Final = """
SELECT row, key, token, state, record.contact_id, contact_arn, attempts, error, message, outcome
FROM record LEFT JOIN ended ON ended.contact_id = record.contact_id
WHERE writer = ? ORDER BY row
"""
#: What exists or may exist is always there; the rest, and a contact of which no token is known any more, if the latest
#: attempt says it of the row.
_ROWS_OF_RUN: Final = f"""
SELECT row, key, token, state, counts.contact_id, contact_arn, attempts, error, message, outcome
FROM ({_MERGED % "run = ?"}) AS counts LEFT JOIN ended ON ended.contact_id = counts.contact_id
WHERE place = 1 AND (state >= {_MAY_EXIST} AND token IS NOT NULL OR is_latest) ORDER BY row
"""  # noqa: S608  # text of ours
_LATEST_OF_ROW: Final = """
SELECT state, token, key, message FROM record JOIN writer USING (writer) WHERE own AND row = ? AND writer IN (%s)
ORDER BY position DESC LIMIT 1
"""
#: In blocks, by the primary key.
_OWN_ROWS: Final = """
SELECT row, state, token, content, key FROM record WHERE writer = ? AND row > ? ORDER BY row LIMIT ?
"""
_ANY_UNKNOWN: Final = f"SELECT 1 FROM record WHERE state >> 4 = {_MAY_EXIST >> 4} LIMIT 1"  # noqa: S608  # a number of ours
_UNKNOWN_OF_RUN: Final = f"""
SELECT row FROM ({_MERGED % "run = ?"}) WHERE place = 1 AND state >> 4 = {_MAY_EXIST >> 4} ORDER BY row
"""  # noqa: S608  # text of ours
_OWN: Final = f"own AND state >= {_MAY_EXIST} AND (? OR key IS NULL)"
_COUNT_OWN: Final = f"SELECT count(DISTINCT token) FROM record JOIN writer USING (writer) WHERE {_OWN}"  # noqa: S608
_IS_OWN: Final = f"SELECT 1 FROM record JOIN writer USING (writer) WHERE token = ? AND {_OWN} LIMIT 1"  # noqa: S608
_STATES_OF_WRITERS: Final = f"""
SELECT writer, state, count(*) FROM record JOIN writer USING (writer)
WHERE own AND state >= {_MAY_EXIST} AND token IS NOT NULL GROUP BY writer, state
"""  # noqa: S608  # a number of ours
_OWN_STATES: Final = f"""
SELECT best, count(*) FROM (
    SELECT max(state) AS best FROM record JOIN writer USING (writer)
    WHERE own AND state >= {_MAY_EXIST} AND token IS NOT NULL GROUP BY token
) GROUP BY best
"""  # noqa: S608  # a number of ours
_CREATED: Final = """
SELECT record.contact_id, max(state), outcome, transferred_to
FROM record JOIN writer USING (writer) LEFT JOIN ended ON ended.contact_id = record.contact_id
LEFT JOIN (
    SELECT contact_id, transferred_to, max(at || printf('%020d', rowid)) FROM transferred GROUP BY contact_id
) AS latest ON latest.contact_id = record.contact_id
WHERE record.contact_id IS NOT NULL
GROUP BY record.contact_id ORDER BY min(position << 40 | row)
"""
_CONTACTS: Final = """
SELECT contact_id FROM record JOIN writer USING (writer) WHERE contact_id IS NOT NULL
GROUP BY contact_id ORDER BY min(position << 40 | row)
"""


def _number(event: Any, rows: int) -> int:
    """Return the number of the row that an event is of, in an input of so many rows."""
    row = event["row"]
    if type(row) is not int or row < 1:
        raise ValueError("has a row that is not a number")
    _check_in_input(row, rows)
    return row


def _check_in_input(row: int, rows: int) -> None:
    if row > rows:
        raise ValueError(f"has row {row:,}, and the last row of the input is {rows:,}")


def _check_identifier(value: str, name: str) -> None:
    """Check that text may be the ID of a contact: that it is not empty, and has no white space."""
    if value.split() != [value]:
        raise ValueError(f"has {name} that is not an ID")


def _identifier(event: Any, name: str) -> str:
    value = _text(event, name)
    _check_identifier(value, name)
    return value


def _text(event: Any, name: str) -> str:
    value = event[name]
    if type(value) is not str or not value:
        raise ValueError(f"has {name} that is not text")
    return value


def _texts(event: Any, names: Iterable[str]) -> _Parameters:
    """Return what is text where it is there."""
    values = tuple(map(event.get, names))
    if not _TEXT_OR_NOTHING.issuperset(map(type, values)):
        name = next(name for name, value in zip(names, values, strict=True) if type(value) not in _TEXT_OR_NOTHING)
        raise ValueError(f"has {name} that is not text")
    return values


_TEXT_OR_NOTHING: Final = frozenset({str, type(None)})


def _settled(writer: int, event: Any, intents: dict[int, _Parameters], rows: int) -> _Parameters:
    """Return the record of an event with the state of a row, and take its intent out of those given."""
    row, code = _number(event, rows), _CODES[event["kind"]]
    intent = intents.pop(row, None)
    token, key, content, contact_id, contact_arn, error, message = _texts(event, _TEXTS)
    if code >= _EXISTS:
        if not contact_id:
            raise KeyError("contact_id")
        _check_identifier(contact_id, "contact_id")
    attempts = event.get("attempts")
    if attempts is not None and (type(attempts) is not int or not 0 <= attempts < _ROWS):
        raise ValueError("has attempts of another type")
    identity = (token, key, content) if intent is None else intent
    return (
        *(writer, row, code, _text(event, "at"), *identity, contact_id, contact_arn, attempts, error, message),
        -1 if intent is None else 0,
    )


def _intended(writer: int, row: int, intent: _Parameters) -> _Parameters:
    """Return the record of a row that is announced, and has no result yet."""
    return (writer, row, _NO_OUTCOME, None, *intent, None, None, None, None, None, 1)


def _ending(event: Any) -> _Parameters:
    """Return what an event says about a contact's end."""
    # Without it, a task has stopped the contact, and nothing was read.
    asked = event.get("asked", [])
    if asked != ALL_ATTRIBUTES and type(asked) is not list:
        raise ValueError("has asked attributes that are not a list")
    for name in _OUTCOME[1:]:
        value = event.get(name)
        match COLUMNS[name]:
            case "string":
                is_right = type(value) is str
            case "float64":
                is_right = type(value) in {int, float} and math.isfinite(value)
            case _:
                is_right = type(value) is dict and {type(item) for item in value.values()} <= {str}
        if value is not None and not is_right:
            raise ValueError(f"has {name} of another type")
    _text(event, "state")
    number = -1 if "asked" not in event else _ALL_ASKED if asked == ALL_ATTRIBUTES else len(asked)
    return _identifier(event, "contact_id"), number, _text(event, "at"), json.dumps(event)


class _Found(NamedTuple):
    """A line that says which rows have contacts that another task instance created."""

    segment: Segment
    line: int
    writer: int
    folder: str
    name: str
    at: str
    rows: list[list[int]]


def _reference(segment: Segment, event: Any, rows: int) -> tuple[str, str, str, list[list[int]]]:
    """Return folder and name of the writer that an event refers to, its time, and the rows."""
    folder, _, name = posixpath.normpath(f"{segment.folder}/{_text(event, 'in')}").rpartition("/")
    for numbers in event["rows"]:
        if [type(number) for number in numbers] != [int] * 3 or not all(0 < number < _ROWS for number in numbers):
            raise ValueError("has rows that are not numbers from 1")
        _check_in_input(numbers[0] + numbers[2] - 1, rows)
    return folder, name, _text(event, "at"), event["rows"]


def _storable(value: Any) -> Any:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _events(path: str, blocks: Iterable[bytes], number: int = 1) -> Iterator[tuple[int, list[Any]]]:
    """Yield the number of a line, and the events from there on, block by block; an unfinished last line is ignored."""
    rest = b""
    for block in blocks:
        whole, _, rest = (rest + block).rpartition(b"\n")
        if len(rest) > _LINE_BYTES:
            raise damaged(path, number, "is too long")
        if not whole:
            continue
        lines = whole.split(b"\n")
        try:
            events = parsed(b"[%b]" % b",".join(lines))  # faster by a third than line by line
        except (ValueError, RecursionError):
            events = []
        if len(events) != len(lines):
            events = [_event(path, line, number + index) for index, line in enumerate(lines)]
        yield number, events
        number += len(lines)


def _event(path: str, line: bytes, number: int) -> Any:
    try:
        return parsed(line)
    except (ValueError, RecursionError):
        raise damaged(path, number, "is not JSON, or has one name twice") from None
