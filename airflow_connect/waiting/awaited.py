"""
What a task waits for, and what has become of it so far: a few contacts in memory, or a run's in its results.

This module knows no Airflow and no client; it imports Airflow's object storage where results are there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Protocol

from airflow_connect.api.outcome import ALL_ATTRIBUTES, OutcomeState
from airflow_connect.record.format import RowState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow_connect.api.outcome import Outcome
    from airflow_connect.record.ledger import Ledger

__all__ = [
    "Awaited",
    "InMemory",
    "InResults",
    "contact_ids_of",
    "count_states",
    "is_list",
    "list_contacts",
    "results_of",
]


#: Amazon's are UUIDs; what else it may be is not documented.
_CONTACT_ID: Final = re.compile(r"[\w.:-]+", re.ASCII)


class Awaited(Protocol):
    """The contacts of a wait, and what became of those that have ended."""

    @property
    def total(self) -> int:
        """How many contacts there are."""

    @property
    def counts(self) -> Counter[str]:
        """How many ended in each state."""

    @property
    def made_since(self) -> float | None:
        """When the first of those was made that are not in ``describe_first`` (seconds since 1970)."""

    @property
    def describe_first(self) -> Collection[str] | None:
        """Those that may have ended before that, or may not be there at all; ``None`` for all."""

    def open(self) -> Iterable[str]:
        """Return those that have not ended."""

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""

    def flush(self) -> None:
        """Wait until what was added is kept for good."""

    def close(self) -> None:
        """Keep what was added, and end."""

    def summary(self) -> dict[str, int]:
        """Return how many contacts there are, how many ended in each state, and how many are open."""

    def tell(self) -> list[dict[str, Any]]:
        """Return the outcomes that are known nowhere else, without attributes."""


class InMemory:
    """
    A few contacts, whose outcomes are kept in memory.

    :param contact_ids: the contacts
    :param outcomes: the outcomes that are known
    """

    made_since = None
    describe_first = None

    def __init__(self, contact_ids: Iterable[str], outcomes: Iterable[Outcome] = ()) -> None:
        self.outcomes: dict[str, Outcome | None] = dict.fromkeys(contact_ids)
        self.counts: Counter[str] = Counter()
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

    def flush(self) -> None:
        """Do nothing: what is in memory is as safe as it gets."""

    def close(self) -> None:
        """Do nothing."""

    def summary(self) -> dict[str, int]:
        """Return how many contacts there are, how many ended in each state, and how many are open."""
        return count_states(self.total, self.counts)

    def tell(self) -> list[dict[str, Any]]:
        """Return the outcomes, without attributes."""
        return [outcome.as_dict() for outcome in self.ended()]


class InResults:
    """
    The contacts of a run, any number of them, whose outcomes are kept with its results.

    Every outcome is on record once it is found, so that whoever takes the wait up again (a triggerer that was killed, a
    retry) reads no contact again that has ended, unless attributes are wanted of it that nobody asked for before. Two
    who wait for the same run record some outcomes twice; readers take the one that tells more, or the first. Blocks:
    files are read and written.

    :param path: the folder of the run's results
    :param conn_id: the Airflow connection to the object store
    :param attributes: the names of the attributes that are kept, or :data:`~airflow_connect.api.outcome.ALL_ATTRIBUTES`
    :raises LedgerError: if there are no results, or they are damaged
    """

    def __init__(self, path: str, *, conn_id: str | None = None, attributes: Sequence[str] = ()) -> None:
        from airflow_connect.record.results import made_contacts

        self.path = path
        self.conn_id = conn_id
        self._attributes = attributes if isinstance(attributes, str) else list(attributes)
        self._ledger: Ledger | None = None
        self.counts: Counter[str] = Counter()
        self.total = 0
        self._open: list[str] = []
        #: Contacts that an earlier run made, and those that have ended and are read again.
        self.describe_first: set[str] = set()
        self._header, found = made_contacts(path, conn_id=conn_id)
        self.made_since = datetime.fromisoformat(self._header["started"]).timestamp()
        for contact_id, state, outcome in found:
            self.total += 1
            if outcome is not None and not self._wants_more(outcome.get("asked", ())):
                self.counts[outcome["state"]] += 1
                continue
            self._open.append(contact_id)
            if state is RowState.ALREADY_MADE or outcome is not None:
                self.describe_first.add(contact_id)

    def _wants_more(self, asked: Sequence[str]) -> bool:
        """Return whether attributes are wanted that were not asked for; if so, those that were are wanted as well."""
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

        :raises LedgerError: if it cannot be recorded
        """
        if self._ledger is None:
            from airflow_connect.record.ledger import Ledger
            from airflow_connect.record.storage import folder_of

            # What the reader takes for the run's must be the run's; attempts count from 1.
            header = {name: self._header.get(name) for name in ("dag_id", "run_id", "task_id", "map_index")}
            self._ledger = Ledger(folder_of(self.path, self.conn_id), header={**header, "try_number": 0})
        self._ledger.ended(outcome.as_dict(self._attributes), asked=self._attributes)
        self.counts[str(outcome.state)] += 1

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

    def tell(self) -> list[dict[str, Any]]:
        """Return nothing: the outcomes are with the results."""
        return []


