"""Machines on this one: what one writes, another does not see, and one that is cut off reaches the world alone."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.until import until
from tools import machines
from tools.machines import Machines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"


@contextlib.contextmanager
def network(*names: str) -> Iterator[Machines]:
    """Machines of namespaces; where these are not allowed, the test fails in CI, and is skipped elsewhere."""
    with Machines(*names) as found:
        if not found.are_namespaces:
            message = "machines of namespaces need root, iproute2, and a kernel that allows them"
            pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
        yield found


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_disk_and_name_are_a_machine_s_own(tmp_path: Path) -> None:
    """Each machine has its own name and an empty disk, which this one does not see either."""
    disk = tmp_path / "disk"
    with network("one", "two") as found:
        for name in ("one", "two"):
            script = f"hostname; ls {disk}; touch {disk}/{name}; ls {disk}"
            assert run(found.command(name, ["sh", "-c", script], disk=disk)).stdout == f"{name}\n{name}\n"
    assert list(disk.iterdir()) == []


def test_machine_that_is_cut_off(tmp_path: Path) -> None:
    """It does not reach the house, and still reaches the world, until it is connected again."""
    with network("one") as found:
        doors = {where: socket.create_server((where, 0)) for where in (found.house, found.world)}

        def reaches(where: str) -> bool:
            port = str(doors[where].getsockname()[1])
            command = [sys.executable, "-c", CONNECT, where, port]
            return run(found.command("one", command, disk=tmp_path / "disk")).returncode == 0

        assert (reaches(found.house), reaches(found.world)) == (True, True)
        found.cut_off("one")
        assert (reaches(found.house), reaches(found.world)) == (False, True)
        found.connect("one")
        until(lambda: reaches(found.house))  # a bridge takes a while until it forwards again
        assert reaches(found.world)
        for door in doors.values():
            door.close()


def test_nothing_is_left_of_a_network() -> None:
    """Whoever leaves takes bridges and namespaces along."""
    with network("one") as found:
        bridge = f"mc{found.house.split('.')[2]}-house"
        assert bridge in run(["ip", "-br", "link"]).stdout
    assert bridge not in run(["ip", "-br", "link"]).stdout
    assert found._name("one") not in run(["ip", "netns"]).stdout


def test_machines_without_namespaces_are_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where namespaces are not allowed, root gives each machine a user, who owns its disk; others get a folder."""
    monkeypatch.setattr(machines, "are_namespaces_allowed", lambda: False)
    with Machines("one", "two") as found:
        assert found.house == found.world == "127.0.0.1"
        users = set()
        for name in ("one", "two"):
            disk = tmp_path / name
            command = found.command(name, ["id", "-u"], disk=disk)
            users.add(run(command).stdout)
            assert str(disk.stat().st_uid) == run(command).stdout.strip()
        assert len(users) == (2 if os.geteuid() == 0 else 1)
