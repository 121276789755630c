"""Errors: each sorted by what helps, with words that say what to do and hold nothing of a contact."""

from __future__ import annotations

import inspect
import math
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import botocore.exceptions
import botocore.parsers
import pytest
import urllib3
from botocore.exceptions import ClientError
from botocore.session import Session

from airflow_connect.api import answers, errors
from airflow_connect.api.answers import Exchange, answer_cut_off, sort_error
from airflow_connect.api.errors import (
    ConnectError,
    IdempotencyError,
    InputError,
    InvalidRequestError,
    InvalidRowsError,
    QuotaError,
    RecordError,
    RequestError,
    RetryableError,
    RowsFailedError,
    RowsRefusedError,
    SetupError,
    ThrottledError,
)
from airflow_connect.api.fields import Fault
from airflow_connect.api.operations import CreateContact, operations

SECRET = "Zaphod Beeblebrox 0042"
PARAMS = {
    "InstanceId": "b1000000-0000-4000-8000-000000000001",
    "Channel": "TASK",
    "Name": SECRET,
    "Description": f"Call {SECRET} back\nbefore noon",
    "Attributes": {"customer": SECRET, "tier": "gold", "age": "42"},
    "References": {"Mail": {"Type": "EMAIL", "Value": "zaphod@example.com"}},
    "SegmentAttributes": {"k": {"ValueMap": {"planet": {"ValueString": "Betelgeuse V"}, "n": {"ValueInteger": 815}}}},
}
CLASSES = [
    ConnectError,
    RetryableError,
    RowsFailedError,
    RowsRefusedError,
    ThrottledError,
    RequestError,
    InvalidRequestError,
    InvalidRowsError,
    IdempotencyError,
    SetupError,
    QuotaError,
    InputError,
    RecordError,
]


def client_error(code: str, status: int, message: str = "No.", **more: Any) -> ClientError:
    """Return what botocore's client raises for an answer of the service."""
    metadata = {"HTTPStatusCode": status, "RequestId": "request-1", "HTTPHeaders": more.pop("headers", {})}
    called = more.pop("called", "CreateContact")
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata} | more, called)


def sorted_error(error: Exception, **params: Any) -> ConnectError:
    """Return the error sorted, and see to it that its words are complete and show nothing."""
    found = sort_error(error, CreateContact, PARAMS | params)
    text = str(found)
    assert found.operation == "CreateContact"
    assert text.startswith(("CreateContact ", "AssumeRole "))
    assert text.endswith((".", "?"))
    assert "{" not in text
    assert "\n" not in text
    assert not [word for word in (*SECRET.split(), "zaphod@example", "Betelgeuse") if word in text]
    return found


# --- The surface --------------------------------------------------------------------------------------------


def test_every_class_is_known_here() -> None:
    """The tree is the docstring's, and each class is tested below."""
    found = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ConnectError)}
    assert found == set(CLASSES)


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not InvalidRequestError])
def test_error_survives_pickling(kind: type[ConnectError]) -> None:
    """An error crosses processes with its text and all that it knows."""
    error = kind(
        "what is wrong",
        operation="CreateContact",
        code="Code",
        status=500,
        request_id="r",
        retry_after=1.5,
        may_have_happened=True,
    )
    error.attempts = 7
    if isinstance(error, QuotaError):
        error.reason = "TOTAL_FILE_SIZE_EXCEEDED"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == "what is wrong"
    assert vars(copy) == vars(error)


def test_invalid_request_survives_pickling() -> None:
    """The faults cross processes too."""
    error = InvalidRequestError(
        "CreateContact", [Fault("name", "rule", "nothing"), Fault("channel", "rule", "nothing")]
    )
    error.attempts = 0
    error.add_note("in row 7")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
    assert copy.faults[0].field == "name"


# --- Answers of the service ---------------------------------------------------------------------------------

