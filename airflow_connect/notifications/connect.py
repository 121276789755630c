"""
A notifier that opens a contact when something failed, and ends it when it is well again.

It has no memory of its own. What it stands for (a Dag, a run, a task) decides the client token, so that asking twice
opens one contact; and an attribute, by which it recognises its contacts. SearchContacts finds them by a code at the end
of their names: the attribute's first 12 digits, since it searches only by attributes that an instance is set up for.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateError

from airflow_connect._compat import RenderedNotifier, dag_run_url, failed_tasks, log_url, text_environment
from airflow_connect._frames import forget_variables
from airflow_connect._task import broken_rules, one_of
from airflow_connect.api.errors import ConnectError, IdempotencyError, InvalidRequestError, RequestError
from airflow_connect.api.fields import EXPIRY_ATTRIBUTE, describe, text_of
from airflow_connect.api.identity import token_for_key
from airflow_connect.api.operations import CreateContact, StartTaskContact
from airflow_connect.hooks.connect import ConnectHook

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from airflow.sdk import Context

__all__ = ["ContactNotifier"]

_log = logging.getLogger(__name__)

_RULES: Final = {"scope": one_of("dag_run", "task", "dag"), "action": one_of("create", "stop")}
_ROUTES: Final = ("contact_flow_id", "task_template_id", "quick_connect_id")
#: What can be left out: a contact with poorer words is better than none.
_WORDING: Final = ("name", "description", "attributes", "references")
_MAPPINGS: Final = ("attributes", "references")
#: The attribute by which a notifier recognises its contacts: a name may hold a customer's words, and a code in them.
_MARK: Final = "airflow_notifier"
#: How the notifier's contacts begin: created by it, or a transfer of one that was.
_INITIATION_METHODS: Final = ("API", "TRANSFER")
#: Seconds. A Dag's callbacks run where its file is parsed, which Airflow ends after 50 by default
#: (``dag_processor.dag_file_processor_timeout``).
_MAX_RETRY_TIME: Final = 20.0
_BOTOCORE_CONFIG: Final = {"connect_timeout": 5, "read_timeout": 10}
#: How far SearchContacts reads back: a little less than the 8 weeks that it allows, in the time before and after now.
_SEARCH_SPAN: Final = timedelta(days=55)
_CLOCKS_DIFFER: Final = timedelta(days=1) / 2
#: The arguments with which Airflow 2 calls an ``sla_miss_callback``.
_SLA_MISS: Final = ("dag", "task_list", "blocking_task_list", "slas", "blocking_tis")


class ContactNotifier(RenderedNotifier):
    """
    Create a TASK contact when a Dag or task fails or misses a deadline, and stop it when it succeeds.

    For ``on_failure_callback``, ``on_success_callback`` and the other callbacks of Dags and tasks, for
    ``sla_miss_callback`` (Airflow 2) and for ``DeadlineAlert`` (since Airflow 3.1). If the notifier fails, it logs the
    error; the task and the run do not fail.

    .. seealso::
        For more information on how to use this notifier, take a look at the guide:
        :ref:`howto/notifier:ContactNotifier`

    :param scope: what one contact stands for. ``dag_run``: a run, until it is cleared; ``task``: a task instance of
        a run, until that is cleared; ``dag``: a Dag: the contact stays open over failing runs, and a failing run
        creates another one only when the last has ended (default: ``dag_run``)
    :param action: ``create`` a contact; or, in ``on_success_callback``, ``stop`` the open contacts that notifiers with
        the same scope and incident have created (default: ``create``)
    :param incident: what the contact is about: notifiers of one scope share a contact, unless their incidents differ
        (templated). Default: ``failure``; in a deadline alert ``deadline``, in an ``sla_miss_callback`` ``sla``.
    :param name: the contact's name; a code is put after it (templated). Default: what failed.
    :param description: what an agent reads first (templated). Default: the run, its failed tasks, Airflow's reason.
    :param attributes: ``{key: scalar}``, added to ``dag_id``, ``run_id``, ``task_id``, ``incident``, and
        ``airflow_notifier``, by which the notifier recognizes its contacts (templated)
    :param references: ``{name: scalar}`` or the long form, added to ``Run`` and ``Log``, the links to Airflow
        (templated)
    :param contact_flow_id: the flow that routes the contact to agents (templated). With it, ``task_template_id`` or
        ``quick_connect_id``, StartTaskContact creates the contact, else CreateContact.
    :param task_template_id: a task template that has a flow (templated)
    :param quick_connect_id: a quick connect (templated)
    :param user_info: the user who gets the contact, by ID or as ``{"UserId": …}``, without a flow (templated)
    :param expiry_duration_in_minutes: minutes until the contact expires; Amazon Connect's default is 7 days
    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param aws_conn_id: the Amazon Web Services connection (templated; default: ``aws_default``)
    :param region_name: the region, instead of the connection's (templated)
    :param verify: whether to verify certificates, or the file of those to trust, instead of the connection's
    :param botocore_config: a dict of botocore's client options (default: 5 seconds to connect, 10 for an answer)
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; 0 for a
        single attempt (default: 20)
    :raises ValueError: if scope or action is another word, or the contact is routed in two ways
    """

    template_fields: Sequence[str] = (
        *_WORDING,
        *_ROUTES,
        "user_info",
        "incident",
        "instance_id",
        "aws_conn_id",
        "region_name",
    )

    def __init__(
        self,
        *,
        scope: str = "dag_run",
        action: str = "create",
        incident: str | None = None,
        name: str | None = None,
        description: str | None = None,
        attributes: dict[str, Any] | None = None,
        references: dict[str, Any] | None = None,
        contact_flow_id: str | None = None,
        task_template_id: str | None = None,
        quick_connect_id: str | None = None,
        user_info: str | dict[str, Any] | None = None,
        expiry_duration_in_minutes: int | None = None,
        instance_id: str | None = None,
        aws_conn_id: str | None = ConnectHook.default_conn_name,
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        max_retry_time: float = _MAX_RETRY_TIME,
        context: Context | None = None,
    ) -> None:
        if wrong := list(broken_rules(_RULES, {"scope": scope, "action": action})):
            raise ValueError(f"ContactNotifier: {'; '.join(wrong)}.")
        routes: dict[str, Any] = {"contact_flow_id": contact_flow_id, "task_template_id": task_template_id}
        routes |= {"quick_connect_id": quick_connect_id, "user_info": user_info}
        if len(given := [route for route, value in routes.items() if value]) > 1:
            raise ValueError(f"ContactNotifier routes its contact by one of {', '.join(routes)}; got {len(given)}.")
        self.scope = scope
        self.action = action
        self.incident = incident
        self.name = name
        self.description = description
        self.attributes = attributes
        self.references = references
        self.contact_flow_id = contact_flow_id
        self.task_template_id = task_template_id
        self.quick_connect_id = quick_connect_id
        self.user_info = user_info
        self.expiry_duration_in_minutes = expiry_duration_in_minutes
        self.instance_id = instance_id
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self.max_retry_time = max_retry_time
        super().__init__()
        # Airflow 3.1 and later hand a deadline's context to the constructor; until then the base class takes none.
        self.context = context or {}

    @cached_property
    def hook(self) -> ConnectHook:
        """The hook, with the notifier's connection, region and patience."""
        from botocore.config import Config

        return ConnectHook(
            aws_conn_id=self.aws_conn_id,
            region_name=self.region_name,
            verify=self.verify,
            config=Config(**{**_BOTOCORE_CONFIG, **(self.botocore_config or {})}),
            instance_id=self.instance_id,
            max_retry_time=self.max_retry_time,
        )

    def __call__(self, *args: Any) -> None:
        """
        Render the templates and notify; log what goes wrong.

        :param args: the context; or what Airflow 2 gives to an ``sla_miss_callback``
        """
        context: Any = args[0] if len(args) == 1 else dict(zip(_SLA_MISS, args, strict=False))
        try:
            self._rendered(context).notify(context)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not stand in a Dag's way
            failure = error
        else:
            return
        self._report(failure, context)

    def __await__(self) -> Generator[Any, None, None]:
        """Render the templates and notify, as Airflow's triggerer does for an ``AsyncCallback``."""
        return self._call_async().__await__()

    async def _call_async(self) -> None:
        try:
            await self._rendered(self.context).async_notify(self.context)
        except Exception as error:  # noqa: BLE001  # see __call__
            failure = error
        else:
            return
        self._report(failure, self.context)

    def _rendered(self, context: Any) -> ContactNotifier:
        """
        Return a copy with rendered fields.

        The base class renders in place: a second callback in the same process would get the words of the first.
        """
        notifier = copy.copy(self)
        dag = context.get("dag")
        # dag.test() of Airflow 3.2 and later passes the Dag as it is stored, which cannot render.
        environment = notifier.get_template_env(dag=dag if hasattr(dag, "get_template_env") else None)
        environment = text_environment(notifier, environment, dag)
        for field in self.template_fields:
            try:
                # Not by the base class, which logs a traceback with what it rendered.
                rendered = notifier.render_template(getattr(notifier, field), context, environment, set())
                is_wrong = field in _MAPPINGS and not isinstance(rendered, (Mapping, type(None)))
                wrong = f"it is {describe(rendered)}, and not a dict" if is_wrong else ""
            except TemplateError as error:
                wrong = f"{type(error).__name__}: {error}"
            except Exception as error:  # noqa: BLE001  # words of others may quote what was rendered
                wrong = type(error).__name__
            if wrong and field not in _WORDING:
                raise ValueError(f"{field} cannot be rendered ({wrong}).")
            if wrong:
                _log.warning("The contact gets the default %s: %s", field, wrong)
            setattr(notifier, field, None if wrong else rendered)
        return notifier

    def _report(self, failure: Exception, context: Any) -> None:
        _log.error("ContactNotifier could not %s a contact: %s", self.action, _reason(failure))
        if "deadline" in context:
            # Airflow keeps the state of a deadline's callback, and the run goes on.
            forget_variables(failure)
            raise failure

    async def async_notify(self, context: Context) -> None:
        """
        Create or stop a contact, without blocking the event loop.

        :param context: the context of a callback, or what Airflow knows of a missed deadline
        :raises ConnectError: if the call fails
        """
        from asgiref.sync import sync_to_async

        await sync_to_async(self.notify, thread_sensitive=False)(context)

    def notify(self, context: Context) -> None:
        """
        Open or end a contact.

        :param context: the context of a callback, or what Airflow knows of a missed deadline
        :raises ConnectError: if the call fails
        """
        origin = _Origin.of(context)
        incident = text_of(self.incident) or origin.incident
        # Not the number of the clear: what a run created is stopped by what follows from its clear.
        parts = [self.scope, incident, *origin.parts(self.scope)]
        if self.action == "stop":
            self._stop(_mark(self.hook.instance_id, parts), origin)
        else:
            self._create(parts, incident, origin)

    def _create(self, parts: list[str], incident: str, origin: _Origin) -> None:
        mark = _mark(self.hook.instance_id, parts)
        generation = str(origin.clear_number)
        if self.scope == "dag":
            try:
                newest = next(self._find(mark), None)
                if newest and not newest.get("DisconnectTimestamp"):
                    _log.info("Contact %s of %s is still open; no other is created", newest["Id"], origin)
                    return
                generation = newest["Id"] if newest else ""
            except ConnectError as error:
                # Whether one is open is not known: a contact too many is better than a contact that is missing.
                _log.warning("A contact is created for this failing run: %s", error)
                generation = origin.run_id or ""
        routed = any(getattr(self, route) for route in _ROUTES)
        request = StartTaskContact if routed else CreateContact
        token = token_for_key(
            self.hook.conn_region_name,
            self.hook.instance_id,
            request.name,
            json.dumps(["notifier", *parts, generation]),
        )
        try:
            params = request(**self._arguments(mark, incident, origin, token)).params()
        except InvalidRequestError as error:
            _log.warning("The contact gets its default words: %s", error)
            plain = copy.copy(self)
            for field in _WORDING:
                setattr(plain, field, None)
            params = request(**plain._arguments(mark, incident, origin, token)).params()  # noqa: SLF001
        try:
            contact_id = self.hook.call(request.name, params)["ContactId"]
        except RequestError as error:
            if not _already_created(error):
                raise
            _log.info("%s has its contact already; no other is created", origin)
            return
        _log.info("Contact %s created for %s; client token %.8s…", contact_id, origin, token)

    def _arguments(self, mark: str, incident: str, origin: _Origin, token: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "instance_id": self.hook.instance_id,
            "client_token": token,
            "name": f"{self.name or origin.headline(self.scope, incident)} {_code(mark)}",
            "description": self.description or origin.story(),
            "attributes": {**origin.attributes(), "incident": incident, **(self.attributes or {}), _MARK: mark},
            "references": {**origin.links(), **(self.references or {})},
        }
        minutes = self.expiry_duration_in_minutes
        for route in _ROUTES:
            if value := getattr(self, route):
                if minutes is not None:
                    arguments["segment_attributes"] = {EXPIRY_ATTRIBUTE: {"ExpiryDuration": minutes}}
                return {**arguments, route: value}
        return {
            **arguments,
            "channel": "TASK",
            "user_info": self.user_info,
            "expiry_duration_in_minutes": minutes,
        }

    def _stop(self, mark: str, origin: _Origin) -> None:
        for contact in self._find(mark, ended=False):
            stopped = self.hook.stop_contact(contact["Id"])
            what = "stopped" if stopped else "had already ended"
            _log.info("Contact %s %s: %s succeeded", contact["Id"], what, origin)

    def _find(self, mark: str, *, ended: bool = True) -> Iterator[dict[str, Any]]:
        """
        Describe the contacts of a mark, also those that they were transferred to; the newest first.

        :param mark: the value of their attribute
        :param ended: whether those count that have ended
        """
        now = datetime.now(UTC)
        found = self.hook.search_contacts(
            TimeRange={
                "Type": "INITIATION_TIMESTAMP",
                "StartTime": now - _SEARCH_SPAN,
                "EndTime": now + _CLOCKS_DIFFER,
            },
            SearchCriteria={
                "Name": {"SearchText": [_code(mark)], "MatchType": "MATCH_ALL"},
                "Channels": ["TASK"],
                "InitiationMethods": list(_INITIATION_METHODS),
            },
            Sort={"FieldName": "INITIATION_TIMESTAMP", "Order": "DESCENDING"},
        )
        for summary in found:
            # However the service matches the text: only a name that ends with the code can be the notifier's.
            if not str(summary.get("Name", "")).endswith(_code(mark)):
                continue
            if summary.get("InitiationMethod") not in _INITIATION_METHODS:
                continue
            if not ended and summary.get("DisconnectTimestamp"):
                continue
            contact = self.hook.describe_contact(summary["Id"])
            if contact.get("Attributes", {}).get(_MARK) == mark and (ended or not contact.get("DisconnectTimestamp")):
                yield contact


