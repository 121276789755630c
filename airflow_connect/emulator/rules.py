"""
The rules that only the prose of Amazon's documentation knows, one function each.

A rule takes a request that has passed the model's checks and yields what is wrong with it. Each docstring is
the documentation's sentence, and the page that has it. No rule knows the store or the clock, and none says a
value that a contact would hold: members of maps are named by their number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

Request = dict[str, Any]
Rule = Callable[[Request], Iterator[str]]

#: "There can be up to 32,768 UTF-8 bytes across all key-value pairs per contact."
MAX_ATTRIBUTE_BYTES = 32_768
#: Of all references of a contact together, names and values.
MAX_REFERENCE_BYTES = 4_096

#: EmailAddress in the service model.
MAX_EMAIL = 255

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SYSTEM_KEY = re.compile(r"connect:[A-Za-z0-9_-]+")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
#: The service model's pattern for it is escaped once too often, and would refuse every number.
_PHONE_NUMBER = re.compile(r"\+[1-9]\d{1,14}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_EPOCH = re.compile(r"-?\d{1,12}", re.ASCII)
#: The years 1 to 9999: nothing else is a date, and milliseconds are not seconds.
_EPOCH_SECONDS = range(-62_135_596_800, 253_402_300_800)
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_ARN = re.compile(r"arn:[^:\s]+:[^:\s]+:[^:\s]*:[^:\s]*:\S+")

_INITIATION_METHODS = {
    "TASK": ("API",),
    "VOICE": ("TRANSFER",),
    "EMAIL": ("OUTBOUND", "AGENT_REPLY", "FLOW"),
}
_SEGMENT_KINDS = ("ValueString", "ValueMap", "ValueInteger", "ValueList", "ValueArn")
_VALUE_TYPES = ("URL", "NUMBER", "STRING", "DATE", "EMAIL")


def channel_is_supported(request: Request) -> Iterator[str]:
    """
    Amazon: "Only the VOICE, EMAIL, and TASK channels are supported".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    if request["Channel"] not in _INITIATION_METHODS:
        yield "Channel: only VOICE, EMAIL and TASK are supported"


def initiation_method_fits_channel(request: Request) -> Iterator[str]:
    """
    Amazon: "For VOICE: TRANSFER … For EMAIL: OUTBOUND | AGENT_REPLY | FLOW. For TASK: API".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    allowed = _INITIATION_METHODS.get(request["Channel"])
    if allowed and request["InitiationMethod"] not in allowed:
        yield f"InitiationMethod: for channel {request['Channel']} one of {', '.join(allowed)}"


def only_tasks_start_completed(request: Request) -> Iterator[str]:
    """
    Amazon: "Only TASK channel contacts can be initiated with COMPLETED state".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    if request.get("InitiateAs") == "COMPLETED" and request["Channel"] != "TASK":
        yield "InitiateAs: COMPLETED is for channel TASK only"


def emails_have_a_user(request: Request) -> Iterator[str]:
    """
    Amazon: "UserInfo is required when creating an EMAIL contact with OUTBOUND and AGENT_REPLY … initiation methods".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    outbound = request["Channel"] == "EMAIL" and request["InitiationMethod"] in ("OUTBOUND", "AGENT_REPLY")
    if outbound and not request.get("UserInfo", {}).get("UserId"):
        yield f"UserInfo.UserId: required for channel EMAIL with {request['InitiationMethod']}"


def previous_contact_is_for_external_audio(request: Request) -> Iterator[str]:
    """
    Amazon: "The ID of the previous contact … can be provided only for external audio contacts".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    if "PreviousContactId" in request and request["Channel"] != "VOICE":
        yield "PreviousContactId: for external audio contacts (channel VOICE) only"


