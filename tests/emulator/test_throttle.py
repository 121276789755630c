"""Token buckets, in numbers."""

from __future__ import annotations

import pytest

from airflow_connect.emulator.throttle import Throttle


def test_burst_then_rate() -> None:
    """A full bucket gives its burst at once, and then one token every 1 ÷ rate seconds."""
    throttle = Throttle(2, 5)
    assert [throttle.take("A", 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert [throttle.take("A", 0.5), throttle.take("A", 0.5)] == [True, False]


def test_refused_call_takes_no_token() -> None:
    """Calls that come too early do not push the next token away."""
    throttle = Throttle(1, 1)
    assert throttle.take("A", 0.0)
    assert not any(throttle.take("A", tenth / 10) for tenth in range(1, 10))
    assert throttle.take("A", 1.0)


def test_each_operation_has_its_bucket() -> None:
    """One operation's calls cost another nothing."""
    throttle = Throttle(1, 1)
    assert throttle.take("A", 0.0)
    assert throttle.take("B", 0.0)


def test_search_has_a_quota_of_its_own() -> None:
    """SearchContacts gets a quarter of what the others get: 0.5 calls a second where they have 2."""
    throttle = Throttle(2, 1)
    assert throttle.take("SearchContacts", 0.0)
    assert [throttle.take("SearchContacts", at) for at in (0.5, 1.9, 2.0)] == [False, False, True]


def test_bucket_holds_no_more_than_the_burst() -> None:
    """A long silence saves no more than the burst."""
    throttle = Throttle(10, 2)
    assert throttle.take("A", 0.0)
    assert [throttle.take("A", 1000.0) for _ in range(3)] == [True, True, False]


def test_no_rate_is_no_limit() -> None:
    """None is unlimited."""
    throttle = Throttle(None, 1)
    assert all(throttle.take("A", 0.0) for _ in range(1000))


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (float("nan"), 1), (1, 0)])
def test_bad_quota_is_refused_and_the_old_one_stays(rate: float, burst: int) -> None:
    """A quota that is none raises ValueError and changes nothing."""
    throttle = Throttle(1, 1)
    with pytest.raises(ValueError, match=r"rate|burst"):
        throttle.set(rate, burst)
    assert [throttle.take("A", 0.0), throttle.take("A", 0.0)] == [True, False]
