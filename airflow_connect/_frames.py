"""
Exceptions leave this package without the variables of the functions that they came through.

These variables hold rows and requests, which hold a customer's data. A reporter of errors, such as Sentry, sends them
with the exception, and some of Airflow's formatters print them.
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
    Remove from an exception, and from its causes, the variables of the functions that they came through.

    A :class:`~airflow_connect.api.errors.ConnectError` says all that helps: it loses its traceback and its causes,
    which may quote a request. What is not an ``Exception``, such as a time-out, interrupts something else, and loses
    that context. Others keep the lines of their tracebacks, and their causes unless these are hidden
    (``raise … from None``).

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
    result: TracebackType | None = None
    for line in reversed(lines):
        result = TracebackType(result, line.tb_frame, line.tb_lasti, line.tb_lineno)
    return result


def _entries(of: TracebackType | None) -> Iterator[TracebackType]:
    while of is not None:
        yield of
        of = of.tb_next
