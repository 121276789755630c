"""
What a task waits for, and what has become of it so far: a few contacts in memory, or a run's in its results.

This module does not know Airflow or a client; it imports Airflow's object storage where results are there.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from airflow_connect.api.errors import RecordError
from airflow_connect.api.fields import contact_id_of, text_of
from airflow_connect.api.outcome import ALL_ATTRIBUTES, OutcomeState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from airflow_connect.api.outcome import Outcome
    from airflow_connect.record.ledger import Ledger

__all__ = [
    "Awaited",
    "InMemory",
    "InResults",
    "contact_ids_of",
    "contacts_needed",
    "count_states",
    "is_list",
    "list_contacts",
    "name_unknown",
    "recorder_of",
    "results_of",
    "unknown_in_words",
]


#: Rows with an unknown result that a summary, and the log, name at most.
MOST_NAMED: Final = 100
MOST_IN_LOG: Final = 10
#: The numbers that ``wait_for`` takes: a count of contacts, or a share of them.
_COUNT_OR_PERCENT: Final = re.compile(r"(\d+)|(\d+(?:\.\d+)?) ?%", re.ASCII)
#: Amazon's are UUIDs; what else it may be is not documented.
_CONTACT_ID: Final = re.compile(r"[\w.:/-]+", re.ASCII)


def contacts_needed(wait_for: str | int, total: int) -> int:
    """
    Return how many contacts have to end.

    :param wait_for: ``"all"``, ``"any"``, a number of contacts from 1 (``3`` or ``"3"``; all, if there are fewer),
        or a share of them above 0% and up to 100% (``"80%"``), rounded up to whole contacts
    :param total: how many there are
    :raises ValueError: if it is something else
    """
    from fractions import Fraction

    text = str(wait_for).strip()
    if text == "all":
        return total
    if text == "any":
        return min(1, total)
    found = _COUNT_OR_PERCENT.fullmatch(text)
    count, percent = found.groups() if found else (None, None)
    if count is not None and int(count) >= 1:
        return min(int(count), total)
    # As it was written: 16.1 % of 1,000 is 161, and by floats a little more.
    if percent is not None and 0 < (share := Fraction(percent)) <= 100:
        return math.ceil(total * share / 100)
    raise ValueError(
        'wait_for must be "all", "any", a number of contacts from 1, or a share of them above 0% and up to 100%, such '
        'as "80%".'
    )


class Awaited(Protocol):
    """The contacts of a wait, and what became of those that have ended."""

    @property
    def total(self) -> int:
        """How many contacts there are."""

    @property
    def counts(self) -> Counter[str]:
        """How many ended in each state."""

    @property
    def created_since(self) -> float | None:
        """When the first of those was created that are not in ``describe_first`` (seconds since 1970)."""

    @property
    def describe_first(self) -> Collection[str] | None:
        """Those that may have ended before that, or may not be there at all; ``None`` for all."""

    @property
    def transferred_to(self) -> Mapping[str, str]:
        """What contacts were transferred to that have not ended, as far as is known."""

    @property
    def unknown(self) -> Sequence[int]:
        """The numbers of the rows with an unknown result: each may have a contact that the wait misses."""

    def open(self) -> Iterable[str]:
        """Return those that have not ended."""

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""

    def transferred(self, contact_id: str, transferred_to: str) -> None:
        """Keep what a contact was transferred to."""

    def flush(self) -> None:
        """Wait until what was added is kept for good."""

    def close(self) -> None:
        """Keep what was added, and end."""

    def summary(self) -> dict[str, int]:
        """Return how many contacts there are, how many ended in each state, and how many are open."""

    def unrecorded(self) -> list[dict[str, Any]]:
        """Return the outcomes that are known nowhere else, without attributes."""


class InMemory:
    """
    A few contacts, whose outcomes are kept in memory.

    :param contact_ids: the contacts
    :param outcomes: the outcomes that are known
    :param transferred_to: what contacts were transferred to, as far as is known
    """

    created_since = None
    describe_first = None
    unknown: Sequence[int] = ()

    def __init__(
        self,
        contact_ids: Iterable[str],
        outcomes: Iterable[Outcome] = (),
        transferred_to: Mapping[str, str] | None = None,
    ) -> None:
        self.outcomes: dict[str, Outcome | None] = dict.fromkeys(contact_ids)
        self.counts: Counter[str] = Counter()
        self.transferred_to: dict[str, str] = dict(transferred_to or {})
        for outcome in outcomes:
            self.add(outcome)

    @property
    def total(self) -> int:
        """How many contacts there are."""
        return len(self.outcomes)

    def open(self) -> list[str]:
        """Return those that have not ended."""
        return [contact_id for contact_id, outcome in self.outcomes.items() if outcome is None]

    def ended(self) -> list[Outcome]:
        """Return the outcomes, in the order in which the contacts were given."""
        return [outcome for outcome in self.outcomes.values() if outcome is not None]

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        self.outcomes[outcome.contact_id] = outcome
        self.counts[str(outcome.state)] += 1
        self.transferred_to.pop(outcome.contact_id, None)

    def transferred(self, contact_id: str, transferred_to: str) -> None:
        """Keep what a contact was transferred to."""
        self.transferred_to[contact_id] = transferred_to

    def flush(self) -> None:
        """Do nothing: outcomes in memory cannot be kept better."""

    def close(self) -> None:
        """Do nothing."""

    def summary(self) -> dict[str, int]:
        """Return how many contacts there are, how many ended in each state, and how many are open."""
        return count_states(self.total, self.counts)

    def unrecorded(self) -> list[dict[str, Any]]:
        """Return the outcomes, without attributes."""
        return [outcome.as_dict() for outcome in self.ended()]


class InResults:
    """
    The contacts of a run, any number of them, whose outcomes are kept with its results.

    Every outcome is on record once it is found. So a wait that is resumed (a triggerer that was killed, a retry) does
    not read contacts again that have ended, unless it wants attributes that were not recorded. Two waits for the same
    run record some outcomes twice; readers take the one with more attributes, or the first. Blocks: files are read and
    written.

    :param path: the folder of the run's results
    :param conn_id: the Airflow connection to the object store
    :param attributes: the names of the attributes that are kept, or :data:`~airflow_connect.api.outcome.ALL_ATTRIBUTES`
    :raises RecordError: if the results do not exist, or are damaged
    """

    def __init__(self, path: str, *, conn_id: str | None = None, attributes: Sequence[str] = ()) -> None:
        from airflow_connect.record.format import RowState
        from airflow_connect.record.results import created_contacts

        self.path = path
        self.conn_id = conn_id
        self._attributes = attributes if isinstance(attributes, str) else list(attributes)
        self._ledger: Ledger | None = None
        self.counts: Counter[str] = Counter()
        self.total = 0
        self._open: list[str] = []
        self.transferred_to: dict[str, str] = {}
        #: Contacts that an earlier run created, and those that have ended and are read again.
        self.describe_first: set[str] = set()
        self._header, found, self.unknown, _ = created_contacts(path, conn_id=conn_id)
        self.created_since = datetime.fromisoformat(self._header["started"]).timestamp()
        for contact_id, state, outcome, transferred_to in found:
            self.total += 1
            if outcome is not None and not self._wants_more(outcome.get("asked")):
                self.counts[outcome["state"]] += 1
                continue
            self._open.append(contact_id)
            if transferred_to is not None:
                self.transferred_to[contact_id] = transferred_to
            if state is RowState.ALREADY_CREATED or outcome is not None:
                self.describe_first.add(contact_id)

    def _wants_more(self, asked: Sequence[str] | None) -> bool:
        """Return whether attributes are wanted that are not recorded; if so, those that are recorded are wanted too."""
        if asked is None:  # a task has stopped the contact: when it ended, and who had it, was not read
            return True
        if asked == ALL_ATTRIBUTES or (self._attributes != ALL_ATTRIBUTES and set(self._attributes) <= set(asked)):
            return False
        if self._attributes != ALL_ATTRIBUTES:
            self._attributes = [*dict.fromkeys([*self._attributes, *asked])]
        return True

    def open(self) -> list[str]:
        """Return those that have not ended, and forget them: the watch knows them."""
        found, self._open = self._open, []
        return found

    def add(self, outcome: Outcome) -> None:
        """
        Record an outcome.

        :raises RecordError: if it cannot be recorded
        """
        self._recorder().ended(outcome.as_dict(self._attributes), asked=self._attributes)
        self.counts[str(outcome.state)] += 1
        self.transferred_to.pop(outcome.contact_id, None)

    def transferred(self, contact_id: str, transferred_to: str) -> None:
        """
        Record what a contact was transferred to, so that other waits need not read it.

        :raises RecordError: if it cannot be recorded
        """
        if self.transferred_to.get(contact_id) != transferred_to:
            self.transferred_to[contact_id] = transferred_to
            self._recorder().transferred(contact_id, transferred_to)

    def _recorder(self) -> Ledger:
        if self._ledger is None:
            self._ledger = recorder_of(self.path, self.conn_id, self._header)
        return self._ledger

    def flush(self) -> None:
        """Wait until the outcomes outlast the machine, and others can read them."""
        if self._ledger is not None:
            self._ledger.flush()

    def close(self) -> None:
        """Flush, and end."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def summary(self) -> dict[str, int]:
        """Return how many contacts there are, how many ended in each state, and how many are open."""
        return count_states(self.total, self.counts)

    def unrecorded(self) -> list[dict[str, Any]]:
        """Return nothing: the outcomes are with the results."""
        return []


