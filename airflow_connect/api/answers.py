"""
Which error an answer is, or no answer: every way in which a call to Amazon Connect can fail, sorted once by what helps.

This module does not know Airflow or a client. Of the service's own words, everything that the request holds is struck
out of an error's text, except what identifies something (:mod:`airflow_connect.api.quoting`).
"""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from airflow_connect.api.errors import (
    NOT_BY_ITSELF,
    SAME_CONTENT,
    ConnectError,
    IdempotencyError,
    QuotaError,
    RequestError,
    RetryableError,
    SetupError,
    ThrottledError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_connect.api.operations import Operation

__all__ = ["Exchange", "answer_cut_off", "answer_unreadable", "client_missing", "is_answer", "sort_error"]


class _Sorted(NamedTuple):
    error: type[ConnectError]
    advice: str


#: In place of :func:`_again`, which depends on the operation.
_AGAIN: Final = "{again}"
_THROTTLED: Final = (
    "Send fewer at a time (max_active_tis_per_dagrun or a pool), allow more time (max_retry_time), or ask AWS for "
    "a higher rate of this operation."
)
_REFUSED: Final = "Change what the message names; the same request will be refused again."
_CREDENTIALS: Final = "Check the credentials of the Amazon Web Services connection, and whether they have expired."
_DENIED: Final = "Allow connect:{operation} on the instance and its contacts to the role or user of the connection."
_INSTANCE: Final = "Check instance_id and region_name: the instance{instance} does not exist."
_RESOURCE: Final = (
    "Check that these belong to the instance{instance}, and that they are IDs or ARNs, and not names: {resources}. "
    "Check instance_id and region_name."
)
_CONTACT: Final = "The contact{contact} has ended, or the instance{instance} never had it."
_QUOTA: Final = (
    "Wait until contacts have ended, end some (StopContactOperator), or ask AWS for a higher quota of active contacts."
)
_OTHER_CONTENT: Final = f"Amazon Connect created a contact with other content for this client token. {SAME_CONTENT}"

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
    "ContactNotFoundException": _Sorted(RequestError, _CONTACT),
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

_NETWORK: Final = "Check the network, endpoint_url and region_name."
_CONNECTION: Final = "Check the Amazon Web Services connection and botocore_config."

#: botocore's exceptions by name, so that importing this module does not import botocore.
#: The last column: whether the request may have left. It is known that it has not only where this says False.
_BY_BOTOCORE_NAME: Final[Mapping[str, tuple[_Sorted, bool]]] = {
    "EndpointConnectionError": (_Sorted(RetryableError, _NETWORK), False),
    "ConnectTimeoutError": (_Sorted(RetryableError, _NETWORK), False),
    "ProxyConnectionError": (_Sorted(RetryableError, "Check the proxy in botocore_config."), True),
    "SSLError": (_Sorted(RetryableError, _AGAIN), True),
    "ConnectionClosedError": (_Sorted(RetryableError, _AGAIN), True),
    "ReadTimeoutError": (_Sorted(RetryableError, _AGAIN), True),
    "ResponseStreamingError": (_Sorted(RetryableError, _AGAIN), True),
    "IncompleteReadError": (_Sorted(RetryableError, _AGAIN), True),
    "HTTPClientError": (_Sorted(RetryableError, _AGAIN), True),
    "ConnectionError": (_Sorted(RetryableError, _NETWORK), True),
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
}
#: A certificate that does not verify, which ends the handshake before the request could leave.
_UNTRUSTED: Final = _Sorted(SetupError, "Check verify, and the certificates that the worker trusts.")
#: What the credentials come from, such as the role's STS, cannot be reached.
_NO_CREDENTIALS_SERVICE: Final = _Sorted(
    SetupError,
    "What gives the credentials cannot be reached. Check role_arn, the network from this worker to AWS STS, and "
    "service_config.sts.endpoint_url in the connection's extra.",
)
_UNKNOWN_HOST: Final = _Sorted(
    SetupError, "The endpoint's name does not resolve. Check endpoint_url, region_name and the worker's DNS."
)
#: What the resolver says of a name that does not exist; a resolver that does not answer says something else.
_NO_SUCH_NAME: Final = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
)
#: Causes, of urllib3 and Python, that say that the connection was not opened, neither to the service nor to a proxy.
_NOT_CONNECTED: Final = frozenset({"NewConnectionError", "NameResolutionError", "gaierror", "ConnectTimeoutError"})


