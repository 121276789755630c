"""
A pipeline failed: one contact for the people on duty, with links to run and log; ended when it is well again.

The contact stays open while one run after the other fails, and the first run that succeeds stops it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_connect.notifications.connect import ContactNotifier

# [START howto_notifier]
with DAG(
    "example_failure",
    description="One contact while the pipeline fails, ended when it succeeds",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"fails": Param("nothing", enum=["nothing", "extract", "load", "publish"], title="What fails")},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=1)},
    tags=["example", "amazon-connect"],
    on_failure_callback=ContactNotifier(
        scope="dag",
        contact_flow_id="f1000000-0000-4000-8000-000000000001",
        references={"What to do": "https://wiki.example.com/runbooks/{{ dag.dag_id }}"},
    ),
    on_success_callback=ContactNotifier(scope="dag", action="stop"),
):
    # [END howto_notifier]

    @task
    def extract(params: dict[str, Any]) -> None:
        step("extract", params)

    @task
    def load(params: dict[str, Any]) -> None:
        step("load", params)

    @task
    def publish(params: dict[str, Any]) -> None:
        step("publish", params)

    def step(name: str, params: dict[str, Any]) -> None:
        if params["fails"] == name:
            raise RuntimeError(f"{name} fails, as the form asked.")

    extract() >> load() >> publish()
