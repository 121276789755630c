"""A desk to look at with Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.chromium import DESKTOP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page

    from airflow_connect.testing import LocalConnect


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """
    A function that opens a page in a browser context of its own, as another person would have it.

    After the test nothing may have been reported on a page's console: no script error, no breach of its policy.
    """
    contexts = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # What a test asks for on purpose: an answer 4xx, and an emulator that is not there.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_page(url: str, **options: Any) -> Page:
        context = browser.new_context(**({"viewport": DESKTOP} | options))
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"{dialog.type}: {dialog.message}") or dialog.accept())
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def desk(amazon_connect: LocalConnect, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """A function that opens the desk, or another path of the emulator."""
    return lambda path="/desk", **options: open_page(amazon_connect.url + path, **options)


@pytest.fixture
def create(amazon_connect: LocalConnect) -> Callable[..., str]:
    """A function that creates a task by boto3 and returns its contact ID."""
    least = {"InstanceId": amazon_connect.instance_id, "Channel": "TASK", "InitiationMethod": "API"}
    return lambda **members: str(amazon_connect.client.create_contact(**least | members)["ContactId"])
