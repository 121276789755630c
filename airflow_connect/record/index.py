"""
An index over a record: pages of its rows, searched, filtered and sorted, without reading the whole record each time.

::

    segments ──(what was appended since)──► the reader's tables ──(what that changed)──► contact ──► pages, counts

The index is a file of SQLite's in a folder of this machine, which processes share: one of them at a time brings it up
to date, and all read it meanwhile. It can be deleted at any time; the record stays the truth. It has what the record
has but for the attributes of contacts, which are customers' data: of them it has the decision alone.

Attempts are put together by the rule of :mod:`airflow_connect.record.results`, whose reader this extends. This module
does not know Airflow or a client.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from airflow_connect.api.errors import RecordError
from airflow_connect.api.outcome import decision_of
from airflow_connect.calls.clock import Clock
from airflow_connect.record.format import FORMAT, RowState, Segment
from airflow_connect.record.results import (
    _AT_ONCE,
    _BLOCK_BYTES,
    _CACHE_BYTES,
    _CODES,
    _LEAVE_OPEN,
    _MAY_EXIST,
    _MERGED,
    _NO_OUTCOME,
    _SCHEMA,
    _STATES,
    _ending,
    _missing,
    _Records,
)
from airflow_connect.record.storage import one_line, open_regular

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from airflow_connect.record.storage import Place

__all__ = ["OPEN", "OTHER", "PROBLEMS", "SORTS", "Index", "Page", "Totals", "rest_after"]

#: The states that somebody has to deal with, in the order in which they are shown first.
PROBLEMS: Final = (RowState.FAILED, RowState.INVALID, RowState.UNKNOWN)
#: In place of an outcome: none is on record of a contact that exists.
OPEN: Final = "open"
#: In place of a decision: one that is not among those that may be shown.
OTHER: Final = "other"
#: What rows can be sorted by.
SORTS: Final = ("problems", "row", "state", "attempts", "at", "outcome", "key")

#: How many times longer than reading took the pause after it is, and seconds for which it is at most.
_REST: Final = 10.0
_LONGEST_REST: Final = 10.0
#: Upper ends of a histogram's buckets, in seconds.
_EDGES: Final = (0, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400, 43_200, 86_400, 259_200, 604_800)
_CLOCK: Final = Clock()
#: Changes with the tables below.
_VERSION: Final = 1

_TABLES: Final = """
CREATE TABLE opened AS SELECT * FROM record LIMIT 0;
CREATE TABLE touched (row INTEGER PRIMARY KEY);
CREATE TABLE touched_contact (contact_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE contact (
    id INTEGER PRIMARY KEY, run INTEGER, row INTEGER, state INTEGER, contact_id TEXT, key TEXT, attempts INTEGER,
    at TEXT, error TEXT, outcome TEXT, transferred_to TEXT
);
CREATE TABLE segment (path TEXT PRIMARY KEY, offset INTEGER, line INTEGER) WITHOUT ROWID;
CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
ALTER TABLE ended ADD COLUMN state TEXT GENERATED ALWAYS AS (json_extract(outcome, '$.state')) VIRTUAL;
ALTER TABLE ended ADD COLUMN wait REAL GENERATED ALWAYS AS (json_extract(outcome, '$.wait_seconds')) VIRTUAL;
ALTER TABLE ended ADD COLUMN handle REAL GENERATED ALWAYS AS (json_extract(outcome, '$.handle_seconds')) VIRTUAL;
ALTER TABLE ended ADD COLUMN decision TEXT GENERATED ALWAYS AS (json_extract(outcome, '$.decision')) VIRTUAL;
CREATE INDEX transferred_contact ON transferred (contact_id);
"""
#: After the first reading, which is faster without them.
_INDEXES: Final = """
CREATE INDEX by_state ON contact (state, run, row);
-- With the state, a page in the middle looks into no row before it.
CREATE INDEX by_row ON contact (run, row, state);
CREATE INDEX by_contact ON contact (contact_id);
CREATE INDEX by_outcome ON contact (outcome, run, row);
CREATE INDEX ended_wait ON ended (wait) WHERE wait IS NOT NULL;
CREATE INDEX ended_handle ON ended (handle) WHERE handle IS NOT NULL;
CREATE INDEX ended_decision ON ended (decision) WHERE decision IS NOT NULL;
"""
#: Not INSERT OR IGNORE: the statement that fires a trigger decides what a conflict in it does.
_TOUCH: Final = """
CREATE TRIGGER {table}_{event} AFTER {event} ON {table} BEGIN
    INSERT INTO {into} SELECT new.{column} WHERE new.{column} NOT IN (SELECT {column} FROM {into});
END;
"""
_TRIGGERS: Final = "".join(
    _TOUCH.format(table=table, event=event, into=into, column=column)
    for table, into, column in (
        ("record", "touched", "row"),
        ("ended", "touched_contact", "contact_id"),
        ("transferred", "touched_contact", "contact_id"),
    )
    for event in ("INSERT", "UPDATE")
)
_IS_LEFT_OPEN: Final = f"state < {_MAY_EXIST} AND (open > 0 OR state = {_NO_OUTCOME})"
_WENT_ON_AS: Final = """coalesce(
    json_extract(ended.outcome, '$.transferred_to'),
    (SELECT transferred_to FROM transferred AS moved WHERE moved.contact_id = %s.contact_id
     ORDER BY at DESC, rowid DESC LIMIT 1))"""
#: The rows of one attempt, as ``contact`` has them.
_DIRECT: Final = f"""
INSERT OR REPLACE INTO contact
SELECT row, 0, row, record.state, record.contact_id, key, attempts, record.at, coalesce(message, error), ended.state,
    {_WENT_ON_AS % "record"}
FROM record LEFT JOIN ended ON ended.contact_id = record.contact_id WHERE writer = ?
"""  # noqa: S608  # text of ours
_OF_TOUCHED: Final = " AND row IN (SELECT row FROM touched)"
_OF_TOUCHED_CONTACTS: Final = " AND row IN (SELECT row FROM contact JOIN touched_contact USING (contact_id))"
#: The rows of a run of several attempts.
_PUT_TOGETHER: Final = f"""
INSERT INTO contact
SELECT NULL, ?, counts.row, counts.state, counts.contact_id, counts.key, counts.attempts, source.at,
    coalesce(counts.message, counts.error), ended.state, {_WENT_ON_AS % "counts"}
FROM ({_MERGED % "run = ?"}) AS counts
JOIN record AS source ON source.writer = counts.writer AND source.row = counts.of_row
LEFT JOIN ended ON ended.contact_id = counts.contact_id
WHERE place = 1 AND (counts.state >= {_MAY_EXIST} AND counts.token IS NOT NULL OR is_latest) ORDER BY counts.row
"""  # noqa: S608  # text of ours
_SELECT: Final = "SELECT run, row, state, contact_id, key, attempts, at, error, outcome, transferred_to FROM contact"
#: The columns of a page's row after the first two.
_SHOWN: Final = ("state", "contact_id", "key", "attempts", "at", "error", "outcome", "transferred_to")
_PROBLEM_CODES: Final = tuple(_CODES[state] for state in PROBLEMS)
#: The rows that the latest attempt has announced, and of which nothing more is known.
_IN_FLIGHT: Final = """
SELECT row FROM opened WHERE writer = (SELECT writer FROM writer ORDER BY position DESC LIMIT 1)
"""
#: The keys of the reader's own state, and of the figures of the whole record.
_READER: Final = "reader"
_TOTALS: Final = "totals"


class Page(NamedTuple):
    """
    A part of the rows of a record.

    :param total: rows on record
    :param matching: rows that the filters leave
    :param rows: those of the page: ``row``, ``map_index``, ``state``, ``contact_id``, ``key``, ``attempts``, ``at``,
        ``error``, ``outcome`` and ``transferred_to``
    """

    total: int
    matching: int
    rows: list[dict[str, Any]]


def rest_after(seconds: float) -> float:
    """
    Return the seconds for which a record is left alone after reading it took *seconds*.

    A busy machine makes reading slow as well as a long record: people who watch a run wait no longer for that than the
    reading itself takes, or some seconds.
    """
    return min(_REST * seconds, max(_LONGEST_REST, seconds))


@dataclass(frozen=True)
class Totals:
    """
    A whole record in figures.

    :param headers: of the runs in it
    :param counts: ``rows``, and how many have each state; rows that no attempt has come to are ``not_sent``
    :param listed: rows on record, which pages have
    :param in_flight: how many of the ``unknown`` rows the latest attempt has announced: while it runs they are on their
        way
    :param contacts: how many contacts exist
    :param outcomes: how many contacts ended how
    :param decisions: how many contacts have which decision
    :param wait: histogram of the seconds until somebody took a contact, ``None`` where none is known
    :param handle: the same of the seconds that people took
    :param fresh_at: when the record was read last (seconds since 1970)
    """

    headers: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    listed: int = 0
    in_flight: int = 0
    contacts: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    wait: dict[str, Any] | None = None
    handle: dict[str, Any] | None = None
    fresh_at: float = 0.0


class Index:
    """
    The index over what is on record below a path.

    :param folder: of the indexes on this machine; it is made if it is not there
    :param place: the record: a task instance's folder, or one above several
    :param decisions: the attribute that has a decision, and the values that may be shown; others count as ``other``
    """

    def __init__(self, folder: Path, place: Place, *, decisions: tuple[str, Collection[str]] = ("", ())) -> None:
        self._folder = folder
        self._place = place
        self._decisions = (decisions[0], tuple(sorted(map(decision_of, decisions[1]))))
        what = [_VERSION, FORMAT, str(place), place.path, *self._decisions]
        self._name = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]

    # --- Bringing it up to date -----------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """
        Read what was appended to the record since the last time, and return whether that was for this caller to do.

        :return: ``False`` if another thread or process is at it
        :raises RecordError: if the record does not exist or is damaged, or the index cannot be written
        """
        import sqlite3

        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._folder / f"{self._name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            try:
                self._refresh()
            except (OSError, sqlite3.Error) as error:
                raise RecordError(
                    f"The record in {self._place} cannot be indexed ({one_line(error)}). Make room in the folder for "
                    "temporary files of the API server."
                ) from error
            return True

    def _refresh(self) -> None:
        import sqlite3

        sizes = _sizes(self._place)
        if not sizes:
            raise _missing(self._place)
        current = self._current()
        if current is not None:
            with contextlib.closing(_connect(current)) as database:
                known = dict(database.execute("SELECT path, offset FROM segment").fetchall())
                if all(sizes.get(path, -1) >= offset for path, offset in known.items()):
                    _Growing(self._place, database, self._decisions).read(sizes, known)
                    return
        # The index does not exist yet, or the record was moved, restored or replaced.
        number = 0 if current is None else int(current.stem.rpartition("-")[2]) + 1
        building = self._folder / f"{self._name}-{number}.building"
        building.unlink(missing_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(building, isolation_level=None)) as database:
                _Growing(self._place, database, self._decisions).build(sizes)
                # Who reads goes on while it is brought up to date.
                database.execute("PRAGMA journal_mode = WAL")
            building.rename(building.with_suffix(".db"))
        finally:
            building.unlink(missing_ok=True)
        if current is not None:
            _remove(current)

    def _current(self) -> Path | None:
        """Return the file of the index: another one each time that it is built anew, since others read the old one."""
        files = self._folder.glob(f"{self._name}-*.db")
        return max(files, key=lambda file: int(file.stem.rpartition("-")[2]), default=None)

    # --- Reading --------------------------------------------------------------------------------------------------

    @property
    def files(self) -> list[Path]:
        """The files of the index; empty before the first refresh."""
        return sorted(self._folder.glob(f"{self._name}-*.db*"))

    def totals(self) -> Totals | None:
        """Return the whole record in figures, ``None`` before the first refresh."""
        with self._reading() as database:
            if database is None:
                return None
            totals = _get(database, _TOTALS)
            return Totals(**{one.name: totals[one.name] for one in dataclasses.fields(Totals)})

    def progress(self) -> dict[str, Any] | None:
        """Return what the attempt that runs wrote last in ``progress.json``, ``None`` if it has not written it."""
        try:
            found = json.loads(self._place.read("progress.json") or b"null")
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def page(
        self,
        *,
        states: Collection[RowState] = (),
        outcomes: Collection[str] = (),
        search: str = "",
        with_keys: bool = False,
        is_running: bool = False,
        sort: str = "problems",
        descending: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> Page | None:
        """
        Return a part of the rows, ``None`` before the first refresh.

        :param states: rows of these states alone (default: all)
        :param outcomes: rows whose contacts ended so, or are :data:`OPEN` (default: all)
        :param search: a row's number, or a part of the contact's ID or of the error's words
        :param with_keys: search keys too, and return them
        :param is_running: whether an attempt runs: rows that are on their way are left out
        :param sort: one of :data:`SORTS`; ``problems`` is the rows that failed, are invalid or unknown, then the rest
        :param descending: the other way round
        :param limit: rows at most
        :param offset: rows to leave out
        """
        with self._reading() as database:
            if database is None:
                return None
            totals = _get(database, _TOTALS)
            headers = totals["headers"]
            where, values = _conditions(
                states, outcomes, search.strip(), with_keys=with_keys, is_running=is_running and totals["in_flight"] > 0
            )
            counts = totals["states"] if not where else _count(database, where, values)
            if sort in _GROUPS:
                groups = _GROUPS[sort][:: -1 if descending else 1]
                found = _in_groups(database, where, values, groups, counts, limit, offset)
            else:
                found = _sorted(database, where, values, sort, descending=descending, limit=limit, offset=offset)
            matching = sum(counts.values())
        rows = []
        for run, number, *columns in found:
            row = {
                "row": number,
                "map_index": headers[run].get("map_index") if run < len(headers) else None,
                **dict(zip(_SHOWN, columns, strict=True)),
            }
            row["state"] = _STATES[row["state"]].value
            if not with_keys:
                del row["key"]
            if row["outcome"] is None and row["contact_id"] is not None:
                row["outcome"] = OPEN
            rows.append(row)
        return Page(totals["listed"] - (totals["in_flight"] if is_running else 0), matching, rows)

    def problems(
        self, *, with_keys: bool = False, is_running: bool = False, at_once: int = 1_000
    ) -> Iterator[dict[str, Any]]:
        """
        Yield the rows that failed, are invalid or unknown, in their order; nothing before the first refresh.

        :param with_keys: see :meth:`page`
        :param is_running: see :meth:`page`
        :param at_once: rows that are in memory
        """
        offset = 0
        while page := self.page(
            states=PROBLEMS, sort="row", with_keys=with_keys, is_running=is_running, limit=at_once, offset=offset
        ):
            yield from page.rows
            offset += at_once
            if offset >= page.matching:
                return

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Open the index to be read, ``None`` before the first refresh."""
        current = self._current()
        if current is None:
            yield None
            return
        with contextlib.closing(_connect(current)) as database:
            database.execute("PRAGMA query_only = ON")
            database.execute("BEGIN")  # all that is read is of one moment
            yield database


class _Growing(_Records):
    """
    The reader of a record whose tables stay, and grow with it.

    :param place: the record
    :param database: the index
    :param decisions: see :class:`Index`
    """

    def __init__(self, place: Place, database: sqlite3.Connection, decisions: tuple[str, Sequence[str]]) -> None:
        # Its base class would read all of the record into a database of its own.
        self.database = database
        self._place = place
        self._decisions = decisions
        self._asked_by = dict[str, Any]().items()
        self.writers = {}
        self._outside = {}
        self._found = []
        self._numbers = {}
        database.execute(f"PRAGMA cache_size = {-_CACHE_BYTES // 1024}")

    def build(self, sizes: Mapping[str, int]) -> None:
        """
        Read a record for the first time.

        :param sizes: the sizes of its segments, by their paths
        """
        query = self.database.execute
        self.database.executescript(_SCHEMA)
        self.database.executescript(_TABLES)
        query("BEGIN")
        self._read_on(sizes, {})
        self._put_together()
        query("COMMIT")
        self.database.executescript(_INDEXES)
        self.database.executescript(_TRIGGERS)
        query("BEGIN")
        self._tell()
        query("COMMIT")

    def read(self, sizes: Mapping[str, int], known: Mapping[str, int]) -> None:
        """
        Read what was appended.

        :param sizes: the sizes of the segments, by their paths
        :param known: how much of them was read before
        """
        query = self.database.execute
        query("BEGIN IMMEDIATE")
        reader = _get(self.database, _READER)
        self.writers = {(folder, name): (number, header) for folder, name, number, header in reader["writers"]}
        self._outside = {(folder, name): (number, header) for folder, name, number, header in reader["outside"]}
        self._numbers = {(folder, name): set(numbers) for folder, name, numbers in reader["numbers"]}
        grown = {path: size for path, size in sizes.items() if size > known.get(path, 0)}
        is_new = self._read_on(grown, known) if grown else False
        if is_new or reader["left"]:
            self._put_together(reader)
            self._tell()
        else:
            _set(self.database, _TOTALS, {**_get(self.database, _TOTALS), "fresh_at": _CLOCK.epoch()})
        query("COMMIT")

    def _read_on(self, sizes: Mapping[str, int], known: Mapping[str, int]) -> bool:
        """Read segments from where they were read before, and return whether there was anything new."""
        query = self.database.execute
        # What was taken for unknown may have an outcome by now.
        query("INSERT OR REPLACE INTO record SELECT * FROM opened")
        query("DELETE FROM opened")
        lines = dict(query("SELECT path, line FROM segment").fetchall())
        is_new = False
        segments = sorted(filter(None, map(Segment.at, sizes)))
        for segment, start, blocks in self._appended(segments, known):
            counted = _Counted(blocks)
            self._read(segment, counted, start=lines.get(segment.path, 1))
            if counted.lines:
                is_new = True
                query(
                    "INSERT OR REPLACE INTO segment VALUES (?, ?, ?)",
                    (segment.path, start + counted.whole, lines.get(segment.path, 1) + counted.lines),
                )
        found, self._found = self._found, []
        self._resolve(found)
        query(f"INSERT INTO opened SELECT * FROM record WHERE {_IS_LEFT_OPEN}")  # noqa: S608  # numbers of ours
        query(_LEAVE_OPEN)
        query("DELETE FROM run")
        query("DELETE FROM writer")
        self._order()
        return is_new

    def _appended(
        self, segments: Sequence[Segment], known: Mapping[str, int]
    ) -> Iterator[tuple[Segment, int, Iterable[bytes]]]:
        """Yield segments, from where they are read on, and their blocks from there."""
        if self._place.is_local:
            for segment in segments:
                start = known.get(segment.path, 0)
                with open_regular(segment.path) as file:
                    file.seek(start)
                    yield segment, start, iter(partial(file.read, _BLOCK_BYTES), b"")
            return
        for first in range(0, len(segments), _AT_ONCE):
            at_once = segments[first : first + _AT_ONCE]
            starts = [known.get(segment.path, 0) for segment in at_once]
            ends: list[int | None] = [None] * len(at_once)
            found = self._place.fs.cat_ranges([segment.path for segment in at_once], starts, ends)
            for segment, start, content in zip(at_once, starts, found, strict=True):
                if isinstance(content, Exception):
                    raise content
                yield segment, start, [content]

    def _ending(self, event: Any) -> tuple[Any, ...]:  # type: ignore[override]  # it needs to know what may be shown
        """Return what an event says of a contact's end, without its attributes."""
        contact_id, asked, at, _ = _ending(event)
        name, allowed = self._decisions
        value = (event.get("attributes") or {}).get(name)
        decided = None if value is None else decision_of(value)
        outcome = {
            **{one: event.get(one) for one in ("state", "wait_seconds", "handle_seconds", "transferred_to")},
            "decision": decided if decided is None or decided in allowed else OTHER,
        }
        return contact_id, asked, at, json.dumps(outcome)

    def _put_together(self, reader: Mapping[str, Any] | None = None) -> None:
        """
        Bring the table of contacts up to date, and keep the state of the reader.

        :param reader: its state before, ``None`` if the tables are new
        """
        query = self.database.execute
        with_rows = [
            number
            for number, _ in self.writers.values()
            if query("SELECT 1 FROM record WHERE writer = ? LIMIT 1", (number,)).fetchone()
        ]
        runs = [run for (run,) in query("SELECT run FROM run ORDER BY run").fetchall()]
        is_direct = len(runs) == 1 and len(with_rows) <= 1
        left = False
        cost = 0.0 if reader is None else reader["cost"]
        put_at = _CLOCK.epoch()
        if is_direct and (reader is None or reader["is_direct"]):
            self._put_directly(with_rows, everything=reader is None)
        elif reader is not None and not reader["is_direct"] and 0 <= put_at - reader["put_at"] < rest_after(cost):
            # All of it is put together again, which takes long for long records: not each time.
            left, put_at = True, reader["put_at"]
        else:
            began = _CLOCK.now()
            query("DELETE FROM contact")
            for run in runs:
                query(_PUT_TOGETHER, (run, run))
            cost = _CLOCK.now() - began
        if not left:
            query("DELETE FROM touched")
            query("DELETE FROM touched_contact")
        state = {
            "writers": [[*place, *writer] for place, writer in self.writers.items()],
            "outside": [[*place, *writer] for place, writer in self._outside.items()],
            "numbers": [[*place, sorted(numbers)] for place, numbers in self._numbers.items()],
            "is_direct": is_direct,
            "left": left,
            "cost": cost,
            "put_at": put_at,
        }
        _set(self.database, _READER, state)

    def _put_directly(self, with_rows: Sequence[int], *, everything: bool) -> None:
        """Bring the table up to date where there is one attempt, whose rows need no putting together."""
        query = self.database.execute
        for writer in with_rows:
            if everything:
                query(_DIRECT, (writer,))
                continue
            query(_DIRECT + _OF_TOUCHED, (writer,))
            query(_DIRECT + _OF_TOUCHED_CONTACTS, (writer,))

    def _tell(self) -> None:
        """Keep the figures of the whole record."""
        query = self.database.execute
        codes = Counter(dict(query("SELECT state, count(*) FROM contact GROUP BY state").fetchall()))
        states = Counter({_STATES[code]: count for code, count in codes.items()})
        for run, rows in query("SELECT run, rows FROM run").fetchall():
            [(named,)] = query("SELECT count(DISTINCT row) FROM contact WHERE run = ? AND row <= ?", (run, rows))
            states[RowState.NOT_SENT] += max(rows - named, 0)
        in_flight = query(f"SELECT count(*) FROM ({_IN_FLIGHT})").fetchall()  # noqa: S608  # text of ours
        ended = query("SELECT outcome, count(*) FROM contact WHERE outcome IS NOT NULL GROUP BY outcome").fetchall()
        decided = query("SELECT decision, count(*) FROM ended WHERE decision IS NOT NULL GROUP BY decision").fetchall()
        headers: dict[int, dict[str, Any]] = {}
        of_writers = dict(self.writers.values())
        for run, writer in query("SELECT run, writer FROM writer ORDER BY position").fetchall():
            # A sensor's header does not say how many rows there are.
            headers[run] = {**of_writers[writer], **headers.get(run, {})}
        totals = Totals(
            headers=[headers[run] for run in sorted(headers)],
            counts={"rows": states.total(), **{state.value: states[state] for state in RowState}},
            listed=codes.total(),
            in_flight=in_flight[0][0],
            contacts=states[RowState.CREATED] + states[RowState.ALREADY_CREATED],
            outcomes=dict(ended),
            decisions=dict(decided),
            wait=self._histogram("wait"),
            handle=self._histogram("handle"),
            fresh_at=_CLOCK.epoch(),
        )
        _set(self.database, _TOTALS, {**dataclasses.asdict(totals), "states": codes})

    def _histogram(self, column: str) -> dict[str, Any] | None:
        """Return how long something took, in buckets; ``None`` where nobody knows."""
        query = self.database.execute
        [(count,)] = query(f"SELECT count(*) FROM ended WHERE {column} IS NOT NULL")  # noqa: S608  # a name of ours
        if not count:
            return None
        middle = f"SELECT {column} FROM ended WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1 OFFSET ?"  # noqa: S608
        [(median,)] = query(middle, (count // 2,))
        buckets = []
        for low, high in zip(_EDGES, (*_EDGES[1:], None), strict=True):
            values = (low, 1e18 if high is None else high)
            [(inside,)] = query(f"SELECT count(*) FROM ended WHERE {column} >= ? AND {column} < ?", values)  # noqa: S608
            buckets.append({"from": low, "to": high, "count": inside})
        filled = [number for number, bucket in enumerate(buckets) if bucket["count"]]
        return {"count": count, "median": median, "buckets": buckets[: filled[-1] + 1] if filled else []}


class _Counted:
    """
    Blocks of a file, of which is counted how much ends with a whole line.

    :param blocks: the blocks
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.lines = self.whole = 0

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        for block in self._blocks:
            self.lines += block.count(b"\n")
            if end := block.rfind(b"\n") + 1:
                self.whole = read + end
            read += len(block)
            yield block


#: What is sorted by going through groups of rows, each in the order of its rows: conditions, and the states in them.
_GROUPS: Final[Mapping[str, tuple[tuple[str, Collection[int]], ...]]] = {
    "problems": (
        *((f"state = {code}", {code}) for code in _PROBLEM_CODES),
        (f"state NOT IN ({', '.join(map(str, _PROBLEM_CODES))})", _STATES.keys() - set(_PROBLEM_CODES)),
    ),
    # As a person reads them: the order of RowState, which is that of every report.
    "state": tuple((f"state = {_CODES[state]}", {_CODES[state]}) for state in RowState),
}


def _conditions(
    states: Collection[RowState], outcomes: Collection[str], search: str, *, with_keys: bool, is_running: bool
) -> tuple[str, list[Any]]:
    """Return the condition of rows that are wanted, empty for all, and the values in it."""
    conditions: list[str] = []
    values: list[Any] = []
    if is_running:
        conditions.append(f"NOT (state = {_CODES[RowState.UNKNOWN]} AND row IN ({_IN_FLIGHT}))")
    if states:
        conditions.append(f"state IN ({', '.join(str(_CODES[state]) for state in states)})")
    if outcomes:
        ended = [outcome for outcome in outcomes if outcome != OPEN]
        either = [f"outcome IN ({', '.join('?' * len(ended))})"] if ended else []
        if OPEN in outcomes:
            either.append("outcome IS NULL AND contact_id IS NOT NULL")
        conditions.append(f"({' OR '.join(either)})")
        values += ended
    if search:
        escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        columns = ["contact_id", "error", *(["key"] if with_keys else [])]
        either = [f"{column} LIKE ? ESCAPE '\\'" for column in columns]
        values += [f"%{escaped}%"] * len(columns)
        if search.isascii() and search.isdecimal() and len(search) < 16:
            either.append("row = ?")
            values.append(int(search))
        conditions.append(f"({' OR '.join(either)})")
    return " AND ".join(conditions), values


def _count(database: sqlite3.Connection, where: str, values: Sequence[Any]) -> dict[int, int]:
    """Return how many rows that are wanted have which state."""
    query = f"SELECT state, count(*) FROM contact WHERE {where} GROUP BY state"  # noqa: S608  # values are parameters
    return dict(database.execute(query, values).fetchall())


def _in_groups(
    database: sqlite3.Connection,
    where: str,
    values: Sequence[Any],
    groups: Iterable[tuple[str, Collection[int]]],
    counts: Mapping[int, int],
    limit: int,
    offset: int,
) -> list[tuple[Any, ...]]:
    """Return a page of rows that are sorted by groups."""
    found: list[tuple[Any, ...]] = []
    for condition, codes in groups:
        count = sum(counts.get(code, 0) for code in codes)
        if offset < count and len(found) < limit:
            both = f"{condition} AND {where}" if where else condition
            found += _select(database, both, values, "run, row", limit - len(found), offset)
        offset = max(offset - count, 0)
    return found


def _sorted(
    database: sqlite3.Connection,
    where: str,
    values: Sequence[Any],
    sort: str,
    *,
    descending: bool,
    limit: int,
    offset: int,
) -> list[tuple[Any, ...]]:
    """Return a page of rows that are sorted by a column; what is not known comes last."""
    way = "DESC" if descending else "ASC"
    order = f"run {way}, row {way}" if sort == "row" else f"{sort} IS NULL, {sort} {way}, run, row"
    return _select(database, where, values, order, limit, offset)


def _select(
    database: sqlite3.Connection, where: str, values: Sequence[Any], order: str, limit: int, offset: int
) -> list[tuple[Any, ...]]:
    """Return a page of rows. What is left out before it is looked up in an index, where there is one, and not read."""
    page = f"SELECT id FROM contact {f'WHERE {where} ' if where else ''}ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
    query = f"{_SELECT} WHERE id IN ({page}) ORDER BY {order}"
    return database.execute(query, (*values, limit, offset)).fetchall()


def _sizes(place: Place) -> dict[str, int]:
    """Return the sizes of the segments below a place, by their paths."""
    place.fs.invalidate_cache(place.path)  # others write here
    try:
        found = place.fs.find(place.path, detail=True)
    except FileNotFoundError:
        return {}
    return {path: file["size"] for path, file in found.items() if Segment.at(path)}


def _connect(file: Path) -> sqlite3.Connection:
    """Open an index that is there."""
    import sqlite3

    database = sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, isolation_level=None)
    database.execute("PRAGMA busy_timeout = 10000")
    database.execute("PRAGMA synchronous = OFF")  # what is lost with the machine is read again
    database.execute(f"PRAGMA cache_size = {-_CACHE_BYTES // 1024}")
    return database


def _remove(file: Path) -> None:
    """Delete an index; who has it open reads on."""
    for suffix in ("", "-wal", "-shm"):
        file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)


def _get(database: sqlite3.Connection, name: str) -> Any:
    [(value,)] = database.execute("SELECT value FROM state WHERE name = ?", (name,))
    found = json.loads(value)
    if name == _TOTALS:
        found["states"] = {int(code): count for code, count in found["states"].items()}
    return found


def _set(database: sqlite3.Connection, name: str, value: Any) -> None:
    database.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, json.dumps(value)))
