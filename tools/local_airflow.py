"""
A real Airflow on this machine for tests, benchmarks and the demo: scheduler, DAG processor and API server.

SQLite, LocalExecutor, one directory, 127.0.0.1, no login. It is driven over Airflow's public REST API, as a
user's script would, and needs nothing but the standard library. Knows nothing of Amazon Connect.

Airflow 2.11 and Airflow 3 differ in commands, settings and the API's version; here, where Airflow is another
process and not imported, those differences meet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tools.programs import Programs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DONE = ("success", "failed")
"""The states in which a DAG run has ended."""
_TRIGGERS = 5
"""How often a run is asked for at most."""


class LocalAirflowError(Exception):
    """Airflow did not start, died, or did not do what it was asked in time; says so with its log's end."""


@dataclasses.dataclass(frozen=True)
class TaskInstance:
    """What Airflow's API says of a task instance."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    pid: int | None
    hostname: str | None


class LocalAirflow:
    """
    An Airflow that runs from :meth:`start` to :meth:`stop`, or within a ``with`` block.

    :param home: The directory that becomes AIRFLOW_HOME. What is left there from an earlier run (its
        database, its logs) is used again.
    :param dags: The folder of DAG files.
    :param python: The interpreter whose Airflow runs; default: this one.
    :param host: The address at which the API server listens.
    :param port: The port wanted for UI and API; when it is taken, or None is given, a free one is chosen.
    :param path: The path below which UI and API are, such as ``/airflow``; Airflow 3 only.
    :param parallelism: How many task instances run at a time.
    :param triggerer: Whether deferrable tasks can run, at the cost of one more process.
    :param preload: Modules that the scheduler imports as it starts. Tasks are forks of it, so that none of
        them spends its first seconds on imports that all of them share.
    :param env: Environment variables of all components, such as ``AIRFLOW_CONN_AWS_DEFAULT``.
    :param config: Settings of Airflow over those chosen here, ``{"section.option": "value"}``.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        *,
        python: str = sys.executable,
        host: str = "127.0.0.1",
        port: int | None = None,
        path: str = "",
        parallelism: int = 4,
        triggerer: bool = False,
        preload: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home.resolve()
        self.dags = dags.resolve()
        self.python = python
        self.host = host
        self.port = free_port(port)
        self.url = f"http://{host}:{self.port}{path}"
        self.triggerer = triggerer
        self.preload = preload
        self.version = _installed_airflow(python)
        major, minor = self.version.split(".")[:2]
        self.release = int(major), int(minor)
        self.is_airflow_2 = self.release < (3, 0)
        self.programs = Programs(self.home / "programs")
        self._token: str | None = None
        self.env = _without_settings(os.environ)
        self.env.update(self._settings(parallelism))
        self.env.update({_variable(option): value for option, value in (config or {}).items()})
        self.env.update(env or {})

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- life -----------------------------------------------------------------------------------------

    def start(self, *, timeout: float = 180, detached: bool = False) -> None:
        """
        Start all components and wait until they are healthy.

        :param timeout: Seconds after which it is an error that they are not.
        :param detached: Leave Airflow running when this process ends, until :meth:`stop` is called by
            anybody with the same ``home``.
        """
        (self.home / "config").mkdir(parents=True, exist_ok=True)
        imports = "".join(f"    import {module}\n" for module in self.preload)
        (self.home / "config" / "airflow_local_settings.py").write_text(
            f'import sys\n\nif "scheduler" in sys.argv:\n{imports}    pass\n'
        )
        self._migrate()
        commands = {name: self._command(*arguments) for name, arguments in self._components().items()}
        try:
            self._launch(commands, detached=detached)
            self._until(self._is_healthy, timeout, "Airflow is not up")
        except BaseException:
            self.stop()
            raise

    def _launch(self, commands: Mapping[str, Sequence[str]], *, detached: bool) -> None:
        self.programs.start(commands, env=self.env, detached=detached)

    def stop(self) -> None:
        """End Airflow and every process it started; does nothing when it is not running."""
        self.programs.stop()
        self._token = None

    def cli(self, *arguments: str) -> str:
        """Run an ``airflow`` command in this Airflow's environment and return what it prints."""
        done = subprocess.run(
            self._command(*arguments),
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalAirflowError(
                f"airflow {' '.join(arguments)} ended with exit code {done.returncode}:\n"
                f"{_tail(done.stdout + done.stderr)}"
            )
        return done.stdout

    # -- runs -----------------------------------------------------------------------------------------

    def trigger(
        self,
        dag_id: str,
        *,
        conf: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        timeout: float = 60,
    ) -> str:
        """
        Unpause a DAG, start a run of it and return the run's ID.

        :param conf: The run's configuration, that is, its params.
        :param timeout: How many seconds the DAG's file may take to be found and parsed.
        """
        path = f"/dags/{_quote(dag_id)}"
        self._until(lambda: self._knows(dag_id), timeout, f"DAG {dag_id!r} is not known")
        self.api("PATCH", path, {"is_paused": False})
        run_id = run_id or f"manual__{datetime.now(UTC).isoformat()}"
        body: dict[str, Any] = {"conf": conf or {}, "dag_run_id": run_id}
        if not self.is_airflow_2:
            body["logical_date"] = None
        for attempt in itertools.count(1):
            try:
                self.api("POST", f"{path}/dagRuns", body)
            except LocalAirflowError as error:
                # SQLite has one writer: another component may hold its lock for longer than Airflow waits.
                if attempt > 1 and ": 409 " in str(error):
                    break
                if attempt == _TRIGGERS or "Database error" not in str(error):
                    raise
            else:
                break
        return run_id

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout: float = 120,
        progress: Callable[[list[TaskInstance]], None] | None = None,
    ) -> str:
        """
        Wait until a run has ended and return its state, ``"success"`` or ``"failed"``.

        :param progress: Called with the run's task instances at each look at them.
        """
        state = ""

        def ended() -> bool:
            nonlocal state
            state = self.api("GET", _run(dag_id, run_id))["state"]
            if progress is not None:
                progress(self.task_instances(dag_id, run_id))
            return state in DONE

        try:
            self._until(ended, timeout, f"run {run_id!r} of DAG {dag_id!r} has not ended")
        except LocalAirflowError as error:
            with contextlib.suppress(LocalAirflowError):
                left = [one for one in self.task_instances(dag_id, run_id) if one.state not in DONE]
                error.add_note("Not ended: " + ", ".join(map(_say, left)))
            raise
        return state

    def run(self, dag_id: str, *, conf: Mapping[str, Any] | None = None, timeout: float = 120) -> str:
        """Trigger a DAG, wait for its end and return the run's ID; a run that fails is an error."""
        run_id = self.trigger(dag_id, conf=conf)
        if self.wait(dag_id, run_id, timeout=timeout) != "success":
            failed = [one for one in self.task_instances(dag_id, run_id) if one.state == "failed"]
            logs = "\n".join(
                f"--- {_say(one)}\n{_tail(self.logs(dag_id, run_id, one.task_id, one.map_index))}" for one in failed
            )
            raise LocalAirflowError(f"Run {run_id!r} of DAG {dag_id!r} failed.\n{logs}")
        return run_id

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """Return the task instances of a run, sorted by task ID and map index."""
        listed = self.api("GET", f"{_run(dag_id, run_id)}/taskInstances?limit={_PAGE_LIMIT}")
        found = [
            TaskInstance(one["task_id"], one["map_index"], one["state"], one["try_number"], one["pid"], one["hostname"])
            for one in listed["task_instances"]
        ]
        return sorted(found, key=lambda one: (one.task_id, one.map_index))

    def task_instance(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> TaskInstance:
        """Return one task instance."""
        for one in self.task_instances(dag_id, run_id):
            if (one.task_id, one.map_index) == (task_id, map_index):
                return one
        raise LocalAirflowError(f"Run {run_id!r} of DAG {dag_id!r} has no {task_id}[{map_index}].")

    def wait_for_state(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        map_index: int = -1,
        *,
        states: Sequence[str],
        timeout: float = 60,
    ) -> TaskInstance:
        """Wait until a task instance is in one of some states, and return it."""
        found: list[TaskInstance] = []

        def reached() -> bool:
            found[:] = [
                one
                for one in self.task_instances(dag_id, run_id)
                if (one.task_id, one.map_index) == (task_id, map_index) and one.state in states
            ]
            return bool(found)

        self._until(reached, timeout, f"{task_id}[{map_index}] is not {' or '.join(states)}")
        return found[0]

    def clear(
        self, dag_id: str, run_id: str, task_id: str, map_index: int | None = None, *, timeout: float = 60
    ) -> None:
        """
        Clear a task, as the UI's button does, and wait until its next try has begun in the same run.

        :param map_index: One task instance of a mapped task; None for all of them.
        :param timeout: How many seconds that may take.
        """

        def tries() -> dict[int, int]:
            return {
                one.map_index: one.try_number
                for one in self.task_instances(dag_id, run_id)
                if one.task_id == task_id and map_index in (None, one.map_index)
            }

        before = tries()
        if self.is_airflow_2 and map_index is not None:
            # The API of Airflow 2 clears whole tasks only; its UI calls this function.
            self._python(_CLEAR_ONE, dag_id, run_id, task_id, str(map_index))
        else:
            self._clear(dag_id, run_id, task_id, map_index)
        self._until(
            lambda: all(now > before[index] for index, now in tries().items()),
            timeout,
            f"{task_id} has not begun its next try",
        )

    def _clear(self, dag_id: str, run_id: str, task_id: str, map_index: int | None) -> None:
        self.api(
            "POST",
            f"/dags/{_quote(dag_id)}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [task_id if map_index is None else [task_id, map_index]],
                "only_failed": False,
                "reset_dag_runs": True,
            },
        )

    def mark_failed(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Mark a task as failed, as the UI's button does; a running one is ended."""
        body = {"new_state": "failed", **({"dry_run": False} if self.is_airflow_2 else {})}

        def marked() -> bool:
            # Two writers at once are too many for SQLite now and then; who marks a task clicks again.
            with contextlib.suppress(LocalAirflowError):
                self.api("PATCH", f"{_run(dag_id, run_id)}/taskInstances/{_quote(task_id)}", body)
                return True
            return False

        self._until(marked, 60, f"{task_id} could not be marked as failed")

    # -- what a task instance leaves -------------------------------------------------------------------

    def xcom(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, key: str = "return_value") -> Any:
        """Return the value of an XCom; one that is not there is an error."""
        query = f"?map_index={map_index}&deserialize={str(self.is_airflow_2).lower()}&stringify=false"
        path = f"{_run(dag_id, run_id)}/taskInstances/{_quote(task_id)}/xcomEntries/{_quote(key)}"
        return self.api("GET", path + query)["value"]

    def extra_links(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, str | None]:
        """Return name and address of the links that the UI shows on a task instance."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{_quote(task_id)}/links"
        if not self.is_airflow_2:
            links = self.api("GET", f"{path}?map_index={map_index}")
            return dict(links["extra_links"])
        # The API of Airflow 2 has no links of mapped task instances; its UI asks this address for each.
        details = self.api("GET", f"/dags/{_quote(dag_id)}/tasks/{_quote(task_id)}")
        names = self._python(_LINK_NAMES, dag_id, details["task_id"]).splitlines()
        date = self.api("GET", _run(dag_id, run_id))["logical_date"]
        found = {}
        for name in names:
            query = urllib.parse.urlencode(
                {
                    "dag_id": dag_id,
                    "task_id": task_id,
                    "dag_run_id": run_id,
                    "execution_date": date,
                    "map_index": map_index,
                    "link_name": name,
                }
            )
            try:
                found[name] = self._request("GET", f"/extra_links?{query}")["url"]
            except LocalAirflowError:
                found[name] = None
        return found

    def rendered_fields(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return the template fields of a task instance as the UI shows them."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{_quote(task_id)}"
        found = self.api("GET", path if map_index < 0 else f"{path}/{map_index}")
        return dict(found["rendered_fields"])

    def logs(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, try_number: int | None = None) -> str:
        """
        Return what a task instance logged, as it lies on disk (Airflow 3: one JSON object per line).

        :param try_number: One attempt; None for all of them in their order.
        """
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        pattern = f"attempt={'*' if try_number is None else try_number}.log*"
        return "".join(log.read_text(errors="replace") for log in sorted(folder.glob(pattern)))

    def worker_pids(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> list[int]:
        """
        Return the processes that run a task instance now: the one with its code, then its supervisor.

        Empty while it does not run. Killing the first is a crash of the task, which Airflow notices at
        once; killing both is a lost worker, which it notices after
        ``scheduler.task_instance_heartbeat_timeout``.
        """
        # Read from the database, not over the API: a test wants to hit a moment of milliseconds.
        found = self.query(
            "SELECT pid FROM task_instance WHERE dag_id = ? AND run_id = ? AND task_id = ? AND map_index = ?"
            " AND state = 'running' AND pid IS NOT NULL",
            dag_id,
            run_id,
            task_id,
            map_index,
        )
        for (pid,) in found:
            with contextlib.suppress(OSError):
                return [pid, int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])]
        return []

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask Airflow's database, which says what is so within milliseconds, and return the rows."""
        with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as database:
            return database.execute(sql, parameters).fetchall()

    def kill(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        map_index: int = -1,
        *,
        supervisor: bool = False,
        timeout: float = 60,
    ) -> None:
        """
        Kill (SIGKILL) the process that runs a task instance, as soon as there is one.

        :param supervisor: Kill its supervisor as well, so that nobody reports the end of the task.
        """
        pids: list[int] = []

        def running() -> bool:
            pids[:] = self.worker_pids(dag_id, run_id, task_id, map_index)
            return bool(pids)

        self._until(running, timeout, f"{task_id}[{map_index}] does not run", pause=0.005)
        for pid in reversed(pids) if supervisor else pids[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # -- the wire -------------------------------------------------------------------------------------

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """
        Call Airflow's REST API and return the answer.

        :param path: The path below the API's version, such as ``/dags``.
        """
        return self._request(method, f"/api/{'v1' if self.is_airflow_2 else 'v2'}{path}", body)

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Accept", "application/json")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            if not self.is_airflow_2 and path.startswith("/api/"):
                if self._token is None:
                    with _open(urllib.request.Request(f"{self.url}/auth/token")) as response:
                        self._token = json.load(response)["access_token"]
                request.add_header("Authorization", f"Bearer {self._token}")
            with _open(request) as response:
                return json.load(response)
        except LocalAirflowError as error:
            # All programs end with the first: that the API does not answer says nothing of which one it was.
            self._check_programs(str(error))
            raise

    # -- how Airflow is set up --------------------------------------------------------------------------

    @property
    def _database(self) -> Path:
        return self.home / "airflow.db"

    def _settings(self, parallelism: int) -> dict[str, str]:
        options = {
            "core.dags_folder": str(self.dags),
            "core.load_examples": "False",
            "core.executor": "LocalExecutor",
            "core.parallelism": str(parallelism),
            "core.execution_api_server_url": f"{self.url}/execution/",
            "core.simple_auth_manager_all_admins": "True",
            # SQLite has one writer: on a busy machine its lock is held for longer than the 5 s that others wait for it.
            "database.sql_alchemy_conn": f"sqlite:///{self._database}?timeout=60",
            "api.host": self.host,
            "api.port": str(self.port),
            # With the slash: Airflow 3.0 and 3.1 append a path to it as text.
            "api.base_url": f"{self.url}/",
            "api.workers": "1",
            "api.maximum_page_limit": str(_PAGE_LIMIT),
            # How soon a new DAG file, a new run and the end of a task are seen.
            "dag_processor.refresh_interval": "1",
            "dag_processor.bundle_refresh_check_interval": "1",
            "dag_processor.min_file_process_interval": "300",
            "dag_processor.parsing_processes": "1",
            "scheduler.scheduler_idle_sleep_time": "0.3",
            "scheduler.scheduler_heartbeat_sec": "1",
            # A supervisor that misses the exit of its task looks again after this long.
            "workers.min_heartbeat_interval": "1",
            # A machine that is busy answers later than 5 s, and a task that gets no answer as it starts fails for good.
            "workers.execution_api_timeout": "60",
        }
        if self.is_airflow_2:
            options |= {
                "api.auth_backends": "airflow.api.auth.backend.default",
                "api.enable_xcom_deserialize_support": "True",
                "webserver.web_server_host": self.host,
                "webserver.web_server_port": str(self.port),
                "webserver.base_url": self.url,
                "webserver.workers": "1",
                "webserver.config_file": str(self.home / "webserver_config.py"),
                "scheduler.dag_dir_list_interval": "1",
                "scheduler.min_file_process_interval": "300",
                "scheduler.parsing_processes": "1",
                # A task that ends would schedule what follows it beside the scheduler. SQLite locks no rows: of two who
                # change one task instance, the scheduler may be the one that dies of it.
                "scheduler.schedule_after_task_execution": "False",
            }
        settings = {_variable(option): value for option, value in options.items()}
        settings["AIRFLOW_HOME"] = str(self.home)
        # Airflow 2 refuses LocalExecutor on SQLite for the sake of production; this is its own switch.
        settings["_AIRFLOW__SKIP_DATABASE_EXECUTOR_COMPATIBILITY_CHECK"] = "1"
        return settings

    def _components(self) -> dict[str, list[str]]:
        if self.is_airflow_2:
            components = {"scheduler": ["scheduler", "--skip-serve-logs"], "webserver": ["webserver"]}
        else:
            components = {
                "scheduler": ["scheduler", "--skip-serve-logs"],
                "dag-processor": ["dag-processor"],
                "api-server": ["api-server"],
            }
        if self.triggerer:
            components["triggerer"] = ["triggerer", "--skip-serve-logs"]
        return components

    def _command(self, *arguments: str) -> list[str]:
        return [self.python, "-m", "airflow", *arguments]

    def _migrate(self) -> None:
        if self.is_airflow_2:
            (self.home / "webserver_config.py").write_text('AUTH_ROLE_PUBLIC = "Admin"\n')
        self.cli("db", "migrate")
        self._prepare_database()

    def _prepare_database(self) -> None:
        with contextlib.closing(sqlite3.connect(self._database)) as database:
            # Readers and a writer at the same time: without it, components wait for each other.
            database.execute("PRAGMA journal_mode = WAL")

    def _python(self, code: str, *arguments: str) -> str:
        """Run a script with this Airflow's interpreter and return what it prints."""
        done = subprocess.run(
            [self.python, "-c", code, *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise LocalAirflowError(_tail(done.stderr))
        return done.stdout

    # -- waiting ----------------------------------------------------------------------------------------

    def _is_healthy(self) -> bool:
        wanted = ["metadatabase", *(name.replace("-", "_") for name in self._components())]
        try:
            health = self._request("GET", "/health") if self.is_airflow_2 else self.api("GET", "/monitor/health")
        except LocalAirflowError:
            return False
        return all(health[name]["status"] == "healthy" for name in wanted if name in health)

    def _knows(self, dag_id: str) -> bool:
        errors = self.api("GET", "/importErrors")["import_errors"]
        if errors:
            raise LocalAirflowError("\n".join(f"{one['filename']}:\n{one['stack_trace']}" for one in errors))
        known = self.api("GET", f"/dags?limit={_PAGE_LIMIT}")["dags"]
        return any(dag["dag_id"] == dag_id for dag in known)

    def _until(self, met: Callable[[], bool], timeout: float, complaint: str, pause: float = 0.5) -> None:
        deadline = time.monotonic() + timeout
        while not met():
            self._check_programs(complaint)
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {name}\n{self._log_tail(name, 15)}" for name in self._components())
                raise LocalAirflowError(f"{complaint} after {timeout:g} seconds.\n{logs}")
            time.sleep(pause)

    def _check_programs(self, complaint: str) -> None:
        """Say which program ended, and what it logged last; an error as soon as one of them has."""
        if failure := self._failure():
            name = failure.split(" ", 1)[0]
            raise LocalAirflowError(f"{complaint}: {failure}\n{self._log_tail(name)}")

    def _failure(self) -> str | None:
        return self.programs.failure()

    def _log_tail(self, name: str, lines: int = 40) -> str:
        return self.programs.log_tail(name, lines)


def free_port(wanted: int | None = None) -> int:
    """Return a port of 127.0.0.1 that nobody listens on: the one wanted if it is free."""
    for port in (wanted or 0, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As servers do: a port whose last connections are still in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise LocalAirflowError("No port of 127.0.0.1 is free.")


_PAGE_LIMIT = 10_000

_CLEAR_ONE = """
import sys
from airflow.models.dagbag import DagBag
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.utils.session import create_session

dag_id, run_id, task_id, map_index = sys.argv[1:]
with create_session() as session:
    found = session.query(TaskInstance).filter_by(
        dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=int(map_index)
    )
    clear_task_instances(found.all(), session, dag=DagBag(read_dags_from_db=True).get_dag(dag_id, session))
"""

_LINK_NAMES = """
import sys
from airflow.models.dagbag import DagBag

dag = DagBag(read_dags_from_db=True).get_dag(sys.argv[1])
print("\\n".join(dag.get_task(sys.argv[2]).extra_links))
"""


def _installed_airflow(python: str) -> str:
    code = "from importlib.metadata import version; print(version('apache-airflow'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalAirflowError(f"{python} has no Airflow.")
    return done.stdout.strip()


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what would make this Airflow, or its calls to AWS, another's."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(("AIRFLOW", "_AIRFLOW", "AWS_")) and name not in ("PYTHONPATH", "PYTHONHOME")
    }


def _variable(option: str) -> str:
    section, _, name = option.partition(".")
    return f"AIRFLOW__{section}__{name}".upper()


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{_quote(dag_id)}/dagRuns/{_quote(run_id)}"


def _quote(segment: str) -> str:
    return urllib.parse.quote(segment, safe="")


def _say(one: TaskInstance) -> str:
    index = "" if one.map_index < 0 else f"[{one.map_index}]"
    return f"{one.task_id}{index} ({one.state}, try {one.try_number})"


def _tail(text: str, lines: int = 40) -> str:
    return "\n".join(text.splitlines()[-lines:])


def _open(request: urllib.request.Request) -> http.client.HTTPResponse:
    what = f"{request.get_method()} {urllib.parse.urlsplit(request.full_url).path}"
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=90)
    except urllib.error.HTTPError as error:
        raise LocalAirflowError(f"{what}: {error.code} {error.read().decode(errors='replace')}") from error
    except (OSError, http.client.HTTPException) as error:
        raise LocalAirflowError(f"{what}: {error}") from error
    return response
