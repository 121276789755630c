"""What a task waits for and what became of it, in memory and in results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from airflow_connect.api.errors import RecordError
from airflow_connect.api.outcome import Outcome, OutcomeState
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import read_results
from airflow_connect.waiting.awaited import (
    InMemory,
    InResults,
    contact_ids_of,
    count_states,
    list_contacts,
    name_unknown,
    results_of,
    unknown_in_words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HEADER = {"dag_id": "orders", "run_id": "run", "task_id": "bulk", "map_index": -1, "try_number": 1}


def outcome(contact_id: str, state: OutcomeState = OutcomeState.COMPLETED, **fields: Any) -> Outcome:
    attributes = {"decision": "approve", "iban": "marked-31415"}
    return Outcome(contact_id, state, ended=datetime(2026, 3, 1, tzinfo=UTC), attributes=attributes, **fields)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run that made three contacts and found a fourth."""
    with Ledger(tmp_path / "run", header=HEADER) as ledger:
        ledger.intend([(row, None, f"token-{row}", "content") for row in (1, 2, 3)])
        for row in (1, 2, 3):
            ledger.created(row, f"contact-{row}", attempts=1)
        ledger.already_created(4, None, "token-4", "contact-4")
    return tmp_path / "run"


def kinds(folder: Path, kind: str) -> int:
    """Return how many lines of a kind there are."""
    return sum(text.read_text().count(f'"kind":"{kind}"') for text in folder.rglob("*.jsonl"))


def test_outcomes_in_memory_are_reported_in_the_order_of_the_contacts() -> None:
    """Contacts keep their order, whichever ends first, and are counted by state."""
    awaited = InMemory(["a", "b", "c"], [outcome("c", OutcomeState.EXPIRED)])
    awaited.add(outcome("a"))
    assert awaited.open() == ["b"]
    assert [one.contact_id for one in awaited.ended()] == ["a", "c"]
    summary = {"contacts": 3, "completed": 1, "stopped": 0, "expired": 1, "transferred": 0, "failed": 0, "open": 1}
    assert count_states(3, {"busy": 1, "completed": 1}) == {**summary, "expired": 0, "busy": 1}
    assert awaited.summary() == summary


def test_what_is_returned_to_the_scheduler_has_no_attributes() -> None:
    """An event has outcomes without what customers and agents wrote."""
    awaited = InMemory(["a"], [outcome("a")])
    assert [one["attributes"] for one in awaited.unrecorded()] == [{}]


def test_results_say_what_is_open_and_what_may_have_ended_long_ago(run: Path) -> None:
    """Contacts of this run ended after it began; those that an earlier run made have to be looked at first."""
    awaited = InResults(str(run))
    assert awaited.describe_first == {"contact-4"}
    assert abs(awaited.created_since - datetime.now(UTC).timestamp()) < 60
    assert awaited.open() == ["contact-1", "contact-2", "contact-3", "contact-4"]
    assert awaited.summary()["open"] == 4


def test_rows_of_unknown_fate_are_named(run: Path) -> None:
    """A row that was announced and has no answer may have a contact that nobody waits for."""
    assert list(InResults(str(run)).unknown) == []
    with Ledger(run, header={**HEADER, "try_number": 2}) as ledger:
        ledger.intend([(row, None, f"token-{row}", "content") for row in (3, 5, 6)])
        ledger.created(5, "contact-5", attempts=1)
    awaited = InResults(str(run))
    assert (awaited.total, list(awaited.unknown)) == (5, [6])
    assert name_unknown(awaited.unknown) == {"unknown": 1, "unknown_rows": [6]}
    assert "(row 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more)" in unknown_in_words(range(1, 13))


def test_transfers_are_on_record_until_the_contact_has_ended(run: Path) -> None:
    """Who takes up a wait knows what contacts were transferred to, the last time."""
    awaited = InResults(str(run))
    for successor in ("second", "third", "third"):
        awaited.transferred("contact-1", successor)
    awaited.close()
    assert kinds(run, "transferred") == 2
    again = InResults(str(run))
    assert again.transferred_to == {"contact-1": "third"}
    again.add(outcome("contact-1", transferred_to="third"))
    again.close()
    assert InResults(str(run)).transferred_to == {}
    assert [row["outcome"] for row in read_results(run)] == ["completed", None, None, None]


def test_outcomes_are_joined_to_rows(run: Path) -> None:
    """What became of a contact stands in its row, with the attributes that were asked for; the rows keep their task."""
    awaited = InResults(str(run), attributes=["decision"])
    awaited.add(outcome("contact-2", transferred_to="contact-9"))
    awaited.close()
    rows = list(read_results(run))
    assert [row["outcome"] for row in rows] == [None, "completed", None, None]
    assert (rows[1]["transferred_to"], rows[1]["attributes"]) == ("contact-9", {"decision": "approve"})
    assert {row["task_id"] for row in rows} == {"bulk"}


def test_who_takes_up_a_wait_reads_nothing_again(run: Path) -> None:
    """A wait that was killed goes on with what is open; nothing is recorded before there is something to record."""
    first = InResults(str(run))
    first.add(outcome("contact-1"))
    first.flush()  # and killed
    second = InResults(str(run))
    assert second.open() == ["contact-2", "contact-3", "contact-4"]
    assert second.summary()["completed"] == 1
    second.close()
    assert kinds(run, "header") == 2


