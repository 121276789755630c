"""Rows: what every kind of input gives, row by row, and what is said where it cannot be read."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import copy
import csv
import gzip
import json
import math
import os
import pickle
import re
import sqlite3
import subprocess
import sys
from collections import deque, namedtuple
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy

from airflow_connect._compat import database_hook
from airflow_connect.api.errors import InputError, SetupError
from airflow_connect.api.fields import Written, text_of
from airflow_connect.bulk.sources import (
    FileRows,
    InvalidRow,
    ListRows,
    RowSource,
    SqlRows,
    TextRows,
    json_line,
    source_of,
)
from airflow_connect.record.storage import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECRET = "Zaphod"


def rows_of(source: RowSource) -> list[Any]:
    """Read a source to its end; its rows are numbered from 1."""
    numbers, rows = [], []
    for number, row in source.read():
        numbers.append(number)
        rows.append(row)
    assert numbers == list(range(1, len(rows) + 1))
    return rows


def input_error(source: RowSource) -> str:
    """Read a source that cannot be read, and return why; nothing that a row holds is reported."""
    with pytest.raises(InputError) as caught:
        rows_of(source)
    text = str(caught.value)
    assert text.endswith((".", "?"))
    assert SECRET not in text
    assert SECRET not in str(caught.value.__cause__)
    return text


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """A function that writes a file, text as UTF-8, and returns its path."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


# --- CSV ----------------------------------------------------------------------------------------------------


def test_csv_stays_text(write: Callable[..., str]) -> None:
    """Each line is a row of text by column, also what looks like a number, is empty, or has spaces around it."""
    path = write("orders.csv", "order,amount,note\n007,1.50,\n8, 2 ,NULL\n")
    assert rows_of(FileRows(path)) == [
        {"order": "007", "amount": "1.50", "note": ""},
        {"order": "8", "amount": " 2 ", "note": "NULL"},
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_line_ends_and_quoted_lines(write: Callable[..., str], end: str) -> None:
    """A byte order mark is no part of the first name; a quoted value keeps its commas, quotes and line ends."""
    lines = ['\ufeff"order id",note', f'1,"first, ""{end}second"', "", '2,"ü"', "", ""]
    assert rows_of(FileRows(write("orders.csv", end.join(lines)))) == [
        {"order id": "1", "note": f'first, "{end}second'},
        {"order id": "2", "note": "ü"},
    ]


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.csv", "a;b\n'x;y';2\n", {"delimiter": ";", "quotechar": "'"}),
        ("a.tsv", "a\tb\nx;y\t2\n", {}),
        ("A.TSV.GZ", gzip.compress(b"a\tb\nx;y\t2\n"), {}),
        ("a.tsv", "a|b\nx;y|2\n", {"delimiter": "|"}),
        ("a.txt", "a,b\nx;y,2\n", {"format": "csv"}),
        ("a.csv", "a,b\nx\\;y,2\n", {"escapechar": "\\"}),
        ("a.csv", "a,b\nx;y,2\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("a.csv", "a,b\nx;y,2\n", {"encoding": "UTF8"}),
        ("a.csv", "a,b\nx;y,2\n", {"encoding": "utf-8-sig"}),
        ("a.csv.gz", gzip.compress(b"a,b\nx;y,2\n"), {}),
        ("a.csv.gz", gzip.compress(b"a,b\n") + gzip.compress(b"x;y,2\n"), {}),
        ("a.csv", gzip.compress(b"a,b\nx;y,2\n"), {}),
        ("a.csv.gz", "a,b\nx;y,2\n", {}),
    ],
    ids=range(13),
)
def test_options_of_csv(write: Callable[..., str], name: str, content: str | bytes, options: dict[str, Any]) -> None:
    """Delimiter, quotes, escapes and encoding are options; gzip is known by its first bytes, whatever the suffix."""
    assert rows_of(FileRows(write(name, content), **options)) == [{"a": "x;y", "b": "2"}]


def test_quotes_can_mean_nothing(write: Callable[..., str]) -> None:
    """With csv.QUOTE_NONE a quote is a character like any other."""
    path = write("a.csv", 'a,b\n5" pipe,"x\n')
    assert rows_of(FileRows(path, quoting=csv.QUOTE_NONE)) == [{"a": '5" pipe', "b": '"x'}]


def test_other_encoding(write: Callable[..., str]) -> None:
    """A file of another encoding is read with it."""
    path = write("a.csv", "a\nGrüße – €\n".encode("cp1252"))
    assert rows_of(FileRows(path, encoding="cp1252")) == [{"a": "Grüße – €"}]


def test_field_of_a_megabyte(write: Callable[..., str]) -> None:
    """A long field is read, where Python's own limit is 131,072 characters; the limit is not lowered by reading."""
    path = write("a.csv", f"a,b\n1,{'x' * 1_000_000}\n2,\n")
    assert [len(row["b"]) for row in rows_of(FileRows(path))] == [1_000_000, 0]
    before = csv.field_size_limit(50_000_000)
    try:
        rows_of(FileRows(path))
        assert csv.field_size_limit() == 50_000_000
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize("content", ["", "\ufeff", "\n\n", "a,b", "a,b\n", "a,b\r\n\r\n"])
def test_no_rows(write: Callable[..., str], content: str) -> None:
    """An empty file, and one with a header alone, have no rows."""
    assert rows_of(FileRows(write("a.csv", content))) == []


def test_ragged_line_is_that_rows_fault(write: Callable[..., str]) -> None:
    """A line with too few or too many fields is reported with its number in the file, and the others are read."""
    path = write("a.csv", f'a,b\n1,"x\ny"\n{SECRET}\n\n2,3,\n4,5\n')
    assert rows_of(FileRows(path)) == [
        {"a": "1", "b": "x\ny"},
        InvalidRow("has 1 field, and the header 2", f"{path}, line 4"),
        InvalidRow("has 3 fields, and the header 2", f"{path}, line 6"),
        {"a": "4", "b": "5"},
    ]


def test_text_after_a_closing_quote_is_that_rows_fault(write: Callable[..., str]) -> None:
    """A quoted field that goes on after its quote is no row that anybody can be sure of; the next line is one again."""
    path = write("a.csv", f'a,b\n"{SECRET}"x,1\n2,"3\n" 4\n5,6\n')
    first, second, third = rows_of(FileRows(path))
    assert (first.where, second.where) == (f"{path}, line 2", f"{path}, line 3")
    assert first.rule == second.rule
    assert "closing quote" in first.rule
    assert SECRET not in first.rule
    assert third == {"a": "5", "b": "6"}


def test_quote_that_is_never_closed(write: Callable[..., str]) -> None:
    """It would swallow all rows after it: the input as a whole cannot be read, and the line is reported."""
    path = write("a.csv", f'a,b\n1,2\n3,"{SECRET}\n4,5\n')
    assert input_error(FileRows(path)) == f"{path}, line 3: a quote is opened and never closed."
    path = write("b.csv", f'a,b\n1,2\n3,"{SECRET * 3_000_000}\n4,5\n')
    assert input_error(FileRows(path)).startswith(f"{path}, line 3: a field has more than 16,777,216 characters")
    path = write("c.csv", 'a,"b\n')
    assert input_error(FileRows(path)) == f"The header of {path} cannot be read: a quote is opened and never closed."


def test_columns_need_names(write: Callable[..., str]) -> None:
    """Two columns of one name, and a column without one, cannot be distinguished: the input as a whole is refused."""
    path = write("a.csv", f"order,name,order\n1,{SECRET},2\n")
    assert input_error(FileRows(path)) == (f"Columns 1 and 3 of {path} have the same name. Name each differently.")
    path = write("b.csv", f"order,name,\n1,{SECRET},\n")
    assert input_error(FileRows(path)).startswith(f"Column 3 of {path} does not have a name.")


