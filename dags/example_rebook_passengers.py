"""
A flight is cancelled: every booking becomes a task for an agent, and what stays open goes to the second line.

The bulk task creates a contact for each row. A sensor waits for all of them, and returns when its time is up. Only the
contacts that are still open are transferred; the second sensor stops what nobody took in the second line either.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows, read_results
from airflow_connect.operators.connect import TransferContactOperator
from airflow_connect.sensors.connect import ContactSensor

REBOOKINGS = Path(__file__).parent / "data" / "rebookings.csv"

# Flows and a queue of the local Amazon Connect. Put in yours.
ROUTE_TASKS = "f1000000-0000-4000-8000-000000000001"
TO_QUEUE = "f1000000-0000-4000-8000-000000000003"
SECOND_LINE = "c1000000-0000-4000-8000-000000000002"

with DAG(
    "example_rebook_passengers",
    description="Rebook the passengers of a cancelled flight, and escalate what stays open",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):
    # [START howto_rebook_passengers]
    rebook = BulkCreateContactsOperator(
        task_id="rebook",
        operation="start_task",
        rows=FileRows(str(REBOOKINGS)),
        contact={
            "contact_flow_id": ROUTE_TASKS,
            "name": "Rebook {{ row.booking }} ({{ row.flight }})",
            "attributes": {"booking": "{{ row.booking }}", "language": "{{ row.language }}"},
            "references": {"Booking": "https://bookings.example.com/{{ row.booking }}"},
        },
        idempotency_key="rebook-{{ row.flight }}-{{ row.flight_date }}-{{ row.booking }}",
        retries=2,
    )
    first_line = ContactSensor(
        task_id="first_line",
        results=rebook.output,
        timeout=timedelta(hours=2),
        on_timeout="return",
        deferrable=True,
    )
    escalate = TransferContactOperator(
        task_id="escalate", results=rebook.output, state="open", contact_flow_id=TO_QUEUE, queue_id=SECOND_LINE
    )
    second_line = ContactSensor(
        task_id="second_line",
        results=rebook.output,
        timeout=timedelta(hours=4),
        on_timeout="stop",
        deferrable=True,
    )

    @task
    def report(summary: dict[str, Any]) -> dict[str, int]:
        """Return how many contacts ended in which way."""
        return dict(Counter(str(row["outcome"]) for row in read_results(summary["results"])))

    first_line >> escalate >> second_line
    report(second_line.output)
    # [END howto_rebook_passengers]
