"""
Which row is sent next, and what follows from its answer.

::

    add ──► fresh ──┐
                    ├──(next_at, take)──► in flight ──► accepted │ failed: again, given up, or the end of all
    again, each at ─┘                         │
       its time ▲                             │
                └──── throttled, 5xx, no answer

This module does not know threads, files, clients or clocks: the time is an argument, and the caller takes turns.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import math
import random
from collections import deque
from typing import TYPE_CHECKING, Final

from airflow_connect.api.errors import QuotaError
from airflow_connect.calls.retry import Again, Attempts, Over, Retries, can_pass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_connect.api.errors import ConnectError
    from airflow_connect.bulk.plan import PlannedContact
    from airflow_connect.record.results import Known

__all__ = ["SAME_FAILURES", "Outbox", "Row", "Verdict"]

#: Rows in a row that are given up with one code, after which it is taken that the others would fail alike.
SAME_FAILURES: Final = 20

#: Seconds between two tries while the number of active contacts is at its quota.
FIRST_QUOTA_WAIT: Final = 5.0
LONGEST_QUOTA_WAIT: Final = 60.0


class Verdict(enum.Enum):
    """What follows from a failed attempt."""

    #: The row is in the outbox again.
    AGAIN = "again"
    #: The row is given up; others may succeed.
    GIVE_UP = "give up"
    #: The row is given up, and no other would succeed.
    GIVE_UP_AND_END = "give up and end"
    #: No row would succeed, and it is not this one's fault.
    END = "end"


class Row(Attempts):
    """
    A contact on its way, and what its attempts have come to.

    :param contact: the contact
    """

    __slots__ = ("contact", "created_before", "is_intended", "known")

    def __init__(self, contact: PlannedContact, created_before: int = 0) -> None:
        super().__init__()
        self.contact = contact
        #: How many rows before it in the input need no call, since their contacts exist.
        self.created_before = created_before
        #: What was on record before this attempt of the task.
        self.known: Known | None = None
        #: Whether this attempt of the task has recorded that it is about to be sent.
        self.is_intended = False


class Outbox:
    """
    The rows that wait to be sent, and the decisions about them.

    :param max_retry_time: seconds, see :mod:`airflow_connect.calls.retry`
    :param quota_timeout: seconds for which to wait for active contacts to end while their number is at its quota
    :param retry_unknown: whether a row may be sent again whose contact may have been created
    """

    def __init__(self, *, max_retry_time: float, quota_timeout: float, retry_unknown: bool = True) -> None:
        self._fresh: deque[Row] = deque()
        self._again: list[tuple[float, int, Row]] = []
        self._order = itertools.count()
        self._retries = Retries(max_retry_time, retry_unknown=retry_unknown)
        self._quota = _QuotaWait(quota_timeout)
        #: Rows are given up after one attempt, whatever the error.
        self._tries_once = max_retry_time <= 0 or not retry_unknown
        self._same_failures: tuple[str, int, int] = ("", 0, 0)

    def __len__(self) -> int:
        """Return how many rows wait."""
        return len(self._fresh) + len(self._again)

    @property
    def fresh(self) -> int:
        """How many rows wait that were not sent yet."""
        return len(self._fresh)

    @property
    def is_waiting_for_quota(self) -> bool:
        """Whether the number of active contacts is at its quota."""
        return self._quota.since is not None

    def add(self, rows: Iterable[Row]) -> None:
        """Take rows that are ready to be sent, in order."""
        self._fresh.extend(rows)

    def next_at(self, now: float, paced: float, in_flight: int) -> float:
        """
        Return when the next row may leave: at most *now* for at once, infinite for after an answer.

        :param now: the time
        :param paced: when the pace lets a call leave
        :param in_flight: calls without an answer
        """
        if self._fresh:
            ready = now
        elif self._again:
            ready = self._again[0][0]
        else:
            return math.inf
        if self._quota.since is not None:
            # One call at a time finds out whether the quota has room again.
            return math.inf if in_flight else max(ready, self._quota.until)
        if not in_flight:
            paced = min(paced, self._retries.last_attempt_at)
        return max(ready, paced)

    def take(self, now: float) -> Row:
        """Return the row whose turn it is, and count its attempt: one that failed before one that was not sent yet."""
        row = heapq.heappop(self._again)[2] if self._again and self._again[0][0] <= now else self._fresh.popleft()
        row.count += 1
        return row

    def accepted(self, now: float) -> None:
        """Note that a contact was created."""
        self._retries.accepted(now)
        self._same_failures = ("", 0, 0)
        if self._quota.since is not None:
            self._quota.end()
            # Nothing could be sent meanwhile, so that the time of the rows did not run.
            self._retries.count_from(now)

    def failed(self, row: Row, error: ConnectError, now: float) -> Verdict:
        """Decide what follows from a failed attempt. A row that is to be sent again is in the outbox again."""
        if isinstance(error, QuotaError) and error.reason is None:
            # The service did not throttle the call: the time of this row has not run.
            row.failed(error, now)
            row.first_failure = None
            self._retries.accepted(now)
            self._repeat(row, now)
            return Verdict.END if self._quota.met(now) else Verdict.AGAIN
        # A quota with a reason is about this contact, such as its files.
        match self._retries.failed(row, error, now):
            case Again(at):
                self._repeat(row, at)
                return Verdict.AGAIN
            case Over.THIS:
                return Verdict.GIVE_UP_AND_END if self._is_one_of_many(row, error) else Verdict.GIVE_UP
            case Over.ALL if not can_pass(error):
                return Verdict.END
            case Over.ALL:
                return Verdict.GIVE_UP_AND_END

    def _repeat(self, row: Row, at: float) -> None:
        heapq.heappush(self._again, (at, next(self._order), row))

    def _is_one_of_many(self, row: Row, error: ConnectError) -> bool:
        """
        Count a row that is given up, and return whether so many have failed like it that all would.

        A contact that is on record counts as a success at the place of its row in the input: a later attempt, in which
        only failing rows are left, must not end where the first one continued.
        """
        if can_pass(error) and not self._tries_once:
            return False
        code, count, created_before = self._same_failures
        alike = code == error.code and created_before == row.created_before
        self._same_failures = (error.code, count + 1 if alike else 1, row.created_before)
        return self._same_failures[1] >= SAME_FAILURES


class _QuotaWait:
    """
    The wait for active contacts to end, while their number is at its quota.

    :param timeout: seconds
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        #: Since when, ``None`` if it does not wait.
        self.since: float | None = None
        #: When the next call finds out whether the quota has room again.
        self.until = -math.inf
        self._waits = 0

    def met(self, now: float) -> bool:
        """Note that a call found the quota used up; return whether the time is up."""
        if self.since is None:
            self.since = now
        elif self.until > now:
            return False  # it was sent before the last answer of this kind
        if now - self.since >= self._timeout:
            return True
        wait = min(FIRST_QUOTA_WAIT * 2.0**self._waits, LONGEST_QUOTA_WAIT)
        self._waits = min(self._waits + 1, 10)
        left = self.since + self._timeout - now
        # Full jitter would try at once; it is enough that tasks that wait together do not try together.
        self.until = now + min(random.uniform(0.5, 1.0) * wait, left)  # noqa: S311  # not a secret
        return False

    def end(self) -> None:
        """Note that the quota has room again."""
        self.since, self._waits = None, 0