@pytest.mark.parametrize("padding", [0, 300_000])
def test_other_encoding_than_said(write: Callable[..., str], padding: int) -> None:
    """The error names line and byte of the first character that is none, and the option, also far into a file."""
    content = b"a,b\n" + b"1,x\n" * padding + "2,ü\n".encode() + f"3,{SECRET}\xfc\n".encode("latin-1")
    path = write("a.csv", content)
    text = input_error(FileRows(path))
    byte = content.index(b"\xfc") + 1
    place = f"line {padding + 3}, byte {byte:,} of the file. Give its encoding="
    assert f"{path} is not utf-8: {place}" in text
    assert place in input_error(FileRows(write("a.csv.gz", gzip.compress(content))))
    assert place in input_error(FileRows(path, format="jsonl"))


def test_utf_16_is_recognised(write: Callable[..., str]) -> None:
    """What Excel calls Unicode text is reported by its name."""
    assert 'Give encoding="utf-16".' in input_error(FileRows(write("a.csv", f"a\n{SECRET}\n".encode("utf-16"))))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("given", ["utf-8", "cp1252"])
def test_wide_text_without_a_mark_is_recognised(write: Callable[..., str], encoding: str, given: str) -> None:
    """Read as UTF-8, an invisible letter would follow each letter; text with wide letters is reported too."""
    reported = f'is {encoding.upper()} without a byte order mark. Give encoding="{encoding}".'
    for content in (f"name,city\n{SECRET},Zürich\n", "name,city\nИван,Москва\nАнна,Казань\n", '{"name": "x"}\n'):
        data = content.encode(encoding)
        for name, packed in (("a.csv", data), ("a.jsonl", data), ("a.csv.gz", gzip.compress(data))):
            assert reported in input_error(FileRows(write(name, packed), encoding=given))
    assert rows_of(FileRows(write("a.csv", "n\nx\0y\n"))) == [{"n": "x\0y"}]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04...", "ZIP archive or an Excel workbook"),
        (b"PAR1...", 'format="parquet"'),
        (b"\x28\xb5\x2f\xfd...", "zstd"),
        (b"\xfd7zXZ\x00...", "xz"),
        (bz2.compress(b"name\nKim\n"), "bzip2"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504), "an Excel workbook"),
    ],
    ids=["zip", "parquet", "zstd", "xz", "bzip2", "xls"],
)
def test_what_is_no_text_is_recognised(write: Callable[..., str], content: bytes, what: str) -> None:
    """A file whose suffix lies is reported by what it is."""
    assert what in input_error(FileRows(write("a.csv", content)))


def test_gzip_that_breaks_off(write: Callable[..., str]) -> None:
    """A compressed file that was cut off or damaged is an error, and not the end of its rows."""
    whole = gzip.compress(os.urandom(100_000).hex("\n", 8).encode())
    for content in (whole[:-9], whole[: len(whole) // 2], whole[:-8] + b"\0" * 8):
        assert "cut off or damaged" in input_error(FileRows(write("a.csv.gz", content)))


MARKED = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "gb18030"]


@pytest.mark.parametrize("encoding", MARKED)
def test_a_byte_order_mark_is_skipped_in_every_encoding(write: Callable[..., str], encoding: str) -> None:
    """In CSV and JSON Lines; a mark of the author's encoding is no part of the first name, with gzip and without."""
    for name, content, row in (
        ("a.csv", "a,b\n1,ü\n", {"a": "1", "b": "ü"}),
        ("a.jsonl", '{"a": 1, "b": "ü"}\n', {"a": 1, "b": "ü"}),
    ):
        mark = "" if encoding in {"utf-8-sig", "utf-16", "utf-32"} else "\ufeff"
        data = (mark + content).encode(encoding)
        assert rows_of(FileRows(write(name, data), encoding=encoding)) == [row]
        assert rows_of(FileRows(write(name, gzip.compress(data)), encoding=encoding)) == [row]
        assert rows_of(FileRows(write(name, content.encode(encoding)), encoding=encoding)) == [row]


@pytest.mark.parametrize(
    ("mark", "given", "reported"),
    [
        (codecs.BOM_UTF8, "cp1252", "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-8", "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16-le", "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-8", "utf-32"),
        (codecs.BOM_UTF32_LE, "utf-16-le", "utf-32"),
        ("\ufeff".encode("gb18030"), "gbk", "gb18030"),
    ],
    ids=str,
)
def test_a_mark_of_another_encoding_is_reported(
    write: Callable[..., str], mark: bytes, given: str, reported: str
) -> None:
    """The first name would begin with signs that nobody sees."""
    text = input_error(FileRows(write("a.csv", mark + f"{SECRET}\n".encode(reported)), encoding=given))
    assert f'is {reported.upper()}. Give encoding="{reported}".' in text


@pytest.mark.parametrize("first", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "\ufeffsep=;\r"], ids=ascii)
def test_excels_line_with_the_delimiter(write: Callable[..., str], first: str) -> None:
    """It is not the header, and says how the file is written; faults have the file's lines."""
    path = write("a.csv", f"{first}a;b\n1,5;x\n2\n")
    assert rows_of(FileRows(path)) == [
        {"a": "1,5", "b": "x"},
        InvalidRow("has 1 field, and the header 2", f"{path}, line 4"),
    ]
    assert rows_of(FileRows(write("b.csv", "sep=\t\na\tb\n1\t2\n"))) == [{"a": "1", "b": "2"}]
    # What the author says counts more.
    assert rows_of(FileRows(write("c.csv", "sep=,\na;b\n1;2\n"), delimiter=";")) == [{"a": "1", "b": "2"}]


def test_lines_of_delimiters_are_no_rows(write: Callable[..., str]) -> None:
    """Spreadsheets write them for cells that were used once: above the table, in it and below it, of any width."""
    path = write("a.csv", ',,\n \na,b,c\n1,,\n,,\n" ",\t,\n,2,\n,\n,,,,\n"","",""\n')
    assert rows_of(FileRows(path)) == [{"a": "1", "b": "", "c": ""}, {"a": "", "b": "2", "c": ""}]
    assert rows_of(FileRows(write("b.csv", ";;\n;;\n"), delimiter=";")) == []


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_header_that_is_repeated_is_that_rows_fault(write: Callable[..., str], mark: str) -> None:
    """Files that ``cat`` put together would create a contact for their headers."""
    path = write("a.csv", f"{mark}a,b\n1,2\n{mark}a,b\na,2\n")
    rows = [row for _, row in FileRows(path).read()]
    assert [row for row in rows if isinstance(row, dict)] == [{"a": "1", "b": "2"}, {"a": "a", "b": "2"}]
    [fault] = [row for row in rows if not isinstance(row, dict)]
    assert fault.rule == "repeats the header, as where files were put together. Remove the line"
    assert fault.where == f"{path}, line 3"
    assert fault.text == f"{mark}a,b"


def test_a_cell_that_equals_the_name_of_the_only_column_is_data(write: Callable[..., str]) -> None:
    """A file of one column may hold the word that names it."""
    assert rows_of(FileRows(write("rows.csv", "word\nname\nword\n"))) == [{"word": "name"}, {"word": "word"}]


# --- Columns that a template names ----------------------------------------------------------------------------


def missing_columns(source: Any, *columns: str) -> str:
    """Read a source that lacks columns, and return what is said."""
    with pytest.raises(InputError) as caught:
        list(source.read_requiring(columns))
    text = str(caught.value)
    assert SECRET not in text
    return text


