"""How far a bulk task is, as Airflow's UI shows it while it runs: every few seconds, in a bounded size."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.bulk.live import BEAT, MOST_POINTS, REST, Live, Series
from airflow_connect.calls.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping


class SetClock(Clock):
    """A clock that stands where it is set."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        """Return the time that was set."""
        return self.time

    def epoch(self) -> float:
        """Return the time that was set."""
        return self.time


def progress(seconds: float, created: int, *, answers: int | None = None, throttled: int = 0) -> dict[str, Any]:
    """Return what a report returns."""
    answers = created + throttled if answers is None else answers
    return {"rows": 100, "seconds": seconds, "accepted": created, "answers": answers, "throttled": throttled}


def told_live(clock: Clock, **kwargs: Any) -> tuple[Live, list[Mapping[str, Any]]]:
    """Return the writer, and all that it has written."""
    written: list[Mapping[str, Any]] = []
    return Live(written.append, clock=clock, **kwargs), written


def test_it_writes_at_a_gentle_beat() -> None:
    """At once, then every ten seconds, and at the end; each time with what distinguishes the attempts."""
    clock = SetClock()
    live, written = told_live(clock, constant={"try_number": 2})
    live.reading(1_000)
    live.wait()
    for second in range(1, 41):
        clock.time += 1
        live.report(progress(second, second * 10))
        live.wait()
    live.end(progress(41, 411))
    assert [one["phase"] for one in written] == ["checking", *["sending"] * int(40 / BEAT), "ended"]
    assert written[0]["line"] == "1,000 rows read and checked"
    assert {one["try_number"] for one in written} == {2}
    assert written[-1]["accepted"] == 411
    # Each interval with what was created in it, also those that were not written at once.
    assert sum(point[2] for point in written[-1]["series"]) == 411


def test_a_slow_api_server_is_left_alone() -> None:
    """A write that takes long is followed by a rest, and nothing is written while it is under way."""
    clock = SetClock()
    go_on, begun = threading.Event(), threading.Event()
    written: list[Mapping[str, Any]] = []

    def write(progress: Mapping[str, Any]) -> None:
        begun.set()
        assert go_on.wait(30)
        clock.time += 3
        written.append(progress)

    live = Live(write, clock=clock)
    live.report(progress(1, 1))
    assert begun.wait(30)
    clock.time += BEAT + 1
    live.report(progress(12, 2))  # while the first is under way
    go_on.set()
    live.wait()
    assert len(written) == 1
    clock.time += REST * (BEAT + 4) - 1  # it took so long, this clock says
    live.report(progress(70, 3))
    live.wait()
    assert len(written) == 1
    clock.time += 2
    live.report(progress(72, 4))
    live.wait()
    assert len(written) == 2


def test_it_can_keep_quiet_until_the_end() -> None:
    """Where no thread may talk to Airflow, all is reported at the end."""
    clock = SetClock()
    live, written = told_live(clock, only_at_end=True)
    live.reading(1_000)
    for second in range(1, 41):
        clock.time += 1
        live.report(progress(second, second * 10))
    assert written == []
    live.end(progress(41, 411))
    assert [one["phase"] for one in written] == ["ended"]
    assert sum(point[2] for point in written[0]["series"]) == 411


def test_what_cannot_be_written_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An error of Airflow's is logged once, by its type alone."""
    caplog.set_level(logging.INFO)
    clock = SetClock()

    def write(_: Mapping[str, Any]) -> None:
        raise RuntimeError("the secret of a backend")

    live = Live(write, clock=clock)
    for second in range(1, 40):
        clock.time += 10
        live.report(progress(second * 10, second))
        live.wait()
    live.end(progress(400, 40))
    [message] = caplog.messages
    assert message.startswith("The progress cannot be written to Airflow (RuntimeError).")


def test_a_series_is_bounded() -> None:
    """However long a task runs, its series has few points, sums to what was done, and is small as JSON."""
    series = Series()
    for step in range(1, 20_001):
        series.add(step * 5.0, seconds=step * 5.0, created=step * 300, answers=step * 310, throttled=step * 10)
    points = series.points()
    assert MOST_POINTS / 2 <= len(points) <= MOST_POINTS
    assert [sum(column) for column in list(zip(*points, strict=True))[1:]] == [100_000, 6_000_000, 6_200_000, 200_000]
    assert points[-1][0] == 100_000.0
    assert [point[0] for point in points] == sorted(point[0] for point in points)
    assert len(json.dumps(points)) < 16_384


def test_a_retry_goes_on() -> None:
    """An attempt goes on with the series of the one before; what is something else is nothing."""
    clock = SetClock()
    before = {"series": [[500.0, 5.0, 10, 10, 0], "x", [1, 2]], "phase": "sending"}
    live, written = told_live(clock, written_before=before)
    live.end(progress(5, 20))
    assert written[-1]["series"] == [[500.0, 5.0, 10, 10, 0], [1_000.0, 5, 20, 20, 0]]
    live, written = told_live(clock, written_before="nothing")
    live.end(progress(5, 20))
    assert written[-1]["series"] == [[1_000.0, 5, 20, 20, 0]]


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_an_interval_without_time_is_none(seconds: float) -> None:
    """Where no time has passed, there is no rate."""
    series = Series()
    series.add(10.0, seconds=seconds, created=1, answers=1, throttled=0)
    series.add(10.0, seconds=seconds, created=1, answers=1, throttled=0)
    assert len(series.points()) == (1 if seconds else 0)
