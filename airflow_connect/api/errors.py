"""
The errors of calls to Amazon Connect and of tasks, one class for what helps.

This module does not know Airflow or a client. :mod:`airflow_connect.api.answers` finds which of them an answer is::

    ConnectError
    ├── RetryableError             again: 5xx, no or a broken answer
    │   ├── RowsFailedError        rows of a bulk task failed; another attempt sends what is missing
    │   └── ThrottledError         again, at a lower rate
    ├── RequestError               this request is wrong: another attempt ends the same way
    │   ├── InvalidRequestError    found before anything was sent; holds every fault
    │   ├── InvalidRowsError       rows of a bulk task have faults; nothing was sent
    │   ├── RowsRefusedError       rows of a bulk task failed, all of them for good
    │   └── IdempotencyError       the client token belongs to a request with other content
    ├── SetupError                 every request would fail: access, credentials, instance, endpoint, region
    ├── QuotaError                 wait or stop: too many active contacts
    ├── InputError                 the rows cannot be read; nothing was sent
    └── RecordError                what becomes of the rows cannot be recorded, or what was recorded cannot be read

An error's text says what is wrong, where, and what to do next. It never holds what a contact holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_connect.api.fields import Fault

__all__ = [
    "NOT_BY_ITSELF",
    "SAME_CONTENT",
    "ConnectError",
    "IdempotencyError",
    "InputError",
    "InvalidRequestError",
    "InvalidRowsError",
    "QuotaError",
    "RecordError",
    "RequestError",
    "RetryableError",
    "RowsFailedError",
    "RowsRefusedError",
    "SetupError",
    "ThrottledError",
    "attempt_is_over",
    "called_otherwise",
    "content_changed",
    "record_elsewhere",
    "result_unknown",
]


class ConnectError(Exception):
    """
    A call to Amazon Connect failed.

    :param message: what is wrong, where, and what to do next
    :param operation: the API operation: ``CreateContact``
    :param code: the error's code on the wire, or the name of botocore's exception
    :param status: the HTTP status, ``None`` where no answer came
    :param request_id: Amazon's identifier of the request, for AWS Support
    :param retry_after: seconds that the service asked to wait, ``None`` if it did not
    :param may_have_happened: whether the service may have carried out the call although no answer says so
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        code: str = "",
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        may_have_happened: bool = False,
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.code = code
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.may_have_happened = may_have_happened
        #: How often the call was sent; set by the code that retries it.
        self.attempts = 1


class RetryableError(ConnectError):
    """The same request can succeed later: throttled, an internal error of the service, no or a broken answer."""


class ThrottledError(RetryableError):
    """The account's rate of this operation is used up for the moment; nothing was done."""


class RowsFailedError(RetryableError):
    """More rows of a bulk task failed than are tolerated; another attempt sends only what is missing."""


class RequestError(ConnectError):
    """The request is wrong, and the same request will fail again."""


class InvalidRequestError(RequestError):
    """
    The request breaks rules of Amazon Connect; nothing was sent.

    :param operation: the API operation
    :param faults: all that is wrong with the request
    """

    def __init__(self, operation: str, faults: Sequence[Fault]) -> None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        lines = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(
            f"The request for {operation} has {count}; nothing was sent:{lines}",
            operation=operation,
            code="InvalidRequest",
        )
        self.faults = tuple(faults)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.operation, self.faults), self.__dict__


class IdempotencyError(RequestError):
    """The client token was used before, for a request with other content."""


class InvalidRowsError(RequestError):
    """Rows of a bulk task have faults, or are not those that an earlier attempt sent; nothing was sent."""


class RowsRefusedError(RequestError):
    """More rows of a bulk task failed than are tolerated, and a retry of the task would not help any of them."""


class SetupError(ConnectError):
    """Requests cannot succeed as things are: access or credentials are missing, the instance or endpoint is wrong."""


class QuotaError(ConnectError):
    """
    A quota of the instance that is not a rate is used up: active contacts, linked contacts, attached files.

    The service's reason is in the message and, where Amazon gives one, in :attr:`reason`.
    """

    #: Amazon's reason as a code, ``None`` if Amazon does not give one.
    reason: str | None = None


class InputError(ConnectError):
    """
    The rows of a bulk task cannot be read: no such file, no access, another encoding, an SQL error.

    Nothing was sent because of it. One bad row among good ones is not an ``InputError`` but that row's fault.
    """


