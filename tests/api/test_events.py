"""Contact events as EventBridge and SQS deliver them, and what is none."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_connect.api.events import ContactEventType, NotAContactEventError, contact_event, contact_events

ARN = "arn:aws:connect:us-west-2:111122223333:instance/12345678-1234-1234-1234-123456789012"


def event(**detail: Any) -> dict[str, Any]:
    """An event in the form of Amazon's sample of a disconnected call."""
    return {
        "version": "0",
        "id": "abcabcab-abca-abca-abca-abcabcabcabc",
        "detail-type": "Amazon Connect Contact Event",
        "source": "aws.connect",
        "account": "111122223333",
        "time": "2021-08-04T17:43:48Z",
        "region": "us-west-2",
        "resources": [f"{ARN}/contact/11111111-1111-1111-1111-111111111111", ARN],
        "detail": {
            "eventType": "DISCONNECTED",
            "contactId": "11111111-1111-1111-1111-111111111111",
            "previousContactId": "11111111-2222-3333-4444-555555555555",
            "channel": "Voice",
            "instanceArn": ARN,
            "initiationMethod": "OUTBOUND",
            "initiationTimestamp": "2021-08-04T17:17:53.000Z",
            "disconnectTimestamp": "2021-08-04T17:18:37.000Z",
            "queueInfo": {"queueArn": f"{ARN}/queue/q1", "enqueueTimestamp": "2021-08-04T17:29:04.000Z"},
            "AgentInfo": {"AgentArn": f"{ARN}/agent/a1", "connectedToAgentTimestamp": "2021-08-04T17:29:09.000Z"},
            **detail,
        },
    }


@pytest.mark.parametrize(
    "message",
    [
        event(),
        json.dumps(event()),
        json.dumps(event()).encode(),
        {"MessageId": "m1", "ReceiptHandle": "r1", "Body": json.dumps(event())},
        {"Body": event()},
        json.dumps({"MessageId": "m1", "Body": json.dumps(event())}),
    ],
    ids=["dict", "text", "bytes", "SQS", "SQS with a dict", "SQS as text"],
)
def test_event_in_every_wrapping(message: Any) -> None:
    """An event is the same as dict, as text, and as the body of an SQS message."""
    found = contact_event(message)

    assert found is not None
    assert found.type is ContactEventType.DISCONNECTED
    assert found.id == "abcabcab-abca-abca-abca-abcabcabcabc"
    assert found.contact_id == "11111111-1111-1111-1111-111111111111"
    assert found.previous_contact_id == "11111111-2222-3333-4444-555555555555"
    assert found.instance_id == "12345678-1234-1234-1234-123456789012"
    assert (found.channel, found.queue_id, found.agent_id) == ("VOICE", "q1", "a1")
    assert found.time == datetime(2021, 8, 4, 17, 43, 48, tzinfo=UTC)
    assert found.disconnected == datetime(2021, 8, 4, 17, 18, 37, tzinfo=UTC)
    assert found.connected_to_agent == datetime(2021, 8, 4, 17, 29, 9, tzinfo=UTC)


def test_unknown_types_and_fields_are_ignored() -> None:
    """A type that came later is no event for us, and a field that came later changes nothing."""
    assert contact_event(event(eventType="TELEPORTED")) is None
    assert contact_event(event(newField={"a": 1})) == contact_event(event())


def test_every_type_that_is_documented() -> None:
    """Each documented type is known by its name."""
    for kind in ContactEventType:
        found = contact_event(event(eventType=kind.value))
        assert found is not None
        assert found.type is kind


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"source": "aws.s3"}, 'its source must be "aws.connect"'),
        ({"source": None}, 'its source must be "aws.connect"'),
        ({"detail-type": "Contact Lens Analysis State Change"}, "its detail-type must be"),
        ({"detail": "sekret"}, "it must have a detail"),
        ({"detail": {"eventType": "QUEUED", "instanceArn": ARN}}, "its detail must have contactId"),
        ({"detail": {"contactId": "sekret"}}, "its detail must have eventType"),
        ({"id": ""}, "it must have id"),
        ({"time": "sekret"}, "time must be a time in ISO 8601"),
        ({"time": None}, "it must have time"),
    ],
)
def test_what_is_no_contact_event(change: dict[str, Any], rule: str) -> None:
    """A message of another source or form is one error that names the rule and holds nothing of the message."""
    with pytest.raises(NotAContactEventError, match=rule) as raised:
        contact_event({**event(), **change})
    assert "sekret" not in str(raised.value)


@pytest.mark.parametrize("message", ["sekret", "[]", "null", b"\xff", 7, {"Body": "sekret"}], ids=str)
def test_what_is_no_json_object(message: Any) -> None:
    """What is not a JSON object is refused, without being shown."""
    with pytest.raises(NotAContactEventError, match=r"it must be JSON|it must be a JSON object") as raised:
        contact_event(message)
    assert "sekret" not in str(raised.value)


def test_event_is_frozen() -> None:
    """An event is a value: it cannot be changed, equals its like, and can be in a set."""
    found = contact_event(event(tags={"team": "billing"}))
    assert found is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.contact_id = "other"  # type: ignore[misc]
    assert {found} == {contact_event(event(tags={"team": "billing"}))}
    assert found.tags == {"team": "billing"}
    assert "billing" not in repr(found)


@pytest.mark.parametrize("wrap", [lambda batch: batch, lambda batch: {"message_batch": batch}], ids=["list", "payload"])
def test_batch_of_a_trigger(wrap: Any) -> None:
    """What Airflow's trigger for SQS hands over holds several messages, in a payload or an asset event's extra."""
    batch = [{"Body": json.dumps(event(eventType=kind))} for kind in ("QUEUED", "TELEPORTED", "COMPLETED")]

    for messages in (wrap(batch), {"from_trigger": True, "payload": wrap(batch)}):
        assert [found.type for found in contact_events(messages)] == ["QUEUED", "COMPLETED"]


@pytest.mark.parametrize("messages", [{}, {"payload": None}, 7], ids=str)
def test_what_is_no_batch(messages: Any) -> None:
    """Something without messages is refused, rather than taken for none."""
    with pytest.raises(NotAContactEventError, match="message_batch"):
        contact_events(messages)
