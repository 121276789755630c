"""DAGs whose callbacks are notifiers, for ``test_notifier.py``."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_connect.notifications.connect import ContactNotifier

START = {"schedule": None, "start_date": datetime(2026, 1, 1), "catchup": False}

with DAG(
    "notifies",
    **START,
    on_failure_callback=ContactNotifier(description="{{ reason }}", attributes={"who": "{{ dag.dag_id }}"}),
    on_success_callback=ContactNotifier(action="stop"),
):

    @task(
        retries=1,
        retry_delay=timedelta(seconds=1),
        on_failure_callback=ContactNotifier(scope="task", name="{{ ti.task_id }} is broken"),
        on_success_callback=ContactNotifier(scope="task", action="stop"),
    )
    def well_after_a_clear(ti: Any) -> None:
        if ti.try_number <= 2:
            raise RuntimeError("not yet")

    well_after_a_clear()

with DAG("cannot_notify", **START):

    @task(on_success_callback=ContactNotifier(instance_id="00000000-0000-4000-8000-000000000000"))
    def is_well() -> None:
        """Succeed."""

    is_well()

if AIRFLOW_V_3_1_PLUS:
    # Airflow 3.1 does not have them in airflow.sdk.
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference, SyncCallback

    CALLBACKS = {"async": AsyncCallback}
    if AIRFLOW_V_3_3_PLUS:  # on SQLite, one ends the scheduler of Airflow 3.2
        CALLBACKS["sync"] = SyncCallback

    for kind, callback in CALLBACKS.items():
        with DAG(
            f"misses_its_deadline_{kind}",
            **START,
            deadline=DeadlineAlert(
                reference=DeadlineReference.DAGRUN_QUEUED_AT,
                interval=timedelta(seconds=1),
                callback=callback(
                    ContactNotifier, kwargs={"attributes": {"late": "{{ deadline.deadline_time }}", "priority": 1}}
                ),
            ),
        ):

            @task
            def slow() -> None:
                time.sleep(12)

            slow()
