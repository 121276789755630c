"""Client tokens: the same for the same asker, another for any other, today and in every release to come."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_connect.api.identity import (
    changed_fields,
    content_digests,
    request_digest,
    token_for_key,
    token_for_row,
    token_for_task,
)

INSTANCE = "b1000000-0000-4000-8000-000000000001"
PARAMS = {
    "InstanceId": INSTANCE,
    "Channel": "TASK",
    "Name": "Call back",
    "Attributes": {"order": "17", "city": "Köln"},
    "References": {"Due date": {"Type": "DATE", "Value": "1795478400"}},
    "SegmentAttributes": {"connect:ContactExpiry": {"ValueMap": {"ExpiryDuration": {"ValueInteger": 5}}}},
    "ClientToken": "token",
}
CALLED = ("us-east-1", INSTANCE, "CreateContact")


def test_tokens_never_change() -> None:
    """The tokens of a release are those of every other: another value would make a second contact on an upgrade."""
    assert token_for_task(*CALLED, "orders", "manual__2026-11-24", "call", 3) == (
        "da3e3d1f04ca397d7fb2440ce25e99b11363eda8c4d13a3355d9dbff143cf81a"
    )
    assert token_for_task(*CALLED, "orders", "manual__2026-11-24", "call") == (
        "b9ef1620c4e1def1587f0c8f156f90381492b8e0c844656b3c2762ddf5fc0334"
    )
    assert token_for_task(*CALLED, "orders", "manual__2026-11-24", "call", 3, "row-9") == (
        "1c6aeeda71103e75fdd477969265c0a8d6f94213024684deb532fa94699ee38c"
    )
    assert token_for_row(*CALLED, "orders", "manual__2026-11-24", "call", -1, "0" * 64, 0) == (
        "71f751578dc00172d8e06bf7985ddfc70f13fc7a783cdfa3dd924d1af71adc08"
    )
    assert token_for_row(*CALLED, "orders", "manual__2026-11-24", "call", 3, "0" * 64, 2) == (
        "7a906dadf53c03452b7b1388f2a0c8ec985545ec986d1029bb36eed02aba655e"
    )
    assert token_for_key(*CALLED, "invoice-4711") == (
        "368be3447916cf5204616df8843c54289abb0b2246e26440db8b9548862bf38b"
    )
    assert token_for_key(*CALLED, "Rechnung-€-🚀") == (
        "819793d31d7e62baf9dc0b615d7f1b23c4a9cf4ef899d240665931d9747e0fb0"
    )


def test_digests_never_change() -> None:
    """Digests outlive a release in the task state store, and are compared with those of the next."""
    assert content_digests("token", PARAMS) == {
        "InstanceId": "5dece9e5",
        "Channel": "236266ba",
        "Name": "e7a9ea26",
        "Attributes.order": "c8ad1f17",
        "Attributes.city": "55064ed4",
        "References.Due date": "a3e19993",
        "SegmentAttributes.connect:ContactExpiry": "6880f433",
    }


def test_digest_of_a_request_never_changes() -> None:
    """A request's digest goes into the token of a row without a key, and into the record."""
    assert request_digest(PARAMS) == "18324d65bd98b72266d1a102fafda7e7f54c322f130fc27da77dcec9f5604357"
    turned = dict(reversed(PARAMS.items())) | {"Attributes": dict(reversed(PARAMS["Attributes"].items()))}
    assert request_digest(turned) == request_digest(PARAMS)


def test_repetition_counts_in_a_row() -> None:
    """Equal rows are as many contacts, each with a token that is no other row's or task's."""
    asked_by = (*CALLED, "d", "r", "t", -1)
    tokens = {token_for_row(*asked_by, digest, count) for digest in ("0" * 64, "1" * 64) for count in range(3)}
    assert len(tokens | {token_for_task(*asked_by), token_for_task(*asked_by, "0" * 64)}) == 8


