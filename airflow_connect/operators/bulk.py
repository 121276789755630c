"""Rows become contacts: any number of them in one task, once each, at the pace that the account's quota allows."""

from __future__ import annotations

import heapq
import itertools
import math
import os
import time
from array import array
from collections import ChainMap
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import Stats, XComArg, conf, default_results_path, is_retry
from airflow_connect._task import Hidden, confidential, given_text, truth
from airflow_connect.api.errors import (
    ConnectError,
    InvalidRequestError,
    InvalidRowsError,
    LedgerError,
    RowsFailedError,
    RowsRefusedError,
)
from airflow_connect.api.fields import Fault, describe
from airflow_connect.api.operations import operations_for_rows
from airflow_connect.assets.lineage import contacts_lineage, tell_outlets
from airflow_connect.bulk.rows import FileRows, SqlRows, json_line, source_of
from airflow_connect.bulk.send import QUOTA_TIMEOUT, Progress
from airflow_connect.calls.pace import MAX_IN_FLIGHT
from airflow_connect.links.connect import InstanceLink
from airflow_connect.operators.base_connect import ConnectBaseOperator
from airflow_connect.record.format import RowState
from airflow_connect.record.results import export_results, first_attempt, read_results
from airflow_connect.record.storage import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_connect._compat import BaseOperatorLink
    from airflow_connect.bulk.plan import Plan, TaskInstance
    from airflow_connect.bulk.send import Sender
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.results import History

__all__ = ["BulkCreateContactsOperator", "FileRows", "SqlRows", "export_results", "read_results"]

#: Calls per second that Amazon allows by default, for an estimate where nothing better is known.
#: https://docs.aws.amazon.com/connect/latest/adminguide/amazon-connect-service-limits.html#api-throttling-quotas
_DEFAULT_RATE: Final = 2.0

#: Faults of rows that the log names; the file of faults has all.
_FAULTS_IN_LOG: Final = 20

#: Counts that the event of an instance's asset has.
_TOLD_TO_OUTLETS: Final = ("rows", "created", "already_made", "skipped", "invalid", "failed", "unknown")

#: Seconds that a duration tells at most.
_LONGEST: Final = timedelta(days=36_500).total_seconds()

#: Seconds between two lines of progress in the log.
_PROGRESS_EVERY: Final = 5.0


