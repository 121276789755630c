"""
Amazon Connect's contact events, as EventBridge and SQS deliver them.

https://docs.aws.amazon.com/connect/latest/adminguide/contact-events.html

Amazon delivers events on a best effort basis: in any order, and sometimes twice. Poll what must not be missed. Types of
events and fields that are not known here are ignored, as Amazon demands. This module does not know Airflow or clients::

    an SQS message ─► the event in its body ─► ContactEvent
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ContactEvent", "ContactEventType", "NotAContactEventError", "contact_event", "contact_events"]

#: What an EventBridge rule matches: ``{"source": ["aws.connect"], "detail-type": ["Amazon Connect Contact Event"]}``.
SOURCE: Final = "aws.connect"
DETAIL_TYPE: Final = "Amazon Connect Contact Event"


class NotAContactEventError(ValueError):
    """A message is not a contact event of Amazon Connect: check the rule and the queue."""


class ContactEventType(enum.StrEnum):
    """What happened to the contact."""

    #: It was created, or another contact was transferred to it.
    INITIATED = "INITIATED"
    #: Its media or its flow has begun.
    CONNECTED_TO_SYSTEM = "CONNECTED_TO_SYSTEM"
    #: Its attributes, tags, scheduled time or routing criteria have changed.
    CONTACT_DATA_UPDATED = "CONTACT_DATA_UPDATED"
    #: It waits in a queue.
    QUEUED = "QUEUED"
    #: An agent is connected to it.
    CONNECTED_TO_AGENT = "CONNECTED_TO_AGENT"
    #: It has ended; the agent may still be in after-contact work.
    DISCONNECTED = "DISCONNECTED"
    #: An agent has paused it.
    PAUSED = "PAUSED"
    #: An agent has resumed it.
    RESUMED = "RESUMED"
    #: It has ended, and so has the after-contact work.
    COMPLETED = "COMPLETED"
    #: Answering machine detection was switched off.
    AMD_DISABLED = "AMD_DISABLED"


@dataclass(frozen=True, slots=True)
class ContactEvent:
    """
    One event in the life of a contact. Times are in UTC; what the event does not say is ``None``.

    :param id: EventBridge's identifier of the event; the same if it is delivered twice
    :param type: what happened
    :param time: when the event was created
    :param contact_id: the contact
    :param instance_arn: the instance's Amazon Resource Name
    :param region: the AWS region
    :param account: the AWS account
    :param channel: ``TASK``, ``VOICE``, ``CHAT`` or ``EMAIL``
    :param initiation_method: ``API``, ``TRANSFER``, …
    :param initial_contact_id: the first contact of the chain that this one belongs to
    :param previous_contact_id: the contact that was transferred to this one
    :param related_contact_id: the contact that this one belongs to
    :param queue_id: the queue
    :param agent_id: the agent
    :param initiated: when the contact was created
    :param scheduled: the time for which it is scheduled
    :param enqueued: when it was put into the queue
    :param connected_to_agent: when it was connected to the agent
    :param disconnected: when it ended
    :param disconnect_reason: why it ended: ``AGENT_DISCONNECT``, …
    :param tags: the contact's tags, Amazon's own among them
    """

    id: str
    type: ContactEventType
    time: datetime
    contact_id: str
    instance_arn: str
    region: str | None = None
    account: str | None = None
    channel: str | None = None
    initiation_method: str | None = None
    initial_contact_id: str | None = None
    previous_contact_id: str | None = None
    related_contact_id: str | None = None
    queue_id: str | None = None
    agent_id: str | None = None
    initiated: datetime | None = None
    scheduled: datetime | None = None
    enqueued: datetime | None = None
    connected_to_agent: datetime | None = None
    disconnected: datetime | None = None
    disconnect_reason: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def instance_id(self) -> str:
        """The instance's ID."""
        return self.instance_arn.rpartition("/")[2]


