"""Templates over rows: what an author writes is rendered for each row, and what a row holds stays data."""

from __future__ import annotations

import math
import pickle
import urllib.parse
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jinja2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment

from airflow_connect.api.errors import InvalidRequestError
from airflow_connect.api.fields import Fault, Written, text_in_text
from airflow_connect.api.operations import CreateContact, StartTaskContact
from airflow_connect.bulk.template import RowError, compile_contact, compile_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROW = {"order id": "A-17", "amount": 12.5, "city": "Köln", "nickname": None, "address": {"zip": "50667"}}
SECRET = "Erika Mustermann"


def render(text: str, row: Mapping[str, Any] | None = None, **context: Any) -> Any:
    """Return what one template gives for one row."""
    environment = context.pop("environment", None)
    contact = compile_contact({"channel": "TASK", "name": text}, CreateContact, context, environment)
    return contact({} if row is None else row)["name"]


def key_of(text: str, context: Mapping[str, Any], environment: Any = None, *, operation: str = "CreateContact") -> Any:
    """Return the function from a row to its key."""
    return compile_text(text, context, environment, operation=operation)


def faults_of(make: Callable[[], Any]) -> list[Fault]:
    """Return the faults that a row, or a template, has."""
    with pytest.raises((RowError, InvalidRequestError)) as caught:
        make()
    assert isinstance(caught.value, (RowError, InvalidRequestError))
    return list(caught.value.faults)


# --- What templates give --------------------------------------------------------------------------------------


def test_every_text_at_any_depth_is_a_template() -> None:
    """Texts in dicts and lists are rendered where they stand; keys and other values stay as they are."""
    due = date(2026, 12, 24)
    contact = compile_contact(
        {
            "channel": "TASK",
            "name": "Order {{ row['order id'] }}",
            "attributes": {"city": "{{ row.city }}", "day": "{{ ds }}", "due": due},
            "references": {"Order": {"Type": "URL", "Value": "https://example.com/{{ row['order id'] }}"}},
            "segment_attributes": {"a": {"ValueMap": {"b": "{{ row.address.zip }}"}}},
        },
        CreateContact,
        {"ds": "2026-11-24"},
    )
    assert contact(ROW) == {
        "channel": "TASK",
        "name": "Order A-17",
        "attributes": {"city": "Köln", "day": "2026-11-24", "due": due},
        "references": {"Order": {"Type": "URL", "Value": "https://example.com/A-17"}},
        "segment_attributes": {"a": {"ValueMap": {"b": "50667"}}},
    }


def test_lists_are_rendered() -> None:
    """A list in a contact, as attachments are, is rendered item by item."""
    contact = compile_contact(
        {
            "name": "Call",
            "contact_flow_id": "flow",
            "attachments": [{"FileName": "{{ row.city }}.pdf", "S3Url": "https://example.com/a?b"}, None],
        },
        StartTaskContact,
        {},
    )
    assert contact(ROW)["attachments"] == [{"FileName": "Köln.pdf", "S3Url": "https://example.com/a?b"}, None]


def test_keys_are_no_templates() -> None:
    """As in Airflow, the key of a dict is what it says."""
    contact = compile_contact(
        {"channel": "TASK", "references": {"{{ row.city }}": "{{ row.city }}"}}, CreateContact, {}
    )
    assert contact(ROW)["references"] == {"{{ row.city }}": "Köln"}


VALUES = [7, 1.5, True, None, Decimal("12.50"), date(2026, 11, 24), datetime(2026, 11, 24, tzinfo=UTC), b"x", "text"]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_sole_expression_gives_the_value_itself(value: object) -> None:
    """A number stays a number, and ``None`` leaves the argument out; signs beside it make text."""
    alone = render("{{ row.value }}", {"value": value})
    assert alone is value or (alone, value) == ("x", b"x")
    assert render("{{row['value']}}\n", {"value": value}) == alone
    attributes = {"key": "{{ upstream }}", "other": "{{ row.value }}"}
    contact = compile_contact({"channel": "TASK", "attributes": attributes}, CreateContact, {"upstream": 17})
    assert contact({"value": value})["attributes"] == {"key": 17, "other": alone}
    assert render("={{ row.value }}", {"value": value}) == f"={text_in_text(value)}"


@pytest.mark.parametrize("nothing", [None, math.nan, pd.NA, pd.NaT, Decimal("nan")], ids=repr)
def test_nothing_is_empty_in_text(nothing: object) -> None:
    """What says that there is nothing is written as nothing, in text with expressions and with statements."""
    assert render("a{{ row.x }}b", {"x": nothing}) == "ab"
    assert render("{% if true %}a{{ row.x }}b{% endif %}", {"x": nothing}) == "ab"