class RecordError(ConnectError):
    """
    What becomes of the rows cannot be recorded (a full disk, no access), or the record is damaged.

    Each request is on record before it is sent. A contact whose outcome is not on record counts as unknown, and is sent
    again with the same client token.
    """


#: If the call may have happened, and the token does not prevent a second one.
NOT_BY_ITSELF: Final = (
    "It is not known whether the customer was called, so the call is not retried by itself: Amazon may forget the "
    "client token of a call that has ended, and would call a second time. Look for the contact in Amazon Connect; "
    "retry_unknown=True retries such calls."
)
SAME_CONTENT: Final = (
    "Render the same values on every attempt (no now(), no try_number, no upstream data that changes), or, if a second "
    "contact is wanted, give another idempotency_key."
)


def content_changed(
    operation: str, changed: Sequence[str] = (), *, recorded_by: Mapping[str, Any] | None = None, exists: bool = False
) -> IdempotencyError:
    """
    Return the error for a request whose contact was, or may have been, created with other content.

    :param operation: the API operation that is not called
    :param changed: the fields that differ, as far as they are known
    :param recorded_by: the task instance that called before: ``dag_id``, ``run_id``, ``task_id``, ``map_index``
        (default: an earlier attempt of the same one)
    :param exists: whether it is known that the contact was created
    """
    fields = f" Changed: {', '.join(changed)}." if changed else ""
    what = "created a contact with other content" if exists else "may have created a contact with other content"
    return IdempotencyError(
        f"{_who_called(recorded_by)} {what}; {operation} was not called.{fields} {SAME_CONTENT}",
        operation=operation,
        code="IdempotencyException",
    )


def result_unknown(operation: str) -> RequestError:
    """
    Return the error for a call that an earlier attempt may have sent, and that is not retried by itself.

    :param operation: the API operation that is not called
    """
    return RequestError(
        f"An earlier attempt may have called {operation}, and no answer is on record. {NOT_BY_ITSELF}",
        operation=operation,
        code="UnknownResult",
        may_have_happened=True,
    )


def record_elsewhere(path: str) -> RequestError:
    """
    Return the error for an attempt that does not find what the attempt before it must have recorded.

    :param path: the folder that it read
    """
    return RequestError(
        "Nothing was sent: an earlier attempt may have called, and this worker does not find its record in "
        f"{path}. Look for the contact in Amazon Connect. Set results_path or [amazon_connect] results_path to a "
        "folder that all workers share, such as one in an object store. retry_unknown=True calls again.",
        code="RecordElsewhere",
        may_have_happened=True,
    )


def attempt_is_over(later: Mapping[str, Any] | None = None) -> RecordError:
    """
    Return the error for an attempt of a task instance that a later one has replaced.

    :param later: the header of the later attempt's record, ``None`` where it is not known
    """
    which = "A later attempt" if later is None else f"Attempt {later.get('try_number')}"
    return RecordError(
        f"{which} of this task instance has begun since: Airflow took this worker for dead. This attempt sends nothing "
        "more, and leaves the summary, the progress and the file of failed rows to the later one.",
        code="AttemptIsOver",
    )


def called_otherwise(operation: str, recorded_by: Mapping[str, Any], *, exists: bool) -> IdempotencyError:
    """
    Return the error for a key that was used with another operation or in another Region.

    :param operation: the API operation that is not called
    :param recorded_by: the task instance that used it, as for :func:`content_changed`, with ``operation`` and
        ``region``
    :param exists: whether it is known that the contact was created
    """
    return IdempotencyError(
        f"{_who_called(recorded_by)} {'created' if exists else 'may have created'} a contact of this idempotency_key "
        f"with {recorded_by.get('operation')} in {recorded_by.get('region')}; {operation} was not called. If a second "
        "contact is wanted, give another idempotency_key.",
        operation=operation,
        code="IdempotencyException",
    )


def _who_called(recorded_by: Mapping[str, Any] | None) -> str:
    if recorded_by is None:
        return "An earlier attempt"
    map_index = recorded_by.get("map_index", -1)
    mapped = f", map index {map_index}" if map_index not in (-1, None) else ""
    dag_id, run_id, task_id = map(recorded_by.get, ("dag_id", "run_id", "task_id"))
    return f"Task {task_id!r}{mapped} of Dag {dag_id!r} in run {run_id!r}"
