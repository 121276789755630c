"""The contact events that the emulator puts into a local SQS, from the life of its contacts."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from airflow_connect.api.events import contact_event
from airflow_connect.emulator.server import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOW = "f1000000-0000-4000-8000-000000000001"


class Queue:
    """A queue of the local SQS."""

    def __init__(self, url: str) -> None:
        self.client = boto3.client(
            "sqs", endpoint_url=url, region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local"
        )
        self.url = self.client.create_queue(QueueName=f"events-{uuid.uuid4().hex}")["QueueUrl"]

    def read(self, count: int, seconds: float = 20) -> list[dict[str, Any]]:
        """The bodies of the next *count* messages, sorted by their place in the contact's life."""
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < deadline:
            answer = self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
        return found


@pytest.fixture
def sqs(local_aws: str) -> Queue:
    """An empty queue for this test alone."""
    return Queue(local_aws)


@pytest.fixture
def telling(sqs: Queue) -> Iterator[Emulator]:
    """An emulator that puts its events into the queue."""
    with Emulator(event_queue_url=sqs.url) as emulator:
        yield emulator


def _client(emulator: Emulator) -> Any:
    return boto3.client(
        "connect",
        endpoint_url=emulator.url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def _start(emulator: Emulator, **arguments: Any) -> str:
    answer = _client(emulator).start_task_contact(
        InstanceId=emulator.instance_id, Name="Check", ContactFlowId=FLOW, **arguments
    )
    contact_id: str = answer["ContactId"]
    return contact_id


def test_life_of_a_task(telling: Emulator, sqs: Queue) -> None:
    """A task that an agent completes is seven events, each in the form that EventBridge gives them."""
    contact_id = _start(telling)
    telling.accept(contact_id)
    telling.complete(contact_id, {"decision": "approve"})

    events = sqs.read(7)

    assert sorted(event["detail"]["eventType"] for event in events) == sorted(
        [
            "INITIATED",
            "CONNECTED_TO_SYSTEM",
            "QUEUED",
            "CONNECTED_TO_AGENT",
            "CONTACT_DATA_UPDATED",
            "DISCONNECTED",
            "COMPLETED",
        ]
    )
    [completed] = [event for event in events if event["detail"]["eventType"] == "COMPLETED"]
    assert completed["source"] == "aws.connect"
    assert completed["resources"][1] == completed["detail"]["instanceArn"]
    assert completed["detail"]["disconnectTimestamp"].endswith("Z")
    assert "approve" not in json.dumps(events)
    parsed = contact_event(completed)
    assert parsed is not None
    assert (parsed.contact_id, parsed.instance_id) == (contact_id, telling.instance_id)
    assert parsed.disconnect_reason == "AGENT_COMPLETED"
    assert parsed.agent_id == "a1000000-0000-4000-8000-000000000001"
    assert parsed.queue_id == "c1000000-0000-4000-8000-000000000001"


def test_expiry_and_transfer(telling: Emulator, sqs: Queue) -> None:
    """A contact that expires has ended, and a transferred one goes on as one that names it."""
    first = _start(telling)
    _client(telling).transfer_contact(InstanceId=telling.instance_id, ContactId=first, ContactFlowId=FLOW)
    telling.clock.advance(8 * 24 * 3600)
    telling.contacts()

    parsed = [found for found in map(contact_event, sqs.read(10)) if found]

    ended = {found.contact_id: found.disconnect_reason for found in parsed if found.type == "COMPLETED"}
    assert ended[first] == "TRANSFERRED"
    [successor] = {found.contact_id for found in parsed if found.previous_contact_id == first}
    assert ended[successor] == "EXPIRED"
    assert len(parsed) == 10


def test_call_that_fails_makes_no_event(telling: Emulator, sqs: Queue) -> None:
    """What Amazon Connect refuses changes nothing, and nothing is reported."""
    client = _client(telling)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.start_task_contact(InstanceId=telling.instance_id, Name="Check", ContactFlowId=FLOW[:-1] + "9")
    contact_id = _start(telling)

    assert {event["detail"]["contactId"] for event in sqs.read(3)} == {contact_id}


def test_queue_that_is_not_there(local_aws: str) -> None:
    """Events that no queue takes are lost, and contacts are made as before."""
    with Emulator(event_queue_url="http://127.0.0.1:9/111122223333/none") as emulator:
        _start(emulator)
        assert len(emulator.contacts("QUEUED")) == 1


@pytest.mark.parametrize("url", ["queue", "ftp://127.0.0.1/1/queue", "http://127.0.0.1"])
def test_what_is_no_queue_url(url: str) -> None:
    """A URL that can be no queue's is refused at the start."""
    with pytest.raises(ValueError, match="event_queue_url: must be the URL of a queue"):
        Emulator(event_queue_url=url)
