"""The hook against the local Amazon Connect, over HTTP."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import InvalidRequestError, QuotaError, RequestError, RetryableError, SetupError
from airflow_connect.emulator.resources import CALLS_FLOW, CALLS_QUEUE
from airflow_connect.hooks.connect import ConnectHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_connect.emulator.server import Emulator

MARKED = "customer-content-31415"
TASK = {"channel": "TASK", "name": "Call back"}
CALL = {"destination_phone_number": "+14155550100", "contact_flow_id": CALLS_FLOW.id, "queue_id": CALLS_QUEUE.id}


@pytest.fixture
def hook(aws_connection: str) -> ConnectHook:
    return ConnectHook(aws_conn_id=aws_connection, max_retry_time=0)


def connection(emulator: Emulator, **extra: Any) -> str:
    """Return a connection that leads to the emulator, with another extra."""
    return json.dumps(
        {
            "conn_type": "aws",
            "login": "test",
            "password": "test",
            "extra": {"region_name": emulator.region, "endpoint_url": emulator.url, **extra},
        }
    )


def test_every_operation_has_its_method(hook: ConnectHook, emulator: Emulator) -> None:
    """Each operation that reads or changes a task has a method that reaches Amazon Connect."""
    made = hook.create_contact(**TASK, attributes={"order": 17})
    contact_id = made["ContactId"]
    assert made["ContactArn"].endswith(contact_id)
    assert hook.describe_contact(contact_id)["Name"] == "Call back"
    hook.update_contact(contact_id, description="At noon", references={"Order": "https://example.com/17"})
    hook.update_contact_attributes(contact_id, {"decision": "yes"})
    assert hook.get_contact_attributes(contact_id) == {"order": "17", "decision": "yes"}
    hook.tag_contact(contact_id, {"team": "care"})
    hook.untag_contact(contact_id, ["team"])
    assert hook.describe_instance()["Id"] == emulator.instance_id
    assert hook.stop_contact(contact_id) is True
    assert hook.stop_contact(contact_id) is False


def test_routed_task_is_started_and_transferred(hook: ConnectHook) -> None:
    """A task that a flow routes can be handed on; the successor is another contact."""
    from airflow_connect.emulator.resources import TASKS_FLOW

    flow = TASKS_FLOW.id
    started = hook.start_task_contact(name="Call back", contact_flow_id=flow)["ContactId"]
    successor = hook.transfer_contact(started, contact_flow_id=flow)["ContactId"]
    assert successor != started
    assert hook.describe_contact(successor)["PreviousContactId"] == started
    assert [one["ContactId"] for one in hook.list_associated_contacts(started)] == [started, successor]


def test_search_reads_all_pages(hook: ConnectHook) -> None:
    """A search goes on over its pages."""
    from datetime import UTC, datetime, timedelta

    made = {hook.create_contact(**TASK)["ContactId"] for _ in range(7)}
    now = datetime.now(UTC)
    window = {
        "Type": "INITIATION_TIMESTAMP",
        "StartTime": now - timedelta(hours=1),
        "EndTime": now + timedelta(hours=1),
    }
    assert {found["Id"] for found in hook.search_contacts(TimeRange=window, MaxResults=3)} == made


def test_instance_of_the_task_goes_before_the_connections(emulator: Emulator, aws_connection: str) -> None:
    """The task's instance counts, then the connection's; an ARN is cut down to its ID in both places."""
    arn = f"arn:aws:connect:us-east-1:123456789012:instance/{emulator.instance_id}"
    assert ConnectHook(aws_connection, instance_id="another").instance_id == "another"
    assert ConnectHook(aws_connection, instance_id=arn).instance_id == emulator.instance_id
    assert ConnectHook(aws_connection).instance_id == emulator.instance_id


def test_instance_arn_in_the_connection(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance's ARN in the connection's extra is cut down to its ID."""
    arn = f"arn:aws:connect:us-east-1:123456789012:instance/{emulator.instance_id}"
    extra = {"service_config": {"connect": {"instance_id": arn}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ARN", connection(emulator, **extra))
    assert ConnectHook("aws_arn").create_contact(**TASK)["ContactId"]


def test_no_instance_says_where_to_put_it(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an instance the error names both places."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_NONE", connection(emulator))
    with pytest.raises(SetupError, match=r"instance_id to the task.*'aws_none'.*service_config"):
        ConnectHook("aws_none").create_contact(**TASK)


@pytest.mark.parametrize(
    "extra",
    ["{not json", "[1]", '{"service_config": []}', '{"service_config": {"connect": "x"}}'],
)
def test_malformed_extra_is_named(extra: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra that cannot be read is one clear error that names the connection, and nothing is sent."""
    airflow_version = metadata.version("apache-airflow")
    # Airflow 3.0 and 3.1 say themselves, in a warning, that they cannot find such a connection, and go on without.
    unread = airflow_version.startswith(("3.0", "3.1")) and extra in {"{not json", "[1]"}
    message = "NoCredentialsError" if unread else "'aws_broken'"
    broken = json.dumps({"conn_type": "aws", "login": "a", "password": "b", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_BROKEN", broken)
    with pytest.raises(SetupError, match=message):
        ConnectHook("aws_broken", region_name="us-east-1", instance_id="x").create_contact(**TASK)
    assert emulator.calls() == []


def test_arn_of_something_else_is_refused(hook: ConnectHook, aws_connection: str) -> None:
    """The ARN of a flow is no instance."""
    arn = "arn:aws:connect:us-east-1:123456789012:instance/abc/contact-flow/def"
    with pytest.raises(SetupError, match="neither an instance's ID nor its ARN"):
        ConnectHook(aws_connection, instance_id=arn).create_contact(**TASK)


def test_bad_request_is_refused_before_any_call(hook: ConnectHook, emulator: Emulator) -> None:
    """All faults of a request are known before anything is sent."""
    with pytest.raises(InvalidRequestError) as caught:
        hook.create_contact(channel="TASK", nmae="x", attributes={"a b": 1}, initiate_as="NOW")
    assert {fault.field for fault in caught.value.faults} == {"nmae", "attributes['a b']", "initiate_as"}
    assert emulator.calls() == []


def test_lost_answer_is_asked_for_again_with_the_same_token(aws_connection: str, emulator: Emulator) -> None:
    """Every kind of lost answer ends with the contact that was made, without a second one."""
    hook = ConnectHook(aws_connection, max_retry_time=30)
    for kind in ("cut_before", "cut_after", "truncated", "cut_body", "error_500_after", "error_503", "throttle"):
        emulator.reset()
        emulator.set_faults(f"CreateContact@1:{kind}")
        response = hook.create_contact(**TASK)
        assert [contact["id"] for contact in emulator.contacts()] == [response["ContactId"]], kind
        assert len({call.client_token for call in emulator.calls("CreateContact")}) == 1, kind
        assert response["ResponseMetadata"]["RetryAttempts"] == 1, kind


@pytest.mark.parametrize("extra", [{}, {"config_kwargs": {"retries": {"max_attempts": 5, "mode": "standard"}}}])
@pytest.mark.parametrize("kind", ["cut_before", "cut_after", "truncated", "cut_body", "error_500_after", "error_503"])
def test_call_of_unknown_fate_is_not_repeated(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, kind: str, extra: dict[str, Any]
) -> None:
    """Who may have been called is not called again, neither by us nor by botocore; only the author can decide so."""
    extra = {"service_config": {"connect": {"instance_id": emulator.instance_id}}, **extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_CALLS", connection(emulator, **extra))
    hook = ConnectHook("aws_calls", max_retry_time=30)
    emulator.set_phones("+=busy")  # so that the client token is forgotten at once
    emulator.set_faults(f"StartOutboundVoiceContact@1:{kind}")
    with pytest.raises(RetryableError, match="It is not known whether the customer was called") as caught:
        hook.start_outbound_voice_contact(**CALL)
    assert caught.value.may_have_happened
    assert "no second contact" not in str(caught.value)
    assert len(emulator.calls("StartOutboundVoiceContact")) == 1
    emulator.set_faults(f"StartOutboundVoiceContact@1:{kind}")
    before = len(emulator.contacts())
    hook.start_outbound_voice_contact(**CALL, retry_unknown=True)
    done_before_the_answer_was_lost = kind in ("cut_after", "truncated", "cut_body", "error_500_after")
    assert len(emulator.contacts()) == before + 1 + done_before_the_answer_was_lost


def test_call_that_was_not_made_is_repeated(aws_connection: str, emulator: Emulator) -> None:
    """What is known not to have happened is repeated as ever: throttled, and no connection before that."""
    emulator.set_faults("StartOutboundVoiceContact@1:throttle")
    response = ConnectHook(aws_connection, max_retry_time=30).start_outbound_voice_contact(**CALL)
    assert response["ResponseMetadata"]["RetryAttempts"] == 1
    assert len(emulator.contacts("RINGING")) == 1


def test_calls_that_amazon_refuses(hook: ConnectHook, emulator: Emulator) -> None:
    """A destination that is not allowed is a fault of this request, and the number is not reported."""
    for kind, code in (
        ("not_allowed", "DestinationNotAllowedException"),
        ("not_permitted", "OutboundContactNotPermittedException"),
    ):
        emulator.set_phones(f"+={kind}")
        with pytest.raises(RequestError, match=code) as caught:
            hook.start_outbound_voice_contact(**CALL)
        assert "4155550100" not in str(caught.value)
        assert not caught.value.may_have_happened
    assert emulator.contacts() == []


def test_quota_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """LimitExceededException is a quota of calls, although its status is that of throttling: waiting is no cure."""
    from airflow_connect.emulator.server import Emulator

    with Emulator(active_calls=0) as full:
        extra = {"service_config": {"connect": {"instance_id": full.instance_id}}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_FULL", connection(full, **extra))
        with pytest.raises(QuotaError, match="a higher quota of active calls"):
            ConnectHook("aws_full", max_retry_time=30).start_outbound_voice_contact(**CALL)
        assert len(full.calls("StartOutboundVoiceContact")) == 1


def test_no_token_is_one_token_for_all_attempts(aws_connection: str, emulator: Emulator) -> None:
    """A client_token that is None is none given: the attempts of the call share one all the same."""
    emulator.set_faults("CreateContact@1:cut_after")
    ConnectHook(aws_connection, max_retry_time=30).create_contact(**TASK, client_token=None)
    assert len(emulator.contacts()) == 1


def test_twins_make_one_contact(hook: ConnectHook, emulator: Emulator) -> None:
    """Calls with the same token at the same time all get the same contact."""
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(hook.create_contact(**TASK, client_token="twin")["ContactId"]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [contact["id"] for contact in emulator.contacts()] == list(set(made))
    assert len(made) == 8


def test_errors_are_sorted(hook: ConnectHook, aws_connection: str, emulator: Emulator) -> None:
    """What Amazon refuses arrives as the error that says what helps."""
    emulator.set_faults("CreateContact@1:throttle")
    with pytest.raises(RetryableError, match="ThrottlingException"):
        hook.create_contact(**TASK)
    with pytest.raises(SetupError, match="the instance '99999999-0000-0000-0000-000000000000' does not exist"):
        ConnectHook(aws_connection, instance_id="99999999-0000-0000-0000-000000000000").create_contact(**TASK)
    with pytest.raises(RequestError, match="RelatedContactId"):
        hook.create_contact(**TASK, related_contact_id="99999999-0000-0000-0000-000000000000")
    hook.create_contact(**TASK, client_token="t")
    with pytest.raises(RequestError, match="another idempotency_key"):
        hook.create_contact(channel="TASK", name="Other", client_token="t")


def test_what_does_not_exist_is_named(hook: ConnectHook, emulator: Emulator) -> None:
    """Each operation says which ID the instance does not know, and which instance that is."""
    missing = "99999999-0000-0000-0000-000000000000"
    for number, call in enumerate(
        (
            lambda: hook.stop_contact(missing),
            lambda: hook.describe_contact(missing),
            lambda: hook.get_contact_attributes(missing),
            lambda: hook.list_associated_contacts(missing),
            lambda: hook.update_contact(missing, name="Other"),
            lambda: hook.update_contact_attributes(missing, {"decision": "yes"}),
            lambda: hook.tag_contact(missing, {"team": "care"}),
            lambda: hook.untag_contact(missing, ["team"]),
            lambda: hook.transfer_contact(missing, contact_flow_id=CALLS_FLOW.id, queue_id=CALLS_QUEUE.id),
            lambda: hook.create_contact(**TASK, related_contact_id=missing),
            lambda: hook.start_task_contact(name="Check", contact_flow_id=missing),
            lambda: hook.create_contact(**TASK, user_info={"UserId": missing}),
        )
    ):
        with pytest.raises(RequestError, match=f"Id '{missing}'") as refused:
            call()
        assert repr(emulator.instance_id) in str(refused.value), number


def test_contact_that_has_ended_is_named(hook: ConnectHook, emulator: Emulator) -> None:
    """A call that only an open contact takes names the contact that has ended."""
    from airflow_connect.api.operations import StopContact

    contact_id = hook.create_contact(**TASK)["ContactId"]
    hook.stop_contact(contact_id)
    request = StopContact(instance_id=emulator.instance_id, contact_id=contact_id)
    with pytest.raises(RequestError, match=f"The contact '{contact_id}' has ended") as refused:
        hook.call("StopContact", request.params())
    assert repr(emulator.instance_id) in str(refused.value)


def test_quota_of_active_contacts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A used-up quota is an error of its own, which says what to do."""
    from airflow_connect.emulator.server import Emulator

    with Emulator(active_contacts=1) as small:
        extra = {"service_config": {"connect": {"instance_id": small.instance_id}}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_SMALL", connection(small, **extra))
        hook = ConnectHook("aws_small", max_retry_time=0)
        hook.create_contact(**TASK)
        with pytest.raises(QuotaError, match="ServiceQuotaExceededException"):
            hook.create_contact(**TASK)


def test_nothing_of_a_contact_is_logged(
    hook: ConnectHook, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even at DEBUG do we, botocore or an error show what a contact holds."""
    caplog.set_level(logging.DEBUG)
    content = {"name": MARKED, "description": MARKED, "attributes": {"a": MARKED}, "references": {"R": MARKED}}
    contact_id = hook.create_contact(channel="TASK", **content, client_token="t")["ContactId"]
    hook.describe_contact(contact_id)
    hook.get_contact_attributes(contact_id)
    with pytest.raises(RequestError) as refused:
        hook.create_contact(channel="TASK", **{**content, "name": MARKED + "!"}, client_token="t")
    emulator.set_faults("CreateContact@1:error_500")
    with pytest.raises(RetryableError) as failed:
        hook.create_contact(channel="TASK", **content)
    assert "connect" in caplog.text
    assert MARKED not in caplog.text
    for error in (refused.value, failed.value):
        assert MARKED not in str(error)
        assert error.__cause__ is None
        assert error.__context__ is None


def test_one_hook_may_be_shared_by_threads(hook: ConnectHook, emulator: Emulator) -> None:
    """Threads that start with a hook that has no client yet all get their contact."""
    made: list[str] = []

    def make() -> None:
        made.append(hook.create_contact(**TASK)["ContactId"])

    threads = [threading.Thread(target=make) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 16
    assert {contact["id"] for contact in emulator.contacts()} == set(made)


def test_botocore_does_not_retry_unless_asked_to(aws_connection: str, emulator: Emulator) -> None:
    """One thing retries, ours; an author's botocore_config still counts."""
    emulator.set_faults("CreateContact@1:error_500, CreateContact@2:error_500")
    with pytest.raises(RetryableError):
        ConnectHook(aws_connection, max_retry_time=0).create_contact(**TASK)
    assert len(emulator.calls("CreateContact")) == 1
    config = {"retries": {"total_max_attempts": 3, "mode": "standard"}}
    assert ConnectHook(aws_connection, max_retry_time=0, config=config).create_contact(**TASK)["ContactId"]


def test_connection_says_what_it_reached(hook: ConnectHook, emulator: Emulator) -> None:
    """A test of the connection names the instance and the Region."""
    reached, message = hook.test_connection()
    assert reached
    assert emulator.instance_id in message
    assert emulator.region in message


def test_connection_says_which_permission_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of a connection that may not describe the instance names the action to allow."""
    from airflow_connect.emulator.server import Emulator

    with Emulator(deny=("DescribeInstance",)) as closed:
        extra = {"service_config": {"connect": {"instance_id": closed.instance_id}}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_CLOSED", connection(closed, **extra))
        hook = ConnectHook("aws_closed", max_retry_time=0)
        reached, message = hook.test_connection()
        assert not reached
        assert "connect:DescribeInstance" in message
        assert hook.instance_access_url is None
        assert hook.create_contact(**TASK)["ContactId"], "a missing link is no reason to fail"


ROLE = "arn:aws:iam::444455556666:role/airflow-connect"
NOWHERE = "http://nowhere.invalid"


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({}, ["NoRegionError", "Give region_name"]),
        (
            {
                "region_name": "us-east-1",
                "service_config": {"connect": {"endpoint_url": f"http://user:geheim7@{NOWHERE[7:]}"}},
            },
            ["does not resolve", "endpoint_url http://nowhere.invalid", "region_name us-east-1"],
        ),
        (
            {
                "region_name": "us-east-1",
                "role_arn": ROLE,
                "service_config": {"sts": {"endpoint_url": "http://127.0.0.1:1"}},
            },
            [
                "What gives the credentials cannot be reached",
                ROLE,
                "service_config.sts.endpoint_url http://127.0.0.1:1",
            ],
        ),
        (
            {"region_name": "us-east-1", "role_arn": ROLE, "service_config": {"sts": {"endpoint_url": NOWHERE}}},
            ["What gives the credentials cannot be reached", ROLE, f"service_config.sts.endpoint_url {NOWHERE}"],
        ),
    ],
    ids=["region", "endpoint", "refused STS", "unknown STS"],
)
def test_what_keeps_every_call_from_the_service(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], said: list[str]
) -> None:
    """A setting that no retry mends is a SetupError at once, which names the connection and the options."""
    connect = extra.setdefault("service_config", {}).setdefault("connect", {})
    connect["instance_id"] = "b1000000-0000-4000-8000-000000000001"
    parts = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_WRONG", json.dumps(parts))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own attempts at STS, which take their time
    hook = ConnectHook("aws_wrong", max_retry_time=300)
    asked: list[Callable[[], Any]] = [lambda: hook.create_contact(**TASK), hook.prepare, lambda: hook.conn_region_name]
    if "role_arn" not in extra and extra.get("region_name"):  # a client is made without a call then
        asked = asked[:1]
    for ask in asked:
        with pytest.raises(SetupError) as raised:
            ask()
        for words in ("connection 'aws_wrong'", *said):
            assert words in str(raised.value)
        assert "geheim7" not in str(raised.value)
        assert not raised.value.may_have_happened
    reached, message = hook.test_connection()
    assert not reached
    assert "connection 'aws_wrong'" in message


def test_name_that_resolved_before_can_resolve_again(
    hook: ConnectHook, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an answer, a name that does not resolve any more is a fault of the network, which passes."""

    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    hook.create_contact(**TASK)
    hook._connect._endpoint.http_session.close()
    # No resolver forgets a name at a test's word.
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(RetryableError):
        hook.call("DescribeInstance", {"InstanceId": hook.instance_id}, max_retry_time=0)
    monkeypatch.undo()
    assert hook.create_contact(**TASK)["ContactId"]


def test_connection_that_is_not_there(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test says so, and whether boto3's own configuration leads to the instance all the same."""
    there_is_none = "his process does not find the connection 'aws_missing'"
    reached, message = ConnectHook("aws_missing").test_connection()
    assert (reached, there_is_none in message) == (False, True)
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CONNECT", emulator.url)
    reached, message = ConnectHook("aws_missing", instance_id=emulator.instance_id).test_connection()
    assert (reached, there_is_none in message) == (True, True)


def test_alias_in_the_connection_saves_a_call(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """With instance_alias in the connection no instance is described."""
    extra = {"service_config": {"connect": {"instance_id": emulator.instance_id, "instance_alias": "airline"}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ALIAS", connection(emulator, **extra))
    assert ConnectHook("aws_alias").instance_access_url == "https://airline.my.connect.aws"
    assert emulator.calls("DescribeInstance") == []


@pytest.mark.parametrize(
    "alias",
    ["javascript:alert(1)//", "evil.example/", "https://airline.my.connect.aws", "a b", "airline#", 12, "-a"],
)
def test_alias_is_a_name(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], alias: Any
) -> None:
    """What is not an alias makes no link, and the log says how to write one."""
    extra = {"service_config": {"connect": {"instance_id": emulator.instance_id, "instance_alias": alias}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ALIAS", connection(emulator, **extra))
    assert ConnectHook("aws_alias").instance_access_url is None
    assert "instance_alias in the extra of the connection 'aws_alias' is not an alias" in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("reported", "link"),
    [
        ({"InstanceAccessUrl": "https://airline.my.connect.aws/"}, "https://airline.my.connect.aws"),
        ({"InstanceAccessUrl": "https://airline.awsapps.com"}, "https://airline.awsapps.com"),
        ({"InstanceAccessUrl": "javascript:alert(1)", "InstanceAlias": "airline"}, "https://airline.my.connect.aws"),
        ({"InstanceAccessUrl": "javascript:alert(1)", "InstanceAlias": "x/y"}, None),
        ({"InstanceAlias": "airline"}, "https://airline.my.connect.aws"),
        ({}, None),
    ],
)
def test_answered_address_is_a_website(
    hook: ConnectHook, monkeypatch: pytest.MonkeyPatch, reported: dict[str, Any], link: str | None
) -> None:
    """An address from the service becomes a link only when it is a website's."""
    # Not over HTTP: the local Amazon Connect returns its own address.
    monkeypatch.setattr(hook, "describe_instance", lambda **_: reported)
    assert hook.instance_access_url == link


def test_expired_credentials_are_read_again(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that expire in the middle are read from the connection again, once; what is still expired fails."""
    emulator.set_faults("CreateContact@2:expired_token, CreateContact@4:expired_token, CreateContact@5:expired_token")
    extra = {"service_config": {"connect": {"instance_id": emulator.instance_id}}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ROTATED", connection(emulator, **extra))
    hook = ConnectHook("aws_rotated", max_retry_time=0)
    hook.create_contact(**TASK)
    before = hook.get_credentials().access_key
    rotated = json.loads(connection(emulator, **extra)) | {"login": "rotated"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_ROTATED", json.dumps(rotated))
    assert hook.create_contact(**TASK)["ContactId"]
    assert (before, hook.get_credentials().access_key) == ("test", "rotated")
    with pytest.raises(SetupError, match="have expired"):
        hook.create_contact(**TASK)


@pytest.mark.parametrize(("hours", "said"), [(1, "ahead of"), (-1, "behind"), (0, None)])
def test_clock_that_is_far_from_the_service_s_is_reported_once(
    hours: int,
    said: str | None,
    hook: ConnectHook,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Amazon's answers have its time: where this machine's is far from it, the log says so, once."""
    # The hook's own clock: the service runs in this process too.
    clock = SimpleNamespace(time=lambda: time.time() + 3_602 * hours)
    monkeypatch.setattr("airflow_connect.hooks.connect.time", clock)
    for _ in range(2):
        hook.create_contact(channel="TASK", name="Check")
    logs = [caplog.text, capfd.readouterr().out]  # Airflow 2 and Airflow 3
    assert max(log.count("This machine's clock is") for log in logs) == (said is not None)
    if said:
        assert re.search(rf"clock is 360\d seconds {said} Amazon Connect's. Set it", "".join(logs))
    assert len(emulator.contacts()) == 2


def test_threads_that_share_a_hook_have_a_connection_each(aws_connection: str) -> None:
    """The pool of HTTP connections is as large as the calls at once, and an author's larger one stays."""
    assert ConnectHook(aws_connection, max_in_flight=64).conn.meta.config.max_pool_connections == 64
    large = ConnectHook(aws_connection, max_in_flight=64, config={"max_pool_connections": 100})
    assert large.conn.meta.config.max_pool_connections == 100


@pytest.fixture
def service_quotas(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """A Service Quotas that returns what is put into the list, behind the connection ``aws_quotas``."""
    reported: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, answer = (200, {"Quotas": reported}) if reported else (400, {"__type": "AccessDeniedException"})
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        config = {"connect": {"instance_id": emulator.instance_id}, "service-quotas": {"endpoint_url": url}}
        monkeypatch.setenv("AIRFLOW_CONN_AWS_QUOTAS", connection(emulator, service_config=config))
        yield reported
        server.shutdown()


def test_rate_quota_is_asked_for(service_quotas: list[dict[str, Any]]) -> None:
    """The quota of an operation is found by its name, and is a number of calls a second."""
    hook = ConnectHook("aws_quotas")
    service_quotas += [
        {"QuotaName": "Contacts per instance", "Value": 10.0},
        {"QuotaName": "Rate of CreateContactFlow API requests", "Value": 3.0},
        {"QuotaName": "Rate of CreateContact API requests", "Value": 25.0},
        {
            "QuotaName": "Rate of StartTaskContact API requests",
            "Value": 600.0,
            "Period": {"PeriodValue": 1, "PeriodUnit": "MINUTE"},
        },
    ]
    assert hook.rate_quota("CreateContact") == 25.0
    assert hook.rate_quota("StartTaskContact") == 10.0
    assert hook.rate_quota("TagContact") is None


@pytest.mark.usefixtures("service_quotas")
def test_role_that_may_not_read_quotas_fails_nothing(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where Service Quotas does not answer, one line says so, and the rate is measured."""
    caplog.set_level("INFO")
    hook = ConnectHook("aws_quotas")
    assert hook.rate_quota("CreateContact") is None
    logged = caplog.text + "".join(capfd.readouterr())  # Airflow 2 through logging, Airflow 3 to stdout
    assert "AccessDeniedException" in logged
    assert "it is measured" in logged


def test_pages_that_come_again_end(aws_connection: str) -> None:
    """A service that names each page as the one after it is an error, and no loop."""
    hook = ConnectHook(aws_connection)
    page = {"Contacts": [], "ContactSummaryList": [], "NextToken": "again"}
    hook.call = lambda *_, **__: page  # type: ignore[method-assign]  # no service is known to do that
    with pytest.raises(RetryableError, match="same page"):
        list(hook.search_contacts())
    with pytest.raises(RetryableError, match="same page"):
        hook.list_associated_contacts("4f2f2f6e-7f3f-4ef4-9bbd-7d3c4fd2a1ab")