def test_the_header_has_what_templates_name(write: Callable[..., str]) -> None:
    """Before the first row, and also where there is none, each file is asked for the columns; an empty one has none."""
    for content in ("id,nmae,city\n", f"id,nmae,city\n1,{SECRET},Bonn\n", f"id,nmae,city\n{SECRET}\n"):
        path = write("a.csv", content)
        assert missing_columns(FileRows(path), "name", "id", "city") == (
            f"{path} does not have the column 'name', which the template names without a default. Its columns are"
            " 'id', 'nmae', 'city'. Correct the input or the template; for a column that may be missing, write a"
            " default there."
        )
    assert list(FileRows(path).read_requiring(["id"])) == list(FileRows(path).read())
    write("in/a.csv", "id\n1\n")
    write("in/b.csv", f"nr\n{SECRET}\n")
    assert "in/b.csv does not have the column 'id'" in missing_columns(
        FileRows(str(Path(path).parent / "in" / "*.csv")), "id"
    )
    for empty in ("", "\ufeff", "\n\n", ",,\n"):
        assert list(FileRows(write("empty.csv", empty)).read_requiring(["id"])) == []


def test_another_case_is_pointed_out(write: Callable[..., str]) -> None:
    """Snowflake and Oracle have capital letters, and a template has small ones."""
    text = missing_columns(FileRows(write("a.csv", "ID,NAME\n")), "name", "id")
    assert "does not have the columns 'id', 'name', which" in text
    assert "It has 'ID' for 'id', 'NAME' for 'name': capital and small letters and blanks count, so write" in text
    assert "write {{ row.ID }}." in text
    text = missing_columns(FileRows(write("a.csv", "id, Name \n")), "name")
    assert "It has ' Name ' for 'name'" in text
    assert "write {{ row[' Name '] }}. Its columns are 'id', ' Name '." in text


@pytest.mark.parametrize(
    "content",
    [
        "Zaphod Example,zaphod@example.com,+41791234567\n",
        "Zaphod Example,zaphod@example.com,+41791234567\nFord Example,ford@example.com,+41791234568\n",
        "Zaphod\n",
        "Zaphod;Bonn\n",
        "4711,Zaphod,open\n",
        '{"error": "Zaphod is not allowed"}\n',
    ],
)
def test_data_without_a_header_is_not_shown(write: Callable[..., str], content: str) -> None:
    """What stands in the place of a header may be a customer's name."""
    text = missing_columns(FileRows(write("a.csv", content)), "name", "email", "example")
    assert "does not have the columns 'email', 'example', 'name'" in text
    assert "example.com" not in text.replace("'example'", "")
    assert "not shown here, since that may be data" in text or "give delimiter=';'" in text


@pytest.mark.parametrize("data", ["zaphod@example.com", "+41791234567", "4711", "2026-11-24", "https://a.b/zaphod"])
def test_data_that_is_called_as_a_column_is_not_a_header(write: Callable[..., str], data: str) -> None:
    """A value may be the name of a column, such as the channel that somebody prefers; what is beside it is not one."""
    text = missing_columns(FileRows(write("a.csv", f"{SECRET},email,{data}\n")), "name", "email")
    assert "does not have the column 'name'" in text
    assert data not in text
    assert "not shown here, since that may be data" in text


def test_a_page_is_not_a_table(write: Callable[..., str]) -> None:
    """A server's page is reported by its name, in every format that is text."""
    for page in (
        "<!DOCTYPE html><html>Zaphod",
        "\ufeff\n<html>",
        '<?xml version="1.0"?><Error>',
        "<Error><Code>",
        "<!-- -->",
    ):
        for name in ("a.csv", "a.jsonl"):
            assert "is an HTML or XML page" in input_error(FileRows(write(name, page)))


def test_parquet_and_queries_have_what_templates_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their schema is known without a row."""
    pa = pytest.importorskip("pyarrow")
    path = write_parquet(str(tmp_path / "a.parquet"), {"NAME": pa.array([], pa.string()), "x y": []})
    text = missing_columns(FileRows(path), "name")
    assert "It has 'NAME' for 'name'" in text
    assert "Its columns are 'NAME', 'x y'." in text
    assert list(FileRows(path).read_requiring(["NAME"])) == []
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "orders.db")}))
    rows = SqlRows("orders", "SELECT 1 AS id, 'x' AS \"NAME\" WHERE 0")
    assert "The result of SQL on conn_id orders does not have the column 'name'" in missing_columns(rows, "name", "id")
    assert list(rows.read_requiring(["NAME"])) == []


def test_json_lines_has_no_header(write: Callable[..., str]) -> None:
    """There each row is asked by itself: a writer may leave out what is null."""
    assert list(FileRows(write("a.jsonl", '{"b": 1}\n')).read_requiring(["a"])) == [(1, {"b": 1})]


# --- JSON Lines ---------------------------------------------------------------------------------------------


def test_json_lines(write: Callable[..., str]) -> None:
    """Each line is a row with JSON's types; blank lines and a byte order mark are none; U+2028 ends no line."""
    path = write("a.jsonl", '\ufeff{"a": 1, "b": null}\r\n\n {"a": "x\u2028y", "b": [true, {"c": 1.5}]} \n{}')
    assert rows_of(FileRows(path)) == [{"a": 1, "b": None}, {"a": "x\u2028y", "b": [True, {"c": 1.5}]}, {}]
    assert rows_of(FileRows(write("a.ndjson.gz", gzip.compress(b'{"a": 1}\n')))) == [{"a": 1}]
    assert rows_of(FileRows(write("empty.jsonl", ""))) == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ('{"a": "Zaphod"', "is not JSON: Expecting ',' delimiter (column 15)"),
        ('{"a": "Zaphod', "is not JSON: Unterminated string starting at (column 7)"),
        ('{"a": "Zaphod\\x"}', "is not JSON: Invalid \\escape (column 14)"),
        ('{"a": "Zaphod"} {"a": 1}', "is not JSON: Extra data (column 17)"),
        ("Zaphod", "is not JSON: Expecting value (column 1)"),
        ("{'a': 'Zaphod'}", "is not JSON: Expecting property name enclosed in double quotes (column 2)"),
        ('"Zaphod"', "is of type str, and not a JSON object"),
        ("42", "is of type int, and not a JSON object"),
        ('["Zaphod"]', "is of type list, and not a JSON object"),
        ("null", "is None, and not a JSON object"),
        ('{"a": NaN}', "has NaN, which JSON does not know"),
        ('{"a": [-Infinity]}', "has -Infinity, which JSON does not know"),
        ('{"a": 1, "a": 2}', "has a name twice in an object"),
        ('{"a": [{"b": 1, "b": 1}]}', "has a name twice in an object"),
        ('{"a": ' + "[" * 200_000, "is nested too deep"),
        ('{"a": ' + "1" * 5_000 + "}", "has a number of too many digits"),
    ],
    ids=range(16),
)
def test_line_that_is_no_object_is_that_rows_fault(write: Callable[..., str], line: str, rule: str) -> None:
    """A line that is not a JSON object is reported with its number and without what it holds; the others are read."""
    path = write("a.jsonl", f'{{"a": 0}}\n\n{line}\n{{"a": 2}}\n')
    assert rows_of(FileRows(path)) == [{"a": 0}, InvalidRow(rule, f"{path}, line 3"), {"a": 2}]


def test_json_array_is_recognised(write: Callable[..., str]) -> None:
    """A JSON file with all rows in one array is another format, reported once and not for each of its lines."""
    assert "JSON array" in input_error(FileRows(write("a.jsonl", f'\ufeff\n [\n{{"a": "{SECRET}"}},\n{{"a": 2}}\n]\n')))


# --- Parquet ------------------------------------------------------------------------------------------------


def write_parquet(path: str, columns: dict[str, Any], **options: Any) -> str:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table(columns), path, **options)
    return path


