"""Dags whose workers are killed, cut off and restarted by ``test_cluster.py``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows
from airflow_connect.sensors.connect import ContactSensor

PARTS = 8
CONTACT = {"channel": "TASK", "name": "{{ row.name }}", "attributes": {"order": "{{ row.order }}"}}
SENDING: dict[str, Any] = {
    "contact": CONTACT,
    "max_in_flight": 32,
    "retries": 4,
    "retry_delay": timedelta(seconds=2),
}

with DAG("bulk", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    BulkCreateContactsOperator(task_id="bulk", rows=FileRows("{{ dag_run.conf['path'] }}"), **SENDING)

with DAG("on_a_disk", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    BulkCreateContactsOperator(
        task_id="bulk",
        rows=FileRows("{{ dag_run.conf['path'] }}"),
        results_path="{{ dag_run.conf['results'] }}",
        **SENDING,
    )

with DAG("shared_quota", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    BulkCreateContactsOperator.partial(task_id="bulk", **SENDING).expand(
        rows=[FileRows(f"{{{{ dag_run.conf['path'] }}}}/part-{part}.csv") for part in range(PARTS)]
    )

with DAG("waits", schedule=None, start_date=datetime(2026, 1, 1), catchup=False):
    bulk = BulkCreateContactsOperator(task_id="bulk", rows=FileRows("{{ dag_run.conf['path'] }}"), **SENDING)
    ContactSensor(
        task_id="wait",
        results=bulk.output,
        deferrable=True,
        poke_interval=2,
        timeout=600,
        retries=4,
        retry_delay=timedelta(seconds=2),
    )
