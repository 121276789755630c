"""
Every way in which a call to Amazon Connect can fail, sorted once by its cure.

This module knows no Airflow and no client. Its errors::

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
    ├── InputError                 the rows to make contacts of cannot be read; nothing was sent
    └── LedgerError                what becomes of the rows cannot be recorded, or what was recorded cannot be read

An error's text says what is wrong, where, and what to do next. It never holds what a contact holds: the
service's own words are kept, but everything in them that the request contained is struck out.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_connect.api.fields import Fault
    from airflow_connect.api.operations import Operation

__all__ = [
    "ConnectError",
    "Cure",
    "IdempotencyError",
    "InputError",
    "InvalidRequestError",
    "InvalidRowsError",
    "LedgerError",
    "QuotaError",
    "RequestError",
    "RetryableError",
    "RowsFailedError",
    "RowsRefusedError",
    "SetupError",
    "ThrottledError",
    "answer_cut_off",
    "content_changed",
    "sort_error",
]


class Cure(enum.Enum):
    """What helps against an error."""

    #: The same request again, later.
    RETRY = "retry"
    #: Another request: the author or the data must change.
    REQUEST = "request"
    #: Another connection, permission or instance: no request of this task can succeed.
    SETUP = "setup"
    #: Fewer active contacts, or a higher quota.
    WAIT = "wait"
    #: Other rows, or access to them: what they are read from cannot be read.
    INPUT = "input"
    #: Room for the results, and access to them: where they are recorded cannot be written or read.
    RESULTS = "results"


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

    cure: ClassVar[Cure]

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
        #: How often the call was sent; set by whoever repeats it.
        self.attempts = 1


class RetryableError(ConnectError):
    """The same request can succeed later: throttled, an internal error of the service, no or a broken answer."""

    cure = Cure.RETRY


class ThrottledError(RetryableError):
    """The account's rate of this operation is used up for the moment; nothing was done."""


class RowsFailedError(RetryableError):
    """More rows of a bulk task failed than are tolerated; another attempt sends only what is missing."""


class RequestError(ConnectError):
    """The request is wrong, and the same request will fail again."""

    cure = Cure.REQUEST


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
    """Rows of a bulk task have faults; nothing was sent."""


class RowsRefusedError(RequestError):
    """More rows of a bulk task failed than are tolerated, and none of them for a reason that passes."""


class SetupError(ConnectError):
    """No request can succeed as things are: access denied, no credentials, no such instance, wrong endpoint."""

    cure = Cure.SETUP


class QuotaError(ConnectError):
    """
    A quota of the instance that is no rate is used up: active contacts, linked contacts, attached files.

    The service's reason is in the message and, where Amazon gives one, in :attr:`reason`.
    """

    cure = Cure.WAIT
    #: Amazon's reason as a code, ``None`` where it gives none.
    reason: str | None = None


class InputError(ConnectError):
    """
    The rows to make contacts of cannot be read: no such file, no access, another encoding, an SQL error.

    Nothing was sent because of it. One bad row among good ones is no ``InputError`` but that row's fault.
    """

    cure = Cure.INPUT


class LedgerError(ConnectError):
    """
    What becomes of the rows cannot be recorded (a full disk, no access), or the record is damaged.

    No request is sent that is not on record. A contact whose outcome is not on record counts as unknown, and is sent
    again with the same client token.
    """

    cure = Cure.RESULTS


class _Sorted(NamedTuple):
    error: type[ConnectError]
    advice: str


