"""
What a task read and what it created, for Airflow's assets and for OpenLineage.

Imports Airflow and OpenLineage only when it is called, and does nothing if they are not installed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


__all__ = ["contacts_lineage", "update_outlets"]

_log = logging.getLogger(__name__)


def update_outlets(context: Mapping[str, Any], instance_id: str, counts: Mapping[str, Any]) -> None:
    """
    Put counts into the event of the instance's asset, if it is one of the task's ``outlets``.

    :param context: the context of the task instance
    :param instance_id: the instance in which contacts were created
    :param counts: JSON values, such as ``{"created": 17}``, for the event's ``extra``
    """
    outlets = context.get("outlets") or ()
    if not outlets:
        return
    from airflow_connect.assets.connect import contact_asset

    uri = contact_asset(instance_id).uri
    for outlet in outlets:
        if getattr(outlet, "uri", None) == uri:
            context["outlet_events"][outlet].extra.update(counts)


def contacts_lineage(instance_id: str, rows: Any = None) -> Any:
    """
    Return an ``OperatorLineage`` of a task that created contacts; ``None`` if OpenLineage is not installed.

    The instance's contacts are the output. The input is what the source of the rows says in its ``dataset()``.

    :param instance_id: the instance's ID
    :param rows: where the rows came from, as :class:`~airflow_connect.bulk.sources.RowSource`
    """
    try:
        from airflow.providers.openlineage.extractors import OperatorLineage
    except ImportError:
        _log.debug("OpenLineage is not installed")
        return None
    from airflow.providers.common.compat.openlineage.facet import Dataset

    from airflow_connect.assets.connect import contacts_dataset

    read_from: list[tuple[str, str]] = getattr(rows, "dataset", list)()
    return OperatorLineage(
        inputs=[Dataset(namespace=namespace, name=name) for namespace, name in read_from],
        outputs=[contacts_dataset(instance_id)],
    )