FORMS: list[tuple[Any, str]] = [
    (True, "true"),
    (12.0, "12"),
    (1e-7, "0.0000001"),
    (Decimal("12.50"), "12.50"),
    (Decimal("1E+3"), "1000"),
    (Written("12.50"), "12.50"),
    (date(2026, 11, 24), "2026-11-24"),
    (datetime(2026, 11, 24, 16, tzinfo=UTC), "2026-11-24T16:00:00+00:00"),
    (time(16, 5), "16:05:00"),
    (UUID("b1000000-0000-4000-8000-000000000001"), "b1000000-0000-4000-8000-000000000001"),
    (b"K\xc3\xb6ln", "Köln"),
    (b"\xef\xbb\xbfKim", "Kim"),
    (Enum("Outer", {"INNER": Enum("Team", {"NORTH": "north"})["NORTH"]})["INNER"], "north"),
    (Enum("Team", {"NORTH": "north"})["NORTH"], "north"),
    (np.float32(0.1), "0.1"),
    (np.bool_(True), "true"),
    (np.datetime64("2026-11-24T16:00"), "2026-11-24T16:00:00"),
    (pd.Timestamp("2026-11-24"), "2026-11-24T00:00:00"),
    (None, ""),
    (math.nan, ""),
    (pd.NaT, ""),
]


@pytest.mark.parametrize(("value", "text"), FORMS, ids=[type(value).__name__ for value, _ in FORMS])
def test_a_value_has_one_form_everywhere(value: object, text: str) -> None:
    """In an attribute, in a reference, within text, in a key, and after each part of Jinja that makes text."""
    row = {"value": value, "list": [value, "x"], "dict": {"a": value}, "template": "<%s>"}
    contact = compile_contact(
        {
            "channel": "TASK",
            "attributes": {"alone": "{{ row.value }}", "within": "<{{ row.value }}>"},
            "references": {"alone": {"Type": "STRING", "Value": "{{ row.value }}"}},
        },
        CreateContact,
        {},
    )
    params, faults = CreateContact.check({"instance_id": "i", **contact(row)})
    assert faults == []
    assert params["Attributes"] == {**({"alone": text} if text else {}), "within": f"<{text}>"}
    assert params.get("References", {}) == ({"alone": {"Type": "STRING", "Value": text}} if text else {})
    assert key_of("k{{ row.template }}-{{ row.value }}", {})(row) == f"k<%s>-{text}"
    for template, expected in {
        "<{{ row.value ~ '' }}>": f"<{text}>",
        "{{ '<' ~ row.value ~ '>' }}": f"<{text}>",
        "<{{ row.value | string }}>": f"<{text}>",
        "<{{ row.value | upper }}>": f"<{text.upper()}>",
        "<{{ row.value | trim | lower }}>": f"<{text.lower()}>",
        "<{{ row.value | replace('-', '/') }}>": f"<{text.replace('-', '/')}>",
        "{{ 'a-b' | replace('-', row.value) }}!": f"a{text}b!",
        "{{ row.list | join('+') }}!": f"{text}+x!",
        "{{ [row.dict] | join(attribute='a') }}!": f"{text}!",
        "{{ row.list | map('string') | join('+') }}!": f"{text}+x!",
        "{{ row.dict.a }}!": f"{text}!",
        "{{ row.template | format(row.value) }}!": f"<{text}>!",
        "{{ '%(a)s' | format(a=row.value) }}!": f"{text}!",
        "{{ row.template % row.value }}!": f"<{text}>!",
        "{{ '%s-%s' % (row.value, 1) }}!": f"{text}-1!",
        "{{ '%(value)s' % row }}!": f"{text}!",
        "{{ '<{}>'.format(row.value) }}!": f"<{text}>!",
        "{{ '<{a}>'.format(a=row.value) }}!": f"<{text}>!",
        "{{ '<{a}>'.format_map({'a': row.value}) }}!": f"<{text}>!",
        "{{ '<{a[a]}>'.format(a=row.dict) }}!": f"<{text}>!",
        "{{ '<{0[0]}>'.format(row.list) }}!": f"<{text}>!",
        "<{{ row.dict | urlencode }}>": f"<a={urllib.parse.quote_plus(text)}>",
        "<{{ row.value | urlencode }}>": f"<{urllib.parse.quote(text)}>",
        "{% set x = row.value %}<{{ x }}>": f"<{text}>",
        "{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(row.value) }}": f"<{text}>",
        "{% for one in row.list %}<{{ one }}>{% endfor %}": f"<{text}><x>",
        "{% filter trim %}<{{ row.value ~ '' }}>{% endfilter %}": f"<{text}>",
    }.items():
        assert render(template, row) == expected, template


def test_numbers_and_dates_are_formatted_as_ever() -> None:
    """What a format asks for, the value itself gives."""
    row = {"amount": 12.5, "price": Decimal("9.999"), "day": date(2026, 11, 24), "n": 7, "yes": True}
    assert render("{{ '%.2f' | format(row.amount) }} {{ '%.2f' % row.price }} {{ '%03d' % row.n }}", row) == (
        "12.50 10.00 007"
    )
    assert render("{{ '{:.1f} {:%d.%m.%Y} {:d}'.format(row.amount, row.day, row.n) }}!", row) == "12.5 24.11.2026 7!"
    row |= {"small": np.float32(0.5), "int64": np.int64(7), "key": b"Kim"}
    assert render("{{ '%04.1f %03d %x' % (row.small, row.int64, row.int64) }}", row) == "00.5 007 7"
    assert render("{{ '{:>5}|{:>5}|{!r}|{!r}'.format(row.yes, row.key, row.key, row.yes) }}", row) == (
        " true|  Kim|'Kim'|true"
    )
    assert render("{{ '%r %r' % (row.key, row.yes) }}", row) == "'Kim' true"
    assert render("{{ {'paid': row.yes, 'none': none} | xmlattr }}", row) == ' paid="true"'
    assert render("{{ '{0.year}-{1[0]}'.format(row.day, ['x']) }} {{ row.day.strftime('%d.%m.') }}", row) == (
        "2026-x 24.11."
    )
    assert (
        render("{{ row.amount * 2 }} {{ row.amount + 1 }} {{ row.n ~ row.n }} {{ 7 % row.n }}", row) == "25 13.5 77 0"
    )


