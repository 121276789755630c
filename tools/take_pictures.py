"""
Take the pictures of the README: a run in Airflow's UI, and its contact at the desk, in light and in dark.

It runs ``example_approval`` as ``make up`` would, and needs Chromium. ``make docs`` does not do this, since a picture
differs a little each time: call it when a page that is shown has changed.

    python -m tools.take_pictures
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow_connect.emulator.desk.pages import CONTACT_PATH
from tools import demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES: Final = demo.CHECKOUT / "docs" / "images"
DAG_ID: Final = "example_approval"
SIZE: Final = (900, 640)
COLOURS: Final = {"light": ("#f6f8fa", "#d0d7de", "#1f2328"), "dark": ("#0d1117", "#3d444d", "#e6edf3")}


def main() -> None:
    """Run the example, take the pictures of each theme, and put the two beside each other."""
    from playwright.sync_api import sync_playwright

    demo.STATE.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=demo.STATE))
    with contextlib.ExitStack() as running:
        connect = running.enter_context(demo.LocalConnect(directory / "connect"))
        airflow = running.enter_context(demo._airflow(directory / "airflow", connect, triggerer=True))
        run_id = airflow.trigger(DAG_ID)
        contact_id = _first_contact(connect)
        playwright = running.enter_context(sync_playwright())
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for theme in COLOURS:
            run = _shot(browser, f"{airflow.url}/dags/{DAG_ID}/runs/{run_id}", theme)
            contact = _shot(browser, f"{connect.url}{CONTACT_PATH}/{contact_id}", theme)
            _compose(browser, theme, run, contact)
    shutil.rmtree(directory)


def _first_contact(connect: demo.LocalConnect) -> str:
    """Wait for the contact that the run creates."""
    client = connect.client()
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        now = time.time()
        found = client.search_contacts(
            InstanceId=connect.instance_id,
            TimeRange={"Type": "INITIATION_TIMESTAMP", "StartTime": now - 3600, "EndTime": now + 60},
        )["Contacts"]
        if found:
            time.sleep(15)  # until the sensor is deferred, and the UI shows it
            return str(found[0]["Id"])
        time.sleep(1)
    raise demo.DemoError(f"{DAG_ID} created no contact.")


def _page(browser: Browser, theme: str, width: int, height: int) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if theme == "dark" else "light",
        device_scale_factor=1.5,
    )
    context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    return context.new_page()


def _shot(browser: Browser, url: str, theme: str) -> bytes:
    page = _page(browser, theme, *SIZE)
    page.goto(url)
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
