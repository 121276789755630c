"""Rows become contacts: any number of them in one task, once each, at the pace that the account's quota allows."""

from __future__ import annotations

import os
import re
import socket
import time
from collections import ChainMap
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from operator import is_not
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import (
    LIVE_KEY,
    THREADS_MAY_TALK,
    Stats,
    XComArg,
    attempt_records,
    begin_attempt,
    conf,
    is_from_mapped,
    is_in_mapped_group,
    is_replaced,
    is_retry,
    live_store,
    mapped_arguments,
    tasks_share_a_disk,
)
from airflow_connect._task import (
    ConnectTask,
    Hidden,
    broken_rules,
    confidential,
    given_text,
    number,
    one_of,
    results_root,
    rules_of,
    truth,
    truth_value,
)
from airflow_connect.api.errors import (
    ConnectError,
    InvalidRequestError,
    InvalidRowsError,
    RecordError,
    RowsFailedError,
    RowsRefusedError,
    attempt_is_over,
    record_elsewhere,
)
from airflow_connect.api.fields import Fault, checked_key, describe
from airflow_connect.api.operations import CreateContact, operations_for_rows
from airflow_connect.bulk.sources import FileRows, RowSource, SqlRows, TextRows, json_line, source_of
from airflow_connect.calls.defaults import MAX_IN_FLIGHT, QUOTA_TIMEOUT
from airflow_connect.links.connect import InstanceLink
from airflow_connect.operators.base_connect import ConnectBaseOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from airflow.sdk import Context

    from airflow_connect._compat import BaseOperatorLink
    from airflow_connect._task import Rule
    from airflow_connect.api.operations import Operation
    from airflow_connect.bulk.live import Live
    from airflow_connect.bulk.plan import Plan, TaskInstance
    from airflow_connect.bulk.report import Report
    from airflow_connect.bulk.send import Progress, Sender
    from airflow_connect.record.format import RowState
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.results import History, count_results, export_results, read_results

__all__ = [
    "BulkCreateContactsOperator",
    "FileRows",
    "RowSource",
    "SqlRows",
    "TextRows",
    "count_results",
    "export_results",
    "json_line",
    "read_results",
]

if not TYPE_CHECKING:  # mypy would take any name for one that this module has

    def __getattr__(name: str) -> Any:
        # A task calls these; a Dag file that does not import them should not pay for what reads a record.
        if name not in {"count_results", "export_results", "read_results"}:
            raise AttributeError(name)
        from airflow_connect.record import results

        return getattr(results, name)


#: Types whose values are not the output of a task and do not hold one: most of what rows consist of.
_SCALARS: Final = frozenset({str, int, float, bool, type(None)})
_SERVICE_QUOTAS: Final = "service_quotas"

#: Seconds between two lines of progress in the log.
_PROGRESS_EVERY: Final = 5.0
#: What a template contains that may differ between map indexes.
_HAS_INDEX: Final = re.compile(r"\{.*(\b(map_index|ti|task_instance|task|task_instance_key_str)\b|\()", re.DOTALL)


def _whole_number(value: Any) -> str | None:
    text = str(value).strip()
    return None if text.isascii() and text.isdecimal() and int(text) >= 1 else "must be a whole number from 1"


def _rate(value: Any) -> str | None:
    return None if str(value).strip().lower() == _SERVICE_QUOTAS else number(above=True)(value)


def _json_lines(value: Any) -> str | None:
    is_other = str(value).strip().lower().endswith((".csv", ".tsv", ".parquet", ".gz"))
    return "must be a file of JSON Lines, such as failed.jsonl" if is_other else None


