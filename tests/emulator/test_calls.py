"""StartOutboundVoiceContact: the life of a call, over boto3, on a clock that the test moves."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from airflow_connect.emulator.events import kinds
from airflow_connect.emulator.model import ServiceError
from airflow_connect.emulator.phones import PhoneKind, Phones
from airflow_connect.emulator.resources import (
    ALEX,
    BILLING_QUEUE,
    CALLS_FLOW,
    CALLS_QUEUE,
    ENDING_FLOW,
    WHISPER_FLOW,
)
from airflow_connect.emulator.server import Emulator
from tests.emulator.conftest import connect, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_connect.emulator.store import Contact

NUMBER = "+12065550123"
LEAST = {"ContactFlowId": CALLS_FLOW.id, "DestinationPhoneNumber": NUMBER, "QueueId": CALLS_QUEUE.id}
DAY = 86_400
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def call_with(emulator: Emulator, client: Any) -> Callable[..., str]:
    def call(**members: Any) -> str:
        request = LEAST | {"InstanceId": emulator.instance_id} | members
        request = {name: value for name, value in request.items() if value is not None}
        return str(client.start_outbound_voice_contact(**request)["ContactId"])

    return call


@pytest.fixture
def call(emulator: Emulator, client: Any) -> Callable[..., str]:
    """StartOutboundVoiceContact's contact ID; a member of None is left out."""
    return call_with(emulator, client)


@pytest.fixture
def described(client: Any, emulator: Emulator) -> Callable[[str], dict[str, Any]]:
    return lambda contact_id: client.describe_contact(InstanceId=emulator.instance_id, ContactId=contact_id)["Contact"]


@pytest.fixture
def seen(emulator: Emulator) -> Iterator[list[str]]:
    """The contact events that the emulator would send."""
    found: list[str] = []

    def note(before: Contact | None, after: Contact) -> None:
        found.extend(kinds(before, after))

    emulator.service.store.watcher = note
    yield found
    emulator.service.store.watcher = None


def refusal(act: Callable[[], object]) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        act()
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


# --- the life of a call ---


def test_answered_and_ended_by_the_agent(emulator: Emulator, call: Any, described: Any, seen: list[str]) -> None:
    """A call rings, is answered, waits in the queue, is accepted, and ends; each step has its time and its event."""
    contact_id = call(Name="Call Kim back", Description="d", Attributes={"order": "1"})
    assert emulator.contact(contact_id)["state"] == "RINGING"
    ringing = described(contact_id)
    assert (ringing["Channel"], ringing["InitiationMethod"]) == ("VOICE", "API")
    assert ringing["CustomerEndpoint"] == {"Type": "TELEPHONE_NUMBER", "Address": NUMBER}
    assert ringing["SystemEndpoint"] == {"Type": "TELEPHONE_NUMBER", "Address": CALLS_QUEUE.phone_number}
    assert ringing["SegmentAttributes"]["connect:Subtype"]["ValueString"] == "connect:Telephony"
    assert "ConnectedToSystemTimestamp" not in ringing
    assert "DisconnectTimestamp" not in ringing
    assert seen == ["INITIATED"]

    emulator.clock.advance(8)
    assert emulator.answer(contact_id)["state"] == "QUEUED"
    emulator.clock.advance(5)
    emulator.accept(contact_id)
    emulator.clock.advance(60)
    emulator.complete(contact_id, {"agreed": "yes"})

    ended = described(contact_id)
    assert ended["DisconnectReason"] == "AGENT_DISCONNECT"
    assert (ended["Name"], ended["Attributes"]) == ("Call Kim back", {"order": "1", "agreed": "yes"})
    assert ended["QueueInfo"]["Id"] == CALLS_QUEUE.id
    assert ended["AgentInfo"]["Id"] == ALEX.id
    times = [
        ended["InitiationTimestamp"],
        ended["ConnectedToSystemTimestamp"],
        ended["AgentInfo"]["ConnectedToAgentTimestamp"],
        ended["DisconnectTimestamp"],
    ]
    between = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    assert between == pytest.approx([8, 5, 60], abs=1)
    assert seen == [
        "INITIATED",
        "CONNECTED_TO_SYSTEM",
        "QUEUED",
        "CONNECTED_TO_AGENT",
        "CONTACT_DATA_UPDATED",
        "DISCONNECTED",
        "COMPLETED",
    ]