#: The nine exceptions of CreateContact, its status in the model, and what they mean.
CREATE_CONTACT = {
    "AccessDeniedException": SetupError,
    "ConflictException": RetryableError,
    "IdempotencyException": IdempotencyError,
    "InternalServiceException": RetryableError,
    "InvalidParameterException": RequestError,
    "InvalidRequestException": RequestError,
    "ResourceNotFoundException": SetupError,
    "ServiceQuotaExceededException": QuotaError,
    "ThrottlingException": ThrottledError,
}
OPERATIONS = [operation.name for operation in operations()]


def test_exceptions_of_create_contact() -> None:
    """The nine exceptions of CreateContact are those of the model, and each is sorted."""
    model = Session().get_service_model("connect")
    shapes = model.operation_model("CreateContact").error_shapes
    assert {shape.name for shape in shapes} == set(CREATE_CONTACT)
    for shape in shapes:
        status = shape.metadata["error"]["httpStatusCode"]
        found = sorted_error(client_error(shape.name, status))
        assert type(found) is CREATE_CONTACT[shape.name]
        assert (found.code, found.status, found.request_id) == (shape.name, status, "request-1")
        assert f"failed with {shape.name} (HTTP {status})" in str(found)
        assert "Request ID request-1." in str(found)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_exception_of_every_operation_is_in_the_table(operation: str) -> None:
    """No exception of an operation that is used is sorted by its status alone."""
    shapes = Session().get_service_model("connect").operation_model(operation).error_shapes
    assert shapes
    known = set(answers._BY_CODE) | {"ResourceNotFoundException"}
    assert {shape.name for shape in shapes} <= known


@pytest.mark.parametrize("code", answers._BY_CODE)
def test_every_row_of_the_table_says_what_to_do(code: str) -> None:
    """Each code leads to its error, and the text ends with the advice of its row."""
    kind, advice = answers._BY_CODE[code]
    found = sorted_error(client_error(code, 400))
    assert type(found) is kind
    again, named = (
        "It can succeed if it is sent again",
        {
            "instance": f" {PARAMS['InstanceId']!r}",
            "contact": "",
            "resources": "",
        },
    )
    assert advice.format(operation="CreateContact", again=again, **named) in str(found)
    assert len(advice.format(operation="", again=again, **named)) > 20


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (None, RetryableError),
        (200, RetryableError),
        (400, RequestError),
        (401, SetupError),
        (403, SetupError),
        (404, RequestError),
        (408, RetryableError),
        (409, RetryableError),
        (410, RequestError),
        (413, RequestError),
        (425, RetryableError),
        (429, ThrottledError),
        (500, RetryableError),
        (502, RetryableError),
        (503, RetryableError),
        (504, RetryableError),
    ],
)
def test_unknown_code_is_sorted_by_status(status: Any, kind: type[ConnectError]) -> None:
    """A code that Amazon adds tomorrow, or a proxy's page, is sorted by its HTTP status."""
    assert type(sorted_error(client_error("BrandNewException", status))) is kind
    assert type(sorted_error(client_error(str(status), status, "Bad Gateway"))) is kind


@pytest.mark.parametrize(
    "code",
    [
        "com.amazonaws.connect#ThrottlingException",
        "ThrottlingException:http://internal.amazon.com/coral/com.amazonaws.connect/",
        "com.amazonaws.connect#ThrottlingException:http://internal.amazon.com/",
    ],
)
def test_namespace_of_a_code_is_cut_off(code: str) -> None:
    """Codes come with and without namespace and address."""
    found = sorted_error(client_error(code, 400))
    assert type(found) is ThrottledError
    assert found.code == "ThrottlingException"


