"""The bulk operator in real DAG runs (``dag.test()``), over HTTP to the local Amazon Connect."""

from __future__ import annotations

import json
import os
import re
import socket
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.emulator.resources import TASKS_FLOW
from airflow_connect.record.format import RowState
from tests.airflow.runs import new_dag, rendered_fields, states, xcom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_connect.emulator.server import Emulator

MARKED = "customer-content-31415"
CONTACT = {
    "channel": "TASK",
    "name": "Order {{ row.order }}",
    "attributes": {"order": "{{ row.order }}", "note": "{{ row.note }}"},
}


def orders(count: int, *, start: int = 1) -> list[dict[str, Any]]:
    """Return rows, with content that must not be logged."""
    return [{"order": number, "note": f"{MARKED} {number}"} for number in range(start, start + count)]


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Airflow's configuration says that results go."""
    monkeypatch.setenv("AIRFLOW__AMAZON_CONNECT__RESULTS_PATH", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def run_bulk(run_dag: Callable[..., Any], results: Path) -> Callable[..., Any]:
    """A function that runs a bulk task of the arguments given, and returns the run."""
    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    def run(**arguments: Any) -> Any:
        conf = arguments.pop("conf", None)
        with new_dag("bulk", params=arguments.pop("params", {})) as dag:
            BulkCreateContactsOperator(task_id="bulk", **{"contact": CONTACT, **arguments})
        return run_dag(dag, conf=conf)

    return run


def read(run: Any, key: str = "return_value") -> list[dict[str, Any]]:
    """Return the record of the rows of a run."""
    from airflow_connect.operators.bulk import read_results

    return list(read_results(xcom(run, "bulk", key)))


# --- Rows become contacts -----------------------------------------------------------------------------------


def test_each_row_is_a_contact(run_bulk: Callable[..., Any], emulator: Emulator, results: Path) -> None:
    """Each row becomes one contact, rendered from the row and the context; the XCom is counts and paths."""
    contact = CONTACT | {"description": "{{ dag.dag_id }}, {{ row['note'] }}"}
    run = run_bulk(rows=orders(30), contact=contact)
    assert run.state == "success"
    contacts = {contact["attributes"]["order"]: contact for contact in emulator.contacts()}
    assert len(contacts) == len(emulator.contacts()) == 30
    assert contacts["7"]["name"] == "Order 7"
    assert contacts["7"]["description"] == f"bulk, {MARKED} 7"
    summary = xcom(run, "bulk")
    assert {name: summary[name] for name in ("rows", *RowState)} == {
        **dict.fromkeys(RowState, 0),
        "rows": 30,
        "created": 30,
    }
    assert summary["throttled"] == 0
    assert summary["rate"] > 0
    assert summary["seconds"] > 0
    assert summary["results"].startswith(str(results))
    assert summary["instance_access_url"].startswith("http")
    assert len(json.dumps(summary)) < 1_000
    record = read(run)
    assert {result["contact_id"] for result in record} == {contact["id"] for contact in emulator.contacts()}
    assert [result["row"] for result in record] == list(range(1, 31))


def test_nothing_of_a_row_is_logged_or_shown(
    run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str], results: Path
) -> None:
    """What a row holds is in no log, no rendered field and no record, also when rows fail and are refused."""
    emulator.set_faults("error_500=0.1, cut_after=0.1")
    rows = [*orders(20), {"order": 21, "note": MARKED * 3_000}]
    run = run_bulk(rows=rows, on_invalid="skip", contact=CONTACT | {"related_contact_id": "{{ row.none | d(None) }}"})
    [ti] = run.get_task_instances()
    shown = json.dumps(_rendered_fields(ti))
    assert run.state == "success"
    assert MARKED not in logged()
    assert MARKED not in shown
    assert "21 rows" in shown
    assert "{{ row.order }}" in shown
    files = [file for file in results.rglob("*") if file.is_file()]
    assert len(files) >= 3
    assert all(MARKED not in file.read_text() for file in files)


def _rendered_fields(ti: Any) -> dict[str, Any]:
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(RenderedTaskInstanceFields).filter_by(dag_id=ti.dag_id, run_id=ti.run_id).one()
        return dict(found.rendered_fields)


def test_what_a_row_holds_is_no_template(run_bulk: Callable[..., Any], emulator: Emulator) -> None:
    """Upstream data with ``{{ }}`` stays what it is."""
    run_bulk(rows=[{"order": 1, "note": "{{ 1 / 0 }} {% raw %}"}])
    assert emulator.contacts()[0]["attributes"]["note"] == "{{ 1 / 0 }} {% raw %}"