@pytest.mark.parametrize(("members", "seconds"), [({}, 60), ({"RingTimeoutInSeconds": 15}, 15)])
def test_nobody_answers(
    emulator: Emulator, call: Any, described: Any, seen: list[str], members: dict[str, int], seconds: int
) -> None:
    """A call rings until its ring time-out, 60 seconds by default, and ends at that time without being answered."""
    contact_id = call(**members)
    emulator.clock.advance(seconds - 1)
    assert emulator.contact(contact_id)["state"] == "RINGING"
    emulator.clock.advance(3)
    contact = described(contact_id)
    assert contact["DisconnectReason"] == "TELECOM_ORIGINATOR_CANCEL"
    assert (contact["DisconnectTimestamp"] - contact["InitiationTimestamp"]).total_seconds() == pytest.approx(seconds)
    assert "ConnectedToSystemTimestamp" not in contact
    assert "AgentInfo" not in contact
    assert seen == ["INITIATED", "DISCONNECTED", "COMPLETED"]


def test_customer_hangs_up(emulator: Emulator, call: Any, described: Any) -> None:
    """Who was called may hang up while waiting or talking, and not before answering."""
    for agent in (False, True):
        contact_id = call()
        with pytest.raises(ServiceError, match="not a call that goes on"):
            emulator.hang_up(contact_id)
        emulator.answer(contact_id)
        if agent:
            emulator.accept(contact_id)
        assert emulator.hang_up(contact_id)["state"] == "ENDED"
        assert described(contact_id)["DisconnectReason"] == "CUSTOMER_DISCONNECT"
        with pytest.raises(ServiceError, match="not a call that goes on"):
            emulator.hang_up(contact_id)


def test_only_what_rings_is_answered(emulator: Emulator, call: Any, client: Any, task: dict[str, Any]) -> None:
    """A task does not ring, an answered call rings no longer, and an agent cannot accept a call that rings."""
    ringing = call()
    with pytest.raises(ServiceError, match="RINGING, not waiting"):
        emulator.accept(ringing)
    with pytest.raises(ServiceError, match="RINGING, not waiting"):
        emulator.complete(ringing)
    emulator.answer(ringing)
    for contact_id in (ringing, client.create_contact(**task)["ContactId"]):
        for act in (emulator.answer, emulator.ring_out):
            with pytest.raises(ServiceError, match="not ringing"):
                act(contact_id)
    with pytest.raises(ServiceError, match="no such contact"):
        emulator.answer(UNKNOWN)


def test_flow_without_a_queue_ends_the_call(emulator: Emulator, call: Any, described: Any) -> None:
    """Once answered, the flow says what comes: one that has no queue speaks its text and hangs up."""
    contact_id = call(ContactFlowId=ENDING_FLOW.id, QueueId=None, SourcePhoneNumber="+12065550109")
    emulator.answer(contact_id)
    contact = described(contact_id)
    assert contact["DisconnectReason"] == "CONTACT_FLOW_DISCONNECT"
    assert contact["SystemEndpoint"]["Address"] == "+12065550109"


def test_queue_of_the_flow_and_of_the_call(emulator: Emulator, call: Any) -> None:
    """Without a queue of its own a call goes to its flow's, and the source number goes before the queue's."""
    of_the_flow = call(QueueId=None, SourcePhoneNumber="+12065550109")
    of_the_call = call(QueueId=f"{emulator.service.instance.arn}/queue/{BILLING_QUEUE.id}")
    both = call(QueueId=BILLING_QUEUE.id, SourcePhoneNumber="+12065550109")
    assert emulator.answer(of_the_flow)["queue_id"] == CALLS_QUEUE.id
    assert emulator.answer(of_the_call)["queue_id"] == BILLING_QUEUE.id
    assert emulator.contact(of_the_call)["system_endpoint"]["Address"] == BILLING_QUEUE.phone_number
    assert emulator.contact(both)["system_endpoint"]["Address"] == "+12065550109"


