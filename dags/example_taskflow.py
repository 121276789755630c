"""
Invoices that are overdue: a function returns what a contact holds, and the task creates the contact.

The same as :mod:`example_fan_out`, written with TaskFlow.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

with DAG(
    "example_taskflow",
    description="One contact for each invoice, by @task.create_contact",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):

    @task(show_return_value_in_logs=False)
    def overdue() -> list[dict[str, Any]]:
        return [
            {"invoice": "2026-0417", "customer": "Hotel Seeblick", "amount": "1840.00", "due": "2026-10-31"},
            {"invoice": "2026-0433", "customer": "Bäckerei Lang", "amount": "96.20", "due": "2026-11-03"},
            {"invoice": "2026-0451", "customer": "Atelier Nord", "amount": "512.75", "due": "2026-11-10"},
        ]

    # [START howto_decorator_create_contact]
    @task.create_contact(channel="TASK", sensitive_fields=("op_kwargs", "attributes"), retries=2)
    def remind(row: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": f"Invoice {row['invoice']} is overdue",
            "attributes": {"customer": row["customer"], "amount_eur": row["amount"]},
            "references": {
                "Invoice": f"https://billing.example.com/invoices/{row['invoice']}",
                "Due": row["due"],
            },
            "idempotency_key": f"overdue-{row['invoice']}",
        }

    remind.expand(row=overdue())
    # [END howto_decorator_create_contact]
