"""A DAG whose tasks have assets as outlets, for ``test_lineage.py``."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.assets.connect import contact_asset
from airflow_connect.operators.bulk import BulkCreateContactsOperator
from airflow_connect.operators.connect import CreateContactOperator

with DAG("with_outlets", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    CreateContactOperator(
        task_id="contact",
        channel="TASK",
        name="Check",
        outlets=[
            contact_asset("b1000000-0000-4000-8000-000000000001"),
            contact_asset("00000000-0000-4000-8000-000000000000"),
        ],
    )
    BulkCreateContactsOperator(
        task_id="contacts",
        rows=[{"order": 1}, {"order": 2}],
        contact={"channel": "TASK", "name": "Check {{ row.order }}"},
        outlets=[contact_asset("b1000000-0000-4000-8000-000000000001")],
    )
