"""JSON Lines: a JSON object on each line, read and written."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from numbers import Number
from typing import TYPE_CHECKING, Any, Final

from airflow_connect.api.fields import Written, is_absent, json_of, text_of
from airflow_connect.bulk.sources.base import InvalidRow, LocatedRow, Origin, Values, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["json_line", "rows_of_json_lines"]


def json_line(values: Any) -> bytes:
    """
    Return a row as a line that :class:`FileRows` reads back as a row that creates the same contact.

    :param values: the row, a dict: times and other values that JSON does not have are written as they would be sent
    """
    return f"{json_of(values, _scalar)}\n".encode()


def _scalar(value: Any) -> str:
    """Return a value as JSON: a number keeps its digits, and what cannot be written as text is described."""
    if is_absent(value):
        return "null"
    text = text_of(value)
    if text is None:
        return json.dumps({type(value).__name__: str(value)})
    if isinstance(value, Decimal):
        # With an exponent, one zero behind the point is read as a digit; without one, as what every float has there.
        return f"{text}e0" if _OF_A_FLOAT.search(text) else text
    if isinstance(value, Number):
        return text
    return json.dumps(text)


class _RefusedError(ValueError):
    """What Python's JSON reads, and JSON does not have, or leaves open."""


def _refuse_constant(constant: str) -> Any:
    raise _RefusedError(f"has {constant}, which JSON does not know")


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _RefusedError("has a name twice in an object")
    return values


#: The fraction that is written of a whole number by all that have it as a ``float``.
_OF_A_FLOAT: Final = re.compile(r"[0-9]\.0$")
#: Characters up to which a ``float`` is written as it was read, without a zero at the end and without an exponent, with
#: which a number may be too large or too small for it.
_SURE_DIGITS: Final = 15


def _number(digits: str) -> float:
    """Return a number that is not a whole one, with its digits where ``float`` would not keep them."""
    if len(digits) > _SURE_DIGITS or "e" in digits or "E" in digits:
        return Written(digits)
    return Written(digits) if digits[-1] == "0" and digits[-2] != "." else float(digits)


_JSON: Final = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=_refuse_constant, parse_float=_number)


def rows_of_json_lines(text: Iterable[str], name: str) -> Iterator[Values | InvalidRow]:
    """
    Yield the rows of one file.

    :param text: its lines
    :param name: what faults call it
    """
    decode = _JSON.decode
    for line, content in enumerate(text, 1):
        content = content.rstrip()  # noqa: PLW2901  # json would take a line end for a part of an unfinished text
        try:
            values = decode(content)
        except (ValueError, RecursionError) as error:
            if content:  # a blank line is not a row
                yield InvalidRow(_json_rule(error), Origin(name, line), content)
            continue
        if type(values) is dict:
            located = LocatedRow(values)
            located.origin = name, line, None
            yield located
        else:
            yield InvalidRow(f"is {type_name(values)}, and not a JSON object", Origin(name, line), content)


def _json_rule(error: ValueError | RecursionError) -> str:
    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {error.msg} (column {error.colno})"
    return "is nested too deep" if isinstance(error, RecursionError) else "has a number of too many digits"
