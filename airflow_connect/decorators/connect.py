"""``@task.create_contact``: a function returns a contact's arguments, the task makes the contact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_connect._compat import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)
from airflow_connect.api.errors import InvalidRequestError
from airflow_connect.api.fields import Fault
from airflow_connect.operators.connect import CreateContactOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_connect._compat import TaskDecorator

__all__ = ["create_contact_task"]


class _CreateContactDecoratedOperator(DecoratedOperator, CreateContactOperator):
    """
    Make the contact whose arguments a function returns.

    :param python_callable: returns a dict of arguments of
        :class:`~airflow_connect.operators.connect.CreateContactOperator`; they take precedence over the decorator's.
        It is data: a ``{{ … }}`` in it stays text.
    :param op_args: positional arguments of the function (templated)
    :param op_kwargs: keyword arguments of the function (templated)
    """

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *CreateContactOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **CreateContactOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.create_contact"
    overwrite_rtif_after_execution = True

    _returned: Mapping[str, Any]

    def execute(self, context: Context) -> Any:
        """
        Call the function, and make the contact that it describes.

        :param context: the context of the task instance
        """
        # Not DecoratedOperator's, which on Airflow 3.0 treats the result as a Python function's.
        return CreateContactOperator.execute(self, context)

    def _execute(self, context: Context) -> str:
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self.python_callable(*self.op_args, **kwargs)
        if not isinstance(returned, dict):
            rule = f"the function of task {self.task_id!r} must return a dict of a contact's arguments"
            given = f"a value of type {type(returned).__name__}"
            raise InvalidRequestError(self._request.name, [Fault("return value", rule, given)])
        self._returned = returned
        for name, value in returned.items():
            if name in self._identity_or_parameter:
                setattr(self, name, value)
        return super()._execute(context)

    @property
    def _identity_or_parameter(self) -> tuple[str, ...]:
        return (*self._request.parameters, "idempotency_key")

    def _arguments(self) -> dict[str, Any]:
        # What is no argument of a contact is reported with all other faults.
        unknown = {name: value for name, value in self._returned.items() if name not in self._identity_or_parameter}
        return {**super()._arguments(), **unknown}


def create_contact_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Wrap a function that returns a contact's arguments into a task that makes the contact.

    .. seealso::
        For more information on how to use this decorator, take a look at the guide:
        :ref:`howto/decorator:create_contact`

    :param python_callable: the function
    :param kwargs: arguments of :class:`~airflow_connect.operators.connect.CreateContactOperator`
    """
    return task_decorator_factory(
        python_callable=python_callable,
        # Airflow would infer it from a function that is annotated to return a dict; the task returns an ID.
        multiple_outputs=False,
        decorated_operator_class=_CreateContactDecoratedOperator,
        **kwargs,
    )
