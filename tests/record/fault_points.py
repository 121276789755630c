"""
The moments at which a worker can die between a row and its record, and a ledger that dies at one of them.

A subclass, so that the ledger itself has nothing in it that only tests need.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final

from airflow_connect.record.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: In the order in which a row passes them.
POINTS: Final = ("before_intent", "before_send", "before_outcome", "after_outcome")


class Death:
    """
    Kills the process, as SIGKILL does, at a point.

    :param point: one of :data:`POINTS`
    :param passes: how often the point is passed before
    """

    def __init__(self, point: str, passes: int = 0) -> None:
        assert point in POINTS
        self.point = point
        self.passes = passes

    def at(self, point: str) -> None:
        if point != self.point:
            return
        if self.passes == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passes -= 1

    def before_sending(
        self, create: Callable[[dict[str, Any]], Mapping[str, Any]]
    ) -> Callable[[dict[str, Any]], Mapping[str, Any]]:
        """Return the call that creates a contact, with the point before it."""

        def dying(params: dict[str, Any]) -> Mapping[str, Any]:
            self.at("before_send")
            return create(params)

        return dying


class DyingLedger(Ledger):
    """A ledger that passes the points around an intent and an outcome."""

    def __init__(self, *args: Any, death: Death, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._death = death

    def intend(self, entries: Iterable[tuple[int, str | None, str, str]]) -> None:
        self._death.at("before_intent")
        super().intend(entries)

    def created(self, *args: Any, **kwargs: Any) -> None:
        self._death.at("before_outcome")
        super().created(*args, **kwargs)
        self._death.at("after_outcome")
