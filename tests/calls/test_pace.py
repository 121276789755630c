"""The pace: finds an unknown quota, holds it, follows it, shares it, and never grows by mistake."""

from __future__ import annotations

import math
import random
import re
import statistics
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.calls.pace import FIRST_IN_FLIGHT, LONGEST_GAP, Answer, Call, Pace
from airflow_connect.calls.sharing import Group
from tools.simulation import (
    BotoThreads,
    Faulty,
    Outcome,
    PacedClient,
    Scenario,
    Simulation,
    TokenBucket,
    Unlimited,
    boto,
    darkness,
    equal_work,
    leaving,
    ours,
    seeing,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SEEDS = (11, 12, 13, 14)


def runs(scenario: Scenario, seeds: tuple[int, ...] = SEEDS) -> list[Outcome]:
    return [scenario.run(ours(), seed) for seed in seeds]


def grid() -> list[Scenario]:
    """Draw quotas from the whole range; the burst is no smaller than the spread of the calls on their way."""
    chance = random.Random(7)
    scenarios = []
    for rate in (0.5, 1, 2, 5, 10, 20, 50, 100, 200):
        latency = chance.choice((0.02, 0.1, 0.2, 0.5, 2.0))
        smallest = 2 + 3 * math.sqrt(rate * 0.1 * latency)
        burst = max(smallest, chance.choice((3, 5, 20, 100)))
        scenarios.append(Scenario(rate, math.ceil(burst), latency, max(300.0, 300 * latency, min(3000, 800 / rate))))
    return scenarios


# --- Alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "goodput"),
    [
        (Scenario(2, 5, 0.2, 60), 0.975),
        (Scenario(20, 50, 0.2, 60), 0.975),
        (Scenario(100, 100, 0.2, 60), 0.965),
        (Scenario(2, 5, 0.2, 600), 0.995),
        (Scenario(20, 50, 0.2, 600), 0.995),
        (Scenario(20, 50, 2, 600), 0.985),
    ],
    ids=lambda value: f"{value.rate}-{value.latency}-{value.seconds}" if isinstance(value, Scenario) else "",
)
def test_unknown_quota_is_used_up_from_the_first_call(scenario: Scenario, goodput: float) -> None:
    """With nothing configured, what the quota allows is used, and few calls are throttled."""
    outcomes = runs(scenario)
    assert statistics.median(outcome.goodput for outcome in outcomes) >= goodput
    assert statistics.median(outcome.throttled for outcome in outcomes) <= scenario.may_throttle()


@pytest.mark.parametrize("scenario", grid(), ids=lambda s: f"{s.rate}-{s.burst}-{s.latency}")
def test_second_half_of_a_long_run_holds_the_quota(scenario: Scenario) -> None:
    """Over the whole range of quotas and latencies the quota is found by half time, and held."""
    outcome = scenario.run(ours(), 21)
    assert outcome.late_goodput >= 0.98
    assert outcome.late_throttled_share <= 0.025


@pytest.mark.parametrize(("rate", "seconds"), [(2.0, 600.0), (20.0, 120.0), (200.0, 60.0)])
def test_quota_that_halves_and_doubles_is_followed(rate: float, seconds: float) -> None:
    """A quota that halves and doubles again in the middle of a run is followed down and up."""
    scenario = Scenario(rate, max(5, rate), 0.2, 3 * seconds, changes=((seconds, rate / 2), (2 * seconds, rate)))
    outcomes = runs(scenario)
    assert statistics.median(outcome.goodput for outcome in outcomes) >= 0.93
    assert statistics.median(outcome.throttled_share for outcome in outcomes) <= 0.025


def test_latency_of_seconds_does_not_look_like_others() -> None:
    """Where hundreds of calls are in flight, the quota is measured, and few calls more are throttled to keep to it."""
    # One took itself for several, and 8 % of its calls were throttled.
    outcome = Scenario(200, 200, 2, 300).run(ours(max_in_flight=4_096), 21)
    assert outcome.goodput >= 0.93
    assert outcome.late_throttled_share <= 0.015


