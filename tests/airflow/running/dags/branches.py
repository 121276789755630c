"""Dags that decide for each contact of a list, by ``test_branches.py``."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, task, task_group

from airflow_connect.operators.connect import ContactBranchOperator

START = {"schedule": None, "start_date": datetime(2026, 1, 1), "catchup": False, "params": {"contact_ids": []}}


@task
def listed(params: dict) -> list[str]:
    return params["contact_ids"]


@task
def step(contact_id: str) -> str:
    return contact_id


with DAG("branch_in_mapped_group", **START):

    @task_group
    def decide(contact_id: str) -> None:
        ContactBranchOperator(
            task_id="branch",
            contact_id=contact_id,
            attribute="decision",
            branches={"approve": "decide.ship", "refuse": "decide.cancel"},
        ) >> [step.override(task_id=name)(contact_id) for name in ("ship", "cancel")]

    decide.expand(contact_id=listed())

with DAG("mapped_branch", **START):
    contact_ids = listed()
    ContactBranchOperator.partial(
        task_id="branch", attribute="decision", branches={"approve": "ship", "refuse": "cancel"}
    ).expand(contact_id=contact_ids) >> [
        step.override(task_id=name).expand(contact_id=contact_ids) for name in ("ship", "cancel")
    ]