def test_attributes_of_a_related_contact(emulator: Emulator, call: Any, client: Any, task: dict[str, Any]) -> None:
    """A call takes over the attributes of the contact that it is related to."""
    related = client.create_contact(**task | {"Attributes": {"a": "1", "b": "1"}})["ContactId"]
    contact = emulator.contact(call(RelatedContactId=related, Attributes={"b": "2"}))
    assert contact["attributes"] == {"a": "1", "b": "2"}
    assert contact["related_contact_id"] == related


def test_call_is_found_by_search(emulator: Emulator, call: Any, client: Any) -> None:
    """SearchContacts has calls among the contacts of VOICE that an API call made."""
    contact_id = call(Name="Call Kim back")
    now = emulator.clock.now()
    found = client.search_contacts(
        InstanceId=emulator.instance_id,
        TimeRange={"Type": "INITIATION_TIMESTAMP", "StartTime": now - 60, "EndTime": now + 60},
        SearchCriteria={"Channels": ["VOICE"], "InitiationMethods": ["API"]},
    )
    assert [contact["Id"] for contact in found["Contacts"]] == [contact_id]


def test_call_outlives_a_restart(tmp_path: Any) -> None:
    """A call that rang when the emulator stopped has rung out, or is answered, after it has started again."""
    data = tmp_path / "connect.db"
    with Emulator(data=data, phones="+1206=answered(30)") as emulator:
        call = call_with(emulator, connect(emulator))
        answered, ringing = call(), call(DestinationPhoneNumber="+12535550100")
    with Emulator(data=data) as emulator:
        assert {contact["state"] for contact in emulator.contacts()} == {"RINGING"}
        emulator.clock.advance(61)
        assert emulator.contact(answered)["state"] == "QUEUED"
        assert emulator.contact(ringing)["disconnect_reason"] == "TELECOM_ORIGINATOR_CANCEL"


# --- what the other operations do with a call ---


def test_stop_ends_a_call(emulator: Emulator, call: Any, client: Any, described: Any) -> None:
    """StopContact cancels a call that rings, and ends one that was answered; each has its own reason."""
    ringing, answered = call(), call()
    emulator.answer(answered)
    for contact_id in (ringing, answered):
        client.stop_contact(InstanceId=emulator.instance_id, ContactId=contact_id)
    assert described(ringing)["DisconnectReason"] == "TELECOM_ORIGINATOR_CANCEL"
    assert described(answered)["DisconnectReason"] == "OTHER"
    with pytest.raises(client.exceptions.ContactNotFoundException):
        client.stop_contact(InstanceId=emulator.instance_id, ContactId=ringing)


def test_call_is_not_external_audio(emulator: Emulator, call: Any, client: Any) -> None:
    """A call is not transferred, and keeps its queue and its endpoints: those are changed for external audio only."""
    ids = {"InstanceId": emulator.instance_id, "ContactId": call()}
    with pytest.raises(client.exceptions.InvalidRequestException, match="TASK and EMAIL"):
        client.transfer_contact(**ids, ContactFlowId=CALLS_FLOW.id)
    with pytest.raises(client.exceptions.InvalidRequestException, match="QueueInfo: for external audio contacts only"):
        client.update_contact(**ids, QueueInfo={"Id": BILLING_QUEUE.id})
    client.update_contact(**ids, Name="Another name")
    client.tag_contact(**ids, Tags={"team": "billing"})


