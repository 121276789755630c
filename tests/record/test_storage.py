"""Where a record is: on a disk of this machine alone, on one that others mount, in a store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from airflow_connect.api.errors import RecordError
from airflow_connect.record import storage
from airflow_connect.record.format import run_folder
from airflow_connect.record.ledger import claim_file
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


@pytest.mark.parametrize("kind", ["disk", "s3"])
def test_file_is_claimed_by_one_map_index(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Of map indexes that begin at once one has the file, and all know which; other files and runs are apart."""
    root = tmp_path
    if kind == "s3":
        from airflow_connect._compat import storage_path

        conn_id, bucket = (request.getfixturevalue(name) for name in ("local_aws_connection", "bucket"))
        root = storage_path(f"s3://{conn_id}@{bucket}")
    of_task = {"dag_id": "d", "run_id": "r", "task_id": "t"}
    folders = [run_folder(root, **of_task, map_index=index) for index in range(8)]
    path = str(root / "failed.jsonl")
    with ThreadPoolExecutor(8) as pool:
        owners = set(pool.map(claim_file, folders, [path] * 8, range(8)))
    [owner] = owners
    assert claim_file(folders[owner], path, owner) == owner
    assert claim_file(folders[owner - 1], path, owner - 1) == owner
    assert claim_file(folders[7], str(root / "other.jsonl"), 7) == 7
    assert claim_file(run_folder(root, **of_task | {"run_id": "r2"}, map_index=7), path, 7) == 7


def test_claim_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Nobody writes a file that another may have."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="What map index 1 writes cannot be recorded"):
        claim_file(tmp_path / "file" / "map_index=1", "/tmp/failed.jsonl", 1)
