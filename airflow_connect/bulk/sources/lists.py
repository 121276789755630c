"""Rows that are there already: a list, or what tasks returned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from airflow_connect.bulk.sources.base import InvalidRow, Values, type_name
from airflow_connect.bulk.sources.json_lines import json_line

__all__ = ["ListRows"]

#: Items of a mapped task's output that are fetched at a time: each may be a list of rows.
_XCOM_BATCH: Final = 50


@dataclass(repr=False)
class ListRows:
    """
    Rows that are there: a list of dicts.

    The output of a mapped task is fetched in parts. An item that is a list itself gives its items, since each
    instance of a mapped task may return several rows.

    :param rows: a sequence or an iterator of dicts, or of lists of dicts
    """

    rows: Sequence[Any] | Iterator[Any]

    def __repr__(self) -> str:
        return f"ListRows(<{self}>)"

    def __str__(self) -> str:
        if isinstance(self.rows, list | tuple):
            return "a list of 1 row" if len(self.rows) == 1 else f"a list of {len(self.rows):,} rows"
        return "rows of a mapped task" if isinstance(self.rows, Sequence) else "an iterator of rows"

    def describe(self) -> str:
        """Return what Airflow's UI shows."""
        return str(self)

    @property
    def can_be_read_twice(self) -> bool:
        """
        Whether the rows are still there after they were read.

        What Airflow fetches is read once, and in the thread of the task: Airflow 2 fetches it through a session of that
        thread.
        """
        return isinstance(self.rows, list | tuple)

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """Return the rows one by one, with their numbers from 1."""
        number = 0
        for item in self._items():
            for row in item if isinstance(item, list | tuple) else (item,):
                number += 1
                yield number, _from_mapping(row)

    def _items(self) -> Iterable[Any]:
        if isinstance(self.rows, list | tuple | Iterator):
            return self.rows
        # Item by item, a mapped task's output costs a request each.
        starts = range(0, len(self.rows), _XCOM_BATCH)
        return chain.from_iterable(self.rows[start : start + _XCOM_BATCH] for start in starts)


def _from_mapping(row: Any) -> Values | InvalidRow:
    if not isinstance(row, Mapping):
        return InvalidRow(f"is {type_name(row)}; a row is a dict of values by column", text=_in_words(row))
    values = row if type(row) is dict else dict(row)
    for name in values:
        if not isinstance(name, str):
            rule = f"has a column whose name is {type_name(name)}; names are text"
            return InvalidRow(rule, text=_in_words(values))
    return values


def _in_words(row: Any) -> str | None:
    try:
        return row if isinstance(row, str) else json_line(row).decode().rstrip()
    except Exception:  # noqa: BLE001  # a value of any type may raise anything
        return None
