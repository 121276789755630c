"""Reading results: attempts put together, runs side by side, damage found, files exported."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from upath import UPath

from airflow_connect.api.errors import RecordError, RequestError, RetryableError
from airflow_connect.record import ledger as ledger_module
from airflow_connect.record import results
from airflow_connect.record.format import FORMAT, RowState
from airflow_connect.record.ledger import Ledger, run_folder
from airflow_connect.record.results import (
    COLUMNS,
    History,
    contacts,
    count_results,
    created_contacts,
    export_results,
    first_attempt,
    read_results,
    results_folder,
)
from airflow_connect.record.storage import Place
from tests.record.headers import HEADER, IDENTITY
from tools.simulation import StoppedClock

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED = RequestError("Amazon says no.")
NO_ANSWER = RetryableError("No answer came.")


class Attempts:
    """Attempts of one task instance, an hour after each other; each line is what one did with a row."""

    def __init__(self, folder: Path, header: dict[str, Any] = HEADER) -> None:
        self.folder = folder
        self.header = header
        self.number = 0

    def attempt(self, *done: tuple[Any, ...]) -> Attempts:
        """
        Let an attempt pass: ``(row, token, what[, contact_id or error])``.

        ``what`` is ``intent`` for one that died, or what a ledger's method is called.
        """
        self.number += 1
        header = self.header | {"try_number": self.number}
        with Ledger(self.folder, header=header, clock=StoppedClock(1_800_000_000.0 + 3_600 * self.number)) as ledger:
            for row, token, what, *more in done:
                if what in {"intent", "created", "failed", "unknown"}:
                    ledger.intend([(row, f"key-{token}", token, f"content-{token}")])
                match what:
                    case "created":
                        ledger.created(row, more[0], attempts=1)
                    case "failed" | "unknown":
                        getattr(ledger, what)(row, more[0], attempts=2)
                    case "already_created":
                        ledger.already_created(row, f"key-{token}", token, more[0])
                    case "not_sent":
                        ledger.not_sent([(row, f"key-{token}", token)])
                    case "invalid":
                        ledger.invalid(row, "name: must not be empty")
                    case "skipped":
                        ledger.skipped(row, f"key-{token}", "The key is that of row 1.")
        return self

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        return [tuple(row[name] for name in columns) for row in read_results(self.folder)]


@pytest.fixture
def attempts(tmp_path: Path) -> Attempts:
    return Attempts(run_folder(tmp_path, **IDENTITY))


# --- One attempt --------------------------------------------------------------------------------------------------


def test_every_state(attempts: Attempts) -> None:
    """Each row has all columns, and each state what is known with it."""
    attempts.attempt(
        (1, "a", "created", "contact-1"),
        (2, "b", "already_created", "contact-0"),
        (3, "c", "failed", REFUSED),
        (4, "d", "unknown", NO_ANSWER),
        (5, "e", "intent"),
        (6, None, "invalid"),
        (7, "a", "skipped"),
        (8, "f", "not_sent"),
    )
    rows = list(read_results(attempts.folder))
    assert {tuple(row) for row in rows} == {tuple(COLUMNS)}
    assert {tuple(row[name] for name in IDENTITY) for row in rows} == {tuple(IDENTITY.values())}
    found = attempts.rows("row", "key", "client_token", "state", "contact_id", "attempts", "error", "message")
    assert found == [
        (1, "key-a", "a", "created", "contact-1", 1, None, None),
        (2, "key-b", "b", "already_created", "contact-0", 0, None, None),
        (3, "key-c", "c", "failed", None, 2, "RequestError", "Amazon says no."),
        (4, "key-d", "d", "unknown", None, 2, "RetryableError", "No answer came."),
        (5, "key-e", "e", "unknown", None, None, None, None),
        (6, None, None, "invalid", None, 0, None, "name: must not be empty"),
        (7, "key-a", None, "skipped", None, 0, None, "The key is that of row 1."),
        (8, "key-f", "f", "not_sent", None, 0, None, None),
    ]


def test_order_of_rows(attempts: Attempts) -> None:
    """Rows come in their order in the input, whatever the order of the answers."""
    attempts.attempt(*((row, f"t{row}", "created", f"c{row}") for row in (3, 1, 20, 2, 100)))
    assert attempts.rows("row") == [(1,), (2,), (3,), (20,), (100,)]


def test_states_are_chosen(attempts: Attempts) -> None:
    """Rows of some states alone can be asked for, and a state that there is not is the author's mistake."""
    attempts.attempt((1, "a", "created", "contact-1"), (2, "b", "failed", REFUSED), (3, "c", "intent"))
    found = read_results(attempts.folder, states=["failed", "unknown"])
    assert [row["row"] for row in found] == [2, 3]
    with pytest.raises(
        ValueError,
        match="states must be created, already_created, failed, unknown, invalid, skipped, not_sent, not opened",
    ):
        read_results(attempts.folder, states=["failed", "opened"])


