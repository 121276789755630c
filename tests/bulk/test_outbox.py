"""Which row is sent next, and what follows from its answer: without threads, files or time."""

from __future__ import annotations

import math
from typing import Any

import pytest

from airflow_connect.api.errors import (
    ConnectError,
    QuotaError,
    RequestError,
    RetryableError,
    SetupError,
    ThrottledError,
)
from airflow_connect.bulk.outbox import LONGEST_QUOTA_WAIT, SAME_FAILURES, Outbox, Row, Verdict
from tests.bulk.sending import planned


def outbox(rows: int, **options: Any) -> Outbox:
    found = Outbox(**{"max_retry_time": 300, "quota_timeout": 3_600, **options})
    found.add(Row(planned(row)) for row in range(1, rows + 1))
    return found


def full(reason: str | None = None) -> QuotaError:
    error = QuotaError("too many active contacts")
    error.reason = reason
    return error


def test_rows_leave_in_order_and_what_failed_leaves_first() -> None:
    """A row that is due again goes before those that were not sent yet; one that is not due waits for its time."""
    box = outbox(3)
    first = box.take(0)
    assert box.failed(first, ThrottledError("slow down"), 1) is Verdict.AGAIN
    assert box.take(1) is first
    assert box.failed(first, ThrottledError("slow down", retry_after=60), 2) is Verdict.AGAIN
    assert [box.take(3).contact.row for _ in range(2)] == [2, 3]
    assert box.next_at(3, 3, 0) == 62
    assert len(box) == 1
    assert box.take(62) is first
    assert first.count == 3
    assert box.next_at(62, 62, 0) == math.inf


def test_pace_says_when_until_the_time_is_up() -> None:
    """A pace that has become slow delays no last attempt, as long as no answer is awaited."""
    box = outbox(2)
    row = box.take(10)
    assert box.next_at(10, 700, 0) == 700
    box.failed(row, ThrottledError("slow down"), 10)
    assert (box.next_at(10, 700, 0), box.next_at(10, 700, 1)) == (310, 700)
    box.accepted(20)
    assert box.next_at(20, 700, 0) == 700


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (RequestError("no"), Verdict.GIVE_UP),
        (full("TOTAL_FILE_COUNT_EXCEEDED"), Verdict.GIVE_UP),
        (SetupError("no"), Verdict.END),
        (RetryableError("no"), Verdict.AGAIN),
        (ThrottledError("no"), Verdict.AGAIN),
        (ConnectError("no"), Verdict.AGAIN),
        (full(), Verdict.AGAIN),
    ],
    ids=lambda value: type(value).__name__,
)
def test_answer_decides(error: ConnectError, verdict: Verdict) -> None:
    """Each kind of failure has its verdict."""
    box = outbox(1)
    assert box.failed(box.take(0), error, 0) is verdict
    assert len(box) == (verdict is Verdict.AGAIN)


def test_time_that_is_up_ends_all_or_one() -> None:
    """A row whose time is up ends all if nothing was accepted since it failed first, else it is given up alone."""
    for accepted, verdict in ((False, Verdict.GIVE_UP_AND_END), (True, Verdict.GIVE_UP)):
        box = outbox(2)
        row = box.take(0)
        box.failed(row, RetryableError("no"), 0)
        if accepted:
            box.accepted(100)
        assert box.failed(box.take(300), RetryableError("no"), 300) is verdict


def test_wait_for_the_quota_is_no_time_of_any_row() -> None:
    """While active contacts are at their quota one call at a time is made, and no row's time runs."""
    box = outbox(3)
    throttled, first = box.take(0), box.take(0)
    box.failed(throttled, ThrottledError("slow down", retry_after=1), 0)
    assert box.failed(first, full(), 0) is Verdict.AGAIN
    assert box.is_waiting_for_quota
    assert box.next_at(0, 0, 1) == math.inf
    now = 0.0
    while now < 3_000:
        after = box.next_at(now, now, 0)
        assert now < after <= now + LONGEST_QUOTA_WAIT
        now = after
        row = box.take(now)
        assert box.failed(row, full(), now) is Verdict.AGAIN
    box.accepted(now)
    assert not box.is_waiting_for_quota
    for _ in range(3):
        assert box.failed(box.take(now), ThrottledError("slow down"), now) is Verdict.AGAIN


def test_quota_that_stays_used_up_ends_all() -> None:
    """After the time for it nothing more is sent, and no row is given up for it."""
    box = outbox(1, quota_timeout=100)
    now = 0.0
    while (verdict := box.failed(box.take(now), full(), now)) is Verdict.AGAIN:
        now = box.next_at(now, now, 0)
    assert (verdict, now) == (Verdict.END, 100)
    assert len(box) == 1


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (RequestError("no", code="Bad"), {}),
        (RetryableError("no", code="Down"), {"max_retry_time": 0}),
        (RetryableError("no", code="Down", may_have_happened=True), {"retry_unknown": False}),
    ],
    ids=["refused", "one attempt", "at most once"],
)
def test_rows_that_fail_alike_end_all(error: ConnectError, options: dict[str, Any]) -> None:
    """Twenty rows given up with one code and no success between say that the rest would fare alike."""
    box = outbox(100, **options)
    for _ in range(SAME_FAILURES - 1):
        assert box.failed(box.take(0), error, 0) is Verdict.GIVE_UP
    box.accepted(0)
    for _ in range(SAME_FAILURES - 1):
        assert box.failed(box.take(0), error, 0) is Verdict.GIVE_UP
    assert box.failed(box.take(0), RequestError("no", code="Other"), 0) is Verdict.GIVE_UP
    for _ in range(SAME_FAILURES - 1):
        assert box.failed(box.take(0), error, 0) is Verdict.GIVE_UP
    assert box.failed(box.take(0), error, 0) is Verdict.GIVE_UP_AND_END


def test_what_may_have_happened_is_given_up_where_it_may_happen_twice() -> None:
    """At most once: what is known not to have happened is sent again, and what may have is not."""
    box = outbox(2, retry_unknown=False)
    row = box.take(0)
    assert box.failed(row, ThrottledError("slow down"), 0) is Verdict.AGAIN
    assert box.failed(box.take(1), RetryableError("lost", may_have_happened=True), 1) is Verdict.GIVE_UP
    assert row.may_have_happened
