"""What Airflow renders: values have one form within text; with native objects, text arrives as text."""

from __future__ import annotations

import json
import logging
import sqlite3
import traceback
from datetime import date
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from jinja2 import Undefined, UndefinedError

from airflow_connect._compat import AirflowFailException, BaseOperator
from airflow_connect.api.errors import RequestError
from airflow_connect.api.outcome import OutcomeState
from airflow_connect.notifications.connect import ContactNotifier
from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows, SqlRows
from airflow_connect.operators.connect import (
    ContactBranchOperator,
    CreateContactOperator,
    StartOutboundVoiceContactOperator,
    StartTaskContactOperator,
    StopContactOperator,
    TagContactOperator,
    TransferContactOperator,
    UpdateContactAttributesOperator,
)
from airflow_connect.sensors.connect import ContactSensor
from tests.airflow.runs import new_dag, states, xcom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_connect.emulator import Emulator
    from airflow_connect.testing import LocalConnect

#: Texts that Python reads as something else.
TEXTS = ("+41791234567", "12.50", "1_000", "0x1F", "1e3", "True", "None", "[1, 2]", "{'a': 1}", "'quoted'", "1,")
#: What each operator and sensor cannot do without.
TASKS: dict[type[Any], dict[str, Any]] = {
    BulkCreateContactsOperator: {"rows": [], "contact": {}},
    ContactBranchOperator: {"contact_id": "c", "attribute": "a", "branches": {}},
    ContactSensor: {},
    CreateContactOperator: {},
    StartOutboundVoiceContactOperator: {"destination_phone_number": "+41", "contact_flow_id": "f"},
    StartTaskContactOperator: {},
    StopContactOperator: {},
    TagContactOperator: {"tags": {}},
    TransferContactOperator: {"contact_flow_id": "f"},
    UpdateContactAttributesOperator: {"attributes": {}},
}
#: What the bulk operator renders itself, for each row.
OF_ROWS = {"contact", "idempotency_key", "rows"}


def native_dag(dag_id: str = "native", **options: Any) -> Any:
    """Return an empty Dag that renders native objects."""
    return new_dag(dag_id, render_template_as_native_obj=True, **options)


def render(task: Any, **context: Any) -> None:
    """Render a task's fields as Airflow's task runner does."""
    task.render_template_fields({"ti": SimpleNamespace(map_index=-1), **context}, task.dag.get_template_env())


def template(source: Any, *, dag: Any = None, **context: Any) -> Any:
    """Return what a template gives in an argument of an operator."""
    with dag or native_dag():
        task = CreateContactOperator(task_id="task", attributes=source)
    render(task, **context)
    return task.attributes


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.__name__)
def test_every_field_of_every_task_keeps_text(kind: type[Any]) -> None:
    """What the author or an upstream task wrote as text is text, in each field that Airflow renders."""
    names = {*kind.template_fields} - (OF_ROWS if kind is BulkCreateContactsOperator else set())
    with native_dag():
        task = kind(task_id="task", sensitive_fields=(), **TASKS[kind])
    for text in TEXTS:
        for name in names:
            setattr(
                task,
                name,
                [text, {"upstream": "{{ value }}"}, "{{ value }}{{ '' }}", ("{% if 1 %}{{ value }}{% endif %}",)],
            )
        render(task, value=text)
        for name in names:
            assert getattr(task, name) == [text, {"upstream": text}, text, (text,)], name


