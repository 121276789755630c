"""Run the local Amazon Connect from the command line: ``python -m airflow_connect.emulator``."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_connect.emulator.server import Emulator

DEFAULT_PORT = 4599
_EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Serve until SIGINT or SIGTERM.

    :param arguments: of the command line; None takes the process's own.
    :return: the exit code: 0 when stopped, 2 when it could not start.
    """
    try:
        from airflow_connect.emulator import server
        from airflow_connect.emulator.store import DataFileError
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        return _fail(
            f"The local Amazon Connect needs {error.name}; "
            "install the extra: pip install 'airflow-provider-amazon-connect[emulator]'"
        )
    options = _parser().parse_args(arguments)
    try:
        emulator = server.Emulator(
            host=options.host,
            port=options.port,
            rate=options.rate or None,
            burst=options.burst,
            latency_ms=options.latency_ms,
            faults=options.faults,
            seed=options.seed,
            data=options.data,
            token_lifetime=options.token_lifetime,
            forgets_tokens=options.forgets_tokens,
            active_contacts=options.active_contacts,
            active_calls=options.active_calls,
            campaign_calls=options.campaign_calls,
            phones=options.phones,
            search_lag_seconds=options.search_lag_seconds,
            deny=options.deny,
            instance_id=options.instance_id,
            alias=options.instance_alias,
            region=options.region,
            allowed_hosts=options.allowed_hosts,
            event_queue_url=options.event_queue_url,
        )
    except (ValueError, DataFileError) as error:
        return _fail(str(error))
    except (OSError, OverflowError) as error:
        return _fail(
            f"Cannot listen on {options.host} port {options.port}: {getattr(error, 'strerror', None) or error}."
        )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with emulator:
        print(_greeting(emulator), flush=True)  # noqa: T201 -- the program's output
        stopped.wait()
    return 0


def _greeting(emulator: Emulator) -> str:
    connection = {
        "conn_type": "aws",
        "login": "local",
        "password": "local",
        "extra": {
            "region_name": emulator.region,
            "endpoint_url": emulator.url,
            "service_config": {"connect": {"instance_id": emulator.instance_id}},
        },
    }
    return (
        f"Local Amazon Connect: {emulator.url}\n"
        f"Instance:             {emulator.instance_id} ({emulator.instance_alias}, {emulator.region})\n"
        f"Agent desk:           {emulator.url}/desk\n"
        f"export AIRFLOW_CONN_AWS_DEFAULT='{json.dumps(connection)}'"
    )


def _parser() -> argparse.ArgumentParser:
    from airflow_connect.emulator.faults import FaultKind
    from airflow_connect.emulator.phones import PhoneKind
    from airflow_connect.emulator.resources import (
        DEFAULT_INSTANCE_ALIAS,
        DEFAULT_INSTANCE_ID,
        DEFAULT_REGION,
    )
    from airflow_connect.emulator.service import DEFAULT_TOKEN_LIFETIME, FORGETS_TOKENS
    from airflow_connect.emulator.throttle import DEFAULT_BURST, DEFAULT_RATE

    parser = argparse.ArgumentParser(
        prog="python -m airflow_connect.emulator",
        description="A local Amazon Connect for tests, demonstrations and development.",
        epilog=f"Kinds of faults: {', '.join(FaultKind)}. Example: --faults 'throttle=0.2,CreateContact@3:cut_after'. "
        f"Phones: {', '.join(PhoneKind)}. Example: --phones '+1206=answered(5),+12065550199=busy'.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=DEFAULT_PORT, help="port to listen on; 0 takes a free one")
    add(
        "--allowed-hosts",
        type=_names,
        default=(),
        metavar="NAMES",
        help="names besides this machine's own by which clients reach it, comma-separated",
    )
    add("--rate", type=_rate, default=DEFAULT_RATE, help="calls per second and operation; 0 or none is unlimited")
    add("--burst", type=int, default=DEFAULT_BURST, help="calls that an operation takes at once")
    add("--latency-ms", type=float, default=0, metavar="MS", help="milliseconds that every answer takes")
    add("--faults", default="", metavar="PLAN", help="what goes wrong, see below")
    add("--seed", type=int, default=0, help="of the faults")
    add("--data", default=None, metavar="FILE", help="keep contacts in this file instead of memory")
    add("--token-lifetime", type=float, default=DEFAULT_TOKEN_LIFETIME, metavar="SECONDS", help="of client tokens")
    add(
        "--forgets-tokens",
        type=_names,
        default=",".join(FORGETS_TOKENS),
        metavar="OPERATIONS",
        help="whose client token is forgotten when its contact ends, comma-separated",
    )
    add("--active-contacts", type=int, default=None, metavar="N", help="quota of contacts that have not ended")
    add("--active-calls", type=int, default=None, metavar="N", help="quota of outbound calls that have not ended")
    add("--campaign-calls", type=int, default=0, metavar="N", help="the same for TrafficType CAMPAIGN")
    add("--phones", default="", metavar="PLAN", help="who answers a call, see below")
    add("--search-lag-seconds", type=float, default=0, metavar="SECONDS", help="how far SearchContacts is behind")
    add("--deny", type=_names, default=(), metavar="OPERATIONS", help="answer AccessDeniedException, comma-separated")
    add(
        "--instance-id",
        default=None,
        metavar="ID",
        help=f"the data file's or {DEFAULT_INSTANCE_ID}",
    )
    add("--instance-alias", default=DEFAULT_INSTANCE_ALIAS, metavar="ALIAS", help="the instance's alias")
    add("--region", default=DEFAULT_REGION, help="AWS region of the instance")
    add("--event-queue-url", default=None, metavar="URL", help="queue of a local SQS that gets the contact events")
    return parser


def _rate(text: str) -> float:
    return 0.0 if text == "none" else float(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201 -- the program's output
    return _EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main())
