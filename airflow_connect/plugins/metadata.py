"""
What Airflow itself knows: its users, Dag runs, task instances, XComs and task states, as the Contacts tab reads them.

The only module of the plugin that imports Airflow's models and users. It writes nothing.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from fastapi import HTTPException
from sqlalchemy import and_, exists, func, or_, select

from airflow_connect._compat import LIVE_KEY, TaskStateReader, database_session
from airflow_connect.links.connect import ContactLink

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

__all__ = [
    "KINDS",
    "MAY_READ",
    "Run",
    "Task",
    "database",
    "find_run",
    "find_task",
    "get_user",
    "latest_runs",
    "may_read",
    "readable_dags",
    "run_counts",
    "tasks_of_run",
]

#: What each operator does, by the name that Airflow stores.
KINDS: Final[Mapping[str, str]] = {
    "BulkCreateContactsOperator": "bulk",
    "CreateContactOperator": "single",
    "StartTaskContactOperator": "single",
    "StartOutboundVoiceContactOperator": "single",
    "_CreateContactDecoratedOperator": "single",
    "ContactSensor": "wait",
    "StopContactOperator": "change",
    "UpdateContactAttributesOperator": "change",
    "TagContactOperator": "change",
    "TransferContactOperator": "change",
    "ContactBranchOperator": "branch",
}
#: The XComs that are read.
_KEYS: Final = (ContactLink.xcom, LIVE_KEY, "summary", "return_value", "outcome")
#: Task instances of a run that are read at most where those are looked for that worked with the same contacts.
_MOST_TASKS: Final = 2_000

#: What the tab shows of a Dag is of its task instances, or of their XComs.
_ENTITIES: Final = (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)


def _requires_dag(dag_id: str) -> None:
    """Refuse a Dag that does not exist as one that somebody may not read: nobody learns which of both it is."""
    with database() as session:
        if session.scalar(select(DagModel.dag_id).where(DagModel.dag_id == dag_id)) is None:
            raise HTTPException(403, "Forbidden")


#: What has to be asked before anything about a Dag is answered, as dependencies of FastAPI. Airflow's take the Dag from
#: the parameter of the path that is named dag_id.
MAY_READ: Final[tuple[Callable[..., Any], ...]] = (
    *(requires_access_dag("GET", entity) for entity in _ENTITIES),
    _requires_dag,
)


class XComValue(NamedTuple):
    """
    An XCom.

    :param value: as JSON has it
    :param at: when it was stored
    """

    value: Any
    at: datetime | None


class Run(NamedTuple):
    """A Dag run, as Airflow knows it."""

    id: int
    dag_id: str
    run_id: str
    state: str | None
    logical_date: datetime | None
    started: datetime | None
    ended: datetime | None


class Task(NamedTuple):
    """
    A task instance, as Airflow knows it.

    :param kind: see :data:`KINDS`; of a class that somebody derived from one of those, what its XComs say
    :param xcoms: by their keys
    :param live: how far it is, as it wrote while it ran
    :param recorded: where an attempt recorded its results, as far as Airflow knows
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    label: str | None
    operator: str | None
    kind: str
    state: str | None
    try_number: int
    started: datetime | None
    ended: datetime | None
    xcoms: Mapping[str, XComValue]
    live: Mapping[str, Any] | None
    recorded: str | None


# --- Users ------------------------------------------------------------------------------------------------------------


def readable_dags(user: Any) -> set[str]:
    """
    Return the Dags that a user may read.

    :param user: as Airflow authenticated it
    """
    found: set[str] = get_auth_manager().get_authorized_dag_ids(user=user)
    return found


def may_read(user: Any, dag_id: str) -> bool:
    """
    Return whether a user may read what the tab shows of a Dag, as :data:`MAY_READ` does for a request.

    :param user: as Airflow authenticated it
    :param dag_id: the Dag
    """
    details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
    is_authorized = get_auth_manager().is_authorized_dag
    return all(is_authorized(method="GET", access_entity=entity, details=details, user=user) for entity in _ENTITIES)


# --- Runs and task instances ------------------------------------------------------------------------------------------


@contextmanager
def database() -> Iterator[Session]:
    """Open a session of Airflow's database, of which nothing is changed."""
    with database_session() as session:
        try:
            yield session
        finally:
            session.rollback()