# --- Several attempts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (("failed", REFUSED), ("created", "contact-1"), ("created", "contact-1", None)),
        (("created", "contact-1"), ("already_created", "contact-1"), ("created", "contact-1", None)),
        (("already_created", "contact-1"), ("already_created", "contact-1"), ("already_created", "contact-1", None)),
        (("intent",), ("created", "contact-1"), ("created", "contact-1", None)),
        (("unknown", NO_ANSWER), ("created", "contact-1"), ("created", "contact-1", None)),
        # Made twice, since Amazon forgot the token: the first counts.
        (("created", "contact-1"), ("created", "contact-2"), ("created", "contact-1", None)),
        (("created", "contact-1"), ("failed", REFUSED), ("created", "contact-1", None)),
        # It may have been made by the attempt that was killed, whatever the later one found.
        (("intent",), ("failed", REFUSED), ("unknown", None, "Amazon says no.")),
        (("failed", REFUSED), ("intent",), ("unknown", None, None)),
        (("failed", REFUSED), ("unknown", NO_ANSWER), ("unknown", None, "No answer came.")),
        (("failed", NO_ANSWER), ("failed", REFUSED), ("failed", None, "Amazon says no.")),
        (("invalid",), ("created", "contact-1"), ("created", "contact-1", None)),
        (("invalid",), ("failed", REFUSED), ("failed", None, "Amazon says no.")),
        (("failed", REFUSED), ("invalid",), ("invalid", None, "name: must not be empty")),
        (("invalid",), ("skipped",), ("skipped", None, "The key is that of row 1.")),
        (("skipped",), ("invalid",), ("invalid", None, "name: must not be empty")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value,
)
def test_two_attempts(
    first: tuple[Any, ...], second: tuple[Any, ...], expected: tuple[Any, ...], attempts: Attempts
) -> None:
    """A contact that was made counts; what may have been made stays unknown; otherwise the later attempt is right."""
    attempts.attempt((1, "a", *first)).attempt((1, "a", *second))
    assert attempts.rows("state", "contact_id", "message") == [expected]


def test_contact_of_a_row_that_became_invalid(attempts: Attempts) -> None:
    """Where a later attempt makes something else of a row, its state is reported, and the earlier one's contact too."""
    attempts.attempt((1, "a", "created", "contact-1")).attempt((1, None, "invalid"))
    assert sorted(attempts.rows("state", "contact_id")) == [("created", "contact-1"), ("invalid", None)]


def test_history_agrees(attempts: Attempts) -> None:
    """What the next attempt knows of a token: created over unknown over failed, and the content that was sent."""
    attempts.attempt(
        (1, "a", "created", "contact-1"), (2, "b", "intent"), (3, "c", "failed", NO_ANSWER), (4, "d", "failed", REFUSED)
    )
    attempts.attempt(
        (1, "a", "created", "contact-2"), (2, "b", "failed", REFUSED), (3, "c", "failed", REFUSED), (4, "d", "intent")
    )
    with History(attempts.folder) as history:
        known = {token: history.get(token) for token in "abcd"}
    assert {token: (found.state, found.contact_id, found.content) for token, found in known.items() if found} == {
        "a": ("created", "contact-1", "content-a"),
        "b": ("unknown", None, "content-b"),
        "c": ("failed", None, "content-c"),
        "d": ("unknown", None, "content-d"),
    }