def attribute_keys(request: Request) -> Iterator[str]:
    """
    Amazon: "Attribute keys can include only alphanumeric, dash, and underscore characters".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    for number, key in enumerate(request.get("Attributes", ()), 1):
        if not _KEY.fullmatch(key):
            yield f"Attributes key {number}: only letters A-Z and a-z, digits, dash and underscore are allowed"


def attribute_bytes(request: Request) -> Iterator[str]:
    """
    Amazon: "There can be up to 32,768 UTF-8 bytes across all key-value pairs per contact".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    size = sum(len(key.encode()) + len(value.encode()) for key, value in request.get("Attributes", {}).items())
    if size > MAX_ATTRIBUTE_BYTES:
        yield f"Attributes: {size} UTF-8 bytes over all keys and values, at most {MAX_ATTRIBUTE_BYTES}"


def segment_attribute_keys(request: Request) -> Iterator[str]:
    """
    Amazon: "Attribute keys can include only alphanumeric, -, and _"; those of the system begin with ``connect:``.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    for number, key in enumerate(request.get("SegmentAttributes", ()), 1):
        if not _KEY.fullmatch(key) and not _SYSTEM_KEY.fullmatch(key):
            yield (
                f"SegmentAttributes key {number}: only letters A-Z and a-z, digits, dash and underscore are "
                "allowed, after connect: for a system-defined one"
            )
    for path, _, value in _segment_values(request):
        for number, key in enumerate(value.get("ValueMap", ()), 1):
            if not _KEY.fullmatch(key):
                yield f"{path}.ValueMap key {number}: only letters A-Z and a-z, digits, dash and underscore are allowed"


def segment_attribute_has_one_value(request: Request) -> Iterator[str]:
    """
    Amazon: "The value of a segment attribute", which is of one kind.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_SegmentAttributeValue.html
    """
    for path, _, value in _segment_values(request):
        if len(value) != 1:
            yield f"{path}: exactly one of {', '.join(_SEGMENT_KINDS)} is required, {len(value)} are given"


def segment_attribute_values(request: Request) -> Iterator[str]:
    """
    Amazon: "This is only supported for system-defined attributes, not for user-defined attributes".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_SegmentAttributeValue.html
    """
    for path, is_system, value in _segment_values(request):
        for kind in ("ValueArn", "ValueList"):
            if kind in value and not is_system:
                yield f"{path}.{kind}: for system-defined attributes only"


def segment_attribute_arns(request: Request) -> Iterator[str]:
    """
    Amazon: "The value of a segment attribute that has to be a valid ARN".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_SegmentAttributeValue.html
    """
    for path, _, value in _segment_values(request):
        if "ValueArn" in value and not _ARN.fullmatch(value["ValueArn"]):
            yield f"{path}.ValueArn: not an ARN"


def contact_expiry(request: Request) -> Iterator[str]:
    """
    Amazon: "To set contact expiry, a ValueMap must be specified containing the integer number of minutes".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    if "connect:ContactExpiry" not in request.get("SegmentAttributes", {}):
        return
    minutes = expiry_in_segment_attributes(request)
    field = "SegmentAttributes connect:ContactExpiry.ValueMap.ExpiryDuration.ValueInteger"
    if minutes is None:
        yield f"{field}: required"
    elif minutes < 1:
        yield f"{field}: at least 1 minute"


def expiry_is_positive(request: Request) -> Iterator[str]:
    """
    Amazon: "Number of minutes the contact will be active for before expiring".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    if request.get("ExpiryDurationInMinutes", 1) < 1:
        yield "ExpiryDurationInMinutes: at least 1 minute"


def expiry_is_given_once(request: Request) -> Iterator[str]:
    """
    ExpiryDurationInMinutes, or "this field can be used to set Segment Contact Expiry": both are two answers.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    if "ExpiryDurationInMinutes" in request and "connect:ContactExpiry" in request.get("SegmentAttributes", {}):
        yield "ExpiryDurationInMinutes: give it or the segment attribute connect:ContactExpiry, not both"


def references_at_creation(request: Request) -> Iterator[str]:
    """
    Amazon: "Tasks can have … at the time of creation: URL | NUMBER | STRING | DATE | EMAIL | ATTACHMENT".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
    """
    if request["Channel"] == "TASK":
        yield from _reference_types(request, (*_VALUE_TYPES, "ATTACHMENT"))