@pytest.mark.parametrize(
    ("code", "status", "may_have_happened"),
    [
        ("ThrottlingException", 429, False),
        ("InternalServiceException", 500, True),
        ("503", 503, True),
        ("InvalidRequestException", 400, False),
        ("AccessDeniedException", 403, False),
    ],
)
def test_only_an_internal_error_may_have_happened(code: str, status: int, may_have_happened: bool) -> None:
    """A refusal made no contact; an internal error says nothing about it."""
    assert sorted_error(client_error(code, status)).may_have_happened is may_have_happened


def test_missing_resource_is_the_requests_fault_if_it_names_one() -> None:
    """Without a named resource the instance itself is missing, which no other request would change."""
    missing = client_error("ResourceNotFoundException", 404)
    found = sorted_error(missing)
    assert type(found) is SetupError
    assert "instance_id and region_name" in str(found)
    found = sorted_error(missing, RelatedContactId="c", UserInfo={"UserId": "u"})
    assert type(found) is RequestError
    assert "RelatedContactId 'c', UserInfo.UserId 'u'" in str(found)


@pytest.mark.parametrize("given", ["kim@example.com", "+41791234567", "41791234567", "Kim Example", "Züst"])
def test_what_is_not_an_id_is_not_shown_where_an_id_is_missing(given: str) -> None:
    """A row may have a customer's data where the ID of something belongs."""
    found = sorted_error(client_error("ResourceNotFoundException", 404), RelatedContactId=given)
    assert "RelatedContactId (not shown: not an ID or ARN)" in str(found)
    assert given not in str(found)


def test_idempotency_error_explains_itself() -> None:
    """A token used for other content is explained with its causes and the way out."""
    text = str(sorted_error(client_error("IdempotencyException", 409)))
    for word in ("client token", "other content", "now()", "try_number", "idempotency_key"):
        assert word in text


def test_access_denied_names_the_permission() -> None:
    """The permission that is missing is named as a policy would have it."""
    assert "connect:CreateContact" in str(sorted_error(client_error("AccessDeniedException", 403)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, None),
        (
            {"Reason": {"AttachedFileServiceQuotaExceededExceptionReason": "TOTAL_FILE_SIZE_EXCEEDED"}},
            "TOTAL_FILE_SIZE_EXCEEDED",
        ),
        ({"Reason": "TOTAL_FILE_COUNT_EXCEEDED"}, "TOTAL_FILE_COUNT_EXCEEDED"),
        ({"Reason": {"New": {"nested": "x"}}}, None),
        ({"Reason": SECRET}, None),
        ({"Reason": {}}, None),
    ],
    ids=range(6),
)
def test_quota_error_has_the_services_reason(answer: dict[str, Any], reason: str | None) -> None:
    """Amazon's reason is in the text and an attribute, if it is a code."""
    found = sorted_error(client_error("ServiceQuotaExceededException", 402, **answer))
    assert isinstance(found, QuotaError)
    assert found.reason == reason
    assert (f"Reason: {reason}." in str(found)) is (reason is not None)


# --- Roles --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", ["AccessDenied", "ExpiredToken", "ValidationError", "ResourceNotFoundException", "New"]
)
def test_role_that_cannot_be_assumed_is_a_setup_error(code: str) -> None:
    """What stands in the way of the role stands in the way of every call."""
    found = sorted_error(client_error(code, 403, called="AssumeRole"))
    assert type(found) is SetupError
    assert found.operation == "CreateContact"
    assert str(found).startswith(f"AssumeRole failed with {code}")
    assert "role_arn" in str(found)


@pytest.mark.parametrize(("code", "status"), [("Throttling", 400), ("InternalFailure", 500), ("503", 503)])
def test_role_that_cannot_be_assumed_for_now_is_retried(code: str, status: int) -> None:
    """A token service that is busy passes, and its internal error has made no contact."""
    found = sorted_error(client_error(code, status, called="AssumeRole"))
    assert type(found) is RetryableError
    assert not found.may_have_happened


