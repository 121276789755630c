"""
A flight was cancelled: one task contact for each booking that must be changed.

The upstream task returns rows, and ``expand_kwargs`` creates a mapped task instance for each. The idempotency key
identifies a contact, so that a retry, a clear and a second run over the same file do not create a second one.
"""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.operators.connect import CreateContactOperator

REBOOKINGS = Path(__file__).parent / "data" / "rebookings.csv"

with DAG(
    "example_fan_out",
    description="One contact for each row of a CSV file",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):

    @task(show_return_value_in_logs=False)
    def rows() -> list[dict[str, Any]]:
        with REBOOKINGS.open(encoding="utf-8", newline="") as file:
            return [contact(row) for row in csv.DictReader(file)]

    # [START howto_contact_arguments]
    def contact(row: dict[str, str]) -> dict[str, Any]:
        return {
            "name": f"Rebook {row['booking']} ({row['flight']})",
            "description": row["note"] or None,
            "attributes": {
                "booking": row["booking"],
                "passenger": row["passenger"],
                "language": row["language"],
                "status": row["status"] or None,  # None leaves an attribute out
                "party": int(row["party"]),
                "fare_eur": row["fare_eur"],
            },
            "references": {
                "Booking": f"https://bookings.example.com/{row['booking']}",  # becomes a URL
                "E-mail": row["email"],  # an EMAIL
                "Flight date": row["flight_date"],  # a DATE
                "Must arrive by": row["onward_by"] or None,
                # The long form, where the type must not depend on the value.
                "Phone": {"Type": "STRING", "Value": row["phone"]},
            },
            "idempotency_key": f"rebook-{row['flight']}-{row['flight_date']}-{row['booking']}",
        }

    # [END howto_contact_arguments]

    # [START howto_operator_create_contact_mapped]
    CreateContactOperator.partial(
        task_id="create_contact",
        channel="TASK",
        expiry_duration_in_minutes=24 * 60,
        map_index_template="{{ task.name }}",
        sensitive_fields=("description", "attributes", "references"),
        max_active_tis_per_dagrun=4,
        retries=2,
    ).expand_kwargs(rows())
    # [END howto_operator_create_contact_mapped]