# --- phones ---


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("busy", "TELECOM_BUSY"),
        ("unreachable", "TELECOM_UNANSWERED"),
        ("invalid", "TELECOM_NUMBER_INVALID"),
        ("blocked", "TELECOM_POTENTIAL_BLOCKING"),
        ("problem", "TELECOM_PROBLEM"),
    ],
)
def test_call_that_ends_at_once(
    emulator: Emulator, call: Any, described: Any, seen: list[str], kind: str, reason: str
) -> None:
    """A phone that cannot be reached ends its call at once, with Amazon's reason, and nobody was connected."""
    emulator.set_phones(f"{NUMBER}={kind}")
    contact = described(call())
    assert contact["DisconnectReason"] == reason
    assert contact["DisconnectTimestamp"] == contact["InitiationTimestamp"]
    assert seen == ["INITIATED", "DISCONNECTED", "COMPLETED"]


def test_longest_beginning_decides(emulator: Emulator, call: Any) -> None:
    """Of a plan's entries the one decides that says most of the number."""
    emulator.set_phones(f"+=busy, +1206=answered, {NUMBER}=rings, +1206555=answered(5)")
    numbers = {NUMBER: "RINGING", "+12065559999": "RINGING", "+12069999999": "QUEUED", "+41791234567": "ENDED"}
    made = {number: call(DestinationPhoneNumber=number) for number in numbers}
    assert {number: emulator.contact(contact_id)["state"] for number, contact_id in made.items()} == numbers
    emulator.clock.advance(6)
    assert emulator.contact(made["+12065559999"])["state"] == "QUEUED"
    assert emulator.contact(made[NUMBER])["state"] == "RINGING"


def test_who_answers_too_late_does_not_answer(emulator: Emulator, call: Any, described: Any) -> None:
    """The ring time-out comes before a person who takes longer."""
    emulator.set_phones("+1=answered(20)")
    contact_id = call(RingTimeoutInSeconds=15)
    emulator.clock.advance(30)
    assert described(contact_id)["DisconnectReason"] == "TELECOM_ORIGINATOR_CANCEL"


def test_calls_that_are_refused(emulator: Emulator, call: Any) -> None:
    """A destination that is not allowed, UK mobile numbers by default, and a contact that is not permitted: no call."""
    not_allowed = refusal(lambda: call(DestinationPhoneNumber="+447700900123"))
    assert not_allowed[:2] == (403, "DestinationNotAllowedException")
    assert "+44" not in not_allowed[2]
    emulator.set_phones(f"{NUMBER}=not_permitted, +447=rings")
    assert refusal(call)[:2] == (403, "OutboundContactNotPermittedException")
    assert emulator.contacts() == []
    call(DestinationPhoneNumber="+447700900123")


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("busy", "is not of the form"),
        ("1206=busy", "is not of the form"),
        ("+1206=", "is not of the form"),
        ("+1206=busy(x)", "is not of the form"),
        ("+1206=asleep", "unknown kind 'asleep'; there are rings, answered"),
        ("+1206=rings(5)", "rings takes no time in parentheses"),
    ],
)
def test_plan_that_cannot_be_read(emulator: Emulator, call: Any, plan: str, words: str) -> None:
    """A plan that cannot be read says why, at the start and later, and the old one stays."""
    with pytest.raises(ValueError, match="phones: ") as caught:
        Emulator(phones=plan)
    assert words in str(caught.value)
    emulator.set_phones("+=busy")
    with pytest.raises(ValueError, match="phones: "):
        emulator.set_phones(plan)
    assert emulator.contact(call())["state"] == "ENDED"


def test_every_kind_of_phone_can_be_planned() -> None:
    """Each kind that there is can be written in a plan."""
    for kind in PhoneKind:
        assert Phones(f"+1={kind}").find(NUMBER).kind is kind