class Customer:
    """An object whose text is its address, another one in every process."""


NOT_TEXT = [["a"], {"a": 1}, ("a",), {"a"}, b"\xff", timedelta(1), math.inf, Customer(), np.array([1, 2]), range(2)]


@pytest.mark.parametrize("value", NOT_TEXT, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "template",
    [
        "Call {{ row.value }}",
        "Call {{ row.value | string }}",
        "{{ row.value | upper }}!",
        "{{ 'Call ' ~ row.value }}",
        "{{ [row.value] | join }}!",
        "{{ '%s' | format(row.value) }}!",
        "{{ 'Call %s' % (row.value,) }}",
        "{{ 'Call {}'.format(row.value) }}",
        "{{ 'Call {!r}'.format(row.value) }}",
        "{{ 'Call %r' % (row.value,) }}",
        "{{ row.value | pprint }}!",
        "{% if true %}Call {{ row.value }}{% endif %}",
    ],
)
def test_what_has_no_form_is_that_rows_fault(value: object, template: str) -> None:
    """Neither Python's text of a list nor an object's address arrives at anybody; the fault names the column."""
    for make in (lambda: render(template, {"value": value}), lambda: key_of(template, {})({"value": value})):
        [fault] = faults_of(make)
        assert fault.rule == "within text, a value must be text, a number, a boolean, a date or a time"
        assert fault.given.endswith(" in column value")
        assert "0x" not in str(fault)


@pytest.mark.parametrize(("value", "text"), FORMS, ids=[type(value).__name__ for value, _ in FORMS])
def test_json_of_a_value_has_its_form(value: Any, text: str) -> None:
    """The filter ``tojson`` writes a number with its digits, and what JSON does not have as it is sent alone."""
    row = {"list": [value], "dict": {"b": 1, "a": {"value": value, "empty": [{}, []]}}}
    written = text if isinstance(value, bool | float | Decimal | np.generic) and text[:4] != "2026" else f'"{text}"'
    written = written.replace("ö", "\\u00f6") if text else "null"
    assert render("{{ row.list | tojson }}!", row) == f"[{written}]!"
    assert render("{{ row.dict | tojson }}!", row) == f'{{"a": {{"empty": [{{}}, []], "value": {written}}}, "b": 1}}!'
    assert render("{{ row.list | tojson(indent=2) }}!", row) == f"[\n  {written}\n]!"
    assert render("{{ row.list | map('tojson') | join }}!", row) == f"{written}!"


@pytest.mark.parametrize(
    "value", [{"a"}, b"\xff", timedelta(1), math.inf, Customer()], ids=lambda value: type(value).__name__
)
def test_json_of_what_has_no_form_is_that_rows_fault(value: object) -> None:
    [fault] = faults_of(lambda: render("{{ row.value | tojson }}!", {"value": {"a": [value]}}))
    assert fault.rule == "within text, a value must be text, a number, a boolean, a date or a time"
    assert "0x" not in str(fault)


def test_a_dict_for_names_has_no_text() -> None:
    """``%(name)s`` takes the values of a dict, and ``%s`` does not write the dict itself."""
    for template in ("{{ '%s' % row.value }}!", "{{ '%r' % row.value }}!"):
        [fault] = faults_of(lambda template=template: render(template, {"value": {"a": True}}))
        assert fault.given == "dict of 1 items in column value"


def test_a_value_of_the_context_has_the_same_form() -> None:
    """What is the same for all rows follows the rule as well, and a list is a fault before any row is read."""
    assert render("{{ yes }} {{ day }} {{ row.x }}", {"x": 1}, yes=True, day=b"Monday") == "true Monday 1"
    [fault] = faults_of(lambda: render("Call {{ params.names }}", {}, params={"names": ["a"]}))
    assert (fault.field, fault.given) == ("name", "list of length 1")


def test_bytes_are_compared_as_text() -> None:
    """A condition over a text that came as bytes holds as over any text."""
    assert (
        render("{{ 'yes' if row.state == 'open' else 'no' }} {{ 'p' in row.state }}!", {"state": b"open"})
        == "yes true!"
    )


def test_included_templates_follow_the_rule() -> None:
    """Also what another file holds."""
    loader = jinja2.DictLoader({"x.txt": "{{ row.yes ~ '' }} {{ row.yes | string }} {{ row.yes }}"})
    environment = jinja2.Environment(loader=loader)
    assert render("{% include 'x.txt' %}", {"yes": True}, environment=environment) == "true true true"


def test_the_authors_own_filter_gets_the_value() -> None:
    """Only Jinja's filters are changed."""
    environment = jinja2.Environment()
    environment.filters["upper"] = lambda value: type(value).__name__
    assert render("{{ row.yes | upper }}!", {"yes": True}, environment=environment) == "bool!"


