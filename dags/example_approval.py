"""
A person decides how a Dag continues: a task contact asks, an agent answers in an attribute, a branch is taken.

The agent sees what there is to decide as references and attributes, sets the attribute ``decision``, and completes the
contact: in a step-by-step guide of Amazon Connect, or at the desk of the local one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.operators.connect import ContactBranchOperator, CreateContactOperator
from airflow_connect.sensors.connect import ContactSensor

with DAG(
    "example_approval",
    description="Pay out or refuse, as a person decides",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):
    # [START howto_approval]
    ask = CreateContactOperator(
        task_id="ask",
        channel="TASK",
        name="Refund 420 € for order 1042?",
        references={"Order": "https://shop.example.com/orders/1042", "Decide": "approve or refuse"},
        attributes={"order": 1042, "amount": 420, "decision": "approve / refuse"},
    )
    answered = ContactSensor(
        task_id="answered", contact_id=ask.output, poke_interval=10, timeout=timedelta(days=5), deferrable=True
    )
    decide = ContactBranchOperator(
        task_id="decide",
        contact_id=answered.output,
        attribute="decision",
        branches={"approve": "pay_out", "refuse": "refuse"},
        default="ask_somebody_else",
    )
    # [END howto_approval]

    # [START howto_hook]
    @task
    def pay_out(contact_id: str) -> str:
        ConnectHook().update_contact(contact_id, name="Refund 420 € for order 1042: paid")
        return "420 € are on their way"

    # [END howto_hook]

    @task
    def refuse() -> str:
        return "The customer gets the reason"

    @task
    def ask_somebody_else() -> str:
        return "Expired, or no clear answer"

    decide >> [pay_out(ask.output), refuse(), ask_somebody_else()]
