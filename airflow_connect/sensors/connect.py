"""Wait until people have dealt with contacts, and return what they did."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    PokeReturnValue,
    conf,
    default_results_path,
    first_reschedule,
    is_deferral_timeout,
)
from airflow_connect._task import ConnectTask, choice, confidential, is_constant, one_of
from airflow_connect.api.errors import ConnectError, SetupError
from airflow_connect.api.outcome import (
    ALL_ATTRIBUTES,
    Condition,
    Outcome,
    OutcomeState,
    check_condition,
    is_missing,
    matches,
    missing_in_words,
    open_contact,
)
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.waiting.awaited import (
    InMemory,
    InResults,
    contact_ids_of,
    contacts_needed,
    name_unknown,
    results_of,
    unknown_in_words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow.providers.common.compat.sdk import XComArg
    from airflow.sdk import Context

    from airflow_connect._task import Rule
    from airflow_connect.triggers.connect import ContactTrigger
    from airflow_connect.waiting.awaited import Awaited
    from airflow_connect.waiting.wait import Wait

__all__ = ["ContactSensor"]

#: Contacts that are kept in XCom and Airflow's database, at most; more are kept with the results.
MOST_IDS: Final = 100
#: Seconds that Airflow waits longer for a trigger than the trigger itself, which knows more; and for each contact, as
#: the trigger may have to read it then.
GRACE: Final = 300.0
SECONDS_PER_READ: Final = 1.0

ON_TIMEOUT: Final = ("fail", "return", "stop")


class ContactSensor(ConnectTask, AwsBaseSensor[ConnectHook]):
    """
    Wait until contacts have ended, and return their outcomes as data.

    The sensor succeeds however the contacts ended. Use ``fail_if`` or ``skip_if`` to fail or skip on some endings, or a
    branch. A contact that was transferred ends when the contact that it was transferred to ends, with its outcome. A
    contact that does not exist fails the task for good, unless ``skip_if`` names its outcome (``{"state": "failed"}``).

    .. seealso::
        For more information on how to use this sensor, take a look at the guide:
        :ref:`howto/sensor:ContactSensor`

    :param contact_id: the contact, or a list of them, such as a mapped task's output. A list of more than 100 is kept
        below ``results_path`` and not in Airflow's database (templated).
    :param results: instead of contacts, the output of a ``BulkCreateContactsOperator``, or the folder of its results:
        the sensor waits for all that it created, and records the outcomes there (templated)
    :param wait_for: how many have to end: ``"all"`` (default), ``"any"``, a number of contacts such as ``3``, or a
        share of them such as ``"80%"``, rounded up to whole contacts (templated)
    :param attributes: names of the attributes that the outcomes include, or ``"all"``. Default: none, since they are
        customers' data and an XCom can be read by many (templated).
    :param fail_if: outcomes that fail the task for good: ``{"state": ["expired", "failed"]}`` or
        ``{"attributes": {"decision": "refuse"}}``, where each field has to have the value, or one of the list; or a
        function of the outcome with all its attributes. With many contacts, one of them is enough (templated).
    :param skip_if: outcomes that skip the next tasks, in the same forms (templated)
    :param on_timeout: what happens when ``timeout`` is over: ``fail`` (default); ``return`` returns the outcomes so far
        and the open contacts; ``stop`` stops the open contacts first (templated)
    :param stop_on_kill: stop open contacts when the task is killed: marked, cleared, or timed out by Airflow. Default:
        contacts stay open.
    :param results_path: where a list of more than 100 contacts and their outcomes are kept. Default: as for the
        ``BulkCreateContactsOperator`` (templated).
    :param deferrable: wait in the triggerer, without a worker. Default: ``[operators] default_deferrable``.
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; when
        nothing was accepted for that long, the poll ends. 0 for a single attempt (default: 300)
    :return: for one ID the outcome. For many ``{"contacts": …, "completed": …, "stopped": …, "expired": …,
        "transferred": …, "failed": …, "open": …, "timed_out": …}``, of calls also ``not_answered`` and ``busy``
        if there are any, with ``outcomes`` and ``open_contacts`` (lists), or with ``results``: the folder, which
        :func:`~airflow_connect.operators.bulk.read_results` reads. With ``results`` also ``unknown``: how many rows do
        not have an answer on record, so that a contact may exist that the sensor did not wait for, and if there are any
        ``unknown_rows``: the numbers of the first 100
    :raises AirflowSensorTimeout: if the time is up and ``on_timeout`` is ``fail``
    :raises AirflowFailException: if an outcome matches ``fail_if``, or a contact does not exist
    :raises AirflowSkipException: if an outcome matches ``skip_if``
    """

    template_fields: Sequence[str] = aws_template_fields(
        "attributes",
        "contact_id",
        "fail_if",
        "instance_id",
        "on_timeout",
        "results",
        "results_path",
        "skip_if",
        "wait_for",
    )
    exclusive: ClassVar[Mapping[tuple[str, ...], str]] = {("contact_id", "results"): "give one of them"}
    rules: ClassVar[Mapping[str, Rule]] = {**ConnectTask.rules, "on_timeout": one_of(*ON_TIMEOUT)}
    template_fields_renderers = {"fail_if": "json", "skip_if": "json"}  # noqa: RUF012  # as in its base class

    def __init__(
        self,
        *,
        contact_id: str | Iterable[str] | XComArg | None = None,
        results: str | Mapping[str, Any] | XComArg | None = None,
        wait_for: str | int = "all",
        attributes: Sequence[str] | Literal["all"] = (),
        fail_if: Condition | None = None,
        skip_if: Condition | None = None,
        on_timeout: Literal["fail", "return", "stop"] = "fail",
        stop_on_kill: bool = False,
        results_path: str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contact_id = contact_id
        self.results = results
        self.wait_for = wait_for
        self.attributes = attributes
        self.fail_if = self.in_dag("fail_if", fail_if)
        self.skip_if = self.in_dag("skip_if", skip_if)
        self.on_timeout = on_timeout
        self.stop_on_kill = stop_on_kill
        self.results_path = results_path
        self.deferrable = deferrable
        self._wait: Wait | None = None
        self._started: float | None = None
        self._polled_before = False
        self._folder: str | None = None
        self.check_constants(
            contact_id=contact_id,
            results=results,
            wait_for=wait_for,
            on_timeout=on_timeout,
            fail_if=fail_if,
            skip_if=skip_if,
        )

    @classmethod
    def wrong_constants(cls, arguments: Mapping[str, Any]) -> Iterator[str]:
        """
        Yield what is wrong with the constants among arguments.

        :param arguments: by their names
        """
        yield from super().wrong_constants(arguments)
        checks: dict[str, Callable[[Any], object]] = {
            "wait_for": lambda given: contacts_needed(given, 0),
            "fail_if": lambda given: check_condition("fail_if", given),
            "skip_if": lambda given: check_condition("skip_if", given),
        }
        for name, check in checks.items():
            if is_constant(value := arguments.get(name)):
                try:
                    check(value)
                except (TypeError, ValueError) as error:
                    yield f"{str(error).rstrip('.')} (given: {value!r})"

    # --- Life ---------------------------------------------------------------------------------------------------

    @confidential
    def execute(self, context: Context) -> Any:
        """
        Poll, and wait here, between two schedulings, or in the triggerer.

        :param context: the context of the task instance
        """
        self._check(context)
        if not self.deferrable:
            self._wait, self._started = None, self._first_poll(context)
            return super().execute(context)
        self._started = time.time()
        wait = self._wait = self._new_wait(context, deadline=self._started + self.timeout)
        if self._is_small(wait):
            asyncio.run(wait.poll())
        if wait.is_met:
            try:
                return self._result(wait, timed_out=False)
            except AirflowFailException as failure:
                if self.soft_fail:
                    raise AirflowSkipException(str(failure)) from failure
                raise
        self.defer(
            trigger=self._trigger(context, self._started + self.timeout),
            method_name="execute_complete",
            # Unless the task fails then, a triggerer that comes back late is better than no result.
            timeout=self._airflows_timeout(wait) if self.on_timeout == "fail" else None,
        )
        raise AssertionError("to defer is to raise")

    @confidential
    def poke(self, context: Context) -> PokeReturnValue | bool:
        """
        Poll once.

        :param context: the context of the task instance
        """
        deadline = None if self._started is None else self._started + self.timeout
        wait = self._wait = self._wait or self._new_wait(context, deadline=deadline)
        asyncio.run(wait.poll())
        if not wait.is_met and not wait.is_late:
            return False
        if not wait.is_met and self.on_timeout == "fail":
            raise self._timed_out(wait.awaited.summary())
        return PokeReturnValue(is_done=True, xcom_value=self._result(wait, timed_out=not wait.is_met))

    @confidential
    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """
        Continue after the trigger has fired.

        :param context: the context of the task instance
        :param event: what the trigger says
        :raises AirflowSensorTimeout: if the time is up and ``on_timeout`` is ``fail``
        """
        event = event or {}
        if event.get("status") == "error":
            raise SetupError(event["message"])
        self._check(context)
        timed_out = event["status"] == "timeout"
        if timed_out and self.on_timeout == "fail":
            raise self._timed_out(event["summary"])
        wait = self._new_wait(context, event["ended"], transferred_to=event.get("transferred_to", {}))
        return self._result(wait, timed_out=timed_out, reported=event["ended"])

    @confidential
    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Stop what is open, if that is wanted, when Airflow's time for the deferred task is up."""
        if self.stop_on_kill and is_deferral_timeout(next_method, next_kwargs):
            self._wait = self._new_wait(context)
            self.on_kill()
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Stop what is open, if that is wanted."""
        if not self.stop_on_kill or self._wait is None:
            return
        try:
            self.log.info("The task was killed: %s", dict(self._wait.stop_at_once()))
        except ConnectError as error:
            self.log.error("The task was killed, and its contacts could not be stopped: %s", error)  # noqa: TRY400

    # --- What there is to wait for ------------------------------------------------------------------------------

    def _check(self, context: Context) -> None:
        """Check the arguments before anything is read, and store the links."""
        try:
            contacts_needed(self.wait_for, 0)
            choice("on_timeout", self.on_timeout, ON_TIMEOUT)
            _check_results(self.contact_id, self.results)
            ids = self._contact_ids() if self.results is None else []
            if ids and not isinstance(self.contact_id, str):
                # An iterator can be read once, as what Jinja's filters give where templates are native objects.
                self.contact_id = ids
            check_condition("fail_if", self.fail_if)
            check_condition("skip_if", self.skip_if)
            _check_attributes(self.attributes)
            if self.results is not None or len(ids) > MOST_IDS:
                _check_recorded(self.attributes, fail_if=self.fail_if, skip_if=self.skip_if)
        except (TypeError, ValueError) as error:
            raise AirflowFailException(f"Task {self.task_id!r}: {error}") from None
        results, conn_id = (None, None) if self.results is None else results_of(self.results)
        is_one = isinstance(self.contact_id, str)
        self.store_link(
            context,
            ids[0] if is_one else None,
            contact_ids=None if is_one or not 0 < len(ids) <= MOST_IDS else ids,
            results=results,
            results_conn_id=conn_id,
        )

    def _contact_ids(self) -> list[str]:
        return contact_ids_of(self.contact_id, lambda: self.hook.instance_id)

    def _awaited(self, context: Context) -> Awaited:
        """Return what to wait for, and where its outcomes are kept."""
        if self.results is None and len(ids := self._contact_ids()) <= MOST_IDS:
            return InMemory(ids)
        path, conn_id = self._results(context)
        return InResults(path, conn_id=conn_id, attributes=self.attributes)

    def _results(self, context: Context) -> tuple[str, str | None]:
        """Return the folder of the results; a long list of contacts is recorded in one of the task's own."""
        if self.results is not None:
            return results_of(self.results)
        if self._folder is None:
            from airflow_connect.record.format import run_folder
            from airflow_connect.record.storage import folder_of
            from airflow_connect.waiting.awaited import list_contacts

            ti, ids = context["ti"], self._contact_ids()
            whose = {name: getattr(ti, name) for name in ("dag_id", "run_id", "task_id", "map_index")}
            # Another list is another wait, and so has another folder.
            folder = run_folder(folder_of(self.results_path or default_results_path()), **whose)
            folder /= f"contacts={hashlib.sha256(chr(10).join(ids).encode()).hexdigest()[:16]}"
            list_contacts(folder, ids, header={**whose, "try_number": ti.try_number})
            self._folder = str(folder)
        return self._folder, None

    def _new_wait(
        self,
        context: Context,
        ended: Iterable[Mapping[str, Any]] = (),
        *,
        transferred_to: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Wait:
        from airflow_connect.calls.clock import Clock
        from airflow_connect.waiting.wait import Wait
        from airflow_connect.waiting.watch import Reads

        clock = Clock()
        awaited = self._awaited(context)
        for one in ended:
            awaited.add(Outcome.from_dict(one))
        for contact_id, successor in (transferred_to or {}).items():
            awaited.transferred(contact_id, successor)
        wait = Wait(
            awaited,
            Reads(self.hook, clock=clock, max_retry_time=self.max_retry_time),
            clock=clock,
            interval=self.poke_interval,
            deadline=deadline,
            wait_for=self.wait_for,
            polled_before=self._polled_before,
        )
        if contacts_needed(self.wait_for, awaited.total + len(awaited.unknown)) > awaited.total:
            self.log.warning("The wait may miss contacts: %s", unknown_in_words(awaited.unknown))
        return wait

    def _trigger(self, context: Context, deadline: float) -> ContactTrigger:
        from airflow_connect.triggers.connect import ContactTrigger, connection_of

        if self.results is None and len(ids := self._contact_ids()) <= MOST_IDS:
            contacts: dict[str, Any] = {"contact_ids": ids}
        else:
            path, conn_id = self._results(context)
            contacts = {"results": path, "results_conn_id": conn_id, "attributes": self.attributes}
        return ContactTrigger(
            **contacts,
            poke_interval=self.poke_interval,
            deadline=deadline,
            wait_for=self.wait_for,
            stop_on_kill=self.stop_on_kill,
            **connection_of(self),
        )

    def _first_poll(self, context: Context) -> float:
        """Return when this attempt polled first, which is before a task that reschedules itself began."""
        first = first_reschedule(context) if self.reschedule else None
        self._polled_before = first is not None
        return first.timestamp() if first is not None else time.time()

    # --- What comes of it ---------------------------------------------------------------------------------------

    def _airflows_timeout(self, wait: Wait) -> timedelta:
        """Return for how long Airflow waits for the trigger, which may read each contact when the time is up."""
        return timedelta(seconds=self.timeout + GRACE + SECONDS_PER_READ * wait.awaited.total)

    def _timed_out(self, summary: Mapping[str, Any]) -> AirflowSensorTimeout:
        still_open = f"Of {summary['contacts']} contacts {summary['open']} are open"
        return AirflowSensorTimeout(f"{still_open} after {self.timeout:g} seconds (timeout).")

    def _result(self, wait: Wait, *, timed_out: bool, reported: Iterable[Mapping[str, Any]] = ()) -> Any:
        """
        Return the outcomes, or end the task as its conditions say.

        :param reported: the outcomes in a trigger's event, without attributes, since Airflow logs it
        """
        if timed_out:
            self.log.info(
                "The time is up (timeout=%g): of %d contacts %d are open (on_timeout=%r)",
                self.timeout,
                wait.awaited.total,
                wait.awaited.total - wait.ended,
                self.on_timeout,
            )
        if timed_out and self.on_timeout == "stop":
            self.log.info("Contacts that were open: %s", dict(asyncio.run(wait.stop_open())))
        if reported and (self.attributes or self.fail_if or self.skip_if):
            asyncio.run(wait.read_attributes())
        awaited: Any = wait.awaited
        awaited.close()
        unknown = name_unknown(awaited.unknown) if self.results is not None else {}
        summary = {**awaited.summary(), **unknown, "timed_out": timed_out}
        self.log.info("Of %(contacts)d contacts %(open)d are open", summary)
        if not self._is_small(wait):
            path, conn_id = awaited.path, awaited.conn_id
            if self.fail_if is not None or self.skip_if is not None or awaited.counts[OutcomeState.FAILED]:
                from airflow_connect.record.results import created_contacts

                contacts = created_contacts(path, conn_id=conn_id).contacts
                self._end_if((one.outcome for one in contacts if one.outcome is not None), awaited.total)
            return {**summary, "results": path, **({"results_conn_id": conn_id} if conn_id else {})}
        outcomes: list[Outcome] = awaited.ended()
        for outcome in outcomes:
            self.log.info("Contact %s: %s (%s)", outcome.contact_id, outcome.state, outcome.disconnect_reason)
        self._end_if((outcome.as_dict(ALL_ATTRIBUTES) for outcome in outcomes), awaited.total)
        shown = [outcome.as_dict(self.attributes) for outcome in outcomes]
        if isinstance(self.contact_id, str):
            if shown:
                return shown[0]
            [contact_id] = self._contact_ids()
            return {**open_contact(contact_id), "transferred_to": awaited.transferred_to.get(contact_id)}
        transferred_to = {"transferred_to": awaited.transferred_to} if awaited.transferred_to else {}
        return {**summary, "outcomes": shown, "open_contacts": awaited.open(), **transferred_to}

    @staticmethod
    def _is_small(wait: Wait) -> bool:
        return isinstance(wait.awaited, InMemory)

    def _end_if(self, outcomes: Iterable[dict[str, Any]], total: int) -> None:
        """
        End the task as its conditions say, or since the author named contacts that do not exist.

        :param total: how many contacts the sensor waited for
        """
        conditions = {"fail_if": self.fail_if, "skip_if": self.skip_if}
        met: dict[str, list[str]] = {name: [] for name in conditions}
        missing: list[str] = []
        for outcome in outcomes:
            if is_missing(outcome):
                missing.append(outcome["contact_id"])
            for name, condition in conditions.items():
                if condition is not None and matches(condition, outcome):
                    met[name].append(outcome["contact_id"])
        for name, end in (("fail_if", AirflowFailException), ("skip_if", AirflowSkipException)):
            if found := met[name]:
                more = f" and {len(found) - 1:,} more" if len(found) > 1 else ""
                raise end(f"The outcome of contact {found[0]}{more} matches {name}.")
        if not missing:
            return
        message = missing_in_words(missing, self.hook.instance_id, total)
        # A contact of the results did exist. If none of them does, this is another instance.
        if self.results is None or len(missing) == total:
            raise AirflowFailException(message)
        self.log.warning("%s", message)


def _check_attributes(attributes: object) -> None:
    names = isinstance(attributes, Collection) and all(isinstance(name, str) for name in attributes)
    if not names or (isinstance(attributes, str) and attributes != ALL_ATTRIBUTES):
        raise ValueError(f"attributes must be a list of names, or {ALL_ATTRIBUTES!r}.")


def _check_results(contact_id: object, results: object) -> None:
    if (contact_id is None) == (results is None):
        raise ValueError("give contact_id or results, and not both.")
    if results is not None:
        results_of(results)


def _check_recorded(attributes: Sequence[str], **conditions: Condition | None) -> None:
    """Check that the conditions use only attributes that are recorded, since outcomes are read from the record."""
    for name, condition in conditions.items():
        wanted = condition.get("attributes", {}) if isinstance(condition, Mapping) else {}
        if attributes != ALL_ATTRIBUTES and (missing := sorted(set(wanted) - set(attributes))):
            raise ValueError(f"{name} needs {', '.join(missing)}, which attributes= does not name.")
