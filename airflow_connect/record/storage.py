"""
A file or a folder, on the worker's disk or in a store: the only module that opens one.

This module imports no Airflow and no store until a path names one: paths bring theirs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from airflow_connect.api.errors import RecordError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes of a file's end that have its last line.
_TAIL_BYTES: Final = 4_096
#: Bytes that the first line of a file has at most.
_HEAD_BYTES: Final = 1 << 16

#: What Linux calls file systems that many machines mount.
_MOUNTED_BY_MANY: Final = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3"}
)

__all__ = ["Place", "folder_of", "one_line", "open_regular", "place_of"]


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

    @property
    def may_be_shared(self) -> bool:
        """Whether other machines may see the same: in a store, and on a disk that is mounted over a network (Linux)."""
        return not self.is_local or _is_mounted_by_many(self.path)

    def find(self) -> list[str]:
        """Return the paths of all files below the folder, none where the folder does not exist."""
        self.fs.invalidate_cache(self.path)  # others write here
        try:
            found: list[str] = self.fs.find(self.path)
        except FileNotFoundError:
            return []
        return found

    def sizes(self) -> dict[str, int]:
        """Return the sizes in bytes of the files in the folder, by name; empty where the folder does not exist."""
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

    def first_line(self, path: str) -> bytes:
        """Return the first line of a file, as :meth:`find` returns its path; only its start if it is long."""
        with self.open(path) as file:
            line, end, _ = file.read(_HEAD_BYTES).partition(b"\n")  # a store's files read no line of a bounded length
        return line + end

    def last_line(self, path: str) -> bytes:
        """Return the last line of a file, as :meth:`find` returns its path; nothing if it breaks off or is long."""
        if self.is_local:
            with self.open(path) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                end = file.read()
        else:
            end = self.fs.cat_file(path, start=-_TAIL_BYTES)
        lines = end.split(b"\n")
        return lines[-2] if len(lines) > 2 and not lines[-1] else b""

    def read(self, name: str) -> bytes | None:
        """Return a small file of the folder, ``None`` where it is not there."""
        self.fs.invalidate_cache(self.path)  # others write here
        try:
            with self.open(f"{self.path}/{name}") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def listing(self) -> dict[str, tuple[int, str]]:
        """
        Return the files in the folder by name: size in bytes, and a text that is another one when the file is replaced.

        It is empty where the folder does not exist.
        """
        found: dict[str, tuple[int, str]] = {}
        if self.is_local:
            with contextlib.suppress(FileNotFoundError), os.scandir(self.path) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        if entry.is_file(follow_symlinks=False):
                            status = entry.stat()
                            found[entry.name] = status.st_size, f"{status.st_ino} {status.st_mtime_ns}"
            return found
        self.fs.invalidate_cache(self.path)  # others write here
        with contextlib.suppress(FileNotFoundError):
            for file in self.fs.ls(self.path, detail=True):
                if file["type"] == "file":
                    found[file["name"].rpartition("/")[2]] = file["size"], str(file)
        return found

    def read_at_most(self, name: str, size: int) -> bytes | None:
        """
        Return the start of a file of the folder, with one request to a store; ``None`` where it is not there.

        :param name: its name
        :param size: bytes at most
        :raises RecordError: if it is not a file
        """
        try:
            if not self.is_local:
                return bytes(self.fs.cat_file(f"{self.path}/{name}", start=0, end=size))
            with self.open(f"{self.path}/{name}") as file:
                return file.read(size)
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove a file of the folder, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            if self.is_local:
                Path(f"{self.path}/{name}").unlink()
            else:
                self.fs.rm_file(f"{self.path}/{name}")

    def open(self, path: str) -> BinaryIO:
        """
        Open a file to be read.

        :param path: as :meth:`find` returns it
        :raises RecordError: if it is not a file, see :func:`open_regular`
        """
        return open_regular(path) if self.is_local else cast("BinaryIO", self.fs.open(path, "rb"))

    def beside(self, path: str) -> Place:
        """
        Return another folder on the same disk or in the same store.

        :param path: as :meth:`find` returns those of files
        """
        other = object.__new__(Place)
        other.fs, other.is_local, other.path, other._text = self.fs, self.is_local, path, path
        return other

    def put(self, name: str, data: bytes) -> None:
        """
        Write a small file in the folder, or replace it: readers see the old or the new one.

        It outlasts the process and the machine when this returns.
        """
        if self.is_local:
            with _whole(Path(f"{self.path}/{name}")) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        else:
            self.fs.pipe_file(f"{self.path}/{name}", data)

    def create(self, name: str, data: bytes) -> None:
        """
        Write a small file in the folder, unless it is there.

        Of several writers at once one wins, on the worker's disk and in stores that can (S3 can). Read the file to know
        which.
        """
        if self.is_local:
            path = Path(f"{self.path}/{name}")
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            temporary = path.with_name(f".{name}-{secrets.token_hex(4)}.tmp")
            try:
                with open(temporary, "xb", opener=_private) as file:  # Path.open() takes no opener
                    file.write(data)
                path.hardlink_to(temporary)
            except FileExistsError:
                return
            except OSError:  # a disk without links
                if not path.exists():
                    temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            return
        try:
            self.fs.pipe_file(f"{self.path}/{name}", data, mode="create")
        except FileExistsError:
            return
        except Exception:  # noqa: BLE001  # a store's errors are of its own kinds: one that cannot, or is out of reach
            if self.read(name) is None:
                self.put(name, data)

    @contextlib.contextmanager
    def writing(self, name: str = "") -> Iterator[BinaryIO]:
        """
        Open a file to be written, in the folder or, without a name, the one that the place is.

        It appears when it is whole: a failure in the middle leaves nothing. Nor does a process that is killed, except
        on disks that have no files without a name: there it leaves a file that only its user can read, and that the
        next writer of the same file removes.
        """
        target = f"{self.path}/{name}" if name else self.path
        if self.is_local:
            with _whole(Path(target), clean=True) as file:
                yield file
            return
        with tempfile.TemporaryFile() as spool:
            yield cast("BinaryIO", spool)
            spool.flush()
            spool.seek(0)
            self.fs.put_file(f"/dev/fd/{spool.fileno()}", target)


def _is_mounted_by_many(path: str) -> bool:
    real, kind = os.path.realpath(path), ""
    # Of the mounts above a path the last one counts; https://docs.kernel.org/filesystems/proc.html (mountinfo)
    with contextlib.suppress(OSError):
        found = 0
        for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
            before, _, after = line.partition(" - ")
            mount = before.split(" ")[4].replace("\\040", " ")
            if len(mount) >= found and (mount == "/" or f"{real}/".startswith(f"{mount}/")):
                found, kind = len(mount), after.split(" ")[0]
    return kind in _MOUNTED_BY_MANY or (kind.startswith("fuse.") and "overlay" not in kind)


@contextlib.contextmanager
def _whole(target: Path, *, clean: bool = False) -> Iterator[BinaryIO]:
    """
    Open a file on the worker's disk that is at its path once it is whole.

    :param target: its path
    :param clean: whether to remove what killed writers of the same file left
    """
    directory = target.parent
    directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    names = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}-"
    if clean:
        for left in directory.glob(f"{names}*.tmp"):
            with contextlib.suppress(OSError), left.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a writer that lives holds it
                left.unlink()
    temporary = directory / f"{names}{secrets.token_hex(4)}.tmp"
    try:
        with _unnamed(directory) or open(temporary, "xb", opener=_private) as file:  # Path.open() takes no opener
            with contextlib.suppress(OSError):  # a disk without locks, on which nobody removes what others left
                fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            if not temporary.exists():
                # Without a descriptor, Python would link the symbolic link in /proc, and not the file.
                os.link(f"/proc/self/fd/{file.fileno()}", temporary, src_dir_fd=file.fileno(), follow_symlinks=True)
            temporary.replace(target)
            os.fchmod(file.fileno(), 0o640)
    finally:
        temporary.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _unnamed(directory: Path) -> BinaryIO | None:
    """Return a new file that has no name in a directory, ``None`` where the disk or the system has no such files."""
    try:
        file = os.fdopen(os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb")
    except (OSError, AttributeError):
        return None
    if Path(f"/proc/self/fd/{file.fileno()}").exists():
        return file
    file.close()
    return None


def open_regular(path: str) -> BinaryIO:
    """
    Open a file on the worker's disk to be read.

    :param path: its path
    :raises RecordError: if it is a pipe, a device, or anything else that is not a file and may never end
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise RecordError(f"{path} is not a file, although it has the name of one of the record. Move it elsewhere.")
    return file


def folder_of(path: str, conn_id: str | None = None) -> Any:
    """
    Return a folder or file by its text: a ``pathlib.Path``, or an ``ObjectStoragePath``.

    :param path: as in an XCom
    :param conn_id: the Airflow connection to the object store; the path itself may name one
    :raises SetupError: if the package that the store needs is not installed
    """
    scheme, separator, rest = path.partition("://")
    if not separator or scheme == "file":
        return Path(rest if separator else path)
    from airflow_connect._compat import storage_path

    try:
        return storage_path(path, conn_id)
    except ImportError as error:
        missing = str(error)
    raise SetupError(missing)


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
