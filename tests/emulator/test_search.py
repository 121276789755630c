"""SearchContacts: ranges, criteria, pages, and the lag of its index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import botocore.exceptions
import pytest

from airflow_connect.emulator.resources import ALEX, BILLING_FLOW, BILLING_QUEUE, SAM, TASKS_FLOW
from airflow_connect.emulator.search import _CRITERIA
from airflow_connect.emulator.server import Emulator
from tests.emulator.conftest import connect, send

if TYPE_CHECKING:
    from collections.abc import Callable


def search_of(emulator: Emulator, client: Any) -> Callable[..., dict[str, Any]]:
    def search(
        kind: str = "INITIATION_TIMESTAMP", hours: float = 1, at: float | None = None, **members: Any
    ) -> dict[str, Any]:
        now = datetime.fromtimestamp(at or emulator.clock.now(), UTC)
        span = {"Type": kind, "StartTime": now - timedelta(hours=hours), "EndTime": now + timedelta(hours=1)}
        found: dict[str, Any] = client.search_contacts(InstanceId=emulator.instance_id, TimeRange=span, **members)
        return found

    return search


@pytest.fixture
def search(emulator: Emulator, client: Any) -> Callable[..., dict[str, Any]]:
    """SearchContacts over the last hour and the next."""
    return search_of(emulator, client)


@pytest.fixture
def make(client: Any, task: dict[str, Any]) -> Callable[..., str]:
    return lambda **members: client.create_contact(**task | members)["ContactId"]


def ids(answer: dict[str, Any]) -> list[str]:
    return [contact["Id"] for contact in answer["Contacts"]]


def test_pages_have_every_contact_once(emulator: Emulator, client: Any, make: Any) -> None:
    """Boto3's paginator reads all contacts, each once, newest first, also while new ones are made."""
    made = [make(Name=str(number)) for number in range(25)]
    now = emulator.clock.now()
    span = {"Type": "INITIATION_TIMESTAMP", "StartTime": now - 60, "EndTime": now + 60}
    found = []
    for page in client.get_paginator("search_contacts").paginate(
        InstanceId=emulator.instance_id, TimeRange=span, PaginationConfig={"PageSize": 10}
    ):
        found += ids(page)
        make(Name="later")
    assert found == made[::-1]


@pytest.mark.parametrize("order", ["ASCENDING", "DESCENDING"])
@pytest.mark.parametrize("field", ["DISCONNECT_TIMESTAMP", "INITIATION_METHOD", "CHANNEL", "EXPIRY_TIMESTAMP"])
def test_sorted_pages(emulator: Emulator, search: Any, make: Any, field: str, order: str) -> None:
    """Each sort order reads every contact once, those without the field's value too."""
    made = [make() for _ in range(7)]
    make(Channel="VOICE", InitiationMethod="TRANSFER")
    emulator.complete(made[3])
    emulator.complete(made[1])
    sort = {"FieldName": field, "Order": order}
    found: list[str] = []
    token: dict[str, str] = {}
    at = emulator.clock.now()
    while True:
        page = search(at=at, MaxResults=3, Sort=sort, **token)
        assert page["TotalCount"] == 8
        found += ids(page)
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert len(found) == len(set(found)) == 8
    if field == "DISCONNECT_TIMESTAMP":
        ended = [contact for contact in found if contact in (made[3], made[1])]
        assert ended == ([made[3], made[1]] if order == "ASCENDING" else [made[1], made[3]])


@pytest.mark.parametrize("order", ["ASCENDING", "DESCENDING"])
def test_pages_sorted_by_the_time_of_their_range(emulator: Emulator, client: Any, make: Any, order: str) -> None:
    """Those that ended are read once each, in order, and TotalCount is the same on each page."""
    made = [make() for _ in range(9)]
    for contact_id in made[:7]:
        emulator.complete(contact_id)
    now = emulator.clock.now()
    query = {
        "InstanceId": emulator.instance_id,
        "TimeRange": {"Type": "DISCONNECT_TIMESTAMP", "StartTime": now - 60, "EndTime": now + 60},
        "Sort": {"FieldName": "DISCONNECT_TIMESTAMP", "Order": order},
        "MaxResults": 2,
    }
    pages = [client.search_contacts(**query)]
    while token := pages[-1].get("NextToken"):
        pages.append(client.search_contacts(**query, NextToken=token))
    assert [page["TotalCount"] for page in pages] == [7] * 4
    assert [contact_id for page in pages for contact_id in ids(page)] == made[:7][:: 1 if order == "ASCENDING" else -1]