def test_latency_alone_changes_nothing() -> None:
    """When answers take 5 s instead of 0.1 s for two minutes, the quota is used all the same."""
    scenario = Scenario(50, 50, 0.1, 360, latencies=((120, 5.0), (240, 0.1)))
    assert min(outcome.goodput for outcome in runs(scenario)) >= 0.97
    assert scenario.run(boto("adaptive", 8), SEEDS[0]).goodput <= 0.6


def test_one_in_five_throttled_by_chance_leaves_half_of_the_quota() -> None:
    """Beside a quota of 50/s a fifth of the calls is throttled whatever the pace: the pace comes back in the median."""
    scenario = Scenario(50, 50, 0.1, 300, chance=0.2)
    seeds = tuple(range(11, 18))
    assert statistics.median(outcome.goodput for outcome in runs(scenario, seeds)) >= 0.5
    adaptive = [scenario.run(boto("adaptive", 8), seed) for seed in SEEDS]
    assert statistics.median(outcome.goodput for outcome in adaptive) <= 0.2


@pytest.mark.parametrize("burst", [1, 2])
def test_bucket_of_one_or_two_tokens_does_not_collapse(burst: int) -> None:
    """A bucket that holds next to nothing spills, and is still used for the most part."""
    outcome = Scenario(2, burst, 0.2, 600).run(ours(), 31)
    assert outcome.goodput >= 0.65
    assert outcome.throttled_share <= 0.05


@pytest.mark.parametrize("limiter", ["window", "shards"])
@pytest.mark.parametrize("rate", [20.0, 100.0])
def test_limiter_that_is_no_token_bucket_does_not_collapse(limiter: str, rate: float) -> None:
    """A fixed window, and a bucket split over four servers, are used for the most part."""
    outcomes = runs(Scenario(rate, 50 if rate == 20 else 100, 0.2, 120, limiter=limiter))
    assert statistics.median(outcome.goodput for outcome in outcomes) >= 0.87
    assert max(outcome.throttled_share for outcome in outcomes) <= 0.2


@pytest.mark.parametrize("share", [0.15, 0.3])
def test_throttling_by_chance_does_not_hold_the_pace_down(share: float) -> None:
    """Where a share of the calls is throttled whatever the pace, the pace comes back within minutes."""
    accepted = []
    for seed in SEEDS:
        simulation = Simulation(Faulty(share, random.Random(seed)), 0.05, random.Random(seed + 1))
        client = PacedClient(simulation, max_in_flight=32, chance=random.Random(seed + 2))
        simulation.run(400)
        accepted.append(client.accepted)
        assert client.pace.in_flight <= 32
    assert statistics.median(accepted) >= 10_000


def test_quota_behind_throttling_by_chance_is_found() -> None:
    """When throttling by chance ends and a quota takes its place, the pace follows that."""
    simulation = Simulation(Faulty(0.2, random.Random(3)), 0.05, random.Random(3))
    client = PacedClient(simulation, 1200, max_in_flight=32, chance=random.Random(3))
    simulation.run(300)
    assert client.accepted >= 20_000
    simulation.limiter = TokenBucket(20, 50, since=300)
    simulation.run(1800)
    assert client.late_accepted >= 0.9 * 20 * 600
    assert client.late_throttled <= 0.03 * 20 * 600


