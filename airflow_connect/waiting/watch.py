"""
Which of the awaited contacts have ended? Finds each of them once, with as few reads as that takes.

Two ways of polling::

    many are open      SearchContacts over the time of disconnection since the last poll ──► DescribeContact of those
    a few are open,    DescribeContact of each
    fewer than a search
    has pages, or the
    role may not search

The index behind SearchContacts lags, so that every search begins :data:`INDEX_LAG` before the end of the last one, and
once an hour :data:`WIDE_SEARCH` before it. What a search finds is confirmed by DescribeContact, which does not lag. No
search decides that a contact is open: once a day each open contact is described, and before the time of a wait is up.
A contact that was transferred is followed to what it was transferred to (ListAssociatedContacts).

This module does not know Airflow or a client: it takes paced calls and a clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from airflow_connect.api.errors import ConnectError, RequestError, SetupError
from airflow_connect.api.operations import DescribeInstance, SearchContacts
from airflow_connect.api.outcome import Outcome, OutcomeState, contact_may_go_on, outcome_of, unknown_contact
from airflow_connect.calls.defaults import MAX_RETRY_TIME
from airflow_connect.calls.each import Paced
from airflow_connect.calls.retry import can_pass

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping

    from airflow_connect.calls.clock import Clock
    from airflow_connect.calls.each import Answered

__all__ = ["INDEX_LAG", "Reader", "Reads", "Watch"]

log = logging.getLogger(__name__)

#: Contacts up to which describing each costs no more than a search: Amazon's default quotas are as 4 to 1.
FEW: Final = 10
#: Seconds by which searches overlap. Amazon says no number for the lag of its index; it is seconds as a rule.
INDEX_LAG: Final = 300.0
#: Once in so many seconds a search goes back further, for an index that is behind for once.
WIDE_EVERY: Final = 3_600.0
WIDE_SEARCH: Final = 10_800.0
#: Once in so many seconds a poll describes each contact that is open, for an index that never shows one of them.
EACH_EVERY: Final = 86_400.0
#: Contacts on a page of a search, at most.
PAGE: Final = 100
#: Seconds that one search may span, as Amazon has it: 8 weeks.
SEARCH_SPAN: Final = 8 * 7 * 86_400.0
#: Polls that have to agree before a contact counts as missing, or as one that was transferred to nothing.
POLLS_TO_BELIEVE: Final = 2

_TRANSFERS: Final = frozenset({"TRANSFER", "QUEUE_TRANSFER"})
_DENIED: Final = frozenset({"AccessDeniedException", "AccessDenied"})


class Reader(Protocol):
    """What reads contacts, and calls once if ``max_retry_time`` is 0: :class:`ConnectHook`."""

    @property
    def instance_id(self) -> str:
        """The instance."""

    def call(self, operation: str, params: Mapping[str, Any], *, max_retry_time: float | None = None) -> dict[str, Any]:
        """Call an operation."""

    def describe_contact(self, contact_id: str, *, max_retry_time: float | None = None) -> dict[str, Any]:
        """Return a contact."""

    def list_associated_contacts(self, contact_id: str, *, max_retry_time: float | None = None) -> list[dict[str, Any]]:
        """Return the contacts of a contact's tree."""


