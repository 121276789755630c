"""What an error reporter gets of a task that fails: never what a row or a request holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import sentry_sdk
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from sentry_sdk.transport import Transport

from airflow_connect.api.errors import RecordError
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows, SqlRows
from airflow_connect.operators.connect import (
    CreateContactOperator,
    StartTaskContactOperator,
    UpdateContactAttributesOperator,
)
from airflow_connect.record.ledger import Ledger
from airflow_connect.sensors.connect import ContactSensor
from tests.airflow.runs import new_dag, states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_connect.testing import LocalConnect

MARKED = "customer-31415"
NO_SUCH_CONTACT = "00000000-0000-4000-8000-000000000000"
FLOW = "11111111-0000-4000-8000-000000000000"
ROWS = [{"customer": f"{MARKED}-{number}"} for number in range(5)]
TOO_LONG = MARKED * 100
#: What Airflow stores of a task: Airflow 2 keeps it in a variable of its own while the task runs.
HIDDEN: dict[str, Any] = {"sensitive_fields": ("name",)}
CONTACT = {"channel": "TASK", "name": "Call {{ row.customer }}"}


class Reporter(Transport):
    """Sentry, as far as its server."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.events.append(json.dumps(envelope.get_event()))


@pytest.fixture
def sentry() -> Iterator[Reporter]:
    """A reporter that gets all that Sentry sends by default: with the variables of every function."""
    reporter = Reporter()
    sentry_sdk.init("http://key@127.0.0.1/1", transport=reporter, default_integrations=False, max_value_length=100_000)
    yield reporter
    sentry_sdk.init()


def values_of(error: BaseException | None, seen: tuple[int, ...] = ()) -> Iterator[str]:
    """Yield all words and variables of an exception and of those that it came of, also of what ``from None`` hides."""
    if error is None or id(error) in seen:
        return
    yield f"{error!r} {error} {vars(error)}"
    entry = error.__traceback__
    while entry is not None:
        for name, value in entry.tb_frame.f_locals.items():
            yield f"{entry.tb_frame.f_code.co_qualname} {name}={value!r}"
        entry = entry.tb_next
    for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
        yield from values_of(other, (*seen, id(error)))


class BrokenRows:
    """An author's own source, which breaks off."""

    can_be_read_twice = False

    def read(self) -> Iterator[tuple[int, dict[str, str]]]:
        for number, row in enumerate(ROWS, 1):
            yield number, row
            if number == 3:
                raise RuntimeError("broken off")


def timed_out(row: dict[str, Any]) -> dict[str, Any]:
    """Stand for a slow function: Airflow raises the time-out by a signal, wherever the task is."""
    try:
        return {"name": int(row["customer"])}
    except ValueError:
        raise AirflowTaskTimeout  # noqa: B904  # in the middle of something else


def cannot_tell(outcome: dict[str, Any]) -> bool:
    """Stand for a condition with a mistake."""
    return bool(outcome["attributes"]["customer"] / 2)


def single(folder: Path, contact_id: str) -> None:
    CreateContactOperator(task_id="check", channel="TASK", name=TOO_LONG, **HIDDEN)
    CreateContactOperator(task_id="refused", channel="TASK", name=MARKED, related_contact_id=NO_SUCH_CONTACT, **HIDDEN)
    StartTaskContactOperator(task_id="no_answer", name=MARKED, contact_flow_id=FLOW, max_retry_time=0, **HIDDEN)
    template = "{% set customer = customer_of(17) %}{{ customer.address.street }}"
    CreateContactOperator(task_id="template", channel="TASK", name=template)
    CreateContactOperator.partial(task_id="mapped", channel="TASK", **HIDDEN).expand(name=[TOO_LONG])

    @task.create_contact(channel="TASK")
    def raised() -> dict[str, Any]:
        customer: Any = {"name": MARKED}
        return {"name": customer["address"]}

    @task.create_contact(channel="TASK")
    def returned() -> dict[str, Any]:
        return {"name": TOO_LONG, "attributes": [MARKED]}

    raised()
    returned()


