"""
Customers who asked for it are called back, each at most once; who is not reached becomes a task for an agent.

Where the answer to a call is lost, nobody knows whether the phone has rung: the row is ``unknown`` rather than called
twice. In the local Amazon Connect nobody is called: answer, or do not, at the agent's desk.
"""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.connect import StartOutboundVoiceContactOperator

# The flow and the queue of the local Amazon Connect that are for calls. Put in yours.
FLOW = "f1000000-0000-4000-8000-000000000007"
QUEUE = "c1000000-0000-4000-8000-000000000003"

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