# --- Shared -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "smallest"),
    [
        (Scenario(2, 5, 0.2, 3600, starts=(0, 0, 0, 0)), 0.3),
        (Scenario(20, 50, 0.2, 600, starts=(0, 0, 0, 0)), 0.3),
        (Scenario(20, 50, 0.2, 600, starts=(0, 40, 80, 120)), 0.3),
    ],
    ids=["2/s", "20/s", "20/s, joining"],
)
def test_four_tasks_share_a_quota_without_a_coordinator(scenario: Scenario, smallest: float) -> None:
    """Four that know nothing of each other use the quota together, throttled little, and none is left out."""
    # Few calls tell little: at 2/s it takes many hours to tell one law from another.
    outcomes = runs(scenario, tuple(range(41, 56 if scenario.rate < 20 else 44)))
    assert statistics.median(min(outcome.shares) for outcome in outcomes) >= smallest
    assert statistics.median(outcome.late_throttled_share for outcome in outcomes) <= 0.055
    for outcome in outcomes:
        assert outcome.goodput >= 0.97
        # In one hour of sixty, one of four at 2/s throttles the others for minutes, or is left a tenth of its share.
        assert outcome.late_throttled_share <= 0.1
        assert min(outcome.shares) >= 0.08


@pytest.mark.parametrize(("number", "most", "throttled"), [(2, 1.5, 0.025), (4, 1.5, 0.025), (8, 1.7, 0.03)])
def test_equal_work_that_sees_nobody_is_done_in_time(number: int, most: float, throttled: float) -> None:
    """Those who are done leave what they had, and the last ones take it."""
    outcomes = runs(equal_work(50, 50, 0.1, number, 1_000))
    assert max(outcome.end for outcome in outcomes) <= most * number * 1_000 / 50
    assert statistics.median(outcome.throttled_share for outcome in outcomes) <= throttled


@pytest.mark.parametrize(("number", "seconds"), [(2, 30), (4, 60), (8, 80)])
def test_silence_tells_that_others_have_left(number: int, seconds: float) -> None:
    """One that stays uses 0.9 of the quota within a minute or so, although nobody tells it that it is alone."""
    outcomes = runs(leaving(50, 50, 0.1, number, 60, 150))
    assert max(outcome.until(0.9, 60) for outcome in outcomes) <= seconds


@pytest.mark.parametrize(
    ("scenario", "seconds"),
    [(leaving(20, 50, 0.1, 4, 60, 150), 80), (leaving(2, 5, 0.2, 4, 400, 500), 400)],
    ids=["20/s", "2/s"],
)
def test_silence_tells_it_at_lower_quotas_too(scenario: Scenario, seconds: float) -> None:
    """It takes minutes at 2/s, where adaptive mode has half of all calls throttled."""
    outcomes = runs(scenario)
    assert statistics.median(outcome.until(0.9, scenario.stops[1]) for outcome in outcomes) <= seconds / 1.5
    assert max(outcome.until(0.9, scenario.stops[1]) for outcome in outcomes) <= seconds
    adaptive = scenario.run(boto("adaptive", 8), SEEDS[0])
    assert adaptive.throttled_share >= 1.5 * max(outcome.throttled_share for outcome in outcomes)


@pytest.mark.parametrize(("number", "least"), [(2, 0.6), (4, 0.35), (8, 0.3)])
def test_one_that_joins_unseen_is_not_left_out(number: int, least: float) -> None:
    """One joins every 20 s, and nobody sees it: it gets a good part of its share, and little is throttled for it."""
    starts = tuple(20.0 * index for index in range(number))
    scenario = Scenario(50, 50, 0.1, 20.0 * number, starts=starts)
    outcomes = runs(scenario)
    shares = [
        min(outcome.get(start + 10, start + 20)[n] * (n + 1) / 500 for n, start in enumerate(starts) if n)
        for outcome in outcomes
    ]
    assert statistics.median(shares) >= least
    assert statistics.median(outcome.throttled_share for outcome in outcomes) <= 0.035
    assert min(outcome.goodput for outcome in outcomes) >= 0.98
    if number == 8:
        assert scenario.run(boto("adaptive", 8), SEEDS[0]).throttled_share >= 0.035


