"""
Draw ``docs/images/*.svg`` from the descriptions in ``tools/drawings/*.txt``: who calls whom, in which order.

A description has one line for each step::

    title What the drawing shows, for those who do not see it
    A = Attempt 1                who takes part, from left to right
    A > C: CreateContact         a call or an answer
    C x A: contact c1            one that does not arrive
    A: killed                    something that happens to A; | begins a new line

GitHub and the site show SVG alike, in light and in dark, without a script.

    python -m tools.draw_sequences
"""

from __future__ import annotations

import itertools
import re
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

CHECKOUT: Final = Path(__file__).resolve().parents[1]
SOURCES: Final = CHECKOUT / "tools" / "drawings"
PICTURES: Final = CHECKOUT / "docs" / "images"

#: Pixels: the width of a letter, the height of a step, the space around the drawing.
LETTER, STEP, MARGIN = 6.6, 38, 16
HEAD: Final = 34
STYLE: Final = """
.card{fill:#fff;stroke:#d0d7de}.box{fill:#eef4fb;stroke:#5b87b8}.note{fill:#fff6dd;stroke:#d5b250}
.line{stroke:#8b949e}.call{stroke:#1f5f9e}.lost{stroke:#b3352c}text{fill:#1f2328;font:12px sans-serif}
@media (prefers-color-scheme:dark){.card{fill:#151b23;stroke:#3d444d}.box{fill:#1d2f45;stroke:#5b87b8}
.note{fill:#3a3216;stroke:#9c8339}.line{stroke:#6e7681}.call{stroke:#6cb0f5}.lost{stroke:#ff8a80}text{fill:#e6edf3}}
""".replace("\n", "")


class _Step(NamedTuple):
    kind: str  # ">", "x" or "note"
    start: str
    end: str
    text: str


def drawing(description: str) -> str:
    """Return the SVG of a description."""
    title, names, steps = _read(description)
    at = _places(names, steps)
    width = max(at.values()) + _half(list(names.values())[-1]) + MARGIN
    for step in steps:
        if step.kind == "note":
            width = max(width, at[step.start] + _half(step.text) + MARGIN)
    body: list[str] = []
    y = MARGIN + HEAD + STEP
    for step in steps:
        if step.kind == "note":
            body.append(_note(at[step.start], y - 8, step.text))
            y += STEP + 15 * step.text.count("|")
            continue
        body.append(_arrow(at[step.start], at[step.end], y, step.text, lost=step.kind == "x"))
        y += STEP
    height = y - STEP + MARGIN + 14
    heads = [_head(at[name], words) for name, words in names.items()]
    lines = [
        f'<path class="line" stroke-dasharray="3 4" d="M{x:g} {MARGIN + HEAD}V{height - MARGIN:g}"/>'
        for x in at.values()
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            f'<rect class="card" x=".5" y=".5" width="{width - 1:g}" height="{height - 1:g}" rx="8"/>',
            *lines,
            *heads,
            *body,
            "</svg>\n",
        ]
    )


def _read(description: str) -> tuple[str, dict[str, str], list[_Step]]:
    title, names, steps = "", {}, []
    for line in description.strip().splitlines():
        if line.startswith("title "):
            title = line.removeprefix("title ")
        elif found := re.fullmatch(r"(\w+) = (.+)", line):
            names[found[1]] = found[2]
        elif found := re.fullmatch(r"(\w+) ([>x]) (\w+): (.+)", line):
            kind = "note" if found[1] == found[3] else found[2]
            steps.append(_Step(kind, found[1], found[3], found[4]))
        elif found := re.fullmatch(r"(\w+): (.+)", line):
            steps.append(_Step("note", found[1], found[1], found[2]))
        else:
            raise ValueError(f"cannot be drawn: {line}")
    return title, names, steps


def _half(text: str) -> float:
    return max(len(line) for line in text.split("|")) * LETTER / 2 + 10


def _places(names: dict[str, str], steps: list[_Step]) -> dict[str, float]:
    """Return where each name stands: as near to the one before it as texts between them allow."""
    order = list(names)
    around = {name: _half(words) for name, words in names.items()}
    for step in steps:
        if step.kind == "note":
            around[step.start] = max(around[step.start], _half(step.text))
    at = {order[0]: MARGIN + around[order[0]]}
    for before, name in itertools.pairwise(order):
        needed = [at[before] + max(around[before], _half(names[before])) + _half(names[name]) + 12]
        needed.append(at[before] + around[name] + 12)
        for step in steps:
            ends = sorted({step.start, step.end}, key=order.index)
            if len(ends) == 2 and ends[1] == name:
                needed.append(at[ends[0]] + 2 * _half(step.text) + 14)
        at[name] = max(needed)
    return at


def _head(x: float, words: str) -> str:
    half = _half(words)
    box = f'<rect class="box" x="{x - half:g}" y="{MARGIN}" width="{2 * half:g}" height="{HEAD - 6}" rx="5"/>'
    return f'{box}<text x="{x:g}" y="{MARGIN + 19}" text-anchor="middle">{escape(words)}</text>'


def _note(x: float, y: float, words: str) -> str:
    lines, half = words.split("|"), _half(words)
    size = f'width="{2 * half:g}" height="{15 * len(lines) + 9}"'
    parts = [f'<rect class="note" x="{x - half:g}" y="{y - 12:g}" {size} rx="3"/>']
    parts += [
        f'<text x="{x:g}" y="{y + 4 + 15 * number:g}" text-anchor="middle">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return "".join(parts)


def _arrow(start: float, end: float, y: float, words: str, *, lost: bool) -> str:
    way = 1 if end > start else -1
    kind, dashes = ("lost", ' stroke-dasharray="6 4"') if lost else ("call", "")
    tip = end - way * (14 if lost else 2)
    mark = (
        f"M{tip - 5:g} {y - 5:g}l10 10m0 -10l-10 10"
        if lost
        else f"M{tip - way * 7:g} {y - 4:g}L{tip:g} {y:g}l{-way * 7:g} 4"
    )
    return (
        f'<path class="{kind}" fill="none" stroke-width="1.6"{dashes} d="M{start:g} {y:g}H{tip:g}"/>'
        f'<path class="{kind}" fill="none" stroke-width="1.6" d="{mark}"/>'
        f'<text x="{(start + end) / 2:g}" y="{y - 6:g}" text-anchor="middle">{escape(words)}</text>'
    )


def main() -> None:
    """Draw all descriptions."""
    for source in sorted(SOURCES.glob("*.txt")):
        (PICTURES / f"{source.stem}.svg").write_text(drawing(source.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
