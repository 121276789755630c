"""
SearchContacts: an index that may lag, read page by page.

https://docs.aws.amazon.com/connect/latest/APIReference/API_SearchContacts.html
"""

# ruff: noqa: S608 -- SQL is put together from this module's own words; what a request says goes in as parameters

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from airflow_connect.emulator.model import Request, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.emulator.resources import Instance
    from airflow_connect.emulator.store import Contact, Store

#: Seconds between StartTime and EndTime, 8 weeks at most.
MAX_RANGE = 8 * 7 * 86_400
DEFAULT_RESULTS = 100

_TIMES = {
    "INITIATION_TIMESTAMP": "initiated_at",
    "SCHEDULED_TIMESTAMP": "scheduled_at",
    "CONNECTED_TO_AGENT_TIMESTAMP": "connected_at",
    "DISCONNECT_TIMESTAMP": "disconnected_at",
    "ENQUEUE_TIMESTAMP": "enqueued_at",
}
_SORTABLE = _TIMES | {
    "INITIATION_METHOD": "initiation_method",
    "CHANNEL": "channel",
    "EXPIRY_TIMESTAMP": "expires_at",
}
#: These happen to a contact after its creation, so a lagging index can miss them.
_LATER = ("connected_at", "disconnected_at", "enqueued_at")

Condition = tuple[str, list[Any]]


class Search:
    """
    Finds contacts as they were *lag* seconds ago.

    :param store: where contacts are.
    :param instance: for ARNs.
    :param lag: seconds.
    """

    def __init__(self, store: Store, instance: Instance, lag: float) -> None:
        self._store = store
        self._instance = instance
        self._lag = lag

    def run(self, request: Request, now: float) -> dict[str, Any]:
        """
        Answer a request that the model has checked.

        :raises ServiceError: InvalidParameterException for a bad time range or token,
            NotImplementedException (501) for criteria that the emulator does not have.
        """
        horizon = now - self._lag
        where, parameters = self._conditions(request, horizon)
        sort = request.get("Sort", {"FieldName": "INITIATION_TIMESTAMP", "Order": "DESCENDING"})
        column = _SORTABLE[sort["FieldName"]]
        key = f"coalesce({_seen(column, horizon)}, '')" if column in _LATER else f"coalesce({column}, '')"
        order, beyond = ("ASC", ">") if sort["Order"] == "ASCENDING" else ("DESC", "<")
        limit = request.get("MaxResults", DEFAULT_RESULTS)
        total = self._store.query(f"SELECT count(*) FROM contacts WHERE {where}", tuple(parameters))[0][0]
        page, page_parameters = where, list(parameters)
        if "NextToken" in request:
            last = _read_token(request)
            page += f" AND ({key}, sequence) {beyond} (?, ?)"
            page_parameters += last
        rows = self._store.query(
            f"SELECT id, {key}, sequence FROM contacts WHERE {page} ORDER BY {key} {order}, sequence {order} LIMIT ?",
            (*page_parameters, limit + 1),
        )
        found = [self._store.get(row[0]) for row in rows[:limit]]
        answer: dict[str, Any] = {
            "Contacts": [self._summary(contact, horizon) for contact in found if contact],
            "TotalCount": total,
        }
        if len(rows) > limit:
            answer["NextToken"] = _write_token(request, rows[limit - 1][1:])
        return answer

    def _conditions(self, request: Request, horizon: float) -> Condition:
        time_range = request["TimeRange"]
        _check_range(time_range)
        column = _TIMES[time_range["Type"]]
        end = min(time_range["EndTime"], horizon) if column in _LATER else time_range["EndTime"]
        parts = [f"{column} BETWEEN ? AND ?", "initiated_at <= ?"]
        parameters: list[Any] = [time_range["StartTime"], end, horizon]
        for name, criterion in request.get("SearchCriteria", {}).items():
            if name not in _CRITERIA:
                raise ServiceError(
                    "NotImplementedException",
                    f"SearchCriteria.{name}: the local Amazon Connect does not search by it",
                    501,
                )
            condition, values = _CRITERIA[name](criterion)
            parts.append(f"({condition})")
            parameters += values
        return " AND ".join(parts), parameters

    def _summary(self, contact: Contact, horizon: float) -> dict[str, Any]:
        connected = contact.agent_id and contact.connected_at is not None and contact.connected_at <= horizon
        enqueued = contact.queue_id and (contact.enqueued_at is None or contact.enqueued_at <= horizon)
        ended = contact.disconnected_at is not None and contact.disconnected_at <= horizon
        segment_attributes = {
            key: {kind: member for kind, member in value.items() if kind in ("ValueString", "ValueMap")}
            for key, value in contact.segment_attributes.items()
            if "ValueString" in value or "ValueMap" in value
        }
        return {
            "Arn": self._instance.contact_arn(contact.id),
            "Id": contact.id,
            "InitialContactId": contact.initial_contact_id if contact.previous_contact_id else None,
            "PreviousContactId": contact.previous_contact_id,
            "InitiationMethod": contact.initiation_method,
            "Channel": contact.channel,
            "QueueInfo": {"Id": contact.queue_id, "EnqueueTimestamp": contact.enqueued_at} if enqueued else None,
            "AgentInfo": {"Id": contact.agent_id, "ConnectedToAgentTimestamp": contact.connected_at}
            if connected
            else None,
            "InitiationTimestamp": contact.initiated_at,
            "DisconnectTimestamp": contact.disconnected_at if ended else None,
            "ScheduledTimestamp": contact.scheduled_at,
            "SegmentAttributes": segment_attributes or None,
            "Name": contact.name,
            "Tags": contact.tags or None,
        }