def latest_runs(
    session: Session, dag_ids: Collection[str], *, days: int, limit: int, offset: int
) -> tuple[list[Run], bool]:
    """
    Return Dag runs with tasks of this package, the newest first, and whether there are more.

    :param session: Airflow's database
    :param dag_ids: of these Dags alone
    :param days: of the last days
    :param limit: runs at most
    :param offset: runs to leave out
    """
    since = datetime.now(UTC) - timedelta(days=days)
    of_run = and_(TaskInstance.dag_id == DagRun.dag_id, TaskInstance.run_id == DagRun.run_id)
    query = (
        select(DagRun)
        .where(
            DagRun.run_after >= since,
            DagRun.dag_id.in_(dag_ids),
            or_(
                exists().where(of_run, _is_named()),
                exists().where(XComModel.dag_run_id == DagRun.id, XComModel.key == ContactLink.xcom),
            ),
        )
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .limit(limit + 1)
        .offset(offset)
    )
    found = [_run(run) for run in session.scalars(query)]
    return found[:limit], len(found) > limit


def run_counts(session: Session, runs: Sequence[Run]) -> dict[int, dict[str, Any]]:
    """
    Return ``tasks``, ``failed_tasks`` and ``counts`` of runs, by the runs' IDs in Airflow's database.

    :param session: Airflow's database
    :param runs: the runs
    """
    ids = {(run.dag_id, run.run_id): run.id for run in runs}
    totals: dict[int, dict[str, Any]] = {run.id: {"tasks": 0, "failed_tasks": 0, "counts": None} for run in runs}
    if not ids:
        return totals
    states = (
        select(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.state, func.count())
        .where(
            TaskInstance.dag_id.in_({dag_id for dag_id, _ in ids}),
            TaskInstance.run_id.in_({run_id for _, run_id in ids}),
            _is_ours(),
        )
        .group_by(TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.state)
    )
    for dag_id, run_id, state, count in session.execute(states):
        if number := ids.get((dag_id, run_id)):
            totals[number]["tasks"] += count
            totals[number]["failed_tasks"] += count if state in ("failed", "upstream_failed") else 0
    counts: dict[tuple[int, str, int], Mapping[str, Any]] = {}
    found = select(XComModel.dag_run_id, XComModel.task_id, XComModel.map_index, XComModel.key, XComModel.value).where(
        XComModel.dag_run_id.in_(totals), XComModel.key.in_(("summary", LIVE_KEY))
    )
    for number, task_id, map_index, key, value in session.execute(found):
        # What an attempt writes at its end counts before what it wrote while it ran.
        if key == "summary" or (number, task_id, map_index) not in counts:
            counts[number, task_id, map_index] = _decoded(value)
    for run in runs:
        for task_id, map_index, value in TaskStateReader(session).of_run(run.id, LIVE_KEY):
            counts.setdefault((run.id, task_id, map_index), value)
    for (number, _, _), value in counts.items():
        if isinstance(value, dict) and isinstance(value.get("rows"), int):
            own = totals[number]["counts"] = totals[number]["counts"] or {}
            for name, count in value.items():
                if name in _COUNTS and isinstance(count, int):
                    own[name] = own.get(name, 0) + count
    return totals


def find_run(session: Session, dag_id: str, run_id: str) -> Run | None:
    """
    Return a Dag run, ``None`` if it does not exist.

    :param session: Airflow's database
    :param dag_id: its Dag
    :param run_id: its ID
    """
    run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    return None if run is None else _run(run)


def tasks_of_run(
    session: Session, run: Run, *, limit: int = _MOST_TASKS, offset: int = 0, kinds: Collection[str] = ()
) -> tuple[list[Task], int]:
    """
    Return the task instances of this package in a run, and how many there are.

    :param session: Airflow's database
    :param run: the run
    :param limit: task instances at most
    :param offset: task instances to leave out
    :param kinds: of these kinds alone, as far as their operators show it (default: all)
    """
    of_run = [TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id, _is_ours()]
    if kinds:
        names = [name for name, kind in KINDS.items() if kind not in kinds]
        of_run.append(TaskInstance.operator.not_in(names))
    total = session.scalar(select(func.count()).select_from(TaskInstance).where(*of_run)) or 0
    order = (TaskInstance.start_date.is_(None), TaskInstance.start_date, TaskInstance.task_id, TaskInstance.map_index)
    found = session.scalars(select(TaskInstance).where(*of_run).order_by(*order).limit(limit).offset(offset)).all()
    xcoms: dict[tuple[str, int], dict[str, XComValue]] = {}
    query = select(XComModel.task_id, XComModel.map_index, XComModel.key, XComModel.value, XComModel.timestamp).where(
        XComModel.dag_run_id == run.id,
        XComModel.task_id.in_({ti.task_id for ti in found}),
        XComModel.key.in_(_KEYS),
    )
    for task_id, map_index, key, value, at in session.execute(query):
        xcoms.setdefault((task_id, map_index), {})[key] = XComValue(_decoded(value), at)
    states = TaskStateReader(session)
    live = {(one, index): value for one, index, value in states.of_run(run.id, LIVE_KEY)}
    return [_task(ti, xcoms.get((ti.task_id, ti.map_index), {}), live) for ti in found], total


