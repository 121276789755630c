"""What all operators for Amazon Connect have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._task import ConnectTask
from airflow_connect.api.identity import token_for_task
from airflow_connect.hooks.connect import ConnectHook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

__all__ = ["ConnectBaseOperator"]


class ConnectBaseOperator(ConnectTask, AwsBaseOperator[ConnectHook]):
    """An operator for Amazon Connect; see :class:`~airflow_connect._task.ConnectTask` for its arguments."""

    template_fields: Sequence[str] = aws_template_fields("instance_id")

    def token_for_task(self, context: Context, operation: str, *more: str) -> str:
        """
        Return the client token that follows from the task instance.

        :param context: the context of the task instance
        :param operation: the API operation
        :param more: what tells calls of one task instance apart
        """
        ti = context["ti"]
        return token_for_task(
            self.hook.conn_region_name,
            self.hook.instance_id,
            operation,
            ti.dag_id,
            ti.run_id,
            ti.task_id,
            getattr(ti, "map_index", -1),
            *more,
        )
