"""What Airflow's own commands say of the provider."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow_connect
from airflow_connect.provider_info import get_provider_info
from tests.conftest import aws_connection_json

if TYPE_CHECKING:
    from airflow_connect.emulator.server import Emulator

PACKAGE = "airflow-provider-amazon-connect"


def _airflow(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments, "--output", "json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    # Airflow logs to standard output as well, before the answer.
    return json.loads(done.stdout.splitlines()[-1])


def test_provider_is_listed() -> None:
    """``airflow providers list`` shows the package with its version."""
    listed = {row["package_name"]: row for row in _airflow("providers", "list")}

    assert listed[PACKAGE]["version"] == airflow_connect.__version__
    assert "Amazon Connect" in listed[PACKAGE]["description"]


def test_provider_is_shown_in_full() -> None:
    """``airflow providers get --full`` shows hook, operators, sensor, trigger, task decorator, notifier and links."""
    (shown,) = _airflow("providers", "get", PACKAGE, "--full")

    assert shown["package-name"] == PACKAGE
    for part in ("hooks", "operators", "sensors", "triggers", "task-decorators", "notifications", "extra-links"):
        assert str(shown[part]) == str(get_provider_info()[part])


def test_command_of_the_page_finds_a_stored_connection(airflow_db: None, emulator: Emulator) -> None:
    """The command that tests a connection reads Airflow's database, and says when there is no such connection."""
    page = (Path(__file__).parents[2] / "docs" / "connection.md").read_text()
    (command,) = re.findall(r"^python -c '(.+)'$", page, re.MULTILINE)

    def tested(conn_id: str) -> tuple[bool, str]:
        code = command.replace("ConnectHook()", f"ConnectHook({conn_id!r})")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        reached, message = ast.literal_eval(done.stdout.splitlines()[-1])
        return reached, message

    stored = ["aws_stored", "--conn-json", aws_connection_json(emulator)]
    subprocess.run([sys.executable, "-m", "airflow", "connections", "add", *stored], check=True, capture_output=True)
    reached, message = tested("aws_stored")
    assert (reached, emulator.instance_id in message) == (True, True)
    reached, message = tested("aws_missing")
    assert not reached
    assert "his process does not find the connection 'aws_missing'" in message
