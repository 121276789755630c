"""OpenLineage of tasks that make contacts, in Airflow."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.utils.state import TaskInstanceState

from airflow_connect.assets.lineage import contacts_lineage
from airflow_connect.bulk.sources import FileRows, SqlRows
from airflow_connect.operators.connect import CreateContactOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.emulator.server import Emulator

START = {"schedule": None, "start_date": datetime(2026, 1, 1)}
OTHER = "00000000-0000-4000-8000-000000000000"


def test_openlineage_of_an_operator(run_dag: Callable[..., Any], emulator: Emulator) -> None:
    """OpenLineage gets the instance's contacts as what the operator wrote."""
    manager = pytest.importorskip("airflow.providers.openlineage.extractors.manager")
    with DAG("with_lineage", **START) as dag:
        operator = CreateContactOperator(task_id="contact", channel="TASK", name="Check")
    run = run_dag(dag)

    lineage = manager.ExtractorManager().extract_metadata(run, operator, TaskInstanceState.SUCCESS, None)
    assert [(one.namespace, one.name) for one in lineage.outputs] == [
        (f"amazonconnect://{emulator.instance_id}", "contacts")
    ]
    assert lineage.inputs == []


@pytest.mark.parametrize(
    ("path", "namespace", "name"),
    [
        ("s3://bucket/orders/*.csv", "s3://bucket", "orders/*.csv"),
        ("s3://aws_default@bucket/orders.csv", "s3://bucket", "orders.csv"),
        ("/data/orders.csv", "file", "/data/orders.csv"),
        ("file:///data/orders.csv", "file", "/data/orders.csv"),
    ],
)
def test_openlineage_of_a_file(path: str, namespace: str, name: str) -> None:
    """A file is the input, by OpenLineage's names and without the connection."""
    pytest.importorskip("airflow.providers.openlineage.extractors")
    [dataset] = contacts_lineage("i", FileRows(path)).inputs
    assert (dataset.namespace, dataset.name) == (namespace, name)


def test_openlineage_of_a_query(monkeypatch: pytest.MonkeyPatch, airflow_db: None) -> None:
    """The tables of a query are the inputs; the values of its parameters are not reported."""
    pytest.importorskip("airflow.providers.openlineage.extractors")
    postgres = pytest.importorskip("airflow.providers.postgres.hooks.postgres")
    # All that a hook asks its database for; there is none behind this connection.
    monkeypatch.setattr(postgres.PostgresHook, "get_openlineage_default_schema", lambda _hook: "public")
    connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": 9, "schema": "shop"}
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))
    sql = "SELECT o.id FROM orders o JOIN crm.customers c ON c.id = o.customer WHERE o.state = %s"

    lineage = contacts_lineage("i", SqlRows("shop", sql, parameters=["sekret"]))

    assert sorted((one.namespace, one.name) for one in lineage.inputs) == [
        ("postgres://127.0.0.1:9", "shop.crm.customers"),
        ("postgres://127.0.0.1:9", "shop.public.orders"),
    ]
    assert "sekret" not in repr(lineage)


@pytest.mark.parametrize(
    "connection",
    [{"conn_type": "sqlite", "host": "/data/shop.db"}, {"conn_type": "postgres", "host": "127.0.0.1", "port": 9}],
    ids=["knows nothing of OpenLineage", "does not answer"],
)
def test_openlineage_of_a_database_that_does_not_know(
    monkeypatch: pytest.MonkeyPatch, airflow_db: None, connection: dict[str, Any]
) -> None:
    """Where a database cannot say its names, the output is reported and the input is not."""
    pytest.importorskip("airflow.providers.openlineage.extractors")
    pytest.importorskip(f"airflow.providers.{connection['conn_type']}.hooks.{connection['conn_type']}")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps(connection))

    lineage = contacts_lineage("i", SqlRows("shop", "SELECT 1 AS one"))

    assert lineage.inputs == []
    assert [one.name for one in lineage.outputs] == ["contacts"]


def test_rows_of_a_list_have_no_input() -> None:
    """Rows that are in the DAG or in an XCom are nobody's data set."""
    pytest.importorskip("airflow.providers.openlineage.extractors")
    assert contacts_lineage("i", [{"order": 1}]).inputs == []