def test_rows_come_from_a_task(run_dag: Callable[..., Any], emulator: Emulator, results: Path) -> None:
    """Rows may be the output of a task, mapped or not; upstream values in the contact are data."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    with new_dag("upstream") as dag:

        @task
        def one() -> list[dict[str, Any]]:
            return orders(3)

        @task(multiple_outputs=False)
        def of(number: int) -> dict[str, Any]:
            return {"order": number, "note": None}

        @task
        def campaign() -> str:
            return "{{ 1 / 0 }}"

        BulkCreateContactsOperator(
            task_id="bulk",
            rows=one(),
            contact=CONTACT | {"description": campaign(), "name": "{{ row.order }}, {{ ds }}"},
        )
        BulkCreateContactsOperator(task_id="mapped", rows=of.expand(number=[11, 12]), contact=CONTACT)
        BulkCreateContactsOperator.partial(task_id="each", contact=CONTACT).expand(rows=[orders(1), orders(2)])
    run = run_dag(dag)
    assert run.state == "success"
    by_description = Counter(contact["description"] for contact in emulator.contacts())
    assert by_description == {"{{ 1 / 0 }}": 3, None: 5}
    assert "note" not in next(c for c in emulator.contacts() if c["name"] == "Order 12")["attributes"]


def test_outputs_within_lists_and_changed_by_map_zip_and_concat(
    run_dag: Callable[..., Any], emulator: Emulator, results: Path
) -> None:
    """An output stands for what its task returned: in a list of rows, in a row, mapped, zipped and concatenated."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    with new_dag("outputs") as dag:

        @task(multiple_outputs=False)
        def one(number: int) -> dict[str, Any]:
            return {"order": number, "note": "{{ 1 / 0 }}"}

        @task
        def many(start: int) -> list[dict[str, Any]]:
            return orders(2, start=start)

        @task
        def words() -> str:
            return "{{ 1 / 0 }}"

        def renamed(row: dict[str, Any]) -> dict[str, Any]:
            return {"order": 100 + row["order"], "note": None}

        def joined(pair: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
            return {"order": f"{pair[0]['order']}+{pair[1]['order']}", "note": None}

        first, second, each = many(1), many(3), one.expand(number=[5, 6])
        given = {
            "in_a_list": [one(0), first, each, {"order": words(), "note": [], "more": {"deep": [words()]}}],
            "mapped": first.map(renamed),
            "mapped_task": each.map(renamed),
            "zipped": first.zip(second).map(joined),
            "zipped_rows": first.zip(second),
            "concatenated": first.concat(each),
        }
        contact = {"channel": "TASK", "name": "{{ row.order }}"}
        tasks = {
            name: BulkCreateContactsOperator(task_id=name, rows=rows, contact=contact) for name, rows in given.items()
        }
        partial = BulkCreateContactsOperator.partial(task_id="each_row", contact=contact)
        tasks["each_row"] = partial.expand(rows=[[one(8)], [first, {"order": 9}]])
    assert tasks["in_a_list"].upstream_task_ids == {"one", "many", "one__1", "words", "words__1"}
    assert tasks["each_row"].upstream_task_ids == {"one__2", "many"}
    run = run_dag(dag)

    assert run.state == "success", states(run)
    names = Counter(contact["name"] for contact in emulator.contacts())
    expected = ["0", "1", "2", "5", "6", "{{ 1 / 0 }}", "101", "102", "105", "106", "1+3", "2+4"]
    expected += ["1", "3", "2", "4", "1", "2", "5", "6", "8", "1", "2", "9"]
    assert names == Counter(expected)


class Tickets:
    """A source of rows as an author may write one: not of any class of this package."""

    template_fields = ("day",)
    can_be_read_twice = False

    def __init__(self, day: str) -> None:
        self.day = day

    def __str__(self) -> str:
        return "tickets"

    def read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Return two rows of the day."""
        yield 1, {"order": f"{self.day}/1", "note": MARKED}
        yield 2, {"order": f"{self.day}/2", "note": MARKED}


class NamedTickets(Tickets):
    """The same, with what a source may have beyond reading."""

    def describe(self) -> str:
        """Return what the UI shows."""
        return f"tickets of {self.day}"

    def dataset(self) -> list[tuple[str, str]]:
        """Return what is read."""
        return [("https://helpdesk.example.com", f"tickets/{self.day}")]


@pytest.mark.parametrize(
    ("source", "shown", "inputs"),
    [
        (Tickets, "rows of Tickets", []),
        (NamedTickets, "tickets of monday", [("https://helpdesk.example.com", "tickets/monday")]),
    ],
)
def test_rows_of_a_source_of_the_authors_own(
    run_dag: Callable[..., Any],
    emulator: Emulator,
    results: Path,
    logged: Callable[[], str],
    source: type[Tickets],
    shown: str,
    inputs: list[tuple[str, str]],
) -> None:
    """A source is what can be read: its fields are rendered, its rows sent once, and it says what is shown of it."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    with new_dag("own_source") as dag:

        @task
        def day() -> str:
            return "monday"

        mine = source(day())
        bulk = BulkCreateContactsOperator(task_id="bulk", rows=mine, contact=CONTACT)
    assert bulk.upstream_task_ids == {"day"}
    for _ in range(2):
        run = run_dag(dag)
        assert states(run) == {"day": "success", "bulk": "success"}
        assert rendered_fields(run)["bulk", -1]["rows"] == shown
    assert Counter(contact["attributes"]["order"] for contact in emulator.contacts()) == {"monday/1": 2, "monday/2": 2}
    assert MARKED not in logged()
    assert not isinstance(mine.day, str)  # what a run renders does not reach the Dag's own object
    lineage = BulkCreateContactsOperator(task_id="bulk", rows=source("monday"), contact=CONTACT)
    reported = lineage.get_openlineage_facets_on_complete(None).inputs
    assert [(dataset.namespace, dataset.name) for dataset in reported] == inputs


def test_source_knows_its_upstream_and_its_files(
    run_dag: Callable[..., Any], emulator: Emulator, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path may be the output of a task, SQL may be in a file, and tasks may share a source."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows, SqlRows

    monkeypatch.setenv("AIRFLOW_CONN_INVOICES", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "x.db")}))
    (tmp_path / "query.sql").write_text("SELECT {{ 20 + 1 }} AS 'order', NULL AS note")
    with new_dag("sources", template_searchpath=str(tmp_path)) as dag:

        @task
        def export() -> str:
            (tmp_path / "orders.csv").write_text("order,note\n1,a\n2,b\n")
            return str(tmp_path / "orders.csv")

        source = FileRows(export())
        first = BulkCreateContactsOperator(task_id="first", rows=source, contact=CONTACT)
        second = BulkCreateContactsOperator(task_id="second", rows=source, contact=CONTACT)
        BulkCreateContactsOperator(task_id="sql", rows=SqlRows("invoices", "query.sql"), contact=CONTACT)
    assert first.upstream_task_ids == second.upstream_task_ids == {"export"}
    assert run_dag(dag).state == "success"
    assert sorted(contact["name"] for contact in emulator.contacts()) == [
        *["Order 1"] * 2,
        "Order 2",
        "Order 2",
        "Order 21",
    ]


