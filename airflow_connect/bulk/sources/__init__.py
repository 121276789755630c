"""
Where rows come from: a list, files, a text, a database, or a source of the author's own; each as a dict, one at a time.

A source is an argument in a Dag file: it is cheap to create, opens nothing before :meth:`RowSource.read`, and its text
names no content. What is wrong with one row is an :class:`InvalidRow` in its place, so that a reader finds the faults
of all rows; what is wrong with the whole input raises :class:`~airflow_connect.api.errors.InputError`.

Whatever is read is streamed: memory does not grow with the number of rows. A source is known by what it can do
(:class:`RowSource`), never by its class.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_connect.api.errors import InputError
from airflow_connect.bulk.sources.base import (
    FailedColumn,
    InvalidRow,
    Origin,
    RowSource,
    Values,
    check_columns,
    origin_of,
    type_name,
    without_failed_columns,
)
from airflow_connect.bulk.sources.files import FileRows
from airflow_connect.bulk.sources.json_lines import json_line
from airflow_connect.bulk.sources.lists import ListRows
from airflow_connect.bulk.sources.sql import SqlRows
from airflow_connect.bulk.sources.texts import TextRows

__all__ = [
    "FailedColumn",
    "FileRows",
    "InvalidRow",
    "ListRows",
    "Origin",
    "RowSource",
    "SqlRows",
    "TextRows",
    "Values",
    "check_columns",
    "json_line",
    "origin_of",
    "source_of",
    "without_failed_columns",
]


def source_of(value: Any) -> RowSource:
    """
    Return the source of what an author gave as rows.

    :param value: a source; a list of dicts; a mapped task's output, each item a dict or a list of dicts; an iterator
    :raises InputError: if it is something else
    """
    if isinstance(value, RowSource):
        return value
    is_text = isinstance(value, str | bytes | bytearray)
    if not is_text and isinstance(value, Sequence | Iterator):
        # A sequence that cannot be cut, such as a deque, is read as an iterator is.
        return ListRows(iter(value) if isinstance(value, deque) else value)
    hint = ""
    if is_text:
        hint = " For a file, write FileRows(path); for a text of rows, TextRows(text)."
    elif hasattr(value, "to_dict"):
        hint = ' For a DataFrame, write frame.to_dict("records").'
    elif value is None:
        hint = " The task that it comes from returned nothing."
    elif isinstance(value, Mapping):
        hint = " For one row, write [row]."
    raise InputError(
        f"rows is {type_name(value)}. Give a list of dicts, the output of a task that returns one, FileRows,"
        f" SqlRows or TextRows.{hint}"
    )
