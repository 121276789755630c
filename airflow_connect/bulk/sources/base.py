"""What a source of rows is, and what every source needs. Does not know any source."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from airflow_connect.api.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Self

__all__ = [
    "BATCH",
    "FailedColumn",
    "InvalidRow",
    "LocatedRow",
    "Origin",
    "RowSource",
    "Values",
    "alike_name",
    "are_names",
    "check_columns",
    "column_names",
    "first_line",
    "origin_of",
    "parts_of_origin",
    "type_name",
    "without_failed_columns",
]

#: A row: its values by column.
Values = dict[str, Any]

#: Rows that are held at a time where they come in batches.
BATCH: Final = 2_000


class FailedColumn(enum.StrEnum):
    """Columns that a file of failed rows adds to those of each row; as an input it is read without them."""

    #: The row's number in the input that it failed in.
    ROW = "airflow_connect_row"
    FILE = "airflow_connect_file"
    LINE = "airflow_connect_line"
    STATE = "airflow_connect_state"
    #: Why the row did not create a contact.
    FAULT = "airflow_connect_fault"
    #: The text of a row that could not be read, and so does not have columns of its own.
    TEXT = "airflow_connect_text"


class Origin(str):
    """
    Where a row is, which is a text as in ``orders.csv, line 18``.

    :param file: the file
    :param line: the line in it, from 1; ``None`` in a format without lines
    :param row: the row in it, from 1, in a format without lines
    """

    __slots__ = ("file", "line", "row")

    file: str
    line: int | None
    row: int | None

    def __new__(cls, file: str, line: int | None = None, *, row: int | None = None) -> Self:
        """Return the text."""
        place = f", line {line}" if line is not None else f", row {row}" if row is not None else ""
        origin = super().__new__(cls, f"{file}{place}")
        origin.file, origin.line, origin.row = file, line, row
        return origin


class LocatedRow(Values):
    """
    A row that knows where it is: a dict like any other. Who makes one gives it its origin.

    A million rows are made one by one, so that it has neither an ``__init__`` nor an :class:`Origin`.
    """

    __slots__ = ("origin",)

    #: The parts of an :class:`Origin`: file, line, and row in a format without lines.
    origin: tuple[str, int | None, int | None]


def without_failed_columns(row: Values | InvalidRow) -> Values | InvalidRow:
    """Return a row as it was before a file of failed rows had it, also if somebody removed some of its columns."""
    if isinstance(row, InvalidRow) or _FAILED_COLUMNS.isdisjoint(row):
        return row
    text = row.get(FailedColumn.TEXT)
    if text:
        rule = (
            f"could not be read before, and its text was not corrected. Give the columns of the row instead of "
            f"{FailedColumn.TEXT}, or remove the line"
        )
        return InvalidRow(rule, origin_of(row) or "", str(text))
    values = {name: value for name, value in row.items() if name not in _FAILED_COLUMNS}
    if not isinstance(row, LocatedRow):
        return values
    located = LocatedRow(values)
    located.origin = row.origin
    return located


_FAILED_COLUMNS: Final = frozenset(FailedColumn)


def origin_of(row: Values | InvalidRow) -> Origin | None:
    """Return the file and line of a row, ``None`` if its source does not know them."""
    parts = parts_of_origin(row)
    return None if parts is None else Origin(parts[0], parts[1], row=parts[2])


def parts_of_origin(row: Values | InvalidRow) -> tuple[str, int | None, int | None] | None:
    """Return the parts of an :class:`Origin`, of which a text is not needed for each of a million rows."""
    if isinstance(row, LocatedRow):
        return row.origin
    where = getattr(row, "where", None)
    return (where.file, where.line, where.row) if isinstance(where, Origin) else None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """
    A row that cannot be read, in its place among the others.

    :param rule: what is wrong; never a value
    :param where: the file and line as an :class:`Origin`, or in words; empty if the row's number says it all
    :param text: what is there instead of a row, for the file of failed rows only; messages do not show it
    """

    rule: str
    where: str = ""
    text: str | None = field(default=None, repr=False, compare=False)


@runtime_checkable
class RowSource(Protocol):
    """
    Where rows are read from: an object with this property and this method. Write your own for an input of another kind.

    It may also have

    - ``template_fields``, names of its attributes that Airflow renders in a copy of it before the task runs,
    - ``describe()``, which returns what Airflow's UI shows of it: a text without anything that a row holds
      (default: the number of its rows if it has a ``len()``, else the name of its class),
    - ``dataset()``, which returns what it reads from, for OpenLineage: a list of pairs of `namespace and name
      <https://openlineage.io/docs/spec/naming>`__ (default: nothing),
    - ``read_requiring(columns)``, which is ``read()`` of a source whose rows have a header: it raises
      :class:`~airflow_connect.api.errors.InputError` before the first row, and also if the input does not have a row,
      if the header lacks one of these columns, which the templates name without a default; :func:`check_columns` does
      it (default: ``read()``, and a column that a row does not have is that row's fault),
    - ``__str__()``, which is its name in errors.
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

    :raises InputError: if one is empty or there twice: it would not be clear which is meant
    """
    found: dict[str, int] = {}
    for position, name in enumerate(map(str, names), 1):
        if not name:
            raise InputError(f"Column {position} of {where} does not have a name. Name every column, each differently.")
        if name in found:
            raise InputError(
                f"Columns {found[name]} and {position} of {where} have the same name. Name each differently."
            )
        found[name] = position
    return list(found)


#: Names of columns that an error lists.
_LISTED: Final = 30
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: What no column is called: an address, or what begins with a digit or a sign of a number.
_DATA: Final = re.compile(r"@|://|^\s*[+-]?[0-9]")
#: From which likeness on (of difflib) a name is another one that is misspelt.
_ALIKE: Final = 0.75


def _folded(name: str) -> str:
    return name.strip().casefold()


def are_names(there: Collection[str], wanted: Collection[str]) -> bool:
    """
    Return whether texts are surely names of columns, so that they may be shown: without a header they are a row's data.

    :param there: the texts
    :param wanted: the columns that templates name
    """
    from difflib import get_close_matches

    if any(_DATA.search(name) or not any(map(str.isalpha, name)) for name in there if name.strip()):
        return False
    folded = set(map(_folded, wanted))
    found = folded.intersection(map(_folded, there))
    if found and 2 * len(found) >= len(folded):
        return True
    if not all(map(_IDENTIFIER.fullmatch, there)):
        return False
    return any(get_close_matches(name.casefold(), folded, 1, _ALIKE) for name in there)


def alike_name(name: str, there: Collection[str], wanted: Collection[str]) -> str | None:
    """
    Return the column that an unknown name may mean, ``None`` if such a column does not exist or must not be shown.

    :param name: the name that a template has
    :param there: the names of the columns
    :param wanted: the columns that templates name
    """
    from difflib import get_close_matches

    names = there if are_names(there, wanted) else list(filter(_IDENTIFIER.fullmatch, there))
    alike = get_close_matches(name, names, 1, _ALIKE)
    return alike[0] if alike else next((one for one in names if one.casefold() == name.casefold()), None)


def check_columns(there: Collection[str], wanted: Collection[str], where: str, *, are_columns: bool = False) -> None:
    """
    Check that a header has the columns that templates name without a default.

    :param there: the names in the header
    :param wanted: the columns
    :param where: the file, or what else the header is of
    :param are_columns: whether the names are columns for sure, as in a format that has a schema; else they are shown
        only if :func:`are_names` says so
    :raises InputError: if columns are missing, naming them and those that exist
    """
    missing = sorted(set(wanted).difference(there))
    if not missing:
        return
    named = ", ".join(map(repr, missing))
    columns = f"column{'s' if len(missing) > 1 else ''} {named}"
    parts = [f"{where} does not have the {columns}, which the template names without a default."]
    by_folded = {_folded(name): name for name in there}
    spelt = [(by_folded[_folded(name)], name) for name in missing if _folded(name) in by_folded]
    if spelt:
        pairs = ", ".join(f"{other!r} for {name!r}" for other, name in spelt)
        other = spelt[0][0]
        column = f"row.{other}" if other.isidentifier() else f"row[{other!r}]"
        parts.append(f"It has {pairs}: capital and small letters and blanks count, so write {{{{ {column} }}}}.")
    only = next(iter(there)) if len(there) == 1 else ""
    sign = next((sign for sign in ";\t|," if sign in only), None)
    if are_columns or are_names(there, wanted):
        names = [repr(name if len(name) <= 64 else f"{name[:64]}…") for name in there]
        more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
        parts.append(f"Its columns are {', '.join(names[:_LISTED])}{more}." if names else "It does not have columns.")
    elif sign is not None:
        parts.append(f"Its first line has {sign!r} in it. If that separates the fields, give delimiter={sign!r}.")
    else:
        hidden = "1 field, which is" if len(there) == 1 else f"{len(there):,} fields, which are"
        parts.append(
            f"Its first line has {hidden} not shown here, since that may be data. Check that it is the file that you"
            " expect, and that its first line names the columns."
        )
    parts.append("Correct the input or the template; for a column that may be missing, write a default there.")
    raise InputError(" ".join(parts))


def first_line(error: Exception) -> str:
    """Return the first line of an error's words, cut short."""
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return line if len(line) <= 300 else f"{line[:300]}…"