def find_task(session: Session, run: Run, task_id: str, map_index: int) -> Task | None:
    """
    Return a task instance, ``None`` if it does not exist.

    :param session: Airflow's database
    :param run: its run
    :param task_id: its task
    :param map_index: its index, -1 if the task is not mapped
    """
    ti = session.scalar(
        select(TaskInstance).where(
            TaskInstance.dag_id == run.dag_id,
            TaskInstance.run_id == run.run_id,
            TaskInstance.task_id == task_id,
            TaskInstance.map_index == map_index,
        )
    )
    if ti is None:
        return None
    query = select(XComModel.key, XComModel.value, XComModel.timestamp).where(
        XComModel.dag_run_id == run.id,
        XComModel.task_id == task_id,
        XComModel.map_index == map_index,
        XComModel.key.in_(_KEYS),
    )
    xcoms = {key: XComValue(_decoded(value), at) for key, value, at in session.execute(query)}
    states = TaskStateReader(session)
    whose = (run.dag_id, run.run_id, task_id, map_index)
    live = {(task_id, map_index): states.get(*whose, LIVE_KEY)}
    return _task(ti, xcoms, live, recorded=states.recorded(*whose))


#: What is summed up over a run.
_COUNTS: Final = ("rows", "created", "already_created", "failed", "unknown", "invalid", "skipped", "not_sent")


def _is_named() -> Any:
    """Return the condition that a task instance is of one of our operators."""
    return TaskInstance.operator.in_(KINDS)


def _is_ours() -> Any:
    """Return the condition that a task instance is of one of our operators, or of a class derived from one."""
    has_link = exists().where(
        XComModel.dag_id == TaskInstance.dag_id,
        XComModel.run_id == TaskInstance.run_id,
        XComModel.task_id == TaskInstance.task_id,
        XComModel.map_index == TaskInstance.map_index,
        XComModel.key == ContactLink.xcom,
    )
    return or_(_is_named(), has_link)


def _run(run: Any) -> Run:
    state = None if run.state is None else str(getattr(run.state, "value", run.state))
    return Run(run.id, run.dag_id, run.run_id, state, run.logical_date, run.start_date, run.end_date)


def _task(ti: Any, xcoms: Mapping[str, XComValue], live: Mapping[Any, Any], recorded: str | None = None) -> Task:
    progress = live.get((ti.task_id, ti.map_index))
    if progress is None and LIVE_KEY in xcoms:
        progress = xcoms[LIVE_KEY].value
    if not (isinstance(progress, dict) and isinstance(progress.get("phase"), str)):
        progress = None
    return Task(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=ti.map_index,
        label=ti.rendered_map_index if ti.map_index >= 0 else None,
        operator=ti.custom_operator_name or ti.operator,
        kind=_kind(ti.operator, xcoms, progress),
        state=None if ti.state is None else str(getattr(ti.state, "value", ti.state)),
        try_number=ti.try_number,
        started=ti.start_date,
        ended=ti.end_date,
        xcoms=xcoms,
        live=progress,
        recorded=recorded,
    )


def _kind(operator: str | None, xcoms: Mapping[str, XComValue], live: Any) -> str:
    """Return what a task does: of a class that is not ours, what its XComs say."""
    if operator is not None and operator in KINDS:
        return KINDS[operator]
    if live is not None:
        return "bulk"
    link = xcoms[ContactLink.xcom].value if ContactLink.xcom in xcoms else None
    if not isinstance(link, dict):
        return "other"
    if "summary" in xcoms:
        return "bulk"
    returned = xcoms["return_value"].value if "return_value" in xcoms else None
    if "acted_on" in link or (isinstance(returned, dict) and "already_ended" in returned):
        return "change"
    if "contact_ids" in link or "results" in link or isinstance(returned, dict):
        return "wait"
    return "single" if "contact_id" in link else "other"


def _decoded(value: Any) -> Any:
    """Return an XCom's value: JSON, which was stored as such or as its text."""
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except ValueError:
            return value
        return found if isinstance(found, dict | list) else value
    return value
