"""
What every request has to pass, of the API and of the desk: by which name it was sent, and how large it is.

A page of any website can give its own name this machine's address and then read what the server answers, since for a
browser both are one site (DNS rebinding). The API's signature does not stop it, because any signature will do here. So
a server that other machines cannot reach answers to this machine's names alone. Starlette's TrustedHostMiddleware
compares with a list of names: it cannot allow every loopback address, a trailing dot, or, in older versions, IPv6.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from airflow_connect.emulator.model import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Bytes of a request's body.
MAX_BODY = 1 << 20
_TOO_LARGE = f"the body has more than {MAX_BODY} bytes"
_FOREIGN = (
    "Host: the local Amazon Connect answers to names of this machine only, such as localhost and 127.0.0.1. "
    "To reach it by another name, start it with --allowed-hosts NAME."
)
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:\d{0,5})?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", re.ASCII)


class Gate:
    """
    ASGI middleware of the whole server.

    :param app: the pages and the API; it gets each body in one piece.
    :param listens_on: the address that the server listens on, one of its names therefore.
    :param allowed_hosts: more names by which it may be reached.
    :raises ValueError: when one of *allowed_hosts* is not a host name or an IP address.
    """

    def __init__(self, app: ASGIApp, *, listens_on: str, allowed_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._names = {_folded(listens_on), *map(_checked, allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on with its body."""
        if not self._is_for_us(scope):
            await _refusal(403, "AccessDeniedException", _FOREIGN)(scope, receive, send)
            return
        try:
            body = await _read(scope, receive)
        except ClientDisconnect:
            return
        if body is None:
            # Nothing of what the client still sends is kept: the server drops it.
            await _refusal(413, "RequestEntityTooLargeException", _TOO_LARGE)(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_at_once() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, receive_at_once, send)

    def _is_for_us(self, scope: Scope) -> bool:
        """
        Whether the request was sent to one of this server's names.

        A server that other machines reach has names that it cannot know. But what comes in over a loopback address is
        from this machine, and may be from its browser.
        """
        hosts = Headers(scope=scope).getlist("host")
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if match is None:
            return False
        if not _is_loopback((scope.get("server") or ("",))[0]):
            return True
        target = _authority(scope)
        return self._is_own(match["name"]) and (target is None or self._is_own(target))

    def _is_own(self, host: str) -> bool:
        name = _folded(host)
        return name in self._names or name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _authority(scope: Scope) -> str | None:
    """The host in a request target of absolute form, which counts more than the Host header (RFC 9112, 3.2.2)."""
    target: bytes = scope["state"].get("target", scope["raw_path"])
    if target.startswith(b"/"):
        return None
    try:
        return urlsplit(target.decode("latin-1")).hostname or ""
    except ValueError:
        return ""


def _folded(host: str) -> str:
    """A name as it is compared: without case, an IPv6 address's brackets, and the dot of the root."""
    return host.lower().strip("[]").removesuffix(".")


def _checked(host: str) -> str:
    if not _NAME.fullmatch(host) and not _is_address(host.strip("[]")):
        raise ValueError(
            f"allowed_hosts: {host!r} is not a host name. Give names without scheme and port: host.docker.internal."
        )
    return _folded(host)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """
    The body; None as soon as it is known to be too large, whether or not the client has sent its length.

    :raises ClientDisconnect: when the client went away before the end of the body.
    """
    length = Headers(scope=scope).get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _refusal(status: int, code: str, message: str) -> Response:
    headers = {"x-amzn-ErrorType": code, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(write_json({"Message": message}), status, headers, "application/json")