_AGAIN: Final = "It can succeed if it is sent again; the same client token makes no second contact."
#: In place of :data:`_AGAIN` where the call may have happened and the token does not prevent a second one.
_NOT_BY_ITSELF: Final = (
    "Nobody knows whether the customer was called, so that the call is not repeated by itself: Amazon may forget the "
    "client token of a call that has ended, and would call a second time. Look for the contact in Amazon Connect; "
    "repeat_unknown=True repeats such calls."
)
_THROTTLED: Final = (
    "Send fewer at a time (max_active_tis_per_dagrun or a pool), allow more time (max_retry_time), or ask AWS for "
    "a higher rate of this operation."
)
_REFUSED: Final = "Change what the message names; the same request will be refused again."
_CREDENTIALS: Final = "Check the credentials of the Amazon Web Services connection, and whether they have expired."
_DENIED: Final = "Allow connect:{operation} on the instance and its contacts to the role or user of the connection."
_INSTANCE: Final = "Check instance_id and region_name: the instance is not there."
_RESOURCE: Final = "Check that these belong to the instance: {resources}; and instance_id and region_name."
_QUOTA: Final = (
    "Wait until contacts have ended, end some (StopContactOperator), or ask AWS for a higher quota of active contacts."
)
_SAME_CONTENT: Final = (
    "Render the same values on every attempt (no now(), no try_number, no upstream data that changes), or, if a second "
    "contact is wanted, give another idempotency_key."
)
_OTHER_CONTENT: Final = (
    f"Amazon Connect has a contact for this client token that was made from other content. {_SAME_CONTENT}"
)

#: Codes on the wire, without their namespace. Those of CreateContact:
#: https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html, those of every AWS service:
#: https://docs.aws.amazon.com/connect/latest/APIReference/CommonErrors.html
_BY_CODE: Final[Mapping[str, _Sorted]] = {
    "ThrottlingException": _Sorted(ThrottledError, _THROTTLED),
    "Throttling": _Sorted(ThrottledError, _THROTTLED),
    "TooManyRequestsException": _Sorted(ThrottledError, _THROTTLED),
    "RequestLimitExceeded": _Sorted(ThrottledError, _THROTTLED),
    "LimitExceededException": _Sorted(ThrottledError, _THROTTLED),
    "InternalServiceException": _Sorted(RetryableError, _AGAIN),
    "InternalFailure": _Sorted(RetryableError, _AGAIN),
    "ServiceUnavailable": _Sorted(RetryableError, _AGAIN),
    "ServiceUnavailableException": _Sorted(RetryableError, _AGAIN),
    "RequestTimeout": _Sorted(RetryableError, _AGAIN),
    "RequestTimeoutException": _Sorted(RetryableError, _AGAIN),
    "RequestAbortedException": _Sorted(RetryableError, _AGAIN),
    "ConflictException": _Sorted(RetryableError, "Another change of the same resource is under way. " + _AGAIN),
    "InvalidRequestException": _Sorted(RequestError, _REFUSED),
    "InvalidParameterException": _Sorted(RequestError, _REFUSED),
    "ValidationException": _Sorted(RequestError, _REFUSED),
    "ValidationError": _Sorted(RequestError, _REFUSED),
    "PropertyValidationException": _Sorted(RequestError, _REFUSED),
    "SerializationException": _Sorted(RequestError, _REFUSED),
    "IdempotencyException": _Sorted(IdempotencyError, _OTHER_CONTENT),
    "ContactNotFoundException": _Sorted(RequestError, "The contact has ended, or the instance never had it."),
    "ServiceQuotaExceededException": _Sorted(QuotaError, _QUOTA),
    "DestinationNotAllowedException": _Sorted(
        RequestError,
        "Calls to the country or the prefix of this number are not allowed; ask AWS to allow them, or leave it out.",
    ),
    "OutboundContactNotPermittedException": _Sorted(
        RequestError, "Amazon Connect does not permit this call; check the number, and that the instance may call out."
    ),
    "AccessDeniedException": _Sorted(SetupError, _DENIED),
    "AccessDenied": _Sorted(SetupError, _DENIED),
    "NotAuthorized": _Sorted(SetupError, _DENIED),
    "InvalidActiveRegionException": _Sorted(
        SetupError, "This Region is not the active one of the traffic distribution group; change region_name."
    ),
    "ExpiredToken": _Sorted(SetupError, _CREDENTIALS),
    "ExpiredTokenException": _Sorted(SetupError, _CREDENTIALS),
    "IncompleteSignature": _Sorted(SetupError, _CREDENTIALS),
    "IncompleteSignatureException": _Sorted(SetupError, _CREDENTIALS),
    "InvalidClientTokenId": _Sorted(SetupError, _CREDENTIALS),
    "InvalidSignatureException": _Sorted(SetupError, _CREDENTIALS),
    "SignatureDoesNotMatch": _Sorted(SetupError, _CREDENTIALS),
    "MissingAuthenticationToken": _Sorted(SetupError, _CREDENTIALS),
    "MissingAuthenticationTokenException": _Sorted(SetupError, _CREDENTIALS),
    "UnrecognizedClientException": _Sorted(SetupError, _CREDENTIALS),
    "RequestExpired": _Sorted(SetupError, "The worker's clock is wrong by minutes; set it right."),
    "OptInRequired": _Sorted(SetupError, "The AWS account is not signed up for Amazon Connect in this Region."),
    "UnknownOperationException": _Sorted(
        SetupError, "The endpoint does not know this operation; check endpoint_url and region_name."
    ),
}

