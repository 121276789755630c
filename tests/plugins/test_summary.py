"""What the tab shows of a task instance, by what Airflow and the record know."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from airflow_connect.plugins.summary import Known, brief, page_url, results_of_task, summary, time_text
from airflow_connect.record.index import Totals

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
SITE = "https://airline.my.connect.aws"
COUNTS = {"created": 5, "already_created": 0, "failed": 1, "unknown": 3, "invalid": 0, "skipped": 0, "not_sent": 1}


def task(kind: str = "bulk", **given: Any) -> Any:
    """Return a task instance as ``plugins.metadata`` gives it; ``xcoms`` are values, stored an hour ago."""
    xcoms = given.pop("xcoms", {})
    totals = {key: SimpleNamespace(value=value, at=NOW - timedelta(hours=1)) for key, value in xcoms.items()}
    standard = {
        "dag_id": "d",
        "run_id": "r",
        "task_id": kind,
        "map_index": -1,
        "label": None,
        "operator": "BulkCreateContactsOperator",
        "kind": kind,
        "state": "success",
        "try_number": 1,
        "started": NOW,
        "ended": NOW,
        "live": None,
        "recorded": None,
    }
    return SimpleNamespace(**standard | given, xcoms=totals)


def snapshot(totals: Totals | None, *, is_building: bool = False, progress: Any = None) -> Any:
    """Return what a look at a record found."""
    return SimpleNamespace(totals=totals, is_building=is_building, progress=progress)


def shown(one: Any, *others: Any, record: Any = None) -> dict[str, Any]:
    """Return what the tab shows."""
    return summary(one, others, record, notice=None, show_keys=False, now=NOW)


def link(**identifiers: Any) -> dict[str, Any]:
    """Return the XCom that links and the tab need."""
    return {"amazon_connect": {"instance_access_url": SITE, **identifiers}}


def test_rows_on_their_way_are_nobodys_problem() -> None:
    """While a task runs, what it announced is not sent yet; once it is over, nobody knows what became of it."""
    record = snapshot(Totals(counts={"rows": 10, **COUNTS}, in_flight=2, listed=9, contacts=5))
    running = shown(task(state="running"), record=record)
    assert (running["counts"]["unknown"], running["counts"]["not_sent"]) == (1, 3)
    assert (running["progress"]["done"], running["progress"]["total"], running["refresh_seconds"]) == (7, 10, 3)
    over = shown(task(state="failed"), record=record)
    assert (over["counts"]["unknown"], over["counts"]["not_sent"]) == (3, 1)
    assert (over["source"], over["refresh_seconds"], over["outcomes"]) == ("record", None, None)


def test_progress_is_that_of_the_attempt_that_runs() -> None:
    """The last progress of an earlier attempt does not say how fast this one is; its series stays."""
    live = {
        "phase": "sending",
        "try_number": 1,
        "rows": 10,
        **COUNTS,
        "rate_now": 12.5,
        "pace": 20.0,
        "seconds_left": 3,
        "throttled_share": 0.1,
        "line": "7 of 10 rows done",
        "series": [[0.0, 5.0, 10, 20, 5], [5.0, 5.0, 0, 0, 0], ["x"], "y", [1e300, 5.0, 0, 0, 0], [1, 2, 3, 4, "5"]],
    }
    totals = shown(task(state="running", live=live))
    assert totals["source"] == "task_state"
    assert (totals["progress"]["rate"], totals["progress"]["rate_found"], totals["progress"]["seconds_left"]) == (
        12.5,
        20.0,
        3,
    )
    assert totals["series"] == [
        {"at": "1970-01-01T00:00:00Z", "rate": 2.0, "throttled": 0.25},
        {"at": "1970-01-01T00:00:05Z", "rate": 0.0, "throttled": None},
    ]
    later = shown(task(state="running", try_number=2, live=live))
    assert (later["progress"]["rate"], later["progress"]["line"], len(later["series"])) == (None, None, 2)
    checking = shown(task(state="running", live={"phase": "checking", "line": "1,000 rows", "try_number": 1}))
    assert (checking["counts"], checking["progress"]["total"], checking["progress"]["line"]) == (
        None,
        None,
        "1,000 rows",
    )


def test_progress_that_stands_beside_the_record() -> None:
    """Where a task cannot write to Airflow while it runs (3.1), its file does, if it is of this attempt."""
    totals = Totals(counts={"rows": 10, **COUNTS}, listed=9)
    for at, rate in (("2026-11-29T12:00:05+00:00", 4.0), ("2026-11-29T11:00:00+00:00", None), ("x", None)):
        record = snapshot(totals, progress={"at": at, "rate_now": 4.0, "line": "so far"})
        assert shown(task(state="running"), record=record)["progress"]["rate"] == rate


def test_a_task_that_is_over_returns_its_summary() -> None:
    """Where there is no record, the counts are those of the XCom, also of a task that failed."""
    xcoms = {"summary": {"rows": 10, **COUNTS, "rate": 8.25, "results": "/elsewhere"}}
    totals = shown(task(state="failed", xcoms=xcoms))
    assert (totals["source"], totals["counts"]["failed"], totals["progress"]["rate"]) == ("xcom", 1, 8.25)
    assert totals["has_contacts"] is False
    assert list(results_of_task(task(xcoms=xcoms))) == [
        (None, None),
        (None, None),
        ("/elsewhere", None),
        (None, None),
        (None, None),
    ]
    nothing = shown(task(state=None))
    assert (nothing["source"], nothing["counts"], nothing["progress"]) == ("none", None, None)


def test_outcomes_are_open_once_somebody_waits() -> None:
    """Nobody knows how contacts ended unless a sensor asks; then those without an outcome are open."""
    record = snapshot(Totals(counts={"rows": 5}, contacts=5, outcomes={"completed": 2}, decisions={"approve": 1}))
    totals = shown(task(), record=record)
    assert (totals["outcomes"]["open"], totals["outcomes"]["decisions"]) == (3, {"approve": 1})
    # People deal with them: it is worth another look.
    assert totals["refresh_seconds"] == 15
    fresh = snapshot(Totals(counts={"rows": 5}, contacts=5))
    assert shown(task(), record=fresh)["outcomes"] is None
    sensor = task("wait", xcoms=link(results="/r/map_index=-1"), state="deferred")
    made = task(xcoms={"summary": {"results": "/r/map_index=-1"}})
    assert shown(made, sensor, record=fresh)["outcomes"]["open"] == 5
    few = task("wait", xcoms={"return_value": {"contacts": 3, "open": 1, "completed": 2, "outcomes": []}})
    assert shown(few)["outcomes"]["states"]["completed"] == 2


def test_what_later_tasks_did() -> None:
    """Tasks that worked with the same results are named with their counts, others are not."""
    made = task(xcoms={"summary": {"results": "/r/map_index=3"}})
    counts = {"contacts": 5, "tagged": 4, "already_ended": 0, "failed": 1}
    own = task(
        "change", operator="TagContactOperator", xcoms={**link(results="/r/map_index=3"), "return_value": counts}
    )
    of_all = task("change", operator="StopContactOperator", state="failed", xcoms=link(results="/r"))
    other = task("change", operator="StopContactOperator", xcoms=link(results="/elsewhere"))
    found = shown(made, own, of_all, other)["changes"]
    assert [(one["what"], one["done"], one["failed"]) for one in found] == [("tagged", 4, 1), ("stopped", None, None)]


def test_a_contact_and_its_chain() -> None:
    """A contact that was transferred twice and waited for: who took it, as far as any task of the run knows."""
    made = task("single", xcoms={**link(contact_id="a"), "return_value": "a"})
    first = task("change", operator="TransferContactOperator", xcoms=link(acted_on="a", contact_id="b"))
    second = task("change", operator="TransferContactOperator", xcoms=link(acted_on="b", contact_id="c"))
    waiting = task("wait", operator="ContactSensor", state="deferred", xcoms=link(contact_id="a"))
    [contact] = shown(made, first, second, waiting)["contacts"]
    assert (contact["state"], contact["waited_seconds"], contact["created"]) == ("open", 3600.0, "2026-11-29T11:00:00Z")
    assert [one["contact_id"] for one in contact["chain"]] == ["a", "b", "c"]
    assert contact["url"] == f"{SITE}/contact-trace-records/details/a"
    outcome = {
        "contact_id": "a",
        "state": "completed",
        "agent_id": "user",
        "wait_seconds": 7.5,
        "handle_seconds": 9.0,
        "ended": "2026-11-29T11:30:00.000+00:00",
        "transferred_to": "d",
        "attributes": {"name": "Miller"},
    }
    done = task("wait", operator="ContactSensor", xcoms={**link(contact_id="a"), "return_value": outcome})
    totals = shown(made, first, second, done)
    [contact] = totals["contacts"]
    assert (contact["state"], contact["agent_id"], contact["waited_seconds"]) == ("completed", "user", 7.5)
    assert [one["contact_id"] for one in contact["chain"]] == ["a", "b", "c", "d"]
    assert "Miller" not in json.dumps(totals)
    [unknown] = shown(made)["contacts"]
    assert (unknown["state"], unknown["waited_seconds"]) == ("created", None)
    listed = brief(made, Known([made, first]), now=NOW)
    assert listed["contact"]["chain"][-1]["contact_id"] == "b"


def test_a_link_is_a_websites_address() -> None:
    """An address that somebody else wrote is not a link."""
    assert page_url(task(xcoms=link()), "a/b") == f"{SITE}/contact-trace-records/details/a%2Fb"
    for address in ("javascript:alert(1)", "data:text/html,x", None, 7):
        assert page_url(task(xcoms={"amazon_connect": {"instance_access_url": address}}), "a") is None


_JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False)
    | strategies.text(max_size=5),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(
            strategies.sampled_from(
                [
                    "results",
                    "rows",
                    "created",
                    "open",
                    "contact_id",
                    "contact_ids",
                    "acted_on",
                    "transferred_to",
                    "state",
                    "outcomes",
                    "initiated",
                    "wait_seconds",
                    "series",
                    "phase",
                    "instance_access_url",
                    "line",
                    "pace",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@hypothesis.settings(max_examples=60)
@hypothesis.given(
    values=strategies.lists(_JSON, min_size=5, max_size=5),
    kind=strategies.sampled_from(["bulk", "single", "wait", "change", "branch", "other"]),
    state=strategies.sampled_from(["running", "success", None]),
)
def test_whatever_xcoms_hold(values: list[Any], kind: str, state: str | None) -> None:
    """XComs may be anybody's: whatever they hold, there is an answer, which is JSON."""
    keys = ("amazon_connect", "summary", "return_value", "outcome")
    live = values[4] if isinstance(values[4], dict) else None
    one = task(kind, state=state, xcoms=dict(zip(keys, values, strict=False)), live=live)
    answer = [shown(one, one), brief(one, Known([one]), now=NOW)]
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


@pytest.mark.parametrize(
    ("time", "text"),
    [(None, None), (0, "1970-01-01T00:00:00Z"), (NOW, "2026-11-29T12:00:00Z"), (0.5, "1970-01-01T00:00:00Z")],
)
def test_times(time: Any, text: str | None) -> None:
    """Times are text in UTC."""
    assert time_text(time) == text
