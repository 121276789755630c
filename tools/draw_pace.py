"""
Draw ``images/pace.svg``: a simulated run whose quota halves and doubles again, as ``docs/bulk.md`` shows it.

    python -m tools.draw_pace
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))

from tools.simulation import PacedClient, Scenario  # noqa: E402  # the checkout is on the path now

if TYPE_CHECKING:
    from collections.abc import Iterable

SECONDS, STEP = 360, 3
QUOTA = ((0, 20.0), (120, 10.0), (240, 20.0))
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 300, 44, 24, 34, 40
MOST = 32.0


class _Recorded(PacedClient):
    """A client that remembers when each of its calls arrived, and whether it was let through."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.arrived: list[tuple[float, bool]] = []

    def log(self, now: float, passed: bool) -> None:
        super().log(now, passed)
        self.arrived.append((now, passed))


def main() -> None:
    """Run the simulation and write the picture."""
    clients: list[_Recorded] = []

    def make(simulation: Any, half: float, start: float, chance: Any) -> _Recorded:
        clients.append(_Recorded(simulation, half, start, chance=chance))
        return clients[-1]

    scenario = Scenario(QUOTA[0][1], 50, 0.2, SECONDS, changes=QUOTA[1:])
    outcome = scenario.run(make, seed=1)
    passed, refused = ([time for time, through in clients[0].arrived if through is kind] for kind in (True, False))
    words = (
        f"20, 10, 20 calls/s, burst 50, latency 0.2 s: {outcome.goodput:.1%} of the quota used, "
        f"{outcome.throttled_share:.1%} of the calls throttled"
    )
    path = CHECKOUT / "docs" / "images" / "pace.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(picture(passed, refused, words), encoding="utf-8")


def picture(passed: Iterable[float], refused: Iterable[float], words: str) -> str:
    """Return the drawing of when calls were let through and refused."""

    def x(seconds: float) -> float:
        return LEFT + seconds / SECONDS * (WIDTH - LEFT - RIGHT)

    def y(rate: float) -> float:
        return HEIGHT - BOTTOM - min(rate, MOST) / MOST * (HEIGHT - TOP - BOTTOM)

    counts = [0] * (SECONDS // STEP)
    for time in passed:
        counts[min(int(time / STEP), len(counts) - 1)] += 1
    line = " ".join(f"{x((i + 0.5) * STEP):.1f},{y(count / STEP):.1f}" for i, count in enumerate(counts))
    ends = [*(start for start, _ in QUOTA[1:]), SECONDS]
    quota = " ".join(
        f"{x(start):.1f},{y(rate):.1f} {x(end):.1f},{y(rate):.1f}"
        for (start, rate), end in zip(QUOTA, ends, strict=True)
    )
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
    parts = [
        opening + 'font-size="12" role="img">',
        f"<title>Calls a second that the quota lets through: {words}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for rate in (0, 10, 20, 30):
        parts += [
            f'<path d="M{LEFT} {y(rate):.1f}H{WIDTH - RIGHT}" stroke="#e3e3e3"/>',
            f'<text x="{LEFT - 8}" y="{y(rate) + 4:.1f}" text-anchor="end" fill="#555">{rate}</text>',
        ]
    for minute in range(SECONDS // 60 + 1):
        at = f'x="{x(minute * 60):.1f}" y="{HEIGHT - BOTTOM + 18}"'
        parts += [f'<text {at} text-anchor="middle" fill="#555">{minute} min</text>']
    ticks = "".join(f"M{x(time):.1f} {y(0):.1f}v-9" for time in refused)
    parts += [
        f'<polyline points="{quota}" fill="none" stroke="#999" stroke-width="2" stroke-dasharray="5 4"/>',
        f'<polyline points="{line}" fill="none" stroke="#0b6bcb" stroke-width="1.8"/>',
        f'<path d="{ticks}" stroke="#c62828" stroke-width="1.2"/>',
        f'<text x="{LEFT}" y="18" fill="#0b6bcb">contacts a second</text>',
        f'<text x="{LEFT + 130}" y="18" fill="#777">quota (unknown to the operator)</text>',
        f'<text x="{LEFT + 330}" y="18" fill="#c62828">throttled calls</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end" fill="#555">{words}</text>',
        "</svg>\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    main()
