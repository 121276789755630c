"""The command line, as people and scripts use it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.__main__ import main
from airflow_connect.api.errors import RequestError
from airflow_connect.permissions import PERMISSIONS, UNKNOWN, needed_actions
from airflow_connect.record.format import RowState
from airflow_connect.record.ledger import Ledger, run_folder
from tests.record.headers import HEADER, IDENTITY

if TYPE_CHECKING:
    from pathlib import Path

CONTACT = 'channel: TASK\nname: "Order {{ row.id }} of {{ params.shop }}"\nattributes: {phone: "{{ row.phone }}"}\n'

#: The counts of an attempt that has done nothing.
NONE = dict.fromkeys(RowState, 0)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the template of a contact in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contact.yaml").write_text(CONTACT)
    return tmp_path


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The folder of an attempt that ended: one contact, one failed row, one that is invalid."""
    folder = run_folder(tmp_path / "record", **IDENTITY)
    with Ledger(folder, header=HEADER | {"rows": 3}) as ledger:
        ledger.intend([(1, "k-1", "t-1", "c-1"), (2, "k-2", "t-2", "c-2")])
        ledger.created(1, "contact-1", attempts=1)
        ledger.failed(2, RequestError("[red]Amazon[/red] says no."), attempts=1)
        ledger.invalid(3, "name: must not be empty")
        ledger.counts(NONE | {RowState.CREATED: 1, RowState.FAILED: 1, RowState.INVALID: 1})
    return folder


# --- check ----------------------------------------------------------------------------------------------------------


def check(*arguments: str) -> int:
    return main(["check", "rows.csv", "--contact", "contact.yaml", "--param", "shop=Bern", *arguments])


def test_rows_without_a_fault(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are counted, and the exit code is 0."""
    (files / "rows.csv").write_text("id,phone\n1,+1\n2,\n")
    assert check() == 0
    assert capsys.readouterr().out == "2 rows: 2 valid, 0 with faults. Nothing was sent.\n"


def test_faults(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is reported with its row and line, once for all rows that share it or one by one; the exit code is 1."""
    (files / "contact.yaml").write_text("channel: TASK\nexpiry_duration_in_minutes: '{{ row.id }}'\nname: Call\n")
    (files / "rows.csv").write_text("id,phone\nKim Rey,+1\n2,+2\nKim Rey,+3\n2,+2\n")
    assert check("--idempotency-key", "{{ row.phone }}", "--on-duplicate", "skip") == 1
    reported = capsys.readouterr().out
    assert "row 1 (rows.csv, line 2), row 3 (rows.csv, line 4)" in reported
    assert reported.splitlines()[-1] == "4 rows: 1 valid, 2 with faults, 1 skipped. Nothing was sent."
    assert "Kim Rey" not in reported

    assert check("--all") == 1
    one_by_one = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in one_by_one[:-1]] == ["row 1", "row 3"]


