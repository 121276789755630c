"""Which requests come in at all: by the name they were sent to, and by their size."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from airflow_connect.emulator.server import Emulator
from tests.emulator.conftest import AUTHORIZATION, connect, send

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNED = {"Authorization": AUTHORIZATION, "X-Amz-Date": "20261124T120000Z"}
MEBIBYTE = 1 << 20
OWN_NAMES = (
    "localhost",
    "localhost:4599",
    "LOCALHOST",
    "localhost.",
    "a.localhost:80",
    "127.0.0.1",
    "127.1.2.3:80",
    "[::1]:4599",
    "[::1]",
    "[::ffff:127.0.0.1]:80",
)
FOREIGN_NAMES = (
    "evil.example",
    "evil.example:80",
    "evil.example.",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evillocalhost",
    "10.0.0.7",
    "[2001:db8::1]:80",
    "[",
    "[::1",
    "",
    "localhost:80@evil.example",
    "evil.example/localhost",
    "localhost, evil.example",
)


def talk(emulator: Emulator, text: str, *bodies: bytes, times: int = 1) -> bytes:
    """Send bytes, and read what comes until a second answer or the end of the connection."""
    address = urlsplit(emulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode())
        for body in bodies:
            connection.sendall(body)
        answer = b""
        while answer.count(b"HTTP/1.1 ") < times or b"\r\n\r\n" not in answer:
            part = connection.recv(65536)
            if not part:
                break
            answer += part
        return answer


def lines(**headers: str) -> str:
    return "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in (SIGNED | headers).items())


@pytest.fixture
def contact_id(emulator: Emulator, client: Any, task: dict[str, Any]) -> str:
    """A contact that nobody else may read."""
    return str(client.create_contact(**task)["ContactId"])


def paths(emulator: Emulator, contact_id: str) -> Iterator[str]:
    yield f"/contacts/{emulator.instance_id}/{contact_id}"
    yield f"/instance/{emulator.instance_id}"
    yield from ("/", "/desk", "/desk/static/desk.js", f"/contact-trace-records/details/{contact_id}")


@pytest.mark.parametrize("host", FOREIGN_NAMES)
def test_name_of_another_machine_is_refused(emulator: Emulator, contact_id: str, host: str) -> None:
    """A website that gives its own name this machine's address reads nothing, of the API or of the desk."""
    before = len(emulator.calls())
    for path in paths(emulator, contact_id):
        reply = send(emulator, "GET", path, headers=SIGNED | {"Host": host})
        assert (reply.status, reply.error) == (403, "AccessDeniedException")
        assert "--allowed-hosts" in reply.json["Message"]
        assert contact_id.encode() not in reply.body
    assert len(emulator.calls()) == before


@pytest.mark.parametrize("host", OWN_NAMES)
def test_names_of_this_machine_are_taken(emulator: Emulator, contact_id: str, host: str) -> None:
    """Every name of the local machine will do, as a forwarded port has it."""
    for path in paths(emulator, contact_id):
        assert send(emulator, "GET", path, headers=SIGNED | {"Host": host}).status in (200, 303, 307)


@pytest.mark.parametrize("hosts", [[], ["localhost", "evil.example"], ["evil.example", "localhost"]])
def test_request_names_one_host(emulator: Emulator, contact_id: str, hosts: list[str]) -> None:
    """A request without a Host header, or with two, is refused."""
    given = "".join(f"Host: {host}\n" for host in hosts)
    for version in ("1.0", "1.1"):
        answer = talk(emulator, f"GET /contacts/{emulator.instance_id}/{contact_id} HTTP/{version}\n{given}{lines()}\n")
        assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 "))


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://127.0.0.1:4599", "127.0.0.1:4599", b"200"),
        ("http://localhost", "127.0.0.1", b"200"),
        ("http://evil.example", "127.0.0.1", b"403"),
        ("http://evil.example@127.0.0.1", "127.0.0.1", b"200"),
        ("http://127.0.0.1@evil.example", "127.0.0.1", b"403"),
        ("http://127.0.0.1", "evil.example", b"403"),
    ],
)
def test_absolute_request_target(emulator: Emulator, contact_id: str, target: str, host: str, status: bytes) -> None:
    """The host of an absolute request target, as proxies send it, counts as the Host header does."""
    path = f"{target}/contacts/{emulator.instance_id}/{contact_id}"
    assert talk(emulator, f"GET {path} HTTP/1.1\nHost: {host}\n{lines()}\n").split()[1] == status


