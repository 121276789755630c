"""A PostgreSQL of one's own: a folder with its data, and the command line that runs it. Needs its programs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

# PostgreSQL takes SIGTERM for a wish to let its clients finish, which they never do.
_STOP_AT_ONCE = '"$@" & server=$!; trap "kill -INT $server" TERM; wait $server; wait $server'
_OPTIONS = {"fsync": "off", "unix_socket_directories": "", "max_connections": "200"}


def make_database(data: Path, name: str, *, network: str = "127.0.0.1/32") -> None:
    """
    Make the data of a server with an empty database.

    :param data: A folder that is not there yet. The user ``postgres`` has to reach it if this process is root.
    :param name: Of the database, and of the user who owns it.
    :param network: Whose clients are let in without a password.
    """
    data.mkdir(parents=True)
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(data, user.pw_uid, user.pw_gid)
    initdb = [_program("initdb"), "-D", str(data), f"--username={name}", "--auth=trust", "--no-sync"]
    _run([*initdb, "--encoding=UTF8", "--locale=C"])
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all {name} {network} trust\n")
    _run([_program("postgres"), "--single", "-D", str(data), "postgres"], f"CREATE DATABASE {name};\n")


def server_command(data: Path, host: str, port: int) -> list[str]:
    """Return the command line that runs the server until SIGTERM."""
    options = _OPTIONS | {"listen_addresses": host, "port": str(port)}
    settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return ["sh", "-c", _STOP_AT_ONCE, "postgres", *_as_user([_program("postgres"), "-D", str(data), *settings])]


def _run(command: list[str], text: str | None = None) -> None:
    done = subprocess.run(_as_user(command), cwd="/", input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _as_user(command: list[str]) -> list[str]:
    """Return the command as a user as whom the server runs, which root is not."""
    if os.geteuid():
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def _program(name: str) -> str:
    """Return the path of a program of the server, which Debian keeps out of the path."""
    if found := shutil.which("initdb"):
        return str(Path(found).resolve().parent / name)
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return str(max(folders, key=lambda path: int(path.parent.name)) / name)
