"""The life of a contact, over boto3, on a clock that the test moves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.emulator.model import ServiceError
from airflow_connect.emulator.resources import (
    ALEX,
    ALEX_QUICK_CONNECT,
    BILLING_QUEUE,
    BILLING_QUICK_CONNECT,
    ENDING_FLOW,
    SAM,
    TASKS_FLOW,
    TASKS_QUEUE,
    TEMPLATE,
    TEMPLATE_WITHOUT_FLOW,
    TO_QUEUE_FLOW,
    WHISPER_FLOW,
)
from airflow_connect.emulator.server import Emulator
from tests.emulator.conftest import connect

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE, DAY = 60, 86_400


@pytest.fixture
def made(client: Any, task: dict[str, Any]) -> Callable[..., str]:
    """CreateContact's contact ID."""
    return lambda **members: client.create_contact(**task | members)["ContactId"]


@pytest.fixture
def started(client: Any, emulator: Emulator) -> Callable[..., str]:
    """StartTaskContact's contact ID; the inbound flow unless another way is given."""

    def start(**members: Any) -> str:
        way = {} if members.keys() & {"QuickConnectId", "TaskTemplateId"} else {"ContactFlowId": TASKS_FLOW.id}
        least = {"InstanceId": emulator.instance_id, "Name": "Check an order"}
        contact_id: str = client.start_task_contact(**least | way | members)["ContactId"]
        return contact_id

    return start


@pytest.fixture
def described(client: Any, emulator: Emulator) -> Callable[[str], dict[str, Any]]:
    """DescribeContact's contact."""
    return lambda contact_id: client.describe_contact(InstanceId=emulator.instance_id, ContactId=contact_id)["Contact"]


def test_created_accepted_completed(emulator: Emulator, made: Any, described: Any) -> None:
    """A contact is made, an agent accepts it, fills in attributes and completes it."""
    contact_id = made(Attributes={"a": "1", "b": "2"}, Name="n", Description="d")
    assert emulator.contact(contact_id)["state"] == "CREATED"
    emulator.clock.advance(10)
    accepted = emulator.accept(contact_id, "sam")
    assert (accepted["state"], accepted["agent_id"]) == ("CONNECTED", SAM.id)
    emulator.clock.advance(20)
    emulator.complete(contact_id, {"b": "3", "c": "4"})
    contact = described(contact_id)
    assert contact["Attributes"] == {"a": "1", "b": "3", "c": "4"}
    assert contact["DisconnectReason"] == "AGENT_COMPLETED"
    assert contact["AgentInfo"]["Id"] == SAM.id
    waited = contact["AgentInfo"]["ConnectedToAgentTimestamp"] - contact["InitiationTimestamp"]
    assert waited.total_seconds() == pytest.approx(10, abs=1)
    assert (contact["DisconnectTimestamp"] - contact["InitiationTimestamp"]).total_seconds() == pytest.approx(30, abs=1)
    assert (contact["Name"], contact["Description"]) == ("n", "d")
    assert contact["SegmentAttributes"]["connect:Subtype"]["ValueString"] == "connect:ExternalTask"


def test_agent_takes_only_what_waits(emulator: Emulator, made: Any) -> None:
    """A contact that is connected or ended cannot be accepted, and one that has ended not be completed."""
    contact_id = made()
    emulator.accept(contact_id)
    with pytest.raises(ServiceError, match="CONNECTED, not waiting"):
        emulator.accept(contact_id)
    emulator.complete(contact_id)
    with pytest.raises(ServiceError, match="ENDED, not waiting"):
        emulator.complete(contact_id)
    with pytest.raises(ServiceError, match="no such contact"):
        emulator.accept("none")
    with pytest.raises(ServiceError, match="agent: there is no such resource"):
        emulator.accept(made(), "nobody")


def test_completing_with_bad_attributes_changes_nothing(emulator: Emulator, made: Any) -> None:
    """Attributes that break a rule complete nothing, also when they do only together with those that are there."""
    contact_id = made(Attributes={"a": "x" * 20_000})
    for attributes in ({"a b": ""}, {"b": "y" * 20_000}):
        with pytest.raises(ServiceError):
            emulator.complete(contact_id, attributes)
        assert emulator.contact(contact_id)["state"] == "CREATED"


