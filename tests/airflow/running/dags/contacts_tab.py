"""Dags that ``test_contacts_in_chromium.py`` looks at in Airflow's UI."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.bulk import BulkCreateContactsOperator
from airflow_connect.operators.connect import CreateContactOperator

START = {"schedule": None, "start_date": datetime(2026, 1, 1), "catchup": False}

#: Two rows have faults, one is refused; a key is what somebody would try.
ROWS = [
    {"order": f"order-{number}", "related": None, "name": f"Row {number}" if number not in (40, 41) else "x" * 1_025}
    for number in range(1, 101)
]
ROWS[49]["related"] = "00000000-0000-4000-8000-000000000000"
ROWS[6]["order"] = "<script>alert('key')</script>"

with DAG("contacts_tab", **START):
    BulkCreateContactsOperator(
        task_id="bulk",
        rows=ROWS,
        contact={
            "channel": "TASK",
            "name": "{{ row.name }}",
            "description": "{{ row.name * 5 }}",  # a second fault where the name has one: a long error
            "related_contact_id": "{{ row.related or None }}",
        },
        idempotency_key="{{ run_id }}-{{ row.order }}",
        on_invalid="skip",
        tolerated_failures=10,
    )
    CreateContactOperator(task_id="single", channel="TASK", name="Call back")

with DAG("contacts_in_a_bucket", params={"bucket": None}, **START):
    BulkCreateContactsOperator(
        task_id="bulk",
        rows=ROWS[:3],
        contact={"channel": "TASK", "name": "{{ row.name }}"},
        idempotency_key="{{ row.order }}",
        results_path="s3://aws_default@{{ params.bucket }}/contacts",
    )

with DAG("of_another_team", **START):
    CreateContactOperator(task_id="single", channel="TASK", name="Of another team")
