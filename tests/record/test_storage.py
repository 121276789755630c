"""Where a record is: on a disk of this machine alone, on one that others mount, in a store."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from airflow_connect.record import storage
from airflow_connect.record.storage import Place

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/with\\040blank rw - nfs4 files:/results rw
31 22 0:41 / /mnt/with\\040blank/own rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/bucket rw - fuse.s3fs s3fs rw
33 22 0:43 / /var/lib/containers rw - fuse.fuse-overlayfs fuse-overlayfs rw
34 22 0:44 / /mnt/bucketful rw - ext4 /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("path", "shared"),
    [
        ("/srv/results", False),
        ("/mnt/with blank", True),
        ("/mnt/with blank/contacts", True),
        ("/mnt/with blank/own/contacts", False),
        ("/mnt/bucket/contacts", True),
        ("/mnt/bucketful/contacts", False),
        ("/var/lib/containers/contacts", False),
    ],
)
def test_disk_that_many_machines_mount(path: str, shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mount that a folder is on says whether other machines may see it."""
    read_text = Path.read_text

    def read(self: Path, *arguments: str, **options: str) -> str:
        return MOUNTS if str(self) == "/proc/self/mountinfo" else read_text(self, *arguments, **options)

    monkeypatch.setattr(storage.Path, "read_text", read)
    assert Place(Path(path)).may_be_shared is shared


def test_store_is_seen_by_all() -> None:
    """A store has no disk."""
    assert Place(SimpleNamespace(fs=fsspec.filesystem("memory"), path="/results")).may_be_shared
