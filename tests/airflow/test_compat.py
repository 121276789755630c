"""What is private in Airflow, or documented nowhere, and used by the provider: each by its name, on every Airflow."""

from __future__ import annotations

import importlib
import inspect
import re
import socket
import uuid
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

import airflow_connect
from tests.airflow.runs import new_dag

if TYPE_CHECKING:
    from collections.abc import Callable

AIRFLOW: Final = tuple(int(part) for part in version("apache-airflow").split(".")[:2])
RENDERING: Final = ("parent", "template_fields", "context", "jinja_env", "seen_oids")

#: Module, name in it, parameters that are given to it, first version of Airflow and the first one without it.
PRIVATE: Final[list[tuple[str, str, tuple[str, ...], tuple[int, int], tuple[int, int]]]] = [
    ("airflow.models.baseoperator", "BaseOperator._do_render_template_fields", RENDERING, (2, 11), (3, 0)),
    ("airflow.sdk", "BaseOperator._do_render_template_fields", RENDERING, (3, 0), (9, 0)),
    ("airflow.models.baseoperator", "BaseOperator._render", ("template", "context"), (2, 11), (3, 0)),
    ("airflow.sdk", "BaseOperator._render", ("template", "context"), (3, 0), (9, 0)),
    ("airflow.notifications.basenotifier", "BaseNotifier._render", ("template", "context"), (2, 11), (3, 0)),
    ("airflow.sdk", "BaseNotifier._render", ("template", "context"), (3, 0), (9, 0)),
    ("airflow.models.mappedoperator", "MappedOperator._get_specified_expand_input", (), (2, 11), (3, 0)),
    ("airflow.sdk.definitions.mappedoperator", "MappedOperator._get_specified_expand_input", (), (3, 0), (9, 0)),
    ("airflow.models.taskreschedule", "TaskReschedule.try_number", (), (2, 11), (3, 0)),
    ("airflow.models.taskreschedule", "TaskReschedule.start_date", (), (2, 11), (3, 0)),
    ("airflow.models.taskinstance", "TaskInstance.state", (), (2, 11), (3, 0)),
    ("airflow.utils.session", "create_session", (), (2, 11), (3, 0)),
    (
        "airflow.sdk.execution_time.task_runner",
        "RuntimeTaskInstance.get_task_states",
        ("dag_id", "task_ids", "run_ids", "map_index"),
        (3, 0),
        (9, 0),
    ),
    (
        "airflow.sdk.execution_time.task_runner",
        "RuntimeTaskInstance.get_first_reschedule_date",
        ("context",),
        (3, 0),
        (9, 0),
    ),
    ("airflow.sdk.execution_time.context", "NEVER_EXPIRE", (), (3, 3), (9, 0)),
    ("airflow.secrets.metastore", "MetastoreBackend", (), (2, 11), (9, 0)),
    ("airflow.sdk", "BaseOperator.get_closest_mapped_task_group", (), (3, 2), (9, 0)),
    ("airflow.triggers.base", "BaseTrigger.on_kill", (), (3, 3), (9, 0)),
    ("airflow.providers.amazon.aws.utils.mixins", "AwsBaseHookMixin._hook_parameters", (), (2, 11), (9, 0)),
    ("airflow.providers.amazon.aws.hooks.base_aws", "AwsGenericHook._get_config", ("config",), (2, 11), (9, 0)),
]


def find(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(
    ("module", "name", "parameters"),
    [
        pytest.param(module, name, parameters, id=name)
        for module, name, parameters, since, until in PRIVATE
        if since <= AIRFLOW < until
    ],
)
def test_private_names_are_where_they_were(module: str, name: str, parameters: tuple[str, ...]) -> None:
    """A name that moved is named by the test, rather than found by a task."""
    found = find(module, name)
    if parameters:
        assert set(parameters) <= inspect.signature(found).parameters.keys()


def test_mapped_operators_have_what_distinguishes_rows_from_templates() -> None:
    """A mapped task has ``partial_kwargs`` and its input; without them, upstream data would be run as a template."""
    from airflow_connect.operators.connect import CreateContactOperator
    from tests.airflow.runs import new_dag

    with new_dag("private") as dag:
        CreateContactOperator.partial(task_id="create", channel="TASK").expand(name=["a"])
    mapped: Any = dag.get_task("create")
    assert mapped.partial_kwargs["channel"] == "TASK"
    assert mapped._get_specified_expand_input().value == {"name": ["a"]}


def test_a_deferred_task_is_failed_by_a_method_of_this_name() -> None:
    """The scheduler resumes a task whose time is up with this next method, which ``is_deferral_timeout`` expects."""
    job: Any = importlib.import_module("airflow.jobs.scheduler_job_runner")
    if AIRFLOW >= (3, 0):
        assert job.TRIGGER_FAIL_REPR == "__fail__"
    else:
        assert '"__fail__"' in inspect.getsource(job)


def test_private_names_are_used_in_one_module() -> None:
    """Airflow's private names stand in ``_compat.py`` alone; those of the Amazon provider are made to be overridden."""
    names = {name.rpartition(".")[2] for module, name, *_ in PRIVATE if ".amazon." not in module}
    wrong = [
        f"{file.name}: {name}"
        for file in Path(airflow_connect.__file__).parent.rglob("*.py")
        if file.name != "_compat.py"
        for name in sorted(names - {"state", "start_date", "try_number", "on_kill"})
        if re.search(rf"\b{name}\b", file.read_text(encoding="utf-8"))
    ]
    assert wrong == []


def test_attempt_that_airflow_has_replaced_is_known(run_dag: Callable[..., Any]) -> None:
    """The attempt that runs is not replaced; one whose task instance has gone on to another try is."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect._compat import attempt_records, begin_attempt, is_replaced

    found: dict[str, Any] = {}

    with new_dag("attempts") as dag:

        @task(retries=1)
        def attempt(**context: Any) -> None:
            found["before"] = begin_attempt(context)
            attempt_records(context, "here")
            found["now"] = is_replaced(context)
            ti = context["ti"]
            if AIRFLOW >= (3, 3):
                from airflow.sdk.execution_time.context import TaskStateStoreAccessor

                # On another try Airflow gives the task instance another ID.
                scope = context["task_state_store"]._scope
                earlier = {"ti": ti, "task_state_store": TaskStateStoreAccessor(uuid.uuid4(), scope)}
            else:
                whose = {name: getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
                earlier = {"ti": SimpleNamespace(**whose, try_number=ti.try_number - 1)}
            found["then"] = is_replaced(earlier)
            if found["before"] is None and AIRFLOW >= (3, 3):
                raise ValueError

        attempt()
    assert run_dag(dag).state == "success"
    assert found["now"] is False
    assert found["then"] is (AIRFLOW >= (3, 3) or AIRFLOW < (3, 0))
    if AIRFLOW >= (3, 3):
        assert found["before"] == {"try_number": 1, "host": socket.gethostname(), "results": "here"}
