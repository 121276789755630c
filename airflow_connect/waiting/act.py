"""
One thing that is done with one contact or with each of many: stop, transfer, change, tag.

::

    contact IDs ──► act_on_each ──► Acted: done │ ended before │ failed
        ▲                │
        └── transferred ─┘ what it was transferred to

This module does not know Airflow or a client.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from airflow_connect.api.errors import ConnectError
from airflow_connect.api.operations import StopContact
from airflow_connect.calls.each import Paced

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

    from airflow_connect.calls.clock import Clock
    from airflow_connect.calls.each import Answered
    from airflow_connect.record.peers import Peers
    from airflow_connect.waiting.watch import Reads

__all__ = ["Acted", "Fate", "Stopped", "act_on_each", "stop_contacts"]

log = logging.getLogger(__name__)

#: Seconds between two lines of progress in the log, as a bulk task has them.
PROGRESS_EVERY: Final = 5.0


class Fate(StrEnum):
    """What a call for one contact came to."""

    DONE = "done"
    #: The contact had ended, and was not transferred to another one.
    ALREADY_ENDED = "already_ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Acted:
    """
    What a call for one contact came to.

    :param contact_id: the contact; after a transfer, what it was transferred to
    :param fate: what the call came to
    :param response: Amazon Connect's answer; ``None`` without one, also where an earlier attempt had no answer and was
        carried out
    :param error: why it failed, or how Amazon Connect said that the contact had ended; of one that had ended also why
        it is not known whether it was transferred
    """

    contact_id: str
    fate: Fate
    response: Mapping[str, Any] | None = None
    error: ConnectError | None = None


async def act_on_each(
    contact_ids: Iterable[str],
    operation: str,
    params: Callable[[str], Mapping[str, Any]],
    *,
    reads: Reads,
    clock: Clock,
    says_ended: frozenset[str] = frozenset(),
    needs_open: bool = False,
    peers: Peers | None = None,
) -> AsyncGenerator[Acted, None]:
    """
    Call an operation once for each contact, as fast as the quota allows, and yield what each call came to.

    To stop early, close the iterator (``contextlib.aclosing``). Every 5 seconds the log says how far it is.

    :param contact_ids: the contacts
    :param operation: the API operation
    :param params: returns the parameters of the call for a contact
    :param reads: reads contacts; its reader sends the calls, which are retried for as long as its reads are
    :param clock: the time
    :param says_ended: error codes which say that the contact has ended. If it was transferred, the operation is called
        for its successor.
    :param needs_open: whether the operation fails for a contact that has ended, without an error code of its own
    :param peers: the tasks that share the quota of the operation
    :raises ConnectError: if no call could succeed, or none was accepted for ``max_retry_time``
    """

    def call(contact_id: str) -> dict[str, Any]:
        return reads.reader.call(operation, params(contact_id), max_retry_time=0)

    calls = Paced(call, clock=clock, max_retry_time=reads.max_retry_time)
    left = deque(contact_ids)
    fates: Counter[Fate] = Counter()
    progress = asyncio.create_task(_log_progress(operation, len(left), calls, fates, clock))
    try:
        acts = _act(left, calls, reads, says_ended=says_ended, needs_open=needs_open)
        shared = peers.share(calls.pace) if peers is not None else contextlib.nullcontext()
        async with contextlib.aclosing(acts):
            with shared:
                async for acted in acts:
                    fates[acted.fate] += 1
                    yield acted
    finally:
        progress.cancel()


async def _act(
    left: deque[str],
    calls: Paced[str, dict[str, Any]],
    reads: Reads,
    *,
    says_ended: frozenset[str],
    needs_open: bool,
) -> AsyncGenerator[Acted, None]:
    known = set(left)
    while left:
        ended: dict[str, ConnectError] = {}
        async with contextlib.aclosing(calls.each(left)) as answers:
            async for answer in answers:
                contact_id, error = answer.item, answer.error
                if error is None:
                    yield Acted(contact_id, Fate.DONE, answer.result)
                elif error.code in says_ended:
                    # After a lost answer the contact may have been ended by this very call.
                    if answer.may_have_happened:
                        yield Acted(contact_id, Fate.DONE)
                    else:
                        ended[contact_id] = error
                elif needs_open and await _has_ended(answer, reads):
                    yield Acted(contact_id, Fate.ALREADY_ENDED, error=error)
                else:
                    yield Acted(contact_id, Fate.FAILED, error=error)
        successors = await reads.successors(ended)
        for contact_id, error in ended.items():
            successor = successors.get(contact_id)
            if isinstance(successor, ConnectError):
                # The successor may be open, and the contact may not exist.
                yield Acted(contact_id, Fate.FAILED, error=successor)
            elif successor is None or successor in known:
                yield Acted(contact_id, Fate.ALREADY_ENDED, error=error)
            else:
                known.add(successor)
                left.append(successor)


async def _log_progress(
    operation: str, total: int, calls: Paced[str, dict[str, Any]], fates: Mapping[Fate, int], clock: Clock
) -> None:
    done = ended = throttled = 0
    while True:
        await clock.async_sleep(PROGRESS_EVERY)
        done_before, done = done, sum(fates.values())
        calls_before, ended = ended, calls.ended
        throttled_before, throttled = throttled, calls.throttled
        rate = (done - done_before) / PROGRESS_EVERY
        log.info(
            "%s: %d of %d contacts done: %.3g a second, %.1f %% throttled, %d failed%s%s",
            operation,
            done,
            total,
            rate,
            100 * (throttled - throttled_before) / max(1, ended - calls_before),
            fates.get(Fate.FAILED, 0),
            f", about {timedelta(seconds=round((total - done) / rate))} left" if rate and done < total else "",
            f"; {state}" if (state := calls.pace.state(clock.now()).in_words()) else "",
        )


async def _has_ended(answer: Answered[str, Any], reads: Reads) -> bool:
    try:
        return (await reads.describe.one(answer.item)).get("DisconnectTimestamp") is not None
    except ConnectError:
        return False


class Stopped(Counter[str]):
    """How many contacts a task ``stopped``, ``already_ended`` and ``failed`` to stop."""


async def stop_contacts(contact_ids: Iterable[str], reads: Reads, *, clock: Clock) -> Stopped:
    """
    Stop contacts, each once; of one that was transferred, the contact that it was transferred to.

    One that has ended already is not an error.

    :param contact_ids: the contacts
    :param reads: reads contacts; its reader sends the calls, which are retried for as long as its reads are
    :param clock: the time
    :raises ConnectError: if no contact can be stopped, or no call was accepted for ``max_retry_time``
    """
    counts = Stopped(stopped=0, already_ended=0, failed=0)

    def params(contact_id: str) -> dict[str, Any]:
        return StopContact(instance_id=reads.reader.instance_id, contact_id=contact_id).params()

    acts = act_on_each(
        contact_ids,
        StopContact.name,
        params,
        reads=reads,
        clock=clock,
        says_ended=StopContact.says_ended,
    )
    async with contextlib.aclosing(acts):
        async for acted in acts:
            counts["stopped" if acted.fate is Fate.DONE else acted.fate] += 1
            if acted.fate is Fate.FAILED:
                log.warning("Contact %s cannot be stopped: %s", acted.contact_id, acted.error)
    return counts