#: botocore's exceptions by name, so that importing this module does not import botocore.
#: The last column: whether the request may have reached the service.
_BY_BOTOCORE_NAME: Final[Mapping[str, tuple[_Sorted, bool]]] = {
    "EndpointConnectionError": (
        _Sorted(RetryableError, "Check the network, endpoint_url and region_name."),
        False,
    ),
    "ConnectTimeoutError": (
        _Sorted(RetryableError, "Check the network, endpoint_url and region_name."),
        False,
    ),
    "ProxyConnectionError": (_Sorted(RetryableError, "Check the proxy in botocore_config."), False),
    "SSLError": (_Sorted(SetupError, "Check verify, and the certificates that the worker trusts."), False),
    "ConnectionClosedError": (_Sorted(RetryableError, _AGAIN), True),
    "ReadTimeoutError": (_Sorted(RetryableError, _AGAIN), True),
    "ResponseStreamingError": (_Sorted(RetryableError, _AGAIN), True),
    "IncompleteReadError": (_Sorted(RetryableError, _AGAIN), True),
    "HTTPClientError": (_Sorted(RetryableError, _AGAIN), True),
    "ConnectionError": (_Sorted(RetryableError, "Check the network, endpoint_url and region_name."), False),
    "ResponseParserError": (_Sorted(RetryableError, _AGAIN), True),
    "ParamValidationError": (_Sorted(RequestError, _REFUSED), False),
    "NoRegionError": (
        _Sorted(SetupError, "Give region_name on the task or in the Amazon Web Services connection."),
        False,
    ),
    "NoCredentialsError": (_Sorted(SetupError, _CREDENTIALS), False),
    "PartialCredentialsError": (_Sorted(SetupError, _CREDENTIALS), False),
    "CredentialRetrievalError": (_Sorted(SetupError, _CREDENTIALS), False),
    "TokenRetrievalError": (_Sorted(SetupError, _CREDENTIALS), False),
    "NoAuthTokenError": (_Sorted(SetupError, _CREDENTIALS), False),
    "ProfileNotFound": (_Sorted(SetupError, "Check profile_name in the connection's extra."), False),
    "BotoCoreError": (
        _Sorted(SetupError, "Check the Amazon Web Services connection and botocore_config."),
        False,
    ),
}

_RESOURCE_MEMBERS: Final = (
    "ContactId",
    "InitialContactId",
    "RelatedContactId",
    "PreviousContactId",
    "ContactFlowId",
    "QuickConnectId",
    "TaskTemplateId",
    "QueueId",
    "UserId",
    "UserInfo",
)
#: What a contact holds, as opposed to what identifies it.
_CONTENT_MEMBERS: Final = (
    "Name",
    "Description",
    "Attributes",
    "References",
    "SegmentAttributes",
    "Attachments",
    "Tags",
)


def sort_error(error: Exception, operation: str, params: Mapping[str, Any]) -> ConnectError | None:
    """
    Return what an exception of botocore's client means, ``None`` for one that is not botocore's.

    :param error: what the client raised
    :param operation: the API operation that was called
    :param params: the parameters of the call: their content is struck out of the service's message
    """
    response = getattr(error, "response", None)
    if isinstance(response, Mapping) and "Error" in response:
        return _sort_answer(response, getattr(error, "operation_name", operation), operation, params)
    for kind in type(error).__mro__:
        of_botocore = kind.__module__ in {"botocore.exceptions", "botocore.parsers"}
        if of_botocore and (found := _BY_BOTOCORE_NAME.get(kind.__name__)):
            return _sort_botocore(error, found, operation)
    return None