def test_function_makes_the_contact(run_bulk: Callable[..., Any], emulator: Emulator) -> None:
    """A Python function may make the contact of a row."""

    def contact(row: dict[str, Any]) -> dict[str, Any]:
        return {"channel": "TASK", "name": f"Order {row['order'] * 2}"}

    assert run_bulk(rows=orders(3), contact=contact).state == "success"
    assert sorted(contact["name"] for contact in emulator.contacts()) == ["Order 2", "Order 4", "Order 6"]


def test_exception_in_the_function_is_the_row_s_fault(
    run_bulk: Callable[..., Any], emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception is reported with the row's number and its class, not with its words, and nothing was sent."""

    def contact(row: dict[str, Any]) -> dict[str, Any]:
        if row["order"] == 2:
            raise ValueError(MARKED)
        return {"channel": "TASK", "name": "x"}

    run = run_bulk(rows=orders(3), contact=contact)
    assert run.state == "failed"
    assert emulator.contacts() == []


def test_start_task(run_bulk: Callable[..., Any], emulator: Emulator) -> None:
    """``operation="start_task"`` starts flows."""
    contact = {"name": "Order {{ row.order }}", "contact_flow_id": TASKS_FLOW.id}
    assert run_bulk(rows=orders(3), contact=contact, operation="start_task").state == "success"
    assert len(emulator.calls("StartTaskContact")) == 3


def test_no_rows_are_no_failure(run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]) -> None:
    """Empty input makes no contact, succeeds, and says so."""
    run = run_bulk(rows=[])
    assert run.state == "success"
    assert xcom(run, "bulk")["rows"] == 0
    assert "0 rows read and checked" in logged()
    assert emulator.calls("CreateContact") == []


# --- What identifies a contact ------------------------------------------------------------------------------


