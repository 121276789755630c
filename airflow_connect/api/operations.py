"""
The operations of Amazon Connect that this package calls: one class for each, which holds all that is known of it.

Parameters and the rules that bind several of them, what a complete answer has, which parameters identify something (and
may therefore be quoted in a message), whether it creates a contact, and what its client token promises. Hook, errors,
bulk and the documentation read the class; no other place lists operations or their members. To add an operation, add
its class here.

An instance of a class is one request, checked in full, as the JSON of Amazon Connect's API::

    CreateContact(instance_id="…", channel="TASK", name="Call back", attributes={"order": 17}).params()
    StartTaskContact(instance_id="…", name="Call back", contact_flow_id="…").params()

The rules of one argument are in :mod:`airflow_connect.api.fields`; those that bind several are here, one function for
each rule of Amazon's documentation. This module does not know Airflow, a client or a network.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from airflow_connect.api.errors import InvalidRequestError
from airflow_connect.api.fields import (
    ABSENT,
    EXPIRY_ATTRIBUTE,
    Fault,
    choice,
    converter,
    describe,
    fault_of_instance,
    key_path,
    service_model,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from botocore.model import Shape, StructureShape

    from airflow_connect.api.fields import Converter
    from airflow_connect.api.quoting import Contents

__all__ = [
    "CreateContact",
    "DescribeContact",
    "DescribeInstance",
    "GetContactAttributes",
    "ListAssociatedContacts",
    "Operation",
    "Promise",
    "SearchContacts",
    "StartOutboundVoiceContact",
    "StartTaskContact",
    "StopContact",
    "TagContact",
    "TransferContact",
    "UntagContact",
    "UpdateContact",
    "UpdateContactAttributes",
    "operation_named",
    "operations",
    "operations_for_rows",
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
_ROUTED_REFERENCE_TYPES: Final = ("URL", "NUMBER", "STRING", "DATE", "EMAIL")


class Promise(enum.Enum):
    """What happens if a call that may have happened is sent again with the same request."""

    #: The operation does not have a client token, and does not need one: a second call changes nothing.
    REPEATABLE = "repeatable"
    #: The same client token does not create a second contact for as long as Amazon remembers it.
    EXACTLY_ONCE = "exactly once while Amazon remembers the client token"
    #: The client token is forgotten when its contact ends, and would create another one then. A call whose result is
    #: unknown is never retried by itself.
    AT_MOST_ONCE = "at most once"

    @property
    def retries_unknown(self) -> bool:
        """Whether a call whose result is unknown is retried by itself."""
        return self is not Promise.AT_MOST_ONCE


class Operation:
    """
    An operation of Amazon Connect's API. An instance is one request of it.

    What a class says of its operation:

    ``name``
        the operation's name in the API, which is the class's: ``CreateContact``
    ``parameters``
        every parameter that the request takes, as authors write it: ``instance_id``
    ``answer``
        the member that a complete answer has, ``None`` where a success says nothing
    ``identifying``
        the parameters that identify something: an instance, a contact, a flow, a queue, a user. Only these may be
        quoted in a message. Everything else that a request holds is struck out of the service's words.
    ``creates_contact``
        whether it creates a contact from its arguments alone, so that rows can be turned into contacts
    ``ends_contact``
        whether it ends a contact, so that results that name the contact record its end
    ``promise``
        what its client token promises, a :class:`Promise`
    ``words``
        the parameters that are one of a few words, so that another word is refused when the Dag is read
    ``quota``
        the error code that says that a quota is used up which is not a rate, and what the quota counts

    :param arguments: the parameters of the request
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]]
    answer: ClassVar[str | None] = None
    identifying: ClassVar[tuple[str, ...]]
    creates_contact: ClassVar[bool] = False
    ends_contact: ClassVar[bool] = False
    promise: ClassVar[Promise] = Promise.REPEATABLE
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    quota: ClassVar[tuple[str, str]] = ("ServiceQuotaExceededException", "active contacts")

    #: Required parameters that ``_check_together`` demands, since what they may be depends on others.
    _conditional: ClassVar[frozenset[str]] = frozenset()
    #: Converters of parameters that the model allows more than the operation does.
    _converters: ClassVar[Mapping[str, Converter]] = {}
    #: What is known of the parameters, compiled when first needed.
    _compiled: ClassVar[_Compiled | None] = None

    __slots__ = ("_arguments",)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__name__

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments

    @classmethod
    def method(cls) -> str:
        """Return the name of the method of boto3's client: ``create_contact``."""
        return _snake_case(cls.name)

    @classmethod
    def short_name(cls) -> str:
        """Return the name without ``Contact``, by which a bulk task names it: ``create``, ``start_task``."""
        return cls.method().removesuffix("_contact")

    @classmethod
    def input_shape(cls) -> StructureShape:
        """Return what botocore's model says of the request."""
        return service_model().operation_model(cls.name).input_shape

    def params(self, *, now: float | None = None) -> dict[str, Any]:
        """
        Return the arguments as the parameters that botocore's client takes.

        :param now: the present time in epoch seconds, for what may not lie in the past (default: the clock's)
        :raises InvalidRequestError: with all faults of the request
        """
        params, faults = self.check(self._arguments, now=now)
        if faults:
            raise InvalidRequestError(self.name, faults)
        return params

    @classmethod
    def contents(cls, params: Mapping[str, Any]) -> Contents:
        """
        Return what a message must not show of a request: every value and every name in a map, but what identifies.

        :param params: the request, as botocore's client takes it
        """
        from airflow_connect.api.quoting import Contents

        members = cls.input_shape().members
        return Contents(
            text
            for member, value in params.items()
            if member not in cls.identifying
            for text in _texts(value, members.get(member))
        )

    @classmethod
    def check(cls, arguments: Mapping[str, Any], *, now: float | None = None) -> tuple[dict[str, Any], list[Fault]]:
        """
        Return the parameters for botocore's client, and all faults; with faults the parameters are partial.

        :param arguments: what the class takes, as a mapping
        :param now: the present time in epoch seconds (default: the clock's)
        """
        converters, required, contact_ids = cls._compiled or cls._compile()
        faults: list[Fault] = []
        params: dict[str, Any] = {}
        for name, value in arguments.items():
            entry = converters.get(name)
            if entry is None:
                rule = f"unknown parameter; {cls.name} takes {', '.join(converters)}"
                faults.append(Fault(key_path("", name), rule, describe(value)))
                continue
            if value is None:
                continue
            member, convert = entry
            converted = convert(value, name, faults)
            if converted is not ABSENT:
                params[member] = converted
        for name in contact_ids:
            if (given := arguments.get(name)) is not None:
                faults += filter(None, [fault_of_instance(name, given, params.get("InstanceId"))])
        faulty = {fault.field.partition(".")[0].partition("[")[0] for fault in faults} if faults else ()
        cls._complete(params, faults)
        for name, member in required:
            if member not in params and name not in faulty:
                faults.append(Fault(name, f"{cls.name} requires it", "nothing"))
        cls._check_together(params, faults, time.time() if now is None else now)
        return params, faults

    @classmethod
    def _compile(cls) -> _Compiled:
        shape = cls.input_shape()
        members = {_snake_case(member): member for member in shape.members}
        converters = {
            name: (members[name], cls._converters.get(name) or converter(shape.members[members[name]]))
            for name in cls.parameters
            if name in members  # an older botocore does not know the latest, and its client would refuse them
        }
        required = ((_snake_case(member), member) for member in shape.required_members)
        cls._compiled = _Compiled(
            converters,
            tuple(pair for pair in required if pair[0] not in cls._conditional),
            tuple(name for name in cls.parameters if name.endswith("contact_id")),
        )
        return cls._compiled

    @classmethod
    def _complete(cls, params: dict[str, Any], faults: list[Fault]) -> None:
        """Fill in what follows from the other parameters."""

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        """Check the rules that bind several parameters, or a parameter and the time."""


