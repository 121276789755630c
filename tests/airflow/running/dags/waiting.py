"""DAGs whose sensors are killed by ``test_waiting.py``."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_connect.operators.connect import CreateContactOperator
from airflow_connect.sensors.connect import ContactSensor

START = {"schedule": None, "start_date": datetime(2026, 1, 1), "catchup": False}

for dag_id, arguments in {
    "killed_in_the_triggerer": {"deferrable": True},
    "killed_in_the_worker": {"mode": "poke"},
    "late_in_the_worker": {"mode": "poke", "execution_timeout": timedelta(seconds=5)},
}.items():
    with DAG(dag_id, **START):
        made = CreateContactOperator(task_id="make", channel="TASK", name="Check")
        ContactSensor(task_id="wait", contact_id=made.output, poke_interval=1, stop_on_kill=True, **arguments)