def test_initiate_as(emulator: Emulator, made: Any, described: Any) -> None:
    """CONNECTED_TO_USER begins with the user, COMPLETED is over at once and fills no quota."""
    connected = emulator.contact(made(InitiateAs="CONNECTED_TO_USER", UserInfo={"UserId": ALEX.id}))
    assert (connected["state"], connected["agent_id"]) == ("CONNECTED", ALEX.id)
    completed = described(made(InitiateAs="COMPLETED"))
    assert completed["DisconnectTimestamp"] == completed["InitiationTimestamp"]
    assert completed["DisconnectReason"] == "OTHER"


@pytest.mark.parametrize(
    ("members", "minutes"),
    [
        ({"ExpiryDurationInMinutes": 5}, 5),
        ({"SegmentAttributes": {"connect:ContactExpiry": {"ValueMap": {"ExpiryDuration": {"ValueInteger": 7}}}}}, 7),
        ({}, 7 * 24 * 60),
    ],
)
def test_contact_expires(emulator: Emulator, made: Any, described: Any, members: dict[str, Any], minutes: int) -> None:
    """A task expires after its minutes, or after 7 days, at that very time."""
    contact_id = made(**members)
    emulator.clock.advance(minutes * MINUTE - 5)
    assert "DisconnectTimestamp" not in described(contact_id)
    emulator.clock.advance(3600)
    contact = described(contact_id)
    assert contact["DisconnectReason"] == "EXPIRED"
    lived = contact["DisconnectTimestamp"] - contact["InitiationTimestamp"]
    assert lived.total_seconds() == pytest.approx(minutes * MINUTE, abs=0.01)


def test_ways_to_a_flow(emulator: Emulator, started: Any) -> None:
    """A flow, a template and a quick connect each bring the task to their queue or user."""
    assert emulator.contact(started())["queue_id"] == TASKS_QUEUE.id
    assert emulator.contact(started(TaskTemplateId=TEMPLATE.id))["queue_id"] == TASKS_QUEUE.id
    assert emulator.contact(started(QuickConnectId=BILLING_QUICK_CONNECT.id))["queue_id"] == BILLING_QUEUE.id
    for_alex = started(QuickConnectId=ALEX_QUICK_CONNECT.id)
    assert emulator.contact(for_alex)["user_id"] == ALEX.id
    with pytest.raises(ServiceError, match="waits for another agent"):
        emulator.accept(for_alex, "sam")
    assert emulator.accept(for_alex)["agent_id"] == ALEX.id
    assert {contact["state"] for contact in emulator.contacts()} == {"QUEUED", "CONNECTED"}


def test_flow_without_a_queue_ends_the_contact(started: Any, described: Any) -> None:
    """A flow that disconnects ends its task with its reason."""
    assert described(started(ContactFlowId=ENDING_FLOW.id))["DisconnectReason"] == "CONTACT_FLOW_DISCONNECT"


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"ContactFlowId": "f"}, "ResourceNotFoundException"),
        ({"QuickConnectId": "q"}, "ResourceNotFoundException"),
        ({"TaskTemplateId": "t"}, "ResourceNotFoundException"),
        ({"TaskTemplateId": TEMPLATE_WITHOUT_FLOW.id}, "InvalidRequestException"),
        ({"ContactFlowId": WHISPER_FLOW.id}, "InvalidRequestException"),
        ({"PreviousContactId": "p"}, "ResourceNotFoundException"),
        ({"RelatedContactId": "r"}, "ResourceNotFoundException"),
    ],
)
def test_what_is_not_there_starts_no_task(
    client: Any, emulator: Emulator, started: Any, members: dict[str, str], error: str
) -> None:
    """IDs of nothing, templates without a flow and flows that route nothing are refused."""
    with pytest.raises(getattr(client.exceptions, error)):
        started(**members)
    assert emulator.contacts() == []


