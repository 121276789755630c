"""The command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "airflow_connect.emulator"]


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start the program, and read what it prints first."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("export ")):
            line = process.stdout.readline()
            assert line, process.communicate()
            lines.append(line)
        return process, "".join(lines)

    yield start
    for process in running:
        process.kill()
        process.communicate()


def refused(*arguments: str) -> str:
    """What the program says on stderr when it does not start."""
    run = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stdout) == (2, "")
    return run.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_prints_a_connection_that_works_and_stops_cleanly(serve: Any, number: int) -> None:
    """The printed connection leads to the printed address, and a signal ends the program with code 0."""
    process, greeting = serve("--port", "0", "--instance-alias", "demo", "--region", "eu-central-1")
    value = subprocess.check_output(
        ["sh", "-c", greeting.splitlines()[-1] + '; printf %s "$AIRFLOW_CONN_AWS_DEFAULT"'], text=True
    )
    connection = json.loads(value)
    extra = connection["extra"]
    assert connection["conn_type"] == "aws"
    assert f"{extra['endpoint_url']}/desk" in greeting
    client = boto3.client(
        "connect",
        endpoint_url=extra["endpoint_url"],
        region_name=extra["region_name"],
        aws_access_key_id=connection["login"],
        aws_secret_access_key=connection["password"],
    )
    instance_id = extra["service_config"]["connect"]["instance_id"]
    instance = client.describe_instance(InstanceId=instance_id)["Instance"]
    assert (instance["InstanceAlias"], instance["Arn"].split(":")[3]) == ("demo", "eu-central-1")
    process.send_signal(number)
    assert process.wait(10) == 0
    assert process.stderr.read() == ""


def test_default_quota_is_amazons(serve: Any) -> None:
    """Without a --rate five calls at once are served, and the sixth is throttled."""
    _, greeting = serve("--port", "0")
    url = re.search(r"http://[\d.:]+", greeting)
    assert url is not None
    client = boto3.client(
        "connect",
        endpoint_url=url[0],
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=boto3.session.Config(retries={"total_max_attempts": 1}),
    )
    instance_id = re.search(r"b1000000[\w-]+", greeting)
    assert instance_id is not None
    for _ in range(5):
        client.describe_instance(InstanceId=instance_id[0])
    with pytest.raises(client.exceptions.ClientError, match="ThrottlingException"):
        client.describe_instance(InstanceId=instance_id[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--faults", "thrtle=0.1"], "unknown kind 'thrtle'"),
        (["--burst", "0"], "burst: must be at least 1"),
        (["--rate", "-1"], "rate: must be more than 0"),
        (["--deny", "Nonsense"], "deny: unknown operation 'Nonsense'"),
        (["--port", "99999"], "Cannot listen on 127.0.0.1 port 99999"),
        (["--host", "192.0.2.1"], "Cannot listen on 192.0.2.1"),
    ],
)
def test_bad_argument_is_one_line(arguments: list[str], words: str) -> None:
    """What is wrong is one line on stderr, with exit code 2."""
    message = refused("--port", "0", *arguments)
    assert words in message
    assert len(message.splitlines()) == 1


def test_taken_port_is_one_line(serve: Any) -> None:
    """A taken port is named."""
    _, greeting = serve("--port", "0")
    port = re.search(r"http://[\d.]+:(\d+)", greeting)
    assert port is not None
    assert refused("--port", port[1]) == f"error: Cannot listen on 127.0.0.1 port {port[1]}: Address already in use.\n"


def test_corrupt_data_file_is_one_line_and_stays_as_it_is(tmp_path: Path) -> None:
    """A file that is no data file is named and not touched."""
    data = tmp_path / "rows.csv"
    data.write_text("order,city\n")
    message = refused("--port", "0", "--data", str(data))
    assert message == f"error: {data}: is not a data file of the local Amazon Connect.\n"
    assert data.read_text() == "order,city\n"
    assert os.listdir(tmp_path) == ["rows.csv"]  # noqa: PTH208 -- names only


def test_missing_server_names_the_extra(tmp_path: Path) -> None:
    """Without Starlette the program says which extra to install."""
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError('none', name='starlette')")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.pathsep.join(sys.path)}"}
    run = subprocess.run(COMMAND, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert run.returncode == 2
    assert "airflow-provider-amazon-connect[emulator]" in run.stderr
    assert len(run.stderr.splitlines()) == 1
