"""
SearchContacts: an index that may lag, read page by page.

https://docs.aws.amazon.com/connect/latest/APIReference/API_SearchContacts.html
"""

# ruff: noqa: S608 -- SQL is put together from this module's own words; what a request says goes in as parameters

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_connect.emulator.model import Request, ServiceError
from airflow_connect.emulator.paging import read_token, write_token

if TYPE_CHECKING:
    from airflow_connect.emulator.resources import Instance
    from airflow_connect.emulator.store import Contact, Store

#: Seconds between StartTime and EndTime, 8 weeks at most.
MAX_RANGE = 8 * 7 * 86_400
DEFAULT_RESULTS = 100
#: The wire has whole milliseconds: a time from an answer finds its contact again.
_HALF_A_MILLISECOND = 0.0005

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
#: For what no contact of the local Amazon Connect has.
_NEVER: Condition = ("FALSE", [])


class Index(NamedTuple):
    """What a criterion may have to know of the index: its Region, and the time up to which it has seen contacts."""

    region: str
    horizon: float


Criterion = Callable[[Any, Index], Condition]


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
            NotImplementedException (501) for a criterion that a newer service model has and this module does not.
        """
        horizon = now - self._lag
        where, parameters = self._conditions(request, horizon)
        sort = request.get("Sort", {"FieldName": "INITIATION_TIMESTAMP", "Order": "DESCENDING"})
        column = _SORTABLE[sort["FieldName"]]
        if column == _TIMES[request["TimeRange"]["Type"]]:
            key = column  # of all that are in the range, so that the index gives the order
        else:
            key = f"coalesce({_seen(column, horizon) if column in _LATER else column}, '')"
        order, beyond = ("ASC", ">") if sort["Order"] == "ASCENDING" else ("DESC", "<")
        limit = request.get("MaxResults", DEFAULT_RESULTS)
        page, page_parameters = where, list(parameters)
        if "NextToken" in request:
            total, *last = read_token(request)  # counted once: to count is to read all of them
            page += f" AND ({key}, sequence) {beyond} (?, ?)"
            page_parameters += last
            if key == column:
                # The range of the index begins at the last one of the page before, or ends there.
                page_parameters[0 if order == "ASC" else 1] = last[0]
        else:
            total = self._store.query(f"SELECT count(*) FROM contacts WHERE {where}", tuple(parameters))[0][0]
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
            answer["NextToken"] = write_token(request, total, *rows[limit - 1][1:])
        return answer

    def _conditions(self, request: Request, horizon: float) -> Condition:
        time_range = request["TimeRange"]
        if time_range["EndTime"] - time_range["StartTime"] > MAX_RANGE:
            raise ServiceError("InvalidParameterException", "TimeRange: at most 8 weeks between StartTime and EndTime")
        index = Index(self._instance.region, horizon)
        in_range, parameters = _within(time_range, "TimeRange", index)
        parts = [in_range, "initiated_at <= ?"]
        parameters.append(horizon)
        for name, criterion in request.get("SearchCriteria", {}).items():
            if name not in _CRITERIA:
                raise ServiceError(
                    "NotImplementedException",
                    f"SearchCriteria.{name}: the local Amazon Connect does not search by it",
                    501,
                )
            condition, values = _CRITERIA[name](criterion, index)
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


def _within(time_range: Request, path: str, index: Index) -> Condition:
    """Both ends belong to a range, and may be the same instant."""
    start, end = time_range["StartTime"], time_range["EndTime"]
    if start > end:
        raise ServiceError("InvalidParameterException", f"{path}.EndTime: must not be before StartTime")
    column = _TIMES[time_range["Type"]]
    latest = end + _HALF_A_MILLISECOND
    if column in _LATER:
        latest = min(latest, index.horizon)
    return f"{column} BETWEEN ? AND ?", [start - _HALF_A_MILLISECOND, latest]


def _seen(column: str, horizon: float) -> str:
    return f"CASE WHEN {column} <= {horizon!r} THEN {column} END"


def _any_of(column: str) -> Criterion:
    def condition(values: list[str], _: Index) -> Condition:
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
    word = " AND " if match_type == "MATCH_ALL" else " OR "
    combined = word.join(f"({condition})" for condition, _ in conditions)
    return (f"NOT ({combined})" if match_type == "MATCH_NONE" else combined), parameters


def _name(criterion: Any, _: Index) -> Condition:
    """Words of a contact's name; with MATCH_EXACT the whole name."""
    if criterion["MatchType"] == "MATCH_EXACT":
        return _combine("MATCH_ANY", [("coalesce(name, '') = ?", [text]) for text in criterion["SearchText"]])
    conditions: list[Condition] = [
        ("instr(lower(coalesce(name, '')), lower(?)) > 0", [text]) for text in criterion["SearchText"]
    ]
    return _combine(criterion["MatchType"], conditions)


