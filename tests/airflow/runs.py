"""Dags that tests make in their own code, and what their runs left."""

from __future__ import annotations

import contextlib
import importlib
from datetime import datetime
from types import SimpleNamespace
from typing import Any


def new_dag(dag_id: str, **kwargs: Any) -> Any:
    """Return an empty Dag without a schedule."""
    from airflow.providers.common.compat.sdk import DAG

    return DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1), **kwargs)


def register(dag: Any) -> None:
    """Store a Dag that a test made in its own code, as the Dag processor does with those in files."""
    # Since Airflow 3.1 a run needs a stored version of its Dag; 2.11 and 3.0 have no such function.
    for module in ("airflow.dag_processing.dagbag", "airflow.models.dagbag"):
        with contextlib.suppress(ImportError, AttributeError):
            sync = importlib.import_module(module).sync_bag_to_db
            break
    else:
        return
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    DagBundlesManager().sync_bundles_to_db()
    bag = SimpleNamespace(dags={dag.dag_id: dag}, import_errors={}, bundle_path=None, dag_warnings=set())
    sync(bag, "dags-folder", None)


def xcom(run: Any, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
    """Return an XCom of a run that has ended."""
    for ti in run.get_task_instances():
        if ti.task_id == task_id and ti.map_index == map_index:
            return ti.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index if map_index >= 0 else None)
    raise AssertionError(f"no task instance {task_id}[{map_index}]")


def states(run: Any) -> dict[str, str]:
    """Return the state of each task that is not mapped."""
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def rendered_fields(run: Any) -> dict[tuple[str, int], dict[str, Any]]:
    """Return what Airflow stored of a run's template fields, by task ID and map index."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(RenderedTaskInstanceFields).filter_by(dag_id=run.dag_id, run_id=run.run_id)
        return {(one.task_id, one.map_index): dict(one.rendered_fields) for one in found}