def test_scheduled_task_starts_at_its_time(emulator: Emulator, started: Any, described: Any) -> None:
    """A task waits for its scheduled time, then it is queued, and its expiry counts from there."""
    at = datetime.fromtimestamp(int(emulator.clock.now()) + 3600, UTC)
    contact_id = started(ScheduledTime=at)
    assert emulator.contact(contact_id)["state"] == "SCHEDULED"
    assert described(contact_id)["ScheduledTimestamp"] == at
    with pytest.raises(ServiceError, match="SCHEDULED, not waiting"):
        emulator.accept(contact_id)
    emulator.clock.advance(3600)
    contact = described(contact_id)
    assert contact["QueueInfo"] == {"Id": TASKS_QUEUE.id, "EnqueueTimestamp": at}
    emulator.clock.advance(7 * DAY - 100)
    assert "DisconnectTimestamp" not in described(contact_id)
    emulator.clock.advance(100)
    assert described(contact_id)["DisconnectReason"] == "EXPIRED"


@pytest.mark.parametrize(("ahead", "words"), [(-60, "in the past"), (6 * DAY + 60, "more than 6 days ahead")])
def test_scheduled_time_has_limits(client: Any, emulator: Emulator, started: Any, ahead: int, words: str) -> None:
    """ScheduledTime is not in the past and at most 6 days ahead."""
    with pytest.raises(client.exceptions.InvalidRequestException, match=words):
        started(ScheduledTime=datetime.fromtimestamp(emulator.clock.now() + ahead, UTC))


def test_stop_contact(client: Any, emulator: Emulator, made: Any, described: Any) -> None:
    """StopContact ends a contact with reason API; an ended one is 410, one that never was 404."""
    contact_id = made()
    key = {"InstanceId": emulator.instance_id, "ContactId": contact_id}
    client.stop_contact(**key)
    assert described(contact_id)["DisconnectReason"] == "API"
    with pytest.raises(client.exceptions.ContactNotFoundException) as raised:
        client.stop_contact(**key)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 410
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.stop_contact(**key | {"ContactId": "none"})
    with pytest.raises(client.exceptions.InvalidRequestException):
        client.stop_contact(**key | {"ContactId": made(Channel="VOICE", InitiationMethod="TRANSFER")})


def test_same_token_and_content_is_one_contact(emulator: Emulator, client: Any, task: dict[str, Any]) -> None:
    """A repeated request with its token answers with the first contact, also when that has ended."""
    first = client.create_contact(**task, Name="n", ClientToken="t")
    emulator.complete(first["ContactId"])
    second = client.create_contact(**task, Name="n", ClientToken="t")
    assert second["ContactId"] == first["ContactId"]
    assert second["ContactArn"] == first["ContactArn"]
    assert len(emulator.contacts()) == 1


def test_changed_content_under_the_same_token(client: Any, emulator: Emulator, made: Any, started: Any) -> None:
    """Other content is IdempotencyException; StartTaskContact's model has none, there it is InvalidRequestException."""
    made(ClientToken="t", Attributes={"a": "1"})
    with pytest.raises(client.exceptions.IdempotencyException) as raised:
        made(ClientToken="t", Attributes={"a": "2"})
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    started(ClientToken="t")
    with pytest.raises(client.exceptions.InvalidRequestException, match="ClientToken"):
        started(ClientToken="t", Name="other")
    assert len(emulator.contacts()) == 2


def test_token_is_forgotten(task: dict[str, Any]) -> None:
    """After its lifetime a token is as new."""
    with Emulator(token_lifetime=100) as emulator:
        client = connect(emulator)
        first = client.create_contact(**task, ClientToken="t")["ContactId"]
        emulator.clock.advance(99)
        assert client.create_contact(**task, ClientToken="t")["ContactId"] == first
        emulator.clock.advance(2)
        assert client.create_contact(**task, ClientToken="t")["ContactId"] != first


def test_refused_request_uses_no_token(client: Any, made: Any) -> None:
    """A token whose request was refused is still free."""
    with pytest.raises(client.exceptions.InvalidRequestException):
        made(ClientToken="t", ExpiryDurationInMinutes=0)
    assert made(ClientToken="t", ExpiryDurationInMinutes=1)