def test_statements_give_text() -> None:
    """Conditions, loops, assignments and macros work as in any Jinja template."""
    source = (
        "{% set greeting = 'Call' if row.urgent else 'Mail' %}{% macro item(line) %}{{ line.sku }}x{{ line.n }}"
        "{% endmacro %}{{ greeting }}:{% for line in row.lines %} {{ item(line) }}{% endfor %}{# a comment #}"
    )
    row = {"urgent": True, "lines": [{"sku": "A", "n": 1}, {"sku": "B", "n": 2}]}
    assert render(source, row) == "Call: Ax1 Bx2"
    assert render(source, {"urgent": False, "lines": []}) == "Mail:"


def test_what_a_template_sets_ends_with_it() -> None:
    """No row and no other template sees what a template has set."""
    contact = compile_contact(
        {
            "channel": "TASK",
            "name": "{% if row.a %}{% set x = row.a %}{{ x }}{% endif %}{{ x | default('unset') }}",
            "description": "{{ row.a }}{{ x | default('unset') }}",
        },
        CreateContact,
        {},
    )
    rendered = [contact({"a": value}) for value in ("1", "", "2")]
    assert [one["description"] for one in rendered] == ["1unset", "unset", "2unset"]
    assert rendered[1]["name"] == "unset"


def test_filters_tests_and_functions_of_jinja_work() -> None:
    """A template over a row is Jinja's, with all that it brings."""
    assert render("{{ row.amount | round | int }} {{ range(3) | join }} {{ row.city is defined }}", ROW) == (
        "12 012 true"
    )
    assert render("{{ row.none | default('-') }}{{ row.none is defined }}{{ row | length }}", ROW) == "-false5"
    assert render("{% for name, value in row | items %}{{ name }},{% endfor %}", {"a": 1, "b": 2}) == "a,b,"


def test_a_whole_row_can_be_given() -> None:
    """A row is a dict, which can be the attributes as it is."""
    contact = compile_contact({"channel": "TASK", "attributes": "{{ row }}"}, CreateContact, {})
    arguments = contact({"a": 1, "items": None})
    assert arguments["attributes"] == {"a": 1, "items": None}
    assert CreateContact.check({"instance_id": "i", **arguments})[0]["Attributes"] == {"a": "1"}


# --- Rows are data --------------------------------------------------------------------------------------------

NAMES = [
    "items",
    "keys",
    "values",
    "get",
    "pop",
    "copy",
    "range",
    "dict",
    "lipsum",
    "row",
    "self",
    "loop",
    "ds",
    "name",
]


@pytest.mark.parametrize("name", [*NAMES, "__class__", "_x", "order id", "Größe", "0", "", "a.b", "{{ row }}", "'\""])
def test_a_column_may_have_any_name(name: str) -> None:
    """A column named like a dict's method or a global of Jinja gives what the row holds, at any depth of the row."""
    other = {"ds": "2026-11-24"}
    subscript = f"{{{{ row[{name!r}] }}}}"
    assert render(subscript, {name: SECRET}, **other) == SECRET
    assert render(f"{{{{ row.a[{name!r}] }}}}", {"a": {name: SECRET}}, **other) == SECRET
    assert render(f"{{{{ row.a[1][{name!r}] }}}}", {"a": [0, {name: SECRET}]}, **other) == SECRET
    if name.isidentifier():
        assert render(f"{{{{ row.{name} }}}}", {name: SECRET}, **other) == SECRET
        assert render(f"x{{{{ row.a.{name} }}}}", {"a": {name: SECRET}}, **other) == f"x{SECRET}"


@pytest.mark.parametrize("name", ["items", "keys", "get", "update", "clear"])
@pytest.mark.parametrize("place", ["row", "row.a", "row.b[0]"])
def test_a_row_has_no_methods(name: str, place: str) -> None:
    """A template never meets a dict's method where the column is missing: the customer would read its address."""
    [fault] = faults_of(lambda: render(f"{{{{ {place}.{name} }}}}", {"a": {"x": 1}, "b": [{"x": 1}]}))
    assert fault.given.startswith(f"the row does not have '{name}' among its ")


def test_dicts_of_the_context_keep_their_methods() -> None:
    """What works with Airflow's params and conf elsewhere works over rows too."""
    assert render("{{ conf.get('a', 'b') }}{{ conf.c }}{{ row.x }}", {"x": 1}, conf={"c": 3}) == "b31"


@given(st.text(st.sampled_from("{}%#-+ row.x'\"\n\\"), max_size=30) | st.text(max_size=30))
def test_what_a_row_holds_is_never_a_template(value: str) -> None:
    """Whatever stands in a row arrives unchanged, once alone and once in text."""
    for held in (value, f"{{{{ {value} }}}}", "{{ row.x }}", "{% for a in b %}"):
        row = {"x": held}
        contact = compile_contact(
            {"channel": "TASK", "name": "{{ row.x }}", "description": "a {{ row.x }}"}, CreateContact, {}
        )
        assert contact(row) == {"channel": "TASK", "name": held, "description": f"a {held}"}


