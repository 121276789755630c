"""
Test Dags against a local Amazon Connect: the pytest fixture :func:`amazon_connect`.

In the ``conftest.py`` beside the Dags' tests::

    pytest_plugins = ("airflow_connect.testing",)

and in a test::

    def test_a_row_becomes_a_task(amazon_connect):
        dag.test()
        (contact,) = amazon_connect.contacts()
        assert contact["name"] == "Check order 1042"

It needs ``pip install "airflow-provider-amazon-connect[testing]"``. Imports no Airflow, and the local Amazon Connect
only when a test asks for it.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_connect.emulator.calls import Call
    from airflow_connect.emulator.clock import Clock
    from airflow_connect.emulator.server import Emulator

__all__ = ["LocalConnect", "amazon_connect"]

_EXTRA = 'pip install "airflow-provider-amazon-connect[testing]"'
#: How often the agent of :meth:`LocalConnect.agent` looks for contacts, seconds.
_LOOKS = 0.02


class LocalConnect:
    """
    What the fixture :func:`amazon_connect` gives to a test.

    :param emulator: the running emulator, for all that has no helper here.
    """

    #: The connection that leads to the emulator.
    conn_id = "aws_default"

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    @property
    def url(self) -> str:
        """Where the emulator listens: ``http://127.0.0.1:PORT``."""
        return self.emulator.url

    @property
    def instance_id(self) -> str:
        """The ID of the emulator's instance."""
        return self.emulator.instance_id

    @property
    def clock(self) -> Clock:
        """The emulator's time: ``clock.advance(seconds)`` lets contacts expire and scheduled ones start."""
        return self.emulator.clock

    @property
    def connection(self) -> dict[str, Any]:
        """The connection :attr:`conn_id`, as Airflow reads it from JSON; for an Airflow that runs elsewhere."""
        return {
            "conn_type": "aws",
            "login": "local",
            "password": "local",
            "extra": {
                "region_name": self.emulator.region,
                "endpoint_url": self.url,
                "service_config": {"connect": {"instance_id": self.instance_id}},
            },
        }

    @cached_property
    def client(self) -> Any:
        """A boto3 client of the emulator that tries each call once, so that a fault is seen as what it is."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "connect",
            endpoint_url=self.url,
            region_name=self.emulator.region,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 -- any will do
            config=Config(retries={"total_max_attempts": 1}),
        )

    def contacts(self, *states: str) -> list[dict[str, Any]]:
        """
        All contacts, oldest first.

        :param states: only contacts in one of these: CREATED, SCHEDULED, RINGING, QUEUED, CONNECTED, ENDED.
        :return: a dict for each, with the fields of :class:`airflow_connect.emulator.store.Contact` as keys:
            ``id``, ``name``, ``attributes``, ``references``, ``state``, ``disconnect_reason``, …
        """
        return self.emulator.contacts(*states)

    def contact(self, contact_id: str) -> dict[str, Any]:
        """
        One contact, as in :meth:`contacts`.

        :raises ServiceError: when the ID is not known.
        """
        return self.emulator.contact(contact_id)

    def accept(self, contact_id: str, agent: str | None = None) -> dict[str, Any]:
        """
        Let an agent accept a waiting contact.

        :param agent: user ID or name, ``alex`` or ``sam``; by default the one the contact is meant for, else alex.
        :raises ServiceError: when the contact or the agent does not exist, or the contact does not wait.
        """
        return self.emulator.accept(contact_id, agent)

    def complete(
        self, contact_id: str, attributes: Mapping[str, str] | None = None, agent: str | None = None
    ) -> dict[str, Any]:
        """
        Let an agent fill in attributes and complete a contact, after accepting it if nobody has.

        :param attributes: merged into the contact's.
        :param agent: as in :meth:`accept`.
        :raises ServiceError: when the contact does not exist or has ended, or attributes break a rule.
        """
        return self.emulator.complete(contact_id, attributes, agent)

    def hang_up(self, contact_id: str) -> dict[str, Any]:
        """
        Let the person who was called, and has answered, end the call.

        :raises ServiceError: when the contact does not exist, or nobody is on the line.
        """
        return self.emulator.hang_up(contact_id)

    def phones(self, plan: str) -> Until:
        """
        Say who answers a call, until the test ends or, in a ``with`` statement, until its block does.

        Without a plan a phone rings until ``emulator.answer(contact_id)``, or until the call's ring time-out.

        :param plan: such as ``+=answered(5), +12065550100=busy``; see :mod:`airflow_connect.emulator.phones`.
        :raises ValueError: when the plan cannot be read; nothing has changed then.
        """
        self.emulator.set_phones(plan)
        return Until(lambda: self.emulator.set_phones(""))

    @contextmanager
    def agent(
        self, attributes: Mapping[str, str] | Callable[[dict[str, Any]], Mapping[str, str]] | None = None
    ) -> Iterator[None]:
        """
        Complete every contact that waits, as long as the ``with`` block runs: for Dags that wait for people.

        :param attributes: what the agent fills in, or a function that says it of a contact (as in :meth:`contacts`).
        :raises Exception: at the block's end, what went wrong while a contact was completed.
        """
        done = threading.Event()
        failures: list[Exception] = []

        def work() -> None:
            while not done.is_set():
                for contact in self.contacts("CREATED", "QUEUED"):
                    try:
                        self.complete(contact["id"], attributes(contact) if callable(attributes) else attributes)
                    except Exception as error:  # noqa: BLE001 -- raised in the test's own thread
                        # One that somebody else has ended meanwhile is not a failure.
                        if self.contact(contact["id"])["state"] != "ENDED":
                            failures.append(error)
                            return
                done.wait(_LOOKS)

        thread = threading.Thread(target=work, name="amazon-connect-agent", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        if failures:
            raise failures[0]

    def calls(self, operation: str | None = None) -> list[Call]:
        """
        The calls that have arrived, oldest first: operation, client token, contact ID, status, error, fault, time.

        :param operation: only calls of this one, e.g. ``CreateContact``.
        """
        return self.emulator.calls(operation)

    def faults(self, plan: str, seed: int = 0) -> Until:
        """
        Let calls go wrong, until the test ends or, in a ``with`` statement, until its block does.

        :param plan: such as ``throttle=0.2, CreateContact@3:cut_after``; see
            :mod:`airflow_connect.emulator.faults`.
        :param seed: the same seed gives the same calls the same fates.
        :raises ValueError: when the plan cannot be read; nothing has changed then.
        """
        self.emulator.set_faults(plan, seed)
        return Until(lambda: self.emulator.set_faults(""))

    def throttle(self, rate: float = 2, burst: int = 5) -> Until:
        """
        Keep request quotas, which the fixture does not, until the test ends or the ``with`` block does.

        :param rate: calls per second of each operation; Amazon's default is 2.
        :param burst: calls that an operation takes at once; Amazon's default is 5.
        :raises ValueError: when one is out of range; nothing has changed then.
        """
        self.emulator.set_rate(rate, burst)
        return Until(lambda: self.emulator.set_rate(None))


class Until:
    """
    Something that is in force already, and is undone at the end of a ``with`` block if there is one.

    :param undo: undoes it.
    """

    def __init__(self, undo: Callable[[], None]) -> None:
        self._undo = undo

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._undo()


@pytest.fixture(scope="session")
def _amazon_connect_emulator() -> Iterator[Emulator]:
    try:
        from airflow_connect.emulator.server import Emulator
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("airflow_connect"):
            raise
        pytest.fail(f"The fixture amazon_connect needs {error.name}: {_EXTRA}", pytrace=False)
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def amazon_connect(_amazon_connect_emulator: Emulator) -> Iterator[LocalConnect]:
    """
    A local Amazon Connect, empty for each test, and the connection ``aws_default`` that leads to it.

    While the test runs, ``AIRFLOW_CONN_AWS_DEFAULT`` is the connection, and no profile, credentials or endpoint of
    the person who runs it is in the environment: what misses the local Amazon Connect does not reach Amazon with
    somebody's rights. Throttling is off; :meth:`LocalConnect.throttle` turns it on.
    """
    _amazon_connect_emulator.reset()
    connect = LocalConnect(_amazon_connect_emulator)
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            # A region leads nowhere by itself, and a test of another service may need it.
            if name.startswith("AWS_") and name not in ("AWS_DEFAULT_REGION", "AWS_REGION"):
                environment.delenv(name)
        not_by_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        for name, value in {
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connect.connection),
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": (no_proxy := f"{not_by_proxy},127.0.0.1" if not_by_proxy else "127.0.0.1"),
            "no_proxy": no_proxy,
        }.items():
            environment.setenv(name, value)
        yield connect
