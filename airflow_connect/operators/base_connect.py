"""What all operators for Amazon Connect have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import conf, default_results_path
from airflow_connect._task import ConnectTask
from airflow_connect.api.identity import token_for_task
from airflow_connect.hooks.connect import ConnectHook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_connect.record.peers import Peers

__all__ = ["ConnectBaseOperator"]


class ConnectBaseOperator(ConnectTask, AwsBaseOperator[ConnectHook]):
    """An operator for Amazon Connect; see :class:`~airflow_connect._task.ConnectTask` for its arguments."""

    template_fields: Sequence[str] = aws_template_fields("instance_id")

    def peers(self, context: Context, operation: str, results_path: str | None = None) -> Peers:
        """
        Return what sees the tasks that share the quota of an operation: those that use the same results store.

        :param context: the context of the task instance
        :param operation: the API operation
        :param results_path: where the task records its results, if the author gave that: it counts where
            ``[amazon_connect] results_path`` is not set, which all tasks know
        """
        from airflow_connect.record.peers import Peers

        ti = context["ti"]
        mapped = [str(ti.map_index)] if getattr(ti, "map_index", -1) >= 0 else []
        configured = conf.get("amazon_connect", "results_path", fallback="")
        return Peers(
            default_results_path() if configured or not results_path else results_path,
            region=self.hook.conn_region_name,
            instance_id=self.hook.instance_id,
            operation=operation,
            task=".".join([ti.dag_id, ti.task_id, *mapped]),
        )

    def token_for_task(self, context: Context, operation: str, *more: str) -> str:
        """
        Return the client token that follows from the task instance.

        :param context: the context of the task instance
        :param operation: the API operation
        :param more: what several calls of one task instance differ in
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
