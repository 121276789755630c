"""
The life of a contact: a task about an invoice is created, gets what was found, is transferred to Billing, and ended.

All operators take the contact that was created: the last one ends the contact that it was transferred to.
"""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.connect import (
    CreateContactOperator,
    StopContactOperator,
    TransferContactOperator,
    UpdateContactAttributesOperator,
)

# Variables name the flow and the queue of each environment; the defaults are the local Amazon Connect's.
FLOW = "{{ var.value.get('connect_to_queue_flow_id', 'f1000000-0000-4000-8000-000000000003') }}"
BILLING = "{{ var.value.get('connect_billing_queue_id', 'c1000000-0000-4000-8000-000000000002') }}"

with DAG(
    "example_follow_up",
    description="A contact is created, changed, transferred and stopped",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):
    # [START howto_operator_create_contact]
    create = CreateContactOperator(
        task_id="create_contact",
        channel="TASK",
        name="Invoice 4711 is unpaid",
        attributes={"invoice": 4711, "amount_eur": "129.90"},
        references={"Invoice": "https://billing.example.com/invoices/4711", "Due": "2026-11-30"},
        idempotency_key="unpaid-4711-{{ run_id }}",
    )
    # [END howto_operator_create_contact]

    # [START howto_operator_update_contact_attributes]
    update = UpdateContactAttributesOperator(
        task_id="add_findings",
        contact_id=create.output,
        attributes={"reminders_sent": 2, "disputed": False},
    )
    # [END howto_operator_update_contact_attributes]

    # [START howto_operator_transfer_contact]
    transfer = TransferContactOperator(
        task_id="hand_to_billing",
        contact_id=create.output,
        contact_flow_id=FLOW,
        queue_id=BILLING,
    )
    # [END howto_operator_transfer_contact]

    # [START howto_operator_stop_contact]
    stop = StopContactOperator(task_id="invoice_was_paid", contact_id=create.output)
    # [END howto_operator_stop_contact]

    update >> transfer >> stop
