"""
Chase overdue invoices: what a database selects becomes contacts, and another task reads what became of them.

The connection ``sqlite_default`` stands for any database that Airflow has a hook for. Airflow 2 creates it when it is
set up; on Airflow 3 ``airflow connections create-default-connections`` does. The first task fills it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseHook, Param, task

from airflow_connect.operators.bulk import BulkCreateContactsOperator, SqlRows, read_results

INVOICES = [
    # number, customer, amount, due, language
    ("2026-1041", "C-77", 1250.40, "2026-10-05", "de"),
    ("2026-1077", "C-12", 89.90, "2026-10-19", "en"),
    ("2026-1102", "C-77", 310.00, "2026-11-01", "de"),
    ("2026-1110", "C-45", 42.00, "2999-01-01", "fr"),
]

with DAG(
    "example_bulk_sql",
    description="All rows of an SQL query in one task",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"due_before": Param("2026-12-01", type="string", format="date", title="Invoices due before")},
    tags=["example", "amazon-connect"],
):

    @task
    def fill_the_database() -> None:
        hook: Any = BaseHook.get_connection("sqlite_default").get_hook()
        hook.run("DROP TABLE IF EXISTS invoices")
        hook.run("CREATE TABLE invoices (number TEXT, customer TEXT, amount REAL, due TEXT, language TEXT)")
        hook.insert_rows("invoices", INVOICES)

    # [START howto_bulk_sql]
    chase = BulkCreateContactsOperator(
        task_id="chase",
        rows=SqlRows(
            "sqlite_default",
            "SELECT * FROM invoices WHERE due < ? ORDER BY number",
            parameters=["{{ params.due_before }}"],
        ),
        contact={
            "channel": "TASK",
            "name": "Invoice {{ row.number }} is overdue",
            "attributes": {"customer": "{{ row.customer }}", "amount": "{{ row.amount }}"},
            "references": {"Due": "{{ row.due }}"},
        },
        idempotency_key="invoice-{{ row.number }}",
    )
    # [END howto_bulk_sql]

    # [START howto_read_results]
    @task
    def contact_of_each_invoice(summary: dict[str, Any]) -> dict[str, str]:
        """Return small data only: for many rows, write a table with export_results instead."""
        return {result["key"]: result["contact_id"] for result in read_results(summary["results"])}

    # [END howto_read_results]

    fill_the_database() >> chase
    contact_of_each_invoice(chase.output)
