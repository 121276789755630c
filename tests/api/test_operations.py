"""The checks of a request: every parameter, every rule, every fault named, and nothing of a contact shown."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pandas
import pytest
from botocore import xform_name
from botocore.session import Session

from airflow_connect.api import operations as request
from airflow_connect.api.errors import InvalidRequestError
from airflow_connect.api.fields import (
    ATTRIBUTES_MAX_BYTES,
    REFERENCES_MAX_BYTES,
    Fault,
    Written,
    checked_key,
    cut_instance_arn,
    key_path,
)
from airflow_connect.api.operations import (
    CreateContact,
    DescribeContact,
    StartOutboundVoiceContact,
    StartTaskContact,
    StopContact,
    TagContact,
    TransferContact,
    UntagContact,
    UpdateContact,
    UpdateContactAttributes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTANCE = "b1000000-0000-4000-8000-000000000001"
TASK = {"instance_id": INSTANCE, "channel": "TASK"}
VOICE = {"instance_id": INSTANCE, "channel": "VOICE"}
EMAIL = {"instance_id": INSTANCE, "channel": "EMAIL", "initiation_method": "FLOW"}
ROUTED = {"instance_id": INSTANCE, "name": "Call back", "contact_flow_id": "flow"}
CALL = {
    "instance_id": INSTANCE,
    "destination_phone_number": "+14155550100",
    "contact_flow_id": "flow",
    "queue_id": "queue",
}
NOW = 1_800_000_000.0
DAY = 86_400

#: What no fault and no error may show: it stands for a customer's data.
SECRET = "Zaphod Beeblebrox 0042"

REQUESTS = request.operations()

#: Parameters of the API that are left out on purpose, by operation.
LEFT_OUT = {
    # "… only the … outbound campaigns service principal is allowed to … call this API with OutboundStrategy."
    "StartOutboundVoiceContact": {"outbound_strategy"},
    "StopContact": {"disconnect_reason"},  # "Only Connect Customer outbound campaigns can provide this field."
    "UpdateContact": {"additional_recipients"},  # of an outbound e-mail that an agent writes
}


def create(**arguments: Any) -> dict[str, Any]:
    """Return the parameters of a TASK contact that has to be right."""
    return CreateContact(**TASK | arguments).params(now=NOW)


def start(**arguments: Any) -> dict[str, Any]:
    """Return the parameters of a routed task that has to be right."""
    return StartTaskContact(**ROUTED | arguments).params(now=NOW)


def faults_of(arguments: Mapping[str, Any], kind: Any = CreateContact) -> list[Fault]:
    """Return all faults, and see to it that they show no secret."""
    faults = kind.check(arguments, now=NOW)[1]
    reported = f"{faults} {InvalidRequestError(kind.name, faults)}"
    assert not [word for word in SECRET.split() if word in reported]
    return faults


def fields(arguments: Mapping[str, Any], kind: Any = CreateContact) -> list[str]:
    return [fault.field for fault in faults_of(arguments, kind)]


# --- The surface --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.name)
def test_parameters_are_those_of_the_model(kind: Any) -> None:
    """Every parameter of the operation is covered or left out on purpose, so that a new one is noticed."""
    model = Session().get_service_model("connect").operation_model(kind.name).input_shape
    members = {xform_name(member) for member in model.members}
    assert members - LEFT_OUT.get(kind.name, set()) == set(kind.parameters)  # an older boto3 knows fewer
    assert len(kind.parameters) == len(set(kind.parameters))


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.name)
def test_facts_are_those_of_the_model(kind: Any) -> None:
    """What a class says of its operation is in the model: its method, its answer, what identifies, and its token."""
    session = Session()
    model = session.get_service_model("connect").operation_model(kind.name)
    client = session.create_client("connect", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    assert client.meta.method_to_api_mapping[kind.method()] == kind.name
    assert kind.answer is None or kind.answer in model.output_shape.members
    assert kind.answer is not None or not model.output_shape or set(model.output_shape.members) <= {"Attributes"}
    assert set(kind.identifying) <= set(model.input_shape.members)
    required = {member for member in model.input_shape.required_members if member.endswith("Id")}
    assert required <= set(kind.identifying), "an ID that is always there can be quoted"
    has_token = "ClientToken" in model.input_shape.members
    assert has_token is (kind.promise is not request.Promise.REPEATABLE)
    assert not kind.creates_contact or kind.answer == "ContactId"


def test_operations_are_found_by_their_names() -> None:
    """By the name in the API for a call, by the short name for a bulk task; an unknown name hears which there are."""
    assert [request.operation_named(one.name) for one in REQUESTS] == list(REQUESTS)
    by_short_name = {name: operation.name for name, operation in request.operations_for_rows().items()}
    assert by_short_name == {
        "create": "CreateContact",
        "start_task": "StartTaskContact",
        "start_outbound_voice": "StartOutboundVoiceContact",
    }
    with pytest.raises(ValueError, match=r"StartChatContact is not an operation .* CreateContact, StartTaskContact"):
        request.operation_named("StartChatContact")


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.name)
def test_every_parameter_is_documented(kind: Any) -> None:
    """The class's docstring describes each parameter, and the page that has it."""
    assert [name for name in kind.parameters if f":param {name}:" not in kind.__doc__] == []
    assert f"API_{kind.name}.html" in kind.__doc__


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.name)
def test_required_parameters_are_asked_for(kind: Any) -> None:
    """A request with nothing in it hears of every parameter that is always required, once."""
    model = Session().get_service_model("connect").operation_model(kind.name).input_shape
    required = {xform_name(member) for member in model.required_members} - {"initiation_method"}
    named = [fault.field for fault in faults_of({}, kind)]
    assert required <= set(named)
    assert len(named) == len(set(named))