def test_what_is_done_for_sure(attempts: Attempts) -> None:
    """A contact on record, of this row and content, named by one attempt alone: all else takes more than a look."""
    attempts.attempt(
        (1, "a", "created", "contact-1"),
        (2, "b", "already_created", "contact-2"),
        (3, "c", "intent"),
        (4, "d", "created", "contact-4"),
        (5, "e", "failed", REFUSED),
    ).attempt((4, "d", "failed", REFUSED))
    with History(attempts.folder, asked_by=IDENTITY) as history:
        rows = [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f"), (1, "b")]
        found = [history.state_of_done(row, token, f"content-{token}") for row, token in rows]
        assert found == ["created", None, None, None, None, None, None]
        assert history.state_of_done(1, "a", "another content") is None
    with History(attempts.folder, asked_by={**IDENTITY, "run_id": "another"}) as history:
        assert history.state_of_done(1, "a", "content-a") is None


def test_rows_that_moved(attempts: Attempts) -> None:
    """After other input for a retry no contact is lost from the results, and a row that failed is not counted twice."""
    attempts.attempt((1, "a", "created", "contact-a"), (2, "b", "created", "contact-b"), (3, "c", "failed", REFUSED))
    attempts.attempt(
        (1, "n", "created", "contact-n"), (2, "a", "already_created", "contact-a"), (3, "d", "failed", REFUSED)
    )
    assert sorted(attempts.rows("row", "client_token", "state")) == [
        (1, "n", "created"),
        (2, "a", "created"),
        (2, "b", "created"),
        (3, "d", "failed"),
    ]
    assert sorted(contacts(attempts.folder)) == ["contact-a", "contact-b", "contact-n"]


# --- Several runs -------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A results path with the runs of two days, and a stranger beside it."""
    root = tmp_path / "results"
    for day, run_id in enumerate(["tuesday", "monday"]):  # in the order of their names they would be the other way
        header = HEADER | {"run_id": run_id}
        with Ledger(
            run_folder(root, **(IDENTITY | {"run_id": run_id})),
            header=header,
            clock=StoppedClock(1_800_000_000 + day),
        ) as ledger:
            if day == 0:
                ledger.intend([(1, "k", "t", "c"), (2, "k2", "t2", "c")])
                ledger.created(1, "contact-1", attempts=1)
            else:
                ledger.already_created(5, "k", "t", "contact-1")
                ledger.intend([(6, "k2", "t2", "c")])
                ledger.created(6, "contact-2", attempts=1)
    with Ledger(tmp_path / "results-of-others", header=HEADER) as ledger:
        ledger.intend([(1, "other", "other", "c")])
    return root


def test_runs_side_by_side(shared: Path) -> None:
    """Over a shared path each run has its rows, in the order of the runs, and each contact is reported once."""
    found = [(row["run_id"], row["row"], row["state"], row["contact_id"]) for row in read_results(shared)]
    assert found == [
        ("tuesday", 1, "created", "contact-1"),
        ("tuesday", 2, "unknown", None),
        ("monday", 5, "already_created", "contact-1"),
        ("monday", 6, "created", "contact-2"),
    ]
    assert list(contacts(shared)) == ["contact-1", "contact-2"]


def test_history_over_runs(shared: Path) -> None:
    """What any run made is known to all that share the path, and what stands beside the path is not."""
    with History(shared) as history:
        found = [history.get(token) for token in ("t", "t2", "other")]
    assert [known and known.contact_id for known in found] == ["contact-1", "contact-2", None]


def test_store_beside(bucket: str, local_aws_connection: str) -> None:
    """In a bucket, too, a folder whose name begins alike is another one, and many segments are read."""
    from airflow_connect._compat import storage_path

    root = storage_path(f"s3://{bucket}/results", local_aws_connection)
    for number in range(1, 21):
        with Ledger(root / f"run-{number}", header=HEADER) as ledger:
            ledger.created(number, f"contact-{number}", attempts=1)
    with Ledger(storage_path(f"s3://{bucket}/results-2", local_aws_connection), header=HEADER) as ledger:
        ledger.created(1, "other", attempts=1)
    assert sorted(contacts(f"s3://{bucket}/results", conn_id=local_aws_connection)) == sorted(
        f"contact-{number}" for number in range(1, 21)
    )


# --- Records that others refer to ----------------------------------------------------------------------------------


def _refer(root: Any, *, rows: int) -> tuple[Any, Any]:
    """Let one run create contacts, and another find them; return their folders."""
    first, second = (run_folder(root, **IDENTITY | {"run_id": run}) for run in ("first", "second"))
    who = IDENTITY | {"run_id": "second"}
    with Ledger(first, header=HEADER | {"run_id": "first"}) as ledger:
        for row in range(1, rows + 1):
            ledger.intend([(row, f"k{row}", f"t{row}", "c")])
            ledger.created(row, f"contact-{row}", attempts=1)
    with History(root, asked_by=who) as history, Ledger(second, header=HEADER | who | {"rows": rows}) as ledger:
        for row in range(1, rows + 1):
            known = history.get(f"t{row}")
            assert known
            ledger.not_again(row, f"k{row}", f"t{row}", known)
    return first, second


def test_rows_whose_record_is_gone_are_there_once(tmp_path: Path) -> None:
    """A retry that sends rows again, since the record of their contacts was removed, has each of them once."""
    first, second = _refer(tmp_path, rows=3)
    shutil.rmtree(first)
    assert [(row["state"], row["contact_id"]) for row in read_results(second)] == [("already_created", None)] * 3
    with Ledger(second, header=HEADER | {"run_id": "second", "try_number": 2, "rows": 3}) as ledger:
        ledger.intend([(2, "k2", "t2", "c")])
        ledger.created(2, "contact-2", attempts=1)
    assert [(row["row"], row["state"]) for row in read_results(second)] == [
        (1, "already_created"),
        (2, "created"),
        (3, "already_created"),
    ]


def test_part_of_a_record_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a bucket's rule has removed the oldest segments, the other contacts are known, and nothing is damaged."""
    monkeypatch.setattr(ledger_module, "SEGMENT_BYTES", 700)
    first, second = _refer(UPath(f"memory://{tmp_path}"), rows=9)
    min(first.iterdir(), key=lambda path: int(path.stem.rpartition("-")[2])).unlink()
    found = [(row["state"], row["contact_id"]) for row in read_results(second)]
    assert [state for state, _ in found] == ["already_created"] * 9
    known = [contact_id for _, contact_id in found]
    assert known[0] is None
    assert known[-1] == "contact-9"


def test_counts_are_those_of_a_run_that_was_made_again(tmp_path: Path) -> None:
    """Numbers of attempts begin anew where somebody deletes a run: the last counts are not those of the highest."""
    for attempt, began, created in ((3, "2026-11-24T06:00:00", 1), (1, "2026-11-25T06:00:00", 2)):
        header = HEADER | {"try_number": attempt, "started": f"{began}+00:00", "rows": 3}
        with Ledger(tmp_path, header=header) as ledger:
            ledger.created(created, f"contact-{created}", attempts=1)
            ledger.counts({"rows": 3, **dict.fromkeys(RowState, 0), "created": created, "not_sent": 3 - created})
    assert count_results(tmp_path)["created"] == 2


# --- Outcomes -----------------------------------------------------------------------------------------------------

OUTCOME: dict[str, Any] = {
    "contact_id": "contact-1",
    "state": "completed",
    "disconnect_reason": "AGENT_COMPLETED",
    "agent_id": "agent-1",
    "queue_id": "queue-1",
    "initiated": "2026-11-24T06:00:00.000+00:00",
    "connected_to_agent": "2026-11-24T06:00:10.500+00:00",
    "ended": "2026-11-24T06:01:00.000+00:00",
    "wait_seconds": 10.5,
    "handle_seconds": 49.5,
    "transferred_to": None,
    "attributes": {"decision": "approve"},
}


def test_outcomes_are_joined(attempts: Attempts) -> None:
    """What a sensor records of a contact's end stands in the contact's row; the first end that is recorded counts."""
    attempts.attempt((1, "a", "created", "contact-1"), (2, "b", "created", "contact-2"))
    attempts.attempt((1, "a", "already_created", "contact-1"))
    for hour, outcome in ((9, OUTCOME | {"state": "stopped"}), (1, OUTCOME), (2, OUTCOME | {"contact_id": "unheard"})):
        with Ledger(attempts.folder, header=HEADER, clock=StoppedClock(1_900_000_000.0 + hour)) as sensor:
            sensor.ended(outcome)
    names = list(COLUMNS)[list(COLUMNS).index("outcome") :]
    assert attempts.rows("row", *names) == [
        (1, "completed", *(OUTCOME[name] for name in names[1:])),
        (2, *[None] * len(names)),
    ]


# --- What breaks off, and what is damaged -------------------------------------------------------------------------

NOT_JSON = "is not JSON, or has one name twice"


@pytest.mark.parametrize("rest", [b"", b'{"kind":"created","row":2,"con', b"\0" * 100, b'{"kind"'])
def test_torn_end(rest: bytes, attempts: Attempts) -> None:
    """A line that breaks off at the end is one that was never finished: what stands before it counts."""
    attempts.attempt((1, "a", "created", "contact-1"), (2, "b", "intent"))
    (segment,) = attempts.folder.iterdir()
    with segment.open("ab") as file:
        file.write(rest)
    assert attempts.rows("row", "state") == [(1, "created"), (2, "unknown")]


@pytest.mark.parametrize("content", [b"", b'{"kind":"header","fo'])
def test_worker_killed_at_the_start(content: bytes, attempts: Attempts) -> None:
    """A segment that ends before its header is whole knows nothing, and is no damage."""
    attempts.attempt((1, "a", "created", "contact-1"))
    (attempts.folder / "2-0123abcd-1.jsonl").write_bytes(content)
    assert attempts.rows("row", "state") == [(1, "created")]
    with History(attempts.folder) as history:
        assert history.get("a") is not None


def test_header_alone(attempts: Attempts) -> None:
    """A run without rows has results without rows."""
    attempts.attempt()
    assert attempts.rows("row") == []
    assert list(contacts(attempts.folder)) == []


@pytest.mark.parametrize(
    ("line", "content", "what"),
    [
        (1, b"order_id,name", NOT_JSON),
        (1, b'{"order_id": 1}', "is not a header"),
        (1, b"[1]", "is not a header"),
        (1, b"\xff\xfe", NOT_JSON),
        (3, b'{"kind":"created","row":', NOT_JSON),
        (3, b'{"kind":"created","row":1,"contact_id":"c"}', "does not have the field at"),
        (3, b'{"kind":"created","row":1,"at":""}', "does not have the field contact_id"),
        (3, b'{"kind":"already_created","row":1,"at":"","contact_id":""}', "does not have the field contact_id"),
        (3, b'{"kind":"failed","row":"1","at":""}', "has a row that is not a number"),
        (3, b'{"kind":"failed","row":0,"at":""}', "has a row that is not a number"),
        (3, b'{"kind":"failed","row":true,"at":""}', "has a row that is not a number"),
        (
            3,
            b'{"kind":"intent","row":null,"token":"t","key":null,"content":"c"}',
            "has a row that is not a number",
        ),
        (3, b'{"kind":"intent","row":1,"token":null,"key":null,"content":"c"}', "has token that is not text"),
        (3, b'{"kind":"intent","row":1,"token":{"a":1},"key":null,"content":"c"}', "has token that is not text"),
        (3, b'{"kind":"created","row":1,"at":"x","contact_id":["c"]}', "has contact_id that is not text"),
        (3, b'{"kind":"failed","row":1,"at":null}', "has at that is not text"),
        (
            3,
            b'{"kind":"failed","row":1,"at":"x","attempts":99999999999999999999}',
            "has attempts of another type",
        ),
        (3, b'{"kind":"ended","at":"x","contact_id":"c","state":{}}', "has state that is not text"),
        (3, b'{"kind":"ended","at":"x","contact_id":"c","state":"s","agent_id":1}', "has agent_id of another type"),
        (3, b'{"kind":"found","at":"x","in":"1-0123abcd","rows":[[1,2]]}', "has rows that are not numbers from 1"),
        (3, b'{"kind":[]}', "is not a JSON object as results have it"),
        (3, b"[" * 100_000, NOT_JSON),
        (1, b'{"kind":"header","format":2,"started":null}', "has started of another type"),
        (1, b'{"a":' * 100_000, NOT_JSON),
        (3, b'{"kind":"created"}, {"kind":"created"}', NOT_JSON),
        (3, b'{"kind":"sold","row":1,"at":""}', "has an unknown kind"),
        (3, b"17", "is not a JSON object as results have it"),
        (3, b'{"kind":"intent","row":1,"token":"t"}', "does not have the field key"),
        (
            3,
            b'{"kind":"intent","row":2,"token":"t","key":null,"content":"c"}',
            "has row 2, and the last row of the input is 1",
        ),
        (
            3,
            b'{"kind":"created","row":7000,"at":"x","contact_id":"c"}',
            "has row 7,000, and the last row of the input is 1",
        ),
        (3, b'{"kind":"invalid","row":2,"at":"x","message":"m"}', "has row 2, and the last row of the input is 1"),
        (
            3,
            b'{"kind":"found","at":"x","in":"1-0123abcd","rows":[[1,1,3]]}',
            "has row 3, and the last row of the input is 1",
        ),
        (1, b'{"kind":"header","format":2,"started":"x","rows":-1}', "has a negative number of rows"),
        (3, b'{"kind":"created","row":1,"at":"x","contact_id":" "}', "has contact_id that is not an ID"),
        (3, b'{"kind":"created","row":1,"at":"x","contact_id":"a b"}', "has contact_id that is not an ID"),
        (3, b'{"kind":"already_created","row":1,"at":"x","contact_id":"c\\n"}', "has contact_id that is not an ID"),
        (3, b'{"kind":"ended","at":"x","contact_id":"\\u00a0","state":"s"}', "has contact_id that is not an ID"),
        (
            3,
            b'{"kind":"transferred","at":"x","contact_id":"c","transferred_to":" "}',
            "has transferred_to that is not an ID",
        ),
        (
            3,
            b'{"kind":"created","row":1,"at":"x","contact_id":"c","contact_id":"d"}',
            NOT_JSON,
        ),
        (
            3,
            b'{"kind":"created","row" : 1,"row"\t:1,"at":"x","contact_id":"c"}',
            NOT_JSON,
        ),
        (
            3,
            b'{"kind":"ended","at":"x","contact_id":"c","state":"s","attributes":{"a":"1","a":"2"}}',
            NOT_JSON,
        ),
        (1, b'{"kind":"header","format":2,"started":"x","rows":1,"rows":2}', NOT_JSON),
        (
            3,
            b'{"kind":"ended","at":"x","contact_id":"c","state":"s","wait_seconds":NaN}',
            NOT_JSON,
        ),
        (
            3,
            b'{"kind":"ended","at":"x","contact_id":"c","state":"s","wait_seconds":1e999}',
            "has wait_seconds of another type",
        ),
    ],
)
@pytest.mark.parametrize("read", [History, read_results, contacts], ids=lambda read: read.__name__)
def test_damage(line: int, content: bytes, what: str, read: Callable[[Any], Any], attempts: Attempts) -> None:
    """A line that no ledger wrote is one error that names the file and the line, before anything is read from it."""
    attempts.header = HEADER | {"rows": 1}
    attempts.attempt((1, "a", "created", "contact-1"))
    (segment,) = attempts.folder.iterdir()
    before = segment.read_bytes().splitlines()
    segment.write_bytes(b"\n".join([*before[: line - 1], content, *before[line:], b""]))
    with pytest.raises(RecordError) as raised:
        read(attempts.folder)
    assert str(raised.value).startswith(f"The record is damaged: {segment}, line {line}, {what}. Restore ")


def test_texts_that_look_like_names_are_no_damage(attempts: Attempts) -> None:
    """Attributes may hold JSON, or words in quotation marks with a colon."""
    attempts.attempt((1, "a", "created", "contact-1"))
    (segment,) = attempts.folder.iterdir()
    attributes = {"order": json.dumps({"a": 1, "b": {"a": 2}}), "words": 'he said "yes": "no" : 1'}
    outcome = {"kind": "ended", "at": "x", "contact_id": "contact-1", "state": "completed", "attributes": attributes}
    with segment.open("a") as file:
        file.write(f"{json.dumps(outcome)}\n")
    assert attempts.rows("state", "attributes") == [("created", attributes)]


def segment_of(folder: Path, *events: dict[str, Any]) -> Path:
    """Write a segment with these lines by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    header = {"kind": "header", "format": 2, "started": "2026-11-24", "rows": 1, **IDENTITY}
    path = folder / "1-0123abcd-1.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (header, *events)))
    return path


INTENT = {"kind": "intent", "row": 1, "key": None, "token": "t", "content": "c"}


@pytest.mark.parametrize(
    ("events", "state"),
    [
        (("intent", "created", "unknown"), "created"),
        (("intent", "created", "failed", "not_sent"), "created"),
        (("intent", "not_sent", "intent", "created"), "created"),
        (("intent", "unknown", "failed"), "unknown"),
        (("intent", "not_sent", "intent"), "unknown"),
        (("intent", "not_sent", "intent", "failed"), "failed"),
        (("intent", "not_sent"), "not_sent"),
        (("created", "already_created"), "created"),
    ],
)
@pytest.mark.parametrize("block", [1 << 18, 64], ids=["one block", "many blocks"])
def test_better_state_of_a_segment_wins_in_any_order(
    events: tuple[str, ...], state: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an attempt knows best of a row is right, wherever the line stands."""
    monkeypatch.setattr(results, "_BLOCK_BYTES", block)
    lines = [
        INTENT
        if kind == "intent"
        else {"kind": kind, "row": 1, "token": "t", "at": str(at)}
        | ({"contact_id": "contact-1"} if kind in {"created", "already_created"} else {})
        for at, kind in enumerate(events)
    ]
    for order in itertools.permutations(lines):
        segment_of(tmp_path / "run", *order)
        [row] = read_results(tmp_path / "run")
        assert (row["state"], row["client_token"]) == (state, "t"), order
        with History(tmp_path) as history:
            known = history.get("t")
            assert known is not None
            assert known.state == state


@pytest.mark.parametrize("read", [History, read_results, first_attempt], ids=lambda read: read.__name__)
def test_what_is_not_a_file_is_refused(read: Callable[[Any], Any], tmp_path: Path) -> None:
    """A pipe or a device that is named like a segment is reported, instead of being read for ever."""
    os.mkfifo(tmp_path / "1-0123abcd-1.jsonl")
    (tmp_path / "2-0123abcd-1.jsonl").symlink_to("/dev/zero")
    if read is first_attempt:
        assert read(tmp_path) is None
        return
    with pytest.raises(RecordError, match=r"1-0123abcd-1.jsonl is not a file"):
        read(tmp_path)


# --- What is given as results -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "read", [read_results, contacts, count_results, results_folder], ids=lambda read: read.__name__
)
@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"rows": 3, "not_sent": 3, "estimated_seconds": 1.5}, "this is the summary of a dry run"),
        ([{"rows": 3, "estimated_seconds": 1.5}], "this is the summary of a dry run"),
        ({"contacts": 3}, "this is not the summary of a bulk task"),
        (None, "the task returned nothing"),
        ([None], "the task returned nothing"),
        (17, "a value of type int: it is neither a summary nor a path"),
        (b"/tmp", "bytes of length 4: it is neither a summary nor a path"),
        (iter([{"rows": 3}]), "a value of type list_iterator: it is neither a summary nor a path"),
        ([[{"rows": 3, "results": "/tmp"}]], "list of length 1: it is neither a summary nor a path"),
    ],
)
def test_what_has_no_results_is_reported(read: Callable[[Any], Any], given: Any, reported: str) -> None:
    """A dry run, another task's output and nothing at all are reported as what they are, before anything is read."""
    with pytest.raises(RecordError, match=reported):
        read(given)


