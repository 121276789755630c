"""
Credentials, the instance, and one method per operation of Amazon Connect's API.

Every error is sorted by :mod:`airflow_connect.api.answers`, and the call retried by :mod:`airflow_connect.calls.retry`;
botocore's own retries are off unless the connection or the task configures them.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import re
import threading
import time
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

from airflow_connect._compat import AirflowNotFoundException, stored_connection
from airflow_connect.api.errors import (
    ConnectError,
    RequestError,
    RetryableError,
    SetupError,
)
from airflow_connect.api.fields import cut_instance_arn, website, website_of_alias
from airflow_connect.api.operations import (
    CreateContact,
    DescribeContact,
    DescribeInstance,
    GetContactAttributes,
    ListAssociatedContacts,
    SearchContacts,
    StartOutboundVoiceContact,
    StartTaskContact,
    StopContact,
    TagContact,
    TransferContact,
    UntagContact,
    UpdateContact,
    UpdateContactAttributes,
    operation_named,
    operations,
)
from airflow_connect.calls.defaults import MAX_RETRY_TIME, THREADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper
    from botocore.config import Config

    from airflow_connect.api.answers import Exchange
    from airflow_connect.api.operations import Operation

__all__ = ["ConnectHook"]

_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException"})
#: Where the instance is written in an Amazon Web Services connection.
_INSTANCE_IN_EXTRA: Final = '{"service_config": {"connect": {"instance_id": "…"}}}'

#: Seconds: the Region's own clocks and a slow answer explain less.
_CLOCKS_APART: Final = 60

#: The call that this thread has sent.
_under_way: contextvars.ContextVar[Exchange | None] = contextvars.ContextVar("exchange", default=None)


class _ContentFilter(logging.Filter):
    """Keep what botocore logs of requests and answers at DEBUG out of the log while Amazon Connect is called."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record may be logged."""
        return _under_way.get() is None or record.levelno > logging.DEBUG


_CONTENT_FILTER: Final = _ContentFilter()


def _watch(client: Any) -> None:
    """
    Let the calls of a client keep their :class:`Exchange`.

    An answer that is JSON but not an object makes botocore's parser raise an ``AttributeError`` without the status.

    https://docs.aws.amazon.com/boto3/latest/guide/events.html
    """
    events = client.meta.events
    events.register("before-send.connect", _request_leaves, unique_id="airflow-connect-request")
    events.register("before-parse.connect", _answer_arrives, unique_id="airflow-connect-answer")
    for operation in operations():
        if not operation.promise.retries_unknown:
            # Not by botocore either, whatever botocore_config says of retries.
            events.register_first(f"needs-retry.connect.{operation.name}", lambda **_: False)


def _request_leaves(**_: Any) -> None:
    if (exchange := _under_way.get()) is not None:
        exchange.requests += 1
        exchange.status = None


def _answer_arrives(response_dict: Mapping[str, Any], **_: Any) -> None:
    if (exchange := _under_way.get()) is not None:
        body = response_dict["body"].strip()
        exchange.status = status = response_dict["status_code"]
        exchange.is_readable = not body or (body.startswith(b"{") and body.endswith(b"}"))
        if status >= 300 or not exchange.is_readable:  # nobody reads those of a success
            exchange.headers = {name.lower(): value for name, value in response_dict["headers"].items()}


def _exchange(
    client: Any, operation: type[Operation], params: Mapping[str, Any], *, answered_before: bool
) -> dict[str, Any]:
    """
    Call an operation once.

    :raises ConnectError: whatever the client raises, or if the answer cannot be read
    """
    from airflow_connect.api.answers import Exchange, answer_cut_off, answer_unreadable, is_answer, sort_error

    exchange = Exchange(answered_before=answered_before)
    response: dict[str, Any] = {}
    failure: ConnectError | None = None
    token = _under_way.set(exchange)
    try:
        response = getattr(client, operation.method())(**params)
    except Exception as error:  # noqa: BLE001  # an unknown error may have come after the request left
        failure = sort_error(error, operation, params, exchange)
    finally:
        _under_way.reset(token)
    if failure is None and not exchange.is_readable:
        failure = answer_unreadable(operation, exchange)
    elif failure is None and operation.answer and response.get(operation.answer) in (None, ""):
        failure = answer_cut_off(operation, response)
    elif failure is None and not is_answer(operation, response, client.meta.service_model):
        failure = answer_unreadable(operation, exchange)
    if failure is not None:
        # Out here, so that no traceback shows botocore's message, which quotes values.
        raise failure
    return response


