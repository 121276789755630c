"""
Rows that another system leaves in S3, as often as it likes: results beside them keep each contact single for good.

``results_path`` is the same for all runs, so that a row that is in tomorrow's files too does not get a second contact,
however long Amazon Connect remembers a client token.

Whoever triggers the Dag chooses one of the buckets that its author listed: with a free text, anybody who may trigger it
could read and write whatever the connection's role can.
"""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, Param

from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows

BUCKETS = ["leads-europe", "leads-america"]

with DAG(
    "example_bulk_s3",
    description="All rows of the files in a bucket, and the results beside them",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"bucket": Param(BUCKETS[0], type="string", enum=BUCKETS, title="Bucket")},
    tags=["example", "amazon-connect"],
):
    # [START howto_bulk_s3]
    BulkCreateContactsOperator(
        task_id="call_back",
        rows=FileRows("s3://{{ params.bucket }}/leads/*.csv", conn_id="aws_default"),
        contact={
            "channel": "TASK",
            "name": "Call back {{ row.name }}",
            "attributes": {"lead": "{{ row.lead_id }}", "interest": "{{ row.interest }}"},
        },
        idempotency_key="lead-{{ row.lead_id }}",
        on_invalid="skip",
        on_duplicate="skip",
        results_path="s3://aws_default@{{ params.bucket }}/contacts",
        failed_rows_path="s3://aws_default@{{ params.bucket }}/failed/{{ run_id }}.jsonl",
        tolerated_failure_percent=1,
    )
    # [END howto_bulk_s3]
