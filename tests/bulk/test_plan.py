"""The plan: all faults before anything is sent, the same contacts for the same rows, and no trace on the disk."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_connect.api.errors import InputError, InvalidRequestError
from airflow_connect.api.fields import TEXT_RULE
from airflow_connect.api.identity import CONTENT_DIGITS, request_digest, token_for_key, token_for_row
from airflow_connect.api.operations import CreateContact, StartTaskContact
from airflow_connect.bulk.plan import Plan, PlannedContact, RowFault, Skipped
from airflow_connect.bulk.sources import FileRows, InvalidRow, ListRows
from airflow_connect.bulk.template import compile_contact
from tests.bulk.planning import ASKED_BY, CALLED, CONTACT, INSTANCE, NOW, REGION, contacts_of, planned, rows_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from airflow_connect.bulk.sources import Values

SECRET = "Erika Mustermann"


class ChangingRows:
    """A source that gives other rows at each reading."""

    def __init__(self, *readings: list[Any], can_be_read_twice: bool = True) -> None:
        self.readings = list(readings)
        self.can_be_read_twice = can_be_read_twice

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """Return the rows of the next reading."""
        yield from enumerate(self.readings.pop(0), 1)

    def __str__(self) -> str:
        return "orders.csv"


# --- What comes out ---------------------------------------------------------------------------------------------


def test_a_row_becomes_a_request() -> None:
    """A planned contact is what boto3 takes, with its row, its token and the digest of its content."""
    [contact] = contacts_of(rows_of(17))
    params = {
        "InstanceId": INSTANCE,
        "Channel": "TASK",
        "InitiationMethod": "API",
        "Name": "Order 17",
        "Attributes": {"city": "Köln"},
    }
    token = token_for_row(*CALLED, *ASKED_BY, request_digest(params), 0)
    expected = {**params, "ClientToken": token}
    assert contact == PlannedContact(1, None, token, request_digest(params)[:CONTENT_DIGITS], expected, rows_of(17)[0])


def test_a_key_is_the_same_contact_as_the_operators() -> None:
    """With a key, the token is that of CreateContactOperator with the same ``idempotency_key``."""
    [contact] = contacts_of(rows_of(17), key="order-{{ row.id }}")
    assert (contact.key, contact.token) == ("order-17", token_for_key(*CALLED, "order-17"))
    assert contact.params["ClientToken"] == contact.token


def test_routed_tasks_are_planned() -> None:
    """``start_task`` plans requests of StartTaskContact, whose times are checked against the time of the plan."""
    contact = {"name": "Call {{ row.id }}", "contact_flow_id": "flow", "scheduled_time": "{{ row.at }}"}
    rows = [{"id": 1, "at": NOW + 60}, {"id": 2, "at": NOW - 60}, {"id": 3, "at": None}]
    with planned(rows, contact=contact, request=StartTaskContact) as plan:
        assert list(plan.faults()) == [RowFault(2, "scheduled_time", "must not lie in the past", "60 s ago")]
        assert [contact.params.get("ScheduledTime") for contact in plan.contacts()] == [NOW + 60, None]


def test_a_function_plans_like_a_template() -> None:
    """A function that returns what the template renders makes the same contacts."""

    def contact(row: dict[str, Any]) -> dict[str, Any]:
        return {"channel": "TASK", "name": f"Order {row['id']}", "attributes": {"city": row["city"]}}

    assert contacts_of(rows_of(1, 2), contact=contact) == contacts_of(rows_of(1, 2))


@pytest.mark.parametrize("key", [None, "{{ row.id }}"])
def test_no_rows_make_no_contacts(key: str | None) -> None:
    """An empty input is an empty plan, and no error."""
    with planned([], key=key) as plan:
        assert (plan.rows, plan.valid, plan.invalid, plan.duplicates) == (0, 0, 0, 0)
        assert [*plan.contacts(), *plan.faults(), *plan.skipped()] == []


def test_a_plan_can_be_read_more_than_once() -> None:
    """Each reading gives the same contacts."""
    for source in (ListRows(rows_of(1, 2, 3)), ListRows(iter(rows_of(1, 2, 3)))):
        with planned(source) as plan:
            assert list(plan.contacts()) == list(plan.contacts())


def test_row_that_is_done_is_not_rendered_again() -> None:
    """Of a run that continues, only the rows are rendered a second time whose contacts are to be made."""
    rendered: list[int] = []

    def contact(row: dict[str, Any]) -> dict[str, Any]:
        rendered.append(row["id"])
        return {"channel": "TASK", "name": f"Order {row['id']}"}

    asked: list[tuple[int, str, str]] = []
    with planned(rows_of(1, 2, 3), contact=contact) as plan:
        tokens = [token for _, _, token in plan.left()]
        [left] = plan.contacts(is_done=lambda *row: asked.append(row) or row[0] != 2)
        assert left.row == 2
        assert [(row, token) for row, token, _ in asked] == list(enumerate(tokens, 1))
        assert asked[1][2] == left.content
        assert plan.passed == 3
    assert rendered == [1, 2, 3, 2]


@pytest.mark.parametrize("open_row", [1, 2, 4, None])
def test_rows_are_read_again_where_one_is_left_to_send(tmp_path: Path, open_row: int | None) -> None:
    """A run that is over does not read its rows again; else all are counted, and each is asked for once."""
    file = tmp_path / "rows.csv"
    file.write_text("id,city\n1,a\n2,b\n3,c\n4,d\n")
    asked: list[int] = []
    with planned(FileRows(str(file))) as plan:
        file.write_text("id,city\n1,a\n2,b\n3,c\n")
        contacts = plan.contacts(is_done=lambda row, *_: asked.append(row) or row != open_row)
        if open_row is None:
            assert list(contacts) == []
            assert plan.passed == 4
        else:
            with pytest.raises(InputError, match="now has fewer rows"):
                list(contacts)
    assert asked == sorted(set(asked))


def test_the_second_reading_may_be_in_another_thread() -> None:
    """The sender reads ahead in a thread of its own."""
    found: list[PlannedContact] = []
    with planned(rows_of(1, 2)) as plan:
        thread = threading.Thread(target=lambda: found.extend(plan.contacts()))
        thread.start()
        thread.join()
    assert [contact.row for contact in found] == [1, 2]


# --- Faults -----------------------------------------------------------------------------------------------------


def test_all_faults_are_known_by_row_and_field() -> None:
    """Each fault of each row is reported with its number, field, rule and what was given, in order, and no value."""
    rows: list[Any] = [
        {"id": 1, "city": SECRET},
        {"id": "x" * 1025, "city": b"\xff"},
        SECRET,
        {"city": SECRET},
    ]
    with planned(rows, key="{{ row.id }}") as plan:
        faults = list(plan.faults())
        assert (plan.rows, plan.valid, plan.invalid, plan.duplicates) == (4, 1, 3, 0)
        assert [contact.row for contact in plan.contacts()] == [1]
    missing = ("the template names what does not exist", "the row does not have 'id' among its 1 column")
    assert faults == [
        RowFault(2, "name", "at most 1,024 characters", "1,031 characters"),
        RowFault(2, "attributes.city", TEXT_RULE, "bytes of length 1 that are not UTF-8"),
        RowFault(3, "", "is of type str; a row is a dict of values by column", ""),
        RowFault(4, "idempotency_key", *missing),
        RowFault(4, "name", *missing),
    ]
    assert SECRET not in repr(faults)
    assert str(faults[0]) == "row 2, name: at most 1,024 characters (given: 1,031 characters)"
    assert str(faults[2]) == "row 3: is of type str; a row is a dict of values by column"


def test_a_log_shows_the_first_faults() -> None:
    """As many as are asked for, by row number, also where later rows were found to be repeated."""
    rows = [*rows_of(*"abc"), {"id": "d"}, *rows_of("a"), *rows_of("b"), {"id": "c"}]
    with planned(rows, key="{{ row.id }}") as plan:
        assert [fault.row for fault in plan.faults()] == [4, 5, 6, 7, 7]
        assert [fault.row for fault in plan.faults(3)] == [4, 5, 6]


def test_a_wrong_instance_is_one_error() -> None:
    """What no row can change is no row's fault."""
    with pytest.raises(InvalidRequestError) as caught:
        planned(rows_of(1, 2), instance_id="x" * 1000)
    assert [fault.field for fault in caught.value.faults] == ["instance_id"]


