"""
What differs between versions of Airflow, and of its common-compat provider. No other module tests for a version.

Each name says since which version it exists, and why.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

# Airflow 2 and 3 keep these in different modules; common-compat (a dependency of the Amazon provider) knows where.
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseBranchOperator,
    BaseNotifier,
    BaseOperator,
    BaseOperatorLink,
    DecoratedOperator,
    PokeReturnValue,
    Stats,
    TaskDecorator,
    XCom,
    XComArg,
    conf,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS, AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_2_PLUS
from airflow.triggers.base import BaseTrigger

from airflow_connect._frames import forget_variables
from airflow_connect._templates import is_native, joined_native, with_one_form
from airflow_connect.api.errors import InputError
from airflow_connect.api.fields import TEXT_RULE, NotTextError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

__all__ = [
    "LIVE_KEY",
    "MAPPED_GROUPS_RUN_ALL_BRANCHES",
    "THE_TASK_COMPUTES_ITS_LINKS",
    "THREADS_MAY_TALK",
    "TRIGGERS_HAVE_ON_KILL",
    "UI_HAS_TABS",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseBranchOperator",
    "BaseOperator",
    "BaseOperatorLink",
    "DecoratedOperator",
    "PokeReturnValue",
    "RenderedNotifier",
    "RenderedTask",
    "Stats",
    "TaskDecorator",
    "TaskStateReader",
    "TaskStateStore",
    "XCom",
    "XComArg",
    "arguments_from_rows",
    "attempt_records",
    "begin_attempt",
    "conf",
    "context_merge",
    "dag_run_url",
    "dags_of",
    "database_hook",
    "database_session",
    "default_results_path",
    "determine_kwargs",
    "failed_tasks",
    "first_reschedule",
    "is_deferral_timeout",
    "is_deferred",
    "is_from_mapped",
    "is_in_mapped_group",
    "is_replaced",
    "is_resumed",
    "is_retry",
    "live_store",
    "log_url",
    "map_of_output",
    "mapped_arguments",
    "runs_all_branches",
    "storage_path",
    "stored_connection",
    "task_decorator_factory",
    "task_state_store",
    "tasks_share_a_disk",
    "text_environment",
]


class TaskStateStore:
    """
    What outlives a kill, a retry and a clear of a task instance: small JSON values by key. Since Airflow 3.3 (AIP-103).

    :param store: Airflow's, of the running task instance
    """

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, key: str) -> Any:
        """Return the value, ``None`` where it does not exist."""
        return self._store.get(key)

    def set(self, key: str, value: Any) -> None:
        """Keep the value as long as the task instance."""
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        self._store.set(key, value, retention=NEVER_EXPIRE)


def task_state_store(context: Mapping[str, Any]) -> TaskStateStore | None:
    """
    Return the store of the running task instance.

    ``None`` before Airflow 3.3: XComs cannot replace it, since a retry deletes them.
    """
    store = context.get("task_state_store")
    return TaskStateStore(store) if store is not None else None


#: What the latest attempt of a task instance says of itself, in the task state store.
_ATTEMPT: Final = "amazon_connect_attempt"


def begin_attempt(context: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """
    Note in the task state store that this attempt has begun, and return where the last attempt that recorded did so.

    :param context: the context of the task instance
    :return: what :func:`attempt_records` noted: ``try_number``, ``host`` and ``results``; ``None`` where no attempt is
        known to have recorded anything, and before Airflow 3.3
    """
    store = task_state_store(context)
    if store is None:
        return None
    before = store.get(_ATTEMPT)
    recorded = before.get("recorded") if isinstance(before, Mapping) else None
    store.set(_ATTEMPT, {"try_number": context["ti"].try_number, "recorded": recorded})
    return recorded


def attempt_records(context: Mapping[str, Any], results: str) -> None:
    """
    Note in the task state store (Airflow 3.3) where this attempt records what it does.

    :param context: the context of the task instance
    :param results: the folder
    """
    store = task_state_store(context)
    if store is not None:
        number = context["ti"].try_number
        recorded = {"try_number": number, "host": socket.gethostname(), "results": results}
        store.set(_ATTEMPT, {"try_number": number, "recorded": recorded})


#: Since Airflow 3.1 plugins have tabs in its UI.
UI_HAS_TABS: Final = AIRFLOW_V_3_1_PLUS

#: Since Airflow 3.2 threads of a task may talk to Airflow at the same time. Before, an answer can reach the wrong one:
#: rows that are read in a thread may ask for a connection or an XCom at any moment.
THREADS_MAY_TALK: Final = AIRFLOW_V_3_2_PLUS

#: How far a task is, for the Contacts tab of Airflow's UI: in the task state store (3.3), or an XCom (3.1, 3.2).
LIVE_KEY: Final = "amazon_connect_progress"


class _XComs:
    """XComs as a store for how far a task is. A retry deletes them; the task may write them at any time."""

    def __init__(self, ti: Any) -> None:
        self._ti = ti

    def get(self, key: str) -> None:
        """Return nothing: a retry has deleted what there was."""

    def set(self, key: str, value: Any) -> None:
        """Write the XCom, or replace it."""
        self._ti.xcom_push(key=key, value=value)


def live_store(context: Mapping[str, Any]) -> TaskStateStore | _XComs | None:
    """
    Return where to keep what the Contacts tab shows while a task runs: small JSON values by key.

    ``None`` before Airflow 3.1, whose UI does not have tabs of plugins.

    :param context: the context of the task instance
    """
    if not UI_HAS_TABS:
        return None
    return task_state_store(context) or _XComs(context["ti"])


class TaskStateReader:
    """
    Reads the task state store in Airflow's own processes, where a deployment does not keep the values elsewhere.

    Before Airflow 3.3 it has nothing.

    :param session: a session of Airflow's database
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def get(self, dag_id: str, run_id: str, task_id: str, map_index: int, key: str) -> Any:
        """Return the value that a task instance stored under a key, ``None`` if it did not store one."""
        with contextlib.suppress(Exception):  # a backend of somebody's own has errors of its own kinds
            from airflow.state import TaskScope, get_state_backend

            scope = TaskScope(dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index)
            found = get_state_backend().get(scope, key, session=self._session)
            return None if found is None else json.loads(found)
        return None

    def recorded(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> str | None:
        """Return where an attempt of a task instance recorded its results, as :func:`attempt_records` noted it."""
        latest = self.get(dag_id, run_id, task_id, map_index, _ATTEMPT)
        recorded = latest.get("recorded") if isinstance(latest, dict) else None
        results = recorded.get("results") if isinstance(recorded, dict) else None
        return results if isinstance(results, str) else None

    def of_run(self, dag_run_id: int, key: str) -> list[tuple[str, int, Any]]:
        """Return what the task instances of a Dag run stored under a key in Airflow's own database."""
        found: list[tuple[str, int, Any]] = []
        with contextlib.suppress(Exception):
            from airflow.models.task_state_store import TaskStateStoreModel as Model

            query = self._session.query(Model.task_id, Model.map_index, Model.value)
            stored = query.filter_by(dag_run_id=dag_run_id, key=key)
            found += [(task_id, map_index, json.loads(value)) for task_id, map_index, value in stored]
        return found


def is_replaced(context: Mapping[str, Any]) -> bool:
    """
    Return whether Airflow is known to have begun a later attempt of the task instance, so that this one is over.

    Airflow takes a worker that sends no heartbeat for some time for dead. It refuses the heartbeats of a worker that
    wakes up, and accepts its XComs (2.11 to 3.3). On 3.3 this reads the task state store, which does not know the task
    instance of an attempt that is over; on 2.11 the database. In the versions between, a task cannot find out.
    """
    ti = context["ti"]
    if AIRFLOW_V_3_0_PLUS:
        store = task_state_store(context)
        if store is None:
            return False
        # Nothing follows from an API that does not answer.
        with contextlib.suppress(Exception):
            latest = store.get(_ATTEMPT)
            if latest is None:
                # Somebody emptied the store, or the task instance does not exist any more and stores nothing.
                with contextlib.suppress(Exception):
                    store.set(_ATTEMPT, {"try_number": ti.try_number})
                latest = store.get(_ATTEMPT)
            return latest is None or bool(latest["try_number"] > ti.try_number)
        return False
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        key = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
        latest = session.query(TaskInstance.try_number).filter_by(**key).scalar()
    return latest is not None and latest > ti.try_number


def tasks_share_a_disk() -> bool:
    """
    Return whether each attempt of a task runs on the same machine, so that it sees what another left on the disk.

    By the names of the executors: those of Airflow itself run tasks beside the scheduler (2.11 to 3.3). An entry may
    have an alias, a module, or since 3.1 a team. A pod of Kubernetes often has another executor in its configuration
    than the scheduler that started it, and a variable that says what it is.
    """
    if os.environ.get("AIRFLOW_IS_K8S_EXECUTOR_POD"):
        return False
    entries = re.split(r"[,;]", conf.get("core", "executor", fallback=""))
    names = {re.split(r"[.:=]", entry.strip())[-1] for entry in entries}
    return names <= {"LocalExecutor", "SequentialExecutor"}


def text_environment(owner: Any, environment: Any, dag: Any, *, refuses: bool = False) -> Any:
    """
    Return the environment to render with: values have one form within text, and text stays text in native objects.

    :param owner: the operator or notifier
    :param environment: Airflow's
    :param dag: the Dag, ``None`` without one
    :param refuses: whether a value without such a form is an error; else it is written as Jinja does
    """
    # Since Airflow 3.3 an operator has the option as well, and goes before its Dag.
    own = getattr(owner, "render_template_as_native_obj", None)
    of_dag = getattr(dag, "render_template_as_native_obj", False)
    if own is False and of_dag:
        # Airflow gives the environment of the Dag, whose pieces are not text, and fails to join them.
        environment = owner.get_template_env()
    return with_one_form(environment, native=bool(of_dag if own is None else own), refuses=refuses)


def _render_native(template: Any, context: Any) -> Any:
    # Not template.render(), for which Airflow would compute all of its context.
    names = copy.copy(context)
    names.update((name, value) for name, value in template.globals.items() if name not in names)
    pieces = template.root_render_func(template.new_context(names, shared=True))
    return joined_native(template.environment, pieces)


def _without_variables(render: Callable[[], Any], hidden: str | None = None) -> Any:
    """
    Return what a template renders; what it raises leaves without the variables of Jinja's functions.

    They may be what an upstream task gave, and Airflow logs the error next, with its traceback.

    :param render: renders the template
    :param hidden: the field that is rendered, if it is not to be shown: then the words are not shown either
    :raises InputError: in place of what a template of such a field raises
    """
    try:
        return render()
    except NotTextError as error:
        forget_variables(error)
        raise
    except Exception as error:
        forget_variables(error)
        if hidden is None:
            raise
        kind = type(error).__name__
    raise InputError(f"The template of {hidden} raised {kind}. Its words are not shown, since {hidden} is hidden.")


class RenderedNotifier(BaseNotifier):
    """A notifier that renders with :func:`text_environment`. Airflow (2.11 to 3.3) renders by ``_render``."""

    def _render(self, template: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        if is_native(template.environment):
            return _without_variables(lambda: _render_native(template, context))
        by_airflow = super()._render
        return _without_variables(lambda: by_airflow(template, context, *args, **kwargs))


class RenderedTask(BaseOperator):
    """
    A task that has a say before and after its template fields are rendered.

    Airflow (2.11 to 3.3) has no public method for this that is called for mapped tasks too: those are rendered by
    ``_do_render_template_fields`` of the operator that they become. Right after it Airflow stores what the UI shows.
    """

    def before_rendering(self, context: Context) -> Collection[str]:
        """
        Prepare what is rendered next.

        :param context: the context of the task instance
        :return: the template fields that Airflow leaves as they are
        """
        return ()

    #: The name of the field that is rendered, if it is hidden.
    _rendered_and_hidden: str | None = None

    def fields_to_hide(self) -> set[str]:
        """Return the names of the fields that Airflow must not store."""
        return set()

    #: Template fields of which text is the author's code, or is given to it.
    fields_of_code: frozenset[str] = frozenset()

    def after_rendering(self) -> None:
        """Check or hide what was rendered; Airflow stores the fields next."""

    def _render(self, template: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        # A mixin cannot share this with the notifier: without an __init__, Airflow's metaclass would take it for one.
        hidden = self._rendered_and_hidden
        if is_native(template.environment):
            return _without_variables(lambda: _render_native(template, context), hidden)
        by_airflow = super()._render
        return _without_variables(lambda: by_airflow(template, context, *args, **kwargs), hidden)

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        if parent is not self:
            # Such as a source of rows: of its text, a query, it knows itself what that is.
            jinja_env = text_environment(self, jinja_env, self.get_dag())
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
            return
        try:
            self._render_fields(template_fields, context, jinja_env, seen_oids)
        except BaseException as error:
            # Jinja's variables are those of the template, which may be what an upstream task gave.
            forget_variables(error)
            raise

    def _render_fields(self, names: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]) -> None:
        left = self.before_rendering(context)
        map_index = getattr(context["ti"], "map_index", -1)
        data = arguments_from_rows(self, map_index) if map_index >= 0 else {}
        seen_oids = seen_oids | {id(value) for value in data.values()}
        for name in (name for name in names if name not in left):
            self._rendered_and_hidden = name if name in self.fields_to_hide() else None
            environment = text_environment(self, jinja_env, self.get_dag(), refuses=name not in self.fields_of_code)
            try:
                super()._do_render_template_fields(self, [name], context, environment, seen_oids)
            except NotTextError as error:
                given = str(error)
            else:
                continue
            raise AirflowFailException(
                f"Task {self.task_id!r}, {name}: within text, a value {TEXT_RULE} (given: {given}). Give the "
                "output of the task itself, name a part of it, or make text of it with a filter, such as join or "
                "tojson."
            )
        self.after_rendering()


def is_from_mapped(operator: BaseOperator) -> bool:
    """Return whether Airflow (2.11 to 3.3) creates an operator for an instance of a mapped task, maybe from data."""
    return bool(getattr(operator, "_BaseOperator__from_mapped", False))


def mapped_arguments(operator: Any) -> set[str]:
    """
    Return the names of the arguments that a mapped task instance got by its mapping, also those that are ``None``.

    :param operator: the operator that Airflow (2.11 to 3.3) has created for the instance
    """
    mapped: Any = operator.dag.task_dict.get(operator.task_id) if operator.has_dag() else None
    if not is_from_mapped(operator) or not hasattr(mapped, "partial_kwargs"):
        return set()
    return set(operator._BaseOperator__init_kwargs) - set(mapped.partial_kwargs)  # noqa: SLF001  # only a private name has it


def arguments_from_rows(operator: Any, map_index: int) -> dict[str, Any]:
    """
    Return what a mapped task instance got out of a row: arguments by name, or keyword arguments of its function.

    Airflow (2.11 to 3.3) does not render what ``expand(name=xcom)`` gives, but renders what ``expand_kwargs(xcom)``
    gives: a ``{{ ... }}`` in upstream data would be run as a template. Rows that are written in the Dag file are the
    author's, and rendered by both.
    """
    mapped: Any = operator.dag.task_dict.get(operator.task_id) if operator.has_dag() else None
    if not hasattr(mapped, "partial_kwargs"):  # a task in a mapped task group is not mapped itself
        return {}
    rows = getattr(mapped._get_specified_expand_input(), "value", None)  # noqa: SLF001  # only a private name leads there
    if isinstance(rows, Mapping) or (isinstance(rows, Sequence) and isinstance(rows[map_index], Mapping)):
        return {}
    partial = mapped.partial_kwargs
    if "op_kwargs" in operator.template_fields:
        partial, given = partial.get("op_kwargs") or {}, operator.op_kwargs
    else:
        given = {name: getattr(operator, name) for name in operator.template_fields}
    return {name: value for name, value in given.items() if name not in partial}


def map_of_output(output: Any) -> tuple[Any, Sequence[Callable[[Any], Any]]]:
    """
    Return what an output consists of that ``XComArg.map()`` changes, and the functions that change each item of it.

    Any other output comes back without functions. Airflow (2.11 to 3.3) calls the functions while an item is fetched.
    """
    functions = getattr(output, "callables", None)
    return (output, ()) if functions is None else (output.value, functions)


def is_retry(ti: Any, retries: int) -> bool:
    """
    Return whether the attempt follows a failed one by itself, rather than on somebody's word.

    A clear starts the count of retries anew: ``max_tries`` grows with it, ``try_number`` goes on (2.11 to 3.3).
    """
    return bool(ti.try_number > ti.max_tries - retries + 1)


#: Since Airflow 3.2 the scheduler does not see what a branch in a mapped task group skips, and runs all that follows:
#: https://github.com/apache/airflow/issues/67265
MAPPED_GROUPS_RUN_ALL_BRANCHES: Final = AIRFLOW_V_3_2_PLUS


def is_in_mapped_group(operator: BaseOperator) -> bool:
    """Return whether an operator is in a mapped task group, so that its instances have map indexes (2.11 to 3.3)."""
    return operator.get_closest_mapped_task_group() is not None


def runs_all_branches(operator: BaseOperator) -> bool:
    """Return whether Airflow runs the tasks of all branches at the place of an operator that branches."""
    return MAPPED_GROUPS_RUN_ALL_BRANCHES and is_in_mapped_group(operator)


#: Since Airflow 3.3 a trigger has ``on_kill``, called when somebody acts on the deferred task. Until then a trigger is
#: cancelled alike for that and for a triggerer that shuts down.
TRIGGERS_HAVE_ON_KILL: Final = hasattr(BaseTrigger, "on_kill")


def stored_connection(conn_id: str) -> Any | None:
    """
    Return a connection of Airflow's database, ``None`` where it does not exist or the database is out of reach.

    Since Airflow 3 the hooks of a process that is not one of Airflow's components read environment variables and
    secrets backends only. A task's supervisor has read the database, which the task may not.

    :param conn_id: the connection's ID
    """
    if hasattr(sys.modules.get("airflow.sdk.execution_time.task_runner"), "SUPERVISOR_COMMS"):
        return None
    try:
        from airflow.secrets.metastore import MetastoreBackend

        return MetastoreBackend().get_connection(conn_id)
    except Exception:  # noqa: BLE001  # without a database, or without its driver, there are no connections in it
        return None


def is_deferred(ti: Any) -> bool:
    """
    Return whether a task instance, as a trigger knows it, is deferred now. Call it in a thread.

    Airflow 2 has the database in the triggerer, Airflow 3 asks the API.
    """
    if not AIRFLOW_V_3_0_PLUS:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        with create_session() as session:
            key = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
            found = session.query(TaskInstance.state).filter_by(**key).scalar()
            return bool(found == "deferred")
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    # Called on the class: a trigger's task instance is another type, without this method.
    states = RuntimeTaskInstance.get_task_states(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[ti.run_id], map_index=ti.map_index
    )
    return "deferred" in states.get(ti.run_id, {}).values()


def first_reschedule(context: Mapping[str, Any]) -> datetime | None:
    """
    Return when a sensor that reschedules itself poked first, ``None`` if this is its first poke.

    Airflow 3 asks the API, Airflow 2 has the database in the worker.
    """
    ti = context["ti"]
    if AIRFLOW_V_3_0_PLUS:
        asked: datetime | None = ti.get_first_reschedule_date(context)
        return asked
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.utils.session import create_session

    with create_session() as session:
        key = {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": ti.task_id, "map_index": ti.map_index}
        reschedules = session.query(TaskReschedule.start_date).filter_by(**key)
        # A clear begins anew, a retry does not.
        attempts = reschedules.filter(TaskReschedule.try_number >= ti.max_tries - (ti.task.retries or 0) + 1)
        found: datetime | None = attempts.order_by(TaskReschedule.id).limit(1).scalar()
    return found


def is_resumed(ti: Any) -> bool:
    """Return whether a running task instance goes on after it was deferred; Airflow 2 keeps that in another place."""
    given = ti if hasattr(ti, "next_method") else getattr(ti, "_ti_context_from_server", None)
    return bool(getattr(given, "next_method", None))


#: Since Airflow 3.0 only the process of a task computes the task's links, right after the task has run. The operator is
#: the mapped one if the task instance failed before it got its arguments.
THE_TASK_COMPUTES_ITS_LINKS: Final = AIRFLOW_V_3_0_PLUS


def is_deferral_timeout(next_method: str, next_kwargs: Mapping[str, Any] | None) -> bool:
    """
    Return whether a deferred task is resumed because Airflow's time for it is up, by the arguments of its resumption.

    The exception that says so has a type of its own since Airflow 3.0. Airflow raises it in ``resume_execution``.
    """
    return next_method == "__fail__" and "timeout" in str((next_kwargs or {}).get("error")).lower()


def storage_path(path: str, conn_id: str | None = None) -> Any:
    """
    Return an ``ObjectStoragePath``, whose module is another one since Airflow 3 and costs an import of its own.

    :param path: as in ``s3://bucket/key``
    :param conn_id: Airflow's connection to the store
    :raises ImportError: if the package that the store needs is not installed, naming it
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    try:
        # Airflow 2.11 uses an explicit None in place of the connection that the path names.
        found = ObjectStoragePath(path, **({} if conn_id is None else {"conn_id": conn_id}))
        _ = found.fs
    except (ImportError, ValueError) as error:
        if isinstance(error, ValueError) and "filesystem" not in str(error):
            raise
    else:
        return found
    scheme = path.partition("://")[0]
    known = (package for package, schemes in _STORES.items() if scheme in schemes)
    package = next(known, f"the provider of Airflow that knows {scheme}://")
    raise ImportError(
        f"{path} is in a store whose package is not installed here. Install {package} where the task runs."
    )


#: What Airflow needs for the stores that its own providers know.
#: https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/objectstorage.html
_STORES: Final = {
    "apache-airflow-providers-amazon[s3fs]": ("s3", "s3a", "s3n"),
    "apache-airflow-providers-google": ("gs", "gcs"),
    "apache-airflow-providers-microsoft-azure": ("abfs", "abfss", "adl"),
}


def default_results_path() -> str:
    """Return where results go by default: ``[amazon_connect] results_path``, else a folder below AIRFLOW_HOME."""
    configured = conf.get("amazon_connect", "results_path", fallback="")
    if configured:
        return str(configured)
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser()
    return str(home / "amazon_connect")


def database_hook(conn_id: str) -> Any:
    """Return the hook of a connection to a database; ``BaseHook`` is in another module since Airflow 3.1."""
    from airflow.providers.common.compat.sdk import BaseHook

    connection: Any = BaseHook.get_connection(conn_id)
    return connection.get_hook()


def dag_run_url(dag_id: str, run_id: str) -> str:
    """Return the address of a Dag run's page. The option that names the UI's address is another one since Airflow 3."""
    if AIRFLOW_V_3_0_PLUS:
        base = conf.get("api", "base_url", fallback="http://localhost:8080").rstrip("/")
        return f"{base}/dags/{dag_id}/runs/{quote(run_id, safe='')}"
    base = conf.get("webserver", "base_url").rstrip("/")
    return f"{base}/dags/{dag_id}/grid?dag_run_id={quote(run_id, safe='')}"


def log_url(dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
    """
    Return the address of a task instance's log.

    ``ti.log_url`` is not set in the callbacks of a Dag on Airflow 3.0.
    """
    run = dag_run_url(dag_id, run_id)
    if AIRFLOW_V_3_0_PLUS:
        return f"{run}/tasks/{task_id}" + (f"/mapped/{map_index}" if map_index >= 0 else "")
    return f"{run}&task_id={quote(task_id)}" + (f"&map_index={map_index}" if map_index >= 0 else "") + "&tab=logs"


def failed_tasks(context: Mapping[str, Any]) -> list[tuple[str, int]]:
    """
    Return task ID and map index of the failed task instances of a run, for a callback of its Dag.

    The task instance in such a context is any one of the run (2.11 and 3.0), or one that failed or was skipped
    because of it. Empty on Airflow 3.0, whose Dag processor has no answer and would wait for one for ever.
    """
    dag_run: Any = context.get("dag_run")
    ti: Any = context.get("ti")
    if hasattr(dag_run, "get_task_instances"):  # Airflow 2
        return sorted((one.task_id, one.map_index) for one in dag_run.get_task_instances(state=["failed"]))
    if ti is None or not AIRFLOW_V_3_1_PLUS:
        return []
    states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
    known, found = context["dag"].task_dict, []
    for name in (name for name, state in states.items() if state == "failed"):
        # A mapped task instance is named by its task's ID and its index.
        task_id, _, index = name.rpartition("_")
        found.append((name, -1) if name in known or not index.isdecimal() else (task_id, int(index)))
    return sorted(found)


def dags_of(path: Path) -> tuple[list[Any], str]:
    """
    Return the Dags of a file or folder as their authors wrote them, and what went wrong, empty if nothing did.

    What reads them is in another module since Airflow 3.2, and does not add Airflow's own examples any more.
    """
    bag: Any
    if AIRFLOW_V_3_2_PLUS:
        from airflow.dag_processing import dagbag

        bag = dagbag.DagBag(str(path))
    else:
        from airflow.models.dagbag import DagBag

        bag = DagBag(str(path), include_examples=False)
    return list(bag.dags.values()), "\n".join(map(str, bag.import_errors.values()))


def database_session() -> AbstractContextManager[Any]:
    """Return a session of Airflow's own database, for what runs in its API server."""
    from airflow.utils.session import create_session

    return create_session(scoped=False)
