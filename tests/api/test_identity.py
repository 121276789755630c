"""Client tokens: the same for the same asker, another for any other, today and in every release to come."""

from __future__ import annotations

import itertools
import pickle
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pandas as pd
import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_connect.api.identity import (
    changed_fields,
    content_digest,
    content_digests,
    row_digest,
    token_for_key,
    token_for_row,
    token_for_task,
)

if TYPE_CHECKING:
    import random

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
TYPES = {
    "text": "17",
    "int": 17,
    "float": 17.5,
    "bool": True,
    "none": None,
    "decimal": Decimal("17.50"),
    "date": date(2026, 11, 24),
    "datetime": datetime(2026, 11, 24, 16, 5, tzinfo=UTC),
    "time": time(16, 5),
    "timedelta": timedelta(minutes=5),
    "uuid": UUID(int=17),
    "bytes": b"\0\xff",
    "set": {1, "a"},
}


def test_tokens_never_change() -> None:
    """The tokens of a release are those of every other: another value would make a second contact on an upgrade."""
    assert token_for_task(INSTANCE, "orders", "manual__2026-11-24", "call", 3) == (
        "3c3a6f16021b0637303c5ddee3608e3b655789559e67597c183eadd844176781"
    )
    assert token_for_task(INSTANCE, "orders", "manual__2026-11-24", "call") == (
        "e42cdb851a5724a705d57c3a924015f42bd4d6c80a8dcd931c113b412aef2589"
    )
    assert token_for_task(INSTANCE, "orders", "manual__2026-11-24", "call", 3, "row-9") == (
        "1fdd486049171394939bf75d68c764cb34b19e03c36a510cc635566ee17d280c"
    )
    assert token_for_row(INSTANCE, "orders", "manual__2026-11-24", "call", -1, "0" * 64, 0) == (
        "fa93efb50e42b7e8e0b5cd8625f80aa418a683bd3e06e4221894c9f04a52388d"
    )
    assert token_for_row(INSTANCE, "orders", "manual__2026-11-24", "call", 3, "0" * 64, 2) == (
        "1a6c68b37ca4afacfbb308a72db5a19ec1b622175af8e0b139a144ac550a0620"
    )
    assert token_for_key(INSTANCE, "invoice-4711") == (
        "669ccd7f280ac9deda44c59e802e98523a62032eec7122db0659749b22699380"
    )
    assert token_for_key(INSTANCE, "Rechnung-€-🚀") == (
        "4e735e7c0eb4d585c89cfd392896d4f550346869c398e3a84a32e6e72d03a355"
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


def test_digest_of_a_row_never_changes() -> None:
    """A row's digest goes into its token, whatever types a database or a file gives."""
    assert row_digest({"order": "17", "city": "Köln"}) == (
        "99bee950351035c77840408c3a09987a40a0b9c76494b33769ba01bb7c72e6c7"
    )
    assert row_digest(TYPES | {"list": list(TYPES.values()), "dict": TYPES}) == (
        "f944db21ffb21370457dcac2b97a6fcf7cfdc671bb45bfa8921f837014be4085"
    )
    assert content_digest(PARAMS) == "18324d65bd98b722"


def test_every_type_counts_in_a_row() -> None:
    """Values that are equal for Python or look alike, and are of other types, make other rows."""
    alike = [1, 1.0, True, "1", Decimal(1), Decimal("1.0"), b"1", "true", None, "None", "null", "", [], {}, "NaN"]
    alike += [float("nan"), [1], ["1"], [[1]], {"1": 1}, date(2026, 11, 24), datetime(2026, 11, 24), "2026-11-24"]
    alike += [datetime(2026, 11, 24, tzinfo=UTC), time(0), timedelta(0), UUID(int=1), str(UUID(int=1)), {1, 2}, [1, 2]]
    alike += [datetime(2026, 11, 24, 1, tzinfo=timezone(timedelta(hours=1))), pd.NA, np.int64(1), np.float32(1)]
    assert len({row_digest({"column": value}) for value in alike}) == len(alike)
    assert row_digest({}) != row_digest({"": None}) != row_digest({"column": None})


def test_libraries_types_make_the_same_row() -> None:
    """What pandas, pendulum and numpy derive from Python's types is the same row, whether they are installed or not."""
    moment = datetime(2026, 11, 24, 16, 5, tzinfo=UTC)
    for value, ours in (
        (pd.Timestamp(moment), moment),
        (pendulum.instance(moment), moment),
        (pendulum.date(2026, 11, 24), date(2026, 11, 24)),
        (pd.Timedelta(minutes=5), timedelta(minutes=5)),
        (np.float64(0.1), 0.1),
        (np.str_("x"), "x"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (("a", 1), ["a", 1]),
        (frozenset({1}), {1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
    ):
        assert row_digest({"column": value}) == row_digest({"column": ours})


@pytest.mark.parametrize(
    "value",
    [object(), lambda: None, {"a": [object()]}, {"a": {1: 1, "b": 2}}],
    ids=["object", "function", "nested", "keys"],
)
def test_what_has_no_value_makes_no_digest(value: object) -> None:
    """Of an object nobody can say whether it is the same in the next process: it is refused, not guessed."""
    with pytest.raises(TypeError):
        row_digest({"column": value})


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.decimals() | st.binary()


@given(st.dictionaries(st.text(max_size=9), SCALARS, max_size=6), st.randoms())
def test_order_of_columns_does_not_count(row: dict[str, object], chance: random.Random) -> None:
    """A row is what its columns hold, wherever they stand, also after a way through a temporary file."""
    items = list(row.items())
    chance.shuffle(items)
    assert row_digest(dict(items)) == row_digest(row) == row_digest(pickle.loads(pickle.dumps(row)))


def test_repetition_counts_in_a_row() -> None:
    """Equal rows are as many contacts, each with a token that is no other row's or task's."""
    asked_by = ("i", "d", "r", "t", -1)
    tokens = {token_for_row(*asked_by, row_digest({"a": value}), count) for value in (1, 2) for count in range(3)}
    assert len(tokens | {token_for_task(*asked_by), token_for_task(*asked_by, row_digest({"a": 1}))}) == 8


def test_every_part_of_a_task_instance_counts() -> None:
    """Another instance, DAG, run, task, map index or part of a task is another contact."""
    whole = ("i", "d", "r", "t", 0, "m")
    changed = [(*whole[:place], 1 if place == 4 else "x", *whole[place + 1 :]) for place in range(len(whole))]
    tokens = [token_for_task(*parts) for parts in (whole, whole[:5], whole[:4], (*whole, ""), *changed)]
    assert len(set(tokens)) == len(tokens)


def test_parts_are_kept_apart() -> None:
    """What moves from one part to the next is another contact, and so is the task that a key is spelt like."""
    for one, other in itertools.pairwise([("a", "bc"), ("ab", "c"), ("abc", ""), ('a","b', "c"), ("a", '","bc')]):
        assert token_for_task("i", *one, "t") != token_for_task("i", *other, "t")
        assert token_for_key(*one) != token_for_key(*other)
    assert token_for_key("i", "d") != token_for_task("i", "d", "", "")


@given(st.text(max_size=50), st.text(max_size=50), st.integers(-1, 10**6))
def test_token_fits_the_api(instance_id: str, text: str, map_index: int) -> None:
    """A token is 64 hexadecimal digits, whatever it is made of: well under the API's 500 characters."""
    for token in (token_for_task(instance_id, text, text, text, map_index), token_for_key(instance_id, text)):
        assert re.fullmatch("[0-9a-f]{64}", token)
    assert token_for_key(instance_id, text) == token_for_key(instance_id, text)


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


def test_digests_tell_nothing() -> None:
    """A digest has 8 digits and depends on the token and the field, so that equal values cannot be told across them."""
    one, other = content_digests("t", PARAMS), content_digests("u", PARAMS)
    assert all(re.fullmatch("[0-9a-f]{8}", digest) for digest in one.values())
    assert not set(one.items()) & set(other.items())
    same = content_digests("t", {"Name": "x", "Description": "x", "Attributes": {"a": "x", "b": "x"}})
    assert len(set(same.values())) == 4
