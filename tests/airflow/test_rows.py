"""Sources of rows as arguments of a task: rendered, stored with the DAG, mapped, and read, on every Airflow."""

from __future__ import annotations

import contextlib
import importlib
import json
import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_connect.bulk.sources import FileRows, SqlRows, source_of
from airflow_connect.operators.bulk import BulkCreateContactsOperator
from airflow_connect.sensors.connect import ContactSensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

MARKED = "customer-content-31415"


def reading_operator() -> Any:
    """Return an operator that reads its templated rows and returns them, with the source's own text."""
    from airflow.providers.common.compat.sdk import BaseOperator

    class ReadRowsOperator(BaseOperator):
        template_fields = ("rows",)

        def __init__(self, *, rows: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.rows = rows

        def execute(self, context: Any) -> dict[str, Any]:
            source = source_of(self.rows)
            return {"source": str(source), "rows": [row for _, row in source.read()]}

    return ReadRowsOperator


def new_dag(dag_id: str, build: Callable[[Any], None]) -> Any:
    """Return a DAG of which a function has made the tasks."""
    from airflow.providers.common.compat.sdk import DAG

    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        build(reading_operator())
    return dag


def results(run: Any, task_id: str) -> list[Any]:
    """Return what the instances of a task returned, by map index."""
    instances = sorted((ti for ti in run.get_task_instances() if ti.task_id == task_id), key=lambda ti: ti.map_index)
    assert {str(ti.state) for ti in instances} == {"success"}
    return [ti.xcom_pull(task_ids=task_id, map_indexes=ti.map_index if ti.map_index >= 0 else None) for ti in instances]


def test_sources_in_a_stored_dag(tmp_path: Path) -> None:
    """Two parses of a DAG are stored as the same text, which holds neither SQL parameters nor addresses."""

    def build(operator: Any) -> None:
        operator(task_id="file", rows=FileRows(tmp_path / "{{ ds }}.csv", delimiter=";"))
        operator(task_id="sql", rows=SqlRows("warehouse", "SELECT %s", [MARKED]))
        operator.partial(task_id="mapped").expand(rows=[FileRows("a.csv"), SqlRows("warehouse", "SELECT %s", [MARKED])])

    module = importlib.import_module("airflow.serialization.serialized_objects")
    serialization = getattr(module, "DagSerialization", None) or module.SerializedDAG
    dags = [
        new_dag("stored", build),
        new_dag("stored", build),
    ]  # both are kept, so that nothing of the second lies where the first lay
    first, second = (json.dumps(serialization.to_dict(dag), sort_keys=True, default=str) for dag in dags)
    assert first == second
    assert f"{tmp_path}/{{{{ ds }}}}.csv" in first
    assert "SQL on conn_id warehouse" in first
    assert MARKED not in first
    assert " at 0x" not in first
    serialization.from_dict(json.loads(first))


def contact_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the contact of a row."""
    return {"channel": "TASK", "name": row["name"]}


def test_a_stored_dag_has_neither_rows_nor_addresses() -> None:
    """Of rows in a list Airflow stores how many they are, of a function its name; mapped or not."""
    rows = [{"name": MARKED}, {"name": MARKED}]

    def build(_: Any) -> None:
        outcome_is = [lambda outcome: outcome["state"] == "expired"] * 2
        BulkCreateContactsOperator(task_id="list", rows=rows, contact={"channel": "TASK"})
        BulkCreateContactsOperator(task_id="function", rows=FileRows("a.csv"), contact=contact_of)
        bulk = BulkCreateContactsOperator.partial(task_id="partial", rows=rows, contact=contact_of)
        bulk.expand(operation=["create", "start_task"])
        BulkCreateContactsOperator.partial(task_id="rows").expand(rows=[rows, rows], contact=[contact_of])
        BulkCreateContactsOperator.partial(task_id="kwargs").expand_kwargs([{"rows": rows, "contact": contact_of}])
        ContactSensor(task_id="sensor", contact_id="c", fail_if=outcome_is[0], skip_if=outcome_is[1])
        ContactSensor.partial(task_id="sensors", fail_if=outcome_is[0]).expand(contact_id=["c", "d"])

    module = importlib.import_module("airflow.serialization.serialized_objects")
    serialization = getattr(module, "DagSerialization", None) or module.SerializedDAG
    dags = [new_dag("stored", build), new_dag("stored", build)]
    first, second = (json.dumps(serialization.to_dict(dag), sort_keys=True, default=str) for dag in dags)
    assert first == second
    assert MARKED not in first
    assert " at 0x" not in first
    assert "2 rows" in first
    assert "contact_of" in first
    serialization.from_dict(json.loads(first))


def test_sources_of_mapped_tasks_know_their_upstream(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    """A mapped task reads what the tasks that its sources name have written, and so runs after them."""
    from airflow.providers.common.compat.sdk import task

    arguments: dict[str, Any] = {"contact": contact_of, "dry_run": True}

    def build(_: Any) -> None:
        @task
        def export(name: str) -> str:
            path = tmp_path / f"{name}.csv"
            path.write_text(f"name\n{name}\n")
            return str(path)

        bulk = BulkCreateContactsOperator.partial
        bulk(task_id="shared", rows=FileRows(export("a")), **arguments).expand(on_invalid=["fail", "skip"])
        bulk(task_id="each", **arguments).expand(rows=[FileRows(export("b")), FileRows(export("c"))])
        bulk(task_id="kwargs", **arguments).expand_kwargs([{"rows": FileRows(export("d"))}])

    dag = new_dag("mapped_sources", build)
    upstream = {name: dag.get_task(name).upstream_task_ids for name in ("shared", "each", "kwargs")}
    assert upstream == {"shared": {"export"}, "each": {"export__1", "export__2"}, "kwargs": {"export__3"}}
    run = run_dag(dag)
    assert {name: [made["rows"] for made in results(run, name)] for name in upstream} == {
        "shared": [1, 1],
        "each": [1, 1],
        "kwargs": [1],
    }


def test_sources_are_rendered(run_dag: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path, SQL and parameters are templates, and a path may be what another task returns."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath, task

    (tmp_path / "42.csv").write_text("a\n1\n")
    database = tmp_path / "orders.db"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE orders AS SELECT 7 AS id, 'x' AS name UNION SELECT 8, 'y'")
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS", json.dumps({"conn_type": "sqlite", "host": str(database)}))

    def build(operator: Any) -> None:
        @task
        def export() -> str:
            return str(tmp_path / "42.csv")

        exported = export()
        operator(task_id="file", rows=FileRows(f"{tmp_path}/{{{{ 40 + 2 }}}}.csv"))
        operator(task_id="path", rows=FileRows(ObjectStoragePath(f"file://{tmp_path}/{{{{ 40 + 2 }}}}.csv")))
        exported >> operator(task_id="returned", rows=FileRows(exported))
        query = "SELECT id AS {{ 'order_id' }} FROM orders WHERE name = ?"
        operator(task_id="sql", rows=SqlRows("{{ 'orders' }}", query, ["{{ 'x' }}"]))

    run = run_dag(new_dag("rendered", build))
    path = f"{tmp_path}/42.csv"
    assert results(run, "file") == results(run, "returned") == [{"source": path, "rows": [{"a": "1"}]}]
    assert results(run, "path") == [{"source": f"file://{path}", "rows": [{"a": "1"}]}]
    assert results(run, "sql") == [{"source": "SQL on conn_id orders", "rows": [{"order_id": 7}]}]


def test_rows_of_other_tasks(run_dag: Callable[..., Any], tmp_path: Path) -> None:
    """A task's list, the rows of a mapped task, one or several of each instance, and sources to map over."""
    from airflow.providers.common.compat.sdk import task

    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"a\n{name}\n")

    def build(operator: Any) -> None:
        @task
        def several(n: int) -> list[dict[str, Any]]:
            return [{"n": n}, {"n": -n, "template": "{{ 1 + 1 }}"}]

        @task
        def one(n: int) -> dict[str, Any]:
            return {"n": n}

        @task
        def names() -> list[str]:
            return ["a", "b"]

        operator(task_id="list", rows=several(1))
        operator(task_id="mapped", rows=one.expand(n=[1, 2, 3]))
        operator(task_id="mapped_lists", rows=several.expand(n=[1, 2]))
        operator.partial(task_id="files").expand(rows=[FileRows(tmp_path / "{{ 'a' }}.csv"), [{"a": 1}]])
        operator.partial(task_id="found").expand(rows=names().map(lambda name: FileRows(tmp_path / f"{name}.csv")))

    run = run_dag(new_dag("other_tasks", build))
    pairs = [[{"n": n}, {"n": -n, "template": "{{ 1 + 1 }}"}] for n in (1, 2)]
    assert results(run, "list") == [{"source": "a list of 2 rows", "rows": pairs[0]}]
    assert results(run, "mapped") == [{"source": "rows that tasks returned", "rows": [{"n": 1}, {"n": 2}, {"n": 3}]}]
    assert results(run, "mapped_lists") == [{"source": "rows that tasks returned", "rows": [*pairs[0], *pairs[1]]}]
    assert [result["rows"] for result in results(run, "files")] == [[{"a": "a"}], [{"a": 1}]]
    assert [result["rows"] for result in results(run, "found")] == [[{"a": "a"}], [{"a": "b"}]]


def test_files_in_a_store(bucket: str, local_aws_connection: str) -> None:
    """A pattern in S3 is read through Airflow's ObjectStoragePath and the connection."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    client = S3Hook(local_aws_connection).get_conn()
    for n in (2, 1):
        client.put_object(Bucket=bucket, Key=f"in/{n}.csv", Body=f"a\n{n}\n".encode())
    for source in (
        FileRows(f"s3://{bucket}/in/*.csv", conn_id=local_aws_connection),
        FileRows(f"s3://{local_aws_connection}@{bucket}/in/*.csv"),
        FileRows(ObjectStoragePath(f"s3://{bucket}/in/*.csv", conn_id=local_aws_connection)),
    ):
        assert list(source.read()) == [(1, {"a": "1"}), (2, {"a": "2"})]
