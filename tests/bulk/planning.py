"""Plans of rows, for tests of what is planned."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_connect.api.operations import CreateContact
from airflow_connect.bulk.plan import Plan, PlannedContact, TaskInstance
from airflow_connect.bulk.sources import ListRows
from airflow_connect.bulk.template import compile_contact, compile_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_connect.bulk.sources import RowSource

INSTANCE = "b1000000-0000-4000-8000-000000000001"
REGION = "us-east-1"
CALLED = (REGION, INSTANCE, "CreateContact")
ASKED_BY = TaskInstance("orders", "manual__2026-11-24", "call", -1)
CONTACT: dict[str, Any] = {"channel": "TASK", "name": "Order {{ row.id }}", "attributes": {"city": "{{ row.city }}"}}
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()


def planned(rows: Iterable[Any] | RowSource, *, key: str | None = None, contact: Any = CONTACT, **options: Any) -> Plan:
    """Return the plan of rows, a list or a source."""
    source: Any = rows if hasattr(rows, "read") else ListRows(rows)  # type: ignore[arg-type]
    request = options.pop("request", CreateContact)
    return Plan(
        source,
        request,
        compile_contact(contact, request, {}),
        key=None if key is None else compile_text(key, {}, operation=request.name),
        region=options.pop("region", REGION),
        instance_id=options.pop("instance_id", INSTANCE),
        asked_by=options.pop("asked_by", ASKED_BY),
        now=NOW,
        **options,
    )


def contacts_of(rows: Iterable[Any] | RowSource, **options: Any) -> list[PlannedContact]:
    """Return the contacts that a plan makes of rows."""
    with planned(rows, **options) as plan:
        return list(plan.contacts())


def rows_of(*ids: object) -> list[dict[str, Any]]:
    """Return rows with these IDs."""
    return [{"id": one, "city": "Köln"} for one in ids]
