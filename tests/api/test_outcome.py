"""What became of a contact, read from what DescribeContact says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_connect.api.outcome import (
    ALL_ATTRIBUTES,
    Outcome,
    OutcomeState,
    check_condition,
    contact_may_go_on,
    matches,
    open_contact,
    outcome_of,
    unknown_contact,
)

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def ended(reason: str | None = "AGENT_COMPLETED", **members: Any) -> dict[str, Any]:
    """Return a contact as DescribeContact answers."""
    return {
        "Id": "contact-1",
        "InitiationTimestamp": START,
        "DisconnectTimestamp": START + timedelta(minutes=30),
        "DisconnectReason": reason,
        "AgentInfo": {"Id": "agent-1", "ConnectedToAgentTimestamp": START + timedelta(minutes=20)},
        "QueueInfo": {"Id": "queue-1"},
        "Attributes": {"decision": "approve", "iban": "marked-31415"},
        **members,
    }


def test_open_contact_has_no_outcome() -> None:
    """As long as a contact has not been disconnected it does not have an outcome."""
    assert outcome_of({"Id": "contact-1", "InitiationTimestamp": START}) is None


def test_outcome_as_data() -> None:
    """An outcome is JSON, with times in UTC and only the attributes that were named."""
    outcome = outcome_of(ended())
    assert outcome is not None
    reported = outcome.as_dict(["decision", "no such"])
    assert json.loads(json.dumps(reported)) == {
        "contact_id": "contact-1",
        "state": "completed",
        "disconnect_reason": "AGENT_COMPLETED",
        "agent_id": "agent-1",
        "queue_id": "queue-1",
        "initiated": "2026-03-01T08:00:00.000+00:00",
        "connected_to_agent": "2026-03-01T08:20:00.000+00:00",
        "ended": "2026-03-01T08:30:00.000+00:00",
        "wait_seconds": 1200.0,
        "handle_seconds": 600.0,
        "transferred_to": None,
        "attributes": {"decision": "approve"},
    }
    assert outcome.as_dict()["attributes"] == {}
    assert outcome.as_dict(ALL_ATTRIBUTES)["attributes"] == {"decision": "approve", "iban": "marked-31415"}


def test_times_of_another_zone_are_reported_in_utc() -> None:
    """boto3 gives times in the zone of the machine; what is reported does not depend on it."""
    local = START.astimezone(timezone(timedelta(hours=5)))
    outcome = outcome_of(ended(InitiationTimestamp=local))
    assert outcome is not None
    assert outcome.as_dict()["initiated"] == "2026-03-01T08:00:00.000+00:00"


def test_nobody_took_it() -> None:
    """Without an agent there is neither a wait nor any handling."""
    outcome = outcome_of(ended("EXPIRED", AgentInfo=None, QueueInfo=None, Attributes=None))
    assert outcome is not None
    assert (outcome.agent_id, outcome.queue_id, outcome.wait_seconds, outcome.handle_seconds) == (None,) * 4


def test_scheduled_contact_waits_from_its_time() -> None:
    """The wait of a scheduled contact begins when it was to start."""
    outcome = outcome_of(ended(ScheduledTimestamp=START + timedelta(minutes=15)))
    assert outcome is not None
    assert outcome.wait_seconds == 300.0


@pytest.mark.parametrize(
    ("reason", "state", "may_go_on"),
    [
        ("AGENT_COMPLETED", OutcomeState.COMPLETED, False),
        ("CONTACT_FLOW_DISCONNECT", OutcomeState.COMPLETED, False),
        ("OTHER", OutcomeState.COMPLETED, True),
        (None, OutcomeState.COMPLETED, True),
        ("API", OutcomeState.STOPPED, False),
        ("EXPIRED", OutcomeState.EXPIRED, False),
        ("TRANSFERRED", OutcomeState.TRANSFERRED, True),
        ("TELECOM_PROBLEM", OutcomeState.FAILED, True),
        ("TELECOM_NUMBER_INVALID", OutcomeState.FAILED, True),
        ("TELECOM_BUSY", OutcomeState.BUSY, False),
        ("TELECOM_ORIGINATOR_CANCEL", OutcomeState.NOT_ANSWERED, False),
        ("TELECOM_TIMEOUT", OutcomeState.NOT_ANSWERED, False),
        ("TELECOM_UNANSWERED", OutcomeState.NOT_ANSWERED, False),
        ("A_REASON_OF_NEXT_YEAR", OutcomeState.FAILED, True),
    ],
)
def test_reasons(reason: str | None, state: OutcomeState, *, may_go_on: bool) -> None:
    """Amazon's reasons sort into our states; those that are no clear end may have a successor."""
    outcome = outcome_of(ended(reason))
    assert outcome is not None
    assert outcome.state is state
    assert contact_may_go_on(outcome) is may_go_on


