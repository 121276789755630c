"""Plans of faults, and what each fault does on the wire."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore.exceptions
import pytest

from airflow_connect.emulator.faults import FaultKind, Faults
from airflow_connect.emulator.service import OPERATIONS
from tests.emulator.conftest import AUTHORIZATION, connect, send

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator

KNOWN = frozenset(OPERATIONS)


def fates(plan: str, seed: int, calls: int, operation: str = "CreateContact") -> list[str | None]:
    faults = Faults(plan, seed, KNOWN)
    drawn = [faults.next(operation) for _ in range(calls)]
    return [fault.kind.value if fault else None for fault in drawn]


def test_seed_repeats_the_same_fates() -> None:
    """The same seed gives the same calls the same fates, another seed gives others."""
    plan = "throttle=0.2,cut_after=0.2"
    assert fates(plan, 7, 200) == fates(plan, 7, 200)
    assert fates(plan, 7, 200) != fates(plan, 8, 200)


def test_fate_does_not_depend_on_other_operations() -> None:
    """Calls of other operations in between change nothing."""
    faults = Faults("throttle=0.5", 3, KNOWN)
    mixed = []
    for _ in range(50):
        faults.next("DescribeContact")
        mixed.append(faults.next("CreateContact"))
    assert [fault.kind.value if fault else None for fault in mixed] == fates("throttle=0.5", 3, 50)


def test_probability_is_kept() -> None:
    """Over many calls each kind comes as often as its probability says."""
    drawn = fates("throttle=0.2,error_500=0.1", 1, 5000)
    assert drawn.count("throttle") == pytest.approx(1000, rel=0.1)
    assert drawn.count("error_500") == pytest.approx(500, rel=0.15)


def test_script_names_one_call() -> None:
    """An entry with a number hits that call only, and goes before the others."""
    assert fates("CreateContact@3:cut_after", 0, 4) == [None, None, "cut_after", None]
    assert fates("error_500,@2:throttle", 0, 3) == ["error_500", "throttle", "error_500"]
    assert fates("DescribeContact:error_500", 0, 2) == [None, None]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("thrtle=0.2", "unknown kind 'thrtle'; there are throttle, error_500"),
        ("CreateContct:throttle=0.2", "unknown operation 'CreateContct'"),
        ("throttle=1.2", "from 0 to 1"),
        ("throttle=0.7,error_500=0.7", "add up to 1.4"),
        ("throttle=0.7,CreateContact:error_500=0.7", "of CreateContact add up to 1.4"),
        ("CreateContact@0:throttle", "counts from 1"),
        ("CreateContact@1:throttle=0.5", "no probability"),
        ("cut_after(5)", "takes no time"),
        ("slow(1.2.3)", "the time must be a number"),
        ("a b c", "not of the form"),
    ],
)
def test_bad_plan_is_refused_by_name(emulator: Emulator, plan: str, words: str) -> None:
    """A plan that cannot be read raises ValueError with the words that help, and the old plan stays."""
    emulator.set_faults("error_503")
    with pytest.raises(ValueError) as raised:  # noqa: PT011 -- the words are compared below
        emulator.set_faults(plan)
    assert words in str(raised.value)
    assert send(emulator, "GET", f"/instance/{emulator.instance_id}").status == 503


@pytest.mark.parametrize(
    ("plan", "status", "error", "made"),
    [
        ("throttle", 429, "ThrottlingException", 0),
        ("error_500", 500, "InternalServiceException", 0),
        ("error_503", 503, "ServiceUnavailableException", 0),
        ("expired_token", 403, "ExpiredTokenException", 0),
        ("error_500_after", 500, "InternalServiceException", 1),
    ],
)
def test_errors_reach_boto3(
    emulator: Emulator, client: Any, task: dict[str, Any], plan: str, status: int, error: str, made: int
) -> None:
    """Faults that answer give boto3 the error, after the contact was made or before, as their name says."""
    emulator.set_faults(plan)
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        client.create_contact(**task)
    assert raised.value.response["Error"]["Code"] == error
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert len(emulator.contacts()) == made


@pytest.mark.parametrize(("plan", "made"), [("cut_before", 0), ("cut_after", 1), ("timeout(0.2)", 1)])
def test_closed_connections_reach_boto3(
    emulator: Emulator, client: Any, task: dict[str, Any], plan: str, made: int
) -> None:
    """Faults that close the connection are connection errors to boto3."""
    emulator.set_faults(plan)
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        client.create_contact(**task)
    assert len(emulator.contacts()) == made


@pytest.mark.parametrize("plan", ["truncated", "cut_body"])
def test_broken_bodies_have_no_contact_id_for_boto3(
    emulator: Emulator, client: Any, task: dict[str, Any], plan: str
) -> None:
    """A body that breaks off is a success that says nothing to one boto3, an error to another; the contact was made."""
    emulator.set_faults(plan)
    answer = {}
    with contextlib.suppress(botocore.exceptions.ConnectionClosedError):
        answer = client.create_contact(**task)
    assert "ContactId" not in answer
    assert len(emulator.contacts()) == 1


def test_client_gives_up_before_the_answer(emulator: Emulator, task: dict[str, Any]) -> None:
    """A time-out lasts longer than a client waits, which then does not know that the contact was made."""
    emulator.set_faults("timeout")
    with pytest.raises(botocore.exceptions.ReadTimeoutError):
        connect(emulator, read_timeout=0.3).create_contact(**task)
    assert len(emulator.contacts()) == 1


def test_slow_answer_comes_in_full(emulator: Emulator, client: Any, task: dict[str, Any]) -> None:
    """A slow answer is late and complete."""
    emulator.set_faults("slow(150)")
    before = time.monotonic()
    assert client.create_contact(**task)["ContactId"] == emulator.contacts()[0]["id"]
    assert time.monotonic() - before >= 0.15


def test_retry_after_is_sent(emulator: Emulator, create: Any) -> None:
    """A refusal can say after how many seconds to come again; without them it says nothing, as Amazon does."""
    emulator.set_faults("@1:throttle(2),@2:error_503(30),@3:throttle")
    assert [create().headers["retry-after"] for _ in range(3)] == ["2", "30", None]


def raw_answer(emulator: Emulator, body: dict[str, Any]) -> bytes:
    """All bytes that come back until the connection is closed."""
    address = urlsplit(emulator.url)
    content = json.dumps(body).encode()
    head = (
        f"PUT /contact/create-contact HTTP/1.1\r\nHost: localhost\r\nAuthorization: {AUTHORIZATION}\r\n"
        f"X-Amz-Date: 20261124T120000Z\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode() + content)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    return received


@pytest.mark.parametrize("plan", ["cut_before", "cut_after"])
def test_cut_closes_the_socket_without_a_byte(emulator: Emulator, task: dict[str, Any], plan: str) -> None:
    """A cut connection is closed with nothing sent, not answered with an error."""
    emulator.set_faults(plan)
    assert raw_answer(emulator, task) == b""


def test_truncated_answer_promises_more_than_it_sends(emulator: Emulator, task: dict[str, Any]) -> None:
    """The length that the header says is more than what comes before the connection is closed."""
    emulator.set_faults("truncated")
    head, _, body = raw_answer(emulator, task).partition(b"\r\n\r\n")
    promised = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split()[1])
    assert head.startswith(b"HTTP/1.1 200")
    assert 0 < len(body) < promised


def test_cut_body_is_a_complete_answer_without_json(emulator: Emulator, create: Any) -> None:
    """The HTTP answer is whole, and its JSON is not."""
    emulator.set_faults("cut_body")
    reply = create()
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "1", b"{")


def test_server_goes_on_after_every_fault(emulator: Emulator, create: Any) -> None:
    """No fault harms the calls after it."""
    for kind in FaultKind:
        name = "timeout(0.05)" if kind is FaultKind.TIMEOUT else "slow(1)" if kind is FaultKind.SLOW else kind.value
        emulator.set_faults(f"@1:{name}")
        with contextlib.suppress(http.client.HTTPException, OSError):
            create()
        assert create().status == 200, kind


def test_call_log_names_the_fault_and_the_token(emulator: Emulator, create: Any) -> None:
    """The log has the fault, the token, and no status for an answer that never came."""
    emulator.set_faults("CreateContact@1:cut_after,CreateContact@2:throttle")
    with pytest.raises((http.client.HTTPException, OSError)):
        create(ClientToken="one")
    create(ClientToken="two")
    lost, refused = emulator.calls("CreateContact")
    assert (lost.client_token, lost.status, lost.fault) == ("one", None, "cut_after")
    assert lost.contact_id == emulator.contacts()[0]["id"]
    assert (refused.client_token, refused.status, refused.fault, refused.contact_id) == ("two", 429, "throttle", None)