def references_at_start(request: Request) -> Iterator[str]:
    """
    Amazon: "ATTACHMENT is not a supported reference type during task creation"; it says so of voice contacts, too.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartTaskContact.html
    """
    yield from _reference_types(request, _VALUE_TYPES)


def reference_bytes(request: Request) -> Iterator[str]:
    """
    All references of a contact together have up to 4,096 UTF-8 bytes.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_Reference.html
    """
    size = sum(
        len(key.encode()) + len(reference.get("Value", "").encode())
        for key, reference in request.get("References", {}).items()
    )
    if size > MAX_REFERENCE_BYTES:
        yield f"References: {size} UTF-8 bytes over all keys and values, at most {MAX_REFERENCE_BYTES}"


def reference_values(request: Request) -> Iterator[str]:
    """
    Amazon: "A valid value for the reference. For example, for a URL reference, a formatted URL … DATE must be … Epoch".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_Reference.html
    """
    for number, reference in enumerate(request.get("References", {}).values(), 1):
        kind, value = reference["Type"], reference.get("Value")
        if kind not in _VALUE_TYPES:
            continue
        field = f"References entry {number}.Value"
        if value is None:
            yield f"{field}: required for type {kind}"
        elif kind == "URL" and not _is_url(value):
            yield f"{field}: not an http or https URL"
        elif kind == "NUMBER" and not _NUMBER.fullmatch(value):
            yield f"{field}: not a number"
        elif kind == "DATE" and not (_EPOCH.fullmatch(value) and int(value) in _EPOCH_SECONDS):
            yield f"{field}: not an epoch timestamp"
        elif kind == "EMAIL" and not (_EMAIL.fullmatch(value) and len(value) <= MAX_EMAIL):
            yield f"{field}: not an e-mail address"


def one_way_to_the_flow(request: Request) -> Iterator[str]:
    """
    Amazon: "Include only one of these parameters: ContactFlowID, QuickConnectID, or TaskTemplateID".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartTaskContact.html
    """
    names = ("ContactFlowId", "QuickConnectId", "TaskTemplateId")
    given = [name for name in names if request.get(name)]
    if len(given) != 1:
        yield f"{', '.join(names)}: exactly one is required, {len(given)} are given"


def phone_numbers(request: Request) -> Iterator[str]:
    """
    Amazon: "The phone number of the customer, in E.164 format", and the same of the source's.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartOutboundVoiceContact.html
    """
    for member in ("DestinationPhoneNumber", "SourcePhoneNumber"):
        if member in request and not _PHONE_NUMBER.fullmatch(request[member]):
            yield f"{member}: not in E.164 format"


def flow_is_named(request: Request) -> Iterator[str]:
    """
    Amazon: "The identifier of the flow for the outbound call", which is required.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartOutboundVoiceContact.html
    """
    if not request["ContactFlowId"].strip():
        yield "ContactFlowId: required"


def queue_or_source_number(request: Request) -> Iterator[str]:
    """
    Amazon: "If you do not specify a queue, you must specify a source phone number".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartOutboundVoiceContact.html
    """
    if not request.get("QueueId") and "SourcePhoneNumber" not in request:
        yield "QueueId, SourcePhoneNumber: at least one of the two is required"


def machines_are_detected_for_campaigns(request: Request) -> Iterator[str]:
    """
    Amazon: "EnableAnswerMachineDetection … If set to true, TrafficType must be set as CAMPAIGN".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_AnswerMachineDetectionConfig.html
    """
    config = request.get("AnswerMachineDetectionConfig", {})
    if config.get("EnableAnswerMachineDetection") and request.get("TrafficType") != "CAMPAIGN":
        yield "AnswerMachineDetectionConfig.EnableAnswerMachineDetection: TrafficType must be CAMPAIGN"


