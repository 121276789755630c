"""Amazon's prose rules, each refused over HTTP with its field, and the nearest good request accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.emulator import rules
from airflow_connect.emulator.resources import ALEX, TASKS_FLOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.emulator.server import Emulator

VOICE = {"Channel": "VOICE", "InitiationMethod": "TRANSFER"}
EMAIL = {"Channel": "EMAIL", "InitiationMethod": "OUTBOUND", "UserInfo": {"UserId": ALEX.id}}
EXPIRY = {"connect:ContactExpiry": {"ValueMap": {"ExpiryDuration": {"ValueInteger": 5}}}}


def reference(kind: str, value: str | None = None) -> dict[str, Any]:
    return {"References": {"r": {"Type": kind} | ({} if value is None else {"Value": value})}}


CREATE_REFUSED = [
    ({"Channel": "CHAT"}, "Channel: only VOICE"),
    ({"InitiationMethod": "OUTBOUND"}, "InitiationMethod: for channel TASK"),
    ({"Channel": "VOICE"}, "InitiationMethod: for channel VOICE"),
    (VOICE | {"InitiateAs": "COMPLETED"}, "InitiateAs: COMPLETED"),
    (EMAIL | {"UserInfo": {}}, "UserInfo.UserId: required"),
    ({"PreviousContactId": "p"}, "PreviousContactId: for external audio"),
    ({"Attributes": {"a b": "c"}}, "Attributes key 1"),
    ({"Attributes": {"ä": "c"}}, "Attributes key 1"),
    ({"Attributes": {"a": "ä" * 16_384}}, "Attributes: 32769 UTF-8 bytes"),
    ({"SegmentAttributes": {"a:b": {"ValueString": "c"}}}, "SegmentAttributes key 1"),
    ({"SegmentAttributes": {"a": {"ValueList": []}}}, "SegmentAttributes entry 1.ValueList"),
    ({"SegmentAttributes": {"a": {"ValueArn": "arn:aws:s3:::b"}}}, "SegmentAttributes entry 1.ValueArn"),
    ({"SegmentAttributes": {"connect:CreatedByUser": {"ValueArn": "alex"}}}, "entry 1.ValueArn: not an ARN"),
    ({"SegmentAttributes": {"connect:ContactExpiry": {"ValueInteger": 5}}}, "ExpiryDuration.ValueInteger: required"),
    ({"ExpiryDurationInMinutes": 0}, "ExpiryDurationInMinutes: at least 1"),
    ({"ExpiryDurationInMinutes": 5, "SegmentAttributes": EXPIRY}, "ExpiryDurationInMinutes: give it or"),
    (reference("EMAIL_MESSAGE", "x"), "References entry 1.Type: one of URL"),
    (reference("URL"), "References entry 1.Value: required"),
    (reference("URL", "ftp://example.com"), "References entry 1.Value: not an http"),
    (reference("URL", "https://"), "References entry 1.Value: not an http"),
    (reference("NUMBER", "1,5"), "References entry 1.Value: not a number"),
    (reference("NUMBER", "nan"), "References entry 1.Value: not a number"),
    (reference("DATE", "1795539710000"), "References entry 1.Value: not an epoch"),
    (reference("EMAIL", "a" * 244 + "@example.com"), "References entry 1.Value: not an e-mail"),
    (reference("URL", "\x01http://example.com"), "References entry 1.Value: not an http"),
    ({"SegmentAttributes": {"a": {}}}, "exactly one of ValueString"),
    ({"SegmentAttributes": {"a": {"ValueString": "b", "ValueInteger": 1}}}, "exactly one of ValueString"),
    (
        {"SegmentAttributes": {"a": {"ValueMap": {"b c": {"ValueString": ""}}}}},
        "SegmentAttributes entry 1.ValueMap key 1",
    ),
    (
        {"SegmentAttributes": {"a": {"ValueMap": {"b": {"ValueList": []}}}}},
        "SegmentAttributes entry 1.ValueMap entry 1.ValueList: for system",
    ),
    (reference("DATE", "2026-11-24"), "References entry 1.Value: not an epoch"),
    (reference("EMAIL", "alex"), "References entry 1.Value: not an e-mail"),
    (
        {
            "References": {f"r{n}": {"Type": "STRING", "Value": "ä" * 1022} for n in range(2)}
            | reference("STRING", "y" * 4)["References"]
        },
        "References: 4097 UTF-8 bytes",
    ),
]


@pytest.mark.parametrize(("members", "words"), CREATE_REFUSED, ids=[words for _, words in CREATE_REFUSED])
def test_create_contact_refuses(
    emulator: Emulator, create: Callable[..., Any], members: dict[str, Any], words: str
) -> None:
    """CreateContact answers InvalidRequestException that names field and rule, and makes nothing."""
    reply = create(**members)
    assert (reply.status, reply.error) == (400, "InvalidRequestException")
    assert words in reply.json["Message"]
    assert emulator.contacts() == []


CREATE_ACCEPTED = [
    VOICE,
    EMAIL,
    {"Channel": "EMAIL", "InitiationMethod": "FLOW"},
    {"InitiateAs": "COMPLETED"},
    {"Attributes": {"a": "ä" * 16_383 + "x"}},
    {"Attributes": {"A-z_9": ""}},
    {"SegmentAttributes": {"mine": {"ValueString": "c"}, "connect:Guide": {"ValueString": "c"}}},
    {"SegmentAttributes": EXPIRY},
    {"ExpiryDurationInMinutes": 1},
    reference("URL", "http://localhost:8080/a?b=c#d"),
    reference("NUMBER", "-1.5e3"),
    reference("DATE", "1795539710"),
    reference("DATE", "-86400"),
    reference("EMAIL", "alex@example.com"),
    reference("ATTACHMENT", "file"),
    {"References": {"r": {"Type": "STRING", "Value": "y" * 4095}}},
    {"Name": "n" * 1024, "Description": "d" * 4096},
]


@pytest.mark.parametrize("members", CREATE_ACCEPTED, ids=",".join)
def test_create_contact_accepts(create: Callable[..., Any], members: dict[str, Any]) -> None:
    """CreateContact accepts what is just inside the rules."""
    reply = create(**members)
    assert reply.status == 200, reply.body


START_REFUSED = [
    ({}, "exactly one is required, 0 are given"),
    ({"ContactFlowId": TASKS_FLOW.id, "QuickConnectId": "q"}, "exactly one is required, 2 are given"),
    ({"ContactFlowId": TASKS_FLOW.id} | reference("ATTACHMENT", "f"), "References entry 1.Type"),
    ({"ContactFlowId": TASKS_FLOW.id, "Attributes": {"a.b": "c"}}, "Attributes key 1"),
]


@pytest.mark.parametrize(("members", "words"), START_REFUSED, ids=[words for _, words in START_REFUSED])
def test_start_task_contact_refuses(start: Callable[..., Any], members: dict[str, Any], words: str) -> None:
    """StartTaskContact has rules of its own: one way to the flow, and no attachments as references."""
    reply = start(**members)
    assert (reply.status, reply.error) == (400, "InvalidRequestException")
    assert words in reply.json["Message"]


def test_all_broken_rules_are_reported(create: Callable[..., Any]) -> None:
    """One answer has every rule that the request breaks."""
    message = create(InitiationMethod="FLOW", Attributes={"a b": ""}, ExpiryDurationInMinutes=0).json["Message"]
    assert len(message.split("; ")) == 3


def test_every_rule_cites_its_page() -> None:
    """Each rule's docstring names the page of Amazon's documentation it stands on."""
    every = {
        *rules.CREATE_CONTACT,
        *rules.START_TASK_CONTACT,
        *rules.START_OUTBOUND_VOICE_CONTACT,
        *rules.TRANSFER_CONTACT,
        *rules.UPDATE_CONTACT,
    }
    assert [rule.__name__ for rule in every if "https://docs.aws.amazon.com/" not in (rule.__doc__ or "")] == []