def list_contacts(folder: Any, contact_ids: Iterable[str], *, header: Mapping[str, Any]) -> None:
    """
    Record contacts that were made elsewhere as the rows of a run, so that their outcomes can be kept there.

    A second time it changes nothing, and completes what was killed in the middle.

    :param folder: the run's folder, see :func:`airflow_connect.record.ledger.run_folder`
    :param contact_ids: the contacts
    :param header: see :class:`airflow_connect.record.ledger.Ledger`
    :raises LedgerError: if they cannot be recorded
    """
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.results import contacts
    from airflow_connect.record.storage import place_of

    contact_ids = list(contact_ids)
    if place_of(folder).find() and set(contact_ids) <= set(contacts(folder)):
        return
    with Ledger(folder, header={**header, "listed": True}) as ledger:
        for row, contact_id in enumerate(contact_ids, 1):
            ledger.already_made(row, None, f"contact:{contact_id}", contact_id)


def is_list(header: Mapping[str, Any]) -> bool:
    """
    Return whether results are a list of contacts that somebody named, rather than what a task created or found.

    :param header: of the first segment
    """
    return bool(header.get("listed"))


def contact_ids_of(given: object) -> list[str]:
    """
    Return contacts' IDs, each once.

    :param given: a contact's ID, or an iterable of them, such as the output of a mapped task
    :raises TypeError: if it is neither, and ValueError if something in it is no ID
    """
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Iterable) or isinstance(given, Mapping):
        raise TypeError("contact_id is a contact's ID or a list of them.")
    ids = list(given)
    if not all(isinstance(one, str) and _CONTACT_ID.fullmatch(one) and one != "None" for one in ids):
        raise ValueError(
            "contact_id has something in it that is no contact's ID: an empty text, no text, or the text of a list or "
            "of None, as a template gives it. Give the output of the task itself: contact_id=create.output."
        )
    return list(dict.fromkeys(ids))


def results_of(given: object) -> tuple[str, str | None]:
    """
    Return the folder of results, and the connection to its object store.

    :param given: what a bulk operator or a sensor returned, or a folder
    :raises TypeError: if it is neither
    """
    path, conn_id = (
        (given.get("results"), given.get("results_conn_id")) if isinstance(given, Mapping) else (given, None)
    )
    if not isinstance(path, (str, PathLike)) or not str(path):
        raise TypeError("results is the output of a BulkCreateContactsOperator, or the folder of its results.")
    return str(path), conn_id


def count_states(total: int, counts: Mapping[str, int]) -> dict[str, int]:
    """
    Return how many contacts there are, how many ended in each state, and how many are open.

    The states of calls are among them where a contact ended so.
    """
    ended = {str(state): counts.get(state, 0) for state in OutcomeState if counts.get(state) or not state.is_of_calls}
    return {"contacts": total, **ended, "open": total - sum(ended.values())}