def _attributes(criterion: Any, _: Index) -> Condition:
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


def _segment_attributes(criterion: Any, _: Index) -> Condition:
    """Segment attributes, also numbers and the members of lists; the values in a map have keys of their own."""
    conditions: list[Condition] = []
    for wanted in criterion["Criteria"]:
        has_value = (
            "EXISTS (SELECT 1 FROM json_each(contacts.segment_attributes) attribute, json_tree(attribute.value) part "
            "WHERE attribute.key = ? AND part.path NOT LIKE '%.ValueMap%' "
            f"AND CAST(part.atom AS TEXT) IN ({', '.join('?' * len(wanted['Values']))}))"
        )
        conditions.append((has_value, [wanted["Key"], *wanted["Values"]]))
    return _combine(criterion.get("MatchType"), conditions)


def _tags(criterion: Any, _: Index) -> Condition:
    """
    Amazon: the "top level list specifies conditions that need to be applied with OR operator", the inner with AND.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_ControlPlaneTagFilter.html
    """
    conditions: list[Condition] = [
        _combine("MATCH_ALL", [_tag(wanted) for wanted in criterion.get("AndConditions", ())])
    ]
    if "TagCondition" in criterion:
        conditions.append(_tag(criterion["TagCondition"]))
    alternatives = [
        _combine("MATCH_ALL", [_tag(wanted) for wanted in together]) for together in criterion.get("OrConditions", ())
    ]
    return _combine("MATCH_ALL", [*conditions, _combine("MATCH_ANY", alternatives)])


def _tag(wanted: Any) -> Condition:
    """A tag of this key and of this value; a condition without one of them holds for any."""
    parts = [
        (column, wanted[member]) for member, column in (("TagKey", "key"), ("TagValue", "value")) if member in wanted
    ]
    if not parts:
        return "TRUE", []
    equal = " AND ".join(f"tag.{column} = ?" for column, _ in parts)
    return f"EXISTS (SELECT 1 FROM json_each(contacts.tags) tag WHERE {equal})", [value for _, value in parts]


def _additional_time_range(criterion: Any, index: Index) -> Condition:
    conditions = []
    for number, wanted in enumerate(criterion["Criteria"]):
        parts: list[Condition] = []
        if "TimeRange" in wanted:
            path = f"SearchCriteria.AdditionalTimeRange.Criteria[{number}].TimeRange"
            parts.append(_within(wanted["TimeRange"], path, index))
        if "TimestampCondition" in wanted:
            column = _TIMES[wanted["TimestampCondition"]["Type"]]
            parts.append((f"{_seen(column, index.horizon) if column in _LATER else column} IS NULL", []))
        conditions.append(_combine("MATCH_ALL", parts))
    return _combine(criterion["MatchType"], conditions)


def _active_regions(regions: list[str], index: Index) -> Condition:
    """The instance is in one Region, and so is each of its contacts."""
    return ("TRUE", []) if not regions or index.region in regions else _NEVER


def _hierarchy_groups(criterion: Any, _: Index) -> Condition:
    """The emulator's agents are in no hierarchy."""
    return _NEVER if any(criterion.values()) else ("TRUE", [])


def _routing_criteria(criterion: Any, _: Index) -> Condition:
    """The emulator's flows do not set routing criteria: a contact does not have a step."""
    steps = [step["AgentCriteria"] for step in criterion.get("Steps", ()) if "AgentCriteria" in step]
    return _combine("MATCH_ALL", [_combine(step.get("MatchType"), [_NEVER]) for step in steps if step.get("AgentIds")])


def _contact_analysis(criterion: Any, _: Index) -> Condition:
    """The emulator does not analyse conversations: a transcript is empty."""
    transcript = criterion.get("Transcript", {"Criteria": ()})
    conditions = [
        _combine(wanted["MatchType"], [_NEVER for _ in wanted["SearchText"]]) for wanted in transcript["Criteria"]
    ]
    return _combine(transcript.get("MatchType"), conditions)


def _ai_agents(criterion: Any, _: Index) -> Condition:
    """No AI agent works here."""
    return _NEVER if any(criterion.get("Criteria", ())) else ("TRUE", [])


_CRITERIA: dict[str, Criterion] = {
    "Name": _name,
    "AgentIds": _any_of("agent_id"),
    "AgentHierarchyGroups": _hierarchy_groups,
    "Channels": _any_of("channel"),
    "ContactAnalysis": _contact_analysis,
    "InitiationMethods": _any_of("initiation_method"),
    "QueueIds": _any_of("queue_id"),
    "RoutingCriteria": _routing_criteria,
    "AdditionalTimeRange": _additional_time_range,
    "SearchableContactAttributes": _attributes,
    "SearchableSegmentAttributes": _segment_attributes,
    "ActiveRegions": _active_regions,
    "ContactTags": _tags,
    "AiAgents": _ai_agents,
}