class _Compiled(NamedTuple):
    """
    What is known of an operation's parameters.

    :param converters: by parameter, its name in the API and its converter
    :param required: the required ones, with their names in the API
    :param contact_ids: those that name a contact
    """

    converters: Mapping[str, tuple[str, Converter]]
    required: Sequence[tuple[str, str]]
    contact_ids: Sequence[str]


class CreateContact(Operation):
    """
    Create a VOICE, EMAIL or TASK contact.

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
    :param client_token: 1 to 500 characters; the same token is the same contact
    """

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
    answer = "ContactId"
    identifying = ("InstanceId", "RelatedContactId", "PreviousContactId", "UserInfo")
    creates_contact = True
    promise = Promise.EXACTLY_ONCE
    # The model names CHAT and further ways as well, which CreateContact does not support.
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "channel": tuple(_INITIATION_METHODS),
        "initiation_method": tuple(method for methods in _INITIATION_METHODS.values() for method in methods),
        "initiate_as": ("CONNECTED_TO_USER", "COMPLETED"),
    }
    _converters: ClassVar[Mapping[str, Converter]] = {"channel": choice(words["channel"])}
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


class StartTaskContact(Operation):
    """
    Create a task that a flow routes to people.

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
    :param attributes: as for :class:`CreateContact`
    :param references: as for :class:`CreateContact`, without ATTACHMENT
    :param segment_attributes: as for :class:`CreateContact`
    :param previous_contact_id: a contact whose attributes this one shares; at most 12 contacts in a chain
    :param related_contact_id: a contact whose attributes are copied
    :param attachments: up to 5 of ``{"FileName": …, "S3Url": presigned URL}``
    :param client_token: 1 to 500 characters; the same token is the same contact
    """

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
    answer = "ContactId"
    identifying = (
        "InstanceId",
        "ContactFlowId",
        "TaskTemplateId",
        "QuickConnectId",
        "PreviousContactId",
        "RelatedContactId",
    )
    creates_contact = True
    promise = Promise.EXACTLY_ONCE
    __slots__ = ()

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        _check_reference_types(params, _ROUTED_REFERENCE_TYPES, faults)
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


