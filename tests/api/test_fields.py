"""The checks of one argument, over everything that botocore's model of Amazon Connect says of contacts."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest
from botocore.validate import ParamValidator

from airflow_connect.api.fields import ABSENT, Fault, converter, describe, service_model
from airflow_connect.api.operations import CreateContact

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

MODEL = service_model()

#: The members by which a request or an answer names a contact.
NAMES_A_CONTACT = {"ContactId", "InitialContactId", "RelatedContactId", "PreviousContactId", "SourceContactId"}


def acts_on_contacts(operation: OperationModel) -> bool:
    """Tell whether an operation starts, changes or ends a contact: it names one, and is not a read."""
    if re.match("(Describe|Get|List|Search)", operation.name):
        return False
    members = {name for shape in (operation.input_shape, operation.output_shape) if shape for name in shape.members}
    return bool(members & NAMES_A_CONTACT) or operation.name == "BatchPutContact"


OPERATIONS = [name for name in MODEL.operation_names if acts_on_contacts(MODEL.operation_model(name))]


def convert(shape: Shape, value: Any, path: str = "value") -> tuple[Any, list[Fault]]:
    faults: list[Fault] = []
    return converter(shape)(value, path, faults), faults


def test_operations_that_act_on_contacts() -> None:
    """The rule finds them: those that start one, those that change one, and those that end one."""
    assert {
        "CreateContact",
        "StartChatContact",
        "StartEmailContact",
        "StartOutboundChatContact",
        "StartOutboundEmailContact",
        "StartOutboundVoiceContact",
        "StartTaskContact",
        "StartWebRTCContact",
        "StopContact",
        "TagContact",
        "TransferContact",
        "UpdateContact",
        "UpdateContactAttributes",
        "UpdateContactRoutingData",
        "UpdateContactSchedule",
        "UpdateParticipantRoleConfig",
    } <= set(OPERATIONS)
    assert not [name for name in OPERATIONS if "Flow" in name or name.startswith(("Search", "List"))]


# --- Every operation -------------------------------------------------------------------------------------------

#: Text for patterns of the model, by the shape.
TEXTS = {
    "AiAgentId": "b1000000-0000-4000-8000-000000000001",
    "AwsRegion": "us-east-1",
    "ClientToken": "token",
    "ContactTagKey": "team",
    "EmailAddress": "kim@example.com",
    "FileName": "invoice.pdf",
    "PhoneNumber": "+14155550100",
    "ReferenceArn": "arn:aws:connect:us-east-1:123456789012:instance/i",
}


#: References and segment attributes have rules of their own.
SHORT: dict[str, Any] = {
    "Reference": {"Type": "STRING", "Value": "x"},
    "SegmentAttributeValue": {"ValueString": "x"},
}


def good(shape: Shape, inside: tuple[str, ...] = ()) -> Any:
    """Return a value that the model's words allow, with all members; a shape that holds itself ends."""
    least = shape.metadata.get("min", 1)
    within = (*inside, shape.name)
    if shape.type_name == "structure":
        if shape.name in SHORT:
            return SHORT[shape.name]
        members = dict(list(shape.members.items())[:1]) if shape.is_tagged_union else shape.members
        return {name: good(member, within) for name, member in members.items() if member.name not in within}
    if shape.type_name == "list":
        return [] if shape.member.name in within else [good(shape.member, within)] * max(1, least)
    if shape.type_name == "map":
        return {good(shape.key): good(shape.value, within)}
    if shape.type_name == "string":
        return (shape.enum[0] if shape.enum else TEXTS.get(shape.name, "x")).ljust(least, "x")
    values = {"blob": b"bytes", "boolean": True, "timestamp": 1_800_000_000}
    return values.get(shape.type_name, float(least) if shape.type_name in {"double", "float"} else least)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_compiles_and_takes_what_is_good(name: str) -> None:
    """Each member of each operation has a converter, which takes a good value, and gives what botocore takes."""
    shape = MODEL.operation_model(name).input_shape
    params = {}
    for member, of_member in shape.members.items():
        value = good(of_member)
        converted, faults = convert(of_member, value, member)
        assert faults == []
        assert converted is not ABSENT
        params[member] = converted
    assert params
    report = ParamValidator().validate(params, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_refuses_what_is_bad(name: str) -> None:
    """Each member of each operation refuses a value of another type, by name, and takes None for not given."""
    for member, shape in MODEL.operation_model(name).input_shape.members.items():
        bad = [object()] if shape.type_name != "list" else object()
        _, faults = convert(shape, bad, member)
        assert [fault.field for fault in faults] == [member]
        assert convert(shape, None) == (ABSENT, [])


# --- Types -----------------------------------------------------------------------------------------------------


def shape_of(type_name: str, **traits: Any) -> Shape:
    """Return a shape that the model need not have."""
    from botocore.model import ShapeResolver

    name = f"{type_name} of this test {sorted(traits.items())}"
    return ShapeResolver({name: {"type": type_name, **traits}}).get_shape_by_name(name)


@pytest.mark.parametrize(
    ("shape", "value", "sent"),
    [
        (shape_of("integer"), 5, 5),
        (shape_of("integer"), "5", 5),
        (shape_of("integer"), " -5 ", -5),
        (shape_of("integer"), 5.0, 5),
        (shape_of("integer"), 2**31 - 1, 2**31 - 1),
        (shape_of("long"), 2**63 - 1, 2**63 - 1),
        (shape_of("integer", min=15, max=60), 15, 15),
        (shape_of("double"), 1, 1.0),
        (shape_of("double"), "1e3", 1000.0),
        (shape_of("float", min=0, max=1), "0.25", 0.25),
        (shape_of("boolean"), True, True),
        (shape_of("boolean"), "False", False),
        (shape_of("boolean"), " true ", True),
        (shape_of("blob"), b"\0\xff", b"\0\xff"),
        (shape_of("blob"), bytearray(b"x"), b"x"),
        (shape_of("blob"), "ü", "ü".encode()),
        (shape_of("timestamp"), "2026-11-24T16:00:00+01:00", 1_795_532_400),
        (shape_of("string", enum=["A", "B"]), "B", "B"),
    ],
    ids=repr,
)
def test_values_that_are_taken(shape: Shape, value: Any, sent: Any) -> None:
    """Each type takes what templates make of it."""
    converted, faults = convert(shape, value)
    assert faults == []
    assert (converted, type(converted)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("shape", "value", "rule"),
    [
        (shape_of("integer"), 1.5, "a whole number of 32 bits"),
        (shape_of("integer"), 2**31, "a whole number of 32 bits"),
        (shape_of("integer"), "9" * 5_000, "a whole number of 32 bits"),
        (shape_of("integer"), True, "a whole number of 32 bits"),
        (shape_of("long"), 2**63, "a whole number of 64 bits"),
        (shape_of("integer", min=15, max=60), 14, "a whole number from 15 to 60"),
        (shape_of("integer", min=15, max=60), "61", "a whole number from 15 to 60"),
        (shape_of("double"), "much", "must be a number"),
        (shape_of("double"), 10**400, "must be a number"),
        (shape_of("double"), "1e999", "must be a number"),
        (shape_of("double"), True, "must be a number"),
        (shape_of("float", min=0, max=1), 1.5, "must be a number from 0 to 1"),
        (shape_of("boolean"), "yes", "must be true or false"),
        (shape_of("boolean"), 1, "must be true or false"),
        (shape_of("blob"), 5, "must be bytes or text"),
        (shape_of("blob", max=2), b"abc", "0 to 2 bytes"),
        (shape_of("timestamp"), "soon", "must be a date"),
        (shape_of("string", enum=["A", "B"]), "C", "must be A or B"),
    ],
    ids=repr,
)
def test_values_that_are_refused(shape: Shape, value: Any, rule: str) -> None:
    """Each type names its rule, and not the value."""
    _, [fault] = convert(shape, value)
    assert fault.rule.startswith(rule)
    assert str(value)[:20] not in fault.given


def test_classes_of_text_are_the_text() -> None:
    """A key, an ID or a user that is bytes or a member of an ``Enum`` is what it stands for, and never its name."""
    key = Enum("Key", {"ORDER": "order"}, type=str)["ORDER"]
    given = {
        "instance_id": b"arn:aws:connect:us-east-1:123456789012:instance/i",
        "channel": "TASK",
        "attributes": {key: "1"},
        "references": {key: "text"},
        "segment_attributes": {key: {key: 1}},
        "related_contact_id": b"arn:aws:connect:us-east-1:123456789012:instance/i/contact/c",
        "user_info": b"user",
        "initiate_as": "CONNECTED_TO_USER",
    }
    params, faults = CreateContact.check(given)
    assert faults == []
    assert (params["InstanceId"], params["RelatedContactId"], params["UserInfo"]) == ("i", "c", {"UserId": "user"})
    inner = params["SegmentAttributes"]["order"]["ValueMap"]
    for found in (params["Attributes"], params["References"], params["SegmentAttributes"], inner):
        assert [(name, type(name)) for name in found] == [("order", str)]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("mailto:kim@example.com?subject=Order&body=x", {"Type": "EMAIL", "Value": "kim@example.com"}),
        ("mailto:kim%2Border@example.com", {"Type": "EMAIL", "Value": "kim+order@example.com"}),
        ("mailto:", {"Type": "STRING", "Value": "mailto:"}),
        ("kim@example.com?subject=Order", {"Type": "STRING", "Value": "kim@example.com?subject=Order"}),
        ("kim=order/7@example.com", {"Type": "EMAIL", "Value": "kim=order/7@example.com"}),
    ],
)
def test_addresses_written_short(given: str, sent: dict[str, str]) -> None:
    """Of a link the address alone is an EMAIL reference; what is more than an address is text."""
    params, faults = CreateContact.check({"instance_id": "i", "channel": "TASK", "references": {"r": given}})
    assert (params["References"], faults) == ({"r": sent}, [])


