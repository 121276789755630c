"""
A pipeline failed: one contact for the people on duty, with links to the log and to the run.

``trigger_rule="one_failed"`` waits until a task has failed for good; an attempt that will be retried opens nothing.
``done`` is there because the last tasks of a run decide its state: without it, a run whose failure was reported would
count as a success.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from airflow.providers.common.compat.sdk import DAG, Param, conf, task

with DAG(
    "example_failure",
    description="One contact when a task has failed for good",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"fails": Param("nothing", enum=["nothing", "extract", "load", "publish"], title="What fails")},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=1)},
    tags=["example", "amazon-connect"],
):

    @task
    def extract(params: dict[str, Any]) -> None:
        step("extract", params)

    @task
    def load(params: dict[str, Any]) -> None:
        step("load", params)

    @task
    def publish(params: dict[str, Any]) -> None:
        step("publish", params)

    @task
    def done() -> None:
        """Fail the run when the pipeline failed."""

    def step(name: str, params: dict[str, Any]) -> None:
        if params["fails"] == name:
            raise RuntimeError(f"{name} was told to fail.")

    # [START howto_contact_on_failure]
    PIPELINE = ["extract", "load", "publish"]

    @task.create_contact(channel="TASK", trigger_rule="one_failed")
    def report_failure(ti: Any, dag_run: Any) -> dict[str, Any]:
        if hasattr(ti, "get_task_states"):  # Airflow 3
            states = ti.get_task_states(dag_id=ti.dag_id, task_ids=PIPELINE, run_ids=[ti.run_id])[ti.run_id]
            base = conf.get("api", "base_url", fallback="http://localhost:8080").rstrip("/")
            run = f"{base}/dags/{ti.dag_id}/runs/{quote(ti.run_id)}"
            log = f"{run}/tasks/{{}}"
        else:
            states = {one.task_id: one.state for one in dag_run.get_task_instances()}
            run = f"{conf.get('webserver', 'base_url')}/dags/{ti.dag_id}/grid?dag_run_id={quote(ti.run_id)}"
            log = f"{run}&task_id={{}}&tab=logs"
        failed = next(name for name in PIPELINE if states.get(name) == "failed")
        return {
            "name": f"{failed} of {ti.dag_id} failed",
            "attributes": {"dag_id": ti.dag_id, "run_id": ti.run_id, "task_id": failed},
            "references": {"Log": log.format(failed), "Run": run},
        }

    pipeline = [extract(), load(), publish()]
    pipeline[0] >> pipeline[1] >> pipeline[2] >> done()
    pipeline >> report_failure()
    # [END howto_contact_on_failure]
