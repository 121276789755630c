"""
Report what became of rows: how far a run is, its counts, and the rows that another run may want.

::

    plan    ── faults, duplicates ──┐
    sender  ── each settled row ────┼──► Report ──► progress (log, metrics, progress.json)
    history ── rows not reached ────┘           ├─► counts (XCom, asset event, log)
                                                └─► failed rows (a file, if one is named)

Each row of the input is counted in exactly one :class:`~airflow_connect.record.format.RowState`. This module does not
know Airflow or a client.
"""

from __future__ import annotations

import itertools
import json
import threading
from array import array
from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from airflow_connect.api.errors import ConnectError, RecordError
from airflow_connect.bulk.send import Progress
from airflow_connect.bulk.sources import FailedColumn, InvalidRow, json_line, origin_of
from airflow_connect.calls.clock import Clock
from airflow_connect.record.format import RowState
from airflow_connect.record.ledger import write_faults
from airflow_connect.record.results import read_results
from airflow_connect.record.storage import one_line, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from airflow_connect.bulk.plan import Plan, PlannedContact
    from airflow_connect.bulk.sources import Values
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.results import History

__all__ = ["FailedRows", "Metrics", "Report", "counted", "estimate", "in_words"]

#: Calls per second that Amazon allows by default, for an estimate if nothing better is known.
#: https://docs.aws.amazon.com/connect/latest/adminguide/amazon-connect-service-limits.html#api-throttling-quotas
_DEFAULT_RATE: Final = 2.0

#: Faults of rows that the log names, each once for all rows that share it; the file of faults has all.
_FAULTS_IN_LOG: Final = 20

#: Seconds of the longest duration that is written.
_LONGEST: Final = timedelta(days=36_500).total_seconds()

#: Seconds after which the log says that the task waits for the record.
_LONG: Final = 2.0

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -1000;
CREATE TABLE failed (
    row INTEGER PRIMARY KEY, wanted INTEGER, state TEXT, fault TEXT, file TEXT, line INTEGER, content BLOB
);
"""


def counted(states: Mapping[RowState, int]) -> dict[str, int]:
    """
    Return the counts of a run in the form that XCom, progress and record share: ``rows``, and then each state.

    :param states: how many rows have each state
    """
    return {"rows": sum(states.values()), **{state.value: states.get(state, 0) for state in RowState}}


def in_words(states: Mapping[RowState, int]) -> str:
    """
    Return the counts of a run as a sentence, such as "Of 10 rows: 8 created, 2 failed.".

    :param states: how many rows have each state
    """
    counts = [
        f"{states.get(state, 0):,} {state.words}"
        for state in RowState
        if states.get(state, 0) or state is RowState.CREATED
    ]
    return f"Of {sum(states.values()):,} rows: {', '.join(counts)}."


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(min(seconds, _LONGEST))))


def estimate(
    plan: Plan,
    history: History,
    *,
    log: Any,
    max_rate: float | None,
    rate_quota: float | None,
    retries_unknown: bool = True,
) -> dict[str, Any]:
    """
    Return what a dry run returns: the counts, as if the task ended now, and how long the rest would take.

    :param plan: the rows
    :param history: what is on record
    :param log: a logger
    :param max_rate: calls per second at most, if they are limited
    :param rate_quota: the quota in calls per second, if it is known
    :param retries_unknown: whether an attempt sends rows again whose contact may exist
    """
    states = Counter({RowState.INVALID: plan.invalid, RowState.SKIPPED: plan.rows - plan.valid - plan.invalid})
    if history.is_empty:
        states[RowState.NOT_SENT] = plan.valid
    else:
        for _, _, token in plan.left():
            known = history.get(token)
            states[known.state if known is not None and known.state.may_have_contact else RowState.NOT_SENT] += 1
    rates = {"max_rate": max_rate, "rate_quota": rate_quota}
    given = {whence: rate for whence, rate in rates.items() if rate}
    whence, rate = min(given.items(), key=lambda one: one[1], default=("Amazon's default quota", _DEFAULT_RATE))
    to_send = states[RowState.NOT_SENT] + (states[RowState.UNKNOWN] if retries_unknown else 0)
    seconds = to_send / rate
    log.info(
        "Dry run: %d rows would be sent, in about %s at %.3g a second (%s). Nothing was sent. %s",
        to_send,
        _duration(seconds),
        rate,
        whence,
        in_words(states),
    )
    return {**counted(states), "estimated_seconds": round(seconds, 1)}


class Metrics(Protocol):
    """What takes metrics, as Airflow's ``Stats`` does."""

    def incr(self, stat: str, count: int, *, tags: dict[str, str]) -> None:
        """Count."""

    def gauge(self, stat: str, value: float, *, tags: dict[str, str]) -> None:
        """Say how much it is now."""

    def timing(self, stat: str, dt: float, *, tags: dict[str, str]) -> None:
        """Say how many milliseconds it took."""