def contact_event(message: str | bytes | Mapping[str, Any]) -> ContactEvent | None:
    """
    Return the contact event in a message, ``None`` if it is of a type that is not known here.

    :param message: an event as text or dict; or an SQS message, whose ``Body`` it is
    :raises NotAContactEventError: if the message is something else, such as an event of another source
    """
    event = _event(message)
    _expect(event.get("source") == SOURCE, f'its source must be "{SOURCE}"')
    _expect(event.get("detail-type") == DETAIL_TYPE, f'its detail-type must be "{DETAIL_TYPE}"')
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        raise _no_event("it must have a detail")
    detail = _lowered(detail)
    kind = _text(detail, "eventType", "detail")
    if kind not in ContactEventType.__members__:
        return None
    queue, agent = _part(detail, "queueInfo"), _part(detail, "agentInfo")
    tags = detail.get("tags")
    return ContactEvent(
        id=_text(event, "id"),
        type=ContactEventType(kind),
        time=_time(event.get("time"), "time") or _never("time"),
        contact_id=_text(detail, "contactId", "detail"),
        instance_arn=_text(detail, "instanceArn", "detail"),
        region=event.get("region"),
        account=event.get("account"),
        # Amazon's own samples have "VOICE" and "Voice".
        channel=str(detail["channel"]).upper() if detail.get("channel") else None,
        initiation_method=detail.get("initiationMethod"),
        initial_contact_id=detail.get("initialContactId"),
        previous_contact_id=detail.get("previousContactId"),
        related_contact_id=detail.get("relatedContactId"),
        queue_id=_last(queue.get("queueArn")),
        agent_id=_last(agent.get("agentArn")),
        initiated=_time(detail.get("initiationTimestamp"), "initiationTimestamp"),
        scheduled=_time(detail.get("scheduledTimestamp"), "scheduledTimestamp"),
        enqueued=_time(queue.get("enqueueTimestamp"), "enqueueTimestamp"),
        connected_to_agent=_time(agent.get("connectedToAgentTimestamp"), "connectedToAgentTimestamp"),
        disconnected=_time(detail.get("disconnectTimestamp"), "disconnectTimestamp"),
        disconnect_reason=detail.get("disconnectReason"),
        tags=dict(tags) if isinstance(tags, Mapping) else {},
    )


def contact_events(messages: Mapping[str, Any] | Iterable[Any]) -> list[ContactEvent]:
    """
    Return the contact events that a trigger for SQS delivers, without those of types that are not known here.

    :param messages: the ``extra`` of an asset event, the payload of the trigger, or its batch of messages
    :raises NotAContactEventError: if one of the messages is something else
    """
    return [event for event in map(contact_event, _batch(messages)) if event is not None]


def _batch(messages: Any) -> Sequence[Any]:
    # {"from_trigger": True, "payload": {"status": "success", "message_batch": [{"Body": …}, …]}}
    for key in ("payload", "message_batch"):
        if isinstance(messages, Mapping) and key in messages:
            messages = messages[key]
    if isinstance(messages, Mapping) or not isinstance(messages, Iterable):
        raise _no_event("what a trigger hands over must have a message_batch")
    return list(messages)


def _event(message: Any) -> Mapping[str, Any]:
    """Return the event of a message, which may be text inside of text: an SQS message that Airflow kept as JSON."""
    if isinstance(message, (str, bytes)):
        try:
            message = json.loads(message)
        except ValueError:
            raise _no_event("it must be JSON") from None
    if not isinstance(message, Mapping):
        raise _no_event("it must be a JSON object")
    body = message.get("Body", message.get("body"))
    return _event(body) if body is not None else message


def _lowered(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Amazon's documentation has both ``agentInfo`` and ``AgentInfo``."""
    return {key[:1].lower() + key[1:]: value for key, value in detail.items()}


def _part(detail: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = detail.get(name)
    return _lowered(part) if isinstance(part, Mapping) else {}


def _text(event: Mapping[str, Any], name: str, where: str = "") -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise _no_event(f"{f'its {where}' if where else 'it'} must have {name}")
    return value


def _time(value: Any, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _no_event(f"{name} must be a time in ISO 8601") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _never(name: str) -> datetime:
    raise _no_event(f"it must have {name}")


def _last(arn: Any) -> str | None:
    return str(arn).rpartition("/")[2] if arn else None


def _expect(fulfilled: bool, rule: str) -> None:
    if not fulfilled:
        raise _no_event(rule)


def _no_event(rule: str) -> NotAContactEventError:
    # Without the message, which may hold anything.
    return NotAContactEventError(
        f"The message is not a contact event of Amazon Connect: {rule}. Check the rule's target."
    )
