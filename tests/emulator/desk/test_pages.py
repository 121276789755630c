"""The desk over HTTP: what no browser would send, and the headers that no page shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from airflow_connect.emulator.desk.pages import Desk
from airflow_connect.emulator.resources import CALLS_FLOW, CALLS_QUEUE
from airflow_connect.emulator.server import Emulator
from tests.emulator.conftest import Reply, send

if TYPE_CHECKING:
    from collections.abc import Callable

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"
ACTIONS = ["accept", "attributes", "complete", "stop", "transfer", "answer", "busy", "ring-out", "hang-up"]


def get(emulator: Emulator, path: str, **headers: str) -> Reply:
    return send(emulator, "GET", path, headers=headers)


def post(emulator: Emulator, path: str, *fields: tuple[str, str], **headers: str) -> Reply:
    return send(emulator, "POST", path, urlencode(fields).encode(), FORM | {"Origin": emulator.url} | headers)


@pytest.fixture
def contact_id(emulator: Emulator, task: dict[str, Any]) -> str:
    """A task that waits."""
    return str(emulator.service.call("CreateContact", task | {"Attributes": {"order": "1"}})["ContactId"])


def test_example_within_the_quota() -> None:
    """Where no more contacts may be active, the example is refused in the API's words."""
    with Emulator(active_contacts=0) as emulator:
        reply = post(emulator, "/desk/example")
        assert reply.status == 409
        assert "Active contacts: the quota of 0 is reached." in reply.body.decode()
        assert emulator.contacts() == []


# --- who may ask ---


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://127.0.0.1", "http://localhost:1", "file://127.0.0.1"]
)
def test_post_from_elsewhere_is_refused(emulator: Emulator, contact_id: str, action: str, origin: str) -> None:
    """Only a page of the desk itself can act; an Origin that is missing is no page of the desk's."""
    before = emulator.contacts()
    headers = {"Origin": origin} if origin else {}
    reply = send(emulator, "POST", f"/desk/contacts/{contact_id}/{action}", b"to=queue%3Ax", FORM | headers)
    assert reply.status == 403
    assert emulator.contacts() == before


@pytest.mark.parametrize("path", ["/desk/agent", "/desk/example"])
def test_other_posts_from_elsewhere_are_refused(emulator: Emulator, path: str) -> None:
    """Nothing at the desk can be set off by another site."""
    reply = post(emulator, path, ("agent", "x"), Origin="https://evil.example")
    assert (reply.status, reply.headers["Set-Cookie"], emulator.contacts()) == (403, None, [])


def test_every_route_is_guarded(emulator: Emulator) -> None:
    """A route that is added later is guarded as well."""
    for route in Desk(emulator.service).routes():
        path = getattr(route, "path", "").replace("{contact_id}", UNKNOWN)
        for below in ("", "/static/desk.css", "/nothing"):
            reply = post(emulator, path + below, Origin="https://evil.example")
            assert reply.status in (403, 405) or not path