def test_every_part_of_a_task_instance_counts() -> None:
    """Another Region, instance, operation, Dag, run, task, map index or part of a task is another contact."""
    whole = ("region", "i", "o", "d", "r", "t", 0, "m")
    changed = [(*whole[:place], 1 if place == 6 else "x", *whole[place + 1 :]) for place in range(len(whole))]
    tokens = [token_for_task(*parts) for parts in (whole, whole[:7], whole[:6], (*whole, ""), *changed)]
    assert len(set(tokens)) == len(tokens)


def test_every_part_of_a_key_counts() -> None:
    """Another Region, instance, operation or key is another contact."""
    whole = ("region", "i", "o", "k")
    tokens = {token_for_key(*whole[:place], "x", *whole[place + 1 :]) for place in range(len(whole))}
    assert len(tokens | {token_for_key(*whole)}) == 5


def test_parts_are_kept_apart() -> None:
    """What moves from one part to the next is another contact, and so is the task that a key is spelt like."""
    for one, other in itertools.pairwise([("a", "bc"), ("ab", "c"), ("abc", ""), ('a","b', "c"), ("a", '","bc')]):
        assert token_for_task(*CALLED, *one, "t") != token_for_task(*CALLED, *other, "t")
        assert token_for_key("region", "i", *one) != token_for_key("region", "i", *other)
    assert token_for_key(*CALLED, "d") != token_for_task(*CALLED, "d", "", "")


@given(st.text(max_size=50), st.text(max_size=50), st.integers(-1, 10**6))
def test_token_fits_the_api(instance_id: str, text: str, map_index: int) -> None:
    """A token is 64 hexadecimal digits, whatever it is made of: well under the API's 500 characters."""
    called = (text, instance_id, text)
    for token in (token_for_task(*called, text, text, text, map_index), token_for_key(*called, text)):
        assert re.fullmatch("[0-9a-f]{64}", token)
    assert token_for_key(*called, text) == token_for_key(*called, text)


def test_equal_requests_have_equal_digests() -> None:
    """The order of attributes and the client token itself are no content."""
    turned = dict(reversed(PARAMS.items())) | {"Attributes": dict(reversed(PARAMS["Attributes"].items()))}
    assert changed_fields(content_digests("t", PARAMS), content_digests("t", turned)) == []
    assert changed_fields(content_digests("t", PARAMS), content_digests("t", PARAMS | {"ClientToken": "other"})) == []


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"Name": "Call again"}, ["Name"]),
        ({"Name": "Call back "}, ["Name"]),
        ({"Attributes": {"order": "18", "city": "Köln"}}, ["Attributes.order"]),
        ({"Attributes": {"order": "17"}}, ["Attributes.city"]),
        ({"Attributes": {"order": "17", "city": "Bonn", "zip": "53111"}}, ["Attributes.city", "Attributes.zip"]),
        ({"References": {"Due date": {"Type": "STRING", "Value": "1795478400"}}}, ["References.Due date"]),
        (
            {"SegmentAttributes": {"connect:ContactExpiry": {"ValueMap": {"ExpiryDuration": {"ValueInteger": 6}}}}},
            ["SegmentAttributes.connect:ContactExpiry"],
        ),
        ({"Channel": "VOICE", "InitiationMethod": "TRANSFER"}, ["Channel", "InitiationMethod"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_changed_fields_are_named_by_path(change: dict[str, object], fields: list[str]) -> None:
    """What differs is named to the single attribute or reference, in order, added and dropped ones too."""
    before, after = content_digests("t", PARAMS), content_digests("t", PARAMS | change)
    assert changed_fields(before, after) == fields
    assert changed_fields(after, before) == fields


def test_digests_show_nothing() -> None:
    """A digest has 8 digits and depends on the token and the field, so that it does not show where values are equal."""
    one, other = content_digests("t", PARAMS), content_digests("u", PARAMS)
    assert all(re.fullmatch("[0-9a-f]{8}", digest) for digest in one.values())
    assert not set(one.items()) & set(other.items())
    same = content_digests("t", {"Name": "x", "Description": "x", "Attributes": {"a": "x", "b": "x"}})
    assert len(set(same.values())) == 4
