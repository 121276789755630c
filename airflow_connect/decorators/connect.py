"""``@task.create_contact``: a function returns a contact's arguments, the task creates the contact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_connect._compat import (
    DecoratedOperator,
    context_merge,
    determine_kwargs,
    task_decorator_factory,
)
from airflow_connect._task import confidential
from airflow_connect.api.errors import InvalidRequestError
from airflow_connect.api.fields import Fault
from airflow_connect.api.operations import CreateContact
from airflow_connect.operators.connect import CreateContactOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context

    from airflow_connect._compat import TaskDecorator

__all__ = ["create_contact_task"]


class _CreateContactDecoratedOperator(DecoratedOperator, CreateContactOperator):
    """
    Create the contact whose arguments a function returns.

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
    fields_of_code = frozenset({"op_args", "op_kwargs"})
    overwrite_rtif_after_execution = True

    def fields_to_hide(self) -> set[str]:
        """Return the names of the fields that Airflow must not store: a function's arguments are hidden as a whole."""
        names, arguments = super().fields_to_hide(), {"op_args", "op_kwargs"}
        return names | arguments if names & arguments else names

    @confidential
    def execute(self, context: Context) -> str:
        """
        Call the function, and create the contact that it describes.

        :param context: the context of the task instance
        :return: the contact's ID
        """
        context_merge(context, self.op_kwargs)
        kwargs = determine_kwargs(self.python_callable, self.op_args, context)
        returned = self.python_callable(*self.op_args, **kwargs)
        if not isinstance(returned, dict):
            rule = f"the function of task {self.task_id!r} must return a dict of a contact's arguments"
            given = f"a value of type {type(returned).__name__}"
            raise InvalidRequestError(CreateContact.name, [Fault("return value", rule, given)])
        # Fields of the task, which Airflow stores after it has run.
        own = {*CreateContact.parameters, "idempotency_key"}
        for name in own & returned.keys():
            setattr(self, name, returned[name])
        self._identified_by |= {"idempotency_key", "client_token"} & returned.keys()
        # What is not an argument of a contact is reported with all other faults.
        unknown = {name: value for name, value in returned.items() if name not in own}
        contact_id = self.create(context, CreateContact, **unknown)
        if self.wait_for_completion:
            self.wait_for_end(context, contact_id)
        return contact_id


def create_contact_task(python_callable: Callable[..., Any] | None = None, **kwargs: Any) -> TaskDecorator:
    """
    Wrap a function that returns a contact's arguments into a task that creates the contact.

    .. seealso::
        For more information on how to use this decorator, take a look at the guide:
        :ref:`howto/decorator:create_contact`

    :param python_callable: the function
    :param kwargs: arguments of :class:`~airflow_connect.operators.connect.CreateContactOperator`
    :raises ValueError: if one of them is wrong whatever the function returns
    """
    _CreateContactDecoratedOperator.check_arguments(kwargs.get("task_id", "@task.create_contact"), kwargs)
    return task_decorator_factory(
        python_callable=python_callable,
        # Airflow would infer it from a function that is annotated to return a dict; the task returns an ID.
        multiple_outputs=False,
        decorated_operator_class=_CreateContactDecoratedOperator,
        **kwargs,
    )
