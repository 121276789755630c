"""
Who answers the phones that are called: a plan, by the beginning of their numbers.

A plan is a text of comma-separated entries, number or beginning of numbers first::

    +447=not_allowed                  every number that begins so
    +12065550123=busy                 one number
    +1206=answered(5)                 answered after 5 seconds of ringing
    +1206=answered, +12065550100=rings

The longest beginning that fits decides. A number without an entry rings until somebody answers it, at the desk or in a
test, or until its ring time-out. ``+447`` is not allowed unless a plan says something else: "UK numbers with a 447
prefix are not allowed by default."

https://docs.aws.amazon.com/connect/latest/APIReference/API_StartOutboundVoiceContact.html
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from airflow_connect.emulator.store import ANSWERED


class PhoneKind(StrEnum):
    """What happens at a number that is called."""

    #: It rings until somebody answers at the desk, or until the ring time-out.
    RINGS = "rings"
    #: Somebody answers, after so many seconds of ringing (0 when none are given).
    ANSWERED = "answered"
    #: The line is busy: the call ends with TELECOM_BUSY, after so many seconds (0 when none are given).
    BUSY = "busy"
    #: The phone is off: the call ends with TELECOM_UNANSWERED.
    UNREACHABLE = "unreachable"
    #: Nobody has the number: the call ends with TELECOM_NUMBER_INVALID.
    INVALID = "invalid"
    #: A network takes the call for spam: it ends with TELECOM_POTENTIAL_BLOCKING.
    BLOCKED = "blocked"
    #: A network is out of order: the call ends with TELECOM_PROBLEM.
    PROBLEM = "problem"
    #: 403 DestinationNotAllowedException; no call was placed.
    NOT_ALLOWED = "not_allowed"
    #: 403 OutboundContactNotPermittedException; no call was placed.
    NOT_PERMITTED = "not_permitted"


#: How a call ends that rings for too long: "… or when the call remains unanswered after 60 seconds."
NOT_ANSWERED = "TELECOM_ORIGINATOR_CANCEL"
#: https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html (DisconnectReason)
_ENDS = {
    PhoneKind.ANSWERED: ANSWERED,
    PhoneKind.BUSY: "TELECOM_BUSY",
    PhoneKind.UNREACHABLE: "TELECOM_UNANSWERED",
    PhoneKind.INVALID: "TELECOM_NUMBER_INVALID",
    PhoneKind.BLOCKED: "TELECOM_POTENTIAL_BLOCKING",
    PhoneKind.PROBLEM: "TELECOM_PROBLEM",
}
_ENTRY = re.compile(r"(?P<number>\+\d{0,15}) *= *(?P<kind>\w+)(?:\((?P<seconds>\d{1,9}(?:\.\d{1,9})?)\))?", re.ASCII)


class Phone(NamedTuple):
    """
    What happens at one phone.

    :param kind: of its entry in the plan.
    :param seconds: how long it rings before that.
    """

    kind: PhoneKind
    seconds: float

    def ringing(self, timeout: float) -> tuple[float, str]:
        """
        How long a call to it rings at most, and what comes then: :data:`.store.ANSWERED` or a reason to end.

        :param timeout: seconds after which the caller gives up.
        """
        if self.kind not in _ENDS or self.seconds > timeout:
            return timeout, NOT_ANSWERED
        return self.seconds, _ENDS[self.kind]


class Phones:
    """
    All phones that can be called.

    :param plan: as in the module's description; empty for one in which every phone rings.
    :raises ValueError: when the plan cannot be read.
    """

    def __init__(self, plan: str = "") -> None:
        self.set(plan)

    def set(self, plan: str) -> None:
        """
        Follow another plan, for the calls that are placed from now on.

        :raises ValueError: when the plan cannot be read; the old one stays.
        """
        phones = {"+447": Phone(PhoneKind.NOT_ALLOWED, 0.0)}
        for text in plan.split(","):
            if text.strip():
                number, phone = _parse(text.strip())
                phones[number] = phone
        self._phones = phones

    def find(self, number: str) -> Phone:
        """
        The phone of a number.

        :param number: in E.164 format.
        """
        for length in range(len(number), 0, -1):
            if phone := self._phones.get(number[:length]):
                return phone
        return Phone(PhoneKind.RINGS, 0.0)


def _parse(text: str) -> tuple[str, Phone]:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ValueError(f"phones: {text!r} is not of the form +number=kind or +number=kind(seconds).")
    if match["kind"] not in list(PhoneKind):
        raise ValueError(f"phones: unknown kind {match['kind']!r}; there are {', '.join(PhoneKind)}.")
    kind = PhoneKind(match["kind"])
    if match["seconds"] is not None and kind not in _ENDS:
        raise ValueError(f"phones: {kind} takes no time in parentheses; {', '.join(_ENDS)} do.")
    return match["number"], Phone(kind, float(match["seconds"] or 0))
