"""
How much of an unknown quota is used, and how many calls are throttled: ours beside boto3's retry modes.

Simulated, in virtual time: an ideal token bucket where nothing else is said, a latency of which each half is lognormal
with a coefficient of variation of 0.2, clients that always have work, nothing configured. boto3's standard and adaptive
modes run botocore's own code, legacy its formula; a row whose retries are used up is lost. Goodput is what was let
through ÷ (burst + rate x time), from the first call on. Seeds are none that the controller was made with.

    python benchmarks/pace.py [--seeds 5] [--first 20000] [--only "darkness"]

The first table has a line for each goal: the median and the worst run of ours, alone or where nobody sees the others;
the same where they see each other; and that of eight threads with boto3's adaptive mode. What is to be reached is in
brackets, and an exclamation mark is before what is not. ``--only`` prints those of its lines that have some words.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.simulation import (
    Client,
    Faulty,
    Outcome,
    PacedClient,
    Scenario,
    Simulation,
    boto,
    darkness,
    equal_work,
    leaving,
    ours,
    seeing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: What is to be reached in the median and in the worst run; None for nothing.
ToReach = tuple[float | None, float | None]

FIRST_SEED = 20_000
UNSEEN, SEEN, ADAPTIVE = "seeing nobody", "seeing each other", "adaptive, 8"
NOTHING: ToReach = (None, None)

MODES = [(mode, threads) for mode in ("legacy", "standard", "adaptive") for threads in (1, 8, 32)]
NOT_IDEAL = [
    Scenario(2, 0, 0.2, 300, limiter="window"),
    Scenario(20, 0, 0.2, 300, limiter="window"),
    Scenario(100, 0, 0.2, 120, limiter="window"),
    Scenario(2, 5, 0.2, 300, limiter="shards"),
    Scenario(20, 50, 0.2, 300, limiter="shards"),
    Scenario(100, 100, 0.2, 120, limiter="shards"),
]
CONSTANT = (0.3, 0.9, 1, 3)
BY_CHANCE = (0.1, 0.2, 0.3)
BY_CHANCE_UNTIL = (60, 120, 240, 480)


@dataclass(frozen=True)
class Goal:
    """
    What is to be reached in a scenario.

    :param what: what is measured
    :param of: measures it in a run
    :param unseen: to be reached by one, or by those that see nobody
    :param seen: to be reached by those that see each other
    :param least: whether it is the least, not the most
    """

    what: str
    of: Callable[[Outcome], float]
    unseen: ToReach = NOTHING
    seen: ToReach = NOTHING
    least: bool = False

    def found(self, outcomes: list[Outcome]) -> tuple[float, float]:
        """Return the median and the worst of some runs."""
        values = [self.of(outcome) for outcome in outcomes]
        return statistics.median(values), (min if self.least else max)(values)

    def is_met(self, found: tuple[float, float], to_reach: ToReach) -> bool:
        """Tell whether a median and a worst run reach what is to be reached."""
        sign = 1 if self.least else -1
        return all(goal is None or sign * value >= sign * goal for value, goal in zip(found, to_reach, strict=True))


@dataclass(frozen=True)
class Case:
    """A scenario and its goals."""

    name: str
    scenario: Scenario
    goals: Sequence[Goal]
    in_flight: int = 256

    def makes(self) -> Iterator[tuple[str, Any]]:
        """Return what makes each kind of client, by its name."""
        yield UNSEEN, ours(max_in_flight=self.in_flight)
        if len(self.scenario.starts) > 1:
            yield SEEN, seeing(max_in_flight=self.in_flight)
        yield ADAPTIVE, boto("adaptive", 8)


def name(scenario: Scenario) -> str:
    number = f"{len(scenario.starts)} at " if len(scenario.starts) > 1 else ""
    limiter = f"burst {scenario.burst:g}" if scenario.limiter == "bucket" else scenario.limiter
    joins = ", joining" if len(set(scenario.starts)) > 1 else ""
    return f"{number}{scenario.rate:g}/s, {limiter}, {scenario.latency:g} s, {scenario.seconds:g} s{joins}"


def goodput(unseen: ToReach = NOTHING, seen: ToReach = NOTHING) -> Goal:
    return Goal("goodput", lambda o: o.goodput, unseen, seen, least=True)


def throttled(unseen: ToReach = NOTHING, seen: ToReach = NOTHING) -> Goal:
    return Goal("throttled, %", lambda o: 100 * o.throttled_share, unseen, seen)


def throttled_calls(most: float) -> Goal:
    return Goal("throttled calls", lambda o: o.throttled, (most, None))


def late_throttled(unseen: ToReach, seen: ToReach = NOTHING) -> Goal:
    return Goal("throttled in the second half, %", lambda o: 100 * o.late_throttled_share, unseen, seen)


def start(scenario: Scenario, least: float, most: Goal) -> Case:
    return Case(name(scenario), scenario, [goodput((least, None)), most])


def long(scenario: Scenario) -> Case:
    goals = [
        goodput((0.985, None)),
        throttled_calls(scenario.may_throttle()),
        Goal("goodput of the second half", lambda o: o.late_goodput, (0.995, 0.975), least=True),
        late_throttled((1.2, 1.5)),
    ]
    return Case(name(scenario), scenario, goals)


def halved(rate: float, burst: float, latency: float, seconds: float, number: int, goals: Sequence[Goal]) -> Case:
    changes = ((seconds, rate / 2), (2 * seconds, rate))
    scenario = Scenario(rate, burst, latency, 3 * seconds, changes=changes, starts=(0.0,) * number)
    return Case(f"{number} at {rate:g}/s, burst {burst:g}, {latency:g} s, {seconds:g} s each", scenario, goals)


def four(scenario: Scenario, most: float, off: float) -> Case:
    goals = [
        goodput((0.97, None), (0.97, None)),
        late_throttled((most, None), (2, None)),
        Goal("least share", lambda o: min(o.shares), (1 - off, 0.5), (0.85, 0.85), least=True),
        Goal("largest share", lambda o: max(o.shares), (1 + off, None), (1.15, 1.15)),
    ]
    return Case(name(scenario), scenario, goals)


def shares_of_equal_work(outcome: Outcome) -> list[float]:
    """Return the share of each after 20 s and while all run, 1 for an equal one."""
    got = outcome.get(20, max(21.0, min(client.times[-1] for client in outcome.clients)))
    return [len(got) * one / max(1, sum(got)) for one in got]


def equal(scenario: Scenario, time: ToReach, most: tuple[float, float], shares: tuple[float, float] | None) -> Case:
    ideal = (len(scenario.starts) * scenario.rows - scenario.burst) / scenario.rate
    goals = [
        Goal("time ÷ ideal", lambda o: o.end / ideal, time, (1.08, 1.15)),
        throttled((most[0], None), (most[1], None)),
    ]
    if shares:
        goals += [
            Goal("least share", lambda o: min(shares_of_equal_work(o)), (shares[0], None), (0.85, 0.85), least=True),
            Goal("largest share", lambda o: max(shares_of_equal_work(o)), (shares[1], None), (1.15, 1.15)),
        ]
    return Case(f"{len(scenario.starts)} of {scenario.rows:,} rows at {scenario.rate:g}/s", scenario, goals)


def joining(number: int, least: float, most: float) -> Case:
    starts = tuple(20.0 * index for index in range(number))

    def least_share(outcome: Outcome) -> float:
        since = [(index, start + 10) for index, start in enumerate(starts) if index]
        return min(outcome.get(time, time + 10)[index] * (index + 1) / 500 for index, time in since)

    shares = Goal("least share 10 to 20 s later", least_share, (least, None), (0.85, 0.85), least=True)
    scenario = Scenario(50, 50, 0.1, 20.0 * number, starts=starts)
    return Case(f"one joins every 20 s, {number} at 50/s", scenario, [shares, throttled((most, None), (2, None))])


def leave(scenario: Scenario, seconds: ToReach, seen: float) -> Case:
    after = Goal("seconds to 0.9 of the quota", lambda o: o.until(0.9, scenario.stops[1]), seconds, (seen, None))
    return Case(f"all but one leave, {len(scenario.starts)} at {scenario.rate:g}/s", scenario, [after])


def dark(
    scenario: Scenario, seconds: ToReach, used: float | None, calls: float | None = None, then: float | None = None
) -> Case:
    since, over = (time for time, _ in scenario.changes)
    soon = min(over, since + 10)

    def most_calls(outcome: Outcome, first: float, last: float) -> float:
        return max(client.throttled_between(first, last) for client in outcome.clients)

    def is_used(outcome: Outcome) -> float:
        return sum(outcome.get(over, over + 120)) / (120 * scenario.rate)

    goals = [
        Goal("seconds to 0.9 of the quota", lambda o: o.until(0.9, over), seconds, seconds),
        Goal("used in the next two minutes", is_used, (used, None), (used, None), least=True),
        Goal("calls of one in the first 10 s", lambda o: most_calls(o, since, soon), (calls, None), (calls, None)),
    ]
    if then is not None:
        each = 5 / (over - soon)
        goals.append(Goal("then in 5 s", lambda o: each * most_calls(o, soon, over), (then, None), (then, None)))
    words = f"{over - since:g} s dark, {len(scenario.starts)} at {scenario.rate:g}/s, {scenario.latency:g} s"
    return Case(words, scenario, goals)


def shares_by_latency(latencies: Sequence[float]) -> list[Goal]:
    goals = []
    for index, latency in enumerate(latencies):
        what = f"share of the one at {latency:g} s"
        goals.append(Goal(what, lambda o, n=index: o.shares[n], (0.75, None), (0.85, None), least=True))
        goals.append(Goal(what, lambda o, n=index: o.shares[n], (1.25, None), (1.15, None)))
    return goals


def by_chance(share: float, least: float) -> Case:
    scenario = Scenario(50, 50, 0.1, 300, chance=share)
    return Case(f"{share:.0%} throttled by chance, 50/s, 300 s", scenario, [goodput((least, None))])


def cases() -> dict[str, list[Case]]:
    """Return all that is to be reached, by its title."""
    seen_halved = [goodput(seen=(0.93, None)), throttled()]
    together = (0.0,) * 4
    return {
        "One, the first minute": [
            start(Scenario(2, 5, 0.2, 60), 0.975, throttled_calls(9)),
            start(Scenario(20, 50, 0.2, 60), 0.975, throttled((4.4, None))),
            start(Scenario(100, 100, 0.1, 60), 0.965, throttled((1.2, None))),
            start(Scenario(500, 500, 0.1, 60), 0.945, throttled((1.2, None))),
        ],
        "One, longer": [
            long(Scenario(0.5, 5, 0.2, 1_800)),
            long(Scenario(2, 5, 0.02, 600)),
            long(Scenario(2, 5, 0.2, 600)),
            long(Scenario(2, 5, 2, 600)),
            long(Scenario(20, 50, 0.2, 600)),
            long(Scenario(20, 50, 2, 600)),
            long(Scenario(100, 100, 0.1, 300)),
            long(Scenario(500, 500, 0.1, 300)),
        ],
        "One, hard": [
            Case(
                "500/s, burst 500, 2 s, 300 s",
                Scenario(500, 500, 2, 300),
                [goodput((0.955, 0.93)), throttled((1.8, None))],
                in_flight=4_096,
            ),
            start(Scenario(2, 2, 0.2, 600), 0.96, throttled((2, None))),
            start(Scenario(2, 1, 0.2, 600), 0.85, throttled((2, None))),
            Case(
                "0.5/s, burst 500, 0.2 s, 2400 s",
                Scenario(0.5, 500, 0.2, 2_400),
                [goodput((0.995, None)), throttled_calls(155), late_throttled((1.3, None))],
            ),
        ],
        "The quota halves, then doubles": [
            halved(2, 5, 0.2, 600, 1, [goodput((0.96, 0.955)), throttled((2, None))]),
            halved(2, 5, 0.2, 300, 1, [goodput((0.935, 0.895)), throttled((2.1, None))]),
            halved(20, 50, 0.2, 120, 1, [goodput((0.96, 0.955)), throttled((2, None))]),
            halved(200, 200, 0.2, 60, 1, [goodput((0.96, 0.955)), throttled((3, 5))]),
            halved(200, 500, 1, 60, 1, [goodput((0.93, None)), throttled((5, None))]),
            halved(2, 5, 0.2, 600, 4, seen_halved),
            halved(20, 50, 0.2, 120, 4, seen_halved),
            halved(50, 50, 0.1, 60, 8, seen_halved),
        ],
        "Four on one quota": [
            four(Scenario(2, 5, 0.2, 3_600, starts=together), 5.5, 0.27),
            four(Scenario(20, 50, 0.2, 600, starts=together), 3, 0.4),
            four(Scenario(20, 50, 0.2, 600, starts=(0, 40, 80, 120)), 3, 0.4),
            four(Scenario(100, 100, 0.2, 300, starts=together), 3, 0.4),
        ],
        "Equal work at once": [
            equal(equal_work(50, 50, 0.1, 2, 1_000), (1.2, 1.5), (2.5, 2), (0.8, 1.3)),
            equal(equal_work(50, 50, 0.1, 4, 1_000), (1.35, 1.5), (2.5, 2), (0.6, 1.6)),
            equal(equal_work(50, 50, 0.1, 8, 1_000), (1.45, 1.7), (3, 2), (0.38, 2.3)),
            equal(equal_work(50, 50, 0.1, 16, 1_000), (1.4, 1.6), (3.2, 2), (0.35, 2.9)),
            equal(equal_work(2, 5, 0.2, 4, 300), (1.25, 1.6), (18, 18), None),
        ],
        "Others join": [joining(2, 0.8, 1.7), joining(4, 0.5, 2.2), joining(8, 0.48, 3), joining(16, 0.4, 3.7)],
        "Others leave": [
            leave(leaving(50, 50, 0.1, 2, 60, 150), (20, 30), 12),
            leave(leaving(50, 50, 0.1, 4, 60, 150), (35, 60), 12),
            leave(leaving(50, 50, 0.1, 8, 60, 150), (60, 80), 12),
            leave(leaving(50, 50, 0.1, 16, 60, 150), (80, 120), 12),
            leave(leaving(20, 50, 0.1, 4, 60, 150), (45, 80), 12),
            leave(leaving(2, 5, 0.2, 4, 400, 500), (180, 400), 30),
        ],
        "Darkness": [
            *(dark(darkness(50, 50, 0.1, 1, seconds), (8, 10), 0.95, 25) for seconds in (3, 10)),
            *(dark(darkness(50, 50, 0.1, 1, seconds), (8, 10), 0.95, 25, 1) for seconds in (60, 300)),
            *(dark(darkness(50, 50, 0.1, 4, seconds), (9, 12), 0.95, 25) for seconds in (3, 10)),
            *(dark(darkness(50, 50, 0.1, 4, seconds), (9, 12), 0.95, 25, 1) for seconds in (60, 300)),
            dark(darkness(20, 50, 0.2, 1, 60), (8, 10), None, None, 1),
            dark(darkness(100, 100, 0.2, 1, 60), (8, 10), None, 75, 1),
            dark(darkness(50, 50, 1, 1, 60), (12, None), None, None, 1),
            *(dark(darkness(2, 5, 0.2, 1, seconds, at=300), (70, 80), 0.85) for seconds in (3, 10, 30)),
            *(dark(darkness(2, 5, 0.2, 1, seconds, at=300), (16, 20), 0.93, None, 1.3) for seconds in (60, 300)),
            *(dark(darkness(2, 5, 0.2, 4, seconds, at=300), (70, 80), 0.85) for seconds in (3, 10, 30)),
            *(dark(darkness(2, 5, 0.2, 4, seconds, at=300), (16, 35), 0.93, None, 1.3) for seconds in (60, 300)),
        ],
        "Latency and chance": [
            Case(
                "latency 0.1, 5, 0.1 s for 120 s each, 50/s",
                Scenario(50, 50, 0.1, 360, latencies=((120, 5.0), (240, 0.1))),
                [goodput((0.97, None))],
            ),
            Case(
                "latencies of 0.05, 0.2 and 1 s, 20/s, 600 s",
                Scenario(20, 50, 0.2, 600, starts=(0.0,) * 3, distances=(0.25, 1, 5)),
                [
                    goodput((0.99, None), (0.99, None)),
                    throttled((3, None), (3, None)),
                    *shares_by_latency((0.05, 0.2, 1)),
                ],
            ),
            by_chance(0.05, 0.5),
            by_chance(0.2, 0.5),
        ],
    }


def print_goals(seeds: Sequence[int], only: str) -> None:
    """Print what is reached, beside what is to be."""
    met = number = 0
    print(f"{'':44}{'':34}{UNSEEN:>27}{SEEN:>27}{ADAPTIVE:>17}")
    for title, some in cases().items():
        chosen = [case for case in some if only.lower() in f"{title} {case.name}".lower()]
        if chosen:
            print(title)
        for case in chosen:
            outcomes = {kind: [case.scenario.run(make, seed) for seed in seeds] for kind, make in case.makes()}
            for index, goal in enumerate(case.goals):
                cells = {UNSEEN: "", SEEN: "", ADAPTIVE: ""}
                for kind, to_reach in ((UNSEEN, goal.unseen), (SEEN, goal.seen), (ADAPTIVE, NOTHING)):
                    if kind not in outcomes:
                        continue
                    found = goal.found(outcomes[kind])
                    is_met = goal.is_met(found, to_reach)
                    if to_reach != NOTHING:
                        number += 1
                        met += is_met
                    cells[kind] = f"{'' if is_met else '! '}{pair(found)}" + (
                        f" ({pair(to_reach)})" if to_reach != NOTHING else ""
                    )
                words = f"  {case.name if index == 0 else '':44}{goal.what:32}"
                print(f"{words}{cells[UNSEEN]:>27}{cells[SEEN]:>27}{cells[ADAPTIVE]:>17}", flush=True)
    print(f"{met} of {number} goals are met, with {len(seeds)} seeds from {seeds[0]} on.")


def pair(values: ToReach) -> str:
    """Return the median and the worst, as far as they are given."""
    return " / ".join("" if value is None else f"{value:.3g}" for value in values).removesuffix(" / ")


def without_a_quota(share: float, seed: int) -> list[float]:
    """Return the calls let through a second from one time to the next, where throttling has nothing to do with them."""
    simulation = Simulation(Faulty(share, random.Random(seed)), 0.05, random.Random(seed + 1))
    client = PacedClient(simulation, max_in_flight=32, chance=random.Random(seed + 2))
    rates, since, before = [], 0, 0
    for until in BY_CHANCE_UNTIL:
        simulation.run(until)
        rates.append((client.accepted - before) / (until - since))
        since, before = until, client.accepted
    return rates


class Constant(Client):
    """Sends at a pace that somebody has set, and again what is throttled."""

    def __init__(self, simulation: Simulation, half: float, start: float, pace: float) -> None:
        super().__init__(simulation, half)
        self._gap = 1 / pace
        simulation.at(start, self._send)

    def _send(self) -> None:
        self.simulation.call(self, lambda passed: None)
        self.simulation.at(self.simulation.now + self._gap, self._send)


def constant(pace: float) -> Any:
    """Return what makes a client with a constant pace, in calls a second."""
    return lambda simulation, half, start, chance: Constant(simulation, half, start, pace)


def seen(values: Sequence[float], worst: Callable[[Sequence[float]], float], form: str) -> str:
    """Return the median and the worst of some runs."""
    return f"{format(statistics.median(values), form)} / {format(worst(values), form)}"


def row(label: str, outcomes: list[Outcome], first: list[Outcome] | None = None, goal: str = "") -> None:
    """Print what came of one client in one scenario; *first* is ours, to compare with."""
    goodput = statistics.median(outcome.goodput for outcome in outcomes)
    ratio = f"{statistics.median(outcome.goodput for outcome in first) / goodput:7.2f}x" if first else 8 * " "
    print(
        f"  {label:14}{seen([o.goodput for o in outcomes], min, '.3f'):>16}{ratio}"
        f"{seen([o.throttled for o in outcomes], max, '.0f'):>17}"
        f"{seen([100 * o.throttled_share for o in outcomes], max, '.1f'):>15} %"
        f"{seen([o.lost for o in outcomes], max, '.0f'):>15}  {goal}",
        flush=True,
    )


def head(title: str) -> None:
    print(f"\n{title}  (median / worst)")
    print(f"  {'':14}{'goodput':>16}{'ours ÷':>8}{'throttled':>17}{'of all calls':>17}{'lost':>15}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="runs of each (default: %(default)s)")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed (default: %(default)s)")
    parser.add_argument("--only", help="a part of a title or a name in the table of goals")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    print_goals(seeds, options.only or "")
    if options.only is not None:
        return

    def runs(scenario: Scenario, make: Any = None) -> list[Outcome]:
        return [scenario.run(make or ours(), seed) for seed in seeds]

    head("The first minute, against boto3")
    for scenario in (Scenario(2, 5, 0.2, 60), Scenario(20, 50, 0.2, 60), Scenario(100, 100, 0.2, 60)):
        print(f" {name(scenario)}")
        first = runs(scenario)
        row("ours", first)
        for mode, threads in MODES:
            row(f"{mode}, {threads}", runs(scenario, boto(mode, threads)), first)

    head("Limiters that are no ideal token bucket, against the constant pace that somebody would have to know")
    for scenario in NOT_IDEAL:
        print(f" {name(scenario)}")
        first = runs(scenario)
        row("ours", first)
        if scenario.limiter == "shards":
            for times in CONSTANT:
                row(f"{times:g} x quota", runs(scenario, constant(times * scenario.rate)), first)

    print("\nNo quota, but calls throttled by chance, 50 ms: let through a second until then  (median / worst)")
    print(f"  {'':14}" + "".join(f"{f'{until} s':>16}" for until in BY_CHANCE_UNTIL))
    for share in BY_CHANCE:
        rates = [without_a_quota(share, seed) for seed in seeds]
        print(f"  {share:14.0%}" + "".join(f"{seen(column, min, '.1f'):>16}" for column in zip(*rates, strict=True)))


if __name__ == "__main__":
    main()