class ConnectHook(AwsBaseHook):
    """
    Call Amazon Connect.

    A wrapper around :external+boto3:py:class:`boto3.client("connect") <Connect.Client>` that checks requests, retries
    calls and sorts errors. The connection is an *Amazon Web Services* connection. Threads can share one hook.

    Each call raises one of :mod:`airflow_connect.api.errors`: ``InvalidRequestError`` before anything is sent,
    ``RequestError``, ``RetryableError``, ``QuotaError`` or ``SetupError``.

    :param instance_id: the ID or ARN of the instance. Default: ``service_config.connect.instance_id`` in the extra
        of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; 0 for a
        single attempt (default: 300)
    :param max_in_flight: calls at once by threads that share the hook (default: 32)

    Additional arguments (such as ``aws_conn_id``) may be specified and are passed down to the underlying
    AwsBaseHook.

    .. seealso::
        - :class:`airflow.providers.amazon.aws.hooks.base_aws.AwsBaseHook`
        - :ref:`howto/hook:ConnectHook`
        - :ref:`howto/connection:connect`
    """

    def __init__(
        self,
        *args: Any,
        instance_id: str | None = None,
        max_retry_time: float = MAX_RETRY_TIME,
        max_in_flight: int = THREADS,
        **kwargs: Any,
    ) -> None:
        kwargs["client_type"] = "connect"
        super().__init__(*args, **kwargs)
        self._instance = instance_id
        self.max_retry_time = max_retry_time
        self.max_in_flight = max_in_flight
        self._lock = threading.RLock()
        self._was_answered = False
        self._has_compared_clocks = False
        self._has_connection = True

    @classmethod
    def get_connection(cls, conn_id: str) -> Any:
        """
        Get a connection by its ID, from Airflow's database too.

        Since Airflow 3 a process that is not one of Airflow's own, such as a Python shell, does not read it.

        :param conn_id: the connection's ID
        :raises AirflowNotFoundException: if this process can see no such connection
        """
        try:
            return super().get_connection(conn_id)
        except AirflowNotFoundException:
            if (stored := stored_connection(conn_id)) is None:
                raise
            return stored

    @cached_property
    def conn_config(self) -> AwsConnectionWrapper:
        """
        Get the Airflow connection, with an extra that is checked.

        :raises SetupError: if the connection cannot be read, or its extra is not a JSON object
        """
        try:
            if self.aws_conn_id:
                self._check_extra(self.aws_conn_id)
            return super().conn_config
        except ConnectError:
            raise
        except Exception as error:  # noqa: BLE001  # a secrets backend, a setting that botocore does not know
            name = type(error).__name__
        raise SetupError(
            f"The connection {self.aws_conn_id!r} cannot be read ({name}). Check it, and its extra.", code=name
        )

    def _check_extra(self, conn_id: str) -> None:
        """Airflow reads an extra that is not JSON as empty; what follows would be an error about the Region."""
        self._has_connection = True
        try:
            extra = self.get_connection(conn_id).extra
        except AirflowNotFoundException:
            self._has_connection = False
            return
        try:
            parsed = json.loads(extra) if extra else {}
        except ValueError:
            parsed = None
        where = f"The extra of the connection {conn_id!r}"
        if not isinstance(parsed, dict):
            raise SetupError(f"{where} is not a JSON object. Write it as {_INSTANCE_IN_EXTRA}.", code="Connection")
        config = parsed.get("service_config", {})
        connect = config.get("connect", {}) if isinstance(config, dict) else None
        if not isinstance(connect, dict) or not isinstance(connect.get("instance_id", ""), str):
            rule = f"has a service_config of another form than {_INSTANCE_IN_EXTRA}. Correct it."
            raise SetupError(f"{where} {rule}", code="Connection")

    @cached_property
    def instance_id(self) -> str:
        """
        The ID of the instance: the one given, else the connection's; an ARN is cut down to its ID.

        :raises SetupError: if neither names an instance, or it is the ARN of something else
        """
        instance: str | None = self._instance or self.service_config.get("instance_id")
        if not instance:
            raise SetupError(
                f"No Amazon Connect instance is named{self._no_connection}. Give instance_id to the task, or write the "
                f"instance's ID or ARN into the extra of the connection {self.aws_conn_id!r}: {_INSTANCE_IN_EXTRA}.",
                code="NoInstance",
            )
        instance_id = cut_instance_arn(instance.strip())
        if ":" in instance_id or "/" in instance_id:
            raise SetupError(
                "instance_id is neither an instance's ID nor its ARN "
                "(arn:aws:connect:REGION:ACCOUNT:instance/ID). Copy it from the instance's overview in the console.",
                code="NoInstance",
            )
        return instance_id

    def _get_config(self, config: Config | None = None) -> Config:
        from botocore.config import Config as BotocoreConfig

        merged = super()._get_config(config)
        if merged.retries is None:
            # One thing retries. Botocore's retries are bounded by a count, ours by a time.
            merged = merged.merge(BotocoreConfig(retries={"total_max_attempts": 1, "mode": "standard"}))
        if merged.max_pool_connections < self.max_in_flight:
            merged = merged.merge(BotocoreConfig(max_pool_connections=self.max_in_flight))
        return merged

    @property
    def conn_region_name(self) -> str:
        """The Region of the client."""
        return str(self._connect.meta.region_name)

    @cached_property
    def _connect(self) -> Any:
        from airflow_connect.api.answers import client_missing

        # To create a client is not safe in threads, to use one is.
        try:
            with self._lock:
                for name in ("botocore.endpoint", "botocore.parsers"):
                    logging.getLogger(name).addFilter(_CONTENT_FILTER)
                _watch(self.conn)
                self.conn.meta.events.register("after-call.connect", self._compare_clocks)
                return self.conn
        except Exception as error:  # noqa: BLE001  # a profile, a role, a secrets backend: anything can fail
            failure = client_missing(error, DescribeInstance, {}, answered_before=self._was_answered)
        self._say_what_was_used(failure)
        # Out here, so that no traceback shows botocore's message, which quotes values.
        raise failure

    def _compare_clocks(self, http_response: Any, **_: Any) -> None:
        """Warn, once, if this machine's clock and the service's are far apart."""
        if self._has_compared_clocks:
            return
        with contextlib.suppress(TypeError, ValueError):  # an answer without a date, or with another one
            seconds = time.time() - parsedate_to_datetime(http_response.headers.get("Date")).timestamp()
            self._has_compared_clocks = True
            if abs(seconds) > _CLOCKS_APART:
                self.log.warning(
                    "This machine's clock is %.0f seconds %s Amazon Connect's. Set it, for instance by NTP: from five "
                    "minutes on, Amazon Connect refuses requests, and of two attempts of a task the wrong one may be "
                    "taken for the later one.",
                    abs(seconds),
                    "ahead of" if seconds > 0 else "behind",
                )

    @property
    def _no_connection(self) -> str:
        if self._has_connection:
            return ""
        return f", and this process does not find the connection {self.aws_conn_id!r}"

    def _say_what_was_used(self, error: ConnectError) -> None:
        """Name the connection in a SetupError, and the options that lead to a service: what to correct."""
        if not isinstance(error, SetupError) or "Used: " in str(error):
            return
        used = [f"connection {self.aws_conn_id!r}" if self.aws_conn_id else "boto3's own configuration"]
        if not self._has_connection:
            used = [f"boto3's own configuration, since this process does not find the {used[0]}"]
        if (config := self.__dict__.get("conn_config")) is not None:
            sts = config.get_service_endpoint_url("sts", sts_connection_assume=True) if config.role_arn else None
            options = {
                "region_name": config.region_name,
                "profile_name": config.profile_name,
                "role_arn": config.role_arn,
                "endpoint_url": _without_secrets(config.get_service_endpoint_url("connect")),
                "service_config.sts.endpoint_url": _without_secrets(sts),
            }
            used += [f"{option} {value}" for option, value in options.items() if value]
        error.args = (f"{error} Used: {', '.join(used)}.",)

    def prepare(self) -> None:
        """
        Read the connection and create the client, so that threads that may not call Airflow can use the hook.

        :raises SetupError: if the connection or the instance is missing
        """
        self.instance_id  # noqa: B018  # a cached property
        self._connect  # noqa: B018

    def _renew(self, expired: Any) -> None:
        """Read the connection again and create a client, unless another thread has replaced the expired one."""
        with self._lock:
            if self.__dict__.get("_connect") is expired:
                for name in ("_connect", "conn", "conn_config"):
                    self.__dict__.pop(name, None)

    def call(
        self,
        operation: str,
        params: Mapping[str, Any],
        *,
        max_retry_time: float | None = None,
        retry_unknown: bool = False,
    ) -> dict[str, Any]:
        """
        Call an operation of Amazon Connect, and retry it if that can help.

        :param operation: the API operation: ``CreateContact``
        :param params: the parameters as botocore's client takes them
        :param max_retry_time: seconds, instead of the hook's
        :param retry_unknown: whether to retry a call that may have happened also if the operation does not promise that
            this is safe, see :class:`~airflow_connect.api.operations.Promise`
        :return: the response; ``ResponseMetadata.RetryAttempts`` counts the attempts after the first
        :raises ConnectError: sorted by what helps, see :mod:`airflow_connect.api.errors`
        """
        from airflow_connect.calls.retry import call_with_retries

        called = operation_named(operation)
        time_allowed = self.max_retry_time if max_retry_time is None else max_retry_time
        response, attempts = call_with_retries(
            lambda: self._call_once(called, params),
            max_retry_time=time_allowed,
            retry_unknown=called.promise.retries_unknown or retry_unknown,
        )
        response.setdefault("ResponseMetadata", {})["RetryAttempts"] = attempts - 1
        return response

    def _call_once(self, operation: type[Operation], params: Mapping[str, Any]) -> dict[str, Any]:
        """Call an operation; once more if the credentials have expired and the connection may have others."""
        client = self._connect
        try:
            return self._exchange(client, operation, params)
        except SetupError as error:
            if error.code not in _EXPIRED:
                raise
        # botocore renews what it assumes a role for; what a secrets backend rotates is in the connection.
        self._renew(client)
        return self._exchange(self._connect, operation, params)

    def _exchange(self, client: Any, operation: type[Operation], params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            response = _exchange(client, operation, params, answered_before=self._was_answered)
        except ConnectError as error:
            self._was_answered |= error.status is not None
            self._say_what_was_used(error)
            raise
        self._was_answered = True
        return response

    def create_contact(self, **arguments: Any) -> dict[str, Any]:
        """
        Create a VOICE, EMAIL or TASK contact.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.create_contact`

        :param arguments: the parameters of :class:`~airflow_connect.api.operations.CreateContact`; without
            ``client_token`` each call creates a contact, however often it is retried
        :return: the response, with ``ContactId`` and ``ContactArn``
        :raises InvalidRequestError: with all faults, before anything is sent
        """
        request = CreateContact(**{"instance_id": self.instance_id, **_with_client_token(arguments)})
        return self.call(CreateContact.name, request.params())

    def start_task_contact(self, **arguments: Any) -> dict[str, Any]:
        """
        Start a flow, task template or quick connect with a new task.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.start_task_contact`

        :param arguments: the parameters of :class:`~airflow_connect.api.operations.StartTaskContact`; without
            ``client_token`` each call creates a contact, however often it is retried
        :return: the response, with ``ContactId``
        :raises InvalidRequestError: with all faults, before anything is sent
        """
        request = StartTaskContact(**{"instance_id": self.instance_id, **_with_client_token(arguments)})
        return self.call(StartTaskContact.name, request.params())

    def start_outbound_voice_contact(self, *, retry_unknown: bool = False, **arguments: Any) -> dict[str, Any]:
        """
        Call a customer, and let a flow run when the call is answered.

        A call that may have been placed is not retried.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.start_outbound_voice_contact`

        :param retry_unknown: whether to retry it nevertheless; the customer may be called twice then
        :param arguments: the parameters of :class:`~airflow_connect.api.operations.StartOutboundVoiceContact`
        :return: the response, with ``ContactId``
        :raises InvalidRequestError: with all faults, before anything is sent
        """
        request = StartOutboundVoiceContact(**{"instance_id": self.instance_id, **_with_client_token(arguments)})
        return self.call(StartOutboundVoiceContact.name, request.params(), retry_unknown=retry_unknown)

    def describe_contact(self, contact_id: str, *, max_retry_time: float | None = None) -> dict[str, Any]:
        """
        Return what Amazon Connect knows of a contact.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.describe_contact`

        :param contact_id: the contact
        :param max_retry_time: seconds, instead of the hook's
        """
        params = DescribeContact(instance_id=self.instance_id, contact_id=contact_id).params()
        contact: dict[str, Any] = self.call(DescribeContact.name, params, max_retry_time=max_retry_time)["Contact"]
        return contact

    def list_associated_contacts(self, contact_id: str, *, max_retry_time: float | None = None) -> list[dict[str, Any]]:
        """
        Return the contacts of a contact's tree: itself, what it followed, and what followed it.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.list_associated_contacts`

        :param contact_id: the contact
        :param max_retry_time: seconds, instead of the hook's
        :return: a summary of each, with ``ContactId`` and ``PreviousContactId``
        """
        params = ListAssociatedContacts(instance_id=self.instance_id, contact_id=contact_id).params()
        found: list[dict[str, Any]] = []
        while True:
            response = self.call(ListAssociatedContacts.name, params, max_retry_time=max_retry_time)
            found += response["ContactSummaryList"]
            if not _turn_page(ListAssociatedContacts.name, params, response):
                return found

    def stop_contact(self, contact_id: str, *, max_retry_time: float | None = None) -> bool:
        """
        End a contact; one that has ended already stays as it is.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.stop_contact`

        :param contact_id: the contact
        :param max_retry_time: seconds, instead of the hook's
        :return: whether this call ended it
        """
        request = StopContact(instance_id=self.instance_id, contact_id=contact_id)
        try:
            self.call(StopContact.name, request.params(), max_retry_time=max_retry_time)
        except RequestError as error:
            if error.code != "ContactNotFoundException":
                raise
            # After a lost answer the contact may have been ended by this very call.
            return error.may_have_happened
        return True

    def update_contact(self, contact_id: str, **fields: Any) -> None:
        """
        Change a contact's name, description, references or segment attributes.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.update_contact`

        :param contact_id: the contact
        :param fields: the parameters of :class:`~airflow_connect.api.operations.UpdateContact`
        :raises InvalidRequestError: with all faults, before anything is sent
        """
        request = UpdateContact(instance_id=self.instance_id, contact_id=contact_id, **fields)
        self.call(UpdateContact.name, request.params())

    def update_contact_attributes(self, contact_id: str, attributes: Mapping[str, Any]) -> None:
        """
        Add or change attributes of a contact, also of one that has ended; others stay.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.update_contact_attributes`

        :param contact_id: the contact
        :param attributes: ``{key: scalar}``, see :class:`~airflow_connect.api.operations.CreateContact`
        :raises InvalidRequestError: with all faults, before anything is sent
        """
        request = UpdateContactAttributes(
            instance_id=self.instance_id, initial_contact_id=contact_id, attributes=attributes
        )
        self.call(UpdateContactAttributes.name, request.params())

    def get_contact_attributes(self, contact_id: str) -> dict[str, str]:
        """
        Return a contact's attributes.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.get_contact_attributes`

        :param contact_id: the contact
        """
        params = GetContactAttributes(instance_id=self.instance_id, initial_contact_id=contact_id).params()
        attributes: dict[str, str] = self.call(GetContactAttributes.name, params).get("Attributes", {})
        return attributes

    def tag_contact(self, contact_id: str, tags: Mapping[str, str]) -> None:
        """
        Add tags to a contact, for granular billing.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.tag_contact`

        :param contact_id: the contact
        :param tags: at most 6
        :raises InvalidRequestError: with all faults, before anything is sent
        """
        request = TagContact(instance_id=self.instance_id, contact_id=contact_id, tags=tags)
        self.call(TagContact.name, request.params())

    def untag_contact(self, contact_id: str, tag_keys: list[str]) -> None:
        """
        Remove tags from a contact.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.untag_contact`

        :param contact_id: the contact
        :param tag_keys: at most 6
        :raises InvalidRequestError: with all faults, before anything is sent
        """
        request = UntagContact(instance_id=self.instance_id, contact_id=contact_id, tag_keys=tag_keys)
        self.call(UntagContact.name, request.params())

    def transfer_contact(self, contact_id: str, **arguments: Any) -> dict[str, Any]:
        """
        Transfer a TASK or EMAIL contact to another queue, user or flow, as a new contact.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.transfer_contact`

        :param contact_id: the contact
        :param arguments: the parameters of :class:`~airflow_connect.api.operations.TransferContact`
        :return: the response, with ``ContactId`` and ``ContactArn`` of the new contact
        :raises InvalidRequestError: with all faults, before anything is sent
        """
        request = TransferContact(instance_id=self.instance_id, contact_id=contact_id, **_with_client_token(arguments))
        return self.call(TransferContact.name, request.params())

    def search_contacts(self, **params: Any) -> Iterator[dict[str, Any]]:
        """
        Yield the contacts that match, page by page. Amazon Connect's index lags.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.search_contacts`

        :param params: the parameters of botocore's ``search_contacts``: ``TimeRange``, ``SearchCriteria``, ``Sort``
        """
        params = {"InstanceId": self.instance_id, "MaxResults": 100, **params}
        while True:
            response = self.call(SearchContacts.name, params)
            yield from response["Contacts"]
            if not _turn_page(SearchContacts.name, params, response):
                return

    def describe_instance(self, *, max_retry_time: float | None = None) -> dict[str, Any]:
        """
        Return the instance: its alias, ARN and access URL among others.

        .. seealso::
            - :external+boto3:py:meth:`Connect.Client.describe_instance`

        :param max_retry_time: seconds, instead of the hook's
        """
        params = DescribeInstance(instance_id=self.instance_id).params()
        instance: dict[str, Any] = self.call(DescribeInstance.name, params, max_retry_time=max_retry_time)["Instance"]
        return instance

    @cached_property
    def instance_access_url(self) -> str | None:
        """
        The address of the instance's website, without a slash at its end; ``None`` if it cannot be known.

        ``service_config.connect.instance_alias`` in the connection's extra gives it without a call. Without that, it is
        read once and for a few seconds only: a link must not fail or delay a task.
        """
        if alias := self.service_config.get("instance_alias"):
            if address := website_of_alias(alias):
                return address
            self.log.warning(
                "Links to contacts are missing: instance_alias in the extra of the connection %r is not an alias. "
                "Give the ALIAS of https://ALIAS.my.connect.aws.",
                self.aws_conn_id,
            )
            return None
        try:
            instance = self.describe_instance(max_retry_time=3.0)
        except ConnectError as error:
            self.log.debug("No link to the contact: %s", error)
            return None
        # GovCloud, older instances and replicas have other domains than that of the alias.
        return website(instance.get("InstanceAccessUrl")) or website_of_alias(instance.get("InstanceAlias"))

    def rate_quota(self, operation: str) -> float | None:
        """
        Return the account's quota of an operation in calls per second; ``None`` if Service Quotas does not say.

        .. seealso::
            https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html

        :param operation: the API operation: ``CreateContact``
        """
        from botocore.config import Config as BotocoreConfig
        from botocore.exceptions import BotoCoreError, ClientError

        # If that service cannot be reached, as in a private network without its endpoint, the task must not wait for
        # it.
        config = BotocoreConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
        try:
            client = self.get_session(region_name=self.region_name).client(
                "service-quotas",
                endpoint_url=self.conn_config.get_service_endpoint_url("service-quotas"),
                config=self._get_config(config),
                verify=self.verify,
            )
            for page in client.get_paginator("list_service_quotas").paginate(ServiceCode="connect"):
                for quota in page["Quotas"]:
                    if re.search(rf"\brate\b.*\b{operation}\b", quota.get("QuotaName", ""), re.IGNORECASE):
                        return float(quota["Value"]) / _seconds_of(quota.get("Period"))
        except (BotoCoreError, ClientError) as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
            self.log.info("Service Quotas does not say the rate of %s (%s); it is measured.", operation, code)
        else:
            self.log.info("Service Quotas does not list the rate of %s; it is measured.", operation)
        return None

    def test_connection(self) -> tuple[bool, str]:
        """
        Test the connection by describing the instance; say which was reached or what is missing.

        .. seealso::
            https://docs.aws.amazon.com/connect/latest/APIReference/API_DescribeInstance.html
        """
        try:
            instance = self.describe_instance(max_retry_time=10.0)
        except ConnectError as error:
            reached, message = False, str(error)
        except Exception as error:  # noqa: BLE001  # a test of a connection reports whatever fails
            reached, message = False, f"{type(error).__name__}: {error}"
        else:
            alias = instance.get("InstanceAlias", "no alias")
            reached = True
            message = (
                f"Reached the Amazon Connect instance {instance['Id']} ({alias}, {instance.get('InstanceStatus')}) "
                f"in {self.conn_region_name}."
            )
        if not self._has_connection and "does not find the connection" not in message:
            message = f"This process does not find the connection {self.aws_conn_id!r}. {message}"
        return reached, message


def _without_secrets(url: str | None) -> str | None:
    """Return scheme, host and port of an address, which may hold a user's name and a password too."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(not an address)"
    return f"{parts.scheme}://{parts.hostname}{port}"


def _turn_page(operation: str, params: dict[str, Any], response: Mapping[str, Any]) -> bool:
    """
    Set the parameters to the page after a response; return whether it exists.

    :raises RetryableError: if the response names the page that it is as the next one, as botocore's paginators raise
    """
    token = response.get("NextToken")
    if token and token == params.get("NextToken"):
        raise RetryableError(
            f"{operation} names the same page again as the next one. Try again later.",
            operation=operation,
            code="SameNextToken",
        )
    params["NextToken"] = token
    return bool(token)


def _seconds_of(period: Mapping[str, Any] | None) -> float:
    units = {"MILLISECOND": 0.001, "SECOND": 1.0, "MINUTE": 60.0, "HOUR": 3_600.0}
    return units.get(period.get("PeriodUnit", ""), 1.0) * period.get("PeriodValue", 1) if period else 1.0


def _with_client_token(arguments: dict[str, Any]) -> dict[str, Any]:
    """Give a call a token of its own, which its retries share; boto3 would create another one for each of them."""
    return arguments if arguments.get("client_token") is not None else {**arguments, "client_token": str(uuid4())}
