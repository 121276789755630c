"""Which of the awaited contacts have ended: over HTTP, against the emulator, whose time goes by as fast as asked."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.api.errors import RetryableError, SetupError, ThrottledError
from airflow_connect.emulator.resources import TO_QUEUE_FLOW
from airflow_connect.emulator.server import Emulator
from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.waiting.awaited import contacts_needed
from airflow_connect.waiting.watch import FEW, INDEX_LAG
from tests.waiting.scene import TASK, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.api.outcome import Outcome


@pytest.fixture
def scene(emulator: Emulator, aws_connection: str) -> Scene:
    return Scene(emulator, ConnectHook(aws_connection))


@pytest.mark.parametrize(
    ("wait_for", "total", "needed"),
    [
        ("all", 7, 7),
        ("any", 7, 1),
        ("any", 0, 0),
        (3, 7, 3),
        (3, 2, 2),
        ("3", 7, 3),
        (" 3 ", 7, 3),
        ("50%", 7, 4),
        ("0.01%", 1000, 1),
        ("16.1 %", 1000, 161),
        ("100%", 7, 7),
    ],
)
def test_how_many_have_to_end(wait_for: str | int, total: int, needed: int) -> None:
    """A share is rounded up, and no more contacts are waited for than there are."""
    assert contacts_needed(wait_for, total) == needed


@pytest.mark.parametrize(
    "wait_for",
    ["some", "", 0, "0", -1, True, None, 2.5, "0%", "100.1%", "-5%", "%", "nan%", "1e1%", "3 contacts", ["all"]],
)
def test_bad_wait_for_is_named(wait_for: Any) -> None:
    """What does not fit raises ValueError with the argument's name."""
    with pytest.raises(ValueError, match="wait_for must be"):
        contacts_needed(wait_for, 10)


def test_a_few_are_described_at_each_look(scene: Scene) -> None:
    """Each poll reads every open contact once, searches nothing, and returns each end once."""
    ids = scene.make(3)
    watch = scene.watch(ids)
    assert scene.poll(watch) == []
    scene.emulator.complete(ids[1], {"decision": "approve"})
    [outcome] = scene.poll(watch)
    assert (outcome.contact_id, outcome.state, outcome.attributes) == (ids[1], "completed", {"decision": "approve"})
    assert scene.poll(watch) == []
    assert (scene.read(), scene.read("SearchContacts"), watch.open) == (3 + 3 + 2, 0, [ids[0], ids[2]])


def test_many_are_searched_and_each_is_described_once(scene: Scene) -> None:
    """Those that are known to be there cost an empty search while nothing ends, and then one read each."""
    start = scene.clock.epoch()
    ids = scene.make(120)
    watch = scene.watch(ids, created_since=start, describe_first=())
    for _ in range(3):
        assert scene.poll(watch) == []
        scene.emulator.clock.advance(60)
    assert (scene.read(), scene.read("SearchContacts")) == (0, 3)
    for contact_id in ids[:110]:
        scene.emulator.complete(contact_id)
    assert {outcome.contact_id for outcome in scene.poll(watch)} == set(ids[:110])
    assert (scene.read(), scene.read("SearchContacts")) == (110, 5)
    assert scene.poll(watch) == []


