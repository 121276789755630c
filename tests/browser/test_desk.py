"""The agent desk in Chromium: what a person sees and does, and what Amazon Connect's API says of it afterwards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from airflow_connect.emulator.resources import BILLING_FLOW, CALLS_FLOW, CALLS_QUEUE, SAM
from airflow_connect.emulator.server import Emulator
from tests.chromium import PHONE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from airflow_connect.testing import LocalConnect

    Desk = Callable[..., Page]
    Create = Callable[..., str]

XSS = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>{{ 7*7 }}"
LONG = "Donaudampfschifffahrtsgesellschaft" * 8


def contact_path(contact_id: str) -> str:
    return f"/contact-trace-records/details/{contact_id}"


def describe(connect: LocalConnect, contact_id: str) -> dict[str, Any]:
    ids = {"InstanceId": connect.instance_id, "ContactId": contact_id}
    contact: dict[str, Any] = connect.client.describe_contact(**ids)["Contact"]
    return contact


def attributes(connect: LocalConnect, contact_id: str) -> dict[str, str]:
    ids = {"InstanceId": connect.instance_id, "InitialContactId": contact_id}
    found: dict[str, str] = connect.client.get_contact_attributes(**ids)["Attributes"]
    return found


def rows(page: Page) -> Any:
    return page.locator("#list li")


# --- from the first look to the end of a contact ---


def test_contact_appears_without_reload(desk: Desk, create: Create) -> None:
    """A new contact comes up on an open desk by itself, and is announced to those who do not see it."""
    page = desk()
    expect(page.get_by_role("heading", name="Create a first contact")).to_be_visible()
    page.evaluate("window.notReloaded = true")
    create(Name="Check order 1042")
    expect(rows(page).get_by_text("Check order 1042")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("1 contact waiting")
    expect(page).to_have_title("(1) Agent desk")
    assert page.evaluate("window.notReloaded") is True


def test_empty_desk_makes_an_example(desk: Desk, amazon_connect: LocalConnect) -> None:
    """A person without a DAG gets a first contact by one click."""
    page = desk()
    expect(page.get_by_text(f'"endpoint_url": "{amazon_connect.url}"')).to_be_visible()
    page.get_by_role("button", name="Create an example contact").click()
    expect(page.get_by_role("heading", level=1, name="Check order 1042")).to_be_visible()
    assert [contact["state"] for contact in amazon_connect.contacts()] == ["CREATED"]


def test_accepted_filled_in_and_completed(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """What an agent does at the desk is what the API says of the contact: agent, attributes, reason."""
    contact_id = create(Name="Check order 1042", Attributes={"order": "1042", "carrier": ""})
    page = desk()
    rows(page).get_by_text("Check order 1042").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.locator("[data-state=CONNECTED]")).to_be_visible()
    page.get_by_label("carrier").fill("Parcel service\nHall 7")
    page.get_by_label("New key").fill("Approved_by")
    page.get_by_label("Value", exact=True).fill("Kim")
    page.get_by_role("button", name="Add a row").click()
    page.get_by_label("New key").nth(1).fill("amount-EUR")
    page.get_by_label("Value", exact=True).nth(1).fill("12.50")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("The contact is completed.")).to_be_visible()

    contact = describe(amazon_connect, contact_id)
    assert contact["DisconnectReason"] == "AGENT_COMPLETED"
    assert contact["AgentInfo"]["Id"] == "a1000000-0000-4000-8000-000000000001"
    assert attributes(amazon_connect, contact_id) == {
        "order": "1042",
        "carrier": "Parcel service\nHall 7",
        "Approved_by": "Kim",
        "amount-EUR": "12.50",
    }


def test_call_is_answered_and_handled(desk: Desk, amazon_connect: LocalConnect) -> None:
    """One person plays both ends of a call; an open page follows what the call's other end does."""
    request = {"ContactFlowId": CALLS_FLOW.id, "DestinationPhoneNumber": "+12065550123", "QueueId": CALLS_QUEUE.id}
    call = amazon_connect.client.start_outbound_voice_contact
    contact_id = call(InstanceId=amazon_connect.instance_id, Name="Call Kim back", **request)["ContactId"]
    page = desk()
    rows(page).get_by_text("Call Kim back").click()
    expect(page.locator("[data-state=RINGING]")).to_be_visible()
    expect(page.get_by_text("+12065550123").first).to_be_visible()
    page.get_by_role("button", name="Answer", exact=True).click()
    expect(page.get_by_text("The customer has answered.")).to_be_visible()
    page.get_by_role("button", name="Accept").click()
    expect(page.locator("[data-state=CONNECTED]")).to_be_visible()
    expect(page.get_by_role("button", name="Hang up")).to_be_visible()
    amazon_connect.hang_up(contact_id)
    expect(page.locator("[data-state=ENDED]")).to_have_text("Ended by the customer")
    expect(page.get_by_role("button", name="Hang up")).to_have_count(0)
    assert describe(amazon_connect, contact_id)["DisconnectReason"] == "CUSTOMER_DISCONNECT"


