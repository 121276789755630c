"""The emulator in a thread."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import threading
from typing import Any

import pytest

from airflow_connect.emulator.server import Emulator
from tests.emulator.conftest import connect, send


def test_two_emulators_know_nothing_of_each_other(task: dict[str, Any]) -> None:
    """Each emulator has its own port and its own contacts."""
    with Emulator() as one, Emulator() as two:
        connect(one).create_contact(**task)
        assert one.url != two.url
        assert (len(one.contacts()), len(two.contacts())) == (1, 0)


def test_stopped_emulator_serves_no_more() -> None:
    """After the context the port is closed and no thread is left."""
    before = threading.active_count()
    with Emulator() as emulator:
        assert send(emulator, "GET", f"/instance/{emulator.instance_id}").status == 200
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        send(emulator, "GET", "/")


def test_stopping_does_not_wait_for_slow_answers(task: dict[str, Any]) -> None:
    """An answer that is held back keeps nobody from stopping."""
    with Emulator(faults="timeout(600)") as emulator:

        def call() -> None:
            with contextlib.suppress(http.client.HTTPException, OSError):
                send(emulator, "PUT", "/contact/create-contact", task)

        thread = threading.Thread(target=call)
        thread.start()
        while not emulator.calls():
            pass
    thread.join(10)
    assert not thread.is_alive()


def test_taken_port_is_reported_at_once() -> None:
    """A port that is taken raises OSError before anything has started."""
    with Emulator() as emulator, pytest.raises(OSError, match="in use"):
        Emulator(port=int(emulator.url.rsplit(":", 1)[1]))


@pytest.mark.parametrize(
    "arguments",
    [
        {"rate": 0},
        {"burst": 0},
        {"latency_ms": -1},
        {"token_lifetime": -1},
        {"active_contacts": -1},
        {"faults": "nonsense"},
        {"deny": ["Nonsense"]},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    """An argument out of range raises ValueError that begins with its name."""
    with pytest.raises(ValueError, match=f"^{next(iter(arguments))}: "):
        Emulator(**arguments)


def test_reset_is_as_new(emulator: Emulator, create: Any) -> None:
    """After a reset there are no contacts, tokens or calls, the time is real, and quotas and faults are the first."""
    create(ClientToken="t")
    emulator.set_faults("error_500")
    emulator.set_rate(1, 1)
    emulator.clock.advance(10_000)
    emulator.reset()
    assert (emulator.contacts(), emulator.calls()) == ([], [])
    assert [create(ClientToken="t", Name="other").status for _ in range(3)] == [200] * 3


def test_clock_goes_only_forward(emulator: Emulator) -> None:
    """Time is moved by seconds, forward."""
    before = emulator.clock.now()
    emulator.clock.advance(100)
    assert emulator.clock.now() - before == pytest.approx(100, abs=5)
    with pytest.raises(ValueError, match="only goes forward"):
        emulator.clock.advance(-1)


def test_contacts_by_state(emulator: Emulator, create: Any) -> None:
    """The list can be cut down to states, and an unknown state is an error."""
    first, second = create().json["ContactId"], create().json["ContactId"]
    emulator.complete(first)
    assert [contact["id"] for contact in emulator.contacts("CREATED", "QUEUED")] == [second]
    with pytest.raises(ValueError, match="NONE"):
        emulator.contacts("NONE")


def test_call_log_is_bounded_and_can_be_off(task: dict[str, Any]) -> None:
    """The log keeps the latest calls, or none."""
    with Emulator(call_log=2) as emulator:
        for token in "abc":
            connect(emulator).create_contact(**task, ClientToken=token)
        assert [call.client_token for call in emulator.calls()] == ["b", "c"]
        assert emulator.calls("DescribeContact") == []
    with Emulator(call_log=0) as emulator:
        connect(emulator).create_contact(**task)
        assert emulator.calls() == []


def test_latency_holds_every_answer(task: dict[str, Any]) -> None:
    """Each answer takes the latency, and others are served meanwhile."""
    with Emulator(latency_ms=200) as emulator:
        threads = [threading.Thread(target=connect(emulator).create_contact, kwargs=task) for _ in range(10)]
        started = emulator.clock.now()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 0.2 <= emulator.clock.now() - started < 1.5


def test_imports_nothing_of_the_provider_and_nothing_of_airflow() -> None:
    """The emulator stands for Amazon: it knows neither our request checks nor Airflow."""
    program = (
        "import sys, airflow_connect.emulator.__main__, airflow_connect.emulator.server\n"
        "print(*[name for name in sys.modules if name.split('.')[0] in ('airflow', 'airflow_connect')])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    others = [name for name in run.stdout.split() if not name.startswith("airflow_connect.emulator")]
    assert others == ["airflow_connect"]