@pytest.mark.parametrize("name", ["", " \u00a0", "\u3000", "\u200b\ufeff", "\u2800", "\u3164\u115f"])
def test_a_name_that_shows_nothing(name: str) -> None:
    """Whatever Unicode has for a blank."""
    _, [fault] = CreateContact.check({"instance_id": "i", "channel": "TASK", "name": name})
    assert fault.rule == "must not be blank; leave it out if the contact does not have a name"


def test_a_number_that_is_not_finite_is_described() -> None:
    """Also a NaN that signals, for which Python's own check raises an error."""
    assert describe(Decimal("sNaN")) == "a Decimal that is not finite"


def test_union_takes_one_member() -> None:
    """A union has exactly one of its members."""
    union = MODEL.shape_for("UpdateParticipantRoleConfigChannelInfo")
    assert union.is_tagged_union
    chat = {"Chat": {"ParticipantTimerConfigList": []}}
    assert convert(union, {"Video": {}})[1]
    assert [fault.rule for fault in convert(union, {})[1]] == ["exactly one of Chat"]
    timer = MODEL.shape_for("ParticipantTimerValue")
    one = {"ParticipantTimerAction": "Unset"}
    assert convert(timer, one) == (one, [])
    both = one | {"ParticipantTimerDurationInMinutes": 5}
    [fault] = convert(timer, both)[1]
    assert (fault.rule, fault.given) == (
        "exactly one of ParticipantTimerAction, ParticipantTimerDurationInMinutes",
        "2 of them",
    )
    assert convert(union, chat)[1][0].field == "value.Chat.ParticipantTimerConfigList"


