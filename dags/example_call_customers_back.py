"""
Customers who asked for it are called back, each at most once; who is not reached becomes a task for an agent.

If the answer to a call is lost, it is not known whether the phone has rung: the row is ``unknown``, and the customer is
not called twice. The local Amazon Connect does not call anybody: answer, or do not, at the agent's desk.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.operators.bulk import BulkCreateContactsOperator, read_results
from airflow_connect.operators.connect import CreateContactOperator, StartOutboundVoiceContactOperator
from airflow_connect.sensors.connect import ContactSensor

# The flow and the queue of the local Amazon Connect that are for calls. Put in yours.
FLOW = "f1000000-0000-4000-8000-000000000007"
QUEUE = "c1000000-0000-4000-8000-000000000003"

REQUESTS = [
    {"request": "R-1", "customer": "Kim", "phone": "+12065550121", "about": "a late parcel"},
    {"request": "R-2", "customer": "Ines", "phone": "+12065550122", "about": "a wrong invoice"},
    {"request": "R-3", "customer": "Tom", "phone": "+12065550123", "about": "a refund"},
]

with DAG(
    "example_call_customers_back",
    description="Call customers back, and let an agent see to those who were not reached",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):
    # [START howto_operator_start_outbound_voice_contact]
    call_the_manager = StartOutboundVoiceContactOperator(
        task_id="call_the_manager",
        destination_phone_number="+12065550120",
        contact_flow_id=FLOW,
        queue_id=QUEUE,
        name="Calls to customers begin",
        ring_timeout_in_seconds=15,
        wait_for_completion=True,
        waiter_delay=5,
        deferrable=True,
    )
    # [END howto_operator_start_outbound_voice_contact]

    # [START howto_call_customers_back]
    call = BulkCreateContactsOperator(
        task_id="call",
        operation="start_outbound_voice",
        rows=REQUESTS,
        contact={
            "destination_phone_number": "{{ row.phone }}",
            "contact_flow_id": FLOW,
            "queue_id": QUEUE,
            "name": "Call {{ row.customer }} back about {{ row.about }}",
            "attributes": {"request": "{{ row.request }}", "customer": "{{ row.customer }}"},
            "ring_timeout_in_seconds": 15,
        },
        retries=2,
    )
    ended = ContactSensor(
        task_id="ended",
        results=call.output,
        attributes=["request", "customer"],
        poke_interval=5,
        timeout=timedelta(hours=1),
        deferrable=True,
    )

    @task
    def not_reached(result: dict[str, Any]) -> list[dict[str, Any]]:
        """Return an argument set for each customer who did not answer, or whose line was busy."""
        return [
            {"name": f"Reach {row['attributes']['customer']} by e-mail", "attributes": row["attributes"]}
            for row in read_results(result["results"])
            if row["outcome"] in ("not_answered", "busy")
        ]

    CreateContactOperator.partial(task_id="ask_an_agent", channel="TASK").expand_kwargs(not_reached(ended.output))
    # [END howto_call_customers_back]

    call_the_manager >> call
