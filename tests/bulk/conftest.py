"""A PostgreSQL and a MariaDB to read from: servers of their own, started once for the session."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import pytest

from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENGINES: Final = ("storage-engine", "tmp-storage-engine")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The folder with the socket of an empty PostgreSQL: its ``host``; user and database are ``postgres``."""
    programs = _programs()
    if programs is None:
        _without("PostgreSQL", "postgresql")
    # A socket's path may have some hundred characters, which those of pytest's folders can exceed.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_user = {}
    if os.geteuid() == 0:  # as whom the server does not run
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def run(program: str, *arguments: str) -> None:
        # Not a pipe: the server keeps it open, and its end would never come.
        with (folder / "out").open("ab") as out:
            done = subprocess.run(
                [programs / program, "--pgdata", folder / "data", *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
                **as_user,
            )
        assert done.returncode == 0, (folder / "out").read_text()

    run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    run("pg_ctl", "start", "--wait", "--options", options)
    yield str(folder)
    run("pg_ctl", "stop", "--mode=immediate")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """The socket of a MariaDB that lets everybody in; its database ``shop`` is empty."""
    server = shutil.which("mariadbd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if server is None:
        _without("MariaDB", "mariadb")
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    (folder / "shop").mkdir()
    socket = folder / "socket"
    options = ["--no-defaults", f"--datadir={folder}", f"--socket={socket}", "--skip-networking"]
    # Without tables for users, which another program would have to make, nor the engine that makes large files.
    options += ["--skip-grant-tables", "--skip-innodb", *[f"--default-{kind}=Aria" for kind in _ENGINES]]
    if os.geteuid() == 0:
        options.append("--user=root")
    with (folder / "out").open("wb") as out:
        running = subprocess.Popen([server, *options], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    until(lambda: socket.exists() or running.poll() is not None)
    assert running.poll() is None, (folder / "out").read_text()
    yield str(socket)
    running.kill()
    running.wait()
    shutil.rmtree(folder)


def _without(server: str, target: str) -> NoReturn:
    message = f"there is no {server} server; install it (as root, make {target} does) to run these tests"
    # Where tests have to run, none is left out in silence.
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def _programs() -> Path | None:
    """Return the folder of the server's programs, which Debian keeps out of the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in versions), default=None, key=lambda path: int(path.parent.name))
