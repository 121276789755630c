"""
Every working day: a task that a flow routes to people, not before the next morning.

A task of its own computes the time. Its XCom stays the same when the contact's task is retried or cleared, so that
Amazon Connect sees the same request again; a ``now()`` in the operator's arguments would be another request.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.operators.connect import StartTaskContactOperator

# The variable names the flow of each environment; the default is one of the local Amazon Connect's.
FLOW = "{{ var.value.get('connect_tasks_flow_id', 'f1000000-0000-4000-8000-000000000001') }}"

with DAG(
    "example_routed_task",
    description="A task by a flow, on weekdays",
    schedule="0 16 * * 1-5",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=True,  # the only example that starts without being asked to
    tags=["example", "amazon-connect"],
):

    @task
    def next_morning() -> str:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        return tomorrow.replace(hour=8, minute=0, second=0, microsecond=0).isoformat()

    # [START howto_operator_start_task_contact]
    StartTaskContactOperator(
        task_id="start_task",
        name="Check the refunds of {{ (dag_run.logical_date or dag_run.run_after) | ds }}",
        description="Compare the day's refunds with the bank's list.",
        contact_flow_id=FLOW,
        scheduled_time=next_morning(),
        references={"Refunds": "https://billing.example.com/refunds"},
        retries=2,
    )
    # [END howto_operator_start_task_contact]
