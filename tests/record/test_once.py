"""The record of a single contact over the attempts of its task."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from airflow_connect.api.errors import IdempotencyError, RecordError, RequestError, RetryableError
from airflow_connect.record.once import ContactRecord

PARAMS = {"ClientToken": "token", "Name": "Check"}
CONTACT = {"contact_id": "contact", "contact_arn": "arn"}


class Store(dict[str, Any]):
    """A task state store in memory."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    @property
    def state(self) -> str:
        [entry] = self.values()
        return str(entry["state"])


def record(store: Store | None, **changed: str) -> ContactRecord:
    return ContactRecord(store, "CreateContact", {**PARAMS, **changed})


def test_next_attempt_knows_the_contact() -> None:
    """A contact that was created is known by the next attempt, with the fields that have changed since."""
    store = Store()
    first = record(store)
    assert first.contact() is None
    with first:
        assert store.state == "sent"
        first.created(CONTACT)
    again = record(store, Name="Other")
    assert (again.contact() or {})["contact_id"] == "contact"
    assert again.changed_fields() == ["Name"]
    assert record(store).changed_fields() == []


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (RequestError("refused"), "failed"),
        (RetryableError("no answer", may_have_happened=True), "sent"),
        (IdempotencyError("other content"), "sent"),
        (KeyboardInterrupt(), "sent"),
    ],
)
def test_only_what_is_sure_is_recorded(error: BaseException, state: str) -> None:
    """The entry stays ``sent`` unless it is sure that no contact was created."""
    store = Store()
    with pytest.raises(type(error)), record(store):
        raise error
    assert store.state == state


def test_a_refusal_does_not_undo_an_attempt_without_an_answer() -> None:
    """After a call that may have created a contact, a refusal says nothing of that contact."""
    store = Store()
    for error in (RetryableError("no answer", may_have_happened=True), RequestError("refused")):
        with pytest.raises(type(error)), record(store):
            raise error
    assert store.state == "sent"


def test_worker_that_wakes_up_after_another_attempt_sends_nothing() -> None:
    """Whatever the other one has come to meanwhile: its record stays, and the worker's next attempt takes it."""
    for end in ("sent", "created", "failed"):
        store = Store()
        woken, later = record(store), record(store)
        with contextlib.suppress(RequestError, RetryableError), later:
            if end == "created":
                later.created(CONTACT)
            else:
                raise RequestError("no") if end == "failed" else RetryableError("no answer", may_have_happened=True)
        with pytest.raises(RecordError, match=r"Another attempt.* has recorded its call of CreateContact"), woken:
            pytest.fail("the request must not be sent")
        assert store.state == end
        assert (record(store).contact() is not None) is (end == "created")


def test_other_content_is_not_sent_where_a_contact_may_exist() -> None:
    """Content that has changed since an attempt without an answer is an error that names the fields."""
    store = Store()
    with pytest.raises(RetryableError), record(store):
        raise RetryableError("no answer", may_have_happened=True)
    with pytest.raises(IdempotencyError, match="Name"), record(store, Name="Other"):
        pytest.fail("the request must not be sent")


def test_without_a_store_nothing_is_known() -> None:
    """Before Airflow 3.3 the client token alone protects."""
    alone = record(None)
    with alone:
        alone.created(CONTACT)
    assert record(None).contact() is None


def test_the_record_holds_nothing_of_the_request() -> None:
    """Digests show that a field has changed, and not what was in it."""
    store = Store()
    with record(store, Name="customer-content-31415") as _:
        pass
    assert "customer-content-31415" not in str(store)
