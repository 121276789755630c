"""How the desk says things: states, reasons, durations, dates, and which values may become links."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow_connect.emulator.desk.board import COUNTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_connect.emulator.desk.board import Row
    from airflow_connect.emulator.resources import Queue, User
    from airflow_connect.emulator.store import Contact

MINUTE, HOUR, DAY = 60, 3_600, 86_400
#: Choices that a value may list, and characters of each: what has more is prose.
MAX_CHOICES, MAX_CHOICE = 8, 40

STATES = {
    "CREATED": "Waiting",
    "QUEUED": "Waiting",
    "SCHEDULED": "Scheduled",
    "RINGING": "Ringing",
    "CONNECTED": "In work",
    "ENDED": "Ended",
}
VIEWS = {"waiting": "Waiting", "in-work": "In work", "scheduled": "Scheduled", "ended": "Ended"}
CHANNELS = {"TASK": "Task", "VOICE": "Voice", "EMAIL": "E-mail", "CHAT": "Chat"}
#: Words for the DisconnectReason of a contact; one that is not here is shown as Amazon has it.
REASONS = {
    "AGENT_COMPLETED": "Completed",
    "API": "Stopped",
    "EXPIRED": "Expired",
    "TRANSFERRED": "Transferred",
    "CONTACT_FLOW_DISCONNECT": "Ended by its flow",
    "OTHER": "Created as completed",
    "AGENT_DISCONNECT": "Ended by the agent",
    "CUSTOMER_DISCONNECT": "Ended by the customer",
    "TELECOM_BUSY": "Busy",
    "TELECOM_NUMBER_INVALID": "Number is not valid",
    "TELECOM_ORIGINATOR_CANCEL": "Not answered",
    "TELECOM_POTENTIAL_BLOCKING": "Blocked by a network",
    "TELECOM_PROBLEM": "Network problem",
    "TELECOM_UNANSWERED": "Not reachable",
}


def count(number: int) -> str:
    """A count as the board has it: ``1,234``, or ``10,000+``."""
    return f"{number:,}" if number <= COUNTED else f"{COUNTED:,}+"


def duration(seconds: float) -> str:
    """A length of time, as ``static/desk.js`` writes it too: ``42 s``, ``3 min``, ``2 h 5 min``, ``1 d 3 h``."""
    seconds = max(0, int(seconds))
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE} min"
    return f"{seconds // DAY} d {seconds % DAY // HOUR} h"


def iso(seconds: float) -> str:
    """A time for the ``datetime`` of an HTML ``time`` element."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(seconds: float) -> str:
    """A time for people, in UTC; the browser turns it into the person's own."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def date(value: str) -> str | None:
    """
    A DATE reference for people, in UTC, without a time where it is midnight.

    :param value: epoch seconds, or milliseconds where seconds would lie beyond the year 5138; both are met.
    :return: None when *value* is not a time.
    """
    try:
        seconds = float(value)
        at = datetime.fromtimestamp(seconds if abs(seconds) < 1e11 else seconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    day = f"{at.day} {at:%B %Y}"
    return day if (at.hour, at.minute, at.second) == (0, 0, 0) else f"{day}, {at:%H:%M} UTC"


def link(kind: str, value: str) -> str | None:
    """
    Where a reference leads, None when it is shown as text.

    :param kind: the reference's type. Only a URL of http or https becomes a link, and an e-mail address.
    """
    if kind == "EMAIL" and "@" in value and not any(character.isspace() for character in value):
        return f"mailto:{quote(value, safe='@')}"
    if kind != "URL":
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and parts.netloc else None


def name(resources: Mapping[str, Queue | User], resource_id: str | None) -> str:
    """A queue's or an agent's name; its ID where the instance no longer has it."""
    resource = resources.get(resource_id or "")
    return resource.name if resource else resource_id or "nobody"


def outcome(contact: Contact | Row) -> str:
    """How an ended contact ended."""
    if contact.channel == "VOICE" and contact.disconnect_reason == "OTHER":
        return REASONS["API"]
    return REASONS.get(contact.disconnect_reason or "", contact.disconnect_reason or "Ended")


def choices(value: str) -> list[str]:
    """
    The choices that a value lists, as in ``approve / refuse``; nothing for any other text.

    :param value: of an attribute. A bar between the choices does as well; there is a space on both sides.
    """
    if "\n" in value:
        return []
    for separator in (" / ", " | "):
        found = [part.strip() for part in value.split(separator)]
        if 2 <= len(found) <= MAX_CHOICES and all(0 < len(part) <= MAX_CHOICE for part in found):
            return list(dict.fromkeys(found)) if len(set(found)) > 1 else []
    return []


def sentence(message: str) -> str:
    """A rule's message as a sentence on the page: the contact that it is about is the one on the page."""
    text = message.removeprefix("ContactId: ")
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def segment_value(value: Mapping[str, Any]) -> str:
    """A segment attribute's value: its text, or the JSON of a map or a list."""
    (content,) = value.values() if len(value) == 1 else (dict(value),)
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
