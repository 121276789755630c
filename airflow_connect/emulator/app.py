"""
HTTP: from a request to an operation of :mod:`.service`, and back to what Amazon would send.

    gate ─► signature ─► route ─► permission ─► fault? ─► throttle ─► checks of the model ─► service ─► fault? ─► answer

It is a plain ASGI application inside Starlette.
"""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
import uuid
from typing import TYPE_CHECKING, NamedTuple

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from airflow_connect.emulator.calls import Call, CallLog
from airflow_connect.emulator.faults import BEFORE, Fault, FaultKind, Faults
from airflow_connect.emulator.gate import Gate
from airflow_connect.emulator.model import Operation, Request, ServiceError, ServiceModel, write_json
from airflow_connect.emulator.resources import ACCOUNT
from airflow_connect.emulator.service import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from airflow_connect.emulator.service import Service
    from airflow_connect.emulator.throttle import Throttle

log = logging.getLogger(__name__)

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<credential>[^,\s]+), *SignedHeaders=[^,\s]+, *Signature=[0-9a-f]+"
)
_SCOPE = re.compile(r"[^/]+(?:/[^/]+)*/\d{8}/[a-z0-9-]+/(?P<service>[a-z0-9-]+)/aws4_request")


class Answer(NamedTuple):
    """What goes on the wire, and what the call log says of it."""

    status: int
    body: bytes
    error: str | None = None
    contact_id: str | None = None
    retry_after: float = 0