@dataclass(slots=True)
class Exchange:
    """
    What a client's call has come to so far. The caller keeps it.

    :param requests: requests that were about to leave: botocore may retry a call itself, if it is configured to
    :param status: the HTTP status of the last answer, ``None`` if none came to the last request
    :param headers: its headers, in lower case, if it is an error or cannot be read
    :param is_readable: whether its body can be an answer: empty, or one whole JSON object
    :param answered_before: whether the client has had an answer before: what stands in the way now can pass
    """

    requests: int = 0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_readable: bool = True
    answered_before: bool = False


def sort_error(
    error: Exception, operation: type[Operation], params: Mapping[str, Any], exchange: Exchange | None = None
) -> ConnectError:
    """
    Return what an exception of botocore's client means.

    An exception of an unknown class may have come after the request left: it counts as a call that may have happened.

    :param error: what the client raised
    :param operation: the operation that was called
    :param params: the parameters of the call: what they hold is struck out of the service's message
    :param exchange: what is known of the call; default: that one request left
    """
    if isinstance(error, ConnectError):
        return error
    exchange = exchange or Exchange(requests=1)
    response = getattr(error, "response", None)
    if isinstance(response, Mapping) and isinstance(response.get("Error"), Mapping):
        if exchange.is_readable or _code(response) in _BY_CODE:
            found = _sort_answer(response, getattr(error, "operation_name", operation.name), operation, params)
        else:  # botocore takes a proxy's page for Amazon's words
            found = answer_unreadable(operation, exchange)
    elif exchange.status is not None:
        found = answer_unreadable(operation, exchange, type(error).__name__)
    else:
        found = _sort_no_answer(error, operation, params, exchange)
    # It is not known what came of earlier requests.
    found.may_have_happened |= exchange.requests > 1
    return found


def client_missing(
    error: Exception, operation: type[Operation], params: Mapping[str, Any], *, answered_before: bool = False
) -> ConnectError:
    """
    Return the error for a client that cannot be created, so that nothing was sent.

    :param error: what stands in the way
    :param operation: the operation that was to be called
    :param params: the parameters of the call
    :param answered_before: whether an earlier client of the hook was answered
    """
    if isinstance(error, ConnectError):
        return error
    if _is_of_botocore(error):  # also of the call that assumes a role
        return sort_error(error, operation, params, Exchange(answered_before=answered_before))
    name = type(error).__name__
    message = f"Amazon Connect was not called: its client cannot be created ({name}). {_CONNECTION}"
    return SetupError(message, operation=operation.name, code=name)


def answer_unreadable(operation: type[Operation], exchange: Exchange, raised: str = "") -> ConnectError:
    """
    Return the error for an answer that is not Amazon Connect's, as proxies and gateways give, by its HTTP status.

    :param operation: the operation that was called
    :param exchange: what is known of the call
    :param raised: the exception that botocore raised over it, if it did
    """
    status = exchange.status
    kind, advice = _by_status(status)
    may_have_happened = _may_have_happened(status)
    advice = _filled(advice, operation, may_have_happened)
    return kind(
        f"{operation.name} got an answer that cannot be read ({raised and raised + ', '}HTTP {status}). {advice}",
        operation=operation.name,
        code=str(status),
        status=status,
        retry_after=_retry_after(exchange.headers.get("retry-after")),
        may_have_happened=may_have_happened,
    )