def test_racing_twins_make_one_contact(emulator: Emulator, client: Any, task: dict[str, Any]) -> None:
    """Many threads with the same token make one contact."""
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda _: client.create_contact(**task, ClientToken="t")["ContactId"], range(64)))
    assert len(set(made)) == 1
    assert len(emulator.contacts()) == 1


def test_quota_of_active_contacts(task: dict[str, Any]) -> None:
    """With all places taken there is 402, until a contact ends; a repeated token needs no place."""
    with Emulator(active_contacts=2) as emulator:
        client = connect(emulator)
        first = client.create_contact(**task, ClientToken="t")["ContactId"]
        client.create_contact(**task)
        with pytest.raises(client.exceptions.ServiceQuotaExceededException) as raised:
            client.create_contact(**task)
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 402
        assert client.create_contact(**task, ClientToken="t")["ContactId"] == first
        assert client.create_contact(**task, InitiateAs="COMPLETED")["ContactId"]
        emulator.complete(first)
        assert client.create_contact(**task)["ContactId"]


def test_related_contact_copies_attributes(client: Any, emulator: Emulator, made: Any, described: Any) -> None:
    """A related contact begins with a copy of the attributes, and goes its own way."""
    first = made(Attributes={"a": "1", "b": "2"})
    second = made(RelatedContactId=first, Attributes={"b": "3"})
    client.update_contact_attributes(
        InstanceId=emulator.instance_id, InitialContactId=second, Attributes={"a": "changed"}
    )
    assert described(second)["Attributes"] == {"a": "changed", "b": "3"}
    assert described(second)["RelatedContactId"] == first
    assert described(first)["Attributes"] == {"a": "1", "b": "2"}


def test_chain_shares_attributes_and_has_twelve_links(
    client: Any, emulator: Emulator, started: Any, described: Any
) -> None:
    """Contacts linked by PreviousContactId share attributes; the thirteenth link is over the quota."""
    first = previous = started(Attributes={"a": "1"})
    for number in range(12):
        previous = started(PreviousContactId=previous, Attributes={f"n{number}": "x"})
    client.update_contact_attributes(InstanceId=emulator.instance_id, InitialContactId=previous, Attributes={"z": "9"})
    assert described(first)["Attributes"] == described(previous)["Attributes"]
    assert len(described(first)["Attributes"]) == 14
    assert described(previous)["InitialContactId"] == first
    with pytest.raises(client.exceptions.ServiceQuotaExceededException):
        started(PreviousContactId=first)


def test_attributes_are_merged_and_limited(client: Any, emulator: Emulator, made: Any) -> None:
    """UpdateContactAttributes adds and changes, also after the end, within the limit of the whole contact."""
    contact_id = made(Attributes={"a": "1"})
    emulator.complete(contact_id)
    key = {"InstanceId": emulator.instance_id, "InitialContactId": contact_id}
    client.update_contact_attributes(**key, Attributes={"b": "x" * 30_000})
    with pytest.raises(client.exceptions.InvalidRequestException, match="Attributes: "):
        client.update_contact_attributes(**key, Attributes={"c": "x" * 3_000})
    assert client.get_contact_attributes(**key)["Attributes"].keys() == {"a", "b"}


def test_update_contact(client: Any, emulator: Emulator, made: Any, described: Any) -> None:
    """UpdateContact changes what is named, merges references, and needs at least one field."""
    key = {"InstanceId": emulator.instance_id}
    contact_id = made(Name="old", References={"a": {"Type": "STRING", "Value": "1"}})
    client.update_contact(
        **key, ContactId=contact_id, Name="new", References={"b": {"Type": "URL", "Value": "https://example.com"}}
    )
    assert described(contact_id)["Name"] == "new"
    assert emulator.contact(contact_id)["references"].keys() == {"a", "b"}
    with pytest.raises(client.exceptions.InvalidRequestException, match="at least one field"):
        client.update_contact(**key, ContactId=contact_id)
    with pytest.raises(client.exceptions.InvalidRequestException, match="QueueInfo: for external audio"):
        client.update_contact(**key, ContactId=contact_id, QueueInfo={"Id": TASKS_QUEUE.id})
    voice = made(Channel="VOICE", InitiationMethod="TRANSFER")
    client.update_contact(
        **key,
        ContactId=voice,
        QueueInfo={"Id": TASKS_QUEUE.id},
        CustomerEndpoint={"Type": "TELEPHONE_NUMBER", "Address": "+15550100"},
    )
    assert described(voice)["QueueInfo"]["Id"] == TASKS_QUEUE.id
    assert described(voice)["CustomerEndpoint"]["Address"] == "+15550100"