def test_shape_that_holds_itself() -> None:
    """An expression of routing criteria holds expressions, as deep as the author writes them."""
    leaf: dict[str, Any] = {"AttributeCondition": {"Name": "language", "Value": "de", "ProficiencyLevel": "4"}}
    deep: dict[str, Any] = leaf
    for _ in range(20):
        deep = {"AndExpression": [deep, {"NotAttributeCondition": leaf["AttributeCondition"]}]}
    criteria = {"Steps": [{"Expiry": {"DurationInSeconds": "30"}, "Expression": deep}]}
    shape = MODEL.operation_model("UpdateContactRoutingData").input_shape.members["RoutingCriteria"]
    converted, faults = convert(shape, criteria)
    assert faults == []
    assert converted["Steps"][0]["Expiry"] == {"DurationInSeconds": 30}
    inner = converted["Steps"][0]["Expression"]
    for _ in range(20):
        inner = inner["AndExpression"][0]
    assert inner == {"AttributeCondition": {"Name": "language", "Value": "de", "ProficiencyLevel": 4.0}}


# --- Patterns --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PhoneNumber", "+14155550100"),
        ("PhoneNumber", "+41791234567"),
        ("SensitivePhoneNumber", "+41791234567"),
        ("PhoneNumberPrefix", "+41"),
        ("S3Uri", "s3://bucket/key"),
        ("S3Uri", "https://bucket.s3.us-east-1.amazonaws.com/key"),
        ("MediaSource", "a source"),
        ("ThemeString", "blue"),
        ("WorkspaceName", "Care"),
        ("WorkspaceTitle", "Care for Kim"),
        ("Page", "customer-profile"),
        ("Slug", "customer"),
        ("TagKey", "Team für Köln"),
        ("FileName", "Rechnung für Köln.pdf"),
        ("ViewName", "Kim's view"),
        ("EmailAddress", "kim@example.com"),
        ("ReferenceArn", "arn:aws:connect:us-east-1:123456789012:instance/i"),
    ],
)
def test_patterns_take_what_is_known_to_be_good(name: str, text: str) -> None:
    """Some patterns of the model are escaped twice or not Python's: taken at their word, they refuse everything."""
    assert convert(MODEL.shape_for(name), text) == (text, [])


