"""
Runs several programs as one: they start together and end together, whatever ends them.

    caller ──(standard input held open)──► this file as a process ──► program, program, …

A running set ends when its caller is gone (even by SIGKILL), at SIGTERM, or when one of its programs ends
by itself; then nothing that any of the programs started is left. Knows nothing of Airflow.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Programs:
    """
    A set of programs that belongs to a directory; its logs, one per program, lie there.

    :param directory: Where the set keeps its logs and its lock. One set runs in a directory at a time,
        and any process can ask for it or end it by naming the directory.
    :param grace: How many seconds programs may take to end by themselves before they are killed.
    """

    def __init__(self, directory: Path, *, grace: float = 10) -> None:
        self.directory = directory
        self.grace = grace
        self._lock = directory / "programs.lock"
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self, commands: Mapping[str, Sequence[str]], *, env: Mapping[str, str], detached: bool = False) -> None:
        """
        Start the programs.

        :param commands: Name of each program, which names its log file, and its command line.
        :param env: The whole environment of the programs.
        :param detached: Let the programs outlive this process, until somebody calls :meth:`stop`.
        """
        if pid := self.running_pid():
            raise RuntimeError(f"{self.directory} already has programs running (process {pid}).")
        self.directory.mkdir(parents=True, exist_ok=True)
        spec = self.directory / "programs.json"
        spec.write_text(json.dumps({"commands": commands, "detached": detached, "grace": self.grace}))
        with (self.directory / "programs.log").open("wb") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, __file__, str(self.directory)],
                stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(env),
                # Ctrl-C in a terminal goes to the whole foreground group. The caller ends the set in its
                # own order instead.
                start_new_session=True,
            )

    def running_pid(self) -> int | None:
        """Return the process ID of the set's keeper, or None when the set is not running."""
        # The lock, not the number, says whether it runs: a process ID is used again by others.
        with contextlib.suppress(FileNotFoundError), self._lock.open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read())
        return None

    def failure(self) -> str | None:
        """Return why the set that this object started ends or has ended, or None while it runs."""
        if self._keeper is None:
            return None
        ended = self._keeper.poll() is not None
        said = (self.directory / "programs.log").read_text(errors="replace").strip()
        return said or ("ended" if ended else None)

    def log_tail(self, name: str, lines: int = 40) -> str:
        """Return the last lines of a program's log."""
        log = self.directory / f"{name}.log"
        if not log.exists():
            return f"({log} was not written)"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """End the programs and all that they started; does nothing when they do not run."""
        if self._keeper is not None:
            if self._keeper.stdin is not None:
                self._keeper.stdin.close()
            self._keeper.terminate()
            self._keeper.wait()
            self._keeper = None
        elif pid := self.running_pid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            while self.running_pid():
                time.sleep(0.05)


def _keep(directory: Path) -> int:
    """Run the set of a directory until it ends, and return the exit code."""
    spec = json.loads((directory / "programs.json").read_text())
    # Opened without truncation: the file names the one who holds the lock until this process holds it.
    with (directory / "programs.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _adopt_orphans()
        asked_to_stop: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda received, _frame: asked_to_stop.append(received))
        names = {_spawn(command, directory / f"{name}.log"): name for name, command in spec["commands"].items()}
        try:
            while True:
                for pid, code in _reap():
                    if name := names.pop(pid, None):
                        print(f"{name} ended with {_say(code)}", flush=True)
                        return 1
                caller_is_gone = not spec["detached"] and select.select([0], [], [], 0)[0]
                if asked_to_stop or caller_is_gone:
                    return 0
                time.sleep(0.1)
        finally:
            _end(list(names), spec["grace"])


def _spawn(command: Sequence[str], log: Path) -> int:
    # Not subprocess.Popen: its objects wait for their process, which the code that reaps them all does not expect.
    return os.posix_spawnp(
        command[0],
        list(command),
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )


def _say(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _end(programs: Sequence[int], grace: float) -> None:
    for pid in programs:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    running = set(programs)
    while running and time.monotonic() < deadline:
        running -= {pid for pid, _ in _reap()}
        time.sleep(0.05)
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def _reap() -> Iterator[tuple[int, int]]:
    """Yield process ID and exit code of every child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, os.waitstatus_to_exitcode(status)


def _adopt_orphans() -> None:
    """Become the parent of every orphan below this process, so that it is found when all has to end."""
    # Airflow puts its task runners in process groups and sessions of their own: a signal to a group misses
    # them. Linux only (PR_SET_CHILD_SUBREAPER); elsewhere an orphan of a killed program is not found.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def descendants(ancestor: int) -> list[int]:
    """Return the processes that a process has started, and those that these have, and so on."""
    children: dict[int, list[int]] = {}
    for pid, parent in _process_table():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    pending = [ancestor]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found


def _process_table() -> Iterator[tuple[int, int]]:
    """Yield process ID and parent's process ID of every process that is not a zombie."""
    if not Path("/proc/self/stat").exists():
        # Where there is no /proc (macOS) there is ps; on slim images of Linux it is the other way round.
        with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid=,stat="], stdout=subprocess.PIPE, text=True) as table:
            rows = [row.split() for row in table.stdout or ()]
        for pid, parent, state in rows:
            if not state.startswith("Z") and int(pid) != table.pid:
                yield int(pid), int(parent)
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The command's name stands in parentheses and may itself hold blanks and parentheses.
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                yield int(stat.parent.name), int(fields[1])


if __name__ == "__main__":
    sys.exit(_keep(Path(sys.argv[1])))
