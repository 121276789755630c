"""The examples in ``dags/``: each runs in Airflow, and what arrives at Amazon Connect is what it says."""

from __future__ import annotations

import csv
import json
import os
import re
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from airflow_connect.record.results import read_results
from tests.airflow.examples import EXAMPLES, read
from tests.airflow.runs import rendered_fields, xcom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_connect.emulator.server import Emulator
    from airflow_connect.testing import LocalConnect

#: What Airflow's UI sends for fields that are left empty.
EMPTY = {"details": None, "due": None, "page": None}
ROWS = EXAMPLES / "data" / "rebookings.csv"


@pytest.fixture
def run_example(run_dag: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs an example by its DAG ID and returns the run."""
    # Read anew each time: a run leaves its configuration in the params of its DAG.
    return lambda dag_id, **conf: run_dag(read(EXAMPLES / f"{dag_id}.py")[dag_id], conf=conf)


@pytest.mark.usefixtures("airflow_db")
def test_every_file_is_an_example_with_its_name() -> None:
    """Each file in ``dags/`` holds one DAG, whose ID is the file's name."""
    assert sorted(read(EXAMPLES)) == sorted(file.stem for file in EXAMPLES.glob("*.py"))


def test_call_back_makes_one_contact(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """The ten lines of the README make the contact that they describe."""
    assert run_example("example_call_back").state == "success"

    [contact] = emulator.contacts()
    assert contact["name"] == "Call back about order 1042"
    assert contact["attributes"] == {"order": "1042", "reason": "late delivery"}
    assert {name: reference["Type"] for name, reference in contact["references"].items()} == {
        "Order": "URL",
        "Answer by": "DATE",
    }


def test_demo_shows_contacts_and_rows_that_fail(run_dag: Callable[..., Any], emulator: Emulator) -> None:
    """What ``make up`` leaves under way has contacts, a row that Amazon Connect refused, and two with faults."""
    run = run_dag(read(EXAMPLES.parent / "tools" / "demo_dags")["demo_rebook_passengers"])
    assert run.state == "success"
    counts = Counter(result["state"] for result in read_results(xcom(run, "rebook")["results"]))
    assert counts == {"created": 477, "failed": 1, "invalid": 2}
    assert len(emulator.contacts()) == 477


def test_fan_out_makes_a_contact_for_each_row(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """Each row of the CSV becomes one task contact that holds the row's values; empty fields are left out."""
    assert run_example("example_fan_out").state == "success"

    with ROWS.open(encoding="utf-8", newline="") as file:
        rows = {row["booking"]: row for row in csv.DictReader(file)}
    contacts = {contact["attributes"]["booking"]: contact for contact in emulator.contacts()}
    assert len(emulator.contacts()) == len(rows) == 15
    assert contacts.keys() == rows.keys()
    for booking, row in rows.items():
        contact = contacts[booking]
        assert contact["channel"] == "TASK"
        assert contact["description"] == (row["note"] or None)
        assert contact["attributes"]["passenger"] == row["passenger"]
        assert ("status" in contact["attributes"]) == bool(row["status"])
        assert ("Must arrive by" in contact["references"]) == bool(row["onward_by"])
        assert contact["references"]["Phone"] == {"Type": "STRING", "Value": row["phone"]}
        assert contact["expiry_minutes"] == 24 * 60
    assert {name: reference["Type"] for name, reference in contacts["B8RN4C"]["references"].items()} == {
        "Booking": "URL",
        "E-mail": "EMAIL",
        "Flight date": "DATE",
        "Must arrive by": "DATE",
        "Phone": "STRING",
    }
    assert "{{ flight }}" in contacts["Z6DS3P"]["description"]


def test_fan_out_again_makes_no_second_contact(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """A second run over the same rows returns the contacts of the first, because each names its booking."""
    run_example("example_fan_out")
    before = emulator.contacts()
    assert run_example("example_fan_out").state == "success"

    assert emulator.contacts() == before
    assert len(emulator.calls("CreateContact")) == 2 * len(before)


def test_taskflow_makes_a_contact_for_each_row(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """``@task.create_contact`` expands over rows, and makes what its function returns."""
    assert run_example("example_taskflow").state == "success"

    contacts = sorted(emulator.contacts(), key=lambda contact: contact["name"])
    assert [contact["name"] for contact in contacts] == [
        f"Invoice {number} is overdue" for number in ("2026-0417", "2026-0433", "2026-0451")
    ]
    assert contacts[1]["attributes"] == {"customer": "Bäckerei Lang", "amount_eur": "96.20"}
    assert contacts[1]["references"]["Due"]["Type"] == "DATE"


def test_trigger_form_with_its_defaults(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """A form with nothing but what is required makes a contact; what is optional is left out."""
    assert run_example("example_trigger_form", customer_number="C-004711", **EMPTY).state == "success"

    [contact] = emulator.contacts()
    assert contact["name"] == "Please call back"
    assert contact["description"] is None
    assert contact["references"] == {}
    assert contact["expiry_minutes"] == 72 * 60


def test_trigger_form_sends_what_was_typed(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """What a person types arrives as it is, over several lines, also when it looks like a template or a number."""
    details = "Line 1\n{{ 7 * 7 }}\n0041"
    state = run_example(
        "example_trigger_form",
        reason="address",
        customer_number="C-004711",
        subject="10.50",
        details=details,
        due="2026-12-24",
        page="https://crm.example.com/cases/4711",
        expires_after_hours=1,
    ).state

    assert state == "success"
    [contact] = emulator.contacts()
    assert contact["name"] == "10.50"
    assert contact["description"] == details
    assert contact["attributes"] == {"reason": "address", "customer_number": "C-004711"}
    due = int(datetime(2026, 12, 24, tzinfo=UTC).timestamp())
    assert contact["references"] == {
        "Answer by": {"Type": "DATE", "Value": str(due)},
        "Page": {"Type": "URL", "Value": "https://crm.example.com/cases/4711"},
    }
    assert contact["expiry_minutes"] == 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": "weather"},
        {"customer_number": None},
        {"customer_number": "4711"},
        {"subject": "Hi"},
        {"due": "tomorrow"},
        {"page": "ftp://crm.example.com"},
        {"expires_after_hours": 0},
    ],
    ids=str,
)
def test_trigger_form_refuses(run_example: Callable[..., Any], emulator: Emulator, wrong: dict[str, Any]) -> None:
    """Airflow refuses what a field's schema does not allow, and nothing is made."""
    with pytest.raises(Exception, match=r"(?i)param"):
        run_example("example_trigger_form", **{"customer_number": "C-004711", **wrong})
    assert emulator.contacts() == []


def test_routed_task_waits_for_the_next_morning(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """A flow gets the task, and it is scheduled for 8 o'clock of the next day."""
    assert run_example("example_routed_task").state == "success"

    [contact] = emulator.contacts("SCHEDULED")
    assert contact["created_by"] == "StartTaskContact"
    assert re.fullmatch(r"Check the refunds of \d{4}-\d\d-\d\d", contact["name"])
    assert contact["flow_id"] == "f1000000-0000-4000-8000-000000000001"
    start = datetime.fromtimestamp(contact["scheduled_at"], UTC)
    assert (start.hour, start.minute) == (8, 0)
    assert timedelta(hours=8) <= start - datetime.now(UTC) <= timedelta(hours=32)


@pytest.mark.parametrize("failing", ["extract", "load", "publish"])
def test_failure_opens_one_contact(run_example: Callable[..., Any], emulator: Emulator, failing: str) -> None:
    """A run that has failed for good opens one contact, none per attempt, with its run and its log as links."""
    run = run_example("example_failure", fails=failing)

    assert run.state == "failed"
    [contact] = emulator.contacts()
    assert len(emulator.calls("StartTaskContact")) == 1
    assert re.fullmatch(r"example_failure failed \[[0-9a-f]{12}\]", contact["name"])
    assert contact["attributes"]["dag_id"] == "example_failure"
    assert contact["attributes"]["run_id"] == run.run_id
    references = {name: reference["Value"] for name, reference in contact["references"].items()}
    assert {reference["Type"] for reference in contact["references"].values()} == {"URL"}
    assert references["What to do"] == "https://wiki.example.com/runbooks/example_failure"
    assert quote(run.run_id, safe="") in references["Run"]


def test_first_success_ends_the_contact(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """One contact stays open over two failing runs, and the first run that succeeds ends it."""
    run_example("example_failure", fails="load")
    run_example("example_failure", fails="load")
    [contact] = emulator.contacts("QUEUED")

    assert run_example("example_failure").state == "success"

    assert len(emulator.contacts()) == 1
    assert emulator.contact(contact["id"])["disconnect_reason"] == "API"


def test_success_opens_no_contact(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """A pipeline that succeeds opens no contact."""
    assert run_example("example_failure").state == "success"
    assert emulator.contacts() == []


def test_follow_up_changes_one_contact(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """The contact gets the attributes, goes on as a second contact in the queue of Billing, and that one is ended."""
    assert run_example("example_follow_up").state == "success"

    first, second = emulator.contacts()
    assert first["attributes"] == {
        "invoice": "4711",
        "amount_eur": "129.90",
        "reminders_sent": "2",
        "disputed": "false",
    }
    assert second["previous_contact_id"] == first["id"]
    assert second["queue_id"] == "c1000000-0000-4000-8000-000000000002"
    assert (first["state"], second["state"]) == ("ENDED", "ENDED")


def test_contact_events_without_a_queue(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """Without a queue the example can be read and run on every version, and finds nothing to do."""
    assert run_example("example_contact_events").state == "success"
    assert emulator.calls() == []


@pytest.mark.parametrize(
    ("answer", "taken"),
    [({"decision": "approve"}, "pay_out"), ({"decision": "refuse"}, "refuse"), ({}, "ask_somebody_else")],
)
def test_approval_goes_on_as_decided(
    run_example: Callable[..., Any], amazon_connect: LocalConnect, answer: dict[str, str], taken: str
) -> None:
    """The branch that follows is the one that the agent's attribute names."""
    with amazon_connect.agent(answer):
        run = run_example("example_approval")
    assert run.state == "success"
    ends = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    assert ends.pop(taken) == "success"
    skipped = {name for name, state in ends.items() if state == "skipped"}
    assert skipped == {"pay_out", "refuse", "ask_somebody_else"} - {taken}
    [contact] = amazon_connect.contacts()
    assert contact["name"].endswith("paid") == (taken == "pay_out")


def test_escalation_moves_and_stops_what_nobody_took(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """One contact is done in time, one by the second line, one is stopped; each is reported under its first ID."""
    dag = read(EXAMPLES / "example_escalation.py")["example_escalation"]
    for name in ("first_deadline", "second_deadline"):
        dag.get_task(name).timeout = 2
        dag.get_task(name).poke_interval = 0.5

    def work() -> None:
        while not done.wait(0.05):
            for contact in amazon_connect.contacts("CREATED", "QUEUED"):
                quick = contact["name"].endswith("1042")
                second_line = contact["name"].endswith("1043") and contact["previous_contact_id"]
                if quick or second_line:
                    amazon_connect.complete(contact["id"])

    done = threading.Event()
    staff = threading.Thread(target=work)
    staff.start()
    try:
        run = run_dag(dag)
    finally:
        done.set()
        staff.join()
    assert run.state == "success"
    report = run.get_task_instances()[0].xcom_pull(task_ids="report")
    by_id = {contact["id"]: contact["name"] for contact in amazon_connect.contacts()}
    assert sorted((by_id[line.partition(":")[0]], line.partition(": ")[2]) for line in report) == [
        ("Check order 1042", "completed in the first line"),
        ("Check order 1043", "completed in the second line"),
        ("Check order 1044", "stopped in the second line"),
    ]
    assert len(amazon_connect.calls("TransferContact")) == 2
    [stopped] = amazon_connect.calls("StopContact")
    tagged = [contact["name"] for contact in amazon_connect.contacts() if contact["tags"]]
    assert tagged == ["Check order 1044"]
    assert amazon_connect.contact(stopped.contact_id)["name"] == "Check order 1044"


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the bulk examples record their results."""
    monkeypatch.setenv("AIRFLOW__AMAZON_CONNECT__RESULTS_PATH", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.mark.usefixtures("results")
def test_bulk_makes_a_contact_for_each_row(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """Each row of the CSV becomes a contact, once over runs; a dry run, ticked in the form, sends nothing."""
    assert run_example("example_bulk", dry_run=True).state == "success"
    assert emulator.contacts() == []
    assert run_example("example_bulk").state == "success"
    assert run_example("example_bulk", max_rate=50).state == "success"
    with ROWS.open(encoding="utf-8", newline="") as file:
        rows = {row["booking"]: row for row in csv.DictReader(file)}
    contacts = {contact["attributes"]["booking"]: contact for contact in emulator.contacts()}
    assert contacts.keys() == rows.keys()
    assert len(emulator.contacts()) == len(rows)
    for booking, row in rows.items():
        assert contacts[booking]["name"] == f"Rebook {booking} ({row['flight']})"
        assert ("status" in contacts[booking]["attributes"]) == bool(row["status"])


@pytest.mark.usefixtures("results")
def test_two_examples_over_the_same_rows_do_not_meet(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """Who tries one after the other gets the contacts of both, and no conflict of their keys."""
    assert run_example("example_fan_out").state == "success"
    assert run_example("example_bulk").state == "success"
    assert len(emulator.contacts()) == 30


@pytest.mark.usefixtures("results")
def test_bulk_sql_makes_a_contact_for_each_overdue_invoice(
    run_example: Callable[..., Any], emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the query selects becomes contacts, and the next task reads which is whose."""
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "invoices.db")}
    monkeypatch.setenv("AIRFLOW_CONN_SQLITE_DEFAULT", json.dumps(connection))
    run = run_example("example_bulk_sql", due_before="2026-11-02")
    assert run.state == "success"
    contacts = {contact["name"]: contact for contact in emulator.contacts()}
    assert sorted(contacts) == [f"Invoice 2026-{number} is overdue" for number in (1041, 1077, 1102)]
    assert contacts["Invoice 2026-1041 is overdue"]["attributes"] == {"customer": "C-77", "amount": "1250.4"}
    [task] = [ti for ti in run.get_task_instances() if ti.task_id == "contact_of_each_invoice"]
    by_key = {f"invoice-{name.split()[1]}": contact["id"] for name, contact in contacts.items()}
    assert task.xcom_pull(task_ids=task.task_id) == by_key


def test_bulk_s3_remembers_what_it_made(
    run_example: Callable[..., Any],
    emulator: Emulator,
    local_aws_connection: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows come from S3 and results go there, so that a lead makes one contact, however long Amazon knows its token."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from airflow_connect._compat import storage_path

    bucket = "leads-america"
    S3Hook(local_aws_connection).create_bucket(bucket)
    # The example's connection stands for both services; here each of them has an address of its own.
    both = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    both["extra"]["service_config"]["s3"] = {
        "endpoint_url": json.loads(os.environ["AIRFLOW_CONN_AWS_LOCAL"])["extra"]["endpoint_url"]
    }
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(both))
    leads = storage_path(f"s3://{local_aws_connection}@{bucket}/leads/monday.csv")
    leads.write_text("lead_id,name,interest\n1,Ines,fares\n2,Tom,groups\n2,Tom,groups\n")
    assert run_example("example_bulk_s3", bucket=bucket).state == "success"
    emulator.clock.advance(400 * 86_400)
    storage_path(f"s3://{local_aws_connection}@{bucket}/leads/tuesday.csv").write_text("lead_id,name,interest\n3,Li,\n")
    assert run_example("example_bulk_s3", bucket=bucket).state == "success"
    assert sorted(contact["name"] for contact in emulator.contacts()) == [
        "Call back Ines",
        "Call back Li",
        "Call back Tom",
    ]


def test_bulk_s3_takes_a_bucket_of_its_author(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """Whoever triggers the Dag cannot name a bucket that its author did not list."""
    with pytest.raises(Exception, match="is not one of"):
        run_example("example_bulk_s3", bucket="salaries")
    assert emulator.contacts() == []


PASTED = "customer\tname\tphone\n{}\nC-2\tKim {{{{ 7 * 7 }}}}\t+41790000002\n"
GOOD = PASTED.format("C-1\tInes\t+41790000001")


def _counted(run: Any, key: str = "return_value") -> dict[str, int]:
    """What the bulk task of the form counted, without the states that no row has."""
    return {name: n for name, n in xcom(run, "create_tasks", key).items() if n and name in _COUNTED}


_COUNTED = {"rows", "created", "already_created", "invalid", "not_sent"}


@pytest.mark.usefixtures("results")
def test_bulk_form_is_tried_and_then_run(
    run_example: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """A dry run names each fault and creates nothing; then pasted and named customers get a task each, once."""
    form = {"campaign": "winter-2026", "file": None}  # Airflow's UI sends null for an empty field
    dry = run_example("example_bulk_form", **form, rows=PASTED.format("C-1\t\nC-9\t+41790000009\tsecret\tmore"))
    assert dry.state == "failed"
    text = logged()
    assert "pasted text, line 2" in text
    assert "pasted text, line 3): has 4 fields, and the header 3" in text
    # Airflow 2 logs the run's configuration itself, in a line that has the campaign too.
    assert not [line for line in text.splitlines() if "+41790000009" in line and "winter-2026" not in line]
    assert rendered_fields(dry)["create_tasks", -1]["rows"] == "the rows of the form"
    dry = run_example("example_bulk_form", **form, rows=GOOD)
    assert dry.state == "success"
    assert _counted(dry) == {"rows": 2, "not_sent": 2}
    assert emulator.contacts() == []

    for _ in range(2):
        run = run_example("example_bulk_form", **form, rows=GOOD, dry_run=False)
        assert (run.state, _counted(run)) == ("success", {"rows": 2, "created": 2})
    [kim, ines] = sorted(emulator.contacts(), key=lambda contact: contact["name"], reverse=True)
    assert (ines["name"], kim["name"]) == ("Callback: Ines", "Callback: Kim {{ 7 * 7 }}")
    assert ines["attributes"] == {"campaign": "winter-2026", "customer": "C-1"}
    assert ines["references"] == {"Phone": {"Type": "STRING", "Value": "+41790000001"}}
    assert (ines["description"], ines["expiry_minutes"]) == (None, 72 * 60)

    run = run_example(
        "example_bulk_form", campaign="spring", rows="", file="callbacks.csv", reason="offer", dry_run=False
    )
    assert run.state == "success"
    assert [contact["name"] for contact in emulator.contacts() if contact["description"]] == [
        "Offer: Ines Albrecht",
        "Offer: Margaret O'Neill",
    ]


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"rows": None, "file": None}, "Rows and File are both empty. Paste rows, or name a file."),
        ({"rows": GOOD, "file": "callbacks.csv"}, "Rows and File are both filled in."),
        ({"file": "nobody.csv"}, "nobody.csv does not exist"),
        ({"rows": "customer\tname\nC-1\tInes"}, "pasted text does not have the column 'phone'"),
    ],
    ids=["neither", "both", "no such file", "no phone"],
)
def test_bulk_form_takes_pasted_rows_or_a_file(
    run_example: Callable[..., Any],
    emulator: Emulator,
    logged: Callable[[], str],
    given: dict[str, Any],
    rule: str,
) -> None:
    """One sentence says what is to be filled in, and nothing is sent."""
    assert run_example("example_bulk_form", campaign="winter-2026", dry_run=False, **given).state == "failed"
    assert rule in logged()
    assert emulator.contacts() == []


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"file": name}
            for name in ("/etc/a.csv", "../a.csv", "a..csv", "*.csv", ".a.csv", "a.csv.exe", "a", "a b.csv")
        ),
        {"folder": "/etc"},
        {"campaign": None},
        {"campaign": "Winter 2026"},
        {"rows": "x" * 100_001},
        {"expires_after_hours": 0},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_bulk_form_refuses(run_example: Callable[..., Any], emulator: Emulator, wrong: dict[str, Any]) -> None:
    """Airflow refuses what a field's schema does not allow, above all a file that is not in a folder of the form."""
    with pytest.raises(Exception, match=r"(?i)param"):
        run_example("example_bulk_form", **{"campaign": "winter-2026", **wrong})
    assert emulator.contacts() == []


@pytest.mark.usefixtures("results")
def test_customers_are_called_back(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """Each customer is called once, and who was not reached becomes a task for an agent."""
    amazon_connect.phones("+=busy, +12065550121=answered, +12065550122=unreachable")
    dag = read(EXAMPLES / "example_call_customers_back.py")["example_call_customers_back"]
    dag.get_task("call_the_manager").waiter_delay = 0.2
    dag.get_task("ended").poke_interval = 0.2

    def take_calls() -> None:
        # Agents take the calls, and leave the tasks.
        while not done.wait(0.05):
            for contact in amazon_connect.contacts("QUEUED"):
                amazon_connect.complete(contact["id"])

    done = threading.Event()
    staff = threading.Thread(target=take_calls)
    staff.start()
    try:
        run = run_dag(dag)
    finally:
        done.set()
        staff.join()
    assert run.state == "success"
    calls = [contact["name"] for contact in amazon_connect.contacts() if contact["channel"] == "VOICE"]
    assert sorted(calls) == [
        "Call Ines back about a wrong invoice",
        "Call Kim back about a late parcel",
        "Call Tom back about a refund",
        "Calls to customers begin",
    ]
    tasks = {contact["name"]: contact for contact in amazon_connect.contacts() if contact["channel"] == "TASK"}
    assert sorted(tasks) == ["Reach Ines by e-mail", "Reach Tom by e-mail"]
    assert tasks["Reach Tom by e-mail"]["attributes"] == {"request": "R-3", "customer": "Tom"}


def test_an_agent_gets_a_draft(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """The contact is an outbound e-mail of the agent, with the customer's address beside it."""
    assert run_example("example_email_draft").state == "success"
    [contact] = emulator.contacts()
    assert (contact["channel"], contact["initiation_method"]) == ("EMAIL", "OUTBOUND")
    assert contact["references"]["Customer"] == {"Type": "EMAIL", "Value": "kim@example.com"}


@pytest.mark.usefixtures("results")
def test_what_stays_open_goes_to_the_second_line(run_dag: Callable[..., Any], amazon_connect: LocalConnect) -> None:
    """Of 15 passengers, ten are rebooked in time, four by the second line, one is stopped; each is reported once."""
    dag = read(EXAMPLES / "example_rebook_passengers.py")["example_rebook_passengers"]
    for name in ("first_line", "second_line"):
        dag.get_task(name).timeout = 2
        dag.get_task(name).poke_interval = 0.2
    with ROWS.open(encoding="utf-8", newline="") as file:
        bookings = [row["booking"] for row in csv.DictReader(file)]

    def work() -> None:
        while not done.wait(0.05):
            for contact in amazon_connect.contacts("QUEUED"):
                booking = contact["name"].split()[1]
                second_line = bool(contact["previous_contact_id"])
                if booking in bookings[:10] or (second_line and booking in bookings[10:14]):
                    amazon_connect.complete(contact["id"])

    done = threading.Event()
    staff = threading.Thread(target=work)
    staff.start()
    try:
        run = run_dag(dag)
    finally:
        done.set()
        staff.join()
    assert run.state == "success"
    assert run.get_task_instances()[0].xcom_pull(task_ids="report") == {"completed": 14, "stopped": 1}
    assert len(amazon_connect.calls("TransferContact")) == 5
    assert len(amazon_connect.contacts()) == 20


@pytest.mark.usefixtures("results")
def test_what_a_run_created_is_taken_back(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """The open contacts of a run are counted first, and stopped when somebody says so; another run's stay."""
    run = run_example("example_bulk")
    [bulk] = [ti for ti in run.get_task_instances() if ti.task_id == "rebook"]
    results = bulk.xcom_pull(task_ids="rebook")["results"]
    run_example("example_call_back")
    assert run_example("example_take_back", results=results).state == "success"
    assert emulator.calls("StopContact") == []
    assert run_example("example_take_back", results=results, dry_run=False).state == "success"
    assert [contact["name"] for contact in emulator.contacts() if contact["state"] != "ENDED"] == [
        "Call back about order 1042"
    ]


def test_an_external_call_is_a_voice_contact(run_example: Callable[..., Any], emulator: Emulator) -> None:
    """A VOICE contact is external audio by default, and calls nobody."""
    assert run_example("example_external_call").state == "success"
    [contact] = emulator.contacts()
    assert (contact["channel"], contact["initiation_method"]) == ("VOICE", "TRANSFER")
    assert [call.operation for call in emulator.calls() if call.operation.startswith("Start")] == []
