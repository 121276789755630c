"""
Deterministic client tokens: what identifies a contact that is to be made.

Amazon Connect makes one contact for one client token. A token that follows from *who asks* (or from a business
key) rather than from chance is therefore the same on a retry, after a clear, for a worker that died after the
request left, and for a twin that the scheduler believed dead.

This module knows no Airflow and no client.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import methodcaller
from typing import Any, Final
from uuid import UUID

__all__ = [
    "changed_fields",
    "content_digest",
    "content_digests",
    "row_digest",
    "token_for_key",
    "token_for_row",
    "token_for_task",
]


def token_for_task(instance_id: str, dag_id: str, run_id: str, task_id: str, map_index: int = -1, *more: str) -> str:
    """
    Return the client token of a task instance, 64 hexadecimal digits.

    :param instance_id: the Amazon Connect instance
    :param dag_id: the DAG
    :param run_id: the DAG run; a new run is a new contact
    :param task_id: the task
    :param map_index: the index of a mapped task instance, -1 for a task that is not mapped
    :param more: what tells several calls of one task instance apart
    """
    return _hash("task", instance_id, dag_id, run_id, task_id, map_index, *more)


def token_for_key(instance_id: str, idempotency_key: str) -> str:
    """
    Return the client token of a business key, 64 hexadecimal digits: one contact per key and instance.

    :param instance_id: the Amazon Connect instance
    :param idempotency_key: what identifies the contact over tasks, runs and DAGs: ``"invoice-4711"``
    """
    return _hash("key", instance_id, idempotency_key)


def token_for_row(
    instance_id: str, dag_id: str, run_id: str, task_id: str, map_index: int, digest: str, repetition: int
) -> str:
    """
    Return the client token of a row that has no key, 64 hexadecimal digits.

    It follows from what the row holds and not from where it stands, so that rows may be added and change places.

    :param instance_id: the Amazon Connect instance
    :param dag_id: the DAG
    :param run_id: the DAG run; a new run makes new contacts
    :param task_id: the task
    :param map_index: the index of a mapped task instance, -1 for a task that is not mapped
    :param digest: the :func:`row_digest` of the row
    :param repetition: how many equal rows stood before it
    """
    return _hash("row", instance_id, dag_id, run_id, task_id, map_index, digest, repetition)


def row_digest(values: Mapping[str, Any]) -> str:
    """
    Return a digest of all columns of a row, 64 hexadecimal digits.

    Types count, the order of columns does not: ``1``, ``"1"``, ``1.0``, ``True`` and ``Decimal("1")`` differ.

    :param values: the row: text, numbers, booleans, dates, times, UUIDs, bytes, None; lists and dicts of these
    :raises TypeError: if it holds anything else, of which nobody can say whether two are equal
    """
    return hashlib.sha256(_encode(values).encode()).hexdigest()


def content_digest(params: Mapping[str, Any]) -> str:
    """
    Return a digest of a whole request, 16 hexadecimal digits.

    :param params: the request, as botocore's client takes it, without a client token
    """
    return hashlib.sha256(_encode(params).encode()).hexdigest()[:16]


def _typed(value: Any) -> Any:
    """Return what JSON has no type for with the name of its type, the same with any library that brings a subtype."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return ["\0bytes", bytes(value).hex()]
    if isinstance(value, (set, frozenset)):
        return ["\0set", sorted(map(_encode, value))]
    if isinstance(value, Mapping):
        return dict(value)
    for kind, text in _TEXTS:
        if isinstance(value, kind):
            return [f"\0{kind.__name__}", text(value)]
    if getattr(value, "shape", None) == () and hasattr(value, "dtype"):  # numpy's scalars
        return [f"\0{value.dtype}", str(value)]
    if type(value).__name__ == "NAType":
        return ["\0NA"]
    raise TypeError(f"a value of type {type(value).__name__}")


# In this order: a datetime is a date. By methods of which pendulum's and pandas' types give the same.
_TEXTS: Final[tuple[tuple[type, Callable[[Any], str]], ...]] = (
    (Decimal, str),
    (datetime, methodcaller("isoformat")),
    (date, methodcaller("isoformat")),
    (time, methodcaller("isoformat")),
    (timedelta, lambda value: repr(value.total_seconds())),
    (UUID, str),
)

_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_typed).encode


def _hash(*parts: str | int) -> str:
    # JSON keeps ("a", "bc") and ("ab", "c") apart.
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def content_digests(client_token: str, params: Mapping[str, Any]) -> dict[str, str]:
    """
    Return a short digest of each field of a request, by the field's path.

    Attributes and references are told apart one by one. A digest has 32 bits and depends on the token: enough to
    see that a field has changed, too little to tell what was in it.

    :param client_token: the token that the request is sent with
    :param params: the request, as botocore's client takes it
    """
    digests = {}
    for member, value in params.items():
        if member == "ClientToken":
            continue
        parts = value if member in {"Attributes", "References", "SegmentAttributes"} else {None: value}
        for key, part in parts.items():
            path = member if key is None else f"{member}.{key}"
            content = json.dumps([client_token, path, part], sort_keys=True, default=str)
            digests[path] = hashlib.sha256(content.encode()).hexdigest()[:8]
    return digests


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """
    Return the paths of the fields that differ between two requests, in order.

    :param before: the digests of the earlier request
    :param after: the digests of the later one
    """
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
