"""
Links from a task instance to Amazon Connect.

What a link needs (the contact's ID, the instance's address) is an XCom of its own, so that mapped task instances have
links too, and so that nothing but identifiers is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow_connect._compat import THE_TASK_COMPUTES_ITS_LINKS, BaseOperatorLink, XCom
from airflow_connect.api.fields import website

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey

__all__ = ["ContactLink", "InstanceLink", "contact_url"]


def contact_url(instance_access_url: str, contact_id: str) -> str:
    """
    Return the address of a contact's page.

    :param instance_access_url: the instance's website: ``https://ALIAS.my.connect.aws``
    :param contact_id: the contact
    :raises ValueError: if *instance_access_url* is not the http or https address of a host
    """
    base = website(instance_access_url)
    if base is None:
        raise ValueError("instance_access_url is not a website's address, such as https://ALIAS.my.connect.aws.")
    # Instances of the first generation live below /connect: https://ALIAS.awsapps.com/connect/…
    if base.endswith(".awsapps.com"):
        base += "/connect"
    return f"{base}/contact-trace-records/details/{quote(contact_id, safe='')}"


class _ConnectLink(BaseOperatorLink):
    """A link that consists of the identifiers in an XCom."""

    #: The key of the XCom, the same for all links of a task.
    xcom: ClassVar[str] = "amazon_connect"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the address, an empty text if it is not known.

        Anybody who can write XComs may have written it: what is not a website's address is not a link.

        :param operator: the operator
        :param ti_key: the task instance
        """
        # Airflow 3 logs an error where an XCom does not exist, and a task may have failed before it stored one.
        is_mapped = hasattr(operator, "partial_kwargs")
        stored = {} if is_mapped and THE_TASK_COMPUTES_ITS_LINKS else getattr(operator, "link_of_run", None)
        if stored is None:
            stored = XCom.get_value(key=self.xcom, ti_key=ti_key)
        return self.format(stored) if isinstance(stored, dict) and website(stored.get("instance_access_url")) else ""

    def format(self, stored: Mapping[str, Any]) -> str:
        """Return the address that the identifiers give."""
        raise NotImplementedError


class ContactLink(_ConnectLink):
    """The link *Contact*: the contact's page, with who took it, when, and what was said and done."""

    name = "Contact"

    def format(self, stored: Mapping[str, Any]) -> str:
        """Return the address of the contact's page."""
        contact_id = stored.get("contact_id")
        return (
            contact_url(stored["instance_access_url"], contact_id) if contact_id and isinstance(contact_id, str) else ""
        )


class InstanceLink(_ConnectLink):
    """The link *Amazon Connect*: the website of the instance."""

    name = "Amazon Connect"

    def format(self, stored: Mapping[str, Any]) -> str:
        """Return the address of the instance."""
        return f"{website(stored['instance_access_url'])}/"
