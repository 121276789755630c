"""What networks, proxies and gateways make of a call, over real sockets: each break sorted by what is known of it."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import ConnectError, RequestError, RetryableError, SetupError, ThrottledError
from airflow_connect.hooks.connect import ConnectHook
from tests.gateway import Gateway, break_tls, certificate_of_localhost

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

CUSTOMER = "Zaphod Beeblebrox"
TASK = {"channel": "TASK", "name": CUSTOMER, "client_token": "token"}
INSTANCE = "b1000000-0000-4000-8000-000000000001"


def http(status: int, body: bytes, *headers: str) -> Callable[[socket.socket, int], None]:
    """Return what answers every request with the same."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return lambda connection, _: connection.sendall("\r\n".join(lines).encode() + body)


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ConnectHook]]:
    """Return a function that starts a gateway and returns a hook that calls it."""
    gateways: list[Gateway] = []

    def start(
        answers: Callable[[socket.socket, int], None], context: ssl.SSLContext | None = None, **options: Any
    ) -> ConnectHook:
        gateway = Gateway(answers, context)
        gateways.append(gateway)
        extra = {
            "region_name": "us-east-1",
            "endpoint_url": gateway.url,
            "service_config": {"connect": {"instance_id": INSTANCE}},
            **options,
        }
        conn = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_GATEWAY", json.dumps(conn))
        hook = ConnectHook("aws_gateway", max_retry_time=0)
        hook.gateway = gateway  # type: ignore[attr-defined]
        return hook

    yield start
    for gateway in gateways:
        gateway.shutdown()
        gateway.server_close()


def refused_by(call: Callable[[], Any]) -> ConnectError:
    """Return the error of a call, and see to it that it shows nothing and hides what it comes from."""
    with pytest.raises(ConnectError) as caught:
        call()
    assert not [word for word in CUSTOMER.split() if word in str(caught.value)]
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


BODIES = [b'"Service Unavailable"', b"null", b"[]", b"5", b"true", b'[{"ContactId": "c"}]', b" \n null\n"]
UNREADABLE = [b"<html>Sorry</html>", b'{"ContactId": "c', b"\xff\xfe{", b"Service Unavailable"]


@pytest.mark.parametrize(
    ("status", "kind", "may_have_happened"),
    [
        (200, RetryableError, True),
        (302, RetryableError, True),
        (403, SetupError, False),
        (404, RequestError, False),
        (408, RetryableError, True),
        (499, RetryableError, True),
        (429, ThrottledError, False),
        (500, RetryableError, True),
        (502, RetryableError, True),
        (503, RetryableError, True),
    ],
)
def test_answer_that_is_not_amazons_is_sorted_by_its_status(
    behind: Callable[..., ConnectHook], status: int, kind: type[ConnectError], may_have_happened: bool
) -> None:
    """What proxies and gateways send in Amazon's place says what its HTTP status says, for each kind of operation."""
    bodies = [body for body in (*BODIES, *UNREADABLE) for _ in range(3)]
    hook = behind(lambda connection, number: http(status, bodies[number], "Retry-After: 7")(connection, number))
    for body in bodies[::3]:
        for call in (
            lambda: hook.create_contact(**TASK),
            lambda: hook.stop_contact("contact"),
            lambda: hook.describe_contact("contact"),
        ):
            error = refused_by(call)
            assert (type(error), error.status, error.may_have_happened) == (kind, status, may_have_happened), body
            assert error.retry_after == 7 or status == 200, body
            assert f"HTTP {status}" in str(error), body
            assert "Amazon says" not in str(error), body
    assert hook.gateway.requests == len(bodies)  # type: ignore[attr-defined]


def test_object_of_another_form_is_sorted_by_its_status(behind: Callable[..., ConnectHook]) -> None:
    """An object whose members are not what the model says is no reason for a bare exception either."""
    cases = [
        (400, b'{"__type": 5, "message": "x"}', RequestError),
        (429, b'{"__type": ["x"]}', ThrottledError),
        (429, b"", ThrottledError),
        (503, b"", RetryableError),
        (500, b'{"code": {"x": 1}, "message": "x"}', RetryableError),
        (200, b'{"Contact": "x"}', RetryableError),
        (200, b'{"Contact": {"Tags": 5}}', RetryableError),
        (200, b'{"Contact": {"InitiationTimestamp": "soon"}}', RetryableError),
        (503, b"{\xff}", RetryableError),
        (200, b'{"Contact": {"Id": 5}}', RetryableError),
        (200, b'{"Contact": {"Attributes": {"decision": 1}}}', RetryableError),
        (200, b'{"Contact": {"Tags": {"a": ["b"]}}}', RetryableError),
    ]
    hook = behind(lambda connection, number: http(*cases[number][:2])(connection, number))
    for status, body, kind in cases:
        error = refused_by(lambda: hook.describe_contact("contact"))
        assert (type(error), error.status) == (kind, status), body


@pytest.mark.parametrize(
    "members",
    [
        '"ContactId": 17',
        '"ContactId": NaN',
        '"ContactId": ["c"]',
        '"ContactId": {"c": "d"}',
        '"ContactId": true',
        '"ContactId": " "',
        '"ContactId": "c d"',
        '"ContactId": "c\\n"',
        '"ContactId": "\\ud800"',
        '"ContactId": "c", "ContactArn": 5',
    ],
)
def test_contact_without_an_id_is_not_taken_for_one(behind: Callable[..., ConnectHook], members: str) -> None:
    """What the record could not hold is an answer that cannot be read, so that the call is sent again."""
    error = refused_by(lambda: behind(http(200, f"{{{members}}}".encode())).create_contact(**TASK))
    assert (type(error), error.may_have_happened) == (RetryableError, True)


