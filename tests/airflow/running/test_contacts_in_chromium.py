"""The Contacts tab in a real Chromium, in the UI of a running Airflow below a URL prefix."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from airflow_connect._compat import UI_HAS_TABS
from tests.chromium import DESKTOP, PHONE
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

    from airflow_connect.emulator.server import Emulator
    from tools.local_airflow import LocalAirflow

pytest_plugins = ("tests.sdks",)
pytestmark = pytest.mark.skipif(not UI_HAS_TABS, reason="Airflow before 3.1 shows no tabs of plugins")

DAG_ID: Final = "contacts_tab"
ROWS: Final = 100
#: What Airflow's UI itself says on the console.
ITS_OWN: Final = ("No `HydrateFallback` element", "Failed to load resource", "downloadable font", "React Router")
#: A policy that lets Airflow's own UI run: its scripts are files, its styles are not.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: https:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'self'"
)


@pytest.fixture(scope="module")
def context(browser: Browser, _running_airflow: LocalAirflow) -> Iterator[BrowserContext]:
    """A browser of somebody who has logged in."""
    context = browser.new_context(viewport=DESKTOP)
    context.set_default_timeout(60_000)
    context.add_init_script("localStorage.setItem('theme', 'light')")
    page = context.new_page()
    page.goto(f"{_running_airflow.url}/")
    page.get_by_text("Dags", exact=True).first.wait_for()
    page.close()
    yield context
    context.close()


@pytest.fixture
def page_of(context: BrowserContext, local_airflow: LocalAirflow) -> Iterator[Callable[..., Page]]:
    """
    A function that opens a page of Airflow's UI, with the policy of a careful deployment if that is asked for.

    After the test no script may have failed, no dialog may have come up, and no policy may have been broken.
    """
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(ITS_OWN):
            complaints.append(message.text)

    def open_page(path: str, *, policy: bool = False) -> Page:
        page = context.new_page()
        if policy:
            # It costs the cache.
            page.route(lambda url: "/dags" in url, add_policy)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"{dialog.type}: {dialog.message}") or dialog.accept())
        page.goto(f"{local_airflow.url}/{path}")
        page.locator(".amazon-connect").first.wait_for()
        return page

    yield open_page
    for page in context.pages:
        page.close()
    assert complaints == []


def add_policy(route: Any) -> None:
    """Send what was asked for, and if it is a page of the UI, with the policy of a careful deployment."""
    if route.request.resource_type != "document":
        route.continue_()
        return
    response = route.fetch()
    route.fulfill(response=response, headers={**response.headers, "content-security-policy": POLICY})


@pytest.fixture(scope="module")
def finished(_running_airflow: LocalAirflow, _running_emulator: Emulator) -> str:
    """A run whose tasks have ended: its ID."""
    _running_emulator.reset()
    return _running_airflow.run(DAG_ID)


def task_page(run_id: str, task_id: str = "bulk") -> str:
    """Return the path of a task instance's tab."""
    return f"dags/{DAG_ID}/runs/{run_id}/tasks/{task_id}/plugin/contacts"


def column(page: Page, title: str) -> list[str]:
    """Return what a column shows."""
    return page.locator(f".amazon-connect td[data-title='{title}']").all_inner_texts()


def done(page: Page) -> int:
    """Return how many rows are done, as the progress bar says to a screen reader."""
    return int(page.get_by_role("progressbar", name="Rows done").get_attribute("aria-valuenow") or 0)


