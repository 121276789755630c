"""What is reported of rows agrees everywhere, however an attempt ends; over HTTP, with faults."""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from airflow_connect.api.errors import InputError, RecordError
from airflow_connect.bulk import report as report_module
from airflow_connect.bulk.report import FailedRows, Report, counted, in_words
from airflow_connect.bulk.send import Progress, Sender
from airflow_connect.bulk.sources import FileRows, InvalidRow, Origin
from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID as INSTANCE
from airflow_connect.emulator.server import Emulator
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.record.format import RowState, run_folder
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import History, count_results, read_results
from airflow_connect.record.storage import Place
from tests.bulk.planning import planned, rows_of
from tests.bulk.sending import AtOnce
from tests.conftest import aws_connection_json

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = logging.getLogger("tests.report")
WHOSE = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1}
CONTACT = {
    "channel": "TASK",
    "name": "Order {{ row.id }}",
    "attributes": {"row": "{{ row.id }}"},
    "related_contact_id": "{{ row.related }}",
}
TOO_LONG = "n" * 300
UNREADABLE = '{"id": 17'
NO_SUCH_CONTACT = "00000000-0000-4000-8000-000000000000"

#: What happens to calls: nothing, what passes, what ends the task.
FAULTS = (
    "",
    "throttle=0.3",
    "error_500=0.2, cut_before=0.1",
    "error_500_after=0.2, cut_after=0.2, truncated=0.1, cut_body=0.1",
    "throttle=1",
    "error_500=1",
    "cut_after=1",
    "CreateContact@6:expired_token, CreateContact@7:expired_token",
    "expired_token=0.2",
)


class Attempt(NamedTuple):
    """What happens in an attempt."""

    faults: str
    #: Where the sending is stopped: after so many calls.
    stop_after: int | None
    #: The line at which the record cannot be written any more, and whether that line still is.
    unwritable_from: int | None
    is_written: bool
    #: The row at which the second reading breaks off.
    breaks_off_at: int | None
    on_invalid: str


class Scene(NamedTuple):
    """The rows, and the attempts over them."""

    kinds: list[str]
    has_key: bool
    quota: int | None
    attempts: list[Attempt]
    seed: int


attempts = st.builds(
    Attempt,
    faults=st.sampled_from(FAULTS),
    stop_after=st.none() | st.integers(0, 30),
    unwritable_from=st.none() | st.integers(1, 40),
    is_written=st.booleans(),
    breaks_off_at=st.none() | st.integers(1, 30),
    on_invalid=st.sampled_from(["skip", "skip", "skip", "fail"]),
)
scenes = st.builds(
    Scene,
    kinds=st.lists(st.sampled_from(["good"] * 6 + ["invalid", "refused", "repeated", "unreadable"]), max_size=30),
    has_key=st.booleans(),
    quota=st.none() | st.integers(1, 20),
    attempts=st.lists(attempts, min_size=1, max_size=3),
    seed=st.integers(0, 1_000),
)


class Rows:
    """Rows of which the second reading may break off."""

    can_be_read_twice = True

    def __init__(self, rows: list[Any], breaks_off_at: int | None) -> None:
        self.rows = rows
        self.breaks_off_at = breaks_off_at
        self.readings = 0

    def read(self) -> Iterator[tuple[int, Any]]:
        self.readings += 1
        for number, row in enumerate(self.rows, 1):
            if self.readings == 2 and number == self.breaks_off_at:
                raise InputError("The input broke off.")
            yield number, row


class UnwritableLedger(Ledger):
    """A record that cannot be written from a line on."""

    def __init__(self, folder: Path, *, unwritable_from: int | None, is_written: bool, **options: Any) -> None:
        super().__init__(folder, **options)
        self._lines_left = unwritable_from
        self._is_written = is_written

    def _append(self, lines: bytes) -> None:
        if self._lines_left is not None:
            self._lines_left -= 1
            if self._lines_left < 0:
                if self._is_written and self._lines_left == -1:
                    super()._append(lines)
                raise RecordError("The disk is full.")
        super()._append(lines)


class Ended(NamedTuple):
    """What an attempt has reported."""

    states: Counter[RowState]
    error: BaseException | None
    failed_rows: list[dict[str, Any]] | None
    readings: int