def test_key_makes_one_contact_over_runs(run_bulk: Callable[..., Any], emulator: Emulator) -> None:
    """The same key makes one contact, whichever run or row asks."""
    run_bulk(rows=orders(5), idempotency_key="order-{{ row.order }}")
    run = run_bulk(rows=list(reversed(orders(8))), idempotency_key="order-{{ row.order }}")
    assert run.state == "success"
    assert len(emulator.contacts()) == 8


def test_shared_results_remember_what_amazon_forgot(
    run_bulk: Callable[..., Any], emulator: Emulator, tmp_path: Path
) -> None:
    """A results_path that is the same for all runs does not create a second contact after Amazon forgot the token."""
    path = str(tmp_path / "shared")
    run_bulk(rows=orders(5), idempotency_key="{{ row.order }}", results_path=path)
    emulator.clock.advance(400 * 86_400)
    run = run_bulk(rows=orders(6), idempotency_key="{{ row.order }}", results_path=path)
    summary = xcom(run, "bulk")
    assert (summary["already_created"], summary["created"]) == (5, 1)
    assert len(emulator.contacts()) == 6
    record = read(run)
    assert [result["state"] for result in record] == ["already_created"] * 5 + ["created"]
    assert all(result["contact_id"] for result in record)


def test_duplicate_key_is_a_fault_or_skipped(
    run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """A key that stands in two rows stops the task, or with ``skip`` is made once."""
    rows = [*orders(3), *orders(1)]
    assert run_bulk(rows=rows, idempotency_key="{{ row.order }}").state == "failed"
    assert emulator.contacts() == []
    text = logged()
    assert "row 4, idempotency_key" in text
    assert "row 1" in text
    run = run_bulk(rows=rows, idempotency_key="{{ row.order }}", on_duplicate="skip")
    assert run.state == "success"
    assert xcom(run, "bulk")["skipped"] == 1
    assert len(emulator.contacts()) == 3
    assert read(run)[3]["state"] == "skipped"


def test_equal_rows_without_a_key_make_a_contact_each(run_bulk: Callable[..., Any], emulator: Emulator) -> None:
    """Without a key equal rows are several contacts."""
    run_bulk(rows=[*orders(1), *orders(1)])
    assert len(emulator.contacts()) == 2


# --- Faults -------------------------------------------------------------------------------------------------


def test_faults_stop_everything_before_the_first_call(
    run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str], results: Path
) -> None:
    """All faults are known before anything is sent: what rows share is logged once, and all faults are in a file."""
    rows = orders(30) + [{"order": number, "note": "x" * 33_000} for number in range(31, 61)]
    assert run_bulk(rows=rows).state == "failed"
    text = logged()
    assert "30 of 60 rows have faults, and nothing was sent" in text
    shared = re.findall(r"30 rows, attributes\S*: .*: row 31, row 32, row 33 and 27 more", text)
    assert len(set(shared)) == 2  # that of the attribute, and that of all of them together
    assert emulator.calls("CreateContact") == []
    [file] = results.rglob("faults.jsonl")
    faults = [json.loads(line) for line in file.read_text().splitlines()]
    assert {fault["row"] for fault in faults} == set(range(31, 61))


def test_invalid_rows_can_be_left_out(run_bulk: Callable[..., Any], emulator: Emulator, tmp_path: Path) -> None:
    """``on_invalid="skip"`` sends the rest; the others are counted, on record, and in a file that another run reads."""
    from airflow_connect.operators.bulk import FileRows

    rows = [*orders(3), {"order": 4, "note": "x" * 33_000}, {"order": 5}]
    failed = tmp_path / "failed.jsonl"
    run = run_bulk(rows=rows, on_invalid="skip", failed_rows_path=str(failed))
    assert run.state == "success"
    assert xcom(run, "bulk")["invalid"] == 2
    assert len(emulator.contacts()) == 3
    assert [result["state"] for result in read(run)] == ["created"] * 3 + ["invalid"] * 2
    written = [json.loads(line) for line in failed.read_text().splitlines()]
    assert [row | known for row, known in zip(written, rows[3:], strict=True)] == written
    assert [(row["airflow_connect_row"], row["airflow_connect_state"]) for row in written] == [
        (4, "invalid"),
        (5, "invalid"),
    ]

    contact = CONTACT | {"attributes": {"order": "{{ row.order }}"}}
    assert run_bulk(rows=FileRows(str(failed)), contact=contact).state == "success"
    assert sorted(contact["name"] for contact in emulator.contacts())[-2:] == ["Order 4", "Order 5"]


