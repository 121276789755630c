"""
What the operators and the sensor have in common: the instance, hidden fields, errors, links.

Knows Airflow and the hook, and no operation of Amazon Connect.
"""

from __future__ import annotations

import copy
import functools
import math
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Final, ParamSpec, TypeVar

from airflow.providers.amazon.aws.utils.mixins import AwsBaseHookMixin

from airflow_connect._compat import (
    AirflowFailException,
    BaseOperatorLink,
    RenderedTask,
    conf,
    default_results_path,
    is_from_mapped,
    is_resumed,
)
from airflow_connect._frames import forget_variables
from airflow_connect.api.errors import InvalidRequestError, RequestError
from airflow_connect.api.fields import ID_RULE, PHONE_NUMBER_RULE, Fault, describe, is_phone_number
from airflow_connect.calls.defaults import MAX_RETRY_TIME
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.links.connect import ContactLink, InstanceLink, contact_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow.sdk import Context

    from airflow_connect.api.operations import Operation

__all__ = [
    "ConnectTask",
    "Hidden",
    "Rule",
    "broken_rules",
    "choice",
    "confidential",
    "given_text",
    "is_constant",
    "named",
    "number",
    "one_of",
    "results_root",
    "rules_of",
    "truth",
    "truth_value",
]

#: What the UI's forms and templates write for a truth value.
_TRUTH: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "false": False,
    "0": False,
    "no": False,
    "none": False,
    "": False,
}

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Task = TypeVar("Task", bound="ConnectTask")


class Hidden:
    """
    The value of a field that Airflow must not store: it takes the value's place until the task runs.

    It is the field's value, rather than kept beside it, so that it belongs to one run: ``dag.test()`` runs shallow
    copies of one operator.

    :param value: the true value
    :param shown: what Airflow stores and shows instead
    """

    def __init__(self, value: Any, shown: Any = "***") -> None:
        self.value = value
        self._shown = shown

    def __repr__(self) -> str:
        """Return what may be shown."""
        return str(self._shown)

    def serialize(self) -> Any:
        """Return what Airflow stores."""
        return self._shown


def named(value: Any) -> Any:
    """
    Return an argument as the Dag has it: a function behind its name, and everything else as it is.

    Airflow 2.11 and 3.0 store a function's address, another one whenever they read the Dag file: each is a new version
    of the Dag for 3.0.

    :param value: what the author gave
    """
    if not callable(value):
        return value
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return Hidden(value, f"<function {name}>")


def _storable(value: Any) -> Any:
    """
    Return a rendered value as Airflow can store it: the value itself if it can.

    Airflow fails a task whose rendered fields hold a number that is not finite, as pandas gives it, one of more than 64
    bits, or text that UTF-8 cannot express (3.3), or its database does (PostgreSQL).
    """
    match value:
        case bool():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case int():
            return value if -(2**63) <= value < 2**63 else str(value)
        case str():
            return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_storable(item) for item in value]
    return value


def _can_be_stored(value: Any) -> bool:
    match value:
        case dict():
            return all(map(_can_be_stored, value)) and all(map(_can_be_stored, value.values()))
        case list() | tuple() | set() | frozenset():
            return all(map(_can_be_stored, value))
        case bool() | float() | int() | str():
            return bool(_storable(value) == value)
    return True


def given_text(value: object) -> str | None:
    """
    Return a rendered argument as text, ``None`` where a form or a template says that there is none.

    :param value: what it was rendered to
    """
    text = "" if value is None else str(value).strip()
    return None if text in {"", "None"} else text


def truth(name: str, value: object) -> bool:
    """
    Return a rendered argument as a truth value: a form or a template gives it as text.

    :param name: the argument
    :param value: what it was rendered to
    :raises ValueError: if it is something else
    """
    found = _TRUTH.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"{name} must be true or false.")
    return found


#: What an option must be: a function that returns the rule that a value breaks, such as "must be fail or skip".
Rule = Callable[[Any], "str | None"]


def one_of(*words: str) -> Rule:
    """Return the rule of an option that is one of a few words."""
    listed = " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return lambda value: None if isinstance(value, str) and value in words else f"must be {listed}"


def number(least: float = 0, most: float = math.inf, *, above: bool = False) -> Rule:
    """
    Return the rule of an option that is a number, also as text.

    :param least: the least number
    :param most: the greatest
    :param above: whether it has to be greater than the least
    """
    must = f"must be a number {'above' if above else 'from'} {least:g}{f' to {most:g}' if most < math.inf else ''}"

    def rule(value: Any) -> str | None:
        try:
            found = float(value)
        except (TypeError, ValueError):
            return must
        return None if least <= found <= most and not (above and found == least) else must

    return rule


