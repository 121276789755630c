"""CSV: a header and lines of fields, each row as text by column."""

from __future__ import annotations

import csv
import itertools
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from airflow_connect.api.errors import InputError
from airflow_connect.bulk.sources.base import InvalidRow, LocatedRow, Origin, Values, check_columns, column_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = ["QUOTING", "SEPARATOR", "Dialect", "rows_of_csv"]

#: Characters of a CSV field: above a megabyte by far, and far below what a quote that is never closed would swallow.
_FIELD_LIMIT: Final = 16 << 20

#: Rows after which their lines are forgotten.
_ROWS: Final = 32

#: How quotes are read: as they stand, or not at all. What a file holds stays text.
QUOTING: Final = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE)
#: The line that gives Excel its delimiter.
SEPARATOR: Final = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)


class Dialect(NamedTuple):
    """How a file is written, as for :func:`csv.reader`."""

    delimiter: str
    quotechar: str = '"'
    escapechar: str | None = None
    quoting: Literal[0, 1, 3] = csv.QUOTE_MINIMAL

    def reader(self, lines: Iterable[str]) -> Any:
        """
        Return a reader of lines.

        :raises TypeError: if an option is not what it must be; a ``ValueError`` from some versions of Python
        """
        return csv.reader(lines, strict=True, **self._asdict())


def rows_of_csv(
    text: Iterable[str], name: str, dialect: Dialect, required: Collection[str] = (), *, before: int = 0
) -> Iterator[Values | InvalidRow]:
    """
    Yield the rows of one file.

    A line of delimiters alone, as spreadsheets write them below a table, is not a row, and not the header.

    :param text: its lines, with their ends
    :param name: what faults call it
    :param dialect: how it is written
    :param required: columns that the header must have
    :param before: lines of the file before these
    :raises InputError: if the header cannot be read, or lacks a column, or a quote is never closed
    """
    # The limit is the process's. It is raised, and not lowered again: another thread may be reading too.
    csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))
    lines = _Lines(text)
    reader = dialect.reader(lines.read)
    try:
        first: list[str] = next(filter(_says_something, reader), [])
    except csv.Error as error:
        raise InputError(f"The header of {name} cannot be read: {_csv_rule(error)}.") from None
    header = column_names(first, name)
    if header:
        check_columns(header, required, name)
    width = len(header)
    #: What the first cell of a header is that is repeated where files were put together. A single cell may be data.
    heads = {mark + header[0] for mark in ("", "\ufeff")} if width > 1 else set()
    #: How many lines are before the row that is read next.
    line = reader.line_num
    is_done = False
    while not is_done:
        is_done = True
        lines.between(line, line)
        try:
            for cells in itertools.islice(reader, _ROWS):
                is_done = False
                if len(cells) == width and cells[0] not in heads and (cells[0].strip() or _says_something(cells)):
                    # strict= costs a third, and they are as many.
                    located = LocatedRow(zip(header, cells))  # noqa: B905
                    located.origin = name, before + line + 1, None
                    yield located
                elif _says_something(cells):
                    where = Origin(name, before + line + 1)
                    if rule := _broken_rule(cells, header):
                        yield InvalidRow(rule, where, lines.between(line, reader.line_num))
                    else:
                        located = LocatedRow(zip(header, cells, strict=True))
                        located.origin = name, where.line, None
                        yield located
                line = reader.line_num
        except csv.Error as error:
            rule, where = _csv_rule(error), Origin(name, before + line + 1)
            if not _is_of_one_line(error):
                raise InputError(f"{where}: {rule}.") from None
            yield InvalidRow(rule, where, lines.between(line, reader.line_num))
            # The reader continues with the next line.
            line = reader.line_num
            is_done = False


def _broken_rule(cells: list[str], header: list[str]) -> str | None:
    """Return what is wrong with the fields of a row."""
    if len(header) > 1 and cells[0].lstrip("\ufeff") == header[0] and cells[1:] == header[1:]:
        return "repeats the header, as where files were put together. Remove the line"
    if len(cells) == len(header):
        return None
    return f"has {'1 field' if len(cells) == 1 else f'{len(cells)} fields'}, and the header {len(header)}"


def _says_something(cells: list[str]) -> bool:
    return any(map(str.strip, cells))


class _Lines:
    """
    Lines that a reader takes, and of which the last ones are known: of a row that cannot be read, only they are.

    :param text: the lines
    """

    def __init__(self, text: Iterable[str]) -> None:
        #: What the reader takes.
        self.read, self._again = itertools.tee(text)
        self._taken = 0

    def between(self, start: int, end: int) -> str:
        """
        Return lines as one text, without the end of the last one. Those before them are forgotten.

        :param start: how many lines are before the first one
        :param end: how many lines are before what follows the last one
        """
        lines = list(itertools.islice(self._again, start - self._taken, end - self._taken))
        self._taken = end
        return "".join(lines).rstrip("\r\n")


_CSV_RULES: Final[Mapping[str, str]] = {
    "unexpected end of data": "a quote is opened and never closed",
    "field larger than field limit": f"a field has more than {_FIELD_LIMIT:,} characters, or a quote is never closed",
    "expected after": "a field continues after its closing quote; quote all of it, and double the quotes in it",
}


def _csv_rule(error: csv.Error) -> str:
    return next((rule for words, rule in _CSV_RULES.items() if words in str(error)), f"is not CSV: {error}")


def _is_of_one_line(error: csv.Error) -> bool:
    """Return whether the next line is a row again, which it is not within a quote that is never closed."""
    return "expected after" in str(error)
