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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["changed_fields", "content_digests", "token_for_key", "token_for_task"]


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
