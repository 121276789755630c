"""
What the Contacts tab shows of a task instance, put together from what Airflow and the record know.

The record counts before what the task wrote while it ran, and that before its XComs. It does not know the database,
files or users; the time is an argument.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from airflow_connect.api.fields import website
from airflow_connect.api.outcome import OutcomeState
from airflow_connect.links.connect import ContactLink, contact_url
from airflow_connect.record.format import RowState
from airflow_connect.record.index import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_connect.plugins.metadata import Task
    from airflow_connect.plugins.records import Snapshot
    from airflow_connect.record.index import Totals

__all__ = ["Known", "brief", "is_active", "page_url", "results_of_task", "summary", "time_text"]

#: States of a task instance that change by themselves.
_ACTIVE: Final = frozenset(
    {"running", "queued", "scheduled", "deferred", "restarting", "up_for_retry", "up_for_reschedule"}
)
#: Seconds after which the page asks again: while a task runs, and while people deal with its contacts.
_SOON: Final = 3
_LATER: Final = 15
#: What each operator calls a contact with which it was done, in its counts.
_DONE: Final[Mapping[str, str]] = {
    "StopContactOperator": "stopped",
    "UpdateContactAttributesOperator": "updated",
    "TagContactOperator": "tagged",
    "TransferContactOperator": "transferred",
}
_COUNTS: Final = ("rows", *(state.value for state in RowState))
#: Seconds since 1970 that no time in an XCom of ours comes to.
_LATEST: Final = 1e11
_ENDINGS: Final = frozenset(state.value for state in OutcomeState)


def is_active(state: str | None) -> bool:
    """Return whether a task instance may do something by itself."""
    return state in _ACTIVE


def time_text(time: datetime | float | None) -> str | None:
    """Return a time as JSON has it (ISO 8601, UTC)."""
    if time is None:
        return None
    moment = datetime.fromtimestamp(time, UTC) if isinstance(time, int | float) else time.astimezone(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def page_url(task: Task, contact_id: object) -> str | None:
    """Return the address of a contact's page, ``None`` where the instance's website is not known."""
    address = website(_link(task).get("instance_access_url")) or website(
        _mapping(_value(task, "summary")).get("instance_access_url")
    )
    return contact_url(address, contact_id) if address and contact_id and isinstance(contact_id, str) else None


def results_of_task(task: Task) -> Iterator[tuple[object, str | None]]:
    """
    Yield where the results of a task may be, the best first: the path, and the Airflow connection to its store.

    :param task: the task instance
    """
    yield (task.live or {}).get("results"), None
    yield task.recorded, None
    for value in (_value(task, "summary"), _value(task, "return_value"), _link(task)):
        found = _mapping(value)
        conn_id = found.get("results_conn_id")
        yield found.get("results"), conn_id if isinstance(conn_id, str) else None


# --- Tasks ------------------------------------------------------------------------------------------------------------


def brief(task: Task, known: Known, *, now: datetime) -> dict[str, Any]:
    """
    Return what a list of task instances shows of one.

    :param task: the task instance
    :param known: what the task instances of its run know of contacts
    :param now: the time
    """
    contacts = [] if task.kind == "bulk" else _contacts(task, known, now)
    return {
        **_about(task),
        "counts": _counts(task, None),
        "progress": _progress(task, _counts(task, None)),
        "contact": contacts[0] if len(contacts) == 1 else None,
    }


def summary(
    task: Task,
    others: Sequence[Task],
    snapshot: Snapshot | None,
    *,
    notice: str | None,
    show_keys: bool,
    now: datetime,
) -> dict[str, Any]:
    """
    Return what the tab shows of a task instance.

    :param task: the task instance
    :param others: the other task instances of its run
    :param snapshot: its record, ``None`` if it has none that is known
    :param notice: what somebody has to set, so that more can be shown
    :param show_keys: whether keys are shown
    :param now: the time
    """
    totals = None if snapshot is None else snapshot.totals
    counts = _counts(task, totals) if task.kind == "bulk" else None
    contacts = [] if task.kind == "bulk" else _contacts(task, Known([task, *others]), now)
    outcomes = _outcomes(task, others, totals)
    is_building = snapshot is not None and snapshot.is_building
    still_open = bool(outcomes and outcomes["open"]) or any(contact["state"] == OPEN for contact in contacts)
    if is_active(task.state) or is_building:
        refresh: int | None = _SOON
    else:
        refresh = _LATER if still_open else None
    return {
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        **_about(task),
        "refresh_seconds": refresh,
        "building": is_building,
        "source": _source(task, totals),
        "notice": notice,
        "show_keys": show_keys,
        "has_contacts": totals is not None or is_building,
        "progress": _progress(task, counts, None if snapshot is None else snapshot.progress),
        "series": _series(task),
        "counts": counts,
        "outcomes": outcomes,
        "changes": [_change(other) for other in _changes(task, others)],
        "contacts": contacts,
        "branch": _branch(task),
    }


def _about(task: Task) -> dict[str, Any]:
    """Return what every answer about a task instance says of it."""
    return {
        "task_id": task.task_id,
        "map_index": task.map_index,
        "label": task.label,
        "operator": task.operator,
        "kind": task.kind,
        "state": task.state,
        "try_number": task.try_number,
        "started": time_text(task.started),
        "ended": time_text(task.ended),
    }


def _source(task: Task, totals: Totals | None) -> str:
    if totals is not None:
        return "record"
    if task.live is not None and isinstance(task.live.get("rows"), int):
        return "task_state"
    return "xcom" if task.xcoms else "none"


def _counts(task: Task, totals: Totals | None) -> dict[str, int] | None:
    """Return how many rows have which state, as far as anything knows it."""
    if totals is not None:
        counts = {name: totals.counts.get(name, 0) for name in _COUNTS}
        if is_active(task.state):
            # What the attempt has announced is on its way.
            counts[RowState.UNKNOWN] -= totals.in_flight
            counts[RowState.NOT_SENT] += totals.in_flight
        return counts
    for found in (task.live if is_active(task.state) else None, _value(task, "summary"), task.live):
        if isinstance(found, dict) and isinstance(found.get("rows"), int):
            return {name: count if isinstance(count := found.get(name), int) else 0 for name in _COUNTS}
    return None


def _progress(
    task: Task, counts: Mapping[str, int] | None, beside_record: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    live = task.live or {}
    if not live and beside_record is not None and task.started is not None:
        at = _time(beside_record.get("at"))
        if at is not None and at >= task.started.astimezone(UTC).replace(microsecond=0):
            live = {**beside_record, "phase": "sending", "try_number": task.try_number}
    if counts is None and not live:
        return None
    active = is_active(task.state)
    # The last progress of an earlier attempt does not say how fast this one is.
    own = live if not active or live.get("try_number") == task.try_number else {}
    total = None if counts is None else counts["rows"]
    summary = _mapping(_value(task, "summary"))
    return {
        "phase": own.get("phase"),
        "done": None if counts is None else counts["rows"] - counts[RowState.NOT_SENT],
        "total": total,
        "seconds_left": _number(own.get("seconds_left")) if active else None,
        "rate": _number(own.get("rate_now")) if active else _number(summary.get("rate", own.get("rate"))),
        "rate_found": _number(own.get("pace")),
        "throttled_share": _number(own.get("throttled_share")) if active else _throttled(own),
        "line": line if isinstance(line := own.get("line"), str) else None,
        "at": at if isinstance(at := own.get("at"), str) else None,
    }


def _throttled(live: Mapping[str, Any]) -> float | None:
    """Return the share of all calls that were throttled."""
    answers, throttled = _number(live.get("answers")), _number(live.get("throttled"))
    return round(throttled / answers, 4) if answers and throttled is not None else None


def _series(task: Task) -> list[dict[str, Any]]:
    points = (task.live or {}).get("series")
    if not isinstance(points, list):
        return []
    found = []
    for point in points:
        numbers = [_number(one) for one in point] if isinstance(point, list) else []
        if len(numbers) == 5 and None not in numbers and 0 <= numbers[0] < _LATEST:
            at, seconds, created, answers, throttled = numbers
            rate = round(created / seconds, 3) if seconds else 0.0
            share = round(throttled / answers, 4) if answers else None
            found.append({"at": time_text(at), "rate": rate, "throttled": share})
    return found


# --- Outcomes and changes ---------------------------------------------------------------------------------------------


def _outcomes(task: Task, others: Iterable[Task], totals: Totals | None) -> dict[str, Any] | None:
    """Return how contacts ended, ``None`` where nobody asks."""
    if totals is not None:
        is_awaited = task.kind in ("wait", "change") or any(
            other.kind == "wait" and _shares_results(task, other) for other in others
        )
        if not totals.outcomes and not is_awaited:
            return None
        states = {state.value: totals.outcomes.get(state.value, 0) for state in OutcomeState}
        return {
            "contacts": totals.contacts,
            "open": max(totals.contacts - sum(states.values()), 0),
            "states": states,
            "decisions": totals.decisions or None,
            "wait": totals.wait,
            "handle": totals.handle,
        }
    returned = _mapping(_value(task, "return_value"))
    if task.kind != "wait" or not isinstance(returned.get("open"), int):
        return None
    states = {state.value: count for state in OutcomeState if isinstance(count := returned.get(state.value, 0), int)}
    total = returned.get("contacts")
    return {
        "contacts": total if isinstance(total, int) else returned["open"] + sum(states.values()),
        "open": returned["open"],
        "states": states,
        "decisions": None,
        "wait": None,
        "handle": None,
    }


def _changes(task: Task, others: Iterable[Task]) -> Iterator[Task]:
    """Yield the tasks that stopped, transferred, tagged or changed the contacts of a task."""
    if task.kind == "change":
        yield task
        return
    ids = set(_ids(task))
    for other in others:
        if other.kind == "change" and (_shares_results(task, other) or not ids.isdisjoint(_ids(other))):
            yield other


def _change(task: Task) -> dict[str, Any]:
    returned = _mapping(_value(task, "return_value"))
    what = _DONE.get(task.operator or "", next((name for name in _DONE.values() if name in returned), "changed"))
    one = bool(_link(task).get("acted_on")) and task.state == "success"

    def count(name: str) -> int | None:
        found = returned.get(name)
        return found if isinstance(found, int) else None

    done = count(what)
    return {
        "task_id": task.task_id,
        "map_index": task.map_index,
        "operator": task.operator,
        "state": task.state,
        "what": what,
        "done": 1 if done is None and one else done,
        "already_ended": count("already_ended"),
        "failed": count("failed"),
        "contacts": 1 if one else count("contacts"),
        "at": time_text(task.ended),
    }


def _shares_results(task: Task, other: Task) -> bool:
    """Return whether two tasks work with the same results, or one of them with those of all instances of the other."""
    own = {path.rstrip("/") for path, _ in results_of_task(task) if isinstance(path, str) and path}
    theirs = {path.rstrip("/") for path, _ in results_of_task(other) if isinstance(path, str) and path}
    either = own | {path.rpartition("/map_index=")[0] for path in own if "/map_index=" in path}
    return not either.isdisjoint(theirs)


def _branch(task: Task) -> dict[str, Any] | None:
    if task.kind != "branch":
        return None
    followed = _value(task, "return_value")
    names = [followed] if isinstance(followed, str) else followed
    return {"followed": [name for name in names if isinstance(name, str)]} if isinstance(names, list) else None


# --- Single contacts --------------------------------------------------------------------------------------------------


def _ids(task: Task) -> list[str]:
    """Return the contacts that a task names, at most a few."""
    link, returned = _link(task), _value(task, "return_value")
    found: list[object] = [link.get("acted_on"), link.get("contact_id")]
    several = link.get("contact_ids")
    found += several if isinstance(several, list) else []
    if task.kind == "single" and not any(found):
        found.append(returned)
    return list(dict.fromkeys(one for one in found if isinstance(one, str) and one))


class Known:
    """
    What task instances know of contacts.

    :param tasks: of a run
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        #: What became of contacts, as tasks recorded it.
        self.outcomes: dict[str, Mapping[str, Any]] = {}
        #: What a task transferred contacts to.
        self.moved: dict[str, str] = {}
        self.stopped: set[str] = set()
        #: What somebody waits for.
        self.awaited: set[str] = set()
        #: When a task created contacts.
        self.made_at: dict[str, datetime] = {}
        for task in tasks:
            self._add(task)

    def _add(self, task: Task) -> None:
        for outcome in _outcomes_in_xcoms(task):
            self.outcomes.setdefault(outcome["contact_id"], outcome)
        link = _link(task)
        acted_on, goes_on = link.get("acted_on"), link.get("contact_id")
        if isinstance(acted_on, str) and task.state == "success":
            if task.operator == "StopContactOperator":
                self.stopped.add(acted_on)
            if isinstance(goes_on, str) and goes_on != acted_on:
                self.moved[acted_on] = goes_on
        if is_active(task.state) and (task.kind == "wait" or (task.kind == "single" and task.state == "deferred")):
            self.awaited.update(_ids(task))
        xcom = task.xcoms.get(ContactLink.xcom)
        if task.kind == "single" and isinstance(goes_on, str) and xcom is not None and xcom.at is not None:
            self.made_at[goes_on] = xcom.at