def test_an_input_that_breaks_off_is_no_plan() -> None:
    """What ends the reading ends the plan; nothing can be sent of a part of the input."""

    def breaking() -> Iterator[dict[str, Any]]:
        yield from rows_of(1)
        raise InputError("orders.csv broke off")

    with pytest.raises(InputError, match="broke off"):
        planned(breaking())


def test_reading_can_be_ended() -> None:
    """What ``on_progress`` raises ends the reading; it learns the number of rows so far."""
    reported = []

    def stop(rows: int) -> None:
        reported.append(rows)
        if rows == 2_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        planned(rows_of(*range(5_000)), on_progress=stop)
    assert reported == [1_000, 2_000]


def test_any_name_of_a_file_can_be_reported() -> None:
    """A path whose bytes are not UTF-8 is reported with escapes."""
    with planned(ChangingRows([InvalidRow("is no dict", "a\udcff.csv, line 2")])) as plan:
        assert [fault.field for fault in plan.faults()] == [r"a\udcff.csv, line 2"]


# --- Keys that appear twice ---------------------------------------------------------------------------------------


def test_a_repeated_key_is_a_fault_that_names_the_first_row() -> None:
    """The first row with a key makes the contact; each later one has a fault, and no key is reported."""
    with planned(rows_of("a", "b", "a", "c", "a", "b"), key="{{ row.id }}") as plan:
        assert (plan.rows, plan.valid, plan.invalid, plan.duplicates) == (6, 3, 3, 3)
        rule = (
            'must differ from those of all other rows; with on_duplicate="skip" the first of them creates the contact'
        )
        assert list(plan.faults()) == [
            RowFault(3, "idempotency_key", rule, "the same as in row 1"),
            RowFault(5, "idempotency_key", rule, "the same as in row 1"),
            RowFault(6, "idempotency_key", rule, "the same as in row 2"),
        ]
        assert [contact.key for contact in plan.contacts()] == ["a", "b", "c"]
        assert list(plan.skipped()) == []