def test_check_needs_the_model_but_no_client() -> None:
    """A check reads botocore's model and makes no client: it needs no region, no credentials and no network."""
    code = (
        "import sys\n"
        "from airflow_connect.api.operations import CreateContact\n"
        "CreateContact(instance_id='i', channel='TASK', attributes={'a': 1}).params()\n"
        "print(sorted({'airflow', 'boto3', 'botocore.client', 'botocore.session'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- Every parameter ----------------------------------------------------------------------------------------


def test_all_parameters_of_create_contact() -> None:
    """All 14 parameters arrive under their names in the API; a VOICE contact may have a previous one."""
    arguments = {
        "instance_id": INSTANCE,
        "channel": "VOICE",
        "initiation_method": "TRANSFER",
        "name": "Call",
        "description": "A call\nof two lines",
        "attributes": {"order": 17},
        "references": {"Order": "https://example.com/17"},
        "segment_attributes": {"colour": "blue"},
        "related_contact_id": "related",
        "previous_contact_id": "previous",
        "user_info": "agent",
        "initiate_as": "CONNECTED_TO_USER",
        "expiry_duration_in_minutes": 30,
        "client_token": "token",
    }
    assert tuple(arguments) == CreateContact.parameters
    assert len(arguments) == 14
    assert CreateContact(**arguments).params() == {
        "InstanceId": INSTANCE,
        "Channel": "VOICE",
        "InitiationMethod": "TRANSFER",
        "Name": "Call",
        "Description": "A call\nof two lines",
        "Attributes": {"order": "17"},
        "References": {"Order": {"Type": "URL", "Value": "https://example.com/17"}},
        "SegmentAttributes": {"colour": {"ValueString": "blue"}},
        "RelatedContactId": "related",
        "PreviousContactId": "previous",
        "UserInfo": {"UserId": "agent"},
        "InitiateAs": "CONNECTED_TO_USER",
        "ExpiryDurationInMinutes": 30,
        "ClientToken": "token",
    }


def test_all_parameters_of_start_task_contact() -> None:
    """All parameters of StartTaskContact arrive under their names in the API, two of the three routes aside."""
    arguments = {
        "instance_id": INSTANCE,
        "name": "Call back",
        "contact_flow_id": "flow",
        "scheduled_time": datetime.fromtimestamp(NOW + DAY, UTC),
        "description": "Today",
        "attributes": {"order": 17},
        "references": {"Due": date(2026, 11, 24)},
        "segment_attributes": {"connect:CreatedByUser": "arn:aws:connect:us-west-2:1:instance/i/agent/a"},
        "previous_contact_id": "previous",
        "related_contact_id": "related",
        "attachments": [{"FileName": "a.pdf", "S3Url": "https://s3.example.com/a"}],
        "client_token": "token",
    }
    assert set(StartTaskContact.parameters) - set(arguments) == {"task_template_id", "quick_connect_id"}
    assert StartTaskContact(**arguments).params(now=NOW) == {
        "InstanceId": INSTANCE,
        "Name": "Call back",
        "ContactFlowId": "flow",
        "ScheduledTime": int(NOW) + DAY,
        "Description": "Today",
        "Attributes": {"order": "17"},
        "References": {"Due": {"Type": "DATE", "Value": "1795478400"}},
        "SegmentAttributes": {
            "connect:CreatedByUser": {"ValueString": "arn:aws:connect:us-west-2:1:instance/i/agent/a"}
        },
        "PreviousContactId": "previous",
        "RelatedContactId": "related",
        "Attachments": [{"FileName": "a.pdf", "S3Url": "https://s3.example.com/a"}],
        "ClientToken": "token",
    }


def test_all_parameters_of_start_outbound_voice_contact() -> None:
    """All parameters of StartOutboundVoiceContact arrive under their names in the API."""
    arguments = {
        "instance_id": INSTANCE,
        "destination_phone_number": "+14155550100",
        "contact_flow_id": "flow",
        "source_phone_number": "+14155550199",
        "queue_id": "queue",
        "name": "Call Kim back",
        "description": "About order 17",
        "attributes": {"order": 17},
        "references": {"Order": "https://example.com/17"},
        "related_contact_id": "related",
        "ring_timeout_in_seconds": "30",
        "answer_machine_detection_config": {"EnableAnswerMachineDetection": True, "AwaitAnswerMachinePrompt": False},
        "campaign_id": "summer",
        "traffic_type": "CAMPAIGN",
        "client_token": "token",
    }
    assert tuple(arguments) == StartOutboundVoiceContact.parameters
    assert StartOutboundVoiceContact(**arguments).params() == {
        "InstanceId": INSTANCE,
        "DestinationPhoneNumber": "+14155550100",
        "ContactFlowId": "flow",
        "SourcePhoneNumber": "+14155550199",
        "QueueId": "queue",
        "Name": "Call Kim back",
        "Description": "About order 17",
        "Attributes": {"order": "17"},
        "References": {"Order": {"Type": "URL", "Value": "https://example.com/17"}},
        "RelatedContactId": "related",
        "RingTimeoutInSeconds": 30,
        "AnswerMachineDetectionConfig": {"EnableAnswerMachineDetection": True, "AwaitAnswerMachinePrompt": False},
        "CampaignId": "summer",
        "TrafficType": "CAMPAIGN",
        "ClientToken": "token",
    }


@pytest.mark.parametrize(
    ("arguments", "field", "rule"),
    [
        ({"destination_phone_number": "415 555 0100"}, "destination_phone_number", "E.164"),
        ({"destination_phone_number": "04155550100"}, "destination_phone_number", "E.164"),
        ({"destination_phone_number": None}, "destination_phone_number", "requires it"),
        ({"source_phone_number": "+1415555010x"}, "source_phone_number", "E.164"),
        ({"contact_flow_id": None}, "contact_flow_id", "requires it"),
        ({"contact_flow_id": " "}, "contact_flow_id", "must name the flow"),
        ({"queue_id": None}, "queue_id", "this or source_phone_number is required"),
        ({"queue_id": ""}, "queue_id", "this or source_phone_number is required"),
        ({"ring_timeout_in_seconds": 14}, "ring_timeout_in_seconds", "15"),
        ({"ring_timeout_in_seconds": 61}, "ring_timeout_in_seconds", "60"),
        ({"traffic_type": "PREVIEW"}, "traffic_type", "GENERAL"),
        ({"references": {"f": {"Type": "ATTACHMENT", "Value": "x"}}}, "references.f.Type", "URL, NUMBER"),
        (
            {"answer_machine_detection_config": {"EnableAnswerMachineDetection": True}},
            "answer_machine_detection_config",
            "traffic_type must be CAMPAIGN",
        ),
    ],
)
def test_rules_of_a_call(arguments: dict[str, Any], field: str, rule: str) -> None:
    """What a call needs is asked for by its name, and the customer's number is not reported."""
    assert faults_of(CALL, StartOutboundVoiceContact) == []
    [fault] = faults_of(CALL | arguments, StartOutboundVoiceContact)
    assert fault.field == field
    assert rule in fault.rule
    assert "555" not in fault.given


def test_call_is_made_at_most_once() -> None:
    """The promise stands in the operation's class: the others may be repeated, a call may not."""
    promises = {operation.name: operation.promise.retries_unknown for operation in request.operations()}
    assert [name for name, repeats in promises.items() if not repeats] == ["StartOutboundVoiceContact"]


@pytest.mark.parametrize(("channel", "method"), [("TASK", "API"), ("VOICE", "TRANSFER")])
def test_initiation_method_has_a_default(channel: str, method: str) -> None:
    """TASK and VOICE have one initiation method, which need not be said."""
    params = CreateContact(instance_id=INSTANCE, channel=channel).params()
    assert params == {"InstanceId": INSTANCE, "Channel": channel, "InitiationMethod": method}


@pytest.mark.parametrize("method", ["OUTBOUND", "AGENT_REPLY", "FLOW"])
def test_email_names_its_initiation_method(method: str) -> None:
    """An EMAIL contact does not have a default, and the fault names the three methods."""
    email = {"instance_id": INSTANCE, "channel": "EMAIL", "user_info": "agent"}
    assert CreateContact(**email, initiation_method=method).params()["InitiationMethod"] == method
    [fault] = faults_of(email)
    assert fault.field == "initiation_method"
    assert method in fault.rule
    assert fault.given == "nothing"


@pytest.mark.parametrize("channel", [None, "TASKS", SECRET])
def test_wrong_channel_is_one_fault(channel: str | None) -> None:
    """Without a channel nothing is said about an initiation method that the channel would have had."""
    assert fields({"instance_id": INSTANCE, "channel": channel}) == ["channel"]


def test_instance_arn_is_cut_to_its_id() -> None:
    """An instance's ARN is taken in place of its ID; what only looks like one is left as it is."""
    assert create(instance_id=f"arn:aws:connect:us-east-1:123456789012:instance/{INSTANCE}")["InstanceId"] == INSTANCE
    assert cut_instance_arn(f"arn:aws-us-gov:connect:us-gov-west-1:1:instance/{INSTANCE}") == INSTANCE
    queue = f"arn:aws:connect:us-east-1:123456789012:instance/{INSTANCE}/queue/q"
    assert cut_instance_arn(queue) == queue
    assert cut_instance_arn("") == ""


def test_none_and_nan_leave_a_parameter_out() -> None:
    """A parameter that upstream data lacks is not given, whatever the way to say so."""
    for nothing in (None, math.nan, np.float32("nan"), np.datetime64("NaT"), Decimal("NaN"), Decimal("sNaN")):
        arguments = dict.fromkeys(set(CreateContact.parameters) - {"instance_id", "channel"}, nothing)
        params = CreateContact(**TASK | arguments).params()
        assert params == {"InstanceId": INSTANCE, "Channel": "TASK", "InitiationMethod": "API"}
        arguments = dict.fromkeys(set(StartTaskContact.parameters) - set(ROUTED), nothing)
        assert set(StartTaskContact(**ROUTED | arguments).params()) == {"InstanceId", "Name", "ContactFlowId"}


def test_unknown_parameter_is_reported_even_without_a_value() -> None:
    """A misspelt parameter is a fault and names those that there are."""
    [fault, other] = faults_of(TASK | {"nmae": None, "Attributes": {"a": SECRET}})
    assert (fault.field, other.field) == ("nmae", "Attributes")
    assert "attributes" in fault.rule
    assert "CreateContact" in fault.rule
    assert other.given == "dict of 1 items"


def test_parameter_that_an_older_botocore_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a botocore whose model lacks a parameter the rest works, and the parameter is refused by name."""
    model = Session().get_service_model("connect")
    members = model.operation_model("StartTaskContact").input_shape.members
    del members["Attachments"]
    monkeypatch.setattr(request, "service_model", lambda: model)
    monkeypatch.setattr(StartTaskContact, "_compiled", None)
    assert start()["ContactFlowId"] == "flow"
    assert fields(ROUTED | {"attachments": []}, StartTaskContact) == ["attachments"]


# --- Bad requests -------------------------------------------------------------------------------------------

#: Kinds of bad request: what is wrong, and the fields that have to be named, in order.
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unsupported channel": ({"channel": "CHAT"}, ["channel"]),
    "channel in lower case": ({"channel": "task"}, ["channel"]),
    "no instance": ({"instance_id": None}, ["instance_id"]),
    "empty instance": ({"instance_id": ""}, ["instance_id"]),
    "long instance": ({"instance_id": "i" * 101}, ["instance_id"]),
    "method of another channel": ({"initiation_method": "OUTBOUND"}, ["initiation_method"]),
    "unknown method": ({"initiation_method": SECRET}, ["initiation_method"]),
    "long name": ({"name": SECRET * 50}, ["name"]),
    "name that is a list": ({"name": [SECRET]}, ["name"]),
    "name of bytes that are not UTF-8": ({"name": SECRET.encode() + b"\xff"}, ["name"]),
    "name with a lone surrogate": ({"name": f"{SECRET}\ud800"}, ["name"]),
    "long description": ({"description": SECRET * 200}, ["description"]),
    "attribute key with a space": ({"attributes": {"a b": SECRET}}, ["attributes['a b']"]),
    "attribute key with an umlaut": ({"attributes": {"ü": SECRET}}, ["attributes['ü']"]),
    "empty attribute key": ({"attributes": {"": SECRET}}, ["attributes['']"]),
    "attribute key that is a number": ({"attributes": {1: SECRET}}, ["attributes[int]"]),
    "long attribute key": ({"attributes": {"k" * 32_768: ""}}, [f"attributes['{'k' * 64}…']"]),
    "attribute that is a list": ({"attributes": {"a": [SECRET]}}, ["attributes.a"]),
    "attribute that is a dict": ({"attributes": {"a": {"b": SECRET}}}, ["attributes.a"]),
    "attribute that is infinite": ({"attributes": {"a": math.inf}}, ["attributes.a"]),
    "attributes that are a list": ({"attributes": [SECRET]}, ["attributes"]),
    "attributes that are text": ({"attributes": SECRET}, ["attributes"]),
    "long attribute": ({"attributes": {"a": SECRET * 2000}}, ["attributes.a", "attributes"]),
    "many attributes": ({"attributes": {f"k{n}": SECRET for n in range(1500)}}, ["attributes"]),
    "unknown reference type": ({"references": {"r": {"Type": SECRET, "Value": "v"}}}, ["references.r.Type"]),
    "reference type of no task": (
        {"references": {"r": {"Type": "EMAIL_MESSAGE", "Value": SECRET}}},
        ["references.r.Type"],
    ),
    "reference without a type": ({"references": {"r": {"Value": SECRET}}}, ["references.r.Type"]),
    "reference whose type is None": ({"references": {"r": {"Type": None, "Value": SECRET}}}, ["references.r.Type"]),
    "reference with an unknown member": (
        {"references": {"r": {"Type": "STRING", "Value": SECRET, "value": SECRET}}},
        ["references.r.value"],
    ),
    "URL that is none": ({"references": {"r": {"Type": "URL", "Value": SECRET}}}, ["references.r.Value"]),
    "URL of another scheme": (
        {"references": {"r": {"Type": "URL", "Value": f"ftp://{SECRET[:6]}.example"}}},
        ["references.r.Value"],
    ),
    "URL with a bad port": (
        {"references": {"r": {"Type": "URL", "Value": "https://example.com:99999/"}}},
        ["references.r.Value"],
    ),
    "number that is none": ({"references": {"r": {"Type": "NUMBER", "Value": SECRET}}}, ["references.r.Value"]),
    "address that is none": ({"references": {"r": {"Type": "EMAIL", "Value": SECRET}}}, ["references.r.Value"]),
    "long address": (
        {"references": {"r": {"Type": "EMAIL", "Value": f"{'a' * 244}@example.com"}}},
        ["references.r.Value"],
    ),
    "date that is none": ({"references": {"r": {"Type": "DATE", "Value": SECRET}}}, ["references.r.Value"]),
    "date of the 13th month": ({"references": {"r": {"Type": "DATE", "Value": "2026-13-01"}}}, ["references.r.Value"]),
    "date in milliseconds": (
        {"references": {"r": {"Type": "DATE", "Value": 1_795_478_400_000}}},
        ["references.r.Value"],
    ),
    "date beyond the years": (
        {"references": {"r": datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-5)))}},
        ["references.r"],
    ),
    "many references": (
        {"references": {f"r{n}": {"Type": "STRING", "Value": SECRET * 20} for n in range(10)}},
        ["references"],
    ),
    "long reference": ({"references": {"r": SECRET * 200}}, ["references.r", "references"]),
    "reference name that is a number": ({"references": {7: [SECRET]}}, ["references[int]", "references[int]"]),
    "references that are a list": ({"references": [SECRET]}, ["references"]),
    "short reference ARN": (
        {"references": {"r": {"Type": "ATTACHMENT", "Arn": "arn:short"}}},
        ["references.r.Arn"],
    ),
    "segment key with a colon": ({"segment_attributes": {"mine:key": SECRET}}, ["segment_attributes.mine:key"]),
    "long segment key": ({"segment_attributes": {"k" * 129: SECRET}}, [f"segment_attributes['{'k' * 64}…']"]),
    "long segment value": ({"segment_attributes": {"k": SECRET * 50}}, ["segment_attributes.k"]),
    "segment value that is a list": ({"segment_attributes": {"k": [SECRET]}}, ["segment_attributes.k"]),
    "segment integer beyond 32 bits": ({"segment_attributes": {"k": 2**31}}, ["segment_attributes.k"]),
    "segment value in two forms": (
        {"segment_attributes": {"k": {"ValueString": SECRET, "ValueInteger": 1}}},
        ["segment_attributes.k"],
    ),
    "list in a segment attribute of one's own": (
        {"segment_attributes": {"k": {"ValueList": [SECRET]}}},
        ["segment_attributes.k.ValueList"],
    ),
    "ARN in a segment attribute of one's own": (
        {"segment_attributes": {"k": {"ValueArn": "arn:aws:connect:us-east-1:1:x"}}},
        ["segment_attributes.k.ValueArn"],
    ),
    "segment ARN that is none": (
        {"segment_attributes": {"connect:k": {"ValueArn": SECRET}}},
        ["segment_attributes.connect:k.ValueArn"],
    ),
    "segment integer that is text": (
        {"segment_attributes": {"k": {"ValueInteger": SECRET}}},
        ["segment_attributes.k.ValueInteger"],
    ),
    "segment map that is none": (
        {"segment_attributes": {"k": {"ValueMap": SECRET}}},
        ["segment_attributes.k.ValueMap"],
    ),
    "segment list that is none": (
        {"segment_attributes": {"connect:k": {"ValueList": SECRET}}},
        ["segment_attributes.connect:k.ValueList"],
    ),
    "expiry attribute without minutes": (
        {"segment_attributes": {"connect:ContactExpiry": SECRET}},
        ["segment_attributes.connect:ContactExpiry"],
    ),
    "segment attributes that are text": ({"segment_attributes": SECRET}, ["segment_attributes"]),
    "name of a flow": ({"user_info": "Kim Example"}, ["user_info.UserId"]),
    "long related contact": ({"related_contact_id": "c" * 257}, ["related_contact_id"]),
    "previous contact of a task": ({"previous_contact_id": SECRET}, ["previous_contact_id"]),
    "unknown member of user_info": ({"user_info": {"UserID": SECRET}}, ["user_info.UserID"]),
    "user_info that is a list": ({"user_info": [SECRET]}, ["user_info"]),
    "empty user": ({"user_info": ""}, ["user_info.UserId"]),
    "unknown state": ({"initiate_as": SECRET}, ["initiate_as"]),
    "no minutes": ({"expiry_duration_in_minutes": 0}, ["expiry_duration_in_minutes"]),
    "negative minutes": ({"expiry_duration_in_minutes": -5}, ["expiry_duration_in_minutes"]),
    "half a minute": ({"expiry_duration_in_minutes": 0.5}, ["expiry_duration_in_minutes"]),
    "true minutes": ({"expiry_duration_in_minutes": True}, ["expiry_duration_in_minutes"]),
    "minutes as words": ({"expiry_duration_in_minutes": SECRET}, ["expiry_duration_in_minutes"]),
    "minutes beyond 32 bits": ({"expiry_duration_in_minutes": 2**31}, ["expiry_duration_in_minutes"]),
    "minutes beyond all bounds": (
        {"expiry_duration_in_minutes": Decimal("1E+400")},
        ["expiry_duration_in_minutes"],
    ),
    "expiry given twice": (
        {
            "expiry_duration_in_minutes": 5,
            "segment_attributes": {"connect:ContactExpiry": {"ExpiryDuration": 5}},
        },
        ["expiry_duration_in_minutes"],
    ),
    "empty client token": ({"client_token": ""}, ["client_token"]),
    "instance that is a list": ({"instance_id": [SECRET]}, ["instance_id"]),
    "long client token": ({"client_token": "t" * 501}, ["client_token"]),
    "unknown parameter": ({"queue": SECRET}, ["queue"]),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_request(kind: str) -> None:
    """A bad request is refused with its field, its rule and what was given, and without what it holds."""
    change, named = BAD[kind]
    faults = faults_of(TASK | change)
    assert [fault.field for fault in faults] == named
    assert all(fault.rule and fault.given for fault in faults)
    with pytest.raises(InvalidRequestError) as caught:
        CreateContact(**TASK | change).params(now=NOW)
    assert caught.value.faults == tuple(faults)
    assert all(str(fault) in str(caught.value) for fault in faults)


def test_all_faults_of_a_request_at_once() -> None:
    """One error names everything that is wrong, each once, whatever else is wrong."""
    arguments = {
        "channel": "EMAIL",
        "initiation_method": "OUTBOUND",
        "name": SECRET * 100,
        "attributes": {"a b": [SECRET], "c": math.inf, "d": SECRET},
        "references": {"Site": {"Type": "URL", "Value": SECRET}, "Mail": {"Typ": "EMAIL"}},
        "segment_attributes": {"a:b": SECRET},
        "previous_contact_id": "p",
        "initiate_as": "COMPLETED",
        "expiry_duration_in_minutes": "soon",
        "colour": SECRET,
    }
    assert sorted(fields(arguments)) == [
        "attributes.c",
        "attributes['a b']",
        "attributes['a b']",
        "colour",
        "expiry_duration_in_minutes",
        "initiate_as",
        "instance_id",
        "name",
        "previous_contact_id",
        "references.Mail.Typ",
        "references.Mail.Type",
        "references.Site.Value",
        "segment_attributes.a:b",
        "user_info",
    ]


def test_error_text_names_operation_count_field_rule_and_given() -> None:
    """The text of the error is complete: what is wrong, its limit, where, and that nothing was sent."""
    with pytest.raises(InvalidRequestError) as caught:
        CreateContact(**TASK, name="x" * 1025, attributes={"a b": 1}).params()
    assert str(caught.value) == (
        "The request for CreateContact has 2 faults; nothing was sent:\n"
        "  name: at most 1,024 characters (given: 1,025 characters)\n"
        "  attributes['a b']: attribute keys consist of letters, digits, - and _ (at least one)"
        " (given: as key: text of 3 characters)"
    )
    with pytest.raises(InvalidRequestError, match="has 1 fault; nothing"):
        CreateContact(channel="TASK").params()


def test_key_in_a_fault_is_cut_short_and_stays_on_its_line() -> None:
    """A key that could be anything is shown quoted, at most 64 characters of it, without line breaks."""
    [fault] = faults_of(TASK | {"attributes": {"line\nbreak" * 20: 1}})
    assert "\n" not in str(fault)
    assert len(fault.field) < 100


# --- Rules that bind several parameters ---------------------------------------------------------------------


def test_only_tasks_are_initiated_as_completed() -> None:
    """COMPLETED is for TASK, CONNECTED_TO_USER for all."""
    assert create(initiate_as="COMPLETED")["InitiateAs"] == "COMPLETED"
    for other in (VOICE, EMAIL):
        assert fields(other | {"initiate_as": "COMPLETED"}) == ["initiate_as"]
        assert fields(other | {"initiate_as": "CONNECTED_TO_USER"}) == []


def test_previous_contact_is_for_external_audio() -> None:
    """Only a VOICE contact of CreateContact has a previous contact."""
    assert fields(VOICE | {"previous_contact_id": "p"}) == []
    assert fields(EMAIL | {"previous_contact_id": "p"}) == ["previous_contact_id"]


@pytest.mark.parametrize("method", ["OUTBOUND", "AGENT_REPLY"])
@pytest.mark.parametrize("user_info", [None, {}, {"UserId": None}, math.nan])
def test_outbound_email_requires_a_user(method: str, user_info: Any) -> None:
    """E-mails that an agent sends require a user, and a user_info without a user is none."""
    email = EMAIL | {"initiation_method": method, "user_info": user_info}
    assert fields(email) == ["user_info"]
    assert fields(email | {"user_info": "agent"}) == []
    assert fields(email | {"initiation_method": "FLOW"}) == []


@pytest.mark.parametrize("kind", ["URL", "NUMBER", "STRING", "DATE", "EMAIL", "ATTACHMENT"])
def test_reference_types_of_a_task(kind: str) -> None:
    """CreateContact takes six types of reference for a task, StartTaskContact all of them but ATTACHMENT."""
    values = {"URL": "https://a.example", "NUMBER": "1", "DATE": "1", "EMAIL": "a@b.example"}
    references = {"references": {"r": {"Type": kind, "Value": values.get(kind, "v")}}}
    assert fields(TASK | references) == []
    refused = ["references.r.Type"] if kind == "ATTACHMENT" else []
    assert fields(ROUTED | references, StartTaskContact) == refused


def test_reference_by_arn_alone() -> None:
    """A file is named by its ARN, in a task and in an e-mail; its status goes along."""
    arn = "arn:aws:connect:us-east-1:123456789012:instance/i/file/f_1.pdf"
    attachment = {"Type": "ATTACHMENT", "Arn": arn, "Status": "APPROVED", "StatusReason": "clean"}
    assert create(references={"File": attachment})["References"] == {"File": attachment}
    message = {"Type": "EMAIL_MESSAGE", "Arn": arn}
    assert CreateContact(**EMAIL, references={"Mail": message}).params()["References"] == {"Mail": message}


# --- Bytes and lengths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("character", ["a", "ü", "€", "🚀"])
def test_attribute_bytes_at_the_limit(character: str) -> None:
    """Keys and values together have 32,768 bytes in UTF-8: that many pass, one more does not."""
    size = len(character.encode())
    value = character * ((16_000 - 1) // size)
    rest = ATTRIBUTES_MAX_BYTES - (1 + len(value.encode())) - 1
    assert ATTRIBUTES_MAX_BYTES == 32_768
    assert fields(TASK | {"attributes": {"a": value, "b": "x" * rest}}) == []
    [fault] = faults_of(TASK | {"attributes": {"a": value, "b": "x" * (rest + 1)}})
    assert (fault.field, fault.given) == ("attributes", "32,769 bytes")
    [fault] = faults_of(TASK | {"attributes": {"a": value, "bb": "x" * rest}})
    assert fault.given == "32,769 bytes"


@pytest.mark.parametrize("character", ["a", "ü", "€", "🚀"])
def test_reference_bytes_at_the_limit(character: str) -> None:
    """Names and values together have 4,096 bytes in UTF-8: that many pass, one more does not."""
    value = character * 500
    rest = REFERENCES_MAX_BYTES - len("€".encode()) - len(value.encode()) - 1
    assert REFERENCES_MAX_BYTES == 4_096
    assert fields(TASK | {"references": {"€": value, "b": "x" * rest}}) == []
    [fault] = faults_of(TASK | {"references": {"€": value, "b": "x" * (rest + 1)}})
    assert (fault.field, fault.given) == ("references", "4,097 bytes")


def test_reference_that_is_left_out_does_not_count() -> None:
    """Only what is sent counts towards the limit."""
    references = {"r": "x" * 4_095, "a very long name of nothing": None}
    assert create(references=references)["References"] == {"r": {"Type": "STRING", "Value": "x" * 4_095}}


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("instance_id", 100),
        ("name", 1_024),
        ("description", 4_096),
        ("related_contact_id", 256),
        ("client_token", 500),
    ],
)
def test_length_limits(name: str, most: int) -> None:
    """Lengths count characters, not bytes; the limit passes and one more does not."""
    assert fields(TASK | {name: "🚀" * most}) == []
    [fault] = faults_of(TASK | {name: "🚀" * (most + 1)})
    assert fault == Fault(name, f"at most {most:,} characters", f"{most + 1:,} characters")


def test_longest_attribute_value() -> None:
    """A single value has at most 32,767 characters, as the model says."""
    assert fields(TASK | {"attributes": {"a": "x" * 32_767}}) == []
    assert fields(TASK | {"attributes": {"a": "x" * 32_768}}) == ["attributes.a", "attributes"]
    assert fields(TASK | {"attributes": {"k" * 32_767: ""}}) == []


# --- Scalars ------------------------------------------------------------------------------------------------


#: What is given and what is sent, as the module's docstring says.
class Team(Enum):
    """A choice whose values are text."""

    NORTH = "north"


class Size(IntEnum):
    """A choice whose values are numbers."""

    LARGE = 3


class Language(StrEnum):
    """A choice that is text itself."""

    GERMAN = "de"


class Odd(Enum):
    """A choice whose value is not a scalar."""

    LIST = (1, 2)


SCALARS: list[tuple[Any, str]] = [
    ("text", "text"),
    ("", ""),
    (" spaced ", " spaced "),
    ("{{ ds }}", "{{ ds }}"),
    (True, "true"),
    (False, "false"),
    (17, "17"),
    (-(10**30), "-1" + "0" * 30),
    (0.1, "0.1"),
    (12.0, "12"),
    (-0.5, "-0.5"),
    (1e-7, "0.0000001"),
    (1e22, "1" + "0" * 22),
    (1.5e300, "15" + "0" * 299),
    (Decimal("12.50"), "12.50"),
    (Decimal("1E+3"), "1000"),
    (Decimal("1E-9"), "0.000000001"),
    (date(2026, 11, 24), "2026-11-24"),
    (datetime(2026, 11, 24, 16, tzinfo=UTC), "2026-11-24T16:00:00+00:00"),
    (datetime(2026, 11, 24, 16, 0, 0, 5), "2026-11-24T16:00:00.000005"),
    (time(16, 5), "16:05:00"),
    (UUID(INSTANCE), INSTANCE),
    ("Köln".encode(), "Köln"),
    (bytearray(b"text"), "text"),
    (memoryview(b"text"), "text"),
    (Written("12.50"), "12.50"),
    (Written("0.12345678901234567890"), "0.12345678901234567890"),
    (Written("-1.50e2"), "-150"),
    (Team.NORTH, "north"),
    (Size.LARGE, "3"),
    (Language.GERMAN, "de"),
    (np.bytes_("Köln".encode()), "Köln"),
    (pandas.Timestamp("2026-11-24T16:00:00.000005006"), "2026-11-24T16:00:00.000005"),
    (np.str_("text"), "text"),
    (np.bool_(True), "true"),
    (np.int8(-5), "-5"),
    (np.uint64(2**64 - 1), "18446744073709551615"),
    (np.float16(0.1), "0.1"),
    (np.float32(0.1), "0.1"),
    (np.float64(0.1), "0.1"),
    (np.float32(1e10), "10000000000"),
    (np.array(7), "7"),
    (np.datetime64("2026-11-24"), "2026-11-24"),
    (np.datetime64("2026-11-24T16:00"), "2026-11-24T16:00:00"),
    (np.datetime64("2026-11-24T16:00:00.000005", "ns"), "2026-11-24T16:00:00.000005"),
]


@pytest.mark.parametrize(
    ("given", "sent"), SCALARS, ids=[f"{type(given).__name__}-{sent}"[:40] for given, sent in SCALARS]
)
def test_scalar_becomes_text(given: Any, sent: str) -> None:
    """A scalar has one documented form, wherever Amazon Connect takes text."""
    params = create(description=given, attributes={"a": given}, references={"r": {"Type": "STRING", "Value": given}})
    assert params["Description"] == sent
    assert params["Attributes"] == {"a": sent}
    assert params["References"]["r"]["Value"] == sent
    assert type(params["Attributes"]["a"]) is str


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0\u2003", "\u200b", "\u2060 "], ids=ascii)
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        (CreateContact, TASK),
        (request.StartTaskContact, {"instance_id": INSTANCE, "contact_flow_id": "flow"}),
        (
            request.StartOutboundVoiceContact,
            {
                "instance_id": INSTANCE,
                "contact_flow_id": "flow",
                "queue_id": "queue",
                "destination_phone_number": "+14155550100",
            },
        ),
        (request.UpdateContact, {"instance_id": INSTANCE, "contact_id": "contact"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_blank_name_is_refused(operation: Any, arguments: dict[str, Any], blank: str) -> None:
    """Agents would see a line without a word in their list."""
    _, faults = operation.check(arguments | {"name": blank})
    assert "name" in [fault.field for fault in faults]
    assert operation.check(arguments | {"name": "\u200dx"})[1] == []


CONTROL = ["\0", "\x07", "\x1b", "\x7f", "\x85", "\x9b"]


@pytest.mark.parametrize("control", [*CONTROL, "\t", "\n", "\r"], ids=ascii)
def test_control_characters_are_refused(control: str) -> None:
    """Everywhere but for the tabs and line ends of a text of several lines: a name, a key and an ID are of one line."""
    text = f"a{control}b"
    of_one_line: list[tuple[dict[str, Any], str]] = [
        ({"name": text}, "name"),
        ({"references": {text: "x"}}, key_path("references", text)),
        ({"related_contact_id": text}, "related_contact_id"),
        ({"client_token": text}, "client_token"),
    ]
    of_lines: list[tuple[dict[str, Any], str]] = [
        ({"description": text}, "description"),
        ({"attributes": {"a": text}}, "attributes.a"),
        ({"references": {"r": text}}, "references.r"),
        ({"segment_attributes": {"s": text}}, "segment_attributes.s"),
    ]
    for arguments, field in of_one_line:
        assert fields(TASK | arguments) == [field]
    for arguments, field in of_lines:
        assert fields(TASK | arguments) == ([field] if control in CONTROL else [])
    assert fields(TASK | {"attributes": {text: "x"}}) == [key_path("attributes", text)]
    _, fault = checked_key(text)
    assert fault is not None
    assert fault.rule == "must hold no control characters"
    assert checked_key("Köln-1\u200d") == ("Köln-1\u200d", None)


def test_written_number_calculates() -> None:
    """A number that keeps its digits is a float for everything else, also after it was pickled."""
    number = pickle.loads(pickle.dumps(Written("12.50")))
    assert (number * 2, str(number), number.digits) == (25.0, "12.50", "12.50")


NOTHING = [
    None,
    math.nan,
    Decimal("NaN"),
    Decimal("sNaN"),
    np.float32("nan"),
    np.float64("nan"),
    np.datetime64("NaT"),
    np.datetime64("NaT", "ns"),
    np.timedelta64("NaT"),
    pandas.NA,
    pandas.NaT,
]


@pytest.mark.parametrize("nothing", NOTHING, ids=lambda nothing: type(nothing).__name__)
def test_missing_value_leaves_its_place_out(nothing: Any) -> None:
    """None, NaN, NaT and NA leave the attribute, reference or segment attribute out."""
    params = create(
        attributes={"a": 1, "b": nothing},
        references={"r": "x", "s": nothing, "t": {"Type": "STRING", "Value": nothing}},
        segment_attributes={
            "k": "v",
            "l": nothing,
            "m": {"ValueString": nothing},
            "n": {"ValueInteger": nothing},
            "o": {"ValueMap": nothing},
            "connect:p": {"ValueList": ["x", nothing]},
            "q": {"r": nothing},
        },
    )
    assert params["Attributes"] == {"a": "1"}
    assert params["References"] == {"r": {"Type": "STRING", "Value": "x"}}
    assert params["SegmentAttributes"] == {
        "k": {"ValueString": "v"},
        "connect:p": {"ValueList": [{"ValueString": "x"}]},
        "q": {"ValueMap": {}},
    }


def test_row_of_a_data_frame() -> None:
    """A row of a DataFrame is taken as it comes: integers, floats, texts, times, categories, and what is missing."""
    frame = pandas.DataFrame(
        {
            "order": pandas.Series([17, None], dtype="Int64"),
            "price": pandas.Series([12.5, math.nan], dtype="float32"),
            "name": pandas.Series(["Ada", None], dtype="string"),
            "kind": pandas.Series(["new", None], dtype="category"),
            "paid": pandas.Series([True, None], dtype="boolean"),
            "at": pandas.to_datetime(pandas.Series(["2026-11-24T16:00:00Z", None])),
        }
    )
    full, empty = (CreateContact(**TASK, attributes=row).params()["Attributes"] for row in frame.to_dict("records"))
    assert full == {
        "order": "17",
        "price": "12.5",
        "name": "Ada",
        "kind": "new",
        "paid": "true",
        "at": "2026-11-24T16:00:00+00:00",
    }
    assert empty == {}
    assert fields(TASK | {"attributes": {"a": frame, "b": frame["order"], "c": pandas.Timedelta(1)}}) == [
        "attributes.a",
        "attributes.b",
        "attributes.c",
    ]


@pytest.mark.parametrize(
    "value",
    [
        [SECRET],
        (SECRET,),
        {SECRET},
        {"a": SECRET},
        SECRET.encode() + b"\xff",
        bytearray(SECRET.encode("utf-16")),
        memoryview(SECRET.encode("utf-16")),
        math.inf,
        -math.inf,
        Decimal("Infinity"),
        np.float64("inf"),
        np.array([1, 2]),
        np.complex64(1),
        np.timedelta64(1, "s"),
        np.timedelta64(1, "ns"),
        Odd.LIST,
        Path(SECRET),
        np.datetime64("20000-01-01"),
        timedelta(1),
        1j,
        Fraction(1, 3),
        object(),
        10**5000,
        Decimal("1E+999999999"),
        Decimal("1E-999999999"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_scalar_is_refused(value: Any) -> None:
    """Lists, dicts, other bytes, durations and infinities are refused, reported by type and length alone."""
    for arguments, field in (
        ({"attributes": {"a": value}}, "attributes.a"),
        ({"name": value}, "name"),
        ({"references": {"r": {"Type": "STRING", "Value": value}}}, "references.r.Value"),
    ):
        assert fields(TASK | arguments) == [field]


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("x" * 1025, "1,025 characters"),
        ([1, 2], "list of length 2"),
        ({"a": 1}, "dict of 1 items"),
        (b"ab\xff", "bytes of length 3 that are not UTF-8"),
        (math.inf, "a float that is not finite"),
        (Decimal("-Infinity"), "a Decimal that is not finite"),
        (10**5000, "a number of more than 4,000 digits"),
        (1j, "a value of type complex"),
        ("\ud800", "text of 1 character"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_given_says_length_or_type(value: Any, given: str) -> None:
    """What was found is reported as a length, a count or a type."""
    [fault] = faults_of(TASK | {"name": value})
    assert fault.given == given


def test_text_that_renders_as_template_stays_text() -> None:
    """A value that itself looks like a template is sent as it is."""
    assert create(attributes={"a": "{{ var.value.secret }}"})["Attributes"] == {"a": "{{ var.value.secret }}"}


# --- References ---------------------------------------------------------------------------------------------

#: A reference written short, its type, and its value on the wire.
INFERRED: list[tuple[Any, str, str]] = [
    ("https://example.com/orders/17?a=b#c", "URL", "https://example.com/orders/17?a=b#c"),
    ("HTTP://EXAMPLE.COM", "URL", "HTTP://EXAMPLE.COM"),
    ("https://[2001:db8::1]:8443/", "URL", "https://[2001:db8::1]:8443/"),
    ("https://", "STRING", "https://"),
    ("https://example.com/a b", "STRING", "https://example.com/a b"),
    ("https://example.com:port/", "STRING", "https://example.com:port/"),
    ("http://[::1", "STRING", "http://[::1"),
    ("ftp://example.com", "STRING", "ftp://example.com"),
    ("example.com", "STRING", "example.com"),
    ("17", "NUMBER", "17"),
    ("-3.50", "NUMBER", "-3.50"),
    ("0", "NUMBER", "0"),
    ("0.5", "NUMBER", "0.5"),
    ("007", "STRING", "007"),
    ("01067", "STRING", "01067"),
    ("+49", "STRING", "+49"),
    ("1e5", "STRING", "1e5"),
    ("1,5", "STRING", "1,5"),
    ("١٢", "STRING", "١٢"),
    ("nan", "STRING", "nan"),
    (17, "NUMBER", "17"),
    (0.5, "NUMBER", "0.5"),
    (Decimal("12.50"), "NUMBER", "12.50"),
    (np.int64(5), "NUMBER", "5"),
    (True, "STRING", "true"),
    ("2026-11-24", "DATE", "1795478400"),
    ("2026-11-24T16:00:00", "DATE", "1795536000"),
    ("2026-11-24 16:00", "DATE", "1795536000"),
    ("2026-11-24T16:00:00Z", "DATE", "1795536000"),
    ("2026-11-24T17:00:00+01:00", "DATE", "1795536000"),
    ("2026-11-24T16:00:00.999Z", "DATE", "1795536000"),
    ("2026-02-30", "STRING", "2026-02-30"),
    ("2026-11", "STRING", "2026-11"),
    ("24.11.2026", "STRING", "24.11.2026"),
    (date(2026, 11, 24), "DATE", "1795478400"),
    (datetime(2026, 11, 24, 16), "DATE", "1795536000"),
    (datetime(2026, 11, 24, 17, tzinfo=timezone(timedelta(hours=1))), "DATE", "1795536000"),
    (date(1969, 12, 31), "DATE", "-86400"),
    (np.datetime64("2026-11-24"), "DATE", "1795478400"),
    ("ada@example.com", "EMAIL", "ada@example.com"),
    ("ada@example", "STRING", "ada@example"),
    ("ada lovelace@example.com", "STRING", "ada lovelace@example.com"),
    ("Call back", "STRING", "Call back"),
    ("", "STRING", ""),
    (UUID(INSTANCE), "STRING", INSTANCE),
]


@pytest.mark.parametrize(("given", "kind", "sent"), INFERRED, ids=[repr(given)[:40] for given, _, _ in INFERRED])
def test_reference_written_short(given: Any, kind: str, sent: str) -> None:
    """URLs, numbers without leading zeros, ISO dates and e-mail addresses are recognised; all else is a STRING."""
    assert create(references={"r": given})["References"] == {"r": {"Type": kind, "Value": sent}}


@pytest.mark.parametrize(
    "value",
    [
        1_795_536_000,
        "1795536000",
        " 1795536000 ",
        1_795_536_000.9,
        Decimal(1_795_536_000),
        "2026-11-24T16:00:00Z",
        "2026-11-24T16:00",
        datetime(2026, 11, 24, 16, tzinfo=UTC),
        np.datetime64("2026-11-24T16:00"),
    ],
    ids=repr,
)
def test_date_reference_becomes_epoch_seconds(value: Any) -> None:
    """A DATE is a date, a datetime, ISO text or epoch seconds, and whole epoch seconds on the wire."""
    reference = {"Type": "DATE", "Value": value}
    assert create(references={"r": reference})["References"] == {"r": {"Type": "DATE", "Value": "1795536000"}}


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (-62_135_596_800, True),
        (-62_135_596_801, False),
        (253_402_300_799, True),
        (253_402_300_800, False),
        (10**400, False),
        ("9" * 30, False),
        (Decimal("1E+999999999"), False),
        (math.inf, False),
        (True, False),
        ("٣", False),
        ("2026-11-24T25:00", False),
        ("tomorrow", False),
        ([1], False),
        (date.max, True),
        (datetime.min, True),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), False),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_range_of_dates(value: Any, accepted: bool) -> None:
    """Dates lie in the years 1 to 9999, which catches milliseconds; anything else is no date."""
    named = fields(TASK | {"references": {"r": {"Type": "DATE", "Value": value}}})
    assert named == ([] if accepted else ["references.r.Value"])


@pytest.mark.parametrize("value", ["1", "-1.5", "+2", ".5", "5.", "1e5", "1E-3", "0012", 7, 0.1, Decimal("1.0")])
def test_number_reference_takes_numbers(value: Any) -> None:
    """A NUMBER in the long form is any decimal number."""
    assert fields(TASK | {"references": {"r": {"Type": "NUMBER", "Value": value}}}) == []


@pytest.mark.parametrize("value", ["", " 1", "1 ", "1_000", "1,5", "0x1", "nan", "inf", "e5", ".", "٣", True])
def test_number_reference_refuses_the_rest(value: Any) -> None:
    """What only Python, or only a person, reads as a number is none."""
    assert fields(TASK | {"references": {"r": {"Type": "NUMBER", "Value": value}}}) == ["references.r.Value"]


# --- Segment attributes, users, expiry ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("text", {"ValueString": "text"}),
        (5, {"ValueInteger": 5}),
        (np.int32(5), {"ValueInteger": 5}),
        (True, {"ValueString": "true"}),
        (0.5, {"ValueString": "0.5"}),
        (date(2026, 11, 24), {"ValueString": "2026-11-24"}),
        (
            {"a": 1, "b": {"c": "d"}},
            {"ValueMap": {"a": {"ValueInteger": 1}, "b": {"ValueMap": {"c": {"ValueString": "d"}}}}},
        ),
        ({}, {"ValueMap": {}}),
        ({"ValueString": 5}, {"ValueString": "5"}),
        ({"ValueInteger": 5}, {"ValueInteger": 5}),
        ({"ValueInteger": " -5 "}, {"ValueInteger": -5}),
        ({"ValueMap": {"a": "b"}}, {"ValueMap": {"a": {"ValueString": "b"}}}),
    ],
    ids=repr,
)
def test_segment_attribute_short_and_long(given: Any, sent: dict[str, Any]) -> None:
    """Text, integers and dicts are written short; the long form works too, with the number as text of a template."""
    assert create(segment_attributes={"k": given})["SegmentAttributes"] == {"k": sent}


def test_amazons_segment_attributes_hold_lists_and_arns() -> None:
    """Only attributes that begin with connect: can hold a list or an ARN, at any depth."""
    value = {"ValueList": [1, {"ValueArn": "arn:aws:connect:us-east-1:1:x"}]}
    sent = {"ValueList": [{"ValueInteger": 1}, {"ValueArn": "arn:aws:connect:us-east-1:1:x"}]}
    assert create(segment_attributes={"connect:k": value})["SegmentAttributes"] == {"connect:k": sent}
    assert create(segment_attributes={"connect:k": {"a": value}})["SegmentAttributes"]["connect:k"]
    assert fields(TASK | {"segment_attributes": {"k": {"a": value}}}) == [
        "segment_attributes.k.a.ValueList",
        "segment_attributes.k.a.ValueList[1].ValueArn",
    ]


def test_keys_inside_a_segment_map_are_checked() -> None:
    """A key inside a map is a segment attribute's key, which is not Amazon's own."""
    attributes = {"k": {"a b": 1, "connect:c": 2, "d" * 129: 3, 4: 4}}
    assert len(fields(TASK | {"segment_attributes": attributes})) == 4


@pytest.mark.parametrize("minutes", [{"ExpiryDuration": 5}, {"ValueMap": {"ExpiryDuration": {"ValueInteger": "5"}}}])
def test_expiry_as_segment_attribute(minutes: Any) -> None:
    """The expiry can be a segment attribute, in both requests, short and long."""
    sent = {"connect:ContactExpiry": {"ValueMap": {"ExpiryDuration": {"ValueInteger": 5}}}}
    attributes = {"connect:ContactExpiry": minutes}
    assert create(segment_attributes=attributes)["SegmentAttributes"] == sent
    assert start(segment_attributes=attributes)["SegmentAttributes"] == sent


@pytest.mark.parametrize("value", [5, "5", {}, {"ExpiryDuration": 0}, {"ExpiryDuration": "5"}, {"expiry": 5}], ids=repr)
def test_expiry_attribute_without_minutes(value: Any) -> None:
    """The expiry attribute takes a map with a positive whole number of minutes and nothing else."""
    attributes = {"segment_attributes": {"connect:ContactExpiry": value}}
    assert fields(TASK | attributes) == ["segment_attributes.connect:ContactExpiry"]
    assert fields(ROUTED | attributes, StartTaskContact) == ["segment_attributes.connect:ContactExpiry"]


@pytest.mark.parametrize("given", [1, 30, 2**31 - 1, 30.0, Decimal(30), "30", " 30 ", np.int64(30)])
def test_expiry_minutes(given: Any) -> None:
    """Minutes are a positive whole number, as text too, since a template makes text of every number."""
    assert create(expiry_duration_in_minutes=given)["ExpiryDurationInMinutes"] == int(given)


@pytest.mark.parametrize("given", ["agent", {"UserId": "agent"}])
def test_user_info_short_and_long(given: Any) -> None:
    """The user's ID alone stands for the structure."""
    assert create(user_info=given)["UserInfo"] == {"UserId": "agent"}
    assert create(user_info=UUID(INSTANCE))["UserInfo"] == {"UserId": INSTANCE}


# --- StartTaskContact ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["contact_flow_id", "task_template_id", "quick_connect_id"])
def test_one_route(route: str) -> None:
    """Exactly one of the three routes is given, and any one will do."""
    task = {"instance_id": INSTANCE, "name": "n"}
    assert fields(task | {route: "x"}, StartTaskContact) == []
    [fault] = faults_of(task, StartTaskContact)
    assert (fault.field, fault.given) == ("contact_flow_id", "none")
    routes = {"contact_flow_id": "x", "task_template_id": "x", "quick_connect_id": "x"}
    [fault] = faults_of(task | routes, StartTaskContact)
    assert fault.given == "3 of them"
    del routes[route]
    [fault] = faults_of(task | routes, StartTaskContact)
    assert fault.given == "2 of them"


def test_empty_route_is_none() -> None:
    """A route that a template rendered to nothing does not count."""
    assert fields(ROUTED | {"contact_flow_id": ""}, StartTaskContact) == ["contact_flow_id"]
    assert fields(ROUTED | {"quick_connect_id": ""}, StartTaskContact) == []


def test_faulty_route_is_one_fault() -> None:
    """A route that is wrong in itself is not also missing."""
    assert fields(ROUTED | {"contact_flow_id": [SECRET]}, StartTaskContact) == ["contact_flow_id"]


@pytest.mark.parametrize(
    ("ahead", "accepted"),
    [(0, True), (-1, False), (1, True), (6 * DAY, True), (6 * DAY + 1, False), (-10 * DAY, False)],
)
def test_scheduled_time_window(ahead: int, accepted: bool) -> None:
    """A task is scheduled from now to six days ahead, whichever way the time is written."""
    at = NOW + ahead
    for value in (
        at,
        int(at),
        str(int(at)),
        datetime.fromtimestamp(at, UTC),
        datetime.fromtimestamp(at, UTC).isoformat(),
    ):
        named = fields(ROUTED | {"scheduled_time": value}, StartTaskContact)
        assert named == ([] if accepted else ["scheduled_time"])


def test_scheduled_now_is_not_in_the_past() -> None:
    """Whole seconds are sent, so that a task may be scheduled for the second that has begun."""
    now = NOW + 0.75
    params = StartTaskContact(**ROUTED, scheduled_time=datetime.fromtimestamp(now, UTC)).params(now=now)
    assert params["ScheduledTime"] == int(NOW)


def test_scheduled_time_says_by_how_much() -> None:
    """The fault says how far from now the time lies, which is not a customer's data."""
    [past] = faults_of(ROUTED | {"scheduled_time": NOW - 90}, StartTaskContact)
    assert past == Fault("scheduled_time", "must not lie in the past", "90 s ago")
    [future] = faults_of(ROUTED | {"scheduled_time": NOW + 10 * DAY}, StartTaskContact)
    assert future == Fault("scheduled_time", "must lie within 6 days from now", "10.0 days ahead")


def test_scheduled_time_uses_the_clock_by_default() -> None:
    """Without a given time the present is the clock's."""
    StartTaskContact(**ROUTED, scheduled_time=datetime.now(UTC) + timedelta(hours=1)).params()
    with pytest.raises(InvalidRequestError, match="scheduled_time"):
        StartTaskContact(**ROUTED, scheduled_time=datetime.now(UTC) - timedelta(hours=1)).params()


@pytest.mark.parametrize("value", [SECRET, True, math.inf, [NOW], 1_800_000_000_000], ids=repr)
def test_scheduled_time_that_is_none(value: Any) -> None:
    """What is not a time is reported as that."""
    assert fields(ROUTED | {"scheduled_time": value}, StartTaskContact) == ["scheduled_time"]


@pytest.mark.parametrize(
    ("attachments", "named"),
    [
        ([], ["attachments"]),
        ([None], ["attachments"]),
        ([{"FileName": "a", "S3Url": "u"}] * 5, []),
        ([{"FileName": "a", "S3Url": "u"}] * 6, ["attachments"]),
        (({"FileName": "a", "S3Url": "u"},), []),
        ({"FileName": SECRET, "S3Url": "u"}, ["attachments"]),
        ([SECRET], ["attachments[0]"]),
        ([{"FileName": "a"}], ["attachments[0].S3Url"]),
        ([{"FileName": None, "S3Url": "u"}], ["attachments[0].FileName"]),
        ([{"FileName": [SECRET], "S3Url": "u"}], ["attachments[0].FileName"]),
        ([{"FileName": "a\nb", "S3Url": "u"}], ["attachments[0].FileName"]),
        ([{"FileName": "a" * 257, "S3Url": "u" * 2001}], ["attachments[0].FileName", "attachments[0].S3Url"]),
        ([{"FileName": "Zeugnis €.pdf", "S3Url": "u", "Size": 1}], ["attachments[0].Size"]),
    ],
    ids=range(13),
)
def test_attachments(attachments: Any, named: list[str]) -> None:
    """One to five attachments, each with a file name without control characters and a URL."""
    assert fields(ROUTED | {"attachments": attachments}, StartTaskContact) == named


def test_name_of_a_task_is_required() -> None:
    """StartTaskContact requires a name, and NaN is none."""
    assert fields(ROUTED | {"name": None}, StartTaskContact) == ["name"]
    assert fields(ROUTED | {"name": math.nan}, StartTaskContact) == ["name"]


# --- The requests about contacts that exist -----------------------------------------------------------------

CONTACT = {"instance_id": INSTANCE, "contact_id": "c"}


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        (StopContact, CONTACT, []),
        (StopContact, {"instance_id": INSTANCE}, ["contact_id"]),
        (UpdateContact, CONTACT, ["name"]),
        (UpdateContact, CONTACT | {"name": "n"}, []),
        (
            UpdateContact,
            CONTACT | {"references": {"r": {"Type": "URL", "Value": SECRET}}},
            ["references.r.Value"],
        ),
        (UpdateContact, CONTACT | {"customer_endpoint": {"Type": SECRET}}, ["customer_endpoint.Type"]),
        (UpdateContactAttributes, {"instance_id": INSTANCE, "initial_contact_id": "c"}, ["attributes"]),
        (TagContact, CONTACT | {"tags": {"team": "red"}}, []),
        (TagContact, CONTACT | {"tags": {}}, ["tags"]),
        (TagContact, CONTACT | {"tags": SECRET}, ["tags"]),
        (TagContact, CONTACT | {"tags": {"team": [SECRET]}}, ["tags.team"]),
        (TagContact, CONTACT | {"tags": {"a": None}}, ["tags"]),
        (TagContact, CONTACT | {"tags": {f"k{n}": "v" for n in range(7)}}, ["tags"]),
        (TagContact, CONTACT | {"tags": {"aws:team": SECRET}}, ["tags.aws:team"]),
        (TagContact, CONTACT | {"tags": {"team\n": "red"}}, ["tags['team\\n']"]),
        (UntagContact, CONTACT | {"tag_keys": ["team", None]}, []),
        (UntagContact, CONTACT | {"tag_keys": []}, ["tag_keys"]),
        (UntagContact, CONTACT | {"tag_keys": "team"}, ["tag_keys"]),
        (TransferContact, CONTACT | {"contact_flow_id": "f", "queue_id": "q"}, []),
        (TransferContact, CONTACT | {"contact_flow_id": "f", "queue_id": "", "user_id": "u"}, []),
        (TransferContact, CONTACT | {"contact_flow_id": "f", "queue_id": "q", "user_id": "u"}, ["queue_id"]),
    ],
    ids=lambda value: getattr(value, "operation", None),
)
def test_requests_about_contacts_that_exist(kind: Any, arguments: dict[str, Any], named: list[str]) -> None:
    """Stopping, updating, tagging and transferring are checked by the same rules."""
    assert fields(arguments, kind) == named


