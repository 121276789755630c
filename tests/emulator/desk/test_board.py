"""What the desk reads: every contact once, in order, in bounded steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.emulator.desk import board as board_module
from airflow_connect.emulator.desk.board import NO_QUEUE, PAGE, Board, Filter, Page, View
from airflow_connect.emulator.resources import BILLING_FLOW, BILLING_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.emulator.server import Emulator


@pytest.fixture
def board(emulator: Emulator) -> Board:
    return Board(emulator.service.store)


@pytest.fixture
def make(emulator: Emulator, task: dict[str, Any]) -> Callable[..., str]:
    """A function that makes a task, past HTTP, and returns its ID."""
    return lambda **members: str(emulator.service.call("CreateContact", task | members)["ContactId"])


def read_all(board: Board, wanted: Filter) -> tuple[list[str], list[Page]]:
    """The names of a list over all of its pages."""
    pages: list[Page] = []
    after = ""
    while not pages or after:
        pages.append(board.page(Filter(wanted.view, wanted.text, wanted.channel, wanted.queue, after)))
        after = pages[-1].next
    return [row.name or "" for page in pages for row in page.rows], pages


@pytest.mark.parametrize("number", [0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE])
def test_pages_have_every_waiting_contact_once(board: Board, make: Callable[..., str], number: int) -> None:
    """Whatever the number of contacts, the pages have each one once, the oldest first, and none of them is empty."""
    for index in range(number):
        make(Name=str(index))
    names, pages = read_all(board, Filter())
    assert names == [str(index) for index in range(number)]
    assert len(pages) == max(1, -(-number // PAGE))


def test_created_and_queued_contacts_wait_in_one_order(
    board: Board, make: Callable[..., str], emulator: Emulator
) -> None:
    """Contacts in a queue and in none are one list by age."""
    for index in range(6):
        if index % 2:
            start = {"InstanceId": emulator.instance_id, "ContactFlowId": BILLING_FLOW.id, "Name": str(index)}
            emulator.service.call("StartTaskContact", start)
        else:
            make(Name=str(index))
    assert read_all(board, Filter())[0] == ["0", "1", "2", "3", "4", "5"]
    assert read_all(board, Filter(queue=BILLING_QUEUE.id))[0] == ["1", "3", "5"]
    assert read_all(board, Filter(queue=NO_QUEUE))[0] == ["0", "2", "4"]


def test_ended_contacts_come_latest_first(board: Board, make: Callable[..., str], emulator: Emulator) -> None:
    """The list of ended contacts goes by the time of the end, also over pages and at the same moment."""
    ids = [make(Name=str(index)) for index in range(PAGE + 10)]
    for contact_id in reversed(ids):
        emulator.complete(contact_id)
    names, pages = read_all(board, Filter(View.ENDED))
    assert names == [str(index) for index in range(PAGE + 10)]
    assert len(pages) == 2


def test_search_stops_and_goes_on(board: Board, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """One step looks through a bounded number of contacts, and says where the next one begins."""
    monkeypatch.setattr(board_module, "WINDOW", 20)
    for index in range(50):
        make(Name=f"Contact {index}")
    first = board.page(Filter(text="contact 4"))
    assert [row.name for row in first.rows] == ["Contact 4"]
    assert first.is_partial
    assert read_all(board, Filter(text="CONTACT 4"))[0] == [f"Contact {index}" for index in (4, *range(40, 50))]


def test_text_finds_the_attributes_of_a_chain(board: Board, make: Callable[..., str], emulator: Emulator) -> None:
    """A contact of a chain is found by the attributes that it shares with the first one."""
    make(Name="Transferred", Attributes={"customer": "Ümit"})
    contact_id = emulator.contacts()[0]["id"]
    flow = next(flow for flow in emulator.service.instance.flows.values() if flow.kind == "QUEUE_TRANSFER")
    transfer = {"InstanceId": emulator.instance_id, "ContactId": contact_id, "ContactFlowId": flow.id}
    successor = emulator.service.call("TransferContact", transfer)["ContactId"]
    assert [row.id for row in board.page(Filter(text="üMIT")).rows] == [successor]
    assert [row.id for row in board.page(Filter(text=successor[:8])).rows] == [successor]
    assert [relative.id for relative in board.relatives(contact_id, contact_id)] == [successor]


def test_counts_stop(board: Board, make: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A count is exact up to a limit, and beyond it never costs more."""
    monkeypatch.setattr(board_module, "COUNTED", 5)
    for _ in range(5):
        make()
    assert board.counts() == {View.WAITING: 5, View.IN_WORK: 0, View.SCHEDULED: 0, View.ENDED: 0}
    for _ in range(5):
        make()
    assert board.counts()[View.WAITING] == 6


@pytest.mark.parametrize("after", ["x", "1", "1:x", "nan:1", "inf:1", "1:" + "9" * 40, "-1:-1", "1:2:3"])
def test_odd_position_is_the_beginning(board: Board, make: Callable[..., str], after: str) -> None:
    """A position that no page has ended with starts from the beginning."""
    make(Name="first")
    assert [row.name for row in board.page(Filter(after=after)).rows] == ["first"]


@pytest.mark.parametrize(
    "wanted", [Filter(), Filter(View.IN_WORK), Filter(View.SCHEDULED), Filter(View.ENDED), Filter(text="x")]
)
def test_lists_come_from_indexes(
    board: Board, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, wanted: Filter
) -> None:
    """No list sorts or reads the whole table, so that a million contacts cost what fifty do."""
    store = emulator.service.store
    statements: list[tuple[str, tuple[Any, ...]]] = []
    query = store.query
    monkeypatch.setattr(store, "query", lambda sql, given=(): statements.append((sql, given)) or query(sql, given))
    board.page(wanted)
    board.counts()
    assert len(statements) == 7
    for sql, given in statements:
        plan = " | ".join(str(row[3]) for row in query(f"EXPLAIN QUERY PLAN {sql}", given))
        assert "SCAN contacts" not in plan.replace("SCAN contacts USING", "")
        assert "TEMP B-TREE" not in plan