def test_time_ranges(emulator: Emulator, client: Any, search: Any, make: Any) -> None:
    """Each type of range looks at its own timestamp."""
    at = emulator.clock.now() + 1800
    key = {"InstanceId": emulator.instance_id, "Name": "n", "ContactFlowId": TASKS_FLOW.id}
    scheduled = client.start_task_contact(**key, ScheduledTime=at)["ContactId"]
    queued = client.start_task_contact(**key)["ContactId"]
    connected, ended = make(), make()
    emulator.accept(connected)
    emulator.complete(ended)
    assert ids(search("SCHEDULED_TIMESTAMP")) == [scheduled]
    assert ids(search("ENQUEUE_TIMESTAMP")) == [queued]
    assert set(ids(search("CONNECTED_TO_AGENT_TIMESTAMP"))) == {connected, ended}
    assert ids(search("DISCONNECT_TIMESTAMP")) == [ended]
    emulator.clock.advance(3 * 3600)
    assert search()["Contacts"] == []


def test_criteria(emulator: Emulator, client: Any, search: Any, make: Any) -> None:
    """Channels, initiation methods, queues, agents, names and attributes, alone and together."""
    voice = make(Channel="VOICE", InitiationMethod="TRANSFER")
    sams = make(Name="Order of Berlin", Attributes={"city": "Berlin", "kind": "a"})
    alexs = make(Name="Order of Paris", Attributes={"city": "Paris", "kind": "a"})
    emulator.accept(sams, "sam")
    emulator.accept(alexs, "alex")
    key = {"InstanceId": emulator.instance_id, "Name": "bill", "ContactFlowId": BILLING_FLOW.id}
    billing = client.start_task_contact(**key)["ContactId"]

    def found(**criteria: Any) -> set[str]:
        return set(ids(search(SearchCriteria=criteria)))

    def attributes(match_type: str, *wanted: tuple[str, list[str]]) -> dict[str, Any]:
        criteria = [{"Key": name, "Values": values} for name, values in wanted]
        return {"SearchableContactAttributes": {"Criteria": criteria, "MatchType": match_type}}

    assert found(Channels=["VOICE"]) == {voice}
    assert found(InitiationMethods=["API"]) == {sams, alexs, billing}
    assert found(QueueIds=[BILLING_QUEUE.id]) == {billing}
    assert found(AgentIds=[SAM.id, ALEX.id]) == {sams, alexs}
    assert found(AgentIds=[ALEX.id], Channels=["VOICE"]) == set()
    assert found(Name={"SearchText": ["berlin", "bill"], "MatchType": "MATCH_ANY"}) == {sams, billing}
    assert found(Name={"SearchText": ["order", "paris"], "MatchType": "MATCH_ALL"}) == {alexs}
    assert found(Name={"SearchText": ["bill"], "MatchType": "MATCH_EXACT"}) == {billing}
    assert found(Name={"SearchText": ["order"], "MatchType": "MATCH_NONE"}) == {voice, billing}
    assert found(**attributes("MATCH_ALL", ("city", ["Paris", "Rome"]), ("kind", ["a"]))) == {alexs}
    assert found(**attributes("MATCH_ANY", ("city", ["Berlin"]), ("kind", ["z"]))) == {sams}
    assert found(**attributes("MATCH_NONE", ("kind", ["a"]))) == {voice, billing}


def test_tags(client: Any, emulator: Emulator, search: Any, make: Any) -> None:
    """Tags are searched by one condition, by all of a list, and by one list of several."""
    first, second, third = make(), make(), make()
    for contact_id, tags in (
        (first, {"team": "billing", "urgent": "yes"}),
        (second, {"team": "billing"}),
        (third, {"team": "tasks", "urgent": "yes"}),
    ):
        client.tag_contact(InstanceId=emulator.instance_id, ContactId=contact_id, Tags=tags)
    make()

    def found(**criterion: Any) -> set[str]:
        return set(ids(search(SearchCriteria={"ContactTags": criterion})))

    billing, urgent = {"TagKey": "team", "TagValue": "billing"}, {"TagKey": "urgent", "TagValue": "yes"}
    assert found(TagCondition=billing) == {first, second}
    assert found(TagCondition={"TagKey": "team", "TagValue": "bill"}) == set()
    assert found(TagCondition={"TagKey": "team"}) == {first, second, third}
    assert found(AndConditions=[billing, urgent]) == {first}
    assert found(OrConditions=[[billing, urgent], [{"TagKey": "team", "TagValue": "tasks"}]]) == {first, third}
    assert found(AndConditions=[urgent], OrConditions=[[billing], [{"TagKey": "none"}]]) == {first}
    client.untag_contact(InstanceId=emulator.instance_id, ContactId=first, TagKeys=["urgent"])
    assert found(AndConditions=[billing, urgent]) == set()


