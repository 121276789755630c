"""A bulk task as the operator runs it, without Airflow: what several benchmarks measure."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from airflow_connect.api.operations import CreateContact
from airflow_connect.bulk.plan import Plan, TaskInstance
from airflow_connect.bulk.report import Report
from airflow_connect.bulk.send import Sender
from airflow_connect.bulk.template import compile_contact
from airflow_connect.calls.pace import Pace
from airflow_connect.emulator.resources import DEFAULT_INSTANCE_ID, DEFAULT_REGION
from airflow_connect.record.ledger import Ledger
from airflow_connect.record.results import History

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from airflow_connect.bulk.send import Progress

COLUMNS = ("invoice", "customer", "amount", "due")
CONTACT = {
    "channel": "TASK",
    "name": "Invoice {{ row.invoice }} is overdue",
    "attributes": {name: f"{{{{ row.{name} }}}}" for name in ("invoice", "customer", "amount")},
    "references": {"Due": "{{ row.due }}"},
}


def values(row: int) -> tuple[str, str, float, str]:
    """Return what a row of this number has in its columns."""
    return f"INV-{row:07}", f"C-{row % 977}", row / 100, "2026-12-24"


class Metrics:
    """Takes metrics."""

    def incr(self, *_: Any, **__: Any) -> None:
        """Take a count."""

    gauge = timing = incr


def run_task(
    rows: Any,
    folder: Path,
    create: Callable[[dict[str, Any]], Mapping[str, Any]],
    *,
    task_id: str = "task",
    attempt: int = 1,
    only_check: bool = False,
    rate_quota: float | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """
    Check rows, and send what is not on record.

    :param rows: a source of rows
    :param folder: of the task instance
    :param create: makes a contact, in one attempt
    :param attempt: the number of the attempt
    :param only_check: send nothing
    :param rate_quota: calls per second that the quota is said to be
    :raises RecordError: and whatever else ends an attempt
    """
    asked_by = TaskInstance("dag", "run", task_id)
    called = {"region": DEFAULT_REGION, "instance_id": DEFAULT_INSTANCE_ID, "operation": CreateContact.name}
    with ExitStack() as stack:
        plan = stack.enter_context(
            Plan(
                rows,
                CreateContact,
                compile_contact(CONTACT, CreateContact, {}),
                key=None,
                region=DEFAULT_REGION,
                instance_id=DEFAULT_INSTANCE_ID,
                asked_by=asked_by,
                now=time.time(),
            )
        )
        log = logging.getLogger("bulk")
        report = stack.enter_context(Report(plan, folder, log=log, metrics=Metrics(), tags={}))
        if report.log_faults() is not None or only_check:
            return
        header = {**asked_by._asdict(), **called, "try_number": attempt, "rows": plan.rows}
        ledger = stack.enter_context(Ledger(folder, header=header))
        history = stack.enter_context(
            History(folder, asked_by=asked_by._asdict(), called=called, apart_from=ledger.writer)
        )
        if history.count_missing(plan.left, with_key=False):
            raise SystemExit("rows that were sent are not in the input")
        report.log_record(history)
        report.record_faults(ledger, history)
        sender = Sender(
            plan.contacts(on_invalid=report.invalid, is_done=lambda *row: sender.is_done(*row)),  # noqa: PLW0108  # it is made next
            create,
            operation=CreateContact.name,
            pace=Pace(time.monotonic(), rate_quota=rate_quota),
            ledger=ledger,
            history=history,
            on_settled=report.settled,
        )

        def tell(progress: Progress) -> None:
            report.report_progress(progress)
            on_progress(progress)

        done = sender.run(tell)
        if (error := report.finish(done, ledger, history, sender.stopped_by)) is not None:
            raise error