def test_gateway_that_recovers_costs_an_attempt(behind: Callable[..., ConnectHook]) -> None:
    """An answer that cannot be read is asked for again, with the same client token."""

    def answers(connection: socket.socket, number: int) -> None:
        answer = http(503, b"null") if number < 2 else http(200, b'{"ContactId": "c"}')
        answer(connection, number)

    hook = behind(answers)
    hook.max_retry_time = 60
    response = hook.create_contact(**TASK)
    assert (response["ContactId"], response["ResponseMetadata"]["RetryAttempts"]) == ("c", 2)


# --- TLS -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost that nobody trusts, and its key, in one file."""
    return certificate_of_localhost(tmp_path_factory.mktemp("tls") / "localhost.pem")


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_certificate_that_does_not_verify_has_not_happened(
    behind: Callable[..., ConnectHook], tls: ssl.SSLContext
) -> None:
    """The handshake ends before the request could leave, and no other attempt ends otherwise."""
    hook = behind(http(200, b'{"ContactId": "c"}'), tls)
    error = refused_by(lambda: hook.create_contact(**TASK))
    assert (type(error), error.code, error.may_have_happened) == (SetupError, "SSLError", False)
    assert "Check verify" in str(error)
    assert hook.gateway.requests == 0  # type: ignore[attr-defined]


def test_tls_that_breaks_after_the_request_may_have_happened(
    behind: Callable[..., ConnectHook], tls: ssl.SSLContext, certificate: Path
) -> None:
    """An SSLError can come when the request has arrived: the contact may exist."""
    hook = behind(break_tls, tls, verify=str(certificate))
    error = refused_by(lambda: hook.create_contact(**TASK))
    assert hook.gateway.requests == 1  # type: ignore[attr-defined]
    assert (type(error), error.code, error.may_have_happened) == (RetryableError, "SSLError", True)


def test_tls_that_works(behind: Callable[..., ConnectHook], tls: ssl.SSLContext, certificate: Path) -> None:
    """The two tests above fail for the reason that they name."""
    hook = behind(http(200, b'{"ContactId": "c"}'), tls, verify=str(certificate))
    assert hook.create_contact(**TASK)["ContactId"] == "c"


# --- No answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"nonsense\r\n\r\n"])
def test_connection_that_breaks_off_may_have_happened(behind: Callable[..., ConnectHook], answer: bytes) -> None:
    """The request was there: whatever came of it, nobody knows."""
    hook = behind(lambda connection, _: connection.sendall(answer))
    error = refused_by(lambda: hook.create_contact(**TASK))
    assert hook.gateway.requests == 1  # type: ignore[attr-defined]
    assert (type(error), error.may_have_happened) == (RetryableError, True)


@pytest.mark.parametrize(
    ("endpoint_url", "kind"), [("http://no-such-host.invalid", SetupError), ("http://127.0.0.1:9", RetryableError)]
)
def test_what_did_not_connect_has_not_happened(
    behind: Callable[..., ConnectHook], endpoint_url: str, kind: type[ConnectError]
) -> None:
    """A name that is not resolved and a connection that is refused are known to have come before the request."""
    error = refused_by(lambda: behind(http(200, b""), endpoint_url=endpoint_url).create_contact(**TASK))
    assert (type(error), error.code, error.may_have_happened) == (kind, "EndpointConnectionError", False)


def test_botocores_own_retries_hide_what_came_of_the_first(behind: Callable[..., ConnectHook]) -> None:
    """With retries in botocore_config the last answer is a refusal, and the first request may have been carried out."""

    def answers(connection: socket.socket, number: int) -> None:
        refusal = http(400, b'{"__type": "InvalidRequestException"}')
        (http(500, b"{}") if number == 0 else refusal)(connection, number)

    hook = behind(answers, config_kwargs={"retries": {"total_max_attempts": 3, "mode": "standard"}})
    error = refused_by(lambda: hook.create_contact(**TASK))
    assert hook.gateway.requests == 2  # type: ignore[attr-defined]
    assert (type(error), error.may_have_happened) == (RequestError, True)


# --- What nobody knows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["before-send.connect", "response-received.connect", "before-call.connect"])
def test_whatever_a_client_raises_is_an_error_of_ours(behind: Callable[..., ConnectHook], event: str) -> None:
    """An exception of somebody's handler, patch or tracing library may come after the request left."""
    hook = behind(http(200, b'{"ContactId": "c"}'))

    def broken(**_: Any) -> None:
        raise RuntimeError(f"about {CUSTOMER}")

    hook.conn.meta.events.register(event, broken)
    error = refused_by(lambda: hook.create_contact(**TASK))
    assert (type(error), error.may_have_happened) == (RetryableError, True)
    assert "RuntimeError" in str(error)


@pytest.mark.parametrize(
    ("extra", "code", "advice"),
    [
        ({"endpoint_url": "not an address"}, "ValueError", "Check the Amazon Web Services connection"),
        ({"profile_name": "nobody"}, "ProfileNotFound", "Check profile_name"),
        ({"region_name": "no region at all"}, "InvalidRegionError", "Check the Amazon Web Services connection"),
        ({"config_kwargs": {"no_such": 1}}, "TypeError", "The connection 'aws_gateway' cannot be read"),
    ],
)
def test_client_that_cannot_be_made_is_a_matter_of_the_setup(
    behind: Callable[..., ConnectHook], extra: dict[str, Any], code: str, advice: str
) -> None:
    """Whatever stands in the way of the client, nothing was sent."""
    hook = behind(http(200, b'{"ContactId": "c"}'), **extra)
    error = refused_by(lambda: hook.create_contact(**TASK))
    assert (type(error), error.code, error.may_have_happened) == (SetupError, code, False)
    assert advice in str(error)
    assert hook.gateway.requests == 0  # type: ignore[attr-defined]
