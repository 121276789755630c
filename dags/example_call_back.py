"""The shortest Dag: one contact for each run."""

from __future__ import annotations

# [START howto_call_back]
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG  # on Airflow 3 also: airflow.sdk

from airflow_connect.operators.connect import CreateContactOperator

with DAG("example_call_back", schedule=None, start_date=datetime(2026, 1, 1)):
    CreateContactOperator(
        task_id="call_back",
        channel="TASK",
        name="Call back about order 1042",
        attributes={"order": 1042, "reason": "late delivery"},
        references={"Order": "https://shop.example.com/1042", "Answer by": "2026-12-01"},
    )
# [END howto_call_back]