def truth_value(value: Any) -> str | None:
    """Return the rule of a truth value, also as text, if a value breaks it."""
    return None if str(value).strip().lower() in _TRUTH else "must be true or false"


def rules_of(operation: type[Operation]) -> dict[str, Rule]:
    """
    Return the rules of an operation's arguments that need neither the service's model nor another argument.

    :param operation: the operation
    """
    return {
        **{name: _identifier for name in operation.parameters if name.endswith("_id")},
        **{name: _phone_number for name in operation.parameters if name.endswith("_phone_number")},
        **{name: one_of(*words) for name, words in operation.words.items()},
    }


def _identifier(value: Any) -> str | None:
    return ID_RULE if isinstance(value, str) and len(value.split()) > 1 else None


def _phone_number(value: Any) -> str | None:
    return None if is_phone_number(str(value)) else PHONE_NUMBER_RULE


def choice(name: str, value: object, choices: Collection[str]) -> str:
    """
    Return a rendered argument that is one of a few words.

    :param name: the argument
    :param value: what it was rendered to
    :param choices: the words
    :raises ValueError: if it is something else
    """
    if broken := one_of(*choices)(value):
        raise ValueError(f"{name} {broken}.")
    return str(value)


def results_root(given: str | None, operation: str) -> Any:
    """
    Return the folder below which a task records what it creates: the author's, the configuration's, or one of ours.

    :param given: the author's ``results_path``
    :param operation: the API operation, for messages
    :raises InvalidRequestError: if it is on this worker's disk although ``[amazon_connect] require_shared_results`` is
        on
    """
    from airflow_connect.record.storage import Place, folder_of

    folder = folder_of(given or default_results_path())
    if conf.getboolean("amazon_connect", "require_shared_results", fallback=False) and Place(folder).is_local:
        rule = (
            "must be in an object store, such as s3://conn_id@bucket/contacts, since [amazon_connect] "
            "require_shared_results is on; its default is [amazon_connect] results_path"
        )
        raise InvalidRequestError(operation, [Fault("results_path", rule, str(folder))])
    return folder


#: Text that is not a template, whatever signs the Dag's Jinja environment has for them.
_NO_TEMPLATE: Final = re.compile(r"[\w .,:/@%+-]*")
#: Characters up to which a constant is quoted.
_QUOTED: Final = 60


def is_constant(value: Any) -> bool:
    """Return whether an argument is known when the Dag is read: no template, no output of a task and no function."""
    match value:
        case bool() | int() | float():
            return True
        case str():
            return bool(_NO_TEMPLATE.fullmatch(value))
        case list() | tuple() | set() | frozenset():
            return bool(value) and all(map(is_constant, value))
        case dict():
            return bool(value) and all(isinstance(key, str) for key in value) and all(map(is_constant, value.values()))
    return False