def test_saved_attributes_leave_the_contact_in_work(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """Attributes can be kept before the contact is completed."""
    contact_id = create(Attributes={"order": "1042"})
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("order").fill("1043")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The attributes are saved.")).to_be_visible()
    assert attributes(amazon_connect, contact_id) == {"order": "1043"}
    assert amazon_connect.contact(contact_id)["state"] == "CONNECTED"


DECISION = {"order": "1042", "decision": "approve / refuse"}


def group(page: Page) -> Any:
    return page.get_by_role("group", name="decision")


@pytest.mark.parametrize("scripts", [True, False], ids=["live", "without_javascript"])
def test_choices_of_an_attribute(desk: Desk, create: Create, amazon_connect: LocalConnect, scripts: bool) -> None:
    """Where an attribute's value lists choices, the agent chooses one."""
    contact_id = create(Attributes=DECISION)
    page = desk(contact_path(contact_id), java_script_enabled=scripts)
    page.get_by_role("button", name="Accept").click()
    expect(group(page).get_by_role("radio")).to_have_count(3)
    expect(group(page).get_by_role("textbox")).to_have_count(0)
    group(page).get_by_label("refuse").check()
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("The contact is completed.")).to_be_visible()
    assert attributes(amazon_connect, contact_id) == {"order": "1042", "decision": "refuse"}


def test_something_else_than_the_choices(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """An agent may write what is not among the choices, and is at once where it is written."""
    contact_id = create(Attributes=DECISION)
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    group(page).get_by_label("Something else", exact=True).check()
    expect(group(page).get_by_role("textbox")).to_be_focused()
    page.keyboard.type("half of it")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("decision")).to_have_value("half of it")
    assert attributes(amazon_connect, contact_id)["decision"] == "half of it"