class Report:
    """
    Count the rows of a run, and report how far it is. A context manager: it may hold a temporary file.

    :param plan: the rows
    :param folder: of the task instance: ``progress.json`` goes there
    :param log: a logger
    :param metrics: where to send metrics, see
        https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/logging-monitoring/metrics.html
    :param tags: of the metrics
    :param keeps: the states whose rows are kept for :meth:`write_failed_rows`; empty if that is not called
    :param retries_unknown: whether an attempt sends rows again whose contact may exist
    """

    def __init__(
        self,
        plan: Plan,
        folder: Any,
        *,
        log: Any,
        metrics: Metrics,
        tags: dict[str, str],
        keeps: Iterable[RowState] = (),
        retries_unknown: bool = True,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._log = log
        self._metrics = metrics
        self._tags = tags
        self._keeps = frozenset(keeps)
        self._failed = FailedRows() if self._keeps else None
        self._retries_unknown = retries_unknown
        #: The numbers of rows that are unknown, and are not sent again.
        self._unknown = array("Q")
        self._before = Progress()
        #: What :meth:`report_progress` returned last.
        self.last_progress: Mapping[str, Any] = {}
        #: Seconds and accepted calls at the last reports, half a minute of them.
        self._recent: deque[tuple[float, int]] = deque([(0.0, 0)], maxlen=7)
        self._ledger: Ledger | None = None
        #: Rows that the sender has not reached and whose contact exists or may exist.
        self._left: Counter[RowState] = Counter()
        self._recorded: Counter[RowState] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._failed is not None:
            self._failed.close()

    # --- The check ------------------------------------------------------------------------------------------------

    def log_faults(self) -> str | None:
        """
        Log what the check of the rows found, and write all faults to a file.

        :return: the file, ``None`` if no row has a fault
        :raises RecordError: if it cannot be written
        """
        plan = self._plan
        self._log.info(
            "%d rows read and checked: %d valid, %d invalid, %d duplicates",
            plan.rows,
            plan.valid,
            plan.invalid,
            plan.duplicates,
        )
        if not plan.invalid:
            return None
        for fault in plan.shared_faults(_FAULTS_IN_LOG):
            self._log.error("%s", fault)
        path = write_faults(self._folder, (fault.as_dict() for fault in plan.faults()))
        self._log.error("All faults: %s", path)
        return path

    def record_faults(self, ledger: Ledger, history: History) -> None:
        """
        Record the rows that are not to be sent: those that have faults, and those whose key an earlier row has.

        :param ledger: the attempt's; the progress goes there too
        :param history: what is on record, which is not written again
        :raises RecordError: if they cannot be recorded
        """
        self._ledger = ledger
        for skipped in self._plan.skipped():
            why = f"The key is that of row {skipped.first:,}."
            if not history.has_recorded(skipped.row, RowState.SKIPPED, skipped.key, why):
                ledger.skipped(skipped.row, skipped.key, why)
        for row, faults in itertools.groupby(self._plan.faults(), key=lambda fault: fault.row):
            why = "; ".join(map(str, faults))
            if not history.has_recorded(row, RowState.INVALID, None, why):
                ledger.invalid(row, why)

    def log_record(self, history: History) -> None:
        """
        Log how much of the input is done, if earlier attempts of the task instance are on record.

        :param history: what is on record
        """
        if not history.has_own:
            return
        states = Counter({RowState.INVALID: self._plan.invalid})
        states[RowState.SKIPPED] = self._plan.rows - self._plan.valid - self._plan.invalid
        states.update(history.own_states())
        states[RowState.NOT_SENT] = max(self._plan.rows - states.total(), 0)
        self._log.info("Found the record of an earlier attempt of this task. %s", in_words(states))

    # --- While it runs --------------------------------------------------------------------------------------------

    def invalid(self, row: int, values: Values | InvalidRow) -> None:
        """
        Take a row that has faults, when the second reading reaches it. Any thread may call this.

        :param row: its number
        :param values: what was read in its place
        """
        if self._failed is not None and RowState.INVALID in self._keeps:
            self._failed.keep(row, values, RowState.INVALID)

    def settled(self, contact: PlannedContact, state: RowState, fault: str | None) -> None:
        """
        Take a contact that has reached a state. Any thread may call this.

        :param contact: the contact
        :param state: its state
        :param fault: why it was not created, or why that is unknown
        """
        if state is RowState.UNKNOWN and not self._retries_unknown:
            self._unknown.append(contact.row)
        if self._failed is not None and state in self._keeps:
            self._failed.keep(contact.row, contact.values, state, fault)

    def report_progress(self, now: Progress) -> Mapping[str, Any]:
        """
        Write into log, metrics and ``progress.json`` how far the sending is.

        :param now: the sender's
        :return: the same as numbers, and as a sentence
        """
        before, self._before = self._before, now
        states = self.states(now)
        left = states[RowState.NOT_SENT]
        done = states.total() - left
        seconds = now.seconds - before.seconds
        created = now.accepted - before.accepted
        answers = now.answers - before.answers
        throttled = now.throttled - before.throttled
        rate = created / seconds if seconds > 0 else 0.0
        mean = now.accepted / now.seconds if now.seconds else 0.0
        time_left = left / recent if (recent := self._recent_rate(now)) else None
        share = throttled / answers if answers else 0.0
        line = (
            f"{done} of {states.total()} rows done: {rate:.3g} contacts a second, {100 * share:.1f} % throttled, "
            f"{_failures(states)} failed"
            f"{f', about {_duration(time_left)} left' if left and time_left is not None else ''}{_waiting(now, before)}"
        )
        self._log.info("%s", line)
        for name, count in (
            ("created", created),
            ("throttled", throttled),
            ("failed", _failures(now.states) - _failures(before.states)),
        ):
            self._metrics.incr(f"amazon_connect.contacts.{name}", count, tags=self._tags)
        self._metrics.gauge("amazon_connect.contacts.rate", round(rate, 3), tags=self._tags)
        self._metrics.timing("amazon_connect.contacts.latency", now.pace.latency * 1_000, tags=self._tags)
        self.last_progress = {
            **counted(states),
            "done": done,
            "calls": now.calls,
            "answers": now.answers,
            "accepted": now.accepted,
            "throttled": now.throttled,
            "throttled_share": round(share, 4),
            "in_flight": now.in_flight,
            **now.pace.as_dict(),
            "seconds": now.seconds,
            "waiting_for_quota": now.waiting_for_quota,
            "rate": round(mean, 3),
            "rate_now": round(rate, 3),
            "seconds_left": None if time_left is None else round(time_left, 1),
            "at": datetime.fromtimestamp(Clock().epoch(), UTC).isoformat(timespec="seconds"),
            "line": line,
        }
        if self._ledger is not None:
            self._ledger.write_progress(self.last_progress)
        return self.last_progress

    def _recent_rate(self, now: Progress) -> float:
        """Return the rate from which the time left follows; 0 where it does not, as while everything is throttled."""
        if now.pace.nothing_for is not None or now.waiting_for_quota:
            self._recent.clear()
        self._recent.append((now.seconds, now.accepted))
        since, before = self._recent[0]
        return (now.accepted - before) / (now.seconds - since) if now.seconds > since else 0.0

    # --- At the end -----------------------------------------------------------------------------------------------

    def states(self, now: Progress) -> Counter[RowState]:
        """
        Return how many rows have each state.

        :param now: the sender's progress
        """
        if self._recorded is not None:
            return self._recorded
        plan = self._plan
        states = Counter({RowState.INVALID: plan.invalid, RowState.SKIPPED: plan.rows - plan.valid - plan.invalid})
        states.update(now.states)
        states.update(self._left)
        states[RowState.NOT_SENT] += plan.rows - states.total()
        return states

    def finish(
        self,
        done: Progress,
        ledger: Ledger | None,
        history: History | None,
        error: BaseException | None,
        *,
        may_have_sent: bool = False,
    ) -> BaseException | None:
        """
        Count the rows that the sender has not reached, close the ledger, and report the last progress.

        If the contact of such a row exists or may exist, its state is the one that earlier attempts of the task
        instance recorded; else it is ``not_sent``. If the record could not be written, the counts are those that it
        has, if it can be read: it is what the next attempt and ``read_results`` see.

        :param done: the sender's progress; of a sender that has not run, one without counts
        :param ledger: the attempt's, ``None`` if it cannot be opened
        :param history: what is on record, ``None`` if it cannot be read
        :param error: what ended the attempt early
        :param may_have_sent: whether an attempt has run before, about which only a history would say something
        :return: that error, or else what went wrong with the record
        """
        unrecorded = error if isinstance(error, RecordError) else None
        try:
            if history is not None:
                self._count_left(ledger, history)
            elif may_have_sent:
                self._left[RowState.UNKNOWN] = self._plan.valid
            if ledger is not None:
                if error is None or not isinstance(error, RecordError):
                    ledger.counts(counted(self.states(done)))
                ledger.close()
        except RecordError as failure:
            unrecorded = failure
        if unrecorded is not None:
            self._count_as_recorded()
        self.report_progress(done)
        return error or unrecorded

    def _count_left(self, ledger: Ledger | None, history: History) -> None:
        self._want(RowState.INVALID, ((row, None) for row in self._plan.invalid_rows() if row > self._plan.passed))
        if not history.has_own:
            return
        for row, key, token in self._plan.left():
            known = history.get(token, own=True)
            if known is None:
                if ledger is not None and history.has_state_without_contact(row):
                    # It was invalid or skipped, or the record of its contact is gone: that is not its state any more.
                    ledger.not_sent([(row, key, token)])
                continue
            if known.state.may_have_contact:
                if ledger is not None:
                    ledger.not_again(row, key, token, known)
                self._left[known.state] += 1
                if known.state is RowState.UNKNOWN and not self._retries_unknown:
                    self._unknown.append(row)
                self._want(known.state, [(row, known.message)])
            elif ledger is not None and not (known.state is RowState.NOT_SENT and known.recorded_row == row):
                # Otherwise it would keep the state of an attempt that reached it.
                ledger.not_sent([(row, key, token)])

    def _count_as_recorded(self) -> None:
        states: Counter[RowState] = Counter()
        wanted: list[tuple[int, RowState, str | None]] = []
        try:
            for result in read_results(self._folder):
                state = RowState(result["state"])
                states[state] += 1
                if state in self._keeps:
                    wanted.append((result["row"], state, result["message"]))
        except RecordError as error:
            self._log.warning("The counts are those of this attempt, and the record may have others: %s", error)
            return
        self._recorded = states
        if self._failed is not None:
            self._failed.want(wanted, only=True)

    def _want(self, state: RowState, rows: Iterable[tuple[int, str | None]]) -> None:
        if self._failed is not None and state in self._keeps:
            self._failed.want((row, state, fault) for row, fault in rows)

    def unknown_in_words(self) -> str:
        """Return a sentence about rows that are unknown and are not sent again, by their numbers; empty without any."""
        if not self._unknown:
            return ""
        rows = sorted(self._unknown)
        named = ", ".join(f"{row:,}" for row in rows[:_FAULTS_IN_LOG])
        more = f" and {len(rows) - _FAULTS_IN_LOG:,} more" if len(rows) > _FAULTS_IN_LOG else ""
        return (
            f"{len(rows):,} rows are unknown: these customers may have been called already, and no attempt calls "
            f"them again by itself. Rows: {named}{more}. Look for the contacts in Amazon Connect; retry_unknown=True "
            "calls these customers again, some of them a second time."
        )

    def write_failed_rows(self, path: str | None, done: Progress) -> RecordError | None:
        """
        Write the rows that are kept, in order, and return what went wrong: it fails a task that nothing else fails.

        :param path: the file, which is replaced; ``None`` for none
        :param done: the sender's progress
        """
        if self._failed is None or path is None:
            return None
        try:
            written = self._failed.write(path, self._plan)
        except Exception as error:  # noqa: BLE001  # a store's errors are of its own kinds
            what = str(error) if isinstance(error, ConnectError) else one_line(error)
            failure = RecordError(
                f"The rows that failed cannot be written to {path} ({what}). Correct failed_rows_path."
            )
            self._log.error("%s", failure)  # a traceback would show the row
            return failure
        states = self.states(done)
        counts = ", ".join(f"{count:,} {state.words}" for state in RowState if (count := written.get(state, 0)))
        self._log.info("%d rows are in %s%s", written.total(), path, f": {counts}" if counts else "")
        if left := states[RowState.NOT_SENT]:
            self._log.warning(
                "%d rows that were not sent are not in %s. The task's retry sends them. If it does not have a retry "
                "left, clear it.",
                left,
                path,
            )
        unknown = states[RowState.UNKNOWN]
        if unknown and RowState.UNKNOWN not in self._keeps:
            why = (
                "without an idempotency_key another run would create them twice. The task's retry sends them again. If "
                "it does not have a retry left, clear it."
                if self._retries_unknown
                else "another run would call these customers again."
            )
            self._log.warning("%d unknown rows are not in %s: %s", unknown, path, why)
        return None


def _waiting(now: Progress, before: Progress) -> str:
    """Return what the sending waits for, if it waits for longer than it should."""
    if now.waiting_for_record >= _LONG:
        return f"; waiting for the results to be stored ({now.waiting_for_record:.0f} s)"
    if now.waiting_for_quota:
        return "; waiting for active contacts to end (quota)"
    if state := now.pace.in_words():
        return f"; {state}"
    if now.answers > before.answers:
        return ""
    if now.in_flight:
        return f"; waiting for the answers to {now.in_flight:,} calls"
    return "; waiting for rows to be read" if now.waiting_for_rows else ""


def _failures(states: Mapping[RowState, int]) -> int:
    return states.get(RowState.FAILED, 0) + states.get(RowState.UNKNOWN, 0)


class FailedRows:
    """
    Rows that are kept until it is known which of them another run may want.

    They are in a temporary file of SQLite's without a name: memory does not grow with their number, and nothing is left
    of them when the process ends, however it ends. Any thread may call the methods.
    """

    def __init__(self) -> None:
        import sqlite3

        self._lock = threading.Lock()
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.executescript(_SCHEMA)
        self._error: Exception | None = None

    def keep(
        self, row: int, values: Values | InvalidRow, state: RowState | None = None, fault: str | None = None
    ) -> None:
        """
        Keep a row. :meth:`write` raises what goes wrong here, since that must not end the sending.

        :param row: its number
        :param values: what was read in its place
        :param state: its state (default: what :meth:`want` said)
        :param fault: what is wrong; of an invalid row, the plan knows it
        """
        try:
            origin = origin_of(values)
            place = (origin.file, origin.line) if origin else (None, None)
            content = json_line({FailedColumn.TEXT: values.text} if isinstance(values, InvalidRow) else values)
            with self._lock:
                self._database.execute(_KEEP, (row, state, fault, *place, content))
        except Exception as error:  # noqa: BLE001  # a full disk, or a value of any type
            self._error = error

    def want(self, rows: Iterable[tuple[int, RowState, str | None]], *, only: bool = False) -> None:
        """
        Say that rows are to be written whose values may not be kept yet.

        :param rows: their numbers, their states, and what is wrong with them
        :param only: whether no other row is to be written
        """
        try:
            with self._lock:
                if only:
                    self._database.execute("UPDATE failed SET wanted = 0")
                self._database.executemany(_WANT, rows)
        except Exception as error:  # noqa: BLE001  # a full disk
            self._error = error

    def write(self, path: str, plan: Plan) -> Counter[RowState]:
        """
        Write the rows in their order, and return how many have which state.

        :param path: the file
        :param plan: reads rows again whose values are not kept, and has the faults of invalid rows
        :raises Exception: whatever a store raises, and what went wrong while rows were kept
        """
        if self._error is not None:
            raise self._error
        missing = array("Q", (row for (row,) in self._database.execute(_MISSING)))
        for row, values in plan.rows_again(missing):
            self.keep(row, values)
        if self._error is not None:
            raise self._error
        with self._lock:
            self._database.executemany(
                _FAULT,
                (
                    ("; ".join(fault.words for fault in faults), row)
                    for row, faults in itertools.groupby(plan.faults(), key=lambda fault: fault.row)
                ),
            )
        written: Counter[RowState] = Counter()
        with place_of(path).writing() as file:
            for content, *added in self._database.execute(_LINES, (_NO_ANSWER,)):
                columns = dict(zip(_COLUMNS, added, strict=True))
                # The row is JSON already: its columns, and then those of ours.
                own, ours = content.rstrip()[1:-1], json.dumps(columns).encode()[1:]
                file.write(b"{%b%b%b\n" % (own, b", " if own else b"", ours))
                written[RowState(columns[FailedColumn.STATE])] += 1
        return written

    def close(self) -> None:
        """Free the temporary file."""
        self._database.close()


_KEEP: Final = """
INSERT INTO failed VALUES (?, 1, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    wanted = 1, state = coalesce(excluded.state, state), fault = coalesce(excluded.fault, fault),
    file = excluded.file, line = excluded.line, content = excluded.content
"""
_WANT: Final = """
INSERT INTO failed VALUES (?, 1, ?, ?, NULL, NULL, NULL) ON CONFLICT DO UPDATE SET
    wanted = 1, state = excluded.state, fault = excluded.fault
"""
_FAULT: Final = f"UPDATE failed SET fault = ? WHERE row = ? AND state = '{RowState.INVALID}'"  # noqa: S608  # a word of ours
_MISSING: Final = "SELECT row FROM failed WHERE wanted AND content IS NULL ORDER BY row"
_LINES: Final = "SELECT content, row, file, line, state, coalesce(fault, ?) FROM failed WHERE wanted ORDER BY row"
#: In the order of :data:`_LINES`.
_COLUMNS: Final = (FailedColumn.ROW, FailedColumn.FILE, FailedColumn.LINE, FailedColumn.STATE, FailedColumn.FAULT)
#: What is wrong with a row that was sent and not answered.
_NO_ANSWER: Final = "No answer is on record: a contact may have been created."