def test_a_repeated_key_can_be_made_once() -> None:
    """With ``on_duplicate="skip"`` the first row makes the contact, and the others are reported as left out."""
    with planned(rows_of("a", "b", "a", "c", "a"), key="{{ row.id }}", on_duplicate="skip") as plan:
        assert (plan.rows, plan.valid, plan.invalid, plan.duplicates) == (5, 3, 0, 2)
        assert list(plan.skipped()) == [Skipped(3, "a", 1), Skipped(5, "a", 1)]
        assert [contact.row for contact in plan.contacts()] == [1, 2, 4]
        assert list(plan.faults()) == []


def test_a_faulty_row_does_not_keep_a_good_one_from_being_made_once() -> None:
    """With ``on_duplicate="skip"`` the first row *without faults* makes the contact."""
    rows = [{"id": "a"}, *rows_of("a", "a")]
    with planned(rows, key="{{ row.id }}", on_duplicate="skip") as plan:
        assert (plan.valid, plan.invalid, plan.duplicates) == (1, 1, 1)
        assert [contact.row for contact in plan.contacts()] == [2]
        assert list(plan.skipped()) == [Skipped(3, "a", 2)]


def test_a_faulty_row_repeats_a_key_too() -> None:
    """Where keys must differ, all faults are known at once: that of the row, and that of the key."""
    with planned([{"id": "a"}, *rows_of("a")], key="{{ row.id }}") as plan:
        assert [(fault.row, fault.field) for fault in plan.faults()] == [(1, "attributes.city"), (2, "idempotency_key")]
        assert (plan.invalid, plan.duplicates) == (2, 1)