def _contacts(task: Task, known: Known, now: datetime) -> list[dict[str, Any]]:
    """Return what is known of the contacts that a task names."""
    ids = _ids(task)
    if task.kind == "change":
        ids = ids[:1]  # what a transfer made of it is in its chain
    return [_contact(task, contact_id, known, now) for contact_id in ids]


def _contact(task: Task, contact_id: str, known: Known, now: datetime) -> dict[str, Any]:
    outcome = known.outcomes.get(contact_id, {})
    # What it became in the end; tasks may name the contacts in between.
    last = outcome.get("transferred_to")
    chain = [contact_id]
    while (following := known.moved.get(chain[-1])) and following not in chain:
        chain.append(following)
    if isinstance(last, str) and last not in chain:
        chain.append(last)
    ending = outcome.get("state")
    if ending in _ENDINGS:
        state = ending
    elif not known.stopped.isdisjoint(chain):
        state = OutcomeState.STOPPED.value
    else:
        state = OPEN if ending == OPEN or not known.awaited.isdisjoint(chain) else "created"
    created = _time(outcome.get("initiated")) or known.made_at.get(contact_id)
    waited = _number(outcome.get("wait_seconds"))
    if waited is None and state == OPEN and created is not None:
        waited = round(max((now - created).total_seconds(), 0.0), 1)
    return {
        "contact_id": contact_id,
        "url": page_url(task, contact_id),
        "state": state,
        "created": time_text(created),
        "waited_seconds": waited,
        **{name: time_text(_time(outcome.get(name))) for name in ("connected_to_agent", "ended")},
        **{name: outcome.get(name) for name in ("agent_id", "queue_id", "handle_seconds", "disconnect_reason")},
        "chain": [{"contact_id": one, "url": page_url(task, one)} for one in chain],
    }


def _outcomes_in_xcoms(task: Task) -> Iterator[Mapping[str, Any]]:
    """Yield the outcomes in a task's XComs."""
    returned = _mapping(_value(task, "return_value"))
    several = returned.get("outcomes")
    given: list[object] = [_value(task, "outcome"), returned, *(several if isinstance(several, list) else [])]
    for one in given:
        if isinstance(one, dict) and isinstance(one.get("contact_id"), str) and isinstance(one.get("state"), str):
            yield one


# --- XComs ------------------------------------------------------------------------------------------------------------


def _value(task: Task, key: str) -> object:
    return task.xcoms[key].value if key in task.xcoms else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _link(task: Task) -> Mapping[str, Any]:
    return _mapping(_value(task, ContactLink.xcom))


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else None
    except ValueError:
        return None


def _number(value: Any) -> Any:
    """Return a number that JSON can have, ``None`` for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None
