"""Two ways to talk to the emulator: boto3, and bytes."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.emulator.server import Emulator

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/us-east-1/connect/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0123456789abcdef"
)


class Reply(NamedTuple):
    """An HTTP answer as it came."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str | None:
        return self.headers["x-amzn-ErrorType"]


def connect(emulator: Emulator, **config: Any) -> Any:
    """A boto3 client that tries once."""
    return boto3.client(
        "connect",
        endpoint_url=emulator.url,
        region_name=emulator.region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(**({"retries": {"total_max_attempts": 1}} | config)),
    )


def send(
    emulator: Emulator,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Send a request that only looks signed, and read the answer as bytes."""
    address = urlsplit(emulator.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=10)
    signed = {"Authorization": AUTHORIZATION, "X-Amz-Date": "20261124T120000Z"}
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, content, signed if headers is None else headers)
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


@pytest.fixture
def client(emulator: Emulator) -> Any:
    return connect(emulator)


@pytest.fixture
def task(emulator: Emulator) -> dict[str, Any]:
    """The least that CreateContact needs."""
    return {"InstanceId": emulator.instance_id, "Channel": "TASK", "InitiationMethod": "API"}


@pytest.fixture
def create(emulator: Emulator, task: dict[str, Any]) -> Callable[..., Reply]:
    """CreateContact as bytes, with more members."""
    return lambda **members: send(emulator, "PUT", "/contact/create-contact", task | members)


@pytest.fixture
def start(emulator: Emulator) -> Callable[..., Reply]:
    """StartTaskContact as bytes, with more members."""
    least = {"InstanceId": emulator.instance_id, "Name": "Check an order"}
    return lambda **members: send(emulator, "PUT", "/contact/task", least | members)
