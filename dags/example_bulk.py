"""
A flight was cancelled: one task turns a CSV file into a contact for each booking.

It finds the pace that the account's quota allows, records what becomes of each row, and a retry sends only what is
missing. Press *Trigger* and tick *dry run* to see what would be sent.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows

REBOOKINGS = Path(__file__).parent / "data" / "rebookings.csv"

with DAG(
    "example_bulk",
    description="All rows of a CSV file in one task",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={
        "dry_run": Param(False, type="boolean", title="Dry run", description="Check all rows, send nothing"),
        "max_rate": Param(None, type=["null", "number"], title="Contacts a second at most"),
    },
    tags=["example", "amazon-connect"],
):
    # [START howto_operator_bulk_create_contacts]
    BulkCreateContactsOperator(
        task_id="rebook",
        rows=FileRows(str(REBOOKINGS)),
        contact={
            "channel": "TASK",
            "name": "Rebook {{ row.booking }} ({{ row.flight }})",
            "description": "{{ row.note }}",
            "attributes": {
                "booking": "{{ row.booking }}",
                "passenger": "{{ row.passenger }}",
                "language": "{{ row.language }}",
                "status": "{{ row.status or None }}",  # None leaves an attribute out
            },
            "references": {"Booking": "https://bookings.example.com/{{ row.booking }}"},
        },
        idempotency_key="cancelled-{{ row.flight }}-{{ row.flight_date }}-{{ row.booking }}",
        max_rate="{{ params.max_rate }}",
        dry_run="{{ params.dry_run }}",
        retries=2,
    )
    # [END howto_operator_bulk_create_contacts]