def rows_of_scene(scene: Scene) -> list[dict[str, Any] | InvalidRow]:
    """Return the rows, with a number each; those that are repeated have the key of the first."""
    return [
        InvalidRow("is no JSON", Origin("orders.jsonl", number), UNREADABLE)
        if kind == "unreadable"
        else {
            "id": "x" * 2_000 if kind == "invalid" else number,
            "number": number,
            "key": 1 if kind == "repeated" else number,
            "related": NO_SUCH_CONTACT if kind == "refused" else None,
        }
        for number, kind in enumerate(scene.kinds, 1)
    ]


def run(scene: Scene, attempt: Attempt, number: int, folder: Path, hook: ConnectHook) -> Ended:
    """Do what the operator does in an attempt."""
    source = Rows(rows_of_scene(scene), attempt.breaks_off_at)
    keeps = {RowState.INVALID, RowState.FAILED, *([RowState.UNKNOWN] if scene.has_key else [])}
    log, metrics = logging.getLogger("report"), SimpleNamespace(**dict.fromkeys(("incr", "gauge", "timing"), nothing))
    header = {**WHOSE, "try_number": number, "rows": len(source.rows)}
    with (
        planned(
            source,
            key="{{ row.key }}" if scene.has_key else None,
            contact=CONTACT,
            instance_id=INSTANCE,
            on_duplicate="skip",
        ) as plan,
        Report(plan, folder, log=log, metrics=metrics, tags={}, keeps=keeps) as report,
        History(folder, asked_by=WHOSE) as history,
    ):
        ledger = UnwritableLedger(
            folder, header=header, unwritable_from=attempt.unwritable_from, is_written=attempt.is_written
        )
        done, error = Progress(), None
        try:
            report.record_faults(ledger, history)
            if not (plan.invalid and attempt.on_invalid == "fail"):
                done, error = send(attempt, plan, report, ledger, history, hook)
        except RecordError as unrecorded:
            error = unrecorded
        error = report.finish(done, ledger, history, error)
        path = folder / "failed.jsonl"
        path.unlink(missing_ok=True)
        unwritten = report.write_failed_rows(str(path), done)
        failed = None if unwritten else [json.loads(line) for line in path.read_text().splitlines()]
        return Ended(report.states(done), error or unwritten, failed, source.readings)


def nothing(*_: object, **__: object) -> None:
    """Take a metric."""


def send(
    attempt: Attempt, plan: Any, report: Report, ledger: Ledger, history: History, hook: ConnectHook
) -> tuple[Progress, BaseException | None]:
    sender = Sender(
        plan.contacts(on_invalid=report.invalid),
        lambda params: hook.call("CreateContact", params, max_retry_time=0),
        operation="CreateContact",
        pace=AtOnce(time.monotonic(), max_in_flight=4),
        ledger=ledger,
        history=history,
        on_settled=report.settled,
        max_in_flight=4,
        max_retry_time=0.2,
        quota_timeout=0.1,
    )

    def stop(progress: Progress) -> None:
        report.report_progress(progress)
        if attempt.stop_after is not None and progress.calls >= attempt.stop_after:
            sender.stop()

    return sender.run(stop, every=0.0), sender.stopped_by


def check(scene: Scene, ended: Ended, folder: Path, emulator: Emulator) -> None:
    """Compare everything that counts the rows, and what arrived."""
    count = len(scene.kinds)
    results = list(read_results(folder))
    # Each row is there once, and in one state everywhere.
    assert [result["row"] for result in results] == list(range(1, count + 1))
    assert ended.states.total() == count
    assert +ended.states == Counter(RowState(result["state"]) for result in results)
    assert count_results(folder) == counted(ended.states)
    assert sum(counted(ended.states).values()) == 2 * count
    # What arrived is what is on record.
    contacts = {contact["id"]: contact["attributes"]["row"] for contact in emulator.contacts()}
    assert len(set(contacts.values())) == len(contacts), "a row has two contacts"
    created = {result["contact_id"]: str(result["row"]) for result in results if result["state"] == "created"}
    assert created.items() <= contacts.items()
    may_exist = {str(result["row"]) for result in results if RowState(result["state"]).may_have_contact}
    assert set(contacts.values()) <= may_exist
    # The file of failed rows has those that are in such a state.
    wanted = {"invalid", "failed", *(["unknown"] if scene.has_key else [])}
    if ended.failed_rows is not None:
        failed = [(result["row"], result["state"]) for result in results if result["state"] in wanted]
        reported = [(row["airflow_connect_row"], row["airflow_connect_state"]) for row in ended.failed_rows]
        assert reported == failed
        assert all(row["airflow_connect_fault"] for row in ended.failed_rows)
        assert [row.get("number") for row in ended.failed_rows] == [
            None if scene.kinds[row - 1] == "unreadable" else row for row, _ in failed
        ]
        kept = {row.get("airflow_connect_text") for row in ended.failed_rows if "number" not in row}
        assert kept <= {UNREADABLE}
    else:
        assert isinstance(ended.error, (InputError, RecordError))
    # Each attempt records one state of a row.
    for segment in folder.glob("*-*.jsonl"):
        lines = [json.loads(line) for line in segment.read_bytes().splitlines()]
        counts = Counter(line["row"] for line in lines if line["kind"] in set(RowState))
        assert set(counts.values()) <= {1}


