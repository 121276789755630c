"""DAGs whose tasks are killed, cleared and retried by ``test_exactly_once.py``."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.operators.connect import CreateContactOperator, StartOutboundVoiceContactOperator

START = {"schedule": None, "start_date": datetime(2026, 1, 1), "catchup": False}
RETRY = {"retry_delay": timedelta(seconds=1), "max_retry_time": 2.0}

with DAG("mapped", **START):

    @task
    def rows() -> list[dict[str, object]]:
        return [
            {"name": f"Row {number}", "description": "{{ not_a_template }}", "attributes": {"row": number}}
            for number in range(15)
        ]

    CreateContactOperator.partial(
        task_id="contact", channel="TASK", retries=4, sensitive_fields=("attributes",), **RETRY
    ).expand_kwargs(rows())

with DAG("killed", **START):
    CreateContactOperator.partial(
        task_id="contact", channel="TASK", retries=3, retry_delay=timedelta(seconds=1), max_active_tis_per_dagrun=4
    ).expand(name=[f"Victim {number}" for number in range(20)])

with DAG("called", **START):
    StartOutboundVoiceContactOperator(
        task_id="call",
        destination_phone_number="+12065550123",
        contact_flow_id="f1000000-0000-4000-8000-000000000007",
        queue_id="c1000000-0000-4000-8000-000000000003",
        retries=1,
        retry_delay=timedelta(seconds=1),
    )

with DAG("changed_template", **START):
    CreateContactOperator(
        task_id="contact",
        channel="TASK",
        name="Look at this",
        description="Attempt {{ ti.try_number }}",
        retries=2,
        retry_delay=timedelta(seconds=1),
        max_retry_time=0.0,
    )
