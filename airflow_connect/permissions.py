"""
The actions of IAM that a role needs for what a Dag uses: the one table that documentation and command line read.

What each operator calls is observed by tests. Knows the names of operators and of their arguments, and imports none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow_connect.api.operations import CreateContact, operations_for_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["PERMISSIONS", "UNKNOWN", "Permission", "needed_actions", "policy"]


class _UnknownType:
    """The value of an argument that only the run knows: a template, or what a task is mapped over."""


UNKNOWN: Final = _UnknownType()


class Permission(NamedTuple):
    """
    An action that an operator needs.

    :param action: without the prefix ``connect:``
    :param when: in words, when it is called
    :param by_argument: whether an argument that is not the default makes the operator call it
    :param is_called: from the arguments of a task to whether they make the operator call it
    """

    action: str
    when: str = "always"
    by_argument: bool = False
    is_called: Callable[[Callable[[str], Any]], bool] = lambda _get: True


def _has(*names: str) -> Callable[[Callable[[str], Any]], bool]:
    """Return whether one of some arguments is given and not false."""
    return lambda get: any(get(name) is UNKNOWN or bool(get(name)) for name in names)


def _is(name: str, *values: Any) -> Callable[[Callable[[str], Any]], bool]:
    """Return whether an argument has one of some values."""
    return lambda get: get(name) is UNKNOWN or get(name) in values


def _not(condition: Callable[[Callable[[str], Any]], bool], *names: str) -> Callable[[Callable[[str], Any]], bool]:
    """Return the opposite, or true where one of the arguments is not known."""
    return lambda get: any(get(name) is UNKNOWN for name in names) or not condition(get)


_LINK: Final = Permission(
    "DescribeInstance",
    "for links only; not needed with `instance_alias` in the connection; the task works without it",
)
_TO_WAIT: Final = (
    Permission("DescribeContact", "`wait_for_completion=True`", True, _has("wait_for_completion")),
    Permission(
        "ListAssociatedContacts",
        "`wait_for_completion=True`: to follow a contact that is transferred",
        True,
        _has("wait_for_completion"),
    ),
    Permission("GetContactAttributes", "`outcome_attributes=…`", True, _has("outcome_attributes")),
    Permission("StopContact", "`stop_on_kill=True`", True, _has("stop_on_kill")),
)
_ROUTES: Final = ("contact_flow_id", "task_template_id", "quick_connect_id")


def _of_rows() -> tuple[Permission, ...]:
    first = CreateContact.short_name()
    return tuple(
        Permission(called.name, is_called=_is("operation", name))
        if name == first
        else Permission(
            called.name, f'`operation="{name}"`, in place of {CreateContact.name}', True, _is("operation", name)
        )
        for name, called in operations_for_rows().items()
    )


#: By the class of an operator or notifier, what it needs. A class that is derived from it needs the same.
PERMISSIONS: Final[Mapping[str, tuple[Permission, ...]]] = {
    "BulkCreateContactsOperator": (*_of_rows()[:1], _LINK, *_of_rows()[1:]),
    "CreateContactOperator": (Permission("CreateContact"), _LINK, *_TO_WAIT),
    "StartTaskContactOperator": (Permission("StartTaskContact"), _LINK, *_TO_WAIT),
    "StartOutboundVoiceContactOperator": (Permission("StartOutboundVoiceContact"), _LINK, *_TO_WAIT),
    "StopContactOperator": (
        Permission("StopContact"),
        Permission("DescribeContact", "the contact was transferred"),
        Permission("ListAssociatedContacts", "the contact was transferred"),
        _LINK,
    ),
    "UpdateContactAttributesOperator": (Permission("UpdateContactAttributes"), _LINK),
    "TransferContactOperator": (Permission("TransferContact"), _LINK),
    "TagContactOperator": (Permission("TagContact"), _LINK),
    "ContactBranchOperator": (Permission("GetContactAttributes"), _LINK),
    "ContactSensor": (
        Permission("DescribeContact"),
        Permission("ListAssociatedContacts", "to follow a contact that is transferred; the wait works without it"),
        Permission("SearchContacts", "more than 10 contacts are open; the wait works without it"),
        _LINK,
        Permission(
            "GetContactAttributes",
            "`attributes=…`, or conditions on attributes",
            True,
            _has("attributes", "fail_if", "skip_if"),
        ),
        Permission(
            "StopContact",
            '`on_timeout="stop"` or `stop_on_kill=True`',
            True,
            lambda get: _is("on_timeout", "stop")(get) or _has("stop_on_kill")(get),
        ),
    ),
    "ContactNotifier": (
        Permission(
            "CreateContact",
            "no flow, task template or quick connect is named",
            is_called=lambda get: _not(_has(*_ROUTES), *_ROUTES)(get) and _not(_is("action", "stop"), "action")(get),
        ),
        Permission(
            "StartTaskContact",
            "a flow, a task template or a quick connect is named",
            is_called=lambda get: _has(*_ROUTES)(get) and _not(_is("action", "stop"), "action")(get),
        ),
        Permission(
            "SearchContacts",
            '`scope="dag"` or `action="stop"`',
            is_called=lambda get: _is("scope", "dag")(get) or _is("action", "stop")(get),
        ),
        Permission(
            "DescribeContact",
            '`scope="dag"` or `action="stop"`',
            is_called=lambda get: _is("scope", "dag")(get) or _is("action", "stop")(get),
        ),
        Permission("StopContact", '`action="stop"`', is_called=_is("action", "stop")),
    ),
}


def needed_actions(names: Iterable[str], get: Callable[[str], Any]) -> set[str]:
    """
    Return the actions that a task needs, none if its operator is not one of this package.

    :param names: the names of its operator's class and of those that this is derived from
    :param get: from the name of an argument to its value: ``None`` if it is not given, :data:`UNKNOWN` if only the run
        knows it
    """
    found = next((PERMISSIONS[name] for name in names if name in PERMISSIONS), ())
    return {permission.action for permission in found if permission.is_called(get)}


def policy(
    actions: Iterable[str],
    *,
    instance: str = "INSTANCE_ID",
    region: str = "REGION",
    account: str = "ACCOUNT",
    partition: str = "aws",
) -> dict[str, Any]:
    """
    Return a policy of IAM that allows actions on an instance and all that is in it.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonconnect.html

    :param actions: without the prefix ``connect:``
    :param instance: the instance's ID
    :param region: of the instance
    :param account: that the instance is in
    :param partition: of AWS: ``aws``, ``aws-us-gov``
    """
    arn = f"arn:{partition}:connect:{region}:{account}:instance/{instance}"
    statement = {
        "Effect": "Allow",
        "Action": [f"connect:{action}" for action in sorted(actions)],
        "Resource": [arn, f"{arn}/*"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
