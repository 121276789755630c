"""What an error quotes of Amazon's words: nothing that the request holds, however the words spell it."""

from __future__ import annotations

import base64
import html
import json
import os
import quopri
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_connect.api import quoting
from airflow_connect.api.answers import sort_error
from airflow_connect.api.operations import (
    CreateContact,
    SearchContacts,
    StartTaskContact,
    UpdateContact,
    operations,
)
from airflow_connect.api.quoting import FRAGMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.model import Shape
    from hypothesis.strategies import SearchStrategy

INSTANCE = "b1000000-0000-4000-8000-000000000001"
EXAMPLES = int(os.environ.get("AIRFLOW_CONNECT_REQUESTS", "2000")) // 50
CONTACT = "c1000000-0000-4000-8000-00000000000c"
NUMBER = "+41791234567"


def refused(operation: Any, params: dict[str, Any], message: str, **error: Any) -> str:
    """Return the text of the error for an answer of the service that refuses a request."""
    answer = {
        "Error": {"Code": "InvalidRequestException", "Message": message, **error},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "request-1"},
    }
    return str(sort_error(ClientError(answer, operation.name), operation, params))  # type: ignore[arg-type]


def squeezed(text: str) -> str:
    return "".join(text.split()).casefold()


# --- Every operation, every way to write a value ---------------------------------------------------------------

texts = st.text(min_size=1, max_size=30) | st.text("abcdefghij +-@.0123456789äß%&\\'\"", min_size=1, max_size=40)


def values_of(shape: Shape, depth: int = 0) -> SearchStrategy[Any]:
    """Return values of a shape of the model: a member that is a list or map of itself ends at some depth."""
    if shape.type_name == "structure":
        members = {name: values_of(member, depth + 1) for name, member in shape.members.items() if depth < 4}
        return st.fixed_dictionaries({}, optional=members)
    if shape.type_name == "map":
        return st.dictionaries(texts, values_of(shape.value, depth + 1), max_size=3)
    if shape.type_name == "list":
        return st.lists(values_of(shape.member, depth + 1), max_size=3)
    if shape.type_name == "string":
        return st.sampled_from(shape.enum) if shape.enum else texts
    if shape.type_name == "timestamp":
        return st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
    return st.booleans() if shape.type_name == "boolean" else st.integers(0, 10**12)


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value.isoformat() if isinstance(value, datetime) else str(value)


def names(value: Any) -> Iterator[str]:
    """Yield keys that come from data: those of Attributes, References and Tags, which the texts above make."""
    if isinstance(value, dict):
        yield from (key for key in value if not re.fullmatch("[A-Z][A-Za-z0-9]+", key))
        for item in value.values():
            yield from names(item)
    elif isinstance(value, list):
        for item in value:
            yield from names(item)


