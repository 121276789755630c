"""The contacts of an instance as an asset."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from airflow_connect.assets.connect import contact_asset, convert_asset_to_openlineage, create_asset, sanitize_uri
from airflow_connect.provider_info import get_provider_info

INSTANCE = "b1000000-0000-4000-8000-000000000001"
ARN = f"arn:aws:connect:us-east-1:111122223333:instance/{INSTANCE}"


def test_id_and_arn_are_one_asset() -> None:
    """An instance's ID and its ARN give the same URI."""
    assert contact_asset(INSTANCE).uri == contact_asset(ARN).uri == f"amazonconnect://{INSTANCE}/contacts"
    assert create_asset(instance_id=ARN, extra={"team": "billing"}).extra == {"team": "billing"}


@pytest.mark.parametrize(
    "instance_id", ["", "{{ var.value.instance }}", "https://local.my.connect.aws", "arn:aws:s3:::bucket"]
)
def test_what_names_no_instance(instance_id: str) -> None:
    """A template, an address or another ARN is refused: an asset is known when the DAG is read."""
    with pytest.raises(ValueError, match="takes an instance's ID or ARN"):
        contact_asset(instance_id)


@pytest.mark.parametrize(
    "uri", ["amazonconnect:///contacts", f"amazonconnect://{INSTANCE}/a", f"amazonconnect://{INSTANCE}/contacts?a=1"]
)
def test_uri_that_is_no_instance_s(uri: str) -> None:
    """A URI of the scheme without an instance, or with more than one, is refused."""
    with pytest.raises(ValueError, match="amazonconnect://INSTANCE_ID/contacts"):
        sanitize_uri(urlsplit(uri))


def test_uri_of_an_instance() -> None:
    """A URI with an instance is left as it is."""
    uri = urlsplit(f"amazonconnect://{INSTANCE}/contacts")
    assert sanitize_uri(uri) == uri


def test_openlineage_name() -> None:
    """OpenLineage knows the contacts by the instance's namespace."""
    dataset = convert_asset_to_openlineage(SimpleNamespace(uri=f"amazonconnect://{INSTANCE}/contacts"), None)
    assert (dataset.namespace, dataset.name) == (f"amazonconnect://{INSTANCE}", "contacts")


def test_provider_names_functions_that_are_there() -> None:
    """What the provider's description says of the scheme can be imported."""
    [uris] = get_provider_info()["asset-uris"]
    for part in ("handler", "factory", "to_openlineage_converter"):
        module, _, function = uris[part].rpartition(".")
        assert callable(getattr(importlib.import_module(module), function))
