"""Rows in files: which files, and how each is opened and read."""

from __future__ import annotations

import codecs
import contextlib
import csv
import dataclasses
import glob
import gzip
import io
import os
import re
import zlib
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from airflow_connect.api.errors import InputError
from airflow_connect.bulk.sources.base import InvalidRow, Values, first_line, type_name
from airflow_connect.bulk.sources.csv_files import QUOTING, SEPARATOR, Dialect, rows_of_csv
from airflow_connect.bulk.sources.json_lines import rows_of_json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence

__all__ = ["FileRows"]

#: Bytes that are read from a file at a time; from a store, each read is a request.
_BLOCK: Final = 1 << 18
_STORE_BLOCK: Final = 4 << 20

Format = Literal["csv", "jsonl", "parquet"]
_FORMATS: Final[Mapping[str, Format]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
#: What the first bytes of a file mean if a text is expected.
_NO_TEXT: Final[Mapping[bytes, str]] = {
    b"PK\x03\x04": "is a ZIP archive or an Excel workbook. Save it as CSV.",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is an Excel workbook. Save it as CSV.",
    b"PAR1": 'is a Parquet file. Give format="parquet".',
    b"\x28\xb5\x2f\xfd": "is compressed with zstd. Unpack it, or compress it with gzip.",
    b"BZh91AY&SY": "is compressed with bzip2. Unpack it, or compress it with gzip.",
    b"\xfd7zXZ\x00": "is compressed with xz. Unpack it, or compress it with gzip.",
}


#: How a page of a server begins.
_PAGES: Final = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--", b"<error")

#: What an encoding's file may begin with. The longer marks come first: one begins as another one does.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
#: Which of four bytes are mostly zero in text of an encoding.
_WIDE: Final = (("utf-32-le", (1, 2, 3)), ("utf-32-be", (0, 1, 2)), ("utf-16-le", (1, 3)), ("utf-16-be", (0, 2)))

_PATTERN: Final = re.compile(r"[*?[]")
#: What a path in a Dag file that is not yet that of a file contains: a template, or a pattern.
_NOT_FINAL: Final = re.compile(r"{{|{%|[*?[]")


class _File(NamedTuple):
    name: str
    open: Callable[[], Any]


@dataclass(repr=False)
class FileRows:
    """
    Rows in files: CSV, JSON Lines or Parquet, plain or compressed with gzip, local or in a store.

    Several files are read in the order of their names, each with a header of its own. The format determines the types
    of values: text in CSV, also if a field is empty; JSON's types; Python's for those of Parquet.

    :param path: a file, or a pattern with ``*``, ``?``, ``[…]`` or ``**`` for several; a local path, or one of any
        store that Airflow's `ObjectStoragePath
        <https://airflow.apache.org/docs/apache-airflow/stable/core-concepts/objectstorage.html>`__ knows, as
        ``s3://bucket/orders/*.csv`` (templated)
    :param conn_id: Airflow's connection to the store (templated)
    :param format: ``csv``, ``jsonl`` or ``parquet``; default: by the path's suffix, which ``.gz`` may follow
    :param encoding: the encoding of CSV and JSON Lines, by Python's name; a byte order mark is skipped
    :param delimiter: what separates the fields of CSV; default: the one of a first line ``sep=;``, as Excel has it,
        else a comma, and a tab for ``.tsv``
    :param quotechar: the quote character of CSV
    :param escapechar: the escape character of CSV; default: none, a quote within quotes is doubled
    :param quoting: how CSV quotes: ``csv.QUOTE_MINIMAL``, or ``csv.QUOTE_NONE`` if quotes are plain characters
    :raises ValueError: if an option is wrong, or the path's suffix does not say the format
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
        if self.quoting not in QUOTING:
            raise ValueError(
                "quoting must be csv.QUOTE_MINIMAL, csv.QUOTE_ALL or csv.QUOTE_NONE: what a CSV file holds stays text."
            )
        try:
            " ".encode(self.encoding)
        except LookupError:
            raise ValueError(f"encoding is {self.encoding!r}, which Python does not know for text.") from None
        try:
            self._dialect("").reader([])
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

    def describe(self) -> str:
        """Return what Airflow's UI shows: the path."""
        return str(self)

    def dataset(self) -> list[tuple[str, str]]:
        """
        Return OpenLineage's name of the files.

        ``s3://conn_id@bucket/key`` is ``s3://bucket`` and ``key``: Airflow's connection is not part of the name.
        """
        scheme, separator, rest = str(self.path).partition("://")
        if not separator or scheme == "file":
            return [("file", str(Path(rest if separator else self.path).absolute()))]
        authority, _, key = rest.partition("/")
        return [(f"{scheme}://{authority.rpartition('@')[2]}", key or "/")]

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Open the files one after the other and return their rows, with their numbers from 1, through all files.

        :raises InputError: if the path matches no file, or one cannot be read
        """
        return self.read_requiring(())

    def read_requiring(self, columns: Collection[str]) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Return the rows as :meth:`read` does, if the header of each file has these columns.

        JSON Lines does not have a header: there a missing column is the fault of each row that lacks it.

        :param columns: their names
        :raises InputError: as for :meth:`read`; and before the first row of a file whose header lacks a column
        """
        with contextlib.closing(self._rows(columns)) as rows:
            yield from enumerate(rows, 1)

    def _rows(self, required: Collection[str]) -> Generator[Values | InvalidRow]:
        for file in self._files():
            try:
                yield from self._rows_of(file, required)
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
                f"The suffix of {path} does not say the format. Give format=, which is csv, jsonl or parquet, or name"
                " files *.csv, *.tsv, *.jsonl or *.ndjson, which .gz may follow, or *.parquet."
            )
        return _FORMATS[suffixes[0]]

    # --- Which files ---

    def _files(self) -> list[_File]:
        path: Any = self.path
        if not isinstance(path, str) or not path.strip():
            raise InputError(f"The path of FileRows is {type_name(path) if path else 'empty'}; it must be a text.")
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
        # The connection's ID may be before the bucket, which not every version reads if conn_id is not given.
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
            return InputError(f"{name} does not exist{'' if is_store else ' on the worker that runs the task'}.")
        if isinstance(error, PermissionError):
            listing = ", and to list it if the path is a pattern" if is_store else ""
            return InputError(f"Access to {name} is denied. Allow {connection} to read it{listing}.")
        if isinstance(error, EOFError | gzip.BadGzipFile | zlib.error):
            return InputError(f"{name} is compressed with gzip, and cut off or damaged. Write it anew.")
        if isinstance(error, ImportError):
            return InputError(str(error))
        what = f"{type(error).__name__}: {first_line(error)}"
        return InputError(f"{name} cannot be read ({what}). Check the path, and that {connection} can read it.")

    # --- What is in a file ---

    def _rows_of(self, file: _File, required: Collection[str]) -> Iterator[Values | InvalidRow]:
        format_ = self._format_of(file.name)
        if format_ == "parquet":
            from airflow_connect.bulk.sources.parquet_files import rows_of_parquet

            with file.open() as plain:
                yield from rows_of_parquet(plain, file.name, required)
            return
        with self._unpacked(file) as binary:
            start = binary.peek(_BLOCK)
            for magic, what in _NO_TEXT.items():
                if start.startswith(magic):
                    raise InputError(f"{file.name} {what}")
            if start.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:9].lower().startswith(_PAGES):
                raise InputError(
                    f"{file.name} is an HTML or XML page, such as a server's page about an error. Check"
                    " what wrote the file."
                )
            self._check_mark(file.name, start)
            if format_ == "jsonl" and start.lstrip(codecs.BOM_UTF8 + b" \t\r\n").startswith(b"["):
                raise InputError(
                    f"{file.name} is a JSON array. Write one object a line (JSON Lines), without brackets and commas"
                    " around them."
                )
            text = io.TextIOWrapper(binary, self._codec, newline="")
            try:
                # Whatever the encoding, a byte order mark is this character.
                first = next(text, "").lstrip("\ufeff")
                if format_ == "jsonl":
                    yield from rows_of_json_lines(chain([first], text), file.name)
                elif sign := SEPARATOR.fullmatch(first):
                    dialect = self._dialect(file.name, sign[1])
                    yield from rows_of_csv(text, file.name, dialect, required, before=1)
                else:
                    yield from rows_of_csv(chain([first], text), file.name, self._dialect(file.name), required)
            except UnicodeDecodeError:
                raise self._undecodable(file) from None

    @property
    def _codec(self) -> str:
        name = codecs.lookup(self.encoding).name
        return "utf-8" if name == "utf-8-sig" else name

    def _check_mark(self, name: str, start: bytes) -> None:
        """
        Check that a byte order mark is one of the encoding that is given.

        :raises InputError: if it is another one's, or if the text is surely UTF-16 or UTF-32 without a mark
        """
        for mark, encoding in _MARKS:
            if start.startswith(mark):
                try:
                    text = mark.decode(self._codec)
                except UnicodeDecodeError:
                    text = None
                if text not in {"", "\ufeff"}:
                    raise InputError(f'{name} is {encoding.upper()}. Give encoding="{encoding}".')
                return
        if self._codec.startswith(("utf-16", "utf-32")):
            return
        # Text has no NUL: that is how UTF-16 and UTF-32 write a half or more of most characters.
        block = start[: len(start) // 4 * 4]
        for encoding, zeros in _WIDE:
            if block and all(block[at::4].count(0) >= len(block) / 16 for at in zeros):
                raise InputError(f'{name} is {encoding.upper()} without a byte order mark. Give encoding="{encoding}".')

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

    def _dialect(self, name: str, sign: str = "") -> Dialect:
        delimiter = self.delimiter or sign or ("\t" if ".tsv" in _suffixes(name) else ",")
        return Dialect(delimiter, self.quotechar, self.escapechar, self.quoting)

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
