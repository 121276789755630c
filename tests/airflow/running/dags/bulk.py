"""A DAG whose bulk task is killed, ended by a person and cleared by ``test_bulk_exactly_once.py``."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows

with DAG("bulk", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    BulkCreateContactsOperator(
        task_id="bulk",
        rows=FileRows("{{ dag_run.conf['path'] }}"),
        contact={"channel": "TASK", "name": "{{ row.name }}", "attributes": {"order": "{{ row.order }}"}},
        max_in_flight=32,
        retries=2,
        retry_delay=timedelta(seconds=3),
    )