# --- rules ---


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"DestinationPhoneNumber": "206 555 0123"}, "DestinationPhoneNumber: does not match"),
        ({"DestinationPhoneNumber": "+0123456"}, "DestinationPhoneNumber: does not match"),
        ({"DestinationPhoneNumber": "+1234567890123456"}, "DestinationPhoneNumber: does not match"),
        ({"DestinationPhoneNumber": "+12065550123\n"}, "DestinationPhoneNumber"),
        ({"DestinationPhoneNumber": "+1206555012٣"}, "DestinationPhoneNumber: not in E.164 format"),
        ({"SourcePhoneNumber": "x+12065550109"}, "SourcePhoneNumber: not in E.164 format"),
        ({"QueueId": None}, "QueueId, SourcePhoneNumber: at least one"),
        ({"QueueId": ""}, "QueueId, SourcePhoneNumber: at least one"),
        ({"ContactFlowId": " "}, "ContactFlowId: required"),
        ({"RingTimeoutInSeconds": 14}, "RingTimeoutInSeconds: not between 15 and 60"),
        ({"RingTimeoutInSeconds": 61}, "RingTimeoutInSeconds: not between 15 and 60"),
        ({"AnswerMachineDetectionConfig": {"EnableAnswerMachineDetection": True}}, "TrafficType must be CAMPAIGN"),
        ({"OutboundStrategy": {"Type": "AGENT_FIRST"}}, "OutboundStrategy: only"),
        ({"References": {"r": {"Type": "ATTACHMENT", "Value": "f"}}}, "References entry 1.Type"),
        ({"Attributes": {"a b": ""}}, "Attributes key 1"),
        ({"ContactFlowId": WHISPER_FLOW.id}, "routes no contact"),
    ],
)
def test_what_is_refused(emulator: Emulator, members: dict[str, Any], words: str) -> None:
    """Each rule is reported by its field, and not by the number, and no call is placed."""
    reply = send(emulator, "PUT", "/contact/outbound-voice", LEAST | {"InstanceId": emulator.instance_id} | members)
    assert reply.status == 400
    assert reply.error in ("InvalidRequestException", "InvalidParameterException")
    assert words in reply.json["Message"]
    assert "206" not in reply.json["Message"]
    assert emulator.contacts() == []


@pytest.mark.parametrize(
    "members", [{"ContactFlowId": UNKNOWN}, {"QueueId": UNKNOWN}, {"RelatedContactId": UNKNOWN}, {"InstanceId": "x"}]
)
def test_what_is_not_there(emulator: Emulator, call: Any, members: dict[str, str]) -> None:
    """A flow, queue, contact or instance that is not there is ResourceNotFoundException."""
    assert refusal(lambda: call(**members))[:2] == (404, "ResourceNotFoundException")
    assert emulator.contacts() == []


def test_number_of_one_or_fifteen_digits(call: Any, emulator: Emulator) -> None:
    """E.164's shortest and longest numbers are taken: the pattern of the service model would refuse every number."""
    for number in ("+12", "+123456789012345"):
        call(DestinationPhoneNumber=number)
    assert len(emulator.contacts("RINGING")) == 2


def test_answer_is_the_contact_id_alone(emulator: Emulator) -> None:
    """The answer has one member, as the model has it."""
    reply = send(emulator, "PUT", "/contact/outbound-voice", LEAST | {"InstanceId": emulator.instance_id})
    assert (reply.status, list(reply.json)) == (200, ["ContactId"])


# --- tokens and quotas ---


def test_token_of_a_call_that_goes_on(emulator: Emulator, call: Any) -> None:
    """As long as the call has not ended, its token is the same call, and other content is refused."""
    contact_id = call(ClientToken="t")
    assert call(ClientToken="t") == contact_id
    emulator.answer(contact_id)
    emulator.accept(contact_id)
    assert call(ClientToken="t") == contact_id
    status, code, message = refusal(lambda: call(ClientToken="t", Name="another"))
    assert (status, code) == (400, "InvalidRequestException")
    assert "other content" in message
    assert len(emulator.contacts()) == 1


def test_token_is_forgotten_when_the_call_ends(emulator: Emulator, call: Any) -> None:
    """The same token places a second call after the first one has ended, a busy line at once."""
    first = call(ClientToken="t")
    emulator.clock.advance(61)
    second = call(ClientToken="t")
    assert second != first
    assert call(ClientToken="t") == second
    emulator.set_phones("+=busy")
    assert len({call(ClientToken="u") for _ in range(3)}) == 3


