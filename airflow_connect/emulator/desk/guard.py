"""
Who may use the desk: the person at this machine, and no other website in that person's browser.

A page holds what customers have said, and has buttons that end contacts. A website that the same person visits cannot
read the one (:mod:`airflow_connect.emulator.gate`), but could press the other by a form that is sent here. Hence the
check of Origin; the headers keep what a contact holds from running, whatever a template may have missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        is_action = scope["method"] not in ("GET", "HEAD")

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.update(_HEADERS)
                answer.setdefault("Cache-Control", "no-store")
            await send(message)

        app = self._app
        if is_action and not _is_own_origin(Headers(scope=scope)):
            app = PlainTextResponse("The agent desk takes actions from its own pages only.\n", 403)
        await app(scope, receive, send_guarded)


def _is_own_origin(headers: Headers) -> bool:
    """Browsers send Origin with every POST, and no page can change it."""
    scheme, _, origin = headers.get("origin", "").partition("://")
    return scheme in ("http", "https") and bool(origin) and origin == headers.get("host")
