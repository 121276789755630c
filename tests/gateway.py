"""What stands before Amazon Connect or in its place, over TLS too, and may answer what no service would."""

from __future__ import annotations

import datetime
import re
import socket
import socketserver
import threading
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path


class Gateway(socketserver.ThreadingTCPServer):
    """
    Something that stands where Amazon Connect should: it reads each request and answers as the test says.

    :param answers: gets the socket and the number of the request, from 0
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, answers: Callable[[socket.socket, int], None], context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.answers = answers
        self.context = context
        self.requests = 0
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        scheme = "https" if self.context else "http"
        return f"{scheme}://localhost:{self.server_address[1]}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        plain: socket.socket = request
        try:
            connection = self.context.wrap_socket(plain, server_side=True) if self.context else plain
            # The whole request: a socket that is closed before takes the answer with it.
            with connection.makefile("rb") as stream:
                head = b""
                while (line := stream.readline()) not in {b"\r\n", b""}:
                    head += line
                length = re.search(rb"^content-length: (\d+)", head, re.MULTILINE | re.IGNORECASE)
                body = stream.read(int(length[1]) if length else 0)
            number, self.requests = self.requests, self.requests + 1
            self.answer(connection, number, head + b"\r\n" + body)
            connection.close()
        except OSError:
            pass  # the client does not trust us, or has gone

    def answer(self, connection: socket.socket, number: int, request: bytes) -> None:
        self.answers(connection, number)


class Forwarding(Gateway):
    """
    Hands each request on to a service and its answer back, but breaks off after some.

    :param url: of the service
    :param breaks_at: the requests whose answer is lost, by their number from 0: the service got them
    """

    def __init__(self, url: str, context: ssl.SSLContext, breaks_at: set[int]) -> None:
        super().__init__(break_tls, context)
        self.behind = urlsplit(url)
        self.breaks_at = breaks_at

    def answer(self, connection: socket.socket, number: int, request: bytes) -> None:
        with socket.create_connection((self.behind.hostname or "", self.behind.port or 0)) as service:
            service.sendall(request)
            response = HTTPResponse(service)
            response.begin()
            body = response.read()
        if number in self.breaks_at:
            self.answers(connection, number)
            return
        head = [f"HTTP/1.1 {response.status} {response.reason}", f"Content-Length: {len(body)}", "Connection: close"]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)


def break_tls(connection: socket.socket, _: int) -> None:
    """Answer without TLS, as a middlebox that lost its state: the client finds a wrong record."""
    with socket.socket(fileno=connection.detach()) as plain:
        plain.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")


def certificate_of_localhost(file: Path) -> Path:
    """Write a certificate of localhost that nobody trusts, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file