@pytest.mark.parametrize("value", [17, 12.5, True, None, date(2026, 11, 28), ["a", 1], {"order": 17}, b"Kim", (1, 2)])
@pytest.mark.parametrize("source", ["{{ value }}", "\n  {{ value }} \n", "{% set x = value %}\n{{ x }}"])
def test_the_value_of_one_expression_stays_what_it_is(value: Any, source: str) -> None:
    """An XCom or a param that is no text stays what it is where nothing but blanks is around it."""
    found = template({"field": source}, value=value)["field"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{{ 17 }}", 17),
        ("{{ {'order': [1, '2']} }}", {"order": [1, "2"]}),
        ("{{ '0017' }}", "0017"),
        ("{{ 1 }}{{ 2 }}", "12"),
        ("+{{ 41 }}", "+41"),
        (" +41 ", " +41 "),
        ("{% macro m(x) %}{{ x }}{% endmacro %}{{ m('1e3') }}", "1e3"),
        ("{% set x %}1_000{% endset %}{{ x }}", "1_000"),
        ("{% for x in [1, 2] %}{{ x }}{% endfor %}", "12"),
        ("{% filter trim %} 0x1F {% endfilter %}", "0x1F"),
        ("{{ of_dag('1.0') }}", "1.0"),
        ("{{ '1.0' | shout }}", "1.0!"),
        ("{{ ds }}", "2026-11-28"),
    ],
)
def test_what_templates_give(source: str, found: Any) -> None:
    """Constants, macros, blocks, filters and the Dag's own names: a number only where a number is meant."""
    dag = native_dag(
        user_defined_macros={"of_dag": lambda text: text}, user_defined_filters={"shout": lambda text: f"{text}!"}
    )
    assert template({"field": source}, dag=dag, ds="2026-11-28") == {"field": found}


def test_the_option_of_a_task_goes_before_its_dag_s() -> None:
    """Airflow 3.3 gives operators the option, and renders them with the environment of the Dag."""
    with new_dag("option"):
        task = CreateContactOperator(task_id="task", attributes={"number": "{{ 17 }}", "text": "+{{ '17' }}"})
    task.render_template_as_native_obj = True
    render(task)
    assert task.attributes == {"number": 17, "text": "+17"}


@pytest.mark.skipif(not hasattr(BaseOperator, "render_template_as_native_obj"), reason="an option of Airflow 3.3")
def test_a_task_without_the_option_in_a_dag_with_it() -> None:
    """Airflow renders it with the environment of the Dag, which gives values, and cannot join them."""
    with native_dag():
        task = CreateContactOperator(
            task_id="task", attributes={"number": "{{ n }}"}, render_template_as_native_obj=False
        )
    task.render_template_fields({"ti": SimpleNamespace(map_index=-1), "n": 17}, task.dag.get_template_env())
    assert task.attributes == {"number": "17"}