def test_rows_that_failed_are_those_of_this_attempt(run_bulk: Callable[..., Any], tmp_path: Path) -> None:
    """The file is there before anything is sent too, and is emptied when nothing fails any more."""
    failed = tmp_path / "failed.jsonl"
    rows = [*orders(3), {"order": 4, "note": "x" * 33_000}]
    assert run_bulk(rows=rows, failed_rows_path=str(failed)).state == "failed"
    assert [json.loads(line)["order"] for line in failed.read_text().splitlines()] == [4]
    assert run_bulk(rows=rows[:3], failed_rows_path=str(failed)).state == "success"
    assert failed.read_text() == ""


@pytest.mark.parametrize("mapped_over", ["kwargs", "outputs", "templates"])
def test_map_indexes_whose_rendered_paths_are_equal(
    run_dag: Callable[..., Any],
    emulator: Emulator,
    results: Path,
    tmp_path: Path,
    logged: Callable[[], str],
    mapped_over: str,
) -> None:
    """The first writes its failed rows; the others send nothing, and name the path and the first."""
    from airflow.providers.common.compat.sdk import task

    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    failed = tmp_path / "failed.jsonl"
    valid_and_invalid = [*orders(2), {"order": 3, "note": "x" * 33_000}]
    options = {"task_id": "bulk", "contact": CONTACT, "on_invalid": "skip"}

    @task
    def paths() -> list[str]:
        return [str(failed), str(failed)]

    @task
    def kwargs() -> list[dict[str, Any]]:
        return [{"rows": valid_and_invalid, "failed_rows_path": str(failed)} for _ in range(2)]

    with new_dag(f"paths_{mapped_over}", params={"a": str(failed), "b": f"{tmp_path}/sub/../failed.jsonl"}) as dag:
        if mapped_over == "kwargs":
            BulkCreateContactsOperator.partial(**options).expand_kwargs(kwargs())
        else:
            each = paths() if mapped_over == "outputs" else ["{{ params.a }}", "{{ params.b }}"]
            BulkCreateContactsOperator.partial(**options, rows=valid_and_invalid).expand(failed_rows_path=each)
    run = run_dag(dag)
    # dag.test() runs them in any order.
    mapped = [ti for ti in run.get_task_instances() if ti.map_index >= 0]
    assert sorted(ti.state for ti in mapped) == ["failed", "success"]
    [first] = [ti.map_index for ti in mapped if ti.state == "success"]
    assert len(emulator.contacts()) == 2
    assert f"must differ for each map index: map index {first} of this task writes to the same file" in logged()
    assert [json.loads(line)["order"] for line in failed.read_text().splitlines()] == [3]


@pytest.mark.parametrize("key", [None, "order-{{ row.order }}"])
def test_row_of_unknown_fate_is_not_given_to_another_run_without_a_key(
    run_bulk: Callable[..., Any], emulator: Emulator, tmp_path: Path, key: str | None
) -> None:
    """A contact that may be there would be made again, unless a key says that it is the same."""
    emulator.set_faults("CreateContact:cut_after=1")
    failed = tmp_path / "failed.jsonl"
    options = {"idempotency_key": key, "max_retry_time": 0, "failed_rows_path": str(failed)}
    assert run_bulk(rows=orders(1), **options).state == "failed"
    assert len(failed.read_text().splitlines()) == (0 if key is None else 1)
    emulator.set_faults("")
    from airflow_connect.operators.bulk import FileRows

    assert run_bulk(rows=FileRows(str(failed)), **options).state == "success"
    assert len(emulator.contacts()) == 1


def test_rows_that_failed_cannot_be_written(
    run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str], tmp_path: Path
) -> None:
    """It is reported, and hides no other reason; a task that is green without that is red."""
    (tmp_path / "file").touch()
    failed = str(tmp_path / "file" / "failed.jsonl")
    wrong = {**CONTACT, "related_contact_id": "00000000-0000-4000-8000-000000000000"}
    assert run_bulk(rows=orders(1), contact=wrong, failed_rows_path=failed).state == "failed"
    text = logged()
    assert "The rows that failed cannot be written" in text
    assert "1 rows failed, more than is tolerated" in text
    assert run_bulk(rows=orders(1), failed_rows_path=failed).state == "failed"
    assert run_bulk(rows=orders(1), failed_rows_path="None", results_path="{{ none }}").state == "success"


