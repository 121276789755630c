"""The records that the API server reads: whose they are, and that all who look share what is read."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.calls.clock import Clock
from airflow_connect.plugins import records as module
from airflow_connect.plugins.records import Records, belongs_to, index_folder
from airflow_connect.record.format import run_folder
from airflow_connect.record.index import Index, rest_after
from airflow_connect.record.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

WHOSE = {"dag_id": "d", "run_id": "manual__2026-01-01T00:00:00+00:00", "task_id": "group.t"}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """The folder of a task instance with ten contacts."""
    folder: Path = run_folder(tmp_path / "results", **WHOSE)
    with Ledger(folder, header={**WHOSE, "map_index": -1, "try_number": 1, "rows": 10}) as ledger:
        ledger.intend([(row, None, f"token {row}", "content") for row in range(1, 11)])
        for row in range(1, 11):
            ledger.created(row, f"c{row}", attempts=1)
    return folder


def test_two_hundred_people_read_a_record_once(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many look at once, one thread reads the record, and all see the same."""
    refreshed: list[int] = []
    refresh = Index.refresh

    def counting(index: Index) -> bool:
        refreshed.append(threading.get_ident())
        return refresh(index)

    monkeypatch.setattr(Index, "refresh", counting)
    monkeypatch.setattr(module, "INTERVAL", 3_600.0)  # a slow machine takes its time for two hundred looks
    looks = Records(tmp_path / "indexes", decisions=("", ()))
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: looks.read(str(record)), range(200)))
    assert len(refreshed) == 1
    assert {None if one.totals is None else one.totals.counts["created"] for one in found} <= {None, 10}
    totals = looks.read(str(record)).totals
    assert totals is not None
    assert totals.counts["created"] == 10
    assert len(refreshed) == 1


def test_a_reading_that_took_long_puts_off_the_next_one_for_seconds(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine makes reading slow; who watches a run then waited ten times as long for news."""

    class Hand(Clock):
        """A clock that is moved by hand."""

        time = 1_000.0

        def now(self) -> float:
            return self.time

    clock = Hand()

    def slow(_index: Index) -> bool:
        clock.time += 4.6
        refreshed.append(clock.time)
        return True

    refreshed: list[float] = []
    monkeypatch.setattr(Index, "refresh", slow)
    looks = Records(tmp_path / "indexes", decisions=("", ()), clock=clock)
    while len(refreshed) < 2:
        looks.read(str(record))
        clock.time += 0.5
        assert clock.time < 1_030
    assert [rest_after(seconds) for seconds in (0.01, 0.5, 4.6, 60)] == [0.1, 5, 10, 60]


def test_a_record_that_is_not_there(tmp_path: Path) -> None:
    """What cannot be read is reported in words."""
    snapshot = Records(tmp_path / "indexes", decisions=("", ())).read(str(tmp_path / "nowhere"))
    assert (snapshot.totals, snapshot.is_building) == (None, False)
    assert snapshot.error is not None
    assert snapshot.error.startswith("Results do not exist below")


def test_a_store_that_is_not_installed(tmp_path: Path) -> None:
    """A path into a store that nobody knows is an error in words, and no traceback."""
    snapshot = Records(tmp_path / "indexes", decisions=("", ())).read("nosuchstore://bucket/x")
    assert snapshot.totals is None
    assert snapshot.error
    assert snapshot.pages.page() is None


def test_old_indexes_make_room(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where indexes take too much, those that nobody has read for the longest time go."""
    folder = tmp_path / "indexes"
    Index(folder, module.place_of(record)).refresh()
    [old] = folder.glob("*.db")
    os.utime(old, (1, 1))
    monkeypatch.setattr(module, "MOST_BYTES", 1)
    looks = Records(folder, decisions=("decision", ("approve",)))
    assert looks.read(str(record)).totals is not None
    assert old not in set(folder.glob("*.db"))
    assert len(list(folder.glob("*.db"))) == 1


def test_the_folder_is_for_the_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else on the machine reads indexes; a folder that others can write to is not used."""
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    folder = index_folder()
    assert folder.stat().st_mode & 0o077 == 0
    assert index_folder() == folder
    folder.chmod(0o777)
    assert index_folder() != folder


def test_paths_that_belong_to_a_dag() -> None:
    """The folder of the task, of any of its instances, and of a list of contacts that it was given."""
    for root in ("/results", "s3://conn@bucket", "s3://bucket/a/b"):
        folder = "/".join(run_folder(module.PurePosixPath("x"), **WHOSE).parts[1:])
        task = folder.rpartition("/")[0]
        for path in (f"{root}/{folder}", f"{root}/{task}", f"{root}/{task}/", f"{root}/{folder}/contacts={'a' * 16}"):
            assert belongs_to(path, **WHOSE), path
            assert belongs_to(path, dag_id="d"), path
            assert not belongs_to(path, **WHOSE | {"task_id": "other"}), path
            assert not belongs_to(path, dag_id="other"), path


FOLDER = "/".join(run_folder(module.PurePosixPath("x"), **WHOSE).parts[1:])


@pytest.mark.parametrize(
    "path",
    [
        None,
        7,
        "",
        "/",
        "/etc/passwd",
        f"{FOLDER}",  # not whole
        f"../{FOLDER}",
        f"/results/../secret/{FOLDER}",
        f"/results/{FOLDER}/..",
        f"/results/{FOLDER}/../../x",
        f"/results/./{FOLDER}",
        f"/results/{FOLDER}/more",
        f"/results/{FOLDER}\x00",
        f"://{FOLDER}",
        f"FILE ://{FOLDER}",
        f"/results/{FOLDER.replace('/', '%2f')}",
        {"path": FOLDER},
    ],
)
def test_paths_that_do_not(path: Any) -> None:
    """A path that goes up, is not whole, or ends elsewhere is not followed."""
    assert not belongs_to(path, **WHOSE)
    assert not belongs_to(path, dag_id="d")
