"""
What a task read and what it made, for Airflow's assets and for OpenLineage.

Imports neither Airflow nor OpenLineage until it is asked, and says nothing where they are not there.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_connect.bulk.rows import SqlRows

__all__ = ["contacts_lineage", "tell_outlets"]

_log = logging.getLogger(__name__)

#: ``%s``, ``%(name)s`` and ``:name``, but not a cast as in ``a::text``.
_PLACEHOLDER: Final = re.compile(r"%(?:\(\w+\))?s|(?<![:\w]):[A-Za-z_]\w*")


def tell_outlets(context: Mapping[str, Any], instance_id: str, counts: Mapping[str, Any]) -> None:
    """
    Put counts into the event of the instance's asset, if it is one of the task's ``outlets``.

    :param context: the context of the task instance
    :param instance_id: the instance that contacts were made in
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
    Return an ``OperatorLineage`` of a task that made contacts; ``None`` where OpenLineage is not installed.

    The instance's contacts are the output. The input is the file of :class:`~airflow_connect.bulk.rows.FileRows`, or
    the tables in the query of :class:`~airflow_connect.bulk.rows.SqlRows`, for databases whose hook knows OpenLineage.

    :param instance_id: the instance's ID
    :param rows: where the rows came from
    """
    try:
        from airflow.providers.openlineage.extractors import OperatorLineage
    except ImportError:
        _log.debug("OpenLineage is not installed")
        return None
    from airflow_connect.assets.connect import contacts_dataset
    from airflow_connect.bulk.rows import FileRows, SqlRows

    outputs = [contacts_dataset(instance_id)]
    if isinstance(rows, FileRows):
        return OperatorLineage(inputs=[_file(str(rows.path))], outputs=outputs)
    if isinstance(rows, SqlRows):
        return OperatorLineage(inputs=_tables(rows), outputs=outputs)
    return OperatorLineage(outputs=outputs)


def _file(path: str) -> Any:
    """
    Return OpenLineage's name of a file: https://openlineage.io/docs/spec/naming.

    ``s3://conn_id@bucket/key`` is ``s3://bucket`` and ``key``: Airflow's connection is not part of the name.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    scheme, separator, rest = path.partition("://")
    if not separator or scheme == "file":
        return Dataset(namespace="file", name=str(Path(rest if separator else path).absolute()))
    authority, _, key = rest.partition("/")
    return Dataset(namespace=f"{scheme}://{authority.rpartition('@')[2]}", name=key or "/")


def _tables(rows: SqlRows) -> list[Any]:
    """
    Return what the query reads; nothing where the hook does not know, or cannot find out, what its database is named.

    The database is asked for nothing but its default schema, and not for what is in its tables.
    """
    from airflow.providers.openlineage.sqlparser import SQLParser

    from airflow_connect._compat import database_hook

    hook = database_hook(rows.conn_id)
    connection = hook.get_connection(rows.conn_id)
    try:
        database_info = hook.get_openlineage_database_info(connection)
        parser = SQLParser(
            dialect=hook.get_openlineage_database_dialect(connection),
            default_schema=hook.get_openlineage_default_schema() if database_info else None,
        )
    except Exception as error:  # noqa: BLE001  # hooks ask their database, or are not made for this
        _log.debug("The tables behind the connection %s have no names: %s", rows.conn_id, type(error).__name__)
        return []
    if database_info is None:
        return []
    # The parser takes no placeholders of drivers.
    sql = _PLACEHOLDER.sub("NULL", rows.sql) if rows.parameters is not None else rows.sql
    query = parser.generate_openlineage_metadata_from_sql(
        sql=sql, hook=hook, database_info=database_info, use_connection=False
    )
    return list(query.inputs)
