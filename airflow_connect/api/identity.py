"""
Deterministic client tokens: what identifies a contact that is to be created.

Amazon Connect creates one contact for one client token. The token is derived from the task instance (or from a business
key) and is not random, so that it is the same on a retry, after a clear, for a worker that died after the request left,
and for a zombie.

Two requests are the same contact if they have the same Region, instance, operation and key. Each of them is in the
token: Amazon does not document how it compares the tokens of two operations or of an instance's replicas.

This module does not know Airflow or a client.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "CONTENT_DIGITS",
    "changed_fields",
    "content_digests",
    "request_digest",
    "token_for_key",
    "token_for_row",
    "token_for_task",
    "tokens_for_keys",
    "tokens_for_rows",
]

#: Digits of a request's digest that are recorded, enough to see that a request has changed.
CONTENT_DIGITS: Final = 16


def token_for_task(
    region: str,
    instance_id: str,
    operation: str,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: int = -1,
    *more: str,
) -> str:
    """
    Return the client token of a task instance, 64 hexadecimal digits.

    :param region: the Region that is called: a replica of an instance has the instance's ID in another Region
    :param instance_id: the Amazon Connect instance
    :param operation: the API operation that gets the token: ``CreateContact``
    :param dag_id: the Dag
    :param run_id: the Dag run; a new run is a new contact
    :param task_id: the task
    :param map_index: the index of a mapped task instance, -1 for a task that is not mapped
    :param more: what several calls of one task instance differ in
    """
    return _hash("task", region, instance_id, operation, dag_id, run_id, task_id, map_index, *more)


def token_for_key(region: str, instance_id: str, operation: str, idempotency_key: str) -> str:
    """
    Return the client token of a business key, 64 hexadecimal digits.

    One contact is created for one key, Region, instance and operation.

    :param region: as for :func:`token_for_task`
    :param instance_id: the Amazon Connect instance
    :param operation: the API operation that gets the token
    :param idempotency_key: what identifies the contact over tasks, runs and Dags: ``"invoice-4711"``
    """
    return tokens_for_keys(region, instance_id, operation)(idempotency_key)


def tokens_for_keys(region: str, instance_id: str, operation: str) -> Callable[[str], str]:
    """
    Return :func:`token_for_key` of many keys: what they have in common is hashed once.

    :param region: as for :func:`token_for_task`
    :param instance_id: the Amazon Connect instance
    :param operation: the API operation that gets the tokens
    """
    return _hasher("key", region, instance_id, operation)


def token_for_row(
    region: str,
    instance_id: str,
    operation: str,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: int,
    digest: str,
    repetition: int,
) -> str:
    """
    Return the client token of a row that has no key, 64 hexadecimal digits.

    It is derived from the contact that the row renders, and neither from the row's number nor from columns that the
    contact does not use, so that rows may be added and change places.

    :param region: as for :func:`token_for_task`
    :param instance_id: the Amazon Connect instance
    :param operation: the API operation that gets the token
    :param dag_id: the Dag
    :param run_id: the Dag run; a new run creates new contacts
    :param task_id: the task
    :param map_index: the index of a mapped task instance, -1 for a task that is not mapped
    :param digest: the :func:`request_digest` of the row's request
    :param repetition: how many rows with the same request stand before it
    """
    of_row = tokens_for_rows(region, instance_id, operation, dag_id, run_id, task_id, map_index)
    return of_row(digest, repetition)


def tokens_for_rows(
    region: str, instance_id: str, operation: str, dag_id: str, run_id: str, task_id: str, map_index: int
) -> Callable[[str, int], str]:
    """
    Return :func:`token_for_row` of many rows: what they have in common is hashed once.

    :param region: as for :func:`token_for_task`
    :param instance_id: the Amazon Connect instance
    :param operation: the API operation that gets the tokens
    :param dag_id: the Dag
    :param run_id: the Dag run
    :param task_id: the task
    :param map_index: the index of a mapped task instance, -1 for a task that is not mapped
    """
    return _hasher("row", region, instance_id, operation, dag_id, run_id, task_id, map_index)


def request_digest(params: Mapping[str, Any]) -> str:
    """
    Return a digest of a whole request, 64 hexadecimal digits.

    :param params: the request, as botocore's client takes it, without a client token
    """
    return hashlib.sha256(_encode(params).encode()).hexdigest()


_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


def _hash(*parts: str | int) -> str:
    return _hasher(*parts[:-1])(parts[-1])


def _hasher(*first: str | int) -> Callable[..., str]:
    """Return the function that hashes these parts and those that it is called with."""
    # JSON keeps ("a", "bc") and ("ab", "c") apart.
    begun = hashlib.sha256(json.dumps(first)[:-1].encode())

    def hash_of(*parts: str | int) -> str:
        hashed = begun.copy()
        # An encoder is quick with one text, and slow with a list.
        more = [_encode_one(part) if isinstance(part, str) else str(part) for part in parts]
        hashed.update(f", {', '.join(more)}]".encode())
        return hashed.hexdigest()

    return hash_of


_encode_one: Final = json.JSONEncoder().encode


def content_digests(client_token: str, params: Mapping[str, Any]) -> dict[str, str]:
    """
    Return a short digest of each field of a request, by the field's path.

    Each attribute and each reference has a digest of its own. A digest has 32 bits and depends on the token: enough to
    see that a field has changed. It does not hide a value of a small set, since a reader can test a guess.

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