@given(st.lists(st.text(st.sampled_from("aA~ 1é0\U0001f680"), min_size=1, max_size=3), max_size=30))
def test_keys_are_compared_exactly(ids: list[str]) -> None:
    """Two rows have the same key if their text is the same to the last character, and only then."""
    with planned(rows_of(*(f"k{one}" for one in ids)), key="{{ row.id }}", on_duplicate="skip") as plan:
        assert [contact.key for contact in plan.contacts()] == list(dict.fromkeys(f"k{one}" for one in ids))
        assert plan.duplicates == len(ids) - len(set(ids))


# --- Rows without a key -------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([1.0, "1", "", Decimal(1), b"1", date(2026, 11, 24)])
)
ROWS = st.lists(st.fixed_dictionaries({"id": VALUES, "city": VALUES.filter(lambda value: value != b"1")}), max_size=12)
NAMED = {"channel": "TASK", "name": "Order", "attributes": {"city": "{{ row.city }}"}}


def test_equal_rows_make_a_contact_each() -> None:
    """Without a key nobody says that equal rows are one: as many contacts are made as there are rows."""
    contacts = contacts_of(rows_of(1, 2, 1, 1))
    assert len({contact.token for contact in contacts}) == 4
    assert len({contact.content for contact in contacts}) == 2
    with planned(rows_of(1, 1)) as plan:
        assert (plan.valid, plan.invalid, plan.duplicates) == (2, 0, 0)


@settings(deadline=None)
@given(ROWS, st.randoms())
def test_reordered_rows_make_no_second_contact(rows: list[dict[str, Any]], chance: random.Random) -> None:
    """However rows and their columns are ordered, they have the same tokens, each with the same content."""
    shuffled = [dict(chance.sample(list(row.items()), len(row))) for row in chance.sample(rows, len(rows))]
    before, after = contacts_of(rows, contact=NAMED), contacts_of(shuffled, contact=NAMED)
    assert len({contact.token for contact in before}) == len(rows)
    assert {contact.token: contact.content for contact in before} == {
        contact.token: contact.content for contact in after
    }


@settings(deadline=None)
@given(ROWS, ROWS, st.randoms())
def test_added_rows_make_only_their_own_contacts(
    rows: list[dict[str, Any]], more: list[dict[str, Any]], chance: random.Random
) -> None:
    """Rows that are added anywhere leave the tokens of the others as they were, also where they equal them."""
    before = {contact.token for contact in contacts_of(rows, contact=NAMED)}
    together = [*rows, *more]
    chance.shuffle(together)
    after = {contact.token for contact in contacts_of(together, contact=NAMED)}
    assert before <= after
    assert len(after) == len(together)


def test_who_asks_counts_without_a_key_and_not_with_one() -> None:
    """Another Dag, run, task or map index makes other contacts, unless there is a key; another instance always does."""
    askers = [
        ASKED_BY._replace(**{name: value}) for name, value in zip(ASKED_BY._fields, ("x", "x", "x", 1), strict=True)
    ]
    tokens = [contacts_of(rows_of(1), asked_by=asker)[0].token for asker in (ASKED_BY, *askers)]
    others: tuple[dict[str, Any], ...] = (
        {"instance_id": "other"},
        {"region": "eu-central-1"},
        {"request": StartTaskContact, "contact": {"name": "Order {{ row.id }}", "contact_flow_id": "flow"}},
    )
    tokens += [contacts_of(rows_of(1), **other)[0].token for other in others]
    assert len(set(tokens)) == 8
    keyed = {contacts_of(rows_of(1), asked_by=asker, key="{{ row.id }}")[0].token for asker in (ASKED_BY, *askers)}
    assert len(keyed) == 1
    keyed |= {contacts_of(rows_of(1), key="{{ row.id }}", **other)[0].token for other in others}
    assert len(keyed) == 4


def test_what_the_contact_does_not_use_does_not_identify_a_row() -> None:
    """A column that the contact does not use may change between attempts, and may hold anything."""
    [row] = rows_of(1)
    tokens = {contacts_of([row | {"updated_at": value}])[0].token for value in (NOW, None, object())}
    assert tokens == {contacts_of([row])[0].token}
    assert contacts_of([row | {"city": "Bonn"}])[0].token not in tokens