# --- Retry-After --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("86400", 86_400.0),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 9, 999_999_999.0),
        ("9" * 10, 9_999_999_999.0),
        ("9" * 400, 1e12),
        ("1e300", None),
        ("inf", None),
        ("nan", None),
        ("\u0663", None),
        ("Wed, 21 Oct 2015 07:28:00 +9999", None),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0.0),
        ("Wed Oct 21 07:28:00 2015", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """Retry-After is seconds or a date; a past date is now, and nonsense is none."""
    headers = {} if header is None else {"retry-after": header}
    assert sorted_error(client_error("ThrottlingException", 429, headers=headers)).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    """A date is counted from now, however far off it is: whoever waits bounds it."""
    far = sorted_error(
        client_error("ThrottlingException", 429, headers={"retry-after": "Sat, 21 Nov 2099 07:28:00 GMT"})
    )
    assert far.retry_after is not None
    assert 60 * 365 * 86_400 < far.retry_after < math.inf
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    found = sorted_error(client_error("ThrottlingException", 429, headers={"retry-after": at}))
    assert found.retry_after == pytest.approx(100, abs=5)


# --- Exceptions of botocore ---------------------------------------------------------------------------------

#: Arguments of botocore's exceptions whose text has places for more than one.
ARGUMENTS: dict[str, Any] = {
    "endpoint_url": f"https://{SECRET.split(maxsplit=1)[0]}.example",
    "error": "refused",
    "proxy_url": "http://proxy",
    "provider": "env",
    "cred_var": "aws_secret_access_key",
    "error_msg": "expired",
    "profile": "production",
    "report": "Parameter validation failed",
    "actual_bytes": 1,
    "expected_bytes": 2,
}


def raised_by_botocore(name: str) -> Exception:
    kind = getattr(botocore.exceptions, name, None) or getattr(botocore.parsers, name)
    if issubclass(kind, botocore.exceptions.BotoCoreError):
        return kind(**ARGUMENTS)
    return kind("the answer is no JSON")


#: What is known to have failed before the request could leave.
NOT_HAPPENED = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ParamValidationError",
    "NoRegionError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "NoAuthTokenError",
    "ProfileNotFound",
}


@pytest.mark.parametrize("name", answers._BY_BOTOCORE_NAME)
def test_every_exception_in_the_table_is_botocores(name: str) -> None:
    """Each row is an exception that botocore has, sorted with its advice; what is not known may have happened."""
    (kind, advice), may_have_happened = answers._BY_BOTOCORE_NAME[name]
    found = sorted_error(raised_by_botocore(name))
    assert type(found) is kind
    assert advice.replace("{again}", "It can succeed if it is sent again") in str(found)
    assert name in str(found) or name == "ParamValidationError"
    assert found.code == name
    assert found.may_have_happened is may_have_happened is (name not in NOT_HAPPENED)


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass)
        if issubclass(kind, botocore.exceptions.BotoCoreError)
    ],
    ids=lambda kind: kind.__name__,
)
def test_no_exception_of_botocore_is_left_over(kind: type[Exception]) -> None:
    """Whatever botocore raises means something, exceptions of the next version included."""
    error = kind.__new__(kind)
    Exception.__init__(error, "message")
    named = any(one.__name__ in answers._BY_BOTOCORE_NAME for one in kind.__mro__)
    before = sort_error(error, CreateContact, {}, Exchange())
    assert not before.may_have_happened, "no request left"
    assert named or type(before) is SetupError
    after = sort_error(error, CreateContact, {}, Exchange(requests=1))
    assert named or (type(after), after.may_have_happened) == (RetryableError, True)