def test_no_pattern_of_the_model_asks_for_a_backslash() -> None:
    """A pattern that Amazon adds tomorrow and escapes twice takes text without backslashes, as all others."""
    doubled = [name for name in MODEL.shape_names if "\\\\" in str(MODEL.shape_for(name).metadata.get("pattern"))]
    assert "PhoneNumber" in doubled
    assert set(doubled) <= {
        *("PhoneNumber", "PhoneNumberPrefix", "S3Uri", "MediaSource", "ThemeImageLink", "ThemeString"),
        *("WorkspaceName", "WorkspaceTitle", "WorkspaceDescription", "WorkspaceAssociatedResourceName"),
        *("DataTableDescription", "Page", "Slug"),
    }, "look at the new one, and add a text that is good for it above"


@pytest.mark.parametrize("number", ["4155550100", "0041791234567", "+0791234567", "+41 79 123", "+", "+٤١٧٩", "\\+417"])
def test_phone_numbers_are_in_the_international_form(number: str) -> None:
    """E.164: a plus sign and up to 15 digits, and nothing around them."""
    [fault] = convert(MODEL.shape_for("PhoneNumber"), number)[1]
    assert "E.164" in fault.rule
    assert "given" not in fault.given


def test_a_shape_has_one_converter() -> None:
    """What may be in a shape does not depend on the member that has it, so that one converter does for all."""
    limits = ("min", "max", "pattern", "enum")
    for name in OPERATIONS:
        for shape in MODEL.operation_model(name).input_shape.members.values():
            alone = MODEL.shape_for(shape.name)
            assert [shape.metadata.get(one) for one in limits] == [alone.metadata.get(one) for one in limits]
            assert converter(shape) is converter(alone)