@settings(max_examples=20)
@given(scenes)
def test_counts_agree_in_every_ending(scene: Scene) -> None:
    """Summary, results, record, failed rows and contacts agree after each attempt, and the last one sends the rest."""
    with tempfile.TemporaryDirectory() as scratch, Emulator(active_contacts=scene.quota) as emulator:
        hook = ConnectHook("aws_default", max_in_flight=8)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW_CONN_AWS_DEFAULT", aws_connection_json(emulator))
            folder = run_folder(Path(scratch), **WHOSE)
            for number, attempt in enumerate(scene.attempts, 1):
                emulator.set_faults(attempt.faults, scene.seed)
                ended = run(scene, attempt, number, folder, hook)
                check(scene, ended, folder, emulator)
                assert ended.readings <= 2 or isinstance(ended.error, (InputError, RecordError))
            emulator.set_faults("")
            last = Attempt("", None, None, is_written=True, breaks_off_at=None, on_invalid="skip")
            ended = run(scene, last, 9, folder, hook)
            check(scene, ended, folder, emulator)
            if scene.quota is None and ended.error is None:
                # A row that is refused after an attempt whose answer is not on record stays unknown.
                assert ended.states[RowState.UNKNOWN] <= scene.kinds.count("refused")
                assert ended.states[RowState.NOT_SENT] == 0


def test_counts_have_one_order() -> None:
    """XCom, asset event, progress and dry run have the counts in the order of the states, and the log has them too."""
    states = {RowState.NOT_SENT: 5, RowState.CREATED: 1_000, RowState.ALREADY_CREATED: 2}
    assert list(counted(states)) == ["rows", *RowState]
    assert counted(states)["rows"] == 1_007
    assert in_words(states) == "Of 1,007 rows: 1,000 created, 2 already created, 5 not sent."
    assert in_words({}) == "Of 0 rows: 0 created."


def test_failed_rows_leave_nothing_behind(tmp_path: Path) -> None:
    """Rows that are kept have no name on the disk, do not fill the memory, and are written in their order."""
    path = tmp_path / "failed.jsonl"
    failed = FailedRows()
    with planned(rows_of(*range(1, 2_001))) as plan:
        for row in range(2_000, 1_000, -1):
            failed.keep(row, {"id": row, "note": "x" * 2_000}, RowState.FAILED)
        failed.want([(500, RowState.FAILED, None), (1, RowState.FAILED, None)])
        files = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert [file for file in files if "etilqs" in file and file.endswith(" (deleted)")]
        assert not [file for file in files if "etilqs" in file and not file.endswith(" (deleted)")]
        assert failed.write(str(path), plan) == {RowState.FAILED: 1_002}
        written = [json.loads(line)["id"] for line in path.read_text().splitlines()]
        assert written == [1, 500, *range(1_001, 2_001)]
        failed.want([(7, RowState.UNKNOWN, None)], only=True)
        assert failed.write(str(path), plan) == {RowState.UNKNOWN: 1}
    failed.close()


def test_row_that_cannot_be_kept_is_reported_when_it_is_written(tmp_path: Path) -> None:
    """What goes wrong while rows are sent ends no sending; the file is not written in part."""
    failed = FailedRows()
    failed.keep(1, {"id": 1}, RowState.FAILED)
    failed._database.close()  # as a disk that is full
    failed.keep(2, {"id": 2}, RowState.FAILED)
    with planned(rows_of(1, 2)) as plan, pytest.raises(Exception, match="closed"):
        failed.write(str(tmp_path / "failed.jsonl"), plan)
    assert list(tmp_path.iterdir()) == []


