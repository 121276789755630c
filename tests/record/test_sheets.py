"""Results as a CSV file for spreadsheets."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from airflow_connect.record.sheets import csv_lines, harmless


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1 555", "'+1 555"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\r=x", "'\r=x"),
        (" =x", "' =x"),
        ("＝x", "'＝x"),
        ("order-1", "order-1"),
        ("", ""),
        (-5, -5),
        (None, None),
    ],
)
def test_harmless_cells(cell: Any, shown: Any) -> None:
    """A cell that a spreadsheet would run is text."""
    assert harmless(cell) == shown


def test_lines() -> None:
    """The columns that are asked for, in their order; a line break stays within its cell."""
    rows = [{"row": 1, "message": 'two\n"lines"', "more": "x"}, {"row": 2, "message": "=1", "more": "x"}]
    lines = "".join(csv_lines(["message", "row"], rows))
    assert list(csv.reader(lines.splitlines(keepends=True))) == [
        ["message", "row"],
        ['two\n"lines"', "1"],
        ["'=1", "2"],
    ]