class BulkCreateContactsOperator(ConnectBaseOperator):
    """
    Turn rows into contacts: one task, each row once, as fast as the account's quota allows.

    First all rows are read and checked, and nothing is sent while one of them has a fault. Then they are sent at a pace
    that is found by measuring what Amazon Connect accepts, shared fairly with others who use the same quota. What
    becomes of each row is recorded below ``results_path``, so that a retry sends only what is missing.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:BulkCreateContactsOperator`

    :param rows: a list of dicts, the output of a task, :class:`~airflow_connect.bulk.rows.FileRows` or
        :class:`~airflow_connect.bulk.rows.SqlRows` (templated, but not what a row holds)
    :param contact: the arguments of :class:`~airflow_connect.api.operations.CreateContact` (or, with
        ``operation="start_task"``, of :class:`~airflow_connect.api.operations.StartTaskContact`), with templates
        over ``row`` and Airflow's context: ``{"name": "Order {{ row.order_id }}"}``. Or a function that takes a row, a
        dict, and returns them.
    :param operation: ``create`` for CreateContact (default), ``start_task`` for StartTaskContact
    :param idempotency_key: what identifies a row's contact (template over ``row``: ``"{{ row.order_id }}"``): the same
        key makes one contact over tasks, runs and Dags, for each Region, instance and operation. ``None``: the task
        instance and the rendered contact identify it; rows that render equal contacts make one each.
    :param on_invalid: ``fail`` (default) sends nothing if a row has a fault, ``skip`` sends the others
    :param on_duplicate: ``fail`` (default) takes a key that stands in two rows for a fault, ``skip`` makes it once
    :param dry_run: stop after the check, and return what would be done, and how long it would take at the rate given or
        else at Amazon's default quota (templated)
    :param max_rate: calls per second at most (templated). Default: what the quota allows.
    :param total_rate: the account's quota in calls per second, where it is known (templated): saves the search for it,
        and makes sharing it fair sooner. ``"service_quotas"`` asks Service Quotas for it.
    :param max_in_flight: calls at once at most (default: 256)
    :param quota_timeout: seconds for which to wait for active contacts to end where their number is at its quota
        (default: 3600)
    :param results_path: where the results are recorded: a folder, local or of any storage that Airflow knows, as in
        ``s3://conn_id@bucket/contacts`` (templated). A path that is the same for all runs keeps the promise of
        ``idempotency_key`` for as long as it is kept; Amazon does not say how long it remembers a client token.
        Default: a folder for each run below ``[amazon_connect] results_path`` of Airflow's configuration, else below
        ``AIRFLOW_HOME``.
    :param failed_rows_path: a file (``.jsonl``) that gets the rows that are invalid or failed as they were read, the
        ``rows`` of another run (templated); with an ``idempotency_key`` those of unknown fate too, which another run
        without one would make twice. It is written anew by each attempt. Default: none, since it holds what the rows
        hold.
    :param tolerated_failures: failed rows with which the task still succeeds (templated)
    :param tolerated_failure_percent: the same in percent of all rows (templated). With both, the task fails when
        either is exceeded; with neither, one failed row fails it.
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a row is sent again that is not answered or meets an error of the service
        (default: 300)
    :param sensitive_fields: names of templated arguments that Airflow's UI shows as ``***``. A list of rows is never
        shown.
    :return: ``rows``, ``created``, ``already_made``, ``skipped``, ``invalid``, ``failed``, ``unknown`` (counts of
        rows), ``results`` (the folder of this run's results, for
        :func:`~airflow_connect.record.results.read_results`), ``seconds``, ``rate`` (contacts per second),
        ``throttled`` (calls), ``instance_access_url``; with ``dry_run`` ``rows``, ``valid``, ``invalid``, ``skipped``,
        ``already_made``, ``estimated_seconds``
    :raises InvalidRowsError: if rows have faults; the first 20 are in the log, all of them in a file
    :raises RowsFailedError: if more rows failed than are tolerated, and another attempt may help
    :raises RowsRefusedError: if more rows failed than are tolerated, and all of them for good
    """

    template_fields: Sequence[str] = aws_template_fields(
        "asked_for_dry_run",
        "contact",
        "failed_rows_path",
        "idempotency_key",
        "instance_id",
        "max_rate",
        "results_path",
        "rows",
        "tolerated_failure_percent",
        "tolerated_failures",
        "total_rate",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"contact": "json"}
    template_ext: Sequence[str] = (".sql",)
    operator_extra_links: Sequence[BaseOperatorLink] = (InstanceLink(),)

    def __init__(
        self,
        *,
        rows: Any,
        contact: Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]],
        operation: Literal["create", "start_task"] = "create",
        idempotency_key: str | None = None,
        on_invalid: Literal["fail", "skip"] = "fail",
        on_duplicate: Literal["fail", "skip"] = "fail",
        dry_run: bool | str = False,
        max_rate: float | str | None = None,
        total_rate: float | str | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        quota_timeout: float = QUOTA_TIMEOUT,
        results_path: str | None = None,
        failed_rows_path: str | None = None,
        tolerated_failures: int | str | None = None,
        tolerated_failure_percent: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, allowed in (
            ("operation", operation, tuple(operations_for_rows())),
            ("on_invalid", on_invalid, ("fail", "skip")),
            ("on_duplicate", on_duplicate, ("fail", "skip")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} of task {self.task_id!r} is one of {', '.join(allowed)}.")
        self.rows = rows
        for field in getattr(rows, "template_fields", ()):
            # Airflow looks for the outputs of tasks in lists and dicts, but not in other objects.
            XComArg.apply_upstream_relationship(self, getattr(rows, field))
        self.contact = contact
        self.operation = operation
        self.idempotency_key = idempotency_key
        self.on_invalid = on_invalid
        self.on_duplicate = on_duplicate
        # Airflow's operators have a method dry_run.
        self.asked_for_dry_run: Any = dry_run
        self.max_rate = max_rate
        self.total_rate = total_rate
        try:
            self.max_in_flight = int(max_in_flight)
        except (TypeError, ValueError):
            self.max_in_flight = 0
        if self.max_in_flight < 1:
            raise ValueError(f"max_in_flight of task {self.task_id!r} is a whole number, at least 1.")
        self.quota_timeout = quota_timeout
        self.results_path = results_path
        self.failed_rows_path = failed_rows_path
        self.tolerated_failures = tolerated_failures
        self.tolerated_failure_percent = tolerated_failure_percent
        self._sender: Sender | None = None
        self._failed: dict[RowState, array[int]] = {}
        self._killed = False

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {**super()._hook_parameters, "max_in_flight": self.max_in_flight}

    # --- Templates ------------------------------------------------------------------------------------------------

    def before_rendering(self, context: Context) -> Collection[str]:
        """
        Keep what is rendered with the rows, and what is data, from being rendered now.

        :param context: the context of the task instance
        """
        # What a list of rows holds is data, never a template.
        data = ["rows"] if isinstance(self.rows, (list, tuple)) else []
        return {*super().before_rendering(context), "contact", "idempotency_key", *data}

    def hide_fields(self) -> None:
        """Hide the sensitive fields, and rows wherever they are not a source of rows."""
        if not isinstance(self.rows, (FileRows, SqlRows, Hidden)):
            self.rows = Hidden(self.rows, f"{len(self.rows):,} rows" if hasattr(self.rows, "__len__") else "rows")
        super().hide_fields()

    # --- Execution ------------------------------------------------------------------------------------------------

    @confidential
    def execute(self, context: Context) -> dict[str, Any]:
        """
        Check all rows, then send them.

        :param context: the context of the task instance
        """
        from airflow_connect.bulk.plan import Plan, TaskInstance
        from airflow_connect.bulk.template import compile_contact, compile_text
        from airflow_connect.record.ledger import Ledger, run_folder
        from airflow_connect.record.results import History

        options = _Options(self)
        ti = context["ti"]
        asked_by = TaskInstance(ti.dag_id, ti.run_id, ti.task_id, getattr(ti, "map_index", -1))
        request = operations_for_rows()[self.operation]
        environment = self.get_template_env()
        contact, xcoms = _xcoms_as_names(self.contact, context)
        names = ChainMap(xcoms, cast("Any", context))  # a copy would make Airflow compute all of it
        root = self._results_root()
        folder = run_folder(root, **asked_by._asdict())
        with ExitStack() as stack:
            plan = stack.enter_context(
                Plan(
                    source_of(self.rows),
                    request,
                    compile_contact(contact, request, names, environment),
                    key=None
                    if self.idempotency_key is None
                    else compile_text(self.idempotency_key, names, environment, operation=request.name),
                    region=self.hook.conn_region_name,
                    instance_id=self.hook.instance_id,
                    asked_by=asked_by,
                    on_duplicate=self.on_duplicate,
                    now=first_attempt(folder) or time.time(),
                    on_progress=self._reading,
                )
            )
            self._tell_faults(plan, folder)
            # Where the author gave the path, what all runs recorded there counts; else what this run did.
            known = root if given_text(self.results_path) else folder
            history = stack.enter_context(History(known, asked_by=asked_by._asdict()))
            if options.dry_run:
                return self._estimate(plan, history, options)
            header = {**self._header(context, asked_by), "rows": plan.rows}
            ledger = stack.enter_context(Ledger(folder, header=header))
            for skipped in plan.skipped():
                ledger.skipped(skipped.row, skipped.key, skipped.first)
            for row, faults in itertools.groupby(plan.faults(), key=lambda fault: fault.row):
                ledger.invalid(row, list(faults))
            return self._send(context, plan, ledger, history, folder, options)

    def on_kill(self) -> None:
        """Send nothing more; what is in flight is still awaited and recorded."""
        # Called by a signal handler in the thread that executes: it may take no lock, and wait for nothing.
        self._killed = True
        if self._sender is not None:
            self._sender.stop()

    def get_openlineage_facets_on_complete(self, _task_instance: Any) -> Any:
        """Return the instance as output and the file or tables of the rows as input; for OpenLineage."""
        return contacts_lineage(self.hook.instance_id, self.rows)

    def _results_root(self) -> Any:
        """Return the folder below which results are recorded: the author's, the configuration's, or one of ours."""
        given = given_text(self.results_path)
        if not given and not conf.get("amazon_connect", "results_path", fallback=""):
            self.log.info(
                "Results are recorded on this worker's disk, which another worker does not see: there a retry asks for "
                "all contacts again, with the same client tokens, which makes none twice. Name a results_path, or "
                "configure [amazon_connect] results_path."
            )
        return folder_of(given or default_results_path())

    def _reading(self, rows: int) -> None:
        if self._killed:
            raise RowsFailedError(f"Stopped while the rows were checked, at row {rows:,}; nothing was sent.")

    def _tell_faults(self, plan: Plan, folder: Any) -> None:
        """
        Log and write what the first reading found.

        :raises InvalidRowsError: if nothing may be sent because of it
        """
        from airflow_connect.record.ledger import write_faults

        self.log.info(
            "%d rows read and checked: %d valid, %d invalid, %d duplicates",
            plan.rows,
            plan.valid,
            plan.invalid,
            plan.duplicates,
        )
        if not plan.invalid:
            return
        for fault in plan.faults(_FAULTS_IN_LOG):
            self.log.error("%s", fault)
        path = str(write_faults(folder, plan.faults()))
        self.log.error("All faults: %s", path)
        if self.on_invalid == "fail":
            self._write_failed_rows(plan)
            raise InvalidRowsError(
                f"{plan.invalid:,} of {plan.rows:,} rows have faults, and nothing was sent. The first are in the log, "
                f"all are in {path}. Correct them, or leave these rows out with on_invalid='skip'.",
                operation=operations_for_rows()[self.operation].name,
                code="InvalidRows",
            )

    def _estimate(self, plan: Plan, history: History, options: _Options) -> dict[str, Any]:
        """Return what a run would do and how long it would take."""
        already_made = sum(getattr(history.get(token), "contact_id", None) is not None for token in plan.tokens())
        rates = {"max_rate": options.max_rate, "total_rate": options.total_rate}
        known = {whence: rate for whence, rate in rates.items() if rate}
        whence, rate = min(known.items(), key=lambda one: one[1], default=("Amazon's default quota", _DEFAULT_RATE))
        seconds = (plan.valid - already_made) / rate
        self.log.info(
            "Dry run: %d contacts to make, %d made already; about %s at %.3g a second (%s). Nothing was sent.",
            plan.valid - already_made,
            already_made,
            _duration(seconds),
            rate,
            whence,
        )
        return {
            "rows": plan.rows,
            "valid": plan.valid,
            "invalid": plan.invalid,
            "skipped": plan.duplicates if self.on_duplicate == "skip" else 0,
            "already_made": already_made,
            "estimated_seconds": round(seconds, 1),
        }

    def _send(
        self, context: Context, plan: Plan, ledger: Ledger, history: History, folder: Any, options: _Options
    ) -> dict[str, Any]:
        from airflow_connect.bulk.send import Sender
        from airflow_connect.calls.pace import Pace

        operation = operations_for_rows()[self.operation].name
        pace = Pace(
            time.monotonic(),
            max_rate=options.max_rate,
            max_in_flight=self.max_in_flight,
            total_rate=options.total_rate,
        )
        failed = self._failed = {RowState.FAILED: array("Q"), RowState.UNKNOWN: array("Q")}
        sender = self._sender = Sender(
            plan.contacts(),
            lambda params: self.hook.call(operation, params, max_retry_time=0),
            pace=pace,
            ledger=ledger,
            history=history,
            on_settled=lambda contact, state: failed[state].append(contact.row) if state in failed else None,
            retry_refused=not is_retry(context["ti"], self.retries or 0),
            operation=operation,
            max_in_flight=self.max_in_flight,
            max_retry_time=self.max_retry_time,
            quota_timeout=self.quota_timeout,
        )
        if self._killed:
            sender.stop()
        report = _Report(self.log, plan.valid, folder, {"dag_id": self.dag_id, "task_id": self.task_id})
        try:
            done = sender.run(report.tell, every=_PROGRESS_EVERY)
        finally:
            ledger.close()
            report.tell(sender.progress())
        summary = {
            "rows": plan.rows,
            "created": done.states[RowState.CREATED],
            "already_made": done.states[RowState.ALREADY_MADE],
            "skipped": plan.rows - plan.valid - plan.invalid,
            "invalid": plan.invalid,
            "failed": done.states[RowState.FAILED],
            "unknown": done.states[RowState.UNKNOWN],
            "results": str(folder),
            "seconds": round(done.seconds, 1),
            "rate": round(done.accepted / done.seconds, 2) if done.seconds else 0.0,
            "throttled": done.throttled,
            "instance_access_url": self.hook.instance_access_url,
        }
        if summary["instance_access_url"]:
            context["ti"].xcom_push(
                key=InstanceLink.xcom, value={"instance_access_url": summary["instance_access_url"]}
            )
        # A failed task returns nothing; what it did is asked for all the more.
        context["ti"].xcom_push(key="summary", value=summary)
        tell_outlets(context, self.hook.instance_id, {name: summary[name] for name in _TOLD_TO_OUTLETS})
        unwritten = self._write_failed_rows(plan, sender)
        counts = _counts(summary, plan)
        if sender.stopped_by is not None:
            error = sender.stopped_by
            if isinstance(error, ConnectError):
                error.args = (f"{error} {counts}",)
            raise error
        if self._killed:
            raise RowsFailedError(f"Stopped on request. {counts}", operation=operation, code="Stopped")
        count = done.states[RowState.FAILED] + done.states[RowState.UNKNOWN]
        if options.tolerates(count, plan.rows):
            self.log.info("%s", counts)
            if unwritten is not None:
                raise unwritten
            return summary
        kind = RowsRefusedError if done.refused == count else RowsFailedError
        raise kind(f"{count:,} rows failed, more than is tolerated. {counts}", operation=operation, code="RowsFailed")

    def _write_failed_rows(self, plan: Plan, sender: Sender | None = None) -> LedgerError | None:
        """Write the rows that another run may want to have; return what went wrong, which is no reason of its own."""
        path = given_text(self.failed_rows_path)
        if path is None:
            return None
        from airflow_connect.record.storage import one_line, place_of

        numbers: list[Iterable[int]] = [plan.invalid_rows()]
        if sender is not None:
            numbers.append(sorted(self._failed[RowState.FAILED]))
            if self.idempotency_key is not None:
                numbers.append(sorted(self._failed[RowState.UNKNOWN]))
            elif self._failed[RowState.UNKNOWN]:
                self.log.warning(
                    "%d rows of unknown fate are not in %s: without an idempotency_key another run would make them "
                    "twice. Clear this task to send them again.",
                    len(self._failed[RowState.UNKNOWN]),
                    path,
                )
        written = 0
        try:
            with place_of(path).writing() as file:
                for values in plan.rows_again(heapq.merge(*numbers)):
                    file.write(json_line(values))
                    written += 1
        except Exception as error:  # noqa: BLE001  # a store's errors are of its own kinds
            what = str(error) if isinstance(error, ConnectError) else one_line(error)
            failure = LedgerError(
                f"The rows that failed cannot be written to {path} ({what}). Correct failed_rows_path."
            )
            self.log.error("%s", failure)  # noqa: TRY400  # a traceback would show the row
            return failure
        self.log.info("%d rows that are invalid or failed: %s", written, path)
        return None

    def _header(self, context: Context, asked_by: TaskInstance) -> dict[str, Any]:
        """Return what the ledger says of this attempt."""
        return {
            **asked_by._asdict(),
            "try_number": context["ti"].try_number,
            "operation": operations_for_rows()[self.operation].name,
            "instance_id": self.hook.instance_id,
            "region": self.hook.conn_region_name,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }


class _Options:
    """
    What may come out of a template as text, as numbers.

    :raises InvalidRequestError: with all that is wrong
    """

    def __init__(self, operator: BulkCreateContactsOperator) -> None:
        faults: list[Fault] = []

        def number(name: str, most: float = math.inf, *, zero: bool = True) -> float | None:
            value = getattr(operator, name)
            if given_text(value) is None:
                return None
            try:
                found = float(value)
            except (TypeError, ValueError):
                found = math.nan
            if not (found > 0 or (zero and found == 0)) or found > most:
                least = "from 0" if zero else "above 0"
                to = f" to {most:g}" if most < math.inf else ""
                faults.append(Fault(name, f"must be a number {least}{to}", describe(value)))
                return None
            return found

        self.max_rate = number("max_rate", zero=False)
        asks = str(operator.total_rate).strip().lower() == "service_quotas"
        quota = operator.hook.rate_quota(operations_for_rows()[operator.operation].name) if asks else None
        self.total_rate = quota if asks else number("total_rate", zero=False)
        self._failures = number("tolerated_failures")
        self._percent = number("tolerated_failure_percent", 100)
        try:
            self.dry_run = truth("dry_run", operator.asked_for_dry_run)
        except ValueError:
            faults.append(Fault("dry_run", "must be true or false", describe(operator.asked_for_dry_run)))
        if faults:
            raise InvalidRequestError(operations_for_rows()[operator.operation].name, faults)

    def tolerates(self, failed: int, rows: int) -> bool:
        """Return whether so many failures of so many rows are tolerated."""
        if self._failures is None and self._percent is None:
            return failed == 0
        few = self._failures is None or failed <= self._failures
        return few and (self._percent is None or failed * 100 <= self._percent * rows)


class _Report:
    """
    Progress: a line in the log, Airflow's metrics, and a record for whoever looks later.

    https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/logging-monitoring/metrics.html
    """

    def __init__(self, log: Any, total: int, folder: Any, tags: dict[str, str]) -> None:
        self._log = log
        self._total = total
        self._folder = folder
        self._tags = tags
        self._before = Progress()

    def tell(self, now: Progress) -> None:
        """Report how far the sending is."""
        from airflow_connect.record.ledger import write_progress

        before, self._before = self._before, now
        seconds = now.seconds - before.seconds
        created = now.accepted - before.accepted
        failed = now.states[RowState.FAILED] + now.states[RowState.UNKNOWN]
        failed_before = before.states.get(RowState.FAILED, 0) + before.states.get(RowState.UNKNOWN, 0)
        done = sum(now.states.values()) - now.states[RowState.NOT_SENT]
        calls = now.calls - before.calls
        throttled = now.throttled - before.throttled
        rate = created / seconds if seconds > 0 else 0.0
        left = self._total - done
        mean = now.accepted / now.seconds if now.seconds else 0.0
        time_left = left / (rate or mean) if rate or mean else None
        self._log.info(
            "%d of %d rows done: %.3g contacts a second, %.1f %% throttled, %d failed%s%s",
            done,
            self._total,
            rate,
            100 * throttled / calls if calls else 0.0,
            failed,
            f", about {_duration(time_left)} left" if left and time_left is not None else "",
            "; waiting for active contacts to end (quota)" if now.waiting_for_quota else "",
        )
        for name, count in (
            ("created", created),
            ("throttled", throttled),
            ("failed", failed - failed_before),
        ):
            Stats.incr(f"amazon_connect.contacts.{name}", count, tags=self._tags)
        Stats.gauge("amazon_connect.contacts.rate", round(rate, 3), tags=self._tags)
        Stats.timing("amazon_connect.contacts.latency", now.latency * 1_000, tags=self._tags)
        write_progress(
            self._folder,
            {
                "rows": self._total,
                "done": done,
                **{str(state): count for state, count in now.states.items()},
                **{name: value for name, value in asdict(now).items() if name != "states"},
                "rate": round(mean, 3),
                "rate_now": round(rate, 3),
                "seconds_left": None if time_left is None else round(time_left, 1),
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        )


def _counts(summary: Mapping[str, Any], plan: Plan) -> str:
    missing = plan.valid - sum(summary[name] for name in ("created", "already_made", "failed", "unknown"))
    parts = {
        "made": summary["created"],
        "made before": summary["already_made"],
        "failed": summary["failed"],
        "of unknown fate": summary["unknown"],
        "invalid": summary["invalid"],
        "skipped": summary["skipped"],
        "not sent": missing,
    }
    told = [f"{count:,} {what}" for what, count in parts.items() if count or what == "made"]
    return f"Of {summary['rows']:,} rows: {', '.join(told)}. Results: {summary['results']}"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(min(seconds, _LONGEST))))


def _xcoms_as_names(contact: Any, context: Context) -> tuple[Any, dict[str, Any]]:
    """Return the contact with names for what upstream tasks gave, which is data and never a template, and the names."""
    names: dict[str, Any] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [walk(item) for item in value]
        if hasattr(value, "resolve") and not isinstance(value, os.PathLike):
            name = f"airflow_connect_xcom_{len(names)}"
            names[name] = value.resolve(context)
            return f"{{{{ {name} }}}}"
        return value

    return walk(contact), names
