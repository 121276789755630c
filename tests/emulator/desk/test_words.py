"""How the desk says things."""

from __future__ import annotations

import pytest

from airflow_connect.emulator.desk import words
from airflow_connect.emulator.store import State


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d 0 h"),
        (1e6, "11 d 13 h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    """A length of time has the two units that matter."""
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1798761600", "1 January 2027"),
        ("1798761600000", "1 January 2027"),
        ("1798804800", "1 January 2027, 12:00 UTC"),
        ("0", "1 January 1970"),
        ("-86400", "31 December 1969"),
        ("tomorrow", None),
        ("nan", None),
        ("9" * 400, None),
    ],
)
def test_date(value: str, text: str | None) -> None:
    """A DATE is a day, with its time where it has one; what is no time is nothing."""
    assert words.date(value) == text


@pytest.mark.parametrize(
    ("kind", "value", "target"),
    [
        ("URL", "https://example.com/a?b=c", "https://example.com/a?b=c"),
        ("URL", "HTTP://example.com", "HTTP://example.com"),
        ("URL", "javascript:alert(1)", None),
        ("URL", "java\nscript:alert(1)", None),
        ("URL", "https:/no-host", None),
        ("URL", "http://[", None),
        ("STRING", "https://example.com", None),
        ("EMAIL", "kim@example.com", "mailto:kim@example.com"),
        ("EMAIL", "kim@example.com?bcc=all@example.com", "mailto:kim@example.com%3Fbcc%3Dall@example.com"),
        ("EMAIL", "no address", None),
    ],
)
def test_link(kind: str, value: str, target: str | None) -> None:
    """Only web addresses and e-mail addresses lead anywhere."""
    assert words.link(kind, value) == target


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (1_234, "1,234"), (10_000, "10,000"), (10_001, "10,000+")])
def test_count(number: int, text: str) -> None:
    """A count that stopped says so."""
    assert words.count(number) == text


def test_every_state_has_a_word() -> None:
    """No state of a contact is without a word on the page."""
    assert words.STATES.keys() == {state.value for state in State}


def test_message_is_a_sentence() -> None:
    """A rule's message becomes a sentence about the contact on the page."""
    assert words.sentence("ContactId: the contact has ended") == "The contact has ended."


@pytest.mark.parametrize(
    ("value", "text"),
    [({"ValueString": "a"}, "a"), ({"ValueInteger": 3}, "3"), ({"ValueMap": {"ü": {}}}, '{"ü": {}}'), ({}, "{}")],
)
def test_segment_value(value: dict[str, object], text: str) -> None:
    """A segment attribute is its text, or JSON."""
    assert words.segment_value(value) == text


@pytest.mark.parametrize(
    ("value", "choices"),
    [
        ("approve / refuse", ["approve", "refuse"]),
        (" yes | no |  not yet ", ["yes", "no", "not yet"]),
        ("a / b / a", ["a", "b"]),
        ("ja / nein", ["ja", "nein"]),
        ("approve/refuse", []),
        ("https://example.com/a", []),
        ("12/05/2026", []),
        ("n/a", []),
        ("approve", []),
        ("approve / ", []),
        (" / ", []),
        ("a / a", []),
        ("a / b\nc / d", []),
        ("a / " + "b" * 41, []),
        (" / ".join("abcdefghi"), []),
        ("", []),
    ],
)
def test_choices(value: str, choices: list[str]) -> None:
    """Only a text that is a list of short choices, with spaces around its separators, is offered as one."""
    assert words.choices(value) == choices