def test_expiry_can_be_changed(client: Any, emulator: Emulator, made: Any) -> None:
    """A new expiry counts from the contact's start."""
    contact_id = made(ExpiryDurationInMinutes=60)
    emulator.clock.advance(600)
    expiry = {"connect:ContactExpiry": {"ValueMap": {"ExpiryDuration": {"ValueInteger": 15}}}}
    client.update_contact(InstanceId=emulator.instance_id, ContactId=contact_id, SegmentAttributes=expiry)
    assert emulator.contact(contact_id)["state"] == "CREATED"
    emulator.clock.advance(301)
    assert emulator.contact(contact_id)["disconnect_reason"] == "EXPIRED"


def test_tags(client: Any, emulator: Emulator, made: Any, described: Any) -> None:
    """Tags add up to six, and are removed by key."""
    key = {"InstanceId": emulator.instance_id, "ContactId": made()}
    client.tag_contact(**key, Tags=dict.fromkeys("abcd", "1"))
    client.tag_contact(**key, Tags={"a": "2", "e": "1", "f": "1"})
    with pytest.raises(client.exceptions.InvalidRequestException, match="7, at most 6"):
        client.tag_contact(**key, Tags={"g": "1"})
    client.untag_contact(**key, TagKeys=["b", "c", "none"])
    assert described(key["ContactId"])["Tags"] == {"a": "2", "d": "1", "e": "1", "f": "1"}
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.tag_contact(**key, Tags={"aws:x": "1"})


def test_transfer_makes_a_successor(client: Any, emulator: Emulator, started: Any, described: Any) -> None:
    """A transfer ends the contact and queues its successor, with the same attributes and the chain's IDs."""
    first = started(Attributes={"a": "1"})
    emulator.accept(first)
    key = {"InstanceId": emulator.instance_id, "ContactFlowId": TO_QUEUE_FLOW.id, "ClientToken": "t"}
    answer = client.transfer_contact(**key, ContactId=first, QueueId=BILLING_QUEUE.id)
    second = answer["ContactId"]
    assert answer["ContactArn"].endswith(f"contact/{second}")
    assert client.transfer_contact(**key, ContactId=first, QueueId=BILLING_QUEUE.id)["ContactId"] == second
    assert described(first)["DisconnectReason"] == "TRANSFERRED"
    contact = described(second)
    assert contact["PreviousContactId"] == contact["InitialContactId"] == first
    assert (contact["InitiationMethod"], contact["QueueInfo"]["Id"]) == ("TRANSFER", BILLING_QUEUE.id)
    assert contact["Attributes"] == {"a": "1"}
    assert "AgentInfo" not in contact


def test_associated_contacts_are_a_chain(client: Any, emulator: Emulator, started: Any, made: Any) -> None:
    """Each contact of a chain leads to all of it: who came before whom, and who has ended."""
    first, other = started(), made()
    key = {"InstanceId": emulator.instance_id, "ContactFlowId": TO_QUEUE_FLOW.id}
    second = client.transfer_contact(**key, ContactId=first, QueueId=BILLING_QUEUE.id)["ContactId"]
    for contact_id in (first, second):
        answer = client.list_associated_contacts(InstanceId=emulator.instance_id, ContactId=contact_id)
        chain = answer["ContactSummaryList"]
        assert [(one["ContactId"], one.get("PreviousContactId")) for one in chain] == [(first, None), (second, first)]
        assert ["DisconnectTimestamp" in one for one in chain] == [True, False]
    alone = client.list_associated_contacts(InstanceId=emulator.instance_id, ContactId=other)
    assert [one["ContactId"] for one in alone["ContactSummaryList"]] == [other]
    assert "NextToken" not in alone


