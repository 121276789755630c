"""
Contact events, as EventBridge would put them into an SQS queue.

    a change in the store ─► what it means ─► the event's JSON ─► a thread ─► SQS

https://docs.aws.amazon.com/connect/latest/adminguide/contact-events.html: "Events are emitted on a best effort basis."
So here: what the queue does not take, or too much at once, is dropped with a line in the log.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_connect.emulator.resources import ACCOUNT
from airflow_connect.emulator.store import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_connect.emulator.resources import Instance
    from airflow_connect.emulator.store import Contact

log = logging.getLogger(__name__)

#: Events that wait for the queue to take them; what comes on top is dropped.
WAITING = 100_000
#: Messages of one SendMessageBatch.
BATCH = 10
#: Seconds that :meth:`EventSender.stop` waits for the last events to leave.
LAST_SECONDS = 5


def kinds(before: Contact | None, after: Contact) -> list[str]:
    """
    What a change of a contact means, as types of events in their order.

    :param before: None for a new contact.
    """
    found = [] if before else ["INITIATED"]
    was = before.state if before else None
    if after.state is not was:
        if _reached_system(after) and not (before and _reached_system(before)):
            found.append("CONNECTED_TO_SYSTEM")
        match after.state:
            case State.QUEUED:
                found.append("QUEUED")
            case State.CONNECTED:
                found.append("CONNECTED_TO_AGENT")
            case State.ENDED:
                found += ["DISCONNECTED", "COMPLETED"]
    if before and (before.attributes, before.tags) != (after.attributes, after.tags):
        found.insert(0, "CONTACT_DATA_UPDATED")
    return found


def _reached_system(contact: Contact) -> bool:
    """Amazon: "The contact has established media (for example, it was answered by a person or by voicemail)"."""
    if contact.channel == "VOICE":
        return contact.answered_at is not None
    return bool(contact.flow_id) and contact.state is not State.SCHEDULED


def event(kind: str, contact: Contact, instance: Instance, now: float) -> dict[str, Any]:
    """
    An event as EventBridge hands it to its targets.

    :param kind: the type of the event.
    :param now: epoch seconds.
    """
    arn = instance.arn
    ended = kind in ("DISCONNECTED", "COMPLETED")
    detail = {
        "eventType": kind,
        "contactId": contact.id,
        "initialContactId": contact.initial_contact_id if contact.previous_contact_id else None,
        "previousContactId": contact.previous_contact_id,
        "relatedContactId": contact.related_contact_id,
        "channel": contact.channel,
        "instanceArn": arn,
        "initiationMethod": contact.initiation_method,
        "initiationTimestamp": _time(contact.initiated_at),
        "scheduledTimestamp": _time(contact.scheduled_at),
        "connectedToSystemTimestamp": _time(contact.answered_at),
        "queueInfo": {
            "queueArn": f"{arn}/queue/{contact.queue_id}",
            "queueType": "STANDARD",
            "enqueueTimestamp": _time(contact.enqueued_at),
        }
        if contact.queue_id and contact.enqueued_at is not None
        else None,
        "agentInfo": {
            "agentArn": f"{arn}/agent/{contact.agent_id}",
            "connectedToAgentTimestamp": _time(contact.connected_at),
        }
        if contact.agent_id
        else None,
        "disconnectTimestamp": _time(contact.disconnected_at) if ended else None,
        "disconnectReason": contact.disconnect_reason if ended else None,
        "tags": {"aws:connect:instanceId": instance.id, **contact.tags},
    }
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Amazon Connect Contact Event",
        "source": "aws.connect",
        "account": ACCOUNT,
        "time": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": instance.region,
        "resources": [instance.contact_arn(contact.id), arn],
        "detail": {key: value for key, value in detail.items() if value is not None},
    }


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EventSender:
    """
    Sends events to a local SQS, in a thread.

    :param queue_url: the queue's URL; SQS is asked at its host.
    :param region: of the instance.
    :raises ValueError: when the URL is not valid.
    """

    def __init__(self, queue_url: str, region: str) -> None:
        parts = urlsplit(queue_url)
        if parts.scheme not in ("http", "https") or not parts.netloc or len(parts.path) < 2:
            raise ValueError(
                f"event_queue_url: must be the URL of a queue, http://HOST/ACCOUNT/NAME; got {queue_url!r}."
            )
        self._queue_url = queue_url
        self._endpoint = f"{parts.scheme}://{parts.netloc}"
        self._region = region
        self._waiting: queue.Queue[str | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="amazon-connect-events", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def put(self, event: dict[str, Any]) -> None:
        """Send an event soon."""
        try:
            self._waiting.put_nowait(json.dumps(event, separators=(",", ":"), ensure_ascii=False))
        except queue.Full:
            log.warning("A contact event was dropped: %d wait already", WAITING)

    def clear(self) -> None:
        """Forget the events that still wait."""
        with self._waiting.mutex:
            self._waiting.queue.clear()

    def stop(self) -> None:
        """Send what waits, for some seconds, and end."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join(LAST_SECONDS)

    def _run(self) -> None:
        import boto3
        from botocore.config import Config

        client = boto3.client(
            "sqs",
            endpoint_url=self._endpoint,
            region_name=self._region,
            # For a local SQS: nobody's real credentials leave by this way.
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 -- any will do
            config=Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 2}),
        )
        for batch in self._batches():
            entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(batch)]
            try:
                client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            except Exception as error:  # noqa: BLE001 -- best effort, whatever the queue says
                log.warning("%d contact events were not delivered: %s", len(batch), type(error).__name__)

    def _batches(self) -> Iterator[list[str]]:
        """The waiting events, up to :data:`BATCH` at a time, until :meth:`stop` is called."""
        while (body := self._waiting.get()) is not None:
            batch = [body]
            while len(batch) < BATCH and not self._waiting.empty():
                if (body := self._waiting.get()) is None:
                    yield batch
                    return
                batch.append(body)
            yield batch
