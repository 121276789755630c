"""The emulator as a server in a thread, for tests and for the command line."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import uvicorn

from airflow_connect.emulator.app import ConnectAPI, create_app
from airflow_connect.emulator.calls import Call, CallLog
from airflow_connect.emulator.clock import Clock
from airflow_connect.emulator.desk.pages import desk_routes
from airflow_connect.emulator.events import EventSender, event, kinds
from airflow_connect.emulator.faults import Faults
from airflow_connect.emulator.model import service_model
from airflow_connect.emulator.phones import Phones
from airflow_connect.emulator.resources import (
    DEFAULT_INSTANCE_ALIAS,
    DEFAULT_INSTANCE_ID,
    DEFAULT_REGION,
    Instance,
)
from airflow_connect.emulator.service import DEFAULT_TOKEN_LIFETIME, FORGETS_TOKENS, OPERATIONS, Service
from airflow_connect.emulator.store import State, Store
from airflow_connect.emulator.throttle import DEFAULT_BURST, Throttle

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from airflow_connect.emulator.store import Contact

_START_SECONDS = 30


class Emulator:
    """
    A local Amazon Connect.

    It is a context manager, and all its methods may be called from any thread::

        with Emulator() as emulator:
            client = boto3.client("connect", endpoint_url=emulator.url, region_name=emulator.region, …)

    :param rate: calls per second and operation; None, the default here, is unlimited. Amazon's default is 2.
    :param burst: calls that an operation takes at once before *rate* counts; Amazon's default is 5.
    :param latency_ms: milliseconds that every answer takes.
    :param faults: a plan of faults, see :mod:`airflow_connect.emulator.faults`.
    :param seed: of the faults.
    :param data: file that keeps the contacts; None keeps them in memory.
    :param token_lifetime: seconds for which a client token is remembered, 7 days by default.
    :param forgets_tokens: operations whose client token is forgotten when its contact ends.
    :param active_contacts: quota of contacts that have not ended; None is unlimited.
    :param active_calls: quota of outbound calls that have not ended; None is unlimited. Amazon's default is 10.
    :param campaign_calls: the same for the calls of campaigns; Amazon's default is 0.
    :param phones: a plan of who answers a call, see :mod:`airflow_connect.emulator.phones`.
    :param search_lag_seconds: how far SearchContacts is behind.
    :param deny: operations that answer AccessDeniedException.
    :param instance_id: the instance; None is the data file's, or ``b1000000-0000-4000-8000-000000000001``.
    :param alias: the instance's alias.
    :param region: AWS region of the instance.
    :param host: address to listen on.
    :param port: port to listen on; 0 takes a free one.
    :param allowed_hosts: names besides this machine's own by which clients reach an emulator that listens on a loopback
        address, such as ``host.docker.internal``.
    :param event_queue_url: URL of a queue of a local SQS that gets the contact events; None is nowhere.
    :param call_log: how many of the latest calls :meth:`calls` knows; 0 keeps none.
    :raises ValueError: when an argument is outside its range, or *faults* or *phones* cannot be read.
    :raises DataFileError: when *data* cannot be used.
    :raises OSError: when the port is taken or the address is not this machine's.
    """

    def __init__(
        self,
        *,
        rate: float | None = None,
        burst: int = DEFAULT_BURST,
        latency_ms: float = 0,
        faults: str = "",
        seed: int = 0,
        data: str | Path | None = None,
        token_lifetime: float = DEFAULT_TOKEN_LIFETIME,
        forgets_tokens: Iterable[str] = FORGETS_TOKENS,
        active_contacts: int | None = None,
        active_calls: int | None = None,
        campaign_calls: int | None = 0,
        phones: str = "",
        search_lag_seconds: float = 0,
        deny: Iterable[str] = (),
        instance_id: str | None = None,
        alias: str = DEFAULT_INSTANCE_ALIAS,
        region: str = DEFAULT_REGION,
        host: str = "127.0.0.1",
        port: int = 0,
        allowed_hosts: Iterable[str] = (),
        event_queue_url: str | None = None,
        call_log: int = 100_000,
    ) -> None:
        for name, value in (
            ("latency_ms", latency_ms),
            ("token_lifetime", token_lifetime),
            ("active_contacts", active_contacts or 0),
            ("active_calls", active_calls or 0),
            ("campaign_calls", campaign_calls or 0),
            ("search_lag_seconds", search_lag_seconds),
            ("call_log", call_log),
        ):
            if value < 0:
                raise ValueError(f"{name}: must not be negative; got {value}.")
        self.clock = Clock()
        self._quota_as_built = rate, burst
        self._faults_as_built = faults, seed
        self._phones_as_built = phones
        self._throttle = Throttle(rate, burst)
        self._faults = Faults(faults, seed, frozenset(OPERATIONS))
        self._phones = Phones(phones)
        self._calls = CallLog(call_log)
        self._events = EventSender(event_queue_url, region) if event_queue_url else None
        self._socket = _listen(host, port)
        try:
            self._store = Store(
                data, instance_id=instance_id, default_instance_id=DEFAULT_INSTANCE_ID, now=self.clock.now()
            )
        except BaseException:
            self._socket.close()
            raise

        instance = Instance(self._store.instance_id, alias, region)
        try:
            self.service = Service(
                self._store,
                self.clock,
                instance,
                token_lifetime=token_lifetime,
                forgets_tokens=forgets_tokens,
                active_contacts=active_contacts,
                active_calls=active_calls,
                campaign_calls=campaign_calls,
                search_lag=search_lag_seconds,
                phones=self._phones,
            )
        except ValueError:
            self._socket.close()
            self._store.close()
            raise
        if self._events:
            self._store.watcher = self._tell
        self.region = region
        self.instance_id = instance.id
        self.instance_alias = alias
        bound_host, bound_port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
        self._thread: threading.Thread | None = None
        try:
            api = ConnectAPI(
                self.service,
                service_model(),
                self._throttle,
                self._faults,
                self._calls,
                latency=latency_ms / 1000,
                deny=deny,
            )
            app = create_app(api, desk_routes(self.service), listens_on=bound_host, allowed_hosts=allowed_hosts)
        except ValueError:
            self.stop()
            raise
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_connection_class(),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> Self:
        """Serve, in a thread; returns when requests are answered."""
        if self._events:
            self._events.start()
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="amazon-connect-emulator", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("The local Amazon Connect did not start; its log says why.")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Stop serving, and close the data file. A stopped emulator cannot be started again."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._thread = None
        self._socket.close()
        self._store.close()
        if self._events:
            self._events.stop()

    def _tell(self, before: Contact | None, after: Contact) -> None:
        """Send the events that a change of a contact means."""
        assert self._events is not None
        for kind in kinds(before, after):
            self._events.put(event(kind, after, self.service.instance, self.clock.now()))

    def contacts(self, *states: str) -> list[dict[str, Any]]:
        """
        All that is stored, oldest contact first.

        :param states: only contacts in one of these: CREATED, SCHEDULED, RINGING, QUEUED, CONNECTED, ENDED.
        :return: one dict for each, with the fields of :class:`airflow_connect.emulator.store.Contact` as keys.
        """
        return [contact.as_dict() for contact in self.service.contacts(*map(State, states))]

    def contact(self, contact_id: str) -> dict[str, Any]:
        """
        One contact, as in :meth:`contacts`.

        :raises ServiceError: ResourceNotFoundException when it does not exist.
        """
        return self.service.contact(contact_id).as_dict()

    def accept(self, contact_id: str, agent: str | None = None) -> dict[str, Any]:
        """
        An agent accepts a waiting contact.

        :param agent: user ID or name; by default the one the contact is meant for, else the instance's first.
        :raises ServiceError: when the contact or the agent does not exist, or the contact does not wait.
        """
        return self.service.accept(contact_id, agent).as_dict()

    def complete(
        self, contact_id: str, attributes: Mapping[str, str] | None = None, agent: str | None = None
    ) -> dict[str, Any]:
        """
        An agent fills in attributes and completes a contact, after accepting it if nobody has.

        :param attributes: merged into the contact's.
        :param agent: as in :meth:`accept`.
        :raises ServiceError: when the contact does not exist or has ended, or attributes break a rule.
        """
        return self.service.complete(contact_id, attributes, agent).as_dict()

    def answer(self, contact_id: str) -> dict[str, Any]:
        """
        The person who is called answers; the call waits for an agent then, or ends, as its flow has it.

        :raises ServiceError: when the contact does not exist or does not ring.
        """
        return self.service.answer(contact_id).as_dict()

    def ring_out(self, contact_id: str) -> dict[str, Any]:
        """
        Nobody answers a call, without waiting for its ring time-out.

        :raises ServiceError: when the contact does not exist or does not ring.
        """
        return self.service.ring_out(contact_id).as_dict()

    def hang_up(self, contact_id: str) -> dict[str, Any]:
        """
        The person who was called, and has answered, ends the call.

        :raises ServiceError: when the contact does not exist, or nobody is on the line.
        """
        return self.service.hang_up(contact_id).as_dict()

    def set_phones(self, phones: str) -> None:
        """
        Follow another plan of who answers, for the calls that are placed from now on; empty lets every phone ring.

        :raises ValueError: when the plan cannot be read; the old one stays.
        """
        self._phones.set(phones)

    def set_faults(self, faults: str, seed: int = 0) -> None:
        """
        Follow another plan of faults; empty for none. Calls are counted from 1 again.

        :raises ValueError: when the plan cannot be read; the old one stays.
        """
        self._faults.set(faults, seed)

    def set_rate(self, rate: float | None, burst: int = DEFAULT_BURST) -> None:
        """
        Change the request quotas; None is unlimited. All buckets are full again.

        :raises ValueError: when *rate* or *burst* is out of range; the old quotas stay.
        """
        self._throttle.set(rate, burst)

    def calls(self, operation: str | None = None) -> list[Call]:
        """
        The latest calls, oldest first, without their contents.

        :param operation: only calls of this one.
        """
        return self._calls.list(operation)

    def reset(self) -> None:
        """As new: no contacts, tokens or calls, real time, faults, quotas and phones as given at the start."""
        self.clock.reset()
        self._store.clear()
        if self._events:
            self._events.clear()
        self._calls.clear()
        self._throttle.set(*self._quota_as_built)
        self._faults.set(*self._faults_as_built)
        self._phones.set(self._phones_as_built)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every answer waits for a delayed ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # Listening at once, so that a taken port is seen now and not in the thread.
        listener.listen(2048)
    except BaseException:
        listener.close()
        raise
    return listener


def _connection_class() -> Any:
    """
    Make uvicorn's HTTP protocol put into each request's scope what ASGI has not.

    A fault closes the connection by its transport. The request target, as it was sent, may name another host than the
    Host header; h11's protocol leaves it in the path.
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Protocol
    except ImportError:
        from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol  # type: ignore[assignment]  # one of two

    class Connection(Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # h11's is narrower
            self.app_state = {**self.app_state, "transport": transport}
            super().connection_made(transport)

        def on_headers_complete(self) -> None:
            self.scope["state"]["target"] = self.url
            super().on_headers_complete()

    return Connection
