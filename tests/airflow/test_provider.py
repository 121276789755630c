"""What Airflow's own commands say of the provider."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import airflow_connect
from airflow_connect.provider_info import get_provider_info

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