def recorder_of(path: str, conn_id: str | None, header: Mapping[str, Any]) -> Ledger:
    """
    Return what records in a run's results what becomes of its contacts.

    :param path: the folder of the results
    :param conn_id: the Airflow connection to the object store
    :param header: of the run's first segment
    :raises RecordError: if nothing can be recorded there
    """
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.storage import folder_of

    # A sensor's files count as the run's; attempts have numbers from 1.
    whose = {name: header.get(name) for name in ("dag_id", "run_id", "task_id", "map_index")}
    return Ledger(folder_of(path, conn_id), header={**whose, "try_number": 0})


def list_contacts(folder: Any, contact_ids: Iterable[str], *, header: Mapping[str, Any]) -> None:
    """
    Record contacts that were created elsewhere as the rows of a run, so that their outcomes can be recorded there.

    A second time it changes nothing, and completes what was killed in the middle.

    :param folder: the run's folder, see :func:`airflow_connect.record.ledger.run_folder`
    :param contact_ids: the contacts
    :param header: see :class:`airflow_connect.record.ledger.Ledger`
    :raises RecordError: if they cannot be recorded
    """
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.results import contacts
    from airflow_connect.record.storage import place_of

    contact_ids = list(contact_ids)
    if place_of(folder).find() and set(contact_ids) <= set(contacts(folder)):
        return
    with Ledger(folder, header={**header, "listed": True}) as ledger:
        for row, contact_id in enumerate(contact_ids, 1):
            ledger.already_created(row, None, f"contact:{contact_id}", contact_id)