def _check_range(time_range: Request) -> None:
    start, end = time_range["StartTime"], time_range["EndTime"]
    if start >= end:
        raise ServiceError("InvalidParameterException", "TimeRange.EndTime: must be after StartTime")
    if end - start > MAX_RANGE:
        raise ServiceError("InvalidParameterException", "TimeRange: at most 8 weeks between StartTime and EndTime")


def _seen(column: str, horizon: float) -> str:
    return f"CASE WHEN {column} <= {horizon!r} THEN {column} END"


def _any_of(column: str) -> Callable[[Any], Condition]:
    def condition(values: list[str]) -> Condition:
        if not values:
            return "TRUE", []
        ids = [value.rpartition("/")[2] for value in values]
        return f"{column} IN ({', '.join('?' * len(ids))})", ids

    return condition


def _combine(match_type: str | None, conditions: list[Condition]) -> Condition:
    """MATCH_ALL: every condition holds; MATCH_ANY, the default: one does; MATCH_NONE: none does."""
    parameters = [value for _, values in conditions for value in values]
    if not conditions:
        return "TRUE", []
    if match_type == "MATCH_ALL":
        return " AND ".join(condition for condition, _ in conditions), parameters
    any_of = " OR ".join(condition for condition, _ in conditions)
    return (f"NOT ({any_of})" if match_type == "MATCH_NONE" else any_of), parameters


def _name(criterion: Any) -> Condition:
    """Words of a contact's name; with MATCH_EXACT the whole name."""
    if criterion["MatchType"] == "MATCH_EXACT":
        return _combine("MATCH_ANY", [("coalesce(name, '') = ?", [text]) for text in criterion["SearchText"]])
    conditions: list[Condition] = [
        ("instr(lower(coalesce(name, '')), lower(?)) > 0", [text]) for text in criterion["SearchText"]
    ]
    return _combine(criterion["MatchType"], conditions)


def _attributes(criterion: Any) -> Condition:
    """User-defined attributes; the emulator takes every key for a searchable one."""
    conditions: list[Condition] = []
    for wanted in criterion["Criteria"]:
        has_value = (
            "EXISTS (SELECT 1 FROM contacts first, json_each(first.attributes) attribute "
            "WHERE first.id = contacts.initial_contact_id AND attribute.key = ? "
            f"AND attribute.value IN ({', '.join('?' * len(wanted['Values']))}))"
        )
        conditions.append((has_value, [wanted["Key"], *wanted["Values"]]))
    return _combine(criterion.get("MatchType"), conditions)


_CRITERIA: dict[str, Callable[[Any], Condition]] = {
    "Name": _name,
    "AgentIds": _any_of("agent_id"),
    "Channels": _any_of("channel"),
    "InitiationMethods": _any_of("initiation_method"),
    "QueueIds": _any_of("queue_id"),
    "SearchableContactAttributes": _attributes,
}


def _query_digest(request: Request) -> str:
    content = {name: value for name, value in request.items() if name not in ("NextToken", "MaxResults")}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()


def _write_token(request: Request, last: tuple[Any, ...]) -> str:
    return base64.urlsafe_b64encode(json.dumps([_query_digest(request), *last]).encode()).decode()


def _read_token(request: Request) -> list[Any]:
    """The last row of the page before; a token of another search is refused."""
    try:
        digest, value, sequence = json.loads(base64.urlsafe_b64decode(request["NextToken"]))
    except ValueError:
        digest = None
    if digest != _query_digest(request):
        raise ServiceError("InvalidParameterException", "NextToken: is not of this search")
    return [value, sequence]
