"""What Airflow stores of fields that are hidden, and what Amazon Connect gets, over several runs in one process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.airflow.runs import new_dag, rendered_fields, states

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_connect.testing import LocalConnect

CUSTOMERS = ("customer-ada-31415", "customer-bob-27182")
HIDDEN: dict[str, Any] = {"channel": "TASK", "sensitive_fields": ("name", "attributes")}


def plain() -> None:
    from airflow_connect.operators.connect import CreateContactOperator

    CreateContactOperator(
        task_id="create",
        name="{{ dag_run.conf.customer }}",
        attributes={"customer": "{{ dag_run.conf.customer }}"},
        **HIDDEN,
    )


def mapped() -> None:
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.connect import CreateContactOperator

    @task
    def names(dag_run: Any = None) -> list[str]:
        return [dag_run.conf["customer"], f"{dag_run.conf['customer']}, again"]

    CreateContactOperator.partial(task_id="create", **HIDDEN).expand(name=names())


def deferred() -> None:
    from airflow_connect.operators.connect import CreateContactOperator

    CreateContactOperator(
        task_id="create",
        name="{{ dag_run.conf.customer }}",
        attributes={"customer": "{{ dag_run.conf.customer }}"},
        wait_for_completion=True,
        waiter_delay=0.2,
        deferrable=True,
        outcome_attributes=["customer"],
        **HIDDEN,
    )


def decorated() -> None:
    from airflow.providers.common.compat.sdk import task

    @task.create_contact(channel="TASK", sensitive_fields=("op_kwargs", "name", "attributes"))
    def create(customer: str, *, more: str) -> dict[str, Any]:
        return {"name": customer, "attributes": {"customer": more}}

    create("{{ dag_run.conf.customer }}", more="{{ dag_run.conf.customer }}")


@pytest.mark.parametrize("build", [plain, mapped, deferred, decorated])
def test_hidden_fields_are_those_of_the_run(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, build: Callable[[], None]
) -> None:
    """Two runs of one Dag in one process send their own customers, and neither's is stored."""
    with new_dag(f"hidden_{build.__name__}") as dag:
        build()
    with amazon_connect.agent():
        for customer in CUSTOMERS:
            before = {contact["id"] for contact in amazon_connect.contacts()}
            run = run_dag(dag, conf={"customer": customer})
            made = [contact for contact in amazon_connect.contacts() if contact["id"] not in before]
            stored = {key: fields for key, fields in rendered_fields(run).items() if key[0] == "create"}
            assert set(states(run).values()) == {"success"}
            assert {contact["name"].removesuffix(", again") for contact in made} == {customer}
            assert len(made) == len(stored) == (2 if build is mapped else 1)
            for fields in stored.values():
                if build is decorated:
                    assert fields["op_args"] == fields["op_kwargs"] == "***"
                else:
                    assert fields["name"] == "***"
                assert not any(one in json.dumps(fields) for one in CUSTOMERS)


def test_rows_are_those_of_the_run(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bulk runs of one Dag in one process send their own rows; rows are never stored."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    customers = iter(CUSTOMERS)
    with new_dag("hidden_bulk") as dag:

        @task
        def rows() -> list[dict[str, str]]:
            return [{"customer": next(customers)}]

        contact = {"channel": "TASK", "name": "{{ row.customer }}"}
        BulkCreateContactsOperator(task_id="create", rows=rows(), contact=contact)
    for customer in CUSTOMERS:
        run = run_dag(dag)
        assert states(run) == {"rows": "success", "create": "success"}
        assert [contact["name"] for contact in amazon_connect.contacts()].count(customer) == 1
        fields = rendered_fields(run)["create", -1]
        assert fields["rows"] == "1 rows"
        assert not any(one in json.dumps(fields) for one in CUSTOMERS)
    assert len(amazon_connect.contacts()) == 2


def test_a_source_is_rendered_for_each_run(
    run_dag: Callable[..., Any], amazon_connect: LocalConnect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source of rows that one run rendered is not that of the next run, nor that of another task."""
    from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows

    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    with new_dag("hidden_source") as dag:
        rows = FileRows("{{ dag_run.conf.path }}")
        contact = {"channel": "TASK", "name": "{{ row.customer }}"}
        BulkCreateContactsOperator(task_id="create", rows=rows, contact=contact)
    for customer in CUSTOMERS:
        path = tmp_path / f"{customer[-5:]}.csv"
        path.write_text(f"customer\n{customer}\n")
        run = run_dag(dag, conf={"path": str(path)})
        assert states(run) == {"create": "success"}
    assert sorted(contact["name"] for contact in amazon_connect.contacts()) == sorted(CUSTOMERS)


def test_values_that_airflow_cannot_store(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """Numbers that are not finite or too large, and text that is not Unicode, are stored as text: the task decides."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.connect import CreateContactOperator

    values = {"nan": float("nan"), "infinite": float("inf"), "large": 10**20, "half": "\ud83d"}
    given: dict[str, Any] = {"channel": "TASK", "name": "stored"}
    native = {"render_template_as_native_obj": True, "user_defined_macros": {"values": values}}
    with new_dag("storable", **native) as dag:
        attributes = {"missing": "{{ values.nan }}", "large": "{{ values.large }}"}
        CreateContactOperator(task_id="sent", attributes=attributes, **given)
        CreateContactOperator(task_id="infinite", attributes={"rate": "{{ values.infinite }}"}, **given)
        CreateContactOperator(task_id="half", attributes={"mood": "{{ values.half }}"}, **given)

        @task.create_contact(**given)
        def called(one: float) -> dict[str, Any]:
            return {"attributes": {"one": one, "kind": type(one).__name__}}

        called("{{ values.nan }}")
    run = run_dag(dag)

    assert states(run) == {"sent": "success", "infinite": "failed", "half": "failed", "called": "success"}
    assert sorted(tuple(contact["attributes"].items()) for contact in amazon_connect.contacts()) == [
        (("kind", "float"),),
        (("large", "100000000000000000000"),),
    ]
    stored = {task_id: fields for (task_id, _), fields in rendered_fields(run).items()}
    expected: list[tuple[str, str, Any]] = [
        ("sent", "attributes", {"missing": "nan", "large": "100000000000000000000"}),
        ("infinite", "attributes", {"rate": "inf"}),
        ("half", "attributes", {"mood": "\\ud83d"}),
        ("called", "op_args", ["nan"]),
    ]
    for task_id, field, value in expected:
        # Airflow 2.11 stores the text of what it cannot write as JSON.
        assert stored[task_id][field] in (value, str(value))


def test_a_set_that_airflow_cannot_store() -> None:
    """Airflow writes a set as a list, in which the same numbers are text."""
    from airflow_connect.operators.connect import CreateContactOperator

    with new_dag("sets"):
        task: Any = CreateContactOperator(task_id="task", attributes={"rates": {float("inf")}, "fixed": frozenset([1])})
    task.hide_fields()
    assert task.attributes.serialize() == {"rates": ["inf"], "fixed": [1]}
    with task.true_fields():
        assert task.attributes == {"rates": {float("inf")}, "fixed": {1}}
