"""The record of one contact: what a process that dies at each moment leaves to the next one, over HTTP."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import RecordError, RequestError
from airflow_connect.emulator.resources import CALLS_FLOW, CALLS_QUEUE, DEFAULT_INSTANCE_ID
from airflow_connect.record.once import ContactRecord, FolderStore
from tests.record.fault_points import POINTS, Death

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_connect.emulator.server import Emulator

OPERATION = "StartOutboundVoiceContact"
PARAMS = {
    "InstanceId": DEFAULT_INSTANCE_ID,
    "DestinationPhoneNumber": "+12065550123",
    "ContactFlowId": CALLS_FLOW.id,
    "QueueId": CALLS_QUEUE.id,
    "ClientToken": "7a36",
}

_processes = multiprocessing.get_context("forkserver")


class DyingStore(FolderStore):
    """A store that passes the points around an intent and an outcome."""

    def __init__(self, folder: Any, death: Death) -> None:
        super().__init__(folder)
        self._death = death

    def set(self, key: str, value: Any) -> None:
        self._death.at("before_intent" if value["state"] == "sent" else "before_outcome")
        super().set(key, value)
        if value["state"] != "sent":
            self._death.at("after_outcome")


def attempt(url: str, folder: Path, death: Death | None = None) -> None:
    """Call once, as an attempt of the operator does, and exit: 0 with a contact, 3 without having called."""
    from airflow_connect.hooks.connect import ConnectHook

    extra = {"region_name": "us-east-1", "endpoint_url": url}
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(
        {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    )
    store = DyingStore(folder, death) if death else FolderStore(folder)
    record = ContactRecord(store, OPERATION, PARAMS, retry_unknown=False)
    if record.contact() is None:
        try:
            with record:
                if death:
                    death.at("before_send")
                response = ConnectHook(instance_id=DEFAULT_INSTANCE_ID).call(OPERATION, PARAMS)
                record.created({"contact_id": response["ContactId"]})
        except RequestError:
            sys.exit(3)
    sys.exit(0)


def exit_code(*arguments: Any) -> int | None:
    process = _processes.Process(target=attempt, args=arguments)
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize(
    ("point", "called_before", "called_after", "next_exit"),
    list(zip(POINTS, [0, 0, 1, 1], [1, 0, 1, 1], [0, 3, 3, 0], strict=True)),
    ids=POINTS,
)
def test_killed_worker_never_calls_twice(
    point: str, called_before: int, called_after: int, next_exit: int, emulator: Emulator, tmp_path: Path
) -> None:
    """Wherever the worker dies, the next attempts call nobody who may have been called, and whom nobody called once."""
    emulator.set_phones("+=busy")  # so that the client token is forgotten at once
    assert exit_code(emulator.url, tmp_path, Death(point)) == -signal.SIGKILL
    assert len(emulator.contacts()) == called_before
    for _ in range(2):
        assert exit_code(emulator.url, tmp_path) == next_exit
        assert len(emulator.contacts()) == len(emulator.calls(OPERATION)) == called_after


def test_refusal_is_forgotten(tmp_path: Path) -> None:
    """After a refusal another attempt may call; after a call of unknown fate none does, whatever refuses it later."""
    store = FolderStore(tmp_path)
    for may_have_happened, state in ((False, "failed"), (True, "sent"), (False, "sent")):
        record = ContactRecord(store, OPERATION, PARAMS)
        with pytest.raises(RequestError), record:
            raise RequestError("No.", may_have_happened=may_have_happened)
        assert store.get("amazon_connect_7a36")["state"] == state
    with pytest.raises(RequestError, match="An earlier attempt may have called"):
        ContactRecord(store, OPERATION, PARAMS, retry_unknown=False).__enter__()


def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """What cannot be written or read is an error before the call, which names the folder."""
    (tmp_path / "file").write_text("")
    for use in (lambda: FolderStore(tmp_path / "file").set("a", {}), lambda: FolderStore(tmp_path / "file").get("a")):
        with pytest.raises(RecordError, match="file"):
            use()
    for damaged in (
        '{"state": "se',
        '{"state": "created", "content": {}, "contact_id": " "}',
        '{"state": "failed", "state": "sent", "content": {}}',
    ):
        (tmp_path / "a.json").write_text(damaged)
        with pytest.raises(RecordError, match="is damaged"):
            FolderStore(tmp_path).get("a")
    assert FolderStore(tmp_path).get("b") is None


def test_record_holds_nothing_of_a_customer(tmp_path: Path) -> None:
    """The record has digests, and no number."""
    with ContactRecord(FolderStore(tmp_path), OPERATION, PARAMS) as _:
        pass
    [file] = tmp_path.iterdir()
    assert "2065550123" not in file.read_text()
    assert json.loads(file.read_text())["state"] == "sent"
