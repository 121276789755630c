"""
Who may use the desk: the person at this machine, and no other website in that person's browser.

A page holds what customers have said, and has buttons that end contacts. A website that the same person visits could
read the one by giving its own name this machine's address, and press the other by a form that is sent here. Hence the
checks of Host and Origin; the headers keep what a contact holds from running, whatever a template may have missed.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # "no-referrer" would make browsers send "Origin: null" with the desk's own forms.
    "Referrer-Policy": "same-origin",
}


class Guard:
    """
    ASGI middleware of all the desk's routes.

    :param app: what it guards.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that another website made, and add the headers to every answer."""
        headers = Headers(scope=scope)
        if not _is_local_name(scope, headers.get("host", "")):
            refusal = "The agent desk answers to this machine's own names only, such as localhost and 127.0.0.1."
        elif scope["method"] not in ("GET", "HEAD") and not _is_own_origin(headers):
            refusal = "The agent desk takes actions from its own pages only."
        else:
            refusal = ""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.update(_HEADERS)
                answer.setdefault("Cache-Control", "no-store")
            await send(message)

        app = PlainTextResponse(f"{refusal}\n", 403) if refusal else self._app
        await app(scope, receive, send_guarded)


def _is_local_name(scope: Scope, host: str) -> bool:
    """
    Whether *host* names this machine.

    An emulator that was told to listen to other machines is asked for by names that it cannot know.
    """
    if not _is_loopback((scope.get("server") or ("",))[0]):
        return True
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_own_origin(headers: Headers) -> bool:
    """Browsers send Origin with every POST, and no page can change it."""
    scheme, _, origin = headers.get("origin", "").partition("://")
    return scheme in ("http", "https") and bool(origin) and origin == headers.get("host")