@pytest.mark.parametrize(
    "attack",
    [
        "{{ row.x.__class__.__mro__ }}",
        "{{ ''['__class__'] }}{{ row.x }}",
        "{{ row | attr('__class__') }}",
        "{{ row.x.format.__globals__ }}",
        "{{ '{0.__class__}'.format(row.x) }}",
        "{{ row.__init__.__globals__ }}",
        "{{ self.__init__ }}{{ row.x }}",
    ],
)
def test_templates_are_sandboxed(attack: str) -> None:
    """A template has no way from a value into Python."""
    with pytest.raises((RowError, InvalidRequestError)):
        render(attack, {"x": "1"})


def test_a_runaway_template_ends() -> None:
    """A range that data makes huge is that row's fault, and takes neither time nor memory."""
    assert faults_of(lambda: render("{% for i in range(row.n) %}x{% endfor %}", {"n": 10**9})) == [
        Fault("name", "the template must render for every row", "OverflowError")
    ]


# --- The context and the DAG's environment ------------------------------------------------------------------------


class CountingContext(dict[str, Any]):
    """A context that counts what is looked up in it."""

    def __init__(self, **values: Any) -> None:
        super().__init__(values)
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.asked.append(name)
        return super().__getitem__(name)


def test_the_context_is_asked_once_for_what_is_named() -> None:
    """What Airflow computes when it is asked is asked for once for all rows, and not at all if no template names it."""
    context = CountingContext(ds="2026-11-24", conn="expensive", params={"team": "north"})
    contact = compile_contact(
        {"channel": "TASK", "name": "{{ ds }} {{ params.team }} {{ row.x }}"}, CreateContact, context
    )
    assert [contact({"x": number})["name"] for number in range(3)] == [f"2026-11-24 north {n}" for n in range(3)]
    assert sorted(context.asked) == ["ds", "params"]


def test_what_does_not_name_the_row_is_rendered_once() -> None:
    """A Variable is fetched once and not a million times, also where it stands beside a column."""
    calls = []

    def fetch() -> str:
        calls.append(1)
        return f"v{len(calls)}"

    contact = compile_contact(
        {
            "channel": "TASK",
            "name": "{{ fetch() }}-{{ row.x }}",
            "description": "{% if true %}{{ fetch() }}{% endif %}",
        },
        CreateContact,
        {"fetch": fetch},
    )
    rendered = [contact({"x": number}) for number in range(3)]
    assert rendered == [{"channel": "TASK", "name": f"v1-{n}", "description": "v2"} for n in range(3)]


def test_macros_and_filters_of_the_dag_are_there() -> None:
    """User-defined macros, filters and tests, other signs, a loader and extensions come from the DAG's environment."""
    environment = SandboxedEnvironment(
        variable_start_string="<<",
        variable_end_string=">>",
        loader=jinja2.DictLoader({"greeting.txt": "Dear << row.x >>, << ds >>"}),
        extensions=["jinja2.ext.loopcontrols"],
    )
    environment.globals["team"] = lambda: "north"
    environment.filters["shout"] = lambda text: f"{text}!"
    environment.tests["loud"] = lambda text: text.endswith("!")

    def in_environment(text: str) -> Any:
        return render(text, {"x": "Köln"}, environment=environment, ds="2026-11-24")

    assert in_environment("<< team() >> << row.x | shout >> << row.x is loud >> {{ row.x }}") == (
        "north Köln! false {{ row.x }}"
    )
    assert in_environment("{% include 'greeting.txt' %}") == "Dear Köln, 2026-11-24"
    assert (
        in_environment("{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}<< row.x >>{% endfor %}") == "Köln"
    )


def test_the_dags_environment_stays_as_it_is() -> None:
    """What is compiled here changes nothing for the DAG's other templates, and undefined stays an error."""
    environment = SandboxedEnvironment(undefined=jinja2.Undefined)
    before = set(environment.filters), set(environment.globals), environment.undefined
    assert faults_of(lambda: render("{{ row.gone }}", {"x": 1}, environment=environment))
    assert (set(environment.filters), set(environment.globals), environment.undefined) == before


def test_the_context_comes_before_globals_and_the_row_before_both() -> None:
    """A name means what it means in Airflow's templates, and ``row`` is always the row."""
    environment = SandboxedEnvironment()
    environment.globals |= {"ds": "global", "row": "global"}
    context = {"ds": "context", "row": "context"}
    assert key_of("{{ ds }} {{ row.x }}", context, environment)({"x": 1}) == "context 1"


# --- Faults ---------------------------------------------------------------------------------------------------


def test_a_missing_column_is_named_with_the_one_that_may_be_meant() -> None:
    """A misspelt column is found by its name; other names are not shown: without a header they are data."""
    assert faults_of(lambda: render("{{ row.ordr }}", {"order": SECRET, "order id": SECRET, "city": SECRET})) == [
        Fault(
            "name",
            "the template names what does not exist",
            "the row does not have 'ordr' among its 3 columns; it has order",
        )
    ]
    [fault] = faults_of(lambda: render("{{ row.name }}", {"Jane Doe": SECRET}))
    assert fault.given == "the row does not have 'name' among its 1 column"
    [fault] = faults_of(lambda: render("{{ row[row.x] }}", {"x": "Jane Do", "Jane Doe": SECRET}))
    assert fault.given == "the row does not have something computed among its 2 columns"