def decoded_base64(text: str) -> str:
    found = re.findall(r"[A-Za-z0-9+/]{8,}", text)
    return " ".join(base64.b64decode(one[: len(one) // 4 * 4]).decode("utf-8", "replace") for one in found)


def decoded_hexadecimal(text: str) -> str:
    found = re.findall(r"(?:[0-9a-fA-F]{2}){8,}", text)
    return " ".join(bytes.fromhex(one).decode("utf-8", "replace") for one in found)


def unescaped(text: str) -> str:
    halves = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text)
    whole = halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return re.sub(r"\\([\"\\/nrtbf])", lambda code: code[1] if code[1] in '"\\/' else " ", whole)


def same(text: str) -> str:
    return text


def encoded_base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode()


#: Ways to write a value, and what a reader does to read it: case and white space are no obstacle.
MANGLINGS: list[tuple[Callable[[str], str], Callable[[str], str]]] = [
    (same, same),
    (str.upper, same),
    (str.swapcase, same),
    (lambda text: quote(text, safe="", errors="replace"), unquote),
    (lambda text: quote_plus(text, errors="replace"), unquote_plus),
    (lambda text: json.dumps(text)[1:-1], unescaped),
    (lambda text: json.dumps(text, ensure_ascii=False)[1:-1], unescaped),
    (html.escape, html.unescape),
    (lambda text: "".join(f"&#{ord(one)};" for one in text), html.unescape),
    (encoded_base64, decoded_base64),
    (lambda text: text.encode("utf-8", "replace").hex(), decoded_hexadecimal),
    (" ".join, same),
    (lambda text: "".join(text.split()), same),
    (lambda text: "\n\t".join(text.split()), same),
    (lambda text: " ".join(text[start : start + 5] for start in range(0, len(text), 5)), same),
]


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
def test_no_part_of_a_value_is_reported(operation: Any) -> None:
    """No eight characters in a row of anything but identifiers are in an error, however the message spells them."""
    shape = operation.input_shape()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(values_of(shape), st.data())
    def nothing_is_told(params: dict[str, Any], data: st.DataObject) -> None:
        held = [*leaves({name: value for name, value in params.items() if name not in operation.identifying})]
        held += names(params)
        quoted = data.draw(st.lists(st.sampled_from(held or ["nothing"]), max_size=3), label="quoted")
        manglings = data.draw(st.lists(st.sampled_from(MANGLINGS), max_size=3), label="manglings")
        said = ["1 validation error detected:"]
        for text in quoted:
            start = data.draw(st.integers(0, max(0, len(text) - FRAGMENT)), label="start")
            part = text[start : start + data.draw(st.integers(FRAGMENT, 40), label="length")]
            for mangle, _ in manglings:
                part = mangle(part)
            said += [part, "is wrong,"]
        # Hypothesis finds our own words too, and makes values of them.
        reported = refused(operation, params, " ".join(said)).partition("Amazon says: ")[2].partition(" Change what")[0]
        for _, read in reversed(manglings):
            reported = read(reported)
        for text in held:
            one_line = " ".join(text.split())
            for start in range(len(one_line) - FRAGMENT + 1):
                part = one_line[start : start + FRAGMENT]
                assert part not in reported
                assert len(squeezed(part)) < FRAGMENT or squeezed(part) not in squeezed(reported)

    nothing_is_told()


# --- Known spellings -------------------------------------------------------------------------------------------

NAME = "Zoë Müller-Lüdenscheidt & Sons"
PARAMS = {
    "InstanceId": INSTANCE,
    "RelatedContactId": CONTACT,
    "Channel": "TASK",
    "InitiationMethod": "API",
    "Name": NAME,
    "Attributes": {"phone": NUMBER, "order": "4711", "Frau Mustermann": "yes"},
    "SegmentAttributes": {"visits": {"ValueInteger": 815_000_001}},
}


@pytest.mark.parametrize(
    "spelt",
    [
        NAME,
        NAME.upper(),
        NAME[:8],
        NAME.replace("ü", "u\u0308").replace("ë", "e\u0308"),
        "Zoe Muller-Ludenscheidt & Sons",
        " ".join(NAME),
        NAME.replace(" ", "\n"),
        quote(NAME),
        quote_plus(NAME).lower(),
        quote(quote(NAME)),
        json.dumps(NAME),
        json.dumps(json.dumps(NAME)),
        html.escape(NAME),
        NAME.replace("ü", "&uuml;").replace("ë", "&EUML;".lower()),
        encoded_base64(NAME),
        encoded_base64(json.dumps({"Name": NAME})),
        base64.urlsafe_b64encode(NAME.encode()).decode().rstrip("="),
        NAME.encode().hex(),
        NAME.encode().hex(" "),
        NAME.encode().hex(":").upper(),
        ", ".join(f"0x{byte:02x}" for byte in NAME.encode()),
        str(list(NAME.encode())),
        repr(NAME.encode()),
        NAME.encode().decode("latin-1"),
        str([ord(one) for one in NAME]),
        " ".join(f"{byte:08b}" for byte in NAME.encode()),
        "".join(f"\\{byte:03o}" for byte in NAME.encode()),
        "".join(f"%u{ord(one):04x}" for one in NAME),
        "".join(f"\\u{{{ord(one):x}}}" for one in NAME),
        "".join(f"\\U{ord(one):08x}" for one in NAME),
        "".join(f"={byte:02X}" for byte in NAME.encode()),
        quopri.encodestring(NAME.encode(), header=True).decode(),
        "".join(f"<b>{one}</b>" for one in NAME),
        base64.b32encode(NAME.encode()).decode(),
        base64.b32encode(NAME.encode())[:16].decode(),
        NUMBER,
        "0041 79 123 45 67",
        "(41) 791-234567",
        quote(NUMBER),
        "815000001",
        "Frau Mustermann",
        "FRAU%20MUSTERMANN",
    ],
)
def test_known_spellings_of_a_value(spelt: str) -> None:
    """Another case, cut, split, escaped for one thing or another: the value is not reported."""
    reported = refused(CreateContact, PARAMS, f"The request is not valid: {spelt}")
    assert spelt not in reported
    for part in ("Zo", "ller", "791", "1234567", "815", "Muster", "MUSTER"):
        assert part not in reported
    assert "InvalidRequestException (HTTP 400)" in reported
    assert "request-1" in reported


@pytest.mark.parametrize("spelt", ["S2lt", "4b696d", "4B696D", "JNUW2"])
def test_encodings_of_a_short_value(spelt: str) -> None:
    """A value that is too short for its encoding to be recognised is struck out in the encodings that are known."""
    reported = refused(CreateContact, {**PARAMS, "Name": "Kim"}, f"The name {spelt} is not valid")
    assert 'Amazon says: "The name *** is not valid"' in reported


@pytest.mark.parametrize(
    ("message", "quoted"),
    [
        (f"Contact {CONTACT} is not there", f"Contact {CONTACT} is not there"),
        (f"arn:aws:connect:us-east-1:123456789012:instance/{INSTANCE} is not active", INSTANCE),
        (f"Value '{NAME}' at 'name' failed to satisfy constraint: 1,024", "Value *** at 'name' failed to satisfy"),
        (f'{{"Name":"{NAME}","Channel":"TASK"}}', '{"Name":"***","Channel":"TASK"}'),
        ("InitiationMethod API is not for channel TASK", "InitiationMethod API is not for channel TASK"),
        ("the order is wrong", "the order is wrong"),
        ("order=4711 is wrong", "order=*** is wrong"),
        ("order 47110 is wrong", "order 47110 is wrong"),
        ("limit=20 of 1 2 3 4 5 6 7 8 9 10", "limit=20 of 1 2 3 4 5 6 7 8 9 10"),
        ("one of TASK, VOICE <or> EMAIL", "one of TASK, VOICE <or> EMAIL"),
        ("one\u202eline\x00 of\x1b[31m text", "oneline of [31m text"),
    ],
)
def test_what_is_quoted(message: str, quoted: str) -> None:
    """Identifiers, the model's words and the service's own are quoted, on one line of what can be seen."""
    assert quoted in refused(CreateContact, PARAMS, message)


@pytest.mark.parametrize(
    ("operation", "params", "secret"),
    [
        (CreateContact, {"ClientToken": "order-4711-of-kim"}, "order-4711-of-kim"),
        (CreateContact, {"ExpiryDurationInMinutes": 123_456_789}, "123456789"),
        (StartTaskContact, {"Attachments": [{"FileName": "kim.pdf", "S3Url": "https://b.example/k?Sig=1"}]}, "kim.pdf"),
        (UpdateContact, {"CustomerEndpoint": {"Type": "TELEPHONE_NUMBER", "Address": NUMBER}}, NUMBER),
        (SearchContacts, {"SearchCriteria": {"Name": {"SearchText": [NAME], "MatchType": "MATCH_ALL"}}}, NAME),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_members_that_are_not_listed_are_struck_out(operation: Any, params: dict[str, Any], secret: str) -> None:
    """It is a list of what may be quoted, so that a member that nobody thought of is not."""
    assert secret not in refused(operation, {"InstanceId": INSTANCE, **params}, f"It was {secret}, which is wrong")


@pytest.mark.parametrize(
    "code", [NAME, NUMBER, "Error 17", "<html>", "Mustermann", "Kim", "KimNotFound", "NoSuchKIM", "x" * 101, ""]
)
def test_code_that_is_not_a_plain_word_is_not_reported(code: str) -> None:
    """A code is printed if it is a word of letters that the request does not hold."""
    params = {**PARAMS, "Name": "Kim", "Description": "Mustermann"}
    reported = refused(CreateContact, params, "", Code=code)
    assert reported.startswith("CreateContact failed with an error (HTTP 400). ")
    assert not code or code not in reported


def test_request_id_and_reason_are_not_a_way_out() -> None:
    """A proxy may put anything into the headers and fields of an answer."""
    answer = {
        "Error": {"Code": "ServiceQuotaExceededException", "Message": "", "Reason": "MUSTERMANN"},
        "ResponseMetadata": {"HTTPStatusCode": 402, "RequestId": "41791234567"},
    }
    params = {**PARAMS, "Description": "Mustermann"}
    error = sort_error(ClientError(answer, "CreateContact"), CreateContact, params)  # type: ignore[arg-type]
    assert error.request_id is None
    assert error.reason is None  # type: ignore[attr-defined]
    assert "MUSTERMANN" not in str(error)
    assert "1791234567" not in str(error)


def test_what_cannot_be_decided_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that can be read in more ways than are tried is dropped whole, and what is left says what to do."""
    message = "Only &#x6e;onsense, \\u0026amp; %2541 of it"
    assert "Amazon says" in refused(CreateContact, PARAMS, message)
    monkeypatch.setattr(quoting, "_MOST_SPELLINGS", 1)
    reported = refused(CreateContact, PARAMS, message)
    assert "Amazon says" not in reported
    assert "InvalidRequestException (HTTP 400). Change what" in reported