def broken_rules(rules: Mapping[str, Rule], arguments: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """
    Yield what is wrong with constants of the author, which are quoted: "on_invalid must be fail or skip, not 'stop'".

    :param rules: by the arguments' names
    :param arguments: what the author gave
    :param prefix: what is put before the names
    """
    for name, value in arguments.items():
        if name not in rules or not is_constant(value) or given_text(value) is None:
            continue
        if broken := rules[name](value):
            # A number may be a customer's, also where the author wrote it.
            is_shown = len(repr(value)) <= _QUOTED and rules[name] is not _phone_number
            shown = repr(value) if is_shown else describe(value)
            yield f"{prefix}{name} {broken}, not {shown}"


def confidential(
    method: Callable[Concatenate[Task, Parameters], Result],
) -> Callable[Concatenate[Task, Parameters], Result]:
    """
    Decorate a method that Airflow calls to run a task (``execute``, ``execute_complete``, ``poke``).

    In the method, hidden fields have their true values; afterwards they are hidden again. An exception leaves it
    without the variables of the functions that it came through, which hold what a contact holds. A request that was
    refused fails the task for good, since another attempt would be refused alike.

    :param method: the method of a :class:`ConnectTask`
    """

    @functools.wraps(method)
    def run(self: Task, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with self.true_fields():
            try:
                return method(self, *args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # a time-out too; it is raised below
                failure = error
        # Raised out here, where it gets no context.
        forget_variables(failure)
        del args, kwargs
        if isinstance(failure, RequestError):
            raise AirflowFailException(str(failure))
        raise failure

    return run


class _Partial:
    """
    A task that is to be mapped.

    :param task: the operator's class
    :param given: the arguments that all instances have
    :param partial: Airflow's
    """

    def __init__(self, task: type[ConnectTask], given: Mapping[str, Any], partial: Any) -> None:
        self._task = task
        self._given = given
        self._partial = partial

    def expand(self, **mapped: Any) -> Any:
        """Map over the values of arguments, as Airflow's operators do."""
        lists = {name: values for name, values in mapped.items() if isinstance(values, list | tuple)}
        in_dag = {name: [self._task.in_dag(name, value) for value in values] for name, values in lists.items()}
        each = [(name, value) for name, values in lists.items() for value in values]
        operator = self._follow(self._partial.expand(**{**mapped, **in_dag}), each)
        self._task.check_mapped(operator.task_id, mapped)
        return operator

    def expand_kwargs(self, kwargs: Any, **options: Any) -> Any:
        """Map over dicts of arguments, as Airflow's operators do."""
        if not isinstance(kwargs, list | tuple):
            return self._follow(self._partial.expand_kwargs(kwargs, **options), ())
        in_dag = [
            {name: self._task.in_dag(name, value) for name, value in row.items()} if isinstance(row, Mapping) else row
            for row in kwargs
        ]
        rows = [row for row in kwargs if isinstance(row, Mapping)]
        each = [pair for row in rows for pair in row.items()]
        operator = self._follow(self._partial.expand_kwargs(in_dag, **options), each)
        for name in dict(each):
            self._task.check_mapped(operator.task_id, {name: [row[name] for row in rows if name in row]})
        return operator

    def _follow(self, operator: Any, mapped: Iterable[tuple[str, Any]]) -> Any:
        for name, value in (*self._given.items(), *mapped):
            self._task.set_upstream_of(operator, name, value)
        return operator


class ConnectTask(RenderedTask, AwsBaseHookMixin[ConnectHook]):
    """
    Give an operator or sensor the hook's parameters, fields that Airflow does not show, and links.

    :param instance_id: the ID or ARN of the instance (templated). Default: ``service_config.connect.instance_id`` in
        the extra of the connection.
    :param max_retry_time: seconds for which a call is retried after its first failure, throttling included; 0 for a
        single attempt (default: 300)
    :param sensitive_fields: names of templated arguments that Airflow's UI shows as ``***``; Amazon Connect gets the
        true values
    """

    aws_hook_class = ConnectHook
    operator_extra_links: Collection[BaseOperatorLink] = (ContactLink(), InstanceLink())
    ui_color = "#eef6ff"

    #: What the links of this run need, as far as this process knows: a task that was resumed has stored it before.
    link_of_run: Mapping[str, Any] | None = None

    #: What options must be, by the names of the arguments; see :meth:`check_constants`.
    rules: ClassVar[Mapping[str, Rule]] = {"max_retry_time": number()}
    #: The arguments of which only one may be given, and why.
    exclusive: ClassVar[Mapping[tuple[str, ...], str]] = {}

    _fields_are_true = False

    def __init__(
        self,
        *,
        instance_id: str | None = None,
        max_retry_time: float = MAX_RETRY_TIME,
        sensitive_fields: Sequence[str] | None = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.instance_id = instance_id
        self.max_retry_time = max_retry_time
        self.sensitive_fields = sensitive_fields
        self.check_constants(max_retry_time=max_retry_time, sensitive_fields=sensitive_fields)

    # --- What the Dag has of the arguments ------------------------------------------------------------------------

    @classmethod
    def in_dag(cls, _name: str, value: Any) -> Any:
        """
        Return an argument as the Dag has it, since Airflow stores a Dag with the arguments of its tasks.

        :param _name: the argument
        :param value: what the author gave
        """
        return named(value)

    @classmethod
    def set_upstream_of(cls, operator: Any, name: str, value: Any) -> None:
        """
        Let an operator follow the tasks whose outputs Airflow does not find in an argument.

        :param operator: of this class, or mapped to it
        :param name: the argument
        :param value: what the author gave
        """

    def check_constants(self, **arguments: Any) -> None:
        """
        Check what the author wrote, as far as it is known when the Dag is read; the rest is checked when the task runs.

        :param arguments: by their names
        :raises ValueError: naming the task, and every argument that is wrong, with its rule and its value
        """
        # Of a mapped task, the arguments that all instances have were checked already, and others may be data.
        if not is_from_mapped(self):
            self.check_arguments(self.task_id, arguments)

    @classmethod
    def check_arguments(cls, task_id: str, arguments: Mapping[str, Any]) -> None:
        """
        Check the constants among arguments.

        :param task_id: the task
        :param arguments: by their names
        :raises ValueError: naming the task, and every argument that is wrong, with its rule and its value
        """
        if wrong := list(cls.wrong_constants(arguments)):
            raise ValueError(f"Task {task_id!r}: {'; '.join(wrong)}.")

    @classmethod
    def wrong_constants(cls, arguments: Mapping[str, Any]) -> Iterator[str]:
        """
        Yield what is wrong with the constants among arguments.

        :param arguments: by their names
        """
        yield from broken_rules(cls.rules, arguments)
        for names, reason in cls.exclusive.items():
            if all(is_constant(arguments.get(name)) for name in names):
                yield f"{' and '.join(names)} exclude each other: {reason}"
        hidden = arguments.get("sensitive_fields")
        if hidden is not None and (isinstance(hidden, str) or not isinstance(hidden, Collection)):
            yield f"sensitive_fields must be a list of names, not {hidden!r}"
        elif unknown := sorted(set(hidden or ()) - set(cls.template_fields)):
            yield f"sensitive_fields names {', '.join(unknown)}; it can name {', '.join(cls.template_fields)}"

    @classmethod
    def check_mapped(cls, task_id: str, mapped: Mapping[str, Any]) -> None:
        """
        Check what a task is mapped over, as far as it is known when the Dag is read.

        :param task_id: the task
        :param mapped: the arguments by their names, each with its values: all of them are combined with all others
        :raises ValueError: naming the task and the argument
        """

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Return what is to be mapped, with arguments as the Dag has them."""
        cls.check_arguments(kwargs.get("task_id", cls.__name__), kwargs)
        return _Partial(cls, kwargs, super().partial(**{name: cls.in_dag(name, kwargs[name]) for name in kwargs}))

    @property
    def _hook_parameters(self) -> dict[str, Any]:
        return {
            **super()._hook_parameters,
            "instance_id": self.instance_id,
            "max_retry_time": self.max_retry_time,
        }

    # --- Hidden fields --------------------------------------------------------------------------------------------

    def before_rendering(self, context: Context) -> Collection[str]:
        """
        Give this run objects of its own where Airflow would render those that the Dag's operator has.

        :param context: the context of the task instance
        """
        # Whatever the task does, this comes first.
        self.link_of_run = None if is_resumed(context["ti"]) else {}
        for name in self.template_fields:
            value = getattr(self, name)
            if hasattr(value, "template_fields"):
                setattr(self, name, copy.copy(value))
        return super().before_rendering(context)

    def after_rendering(self) -> None:
        """
        Hide the sensitive fields.

        :raises AirflowFailException: if ``sensitive_fields`` names something else, which would be shown
        """
        unknown = sorted(set(self.sensitive_fields or ()) - set(self.template_fields))
        if unknown:
            raise AirflowFailException(
                f"sensitive_fields of task {self.task_id!r} names {', '.join(unknown)}; "
                f"it can name {', '.join(self.template_fields)}."
            )
        self.hide_fields()

    def fields_to_hide(self) -> set[str]:
        """Return the names of the fields that Airflow must not store."""
        return set(self.sensitive_fields or ())

    def hide_fields(self) -> None:
        """Hide the fields that are to be hidden and are not, and those that Airflow cannot store as they are."""
        sensitive = self.fields_to_hide()
        for name in self.template_fields:
            value = getattr(self, name)
            if value is None or isinstance(value, Hidden):
                continue
            if name in sensitive:
                setattr(self, name, Hidden(value))
            elif callable(value):
                setattr(self, name, named(value))
            elif not _can_be_stored(value):
                setattr(self, name, Hidden(value, _storable(value)))

    @contextmanager
    def true_fields(self) -> Iterator[None]:
        """Let fields have their true values, and hide them again."""
        if self._fields_are_true:
            yield
            return
        for name in self.template_fields:
            value = getattr(self, name)
            if isinstance(value, Hidden):
                setattr(self, name, value.value)
        self._fields_are_true = True
        try:
            yield
        finally:
            self._fields_are_true = False
            self.hide_fields()

    # --- Links ----------------------------------------------------------------------------------------------------

    def store_link(self, context: Context, contact_id: str | None = None, **identifiers: Any) -> str:
        """
        Store what the links and the Contacts tab need: identifiers, and nothing that a contact holds.

        :param context: the context of the task instance
        :param contact_id: the contact, if the task has a single one
        :param identifiers: what else the tab needs: the ``contact_ids`` of a few contacts, the ``results`` that the
            task works with and their ``results_conn_id``, and the contact that was ``acted_on``; what is ``None`` is
            left out
        :return: the address of the contact's page for the log
        """
        url = self.hook.instance_access_url
        known = {"instance_access_url": url, "contact_id": contact_id, **identifiers}
        stored = {name: value for name, value in known.items() if value is not None}
        # Also if a link does not exist: a task that is resumed reads it.
        context["ti"].xcom_push(key=ContactLink.xcom, value=stored)
        self.link_of_run = stored
        if url is None:
            return "no link"
        return contact_url(url, contact_id) if contact_id else url
