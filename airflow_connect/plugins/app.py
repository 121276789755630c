"""
The API of the Contacts tab: who may see what, and in which form.

Airflow does not authenticate the apps of plugins. This one is shut by default: every request, for an unknown path or a
static file too, is of somebody who has logged in; each route about a Dag asks Airflow whether that user may read its
task instances and XComs. It has no documentation routes, changes nothing, and answers GET alone.
"""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, StreamingResponse

from airflow_connect._compat import conf, default_results_path
from airflow_connect.api.outcome import OutcomeState
from airflow_connect.plugins import metadata
from airflow_connect.plugins.records import Records, belongs_to, index_folder
from airflow_connect.plugins.summary import Known, brief, is_active, page_url, results_of_task, summary, time_text
from airflow_connect.record.format import RowState, run_folder
from airflow_connect.record.index import OPEN, SORTS
from airflow_connect.record.sheets import csv_lines
from airflow_connect.record.storage import folder_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping

    from airflow_connect.plugins.metadata import Run, Task
    from airflow_connect.plugins.records import Snapshot

__all__ = ["create_app"]

#: What each answer says to browsers. Nothing is loaded from anywhere else, and no script stands in a page.
#: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    b"connect-src 'self'; frame-ancestors 'self'; base-uri 'self'; form-action 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
#: Answers hold what a user may see, and another may not.
_NOT_KEPT: Final = (b"cache-control", b"no-store")

_STATIC: Final = Path(__file__).parent / "static"
_MEDIA_TYPES: Final = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".map": "application/json",
}
#: Seconds for which all who look at a task instance get the same answer.
_SHARED: Final = 1.0
#: Answers that are kept for that long.
_MOST_SHARED: Final = 512
#: Rows that a download has at most: more than a spreadsheet takes.
_MOST_ROWS: Final = 1_048_575

_NO_RECORD: Final = (
    "The record of this task is not where the API server can read it. To see each contact here, set `results_path` in "
    "the section `[amazon_connect]` of Airflow's configuration to a bucket, or to a folder that workers and API server "
    "share."
)
_OF_ANOTHER_DAG: Final = "The results of this task are those of another Dag: open the tab of the task that wrote them."

User = Annotated[Any, Depends(metadata.get_user)]
Days = Annotated[int, Query(ge=1, le=90)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
Name = Annotated[str, Query(max_length=250)]
#: What a column of integers can hold in every database.
MapIndex = Annotated[int, PathParameter(ge=-1, le=2**31 - 1)]


class _Headers:
    """Adds the headers to every answer, errors included."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        async def send_with(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                more = [header for header in (*_HEADERS, _NOT_KEPT) if header[0] not in names]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self._app(scope, receive, send_with)


class _Shared:
    """Answers that are the same for all who may ask: made once, and kept for a moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, tuple[threading.Lock, list[Any]]] = OrderedDict()

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """
        Return the answer.

        :param key: what distinguishes it from others
        :param make: makes it; what it raises is not kept
        """
        with self._lock:
            lock, kept = self._kept.setdefault(key, (threading.Lock(), []))
            self._kept.move_to_end(key)
            if len(self._kept) > _MOST_SHARED:
                self._kept.popitem(last=False)
        with lock:
            if not kept or time.monotonic() >= kept[1]:
                kept[:] = [made := make(), time.monotonic() + _SHARED]
                return made
            return kept[0]


