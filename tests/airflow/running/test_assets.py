"""Asset events of tasks that make contacts: assets are stored before a task runs in a running Airflow alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator
    from tools.local_airflow import LocalAirflow

OTHER = "00000000-0000-4000-8000-000000000000"


def test_asset_event_has_a_count(local_airflow: LocalAirflow, emulator: Emulator) -> None:
    """A task whose outlets have the asset of its instance emits an event with the count; other assets get none."""
    run_id = local_airflow.run("with_outlets")

    kind = "dataset" if local_airflow.is_airflow_2 else "asset"
    listed = local_airflow.api("GET", f"/{kind}s/events?source_dag_id=with_outlets")[f"{kind}_events"]
    name = "dataset_uri" if local_airflow.is_airflow_2 else "uri"
    events = [event for event in listed if event["source_run_id"] == run_id]
    extras = {event[name]: event["extra"] for event in events if event["source_task_id"] == "contact"}
    [bulk] = [event["extra"] for event in events if event["source_task_id"] == "contacts"]
    assert (bulk["rows"], bulk["created"], bulk["failed"]) == (2, 2, 0)
    assert extras[f"amazonconnect://{emulator.instance_id}/contacts"]["contacts"] == 1
    assert "contacts" not in (extras[f"amazonconnect://{OTHER}/contacts"] or {})
