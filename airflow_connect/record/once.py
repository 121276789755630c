"""
What is known of the one contact of a task instance over its attempts: intent, then call, then outcome.

An entry of Airflow's task state store, by client token::

    {"state": "sent", "content": {field: digest}}                            before the call
    {"state": "made", "content": …, "contact_id": …, "contact_arn": …}       the contact is there
    {"state": "refused", "content": …}                                       it is sure that nothing was made

An entry that stays ``sent`` says that a contact may have been made. Knows no Airflow: the store is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from airflow_connect.api.errors import ConnectError, IdempotencyError, content_changed
from airflow_connect.api.identity import changed_fields, content_digests

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ContactRecord", "Store"]


class Store(Protocol):
    """What outlives a kill, a retry and a clear of a task instance: small JSON values by key."""

    def get(self, key: str) -> Any:
        """Return the value, ``None`` where there is none."""

    def set(self, key: str, value: Any) -> None:
        """Keep the value as long as the task instance."""


class ContactRecord:
    """
    The record of one contact. Use it as a context manager around the call that creates the contact.

    Without a store nothing is known, and Amazon's memory of the client token alone protects.

    :param store: the store, ``None`` where Airflow has none
    :param operation: the API operation
    :param params: the request, with its client token
    """

    def __init__(self, store: Store | None, operation: str, params: Mapping[str, Any]) -> None:
        self._store = store
        self._operation = operation
        self._key = f"amazon_connect_{params['ClientToken']}"[:128]
        self._content = content_digests(params["ClientToken"], params)
        found = store.get(self._key) if store is not None else None
        self._before: dict[str, Any] = found if isinstance(found, dict) else {}

    def contact(self) -> dict[str, Any] | None:
        """Return the contact that an earlier attempt made, if that is known."""
        return self._before if self._before.get("state") == "made" else None

    def changed_fields(self) -> list[str]:
        """Return the fields that differ from the earlier attempt's."""
        return changed_fields(self._before["content"], self._content) if "content" in self._before else []

    def __enter__(self) -> None:
        """
        Record that the request is about to be sent.

        :raises IdempotencyError: if an earlier attempt may have made a contact from other content
        """
        if self._before.get("state") == "sent" and (changed := self.changed_fields()):
            raise content_changed(self._operation, changed)
        self._set({"state": "sent", "content": self._content})

    def __exit__(self, _type: object, error: object, _traceback: object) -> None:
        """Record a refusal, unless an earlier attempt may have been carried out."""
        unsure = self._before.get("state") == "sent" or isinstance(error, IdempotencyError)
        if isinstance(error, ConnectError) and not error.may_have_happened and not unsure:
            self._set({"state": "refused", "content": self._content})

    def made(self, contact: Mapping[str, Any]) -> None:
        """
        Record the contact.

        :param contact: ``contact_id`` and ``contact_arn``
        """
        self._set({"state": "made", "content": self._content, **contact})

    def _set(self, entry: Mapping[str, Any]) -> None:
        if self._store is not None:
            self._store.set(self._key, dict(entry))