def bulk(folder: Path, contact_id: str) -> None:
    def create(task_id: str, **kwargs: Any) -> None:
        given = {"rows": ROWS, "contact": CONTACT, "results_path": str(folder / task_id), **kwargs}
        BulkCreateContactsOperator(task_id=task_id, **given)

    create("check", contact={**CONTACT, "channel": "{{ row.customer }}"})
    create("template", contact={**CONTACT, "name": "{{ row.customer.address.street }}"})
    create("refused", contact={**CONTACT, "related_contact_id": NO_SUCH_CONTACT})
    start = {"name": "{{ row.customer }}", "contact_flow_id": FLOW}
    create("no_answer", operation="start_task", contact=start, max_retry_time=0)
    create("record")
    (folder / "file").touch()
    create("no_folder", results_path=str(folder / "file"))
    create("source", rows=BrokenRows())
    (folder / "rows.csv").write_bytes(f"customer\n{MARKED}\n\xff\n".encode("latin-1"))
    create("file", rows=FileRows(str(folder / "rows.csv")))
    create("database", rows=SqlRows("lite", "SELECT json_extract('{}', ?) AS customer", [MARKED]))
    if AIRFLOW_V_3_0_PLUS:  # dag.test() of Airflow 2 does not catch it
        create("timed_out", contact=timed_out)


def others(folder: Path, contact_id: str) -> None:
    hidden: Any = {"sensitive_fields": ("attributes",)}
    change = {"attributes": {"customer": MARKED}, **hidden}
    UpdateContactAttributesOperator(task_id="one", contact_id=NO_SUCH_CONTACT, **change)
    UpdateContactAttributesOperator(task_id="many", contact_id=[NO_SUCH_CONTACT, contact_id], **change)
    too_long = {"attributes": {"customer": MARKED * 5_000}, **hidden}
    UpdateContactAttributesOperator(task_id="check", contact_id=contact_id, **too_long)
    ContactSensor(task_id="fail_if", contact_id=contact_id, attributes="all", fail_if=cannot_tell)
    ContactSensor(task_id="skip_if", contact_id=[contact_id], attributes="all", skip_if=cannot_tell)
    if AIRFLOW_V_3_0_PLUS:
        CreateContactOperator(task_id="timed_out", channel="TASK", name=MARKED)


def breaking_off(_ledger: Ledger, row: int, *outcome: Any, **more: Any) -> None:
    """Stand for a disk that is full in the middle."""
    raise RecordError("No space left on device.") from OSError(f"No space left for {outcome} {more} {MARKED}")


def timing_out(_hook: ConnectHook, operation: str, params: dict[str, Any], **more: Any) -> None:
    """Stand for a slow call."""
    raise AirflowTaskTimeout from ConnectionError(f"no answer to {params}")


@pytest.mark.parametrize("build", [single, bulk, others])
def test_a_failed_task_shows_no_values(
    build: Callable[[Path, str], None],
    run_dag: Callable[..., Any],
    amazon_connect: LocalConnect,
    sentry: Reporter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However a task fails: its exception, and all that it came of, hold nothing of a row, a request or an outcome."""
    monkeypatch.setenv("AIRFLOW_CONN_LITE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "a.db")}))
    amazon_connect.faults("StartTaskContact:error_500=1")
    made: Any = {"InstanceId": amazon_connect.instance_id, "Channel": "TASK", "InitiationMethod": "API", "Name": "a"}
    contact_id = amazon_connect.client.create_contact(**made, Attributes={"customer": MARKED})["ContactId"]
    amazon_connect.client.stop_contact(InstanceId=amazon_connect.instance_id, ContactId=contact_id)
    monkeypatch.setattr(Ledger, "created", breaking_off)
    if build is others:
        monkeypatch.setattr(
            ConnectHook,
            "call",
            lambda hook, operation, *arguments, call=ConnectHook.call, **more: (
                timing_out if operation == "CreateContact" else call
            )(hook, operation, *arguments, **more),
        )
    failures: dict[str, BaseException] = {}

    def report(context: Any) -> None:
        failures[context["ti"].task_id] = context["exception"]
        sentry_sdk.capture_exception(context["exception"])

    with new_dag(
        f"reported_{build.__name__}",
        default_args={"on_failure_callback": report},
        user_defined_macros={"customer_of": lambda _: MARKED},
    ) as dag:

        @task
        def control() -> None:
            customer = MARKED
            raise ValueError(len(customer))

        control()
        build(tmp_path, contact_id)
    run = run_dag(dag)
    assert set(states(run).values()) == {"failed"}
    assert failures.keys() == states(run).keys()
    reported = {task_id: [one for one in values_of(error) if MARKED in one] for task_id, error in failures.items()}
    assert {task_id for task_id, values in reported.items() if values} == {"control"}, reported
    assert len(sentry.events) == len(failures)
    assert [json.loads(event)["exception"]["values"][-1]["type"] for event in sentry.events if MARKED in event] == [
        "ValueError"
    ]
