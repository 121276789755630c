"""Pages over a record: the index has what ``read_results`` returns, however the record came to be."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import RecordError, RequestError
from airflow_connect.api.outcome import Outcome, OutcomeState
from airflow_connect.record import index as module
from airflow_connect.record.format import RowState
from airflow_connect.record.index import OPEN, Index
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import count_results, read_results
from airflow_connect.record.storage import Place

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WHOSE = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}


def writer(folder: Path, *, attempt: int = 1, rows: int | None = None, **header: Any) -> Ledger:
    """Return what records an attempt."""
    totals = {**WHOSE, "try_number": attempt, **({} if rows is None else {"rows": rows}), **header}
    return Ledger(folder, header=totals)


def intend(ledger: Ledger, rows: Iterable[int]) -> None:
    """Announce rows."""
    ledger.intend([(row, f"key {row}", f"token {row}", f"content {row}") for row in rows])


def refused(row: int) -> RequestError:
    """Return an error of a row."""
    return RequestError(f"Refused: row {row}", operation="CreateContact", code="InvalidParameterException")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The folder of a task instance."""
    return tmp_path / "record"


@pytest.fixture
def index(tmp_path: Path, record: Path) -> Index:
    """The index over that folder."""
    return Index(tmp_path / "indexes", Place(record), decisions=("decision", ["Approve", "refuse"]))


def all_rows(index: Index, **filters: Any) -> list[tuple[Any, ...]]:
    """Return what the index has of all rows, page by page."""
    found: list[tuple[Any, ...]] = []
    while page := index.page(sort="row", with_keys=True, limit=7, offset=len(found), **filters):
        found += [tuple(row[name] for name in ("row", "state", "contact_id", "key", "attempts")) for row in page.rows]
        if not page.rows:
            assert len(found) == page.matching
            return found
    raise AssertionError("there is no index")


def read(record: Path) -> list[tuple[Any, ...]]:
    """Return what the record has of the rows that it names."""
    names = ("row", "state", "contact_id", "key", "attempts")
    return [tuple(row[name] for name in names) for row in read_results(record) if row["client_token"] or row["message"]]


def assert_agrees(index: Index, record: Path) -> None:
    """Compare an index with its record."""
    assert index.refresh()
    totals = index.totals()
    assert totals is not None
    assert totals.counts == count_results(record)
    assert all_rows(index) == read(record)


def test_there_is_nothing_yet(index: Index, record: Path) -> None:
    """Without a record there is no index, and what is asked gets no answer."""
    with pytest.raises(RecordError, match="Results do not exist below"):
        index.refresh()
    assert index.totals() is None
    assert index.page() is None
    assert list(index.problems()) == []
    assert index.files == []


def test_it_grows_with_the_record(index: Index, record: Path) -> None:
    """What an attempt appends is there at the next refresh; a row that was on its way has the state that it came to."""
    with writer(record, rows=30) as ledger:
        intend(ledger, range(1, 9))
        ledger.created(1, "c1", attempts=1)
        assert_agrees(index, record)
        totals = index.totals()
        assert totals is not None
        assert (totals.in_flight, totals.counts["unknown"], totals.counts["not_sent"]) == (7, 7, 22)
        # While the attempt runs they are on their way, and nobody's problem.
        page = index.page(is_running=True)
        assert page is not None
        assert (page.total, page.matching, [row["row"] for row in page.rows]) == (1, 1, [1])
        ledger.failed(2, refused(2), attempts=3)
        ledger.created(3, "c3", attempts=2)
        ledger.invalid(20, "row 20, name: required")
        ledger.skipped(21, "key 1", "The key is that of row 1.")
        assert_agrees(index, record)
        intend(ledger, range(9, 12))
        for row in (4, 5, 6, 7, 8, 9, 10, 11):
            ledger.created(row, f"c{row}", attempts=1)
        ledger.not_sent([(12, "key 12", "token 12")])
    assert_agrees(index, record)
    totals = index.totals()
    assert totals is not None
    assert (totals.in_flight, totals.contacts, totals.listed) == (0, 10, 14)
    # Nothing new: nothing changes.
    assert_agrees(index, record)