@pytest.mark.parametrize("make", [ours(), seeing()], ids=["unseen", "seen"])
def test_those_who_are_far_away_get_their_share(make: Callable[..., Any]) -> None:
    """With latencies of 0.05, 0.2 and 1 s at one quota, no client pays for its own."""
    scenario = Scenario(20, 50, 0.2, 600, starts=(0.0,) * 3, distances=(0.25, 1, 5))
    # The share of one that sees nobody differs much from run to run.
    outcomes = [scenario.run(make, seed) for seed in range(20_000, 20_015)]
    assert min(outcome.goodput for outcome in outcomes) >= 0.99
    assert max(outcome.throttled_share for outcome in outcomes) <= 0.03
    medians = [statistics.median(shares) for shares in zip(*(outcome.shares for outcome in outcomes), strict=True)]
    assert min(medians) >= 0.7
    assert max(medians) <= 1.3
    adaptive = scenario.run(boto("adaptive", 8), SEEDS[0])
    assert adaptive.throttled_share >= 0.03 or min(adaptive.shares) <= 0.7


def test_who_stays_takes_what_others_leave() -> None:
    """When the other users end, the one that stays uses the whole quota again."""
    simulation = Simulation(TokenBucket(20, 50), 0.2, random.Random(61))
    stays = PacedClient(simulation, 600, chance=random.Random(1))
    for number in range(3):
        PacedClient(simulation, start=60, stop=300, chance=random.Random(2 + number))
    simulation.run(900)
    assert stays.late_accepted >= 0.9 * 20 * 300


@pytest.mark.parametrize(("rate", "threads", "least"), [(20.0, 8, 1.0), (100.0, 32, 10.0)])
def test_clients_that_do_not_slow_down_leave_something(rate: float, threads: int, least: float) -> None:
    """Beside boto3 threads that keep the bucket empty, a task is not locked out: fewer calls would throttle no less."""
    accepted = []
    for seed in SEEDS:
        simulation = Simulation(TokenBucket(rate, 50), 0.1, random.Random(seed))
        client = PacedClient(simulation, 300, chance=random.Random(seed))
        BotoThreads(simulation, 300, 0.0, random.Random(seed + 9), "legacy", threads)
        simulation.run(600)
        accepted.append(client.late_accepted / 300)
    assert statistics.median(accepted) >= least


# --- What is given ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_wrong_rate_quota_does_not_hurt(factor: float) -> None:
    """A total rate that is not the account's costs next to nothing: what is measured counts."""
    outcome = Scenario(20, 50, 0.2, 300).run(ours(rate_quota=20 * factor), 71)
    assert outcome.goodput >= 0.97
    assert outcome.throttled_share <= 0.03


def test_max_rate_is_never_exceeded() -> None:
    """With a maximum, no second sees more calls than it."""
    simulation = Simulation(Unlimited(), 0.2, random.Random(81))
    client = PacedClient(simulation, max_rate=10, chance=random.Random(81))
    simulation.run(60)
    assert 0.97 * 600 <= client.accepted <= 601
    assert client.pace.rate <= 10


def test_max_in_flight_is_never_exceeded() -> None:
    """With a maximum in flight, the next call waits for an answer."""
    pace = Pace(0.0, max_in_flight=2)
    pace.sent(0.0)
    call = pace.sent(0.1)
    assert pace.send_at(0.2) == math.inf
    pace.answered(call, 0.2, Answer.ACCEPTED)
    assert pace.send_at(0.2) < math.inf
    assert pace.in_flight == 1


@pytest.mark.parametrize("name", ["max_rate", "max_in_flight", "rate_quota"])
@pytest.mark.parametrize("value", [0, -1])
def test_number_that_is_not_positive_is_refused(name: str, value: int) -> None:
    """What cannot be a rate is refused by name."""
    with pytest.raises(ValueError, match=f"{name}: must be more than 0"):
        Pace(0.0, **{name: value})


# --- Growth ----------------------------------------------------------------------------------------------------------