def test_results_that_this_worker_does_not_see(tmp_path: Path) -> None:
    """A folder on another worker's disk is reported with what to do; so is an exported file."""
    for path in (tmp_path / "of-another-worker", tmp_path / "exported.jsonl"):
        with pytest.raises(RecordError, match=r"on this worker\. If another worker wrote them .* set results_path"):
            read_results(path)


def test_results_of_a_mapped_task(tmp_path: Path) -> None:
    """The list of summaries that a mapped bulk task returns gives the results of all of its task instances."""
    summaries = []
    for index in range(3):
        whose = {**IDENTITY, "map_index": index}
        folder = run_folder(tmp_path, **whose)
        with Ledger(folder, header={**HEADER, **whose, "rows": 1}) as ledger:
            ledger.intend([(1, None, f"t{index}", "c")])
            ledger.created(1, f"contact-{index}", attempts=1)
            ledger.counts({"rows": 1, **dict.fromkeys(RowState, 0), "created": 1})
        summaries.append({"rows": 1, "results": str(folder)})
    assert [row["contact_id"] for row in read_results(summaries)] == ["contact-0", "contact-1", "contact-2"]
    assert list(contacts(summaries)) == ["contact-0", "contact-1", "contact-2"]
    assert count_results(summaries)["created"] == 3
    assert export_results(summaries, tmp_path / "out.jsonl") == 3
    folder, _ = results_folder(summaries)
    assert [one.contact_id for one in created_contacts(summaries).contacts] == list(contacts(folder))
    with pytest.raises(RecordError, match="not those of one mapped task"):
        results_folder([*summaries, {"results": str(tmp_path / "other" / "map_index=0")}])
    with pytest.raises(RecordError, match="the list of summaries is empty"):
        read_results([])


