"""
Contacts and client tokens in SQLite, in memory or in a file.

A file survives restarts and kills of the process, and holds a million contacts. It belongs to one process at a
time. The store knows columns, indexes and transactions; what a contact may do is decided in :mod:`.service`.
"""

# ruff: noqa: S608 -- SQL is put together from the columns' names; values go in as parameters

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: "ACon" in SQLite's header says that a file is ours.
_APPLICATION_ID = 0x41436F6E
_SCHEMA_VERSION = 2
_SQLITE_HEADER = b"SQLite format 3\x00"


class DataFileError(Exception):
    """The data file cannot be used; it was left as it is."""


#: What may become of a ringing call, beside the reasons with which it ends.
ANSWERED = "ANSWERED"


class State(StrEnum):
    """Where a contact is in its life. A contact is active until it has ended."""

    #: Exists, and is in no queue: a task made by CreateContact.
    CREATED = "CREATED"
    #: Waits for its ScheduledTime.
    SCHEDULED = "SCHEDULED"
    #: A call that was placed, and that nobody has answered.
    RINGING = "RINGING"
    #: Waits in a queue, or for the user it was sent to.
    QUEUED = "QUEUED"
    #: An agent has it.
    CONNECTED = "CONNECTED"
    #: Ended; ``disconnect_reason`` says why.
    ENDED = "ENDED"


@dataclass(slots=True)
class Contact:
    """
    All that is stored of a contact. Times are epoch seconds.

    :param created_by: the operation that made it.
    :param initial_contact_id: the first contact of its chain, whose attributes the whole chain shares.
    :param attributes: of the chain; on a contact that is not the first one, a view of the first one's.
    :param user_id: the user that it was meant for (UserInfo, a quick connect or a transfer to a user).
    :param agent_id: the agent who accepted it.
    :param rings_until: when a call stops ringing by itself.
    :param rings_end: what that means: :data:`ANSWERED`, or the reason with which the call ends.
    :param answered_at: when somebody answered a call.
    :param answering_machine: Amazon's AnsweringMachineDetectionStatus, for calls that asked for the detection.
    """

    id: str
    created_by: str
    channel: str
    initiation_method: str
    state: State
    initial_contact_id: str
    initiated_at: float
    updated_at: float
    previous_contact_id: str | None = None
    related_contact_id: str | None = None
    name: str | None = None
    description: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    references: dict[str, dict[str, str]] = field(default_factory=dict)
    segment_attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    attachments: list[dict[str, str]] = field(default_factory=list)
    customer_endpoint: dict[str, str] | None = None
    system_endpoint: dict[str, str] | None = None
    additional_recipients: dict[str, Any] | None = None
    client_token: str | None = None
    flow_id: str | None = None
    quick_connect_id: str | None = None
    task_template_id: str | None = None
    queue_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    expiry_minutes: int | None = None
    transfers: int = 0
    scheduled_at: float | None = None
    enqueued_at: float | None = None
    connected_at: float | None = None
    disconnected_at: float | None = None
    expires_at: float | None = None
    disconnect_reason: str | None = None
    campaign_id: str | None = None
    traffic_type: str | None = None
    rings_until: float | None = None
    rings_end: str | None = None
    answered_at: float | None = None
    answering_machine: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """A copy for readers outside the emulator."""
        return asdict(self)


class Token(NamedTuple):
    """What a client token was used for."""

    digest: bytes
    contact_id: str


_COLUMNS = tuple(column.name for column in fields(Contact))
#: "references" is a word of SQL's.
_QUOTED = ", ".join(f'"{name}"' for name in _COLUMNS)
_DOCUMENTS = tuple(
    _COLUMNS.index(name)
    for name in (
        "attributes",
        "references",
        "segment_attributes",
        "tags",
        "attachments",
        "customer_endpoint",
        "system_endpoint",
        "additional_recipients",
    )
)
_SCHEMA = f"""
CREATE TABLE contacts (sequence INTEGER PRIMARY KEY AUTOINCREMENT, {_QUOTED});
CREATE UNIQUE INDEX contacts_id ON contacts (id);
CREATE INDEX contacts_chain ON contacts (initial_contact_id) WHERE previous_contact_id IS NOT NULL;
CREATE INDEX contacts_active ON contacts (state, sequence) WHERE state <> 'ENDED';
CREATE INDEX contacts_expiring ON contacts (expires_at) WHERE state <> 'ENDED' AND expires_at IS NOT NULL;
CREATE INDEX contacts_ringing ON contacts (rings_until) WHERE state = 'RINGING';
CREATE INDEX contacts_starting ON contacts (scheduled_at) WHERE state = 'SCHEDULED';
CREATE INDEX contacts_initiated ON contacts (initiated_at);
CREATE INDEX contacts_scheduled ON contacts (scheduled_at) WHERE scheduled_at IS NOT NULL;
CREATE INDEX contacts_enqueued ON contacts (enqueued_at) WHERE enqueued_at IS NOT NULL;
CREATE INDEX contacts_connected ON contacts (connected_at) WHERE connected_at IS NOT NULL;
CREATE INDEX contacts_disconnected ON contacts (disconnected_at) WHERE disconnected_at IS NOT NULL;
CREATE TABLE tokens (
    operation TEXT, token TEXT, digest BLOB, contact_id TEXT, expires_at REAL, PRIMARY KEY (operation, token)
) WITHOUT ROWID;
CREATE INDEX tokens_expiring ON tokens (expires_at);
CREATE TABLE instance (id TEXT, created_at REAL);
"""
_INSERT = f"INSERT INTO contacts ({_QUOTED}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_SELECT = f"SELECT {_QUOTED} FROM contacts"