def test_without_a_quota_the_client_is_the_limit_within_seconds() -> None:
    """Where nothing throttles, thousands of calls a second are reached in five seconds at 50 ms."""
    simulation = Simulation(Unlimited(), 0.05, random.Random(91))
    client = PacedClient(simulation, 5.0, chance=random.Random(91))
    simulation.run(6)
    assert client.late_accepted >= 2000
    assert client.pace.in_flight <= 256


def test_first_calls_are_few_until_an_answer_comes() -> None:
    """Before anything is known, no more calls leave than the default quota holds."""
    pace = Pace(0.0)
    now = 0.0
    while pace.send_at(now) < math.inf:
        now = max(now, pace.send_at(now))
        pace.sent(now)
    assert pace.in_flight == FIRST_IN_FLIGHT


def drive(pace: Pace, now: float, seconds: float, answer: Answer, every: float | None = None) -> float:
    """Send for some time with an answer after 0.1 s; *every* makes a caller that is slower than the pace."""
    end = now + seconds
    under_way = []
    while now < end:
        at = pace.send_at(now) if every is None else now
        if under_way and under_way[0][0] <= max(at, now):
            time, call = under_way.pop(0)
            now = max(now, time)
            pace.answered(call, now, answer)
            continue
        now = max(now, at)
        under_way.append((now + 0.1, pace.sent(now)))
        if every is not None:
            now += every
    for time, call in under_way:
        now = max(now, time)
        pace.answered(call, now, answer)
    return now


def test_slow_caller_does_not_let_the_rate_grow() -> None:
    """Calls that leave later than they might tell nothing about a higher rate."""
    pace = Pace(0.0)
    now = drive(pace, 0.0, 1.0, Answer.ACCEPTED)
    before = pace.rate
    drive(pace, now + 1.0, 60.0, Answer.ACCEPTED, every=1.0)
    assert pace.rate <= 1.5 * before


def test_answer_that_says_nothing_changes_nothing() -> None:
    """Errors and time-outs are no reason to call faster or slower."""
    pace = Pace(0.0)
    now = drive(pace, 0.0, 1.0, Answer.ACCEPTED)
    before, latency = pace.rate, pace.latency
    drive(pace, now, 20.0, Answer.SAYS_NOTHING)
    assert pace.rate == pytest.approx(before, rel=0.3)
    assert pace.latency == latency
    assert pace.throttled == 0


# --- Darkness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [3.0, 10.0, 60.0, 300.0])
@pytest.mark.parametrize("number", [1, 4])
def test_darkness_at_50_a_second_is_over_within_seconds(number: int, seconds: float) -> None:
    """
    After everything was throttled, the quota is used again within 10 s, and little is called meanwhile.

    One client with adaptive mode uses 0.7 of it, and each gives up rows after more than three seconds.
    """
    scenario = darkness(50, 50, 0.1, number, seconds)
    outcomes = runs(scenario)
    over = 60 + seconds
    assert max(outcome.until(0.9, over) for outcome in outcomes) <= 10
    assert statistics.median(sum(outcome.get(over, over + 120)) / 6_000 for outcome in outcomes) >= 0.95
    for outcome in outcomes:
        for client in outcome.clients:
            assert client.throttled_between(60, min(70, over)) <= 25
            assert client.throttled_between(70, over) <= 0.3 * max(0, seconds - 10)
    adaptive = scenario.run(boto("adaptive", 8), SEEDS[0])
    assert adaptive.lost > 0 or seconds < 10
    if number == 1:
        assert sum(adaptive.get(over, over + 120)) <= 0.8 * 6_000


