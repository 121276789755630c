"""
Sending a call again until it is answered: bounded by a time, with full jitter.

Botocore bounds its retries by a count, so that with eight tasks on a quota of two calls a second half of the calls
are lost. Here a time bounds them. This module knows no Airflow and no client; time and chance are arguments.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final, TypeVar

from airflow_connect.api.errors import ConnectError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_RETRY_TIME", "call_with_retries", "wait_before_attempt"]

#: Seconds for which a call is repeated by default.
MAX_RETRY_TIME: Final = 300.0

#: Seconds: the wait before attempt n is a random share of ``FIRST_WAIT * 2 ** (n - 2)``, at most ``LONGEST_WAIT``.
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 20.0

_Result = TypeVar("_Result")


def wait_before_attempt(attempt: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """
    Return seconds to wait before an attempt: uniform between zero and a bound that doubles (full jitter).

    https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/

    :param attempt: the number of the attempt, from 2
    """
    return uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 2, 10)))


def call_with_retries(
    call: Callable[[], _Result],
    *,
    max_retry_time: float = MAX_RETRY_TIME,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    uniform: Callable[[float, float], float] = random.uniform,
) -> tuple[_Result, int]:
    """
    Call until it succeeds, fails for good, or the time is up; return the result and the number of attempts.

    The wait before another attempt is that of :func:`wait_before_attempt`, but no shorter than the service asked for.
    What would end after the time is cut to it, so that the last attempt is made when it is up.

    :param call: raises :class:`~airflow_connect.api.errors.RetryableError` when another attempt may help
    :param max_retry_time: seconds from the first attempt to the last; 0 for a single attempt
    :raises RetryableError: the last one, when the time is up; it knows whether *any* attempt may have succeeded
    """
    deadline = clock() + max_retry_time
    attempts = 0
    may_have_happened = False
    while True:
        attempts += 1
        try:
            return call(), attempts
        except RetryableError as error:
            may_have_happened |= error.may_have_happened
            error.attempts = attempts
            error.may_have_happened = may_have_happened
            left = deadline - clock()
            if left <= 0:
                raise
            wait = max(wait_before_attempt(attempts + 1, uniform), error.retry_after or 0.0)
            sleep(min(wait, left))
        except ConnectError as error:
            error.attempts = attempts
            error.may_have_happened |= may_have_happened
            raise
