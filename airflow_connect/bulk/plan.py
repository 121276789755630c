"""
The contacts to create from rows: a first reading finds every fault, and a second one yields the contacts to send.

Nothing may be sent before the whole input is known to be right, and the input may be larger than memory. So it is read
twice, and what has to be remembered of each row is in a private SQLite database that the file system deletes with the
process. The second reading must yield what the first one checked; a row that has changed ends it.

This module does not know Airflow or a client.
"""

from __future__ import annotations

import itertools
import pickle
import tempfile
from contextlib import contextmanager, suppress
from functools import partial
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self

from airflow_connect.api.errors import ConnectError, InputError, InvalidRequestError, SetupError
from airflow_connect.api.fields import Fault, describe, key_path
from airflow_connect.api.identity import CONTENT_DIGITS, request_digest, tokens_for_keys, tokens_for_rows
from airflow_connect.bulk.sources import (
    InvalidRow,
    Origin,
    json_line,
    origin_of,
    without_failed_columns,
)
from airflow_connect.bulk.sources.base import parts_of_origin
from airflow_connect.bulk.template import RowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from airflow_connect.api.operations import Operation
    from airflow_connect.bulk.sources import RowSource, Values
    from airflow_connect.bulk.template import ContactOf, TextOf

__all__ = ["Plan", "PlannedContact", "RowFault", "SharedFault", "Skipped", "TaskInstance"]

#: Rows between two calls of ``on_progress``.
PROGRESS_EVERY: Final = 1_000

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4000;
CREATE TABLE row (
    number INTEGER PRIMARY KEY,
    -- What identifies it among the rows: its key, or the digest of its request. NULL if that is not used.
    identity TEXT,
    -- The digest of its request. NULL for a row that has faults.
    content TEXT,
    -- Where it stands: the number of its file, and of the line in it.
    file INTEGER,
    place INTEGER
);
CREATE TABLE fault (number INTEGER, field TEXT, rule TEXT, given TEXT, file INTEGER, place INTEGER);
-- Rows with the identity of an earlier one.
CREATE TABLE repeated (number INTEGER PRIMARY KEY, repetition INTEGER, first INTEGER);
BEGIN;
"""

_FIND_REPEATED: Final = """
CREATE INDEX row_by_identity ON row (identity) WHERE identity IS NOT NULL;
INSERT INTO repeated
    SELECT * FROM (
        SELECT
            number,
            row_number() OVER same - 1 AS repetition,
            first_value(number) OVER same AS first
        FROM row
        WHERE identity IN (SELECT identity FROM row WHERE identity IS NOT NULL GROUP BY identity HAVING count(*) > 1)
        WINDOW same AS (PARTITION BY identity ORDER BY number)
    )
    WHERE repetition > 0
    ORDER BY number;
"""

_REFUSE_REPEATED: Final = """
INSERT INTO fault
    SELECT
        number,
        'idempotency_key',
        'must differ from those of all other rows; with on_duplicate="skip" the first of them creates the contact',
        'the same as in row ' || first,
        file,
        place
    FROM repeated JOIN row USING (number);
UPDATE row SET content = NULL WHERE number IN (SELECT number FROM repeated);
"""


#: Rows of a shared fault that are named.
_FIRST_ROWS: Final = 3

# Of the columns that are not grouped, SQLite takes those of the row that has the least number.
_SHARED: Final = """
SELECT count(DISTINCT number), count(DISTINCT given), min(number) AS first, field, rule, given, file, place
FROM fault GROUP BY field, rule ORDER BY first, min(rowid) LIMIT ?
"""
_FIRST_OF_SHARED: Final = """
SELECT * FROM fault WHERE field = ? AND rule = ? GROUP BY number ORDER BY number LIMIT ?
"""

_REMEMBERED: Final = """
SELECT number, identity, content, coalesce(repetition, 0)
FROM row LEFT JOIN repeated USING (number)
WHERE number > ? ORDER BY number
"""


class TaskInstance(NamedTuple):
    """The task instance whose rows do not have keys, for :func:`~airflow_connect.api.identity.token_for_row`."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