class BulkCreateContactsOperator(ConnectBaseOperator):
    """
    Turn rows into contacts: one task, each row once, as fast as the account's quota allows.

    First all rows are read and checked, and nothing is sent while one of them has a fault. Then they are sent at a pace
    that is found by measuring what Amazon Connect accepts, shared fairly with others who use the same quota. What
    becomes of each row is recorded below ``results_path``, so that a retry sends only what is missing.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:BulkCreateContactsOperator`

    :param rows: a list of dicts, the output of a task, :class:`~airflow_connect.bulk.sources.FileRows`,
        :class:`~airflow_connect.bulk.sources.SqlRows`, :class:`~airflow_connect.bulk.sources.TextRows`, or a source of
        your own, :class:`~airflow_connect.bulk.sources.RowSource` (templated). What a row holds is data, never a
        template.
    :param contact: the arguments of :class:`~airflow_connect.api.operations.CreateContact`, or of the class of another
        ``operation``, with templates over ``row`` and Airflow's context: ``{"name": "Order {{ row.order_id }}"}``. Or a
        function that takes a row, a dict, and returns them.
    :param operation: ``create`` for CreateContact (default), ``start_task`` for StartTaskContact,
        ``start_outbound_voice`` for StartOutboundVoiceContact, which calls customers, each at most once (templated)
    :param idempotency_key: what identifies a row's contact, as a template over ``row``: ``"{{ row.order_id }}"``. The
        same key creates one contact over tasks, runs and Dags, for each Region, instance and operation. Without it, the
        task instance and the rendered contact identify it; rows that render equal contacts create one each.
    :param retry_unknown: with ``operation="start_outbound_voice"``, call again also customers who may already have been
        called, since the answer was lost or the worker was killed (templated). They may be called twice: Amazon may
        forget the client token of a call that has ended. By default such rows are ``unknown``, and the task fails
        without calling them (default: False). The other operations always send such rows again, since their client
        token prevents a second contact.
    :param on_invalid: ``fail`` (default) sends nothing if a row has a fault, ``skip`` sends the others; the task fails
        if no valid row is left (templated)
    :param on_duplicate: if two rows have the same key, ``fail`` (default) takes the second for a fault, and ``skip``
        skips it (templated)
    :param on_changed_rows: what happens without an ``idempotency_key``, if an earlier attempt sent rows that the input
        no longer has. ``fail`` (default) sends nothing. ``send`` sends the rows that are new: a row that changed gets a
        second contact (templated).
    :param dry_run: stop after the check, and return what would be done, and how long it would take at the rate given or
        else at Amazon's default quota (templated)
    :param max_rate: most calls per second (templated). Default: what the quota allows.
    :param rate_quota: the account's quota in calls per second, if you know it (templated). It saves the search for it.
        ``"service_quotas"`` reads it from Service Quotas.
    :param max_in_flight: most calls in flight (default: 256) (templated)
    :param quota_timeout: seconds for which to wait for active contacts to end while their number is at its quota
        (default: 3600)
    :param results_path: the folder of the results, local or of any storage that Airflow knows, as in
        ``s3://conn_id@bucket/contacts`` (templated). If all runs have the same path, an ``idempotency_key`` creates one
        contact for as long as you keep the folder; Amazon does not say how long it remembers a client token. Default:
        a folder for each run below ``[amazon_connect] results_path`` of Airflow's configuration, else below
        ``AIRFLOW_HOME``.
    :param failed_rows_path: a file (``.jsonl``) that gets every row that is ``invalid`` or ``failed`` as it was read,
        with its number, file, line, state and fault: the ``rows`` of another run (templated). With an
        ``idempotency_key`` it also gets ``unknown`` rows, but not those of customers who may have been called. Each
        attempt replaces it; in a mapped task the path needs ``{{ ti.map_index }}``. Default: none, since it has
        customers' data.
    :param tolerated_failures: most failed rows with which the task succeeds, those of earlier attempts included
        (templated)
    :param tolerated_failure_percent: the same in percent of all rows (templated). With both, the task fails when
        either is exceeded; with neither, one failed row fails it.
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a row is retried after its first failure, throttling included; when
        nothing was accepted for that long, the task ends. 0 for a single attempt each (default: 300)
    :param sensitive_fields: names of templated arguments that Airflow's UI shows as ``***``. A list of rows is never
        shown.
    :return: ``rows``, and how many of them have each state: ``created``, ``already_created``, ``failed``, ``unknown``,
        ``invalid``, ``skipped``, ``not_sent`` (see :class:`~airflow_connect.record.format.RowState`). With ``dry_run``
        these as if the task ended after the check, and ``estimated_seconds``; otherwise ``results`` (the folder of this
        run's results, for :func:`~airflow_connect.record.results.read_results`), ``changed`` (contacts that an earlier
        attempt created with other content than the rows have now), ``seconds``, ``rate`` (contacts per
        second), ``throttled`` (calls), ``instance_access_url``. A task that fails has the same in its XCom ``summary``.
    :raises InvalidRowsError: if rows have faults; 20 of them are in the log, each once for all rows that share
        it, and all in a file
    :raises RowsFailedError: if more rows failed than are tolerated, and another attempt may help
    :raises RowsRefusedError: if more rows failed than are tolerated, and all of them for good
    """

    template_fields: Sequence[str] = aws_template_fields(
        "is_dry_run",
        "contact",
        "failed_rows_path",
        "idempotency_key",
        "instance_id",
        "max_in_flight",
        "max_rate",
        "on_changed_rows",
        "on_duplicate",
        "on_invalid",
        "operation",
        "retry_unknown",
        "results_path",
        "rows",
        "tolerated_failure_percent",
        "tolerated_failures",
        "rate_quota",
    )
    rules: ClassVar[Mapping[str, Rule]] = {
        **ConnectTask.rules,
        "operation": one_of(*operations_for_rows()),
        "on_invalid": one_of("fail", "skip"),
        "on_duplicate": one_of("fail", "skip"),
        "on_changed_rows": one_of("fail", "send"),
        "failed_rows_path": _json_lines,
        "max_in_flight": _whole_number,
        "max_rate": number(above=True),
        "rate_quota": _rate,
        "tolerated_failures": number(),
        "tolerated_failure_percent": number(most=100),
        "dry_run": truth_value,
        "retry_unknown": truth_value,
    }
    template_fields_renderers: ClassVar[dict[str, str]] = {"contact": "json"}
    # What is wrong with text as rows, the source reports.
    fields_of_code = frozenset({"rows"})
    template_ext: Sequence[str] = (".sql",)
    operator_extra_links: Sequence[BaseOperatorLink] = (InstanceLink(),)

    def __init__(
        self,
        *,
        rows: Any,
        contact: Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]],
        operation: str = "create",
        idempotency_key: str | None = None,
        retry_unknown: bool | str = False,
        on_invalid: str = "fail",
        on_duplicate: str = "fail",
        on_changed_rows: str = "fail",
        dry_run: bool | str = False,
        max_rate: float | str | None = None,
        rate_quota: float | str | None = None,
        max_in_flight: int | str = MAX_IN_FLIGHT,
        quota_timeout: float = QUOTA_TIMEOUT,
        results_path: str | None = None,
        failed_rows_path: str | None = None,
        tolerated_failures: int | str | None = None,
        tolerated_failure_percent: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rows = self.in_dag("rows", rows)
        self.set_upstream_of(self, "rows", rows)
        self.contact = self.in_dag("contact", contact)
        self.operation = operation
        self.idempotency_key = idempotency_key
        self.retry_unknown = retry_unknown
        self.on_invalid: Any = on_invalid
        self.on_duplicate: Any = on_duplicate
        self.on_changed_rows: Any = on_changed_rows
        # Airflow's operators have a method dry_run.
        self.is_dry_run: Any = dry_run
        self.max_rate = max_rate
        self.rate_quota = rate_quota
        self.max_in_flight = max_in_flight
        self.quota_timeout = quota_timeout
        self.results_path = results_path
        self.failed_rows_path = failed_rows_path
        self.tolerated_failures = tolerated_failures
        self.tolerated_failure_percent = tolerated_failure_percent
        self._sender: Sender | None = None
        self._live: Live | None = None
        self._killed = False
        if is_in_mapped_group(self) and not is_from_mapped(self) and _is_same_for_all_indexes(failed_rows_path):
            raise _same_file(self.task_id)
        self.check_constants(
            contact=contact,
            operation=operation,
            retry_unknown=retry_unknown,
            on_invalid=on_invalid,
            on_duplicate=on_duplicate,
            on_changed_rows=on_changed_rows,
            dry_run=dry_run,
            failed_rows_path=failed_rows_path,
            max_rate=max_rate,
            rate_quota=rate_quota,
            max_in_flight=max_in_flight,
            tolerated_failures=tolerated_failures,
            tolerated_failure_percent=tolerated_failure_percent,
        )

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """
        Return what is to be mapped.

        :raises ValueError: also if all map indexes would write the rows that failed to one file
        """
        if _is_same_for_all_indexes(kwargs.get("failed_rows_path")):
            raise _same_file(kwargs.get("task_id", cls.__name__))
        return super().partial(**kwargs)

    @classmethod
    def check_mapped(cls, task_id: str, mapped: Mapping[str, Any]) -> None:
        """
        Check what a task is mapped over.

        :param task_id: the task
        :param mapped: the arguments by their names, each with its values
        :raises ValueError: if two map indexes would write the rows that failed to one file
        """
        given: Any = mapped.get("failed_rows_path")
        paths = [path for path in given if _is_same_for_all_indexes(path)] if _is_list(given) else []
        is_repeated = any(
            not _is_list(values) or len(values) > 1 for name, values in mapped.items() if values is not given
        )
        if len(set(paths)) < len(paths) or (paths and is_repeated):
            raise _same_file(task_id)

    @classmethod
    def wrong_constants(cls, arguments: Mapping[str, Any]) -> Iterator[str]:
        """
        Yield what is wrong with the constants among arguments, those of the contact too.

        :param arguments: by their names
        """
        yield from super().wrong_constants(arguments)
        contact, operation = arguments.get("contact"), arguments.get("operation", CreateContact.short_name())
        request = operations_for_rows().get(operation) if isinstance(operation, str) else None
        if request is None or not isinstance(contact, Mapping):
            return
        yield from broken_rules(rules_of(request), contact, "contact.")
        unknown = [name for name in contact if name not in request.parameters]
        if unknown:
            yield f"contact has {', '.join(map(repr, unknown))}; {request.name} takes {', '.join(request.parameters)}"

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {**super()._hook_parameters, "max_in_flight": int(self.max_in_flight)}

    # --- What the Dag has of the rows, and templates --------------------------------------------------------------

    @classmethod
    def in_dag(cls, name: str, value: Any) -> Any:
        """
        Return an argument as the Dag has it: of rows in a list, which may be customers' data, how many they are.

        :param name: the argument
        :param value: what the author gave
        """
        return Hidden(value, _shown(value)) if name == "rows" and _is_list(value) else super().in_dag(name, value)

    @classmethod
    def set_upstream_of(cls, operator: Any, name: str, value: Any) -> None:
        """
        Let an operator follow the tasks whose outputs are in its rows: in a list, or in the fields of a source.

        :param operator: a bulk operator, or a mapped one
        :param name: the argument
        :param value: what the author gave
        """
        if name == "rows":
            fields = [getattr(value, field) for field in getattr(value, "template_fields", ())]
            XComArg.apply_upstream_relationship(operator, value if _is_list(value) else fields)

    def before_rendering(self, context: Context) -> Collection[str]:
        """
        Keep what is rendered with the rows, and what is data, from being rendered now.

        :param context: the context of the task instance
        """
        if isinstance(self.rows, Hidden):
            # What a list of rows holds is data, never a template; but it may be the output of a task.
            self.rows = Hidden(_resolved(self.rows.value, context), str(self.rows))
        return {*super().before_rendering(context), "contact", "idempotency_key"}

    def hide_fields(self) -> None:
        """Hide the sensitive fields, and show of the rows what their source says."""
        if not isinstance(self.rows, Hidden):
            self.rows = Hidden(self.rows, _shown(self.rows))
        super().hide_fields()

    # --- Execution ------------------------------------------------------------------------------------------------

    @confidential
    def execute(self, context: Context) -> dict[str, Any]:
        """
        Check all rows, then send them.

        :param context: the context of the task instance
        """
        from airflow_connect.bulk.plan import TaskInstance
        from airflow_connect.bulk.report import Report, estimate, in_words
        from airflow_connect.bulk.send import Progress
        from airflow_connect.record.ledger import Ledger, run_folder
        from airflow_connect.record.results import History, first_attempt

        started = datetime.now(UTC)
        options = _Options(self)
        ti = context["ti"]
        task_instance = TaskInstance(ti.dag_id, ti.run_id, ti.task_id, getattr(ti, "map_index", -1))
        root = self._results_root(options)
        folder = run_folder(root, **task_instance._asdict())
        if not options.dry_run:
            self._check_failed_rows_path(options, folder, task_instance.map_index)
        earlier = begin_attempt(context)
        self._live = None if options.dry_run else self._new_live(context, folder)
        with ExitStack() as stack:
            if self._live is not None:
                stack.callback(self._live.wait)
            if not options.dry_run:
                self._check_missing_record(context, options, folder, earlier)
            began = first_attempt(folder) or started.timestamp()
            plan = stack.enter_context(self._plan(context, options, task_instance, now=began))
            if self._live is not None:
                self._live.wait()
            report = stack.enter_context(
                Report(
                    plan,
                    folder,
                    log=self.log,
                    metrics=Stats,
                    tags={"dag_id": self.dag_id, "task_id": self.task_id},
                    keeps=self._kept_states(options),
                    retries_unknown=options.retries_unknown,
                )
            )
            # Whatever ends the attempt from here on, it stores its summary.
            history: History | None = None
            ledger: Ledger | None = None
            error: BaseException | None = None
            done = Progress()
            try:
                error = self._log_faults(plan, report, options)
                # If the author gave the path, what all runs recorded there counts; else what this run recorded.
                known = root if self._shared_results_path(options) else folder
                if not options.dry_run:
                    # Before the record is read: an attempt that this one replaces finds it, and sends nothing more.
                    ledger = stack.enter_context(
                        Ledger(folder, header=self._header(context, options, task_instance, plan.rows, started))
                    )
                    attempt_records(context, str(folder))
                history = stack.enter_context(
                    History(
                        known,
                        asked_by=task_instance._asdict(),
                        called=self._called(options),
                        apart_from=None if ledger is None else ledger.writer,
                    )
                )
                error = error or self._compare_with_record(plan, history, options)
                if ledger is None:
                    if error is not None:
                        raise error
                    return estimate(
                        plan,
                        history,
                        log=self.log,
                        max_rate=options.max_rate,
                        rate_quota=options.rate_quota,
                        retries_unknown=options.retries_unknown,
                    )
                report.log_record(history)
                report.record_faults(ledger, history)
                if error is None:
                    self._sender = self._new_sender(context, options, plan, report, ledger, history)
                    peers = self.peers(context, options.operation.name, given_text(self.results_path))
                    with peers.share(self._sender.pace):
                        done, error = self._send(self._sender, report)
            except RecordError as unusable:
                if options.dry_run:
                    raise
                error = error or unusable
            try:
                has_run = context["ti"].try_number > 1
                error = report.finish(done, ledger, history, error, may_have_sent=has_run)
            except BaseException as interrupted:  # noqa: BLE001  # a time-out while the store does not answer
                error = error or interrupted
            later = None if ledger is None else ledger.later
            if later or is_replaced(context):
                # The later attempt reports what became of the task.
                raise attempt_is_over(later)
            summary = self._summary(report, done, folder)
            unwritten = report.write_failed_rows(given_text(self.failed_rows_path), done)
            error = error or self._failure(report, done, options) or unwritten
            self._report(context, report, done, summary, error)
            if error is None:
                return summary
            if isinstance(error, ConnectError):
                parts = [str(error), report.unknown_in_words(), in_words(report.states(done)), f"Results: {folder}"]
                error.args = (" ".join(filter(None, parts)),)
            raise error

    def on_kill(self) -> None:
        """Send nothing more; what is in flight is still awaited and recorded."""
        # Called by a signal handler in the thread that executes: it must not take a lock, nor wait.
        self._killed = True
        if self._sender is not None:
            self._sender.stop()

    @confidential
    def get_openlineage_facets_on_complete(self, _task_instance: Any) -> Any:
        """Return the instance as output and the file or tables of the rows as input; for OpenLineage."""
        from airflow_connect.assets.lineage import contacts_lineage

        return contacts_lineage(self.hook.instance_id, self.rows)

    def _results_root(self, options: _Options) -> Any:
        """Return the folder below which results are recorded: the author's, the configuration's, or one of ours."""
        from airflow_connect.record.storage import Place

        root = results_root(given_text(self.results_path), options.operation.name)
        if not tasks_share_a_disk() and not Place(root).may_be_shared:
            retry = (
                "creates a second contact for each client token that Amazon Connect has forgotten by then (Amazon "
                "does not document when that is)"
                if options.retries_unknown
                else "does not call anybody, since it does not know who has been called"
            )
            self.log.warning(
                "Results are recorded on this worker's disk (%s), which other workers do not see. A retry there %s. "
                "Set results_path, or [amazon_connect] results_path, to a bucket that all workers see.",
                root,
                retry,
            )
        return root

    def _shared_results_path(self, options: _Options) -> bool:
        """
        Return whether what all runs recorded in the same place counts.

        :raises InvalidRequestError: if a key promises that, and Amazon does not keep the promise
        """
        if given_text(self.results_path):
            return True
        if self.idempotency_key is None or options.operation.promise.retries_unknown:
            return False
        if not conf.get("amazon_connect", "results_path", fallback=""):
            rule = (
                "required with idempotency_key: Amazon may forget the token of a call that has ended, so that other "
                "runs know of it by a record alone"
            )
            raise InvalidRequestError(options.operation.name, [Fault("results_path", rule, "nothing")])
        return True

    def _check_failed_rows_path(self, options: _Options, folder: Any, map_index: int) -> None:
        """
        Check that no other map index writes to the same file, where only the rendered paths show it.

        :raises InvalidRequestError: if another one does
        """
        from airflow_connect.record.ledger import claim_file

        path = given_text(self.failed_rows_path)
        if path is None or map_index < 0:
            return
        owner = claim_file(folder, path, map_index)
        if owner != map_index:
            rule = (
                f"must differ for each map index: map index {owner} of this task writes to the same file, and its rows "
                "would be replaced. Put {{ ti.map_index }} into the path"
            )
            raise InvalidRequestError(options.operation.name, [Fault("failed_rows_path", rule, path)])

    def _check_missing_record(
        self, context: Context, options: _Options, folder: Any, earlier: Mapping[str, Any] | None
    ) -> None:
        """
        Warn if the attempt before this one has left, or may have left, a record that this worker does not see.

        What an earlier one left here does not say what that one sent.

        :param earlier: the attempt that recorded last, as far as Airflow knows
        :raises RequestError: if it may have called customers, who are not to be called twice
        """
        from airflow_connect.record.results import last_attempt
        from airflow_connect.record.storage import Place

        here, number = socket.gethostname(), context["ti"].try_number
        if number == 1 and earlier is None:
            return
        last = last_attempt(folder)
        if earlier is not None and last < earlier["try_number"]:
            what = (
                f"Attempt {earlier['try_number']} of this task recorded its results in {earlier['results']} on the "
                f"worker {earlier['host']}, and this worker ({here}) does not find them in {folder}"
            )
        elif earlier is None and last < number - 1 and not (Place(folder).may_be_shared or tasks_share_a_disk()):
            what = (
                "The attempt before this one may have recorded its results on another worker's disk: this worker "
                f"({here}) does not find them in {folder}"
            )
        else:
            return
        if not options.retries_unknown:
            raise record_elsewhere(str(folder))
        self.log.warning(
            "%s. Rows that are not on record here are sent again with the same client tokens: a contact whose token "
            "Amazon Connect has forgotten is created a second time. Set results_path, or [amazon_connect] "
            "results_path, to a bucket that all workers see. With [amazon_connect] require_shared_results, a task "
            "without one does not start.",
            what,
        )

    def _kept_states(self, options: _Options) -> set[RowState]:
        """Return the states whose rows go into the file of failed rows."""
        from airflow_connect.record.format import RowState

        if given_text(self.failed_rows_path) is None:
            return set()
        # Another run would create the unknown ones twice, unless a key says that they are the same and Amazon knows it.
        with_unknown = self.idempotency_key is not None and options.retries_unknown
        return {RowState.INVALID, RowState.FAILED, *([RowState.UNKNOWN] if with_unknown else [])}

    def _plan(self, context: Context, options: _Options, task_instance: TaskInstance, *, now: float) -> Plan:
        """Read and check all rows."""
        from airflow_connect.bulk.plan import Plan
        from airflow_connect.bulk.template import compile_contact, compile_text

        request = options.operation
        environment = self.get_template_env()
        contact, xcoms = _xcoms_as_names(self.contact, context)
        names = ChainMap(xcoms, cast("Any", context))  # for a copy Airflow would compute all of it
        key = self.idempotency_key
        if key is None and "idempotency_key" in mapped_arguments(self):
            raise InvalidRequestError(request.name, list(filter(None, checked_key(key)[1:])))
        return Plan(
            source_of(self.rows),
            request,
            compile_contact(contact, request, names, environment),
            key=None if key is None else compile_text(key, names, environment, operation=request.name),
            region=self.hook.conn_region_name,
            instance_id=self.hook.instance_id,
            asked_by=task_instance,
            on_duplicate=options.on_duplicate,
            now=now,
            on_progress=self._reading,
        )

    def _reading(self, rows: int) -> None:
        if self._killed:
            raise RowsFailedError(f"Stopped while the rows were checked, at row {rows:,}; nothing was sent.")
        if self._live is not None:
            self._live.reading(rows)

    def _new_live(self, context: Context, folder: Any) -> Live | None:
        """Return what shows the progress in Airflow's UI, ``None`` where this Airflow cannot show it."""
        from airflow_connect.bulk.live import Live

        store = live_store(context)
        if store is None:
            return None
        before: Any = None
        with suppress(Exception):  # Airflow's API has errors of its own kinds, and the task needs none of this
            before = store.get(LIVE_KEY)
        return Live(
            lambda progress: store.set(LIVE_KEY, progress),
            written_before=before,
            constant={"try_number": context["ti"].try_number, "results": str(folder)},
            only_at_end=not THREADS_MAY_TALK,
        )

    def _compare_with_record(self, plan: Plan, history: History, options: _Options) -> ConnectError | None:
        """Return the error of an input that lost rows that an earlier attempt of the task instance sent."""
        with_key = self.idempotency_key is not None
        missing = history.count_missing(plan.left, with_key=with_key)
        if not missing:
            return None
        if with_key:
            what = (
                f"{missing:,} rows were sent without an idempotency_key by an earlier attempt of this task. With a key "
                "they are other rows, which get second contacts. Remove the key for this run"
            )
        else:
            what = (
                f"{missing:,} rows that an earlier attempt of this task sent are not in the input any more: they "
                "changed, or were removed. Without an idempotency_key a row that changed is another row, which gets a "
                "second contact. Bring the input back, and give the task an idempotency_key for its next run"
            )
        if options.on_changed_rows == "send":
            self.log.warning("%s. The rows that are new are sent (on_changed_rows='send').", what)
            return None
        return InvalidRowsError(
            f"{what}; or send the rows that are new with on_changed_rows='send'. Nothing was sent.",
            operation=options.operation.name,
            code="ChangedRows",
        )

    def _log_faults(self, plan: Plan, report: Report, options: _Options) -> ConnectError | None:
        """Log what is wrong with rows, and return the error if it prevents the sending."""
        faults = report.log_faults()
        if faults is None or (options.on_invalid == "skip" and plan.valid):
            return None
        advice = "Correct them, or leave these rows out with on_invalid='skip'."
        if options.on_invalid == "skip":
            advice = "on_invalid='skip' would leave no row to send: correct the rows or the template."
        return InvalidRowsError(
            f"{plan.invalid:,} of {plan.rows:,} rows have faults, and nothing was sent. The first are in the log, all "
            f"are in {faults}. {advice}",
            operation=options.operation.name,
            code="InvalidRows",
        )

    def _called(self, options: _Options) -> dict[str, Any]:
        """Return what is called, a part of what identifies a contact."""
        return {
            "region": self.hook.conn_region_name,
            "instance_id": self.hook.instance_id,
            "operation": options.operation.name,
        }

    def _header(
        self, context: Context, options: _Options, task_instance: TaskInstance, rows: int, started: datetime
    ) -> dict[str, Any]:
        """Return what the ledger says of this attempt."""
        return {
            **task_instance._asdict(),
            "try_number": context["ti"].try_number,
            **self._called(options),
            "started": started.isoformat(timespec="milliseconds"),
            "rows": rows,
        }

    def _new_sender(
        self, context: Context, options: _Options, plan: Plan, report: Report, ledger: Ledger, history: History
    ) -> Sender:
        from airflow_connect.bulk.send import Sender
        from airflow_connect.calls.pace import Pace

        pace = Pace(
            time.monotonic(),
            max_rate=options.max_rate,
            max_in_flight=options.max_in_flight,
            rate_quota=options.rate_quota,
        )
        return Sender(
            plan.contacts(
                on_invalid=report.invalid,
                is_done=lambda *row: self._sender is not None and self._sender.is_done(*row),
            ),
            lambda params: self.hook.call(options.operation.name, params, max_retry_time=0),
            pace=pace,
            ledger=ledger,
            history=history,
            on_settled=report.settled,
            retry_refused=not is_retry(context["ti"], self.retries or 0),
            operation=options.operation.name,
            max_in_flight=options.max_in_flight,
            max_retry_time=self.max_retry_time,
            quota_timeout=self.quota_timeout,
            retry_unknown=options.retries_unknown,
            tolerates=lambda failed: options.tolerates(failed, plan.rows),
        )

    def _send(self, sender: Sender, report: Report) -> tuple[Progress, BaseException | None]:
        """Send, and return what came of it and what ended it early."""
        if self._killed:
            sender.stop()

        def report_progress(now: Progress) -> None:
            progress = report.report_progress(now)
            if self._live is not None:
                self._live.report(progress)

        try:
            done = sender.run(report_progress, every=_PROGRESS_EVERY)
        except BaseException as error:  # noqa: BLE001  # a time-out or a kill: what was in flight has been awaited
            return sender.progress(), error
        finally:
            if self._live is not None:
                self._live.wait()
        return done, sender.stopped_by

    def _summary(self, report: Report, done: Progress, folder: Any) -> dict[str, Any]:
        from airflow_connect.bulk.report import counted

        return {
            **counted(report.states(done)),
            "changed": done.changed,
            "results": str(folder),
            "seconds": round(done.seconds, 1),
            "rate": round(done.accepted / done.seconds, 2) if done.seconds else 0.0,
            "throttled": done.throttled,
            "instance_access_url": self.hook.instance_access_url,
        }

    def _failure(self, report: Report, done: Progress, options: _Options) -> ConnectError | None:
        """Return why the task fails although nothing ended the sending early, ``None`` if it succeeds."""
        from airflow_connect.record.format import RowState

        operation = options.operation.name
        states = report.states(done)
        if self._killed:
            return RowsFailedError("Stopped on request.", operation=operation, code="Stopped")
        failed = states[RowState.FAILED] + states[RowState.UNKNOWN]
        if options.tolerates(failed, states.total()):
            return None
        kind = RowsRefusedError if done.refused == failed else RowsFailedError
        return kind(f"{failed:,} rows failed, more than is tolerated.", operation=operation, code="RowsFailed")

    def _report(
        self, context: Context, report: Report, done: Progress, summary: dict[str, Any], error: BaseException | None
    ) -> None:
        """Write what became of the rows to log, XCom and the asset's event: a failed task does not return it."""
        from airflow_connect.assets.lineage import update_outlets
        from airflow_connect.bulk.report import counted, in_words

        states = report.states(done)
        self.log.info("%s Results: %s", in_words(states), summary["results"])
        if done.changed:
            self.log.warning(
                "%d rows render other content than an earlier attempt of this task sent. Their contacts stay as they "
                "are; UpdateContactAttributesOperator changes them.",
                done.changed,
            )
        if unknown := report.unknown_in_words():
            self.log.warning("%s", unknown)
        if self._live is not None:
            self._live.end(report.last_progress)
        for report_to in (
            lambda: context["ti"].xcom_push(key="summary", value=summary),
            lambda: self.store_link(context),
            lambda: update_outlets(context, self.hook.instance_id, counted(states)),
        ):
            try:
                report_to()
            except Exception as refused:
                if error is None:
                    raise
                # For example, Airflow refuses XComs of a task that somebody has marked as failed.
                self.log.warning("The summary cannot be stored: %s", type(refused).__name__)


