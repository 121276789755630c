"""
What became of a contact, as data: its outcome, read from what DescribeContact says.

::

    Contact ──► outcome_of ──► Outcome ──► as_dict ──► XCom, results

This module does not know Airflow or a client. A contact that was transferred has no outcome of its own: what it was
transferred to has, and :mod:`airflow_connect.waiting.watch` follows it there.
"""

from __future__ import annotations

import dataclasses
import enum
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_connect.api.fields import is_absent, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "ALL_ATTRIBUTES",
    "Condition",
    "Outcome",
    "OutcomeState",
    "check_condition",
    "contact_may_go_on",
    "decision_of",
    "is_missing",
    "matches",
    "missing_in_words",
    "open_contact",
    "outcome_of",
    "unknown_contact",
]

#: See :func:`matches`.
Condition = Mapping[str, Any] | Callable[[dict[str, Any]], bool]
#: In place of the attributes' names: every attribute of the contact.
ALL_ATTRIBUTES: Final = "all"


class OutcomeState(enum.StrEnum):
    """How a contact ended."""

    #: An agent, the customer or a flow brought it to its end.
    COMPLETED = "completed"
    #: Somebody ended it over the API: StopContactOperator, for one.
    STOPPED = "stopped"
    #: Nobody completed it in time.
    EXPIRED = "expired"
    #: It was transferred, and the contact it was transferred to cannot be found.
    TRANSFERRED = "transferred"
    #: Something broke, or the contact never existed.
    FAILED = "failed"
    #: A call that the customer did not answer.
    NOT_ANSWERED = "not_answered"
    #: A call whose line was busy.
    BUSY = "busy"

    @property
    def is_of_calls(self) -> bool:
        """Whether only an outbound call ends so."""
        return self in (OutcomeState.NOT_ANSWERED, OutcomeState.BUSY)


