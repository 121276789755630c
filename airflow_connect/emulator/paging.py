"""Answers that come in pages: what a ``NextToken`` says. It is of one question, and refused for another."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from airflow_connect.emulator.model import ServiceError

if TYPE_CHECKING:
    from airflow_connect.emulator.model import Request


def write_token(request: Request, *last: Any) -> str:
    """Return the token of the page after an answer; *last* says where that ended."""
    return base64.urlsafe_b64encode(json.dumps([_question(request), *last]).encode()).decode()


def read_token(request: Request) -> list[Any]:
    """
    Return where the page before a request's ended.

    :raises ServiceError: InvalidParameterException if the token is of another request, or is not a token
    """
    try:
        read: list[Any] = json.loads(base64.urlsafe_b64decode(request["NextToken"]))
        question, *last = read
    except (TypeError, ValueError):
        question, last = None, []
    if question != _question(request):
        raise ServiceError("InvalidParameterException", "NextToken: is not of this search")
    return last


def _question(request: Request) -> str:
    content = {name: value for name, value in request.items() if name not in ("NextToken", "MaxResults")}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()