class _Tab:
    """The answers to users who have access."""

    def __init__(self) -> None:
        attribute = conf.get("amazon_connect", "decision_attribute", fallback="decision")
        decisions = conf.get("amazon_connect", "decisions", fallback="approve, refuse").split(",")
        self._records = Records(index_folder(), decisions=(attribute, decisions))
        self._shared = _Shared()
        self.show_keys: bool = conf.getboolean("amazon_connect", "show_keys", fallback=False)

    # --- Runs -----------------------------------------------------------------------------------------------------

    def runs(self, user: Any, dag_ids: set[str], *, days: int, limit: int, offset: int) -> dict[str, Any]:
        """Return the runs of Dags, as far as the user may read them."""
        with metadata.database() as session:
            found, has_more = metadata.latest_runs(session, dag_ids, days=days, limit=limit, offset=offset)
            allowed = {dag_id for dag_id in {run.dag_id for run in found} if metadata.may_read(user, dag_id)}
            found = [run for run in found if run.dag_id in allowed]
            counts = metadata.run_counts(session, found)
        return {
            "runs": [{**_run(run), **counts[run.id]} for run in found],
            "has_more": has_more,
            "days": days,
            "total": None,
        }

    def run(self, dag_id: str, run_id: str, *, limit: int, offset: int) -> dict[str, Any]:
        """Return the task instances of a run."""

        def make() -> dict[str, Any]:
            with metadata.database() as session:
                run = _found(metadata.find_run(session, dag_id, run_id))
                tasks, total = metadata.tasks_of_run(session, run, limit=limit, offset=offset)
                others = tasks if len(tasks) == total else metadata.tasks_of_run(session, run, kinds=_ABOUT_CONTACTS)[0]
            known, now = Known(others), datetime.now(UTC)
            active = run.state in ("running", "queued")
            return {
                **_run(run),
                "total": total,
                "refresh_seconds": 3 if active else None,
                "tasks": [brief(task, known, now=now) for task in tasks],
            }

        return self._once(("run", dag_id, run_id, limit, offset), make)

    # --- A task instance ------------------------------------------------------------------------------------------

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
        """Return what the tab shows of a task instance."""

        def make() -> dict[str, Any]:
            with metadata.database() as session:
                run = _found(metadata.find_run(session, dag_id, run_id))
                task = _found(metadata.find_task(session, run, task_id, map_index))
                others, _ = metadata.tasks_of_run(session, run, kinds=_ABOUT_CONTACTS)
            snapshot, notice = self._read(task)
            return summary(
                task,
                [other for other in others if (other.task_id, other.map_index) != (task_id, map_index)],
                snapshot,
                notice=notice,
                show_keys=self.show_keys,
                now=datetime.now(UTC),
            )

        return self._once(("task", dag_id, run_id, task_id, map_index), make)

    def contacts(
        self,
        whose: tuple[str, str, str, int],
        *,
        states: list[RowState],
        outcomes: list[str],
        search: str,
        sort: str,
        descending: bool,
        limit: int,
        offset: int,
    ) -> dict[str, Any]:
        """Return a page of a task instance's contacts."""
        task, snapshot, notice = self._record(whose)
        page = None
        if snapshot is not None and snapshot.totals is not None:
            page = snapshot.pages.page(
                states=states,
                outcomes=outcomes,
                search=search,
                with_keys=self.show_keys,
                is_running=is_active(task.state),
                sort=sort,
                descending=descending,
                limit=limit,
                offset=offset,
            )
        answer = {
            "show_keys": self.show_keys,
            "building": snapshot is not None and snapshot.is_building,
            "notice": notice,
        }
        if page is None or snapshot is None or snapshot.totals is None:
            return {"total": 0, "matching": 0, "rows": [], "source": "none", "fresh_at": None, **answer}
        return {
            "total": page.total,
            "matching": page.matching,
            "rows": [{**row, "url": page_url(task, row["contact_id"])} for row in page.rows],
            "source": "record",
            "fresh_at": time_text(snapshot.totals.fresh_at),
            **answer,
        }

    def failed(self, whose: tuple[str, str, str, int]) -> Iterator[str]:
        """Yield the lines of the download of a task instance's rows that failed."""
        task, snapshot, notice = self._record(whose)
        if snapshot is None or snapshot.totals is None:
            is_building = snapshot is not None and snapshot.is_building
            missing = "The record is being read. Try again in a moment." if is_building else "The task has no record."
            raise HTTPException(404, notice or missing)
        columns = ["row", *(["key"] if self.show_keys else []), "state", "contact_id", "attempts", "at", "error"]
        rows = snapshot.pages.problems(with_keys=self.show_keys, is_running=is_active(task.state))
        return csv_lines(columns, islice(rows, _MOST_ROWS))

    def _record(self, whose: tuple[str, str, str, int]) -> tuple[Task, Snapshot | None, str | None]:
        """Return a task instance, its record, and what to set where that cannot be read."""
        dag_id, run_id, task_id, map_index = whose

        def make() -> tuple[Task, Snapshot | None, str | None]:
            with metadata.database() as session:
                run = _found(metadata.find_run(session, dag_id, run_id))
                task = _found(metadata.find_task(session, run, task_id, map_index))
            return task, *self._read(task)

        found: tuple[Task, Snapshot | None, str | None] = self._shared.get(("record", *whose), make)
        return found

    def _read(self, task: Task) -> tuple[Snapshot | None, str | None]:
        """Look at the record of a task instance, if it has one."""
        if task.kind not in ("bulk", "wait", "change"):
            return None, None
        own = {"dag_id": task.dag_id, "run_id": task.run_id, "task_id": task.task_id}
        notice: str | None = None
        for path, conn_id in results_of_task(task):
            if path is None:
                continue
            if not belongs_to(path, **(own if task.kind == "bulk" else {"dag_id": task.dag_id})):
                notice = _OF_ANOTHER_DAG
                continue
            return self._checked(task, self._records.read(str(path), conn_id))
        if notice is not None or (task.kind != "bulk" and task.try_number):
            return None, notice
        # It has not recorded anything yet, or its record cannot be read.
        folder = str(run_folder(folder_of(default_results_path()), **own, map_index=task.map_index))
        snapshot, notice = self._checked(task, self._records.read(folder))
        has_begun = task.live is not None and task.live.get("phase") != "checking"
        is_readable = snapshot is None or snapshot.totals is not None
        return snapshot, None if is_readable or not has_begun else notice

    @staticmethod
    def _checked(task: Task, snapshot: Snapshot) -> tuple[Snapshot | None, str | None]:
        """Return a record if it is that of the Dag: what stands in a folder may be of anybody who can write there."""
        if snapshot.totals is not None:
            if any(header.get("dag_id") != task.dag_id for header in snapshot.totals.headers):
                return None, _OF_ANOTHER_DAG
            return snapshot, snapshot.error
        if snapshot.is_building:
            return snapshot, None
        return None, _NO_RECORD

    def _once(self, key: Any, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = self._shared.get(key, make)
        return found


_T = TypeVar("_T")

#: What else in a run says something of a task's contacts.
_ABOUT_CONTACTS: Final = ("single", "wait", "change")


def _found(found: _T | None) -> _T:
    if found is None:
        raise HTTPException(404, "Not found")
    return found


def _run(run: Run) -> dict[str, Any]:
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "state": run.state,
        "logical_date": time_text(run.logical_date),
        "started": time_text(run.started),
        "ended": time_text(run.ended),
    }


