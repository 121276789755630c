"""Attempts put together by one rule: every reader agrees with it as docs/record.md has it, over random attempts."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_connect.api.errors import RequestError, RetryableError
from airflow_connect.record.format import RowState, run_folder
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import History, contacts, created_contacts, read_results
from tests.record.headers import IDENTITY
from tools.simulation import StoppedClock

ROWS = 4
RUNS = ("monday", "tuesday")

#: What an attempt may know of a row. ``None``: it has not come to it.
KNOWS = [None, "intent", *RowState]


class Noted(NamedTuple):
    """What one attempt has recorded of one row."""

    run: str
    position: int
    row: int
    token: str | None
    state: RowState
    contact_id: str | None
    message: str | None


class Attempt(NamedTuple):
    """An attempt: of which run, what it knows of each contact, and in which order the input had the contacts."""

    run: str
    knows: list[str | None]
    order: list[int]


attempts = st.lists(
    st.builds(
        Attempt,
        run=st.sampled_from(RUNS),
        knows=st.lists(st.sampled_from(KNOWS), min_size=ROWS, max_size=ROWS),
        order=st.permutations(range(ROWS)),
    ),
    min_size=1,
    max_size=5,
)


def record(root: Path, made: list[Attempt]) -> list[Noted]:
    """Record the attempts, an hour after each other, and return what each has noted."""
    noted: list[Noted] = []
    tries: dict[str, int] = defaultdict(int)
    starts = {run: next((n for n, one in enumerate(made) if one.run == run), 0) for run in RUNS}
    for number, attempt in enumerate(made):
        tries[attempt.run] += 1
        whose = IDENTITY | {"run_id": attempt.run}
        # Runs are in the order in which they began, and the attempts of a run in theirs.
        position = starts[attempt.run] * 100 + tries[attempt.run]
        with Ledger(
            run_folder(root, **whose),
            header={**whose, "try_number": tries[attempt.run], "rows": ROWS},
            clock=StoppedClock(1_800_000_000.0 + 3_600 * number),
        ) as ledger:
            for row, contact in enumerate(attempt.order, 1):
                token, what = f"token-{contact}", attempt.knows[contact]
                contact_id = f"contact-{contact}-{number}"
                note = note_row(ledger, row, token, what, contact_id)
                if note is not None:
                    noted.append(Noted(attempt.run, position, row, *note))
    return noted


def note_row(
    ledger: Ledger, row: int, token: str, what: str | None, contact_id: str
) -> tuple[str | None, RowState, str | None, str | None] | None:
    """Record a row as the sender and the report do, and return token, state, contact and message."""
    if what in {"intent", RowState.CREATED, RowState.FAILED, RowState.UNKNOWN}:
        ledger.intend([(row, None, token, "content")])
    match what:
        case None:
            return None
        case "intent":
            return token, RowState.UNKNOWN, None, None
        case RowState.CREATED:
            ledger.created(row, contact_id, attempts=1)
            return token, RowState.CREATED, contact_id, None
        case RowState.ALREADY_CREATED:
            ledger.already_created(row, None, token, contact_id)
            return token, RowState.ALREADY_CREATED, contact_id, None
        case RowState.FAILED:
            ledger.failed(row, RequestError(f"Refused {contact_id}"), attempts=1)
            return token, RowState.FAILED, None, f"Refused {contact_id}"
        case RowState.UNKNOWN:
            ledger.unknown(row, RetryableError(f"No answer {contact_id}"), attempts=1)
            return token, RowState.UNKNOWN, None, f"No answer {contact_id}"
        case RowState.NOT_SENT:
            ledger.not_sent([(row, None, token)])
            return token, RowState.NOT_SENT, None, None
        case RowState.INVALID:
            ledger.invalid(row, f"fault of {contact_id}")
            return None, RowState.INVALID, None, f"fault of {contact_id}"
        case RowState.SKIPPED:
            ledger.skipped(row, "key", "The key is that of row 1.")
            return None, RowState.SKIPPED, None, "The key is that of row 1."
    raise AssertionError(what)


# --- The rule, as docs/record.md has it -----------------------------------------------------------------------------


def best(found: list[Noted], own: str | None = None) -> Noted:
    """Return what counts."""
    exists = (RowState.CREATED, RowState.ALREADY_CREATED)
    for states in (exists, (RowState.UNKNOWN,), tuple(RowState)):
        alike = [note for note in found if note.state in states]
        alike = [note for note in alike if note.run == own] or alike
        if RowState.CREATED in {note.state for note in alike}:
            alike = [note for note in alike if note.state is RowState.CREATED]
        if alike:
            choose = max if states == tuple(RowState) else min
            return choose(alike, key=lambda note: note.position)
    raise AssertionError("nothing is known")


def news(found: list[Noted], counts: Noted) -> str | None:
    """Return the message that goes with it: of an unknown row the last one."""
    return counts.message if counts.state is not RowState.UNKNOWN else max(found, key=lambda one: one.position).message


def expected_rows(noted: list[Noted]) -> list[tuple[Any, ...]]:
    """Return the rows of a run."""
    by_token = defaultdict(list)
    for note in noted:
        by_token[note.token or note.row].append(note)
    latest = {row: max(note.position for note in noted if note.row == row) for row in {note.row for note in noted}}
    rows: list[tuple[Any, ...]] = []
    for found in by_token.values():
        counts = best(found)
        row = max(found, key=lambda note: note.position).row
        if counts.state.may_have_contact or counts.position == latest[counts.row]:
            rows.append((row, counts.token, counts.state.value, counts.contact_id, news(found, counts)))
    rows += [(row, None, "not_sent", None, None) for row in range(1, ROWS + 1) if row not in {row for row, *_ in rows}]
    return sorted(rows, key=str)


@given(attempts)
def test_every_reader_agrees(made: list[Attempt]) -> None:
    """Results, history of a task instance, history of a shared path, and contacts say what the rule says."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        noted = record(root, made)
        for run in sorted({attempt.run for attempt in made}):
            own = [note for note in noted if note.run == run]
            folder = run_folder(root, **(IDENTITY | {"run_id": run}))
            columns = ("row", "client_token", "state", "contact_id", "message")
            rows = [tuple(row[name] for name in columns) for row in read_results(folder)]
            assert sorted(rows, key=str) == expected_rows(own)
            assert [row[0] for row in rows] == sorted(row[0] for row in rows)
            by_contact = {note.contact_id: note.state for note in own if note.contact_id}
            assert {one.contact_id: one.state for one in created_contacts(folder).contacts} == by_contact
            assert sorted(contacts(folder)) == sorted(by_contact)
            with History(root, asked_by=IDENTITY | {"run_id": run}) as history:
                check_history(history, run, noted)