@pytest.mark.parametrize(
    ("scenario", "back", "calls"),
    [
        (darkness(20, 50, 0.2, 1, 60), 10, 25),
        (darkness(100, 100, 0.2, 1, 60), 10, 75),
        (darkness(50, 50, 1.0, 1, 60), 13, 170),
    ],
    ids=["20/s", "100/s", "1 s"],
)
def test_darkness_at_other_quotas_and_latencies(scenario: Scenario, back: float, calls: int) -> None:
    """Those in flight are throttled in the first 10 s, and then one every five seconds."""
    outcomes = runs(scenario)
    assert statistics.median(outcome.until(0.9, 120) for outcome in outcomes) <= back
    for outcome in outcomes:
        assert outcome.clients[0].throttled_between(60, 70) <= calls
        assert outcome.clients[0].throttled_between(70, 120) <= 0.3 * 50
    assert scenario.run(boto("adaptive", 8), SEEDS[0]).lost > 0


@pytest.mark.parametrize(("seconds", "back"), [(3.0, 70), (10.0, 10), (30.0, 10), (60.0, 10)])
def test_darkness_at_2_a_second_is_over_soon(seconds: float, back: float) -> None:
    """The same at Amazon's default quota, where three seconds are six calls: too few to tell it from a lower quota."""
    scenario = darkness(2, 5, 0.2, 1, seconds, at=300)
    outcomes = runs(scenario)
    assert max(outcome.until(0.9, 300 + seconds) for outcome in outcomes) <= back
    assert min(sum(outcome.get(300 + seconds, 420 + seconds)) for outcome in outcomes) >= 0.9 * 240
    assert scenario.run(boto("adaptive", 8), SEEDS[0]).throttled_share >= 0.1


@pytest.mark.parametrize("seconds", [10.0, 30.0, 60.0])
def test_four_that_see_nobody_come_back_from_darkness_together(seconds: float) -> None:
    """Who comes back first meets an empty bucket: that does not leave the others at a fourth of their pace."""
    # With these seeds half of the quota was unused for two minutes.
    seeds = (20_001, 20_003, 20_011, 31_007, 31_013, 31_014, 31_018, 31_021)
    outcomes = runs(darkness(2, 5, 0.2, 4, seconds, at=300), seeds)
    over = 300 + seconds
    assert max(outcome.until(0.9, over) for outcome in outcomes) <= 35
    assert min(sum(outcome.get(over, over + 120)) for outcome in outcomes) >= 0.88 * 240


def test_burst_far_above_its_rate_is_not_taken_for_darkness_for_ever() -> None:
    """After 500 calls at once the bucket gives one in two seconds: few calls more are throttled until that is known."""
    # Once, each call that was let through led back to the pace of the burst: 93 % were throttled for as long as it ran.
    outcomes = runs(Scenario(0.5, 500, 0.2, 1_200))
    assert min(outcome.goodput for outcome in outcomes) >= 0.99
    assert max(outcome.throttled for outcome in outcomes) <= 400
    assert max(outcome.late_throttled_share for outcome in outcomes) <= 0.05


def test_all_throttled_calls_every_five_seconds() -> None:
    """Where nothing is let through any more, single calls leave, and the old pace is back soon when one is."""
    pace = Pace(0.0)
    now = drive(pace, 0.0, 2.0, Answer.ACCEPTED)
    before = pace.rate
    now = drive(pace, now, 20_000.0, Answer.THROTTLED)
    assert 20_000 / 5.6 <= pace.throttled <= 20_000 / 4.4 + 200
    state = pace.state(now)
    assert state.nothing_for == pytest.approx(20_000, rel=0.01)
    assert 0 <= state.next_try_in <= 5.5
    assert re.fullmatch(r"nothing accepted for \d+ s; next try in \d s", state.in_words())
    drive(pace, now, 30.0, Answer.ACCEPTED)
    assert pace.rate >= before
    assert pace.state(now).in_words() == ""


def test_next_call_leaves_within_a_minute_however_slow_the_pace() -> None:
    """A pace that has become next to nothing is not asked once a day."""
    pace = Pace(0.0, max_rate=0.001)
    pace.answered(pace.sent(0.0), 0.1, Answer.ACCEPTED)
    assert pace.send_at(0.1) == LONGEST_GAP