def test_allowed_hosts(task: dict[str, Any]) -> None:
    """Names that are given are taken as well, and links begin with the name that the client used."""
    with Emulator(allowed_hosts=["host.docker.internal", "Connect.Test."]) as emulator:
        for host in ("host.docker.internal:4599", "CONNECT.test", "connect.test.:80"):
            reply = send(emulator, "GET", f"/instance/{emulator.instance_id}", headers=SIGNED | {"Host": host})
            assert reply.json["Instance"]["InstanceAccessUrl"] == f"http://{host}"
        for host in ("other.docker.internal", "internal", "a.connect.test"):
            assert send(emulator, "GET", "/desk", headers={"Host": host}).status == 403
        assert connect(emulator).create_contact(**task)["ContactId"]


@pytest.mark.parametrize("name", ["http://a", "a:80", "*", "*.a", "a b", "", ".a"])
def test_allowed_hosts_are_names(name: str) -> None:
    """What cannot be a Host's name would allow nothing, and is refused at once."""
    with pytest.raises(ValueError, match="allowed_hosts"):
        Emulator(allowed_hosts=[name])


def test_server_for_other_machines() -> None:
    """Who listens on all addresses is asked by any name, from this machine by its own names and that address alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing: it only chooses this machine's address
        address = probe.getsockname()[0]
    with Emulator(host="0.0.0.0") as emulator:
        port = urlsplit(emulator.url).port
        path = f"/instance/{emulator.instance_id}"

        def status(connect_to: str, host: str) -> bytes:
            with socket.create_connection((connect_to, port), timeout=10) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\nHost: {host}\n{lines()}\n".replace("\n", "\r\n").encode())
                return connection.recv(65536).split()[1]

        assert status(address, "connect:4599") == status(address, "connect_1.internal") == b"200"
        assert status(address, "a/b") == b"403"
        assert status("127.0.0.1", f"0.0.0.0:{port}") == status("127.0.0.1", "localhost") == b"200"
        assert status("127.0.0.1", "evil.example") == b"403"


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6 here")
def test_ipv6(task: dict[str, Any]) -> None:
    """An emulator on ::1 knows its own address, and no foreign name."""
    with Emulator(host="::1") as emulator:
        assert connect(emulator).create_contact(**task)["ContactId"]
        assert send(emulator, "GET", "/desk", headers={"Host": "evil.example"}).status == 403


# --- size ---


def test_body_over_the_limit_is_refused(emulator: Emulator, task: dict[str, Any]) -> None:
    """A body of more than a mebibyte is refused; one of a mebibyte is read."""
    body = json.dumps(task | {"Description": ""}).encode()
    largest = body + b" " * (MEBIBYTE - len(body))
    assert send(emulator, "PUT", "/contact/create-contact", largest).status == 200
    reply = send(emulator, "PUT", "/contact/create-contact", largest + b" ")
    assert (reply.status, reply.error) == (413, "RequestEntityTooLargeException")
    assert reply.json["Message"] == "the body has more than 1048576 bytes"
    assert len(emulator.contacts()) == 1


@pytest.mark.parametrize("path", ["/contact/create-contact", "/desk/example", "/nothing"])
def test_announced_length_is_believed_at_once(emulator: Emulator, path: str) -> None:
    """A client that announces a longer body is refused before it is read."""
    request = f"PUT {path} HTTP/1.1\nHost: localhost\n{lines(Content_Length=str(10**12))}\n"
    assert talk(emulator, request).startswith(b"HTTP/1.1 413 ")


def test_no_length_is_given(emulator: Emulator) -> None:
    """A body in chunks is refused as soon as it is too large, while the client still sends."""
    request = f"PUT /contact/create-contact HTTP/1.1\nHost: localhost\n{lines(Transfer_Encoding='chunked')}\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert talk(emulator, request, *[chunk] * 17).startswith(b"HTTP/1.1 413 ")


def test_announced_length_is_smaller(emulator: Emulator, client: Any, task: dict[str, Any]) -> None:
    """What comes after the announced length is not a part of the body, and not a request."""
    body = json.dumps(task).encode()
    request = f"PUT /contact/create-contact HTTP/1.1\nHost: localhost\n{lines(Content_Length=str(len(body)))}\n"
    answer = talk(emulator, request, body + b"x" * 100, times=2)
    assert answer.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 400 " in answer
    assert len(emulator.contacts()) <= 1
    assert client.create_contact(**task)["ContactId"]


def test_client_that_goes_away_does_nothing(emulator: Emulator, client: Any, task: dict[str, Any]) -> None:
    """A request whose body breaks off is not carried out, whatever of it came."""
    body = json.dumps(task).encode()
    request = f"PUT /contact/create-contact HTTP/1.1\nHost: localhost\n{lines(Content_Length=str(len(body) + 1))}\n"
    address = urlsplit(emulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode() + body)
    client.describe_instance(InstanceId=emulator.instance_id)
    assert emulator.contacts() == []
    assert emulator.calls("CreateContact") == []