class RowFault(NamedTuple):
    """
    One thing that is wrong with a row.

    :param row: the row's number, from 1
    :param field: the contact's field as a path; if the row itself cannot be read, the place that the source names
        and that is not a file, else empty
    :param rule: what is demanded there
    :param given: what was found instead, never the content; empty if the rule says it all
    :param origin: the file and line, ``None`` if the source does not know them
    """

    row: int
    field: str
    rule: str
    given: str
    origin: Origin | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as JSON can have it."""
        file, line = (self.origin.file, self.origin.line) if self.origin else (None, None)
        place = {"row": self.row, "file": file, "line": line}
        return {**place, "field": self.field, "rule": self.rule, "given": self.given}

    @property
    def words(self) -> str:
        """What is wrong, without the row."""
        field = f"{self.field}: " if self.field else ""
        given = f" (given: {self.given})" if self.given else ""
        return f"{field}{self.rule}{given}"

    def __str__(self) -> str:
        place = f" ({self.origin})" if self.origin else ""
        return f"row {self.row:,}{place}{', ' if self.field else ': '}{self.words}"


class SharedFault(NamedTuple):
    """
    One thing that is wrong with one row or with many.

    :param fault: the fault of the first row
    :param rows: how many rows have it
    :param first: the faults of the first rows, if there are several
    """

    fault: RowFault
    rows: int
    first: tuple[RowFault, ...]

    def __str__(self) -> str:
        if self.rows == 1:
            return str(self.fault)
        places = ", ".join(f"row {one.row:,}{f' ({one.origin})' if one.origin else ''}" for one in self.first)
        more = f" and {self.rows - len(self.first):,} more" if self.rows > len(self.first) else ""
        return f"{self.rows:,} rows, {self.fault.words}: {places}{more}"


class Skipped(NamedTuple):
    """
    A row that does not create a contact, since an earlier one with the same key does.

    :param row: the row's number
    :param key: the key of both
    :param first: the number of the earlier row
    """

    row: int
    key: str
    first: int


class PlannedContact(NamedTuple):
    """
    A contact to create.

    :param row: the row's number
    :param key: its idempotency key, if it has one
    :param token: the client token
    :param content: the digest of the request, the same for the same content whatever its token
    :param params: the request as botocore's client takes it, with the client token
    :param values: the row as it was read
    """

    row: int
    key: str | None
    token: str
    content: str
    params: dict[str, Any]
    values: Values


class Plan:
    """
    The contacts to create from rows. The constructor reads the whole input once; then everything is known.

    The template or function of the contact must return the same for the same row both times. If it uses a clock or
    random numbers, the second reading ends with an :class:`~airflow_connect.api.errors.InputError`.

    Close it, or use it in a ``with`` statement: it holds temporary files. They do not have a name that anybody could
    open, and their space is free when the process ends, however it ends.

    :param source: the rows. Those that can be read only once are kept in a temporary file.
    :param request: the class of the request
    :param contact: from a row to the request's arguments: :func:`~airflow_connect.bulk.template.compile_contact`
    :param key: from a row to its key: :func:`~airflow_connect.bulk.template.compile_text`. Without it, a row is
        identified by ``asked_by``, by the contact that it renders, and by how many rows before it render an equal one.
    :param region: the Region that is called
    :param instance_id: the instance
    :param asked_by: the task instance; not used if rows have a key
    :param on_duplicate: what to do with a row whose key an earlier row has: with ``"fail"`` it has a fault, with
        ``"skip"`` it is left out
    :param now: the time of both readings in epoch seconds. For a retry that of the first attempt: otherwise rows
        whose contacts exist could be too late now.
    :param on_progress: called with the number of rows read so far, every thousand rows; what it raises ends the reading
    :raises InputError: if the rows cannot be read
    :raises InvalidRequestError: if the instance's ID is wrong
    :raises SetupError: if the local disk cannot hold the temporary files
    """

    def __init__(
        self,
        source: RowSource,
        request: type[Operation],
        contact: ContactOf,
        *,
        key: TextOf | None,
        region: str,
        instance_id: str,
        asked_by: TaskInstance,
        now: float,
        on_duplicate: Literal["fail", "skip"] = "fail",
        on_progress: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        import sqlite3

        faults = [fault for fault in request.check({"instance_id": instance_id})[1] if fault.field == "instance_id"]
        if faults:
            raise InvalidRequestError(request.name, faults)
        self._source = source
        self._request = request
        self._contact = contact
        self._key = key
        self._instance_id = instance_id
        self._token_of_key = tokens_for_keys(region, instance_id, request.name)
        self._token_of_row = tokens_for_rows(region, instance_id, request.name, *asked_by)
        self._skips = key is not None and on_duplicate == "skip"
        self._now = now
        # No name: a temporary file of SQLite's, which is deleted as soon as it is open. The readings may be in
        # different threads, one at a time.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._spool: IO[bytes] | None = None
        #: The files that rows stand in, in the order in which they are read.
        self._files: list[str] = []
        #: The second reading, as far as it has come.
        self._reading: Iterator[tuple[int, Values | InvalidRow]] = iter(())
        self._broken: InputError | None = None
        #: The number of the last row that :meth:`contacts` has reached.
        self.passed = 0
        #: Rows read.
        self.rows = 0
        #: Rows that create a contact.
        self.valid = 0
        #: Rows that have faults.
        self.invalid = 0
        #: Rows whose key an earlier row has; with ``on_duplicate="fail"`` they are invalid.
        self.duplicates = 0
        try:
            self._read(on_progress)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the temporary files. What is closed can be closed again, and gives nothing more."""
        self._database.close()
        if self._spool is not None:
            with suppress(OSError):  # writes again what a full disk refused, which is not needed any more
                self._spool.close()

    # --- The first reading ------------------------------------------------------------------------------------

    def _read(self, on_progress: Callable[[int], None]) -> None:
        database = self._database
        rows = self._given()
        if not self._source.can_be_read_twice:
            self._spool = tempfile.TemporaryFile(buffering=1 << 20)  # noqa: SIM115  # close() does
            rows = _keep(rows, self._spool)
        with _disk():
            database.executescript(_SCHEMA)
            database.executemany("INSERT INTO row VALUES (?, ?, ?, ?, ?)", self._check(rows, on_progress))
            database.executescript(_FIND_REPEATED)
            if self._key is not None:
                [(self.duplicates,)] = database.execute("SELECT count(*) FROM repeated")
                if not self._skips:
                    database.executescript(_REFUSE_REPEATED)
            database.execute("CREATE INDEX fault_by_row ON fault (number)")
        [(self.rows, self.valid)] = database.execute("SELECT count(*), count(content) FROM row")
        self.invalid = self.rows - self.valid
        if self._skips:
            self.valid -= self.duplicates

    def _check(
        self, rows: Iterator[tuple[int, Values | InvalidRow]], on_progress: Callable[[int], None]
    ) -> Iterator[tuple[int, str | None, str | None, int | None, int | None]]:
        """Yield what is remembered of each row, and record its faults."""
        for count, (number, row) in enumerate(rows, 1):
            identity, _, content, faults = self._request_of(row)
            place = self._place(row)
            if not faults:
                yield number, identity, content, *place
            else:
                self._database.executemany(
                    "INSERT INTO fault VALUES (?, ?, ?, ?, ?, ?)",
                    [(number, *map(_utf8, fault), *place) for fault in faults],
                )
                # It does not create a contact. But if keys must differ, they differ from those of faulty rows too.
                yield number, None if self._key is None or self._skips else identity, None, *place
            if count % PROGRESS_EVERY == 0:
                on_progress(count)

    def _place(self, row: Values | InvalidRow) -> tuple[int | None, int | None]:
        """Return the number of a row's file, and of the line or row in it."""
        parts = parts_of_origin(row)
        if parts is None:
            return None, None
        file, line, row_in_file = parts
        if not self._files or self._files[-1] != file:
            self._files.append(file)
        return len(self._files) - 1, line if line is not None else -(row_in_file or 0)

    def _request_of(self, row: Values | InvalidRow) -> tuple[str | None, dict[str, Any], str, list[Fault]]:
        """Return what identifies a row, its request without a client token, the request's digest, and all faults."""
        if isinstance(row, InvalidRow):
            return None, {}, "", [Fault("" if origin_of(row) else row.where, row.rule, "")]
        identity: str | None = None
        faults: list[Fault] = []
        if self._key is not None:
            try:
                identity = self._key(row)
            except RowError as error:
                faults += error.faults
        try:
            arguments = self._contact(row)
        except RowError as error:
            return identity, {}, "", [*faults, *error.faults]
        arguments["instance_id"] = self._instance_id
        params, wrong = self._request.check(arguments, now=self._now)
        faults += wrong
        if faults:
            return identity, params, "", faults
        digest = request_digest(params)
        return digest if self._key is None else identity, params, digest[:CONTENT_DIGITS], faults

    # --- What it found ----------------------------------------------------------------------------------------

    def faults(self, limit: int = -1) -> Iterator[RowFault]:
        """
        Yield what is wrong with rows, by row number.

        :param limit: how many at most (default: all)
        """
        found = self._database.execute("SELECT * FROM fault ORDER BY number, rowid LIMIT ?", (limit,))
        return itertools.starmap(self._row_fault, found)

    def shared_faults(self, limit: int = -1) -> Iterator[SharedFault]:
        """
        Yield what is wrong with rows, each fault of a field once for all rows that have it, by the first row's number.

        :param limit: how many at most (default: all)
        """
        for rows, kinds, *first in self._database.execute(_SHARED, (limit,)).fetchall():
            fault = self._row_fault(*first)
            if kinds > 1:
                fault = fault._replace(given=f"{fault.given}, and others")
            same = self._database.execute(_FIRST_OF_SHARED, (fault.field, fault.rule, _FIRST_ROWS)) if rows > 1 else ()
            yield SharedFault(fault, rows, tuple(itertools.starmap(self._row_fault, same)))

    def _row_fault(self, number: int, field: str, rule: str, given: str, file: int | None, place: int) -> RowFault:
        origin = None
        if file is not None:
            line = place if place > 0 else None
            origin = Origin(_utf8(self._files[file]), line, row=None if place >= 0 else -place)
        return RowFault(number, field, rule, given, origin)

    def invalid_rows(self) -> Iterator[int]:
        """Yield the numbers of the rows that have faults, in ascending order."""
        for (number,) in self._database.execute("SELECT DISTINCT number FROM fault ORDER BY number"):
            yield number

    def skipped(self) -> Iterator[Skipped]:
        """Yield the rows that are left out because of ``on_duplicate="skip"``, by row number."""
        if self._skips:
            query = "SELECT number, identity, first FROM repeated JOIN row USING (number) ORDER BY number"
            for found in self._database.execute(query):
                yield Skipped(*found)

    def left(self) -> Iterator[tuple[int, str | None, str]]:
        """
        Yield row number, key and client token of the contacts that :meth:`contacts` has not reached.

        Does not read the input.
        """
        for number, identity, content, repetition in self._database.execute(_REMEMBERED, (self.passed,)):
            if content is not None and not (repetition and self._skips):
                yield number, None if self._key is None else identity, self._token(identity, repetition)

    def _token(self, identity: str, repetition: int) -> str:
        return self._token_of_row(identity, repetition) if self._key is None else self._token_of_key(identity)

    # --- The second reading -----------------------------------------------------------------------------------

    def contacts(
        self,
        on_invalid: Callable[[int, Values | InvalidRow], None] = lambda _number, _row: None,
        is_done: Callable[[int, str, str], bool] = lambda _number, _token, _content: False,
    ) -> Iterator[PlannedContact]:
        """
        Read the rows again and yield the contacts to create, by row number; one reading at a time.

        Where all rows are done, none is read.

        :param on_invalid: called with the number of a row that has faults, and what was read in its place
        :param is_done: called with the number of a row that has none, its client token and the digest of its content;
            returns whether it is left out. So a row that is done already is not rendered a second time
        :raises InputError: if a row is not what it was when it was checked, or rows were added or are gone
        """
        self.passed = 0
        self._reading = self._read_again()
        first = self._first_to_read(is_done)
        if first is None:
            return
        remembered = self._database.execute(_REMEMBERED, (0,))
        for row, before in zip_longest(self._reading, remembered):
            if row is None or before is None or row[0] != before[0]:
                raise self._changed(f"{'fewer' if row is None else 'more'} rows than when they were checked")
            number, identity, content, repetition = before
            if number < first:
                continue
            values = row[1]
            if content is None or (repetition and self._skips):
                if content is None:
                    on_invalid(number, values)
                self.passed = number
                continue
            token = self._token(identity, repetition)
            if number > first and is_done(number, token, content):
                self.passed = number
                continue
            again, params, digest, faults = self._request_of(values)
            if faults or again != identity or digest != content or isinstance(values, InvalidRow):
                raise self._changed(f"another row {number:,} than when it was checked")
            params["ClientToken"] = token
            self.passed = number
            yield PlannedContact(number, None if self._key is None else identity, token, content, params, values)

    def _first_to_read(self, is_done: Callable[[int, str, str], bool]) -> int | None:
        """Return the number of the first row that has faults or is not done, ``None`` if no row is left."""
        for number, identity, content, repetition in self._database.execute(_REMEMBERED, (0,)):
            if content is None:
                return int(number)
            if not (repetition and self._skips) and not is_done(number, self._token(identity, repetition), content):
                return int(number)
            self.passed = number
        return None

    def rows_again(self, numbers: Iterable[int]) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Yield some of the rows with their numbers.

        Continues the reading of :meth:`contacts`, which then is over, or starts another one if a row is before its
        place.

        :param numbers: which, in ascending order
        :raises InputError: if the rows cannot be read, or rows are gone
        """
        passed, rows = self.passed, self._reading
        for wanted in numbers:
            if self._broken is not None:
                # By their numbers alone they might be other rows.
                raise self._broken
            if not 0 < passed < wanted:
                rows = self._read_again()
            for passed, row in rows:
                if passed == wanted:
                    yield passed, row
                    break
            else:
                raise self._changed("fewer rows than when they were checked")

    def _read_again(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        return self._given() if self._spool is None else _kept(self._spool)

    def _given(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """Yield the rows as the source has them, without the columns that a file of failed rows adds."""
        required = frozenset().union(*(getattr(one, "columns", ()) for one in (self._contact, self._key)))
        read = getattr(self._source, "read_requiring", None)
        number = 0
        try:
            for number, row in read(required) if read and required else self._source.read():
                yield number, without_failed_columns(row)
        except Exception as error:
            # Airflow's own say what becomes of the task.
            if isinstance(error, ConnectError) or type(error).__module__.partition(".")[0] == "airflow":
                raise
            broken = _broken_off(self._source, error, number)
        else:
            return
        raise broken

    def _changed(self, what: str) -> InputError:
        self._broken = InputError(
            f"{self._source} now has {what}, so that nothing more is sent. Leave the input as it is while the task "
            "runs, and do not use a clock or random numbers in the contact's template. Run the task again: contacts "
            "that exist are not created again."
        )
        return self._broken


def _broken_off(source: RowSource, error: Exception, rows: int) -> InputError:
    """Return the error of a source that raised one of its own, whose words may hold what a row holds."""
    name = type(source).__name__ if type(source).__str__ is object.__str__ else str(source)
    inside = error.__traceback__
    while inside is not None and inside.tb_frame.f_globals.get("__name__", "").startswith("airflow_connect."):
        inside = inside.tb_next
    line = f" in line {inside.tb_lineno} of {inside.tb_frame.f_code.co_filename}" if inside else ""
    return InputError(
        f"{name} raised {type(error).__name__}{line}, after {rows:,} rows. Its words are not shown here, since they "
        "may hold what a row holds. Let a source raise InputError with words that may be shown."
    )


def _utf8(text: str) -> str:
    """Return text that UTF-8 can carry: the name of a file may hold bytes that are not text."""
    return text.encode(errors="backslashreplace").decode()


def _faulty_columns(values: Values, rule: str, convert: Callable[[Values], Any]) -> list[Fault]:
    """Return a fault for each column that cannot be converted."""
    faults = []
    for name, value in values.items():
        try:
            convert({name: value})
        except Exception:  # noqa: BLE001  # a value of any type may raise anything
            faults.append(Fault(key_path("row", name), rule, describe(value)))
    return faults or [Fault("row", rule, describe(values))]


# --- Temporary files ----------------------------------------------------------------------------------------


@contextmanager
def _disk() -> Iterator[None]:
    """Raise an error with words of ours if the disk is full."""
    import sqlite3

    try:
        yield
    except sqlite3.OperationalError as error:
        raise _no_room(str(error)) from error


def _no_room(reason: str) -> SetupError:
    return SetupError(
        f"The worker's local disk cannot hold what must be remembered of the rows ({reason}); nothing was sent. Free "
        "some space, or let the worker's TMPDIR name a directory that has more."
    )


def _keep(
    rows: Iterator[tuple[int, Values | InvalidRow]], spool: IO[bytes]
) -> Iterator[tuple[int, Values | InvalidRow]]:
    """Yield rows, each after it was written to a file."""
    for number, given in rows:
        row = given
        try:
            kept = _pickle((number, row))
        except Exception:  # noqa: BLE001  # a value of any type may raise anything
            assert not isinstance(row, InvalidRow)
            [fault, *_] = _faulty_columns(row, "must be plain data that can be written to disk", _pickle)
            row = InvalidRow(f"{fault.rule} (given: {fault.given})", fault.field, json_line(row).decode().rstrip())
            kept = _pickle((number, row))
        try:
            spool.write(kept)
        except OSError as error:
            raise _no_room(error.strerror or "") from error
        yield number, row
    try:
        spool.flush()
    except OSError as error:
        raise _no_room(error.strerror or "") from error


_pickle: Final = partial(pickle.dumps, protocol=pickle.HIGHEST_PROTOCOL)


def _kept(spool: IO[bytes]) -> Iterator[tuple[int, Values | InvalidRow]]:
    """Yield the rows that were written to a file."""
    spool.seek(0)
    while True:
        try:
            yield pickle.load(spool)  # noqa: S301  # written by this process, in a file that has no name
        except EOFError:
            return
