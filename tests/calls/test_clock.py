"""Time is read, and waited for, in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import airflow_connect

ROOT = Path(airflow_connect.__file__).parent
MODULES = [
    path
    for room in ("calls", "record", "bulk", "waiting")
    for path in sorted((ROOT / room).rglob("*.py"))
    if path != ROOT / "calls" / "clock.py"
]
#: What reads the time or waits, by the names under which it is reached.
FORBIDDEN_MODULES = {"time", "sched", "tenacity"}
FORBIDDEN_CALLS = {"asyncio.sleep", "asyncio.timeout", "asyncio.wait_for", "datetime.now", "datetime.utcnow"}


def uses(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [f"import {one.name}" for one in names if one.name.split(".")[0] in FORBIDDEN_MODULES]
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in FORBIDDEN_MODULES:
                found.append(f"from {module} import …")
            case ast.Call(func=ast.Attribute() as func, args=args, keywords=keywords):
                name = ast.unparse(func)
                timed = any(keyword.arg == "timeout" for keyword in keywords)
                if ".".join(name.split(".")[-2:]) in FORBIDDEN_CALLS or timed:
                    found.append(f"{name}(…)")
                if func.attr == "wait" and args and not name.endswith("_clock.wait") and name != "asyncio.wait":
                    found.append(f"{name}(…)")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_clock_is_the_only_way_to_time(path: Path) -> None:
    """Nothing else in these folders reads a clock, sleeps, or waits with a time-out: a test could not replace it."""
    assert uses(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from time import monotonic",
        "datetime.now(UTC)",
        "datetime.datetime.now()",
        "asyncio.sleep(1)",
        "asyncio.wait(tasks, timeout=1)",
        "self._news.wait(0.1)",
        "queue.get(timeout=1)",
    ],
)
def test_rule_sees_each_way(line: str) -> None:
    """The rule knows what it forbids."""
    assert uses(ast.parse(line))