class StartOutboundVoiceContact(Operation):
    """
    Call a customer, and let a flow run when the call is answered.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_StartOutboundVoiceContact.html

    Amazon documents that the client token is valid for 7 days. In earlier years the page added "If the contact is
    disconnected, a new contact is started", and nothing has taken that back: a line that is busy ends its contact
    within a second, and the same request would then call the customer again.

    :param instance_id: the instance's ID, or its ARN, which is cut down to the ID
    :param destination_phone_number: the customer's number in E.164 format, as text: ``"+14155550100"``
    :param contact_flow_id: the flow that runs when the call is answered: an inbound flow
    :param source_phone_number: the number that the customer sees, one of the instance's, in E.164 format. This or
        ``queue_id`` is required.
    :param queue_id: the queue of the call, whose number the customer sees unless there is a ``source_phone_number``.
        Default: the queue that the flow sets.
    :param name: what an agent sees of the call, at most 1,024 characters
    :param description: at most 4,096 characters
    :param attributes: as for :class:`CreateContact`
    :param references: as for :class:`CreateContact`, without ATTACHMENT
    :param related_contact_id: a contact whose attributes are copied
    :param ring_timeout_in_seconds: a whole number of seconds, 15 to 60, for which the phone rings (Amazon's default:
        60)
    :param answer_machine_detection_config: ``{"EnableAnswerMachineDetection": True, "AwaitAnswerMachinePrompt": …}``,
        with ``traffic_type="CAMPAIGN"`` only
    :param campaign_id: the outbound campaign that the call belongs to
    :param traffic_type: ``GENERAL`` (Amazon's default) or ``CAMPAIGN``, for which the account needs a quota
    :param client_token: 1 to 500 characters; the same token is the same call, at least until that call has ended
    """

    parameters = (
        "instance_id",
        "destination_phone_number",
        "contact_flow_id",
        "source_phone_number",
        "queue_id",
        "name",
        "description",
        "attributes",
        "references",
        "related_contact_id",
        "ring_timeout_in_seconds",
        "answer_machine_detection_config",
        "campaign_id",
        "traffic_type",
        "client_token",
    )
    answer = "ContactId"
    identifying = ("InstanceId", "ContactFlowId", "QueueId", "RelatedContactId")
    creates_contact = True
    promise = Promise.AT_MOST_ONCE
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {"traffic_type": ("GENERAL", "CAMPAIGN")}
    quota = ("LimitExceededException", "active calls")
    __slots__ = ()

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        _check_reference_types(params, _ROUTED_REFERENCE_TYPES, faults)
        if "ContactFlowId" in params and not params["ContactFlowId"].strip():
            faults.append(Fault("contact_flow_id", "must name the flow that runs when the call is answered", "blank"))
        ways = ("queue_id", "source_phone_number")
        if not (params.get("QueueId") or params.get("SourcePhoneNumber") or any(one.field in ways for one in faults)):
            rule = "this or source_phone_number is required: it says which number the customer sees"
            faults.append(Fault("queue_id", rule, "neither"))
        detects = params.get("AnswerMachineDetectionConfig", {}).get("EnableAnswerMachineDetection")
        if detects and params.get("TrafficType") != "CAMPAIGN":
            rule = "traffic_type must be CAMPAIGN where answering machines are detected"
            faults.append(Fault("answer_machine_detection_config", rule, params.get("TrafficType", "no traffic_type")))


