"""
What our checks pass, the local Amazon Connect accepts; what they refuse, it refuses.

The two are written apart from Amazon's documentation, so that each finds the other's mistakes. A request that
passes is sent by boto3; one that is refused is sent as its author wrote it, only renamed, past all checks of ours
and of botocore's. ``AIRFLOW_CONNECT_REQUESTS=20000 pytest tests/test_request_against_emulator.py`` asks for more.
"""

from __future__ import annotations

import http.client
import itertools
import json
import math
import os
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_connect.api.operations import (
    CreateContact,
    StartOutboundVoiceContact,
    StartTaskContact,
    TagContact,
    TransferContact,
    UpdateContact,
    UpdateContactAttributes,
)
from airflow_connect.emulator import resources
from airflow_connect.emulator.server import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import SearchStrategy

REQUESTS = int(os.environ.get("AIRFLOW_CONNECT_REQUESTS", "2000"))

INSTANCE = resources.DEFAULT_INSTANCE_ID
ARN = f"arn:aws:connect:{resources.DEFAULT_REGION}:{resources.ACCOUNT}:instance/{INSTANCE}"
DAY = 86_400

#: Stands for the time at which a request is sent, so that the examples do not depend on when they are run.
SECONDS_FROM_NOW = "seconds from now"

# ------------------------------------------------------------------------------------------------------------
# Values. A good one is right by itself, a bad one need not be wrong: the emulator decides.

characters = st.sampled_from(["a", "é", "€", "🚀"])
texts = st.text(max_size=20) | st.sampled_from(
    ["", " ", "{{ ds }}", "null", '"quoted"', "a\nb\tc", "\0", "\u202e", "x\u0301", "Ünï çødé", "🚀" * 5, "\ufffd"]
)
numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
scalars = texts | numbers | st.none() | st.just(math.nan)
no_text = st.sampled_from([[], ["x"], {}, {"a": "b"}, math.inf, -math.inf, "\ud800", "x\udfff"])
no_map = st.sampled_from([[], ["x"], "text", 5, True, "", math.inf])


def one_of_weighted(*choices: tuple[int, SearchStrategy[Any]]) -> SearchStrategy[Any]:
    """One of the strategies, by weight: the rules that there is most to say about get most of the requests."""
    drawn = st.sampled_from([strategy for weight, strategy in choices for _ in range(weight)])
    return drawn.flatmap(lambda strategy: strategy)


def filled(least: int, most: int) -> SearchStrategy[str]:
    """Texts with a length at, or one or two from, a limit."""
    lengths = st.sampled_from([length for length in (least, least + 1, most - 1, most) if least <= length <= most])
    return st.builds(lambda character, length: character * length, characters, lengths)


def too_long(most: int) -> SearchStrategy[str]:
    return st.builds(lambda character, more: character * (most + more), characters, st.sampled_from([1, 2, 100]))