def _is_same_for_all_indexes(path: Any) -> bool:
    """Return whether instances of a mapped task would write one file, as far as that is known when the Dag is read."""
    is_one = isinstance(path, str) and given_text(path) is not None and not _HAS_INDEX.search(path)
    return is_one and _json_lines(path) is None


def _same_file(task_id: str) -> ValueError:
    return ValueError(
        f"Task {task_id!r}: failed_rows_path is the same for several map indexes, each of which would replace the file "
        f"of the others. Put {{{{ ti.map_index }}}} into it."
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _is_output(value: Any) -> bool:
    """Return whether a value stands for the output of a task, as Airflow's templates do."""
    return hasattr(value, "resolve") and not isinstance(value, os.PathLike)


def _resolved(value: Any, context: Context, *, in_row: bool = False) -> Any:
    """Return rows with the outputs of tasks in place of what stands for them; the same object without any."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Mapping):
        items = {key: _resolved(item, context, in_row=True) for key, item in value.items()}
        return items if any(items[key] is not value[key] for key in items) else value
    if _is_list(value):
        members = [_resolved(item, context, in_row=in_row) for item in value]
        return members if any(map(is_not, members, value)) else value
    if not _is_output(value):
        return value
    output = value.resolve(context)
    # A mapped task's output is fetched when it is read; a row is read more than once, and in another thread.
    return list(output) if in_row and isinstance(output, Sequence) and not isinstance(output, str | bytes) else output


def _shown(rows: Any) -> str:
    """Return what Airflow's UI shows of rows."""
    if hasattr(rows, "describe"):
        return str(rows.describe())
    if hasattr(rows, "__len__"):
        return f"{len(rows):,} rows"
    return f"rows of {type(rows).__name__}"


class _Options:
    """
    What may come out of a template as text, as what it stands for.

    :raises InvalidRequestError: with all that is wrong
    """

    def __init__(self, operator: BulkCreateContactsOperator) -> None:
        faults: list[Fault] = []

        def valid(name: str, value: Any, *, optional: bool = False) -> bool:
            if optional and given_text(value) is None:
                return False
            if broken := operator.rules[name](value):
                faults.append(Fault(name, broken, describe(value)))
            return not broken

        def numeric(name: str) -> float | None:
            value = getattr(operator, name)
            return float(value) if valid(name, value, optional=True) else None

        operations = operations_for_rows()
        known = valid("operation", operator.operation)
        self.operation: type[Operation] = operations[operator.operation] if known else CreateContact
        for name in ("on_invalid", "on_duplicate", "on_changed_rows"):
            valid(name, getattr(operator, name))
        valid("failed_rows_path", operator.failed_rows_path, optional=True)
        self.on_invalid: Any = operator.on_invalid
        self.on_duplicate: Any = operator.on_duplicate
        self.on_changed_rows: Any = operator.on_changed_rows
        in_flight = operator.max_in_flight
        self.max_in_flight = int(in_flight) if valid("max_in_flight", in_flight) else 1
        self.max_rate = numeric("max_rate")
        asks = str(operator.rate_quota).strip().lower() == _SERVICE_QUOTAS
        quota = operator.hook.rate_quota(self.operation.name) if asks and not faults else None
        self.rate_quota = quota if asks else numeric("rate_quota")
        self._failures = numeric("tolerated_failures")
        self._percent = numeric("tolerated_failure_percent")
        dry_run, retry_unknown = operator.is_dry_run, operator.retry_unknown
        self.dry_run = valid("dry_run", dry_run) and truth("dry_run", dry_run)
        repeats = valid("retry_unknown", retry_unknown) and truth("retry_unknown", retry_unknown)
        #: Whether a row is sent again of which a contact may exist.
        self.retries_unknown = self.operation.promise.retries_unknown or repeats
        if faults:
            raise InvalidRequestError(self.operation.name, faults)

    def tolerates(self, failed: int, rows: int) -> bool:
        """Return whether so many failures of so many rows are tolerated."""
        if self._failures is None and self._percent is None:
            return failed == 0
        few = self._failures is None or failed <= self._failures
        return few and (self._percent is None or failed * 100 <= self._percent * rows)


def _xcoms_as_names(contact: Any, context: Context) -> tuple[Any, dict[str, Any]]:
    """Return the contact with names for what upstream tasks gave, which is data and never a template, and the names."""
    names: dict[str, Any] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [walk(item) for item in value]
        if _is_output(value):
            name = f"airflow_connect_xcom_{len(names)}"
            names[name] = value.resolve(context)
            return f"{{{{ {name} }}}}"
        return value

    return walk(contact), names