def test_parquet_values_are_pythons(tmp_path: Path) -> None:
    """Each value has Python's type; times finer than a microsecond are cut off, with or without pandas."""
    pa = pytest.importorskip("pyarrow")
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901)
    nanoseconds = [1_767_323_045_678_901_234, None]
    values: dict[str, Any] = {
        "text": ["x", None],
        "number": [2**53 + 1, None],
        "amount": [Decimal("1.50"), None],
        "ratio": [1.5, None],
        "yes": [True, None],
        "day": [date(2026, 1, 2), None],
        "at": [at, None],
        "at_utc": [at.replace(tzinfo=UTC), None],
        "bytes": [b"\x00\xff", None],
        "list": [["a", None], None],
        "object": [{"a": 1}, None],
    }
    columns = {name: pa.array(column) for name, column in values.items()} | {
        "nanoseconds": pa.array(nanoseconds, pa.timestamp("ns")),
        "nanoseconds_utc": pa.array(nanoseconds, pa.timestamp("ns", "UTC")),
        "time": pa.array([1_001, None], pa.time64("ns")),
        "duration": pa.array([2_001, None], pa.duration("ns")),
        "category": pa.array(["x", None]).dictionary_encode(),
    }
    first, second = rows_of(FileRows(write_parquet(str(tmp_path / "a.parquet"), columns)))
    assert first == {name: column[0] for name, column in values.items()} | {
        "nanoseconds": at,
        "nanoseconds_utc": at.replace(tzinfo=UTC),
        "time": time(microsecond=1),
        "duration": timedelta(microseconds=2),
        "category": "x",
    }
    assert type(first["nanoseconds"]) is datetime
    assert second == dict.fromkeys(columns)


def test_parquet_over_batches_and_row_groups(tmp_path: Path) -> None:
    """The rows of all batches and row groups come in their order; a file without rows has none."""
    path = write_parquet(str(tmp_path / "a.parquet"), {"n": list(range(5_000))}, row_group_size=3_000)
    assert [row["n"] for row in rows_of(FileRows(path))] == list(range(5_000))
    assert rows_of(FileRows(write_parquet(str(tmp_path / "b.parquet"), {"n": []}))) == []


def test_parquet_columns_need_names(tmp_path: Path) -> None:
    """Two columns of one name are refused, as in every format."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = str(tmp_path / "a.parquet")
    parquet.write_table(pa.Table.from_arrays([pa.array([SECRET]), pa.array([SECRET])], names=["a", "a"]), path)
    assert "have the same name" in input_error(FileRows(path))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1", b"a,b\n1,2\n"])
def test_damaged_parquet(write: Callable[..., str], content: bytes) -> None:
    """A file that is no whole Parquet file is an error; empty is no Parquet file either."""
    path = write("a.parquet", content)
    assert input_error(FileRows(path)).startswith(f"{path} cannot be read (ArrowInvalid: ")


def test_parquet_without_pyarrow(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the error names it."""
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert "Install airflow-provider-amazon-connect[parquet]" in input_error(FileRows(write("a.parquet", b"PAR1")))


# --- Which files --------------------------------------------------------------------------------------------


def test_files_in_the_order_of_their_names(write: Callable[..., str], tmp_path: Path) -> None:
    """A pattern gives the rows of all files, numbered through; each has its own header, format and lines."""
    write("in/b.csv", "a\n3\n")
    write("in/a.csv", "b,a\nx,1\ny\n")
    write("in/c.jsonl", '{"a": "4"}\n')
    (tmp_path / "in" / "d.csv").mkdir()
    assert rows_of(FileRows(f"{tmp_path}/in/*")) == [
        {"b": "x", "a": "1"},
        InvalidRow("has 1 field, and the header 2", f"{tmp_path}/in/a.csv, line 3"),
        {"a": "3"},
        {"a": "4"},
    ]
    assert rows_of(FileRows(tmp_path / "**" / "[bc].csv")) == [{"a": "3"}]
    assert rows_of(FileRows(f"file://{tmp_path}/in/?.jsonl")) == [{"a": "4"}]


def test_name_with_the_characters_of_a_pattern(write: Callable[..., str]) -> None:
    """A file that is there by the very name is that file."""
    assert rows_of(FileRows(write("a[1].csv", "a\n1\n"))) == [{"a": "1"}]


def test_no_file(tmp_path: Path, write: Callable[..., str]) -> None:
    """Without a file there is no input, which is not the same as an empty one."""
    assert (
        input_error(FileRows(tmp_path / "a.csv"))
        == f"{tmp_path}/a.csv does not exist on the worker that runs the task."
    )
    assert input_error(FileRows(tmp_path / "*.csv")).startswith(f"No file matches {tmp_path}/*.csv. Check the path")
    below = write("a.csv", "a\n") + "/b.csv"
    assert input_error(FileRows(below)).startswith(f"{below} cannot be read (NotADirectoryError: ")


def test_folder(tmp_path: Path) -> None:
    """For a folder, the error says how to name its files."""
    folder = tmp_path / "a.csv"
    folder.mkdir()
    assert input_error(FileRows(folder)) == (
        f"{folder} is a folder. Name the files in it that are to be read: {folder}/*.csv."
    )


def test_access_denied(write: Callable[..., str]) -> None:
    """Where the worker's user has no right to read, the error says so."""
    path = write("a.csv", f"a\n{SECRET}\n")
    Path(path).chmod(0)
    user = os.geteuid()
    if user == 0:  # to whom nothing is denied
        os.seteuid(65534)
    try:
        text = input_error(FileRows(path))
    finally:
        os.seteuid(user)
    assert text == f"Access to {path} is denied. Allow the worker to read it."


@pytest.mark.parametrize(("path", "what"), [("", "empty"), (None, "empty"), (["a.csv"], "of type list")])
def test_path_that_is_rendered_to_nothing(path: Any, what: str) -> None:
    """A template may render to anything; only a text is a path."""
    source = FileRows("{{ var.value.path }}")
    source.path = path
    assert input_error(source) == f"The path of FileRows is {what}; it must be a text."


def test_unknown_suffix(write: Callable[..., str], tmp_path: Path) -> None:
    """Which format a file has is said by suffix or option: where the DAG file is read, or, behind a pattern, later."""
    for path in ("orders", "orders.dat", "orders.json", "s3://bucket/orders/", "orders.parquet.gz", "orders.csv.bz2"):
        with pytest.raises(ValueError, match=r"does not say the format\. Give format="):
            FileRows(path)
    write("_SUCCESS", "")
    assert input_error(FileRows(tmp_path / "*")).startswith(f"The suffix of {tmp_path}/_SUCCESS does not say")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"format": "xlsx"}, "format"),
        ({"encoding": "klingon"}, "encoding"),
        ({"encoding": "hex"}, "encoding"),
        ({"delimiter": ";;"}, "delimiter"),
        ({"quotechar": "''"}, "quotechar"),
        ({"escapechar": "ab"}, "escapechar"),
        ({"quoting": csv.QUOTE_NONNUMERIC}, "quoting"),
    ],
    ids=str,
)
def test_option_that_is_none(options: dict[str, Any], named: str) -> None:
    """A wrong option is found where the source is made."""
    with pytest.raises(ValueError, match=named):
        FileRows("orders.csv", **options)


# --- Stores -------------------------------------------------------------------------------------------------