def check_history(history: History, run: str, noted: list[Noted]) -> None:
    """Compare what a task instance knows of each token with the rule."""
    for token in (f"token-{contact}" for contact in range(ROWS)):
        for only_own in (False, True):
            found = [note for note in noted if note.token == token and (note.run == run or not only_own)]
            known = history.get(token, own=only_own)
            assert (known is None) == (not found)
            if known is None:
                continue
            counts = best(found, run)
            state = counts.state
            if state is RowState.CREATED and counts.run != run:
                state = RowState.ALREADY_CREATED
            assert (known.state, known.contact_id) == (state, counts.contact_id)
            assert known.own == (counts.run == run)


@given(attempts, st.sets(st.integers(0, ROWS - 1)))
def test_contacts_that_the_input_no_longer_has(made: list[Attempt], still_there: set[int]) -> None:
    """A task instance counts its rows that have, or may have, a contact and are not in its input any more."""
    with tempfile.TemporaryDirectory() as scratch:
        noted = record(Path(scratch), made)
        gone = {
            note.token
            for note in noted
            if note.run == "monday"
            and note.state in {RowState.CREATED, RowState.ALREADY_CREATED, RowState.UNKNOWN}
            and note.token not in {f"token-{contact}" for contact in still_there}
        }
        with History(Path(scratch), asked_by=IDENTITY | {"run_id": "monday"}) as history:
            rows = [(contact + 1, None, f"token-{contact}") for contact in sorted(still_there)]
            assert history.count_missing(lambda: rows, with_key=False) == len(gone)


@pytest.mark.parametrize(("key", "missing"), [(None, 1), ("order-1", 0)])
def test_row_that_was_sent_without_a_key_is_missed_where_there_are_keys(
    tmp_path: Path, key: str | None, missing: int
) -> None:
    """Where the input has keys, what was sent without one is counted as missing, and what had one is not."""
    with Ledger(run_folder(tmp_path, **IDENTITY), header=IDENTITY | {"try_number": 1, "rows": 1}) as ledger:
        ledger.intend([(1, key, "token-1", "content")])
        ledger.created(1, "contact-1", attempts=1)
    with History(tmp_path, asked_by=IDENTITY) as history:
        assert history.count_missing(lambda: [(1, "order-2", "another-token")], with_key=True) == missing
        assert history.count_missing(lambda: [(1, None, "another-token")], with_key=False) == 1
