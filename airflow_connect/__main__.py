"""
The command line: ``python -m airflow_connect``.

::

    check     find every fault of rows before a Dag is there
    results   show what became of each row
    watch     follow a running task
    iam       print the least policy for the operators that a Dag file uses
    emulator  run the local Amazon Connect

Exit codes: 0 if all is well, 1 if there are faults, 2 if a command cannot do what it is asked.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from airflow_connect.api.errors import ConnectError
from airflow_connect.api.operations import CreateContact, operations_for_rows
from airflow_connect.record.format import RowState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_connect.record.index import Totals

#: Exit codes, as of grep: there are faults; it could not be done.
_FAULTS: Final = 1
_TROUBLE: Final = 2
_INTERRUPTED: Final = 130

#: An instance's ID where none matters: nothing is sent.
_NO_INSTANCE: Final = "00000000-0000-0000-0000-000000000000"
#: Columns of a row that fit beside each other.
_SHOWN: Final = ("row", "state", "contact_id", "attempts", "outcome", "message")
#: Seconds between two readings at most.
_LONGEST: Final = 86_400
#: Rows of a table, where nobody says how many.
_ROWS_SHOWN: Final = 50
_FORMATS: Final = ("table", "csv", "jsonl", "parquet")


class _UsageError(Exception):
    """What is wrong with the command line or a file that it names; said without a traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run a command.

    :param arguments: of the command line; ``None`` takes the process's own
    :return: the exit code
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["emulator"]:
        from airflow_connect.emulator.__main__ import main as emulator

        return emulator(given[1:])
    options = _parser().parse_args(given)
    options.out = sys.stdout or io.StringIO()  # None where it was closed
    try:
        with redirect_stdout(sys.stderr):  # what Airflow logs, and a Dag file prints, is not a part of the answer
            code: int = options.command(options)
        options.out.flush()
    except (ConnectError, _UsageError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Who reads has enough.
        _discard(options.out)
        return 0
    except OSError as error:
        _discard(options.out)
        why = error.strerror or type(error).__name__
        return _fail(f"{error.filename}: {why}." if error.filename else f"The output cannot be written: {why}.")
    return code


def _fail(words: str) -> int:
    print(f"error: {words}", file=sys.stderr)  # noqa: T201  # the program's output
    return _TROUBLE


def _discard(file: IO[str]) -> None:
    """Discard what could not be written: Python would complain of it when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_connect", description="Amazon Connect for Apache Airflow.", allow_abbrev=False
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], words: str) -> Callable[..., Any]:
        sub = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.", allow_abbrev=False)
        sub.set_defaults(command=run)
        return sub.add_argument

    add = command("check", _check, "check rows as a bulk task does, and send nothing")
    add("rows", help="a file of rows, or a pattern: CSV, JSON Lines or Parquet, local or in a store (s3://…)")
    add("--contact", required=True, metavar="FILE", help="YAML or JSON: the argument contact of the bulk operator")
    add("--operation", default=CreateContact.short_name(), choices=sorted(operations_for_rows()))
    add("--idempotency-key", metavar="TEMPLATE", help="as in '{{ row.order_id }}'")
    add("--on-duplicate", default="fail", choices=["fail", "skip"], help="two rows with one key (default: %(default)s)")
    add("--param", action="append", default=[], metavar="NAME=VALUE", help="a value of params; may be given again")
    add("--conn-id", help="the Airflow connection to the store of the rows")
    add("--format", choices=["csv", "jsonl", "parquet"], help="of the rows (default: by the suffix)")
    add("--encoding", default="utf-8", help="of the rows (default: %(default)s)")
    add("--delimiter", help="of CSV")
    add("--all", action="store_true", help="print each fault of each row, and not once for all rows that share it")

    add = command("results", _results, "show what became of each row of a bulk task")
    _add_record(add)
    add("--state", action="append", choices=list(RowState), help="rows of this state; may be given again")
    add("--format", default="table", choices=_FORMATS, help="default: %(default)s")
    add("--output", metavar="FILE", help="write to a file (default: the terminal); Parquet needs one")
    add("--limit", type=_whole_number, default=_ROWS_SHOWN, help="rows of a table; 0 for all (default: %(default)s)")

    add = command("watch", _watch, "follow a bulk task until it ends")
    _add_record(add)
    add("--every", type=_seconds, default=1.0, metavar="SECONDS", help="between two readings (default: %(default)s)")

    add = command("iam", _iam, "print the least IAM policy for the operators that a Dag file uses")
    add("file", type=Path, help="a Dag file")
    add("--instance", default="INSTANCE_ID", help="the instance's ID")
    add("--region", default="REGION", help="AWS Region of the instance")
    add("--account", default="ACCOUNT", help="AWS account of the instance")
    add("--partition", default="aws", choices=["aws", "aws-us-gov"])

    commands.add_parser("emulator", help="run the local Amazon Connect", add_help=False)
    return parser


def _whole_number(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0, and up to {_LONGEST:,}")
    return seconds


def _add_record(add: Callable[..., Any]) -> None:
    add("path", help="the folder of results, as the task logs and returns it, or one above several")
    add("--conn-id", help="the Airflow connection to the store of the folder")


# --- check ----------------------------------------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    from airflow_connect.bulk.plan import Plan, TaskInstance
    from airflow_connect.bulk.sources import FileRows
    from airflow_connect.bulk.template import compile_contact, compile_text

    request = operations_for_rows()[options.operation]
    contact = _mapping(options.contact)
    try:
        source = FileRows(
            options.rows,
            conn_id=options.conn_id,
            format=options.format,
            encoding=options.encoding,
            delimiter=options.delimiter,
        )
    except ValueError as error:
        raise _UsageError(str(error)) from None
    environment, context = _environment(options.param)
    key = options.idempotency_key
    plan = Plan(
        source,
        request,
        compile_contact(contact, request, context, environment),
        key=None if key is None else compile_text(key, context, environment, operation=request.name),
        region="",
        instance_id=_NO_INSTANCE,
        asked_by=TaskInstance("check", "check", "check"),
        on_duplicate=options.on_duplicate,
        now=time.time(),
    )
    with plan:
        for fault in plan.faults() if options.all else plan.shared_faults():
            _print(options.out, str(fault))
        skipped = plan.rows - plan.valid - plan.invalid
        more = f", {skipped:,} skipped" if skipped else ""
        _print(
            options.out,
            f"{plan.rows:,} rows: {plan.valid:,} valid, {plan.invalid:,} with faults{more}. Nothing was sent.",
        )
        return _FAULTS if plan.invalid else 0


def _mapping(name: str) -> Mapping[str, Any]:
    """Return what a file of YAML or JSON has, which is a part of YAML."""
    import yaml

    try:
        found = yaml.safe_load(Path(name).read_bytes())
    except OSError as error:
        raise _UsageError(f"{name} cannot be read: {error.strerror}.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise _UsageError(f"{name}{where} is not YAML: {getattr(error, 'problem', None) or error}.") from None
    if not isinstance(found, Mapping) or not all(isinstance(one, str) for one in found):
        raise _UsageError(
            f"{name} must have the arguments of a contact by their names, as in: name: Order {{{{ row.order_id }}}}"
        )
    return found


def _environment(given: Iterable[str]) -> tuple[Any, dict[str, Any]]:
    """Return Jinja's environment of a Dag, and of Airflow's context what does not depend on a run."""
    from airflow.providers.common.compat.sdk import DAG

    params = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign:
            raise _UsageError(f"--param is {one!r}; write NAME=VALUE.")
        params[name] = value
    now = datetime.now(UTC)
    names = {
        "params": params,
        "logical_date": now,
        "ds": f"{now:%Y-%m-%d}",
        "ds_nodash": f"{now:%Y%m%d}",
        "ts": now.isoformat(),
        "ts_nodash": f"{now:%Y%m%dT%H%M%S}",
        "run_id": f"manual__{now.isoformat()}",
    }
    return DAG("check", schedule=None).get_template_env(), names


# --- results --------------------------------------------------------------------------------------------------------


def _results(options: argparse.Namespace) -> int:
    from airflow_connect.record.results import COLUMNS, export_results, read_results
    from airflow_connect.record.sheets import csv_lines

    if options.format == "parquet":
        if not options.output:
            raise _UsageError("Parquet is not for a terminal. Name a file: --output results.parquet")
        count = export_results(options.path, options.output, conn_id=options.conn_id, states=options.state)
        _print(options.out, f"{count:,} rows written to {options.output}.")
        return 0
    rows = read_results(options.path, conn_id=options.conn_id, states=options.state)
    with _output(options) as file:
        if options.format == "jsonl":
            for row in rows:
                file.write(f"{json.dumps(row, ensure_ascii=False)}\n")
        elif options.format == "csv":
            file.writelines(csv_lines(list(COLUMNS), map(_flat, rows)))
        else:
            _write_table(file, rows, options)
    return 0


@contextmanager
def _output(options: argparse.Namespace) -> Iterator[IO[str]]:
    """Give the file that results go to, or the process's output where it has no name."""
    name = options.output
    if name is None:
        yield options.out
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(name).open("w", encoding="utf-8", newline=""))
        except OSError as error:
            raise _UsageError(f"{name} cannot be written: {error.strerror}.") from None
        yield file


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose attributes are one cell."""
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in row.items()}


def _write_table(file: IO[str], rows: Iterator[dict[str, Any]], options: argparse.Namespace) -> None:
    shown = list(islice(rows, options.limit)) if options.limit else list(rows)
    cells = [["" if row[name] is None else _printable(str(row[name])) for name in _SHOWN] for row in shown]
    if file.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*_SHOWN, header_style="bold")
        for line in cells:
            table.add_row(*map(Text, line))  # a text is not rich's markup
        Console(file=file).print(table)
    else:
        widths = [max(map(len, column)) for column in zip(_SHOWN, *cells, strict=True)]
        for row in (_SHOWN, *cells):
            file.write(f"{'  '.join(map(str.ljust, row, widths)).rstrip()}\n")
    if options.limit and next(rows, None) is not None:
        file.write(f"These are the first {options.limit:,} rows. See more of them with --limit, or --format jsonl.\n")


def _printable(text: str) -> str:
    """Return a text that moves no cursor and colours nothing: a terminal obeys what it is shown."""
    return (
        text
        if text.isprintable()
        else "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    )


# --- watch ----------------------------------------------------------------------------------------------------------


def _watch(options: argparse.Namespace) -> int:
    from airflow_connect.record.index import Index
    from airflow_connect.record.results import has_ended
    from airflow_connect.record.storage import place_of

    place = place_of(options.path, options.conn_id)
    with tempfile.TemporaryDirectory() as folder, _Progress(options.out) as progress:
        index = Index(Path(folder), place)
        while True:
            ended = has_ended(place)  # before the reading: what was recorded since is in it
            index.refresh()
            totals = index.totals()
            if totals is not None:
                progress.show(totals)
                if ended:
                    failed = sum(totals.counts.get(state, 0) for state in _BAD)
                    return _FAULTS if failed else 0
            time.sleep(options.every)


#: The states of rows for which somebody has to do something.
_BAD: Final = (RowState.FAILED, RowState.UNKNOWN, RowState.INVALID, RowState.NOT_SENT)


class _Progress(ExitStack):
    """How far a task is: a bar where the output is a terminal, else a line whenever something changed."""

    def __init__(self, out: IO[str]) -> None:
        super().__init__()
        self._out = out
        self._bar: Any = None
        self._before = ""

    def __enter__(self) -> _Progress:
        super().__enter__()
        if self._out.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")
            self._bar = self.enter_context(Progress(*columns, console=Console(file=self._out)))
            self._bar.add_task("", total=None)
        return self

    def show(self, totals: Totals) -> None:
        """
        Show what is on record now.

        :param totals: the record in figures
        """
        rows = totals.counts["rows"]
        done = rows - totals.counts[RowState.NOT_SENT] - totals.in_flight
        words = ", ".join(f"{totals.counts[state]:,} {state}" for state in RowState if totals.counts[state])
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], total=rows, completed=done, description=words)
        elif (line := f"{done:,} of {rows:,} rows done: {words}") != self._before:
            self._before = line
            _print(self._out, line)


# --- iam ------------------------------------------------------------------------------------------------------------


def _iam(options: argparse.Namespace) -> int:
    from airflow_connect.permissions import policy

    if not options.file.is_file():
        raise _UsageError(f"{options.file} is not a file.")
    actions: set[str] = set()
    for dag in _dags(options.file):
        actions.update(*map(_actions, (dag, *dag.tasks)))
    if not actions:
        raise _UsageError(f"No Dag in {options.file} uses an operator, sensor or notifier of this package.")
    allowed = policy(
        actions,
        instance=options.instance,
        region=options.region,
        account=options.account,
        partition=options.partition,
    )
    _print(options.out, json.dumps(allowed, indent=2))
    return 0


def _dags(file: Path) -> list[Any]:
    from airflow_connect._compat import dags_of

    dags, errors = dags_of(file)
    if errors:
        raise _UsageError(f"{file} cannot be imported: {_raised(errors)}")
    return dags


def _raised(errors: str) -> str:
    """Return what was raised, which follows the last line of a traceback, and may have lines of its own."""
    lines = errors.strip().splitlines()
    last = max((number for number, line in enumerate(lines) if line.startswith('  File "')), default=-1)
    return next((line for line in lines[last + 1 :] if line.strip() and not line.startswith(" ")), lines[-1])


def _actions(one: Any) -> set[str]:
    """Return the actions that a task, or a Dag, needs: itself, and its notifiers."""
    from airflow_connect.permissions import needed_actions

    mapped = getattr(one, "partial_kwargs", None)
    kind = type(one) if mapped is None else one.operator_class
    get = _argument(one) if mapped is None else _mapped_argument(one)
    actions = needed_actions([base.__name__ for base in kind.__mro__], get)
    for name in ("success", "failure", "retry", "execute", "skipped"):
        callbacks = get(f"on_{name}_callback") or ()
        for callback in callbacks if isinstance(callbacks, list | tuple) else (callbacks,):
            names = [base.__name__ for base in type(callback).__mro__]
            actions |= needed_actions(names, _argument(callback))
    return actions


def _argument(one: Any) -> Callable[[str], Any]:
    return lambda name: _known(getattr(one, name, None))


def _mapped_argument(one: Any) -> Callable[[str], Any]:
    from airflow_connect.permissions import UNKNOWN

    mapped = one.expand_input.value
    names = set(mapped) if isinstance(mapped, Mapping) else None
    return lambda name: UNKNOWN if names is None or name in names else _known(one.partial_kwargs.get(name))


def _known(value: Any) -> Any:
    from airflow_connect.permissions import UNKNOWN

    return UNKNOWN if isinstance(value, str) and ("{{" in value or "{%" in value) else value


def _print(out: IO[str], text: str) -> None:
    print(text, file=out)


if __name__ == "__main__":
    sys.exit(main())
