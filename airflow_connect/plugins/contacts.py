"""
What Airflow asks the plugin: an API for the Contacts tab, and where the tab is shown.

Airflow loads plugins in all its processes, tasks included, so that this module imports nothing that costs: the API is
made where it is first asked for something. Airflow before 3.1, whose UI has no tabs of plugins, gets a plugin that
registers nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from airflow.plugins_manager import AirflowPlugin

from airflow_connect import __version__
from airflow_connect._compat import UI_HAS_TABS, conf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

__all__ = ["ContactsPlugin"]

#: Where Airflow mounts the API, below the path of ``[api] base_url``.
_URL_PREFIX: Final = "/amazon-connect"

#: Where the tab is shown: destination, name, and a route, of which Airflow takes each once.
_VIEWS: Final = (
    ("task_instance", "Contacts", "contacts"),
    ("dag_run", "Contacts", "contacts-run"),
    ("dag", "Contacts", "contacts-dag"),
    ("nav", "Contacts", "amazon-connect"),
)


class _Api:
    """The API, which is made when it is asked for the first time."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        await self.app(scope, receive, send)

    @property
    def app(self) -> Any:
        """The FastAPI app."""
        if self._app is None:
            from airflow_connect.plugins.app import create_app

            self._app = create_app()
        return self._app


def _bundle_url() -> str:
    """
    Return where the browser finds the tab: a path without a host, so that it works behind any proxy and with cookies.

    The version makes browsers fetch another one after an upgrade.
    """
    base = urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")
    return f"{base}{_URL_PREFIX}/static/contacts.js?v={__version__}"


class ContactsPlugin(AirflowPlugin):
    """
    The Contacts tab, and its API.

    https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/plugins.html
    """

    name = "amazon_connect"
    fastapi_apps: list[Any] = (
        [{"name": "Amazon Connect", "app": _Api(), "url_prefix": _URL_PREFIX}] if UI_HAS_TABS else []
    )
    react_apps: list[Any] = (
        [
            {"name": name, "url_route": route, "destination": destination, "bundle_url": _bundle_url()}
            for destination, name, route in _VIEWS
        ]
        if UI_HAS_TABS
        else []
    )