@pytest.fixture
def put(bucket: str, local_aws_connection: str) -> Callable[[str, bytes], None]:
    """A function that puts an object into the bucket."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    client = S3Hook(local_aws_connection).get_conn()
    return lambda key, body: client.put_object(Bucket=bucket, Key=key, Body=body)


def test_files_in_s3(bucket: str, put: Callable[[str, bytes], None], tmp_path: Path) -> None:
    """CSV, JSON Lines and Parquet are read from S3 as from a disk, by name or pattern, plain or compressed."""
    put("in/1.csv", b"a\n1\n2,3\n")
    put("in/2.csv.gz", gzip.compress(b"a\n3\n"))
    put("in/3.jsonl", b'{"a": "4"}')
    put("in/deeper/4.csv", b"a\n5\n")
    put("x[1].csv", b"a\n6\n")
    parquet = Path(write_parquet(str(tmp_path / "a.parquet"), {"a": ["7"]}))
    put("in/5.parquet", parquet.read_bytes())
    ragged = InvalidRow("has 2 fields, and the header 1", f"s3://{bucket}/in/1.csv, line 3")
    first = [{"a": "1"}, ragged]
    at = f"s3://{bucket}"
    assert rows_of(FileRows(f"{at}/in/1.csv", conn_id="aws_local")) == first
    assert rows_of(FileRows(f"s3://aws_local@{bucket}/in/1.csv")) == first
    assert rows_of(FileRows(f"{at}/in/*", conn_id="aws_local")) == [*first, {"a": "3"}, {"a": "4"}, {"a": "7"}]
    assert rows_of(FileRows(f"{at}/**/[45].csv", conn_id="aws_local")) == [{"a": "5"}]
    assert rows_of(FileRows(f"{at}/x[1].csv", conn_id="aws_local")) == [{"a": "6"}]


def test_airflows_path(bucket: str, put: Callable[[str, bytes], None]) -> None:
    """An ObjectStoragePath is a path too, and brings its connection."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    put("a.csv", b"a\n1\n")
    source = FileRows(ObjectStoragePath(f"s3://aws_local@{bucket}/a.csv"))
    assert source.conn_id == "aws_local"
    assert rows_of(source) == [{"a": "1"}]


def test_object_of_many_blocks(bucket: str, put: Callable[[str, bytes], None]) -> None:
    """A large object is read in blocks, and a row over the edge of two is whole."""
    put("a.csv", b"a,b\n" + b"".join(b"%d,%s\n" % (n, b"x" * 99_990) for n in range(100)))
    rows = rows_of(FileRows(f"s3://{bucket}/a.csv", conn_id="aws_local"))
    assert [(int(row["a"]), len(row["b"])) for row in rows] == [(n, 99_990) for n in range(100)]


def test_object_that_changes_is_read_anew(bucket: str, put: Callable[[str, bytes], None]) -> None:
    """Each reading sees what is there, and not what was listed before."""
    put("in/1.csv", b"a\n1\n")
    source = FileRows(f"s3://{bucket}/in/*.csv", conn_id="aws_local")
    assert rows_of(source) == [{"a": "1"}]
    put("in/1.csv", b"a\n10\n11\n")
    put("in/2.csv", b"a\n2\n")
    assert rows_of(source) == [{"a": "10"}, {"a": "11"}, {"a": "2"}]


def test_no_such_object(bucket: str, put: Callable[[str, bytes], None]) -> None:
    """A missing object, bucket or match, and a prefix, are reported with the path."""
    put("in/1.csv", b"a\n1\n")
    at = f"s3://{bucket}"
    assert input_error(FileRows(f"{at}/a.csv", conn_id="aws_local")) == f"No file matches {at}/a.csv. Check the path."
    assert input_error(FileRows(f"{at}/*.tsv", conn_id="aws_local")) == f"No file matches {at}/*.tsv. Check the path."
    assert "No file matches" in input_error(FileRows("s3://no-such-bucket-here/a.csv", conn_id="aws_local"))
    assert f"Name the files in it that are to be read: {at}/in/*.csv." in input_error(
        FileRows(f"{at}/in/", format="csv", conn_id="aws_local")
    )


