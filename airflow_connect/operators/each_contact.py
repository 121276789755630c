"""What the operators that do one thing with one contact or with many have in common."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import AirflowFailException
from airflow_connect.api.errors import RequestError
from airflow_connect.api.outcome import OutcomeState
from airflow_connect.calls.clock import Clock
from airflow_connect.calls.each import Paced
from airflow_connect.links.connect import ContactLink
from airflow_connect.operators.base_connect import ConnectBaseOperator
from airflow_connect.waiting.awaited import contact_ids_of, results_of
from airflow_connect.waiting.watch import Reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow.providers.common.compat.sdk import XComArg
    from airflow.sdk import Context

    from airflow_connect.calls.each import Answered

__all__ = ["EachContactOperator"]

#: In place of an outcome's state: no outcome is on record.
OPEN: Final = "open"
#: Contacts up to which the result names what each was transferred to.
MOST_NAMED: Final = 100


class EachContactOperator(ConnectBaseOperator):
    """
    Do one thing with a contact, or once with each of many, in a pace that the quota allows.

    :param contact_id: the contact, or a list of them (templated)
    :param results: instead of contacts, the output of a ``BulkCreateContactsOperator`` or of a ``ContactSensor``, or
        the folder of results: all that was made (templated)
    :param state: of the results, only contacts that are ``open`` as far as their outcomes are on record, or whose
        outcome is one of these: ``completed``, ``stopped``, ``expired``, ``transferred``, ``failed`` (templated)
    :param dry_run: count what would be done, and call nothing
    """

    #: The API operation.
    operation: ClassVar[str]
    #: What the counts call a contact with which it was done.
    done: ClassVar[str]
    #: Codes of errors that say that the contact has ended. If it was transferred, it is done with what it went on as.
    ended_codes: ClassVar[frozenset[str]] = frozenset()
    #: Whether a contact has to be open for it, and the error does not say that it is not.
    needs_open: ClassVar[bool] = False

    template_fields: Sequence[str] = aws_template_fields("instance_id", "contact_id", "results", "state")

    def __init__(
        self,
        *,
        contact_id: str | Iterable[str] | XComArg | None = None,
        results: str | Mapping[str, Any] | XComArg | None = None,
        state: str | Sequence[str] | None = None,
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contact_id = contact_id
        self.results = results
        self.state = state
        if not isinstance(dry_run, bool):
            raise TypeError(f"dry_run of task {self.task_id!r} is True or False; it is no template.")
        # Airflow's operators have a method dry_run.
        self.asked_for_dry_run = dry_run

    def _params(self, context: Context, contact_id: str) -> dict[str, Any]:
        """Return the parameters of the call for one contact, checked."""
        raise AssertionError("each operator has its own")

    def _execute_one(self, context: Context, contact_id: str) -> str:
        raise AssertionError("each operator has its own")

    def _execute(self, context: Context) -> Any:
        try:
            contact_ids = deque(self._chosen())
        except (TypeError, ValueError) as error:
            raise AirflowFailException(f"Task {self.task_id!r}: {error}") from None
        if self.asked_for_dry_run:
            if contact_ids:
                self._params(context, contact_ids[0])
            self.log.info("Dry run: %s would be called for %d contacts", self.operation, len(contact_ids))
            return {"contacts": len(contact_ids), "dry_run": True}
        if isinstance(self.contact_id, str):
            return self._execute_one(context, contact_ids[0])
        return self._execute_many(context, contact_ids)

    def _chosen(self) -> Iterable[str]:
        """Return the contacts, each once."""
        if (self.contact_id is None) == (self.results is None):
            raise ValueError("give contact_id or results: either says which contacts.")
        if self.results is None:
            if self.state is not None:
                raise ValueError("state chooses among results; contact_id names the contacts.")
            return contact_ids_of(self.contact_id)
        if self.state is not None and not self.state:
            raise ValueError("state names no state; leave it out for the default.")
        states = {self.state} if isinstance(self.state, str) else set(self.state or ())
        unknown = sorted(states - {OPEN, *map(str, OutcomeState)})
        if unknown:
            known = ", ".join([OPEN, *map(str, OutcomeState)])
            raise ValueError(f"state names {', '.join(unknown)}; there are {known}.")
        if isinstance(self.results, Mapping) and not self.results.keys().isdisjoint({"outcomes", "contact_id"}):
            return _from_outcomes(self.results, states)
        path, conn_id = results_of(self.results)
        return _from_results(path, conn_id, states)

    def _execute_many(self, context: Context, contact_ids: deque[str]) -> dict[str, Any]:
        if contact_ids:
            # What is wrong with the request is wrong with all of them.
            self._params(context, contact_ids[0])
        url = self.hook.instance_access_url
        if url is not None:
            context["ti"].xcom_push(key=ContactLink.xcom, value={"instance_access_url": url})
        counts = Counter({"contacts": len(contact_ids), self.done: 0, "ended_before": 0, "failed": 0})
        named: dict[str, str] | None = {} if len(contact_ids) <= MOST_NAMED else None
        failures: list[str] = []
        asyncio.run(self._call_each(context, contact_ids, counts, named, failures))
        self.log.info("%s: %s", self.operation, dict(counts))
        if failures:
            of_all = f"{self.operation} failed for {counts['failed']:,} of {counts['contacts']:,} contacts."
            raise AirflowFailException(f"{of_all} The first: {failures[0]}")
        return {**counts, **({"went_on_as": named} if named else {})}

    async def _call_each(
        self,
        context: Context,
        contact_ids: deque[str],
        counts: Counter[str],
        named: dict[str, str] | None,
        failures: list[str],
    ) -> None:
        clock = Clock()

        def call(contact_id: str) -> dict[str, Any]:
            return self.hook.call(self.operation, self._params(context, contact_id), max_retry_time=0)

        calls = Paced(call, clock=clock, max_retry_time=self.max_retry_time)
        reads = Reads(self.hook, clock=clock, max_retry_time=self.max_retry_time)
        while contact_ids:
            ended: list[str] = []
            async with contextlib.aclosing(calls.each(contact_ids)) as answers:
                async for answer in answers:
                    if answer.error is None:
                        counts[self.done] += 1
                        successor = (answer.result or {}).get("ContactId")
                        if successor and named is not None:
                            named[answer.item] = successor
                    elif not isinstance(answer.error, RequestError):
                        raise answer.error
                    elif answer.error.code in self.ended_codes:
                        # After a lost answer the contact may have been ended by this very call.
                        if answer.may_have_happened:
                            counts[self.done] += 1
                        else:
                            ended.append(answer.item)
                    elif self.needs_open and await self._has_ended(answer, reads):
                        counts["ended_before"] += 1
                    else:
                        counts["failed"] += 1
                        failures[:] = failures or [str(answer.error)]
                        self.log.warning("Contact %s: %s", answer.item, answer.error)
            successors = await reads.successors(ended)
            counts["ended_before"] += len(ended) - len(successors)
            contact_ids.extend(successors.values())

    @staticmethod
    async def _has_ended(answer: Answered[str, Any], reads: Reads) -> bool:
        try:
            return (await reads.describe.one(answer.item)).get("DisconnectTimestamp") is not None
        except RequestError:
            return False


def _from_results(path: str, conn_id: str | None, states: set[str]) -> Iterator[str]:
    from airflow_connect.record.results import made_contacts

    for made in made_contacts(path, conn_id=conn_id)[1]:
        state = made.outcome["state"] if made.outcome is not None else OPEN
        if not states or state in states:
            yield made.contact_id


def _from_outcomes(told: Mapping[str, Any], states: set[str]) -> Iterator[str]:
    """Yield what a sensor told that waited for one contact or for a few."""
    if not states or OPEN in states:
        yield from told.get("open_contacts", ())
    for outcome in told.get("outcomes", [told]):
        if not states or outcome["state"] in states:
            yield outcome["contact_id"]