@pytest.mark.parametrize(
    "path", ["/", "/desk", "/desk/static/desk.css", "/desk/nothing", f"/contact-trace-records/details/{UNKNOWN}"]
)
def test_headers_keep_contents_from_running(emulator: Emulator, path: str) -> None:
    """Every answer, whatever its status, allows the desk's own files only, in no frame, and is kept nowhere."""
    headers = get(emulator, path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_api_has_no_page_headers(emulator: Emulator) -> None:
    """The API's answers stay as Amazon's."""
    reply = send(emulator, "GET", f"/instance/{emulator.instance_id}")
    assert reply.status == 200
    assert reply.headers["Content-Security-Policy"] is None


# --- staying up to date ---


def test_unchanged_page_costs_nothing(emulator: Emulator, task: dict[str, Any]) -> None:
    """A page that has not changed is 304 without a body; any change of any contact ends that."""
    etag = get(emulator, "/desk").headers["ETag"]
    reply = get(emulator, "/desk", **{"If-None-Match": etag})
    assert (reply.status, reply.body) == (304, b"")
    emulator.service.call("CreateContact", task)
    reply = get(emulator, "/desk", **{"If-None-Match": etag})
    assert reply.status == 200
    assert reply.headers["ETag"] != etag


def test_time_changes_a_page(emulator: Emulator, task: dict[str, Any]) -> None:
    """A contact that expires without any call is news too."""
    emulator.service.call("CreateContact", task | {"ExpiryDurationInMinutes": 1})
    etag = get(emulator, "/desk").headers["ETag"]
    emulator.clock.advance(61)
    reply = get(emulator, "/desk?view=ended", **{"If-None-Match": etag})
    assert reply.status == 200
    assert b"Expired" in reply.body


def test_another_process_is_another_page(emulator: Emulator) -> None:
    """An emulator that was started again is not taken for the one before, though it counts from 0 again."""
    with Emulator() as first, Emulator() as second:
        assert get(first, "/desk").headers["ETag"] != get(second, "/desk").headers["ETag"]


# --- calls ---


@pytest.fixture
def call_id(emulator: Emulator) -> str:
    """A call that rings."""
    request = {
        "InstanceId": emulator.instance_id,
        "ContactFlowId": CALLS_FLOW.id,
        "DestinationPhoneNumber": "+12065550123",
        "QueueId": CALLS_QUEUE.id,
    }
    return str(emulator.service.call("StartOutboundVoiceContact", request)["ContactId"])


@pytest.mark.parametrize(
    ("actions", "reason", "words"),
    [
        (["busy"], "TELECOM_BUSY", "Busy"),
        (["ring-out"], "TELECOM_ORIGINATOR_CANCEL", "Not answered"),
        (["stop"], "TELECOM_ORIGINATOR_CANCEL", "Not answered"),
        (["answer", "hang-up"], "CUSTOMER_DISCONNECT", "Ended by the customer"),
        (["answer", "stop"], "OTHER", "Stopped"),
        (["answer", "accept", "complete"], "AGENT_DISCONNECT", "Ended by the agent"),
    ],
)
def test_both_ends_of_a_call(emulator: Emulator, call_id: str, actions: list[str], reason: str, words: str) -> None:
    """The desk answers, keeps busy, ends a call as the customer would, and takes it as the agent does."""
    page = f"/contact-trace-records/details/{call_id}"
    assert "ringing" in get(emulator, "/desk").body.decode()
    for action in actions:
        assert f"/desk/contacts/{call_id}/{action}" in get(emulator, page).body.decode()
        assert post(emulator, f"/desk/contacts/{call_id}/{action}").status == 303
    assert emulator.contact(call_id)["disconnect_reason"] == reason
    ended = get(emulator, page).body.decode()
    assert words in ended
    for action in ("answer", "busy", "hang-up", "stop"):
        assert f"/desk/contacts/{call_id}/{action}" not in ended


def test_call_that_does_not_ring_is_not_answered(emulator: Emulator, contact_id: str, call_id: str) -> None:
    """What another page did meanwhile is reported, and nothing is done twice; a task has no customer on the line."""
    assert post(emulator, f"/desk/contacts/{call_id}/ring-out").status == 303
    for wrong in (call_id, contact_id):
        before = emulator.contact(wrong)
        for action in ("answer", "busy", "ring-out", "hang-up"):
            assert post(emulator, f"/desk/contacts/{wrong}/{action}").status == 409
        assert emulator.contact(wrong) == before
    assert "Hang up" not in get(emulator, f"/contact-trace-records/details/{contact_id}").body.decode()


# --- odd requests ---


@pytest.mark.parametrize("action", ACTIONS)
def test_unknown_contact(emulator: Emulator, action: str) -> None:
    """An action on a contact that is not there is the 404 page."""
    reply = post(emulator, f"/desk/contacts/{UNKNOWN}/{action}", ("to", "queue:x"))
    assert reply.status == 404
    assert b"This contact does not exist" in reply.body


@pytest.mark.parametrize(
    "path",
    [
        "/contact-trace-records/details/%00",
        "/contact-trace-records/details/%3Cb%3E",
        "/desk/x",
        "/desk/static/../pages.py",
        "/desk/static/%2e%2e/pages.py",
    ],
)
def test_unknown_page(emulator: Emulator, path: str) -> None:
    """What is not there is a 404, and says nothing of the path in markup."""
    reply = get(emulator, path)
    assert reply.status == 404
    assert b"<b>" not in reply.body
    assert b"import" not in reply.body


@pytest.mark.parametrize(
    "query",
    [
        "view=nothing",
        "after=x:y",
        "q=%00",
        "q=" + "x" * 5_000,
        "channel=%22%3E%3Cb%3E",
        "q=%ff",
        "view=ended&after=1:2",
    ],
)
def test_odd_query_is_a_page(emulator: Emulator, contact_id: str, query: str) -> None:
    """Whatever the address says, the answer is a list, and nothing of it is markup."""
    reply = get(emulator, f"/desk?{query}")
    assert reply.status == 200
    assert b"<b>" not in reply.body


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("key", ""), ("value", "x"), ("was", ""), ("new", "1")], "Row 1 has a value, and its key is missing."),
        (
            [
                ("key", "a"),
                ("value", "1"),
                ("was", "1"),
                ("new", ""),
                ("key", "a"),
                ("value", "2"),
                ("was", ""),
                ("new", "1"),
            ],
            "Row 2: the key “a” exists already.",
        ),
        ([("key", "é"), ("value", "x"), ("was", ""), ("new", "1")], "Row 1: the key “é” breaks a rule: only letters"),
    ],
)
@pytest.mark.parametrize("action", ["attributes", "complete"])
def test_wrong_rows_change_nothing(
    emulator: Emulator, contact_id: str, action: str, fields: list[tuple[str, str]], message: str
) -> None:
    """A form with a wrong row gets one message that names the row, and nothing of it is saved."""
    emulator.accept(contact_id)
    before = emulator.contact(contact_id)
    reply = post(emulator, f"/desk/contacts/{contact_id}/{action}", *fields)
    assert reply.status == 422
    assert reply.body.decode().count('role="alert"') == 1
    assert message in reply.body.decode()
    assert emulator.contact(contact_id) == before