def test_rows_of_an_input_that_changed_are_not_reported_by_their_numbers(tmp_path: Path) -> None:
    """Once the input has changed, a number may be another row's, so that the file of failed rows is not written."""

    class Changing(Rows):
        def read(self) -> Iterator[tuple[int, Any]]:
            rows = list(super().read())
            return iter(rows if self.readings == 1 else [(1, rows[1][1]), (2, rows[0][1])])

    failed = FailedRows()
    failed.want([(2, RowState.FAILED, None)])
    with planned(Changing(rows_of(1, 2), None)) as plan:
        with pytest.raises(InputError, match="another row 1"):
            list(plan.contacts())
        with pytest.raises(InputError, match="another row 1"):
            failed.write(str(tmp_path / "failed.jsonl"), plan)
    failed.close()
    assert list(tmp_path.iterdir()) == []


def begin(rows: list[dict[str, Any]], root: Path, run: str, number: int, happens: Any) -> Counter[str]:
    """Begin an attempt of a run, let something happen instead of the sending, and return what the report counts."""
    who = {**WHOSE, "run_id": run}
    folder = run_folder(root, **who)
    silent = SimpleNamespace(**dict.fromkeys(("incr", "gauge", "timing"), nothing))
    with (
        planned(rows, key="{{ row.id }}") as plan,
        Report(plan, folder, log=LOG, metrics=silent, tags={}) as report,
        History(root, asked_by=who) as history,
        Ledger(folder, header={**who, "try_number": number, "rows": plan.rows}) as ledger,
    ):
        report.record_faults(ledger, history)
        happens(plan, ledger, history)
        assert report.finish(Progress(), ledger, history, None) is None
        return Counter({state.value: count for state, count in report.states(Progress()).items() if count})


def test_retry_that_ends_before_rows_counts_them_as_not_sent(tmp_path: Path) -> None:
    """Also if they were invalid or skipped, or if the record of their contacts is gone: counts and results agree."""

    def create(plan: Any, ledger: Ledger, _history: History) -> None:
        for contact in plan.contacts():
            ledger.intend([(contact.row, contact.key, contact.token, contact.content)])
            ledger.created(contact.row, f"contact-{contact.row}", attempts=1)

    def find(plan: Any, ledger: Ledger, history: History) -> None:
        for contact in plan.contacts():
            known = history.get(contact.token)
            assert known
            ledger.not_again(contact.row, contact.key, contact.token, known)

    right, wrong = rows_of(1, 2, 3), [*rows_of(1, 2), {"id": 3, "city": ["x"]}]
    begin(right, tmp_path, "first", 1, create)
    begin(wrong, tmp_path, "second", 1, find)
    folder = run_folder(tmp_path, **WHOSE | {"run_id": "second"})
    states = {row["row"]: row["state"] for row in read_results(folder)}
    assert states == {1: "already_created", 2: "already_created", 3: "invalid"}
    shutil.rmtree(run_folder(tmp_path, **WHOSE | {"run_id": "first"}))
    counts = begin(right, tmp_path, "second", 2, nothing)
    assert counts == {"not_sent": 3}
    assert Counter(row["state"] for row in read_results(folder)) == counts
    assert {state: count for state, count in count_results(folder).items() if count} == {"rows": 3, **counts}


def failed_rows(source: Any, folder: Path, caplog: pytest.LogCaptureFixture) -> tuple[list[dict[str, Any]], str]:
    """Return what a file of failed rows holds where invalid rows end the task, and what the log says of it."""
    silent = SimpleNamespace(**dict.fromkeys(("incr", "gauge", "timing"), nothing))
    path = folder / "failed.jsonl"
    caplog.set_level("INFO")
    with (
        planned(source, contact=CONTACT) as plan,
        Report(plan, folder, log=logging.getLogger(), metrics=silent, tags={}, keeps={RowState.INVALID}) as report,
        History(folder, asked_by=WHOSE) as history,
    ):
        report.log_faults()
        ledger = Ledger(folder, header={**WHOSE, "try_number": 1, "rows": plan.rows})
        report.record_faults(ledger, history)
        assert report.finish(Progress(), ledger, history, None) is None
        assert report.write_failed_rows(str(path), Progress()) is None
    return [json.loads(line) for line in path.read_text().splitlines()], caplog.text


