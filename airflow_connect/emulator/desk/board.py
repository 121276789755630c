"""
What the desk reads: pages of contacts, counts, and the relatives of a contact.

Each answer costs a bounded number of rows, so that an open desk does not slow an emulator with a million contacts:
counts stop at :data:`COUNTED`, and a search looks through :data:`WINDOW` contacts at a time.
"""

# ruff: noqa: S608 -- SQL is put together from this module's own words; what a person typed goes in as parameters

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_connect.emulator.store import State

if TYPE_CHECKING:
    from airflow_connect.emulator.store import Store

#: Contacts on one page.
PAGE = 50
#: Contacts that one request looks through for those that match a filter.
WINDOW = 5_000
#: The highest exact count; what is more is shown as "10,000+".
COUNTED = 10_000
#: The value of a filter by queue that stands for contacts in no queue.
NO_QUEUE = "none"

_RELATIVES = 20


class View(StrEnum):
    """The lists of contacts that a desk has."""

    #: Created or queued, which an agent may accept, and calls that ring. Oldest first.
    WAITING = "waiting"
    #: Accepted by an agent. Oldest first.
    IN_WORK = "in-work"
    #: Not before their time. Oldest first.
    SCHEDULED = "scheduled"
    #: The latest to end first.
    ENDED = "ended"


_STATES = {
    View.WAITING: (State.CREATED, State.QUEUED, State.RINGING),
    View.IN_WORK: (State.CONNECTED,),
    View.SCHEDULED: (State.SCHEDULED,),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """
    Which contacts a list shows.

    :param view: one of the lists.
    :param text: part of the name, of an attribute's key or value, or the beginning of the contact's ID; any case.
    :param channel: VOICE, CHAT, TASK or EMAIL; empty for all.
    :param queue: a queue's ID, :data:`NO_QUEUE`, or empty for all.
    :param after: where the page before ended, as :attr:`Page.next` says; empty for the first page.
    """

    view: View = View.WAITING
    text: str = ""
    channel: str = ""
    queue: str = ""
    after: str = ""

    @property
    def narrows(self) -> bool:
        """Whether it leaves out contacts of its view."""
        return bool(self.text or self.channel or self.queue)


class Row(NamedTuple):
    """What a list shows of a contact. Times are epoch seconds."""

    sequence: int
    id: str
    name: str | None
    channel: str
    state: str
    queue_id: str | None
    user_id: str | None
    agent_id: str | None
    initiated_at: float
    scheduled_at: float | None
    enqueued_at: float | None
    connected_at: float | None
    disconnected_at: float | None
    disconnect_reason: str | None


class Page(NamedTuple):
    """
    A part of a list.

    :param rows: at most :data:`PAGE`.
    :param next: where the next page goes on; empty on the last page.
    :param is_partial: whether the search stopped before it had found a whole page.
    """

    rows: list[Row]
    next: str
    is_partial: bool


class Relative(NamedTuple):
    """A contact that another one is linked to."""

    id: str
    name: str | None
    created_by: str


_COLUMNS = ", ".join(Row._fields)
#: The attributes of a chain are its first contact's.
_TEXT = "(SELECT first.attributes FROM contacts first WHERE first.id = contacts.initial_contact_id)"


class Board:
    """
    Reads for the desk.

    :param store: where contacts are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, wanted: Filter) -> Page:
        """
        The contacts of a list, page by page.

        An *after* that no page has ended with starts from the beginning.
        """
        limit = WINDOW if wanted.narrows else PAGE + 1
        found = self._window(wanted, limit)
        text = wanted.text.casefold()
        rows: list[Row] = []
        for *columns, attributes in found:
            row = Row(*columns)
            if not _matches(row, attributes, wanted, text):
                continue
            if len(rows) == PAGE:
                return Page(rows, _cursor(rows[-1]), is_partial=False)
            rows.append(row)
        if len(found) == limit:
            return Page(rows, _cursor(Row(*found[-1][:-1])), is_partial=True)
        return Page(rows, "", is_partial=False)

    def counts(self) -> dict[View, int]:
        """How many contacts each list has, counted up to :data:`COUNTED` + 1."""
        return {view: self._count(view) for view in View}

    def relatives(self, contact_id: str, initial_contact_id: str) -> list[Relative]:
        """The contacts that follow a contact in its chain: transfers, and contacts that name it as their previous."""
        rows = self._store.query(
            "SELECT id, name, created_by FROM contacts WHERE initial_contact_id = ? AND previous_contact_id = ? "
            "ORDER BY sequence LIMIT ?",
            (initial_contact_id, contact_id, _RELATIVES),
        )
        return [Relative(*row) for row in rows]

    def _window(self, wanted: Filter, limit: int) -> list[tuple[Any, ...]]:
        columns = f"{_COLUMNS}, {_TEXT if wanted.text else 'NULL'}"
        time, sequence = _read_cursor(wanted.after)
        if wanted.view is View.ENDED:
            return self._store.query(
                f"SELECT {columns} FROM contacts WHERE disconnected_at IS NOT NULL "
                "AND (disconnected_at, sequence) < (?, ?) ORDER BY disconnected_at DESC, sequence DESC LIMIT ?",
                (time, sequence or _LAST, limit),
            )
        # Each state's contacts come in order from the index, and SQLite merges them without sorting.
        parts = [
            f"SELECT {columns} FROM contacts WHERE state <> 'ENDED' AND state = ? AND sequence > ?"
            for _ in _STATES[wanted.view]
        ]
        parameters = [value for state in _STATES[wanted.view] for value in (state, sequence)]
        return self._store.query(f"{' UNION ALL '.join(parts)} ORDER BY sequence LIMIT ?", (*parameters, limit))

    def _count(self, view: View) -> int:
        if view is View.ENDED:
            return self._count_where("disconnected_at IS NOT NULL")
        return sum(self._count_where("state <> 'ENDED' AND state = ?", state) for state in _STATES[view])

    def _count_where(self, condition: str, *parameters: str) -> int:
        statement = f"SELECT count(*) FROM (SELECT 1 FROM contacts WHERE {condition} LIMIT ?)"
        count: int = self._store.query(statement, (*parameters, COUNTED + 1))[0][0]
        return count


#: Comes after every contact's sequence number.
_LAST = 2**62
_CURSOR = re.compile(r"(\d{1,12}(?:\.\d{1,9})?):(\d{1,18})", re.ASCII)


def _matches(row: Row, attributes: str | None, wanted: Filter, text: str) -> bool:
    if wanted.channel and row.channel != wanted.channel:
        return False
    if wanted.queue and (row.queue_id or NO_QUEUE) != wanted.queue:
        return False
    return (
        not text
        or text in (row.name or "").casefold()
        or row.id.startswith(text)
        or (attributes is not None and text in attributes.casefold())
    )


def _cursor(row: Row) -> str:
    return f"{row.disconnected_at or 0!r}:{row.sequence}"


def _read_cursor(after: str) -> tuple[float, int]:
    """The time and sequence number of a cursor; without one, what comes after all in time and before all in number."""
    match = _CURSOR.fullmatch(after)
    return (float(match[1]), int(match[2])) if match else (float("inf"), 0)
