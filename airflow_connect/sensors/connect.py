"""Wait until people have dealt with contacts, and return what they did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from airflow.providers.amazon.aws.sensors.base_aws import AwsBaseSensor
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    PokeReturnValue,
    conf,
    is_deferral_timeout,
)
from airflow_connect.errors import ConnectError, RequestError, SetupError
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.links.connect import ContactLink, InstanceLink
from airflow_connect.outcome import ALL_ATTRIBUTES, Condition, Outcome, check_condition, matches, open_contact
from airflow_connect.retry import MAX_RETRY_TIME
from airflow_connect.triggers.connect import ContactTrigger, connection_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from airflow.sdk import Context

    from airflow_connect.bulk.wait import Wait

__all__ = ["ContactSensor"]

#: Contacts given by ID, at most: they travel through XCom and Airflow's database.
MOST_IDS: Final = 100
#: Seconds that Airflow waits longer for a trigger than the trigger itself, which knows more.
GRACE: Final = 300.0

ON_TIMEOUT: Final = ("fail", "return", "stop")


class ContactSensor(AwsBaseSensor[ConnectHook]):
    """
    Wait until contacts have ended, and return their outcomes as data.

    Any end is an end: what an expired, a stopped and a refused contact mean, ``fail_if``, ``skip_if`` or a branch says.
    A contact that was transferred ends when what it went on as ends, and has that one's outcome.

    .. seealso::
        For more information on how to use this sensor, take a look at the guide:
        :ref:`howto/sensor:ContactSensor`

    :param contact_id: the contact, or a list of at most 100, such as a mapped task's output (templated)
    :param wait_for: which have to end: ``all`` (default), ``any``, ``first_n`` with ``first_n=``, ``percent`` with
        ``percent=``
    :param first_n: for ``first_n``, how many contacts
    :param percent: for ``percent``, how many of a hundred contacts, rounded up to whole ones
    :param attributes: names of the attributes that the outcomes tell, or ``"all"``. Default: none, since they are
        customers' data and an XCom can be read by many (templated).
    :param fail_if: what of an outcome fails the task for good: ``{"state": ["expired", "failed"]}``,
        ``{"attributes": {"decision": "refuse"}}`` (each that is named has to be the value, or one of the list), or a
        function of the outcome with all its attributes. With many contacts one of them is enough (templated).
    :param skip_if: what of an outcome skips what follows, in the same forms (templated)
    :param on_timeout: what happens when ``timeout`` is over: ``fail`` (default), ``return`` the outcomes so far and
        what is open, or ``stop`` what is open first
    :param stop_on_kill: whether to stop what is open when the task is killed: marked, cleared, or timed out by Airflow.
        Default: contacts go on.
    :param deferrable: wait in the triggerer, without a worker. Default: ``[operators] default_deferrable``.
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call that is throttled or not answered is repeated (default: 300)
    :return: for one ID the outcome; for a list ``{"contacts": …, "completed": …, "open": …, "outcomes": […]}``
    """

    aws_hook_class = ConnectHook
    template_fields: Sequence[str] = aws_template_fields(
        "instance_id", "contact_id", "attributes", "fail_if", "skip_if"
    )
    template_fields_renderers = {"fail_if": "json", "skip_if": "json"}  # noqa: RUF012  # as in its base class
    operator_extra_links = (ContactLink(), InstanceLink())
    ui_color = "#eef6ff"

    def __init__(
        self,
        *,
        contact_id: str | Iterable[str],
        wait_for: Literal["all", "any", "first_n", "percent"] = "all",
        first_n: int | None = None,
        percent: float | None = None,
        attributes: Sequence[str] | Literal["all"] = (),
        fail_if: Condition | None = None,
        skip_if: Condition | None = None,
        on_timeout: Literal["fail", "return", "stop"] = "fail",
        stop_on_kill: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        instance_id: str | None = None,
        max_retry_time: float = MAX_RETRY_TIME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        from airflow_connect.bulk.watch import contacts_needed

        contacts_needed(wait_for, 1, first_n=first_n, percent=percent)
        if on_timeout not in ON_TIMEOUT:
            raise ValueError(f"on_timeout of task {self.task_id!r} is one of {', '.join(ON_TIMEOUT)}.")
        self.contact_id = contact_id
        self.wait_for = wait_for
        self.first_n = first_n
        self.percent = percent
        self.attributes = attributes
        self.fail_if = fail_if
        self.skip_if = skip_if
        self.on_timeout = on_timeout
        self.stop_on_kill = stop_on_kill
        self.deferrable = deferrable
        self.instance_id = instance_id
        self.max_retry_time = max_retry_time
        self._wait: Wait | None = None
        self._started: float | None = None
        self._looked_before = False

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {
            **super()._hook_parameters,
            "instance_id": self.instance_id,
            "max_retry_time": self.max_retry_time,
        }

    # --- Life ---------------------------------------------------------------------------------------------------

    def execute(self, context: Context) -> Any:
        """
        Look, and wait here, between two schedulings, or in the triggerer.

        :param context: the context of the task instance
        """
        self._check(context)
        if not self.deferrable:
            self._started = self._first_look(context)
            return super().execute(context)
        self._started = time.time()
        wait = self._new_wait()
        self._guarded(wait.look)
        if wait.is_met:
            try:
                return self._result(wait, timed_out=False)
            except AirflowFailException as failure:
                if self.soft_fail:
                    raise AirflowSkipException(str(failure)) from failure
                raise
        self.defer(
            trigger=self._trigger(self._started + self.timeout),
            method_name="execute_complete",
            # Where it may go on with what there is, a triggerer that comes back late is better than no result.
            timeout=timedelta(seconds=self.timeout + GRACE) if self.on_timeout == "fail" else None,
        )
        raise AssertionError("to defer is to raise")

    def poke(self, context: Context) -> PokeReturnValue | bool:
        """
        Look once.

        :param context: the context of the task instance
        """
        wait = self._wait = self._wait or self._new_wait()
        self._guarded(wait.look)
        late = self._started is not None and time.time() - self._started > self.timeout
        if not wait.is_met and (self.on_timeout == "fail" or not late):
            return False
        return PokeReturnValue(is_done=True, xcom_value=self._result(wait, timed_out=not wait.is_met))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """
        Go on after the trigger has fired.

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
            summary = event["summary"]
            still_open = f"Of {summary['contacts']} contacts {summary['open']} are open"
            raise AirflowSensorTimeout(f"{still_open} after {self.timeout:g} seconds (timeout).")
        wait = self._new_wait(event["ended"])
        if self.attributes or self.fail_if or self.skip_if:
            # The event has no attributes, since Airflow logs it.
            self._guarded(wait.read_attributes)
        return self._result(wait, timed_out=timed_out)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Stop what is open, if that is wanted, when Airflow's time for the deferred task is up."""
        if self.stop_on_kill and is_deferral_timeout(next_method, next_kwargs):
            self.on_kill()
        return super().resume_execution(next_method, next_kwargs, context)

    def on_kill(self) -> None:
        """Stop what is open, if that is wanted."""
        if not self.stop_on_kill:
            return
        try:
            wait = self._wait or self._new_wait()
            self.log.info("The task was killed: %s", dict(asyncio.run(wait.stop_open(self._stop))))
        except ConnectError as error:
            self.log.error("The task was killed, and its contacts could not be stopped: %s", error)  # noqa: TRY400

    # --- What there is to wait for ------------------------------------------------------------------------------

    def _check(self, context: Context) -> None:
        """Find bad arguments before anything is read, and give the UI its links."""
        try:
            ids = self._contact_ids()
            check_condition("fail_if", self.fail_if)
            check_condition("skip_if", self.skip_if)
            _check_attributes(self.attributes)
        except (TypeError, ValueError) as error:
            raise AirflowFailException(f"Task {self.task_id!r}: {error}") from None
        url = self.hook.instance_access_url
        if url is not None:
            alone = {"contact_id": ids[0]} if isinstance(self.contact_id, str) else {}
            context["ti"].xcom_push(key=ContactLink.xcom, value={"instance_access_url": url, **alone})

    def _contact_ids(self) -> list[str]:
        given = [self.contact_id] if isinstance(self.contact_id, str) else self.contact_id
        if not isinstance(given, Iterable) or isinstance(given, Mapping):
            raise TypeError("contact_id is a contact's ID or a list of them.")
        ids = list(dict.fromkeys(given))
        if not all(isinstance(one, str) and one.strip() for one in ids):
            raise ValueError("contact_id has something in it that is no contact's ID: an empty text, or no text.")
        if len(ids) > MOST_IDS:
            raise ValueError(f"contact_id has {len(ids):,} contacts; a task waits for at most {MOST_IDS} given by ID.")
        return ids

    def _new_wait(self, ended: Iterable[Mapping[str, Any]] = ()) -> Wait:
        from airflow_connect.bulk.paced import RealTime
        from airflow_connect.bulk.wait import InMemory, Wait
        from airflow_connect.bulk.watch import Reads

        clock = RealTime()
        return Wait(
            InMemory(self._contact_ids(), map(Outcome.from_dict, ended)),
            Reads(self.hook, clock=clock, max_retry_time=self.max_retry_time),
            clock=clock,
            interval=self.poke_interval,
            wait_for=self.wait_for,
            first_n=self.first_n,
            percent=self.percent,
            looked_before=self._looked_before,
        )

    def _trigger(self, deadline: float) -> ContactTrigger:
        return ContactTrigger(
            contact_ids=self._contact_ids(),
            poke_interval=self.poke_interval,
            deadline=deadline,
            wait_for=self.wait_for,
            first_n=self.first_n,
            percent=self.percent,
            stop_on_kill=self.stop_on_kill,
            **connection_of(self),
        )

    def _first_look(self, context: Context) -> float:
        """Return when this attempt looked first, which is before a task that reschedules itself began."""
        first = context["ti"].get_first_reschedule_date(context) if self.reschedule else None
        self._looked_before = first is not None
        return first.timestamp() if first is not None else time.time()

    def _stop(self, contact_id: str) -> bool:
        return self.hook.stop_contact(contact_id, max_retry_time=0)

    # --- What comes of it ---------------------------------------------------------------------------------------

    def _result(self, wait: Wait, *, timed_out: bool) -> Any:
        """Return the outcomes, or end the task as its conditions say."""
        if timed_out and self.on_timeout == "stop":
            self.log.info("The time is up: %s", dict(self._guarded(lambda: wait.stop_open(self._stop))))
        awaited: Any = wait.awaited
        outcomes: list[Outcome] = awaited.ended()
        for outcome in outcomes:
            self.log.info("Contact %s: %s (%s)", outcome.contact_id, outcome.state, outcome.disconnect_reason)
        self._end_if(outcomes)
        told = [outcome.as_dict(self.attributes) for outcome in outcomes]
        if isinstance(self.contact_id, str):
            return told[0] if told else open_contact(self.contact_id)
        return {**awaited.summary(), "timed_out": timed_out, "outcomes": told, "open_contacts": awaited.open()}

    def _end_if(self, outcomes: Iterable[Outcome]) -> None:
        everything = [outcome.as_dict(ALL_ATTRIBUTES) for outcome in outcomes]
        for name, condition, end in (
            ("fail_if", self.fail_if, AirflowFailException),
            ("skip_if", self.skip_if, AirflowSkipException),
        ):
            met = [one["contact_id"] for one in everything if condition is not None and matches(condition, one)]
            if met:
                more = f" and {len(met) - 1} more" if len(met) > 1 else ""
                raise end(f"The outcome of contact {met[0]}{more} is what {name} names.")

    def _guarded(self, look: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run what reads contacts; raise its error without a traceback whose frames hold what contacts hold."""
        try:
            return asyncio.run(look())
        except ConnectError as error:
            failure = error
        if isinstance(failure, RequestError):
            raise AirflowFailException(str(failure))
        raise failure.with_traceback(None)


def _check_attributes(attributes: object) -> None:
    if isinstance(attributes, str) and attributes != ALL_ATTRIBUTES:
        raise ValueError(f"attributes is a list of names, or {ALL_ATTRIBUTES!r}.")
