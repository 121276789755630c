"""The form of ``example_bulk_form`` in a real Chromium, in the UI of every version of Airflow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.chromium import DESKTOP
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

    from airflow_connect.emulator.server import Emulator
    from tools.local_airflow import LocalAirflow

DAG_ID: Final = "example_bulk_form"
#: How Airflow 3 calls the section of what stands outside of sections.
OUTSIDE: Final = "Run Parameters"
SECTIONS: Final = ("1 Rows to paste", "2 Or a file", "3 Tasks")
ROWS: Final = (
    "customer,name,phone,note\n"
    "C-004711,Ines Albrecht,+4917055501101,Asks for an invoice of last year\n"
    "C-004712,Tomás Figueiredo,+35191555011,\n"
)
#: What is in the fields that people type into.
TYPED: Final = {"campaign": "winter-2026", "rows": ROWS, "file": "", "expires_after_hours": "72"}


class Form:
    """The form that *Trigger* shows: a page of its own on Airflow 2, a dialog on Airflow 3."""

    def __init__(self, page: Page, airflow: LocalAirflow) -> None:
        self.page = page
        self._airflow = airflow
        self.root: Locator = page.locator("#trigger_form") if airflow.is_airflow_2 else page.get_by_role("dialog")

    def open(self) -> None:
        """Open it as it is at first."""
        if self._airflow.is_airflow_2:
            self.page.goto(f"{self._airflow.url}/dags/{DAG_ID}/trigger")
        else:
            self.page.goto(f"{self._airflow.url}/dags/{DAG_ID}")
            self._button().click()
        self.field("campaign").wait_for()

    def open_again(self, run_id: str) -> None:
        """Open it with the values of a run, as the version of Airflow offers it."""
        if self._airflow.is_airflow_2:
            self.open()
            self.page.get_by_label("Select Recent Configurations").select_option(label=self._recent(run_id))
        elif self._airflow.release < (3, 2):
            self.open()
            self.root.get_by_role("button", name="Advanced Options").click()
            self.root.locator(".cm-content").focus()
            self.page.keyboard.press("Control+A")
            self.page.keyboard.insert_text(json.dumps(self.conf(run_id)))
            # The fields take it when the editor is left.
            self.root.get_by_role("heading").first.click()
        else:
            self.page.goto(f"{self._airflow.url}/dags/{DAG_ID}/runs/{run_id}")
            self._button().click()
            self.page.get_by_role("menuitem", name="Trigger again with this config").click()
            self.field("campaign").wait_for()

    def field(self, name: str) -> Locator:
        """Return a field."""
        return self.root.locator(f"[name=element_{name}]")

    def fill(self, name: str, value: str, *, section: str = OUTSIDE) -> None:
        """Fill in a field."""
        self._open_section(section, name)
        self.field(name).fill(value)

    def switch_off(self, name: str, *, section: str = OUTSIDE) -> None:
        """Switch a switch off, with the keyboard."""
        self._open_section(section, name)
        self.field(name).focus()
        self.page.keyboard.press("Space")
        assert not self.field(name).is_checked()

    def values(self) -> dict[str, str]:
        """Return what the fields hold, also those of closed sections."""
        return {name: self.field(name).input_value() for name in TYPED}

    def press(self) -> None:
        """Press *Trigger*."""
        self.root.get_by_role("button", name="Trigger", exact=True).click()

    def trigger(self) -> str:
        """Press *Trigger*, and return the ID of the run that begins."""
        before = self.runs()
        self.press()
        [run_id] = until(lambda: self.runs() - before)
        return run_id

    def runs(self) -> set[str]:
        """Return the IDs of all runs."""
        return {run["dag_run_id"] for run in self._airflow.api("GET", f"/dags/{DAG_ID}/dagRuns")["dag_runs"]}

    def conf(self, run_id: str) -> dict[str, object]:
        """Return the configuration of a run."""
        conf: dict[str, object] = self._airflow.api("GET", f"/dags/{DAG_ID}/dagRuns/{run_id}")["conf"]
        return conf

    def _button(self) -> Locator:
        button = self.page.get_by_test_id("trigger-dag-button")
        return button.or_(self.page.get_by_role("button", name="Trigger Dag")).first

    def _open_section(self, title: str, name: str) -> None:
        if not self.field(name).is_visible():
            self.root.get_by_text(title, exact=True).click()
            self.field(name).wait_for()

    def _recent(self, run_id: str) -> str:
        options = self.page.locator("#recent_configs option").all_inner_texts()
        return next(option for option in options if option.startswith(run_id))


@pytest.fixture
def form(browser: Browser, local_airflow: LocalAirflow) -> Iterator[Form]:
    """The form, not yet opened, of a Dag that nobody has run before."""
    until(lambda: DAG_ID in {dag["dag_id"] for dag in local_airflow.api("GET", "/dags?limit=1000")["dags"]})
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(60_000)
    page = context.new_page()
    if not local_airflow.is_airflow_2:
        # Whoever comes without a login is led to the first page.
        page.goto(f"{local_airflow.url}/")
        page.get_by_role("link", name="Dags").first.wait_for()
    yield Form(page, local_airflow)
    context.close()


def test_a_person_checks_a_list_and_then_has_a_task_created_for_each_row(
    form: Form, local_airflow: LocalAirflow, emulator: Emulator
) -> None:
    """The form names what is wrong, keeps what was typed, and gives the same values for the real run."""
    form.open()
    assert form.field("dry_run").is_checked()
    assert [title for title in SECTIONS if not form.root.get_by_text(title, exact=True).is_visible()] == []
    assert form.root.get_by_text("In one campaign each customer gets one task").is_visible()

    form.fill("campaign", "Winter 2026")
    form.fill("rows", ROWS, section=SECTIONS[0])
    form.press()
    form.page.get_by_text("Invalid input for param campaign: 'Winter 2026' does not match").wait_for()
    assert form.values() == TYPED | {"campaign": "Winter 2026"}
    assert form.runs() == set()

    form.fill("campaign", TYPED["campaign"])
    dry_run = form.trigger()
    assert local_airflow.wait(DAG_ID, dry_run) == "success"
    assert emulator.contacts() == []

    form.open_again(dry_run)
    until(lambda: form.values() == TYPED)
    form.switch_off("dry_run")
    real_run = form.trigger()
    assert form.conf(real_run) == form.conf(dry_run) | {"dry_run": False}
    assert local_airflow.wait(DAG_ID, real_run) == "success"
    assert sorted(contact["name"] for contact in emulator.contacts()) == [
        "Callback: Ines Albrecht",
        "Callback: Tomás Figueiredo",
    ]
