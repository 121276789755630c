"""
The life of a contact: what each operation does, and what time and agents do.

                     ┌─ SCHEDULED ─(its time)─┐
    StartTaskContact ┴────────────────────────┴─► QUEUED ─┐
    CreateContact ──────────────────────► CREATED ────────┼─(an agent accepts)─► CONNECTED ─► ENDED
    StartOutboundVoiceContact ──► RINGING ─(answered)─► QUEUED ┘
    RINGING ─(busy, not answered)─► ENDED
    from every state: ─(completed, stopped, transferred, expired)─► ENDED
    TransferContact ends the contact and queues its successor, which names it as its previous one.

Requests come in checked by the model (:mod:`.model`) and leave as plain dicts. Nothing here knows HTTP.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore import xform_name

from airflow_connect.emulator import rules
from airflow_connect.emulator.model import Request, ServiceError
from airflow_connect.emulator.paging import read_token, write_token
from airflow_connect.emulator.phones import NOT_ANSWERED, PhoneKind, Phones
from airflow_connect.emulator.search import Search
from airflow_connect.emulator.store import ANSWERED, Contact, State, Store, Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_connect.emulator.clock import Clock
    from airflow_connect.emulator.resources import Flow, Instance

R = TypeVar("R")

#: The operations that there are; every other one of Amazon Connect's answers 501.
OPERATIONS = (
    "CreateContact",
    "StartTaskContact",
    "StartOutboundVoiceContact",
    "DescribeContact",
    "StopContact",
    "UpdateContact",
    "UpdateContactAttributes",
    "GetContactAttributes",
    "TagContact",
    "UntagContact",
    "TransferContact",
    "SearchContacts",
    "ListAssociatedContacts",
    "DescribeInstance",
)

MINUTE, DAY = 60, 86_400
#: "The token is valid for 7 days after creation" is what StartChatContact and StartOutboundVoiceContact promise;
#: for CreateContact, StartTaskContact and TransferContact no lifetime is documented.
DEFAULT_TOKEN_LIFETIME = 7 * DAY
#: A task that nobody completes ends by itself. The API reference gives no default; 7 days is common knowledge.
TASK_EXPIRY = 7 * DAY
#: "It must be within up to 6 days in future."
MAX_SCHEDULE_AHEAD = 6 * DAY
#: "There can be a maximum of 12 linked task contacts in a chain."
MAX_CHAIN = 12
#: "A contact cannot be transferred more than 11 times."
MAX_TRANSFERS = 11
#: A page of ListAssociatedContacts, where the request does not say; the API reference gives the limit, and no default.
MAX_PAGE = 100
#: "If not specified, the default dialing timeout will be 60 seconds".
RING_TIMEOUT = 60
#: "If the contact is disconnected, a new contact is started": what the page of this operation said of its token in
#: earlier years, and no page has taken back since.
FORGETS_TOKENS = ("StartOutboundVoiceContact",)
#: ContactTagMap's limit is for one call; tags of a contact add up over calls.
MAX_TAGS = 6
#: "The following flow types are supported: Inbound flow, Transfer to agent flow, and Transfer to queue flow."
ROUTING_FLOWS = ("CONTACT_FLOW", "AGENT_TRANSFER", "QUEUE_TRANSFER")


class Service:
    """
    The operations of Amazon Connect on one instance. Safe to use from several threads.

    :param store: where contacts are.
    :param clock: the time.
    :param instance: the instance and its resources.
    :param token_lifetime: seconds for which a client token is remembered.
    :param forgets_tokens: operations whose client token is forgotten when its contact ends.
    :param active_contacts: quota of contacts that have not ended; None is unlimited.
    :param active_calls: quota of outbound calls that have not ended, without those of campaigns; None is unlimited.
    :param campaign_calls: the same of campaigns' calls. "Campaign calls are not allowed by default."
    :param search_lag: seconds by which SearchContacts is behind.
    :param phones: who answers the phones that are called.
    :raises ValueError: when *forgets_tokens* names an operation that is not there.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        instance: Instance,
        *,
        token_lifetime: float = DEFAULT_TOKEN_LIFETIME,
        forgets_tokens: Iterable[str] = FORGETS_TOKENS,
        active_contacts: int | None = None,
        active_calls: int | None = None,
        campaign_calls: int | None = 0,
        search_lag: float = 0.0,
        phones: Phones | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.instance = instance
        self.phones = phones or Phones()
        self._token_lifetime = token_lifetime
        self._forgets_tokens = frozenset(forgets_tokens)
        unknown = self._forgets_tokens.difference(OPERATIONS)
        if unknown:
            raise ValueError(f"forgets_tokens: unknown operation {min(unknown)!r}; there are {', '.join(OPERATIONS)}.")
        self._active_contacts = active_contacts
        self._active_calls = active_calls
        self._campaign_calls = campaign_calls
        self._search = Search(store, instance, search_lag)
        self._next_due = store.next_due()
        self._operations: dict[str, Callable[[Request], dict[str, Any]]] = {
            name: getattr(self, xform_name(name)) for name in OPERATIONS
        }

    def call(self, operation: str, request: Request) -> dict[str, Any]:
        """
        Do one operation.

        :param operation: one of :data:`OPERATIONS`.
        :param request: checked by the model.
        :raises ServiceError: with the codes that the operation's page lists. Nothing has changed then.
        """
        self.settle()
        return self._operations[operation](request)

    # --- operations -----------------------------------------------------------------------------------

    def create_contact(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html."""
        self._check_instance(request)
        _check(rules.CREATE_CONTACT, request)
        return self._once("CreateContact", request, self._create_contact)

    def _create_contact(self, request: Request, now: float) -> Contact:
        user_id = request.get("UserInfo", {}).get("UserId")
        user = None if user_id is None else _find(self.instance.users, user_id, "UserInfo.UserId")
        initiate_as = request.get("InitiateAs")
        minutes = request.get("ExpiryDurationInMinutes") or rules.expiry_in_segment_attributes(request)
        contact = self._new_contact(
            "CreateContact",
            request,
            now,
            channel=request["Channel"],
            method=request["InitiationMethod"],
            minutes=minutes,
        )
        contact.user_id = user.id if user else None
        contact.segment_attributes.setdefault("connect:Subtype", {"ValueString": _SUBTYPES[contact.channel]})
        if initiate_as == "CONNECTED_TO_USER":
            contact.state, contact.connected_at, contact.agent_id = State.CONNECTED, now, contact.user_id
        elif initiate_as == "COMPLETED":
            # "OTHER: this includes any reason not explicitly covered": no documented reason fits a task that
            # never was active.
            contact.state, contact.disconnected_at, contact.disconnect_reason = State.ENDED, now, "OTHER"
        return contact

    def start_task_contact(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartTaskContact.html."""
        self._check_instance(request)
        _check(rules.START_TASK_CONTACT, request)
        answer = self._once("StartTaskContact", request, self._start_task_contact)
        return {"ContactId": answer["ContactId"]}

    def _start_task_contact(self, request: Request, now: float) -> Contact:
        if "ScheduledTime" in request:
            _check_scheduled_time(request["ScheduledTime"], now)
        minutes = rules.expiry_in_segment_attributes(request)
        contact = self._new_contact("StartTaskContact", request, now, channel="TASK", method="API", minutes=minutes)
        contact.attachments = request.get("Attachments", [])
        flow = self._flow_to_start(request, contact)
        contact.flow_id = flow.id
        if contact.scheduled_at is not None and contact.scheduled_at > now:
            contact.state = State.SCHEDULED
        else:
            self._route(contact, flow, now)
        return contact

    def start_outbound_voice_contact(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartOutboundVoiceContact.html."""
        self._check_instance(request)
        _check(rules.START_OUTBOUND_VOICE_CONTACT, request)
        answer = self._once("StartOutboundVoiceContact", request, self._start_outbound_voice_contact)
        return {"ContactId": answer["ContactId"]}

    def _start_outbound_voice_contact(self, request: Request, now: float) -> Contact:
        # "The contact was initiated with Amazon Connect by API. This could be an outbound contact you created …,
        # using the StartOutboundVoiceContact API": OUTBOUND is a call that an agent dials.
        contact = self._new_contact(
            "StartOutboundVoiceContact", request, now, channel="VOICE", method="API", minutes=None
        )
        flow = _find(self.instance.flows, request["ContactFlowId"], "ContactFlowId")
        _check_routes(flow)
        contact.flow_id = flow.id
        queue = None
        if request.get("QueueId"):
            queue = _find(self.instance.queues, request["QueueId"], "QueueId")
            contact.queue_id = queue.id
        number = request["DestinationPhoneNumber"]
        phone = self.phones.find(number)
        if phone.kind is PhoneKind.NOT_ALLOWED:
            raise ServiceError(
                "DestinationNotAllowedException", "DestinationPhoneNumber: calls to this number are not allowed"
            )
        if phone.kind is PhoneKind.NOT_PERMITTED:
            raise ServiceError("OutboundContactNotPermittedException", "the outbound contact is not permitted")
        contact.customer_endpoint = {"Type": "TELEPHONE_NUMBER", "Address": number}
        source = request.get("SourcePhoneNumber") or (queue.phone_number if queue else None)
        contact.system_endpoint = {"Type": "TELEPHONE_NUMBER", "Address": source} if source else None
        contact.segment_attributes = {"connect:Subtype": {"ValueString": "connect:Telephony"}}
        contact.campaign_id = request.get("CampaignId")
        contact.traffic_type = request.get("TrafficType", "GENERAL")
        seconds, contact.rings_end = phone.ringing(request.get("RingTimeoutInSeconds", RING_TIMEOUT))
        contact.rings_until = now + seconds
        contact.state = State.RINGING
        if request.get("AnswerMachineDetectionConfig", {}).get("EnableAnswerMachineDetection"):
            contact.answering_machine = "UNDETECTED"
        if not seconds:
            self._stop_ringing(contact, contact.rings_end, now)
        return contact

    def describe_contact(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_DescribeContact.html."""
        return {"Contact": self._describe(self._contact(request))}

    def stop_contact(self, request: Request) -> dict[str, Any]:
        """
        Amazon: "It does not work for voice contacts that use the following initiation methods: … TRANSFER".

        See https://docs.aws.amazon.com/connect/latest/APIReference/API_StopContact.html
        """
        with self.store.transaction():
            contact = self._contact(request)
            if contact.state is State.ENDED:
                raise ServiceError("ContactNotFoundException", "ContactId: the contact has ended")
            if contact.channel == "VOICE" and contact.initiation_method == "TRANSFER":
                raise ServiceError("InvalidRequestException", "ContactId: voice contacts of TRANSFER cannot be stopped")
            self._end(contact.id, _stop_reason(contact), self.clock.now())
        return {}

    def update_contact(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContact.html."""
        self._check_instance(request)
        _check(rules.UPDATE_CONTACT, request)
        with self.store.transaction():
            contact = self._contact(request)
            now = self.clock.now()
            self.store.update(contact.id, updated_at=now, **self._updates(request, contact, now))
        return {}

    def _updates(self, request: Request, contact: Contact, now: float) -> dict[str, Any]:
        _check_may_update(request, contact)
        columns: dict[str, Any] = {}
        for member, column in _UPDATED_AS_THEY_ARE.items():
            if member in request:
                columns[column] = request[member]
        if "References" in request:
            columns["references"] = contact.references | request["References"]
            _check((rules.reference_bytes,), {"References": columns["references"]})
        if "SegmentAttributes" in request:
            columns["segment_attributes"] = contact.segment_attributes | request["SegmentAttributes"]
            minutes = rules.expiry_in_segment_attributes(request)
            if minutes is not None and contact.state is not State.ENDED:
                start = contact.scheduled_at or contact.initiated_at
                columns |= {"expiry_minutes": minutes, "expires_at": start + minutes * MINUTE}
                columns["segment_attributes"] |= _expiry_attribute(minutes, columns["expires_at"])
                self._expect(columns["expires_at"])
        if "QueueInfo" in request:
            columns["queue_id"] = _find(self.instance.queues, request["QueueInfo"].get("Id", ""), "QueueInfo.Id").id
            columns["enqueued_at"] = now
        if "UserInfo" in request:
            columns["agent_id"] = _find(
                self.instance.users, request["UserInfo"].get("UserId", ""), "UserInfo.UserId"
            ).id
            columns["connected_at"] = contact.connected_at or now
        return columns

    def update_contact_attributes(self, request: Request) -> dict[str, Any]:
        """
        Amazon: "You can create or update user-defined attributes for both ongoing and completed contacts".

        See https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContactAttributes.html
        """
        self._check_instance(request)
        _check(rules.UPDATE_CONTACT_ATTRIBUTES, request)
        with self.store.transaction():
            self._set_attributes(self._contact(request, "InitialContactId"), request["Attributes"], self.clock.now())
        return {}

    def get_contact_attributes(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_GetContactAttributes.html."""
        return {"Attributes": self._contact(request, "InitialContactId").attributes}

    def tag_contact(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_TagContact.html."""
        with self.store.transaction():
            contact = self._contact(request)
            tags = contact.tags | request["Tags"]
            if len(tags) > MAX_TAGS:
                raise ServiceError(
                    "InvalidRequestException", f"Tags: the contact would have {len(tags)}, at most {MAX_TAGS}"
                )
            self.store.update(contact.id, tags=tags, updated_at=self.clock.now())
        return {}

    def untag_contact(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_UntagContact.html."""
        with self.store.transaction():
            contact = self._contact(request)
            tags = {key: value for key, value in contact.tags.items() if key not in request["TagKeys"]}
            self.store.update(contact.id, tags=tags, updated_at=self.clock.now())
        return {}

    def transfer_contact(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_TransferContact.html."""
        self._check_instance(request)
        _check(rules.TRANSFER_CONTACT, request)
        return self._once("TransferContact", request, self._transfer_contact, is_new_contact=False)

    def _transfer_contact(self, request: Request, now: float) -> Contact:
        contact = self._contact(request)
        _check_may_transfer(contact)
        flow = _find(self.instance.flows, request["ContactFlowId"], "ContactFlowId")
        _check_routes(flow)
        queue = user = None
        if request.get("QueueId"):
            queue = _find(self.instance.queues, request["QueueId"], "QueueId")
        if request.get("UserId"):
            user = _find(self.instance.users, request["UserId"], "UserId")
        self._end(contact.id, "TRANSFERRED", now)
        successor = replace(
            contact,
            id=str(uuid.uuid4()),
            created_by="TransferContact",
            initiation_method="TRANSFER",
            state=State.QUEUED,
            client_token=request.get("ClientToken"),
            previous_contact_id=contact.id,
            transfers=contact.transfers + 1,
            flow_id=flow.id,
            queue_id=queue.id if queue else None,
            user_id=user.id if user else None,
            agent_id=None,
            initiated_at=now,
            updated_at=now,
            scheduled_at=None,
            connected_at=None,
        )
        self._route(successor, flow, now)
        return successor

    def search_contacts(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_SearchContacts.html."""
        self._check_instance(request)
        return self._search.run(request, self.clock.now())

    def list_associated_contacts(self, request: Request) -> dict[str, Any]:
        """
        Amazon: "Provides information about contact tree, a list of associated contacts with a unique identifier".

        Here a tree is a chain: the first contact, and all that are linked to it or were made by a transfer.

        See https://docs.aws.amazon.com/connect/latest/APIReference/API_ListAssociatedContacts.html
        """
        chain = self.store.select("initial_contact_id = ?", (self._contact(request).initial_contact_id,))
        [start] = read_token(request) if "NextToken" in request else [0]
        end = start + request.get("MaxResults", MAX_PAGE)
        return {
            "ContactSummaryList": [
                {
                    "ContactId": contact.id,
                    "ContactArn": self.instance.contact_arn(contact.id),
                    "InitiationTimestamp": contact.initiated_at,
                    "DisconnectTimestamp": contact.disconnected_at,
                    "InitialContactId": contact.initial_contact_id if contact.previous_contact_id else None,
                    "PreviousContactId": contact.previous_contact_id,
                    "RelatedContactId": contact.related_contact_id,
                    "InitiationMethod": contact.initiation_method,
                    "Channel": contact.channel,
                }
                for contact in chain[start:end]
            ],
            "NextToken": write_token(request, end) if end < len(chain) else None,
        }

    def describe_instance(self, request: Request) -> dict[str, Any]:
        """See https://docs.aws.amazon.com/connect/latest/APIReference/API_DescribeInstance.html."""
        self._check_instance(request)
        instance = self.instance
        return {
            "Instance": {
                "Id": instance.id,
                "Arn": instance.arn,
                "IdentityManagementType": "CONNECT_MANAGED",
                "InstanceAlias": instance.alias,
                "CreatedTime": self.store.created_at,
                "ServiceRole": f"arn:aws:iam::{instance.arn.split(':')[4]}:role/aws-service-role/connect.amazonaws.com/"
                "AWSServiceRoleForAmazonConnect",
                "InstanceStatus": "ACTIVE",
                "InboundCallsEnabled": True,
                "OutboundCallsEnabled": True,
            }
        }

    # --- what agents do -------------------------------------------------------------------------------

    def accept(self, contact_id: str, agent: str | None = None) -> Contact:
        """
        An agent accepts a contact that waits.

        :param contact_id: of a contact that is created or queued.
        :param agent: user ID or name; by default the user that the contact is meant for, else the first.
        :raises ServiceError: ResourceNotFoundException when the contact or the agent does not exist,
            InvalidRequestException when the contact does not wait, or waits for another agent.
        """
        self.settle()
        with self.store.transaction():
            self._accept(contact_id, agent)
        return self._stored(contact_id)

    def answer(self, contact_id: str) -> Contact:
        """
        The person who is called answers: the call's flow begins.

        :param contact_id: of a call that rings.
        :raises ServiceError: ResourceNotFoundException when the contact does not exist, InvalidRequestException when it
            does not ring.
        """
        return self._end_ringing(contact_id, ANSWERED)

    def ring_out(self, contact_id: str, reason: str = NOT_ANSWERED) -> Contact:
        """
        Nobody answers: what the ring time-out would do, now.

        :param contact_id: of a call that rings.
        :param reason: the DisconnectReason: TELECOM_BUSY for a line that is busy.
        :raises ServiceError: as :meth:`answer`.
        """
        return self._end_ringing(contact_id, reason)

    def _end_ringing(self, contact_id: str, what: str) -> Contact:
        self.settle()
        with self.store.transaction():
            contact = self._stored(contact_id)
            if contact.state is not State.RINGING:
                raise ServiceError("InvalidRequestException", f"ContactId: the contact is {contact.state}, not ringing")
            self._update_ringing(contact, what, self.clock.now())
        return self._stored(contact_id)

    def hang_up(self, contact_id: str) -> Contact:
        """
        The person who was called ends the call.

        :param contact_id: of a call that was answered and has not ended.
        :raises ServiceError: ResourceNotFoundException when the contact does not exist, InvalidRequestException when
            nobody is on the line.
        """
        self.settle()
        with self.store.transaction():
            contact = self._stored(contact_id)
            if contact.answered_at is None or contact.state is State.ENDED:
                raise ServiceError("InvalidRequestException", "ContactId: the contact is not a call that goes on")
            self._end(contact_id, "CUSTOMER_DISCONNECT", self.clock.now())
        return self._stored(contact_id)

    def _accept(self, contact_id: str, agent: str | None) -> None:
        contact = self._stored(contact_id)
        if contact.state not in (State.CREATED, State.QUEUED):
            raise ServiceError("InvalidRequestException", f"ContactId: the contact is {contact.state}, not waiting")
        agent_id = self._agent_id(agent or contact.user_id)
        if contact.user_id not in (None, agent_id):
            raise ServiceError("InvalidRequestException", "ContactId: the contact waits for another agent")
        now = self.clock.now()
        self.store.update(contact_id, state=State.CONNECTED, agent_id=agent_id, connected_at=now, updated_at=now)

    def complete(
        self, contact_id: str, attributes: Mapping[str, str] | None = None, agent: str | None = None
    ) -> Contact:
        """
        An agent fills in attributes and completes a contact, after accepting it if nobody has.

        :param contact_id: of a contact that has not ended.
        :param attributes: merged into the contact's.
        :param agent: as in :meth:`accept`; of a connected contact, the agent who accepted it.
        :raises ServiceError: as :meth:`accept`; InvalidRequestException also when attributes break a rule.
        """
        given = dict(attributes or {})
        _check((rules.attribute_keys, rules.attribute_bytes), {"Attributes": given})
        self.settle()
        with self.store.transaction():
            contact = self._stored(contact_id)
            if contact.state is not State.CONNECTED:
                self._accept(contact_id, agent)
            now = self.clock.now()
            if given:
                self._set_attributes(self._stored(contact_id), given, now)
            # Amazon has "AGENT_COMPLETED" for tasks only.
            self._end(contact_id, "AGENT_DISCONNECT" if contact.channel == "VOICE" else "AGENT_COMPLETED", now)
        return self._stored(contact_id)

    def contact(self, contact_id: str) -> Contact:
        """
        A contact as it is now.

        :raises ServiceError: ResourceNotFoundException when it does not exist.
        """
        self.settle()
        return self._stored(contact_id)

    def contacts(self, *states: State) -> list[Contact]:
        """
        All contacts, oldest first.

        :param states: only contacts in one of these.
        """
        self.settle()
        if not states:
            return self.store.select()
        return self.store.select(f"state IN ({', '.join('?' * len(states))})", states)

    def _agent_id(self, agent: str | None) -> str:
        if agent is None:
            return next(iter(self.instance.users))
        by_name = {user.name: user.id for user in self.instance.users.values()}
        return _find(self.instance.users, by_name.get(agent, agent), "agent").id

    # --- what time does -------------------------------------------------------------------------------

    def settle(self) -> None:
        """Do what the clock has made due: start scheduled contacts, let phones ring no longer, end expired contacts."""
        now = self.clock.now()
        if now < self._next_due:
            return
        with self.store.transaction():
            self._settle(now)

    def _settle(self, now: float) -> None:
        for contact in self.store.select("state = 'SCHEDULED' AND scheduled_at <= ?", (now,)):
            at = contact.scheduled_at or now
            self._route(contact, self.instance.flows[contact.flow_id or ""], at)
            self.store.update(
                contact.id,
                state=contact.state,
                queue_id=contact.queue_id,
                enqueued_at=contact.enqueued_at,
                disconnected_at=contact.disconnected_at,
                disconnect_reason=contact.disconnect_reason,
                updated_at=at,
            )
        for contact in self.store.select("state = 'RINGING' AND rings_until <= ?", (now,)):
            self._update_ringing(contact, contact.rings_end or NOT_ANSWERED, contact.rings_until or now)
        self.store.expire(now)
        self._next_due = self.store.next_due()

    # --- parts ----------------------------------------------------------------------------------------

    def _once(
        self,
        operation: str,
        request: Request,
        make: Callable[[Request, float], Contact],
        *,
        is_new_contact: bool = True,
    ) -> dict[str, Any]:
        """
        Create a contact, or answer with the one that the same client token has created.

        "A unique, case-sensitive identifier that you provide to ensure the idempotency of the request."
        """
        now = self.clock.now()
        token = request.get("ClientToken")
        with self.store.transaction():
            use = self.store.token(operation, token, now) if token else None
            digest = _digest(request) if token else b""
            if use and operation in self._forgets_tokens and self._stored(use.contact_id).state is State.ENDED:
                use = None
            if use is None:
                if operation == "StartOutboundVoiceContact":
                    self._check_calls(request)
                elif is_new_contact and request.get("InitiateAs") != "COMPLETED":
                    self._check_quota()
                contact = make(request, now)
                self.store.insert(contact)
                self._expect(contact.expires_at, contact.scheduled_at, contact.rings_until)
                if token:
                    use = Token(digest, contact.id)
                    self.store.remember(operation, token, use, now + self._token_lifetime)
                contact_id = contact.id
            elif use.digest != digest:
                code = "InvalidRequestException" if operation in _NO_IDEMPOTENCY_EXCEPTION else "IdempotencyException"
                raise ServiceError(code, "ClientToken: was used before for a request with other content")
            else:
                contact_id = use.contact_id
        return {"ContactId": contact_id, "ContactArn": self.instance.contact_arn(contact_id)}

    def _expect(self, *times: float | None) -> None:
        self._next_due = min([self._next_due, *(time for time in times if time is not None)])

    def _check_quota(self) -> None:
        """Amazon: "… occurs when the number of open tasks exceeds the active tasks quota"."""
        if self._active_contacts is not None and self.store.active >= self._active_contacts:
            raise ServiceError(
                "ServiceQuotaExceededException", f"active contacts: the quota of {self._active_contacts} is reached"
            )

    def _check_calls(self, request: Request) -> None:
        """
        A full quota of calls is a LimitExceededException, and ends only when calls do: it is not about a rate.

        See https://docs.aws.amazon.com/connect/latest/adminguide/amazon-connect-service-limits.html
        """
        campaign = request.get("TrafficType") == "CAMPAIGN"
        quota = self._campaign_calls if campaign else self._active_calls
        if quota is not None and self.store.calls(campaign=campaign) >= quota:
            kind = "campaign active calls" if campaign else "active calls"
            raise ServiceError("LimitExceededException", f"concurrent {kind}: the quota of {quota} is reached")

    def _new_contact(
        self, operation: str, request: Request, now: float, *, channel: str, method: str, minutes: int | None
    ) -> Contact:
        contact_id = str(uuid.uuid4())
        contact = Contact(
            id=contact_id,
            created_by=operation,
            channel=channel,
            initiation_method=method,
            state=State.CREATED,
            initial_contact_id=contact_id,
            initiated_at=now,
            updated_at=now,
            name=request.get("Name"),
            description=request.get("Description"),
            attributes=request.get("Attributes", {}),
            references=request.get("References", {}),
            segment_attributes=dict(request.get("SegmentAttributes", {})),
            client_token=request.get("ClientToken"),
            expiry_minutes=minutes,
            scheduled_at=request.get("ScheduledTime"),
        )
        start = contact.scheduled_at or now
        if minutes is not None:
            contact.expires_at = start + minutes * MINUTE
            contact.segment_attributes |= _expiry_attribute(minutes, contact.expires_at)
        elif channel == "TASK":
            contact.expires_at = start + TASK_EXPIRY
        if "RelatedContactId" in request:
            self._relate(contact, request)
        if "PreviousContactId" in request:
            self._link(contact, request, now)
        return contact

    def _relate(self, contact: Contact, request: Request) -> None:
        """Amazon: "Copies contact attributes from the related task contact to the new contact"."""
        related = self._contact(request, "RelatedContactId")
        contact.related_contact_id = related.id
        contact.attributes = related.attributes | contact.attributes
        _check((rules.attribute_bytes,), {"Attributes": contact.attributes})

    def _link(self, contact: Contact, request: Request, now: float) -> None:
        """Amazon: "12 task contacts can be created that share the same PreviousContactId", and share attributes."""
        previous = self._contact(request, "PreviousContactId")
        if contact.channel == "TASK" and self.store.chain_size(previous.initial_contact_id) >= MAX_CHAIN:
            raise ServiceError(
                "ServiceQuotaExceededException",
                f"PreviousContactId: {MAX_CHAIN} contacts are linked in its chain already",
            )
        contact.previous_contact_id = previous.id
        contact.initial_contact_id = previous.initial_contact_id
        if contact.attributes:
            self._set_attributes(previous, contact.attributes, now)

    def _flow_to_start(self, request: Request, contact: Contact) -> Flow:
        """Amazon: "Only one parameter is required as long as the task template has a flow configured to run it"."""
        if request.get("TaskTemplateId"):
            template = _find(self.instance.task_templates, request["TaskTemplateId"], "TaskTemplateId")
            contact.task_template_id = template.id
            if template.flow_id is None:
                raise ServiceError("InvalidRequestException", "TaskTemplateId: the task template has no flow to run")
            return self.instance.flows[template.flow_id]
        if request.get("QuickConnectId"):
            quick_connect = _find(self.instance.quick_connects, request["QuickConnectId"], "QuickConnectId")
            contact.quick_connect_id = quick_connect.id
            contact.queue_id, contact.user_id = quick_connect.queue_id, quick_connect.user_id
            return self.instance.flows[quick_connect.flow_id]
        flow = _find(self.instance.flows, request["ContactFlowId"], "ContactFlowId")
        _check_routes(flow)
        return flow

    def _route(self, contact: Contact, flow: Flow, at: float) -> None:
        """Run a flow: queue the contact for its user, in its queue, or in the flow's; end it without one."""
        if contact.user_id is None and contact.queue_id is None:
            contact.queue_id = flow.queue_id
        if contact.user_id is None and contact.queue_id is None:
            contact.state, contact.disconnected_at = State.ENDED, at
            contact.disconnect_reason = "CONTACT_FLOW_DISCONNECT"
        else:
            contact.state, contact.enqueued_at = State.QUEUED, at

    def _stop_ringing(self, contact: Contact, what: str, at: float) -> None:
        """
        The ringing is over: the call's flow begins when somebody has answered, and the call ends when nobody has.

        :param what: :data:`ANSWERED`, or the reason with which the call ends.
        """
        contact.rings_until = contact.rings_end = None
        if contact.answering_machine:
            contact.answering_machine = _MACHINE_DETECTION.get(what, "AMD_UNANSWERED")
        if what == ANSWERED:
            contact.answered_at = at
            self._route(contact, self.instance.flows[contact.flow_id or ""], at)
        else:
            contact.state, contact.disconnected_at, contact.disconnect_reason = State.ENDED, at, what

    def _update_ringing(self, contact: Contact, what: str, at: float) -> None:
        self._stop_ringing(contact, what, at)
        self.store.update(
            contact.id,
            state=contact.state,
            rings_until=None,
            rings_end=None,
            answered_at=contact.answered_at,
            queue_id=contact.queue_id,
            enqueued_at=contact.enqueued_at,
            disconnected_at=contact.disconnected_at,
            disconnect_reason=contact.disconnect_reason,
            answering_machine=contact.answering_machine,
            updated_at=at,
        )

    def _end(self, contact_id: str, reason: str, at: float) -> None:
        self.store.update(contact_id, state=State.ENDED, disconnected_at=at, disconnect_reason=reason, updated_at=at)

    def _set_attributes(self, contact: Contact, attributes: Mapping[str, str], now: float) -> None:
        """Amazon: "Any updates … on any contact linked … will affect every contact in the chain"."""
        merged = contact.attributes | dict(attributes)
        _check((rules.attribute_bytes,), {"Attributes": merged})
        self.store.update(contact.initial_contact_id, attributes=merged, updated_at=now)
        if contact.id != contact.initial_contact_id:
            self.store.update(contact.id, updated_at=now)

    def _contact(self, request: Request, member: str = "ContactId") -> Contact:
        self._check_instance(request)
        return self._stored(request[member], member)

    def _stored(self, contact_id: str, member: str = "ContactId") -> Contact:
        contact = self.store.get(contact_id)
        if contact is None:
            raise ServiceError("ResourceNotFoundException", f"{member}: there is no such contact")
        return contact

    def _check_instance(self, request: Request) -> None:
        if request["InstanceId"] not in (self.instance.id, self.instance.arn):
            raise ServiceError("ResourceNotFoundException", "InstanceId: there is no such instance")

    def _describe(self, contact: Contact) -> dict[str, Any]:
        template = self.instance.task_templates.get(contact.task_template_id or "")
        return {
            "Arn": self.instance.contact_arn(contact.id),
            "Id": contact.id,
            "InitialContactId": contact.initial_contact_id if contact.previous_contact_id else None,
            "PreviousContactId": contact.previous_contact_id,
            "ContactAssociationId": contact.initial_contact_id,
            "RelatedContactId": contact.related_contact_id,
            "InitiationMethod": contact.initiation_method,
            "Name": contact.name,
            "Description": contact.description,
            "Channel": contact.channel,
            "QueueInfo": {"Id": contact.queue_id, "EnqueueTimestamp": contact.enqueued_at}
            if contact.queue_id
            else None,
            "AgentInfo": {
                "Id": contact.agent_id,
                "AcceptedByAgentTimestamp": contact.connected_at,
                "ConnectedToAgentTimestamp": contact.connected_at,
            }
            if contact.agent_id
            else None,
            "InitiationTimestamp": contact.initiated_at,
            "DisconnectTimestamp": contact.disconnected_at,
            "LastUpdateTimestamp": contact.updated_at,
            "ScheduledTimestamp": contact.scheduled_at,
            "CustomerEndpoint": contact.customer_endpoint,
            "SystemEndpoint": contact.system_endpoint,
            "ConnectedToSystemTimestamp": contact.answered_at,
            "Campaign": {"CampaignId": contact.campaign_id} if contact.campaign_id else None,
            "AnsweringMachineDetectionStatus": contact.answering_machine,
            "AdditionalEmailRecipients": _recipients(contact),
            "Tags": contact.tags or None,
            "SegmentAttributes": contact.segment_attributes or None,
            "DisconnectReason": contact.disconnect_reason,
            "TaskTemplateInfo": {"Arn": f"{self.instance.arn}/task-template/{template.id}", "Name": template.name}
            if template
            else None,
            "Attributes": contact.attributes or None,
        }


_SUBTYPES = {"TASK": "connect:ExternalTask", "VOICE": "connect:ExternalAudio", "EMAIL": "connect:Email"}
#: Operations whose models have no IdempotencyException.
_NO_IDEMPOTENCY_EXCEPTION = ("StartTaskContact", "StartOutboundVoiceContact")
#: https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html (AnsweringMachineDetectionStatus)
_MACHINE_DETECTION = {
    ANSWERED: "HUMAN_ANSWERED",
    "TELECOM_BUSY": "SIT_TONE_BUSY",
    "TELECOM_NUMBER_INVALID": "SIT_TONE_INVALID_NUMBER",
}
_UPDATED_AS_THEY_ARE = {
    "Name": "name",
    "Description": "description",
    "CustomerEndpoint": "customer_endpoint",
    "SystemEndpoint": "system_endpoint",
    "AdditionalRecipients": "additional_recipients",
}


def _check(checks: Iterable[rules.Rule], request: Request) -> None:
    faults = [fault for rule in checks for fault in rule(request)]
    if faults:
        raise ServiceError("InvalidRequestException", "; ".join(faults))


def _check_scheduled_time(scheduled_at: float, now: float) -> None:
    """
    Amazon: "The scheduled time cannot be in the past. It must be within up to 6 days in future".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_StartTaskContact.html
    """
    # The wire has whole milliseconds, and often whole seconds: "now" as a client writes it is not in the past.
    if scheduled_at < int(now):
        raise ServiceError("InvalidRequestException", "ScheduledTime: is in the past")
    if scheduled_at > now + MAX_SCHEDULE_AHEAD:
        raise ServiceError("InvalidRequestException", "ScheduledTime: is more than 6 days ahead")


def _stop_reason(contact: Contact) -> str:
    """
    Why a contact that StopContact ended says that it has ended.

    For calls: "when the agent/API user cancels the call before connecting"; later "OTHER … such as disconnections
    that API calls initiate". See https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html
    """
    if contact.channel != "VOICE":
        return "API"
    return NOT_ANSWERED if contact.state is State.RINGING else "OTHER"


def _check_may_transfer(contact: Contact) -> None:
    """
    Amazon: "Only supported for TASK and EMAIL … only on active contacts … not … more than 11 times".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_TransferContact.html
    """
    if contact.channel not in ("TASK", "EMAIL"):
        raise ServiceError("InvalidRequestException", "ContactId: only contacts of TASK and EMAIL can be transferred")
    if contact.state is State.ENDED:
        raise ServiceError("InvalidRequestException", "ContactId: the contact has ended")
    if contact.transfers >= MAX_TRANSFERS:
        raise ServiceError(
            "ServiceQuotaExceededException", f"ContactId: the contact was transferred {MAX_TRANSFERS} times already"
        )


def _check_may_update(request: Request, contact: Contact) -> None:
    """
    Amazon: "This parameter can only be updated for external audio contacts"; recipients are an outbound e-mail's.

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContact.html
    """
    draft = (
        contact.channel == "EMAIL"
        and contact.initiation_method in ("OUTBOUND", "AGENT_REPLY")
        and contact.state is not State.ENDED
    )
    is_external_audio = contact.channel == "VOICE" and contact.created_by == "CreateContact"
    faults = [
        f"{member}: for external audio contacts only"
        for member in ("QueueInfo", "UserInfo", "CustomerEndpoint", "SystemEndpoint")
        if member in request and not is_external_audio and not (draft and member.endswith("Endpoint"))
    ]
    if "AdditionalRecipients" in request and not draft:
        faults.append("AdditionalRecipients: for outbound e-mails only")
    if faults:
        raise ServiceError("InvalidRequestException", "; ".join(faults))


def _check_routes(flow: Flow) -> None:
    """
    Amazon: "The following flow types are supported: Inbound flow, Transfer to agent flow, and Transfer to queue flow".

    See https://docs.aws.amazon.com/connect/latest/APIReference/API_TransferContact.html
    """
    if flow.kind not in ROUTING_FLOWS:
        raise ServiceError("InvalidRequestException", f"ContactFlowId: a flow of type {flow.kind} routes no contact")


def _find(resources: Mapping[str, R], id_or_arn: str, member: str) -> R:
    try:
        return resources[id_or_arn.rpartition("/")[2]]
    except KeyError:
        raise ServiceError("ResourceNotFoundException", f"{member}: there is no such resource") from None


def _digest(request: Request) -> bytes:
    content = {name: value for name, value in request.items() if name != "ClientToken"}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).digest()


def _expiry_attribute(minutes: int, expires_at: float) -> dict[str, Any]:
    """The segment attribute in which Amazon shows a contact's expiry."""
    at = datetime.fromtimestamp(expires_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    duration = {"ExpiryDuration": {"ValueInteger": minutes}, "ExpiryTimeStamp": {"ValueString": at}}
    return {"connect:ContactExpiry": {"ValueMap": duration}}


def _recipients(contact: Contact) -> dict[str, Any] | None:
    if not contact.additional_recipients:
        return None
    addresses = contact.additional_recipients.get("CcEmailAddresses", [])
    return {
        "CcList": [
            {"Address": address["EmailAddress"], "DisplayName": address.get("DisplayName")} for address in addresses
        ]
    }