def test_segment_attributes(client: Any, emulator: Emulator, search: Any, make: Any) -> None:
    """Segment attributes are searched by their own values: a text, a number, a member of a list; not by a map's."""
    key = {"InstanceId": emulator.instance_id, "Name": "n", "ContactFlowId": TASKS_FLOW.id}
    routed = client.start_task_contact(**key)["ContactId"]
    made = make(SegmentAttributes={"plan": {"ValueString": "gold"}})
    expiring = make(ExpiryDurationInMinutes=90)
    client.update_contact(
        InstanceId=emulator.instance_id,
        ContactId=made,
        SegmentAttributes={
            "size": {"ValueInteger": 12},
            "connect:Colours": {"ValueList": [{"ValueString": "red"}, {"ValueString": "blue"}]},
        },
    )

    def found(match_type: str | None, **wanted: list[str]) -> set[str]:
        criterion: dict[str, Any] = {
            "Criteria": [{"Key": name.replace("__", ":"), "Values": values} for name, values in wanted.items()]
        }
        criterion |= {"MatchType": match_type} if match_type else {}
        return set(ids(search(SearchCriteria={"SearchableSegmentAttributes": criterion})))

    assert found(None, connect__Subtype=["connect:ExternalTask", "connect:Email"]) == {made, expiring}
    assert found("MATCH_ALL", connect__Subtype=["connect:ExternalTask"], plan=["gold"]) == {made}
    assert found("MATCH_ANY", plan=["silver"], size=["12"]) == {made}
    assert found("MATCH_NONE", plan=["gold"]) == {routed, expiring}
    assert found(None, connect__Colours=["blue"]) == {made}
    assert found(None, connect__ContactExpiry=["90"]) == set()


def test_additional_time_range(emulator: Emulator, search: Any, make: Any) -> None:
    """Contacts are narrowed by a second time, or by one that they do not have yet."""
    waiting, accepted, ended = make(), make(), make()
    emulator.accept(accepted)
    emulator.accept(ended)
    emulator.clock.advance(60)
    emulator.complete(ended)
    now = emulator.clock.now()

    def found(match_type: str, *criteria: dict[str, Any]) -> set[str]:
        criterion = {"Criteria": list(criteria), "MatchType": match_type}
        return set(ids(search(SearchCriteria={"AdditionalTimeRange": criterion})))

    ended_lately = {"TimeRange": {"Type": "DISCONNECT_TIMESTAMP", "StartTime": now - 30, "EndTime": now + 30}}
    open_still = {"TimestampCondition": {"Type": "DISCONNECT_TIMESTAMP", "ConditionType": "NOT_EXISTS"}}
    not_accepted = {"TimestampCondition": {"Type": "CONNECTED_TO_AGENT_TIMESTAMP", "ConditionType": "NOT_EXISTS"}}
    assert found("MATCH_ALL", ended_lately) == {ended}
    assert found("MATCH_ALL", open_still) == {waiting, accepted}
    assert found("MATCH_ALL", open_still, not_accepted) == {waiting}
    assert found("MATCH_ANY", ended_lately, not_accepted) == {waiting, ended}
    assert found("MATCH_NONE", not_accepted) == {accepted, ended}
    backwards = {"TimeRange": {"Type": "DISCONNECT_TIMESTAMP", "StartTime": now, "EndTime": now - 1}}
    with pytest.raises(botocore.exceptions.ClientError, match=r"Criteria\[0\]\.TimeRange\.EndTime"):
        found("MATCH_ALL", backwards)


AGENTS = {"AgentIds": [SAM.id], "MatchType": "MATCH_ANY"}
WORDS = {"ParticipantRole": "AGENT", "SearchText": ["refund"], "MatchType": "MATCH_ANY"}
AI_AGENT = {"Id": "00000000-0000-4000-8000-000000000000", "AiUseCase": "SelfService"}


@pytest.mark.parametrize(
    ("criterion", "empty"),
    [
        ({"AgentHierarchyGroups": {"L1Ids": ["g"]}}, {"AgentHierarchyGroups": {"L1Ids": []}}),
        ({"RoutingCriteria": {"Steps": [{"AgentCriteria": AGENTS}]}}, {"RoutingCriteria": {"Steps": []}}),
        ({"ContactAnalysis": {"Transcript": {"Criteria": [WORDS]}}}, {"ContactAnalysis": {}}),
        ({"AiAgents": {"Criteria": [AI_AGENT]}}, {"AiAgents": {"Criteria": []}}),
        ({"ActiveRegions": ["eu-west-2"]}, {"ActiveRegions": ["us-east-1", "eu-west-2"]}),
    ],
    ids=lambda criterion: next(iter(criterion)),
)
def test_criteria_of_what_is_not_there(search: Any, make: Any, criterion: Any, empty: Any) -> None:
    """Who searches by what no contact here has finds nothing; an empty criterion restricts nothing."""
    contact_id = make()
    assert ids(search(SearchCriteria=criterion)) == []
    assert ids(search(SearchCriteria=empty)) == [contact_id]