def test_access_to_s3_denied(bucket: str, put: Callable[[str, bytes], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """What S3 denies is reported as such, with the connection that needs the permission, for a name and a pattern."""
    import httpx

    put("a.csv", b"a\n1\n")
    connection = json.loads(os.environ["AIRFLOW_CONN_AWS_LOCAL"])
    endpoint = connection["extra"]["endpoint_url"]
    # Another ID, since a connection's client is kept.
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DENIED", json.dumps(connection))
    httpx.post(f"{endpoint}/moto-api/reset-auth", content="0")
    try:
        for path in (f"s3://{bucket}/a.csv", f"s3://{bucket}/*.csv"):
            assert input_error(FileRows(path, conn_id="aws_denied")) == (
                f"Access to {path} is denied. Allow the connection aws_denied to read it, and to list it if the"
                " path is a pattern."
            )
    finally:
        httpx.post(f"{endpoint}/moto-api/reset-auth", content="inf")


def test_store_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheme that nobody knows, and a store that does not answer, are reported."""
    assert "x-unknown://a is in a store whose package is not installed here" in input_error(
        FileRows("x-unknown://a/b.csv")
    )
    extra = {
        "region_name": "us-east-1",
        "endpoint_url": "http://127.0.0.1:9",
        "config_kwargs": {"retries": {"total_max_attempts": 1}},
    }
    connection = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DOWN", json.dumps(connection))
    text = input_error(FileRows("s3://bucket/a.csv", conn_id="aws_down"))
    assert "EndpointConnectionError" in text
    assert "the connection aws_down" in text


# --- As an argument in a DAG file ---------------------------------------------------------------------------


def test_import_is_cheap() -> None:
    """Importing the module imports no Airflow, no client and no Arrow; nothing is opened when a source is made."""
    program = (
        "import sys; before = set(sys.modules);"
        "from airflow_connect.bulk.sources import FileRows, SqlRows, TextRows;"
        "FileRows('s3://bucket/*.csv', conn_id='x'); FileRows('/nowhere/a.parquet'); SqlRows('x', 'SELECT 1');"
        "TextRows('a');"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert "airflow_connect" in found
    assert not found & {"airflow", "boto3", "botocore", "fsspec", "jinja2", "pyarrow", "s3fs", "sqlite3", "upath"}


def test_rows_of_databases_that_have_names_are_rows() -> None:
    """A row of sqlite3 or SQLAlchemy, or a named tuple, is one row, alone and in lists of lists; others are refused."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT 7 AS id, 'Kim' AS name UNION SELECT 8, 'Lee'").fetchall()
    named = namedtuple("named", "id name")
    with sqlalchemy.create_engine("sqlite://").connect() as engine:
        alchemy = engine.execute(sqlalchemy.text("SELECT 7 AS id, 'Kim' AS name UNION SELECT 8, 'Lee'")).fetchall()
    kim, lee = {"id": 7, "name": "Kim"}, {"id": 8, "name": "Lee"}
    for rows in (found, alchemy, [named(7, "Kim"), named(8, "Lee")], [found[:1], [alchemy[1]]]):
        assert rows_of(ListRows(rows)) == [kim, lee]
    with pytest.raises(InputError, match="a tuple of 2 values is not a row"):
        rows_of(ListRows([(7, "Kim")]))


SOURCES: dict[str, tuple[RowSource, str, str]] = {
    "file": (FileRows("a.csv"), "FileRows('a.csv')", "a.csv"),
    "files": (
        FileRows(Path("x") / "{{ ds }}", conn_id="s3", delimiter=";", format="csv"),
        "FileRows('x/{{ ds }}', conn_id='s3', format='csv', delimiter=';')",
        "x/{{ ds }}",
    ),
    "sql": (
        SqlRows("warehouse", "SELECT * FROM orders WHERE name = %s", [SECRET]),
        "SqlRows('warehouse', 'SELECT * FROM orders WHERE name = %s', parameters=…)",
        "SQL on conn_id warehouse",
    ),
    "sql alone": (
        SqlRows("warehouse", "SELECT 1"),
        "SqlRows('warehouse', 'SELECT 1')",
        "SQL on conn_id warehouse",
    ),
    "list": (ListRows([{"name": SECRET}] * 3_000), "ListRows(<a list of 3,000 rows>)", "a list of 3,000 rows"),
    "text": (TextRows(f"name\n{SECRET}"), "TextRows(…)", "pasted text"),
    "text with its delimiter": (TextRows(SECRET, delimiter="|"), "TextRows(…, delimiter='|')", "pasted text"),
    "one": (ListRows([{"name": SECRET}]), "ListRows(<a list of 1 row>)", "a list of 1 row"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_source_as_an_argument(name: str) -> None:
    """A source can be copied and pickled, and its texts are the same every time and show no content."""
    source, representation, text = SOURCES[name]
    assert (repr(source), str(source)) == (representation, text)
    for other in (copy.deepcopy(source), copy.copy(source), pickle.loads(pickle.dumps(source))):
        assert other == source
        assert other is not source
        assert (repr(other), str(other)) == (representation, text)


# --- Pasted text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("order\tname, title\n007\tKim; Ms\n", [{"order": "007", "name, title": "Kim; Ms"}]),
        ("order;amount\r\n7; 1,50 \r\n8;", [{"order": "7", "amount": " 1,50 "}, {"order": "8", "amount": ""}]),
        ('\ufefforder,"note\t;"\n7,"two\nlines, ""quoted"""', [{"order": "7", "note\t;": 'two\nlines, "quoted"'}]),
        ("\n;;\norder\n7\n\n8\n", [{"order": "7"}, {"order": "8"}]),
        ("sep=|\norder|note\n7|a,b", [{"order": "7", "note": "a,b"}]),
        ("order,note\n7,{{ 7 * 7 }}\u2028x", [{"order": "7", "note": "{{ 7 * 7 }}\u2028x"}]),
        ("order", []),
        (" \n\n", []),
        ("", []),
    ],
    ids=["spreadsheet", "semicolons", "commas", "one column", "sep", "other line ends", "header", "blank", "empty"],
)
def test_text_is_read_as_it_is_pasted(text: str, rows: list[dict[str, str]]) -> None:
    """The header says what separates fields: tabs, semicolons or commas; all else is as in a CSV file."""
    assert rows_of(TextRows(text)) == rows
    assert rows_of(copy.deepcopy(TextRows(text))) == rows


def test_faults_of_pasted_text_name_line_and_field() -> None:
    """A row that cannot be read is an invalid row in its place; a fault of the whole is an error; no value is shown."""
    assert rows_of(TextRows(f"sep=;\na;b\n1\n{SECRET};2\n")) == [
        InvalidRow("has 1 field, and the header 2", "pasted text, line 3"),
        {"a": SECRET, "b": "2"},
    ]
    [row, _] = rows_of(TextRows("a,b\n1\n2,3"))
    assert (row.where.file, row.where.line, row.text) == ("pasted text", 2, "1")
    assert input_error(TextRows("a\ta\n1\t2")) == (
        "Columns 1 and 2 of pasted text have the same name. Name each differently."
    )
    assert "line 2: a quote is opened and never closed" in input_error(TextRows(f'a,b\n"{SECRET},1\n2,3'))
    assert input_error(TextRows(None)) == "The text of TextRows is None; it must be a text."  # type: ignore[arg-type]
    missing = "pasted text does not have the column 'phone', which the template names without a default."
    for header in ("name,age", f"{SECRET},+41 79 123"):
        with pytest.raises(InputError, match=missing) as caught:
            next(TextRows(f"{header}\nx,y").read_requiring(["phone"]))
        assert SECRET not in str(caught.value)
    with pytest.raises(InputError, match=r"give delimiter='\|'"):
        next(TextRows("name|phone\nx|y").read_requiring(["phone"]))
    assert rows_of(TextRows("name|phone\nx|y", delimiter="|")) == [{"name": "x", "phone": "y"}]


@pytest.mark.parametrize("delimiter", ["", "||", 7], ids=repr)
def test_delimiter_of_text_is_one_character(delimiter: Any) -> None:
    """What cannot be a delimiter fails when the Dag is read."""
    with pytest.raises(ValueError, match="delimiter is wrong"):
        TextRows("a", delimiter=delimiter)


# --- Lists --------------------------------------------------------------------------------------------------


def test_list_of_rows() -> None:
    """A row is a mapping whose columns have text for names; anything else is that row's fault."""
    from types import MappingProxyType

    rows = [{"a": 1}, MappingProxyType({"a": 2}), SECRET, None, {1: SECRET}, {"a": None}]
    assert rows_of(ListRows(rows)) == [
        {"a": 1},
        {"a": 2},
        InvalidRow("is of type str; a row is a dict of values by column"),
        InvalidRow("is None; a row is a dict of values by column"),
        InvalidRow("has a column whose name is of type int; names are text"),
        {"a": None},
    ]
    assert rows_of(ListRows([])) == []


def test_lists_of_rows_from_several_tasks() -> None:
    """An item that is a list of rows gives its rows."""
    assert rows_of(ListRows([[{"a": 1}, {"a": 2}], [], ({"a": 3},), {"a": 4}])) == [{"a": n} for n in range(1, 5)]


def test_output_of_a_mapped_task_is_fetched_in_parts() -> None:
    """A lazy sequence is asked for slices, one at a time, and never for all."""
    from collections.abc import Sequence as AbstractSequence

    asked: list[slice] = []

    class Lazy(AbstractSequence[Any]):
        def __len__(self) -> int:
            return 120

        def __getitem__(self, key: Any) -> Any:
            asked.append(key)
            return [{"n": n} for n in range(*key.indices(120))]

    source = source_of(Lazy())
    assert str(source) == "rows that tasks returned"
    assert asked == []
    reading = source.read()
    assert next(reading) == (1, {"n": 0})
    assert asked == [slice(0, 50)]
    assert [row["n"] for _, row in reading] == list(range(1, 120))
    assert asked == [slice(0, 50), slice(50, 100), slice(100, 150)]
    assert not source.can_be_read_twice, "what Airflow fetches is fetched once"


class Skip(Exception):  # noqa: N818  # stands for Airflow's, by its name
    """Raised by a function to leave an item out."""


Skip.__name__ = "AirflowSkipException"


def test_output_with_map_is_fetched_in_parts() -> None:
    """Functions of map() are called for each item; what one raises is that row's fault, reported without the row."""
    from collections.abc import Sequence as AbstractSequence

    asked: list[Any] = []

    class Lazy(AbstractSequence[Any]):
        def __len__(self) -> int:
            return 60

        def __getitem__(self, key: Any) -> Any:
            asked.append(key)
            return list(range(*key.indices(60)))

    class Mapped(AbstractSequence[Any]):
        value = Lazy()

        def __init__(self, *callables: Callable[[Any], Any]) -> None:
            self.callables = callables

        def __len__(self) -> int:
            return len(self.value)

        def __getitem__(self, key: Any) -> Any:
            raise AssertionError("each by itself costs a request")

    def row(number: int) -> dict[str, int]:
        if number == 1:
            raise ValueError(SECRET)
        if number == 2:
            raise Skip
        return {"n": number}

    found = rows_of(source_of(Mapped(row, lambda row: row | {"m": 2 * row["n"]})))
    assert found[0] == {"n": 0, "m": 0}
    assert found[2:] == [{"n": n, "m": 2 * n} for n in range(3, 60)]
    assert found[1].text == "1"
    assert re.fullmatch(r"the function given to map\(\) raised ValueError in line \d+", found[1].rule)
    assert asked == [slice(0, 50), slice(50, 100)]


def test_output_that_cannot_be_cut() -> None:
    """What zip() and concat() give is read item by item."""
    from collections.abc import Sequence as AbstractSequence

    class Uncut(AbstractSequence[Any]):
        def __len__(self) -> int:
            return 51

        def __getitem__(self, key: Any) -> Any:
            if key >= len(self):
                raise IndexError(key)
            return {"n": key}

    assert rows_of(source_of(Uncut())) == [{"n": n} for n in range(51)]
    both = source_of([{"n": -1}, Uncut()])
    assert rows_of(both) == [{"n": n} for n in range(-1, 51)]
    assert not both.can_be_read_twice, "what Airflow fetches is fetched once"


@pytest.mark.parametrize("rows", [[{"a": 1}], ({"a": 1},)])
def test_list_can_be_read_twice(rows: Sequence[Any]) -> None:
    """A list is still there after it was read."""
    source = source_of(rows)
    assert source.can_be_read_twice
    assert rows_of(source) == rows_of(source) == [{"a": 1}]


def test_iterator_can_be_read_once() -> None:
    """An iterator is gone after it was read, and says so."""
    source = source_of({"n": n} for n in range(3))
    assert not source.can_be_read_twice
    assert str(source) == "an iterator of rows"
    assert [row["n"] for row in rows_of(source)] == [0, 1, 2]


def test_source_is_itself() -> None:
    """A source stays what it is."""
    source = FileRows("a.csv")
    assert source_of(source) is source


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("orders.csv", "of type str. Give a list of dicts, .* For a file, write FileRows"),
        (b"", "of type bytes"),
        (None, "None. .* The task that it comes from returned nothing"),
        ({"a": SECRET}, r"of type dict. .* For one row, write \[row\]"),
        ({"a": 1}.values(), "of type dict_values"),
        (42, "of type int"),
    ],
    ids=str,
)
def test_what_is_no_source(value: Any, hint: str) -> None:
    """Other types are refused with what is accepted, and a hint where one is near."""
    with pytest.raises(InputError, match=f"^rows is {hint}") as caught:
        source_of(value)
    assert SECRET not in str(caught.value)