class StopContact(Operation):
    """
    End a contact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_StopContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact to end
    """

    parameters = ("instance_id", "contact_id")
    identifying = ("InstanceId", "ContactId")
    __slots__ = ()

    ends_contact: ClassVar[bool] = True
    #: Error codes which say that the contact has ended. If it was transferred, its successor is stopped.
    says_ended: ClassVar[frozenset[str]] = frozenset({"ContactNotFoundException"})


class UpdateContact(Operation):
    """
    Change a contact's name, description, references and segment attributes.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact
    :param name: at most 1,024 characters
    :param description: at most 4,096 characters
    :param references: as for :class:`CreateContact`
    :param segment_attributes: as for :class:`CreateContact`
    :param queue_info: ``{"Id": …}``, for external audio contacts only
    :param user_info: the user's ID or ``{"UserId": …}``, for external audio contacts only
    :param customer_endpoint: ``{"Type": …, "Address": …}``, for external audio contacts only
    :param system_endpoint: ``{"Type": …, "Address": …}``, for external audio contacts only
    """

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
    identifying = ("InstanceId", "ContactId", "QueueInfo", "UserInfo")
    __slots__ = ()

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        """At least one field to be updated must be present in the request."""
        if not faults and params.keys() <= {"InstanceId", "ContactId"}:
            faults.append(Fault("name", "at least one field to update", "none"))


class UpdateContactAttributes(Operation):
    """
    Add or change attributes of a contact, also of one that has ended.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContactAttributes.html

    :param instance_id: the instance's ID, or its ARN
    :param initial_contact_id: the first contact of the chain; the contact itself unless it was transferred
    :param attributes: as for :class:`CreateContact`
    """

    parameters = ("instance_id", "initial_contact_id", "attributes")
    identifying = ("InstanceId", "InitialContactId")
    __slots__ = ()


class TagContact(Operation):
    """
    Add tags to a contact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_TagContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact
    :param tags: 1 to 6 tags; keys of at most 128 characters, values of at most 256
    """

    parameters = ("instance_id", "contact_id", "tags")
    identifying = ("InstanceId", "ContactId")
    __slots__ = ()


class UntagContact(Operation):
    """
    Remove tags from a contact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_UntagContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact
    :param tag_keys: 1 to 6 keys
    """

    parameters = ("instance_id", "contact_id", "tag_keys")
    identifying = ("InstanceId", "ContactId")
    __slots__ = ()


class TransferContact(Operation):
    """
    Transfer a TASK or EMAIL contact that has not ended; a new contact takes its place.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_TransferContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact to transfer
    :param contact_flow_id: the flow that takes it: an inbound, transfer-to-agent or transfer-to-queue flow
    :param queue_id: the queue, if it goes to one
    :param user_id: the user, if it goes to one; not together with ``queue_id``
    :param client_token: 1 to 500 characters; the same token is the same transfer
    """

    parameters = ("instance_id", "contact_id", "contact_flow_id", "queue_id", "user_id", "client_token")
    answer = "ContactId"
    identifying = ("InstanceId", "ContactId", "ContactFlowId", "QueueId", "UserId")
    promise = Promise.EXACTLY_ONCE
    __slots__ = ()

    @classmethod
    def _check_together(cls, params: dict[str, Any], faults: list[Fault], now: float) -> None:
        """Do not use both QueueId and UserId in the same call."""
        if params.get("QueueId") and params.get("UserId"):
            faults.append(Fault("queue_id", "a transfer goes to a queue or to a user", "both queue_id and user_id"))


