"""Operators that create a contact of Amazon Connect, and that stop, change, tag and transfer one or many."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    BaseBranchOperator,
    conf,
    is_retry,
    mapped_arguments,
    runs_all_branches,
    task_state_store,
    tasks_share_a_disk,
)
from airflow_connect._task import (
    ConnectTask,
    confidential,
    given_text,
    is_constant,
    number,
    results_root,
    rules_of,
    truth,
    truth_value,
)
from airflow_connect.api.errors import ConnectError, InvalidRequestError, SetupError
from airflow_connect.api.fields import Fault, checked_key, describe, text_of
from airflow_connect.api.identity import token_for_key
from airflow_connect.api.operations import (
    CreateContact,
    Operation,
    StartOutboundVoiceContact,
    StartTaskContact,
    StopContact,
    TagContact,
    TransferContact,
    UpdateContactAttributes,
)
from airflow_connect.operators.base_connect import ConnectBaseOperator
from airflow_connect.operators.each_contact import EachContactOperator

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from airflow.providers.common.compat.sdk import XComArg
    from airflow.sdk import Context

    from airflow_connect._task import Rule
    from airflow_connect.record.once import Store
    from airflow_connect.waiting.awaited import InMemory
    from airflow_connect.waiting.wait import Wait

__all__ = [
    "ContactBranchOperator",
    "CreateContactOperator",
    "StartOutboundVoiceContactOperator",
    "StartTaskContactOperator",
    "StopContactOperator",
    "TagContactOperator",
    "TransferContactOperator",
    "UpdateContactAttributesOperator",
]


#: The entry of the task state store that says when the first attempt of a task began to wait for its contact.
_WAITING_SINCE: Final = "amazon_connect_waiting_since"


class _CreatesContactOperator(ConnectBaseOperator):
    """
    What the operators that create a contact have in common: a request, a client token, a contact created once.

    :param idempotency_key: what identifies the contact, instead of this task instance (templated): the same key creates
        one contact over tasks, runs and Dags, for each Region, instance and operation
    :param client_token: Amazon Connect's token for the request, instead of one that is derived from the task instance
        or from the key (templated)
    :param wait_for_completion: wait until the contact has ended, for any reason; its outcome is then the XCom
        ``outcome`` (default: False)
    :param waiter_delay: seconds between two polls (default: 60)
    :param waiter_max_attempts: polls after which the task fails, counted over all its attempts; before Airflow 3.3
        each attempt counts from zero (default: 10,080, which is a week)
    :param outcome_attributes: names of the attributes that the outcome includes, or ``"all"`` (default: no attributes)
    :param stop_on_kill: stop the contact when the task is killed while it waits (default: False)
    :param deferrable: wait in the triggerer, without a worker. Default: ``[operators] default_deferrable``.
    """

    rules: ClassVar[Mapping[str, Rule]] = {
        **ConnectTask.rules,
        "waiter_delay": number(above=True),
        "waiter_max_attempts": number(1),
    }
    exclusive: ClassVar[Mapping[tuple[str, ...], str]] = {
        ("idempotency_key", "client_token"): "each says what identifies the contact"
    }
    #: Whether a call that may have been sent is retried although the operation does not promise that this is safe.
    retry_unknown: bool | str = False
    #: Which of its arguments are to identify the contact, also if their templates render nothing.
    _identified_by: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        idempotency_key: str | None = None,
        client_token: str | None = None,
        wait_for_completion: bool = False,
        waiter_delay: float = 60,
        waiter_max_attempts: int = 10_080,
        outcome_attributes: Sequence[str] | Literal["all"] = (),
        stop_on_kill: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.idempotency_key = idempotency_key
        self.client_token = client_token
        self.wait_for_completion = wait_for_completion
        self.waiter_delay = waiter_delay
        self.waiter_max_attempts = waiter_max_attempts
        self.outcome_attributes = outcome_attributes
        self.stop_on_kill = stop_on_kill
        self.deferrable = deferrable
        self._wait: Wait | None = None
        self.check_constants(
            idempotency_key=idempotency_key,
            client_token=client_token,
            waiter_delay=waiter_delay,
            waiter_max_attempts=waiter_max_attempts,
        )

    def before_rendering(self, context: Context) -> Collection[str]:
        """
        Keep what is to identify the contact: if it renders nothing, the task instance must not take its place.

        :param context: the context of the task instance
        """
        names, mapped = ("idempotency_key", "client_token"), mapped_arguments(self)
        self._identified_by = frozenset(name for name in names if getattr(self, name) is not None or name in mapped)
        return super().before_rendering(context)

    def create(self, context: Context, request: type[Operation], **arguments: Any) -> str:
        """
        Create the contact, unless an earlier attempt is known to have created it.

        :param context: the context of the task instance
        :param request: the request's class
        :param arguments: its arguments, in place of the operator's
        :return: the contact's ID
        """
        from airflow_connect.assets.lineage import update_outlets
        from airflow_connect.record.once import ContactRecord, FolderStore

        token = self._token(context, request.name)
        own = {name: getattr(self, name) for name in request.parameters}
        params = request(**{**own, **arguments, "instance_id": self.hook.instance_id, "client_token": token}).params()

        retry_unknown = self._may_retry_unknown(request.name)
        store = self.record_store(context)
        ti = context["ti"]
        asked_by = {name: getattr(ti, name, -1) for name in ("dag_id", "run_id", "task_id", "map_index")}
        record = ContactRecord(
            store,
            request.name,
            params,
            retry_unknown=request.promise.retries_unknown or retry_unknown,
            asked_by=asked_by if isinstance(store, FolderStore) else None,
        )
        if store is None and ti.try_number > 1:
            self.log.warning(
                "Only Amazon Connect knows whether an earlier attempt created the contact, by the client token: this "
                "Airflow does not have a task state store. If Amazon Connect has forgotten the token, it creates a "
                "second contact. Airflow 3.3 or later keeps the contact beside the task instance."
            )
        contact = record.contact()
        if contact is not None:
            if changed := record.changed_fields():
                self.log.warning(
                    "The request differs from the one that created the contact, which stays as it is: %s",
                    ", ".join(changed),
                )
            what, attempts = "was created by an earlier attempt", 0
        else:
            with record:
                response = self.hook.call(request.name, params, retry_unknown=retry_unknown)
                contact = {"contact_id": response["ContactId"], "contact_arn": response.get("ContactArn")}
                record.created(contact)
            what, attempts = "created", 1 + response["ResponseMetadata"]["RetryAttempts"]

        contact_id: str = contact["contact_id"]
        if contact.get("contact_arn"):
            context["ti"].xcom_push(key="contact_arn", value=contact["contact_arn"])
        link = self.store_link(context, contact_id)
        self.log.info("Contact %s %s (%s); client token %.8s…, attempts: %d", contact_id, what, link, token, attempts)
        update_outlets(context, self.hook.instance_id, {"contacts": 1})
        return contact_id

    def _may_retry_unknown(self, operation: str) -> bool:
        try:
            return truth("retry_unknown", self.retry_unknown)
        except ValueError:
            fault = Fault("retry_unknown", "must be true or false", describe(self.retry_unknown))
        raise InvalidRequestError(operation, [fault])

    def record_store(self, context: Context) -> Store | None:
        """
        Return where to record what becomes of the contact, ``None`` without such a place.

        :param context: the context of the task instance
        """
        return task_state_store(context)

    def _token(self, context: Context, operation: str) -> str:
        given = {name: getattr(self, name) for name in ("idempotency_key", "client_token")}
        given = {name: value for name, value in given.items() if value is not None or name in self._identified_by}
        if len(given) > 1:
            rule = "give idempotency_key or client_token: each says what identifies the contact"
            raise InvalidRequestError(operation, [Fault("idempotency_key", rule, "both")])
        for name, value in given.items():
            text, fault = checked_key(value, name)
            if fault is not None:
                raise InvalidRequestError(operation, [fault])
            if name == "client_token":
                return text
            return token_for_key(self.hook.conn_region_name, self.hook.instance_id, operation, text)
        return self.token_for_task(context, operation)

    def get_openlineage_facets_on_complete(self, _task_instance: Any) -> Any:
        """Return the instance's contacts as the output, for OpenLineage."""
        from airflow_connect.assets.lineage import contacts_lineage

        return contacts_lineage(self.hook.instance_id)

    # --- wait_for_completion --------------------------------------------------------------------------------------

    def wait_for_end(self, context: Context, contact_id: str) -> None:
        """
        Wait until the contact has ended: here, or in the triggerer.

        :param context: the context of the task instance
        :param contact_id: the contact
        :raises AirflowSensorTimeout: if the contact has not ended in time
        """
        from airflow_connect.triggers.connect import ContactTrigger, connection_of
        from airflow_connect.waiting.awaited import InMemory

        deadline = self._waiting_since(context) + self.waiter_delay * self.waiter_max_attempts
        if self.deferrable:
            trigger = ContactTrigger(
                contact_ids=[contact_id],
                poke_interval=self.waiter_delay,
                deadline=deadline,
                stop_on_kill=self.stop_on_kill,
                **connection_of(self),
            )
            self.defer(trigger=trigger, method_name="execute_complete")
        wait = self._wait = self._new_wait(InMemory([contact_id]), deadline)
        asyncio.run(wait.poll_until_over())
        self._report(context, wait)

    def _waiting_since(self, context: Context) -> float:
        """Return when the first attempt began to wait (seconds since 1970); a clear begins anew."""
        store, now = task_state_store(context), time.time()
        if store is None:
            return now
        if is_retry(context["ti"], self.retries or 0) and isinstance(since := store.get(_WAITING_SINCE), float):
            return since
        store.set(_WAITING_SINCE, now)
        return now

    @confidential
    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """
        Continue after the trigger has fired.

        :param context: the context of the task instance
        :param event: what the trigger says
        :raises AirflowSensorTimeout: if the contact has not ended in time
        """
        from airflow_connect.api.outcome import Outcome
        from airflow_connect.assets.lineage import update_outlets
        from airflow_connect.waiting.awaited import InMemory

        event = event or {}
        if event.get("status") == "error":
            raise SetupError(event["message"])
        # What was reported before the task was deferred is lost with its process.
        update_outlets(context, self.hook.instance_id, {"contacts": 1})
        outcomes = [Outcome.from_dict(one) for one in event["ended"]]
        wait = self._new_wait(InMemory([one.contact_id for one in outcomes], outcomes))
        if self.outcome_attributes:
            # The event does not hold attributes, since Airflow logs it.
            asyncio.run(wait.read_attributes())
        return self._report(context, wait)

    def on_kill(self) -> None:
        """Stop the contact, if that is wanted and the task waits for it."""
        if not self.stop_on_kill or self._wait is None:
            return
        try:
            self.log.info("The task was killed: %s", dict(self._wait.stop_at_once()))
        except ConnectError as error:
            self.log.error("The task was killed, and its contact could not be stopped: %s", error)  # noqa: TRY400

    def _new_wait(self, awaited: InMemory, deadline: float | None = None) -> Wait:
        from airflow_connect.calls.clock import Clock
        from airflow_connect.waiting.wait import Wait
        from airflow_connect.waiting.watch import Reads

        clock = Clock()
        reads = Reads(self.hook, clock=clock, max_retry_time=self.max_retry_time)
        return Wait(awaited, reads, clock=clock, interval=self.waiter_delay, deadline=deadline)

    def _report(self, context: Context, wait: Wait) -> str:
        from airflow_connect.api.outcome import is_missing, missing_in_words

        awaited: Any = wait.awaited
        for outcome in awaited.ended():
            if is_missing(outcome.as_dict()):
                raise AirflowFailException(missing_in_words([outcome.contact_id], self.hook.instance_id, 1))
            self.log.info("Contact %s: %s (%s)", outcome.contact_id, outcome.state, outcome.disconnect_reason)
            context["ti"].xcom_push(key="outcome", value=outcome.as_dict(self.outcome_attributes))
            return str(outcome.contact_id)
        polls = f"{self.waiter_max_attempts} polls, {self.waiter_delay:g} seconds apart"
        raise AirflowSensorTimeout(f"The contact has not ended after {polls} (waiter_max_attempts, waiter_delay).")