def test_call_that_was_stopped() -> None:
    """StopContact ends a call as OTHER, which of other channels says nothing."""
    for channel, state in (("VOICE", OutcomeState.STOPPED), ("TASK", OutcomeState.COMPLETED)):
        outcome = outcome_of(ended("OTHER", Channel=channel))
        assert outcome is not None
        assert outcome.state is state


def test_outcome_of_a_successor() -> None:
    """A contact that was transferred keeps its ID and says as what it went on."""
    outcome = outcome_of(ended())
    assert outcome is not None
    assert outcome.of("contact-1") is outcome
    moved = outcome.of("contact-0")
    assert (moved.contact_id, moved.transferred_to, moved.state) == ("contact-0", "contact-1", outcome.state)


def test_unknown_contact_has_failed() -> None:
    """An ID without a contact has an outcome like any other."""
    assert unknown_contact("contact-9").as_dict()["state"] == "failed"


def test_outcome_survives_being_reported() -> None:
    """An outcome is the same after its way to the scheduler, without the attributes that were not reported."""
    outcome = outcome_of(ended(ScheduledTimestamp=START + timedelta(minutes=5)))
    assert outcome is not None
    assert Outcome.from_dict(json.loads(json.dumps(outcome.as_dict(ALL_ATTRIBUTES)))) == outcome
    assert Outcome.from_dict(outcome.as_dict()).attributes == {}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"state": "completed"}, True),
        ({"state": ["expired", "completed"]}, True),
        ({"state": "expired"}, False),
        ({"attributes": {"decision": "approve"}}, True),
        ({"attributes": {"decision": ["refuse", "approve"], "iban": "another"}}, False),
        ({"attributes": {"missing": "x"}}, False),
        ({"attributes": {"missing": None}}, True),
        ({"attributes": {"decision": None}}, False),
        ({"agent_id": None}, False),
        (lambda outcome: outcome["handle_seconds"] > 60, True),
    ],
)
def test_conditions(condition: Any, *, expected: bool) -> None:
    """All that a condition names has to match, each with its value or one of its values."""
    outcome = outcome_of(ended())
    assert outcome is not None
    check_condition("fail_if", condition)
    assert matches(condition, outcome.as_dict(ALL_ATTRIBUTES)) is expected


@pytest.mark.parametrize("wanted", [{"amount": [17, 18]}, {"amount": 17.0}, {"disputed": True}])
def test_scalars_match_the_text_that_amazon_connect_keeps(wanted: dict[str, Any]) -> None:
    """An attribute that was given as a number or a truth value is text when it comes back."""
    outcome = outcome_of(ended(Attributes={"amount": "17", "disputed": "true"}))
    assert outcome is not None
    assert matches({"attributes": wanted}, outcome.as_dict(ALL_ATTRIBUTES))


@pytest.mark.parametrize(
    "condition",
    [
        {},
        "refuse",
        {"decision": "refuse"},
        {"state": "refused"},
        {"attributes": ["decision"]},
        {"attributes": {}},
        {"attributes": {"decision": {"is": "refuse"}}},
    ],
)
def test_bad_condition_is_named(condition: Any) -> None:
    """A condition that can never match raises with the argument's name."""
    with pytest.raises((TypeError, ValueError), match="skip_if"):
        check_condition("skip_if", condition)


def test_open_contact_has_the_form_of_an_outcome() -> None:
    """A template that reads an outcome can read an open contact too."""
    reported = open_contact("contact-1")
    assert reported.keys() == unknown_contact("contact-1").as_dict().keys()
    assert (reported["contact_id"], reported["state"], reported["ended"]) == ("contact-1", "open", None)


def test_attributes_are_not_in_the_repr() -> None:
    """What a customer wrote gets into no log by way of a repr."""
    assert "marked-31415" not in repr(outcome_of(ended()))
