"""How a test waits for what another thread or process does: it looks until it is so, and fails if it never is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def until(condition: Callable[[], T], *, timeout: float = 60, pause: float = 0.02) -> T:
    """
    Wait until a condition holds, and return what it returned.

    :param timeout: seconds after which the test fails
    :param pause: seconds between two looks
    """
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not so after {timeout:g} seconds, but {found!r}"
        time.sleep(pause)
    return found