def test_progress_is_seen_while_the_task_runs(
    local_airflow: LocalAirflow, emulator: Emulator, page_of: Callable[..., Page]
) -> None:
    """Without a reload the bar moves, and the end is seen; a contact's link leads to its page."""
    # Slow until it is seen, however busy the machine is.
    emulator.set_rate(4, 4)
    page = page_of(f"dags/{DAG_ID}/plugin/contacts-dag")
    tab = page.locator(".amazon-connect")
    run_id = local_airflow.trigger(DAG_ID)
    page.goto(f"{local_airflow.url}/{task_page(run_id)}")
    page.get_by_role("progressbar", name="Rows done").wait_for()
    first = until(lambda: done(page), timeout=120)
    assert 0 < first < ROWS
    assert tab.get_by_text("Rate now").is_visible()
    assert int(tab.get_by_role("button", name=re.compile("not sent")).inner_text().split()[-1]) > 0
    # The chart needs two reports of the rate, which a fast machine does not send once the quota is lifted.
    chart = tab.get_by_role("img", name=re.compile("contacts a second at the end"))
    chart.wait_for(timeout=120_000)

    emulator.set_rate(None)
    tab.get_by_text(re.compile(r"took \d")).wait_for()
    assert done(page) == ROWS
    assert chart.is_visible()

    tab.get_by_role("button", name=re.compile("^created")).click()
    link = tab.locator("tbody a.ac-id").first
    contact_id = link.inner_text()
    with page.context.expect_page() as opened:
        link.click()
    assert contact_id in opened.value.url
    assert "Row " in opened.value.content()