def test_missing_list_members_are_not_sent() -> None:
    """A key that upstream data lacks is left out of the list."""
    params = UntagContact(**CONTACT, tag_keys=["a", None, math.nan]).params()
    assert params["TagKeys"] == ["a"]


# --- What a request is --------------------------------------------------------------------------------------


def test_arguments_are_not_changed() -> None:
    """A check makes new maps and leaves the author's as they are."""
    attributes, references = {"a": 1}, {"r": {"Type": "DATE", "Value": "2026-11-24"}}
    segment_attributes = {"k": {"a": 1}}
    params = create(attributes=attributes, references=references, segment_attributes=segment_attributes)
    assert attributes == {"a": 1}
    assert references == {"r": {"Type": "DATE", "Value": "2026-11-24"}}
    assert segment_attributes == {"k": {"a": 1}}
    assert params == create(attributes=attributes, references=references, segment_attributes=segment_attributes)


def test_parameters_pass_botocores_own_check() -> None:
    """What a check returns is what botocore's client takes."""
    from botocore.validate import ParamValidator

    model = Session().get_service_model("connect")
    params = start(
        scheduled_time=NOW + DAY,
        attributes={"a": 1},
        references={"r": 1},
        segment_attributes={"connect:k": {"ValueList": [1, "a", {"b": "c"}]}},
        attachments=[{"FileName": "a", "S3Url": "u"}],
    )
    shape = model.operation_model("StartTaskContact").input_shape
    assert ParamValidator().validate(params, shape).generate_report() == ""


