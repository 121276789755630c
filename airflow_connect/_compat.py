"""
Where versions of Airflow, and of the provider that evens them out, differ. No other module tests for a version.

Each name says since when it is there, and why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

# Airflow 2 and 3 keep these in different modules; common-compat (a dependency of the Amazon provider) knows where.
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowNotFoundException,
    BaseOperatorLink,
    DecoratedOperator,
    TaskDecorator,
    XCom,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AirflowFailException",
    "AirflowNotFoundException",
    "BaseOperatorLink",
    "DecoratedOperator",
    "TaskDecorator",
    "TaskStateStore",
    "XCom",
    "context_merge",
    "determine_kwargs",
    "never_expire",
    "task_decorator_factory",
    "task_state_store",
]


class TaskStateStore(Protocol):
    """What outlives a kill, a retry and a clear of a task instance: small JSON values by key."""

    def get(self, key: str) -> Any:
        """Return the value, ``None`` where there is none."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Write the value."""


def task_state_store(context: Mapping[str, Any]) -> TaskStateStore | None:
    """
    Return the store of the running task instance.

    Since Airflow 3.3 (AIP-103). ``None`` until then: XComs are no substitute, since a retry deletes them.
    """
    store: TaskStateStore | None = context.get("task_state_store")
    return store


def never_expire() -> Any:
    """Return the retention that keeps an entry as long as its task instance. Since Airflow 3.3."""
    from airflow.sdk.execution_time.context import NEVER_EXPIRE

    return NEVER_EXPIRE