def answer_cut_off(operation: type[Operation], response: Mapping[str, Any]) -> RetryableError:
    """
    Return the error for an answer that says success and does not have what it is about.

    boto3 returns a body that breaks off as a success with nothing in it.

    :param operation: the operation that was called, which has an ``answer``
    :param response: botocore's parsed response
    """
    metadata = response.get("ResponseMetadata", {})
    return RetryableError(
        f"{operation.name} answered without {operation.answer}: the answer was cut off on its way. "
        f"{_again(operation, may_have_happened=True)}",
        operation=operation.name,
        code=f"No{operation.answer}",
        status=metadata.get("HTTPStatusCode"),
        request_id=metadata.get("RequestId"),
        may_have_happened=True,
    )


def is_answer(operation: type[Operation], response: Mapping[str, Any], model: Any) -> bool:
    """
    Return whether the members of an answer have the types of the service's model, which boto3 does not check.

    :param operation: the operation that was called
    :param response: botocore's parsed response
    :param model: of the service, as botocore has it
    """
    contact_id = response.get("ContactId")
    # What is recorded as an ID is one: without white space, and of characters that can be stored.
    if isinstance(contact_id, str) and (" " in contact_id or not contact_id.isprintable()):
        return False
    shape = model.operation_model(operation.name).output_shape
    return shape is None or _fits(response, shape)


_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "blob": bytes,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": datetime,
    "structure": Mapping,
    "map": Mapping,
    "list": list,
}


def _fits(value: Any, shape: Any) -> bool:
    kind = _TYPES[shape.type_name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return False
    match shape.type_name, value:
        case "structure", Mapping():
            return all(_fits(value[name], member) for name, member in shape.members.items() if name in value)
        case "map", Mapping():
            return all(_fits(one, shape.value) for one in value.values())
        case "list", list():
            return all(_fits(one, shape.member) for one in value)
        case _:
            return True


def _again(operation: type[Operation], may_have_happened: bool) -> str:
    """Return a sentence that says what happens if the same request is sent again."""
    if not operation.promise.retries_unknown and may_have_happened:
        return NOT_BY_ITSELF
    if operation.promise is operation.promise.EXACTLY_ONCE:
        return "It can succeed if it is sent again; the same client token does not create a second contact."
    return "It can succeed if it is sent again."


def _filled(
    advice: str, operation: type[Operation], may_have_happened: bool, params: Mapping[str, Any] | None = None
) -> str:
    """Return an advice with what it names of the call: the operation, and what the request identifies."""
    given = {member: params[member] for member in operation.identifying if params and params.get(member)}
    instance, contact = (
        f" {given[name]!r}" if _IDENTIFIER.fullmatch(str(given.get(name, ""))) else ""
        for name in ("InstanceId", "ContactId")
    )
    resources = itertools.chain.from_iterable(_named(*item) for item in given.items() if item[0] != "InstanceId")
    return advice.format(
        operation=operation.name,
        again=_again(operation, may_have_happened),
        instance=instance,
        contact=contact,
        resources=", ".join(resources),
    )


def _named(member: str, value: Any) -> Iterator[str]:
    """Yield a parameter with its identifier; a user and a queue are maps."""
    values = {f"{member}.{name}": one for name, one in value.items()} if isinstance(value, Mapping) else {member: value}
    for name, one in values.items():
        yield f"{name} {one!r}" if _IDENTIFIER.fullmatch(str(one)) else f"{name} (not shown: not an ID or ARN)"


def _code(response: Mapping[str, Any]) -> str:
    """Return the code of an error; "com.amazonaws.connect#ThrottlingException:http://…" is seen on the wire too."""
    return str(response["Error"].get("Code", "")).rpartition("#")[2].partition(":")[0]


def _sort_answer(
    response: Mapping[str, Any], called: str, operation: type[Operation], params: Mapping[str, Any]
) -> ConnectError:
    metadata = response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode")
    code = _code(response)
    may_have_happened = called == operation.name and (_may_have_happened(status) or code in _ABORTED)
    kind, advice = _by_code(code, status, called, operation, params)
    advice = _filled(advice, operation, may_have_happened, params)

    contents = operation.contents(params)
    words_of_code = _CAPITAL.sub(" ", code)
    if code not in _BY_CODE and (not _PLAIN_WORD.fullmatch(code) or any(map(contents.are_in, (code, words_of_code)))):
        code = code if code == str(status) else ""
    request_id = metadata.get("RequestId")
    if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id) or contents.are_in(request_id):
        request_id = None
    reason = _reason(response)
    if reason is not None and contents.are_in(reason):
        reason = None
    words = contents.struck_from(str(response["Error"].get("Message") or response.get("Message") or ""))

    parts = [
        f"{called} failed with {code if _PLAIN_WORD.fullmatch(code) else 'an error'} (HTTP {status}).",
        f'Amazon says: "{words}".' if words else "",
        f"Reason: {reason}." if reason else "",
        advice,
        f"Request ID {request_id}." if request_id else "",
    ]
    found = kind(
        " ".join(filter(None, parts)),
        operation=operation.name,
        code=code,
        status=status,
        request_id=request_id,
        retry_after=_retry_after(metadata.get("HTTPHeaders", {}).get("retry-after")),
        may_have_happened=may_have_happened,
    )
    if isinstance(found, QuotaError):
        found.reason = reason
    return found