def test_all_faults_of_a_row_are_found_at_once() -> None:
    """Each template that fails is a fault with its field, and the others are no faults."""
    contact = compile_contact(
        {
            "channel": "TASK",
            "name": "{{ row.gone }}",
            "description": "{{ row.there }}",
            "attributes": {"a": "{{ 1 // row.zero }}", "b": "x{{ row.there.gone }}", "c d": "{{ row.there[9].x }}"},
        },
        CreateContact,
        {},
    )
    assert [(fault.field, fault.given) for fault in faults_of(lambda: contact({"zero": 0, "there": SECRET}))] == [
        ("name", "the row does not have 'gone' among its 2 columns"),
        ("attributes.a", "ZeroDivisionError"),
        ("attributes.b", "str object does not have 'gone'"),
        ("attributes['c d']", "str object does not have 'x'"),
    ]
    assert contact({"zero": 1, "there": {"gone": 2, 9: {"x": 3}}, "gone": 4})["name"] == 4


@pytest.mark.parametrize(
    "text",
    [
        "{{ {'a': 1}[row.x] }}",
        "{{ row[row.x] }}",
        "{{ row | attr(row.x) }}",
        "{{ row.x | int(row.x) / 0 }}",
        "{{ [row] | map(attribute=row.x) | join }}",
        "{{ raising(row.x) }}",
        "{{ ''[row.x] }}",
    ],
)
def test_faults_show_nothing_of_the_row(text: str) -> None:
    """Neither a computed name nor the message of an error brings what a row holds into the log."""

    def raising(value: str) -> None:
        raise ValueError(value)

    faults = faults_of(lambda: render(text, {"x": SECRET}, raising=raising))
    assert faults
    assert SECRET not in repr(faults)


def test_a_row_error_has_a_message_and_survives_pickling() -> None:
    """As all errors do."""
    error = RowError(Fault("name", "rule", "given"), Fault("description", "rule", "given"))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.faults) == ("name: rule (given: given); description: rule (given: given)", error.faults)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("{{ row.x", "line 1"),
        ("a\n{% if row.x %}", "line 2"),
        ("{{ row.x | nofilter }}", "line 1"),
        ("{% extends 'a' %}{{ row.x }}", "line 1"),
        ("{{ rwo.x }}", "'rwo' does not exist"),
        ("{% if row.x %}{{ gone }}{% endif %}", "'gone' does not exist"),
        ("{{ params.gone }}", "dict object does not have 'gone'"),
        ("{{ 1 // 0 }} {{ row.x }}", "ZeroDivisionError"),
    ],
)
def test_what_no_row_can_mend_is_one_error(text: str, given: str) -> None:
    """A mistake in a template is found before any row is read, with its place; all mistakes at once."""
    contact = {"channel": "TASK", "attributes": {"a": text, "b": "{{ row.x }}"}, "description": text}
    with pytest.raises(InvalidRequestError, match="CreateContact has 2 faults; nothing was sent") as caught:
        compile_contact(contact, CreateContact, {"params": {}})
    assert [(fault.field, fault.given) for fault in caught.value.faults] == [
        ("attributes.a", given),
        ("description", given),
    ]


def test_names_that_are_asked_for_may_be_missing() -> None:
    """A template may say what shall be if Airflow's context has not got a name."""
    assert render("{{ gone | default('a') }}{{ 'b' if gone is defined else 'c' }}{{ row.x }}", {"x": 1}) == "ac1"


@pytest.mark.parametrize(
    ("contact", "fields"),
    [
        ({"nmae": "{{ row.x }}", "name": "{{ row.x }}"}, ["nmae"]),
        ({"nmae": "x"}, ["nmae"]),
        ({"client_token": "{{ row.x }}"}, ["contact.client_token"]),
        ({"instance_id": "i", "client_token": "x"}, ["contact.client_token", "contact.instance_id"]),
        ({"channel": "TASKS"}, ["channel"]),
        ({"name": "x" * 1025, "description": "{{ row.x }}"}, ["name"]),
        ({"name": "{{ 'x' * 1025 }}", "description": "{{ row.x }}"}, ["name"]),
        ({"attributes": {"a b": "x"}, "name": "{{ row.x }}"}, ["attributes['a b']"]),
        ({"channel": None}, ["channel"]),
        ({"channel": "EMAIL", "initiation_method": "OUTBOUND"}, ["user_info"]),
        ({"expiry_duration_in_minutes": 0, "user_info": 7.5j}, ["user_info", "expiry_duration_in_minutes"]),
        # What a row can still mend:
        ({"channel": "{{ row.x }}"}, []),
        ({"channel": "EMAIL", "initiation_method": "OUTBOUND", "user_info": "{{ row.x }}"}, []),
        ({"channel": "VOICE", "initiation_method": "{{ row.x }}"}, []),
        ({"attributes": {"a b": "{{ row.x }}"}}, []),
    ],
)
def test_what_is_wrong_for_every_row_is_one_error(contact: dict[str, Any], fields: list[str]) -> None:
    """Unknown arguments, and values that do not depend on the row, are checked once, before a row is read."""
    whole = {"channel": "TASK", **contact}
    if not fields:
        assert compile_contact(whole, CreateContact, {})({"x": "y"}).keys() == whole.keys()
        return
    with pytest.raises(InvalidRequestError) as caught:
        compile_contact(whole, CreateContact, {})
    assert sorted(fault.field for fault in caught.value.faults) == sorted(fields)


