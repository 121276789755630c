"""What Airflow loads of the plugin, in each of its processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_connect.plugins import contacts


@pytest.mark.parametrize(
    ("base_url", "prefix"),
    [
        ("", ""),
        ("/", ""),
        ("https://airflow.example.com", ""),
        ("https://airflow.example.com/", ""),
        ("https://example.com/team/airflow", "/team/airflow"),
        ("http://localhost:8080/team/airflow/", "/team/airflow"),
        ("/team/airflow", "/team/airflow"),
    ],
)
def test_the_bundle_is_below_airflows_address(base_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a proxy gives Airflow a path, the browser asks for the bundle below it, and on no other host."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
    path, _, version = contacts._bundle_url().partition("?")
    assert path == f"{prefix}/amazon-connect/static/contacts.js"
    assert version.startswith("v=")


def test_the_plugin_costs_little() -> None:
    """Airflow loads plugins in every process: the API and what it needs come with the first request."""
    program = (
        "import sys\n"
        "import airflow.plugins_manager, airflow.settings\n"
        "before = set(sys.modules)\n"
        "import airflow_connect.plugins.contacts\n"
        "heavy = ('airflow.providers.amazon.aws', 'airflow_connect.record', 'boto', 'fastapi', 'upath')\n"
        "if found := sorted(name for name in set(sys.modules) - before if name.startswith(heavy)):\n"
        "    sys.exit(str(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
