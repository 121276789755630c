"""
The desk's routes: what a person sees and does.

``GET`` shows, from :mod:`.board`; ``POST`` does one thing by the service and redirects to the contact, or shows the
same page again with what is wrong. Live pages ask for themselves again with the ETag of what they show, and get 304
until something has changed.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from airflow_connect.emulator import rules
from airflow_connect.emulator.desk import words
from airflow_connect.emulator.desk.board import NO_QUEUE, Board, Filter, View
from airflow_connect.emulator.desk.guard import Guard
from airflow_connect.emulator.model import ServiceError
from airflow_connect.emulator.store import ANSWERED, Contact, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

    from airflow_connect.emulator.resources import User
    from airflow_connect.emulator.service import Service

#: Where Amazon Connect has a contact's page, below the instance's address.
CONTACT_PATH = "/contact-trace-records/details"

_HERE = Path(__file__).parent
_COOKIE = "amazon_connect_desk_agent"
_MAX_TEXT = 200
_MAX_QUOTED = 40
_NOTICES = {
    "accepted": "The contact is yours.",
    "saved": "The attributes are saved.",
    "completed": "The contact is completed.",
    "stopped": "The contact is stopped.",
    "transferred": "The contact was transferred. This is the new contact.",
    "answered": "The customer has answered.",
    "not-answered": "The customer has not answered.",
    "hung-up": "The customer has hung up.",
}


def desk_routes(service: Service) -> list[BaseRoute]:
    """
    The agent desk, as routes for the server's application.

    :param service: has the contacts, and does what agents do.
    """
    return Desk(service).routes()


class Entry(NamedTuple):
    """
    A row of the form: an attribute as it was when the page was made, and as it is now.

    :param is_new: whether the person has typed the key.
    """

    key: str
    value: str
    was: str = ""
    is_new: bool = False
    is_wrong: bool = False

    @property
    def choices(self) -> list[str]:
        """What the person can choose from: the attribute's value may list it."""
        return [] if self.is_new else words.choices(self.was)


class FormError(Exception):
    """What is wrong with a form, in one sentence, with the form as it was sent."""

    def __init__(self, message: str, entries: Sequence[Entry] = (), status: int = 422) -> None:
        super().__init__(message)
        self.entries = entries
        self.status = status