def _by_code(
    code: str, status: int | None, called: str, operation: type[Operation], params: Mapping[str, Any]
) -> _Sorted:
    found = _BY_CODE.get(code) or _by_status(status)
    if called != operation.name:
        # A role is assumed before the call. What prevents that prevents every call, unless it passes.
        if issubclass(found.error, RetryableError):
            return _Sorted(RetryableError, _AGAIN)  # also if it was throttled: that is not the operation's own rate
        return _Sorted(SetupError, f"Check role_arn and what may assume it ({called}).")
    if code == "ResourceNotFoundException":
        named = [member for member in operation.identifying if member != "InstanceId" and params.get(member)]
        if not named:
            return _Sorted(SetupError, _INSTANCE)
        return _Sorted(RequestError, _RESOURCE)
    code_of_quota, quota = operation.quota
    if code == code_of_quota:
        return _Sorted(QuotaError, _QUOTA.replace("active contacts", quota))
    return found


#: What may be an ID or an ARN, and is neither an address, a phone number nor a name of several words.
_IDENTIFIER: Final = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[^a-z]*[a-z])[a-z0-9:/._-]{1,256}", re.IGNORECASE | re.ASCII
)
#: The form of an error's code, and of a request's ID.
_PLAIN_WORD: Final = re.compile(r"[A-Za-z]{1,100}")
#: Where a word begins in a code.
_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
#: Codes that say that the answer was not waited for, and do not say what came of the call.
_ABORTED: Final = frozenset({"RequestTimeout", "RequestTimeoutException", "RequestAbortedException"})


#: What gateways say if they stop waiting for an answer.
_GATEWAY_GAVE_UP: Final = frozenset({408, 499})


def _may_have_happened(status: int | None) -> bool:
    """Return whether the service may have carried out a call with this status."""
    return status is None or status < 400 or status in _GATEWAY_GAVE_UP or status >= 500


def _by_status(status: int | None) -> _Sorted:
    """Sort a code that the table does not have: services add codes."""
    if status is None or status >= 500 or status in {*_GATEWAY_GAVE_UP, 409, 425}:
        return _Sorted(RetryableError, _AGAIN)
    if status == 429:
        return _Sorted(ThrottledError, _THROTTLED)
    if status in {401, 403}:
        return _Sorted(SetupError, _DENIED)
    if status < 400:
        return _Sorted(RetryableError, _AGAIN)
    return _Sorted(RequestError, _REFUSED)


#: OpenSSL's words for a certificate of the service that this worker does not trust.
_UNVERIFIED: Final = re.compile("certificate[ _]verify[ _]failed", re.IGNORECASE)
#: A line of botocore's report on parameters.
_REPORTED: Final = re.compile(
    r'^(?:Invalid .* for parameter|\w+(?: \w+)? parameter in) (\w+)(?:: "(\w+)"|)', re.MULTILINE
)


def _is_of_botocore(error: Exception) -> bool:
    return any(kind.__module__.startswith("botocore.") for kind in type(error).__mro__)


