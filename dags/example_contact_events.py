"""
A contact has ended: Amazon Connect's event comes over EventBridge and SQS, and starts this Dag (since Airflow 3.0).

It watches the queue whose URL is in the environment variable CONTACT_EVENTS_QUEUE_URL; without it, or on Airflow 2,
nothing is watched, and a run that somebody starts finds no events. Airflow may put several events into one run.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger
from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.api.events import contact_events

# [START howto_contact_events]
QUEUE_URL = os.environ.get("CONTACT_EVENTS_QUEUE_URL")

try:
    from airflow.sdk import Asset, AssetWatcher
except ImportError:  # Airflow 2 does not start Dags by events
    schedule = None
else:
    trigger = SqsSensorTrigger(sqs_queue=QUEUE_URL, max_messages=10, waiter_delay=5) if QUEUE_URL else None
    watcher = AssetWatcher(name="contact_events_queue", trigger=trigger) if trigger else None
    schedule = [Asset("contact_events", watchers=[watcher])] if watcher else None

with DAG(
    "example_contact_events",
    schedule=schedule,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["example", "amazon-connect"],
):

    @task
    def ended(triggering_asset_events: Any = None) -> list[dict[str, str | None]]:
        events = [
            event
            for asset_events in (triggering_asset_events or {}).values()
            for asset_event in asset_events
            for event in contact_events(asset_event.extra)
        ]
        # An event may come twice: its ID tells.
        completed = {event.id: event for event in events if event.type == "COMPLETED"}
        return [{"contact_id": one.contact_id, "reason": one.disconnect_reason} for one in completed.values()]

    @task
    def follow_up(contact: dict[str, str | None]) -> None:
        print(f"Contact {contact['contact_id']} has ended: {contact['reason']}.")  # noqa: T201  # into the task's log

    follow_up.expand(contact=ended())
# [END howto_contact_events]
