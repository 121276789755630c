"""
Write to Airflow how far a bulk task is while it runs, so that the Contacts tab needs no file of the worker's.

::

    Report.report_progress, every 5 s ──► Live.report ──(every 10 s, in a thread)──► the task state store, or an XCom

What is written is small whatever the number of rows and however long the task runs: counts, a sentence, and the rate
over time in at most :data:`MOST_POINTS` points. This module does not know Airflow: where it writes to is an argument.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from airflow_connect.calls.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["MOST_POINTS", "Live", "Series"]

log = logging.getLogger(__name__)

#: Points of a series at most.
MOST_POINTS: Final = 240
#: Seconds between two writes.
BEAT: Final = 10.0
#: How many times longer than a write took nothing is written after it: an API server that is slow is left alone.
REST: Final = 20.0
#: Seconds for which the end of the task waits for a write that is under way.
LONGEST_WAIT: Final = 30.0


class Series:
    """
    How many contacts were created, and how many calls were throttled, in intervals that follow one another.

    When there are too many intervals, each two of them become one, so that the whole run stays in sight.

    :param points: what :meth:`points` returned, of an earlier attempt
    """

    def __init__(self, points: Iterable[Sequence[float]] = ()) -> None:
        self._points = [list(point) for point in points]
        self._before = (0.0, 0, 0, 0)

    def add(self, at: float, *, seconds: float, created: int, answers: int, throttled: int) -> None:
        """
        Take what this attempt has done since it began to send.

        :param at: the time (seconds since 1970)
        :param seconds: since the first call
        :param created: contacts created
        :param answers: calls that have ended
        :param throttled: calls that were throttled
        """
        now = (seconds, created, answers, throttled)
        spent, *counts = (one - other for one, other in zip(now, self._before, strict=True))
        if spent <= 0:
            return
        self._before = now
        self._points.append([round(at, 1), round(spent, 1), *counts])
        if len(self._points) > MOST_POINTS:
            # The last one of an odd number waits for its neighbour.
            pairs = zip(self._points[::2], self._points[1::2], strict=False)
            odd = self._points[-1:] if len(self._points) % 2 else []
            merged = [[second[0], *map(sum, zip(first[1:], second[1:], strict=True))] for first, second in pairs]
            self._points = [*merged, *odd]

    def points(self) -> list[list[float]]:
        """Return the end of each interval, its seconds, and what was created, answered and throttled in it."""
        return [list(point) for point in self._points]


class Live:
    """
    Write how far a task is, every few seconds.

    Called by one thread. A write runs in a thread of its own: a time-out of the task, which Airflow raises in the main
    thread, must not break off a message to Airflow in its middle. What cannot be written is logged once, and fails
    nothing.

    :param write: takes the progress, as JSON can have it; may block
    :param written_before: what an earlier attempt wrote last, if anything is known of it
    :param constant: what is written each time
    :param only_at_end: write nothing before the end, where nothing else may talk to Airflow meanwhile
    :param clock: the time
    """

    def __init__(
        self,
        write: Callable[[dict[str, Any]], None],
        *,
        written_before: Any = None,
        constant: Mapping[str, Any] | None = None,
        only_at_end: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._write = write
        self._constant = dict(constant or {})
        self._only_at_end = only_at_end
        self._clock = clock or Clock()
        self._series = Series(_points_of(written_before))
        self._thread: threading.Thread | None = None
        self._due = self._clock.now()
        self._has_failed = False

    def reading(self, rows: int) -> None:
        """
        Write how many rows have been read and checked, before anything is sent.

        :param rows: their number
        """
        self._start({"phase": "checking", "line": f"{rows:,} rows read and checked"})

    def report(self, progress: Mapping[str, Any]) -> None:
        """
        Write how far the sending is.

        :param progress: what :meth:`airflow_connect.bulk.report.Report.report_progress` returns
        """
        self._start({"phase": "sending", **self._with_series(progress)})

    def end(self, progress: Mapping[str, Any]) -> None:
        """
        Write how far the attempt came; wait until that is written. Nothing is written after it.

        :param progress: as for :meth:`report`
        """
        self.wait()
        self._send({"phase": "ended", **self._with_series(progress)})

    def wait(self) -> None:
        """Wait for a write that is under way."""
        if self._thread is not None:
            self._thread.join(LONGEST_WAIT)

    def _with_series(self, progress: Mapping[str, Any]) -> dict[str, Any]:
        self._series.add(
            self._clock.epoch(),
            seconds=progress["seconds"],
            created=progress["accepted"],
            answers=progress["answers"],
            throttled=progress["throttled"],
        )
        return {**progress, "series": self._series.points()}

    def _start(self, progress: dict[str, Any]) -> None:
        if self._only_at_end or self._clock.now() < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        self._due = self._clock.now() + BEAT
        self._thread = threading.Thread(target=self._send, args=(progress,), name="contacts-live", daemon=True)
        self._thread.start()

    def _send(self, progress: dict[str, Any]) -> None:
        began = self._clock.now()
        try:
            self._write({**self._constant, **progress})
        except Exception as error:  # noqa: BLE001  # Airflow's API has errors of its own kinds
            if not self._has_failed:
                self._has_failed = True
                log.info(
                    "The progress cannot be written to Airflow (%s). The task continues; only the Contacts tab does "
                    "not show it.",
                    type(error).__name__,
                )
        now = self._clock.now()
        self._due = max(self._due, now + REST * (now - began))


def _points_of(written: Any) -> Iterable[Sequence[float]]:
    """Return the series in what an earlier attempt wrote, nothing if it is something else."""
    points = written.get("series") if isinstance(written, dict) else None
    if not isinstance(points, list):
        return ()
    return [
        point
        for point in points
        if isinstance(point, list) and len(point) == 5 and all(isinstance(one, int | float) for one in point)
    ][-MOST_POINTS:]
