"""The examples in ``dags/``, read as Airflow reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "dags"


def read(path: Path) -> dict[str, Any]:
    """Return the Dags of a file or folder by their IDs."""
    from airflow_connect._compat import dags_of

    dags, errors = dags_of(path)
    assert errors == ""
    return {dag.dag_id: dag for dag in dags}