def test_error_survives_pickling() -> None:
    """The error crosses processes with its faults."""
    with pytest.raises(InvalidRequestError) as caught:
        CreateContact(channel="CHAT").params()
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.faults == caught.value.faults
    assert all(isinstance(fault, Fault) for fault in copy.faults)


@pytest.mark.parametrize("flow", ["Route billing", "Sample inbound flow (first contact experience)"])
def test_name_of_a_flow_is_not_its_id(flow: str) -> None:
    """A flow's name where its ID is wanted is said to be a name."""
    with pytest.raises(InvalidRequestError) as raised:
        StartTaskContact(instance_id="i", name="n", contact_flow_id=flow).params()
    [fault] = raised.value.faults
    assert (fault.field, fault.rule) == ("contact_flow_id", "must be an ID or an ARN, and not a name")
    assert flow not in str(raised.value)


def test_choice_in_other_letters_is_shown() -> None:
    """A word that is one of the choices but for its case is shown: it is the author's, and not a customer's."""
    with pytest.raises(InvalidRequestError, match=r"channel: must be TASK, VOICE or EMAIL \(given: 'task'\)"):
        CreateContact(instance_id="i", channel="task").params()


ARN = f"arn:aws:connect:us-east-1:123456789012:instance/{INSTANCE}/contact/b1000000-0000-4000-8000-00000000c0de"
CONTACT_ID = "b1000000-0000-4000-8000-00000000c0de"