def _by_botocore_name(error: Exception) -> tuple[_Sorted, bool] | None:
    for kind in type(error).__mro__:
        of_botocore = kind.__module__ in {"botocore.exceptions", "botocore.parsers"}
        if of_botocore and (found := _BY_BOTOCORE_NAME.get(kind.__name__)):
            return found
    return None


def _sort_no_answer(
    error: Exception, operation: type[Operation], params: Mapping[str, Any], exchange: Exchange
) -> ConnectError:
    name = type(error).__name__
    (kind, advice), may_have_happened = _by_botocore_name(error) or (_Sorted(RetryableError, _AGAIN), True)
    if not exchange.requests and _is_of_botocore(error):
        may_have_happened = False
        if _by_botocore_name(error) is None:  # a profile, an endpoint, a setting
            kind, advice = SetupError, _CONNECTION
        elif issubclass(kind, RetryableError) and not exchange.answered_before:
            kind, advice = _NO_CREDENTIALS_SERVICE
    elif not exchange.answered_before and any(
        isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_NAME for cause in _causes(error)
    ):
        kind, advice = _UNKNOWN_HOST
    causes = {type(cause).__name__ for cause in _causes(error)}
    if name == "SSLError" and ("CertificateError" in causes or _UNVERIFIED.search(str(error))):
        (kind, advice), may_have_happened = _UNTRUSTED, False
    elif name == "ProxyConnectionError":
        no_tunnel = any("Tunnel connection failed" in str(cause) for cause in _causes(error))
        may_have_happened = may_have_happened and causes.isdisjoint(_NOT_CONNECTED) and not no_tunnel
    if name == "ParamValidationError":
        # The report holds values and names of attributes: only the names of the operation's parameters are taken.
        named = {(name if place == "input" else place): None for place, name in _REPORTED.findall(str(error))}
        contents = operation.contents(params)
        parameters = ", ".join(name for name in named if not contents.are_in(name))
        found_wrong = f"was not sent: botocore finds its parameters wrong ({parameters or 'it does not say which'})"
    else:
        found_wrong = f"got no answer ({name})"
    found_wrong = f"{operation.name} {found_wrong}"
    if not exchange.requests and not may_have_happened and name != "ParamValidationError":
        found_wrong = f"Amazon Connect was not called ({name})"
    advice = _filled(advice, operation, may_have_happened)
    return kind(
        f"{found_wrong}. {advice}",
        operation=operation.name,
        code=name,
        may_have_happened=may_have_happened,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception of botocore's and those that it says were its cause."""
    pending, seen = [error], set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        kwargs = getattr(one, "kwargs", None)  # of botocore's
        inside = kwargs.get("error") if isinstance(kwargs, Mapping) else None
        causes = (inside, one.__cause__, getattr(one, "reason", None), *one.args)
        pending += [cause for cause in causes if isinstance(cause, BaseException)]


def _reason(response: Mapping[str, Any]) -> str | None:
    """Return the reason that ServiceQuotaExceeded and InvalidRequest may carry, a union of enumerations."""
    reason = response.get("Reason") or response["Error"].get("Reason")
    if isinstance(reason, Mapping):
        reason = next((value for value in reason.values() if isinstance(value, str)), None)
    return reason if isinstance(reason, str) and re.fullmatch(r"[A-Za-z_]{1,64}", reason) else None


def _retry_after(header: str | None) -> float | None:
    """
    Return the seconds of a Retry-After header, which holds seconds or a date; ``None`` for anything else.

    They may be many, up to :data:`_LONGEST`: the caller limits how long it waits.
    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """
    if not isinstance(header, str):
        return None
    if re.fullmatch("[0-9]+", header.strip()):
        return min(float(header), _LONGEST)
    try:
        until = parsedate_to_datetime(header)
        # C's asctime, which is to be understood too, has no zone; a date of HTTP is in UTC.
        until = until.replace(tzinfo=until.tzinfo or UTC)
        return min(max(0.0, (until - datetime.now(UTC)).total_seconds()), _LONGEST)
    except (TypeError, ValueError, OverflowError):
        return None


#: Seconds that stand for any that are more.
_LONGEST: Final = 1e12