class DescribeContact(Operation):
    """
    Read a contact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_DescribeContact.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact
    """

    parameters = ("instance_id", "contact_id")
    answer = "Contact"
    identifying = ("InstanceId", "ContactId")
    __slots__ = ()


class GetContactAttributes(Operation):
    """
    Read the attributes of a contact.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_GetContactAttributes.html

    :param instance_id: the instance's ID, or its ARN
    :param initial_contact_id: the first contact of the chain; the contact itself unless it was transferred
    """

    parameters = ("instance_id", "initial_contact_id")
    identifying = ("InstanceId", "InitialContactId")
    __slots__ = ()


class ListAssociatedContacts(Operation):
    """
    Read the contacts of a contact's tree: itself, what it followed, and what followed it.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_ListAssociatedContacts.html

    :param instance_id: the instance's ID, or its ARN
    :param contact_id: the contact
    :param max_results: the most contacts of one answer, 1 to 100
    :param next_token: of the answer before
    """

    parameters = ("instance_id", "contact_id", "max_results", "next_token")
    answer = "ContactSummaryList"
    identifying = ("InstanceId", "ContactId")
    __slots__ = ()


class SearchContacts(Operation):
    """
    Find contacts. The index behind it lags.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_SearchContacts.html

    :param instance_id: the instance's ID, or its ARN
    :param time_range: ``{"Type": …, "StartTime": …, "EndTime": …}``
    :param search_criteria: what a contact has to have
    :param sort: ``{"FieldName": …, "Order": …}``
    :param max_results: the most contacts of one answer, 1 to 100
    :param next_token: of the answer before
    """

    parameters = ("instance_id", "time_range", "search_criteria", "sort", "max_results", "next_token")
    answer = "Contacts"
    identifying = ("InstanceId",)
    __slots__ = ()


class DescribeInstance(Operation):
    """
    Read the instance: its alias, ARN and access URL among others.

    https://docs.aws.amazon.com/connect/latest/APIReference/API_DescribeInstance.html

    :param instance_id: the instance's ID, or its ARN
    """

    parameters = ("instance_id",)
    answer = "Instance"
    identifying = ("InstanceId",)
    __slots__ = ()


def operations() -> tuple[type[Operation], ...]:
    """Return the class of every operation that this package calls."""
    return tuple(Operation.__subclasses__())


def operation_named(name: str) -> type[Operation]:
    """
    Return the class of an operation.

    :param name: its name in the API: ``CreateContact``
    :raises ValueError: if this package does not call it
    """
    for operation in operations():
        if operation.name == name:
            return operation
    raise ValueError(f"{name} is not an operation that is called here: {', '.join(one.name for one in operations())}.")


def operations_for_rows() -> dict[str, type[Operation]]:
    """Return the operations that create a contact from a row, by the name that a bulk task gives them."""
    return {operation.short_name(): operation for operation in operations() if operation.creates_contact}


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
    """Contacts of the operation can have these reference types at the time of creation."""
    for name, reference in params.get("References", {}).items():
        if reference["Type"] not in types:
            rule = f"references at creation are of type {', '.join(types)}"
            faults.append(Fault(key_path("references", name) + ".Type", rule, "another type"))


def _texts(value: Any, shape: Shape | None) -> Iterator[str]:
    """
    Yield every value in a value, and every key that may be data.

    Short keys (``order``) and short words of the model (``TASK``) stand in many of the service's sentences, and say
    nothing about a customer.
    """
    from airflow_connect.api.quoting import FRAGMENT

    if isinstance(value, Mapping):
        members = shape.members if shape is not None and shape.type_name == "structure" else {}
        inside = shape.value if shape is not None and shape.type_name == "map" else None
        for key, item in value.items():
            if key not in members and len(str(key)) >= FRAGMENT:
                yield str(key)
            yield from _texts(item, members.get(key, inside))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _texts(item, shape.member if shape is not None and shape.type_name == "list" else None)
    elif isinstance(value, (bytes, bytearray)):
        yield bytes(value).decode("utf-8", "replace")
    elif isinstance(value, datetime):
        yield value.isoformat()
        yield str(int(value.timestamp()))
    elif value is not None and not (len(str(value)) < FRAGMENT and value in getattr(shape, "enum", ())):
        yield str(value)


def _snake_case(name: str) -> str:
    from botocore import xform_name

    snake_case: str = xform_name(name)
    return snake_case
