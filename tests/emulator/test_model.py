"""The façade over botocore's model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_connect.emulator.model import ServiceError, ServiceModel, _compile_pattern, service_model
from tests.emulator.conftest import send

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator


@pytest.fixture(scope="module")
def model() -> ServiceModel:
    return ServiceModel()


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("PUT", "/contact/create-contact", "CreateContact"),
        ("GET", "/contacts/i/c", "DescribeContact"),
        ("POST", "/contacts/i/c", "UpdateContact"),
        ("GET", "/contact/attributes/i/c", "GetContactAttributes"),
        ("POST", "/contact/attributes", "UpdateContactAttributes"),
        ("PUT", "/queues/i", "CreateQueue"),
    ],
)
def test_path_gives_operation(model: ServiceModel, method: str, path: str, name: str) -> None:
    """Method and path name the operation, whether the emulator has it or not."""
    match = model.match(method, path)
    assert match is not None
    assert match[0].name == name


@pytest.mark.parametrize("path", ["/", "/nothing", "/contacts/i", "/contacts//c", "/contacts/i/c/more"])
def test_unknown_path_is_no_operation(model: ServiceModel, path: str) -> None:
    """A path of no operation matches none, nor does a label without a value."""
    assert model.match("GET", path) is None


def test_every_operation_is_reached_by_its_own_path(model: ServiceModel) -> None:
    """No operation of the model is hidden behind another one's pattern."""
    for operations in model._routes.values():
        for operation in operations:
            path = "/" + "/".join(part.strip("{}") if part.startswith("{") else part for part in operation.segments)
            match = model.match(operation.method, path)
            assert match is not None
            assert match[0] is operation


def test_encoded_slash_stays_in_its_label(model: ServiceModel) -> None:
    """An ARN in a path arrives as one label."""
    match = model.match("GET", "/instance/arn%3Aaws%3Aconnect%3A%3A%3Ainstance%2Fabc")
    assert match is not None
    assert match[1] == {"InstanceId": "arn:aws:connect:::instance/abc"}


def test_all_faults_are_reported_at_once(model: ServiceModel) -> None:
    """One error has everything that is wrong, with paths and limits."""
    operation, labels = model.match("PUT", "/contact/create-contact") or pytest.fail("no route")
    body = b'{"InstanceId": "", "Channel": "FAX", "References": {"a": {"Value": "v"}}, "Extra": 1}'
    with pytest.raises(ServiceError) as raised:
        operation.parse(labels, b"", body)
    assert raised.value.code == "InvalidRequestException"
    for part in (
        "InstanceId: 0 characters, at least 1",
        "Channel: not one of VOICE, CHAT, TASK, EMAIL",
        "References entry 1.Type: required",
        "Extra: no parameter in the body",
        "InitiationMethod: required",
    ):
        assert part in raised.value.message


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"Name": NaN}',
        b'{"Attributes": {"a": "\\ud800"}}',
        b'{"Name": 1}',
        b'{"SegmentAttributes": ' + b'{"a": {"ValueMap": ' * 300 + b"{}" + b"}}" * 300 + b"}",
        b"[" * 100_000,
    ],
)
def test_body_of_the_wrong_form_is_refused(model: ServiceModel, body: bytes) -> None:
    """A body that is no object of the model's types is an invalid request, never a crash."""
    operation, labels = model.match("PUT", "/contact/create-contact") or pytest.fail("no route")
    with pytest.raises(ServiceError) as raised:
        operation.parse(labels, b"", body)
    assert raised.value.code == "InvalidRequestException"


def test_value_out_of_range_is_an_invalid_parameter(model: ServiceModel) -> None:
    """Where only values of parameters are wrong, the code is InvalidParameterException."""
    operation, labels = model.match("PUT", "/contact/create-contact") or pytest.fail("no route")
    body = b'{"InstanceId": "i", "Channel": "TASK", "InitiationMethod": "API", "ExpiryDurationInMinutes": 3000000000}'
    with pytest.raises(ServiceError) as raised:
        operation.parse(labels, b"", body)
    assert raised.value.code == "InvalidParameterException"
    assert "3000000000" not in raised.value.message


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^\P{C}*$", "a report ä.pdf", "a\x00b"),
        (r"^([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)$", "Größe 1", "a;b"),
        (r"^[\P{C}\r\n\t]{1,127}$", "two\nlines", "bell\x07"),
        (r"^[a-z]+$", "abc", "abc\n"),
    ],
)
def test_java_patterns_are_understood(pattern: str, good: str, bad: str) -> None:
    """Unicode categories work, and $ is the very end of the text."""
    compiled = _compile_pattern(pattern)
    assert compiled.search(good)
    assert not compiled.search(bad)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = {
    "InstanceId": st.just("b1000000-0000-4000-8000-000000000001"),
    "Channel": st.sampled_from(["TASK", "VOICE", "EMAIL", "CHAT"]),
    "InitiationMethod": st.sampled_from(["API", "TRANSFER", "OUTBOUND"]),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    operation=st.sampled_from(["CreateContact", "StartTaskContact", "UpdateContactAttributes", "SearchContacts"]),
    data=st.data(),
)
def test_no_json_is_a_crash(emulator: Emulator, operation: str, data: st.DataObject) -> None:
    """Whatever JSON comes in the members of an operation, the answer is a success or the caller's error, never 500."""
    model = service_model()._botocore.operation_model(operation)
    members = data.draw(
        st.fixed_dictionaries({}, optional={name: MEMBERS.get(name, JSON) | JSON for name in model.input_shape.members})
    )
    body = json.dumps(members).encode("utf-8")
    reply = send(emulator, model.http["method"], model.http["requestUri"], body)
    assert reply.status in (200, 400, 404), reply.body
