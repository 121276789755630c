"""JSON Lines: a JSON object on each line, read and written."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from airflow_connect.api.fields import is_absent, text_of
from airflow_connect.bulk.sources.base import InvalidRow, LocatedRow, Origin, Values, type_name

__all__ = ["json_line", "rows_of_json_lines"]


def json_line(values: Any) -> bytes:
    """
    Return a row as a line that :class:`FileRows` reads back as a row that makes the same contact.

    :param values: the row, a dict: times and other values that JSON does not have are written as they would be sent
    """
    return f"{json.dumps(_jsonable(values))}\n".encode()


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if is_absent(value):
        return None
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return text_of(value) or str(value)


class _RefusedError(ValueError):
    """What Python's JSON reads, and JSON does not have, or leaves open."""


def _refuse_constant(constant: str) -> Any:
    raise _RefusedError(f"has {constant}, which JSON does not know")


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _RefusedError("has a name twice in an object")
    return values


_JSON: Final = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=_refuse_constant)


def rows_of_json_lines(text: Iterable[str], name: str) -> Iterator[Values | InvalidRow]:
    """
    Yield the rows of one file.

    :param text: its lines
    :param name: what faults call it
    """
    decode = _JSON.decode
    for line, content in enumerate(text, 1):
        content = content.rstrip()  # noqa: PLW2901  # a line end would be told as a part of an unfinished text
        try:
            values = decode(content)
        except (ValueError, RecursionError) as error:
            if content:  # a blank line is no row
                yield InvalidRow(_json_rule(error), Origin(name, line), content)
            continue
        if type(values) is dict:
            yield LocatedRow.at(values, name, line)
        else:
            yield InvalidRow(f"is {type_name(values)}, and no JSON object", Origin(name, line), content)


def _json_rule(error: ValueError | RecursionError) -> str:
    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"is no JSON: {error.msg} (column {error.colno})"
    return "is nested too deep" if isinstance(error, RecursionError) else "has a number of too many digits"
