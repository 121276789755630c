"""
The contacts of an instance as an asset (a dataset in Airflow 2): ``amazonconnect://INSTANCE_ID/contacts``.

https://airflow.apache.org/docs/apache-airflow/stable/authoring-and-scheduling/assets.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_connect.api.fields import cut_instance_arn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset

__all__ = ["contact_asset", "contacts_dataset", "convert_asset_to_openlineage", "create_asset", "sanitize_uri"]

SCHEME: Final = "amazonconnect"
_PATH: Final = "/contacts"


def contact_asset(instance_id: str, extra: Mapping[str, Any] | None = None) -> Asset:
    """
    Return the asset that stands for the contacts of an instance, for ``outlets`` and ``schedule``.

    .. seealso::
        For more information, take a look at the guide: :ref:`howto/asset:contact_asset`

    :param instance_id: the ID or ARN of the instance
    :param extra: more metadata of the asset
    :raises ValueError: if *instance_id* is not an ID or an ARN
    """
    from airflow.providers.common.compat.sdk import Asset

    instance = cut_instance_arn(instance_id.strip())
    if not instance or not set("/:?#@{} ").isdisjoint(instance):
        raise ValueError(
            "contact_asset takes an instance's ID or ARN, arn:aws:connect:REGION:ACCOUNT:instance/ID, as it is: "
            "an asset is known before templates are rendered."
        )
    asset: Asset = Asset(uri=f"{SCHEME}://{instance}{_PATH}", extra=dict(extra or {}))
    return asset


def create_asset(*, instance_id: str, extra: Mapping[str, Any] | None = None) -> Asset:
    """
    Return the asset, as Airflow's factories of assets do (``Asset.create``).

    :param instance_id: the ID or ARN of the instance
    :param extra: more metadata of the asset
    """
    return contact_asset(instance_id, extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Return the URI of an asset, checked.

    :param uri: the URI, split
    :raises ValueError: if it does not name one instance
    """
    if not uri.netloc or uri.path != _PATH or uri.query or uri.fragment:
        raise ValueError(f"The URI of an Amazon Connect instance's contacts is {SCHEME}://INSTANCE_ID{_PATH}.")
    return uri


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """
    Return OpenLineage's name of the asset.

    :param asset: the asset
    :param lineage_context: not used; Airflow passes it
    """
    return contacts_dataset(asset.uri.removeprefix(f"{SCHEME}://").removesuffix(_PATH))


def contacts_dataset(instance_id: str) -> Dataset:
    """
    Return OpenLineage's name of an instance's contacts.

    :param instance_id: the instance's ID
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset

    return OpenLineageDataset(namespace=f"{SCHEME}://{instance_id}", name=_PATH.strip("/"))