def test_form_is_bounded(emulator: Emulator, contact_id: str) -> None:
    """A form of more than 1 MiB is refused."""
    emulator.accept(contact_id)
    reply = post(emulator, f"/desk/contacts/{contact_id}/complete", ("key", "x" * (1 << 20)))
    assert reply.status == 413
    assert emulator.contact(contact_id)["state"] == "CONNECTED"


def test_waiting_contact_cannot_be_completed(emulator: Emulator, contact_id: str) -> None:
    """At the desk a contact is accepted first."""
    reply = post(emulator, f"/desk/contacts/{contact_id}/complete")
    assert reply.status == 409
    assert "must be accepted first" in reply.body.decode()
    assert emulator.contact(contact_id)["state"] == "CREATED"


@pytest.mark.parametrize("action", ["attributes", "complete", "stop", "transfer"])
def test_another_agents_contact_stays_as_it_is(emulator: Emulator, contact_id: str, action: str) -> None:
    """No action touches what another agent has."""
    emulator.accept(contact_id, "sam")
    before = emulator.contact(contact_id)
    queue = next(iter(emulator.service.instance.queues))
    fields = [("to", f"queue:{queue}"), ("key", "a"), ("value", "b"), ("was", ""), ("new", "1")]
    reply = post(emulator, f"/desk/contacts/{contact_id}/{action}", *fields)
    assert reply.status == 409
    assert "Another agent has the contact." in reply.body.decode()
    assert emulator.contact(contact_id) == before


@pytest.mark.parametrize("to", ["", "queue:", "queue:x", "agent:x", "nobody:x"])
def test_transfer_to_nowhere(emulator: Emulator, contact_id: str, to: str) -> None:
    """A transfer that leads nowhere leaves the contact where it is."""
    reply = post(emulator, f"/desk/contacts/{contact_id}/transfer", ("to", to))
    assert reply.status in (409, 422)
    assert [contact["state"] for contact in emulator.contacts()] == ["CREATED"]


def test_agent_is_remembered(emulator: Emulator) -> None:
    """The choice of an agent is a cookie that no script reads and no other site's form sends."""
    sam = "a1000000-0000-4000-8000-000000000002"
    reply = post(emulator, "/desk/agent", ("agent", sam), ("back", "/desk?view=ended"))
    assert (reply.status, reply.headers["Location"]) == (303, "/desk?view=ended")
    cookie = reply.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    page = get(emulator, "/desk", Cookie=cookie.partition(";")[0]).body.decode()
    assert f'value="{sam}" aria-pressed="true"' in page


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", ""])
def test_agent_choice_leads_nowhere_else(emulator: Emulator, back: str) -> None:
    """A form cannot send a person to another site."""
    agent = next(iter(emulator.service.instance.users))
    assert post(emulator, "/desk/agent", ("agent", agent), ("back", back)).headers["Location"] == "/desk"


def test_unknown_agent(emulator: Emulator) -> None:
    """An agent that the instance does not have is refused, and no cookie is set."""
    reply = post(emulator, "/desk/agent", ("agent", "nobody"))
    assert (reply.status, reply.headers["Set-Cookie"]) == (404, None)


def test_links_begin_where_the_client_found_the_instance(emulator: Emulator) -> None:
    """``InstanceAccessUrl`` is the address that the caller used, so that a forwarded port works as well."""
    path = f"/instance/{emulator.instance_id}"
    reply = send(emulator, "GET", path)
    assert reply.json["Instance"]["InstanceAccessUrl"] == emulator.url


def test_line_ends_of_an_unchanged_value_are_kept(
    emulator: Emulator, task: dict[str, Any], create: Callable[..., Reply]
) -> None:
    """Browsers send every line end as CR LF; a value that nobody touched is not rewritten by that."""
    contact_id = create(Attributes={"note": "a\r\nb", "other": "c\nd"}).json["ContactId"]
    emulator.accept(contact_id)
    fields = [("key", "note"), ("value", "a\r\nb"), ("was", "a\r\nb"), ("new", "")]
    fields += [("key", "other"), ("value", "c\r\nd\r\ne"), ("was", "c\r\nd"), ("new", "")]
    assert post(emulator, f"/desk/contacts/{contact_id}/attributes", *fields).status == 303
    assert emulator.contact(contact_id)["attributes"] == {"note": "a\r\nb", "other": "c\nd\ne"}
