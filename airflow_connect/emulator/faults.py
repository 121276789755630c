"""
Faults that the emulator makes on request, repeatable by their seed.

A plan is a text of comma-separated entries::

    throttle=0.2, error_500=0.1                 every call: 20 % refused, 10 % failed
    CreateContact:cut_after=0.3                 that operation only
    slow(1500)=0.5, timeout(30)=0.01            milliseconds, seconds
    throttle(2)=0.1                             with "Retry-After: 2"
    CreateContact@3:cut_after                   its third call, and no other
    @1:error_503                                the first call of each operation

The fate of a call is drawn from the seed, the operation and the call's number, so that it does not depend on what
other threads do meanwhile. One call has at most one fault; an entry with a number goes before all others.
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What can go wrong with a call."""

    #: 429 ThrottlingException; nothing was done. With seconds, those are in a Retry-After header.
    THROTTLE = "throttle"
    #: 500 InternalServiceException; nothing was done.
    ERROR_500 = "error_500"
    #: 503 ServiceUnavailableException; nothing was done. With seconds, those are in a Retry-After header.
    ERROR_503 = "error_503"
    #: 403 ExpiredTokenException, as for temporary credentials whose time is up; nothing was done.
    EXPIRED_TOKEN = "expired_token"
    #: The connection is closed, and nothing was done.
    CUT_BEFORE = "cut_before"
    #: It was done, and the connection is closed without an answer.
    CUT_AFTER = "cut_after"
    #: It was done, and the answer is 500 InternalServiceException.
    ERROR_500_AFTER = "error_500_after"
    #: It was done, and the connection is closed in the middle of the answer's body.
    TRUNCATED = "truncated"
    #: It was done, and the answer is a complete HTTP answer whose JSON breaks off: 200, and no ContactId in it.
    CUT_BODY = "cut_body"
    #: It was done, and the answer comes so many milliseconds later (1000 when none are given).
    SLOW = "slow"
    #: It was done, and nothing is sent for so many seconds (3600 when none are given); then the connection is closed.
    TIMEOUT = "timeout"


#: The kinds that take a time, and what it is when none is given.
_DEFAULTS = {FaultKind.SLOW: 1000.0, FaultKind.TIMEOUT: 3600.0, FaultKind.THROTTLE: 0.0, FaultKind.ERROR_503: 0.0}
#: Kinds that come before the operation is done.
BEFORE = frozenset(
    {FaultKind.THROTTLE, FaultKind.ERROR_500, FaultKind.ERROR_503, FaultKind.EXPIRED_TOKEN, FaultKind.CUT_BEFORE}
)

_ENTRY = re.compile(
    r"(?:(?P<operation>[A-Za-z]+)?(?:@(?P<number>\d+))?:)?(?P<kind>\w+)"
    r"(?:\((?P<value>[\d.]+)\))?(?:=(?P<probability>[\d.eE+-]+))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One entry of a plan.

    :param kind: what goes wrong.
    :param operation: only for this operation; None is every one.
    :param number: only for the operation's call of this number, counted from 1.
    :param probability: share of calls, 1 for an entry with a number.
    :param seconds: how long, for the kinds that take time.
    """

    kind: FaultKind
    operation: str | None
    number: int | None
    probability: float
    seconds: float


class Faults:
    """
    Decides what goes wrong with each call.

    :param plan: as in the module's description; empty for none.
    :param seed: the same seed gives the same calls the same fates.
    :param operations: names that a plan may use.
    :raises ValueError: when the plan cannot be read: an unknown kind or operation, a probability outside 0 to 1, or
        probabilities of one operation that add up to more than 1.
    """

    def __init__(self, plan: str, seed: int, operations: frozenset[str]) -> None:
        self._operations = operations
        self._lock = threading.Lock()
        self.set(plan, seed)

    def set(self, plan: str, seed: int) -> None:
        """Follow another plan; calls are counted from 1 again."""
        entries = [_parse(text.strip(), self._operations) for text in plan.split(",") if text.strip()]
        for operation in {entry.operation or "" for entry in entries} or {""}:
            total = sum(
                entry.probability for entry in entries if entry.number is None and entry.operation in (None, operation)
            )
            if total > 1 + 1e-9:
                raise ValueError(
                    f"faults: the probabilities {f'of {operation} ' if operation else ''}add up to {total:g}."
                )
        with self._lock:
            self._entries = entries
            self._seed = seed
            self._counts: dict[str, int] = {}

    def next(self, operation: str) -> Fault | None:
        """What happens to the next call of *operation*; counts it."""
        with self._lock:
            if not self._entries:
                return None
            number = self._counts[operation] = self._counts.get(operation, 0) + 1
            entries = [entry for entry in self._entries if entry.operation in (None, operation)]
        for entry in entries:
            if entry.number == number:
                return entry
        drawn = random.Random(f"{self._seed}:{operation}:{number}").random()  # noqa: S311 -- repeatable on purpose
        for entry in entries:
            if entry.number is None:
                drawn -= entry.probability
                if drawn < 0:
                    return entry
        return None


def _parse(text: str, operations: frozenset[str]) -> Fault:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ValueError(f"faults: {text!r} is not of the form [Operation[@number]:]kind[(time)][=probability].")
    operation, number, value = match["operation"], match["number"], match["value"]
    if match["kind"] not in list(FaultKind):
        raise ValueError(f"faults: unknown kind {match['kind']!r}; there are {', '.join(FaultKind)}.")
    kind = FaultKind(match["kind"])
    if operation is not None and operation not in operations:
        raise ValueError(f"faults: unknown operation {operation!r}; there are {', '.join(sorted(operations))}.")
    if value is not None and kind not in _DEFAULTS:
        raise ValueError(f"faults: {kind} takes no time in parentheses; {', '.join(_DEFAULTS)} do.")
    if number is not None and (match["probability"] is not None or int(number) < 1):
        raise ValueError(f"faults: {text!r}: a call's number counts from 1, and has no probability.")
    return Fault(
        kind,
        operation,
        None if number is None else int(number),
        1.0 if number is not None else _number(match["probability"], "1", "probability", text, 1.0),
        _number(value, str(_DEFAULTS.get(kind, 0.0)), "time", text, 1e9) / (1000 if kind is FaultKind.SLOW else 1),
    )


def _number(given: str | None, default: str, what: str, text: str, most: float) -> float:
    try:
        number = float(default if given is None else given)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise ValueError(f"faults: {text!r}: the {what} must be a number from 0 to {most:g}.")
    return number
