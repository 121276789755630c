"""Rows that need not be read from elsewhere: a list, or what tasks returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from airflow_connect.api.errors import InputError
from airflow_connect.bulk.sources.base import InvalidRow, Values, type_name
from airflow_connect.bulk.sources.json_lines import json_line

__all__ = ["ListRows"]

#: Items of a mapped task's output that are fetched at a time: each may be a list of rows.
_XCOM_BATCH: Final = 50


@dataclass(repr=False)
class ListRows:
    """
    Rows in a list of dicts, or in what tasks returned.

    The output of a mapped task is fetched in parts. An item that is a list itself gives its items, since each
    instance of a mapped task may return several rows, and a list may hold the outputs of several tasks. Functions that
    an author gave to ``map()`` of an output are called for each item; what one of them raises is that row's fault.
    Rows of a database that know the names of their columns (``sqlite3.Row``, SQLAlchemy's, named tuples) are rows.

    :param rows: a sequence or an iterator of dicts, or of sequences of dicts
    """

    rows: Sequence[Any] | Iterator[Any]

    def __repr__(self) -> str:
        return f"ListRows(<{self}>)"

    def __str__(self) -> str:
        if isinstance(self.rows, list | tuple):
            return "a list of 1 row" if len(self.rows) == 1 else f"a list of {len(self.rows):,} rows"
        return "rows that tasks returned" if isinstance(self.rows, Sequence) else "an iterator of rows"

    def describe(self) -> str:
        """Return what Airflow's UI shows."""
        return str(self)

    @property
    def can_be_read_twice(self) -> bool:
        """
        Whether the rows can be read again.

        What Airflow fetches is read once, and in the thread of the task: Airflow 2 fetches it through a session of that
        thread.
        """
        return _is_here(self.rows)

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """Return the rows one by one, with their numbers from 1."""
        for number, row in enumerate(_rows_in(self.rows), 1):
            yield number, _from_mapping(row)


class _Raised:
    """
    An item for which a function raised.

    :param item: the item
    :param error: what was raised, in words without values
    """

    __slots__ = ("error", "item")

    def __init__(self, item: Any, error: str) -> None:
        self.item = item
        self.error = error


def _is_here(items: Any) -> bool:
    """Return whether all items are in memory: a list may hold what is fetched when it is read."""
    if not isinstance(items, list | tuple):
        return False
    return all(type(item) is dict or not _is_sequence(item) or _is_here(item) for item in items)


def _is_sequence(item: Any) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, str | bytes | bytearray) and _named(item) is None


def _named(item: Any) -> Values | None:
    """Return a database's row that has the names of its columns as a dict, ``None`` for anything else."""
    if isinstance(item, list | dict):
        return None
    if isinstance(mapping := getattr(item, "_mapping", None), Mapping):  # SQLAlchemy
        return dict(mapping)
    if isinstance(item, tuple) and hasattr(item, "_asdict"):
        return dict(item._asdict())
    names = getattr(item, "keys", None)
    return dict(zip(names(), item, strict=True)) if callable(names) and isinstance(item, Sequence) else None  # sqlite3


def _rows_in(items: Sequence[Any] | Iterator[Any]) -> Iterator[Any]:
    """Yield items, and those of the sequences among them."""
    for item in _items_of(items):
        if _is_sequence(item):
            if isinstance(item, list | tuple) and _are_values(item):
                raise InputError(
                    f"rows holds values without names: a {type(item).__name__} of {len(item):,} values is not a row."
                    " A row is a dict of values by column. For a query's result write SqlRows(conn_id, sql), which"
                    " takes the names of its columns, or let the task return dicts."
                )
            yield from _rows_in(item)
        else:
            yield item


def _are_values(items: Sequence[Any]) -> bool:
    """Return whether these are the values of one row, as a database's cursor gives it, and not rows."""
    if any(isinstance(item, Mapping | _Raised) or _is_sequence(item) or _named(item) is not None for item in items):
        return False
    return any(item is not None for item in items)


def _items_of(items: Sequence[Any] | Iterator[Any]) -> Iterator[Any]:
    if isinstance(items, list | tuple | Iterator):
        return iter(items)
    from airflow_connect._compat import map_of_output

    output, functions = map_of_output(items)
    return _mapped(output, functions) if functions else _in_parts(output)


def _in_parts(items: Sequence[Any]) -> Iterator[Any]:
    # Item by item, a mapped task's output costs a request each.
    for start in range(0, len(items), _XCOM_BATCH):
        try:
            part = items[start : start + _XCOM_BATCH]
        except TypeError:  # what zip() and concat() of Airflow return cannot be sliced
            part = [items[index] for index in range(start, min(start + _XCOM_BATCH, len(items)))]
        yield from part


def _mapped(items: Any, functions: Sequence[Any]) -> Iterator[Any]:
    if isinstance(items, Mapping):
        raise InputError("rows maps over a dict, which is one row. Let the task return a list of dicts, or [row].")
    for item in _items_of(items):
        result = item
        try:
            for function in functions:
                result = function(result)
        except Exception as error:  # noqa: BLE001  # it is the author's code
            # As Airflow does when tasks are mapped over such an output.
            if any(kind.__name__ == "AirflowSkipException" for kind in type(error).__mro__):
                continue
            # Its message may hold what the row holds.
            inside = error.__traceback__.tb_next if error.__traceback__ else None
            result = _Raised(item, type(error).__name__ + (f" in line {inside.tb_lineno}" if inside else ""))
        yield result


def _from_mapping(row: Any) -> Values | InvalidRow:
    if isinstance(row, _Raised):
        return InvalidRow(f"the function given to map() raised {row.error}", text=_in_words(row.item))
    if not isinstance(row, Mapping):
        row = _named(row) or row
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