def test_failed_rows_of_many_files_name_file_line_and_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every row that is invalid or unreadable is there, with its place and its fault; so do log and file of faults."""
    one, two, three = (tmp_path / f"{name}.csv" for name in ("1", "2", "3"))
    one.write_text(f'id,related\nA-1,{NO_SUCH_CONTACT}\n"A\n-2",{TOO_LONG}\n\nA-3\n')
    two.write_text(f'id,related\n"A-4"x,\nA-5,{NO_SUCH_CONTACT}\n')
    three.write_text(f"id,related\nA-6,{TOO_LONG}\n")
    rows, log = failed_rows(FileRows(str(tmp_path / "*.csv")), tmp_path / "results", caplog)
    place = [tuple(row[f"airflow_connect_{name}"] for name in ("row", "file", "line", "state")) for row in rows]
    assert place == [
        (2, str(one), 3, "invalid"),
        (3, str(one), 6, "invalid"),
        (4, str(two), 2, "invalid"),
        (6, str(three), 2, "invalid"),
    ]
    assert [(row.get("id"), row.get("airflow_connect_text")) for row in rows] == [
        ("A\n-2", None),
        (None, "A-3"),
        (None, '"A-4"x,'),
        ("A-6", None),
    ]
    faults = [json.loads(line) for line in (tmp_path / "results" / "faults.jsonl").read_text().splitlines()]
    assert {(fault["row"], fault["file"], fault["line"]) for fault in faults} == {
        (row, file, line) for row, file, line, _ in place
    }
    for (row, file, line, _), reported in zip(place, rows, strict=True):
        assert f"row {row} ({file}, line {line})" in log
        assert reported["airflow_connect_fault"]
    assert rows[1]["airflow_connect_fault"] == "has 1 field, and the header 2"
    assert rows[3]["airflow_connect_fault"].startswith("related_contact_id: ")
    assert "4 rows are in" in log
    assert "2 rows that were not sent are not in" in log


def test_failed_rows_are_an_input_without_what_was_added(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A rerun reads the rows as they were, and does not lose the line that nobody corrected."""
    first = tmp_path / "first.jsonl"
    first.write_text(f'{{"id": "A-1", "related": "{TOO_LONG}"}}\n{{"id": \n')
    rows, _ = failed_rows(FileRows(str(first)), tmp_path / "1", caplog)
    again = FileRows(str(tmp_path / "1" / "failed.jsonl"))
    seen: list[dict[str, Any]] = []

    def contact(row: dict[str, Any]) -> dict[str, Any]:
        seen.append(row)
        return {"channel": "TASK", "name": "Order"}

    with planned(again, contact=contact) as plan:
        assert seen == [{"id": "A-1", "related": TOO_LONG}]
        assert (plan.rows, plan.valid) == (2, 1)
        assert "airflow_connect_text" in str(next(plan.faults()))
    rows_again, _ = failed_rows(again, tmp_path / "2", caplog)
    assert [row.get("airflow_connect_text") for row in rows_again] == [None, '{"id":']
    assert [row.get("id") for row in rows_again] == [row.get("id") for row in rows] == ["A-1", None]