class Desk:
    """
    The agent desk of an emulator.

    :param service: has the contacts, and does what agents do.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._board = Board(service.store)
        # Another process counts its changes from 0 again, and must not be taken for this one.
        self._process = secrets.token_hex(4)
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            words=words,
            views=list(View),
            channels=words.CHANNELS,
            contact_path=CONTACT_PATH,
            no_queue=NO_QUEUE,
            instance=service.instance,
            states=State,
        )

    def routes(self) -> list[BaseRoute]:
        """All of the desk's routes, guarded."""
        guard = [Middleware(Guard)]
        contact = "/contacts/{contact_id}"
        desk: list[BaseRoute] = [
            Route("/", self.show_list),
            Route("/agent", self.choose_agent, methods=["POST"]),
            Route("/example", self.make_example, methods=["POST"]),
            Route(f"{contact}/accept", self.accept, methods=["POST"]),
            Route(f"{contact}/attributes", self.save, methods=["POST"]),
            Route(f"{contact}/complete", self.complete, methods=["POST"]),
            Route(f"{contact}/stop", self.stop, methods=["POST"]),
            Route(f"{contact}/transfer", self.transfer, methods=["POST"]),
            Route(f"{contact}/answer", self.answer, methods=["POST"]),
            Route(f"{contact}/busy", self.be_busy, methods=["POST"]),
            Route(f"{contact}/ring-out", self.ring_out, methods=["POST"]),
            Route(f"{contact}/hang-up", self.hang_up, methods=["POST"]),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
            Route("/{rest:path}", self.show_nothing),
        ]
        return [
            Route("/", _to_desk, middleware=guard),
            Route("/desk", self.show_list, middleware=guard),
            Mount("/desk", routes=desk, middleware=guard),
            Route(CONTACT_PATH + "/{contact_id}", self.show_contact, middleware=guard),
        ]

    # --- what is seen ---------------------------------------------------------------------------------

    async def show_list(self, request: Request) -> Response:
        """A list of contacts; the contact itself when the search is for its ID."""
        wanted = _filter(request)
        with suppress(ValueError):
            contact_id = str(uuid.UUID(wanted.text))
            if self._service.store.get(contact_id):
                return RedirectResponse(_contact_url(contact_id), 303)
        return self._page(request)

    async def show_contact(self, request: Request) -> Response:
        """A contact beside the list."""
        return self._page(request, contact_id=request.path_params["contact_id"])

    async def show_nothing(self, request: Request) -> Response:
        """The desk's 404."""
        return self._page(request, missing="page")

    def _page(
        self, request: Request, *, contact_id: str = "", missing: str = "", error: FormError | None = None
    ) -> Response:
        self._service.settle()
        agent = self._agent(request)
        # Read before what it stands for: a change in between shows up at the next look.
        etag = f'"{self._process}-{self._service.store.revision}-{agent.id}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        contact = self._service.store.get(contact_id) if contact_id else None
        if contact_id and contact is None:
            missing = "contact"
        wanted = _filter(request)
        query = _query(wanted)
        page = self._templates.get_template("contact.html" if contact else "desk.html").render(
            here=(_contact_url(contact_id) if contact_id else "/desk") + query,
            etag=etag,
            now=self._service.clock.now(),
            base=f"{request.url.scheme}://{request.url.netloc}",
            agent=agent,
            wanted=wanted,
            query=query,
            link_to=lambda **changes: _query(replace(wanted, **changes)),
            counts=self._board.counts(),
            page=self._board.page(wanted),
            contact=contact,
            missing=missing,
            notice=_NOTICES.get(request.query_params.get("done", "")),
            error=error,
            **(self._of_contact(contact, agent, error) if contact else {}),
        )
        status = 404 if missing else error.status if error else 200
        return HTMLResponse(page, status, {"ETag": etag})

    def _of_contact(self, contact: Contact, agent: User, error: FormError | None) -> dict[str, Any]:
        entries = [Entry(key, value, value) for key, value in contact.attributes.items()]
        followers = self._board.relatives(contact.id, contact.initial_contact_id)
        is_mine = contact.state is State.CONNECTED and contact.agent_id == agent.id
        return {
            "is_mine": is_mine,
            "is_call": contact.created_by == "StartOutboundVoiceContact",
            "may_accept": contact.state in (State.CREATED, State.QUEUED) and contact.user_id in (None, agent.id),
            "entries": list(error.entries) if error and error.entries else entries,
            "followers": followers,
            "timeline": self._timeline(contact),
            "version": hashlib.blake2b(repr((contact, followers, agent.id)).encode(), digest_size=8).hexdigest(),
        }

    def _timeline(self, contact: Contact) -> list[tuple[float, str]]:
        """What has happened to a contact, and what will, in order."""
        users, queues = self._service.instance.users, self._service.instance.queues
        moments = [
            (contact.initiated_at, f"Created by {contact.created_by}"),
            (contact.scheduled_at, "Scheduled to start"),
            (
                contact.enqueued_at,
                f"Queued for {words.name(users, contact.user_id)}"
                if contact.user_id
                else f"Queued in {words.name(queues, contact.queue_id)}",
            ),
            (contact.answered_at, "Answered by the customer"),
            (contact.connected_at, f"Accepted by {words.name(users, contact.agent_id)}"),
            (contact.disconnected_at, words.outcome(contact)),
            (None if contact.state is State.ENDED else contact.expires_at, "Expires"),
            (contact.rings_until if contact.rings_end != ANSWERED else None, "Stops ringing"),
        ]
        return sorted(((at, what) for at, what in moments if at is not None), key=lambda entry: entry[0])

    # --- what is done ---------------------------------------------------------------------------------

    async def choose_agent(self, request: Request) -> Response:
        """Work as another of the instance's agents, from now on and in this browser."""
        form = await _read_form(request)
        agent_id, back = form.get("agent", ""), form.get("back", "")
        if agent_id not in self._service.instance.users:
            return self._page(request, missing="agent")
        response = RedirectResponse(back if back.startswith(("/desk", f"{CONTACT_PATH}/")) else "/desk", 303)
        response.set_cookie(_COOKIE, agent_id, httponly=True, samesite="lax")
        return response

    async def make_example(self, request: Request) -> Response:
        """Create a first contact, for those who open an empty desk."""
        the_day_after_tomorrow = int(self._service.clock.now() // words.DAY + 2) * words.DAY
        example = {
            "InstanceId": self._service.instance.id,
            "Channel": "TASK",
            "InitiationMethod": "API",
            "Name": "Check order 1042",
            "Description": "The customer says that one of two parcels has not arrived.\nPlease ask the carrier.",
            "Attributes": {"order": "1042", "carrier": ""},
            "References": {
                "Order": {"Type": "URL", "Value": "https://example.com/orders/1042"},
                "Promised": {"Type": "DATE", "Value": str(the_day_after_tomorrow)},
                "Customer": {"Type": "EMAIL", "Value": "kim@example.com"},
            },
        }
        try:
            made = self._service.call("CreateContact", example)
        except ServiceError as error:  # the quota of active contacts is reached
            return self._page(request, error=FormError(words.sentence(error.message), status=409))
        return RedirectResponse(_contact_url(made["ContactId"]), 303)

    async def accept(self, request: Request) -> Response:
        """Take a waiting contact."""
        contact_id: str = request.path_params["contact_id"]
        try:
            self._service.accept(contact_id, self._agent(request).id)
        except ServiceError as error:
            return self._refused(request, error)
        return _done(request, contact_id, "accepted")

    async def save(self, request: Request) -> Response:
        """Fill in attributes, and keep the contact."""
        contact_id: str = request.path_params["contact_id"]
        entries: list[Entry] = []
        try:
            entries, attributes = await _read_attributes(request)
            with self._service.store.lock:
                self._check_mine(request)
                if attributes:
                    self._service.call(
                        "UpdateContactAttributes",
                        {
                            "InstanceId": self._service.instance.id,
                            "InitialContactId": contact_id,
                            "Attributes": attributes,
                        },
                    )
        except (ServiceError, FormError) as error:
            return self._refused(request, error, entries)
        return _done(request, contact_id, "saved")

    async def complete(self, request: Request) -> Response:
        """Fill in attributes, and complete the contact."""
        contact_id: str = request.path_params["contact_id"]
        entries: list[Entry] = []
        try:
            entries, attributes = await _read_attributes(request)
            with self._service.store.lock:
                self._check_mine(request)
                self._service.complete(contact_id, attributes)
        except (ServiceError, FormError) as error:
            return self._refused(request, error, entries)
        return _done(request, contact_id, "completed")

    async def stop(self, request: Request) -> Response:
        """End a contact without completing it."""
        contact_id: str = request.path_params["contact_id"]
        try:
            with self._service.store.lock:
                self._check_not_others(request)
                self._service.call("StopContact", {"InstanceId": self._service.instance.id, "ContactId": contact_id})
        except (ServiceError, FormError) as error:
            return self._refused(request, error)
        return _done(request, contact_id, "stopped")

    async def transfer(self, request: Request) -> Response:
        """Send a contact to a queue or to an agent."""
        form = await _read_form(request)
        kind, _, target = form.get("to", "").partition(":")
        wanted = {"queue": ("QueueId", "QUEUE_TRANSFER"), "agent": ("UserId", "AGENT_TRANSFER")}
        if kind not in wanted or not target:
            return self._refused(request, FormError("Choose a queue or an agent to transfer the contact to."))
        member, flow_kind = wanted[kind]
        flow = next(flow for flow in self._service.instance.flows.values() if flow.kind == flow_kind)
        try:
            with self._service.store.lock:
                self._check_not_others(request)
                made = self._service.call(
                    "TransferContact",
                    {
                        "InstanceId": self._service.instance.id,
                        "ContactId": request.path_params["contact_id"],
                        "ContactFlowId": flow.id,
                        member: target,
                    },
                )
        except (ServiceError, FormError) as error:
            return self._refused(request, error)
        return _done(request, made["ContactId"], "transferred")

    # What the customer does who is called: the desk plays both ends of the line.

    async def answer(self, request: Request) -> Response:
        """Pick up the phone that rings."""
        return self._as_customer(request, self._service.answer, "answered")

    async def be_busy(self, request: Request) -> Response:
        """Let the line be busy."""
        return self._as_customer(
            request, lambda contact_id: self._service.ring_out(contact_id, "TELECOM_BUSY"), "not-answered"
        )

    async def ring_out(self, request: Request) -> Response:
        """Let the phone ring until the caller gives up."""
        return self._as_customer(request, self._service.ring_out, "not-answered")

    async def hang_up(self, request: Request) -> Response:
        """End the call as the customer."""
        return self._as_customer(request, self._service.hang_up, "hung-up")

    def _as_customer(self, request: Request, act: Callable[[str], Contact], what: str) -> Response:
        contact_id: str = request.path_params["contact_id"]
        try:
            act(contact_id)
        except ServiceError as error:
            return self._refused(request, error)
        return _done(request, contact_id, what)

    # --- parts ----------------------------------------------------------------------------------------

    def _agent(self, request: Request) -> User:
        users = self._service.instance.users
        return users.get(request.cookies.get(_COOKIE, "")) or next(iter(users.values()))

    def _check_mine(self, request: Request) -> None:
        """Refuse to change another agent's contact; the API lets anybody with the permission change it."""
        contact = self._service.contact(request.path_params["contact_id"])
        if contact.state is not State.CONNECTED:
            what = "has ended" if contact.state is State.ENDED else "waits, and must be accepted first"
            raise FormError(f"The contact {what}. Nothing was saved.", status=409)
        self._check_not_others(request)

    def _check_not_others(self, request: Request) -> None:
        contact = self._service.contact(request.path_params["contact_id"])
        if contact.state is State.CONNECTED and contact.agent_id != self._agent(request).id:
            raise FormError("Another agent has the contact. Nothing was changed.", status=409)

    def _refused(self, request: Request, error: ServiceError | FormError, entries: Sequence[Entry] = ()) -> Response:
        """The contact's page again, with what was typed and what is wrong with it."""
        if isinstance(error, ServiceError):
            error = FormError(words.sentence(error.message), entries, 409)
        elif not error.entries:
            error.entries = entries
        return self._page(request, contact_id=request.path_params["contact_id"], error=error)


async def _to_desk(request: Request) -> Response:
    return RedirectResponse("/desk", 307)


def _done(request: Request, contact_id: str, what: str) -> Response:
    query = _query(_filter(request))
    return RedirectResponse(f"{_contact_url(contact_id)}{query}{'&' if query else '?'}done={what}", 303)


def _contact_url(contact_id: str) -> str:
    return f"{CONTACT_PATH}/{quote(contact_id, safe='')}"


def _filter(request: Request) -> Filter:
    given = request.query_params
    view = given.get("view", "")
    return Filter(
        View(view) if view in set(View) else View.WAITING,
        given.get("q", "").strip()[:_MAX_TEXT],
        given.get("channel", ""),
        given.get("queue", ""),
        given.get("after", ""),
    )


def _query(wanted: Filter) -> str:
    """The part of an address that says the filter, with its question mark; empty for the default."""
    given = {
        "view": "" if wanted.view is View.WAITING else wanted.view,
        "q": wanted.text,
        "channel": wanted.channel,
        "queue": wanted.queue,
        "after": wanted.after,
    }
    query = urlencode({name: value for name, value in given.items() if value})
    return f"?{query}" if query else ""


async def _read_form(request: Request) -> dict[str, str]:
    return dict(await _read_pairs(request))


async def _read_pairs(request: Request) -> list[tuple[str, str]]:
    """A form's names and values in order. Starlette's own reader needs one more library for it."""
    return parse_qsl((await request.body()).decode("latin-1"), keep_blank_values=True)


async def _read_attributes(request: Request) -> tuple[list[Entry], dict[str, str]]:
    """
    The rows of a contact's form, and of them the attributes that the person has changed.

    :raises FormError: when keys break the rules of Amazon Connect, are given twice, or are missing.
    """
    pairs = await _read_pairs(request)
    fields = {name: [value for given, value in pairs if given == name] for name in ("key", "value", "was", "new")}
    rows = zip(fields["key"], fields["value"], fields["was"], fields["new"], strict=False)
    entries = [Entry(key, _lines(value), _lines(was), new == "1") for key, value, was, new in rows]
    chosen = dict(pairs)
    entries = [_decided(entry, chosen.get(f"choice-{number}")) for number, entry in enumerate(entries)]
    entries = [entry for entry in entries if entry.key or entry.value]
    faults: dict[str, None] = {}
    checked: list[Entry] = []
    seen: set[str] = set()
    for number, entry in enumerate(entries, 1):
        fault = _fault(number, entry, seen)
        seen.add(entry.key)
        faults |= {fault: None} if fault else {}
        checked.append(entry._replace(is_wrong=bool(fault)))
    if faults:
        raise FormError(" ".join(faults), checked)
    return entries, {entry.key: entry.value for entry in entries if entry.is_new or entry.value != entry.was}


def _decided(entry: Entry, choice: str | None) -> Entry:
    """
    An entry with the choice of the person, where there were choices.

    :param choice: what was chosen; empty is "something else", which the person writes; None is nothing yet.
    """
    if not entry.choices or choice == "" or (choice is None and entry.value):
        return entry
    return entry._replace(value=entry.was if choice is None else _lines(choice))


def _fault(number: int, entry: Entry, seen: set[str]) -> str:
    if not entry.key:
        return f"Row {number} has a value, and its key is missing."
    if entry.key in seen:
        return f"Row {number}: the key {_quote(entry.key)} exists already."
    for fault in rules.attribute_keys({"Attributes": {entry.key: entry.value}}):
        return f"Row {number}: the key {_quote(entry.key)} breaks a rule: {fault.partition(': ')[2]}."
    return ""


def _quote(key: str) -> str:
    """A key in a message; it may be as long as the form."""
    return f"“{key}”" if len(key) <= _MAX_QUOTED else f"“{key[:_MAX_QUOTED]}…”"


def _lines(text: str) -> str:
    """Line ends as they were: browsers send every one as CR LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