def test_rows_of_equal_contacts_are_distinguished_by_their_number() -> None:
    """Rows that make equal contacts make one each, whatever else they hold."""
    rows = [row | {"updated_at": number} for number, row in enumerate(rows_of(1, 1, 1))]
    contacts = contacts_of(rows)
    assert len({contact.token for contact in contacts}) == 3
    assert {contact.token for contact in contacts_of(rows[::-1])} == {contact.token for contact in contacts}


# --- An input that changes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "{{ row.id }}"])
@pytest.mark.parametrize(
    ("then", "sent", "message"),
    [
        (rows_of(1, 2), 2, "fewer rows than when they were checked"),
        ([], 0, "fewer rows"),
        (rows_of(1, 2, 3, 4), 3, "more rows"),
        (rows_of(1, 7, 3), 1, "another row 2 than when it was checked"),
        (rows_of(2, 1, 3), 0, "another row 1"),
        ([*rows_of(1, 2), {"id": 3, "city": "Bonn"}], 2, "another row 3"),
        ([*rows_of(1), {"id": 2}, *rows_of(3)], 1, "another row 2"),
        ([*rows_of(1), InvalidRow("is empty", "line 3"), *rows_of(3)], 1, "another row 2"),
    ],
)
def test_a_change_between_the_readings_is_caught(key: str | None, then: list[Any], sent: int, message: str) -> None:
    """What is sent is what was checked: the first row that is another ends the sending, with its number."""
    seen: list[PlannedContact] = []
    with planned(ChangingRows(rows_of(1, 2, 3), then), key=key) as plan, pytest.raises(InputError) as caught:
        seen.extend(plan.contacts())
    assert len(seen) == sent
    assert str(caught.value).startswith("orders.csv now has ")
    assert message in str(caught.value)
    assert "Köln" not in str(caught.value)


def test_a_changed_file_is_caught(tmp_path: Path) -> None:
    """A file that somebody writes to while the task runs is caught at the row that changed."""
    path = tmp_path / "orders.csv"
    path.write_text("id,city\n1,Bonn\n2,Bonn\n")
    with planned(FileRows(str(path))) as plan:
        path.write_text("id,city\n1,Bonn\n2,Köln\n")
        with pytest.raises(InputError, match=r"orders\.csv now has another row 2"):
            list(plan.contacts())


def test_a_template_that_depends_on_the_time_is_caught() -> None:
    """A row that renders to something else the second time is not sent: nobody checked it."""
    clock = iter(range(100))
    contact = compile_contact(
        {"channel": "TASK", "name": "{{ tick(row.id) }}"}, CreateContact, {"tick": lambda _id: next(clock)}
    )
    with (
        Plan(
            ListRows(rows_of(1)),
            CreateContact,
            contact,
            key=None,
            region=REGION,
            instance_id=INSTANCE,
            asked_by=ASKED_BY,
            now=NOW,
        ) as plan,
        pytest.raises(InputError, match="do not use a clock or random numbers"),
    ):
        list(plan.contacts())


# --- What is made already -----------------------------------------------------------------------------------------


def test_tokens_are_known_without_the_input() -> None:
    """What is created already is known by the tokens, without reading anything again."""
    rows = [*rows_of(1, 2, 1), {"id": 3}]
    with planned(ChangingRows(rows)) as plan:
        assert list(plan.left()) == [(one.row, one.key, one.token) for one in contacts_of(rows)]
    with planned(rows_of(1, 2, 1), key="{{ row.id }}", on_duplicate="skip") as plan:
        assert list(plan.left()) == [(row, key, token_for_key(*CALLED, key)) for row, key in ((1, "1"), (2, "2"))]


def test_rows_can_be_asked_for_again() -> None:
    """What failed can be written down for another run: the rows as they were read, also those that are unreadable."""
    rows = [*rows_of(1, 2), InvalidRow("is empty", "line 4"), *rows_of(4, 5)]
    for twice in (True, False):
        with planned(ChangingRows(rows, rows, can_be_read_twice=twice)) as plan:
            assert list(plan.rows_again(iter([2, 3, 5]))) == [(number, rows[number - 1]) for number in (2, 3, 5)]