class Reads:
    """
    The paced reads. All waits for the same instance in one event loop may share them.

    :param reader: reads
    :param clock: the time
    :param max_retry_time: seconds for which a read is retried after its first failure, throttling included
    """

    def __init__(self, reader: Reader, *, clock: Clock, max_retry_time: float = MAX_RETRY_TIME) -> None:
        def describe(contact_id: str) -> dict[str, Any]:
            return reader.describe_contact(contact_id, max_retry_time=0)

        def search(params: Mapping[str, Any]) -> dict[str, Any]:
            return reader.call(SearchContacts.name, {"InstanceId": reader.instance_id, **params}, max_retry_time=0)

        def associated(contact_id: str) -> list[dict[str, Any]]:
            return reader.list_associated_contacts(contact_id, max_retry_time=0)

        def instance(instance_id: str) -> dict[str, Any]:
            return reader.call(DescribeInstance.name, {"InstanceId": instance_id}, max_retry_time=0)

        self.reader = reader
        self.max_retry_time = max_retry_time
        #: DescribeContact: the ``Contact`` of an ID.
        self.describe = Paced(describe, clock=clock, max_retry_time=max_retry_time)
        #: SearchContacts: the answer to parameters without the instance.
        self.search = Paced(search, clock=clock, max_retry_time=max_retry_time)
        #: ListAssociatedContacts: the summaries of a contact's tree.
        self.associated = Paced(associated, clock=clock, max_retry_time=max_retry_time)
        #: DescribeInstance.
        self.instance = Paced(instance, clock=clock, max_retry_time=max_retry_time)
        #: Whether the role may list associated contacts, as far as is known.
        self.may_follow = True

    async def successor(self, contact_id: str) -> str | None:
        """
        Return what a contact was transferred to. A contact that the API linked to it is not its successor.

        :param contact_id: the contact
        :return: ``None`` if it was not transferred, and if the role may not list associated contacts
        :raises ConnectError: if Amazon Connect does not answer
        """
        if not self.may_follow:
            return None
        try:
            tree = await self.associated.one(contact_id)
        except SetupError as error:
            if error.code not in _DENIED:
                raise
            log.warning("Contacts that were transferred count as ended: %s", error)
            self.may_follow = False
            return None
        except RequestError as error:
            log.warning("The contact that %s was transferred to cannot be read: %s", contact_id, error)
            return None
        for one in tree:
            if one.get("PreviousContactId") == contact_id and one.get("InitiationMethod") in _TRANSFERS:
                successor: str = one["ContactId"]
                return successor
        return None

    async def successors(self, contact_ids: Collection[str]) -> dict[str, str | ConnectError]:
        """
        Return what contacts that have ended were transferred to, of those that were, or why that is not known.

        :param contact_ids: the contacts
        :raises SetupError: if contacts cannot be read at all; if the role may not read them, they count as not
            transferred
        """
        found: dict[str, str | ConnectError] = {}
        left = dict.fromkeys(contact_ids)
        try:
            async with contextlib.aclosing(self.describe.each(deque(contact_ids))) as answers:
                async for answer in answers:
                    del left[answer.item]
                    try:
                        if (successor := await self._successor_of(answer)) is not None:
                            found[answer.item] = successor
                    except ConnectError as error:
                        if isinstance(error, SetupError):
                            raise
                        found[answer.item] = error
        except SetupError as error:
            if error.code not in _DENIED:
                raise
            log.warning("Contacts that were transferred count as ended: %s", error)
        except ConnectError as error:
            found.update(dict.fromkeys(left, error))
        return found

    async def _successor_of(self, answer: Answered[str, dict[str, Any]]) -> str | None:
        if answer.error is not None:
            raise answer.error
        outcome = outcome_of(answer.result or {})
        return await self.successor(answer.item) if outcome is not None and contact_may_go_on(outcome) else None