@pytest.mark.parametrize(
    ("routes", "is_wrong"),
    [
        ({}, True),
        ({"contact_flow_id": "a", "quick_connect_id": "b"}, True),
        ({"contact_flow_id": "a", "quick_connect_id": "b", "task_template_id": "{{ row.x }}"}, True),
        ({"contact_flow_id": None, "quick_connect_id": None}, True),
        ({"contact_flow_id": "a"}, False),
        ({"contact_flow_id": "{{ row.x }}"}, False),
        ({"quick_connect_id": "{{ row.x }}"}, False),
        ({"quick_connect_id": "a", "contact_flow_id": "{{ row.x }}"}, False),
        ({"contact_flow_id": None, "quick_connect_id": "{{ row.x }}"}, False),
    ],
)
def test_how_a_task_is_routed_may_depend_on_the_row(routes: dict[str, Any], is_wrong: bool) -> None:
    """That exactly one of three arguments is given is checked before a row is read, unless one comes with the row."""

    def compiled() -> Any:
        return compile_contact({"name": "{{ row.x }}", **routes}, StartTaskContact, {})

    if is_wrong:
        assert [fault.field for fault in faults_of(compiled)] == ["contact_flow_id"]
    else:
        assert callable(compiled())


@pytest.mark.parametrize("contact", [None, "{{ row }}", 7, [{"name": "x"}]], ids=["None", "text", "number", "list"])
def test_a_contact_is_a_dict_or_a_function(contact: Any) -> None:
    """Anything else is one clear error."""
    [fault] = faults_of(lambda: compile_contact(contact, CreateContact, {}))
    assert (fault.field, fault.rule[:14]) == ("contact", "must be a dict")


# --- Functions --------------------------------------------------------------------------------------------------


def test_a_function_makes_the_contact_of_a_row() -> None:
    """Authors may write Python: what the function returns is the contact, and no text in it is a template."""
    contact = compile_contact(lambda row: {"name": f"{{{{ {row['x']} }}}}", "channel": "TASK"}, CreateContact, {})
    assert contact({"x": 1}) == {"name": "{{ 1 }}", "channel": "TASK"}


def test_a_function_cannot_change_the_row() -> None:
    """What a function does to its argument is its own affair."""
    row = {"x": 1, "y": 2}
    contact = compile_contact(lambda row: {"name": row.pop("x")}, CreateContact, {})
    assert (contact(row), row) == ({"name": 1}, {"x": 1, "y": 2})


@pytest.mark.parametrize("value", ["None", " nan ", "<NA>"])
def test_a_key_of_a_missing_value_is_refused(value: str) -> None:
    """The text that Python writes for what is missing would make one contact of all rows that miss it."""
    key = key_of("lead-{{ row.x }}", {})
    [fault] = faults_of(lambda: key({"x": value}))
    assert (fault.field, fault.given) == ("idempotency_key", f"the text {value.strip()}")
    assert key({"x": "None of these"}) == "lead-None of these"


def test_an_exception_of_a_function_is_the_rows_fault() -> None:
    """Its class and line are reported, its message is not: it may hold what the row holds."""

    def failing(row: dict[str, Any]) -> dict[str, Any]:
        return {"name": int(row["x"])}

    [fault] = faults_of(lambda: compile_contact(failing, CreateContact, {})({"x": SECRET}))
    line = failing.__code__.co_firstlineno + 1
    assert (fault.field, fault.given) == ("contact", f"ValueError in line {line}")
    assert fault.rule == "the function raised an error for this row"
    [fault] = faults_of(lambda: compile_contact(lambda: None, CreateContact, {})({}))  # type: ignore[arg-type,misc]
    assert fault.given == "TypeError"


@pytest.mark.parametrize("result", [None, "name", [("name", "x")]], ids=["None", "text", "list"])
def test_a_function_returns_a_mapping(result: Any) -> None:
    """Anything else is that row's fault, reported by its type."""
    [fault] = faults_of(lambda: compile_contact(lambda _row: result, CreateContact, {})({}))
    assert (fault.field, fault.rule) == (
        "contact",
        "the function must return a dict of the contact's arguments for every row",
    )


@pytest.mark.parametrize("name", ["instance_id", "client_token"])
def test_a_function_does_not_give_what_identifies_the_contact(name: str) -> None:
    """The instance is the operator's, and the token follows from the row."""
    [fault] = faults_of(lambda: compile_contact(lambda _row: {name: "x"}, CreateContact, {})({}))
    assert fault.field == f"contact.{name}"


# --- Keys -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "row", "key"),
    [
        ("{{ row.id }}", {"id": 17}, "17"),
        ("{{ row.id }}", {"id": 12.0}, "12"),
        ("o-{{ row.id }}", {"id": 0.0000001}, "o-0.0000001"),
        ("o-{{ row.id }}", {"id": Decimal("12.50")}, "o-12.50"),
        ("order-{{ row.id }}-{{ ds }}", {"id": "A"}, "order-A-2026-11-24"),
        ("{{ row.a }}-{{ row.b }}", {"a": None, "b": "B"}, "-B"),
        ("{% if row.id %}{{ row.id }}{% endif %}", {"id": "A"}, "A"),
        ("{{ row.id }}", {"id": " 🚀 "}, " 🚀 "),
    ],
)
def test_a_key_is_text(text: str, row: dict[str, Any], key: str) -> None:
    """A key is what Airflow's template gives on an operator; of a number it is that of an attribute."""
    assert key_of(text, {"ds": "2026-11-24"})(row) == key


