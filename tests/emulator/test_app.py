"""What is on the wire: statuses, headers and bytes, which boto3 forgives and other clients do not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from airflow_connect.emulator.server import Emulator
from tests.emulator.conftest import AUTHORIZATION, connect, send

if TYPE_CHECKING:
    from collections.abc import Callable

DATE = {"X-Amz-Date": "20261124T120000Z"}


def test_answer_is_the_models_json(emulator: Emulator, create: Callable[..., Any]) -> None:
    """CreateContact answers 200 with ContactId and ContactArn, as JSON without spaces, and a request ID."""
    reply = create()
    contact_id = emulator.contacts()[0]["id"]
    arn = f"arn:aws:connect:us-east-1:111122223333:instance/{emulator.instance_id}/contact/{contact_id}"
    assert reply.status == 200
    assert reply.body == f'{{"ContactId":"{contact_id}","ContactArn":"{arn}"}}'.encode()
    assert reply.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[0-9a-f-]{36}", reply.headers["x-amzn-RequestId"])
    assert reply.error is None


def test_timestamps_are_epoch_numbers(emulator: Emulator, create: Callable[..., Any]) -> None:
    """Rest-json has timestamps as numbers of epoch seconds, with milliseconds."""
    contact_id = create().json["ContactId"]
    emulator.complete(contact_id)
    contact = send(emulator, "GET", f"/contacts/{emulator.instance_id}/{contact_id}").json["Contact"]
    agent = contact["AgentInfo"]
    for value in (
        contact["InitiationTimestamp"],
        contact["DisconnectTimestamp"],
        contact["LastUpdateTimestamp"],
        agent["ConnectedToAgentTimestamp"],
    ):
        assert isinstance(value, int | float)
        assert value == pytest.approx(emulator.clock.now(), abs=60)
        assert value == round(value, 3)


def test_error_has_type_message_and_request_id(emulator: Emulator) -> None:
    """An error has the model's status, its name in x-amzn-ErrorType, and its Message in the body."""
    reply = send(emulator, "GET", f"/contacts/{emulator.instance_id}/none")
    assert (reply.status, reply.error) == (404, "ResourceNotFoundException")
    assert reply.json == {"Message": "ContactId: there is no such contact"}
    assert reply.headers["x-amzn-RequestId"]


def test_every_modelled_error_raises_its_class(emulator: Emulator, client: Any, task: dict[str, Any]) -> None:
    """Boto3 raises client.exceptions.X for the errors of the model."""
    client.create_contact(**task, ClientToken="t")
    with pytest.raises(client.exceptions.IdempotencyException):
        client.create_contact(**task, ClientToken="t", Name="other")
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.create_contact(**task | {"InstanceId": "another"})
    with pytest.raises(client.exceptions.InvalidRequestException):
        client.create_contact(**task | {"Channel": "CHAT"})
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.create_contact(**task, Name="n" * 1025)
    emulator.set_rate(0.001, 1)
    client.create_contact(**task)
    with pytest.raises(client.exceptions.ThrottlingException):
        client.create_contact(**task)


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "MissingAuthenticationTokenException"),
        (DATE | {"Authorization": "Bearer abc"}, "IncompleteSignatureException"),
        (DATE | {"Authorization": "AWS4-HMAC-SHA256 Credential=A/20261124"}, "IncompleteSignatureException"),
        ({"Authorization": AUTHORIZATION}, "IncompleteSignatureException"),
        (DATE | {"Authorization": AUTHORIZATION.replace("/connect/", "/s3/")}, "InvalidSignatureException"),
    ],
)
def test_unsigned_request_is_forbidden(
    emulator: Emulator, task: dict[str, Any], headers: dict[str, str], error: str
) -> None:
    """A request without a signature, or with an odd one, gets 403 and makes nothing."""
    reply = send(emulator, "PUT", "/contact/create-contact", task, headers)
    assert (reply.status, reply.error) == (403, error)
    assert emulator.contacts() == []


