"""The approval example from end to end: Airflow asks, a person in Chromium decides, and the DAG goes on as decided."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from airflow_connect.testing import LocalConnect

DAGS = Path(__file__).parents[2] / "dags"


@pytest.mark.parametrize(
    ("decision", "said"), [("approve", "420 € are on their way"), ("refuse", "The customer gets the reason")]
)
def test_dag_goes_on_as_decided_at_the_desk(
    desk: Callable[..., Page], amazon_connect: LocalConnect, tmp_path: Path, decision: str, said: str
) -> None:
    """An agent accepts the contact, sees what is to be decided, chooses and completes; the branch runs."""
    log = tmp_path / "run.log"
    airflow = [sys.executable, "-m", "airflow"]
    with log.open("wb") as output:
        env = {**os.environ, "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS)}
        subprocess.run([*airflow, "db", "migrate"], check=True, stdout=output, stderr=output, env=env)
        # In a process of its own: the browser has the event loop of this one.
        command = [*airflow, "dags", "test", "example_approval"]
        running = subprocess.Popen(command, stdout=output, stderr=output, env=env)
    try:
        page = desk()
        row = page.locator("#list li").get_by_text("Refund 420 € for order 1042?")
        expect(row).to_be_visible(timeout=120_000)
        row.click()
        page.get_by_role("button", name="Accept").click()
        expect(page.get_by_text("approve or refuse")).to_be_visible()
        page.get_by_role("group", name="decision").get_by_label(decision).check()
        page.get_by_role("button", name="Complete").click()
        expect(page.get_by_text("The contact is completed.")).to_be_visible()
        assert running.wait(timeout=90) == 0, log.read_text(errors="replace")[-2000:]
    finally:
        running.kill()
    text = log.read_text(errors="replace")
    assert said in text
    assert [contact["attributes"]["decision"] for contact in amazon_connect.contacts()] == [decision]
    others = {"420 € are on their way", "The customer gets the reason", "Expired, or no clear answer"} - {said}
    assert not [other for other in others if other in text]