def test_first_row_and_count_come_before_the_whole_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long record gives its first rows and its counts without being read to its end, and then everything."""
    rows = 3_000
    with Ledger(tmp_path, header={**HEADER, "rows": rows}) as ledger:
        for first in range(1, rows, 100):
            ledger.intend((row, None, f"t{row}", "c" * 60) for row in range(first, first + 100))
            for row in reversed(range(first, first + 100)):
                if row == 2_500:
                    ledger.failed(row, REFUSED, attempts=1)
                else:
                    ledger.created(row, f"contact-{row}", attempts=1)
        ledger.counts({"rows": rows, **dict.fromkeys(RowState, 0), "created": rows - 1, "failed": 1})
    [segment] = tmp_path.iterdir()
    read = 0
    of_segment = results._events

    def counting(path: str, blocks: Any, number: int) -> Any:
        def counted() -> Any:
            nonlocal read
            for block in blocks:
                read += len(block)
                yield block

        return of_segment(path, counted(), number)

    monkeypatch.setattr(results, "_events", counting)
    found = read_results(tmp_path)
    assert next(found)["contact_id"] == "contact-1"
    assert count_results(tmp_path) == {"rows": rows, **dict.fromkeys(RowState, 0), "created": rows - 1, "failed": 1}
    assert 0 < read < segment.stat().st_size / 2
    rest = list(found)
    assert [row["row"] for row in rest] == list(range(2, rows + 1))
    assert [row["row"] for row in rest if row["state"] == "failed"] == [2_500]


# --- What other task instances created ----------------------------------------------------------------------------


def runs_of_every_day(root: Path) -> list[Path]:
    """Let a run create four contacts, the next find them and create another, and so on; return the folders."""
    folders = []
    for day in range(3):
        whose = {**IDENTITY, "run_id": f"day-{day}"}
        folders.append(run_folder(root, **whose))
        header = HEADER | whose | {"rows": 4 + day}
        with (
            History(root, asked_by=whose) as history,
            Ledger(folders[-1], header=header, clock=StoppedClock(1_800_000_000.0 + day)) as ledger,
        ):
            for row in range(1, 5 + day):
                known = history.get(f"t{row}")
                if known is None:
                    ledger.intend([(row, f"key-{row}", f"t{row}", "c")])
                    ledger.created(row, f"contact-{row}", attempts=1)
                else:
                    ledger.not_again(row, f"key-{row}", f"t{row}", known)
    return folders


def test_contacts_of_other_runs_are_found_where_they_are_on_record(tmp_path: Path) -> None:
    """A run refers to the contacts that others created, and its results have them with key, token and ID."""
    folders = runs_of_every_day(tmp_path)
    rows = [
        (row["row"], row["key"], row["client_token"], row["state"], row["contact_id"])
        for row in read_results(folders[2])
    ]
    states = ["already_created"] * 5 + ["created"]
    assert rows == [(n, f"key-{n}", f"t{n}", state, f"contact-{n}") for n, state in enumerate(states, 1)]
    assert list(contacts(folders[1])) == [f"contact-{row}" for row in range(1, 6)]
    assert len(list(read_results(tmp_path))) == 4 + 5 + 6
    kinds = [json.loads(line)["kind"] for line in next(folders[2].iterdir()).read_text().splitlines()]
    assert sorted(kinds) == ["created", "found", "found", "header", "intent"]
    with History(tmp_path, asked_by={**IDENTITY, "run_id": "day-2"}) as history:
        known = history.get("t1")
    assert known is not None
    assert (known.own, known.state, known.contact_id, known.recorded_row) == (True, "already_created", "contact-1", 1)


def test_record_that_others_refer_to_is_gone(tmp_path: Path) -> None:
    """Where an old run was cleaned up, those after it say so, and are read all the same."""
    first, second, _ = runs_of_every_day(tmp_path)
    shutil.rmtree(first)
    rows = list(read_results(second))
    assert [row["state"] for row in rows] == ["already_created"] * 4 + ["created"]
    assert rows[0]["contact_id"] is None
    assert rows[0]["message"] == f"The contact was on record in {first}, and that record is gone."
    assert list(contacts(second)) == ["contact-5"]


def test_reference_to_rows_that_are_not_on_record_is_damage(tmp_path: Path) -> None:
    """A reference that leads to nothing is not taken for a contact."""
    segment_of(tmp_path / "a", INTENT)
    reference = {"kind": "found", "in": "../a/1-0123abcd", "rows": [[1, 1, 1]], "at": "x"}
    path = segment_of(tmp_path / "b", reference)
    with pytest.raises(RecordError, match=f"{path}, line 2, refers to rows that are not on record"):
        read_results(tmp_path / "b")


def test_line_without_an_end(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of one endless line is damage, and not read into memory."""
    monkeypatch.setattr(results, "_LINE_BYTES", 1_000_000)
    attempts.attempt()
    (attempts.folder / "2-0123abcd-1.jsonl").write_bytes(b"x" * 3_000_000)
    with pytest.raises(RecordError, match="line 1, is too long"):
        History(attempts.folder)


