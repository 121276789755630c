"""
What is known of the one contact of a task instance over its attempts: intent, then call, then outcome.

An entry of Airflow's task state store, by client token::

    {"state": "sent", "content": {field: digest}}                            before the call
    {"state": "created", "content": …, "contact_id": …, "contact_arn": …}    the contact exists
    {"state": "failed", "content": …}                                        it is certain that no contact exists

An entry that stays ``sent`` says that a contact may exist. This module does not know Airflow: the store is an argument.
If Airflow does not have a store, or if what one run created counts for others, the store is a folder.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from airflow_connect.api.errors import (
    ConnectError,
    IdempotencyError,
    RecordError,
    content_changed,
    record_elsewhere,
    result_unknown,
)
from airflow_connect.api.identity import changed_fields, content_digests
from airflow_connect.record.format import parsed
from airflow_connect.record.storage import Place, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ContactRecord", "FolderStore", "Store"]

#: What an entry may say.
_STATES: Final = ("sent", "created", "failed")


def _entry(name: str, found: Any) -> dict[str, Any]:
    """
    Return an entry of a store as it was written.

    :raises RecordError: if it is damaged: to ignore it would create a second contact
    """
    is_entry = isinstance(found, dict) and found.get("state") in _STATES and isinstance(found.get("content"), dict)
    contact_id = found.get("contact_id") if is_entry else None
    if not is_entry or (found["state"] == "created" and (type(contact_id) is not str or not contact_id.strip())):
        raise _damaged(name)
    return dict(found)


def _damaged(name: str) -> RecordError:
    return RecordError(f"The record is damaged: {name}. Restore it from a backup, since it prevents a second contact.")


class Store(Protocol):
    """What outlives a kill, a retry and a clear of a task instance: small JSON values by key."""

    def get(self, key: str) -> Any:
        """Return the value, ``None`` if the key is not known."""

    def set(self, key: str, value: Any) -> None:
        """Keep the value as long as the task instance."""


class FolderStore:
    """
    A store in a folder: a small file for each key.

    :param folder: a ``pathlib.Path``, or an ``ObjectStoragePath``; it is created if it does not exist
    :param may_miss: whether an attempt before this one has run, and may have left its entry on another machine if the
        folder is on a disk
    :raises RecordError: from both methods: the folder cannot be read or written, or an entry is damaged
    """

    def __init__(self, folder: Any, *, may_miss: bool = False) -> None:
        self._place = Place(folder)
        self._may_miss = may_miss

    def get(self, key: str) -> Any:
        """
        Return the value, ``None`` if the key is not known.

        :raises RequestError: if the key is not known, and an earlier attempt may have recorded it elsewhere
        """
        try:
            data = self._place.read(f"{key}.json")
        except Exception as error:
            raise self._failure("read", error) from error
        if data is None:
            if self._may_miss and not self._place.may_be_shared:
                raise record_elsewhere(str(self._place))
            return None
        try:
            return _entry(f"{self._place}/{key}.json", parsed(data))
        except (ValueError, RecursionError):
            raise _damaged(f"{self._place}/{key}.json") from None

    def set(self, key: str, value: Any) -> None:
        """Keep the value; it lasts when this returns."""
        try:
            self._place.put(f"{key}.json", json.dumps(value).encode())
        except Exception as error:
            raise self._failure("written", error) from error

    def _failure(self, what: str, error: Exception) -> RecordError:
        return RecordError(
            f"What became of the contact cannot be {what} in {self._place} ({one_line(error)}). Give access and room "
            "there (results_path)."
        )


class ContactRecord:
    """
    The record of one contact. Use it as a context manager around the call that creates the contact.

    Without a store nothing is known, and Amazon's memory of the client token alone protects. Raises a ``RecordError``
    where the store's entry is damaged.

    :param store: the store, ``None`` if Airflow does not have one
    :param operation: the API operation
    :param params: the request, with its client token
    :param retry_unknown: whether a call that an earlier attempt may have sent is sent again
    :param asked_by: ``dag_id``, ``run_id``, ``task_id`` and ``map_index`` of the task instance, if others use the
        store as well
    """

    def __init__(
        self,
        store: Store | None,
        operation: str,
        params: Mapping[str, Any],
        *,
        retry_unknown: bool = True,
        asked_by: Mapping[str, Any] | None = None,
    ) -> None:
        self._store = store
        self._operation = operation
        self._retry_unknown = retry_unknown
        self._asked_by = None if asked_by is None else dict(asked_by)
        self._key = f"amazon_connect_{params['ClientToken']}"[:128]
        self._content = content_digests(params["ClientToken"], params)
        found = store.get(self._key) if store is not None else None
        self._before: dict[str, Any] = {} if found is None else _entry(self._key, found)

    def contact(self) -> dict[str, Any] | None:
        """
        Return the contact that an earlier attempt created, if that is known.

        :raises IdempotencyError: if another task instance created it with other content
        """
        if self._before.get("state") != "created":
            return None
        created_by = self._before.get("recorded_by")
        if created_by != self._asked_by and (changed := self.changed_fields()):
            raise content_changed(self._operation, changed, recorded_by=created_by, exists=True)
        return self._before

    def changed_fields(self) -> list[str]:
        """Return the fields that differ from the earlier attempt's."""
        return changed_fields(self._before["content"], self._content) if "content" in self._before else []

    def __enter__(self) -> None:
        """
        Record that the request is about to be sent.

        :raises IdempotencyError: if an earlier attempt may have created a contact with other content
        :raises RequestError: if an earlier attempt may have created the contact, and the call must not be retried then
        :raises RecordError: if another attempt has recorded something since, because this worker was taken for dead
        """
        if self._store is not None and (self._store.get(self._key) or {}) != self._before:
            raise RecordError(
                f"Another attempt, or another task with the same key, has recorded its call of {self._operation} since "
                "this one began; nothing was sent. The task's retry takes its contact, or a clear where no retry is "
                "left.",
                code="AttemptIsOver",
            )
        if self._before.get("state") == "sent":
            if not self._retry_unknown:
                raise result_unknown(self._operation)
            if changed := self.changed_fields():
                raise content_changed(self._operation, changed)
        self._set({"state": "sent", "content": self._content})

    def __exit__(self, _type: object, error: object, _traceback: object) -> None:
        """Record a refusal, unless an earlier attempt may have been carried out."""
        unsure = self._before.get("state") == "sent" or isinstance(error, IdempotencyError)
        if isinstance(error, ConnectError) and not error.may_have_happened and not unsure:
            self._set({"state": "failed", "content": self._content})

    def created(self, contact: Mapping[str, Any]) -> None:
        """
        Record the contact.

        :param contact: ``contact_id`` and ``contact_arn``
        """
        self._set({"state": "created", "content": self._content, **contact})

    def _set(self, entry: Mapping[str, Any]) -> None:
        if self._store is not None:
            owner = {} if self._asked_by is None else {"recorded_by": self._asked_by}
            self._store.set(self._key, {**entry, **owner})