@pytest.mark.parametrize(
    ("contact", "reported"),
    [
        ({"channel": "TASK", "name": "{{ row."}, "name"),
        ({"channel": "TASK", "name": "x", "client_token": "{{ row.order }}"}, "client_token"),
        ("{{ row }}", "contact"),
    ],
)
def test_contact_with_a_mistake_is_one_error(
    run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str], contact: Any, reported: str
) -> None:
    """What does not depend on a row is one error, not one for every row."""
    assert run_bulk(rows=orders(50), contact=contact).state == "failed"
    text = logged()
    assert re.search(rf"\b{reported}: ", text)
    assert "rows have faults" not in text
    assert emulator.calls("CreateContact") == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_rate", "{{ 'fast' }}"),
        ("max_rate", "{{ 0 }}"),
        ("rate_quota", "{{ -1 }}"),
        ("tolerated_failures", "{{ 'many' }}"),
        ("tolerated_failure_percent", "{{ 101 }}"),
        ("dry_run", "{{ 'perhaps' }}"),
        ("max_in_flight", "{{ 0 }}"),
        ("operation", "{{ 'call' }}"),
        ("on_invalid", "{{ 'stop' }}"),
        ("on_duplicate", "{{ 'first' }}"),
    ],
)
def test_option_that_came_out_wrong_is_named(
    run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str], option: str, value: Any
) -> None:
    """An option that is wrong, as it came out of a template, fails the task before anything is read or sent."""
    assert run_bulk(rows=orders(1), **{option: value}).state == "failed"
    assert f"{option}: must be" in logged()
    assert emulator.calls("CreateContact") == []


# --- Green or red -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "state"),
    [
        ({}, "failed"),
        ({"tolerated_failures": 1}, "failed"),
        ({"tolerated_failures": "{{ 2 }}"}, "success"),
        ({"tolerated_failure_percent": 20}, "success"),
        ({"tolerated_failure_percent": 19}, "failed"),
        ({"tolerated_failures": 5, "tolerated_failure_percent": 19}, "failed"),
    ],
)
def test_tolerance_decides(
    run_bulk: Callable[..., Any],
    emulator: Emulator,
    logged: Callable[[], str],
    options: dict[str, Any],
    state: str,
) -> None:
    """Failed rows up to the tolerance leave the task green; all others are sent in any case."""
    rows = [{"order": number, "note": "", "related": None} for number in range(8)]
    rows += [{"order": 8 + n, "note": "", "related": "00000000-0000-4000-8000-000000000000"} for n in range(2)]
    contact = CONTACT | {"related_contact_id": "{{ row.related }}"}
    run = run_bulk(rows=rows, contact=contact, **options)
    assert run.state == state
    assert len(emulator.contacts()) == 8
    assert xcom(run, "bulk", "summary")["failed"] == 2
    assert sum(result["state"] == "failed" for result in read(run, "summary")) == 2
    if state == "failed":
        assert "2 rows failed, more than is tolerated. Of 10 rows: 8 created, 2 failed" in logged()