class Store:
    """
    The emulator's state.

    :param path: a data file, made when it is not there; None keeps everything in memory.
    :param instance_id: the instance that the contacts belong to; None takes the file's, or *default_instance_id*.
    :param default_instance_id: for a new store when *instance_id* is None.
    :param now: when a new store's instance was made, epoch seconds.
    :raises DataFileError: when the file is not the emulator's, damaged, of a newer version, in use by another process,
        or has the contacts of another instance. The file is not changed then.
    """

    def __init__(
        self, path: str | Path | None, *, instance_id: str | None, default_instance_id: str, now: float
    ) -> None:
        self.lock = threading.RLock()
        self.path = None if path is None else Path(path)
        #: Grows with each change, so that a reader sees cheaply that something changed.
        self.revision = 0
        #: Called with each change of a contact when it is for good: the contact before (None: it is new) and after.
        self.watcher: Callable[[Contact | None, Contact], None] | None = None
        self._changes: list[tuple[Contact | None, Contact]] = []
        is_new = self.path is None or not self.path.exists() or self.path.stat().st_size == 0
        if self.path is not None and not is_new:
            _check_header(self.path)
        try:
            self._database = self._open()
        except sqlite3.Error as error:
            raise DataFileError(f"{self.path}: cannot be used as a data file: {error}.") from error
        try:
            if is_new:
                self._create(instance_id or default_instance_id, now)
            else:
                self._check_pages()
            self.instance_id, self.created_at = self._database.execute("SELECT id, created_at FROM instance").fetchone()
            self._check_instance(instance_id)
            self._write_ahead()
            self._database.execute("DELETE FROM tokens WHERE expires_at <= ?", (now,))
            self.active = self._count_active()
        except (sqlite3.Error, TypeError) as error:
            self._database.close()
            raise DataFileError(f"{self.path}: is damaged: {error}.") from error
        except DataFileError:
            self._database.close()
            raise

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self.path or ":memory:", isolation_level=None, check_same_thread=False, timeout=0, cached_statements=256
        )
        try:
            database.execute("PRAGMA temp_store = MEMORY")
            database.execute("PRAGMA cache_size = -65536")
            # One process owns the file, and a second emulator fails at once.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def _check_pages(self) -> None:
        if self._database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise DataFileError(f"{self.path}: is damaged.")

    def _check_instance(self, instance_id: str | None) -> None:
        if instance_id not in (None, self.instance_id):
            raise DataFileError(
                f"{self.path}: has the contacts of instance {self.instance_id}, not of {instance_id}. "
                "Leave the instance ID out, or use another file."
            )

    def _write_ahead(self) -> None:
        # Not before the schema is there: until a checkpoint the file's header would not be ours.
        self._database.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing; only a crash of the machine can lose the last moments.
        self._database.execute("PRAGMA synchronous = NORMAL")

    def _create(self, instance_id: str, now: float) -> None:
        self._database.execute("BEGIN")
        for statement in _SCHEMA.split(";\n"):
            self._database.execute(statement)
        self._database.execute("INSERT INTO instance VALUES (?, ?)", (instance_id, now))
        self._database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        self._database.execute("COMMIT")

    def _count_active(self) -> int:
        count: int = self._database.execute("SELECT count(*) FROM contacts WHERE state <> 'ENDED'").fetchone()[0]
        return count

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what happens inside, or nothing of it; other threads wait."""
        with self.lock:
            active = self.active
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                self.active = active
                self._changes.clear()
                raise
            self._database.execute("COMMIT")
            self.revision += 1
            changes, self._changes = self._changes, []
            if self.watcher:
                for before, after in changes:
                    self.watcher(before, after)

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        with self.lock:
            self._database.close()

    def clear(self) -> None:
        """Remove all contacts and tokens."""
        with self.transaction():
            self._database.execute("DELETE FROM contacts")
            self._database.execute("DELETE FROM tokens")
            self.active = 0

    def insert(self, contact: Contact) -> None:
        """Add a contact."""
        self._database.execute(_INSERT, _to_row(contact))
        self.active += contact.state is not State.ENDED
        if self.watcher:
            self._changes.append((None, self._watched(contact.id)))

    def update(self, contact_id: str, **columns: Any) -> None:
        """Change columns of a contact, named as the fields of :class:`Contact`."""
        documents = {_COLUMNS[index] for index in _DOCUMENTS}
        names = ", ".join(f'"{name}" = ?' for name in columns)
        values = [_write(value) if name in documents else value for name, value in columns.items()]
        if columns.get("state") == State.ENDED:
            self.active -= 1
        before = self._watched(contact_id) if self.watcher else None
        self._database.execute(f"UPDATE contacts SET {names} WHERE id = ?", (*values, contact_id))
        if before:
            self._changes.append((before, self._watched(contact_id)))

    def expire(self, now: float) -> None:
        """End all contacts whose time is over, each at its own time, in one go: it may be a million."""
        expiring = self.select("state <> 'ENDED' AND expires_at <= ?", (now,)) if self.watcher else []
        self.active -= self._database.execute(
            "UPDATE contacts SET state = 'ENDED', disconnect_reason = 'EXPIRED', disconnected_at = expires_at, "
            "updated_at = expires_at WHERE state <> 'ENDED' AND expires_at <= ?",
            (now,),
        ).rowcount
        self._changes += [(before, self._watched(before.id)) for before in expiring]

    def _watched(self, contact_id: str) -> Contact:
        contact = self.get(contact_id)
        assert contact is not None
        return contact

    def get(self, contact_id: str) -> Contact | None:
        """One contact, with its chain's attributes; None when the ID is not known."""
        with self.lock:
            row = self._database.execute(f"{_SELECT} WHERE id = ?", (contact_id,)).fetchone()
            return None if row is None else self._from_row(row)

    def select(
        self, condition: str = "TRUE", parameters: tuple[Any, ...] = (), order: str = "sequence"
    ) -> list[Contact]:
        """All contacts of an SQL condition over the columns, oldest first unless *order* says else."""
        with self.lock:
            rows = self._database.execute(f"{_SELECT} WHERE {condition} ORDER BY {order}", parameters).fetchall()
            return [self._from_row(row) for row in rows]

    def query(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a SELECT."""
        with self.lock:
            return self._database.execute(statement, parameters).fetchall()

    def chain_size(self, initial_contact_id: str) -> int:
        """How many contacts were linked to the first of a chain, transfers aside."""
        statement = (
            "SELECT count(*) FROM contacts WHERE initial_contact_id = ? AND previous_contact_id IS NOT NULL "
            "AND created_by <> 'TransferContact'"
        )
        count: int = self._database.execute(statement, (initial_contact_id,)).fetchone()[0]
        return count

    def calls(self, *, campaign: bool) -> int:
        """How many outbound calls have not ended, of those that belong to a campaign or of the others."""
        statement = (
            "SELECT count(*) FROM contacts WHERE state <> 'ENDED' AND created_by = 'StartOutboundVoiceContact' "
            "AND (traffic_type IS 'CAMPAIGN') = ?"
        )
        count: int = self._database.execute(statement, (campaign,)).fetchone()[0]
        return count

    def next_due(self) -> float:
        """When the next contact expires, starts or stops ringing, infinite when none does."""
        statement = (
            "SELECT (SELECT min(expires_at) FROM contacts WHERE state <> 'ENDED' AND expires_at IS NOT NULL), "
            "(SELECT min(scheduled_at) FROM contacts WHERE state = 'SCHEDULED'), "
            "(SELECT min(rings_until) FROM contacts WHERE state = 'RINGING')"
        )
        times = self._database.execute(statement).fetchone()
        return min((time for time in times if time is not None), default=float("inf"))

    def token(self, operation: str, token: str, now: float) -> Token | None:
        """What a client token was used for, None when it was not, or when it has been forgotten."""
        row = self._database.execute(
            "SELECT digest, contact_id FROM tokens WHERE operation = ? AND token = ? AND expires_at > ?",
            (operation, token, now),
        ).fetchone()
        return None if row is None else Token(*row)

    def remember(self, operation: str, token: str, use: Token, expires_at: float) -> None:
        """Keep what a client token was used for."""
        self._database.execute(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?, ?)", (operation, token, *use, expires_at)
        )

    def _from_row(self, row: tuple[Any, ...]) -> Contact:
        values = list(row)
        for index in _DOCUMENTS:
            if values[index] is not None:
                values[index] = json.loads(values[index])
        contact = Contact(*values)
        contact.state = State(contact.state)
        if contact.initial_contact_id != contact.id:
            shared = self._database.execute(
                "SELECT attributes FROM contacts WHERE id = ?", (contact.initial_contact_id,)
            ).fetchone()
            contact.attributes = json.loads(shared[0])
        return contact


def _to_row(contact: Contact) -> list[Any]:
    values = [getattr(contact, name) for name in _COLUMNS]
    for index in _DOCUMENTS:
        values[index] = _write(values[index])
    return values


def _write(document: Any) -> str | None:
    if document is None:
        return None
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _check_header(path: Path) -> None:
    """Look at the file before SQLite does, which would write beside it."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise DataFileError(f"{path}: cannot be read: {error.strerror}.") from error
    if header[:16] != _SQLITE_HEADER or int.from_bytes(header[68:72]) != _APPLICATION_ID:
        raise DataFileError(f"{path}: is not a data file of the local Amazon Connect.")
    version = int.from_bytes(header[60:64])
    if version != _SCHEMA_VERSION:
        raise DataFileError(f"{path}: has version {version} of the data format, this emulator has {_SCHEMA_VERSION}.")
