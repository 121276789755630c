"""
An order was late: an agent gets a draft of an e-mail to the customer, and writes and sends it.

CreateContact with the channel EMAIL does not send a mail: it opens a draft in an agent's workspace. The attributes and
references give the agent what the mail needs.
"""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.connect import CreateContactOperator

# An agent of the local Amazon Connect. Put in the ID of yours.
AGENT = "a1000000-0000-4000-8000-000000000001"

with DAG(
    "example_email_draft",
    description="A draft of an e-mail in an agent's workspace",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):
    # [START howto_email_draft]
    CreateContactOperator(
        task_id="draft",
        channel="EMAIL",
        initiation_method="OUTBOUND",
        user_info=AGENT,
        name="Apologize for the late order 1042",
        attributes={"order": 1042, "days_late": 4},
        references={"Customer": "kim@example.com", "Order": "https://shop.example.com/orders/1042"},
        idempotency_key="late-order-1042",
    )
    # [END howto_email_draft]
