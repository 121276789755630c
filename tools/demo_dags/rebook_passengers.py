"""What ``make up`` shows under way: some hundred contacts at the pace that Amazon allows by default; some fail."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.bulk import BulkCreateContactsOperator

FLIGHTS = ("LX 318", "LX 1402", "LX 52", "LX 778")
BOOKINGS = [
    {"booking": f"{0xB2F3C1 + 4_799 * number:X}", "flight": FLIGHTS[number % 4], "note": "Rebook", "calls_back": None}
    for number in range(480)
]
# The check finds what is wrong with these two; Amazon Connect refuses the third, since there is no such contact.
BOOKINGS[11]["note"] = BOOKINGS[12]["note"] = "Rebook " * 700
BOOKINGS[13]["calls_back"] = "00000000-0000-4000-8000-000000000000"

with DAG(
    "demo_rebook_passengers",
    description="A storm closed the airport: a contact for each of 480 bookings",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["demo", "amazon-connect"],
):
    BulkCreateContactsOperator(
        task_id="rebook",
        rows=BOOKINGS,
        contact={
            "channel": "TASK",
            "name": "Rebook {{ row.booking }} ({{ row.flight }})",
            "description": "{{ row.note }}",
            "related_contact_id": "{{ row.calls_back or None }}",
            "attributes": {"booking": "{{ row.booking }}"},
        },
        idempotency_key="{{ run_id }}-{{ row.booking }}",
        on_invalid="skip",
        tolerated_failures=10,
    )