class ConnectAPI:
    """
    The API as an ASGI application.

    :param service: does the operations.
    :param model: reads requests and writes answers.
    :param throttle: request quotas.
    :param faults: what goes wrong.
    :param calls: the call log.
    :param latency: seconds that every answer takes.
    :param deny: operations that the caller has no permission for.
    :raises ValueError: when *deny* names an operation that is not there.
    """

    def __init__(
        self,
        service: Service,
        model: ServiceModel,
        throttle: Throttle,
        faults: Faults,
        calls: CallLog,
        *,
        latency: float = 0.0,
        deny: Iterable[str] = (),
    ) -> None:
        self._service = service
        self._model = model
        self._throttle = throttle
        self._faults = faults
        self._calls = calls
        self._latency = latency
        self._deny = frozenset(deny)
        unknown = self._deny.difference(OPERATIONS)
        if unknown:
            raise ValueError(f"deny: unknown operation {min(unknown)!r}; there are {', '.join(OPERATIONS)}.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body: bytes = (await receive()).get("body", b"")
        path, query = _target(scope)
        try:
            _check_signature(scope)
            operation, labels = self._route(scope["method"], path)
        except ServiceError as error:
            await _send(send, self._error(error))
            return
        fault = self._faults.next(operation.name)
        now = self._service.clock.now()
        request: Request = {}
        invalid = None
        try:
            request = operation.parse(labels, query, body)
        except ServiceError as error:
            invalid = error
        if fault and fault.kind in BEFORE:
            answer = self._refuse(fault)
        else:
            answer = self._answer(operation, request, invalid, scope)
            if answer.error == "ThrottlingException":
                # The call never came as far as its fault.
                fault = None
        sent = _ON_THE_WIRE.get(fault.kind, answer) if fault else answer
        self._calls.add(
            Call(
                operation.name,
                request.get("ClientToken"),
                answer.contact_id or request.get("ContactId") or request.get("InitialContactId"),
                sent.status if sent else None,
                sent.error if sent else None,
                fault.kind.value if fault else None,
                now,
            )
        )
        if self._latency:
            await asyncio.sleep(self._latency)
        await _deliver(scope, receive, send, answer, fault)

    def _route(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        match = self._model.match(method, path)
        if match is None:
            raise ServiceError("UnknownOperationException", "no operation has this method and path", 404)
        operation, labels = match
        if operation.name not in OPERATIONS:
            raise ServiceError(
                "NotImplementedException", f"{operation.name} is not implemented by the local Amazon Connect", 501
            )
        return operation, labels

    def _refuse(self, fault: Fault) -> Answer:
        match fault.kind:
            case FaultKind.THROTTLE:
                answer = self._error(ServiceError(*_THROTTLED))
            case FaultKind.ERROR_503:
                answer = self._error(ServiceError("ServiceUnavailableException", "Service is unavailable", 503))
            case FaultKind.EXPIRED_TOKEN:
                words = "The security token included in the request is expired"
                answer = self._error(ServiceError("ExpiredTokenException", words, 403))
            case _:
                answer = self._error(_INTERNAL)
        return answer._replace(retry_after=fault.seconds)

    def _answer(self, operation: Operation, request: Request, invalid: ServiceError | None, scope: Scope) -> Answer:
        try:
            self._admit(operation, invalid)
            result = self._service.call(operation.name, request)
            if operation.name == "DescribeInstance":
                # Only HTTP knows the address by which the client found the instance; links to its pages begin so.
                result["Instance"]["InstanceAccessUrl"] = _base_url(scope)
            return Answer(200, operation.serialise(result), None, result.get("ContactId"))
        except ServiceError as error:
            return self._error(error)
        except Exception as error:  # noqa: BLE001 -- a fault of ours is a 500, as Amazon's would be
            # Without the exception's text, which may hold what a contact holds.
            trace = "".join(traceback.format_tb(error.__traceback__))
            log.error("%s: %s\n%s", operation.name, type(error).__name__, trace)  # noqa: TRY400 -- see above
            return self._error(_INTERNAL)

    def _admit(self, operation: Operation, invalid: ServiceError | None) -> None:
        """A call without permission, quota or form goes no further, in this order."""
        if operation.name in self._deny:
            raise self._denied(operation)
        if not self._throttle.take(operation.name, self._service.clock.now()):
            raise ServiceError(*_THROTTLED)
        if invalid:
            raise invalid

    def _denied(self, operation: Operation) -> ServiceError:
        return ServiceError(
            "AccessDeniedException",
            f"User: arn:aws:iam::{ACCOUNT}:user/local is not authorized to perform: connect:{operation.name} "
            f"on resource: {self._service.instance.arn} because no identity-based policy allows the "
            f"connect:{operation.name} action",
            403,
        )

    def _error(self, error: ServiceError) -> Answer:
        status, body = self._model.error(error)
        return Answer(status, body, error.code)


_INTERNAL = ServiceError("InternalServiceException", "Internal service error", 500)
_THROTTLED = ("ThrottlingException", "Rate exceeded", 429)
_FAILED_AFTER = Answer(500, write_json({"Message": _INTERNAL.message}), _INTERNAL.code)
#: What a fault leaves of an answer; None is nothing at all. The other faults send the answer, or its beginning.
_ON_THE_WIRE = {
    FaultKind.CUT_BEFORE: None,
    FaultKind.CUT_AFTER: None,
    FaultKind.TIMEOUT: None,
    FaultKind.ERROR_500_AFTER: _FAILED_AFTER,
}


def create_app(
    api: ConnectAPI, pages: Sequence[BaseRoute] = (), *, listens_on: str, allowed_hosts: Iterable[str] = ()
) -> ASGIApp:
    """
    The server's application.

    :param api: answers everything that no page does.
    :param pages: routes for people, such as the agent desk's; no path of Amazon Connect's may begin as they do.
    :param listens_on: the address that the server listens on.
    :param allowed_hosts: more names by which it may be reached.
    :raises ValueError: when one of *allowed_hosts* is not a host name or an IP address.
    """
    return Gate(Starlette(routes=[*pages, Mount("/", app=api)]), listens_on=listens_on, allowed_hosts=allowed_hosts)


def _base_url(scope: Scope) -> str:
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return f"{scope['scheme']}://{host}"


def _target(scope: Scope) -> tuple[str, bytes]:
    """Path as it was sent, and query: in the decoded path an instance's ARN would be several segments."""
    path: bytes = scope["raw_path"]
    return path.partition(b"?")[0].decode("latin-1"), scope["query_string"]


def _check_signature(scope: Scope) -> None:
    """
    Look at the form of the signature; the secret key it was made with is not known here.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    headers = {name: value for name, value in scope["headers"] if name in (b"authorization", b"x-amz-date", b"date")}
    given = headers.get(b"authorization", b"").decode("latin-1")
    if not given:
        raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    match = _AUTHORIZATION.fullmatch(given)
    credential = _SCOPE.fullmatch(match["credential"]) if match else None
    if credential is None:
        raise ServiceError(
            "IncompleteSignatureException",
            "Authorization header requires AWS4-HMAC-SHA256 with Credential, SignedHeaders and Signature",
            403,
        )
    if b"x-amz-date" not in headers and b"date" not in headers:
        raise ServiceError(
            "IncompleteSignatureException",
            "Authorization header requires existence of an X-Amz-Date or Date header",
            403,
        )
    if credential["service"] != "connect":
        raise ServiceError(
            "InvalidSignatureException", "Credential should be scoped to correct service: 'connect'", 403
        )


async def _deliver(scope: Scope, receive: Receive, send: Send, answer: Answer, fault: Fault | None) -> None:
    """Send the answer, or what the fault leaves of it."""
    match fault.kind if fault else None:
        case FaultKind.CUT_BEFORE | FaultKind.CUT_AFTER:
            await _cut(scope, receive)
        case FaultKind.TIMEOUT if fault:
            await _wait(receive, fault.seconds)
            await _cut(scope, receive)
        case FaultKind.SLOW if fault:
            await asyncio.sleep(fault.seconds)
            await _send(send, answer)
        case FaultKind.ERROR_500_AFTER:
            await _send(send, _FAILED_AFTER)
        case FaultKind.TRUNCATED:
            await _send(send, answer, answer.body[: len(answer.body) // 2], more_body=True)
            scope["state"]["transport"].close()
            await _disconnected(receive)
        case FaultKind.CUT_BODY:
            await _send(send, answer._replace(body=answer.body[:1]))
        case _:
            await _send(send, answer)


async def _send(send: Send, answer: Answer, body: bytes | None = None, *, more_body: bool = False) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(answer.body)),
        (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
    ]
    if answer.error:
        headers.append((b"x-amzn-errortype", answer.error.encode()))
    if answer.retry_after:
        headers.append((b"retry-after", b"%d" % answer.retry_after))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body if body is None else body, "more_body": more_body})


async def _cut(scope: Scope, receive: Receive) -> None:
    """Close the connection: nothing more is sent, not even an HTTP error."""
    scope["state"]["transport"].abort()
    await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _wait(receive: Receive, seconds: float) -> None:
    """Let the client wait, and no longer than it does."""
    try:
        await asyncio.wait_for(_disconnected(receive), seconds)
    except TimeoutError:
        return