def is_list(header: Mapping[str, Any]) -> bool:
    """
    Return whether results are a list of contacts that an author named, and not what a task created or found.

    :param header: of the first segment
    """
    return bool(header.get("listed"))


#: What is text for every argument, and may be an ID.
_TEXTS: Final = (str, bytes, UUID)


def contact_ids_of(given: object, instance_id: Callable[[], str]) -> list[str]:
    """
    Return contacts' IDs, each once.

    :param given: a contact's ID or ARN, or an iterable of them, such as the output of a mapped task
    :param instance_id: returns the ID of the instance that is called; asked for an ARN alone
    :raises TypeError: if it is neither, and ValueError if something in it is not an ID
    """
    if isinstance(given, _TEXTS):
        given = [given]
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise TypeError("contact_id is a contact's ID or a list of them.")
    ids = [(text_of(one) or "").strip() if isinstance(one, _TEXTS) else "" for one in given]
    if not all(_CONTACT_ID.fullmatch(one) and one != "None" for one in ids):
        raise ValueError(
            "contact_id has an item that is not a contact's ID: it is empty, is not text, or is the text of a list or "
            "of None, as a template gives it. Give the output of the task itself: contact_id=create.output."
        )
    return list(dict.fromkeys(contact_id_of(one, instance_id) for one in ids))


def results_of(given: object) -> tuple[str, str | None]:
    """
    Return the folder of results, and the connection to its object store.

    :param given: what a bulk operator or a sensor returned, the list of it that a mapped one returned, or a folder
    :raises TypeError: if it is neither, or the summary of a dry run
    """
    from airflow_connect.record.results import results_folder

    try:
        path, conn_id = results_folder(given)
    except RecordError as error:
        raise TypeError(str(error)) from None
    if not isinstance(path, (str, PathLike)) or not str(path):
        raise TypeError("results is the output of a BulkCreateContactsOperator, or the folder of its results.")
    return str(path), conn_id


def name_unknown(rows: Sequence[int]) -> dict[str, Any]:
    """
    Return how many rows have an unknown result, and the numbers of the first 100.

    :param rows: their numbers
    """
    return {"unknown": len(rows), **({"unknown_rows": list(rows[:MOST_NAMED])} if rows else {})}


def unknown_in_words(rows: Sequence[int]) -> str:
    """
    Return a sentence for the log about rows with an unknown result.

    :param rows: their numbers, at least one
    """
    named = ", ".join(map(str, rows[:MOST_IN_LOG]))
    more = f" and {len(rows) - MOST_IN_LOG:,} more" if len(rows) > MOST_IN_LOG else ""
    return (
        f"of {len(rows):,} rows it is not known whether they have a contact (row {named}{more}). Clear the task that "
        "sent them, which completes its record, and then this one."
    )


def count_states(total: int, counts: Mapping[str, int]) -> dict[str, int]:
    """
    Return how many contacts there are, how many ended in each state, and how many are open.

    The states of calls are among them if a contact ended so.
    """
    ended = {str(state): counts.get(state, 0) for state in OutcomeState if counts.get(state) or not state.is_of_calls}
    return {"contacts": total, **ended, "open": total - sum(ended.values())}