#: https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html (DisconnectReason)
_BY_REASON: Final[Mapping[str, OutcomeState]] = {
    "AGENT_COMPLETED": OutcomeState.COMPLETED,
    "AGENT_DISCONNECT": OutcomeState.COMPLETED,
    "CUSTOMER_DISCONNECT": OutcomeState.COMPLETED,
    "THIRD_PARTY_DISCONNECT": OutcomeState.COMPLETED,
    "CONTACT_FLOW_DISCONNECT": OutcomeState.COMPLETED,
    "BARGED": OutcomeState.COMPLETED,
    # Any reason without a name of its own; a task that was created as completed has it.
    "OTHER": OutcomeState.COMPLETED,
    "API": OutcomeState.STOPPED,
    "DISCARDED": OutcomeState.STOPPED,
    "OUTBOUND_PREVIEW_DISCARDED": OutcomeState.STOPPED,
    "EXPIRED": OutcomeState.EXPIRED,
    "IDLE_DISCONNECT": OutcomeState.EXPIRED,
    "TRANSFERRED": OutcomeState.TRANSFERRED,
    "TELECOM_BUSY": OutcomeState.BUSY,
    "TELECOM_TIMEOUT": OutcomeState.NOT_ANSWERED,
    "TELECOM_UNANSWERED": OutcomeState.NOT_ANSWERED,
    # Nobody answered within the ring time-out, or StopContact cancelled the call before: Amazon has one word for both.
    "TELECOM_ORIGINATOR_CANCEL": OutcomeState.NOT_ANSWERED,
}
#: Missing contacts that a message names.
_MOST_NAMED: Final = 10
#: Reasons that a contact that was transferred does not have, so that it need not be read again.
_FINAL: Final = frozenset(
    {
        "AGENT_COMPLETED",
        "CUSTOMER_DISCONNECT",
        "CONTACT_FLOW_DISCONNECT",
        "API",
        "EXPIRED",
        "TELECOM_BUSY",
        "TELECOM_TIMEOUT",
        "TELECOM_UNANSWERED",
        "TELECOM_ORIGINATOR_CANCEL",
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a contact. If it was transferred, all but ``contact_id`` is about the contact it was transferred to.

    :param contact_id: the contact that was awaited
    :param state: how it ended
    :param disconnect_reason: Amazon's word for it: ``AGENT_COMPLETED``; ``None`` if it does not have one
    :param agent_id: the ID of the user who took it, ``None`` if nobody did
    :param queue_id: the ID of the queue it waited in last, ``None`` if it was in none
    :param initiated: when it was created
    :param connected_to_agent: when the agent took it, ``None`` if nobody did
    :param ended: when it ended
    :param wait_seconds: from its start (when it was created or, if it was scheduled, its time) until an agent took it
    :param handle_seconds: from when an agent took it until it ended
    :param attributes: all its attributes, which are customers' data
    :param transferred_to: the contact it was transferred to in the end, ``None`` if it was not
    """

    contact_id: str
    state: OutcomeState
    disconnect_reason: str | None = None
    agent_id: str | None = None
    queue_id: str | None = None
    initiated: datetime | None = None
    connected_to_agent: datetime | None = None
    ended: datetime | None = None
    wait_seconds: float | None = None
    handle_seconds: float | None = None
    # Not in the repr: a repr is what ends up in logs.
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    transferred_to: str | None = None

    def as_dict(self, attributes: Iterable[str] = ()) -> dict[str, Any]:
        """
        Return the outcome as JSON can have it, times as text (ISO 8601, UTC).

        :param attributes: the names of the attributes to include, or :data:`ALL_ATTRIBUTES`; one that the contact does
            not have is left out
        """
        wanted = self.attributes if attributes == ALL_ATTRIBUTES else dict.fromkeys(attributes)
        return {
            "contact_id": self.contact_id,
            "state": str(self.state),
            "disconnect_reason": self.disconnect_reason,
            "agent_id": self.agent_id,
            "queue_id": self.queue_id,
            "initiated": _text(self.initiated),
            "connected_to_agent": _text(self.connected_to_agent),
            "ended": _text(self.ended),
            "wait_seconds": self.wait_seconds,
            "handle_seconds": self.handle_seconds,
            "transferred_to": self.transferred_to,
            "attributes": {name: value for name, value in self.attributes.items() if name in wanted},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """
        Return the outcome of what :meth:`as_dict` returned, with the attributes that it included.

        :param values: what it returned
        """
        return cls(
            values["contact_id"],
            OutcomeState(values["state"]),
            values["disconnect_reason"],
            values["agent_id"],
            values["queue_id"],
            _time(values["initiated"]),
            _time(values["connected_to_agent"]),
            _time(values["ended"]),
            values["wait_seconds"],
            values["handle_seconds"],
            attributes=values["attributes"],
            transferred_to=values["transferred_to"],
        )

    def of(self, contact_id: str) -> Self:
        """Return this outcome as that of a contact which was transferred to this one."""
        if contact_id == self.contact_id:
            return self
        return dataclasses.replace(self, contact_id=contact_id, transferred_to=self.contact_id)


def outcome_of(contact: Mapping[str, Any]) -> Outcome | None:
    """
    Return what became of a contact, ``None`` as long as it has not ended.

    :param contact: the ``Contact`` of DescribeContact's answer
    """
    ended = contact.get("DisconnectTimestamp")
    if ended is None:
        return None
    reason = contact.get("DisconnectReason")
    agent = contact.get("AgentInfo") or {}
    connected = agent.get("ConnectedToAgentTimestamp")
    return Outcome(
        contact["Id"],
        _state(contact.get("Channel"), reason),
        disconnect_reason=reason,
        agent_id=agent.get("Id"),
        queue_id=(contact.get("QueueInfo") or {}).get("Id"),
        initiated=contact.get("InitiationTimestamp"),
        connected_to_agent=connected,
        ended=ended,
        wait_seconds=_seconds(contact.get("ScheduledTimestamp") or contact.get("InitiationTimestamp"), connected),
        handle_seconds=_seconds(connected, ended),
        attributes=contact.get("Attributes") or {},
    )


def _state(channel: str | None, reason: str | None) -> OutcomeState:
    if reason is None:
        return OutcomeState.COMPLETED
    if channel == "VOICE" and reason == "OTHER":
        # "… such as disconnections that API calls initiate", which for other channels is API.
        return OutcomeState.STOPPED
    # Amazon's list grows. Reasons that are not here are of calls and chats that broke off.
    return _BY_REASON.get(reason, OutcomeState.FAILED)


def contact_may_go_on(outcome: Outcome) -> bool:
    """
    Return whether the contact may have been transferred, so that its associated contacts have to be read.

    Amazon documents ``TRANSFERRED`` for e-mails only: after every other reason that may mean a transfer they are read.
    """
    return outcome.disconnect_reason not in _FINAL


def unknown_contact(contact_id: str) -> Outcome:
    """Return the outcome of an ID that the instance does not know."""
    return Outcome(contact_id, OutcomeState.FAILED)


def is_missing(outcome: Mapping[str, Any]) -> bool:
    """
    Return whether an outcome is that of an ID that the instance does not know.

    :param outcome: what :meth:`Outcome.as_dict` returns
    """
    return outcome["state"] == OutcomeState.FAILED and outcome.get("ended") is None


def decision_of(value: str) -> str:
    """
    Return the value of an attribute that somebody typed, as it is compared.

    Neither case nor the blanks around it count, nor whether ``ü`` was typed as one character or as two.

    :param value: the value
    """
    return unicodedata.normalize("NFC", value.strip().casefold())


def missing_in_words(contact_ids: Sequence[str], instance_id: str, total: int) -> str:
    """
    Return a message about contacts that do not exist: which, and what to do.

    :param contact_ids: the contacts, at least one
    :param instance_id: the instance in which they do not exist
    :param total: how many contacts were read
    """
    what = "check the contact's ID, and instance_id and Region of the connection and the task."
    if total == 1:
        return f"Contact {contact_ids[0]} does not exist in instance {instance_id}: {what}"
    named = ", ".join(contact_ids[:_MOST_NAMED])
    more = f" and {len(contact_ids) - _MOST_NAMED:,} more" if len(contact_ids) > _MOST_NAMED else ""
    return (
        f"{len(contact_ids):,} of {total:,} contacts do not exist in instance {instance_id} ({named}{more}): "
        + what.replace("contact's ID", "contacts' IDs")
    )


def open_contact(contact_id: str) -> dict[str, Any]:
    """Return a contact that has not ended, in the form of an outcome."""
    nothing = dict.fromkeys(unknown_contact(contact_id).as_dict())
    return {**nothing, "contact_id": contact_id, "state": "open", "attributes": {}}


def check_condition(name: str, condition: Condition | None) -> None:
    """
    Check a condition on outcomes.

    :param name: the argument
    :param condition: see :func:`matches`
    :raises ValueError: naming the argument and its rule, or TypeError
    """
    if condition is None or callable(condition):
        return
    fields = ", ".join(unknown_contact("").as_dict())
    if not isinstance(condition, Mapping) or not condition:
        raise TypeError(f"{name} must be a function of an outcome, or a dict of its fields: {fields}.")
    unknown = sorted(map(str, set(condition) - set(unknown_contact("").as_dict())))
    if unknown:
        raise ValueError(f"{name} has unknown fields: {', '.join(unknown)}. An outcome has {fields}.")
    states = {str(state) for state in OutcomeState}
    if "state" in condition and not states.issuperset(map(str, _one_or_many(condition["state"]))):
        raise ValueError(f"{name} has an unknown state; the states are {', '.join(sorted(states))}.")
    attributes = condition.get("attributes", {"any": None})
    if not isinstance(attributes, Mapping) or not attributes:
        raise TypeError(f"{name}: attributes must be a dict: {{name: value or list of values}}.")
    for attribute, wanted in attributes.items():
        if any(text_of(one) is None and not is_absent(one) for one in _one_or_many(wanted)):
            raise TypeError(f"{name}: the attribute {attribute} has a value that is neither text nor a scalar.")


def matches(condition: Condition, outcome: Mapping[str, Any]) -> bool:
    """
    Return whether an outcome is what a condition names.

    :param condition: a function of the outcome, or its fields with the value that each has to have, or a list of such
        values; under ``attributes`` the same for attributes, as text or as the scalar that was sent, and ``None`` for
        one that the contact has not. All that is named has to match.
    :param outcome: what :meth:`Outcome.as_dict` returns
    """
    if callable(condition):
        return bool(condition(dict(outcome)))
    for name, wanted in condition.items():
        if name == "attributes":
            if not _matches_attributes(wanted, outcome["attributes"]):
                return False
        elif outcome[name] not in _one_or_many(wanted):
            return False
    return True


def _matches_attributes(wanted: Mapping[str, Any], attributes: Mapping[str, str]) -> bool:
    # Amazon Connect keeps attributes as text.
    return all(attributes.get(name) in map(text_of, _one_or_many(value)) for name, value in wanted.items())


def _one_or_many(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start is not None and end is not None else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None


def _text(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat(timespec="milliseconds") if time is not None else None
