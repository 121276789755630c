"""
Take the pictures of the README and the docs from the running demo, in light and in dark, on a desktop and a phone.

It starts what ``make up`` starts, a bulk run and an approval among it, and needs Chromium. ``make docs`` does not do
this, since a picture differs a little each time: call it when a page that is shown has changed.

    python -m tools.take_pictures
"""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow_connect.emulator.desk.pages import CONTACT_PATH
from tools import demo

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from tools.local_airflow import LocalAirflow

PICTURES: Final = demo.CHECKOUT / "docs" / "images"
DESKTOP: Final = (1280, 938)
HALF: Final = (900, 640)
PHONE: Final = (390, 844)
FORM: Final = "example_bulk_form"
FORM_PAGE: Final = demo.CHECKOUT / "docs" / "use-cases" / "list-from-form.md"
COLOURS: Final = {"light": ("#f6f8fa", "#d0d7de", "#1f2328"), "dark": ("#0d1117", "#3d444d", "#e6edf3")}


def main() -> None:
    """Start the demo, and take the pictures of each theme."""
    from playwright.sync_api import sync_playwright

    demo.STATE.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=demo.STATE))
    with contextlib.ExitStack() as running:
        connect = running.enter_context(demo.LocalConnect(directory / "connect"))
        airflow = running.enter_context(demo._airflow(directory / "airflow", connect, triggerer=True))
        tab = demo.start_runs(airflow)
        approval = _waiting_approval(airflow)
        contact_id = airflow.xcom(demo.APPROVAL, approval, "ask")
        playwright = running.enter_context(sync_playwright())
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for theme in COLOURS:
            page = f"{airflow.url}/dags/{demo.APPROVAL}/runs/{approval}"
            run = _shot(browser, page, theme, HALF, until=r"text=/\d+ Task Instances/")
            contact = _shot(browser, f"{connect.url}{CONTACT_PATH}/{contact_id}", theme, HALF)
            _compose(browser, theme, run, contact)
            for size, name in ((DESKTOP, "desktop"), (PHONE, "phone")):
                picture = _shot(browser, tab, theme, size, until=".ac-chart svg")
                (PICTURES / f"contacts-tab-{name}-{theme}.png").write_bytes(picture)
                picture = _shot(browser, f"{airflow.url}/dags/{FORM}", theme, size, prepare=_fill_in)
                (PICTURES / f"form-{name}-{theme}.png").write_bytes(picture)
    shutil.rmtree(directory)


def _waiting_approval(airflow: LocalAirflow) -> str:
    """Wait until the approval's sensor is deferred, and return the run's ID."""
    [run] = airflow.api("GET", f"/dags/{demo.APPROVAL}/dagRuns")["dag_runs"]
    run_id: str = run["dag_run_id"]
    airflow.wait_for_state(demo.APPROVAL, run_id, "answered", states=("deferred",), timeout=180)
    return run_id


def _fill_in(page: Page) -> None:
    """Open the form, and fill it in as its page tells people to."""
    page.get_by_test_id("trigger-dag-button").click()
    form = page.get_by_role("dialog")
    form.locator("[name=element_campaign]").fill("winter-2026")
    form.get_by_text("1 Rows to paste").click()
    rows = form.locator("[name=element_rows]")
    rows.fill(_rows_to_paste())
    rows.evaluate("field => { field.scrollTop = 0 }")  # the cursor is at the end


def _rows_to_paste() -> str:
    [rows] = re.findall(r"```text\n(.+?)```", FORM_PAGE.read_text(), re.DOTALL)
    return str(rows)


def _page(browser: Browser, theme: str, width: int, height: int) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        device_scale_factor=1.5,
    )
    context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    return context.new_page()


def _shot(
    browser: Browser,
    url: str,
    theme: str,
    size: tuple[int, int],
    *,
    until: str | None = None,
    prepare: Callable[[Page], None] | None = None,
) -> bytes:
    page = _page(browser, theme, *size)
    page.set_default_timeout(120_000)
    page.goto(url)
    if until is not None:
        page.locator(until).first.wait_for()
    if prepare is not None:
        prepare(page)
    page.wait_for_timeout(6_000)
    return page.screenshot()


def _compose(browser: Browser, theme: str, *shots: bytes) -> None:
    back, line, ink = COLOURS[theme]
    frames = "".join(
        f"<figure><figcaption>{title}</figcaption><img src='data:image/png;base64,{base64.b64encode(shot).decode()}'>"
        "</figure>"
        for title, shot in zip(("The Dag waits in Airflow", "An agent decides at the desk"), shots, strict=True)
    )
    page = _page(browser, theme, 1240, 500)
    page.set_content(
        f"<style>body{{margin:0;background:{back};display:flex;gap:16px;padding:16px;font:600 15px sans-serif;"
        f"color:{ink}}}figure{{margin:0;flex:1}}img{{width:100%;border:1px solid {line};border-radius:6px;"
        f"margin-top:8px}}</style>{frames}"
    )
    page.wait_for_timeout(300)
    box = page.locator("body").bounding_box() or {"height": 500.0}
    clip = {"x": 0, "y": 0, "width": 1240, "height": min(box["height"], 500)}
    page.screenshot(path=PICTURES / f"airflow-and-desk-{theme}.png", clip=clip)


if __name__ == "__main__":
    main()
