"""
A local S3 (moto's) in a process of its own, which can be slow, fail, and show late what was written.

    python -m tests.cluster.store ADDRESS PORT

``PUT /_faults`` with JSON sets what goes wrong from then on: ``delay`` (seconds of each answer), ``errors`` (the share
of calls that get 503), ``late`` (seconds for which nobody sees what was written).
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
CONTENTS = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
SIZE = re.compile(rb"<Size>\d+</Size>")


class Faulty:
    """
    An application behind faults.

    :param app: a WSGI application that is an S3
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._faults: dict[str, float] = {}
        self._lock = threading.Lock()
        #: What was written under each path since somebody is to see it late, and when.
        self._written: dict[str, list[tuple[float, bytes | None]]] = {}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == "/_faults":
            self._faults = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            start_response("200 OK", [("Content-Length", "0")])
            return []
        time.sleep(self._faults.get("delay", 0))
        if random.random() < self._faults.get("errors", 0):
            return self._answer(start_response, "503 Slow Down", SLOW_DOWN)
        late = self._faults.get("late", 0)
        if late and method == "PUT":
            self._remember(path, environ)
        if late and method in ("GET", "HEAD"):
            if path.count("/") > 1:
                shown, content = self._version(path, late)
                if shown:
                    return self._old(environ, start_response, content)
            elif "list-type" in environ["QUERY_STRING"]:
                return self._listed(path, environ, start_response, late)
        return self._app(environ, start_response)

    def _answer(self, start_response: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    def _remember(self, path: str, environ: dict[str, Any]) -> None:
        """Keep what is there before it is overwritten."""
        status: list[str] = []
        found = self._app(
            environ | {"REQUEST_METHOD": "GET", "QUERY_STRING": "", "CONTENT_LENGTH": "0"},
            lambda line, _headers, _info=None: status.append(line),
        )
        before = b"".join(found) if status and status[0].startswith("200") else None
        with self._lock:
            self._written.setdefault(path, []).append((time.monotonic(), before))

    def _version(self, path: str, late: float) -> tuple[bool, bytes | None]:
        """Return whether an old version is to be shown, and what it holds: ``None`` if it did not exist."""
        with self._lock:
            for at, before in self._written.get(path, []):
                if time.monotonic() - at < late:
                    return True, before
        return False, None

    def _old(
        self, environ: dict[str, Any], start_response: Callable[..., Any], content: bytes | None
    ) -> Iterable[bytes]:
        if content is None:
            return self._answer(start_response, "404 Not Found", NO_SUCH_KEY)
        status, wanted = "200 OK", re.fullmatch(r"bytes=(-?\d+)-?(\d*)", environ.get("HTTP_RANGE", ""))
        if wanted:
            first = int(wanted[1])
            content = content[first:] if not wanted[2] else content[first : int(wanted[2]) + 1]
            status = "206 Partial Content"
        start_response(status, [("Content-Length", str(len(content))), ("ETag", '"old"')])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    def _listed(
        self, bucket: str, environ: dict[str, Any], start_response: Callable[..., Any], late: float
    ) -> Iterable[bytes]:
        """Return a list without what nobody is to see yet, and with the sizes of what they see."""

        def old(match: re.Match[bytes]) -> bytes:
            key = KEY.search(match[0])
            assert key is not None
            shown, content = self._version(f"{bucket.rstrip('/')}/{key[1].decode()}", late)
            if not shown:
                return match[0]
            return b"" if content is None else SIZE.sub(b"<Size>%d</Size>" % len(content), match[0])

        answered: list[Any] = []
        found = self._app(environ, lambda *arguments: answered.append(arguments))
        body = CONTENTS.sub(old, b"".join(found))
        headers = [(name, value) for name, value in answered[0][1] if name.lower() != "content-length"]
        start_response(answered[0][0], [*headers, ("Content-Length", str(len(body)))])
        return [body]


class Store:
    """
    The local S3, within a ``with`` block.

    :param host: the address at which it listens
    """

    def __init__(self, host: str, port: int) -> None:
        self.url = f"http://{host}:{port}"
        self._command = [sys.executable, "-m", "tests.cluster.store", host, str(port)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        until(self._is_up)
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:  # whose standard input it reads to its end
            self._process.kill()

    def fail(self, **faults: float) -> None:
        """Let something go wrong from now on: ``delay``, ``errors``, ``late``; without any, nothing does."""
        request = urllib.request.Request(f"{self.url}/_faults", json.dumps(faults).encode(), method="PUT")
        urllib.request.urlopen(request).close()

    def _is_up(self) -> bool:
        try:
            self.fail()
        except OSError:
            return False
        return True


def main(host: str, port: str) -> None:
    """Serve until the caller is gone."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    app = DomainDispatcherApplication(create_backend_app)
    server = make_server(host, int(port), Faulty(app), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