def test_nothing_chosen_changes_nothing(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """An agent who has not decided yet saves the rest, and finds the choices again."""
    contact_id = create(Attributes=DECISION)
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("order").fill("1043")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The attributes are saved.")).to_be_visible()
    expect(group(page).get_by_role("radio")).to_have_count(3)
    expect(group(page).locator(":checked")).to_have_count(0)
    assert attributes(amazon_connect, contact_id) == DECISION | {"order": "1043"}


def test_choice_is_kept_as_an_entry_is(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """A choice that was not sent yet stays when the contact changes, and when another row is wrong."""
    contact_id = create(Attributes=DECISION)
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    group(page).get_by_label("approve").check()
    amazon_connect.client.update_contact(
        InstanceId=amazon_connect.instance_id, ContactId=contact_id, Description="It is urgent."
    )
    expect(page.get_by_text("This contact changed in the meantime.")).to_be_visible()
    expect(group(page).get_by_label("approve")).to_be_checked()
    page.get_by_label("New key").fill("no key")
    page.get_by_label("Value", exact=True).fill("x")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(group(page).get_by_label("approve")).to_be_checked()
    page.get_by_label("Key", exact=True).fill("reason")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("The contact is completed.")).to_be_visible()
    assert attributes(amazon_connect, contact_id) == {"order": "1042", "decision": "approve", "reason": "x"}


def test_without_javascript(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """Everything but the live updates works where scripts are off."""
    contact_id = create(Name="Check order 1042")
    page = desk(java_script_enabled=False)
    page.get_by_label("Search by name").fill("1042")
    page.get_by_role("button", name="Filter").click()
    rows(page).get_by_text("Check order 1042").click()
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("New key").fill("outcome")
    page.get_by_label("Value", exact=True).fill("done")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("The contact is completed.")).to_be_visible()
    assert attributes(amazon_connect, contact_id) == {"outcome": "done"}


def test_by_keyboard_alone(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """A contact can be found, accepted, filled in and completed without a mouse."""
    contact_id = create(Name="Check order 1042", Attributes={"carrier": ""})
    page = desk()

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"{selector} is not within reach of the Tab key")

    tab_to("#list li a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/details/**")
    tab_to("#accept")
    page.keyboard.press("Enter")
    expect(page.locator("[data-state=CONNECTED]")).to_be_visible()
    tab_to("textarea")
    page.keyboard.type("Parcel service")
    tab_to("#complete")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The contact is completed.")).to_be_visible()
    assert attributes(amazon_connect, contact_id) == {"carrier": "Parcel service"}


def test_ended_contact_shows_its_history(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """An ended contact shows who had it, when, why it ended and what its attributes are, and nothing to do."""
    contact_id = create(Name="Check order 1042")
    amazon_connect.complete(contact_id, {"outcome": "done"}, agent="sam")
    page = desk("/desk?view=ended")
    expect(rows(page)).to_contain_text("Completed by sam")
    rows(page).get_by_role("link").click()
    expect(page.locator(".timeline li > span")).to_have_text(
        ["Created by CreateContact", "Accepted by sam", "Completed"]
    )
    expect(page.locator("#work dl")).to_have_text(re.compile(r"outcome\s+done"))
    expect(page.get_by_text("AGENT_COMPLETED")).to_be_visible()
    assert page.locator("main button").count() == 0


def test_transferred_contact_waits_for_the_other_agent(
    desk: Desk, create: Create, amazon_connect: LocalConnect
) -> None:
    """A transfer ends the contact, and its successor waits for whom it was sent to and for nobody else."""
    contact_id = create(Name="Check order 1042")
    page = desk(contact_path(contact_id))
    page.get_by_text("Transfer or stop").click()
    page.get_by_label("Transfer to").select_option("sam")
    page.get_by_role("button", name="Transfer").click()
    expect(page.get_by_text("Waits for sam.")).to_be_visible()
    assert page.get_by_role("button", name="Accept").count() == 0
    assert describe(amazon_connect, contact_id)["DisconnectReason"] == "TRANSFERRED"
    page.get_by_role("button", name="sam").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.locator("[data-state=CONNECTED]")).to_be_visible()
    (successor,) = amazon_connect.contacts("CONNECTED")
    assert (successor["previous_contact_id"], successor["agent_id"]) == (contact_id, SAM.id)


def test_stopped_contact(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """Stopping ends a contact with the reason that StopContact gives."""
    contact_id = create()
    page = desk(contact_path(contact_id))
    page.get_by_text("Transfer or stop").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The contact is stopped.")).to_be_visible()
    assert describe(amazon_connect, contact_id)["DisconnectReason"] == "API"


def test_another_agents_contact_is_read_only(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """A person sees who has a contact, and cannot change what another agent has, not even from an old page."""
    contact_id = create(Attributes={"order": "1042"})
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("order").fill("1")
    other = page.context.new_page()
    other.goto(amazon_connect.url + contact_path(contact_id))
    other.get_by_role("button", name="sam").click()
    expect(other.get_by_text("alex has this contact.")).to_be_visible()
    assert other.locator("#work textarea").count() == 0
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("Another agent has the contact.")
    assert attributes(amazon_connect, contact_id) == {"order": "1042"}


# --- live ---


def test_what_was_typed_survives_a_change_of_the_contact(
    desk: Desk, create: Create, amazon_connect: LocalConnect
) -> None:
    """A change from elsewhere is shown and does not touch the form; only what the person changed is sent."""
    contact_id = create(Attributes={"order": "1042", "carrier": ""})
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("carrier").fill("Parcel service")
    amazon_connect.client.update_contact_attributes(
        InstanceId=amazon_connect.instance_id, InitialContactId=contact_id, Attributes={"order": "1043"}
    )
    expect(page.get_by_text("This contact changed in the meantime.")).to_be_visible()
    expect(page.get_by_label("carrier")).to_have_value("Parcel service")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The attributes are saved.")).to_be_visible()
    assert attributes(amazon_connect, contact_id) == {"order": "1043", "carrier": "Parcel service"}


def test_contact_that_ended_meanwhile_keeps_what_was_typed(
    desk: Desk, create: Create, amazon_connect: LocalConnect
) -> None:
    """Completing what has ended says so and changes nothing."""
    contact_id = create()
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("New key").fill("outcome")
    amazon_connect.client.stop_contact(InstanceId=amazon_connect.instance_id, ContactId=contact_id)
    expect(page.locator("[data-state=ENDED]")).to_be_visible()
    expect(page.get_by_label("New key")).to_have_value("outcome")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_have_text("The contact has ended. Nothing was saved.")
    assert attributes(amazon_connect, contact_id) == {}


def test_open_desk_survives_a_restart(open_page: Desk, tmp_path: Path) -> None:
    """A desk says that the emulator is away, and goes on by itself when it is back."""
    with Emulator(data=tmp_path / "contacts.db") as emulator:
        contact = {"InstanceId": emulator.instance_id, "Channel": "TASK", "InitiationMethod": "API"}
        emulator.service.call("CreateContact", contact | {"Name": "Before"})
        page = open_page(f"{emulator.url}/desk")
        expect(rows(page)).to_have_count(1)
        port = int(emulator.url.rpartition(":")[2])
    expect(page.get_by_text("does not answer")).to_be_visible()
    with Emulator(data=tmp_path / "contacts.db", port=port) as emulator:
        emulator.service.call("CreateContact", contact | {"Name": "After"})
        expect(rows(page).locator(".name")).to_have_text(["Before", "After"])
        expect(page.get_by_text("does not answer")).to_be_hidden()


def test_forgotten_contact_says_so(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """The open page of a contact that an emulator without a data file has forgotten becomes the 404 page by itself."""
    page = desk(contact_path(create(Name="Check order 1042")))
    expect(page.get_by_role("heading", level=1, name="Check order 1042")).to_be_visible()
    amazon_connect.emulator.reset()
    expect(page.get_by_role("heading", name="This contact does not exist")).to_be_visible()
    create(Name="Another")
    expect(rows(page).locator(".name")).to_have_text(["Another"])


def test_desk_takes_no_quota(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """What a person does at the desk is no call of the API, so that it is neither counted nor throttled."""
    amazon_connect.throttle(rate=0.001, burst=1)
    contact_id = create()
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("The contact is completed.")).to_be_visible()
    assert [call.operation for call in amazon_connect.calls()] == ["CreateContact"]


# --- many contacts ---


def test_list_has_pages(desk: Desk, create: Create) -> None:
    """A page of the list has 50 contacts, the oldest first; the next goes on where it ends."""
    for number in range(120):
        create(Name=f"Contact {number}")
    page = desk()
    expect(rows(page).locator(".name")).to_have_text([f"Contact {number}" for number in range(50)])
    expect(page.locator("[data-count=waiting]")).to_have_text("120")
    page.get_by_role("link", name="Next page").click()
    page.get_by_role("link", name="Next page").click()
    expect(rows(page).locator(".name")).to_have_text([f"Contact {number}" for number in range(100, 120)])
    page.get_by_role("link", name="Back to the first page").click()
    expect(rows(page)).to_have_count(50)


def test_list_is_filtered_while_typing(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """Text finds names, attributes and IDs in any case; channel and queue narrow the list; it stays live."""
    create(Name="Rückfrage zu 1042")
    create(Name="Refund", Attributes={"customer": "Ümit"})
    amazon_connect.client.start_task_contact(
        InstanceId=amazon_connect.instance_id, ContactFlowId=BILLING_FLOW.id, Name="Invoice"
    )
    page = desk()
    search = page.get_by_label("Search by name")
    search.press_sequentially("RÜCK")
    expect(rows(page).locator(".name")).to_have_text(["Rückfrage zu 1042"])
    search.fill("ümit")
    expect(rows(page).locator(".name")).to_have_text(["Refund"])
    create(Name="Second refund", Attributes={"customer": "ümit"})
    expect(rows(page).locator(".name")).to_have_text(["Refund", "Second refund"])
    search.fill("nobody")
    expect(page.get_by_text("No contact matches.")).to_be_visible()
    search.fill("")
    page.get_by_label("Queue").select_option("Billing")
    expect(rows(page).locator(".name")).to_have_text(["Invoice"])
    page.get_by_label("Channel").select_option("Voice")
    expect(page.get_by_text("No contact matches.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("No contact matches.")).to_be_visible()


def test_contact_id_opens_its_contact(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """An ID that is pasted into the search opens the contact, in whatever state it is."""
    contact_id = create(Name="Check order 1042")
    amazon_connect.complete(contact_id)
    page = desk()
    page.get_by_label("Search by name").fill(f" {contact_id} ")
    page.get_by_label("Search by name").press("Enter")
    expect(page.get_by_role("heading", level=1, name="Check order 1042")).to_be_visible()


# --- what a contact holds ---


def test_markup_in_a_contact_stays_text(desk: Desk, amazon_connect: LocalConnect, create: Create) -> None:
    """Whatever a contact holds is shown as it is, and nothing of it runs: in the list, the page, the form, the end."""
    contact_id = create(
        Name=XSS,
        Description=XSS,
        Attributes={"note": XSS, "area": f"</textarea>{XSS}"},
        References={XSS: {"Type": "STRING", "Value": XSS}},
        SegmentAttributes={"note": {"ValueString": XSS}},
    )
    amazon_connect.client.tag_contact(InstanceId=amazon_connect.instance_id, ContactId=contact_id, Tags={"tag": "<b>"})
    page = desk()
    expect(rows(page).locator(".name")).to_have_text(XSS)
    rows(page).get_by_role("link").click()
    for state in ("CREATED", "CONNECTED", "ENDED"):
        expect(page.locator(f"[data-state={state}]")).to_be_visible()
        expect(page.locator("h1")).to_have_text(XSS)
        expect(page.locator(".description")).to_have_text(XSS)
        expect(page.locator(".references dt")).to_have_text(XSS)
        expect(page.locator(".references dd")).to_have_text(XSS)
        expect(page.get_by_text("<b>", exact=True)).to_be_visible()
        assert page.locator("main script, main img, main b, svg[onload]").count() == 0
        if state == "CREATED":
            page.get_by_role("button", name="Accept").click()
        elif state == "CONNECTED":
            expect(page.get_by_label("note")).to_have_value(XSS)
            expect(page.get_by_label("area")).to_have_value(f"</textarea>{XSS}")
            page.get_by_role("button", name="Complete").click()
    expect(page.locator("#work dd")).to_have_text([XSS, f"</textarea>{XSS}"])
    assert attributes(amazon_connect, contact_id) == {"note": XSS, "area": f"</textarea>{XSS}"}


def test_references_lead_where_they_may(desk: Desk, create: Create) -> None:
    """URLs open in a tab that does not know the desk, addresses open mail, dates are dates."""
    contact_id = create(
        References={
            "Order": {"Type": "URL", "Value": "https://example.com/orders/1042?a=b&c=d"},
            "Customer": {"Type": "EMAIL", "Value": "kim+vip@example.com"},
            "Due": {"Type": "DATE", "Value": "1798761600"},
            "Amount": {"Type": "NUMBER", "Value": "12.50"},
        }
    )
    page = desk(contact_path(contact_id))
    url = page.get_by_role("link", name="https://example.com")
    expect(url).to_have_attribute("href", "https://example.com/orders/1042?a=b&c=d")
    expect(url).to_have_attribute("rel", "noopener noreferrer")
    expect(url).to_have_attribute("target", "_blank")
    expect(page.get_by_role("link", name="kim+vip@example.com")).to_have_attribute(
        "href", "mailto:kim%2Bvip@example.com"
    )
    expect(page.locator(".references dd").nth(2)).to_have_text("1 January 2027")
    expect(page.locator(".references dd").nth(3)).to_have_text("12.50")


@pytest.mark.parametrize("value", ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,<script>", "//x"])
def test_other_schemes_are_no_links(desk: Desk, create: Create, amazon_connect: LocalConnect, value: str) -> None:
    """Only http and https become links, even where a reference of another kind came past the API's checks."""
    contact_id = create()
    amazon_connect.emulator.service.store.update(contact_id, references={"Bad": {"Type": "URL", "Value": value}})
    page = desk(contact_path(contact_id))
    expect(page.locator(".references dd")).to_have_text(value)
    assert page.locator(".references a").count() == 0


# --- bad input ---


def test_bad_key_gets_one_message_and_changes_nothing(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """A key that breaks the rule is said once, with its row; all entries are kept, none is saved."""
    contact_id = create(Attributes={"order": "1042"})
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("order").fill("1043")
    page.get_by_label("New key").fill("approved by")
    page.get_by_label("Value", exact=True).fill("Kim")
    page.get_by_role("button", name="Complete").click()
    alert = page.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(alert).to_have_text(
        "Row 2: the key “approved by” breaks a rule: only letters A-Z and a-z, digits, dash and underscore are allowed."
    )
    expect(alert).to_be_focused()
    expect(page.locator("[aria-invalid=true]")).to_have_value("approved by")
    expect(page.get_by_label("order")).to_have_value("1043")
    assert attributes(amazon_connect, contact_id) == {"order": "1042"}
    assert amazon_connect.contact(contact_id)["state"] == "CONNECTED"
    page.locator("[aria-invalid=true]").fill("approved_by")
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_text("The contact is completed.")).to_be_visible()
    assert attributes(amazon_connect, contact_id) == {"order": "1043", "approved_by": "Kim"}


def test_too_many_bytes_get_one_message(desk: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """Attributes beyond Amazon's limit are refused with the limit, and kept in the form."""
    contact_id = create()
    page = desk(contact_path(contact_id))
    page.get_by_role("button", name="Accept").click()
    page.get_by_label("New key").fill("note")
    page.get_by_label("Value", exact=True).fill("x" * 40_000)
    page.get_by_role("button", name="Complete").click()
    expect(page.get_by_role("alert")).to_contain_text("40004 UTF-8 bytes over all keys and values, at most 32768")
    assert page.locator("#entries textarea").first.input_value() == "x" * 40_000
    assert amazon_connect.contact(contact_id)["state"] == "CONNECTED"


def test_unknown_contact_is_a_404_page(desk: Desk, amazon_connect: LocalConnect) -> None:
    """The page of a contact that is not there says so, with the status that says so too."""
    page = desk()
    response = page.goto(amazon_connect.url + contact_path("00000000-0000-4000-8000-000000000000"))
    assert response is not None
    assert response.status == 404
    expect(page.get_by_role("heading", name="This contact does not exist")).to_be_visible()
    page.get_by_role("link", name="To the desk").click()
    page.wait_for_url("**/desk")


def test_airflows_link_opens_the_contact(open_page: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """The instance's access URL is the emulator's, so that links from Airflow open at the desk."""
    contact_id = create(Name="Check order 1042")
    instance = amazon_connect.client.describe_instance(InstanceId=amazon_connect.instance_id)["Instance"]
    page = open_page(instance["InstanceAccessUrl"] + contact_path(contact_id))
    expect(page.get_by_role("heading", level=1, name="Check order 1042")).to_be_visible()
    page.goto(f"{instance['InstanceAccessUrl']}/")
    page.wait_for_url("**/desk")


def test_form_of_another_site_does_nothing(open_page: Desk, create: Create, amazon_connect: LocalConnect) -> None:
    """A website that posts to the desk from the same browser is refused, and the contact stays as it was."""
    contact_id = create()
    action = f"{amazon_connect.url}/desk/contacts/{contact_id}/stop"
    page = open_page("about:blank")
    page.route(
        "http://elsewhere.test/",
        lambda route: route.fulfill(
            content_type="text/html", body=f"<form method=post action='{action}'><button>Win</button></form>"
        ),
    )
    page.goto("http://elsewhere.test/")
    with page.expect_response(action) as response:
        page.get_by_role("button", name="Win").click()
    assert response.value.status == 403
    assert amazon_connect.contact(contact_id)["state"] == "CREATED"


# --- looks ---


@pytest.mark.parametrize("path", ["list", "waiting", "in-work", "ended", "empty", "missing"])
def test_phone_does_not_scroll_sideways(desk: Desk, create: Create, amazon_connect: LocalConnect, path: str) -> None:
    """On a phone every page fits the width, whatever is in it."""
    if path != "empty":
        contact_id = create(
            Name=LONG,
            Description=LONG,
            Attributes={"key" * 40: LONG, "note": LONG},
            References={LONG[:120]: {"Type": "URL", "Value": f"https://example.com/{LONG}"}},
        )
        if path == "in-work":
            amazon_connect.accept(contact_id)
        elif path == "ended":
            amazon_connect.complete(contact_id)
    where = {"list": "/desk", "empty": "/desk", "missing": contact_path("x")}
    page = desk(where.get(path) or contact_path(contact_id), viewport=PHONE, is_mobile=True, has_touch=True)
    expect(page.locator("h1, #list li").first).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("document.querySelector('#main').scrollWidth") <= PHONE["width"]


def test_phone_shows_one_thing_at_a_time(desk: Desk, create: Create) -> None:
    """On a phone the list is one page, the contact another, and there is a way back."""
    create(Name="Check order 1042")
    page = desk(viewport=PHONE, is_mobile=True, has_touch=True)
    rows(page).get_by_role("link").tap()
    expect(page.get_by_role("heading", level=1, name="Check order 1042")).to_be_visible()
    expect(rows(page)).to_be_hidden()
    page.get_by_role("link", name="Contacts", exact=True).tap()
    expect(rows(page)).to_be_visible()


def test_colours_follow_the_system(desk: Desk) -> None:
    """Light and dark are the person's choice, and text stands out from its ground in both."""
    page = desk(color_scheme="light")

    def brightness(of: str) -> float:
        colour = page.evaluate(f"getComputedStyle(document.body).{of}")
        return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3

    assert brightness("backgroundColor") > 200 > 60 > brightness("color")
    page.emulate_media(color_scheme="dark")
    assert brightness("backgroundColor") < 60 < 200 < brightness("color")
