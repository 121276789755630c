"""What the operators have in common that do one thing with one contact or with each of many."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import AirflowFailException
from airflow_connect._task import ConnectTask, one_of, truth, truth_value
from airflow_connect.api.errors import ConnectError, RequestError, RetryableError
from airflow_connect.operators.base_connect import ConnectBaseOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from airflow.providers.common.compat.sdk import XComArg
    from airflow.sdk import Context

    from airflow_connect._task import Rule
    from airflow_connect.api.operations import Operation
    from airflow_connect.record.ledger import Ledger
    from airflow_connect.record.peers import Peers
    from airflow_connect.record.results import CreatedContact
    from airflow_connect.waiting.act import Acted

__all__ = ["EachContactOperator"]

#: In place of an outcome's state: no outcome is on record.
OPEN: Final = "open"
#: Contacts up to which the result names what each was transferred to.
MOST_NAMED: Final = 100


def _state_rule(value: Any) -> str | None:
    """Return the rule of a state, or of a list of them, that a value breaks."""
    from airflow_connect.api.outcome import OutcomeState
    from airflow_connect.record.format import RowState

    one_state = one_of(OPEN, RowState.ALREADY_CREATED, *OutcomeState)
    return next(filter(None, map(one_state, value if isinstance(value, list | tuple | set) else [value])), None)


class EachContactOperator(ConnectBaseOperator):
    """
    Call an operation for a contact, or once for each of many, as fast as the quota allows.

    :param contact_id: the contact, or a list of them (templated)
    :param results: instead of contacts, the output of a ``BulkCreateContactsOperator``, of a ``ContactSensor`` or of
        an operator of this kind, or the folder of results: the contacts that the task created (templated)
    :param state: of the results, only contacts that are ``open`` as far as their outcomes are on record, or whose
        outcome is one of these: ``completed``, ``stopped``, ``expired``, ``transferred``, ``failed``; or
        ``already_created``, the contacts that another task had created under the same key (templated)
    :param dry_run: count the contacts, and call nothing (templated)
    """

    #: The operation.
    operation: ClassVar[type[Operation]]
    #: The name in log and counts of contacts for which it succeeded.
    done: ClassVar[str]
    #: Error codes which say that the contact has ended. If it was transferred, the operation is called for its
    #: successor.
    says_ended: ClassVar[frozenset[str]] = frozenset()
    #: Whether the operation fails for a contact that has ended, without an error code of its own.
    needs_open: ClassVar[bool] = False
    #: States of results that are chosen where the author names none; ``None`` for all that the task created.
    default_state: ClassVar[str | None] = None

    template_fields: Sequence[str] = aws_template_fields("is_dry_run", "contact_id", "instance_id", "results", "state")
    rules: ClassVar[Mapping[str, Rule]] = {**ConnectTask.rules, "dry_run": truth_value, "state": _state_rule}
    exclusive: ClassVar[Mapping[tuple[str, ...], str]] = {("contact_id", "results"): "give one of them"}

    def __init__(
        self,
        *,
        contact_id: str | Iterable[str] | XComArg | None = None,
        results: str | Mapping[str, Any] | XComArg | None = None,
        state: str | Sequence[str] | None = None,
        dry_run: bool | str = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.contact_id = contact_id
        self.results = results
        self.state = state
        # Airflow's operators have a method dry_run.
        self.is_dry_run = dry_run
        self.check_constants(contact_id=contact_id, results=results, state=state, dry_run=dry_run)

    def act(self, context: Context, params: Callable[[str], dict[str, Any]]) -> Any:
        """
        Call the operation for each contact that the author named.

        :param context: the context of the task instance
        :param params: returns the checked parameters of the call for a contact
        :return: for one contact its ID, or that of the contact it was transferred to; for many the counts
        """
        from airflow_connect.waiting.awaited import unknown_in_words

        try:
            chosen = self._chosen(context)
            dry_run = truth("dry_run", self.is_dry_run)
        except (TypeError, ValueError) as error:
            raise AirflowFailException(f"Task {self.task_id!r}: {error}") from None
        if chosen.contacts:
            # All of them have the same faults.
            params(next(iter(chosen.contacts)))
        if chosen.unknown:
            self.log.warning("Contacts may be missing: %s", unknown_in_words(chosen.unknown))
        if dry_run:
            self.log.info("Dry run: %s would be called for %d contacts", self.operation.name, len(chosen.contacts))
            return {"contacts": len(chosen.contacts), "dry_run": True}
        if isinstance(self.contact_id, str):
            return self._act_on_one(context, next(iter(chosen.contacts)), params)
        return self._act_on_many(context, chosen, params)

    def _act_on_one(self, context: Context, contact_id: str, params: Callable[[str], dict[str, Any]]) -> str:
        from airflow_connect.waiting.act import Fate

        found: list[Acted] = []
        asyncio.run(self._call_each([contact_id], params, found.append))
        [acted] = found
        if (error := acted.error) is not None and (acted.fate is Fate.FAILED or self.needs_open):
            if contact_id not in str(error):
                error.args = (f"Contact {contact_id}: {error}",)
            raise error
        response = acted.response or {}
        goes_on: str = response.get("ContactId") or contact_id
        if response.get("ContactArn"):
            context["ti"].xcom_push(key="contact_arn", value=response["ContactArn"])
        link = self.store_link(context, goes_on, acted_on=contact_id)
        what = self.done if acted.fate is Fate.DONE else "had already ended"
        to = f" to {goes_on}" if goes_on != contact_id else ""
        self.log.info("Contact %s %s%s (%s)", contact_id, what, to, link)
        return goes_on

    def _act_on_many(
        self, context: Context, chosen: _Chosen, params: Callable[[str], dict[str, Any]]
    ) -> dict[str, Any]:
        from airflow_connect.waiting.act import Fate
        from airflow_connect.waiting.awaited import name_unknown

        contacts = chosen.contacts
        before = chosen.done_before
        counts = Counter({"contacts": len(contacts) + before, self.done: before, "already_ended": 0, "failed": 0})
        if before:
            self.log.info("An earlier attempt of this task %s %d of %d contacts", self.done, before, counts["contacts"])
        transferred: dict[str, str] = {}
        failures: list[ConnectError] = []

        def count(acted: Acted) -> None:
            counts[self.done if acted.fate is Fate.DONE else acted.fate] += 1
            successor = (acted.response or {}).get("ContactId")
            given = contacts.get(acted.contact_id, acted.contact_id)
            was_ended = self.operation.ends_contact and acted.response is not None
            if was_ended and ledger is not None and acted.contact_id in contacts:
                ledger.stopped(given, token=self.token_for_task(context, self.operation.name, given))
            if successor:
                if ledger is not None:
                    token = self.token_for_task(context, self.operation.name, acted.contact_id)
                    ledger.transferred(given, successor, called_for=acted.contact_id, token=token)
                if len(contacts) <= MOST_NAMED:
                    transferred[given] = successor
            if acted.fate is Fate.FAILED:
                # The first, but preferably one that another attempt of the task may not get.
                if acted.error and (not failures or _is_final(failures[0]) > _is_final(acted.error)):
                    failures[:] = [acted.error]
                self.log.warning("Contact %s: %s", acted.contact_id, acted.error)

        self.store_link(context, **chosen.folder())
        records = self.needs_open or self.operation.ends_contact
        with chosen.recorder() if records else contextlib.nullcontext() as ledger:
            peers = self.peers(context, self.operation.name)
            asyncio.run(self._call_each(contacts, params, count, peers))
        self.log.info("%s: %s", self.operation.name, dict(counts))
        if failures:
            [error] = failures
            kind = RequestError if _is_final(error) else RetryableError
            of_all = f"{self.operation.name} failed for {counts['failed']:,} of {counts['contacts']:,} contacts."
            raise kind(f"{of_all} One of the errors: {error}", operation=self.operation.name, code=error.code)
        return {
            **counts,
            **(name_unknown(chosen.unknown) if chosen.unknown else {}),
            **(chosen.folder() if self.needs_open else {}),
            **({"transferred_to": transferred} if transferred else {}),
        }

    async def _call_each(
        self,
        contact_ids: Iterable[str],
        params: Callable[[str], dict[str, Any]],
        report: Callable[[Acted], None],
        peers: Peers | None = None,
    ) -> None:
        from airflow_connect.calls.clock import Clock
        from airflow_connect.waiting.act import act_on_each
        from airflow_connect.waiting.watch import Reads

        clock = Clock()
        acts = act_on_each(
            contact_ids,
            self.operation.name,
            params,
            reads=Reads(self.hook, clock=clock, max_retry_time=self.max_retry_time),
            clock=clock,
            says_ended=self.says_ended,
            needs_open=self.needs_open,
            peers=peers,
        )
        async with contextlib.aclosing(acts):
            async for acted in acts:
                report(acted)

    def _chosen(self, context: Context) -> _Chosen:
        """Return the contacts, each once."""
        from airflow_connect.record.results import created_contacts
        from airflow_connect.waiting.awaited import contact_ids_of, is_list, results_of

        if (self.contact_id is None) == (self.results is None):
            raise ValueError("give contact_id or results, and not both.")
        if self.results is None:
            if self.state is not None:
                raise ValueError("state is for results only: leave it out with contact_id.")
            ids = contact_ids_of(self.contact_id, lambda: self.hook.instance_id)
            return self._called_for((contact_id, None) for contact_id in ids)
        if self.state is not None and not self.state:
            raise ValueError("state must not be empty; leave it out for the default.")
        state = self.default_state if self.state is None else self.state
        states = {state} if isinstance(state, str) else set(state or ())
        if broken := _state_rule(state or []):
            raise ValueError(f"state {broken}.")
        if isinstance(self.results, Mapping) and "results" not in self.results and _names_contacts(self.results):
            return self._called_for(_from_outcomes(self.results, states))
        path, conn_id = results_of(self.results)
        found = created_contacts(path, conn_id=conn_id)
        done_before = 0

        def left() -> Iterator[CreatedContact]:
            nonlocal done_before
            for contact in found.contacts:
                if self._was_ended_by_this_task(context, contact):
                    done_before += 1
                else:
                    yield contact

        chosen = self._called_for(
            (contact_id, self._own_transfer(context, found.transfers.get(contact_id, ())) or transferred_to)
            for contact_id, transferred_to in _from_results(left(), states, listed=is_list(found.header))
        )
        return chosen._replace(
            results=(path, conn_id), header=found.header, unknown=found.unknown, done_before=done_before
        )

    def _was_ended_by_this_task(self, context: Context, contact: CreatedContact) -> bool:
        """Return whether an earlier attempt of this task ended a contact."""
        token = (contact.outcome or {}).get("token")
        return token is not None and token == self.token_for_task(context, self.operation.name, contact.contact_id)

    def _own_transfer(self, context: Context, transfers: Iterable[tuple[str, str]]) -> str | None:
        """Return what an earlier attempt of this task called for: the same client token makes it the same transfer."""
        own = (one for one, token in transfers if token == self.token_for_task(context, self.operation.name, one))
        return next(own, None)

    def _called_for(self, contacts: Iterable[tuple[str, str | None]]) -> _Chosen:
        """Return contacts under the IDs for which the operation is called: where it needs an open one, the last."""
        last = self.needs_open or self.says_ended
        return _Chosen({(last and transferred_to) or contact_id: contact_id for contact_id, transferred_to in contacts})


class _Chosen(NamedTuple):
    """
    The contacts that the author has chosen.

    :param contacts: the contacts to call for, each with the contact that it was before it was transferred
    :param results: the folder of the results that they are from, and the connection to its store
    :param header: of these results
    :param unknown: the numbers of the rows of which it is not known whether they have a contact
    :param done_before: for how many more contacts an earlier attempt of this task has called
    """

    contacts: Mapping[str, str]
    results: tuple[str, str | None] | None = None
    header: Mapping[str, Any] = {}
    unknown: Sequence[int] = ()
    done_before: int = 0

    def recorder(self) -> AbstractContextManager[Ledger | None]:
        """Return what records transfers and ends in the results that the contacts are from."""
        if self.results is None or not self.contacts:
            return contextlib.nullcontext()
        from airflow_connect.waiting.awaited import recorder_of

        path, conn_id = self.results
        return recorder_of(path, conn_id, self.header)

    def folder(self) -> dict[str, str]:
        """Return what leads the next task to the results."""
        if self.results is None:
            return {}
        path, conn_id = self.results
        return {"results": path, **({"results_conn_id": conn_id} if conn_id else {})}


def _names_contacts(given: Mapping[str, Any]) -> bool:
    return not given.keys().isdisjoint({"outcomes", "contact_id"}) or isinstance(given.get("transferred_to"), Mapping)


def _is_final(error: ConnectError) -> bool:
    return isinstance(error, RequestError)


def _from_results(
    contacts: Iterable[CreatedContact], states: set[str], *, listed: bool
) -> Iterator[tuple[str, str | None]]:
    """Yield contacts, and what those that are open were transferred to."""
    from airflow_connect.record.format import RowState

    for contact in contacts:
        if contact.state is RowState.ALREADY_CREATED and not listed:
            # Another task's contact, which may be another team's: only if the author names the state.
            if RowState.ALREADY_CREATED in states:
                yield contact.contact_id, contact.transferred_to
            continue
        state = contact.outcome["state"] if contact.outcome is not None else OPEN
        if not states or state in states:
            yield contact.contact_id, contact.transferred_to


def _from_outcomes(given: Mapping[str, Any], states: set[str]) -> Iterator[tuple[str, str | None]]:
    """Yield the contacts in what a sensor returned for one contact or a few, or an operator that transferred a few."""
    if "contact_id" in given:
        outcomes: Iterable[Mapping[str, Any]] = [given]
    else:
        transferred_to = given.get("transferred_to") or {}
        if not states or OPEN in states:
            for contact_id in given.get("open_contacts", transferred_to):
                yield contact_id, transferred_to.get(contact_id)
        outcomes = given.get("outcomes", ())
    for outcome in outcomes:
        if not states or outcome["state"] in states:
            yield outcome["contact_id"], outcome.get("transferred_to")
