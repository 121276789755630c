"""A record of the calls that arrived, without their contents."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple


class Call(NamedTuple):
    """
    One call of an operation.

    :param operation: its name.
    :param client_token: as it was sent.
    :param contact_id: the contact that was made or asked for.
    :param status: HTTP status of the answer, also of one that was lost on the way; None when there was none.
    :param error: name of the exception in the answer.
    :param fault: the kind of fault that the emulator made, see :class:`.faults.FaultKind`.
    :param time: epoch seconds on the emulator's clock.
    """

    operation: str
    client_token: str | None
    contact_id: str | None
    status: int | None
    error: str | None
    fault: str | None
    time: float


class CallLog:
    """
    The latest calls.

    :param size: how many are kept; 0 keeps none.
    """

    def __init__(self, size: int) -> None:
        self._calls: deque[Call] = deque(maxlen=size)
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Keep a call."""
        with self._lock:
            self._calls.append(call)

    def list(self, operation: str | None = None) -> list[Call]:
        """The calls that are kept, oldest first; of one operation when it is named."""
        with self._lock:
            return [call for call in self._calls if operation in (None, call.operation)]

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._calls.clear()