def test_check_is_that_of_the_operation(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The arguments are those of the operation that is named."""
    (files / "rows.csv").write_text("id,phone\n1,+12065550100\n")
    (files / "contact.yaml").write_text("destination_phone_number: '{{ row.phone }}'\n")
    assert check("--operation", "start_outbound_voice") == 2
    assert "contact_flow_id: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("contact", "arguments", "words"),
    [
        ("- a list", [], "contact.yaml must have the arguments of a contact by their names"),
        ("name: [", [], "contact.yaml, line 1 is not YAML"),
        (CONTACT, ["--param", "shop"], "--param is 'shop'; write NAME=VALUE."),
        (CONTACT, ["--delimiter", ";;"], "delimiter, quotechar or escapechar is wrong"),
        (CONTACT, ["--idempotency-key", "same"], "must name a column of the row"),
        (CONTACT.replace("row.phone", "row.fone"), [], "does not have the column 'fone'"),
        (CONTACT.replace("params.shop", "params.town"), [], "town"),
    ],
)
def test_what_cannot_be_checked(
    files: Path, capsys: pytest.CaptureFixture[str], contact: str, arguments: list[str], words: str
) -> None:
    """One line says what to correct, without a traceback; the exit code is 2."""
    (files / "rows.csv").write_text("id,phone\n1,+1\n")
    (files / "contact.yaml").write_text(contact)
    assert check(*arguments) == 2
    reported = capsys.readouterr()
    assert reported.out == ""
    assert reported.err.startswith("error: ")
    assert words in reported.err


def test_file_that_is_not_there(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, whichever of the two it is."""
    assert check() == 2
    assert "rows.csv does not exist" in capsys.readouterr().err
    assert main(["check", "rows.csv", "--contact", "other.yaml"]) == 2
    assert "other.yaml cannot be read: No such file or directory." in capsys.readouterr().err


# --- results --------------------------------------------------------------------------------------------------------


def test_table(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each row; how many of them is for the caller to say."""
    assert main(["results", str(record)]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["row", "state", "contact_id", "attempts", "outcome", "message"]
    assert [row.split()[:2] for row in rows] == [["1", "created"], ["2", "failed"], ["3", "invalid"]]
    assert "[red]Amazon[/red] says no." in rows[1]

    assert main(["results", str(record), "--limit", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("These are the first 1 rows.")


def test_a_terminal_does_not_obey_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A record is a file: what would move the cursor, colour or clear a terminal is not printed."""
    with Ledger(run_folder(tmp_path, **IDENTITY), header=HEADER | {"rows": 1}) as ledger:
        ledger.intend([(1, "k-1", "t-1", "c-1")])
        ledger.failed(1, RequestError("\x1b[2Jgone \x9b31m\u202etxt"), attempts=1)
    assert main(["results", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "\N{REPLACEMENT CHARACTER}[2Jgone" in shown
    assert [one for one in shown if not one.isprintable() and one != "\n"] == []


def test_states(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of some states alone, one JSON object a line."""
    assert main(["results", str(record), "--state", "failed", "--state", "invalid", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["row"], row["key"]) for row in rows] == [(2, "k-2"), (3, None)]


def test_files(record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CSV that a spreadsheet opens, and Parquet, which is not for a terminal."""
    import pyarrow.parquet

    table, parquet = tmp_path / "results.csv", tmp_path / "results.parquet"
    assert main(["results", str(record), "--format", "csv", "--output", str(table)]) == 0
    rows = csv.DictReader(table.read_text().splitlines())
    assert [row["state"] for row in rows] == ["created", "failed", "invalid"]
    assert main(["results", str(record), "--format", "parquet", "--output", str(parquet)]) == 0
    assert pyarrow.parquet.read_table(parquet)["row"].to_pylist() == [1, 2, 3]
    capsys.readouterr()
    assert main(["results", str(record), "--format", "parquet"]) == 2
    assert "--output results.parquet" in capsys.readouterr().err


def test_no_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without a record is named."""
    for command in ("results", "watch"):
        assert main([command, str(tmp_path)]) == 2
        assert str(tmp_path) in capsys.readouterr().err


# --- watch ----------------------------------------------------------------------------------------------------------


def test_watch_ends_with_the_task(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What has ended is printed at once; the exit code says whether somebody has something to do."""
    assert main(["watch", str(record)]) == 1
    assert capsys.readouterr().out == "3 of 3 rows done: 1 created, 1 failed, 1 invalid\n"


def test_watch_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While the task runs, a line for each change, until it records its end."""
    lines: list[str] = []
    with Ledger(run_folder(tmp_path, **IDENTITY), header=HEADER | {"rows": 2}) as ledger:
        ledger.intend([(1, None, "t-1", "c-1"), (2, None, "t-2", "c-2")])
        ledger.created(1, "contact-1", attempts=1)
        code: list[int] = []
        watch = threading.Thread(target=lambda: code.append(main(["watch", str(tmp_path), "--every", "0.05"])))
        watch.start()
        while not lines and watch.is_alive():
            reported = capsys.readouterr()
            assert reported.err == ""
            lines += reported.out.splitlines()
        ledger.created(2, "contact-2", attempts=1)
        ledger.counts(NONE | {RowState.CREATED: 2})
    watch.join(timeout=30)
    reported = capsys.readouterr()
    assert reported.err == ""
    assert code == [0]
    lines += reported.out.splitlines()
    assert lines[0].startswith("1 of 2 rows done: 1 created")
    assert lines[-1] == "2 of 2 rows done: 2 created"


# --- iam ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "arguments", "actions"),
    [
        ("BulkCreateContactsOperator", {"operation": "create"}, {"CreateContact"}),
        ("BulkCreateContactsOperator", {"operation": "start_task"}, {"StartTaskContact"}),
        (
            "BulkCreateContactsOperator",
            {"operation": UNKNOWN},
            {"CreateContact", "StartTaskContact", "StartOutboundVoiceContact"},
        ),
        ("CreateContactOperator", {}, {"CreateContact"}),
        (
            "CreateContactOperator",
            {"wait_for_completion": True, "stop_on_kill": True},
            {"CreateContact", "DescribeContact", "ListAssociatedContacts", "StopContact"},
        ),
        ("ContactNotifier", {"scope": "task"}, {"CreateContact"}),
        ("ContactNotifier", {"contact_flow_id": UNKNOWN}, {"CreateContact", "StartTaskContact"}),
        ("ContactNotifier", {"action": "stop"}, {"SearchContacts", "DescribeContact", "StopContact"}),
        ("EmptyOperator", {}, set()),
    ],
)
def test_needed_actions(operator: str, arguments: dict[str, Any], actions: set[str]) -> None:
    """Those that the arguments make the operator call, and all where only the run knows them."""
    assert needed_actions([operator, "object"], arguments.get) - {"DescribeInstance"} == actions


def test_each_action_is_an_operation() -> None:
    """And each operator has each action once."""
    from airflow_connect.api.operations import operation_named

    for permissions in PERMISSIONS.values():
        names = [permission.action for permission in permissions]
        assert [operation_named(name).name for name in names] == names
        assert len(set(names)) == len(names)


# --- The process ----------------------------------------------------------------------------------------------------


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """What there is is listed."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    reported = capsys.readouterr().out
    assert all(command in reported for command in ("check", "results", "watch", "iam", "emulator"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["results", "--limit", "-3"], "argument --limit: '-3' is not a whole number from 0"),
        (["results", "--limit", "1e3"], "argument --limit: '1e3' is not a whole number from 0"),
        (["watch", "--every", "0"], "argument --every: '0' is not a number of seconds above 0"),
        (["watch", "--every", "nan"], "argument --every: 'nan' is not a number of seconds above 0"),
        (["watch", "--every", "1e30"], "argument --every: '1e30' is not a number of seconds above 0"),
    ],
)
def test_number_out_of_range(
    record: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """It is refused before anything is read, without a traceback."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments, str(record)])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_what_others_print_is_not_in_the_answer(
    record: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Airflow logs to the standard output: a script that reads CSV or JSON there does not get it."""
    from airflow_connect.record import results

    def reads(*arguments: Any, **options: Any) -> Any:
        print("No credentials found, using anonymous access")
        yield from read(*arguments, **options)

    read = results.read_results
    monkeypatch.setattr(results, "read_results", reads)
    assert main(["results", str(record), "--format", "jsonl"]) == 0
    printed = capsys.readouterr()
    assert [json.loads(line)["row"] for line in printed.out.splitlines()] == [1, 2, 3]
    assert printed.err == "No credentials found, using anonymous access\n"


@pytest.mark.parametrize("arguments", [[], ["--output", "/dev/full"]])
def test_disk_that_is_full(record: Path, arguments: list[str]) -> None:
    """One line says so, on the way to a file or to a pipe; the exit code is 2."""
    command = [sys.executable, "-m", "airflow_connect", "results", str(record), "--format", "csv", *arguments]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: The output cannot be written: No space left on device.\n",
    )


def test_reader_that_has_enough(record: Path) -> None:
    """As `| head` does: the rest is not written, and nothing is complained of."""
    command = [sys.executable, "-m", "airflow_connect", "results", str(record), "--format", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_emulator_takes_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    """They are those of `python -m airflow_connect.emulator`."""
    with pytest.raises(SystemExit):
        main(["emulator", "--help"])
    assert "--latency-ms" in capsys.readouterr().out
