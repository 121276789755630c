"""
How much of an unknown quota is used, and how many calls are throttled: ours beside boto3's retry modes.

Simulated, in virtual time: an ideal token bucket where nothing else is said, a latency of which each half is lognormal
with a coefficient of variation of 0.2, clients that always have work, nothing configured. boto3's standard and adaptive
modes run botocore's own code, legacy its formula; a row whose retries are used up is lost. Goodput is what was let
through ÷ (burst + rate x time), from the first call on. Seeds are none that the controller was made with.

    python benchmarks/pace.py [--full] [--seeds 5]

``--full`` adds the long runs of boto3, and takes ten seeds: some ten minutes instead of one or two.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
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
    from collections.abc import Callable, Sequence

FIRST_SEED = 20_000
MODES = [(mode, threads) for mode in ("legacy", "standard", "adaptive") for threads in (1, 8, 32)]

STARTS = [
    (Scenario(2, 5, 0.2, 60), 0.975),
    (Scenario(20, 50, 0.2, 60), 0.975),
    (Scenario(100, 100, 0.2, 60), 0.965),
    (Scenario(2, 5, 0.2, 600), 0.995),
    (Scenario(20, 50, 0.2, 600), 0.995),
]
CHANGES = [
    Scenario(2, 5, 0.2, 1800, changes=((600, 1), (1200, 2))),
    Scenario(20, 50, 0.2, 360, changes=((120, 10), (240, 20))),
    Scenario(200, 200, 0.2, 180, changes=((60, 100), (120, 200))),
]
LONG = [
    Scenario(0.5, 5, 0.2, 1800),
    Scenario(2, 5, 0.02, 600),
    Scenario(2, 5, 2, 600),
    Scenario(20, 50, 0.2, 300),
    Scenario(20, 50, 2, 600),
    Scenario(100, 100, 0.1, 300),
    Scenario(500, 500, 0.1, 300),
]
FOUR = [
    Scenario(2, 5, 0.2, 3600, starts=(0, 0, 0, 0)),
    Scenario(20, 50, 0.2, 600, starts=(0, 0, 0, 0)),
    Scenario(20, 50, 0.2, 600, starts=(0, 40, 80, 120)),
    Scenario(100, 100, 0.2, 300, starts=(0, 0, 0, 0)),
]
EQUAL = [equal_work(50, 50, 0.1, number, 1_000) for number in (2, 4, 8, 16)] + [equal_work(2, 5, 0.2, 4, 300)]
LEAVING = [leaving(50, 50, 0.1, 8, 60, 150), leaving(20, 50, 0.1, 4, 60, 150), leaving(2, 5, 0.2, 4, 400, 400)]
JOINING = Scenario(50, 50, 0.1, 160, starts=tuple(20.0 * number for number in range(8)))
DARK = [
    *(darkness(50, 50, 0.1, number, seconds) for number in (1, 4) for seconds in (3, 10, 60, 300)),
    *(darkness(2, 5, 0.2, number, seconds, at=300) for number in (1, 4) for seconds in (10, 30, 60)),
]
NOT_IDEAL = [
    Scenario(2, 0, 0.2, 300, limiter="window"),
    Scenario(20, 0, 0.2, 300, limiter="window"),
    Scenario(100, 0, 0.2, 120, limiter="window"),
    Scenario(2, 5, 0.2, 300, limiter="shards"),
    Scenario(20, 50, 0.2, 300, limiter="shards"),
    Scenario(100, 100, 0.2, 120, limiter="shards"),
]
CONSTANT = (0.3, 0.9, 1, 3)
SMALL = [Scenario(2, 2, 0.2, 600), Scenario(2, 1, 0.2, 600), Scenario(0.5, 500, 0.2, 1200)]

BY_CHANCE = (0.1, 0.2, 0.3)
BY_CHANCE_UNTIL = (60, 120, 240, 480)


def by_chance(share: float, seed: int) -> list[float]:
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


def name(scenario: Scenario) -> str:
    rates = "-".join(f"{rate:g}" for rate in (scenario.rate, *(rate for _, rate in scenario.changes)))
    limiter = f"burst {scenario.burst:g}" if scenario.limiter == "bucket" else scenario.limiter
    joining = ", joining" if len(set(scenario.starts)) > 1 else ""
    return f"{rates}/s, {limiter}, {scenario.latency:g} s, {scenario.seconds:g} s{joining}"


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


def print_sharing(seeds: Sequence[int]) -> None:
    """Print how tasks share, leave, join and come back from darkness."""
    makes = {"ours, seeing nobody": ours(), "ours, seeing": seeing(), "adaptive, 8": boto("adaptive", 8)}

    print("\nEqual work at once  (median / worst; to reach where they see each other: 1.08 / 1.15, 2 %, 0.85, 1.15)")
    print(f"  {'':34}{'time ÷ ideal':>16}{'throttled':>15}{'least share':>16}{'largest':>14}{'lost':>10}")
    for scenario in EQUAL:
        for label, make in makes.items():
            outcomes = [scenario.run(make, seed) for seed in seeds]
            number, rows = len(scenario.starts), scenario.rows
            ideal = (number * rows - scenario.burst) / scenario.rate
            least, largest = [], []
            for outcome in outcomes:
                got = outcome.get(20, max(21.0, min(client.times[-1] for client in outcome.clients)))
                least.append(number * min(got) / max(1, sum(got)))
                largest.append(number * max(got) / max(1, sum(got)))
            print(
                f"  {f'{number} at {scenario.rate:g}/s, {label}':34}"
                f"{seen([outcome.end / ideal for outcome in outcomes], max, '.2f'):>16}"
                f"{seen([100 * outcome.throttled_share for outcome in outcomes], max, '.1f'):>13} %"
                f"{seen(least, min, '.2f'):>16}{seen(largest, max, '.2f'):>14}"
                f"{seen([outcome.lost for outcome in outcomes], max, '.0f'):>10}",
                flush=True,
            )

    print("\nAll but one leave: seconds to 0.9 of the quota  (to reach: 12 at 50/s, 30 at 2/s)")
    for scenario in LEAVING:
        for label, make in makes.items():
            seconds = [scenario.run(make, seed).until(0.9, scenario.stops[1]) for seed in seeds]
            print(f"  {f'{len(scenario.starts)} at {scenario.rate:g}/s, {label}':34}{seen(seconds, max, '.1f'):>16}")

    print("\nOne joins every 20 s at 50/s: share of an equal one, 10 to 20 s later  (to reach: 0.85)")
    for label, make in makes.items():
        outcomes = [JOINING.run(make, seed) for seed in seeds]
        least = [
            min(outcome.get(start + 10, start + 20)[n] * (n + 1) / 500 for n, start in enumerate(JOINING.starts) if n)
            for outcome in outcomes
        ]
        throttled = seen([100 * outcome.throttled_share for outcome in outcomes], max, ".1f")
        print(f"  {label:34}{seen(least, min, '.2f'):>16}{throttled:>13} % throttled", flush=True)

    print("\nDarkness: seconds to 0.9 of the quota after it, and how much of it is used in two minutes")
    for scenario in DARK:
        since, over = (time for time, _ in scenario.changes)
        for label, make in makes.items():
            if label == "ours, seeing" and len(scenario.starts) == 1:
                continue
            outcomes = [scenario.run(make, seed) for seed in seeds]
            used = [sum(outcome.get(over, over + 120)) / (120 * scenario.rate) for outcome in outcomes]
            calls = [sum(client.throttled_between(since, over) for client in outcome.clients) for outcome in outcomes]
            name = f"{over - since:g} s, {len(scenario.starts)} at {scenario.rate:g}/s, {label}"
            print(
                f"  {name:42}{seen([outcome.until(0.9, over) for outcome in outcomes], max, '.1f'):>14}"
                f"{seen(used, min, '.2f'):>14}{seen(calls, max, '.0f'):>12} calls in it"
                f"{seen([outcome.lost for outcome in outcomes], max, '.0f'):>10} lost",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="more seeds, and boto3 in the long runs too")
    parser.add_argument("--seeds", type=int, help="runs of each (default: 5, full: 10)")
    options = parser.parse_args()
    seeds = range(FIRST_SEED, FIRST_SEED + (options.seeds or (10 if options.full else 5)))

    def runs(scenario: Scenario, make: Any = None) -> list[Outcome]:
        return [scenario.run(make or ours(), seed) for seed in seeds]

    head("From the first call on, against boto3")
    for scenario, goal in STARTS:
        print(f" {name(scenario)}")
        first = runs(scenario)
        row("ours", first, goal=f"to reach: {goal}, {scenario.may_throttle():.0f} throttled, 0 lost")
        if scenario.seconds <= 60 or options.full:
            for mode, threads in MODES:
                row(f"{mode}, {threads}", runs(scenario, boto(mode, threads)), first)

    head("The quota halves, then doubles, against boto3 adaptive")
    for scenario in CHANGES:
        print(f" {name(scenario)}")
        first = runs(scenario)
        row("ours", first, goal="to reach: 0.96, 2 %")
        if scenario.rate <= 20 or options.full:
            for threads in (8, 32):
                row(f"adaptive, {threads}", runs(scenario, boto("adaptive", threads)), first)

    print("\nSecond half of the run  (median / worst; to reach: 0.995, 1.2 %)")
    for scenario in LONG:
        outcomes = runs(scenario)
        print(
            f"  {name(scenario):36}{seen([o.late_goodput for o in outcomes], min, '.3f'):>16}"
            f"{seen([100 * o.late_throttled_share for o in outcomes], max, '.1f'):>15} %",
            flush=True,
        )

    head("Four tasks on one quota, no hint, against four times boto3 adaptive")
    for scenario in FOUR:
        print(f" {name(scenario)}")
        tries: list[tuple[str, Any]] = [("ours", ours()), ("ours, seeing", seeing())]
        if scenario.rate <= 20 or options.full:
            tries.append(("adaptive, 8", boto("adaptive", 8)))
        first = []
        for label, make in tries:
            outcomes = runs(scenario, make)
            smallest = seen([min(o.shares) for o in outcomes], min, ".2f")
            largest = seen([max(o.shares) for o in outcomes], max, ".2f")
            goal = "to reach: 0.97, 3 %, 0.50" if label == "ours" else ""
            row(label, outcomes, first or None, f"smallest share {smallest}, largest {largest}  {goal}")
            first = first or outcomes

    print_sharing(seeds)

    head("Limiters that are no ideal token bucket, against the constant pace that somebody would have to know")
    for scenario in NOT_IDEAL:
        print(f" {name(scenario)}")
        first = runs(scenario)
        row("ours", first, goal="to reach: 0.90")
        if scenario.limiter == "shards":
            for times in CONSTANT:
                row(f"{times:g} x quota", runs(scenario, constant(times * scenario.rate)), first)

    head("Hard ones: a bucket of one or two tokens, and one far larger than its rate")
    for scenario in SMALL:
        print(f" {name(scenario)}")
        row("ours", runs(scenario))

    print("\nNo quota, but calls throttled by chance, 50 ms: let through a second until then  (median / worst)")
    print(f"  {'':14}" + "".join(f"{f'{until} s':>16}" for until in BY_CHANCE_UNTIL))
    for share in BY_CHANCE:
        rates = [by_chance(share, seed) for seed in seeds]
        print(f"  {share:14.0%}" + "".join(f"{seen(column, min, '.1f'):>16}" for column in zip(*rates, strict=True)))


if __name__ == "__main__":
    main()