def test_after_a_long_pause_the_full_bucket_is_used() -> None:
    """After minutes without rows the bucket is full again: it is emptied, and the rate is still known."""
    simulation = Simulation(TokenBucket(20, 50), 0.2, random.Random(101))
    client = PacedClient(simulation, 300.0, chance=random.Random(101))
    client.idle = (120.0, 300.0)
    simulation.run(330)
    assert client.late_accepted >= 0.95 * (50 + 20 * 30)
    assert client.late_throttled <= 40


# --- The loop itself --------------------------------------------------------------------------------------------------


def test_same_times_and_chance_make_the_same_decisions() -> None:
    """Nothing but the arguments decides."""
    outcomes = [Scenario(20, 50, 0.2, 120, starts=(0, 0)).run(ours(), 111) for _ in range(2)]
    first, second = ([(c.accepted, c.throttled) for c in outcome.clients] for outcome in outcomes)
    assert first == second


def anything(chance: random.Random) -> Group:
    """Return news of others that may be said at any time."""
    some = [0.01, 0.5, 2.0, 50.0, 3_000.0]
    return Group(
        wants=tuple(chance.choice([*some, math.inf]) for _ in range(chance.choice([0, 1, 7]))),
        quotas=tuple(chance.choices(some, k=chance.choice([0, 1, 3]))),
        rate=chance.choice([0.0, *some]),
        quiet=chance.choice([0.0, 1.0, 60.0, math.inf]),
        **{name: chance.random() < 0.3 for name in ("joining", "formed", "dark", "probed", "light", "lost")},
    )


@pytest.mark.parametrize("seed", range(131, 141))
def test_whatever_happens_in_whatever_order_there_is_a_next_call(seed: int) -> None:
    """
    Threads are slow at any point: answers come late and in any order, and callers after long pauses.

    Once, a pause with a throttled answer still under way ended a task.
    """
    chance = random.Random(seed)
    for _ in range(60):
        now = 0.0
        pace = Pace(now, max_in_flight=8, max_rate=chance.choice([math.inf, 1.0]), chance=chance)
        under_way: list[tuple[float, Call]] = []
        mostly = chance.choice(list(Answer))
        for _ in range(250):
            if chance.random() < 0.05:
                pace.hear(anything(chance))
            at = pace.send_at(now)
            if under_way and (at == math.inf or chance.random() < 0.5):
                sent_at, call = under_way.pop(chance.randrange(len(under_way)))
                # Its time was taken before a faster thread was let in.
                answered = max(sent_at, now - chance.choice([0.0, 0.0, 0.2]))
                pace.answered(call, answered, chance.choice([mostly, mostly, *Answer]))
            elif at == math.inf:
                assert pace.send_at(now + LONGEST_GAP) < math.inf or pace.state(now).shared_with, "it waits for nothing"
            else:
                now = max(now, at) + chance.choice([0.0, 0.0, 0.05, 1.0, 300.0])
                under_way.append((now, pace.sent(now)))
            assert 0 < pace.rate < math.inf
            assert pace.in_flight == len(under_way)
        assert pace.state(now).pace > 0


def test_memory_is_bounded() -> None:
    """What is remembered does not grow with the calls."""
    simulation = Simulation(TokenBucket(200, 200), 0.05, random.Random(121))
    client = PacedClient(simulation, chance=random.Random(121))
    simulation.run(300)
    meter = client.pace._meter
    assert client.accepted > 50_000
    assert len(meter.anchors) <= 48
    assert len(meter._recent) <= 512


def test_log_sees_what_happened() -> None:
    """Rate and latency can be read."""
    simulation = Simulation(TokenBucket(20, 50), 0.2, random.Random(131))
    client = PacedClient(simulation, chance=random.Random(131))
    simulation.run(120)
    pace = client.pace
    assert pace.rate == pytest.approx(20, rel=0.05)
    assert pace.latency == pytest.approx(0.2, rel=0.3)