def test_words_that_no_transcript_holds(search: Any, make: Any) -> None:
    """A transcript that is not there holds none of the words, which MATCH_NONE asks for."""
    contact_id = make()
    transcript = {"Criteria": [WORDS | {"MatchType": "MATCH_NONE"}]}
    assert ids(search(SearchCriteria={"ContactAnalysis": {"Transcript": transcript}})) == [contact_id]


def test_every_criterion_of_the_model_is_there(client: Any) -> None:
    """There is no criterion of the installed service model that answers 501."""
    shape = client.meta.service_model.shape_for("SearchCriteria")
    assert set(shape.members) <= set(_CRITERIA)


def test_criterion_that_is_not_there_is_not_ignored(search: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A criterion of a later service model answers 501 with its name, never all contacts."""
    monkeypatch.delitem(_CRITERIA, "Channels")
    with pytest.raises(botocore.exceptions.ClientError, match=r"SearchCriteria\.Channels") as raised:
        search(SearchCriteria={"Channels": ["TASK"]})
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_range_has_limits(client: Any, search: Any) -> None:
    """A range does not end before it starts, and is no longer than 8 weeks."""
    with pytest.raises(client.exceptions.InvalidParameterException, match="at most 8 weeks"):
        search(hours=8 * 7 * 24)
    with pytest.raises(client.exceptions.InvalidParameterException, match="must not be before StartTime"):
        search(hours=-2)


@pytest.mark.parametrize("kind", ["INITIATION_TIMESTAMP", "DISCONNECT_TIMESTAMP"])
def test_range_of_one_instant(emulator: Emulator, make: Any, kind: str) -> None:
    """A range may start when it ends: it has the contacts of that millisecond, as an answer had it."""
    contact_id = make(ExpiryDurationInMinutes=1)
    emulator.clock.advance(61)
    answer = send(emulator, "GET", f"/contacts/{emulator.instance_id}/{contact_id}").json["Contact"]
    member = "InitiationTimestamp" if kind == "INITIATION_TIMESTAMP" else "DisconnectTimestamp"

    def found(at: float) -> list[str]:
        body = {"InstanceId": emulator.instance_id, "TimeRange": {"Type": kind, "StartTime": at, "EndTime": at}}
        return ids(send(emulator, "POST", "/search-contacts", body).json)

    assert found(answer[member]) == [contact_id]
    assert found(answer[member] + 0.002) == []


@pytest.mark.parametrize("token", ["nonsense", "W10=", "WyJhIiwgMSwgMl0="])
def test_token_of_another_search_is_refused(client: Any, search: Any, token: str) -> None:
    """A NextToken that is none of this search's is an invalid parameter."""
    with pytest.raises(client.exceptions.InvalidParameterException, match="NextToken"):
        search(NextToken=token)


def test_index_lags(task: dict[str, Any]) -> None:
    """With a lag a new contact, and the end of one, are seen later."""
    with Emulator(search_lag_seconds=60) as emulator:
        client = connect(emulator)
        search = search_of(emulator, client)
        contact_id = client.create_contact(**task)["ContactId"]
        assert search()["Contacts"] == []
        emulator.clock.advance(61)
        assert ids(search()) == [contact_id]
        emulator.complete(contact_id)
        contact = search()["Contacts"][0]
        assert not contact.keys() & {"DisconnectTimestamp", "AgentInfo"}
        assert search("DISCONNECT_TIMESTAMP")["Contacts"] == []
        emulator.clock.advance(61)
        assert search()["Contacts"][0].keys() >= {"DisconnectTimestamp", "AgentInfo"}
        assert ids(search("DISCONNECT_TIMESTAMP")) == [contact_id]


def test_summaries_have_epoch_numbers(emulator: Emulator, make: Any) -> None:
    """Timestamps in lists are numbers on the wire, as they are elsewhere."""
    make()
    now = emulator.clock.now()
    body = {
        "InstanceId": emulator.instance_id,
        "TimeRange": {"Type": "INITIATION_TIMESTAMP", "StartTime": now - 60, "EndTime": now + 60},
    }
    reply = send(emulator, "POST", "/search-contacts", body)
    assert isinstance(reply.json["Contacts"][0]["InitiationTimestamp"], int | float)
    assert reply.json["TotalCount"] == 1