class Watch:
    """
    Find out which contacts have ended.

    :param contact_ids: the contacts to wait for
    :param reads: what reads them
    :param clock: the time
    :param interval: seconds between two searches in a poll that takes long
    :param created_since: when the first of the contacts was created (seconds since 1970), as far as they are not in
        ``describe_first``; ``None`` if it is not known
    :param describe_first: contacts that the first poll describes, since they may have ended before ``created_since``,
        or may not exist; ``None`` for all of them
    :param polled_before: whether another process has polled for the same contacts before, and kept nothing
    :param transferred_to: what contacts were transferred to, as far as is known
    :param on_transfer: called with a contact and what it was found to be transferred to
    """

    def __init__(
        self,
        contact_ids: Iterable[str],
        *,
        reads: Reads,
        clock: Clock,
        interval: float = 60.0,
        created_since: float | None = None,
        describe_first: Collection[str] | None = None,
        polled_before: bool = False,
        transferred_to: Mapping[str, str] | None = None,
        on_transfer: Callable[[str, str], None] = lambda _, __: None,
    ) -> None:
        transferred_to = transferred_to or {}
        # The contact to read, which is another one after a transfer, and those that the caller named.
        self._open: dict[str, list[str]] = {}
        for contact_id in contact_ids:
            self._open.setdefault(transferred_to.get(contact_id, contact_id), []).append(contact_id)
        self._on_transfer = on_transfer
        self._reads = reads
        self._may_search = True
        self._is_instance_there = False
        #: Reads that were answered.
        self.reads = 0
        self._clock = clock
        self._interval = interval
        self._polls_to_believe = 1 if polled_before else POLLS_TO_BELIEVE
        self._searched = created_since if created_since is not None else clock.epoch()
        self._wide_at = clock.now() + WIDE_EVERY
        self._each_at = clock.now() + EACH_EVERY
        self._search_at = clock.now()
        #: Contacts that were described since the last poll began.
        self._described: set[str] = set()
        #: Contacts to describe now, and those of them that wait for it or fly.
        self._queue: deque[str] = deque()
        self._queued: set[str] = set()
        #: Contacts to describe at the next poll, whatever a search says, and how often that was so.
        self._doubts: dict[str, int] = {}
        #: The last read of this poll that failed for a reason that may pass.
        self._failure: ConnectError | None = None
        #: Whether what a contact was transferred to could not be read in this poll.
        self._is_follow_ill = False
        #: What contacts were transferred to, as far as this poll has found out.
        self._followed: set[str] = set()
        self._first: Collection[str] = self._open
        if created_since is not None and describe_first is not None:
            self._first = [transferred_to.get(contact_id, contact_id) for contact_id in describe_first]

    @property
    def open(self) -> list[str]:
        """The contacts that have not ended as far as is known, by the IDs that the caller named."""
        return [awaited for those in self._open.values() for awaited in those]

    @property
    def open_now(self) -> list[str]:
        """The same, by the IDs that they have now."""
        return list(self._open)

    @property
    def not_described(self) -> list[str]:
        """The open contacts that were not described since the last poll began, by the IDs that they have now."""
        return [contact_id for contact_id in self._open if contact_id not in self._described]

    def distrust(self) -> None:
        """Forget what was described: it is out of date, since the contacts were just stopped."""
        self._described.clear()

    async def poll(self, *, rest: bool = False) -> AsyncGenerator[Outcome, None]:
        """
        Poll once, and return the outcomes of those that have ended since, each as soon as it is known.

        A call that stays without an answer is sent again at the next poll.

        :param rest: describe each open contact that was not described since the last poll began, and search nothing
        :raises SetupError: if contacts cannot be read at all
        :raises ConnectError: if no call of this poll was answered
        """
        answered, self._failure, self._is_follow_ill = 0, None, False
        self._enqueue(self.not_described if rest else self._to_describe())
        self._followed.clear()
        searching = None if rest else self._start_search()
        answers = self._reads.describe.each(self._queue, more=lambda: searching is not None and not searching.done())
        try:
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    if answer.error is not None and can_pass(answer.error):
                        self._failure = answer.error
                        continue
                    self._queued.discard(answer.item)
                    self._described.add(answer.item)
                    answered += 1
                    self.reads += 1
                    for outcome in await self._judge(answer):
                        yield outcome
                    if searching is not None and searching.done() and self._clock.now() >= self._search_at:
                        searching.result()
                        searching = self._start_search()
            if searching is not None:
                answered += await searching
        except ConnectError as error:
            if not can_pass(error):
                raise
            self._failure = error
        finally:
            for contact_id in self._queued:
                self._doubts.setdefault(contact_id, 0)
            self._queue.clear()
            self._queued.clear()
            if searching is not None:
                searching.cancel()
        if self._failure is not None:
            if not answered:
                raise self._failure
            log.warning("Contacts that could not be read are read again at the next poll: %s", self._failure)

    def _to_describe(self) -> Collection[str]:
        """Return the contacts that a poll describes before any search, and begin the poll."""
        self._described.clear()
        first, self._first = self._first, ()
        is_due = self._clock.now() >= self._each_at
        if is_due:
            self._each_at = self._clock.now() + EACH_EVERY
        return self._open if is_due or self._sweeps() else [*first, *self._doubts]

    def _sweeps(self) -> bool:
        return not self._may_search or len(self._open) <= FEW

    def _enqueue(self, contact_ids: Iterable[str]) -> None:
        for contact_id in contact_ids:
            if contact_id in self._open and contact_id not in self._queued:
                self._queued.add(contact_id)
                self._queue.append(contact_id)

    # --- searching -----------------------------------------------------------------------------------------

    def _start_search(self) -> asyncio.Task[int] | None:
        return None if self._sweeps() else asyncio.create_task(self._search_once())

    async def _search_once(self) -> int:
        """Put what ended since the last search on the queue, page by page; return how many pages were read."""
        now, end = self._clock.now(), self._clock.epoch()
        # Also where the machine's clock was set back: the last search ended at a time that has not come yet.
        wide = now >= self._wide_at or end < self._searched
        start = min(self._searched, end) - (WIDE_SEARCH if wide else INDEX_LAG)
        pages = 0
        describes_all = False
        try:
            while start < end:
                stop = min(start + SEARCH_SPAN, end)
                params = {
                    "TimeRange": {"Type": "DISCONNECT_TIMESTAMP", "StartTime": start, "EndTime": stop},
                    "Sort": {"FieldName": "DISCONNECT_TIMESTAMP", "Order": "ASCENDING"},
                    "MaxResults": PAGE,
                }
                while True:
                    page = await self._reads.search.one(params)
                    pages += 1
                    self.reads += 1
                    self._enqueue(found["Id"] for found in page["Contacts"])
                    if not page.get("NextToken"):
                        break
                    if pages >= len(self._open) or page.get("TotalCount", 0) > PAGE * (pages + len(self._open)):
                        # On a busy instance, or after days: to describe what is open takes fewer reads, once in a poll.
                        # A service that has always another page ends here as well.
                        describes_all = True
                        self._enqueue(self.not_described)
                        start = stop = end
                        break
                    params["NextToken"] = page["NextToken"]
                start = stop
        except SetupError as error:
            if error.code not in _DENIED:
                raise
            log.warning("Contacts are read one by one, which takes more calls: %s", error)
            self._may_search = False
            self._enqueue(self.not_described)
            return pages
        except ConnectError as error:
            if not can_pass(error) and not pages:
                raise  # it would be refused again; a token of a page that is refused has grown old
            self._failure = error
            return pages
        finally:
            # No other search in this poll shows what it does not describe.
            self._search_at = math.inf if describes_all else self._clock.now() + self._interval
        self._searched = end
        if wide:
            self._wide_at = now + WIDE_EVERY
        return pages

    # --- what a contact says -------------------------------------------------------------------------------

    async def _judge(self, answer: Answered[str, dict[str, Any]]) -> list[Outcome]:
        """Return the outcomes in an answer: one, or more if several contacts that the caller named are one now."""
        contact_id = answer.item
        if contact_id not in self._open:
            return []
        if answer.error is not None:
            outcome = await self._not_there(contact_id, answer.error)
        else:
            outcome = await self._outcome(contact_id, answer.result or {})
        return [] if outcome is None else [outcome.of(awaited) for awaited in self._close(contact_id)]

    async def _outcome(self, contact_id: str, contact: Mapping[str, Any]) -> Outcome | None:
        outcome = outcome_of(contact)
        if outcome is None:
            self._doubts.pop(contact_id, None)
            return None
        if not contact_may_go_on(outcome):
            return outcome
        # Until it is known what the contact was transferred to, also if the poll is cut off meanwhile.
        self._described.discard(contact_id)
        if self._is_follow_ill:
            # Each read of one would take as long again.
            self._doubts.setdefault(contact_id, 0)
            return None
        try:
            self.reads += self._reads.may_follow
            successor = await self._reads.successor(contact_id)
        except ConnectError as error:
            if not can_pass(error):
                raise
            log.warning("The contact that %s was transferred to is read at the next poll: %s", contact_id, error)
            self._doubts.setdefault(contact_id, 0)
            self._is_follow_ill = True
            return None
        self._described.add(contact_id)
        if successor is not None:
            moved = self._close(contact_id)
            self._open.setdefault(successor, []).extend(moved)
            for awaited in moved:
                self._on_transfer(awaited, successor)
            # Its successor is read at once, or at the next poll if it seems to be its own successor.
            if successor not in self._followed:
                self._followed.add(successor)
                self._enqueue([successor])
            else:
                self._doubts.setdefault(successor, 0)
            return None
        if outcome.state is OutcomeState.TRANSFERRED and self._reads.may_follow and not self._believe(contact_id):
            return None
        return outcome

    async def _not_there(self, contact_id: str, error: ConnectError) -> Outcome | None:
        if not isinstance(error, RequestError):
            raise error
        if error.code == "ResourceNotFoundException":
            await self._check_instance()
            # A contact that was created a moment ago may be unknown for now.
            if not self._believe(contact_id):
                return None
        log.warning("Contact %s cannot be read: %s", contact_id, error)
        return unknown_contact(contact_id)

    async def _check_instance(self) -> None:
        """Check that the instance exists: otherwise each contact would count as failed."""
        if self._is_instance_there:
            return
        try:
            await self._reads.instance.one(self._reads.reader.instance_id)
        except ConnectError as error:
            if can_pass(error):
                return
            if error.code == "ResourceNotFoundException":
                raise
        self._is_instance_there = True

    def _believe(self, contact_id: str) -> bool:
        self._doubts[contact_id] = self._doubts.get(contact_id, 0) + 1
        return self._doubts[contact_id] >= self._polls_to_believe

    def _close(self, contact_id: str) -> list[str]:
        self._doubts.pop(contact_id, None)
        return self._open.pop(contact_id)
