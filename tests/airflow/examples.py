"""The examples in ``dags/``, read as Airflow reads them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[2] / "dags"


def read(path: Path) -> dict[str, Any]:
    """Return the Dags of a file or folder by their IDs."""
    try:
        bag_class = importlib.import_module("airflow.dag_processing.dagbag").DagBag
    except (ImportError, AttributeError):  # Airflow 2.11 to 3.1
        bag_class = importlib.import_module("airflow.models.dagbag").DagBag
    bag = bag_class(str(path))
    assert bag.import_errors == {}
    return dict(bag.dags)