def test_of_two_outcomes_the_first_counts(run: Path) -> None:
    """Two who wait for the same run may both record an end; readers and counters have it once."""
    one, two = InResults(str(run)), InResults(str(run))
    one.add(outcome("contact-1"))
    one.close()
    two.add(outcome("contact-1", OutcomeState.STOPPED))
    two.close()
    assert kinds(run, "ended") == 2
    assert InResults(str(run)).summary() == {**one.summary(), "completed": 1, "stopped": 0}
    assert next(row["outcome"] for row in read_results(run)) == "completed"


def test_who_wants_more_of_an_outcome_reads_it_again(run: Path) -> None:
    """Attributes that nobody asked for are read again, with those that somebody did, and are on record then."""
    first = InResults(str(run), attributes=["iban"])
    first.add(outcome("contact-1"))
    first.close()
    assert "contact-1" not in InResults(str(run)).open()
    assert "contact-1" not in InResults(str(run), attributes=["iban"]).open()
    second = InResults(str(run), attributes=["decision"])
    assert "contact-1" in second.describe_first
    assert (second.summary()["completed"], "contact-1" in second.open()) == (0, True)
    second.add(outcome("contact-1"))
    second.close()
    first = InResults(str(run))
    first.add(outcome("contact-1"))  # another who wants less, later
    first.close()
    assert next(iter(read_results(run)))["attributes"] == {"decision": "approve", "iban": "marked-31415"}
    assert InResults(str(run), attributes="all").summary()["completed"] == 0


def test_listed_contacts_are_rows(tmp_path: Path) -> None:
    """A list becomes the rows of a run of its own, of which nothing is known; a second time changes nothing."""
    ids = [f"contact-{number}" for number in range(200)]
    list_contacts(tmp_path / "list", ids, header=HEADER)
    list_contacts(tmp_path / "list", ids, header=HEADER)
    awaited = InResults(str(tmp_path / "list"))
    assert awaited.open() == ids
    assert awaited.describe_first == set(ids)
    assert kinds(tmp_path / "list", "header") == 1


def test_list_that_was_killed_in_the_middle_is_completed(tmp_path: Path) -> None:
    """A folder that has some of the contacts only gets the others."""
    list_contacts(tmp_path / "list", ["a", "b"], header=HEADER)
    list_contacts(tmp_path / "list", ["a", "b", "c"], header=HEADER)
    assert sorted(InResults(str(tmp_path / "list")).open()) == ["a", "b", "c"]


def test_no_results_are_an_error(tmp_path: Path) -> None:
    """A folder without results says so, rather than that there is nothing to wait for."""
    with pytest.raises(RecordError, match="Results do not exist below"):
        InResults(str(tmp_path))


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ("a", ["a"]),
        (["b", "a", "b"], ["b", "a"]),
        ((), []),
        (iter(["a"]), ["a"]),
        (b"a", ["a"]),
        ([UUID(int=1), b"a"], [str(UUID(int=1)), "a"]),
        (["a\n", " b "], ["a", "b"]),
    ],
)
def test_contacts_are_given_in_many_forms(given: Iterable[str], ids: list[str]) -> None:
    """One ID, or any iterable of them, each once."""
    assert contact_ids_of(given, lambda: "i") == ids
    arn = "arn:aws:connect:us-east-1:123456789012:instance/i/contact/{}"
    assert contact_ids_of([arn.format(one) for one in ids] + ids, lambda: "i") == ids
    if ids:
        with pytest.raises(ValueError, match="the ARN of a contact of another instance than the one that is called, j"):
            contact_ids_of([arn.format(one) for one in ids], lambda: "j")


@pytest.mark.parametrize("given", [None, 17, {"a": 1}, ["a", None], [""], [" "], [["a"]], "None", "['a', 'b']", "a, b"])
def test_what_is_no_contact_is_refused(given: object) -> None:
    """What is no ID raises, naming the argument."""
    with pytest.raises((TypeError, ValueError), match="contact_id"):
        contact_ids_of(given, lambda: "i")


def test_results_are_given_in_many_forms(tmp_path: Path) -> None:
    """A folder as text or path, and what a bulk task or a sensor returned."""
    assert results_of(str(tmp_path)) == results_of(tmp_path) == (str(tmp_path), None)
    assert results_of({"results": "s3://b/r", "results_conn_id": "aws", "rows": 3}) == ("s3://b/r", "aws")
    with pytest.raises(TypeError, match="results"):
        results_of({"rows": 3})


def test_results_of_a_mapped_task_and_of_a_dry_run() -> None:
    """The list of summaries of a mapped task is the folder that has all of them; a dry run is an error that says so."""
    summaries = [{"results": f"/r/task_id=bulk/map_index={index}", "results_conn_id": "aws"} for index in range(3)]
    assert results_of(summaries) == ("/r/task_id=bulk", "aws")
    assert results_of(summaries[:1]) == ("/r/task_id=bulk/map_index=0", "aws")
    with pytest.raises(TypeError, match="summary of a dry run"):
        results_of({"rows": 3, "estimated_seconds": 1.5})
