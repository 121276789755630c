"""
Draw the pictures of ``docs/pace.md``: simulated runs, as clients and quota went through them.

    python -m tools.draw_pace
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from tools.simulation import Scenario, darkness, ours, seeing  # noqa: E402  # the checkout is on the path now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.simulation import Outcome

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 44, 24, 34, 40
BLUE, RED = "#0b6bcb", "#c62828"
COLOURS = (BLUE, "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#ad1457")
#: What each colour becomes in a dark theme.
DARK = {
    "#fff": "#151b23",
    "#e3e3e3": "#30363d",
    "#555": "#c9d1d9",
    "#777": "#c9d1d9",
    "#999": "#8b949e",
    BLUE: "#6cb0f5",
    RED: "#ff8a80",
    "#2e7d32": "#7ee787",
    "#6a1b9a": "#d2a8ff",
    "#00838f": "#56d4dd",
    "#ad1457": "#ff9bce",
}
STYLE = "".join(f'[fill="{light}"]{{fill:{dark}}}[stroke="{light}"]{{stroke:{dark}}}' for light, dark in DARK.items())


@dataclass(frozen=True)
class Picture:
    """
    What a picture shows of a run.

    :param seconds: how long the run is
    :param step: seconds of which a point of a line is the mean
    :param most: calls a second at the top
    :param grid: calls a second that have a line
    """

    seconds: int
    step: int
    most: float
    grid: Sequence[int]

    def x(self, seconds: float) -> float:
        return LEFT + seconds / self.seconds * (WIDTH - LEFT - RIGHT)

    def y(self, rate: float) -> float:
        return HEIGHT - BOTTOM - min(rate, self.most) / self.most * (HEIGHT - TOP - BOTTOM)

    def line(self, times: Sequence[float]) -> str:
        """Return the points of what was let through, from the first call to the last."""
        counts = [0] * (self.seconds // self.step)
        for time in times:
            counts[min(int(time / self.step), len(counts) - 1)] += 1
        first, last = (min(int(times[end] / self.step), len(counts) - 1) for end in (0, -1))
        return " ".join(
            f"{self.x((i + 0.5) * self.step):.1f},{self.y(counts[i] / self.step):.1f}" for i in range(first, last + 1)
        )

    def draw(self, outcome: Outcome, title: str, what: str, words: str) -> str:
        """Return the drawing of when the calls of each client were let through, and when calls were throttled."""
        changes = [(0.0, outcome.scenario.rate), *outcome.scenario.changes]
        ends = [*(start for start, _ in changes[1:]), self.seconds]
        quota = " ".join(
            f"{self.x(start):.1f},{self.y(rate):.1f} {self.x(end):.1f},{self.y(rate):.1f}"
            for (start, rate), end in zip(changes, ends, strict=True)
        )
        refused = "".join(
            f"M{self.x(time):.1f} {self.y(0):.1f}v-9" for client in outcome.clients for time in client.throttled_at
        )
        opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        parts = [
            opening + 'font-size="12" role="img">',
            f"<title>{title}: {words}</title>",
            f"<style>@media (prefers-color-scheme:dark){{{STYLE}}}</style>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        ]
        for rate in self.grid:
            parts += [
                f'<path d="M{LEFT} {self.y(rate):.1f}H{WIDTH - RIGHT}" stroke="#e3e3e3"/>',
                f'<text x="{LEFT - 8}" y="{self.y(rate) + 4:.1f}" text-anchor="end" fill="#555">{rate}</text>',
            ]
        for minute in range(self.seconds // 60 + 1):
            at = f'x="{self.x(minute * 60):.1f}" y="{HEIGHT - BOTTOM + 18}"'
            parts += [f'<text {at} text-anchor="middle" fill="#555">{minute} min</text>']
        parts += [f'<polyline points="{quota}" fill="none" stroke="#999" stroke-width="2" stroke-dasharray="5 4"/>']
        for client, colour in zip(outcome.clients, cycle(COLOURS), strict=False):
            points = self.line(client.times)
            parts += [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>']
        parts += [
            f'<path d="{refused}" stroke="{RED}" stroke-width="1.2"/>',
            f'<text x="{LEFT}" y="18" fill="{BLUE}">{what}</text>',
            f'<text x="{LEFT + 230}" y="18" fill="#777">quota (unknown to the tasks)</text>',
            f'<text x="{LEFT + 430}" y="18" fill="{RED}">throttled calls</text>',
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end" fill="#555">{words}</text>',
            "</svg>\n",
        ]
        return "\n".join(parts)


def main() -> None:
    """Run the simulations and write the pictures."""
    images = CHECKOUT / "docs" / "images"
    images.mkdir(exist_ok=True)

    alone = Scenario(20, 50, 0.2, 360, changes=((120, 10.0), (240, 20.0))).run(ours(), seed=1)
    words = (
        f"20, 10, 20 calls/s, burst 50, latency 0.2 s: {alone.goodput:.1%} of the quota used, "
        f"{alone.throttled_share:.1%} of the calls throttled"
    )
    picture = Picture(360, 3, 32.0, (0, 10, 20, 30)).draw(
        alone, "Calls a second that the quota lets through", "contacts a second", words
    )
    (images / "pace.svg").write_text(picture, encoding="utf-8")

    starts, stops = (0.0, 0.0, 60.0, 120.0), (300.0, 180.0, 240.0, 300.0)
    shared = Scenario(50, 50, 0.1, 300, starts=starts, stops=stops).run(seeing(), seed=1)
    words = (
        f"50 calls/s; two tasks start, two join after 1 and 2 minutes, two leave after 3 and 4: "
        f"{shared.goodput:.1%} used, {shared.throttled_share:.1%} throttled"
    )
    picture = Picture(300, 3, 64.0, (0, 10, 20, 30, 40, 50)).draw(
        shared, "Calls a second of each of four tasks that see each other", "contacts a second of each task", words
    )
    (images / "pace-shared.svg").write_text(picture, encoding="utf-8")

    dark = darkness(50, 50, 0.1, 1, 60).run(ours(), seed=1)
    words = (
        f"50 calls/s; everything is throttled for the second minute: "
        f"{dark.clients[0].throttled_between(60, 120)} calls meanwhile, 0.9 of it {dark.until(0.9, 120):.0f} s later"
    )
    picture = Picture(240, 2, 64.0, (0, 10, 20, 30, 40, 50)).draw(
        dark, "Calls a second of a task while everything is throttled", "contacts a second", words
    )
    (images / "pace-dark.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