def test_associated_contacts_come_in_pages(client: Any, emulator: Emulator, started: Any, made: Any) -> None:
    """MaxResults contacts at a time; a token leads to the next ones of the same contact, and of no other."""
    key = {"InstanceId": emulator.instance_id, "ContactFlowId": TO_QUEUE_FLOW.id, "QueueId": BILLING_QUEUE.id}
    chain = [started()]
    for _ in range(2):
        chain.append(client.transfer_contact(**key, ContactId=chain[-1])["ContactId"])
    asked = {"InstanceId": emulator.instance_id, "ContactId": chain[1]}
    first = client.list_associated_contacts(**asked, MaxResults=2)
    second = client.list_associated_contacts(**asked, MaxResults=2, NextToken=first["NextToken"])
    pages = [[one["ContactId"] for one in page["ContactSummaryList"]] for page in (first, second)]
    assert pages == [chain[:2], chain[2:]]
    assert "NextToken" not in second
    of_another = {"InstanceId": emulator.instance_id, "ContactId": made(), "NextToken": first["NextToken"]}
    with pytest.raises(client.exceptions.InvalidParameterException, match="NextToken"):
        client.list_associated_contacts(**of_another)
    with pytest.raises(client.exceptions.InvalidParameterException, match="NextToken"):
        client.list_associated_contacts(**asked, NextToken="W10=")


def test_transfer_has_limits(client: Any, emulator: Emulator, started: Any, made: Any) -> None:
    """Tasks and e-mails, active, to a queue or a user, eleven times."""
    key = {"InstanceId": emulator.instance_id, "ContactFlowId": TO_QUEUE_FLOW.id}
    contact_id = started()
    with pytest.raises(client.exceptions.InvalidRequestException, match="not both"):
        client.transfer_contact(**key, ContactId=contact_id, QueueId=BILLING_QUEUE.id, UserId=ALEX.id)
    with pytest.raises(client.exceptions.InvalidRequestException, match="TASK and EMAIL"):
        client.transfer_contact(**key, ContactId=made(Channel="VOICE", InitiationMethod="TRANSFER"))
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="QueueId"):
        client.transfer_contact(**key, ContactId=contact_id, QueueId="none")
    with pytest.raises(client.exceptions.InvalidRequestException, match="AGENT_WHISPER"):
        client.transfer_contact(**key | {"ContactFlowId": WHISPER_FLOW.id}, ContactId=contact_id)
    last = contact_id
    for _ in range(11):
        last = client.transfer_contact(**key, ContactId=last, UserId=ALEX.id)["ContactId"]
    with pytest.raises(client.exceptions.ServiceQuotaExceededException):
        client.transfer_contact(**key, ContactId=last)
    with pytest.raises(client.exceptions.InvalidRequestException, match="has ended"):
        client.transfer_contact(**key, ContactId=contact_id)
    assert emulator.contact(last)["state"] == "QUEUED"


def test_attachments_are_limited_to_five(client: Any, emulator: Emulator, started: Any) -> None:
    """A task has up to five attachments."""
    if "Attachments" not in client.meta.service_model.operation_model("StartTaskContact").input_shape.members:
        pytest.skip("this botocore does not know attachments")
    attachment = {"FileName": "report ä.pdf", "S3Url": "https://example.com/report"}
    contact_id = started(Attachments=[attachment] * 5)
    assert len(emulator.contact(contact_id)["attachments"]) == 5
    with pytest.raises(client.exceptions.InvalidParameterException, match="Attachments: 6 members, at most 5"):
        started(Attachments=[attachment] * 6)


def test_failed_operation_keeps_what_time_has_done(client: Any, emulator: Emulator, made: Any) -> None:
    """An expiry that a refused request has made due is not undone with the request."""
    expired = made(ExpiryDurationInMinutes=1)
    emulator.clock.advance(61)
    with pytest.raises(client.exceptions.ContactNotFoundException):
        client.stop_contact(InstanceId=emulator.instance_id, ContactId=expired)
    assert emulator.contact(expired)["disconnect_reason"] == "EXPIRED"
