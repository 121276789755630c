"""
A call was taken outside of Amazon Connect, on another telephone system: it becomes a VOICE contact there, too.

CreateContact with the channel VOICE does not call anybody: it creates a contact for audio from elsewhere. To call a
customer, see :mod:`example_call_customers_back`.
"""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.connect import CreateContactOperator

with DAG(
    "example_external_call",
    description="A VOICE contact for a call that another telephone system took",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):
    # [START howto_external_call]
    CreateContactOperator(
        task_id="external_call",
        channel="VOICE",
        name="Call 2026-11-24-0042 on the old switchboard",
        attributes={"call": "2026-11-24-0042", "branch": "Zurich"},
        idempotency_key="switchboard-2026-11-24-0042",
    )
    # [END howto_external_call]
