"""
What nobody takes goes to another queue, and what nobody takes there is stopped and reported to its owner.

Two deadlines are two sensors: the first returns what is open when its time is up, the second stops it. Both wait for
each contact under the ID with which it was created, and follow its transfers.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.operators.connect import CreateContactOperator, TagContactOperator, TransferContactOperator
from airflow_connect.sensors.connect import ContactSensor

# The queue Billing of the local Amazon Connect, and a flow that leads to queues. Put in yours.
SECOND_LINE = "c1000000-0000-4000-8000-000000000002"
TO_QUEUE = "f1000000-0000-4000-8000-000000000003"

with DAG(
    "example_escalation",
    description="Transfer what is open after 4 hours, stop what is open after 8",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):
    # [START howto_escalation]
    created = CreateContactOperator.partial(task_id="create", channel="TASK").expand(
        name=["Check order 1042", "Check order 1043", "Check order 1044"]
    )
    first = ContactSensor(
        task_id="first_deadline",
        contact_id=created.output,
        timeout=timedelta(hours=4),
        on_timeout="return",
        deferrable=True,
    )
    escalate = TransferContactOperator(
        task_id="escalate", results=first.output, state="open", contact_flow_id=TO_QUEUE, queue_id=SECOND_LINE
    )
    second = ContactSensor(
        task_id="second_deadline",
        contact_id=created.output,
        timeout=timedelta(hours=4),
        on_timeout="stop",
        deferrable=True,
    )

    @task
    def report(result: dict[str, Any]) -> list[str]:
        """Return what happened to each contact, in words."""
        lines = []
        for outcome in result["outcomes"]:
            where = "in the second line" if outcome["transferred_to"] else "in the first line"
            lines.append(f"{outcome['contact_id']}: {outcome['state']} {where}")
        return lines

    escalate >> second
    report(second.output)
    # [END howto_escalation]

    # [START howto_operator_tag_contact]
    TagContactOperator(task_id="tag", results=second.output, state="stopped", tags={"left": "unanswered"})
    # [END howto_operator_tag_contact]
