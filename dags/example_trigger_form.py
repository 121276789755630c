"""
A person presses Trigger, fills in a form, and one contact is created.

The form comes from the Dag's params: Airflow checks each by its JSON Schema before the run starts. A function takes
the values as they were typed; in a template an empty field would become the text ``None``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, Param, task

FORM = {
    "reason": Param(
        "callback",
        title="Reason",
        description="What the customer wants.",
        type="string",
        enum=["callback", "complaint", "address", "other"],
        values_display={
            "callback": "Wants to be called back",
            "complaint": "Has a complaint",
            "address": "Has a new address",
            "other": "Something else",
        },
    ),
    "customer_number": Param(  # without a default: it must be filled in
        title="Customer number",
        description="C, a hyphen and six digits.",
        type="string",
        pattern="^C-[0-9]{6}$",
    ),
    "subject": Param(
        "Please call back",
        title="Subject",
        description="What an agent sees in the list, 5 to 80 characters.",
        type="string",
        minLength=5,
        maxLength=80,
    ),
    "details": Param(
        None,
        title="Details",
        description="Whatever helps the agent. Optional.",
        type=["null", "string"],
        format="multiline",
        maxLength=4096,
    ),
    "due": Param(
        None,
        title="Answer by",
        description="The last day on which an answer helps. Optional.",
        type=["null", "string"],
        format="date",
    ),
    "page": Param(
        None,
        title="Page",
        description="Address of a page that shows the case, beginning with https://. Optional.",
        type=["null", "string"],
        pattern="^(https://.+)?$",
        maxLength=1000,
    ),
    "expires_after_hours": Param(
        72,
        title="Expires after",
        description="Hours after which nobody needs to call any more, 1 to 168.",
        type="integer",
        minimum=1,
        maximum=168,
    ),
}

with DAG(
    "example_trigger_form",
    description="One contact from the form that Trigger shows",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params=FORM,
    tags=["example", "amazon-connect"],
):
    # [START howto_trigger_form_contact]
    @task.create_contact(channel="TASK", retries=2)
    def open_contact(params: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": params["subject"],
            "description": params["details"] or None,
            "attributes": {"reason": params["reason"], "customer_number": params["customer_number"]},
            "references": {"Answer by": params["due"] or None, "Page": params["page"] or None},
            "expiry_duration_in_minutes": params["expires_after_hours"] * 60,
        }

    open_contact()
    # [END howto_trigger_form_contact]
