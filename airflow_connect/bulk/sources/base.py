"""What a source of rows is, and what every source needs. Knows no source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from airflow_connect.api.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BATCH", "InvalidRow", "RowSource", "Values", "column_names", "first_line", "type_name"]

#: A row: its values by column.
Values = dict[str, Any]

#: Rows that are held at a time where they come in batches.
BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """
    A row that cannot be read, in its place among the others.

    :param rule: what is wrong; never a value
    :param where: the file and line, as in ``orders.csv, line 18``
    """

    rule: str
    where: str


@runtime_checkable
class RowSource(Protocol):
    """
    What rows are read from: an object with this property and this method. Anybody may write one.

    It may also have

    - ``template_fields``, names of its attributes that Airflow renders in a copy of it before the task runs,
    - ``describe()``, which returns what Airflow's UI shows of it: a text that tells nothing of what a row holds
      (default: the number of its rows where it has a ``len()``, else the name of its class),
    - ``dataset()``, which returns what it reads from, for OpenLineage: a list of pairs of `namespace and name
      <https://openlineage.io/docs/spec/naming>`__ (default: nothing),
    - ``__str__()``, by which errors name it.
    """

    @property
    def can_be_read_twice(self) -> bool:
        """
        Whether a second reading gives the same rows, as long as nobody changes them.

        Rows of another source, such as a database or an iterator, are kept on the worker's disk until they are sent.
        """

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Open the source and return its rows one by one, with their numbers from 1.

        :raises InputError: if the input as a whole cannot be read; also in the middle, if it breaks off
        """


def type_name(value: Any) -> str:
    """Return the type of a value, as in "rows is of type str"."""
    return "None" if value is None else f"of type {type(value).__name__}"


def column_names(names: Iterable[Any], where: str) -> list[str]:
    """
    Return the names of columns as text.

    :raises InputError: if one is empty or there twice: its values could not be told apart
    """
    found: dict[str, int] = {}
    for position, name in enumerate(map(str, names), 1):
        if not name:
            raise InputError(f"Column {position} of {where} has no name. Name every column, each differently.")
        if name in found:
            raise InputError(
                f"Columns {found[name]} and {position} of {where} have the same name. Name each differently."
            )
        found[name] = position
    return list(found)


def first_line(error: Exception) -> str:
    """Return the first line of an error's words, cut short."""
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return line if len(line) <= 300 else f"{line[:300]}…"