def test_tokens_that_are_kept(task: dict[str, Any]) -> None:
    """Which operations forget a token is a setting: none, and also that of a task."""
    with Emulator(forgets_tokens=(), phones="+=busy") as emulator:
        call = call_with(emulator, connect(emulator))
        assert call(ClientToken="t") == call(ClientToken="t")
        emulator.clock.advance(7 * DAY + 1)
        assert len({call(ClientToken="t"), emulator.contacts()[0]["id"]}) == 2
    with Emulator(forgets_tokens=["CreateContact"]) as emulator:
        client = connect(emulator)
        request = task | {"InstanceId": emulator.instance_id, "ClientToken": "t"}
        first = client.create_contact(**request)["ContactId"]
        assert client.create_contact(**request)["ContactId"] == first
        emulator.complete(first)
        assert client.create_contact(**request)["ContactId"] != first
    with pytest.raises(ValueError, match="forgets_tokens: unknown operation 'StartCall'"):
        Emulator(forgets_tokens=["StartCall"])


def test_quota_of_calls_is_not_a_rate(task: dict[str, Any]) -> None:
    """A full quota of calls is LimitExceededException until one ends; tasks and known tokens are not touched by it."""
    with Emulator(active_calls=2) as emulator:
        client = connect(emulator)
        call = call_with(emulator, client)
        first = call(ClientToken="t")
        call()
        status, code, message = refusal(call)
        assert (status, code) == (429, "LimitExceededException")
        assert message == "concurrent active calls: the quota of 2 is reached"
        assert call(ClientToken="t") == first
        client.create_contact(**task | {"InstanceId": emulator.instance_id})
        emulator.ring_out(first)
        call()


def test_campaigns_have_a_quota_of_their_own() -> None:
    """Campaign calls are not allowed by default; where they are, an answering machine is not taken for a person."""
    campaign = {"TrafficType": "CAMPAIGN", "AnswerMachineDetectionConfig": {"EnableAnswerMachineDetection": True}}
    with Emulator() as emulator:
        assert refusal(lambda: call_with(emulator, connect(emulator))(**campaign))[1] == "LimitExceededException"
    with Emulator(campaign_calls=3, active_calls=0, phones="+1206=answered, +1253=busy") as emulator:
        client = connect(emulator)
        call = call_with(emulator, client)
        found = {}
        for number in (NUMBER, "+12535550100", "+14255550100"):
            contact_id = call(DestinationPhoneNumber=number, CampaignId="summer", **campaign)
            found[number] = client.describe_contact(InstanceId=emulator.instance_id, ContactId=contact_id)["Contact"]
        assert {contact["Campaign"]["CampaignId"] for contact in found.values()} == {"summer"}
        assert [contact["AnsweringMachineDetectionStatus"] for contact in found.values()] == [
            "HUMAN_ANSWERED",
            "SIT_TONE_BUSY",
            "UNDETECTED",
        ]
        emulator.clock.advance(61)
        assert emulator.contact(contact_id)["answering_machine"] == "AMD_UNANSWERED"
        assert refusal(call)[1] == "LimitExceededException"


def test_cut_call_is_a_call(emulator: Emulator, call: Any) -> None:
    """A fault on the way back leaves the call that was placed: the reason why it must not be sent again."""
    emulator.set_faults("StartOutboundVoiceContact@1:error_500_after")
    emulator.set_phones("+=busy")
    assert refusal(lambda: call(ClientToken="t"))[:2] == (500, "InternalServiceException")
    call(ClientToken="t")
    assert len(emulator.contacts()) == 2


def test_reset_restores_the_phones() -> None:
    """A reset emulator has the phones that it was built with."""
    with Emulator(phones="+=busy") as emulator:
        emulator.set_phones("")
        emulator.reset()
        assert emulator.contact(call_with(emulator, connect(emulator))())["state"] == "ENDED"
