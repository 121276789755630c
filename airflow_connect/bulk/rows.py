"""
Where rows come from: a list, files, or a database; each row as a dict, one at a time.

A source is an argument in a DAG file: it is cheap to make, opens nothing before :meth:`RowSource.read`, and its text
names no content. What is wrong with one row is an :class:`InvalidRow` in its place, so that a reader finds the faults
of all rows; what is wrong with the whole input raises :class:`~airflow_connect.api.errors.InputError`.

Whatever is read is streamed: memory does not grow with the number of rows.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import glob
import gzip
import importlib
import io
import json
import math
import os
import re
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Final, Literal, NamedTuple, Protocol, runtime_checkable

from airflow_connect.api.errors import InputError
from airflow_connect.api.fields import is_absent, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FileRows", "InvalidRow", "ListRows", "RowSource", "SqlRows", "Values", "json_line", "source_of"]

#: A row: its values by column.
Values = dict[str, Any]

#: Bytes that are asked of a file at a time; of a store, each is a request.
_BLOCK: Final = 1 << 18
_STORE_BLOCK: Final = 4 << 20
_COLUMN_BLOCK: Final = 1 << 16
#: Characters of a CSV field: above a megabyte by far, and far below what a quote that is never closed would swallow.
_FIELD_LIMIT: Final = 16 << 20
#: Rows that are held at a time where they come in batches.
_BATCH: Final = 2_000
#: Items of a mapped task's output that are fetched at a time: each may be a list of rows.
_XCOM_BATCH: Final = 50


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
    What rows are read from. ``str()`` of it identifies it and tells no content.

    ``can_be_read_twice`` is false where a second reading may give other rows: a database, an iterator.
    """

    @property
    def can_be_read_twice(self) -> bool:
        """Whether a second reading gives the same rows, as long as nobody changes them."""

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Open the source and return its rows one by one, with their numbers from 1, through all files.

        :raises InputError: if the input as a whole cannot be read; also in the middle, if it breaks off
        """


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
        hint = " For a file, write FileRows(path)."
    elif hasattr(value, "to_dict"):
        hint = ' For a DataFrame, write frame.to_dict("records").'
    elif value is None:
        hint = " The task that it comes from returned nothing."
    elif isinstance(value, Mapping):
        hint = " For one row, write [row]."
    raise InputError(
        f"rows is {_type_name(value)}. Give a list of dicts, the output of a task that returns one, FileRows or"
        f" SqlRows.{hint}"
    )


def json_line(values: Values) -> bytes:
    """
    Return a row as a line that :class:`FileRows` reads back as a row that makes the same contact.

    :param values: the row, of which times and other values that JSON does not have are written as they would be sent
    """
    return f"{json.dumps(_jsonable(values))}\n".encode()


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if is_absent(value):
        return None
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return text_of(value) or str(value)


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
                yield number, _from_mapping(row, number)

    def _items(self) -> Iterable[Any]:
        if isinstance(self.rows, list | tuple | Iterator):
            return self.rows
        # Item by item, a mapped task's output costs a request each.
        starts = range(0, len(self.rows), _XCOM_BATCH)
        return chain.from_iterable(self.rows[start : start + _XCOM_BATCH] for start in starts)


def _from_mapping(row: Any, number: int) -> Values | InvalidRow:
    if not isinstance(row, Mapping):
        return InvalidRow(f"is {_type_name(row)}; a row is a dict of values by column", f"row {number}")
    values = row if type(row) is dict else dict(row)
    for name in values:
        if not isinstance(name, str):
            return InvalidRow(f"has a column whose name is {_type_name(name)}; names are text", f"row {number}")
    return values


def _type_name(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"


# --- Files --------------------------------------------------------------------------------------------------

Format = Literal["csv", "jsonl", "parquet"]
_FORMATS: Final[Mapping[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
#: What the first bytes of a file tell, where a text is expected.
_NO_TEXT: Final[Mapping[bytes, str]] = {
    b"PK\x03\x04": "is a ZIP archive or an Excel workbook. Save it as CSV.",
    b"PAR1": 'is a Parquet file. Give format="parquet".',
    b"\x28\xb5\x2f\xfd": "is compressed with zstd. Unpack it, or compress it with gzip.",
    b"\xfd7zXZ\x00": "is compressed with xz. Unpack it, or compress it with gzip.",
}


_PATTERN: Final = re.compile(r"[*?[]")
#: What keeps a path in a DAG file from being that of a file: a template, or a pattern.
_NOT_FINAL: Final = re.compile(r"{{|{%|[*?[]")


class _File(NamedTuple):
    name: str
    open: Callable[[], Any]


@dataclass(repr=False)
class FileRows:
    """
    Rows in files: CSV, JSON Lines or Parquet, plain or compressed with gzip, local or in a store.

    Several files are read in the order of their names, each with a header of its own. What a value is, the format
    says: text in CSV, also where a field is empty; JSON's types; Python's for those of Parquet.

    :param path: a file, or a pattern with ``*``, ``?``, ``[…]`` or ``**`` for several; a local path, or one of any
        store that Airflow's `ObjectStoragePath
        <https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/objectstorage.html>`__ knows, as
        ``s3://bucket/orders/*.csv`` (templated)
    :param conn_id: Airflow's connection to the store (templated)
    :param format: ``csv``, ``jsonl`` or ``parquet``; default: by the path's suffix, which ``.gz`` may follow
    :param encoding: of CSV and JSON Lines, by Python's name; a byte order mark is skipped
    :param delimiter: of CSV; default: a comma, and a tab for ``.tsv``
    :param quotechar: of CSV
    :param escapechar: of CSV, default: none; a quote within quotes is doubled
    :param quoting: of CSV: ``csv.QUOTE_MINIMAL``, or ``csv.QUOTE_NONE`` where quotes mean nothing
    :raises ValueError: if an option is none, or the path's suffix says no format
    """

    template_fields: ClassVar[Sequence[str]] = ("path", "conn_id")
    can_be_read_twice: ClassVar[bool] = True

    path: str
    _: dataclasses.KW_ONLY
    conn_id: str | None = None
    format: Format | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    quotechar: str = '"'
    escapechar: str | None = None
    quoting: Literal[0, 1, 3] = csv.QUOTE_MINIMAL

    def __post_init__(self) -> None:
        # An XComArg is rendered to a text later.
        if isinstance(self.path, os.PathLike) or hasattr(self.path, "conn_id"):
            self.conn_id = self.conn_id or getattr(self.path, "conn_id", None)
            self.path = str(self.path)
        if self.format not in (None, *_FORMATS.values()):
            raise ValueError(f"format is {self.format!r}; give csv, jsonl or parquet.")
        if self.quoting not in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE):
            raise ValueError(
                "quoting is to be csv.QUOTE_MINIMAL, csv.QUOTE_ALL or csv.QUOTE_NONE: what a CSV file holds stays text."
            )
        try:
            " ".encode(self.encoding)
        except LookupError:
            raise ValueError(f"encoding is {self.encoding!r}, which Python does not know for text.") from None
        try:
            self._csv_reader([], "")
        except (TypeError, ValueError) as error:
            raise ValueError(f"delimiter, quotechar or escapechar is wrong: {error}.") from None
        if isinstance(self.path, str) and not _NOT_FINAL.search(self.path):
            try:
                self._format_of(self.path)
            except InputError as error:
                raise ValueError(str(error)) from None

    def __repr__(self) -> str:
        given = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)[1:]
            if getattr(self, field.name) != field.default
        ]
        return f"FileRows({', '.join([repr(self.path), *given])})"

    def __str__(self) -> str:
        return str(self.path)

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Open the files one after the other and return their rows, with their numbers from 1, through all files.

        :raises InputError: if no file is there, or one cannot be read
        """
        with contextlib.closing(self._rows()) as rows:
            yield from enumerate(rows, 1)

    def _rows(self) -> Generator[Values | InvalidRow]:
        for file in self._files():
            try:
                yield from self._rows_of(file)
            except InputError:
                raise
            except Exception as error:  # each store raises its own
                raise self._unreadable(file.name, error) from error

    def _format_of(self, path: str) -> Format:
        if self.format:
            return self.format
        suffixes = _suffixes(path)
        if not suffixes or suffixes == [".parquet", ".gz"] or suffixes[0] not in _FORMATS:
            raise InputError(
                f"{path}: its suffix says no format. Give format=, which is csv, jsonl or parquet, or name files"
                " *.csv, *.tsv, *.jsonl or *.ndjson, which .gz may follow, or *.parquet."
            )
        return _FORMATS[suffixes[0]]

    # --- Which files ---

    def _files(self) -> list[_File]:
        path: Any = self.path
        if not isinstance(path, str) or not path.strip():
            raise InputError(f"The path of FileRows is {_type_name(path) if path else 'empty'}; it is to be a text.")
        scheme, separator, rest = path.partition("://")
        try:
            if separator and scheme != "file":
                files, is_folder = self._files_of_store(scheme, rest)
            else:
                files, is_folder = _local_files(rest if separator else path)
        except Exception as error:  # each store raises its own
            raise self._unreadable(path, error) from error
        if is_folder:
            raise InputError(f"{path} is a folder. Name the files in it that are to be read: {path.rstrip('/')}/*.csv.")
        if not files:
            raise InputError(
                f"No file matches {path}. Check the path{'' if separator else ', on the worker that runs the task'}."
            )
        return files

    def _files_of_store(self, scheme: str, rest: str) -> tuple[list[_File], bool]:
        from airflow_connect._compat import storage_path

        root, _, key = rest.partition("/")
        # The connection's ID may stand before the bucket, which not every version reads when none is given apart.
        in_path, _, bucket = root.rpartition("@")
        store = storage_path(f"{scheme}://{bucket}", self.conn_id or in_path or None).fs
        path = store._strip_protocol(f"{scheme}://{bucket}/{key}")  # noqa: SLF001  # as fsspec's own functions do
        # What this process listed before may be old.
        store.invalidate_cache()
        found = store.glob(path, detail=True) if _PATTERN.search(path) else {}
        names = sorted(name for name, about in found.items() if about["type"] == "file")
        if not found:
            # isfile() would take a path without access for one without a file.
            with contextlib.suppress(FileNotFoundError):
                if store.info(path)["type"] == "directory":
                    return [], True
                names = [path]
        return [
            _File(store.unstrip_protocol(name), partial(store.open, name, "rb", block_size=_STORE_BLOCK))
            for name in names
        ], False

    def _unreadable(self, name: str, error: Exception) -> InputError:
        connection = f"the connection {self.conn_id}" if self.conn_id else "the worker"
        is_store = "://" in name
        if isinstance(error, FileNotFoundError):
            return InputError(f"There is no {name}{'' if is_store else ' on the worker that runs the task'}.")
        if isinstance(error, PermissionError):
            listing = ", and to list it where the path is a pattern" if is_store else ""
            return InputError(f"Access to {name} is denied. Allow {connection} to read it{listing}.")
        if isinstance(error, EOFError | gzip.BadGzipFile | zlib.error):
            return InputError(f"{name} is compressed with gzip, and cut off or damaged. Write it anew.")
        if isinstance(error, ImportError):
            return InputError(f"{name} cannot be read: {_first_line(error)}. Install it where the task runs.")
        what = f"{type(error).__name__}: {_first_line(error)}"
        return InputError(f"{name} cannot be read ({what}). Check the path, and that {connection} can read it.")

    # --- What is in a file ---

    def _rows_of(self, file: _File) -> Iterator[Values | InvalidRow]:
        format_ = self._format_of(file.name)
        if format_ == "parquet":
            with file.open() as plain:
                yield from _parquet_rows(plain, file.name)
            return
        with self._unpacked(file) as binary:
            start = binary.peek(_BLOCK)
            for magic, what in _NO_TEXT.items():
                if start.startswith(magic):
                    raise InputError(f"{file.name} {what}")
            if self._codec == "utf-8-sig" and start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(f'{file.name} is UTF-16. Give encoding="utf-16".')
            if format_ == "jsonl" and start.lstrip(codecs.BOM_UTF8 + b" \t\r\n").startswith(b"["):
                raise InputError(
                    f"{file.name} is a JSON array. Write one object a line (JSON Lines), without brackets and commas"
                    " around them."
                )
            text = io.TextIOWrapper(binary, self._codec, newline="")
            rows = self._csv_rows(text, file.name) if format_ == "csv" else _json_rows(text, file.name)
            try:
                yield from rows
            except UnicodeDecodeError:
                raise self._undecodable(file) from None

    @property
    def _codec(self) -> str:
        name = codecs.lookup(self.encoding).name
        return "utf-8-sig" if name == "utf-8" else name

    @contextlib.contextmanager
    def _unpacked(self, file: _File) -> Iterator[io.BufferedReader[Any]]:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(file.open())
            # The files of most stores cannot peek, and are slow in small pieces.
            binary = plain if isinstance(plain, io.BufferedReader) else io.BufferedReader(plain, _BLOCK)
            if binary.peek(2).startswith(b"\x1f\x8b"):
                unpacked: Any = stack.enter_context(gzip.GzipFile(fileobj=binary))
                binary = io.BufferedReader(unpacked, _BLOCK)
            yield binary

    def _csv_reader(self, lines: Iterable[str], name: str) -> Any:
        return csv.reader(
            lines,
            delimiter=self.delimiter or ("\t" if ".tsv" in _suffixes(name) else ","),
            quotechar=self.quotechar,
            escapechar=self.escapechar,
            quoting=self.quoting,
            strict=True,
        )

    def _csv_rows(self, text: Iterable[str], name: str) -> Iterator[Values | InvalidRow]:
        # The limit is the process's. It is raised, and not lowered again: another thread may be reading too.
        csv.field_size_limit(max(csv.field_size_limit(), _FIELD_LIMIT))
        reader = self._csv_reader(text, name)
        try:
            first: list[str] = next(filter(None, reader), [])
        except csv.Error as error:
            raise InputError(f"The header of {name} cannot be read: {_csv_rule(error)}.") from None
        header = _column_names(first, name)
        width = len(header)
        line = reader.line_num
        while True:
            try:
                for cells in reader:
                    if len(cells) == width:
                        yield dict(zip(header, cells))  # noqa: B905  # strict= costs a third, and they are as many
                    elif cells:  # a blank line is no row
                        fields = "1 field" if len(cells) == 1 else f"{len(cells)} fields"
                        yield InvalidRow(f"has {fields}, and the header {width}", f"{name}, line {line + 1}")
                    line = reader.line_num
            except csv.Error as error:
                rule, where = _csv_rule(error), f"{name}, line {line + 1}"
                if not _is_of_one_line(error):
                    raise InputError(f"{where}: {rule}.") from None
                yield InvalidRow(rule, where)
                # The reader goes on with the next line.
                line = reader.line_num
            else:
                return

    def _undecodable(self, file: _File) -> InputError:
        """Return the error for a file in another encoding, with the place, which the text's reader does not know."""
        decoder = codecs.getincrementaldecoder(self._codec)()
        line, position = 1, 0
        with self._unpacked(file) as binary:
            while block := binary.read(_BLOCK):
                pending = len(decoder.getstate()[0])
                try:
                    line += decoder.decode(block).count("\n")
                except UnicodeDecodeError as error:
                    good = max(0, error.start - pending)
                    line += decoder.decode(block[:good]).count("\n")
                    position += good
                    break
                position += len(block)
        return InputError(
            f"{file.name} is not {self.encoding}: line {line}, byte {position + 1:,} of the file. Give its encoding="
            ' (files from Excel are often "cp1252"), or write it as UTF-8.'
        )


_CSV_RULES: Final[Mapping[str, str]] = {
    "unexpected end of data": "a quote is opened and never closed",
    "field larger than field limit": f"a field has more than {_FIELD_LIMIT:,} characters, or a quote is never closed",
    "expected after": "a field goes on after its closing quote; quote all of it, and double the quotes in it",
}


def _csv_rule(error: csv.Error) -> str:
    return next((rule for words, rule in _CSV_RULES.items() if words in str(error)), f"is no CSV: {error}")


def _is_of_one_line(error: csv.Error) -> bool:
    """Tell whether the next line is a row again, which none is within a quote that is never closed."""
    return "expected after" in str(error)


def _suffixes(path: str) -> list[str]:
    """Return the last suffix of a path in small letters, with the one before ``.gz``."""
    suffixes = [suffix.lower() for suffix in Path(path.rstrip("/")).suffixes]
    return suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:]


def _local_files(path: str) -> tuple[list[_File], bool]:
    if Path(path).is_dir():
        return [], True
    names = [path]
    if _PATTERN.search(path) and not Path(path).exists():
        names = sorted(name for name in glob.iglob(path, recursive=True) if Path(name).is_file())  # noqa: PTH207
    return [_File(name, partial(Path(name).open, "rb", _BLOCK)) for name in names], False


def _column_names(names: Iterable[Any], where: str) -> list[str]:
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


class _RefusedError(ValueError):
    """What Python's JSON reads, and JSON does not have, or leaves open."""


def _refuse_constant(constant: str) -> Any:
    raise _RefusedError(f"has {constant}, which JSON does not know")


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _RefusedError("has a name twice in an object")
    return values


_JSON: Final = json.JSONDecoder(object_pairs_hook=_unique_names, parse_constant=_refuse_constant)


def _json_rows(text: Iterable[str], name: str) -> Iterator[Values | InvalidRow]:
    decode = _JSON.decode
    for line, content in enumerate(text, 1):
        content = content.rstrip()  # noqa: PLW2901  # a line end would be told as a part of an unfinished text
        try:
            values = decode(content)
        except (ValueError, RecursionError) as error:
            if content:  # a blank line is no row
                yield InvalidRow(_json_rule(error), f"{name}, line {line}")
            continue
        if type(values) is dict:
            yield values
        else:
            yield InvalidRow(f"is {_type_name(values)}, and no JSON object", f"{name}, line {line}")


def _json_rule(error: ValueError | RecursionError) -> str:
    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return f"is no JSON: {error.msg} (column {error.colno})"
    return "is nested too deep" if isinstance(error, RecursionError) else "has a number of too many digits"


def _parquet_rows(binary: BinaryIO, name: str) -> Iterator[Values | InvalidRow]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{name} is Parquet, which needs pyarrow. Install airflow-provider-amazon-connect[parquet] where the task"
            " runs."
        ) from None
    pool = pyarrow.default_memory_pool()
    # Without a buffer, a column of a whole row group is read at once.
    with pyarrow.parquet.ParquetFile(binary, buffer_size=_COLUMN_BLOCK, pre_buffer=False) as file:
        names = _column_names(file.schema_arrow.names, name)
        for batch in file.iter_batches(_BATCH, use_threads=False):
            try:
                columns = [_microseconds(column).to_pylist() for column in batch.columns]
            except (ValueError, OverflowError):
                yield from _one_by_one(batch, names, name)
                continue
            for values in zip(*columns, strict=True):
                yield dict(zip(names, values))  # noqa: B905  # as above
            # Arrow keeps pages that it has done with, some twenty megabytes of them.
            pool.release_unused()


def _one_by_one(batch: Any, names: list[str], name: str) -> Iterator[Values | InvalidRow]:
    """Yield the rows of a batch in which a value is none that Python knows: a date after the year 9999, no UTF-8."""
    columns = list(map(_microseconds, batch.columns))
    for index in range(batch.num_rows):
        values = {}
        for column_name, column in zip(names, columns, strict=True):
            try:
                values[column_name] = column[index].as_py()
            except (ValueError, OverflowError) as error:
                rule = f"column {column_name!r} has a value that cannot be read ({type(error).__name__})"
                yield InvalidRow(rule, name)
                break
        else:
            yield values


def _microseconds(column: Any) -> Any:
    """Return a column of times as Python has them. What is finer would be pandas' types, where pandas is installed."""
    import pyarrow as pa

    if getattr(column.type, "unit", None) != "ns":
        return column
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column.cast(pa.time64("us") if pa.types.is_time(column.type) else pa.duration("us"), safe=False)


# --- Databases ----------------------------------------------------------------------------------------------


@dataclass(repr=False)
class SqlRows:
    """
    Rows that a database returns, through the hook of any SQL provider of Airflow.

    PostgreSQL and MySQL are read through a cursor on the server; others in batches, where it is for the driver to say
    whether it holds the result. The query runs once: its rows are kept on local disk for the second reading. Nothing
    is committed.

    :param conn_id: Airflow's connection to the database (templated)
    :param sql: a query, whose columns are named, each differently (templated)
    :param parameters: values for the placeholders in the query, in the driver's style: ``%s`` for PostgreSQL and
        MySQL, ``?`` for SQLite (templated)
    """

    template_fields: ClassVar[Sequence[str]] = ("conn_id", "sql", "parameters")
    can_be_read_twice: ClassVar[bool] = False

    conn_id: str
    sql: str
    parameters: Sequence[Any] | Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        parameters = "" if self.parameters is None else ", parameters=…"
        return f"SqlRows({self.conn_id!r}, {self.sql!r}{parameters})"

    def __str__(self) -> str:
        return f"SQL on conn_id {self.conn_id}"

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Run the query and return its rows one by one, with their numbers from 1.

        :raises InputError: if the connection or the query fails, or two columns have one name
        """
        with contextlib.closing(self._rows()) as rows:
            yield from enumerate(rows, 1)

    def _rows(self) -> Generator[Values]:
        try:
            # The cursor goes with the connection: closed by itself, some read all that is left first.
            with contextlib.closing(self._connect()) as connection:
                cursor = _streaming_cursor(connection)
                cursor.execute(*((self.sql,) if self.parameters is None else (self.sql, self.parameters)))
                # psycopg2 knows the columns of a cursor on the server only after it has fetched.
                batch = cursor.fetchmany(_BATCH)
                names = self._names(cursor)
                while batch:
                    for values in batch:
                        yield dict(zip(names, map(_plain, values), strict=True))
                    batch = cursor.fetchmany(_BATCH)
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001  # each driver raises its own
            raise self._failed(error) from None

    def _connect(self) -> Any:
        from airflow_connect._compat import database_hook

        hook = database_hook(self.conn_id)
        # As DbApiHook has it, which not every hook for a database is made of.
        if not hasattr(hook, "get_records"):
            raise InputError(
                f"The connection {self.conn_id} leads to {type(hook).__name__}, which is no hook of a database with"
                " SQL. Check conn_id."
            )
        return hook.get_conn()

    def _names(self, cursor: Any) -> list[str]:
        if not cursor.description:
            raise InputError(f"The {self} returns no rows; it is to be a query.")
        return _column_names([column[0] for column in cursor.description], f"the result of {self}")

    def _failed(self, error: Exception) -> InputError:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        # SQLite quotes a text that is no UTF-8.
        words = f": {_first_line(error).partition(' with text ')[0]}" if kinds & _TELL_NO_VALUE else ""
        return InputError(
            f"{self} failed ({type(error).__name__}{words}). Check sql, parameters and the"
            " connection, and that the provider of its type is installed."
        )


#: Errors of Airflow and of databases (PEP 249) that are about the query or the connection. Others quote values.
_TELL_NO_VALUE: Final = {"AirflowException", "ImportError", "InterfaceError", "OperationalError", "ProgrammingError"}


def _streaming_cursor(connection: Any) -> Any:
    """Return a cursor that does not hold the whole result here, where the driver has one."""
    name = "airflow_connect_rows"
    # Airflow's connection may ask for cursors that give rows as dicts, of which two columns of one name make one.
    match type(connection).__module__.partition(".")[0]:
        case "psycopg":
            return connection.cursor(name, row_factory=importlib.import_module("psycopg.rows").tuple_row)
        case "psycopg2":
            return connection.cursor(name, cursor_factory=importlib.import_module("psycopg2.extensions").cursor)
        case "MySQLdb" | "pymysql" as driver:
            return connection.cursor(importlib.import_module(f"{driver}.cursors").SSCursor)
        case _:
            return connection.cursor()


def _plain(value: Any) -> Any:
    """Return the bytes of a binary value, for which some drivers give a view of their memory."""
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return line if len(line) <= 300 else f"{line[:300]}…"
