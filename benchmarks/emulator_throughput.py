"""
The local Amazon Connect: how many calls per second it serves on one core.

Measured in one run, each server alone on one core and the same load generator on another, over keep-alive
connections: our CreateContact (in memory, and with a data file), moto's Connect backend, and a Starlette route that
does nothing. Moto has no contacts, so its DescribeInstance stands for it, and ours is beside it.

Run ``python benchmarks/emulator_throughput.py``; moto's rows need ``pip install 'moto[connect,server]'``, and are
left out without it. Moto's server closes the connection after each answer; opening a new one is part of its figure.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/us-east-1/connect/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)
INSTANCE = "b1000000-0000-4000-8000-000000000001"
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
async def answer(request):
    await request.body()
    return JSONResponse({"ContactId": "none"})
uvicorn.run(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "PUT"])]), port=int(sys.argv[1]),
            log_level="critical", access_log=False)
"""


class Subject(NamedTuple):
    """A server, and the call that is measured on it."""

    name: str
    command: list[str]
    method: str
    path: str
    creates: bool = False


def request(subject: Subject, path: str) -> bytes:
    """One request's bytes; a create has a name, attributes, a reference and a token of its own."""
    body = b""
    if subject.creates:
        number = uuid.uuid4().hex
        contact = {
            "InstanceId": INSTANCE,
            "ClientToken": number,
            "Channel": "TASK",
            "InitiationMethod": "API",
            "Name": f"Check order {number}",
            "Description": "The address on the order is not the one on the invoice.",
            "Attributes": {"order": number, "city": "Berlin", "priority": "2"},
            "References": {"Order": {"Type": "URL", "Value": f"https://shop.example.com/orders/{number}"}},
        }
        body = json.dumps(contact).encode()
    head = (
        f"{subject.method} {path} HTTP/1.1\r\nHost: connect.us-east-1.amazonaws.com\r\n"
        f"Authorization: {AUTHORIZATION}\r\nX-Amz-Date: 20261124T120000Z\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> bytes:
    """Send one request on an open connection and read its answer's body."""
    writer.write(content)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    if b"connection: close" in head:
        reader.feed_eof()
    if not head.startswith(b"http/1.1 200"):
        raise SystemExit(f"unexpected answer: {head[:60]!r} {body[:200]!r}")
    return body


async def worker(subject: Subject, path: str, port: int, until: float) -> list[float]:
    """Call one after the other on one connection until a time; returns how long each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    while (start := time.perf_counter()) < until:
        if reader.at_eof():
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await call(reader, writer, request(subject, path))
        taken.append(time.perf_counter() - start)
    writer.close()
    return taken


async def measure(subject: Subject, path: str, port: int, seconds: float, connections: int) -> tuple[float, float]:
    """Calls per second, and the median milliseconds of a call."""
    start = time.perf_counter()
    taken = await asyncio.gather(*(worker(subject, path, port, start + seconds) for _ in range(connections)))
    every = [one for connection in taken for one in connection]
    return len(every) / (time.perf_counter() - start), statistics.median(every) * 1000


def generate(subject: Subject, port: int, seconds: float, connections: int) -> tuple[float, float]:
    """The load generator's process."""
    pin(1)
    path = subject.path
    if subject.name.startswith("moto"):
        path += create_instance_at_moto(port)
    asyncio.run(measure(subject, path, port, min(1.0, seconds), connections))
    return asyncio.run(measure(subject, path, port, seconds, connections))


def create_instance_at_moto(port: int) -> str:
    """Moto begins without instances."""
    body = b'{"IdentityManagementType": "CONNECT_MANAGED", "InboundCallsEnabled": true, "OutboundCallsEnabled": true}'
    head = (
        "PUT /instance HTTP/1.1\r\nHost: connect.us-east-1.amazonaws.com\r\n"
        f"Authorization: {AUTHORIZATION}\r\nX-Amz-Date: 20261124T120000Z\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    async def create() -> str:
        connection = await asyncio.open_connection("127.0.0.1", port)
        answer = json.loads(await call(*connection, head.encode() + body))
        connection[1].close()
        return str(answer["Id"])

    return asyncio.run(create())


def pin(core: int, process: int = 0) -> None:
    """Keep a process, or this one, on one core, where the machine can and has more than one."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(process, {core})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}")


def run(subject: Subject, seconds: float, connections: int) -> tuple[float, float]:
    """Start a server on one core, load it from another, stop it."""
    port = free_port()
    command = [part.replace("PORT", str(port)) for part in subject.command]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pin(0, server.pid)
    try:
        wait_for(port)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(generate, (subject, port, seconds, connections))
    finally:
        server.terminate()
        server.wait(30)


def subjects(folder: str) -> list[Subject]:
    ours = [sys.executable, "-m", "airflow_connect.emulator", "--port", "PORT", "--rate", "none"]
    create = ("PUT", "/contact/create-contact", True)
    found = [
        Subject("Starlette route that does nothing", [sys.executable, "-c", BARE, "PORT"], *create),
        Subject("ours: CreateContact, in memory", ours, *create),
        Subject("ours: CreateContact, data file", [*ours, "--data", str(Path(folder) / "connect.db")], *create),
        Subject("ours: DescribeInstance", ours, "GET", f"/instance/{INSTANCE}"),
    ]
    if importlib.util.find_spec("moto"):
        moto = [sys.executable, "-m", "moto.server", "-p", "PORT"]
        found.append(Subject("moto: DescribeInstance", moto, "GET", "/instance/"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="of load on each server")
    parser.add_argument("--connections", type=int, default=8, help="keep-alive connections")
    options = parser.parse_args()
    parts = "httptools" if importlib.util.find_spec("httptools") else "h11"
    print(f"One core each, {options.connections} connections, {options.seconds:g} s, uvicorn with {parts}\n")
    print(f"{'server':36} {'calls/s':>9} {'median ms':>10} {'÷ bare':>8}")
    bare = None
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects(folder):
            rate, median = run(subject, options.seconds, options.connections)
            bare = bare or rate
            print(f"{subject.name:36} {rate:9,.0f} {median:10.2f} {rate / bare:8.2f}", flush=True)
    if not importlib.util.find_spec("moto"):
        print("\nmoto is not installed: pip install 'moto[connect,server]'")


if __name__ == "__main__":
    main()