@pytest.mark.parametrize("operation", request.operations(), ids=lambda operation: operation.name)
def test_a_contacts_arn_is_its_id(operation: Any) -> None:
    """Wherever an operation takes a contact's ID, as an instance's ARN is the instance's ID."""
    names = [name for name in operation.parameters if name.endswith("contact_id")]
    for name in names:
        params, faults = operation.check({name: ARN})
        assert name not in [fault.field for fault in faults]
        assert CONTACT_ID in params.values()
        assert "another" in operation.check({name: "another"})[0].values()


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("mailto:kim@example.com", ("EMAIL", "kim@example.com")),
        ("MAILTO:kim@example.com", ("EMAIL", "kim@example.com")),
        ("mailto:kim@example.com,jo@example.com", ("STRING", "mailto:kim@example.com,jo@example.com")),
        ("mailto:", ("STRING", "mailto:")),
        ("sip:kim@example.com", ("STRING", "sip:kim@example.com")),
        ("ftp://kim@example.com", ("STRING", "ftp://kim@example.com")),
        ("<kim@example.com>", ("STRING", "<kim@example.com>")),
        ("o'neil+x@example.com", ("EMAIL", "o'neil+x@example.com")),
        ("ü@bücher.example", ("EMAIL", "ü@bücher.example")),
    ],
)
def test_an_address_in_a_link_is_the_address(given: str, sent: tuple[str, str]) -> None:
    """Agents write to an address, and nothing that only has one in it is one."""
    reference = create(references={"r": given})["References"]["r"]
    assert (reference["Type"], reference["Value"]) == sent
    if sent[0] == "STRING":
        assert fields(TASK | {"references": {"r": {"Type": "EMAIL", "Value": given}}}) == ["references.r.Value"]


@pytest.mark.parametrize("kind", [DescribeContact, StopContact])
def test_contact_is_one_id(kind: Any) -> None:
    """Blanks around an ID or an ARN, such as a command's output has, do not count; what cannot be an ID is refused."""
    contact = "aaaaaaaa-1234-4123-8123-123456789012"
    arn = f"arn:aws:connect:eu-central-1:123456789012:instance/{INSTANCE}/contact/{contact}"
    for given in (contact, f"{contact}\n", f" {arn} \n"):
        assert kind(instance_id=INSTANCE, contact_id=given).params()["ContactId"] == contact
    for given in (" ", "\n", f"{contact} {contact}", "None", f"['{contact}', '{contact}']"):
        with pytest.raises(InvalidRequestError, match="contact_id: "):
            kind(instance_id=INSTANCE, contact_id=given).params()
    with pytest.raises(InvalidRequestError, match="must be a contact of the instance that is called"):
        kind(instance_id=INSTANCE, contact_id=f"{arn.replace(INSTANCE, contact)}\n").params()
