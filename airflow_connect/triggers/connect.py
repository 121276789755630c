"""
One trigger that waits for any number of contacts.

Its arguments and its event hold identifiers only: Airflow logs the events of triggers and keeps them in its
database, and what a contact holds is a customer's.

Airflow imports a trigger in the event loop, where every other trigger waits for it: the hook, which brings boto3, is
imported in a thread.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_connect._compat import TRIGGERS_HAVE_ON_KILL, is_deferred
from airflow_connect._frames import forget_variables
from airflow_connect.api.errors import ConnectError
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.defaults import MAX_RETRY_TIME
from airflow_connect.waiting.awaited import Awaited, InMemory, InResults
from airflow_connect.waiting.wait import Wait
from airflow_connect.waiting.watch import Reads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from airflow_connect.hooks.connect import ConnectHook

__all__ = ["ContactTrigger", "connection_of"]


class _Shared:
    """What triggers share that read the same instance over the same connection: a client, and a pace."""

    def __init__(self, reads: asyncio.Task[Reads]) -> None:
        self.reads = reads


#: As long as one of the triggers is there that share it.
_shared: WeakValueDictionary[str, _Shared] = WeakValueDictionary()
#: What goes on after a kill, for longer than Airflow waits for that.
_unfinished: set[asyncio.Task[None]] = set()


def connection_of(task: Any) -> dict[str, Any]:
    """
    Return the arguments with which a :class:`ContactTrigger` calls the same instance as an operator or a sensor.

    :param task: the operator or the sensor
    """
    names = ("aws_conn_id", "region_name", "verify", "botocore_config", "instance_id", "max_retry_time")
    return {name: getattr(task, name) for name in names}


def _ready_hook(parameters: dict[str, Any]) -> ConnectHook:
    from airflow_connect.hooks.connect import ConnectHook

    hook = ConnectHook(**parameters)
    hook.prepare()
    return hook


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that continues when the coroutine that waits is cancelled, as long as the triggerer runs."""
    task = asyncio.create_task(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    await asyncio.shield(task)


def _event(payload: dict[str, Any]) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]  # Airflow's has no types