def test_attempts_are_put_together(index: Index, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry completes what the first attempt left, and rows that changed their place are known by their tokens."""
    monkeypatch.setattr(module, "_REST", 0.0)
    with writer(record, attempt=1, rows=10, started="2026-01-01T00:00:00+00:00") as first:
        intend(first, range(1, 7))
        for row in (1, 2):
            first.created(row, f"c{row}", attempts=1)
        first.failed(3, refused(3), attempts=1)
    assert_agrees(index, record)
    with writer(record, attempt=2, rows=10, started="2026-01-01T01:00:00+00:00") as second:
        assert_agrees(index, record)
        second.intend([(row, f"key {row}", f"token {row}", "other") for row in (3, 4, 5)])
        second.created(3, "c3", attempts=1)
        second.failed(5, refused(5), attempts=2)
        # What was row 1 is row 9 now.
        second.intend([(9, "key 1", "token 1", "content 1")])
        second.created(9, "c1", attempts=1)
        assert_agrees(index, record)
        second.created(4, "c4", attempts=1)
    assert_agrees(index, record)


def test_by_chance(index: Index, record: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever attempts write, and whenever the index is brought up to date, it has what the record has."""
    monkeypatch.setattr(module, "_REST", 0.0)
    chance = random.Random(seed)
    ledgers: list[Ledger] = []
    try:
        for step in range(120):
            if not ledgers or chance.random() < 0.03:
                started = f"2026-01-01T{len(ledgers):02}:00:00+00:00"
                ledgers.append(writer(record, attempt=len(ledgers) + 1, rows=20, started=started))
            ledger, row = ledgers[-1], chance.randint(1, 20)
            match chance.randint(0, 6):
                case 0 | 1 | 2:
                    intend(ledger, [row])
                case 3 | 4:
                    intend(ledger, [row])
                    ledger.created(row, f"c{row}", attempts=1)
                case 5:
                    intend(ledger, [row])
                    ledger.failed(row, refused(row), attempts=1)
                case _:
                    ledger.invalid(row, "name: required")
            if step % 10 == 0:
                assert_agrees(index, record)
    finally:
        for ledger in ledgers:
            ledger.close()
    assert_agrees(index, record)


def test_outcomes(index: Index, record: Path, tmp_path: Path) -> None:
    """Outcomes that a sensor records later are those of their rows; of attributes only decisions that may be shown."""
    with writer(record, rows=6) as ledger:
        intend(ledger, range(1, 7))
        for row in range(1, 7):
            ledger.created(row, f"c{row}", attempts=1)
    assert_agrees(index, record)
    decided = {"c1": "approve", "c2": " Refuse", "c3": "Mr Miller is dead", "c4": None}
    with writer(record, attempt=0) as sensor:
        for number, (contact_id, decision) in enumerate(decided.items()):
            attributes = {"name": "Miller", **({} if decision is None else {"decision": decision})}
            state = OutcomeState.EXPIRED if decision is None else OutcomeState.COMPLETED
            outcome = Outcome(contact_id, state, wait_seconds=20.0 * number, handle_seconds=70.0, attributes=attributes)
            sensor.ended(outcome.as_dict("all"), asked=["decision", "name"])
        sensor.transferred("c5", "c5b")
        sensor.flush()
        assert_agrees(index, record)
        totals = index.totals()
        assert totals is not None
        assert totals.outcomes == {"completed": 3, "expired": 1}
        assert totals.decisions == {"approve": 1, "refuse": 1, "other": 1}
        assert totals.wait == {
            "count": 4,
            "median": 40.0,
            "buckets": [
                {"from": 0, "to": 10, "count": 1},
                {"from": 10, "to": 30, "count": 1},
                {"from": 30, "to": 60, "count": 1},
                {"from": 60, "to": 120, "count": 1},
            ],
        }
        assert totals.handle is not None
        assert totals.handle["median"] == 70.0
    for outcomes, rows in ((["expired"], [4]), ([OPEN], [5, 6]), (["completed", OPEN], [1, 2, 3, 5, 6])):
        page = index.page(outcomes=outcomes, sort="row")
        assert page is not None
        assert [row["row"] for row in page.rows] == rows
    page = index.page(search="c5")
    assert page is not None
    assert [(row["outcome"], row["transferred_to"]) for row in page.rows] == [(OPEN, "c5b")]
    # What a contact holds is in no file of the index.
    assert not [file for file in (tmp_path / "indexes").iterdir() if b"Miller" in file.read_bytes()]


def test_pages(index: Index, record: Path) -> None:
    """Problems come first, then the rest; searched, filtered, sorted both ways, page after page."""
    with writer(record, rows=12) as ledger:
        intend(ledger, range(1, 13))
        for row in range(1, 11):
            if row in (4, 9):
                ledger.failed(row, refused(row), attempts=row)
            else:
                ledger.created(row, f"c{row}", attempts=20 - row)
        ledger.invalid(12, "row 12, name: 100% of it")
    index.refresh()

    def rows(**asked: Any) -> list[int]:
        page = index.page(**asked)
        assert page is not None
        return [row["row"] for row in page.rows]

    problems = [4, 9, 11, 12]
    first = [4, 9, 12, 11] if RowState.INVALID in module.PROBLEMS[:2] else problems
    assert rows() == [*first, 1, 2, 3, 5, 6, 7, 8, 10]
    assert rows(limit=3, offset=3) == [11, 1, 2]
    assert rows(states=[RowState.FAILED, RowState.INVALID]) == [4, 9, 12]
    assert rows(sort="row", descending=True, limit=2) == [12, 11]
    assert rows(sort="attempts", limit=2) == [12, 4]
    assert rows(sort="attempts", descending=True, limit=2, states=[RowState.CREATED]) == [1, 2]
    assert rows(sort="state", limit=9)[-1] == 4
    assert rows(search="REFUSED: row 9") == [9]
    assert rows(search="100%") == [12]
    assert rows(search="%") == [12]
    assert rows(search="_") == []
    assert rows(search="12") == [12]
    assert rows(search="key 5") == []
    assert rows(search="key 5", with_keys=True) == [5]
    assert [row["row"] for row in index.problems(at_once=3)] == problems
    page = index.page(limit=1)
    assert page is not None
    assert "key" not in page.rows[0]


def test_a_record_that_was_replaced_is_read_anew(index: Index, record: Path) -> None:
    """Where what was read is not there any more, the index begins anew; who reads meanwhile has the old one."""
    with writer(record, rows=3) as ledger:
        intend(ledger, [1, 2, 3])
    assert_agrees(index, record)
    old = set(index.files)
    for file in record.glob("*.jsonl"):
        file.unlink()
    with writer(record, rows=2) as ledger:
        intend(ledger, [1])
        ledger.created(1, "c1", attempts=1)
    assert_agrees(index, record)
    assert old.isdisjoint(index.files)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{}", "does not have the field kind"),
        ('{"kind":"failed","row":4,"at":"x"}', "has row 4, and the last row of the input is 3"),
        ('{"kind":"created","row":1,"at":"x","contact_id":" "}', "has contact_id that is not an ID"),
        ('{"kind":"failed","kind":"failed","row":1,"at":"x"}', "has one name twice"),
    ],
)
def test_a_damaged_record_is_reported(line: str, what: str, index: Index, record: Path) -> None:
    """A damaged line is reported by its place, and what was known before stays."""
    with writer(record, rows=3) as ledger:
        intend(ledger, [1])
        ledger.created(1, "c1", attempts=1)
    assert_agrees(index, record)
    [file] = record.glob("*.jsonl")
    with file.open("a") as lines:
        lines.write(f"{line}\n")
    with pytest.raises(RecordError, match=rf"line \d+, .*{what}"):
        index.refresh()
    assert [row[0] for row in all_rows(index)] == [1]


def test_one_at_a_time_brings_it_up_to_date(index: Index, record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes while somebody reads the record does not read it too."""
    with writer(record, rows=1) as ledger:
        intend(ledger, [1])
    reading, go_on = threading.Event(), threading.Event()
    sizes = module._sizes

    def slow(place: Any) -> dict[str, int]:
        reading.set()
        go_on.wait(30)
        return sizes(place)

    monkeypatch.setattr(module, "_sizes", slow)
    first = threading.Thread(target=index.refresh)
    first.start()
    assert reading.wait(30)
    assert index.refresh() is False
    go_on.set()
    first.join(30)
    assert len(all_rows(index)) == 1
