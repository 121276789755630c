"""Results as a CSV file that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["csv_lines", "harmless"]

#: Characters with which a spreadsheet lets a formula begin, those of full width too.
_FORMULAS: Final = frozenset("=+-@\t\r\n|＝＋－＠")


def harmless(value: Any) -> Any:
    """
    Return a cell of a CSV file that no spreadsheet takes for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection

    :param value: what is to stand in it
    """
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ")[:1] in _FORMULAS and value.strip() else value


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """
    Yield the lines of a CSV file, the header first, with their ends.

    :param columns: the names in the header
    :param rows: the rows, which may have more than these columns
    """
    yield _line(columns)
    for row in rows:
        yield _line([harmless(row[column]) for column in columns])


def _line(cells: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()
