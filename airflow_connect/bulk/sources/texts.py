"""Rows in a text, as people paste them from a spreadsheet or a CSV file."""

from __future__ import annotations

import dataclasses
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow_connect.api.errors import InputError
from airflow_connect.bulk.sources.base import InvalidRow, Values, type_name
from airflow_connect.bulk.sources.csv_files import SEPARATOR, Dialect, rows_of_csv

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["TextRows"]

#: What separates fields, the surest sign first: names of columns contain commas rather than tabs.
_DELIMITERS: Final = "\t;,"
_QUOTED: Final = re.compile(r'"[^"]*"')


@dataclass(repr=False)
class TextRows:
    """
    Rows in a text, such as lines that somebody pastes from a spreadsheet into Airflow's *Trigger* form.

    The text is read as a CSV file is: its first line names the columns, and every value is text. A text that is empty
    does not have rows.

    :param text: the header and the rows (templated). Airflow stores and shows what is in a Dag file and in the
        configuration of a run: give customers' data in a file.
    :param delimiter: what separates fields; default: the one of a first line ``sep=;``, else what the header has
        outside of quotes: a tab, else a semicolon, else a comma
    :raises ValueError: if the delimiter is not one character
    """

    template_fields: ClassVar[Sequence[str]] = ("text",)
    can_be_read_twice: ClassVar[bool] = True

    text: str
    _: dataclasses.KW_ONLY
    delimiter: str | None = None

    def __post_init__(self) -> None:
        try:
            Dialect("," if self.delimiter is None else self.delimiter).reader([])
        except (TypeError, ValueError) as error:
            raise ValueError(f"delimiter is wrong: {error}.") from None

    def __repr__(self) -> str:
        return f"TextRows(…{'' if self.delimiter is None else f', delimiter={self.delimiter!r}'})"

    def __str__(self) -> str:
        return "pasted text"

    def describe(self) -> str:
        """Return what Airflow's UI shows, which is not the text."""
        return str(self)

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Return the rows one by one, with their numbers from 1.

        :raises InputError: if the text as a whole cannot be read
        """
        return self.read_requiring(())

    def read_requiring(self, columns: Collection[str]) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Return the rows as :meth:`read` does, if the header has these columns.

        :param columns: their names
        :raises InputError: as for :meth:`read`; and before the first row if the header lacks a column
        """
        text: Any = self.text
        if not isinstance(text, str):
            raise InputError(f"The text of TextRows is {type_name(text)}; it must be a text.")
        lines = list(io.StringIO(text.removeprefix("\ufeff"), newline=""))
        excel = SEPARATOR.fullmatch(lines[0]) if lines else None
        before = 1 if excel else 0
        dialect = Dialect(self.delimiter or (excel[1] if excel else _delimiter_of(lines)))
        yield from enumerate(rows_of_csv(lines[before:], str(self), dialect, columns, before=before), 1)


def _delimiter_of(lines: Sequence[str]) -> str:
    header = _QUOTED.sub("", next(filter(str.strip, lines), ""))
    return next((sign for sign in _DELIMITERS if sign in header), ",")