class CreateContactOperator(_CreatesContactOperator):
    """
    Create a VOICE, EMAIL or TASK contact, exactly once per task instance.

    A retry, a clear, a worker that died after the request left and a zombie end with the same contact. A TASK contact
    that was created so has the subtype ``connect:ExternalTask``, and is not routed by a flow. To have a flow route it,
    see
    :class:`StartTaskContactOperator`.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:CreateContactOperator`, and for limits at
        https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html

    The parameters from ``channel`` to ``expiry_duration_in_minutes`` are those of
    :class:`~airflow_connect.api.operations.CreateContact`, which says their forms, limits and defaults.

    :param channel: ``TASK``, ``VOICE`` or ``EMAIL``; required (templated)
    :param initiation_method: ``API`` for TASK, ``TRANSFER`` for VOICE, which are the defaults; ``OUTBOUND``,
        ``AGENT_REPLY`` or ``FLOW`` for EMAIL, where it is required (templated)
    :param name: the contact's name, which agents see (templated)
    :param description: what an agent reads first (templated)
    :param attributes: what flows and reports read: ``{key: scalar}`` (templated)
    :param references: what agents see beside the contact: ``{name: scalar}`` or
        ``{name: {"Type": …, "Value": …}}`` (templated)
    :param segment_attributes: ``{key: text or integer}`` or the long form (templated)
    :param related_contact_id: a contact that this one belongs to (templated)
    :param previous_contact_id: the contact before this one; for VOICE only (templated)
    :param user_info: the user who gets the contact, by ID or as ``{"UserId": …}``; required for EMAIL unless
        ``initiation_method`` is ``FLOW`` (templated)
    :param initiate_as: the state in which it begins: ``CONNECTED_TO_USER``, or for a TASK ``COMPLETED`` (templated)
    :param expiry_duration_in_minutes: minutes until the contact expires (templated)
    :param idempotency_key: what identifies the contact, instead of this task instance (templated): the same key creates
        one contact over tasks, runs and Dags, for each Region, instance and operation
    :param client_token: Amazon Connect's token for the request, instead of one that is derived from the task instance
        or from the key (templated)
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; 0 for a
        single attempt (default: 300)
    :param sensitive_fields: names of templated arguments that Airflow's UI shows as ``***``
    :param wait_for_completion: wait until the contact has ended, for any reason; its outcome is then the XCom
        ``outcome`` (default: False)
    :param waiter_delay: seconds between two polls (default: 60)
    :param waiter_max_attempts: polls after which the task fails, counted over all its attempts; before Airflow 3.3
        each attempt counts from zero (default: 10,080, which is a week)
    :param outcome_attributes: names of the attributes that the outcome includes, or ``"all"`` (default: no attributes)
    :param stop_on_kill: stop the contact when the task is killed while it waits (default: False)
    :param deferrable: wait in the triggerer, without a worker. Default: ``[operators] default_deferrable``.
    :return: the contact's ID; its ARN is the XCom ``contact_arn``
    :raises InvalidRequestError: if an argument breaks a rule of Amazon Connect; nothing was sent
    :raises IdempotencyError: if the key or the token belongs to a contact with other content
    :raises QuotaError: if the instance has as many active contacts as its quota allows
    :raises AirflowSensorTimeout: if the contact has not ended after ``waiter_max_attempts`` polls
    """

    template_fields: Sequence[str] = aws_template_fields(*CreateContact.parameters, "idempotency_key")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "attributes": "json",
        "references": "json",
        "segment_attributes": "json",
        "user_info": "json",
    }
    rules: ClassVar[Mapping[str, Rule]] = {
        **_CreatesContactOperator.rules,
        **rules_of(CreateContact),
        "expiry_duration_in_minutes": number(1),
    }

    def __init__(
        self,
        *,
        channel: str | None = None,
        initiation_method: str | None = None,
        name: str | None = None,
        description: str | None = None,
        attributes: dict[str, Any] | None = None,
        references: dict[str, Any] | None = None,
        segment_attributes: dict[str, Any] | None = None,
        related_contact_id: str | None = None,
        previous_contact_id: str | None = None,
        user_info: str | dict[str, Any] | None = None,
        initiate_as: str | None = None,
        expiry_duration_in_minutes: int | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channel = channel
        self.initiation_method = initiation_method
        self.name = name
        self.description = description
        self.attributes = attributes
        self.references = references
        self.segment_attributes = segment_attributes
        self.related_contact_id = related_contact_id
        self.previous_contact_id = previous_contact_id
        self.user_info = user_info
        self.initiate_as = initiate_as
        self.expiry_duration_in_minutes = expiry_duration_in_minutes
        self.check_constants(
            channel=channel,
            initiation_method=initiation_method,
            initiate_as=initiate_as,
            expiry_duration_in_minutes=expiry_duration_in_minutes,
            related_contact_id=related_contact_id,
            previous_contact_id=previous_contact_id,
        )

    @confidential
    def execute(self, context: Context) -> str:
        """
        Create the contact, and wait for its end if ``wait_for_completion`` is set.

        :param context: the context of the task instance
        :return: the contact's ID
        """
        contact_id = self.create(context, CreateContact)
        if self.wait_for_completion:
            self.wait_for_end(context, contact_id)
        return contact_id


class StartTaskContactOperator(_CreatesContactOperator):
    """
    Start a task that a flow, a task template or a quick connect routes to people, exactly once per task instance.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:StartTaskContactOperator`, and for limits at
        https://docs.aws.amazon.com/connect/latest/APIReference/API_StartTaskContact.html

    The parameters from ``name`` to ``attachments`` are those of
    :class:`~airflow_connect.api.operations.StartTaskContact`, which says their forms, limits and defaults.

    :param name: the contact's name, which agents see; required (templated)
    :param contact_flow_id: the flow that routes the contact. Exactly one of this, ``task_template_id`` and
        ``quick_connect_id`` is required (templated).
    :param task_template_id: a task template that has a flow (templated)
    :param quick_connect_id: a quick connect, whose flow routes the contact to its queue or user (templated)
    :param scheduled_time: when the flow starts, at most six days ahead (templated)
    :param description: what an agent reads first (templated)
    :param attributes: what flows and reports read: ``{key: scalar}`` (templated)
    :param references: what agents see beside the contact: ``{name: scalar}`` or
        ``{name: {"Type": …, "Value": …}}`` (templated)
    :param segment_attributes: ``{key: text or integer}`` or the long form (templated)
    :param previous_contact_id: a contact whose attributes this one shares (templated)
    :param related_contact_id: a contact whose attributes are copied (templated)
    :param attachments: up to 5 of ``{"FileName": …, "S3Url": presigned URL}`` (templated)
    :param idempotency_key: what identifies the contact, instead of this task instance (templated): the same key creates
        one contact over tasks, runs and Dags, for each Region, instance and operation
    :param client_token: Amazon Connect's token for the request, instead of one that is derived from the task instance
        or from the key (templated)
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; 0 for a
        single attempt (default: 300)
    :param sensitive_fields: names of templated arguments that Airflow's UI shows as ``***``
    :param wait_for_completion: wait until the contact has ended, for any reason; its outcome is then the XCom
        ``outcome`` (default: False)
    :param waiter_delay: seconds between two polls (default: 60)
    :param waiter_max_attempts: polls after which the task fails, counted over all its attempts; before Airflow 3.3
        each attempt counts from zero (default: 10,080, which is a week)
    :param outcome_attributes: names of the attributes that the outcome includes, or ``"all"`` (default: no attributes)
    :param stop_on_kill: stop the contact when the task is killed while it waits (default: False)
    :param deferrable: wait in the triggerer, without a worker. Default: ``[operators] default_deferrable``.
    :return: the contact's ID
    :raises InvalidRequestError: if an argument breaks a rule of Amazon Connect; nothing was sent
    :raises IdempotencyError: if the key or the token belongs to a contact with other content
    :raises QuotaError: if the instance has as many active contacts as its quota allows
    :raises AirflowSensorTimeout: if the contact has not ended after ``waiter_max_attempts`` polls
    """

    template_fields: Sequence[str] = aws_template_fields(*StartTaskContact.parameters, "idempotency_key")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "attachments": "json",
        "attributes": "json",
        "references": "json",
        "segment_attributes": "json",
    }
    rules: ClassVar[Mapping[str, Rule]] = {**_CreatesContactOperator.rules, **rules_of(StartTaskContact)}

    def __init__(
        self,
        *,
        name: str | None = None,
        contact_flow_id: str | None = None,
        task_template_id: str | None = None,
        quick_connect_id: str | None = None,
        scheduled_time: Any = None,
        description: str | None = None,
        attributes: dict[str, Any] | None = None,
        references: dict[str, Any] | None = None,
        segment_attributes: dict[str, Any] | None = None,
        previous_contact_id: str | None = None,
        related_contact_id: str | None = None,
        attachments: list[dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.contact_flow_id = contact_flow_id
        self.task_template_id = task_template_id
        self.quick_connect_id = quick_connect_id
        self.scheduled_time = scheduled_time
        self.description = description
        self.attributes = attributes
        self.references = references
        self.segment_attributes = segment_attributes
        self.previous_contact_id = previous_contact_id
        self.related_contact_id = related_contact_id
        self.attachments = attachments
        self.check_constants(
            contact_flow_id=contact_flow_id,
            task_template_id=task_template_id,
            quick_connect_id=quick_connect_id,
            previous_contact_id=previous_contact_id,
            related_contact_id=related_contact_id,
        )

    @confidential
    def execute(self, context: Context) -> str:
        """
        Create the contact, and wait for its end if ``wait_for_completion`` is set.

        :param context: the context of the task instance
        :return: the contact's ID
        """
        contact_id = self.create(context, StartTaskContact)
        if self.wait_for_completion:
            self.wait_for_end(context, contact_id)
        return contact_id


class StartOutboundVoiceContactOperator(_CreatesContactOperator):
    """
    Call a customer, and let a flow run when the call is answered, at most once per task instance.

    A call that may have been placed is not retried by itself, neither within an attempt nor by the next one: the answer
    was lost, the service answered with an internal error, or the worker was killed in between. The task fails and says
    so, and a retry or a clear fails without calling. What is known not to have happened (throttled, refused, no
    connection) is retried as with every operator.

    What becomes of the call is recorded in Airflow's task state store (Airflow 3.3), or in ``results_path``.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:StartOutboundVoiceContactOperator`, and for limits at
        https://docs.aws.amazon.com/connect/latest/APIReference/API_StartOutboundVoiceContact.html

    The parameters from ``destination_phone_number`` to ``traffic_type`` are those of
    :class:`~airflow_connect.api.operations.StartOutboundVoiceContact`, which says their forms, limits and defaults.

    :param destination_phone_number: the customer's number in E.164 format, as text (templated)
    :param contact_flow_id: the flow that runs when the call is answered (templated)
    :param source_phone_number: the number that the customer sees. This or ``queue_id`` is required (templated).
    :param queue_id: the queue of the call, whose number the customer sees by default (templated)
    :param name: the call's name, which agents see (templated)
    :param description: what an agent reads first (templated)
    :param attributes: what flows and reports read: ``{key: scalar}`` (templated)
    :param references: what agents see beside the contact: ``{name: scalar}`` or
        ``{name: {"Type": …, "Value": …}}`` (templated)
    :param related_contact_id: a contact whose attributes are copied (templated)
    :param ring_timeout_in_seconds: 15 to 60 seconds for which the phone rings (default: 60) (templated)
    :param answer_machine_detection_config: ``{"EnableAnswerMachineDetection": True, …}``, for campaigns (templated)
    :param campaign_id: the outbound campaign that the call belongs to (templated)
    :param traffic_type: ``GENERAL`` (default) or ``CAMPAIGN`` (templated)
    :param idempotency_key: what identifies the call, instead of this task instance (templated): the same key is called
        once over tasks, runs and Dags that share a ``results_path``, which it requires
    :param client_token: Amazon Connect's token for the request, instead of one that is derived from the task instance
        or from the key; it requires ``results_path``, too (templated)
    :param results_path: a folder, local or of any storage that Airflow knows, in which it is recorded what becomes of
        the call (templated). Default: Airflow's task state store; before Airflow 3.3 ``[amazon_connect] results_path``
        of Airflow's configuration, else a folder below ``AIRFLOW_HOME``. Before 3.3, if workers do not share a
        disk, name a folder that they share: a retry that does not find a record on its worker's disk fails without
        calling.
    :param retry_unknown: call again although an earlier attempt may have called (templated). The customer may be
        called twice then: Amazon may forget the client token of a call that has ended, and a line that is busy ends
        within a second (default: False).
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included, if it is
        certain that it was not placed; 0 for a single attempt (default: 300)
    :param sensitive_fields: names of templated arguments that Airflow's UI shows as ``***`` (default:
        ``destination_phone_number``)
    :param wait_for_completion: wait until the call has ended, for any reason; its outcome is then the XCom
        ``outcome``, whose ``state`` may be ``not_answered`` or ``busy`` (default: False)
    :param waiter_delay: seconds between two polls (default: 60)
    :param waiter_max_attempts: polls after which the task fails, counted over all its attempts; before Airflow 3.3
        each attempt counts from zero (default: 10,080, which is a week)
    :param outcome_attributes: names of the attributes that the outcome includes, or ``"all"`` (default: no attributes)
    :param stop_on_kill: end the call when the task is killed while it waits (default: False)
    :param deferrable: wait in the triggerer, without a worker. Default: ``[operators] default_deferrable``.
    :return: the contact's ID
    :raises InvalidRequestError: if an argument breaks a rule of Amazon Connect; nothing was sent
    :raises RequestError: if it is not known whether an earlier attempt has called; nothing was sent
    :raises RetryableError: if it is not known whether this attempt has called
    :raises QuotaError: if the instance has as many active calls as its quota allows
    :raises AirflowSensorTimeout: if the call has not ended after ``waiter_max_attempts`` polls
    """

    template_fields: Sequence[str] = aws_template_fields(
        *StartOutboundVoiceContact.parameters, "idempotency_key", "results_path", "retry_unknown"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "answer_machine_detection_config": "json",
        "attributes": "json",
        "references": "json",
    }
    rules: ClassVar[Mapping[str, Rule]] = {
        **_CreatesContactOperator.rules,
        **rules_of(StartOutboundVoiceContact),
        "retry_unknown": truth_value,
        "ring_timeout_in_seconds": number(15, 60),
    }

    def __init__(
        self,
        *,
        destination_phone_number: str,
        contact_flow_id: str,
        source_phone_number: str | None = None,
        queue_id: str | None = None,
        name: str | None = None,
        description: str | None = None,
        attributes: dict[str, Any] | None = None,
        references: dict[str, Any] | None = None,
        related_contact_id: str | None = None,
        ring_timeout_in_seconds: int | str | None = None,
        answer_machine_detection_config: dict[str, Any] | None = None,
        campaign_id: str | None = None,
        traffic_type: str | None = None,
        results_path: str | None = None,
        retry_unknown: bool | str = False,
        sensitive_fields: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        hidden = ("destination_phone_number",) if sensitive_fields is None else sensitive_fields
        super().__init__(sensitive_fields=hidden, **kwargs)
        self.destination_phone_number = destination_phone_number
        self.contact_flow_id = contact_flow_id
        self.source_phone_number = source_phone_number
        self.queue_id = queue_id
        self.name = name
        self.description = description
        self.attributes = attributes
        self.references = references
        self.related_contact_id = related_contact_id
        self.ring_timeout_in_seconds = ring_timeout_in_seconds
        self.answer_machine_detection_config = answer_machine_detection_config
        self.campaign_id = campaign_id
        self.traffic_type = traffic_type
        self.results_path = results_path
        self.retry_unknown = retry_unknown
        self.check_constants(
            traffic_type=traffic_type,
            retry_unknown=retry_unknown,
            ring_timeout_in_seconds=ring_timeout_in_seconds,
            destination_phone_number=destination_phone_number,
            source_phone_number=source_phone_number,
            contact_flow_id=contact_flow_id,
            queue_id=queue_id,
        )

    @confidential
    def execute(self, context: Context) -> str:
        """
        Call, unless an earlier attempt has called or may have, and wait for the end if ``wait_for_completion`` is set.

        :param context: the context of the task instance
        :return: the contact's ID
        """
        contact_id = self.create(context, StartOutboundVoiceContact)
        if self.wait_for_completion:
            self.wait_for_end(context, contact_id)
        return contact_id

    def record_store(self, context: Context) -> Store:
        """
        Return where to keep what becomes of the call: without it, a retry would call again.

        :param context: the context of the task instance
        :raises InvalidRequestError: if other runs are to know of the call, and they do not share a place
        """
        from airflow_connect.record.once import FolderStore

        given = given_text(self.results_path)
        path = given or conf.get("amazon_connect", "results_path", fallback="")
        of_this_task = self.idempotency_key is None and self.client_token is None
        if not path and not of_this_task:
            rule = (
                "required with idempotency_key and client_token: Amazon may forget the token of a call that has ended, "
                "so that other runs know of it by a record alone"
            )
            raise InvalidRequestError(StartOutboundVoiceContact.name, [Fault("results_path", rule, "nothing")])
        store = task_state_store(context)
        if store is not None and of_this_task and not given:
            return store
        repeats = self._may_retry_unknown(StartOutboundVoiceContact.name)
        has_run_before = context["ti"].try_number > 1 and not repeats
        folder = results_root(path, StartOutboundVoiceContact.name) / "calls"
        return FolderStore(folder, may_miss=has_run_before and not tasks_share_a_disk())


class StopContactOperator(EachContactOperator):
    """
    Stop a contact or many. One that has already ended is not an error.

    With ``results`` it stops all contacts that a run created and that are still open, also of a run of yesterday.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:StopContactOperator`, and for limits at
        https://docs.aws.amazon.com/connect/latest/APIReference/API_StopContact.html

    :param contact_id: the contact, or a list of them (templated)
    :param results: instead of contacts, the output of a ``BulkCreateContactsOperator``, or the folder of its results
        (templated)
    :param state: of the results, only contacts of these states; ``open`` (default) are those without an outcome on
        record, ``already_created`` those that another task had created under the same key (templated)
    :param dry_run: count the contacts, and call nothing (templated)
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; when
        nothing was accepted for that long, the task ends. 0 for a single attempt (default: 300)
    :return: the contact's ID; for many ``{"contacts": …, "stopped": …, "already_ended": …, "failed": 0}``
    :raises RequestError: if it cannot stop a contact, and a retry cannot help
    :raises RetryableError: if it cannot stop a contact, and a retry may help
    """

    operation = StopContact
    done = "stopped"
    says_ended = StopContact.says_ended
    default_state = "open"

    @confidential
    def execute(self, context: Context) -> Any:
        """
        Stop the contacts.

        :param context: the context of the task instance
        """

        def params(contact_id: str) -> dict[str, Any]:
            return StopContact(instance_id=self.hook.instance_id, contact_id=contact_id).params()

        return self.act(context, params)


class UpdateContactAttributesOperator(EachContactOperator):
    """
    Add or change attributes of a contact or of many, also of those that have ended. Others stay.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:UpdateContactAttributesOperator`, and for limits at
        https://docs.aws.amazon.com/connect/latest/APIReference/API_UpdateContactAttributes.html

    :param contact_id: the contact, of a chain of transferred contacts the first; or a list of them (templated)
    :param attributes: ``{key: scalar}``, see :class:`~airflow_connect.api.operations.CreateContact` (templated)
    :param results: instead of contacts, the output of a ``BulkCreateContactsOperator``, or the folder of its results
        (templated)
    :param state: of the results, only contacts of these states, such as ``open``, or ``already_created`` for those that
        another task had created under the same key; default: all that the task created (templated)
    :param dry_run: count the contacts, and call nothing (templated)
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; when
        nothing was accepted for that long, the task ends. 0 for a single attempt (default: 300)
    :param sensitive_fields: names of templated arguments that Airflow's UI shows as ``***``
    :return: the contact's ID; for many ``{"contacts": …, "updated": …, "already_ended": 0, "failed": 0}``
    :raises RequestError: if it cannot update a contact, and a retry cannot help
    :raises RetryableError: if it cannot update a contact, and a retry may help
    """

    operation = UpdateContactAttributes
    done = "updated"
    template_fields: Sequence[str] = (*EachContactOperator.template_fields, "attributes")
    template_fields_renderers: ClassVar[dict[str, str]] = {"attributes": "json"}

    def __init__(self, *, attributes: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attributes = attributes

    @confidential
    def execute(self, context: Context) -> Any:
        """
        Add or change the attributes.

        :param context: the context of the task instance
        """

        def params(contact_id: str) -> dict[str, Any]:
            return UpdateContactAttributes(
                instance_id=self.hook.instance_id, initial_contact_id=contact_id, attributes=self.attributes
            ).params()

        return self.act(context, params)


class TagContactOperator(EachContactOperator):
    """
    Add tags to a contact or to many, also to those that have ended: for granular billing.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:TagContactOperator`, and for limits at
        https://docs.aws.amazon.com/connect/latest/APIReference/API_TagContact.html

    :param contact_id: the contact, or a list of them (templated)
    :param tags: ``{key: value}``, at most 6 of a contact (templated)
    :param results: instead of contacts, the output of a ``BulkCreateContactsOperator``, or the folder of its results
        (templated)
    :param state: of the results, only contacts of these states, such as ``open``, or ``already_created`` for those that
        another task had created under the same key; default: all that the task created (templated)
    :param dry_run: count the contacts, and call nothing (templated)
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; when
        nothing was accepted for that long, the task ends. 0 for a single attempt (default: 300)
    :return: the contact's ID; for many ``{"contacts": …, "tagged": …, "already_ended": 0, "failed": 0}``
    :raises RequestError: if it cannot tag a contact, and a retry cannot help
    :raises RetryableError: if it cannot tag a contact, and a retry may help
    """

    operation = TagContact
    done = "tagged"
    template_fields: Sequence[str] = (*EachContactOperator.template_fields, "tags")
    template_fields_renderers: ClassVar[dict[str, str]] = {"tags": "json"}

    def __init__(self, *, tags: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tags = tags

    @confidential
    def execute(self, context: Context) -> Any:
        """
        Add the tags.

        :param context: the context of the task instance
        """

        def params(contact_id: str) -> dict[str, Any]:
            return TagContact(instance_id=self.hook.instance_id, contact_id=contact_id, tags=self.tags).params()

        return self.act(context, params)


class TransferContactOperator(EachContactOperator):
    """
    Transfer an open TASK or EMAIL contact, or many, to another queue, user or flow, once per task instance.

    Each is transferred to a new contact, whose previous contact is the one given.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:TransferContactOperator`, and for limits at
        https://docs.aws.amazon.com/connect/latest/APIReference/API_TransferContact.html

    :param contact_id: the contact, or a list of them; in a list one that has ended is not an error (templated)
    :param contact_flow_id: the flow that runs for the new contact: an inbound, transfer-to-agent or transfer-to-queue
        flow (templated)
    :param queue_id: the queue to transfer to (templated)
    :param user_id: the user to transfer to; not together with ``queue_id`` (templated)
    :param results: instead of contacts, the output of a ``BulkCreateContactsOperator``, or the folder of its results
        (templated)
    :param state: of the results, only contacts of these states; ``open`` (default) are those without an outcome on
        record, ``already_created`` those that another task had created under the same key (templated)
    :param dry_run: count the contacts, and call nothing (templated)
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; when
        nothing was accepted for that long, the task ends. 0 for a single attempt (default: 300)
    :return: the ID of the new contact; its ARN is the XCom ``contact_arn``. For many ``{"contacts": …, "transferred":
        …, "already_ended": …, "failed": 0}``, up to 100 with ``transferred_to``: ``{contact: new contact}``, and of
        ``results`` with the folder, in which the transfers are recorded. Another operator takes it as ``results``.
    :raises RequestError: if it cannot transfer a contact, and a retry cannot help
    :raises RetryableError: if it cannot transfer a contact, and a retry may help
    """

    operation = TransferContact
    done = "transferred"
    needs_open = True
    default_state = "open"
    template_fields: Sequence[str] = (*EachContactOperator.template_fields, "contact_flow_id", "queue_id", "user_id")
    rules: ClassVar[Mapping[str, Rule]] = {**rules_of(TransferContact), **EachContactOperator.rules}

    def __init__(
        self, *, contact_flow_id: str, queue_id: str | None = None, user_id: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.contact_flow_id = contact_flow_id
        self.queue_id = queue_id
        self.user_id = user_id
        self.check_constants(contact_flow_id=contact_flow_id, queue_id=queue_id, user_id=user_id)

    @confidential
    def execute(self, context: Context) -> Any:
        """
        Transfer the contacts.

        :param context: the context of the task instance
        """

        def params(contact_id: str) -> dict[str, Any]:
            return TransferContact(
                instance_id=self.hook.instance_id,
                contact_id=contact_id,
                contact_flow_id=self.contact_flow_id,
                queue_id=self.queue_id,
                user_id=self.user_id,
                client_token=self.token_for_task(context, TransferContact.name, contact_id),
            ).params()

        return self.act(context, params)


class ContactBranchOperator(ConnectBaseOperator, BaseBranchOperator):
    """
    Follow the branch that an attribute of a contact names: what an agent decided.

    .. seealso::
        For more information on how to use this operator, take a look at the guide:
        :ref:`howto/operator:ContactBranchOperator`

    In a mapped task group, Airflow 3.2 and 3.3 run the tasks of all branches
    (https://github.com/apache/airflow/issues/67265); the Dag warns of it when it is read. Map the tasks instead.

    :param contact_id: the contact, or its outcome as ``ContactSensor`` returns it (templated)
    :param attribute: the attribute's name (templated)
    :param branches: ``{value: task ID or list of task IDs}``, the value as text or as the scalar that was sent; tasks
        directly downstream of it that are not in the branch taken are skipped (templated)
    :param default: the task ID or IDs for every other value, and for a contact without the attribute. Without it either
        fails the task (templated).
    :param exact: whether a value has to be written as *branches* has it. By default case and the blanks around it do
        not count: an agent who types ``Approve`` means ``approve``.
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; 0 for a
        single attempt (default: 300)
    :return: the task ID or IDs that follow
    :raises AirflowFailException: if the contact does not exist, or its value does not match, and a default is not set
    """

    template_fields: Sequence[str] = aws_template_fields(
        "instance_id", "contact_id", "attribute", "branches", "default"
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"branches": "json"}

    def __init__(
        self,
        *,
        contact_id: str | Mapping[str, Any] | XComArg,
        attribute: str,
        branches: Mapping[str, str | list[str]],
        default: str | list[str] | None = None,
        exact: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contact_id = contact_id
        self.attribute = attribute
        self.branches = branches
        self.default = default
        self.exact = exact
        self.check_constants(branches=branches, exact=exact)
        if runs_all_branches(self):
            warnings.warn(
                f"{self.task_id} is in a mapped task group, where this version of Airflow runs the tasks of all "
                "branches (https://github.com/apache/airflow/issues/67265). Map the operator and the tasks that follow "
                "it, with expand(), instead of a task group.",
                stacklevel=2,
            )

    @classmethod
    def wrong_constants(cls, arguments: Mapping[str, Any]) -> Iterator[str]:
        """
        Yield what is wrong with the constants among arguments.

        :param arguments: by their names
        """
        yield from super().wrong_constants(arguments)
        branches = arguments.get("branches")
        if isinstance(branches, Mapping) and is_constant(list(branches.values())):
            try:
                _named_branches(branches, exact=arguments.get("exact", False))
            except ValueError as error:
                yield str(error)

    @confidential
    def choose_branch(self, context: Context) -> str | list[str]:
        """
        Return the task ID or IDs that follow.

        :param context: the context of the task instance
        """
        from airflow_connect.waiting.awaited import contact_ids_of

        given: Any = self.contact_id
        if isinstance(given, Mapping):
            given = given.get("transferred_to") or given.get("contact_id") or ""
        try:
            ids = contact_ids_of(given, lambda: self.hook.instance_id)
            named = _named_branches(self.branches, exact=self.exact)
        except (TypeError, ValueError) as error:
            raise AirflowFailException(f"Task {self.task_id!r}: {str(error).rstrip('.')}.") from None
        if len(ids) != 1:
            raise AirflowFailException(f"Task {self.task_id!r}: contact_id names {len(ids)} contacts. Give one.")
        [contact_id] = ids
        self.store_link(context, contact_id)
        branch, reason = self._branch(contact_id, named)
        if branch is not None:
            return branch
        if self.default is None:
            known = ", ".join(sorted(repr(text_of(name)) for name in self.branches if name is not None))
            raise AirflowFailException(
                f"Contact {contact_id} {reason}. branches names {known}. Set the attribute to one of them, which is "
                "possible after the contact has ended, and clear this task; or give it a default."
            )
        self.log.info("Contact %s %s: the default is taken.", contact_id, reason)
        return self.default

    def _branch(
        self, contact_id: str, named: Mapping[str | None, str | list[str]]
    ) -> tuple[str | list[str] | None, str]:
        """Return the branch, and why there may be none: the value is a customer's, and must not be logged."""
        from airflow_connect.api.outcome import missing_in_words

        try:
            value = self.hook.get_contact_attributes(contact_id).get(self.attribute)
        except ConnectError as error:
            if error.code != "ResourceNotFoundException":
                raise
            raise AirflowFailException(missing_in_words([contact_id], self.hook.instance_id, 1)) from None
        branch = named.get(_comparable(value, exact=self.exact))
        if value is None:
            return branch, f"does not have the attribute {self.attribute!r}"
        return branch, f"has a value in the attribute {self.attribute!r} that branches does not name"


def _named_branches(branches: Mapping[Any, Any], *, exact: bool) -> dict[str | None, Any]:
    """
    Return the branches by the text as which Amazon Connect has the value: true, 1, 0.5.

    :raises ValueError: if it has a name twice
    """
    named: dict[str | None, Any] = {}
    for name, branch in branches.items():
        if named.setdefault(_comparable(text_of(name), exact=exact), branch) != branch:
            raise ValueError(
                f"branches has {name!r} twice, for different tasks, since case and the blanks around it do not "
                "count. Rename one of them, or give exact=True"
            )
    return named


def _comparable(text: str | None, *, exact: bool) -> str | None:
    from airflow_connect.api.outcome import decision_of

    return text if text is None or exact else decision_of(text)