def answer_cut_off(operation: str, member: str, response: Mapping[str, Any]) -> RetryableError:
    """
    Return the error for an answer that says success and has not what it is about.

    boto3 returns a body that breaks off as a success with nothing in it.

    :param operation: the API operation that was called
    :param member: what is missing: ``ContactId``
    :param response: botocore's parsed response
    """
    metadata = response.get("ResponseMetadata", {})
    advice = _advice(_AGAIN, operation, may_have_happened=True)
    return RetryableError(
        f"{operation} answered without {member}: the answer was cut off on its way. {advice}",
        operation=operation,
        code=f"No{member}",
        status=metadata.get("HTTPStatusCode"),
        request_id=metadata.get("RequestId"),
        may_have_happened=True,
    )


def content_changed(operation: str, changed: Sequence[str] = ()) -> IdempotencyError:
    """
    Return the error for a request that an earlier attempt may have carried out with other content.

    :param operation: the API operation that is not called
    :param changed: the fields that differ, as far as they are known
    """
    fields = f" Changed: {', '.join(changed)}." if changed else ""
    return IdempotencyError(
        f"An earlier attempt may have made a contact from other content; {operation} was not called.{fields} "
        f"{_SAME_CONTENT}",
        operation=operation,
        code="IdempotencyException",
    )


def _sort_answer(response: Mapping[str, Any], called: str, operation: str, params: Mapping[str, Any]) -> ConnectError:
    error = response["Error"]
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode")
    # "Throttling" and "com.amazonaws.connect#ThrottlingException:http://…" are both seen on the wire.
    code = str(error.get("Code", "")).rpartition("#")[2].partition(":")[0]
    kind: type[ConnectError]
    happened = status is None or status >= 500
    if called != operation:
        # A role is assumed before the call. What stands in its way, unless it passes, stands in every call's way.
        kind, advice = _BY_CODE.get(code) or _by_status(status)
        if issubclass(kind, RetryableError):
            kind, advice = RetryableError, _AGAIN  # throttled or not, it says nothing about the operation's own rate
        else:
            kind, advice = SetupError, f"Check role_arn and what may assume it ({called})."
        happened = False
    elif code == "ResourceNotFoundException":
        named = [member for member in _RESOURCE_MEMBERS if params.get(member)]
        kind, advice = (RequestError, _RESOURCE) if named else (SetupError, _INSTANCE)
        advice = advice.format(resources=", ".join(named))
    else:
        kind, advice = _BY_CODE.get(code) or _by_status(status)
        code_of_quota, quota = _class_of(operation).quota
        if code == code_of_quota:
            kind, advice = QuotaError, _QUOTA.replace("active contacts", quota)
        advice = _advice(advice, operation, may_have_happened=happened).format(operation=operation)
    words = _strike_out(str(error.get("Message") or response.get("Message") or ""), params)
    reason = _reason(response)
    said = f' Amazon says: "{words}".' if words else ""
    because = f" Reason: {reason}." if reason else ""
    request_id = metadata.get("RequestId")
    sorted_error = kind(
        f"{called} failed with {code or 'an error'} (HTTP {status}).{said}{because} {advice}"
        + (f" Request ID {request_id}." if request_id else ""),
        operation=operation,
        code=code,
        status=status,
        request_id=request_id,
        retry_after=_retry_after(metadata.get("HTTPHeaders", {}).get("retry-after")),
        may_have_happened=happened,
    )
    if isinstance(sorted_error, QuotaError):
        sorted_error.reason = reason
    return sorted_error


def _class_of(operation: str) -> type[Operation]:
    """Return what an operation is; its module is imported when it is needed, since it knows the errors' classes."""
    from airflow_connect.api.operations import operation_named

    return operation_named(operation)


def _advice(advice: str, operation: str, *, may_have_happened: bool) -> str:
    """Return the advice for an operation: that to send it again fits those whose token prevents a second contact."""
    if may_have_happened and not _class_of(operation).promise.repeats_unknown:
        return advice.replace(_AGAIN, _NOT_BY_ITSELF)
    return advice


