"""
A file or a folder, on the worker's disk or in a store: the only module that opens one.

This module imports no Airflow and no store until a path names one: paths bring theirs.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Place", "folder_of", "one_line", "place_of"]


class Place:
    """
    A file or folder on the worker's disk or in an object store: what both can do, in one way.

    Goes past the path's own methods to its file system: Airflow reports what those read and write as the lineage of the
    task, and some of them ask the store twice.

    :param path: a ``pathlib.Path``, or an ``ObjectStoragePath`` or other path of universal-pathlib
    """

    def __init__(self, path: Any) -> None:
        if hasattr(path, "fs"):
            self.fs, self.path = path.fs, str(path.path)
        else:
            from fsspec.implementations.local import LocalFileSystem

            self.fs, self.path = LocalFileSystem(), str(Path(path).absolute())
        self._text = str(path)
        protocol = self.fs.protocol
        self.is_local = "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def __str__(self) -> str:
        return self._text

    def find(self) -> list[str]:
        """Return the paths of all files below the folder, none where there is no such folder."""
        self.fs.invalidate_cache(self.path)  # others write here
        try:
            found: list[str] = self.fs.find(self.path)
        except FileNotFoundError:
            return []
        return found

    def sizes(self) -> dict[str, int]:
        """Return the sizes in bytes of the files in the folder, by name; empty where there is no such folder."""
        sizes: dict[str, int] = {}
        if self.is_local:
            with contextlib.suppress(FileNotFoundError), os.scandir(self.path) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):  # a temporary file of somebody's
                        if entry.is_file():
                            sizes[entry.name] = entry.stat().st_size
            return sizes
        self.fs.invalidate_cache(self.path)  # others write here
        try:
            found = self.fs.ls(self.path, detail=True)
        except FileNotFoundError:
            return sizes
        return {file["name"].rpartition("/")[2]: file["size"] for file in found if file["type"] == "file"}

    def first_line(self, name: str) -> bytes:
        """Return the first line of a file of the folder; it ends with a line break, unless it breaks off."""
        with self.fs.open(f"{self.path}/{name}", "rb") as file:
            line: bytes = file.readline()
        return line

    def read(self, name: str) -> bytes | None:
        """Return a small file of the folder, ``None`` where it is not there."""
        self.fs.invalidate_cache(self.path)  # others write here
        try:
            data: bytes = self.fs.cat_file(f"{self.path}/{name}")
        except FileNotFoundError:
            return None
        return data

    def put(self, name: str, data: bytes) -> None:
        """
        Write a small file in the folder, or replace it: readers see the old or the new one.

        It outlasts the process and the machine when this returns.
        """
        if self.is_local:
            with self.writing(name) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        else:
            self.fs.pipe_file(f"{self.path}/{name}", data)

    @contextlib.contextmanager
    def writing(self, name: str = "") -> Iterator[BinaryIO]:
        """
        Open a file to be written, in the folder or, without a name, the one that the place is.

        It is not there before it is whole: what fails in the middle leaves nothing.
        """
        target = f"{self.path}/{name}" if name else self.path
        directory = None
        if self.is_local:
            directory = Path(target).parent
            directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o640)
                yield file
            if self.is_local:
                Path(temporary).replace(target)
            else:
                self.fs.put_file(temporary, target)
        finally:
            Path(temporary).unlink(missing_ok=True)


def folder_of(path: str, conn_id: str | None = None) -> Any:
    """
    Return a folder or file by its text: a ``pathlib.Path``, or an ``ObjectStoragePath``.

    :param path: as in an XCom
    :param conn_id: the Airflow connection to the object store; the path itself may name one
    """
    scheme, separator, rest = path.partition("://")
    if not separator or scheme == "file":
        return Path(rest if separator else path)
    from airflow_connect._compat import storage_path

    return storage_path(path, conn_id)


def place_of(path: Any, conn_id: str | None = None) -> Place:
    """
    Return the place that a path names.

    :param path: text, as in an XCom, a ``pathlib.Path`` or an ``ObjectStoragePath``
    :param conn_id: the Airflow connection to the object store, for a path that is text
    """
    return Place(folder_of(path, conn_id) if isinstance(path, str) else path)


def one_line(error: BaseException) -> str:
    """Return what went wrong with a file or a store, on one short line."""
    text = str(getattr(error, "strerror", None) or error)
    return f"{type(error).__name__}: {' '.join(text.split())[:300]}"
