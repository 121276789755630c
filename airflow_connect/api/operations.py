"""
What an author writes about a contact, checked in full, as the JSON of Amazon Connect's API.

One class for one operation. What an argument may be alone is in :mod:`airflow_connect.api.fields`; here is what binds
several, one function per rule of Amazon's documentation. This module knows no Airflow, no client and no network.

All work alike::

    ContactRequest(instance_id="…", channel="TASK", name="Call back", attributes={"order": 17}).params()
    StartTaskContactRequest(instance_id="…", name="Call back", contact_flow_id="…").params()
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow_connect.api.errors import InvalidRequestError
from airflow_connect.api.fields import ABSENT, EXPIRY_ATTRIBUTE, Fault, converter, describe, key_path, service_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_connect.api.fields import Converter

__all__ = [
    "ContactRequest",
    "StartTaskContactRequest",
    "StopContactRequest",
    "TagContactRequest",
    "TransferContactRequest",
    "UntagContactRequest",
    "UpdateContactAttributesRequest",
    "UpdateContactRequest",
]

#: How far ahead StartTaskContact schedules a task, in seconds.
#: https://docs.aws.amazon.com/connect/latest/APIReference/API_StartTaskContact.html
SCHEDULE_MAX_SECONDS: Final = 6 * 24 * 3600

_INITIATION_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "TASK": ("API",),
    "VOICE": ("TRANSFER",),
    "EMAIL": ("OUTBOUND", "AGENT_REPLY", "FLOW"),
}
_TASK_REFERENCE_TYPES: Final = ("URL", "NUMBER", "STRING", "DATE", "EMAIL", "ATTACHMENT")
_ROUTED_TASK_REFERENCE_TYPES: Final = ("URL", "NUMBER", "STRING", "DATE", "EMAIL")


class _Request:
    """What all requests have in common: each parameter is converted and checked, then what binds several."""

    #: The API operation.
    operation: ClassVar[str]
    #: Every parameter of the operation, as authors write it.
    parameters: ClassVar[tuple[str, ...]]
    #: Required parameters that are asked for by ``_check_together``, since what they may be depends on others.
    _conditional: ClassVar[frozenset[str]] = frozenset()
    #: By parameter, its name in the API and its converter; and the required ones. Made when first needed.
    _compiled: ClassVar[tuple[dict[str, tuple[str, Converter]], tuple[tuple[str, str], ...]] | None] = None

    __slots__ = ("_arguments",)

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments

    def params(self, *, now: float | None = None) -> dict[str, Any]:
        """
        Return the arguments as the parameters that botocore's client takes.

        :param now: the present time in epoch seconds, for what may not lie in the past (default: the clock's)
        :raises InvalidRequestError: with all faults of the request
        """
        params, faults = self.check(self._arguments, now=now)
        if faults:
            raise InvalidRequestError(self.operation, faults)
        return params

    @classmethod
    def check(cls, arguments: Mapping[str, Any], *, now: float | None = None) -> tuple[dict[str, Any], list[Fault]]:
        """
        Return the parameters for botocore's client, and all faults; with faults the parameters are partial.

        :param arguments: what the class takes, as a mapping
        :param now: the present time in epoch seconds (default: the clock's)
        """
        converters, required = cls._compiled or cls._compile()
        faults: list[Fault] = []
        params: dict[str, Any] = {}
        for name, value in arguments.items():
            entry = converters.get(name)
            if entry is None:
                rule = f"no such parameter; {cls.operation} takes {', '.join(converters)}"
                faults.append(Fault(key_path("", name), rule, describe(value)))
                continue
            if value is None:
                continue
            member, convert = entry
            converted = convert(value, name, faults)
            if converted is not ABSENT:
                params[member] = converted
        faulty = {fault.field.partition(".")[0].partition("[")[0] for fault in faults} if faults else ()
        cls._complete(params, faults)
        for name, member in required:
            if member not in params and name not in faulty:
                faults.append(Fault(name, f"{cls.operation} requires it", "nothing"))
        cls._check_together(params, faults, time.time() if now is None else now)
        return params, faults

    @classmethod
    def _compile(cls) -> tuple[dict[str, tuple[str, Converter]], tuple[tuple[str, str], ...]]:
        shape = service_model().operation_model(cls.operation).input_shape
        members = {_snake_case(member): member for member in shape.members}
        converters = {
            name: (members[name], converter(shape.members[members[name]], members[name]))
            for name in cls.parameters
            if name in members  # an older botocore does not know the latest, and its client would refuse them
        }
        required = ((_snake_case(member), member) for member in shape.required_members)
        cls._compiled = converters, tuple(pair for pair in required if pair[0] not in cls._conditional)
        return cls._compiled

    @classmethod
    def _complete(cls, params: dict[str, Any], faults: list[Fault]) -> None:
        """Fill in what follows from the other parameters."""

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        """Check the rules that bind several parameters, or a parameter and the time."""


class ContactRequest(_Request):
    """
    The request of CreateContact: a new VOICE, EMAIL or TASK contact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html

    :param instance_id: the instance's ID, or its ARN, which is cut down to the ID
    :param channel: ``TASK``, ``VOICE`` or ``EMAIL``
    :param initiation_method: default ``API`` for a TASK and ``TRANSFER`` for a VOICE contact; an EMAIL contact
        must name ``OUTBOUND``, ``AGENT_REPLY`` or ``FLOW``
    :param name: the contact's name, at most 1,024 characters
    :param description: at most 4,096 characters
    :param attributes: ``{key: scalar}``; keys of letters, digits, ``-`` and ``_``; at most 32,768 UTF-8 bytes
        over all keys and values
    :param references: what an agent sees beside the contact, ``{name: scalar}`` or, in the long form,
        ``{name: {"Type": "URL", "Value": "https://…"}}``; at most 4,096 UTF-8 bytes over all names and values.
        In the short form an http(s) URL becomes a URL reference, a number (also as text, unless it has leading
        zeros) a NUMBER, a date, datetime or ISO 8601 text a DATE, an e-mail address an EMAIL, anything else a
        STRING. A DATE goes to Amazon as epoch seconds; one without a time zone is UTC.
    :param segment_attributes: ``{key: text or integer}``, a dict for a map, or the long form
        ``{key: {"ValueString": …}}``
    :param related_contact_id: a contact that this one belongs to
    :param previous_contact_id: for VOICE (external audio) contacts only
    :param user_info: the user's ID or ``{"UserId": …}``; required for EMAIL with ``OUTBOUND`` or ``AGENT_REPLY``
    :param initiate_as: ``CONNECTED_TO_USER``, or for a TASK ``COMPLETED``
    :param expiry_duration_in_minutes: a whole number of minutes, at least 1
    :param client_token: 1 to 500 characters; the same token makes the same contact
    """

    operation = "CreateContact"
    parameters = (
        "instance_id",
        "channel",
        "initiation_method",
        "name",
        "description",
        "attributes",
        "references",
        "segment_attributes",
        "related_contact_id",
        "previous_contact_id",
        "user_info",
        "initiate_as",
        "expiry_duration_in_minutes",
        "client_token",
    )
    _conditional = frozenset({"initiation_method"})
    __slots__ = ()

    @classmethod
    def _complete(cls, params: dict[str, Any], faults: list[Fault]) -> None:
        methods = _INITIATION_METHODS.get(params.get("Channel", ""), ())
        given = "InitiationMethod" in params or any(fault.field == "initiation_method" for fault in faults)
        if len(methods) == 1 and not given:
            params["InitiationMethod"] = methods[0]

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        channel = params.get("Channel")
        method = params.get("InitiationMethod")
        if channel is not None:
            _check_initiation_method(channel, method, faults)
            if channel == "TASK":
                _check_reference_types(params, _TASK_REFERENCE_TYPES, faults)
            else:
                _check_initiated_as_completed(channel, params, faults)
            if channel != "VOICE" and "PreviousContactId" in params:
                rule = "only external audio contacts (channel VOICE) take it"
                faults.append(Fault("previous_contact_id", rule, f"a value for a contact of channel {channel}"))
            if channel == "EMAIL" and method in {"OUTBOUND", "AGENT_REPLY"} and "UserInfo" not in params:
                rule = "EMAIL contacts initiated as OUTBOUND or AGENT_REPLY require it"
                faults.append(Fault("user_info", rule, "nothing"))
        if "ExpiryDurationInMinutes" in params and EXPIRY_ATTRIBUTE in params.get("SegmentAttributes", ()):
            rule = f"give the expiry once: here or as the segment attribute {EXPIRY_ATTRIBUTE}"
            faults.append(Fault("expiry_duration_in_minutes", rule, "both"))


class StartTaskContactRequest(_Request):
    """
    The request of StartTaskContact: a task that a flow routes to people.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_StartTaskContact.html

    :param instance_id: the instance's ID, or its ARN, which is cut down to the ID
    :param name: the task's name, at most 1,024 characters
    :param contact_flow_id: the flow that the task runs through. Exactly one of this, ``task_template_id`` and
        ``quick_connect_id`` is required.
    :param task_template_id: a task template that has a flow
    :param quick_connect_id: a quick connect, whose flow is run
    :param scheduled_time: when the flow starts, at most six days ahead: a datetime, ISO 8601 text or epoch
        seconds; UTC where no time zone is given
    :param description: at most 4,096 characters
    :param attributes: as for :class:`ContactRequest`
    :param references: as for :class:`ContactRequest`, without ATTACHMENT
    :param segment_attributes: as for :class:`ContactRequest`
    :param previous_contact_id: a contact whose attributes this one shares; at most 12 contacts in a chain
    :param related_contact_id: a contact whose attributes are copied
    :param attachments: up to 5 of ``{"FileName": …, "S3Url": presigned URL}``
    :param client_token: 1 to 500 characters; the same token makes the same contact
    """

    operation = "StartTaskContact"
    parameters = (
        "instance_id",
        "name",
        "contact_flow_id",
        "task_template_id",
        "quick_connect_id",
        "scheduled_time",
        "description",
        "attributes",
        "references",
        "segment_attributes",
        "previous_contact_id",
        "related_contact_id",
        "attachments",
        "client_token",
    )
    __slots__ = ()

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        _check_reference_types(params, _ROUTED_TASK_REFERENCE_TYPES, faults)
        routes = ("contact_flow_id", "task_template_id", "quick_connect_id")
        count = sum(bool(params.get(member)) for member in ("ContactFlowId", "TaskTemplateId", "QuickConnectId"))
        if count != 1 and not any(fault.field in routes for fault in faults):
            rule = "exactly one of contact_flow_id, task_template_id and quick_connect_id says how the task is routed"
            faults.append(Fault("contact_flow_id", rule, "none" if count == 0 else f"{count} of them"))
        scheduled = params.get("ScheduledTime")
        if scheduled is not None:
            ahead = scheduled - now
            if ahead <= -1:  # whole seconds are sent, so that "now" is up to a second ago
                faults.append(Fault("scheduled_time", "must not lie in the past", f"{-ahead:,.0f} s ago"))
            elif ahead > SCHEDULE_MAX_SECONDS:
                rule = "must lie within 6 days from now"
                faults.append(Fault("scheduled_time", rule, f"{ahead / 86_400:,.1f} days ahead"))


class StopContactRequest(_Request):
    """
    The request of StopContact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_StopContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact to end
    """

    operation = "StopContact"
    parameters = ("instance_id", "contact_id")
    __slots__ = ()


class UpdateContactRequest(_Request):
    """
    The request of UpdateContact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact
    :param name: at most 1,024 characters
    :param description: at most 4,096 characters
    :param references: as for :class:`ContactRequest`
    :param segment_attributes: as for :class:`ContactRequest`
    :param queue_info: ``{"Id": …}``, for external audio contacts only
    :param user_info: the user's ID or ``{"UserId": …}``, for external audio contacts only
    :param customer_endpoint: ``{"Type": …, "Address": …}``, for external audio contacts only
    :param system_endpoint: ``{"Type": …, "Address": …}``, for external audio contacts only
    """

    operation = "UpdateContact"
    parameters = (
        "instance_id",
        "contact_id",
        "name",
        "description",
        "references",
        "segment_attributes",
        "queue_info",
        "user_info",
        "customer_endpoint",
        "system_endpoint",
    )
    __slots__ = ()

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        """At least one field to be updated must be present in the request."""
        if not faults and params.keys() <= {"InstanceId", "ContactId"}:
            faults.append(Fault("name", "at least one field to update", "none"))


class UpdateContactAttributesRequest(_Request):
    """
    The request of UpdateContactAttributes.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContactAttributes.html

    :param instance_id: the instance's ID, or its ARN
    :param initial_contact_id: the first contact of the chain; the contact itself unless it was transferred
    :param attributes: as for :class:`ContactRequest`
    """

    operation = "UpdateContactAttributes"
    parameters = ("instance_id", "initial_contact_id", "attributes")
    __slots__ = ()


class TagContactRequest(_Request):
    """
    The request of TagContact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_TagContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact
    :param tags: 1 to 6 tags; keys of at most 128 characters, values of at most 256
    """

    operation = "TagContact"
    parameters = ("instance_id", "contact_id", "tags")
    __slots__ = ()


class UntagContactRequest(_Request):
    """
    The request of UntagContact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_UntagContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact
    :param tag_keys: 1 to 6 keys
    """

    operation = "UntagContact"
    parameters = ("instance_id", "contact_id", "tag_keys")
    __slots__ = ()


class TransferContactRequest(_Request):
    """
    The request of TransferContact, for TASK and EMAIL contacts that have not ended.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_TransferContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact to transfer
    :param contact_flow_id: the flow that takes it: an inbound, transfer-to-agent or transfer-to-queue flow
    :param queue_id: the queue, if it goes to one
    :param user_id: the user, if it goes to one; not together with ``queue_id``
    :param client_token: 1 to 500 characters; the same token makes the same transfer
    """

    operation = "TransferContact"
    parameters = ("instance_id", "contact_id", "contact_flow_id", "queue_id", "user_id", "client_token")
    __slots__ = ()

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        """Do not use both QueueId and UserId in the same call."""
        if params.get("QueueId") and params.get("UserId"):
            faults.append(Fault("queue_id", "a transfer goes to a queue or to a user", "both queue_id and user_id"))


def _check_initiation_method(channel: str, method: str | None, faults: list[Fault]) -> None:
    """Check what CreateContact supports: TRANSFER for VOICE, OUTBOUND, AGENT_REPLY or FLOW for EMAIL, API for TASK."""
    methods = _INITIATION_METHODS[channel]
    if method in methods or any(fault.field == "initiation_method" for fault in faults):
        return
    rule = f"a contact of channel {channel} takes {' or '.join(methods)}"
    faults.append(Fault("initiation_method", rule, "nothing" if method is None else "another method"))


def _check_initiated_as_completed(channel: str, params: Mapping[str, Any], faults: list[Fault]) -> None:
    """Only TASK channel contacts can be initiated with COMPLETED state."""
    if params.get("InitiateAs") == "COMPLETED":
        rule = "only contacts of channel TASK can be initiated as COMPLETED"
        faults.append(Fault("initiate_as", rule, f"COMPLETED for channel {channel}"))


def _check_reference_types(params: Mapping[str, Any], types: tuple[str, ...], faults: list[Fault]) -> None:
    """Tasks can have these reference types at the time of creation."""
    for name, reference in params.get("References", {}).items():
        if reference["Type"] not in types:
            rule = f"a task's references at creation are of type {', '.join(types)}"
            faults.append(Fault(key_path("references", name) + ".Type", rule, "another type"))


def _snake_case(member: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", member).lower()