def padded_to(total: int, wrap: Callable[[str], Any] = lambda text: text) -> SearchStrategy[dict[str, Any]]:
    """Maps of so many bytes in UTF-8 over all keys and values, in several values."""

    def build(character: str, share: float) -> dict[str, Any]:
        first = character * int(total / 2 * share / len(character.encode()))
        rest = total - len(first.encode()) - len("abc")
        return {"a": wrap(first), "b": wrap("x" * (rest // 2)), "c": wrap("x" * (rest - rest // 2))}

    return st.builds(build, characters, st.floats(0.1, 0.9))


identifiers = st.text("abcXYZ019_-", min_size=1, max_size=12)
good_attributes = (
    st.dictionaries(identifiers, scalars, max_size=5)
    | padded_to(32_768)
    | padded_to(32_767)
    | st.just({"k" * 32_767: ""})
    | st.just({"k": "v" * 32_767})
)
bad_attributes = one_of_weighted(
    (2, st.dictionaries(st.text(min_size=0, max_size=3), texts, min_size=1, max_size=2)),
    (2, st.dictionaries(identifiers, no_text, min_size=1, max_size=2)),
    (1, padded_to(32_769)),
    (1, padded_to(32_770)),
    (1, st.sampled_from([{"k" * 32_768: ""}, {"k": "v" * 32_768}])),
    (1, no_map),
)

urls = st.sampled_from(
    ["https://example.com/orders/17?a=b#c", "http://h", "HTTPS://H.EXAMPLE:8443/ü", "https://[::1]/"]
)
near_urls = st.sampled_from(
    [
        "https://",
        "http://:80",
        "https://h:99999",
        "https://h:port",
        "https://h:",
        "http://[::1",
        "https://user@/x",
        "https://user:word@h/",
        "https://h/a b",
        "https://h\n",
        " https://h",
        "\x01https://h",
        "https://h\u3000",
        "ftp://h",
        "//h",
        "h.example",
        "javascript:alert(1)",
        "https:/h",
        "https://℀.example",
    ]
)
near_numbers = st.sampled_from(
    [
        "0",
        "-1.5",
        "+2",
        ".5",
        "5.",
        "1e5",
        "1E-3",
        "0012",
        "1e400",
        "1_000",
        "1,5",
        "0x1",
        "nan",
        "inf",
        "e5",
        ".",
        "٣",
        "１",
        "--1",
    ]
) | st.sampled_from(["", " 1", "1\n", "9" * 400])
near_dates = st.sampled_from(
    [
        "0",
        "1795478400",
        "-1",
        "-62135596800",
        "-62135596801",
        "253402300799",
        "253402300800",
        "1795478400000",
        "1.5",
        "1e9",
        "+1",
        "٣",
        "tomorrow",
        "007",
        "2026-13-01",
        "2026-02-30",
        "24.11.2026",
        "2026-11-24T25:00",
    ]
) | st.sampled_from(["", "9" * 30])
near_addresses = st.sampled_from(
    ["a@b.c", "ada.lovelace+x@example.co.uk", "ü@bücher.example", "a@b", "@b.c", "a@", "a@@b.c", "a@b..c"]
) | st.sampled_from(["a b@c.d", "a@b.c\n", *(f"{'a' * length}@example.com" for length in (243, 244, 4_000))])
values_by_type = {
    "URL": urls,
    "NUMBER": st.sampled_from(["0", "17", "-0.5", "1e5"])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    "STRING": scalars,
    "DATE": st.sampled_from(["1795478400", "-86400", "2026-11-24", "2026-11-24T16:00:00+01:00", 0, 1795478400.5]),
    "EMAIL": st.sampled_from(["a@b.c", "ada@example.com"]),
}
good_long_references = st.one_of(
    [st.fixed_dictionaries({"Type": st.just(kind), "Value": values}) for kind, values in values_by_type.items()]
)
short_references = scalars | urls | near_urls | near_numbers | near_dates | near_addresses
reference_names = st.text(min_size=1, max_size=12) | st.sampled_from(["Due date", "Bestellung №", "a.b[c]"])
good_references = (
    st.dictionaries(reference_names, good_long_references | short_references, max_size=3)
    | padded_to(4_096, lambda text: {"Type": "STRING", "Value": text})
    | padded_to(4_095)
    | st.just({"k" * 4_096: ""})
)
attachments_by_arn = st.fixed_dictionaries(
    {
        "Type": st.sampled_from(["ATTACHMENT", "EMAIL_MESSAGE", "URL"]),
        "Arn": st.sampled_from(
            [f"{ARN}/file/a_b.pdf", "a" * 19, "a" * 20, "a" * 256, "a" * 257, f"_{ARN}", f"{ARN} x"]
        ),
    },
    optional={
        "Status": st.sampled_from(["APPROVED", "approved", ""]),
        "StatusReason": filled(0, 100) | too_long(100),
        "Value": texts,
    },
)
types = st.sampled_from(
    [*values_by_type, *values_by_type, "ATTACHMENT", "CONTACT_ANALYSIS", "EMAIL_MESSAGE", "url", "", "X"]
)
near_references = st.one_of(
    st.fixed_dictionaries({"Type": st.just("URL"), "Value": near_urls}),
    st.fixed_dictionaries({"Type": st.just("NUMBER"), "Value": near_numbers}),
    st.fixed_dictionaries({"Type": st.just("DATE"), "Value": near_dates}),
    st.fixed_dictionaries({"Type": st.just("EMAIL"), "Value": near_addresses}),
)
mixed_references = st.fixed_dictionaries(
    {"Type": types, "Value": near_urls | near_numbers | near_dates | near_addresses | no_text}
)
malformed_references = st.sampled_from(
    [
        {"Value": "x"},
        {"Type": "STRING", "Value": "x", "Extra": "y"},
        {"Type": None, "Value": "x"},
        {"Type": ["URL"], "Value": "x"},
        {"type": "STRING", "value": "x"},
        ["x"],
    ]
)
bad_references = one_of_weighted(
    (5, st.builds(lambda name, reference: {name: reference}, reference_names, near_references)),
    (2, st.builds(lambda name, reference: {name: reference}, reference_names, attachments_by_arn)),
    (2, st.dictionaries(reference_names, mixed_references, min_size=1, max_size=2)),
    (1, st.dictionaries(reference_names, malformed_references | good_long_references, min_size=1, max_size=2)),
    (1, padded_to(4_097, lambda text: {"Type": "STRING", "Value": text})),
    (1, st.sampled_from([{"k" * 4_097: {"Type": "STRING", "Value": ""}}, {"": {"Type": "STRING", "Value": "x"}}])),
    (1, no_map),
)

amazons_keys = identifiers.map("connect:{}".format).filter(lambda key: key != "connect:ContactExpiry")
segment_texts = texts | filled(0, 1_024)
segment_integers = st.sampled_from([0, -1, 17, 2**31 - 1, -(2**31)])
short_segment_values = st.recursive(
    segment_texts | segment_integers | st.booleans() | st.none(),
    lambda inner: st.dictionaries(identifiers, inner, max_size=2),
    max_leaves=4,
)
long_segment_values = st.one_of(
    st.fixed_dictionaries({"ValueString": segment_texts}),
    st.fixed_dictionaries({"ValueInteger": segment_integers}),
    st.fixed_dictionaries({"ValueMap": st.dictionaries(identifiers, short_segment_values, max_size=2)}),
)
arns = st.sampled_from([ARN, "arn:aws:s3:::bucket/key"])
amazons_segment_values = long_segment_values | st.one_of(
    st.fixed_dictionaries({"ValueArn": arns}),
    st.fixed_dictionaries({"ValueList": st.lists(long_segment_values, max_size=2)}),
    st.fixed_dictionaries({"ValueList": st.lists(st.fixed_dictionaries({"ValueArn": arns}), max_size=2)}),
)
expiries = st.sampled_from([1, 5, 2**31 - 1]).map(
    lambda minutes: {"connect:ContactExpiry": {"ValueMap": {"ExpiryDuration": {"ValueInteger": minutes}}}}
)
good_segment_attributes = (
    st.dictionaries(identifiers | st.just("k" * 128), short_segment_values | long_segment_values, max_size=3)
    | st.dictionaries(amazons_keys, amazons_segment_values, max_size=2)
    | expiries
)
bad_segment_values = st.sampled_from(
    [
        ["x"],
        {"ValueString": ["x"]},
        {"ValueString": "x" * 1_025},
        {"ValueInteger": 2**31},
        {"ValueInteger": -(2**31) - 1},
        {"ValueInteger": "five"},
        {"ValueInteger": True},
        {"ValueInteger": 1.5},
        {"ValueMap": "x"},
        {"ValueMap": {"a b": {"ValueString": "x"}}},
        {"ValueMap": {"connect:a": {"ValueString": "x"}}},
        {"ValueMap": {"": {"ValueString": "x"}}},
        {"ValueMap": {"k" * 129: {"ValueString": "x"}}},
        {"ValueMap": {"a": {"ValueArn": ARN}}},
        {"ValueMap": {"a": {"ValueList": [{"ValueString": "x"}]}}},
        {"ValueMap": {"a": {"ValueMap": {"b": {"ValueInteger": "x"}}}}},
        {"ValueString": "x", "ValueInteger": 5},
        {"ValueString": "x", "Unknown": "y"},
        {"ValueArn": ARN},
        {"ValueArn": "no ARN"},
        {"ValueArn": "arn:aws:connect"},
        {"ValueList": "x"},
        {"ValueList": [{"ValueArn": "no ARN"}]},
        {"ValueList": [{"ValueInteger": "x"}]},
        {"ValueList": [{"ValueString": "x"}]},
    ]
)
bad_segment_keys = st.sampled_from(
    ["", " ", "a:b", "aws:a", "connect:", "connect:a b", "Connect:a", "ü", "k" * 129, "a.b", "connect:" + "k" * 121]
)
bad_expiries = st.sampled_from(
    [
        {"ValueString": "5"},
        {"ValueInteger": 5},
        {"ValueMap": {}},
        {"ValueMap": {"ExpiryDuration": {"ValueInteger": 0}}},
        {"ValueMap": {"ExpiryDuration": {"ValueInteger": -1}}},
        {"ValueMap": {"ExpiryDuration": {"ValueString": "5"}}},
        {"ValueMap": {"Expiry": {"ValueInteger": 5}}},
    ]
)
bad_segment_attributes = one_of_weighted(
    (4, st.builds(lambda key, value: {key: value}, identifiers | amazons_keys, bad_segment_values)),
    (1, st.builds(lambda key, text: {key: {"ValueString": text}}, bad_segment_keys, texts)),
    (1, bad_expiries.map(lambda value: {"connect:ContactExpiry": value})),
    (1, no_map),
)

contact_ids = st.sampled_from(["c", "00000000-0000-4000-8000-00000000000c", "c" * 256, "🚀", None])
bad_contact_ids = st.sampled_from(["", "c" * 257, ["c"], {"a": "b"}, "\ud800"])
tokens = st.sampled_from([None, 36, 499, 500])
bad_tokens = st.sampled_from([501, 600])

#: By parameter, its good and its bad values.
COMMON: dict[str, tuple[SearchStrategy[Any], SearchStrategy[Any]]] = {
    "instance_id": (
        st.sampled_from([INSTANCE, INSTANCE, ARN]),
        st.sampled_from([None, "", "i" * 101, ["i"], {"a": "b"}, math.inf]),
    ),
    "name": (scalars | filled(0, 1_024), too_long(1_024) | no_text),
    "description": (scalars | filled(0, 4_096), too_long(4_096) | no_text),
    "attributes": (good_attributes, bad_attributes),
    "references": (good_references, bad_references),
    "segment_attributes": (good_segment_attributes, bad_segment_attributes),
    "related_contact_id": (contact_ids, bad_contact_ids),
    "client_token": (tokens, bad_tokens),
    "Nmae": (st.nothing(), st.sampled_from(["x", 5, {"a": "b"}])),
}
users = st.sampled_from([resources.ALEX.id, {"UserId": resources.ALEX.id}, None, math.nan])
CREATE = COMMON | {
    "channel": (
        st.sampled_from(["TASK", "TASK", "VOICE", "EMAIL"]),
        st.sampled_from([None, "CHAT", "task", "", 5, ["TASK"], "VOICE", "EMAIL"]),
    ),
    "initiation_method": (
        st.none(),
        st.sampled_from(["API", "TRANSFER", "OUTBOUND", "FLOW", "AGENT_REPLY", "INBOUND", "CALLBACK", "api", "", 5]),
    ),
    "previous_contact_id": (st.none(), contact_ids | bad_contact_ids),
    "user_info": (
        users,
        st.sampled_from(["", "u" * 256, "u" * 257, {"UserId": ""}, {"UserID": "u"}, {}, {"UserId": None}, ["u"], 5]),
    ),
    "initiate_as": (
        st.sampled_from([None, "CONNECTED_TO_USER"]),
        st.sampled_from(["COMPLETED", "completed", "", "CONNECTED", 5, ["COMPLETED"]]),
    ),
    "expiry_duration_in_minutes": (
        st.sampled_from([None, 1, 30, 2**31 - 1, "30", 30.0, math.nan]),
        st.sampled_from([0, -1, 1.5, 2**31, True, "soon", "", "-5", [5], math.inf, 1, 30]),
    ),
}
flows = st.sampled_from([resources.TASKS_FLOW.id, f"{ARN}/contact-flow/{resources.TASKS_FLOW.id}", "f" * 500])
START = COMMON | {
    "name": (texts | numbers | filled(0, 1_024), too_long(1_024) | no_text | st.none()),
    "contact_flow_id": (flows, st.sampled_from([None, "", "f" * 501, ["f"]]) | flows),
    "task_template_id": (
        st.none(),
        st.sampled_from(["", resources.TEMPLATE.id, "t" * 500, "t" * 501, {"a": "b"}]),
    ),
    "quick_connect_id": (
        st.sampled_from([None, ""]),
        st.sampled_from(["", resources.ALEX_QUICK_CONNECT.id, "q" * 1000, 5, ["q"], {"a": "b"}, math.inf, "\ud800"]),
    ),
    "scheduled_time": (
        st.sampled_from([None, 60, 3600, 5.5 * DAY, 6 * DAY - 60]).map(lambda ahead: (SECONDS_FROM_NOW, ahead)),
        st.sampled_from([(SECONDS_FROM_NOW, ahead) for ahead in (-60, -DAY, 6 * DAY + 60, 10 * DAY, -(10**10), 10**12)])
        | st.sampled_from(["soon", "", "2026-13-01", "9" * 25, True, [1], {"a": 1}, math.inf, 10**30, -1, 0]),
    ),
    "previous_contact_id": (contact_ids, bad_contact_ids),
    "attachments": (
        st.lists(
            st.fixed_dictionaries({"FileName": filled(1, 256) | st.just("Zeugnis №1.pdf"), "S3Url": filled(1, 2_000)}),
            min_size=1,
            max_size=5,
        ),
        st.sampled_from(
            [
                [],
                [{"FileName": "a", "S3Url": "u"}] * 6,
                [{"FileName": "a"}],
                [{"S3Url": "u"}],
                [{"FileName": None, "S3Url": "u"}],
                [{"FileName": "", "S3Url": "u"}],
                [{"FileName": "a\n", "S3Url": "u"}],
                [{"FileName": "a\u202e", "S3Url": "u"}],
                [{"FileName": "a\u0378", "S3Url": "u"}],
                [{"FileName": "a" * 257, "S3Url": "u"}],
                [{"FileName": "a", "S3Url": "u" * 2_001}],
                [{"FileName": "a", "S3Url": "u", "Size": 1}],
                [{"FileName": ["a"], "S3Url": "u"}],
                ["a"],
                [["a"]],
                {"FileName": "a", "S3Url": "u"},
                "a",
            ]
        ),
    ),
}
bad_numbers = st.sampled_from(
    [
        "",
        " ",
        "+",
        "+0123456789",
        "0049301234567",
        "+49 30 1234567",
        "+1234567890123456",
        "x+4930123456",
        "+4930123456x",
        "+4930123456\n",
        "+493012345٦",
        4930123456,
        ["+4930123456"],
        {"a": "b"},
        math.inf,
    ]
)
numbers_to_call = st.sampled_from(["+4930123456", "+12", "+123456789012345", "+14155550100"])
detections = st.fixed_dictionaries(
    {}, optional={"EnableAnswerMachineDetection": st.booleans(), "AwaitAnswerMachinePrompt": st.booleans()}
)
CALL = {name: COMMON[name] for name in COMMON if name != "segment_attributes"} | {
    "destination_phone_number": (numbers_to_call, bad_numbers | st.none()),
    "contact_flow_id": (flows, st.sampled_from([None, "", " ", "f" * 501, ["f"]])),
    "source_phone_number": (numbers_to_call | st.none(), bad_numbers),
    "queue_id": (
        st.sampled_from([resources.CALLS_QUEUE.id, f"{ARN}/queue/{resources.CALLS_QUEUE.id}"]),
        st.sampled_from([None, "", "q" * 300, ["q"], {"a": "b"}, "\ud800"]),
    ),
    "ring_timeout_in_seconds": (
        st.sampled_from([None, 15, 60, "30", 30.0, math.nan]),
        st.sampled_from([14, 61, 0, -1, 15.5, True, "soon", "", [30], math.inf]),
    ),
    "answer_machine_detection_config": (
        st.just({"EnableAnswerMachineDetection": False}) | st.none(),
        detections
        | st.sampled_from(
            [{"EnableAnswerMachineDetection": 1.5}, {"Enable": True}, {"EnableAnswerMachineDetection": []}]
        )
        | no_map,
    ),
    "campaign_id": (st.sampled_from(["summer", "c" * 100, None]), st.sampled_from(["", "c" * 101, ["c"], {"a": "b"}])),
    "traffic_type": (
        st.sampled_from(["GENERAL", "CAMPAIGN", None]),
        st.sampled_from(["general", "", "PREVIEW", 5, ["GENERAL"]]),
    ),
}
#: Rules of ours for what Amazon takes, and nobody means.
OURS = ("must hold no control characters", "must not be blank")

#: Parameters about which there is most to disagree.
RULED = {"attributes", "references", "segment_attributes", "tags"}

#: Stands for a contact that has just been made.
NEW_CONTACT = "new contact"
MADE = st.just(NEW_CONTACT), bad_contact_ids | st.none()
TAG = {
    "instance_id": COMMON["instance_id"],
    "contact_id": MADE,
    "tags": (
        st.dictionaries(
            st.text("abcXYZ019+-=._:/;<", min_size=1, max_size=9), texts | st.integers(), min_size=1, max_size=6
        )
        | st.just({"k" * 128: "v" * 256}),
        st.dictionaries(
            st.sampled_from(["aws:a", "AWS:a", "a b", "a\n", "ü", "", "a*", "k" * 129, "k"]),
            texts | st.just("v" * 257) | no_text,
            min_size=1,
            max_size=1,
        )
        | st.sampled_from([{}, {f"k{number}": "v" for number in range(7)}, {"a": None}])
        | no_map,
    ),
}
UPDATE_ATTRIBUTES = {
    "instance_id": COMMON["instance_id"],
    "initial_contact_id": MADE,
    "attributes": (good_attributes, bad_attributes),
}
endpoints = (
    st.sampled_from([{"Type": "TELEPHONE_NUMBER", "Address": "+4930123456"}, {"Type": "VOIP"}, {"Address": "a" * 256}]),
    st.sampled_from(
        [{"Type": "voip"}, {"Address": "a" * 257}, {"address": "a"}, {"Address": ["a"]}, "+4930123456", ["a"]]
    ),
)
UPDATE = {
    # These two stand in the path, where any value is text.
    "instance_id": (st.just(INSTANCE), st.just(INSTANCE)),
    "contact_id": (st.just(NEW_CONTACT), st.just(NEW_CONTACT)),
    "name": COMMON["name"],
    "description": COMMON["description"],
    "references": COMMON["references"],
    "segment_attributes": COMMON["segment_attributes"],
    "queue_info": (
        st.sampled_from([{"Id": resources.TASKS_QUEUE.id}, {"Id": "q" * 300}]),
        st.sampled_from([{"Id": ["q"]}, {"ID": "q"}, "q", ["q"], {"Id": ""}]),
    ),
    # A user_info without a user is left out, and then there may be nothing to update.
    "user_info": (users, st.sampled_from(["", "u" * 256, "u" * 257, {"UserId": ""}, {"UserID": "u"}, ["u"], 5])),
    "customer_endpoint": endpoints,
    "system_endpoint": endpoints,
}
TRANSFER = {
    "instance_id": COMMON["instance_id"],
    "contact_id": MADE,
    "contact_flow_id": (flows, st.sampled_from([None, "f" * 501, ["f"]]) | flows),
    "queue_id": (st.sampled_from([None, ""]), st.sampled_from([resources.TASKS_QUEUE.id, "q" * 300, "", ["q"]])),
    "user_id": (
        st.sampled_from([None, resources.ALEX.id]),
        st.sampled_from([resources.SAM.id, "u" * 256, "u" * 257, "", {"UserId": "u"}]),
    ),
    "client_token": COMMON["client_token"],
}
EMAIL_METHODS = st.sampled_from(["OUTBOUND", "AGENT_REPLY", "FLOW"])


def requests(values: dict[str, tuple[Any, Any]], always: list[str]) -> SearchStrategy[dict[str, Any]]:
    """Requests of which about half are right: some good values, then no, one or two bad ones."""

    @st.composite
    def build(draw: Any) -> dict[str, Any]:
        bad = draw(st.sampled_from([0, 0, 0, 0, 1, 1, 1, 2]))
        optional = sorted(values.keys() - set(always) - {"Nmae"})
        chosen = draw(st.lists(st.sampled_from(optional), unique=True, max_size=4)) if optional else []
        arguments = {name: draw(values[name][0]) for name in [*always, *chosen]}
        if arguments.get("channel") == "EMAIL":
            arguments["initiation_method"] = draw(EMAIL_METHODS)
            arguments["user_info"] = resources.ALEX.id
        for _ in range(bad):
            name = draw(st.sampled_from([*sorted(values), *sorted(values.keys() & RULED) * 4]))
            arguments[name] = draw(values[name][1])
        return arguments

    return build()


# ------------------------------------------------------------------------------------------------------------
# The two ways to send a request


class Wire:
    """Sends requests as bytes that only look signed, over one connection."""

    def __init__(self, emulator: Emulator) -> None:
        address = urlsplit(emulator.url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=30)
        self._headers = {
            "X-Amz-Date": "20261124T120000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/us-east-1/connect/aws4_request, "
            "SignedHeaders=host;x-amz-date, Signature=0123456789abcdef",
        }

    def send(self, method: str, path: str, members: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return the error that the request is answered with, None if it is accepted, and the answer."""
        self._connection.request(method, path, json.dumps(members), self._headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        return None if response.status == 200 else f"{response.status} {response.headers['x-amzn-ErrorType']}", answer


def refusal_of(send: Callable[..., Any], params: dict[str, Any]) -> str | None:
    """Return the code of the error that boto3 raises, None if the request is accepted."""
    try:
        send(**params)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def as_written(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return an author's arguments under the API's names, and otherwise as they are."""
    return {
        "".join(part[:1].upper() + part[1:] for part in name.split("_")): value for name, value in arguments.items()
    }


@pytest.fixture(scope="module")
def amazon() -> Iterator[Emulator]:
    """An emulator of its own, which keeps no list of the calls."""
    with Emulator(call_log=0, campaign_calls=None) as emulator:
        yield emulator


@pytest.mark.parametrize(
    ("kind", "route", "values", "always"),
    [
        (CreateContact, "PUT /contact/create-contact", CREATE, ["instance_id", "channel"]),
        (StartTaskContact, "PUT /contact/task", START, ["instance_id", "name", "contact_flow_id"]),
        (
            StartOutboundVoiceContact,
            "PUT /contact/outbound-voice",
            CALL,
            ["instance_id", "destination_phone_number", "contact_flow_id", "queue_id"],
        ),
        (UpdateContact, "POST /contacts/{instance_id}/{contact_id}", UPDATE, ["instance_id", "contact_id"]),
        (UpdateContactAttributes, "POST /contact/attributes", UPDATE_ATTRIBUTES, list(UPDATE_ATTRIBUTES)),
        (TagContact, "POST /contact/tags", TAG, list(TAG)),
        (TransferContact, "POST /contact/transfer", TRANSFER, ["instance_id", "contact_id", "contact_flow_id"]),
    ],
    ids=["create", "start", "call", "update", "update-attributes", "tag", "transfer"],
)
def test_checks_and_amazon_agree(amazon: Emulator, kind: Any, route: str, values: Any, always: list[str]) -> None:
    """For each request our check and the emulator have the same opinion, and both opinions occur often."""
    wire = Wire(amazon)
    client = boto3.client(
        "connect",
        endpoint_url=amazon.url,
        region_name=amazon.region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    send = getattr(client, xform_name(kind.name))
    makes_contacts = kind.creates_contact
    count = REQUESTS // 2 if makes_contacts else REQUESTS // 5
    method, _, path = route.partition(" ")
    in_path = set(re.findall(r"{(\w+)}", path))
    passed: Counter[bool] = Counter()
    named: Counter[str] = Counter()
    serial = itertools.count()

    def new_contact() -> str:
        # Only external audio has all that can be updated, and only tasks can be transferred.
        channel, method = ("TASK", "API") if kind is TransferContact else ("VOICE", "TRANSFER")
        members = {"InstanceId": INSTANCE, "Channel": channel, "InitiationMethod": method}
        return wire.send("PUT", "/contact/create-contact", members)[1]["ContactId"]

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(requests(values, always))
    def agree(arguments: dict[str, Any]) -> None:
        now = time.time()
        arguments = {name: new_contact() if value == NEW_CONTACT else value for name, value in arguments.items()}
        if isinstance(length := arguments.get("client_token"), int):
            # Each request has a token of its own: the emulator remembers what came with it.
            arguments["client_token"] = f"{next(serial):036}".ljust(length, "t")
        if isinstance(ahead := arguments.get("scheduled_time"), tuple):
            arguments["scheduled_time"] = None if ahead[1] is None else now + ahead[1]
        params, faults = kind.check(arguments, now=now)
        passed[not faults] += 1
        named.update({fault.field.partition(".")[0].partition("[")[0] for fault in faults})
        if faults and all(fault.rule.startswith(OURS) for fault in faults):
            return
        if faults:
            body = {name: value for name, value in arguments.items() if name not in in_path}
            refusal, _ = wire.send(method, path.format(**arguments), as_written(body))
            # What a request names need not be there: that is no matter of its form, and asked for after it.
            assert refusal in {"400 InvalidParameterException", "400 InvalidRequestException"}, (refusal, faults)
        else:
            assert refusal_of(send, params) in {None, "ResourceNotFoundException"}, params

    agree()
    assert passed.total() >= count
    assert min(passed[True], passed[False]) >= 0.2 * passed.total(), passed
    if makes_contacts and REQUESTS >= 2000:
        assert [name for name in kind.parameters if name not in named] == [], "a parameter was never faulty"