def _words(given: list[str], known: Iterable[str], name: str) -> list[str]:
    """Return words that were given each by itself or separated by commas."""
    words = [word.strip() for one in given for word in one.split(",") if word.strip()]
    if not set(words) <= set(known):
        raise HTTPException(422, f"{name} must be {', '.join(known)}.")
    return list(dict.fromkeys(words))


def _static_files() -> dict[str, Path]:
    """Return the files that are served, by their names: nothing that comes from a request is joined to a path."""
    return {file.name: file for file in _STATIC.iterdir() if file.suffix in _MEDIA_TYPES and file.is_file()}


def create_app() -> FastAPI:
    """Return the app that Airflow mounts."""
    app = FastAPI(
        title="Amazon Connect",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(metadata.get_user)],
    )
    app.add_middleware(_Headers)
    tab = _Tab()
    files = _static_files()
    guarded = APIRouter(prefix="/api/dags/{dag_id}", dependencies=[Depends(guard) for guard in metadata.MAY_READ])
    in_task = "/runs/{run_id}/tasks/{task_id}/{map_index}"

    @app.get("/static/{name}")
    def static(name: str) -> FileResponse:
        file = files.get(name)
        if file is None:
            raise HTTPException(404, "Not found")
        return FileResponse(file, media_type=_MEDIA_TYPES[file.suffix], headers={"Cache-Control": "private, no-cache"})

    @app.get("/api/runs")
    def runs(
        user: User,
        days: Days = 7,
        dag_id: Name = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 25,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        readable = metadata.readable_dags(user)
        wanted = readable & {dag_id} if dag_id else readable
        return tab.runs(user, wanted, days=days, limit=limit, offset=offset)

    @guarded.get("/runs")
    def runs_of_dag(
        user: User,
        dag_id: str,
        days: Days = 90,
        limit: Annotated[int, Query(ge=1, le=100)] = 25,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        return tab.runs(user, {dag_id}, days=days, limit=limit, offset=offset)

    @guarded.get("/runs/{run_id}")
    def run(
        dag_id: str, run_id: str, limit: Annotated[int, Query(ge=1, le=500)] = 100, offset: Offset = 0
    ) -> dict[str, Any]:
        return tab.run(dag_id, run_id, limit=limit, offset=offset)

    @guarded.get(in_task)
    def task(dag_id: str, run_id: str, task_id: str, map_index: MapIndex) -> dict[str, Any]:
        return tab.task(dag_id, run_id, task_id, map_index)

    @guarded.get(f"{in_task}/contacts")
    def contacts(
        dag_id: str,
        run_id: str,
        task_id: str,
        map_index: MapIndex,
        state: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006  # FastAPI copies it
        outcome: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006
        q: Annotated[str, Query(max_length=200)] = "",
        sort: str = "problems",
        order: Literal["asc", "desc"] = "asc",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        sorts = [name for name in SORTS if tab.show_keys or name != "key"]
        return tab.contacts(
            (dag_id, run_id, task_id, map_index),
            states=[RowState(word) for word in _words(state, list(RowState), "state")],
            outcomes=_words(outcome, [OPEN, *OutcomeState], "outcome"),
            search=q,
            sort=(_words([sort], sorts, "sort") or ["problems"])[0],
            descending=order == "desc",
            limit=limit,
            offset=offset,
        )

    @guarded.get(f"{in_task}/failed.csv")
    def failed(dag_id: str, run_id: str, task_id: str, map_index: MapIndex) -> StreamingResponse:
        lines = tab.failed((dag_id, run_id, task_id, map_index))
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{dag_id}-{task_id}-{run_id}-failed.csv")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return StreamingResponse(lines, media_type="text/csv", headers=headers)

    app.include_router(guarded)

    # What does not exist is found out by those alone who have logged in.
    @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def nothing(request: Request) -> None:
        raise HTTPException(404 if request.method in ("GET", "HEAD") else 405, "Not found")

    return app