@pytest.mark.parametrize(
    ("error", "kind", "may_have_happened"),
    [
        ("EOF occurred in violation of protocol", RetryableError, True),
        ("[SSL: SSLV3_ALERT_CERTIFICATE_UNKNOWN] ssl/tls alert certificate unknown", RetryableError, True),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", RetryableError, True),
        ("certificate verify failed", SetupError, False),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch", SetupError, False),
    ],
)
def test_only_a_certificate_that_does_not_verify_has_not_happened(
    error: str, kind: type[ConnectError], may_have_happened: bool
) -> None:
    """A connection that breaks off in TLS may have carried the request; a certificate that is not trusted did not."""
    found = sorted_error(botocore.exceptions.SSLError(endpoint_url="https://x.example", error=error))
    assert (type(found), found.may_have_happened) == (kind, may_have_happened)
    assert ("Check verify" in str(found)) is (kind is SetupError)


@pytest.mark.parametrize(
    "error",
    [ValueError(SECRET), KeyError("response"), OSError("x"), RuntimeError("x"), ConnectionError("x"), TypeError("x")],
    ids=lambda error: type(error).__name__,
)
def test_exception_that_nobody_knows_may_have_happened(error: Exception) -> None:
    """Whatever a client raises is an error of this package, which may have come after the request left."""
    for exchange in (None, Exchange(), Exchange(requests=1)):
        found = sort_error(error, CreateContact, PARAMS, exchange)
        assert (type(found), found.code, found.may_have_happened) == (RetryableError, type(error).__name__, True)
        assert SECRET not in str(found)


def test_request_that_botocore_repeated_may_have_happened() -> None:
    """With botocore's own retries an answer says only what became of the last request."""
    refused = raised_by_botocore("EndpointConnectionError")
    throttled = client_error("ThrottlingException", 429)
    for error in (refused, throttled):
        assert not sort_error(error, CreateContact, {}, Exchange(requests=1)).may_have_happened
        assert sort_error(error, CreateContact, {}, Exchange(requests=2)).may_have_happened


@pytest.mark.parametrize(
    ("cause", "may_have_happened"),
    [
        (urllib3.exceptions.NewConnectionError(None, "refused"), False),  # type: ignore[arg-type]
        (urllib3.exceptions.ConnectTimeoutError(None, "timed out"), False),
        (OSError("Tunnel connection failed: 407 Proxy Authentication Required"), False),
        (ConnectionResetError("reset by peer"), True),
    ],
    ids=["refused", "timed out", "no tunnel", "reset"],
)
def test_proxy_that_was_reached_may_have_passed_the_request_on(cause: Exception, may_have_happened: bool) -> None:
    """Older versions of urllib3 call every break behind a proxy the proxy's."""
    error = urllib3.exceptions.ProxyError("Unable to connect to proxy", cause)
    found = sorted_error(botocore.exceptions.ProxyConnectionError(proxy_url="http://proxy", error=error))
    assert (type(found), found.may_have_happened) == (RetryableError, may_have_happened)


def test_real_client_without_region_and_credentials() -> None:
    """The errors that a real client raises before it sends anything are sorted as the setup's, without a wait."""
    session = Session(profile=None)
    session.set_config_variable("region", None)
    with pytest.raises(botocore.exceptions.NoRegionError) as no_region:
        session.create_client("connect", region_name=None)
    assert type(sorted_error(no_region.value)) is SetupError
    client = session.create_client("connect", region_name="us-east-1")
    with pytest.raises(botocore.exceptions.NoCredentialsError) as no_credentials:
        client.create_contact(InstanceId="i", Channel="TASK", InitiationMethod="API")
    assert type(sorted_error(no_credentials.value)) is SetupError


