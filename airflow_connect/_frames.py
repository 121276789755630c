"""
What an exception carries when it leaves: not the variables of the functions that it came through.

They hold rows and requests, and these hold a customer's data. A reporter of errors, such as Sentry, sends the variables
along with the exception; some of Airflow's formatters print them.
"""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import TYPE_CHECKING

from airflow_connect.api.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["forget_variables"]


def forget_variables(error: BaseException) -> None:
    """
    Take from an exception, and from those that it came of, the variables of the functions that they came through.

    A :class:`~airflow_connect.api.errors.ConnectError` says all that helps: it leaves without a traceback and without
    what it came of, which may quote a request. What is not an ``Exception``, such as a time-out, comes in the middle of
    something else, and leaves without that. Others keep the lines of their tracebacks, and what they came of, unless
    that is hidden (``raise … from None``).

    :param error: an exception that has left the functions that it came through
    """
    seen: list[BaseException] = []
    left = [error]
    while left:
        one = left.pop()
        if any(one is other for other in seen):
            continue
        seen.append(one)
        one.__traceback__ = None if isinstance(one, ConnectError) else _lines_alone(one.__traceback__)
        if isinstance(one, ConnectError) or not isinstance(one, Exception):
            one.__cause__ = one.__context__ = None
        elif one.__suppress_context__:
            one.__context__ = None
        before = (one.__cause__, one.__context__, *getattr(one, "exceptions", ()))
        left += [other for other in before if other is not None]


def _lines_alone(of: TracebackType | None) -> TracebackType | None:
    """Return a traceback without variables; a function that has not ended keeps them, and so is left out."""
    traceback.clear_frames(of)
    lines = [one for one in _entries(of) if not one.tb_frame.f_locals]
    made: TracebackType | None = None
    for line in reversed(lines):
        made = TracebackType(made, line.tb_frame, line.tb_lasti, line.tb_lineno)
    return made


def _entries(of: TracebackType | None) -> Iterator[TracebackType]:
    while of is not None:
        yield of
        of = of.tb_next