def test_what_stops_everything_says_what_is_made(
    run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """An error that ends the sending is reported with the counts of what is made and what is not."""
    emulator.set_faults("CreateContact@1:expired_token, CreateContact@2:expired_token")
    assert run_bulk(rows=orders(5), max_in_flight=1).state == "failed"
    text = logged()
    assert "ExpiredTokenException" in text
    assert "Of 5 rows: 0 created, 5 not sent" in text


# --- Dry run, rate, progress --------------------------------------------------------------------------------


@pytest.mark.parametrize("dry_run", [True, "{{ params.check }}"])
def test_dry_run_sends_nothing(run_bulk: Callable[..., Any], emulator: Emulator, dry_run: Any, tmp_path: Path) -> None:
    """A dry run checks all rows and says what a run would do."""
    path = str(tmp_path / "shared")
    run_bulk(rows=orders(2), idempotency_key="{{ row.order }}", results_path=path)
    rows = [*orders(12), {"order": 13, "note": "x" * 33_000}, *orders(1)]
    run = run_bulk(
        rows=rows,
        idempotency_key="{{ row.order }}",
        on_invalid="skip",
        on_duplicate="skip",
        results_path=path,
        dry_run=dry_run,
        params={"check": True},
        rate_quota=5,
    )
    assert run.state == "success"
    assert xcom(run, "bulk") == {
        "rows": 14,
        "created": 0,
        "already_created": 2,
        "failed": 0,
        "unknown": 0,
        "invalid": 1,
        "skipped": 1,
        "not_sent": 10,
        "estimated_seconds": 2.0,
    }
    assert len(emulator.contacts()) == 2


def test_rate_is_capped(run_bulk: Callable[..., Any], emulator: Emulator) -> None:
    """``max_rate`` is kept, also where the quota would allow more."""
    run = run_bulk(rows=orders(21), max_rate="{{ 10 }}")
    times = [call.time for call in emulator.calls("CreateContact")]
    assert xcom(run, "bulk")["created"] == 21
    assert times[-1] - times[0] >= 1.5


def test_progress_is_logged_and_kept(
    run_bulk: Callable[..., Any], emulator: Emulator, logged: Callable[[], str], results: Path
) -> None:
    """The log and a file in the results tell how far it is."""
    run_bulk(rows=orders(4))
    assert "4 of 4 rows done" in logged()
    [file] = results.rglob("progress.json")
    progress = json.loads(file.read_text())
    assert (progress["rows"], progress["done"], progress["created"]) == (4, 4, 4)


def test_metrics_are_airflow_s(
    run_bulk: Callable[..., Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts, rate and latency are sent as Airflow's own metrics."""
    from airflow_connect.operators import bulk

    sent: dict[str, Any] = {}
    reported = dict.fromkeys(
        ("incr", "gauge", "timing"), lambda name, value, *, tags: sent.update({name: value, **tags})
    )
    monkeypatch.setattr(bulk, "Stats", SimpleNamespace(**reported))  # Airflow itself needs the real one
    run_bulk(rows=orders(4))
    assert sent["amazon_connect.contacts.created"] == 4
    assert sent["amazon_connect.contacts.failed"] == sent["amazon_connect.contacts.throttled"] == 0
    assert sent["amazon_connect.contacts.rate"] > 0
    assert sent["amazon_connect.contacts.latency"] > 0
    assert (sent["dag_id"], sent["task_id"]) == ("bulk", "bulk")


def test_openlineage_knows_the_file(
    run_dag: Callable[..., Any], emulator: Emulator, results: Path, tmp_path: Path
) -> None:
    """OpenLineage gets the file as input and the instance as output."""
    manager = pytest.importorskip("airflow.providers.openlineage.extractors.manager")
    from airflow.utils.state import TaskInstanceState

    from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows

    (tmp_path / "orders.csv").write_text("order,note\n1,a\n")
    with new_dag("lineage") as dag:
        operator = BulkCreateContactsOperator(
            task_id="bulk", rows=FileRows(str(tmp_path / "orders.csv")), contact=CONTACT
        )
    run = run_dag(dag)
    lineage = manager.ExtractorManager().extract_metadata(run, operator, TaskInstanceState.SUCCESS, None)
    assert [one.name for one in lineage.inputs] == [str(tmp_path / "orders.csv")]
    assert [one.namespace for one in lineage.outputs] == [f"amazonconnect://{emulator.instance_id}"]


def test_results_are_below_airflow_home(
    run_dag: Callable[..., Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no path is configured."""
    from airflow_connect.operators.bulk import BulkCreateContactsOperator

    monkeypatch.delenv("AIRFLOW__AMAZON_CONNECT__RESULTS_PATH", raising=False)
    with new_dag("local") as dag:
        BulkCreateContactsOperator(task_id="bulk", rows=orders(1), contact=CONTACT)
    run = run_dag(dag)
    assert states(run) == {"bulk": "success"}
    assert Path(xcom(run, "bulk")["results"]).is_relative_to(os.environ["AIRFLOW_HOME"])


@pytest.mark.parametrize("knows", ["the try number", "the task state store"])
def test_retry_that_does_not_see_the_record_of_the_attempt_before_says_so(
    run_dag: Callable[..., Any],
    emulator: Emulator,
    logged: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    knows: str,
) -> None:
    """
    The attempt before recorded on another worker's disk, here in another folder: its client tokens protect alone.

    It is so too for the third attempt, which finds what the first one recorded.
    """
    from airflow_connect import _compat
    from airflow_connect.operators import bulk

    if knows == "the try number":
        monkeypatch.setattr(_compat, "task_state_store", lambda _context: None)  # as before Airflow 3.3
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
        monkeypatch.setattr(bulk, "tasks_share_a_disk", lambda: False)  # dag.test() runs no executor of workers
        reported = ["The attempt before this one may have recorded its results on another worker's disk"]
    elif version("apache-airflow") < "3.3":
        pytest.skip("Airflow has a task state store since 3.3, where CI runs this")
    else:
        reported = [
            "Attempt 1 of this task recorded its results in",
            "Attempt 2 of this task recorded its results in",
            f"on the worker {socket.gethostname()}",
        ]
    emulator.set_faults(", ".join(f"CreateContact@{number}:expired_token" for number in (2, 3, 5, 6)))
    with new_dag("elsewhere") as dag:
        bulk.BulkCreateContactsOperator(
            task_id="bulk",
            rows=orders(3),
            contact=CONTACT,
            max_in_flight=1,
            retries=2,
            retry_delay=0.01,
            results_path=f"{tmp_path}/worker-{{{{ ti.try_number % 2 }}}}",
        )
    assert run_dag(dag).state == "success"
    text = logged()
    for words in [
        *reported,
        "does not find them in",
        "a contact whose token Amazon Connect has forgotten is created a second time",
    ]:
        assert words in text
    assert len(set(re.findall(r"does not find them in (\S+worker-\d)", text))) == 2
    assert len(emulator.contacts()) == 3


@pytest.mark.parametrize("workers", ["CeleryExecutor", "a pod", "LocalExecutor"])
def test_results_on_the_disk_of_one_of_several_workers_are_reported(
    run_dag: Callable[..., Any],
    logged: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: str,
) -> None:
    """Where tasks run on several machines, a task that records on its own says so, once, and what to do."""
    from airflow_connect._compat import tasks_share_a_disk
    from airflow_connect.operators import bulk

    if workers == "a pod":  # whose executor's name is often LocalExecutor
        monkeypatch.setenv("AIRFLOW_IS_K8S_EXECUTOR_POD", "True")
    else:
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", workers)
    shares = tasks_share_a_disk()
    assert shares is (workers == "LocalExecutor")
    for name in ("AIRFLOW_IS_K8S_EXECUTOR_POD", "AIRFLOW__CORE__EXECUTOR"):
        monkeypatch.delenv(name, raising=False)  # dag.test() runs no executor of workers
    monkeypatch.setattr(bulk, "tasks_share_a_disk", lambda: shares)
    with new_dag("on_a_disk") as dag:
        bulk.BulkCreateContactsOperator(task_id="bulk", rows=orders(2), contact=CONTACT, results_path=str(tmp_path))
    assert run_dag(dag).state == "success"
    text = logged()
    reported = re.findall(r"Results are recorded on this worker's disk \(.*\), which other workers do not see", text)
    assert len(set(reported)) == (not shares)
    assert ("creates a second contact for each client token that Amazon Connect has forgotten" in text) is not shares


@pytest.mark.parametrize("task", ["bulk", "call"])
def test_shared_results_may_be_required(
    run_dag: Callable[..., Any],
    emulator: Emulator,
    logged: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
) -> None:
    """With require_shared_results nothing is sent that would be recorded on a worker's disk; it is no default."""
    from airflow_connect.emulator.resources import CALLS_FLOW, CALLS_QUEUE
    from airflow_connect.operators.bulk import BulkCreateContactsOperator
    from airflow_connect.operators.connect import StartOutboundVoiceContactOperator
    from airflow_connect.provider_info import get_provider_info

    options = get_provider_info()["config"]["amazon_connect"]["options"]
    assert options["require_shared_results"]["default"] == "False"
    monkeypatch.setenv("AIRFLOW__AMAZON_CONNECT__REQUIRE_SHARED_RESULTS", "True")
    with new_dag(f"required_{task}") as dag:
        if task == "bulk":
            BulkCreateContactsOperator(task_id="bulk", rows=orders(1), contact=CONTACT, retries=3)
        else:
            StartOutboundVoiceContactOperator(
                task_id="call",
                destination_phone_number="+12065550100",
                contact_flow_id=CALLS_FLOW.id,
                queue_id=CALLS_QUEUE.id,
                results_path=str(tmp_path),
                retries=3,
            )
    assert states(run_dag(dag)) == {task: "failed"}
    assert "must be in an object store, such as" in logged()
    assert emulator.contacts() == []


def test_results_in_an_object_store(
    run_bulk: Callable[..., Any], emulator: Emulator, bucket: str, local_aws_connection: str
) -> None:
    """Rows, results and failed rows may all be in S3."""
    from airflow_connect._compat import storage_path
    from airflow_connect.operators.bulk import FileRows

    root = f"s3://{local_aws_connection}@{bucket}"
    source = storage_path(f"{root}/in/orders.csv")
    source.write_text("order,note\n1,a\n2,\n3," + "x" * 33_000 + "\n")
    options = {
        "rows": FileRows(f"s3://{bucket}/in/*.csv", conn_id=local_aws_connection),
        "idempotency_key": "{{ row.order }}",
        "on_invalid": "skip",
        "results_path": f"{root}/results",
        "failed_rows_path": f"{root}/failed.jsonl",
    }
    run = run_bulk(**options)
    assert run.state == "success"
    assert [result["state"] for result in read(run)] == ["created", "created", "invalid"]
    assert json.loads(storage_path(f"{root}/failed.jsonl").read_text())["order"] == "3"
    assert xcom(run_bulk(**options), "bulk")["already_created"] == 2
    assert len(emulator.calls("CreateContact")) == len(emulator.contacts()) == 2