@pytest.mark.parametrize("nothing", ["", " ", None, math.nan], ids=repr)
@pytest.mark.parametrize(
    "text", ["{{ row.id }}", "order-{{ row.id }}-{{ ds }}", "{% if true %}{{ row.id }}{% endif %}"]
)
def test_a_key_that_nothing_of_the_row_is_in_is_a_fault(text: str, nothing: object) -> None:
    """``order-`` would be the key of every row that has no ID, today and in every other run."""
    [fault] = faults_of(lambda: key_of(text, {"ds": "2026-11-24"})({"id": nothing}))
    assert (fault.field, fault.rule[:17]) == ("idempotency_key", "must not be empty")


@pytest.mark.parametrize("text", ["", "order", "{{ ds }}", "{% if ds %}{{ ds }}{% endif %}", None, 17])
def test_a_key_names_the_row(text: Any) -> None:
    """A key that is the same for every row is one error, before a row is read."""
    [fault] = faults_of(lambda: key_of(text, {"ds": "2026-11-24"}))
    assert (fault.field, fault.rule[:27]) == ("idempotency_key", "must name a column of the r")


def test_a_broken_key_is_one_error() -> None:
    """As in a contact, a mistake in the template is found before a row is read, and a missing column with its row."""
    [fault] = faults_of(lambda: key_of("{{ row.id", {}, operation="StartTaskContact"))
    assert fault.field == "idempotency_key"
    [fault] = faults_of(lambda: key_of("{{ row.id }}", {})({"order": SECRET}))
    assert fault == Fault(
        "idempotency_key", "the template names what does not exist", "the row does not have 'id' among its 1 column"
    )


def test_a_key_can_be_written_in_utf8() -> None:
    """A lone surrogate, which JSON can hold and UTF-8 cannot, is the row's fault."""
    [fault] = faults_of(lambda: key_of("{{ row.id }}", {})({"id": "a\ud800"}))
    assert fault == Fault("idempotency_key", "must be Unicode text (no lone surrogates)", "text of 2 characters")


def nested(depth: int) -> Any:
    """Return lists in lists."""
    value: Any = SECRET
    for _ in range(depth):
        value = [value]
    return value


class Unspeakable:
    """A value whose text cannot be had."""

    def __str__(self) -> str:
        raise ValueError(SECRET)


@pytest.mark.parametrize("value", [nested(100_000), 10**5_000, Unspeakable()], ids=["deep", "digits", "no text"])
def test_a_value_that_cannot_be_rendered_is_its_rows_fault(value: Any) -> None:
    """Whatever a value does, its row is named, the others are checked, and nothing of it is reported."""
    [fault] = faults_of(lambda: key_of("k-{{ row.id }}", {})({"id": value}))
    assert fault.field in ("idempotency_key", "contact")
    assert SECRET not in str(fault)
    [fault] = faults_of(lambda: render("Order {{ row.id }}", {"id": value}))
    assert SECRET not in str(fault)


# --- Columns ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "columns"),
    [
        ("{{ row.a }} {{ row['b c'] }} {{ row.d.e | upper }} {{ ds }}", {"a", "b c", "d"}),
        ("{{ row.a | default('') }} {{ row.b | d(row.c) }} {{ row.d.e | default('') }}", {"d"}),
        ("{% if row.a is defined and row.b is not undefined %}{{ row.a }}{{ row.b }}{{ row.c }}{% endif %}", {"c"}),
        ("{% if 'a' in row and 'b' not in row %}{{ row.a }}{{ row.b }}{% endif %}{{ row.c }}", {"c"}),
        ("{{ row.a if row.b else row.c }}", {"a", "b", "c"}),
        ("{% for one in row.a %}{{ one.b }}{% endfor %}{{ row[ds] }}", {"a"}),
        ("{% for row in row.lines %}{{ row.sku }}{% endfor %}", set()),
        ("{% macro m(row) %}{{ row.sku }}{% endmacro %}{{ m(row) }}", set()),
        ("{{ row }}", set()),
    ],
)
def test_columns_that_a_template_needs(template: str, columns: set[str]) -> None:
    """Those that it names, unless it says what shall be where they are not there."""
    contact = compile_contact({"channel": "TASK", "name": template}, CreateContact, {"ds": "2026-11-24"})
    assert contact.columns == columns
    if columns:
        assert key_of(f"{{{{ row.key }}}}{template}", {"ds": "x"}).columns == {"key", *columns}


def test_a_function_needs_what_it_needs() -> None:
    """Nobody knows which columns a function asks for."""
    assert compile_contact(dict, CreateContact, {}).columns == frozenset()


@pytest.mark.parametrize("template", ["{{ row.example }}", "{{ row.kim_example }}", "{{ row.name }}x"])
def test_a_cell_that_took_the_place_of_a_name_is_not_shown(template: str) -> None:
    """The row of a file without a header has data for names."""
    row = dict.fromkeys(["Kim Example", "kim@example.com", "Bonn"], "x")
    [fault] = faults_of(lambda: render(template, row))
    assert "Kim" not in str(fault)
    assert "kim@" not in str(fault)
