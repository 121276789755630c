"""Whose record it is, in tests of records."""

from __future__ import annotations

from typing import Any

IDENTITY: dict[str, Any] = {"dag_id": "orders", "run_id": "monday", "task_id": "call", "map_index": -1}
HEADER = IDENTITY | {"try_number": 1}
