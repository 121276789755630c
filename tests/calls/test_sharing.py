"""Tasks that see each other share at once: the rule, in simulated time, beside boto3's adaptive mode."""

from __future__ import annotations

import json
import math
import random
import statistics
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.calls.pace import Answer, Pace
from airflow_connect.calls.sharing import BEAT, FIRST_WRITE, LONGEST_FILE, READS, Group, Said, Sharing, fair_share
from tools.simulation import (
    Faulty,
    Outcome,
    Scenario,
    SeeingClient,
    Simulation,
    TokenBucket,
    boto,
    darkness,
    equal_work,
    leaving,
    seeing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = (201, 202, 203, 204, 205)


def runs(scenario: Scenario, make: Callable[..., Any] | None = None) -> list[Outcome]:
    return [scenario.run(make or seeing(), seed) for seed in SEEDS]


def median(values: list[float]) -> float:
    return statistics.median(values)


# --- Goals ------------------------------------------------------------------------------------------------------------


def test_eight_tasks_are_done_when_the_quota_allows() -> None:
    """Eight tasks of 1,000 rows at 50/s: 1.08 times the ideal at most, 2 % throttled, equal shares after 20 s."""
    scenario = equal_work(50, 50, 0.1, 8, 1_000)
    outcomes = runs(scenario)
    ideal = (8_000 - 50) / 50
    assert median([outcome.end for outcome in outcomes]) <= 1.08 * ideal
    assert max(outcome.end for outcome in outcomes) <= 1.15 * ideal
    assert median([outcome.throttled_share for outcome in outcomes]) <= 0.02
    for outcome in outcomes:
        got = outcome.get(20, min(client.times[-1] for client in outcome.clients))
        assert min(got) >= 0.85 * sum(got) / 8
        assert max(got) <= 1.15 * sum(got) / 8
    adaptive = scenario.run(boto("adaptive", 8), SEEDS[0])
    assert adaptive.throttled_share >= 2 * max(outcome.throttled_share for outcome in outcomes)


def test_four_tasks_at_the_default_quota_are_done_when_it_allows() -> None:
    """The same for four tasks of 300 rows at 2/s, where botocore has half of all calls throttled."""
    # Here a task was dark before it knew of the others, and reported to them that the quota is zero.
    scenario = equal_work(2, 5, 0.2, 4, 300)
    outcomes = runs(scenario)
    assert max(outcome.end for outcome in outcomes) <= 1.08 * (1_200 - 5) / 2
    assert median([outcome.throttled_share for outcome in outcomes]) <= 0.08
    assert scenario.run(boto("adaptive", 8), SEEDS[0]).throttled_share >= 0.3


@pytest.mark.parametrize(
    ("scenario", "seconds"),
    [(leaving(50, 50, 0.1, 8, 60, 60), 12), (leaving(2, 5, 0.2, 4, 200, 120), 30)],
    ids=["50/s", "2/s"],
)
def test_one_that_stays_takes_what_the_others_leave(scenario: Scenario, seconds: float) -> None:
    """All but one leave: it uses 0.9 of the quota soon; boto3 does too, but throttles twice as much."""
    left = scenario.stops[1]
    outcomes = runs(scenario)
    assert max(outcome.until(0.9, left) for outcome in outcomes) <= seconds
    adaptive = scenario.run(boto("adaptive", 8), SEEDS[0])
    assert adaptive.throttled_share >= 2 * max(outcome.throttled_share for outcome in outcomes)


def test_each_that_joins_has_its_share_soon() -> None:
    """One joins every 20 s: within 7 s it gets its share, and little is throttled for it."""
    scenario = Scenario(50, 50, 0.1, 160, starts=tuple(20.0 * number for number in range(8)))

    def least_share(outcome: Outcome) -> float:
        since = [(number, 20.0 * number + 7) for number in range(1, 8)]
        return min(outcome.get(time, time + 10)[number] * (number + 1) / 500 for number, time in since)

    outcomes = runs(scenario)
    assert median([least_share(outcome) for outcome in outcomes]) >= 0.85
    for outcome in outcomes:
        assert least_share(outcome) >= 0.7
        assert outcome.throttled_share <= 0.02
        assert outcome.goodput >= 0.98
    adaptive = scenario.run(boto("adaptive", 8), SEEDS[0])
    assert least_share(adaptive) <= 0.8
    assert adaptive.throttled_share >= 2 * max(outcome.throttled_share for outcome in outcomes)


@pytest.mark.parametrize(
    ("scenario", "throttled"),
    [
        (Scenario(20, 50, 0.2, 360, changes=((120, 10), (240, 20)), starts=(0.0,) * 4), 0.04),
        (Scenario(2, 5, 0.2, 900, changes=((300, 1), (600, 2)), starts=(0.0,) * 4), 0.14),
    ],
    ids=["20/s", "2/s"],
)
def test_quota_that_halves_and_doubles_is_followed_together(scenario: Scenario, throttled: float) -> None:
    """Four that see each other follow a lower quota, and notice a higher one, nearly as one alone does."""
    outcomes = runs(scenario)
    # Once, silence had to be three times as long, and one that fell in vain told the others of four times the quota.
    assert median([outcome.goodput for outcome in outcomes]) >= 0.9
    for outcome in outcomes:
        assert outcome.goodput >= 0.87
        assert outcome.throttled_share <= throttled
        assert min(outcome.shares) >= 0.85
    assert scenario.run(boto("adaptive", 8), SEEDS[0]).throttled_share >= 1.5 * throttled


def test_what_is_tried_is_not_told_to_the_others() -> None:
    """A task that tries faster paces, since as many are throttled at any, does not take them for the quota."""
    simulation = Simulation(Faulty(0.2, random.Random(1), TokenBucket(50, 50)), 0.1, random.Random(2))
    clients = [seeing()(simulation, 0.0, 0.0, random.Random(number)) for number in range(4)]
    tried = 0
    for time in range(1, 120):
        simulation.run(time)
        for client in clients:
            if client.pace._windows:
                tried += 1
                assert client.pace.says(time)[0].quota is None
    assert tried > 20


def test_many_that_join_at_once_do_not_throttle_one_another() -> None:
    """Eight join one within seconds: they wait with most of their share until it has made room for them."""
    starts = (0.0, *(60 + 0.3 * number for number in range(8)))
    for outcome in runs(Scenario(50, 50, 0.1, 120, starts=starts)):
        assert sum(outcome.get(60, 120)) >= 0.85 * 50 * 60
        assert sum(client.throttled_between(60, 120) for client in outcome.clients) <= 0.02 * 50 * 60
        got = outcome.get(80, 120)
        assert min(got) >= 0.85 * sum(got) / 9


@pytest.mark.parametrize(
    ("scenario", "back", "least"),
    [
        (darkness(50, 50, 0.1, 4, 10), 9, 0.95),
        (darkness(50, 50, 0.1, 4, 60), 9, 0.95),
        (darkness(2, 5, 0.2, 4, 10, at=300), 9, 0.88),
        (darkness(2, 5, 0.2, 4, 30, at=300), 9, 0.9),
        (darkness(2, 5, 0.2, 4, 60, at=300), 9, 0.93),
    ],
    ids=["50/s 10 s", "50/s 60 s", "2/s 10 s", "2/s 30 s", "2/s 60 s"],
)
def test_darkness_is_probed_by_one(scenario: Scenario, back: float, least: float) -> None:
    """
    While everything is throttled one task calls for all of them, and all come back when it is over.

    Those that hear of it go on at the pace that they had: at 2/s a fourth of it left half of the quota for half a
    minute. boto3 gives up rows.
    """
    since, over = (time for time, _ in scenario.changes)
    outcomes = runs(scenario)
    assert median([outcome.until(0.9, over) for outcome in outcomes]) <= back
    for outcome in outcomes:
        assert sum(outcome.get(over, over + 120)) >= least * scenario.rate * 120
    if over - since > 40:
        calls = [sum(client.throttled_between(since + 30, over) for client in outcome.clients) for outcome in outcomes]
        assert median(calls) <= (over - since - 30) / 4
        assert max(calls) <= (over - since - 30) / 2
    assert scenario.run(boto("adaptive", 8), SEEDS[0]).lost > 0


@pytest.mark.parametrize("seed", [30_009, 30_022, 30_036])
def test_start_is_not_taken_for_clients_that_do_not_slow_down(seed: int) -> None:
    """At 2/s the throttled calls of the start are among the last 80 for minutes, and do not make a task try faster."""
    # With these seeds one of the four tried four times its pace, and all throttled one another.
    outcome = Scenario(2, 5, 0.2, 400, starts=(0.0,) * 4).run(seeing(), seed)
    assert outcome.goodput >= 0.98
    assert outcome.throttled_share <= 0.14


def test_silence_goes_by_for_all_at_its_own_speed() -> None:
    """What the others say of the last throttled call is not said again: it would be later with each time."""
    pace = Pace(0.0)
    pace.answered(pace.sent(0.0), 0.1, Answer.ACCEPTED)
    pace.hear(Group(wants=(math.inf,), quotas=(2.0,), quiet=1.0))
    pace.send_at(50.0)
    assert pace.says(50.0)[0].quiet is None


def test_nobody_is_told_of_less_while_nothing_is_accepted() -> None:
    """What a row of throttled calls takes from the pace says nothing of the quota: it may be dark."""
    pace = Pace(0.0)
    pace.answered(pace.sent(0.0), 0.1, Answer.ACCEPTED)
    pace.hear(Group(wants=(math.inf,) * 3, quotas=(2.0,)))
    now = pace.send_at(0.2)
    for _ in range(3):
        now = max(now, pace.send_at(now))
        pace.answered(pace.sent(now), now + 0.2, Answer.THROTTLED)
        now += 0.2
    assert pace.quota == pytest.approx(2 * 0.9**3, rel=0.01)
    assert pace.says(now)[0].quota == pytest.approx(2, rel=0.01)
    # Another one has found that it is dark: so it is for this one, at once and with the quota as it was.
    pace.hear(Group(wants=(math.inf,) * 3, quotas=(1.8,), dark=True, probed=True))
    pace.send_at(now)
    assert pace.dark_since is not None
    assert pace.quota == pytest.approx(1.9, rel=0.01)


def test_killed_tasks_are_missed() -> None:
    """Half of eight tasks are killed and leave their files: the others take their share, and remove the files."""
    chance = random.Random(SEEDS[0])
    simulation = Simulation(TokenBucket(50, 50), 0.1, chance)
    clients = [seeing()(simulation, 0.0, 0.0, random.Random(number)) for number in range(8)]
    simulation.run(40)
    for client in clients[:4]:
        client.stop = client.killed = 40.0
    simulation.run(70)
    assert sum(client.between(60, 70) for client in clients[4:]) >= 0.9 * 500
    assert len(simulation.folder.files) == 8
    simulation.run(140)
    assert len(simulation.folder.files) == 4
    assert {client.pace.shared_with for client in clients[4:]} == {3}


def test_one_that_wants_less_leaves_the_rest_to_the_others() -> None:
    """A task with a maximum, and one that is slow, take no share that they do not use."""
    simulation = Simulation(TokenBucket(50, 50), 0.1, random.Random(7))
    limited = seeing(max_rate=4)(simulation, 0.0, 0.0, random.Random(1))
    others = [seeing()(simulation, 0.0, 0.0, random.Random(2 + number)) for number in range(3)]
    simulation.run(120)
    assert limited.between(60, 120) >= 0.9 * 4 * 60
    for client in others:
        assert client.between(60, 120) == pytest.approx((50 - 4) / 3 * 60, rel=0.12)


def test_64_tasks_make_one_request_a_second_each() -> None:
    """The store sees no more than a request a task and second, and the tasks share all the same."""
    simulation = Simulation(TokenBucket(100, 100), 0.1, random.Random(8))
    clients = [seeing()(simulation, 60.0, 0.0, random.Random(number)) for number in range(64)]
    simulation.run(60)
    before = simulation.folder.requests
    assert before <= 64 * 60
    simulation.run(120)
    assert simulation.folder.requests - before <= 0.85 * 64 * 60
    got = [client.between(60, 120) for client in clients]
    assert sum(got) >= 0.95 * 6_000
    assert min(got) >= 0.7 * sum(got) / 64


def test_folder_that_cannot_be_read_costs_nothing() -> None:
    """While the store is ill all go on as they are, without one request more, and find each other again after it."""
    simulation = Simulation(TokenBucket(50, 50), 0.1, random.Random(9))
    clients = [seeing()(simulation, 0.0, 0.0, random.Random(number)) for number in range(4)]
    simulation.run(60)
    simulation.folder.is_ill = True
    simulation.run(180)
    assert {client.pace.shared_with for client in clients} == {0}
    assert sum(client.between(60, 180) for client in clients) >= 0.95 * 50 * 120
    simulation.folder.is_ill = False
    simulation.run(320)
    assert {client.pace.shared_with for client in clients} == {3}


def test_garbage_and_thousands_of_dead_files_cost_nothing() -> None:
    """What others have left in the folder neither takes a share nor a call."""
    simulation = Simulation(TokenBucket(50, 50), 0.1, random.Random(10))
    client = seeing()(simulation, 0.0, 0.0, random.Random(1))
    folder = simulation.folder
    dead = Said(10.0, 50.0, None, 1.0, False, 100, 1, 10.0).to_bytes(3)
    for number in range(3_000):
        folder.put(f"dead-{number:08x}.json", dead)
    for number, content in enumerate(GARBAGE):
        folder.put(f"garbage-{0xF0000000 + number:08x}.json", content)
    folder.put("notes.txt", b"not ours")
    written = folder.requests
    simulation.run(60)
    assert client.between(6, 60) >= 0.97 * 50 * 54
    assert client.pace.shared_with == 0
    assert client.sharing.silent == 3_000 + len(GARBAGE)
    assert folder.requests - written <= 60
    simulation.run(120)
    assert 0 < 3_000 + len(GARBAGE) - client.sharing.silent <= 60 / BEAT


# --- What is said -----------------------------------------------------------------------------------------------------

GOOD = {
    "format": 1,
    "beat": 1,
    "pace": 6.25,
    "quota": 50,
    "wants": None,
    "quiet": 3.5,
    "dark": False,
    "accepted": 100,
    "throttled": 2,
    "rate": 6.0,
}
GARBAGE = [
    b"",
    b"\x00\xff\xfe",
    b"[" * 2_000,
    b"null",
    b"[]",
    json.dumps({**GOOD, "format": 2}).encode(),
    json.dumps({**GOOD, "format": "1"}).encode(),
    json.dumps({**GOOD, "pace": "fast"}).encode(),
    json.dumps({**GOOD, "pace": None}).encode(),
    json.dumps({**GOOD, "quota": -1}).encode(),
    json.dumps({**GOOD, "rate": True}).encode(),
    json.dumps({**GOOD, "dark": 0}).encode(),
    json.dumps({**GOOD, "rate": math.inf}).encode(),
    json.dumps({**GOOD, "wants": math.nan}).encode(),
    json.dumps({**GOOD, "accepted": 10**400}).encode(),
    json.dumps({name: value for name, value in GOOD.items() if name != "pace"}).encode(),
]


def test_what_is_said_is_read_again() -> None:
    """A file has numbers and nothing else, and is short."""
    said = Said(6.25, 50.0, None, 3.5, False, 100, 2, 6.0)
    data = said.to_bytes(1)
    assert json.loads(data) == GOOD
    assert Said.from_bytes(data) == said
    assert len(data) < LONGEST_FILE
    assert said.to_bytes(2) != data


@pytest.mark.parametrize("data", GARBAGE)
def test_what_nobody_of_us_wrote_says_nothing(data: bytes) -> None:
    """Garbage and other formats are not believed, and raise nothing."""
    assert Said.from_bytes(data) is None


@pytest.mark.parametrize(
    ("total", "wants", "share"),
    [
        (50.0, [], 50.0),
        (50.0, [math.inf] * 7, 6.25),
        (50.0, [4.0, math.inf], 23.0),
        (50.0, [4.0, 30.0, 20.0], 15.333),
        (50.0, [1.0, 1.0], 48.0),
        (50.0, [100.0], 25.0),
    ],
)
def test_share_is_equal_or_what_the_modest_leave(total: float, wants: list[float], share: float) -> None:
    """Nobody gets more than another, unless that one wants less."""
    assert fair_share(total, wants) == pytest.approx(share, abs=0.001)


def beat(sharing: Sharing, now: float, listing: dict[str, tuple[int, str]], said: Said | None = None) -> Group:
    for name in sharing.to_read(now, listing):
        sharing.read(now, name, (said or Said(6.25, 50.0, None, 3.5, False, 100, 2, 6.0)).to_bytes(1))
    return sharing.group(now)


def test_file_counts_while_it_is_seen_to_change() -> None:
    """No clock but the reader's is asked: a file that does not change for 12.5 s does not count."""
    sharing = Sharing("own-00000000.json", 0.0)
    assert beat(sharing, 0.0, {}).wants == ()
    signatures = {0: "a", 5: "b", 10: "b", 15: "b"}
    seen = {
        now: len(beat(sharing, float(now), {"other-00000001.json": (150, text)}).wants)
        for now, text in signatures.items()
    }
    assert seen == {0: 1, 5: 1, 10: 1, 15: 1}
    assert beat(sharing, 20.0, {"other-00000001.json": (150, "b")}).wants == ()
    assert beat(sharing, 25.0, {"other-00000001.json": (150, "c")}).wants == (math.inf,)
    assert beat(sharing, 30.0, {}).wants == ()


def test_first_look_believes_a_few_files_for_a_beat() -> None:
    """A task that joins takes what it finds for alive until it can have seen it change."""
    listing = {f"other-{number:08x}.json": (150, "a") for number in range(100)}
    sharing = Sharing("own-00000000.json", 0.0)
    assert len(beat(sharing, 0.0, listing).wants) == 15
    assert beat(sharing, 2 * BEAT, listing).wants == ()


def test_own_huge_and_foreign_files_are_not_read() -> None:
    """Only small files with the name of a task's are."""
    sharing = Sharing("own-00000000.json", 0.0)
    listing = {
        "own-00000000.json": (150, "a"),
        "huge-00000001.json": (LONGEST_FILE + 1, "a"),
        "README.json": (150, "a"),
        "other-00000002.json": (150, "a"),
    }
    assert sharing.to_read(0.0, listing) == ["other-00000002.json"]


def test_no_more_than_a_few_files_are_read_in_a_beat() -> None:
    """What is left is read in the next ones."""
    sharing = Sharing("own-00000000.json", 0.0)
    sharing.to_read(0.0, {})
    listing = {f"other-{number:08x}.json": (150, "a") for number in range(5)}
    read = []
    for now in (1.0, 6.0, 11.0):
        names = sharing.to_read(now, listing)
        assert len(names) <= READS
        for name in names:
            sharing.read(now, name, Said(1.0, None, None, None, False, 1, 0).to_bytes(1))
        read += names
    assert sorted(read) == sorted(listing)


def test_all_agree_who_probes() -> None:
    """Where several are dark, those that wait are not read over and over before the one that becomes dark last."""
    sharing = Sharing("own-00000000.json", 0.0, reads=2)
    first, *_ = names = [f"{letter}-00000001.json" for letter in "abc"]
    light, dark = (Said(1.0, 2.0, None, 1.0, is_dark, 9, 9) for is_dark in (False, True))
    sharing.to_read(0.0, {})
    for beat, now in enumerate((1.0, 6.0, 11.0, 16.0)):
        for name in sharing.to_read(now, {name: (150, str(beat)) for name in names}):
            sharing.read(now, name, (light if name == first and beat < 2 else dark).to_bytes(beat))
    assert sharing.to_read(21.0, dict.fromkeys(names, (150, "new")))[0] == first


def test_task_with_nothing_to_say_writes_nothing() -> None:
    """One that is done within a second, and one that has sent nothing since, does not write."""
    sharing = Sharing("own-00000000.json", 0.0)
    said = Said(1.0, None, None, None, False, 10, 0)
    assert sharing.to_write(0.5, said, 10, keeps_up=True) is None
    assert sharing.to_write(FIRST_WRITE, said, 10, keeps_up=True) is not None
    assert sharing.to_write(6.0, said, 10, keeps_up=False) is None
    assert sharing.to_write(11.0, said, 11, keeps_up=True) is not None


def test_slow_task_says_that_it_wants_little() -> None:
    """One whose rows come slowly says how much it uses, and a fourth more."""
    sharing = Sharing("own-00000000.json", 0.0)
    data = sharing.to_write(10.0, Said(20.0, 40.0, None, None, False, 30, 0), 30, keeps_up=False)
    assert data is not None
    found = Said.from_bytes(data)
    assert found is not None
    assert found.wants == pytest.approx(1.25 * 3)
    assert found.rate == pytest.approx(3)


def test_news_are_taken_at_the_next_decision() -> None:
    """A pace that hears of seven others with a quota of 50/s moves to its share at once."""
    pace = Pace(0.0)
    pace.answered(pace.sent(0.0), 0.1, Answer.ACCEPTED)
    pace.hear(Group(wants=(math.inf,) * 7, quotas=(50.0,)))
    pace.send_at(0.2)
    assert pace.rate == pytest.approx(6.25)
    assert pace.state(0.2).in_words() == "sharing 50/s with 7 tasks"
    pace.hear(Group())
    pace.send_at(0.3)
    assert pace.rate == pytest.approx(50)
    assert pace.state(0.3).in_words() == ""


@pytest.mark.parametrize("quota", [0.0, 1e-12, 1e8])
def test_absurd_quota_of_another_is_believed_little(quota: float) -> None:
    """Whatever a file says, the pace stays one at which calls leave, and moves by little at once."""
    pace = Pace(0.0)
    pace.answered(pace.sent(0.0), 0.1, Answer.ACCEPTED)
    pace.hear(Group(wants=(math.inf,), quotas=(50.0,)))
    pace.send_at(0.2)
    for now in (0.3, 0.4):
        pace.hear(Group(wants=(math.inf,), quotas=(quota,)))
        pace.send_at(now)
    assert 5 <= pace.rate <= 25 * 2.5**2
    newcomer = Pace(0.0)
    newcomer.answered(newcomer.sent(0.0), 0.1, Answer.ACCEPTED)
    newcomer.hear(Group(wants=(math.inf,), quotas=(quota,)))
    assert newcomer.send_at(0.2) <= 60
    newcomer.sent(0.2)
    assert newcomer.state(0.2).quota is not None


def test_group_in_which_nothing_was_accepted_is_not_formed() -> None:
    """Where nobody knows the quota and nothing was accepted, each goes by its own answers."""
    pace = Pace(0.0)
    pace.answered(pace.sent(0.0), 0.1, Answer.ACCEPTED)
    before = pace.rate
    pace.hear(Group(wants=(math.inf,), rate=0.0, formed=True))
    pace.send_at(0.2)
    assert pace.rate == before
    assert pace.shared_with == 0


def test_others_are_seen_by_a_client_as_by_the_simulation() -> None:
    """A client that is alone in its folder is as fast as one without a folder."""
    outcome = Scenario(20, 50, 0.2, 60).run(seeing(), 11)
    assert outcome.goodput >= 0.975
    assert isinstance(outcome.clients[0], SeeingClient)