def _by_status(status: int | None) -> _Sorted:
    """Sort a code that no table has, as services add some."""
    if status is None or status >= 500 or status in {408, 409, 425}:
        return _Sorted(RetryableError, _AGAIN)
    if status == 429:
        return _Sorted(ThrottledError, _THROTTLED)
    if status in {401, 403}:
        return _Sorted(SetupError, _DENIED)
    if status < 400:
        return _Sorted(RetryableError, _AGAIN)
    return _Sorted(RequestError, _REFUSED)


#: A line of botocore's report on parameters.
_REPORTED: Final = re.compile(
    r'^(?:Invalid \w+ for parameter ([\w.\[\]-]+),|(?:Missing required|Unknown) parameter in [\w.\[\]-]+: "(\w+)")',
    re.MULTILINE,
)


def _sort_botocore(error: Exception, found: tuple[_Sorted, bool], operation: str) -> ConnectError:
    (kind, advice), may_have_happened = found
    name = type(error).__name__
    if name == "SSLError" and "CERTIFICATE" not in str(error).upper():
        # A connection that broke off in mid-handshake, rather than a certificate that is not trusted.
        kind, advice = RetryableError, _AGAIN
    if name == "ParamValidationError":
        # The report holds values, so that only the names of the parameters are taken from it.
        named = dict.fromkeys("".join(names) for names in _REPORTED.findall(str(error)))
        parameters = ", ".join(named)
        found_wrong = f"was not sent: botocore finds its parameters wrong ({parameters or 'it does not say which'})"
    else:
        found_wrong = f"got no answer ({name})"
    return kind(
        f"{operation} {found_wrong}. {_advice(advice, operation, may_have_happened=may_have_happened)}",
        operation=operation,
        code=name,
        may_have_happened=may_have_happened,
    )


def _reason(response: Mapping[str, Any]) -> str | None:
    """Return the reason that ServiceQuotaExceeded and InvalidRequest may carry, a union of enumerations."""
    reason = response.get("Reason") or response["Error"].get("Reason")
    if isinstance(reason, Mapping):
        reason = next((value for value in reason.values() if isinstance(value, str)), None)
    return reason if isinstance(reason, str) and re.fullmatch(r"[A-Za-z_]{1,64}", reason) else None


def _retry_after(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


#: Characters of a value that are enough to recognise it, where a message quotes a part of one.
_FRAGMENT: Final = 12


def _strike_out(message: str, params: Mapping[str, Any]) -> str:
    """Return the service's message on one line, without anything that the request holds."""
    # Validation messages quote the value: "Value '…' at 'name' failed to satisfy constraint".
    message = re.sub(r"[Vv]alue\s+'.*'\s+at\s", "Value *** at ", message[:4_000], flags=re.DOTALL)
    message = _one_line(re.sub(r"\\([\"\\/nrt])", lambda escaped: " " if escaped[1] in "nrt" else escaped[1], message))
    content = {_one_line(text) for member in _CONTENT_MEMBERS for text in _leaves(params.get(member))}
    message = _strike_fragments(message, "\n".join(content))
    for text in sorted(content, key=len, reverse=True):
        if not text or text not in message:
            continue
        if len(text) >= 8:
            message = message.replace(text, "***")
        else:
            message = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", "***", message)
    message = message.rstrip(".")
    return message if len(message) <= 300 else f"{message[:300]}…"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _strike_fragments(message: str, content: str) -> str:
    """Return the message without what it shares with the content: a long value may be quoted only in part."""
    shared = bytearray(len(message))
    for start in range(len(message) - _FRAGMENT + 1):
        if message[start : start + _FRAGMENT] in content:
            shared[start : start + _FRAGMENT] = b"\1" * _FRAGMENT
    marks = iter(shared)
    runs = [(is_shared, "".join(run)) for is_shared, run in itertools.groupby(message, key=lambda _: next(marks))]
    return "".join(re.sub(r"\S(?:.*\S)?", "***", run) if is_shared else run for is_shared, run in runs)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, (str, int, float)):
        yield str(value)