@pytest.mark.parametrize("read", [read_results, History, contacts])
@pytest.mark.parametrize("number", [FORMAT - 1, FORMAT + 1])
def test_another_format(number: int, read: Callable[[Any], Any], attempts: Attempts) -> None:
    """A segment of an older or a later version says that it is one, and is not ignored."""
    attempts.attempt()
    (segment,) = attempts.folder.iterdir()
    segment.write_bytes(segment.read_bytes().replace(b'"format":%d' % FORMAT, b'"format":%d' % number))
    with pytest.raises(RecordError, match=rf"format {number}, and this version of .* reads format {FORMAT}"):
        read(attempts.folder)


def test_worker_with_another_version_of_this_package(attempts: Attempts) -> None:
    """What a later version adds to a line of the same format is left aside, and its attempts count as all others."""
    attempts.attempt((1, "a", "created", "contact-1"), (2, "b", "intent"))
    for segment in attempts.folder.iterdir():
        lines = [json.loads(line) | {"added_later": {"x": [1]}} for line in segment.read_text().splitlines()]
        segment.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    attempts.attempt((2, "b", "created", "contact-2"))
    assert attempts.rows("row", "state", "contact_id") == [(1, "created", "contact-1"), (2, "created", "contact-2")]


def test_other_files_are_nobodys_business(attempts: Attempts) -> None:
    """Files that are no segments may stand anywhere below a results path."""
    attempts.attempt((1, "a", "created", "contact-1"))
    (attempts.folder / "faults.jsonl").write_text("no JSON\n")
    (attempts.folder / "1-0123abcd-1.jsonl.bak").write_text("no JSON\n")
    (attempts.folder / "notes-1.jsonl").write_text("no JSON\n")
    assert attempts.rows("row") == [(1,)]