class Breaking:
    """A source that breaks off after two rows."""

    can_be_read_twice = False

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """Return two rows."""
        yield from enumerate(rows_of(1, 2), 1)
        raise self.error


def breaking(error: Exception) -> Iterator[dict[str, Any]]:
    """Yield two rows."""
    yield from rows_of(1, 2)
    raise error


@pytest.mark.parametrize("source", [Breaking, breaking], ids=lambda source: source.__name__)
@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        sqlite3.OperationalError(SECRET),
        UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
        FileNotFoundError(2, "No such file", SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_words_of_a_source_s_error_are_not_shown(source: Callable[[Exception], Any], error: Exception) -> None:
    """What an author's own source raises is reported by its type and line; a database's is not taken for the disk's."""
    with pytest.raises(InputError) as raised:
        planned(source(error))
    assert f"raised {type(error).__name__} in line " in str(raised.value)
    assert "test_plan.py, after 2 rows." in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_what_a_source_says_may_be_shown_is_shown() -> None:
    """An InputError keeps its words."""
    with pytest.raises(InputError, match="list of tickets is empty"):
        planned(Breaking(InputError("The list of tickets is empty.")))


# --- Rows that can be read once, and the disk ---------------------------------------------------------------------

TYPES = {
    "id": 1,
    "city": "Köln",
    "float": 0.1,
    "none": None,
    "decimal": Decimal("12.50"),
    "datetime": datetime(2026, 11, 24, tzinfo=UTC),
    "bytes": b"\0\xff",
    "uuid": UUID(int=17),
    "nested": {"a": [1, "1", {"b": None}]},
}


@pytest.mark.parametrize("key", [None, "{{ row.id }}"])
def test_rows_that_can_be_read_once_are_kept(key: str | None) -> None:
    """What an iterator gives is kept on the local disk, with its types, for the second reading."""
    rows = [TYPES | {"id": number} for number in range(50)]
    assert contacts_of(iter(rows), key=key) == contacts_of(rows, key=key)


def test_faulty_rows_are_kept_in_their_places() -> None:
    """A row that cannot be read or kept is that row's fault, and the others keep their numbers."""
    rows = [*rows_of(1), SECRET, {"id": 3, "city": "Köln", "lock": threading.Lock()}, *rows_of(4)]
    with planned(iter(rows), key="{{ row.id }}") as plan:
        assert [(fault.row, fault.field) for fault in plan.faults()] == [(2, ""), (3, "row.lock")]
        assert [contact.row for contact in plan.contacts()] == [1, 4]


def open_files() -> dict[str, int]:
    """Return the permissions of each file that this process has open, by name."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return {str(link.readlink()): link.stat().st_mode & 0o777 for link in links if str(link.readlink()).startswith("/")}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks Linux what is open")
def test_nothing_of_a_row_has_a_name_on_the_disk() -> None:
    """Temporary files have no name and are their owner's alone, so that a kill at any moment leaves nothing behind."""
    before = open_files()
    rows = [{"id": number, "city": "x" * 4000, "key": f"{number}" * 80} for number in range(10_000)]
    with planned(iter(rows), key="{{ row.key }}") as plan:
        found = {name: mode for name, mode in open_files().items() if name not in before}
        assert len(found) == 2  # the rows and the database
        assert set(found.values()) == {0o600}
        assert all(name.endswith("(deleted)") for name in found)
        assert sum(1 for _ in plan.contacts()) == 10_000
    assert open_files() == before


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks Linux what is open")
def test_a_plan_that_fails_frees_its_files() -> None:
    """After an error in the middle of the first reading no file is open any more."""
    before, during = open_files(), []

    def breaking() -> Iterator[dict[str, Any]]:
        yield from rows_of(*range(5))
        during.append(open_files())
        raise InputError("broke off")

    with pytest.raises(InputError):
        planned(breaking())
    assert open_files() == before != during[0]


FULL_DISK = """
import resource, sys
from airflow_connect.api.errors import SetupError
from tests.bulk.planning import planned
rows = ({"id": n, "city": "x" * 100, "key": "k" * 50 + str(n)} for n in range(100_000))
rows = rows if sys.argv[1] == "once" else list(rows)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    planned(rows, key="{{ row.key }}")
except SetupError as error:
    print(error)
"""


@pytest.mark.parametrize("rows", ["once", "twice"])
def test_a_full_disk_is_one_clear_error(rows: str) -> None:
    """Where rows or what is remembered of them find no room, nothing is sent, and the error says what to do."""
    command = [sys.executable, "-c", FULL_DISK, rows]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.stderr == ""
    assert done.stdout.startswith("The worker's local disk cannot hold what must be remembered of the rows (")
    assert "nothing was sent" in done.stdout
    assert "TMPDIR" in done.stdout


def test_a_closed_plan_can_be_closed_again() -> None:
    """Closing is safe at any time; what is closed gives nothing."""
    plan = planned(iter(rows_of(1)))
    plan.close()
    plan.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        list(plan.contacts())


@pytest.mark.parametrize("key", [None, "{{ row.nr }}"])
def test_a_header_is_checked_before_the_first_row(tmp_path: Path, key: str | None) -> None:
    """A file that is not the expected one is one fault and not a green task, also where it has no rows at all."""
    path = tmp_path / "orders.csv"
    for content in ("id,city\n", "ID,city\n1,Bonn\n", "<p>,city\n"):
        path.write_text(content)
        contact = {"channel": "TASK", "name": "{{ row.city }}"} if key else CONTACT
        if key is None and content.startswith("id"):
            planned(FileRows(str(path))).close()
            continue
        with pytest.raises(
            InputError, match=r"does not have the column '(id|nr)', which the template names without a default"
        ):
            planned(FileRows(str(path)), key=key, contact=contact)


def test_a_fault_that_many_rows_share_is_reported_once(tmp_path: Path) -> None:
    """With how many they are and which come first; one that only one row has is reported as usual."""
    path = tmp_path / "orders.csv"
    path.write_text("id,city\n" + f"{SECRET * 80},Bonn\n" * 10_000 + "1\n" * 3 + f"2,{chr(0)}\n")
    with planned(FileRows(str(path))) as plan:
        assert plan.invalid == 10_004
        long, ragged, control = map(str, plan.shared_faults())
        assert long == (
            f"10,000 rows, name: at most 1,024 characters (given: 1,286 characters): row 1 ({path}, line 2), "
            f"row 2 ({path}, line 3), row 3 ({path}, line 4) and 9,997 more"
        )
        assert ragged == (
            f"3 rows, has 1 field, and the header 2: row 10,001 ({path}, line 10002), row 10,002 ({path}, line 10003), "
            f"row 10,003 ({path}, line 10004)"
        )
        assert control.startswith(f"row 10,004 ({path}, line 10005), attributes.city: must hold no control characters")
        assert len(list(plan.shared_faults(1))) == 1
        assert len(list(plan.faults())) == 10_004


def test_faults_that_differ_in_what_was_given_are_one() -> None:
    """Lengths differ from row to row, and the rule is the same."""
    with planned(rows_of("x" * 1_100, "x" * 1_200)) as plan:
        [shared] = plan.shared_faults()
        assert (
            str(shared) == "2 rows, name: at most 1,024 characters (given: 1,106 characters, and others): row 1, row 2"
        )
    with planned(rows_of(1, 1, 1), key="{{ row.id }}") as plan:
        [shared] = plan.shared_faults()
        assert shared.rows == 2


@pytest.mark.parametrize(
    "rows",
    [
        [(1, SECRET), (2, SECRET)],
        [[1, SECRET]],
        [(None, SECRET)],
        [[(1, SECRET)], [(2, SECRET)]],
        [{"id": 1, "city": "Bonn"}, (1, SECRET)],
    ],
    ids=str,
)
def test_rows_need_names(rows: list[Any]) -> None:
    """What a database's operator returns are tuples: one fault says so, and what gives names to the values."""
    with pytest.raises(InputError, match="rows holds values without names") as caught:
        planned(rows)
    assert "SqlRows(conn_id, sql)" in str(caught.value)
    assert SECRET not in str(caught.value)
