"""What all operators for Amazon Connect have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_connect._compat import AirflowFailException, arguments_from_rows
from airflow_connect.api.errors import ConnectError, RequestError
from airflow_connect.api.identity import token_for_task
from airflow_connect.calls.retry import MAX_RETRY_TIME
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.links.connect import ContactLink, InstanceLink, contact_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow.sdk import Context

    from airflow_connect._compat import BaseOperatorLink

__all__ = ["ConnectBaseOperator"]

_HIDDEN: Final = "***"


class ConnectBaseOperator(AwsBaseOperator[ConnectHook]):
    """
    Know the instance, hide fields, sort errors, keep links.

    Subclasses have ``_execute`` instead of ``execute``.

    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call that is throttled or not answered is repeated (default: 300)
    :param sensitive_fields: names of templated arguments that Airflow's UI shows as ``***``; Amazon Connect gets the
        truth
    """

    aws_hook_class = ConnectHook
    template_fields: Sequence[str] = aws_template_fields("instance_id")
    operator_extra_links: Sequence[BaseOperatorLink] = (ContactLink(), InstanceLink())
    ui_color = "#eef6ff"

    def __init__(
        self,
        *,
        instance_id: str | None = None,
        max_retry_time: float = MAX_RETRY_TIME,
        sensitive_fields: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.instance_id = instance_id
        self.max_retry_time = max_retry_time
        self.sensitive_fields = tuple(sensitive_fields)
        unknown = sorted(set(self.sensitive_fields) - set(self.template_fields))
        if unknown:
            raise ValueError(
                f"sensitive_fields of task {self.task_id!r} names {', '.join(unknown)}; "
                f"it can name {', '.join(self.template_fields)}."
            )
        self._true_values: dict[str, Any] = {}

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {
            **super()._hook_parameters,
            "instance_id": self.instance_id,
            "max_retry_time": self.max_retry_time,
        }

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        # Called for mapped and other tasks alike; between this and execute Airflow stores what the UI shows.
        if parent is self:
            map_index = getattr(context["ti"], "map_index", -1)
            from_rows = arguments_from_rows(self, map_index) if map_index >= 0 else {}
            seen_oids = seen_oids | {id(value) for value in from_rows.values()}
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self:
            self._hide_sensitive_fields()

    def _hide_sensitive_fields(self) -> None:
        for name in self.sensitive_fields:
            value = getattr(self, name)
            if value is not None and name not in self._true_values:
                self._true_values[name] = value
                setattr(self, name, _HIDDEN)

    def _reveal_sensitive_fields(self) -> None:
        for name, value in self._true_values.items():
            setattr(self, name, value)
        self._true_values = {}

    def execute(self, context: Context) -> Any:
        """
        Do what the operator is for.

        :param context: the context of the task instance
        """
        self._reveal_sensitive_fields()
        try:
            return self._execute(context)
        except ConnectError as error:
            failure = error
        finally:
            self._hide_sensitive_fields()
        # Raised out here and without its traceback: some of Airflow's formatters print the variables of every frame,
        # which hold the request, and the message says all that helps.
        if isinstance(failure, RequestError):
            # Another attempt would be refused alike.
            raise AirflowFailException(str(failure))
        raise failure.with_traceback(None)

    def _execute(self, context: Context) -> Any:
        raise AssertionError("each operator has its own")

    def _store_link(self, context: Context, contact_id: str) -> str:
        """Store what the links need, and return the address of the contact's page for the log."""
        url = self.hook.instance_access_url
        if url is None:
            return "no link"
        context["ti"].xcom_push(key=ContactLink.xcom, value={"instance_access_url": url, "contact_id": contact_id})
        return contact_url(url, contact_id)

    def _token_for_task(self, context: Context, operation: str, *more: str) -> str:
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
