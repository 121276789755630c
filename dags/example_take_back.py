"""
A run has created contacts that nobody should work on: stop those that are still open.

The bulk task of that run has recorded its contacts. Copy the path ``results`` from its XCom into the form. By default
this Dag only counts; untick *Dry run* to stop the contacts.
"""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_connect.operators.connect import StopContactOperator

with DAG(
    "example_take_back",
    description="Stop the open contacts that a bulk task has created",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "results": Param(
            title="Results",
            description="The value of 'results' in the XCom of the bulk task.",
            type="string",
            pattern="/dag_id=[^/]+/run_id=[^/]+/task_id=[^/]+",
        ),
        "dry_run": Param(True, type="boolean", title="Dry run", description="Count the contacts, stop none"),
    },
    tags=["example", "amazon-connect"],
):
    # [START howto_take_back]
    StopContactOperator(task_id="take_back", results="{{ params.results }}", dry_run="{{ params.dry_run }}")
    # [END howto_take_back]