def strategy_is_for_campaigns(request: Request) -> Iterator[str]:
    """
    Amazon: "only the … outbound campaigns service principal is allowed to … call this API with OutboundStrategy".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartOutboundVoiceContact.html
    """
    if "OutboundStrategy" in request:
        yield "OutboundStrategy: only Amazon Connect's outbound campaigns may give it"


def queue_or_user(request: Request) -> Iterator[str]:
    """
    Amazon: "Do not use both QueueId and UserId in the same call".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_TransferContact.html
    """
    if request.get("QueueId") and request.get("UserId"):
        yield "QueueId, UserId: give one of the two, not both"


def something_to_update(request: Request) -> Iterator[str]:
    """
    Amazon: "At least one field to be updated must be present in the request".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContact.html
    """
    if not request.keys() - {"InstanceId", "ContactId"}:
        yield "the request: at least one field to be updated is required"


CREATE_CONTACT: tuple[Rule, ...] = (
    channel_is_supported,
    initiation_method_fits_channel,
    only_tasks_start_completed,
    emails_have_a_user,
    previous_contact_is_for_external_audio,
    attribute_keys,
    attribute_bytes,
    segment_attribute_keys,
    segment_attribute_has_one_value,
    segment_attribute_values,
    segment_attribute_arns,
    contact_expiry,
    expiry_is_positive,
    expiry_is_given_once,
    references_at_creation,
    reference_bytes,
    reference_values,
)
START_TASK_CONTACT: tuple[Rule, ...] = (
    one_way_to_the_flow,
    attribute_keys,
    attribute_bytes,
    segment_attribute_keys,
    segment_attribute_has_one_value,
    segment_attribute_values,
    segment_attribute_arns,
    contact_expiry,
    references_at_start,
    reference_bytes,
    reference_values,
)
START_OUTBOUND_VOICE_CONTACT: tuple[Rule, ...] = (
    phone_numbers,
    flow_is_named,
    queue_or_source_number,
    machines_are_detected_for_campaigns,
    strategy_is_for_campaigns,
    attribute_keys,
    attribute_bytes,
    references_at_start,
    reference_bytes,
    reference_values,
)
TRANSFER_CONTACT: tuple[Rule, ...] = (queue_or_user,)
UPDATE_CONTACT: tuple[Rule, ...] = (
    something_to_update,
    segment_attribute_keys,
    segment_attribute_has_one_value,
    segment_attribute_values,
    segment_attribute_arns,
    contact_expiry,
    reference_bytes,
    reference_values,
)
UPDATE_CONTACT_ATTRIBUTES: tuple[Rule, ...] = (attribute_keys, attribute_bytes)


def expiry_in_segment_attributes(request: Request) -> int | None:
    """Minutes that the segment attribute ``connect:ContactExpiry`` says, None when it says none."""
    expiry = request.get("SegmentAttributes", {}).get("connect:ContactExpiry", {})
    minutes: int | None = expiry.get("ValueMap", {}).get("ExpiryDuration", {}).get("ValueInteger")
    return minutes


def _segment_values(request: Request) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Every value of the segment attributes, those inside of others too: its path, whether it is the system's."""
    waiting = [
        (f"SegmentAttributes entry {number}", key.startswith("connect:"), value)
        for number, (key, value) in enumerate(request.get("SegmentAttributes", {}).items(), 1)
    ]
    while waiting:
        path, is_system, value = waiting.pop()
        yield path, is_system, value
        for kind in ("ValueMap", "ValueList"):
            inner = value.get(kind, ())
            members = inner.values() if isinstance(inner, dict) else inner
            waiting += [(f"{path}.{kind} entry {number}", is_system, one) for number, one in enumerate(members, 1)]


def _reference_types(request: Request, allowed: tuple[str, ...]) -> Iterator[str]:
    for number, reference in enumerate(request.get("References", {}).values(), 1):
        if reference["Type"] not in allowed:
            yield f"References entry {number}.Type: one of {', '.join(allowed)} when the contact is created"


def _is_url(value: str) -> bool:
    if not _URL.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port  # raises if the port is not a number
    except ValueError:
        return False
    return bool(parts.hostname)