def test_parameters_that_botocore_refuses_are_named() -> None:
    """Botocore's report quotes values; only the names of the parameters are reported."""
    client = Session().create_client(
        "connect", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    wrong = {
        "InstanceId": "i",
        "Channel": "TASK",
        "Name": [SECRET],
        "Attributes": {"customer": {"x": SECRET}},
        "Nmae": SECRET,
    }
    with pytest.raises(botocore.exceptions.ParamValidationError) as caught:
        client.create_contact(**wrong)
    assert SECRET in str(caught.value)
    found = sorted_error(caught.value)
    assert type(found) is RequestError
    for name in ("InitiationMethod", "Name", "Attributes", "Nmae"):
        assert name in str(found)
    assert "customer" not in str(found), "an attribute's name can be data"


def test_unreachable_endpoint_is_sorted() -> None:
    """A real refused connection is retried, and has not happened."""
    client = Session().create_client(
        "connect",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(botocore.exceptions.EndpointConnectionError) as caught:
        client.create_contact(InstanceId="i", Channel="TASK", InitiationMethod="API")
    found = sorted_error(caught.value)
    assert type(found) is RetryableError
    assert not found.may_have_happened
    assert "endpoint_url" in str(found)


# --- An answer that was cut off ------------------------------------------------------------------------------


def test_answer_that_was_cut_off_is_retried() -> None:
    """A success that names no contact was cut off on its way: the contact may exist."""
    found = answer_cut_off(CreateContact, {"ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "r"}})
    assert type(found) is RetryableError
    assert (found.status, found.request_id, found.may_have_happened) == (200, "r", True)
    assert "same client token" in str(found)
    assert answer_cut_off(CreateContact, {}).status is None


# --- Nothing of what a contact holds ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        (
            f"Value '{SECRET}' at 'name' failed to satisfy constraint: Member must have length less than 1024",
            "at 'name'",
        ),
        (f"1 validation error detected: Value '{SECRET}' at 'name' failed", "validation error"),
        (f"Value 'it's {SECRET}\nand more' at 'description' failed to satisfy constraint", "at 'description'"),
        (f"Name {SECRET} is not allowed", "is not allowed"),
        (f"Names {SECRET}, {SECRET}", "Names"),
        (f'Invalid name: "{SECRET[:17]}…"', "Invalid name"),
        (f"Bad description: Call {SECRET} back\\nbefore noon", "Bad description"),
        ("Tier gold is unknown", "is unknown"),
        ("Age=42 is too old", "is too old"),
        ("zaphod@example.com has no mailbox", "has no mailbox"),
        ("Planet Betelgeuse V, number 815", "Planet"),
    ],
    ids=range(11),
)
def test_services_words_are_kept_without_values(message: str, kept: str) -> None:
    """The service's own words are reported, and everything that the request holds is struck out of them."""
    text = str(sorted_error(client_error("InvalidRequestException", 400, message)))
    assert kept in text
    assert "***" in text
    for value in ("gold", "=42", "815", "noon"):
        assert value not in text


def test_words_that_only_contain_a_short_value_are_kept() -> None:
    """A short value is struck out as a word, not out of the middle of others; identifiers are no content."""
    text = str(sorted_error(client_error("InvalidRequestException", 400, "golden b1000000 TASK 4200"), UserInfo="u"))
    assert '"golden b1000000 TASK 4200"' in text


def test_long_message_is_cut() -> None:
    """The service's words are one line of at most 300 characters."""
    text = str(sorted_error(client_error("InvalidRequestException", 400, "no\n  more " * 1000)))
    assert "no more no more" in text
    assert len(text) < 600


def test_message_in_the_body_is_used_where_botocore_has_none() -> None:
    """Some services spell the message differently; it is struck out too."""
    error = client_error("InvalidRequestException", 400, "", Message=f"Name {SECRET}: no.")
    assert 'Amazon says: "Name ***: no".' in str(sorted_error(error))
    assert "Amazon says" not in str(sorted_error(client_error("InvalidRequestException", 400, "")))


def test_many_values_are_struck_out_quickly() -> None:
    """A request full of values costs no time worth speaking of when it fails: nothing is compiled per value."""
    params = {"Attributes": {f"k{n}": f"{n}" for n in range(5000)}}
    found = sort_error(client_error("ThrottlingException", 429, "Rate exceeded, 4711 calls"), CreateContact, params)
    assert 'Amazon says: "Rate exceeded, *** calls".' in str(found)