def test_missing_operation_says_its_name(emulator: Emulator) -> None:
    """An operation of Amazon Connect's that is not there answers 501 with its name."""
    reply = send(emulator, "PUT", f"/queues/{emulator.instance_id}", {})
    assert (reply.status, reply.error) == (501, "NotImplementedException")
    assert "CreateQueue is not implemented" in reply.json["Message"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PATCH", "/contact/create-contact")])
def test_unknown_path_is_an_unknown_operation(emulator: Emulator, method: str, path: str) -> None:
    """A path or method of no operation answers 404."""
    reply = send(emulator, method, path)
    assert (reply.status, reply.error) == (404, "UnknownOperationException")


def test_instance_arn_is_taken_for_its_id(emulator: Emulator, client: Any, task: dict[str, Any]) -> None:
    """Amazon takes an instance's ARN wherever it takes the ID, in bodies and in paths."""
    arn = client.describe_instance(InstanceId=emulator.instance_id)["Instance"]["Arn"]
    contact_id = client.create_contact(**task | {"InstanceId": arn})["ContactId"]
    assert client.describe_contact(InstanceId=arn, ContactId=contact_id)["Contact"]["Id"] == contact_id


def test_denied_operation_says_who_may_not_do_what(task: dict[str, Any]) -> None:
    """A denied operation gets 403 with Amazon's sentence; the others go on."""
    with Emulator(deny=["DescribeInstance"]) as emulator:
        client = connect(emulator)
        with pytest.raises(botocore.exceptions.ClientError) as raised:
            client.describe_instance(InstanceId=emulator.instance_id)
        assert raised.value.response["Error"]["Code"] == "AccessDeniedException"
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert "is not authorized to perform: connect:DescribeInstance" in raised.value.response["Error"]["Message"]
        assert client.create_contact(**task)["ContactId"]


def test_quota_is_429_and_comes_back(client: Any, emulator: Emulator, create: Callable[..., Any]) -> None:
    """Five calls at once, the sixth is refused, and half a second later there is another token."""
    emulator.set_rate(2, 5)
    assert [create().status for _ in range(6)] == [200] * 5 + [429]
    emulator.clock.advance(0.5)
    assert create().status == 200
    assert send(emulator, "GET", f"/instance/{emulator.instance_id}").status == 200


def test_errors_never_say_what_a_contact_holds(emulator: Emulator, create: Callable[..., Any]) -> None:
    """
    Whatever is wrong with a request, the answer names fields and rules, and no value or key of the caller's.

    The name of a member that the API does not have is said when it looks like a name: that is what is wrong.
    """
    secret = "geheim-7"
    replies = [
        create(Name=secret * 200, Description=secret * 1000),
        create(Attributes={f"{secret} ": secret}),
        create(Attributes={"a": secret * 4700}),
        create(SegmentAttributes={f"{secret}!": {"ValueString": secret}}),
        create(SegmentAttributes={"x": {secret: 1}}),
        create(References={secret: {"Type": "URL", "Value": secret}}),
        create(References={secret: {"Type": secret, "Value": secret}}),
        create(References={secret: {"Type": "EMAIL", "Value": secret}}),
        create(Channel=secret),
        create(ClientToken=secret * 100),
        create(UserInfo={"UserId": secret}),
        create(RelatedContactId=secret),
        create(**{f"{secret}-member": 1}),
    ]
    assert [reply.status for reply in replies if reply.status not in (400, 404)] == []
    assert [reply.body for reply in replies if secret.encode() in reply.body] == []


def test_nothing_of_a_contact_is_logged(
    emulator: Emulator, create: Callable[..., Any], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither log nor output has anything of a contact, also when a call fails inside the emulator."""
    emulator._store.insert, kept = None, emulator._store.insert  # type: ignore[method-assign, assignment]
    try:
        reply = create(Name="geheim7", Attributes={"a": "geheim7"})
    finally:
        emulator._store.insert = kept  # type: ignore[method-assign]
    create(Name="geheim7")
    assert (reply.status, reply.error) == (500, "InternalServiceException")
    assert "CreateContact: TypeError" in caplog.text
    assert "geheim7" not in caplog.text + "".join(capfd.readouterr())


def test_keep_alive_serves_many_requests(emulator: Emulator, client: Any) -> None:
    """One connection carries many requests."""
    for _ in range(20):
        client.describe_instance(InstanceId=emulator.instance_id)
    assert len(emulator.calls("DescribeInstance")) == 20