class ContactTrigger(BaseTrigger):
    """
    Fire when enough contacts have ended, or when the time is up.

    The event is ``{"status": "success" | "timeout", "summary": {…}, "ended": […], "transferred_to": {…}}`` or
    ``{"status": "error", "message": …}``. ``summary`` counts contacts by state, ``ended`` holds outcomes without
    attributes (:meth:`airflow_connect.api.outcome.Outcome.as_dict`), and ``transferred_to`` says what open contacts
    were transferred to.

    :param contact_ids: the contacts, which are kept in Airflow's database; for more than 100, give ``results``
    :param results: instead of ``contact_ids``, the folder of a bulk task's results, with any number of contacts; the
        outcomes are recorded there
    :param results_conn_id: the connection to the object store of ``results``
    :param attributes: names of the attributes that are recorded with the results, or ``"all"``
    :param poke_interval: seconds between two polls
    :param deadline: when the time is up (seconds since 1970), ``None`` for never
    :param wait_for: how many have to end: ``"all"``, ``"any"``, a number of contacts, or a share of them (``"80%"``)
    :param stop_on_kill: whether to stop what is open when somebody fails, clears or marks the deferred task
    :param instance_id: the ID or ARN of the instance; default: the connection's
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; when
        nothing was accepted for that long, the poll ends. 0 for a single attempt (default: 300)
    :param aws_conn_id: the connection
    :param region_name: the AWS region; default: the connection's
    :param verify: whether or how TLS certificates are verified; default: the connection's
    :param botocore_config: the configuration of botocore's client, as a dict
    """

    def __init__(
        self,
        *,
        contact_ids: Sequence[str] | None = None,
        results: str | None = None,
        results_conn_id: str | None = None,
        attributes: Sequence[str] = (),
        poke_interval: float = 60.0,
        deadline: float | None = None,
        wait_for: str | int = "all",
        stop_on_kill: bool = False,
        instance_id: str | None = None,
        max_retry_time: float = MAX_RETRY_TIME,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # before Airflow 3.3
        self.contact_ids = list(contact_ids) if contact_ids is not None else None
        self.results = results
        self.results_conn_id = results_conn_id
        self.attributes = attributes if isinstance(attributes, str) else list(attributes)
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.wait_for = wait_for
        self.stop_on_kill = stop_on_kill
        self.instance_id = instance_id
        self.max_retry_time = max_retry_time
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name
        self.verify = verify
        self.botocore_config = botocore_config
        self._clock = Clock()
        self._wait: Wait | None = None
        self._keeps_shared: _Shared | None = None
        self._is_over = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class's path, and the arguments to create this trigger again."""
        arguments = {
            "contact_ids": self.contact_ids,
            "results": self.results,
            "results_conn_id": self.results_conn_id,
            "attributes": self.attributes,
            "poke_interval": self.poke_interval,
            "deadline": self.deadline,
            "wait_for": self.wait_for,
            "stop_on_kill": self.stop_on_kill,
            "instance_id": self.instance_id,
            "max_retry_time": self.max_retry_time,
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "botocore_config": self.botocore_config,
        }
        return "airflow_connect.triggers.connect.ContactTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the wait is over, and fire once."""
        try:
            event = await self._until_over()
        except BaseException as error:
            forget_variables(error)
            raise
        self._is_over = True
        await self._close()
        yield event

    async def _until_over(self) -> TriggerEvent:
        try:
            wait = await self._started()
            await wait.poll_until_over()
            return self._event("success" if wait.is_met else "timeout", wait)
        except ConnectError as error:
            return _event({"status": "error", "message": str(error)})

    def _event(self, status: str, wait: Wait) -> TriggerEvent:
        awaited = wait.awaited
        transferred_to = awaited.transferred_to if self.results is None else {}
        ended = awaited.unrecorded()
        content = {"summary": awaited.summary(), "ended": ended, "transferred_to": dict(transferred_to)}
        return _event({"status": status, **content})

    async def _started(self) -> Wait:
        if self._wait is None:
            self._wait = Wait(
                # Airflow 3.0 and 3.1 give connections only to threads that asgiref has started.
                await sync_to_async(self._awaited, thread_sensitive=False)(),
                await self._reads(),
                clock=self._clock,
                interval=self.poke_interval,
                deadline=self.deadline,
                wait_for=self.wait_for,
            )
        return self._wait

    def _awaited(self) -> Awaited:
        if self.results is None:
            return InMemory(self.contact_ids or ())
        return InResults(self.results, conn_id=self.results_conn_id, attributes=self.attributes)

    async def _reads(self) -> Reads:
        parameters: dict[str, Any] = {
            "aws_conn_id": self.aws_conn_id,
            "region_name": self.region_name,
            "verify": self.verify,
            "config": self.botocore_config,
            "instance_id": self.instance_id,
            "max_retry_time": self.max_retry_time,
        }
        key = json.dumps(parameters, sort_keys=True, default=str)
        shared = _shared.get(key)
        if shared is None:
            # The first of many triggers creates the client, the others wait for it.
            shared = _shared[key] = _Shared(asyncio.create_task(self._new_reads(parameters)))
        self._keeps_shared = shared
        try:
            return await asyncio.shield(shared.reads)
        except ConnectError:
            _shared.pop(key, None)
            raise

    async def _new_reads(self, parameters: dict[str, Any]) -> Reads:
        hook = await sync_to_async(_ready_hook, thread_sensitive=False)(parameters)
        return Reads(hook, clock=self._clock, max_retry_time=self.max_retry_time)

    async def _close(self) -> None:
        if self._wait is not None:
            await asyncio.to_thread(self._wait.awaited.close)

    # --- When the task is killed --------------------------------------------------------------------------------

    async def on_kill(self) -> None:
        """
        Stop what is open, if that is wanted: somebody failed, cleared or marked the deferred task.

        Airflow calls this since 3.3, and waits ``[triggerer] on_kill_timeout`` seconds (30 by default) for it. It
        continues to stop contacts after that, as long as the triggerer runs.
        """
        if not self.stop_on_kill or self._is_over:
            return
        self._is_over = True
        await _to_the_end(self._stop_open())

    async def cleanup(self) -> None:
        """
        Stop what is open, if that is wanted and the task is not deferred any more: before Airflow 3.3 that is a kill.

        A triggerer that shuts down cleans up as well, and leaves the task deferred.
        """
        # Airflow 3.0 to 3.2 cancel a trigger anew each second until it has ended, also while it cleans up.
        await _to_the_end(self._clean_up())

    async def _clean_up(self) -> None:
        try:
            await self._stop_if_killed()
        finally:
            if not self._is_over:
                await self._close()

    async def _stop_if_killed(self) -> None:
        if TRIGGERS_HAVE_ON_KILL or not self.stop_on_kill or self._is_over:
            return
        try:
            deferred = await sync_to_async(is_deferred, thread_sensitive=False)(self.task_instance)
        except Exception as error:  # noqa: BLE001  # Airflow ignores what is raised here without a word
            self.log.warning(
                "Open contacts are not stopped, since it is not known whether the task was killed (%s)", error
            )
            return
        if not deferred:
            await self.on_kill()

    async def _stop_open(self) -> None:
        try:
            counts = await (await self._started()).stop()
            self.log.info(
                "The task was killed: %(stopped)d contacts stopped, %(already_ended)d had already ended, "
                "%(failed)d could not be stopped",
                counts,
            )
        except ConnectError as error:
            self.log.error("The task was killed, and its contacts could not be stopped: %s", error)  # noqa: TRY400