def test_few_among_very_many_are_described(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a search would have more pages than contacts are open, as on a busy instance, it ends at its first."""
    monkeypatch.setattr("airflow_connect.waiting.watch.PAGE", 5)
    start = scene.clock.epoch()
    ids = scene.make(FEW + 5)
    for contact_id in [*scene.make(5 * (FEW + 6)), ids[0]]:
        scene.emulator.complete(contact_id)
    scene.emulator.clock.advance(INDEX_LAG + 1)
    watch = scene.watch(ids, created_since=start, describe_first=())
    assert [one.contact_id for one in scene.poll(watch)] == [ids[0]]
    assert (scene.read(), scene.read("SearchContacts")) == (FEW + 5, 1)
    # The next search begins where this poll was, and not where its one page ended.
    scene.emulator.complete(ids[1])
    assert [one.contact_id for one in scene.poll(watch)] == [ids[1]]
    assert (scene.read(), scene.read("SearchContacts")) == (FEW + 6, 2)


def test_long_poll_on_a_busy_instance_describes_each_contact_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poll that takes longer than the interval does not read again what it has read, and searches once."""
    monkeypatch.setattr("airflow_connect.waiting.watch.PAGE", 1)
    describe = scene.hook.describe_contact

    def bounded(*args: Any, **kwargs: Any) -> dict[str, Any]:
        assert scene.read() < 3 * len(ids), "the poll does not end"
        return describe(*args, **kwargs)

    monkeypatch.setattr(scene.hook, "describe_contact", bounded)
    start = scene.clock.epoch()
    ids = scene.make(40)
    for contact_id in scene.make(50):
        scene.emulator.complete(contact_id)
    watch = scene.watch(ids, created_since=start, describe_first=(), interval=0)
    assert scene.poll(watch) == []
    assert (scene.read(), scene.read("SearchContacts")) == (len(ids), 1)
    scene.emulator.complete(ids[3])
    assert [one.contact_id for one in scene.poll(watch)] == [ids[3]]
    assert (scene.read(), scene.read("SearchContacts")) == (2 * len(ids), 2)


def test_contacts_of_which_nothing_is_known_are_described_first(scene: Scene) -> None:
    """A contact that ended before the wait, and an ID that never was, are found without any search."""
    ids = scene.make(FEW + 5)
    scene.emulator.complete(ids[0])
    scene.emulator.clock.advance(10_000)
    watch = scene.watch([*ids, "never-existed"])
    assert [(one.contact_id, one.state) for one in scene.poll(watch)] == [(ids[0], "completed")]
    assert [(one.contact_id, one.state) for one in scene.poll(watch)] == [("never-existed", "failed")]
    assert watch.open == ids[1:]


def test_one_look_does_not_prove_that_a_contact_is_missing(scene: Scene) -> None:
    """A contact that is not found at the first poll and is at the second is waited for."""
    [there] = scene.make(1)
    watch = scene.watch([there])
    watch_of_missing = scene.watch(["missing"])
    assert scene.poll(watch_of_missing) == []
    assert watch_of_missing.open == ["missing"]
    assert scene.poll(watch) == []


def test_expired_and_stopped_are_distinguished(scene: Scene) -> None:
    """Each end has its state and Amazon's reason."""
    short = scene.hook.create_contact(**TASK, expiry_duration_in_minutes=60)["ContactId"]
    [stopped] = scene.make(1)
    scene.hook.stop_contact(stopped)
    scene.emulator.clock.advance(3_601)
    found = {one.contact_id: (one.state, one.disconnect_reason) for one in scene.poll(scene.watch([short, stopped]))}
    assert found == {short: ("expired", "EXPIRED"), stopped: ("stopped", "API")}


@pytest.mark.parametrize("others", [0, FEW + 5])
def test_transferred_contact_is_followed(scene: Scene, others: int) -> None:
    """The outcome is that of the contact it was transferred to, under the ID that was asked for, and not early."""
    start = scene.clock.epoch()
    first, *more = scene.make(1 + others)
    second = scene.transfer(first)
    watch = scene.watch([first, *more], created_since=start, describe_first=())
    assert scene.poll(watch) == []
    third = scene.transfer(second)
    assert scene.poll(watch) == []
    assert first in watch.open
    assert third in watch.open_now
    scene.emulator.complete(third, {"decision": "yes"})
    [outcome] = scene.poll(watch)
    assert (outcome.contact_id, outcome.transferred_to, outcome.state) == (first, third, "completed")
    assert outcome.attributes == {"decision": "yes"}


def test_contact_and_what_it_transferred_to_are_both_waited_for(scene: Scene) -> None:
    """Who names both gets both outcomes, whichever of them is read first."""
    [first] = scene.make(1)
    second = scene.transfer(first)
    watch = scene.watch([first, second])
    assert scene.poll(watch) == []
    assert sorted(watch.open) == sorted([first, second])
    scene.emulator.complete(second)
    assert {one.contact_id: one.state for one in scene.poll(watch)} == {first: "completed", second: "completed"}


def test_transfer_that_cannot_be_followed_now_is_followed_later(scene: Scene) -> None:
    """As long as the service does not say what a contact was transferred to, it has no outcome."""
    [first] = scene.make(1)
    second = scene.transfer(first)
    watch = scene.watch([first], max_retry_time=0)
    scene.emulator.set_faults("ListAssociatedContacts:error_500=1")
    assert [scene.poll(watch) for _ in range(3)] == [[], [], []]
    scene.emulator.set_faults("")
    assert scene.poll(watch) == []
    assert watch.open_now == [second]


def test_wrong_instance_is_an_error(scene: Scene) -> None:
    """Where the instance is not there, its contacts have not failed."""
    ids = scene.make(1)
    scene.hook = ConnectHook(scene.hook.aws_conn_id, instance_id="b1000000-0000-4000-8000-0000000000ff")
    watch = scene.watch(ids)
    with pytest.raises(SetupError, match="instance_id"):
        scene.poll(watch)
    assert watch.open == ids


def test_contact_that_was_linked_by_the_api_is_no_successor(scene: Scene) -> None:
    """A follow-up that names a contact as its previous one leaves that contact's outcome alone."""
    [first] = scene.make(1)
    flow = {"contact_flow_id": TO_QUEUE_FLOW.id}
    scene.hook.start_task_contact(name="Follow up", previous_contact_id=first, **flow)
    scene.emulator.complete(first)
    [outcome] = scene.poll(scene.watch([first]))
    assert (outcome.state, outcome.transferred_to) == ("completed", None)


def test_without_permission_to_follow_a_transfer_is_an_end(scene_of: Callable[[Emulator], Scene]) -> None:
    """Where the role may not list associated contacts, a transferred contact has the state that says so."""
    with Emulator(deny=["ListAssociatedContacts"]) as emulator:
        scene = scene_of(emulator)
        [first] = scene.make(1)
        scene.transfer(first)
        [outcome] = scene.poll(scene.watch([first]))
        assert (outcome.state, outcome.transferred_to) == ("transferred", None)


def test_without_permission_to_search_contacts_are_described(scene_of: Callable[[Emulator], Scene]) -> None:
    """Where the role may not search, each poll describes every open contact; the search is tried once."""
    with Emulator(deny=["SearchContacts"]) as emulator:
        scene = scene_of(emulator)
        start = scene.clock.epoch()
        ids = scene.make(30)
        scene.emulator.complete(ids[7])
        watch = scene.watch(ids, created_since=start, describe_first=())
        assert [one.contact_id for one in scene.poll(watch)] == [ids[7]]
        scene.emulator.complete(ids[9])
        assert [one.contact_id for one in scene.poll(watch)] == [ids[9]]
        assert (scene.read(), scene.read("SearchContacts")) == (30 + 29, 1)


def test_without_permission_to_read_it_is_an_error(scene_of: Callable[[Emulator], Scene]) -> None:
    """Where the role may not describe contacts, no waiting would help."""
    with Emulator(deny=["DescribeContact"]) as emulator:
        scene = scene_of(emulator)
        with pytest.raises(SetupError, match="connect:DescribeContact"):
            scene.poll(scene.watch(scene.make(1)))


def test_lagging_index_hides_nothing_for_good(scene_of: Callable[[Emulator], Scene]) -> None:
    """With an index four minutes behind, contacts that end at any moment are each reported once, and none early."""
    chance = random.Random(5)
    with Emulator(search_lag_seconds=240) as emulator:
        scene = scene_of(emulator)
        start = scene.clock.epoch()
        ids = scene.make(80)
        watch = scene.watch(ids, created_since=start, describe_first=(), interval=30)
        ended: set[str] = set()
        reported: list[str] = []
        for _ in range(60):
            for contact_id in ids:
                if contact_id not in ended and chance.random() < 0.1:
                    emulator.complete(contact_id)
                    ended.add(contact_id)
            found = scene.poll(watch)
            assert {one.contact_id for one in found} <= ended
            reported += [one.contact_id for one in found]
            emulator.clock.advance(30)
        assert sorted(reported) == sorted(ids)
        assert scene.read() <= 80 * 1.2 + FEW * 10


def test_index_that_lags_more_than_the_overlap_is_searched_again(scene_of: Callable[[Emulator], Scene]) -> None:
    """Once an hour a search goes back hours, so that an index that was behind for once loses nothing."""
    with Emulator(search_lag_seconds=3 * INDEX_LAG) as emulator:
        scene = scene_of(emulator)
        start = scene.clock.epoch()
        ids = scene.make(30)
        emulator.clock.advance(INDEX_LAG)
        emulator.complete(ids[3])
        watch = scene.watch(ids, created_since=start, describe_first=())
        reported: list[str] = []
        for _ in range(70):
            reported += [one.contact_id for one in scene.poll(watch)]
            emulator.clock.advance(60)
        assert reported == [ids[3]]


def test_each_open_contact_is_read_once_a_day(scene_of: Callable[[Emulator], Scene]) -> None:
    """What an index never shows is found all the same, and waits for no deadline."""
    with Emulator(search_lag_seconds=1e9) as emulator:
        scene = scene_of(emulator)
        ids = scene.make(30)
        watch = scene.watch(ids)
        assert scene.poll(watch) == []
        for contact_id in ids[:5]:
            emulator.complete(contact_id)
        reported: list[str] = []
        for _ in range(25):
            emulator.clock.advance(3_600)
            reported += [one.contact_id for one in scene.poll(watch)]
        assert sorted(reported) == sorted(ids[:5])
        assert scene.read() == 60


def test_quota_is_kept_to(scene: Scene) -> None:
    """At Amazon's default quota few reads of a long poll are throttled, those that find the pace, and none is lost."""
    ids = scene.make(300)
    for contact_id in ids:
        scene.emulator.complete(contact_id)
    scene.emulator.set_rate(2, 5)
    watch = scene.watch(ids)
    assert {one.contact_id for one in scene.poll(watch)} == set(ids)
    throttled = sum(call.status == 429 for call in scene.emulator.calls())
    assert throttled <= 0.01 * 300 + 20


def test_answers_that_fail_to_come_are_asked_for_again(scene: Scene) -> None:
    """Broken answers cost another read and lose nothing."""
    ids = scene.make(40)
    for contact_id in ids[:20]:
        scene.emulator.complete(contact_id)
    scene.emulator.set_faults("error_500=0.2, cut_before=0.1, truncated=0.1", seed=3)
    assert {one.contact_id for one in scene.poll(scene.watch(ids))} == set(ids[:20])


def test_no_answer_at_all_is_an_error_and_the_next_look_goes_on(scene: Scene) -> None:
    """A poll in which nothing was answered raises; the watch stays as it was."""
    ids = scene.make(3)
    scene.emulator.complete(ids[0])
    watch = scene.watch(ids, max_retry_time=5)
    scene.emulator.set_faults("error_500=1")
    with pytest.raises(RetryableError):
        scene.poll(watch)
    scene.emulator.set_faults("")
    assert [one.contact_id for one in scene.poll(watch)] == [ids[0]]


@pytest.mark.parametrize("fault", ["throttle=1", "throttle(86400)=1"])
@pytest.mark.parametrize("count", [3, FEW + 20])
def test_throttled_for_ever_costs_a_poll(scene: Scene, count: int, fault: str) -> None:
    """A poll that is throttled each time ends when its time is up, and the next one finds what has ended meanwhile."""
    start = scene.clock.epoch()
    ids = scene.make(count)
    scene.emulator.complete(ids[0])
    watch = scene.watch(ids, created_since=start, describe_first=(), max_retry_time=60)
    scene.emulator.set_faults(fault)
    for _ in range(2):
        before = scene.clock.now()
        with pytest.raises(ThrottledError):
            scene.poll(watch)
        assert scene.clock.now() - before < 100
    scene.emulator.set_faults("")
    assert [one.contact_id for one in scene.poll(watch)] == [ids[0]]


def test_one_read_that_is_asked_to_wait_for_a_day_stops_no_other(scene: Scene) -> None:
    """What the service asks of one call delays neither the others nor the next poll."""
    ids = scene.make(FEW)
    for contact_id in ids:
        scene.emulator.complete(contact_id)
    watch = scene.watch(ids)
    scene.emulator.set_faults("DescribeContact@3:throttle(86400)")
    before = scene.clock.now()
    assert {one.contact_id for one in scene.poll(watch)} == set(ids)
    assert scene.clock.now() - before < 400


@pytest.mark.parametrize("fault", ["throttle=1", "throttle(86400)=1", "error_503(86400)=1", "error_500=1"])
def test_stopping_ends_when_nothing_is_accepted(scene: Scene, fault: str) -> None:
    """Twenty contacts that cannot be stopped for ever are not tried for ever."""
    ids = scene.make(20)
    scene.emulator.set_faults(fault)
    before = scene.clock.now()
    with pytest.raises(RetryableError) as raised:
        scene.stop(ids, max_retry_time=60)
    assert isinstance(raised.value, ThrottledError) == fault.startswith("throttle")
    assert 60 <= scene.clock.now() - before < 160
    scene.emulator.set_faults("")
    # A call that had left when the others were given up ends in its thread.
    again = scene.stop(ids)
    assert (again["failed"], again["stopped"] + again["already_ended"]) == (0, 20)


def test_chain_of_transfers_that_comes_back_ends(scene: Scene) -> None:
    """Where contacts seem to have gone on as each other, no poll and no stop goes round for ever."""
    first, second = scene.make(2)
    there = {first: second, second: first}

    def associated(contact_id: str, **_: Any) -> list[dict[str, Any]]:
        transferred_to = there[contact_id]
        return [{"ContactId": transferred_to, "PreviousContactId": contact_id, "InitiationMethod": "TRANSFER"}]

    for contact_id in (first, second):
        scene.transfer(contact_id)
    scene.hook.list_associated_contacts = associated  # type: ignore[method-assign]  # no such answer is known
    watch = scene.watch([first])
    assert scene.poll(watch) == scene.poll(watch) == []
    assert scene.stop([first]) == {"stopped": 0, "already_ended": 1, "failed": 0}


def test_clock_that_is_set_back_hides_nothing(scene: Scene) -> None:
    """What ends after the worker's clock was set back by an hour is found at the next poll."""
    ids = scene.make(FEW + 5)
    watch = scene.watch(ids, created_since=scene.clock.epoch(), describe_first=())
    scene.clock.epoch_ahead = 3_600.0
    assert scene.poll(watch) == []
    scene.clock.epoch_ahead = 0.0
    scene.emulator.complete(ids[2])
    scene.emulator.clock.advance(60)
    assert [one.contact_id for one in scene.poll(watch)] == [ids[2]]


def test_service_that_has_always_another_page_is_left(scene: Scene) -> None:
    """A search that never ends is given up for reading what is open."""
    ids = scene.make(FEW + 5)
    scene.emulator.complete(ids[2])
    call = scene.hook.call

    def more(operation: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        if operation == "SearchContacts":
            return {"Contacts": [], "NextToken": "again"}
        return call(operation, *arguments, **options)

    scene.hook.call = more  # type: ignore[method-assign]  # no service is known to do that
    watch = scene.watch(ids, created_since=scene.clock.epoch(), describe_first=())
    assert [one.contact_id for one in scene.poll(watch)] == [ids[2]]


def test_whoever_needs_one_outcome_stops_reading(scene: Scene) -> None:
    """An iterator that is closed sends no more calls than were under way."""
    ids = scene.make(200)
    for contact_id in ids:
        scene.emulator.complete(contact_id)
    watch = scene.watch(ids)

    async def first() -> Outcome:
        polling = watch.poll()
        try:
            return await anext(polling)
        finally:
            await polling.aclose()

    assert asyncio.run(first()).contact_id in ids
    assert scene.read() < 50
    assert len(watch.open) == 199