#: Values that Python writes otherwise, and their text.
FORMS = [
    (True, "true"),
    (None, ""),
    (float("nan"), ""),
    (12.0, "12"),
    (1e-7, "0.0000001"),
    (b"Kim", "Kim"),
    (date(2026, 11, 28), "2026-11-28"),
    (OutcomeState.STOPPED, "stopped"),
]
#: Ways to put a value into text.
WAYS = [
    *("Paid: {{ value }}", "Paid: {{ value ~ '' }}", "{{ 'Paid: %s' % value }}", "{{ 'Paid: {}'.format(value) }}"),
    *("{{ 'Paid: %s' | format(value) }}", "Paid: {{ [value] | join('') }}", "Paid: {{ value | string }}"),
    *("{% set x %}Paid: {{ value }}{% endset %}{{ x }}", "{% macro m(x) %}Paid: {{ x }}{% endmacro %}{{ m(value) }}"),
]


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.__name__)
def test_every_field_of_every_task_writes_values_in_one_form(kind: type[Any], native: bool) -> None:
    """Within text, a value that Airflow renders stands as it would be sent alone, whatever puts it there."""
    names = {*kind.template_fields} - (OF_ROWS if kind is BulkCreateContactsOperator else set())
    with new_dag("forms", render_template_as_native_obj=native):
        task = kind(task_id="task", sensitive_fields=(), **TASKS[kind])
    for value, text in FORMS:
        for name in names:
            setattr(task, name, list(WAYS))
        render(task, value=value)
        for name in names:
            assert getattr(task, name) == [f"Paid: {text}"] * len(WAYS), name


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize("value", [["marked-17"], {"order": "marked-17"}, object(), b"\xff", float("inf")])
def test_value_without_a_form_is_named_and_not_shown(
    value: Any, native: bool, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A list, an object or bytes that are no text fail the task, by field, type and size, before anything is sent."""
    reported = "Task 'task', attributes: within text, a value must be text, a number, a boolean, a date or a time"
    for source in WAYS:
        with pytest.raises(AirflowFailException, match=reported) as caught:
            template({"field": source}, dag=new_dag("forms", render_template_as_native_obj=native), value=value)
        assert "marked-17" not in str(caught.value)
        assert caught.value.__context__ is caught.value.__cause__ is None
    assert "marked-17" not in caplog.text + "".join(capfd.readouterr())


def test_the_environment_of_the_dag_counts(tmp_path: Path) -> None:
    """What its author set up stays: files, macros, blocks, escapes, extensions, signs, and what a value is to be."""
    (tmp_path / "part.txt").write_text("[[ flag ]] [[ 'a' ~ flag ]]")
    (tmp_path / "macros.txt").write_text("{% macro m(x) %}<[[ x ]][[ caller() ]]>{% endmacro %}")
    options: dict[str, Any] = {
        "template_searchpath": str(tmp_path),
        "jinja_environment_kwargs": {
            "autoescape": True,
            "extensions": ["jinja2.ext.do"],
            "finalize": lambda value: "nothing" if value is None else value,
            "variable_start_string": "[[",
            "variable_end_string": "]]",
        },
    }
    values = {"flag": True, "names": [], "bold": "<b>", "nil": None, "n": 12.0}
    for source, found in (
        ("{% include 'part.txt' %}", "true atrue"),
        ("{% from 'macros.txt' import m %}{% call m(flag) %}!{% endcall %}", "<true!>"),
        ("{% do names.append(1) %}[[ names | length ]]", "1"),
        ("[[ bold ]] [[ bold | safe ]] [[ nil ]] [[ flag | string ]] [[ n ]]", "&lt;b&gt; <b> nothing true 12"),
        ("{{ flag }}", "{{ flag }}"),
    ):
        assert template(source, dag=new_dag("own", **options), **values) == found, source


def test_code_of_the_author_gets_what_jinja_writes() -> None:
    """A query, a function and a callback take lists and objects as ever, and values that have a form in it."""
    from airflow.providers.common.compat.sdk import task as decorators

    with new_dag("code") as dag:
        sql = BulkCreateContactsOperator(
            task_id="sql", contact={}, rows=SqlRows("db", "SELECT 1 WHERE a IN {{ ids }} AND b = {{ flag }}")
        )

        @decorators.create_contact(channel="TASK")
        def decorated(ids: str, flag: str) -> dict[str, Any]:
            return {}

        function = decorated("{{ ids }}", flag="{{ flag }}").operator
    render(sql, ids=(1, 2), flag=True)
    render(function, ids=[1, 2], flag=True)
    with sql.true_fields():
        assert sql.rows.sql == "SELECT 1 WHERE a IN (1, 2) AND b = true"
    assert (function.op_args, function.op_kwargs) == (("[1, 2]",), {"flag": "true"})
    notifier = ContactNotifier(name="Failed: {{ exception }} {{ flag }} {{ '%s' % [1] }}")
    assert notifier._rendered({"dag": dag, "exception": KeyError(7), "flag": False}).name == "Failed: 7 false [1]"


class Reporter(logging.Handler):
    """What an error reporter takes from a log: the words and the variables of each exception in it."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        while error is not None:
            self.taken.append(f"{error!r}")
            for frame, _ in traceback.walk_tb(error.__traceback__):
                self.taken.extend(f"{frame.f_code.co_name}.{name}={one!r}" for name, one in frame.f_locals.items())
            error = error.__cause__ or error.__context__


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize("hidden", [False, True], ids=["shown", "hidden"])
def test_what_a_template_raises_holds_no_values(native: bool, hidden: bool) -> None:
    """Airflow logs the error with its traceback: without Jinja's variables, and of a hidden field without its words."""
    reporter = Reporter()
    logging.getLogger().addHandler(reporter)
    try:
        for source in (
            "{% set x = customer() %}{{ x.street.number }}",
            "{% set x = customer() %}{{ x + 1 }}",
            "{% set x = customer() %}{{ x }}{{ [1] + 1 }}",
            "{% set x = customer() %}{{ number(x.name) }}",
        ):
            with new_dag("raises", render_template_as_native_obj=native):
                fields = ["attributes"] if hidden else []
                task = CreateContactOperator(task_id="task", attributes={"field": source}, sensitive_fields=fields)
            with pytest.raises(Exception, match="attributes" if hidden else None) as caught:
                render(task, customer=lambda: {"name": "marked-17"}, number=int)
            words = str(caught.value)
            assert ("marked-17" in words) is (not hidden and "number(x" in source)
    finally:
        logging.getLogger().removeHandler(reporter)
    found = [one for one in reporter.taken if "marked-17" in one]
    assert reporter.taken
    assert not found if hidden else all("invalid literal for int()" in one for one in found), found


def test_undefined_names() -> None:
    """What is not defined is an error, and text in a Dag that allows it: never an object of Jinja's."""
    with pytest.raises(UndefinedError, match="nothing"):
        template({"field": "{{ nothing }}"})
    assert template({"field": "{{ nothing }}"}, dag=native_dag(template_undefined=Undefined)) == {"field": ""}


def test_sources_of_rows_keep_text() -> None:
    """The parameters of a query, the query itself and a path are rendered alike."""
    with native_dag():
        sql = BulkCreateContactsOperator(
            task_id="sql",
            contact={},
            rows=SqlRows("db", "1_000", parameters=["{{ value }}", "0017", "{{ number }}"]),
        )
        files = BulkCreateContactsOperator(task_id="files", contact={}, rows=FileRows("{{ value }}", format="csv"))
    render(sql, value="+41791234567", number=12.5)
    render(files, value="1e3")
    with sql.true_fields(), files.true_fields():
        assert sql.rows.parameters == ["+41791234567", "0017", 12.5]
        assert (sql.rows.conn_id, sql.rows.sql) == ("db", "1_000")
        assert files.rows.path == "1e3"


def test_the_notifier_keeps_text() -> None:
    """A callback's contact has the words that were written."""
    dag = native_dag()
    texts: dict[str, Any] = {"name": "0017", "description": "{{ run_id }}", "attributes": {"phone": "+41791234567"}}
    notifier = ContactNotifier(**texts, incident="1e3", user_info="{{ user }}")
    found = notifier._rendered({"dag": dag, "run_id": "12.50", "user": {"UserId": "u"}})
    assert (found.name, found.description, found.incident) == ("0017", "12.50", "1e3")
    assert (found.attributes, found.user_info) == ({"phone": "+41791234567"}, {"UserId": "u"})


def test_what_arrives(
    run_dag: Callable[..., Any], emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Airflow and over the wire: names, attributes, references, keys, tags, parameters, function, update."""
    from airflow.providers.common.compat.sdk import task

    database = tmp_path / "people.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE people (phone TEXT)")
        connection.executemany("INSERT INTO people VALUES (?)", [("+41791234567",), ("41791234567",)])
    monkeypatch.setenv("AIRFLOW_CONN_PEOPLE", json.dumps({"conn_type": "sqlite", "host": str(database)}))
    with native_dag(params={"phone": "+41791234567", "orders": [17, "0018"]}) as dag:

        @task
        def upstream() -> str:
            return "12.50"

        @task.create_contact(channel="TASK", description="1_000")
        def decorated(phone: Any, number: Any) -> dict[str, Any]:
            return {"name": "decorated", "attributes": {"phone": f"{phone!r}", "number": f"{number!r}"}}

        created = CreateContactOperator(
            task_id="create",
            channel="TASK",
            name="0017",
            idempotency_key="1e3",
            attributes={"phone": "{{ params.phone }}", "amount": "{{ ti.xcom_pull('upstream') }}", "hex": "0x1F"},
            references={"Amount": {"Type": "NUMBER", "Value": "12.50"}, "Order": "{{ params.orders[0] }}"},
        )
        other_key = CreateContactOperator(task_id="other_key", channel="TASK", name="other", idempotency_key="1000.0")
        upstream() >> created >> other_key >> decorated("{{ params.phone }}", "{{ params.orders }}")
        tag = TagContactOperator(task_id="tag", contact_id="{{ ti.xcom_pull('create') }}", tags={"code": "0017"})
        update = UpdateContactAttributesOperator(
            task_id="update", contact_id=["{{ ti.xcom_pull('create') }}"], attributes={"pin": "1_000"}
        )
        query = SqlRows("people", "SELECT phone FROM people WHERE phone = ?", parameters=["{{ params.phone }}"])
        bulk = BulkCreateContactsOperator(
            task_id="bulk",
            rows=query,
            contact={"channel": "TASK", "name": "{{ row.phone }}"},
            results_path=str(tmp_path),
        )
        other_key >> tag >> update >> bulk
    run = run_dag(dag)

    assert run.state == "success", states(run)
    contacts = {contact["name"]: contact for contact in emulator.contacts()}
    assert set(contacts) == {"0017", "other", "decorated", "+41791234567"}
    made = contacts["0017"]
    assert made["attributes"] == {"phone": "+41791234567", "amount": "12.50", "hex": "0x1F", "pin": "1_000"}
    assert made["references"]["Amount"] == {"Type": "NUMBER", "Value": "12.50"}
    assert made["references"]["Order"] == {"Type": "NUMBER", "Value": "17"}
    assert made["tags"]["code"] == "0017"
    assert contacts["decorated"]["description"] == "1_000"
    assert contacts["decorated"]["attributes"] == {"phone": "'+41791234567'", "number": "[17, '0018']"}
    assert xcom(run, "create") != xcom(run, "other_key")


@pytest.mark.parametrize("name", ["idempotency_key", "client_token"])
@pytest.mark.parametrize(
    ("value", "reported"),
    [
        (None, "the upstream task gave nothing"),
        (float("nan"), "the upstream task gave nothing"),
        ({"id": 7}, "dict of 1 items"),
        (object(), "a value of type object"),
        (" ", "must not be empty"),
        ("None", "how Python writes a value that is missing"),
    ],
)
def test_what_identifies_no_contact(name: str, value: Any, reported: str) -> None:
    """A key that gives nothing is refused, rather than replaced by the task instance; so is an object."""
    with native_dag():
        task = CreateContactOperator(task_id="create", channel="TASK", name="x", **{name: "{{ value }}"})
    render(task, value=value)
    with task.true_fields(), pytest.raises(RequestError, match=reported):
        task._token({}, "CreateContact")


@pytest.mark.parametrize("name", ["idempotency_key", "client_token"])
def test_what_a_mapping_gives_identifies_the_contact(name: str) -> None:
    """An item that is ``None`` is refused too; what the mapping does not name is not given."""
    for mapped, reported in ({name: None}, "gave nothing"), ({"name": "x"}, None):
        with new_dag("mapped"):
            partial = CreateContactOperator.partial(task_id="create", channel="TASK")
            task = partial.expand_kwargs([mapped]).unmap(mapped)
        render(task)
        task.token_for_task = lambda *_: "of the task"
        if reported is None:
            assert task._token({}, "CreateContact") == "of the task"
        else:
            with pytest.raises(RequestError, match=reported):
                task._token({}, "CreateContact")


def test_a_key_has_the_form_of_an_attribute(amazon_connect: LocalConnect) -> None:
    """A number, a boolean or a date is the same key as its text, so that every process asks for the same contact."""
    tokens = set()
    for value in (1000, 1000.0, "1000"):
        with native_dag():
            task = CreateContactOperator(task_id="create", channel="TASK", name="x", idempotency_key="{{ value }}")
        render(task, value=value)
        tokens.add(task._token({}, "CreateContact"))
    assert len(tokens) == 1