@dataclass(frozen=True, slots=True)
class _Origin:
    """
    Where a notification comes from, as far as its context says.

    :param incident: ``failure``, ``deadline`` or ``sla``
    :param run_id: ``None`` for an SLA of Airflow 2, which does not belong to a run
    :param moment: what identifies a notification without a run
    :param task_id: the task whose callback this is; ``None`` in callbacks of a Dag
    :param failed: task ID and map index of what failed
    """

    incident: str
    dag_id: str
    run_id: str | None
    moment: str
    clear_number: int
    task_id: str | None
    map_index: int
    failed: tuple[tuple[str, int], ...]
    reason: str | None

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> _Origin:
        """Read a context: a task's, a Dag's (which may lack a task instance), a deadline's or an SLA's."""
        ti, dag_run = context.get("ti"), context.get("dag_run")
        incident = next(
            (word for word, key in (("deadline", "deadline"), ("sla", "slas")) if key in context), "failure"
        )
        if isinstance(dag_run, dict):  # a deadline's: what the REST API says of the run
            dag_id, run_id = dag_run["dag_id"], dag_run["dag_run_id"]
        else:
            dag_id = ti.dag_id if ti is not None else context["dag"].dag_id
            run_id = ti.run_id if ti is not None else context.get("run_id")
        own: Any = ti if "reason" not in context else None
        failed: tuple[tuple[str, int], ...] = ()
        if own is not None:
            failed = ((own.task_id, _map_index(own)),)
        elif context.get("reason") not in (None, "success"):
            # They only enrich the contact. In dag.test() they cannot be read.
            with contextlib.suppress(Exception):
                failed = tuple(failed_tasks(context))
        return cls(
            incident=incident,
            dag_id=dag_id,
            run_id=run_id,
            moment=str(min((str(sla.execution_date) for sla in context.get("slas") or ()), default="")),
            clear_number=getattr(dag_run, "clear_number", 0) or 0,
            task_id=own.task_id if own is not None else None,
            map_index=_map_index(own) if own is not None else -1,
            failed=failed,
            reason=context.get("reason"),
        )

    def __str__(self) -> str:
        """Name it for the log."""
        return f"Dag {self.dag_id}, run {self.run_id}" + (f", task {self.task_id}" if self.task_id else "")

    def parts(self, scope: str) -> list[str]:
        """Return what identifies a contact of a scope; a task's contact in a Dag's callback is its run's."""
        run = [self.run_id or self.moment]
        task = [self.task_id, str(self.map_index)] if self.task_id else []
        return [self.dag_id] + {"dag": [], "dag_run": run, "task": run + task}[scope]

    def headline(self, scope: str, incident: str) -> str:
        """Return the contact's name."""
        what = f"{self.task_id} of {self.dag_id}" if scope == "task" and self.task_id else self.dag_id
        said = {"failure": "failed", "deadline": "missed its deadline", "sla": "missed its SLA"}
        return f"{what} {said[incident]}" if incident in said else f"{what}: {incident}"

    def story(self) -> str:
        """Return the contact's description."""
        names = [task_id if index < 0 else f"{task_id}[{index}]" for task_id, index in self.failed]
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        lines = [
            f"Dag run: {self.run_id}" if self.run_id else f"SLA of {self.moment}",
            f"Failed: {', '.join(names[:10])}{more}" if names else "",
            f"Reason: {self.reason}" if self.reason else "",
        ]
        return "\n".join(line for line in lines if line)

    def attributes(self) -> dict[str, Any]:
        """Return the contact's attributes; ``None`` is left out."""
        return {"dag_id": self.dag_id, "run_id": self.run_id, "task_id": self.failed[0][0] if self.failed else None}

    def links(self) -> dict[str, str]:
        """Return the contact's references to Airflow."""
        if not self.run_id:
            return {}
        links = {"Run": dag_run_url(self.dag_id, self.run_id)}
        if self.failed:
            links["Log"] = log_url(self.dag_id, self.run_id, *self.failed[0])
        return links


def _map_index(ti: Any) -> int:
    index = getattr(ti, "map_index", None)
    return -1 if index is None else int(index)


def _mark(instance_id: str, parts: list[str]) -> str:
    # Not the client token, which depends on the operation: a notifier that stops a contact does not know how it was
    # created.
    return hashlib.sha256(json.dumps(["notifier", instance_id, *parts]).encode()).hexdigest()


def _code(mark: str) -> str:
    return f"[{mark[:12]}]"


def _already_created(error: RequestError) -> bool:
    """Return whether a contact was refused since one with this token exists, from another callback's words."""
    # StartTaskContact's model has no IdempotencyException; what it answers instead is not documented.
    return isinstance(error, IdempotencyError) or "ClientToken" in str(error)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ConnectError) else f"{type(error).__name__}: {error}"
