"""Links lead to websites, whatever an XCom holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_connect.links import connect
from airflow_connect.links.connect import ContactLink, InstanceLink, contact_url

NOT_WEBSITES = [
    "javascript:alert(1)",
    "JavaScript:alert(1)//https://airline.my.connect.aws",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "//evil.example",
    "https://",
    "https:///x",
    "ftp://airline.my.connect.aws",
    "https://user@evil.example",
    "https://airline.my.connect.aws@evil.example",
    "https://airline.my.connect.aws?x=1",
    "https://airline.my.connect.aws#x",
    "https://airline.my.connect.aws\\@evil.example",
    "https://airline.my connect.aws",
    'https://a"onmouseover="x',
    "https://[evil]",
    "https://a:b",
    "https://" + "a" * 2000,
    "",
    None,
    7,
    ["https://airline.my.connect.aws"],
]
TI_KEY: Any = None  # which task instance it is does not matter: the XCom is given below


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The XCom of the links; a running Airflow reads it in tests/airflow."""
    value: dict[str, Any] = {"contact_id": "c1"}
    monkeypatch.setattr(connect, "XCom", SimpleNamespace(get_value=lambda **_: value))
    return value


@pytest.mark.parametrize("address", NOT_WEBSITES, ids=repr)
def test_what_is_not_a_website_is_not_a_link(stored: dict[str, Any], address: Any) -> None:
    """An XCom that anybody wrote never becomes a script, or a link to somewhere else."""
    stored["instance_access_url"] = address
    for link in (ContactLink(), InstanceLink()):
        assert link.get_link(TI_KEY, ti_key=TI_KEY) == ""
    with pytest.raises(ValueError, match="instance_access_url"):
        contact_url(address, "c1")


@pytest.mark.parametrize(
    ("address", "contact"),
    [
        ("https://airline.my.connect.aws", "https://airline.my.connect.aws/contact-trace-records/details/c1"),
        ("https://airline.my.connect.aws/", "https://airline.my.connect.aws/contact-trace-records/details/c1"),
        ("https://airline.awsapps.com", "https://airline.awsapps.com/connect/contact-trace-records/details/c1"),
        ("http://127.0.0.1:4599", "http://127.0.0.1:4599/contact-trace-records/details/c1"),
        ("http://[::1]:4599", "http://[::1]:4599/contact-trace-records/details/c1"),
        ("http://connect_1:4599", "http://connect_1:4599/contact-trace-records/details/c1"),
    ],
)
def test_websites_are_links(stored: dict[str, Any], address: str, contact: str) -> None:
    """The addresses of instances, of both generations and of the local one, are links."""
    stored["instance_access_url"] = address
    assert ContactLink().get_link(TI_KEY, ti_key=TI_KEY) == contact
    assert InstanceLink().get_link(TI_KEY, ti_key=TI_KEY) == f"{address.rstrip('/')}/"


@pytest.mark.parametrize("contact_id", ["", None, 7, ["c1"]])
def test_no_contact_is_no_link(stored: dict[str, Any], contact_id: Any) -> None:
    """Without a contact's ID there is no link to a contact."""
    stored.update(instance_access_url="https://airline.my.connect.aws", contact_id=contact_id)
    assert ContactLink().get_link(TI_KEY, ti_key=TI_KEY) == ""


def test_contact_id_is_one_part_of_the_path() -> None:
    """A contact's ID cannot lead out of its path."""
    assert contact_url("https://a.example", "../x?y#z").endswith("/details/..%2Fx%3Fy%23z")