def test_rows_are_filtered_searched_sorted_paged_and_downloaded(
    finished: str, page_of: Callable[..., Page], tmp_path: Path
) -> None:
    """The server does it, the address of the page keeps it, and a key that is a script is text."""
    page = page_of(task_page(finished))
    tab = page.locator(".amazon-connect")
    tab.locator("tbody tr").first.wait_for()
    assert column(page, "State")[:4] == ["failed", "invalid", "invalid", "created"]
    assert "x" * 100 not in tab.inner_text()
    assert f"{finished}-<script>alert('key')</script>" in column(page, "Key")

    tab.get_by_role("button", name=re.compile("^invalid")).click()
    tab.get_by_text(f"2 of {ROWS} rows match").wait_for()
    assert column(page, "Row") == ["40", "41"]
    assert all("name" in error for error in column(page, "Error"))
    page.reload()
    tab.get_by_text(f"2 of {ROWS} rows match").wait_for()
    assert tab.get_by_role("button", name=re.compile("^invalid")).get_attribute("aria-pressed") == "true"
    tab.get_by_role("button", name=re.compile("^all")).click()
    tab.get_by_text(f"{ROWS} rows on record").wait_for()

    tab.get_by_role("button", name="Row", exact=True).click()
    tab.get_by_role("button", name="Row", exact=True).click()
    tab.locator("th[aria-sort=descending]").wait_for()
    until(lambda: column(page, "Row")[:1] == [str(ROWS)])
    tab.get_by_role("button", name="Next").click()
    until(lambda: column(page, "Row")[:1] == [str(ROWS - 25)])
    assert tab.get_by_text("Page 2 of 4").is_visible()

    tab.get_by_role("searchbox").fill("order-99")
    tab.get_by_text(f"1 of {ROWS} rows match").wait_for()
    assert column(page, "Key") == [f"{finished}-order-99"]

    with page.expect_download() as download:
        tab.get_by_role("link", name="Download failed rows").click()
    download.value.save_as(tmp_path / "failed.csv")
    with (tmp_path / "failed.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["row"], row["state"]) for row in rows} == {("50", "failed"), ("40", "invalid"), ("41", "invalid")}


def test_one_leads_to_the_other(finished: str, local_airflow: LocalAirflow, page_of: Callable[..., Page]) -> None:
    """From the navigation to a Dag run, its task and its contact; back; and what the API server cannot read is said."""
    page = page_of("plugin/amazon-connect")
    tab = page.locator(".amazon-connect")
    tab.get_by_role("link", name=finished).click()
    tab.get_by_role("link", name="single").click()
    tab.get_by_role("article").wait_for()
    assert "/airflow/dags/contacts_tab/runs/" in page.url
    assert tab.get_by_role("article").get_by_role("link").count() == 1
    page.go_back()

    record = local_airflow.home / "amazon_connect"
    record.rename(record.with_name("elsewhere"))
    try:
        tab.get_by_role("link", name="bulk").click()
        page.get_by_role("note").first.wait_for()
        assert "results_path" in tab.inner_text()
        assert done(page) == ROWS
    finally:
        record.with_name("elsewhere").rename(record)


def test_rows_of_a_record_in_a_bucket_are_seen(
    local_airflow: LocalAirflow, aws_client: Callable[[str], Any], page_of: Callable[..., Page]
) -> None:
    """The API server reads what a task recorded in S3, with the connection that the path names, and shows its rows."""
    aws_client("s3").create_bucket(Bucket="contacts-of-the-tab")
    run_id = local_airflow.run("contacts_in_a_bucket", conf={"bucket": "contacts-of-the-tab"})
    page = page_of(f"dags/contacts_in_a_bucket/runs/{run_id}/tasks/bulk/plugin/contacts")
    page.get_by_text("3 rows on record").wait_for()
    assert column(page, "State") == ["created"] * 3
    assert page.get_by_role("note").count() == 0


def test_dags_of_others_are_not_seen(finished: str, local_airflow: LocalAirflow, page_of: Callable[..., Page]) -> None:
    """Neither in the list of all runs, nor at their own address, where the tab says why."""
    page = page_of("dags/of_another_team/plugin/contacts-dag")
    page.get_by_text("You may not see the contacts of this Dag").wait_for()
    api = f"{local_airflow.url}/amazon-connect/api/dags/of_another_team/runs"
    for address in (
        api,
        f"{api}/some_run",
        f"{api}/some_run/tasks/single/-1",
        f"{api}/some_run/tasks/single/-1/failed.csv",
    ):
        answer = page.request.get(address)
        assert (answer.status, answer.json()) == (403, {"detail": "Forbidden"})
    runs = page.request.get(f"{local_airflow.url}/amazon-connect/api/runs").text()
    assert finished in runs
    assert "of_another_team" not in runs


def test_everybody_can_use_it(finished: str, page_of: Callable[..., Page], ui_packages: Path) -> None:
    """axe-core finds nothing in either theme, a keyboard is enough, a policy is kept, a phone shows rows as cards."""
    page = page_of(task_page(finished), policy=True)
    tab = page.locator(".amazon-connect")
    tab.locator("tbody tr").first.wait_for()
    assert complaints_of_axe(page, ui_packages) == []
    light = tab.evaluate("root => getComputedStyle(root).color")
    page.evaluate("document.documentElement.classList.replace('light', 'dark')")
    assert tab.evaluate("root => getComputedStyle(root).color") != light
    assert complaints_of_axe(page, ui_packages) == []

    tab.get_by_role("button", name=re.compile("^failed")).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    tab.get_by_text(f"2 of {ROWS} rows match").wait_for()
    # The focus stays where it was.
    assert page.evaluate("document.activeElement.innerText") == "invalid 2"
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText || document.activeElement.type"))
    assert {"search", "Download failed rows"} <= set(reached)
    assert any(text.startswith("State") for text in reached)

    # A long error does not make its row high: three lines are shown, and a button shows the rest.
    row = tab.locator("tr").filter(has=page.get_by_role("cell", name="40", exact=True))
    text = row.locator("td[data-title='Error'] > div > div")
    low, high = text.evaluate("text => [text.clientHeight, text.scrollHeight]")
    assert low < high
    row.get_by_role("button", name="Show all of the error of row 40").focus()
    page.keyboard.press("Enter")
    row.get_by_role("button", name="Show less of the error of row 40").wait_for()
    assert text.evaluate("text => text.clientHeight") >= high
    assert complaints_of_axe(page, ui_packages) == []
    page.keyboard.press("Enter")
    until(lambda: text.evaluate("text => text.clientHeight") == low)

    page.set_viewport_size(PHONE)
    until(lambda: tab.evaluate("root => root.clientWidth") <= PHONE["width"])
    assert tab.locator("tbody tr").first.evaluate("row => getComputedStyle(row).display") == "block"
    widths = tab.evaluate(
        "root => [root, ...root.querySelectorAll('.ac-scroll, .ac-section, td')]"
        ".filter(one => one.scrollWidth > one.clientWidth).map(one => one.outerHTML.slice(0, 80))"
    )
    assert widths == []


def complaints_of_axe(page: Page, ui_packages: Path) -> list[tuple[str, str]]:
    """Return what axe-core finds wrong with the tab: the rule, and the first element that breaks it."""
    page.evaluate((ui_packages / "axe-core" / "axe.min.js").read_text())
    rules = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice']}"
    found = page.evaluate(f"axe.run('.amazon-connect', {rules})")
    return [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