def test_no_results(tmp_path: Path) -> None:
    """Where there are no results, reading them says so, and names the place."""
    for read in (read_results, contacts, lambda path: export_results(path, tmp_path / "x.jsonl")):
        with pytest.raises(RecordError, match=r"Results do not exist below .*nowhere"):
            read(tmp_path / "nowhere")
    assert not (tmp_path / "x.jsonl").exists()


def test_access_denied(bucket: str, local_aws_connection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be read is an error that names it, and not taken for one without results."""
    from airflow_connect._compat import storage_path

    path = storage_path(f"s3://{bucket}/results", local_aws_connection)
    with Ledger(path, header=HEADER):
        pass

    def denied(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(path.fs, "cat_ranges", denied)  # moto knows no permissions without a set of policies
    with pytest.raises(RecordError, match=rf"results below s3://.*{bucket}/results cannot be read .*Access Denied"):
        History(path)


# --- Exported files -----------------------------------------------------------------------------------------------


@pytest.fixture
def full(attempts: Attempts) -> Path:
    """A run with every state, and an outcome."""
    attempts.attempt(
        (1, "é", "created", "contact-1"), (2, "b", "failed", REFUSED), (3, "c", "intent"), (4, None, "invalid")
    )
    with Ledger(attempts.folder, header=HEADER) as sensor:
        sensor.ended(OUTCOME)
    return attempts.folder


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.parquet"])
def test_export(name: str, full: Path, tmp_path: Path) -> None:
    """An exported file gives the same rows as the results themselves."""
    assert export_results(full, tmp_path / "created" / name) == 4
    assert list(read_results(tmp_path / "created" / name)) == list(read_results(full))
    assert list(contacts(str(tmp_path / "created" / name))) == ["contact-1"]
    assert [path.name for path in (tmp_path / "created").iterdir()] == [name]


def test_export_of_lines_is_plain(full: Path, tmp_path: Path) -> None:
    """A file of JSON Lines has one object per row, which any tool reads."""
    export_results(full, tmp_path / "out.jsonl.gz", states=["created"])
    lines = gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["key-é"]
    assert "key-é".encode() in lines[0]


def test_parquet_has_one_schema(full: Path, attempts: Attempts, tmp_path: Path) -> None:
    """Files of Parquet have the same columns and types whatever is in them, so that those of many runs fit together."""
    import pyarrow as pa
    from pyarrow import parquet

    export_results(full, tmp_path / "full.parquet")
    export_results(full, tmp_path / "none.parquet", states=["skipped"])
    schemas = [parquet.read_schema(tmp_path / name) for name in ("full.parquet", "none.parquet")]
    assert schemas[0] == schemas[1]
    assert schemas[0].names == list(COLUMNS)
    types = [schemas[0].field(name).type for name in ("row", "wait_seconds", "ended", "attributes")]
    assert types == [pa.int64(), pa.float64(), pa.string(), pa.map_(pa.string(), pa.string())]
    assert parquet.read_metadata(tmp_path / "full.parquet").num_rows == 4


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_export_from_and_to_a_store(name: str, full: Path, bucket: str, local_aws_connection: str) -> None:
    """Results go from the worker's disk to a bucket and are read there, with the connection that is named."""
    target = f"s3://{bucket}/exports/{name}"
    assert export_results(str(full), target, target_conn_id=local_aws_connection) == 4
    xcom = {"rows": 4, "results": target, "results_conn_id": local_aws_connection}
    assert list(read_results(xcom)) == list(read_results({"results": f"file://{full}"}))


def test_export_that_breaks_off(full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that cannot be finished leaves no file, and none of its own beside it."""
    out = tmp_path / "out"

    def full_disk(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "_write_lines", full_disk)
    with pytest.raises(RecordError, match=r"cannot be written to .*out.jsonl \(OSError: No space left on device\)"):
        export_results(full, out / "out.jsonl")
    assert list(out.iterdir()) == []


def test_parquet_of_rows_with_many_attributes_is_written_in_small_parts(attempts: Attempts, tmp_path: Path) -> None:
    """What is held at a time is bounded in bytes, however much each row has."""
    from pyarrow import parquet

    attributes = {"note": "x" * 32_000}
    attempts.attempt(*((row, f"t{row}", "created", f"contact-{row}") for row in range(1, 601)))
    with Ledger(attempts.folder, header=attempts.header | {"try_number": 0}) as ledger:
        for row in range(1, 601):
            ledger.ended({"contact_id": f"contact-{row}", "state": "completed", "attributes": attributes})
    path = tmp_path / "out.parquet"
    assert export_results(attempts.folder, path) == 600
    assert parquet.ParquetFile(path).metadata.num_row_groups == 3
    rows = list(read_results(path))
    assert [row["row"] for row in rows] == list(range(1, 601))
    assert all(row["attributes"] == attributes for row in rows)


def test_export_to_another_kind_of_file(full: Path, tmp_path: Path) -> None:
    """The name of the target decides its format; other names are refused before anything is read."""
    with pytest.raises(RecordError, match=r"end in \.jsonl, \.jsonl\.gz, \.parquet; .*out\.csv does not"):
        export_results(full, tmp_path / "out.csv")


def test_parquet_without_its_extra(full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyarrow is not installed, an export to Parquet names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordError, match=r"install airflow-provider-amazon-connect\[parquet\]"):
        export_results(full, tmp_path / "out.parquet")


@pytest.mark.parametrize(
    "line",
    [
        '{"row": 2, "state": "created"}',
        '{"row": 2, "state": "created", "contact_id": " "}',
        '{"row": 2, "state": "created", "contact_id": 17}',
        '{"row": 2, "row": 3, "state": "failed"}',
        '{"row": 2, "state": "failed", "wait_seconds": Infinity}',
        '{"row": 0, "state": "failed"}',
        '{"state": "failed"}',
        '{"row": 2}',
        "[]",
        "",
    ],
)
def test_damaged_export(line: str, tmp_path: Path) -> None:
    """A line of an exported file that is not one, or has a contact without its ID or a name twice, is named."""
    (tmp_path / "out.jsonl").write_text(f'{{"row": 1, "state": "failed"}}\n{line}\n')
    rows = read_results(tmp_path / "out.jsonl")
    assert next(rows)["row"] == 1
    with pytest.raises(RecordError, match="line 2, is not a line of exported results"):
        next(rows)


KILLED = """
import os, signal, sys, tempfile
from airflow_connect.record.storage import Place
if {has_names}:
    del os.O_TMPFILE
with Place({path}).writing() as file:
    file.write(b"Kim Example" * 10_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("has_names", [False, True], ids=["without a name", "a disk that has no files without names"])
def test_kill_in_the_middle_of_a_file_leaves_nothing_that_others_read(tmp_path: Path, has_names: bool) -> None:
    """A killed writer leaves no file, or one for its user alone that the next writer removes; nor is a living one's."""
    target = tmp_path / "failed" / "rows.jsonl"
    code = KILLED.format(has_names=has_names, path=repr(str(target)))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    left = list(target.parent.iterdir())
    assert len(left) == has_names
    assert [stat.S_IMODE(path.stat().st_mode) for path in left] == [0o600] * has_names
    with Place(target).writing() as file, Place(target).writing() as other:
        file.write(b"whole")
        other.write(b"another")
    assert [path.name for path in target.parent.iterdir()] == ["rows.jsonl"]
    assert target.read_bytes() == b"whole"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_kill_in_the_middle_of_a_file_for_a_store_leaves_nothing(tmp_path: Path) -> None:
    """What is put into a store once it is whole has no name on the worker's disk until then."""
    path = "__import__('fsspec').core.url_to_fs('memory://x')[0]"
    code = KILLED.format(has_names=False, path="Store()").replace(
        "if False", f"Store = lambda: type('Path', (), {{'fs': {path}, 'path': '/failed.jsonl'}})()\nif False"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert done.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


# --- Costs --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="/proc lists which files are open")
def test_temporary_database_leaves_nothing(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The temporary database has no name that a worker which is killed could leave behind."""
    attempts.attempt(*((row, f"token-{row:060}", "created", f"contact-{row}") for row in range(1, 5_001)))
    monkeypatch.setattr(results, "_CACHE_BYTES", 1 << 14)
    with History(attempts.folder):
        files = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert [file for file in files if "etilqs" in file and file.endswith(" (deleted)")]
    assert not [file for file in files if "etilqs" in file and not file.endswith(" (deleted)")]


def test_columns() -> None:
    """The columns that identify a row and say what became of it stand first, in this order."""
    assert list(COLUMNS)[:13] == [
        *IDENTITY,
        "row",
        "key",
        "client_token",
        "state",
        "contact_id",
        "contact_arn",
        "attempts",
        "error",
        "message",
    ]