def test_data_frame_is_refused() -> None:
    """A DataFrame iterates over its columns, and is no list of rows; the error says how to make it one."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2]})
    with pytest.raises(InputError, match=r'to_dict\("records"\)'):
        source_of(frame)
    assert rows_of(source_of(frame.to_dict("records"))) == [{"a": 1}, {"a": 2}]


# --- Databases ----------------------------------------------------------------------------------------------


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection to a SQLite database with a table of orders; the value is its connection ID."""
    path = tmp_path / "orders.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE orders (id INTEGER, name TEXT, amount REAL, picture BLOB)")
        database.execute("INSERT INTO orders VALUES (1, ?, 1.5, x'00ff'), (2, NULL, NULL, NULL)", [SECRET])
    monkeypatch.setenv("AIRFLOW_CONN_ORDERS", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return "orders"


def test_sqlite(sqlite: str) -> None:
    """A query gives its rows by column, with Python's values; parameters and no rows at all are fine."""
    assert rows_of(SqlRows(sqlite, "SELECT * FROM orders ORDER BY id")) == [
        {"id": 1, "name": SECRET, "amount": 1.5, "picture": b"\x00\xff"},
        {"id": 2, "name": None, "amount": None, "picture": None},
    ]
    query = "SELECT id AS order_id FROM orders WHERE name = "
    assert rows_of(SqlRows(sqlite, f"{query}?", [SECRET])) == [{"order_id": 1}]
    assert rows_of(SqlRows(sqlite, f"{query}:name", {"name": SECRET})) == [{"order_id": 1}]
    assert rows_of(SqlRows(sqlite, f"{query}'100%s'")) == []
    assert not SqlRows(sqlite, query).can_be_read_twice


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT * FROM customers", "(OperationalError: no such table: customers)"),
        ("SELEKT 1", '(OperationalError: near "SELEKT": syntax error)'),
        ("SELECT * FROM orders WHERE name = ?", "(ProgrammingError: Incorrect number of bindings supplied"),
        ("SELECT 1; SELECT 2", "(ProgrammingError: You can only execute one statement at a time)"),
        ("SELECT 1 AS a, 'Zaphod' AS a", "Columns 1 and 2 of the result of SQL on conn_id orders have the same name."),
        ("DELETE FROM orders", "The SQL on conn_id orders does not return rows. Give a query (SELECT)."),
    ],
    ids=range(6),
)
def test_query_that_fails(sqlite: str, query: str, why: str) -> None:
    """The database's own words say what is wrong with a query; a statement that returns nothing changes nothing."""
    assert why in input_error(SqlRows(sqlite, query))
    assert len(rows_of(SqlRows(sqlite, "SELECT * FROM orders"))) == 2


def test_connection_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is not there, or leads to no database, is reported with its ID."""
    text = input_error(SqlRows("nowhere", "SELECT 1"))
    assert text.startswith("SQL on conn_id nowhere failed (AirflowNotFoundException: ")
    assert "the provider of its type is installed" in text
    monkeypatch.setenv("AIRFLOW_CONN_WEB", json.dumps({"conn_type": "http", "host": "127.0.0.1"}))
    assert input_error(SqlRows("web", "SELECT 1")) == (
        "The connection web leads to HttpHook, which is not the hook of a database with SQL. Check conn_id."
    )
    monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps({"conn_type": "no-such-type", "host": "127.0.0.1"}))
    assert "no_such_type" in input_error(SqlRows("odd", "SELECT 1"))


@pytest.fixture(params=["psycopg", "psycopg2"])
def warehouse(postgres: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection to the PostgreSQL through one of the drivers that Airflow's hook takes; its connection ID."""
    from airflow.providers.postgres.hooks import postgres as hook

    monkeypatch.setattr(hook, "USE_PSYCOPG3", request.param == "psycopg")
    connection = {"conn_type": "postgres", "host": postgres, "login": "postgres", "schema": "postgres"}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_DICTS", json.dumps(connection | {"extra": {"cursor": "dictcursor"}}))
    with contextlib.closing(database_hook("warehouse").get_conn()) as connected:
        assert type(connected).__module__.partition(".")[0] == request.param
    return "warehouse"


def test_postgresql(warehouse: str) -> None:
    """A query is read through a cursor on the server, with Python's values; parameters are the driver's."""
    query = """
        SELECT number, 'x' AS "order id", 1.50 AS amount, NULL AS none, DATE '2026-01-02' AS day, '\\x00ff'::bytea AS b,
            TIMESTAMPTZ '2026-01-02 03:04:05+00' AS at, number > 1 AS yes, ARRAY[1, 2] AS list, '{"a": 1}'::json AS json
        FROM generate_series(1, %s) AS number;
    """
    first, second = rows_of(SqlRows(warehouse, query, [2]))
    assert first == {
        "number": 1,
        "order id": "x",
        "amount": Decimal("1.50"),
        "none": None,
        "day": date(2026, 1, 2),
        "b": b"\x00\xff",
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "yes": False,
        "list": [1, 2],
        "json": {"a": 1},
    }
    assert type(first["b"]) is bytes
    assert (second["number"], second["yes"]) == (2, True)
    assert rows_of(SqlRows(warehouse, "SELECT 1 AS a WHERE '%s' = 'x'")) == []
    numbers = rows_of(SqlRows("dicts", "SELECT n FROM generate_series(1, %(to)s) AS n", {"to": 5_000}))
    assert numbers == [{"n": n} for n in range(1, 5_001)]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT 1 AS a, 2 AS a", "have the same name"),
        ("SELECT * FROM customers", '(UndefinedTable: relation "customers" does not exist)'),
        ("SELECT 'Zaphod'::int", "(InvalidTextRepresentation, SQLSTATE 22P02). Check"),
        ("SELECT 1 / (4000 - n) AS a FROM generate_series(1, 5000) AS n", "(DivisionByZero, SQLSTATE 22012). Check"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "failed ("),
        ("CREATE TABLE orders (name text)", "(SyntaxError: syntax error at or near"),
    ],
    ids=range(6),
)
def test_postgresql_query_that_fails(warehouse: str, query: str, why: str) -> None:
    """An error before or among the rows is reported, without the value that it is about."""
    assert why in input_error(SqlRows(warehouse, query))


def test_reading_that_stops_early(warehouse: str) -> None:
    """When nobody reads on, the connection is closed: no session stays open at the server."""
    reading = SqlRows(warehouse, "SELECT pg_backend_pid() AS pid FROM generate_series(1, 1000000)").read()
    _, row = next(reading)
    sessions = SqlRows(warehouse, "SELECT count(*) AS n FROM pg_stat_activity WHERE pid = %(pid)s", row)
    assert rows_of(sessions) == [{"n": 1}]
    reading.close()
    for _ in range(1_000):  # the server ends a session a moment after its client
        if rows_of(sessions) == [{"n": 0}]:
            break
    else:
        pytest.fail("the session is still there")