def test_failed_rows_whose_columns_were_partly_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who corrects a file of failed rows may remove some of its columns: the file of a rerun has each column once."""
    reported = {"airflow_connect_fault": "was wrong", "airflow_connect_state": "failed"}
    failed_rows([{"id": "x" * 2_000, "related": None, **reported}], tmp_path, caplog)
    text = (tmp_path / "failed.jsonl").read_text()
    assert text.count("airflow_connect_fault") == text.count("airflow_connect_state") == 1


def test_failed_rows_of_parquet_and_lists_are_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read as a row is there in words, whatever the rows come from."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "orders.parquet"
    broken = _text(b"A-1", b"\xffA-2")
    pq.write_table(pa.table({"id": broken, "related": pa.array([None, None], pa.string())}), path)
    [row], _ = failed_rows(FileRows(str(path)), tmp_path / "1", caplog)
    assert (row["airflow_connect_row"], row["airflow_connect_file"]) == (2, str(path))
    assert "A-2" in row["airflow_connect_text"]
    rows, _ = failed_rows([{"id": 1, "related": None}, "A-2", {3: "A-3"}], tmp_path / "2", caplog)
    assert [row["airflow_connect_text"] for row in rows] == ["A-2", '{"3": "A-3"}']


def _text(*values: bytes) -> Any:
    """Return a column of text that is not UTF-8, as some writers of Parquet make it."""
    import pyarrow as pa

    binary = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(values), binary.buffers())


# --- The line of progress -----------------------------------------------------------------------------------------


def reported(caplog: pytest.LogCaptureFixture, folder: Any, *progress: Progress) -> list[str]:
    """Return the lines of progress of ten rows."""
    silent = SimpleNamespace(incr=nothing, gauge=nothing, timing=nothing)
    with planned(rows_of(*range(10))) as plan, Report(plan, folder, log=LOG, metrics=silent, tags={}) as report:
        caplog.clear()
        for one in progress:
            report.report_progress(one)
    return [line for line in caplog.messages if "rows done" in line]


def test_throttled_answers_are_counted_with_the_calls_that_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls of one interval that are throttled in the next are not more than all of that one."""
    caplog.set_level(logging.INFO)
    lines = reported(
        caplog,
        tmp_path,
        Progress(calls=60, answers=4, throttled=0, in_flight=56, seconds=5),
        Progress(calls=70, answers=64, throttled=56, in_flight=6, accepted=4, seconds=10),
        Progress(calls=70, answers=70, throttled=62, accepted=4, seconds=15),
        Progress(calls=70, answers=70, throttled=62, accepted=4, seconds=20),
    )
    assert [re.findall(r"([\d.]+) % throttled", line) for line in lines] == [["0.0"], ["93.3"], ["100.0"], ["0.0"]]


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Progress(answers=8, waiting_for_record=12.4), "; waiting for the results to be stored (12 s)"),
        (Progress(answers=8, waiting_for_record=0.5), " failed"),
        (Progress(waiting_for_quota=True, in_flight=1), "; waiting for active contacts to end (quota)"),
        (Progress(in_flight=1_024), "; waiting for the answers to 1,024 calls"),
        (Progress(waiting_for_rows=True), "; waiting for rows to be read"),
    ],
    ids=lambda value: value.strip("; ") if isinstance(value, str) else "",
)
def test_progress_says_what_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, now: Progress, words: str
) -> None:
    """A line without a new contact says why."""
    caplog.set_level(logging.INFO)
    [line] = reported(caplog, tmp_path, now)
    assert line.endswith(words)


def test_progress_goes_on_while_the_store_does_not_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is not silent while the record is waited for, and all that was sent is on record afterwards."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(report_module, "_LONG", 0.0)
    answers = threading.Event()
    put = Place.put

    def slow(place: Place, name: str, data: bytes) -> None:
        answers.wait(60)
        put(place, name, data)

    silent = SimpleNamespace(incr=nothing, gauge=nothing, timing=nothing)
    folder = UPath(f"memory://{tmp_path}")
    with (
        planned(rows_of(*range(10))) as plan,
        Report(plan, folder, log=LOG, metrics=silent, tags={}) as report,
        History(folder, asked_by=WHOSE) as history,
        Ledger(folder, header={**WHOSE, "try_number": 1, "rows": 10}) as ledger,
    ):
        report.record_faults(ledger, history)
        monkeypatch.setattr(Place, "put", slow)

        def tell(progress: Progress) -> None:
            report.report_progress(progress)
            if sum("results to be stored" in line for line in caplog.messages) >= 3:
                answers.set()

        sender = Sender(
            plan.contacts(),
            lambda params: {"ContactId": params["ClientToken"]},
            operation="CreateContact",
            pace=AtOnce(time.monotonic(), max_in_flight=4),
            ledger=ledger,
            history=history,
            on_settled=report.settled,
            max_in_flight=4,
        )
        done = sender.run(tell, every=0.05)
        assert report.finish(done, ledger, history, sender.stopped_by) is None
    assert [row["state"] for row in read_results(folder)] == ["created"] * 10
    assert json.loads((folder / "progress.json").read_text())["created"] == 10

    with planned(rows_of(*range(12))) as plan, Report(plan, folder, log=LOG, metrics=silent, tags={}) as report:
        for whose in (WHOSE, WHOSE | {"run_id": "another"}):
            caplog.clear()
            with History(folder, asked_by=whose) as history:
                report.log_record(history)
            found = ["Found the record of an earlier attempt of this task. Of 12 rows: 10 created, 2 not sent."]
            assert caplog.messages == (found if whose is WHOSE else [])