def test_postgresql_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that does not answer is reported with the connection's ID, and without its password."""
    connection = {"conn_type": "postgres", "host": str(tmp_path), "login": "postgres", "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps(connection))
    assert input_error(SqlRows("warehouse", "SELECT 1")).startswith("SQL on conn_id warehouse failed (OperationalError")


# --- Memory -------------------------------------------------------------------------------------------------

PEAK = """
import re, sys
from pathlib import Path
from airflow_connect.bulk.sources import FileRows, SqlRows
count = sum(1 for _ in eval(sys.argv[1]).read())
# Not ru_maxrss, which holds what the parent had when it started the process.
print(count, re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def peak_megabytes(source: str, rows: int) -> int:
    """Return the peak memory of a process that reads a source and nothing else."""
    done = subprocess.run([sys.executable, "-c", PEAK, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, kilobytes = map(int, done.stdout.split()[-2:])
    assert count == rows
    return kilobytes // 1024


on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@on_linux
@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl"])
def test_memory_does_not_grow_with_the_rows_of_a_file(write: Callable[..., str], kind: str) -> None:
    """A file a thousand times as long takes no more memory, beyond what reading takes anyway."""
    line = '{"a": 1, "b": "%s"}\n' if kind == "jsonl" else "1,%s\n"
    header = "" if kind == "jsonl" else "a,b\n"
    peaks = []
    for rows in (300, 300_000):
        content = (header + line % ("x" * 200) * rows).encode()
        path = write(f"{rows}.{kind}", gzip.compress(content, 1) if kind.endswith("gz") else content)
        peaks.append(peak_megabytes(f"FileRows({path!r})", rows))
    assert peaks[1] - peaks[0] <= 10


@on_linux
def test_memory_does_not_grow_with_the_rows_of_parquet(tmp_path: Path) -> None:
    """Of Parquet, one page of each column is held, also where a row group is large."""
    peaks = []
    for rows in (100_000, 1_000_000):
        path = str(tmp_path / f"{rows}.parquet")
        write_parquet(path, {"n": list(range(rows)), "text": ["x" * 200] * rows}, use_dictionary=False)
        peaks.append(peak_megabytes(f"FileRows({path!r})", rows))
    assert peaks[1] - peaks[0] <= 15


@on_linux
def test_memory_does_not_grow_with_the_rows_of_a_query(warehouse: str) -> None:
    """PostgreSQL's rows stay at the server until they are asked for; the driver alone would hold all of them."""
    query = "SELECT n, repeat('x', 200) AS text FROM generate_series(1, {}) AS n"
    few, many = (peak_megabytes(f"SqlRows('warehouse', {query.format(n)!r})", n) for n in (300, 300_000))
    assert many - few <= 10


def test_text_that_sqlite_cannot_decode_is_not_reported(sqlite: str) -> None:
    """SQLite quotes a text that is no UTF-8; the error names the column alone."""
    text = f"SELECT CAST(x'ff' || '{SECRET}' AS TEXT) AS name"
    assert "Could not decode to UTF-8 column 'name'" in input_error(SqlRows(sqlite, text))


def test_parquet_value_that_python_does_not_have(tmp_path: Path) -> None:
    """A date after the year 9999 is its row's fault, and the others are read."""
    pa = pytest.importorskip("pyarrow")
    days = pa.array([1, 5_000_000, 2], pa.int32()).cast(pa.date32())
    path = write_parquet(str(tmp_path / "a.parquet"), {"day": days, "name": [SECRET] * 3})
    [first, second, third] = rows_of(FileRows(path))
    assert (first["day"], third["day"]) == (date(1970, 1, 2), date(1970, 1, 3))
    assert isinstance(second, InvalidRow)
    assert second.rule.startswith("column 'day' has a value that cannot be read")


def test_a_deque_is_rows() -> None:
    """A sequence that cannot be cut is read all the same."""
    assert rows_of(source_of(deque([{"a": 1}, {"a": 2}]))) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("12.50"), "12.50"),
        (Decimal("12.0"), "12.0"),
        (Decimal("-0.12345678901234567890"), "-0.12345678901234567890"),
        (Written("1.50"), "1.50"),
        (12.0, "12"),
        (10**30, "1" + "0" * 30),
        (True, "true"),
        ("12.50", "12.50"),
        ("Köln".encode(), "Köln"),
        (date(2026, 3, 1), "2026-03-01"),
        (b"\xff", None),
        (timedelta(1), None),
        ([1], None),
    ],
    ids=str,
)
def test_what_is_read_back_makes_the_same_contact(tmp_path: Path, value: Any, text: str | None) -> None:
    """A value has the same form as text after it was written for another run, and what has none gets none."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(json_line({"value": value}))
    [row] = rows_of(FileRows(str(path)))
    assert (text_of(value), text_of(row["value"])) == (text, text)
    assert text is None or isinstance(row["value"], str) is isinstance(value, str | bytes | date)


def test_json_numbers_arrive_as_they_are_written(write: Callable[..., str]) -> None:
    """With their zeros and all their digits, as numbers that calculate; an exponent is written out."""
    numbers = {
        "12.50": "12.50",
        "12.00": "12.00",
        "12.0": "12",  # as every float is written that is whole, and where another day's file has 12
        "-0.10": "-0.10",
        "0.1": "0.1",
        "12345678901234567890": "12345678901234567890",
        "12345678901234567890.12": "12345678901234567890.12",
        "0.12345678901234567890": "0.12345678901234567890",
        "1.50e3": "1500",
        "1e-7": "0.0000001",
        "1e-330": f"0.{'0' * 329}1",  # too small for a float, and the next too large
        "11e401": f"11{'0' * 401}",
    }
    path = write("a.jsonl", "".join(f'{{"a": {number}}}\n' for number in numbers))
    rows = rows_of(FileRows(path))
    assert [text_of(row["a"]) for row in rows] == list(numbers.values())
    assert [float(row["a"] * 2) for row in rows] == [float(number) * 2 for number in numbers]


def test_a_row_as_a_line_is_read_back(tmp_path: Path) -> None:
    """What is written for another run can be read by it: missing values, times, keys and numbers of all kinds."""
    row = {
        "id": 17,
        "amount": Decimal("12.50"),
        "nan": math.nan,
        "huge": math.inf,
        "at": datetime(2026, 3, 1, tzinfo=UTC),
        "name": 'a\n"\u2028é\ud800',
        "nested": {("a", 1): (1, None, {2.5: True})},
    }
    path = tmp_path / "a.jsonl"
    path.write_bytes(json_line(row) * 2)
    assert (
        rows_of(FileRows(str(path)))
        == [
            {
                "id": 17,
                "amount": 12.5,
                "nan": None,
                "huge": {"float": "inf"},
                "at": "2026-03-01T00:00:00+00:00",
                "name": row["name"],
                "nested": {"('a', 1)": [1, None, {"2.5": True}]},
            }
        ]
        * 2
    )


@pytest.mark.parametrize(
    ("scheme", "install"),
    [
        ("s3", "apache-airflow-providers-amazon[s3fs]"),
        ("abfs", "apache-airflow-providers-microsoft-azure"),
        ("gs", "apache-airflow-providers-google"),
        ("tape", "the provider of Airflow that knows tape://"),
    ],
)
def test_a_store_without_its_package_names_it(scheme: str, install: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For rows and for the record of a run."""
    monkeypatch.setitem(sys.modules, "s3fs", None)
    path = f"{scheme}://bucket-without-package/a.jsonl"
    expected = f"is in a store whose package is not installed here. Install {install} where the task runs."
    assert expected in input_error(FileRows(path))
    with pytest.raises(SetupError) as caught:
        place_of(path)
    assert str(caught.value).startswith(path)
    assert str(caught.value).endswith(expected)
